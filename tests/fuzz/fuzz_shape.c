#include "perf/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    perf_shape s;
    if (a && d && perf_shape_parse(&s, a, "fuzz.json", (str){(const char *)p, n}, d)) (void)perf_shape_params(&s);
    arena_free(a);
    diag_free(d);
    return 0;
}
