/* Do tensor types mean what other programs think they mean? Golden blocks from gguf-py and ggml:
 * tests/data/dtype/README.txt. */
#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "base/rng.h"
#include "base/units.h"
#include "llm/dtype.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ELEMS_MAX = 256, BYTES_MAX = 1024 };

/* Types that have a golden file. */
static const char *const golden[] = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL",
                                     "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"};

static int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static size_t unhex(str s, uint8_t *out) {
    for (size_t i = 0; i < s.n / 2; i++) out[i] = (uint8_t)(hex_digit(s.p[2 * i]) << 4 | hex_digit(s.p[2 * i + 1]));
    return s.n / 2;
}

/* The next word of a text, ended by a space or newline. */
static str word(str *text) {
    str w = {text->p, 0};
    while (w.n < text->n && w.p[w.n] != ' ' && w.p[w.n] != '\n') w.n++;
    size_t skip = w.n < text->n ? w.n + 1 : w.n;
    text->p += skip, text->n -= skip;
    return w;
}

static bool same_float(float a, float b) { return f32_bits(a) == f32_bits(b) || (isnan(a) && isnan(b)); }

static double rms_error(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum / (double)n);
}

static void check_decode(const dtype_info *t, str block, str values) {
    uint8_t bytes[BYTES_MAX + 1];
    float want[ELEMS_MAX], got[ELEMS_MAX];
    assert_int_equal(unhex(block, bytes + 1), t->block_bytes);
    assert_int_equal(unhex(values, (uint8_t *)want), t->block_elems * 4);
    t->to_f32(bytes + 1, got, t->block_elems); /* at an odd address on purpose */
    for (uint32_t i = 0; i < t->block_elems; i++)
        if (!same_float(want[i], got[i]))
            fail_msg("%s element %u: %a, not %a", t->name, i, (double)got[i], (double)want[i]);
}

static void check_encode(const dtype_info *t, str values, str block) {
    uint8_t want[BYTES_MAX], got[BYTES_MAX + 1];
    float in[ELEMS_MAX];
    assert_int_equal(unhex(values, (uint8_t *)in), t->block_elems * 4);
    assert_int_equal(unhex(block, want), t->block_bytes);
    t->from_f32(in, got + 1, t->block_elems);
    assert_memory_equal(got + 1, want, t->block_bytes);
}

/* The searched types need not agree bit for bit, but must lose no more than 3 % more than the reference search. */
static void check_error(const dtype_info *t, str values, str rms) {
    uint8_t block[BYTES_MAX];
    float in[ELEMS_MAX], out[ELEMS_MAX];
    char number[32] = {0};
    memcpy(number, rms.p, rms.n < 31 ? rms.n : 31);
    assert_int_equal(unhex(values, (uint8_t *)in), t->block_elems * 4);
    t->from_f32(in, block, t->block_elems);
    t->to_f32(block, out, t->block_elems);
    double error = rms_error(in, out, t->block_elems), reference = strtod(number, NULL);
    if (!(error <= 1.03 * reference)) fail_msg("%s: error %g, reference %g", t->name, error, reference);
}

static void golden_blocks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const dtype_info *t = dtype_by_name(str_from(golden[i]));
        assert_non_null(t);
        arena *a = arena_new(0);
        diag *d = diag_new();
        str text;
        size_t lines[3] = {0};
        assert_true(file_read_all(a, arena_printf(a, "tests/data/dtype/%s.txt", golden[i]), MIB, &text, d));
        while (text.n) {
            str kind = word(&text), first = word(&text), second = word(&text);
            if (*kind.p == 'd') check_decode(t, first, second), lines[0]++;
            else if (*kind.p == 'q') check_encode(t, first, second), lines[1]++;
            else check_error(t, first, second), lines[2]++;
        }
        assert_true(lines[0] >= 10 && lines[1] + lines[2] >= 4); /* an empty file proves nothing */
        diag_free(d);
        arena_free(a);
    }
}

/* All 65536 halves, in runs that take the vector loop and its tail. */
static void plain_numbers(void **state) {
    (void)state;
    uint16_t halves[1000], back[1000];
    float f16[1000], bf16[1000];
    const dtype_info *t16 = dtype_find(DTYPE_F16), *tb16 = dtype_find(DTYPE_BF16);
    for (uint32_t base = 0; base < 65536; base += 1000) {
        for (uint32_t i = 0; i < 1000; i++) halves[i] = (uint16_t)(base + i);
        t16->to_f32(halves, f16, 1000);
        tb16->to_f32(halves, bf16, 1000);
        for (uint32_t i = 0; i < 1000; i++) {
            assert_true(same_float(f16[i], f32_from_f16(halves[i])));
            assert_true(same_float(bf16[i], f32_from_bf16(halves[i])));
        }
        t16->from_f32(f16, back, 1000);
        for (uint32_t i = 0; i < 1000; i++) assert_true(back[i] == halves[i] || isnan(f16[i]));
        tb16->from_f32(bf16, back, 1000);
        for (uint32_t i = 0; i < 1000; i++) assert_true(back[i] == halves[i] || isnan(bf16[i]));
    }
}

/* Many blocks at once are the same as one by one, and the loss falls as the bits rise. */
static void whole_rows(void **state) {
    (void)state;
    enum { N = 2048 };
    float x[N], y[N];
    static uint8_t all[N * 4], one[N * 4];
    rng r = rng_seed(7);
    for (int i = 0; i < N; i++) x[i] = rng_normal(&r);
    for (size_t i = 0; dtype_row(i); i++) {
        const dtype_info *t = dtype_row(i);
        uint64_t bytes;
        assert_true(dtype_row_bytes(t, N, &bytes));
        t->from_f32(x, all, N);
        for (size_t b = 0; b < N / t->block_elems; b++)
            t->from_f32(x + b * t->block_elems, one + b * t->block_bytes, t->block_elems);
        assert_memory_equal(all, one, bytes);
        t->to_f32(all, y, N);
        double bits = 8.0 * t->block_bytes / t->block_elems, error = rms_error(x, y, N);
        double allowed = t->block_elems == 1 ? 0.002 : 3.0 * exp2(-bits * 0.85);
        if (!(error < allowed)) fail_msg("%s: error %g at %g bits", t->name, error, bits);
    }
}

/* Bad numbers in, any block out; but nothing undefined (this test is for the sanitisers) and nothing beyond the
 * block. */
static void hostile_floats(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, -1e-40f, 0.0f, -0.0f, 1.0f};
    float x[ELEMS_MAX], y[ELEMS_MAX];
    uint8_t block[BYTES_MAX + 1];
    rng r = rng_seed(3);
    for (size_t i = 0; dtype_row(i); i++) {
        const dtype_info *t = dtype_row(i);
        for (int round = 0; round < 200; round++) {
            for (uint32_t j = 0; j < ELEMS_MAX; j++) x[j] = bad[round < 10 ? (size_t)round : rng_below(&r, 10)];
            block[t->block_bytes] = 0xA5;
            t->from_f32(x, block, t->block_elems);
            t->to_f32(block, y, t->block_elems);
            assert_int_equal(block[t->block_bytes], 0xA5);
        }
    }
}

static void zeros_stay_zero(void **state) {
    (void)state;
    float x[ELEMS_MAX] = {0}, y[ELEMS_MAX];
    uint8_t block[BYTES_MAX];
    for (size_t i = 0; dtype_row(i); i++) {
        const dtype_info *t = dtype_row(i);
        t->from_f32(x, block, t->block_elems);
        t->to_f32(block, y, t->block_elems);
        for (uint32_t j = 0; j < t->block_elems; j++) assert_true(y[j] == 0);
    }
}

static void names_and_sizes(void **state) {
    (void)state;
    uint64_t bytes;
    assert_ptr_equal(dtype_by_name(STR("q4_k")), dtype_find(12));
    assert_ptr_equal(dtype_by_name(STR("Q8_0")), dtype_find(8));
    assert_null(dtype_by_name(STR("Q8")));
    assert_null(dtype_by_name(STR("")));
    assert_null(dtype_find(4));
    assert_null(dtype_find(39));
    assert_null(dtype_find(UINT32_MAX));
    assert_string_equal(dtype_refused_name(17), "IQ2_XS");
    assert_string_equal(dtype_refused_name(4), "withdrawn type 4");
    assert_string_equal(dtype_refused_name(77), "unknown type");
    assert_true(dtype_row_bytes(dtype_find(DTYPE_Q4_K), 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_false(dtype_row_bytes(dtype_find(DTYPE_Q4_K), 576, &bytes));
    assert_false(dtype_row_bytes(dtype_find(DTYPE_F32), UINT64_MAX / 2, &bytes));
    for (size_t i = 0; dtype_row(i); i++) {
        const dtype_info *t = dtype_row(i);
        assert_ptr_equal(dtype_find(t->id), t);
        assert_ptr_equal(dtype_fit(t, 512), t);
        assert_int_equal(dtype_fit(t, 576)->block_elems, t->block_elems < 32 ? t->block_elems : 32);
        assert_int_equal(dtype_fit(t, 33)->block_elems, 1);
    }
    assert_int_equal(dtype_fit(dtype_find(DTYPE_Q4_K), 576)->id, DTYPE_Q5_0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_blocks),  cmocka_unit_test(plain_numbers),   cmocka_unit_test(whole_rows),
        cmocka_unit_test(hostile_floats), cmocka_unit_test(zeros_stay_zero), cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
