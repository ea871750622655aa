/* Kernels: the arithmetic of the native engine, one table per instruction set, chosen at run time.
 *
 * A kernel multiplies one panel of 16 rows (pack.h) by the activations of some tokens. Rows never share a sum, so
 * results do not depend on how panels are split over threads; the order of additions is fixed per table.
 *
 * Activations for quantised weights are integers with one f32 scale per 32 columns: 8 bits (x = scale * hi), or 16 bits
 * (x = scale * (255 * hi + lo)), which makes the result as good as f32 activations at twice the integer work.
 */
#ifndef INGOT_LLM_KERN_H
#define INGOT_LLM_KERN_H
#include "llm/pack.h"

/* Base of the two digits of a 16-bit activation: 255 and not 256, so that |lo| <= 127, which the AVX2 kernels need. */
enum { ACT_DIGIT_BASE = 255 };

/* Activations of `tokens` rows. Integer parts are there when `hi` is not NULL. */
typedef struct {
    float *f;           /* [tokens][stride] */
    int8_t *hi, *lo;    /* [tokens][stride]; lo is NULL for 8-bit activations */
    float *scale;       /* [tokens][stride / 32] */
    int32_t *sums;      /* [tokens][stride / 16]: sum of the integers of 16 columns */
    float *scaled_sums; /* the same times the scale */
    uint16_t *pairs; /* [tokens / 16, rounded up][stride / 32][high, low][16][32]: bf16 parts, f = high + low; NULL when
                      * not made */
    size_t cols, stride; /* stride: acts_stride(cols) */
} acts;

/* An odd number of cache lines of bytes: with a power of two the rows of 16 tokens would share two sets of the
 * first-level cache. */
static inline size_t acts_stride(size_t cols) { return ((cols + 63) & ~(size_t)63) | 64; }

typedef struct {
    const char *name;
    bool (*usable)(void); /* does this processor have it? */
    /* y[t * y_stride + r] = panel row r . activations of token first + t, for t < tokens, r < 16. Any number of tokens.
     */
    void (*gemm[PACK_COUNT])(const uint8_t *panel, const acts *x, size_t first, size_t tokens, float *y,
                             size_t y_stride);
    void (*quantize)(const acts *x, size_t token); /* fills the integer parts of one row from f */
    /* The same for many tokens and panels at once, from x->pairs: y[panel][tokens rounded up to tile_tokens][16].
     * `first` is a multiple of tile_tokens; what y holds beyond `tokens` means nothing. NULL: this set has no tiles. */
    void (*tiles[PACK_COUNT])(const uint8_t *panels, size_t panel_bytes, size_t panel_count, const acts *x,
                              size_t first, size_t tokens, float *y);
    void (*split)(const acts *x, size_t token); /* fills the pairs of one row from f */
    size_t tile_tokens;                         /* fewer tokens than that are left to gemm */
    void (*norm_rms)(const float *x, const float *w, float eps, float *y, size_t n);
    void (*norm_layer)(const float *x, const float *w, const float *b, float eps, float *y, size_t n);
    void (*silu_mul)(float *gate, const float *up, size_t n); /* gate = silu(gate) * up; up NULL: no product */
    void (*gelu_mul)(float *gate, const float *up, size_t n); /* tanh form of GELU */
    /* x = exp(cap(x * scale) - max), returns the sum; cap 0 = none. For attention scores. */
    float (*softmax_exp)(float *x, size_t n, float scale, float cap);
} kern;

/* Asks for the line of weights READ_AHEAD_BYTES further on. A thread that computes with what it reads has too few lines
 * on their way otherwise, since its loads wait behind the arithmetic; past the end of a matrix it does no harm. */
enum { READ_AHEAD_BYTES = 8192 };
static inline void kern_ahead(const void *at) { __builtin_prefetch((const char *)at + READ_AHEAD_BYTES); }

/* Reads every byte once and returns a sum: the yardstick for bandwidth. */
uint64_t kern_read(const uint8_t *bytes, size_t n);

const kern *kern_best(void);
const kern *kern_by_name(str name); /* NULL: unknown, or this processor lacks it */
const kern *kern_row(size_t i);     /* all that were compiled, best first; NULL after the last */

extern const kern kern_portable;
#if defined(__x86_64__)
extern const kern kern_avx2, kern_avx512, kern_amx;
void kern_quantize_avx512(const acts *x, size_t token); /* shared by the last two */
#endif
#endif
