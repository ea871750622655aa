/* The standard modules (lib/): programs in tests/lib compiled and run; <math> against the C library. */
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "csl/csl.h"
#include "wse/wse.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 256, ROUNDS = 24 };

typedef struct {
    diag *d;
    isa_wafer *wafer;
    isa_image *image;
    wse *m;
} machine;

static isa_image *one_pe(const char *path, const csl_options *o, diag *d) {
    uint32_t program;
    isa_image *done = NULL;
    strbuf bytes = {0};
    csl_session *s = csl_session_new(o, d);
    if (s && csl_session_program(s, path, NULL, 0, &program, d)) {
        isa_image *m = csl_session_image(s);
        m->width = m->height = m->fabric_width = m->fabric_height = 1;
        m->tiles = arena_push_n(m->memory, isa_tile, 1);
        if (isa_image_encode(m, &bytes, d)) done = isa_image_parse(strbuf_str(&bytes), path, d);
    }
    strbuf_free(&bytes);
    csl_session_free(s);
    return done;
}

/* A program without a layout, or a layout with parameters. */
static machine load(const char *path, isa_arch arch, isa_fp16 fp16, const csl_param *params, uint32_t count) {
    machine k = {.d = diag_new(), .wafer = mem_alloc(sizeof *k.wafer)};
    char file[64];
    snprintf(file, sizeof file, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(k.wafer, file, "vendor-sim", k.d)) fail_msg("%s", diag_text(k.d));
    csl_options o = {
        .arch = arch, .wafer = k.wafer, .library = "lib", .fp16 = fp16, .params = params, .param_count = count};
    k.image = params ? csl_compile(path, &o, k.d) : one_pe(path, &o, k.d);
    k.m = k.image ? wse_new(k.wafer, k.image, &(wse_options){.threads = 1}, k.d) : NULL;
    if (!k.m) fail_msg("%s:\n%s", path, diag_text(k.d));
    return k;
}

static void unload(machine *k) {
    wse_free(k->m);
    isa_image_free(k->image);
    mem_free(k->wafer);
    diag_free(k->d);
}

static uint16_t *symbol(const machine *k, uint32_t pe, const char *name) {
    const isa_program *p = &k->image->programs[k->image->tiles[pe].program];
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (!strcmp(p->symbols[i].name, name)) return wse_memory(k->m, pe) + p->symbols[i].word;
    fail_msg("there is no symbol '%s'", name);
    return NULL;
}

static void run(machine *k) {
    wse_stop stop = wse_run(k->m, 100000000, false);
    if (stop == WSE_FAULT) fail_msg("%s", wse_fault_text(k->m));
    if (stop == WSE_LIMIT) fail_msg("still running");
}

/* ---- <math> ---- */

typedef double (*unary)(double);
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double inverse(double x) { return 1 / x; }
static double inverse_root(double x) { return 1 / sqrt(x); }

/* `ulp`: the largest distance from the correctly rounded result, in hundredths of a unit in the last place. */
static const struct {
    const char *name;
    unary exact;
    int ulp;
} functions[] = {
    {"r_exp", exp, 120},   {"r_log", log, 150},    {"r_sin", sin, 200},
    {"r_cos", cos, 200},   {"r_tanh", tanh, 250},  {"r_sig", sigmoid, 250},
    {"r_sqrt", sqrt, 51},  {"r_inv", inverse, 51}, {"r_invsqrt", inverse_root, 151},
    {"r_floor", floor, 0}, {"r_ceil", ceil, 0},    {"r_abs", fabs, 0},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* Distance of `got` from `exact` in units in the last place of a format of `digits` bits whose smallest exponent is
 * `low`. */
static double distance(double got, double exact, int digits, int low, double max) {
    if (isnan(exact) || isnan(got)) return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (fabs(exact) >= max && fabs(got) > max) return signbit(exact) == signbit(got) ? 0 : INFINITY;
    if (isinf(exact) || isinf(got)) return exact == got ? 0 : INFINITY;
    int e;
    frexp(exact, &e);
    return fabs(got - exact) / ldexp(1, (e < low ? low : e) - digits);
}

static double worst[2][FUNCTIONS + 1];

static void judge(bool half, uint32_t f, const char *name, double limit, double x, double y, double got, double exact) {
    double off = half ? distance(got, exact, 11, -13, 65519.9) : distance(got, exact, 24, -125, 3.4028235677973362e38);
    if (off > worst[half][f]) worst[half][f] = off;
    if (off > limit)
        fail_msg("%s%s(%a, %a) = %a, exact %a: %g ulp", name, half ? " of 16 bits" : "", x, y, got, exact, off);
}

/* Arguments of every size, near multiples of pi / 2, small ones, and the special ones. */
static float argument(rng *r, uint32_t i, uint32_t round) {
    static const float special[] = {0,          -0.0f,      1,           -1,        INFINITY,   -INFINITY,
                                    NAN,        1e-45f,     -1e-45f,     3.4e38f,   -3.4e38f,   1.1754944e-38f,
                                    0.5f,       -0.5f,      2,           88.72284f, -87.5f,     -103.9f,
                                    1.4142135f, 1.4142137f, 0.70710677f, 16384,     8388607.5f, 9e6f};
    if (i < sizeof special / sizeof *special && round < 4) return special[i];
    double u = rng_f64(r);
    switch (round % 6) {
    case 0: return f32_from_bits((uint32_t)rng_u64(r));
    case 1: return (float)(200 * u - 100);
    case 2: return (float)(4 * u - 2);
    case 3: return (float)(rng_u64(r) % 32768 * 1.57079632679489662);
    case 4: return (float)(0.5 + u);
    default: return (float)(102000 * u - 51000);
    }
}

static void math_of_32_bits(void **state) {
    (void)state;
    rng r = rng_seed(7);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        machine k = load("tests/lib/math.csl", round % 2 ? ISA_WSE2 : ISA_WSE3, ISA_F16, NULL, 0);
        float *x = (float *)(void *)symbol(&k, 0, "x"), *y = (float *)(void *)symbol(&k, 0, "y");
        for (uint32_t i = 0; i < N; i++) {
            x[i] = argument(&r, i, round);
            y[i] = argument(&r, i % 7 ? N : i / 7, (uint32_t)rng_u64(&r) % 6);
        }
        run(&k);
        const float *p = (const float *)(void *)symbol(&k, 0, "r_pow"),
                    *max = (const float *)(void *)symbol(&k, 0, "r_max");
        const float *scale = (const float *)(void *)symbol(&k, 0, "r_scale");
        const uint16_t *classes = symbol(&k, 0, "classes");
        for (uint32_t i = 0; i < N; i++) {
            double v = (double)x[i];
            for (uint32_t f = 0; f < FUNCTIONS; f++) {
                const float *got = (const float *)(void *)symbol(&k, 0, functions[f].name);
                if ((functions[f].exact == sin || functions[f].exact == cos) && fabs(v) > 51471) continue;
                judge(false, f, functions[f].name, functions[f].ulp / 100.0, v, 0, (double)got[i],
                      functions[f].exact(v));
            }
            judge(false, FUNCTIONS, "r_pow", 2.5, v, (double)y[i], (double)p[i], pow(v, (double)y[i]));
            assert_true(isnan(x[i]) ? classes[i] % 2 == 1 : !(classes[i] & 1));
            assert_int_equal(classes[i] >> 1 & 1, isinf(x[i]) != 0);
            assert_int_equal(classes[i] >> 2 & 1, isfinite(x[i]) != 0);
            assert_int_equal(classes[i] >> 3 & 1, signbit(x[i]) != 0);
            if (!isnan(x[i]) && !isnan(y[i])) assert_true(max[i] == fmaxf(x[i], y[i]));
            if (fabsf(x[i]) < 1e37f) assert_true(scale[i] == 8 * x[i]);
        }
        unload(&k);
    }
    for (uint32_t f = 0; f <= FUNCTIONS; f++)
        print_message("%-10s %.2f ulp\n", f < FUNCTIONS ? functions[f].name : "r_pow", worst[0][f]);
}

static void math_of_16_bits(void **state) {
    (void)state;
    rng r = rng_seed(8);
    for (uint32_t round = 0; round < 256; round += 17) {
        machine k = load("tests/lib/math16.csl", ISA_WSE3, ISA_F16, NULL, 0);
        uint16_t *x = symbol(&k, 0, "x"), *y = symbol(&k, 0, "y");
        for (uint32_t i = 0; i < N; i++) {
            x[i] = (uint16_t)(i << 8 | round);
            y[i] = f16_from_f32((float)(8 * rng_f64(&r) - 4));
        }
        run(&k);
        for (uint32_t i = 0; i < N; i++) {
            double v = (double)f32_from_f16(x[i]), w = (double)f32_from_f16(y[i]);
            for (uint32_t f = 0; f < FUNCTIONS; f++)
                judge(true, f, functions[f].name, 1, v, 0, (double)f32_from_f16(symbol(&k, 0, functions[f].name)[i]),
                      functions[f].exact(v));
            judge(true, FUNCTIONS, "r_pow", 1, v, w, (double)f32_from_f16(symbol(&k, 0, "r_pow")[i]), pow(v, w));
        }
        unload(&k);
    }
    for (uint32_t f = 0; f <= FUNCTIONS; f++)
        print_message("%-10s %.2f ulp of 16 bits\n", f < FUNCTIONS ? functions[f].name : "r_pow", worst[1][f]);
}

/* ---- <collectives_2d> ---- */

enum { WORDS = 3, ROOTS = 3 };

static uint32_t word32(const machine *k, uint32_t pe, const char *name, uint32_t i) {
    const uint16_t *w = symbol(k, pe, name);
    return w[2 * i] | (uint32_t)w[2 * i + 1] << 16;
}

static void check_reduce(const machine *k, uint32_t pe, const char *name, uint32_t r, uint32_t size) {
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t sum = size * (10 * r + i) + 100 * (size * (size - 1) / 2);
        assert_true(f32_from_bits(word32(k, pe, name, r * WORDS + i)) == (float)sum);
    }
}

/* One axis of one PE: `id` of `size`. */
static void check_axis(const machine *k, uint32_t pe, const char *axis, uint32_t id, uint32_t size) {
    char name[4][32];
    static const char *const what[] = {"broadcast", "scatter", "gather", "reduce"};
    for (int i = 0; i < 4; i++) snprintf(name[i], sizeof *name, "run_%s.got_%s", axis, what[i]);
    for (uint32_t r = 0; r < ROOTS; r++) {
        uint32_t root = r == 0 ? 0 : r == 1 ? size - 1 : size / 2, all = WORDS * size;
        for (uint32_t i = 0; i < WORDS; i++) {
            assert_int_equal(word32(k, pe, name[0], r * WORDS + i), 100 * root + 10 * r + i);
            assert_int_equal(word32(k, pe, name[1], r * WORDS + i), 1000 * (root + 1) + id * WORDS + i);
        }
        for (uint32_t i = 0; i < all && id == root; i++)
            assert_int_equal(word32(k, pe, name[2], r * all + i), 100 * (i / WORDS) + 10 * r + i % WORDS);
        if (id == root) check_reduce(k, pe, name[3], r, size);
    }
}

static void collectives(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {1, 5}, {5, 3}, {17, 2}, {165, 1}};
    for (uint32_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int arch = ISA_WSE2; arch <= ISA_WSE3; arch++) {
            uint32_t w = sizes[s][0], h = sizes[s][1];
            const csl_param params[] = {{"W", w}, {"H", h}};
            machine k = load("tests/lib/collectives.csl", (isa_arch)arch, ISA_F16, params, 2);
            run(&k);
            for (uint32_t pe = 0; pe < w * h; pe++) {
                assert_int_equal(*symbol(&k, pe, "run_x.steps"), 15);
                assert_int_equal(*symbol(&k, pe, "run_y.steps"), 15);
                check_axis(&k, pe, "x", pe % w, w);
                check_axis(&k, pe, "y", pe / w, h);
            }
            unload(&k);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(math_of_32_bits), cmocka_unit_test(math_of_16_bits),
                                       cmocka_unit_test(collectives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
