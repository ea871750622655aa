/* Plain numbers, and blocks of 32 elements with one scale. Rounding follows ggml's reference quantisers bit for bit:
 * in f32, multiply by the reciprocal of the unrounded scale, then add and cut off (halves away from zero for Q8_0).
 *
 * Inner loops have constant trip counts and no branches, so that compilers turn them into vector code.
 */
#include "llm/dtype_blocks.h"
#include <math.h>

enum { BLOCK = 32, HALF_BLOCK = 16 };

/* ---- plain numbers ---- */

void dtype_f32_to_f32(const void *blocks, float *out, size_t n) { memcpy(out, blocks, n * 4); }
void dtype_f32_from_f32(const float *in, void *blocks, size_t n) { memcpy(blocks, in, n * 4); }

/* As f32_from_f16, without branches. The f16 bits placed in an f32 mean the value times 2^-112, subnormals too. */
static inline float widen_f16(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7FFF) << 13, special = (h & 0x7C00) == 0x7C00 ? 0x7F800000u : 0;
    uint32_t bits = f32_bits(f32_from_bits(magnitude) * 0x1p112f);
    return f32_from_bits((special ? special | magnitude : bits) | (uint32_t)(h & 0x8000) << 16);
}

void dtype_f16_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    uint16_t h[BLOCK];
    for (; n >= BLOCK; n -= BLOCK, p += 2 * BLOCK, out += BLOCK) {
        memcpy(h, p, sizeof h);
        for (int i = 0; i < BLOCK; i++) out[i] = widen_f16(h[i]);
    }
    for (size_t i = 0; i < n; i++) out[i] = load_f16(p + 2 * i);
}

void dtype_f16_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) store_f16(p + 2 * i, in[i]);
}

void dtype_bf16_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    uint16_t h[BLOCK];
    for (; n; p += 2 * BLOCK, out += BLOCK) {
        size_t m = n < BLOCK ? n : BLOCK;
        memcpy(h, p, 2 * m);
        for (size_t i = 0; i < m; i++) out[i] = f32_from_bf16(h[i]);
        n -= m;
    }
}

void dtype_bf16_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = bf16_from_f32(in[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* ---- to f32: byte j of the quants holds element j in its low nibble, element j + 16 in the high one ---- */

/* Q4_0: f16 d, 16 bytes. y = d (q - 8). */
void dtype_q4_0_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 18, out += BLOCK) {
        float d = load_f16(p);
        for (int j = 0; j < HALF_BLOCK; j++) {
            out[j] = (float)((p[2 + j] & 15) - 8) * d;
            out[j + HALF_BLOCK] = (float)((p[2 + j] >> 4) - 8) * d;
        }
    }
}

/* Q4_1: f16 d, f16 m, 16 bytes. y = d q + m. */
void dtype_q4_1_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 20, out += BLOCK) {
        float d = load_f16(p), m = load_f16(p + 2);
        for (int j = 0; j < HALF_BLOCK; j++) {
            out[j] = (float)(p[4 + j] & 15) * d + m;
            out[j + HALF_BLOCK] = (float)(p[4 + j] >> 4) * d + m;
        }
    }
}

/* The five-bit numbers of a block: 16 bytes of nibbles, and one word whose bit e is the fifth bit of element e. */
static inline void unpack_5bit(const uint8_t *high, const uint8_t *nibbles, int q[BLOCK]) {
    uint32_t h;
    memcpy(&h, high, 4);
    for (int j = 0; j < HALF_BLOCK; j++) {
        q[j] = (nibbles[j] & 15) | (int)(h >> j & 1) << 4;
        q[j + HALF_BLOCK] = nibbles[j] >> 4 | (int)(h >> (j + HALF_BLOCK) & 1) << 4;
    }
}

/* Q5_0: f16 d, u32 fifth bits, 16 bytes. y = d (q - 16). */
void dtype_q5_0_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    int q[BLOCK];
    for (; n; n -= BLOCK, p += 22, out += BLOCK) {
        float d = load_f16(p);
        unpack_5bit(p + 2, p + 6, q);
        for (int j = 0; j < BLOCK; j++) out[j] = (float)(q[j] - 16) * d;
    }
}

/* Q5_1: f16 d, f16 m, u32 fifth bits, 16 bytes. y = d q + m. */
void dtype_q5_1_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    int q[BLOCK];
    for (; n; n -= BLOCK, p += 24, out += BLOCK) {
        float d = load_f16(p), m = load_f16(p + 2);
        unpack_5bit(p + 4, p + 8, q);
        for (int j = 0; j < BLOCK; j++) out[j] = (float)q[j] * d + m;
    }
}

/* Q8_0: f16 d, 32 signed bytes. y = d q. */
void dtype_q8_0_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 34, out += BLOCK) {
        float d = load_f16(p);
        for (int j = 0; j < BLOCK; j++) out[j] = (float)(int8_t)p[2 + j] * d;
    }
}

/* IQ4_NL: as Q4_0, with a table of unevenly spaced values in place of q - 8. */
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void dtype_iq4_nl_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 18, out += BLOCK) {
        float d = load_f16(p);
        for (int j = 0; j < HALF_BLOCK; j++) {
            out[j] = (float)iq4_values[p[2 + j] & 15] * d;
            out[j + HALF_BLOCK] = (float)iq4_values[p[2 + j] >> 4] * d;
        }
    }
}

/* ---- from f32 ---- */

static inline void pack_nibbles(const uint8_t q[BLOCK], uint8_t *out) {
    for (int j = 0; j < HALF_BLOCK; j++) out[j] = (uint8_t)((q[j] & 15) | q[j + HALF_BLOCK] << 4);
}

static inline void pack_fifth_bits(const uint8_t q[BLOCK], uint8_t *out) {
    uint32_t h = 0;
    for (int j = 0; j < BLOCK; j++) h |= (uint32_t)(q[j] >> 4) << j;
    memcpy(out, &h, 4);
}

static inline float reciprocal(float d) { return d != 0 ? 1.0f / d : 0; }

/* The element of largest magnitude, with its sign; the first of equals. */
static inline float extreme(const float *x) {
    float best = 0, largest = 0;
    for (int j = 0; j < BLOCK; j++) {
        float a = fabsf(x[j]);
        if (a > largest) largest = a, best = x[j];
    }
    return best;
}

/* Symmetric: the extreme element gets the lowest level, -levels/2, so that its sign chooses the sign of d. */
static inline float symmetric(const float *x, int levels, uint8_t q[BLOCK]) {
    float middle = (float)levels * 0.5f, d = extreme(x) / -middle, id = reciprocal(d);
    for (int j = 0; j < BLOCK; j++) q[j] = trunc_to(x[j] * id + (middle + 0.5f), (float)(levels - 1));
    return d;
}

/* Affine: the smallest element gets level 0, the largest levels - 1. */
static inline float affine(const float *x, int levels, uint8_t q[BLOCK], float *smallest) {
    float lo = x[0], hi = x[0];
    for (int j = 1; j < BLOCK; j++) {
        lo = x[j] < lo ? x[j] : lo;
        hi = x[j] > hi ? x[j] : hi;
    }
    float d = (hi - lo) / (float)(levels - 1), id = reciprocal(d);
    for (int j = 0; j < BLOCK; j++) q[j] = trunc_to((x[j] - lo) * id + 0.5f, (float)(levels - 1));
    *smallest = lo;
    return d;
}

void dtype_q4_0_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks, q[BLOCK];
    for (; n; n -= BLOCK, p += 18, in += BLOCK) {
        store_f16(p, symmetric(in, 16, q));
        pack_nibbles(q, p + 2);
    }
}

void dtype_q4_1_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks, q[BLOCK];
    float m;
    for (; n; n -= BLOCK, p += 20, in += BLOCK) {
        store_f16(p, affine(in, 16, q, &m));
        store_f16(p + 2, m);
        pack_nibbles(q, p + 4);
    }
}

void dtype_q5_0_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks, q[BLOCK];
    for (; n; n -= BLOCK, p += 22, in += BLOCK) {
        store_f16(p, symmetric(in, 32, q));
        pack_fifth_bits(q, p + 2);
        pack_nibbles(q, p + 6);
    }
}

void dtype_q5_1_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks, q[BLOCK];
    float m;
    for (; n; n -= BLOCK, p += 24, in += BLOCK) {
        store_f16(p, affine(in, 32, q, &m));
        store_f16(p + 2, m);
        pack_fifth_bits(q, p + 4);
        pack_nibbles(q, p + 8);
    }
}

/* The largest magnitude. Non-negative floats are ordered as their bits are, and whole numbers make a vector loop. */
static inline float magnitude(const float *x) {
    int32_t best = 0, bits[BLOCK];
    memcpy(bits, x, sizeof bits);
    for (int j = 0; j < BLOCK; j++) {
        int32_t b = bits[j] & 0x7FFFFFFF;
        best = b > best ? b : best;
    }
    return f32_from_bits((uint32_t)best);
}

/* Halves away from zero, in [-127, 127]. */
static inline int round_away(float v) {
    float a = fabsf(v);
    a = a < 127 ? a : 127;
    int whole = (int)a, sign = -(int)(f32_bits(v) >> 31);
    whole += a - (float)whole >= 0.5f;
    return (whole ^ sign) - sign;
}

void dtype_q8_0_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 34, in += BLOCK) {
        float d = magnitude(in) / 127, id = reciprocal(d);
        store_f16(p, d);
        for (int j = 0; j < BLOCK; j++) p[2 + j] = (uint8_t)round_away(in[j] * id);
    }
}

/* Nearest value of the table: the number of midpoints at or below v. */
static inline uint8_t iq4_nearest(float v) {
    int index = 0;
    for (int i = 0; i < 15; i++) index += v >= 0.5f * (float)(iq4_values[i] + iq4_values[i + 1]);
    return (uint8_t)index;
}

/* The extreme element goes to -127; then the scale that minimises the error weighted by x^2, for the values chosen. */
void dtype_iq4_nl_from_f32(const float *in, void *blocks, size_t n) {
    uint8_t *p = blocks, q[BLOCK];
    for (; n; n -= BLOCK, p += 18, in += BLOCK) {
        float id = reciprocal(extreme(in) / (float)iq4_values[0]), qx = 0, qq = 0;
        for (int j = 0; j < BLOCK; j++) q[j] = iq4_nearest(in[j] * id);
        for (int j = 0; j < BLOCK; j++) {
            float v = iq4_values[q[j]], w = in[j] * in[j];
            qx += w * v * in[j];
            qq += w * v * v;
        }
        store_f16(p, qq > 0 ? qx / qq : 0);
        pack_nibbles(q, p + 2);
    }
}
