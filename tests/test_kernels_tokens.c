/* The kernels that see tokens - embedding, lm_head, attention - at odd sizes against f64, and their cycles against
 * their notes. */
#include "tests/kernel_help.h"

typedef struct {
    uint32_t w, h, row_group, column_group, d_tile, rows_tile, root_x, root_y;
} table_shape;

/* A matrix [rows][d] in tiles stored [d_tile][rows_tile]. */
static void table_place(kernel *k, const table_shape *s, const char *name, const double *v, uint32_t rows, uint32_t d) {
    for (uint32_t py = 0; py < s->h; py++)
        for (uint32_t px = 0; px < s->w; px++) {
            uint16_t *tile = kernel_half(k, px, py, name, s->d_tile * s->rows_tile);
            for (uint32_t j = 0; j < s->d_tile; j++)
                for (uint32_t i = 0; i < s->rows_tile; i++)
                    tile[j * s->rows_tile + i] =
                        f16_from_f32((float)kernel_at(v, rows, d, py * s->rows_tile + i, px * s->d_tile + j));
        }
}

/* ---- embedding ---- */

static void embedding_case(table_shape s, uint32_t tokens, uint32_t rows, uint32_t d) {
    const csl_param params[] = {{"width", s.w},
                                {"height", s.h},
                                {"row_group", s.row_group},
                                {"column_group", s.column_group},
                                {"d_tile", s.d_tile},
                                {"rows_tile", s.rows_tile},
                                {"tokens", tokens},
                                {"root_x", s.root_x},
                                {"root_y", s.root_y},
                                {0}};
    kernel k = kernel_load("embedding", params);
    rng r = rng_seed(rows * 31 + d);
    double *v = mem_alloc(rows * d * sizeof *v);
    kernel_numbers(&r, v, (uint64_t)rows * d, 1);
    table_place(&k, &s, "table", v, rows, d);
    kernel_u32 *list = (kernel_u32 *)(void *)kernel_array(&k, s.root_x, s.root_y, "tokens", tokens, 2);
    uint32_t asked[64];
    for (uint32_t i = 0; i < tokens; i++) asked[i] = list[i] = i == 0 ? rows - 1 : (uint32_t)rng_below(&r, rows);
    kernel_run(&k, "look_up", (int64_t[]){tokens}, 1);
    for (uint32_t i = 0; i < tokens; i++)
        for (uint32_t j = 0; j < d; j++) {
            kernel_f32 *x = kernel_float(&k, j / s.d_tile, s.root_y, "x", tokens * s.d_tile);
            assert_true((double)x[i * s.d_tile + j % s.d_tile] == v[asked[i] * d + j]);
        }
    kernel_note(&k, "embedding", params, NULL);
    mem_free(v);
    kernel_free(&k);
}

static void embedding(void **state) {
    (void)state;
    embedding_case((table_shape){1, 1, 1, 1, 1, 1, 0, 0}, 1, 1, 1);
    embedding_case((table_shape){5, 7, 2, 3, 6, 11, 2, 3}, 8, 71, 29);
    embedding_case((table_shape){1, 13, 1, 4, 17, 5, 0, 0}, 3, 61, 17);
    embedding_case((table_shape){16, 1, 4, 1, 4, 31, 15, 0}, 1, 31, 63);
    embedding_case((table_shape){12, 24, 4, 5, 8, 8, 0, 0}, 16, 191, 96);
}

/* ---- lm_head ---- */

static void lm_head_case(table_shape s, uint32_t vocab, uint32_t best, uint32_t d) {
    const csl_param params[] = {{"width", s.w},
                                {"height", s.h},
                                {"row_group", s.row_group},
                                {"column_group", s.column_group},
                                {"d_tile", s.d_tile},
                                {"vocab_tile", s.rows_tile},
                                {"vocab", vocab},
                                {"best", best},
                                {"root_x", s.root_x},
                                {"root_y", s.root_y},
                                {0}};
    kernel k = kernel_load("lm_head", params);
    rng r = rng_seed(vocab * 31 + d);
    double *v = mem_alloc(vocab * d * sizeof *v), *x = mem_alloc(d * sizeof *x),
           *want = mem_alloc(vocab * sizeof *want);
    kernel_numbers(&r, v, (uint64_t)vocab * d, 1);
    kernel_numbers(&r, x, d, 1);
    memcpy(v + (vocab - 1) * d, v + vocab / 2 * d, d * sizeof *v); /* a tie */
    table_place(&k, &s, "w", v, vocab, d);
    for (uint32_t j = 0; j < d; j++)
        kernel_half(&k, j / s.d_tile, s.root_y, "x", s.d_tile)[j % s.d_tile] = f16_from_f32((float)x[j]);
    kernel_run(&k, "compute", (int64_t[]){best}, 1);
    for (uint32_t i = 0; i < vocab; i++) {
        for (uint32_t j = 0; j < d; j++) want[i] += v[i * d + j] * x[j];
        double got = (double)kernel_float(&k, s.root_x, i / s.rows_tile, "logits", s.rows_tile)[i % s.rows_tile];
        kernel_close("logits", got, want[i], sqrt(d), 2e-6);
        want[i] = got; /* the choice is among what the wafer has */
    }
    const kernel_u32 *tokens =
        (const kernel_u32 *)(const void *)kernel_array(&k, s.root_x, s.root_y, "tokens", best, 2);
    for (uint32_t n = 0; n < best; n++) {
        uint32_t first = 0;
        for (uint32_t i = 1; i < vocab; i++)
            if (want[i] > want[first]) first = i;
        assert_int_equal(tokens[n], first);
        assert_true((double)kernel_float(&k, s.root_x, s.root_y, "values", best)[n] == want[first]);
        want[first] = -INFINITY;
    }
    kernel_note(&k, "lm_head", params, NULL);
    mem_free(v), mem_free(x), mem_free(want);
    kernel_free(&k);
}

static void lm_head(void **state) {
    (void)state;
    lm_head_case((table_shape){1, 1, 1, 1, 1, 1, 0, 0}, 1, 1, 1);
    lm_head_case((table_shape){5, 7, 2, 3, 6, 11, 2, 3}, 71, 9, 29);
    lm_head_case((table_shape){1, 13, 1, 4, 17, 5, 0, 0}, 61, 61, 17);
    lm_head_case((table_shape){16, 1, 4, 1, 4, 31, 15, 0}, 29, 2, 63);
    lm_head_case((table_shape){12, 24, 4, 5, 8, 16, 0, 0}, 373, 1, 96);
    lm_head_case((table_shape){2, 30, 2, 5, 8, 16, 0, 15}, 331, 1, 16); /* rows of PEs without a token */
}

/* ---- attention ---- */

typedef struct {
    uint32_t w, units, unit_rows, row_group, group, head, slots, queries, qk_norm, root_x, root_y;
} attention_shape;

static double *attention_head(double *qkv, const attention_shape *s, uint32_t position, uint32_t unit, uint32_t head) {
    return qkv + ((uint64_t)(position * s->units + unit) * (s->group + 2) + head) * s->head;
}

static void attention_want(double *qkv, const attention_shape *s, uint32_t position, uint32_t window, uint32_t unit,
                           uint32_t h, double *out) {
    uint32_t first = window && position + 1 > window ? position + 1 - window : 0;
    double *q = attention_head(qkv, s, position, unit, h), total = 0, most = -INFINITY, score[512];
    for (uint32_t p = first; p <= position; p++) {
        double *key = attention_head(qkv, s, p, unit, s->group);
        score[p] = 0;
        for (uint32_t i = 0; i < s->head; i++) score[p] += q[i] * key[i] * 0.25;
        most = fmax(most, score[p]);
    }
    memset(out, 0, s->head * sizeof *out);
    for (uint32_t p = first; p <= position; p++) {
        double weight = exp(score[p] - most), *value = attention_head(qkv, s, p, unit, s->group + 1);
        total += weight;
        for (uint32_t i = 0; i < s->head; i++) out[i] += weight * value[i];
    }
    for (uint32_t i = 0; i < s->head; i++) out[i] /= total;
}

static void attention_norm(double *v, const double *w, uint32_t n) {
    double squares = 0;
    for (uint32_t i = 0; i < n; i++) squares += v[i] * v[i] / n;
    for (uint32_t i = 0; i < n; i++) v[i] *= w[i] / sqrt(squares + 1e-5);
}

static void attention_call(kernel *k, const attention_shape *s, const double *given, uint32_t done, uint32_t n,
                           uint32_t window) {
    uint32_t size = (s->group + 2) * s->head;
    for (uint32_t unit = 0; unit < s->units; unit++) {
        kernel_f32 *to = kernel_float(k, s->root_x, unit * s->unit_rows + s->root_y, "qkv", s->queries * size);
        for (uint32_t i = 0; i < n * size; i++)
            to[i] = (float)given[((uint64_t)(done + i / size) * s->units + unit) * size + i % size];
    }
    kernel_run(k, "attend", (int64_t[]){n, window}, 2);
}

static void attention_check(kernel *k, const attention_shape *s, double *qkv, uint32_t done, uint32_t n,
                            uint32_t window) {
    uint32_t stride = s->group * s->head + s->group;
    double want[256];
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t unit = 0; unit < s->units; unit++)
            for (uint32_t h = 0; h < s->group; h++) {
                const kernel_f32 *out =
                    kernel_float(k, s->root_x, unit * s->unit_rows + s->root_y, "out", s->queries * stride) +
                    i * stride + h * s->head;
                attention_want(qkv, s, done + i, window, unit, h, want);
                /* k of a normalized head is rounded to f16 */
                for (uint32_t j = 0; j < s->head; j++)
                    kernel_close("out", (double)out[j], want[j], 3, s->qk_norm ? 1e-3 : 2e-6);
            }
}

static void attention_run(kernel *k, const attention_shape *s, double *given, double *qkv, uint32_t window) {
    uint32_t context = s->slots * s->w * s->unit_rows, done = 0;
    for (uint32_t pe = 0; pe < s->w * s->units * s->unit_rows; pe++)
        *kernel_half(k, pe % s->w, pe / s->w, "position", 1) = 0;
    while (done < context) {
        uint32_t left = context - done, n = done < context / 2 ? s->queries : 1;
        if (n > left) n = left;
        attention_call(k, s, given, done, n, window);
        attention_check(k, s, qkv, done, n, window);
        done += n;
    }
}

static void attention_case(attention_shape s) {
    const csl_param params[] = {{"width", s.w},
                                {"units", s.units},
                                {"unit_rows", s.unit_rows},
                                {"row_group", s.row_group},
                                {"group", s.group},
                                {"head", s.head},
                                {"slots", s.slots},
                                {"queries", s.queries},
                                {"qk_norm", s.qk_norm},
                                {"scale_bits", 0x3e800000},
                                {"root_x", s.root_x},
                                {"root_y", s.root_y},
                                {0}};
    csl_param noted[15] = {0};
    memcpy(noted, params, sizeof params);
    noted[12].name = "positions", noted[13].name = NULL;
    kernel k = kernel_load("attention", params);
    rng r = rng_seed(s.head * 31 + s.w);
    uint32_t context = s.slots * s.w * s.unit_rows, heads = context * s.units * (s.group + 2);
    double *given = mem_alloc((uint64_t)heads * s.head * sizeof *given),
           *qkv = mem_alloc((uint64_t)heads * s.head * sizeof *qkv);
    double n_q[256], n_k[256];
    kernel_numbers(&r, given, (uint64_t)heads * s.head, 1);
    kernel_numbers(&r, n_q, s.head, 1);
    kernel_numbers(&r, n_k, s.head, 1);
    for (uint32_t pe = 0; pe < s.w * s.units * s.unit_rows; pe++)
        for (uint32_t i = 0; i < s.head; i++) {
            kernel_float(&k, pe % s.w, pe / s.w, "n_q", s.head)[i] = (float)n_q[i];
            kernel_float(&k, pe % s.w, pe / s.w, "n_k", s.head)[i] = (float)n_k[i];
        }
    memcpy(qkv, given, (uint64_t)heads * s.head * sizeof *qkv);
    for (uint32_t i = 0; i < heads && s.qk_norm; i++)
        if (i % (s.group + 2) <= s.group)
            attention_norm(qkv + (uint64_t)i * s.head, i % (s.group + 2) < s.group ? n_q : n_k, s.head);
    attention_run(&k, &s, given, qkv, context / 3 + 1);
    attention_run(&k, &s, given, qkv, 0);
    noted[12].value = 1; /* the last call, with a full cache */
    kernel_note(&k, "attention", noted, &(perf_kernel_sizes){.before = context - 1});
    noted[12].value = s.queries;
    for (uint32_t pe = 0; pe < s.w * s.units * s.unit_rows; pe++)
        *kernel_half(&k, pe % s.w, pe / s.w, "position", 1) = 0;
    attention_call(&k, &s, given, 0, s.queries, 0);
    if (s.queries > 1) kernel_note(&k, "attention", noted, NULL);
    mem_free(given), mem_free(qkv);
    kernel_free(&k);
}

static void attention(void **state) {
    (void)state;
    attention_case((attention_shape){1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0});
    attention_case((attention_shape){1, 1, 1, 1, 2, 8, 7, 3, 1, 0, 0});
    attention_case((attention_shape){5, 2, 2, 3, 3, 9, 3, 4, 0, 2, 1});
    attention_case((attention_shape){3, 3, 5, 3, 1, 11, 2, 7, 1, 0, 0});
    attention_case((attention_shape){7, 1, 1, 2, 4, 64, 4, 2, 0, 0, 0});
    attention_case((attention_shape){16, 1, 3, 4, 3, 32, 2, 8, 1, 8, 1});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(embedding), cmocka_unit_test(lm_head),
                                       cmocka_unit_test(attention)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
