/* The engine `wafer`: the model on a simulated wafer, by the CSL kernels of kernels/transformer.
 *
 *     wafer *w = wafer_new(store, &(wafer_options){.plan = {.context = 512}}, d);
 *     wafer_forward(w, prompt, count, logits, d);             // logits of the last token, [vocab]
 *     wafer_greedy(w, token, 8, take, arg, d);                // eight likeliest tokens in one launch
 *     wafer_free(w);
 *
 * The plan (map/plan.h) gives the layout's parameters; the weights of every PE are written into its memory as f16, to
 * nearest, from any tensor type. Prompts go through the layers in chunks, several tokens at once in different regions.
 * One sequence per engine. Everything that the wafer computes depends on model, plan and tokens alone, not on threads.
 *
 * With plan.streamed weights come from the store at every pass, layer by layer (cluster/wafer_stream.c); then the host
 * looks up embeddings and chooses tokens.
 *
 * A plan of several wafers is a chain of machines; the host carries x from one to the next, token by token.
 */
#ifndef INGOT_CLUSTER_WAFER_H
#define INGOT_CLUSTER_WAFER_H
#include "api/api.h"
#include "host/host.h"
#include "llm/store.h"
#include "map/plan.h"

typedef struct {
    void (*fn)(void *arg, double fraction); /* NULL = silent */
    void *arg;
} wafer_progress;

typedef struct {
    const char *machine, *profile; /* NULL: "wse3", "vendor-sim"; or the path of a wafer file */
    plan_options plan;
    uint32_t threads; /* of the simulator; 0 = 1 */
    double sparsity;  /* streamed: the smallest of each matrix, this share of it, are left out */
    api_holes holes;
    wafer_progress loading, prompt;
} wafer_options;

typedef struct wafer wafer;

wafer *wafer_new(llm_store *s, const wafer_options *o, diag *d); /* NULL on failure; the store must outlive it */
void wafer_free(wafer *w);
/* Appends tokens to the context. `logits` may be NULL. After a failure the engine is of no more use. */
bool wafer_forward(wafer *w, const int32_t *ids, size_t count, float *logits, diag *d);
/* Appends `token`, and then count - 1 tokens each of which is the likeliest behind the one before; `take` is told of
 * the `count` tokens found (the last one is not in the context yet) as the wafer writes them. At most PLAN_STEPS_MAX;
 * not with streamed weights. */
bool wafer_greedy(wafer *w, int32_t token, uint32_t count, void (*take)(void *arg, int32_t token), void *arg, diag *d);
void wafer_rewind(wafer *w, uint32_t position); /* forget all tokens from `position` on */
uint32_t wafer_position(const wafer *w);
uint32_t wafer_context(const wafer *w);

/* ---- what it took ---- */

/* Of all calls of one kind. Phases: sums over layers of the mean over a region's first row; of the head, its first PE.
 */
typedef struct {
    uint64_t tokens, calls, cycles;
    double host_seconds;
    double layer[PLAN_PHASES], head[PLAN_HEAD_PHASES_COUNT];
    wse_counters counters;
} wafer_work;

typedef struct {
    wafer_work prompt, decode;        /* calls with more tokens than one; with one token, or greedy */
    uint32_t layer_bytes, head_bytes; /* of PE memory, measured: the largest program's data, stack and code */
    uint32_t code_bytes[2];           /* of these, instructions: layer, head */
    uint32_t programs;
    uint64_t passes, streamed_words; /* with streamed weights: passes over the model; words of 32 bits sent */
    double compile_seconds, load_seconds;
    uint64_t simulator_bytes;
} wafer_stats;

const plan *wafer_plan(const wafer *w);
const isa_wafer *wafer_machine(const wafer *w);
const wafer_stats *wafer_get_stats(const wafer *w);
#endif
