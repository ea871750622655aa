/* 16-bit float arithmetic on float, rounded once. Inside wse/ only.
 *
 * f16 has 11 significant bits, bf16 8; float has 24, at least 2 * 11 + 2, so that + - * / sqrt computed in float and
 * then narrowed round like one rounding (Figueroa, "When is double rounding innocuous?"). A sum of three parts
 * (multiply-add) does not have that property: it goes through "round to odd", which keeps the information that
 * something was cut off. Results that are NaN are one canonical NaN, since hosts differ in the payload they pass on.
 */
#ifndef INGOT_WSE_CORE_FLOAT_H
#define INGOT_WSE_CORE_FLOAT_H

#include "base/half.h"
#include "isa/isa.h"
#include <math.h>

#define CORE_NAN32    0x7FC00000u
#define CORE_NAN_F16  0x7E00u
#define CORE_NAN_BF16 0x7FC0u

static inline uint32_t s_bits(float f) { return f == f ? f32_bits(f) : CORE_NAN32; }

static inline float h_float(uint32_t h, isa_fp16 fmt) {
    return fmt == ISA_BF16 ? f32_from_bf16((uint16_t)h) : f32_from_f16((uint16_t)h);
}
static inline uint32_t h_bits(float f, isa_fp16 fmt) {
    if (f != f) return fmt == ISA_BF16 ? CORE_NAN_BF16 : CORE_NAN_F16;
    return fmt == ISA_BF16 ? bf16_from_f32(f) : f16_from_f32(f);
}

/* The float next to d on the side of zero or away from it, whichever has an odd last bit; d itself when it is a float.
 */
static inline float odd_float(double d) {
    float f = (float)d;
    uint32_t u = f32_bits(f);
    if ((double)f == d || d != d || (u & 1)) return f;
    return f32_from_bits(fabs(d) > fabs((double)f) ? u + 1 : u - 1);
}

/* a * b + c for 16-bit operands, as a float that narrows correctly. The product is exact in double. f16: the sum is
 * exact too, or the smaller part lies more than 30 bits below the larger, whose own value is no rounding midpoint.
 * bf16: the error of the sum is kept. */
static inline float h_fma(float a, float b, float c, isa_fp16 fmt) {
    double p = (double)a * (double)b, s = p + (double)c;
    if (fmt == ISA_F16 || !isfinite(s)) return odd_float(s);
    double part = s - p, error = (p - (s - part)) + ((double)c - part);
    uint64_t u;
    memcpy(&u, &s, 8);
    if (error != 0 && !(u & 1)) u += (error > 0) == (s > 0) ? 1 : UINT64_MAX;
    memcpy(&s, &u, 8);
    return odd_float(s);
}

/* maxNum: a NaN gives way to a number; +0 is above -0. */
static inline float s_max(float a, float b) {
    if (a != a) return b;
    if (b != b || a > b) return a;
    if (a == b) return signbit(a) ? b : a;
    return b;
}

static inline float s_scale(float a, int32_t n) { return scalbnf(a, n < -400 ? -400 : n > 400 ? 400 : n); }

/* Significand with the exponent of one: 1 <= |result| < 2. Zero, infinity and NaN stay. */
static inline float s_norm(float a) {
    int exponent;
    if (a == 0 || !isfinite(a)) return a;
    return frexpf(a, &exponent) * 2;
}

/* Truncates and saturates; NaN gives 0. */
static inline int32_t s_int(float f, int32_t least, int32_t most) {
    if (f != f) return 0;
    if ((double)f <= (double)least) return least;
    if ((double)f >= (double)most) return most;
    return (int32_t)f;
}
static inline uint32_t s_uint(float f) {
    if (!(f > 0)) return 0;
    return f >= 0x1p32f ? UINT32_MAX : (uint32_t)f;
}

#endif
