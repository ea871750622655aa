/* Kernels for AVX-512 with VNNI. Lane r of a vector is row r of the panel. Each body is written once, with the layout,
 * the number of tokens and the digits of the activations as compile-time constants. */
#include "llm/kern_vec.h"
#if defined(__x86_64__)
#include <immintrin.h>
#define INLINE static inline __attribute__((always_inline))

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}

INLINE __m512 load_elems(pack_id id, const uint8_t *panel, size_t k) {
    if (id == PACK_F32) return _mm512_loadu_ps((const float *)panel + k * PANEL_ROWS);
    __m256i half = _mm256_loadu_si256((const __m256i *)(panel + k * PANEL_ROWS * 2));
    if (id == PACK_F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Two sums per token, of even and of odd columns, for any NT: the order of additions must not depend on how many tokens
 * share a call, or results would depend on the number of threads. */
INLINE void float_body(pack_id id, int NT, const uint8_t *panel, const acts *x, size_t first, float *y,
                       size_t y_stride) {
    enum { UNROLL = 2 };
    __m512 sum[8][UNROLL];
    const float *v = x->f + first * x->stride;
    size_t k = 0, stride = x->stride;
    for (int t = 0; t < NT; t++)
        for (int u = 0; u < UNROLL; u++) sum[t][u] = _mm512_setzero_ps();
    for (; k + (size_t)UNROLL <= x->cols; k += (size_t)UNROLL)
        for (int u = 0; u < UNROLL; u++) {
            if (u == 0 || id == PACK_F32) kern_ahead(panel + (k + (size_t)u) * PANEL_ROWS * (id == PACK_F32 ? 4 : 2));
            __m512 w = load_elems(id, panel, k + (size_t)u);
            for (int t = 0; t < NT; t++)
                sum[t][u] = _mm512_fmadd_ps(w, _mm512_set1_ps(v[(size_t)t * stride + k + (size_t)u]), sum[t][u]);
        }
    for (; k < x->cols; k++)
        for (int t = 0; t < NT; t++)
            sum[t][0] = _mm512_fmadd_ps(load_elems(id, panel, k), _mm512_set1_ps(v[(size_t)t * stride + k]), sum[t][0]);
    for (int t = 0; t < NT; t++) {
        for (int u = 1; u < UNROLL; u++) sum[t][0] = _mm512_add_ps(sum[t][0], sum[t][u]);
        _mm512_storeu_ps(y + (size_t)t * y_stride, sum[t][0]);
    }
}

#define FLOAT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        size_t t = 0;                                                                                                  \
        for (; t + 8 <= tokens; t += 8) float_body(ID, 8, panel, x, first + t, y + t * y_stride, y_stride);            \
        if (tokens - t >= 4) float_body(ID, 4, panel, x, first + t, y + t * y_stride, y_stride), t += 4;               \
        if (tokens - t >= 2) float_body(ID, 2, panel, x, first + t, y + t * y_stride, y_stride), t += 2;               \
        if (tokens - t) float_body(ID, 1, panel, x, first + t, y + t * y_stride, y_stride);                            \
    }
PACK_FLOAT_ROWS(FLOAT)

INLINE __m512 load_f16(const uint8_t *at) { return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)at)); }

/* Byte scales of one sub-block under the super-scale d. */
INLINE __m512 load_byte_scale(const uint8_t *at, bool is_signed, __m512 d) {
    __m128i bytes = _mm_load_si128((const __m128i *)at);
    __m512i wide = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(wide), d);
}

INLINE __m512i broadcast4(const int8_t *at) {
    int32_t v;
    memcpy(&v, at, 4);
    return _mm512_set1_epi32(v);
}

/* One block of 32 columns for NT tokens. NA: digits of the activations, 1 or 2. */
INLINE void quant_block(const pack_layout p, int NT, int NA, const uint8_t *quants, const acts *x, size_t first,
                        size_t block, __m512 s0, __m512 s1, __m512 m0, __m512 m1, __m512 *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                             (char)166, (char)181, (char)197, (char)217, (char)241));
    const int8_t *hi = x->hi + first * x->stride + block * BLOCK_COLS,
                 *lo = NA == 2 ? x->lo + first * x->stride + block * BLOCK_COLS : NULL;
    const int32_t *sums = x->sums + first * (x->stride / 16) + 2 * block;
    bool split = p.sub_cols == 16;
    bool two_chains = split || NT <= 2;
    __m512i dot[8][2], digit[8][2]; /* [token][half of the block]; `digit` holds the high digits when there are two */
    for (int t = 0; t < NT; t++) {
        int32_t a = sums[(size_t)t * (x->stride / 16)], b = sums[(size_t)t * (x->stride / 16) + 1];
        dot[t][0] = p.zero ? _mm512_set1_epi32(-p.zero * (two_chains ? a : a + b)) : _mm512_setzero_si512();
        if (two_chains) dot[t][1] = p.zero ? _mm512_set1_epi32(-p.zero * b) : _mm512_setzero_si512();
        if (NA == 2) digit[t][0] = digit[t][1] = _mm512_setzero_si512();
    }
    for (int j = 0; j < 4; j++) {
        __m512i w[2];
        kern_ahead(quants + 64 * j);
        if (p.bits == 8) {
            kern_ahead(quants + 64 * (j + 4));
            w[0] = _mm512_load_si512(quants + 64 * j);
            w[1] = _mm512_load_si512(quants + 64 * (j + 4));
        } else {
            __m512i both = _mm512_load_si512(quants + 64 * j);
            w[0] = _mm512_and_si512(both, low);
            w[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
            if (p.table) w[0] = _mm512_shuffle_epi8(table, w[0]), w[1] = _mm512_shuffle_epi8(table, w[1]);
        }
        for (int t = 0; t < NT; t++)
            for (int h = 0; h < 2; h++) {
                size_t at = (size_t)t * x->stride + (size_t)(16 * h + 4 * j);
                int c = two_chains ? h : 0;
                if (NA == 2) {
                    digit[t][c] = _mm512_dpbusd_epi32(digit[t][c], w[h], broadcast4(hi + at));
                    dot[t][c] = _mm512_dpbusd_epi32(dot[t][c], w[h], broadcast4(lo + at));
                } else dot[t][c] = _mm512_dpbusd_epi32(dot[t][c], w[h], broadcast4(hi + at));
            }
    }
    for (int t = 0; t < NT; t++) {
        for (int c = 0; c < (two_chains ? 2 : 1) && NA == 2; c++) {
            __m512i h = digit[t][c];
            dot[t][c] = _mm512_add_epi32(dot[t][c], _mm512_sub_epi32(_mm512_slli_epi32(h, 8), h)); /* + 255 h */
        }
        __m512 scale = _mm512_set1_ps(x->scale[(first + (size_t)t) * (x->stride / BLOCK_COLS) + block]);
        const float *scaled = x->scaled_sums + (first + (size_t)t) * (x->stride / 16) + 2 * block;
        if (split) {
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t][0]), _mm512_mul_ps(s0, scale), sum[t]);
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t][1]), _mm512_mul_ps(s1, scale), sum[t]);
        } else {
            __m512i whole = two_chains ? _mm512_add_epi32(dot[t][0], dot[t][1]) : dot[t][0];
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), _mm512_mul_ps(s0, scale), sum[t]);
        }
        if (p.min && split) {
            sum[t] = _mm512_fmadd_ps(m0, _mm512_set1_ps(scaled[0]), sum[t]);
            sum[t] = _mm512_fmadd_ps(m1, _mm512_set1_ps(scaled[1]), sum[t]);
        } else if (p.min) sum[t] = _mm512_fmadd_ps(m0, _mm512_set1_ps(scaled[0] + scaled[1]), sum[t]);
    }
}

INLINE void quant_super(const pack_layout p, int NT, int NA, const uint8_t *base, int blocks, const acts *x,
                        size_t first, size_t block, __m512 *sum) {
    const __m512 zero = _mm512_setzero_ps();
    size_t per_block = p.two_level ? (size_t)(BLOCK_COLS / p.sub_cols) * PANEL_ROWS : 2 * PANEL_ROWS;
    size_t scales_bytes = (per_block * (size_t)blocks + 63) & ~(size_t)63;
    const uint8_t *mins = base + scales_bytes, *supers = mins + (p.min ? scales_bytes : 0),
                  *quants = supers + (p.two_level ? 64 : 0);
    __m512 d = p.two_level ? load_f16(supers) : zero,
           dmin = p.two_level && p.min ? _mm512_sub_ps(zero, load_f16(supers + 32)) : zero;
    for (int b = 0; b < blocks; b++) {
        __m512 s0, s1 = zero, m0 = zero, m1 = zero;
        if (!p.two_level) {
            s0 = load_f16(base + 32 * b);
            if (p.min) m0 = load_f16(mins + 32 * b);
        } else if (p.sub_cols == 32) {
            s0 = load_byte_scale(base + 16 * b, false, d);
            m0 = load_byte_scale(mins + 16 * b, false, dmin);
        } else {
            s0 = load_byte_scale(base + 32 * b, !p.min, d);
            s1 = load_byte_scale(base + 32 * b + 16, !p.min, d);
            if (p.min)
                m0 = load_byte_scale(mins + 32 * b, false, dmin), m1 = load_byte_scale(mins + 32 * b + 16, false, dmin);
        }
        quant_block(p, NT, NA, quants, x, first, block + (size_t)b, s0, s1, m0, m1, sum);
        quants += PANEL_ROWS * BLOCK_COLS * p.bits / 8;
    }
}

INLINE void quant_body(const pack_layout p, int NT, int NA, const uint8_t *panel, const acts *x, size_t first, float *y,
                       size_t y_stride) {
    __m512 sum[8];
    for (int t = 0; t < NT; t++) sum[t] = _mm512_setzero_ps();
    size_t blocks = x->cols / BLOCK_COLS, b = 0,
           scales = (size_t)(p.two_level ? 16 * (32 / p.sub_cols) : 32) * SUPER_BLOCKS;
    size_t bytes = scales * (p.min ? 2 : 1) + (p.two_level ? 64 : 0) +
                   (size_t)SUPER_BLOCKS * PANEL_ROWS * BLOCK_COLS * (size_t)p.bits / 8;
    for (; b + SUPER_BLOCKS <= blocks; b += SUPER_BLOCKS, panel += bytes)
        quant_super(p, NT, NA, panel, SUPER_BLOCKS, x, first, b, sum);
    if (b < blocks) quant_super(p, NT, NA, panel, (int)(blocks - b), x, first, b, sum);
    for (int t = 0; t < NT; t++) _mm512_storeu_ps(y + (size_t)t * y_stride, sum[t]);
}

/* As vec_quantize, which the compiler does not turn into vectors. */
void kern_quantize_avx512(const acts *a, size_t token) {
    const float *x = a->f + token * a->stride;
    const __m512 limit = _mm512_set1_ps(act_limit(a->lo != NULL)), one_digit = _mm512_set1_ps(1.0f / ACT_DIGIT_BASE);
    for (size_t b = 0; b * BLOCK_COLS < a->cols; b++) {
        __m512 v[2] = {_mm512_loadu_ps(x + b * BLOCK_COLS), _mm512_loadu_ps(x + b * BLOCK_COLS + 16)};
        float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(v[0]), _mm512_abs_ps(v[1])));
        float scale = top / _mm512_cvtss_f32(limit), inverse = top > 0 ? 1.0f / scale : 0.0f;
        if (!(inverse < INFINITY)) scale = inverse = 0;
        size_t at = token * (a->stride / 16) + 2 * b;
        a->scale[token * (a->stride / BLOCK_COLS) + b] = scale;
        for (int h = 0; h < 2; h++) {
            __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(v[h], _mm512_set1_ps(inverse))), high = q;
            size_t to = token * a->stride + b * BLOCK_COLS + 16 * (size_t)h;
            if (a->lo) {
                high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(q), one_digit));
                __m512i back = _mm512_sub_epi32(_mm512_slli_epi32(high, 8), high);
                _mm_storeu_si128((__m128i *)(a->lo + to), _mm512_cvtepi32_epi8(_mm512_sub_epi32(q, back)));
            }
            _mm_storeu_si128((__m128i *)(a->hi + to), _mm512_cvtepi32_epi8(high));
            int32_t sum = _mm512_reduce_add_epi32(q);
            a->sums[at + (size_t)h] = sum;
            a->scaled_sums[at + (size_t)h] = scale * (float)sum;
        }
    }
}

#define BODY(NT, NA, L) quant_body(L, NT, NA, panel, x, first + t, y + t * y_stride, y_stride)
#define QUANT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        const pack_layout l = PACK_QUANT_INIT(ID, __VA_ARGS__);                                                        \
        size_t t = 0;                                                                                                  \
        if (x->lo) {                                                                                                   \
            for (; t + 4 <= tokens; t += 4) BODY(4, 2, l);                                                             \
            if (tokens - t >= 2) BODY(2, 2, l), t += 2;                                                                \
            if (tokens - t) BODY(1, 2, l);                                                                             \
            return;                                                                                                    \
        }                                                                                                              \
        for (; t + 8 <= tokens; t += 8) BODY(8, 1, l);                                                                 \
        if (tokens - t >= 4) BODY(4, 1, l), t += 4;                                                                    \
        if (tokens - t >= 2) BODY(2, 1, l), t += 2;                                                                    \
        if (tokens - t) BODY(1, 1, l);                                                                                 \
    }
PACK_QUANT_ROWS(QUANT)

#define ROW(ID, ...) [ID] = gemm_##ID,
const kern kern_avx512 = {
    .name = "avx512",
    .usable = usable,
    .gemm = {PACK_FLOAT_ROWS(ROW) PACK_QUANT_ROWS(ROW)},
    .quantize = kern_quantize_avx512,
    .norm_rms = vec_norm_rms,
    .norm_layer = vec_norm_layer,
    .silu_mul = vec_silu_mul,
    .gelu_mul = vec_gelu_mul,
    .softmax_exp = vec_softmax_exp,
};
#endif
