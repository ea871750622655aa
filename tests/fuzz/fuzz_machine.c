#include "perf/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    perf_machine m;
    if (a && d) (void)perf_machine_parse(&m, a, "fuzz.json", (str){(const char *)p, n}, d);
    arena_free(a);
    diag_free(d);
    return 0;
}
