/* Kernels for AMX with BF16 tiles: prompts of 16 tokens and more, for every layout; everything else as in
 * kern_avx512.c.
 *
 * Weights and activations are each split into two bf16 parts, v = high + low, which keeps 16 bits of them, and a
 * product is high * high + high * low + low * high, summed in f32 inside the tiles. So no scale has to be applied
 * between the tiles, and one loop serves F32 as well as Q2_K. Panels are widened 256 columns at a time and used for all
 * tokens of a call. */
#include "llm/kern_vec.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define INLINE static inline __attribute__((always_inline))

enum { GROUP = 16, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

/* CPUID leaf 7: EDX bits 22 (AMX-BF16) and 24 (AMX-TILE); then the kernel must let this process use the tile state. */
static bool usable(void) {
    unsigned a, b, c, d;
    if (!kern_avx512.usable()) return false;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(7), "2"(0));
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Every tile is 16 rows of 64 bytes. 0..3: sums of two groups by two panels; 4, 5: weights of the panels; 6, 7:
 * activations of the groups. */
INLINE void configure(void) {
    _Alignas(64) tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) c.rows[i] = 16, c.row_bytes[i] = 64;
    _tile_loadconfig(&c);
}

/* 32 columns of a panel: row p of a tile holds columns 2p and 2p + 1 of the 16 panel rows. */
typedef struct {
    uint32_t high[16][PANEL_ROWS], low[16][PANEL_ROWS];
} __attribute__((aligned(64))) pairs;

/* The parts of two columns. Both are rounded (halves away from zero): low * low, which is left out, is then below
 * 2^-18. */
INLINE void put_pair(pairs *to, int p, __m512 even, __m512 odd) {
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000), half = _mm512_set1_epi32(0x8000);
    __m512i e = _mm512_castps_si512(even), o = _mm512_castps_si512(odd),
            eh = _mm512_and_si512(_mm512_add_epi32(e, half), upper),
            oh = _mm512_and_si512(_mm512_add_epi32(o, half), upper);
    __m512i el = _mm512_add_epi32(_mm512_castps_si512(_mm512_sub_ps(even, _mm512_castsi512_ps(eh))), half);
    __m512i ol = _mm512_add_epi32(_mm512_castps_si512(_mm512_sub_ps(odd, _mm512_castsi512_ps(oh))), half);
    _mm512_store_si512(to->high[p], _mm512_or_si512(_mm512_srli_epi32(eh, 16), oh));
    _mm512_store_si512(to->low[p], _mm512_or_si512(_mm512_srli_epi32(el, 16), _mm512_and_si512(ol, upper)));
}

INLINE __m512 load_elems(pack_id id, const uint8_t *panel, size_t k) {
    if (id == PACK_F32) return _mm512_loadu_ps((const float *)panel + k * PANEL_ROWS);
    __m256i half = _mm256_loadu_si256((const __m256i *)(panel + k * PANEL_ROWS * 2));
    if (id == PACK_F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Columns [first, first + count) of a float panel; count <= 32, what is missing becomes zero. */
INLINE void widen_floats(pack_id id, const uint8_t *panel, size_t first, size_t count, pairs *to) {
    for (int p = 0; p < 16; p++) {
        size_t k = 2 * (size_t)p;
        __m512 zero = _mm512_setzero_ps();
        put_pair(to, p, k < count ? load_elems(id, panel, first + k) : zero,
                 k + 1 < count ? load_elems(id, panel, first + k + 1) : zero);
    }
}

INLINE __m512 load_f16(const uint8_t *at) { return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)at)); }

INLINE __m512 load_byte_scale(const uint8_t *at, bool is_signed, __m512 d) {
    __m128i bytes = _mm_load_si128((const __m128i *)at);
    __m512i wide = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(wide), d);
}

/* Four columns from a line of 4 signed bytes a row: value = scale * q + min. */
INLINE void widen_line(__m512i q, __m512 scale, __m512 min, pairs *to, int pair) {
    __m512 v[4];
    for (int i = 0; i < 4; i++) {
        __m512i one = _mm512_srai_epi32(_mm512_slli_epi32(q, 24 - 8 * i), 24);
        v[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(one), scale, min);
    }
    put_pair(to, pair, v[0], v[1]);
    put_pair(to, pair + 1, v[2], v[3]);
}

/* Block b of a superblock of `blocks`. */
INLINE void widen_block(const pack_layout p, const uint8_t *base, int blocks, int b, pairs *to) {
    const __m512i low = _mm512_set1_epi8(15), zero_point = _mm512_set1_epi8((char)p.zero);
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)pack_iq4_table));
    const __m512 zero = _mm512_setzero_ps();
    pack_offsets at = pack_super_offsets(&p, blocks);
    int subs = BLOCK_COLS / p.sub_cols;
    __m512 scale[2], min[2] = {zero, zero};
    __m512 d = p.two_level ? load_f16(base + at.supers) : zero,
           dmin = p.two_level && p.min ? _mm512_sub_ps(zero, load_f16(base + at.supers + 32)) : zero;
    for (int h = 0; h < 2; h++) {
        int i = b * subs + (subs == 2 ? h : 0);
        scale[h] = p.two_level ? load_byte_scale(base + 16 * i, !p.min, d) : load_f16(base + 32 * i);
        if (p.min)
            min[h] =
                p.two_level ? load_byte_scale(base + at.mins + 16 * i, false, dmin) : load_f16(base + at.mins + 32 * i);
    }
    const uint8_t *quants = base + at.quants + (size_t)(b * PANEL_ROWS * BLOCK_COLS * p.bits / 8);
    for (int j = 0; j < 4; j++) {
        __m512i w[2];
        if (p.bits == 8) w[0] = _mm512_load_si512(quants + 64 * j), w[1] = _mm512_load_si512(quants + 64 * (j + 4));
        else {
            __m512i both = _mm512_load_si512(quants + 64 * j);
            w[0] = _mm512_and_si512(both, low);
            w[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
        }
        for (int h = 0; h < 2; h++) {
            if (p.table) w[h] = _mm512_shuffle_epi8(table, w[h]);
            else if (p.zero) w[h] = _mm512_sub_epi8(w[h], zero_point);
            widen_line(w[h], scale[h], min[h], to, 2 * (j + 4 * h));
        }
    }
}

/* The tile of a group of 16 tokens and a block of 32 columns; part 0 is high, 1 is low. All tiles of a group follow
 * each other. */
INLINE uint16_t *tile_of(const acts *x, size_t token, size_t block, int part) {
    return x->pairs + ((token / GROUP * (x->stride / BLOCK_COLS) + block) * 2 + (size_t)part) * GROUP * BLOCK_COLS;
}

/* One or two groups of 16 tokens against the same columns, `blocks` blocks of them, of one or two panels. For every
 * block in this order: low * high + high * high + high * low, on top of what y holds unless these are the first
 * columns. The second group's sums follow the first's, the second panel's are y_panel floats after them. Loading a tile
 * takes about as long as multiplying by it, so each is used two to four times. */
INLINE void multiply(bool groups2, bool panels2, const pairs w[2][SUPER_BLOCKS], int blocks, const acts *x,
                     size_t token, size_t block, float *y, size_t y_panel) {
    enum { GROUP_SUMS = GROUP * PANEL_ROWS, PART = GROUP * BLOCK_COLS, LINE = 64 };
    const uint16_t *a = tile_of(x, token, block, 0), *a2 = tile_of(x, token + GROUP, block, 0);
    if (block == 0) {
        _tile_zero(0);
        if (panels2) _tile_zero(1);
        if (groups2) _tile_zero(2);
        if (groups2 && panels2) _tile_zero(3);
    } else {
        _tile_loadd(0, y, LINE);
        if (panels2) _tile_loadd(1, y + y_panel, LINE);
        if (groups2) _tile_loadd(2, y + GROUP_SUMS, LINE);
        if (groups2 && panels2) _tile_loadd(3, y + y_panel + GROUP_SUMS, LINE);
    }
    for (int b = 0; b < blocks; b++, a += 2 * PART, a2 += 2 * PART) {
        _tile_loadd(4, w[0][b].low, LINE);
        _tile_loadd(6, a, LINE);
        _tile_dpbf16ps(0, 6, 4);
        if (panels2) _tile_loadd(5, w[1][b].low, LINE);
        if (panels2) _tile_dpbf16ps(1, 6, 5);
        if (groups2) _tile_loadd(7, a2, LINE);
        if (groups2) _tile_dpbf16ps(2, 7, 4);
        if (groups2 && panels2) _tile_dpbf16ps(3, 7, 5);
        _tile_loadd(4, w[0][b].high, LINE);
        _tile_dpbf16ps(0, 6, 4);
        if (panels2) _tile_loadd(5, w[1][b].high, LINE);
        if (panels2) _tile_dpbf16ps(1, 6, 5);
        if (groups2) _tile_dpbf16ps(2, 7, 4);
        if (groups2 && panels2) _tile_dpbf16ps(3, 7, 5);
        _tile_loadd(6, a + PART, LINE);
        _tile_dpbf16ps(0, 6, 4);
        if (panels2) _tile_dpbf16ps(1, 6, 5);
        if (groups2) _tile_loadd(7, a2 + PART, LINE);
        if (groups2) _tile_dpbf16ps(2, 7, 4);
        if (groups2 && panels2) _tile_dpbf16ps(3, 7, 5);
    }
    _tile_stored(0, y, LINE);
    if (panels2) _tile_stored(1, y + y_panel, LINE);
    if (groups2) _tile_stored(2, y + GROUP_SUMS, LINE);
    if (groups2 && panels2) _tile_stored(3, y + y_panel + GROUP_SUMS, LINE);
}

INLINE void widen(const pack_layout p, const uint8_t *panel, size_t col, size_t left, int blocks, pairs *to) {
    if (!p.is_float) panel += col / SUPER_COLS * pack_super_bytes(&p, SUPER_BLOCKS);
    for (int b = 0; b < blocks; b++) {
        size_t from = (size_t)b * BLOCK_COLS, here = left - from < BLOCK_COLS ? left - from : BLOCK_COLS;
        if (p.is_float) widen_floats(p.id, panel, col + from, here, &to[b]);
        else widen_block(p, panel, blocks, b, &to[b]);
    }
}

/* Tokens and columns whose pairs (512 KiB) stay in the second-level cache while panels pass by. */
enum { STAY_TOKENS = 256, STAY_COLS = 512 };

/* Columns [col, col + 256) of one or two panels against some tokens. */
INLINE void super(const pack_layout p, const uint8_t *panels, size_t panel_bytes, bool panels2, const acts *x,
                  size_t col, size_t first, size_t groups, float *y, size_t y_panel) {
    pairs w[2][SUPER_BLOCKS];
    size_t left = x->cols - col < SUPER_COLS ? x->cols - col : SUPER_COLS, block = col / BLOCK_COLS, g = 0;
    int blocks = (int)((left + BLOCK_COLS - 1) / BLOCK_COLS);
    for (int i = 0; i <= panels2; i++) widen(p, panels + (size_t)i * panel_bytes, col, left, blocks, w[i]);
    for (; g + 2 <= groups; g += 2, y += 2 * GROUP * PANEL_ROWS)
        if (panels2) multiply(true, true, w, blocks, x, first + g * GROUP, block, y, y_panel);
        else multiply(true, false, w, blocks, x, first + g * GROUP, block, y, y_panel);
    if (g < groups && panels2) multiply(false, true, w, blocks, x, first + g * GROUP, block, y, y_panel);
    else if (g < groups) multiply(false, false, w, blocks, x, first + g * GROUP, block, y, y_panel);
}

INLINE void all_tiles(const pack_layout p, const uint8_t *panels, size_t panel_bytes, size_t panel_count, const acts *x,
                      size_t first, size_t tokens, float *y) {
    size_t y_panel = (tokens + GROUP - 1) / GROUP * GROUP * PANEL_ROWS;
    configure();
    for (size_t begin = 0; begin < x->cols; begin += STAY_COLS)
        for (size_t t = 0; t < tokens; t += STAY_TOKENS) {
            size_t end = x->cols - begin < STAY_COLS ? x->cols : begin + STAY_COLS,
                   groups = ((tokens - t < STAY_TOKENS ? tokens - t : STAY_TOKENS) + GROUP - 1) / GROUP;
            for (size_t i = 0; i < panel_count; i += 2)
                for (size_t col = begin; col < end; col += SUPER_COLS)
                    super(p, panels + i * panel_bytes, panel_bytes, i + 1 < panel_count, x, col, first + t, groups,
                          y + i * y_panel + t * PANEL_ROWS, y_panel);
        }
    _tile_release();
}

/* Activations of one token: its row in each tile; the rest of the last block is zero. */
static void split(const acts *a, size_t token) {
    const float *x = a->f + token * a->stride;
    for (size_t k = 0; k < (a->cols + BLOCK_COLS - 1) / BLOCK_COLS * BLOCK_COLS; k += 16) {
        __mmask16 there = k + 16 <= a->cols ? 0xFFFF : k < a->cols ? (__mmask16)((1u << (a->cols - k)) - 1) : 0;
        __m512 v = _mm512_maskz_loadu_ps(there, x + k);
        __m512i h = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x8000)),
                                     _mm512_set1_epi32((int)0xFFFF0000));
        __m512i l =
            _mm512_add_epi32(_mm512_castps_si512(_mm512_sub_ps(v, _mm512_castsi512_ps(h))), _mm512_set1_epi32(0x8000));
        uint16_t *high = tile_of(a, token, k / BLOCK_COLS, 0) + token % GROUP * BLOCK_COLS + k % BLOCK_COLS,
                 *low = high + GROUP * BLOCK_COLS;
        _mm256_storeu_si256((__m256i *)high, _mm512_cvtepi32_epi16(_mm512_srli_epi32(h, 16)));
        _mm256_storeu_si256((__m256i *)low, _mm512_cvtepi32_epi16(_mm512_srli_epi32(l, 16)));
    }
}

#define TILES(ID, INIT)                                                                                                \
    static void tiles_##ID(const uint8_t *panels, size_t panel_bytes, size_t panel_count, const acts *x, size_t first, \
                           size_t tokens, float *y) {                                                                  \
        const pack_layout l = INIT;                                                                                    \
        all_tiles(l, panels, panel_bytes, panel_count, x, first, tokens, y);                                           \
    }                                                                                                                  \
    static void gemm_##ID(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,                  \
                          size_t y_stride) {                                                                           \
        kern_avx512.gemm[ID](panel, x, first, tokens, y, y_stride);                                                    \
    }
#define FLOAT(ID, ...) TILES(ID, ((pack_layout)PACK_FLOAT_INIT(ID, __VA_ARGS__)))
#define QUANT(ID, ...) TILES(ID, ((pack_layout)PACK_QUANT_INIT(ID, __VA_ARGS__)))
PACK_FLOAT_ROWS(FLOAT)
PACK_QUANT_ROWS(QUANT)

#define GEMM_ROW(ID, ...)  [ID] = gemm_##ID,
#define TILES_ROW(ID, ...) [ID] = tiles_##ID,
const kern kern_amx = {
    .name = "amx",
    .usable = usable,
    .split = split,
    .tile_tokens = GROUP,
    .tiles = {PACK_FLOAT_ROWS(TILES_ROW) PACK_QUANT_ROWS(TILES_ROW)},
    .gemm = {PACK_FLOAT_ROWS(GEMM_ROW) PACK_QUANT_ROWS(GEMM_ROW)},
    .quantize = kern_quantize_avx512,
    .norm_rms = vec_norm_rms,
    .norm_layer = vec_norm_layer,
    .silu_mul = vec_silu_mul,
    .gelu_mul = vec_gelu_mul,
    .softmax_exp = vec_softmax_exp,
};
#endif
