/* Kernels for AVX2 with FMA and F16C: as kern_avx512.c, with a panel taken as two halves of 8 rows.
 *
 * vpmaddubsw adds two products in 16 bits with saturation, so byte weights up to 255 are taken as signed with the sign
 * moved to the activation (|w| <= 128, |x| <= 127: 2 * 128 * 127 fits); the other layouts hold at most 63 and stay
 * unsigned. */
#include "llm/kern_vec.h"
#if defined(__x86_64__)
#include <immintrin.h>
#define INLINE static inline __attribute__((always_inline))

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); /* every such processor has F16C too */
}

INLINE __m256 load_elems(pack_id id, const uint8_t *panel, size_t k, int half) {
    size_t at = k * PANEL_ROWS + (size_t)half * 8;
    if (id == PACK_F32) return _mm256_loadu_ps((const float *)panel + at);
    __m128i h = _mm_loadu_si128((const __m128i *)(panel + at * 2));
    if (id == PACK_F16) return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

INLINE void float_body(pack_id id, int NT, const uint8_t *panel, const acts *x, size_t first, float *y,
                       size_t y_stride) {
    __m256 sum[4][2];
    const float *v = x->f + first * x->stride;
    for (int t = 0; t < NT; t++) sum[t][0] = sum[t][1] = _mm256_setzero_ps();
    for (size_t k = 0; k < x->cols; k++)
        for (int h = 0; h < 2; h++) {
            if (id == PACK_F32 || (h == 0 && k % 2 == 0)) /* once a line */
                kern_ahead(panel + (k * PANEL_ROWS + (size_t)h * 8) * (id == PACK_F32 ? 4 : 2));
            __m256 w = load_elems(id, panel, k, h);
            for (int t = 0; t < NT; t++)
                sum[t][h] = _mm256_fmadd_ps(w, _mm256_set1_ps(v[(size_t)t * x->stride + k]), sum[t][h]);
        }
    for (int t = 0; t < NT; t++)
        for (int h = 0; h < 2; h++) _mm256_storeu_ps(y + (size_t)t * y_stride + 8 * h, sum[t][h]);
}

#define FLOAT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        size_t t = 0;                                                                                                  \
        for (; t + 4 <= tokens; t += 4) float_body(ID, 4, panel, x, first + t, y + t * y_stride, y_stride);            \
        if (tokens - t >= 2) float_body(ID, 2, panel, x, first + t, y + t * y_stride, y_stride), t += 2;               \
        if (tokens - t) float_body(ID, 1, panel, x, first + t, y + t * y_stride, y_stride);                            \
    }
PACK_FLOAT_ROWS(FLOAT)

INLINE __m256 load_f16(const uint8_t *at) { return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)at)); }

INLINE __m256 load_byte_scale(const uint8_t *at, bool is_signed, __m256 d) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)at);
    __m256i wide = is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(wide), d);
}

INLINE __m256i broadcast4(const int8_t *at) {
    int32_t v;
    memcpy(&v, at, 4);
    return _mm256_set1_epi32(v);
}

/* sum += w . x over groups of four columns; w is signed or unsigned, see the head of the file. */
INLINE __m256i dot4(__m256i sum, __m256i w, __m256i x, bool is_signed) {
    __m256i pairs =
        is_signed ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)) : _mm256_maddubs_epi16(w, x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* One block of 32 columns, 8 rows (`half` of the panel), one token. */
INLINE __m256 quant_block(const pack_layout p, bool two_digits, const uint8_t *quants, const acts *x, size_t token,
                          size_t block, int half, __m256 s0, __m256 s1, __m256 m0, __m256 m1, __m256 sum) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)pack_iq4_table));
    const int8_t *hi = x->hi + token * x->stride + block * BLOCK_COLS,
                 *lo = two_digits ? x->lo + token * x->stride + block * BLOCK_COLS : NULL;
    const int32_t *sums = x->sums + token * (x->stride / 16) + 2 * block;
    bool is_signed = p.table || p.zero == 128, split = p.sub_cols == 16;
    int zero = is_signed ? 0 : p.zero;
    __m256i dot[2], digit[2];
    for (int h = 0; h < 2; h++) {
        dot[h] = _mm256_set1_epi32(-zero * sums[h]);
        digit[h] = _mm256_setzero_si256();
    }
    for (int j = 0; j < 4; j++) {
        __m256i w[2];
        if (half == 0) kern_ahead(quants + 64 * j);
        if (p.bits == 8) {
            if (half == 0) kern_ahead(quants + 64 * (j + 4));
            w[0] = _mm256_load_si256((const __m256i *)(quants + 64 * j + 32 * half));
            w[1] = _mm256_load_si256((const __m256i *)(quants + 64 * (j + 4) + 32 * half));
            if (is_signed)
                for (int h = 0; h < 2; h++) w[h] = _mm256_xor_si256(w[h], _mm256_set1_epi8((char)0x80));
        } else {
            __m256i both = _mm256_load_si256((const __m256i *)(quants + 64 * j + 32 * half));
            w[0] = _mm256_and_si256(both, low);
            w[1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
            if (p.table) w[0] = _mm256_shuffle_epi8(table, w[0]), w[1] = _mm256_shuffle_epi8(table, w[1]);
        }
        for (int h = 0; h < 2; h++) {
            int at = 16 * h + 4 * j;
            if (two_digits) {
                digit[h] = dot4(digit[h], w[h], broadcast4(hi + at), is_signed);
                dot[h] = dot4(dot[h], w[h], broadcast4(lo + at), is_signed);
            } else dot[h] = dot4(dot[h], w[h], broadcast4(hi + at), is_signed);
        }
    }
    for (int h = 0; h < 2 && two_digits; h++)
        dot[h] = _mm256_add_epi32(dot[h], _mm256_sub_epi32(_mm256_slli_epi32(digit[h], 8), digit[h]));
    __m256 scale = _mm256_set1_ps(x->scale[token * (x->stride / BLOCK_COLS) + block]);
    const float *scaled = x->scaled_sums + token * (x->stride / 16) + 2 * block;
    if (split) {
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[0]), _mm256_mul_ps(s0, scale), sum);
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[1]), _mm256_mul_ps(s1, scale), sum);
    } else sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(dot[0], dot[1])), _mm256_mul_ps(s0, scale), sum);
    if (p.min && split) {
        sum = _mm256_fmadd_ps(m0, _mm256_set1_ps(scaled[0]), sum);
        sum = _mm256_fmadd_ps(m1, _mm256_set1_ps(scaled[1]), sum);
    } else if (p.min) sum = _mm256_fmadd_ps(m0, _mm256_set1_ps(scaled[0] + scaled[1]), sum);
    return sum;
}

/* One superblock of 8 rows for all tokens. */
INLINE void quant_super(const pack_layout p, bool two_digits, int NT, const uint8_t *base, int blocks, const acts *x,
                        size_t first, size_t block, int half, __m256 *sum) {
    const __m256 zero = _mm256_setzero_ps();
    size_t per_block = p.two_level ? (size_t)(BLOCK_COLS / p.sub_cols) * PANEL_ROWS : 2 * PANEL_ROWS;
    size_t scales_bytes = (per_block * (size_t)blocks + 63) & ~(size_t)63;
    const uint8_t *mins = base + scales_bytes, *supers = mins + (p.min ? scales_bytes : 0),
                  *quants = supers + (p.two_level ? 64 : 0);
    __m256 d = p.two_level ? load_f16(supers + 16 * half) : zero;
    __m256 dmin = p.two_level && p.min ? _mm256_sub_ps(zero, load_f16(supers + 32 + 16 * half)) : zero;
    for (int b = 0; b < blocks; b++) {
        __m256 s0, s1 = zero, m0 = zero, m1 = zero;
        int h8 = 8 * half, h16 = 16 * half;
        if (!p.two_level) {
            s0 = load_f16(base + 32 * b + h16);
            if (p.min) m0 = load_f16(mins + 32 * b + h16);
        } else if (p.sub_cols == 32) {
            s0 = load_byte_scale(base + 16 * b + h8, false, d);
            m0 = load_byte_scale(mins + 16 * b + h8, false, dmin);
        } else {
            s0 = load_byte_scale(base + 32 * b + h8, !p.min, d);
            s1 = load_byte_scale(base + 32 * b + 16 + h8, !p.min, d);
            if (p.min)
                m0 = load_byte_scale(mins + 32 * b + h8, false, dmin),
                m1 = load_byte_scale(mins + 32 * b + 16 + h8, false, dmin);
        }
        for (int t = 0; t < NT; t++)
            sum[t] = quant_block(p, two_digits, quants, x, first + (size_t)t, block + (size_t)b, half, s0, s1, m0, m1,
                                 sum[t]);
        quants += PANEL_ROWS * BLOCK_COLS * p.bits / 8;
    }
}

INLINE void quant_body(const pack_layout p, bool two_digits, int NT, const uint8_t *panel, const acts *x, size_t first,
                       float *y, size_t y_stride) {
    size_t blocks = x->cols / BLOCK_COLS, scales = (size_t)(p.two_level ? 16 * (32 / p.sub_cols) : 32) * SUPER_BLOCKS;
    size_t bytes = scales * (p.min ? 2 : 1) + (p.two_level ? 64 : 0) +
                   (size_t)SUPER_BLOCKS * PANEL_ROWS * BLOCK_COLS * (size_t)p.bits / 8;
    __m256 sum[2][4];
    for (int t = 0; t < NT; t++) sum[0][t] = sum[1][t] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b += SUPER_BLOCKS, panel += bytes) {
        int n = blocks - b < SUPER_BLOCKS ? (int)(blocks - b) : SUPER_BLOCKS;
        for (int half = 0; half < 2; half++) quant_super(p, two_digits, NT, panel, n, x, first, b, half, sum[half]);
    }
    for (int half = 0; half < 2; half++)
        for (int t = 0; t < NT; t++) _mm256_storeu_ps(y + (size_t)t * y_stride + 8 * half, sum[half][t]);
}

#define BODY(NT, TWO) quant_body(l, TWO, NT, panel, x, first + t, y + t * y_stride, y_stride)
#define QUANT(ID, ...)                                                                                                 \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        const pack_layout l = PACK_QUANT_INIT(ID, __VA_ARGS__);                                                        \
        size_t t = 0;                                                                                                  \
        for (; x->lo && t < tokens; t++) BODY(1, true);                                                                \
        for (; t + 4 <= tokens; t += 4) BODY(4, false);                                                                \
        for (; t < tokens; t++) BODY(1, false);                                                                        \
    }
PACK_QUANT_ROWS(QUANT)

#define ROW(ID, ...) [ID] = gemm_##ID,
const kern kern_avx2 = {
    .name = "avx2",
    .usable = usable,
    .gemm = {PACK_FLOAT_ROWS(ROW) PACK_QUANT_ROWS(ROW)},
    .quantize = vec_quantize,
    .norm_rms = vec_norm_rms,
    .norm_layer = vec_norm_layer,
    .silu_mul = vec_silu_mul,
    .gelu_mul = vec_gelu_mul,
    .softmax_exp = vec_softmax_exp,
};
#endif
