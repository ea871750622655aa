/* The safetensors header and index parsers on any bytes; the file is said to be longer than them when the last byte is odd. */
#include "llm/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    uint64_t file_bytes = len && data[len - 1] & 1 ? 4 * (uint64_t)len : len;
    arena *a = arena_new(0);
    diag *d = diag_new();
    safetensors s;
    safetensors_index x;
    if (a && d) {
        safetensors_parse(&s, a, "fuzz", data, len, file_bytes, d);
        safetensors_index_parse(&x, a, "fuzz", (str){(const char *)data, len}, d);
    }
    diag_free(d);
    arena_free(a);
    return 0;
}
