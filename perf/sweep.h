/* Sweeps: predictions over a grid of parameters, in parallel. Results do not depend on the number of threads.
 *
 *     perf_sweep s = {...};
 *     perf_axis_parse(&s.axes[0], a, "batch=1,8,64", d); perf_axis_parse(&s.axes[1], a, "io_bw_bytes_per_s=1e11:1e13:9:log", d);
 *     perf_sweep_run(&s, a, threads, d);
 *
 * Parameters: machine, model, weights, kv; those of the load by the names of its options; any value of a machine.
 */
#ifndef INGOT_PERF_SWEEP_H
#define INGOT_PERF_SWEEP_H
#include "perf/predict.h"

enum { SWEEP_AXES_MAX = 6, SWEEP_POINTS_MAX = 1 << 22, SWEEP_VALUES_MAX = 1 << 20 };

typedef struct {
    const char *name;
    const char **values;     /* as text, also those of a range */
    size_t count;
} perf_axis;

/* What is kept of a point. */
#define SWEEP_METRICS(X)                                                                                              \
    X(ttft_s) X(tpot_s) X(request_s) X(user_tok_s) X(decode_tok_s) X(total_tok_s) X(watts) X(joules_per_token) X(usd_per_mtok)
typedef struct {
    bool ok;
#define SWEEP_FIELD(name) double name;
    SWEEP_METRICS(SWEEP_FIELD)
#undef SWEEP_FIELD
    double systems, memory_share;
    uint32_t tp, pp, ep, dp;
    const char *binds;
    perf_range user, all;                /* of user_tok_s and total_tok_s, by the machine's facts */
    fact_kind weakest;
} perf_point;

typedef struct {
    const char *model, *machine, *set;   /* where no axis says otherwise; set: "NAME=VALUE,..." */
    perf_load load;
    perf_axis axes[SWEEP_AXES_MAX];
    size_t axis_count;
    perf_point *points;                  /* [count]; the last axis varies fastest */
    size_t count;
} perf_sweep;

bool perf_axis_parse(perf_axis *x, arena *a, const char *text, diag *d);
bool perf_sweep_run(perf_sweep *s, arena *a, int threads, diag *d);
size_t perf_sweep_index(const perf_sweep *s, size_t point, size_t axis);   /* which value of the axis */
double perf_point_metric(const perf_point *p, const char *metric);          /* NAN: no such metric, or no prediction */

void perf_sweep_csv(const perf_sweep *s, strbuf *out);
void perf_sweep_json(const perf_sweep *s, strbuf *out);
/* A line chart: the last axis across, one line for each combination of the others. */
bool perf_sweep_svg(const perf_sweep *s, const char *metric, strbuf *out, diag *d);
#endif
