#include "llm/kern.h"

static const kern *const rows[] = {
#if defined(__x86_64__)
    &kern_amx,
    &kern_avx512,
    &kern_avx2,
#endif
    &kern_portable,
};

const kern *kern_row(size_t i) { return i < sizeof rows / sizeof *rows ? rows[i] : NULL; }

const kern *kern_best(void) {
    for (size_t i = 0; kern_row(i); i++)
        if (rows[i]->usable()) return rows[i];
    return &kern_portable;
}

const kern *kern_by_name(str name) {
    for (size_t i = 0; kern_row(i); i++)
        if (str_is(name, rows[i]->name) && rows[i]->usable()) return rows[i];
    return NULL;
}

/* Four vectors of 64 bytes a round, as far ahead as the kernels ask for weights. */
typedef uint64_t vec8 __attribute__((vector_size(64), aligned(8)));

static inline __attribute__((always_inline)) uint64_t read_body(const uint8_t *bytes, size_t n) {
    vec8 sums[4] = {{0}};
    size_t i = 0;
    uint64_t total = 0;
    for (; i + 256 <= n; i += 256)
        for (int k = 0; k < 4; k++) {
            kern_ahead(bytes + i + 64 * k);
            sums[k] += *(const vec8 *)(bytes + i + 64 * k);
        }
    for (; i < n; i++) total += bytes[i];
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < 8; l++) total += sums[k][l];
    return total;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t read_avx512(const uint8_t *bytes, size_t n) {
    return read_body(bytes, n);
}
__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *bytes, size_t n) {
    return read_body(bytes, n);
}
uint64_t kern_read(const uint8_t *bytes, size_t n) {
    if (__builtin_cpu_supports("avx512f")) return read_avx512(bytes, n);
    return __builtin_cpu_supports("avx2") ? read_avx2(bytes, n) : read_body(bytes, n);
}
#else
uint64_t kern_read(const uint8_t *bytes, size_t n) { return read_body(bytes, n); }
#endif
