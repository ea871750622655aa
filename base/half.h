/* 16-bit floats, exact and the same on every machine. fp16: IEEE binary16; bf16: the upper half of binary32.
 * Narrowing rounds to nearest, ties to even; NaN stays NaN; fp16 overflow becomes infinity. */
#ifndef INGOT_BASE_HALF_H
#define INGOT_BASE_HALF_H
#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t f32_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

/* Without branches, so that loops over it become vector code. The bits of the half, moved to their places in a float, are
 * its value times 2^-112, zero and subnormals included; infinities and NaN get the float's own exponent. */
static inline float f32_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, u = (uint32_t)(h & 0x7FFF) << 13;
    uint32_t special = u >= 0x0F800000 ? 0x7F800000 : 0;
    return f32_from_bits(sign | special | f32_bits(f32_from_bits(u) * 0x1p112f));
}

static inline uint16_t f16_from_f32(float f) {
    uint32_t u = f32_bits(f), sign = u >> 16 & 0x8000;
    u &= 0x7FFFFFFF;
    if (u > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (u >> 13 & 0x1FF)); /* NaN */
    if (u >= 0x477FF000) return (uint16_t)(sign | 0x7C00);                    /* rounds to 65536 or more */
    if (u < 0x38800000) {                                                     /* below 2^-14: subnormal */
        /* Adding 0.5 aligns the last kept bit with 2^-24; the addition itself rounds to even. */
        float aligned = f32_from_bits(u) + 0.5f;
        return (uint16_t)(sign | (f32_bits(aligned) - 0x3F000000));
    }
    return (uint16_t)(sign | (((u + 0xFFF + (u >> 13 & 1)) >> 13) - (112u << 10)));
}

static inline float f32_from_bf16(uint16_t h) { return f32_from_bits((uint32_t)h << 16); }

static inline uint16_t bf16_from_f32(float f) {
    uint32_t u = f32_bits(f);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}
#endif
