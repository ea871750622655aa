/* Deterministic random numbers: xoshiro256++ seeded by splitmix64 (Blackman and Vigna, public domain algorithms).
 * Same seed, same numbers, on every machine. */
#ifndef INGOT_BASE_RNG_H
#define INGOT_BASE_RNG_H
#include <math.h>
#include <stdint.h>

typedef struct {
    uint64_t s[4];
} rng;

static inline uint64_t rng_splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline rng rng_seed(uint64_t seed) {
    rng r;
    for (int i = 0; i < 4; i++) r.s[i] = rng_splitmix(&seed);
    return r;
}

static inline uint64_t rng_u64(rng *r) {
    uint64_t *s = r->s, sum = s[0] + s[3], out = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}

static inline double rng_f64(rng *r) { return (double)(rng_u64(r) >> 11) * 0x1p-53; } /* [0, 1) */
static inline float rng_f32(rng *r) { return (float)(rng_u64(r) >> 40) * 0x1p-24f; }  /* [0, 1) */
static inline uint64_t rng_below(rng *r, uint64_t n) { return (uint64_t)(((unsigned __int128)rng_u64(r) * n) >> 64); }

/* Standard normal; the sum of twelve uniforms, which needs no libm and so is the same everywhere (range +-6). */
static inline float rng_normal(rng *r) {
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += rng_f32(r);
    return sum - 6.0f;
}
#endif
