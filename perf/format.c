/* The table of number formats. Bits of block formats: elements plus scales (llm/dtype_*.c for the GGUF ones; OCP MX and
 * NVFP4 block sizes 32 and 16 with an 8-bit scale). */
#include "perf/format.h"

static const perf_format formats[] = {
    {"f32", 32, PERF_RATE_16, "32-bit storage, counted at the 16-bit rate"},
    {"f16", 16, PERF_RATE_16, "IEEE half"},
    {"bf16", 16, PERF_RATE_16, "bfloat16"},
    {"fp8", 8, PERF_RATE_8, "8-bit float, one scale a tensor"},
    {"fp8_block", 8.002, PERF_RATE_8_BLOCK, "8-bit float, f32 scale per 128 x 128"},
    {"int8", 8, PERF_RATE_8, "8-bit integers"},
    {"nvfp4", 4.5, PERF_RATE_4, "4-bit float, 8-bit scale per 16"},
    {"mxfp4", 4.25, PERF_RATE_4_16, "4-bit float, 8-bit scale per 32; 16-bit arithmetic"},
    {"int4", 4.25, PERF_RATE_4_16, "4-bit weights, f16 scale and zero per 128; 16-bit arithmetic"},
    {"q8_0", 8.5, PERF_RATE_16, "GGUF"},
    {"q6_k", 6.5625, PERF_RATE_16, "GGUF"},
    {"q5_k", 5.5, PERF_RATE_16, "GGUF"},
    {"q4_k", 4.5, PERF_RATE_16, "GGUF"},
    {"q4_0", 4.5, PERF_RATE_16, "GGUF"},
    {"q3_k", 3.4375, PERF_RATE_16, "GGUF"},
    {"q2_k", 2.625, PERF_RATE_16, "GGUF"},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

const perf_format *perf_format_row(size_t i) { return i < FORMAT_COUNT ? &formats[i] : NULL; }

const perf_format *perf_format_named(const char *name) {
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (!strcmp(name, formats[i].name)) return &formats[i];
    return NULL;
}
