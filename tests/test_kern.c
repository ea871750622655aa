/* Is every packed layout exact, and does every kernel compute what the plain dot product of its inputs says? */
#include "base/mem.h"
#include "base/rng.h"
#include "llm/kern.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const dtype_id types[] = {DTYPE_F32,  DTYPE_F16,  DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0,
                                 DTYPE_Q5_1, DTYPE_Q2_K, DTYPE_Q3_K, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL};
enum { TYPES = sizeof types / sizeof *types, TOKENS = 37 };

typedef struct {
    const dtype_info *type;
    const pack_layout *layout;
    size_t cols, row_bytes;
    uint8_t *file, *panel; /* 16 rows of file bytes; the panel */
    float *rows;           /* [16][cols] as the type's own conversion gives them */
} matrix;

static matrix make(dtype_id id, size_t cols, int rows, uint64_t seed) {
    matrix m = {.type = dtype_find(id), .layout = pack_layout_of(id), .cols = cols};
    uint64_t bytes;
    assert_non_null(m.type);
    assert_true(dtype_row_bytes(m.type, cols, &bytes));
    m.row_bytes = (size_t)bytes;
    m.file = mem_alloc(m.row_bytes * 16);
    m.rows = mem_alloc_n(16 * cols, sizeof(float));
    m.panel = mem_pages(pack_panel_bytes(m.layout, cols));
    float *in = mem_alloc_n(cols, sizeof *in);
    rng r = rng_seed(seed);
    for (int i = 0; i < rows; i++) {
        for (size_t k = 0; k < cols; k++) in[k] = rng_normal(&r);
        m.type->from_f32(in, m.file + (size_t)i * m.row_bytes, cols);
        m.type->to_f32(m.file + (size_t)i * m.row_bytes, m.rows + (size_t)i * cols, cols);
    }
    mem_free(in);
    pack_panel(id, m.file, m.row_bytes, rows, cols, m.panel);
    return m;
}

static void drop(matrix *m) {
    mem_pages_free(m->panel, pack_panel_bytes(m->layout, m->cols));
    mem_free(m->file);
    mem_free(m->rows);
}

static void packing_keeps_every_value(void **state) {
    (void)state;
    for (int i = 0; i < TYPES; i++)
        for (int rows = 16; rows > 0; rows -= 5) {
            size_t cols = 256 * 2 + (dtype_find(types[i])->block_elems <= 32 ? 96 : 0);
            matrix m = make(types[i], cols, rows, 7 + (uint64_t)i);
            float *out = mem_alloc_n(cols, sizeof *out);
            for (int r = 0; r < 16; r++) {
                pack_row_f32(m.layout, m.panel, r, cols, out);
                for (size_t k = 0; k < cols; k++)
                    if (out[k] != m.rows[(size_t)r * cols + k])
                        fail_msg("%s row %d col %zu: packed %g, file %g", m.type->name, r, k, (double)out[k],
                                 (double)m.rows[(size_t)r * cols + k]);
            }
            mem_free(out);
            drop(&m);
        }
}

static acts make_acts(size_t cols, bool two_digits, uint64_t seed) {
    acts a = {.cols = cols, .stride = acts_stride(cols)};
    a.f = mem_pages(TOKENS * a.stride * sizeof(float));
    a.hi = mem_pages(TOKENS * a.stride);
    a.lo = two_digits ? mem_pages(TOKENS * a.stride) : NULL;
    a.pairs = mem_pages((TOKENS + 16) * a.stride * 4);
    a.scale = mem_pages(TOKENS * a.stride / 32 * sizeof(float));
    a.sums = mem_pages(TOKENS * a.stride / 16 * sizeof(int32_t));
    a.scaled_sums = mem_pages(TOKENS * a.stride / 16 * sizeof(float));
    rng r = rng_seed(seed);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t k = 0; k < cols; k++) a.f[t * a.stride + k] = rng_normal(&r) * (t == 3 ? 1000.0f : 1.0f);
    for (size_t k = 0; k < cols; k++) a.f[5 * a.stride + k] = 0;
    return a;
}

static void free_acts(acts *a) {
    mem_pages_free(a->f, TOKENS * a->stride * sizeof(float));
    mem_pages_free(a->hi, TOKENS * a->stride);
    mem_pages_free(a->pairs, (TOKENS + 16) * a->stride * 4);
    if (a->lo) mem_pages_free(a->lo, TOKENS * a->stride);
    mem_pages_free(a->scale, TOKENS * a->stride / 32 * sizeof(float));
    mem_pages_free(a->sums, TOKENS * a->stride / 16 * sizeof(int32_t));
    mem_pages_free(a->scaled_sums, TOKENS * a->stride / 16 * sizeof(float));
}

/* What the integers of the activations stand for. */
static double act_value(const acts *a, size_t t, size_t k) {
    int q = a->lo ? ACT_DIGIT_BASE * a->hi[t * a->stride + k] + a->lo[t * a->stride + k] : a->hi[t * a->stride + k];
    return (double)a->scale[t * (a->stride / 32) + k / 32] * q;
}

static void quantized_activations_are_close(void **state) {
    (void)state;
    for (size_t i = 0; kern_row(i); i++)
        for (int two = 0; two < 2; two++) {
            const kern *kernels = kern_row(i);
            if (!kernels->usable()) continue;
            acts a = make_acts(352, two, 3);
            for (size_t t = 0; t < TOKENS; t++) kernels->quantize(&a, t);
            for (size_t t = 0; t < TOKENS; t++)
                for (size_t k = 0; k < a.cols; k++) {
                    double top = 0;
                    for (size_t j = k / 32 * 32; j < k / 32 * 32 + 32; j++)
                        top = fmax(top, fabs((double)a.f[t * a.stride + j]));
                    double error = fabs(act_value(&a, t, k) - (double)a.f[t * a.stride + k]);
                    assert_true(error <= top * (two ? 0.51 / 32512 : 0.51 / 127));
                }
            free_acts(&a);
        }
}

/* Token t of `y`, 16 results each, against the sums of the products. Only f32 rounding is left where activations are
 * taken as they are or as the integers that they were made; pairs of bf16 keep 16 bits of each factor. */
static void check_sums(const char *what, const matrix *m, const acts *a, size_t first, size_t tokens, bool as_floats,
                       double bound, const float *y) {
    for (size_t t = 0; t < tokens; t++)
        for (size_t r = 0; r < 16; r++) {
            double want = 0, size = 0;
            for (size_t k = 0; k < m->cols; k++) {
                double x = as_floats ? (double)a->f[(t + first) * a->stride + k] : act_value(a, t + first, k);
                double term = (double)m->rows[r * m->cols + k] * x;
                want += term;
                size += fabs(term);
            }
            if (!(fabs((double)y[t * 16 + r] - want) <= bound * size + 1e-12))
                fail_msg("%s %s cols %zu tokens %zu token %zu row %zu: %g, expected %g", what, m->type->name, m->cols,
                         tokens, t, r, (double)y[t * 16 + r], want);
        }
}

static void check_gemm(const kern *kernels, const matrix *m, const acts *a, size_t tokens) {
    float y[TOKENS * 16 + 16];
    kernels->gemm[m->layout->id](m->panel, a, 1, tokens, y, 16);
    check_sums(kernels->name, m, a, 1, tokens, m->layout->is_float, 4e-6, y);
}

/* The same panel once, twice and three times. */
static void check_tiles(const kern *kernels, const matrix *m, const acts *a, size_t tokens) {
    enum { PANELS = 3 };
    size_t unit = kernels->tile_tokens, padded = (tokens + unit - 1) / unit * unit,
           bytes = pack_panel_bytes(m->layout, m->cols);
    uint8_t *panels = mem_pages(PANELS * bytes);
    float *y = mem_alloc_n(PANELS * padded * 16, sizeof *y);
    for (int i = 0; i < PANELS; i++) memcpy(panels + (size_t)i * bytes, m->panel, bytes);
    for (size_t t = 0; t < TOKENS; t++) kernels->split(a, t);
    for (size_t count = 1; count <= PANELS; count++) {
        kernels->tiles[m->layout->id](panels, bytes, count, a, 0, tokens, y);
        for (size_t i = 0; i < count; i++) check_sums("tiles", m, a, 0, tokens, true, 3e-5, y + i * padded * 16);
    }
    mem_free(y);
    mem_pages_free(panels, PANELS * bytes);
}

static void kernels_match_plain_dot_products(void **state) {
    (void)state;
    static const size_t token_counts[] = {1, 2, 3, 5, 8, 13, 16, 19, 36};
    for (int i = 0; i < TYPES; i++) {
        uint32_t block = dtype_find(types[i])->block_elems;
        size_t widths[] = {block == 256 ? 256 : block == 32 ? 32 : 7, block == 256 ? 768 : block == 32 ? 576 : 131};
        for (int w = 0; w < 2; w++)
            for (int two = 0; two < 2; two++) {
                matrix m = make(types[i], widths[w], 16 - 3 * w, 11 + (uint64_t)i);
                acts a = make_acts(widths[w], two, 5);
                for (size_t t = 0; t < TOKENS && !m.layout->is_float; t++) kern_portable.quantize(&a, t);
                for (size_t k = 0; kern_row(k); k++)
                    for (size_t n = 0; n < sizeof token_counts / sizeof *token_counts && kern_row(k)->usable(); n++) {
                        check_gemm(kern_row(k), &m, &a, token_counts[n]);
                        if (kern_row(k)->tile_tokens && two) check_tiles(kern_row(k), &m, &a, token_counts[n]);
                    }
                free_acts(&a);
                drop(&m);
            }
    }
}

static void vector_functions_match_libm(void **state) {
    (void)state;
    enum { N = 203 };
    for (size_t i = 0; kern_row(i); i++) {
        const kern *kernels = kern_row(i);
        if (!kernels->usable()) continue;
        float x[N], up[N], w[N], b[N], y[N];
        rng r = rng_seed(9);
        for (int k = 0; k < N; k++)
            x[k] = 4 * rng_normal(&r), up[k] = rng_normal(&r), w[k] = 1 + rng_normal(&r) / 8, b[k] = rng_normal(&r);
        x[0] = 60, x[1] = -60, x[2] = 0;
        double squares = 0, mean = 0, variance = 0, total = 0;
        for (int k = 0; k < N; k++) squares += (double)x[k] * x[k], mean += x[k] / (double)N;
        for (int k = 0; k < N; k++) variance += (x[k] - mean) * (x[k] - mean) / N;
        kernels->norm_rms(x, w, 1e-5f, y, N);
        for (int k = 0; k < N; k++) assert_float_equal(y[k], x[k] / sqrt(squares / N + 1e-5) * w[k], 1e-4);
        kernels->norm_layer(x, w, b, 1e-5f, y, N);
        for (int k = 0; k < N; k++) assert_float_equal(y[k], (x[k] - mean) / sqrt(variance + 1e-5) * w[k] + b[k], 1e-4);
        memcpy(y, x, sizeof y);
        kernels->silu_mul(y, up, N);
        for (int k = 0; k < N; k++) assert_float_equal(y[k], x[k] / (1 + exp(-(double)x[k])) * up[k], 1e-4);
        memcpy(y, x, sizeof y);
        kernels->gelu_mul(y, NULL, N);
        for (int k = 0; k < N; k++)
            assert_float_equal(y[k], 0.5 * x[k] * (1 + tanh(0.7978845608 * (x[k] + 0.044715 * pow(x[k], 3)))), 1e-4);
        memcpy(y, x, sizeof y);
        float sum = kernels->softmax_exp(y, N, 0.25f, 30);
        for (int k = 0; k < N; k++) total += exp(30 * tanh(x[k] * 0.25 / 30) - 30 * tanh(15.0 / 30));
        assert_float_equal(sum, total, 1e-4 * total);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_keeps_every_value),
        cmocka_unit_test(quantized_activations_are_close),
        cmocka_unit_test(kernels_match_plain_dot_products),
        cmocka_unit_test(vector_functions_match_libm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
