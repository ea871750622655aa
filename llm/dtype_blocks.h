/* Private to dtype*.c: the conversion functions behind the rows of dtype.c, and the few lines they share.
 * Every function converts n elements, n a multiple of the type's block; see dtype.h for the contract. */
#ifndef INGOT_LLM_DTYPE_BLOCKS_H
#define INGOT_LLM_DTYPE_BLOCKS_H
#include "base/half.h"
#include <stddef.h>

#define DTYPE_CONVERSIONS(t)                                                                                           \
    void dtype_##t##_to_f32(const void *blocks, float *out, size_t n);                                                 \
    void dtype_##t##_from_f32(const float *in, void *blocks, size_t n)
DTYPE_CONVERSIONS(f32);
DTYPE_CONVERSIONS(f16);
DTYPE_CONVERSIONS(bf16);
DTYPE_CONVERSIONS(q4_0);
DTYPE_CONVERSIONS(q4_1);
DTYPE_CONVERSIONS(q5_0);
DTYPE_CONVERSIONS(q5_1);
DTYPE_CONVERSIONS(q8_0);
DTYPE_CONVERSIONS(iq4_nl);
DTYPE_CONVERSIONS(q2_k);
DTYPE_CONVERSIONS(q3_k);
DTYPE_CONVERSIONS(q4_k);
DTYPE_CONVERSIONS(q5_k);
DTYPE_CONVERSIONS(q6_k);
#undef DTYPE_CONVERSIONS

static inline float load_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return f32_from_f16(h);
}

static inline void store_f16(uint8_t *p, float f) {
    uint16_t h = f16_from_f32(f);
    memcpy(p, &h, 2);
}

/* v cut off to a whole number in [0, max]; NaN becomes 0. Clamping first keeps the conversion defined for any input. */
static inline uint8_t trunc_to(float v, float max) {
    v = v > 0 ? v : 0;
    return (uint8_t)(int)(v < max ? v : max);
}
#endif
