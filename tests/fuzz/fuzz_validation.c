#include "perf/software.h"
#include "perf/validate.h"

/* Published rows, and the table of serving software. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    perf_validation v;
    perf_software s;
    str text = {(const char *)p, n};
    if (a && d) {
        (void)perf_validate_text(&v, a, "cerebras_token_rates.csv", text, d);
        (void)perf_software_parse(&s, a, "fuzz.json", text, "trtllm-2025", d);
    }
    arena_free(a);
    diag_free(d);
    return 0;
}
