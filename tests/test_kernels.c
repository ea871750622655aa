/* The products of kernels/ - gemv, gemm, mlp - at odd sizes against sums in f64, and their cycles against their notes.
 */
#include "tests/kernel_help.h"

/* f32 sums of products of f16 numbers: what rounding may take. */
static const double SUMS = 2e-6;

/* ---- gemv ---- */

typedef struct {
    uint32_t w, h, row_group, m, k, root_x, root_y, rows, columns;
} gemv_shape;

static void gemv_place(kernel *k, const gemv_shape *s, const double *a, const double *x) {
    for (uint32_t py = 0; py < s->h; py++)
        for (uint32_t px = 0; px < s->w; px++) {
            uint16_t *tile = kernel_half(k, px, py, "w", s->m * s->k),
                     *block = kernel_half(k, px, s->root_y, "x", s->k);
            for (uint32_t j = 0; j < s->k; j++) {
                uint32_t column = px * s->k + j;
                block[j] = f16_from_f32((float)kernel_at(x, 1, s->columns, 0, column));
                for (uint32_t i = 0; i < s->m; i++)
                    tile[j * s->m + i] = f16_from_f32((float)kernel_at(a, s->rows, s->columns, py * s->m + i, column));
            }
        }
}

static void gemv_case(gemv_shape s) {
    const csl_param params[] = {{"width", s.w},  {"height", s.h},      {"row_group", s.row_group}, {"m_tile", s.m},
                                {"k_tile", s.k}, {"root_x", s.root_x}, {"root_y", s.root_y},       {0}};
    kernel k = kernel_load("gemv", params);
    rng r = rng_seed(s.rows * 31 + s.columns);
    double *a = mem_alloc(s.rows * s.columns * sizeof *a), *x = mem_alloc(s.columns * sizeof *x);
    double *y = mem_alloc(s.rows * sizeof *y);
    kernel_numbers(&r, a, (uint64_t)s.rows * s.columns, 1);
    kernel_numbers(&r, x, s.columns, 1);
    gemv_place(&k, &s, a, x);
    kernel_run(&k, "compute", NULL, 0);
    for (uint32_t i = 0; i < s.rows; i++)
        for (uint32_t j = 0; j < s.columns; j++) y[i] += a[i * s.columns + j] * x[j];
    for (uint32_t i = 0; i < s.rows; i++)
        kernel_close("y", (double)kernel_float(&k, s.root_x, i / s.m, "y", s.m)[i % s.m], y[i], kernel_size(y, s.rows),
                     SUMS);
    kernel_note(&k, "gemv", params, NULL);
    mem_free(a), mem_free(x), mem_free(y);
    kernel_free(&k);
}

static void gemv(void **state) {
    (void)state;
    gemv_case((gemv_shape){1, 1, 1, 1, 1, 0, 0, 1, 1});
    gemv_case((gemv_shape){1, 1, 1, 32, 32, 0, 0, 31, 29});
    gemv_case((gemv_shape){5, 3, 2, 7, 9, 2, 1, 19, 43});
    gemv_case((gemv_shape){1, 7, 1, 16, 16, 0, 6, 101, 13});
    gemv_case((gemv_shape){11, 1, 4, 16, 33, 1, 0, 13, 337});
    gemv_case((gemv_shape){16, 16, 4, 32, 16, 0, 0, 509, 251});
    gemv_case((gemv_shape){32, 4, 32, 8, 4, 0, 0, 32, 127});
    gemv_case((gemv_shape){64, 2, 6, 8, 4, 0, 0, 16, 251});
    gemv_case((gemv_shape){64, 2, 6, 8, 4, 32, 0, 16, 251});
}

/* ---- gemm ---- */

static void gemm_place(kernel *k, const char *name, uint32_t x, uint32_t y, const double *v, uint32_t rows,
                       uint32_t columns, bool turned, uint32_t row, uint32_t column, uint32_t kp, uint32_t size,
                       uint32_t pieces) {
    uint32_t panel = (kp * size + 1) / 2 * 2;
    uint16_t *to = kernel_half(k, x, y, name, pieces * panel);
    for (uint32_t p = 0; p < pieces; p++)
        for (uint32_t i = 0; i < kp; i++)
            for (uint32_t j = 0; j < size; j++) {
                uint32_t deep = row + p * kp + i, wide = column + j;
                double value =
                    turned ? kernel_at(v, rows, columns, wide, deep) : kernel_at(v, rows, columns, deep, wide);
                to[p * panel + i * size + j] = f16_from_f32((float)value);
            }
}

static void gemm_case(uint32_t w, uint32_t h, uint32_t mt, uint32_t nt, uint32_t kp, uint32_t panels, uint32_t m,
                      uint32_t n, uint32_t depth) {
    const csl_param params[] = {
        {"width", w}, {"height", h}, {"m_tile", mt}, {"n_tile", nt}, {"k_panel", kp}, {"panels", panels}, {0}};
    kernel k = kernel_load("gemm", params);
    rng r = rng_seed(m * 31 + n);
    double *a = mem_alloc(m * depth * sizeof *a), *b = mem_alloc(depth * n * sizeof *b),
           *c = mem_alloc(m * n * sizeof *c);
    kernel_numbers(&r, a, (uint64_t)m * depth, 1);
    kernel_numbers(&r, b, (uint64_t)depth * n, 1);
    uint32_t a_pieces = panels / w, b_pieces = panels / h;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            gemm_place(&k, "a", x, y, a, m, depth, true, x * a_pieces * kp, y * mt, kp, mt, a_pieces);
            gemm_place(&k, "b", x, y, b, depth, n, false, y * b_pieces * kp, x * nt, kp, nt, b_pieces);
        }
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t t = 0; t < depth; t++) c[i * n + j] += a[i * depth + t] * b[t * n + j];
    for (int round = 0; round < 2; round++) { /* a second time: the routes must end as they began */
        kernel_run(&k, "compute", NULL, 0);
        for (uint32_t i = 0; i < m; i++)
            for (uint32_t j = 0; j < n; j++) {
                kernel_f32 *tile = kernel_float(&k, j / nt, i / mt, "c", mt * nt);
                kernel_close("c", (double)tile[i % mt * nt + j % nt], c[i * n + j], kernel_size(c, m * n), SUMS);
            }
    }
    kernel_note(&k, "gemm", params, NULL);
    mem_free(a), mem_free(b), mem_free(c);
    kernel_free(&k);
}

static void gemm(void **state) {
    (void)state;
    gemm_case(1, 1, 1, 1, 1, 1, 1, 1, 1);
    gemm_case(1, 1, 7, 11, 5, 3, 7, 11, 13);
    gemm_case(2, 2, 8, 8, 8, 2, 13, 16, 15);
    gemm_case(4, 4, 16, 16, 16, 4, 61, 64, 63);
    gemm_case(6, 4, 5, 7, 3, 12, 18, 39, 35);
    gemm_case(1, 5, 4, 12, 3, 5, 17, 11, 13);
    gemm_case(7, 1, 13, 3, 5, 7, 11, 19, 31);
    gemm_case(8, 8, 8, 32, 4, 8, 64, 256, 32);
}

/* ---- mlp ---- */

typedef struct {
    uint32_t w, h, row_group, column_group, d_tile, m_tile, gated, activation, root_x, root_y, d, m;
} mlp_shape;

static double act(uint32_t kind, double x) {
    if (kind == 0) return x / (1 + exp(-x));
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static void mlp_place(kernel *k, const mlp_shape *s, const double *gate, const double *up, const double *down,
                      const double *x) {
    uint32_t outputs = s->gated ? 2 * s->m_tile : s->m_tile;
    for (uint32_t py = 0; py < s->h; py++)
        for (uint32_t px = 0; px < s->w; px++) {
            uint16_t *u = kernel_half(k, px, py, "w_up", s->d_tile * outputs);
            uint16_t *v = kernel_half(k, px, py, "w_down", s->d_tile * s->m_tile);
            uint16_t *block = kernel_half(k, px, s->root_y, "x", s->d_tile);
            for (uint32_t j = 0; j < s->d_tile; j++) {
                uint32_t column = px * s->d_tile + j;
                block[j] = f16_from_f32((float)kernel_at(x, 1, s->d, 0, column));
                for (uint32_t i = 0; i < s->m_tile; i++) {
                    uint32_t row = py * s->m_tile + i;
                    u[j * outputs + i] = f16_from_f32((float)kernel_at(s->gated ? gate : up, s->m, s->d, row, column));
                    if (s->gated)
                        u[j * outputs + s->m_tile + i] = f16_from_f32((float)kernel_at(up, s->m, s->d, row, column));
                    v[i * s->d_tile + j] = f16_from_f32((float)kernel_at(down, s->d, s->m, column, row));
                }
            }
        }
}

static void mlp_case(mlp_shape s) {
    const csl_param params[] = {{"width", s.w},
                                {"height", s.h},
                                {"row_group", s.row_group},
                                {"column_group", s.column_group},
                                {"d_tile", s.d_tile},
                                {"mlp_tile", s.m_tile},
                                {"gated", s.gated},
                                {"activation", s.activation},
                                {"root_x", s.root_x},
                                {"root_y", s.root_y},
                                {0}};
    kernel k = kernel_load("mlp", params);
    rng r = rng_seed(s.d * 31 + s.m);
    uint64_t size = (uint64_t)s.m * s.d;
    double *gate = mem_alloc(size * sizeof *gate), *up = mem_alloc(size * sizeof *up),
           *down = mem_alloc(size * sizeof *down);
    double *x = mem_alloc(s.d * sizeof *x), *y = mem_alloc(s.d * sizeof *y);
    kernel_numbers(&r, gate, size, 1 / sqrt(s.d));
    kernel_numbers(&r, up, size, 1 / sqrt(s.d));
    kernel_numbers(&r, down, size, 1 / sqrt(s.m));
    kernel_numbers(&r, x, s.d, 1);
    mlp_place(&k, &s, gate, up, down, x);
    kernel_run(&k, "compute", NULL, 0);
    for (uint32_t i = 0; i < s.m; i++) {
        double g = 0, u = 0;
        for (uint32_t j = 0; j < s.d; j++) g += gate[i * s.d + j] * x[j], u += up[i * s.d + j] * x[j];
        double hidden = s.gated ? act(s.activation, g) * u : act(s.activation, u);
        for (uint32_t j = 0; j < s.d; j++) y[j] += down[j * s.m + i] * hidden;
    }
    /* the hidden numbers are rounded to f16, which 11 bits bound; their errors are independent */
    for (uint32_t j = 0; j < s.d; j++)
        kernel_close("y", (double)kernel_float(&k, j / s.d_tile, s.root_y, "y", s.d_tile)[j % s.d_tile], y[j],
                     kernel_size(y, s.d), 1e-3);
    kernel_note(&k, "mlp", params, NULL);
    mem_free(gate), mem_free(up), mem_free(down), mem_free(x), mem_free(y);
    kernel_free(&k);
}

static void mlp(void **state) {
    (void)state;
    mlp_case((mlp_shape){1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1});
    mlp_case((mlp_shape){1, 1, 1, 1, 13, 29, 0, 1, 0, 0, 13, 29});
    mlp_case((mlp_shape){5, 5, 2, 3, 7, 9, 1, 0, 2, 2, 31, 43});
    mlp_case((mlp_shape){3, 7, 3, 3, 11, 5, 0, 1, 0, 1, 31, 32});
    mlp_case((mlp_shape){12, 8, 4, 4, 8, 16, 1, 1, 0, 0, 89, 127});
    mlp_case((mlp_shape){40, 2, 5, 2, 4, 2, 1, 0, 0, 0, 157, 3});
    mlp_case((mlp_shape){40, 2, 5, 2, 4, 2, 1, 0, 20, 0, 157, 3});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gemv), cmocka_unit_test(gemm), cmocka_unit_test(mlp)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
