/* Capacity: how many systems serve a rate under limits on the first token and on each token, and what they draw and cost; or what a
 * number of megawatts serves.
 *
 * A unit is what perf_predict runs one batch on (a box, several wafers). Batches 1, 2, 4, ... are tried; among those that meet the
 * limits the one with the most tokens per second and system wins. Prompts are paid for. No queues: real arrivals need slack, for which
 * `utilisation` stands; perf/simulate.h has the queues.
 */
#ifndef INGOT_PERF_CAPACITY_H
#define INGOT_PERF_CAPACITY_H
#include "perf/predict.h"

typedef struct {
    perf_load load;                  /* batch is ignored */
    double ttft_limit_s, tpot_limit_s; /* 0 = none */
    double requests_per_s;           /* to be served; 0 when megawatts say how many systems there are */
    double megawatts;
    double pue, utilisation;         /* PUE at least 1; share of the capacity that is planned for */
    double usd_per_kwh;              /* electricity; 0 = not priced */
} perf_capacity_ask;

typedef struct {
    perf_prediction unit;            /* the batch chosen */
    double unit_requests_per_s;      /* at full use */
    perf_range systems_range, serve_range; /* with all facts at their ends, the batch and the way to run kept; requests/s of these systems */
    double units, systems, requests_per_s, tokens_per_s;
    double megawatts;                /* what must be there: the systems' most, with PUE; 0 when power is absent */
    double mean_megawatts;           /* what is drawn: busy for `utilisation` of the time, idle for the rest; with PUE */
    double electricity_usd_per_hour, electricity_usd_per_mtok; /* of the mean power */
    double joules_per_token;         /* of the mean power, at the meter of the site */
    double usd_per_hour, usd_per_mtok; /* cost of owning, which contains electricity; 0 when absent */
    double price_usd;                /* of the systems; 0 when absent */
} perf_capacity;

bool perf_capacity_plan(perf_capacity *c, const perf_shape *s, const perf_machine *m, const perf_capacity_ask *ask, diag *d);
#endif
