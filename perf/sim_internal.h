/* Inside the serving simulation (simulate.c, sim_requests.c, sim_report.c). */
#ifndef INGOT_PERF_SIM_INTERNAL_H
#define INGOT_PERF_SIM_INTERNAL_H
#include "base/rng.h"
#include "perf/sim_cache.h"
#include "perf/sim_network.h"
#include "perf/sim_passes.h"

enum { SIM_REPLICAS_MAX = 4096, SIM_BATCH_MAX = 4096, SIM_QUEUE_MAX = 1 << 20, SIM_STAGES_MAX = 1024, SIM_BINS = 4096 };

typedef struct {
    double arrival, first, read_end, task_start;
    uint32_t prompt, output, left; /* left: prompt tokens to read, then tokens to write */
    uint32_t hit, calls_left;      /* tokens found in a cache; calls of its task that follow */
    uint64_t session, line_at;
    uint32_t line_bytes;
} sim_request;

typedef struct {
    sim_request *items;
    size_t head, count, capacity;
} sim_queue;

typedef struct {
    uint64_t bins[SIM_BINS], count;
    double sum;
} sim_histogram;

/* A group of requests of a replica, which go from stage to stage together. */
typedef struct {
    sim_request *running; /* [lane_max] */
    size_t count;
    double context; /* sum over the running */
    bool busy, reading;
    sim_request read; /* the prompt in work */
    double tokens;    /* of it, in this pass */
    uint32_t replica;
} sim_lane;

typedef struct {
    double *stage_free, context; /* [stages]; tokens of its lanes and of the prompts they read */
    size_t requests;             /* running, or on the way: for choosing among them */
    sim_queue ready;             /* apart: delivered */
    uint32_t next_port;
} sim_replica;

/* A part of a prefill replica. */
typedef struct {
    sim_request read;
    bool busy;
    size_t in_flight;
} sim_reader;

typedef enum { SIM_ARRIVAL, SIM_PASS_END, SIM_READ_END, SIM_CALL } sim_event_kind;
typedef struct {
    double at;
    uint32_t kind, index;
    uint64_t order; /* equal times: first come, first served */
} sim_event;

typedef struct {
    const perf_sim *sim;
    sim_passes passes;
    rng draws;
    diag *d;
    bool ok;
    double now, next_arrival_s;
    /* events, a heap */
    sim_event *events;
    size_t event_count, event_capacity;
    uint64_t event_order;
    /* what waits */
    size_t queued;           /* in all queues together */
    sim_queue waiting, *own; /* for anybody; for a replica that knows the session ([unit_count]) */
    sim_request *calls;      /* of agents, until they are sent; free slots are chained by `left` */
    size_t call_capacity;
    uint32_t free_call;
    sim_request *flying; /* in the network; slots as above */
    size_t flying_capacity;
    uint32_t free_flying;
    bool from_trace, more; /* a request of the trace is at hand */
    perf_request next;
    /* who works */
    sim_lane *lanes;
    sim_replica *replicas;
    sim_reader *readers;
    sim_request *room; /* running requests of all lanes */
    double *stage_room;
    size_t lane_count, lanes_each, lane_max, replica_count, reader_count, parts, idle_lanes;
    sim_cache *caches;
    size_t cache_count;
    uint64_t *blocks; /* of a prompt: ids */
    sim_network network;
    /* what came of it */
    uint64_t sent, done, met, refused, tokens, tasks, sessions;
    double batch_s, busy_s, wait_s, pass_s, read_s, prompt_sum, hit_sum, ttft_sum, network_sum;
    sim_histogram ttft, tpot, e2e, task;
} sim_state;

/* simulate.c */
bool sim_event_add(sim_state *s, double at, sim_event_kind kind, uint32_t index);

/* sim_requests.c: queues, where requests come from, what of them is cached */
bool sim_push(sim_state *s, sim_queue *q, const sim_request *r);
sim_request sim_pop(sim_state *s, sim_queue *q);
bool sim_take(sim_state *s, size_t unit,
              sim_request *r); /* the next request for a replica (apart: a prefill replica) */
bool sim_slot(sim_state *s, sim_request **slots, size_t *capacity, uint32_t *free, uint32_t *slot);
void sim_begin_arrivals(sim_state *s);
void sim_arrive(sim_state *s);
void sim_next_call(sim_state *s, const sim_request *r); /* an agent goes on, or its task ends */
void sim_send_call(sim_state *s, uint32_t slot);
void sim_look_up(sim_state *s, size_t unit, double taken,
                 sim_request *r); /* sets r->hit; the prompt is in the cache from now on */
void sim_remember(sim_state *s, size_t unit, const sim_request *r); /* its answer too */

/* sim_report.c */
void sim_note(sim_histogram *h, double x);
void sim_answered(sim_state *s, const sim_request *r);
void sim_report(const sim_state *s, perf_sim_report *r);
#endif
