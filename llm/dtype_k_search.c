/* f32 to K types. There is no rule for the scales, so they are searched, sub-block by sub-block: for each of about
 * twenty step sizes around the obvious one, round the elements, then solve for the scale (and minimum) that fits
 * these integers best in weighted least squares; keep the fit that explains most. Large elements weigh more: w = |x|
 * + rms(x). Then the scales of a block are rounded against their largest, and the elements once more against the
 * rounded scales.
 *
 * The error is compared with the reference quantiser's in tests/test_dtype.c. Left out: importance weights from
 * activations.
 */
#include "llm/dtype_blocks.h"
#include <math.h>
#include <stdbool.h>

enum { BLOCK = 256, GROUP_MAX = 32 };

/* Nearest whole number in [lo, hi]; NaN becomes lo. */
static inline int round_to(float v, int lo, int hi) {
    v -= (float)lo;
    v = v > 0 ? v : 0;
    v = v < (float)(hi - lo) ? v : (float)(hi - lo);
    return (int)(v + 0.5f) + lo;
}

static inline float reciprocal(float d) { return d != 0 ? 1.0f / d : 0; }

/* The weights; false where no search is possible: NaN, infinity, or sizes far from what an f16 scale can say. */
static inline bool weigh(const float *x, int n, float *w) {
    float square = 0;
    for (int i = 0; i < n; i++) square += x[i] * x[i];
    float rms = sqrtf(square / (float)n);
    for (int i = 0; i < n; i++) w[i] = rms + fabsf(x[i]);
    return rms > 1e-15f && rms < 1e15f;
}

/* ---- the two searches ----
 *
 * Nearly all the time goes into their inner loops, which are written so that compilers can use vectors: sums are
 * kept in LANES parts, because float sums may not be reordered, and rounding is bounded in integers. The products
 * inverse x are bounded themselves: |x| is at most what inverse was made from. */

enum { LANES = 8 };

static inline float total(const float *part) {
    float sum = 0;
    for (int l = 0; l < LANES; l++) sum += part[l];
    return sum;
}

/* x ~ scale q, q in [-levels, levels - 1]. The best scale for given q is sum(wxq) / sum(wqq), and the part of
 * sum(wxx) it explains sum(wxq)^2 / sum(wqq). */
static float search_symmetric(const float *x, int n, int levels) {
    float w[GROUP_MAX], extreme = 0, best = 0, best_scale = 0, half = (float)levels + 0.5f;
    const int top = 2 * levels - 1;
    for (int i = 0; i < n; i++) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    if (!weigh(x, n, w)) return 0;
    for (int step = -9; step <= 9; step++) {
        float inverse = -((float)levels + 0.1f * (float)step) / extreme, wxq[LANES] = {0}, wqq[LANES] = {0};
        for (int i = 0; i < n; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                int above = (int)(inverse * x[i + l] + half); /* the lowest level; never negative */
                float q = (float)((above < top ? above : top) - levels), wq = w[i + l] * q;
                wxq[l] += wq * x[i + l];
                wqq[l] += wq * q;
            }
        }
        float xq = total(wxq), qq = total(wqq);
        if (qq > 0 && xq * xq > best * qq) best = xq * xq / qq, best_scale = xq / qq;
    }
    return best_scale;
}

/* x ~ scale q - minimum, q in [0, top], minimum >= 0: a weighted straight line through the points (q, x). */
static float search_affine(const float *x, int n, int top, float *minimum) {
    float w[GROUP_MAX], lo = 0, hi = x[0], best = -INFINITY, best_scale = 0, sw = 0, swx = 0;
    bool usable = weigh(x, n, w);
    for (int i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
        sw += w[i];
        swx += w[i] * x[i];
    }
    *minimum = -lo;
    if (!usable || !(hi > lo)) return 0;
    for (int step = 0; step <= 20; step++) {
        float inverse = ((float)top - 1 + 0.1f * (float)step) / (hi - lo);
        float wq[LANES] = {0}, wqq[LANES] = {0}, wqx[LANES] = {0};
        for (int i = 0; i < n; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                int level = (int)(inverse * (x[i + l] - lo) + 0.5f);
                level = level < top ? level : top;
                float q = (float)level, v = w[i + l] * q;
                wq[l] += v;
                wqq[l] += v * q;
                wqx[l] += v * x[i + l];
            }
        }
        float sq = total(wq), sqq = total(wqq), sqx = total(wqx), det = sw * sqq - sq * sq;
        if (!(det > 0)) continue;
        float scale = (sw * sqx - swx * sq) / det, offset = (sqq * swx - sq * sqx) / det;
        if (offset > 0) offset = 0, scale = sqx / sqq; /* the format has no positive offset */
        float explained = scale * sqx + offset * swx;
        if (scale > 0 && explained > best) best = explained, best_scale = scale, *minimum = -offset;
    }
    return best_scale;
}

/* ---- affine types ---- */

/* Scales and minima of a block as integers against d and dmin, and the elements against those. */
typedef struct {
    float d, dmin;
    uint8_t scale[16], minimum[16], q[BLOCK];
} affine_block;

static float largest(const float *v, int n) {
    float m = 0;
    for (int i = 0; i < n; i++) m = v[i] > m ? v[i] : m;
    return m;
}

static void quantise_affine(const float *x, int group, int top, int scale_top, affine_block *b) {
    float scale[16], minimum[16];
    int groups = BLOCK / group;
    for (int g = 0; g < groups; g++) scale[g] = search_affine(x + g * group, group, top, &minimum[g]);
    /* The elements are rounded against what the file will say, so d and dmin take their f16 values here. */
    b->d = f32_from_f16(f16_from_f32(largest(scale, groups) / (float)scale_top));
    b->dmin = f32_from_f16(f16_from_f32(largest(minimum, groups) / (float)scale_top));
    float inverse = reciprocal(b->d), inverse_min = reciprocal(b->dmin);
    for (int g = 0; g < groups; g++) {
        b->scale[g] = (uint8_t)round_to(scale[g] * inverse, 0, scale_top);
        b->minimum[g] = (uint8_t)round_to(minimum[g] * inverse_min, 0, scale_top);
        float step = reciprocal(b->d * b->scale[g]), offset = b->dmin * b->minimum[g];
        for (int i = g * group; i < (g + 1) * group; i++) b->q[i] = (uint8_t)round_to((x[i] + offset) * step, 0, top);
    }
}

void dtype_q2_k_from_f32(const float *in, void *blocks, size_t n) {
    affine_block b;
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 84, in += BLOCK) {
        quantise_affine(in, 16, 3, 15, &b);
        for (int k = 0; k < 16; k++) p[k] = (uint8_t)(b.scale[k] | b.minimum[k] << 4);
        for (int i = 0; i < 64; i++) {
            const uint8_t *q = b.q + 128 * (i / 32) + i % 32;
            p[16 + i] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
        store_f16(p + 80, b.d);
        store_f16(p + 82, b.dmin);
    }
}

static void pack_q4_scales(const affine_block *b, uint8_t out[12]) {
    for (int s = 0; s < 4; s++) {
        out[s] = (uint8_t)(b->scale[s] | b->scale[s + 4] >> 4 << 6);
        out[s + 4] = (uint8_t)(b->minimum[s] | b->minimum[s + 4] >> 4 << 6);
        out[s + 8] = (uint8_t)((b->scale[s + 4] & 15) | b->minimum[s + 4] << 4);
    }
}

static void pack_nibbles(const uint8_t q[BLOCK], uint8_t out[128]) {
    for (int i = 0; i < 128; i++) {
        const uint8_t *pair = q + i / 32 * 64 + i % 32;
        out[i] = (uint8_t)((pair[0] & 15) | pair[32] << 4);
    }
}

void dtype_q4_k_from_f32(const float *in, void *blocks, size_t n) {
    affine_block b;
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 144, in += BLOCK) {
        quantise_affine(in, 32, 15, 63, &b);
        store_f16(p, b.d);
        store_f16(p + 2, b.dmin);
        pack_q4_scales(&b, p + 4);
        pack_nibbles(b.q, p + 16);
    }
}

void dtype_q5_k_from_f32(const float *in, void *blocks, size_t n) {
    affine_block b;
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 176, in += BLOCK) {
        quantise_affine(in, 32, 31, 63, &b);
        store_f16(p, b.d);
        store_f16(p + 2, b.dmin);
        pack_q4_scales(&b, p + 4);
        memset(p + 16, 0, 32);
        for (int e = 0; e < BLOCK; e++) p[16 + e % 32] |= (uint8_t)(b.q[e] >> 4 << e / 32);
        pack_nibbles(b.q, p + 48);
    }
}

/* ---- symmetric types ---- */

typedef struct {
    float d;
    int8_t scale[16];
    uint8_t q[BLOCK]; /* plus levels, so from 0 */
} symmetric_block;

/* The scale of largest magnitude goes to the lowest scale level, so that its sign chooses the sign of d. */
static void quantise_symmetric(const float *x, int levels, int scale_levels, symmetric_block *b) {
    float scale[16], extreme = 0;
    for (int k = 0; k < 16; k++) {
        scale[k] = search_symmetric(x + 16 * k, 16, levels);
        extreme = fabsf(scale[k]) > fabsf(extreme) ? scale[k] : extreme;
    }
    b->d = f32_from_f16(f16_from_f32(extreme / (float)-scale_levels));
    float inverse = reciprocal(b->d);
    for (int k = 0; k < 16; k++) {
        b->scale[k] = (int8_t)round_to(scale[k] * inverse, -scale_levels, scale_levels - 1);
        float step = reciprocal(b->d * b->scale[k]);
        for (int i = 16 * k; i < 16 * (k + 1); i++)
            b->q[i] = (uint8_t)(round_to(x[i] * step, -levels, levels - 1) + levels);
    }
}

void dtype_q3_k_from_f32(const float *in, void *blocks, size_t n) {
    symmetric_block b;
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 110, in += BLOCK) {
        quantise_symmetric(in, 4, 32, &b);
        memset(p, 0, 108);
        for (int e = 0; e < BLOCK; e++) {
            p[e % 32] |= (uint8_t)(b.q[e] >> 2 << e / 32);
            p[32 + e / 128 * 32 + e % 32] |= (uint8_t)((b.q[e] & 3) << e % 128 / 32 * 2);
        }
        for (int k = 0; k < 16; k++) {
            int s = b.scale[k] + 32;
            p[96 + k % 8] |= (uint8_t)((s & 15) << k / 8 * 4);
            p[104 + k % 4] |= (uint8_t)(s >> 4 << k / 4 * 2);
        }
        store_f16(p + 108, b.d);
    }
}

void dtype_q6_k_from_f32(const float *in, void *blocks, size_t n) {
    symmetric_block b;
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 210, in += BLOCK) {
        quantise_symmetric(in, 32, 128, &b);
        memset(p, 0, 192);
        for (int e = 0; e < BLOCK; e++) {
            int half = e / 128, group = e % 128 / 32, lane = e % 32;
            p[64 * half + group % 2 * 32 + lane] |= (uint8_t)((b.q[e] & 15) << group / 2 * 4);
            p[128 + 32 * half + lane] |= (uint8_t)(b.q[e] >> 4 << group * 2);
        }
        for (int k = 0; k < 16; k++) p[192 + k] = (uint8_t)b.scale[k];
        store_f16(p + 208, b.d);
    }
}
