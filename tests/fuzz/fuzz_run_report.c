/* Reports of ingot run and results of llama-bench. */
#include "audit/run_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    audit_report r;
    strbuf out = {0};
    if (a && d) {
        audit_report_init(&r, a, AUDIT_OF_RUN, "fuzz");
        if (audit_of_report(&r, (str){(const char *)p, n}, 1e10, d)) audit_json(&r, &out);
    }
    strbuf_free(&out);
    arena_free(a);
    diag_free(d);
    return 0;
}
