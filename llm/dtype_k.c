/* K types to f32: blocks of 256 elements in sub-blocks of 16 or 32, whose small scales are themselves quantised
 * against one or two f16 of the block. Element e of a block is in half e / 128, group (e % 128) / 32, lane e % 32.
 */
#include "llm/dtype_blocks.h"

enum { BLOCK = 256, LANES = 32 };

/* Q2_K: 16 bytes of scale (low nibble) and minimum (high nibble), 64 bytes of 2-bit q, f16 d, f16 dmin.
 * y = d scale q - dmin minimum. */
void dtype_q2_k_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 84) {
        float d = load_f16(p + 80), dmin = load_f16(p + 82);
        for (int k = 0; k < 16; k++, out += 16) { /* sub-block k: half k / 8, group k / 2 % 4, lanes from 16 (k % 2) */
            const uint8_t *q = p + 16 + 32 * (k / 8) + 16 * (k % 2);
            int shift = k / 2 % 4 * 2;
            float scale = d * (float)(p[k] & 15), minimum = dmin * (float)(p[k] >> 4);
            for (int l = 0; l < 16; l++) out[l] = scale * (float)(q[l] >> shift & 3) - minimum;
        }
    }
}

/* Sixteen 6-bit scales in 12 bytes: bytes 0..7 hold the low nibbles of scales 0..7 and 8..15, bytes 8..11 the high
 * pairs. */
static inline int q3_scale(const uint8_t *s, int k) {
    int low = k < 8 ? s[k] & 15 : s[k - 8] >> 4;
    return (low | (s[8 + k % 4] >> k / 4 * 2 & 3) << 4) - 32;
}

/* Q3_K: 32 bytes of third bits, 64 bytes of the low two, 12 bytes of scales, f16 d. y = d scale (q - 4). */
void dtype_q3_k_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 110) {
        float d = load_f16(p + 108);
        for (int k = 0; k < 16; k++, out += 16) {
            const uint8_t *q = p + 32 + 32 * (k / 8) + 16 * (k % 2), *high = p + 16 * (k % 2);
            int shift = k / 2 % 4 * 2, bit = k / 2;
            float scale = d * (float)q3_scale(p + 96, k);
            for (int l = 0; l < 16; l++) out[l] = scale * (float)((q[l] >> shift & 3) + (high[l] >> bit & 1) * 4 - 4);
        }
    }
}

/* Eight 6-bit scales and minima in 12 bytes: sub-blocks 0..3 in the low six bits of bytes 0..3 and 4..7; sub-blocks
 * 4..7 in the nibbles of bytes 8..11, their upper two bits on top of bytes 0..3 and 4..7. */
static inline void q4_scale(const uint8_t *b, int s, float *scale, float *minimum) {
    *scale = (float)(s < 4 ? b[s] & 63 : (b[s + 4] & 15) | b[s - 4] >> 6 << 4);
    *minimum = (float)(s < 4 ? b[s + 4] & 63 : b[s + 4] >> 4 | b[s] >> 6 << 4);
}

/* Q4_K: f16 d, f16 dmin, 12 bytes of scales, 128 bytes of nibbles: even sub-blocks low, odd ones high.
 * y = d scale q - dmin minimum. */
void dtype_q4_k_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 144) {
        float d = load_f16(p), dmin = load_f16(p + 2), scale, minimum;
        for (int s = 0; s < 8; s++, out += LANES) {
            const uint8_t *q = p + 16 + 32 * (s / 2);
            int shift = s % 2 * 4;
            q4_scale(p + 4, s, &scale, &minimum);
            scale *= d, minimum *= dmin;
            for (int l = 0; l < LANES; l++) out[l] = scale * (float)(q[l] >> shift & 15) - minimum;
        }
    }
}

/* Q5_K: f16 d, f16 dmin, 12 bytes of scales, 32 bytes of fifth bits (bit s for sub-block s), 128 bytes of nibbles. */
void dtype_q5_k_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 176) {
        float d = load_f16(p), dmin = load_f16(p + 2), scale, minimum;
        for (int s = 0; s < 8; s++, out += LANES) {
            const uint8_t *high = p + 16, *q = p + 48 + 32 * (s / 2);
            int shift = s % 2 * 4;
            q4_scale(p + 4, s, &scale, &minimum);
            scale *= d, minimum *= dmin;
            for (int l = 0; l < LANES; l++)
                out[l] = scale * (float)((q[l] >> shift & 15) + (high[l] >> s & 1) * 16) - minimum;
        }
    }
}

/* Q6_K: 128 bytes of low nibbles, 64 bytes of high pairs, 16 signed scales, f16 d. y = d scale (q - 32). */
void dtype_q6_k_to_f32(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (; n; n -= BLOCK, p += 210) {
        float d = load_f16(p + 208);
        for (int k = 0; k < 16; k++, out += 16) { /* half k / 8, group k / 2 % 4, lanes from 16 (k % 2) */
            int group = k / 2 % 4, shift = group / 2 * 4, high_shift = group * 2;
            const uint8_t *low = p + 64 * (k / 8) + 32 * (group % 2) + 16 * (k % 2);
            const uint8_t *high = p + 128 + 32 * (k / 8) + 16 * (k % 2);
            float scale = d * (float)(int8_t)p[192 + k];
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)((low[l] >> shift & 15) + (high[l] >> high_shift & 3) * 16 - 32);
        }
    }
}
