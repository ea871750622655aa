/* The kernels on vectors - reduce, norm, rope - at odd sizes against f64, and their cycles against their notes. */
#include "tests/kernel_help.h"

/* ---- reduce ---- */

typedef struct {
    uint32_t w, h, row_group, column_group, root_x, root_y, n;
} reduce_shape;

static void reduce_fill(kernel *k, const reduce_shape *s, const double *v) {
    for (uint32_t pe = 0; pe < s->w * s->h; pe++)
        for (uint32_t i = 0; i < s->n; i++)
            kernel_float(k, pe % s->w, pe / s->w, "v", s->n)[i] = (float)v[pe * s->n + i];
}

static void reduce_case(reduce_shape s) {
    const csl_param params[] = {
        {"width", s.w}, {"height", s.h},      {"row_group", s.row_group}, {"column_group", s.column_group},
        {"n", s.n},     {"root_x", s.root_x}, {"root_y", s.root_y},       {0}};
    kernel k = kernel_load("reduce", params);
    rng r = rng_seed(s.w * 31 + s.n);
    uint32_t pes = s.w * s.h, root = s.root_y * s.w + s.root_x;
    double *v = mem_alloc(pes * s.n * sizeof *v), *sum = mem_alloc(s.n * sizeof *sum),
           *max = mem_alloc(s.n * sizeof *max);
    kernel_numbers(&r, v, (uint64_t)pes * s.n, 1);
    for (uint32_t i = 0; i < s.n; i++) {
        max[i] = -INFINITY;
        for (uint32_t pe = 0; pe < pes; pe++) sum[i] += v[pe * s.n + i], max[i] = fmax(max[i], v[pe * s.n + i]);
    }
    static const char *const functions[] = {"reduce_max", "allreduce_max", "reduce_sum", "allreduce_sum"};
    for (uint32_t f = 0; f < 4; f++) {
        reduce_fill(&k, &s, v);
        kernel_run(&k, functions[f], NULL, 0);
        for (uint32_t pe = f % 2 ? 0 : root; pe < (f % 2 ? pes : root + 1); pe++)
            for (uint32_t i = 0; i < s.n; i++) {
                double got = (double)kernel_float(&k, pe % s.w, pe / s.w, "v", s.n)[i];
                if (f < 2) assert_true(got == max[i]);
                else kernel_close(functions[f], got, sum[i], sqrt(pes), 1e-6);
            }
    }
    kernel_note(&k, "reduce", params, &(perf_kernel_sizes){.everywhere = 1}); /* of the last, allreduce_sum */
    mem_free(v), mem_free(sum), mem_free(max);
    kernel_free(&k);
}

static void reduce(void **state) {
    (void)state;
    reduce_case((reduce_shape){1, 1, 1, 1, 0, 0, 1});
    reduce_case((reduce_shape){2, 1, 2, 1, 1, 0, 1});
    reduce_case((reduce_shape){1, 7, 1, 3, 0, 2, 5});
    reduce_case((reduce_shape){11, 5, 3, 2, 5, 2, 17});
    reduce_case((reduce_shape){20, 10, 20, 10, 0, 0, 1});
    reduce_case((reduce_shape){20, 10, 4, 3, 0, 0, 1});
    reduce_case((reduce_shape){20, 10, 4, 3, 10, 4, 1});
    reduce_case((reduce_shape){37, 3, 6, 3, 0, 0, 64});
    reduce_case((reduce_shape){200, 1, 11, 1, 0, 0, 1});
    reduce_case((reduce_shape){200, 1, 8, 1, 100, 0, 1});
}

/* ---- norm ---- */

static void norm_case(uint32_t w, uint32_t h, uint32_t group, uint32_t d, uint32_t d_tile, uint32_t kind,
                      uint32_t root) {
    const csl_param params[] = {{"width", w},       {"height", h},  {"row_group", group}, {"d", d},
                                {"d_tile", d_tile}, {"kind", kind}, {"root_x", root},     {0}};
    kernel k = kernel_load("norm", params);
    rng r = rng_seed(d * 31 + kind);
    double *x = mem_alloc(d * sizeof *x), *weight = mem_alloc(d * sizeof *weight), *bias = mem_alloc(d * sizeof *bias);
    for (uint32_t y = 0; y < h; y++) { /* each row has a vector of its own */
        kernel_numbers(&r, x, d, 1);
        kernel_numbers(&r, weight, d, 1);
        kernel_numbers(&r, bias, d, 1);
        for (uint32_t i = 0; i < d; i++) {
            x[i] += 2;
            kernel_float(&k, i / d_tile, y, "x", d_tile)[i % d_tile] = (float)x[i];
            kernel_float(&k, i / d_tile, y, "w", d_tile)[i % d_tile] = (float)weight[i];
            if (kind) kernel_float(&k, i / d_tile, y, "b", d_tile)[i % d_tile] = (float)bias[i];
        }
        if (y + 1 < h) continue;
        kernel_run(&k, "compute", NULL, 0);
        double mean = 0, squares = 0;
        for (uint32_t i = 0; i < d && kind; i++) mean += x[i] / d;
        for (uint32_t i = 0; i < d; i++) squares += (x[i] - mean) * (x[i] - mean) / d;
        for (uint32_t i = 0; i < w * d_tile; i++) {
            double want = i < d ? (x[i] - mean) / sqrt(squares + 1e-5) * weight[i] + (kind ? bias[i] : 0) : 0;
            kernel_close("y", (double)kernel_float(&k, i / d_tile, y, "y", d_tile)[i % d_tile], want, 6, 1e-6);
        }
    }
    kernel_note(&k, "norm", params, NULL);
    mem_free(x), mem_free(weight), mem_free(bias);
    kernel_free(&k);
}

static void norm(void **state) {
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        norm_case(1, 1, 1, 1, 1, kind, 0);
        norm_case(1, 2, 1, 31, 31, kind, 0);
        norm_case(7, 3, 3, 37, 6, kind, 2);
        norm_case(24, 1, 24, 576, 24, kind, 0);
        norm_case(48, 2, 6, 571, 12, kind, 0);
        norm_case(48, 2, 4, 571, 12, kind, 24);
    }
}

/* ---- rope ---- */

static void rope_turn(double *v, uint32_t dims, uint32_t style, uint32_t position) {
    for (uint32_t i = 0; i < dims / 2; i++) {
        double *a = v + (style == 1 ? 2 * i : i), *b = a + (style == 1 ? 1 : dims / 2),
               angle = position * pow(10000, -2.0 * i / dims);
        double turned = *a * cos(angle) - *b * sin(angle);
        *b = *a * sin(angle) + *b * cos(angle);
        *a = turned;
    }
}

static void rope_case(uint32_t w, uint32_t h, uint32_t heads, uint32_t head, uint32_t dims, uint32_t style) {
    const csl_param params[] = {
        {"width", w}, {"height", h}, {"heads", heads}, {"head", head}, {"dims", dims}, {"style", style}, {0}};
    kernel k = kernel_load("rope", params);
    rng r = rng_seed(head * 31 + style);
    enum { START = 3, POSITIONS = 4 };
    uint32_t n = heads * head;
    double *v = mem_alloc(n * sizeof *v);
    for (uint32_t pe = 0; pe < w * h; pe++)
        for (uint32_t i = 0; i < dims / 2; i++) {
            kernel_f32 *t = kernel_float(&k, pe % w, pe / w, "table", 2 * dims);
            double angle = pow(10000, -2.0 * i / dims);
            t[i] = (float)cos(START * angle), t[dims / 2 + i] = (float)sin(START * angle);
            t[dims + i] = (float)cos(angle), t[dims / 2 * 3 + i] = (float)sin(angle);
        }
    for (uint32_t p = START; p < START + POSITIONS; p++) {
        kernel_f32 *last = kernel_float(&k, w - 1, h - 1, "v", n);
        kernel_numbers(&r, v, n, 1);
        for (uint32_t i = 0; i < n; i++) last[i] = (float)v[i];
        for (uint32_t i = 0; i < heads; i++) rope_turn(v + i * head, dims, style, p);
        if (p != START) kernel_run(&k, "advance", NULL, 0);
        kernel_run(&k, "rotate", NULL, 0);
        for (uint32_t i = 0; i < n; i++) kernel_close("v", (double)last[i], v[i], 4, 1e-6);
    }
    kernel_note(&k, "rope", params, NULL);
    mem_free(v);
    kernel_free(&k);
}

static void rope(void **state) {
    (void)state;
    for (uint32_t style = 1; style <= 2; style++) {
        rope_case(1, 1, 1, 2, 2, style);
        rope_case(3, 2, 3, 20, 14, style);
        rope_case(1, 1, 5, 64, 64, style);
        rope_case(2, 1, 1, 128, 32, style);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reduce), cmocka_unit_test(norm), cmocka_unit_test(rope)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
