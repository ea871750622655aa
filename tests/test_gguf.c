/* Does the GGUF reader read what was written, and does it refuse every file that lies? */
#include "llm/gguf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* One parse, with what it needs and leaves. */
typedef struct {
    gguf g;
    arena *a;
    diag *d;
    gguf_status status;
} parsed;

static parsed parse_part(const void *bytes, size_t len, uint64_t file_bytes) {
    parsed p = {.a = arena_new(0), .d = diag_new()};
    p.status = gguf_parse(&p.g, p.a, "test.gguf", bytes, len, file_bytes, p.d);
    assert_int_equal(diag_error_count(p.d) > 0, p.status == GGUF_BAD); /* a refusal, and only that, has a reason */
    return p;
}

static parsed parse(const strbuf *b) { return parse_part(b->data, b->len, b->len); }

static void drop(parsed *p) {
    gguf_free(&p->g);
    arena_free(p->a);
    diag_free(p->d);
}

/* A file with a key of every kind and three tensors, data and all. */
static void write_sample(strbuf *out) {
    static const uint64_t matrix[] = {64, 3}, vector[] = {5};
    static const int32_t types[] = {1, 3, -6};
    static const uint8_t flags[] = {1, 0};
    const str tokens[] = {STR("a"), STR(""), STR("<0x0A>")};
    gguf_writer w = {0};
    gguf_put_str(&w, "general.architecture", STR("llama"));
    gguf_put_u32(&w, "llama.block_count", 7);
    gguf_put_f32(&w, "llama.rope.freq_base", 1e4f);
    gguf_put_bool(&w, "llama.attention.causal", true);
    gguf_put_array(&w, "tokenizer.ggml.token_type", GGUF_I32, types, 3);
    gguf_put_array(&w, "llama.flags", GGUF_BOOL, flags, 2);
    gguf_put_str_array(&w, "tokenizer.ggml.tokens", tokens, 3);
    gguf_put_tensor(&w, STR("norm.weight"), 1, vector, dtype_find(DTYPE_F32));
    gguf_put_tensor(&w, STR("a.weight"), 2, matrix, dtype_find(DTYPE_Q4_0));
    gguf_put_tensor(&w, STR("b.weight"), 2, matrix, dtype_find(DTYPE_F16));
    assert_true(gguf_emit_header(&w, out));
    assert_true(strbuf_reserve(out, w.data_bytes));
    for (uint64_t i = 0; i < w.data_bytes; i++) strbuf_addc(out, (char)i);
    gguf_writer_free(&w);
}

static void reads_what_was_written(void **state) {
    (void)state;
    strbuf file = {0};
    uint64_t u;
    int64_t i;
    double f;
    bool b;
    str s;
    write_sample(&file);
    parsed p = parse(&file);
    assert_int_equal(p.status, GGUF_OK);
    assert_int_equal(p.g.version, 3);
    assert_int_equal(p.g.kv_count, 7);
    assert_true(gguf_get_str(gguf_find(&p.g, "general.architecture"), 0, &s) && str_is(s, "llama"));
    assert_true(gguf_get_u64(gguf_find(&p.g, "llama.block_count"), 0, &u) && u == 7);
    assert_true(gguf_get_f64(gguf_find(&p.g, "llama.block_count"), 0, &f) && f == 7);
    assert_true(gguf_get_f64(gguf_find(&p.g, "llama.rope.freq_base"), 0, &f) && f == 1e4);
    assert_true(gguf_get_bool(gguf_find(&p.g, "llama.attention.causal"), 0, &b) && b);
    const gguf_kv *types = gguf_find(&p.g, "tokenizer.ggml.token_type");
    const gguf_kv *tokens = gguf_find(&p.g, "tokenizer.ggml.tokens");
    assert_true(types->is_array && types->count == 3);
    assert_true(gguf_get_i64(types, 2, &i) && i == -6);
    assert_false(gguf_get_u64(types, 2, &u)); /* negative */
    assert_false(gguf_get_i64(types, 3, &i)); /* out of range */
    assert_false(gguf_get_u64(tokens, 0, &u));
    assert_false(gguf_get_u64(gguf_find(&p.g, "llama.rope.freq_base"), 0, &u));
    assert_true(gguf_get_str(tokens, 2, &s) && str_is(s, "<0x0A>"));
    assert_null(gguf_find(&p.g, "absent"));
    assert_false(gguf_get_u64(NULL, 0, &u));
    drop(&p);
    strbuf_free(&file);
}

static void places_tensors(void **state) {
    (void)state;
    strbuf file = {0};
    write_sample(&file);
    parsed p = parse(&file);
    const gguf_tensor *norm = gguf_find_tensor(&p.g, STR("norm.weight")), *a = gguf_find_tensor(&p.g, STR("a.weight"));
    const gguf_tensor *b = gguf_find_tensor(&p.g, STR("b.weight"));
    assert_true(norm && a && b);
    assert_int_equal(norm->size_bytes, 20);
    assert_int_equal(norm->dims[1], 1);
    assert_int_equal(a->offset_bytes, norm->offset_bytes + 32);
    assert_int_equal(a->size_bytes, 2 * 18 * 3);
    assert_int_equal(b->offset_bytes, a->offset_bytes + 128);
    assert_int_equal(b->offset_bytes + b->size_bytes, file.len);
    assert_int_equal(p.g.data_offset_bytes, norm->offset_bytes);
    assert_string_equal(a->name.p, "a.weight");
    drop(&p);
    strbuf_free(&file);
}

/* Copying every pair of a file makes the same pairs. */
static void copies_pairs(void **state) {
    (void)state;
    strbuf file = {0}, copy = {0};
    gguf_writer w = {0};
    write_sample(&file);
    parsed p = parse(&file);
    for (size_t i = 0; i < p.g.kv_count; i++) gguf_put_raw(&w, &p.g.kv[i]);
    assert_true(gguf_emit_header(&w, &copy));
    assert_memory_equal(copy.data + 24, file.data + 24, w.kv.len);
    gguf_writer_free(&w);
    drop(&p);
    strbuf_free(&copy);
    strbuf_free(&file);
}

/* Only part of the file at hand: ask for more. The file itself that short: refuse. */
static void every_truncation(void **state) {
    (void)state;
    strbuf file = {0};
    write_sample(&file);
    parsed whole = parse(&file);
    uint64_t header = whole.g.data_offset_bytes;
    drop(&whole);
    for (size_t n = 0; n < file.len; n++) {
        char *exact = malloc(n ? n : 1); /* so that the sanitiser sees one byte too far */
        memcpy(exact, file.data, n);
        parsed some = parse_part(exact, n, file.len), all = parse_part(exact, n, n);
        if (n + GGUF_WRITER_ALIGNMENT <= header) assert_int_equal(some.status, GGUF_NEED_MORE);
        if (n >= header) assert_int_equal(some.status, GGUF_OK);
        assert_int_equal(all.status, GGUF_BAD);
        drop(&some);
        drop(&all);
        free(exact);
    }
    strbuf_free(&file);
}

/* Whatever a damaged header leads to, an accepted one keeps its promises. */
static void every_flipped_byte(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x80, 0xFF, 0x20};
    strbuf file = {0};
    write_sample(&file);
    for (size_t n = 0; n < file.len; n++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            file.data[n] = (char)(file.data[n] ^ flips[k]);
            parsed p = parse(&file);
            for (size_t t = 0; p.status == GGUF_OK && t < p.g.tensor_count; t++)
                assert_true(p.g.tensors[t].offset_bytes + p.g.tensors[t].size_bytes <= file.len);
            drop(&p);
            file.data[n] = (char)(file.data[n] ^ flips[k]);
        }
    }
    strbuf_free(&file);
}

/* ---- files that lie, written by hand ---- */

static void u32(strbuf *b, uint32_t v) { strbuf_add(b, &v, 4); }
static void u64(strbuf *b, uint64_t v) { strbuf_add(b, &v, 8); }

static void text(strbuf *b, const char *s) {
    u64(b, strlen(s));
    strbuf_adds(b, s);
}

static strbuf head(uint32_t version, uint64_t tensors, uint64_t keys) {
    strbuf b = {0};
    strbuf_adds(&b, "GGUF");
    u32(&b, version);
    u64(&b, tensors);
    u64(&b, keys);
    return b;
}

static void key_u32(strbuf *b, const char *key, uint32_t v) {
    text(b, key);
    u32(b, GGUF_U32);
    u32(b, v);
}

static void tensor(strbuf *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset) {
    text(b, name);
    u32(b, 2);
    u64(b, cols);
    u64(b, rows);
    u32(b, type);
    u64(b, offset);
}

static void fill(strbuf *b, size_t zeros) {
    while (zeros--) strbuf_addc(b, 0);
}

/* The file is refused with a message that has these words, and without a large allocation. Frees it. */
static void refused(strbuf b, const char *words) {
    parsed p = parse(&b);
    if (p.status != GGUF_BAD || !strstr(diag_text(p.d), words))
        fail_msg("wanted a refusal with '%s', got status %d and: %s", words, p.status, diag_text(p.d));
    assert_non_null(strstr(diag_text(p.d), "test.gguf"));
    assert_true(arena_bytes(p.a) < 64 * (b.len + 64));
    drop(&p);
    strbuf_free(&b);
}

static void refuses_bad_beginnings(void **state) {
    (void)state;
    strbuf b = {0};
    strbuf_adds(&b, "GGML0000");
    refused(b, "not a GGUF file");
    refused(head(1, 0, 0), "version 1 is obsolete");
    refused(head(4, 0, 0), "version 4");
    refused(head(0, 0, 0), "version 0");
    refused(head(3u << 24, 0, 0), "other byte order");
    refused(head(3, 0, UINT64_MAX), "metadata announced");
    refused(head(3, UINT64_MAX / 24, 0), "tensors announced");
    refused(head(3, 1ull << 40, 0), "tensors announced");
    strbuf empty = head(2, 0, 0);
    parsed p = parse(&empty);
    assert_int_equal(p.status, GGUF_OK);
    drop(&p);
    strbuf_free(&empty);
}

static void refuses_bad_keys(void **state) {
    (void)state;
    strbuf b = head(3, 0, 2);
    key_u32(&b, "a", 1), key_u32(&b, "a", 2);
    refused(b, "key 'a' appears twice");

    b = head(3, 0, 1), key_u32(&b, "", 1);
    fill(&b, 1);
    refused(b, "key is empty");

    b = head(3, 0, 1), u64(&b, 65536), fill(&b, 65536 + 8);
    refused(b, "a key has 65536 bytes");

    b = head(3, 0, 1), u64(&b, UINT64_MAX - 3), fill(&b, 8);
    refused(b, "a key has");

    b = head(3, 0, 1), text(&b, "k"), u32(&b, 13), fill(&b, 8);
    refused(b, "unknown value type 13");

    b = head(3, 0, 1), text(&b, "k"), u32(&b, GGUF_BOOL), strbuf_addc(&b, 2);
    fill(&b, 4);
    refused(b, "a bool is 2");

    b = head(3, 0, 1), text(&b, "k"), u32(&b, GGUF_STRING), u64(&b, 1 << 20);
    refused(b, "a string value cannot fit");
}

static strbuf array_file(uint32_t type, uint64_t count) {
    strbuf b = head(3, 0, 1);
    text(&b, "k");
    u32(&b, GGUF_ARRAY);
    u32(&b, type);
    u64(&b, count);
    return b;
}

static void refuses_bad_arrays(void **state) {
    (void)state;
    refused(array_file(GGUF_ARRAY, 1), "arrays of arrays");
    refused(array_file(GGUF_STRING, 1 << 20), "array of strings cannot fit");
    refused(array_file(GGUF_U64, 1 << 29), "cannot fit");
    refused(array_file(GGUF_U64, 1ull << 61), "at most 2^30");
    refused(array_file(GGUF_U8, UINT64_MAX), "at most 2^30");
}

static void refuses_bad_alignment(void **state) {
    (void)state;
    static const uint32_t bad[] = {0, 3, 33};
    for (int i = 0; i < 3; i++) {
        strbuf b = head(3, 0, 1);
        key_u32(&b, "general.alignment", bad[i]);
        refused(b, "not a power of two");
    }
    strbuf b = head(3, 0, 1);
    text(&b, "general.alignment"), u32(&b, GGUF_U64), u64(&b, 1ull << 63);
    parsed p = parse(&b); /* absurd, but without tensors nothing is wrong with it */
    assert_int_equal(p.status, GGUF_OK);
    drop(&p);
    strbuf_free(&b);
    b = head(3, 1, 1);
    text(&b, "general.alignment"), u32(&b, GGUF_U64), u64(&b, 1ull << 63);
    tensor(&b, "t", 1, 1, 0, 0), fill(&b, 64);
    refused(b, "outside the file");
}

static void refuses_bad_tensors(void **state) {
    (void)state;
    static const struct {
        uint64_t cols, rows;
        uint32_t type;
        uint64_t offset;
        const char *words;
    } rows[] = {
        {0, 1, DTYPE_F32, 0, "dimension 0 is 0"},
        {4, 0, DTYPE_F32, 0, "dimension 1 is 0"},
        {1ull << 63, 1, DTYPE_F32, 0, "impossible"},
        {1ull << 40, 1ull << 40, DTYPE_F32, 0, "impossible"},
        {1ull << 31, 1ull << 31, DTYPE_F32, 0, "larger than any file"},
        {1ull << 61, 2, DTYPE_F16, 0, "outside the file"},
        {33, 1, DTYPE_Q4_0, 0, "no multiple of the 32"},
        {32, 1, 17, 0, "IQ2_XS (id 17)"},
        {32, 1, 4, 0, "withdrawn type 4"},
        {32, 1, 4000000000u, 0, "unknown type (id 4000000000)"},
        {8, 1, DTYPE_F32, 4, "not a multiple of 32"},
        {8, 1, DTYPE_F32, UINT64_MAX - 31, "outside the file"},
        {8, 1, DTYPE_F32, 1 << 20, "outside the file"},
        {1000, 1, DTYPE_F32, 0, "outside the file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        strbuf b = head(3, 1, 0);
        tensor(&b, "t", rows[i].cols, rows[i].rows, rows[i].type, rows[i].offset);
        fill(&b, 128);
        refused(b, rows[i].words);
    }
    strbuf b = head(3, 1, 0);
    text(&b, "t"), u32(&b, 5), fill(&b, 128);
    refused(b, "5 dimensions");
}

static void refuses_bad_names(void **state) {
    (void)state;
    char longest[66] = {0};
    memset(longest, 'x', 64);
    strbuf b = head(3, 1, 0);
    tensor(&b, longest, 8, 1, 0, 0), fill(&b, 128);
    refused(b, "a tensor name has 64 bytes");
    b = head(3, 1, 0), tensor(&b, "", 8, 1, 0, 0), fill(&b, 128);
    refused(b, "tensor name is empty");
    b = head(3, 1, 0), u64(&b, 3), strbuf_add(&b, "a\0b", 3), fill(&b, 128);
    refused(b, "zero byte");
    b = head(3, 1, 0), tensor(&b, "\033[2J", 0, 1, 0, 0), fill(&b, 128);
    refused(b, "tensor '?[2J'"); /* nothing reaches the terminal as a command */
    b = head(3, 2, 0), tensor(&b, "t", 8, 1, 0, 0), tensor(&b, "t", 8, 1, 0, 32), fill(&b, 128);
    refused(b, "tensor 't' appears twice");
}

static void refuses_overlaps(void **state) {
    (void)state;
    strbuf b = head(3, 3, 0);
    tensor(&b, "a", 8, 1, 0, 64), tensor(&b, "b", 16, 1, 0, 0), tensor(&b, "c", 8, 1, 0, 32), fill(&b, 160);
    refused(b, "tensors 'b' and 'c' overlap");
    b = head(3, 2, 0); /* out of order and with a gap is fine */
    tensor(&b, "a", 8, 1, 0, 96), tensor(&b, "b", 16, 1, 0, 0), fill(&b, 160);
    parsed p = parse(&b);
    assert_int_equal(p.status, GGUF_OK);
    drop(&p);
    strbuf_free(&b);
}

static void scalars_have_one_element(void **state) {
    (void)state;
    strbuf b = head(3, 1, 0);
    text(&b, "scalar"), u32(&b, 0), u32(&b, DTYPE_F32), u64(&b, 0), fill(&b, 64);
    parsed p = parse(&b);
    assert_int_equal(p.status, GGUF_OK);
    assert_int_equal(p.g.tensors[0].size_bytes, 4);
    assert_int_equal(p.g.tensors[0].n_dims, 1);
    drop(&p);
    strbuf_free(&b);
}

static void writer_refuses_impossible_tensors(void **state) {
    (void)state;
    static const uint64_t odd[] = {33, 2}, huge[] = {1ull << 62, 1ull << 62};
    for (int i = 0; i < 2; i++) {
        gguf_writer w = {0};
        strbuf out = {0};
        gguf_put_tensor(&w, STR("t"), 2, i ? huge : odd, dtype_find(DTYPE_Q4_0));
        assert_false(gguf_emit_header(&w, &out));
        gguf_writer_free(&w);
        strbuf_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),   cmocka_unit_test(places_tensors),
        cmocka_unit_test(copies_pairs),             cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_flipped_byte),       cmocka_unit_test(refuses_bad_beginnings),
        cmocka_unit_test(refuses_bad_keys),         cmocka_unit_test(refuses_bad_arrays),
        cmocka_unit_test(refuses_bad_alignment),    cmocka_unit_test(refuses_bad_tensors),
        cmocka_unit_test(refuses_bad_names),        cmocka_unit_test(refuses_overlaps),
        cmocka_unit_test(scalars_have_one_element), cmocka_unit_test(writer_refuses_impossible_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
