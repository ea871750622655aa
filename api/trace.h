/* What a run is told about afterwards, and where that goes; the environment asks for it, so that run scripts need no
 * change (docs/trace.md). In: a machine that stands still. Out: files.
 *
 *     INGOT_TRACE=FILE.json          events for Perfetto or chrome://tracing   (trace_json.c)
 *     INGOT_PROFILE_LINES=FILE.txt   cycles by source line                     (trace_lines.c)
 *     INGOT_HEAT=FILE.svg            maps of the PEs                           (trace_heat.c)
 *     INGOT_TRACE_REPORT=FILE        a page of text, appended                  (trace_report.c)
 *     INGOT_TRACE_SHOW=energy,memory what the page has beside the summary      (trace_energy.c, trace_memory.c)
 *     INGOT_TRACE_EVENTS=N           how many events are kept
 */
#ifndef INGOT_API_TRACE_H
#define INGOT_API_TRACE_H

#include "host/host.h"
#include "wse/trace.h"

typedef struct {
    const char *json, *lines, *heat, *report; /* NULL: not wanted */
    bool energy, memory;
    bool written;
    const wse *machine;
    const isa_wafer *wafer;
    const isa_image *image;
    const host *host;
} api_trace;

/* What the environment asks for, and the machine's options for it. */
void api_trace_open(api_trace *t, wse_options *o);
/* Once, at the first call with a machine: every file that is wanted. After a fault or a deadlock, too. */
bool api_trace_write(api_trace *t, diag *d);

bool api_trace_json(const api_trace *t, FILE *out, diag *d);
bool api_trace_heat(const api_trace *t, FILE *out, diag *d);
void api_trace_energy(const api_trace *t, strbuf *out);
/* Joules by cause, in this order of rows; the last is the power of idle PEs over the time. */
enum { API_CAUSES = 9 };
typedef struct {
    const char *name;
    uint64_t count;
    double joules;
} api_cause;
void api_energy_causes(const isa_wafer *w, uint64_t pes, const wse_counters *n, double seconds,
                       api_cause out[API_CAUSES]);
bool api_trace_memory(const api_trace *t, strbuf *out, diag *d);

/* Costs by source line, the dearest first: by cycles of both kinds, then by place. */
typedef struct {
    uint32_t source, line;
    wse_cost cost;
} api_line;
typedef struct {
    api_line *all;
    size_t count;
    uint64_t cycles; /* of all lines */
} api_lines;
bool api_lines_read(api_lines *l, const api_trace *t, diag *d);
void api_lines_free(api_lines *l);
void api_lines_print(const api_lines *l, const api_trace *t, size_t most, strbuf *out);

#endif
