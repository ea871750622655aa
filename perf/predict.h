/* The predictor: what a machine takes for a model under a load. docs/predict.md holds every formula with its source.
 *
 *     perf_prediction p;
 *     perf_load load = {.prompt = 512, .generate = 128, .batch = 1};
 *     if (perf_predict(&p, &shape, &machine, &load, d)) ... p.ttft_s.value, p.tpot_s.low ...
 *
 * In: a shape (perf/shape.h), a machine (perf/machine.h), a load. Out: both phases operator by operator, and in total what a
 * user and an owner ask for. No data, no simulation; wse/ is never used. Three cases of the machine (slow end, stated, fast end
 * of every value) give the ranges; the way to run is chosen in the stated case and kept.
 *
 * Pure functions of their arguments: any number of threads, same results.
 */
#ifndef INGOT_PERF_PREDICT_H
#define INGOT_PERF_PREDICT_H
#include "perf/ops.h"

#define PERF_USABLE_SHARE 0.9 /* of a device's memory, for weights and KV: what serving software takes by default */

typedef enum { PERF_FOR_LATENCY, PERF_FOR_THROUGHPUT } perf_goal;

/* Serving software: what it adds to the operators (data/software, docs/predict.md). */
typedef struct {
    const char *name;
    double layer_s, step_s;              /* in each pass: per layer, once */
    double slowdown;                     /* factor on the operators; 0 = 1 */
} perf_software;

typedef struct {
    double prompt, generate;             /* tokens; each at least 1 */
    double batch;                        /* requests decoding at once; 0 = 1 */
    double prompt_batch;                 /* prompts in one pass; 0 = 1 */
    const perf_format *weights, *kv;     /* NULL: the model's own; 16 bits */
    uint32_t window;                     /* attention sees so many tokens, in all layers; 0 = the model's */
    bool streamed;                       /* weights enter from outside in every pass */
    uint32_t tp, pp, ep, dp;             /* tensor, pipeline, expert, data parallel; 0 = searched (dp: as many as fit) */
    double systems;                      /* 0 = as few as it takes */
    double draft_tokens, accepted, draft_cost; /* speculation: drafted per pass, share accepted, a draft pass over a pass */
    perf_goal goal;
    perf_software software;
    double wafer_side;                   /* PEs in a row of a layer's region; 0 = searched */
    double wafer_regions;                /* regions that work at once; 0 = as many as there is room for */
    int ends;                            /* facts of the machine: 0 as stated, -1 all at their slow end, 1 at their fast end */
} perf_load;

typedef struct {
    double low, value, high;
} perf_range;

typedef enum { PERF_COMPUTE, PERF_MEMORY, PERF_LINK, PERF_IO, PERF_LATENCY, PERF_LIMITS } perf_limit;
typedef enum { PERF_J_COMPUTE, PERF_J_MEMORY, PERF_J_LINK, PERF_J_IO, PERF_J_REST, PERF_CAUSES } perf_cause;

typedef struct {
    const char *name;
    double count, seconds;               /* of all occurrences together */
    double flops, memory_bytes, link_bytes;
    perf_limit binds;
} perf_op_cost;

/* One pass, the whole replica: a prompt (or prompts), or a step of decoding. */
typedef struct {
    double seconds;                      /* from its start until its tokens are there */
    double period_s;                     /* until the next may start behind it: pipelines overlap */
    double limit_s[PERF_LIMITS];         /* what each would take alone */
    perf_limit binds;
    double flops, memory_bytes, link_bytes, io_bytes, crossing_bytes; /* of all devices */
    double joules[PERF_CAUSES];          /* of all systems; zeros when power is absent */
    perf_op_cost ops[PERF_OPS_MAX];
    size_t op_count;
} perf_phase;

typedef struct {
    double systems;
    uint32_t tp, pp, ep, dp;
    double side;                         /* wafers: PEs in a row of a layer's region */
} perf_setup;

typedef struct {
    const perf_shape *shape;
    const perf_machine *machine;
    perf_load load;
    perf_setup setup;
    double weight_bytes, kv_bytes;       /* all weights as placed; the cache of the batch at the end */
    double memory_share;                 /* of the memory of the systems used */
    perf_phase prefill, decode;          /* the stated case */
    perf_range ttft_s, tpot_s, request_s;
    perf_range user_tok_s, decode_tok_s, total_tok_s; /* one stream; all streams decoding; prompts paid for too */
    perf_range joules_per_token, usd_per_mtok, watts; /* 0 when the facts are absent */
    fact_kind weakest;                   /* kind of the weakest fact that the binding limit rests on */
} perf_prediction;

bool perf_predict(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_load *load, diag *d);
/* The stated case alone, without ranges: for sweeps. */
bool perf_predict_point(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_load *load, diag *d);
/* One operation on one device, as measured alone: seconds. */
double perf_kernel_seconds(const perf_machine *m, const perf_numbers *n, perf_kernel_kind k, perf_rate r, double flops,
                           double bytes, perf_limit *binds);
/* A collective of `bytes` per device over `devices`. */
double perf_collective_seconds(const perf_machine *m, const perf_numbers *n, perf_kernel_kind k, double bytes,
                               double devices);

const char *perf_limit_name(perf_limit l, perf_class c);
const char *perf_cause_name(perf_cause c);
/* Values of a machine that a limit rests on, ended by NULL. */
const char *const *perf_limit_values(perf_limit l, perf_class c);

void perf_prediction_text(const perf_prediction *p, bool ops, strbuf *out);
/* One line beside a prediction with resident weights: the same with streamed ones. */
void perf_prediction_streamed(const perf_prediction *p, strbuf *out);
void perf_prediction_json(const perf_prediction *p, strbuf *out);
#endif
