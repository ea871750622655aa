/* The report under a run: what the host did, measured, and what other machines would have done, predicted. */
#ifndef INGOT_CLI_RUN_REPORT_H
#define INGOT_CLI_RUN_REPORT_H
#include "cli/pruning.h"
#include "llm/native_probe.h"
#include "perf/predict.h"

enum { REPORT_MACHINES = 2 };
extern const char *const report_machines[REPORT_MACHINES]; /* names of files in data/machines */

typedef struct {
    const session *s;
    const generation *g;
    str prompt, text;                      /* as given; as generated */
    const pruning *pruned;                 /* NULL: all weights are there */
    uint64_t seed;
    native_stats stats;                    /* zero for the oracle */
    native_profile profile;
    native_verdict verdict;
    uint64_t store_bytes;                  /* delivered by the weight store so far */
    uint64_t peak_rss_bytes;
    perf_shape shape;
    perf_prediction resident[REPORT_MACHINES], streamed[REPORT_MACHINES]; /* streamed: where weights can be */
    perf_machine machines[REPORT_MACHINES];
} run_report;

/* Measures the host's limits (a tenth of a second) and predicts. `a` keeps the machine files. */
bool run_report_make(run_report *r, arena *a, session *s, const generation *g, diag *d);
void run_report_text(const run_report *r, strbuf *out);
void run_report_json(const run_report *r, strbuf *out);
#endif
