/* Serving, simulated: requests arrive, wait, are read and answered by replicas with continuous batching.
 *
 *     perf_sim_report r;
 *     perf_simulate(&r, &shape, &machine, &(perf_sim){.load = load, .requests = 100000, .rate = 20, .replicas = 1, .batch_max = 64}, d);
 *
 * Discrete events, one per pass of a replica: a pass takes one token of every running request and, when some wait, up to `chunk` tokens of the
 * first prompts (chunked prefill). Its time comes from a table made by perf/predict.h for the replica's way to run, interpolated over
 * batch, mean context and prompt tokens. Requests advance together, so a pass costs O(1) and memory is flat in their number.
 *
 * Apart (`prefill_replicas` > 0): prompts are read on replicas of their own, one after the other; keys and values cross a network of
 * `network_bytes_per_s` per prefill replica; then a decoding replica takes them.
 *
 * Arrivals: Poisson at `rate`, or closed loop (`concurrency` users, each sends again when answered). Lengths: as given, or spread
 * log-normally with `spread`. All draws come from the seed.
 *
 * Definitions: TTFT from arrival to the first token; TPOT (last - first token) / (tokens - 1); E2E from arrival to the last token; goodput:
 * requests per second that met both limits. Percentiles come from histograms of 1 % wide bins.
 *
 * Left out: preemption (a request that is running stays; one that does not fit waits), prefix reuse, several models, failures.
 */
#ifndef INGOT_PERF_SIMULATE_H
#define INGOT_PERF_SIMULATE_H
#include "perf/predict.h"

typedef struct {
    perf_load load;                      /* prompt and generate are the lengths' medians; batch is ignored */
    uint64_t requests, seed;
    double rate, concurrency;            /* per second, all replicas; or users in a closed loop (rate 0) */
    double spread;                       /* sigma of the logarithm of lengths; 0 = all alike */
    double replicas, batch_max;          /* that decode (or do both); running requests of each */
    double chunk;                        /* prompt tokens in a pass; 0 = 2048 */
    double prefill_replicas;             /* > 0: prompts apart */
    double network_bytes_per_s;          /* of a prefill replica, for keys and values */
    double ttft_limit_s, tpot_limit_s;   /* 0 = none */
} perf_sim;

typedef struct {
    double p50, p90, p99, mean;
} perf_percentiles;

typedef struct {
    uint64_t requests, met;
    double seconds;                      /* from the first arrival to the last answer */
    double requests_per_s, tokens_per_s, goodput_per_s;
    double busy_share, mean_batch, network_share; /* of decoding replicas' time; of passes; of the network's time */
    uint32_t tp, pp;
    perf_percentiles ttft_s, tpot_s, e2e_s;
} perf_sim_report;

bool perf_simulate(perf_sim_report *r, const perf_shape *s, const perf_machine *m, const perf_sim *sim, diag *d);
#endif
