#include "cluster/agreement.h"
#include "perf/scenario.h"

/* Files of scenarios, and of kernels' sizes. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    perf_scenario c;
    agreement g;
    str text = {(const char *)p, n};
    if (a && d) (void)perf_scenario_parse(&c, a, "fuzz.json", text, d);
    if (a && d) (void)agreement_parse(&g, a, "fuzz.json", text, d);
    arena_free(a);
    diag_free(d);
    return 0;
}
