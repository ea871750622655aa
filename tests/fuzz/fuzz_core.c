/* The reader of core files, and that of trace buffers, on any bytes. */
#include "base/mem.h"
#include "host/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    uint16_t *words = mem_alloc(len + 2);
    if (a && d && words) {
        host_core c;
        if (host_core_parse(&c, (str){(const char *)data, len}, "fuzz", d)) host_core_free(&c);
        host_trace_entry *entries;
        uint32_t count;
        memcpy(words, data, len);
        host_trace_decode(words, len / 2 < ISA_SRAM_WORDS ? (uint32_t)(len / 2) : ISA_SRAM_WORDS, a, &entries, &count,
                          d);
    }
    mem_free(words);
    diag_free(d);
    arena_free(a);
    return 0;
}
