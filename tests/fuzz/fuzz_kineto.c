/* Chrome traces, plain and gzip, through to every report. */
#include "audit/analyse.h"
#include "audit/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static events e; /* large */
    arena *a = arena_new(0);
    diag *d = diag_new();
    audit_report *r = a ? arena_push(a, audit_report) : NULL;
    strbuf b = {0};
    events_init(&e, a);
    if (r && d && trace_load_bytes(&e, "fuzz", (str){(const char *)p, n}, true, d)) {
        audit_report_init(r, a, AUDIT_OF_TRACE, "fuzz");
        if (audit_trace(r, &e, &(audit_options){.device = -1, .peaks = {NULL, 989, 3350}}, d)) {
            audit_text(r, &b);
            audit_json(r, &b);
            audit_html(r, &b);
        }
    }
    strbuf_free(&b);
    events_free(&e);
    arena_free(a);
    diag_free(d);
    return 0;
}
