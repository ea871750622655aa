#include "perf/requests.h"

/* A CSV file or JSON lines, as its first byte says. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    diag *d = diag_new();
    perf_trace t = {.path = "fuzz", .json = n && *p == '{'};
    perf_request r;
    str rest = {(const char *)p, n};
    bool header = t.json;
    while (d && rest.n) {
        const char *stop = memchr(rest.p, '\n', rest.n);
        str line = {rest.p, stop ? (size_t)(stop - rest.p) : rest.n};
        rest = (str){line.p + line.n + (stop != NULL), rest.n - line.n - (stop != NULL)};
        t.line++;
        if (!(header ? perf_trace_row(&t, line, &r, d) : perf_trace_header(&t, line, d))) break;
        header = true;
    }
    diag_free(d);
    return 0;
}
