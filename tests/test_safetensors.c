/* Does the safetensors reader believe nothing? Files are built in memory, good and hostile. */
#include "base/mem.h"
#include "llm/safetensors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A file: header length, header, data_bytes of zeros. Parsed in full unless `len` says otherwise. */
typedef struct {
    strbuf bytes;
    arena *a;
    diag *d;
    safetensors s;
    safetensors_status status;
} bench;

static void build(bench *b, str header, uint64_t header_bytes, size_t data_bytes) {
    *b = (bench){.a = arena_new(0), .d = diag_new()};
    assert_true(b->a && b->d);
    strbuf_add(&b->bytes, &header_bytes, 8);
    strbuf_add(&b->bytes, header.p, header.n);
    for (size_t i = 0; i < data_bytes; i++) strbuf_addc(&b->bytes, 0);
    assert_false(b->bytes.oom);
}

/* From a copy of exactly len bytes, so that a sanitizer sees a read beyond them. */
static safetensors_status parse(bench *b, size_t len, uint64_t file_bytes) {
    uint8_t *copy = mem_alloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, b->bytes.data, len);
    b->status = safetensors_parse(&b->s, b->a, "x.safetensors", copy, len, file_bytes, b->d);
    mem_free(copy);
    return b->status;
}

static void done(bench *b) {
    strbuf_free(&b->bytes);
    arena_free(b->a);
    diag_free(b->d);
}

static bench open_text(const char *header, size_t data_bytes) {
    bench b;
    build(&b, str_from(header), strlen(header), data_bytes);
    parse(&b, b.bytes.len, b.bytes.len);
    return b;
}

static void expect_bad(const char *header, size_t data_bytes, const char *message) {
    bench b = open_text(header, data_bytes);
    if (b.status != SAFETENSORS_BAD || !strstr(diag_text(b.d), message))
        fail_msg("%s\n  gave status %d and: %s  wanted: %s", header, b.status, diag_text(b.d), message);
    assert_int_equal(diag_error_count(b.d), 1);
    done(&b);
}

#define T(dtype, shape, begin, end) "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

static void reads_a_file(void **state) {
    (void)state;
    bench b = open_text("{\"b\":" T("BF16", "2,3", "16", "28") ",\"__metadata__\":{\"format\":\"pt\"},\"a\":" T("F32", "4", "0", "16")
                        ",\"mask\":" T("BOOL", "1,1,2", "28", "30") ",\"s\":" T("F16", "", "30", "32") ",\"none\":" T("F32", "0,7", "16", "16")
                        "}   ", 32);
    assert_int_equal(b.status, SAFETENSORS_OK);
    assert_string_equal(diag_text(b.d), "");
    assert_int_equal(b.s.tensor_count, 5);
    const safetensor *t = b.s.tensors; /* in the order of their data */
    const char *names[] = {"a", "none", "b", "mask", "s"};
    for (int i = 0; i < 5; i++) assert_string_equal(t[i].name.p, names[i]);
    assert_int_equal(t[2].type->id, DTYPE_BF16);
    assert_int_equal(t[2].n_dims, 2);
    assert_int_equal(t[2].dims[0], 2);
    assert_int_equal(t[2].dims[1], 3);
    assert_int_equal(t[2].offset_bytes, b.s.header_bytes + 16);
    assert_int_equal(t[2].size_bytes, 12);
    assert_null(t[3].type); /* known, but no weight */
    assert_string_equal(t[3].type_name, "BOOL");
    assert_int_equal(t[4].n_dims, 0);
    assert_int_equal(t[4].size_bytes, 2);
    assert_string_equal(safetensors_find_note(&b.s, "format"), "pt");
    assert_null(safetensors_find_note(&b.s, "other"));
    done(&b);
}

static void names_may_be_any_utf8(void **state) {
    (void)state;
    bench b = open_text("{\"\xC3\xA9\\u4e2d\":" T("F32", "1", "0", "4") "}", 4);
    assert_int_equal(b.status, SAFETENSORS_OK);
    assert_string_equal(b.s.tensors[0].name.p, "\xC3\xA9\xE4\xB8\xAD");
    done(&b);
    expect_bad("{\"\xC3\x28\":" T("F32", "1", "0", "4") "}", 4, "not valid JSON");
    expect_bad("{\"a\\u0000b\":" T("F32", "1", "0", "4") "}", 4, "not valid JSON");
    expect_bad("{\"\\u001b[31m\":" T("F32", "2", "0", "4") "}", 4, "tensor '?[31m'"); /* nothing a terminal would obey */
}

static void empty_files_are_fine(void **state) {
    (void)state;
    bench b = open_text("{}", 0);
    assert_int_equal(b.status, SAFETENSORS_OK);
    assert_int_equal(b.s.tensor_count, 0);
    done(&b);
    expect_bad("{}", 1, "the last 1 bytes belong to no tensor");
}

static void asks_for_more_at_every_byte(void **state) {
    (void)state;
    bench b;
    str header = STR("{\"a\":" T("F32", "4", "0", "16") "}");
    build(&b, header, header.n, 16);
    for (size_t len = 0; len < 8 + header.n; len++) {
        assert_int_equal(parse(&b, len, b.bytes.len), SAFETENSORS_NEED_MORE);
        assert_int_equal(b.s.header_bytes, len < 8 ? 0 : 8 + header.n);
    }
    for (size_t len = 8 + header.n; len <= b.bytes.len; len++) assert_int_equal(parse(&b, len, b.bytes.len), SAFETENSORS_OK);
    assert_int_equal(diag_error_count(b.d), 0);
    done(&b);
}

static void a_cut_file_is_bad_at_every_byte(void **state) {
    (void)state;
    bench b;
    str header = STR("{\"a\":" T("F32", "4", "0", "16") "}");
    build(&b, header, header.n, 16);
    for (size_t len = 0; len < b.bytes.len; len++) {
        assert_int_equal(parse(&b, len, len), SAFETENSORS_BAD);
        assert_int_equal(diag_error_count(b.d), 1);
        diag_clear(b.d);
    }
    for (size_t n = 0; n < header.n; n++) { /* or the header is cut and says so */
        bench c;
        build(&c, (str){header.p, n}, n, 16);
        assert_int_equal(parse(&c, c.bytes.len, c.bytes.len), SAFETENSORS_BAD);
        done(&c);
    }
    done(&b);
}

/* Any changed byte of the header gives an answer, and what it lets through keeps the promises of the struct. */
static void flipped_bytes_do_no_harm(void **state) {
    (void)state;
    bench b;
    str header = STR("{\"a\":" T("F32", "4", "0", "16") ",\"b\":" T("F16", "2,2", "16", "24") "}");
    build(&b, header, header.n, 24);
    for (size_t at = 0; at < 8 + header.n; at++)
        for (int bit = 0; bit < 8; bit++) {
            b.bytes.data[at] ^= (char)(1 << bit);
            if (parse(&b, b.bytes.len, b.bytes.len) == SAFETENSORS_OK)
                for (size_t i = 0; i < b.s.tensor_count; i++) {
                    assert_true(b.s.tensors[i].offset_bytes >= b.s.header_bytes);
                    assert_true(b.s.tensors[i].offset_bytes + b.s.tensors[i].size_bytes <= b.bytes.len);
                }
            b.bytes.data[at] ^= (char)(1 << bit);
            diag_clear(b.d);
        }
    done(&b);
}

static void header_length_is_bounded(void **state) {
    (void)state;
    const uint64_t lies[] = {0, 1, 3, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        bench b;
        build(&b, STR("{}"), lies[i], 0);
        assert_int_equal(parse(&b, b.bytes.len, b.bytes.len), SAFETENSORS_BAD);
        assert_int_equal(diag_error_count(b.d), 1);
        done(&b);
    }
    bench b; /* in a file that would be long enough */
    build(&b, STR("{}"), 100000001, 0);
    assert_int_equal(parse(&b, b.bytes.len, 1ull << 40), SAFETENSORS_BAD);
    done(&b);
    build(&b, STR("{}"), 100000000, 0);
    assert_int_equal(parse(&b, b.bytes.len, 1ull << 40), SAFETENSORS_NEED_MORE);
    assert_int_equal(b.s.header_bytes, 100000008);
    done(&b);
}

static void ranges_must_cover_the_data(void **state) {
    (void)state;
    expect_bad("{\"a\":" T("F32", "2", "0", "8") ",\"b\":" T("F32", "2", "4", "12") "}", 12, "tensor 'b': overlaps tensor 'a'");
    expect_bad("{\"a\":" T("F32", "1", "0", "4") ",\"b\":" T("F32", "1", "0", "4") "}", 4, "overlaps");
    expect_bad("{\"a\":" T("F32", "1", "0", "4") ",\"b\":" T("F32", "1", "8", "12") "}", 12, "behind 4 bytes that belong to no tensor");
    expect_bad("{\"a\":" T("F32", "1", "4", "8") "}", 8, "behind 4 bytes");
    expect_bad("{\"a\":" T("F32", "1", "0", "4") "}", 8, "the last 4 bytes");
    expect_bad("{\"a\":" T("F32", "1", "0", "4") "}", 3, "do not lie in the data");
    expect_bad("{\"a\":" T("F32", "1", "4", "0") "}", 4, "do not lie in the data");
    expect_bad("{\"a\":" T("F32", "1", "0", "9223372036854775807") "}", 4, "do not lie in the data");
    expect_bad("{\"a\":" T("F32", "1", "-4", "0") "}", 4, "not two byte positions");
    expect_bad("{\"a\":" T("F32", "1", "0.0", "4.0") "}", 4, "not two byte positions");
    expect_bad("{\"a\":" T("F32", "1", "0", "4,8") "}", 8, "not two byte positions");
    expect_bad("{\"a\":" T("F32", "3", "0", "8") "}", 8, "its shape and dtype F32 need 12");
}

static void shapes_must_be_possible(void **state) {
    (void)state;
    expect_bad("{\"a\":" T("F32", "9223372036854775808", "0", "4") "}", 4, "too big integer");
    expect_bad("{\"a\":" T("F32", "9223372036854775807", "0", "4") "}", 4, "larger than any file");
    expect_bad("{\"a\":" T("F32", "4294967296,4294967296", "0", "4") "}", 4, "dimension 1 is impossible");
    expect_bad("{\"a\":" T("F32", "4294967296,2147483648,2", "0", "4") "}", 4, "dimension 2 is impossible");
    expect_bad("{\"a\":" T("U8", "2305843009213693952", "0", "4") "}", 4, "larger than any file");
    expect_bad("{\"a\":" T("F32", "-1", "0", "4") "}", 4, "dimension 0 is impossible");
    expect_bad("{\"a\":" T("F32", "1.0", "0", "4") "}", 4, "dimension 0 is impossible");
    expect_bad("{\"a\":" T("F32", "\"1\"", "0", "4") "}", 4, "dimension 0 is impossible");
    expect_bad("{\"a\":" T("F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4, "9 dimensions");
    expect_bad("{\"a\":" T("F4", "3", "0", "1") "}", 1, "does not fill whole bytes");
    expect_bad("{\"a\":" T("Q4_0", "32", "0", "18") "}", 18, "dtype 'Q4_0' is not known");
    expect_bad("{\"a\":" T("f32", "1", "0", "4") "}", 4, "dtype 'f32' is not known");
}

static void entries_must_be_whole(void **state) {
    (void)state;
    expect_bad("{\"a\":" T("F32", "1", "0", "4") ",\"a\":" T("F32", "1", "0", "4") "}", 4, "cannot be trusted");
    expect_bad("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate");
    expect_bad("{\"a\":[]}", 0, "not described by an object");
    expect_bad("{\"a\":{}}", 0, "dtype ''");
    expect_bad("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape");
    expect_bad("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "not two byte positions");
    expect_bad("{\"__metadata__\":{\"format\":1}}", 0, "'format' is not a string");
    expect_bad("{\"__metadata__\":[]}", 0, "not an object");
    expect_bad("[]", 0, "does not begin with '{'");
    expect_bad(" {}", 0, "does not begin with '{'");
    expect_bad("{}x", 0, "not valid JSON");
    expect_bad("{\"a\":", 0, "not valid JSON");
}

static void nesting_is_bounded(void **state) {
    (void)state;
    strbuf deep = {0};
    strbuf_adds(&deep, "{\"a\":");
    for (int i = 0; i < 200000; i++) strbuf_addc(&deep, '[');
    expect_bad(deep.data, 0, "not valid JSON");
    strbuf_free(&deep);
}

/* ---- the index ---- */

static bool parse_index(const char *json, safetensors_index *x, arena *a, diag *d) {
    diag_clear(d);
    return safetensors_index_parse(x, a, "model.safetensors.index.json", str_from(json), d);
}

static void reads_an_index(void **state) {
    (void)state;
    arena *a = arena_new(0);
    diag *d = diag_new();
    safetensors_index x;
    assert_true(parse_index("{\"metadata\":{\"total_size\":12},\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\","
                            "\"c\":\"m-1.safetensors\"}}", &x, a, d));
    assert_int_equal(x.file_count, 2);
    assert_int_equal(x.tensor_count, 3);
    assert_string_equal(x.files[1], "m-2.safetensors");
    assert_string_equal(x.tensors[2], "c");
    assert_int_equal(x.file_of[0], 0);
    assert_int_equal(x.file_of[1], 1);
    assert_int_equal(x.file_of[2], 0);
    diag_free(d);
    arena_free(a);
}

static void index_files_are_plain_names(void **state) {
    (void)state;
    static const char *const evil[] = {
        "\"../m.safetensors\"", "\"/etc/m.safetensors\"", "\"sub/m.safetensors\"", "\"..\\\\m.safetensors\"", "\".safetensors\"",
        "\"..safetensors\"", "\"m.bin\"", "\"\"", "\"m\\u0000.safetensors\"", "\"m\\n.safetensors\"", "\"C:m.safetensors\"", "\"\xC3\xA9.safetensors\"",
        "7", "null", "[\"m.safetensors\"]"};
    arena *a = arena_new(0);
    diag *d = diag_new();
    safetensors_index x;
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"weight_map\":{\"a\":%s}}", evil[i]);
        if (parse_index(json, &x, a, d)) fail_msg("let through: %s", json);
        assert_int_equal(diag_error_count(d), 1);
    }
    assert_false(parse_index("{}", &x, a, d));
    assert_false(parse_index("{\"weight_map\":{}}", &x, a, d));
    assert_false(parse_index("{\"weight_map\":[]}", &x, a, d));
    assert_false(parse_index("", &x, a, d));
    assert_false(parse_index("{\"weight_map\":{\"a\":\"m.safetensors\",\"a\":\"n.safetensors\"}}", &x, a, d));
    diag_free(d);
    arena_free(a);
}

static void index_files_are_few(void **state) {
    (void)state;
    arena *a = arena_new(0);
    diag *d = diag_new();
    safetensors_index x;
    strbuf json = {0};
    strbuf_adds(&json, "{\"weight_map\":{");
    for (int i = 0; i <= SAFETENSORS_FILES_MAX; i++) strbuf_addf(&json, "%s\"t%d\":\"m%d.safetensors\"", i ? "," : "", i, i);
    strbuf_adds(&json, "}}");
    assert_false(parse_index(json.data, &x, a, d));
    assert_non_null(strstr(diag_text(d), "more than 1000 files"));
    strbuf_free(&json);
    diag_free(d);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_file), cmocka_unit_test(names_may_be_any_utf8), cmocka_unit_test(empty_files_are_fine),
        cmocka_unit_test(asks_for_more_at_every_byte), cmocka_unit_test(a_cut_file_is_bad_at_every_byte),
        cmocka_unit_test(flipped_bytes_do_no_harm), cmocka_unit_test(header_length_is_bounded),
        cmocka_unit_test(ranges_must_cover_the_data), cmocka_unit_test(shapes_must_be_possible),
        cmocka_unit_test(entries_must_be_whole), cmocka_unit_test(nesting_is_bounded), cmocka_unit_test(reads_an_index),
        cmocka_unit_test(index_files_are_plain_names), cmocka_unit_test(index_files_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
