/* Kernels for AMX: prompts of 16 tokens and more through 8-bit tiles, everything else as in kern_avx512.c.
 *
 * A superblock is unpacked once to signed bytes and f32 scales; then each group of 16 tokens multiplies it tile by tile. The integer sums of a
 * sub-block (32 or 16 columns) are exact and get their scale in f32, in the order of kern_avx512.c. */
#include "llm/kern_vec.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define INLINE static inline __attribute__((always_inline))

enum { GROUP = 16, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

/* CPUID leaf 7: EDX bits 24 (AMX-TILE) and 25 (AMX-INT8); then the kernel must let this process use the tile state. */
static bool usable(void) {
    unsigned a, b, c, d;
    if (!kern_avx512.usable()) return false;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(7), "2"(0));
    if (!(d >> 24 & 1) || !(d >> 25 & 1)) return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0, 1: activations (high or only digits; low digits). 2: weights. 4..7: sums. `cols` columns per tile: 32 or 16. */
INLINE void configure(int cols) {
    _Alignas(64) tile_config c = {.palette = 1};
    for (int i = 0; i < 2; i++) c.rows[i] = GROUP, c.row_bytes[i] = (uint16_t)cols;
    for (int i = 2; i < 4; i++) c.rows[i] = (uint8_t)(cols / 4), c.row_bytes[i] = 64;
    for (int i = 4; i < 8; i++) c.rows[i] = GROUP, c.row_bytes[i] = 64;
    _tile_loadconfig(&c);
}

/* A superblock as the tiles want it. */
typedef struct {
    int8_t q[SUPER_BLOCKS][PANEL_ROWS * BLOCK_COLS];
    float scale[2 * SUPER_BLOCKS][PANEL_ROWS], min[2 * SUPER_BLOCKS][PANEL_ROWS]; /* [sub-block][row] */
} __attribute__((aligned(64))) unpacked;

INLINE __m512 load_f16(const uint8_t *at) { return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)at)); }

INLINE __m512 load_byte_scale(const uint8_t *at, bool is_signed, __m512 d) {
    __m128i bytes = _mm_load_si128((const __m128i *)at);
    __m512i wide = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(wide), d);
}

INLINE void unpack(const pack_layout p, const uint8_t *base, int blocks, unpacked *u) {
    const __m512i low = _mm512_set1_epi8(15), zero_point = _mm512_set1_epi8((char)p.zero);
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)pack_iq4_table));
    size_t per_block = p.two_level ? (size_t)(BLOCK_COLS / p.sub_cols) * PANEL_ROWS : 2 * PANEL_ROWS;
    size_t scales_bytes = (per_block * (size_t)blocks + 63) & ~(size_t)63;
    const uint8_t *mins = base + scales_bytes, *supers = mins + (p.min ? scales_bytes : 0), *quants = supers + (p.two_level ? 64 : 0);
    __m512 zero = _mm512_setzero_ps(), d = p.two_level ? load_f16(supers) : zero;
    __m512 dmin = p.two_level && p.min ? _mm512_sub_ps(zero, load_f16(supers + 32)) : zero;
    for (int i = 0; i < blocks * BLOCK_COLS / p.sub_cols; i++) {
        _mm512_store_ps(u->scale[i], p.two_level ? load_byte_scale(base + 16 * i, !p.min, d) : load_f16(base + 32 * i));
        if (p.min) _mm512_store_ps(u->min[i], p.two_level ? load_byte_scale(mins + 16 * i, false, dmin) : load_f16(mins + 32 * i));
    }
    for (int b = 0; b < blocks; b++)
        for (int j = 0; j < (p.bits == 8 ? 8 : 4); j++) {
            __m512i w = _mm512_load_si512(quants + 64 * (b * (p.bits == 8 ? 8 : 4) + j));
            if (p.bits == 8) {
                _mm512_store_si512(u->q[b] + 64 * j, p.zero ? _mm512_sub_epi8(w, zero_point) : w);
                continue;
            }
            __m512i first = _mm512_and_si512(w, low), second = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
            if (p.table) first = _mm512_shuffle_epi8(table, first), second = _mm512_shuffle_epi8(table, second);
            else if (p.zero) first = _mm512_sub_epi8(first, zero_point), second = _mm512_sub_epi8(second, zero_point);
            _mm512_store_si512(u->q[b] + 64 * j, first);
            _mm512_store_si512(u->q[b] + 64 * (j + 4), second);
        }
}

/* Sums of one sub-block for 16 tokens, to `dots`. */
INLINE void multiply(int NA, const int8_t *q, const int8_t *hi, const int8_t *lo, size_t stride, int32_t dots[2][GROUP][PANEL_ROWS]) {
    _tile_loadd(2, q, 64);
    _tile_loadd(0, hi, stride);
    _tile_zero(4);
    _tile_dpbssd(4, 0, 2);
    if (NA == 2) {
        _tile_loadd(1, lo, stride);
        _tile_zero(5);
        _tile_dpbssd(5, 1, 2);
        _tile_stored(5, dots[1], 64);
    }
    _tile_stored(4, dots[0], 64);
}

/* The same into other tiles and another buffer, so that the next product runs while this one is scaled. */
INLINE void multiply_other(int NA, const int8_t *q, const int8_t *hi, const int8_t *lo, size_t stride, int32_t dots[2][GROUP][PANEL_ROWS]) {
    _tile_loadd(3, q, 64);
    _tile_loadd(0, hi, stride);
    _tile_zero(6);
    _tile_dpbssd(6, 0, 3);
    if (NA == 2) {
        _tile_loadd(1, lo, stride);
        _tile_zero(7);
        _tile_dpbssd(7, 1, 3);
        _tile_stored(7, dots[1], 64);
    }
    _tile_stored(6, dots[0], 64);
}

/* One group of 16 tokens and one superblock: sums stay in registers over all of it. */
INLINE void group_super(const pack_layout p, int NA, const unpacked *u, int blocks, const acts *x, size_t token, size_t block, float *y,
                        size_t y_stride, bool begin) {
    _Alignas(64) int32_t dots[2][2][GROUP][PANEL_ROWS];
    __m512 sum[GROUP];
    int subs = BLOCK_COLS / p.sub_cols, count = blocks * subs;
    size_t scale_stride = x->stride / BLOCK_COLS, sum_stride = x->stride / 16;
    for (int t = 0; t < GROUP; t++) sum[t] = begin ? _mm512_setzero_ps() : _mm512_loadu_ps(y + (size_t)t * y_stride);
    const int8_t *hi = x->hi + token * x->stride + block * BLOCK_COLS, *lo = NA == 2 ? x->lo + token * x->stride + block * BLOCK_COLS : hi;
    multiply(NA, u->q[0], hi, lo, x->stride, dots[0]);
    for (int i = 0; i < count; i++) {
        int next = i + 1;
        if (next < count) {
            const int8_t *q = u->q[0] + next * p.sub_cols * PANEL_ROWS, *h = hi + next * p.sub_cols, *l = lo + next * p.sub_cols;
            if (next & 1) multiply_other(NA, q, h, l, x->stride, dots[1]);
            else multiply(NA, q, h, l, x->stride, dots[0]);
        }
        __m512 scale = _mm512_load_ps(u->scale[i]), min = p.min ? _mm512_load_ps(u->min[i]) : scale;
        const float *scales = x->scale + token * scale_stride + block + (size_t)(i / subs);
        const float *scaled = x->scaled_sums + token * sum_stride + 2 * block + (size_t)(2 * i / subs);
        for (int t = 0; t < GROUP; t++) {
            __m512i dot = _mm512_load_si512(dots[i & 1][0][t]);
            if (NA == 2) dot = _mm512_add_epi32(_mm512_sub_epi32(_mm512_slli_epi32(dot, 8), dot), _mm512_load_si512(dots[i & 1][1][t]));
            sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(scale, _mm512_set1_ps(scales[(size_t)t * scale_stride])), sum[t]);
            if (p.min && subs == 2) sum[t] = _mm512_fmadd_ps(min, _mm512_set1_ps(scaled[(size_t)t * sum_stride]), sum[t]);
            else if (p.min)
                sum[t] = _mm512_fmadd_ps(min, _mm512_set1_ps(scaled[(size_t)t * sum_stride] + scaled[(size_t)t * sum_stride + 1]), sum[t]);
        }
    }
    for (int t = 0; t < GROUP; t++) _mm512_storeu_ps(y + (size_t)t * y_stride, sum[t]);
}

INLINE void groups(const pack_layout p, int NA, const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y, size_t y_stride) {
    unpacked u;
    configure(p.sub_cols);
    for (size_t col = 0; col < x->cols; col += SUPER_COLS) {
        int blocks = x->cols - col < SUPER_COLS ? (int)((x->cols - col) / BLOCK_COLS) : SUPER_BLOCKS;
        unpack(p, panel, blocks, &u);
        for (size_t t = 0; t < tokens; t += GROUP)
            group_super(p, NA, &u, blocks, x, first + t, col / BLOCK_COLS, y + t * y_stride, y_stride, col == 0);
        panel += pack_super_bytes(&p, blocks);
    }
    _tile_release();
}

#define LAYOUT(ID, BITS, SUB, TWO, MIN, ZERO, TABLE) \
    (pack_layout){.id = ID, .bits = BITS, .sub_cols = SUB, .two_level = TWO, .min = MIN, .zero = ZERO, .table = TABLE}
/* IQ4_NL's table is signed already: its zero point stands in the layout only for the unsigned kernels. */
#define QUANT(ID, ...)                                                                                                         \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y, size_t y_stride) {       \
        const pack_layout l = LAYOUT(ID, __VA_ARGS__);                                                                         \
        size_t whole = tokens / GROUP * GROUP;                                                                                 \
        if (whole && x->lo) groups(l, 2, panel, x, first, whole, y, y_stride);                                                 \
        if (whole && !x->lo) groups(l, 1, panel, x, first, whole, y, y_stride);                                                \
        if (whole < tokens) kern_avx512.gemm[ID](panel, x, first + whole, tokens - whole, y + whole * y_stride, y_stride);     \
    }
QUANT(PACK_B8, 8, 32, false, false, 128, false)
QUANT(PACK_B8_MIN, 8, 32, false, true, 0, false)
QUANT(PACK_N4, 4, 32, false, false, 8, false)
QUANT(PACK_N4_MIN, 4, 32, false, true, 0, false)
QUANT(PACK_N4_TABLE, 4, 32, false, false, 128, true)
QUANT(PACK_K4_MIN32, 4, 32, true, true, 0, false)
QUANT(PACK_K8_MIN32, 8, 32, true, true, 0, false)
QUANT(PACK_K4_MIN16, 4, 16, true, true, 0, false)
QUANT(PACK_K4_16, 4, 16, true, false, 4, false)
QUANT(PACK_K8_16, 8, 16, true, false, 32, false)

#define FLOAT(ID)                                                                                                              \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y, size_t y_stride) {       \
        kern_avx512.gemm[ID](panel, x, first, tokens, y, y_stride);                                                            \
    }
FLOAT(PACK_F32) FLOAT(PACK_F16) FLOAT(PACK_BF16)

#define ROW(ID) [ID] = gemm_##ID
const kern kern_amx = {
    .name = "amx", .usable = usable,
    .gemm = {ROW(PACK_F32), ROW(PACK_F16), ROW(PACK_BF16), ROW(PACK_B8), ROW(PACK_B8_MIN), ROW(PACK_N4), ROW(PACK_N4_MIN),
             ROW(PACK_N4_TABLE), ROW(PACK_K4_MIN32), ROW(PACK_K8_MIN32), ROW(PACK_K4_MIN16), ROW(PACK_K4_16), ROW(PACK_K8_16)},
    .quantize = kern_quantize_avx512, .norm_rms = vec_norm_rms, .norm_layer = vec_norm_layer, .silu_mul = vec_silu_mul,
    .gelu_mul = vec_gelu_mul, .softmax_exp = vec_softmax_exp,
};
#endif
