#include "isa/wafer.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    diag *d = diag_new();
    isa_wafer w;
    if (d && !isa_wafer_parse(&w, (str){(const char *)p, n}, "fuzz.json", n % 2 ? "silicon" : NULL, d))
        if (!diag_error_count(d)) __builtin_trap(); /* a refusal says why */
    diag_free(d);
    return 0;
}
