/* Serving, simulated: requests arrive, wait, are read and answered by replicas with continuous batching.
 *
 *     perf_sim_report r;
 *     perf_simulate(&r, &shape, &machine, &(perf_sim){.load = load, .requests = 100000, .rate = 20, .replicas = 1,
 * .batch_max = 64}, d);
 *
 * Discrete events, one per pass of a replica: a pass takes one token of every running request and, when some wait, up
 * to `chunk` tokens of the first prompt (chunked prefill). Its time comes from a table made by perf/predict.h for the
 * replica's way to run (perf/sim_passes.c). Requests advance together; memory is flat in their number. One thread:
 * results depend on nothing but what is asked.
 *
 * Stages. A replica that is cut into stages (pipeline of devices, wafers in a row) works on several groups of requests
 * at once; a stage takes one after the other, and a group that finds it busy waits. Wafers take tokens of a group one
 * behind the other, devices the group as a whole.
 *
 * Apart (`prefill_replicas` > 0): prompts are read on replicas of their own, `parts` at a time, each on its share of
 * the replica; keys and values cross a network (perf/sim_network.h) from a port of the reader to a port of the decoding
 * replica that has the fewest requests.
 *
 * Arrivals: Poisson at `rate`, a closed loop (`concurrency` users, each sends again when answered), or a trace.
 * Lengths: as given, spread log-normally with `spread`, or the trace's. All draws come from the seed. Agents: what
 * arrives is a task of `calls` requests, on average; each begins with the text of those before it, adds `call_tokens`
 * and comes `think_s` after the answer.
 *
 * Prefix cache. Memory that running requests leave keeps keys and values of earlier texts (sessions, blocks of a trace,
 * the `shared_tokens` that all prompts begin with), least recently used first out. What is found is not read again.
 * `hit_share` states a share instead of finding one.
 *
 * Definitions: TTFT from arrival to the first token; apart: to the delivery of keys and values. TPOT (last - first
 * token) / (tokens - 1); E2E from arrival to the last token; goodput: requests per second that met both limits.
 * Percentiles come from histograms of 1 % wide bins.
 *
 * Left out: preemption (a request that is running stays; one that does not fit waits), several models, failures; parts
 * of a prefix are at hand as soon as their reading begins; cached parts do not move between replicas.
 */
#ifndef INGOT_PERF_SIMULATE_H
#define INGOT_PERF_SIMULATE_H
#include "perf/predict.h"
#include "perf/requests.h"

typedef enum { PERF_CACHE_NONE, PERF_CACHE_REPLICA, PERF_CACHE_POOL } perf_cache_scope; /* pool: one for all replicas */

typedef struct {
    perf_load load;                     /* prompt and generate are the lengths' medians; batch is ignored */
    uint64_t requests, seed;            /* of a trace: at most so many */
    double rate, concurrency;           /* per second, all replicas; or users in a closed loop (rate 0) */
    double spread;                      /* sigma of the logarithm of lengths; 0 = all alike */
    perf_trace *trace;                  /* instead of rate, concurrency and lengths; NULL = none */
    double trace_speed;                 /* arrivals so many times as fast; 0 = 1 */
    double calls, call_tokens, think_s; /* agents; calls 0 or 1: single requests */
    double replicas, batch_max;         /* that decode (or do both); running requests of each */
    double chunk;                       /* prompt tokens in a pass; 0 = 2048 */
    double stages;                      /* of a replica; 0 = the pipeline that the prediction chose */
    perf_cache_scope cache;
    double shared_tokens,
        hit_share;              /* a beginning common to all prompts; share of a prompt found, instead of a cache */
    double prefill_replicas;    /* > 0: prompts apart */
    double parts;               /* prompts that one of them reads at once; 0 = 1 */
    double network_bytes_per_s; /* of a port */
    double ports;               /* of a replica; 0 = 1 */
    bool spread_ports;          /* a transfer uses all ports of both replicas */
    double core_bytes_per_s;    /* between the switches, for all; 0 = no limit */
    double in_flight; /* transfers of a part before it waits with the next prompt; 0 = 8; 1 = it sends before it reads
                         on */
    double chunks;    /* a transfer goes on while the prompt is read, in so many pieces; 0 = only behind it */
    double ttft_limit_s, tpot_limit_s; /* 0 = none */
} perf_sim;

typedef struct {
    double p50, p90, p99, mean;
} perf_percentiles;

typedef struct {
    uint64_t requests, met, refused, tasks; /* answered; within the limits; larger than a replica's memory; ended */
    double seconds;                         /* from the first arrival to the last answer */
    double requests_per_s, tokens_per_s, goodput_per_s;
    double busy_share, mean_batch;      /* of decoding replicas' time; requests decoding at once, of a replica */
    double reader_share, network_share; /* prefill replicas' time; of the busier kind of ports */
    double network_ttft_share;          /* of TTFT, from the end of reading to delivery */
    double hit_share;                   /* of prompt tokens */
    double stage_wait_share;            /* of passes' time, waiting for a stage */
    double kv_room_tokens;              /* of a replica, beside the weights */
    uint32_t tp, pp, stages;
    double systems;                      /* boxes or wafers of a replica */
    fact_kind weakest;                   /* kind of the weakest fact behind what binds a step of the fullest batch */
    perf_percentiles ttft_s, tpot_s, e2e_s, task_s;
} perf_sim_report;

/* load.ends: with the machine's facts at their slow or fast ends, the way to run kept: three runs make a range. */
bool perf_simulate(perf_sim_report *r, const perf_shape *s, const perf_machine *m, const perf_sim *sim, diag *d);
#endif
