/* Do the foundations hold: halves bit for bit, UTF-8, maps that grow, messages with their place, files that are whole
 * or absent, threads that all pass each barrier? */
#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/units.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void halves_round_to_even_and_back(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = f32_from_f16((uint16_t)h);
        if (isnan(f)) assert_true(isnan(f32_from_f16(f16_from_f32(f))));
        else assert_int_equal(f16_from_f32(f), h);
        float b = f32_from_bf16((uint16_t)h);
        if (!isnan(b)) assert_int_equal(bf16_from_f32(b), h);
    }
    for (uint32_t h = 0; h < 0x7C00; h++) { /* the middle between neighbours goes to the even one */
        float low = f32_from_f16((uint16_t)h), high = h + 1 == 0x7C00 ? 65536.0f : f32_from_f16((uint16_t)(h + 1)),
              middle = (low + high) / 2;
        assert_int_equal(f16_from_f32(middle), h & 1 ? h + 1 : h);
        assert_int_equal(f16_from_f32(nextafterf(middle, 0)), h);
        assert_int_equal(f16_from_f32(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(f16_from_f32(-middle), 0x8000 | (h & 1 ? h + 1 : h));
    }
    assert_int_equal(f16_from_f32(1e9f), 0x7C00);
    assert_int_equal(bf16_from_f32(f32_from_bits(0x3F808000)), 0x3F80);
    assert_int_equal(bf16_from_f32(f32_from_bits(0x3F818000)), 0x3F82);
}

static void utf8_is_strict(void **state) {
    (void)state;
    uint32_t cp;
    for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x11000 ? 1 : 97) {
        char bytes[4];
        size_t n = utf8_encode(c, bytes);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        assert_int_equal(n == 0, surrogate);
        if (surrogate) continue;
        assert_int_equal(utf8_decode((str){bytes, n}, 0, &cp), n);
        assert_int_equal(cp, c);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(utf8_decode((str){bytes, cut}, 0, &cp), 0);
            assert_int_equal(utf8_incomplete_tail((str){bytes, cut}), cut);
        }
        assert_int_equal(utf8_incomplete_tail((str){bytes, n}), 0);
    }
    const char *bad[] = {"\x80",
                         "\xC0\x80",
                         "\xC1\xBF",
                         "\xE0\x80\x80",
                         "\xED\xA0\x80",
                         "\xF0\x80\x80\x80",
                         "\xF4\x90\x80\x80",
                         "\xF5\x80\x80\x80",
                         "\xFF",
                         "\xC3("};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(utf8_decode(str_from(bad[i]), 0, &cp), 0);
}

static void maps_find_what_was_put(void **state) {
    (void)state;
    enum { N = 20000 };
    arena *a = arena_new(0);
    map m = {0};
    assert_false(map_get(&m, STR("x"), NULL));
    for (int i = 0; i < N; i++) {
        char *key = arena_printf(a, "key-%d", i);
        assert_true(map_put(&m, str_from(key), (uint64_t)i * 3));
    }
    assert_true(map_put(&m, STR("key-7"), 1));
    assert_int_equal(m.count, N);
    for (int i = 0; i < N; i++) {
        char key[32];
        uint64_t v;
        snprintf(key, sizeof key, "key-%d", i);
        assert_true(map_get(&m, str_from(key), &v));
        assert_int_equal(v, i == 7 ? 1 : i * 3);
        assert_true(str_is(m.entries[i].key, key)); /* order of insertion */
    }
    assert_false(map_get(&m, STR("key-20000"), NULL));
    map_free(&m);
    arena_free(a);
}

static void messages_show_the_place(void **state) {
    (void)state;
    diag *d = diag_new();
    diag_source src = {"layout.csl", STR("let a;\n\tset(4, hight);\n")};
    diag_at(d, DIAG_ERROR, &src, (span){15, 20}, "unknown name '%s'", "hight");
    diag_at(d, DIAG_NOTE, &src, (span){4, 5}, "did you mean this?");
    assert_string_equal(diag_text(d),
                        "layout.csl:2:9: error: unknown name 'hight'\n       set(4, hight);\n              ^~~~~\n"
                        "layout.csl:1:5: note: did you mean this?\n      let a;\n          ^\n");
    assert_int_equal(diag_error_count(d), 1);
    for (int i = 0; i < 500; i++) diag_error(d, "more");
    assert_int_equal(diag_error_count(d), 501);
    assert_non_null(strstr(diag_text(d), "further messages are left out"));
    assert_true(strlen(diag_text(d)) < 5000);
    diag_clear(d);
    for (int i = 0; i < 3; i++) diag_warn(d, "once");
    assert_string_equal(diag_text(d), "warning: once\n");
    for (int i = 0; i < 500; i++) diag_warn(d, "number %d", i);
    diag_error(d, "told all the same");
    assert_non_null(strstr(diag_text(d), "told all the same"));
    diag_clear(d);
    assert_string_equal(diag_text(d), "");
    diag_free(d);
}

static void sizes_read_and_print(void **state) {
    (void)state;
    const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},          {"4096", 4096},  {"64M", 64 * MIB}, {"1.5GB", 1500000000},
                {"2GiB", 2 * GIB}, {"10kB", 10000}, {"3K", 3072}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t v;
        assert_true(units_parse_bytes(str_from(good[i].text), &v));
        assert_int_equal(v, good[i].bytes);
    }
    const char *bad[] = {"", "M", "-1", "1X", "0x10", "nan", "1e30", "5 M", "64MM"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t v;
        assert_false(units_parse_bytes(str_from(bad[i]), &v));
    }
    assert_string_equal(units_si(1.234e12, "FLOP").text, "1.23 TFLOP");
    assert_string_equal(units_bytes(999960).text, "1.00 MB");
    assert_string_equal(units_bytes(0).text, "0 B");
    assert_string_equal(units_seconds(0.00321).text, "3.21 ms");
    assert_string_equal(units_seconds(600).text, "10.0 min");
}

static void files_are_whole_or_absent(void **state) {
    (void)state;
    char dir[] = "/tmp/ingot-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    diag *d = diag_new();
    arena *a = arena_new(0);
    char *deep = path_join(a, dir, "x/y"), *path = path_join(a, deep, "f");
    str back;
    assert_true(dir_make(deep, d));
    assert_true(file_write_all(path, STR("hello"), d));
    file_writer w;
    assert_true(file_writer_open(&w, path, d));
    fputs("half", w.out);
    file_writer_abort(&w);
    assert_true(file_read_all(a, path, 100, &back, d));
    assert_true(str_is(back, "hello"));
    assert_false(file_read_all(a, path, 4, &back, d));
    file f;
    char buffer[8];
    assert_true(file_open(&f, path, d));
    assert_false(file_read_at(&f, buffer, 8, 0, d));
    assert_non_null(strstr(diag_text(d), "ends at byte 5, 3 more were expected"));
    file_close(&f);
    assert_false(file_open(&f, dir, d));
    assert_non_null(strstr(diag_text(d), "it is a folder"));
    assert_false(file_open(&f, "/nonexistent/x", d));
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    assert_int_equal(system(command), 0);
    arena_free(a);
    diag_free(d);
}

enum { ROUNDS = 2000 };
typedef struct {
    pool *p;
    _Atomic int counts[ROUNDS];
    _Atomic int wrong;
} relay;

/* Behind each barrier everybody must see everybody's step. */
static void run_relay(void *arg, int thread, int threads) {
    (void)thread;
    relay *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&r->counts[i], 1);
        pool_barrier(r->p);
        if (atomic_load(&r->counts[i]) != threads) atomic_fetch_add(&r->wrong, 1);
    }
}

static void barriers_hold(void **state) {
    (void)state;
    diag *d = diag_new();
    for (int threads = 1; threads <= 5; threads += 2) {
        relay *r = mem_alloc(sizeof *r);
        r->p = pool_new(threads, d);
        assert_non_null(r->p);
        for (int run = 1; run <= 3; run++) {
            memset(r->counts, 0, sizeof r->counts);
            pool_run(r->p, run_relay, r);
            assert_int_equal(r->wrong, 0);
        }
        pool_free(r->p);
        mem_free(r);
    }
    assert_null(pool_new(-1, d));
    diag_free(d);
    for (size_t n = 0; n < 40; n++) /* shares cover everything once */
        for (int threads = 1; threads < 6; threads++) {
            size_t next = 0;
            for (int t = 0; t < threads; t++) {
                size_t begin, end;
                pool_share(n, 4, t, threads, &begin, &end);
                assert_int_equal(begin, next);
                assert_true(end == n || end % 4 == 0);
                next = end;
            }
            assert_int_equal(next, n);
        }
}

static void random_numbers_are_fixed(void **state) {
    (void)state;
    rng r = rng_seed(1), s = rng_seed(1);
    double mean = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(rng_u64(&r), rng_u64(&s));
        float x = rng_normal(&r);
        rng_normal(&s);
        mean += x;
        square += (double)x * x;
    }
    assert_true(fabs(mean / 1e5) < 0.02 && fabs(square / 1e5 - 1) < 0.03);
    r = rng_seed(0);
    uint64_t first = rng_u64(&r);
    assert_int_equal(first, 0x53175d61490b23dfu); /* splitmix64 from 0, then xoshiro256++: same on every machine */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_round_to_even_and_back),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(maps_find_what_was_put),
        cmocka_unit_test(messages_show_the_place),
        cmocka_unit_test(sizes_read_and_print),
        cmocka_unit_test(files_are_whole_or_absent),
        cmocka_unit_test(barriers_hold),
        cmocka_unit_test(random_numbers_are_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
