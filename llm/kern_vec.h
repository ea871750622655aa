/* Element-wise kernels in plain C, compiled once for each instruction set (the file that includes this sets the flags):
 * loops over 16 lanes that the compiler turns into vectors. Sums are kept per lane and folded in a fixed order. */
#ifndef INGOT_LLM_KERN_VEC_H
#define INGOT_LLM_KERN_VEC_H
#include "base/half.h"
#include "llm/kern.h"
#include <math.h>

enum { LANES = 16 };

/* e^x by 2^n * p(r), |r| <= ln(2)/2, p the Taylor polynomial of degree 6: relative error below 3e-7. */
static inline float vec_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer in the low bits */
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f;
    r -= n * -2.12194440e-4f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f))))));
    return p * f32_from_bits((f32_bits(shifted) + 127) << 23);
}

static inline float vec_tanh(float x) {
    float e = vec_exp(2 * x); /* saturates: e is at most e^88 */
    return 1.0f - 2.0f / (e + 1.0f);
}

static inline float fold(const float lanes[LANES]) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += lanes[i];
    return sum;
}

static void vec_norm_rms(const float *x, const float *w, float eps, float *y, size_t n) {
    float squares[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) squares[l] += x[i + (size_t)l] * x[i + (size_t)l];
    for (; i < n; i++) squares[0] += x[i] * x[i];
    float scale = 1.0f / sqrtf(fold(squares) / (float)n + eps);
    for (i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

static void vec_norm_layer(const float *x, const float *w, const float *b, float eps, float *y, size_t n) {
    float sums[LANES] = {0}, squares[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sums[l] += x[i + (size_t)l];
    for (; i < n; i++) sums[0] += x[i];
    float mean = fold(sums) / (float)n;
    for (i = 0; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float c = x[i + (size_t)l] - mean;
            squares[l] += c * c;
        }
    for (; i < n; i++) squares[0] += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf(fold(squares) / (float)n + eps);
    for (i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * w[i] + b[i];
}

static void vec_silu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + vec_exp(-gate[i]));
    for (size_t i = 0; up && i < n; i++) gate[i] *= up[i];
}

static void vec_gelu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float x = gate[i];
        gate[i] = 0.5f * x * (1.0f + vec_tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
    }
    for (size_t i = 0; up && i < n; i++) gate[i] *= up[i];
}

static float vec_softmax_exp(float *x, size_t n, float scale, float cap) {
    float tops[LANES], sums[LANES] = {0}, top = -INFINITY;
    for (size_t i = 0; i < n; i++) x[i] *= scale;
    for (size_t i = 0; cap > 0 && i < n; i++) x[i] = cap * vec_tanh(x[i] / cap);
    for (int l = 0; l < LANES; l++) tops[l] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) tops[l] = tops[l] > x[i + (size_t)l] ? tops[l] : x[i + (size_t)l];
    for (; i < n; i++) tops[0] = tops[0] > x[i] ? tops[0] : x[i];
    for (int l = 0; l < LANES; l++) top = top > tops[l] ? top : tops[l];
    for (i = 0; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float e = vec_exp(x[i + (size_t)l] - top);
            x[i + (size_t)l] = e;
            sums[l] += e;
        }
    for (; i < n; i++) sums[0] += x[i] = vec_exp(x[i] - top);
    return fold(sums);
}

/* Largest integer of an activation: 127, or 255 * 127 + 127 in two digits. */
static inline float act_limit(bool two_digits) { return two_digits ? ACT_DIGIT_BASE * 127.0f + 127.0f : 127.0f; }

static inline void vec_quantize(const acts *a, size_t token) {
    const float *x = a->f + token * a->stride;
    int8_t *hi = a->hi + token * a->stride, *lo = a->lo ? a->lo + token * a->stride : NULL;
    for (size_t b = 0; b * BLOCK_COLS < a->cols; b++) {
        const float *v = x + b * BLOCK_COLS;
        float tops[LANES], top = 0;
        for (int l = 0; l < LANES; l++) {
            float p = fabsf(v[l]), q = fabsf(v[l + LANES]);
            tops[l] = p > q ? p : q;
        }
        for (int l = 0; l < LANES; l++) top = top > tops[l] ? top : tops[l];
        float scale = top / act_limit(lo != NULL), inverse = top > 0 ? 1.0f / scale : 0.0f;
        if (!(inverse < INFINITY)) scale = inverse = 0; /* denormal rows vanish instead of becoming NaN */
        int32_t q[BLOCK_COLS], digit[BLOCK_COLS];
        for (int i = 0; i < BLOCK_COLS; i++) q[i] = (int32_t)(v[i] * inverse + 12582912.0f - 12582912.0f);
        for (int i = 0; i < BLOCK_COLS; i++)
            digit[i] = lo ? (int32_t)((float)q[i] * (1.0f / ACT_DIGIT_BASE) + 12582912.0f - 12582912.0f) : q[i];
        for (int i = 0; i < BLOCK_COLS; i++) hi[b * BLOCK_COLS + (size_t)i] = (int8_t)digit[i];
        for (int i = 0; lo && i < BLOCK_COLS; i++)
            lo[b * BLOCK_COLS + (size_t)i] = (int8_t)(q[i] - ACT_DIGIT_BASE * digit[i]);
        int32_t first = 0, second = 0;
        for (int i = 0; i < 16; i++) first += q[i], second += q[i + 16];
        size_t at = token * (a->stride / 16) + 2 * b;
        a->scale[token * (a->stride / BLOCK_COLS) + b] = scale;
        a->sums[at] = first;
        a->sums[at + 1] = second;
        a->scaled_sums[at] = scale * (float)first;
        a->scaled_sums[at + 1] = scale * (float)second;
    }
}
#endif
