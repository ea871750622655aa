/* The standard modules (lib/): programs in tests/lib compiled and run; <math> against the C library. */
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/one_pe.h"
#include "wse/wse.h"
#include <complex.h>
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

/* ---- <kernels/fft> ---- */

typedef double complex number;
enum { MOST = 8 }; /* numbers along one axis */
typedef struct {
    uint32_t n, width, bits;
    number at[MOST][MOST][MOST]; /* x, y, z */
} cube;

/* A value of an array of a PE. */
static double value_at(const machine *k, const cube *c, uint32_t pe, const char *name, uint32_t i) {
    if (c->bits == 32) return (double)f32_from_bits(word32(k, pe, name, i));
    return (double)f32_from_f16(symbol(k, pe, name)[i]);
}

static void put_value(const machine *k, const cube *c, uint32_t pe, const char *name, uint32_t i, double v) {
    uint16_t *w = symbol(k, pe, name);
    if (c->bits == 16) {
        w[i] = f16_from_f32((float)v);
        return;
    }
    w[2 * i] = (uint16_t)f32_bits((float)v);
    w[2 * i + 1] = (uint16_t)(f32_bits((float)v) >> 16);
}

/* Where number (x, y, z) lies: the PE, and the index of its real part. */
static uint32_t place_of(const cube *c, uint32_t x, uint32_t y, uint32_t z, uint32_t *index) {
    uint32_t t = c->n / c->width;
    *index = 2 * (z * t * t + y % t * t + x % t);
    return y / t * c->width + x / t;
}

static void read_cube(const machine *k, cube *c) {
    uint32_t i;
    for (uint32_t x = 0; x < c->n; x++)
        for (uint32_t y = 0; y < c->n; y++)
            for (uint32_t z = 0; z < c->n; z++) {
                uint32_t pe = place_of(c, x, y, z, &i);
                c->at[x][y][z] = value_at(k, c, pe, "X", i) + I * value_at(k, c, pe, "X", i + 1);
            }
}

static void fill_cube(const machine *k, const cube *c, rng *r) {
    for (uint32_t pe = 0; pe < c->width * c->width; pe++) {
        uint32_t values = 2 * c->n * c->n * c->n / (c->width * c->width);
        for (uint32_t i = 0; i < values; i++) put_value(k, c, pe, "X", i, 2 * rng_f64(r) - 1);
        for (uint32_t i = 0; i < c->n; i += 2) {
            put_value(k, c, pe, "twiddle_array", i, cos(M_PI * i / c->n));
            put_value(k, c, pe, "twiddle_array", i + 1, sin(M_PI * i / c->n));
        }
    }
}

/* The sum over all numbers as it is defined, one axis after the other. */
static void sum_along(cube *c, uint32_t axis, double sign) {
    cube old = *c;
    for (uint32_t i = 0; i < c->n * c->n * c->n; i++) {
        uint32_t p[3] = {i % c->n, i / c->n % c->n, i / c->n / c->n}, q[3] = {p[0], p[1], p[2]};
        number sum = 0;
        for (q[axis] = 0; q[axis] < c->n; q[axis]++)
            sum += old.at[q[0]][q[1]][q[2]] * cexp(sign * 2 * M_PI * I * p[axis] * q[axis] / c->n);
        c->at[p[0]][p[1]][p[2]] = sum;
    }
}

/* The PEs start at different times: nobody may rely on others being where it is. */
static void launch(machine *k, uint32_t pe, const char *name, const uint16_t *args, uint32_t count) {
    const isa_program *p = &k->image->programs[k->image->tiles[pe].program];
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (!strcmp(p->symbols[i].name, name)) {
            wse_launch(k->m, pe, p->symbols[i].entry, args, count, pe * 7919 % 4001);
            return;
        }
    fail_msg("there is no function '%s'", name);
}

/* Launches of one machine after the other: each transforms what the one before left. */
static const struct {
    const char *name;
    uint16_t args[2], count;
    bool is_real;
    double sign;
    int power; /* the factor: the count of numbers to the power of power / 2 */
} transforms[] = {
    {"csfftExecC2C", {0, 0}, 2, false, -1, 0}, {"csfftExecC2C", {0, 1}, 2, false, 1, -2},
    {"csfftExecC2C", {1, 1}, 2, false, 1, -1}, {"csfftExecR2C", {2}, 1, true, -1, -2},
    {"csfftExecC2R", {2}, 1, false, 1, 0},     {"csfftExecR2C", {1}, 1, true, -1, -1},
};

static void check_transform(machine *k, cube *c, uint32_t which) {
    cube want = *c;
    uint32_t all = c->n * c->n * c->n;
    double largest = 0, factor = pow(all, transforms[which].power / 2.0), limit = c->bits == 32 ? 1e-6 : 6e-3;
    read_cube(k, &want);
    for (uint32_t i = 0; i < all && transforms[which].is_real; i++) {
        number *v = &want.at[i % c->n][i / c->n % c->n][i / c->n / c->n];
        *v = creal(*v);
    }
    for (uint32_t axis = 0; axis < 3; axis++) sum_along(&want, axis, transforms[which].sign);
    for (uint32_t pe = 0; pe < c->width * c->width; pe++)
        launch(k, pe, transforms[which].name, transforms[which].args, transforms[which].count);
    run(k);
    read_cube(k, c);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < all; i++) {
            uint32_t x = i % c->n, y = i / c->n % c->n, z = i / c->n / c->n;
            number exact = want.at[x][y][z] * factor;
            if (pass == 0) largest = fmax(largest, cabs(exact));
            else if (!(cabs(c->at[x][y][z] - exact) <= limit * largest))
                fail_msg("%u bits, %u of %u: number (%u, %u, %u) is %g, %g and not %g, %g", c->bits, c->n, c->width, x,
                         y, z, creal(c->at[x][y][z]), cimag(c->at[x][y][z]), creal(exact), cimag(exact));
        }
}

static void transforms_of_cubes(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{2, 1}, {4, 4}, {4, 2}, {8, 4}};
    rng r = rng_seed(9);
    for (uint32_t s = 0; s < 16; s++) {
        cube c = {.n = sizes[s % 4][0], .width = sizes[s % 4][1], .bits = s & 4 ? 16 : 32};
        const csl_param params[] = {{"N", c.n}, {"W", c.width}, {"bits", c.bits}};
        machine k = load("tests/lib/fft3d.csl", s & 8 ? ISA_WSE2 : ISA_WSE3, ISA_F16, params, 3);
        run(&k);
        fill_cube(&k, &c, &r);
        for (uint32_t i = 0; i < sizeof transforms / sizeof *transforms; i++) check_transform(&k, &c, i);
        assert_true(word32(&k, 0, "fft_time", 0) > 0 && word32(&k, 0, "fft_time", 1) == 0);
        unload(&k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(math_of_32_bits), cmocka_unit_test(math_of_16_bits),
                                       cmocka_unit_test(collectives), cmocka_unit_test(transforms_of_cubes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
