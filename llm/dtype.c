/* The table of tensor types. A new type is one row here and two functions in one of the dtype_*.c files:
 * dtype_simple.c has the plain numbers and the blocks of 32, dtype_k.c and dtype_k_search.c the blocks of 256.
 *
 * Left out, and refused by name: codebook types (IQ1..IQ3), IQ4_XS, ternary types, MXFP4 and NVFP4 (mixtures of
 * experts), integers and doubles (no weights come in them), Q8_1 and Q8_K (never in files).
 */
#include "llm/dtype.h"
#include "llm/dtype_blocks.h"
#include <strings.h>

#define ROW(id, elems, bytes, narrow, file_type, fn)                                                                   \
    {DTYPE_##id, #id, elems, bytes, DTYPE_##narrow, file_type, dtype_##fn##_to_f32, dtype_##fn##_from_f32}

static const dtype_info types[] = {
    ROW(F32, 1, 4, F32, 0, f32),
    ROW(F16, 1, 2, F16, 1, f16),
    ROW(BF16, 1, 2, BF16, 32, bf16),
    ROW(Q4_0, 32, 18, F16, 2, q4_0),
    ROW(Q4_1, 32, 20, F16, 3, q4_1),
    ROW(Q5_0, 32, 22, F16, 8, q5_0),
    ROW(Q5_1, 32, 24, F16, 9, q5_1),
    ROW(Q8_0, 32, 34, F16, 7, q8_0),
    ROW(Q2_K, 256, 84, IQ4_NL, 10, q2_k),
    ROW(Q3_K, 256, 110, IQ4_NL, 11, q3_k),
    ROW(Q4_K, 256, 144, Q5_0, 14, q4_k),
    ROW(Q5_K, 256, 176, Q5_1, 16, q5_k),
    ROW(Q6_K, 256, 210, Q8_0, 18, q6_k),
    ROW(IQ4_NL, 32, 18, F16, 25, iq4_nl),
};

static const char *const refused[DTYPE_COUNT] = {
    [4] = "withdrawn type 4",   [5] = "withdrawn type 5",   [9] = "Q8_1",     [15] = "Q8_K",
    [16] = "IQ2_XXS",           [17] = "IQ2_XS",            [18] = "IQ3_XXS", [19] = "IQ1_S",
    [21] = "IQ3_S",             [22] = "IQ2_S",             [23] = "IQ4_XS",  [24] = "I8",
    [25] = "I16",               [26] = "I32",               [27] = "I64",     [28] = "F64",
    [29] = "IQ1_M",             [31] = "withdrawn type 31", [32] = "withdrawn type 32",
    [33] = "withdrawn type 33", [34] = "TQ1_0",             [35] = "TQ2_0",   [36] = "withdrawn type 36",
    [37] = "withdrawn type 37", [38] = "withdrawn type 38", [39] = "MXFP4",   [40] = "NVFP4",
    [41] = "Q1_0",              [42] = "Q2_0",
};

const dtype_info *dtype_row(size_t i) { return i < sizeof types / sizeof *types ? &types[i] : NULL; }

const dtype_info *dtype_find(uint32_t id) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

const dtype_info *dtype_by_name(str name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (name.n == strlen(types[i].name) && !strncasecmp(name.p, types[i].name, name.n)) return &types[i];
    return NULL;
}

const char *dtype_refused_name(uint32_t id) {
    return id < DTYPE_COUNT && refused[id] ? refused[id] : "unknown type";
}

const dtype_info *dtype_fit(const dtype_info *t, uint64_t n) {
    while (n % t->block_elems) t = dtype_find(t->narrow);
    return t;
}

bool dtype_row_bytes(const dtype_info *t, uint64_t n, uint64_t *bytes) {
    return n % t->block_elems == 0 && !__builtin_mul_overflow(n / t->block_elems, (uint64_t)t->block_bytes, bytes);
}
