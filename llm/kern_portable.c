/* Kernels in plain C: the same layouts and the same sums as the vector ones, for any processor, and the yardstick for
 * them. */
#include "llm/kern_vec.h"

static bool always(void) { return true; }

static uint16_t get16(const uint8_t *at) {
    uint16_t v;
    memcpy(&v, at, 2);
    return v;
}

static inline float float_elem(pack_id id, const uint8_t *at) {
    float f;
    if (id == PACK_F32) return memcpy(&f, at, 4), f;
    return id == PACK_F16 ? f32_from_f16(get16(at)) : f32_from_bf16(get16(at));
}

static inline void gemm_float(pack_id id, const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,
                              size_t y_stride) {
    size_t elem = id == PACK_F32 ? 4 : 2;
    for (size_t t = 0; t < tokens; t++) {
        const float *v = x->f + (first + t) * x->stride;
        float sum[PANEL_ROWS] = {0};
        for (size_t k = 0; k < x->cols; k++)
            for (size_t r = 0; r < PANEL_ROWS; r++)
                sum[r] += float_elem(id, panel + (k * PANEL_ROWS + r) * elem) * v[k];
        memcpy(y + t * y_stride, sum, sizeof sum);
    }
}

/* Integer dot products of one block of 32 columns for 16 rows; dots[half] covers 16 columns. */
static inline void block_dots(const pack_layout *p, const uint8_t *quants, const acts *x, size_t at,
                              int32_t dots[2][PANEL_ROWS]) {
    const int8_t *hi = x->hi + at, *lo = x->lo ? x->lo + at : NULL;
    memset(dots, 0, 2 * PANEL_ROWS * sizeof(int32_t));
    for (int i = 0; i < BLOCK_COLS; i++) {
        int32_t v = lo ? ACT_DIGIT_BASE * hi[i] + lo[i] : hi[i];
        for (int r = 0; r < PANEL_ROWS; r++) {
            int q;
            if (p->bits == 8) q = quants[64 * (i / 4) + 4 * r + i % 4];
            else {
                int byte = quants[64 * (i % 16 / 4) + 4 * r + i % 4];
                q = i < 16 ? byte & 15 : byte >> 4;
            }
            dots[i / 16][r] += v * (p->table ? pack_iq4_table[q] : q - p->zero);
        }
    }
}

static inline void gemm_quant(const pack_layout *p, const uint8_t *panel, const acts *x, size_t token, float *y) {
    float sum[PANEL_ROWS] = {0};
    const float *scales = x->scale + token * (x->stride / BLOCK_COLS),
                *sums = x->scaled_sums + token * (x->stride / 16);
    for (size_t col = 0; col < x->cols; col += SUPER_COLS) {
        int blocks = x->cols - col < SUPER_COLS ? (int)((x->cols - col) / BLOCK_COLS) : SUPER_BLOCKS;
        pack_offsets at = pack_super_offsets(p, blocks);
        for (int b = 0; b < blocks; b++) {
            size_t block = col / BLOCK_COLS + (size_t)b;
            int32_t dots[2][PANEL_ROWS];
            block_dots(p, panel + at.quants + (size_t)(b * PANEL_ROWS * BLOCK_COLS * p->bits / 8), x,
                       token * x->stride + block * BLOCK_COLS, dots);
            for (int r = 0; r < PANEL_ROWS; r++) {
                size_t i = (size_t)(b * PANEL_ROWS + r), second = i;
                float s0, s1, m0 = 0, m1 = 0;
                if (!p->two_level) {
                    s0 = s1 = f32_from_f16(get16(panel + 2 * i));
                    if (p->min) m0 = m1 = f32_from_f16(get16(panel + at.mins + 2 * i));
                } else {
                    if (p->sub_cols == 16) i = (size_t)(2 * b * PANEL_ROWS + r), second = i + PANEL_ROWS;
                    float d = f32_from_f16(get16(panel + at.supers + 2 * (size_t)r));
                    float dmin = p->min ? f32_from_f16(get16(panel + at.supers + 2 * (size_t)(PANEL_ROWS + r))) : 0;
                    s0 = d * (p->min ? (float)panel[i] : (float)(int8_t)panel[i]);
                    s1 = d * (p->min ? (float)panel[second] : (float)(int8_t)panel[second]);
                    if (p->min) m0 = -dmin * (float)panel[at.mins + i], m1 = -dmin * (float)panel[at.mins + second];
                }
                sum[r] += scales[block] * (s0 * (float)dots[0][r] + s1 * (float)dots[1][r]) + m0 * sums[2 * block] +
                          m1 * sums[2 * block + 1];
            }
        }
        panel += pack_super_bytes(p, blocks);
    }
    memcpy(y, sum, sizeof sum);
}

#define FLOAT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        gemm_float(ID, panel, x, first, tokens, y, y_stride);                                                          \
    }
#define QUANT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        for (size_t t = 0; t < tokens; t++) gemm_quant(pack_layout_row(ID), panel, x, first + t, y + t * y_stride);    \
    }
PACK_FLOAT_ROWS(FLOAT)
PACK_QUANT_ROWS(QUANT)

#define ROW(ID, ...) [ID] = gemm_##ID,
const kern kern_portable = {
    .name = "portable",
    .usable = always,
    .gemm = {PACK_FLOAT_ROWS(ROW) PACK_QUANT_ROWS(ROW)},
    .quantize = vec_quantize,
    .norm_rms = vec_norm_rms,
    .norm_layer = vec_norm_layer,
    .silu_mul = vec_silu_mul,
    .gelu_mul = vec_gelu_mul,
    .softmax_exp = vec_softmax_exp,
};
