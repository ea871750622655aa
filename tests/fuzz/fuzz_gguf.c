/* The GGUF header parser on any bytes; the file is said to be longer than them when the last byte is odd. */
#include "llm/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint64_t file_bytes = len && data[len - 1] & 1 ? 4 * (uint64_t)len : len;
    arena *a = arena_new(0);
    diag *d = diag_new();
    gguf g;
    if (a && d) {
        gguf_parse(&g, a, "fuzz", data, len, file_bytes, d);
        gguf_free(&g);
    }
    diag_free(d);
    arena_free(a);
    return 0;
}
