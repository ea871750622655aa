/* The native engine: the graph of ref.c with packed weights, vector kernels and threads.
 *
 *     native *n = native_new(store, &(native_options){.context = 4096}, threads, d);
 *     native_forward(n, prompt, count, logits, d);      // logits of the last token, [vocab]
 *     native_forward(n, &next, 1, logits, d);
 *
 * One sequence per engine. Tokens enter in batches; one parallel region per batch. Results do not depend on the number
 * of threads.
 */
#ifndef INGOT_LLM_NATIVE_H
#define INGOT_LLM_NATIVE_H
#include "llm/kern.h"
#include "llm/weights.h"

typedef struct {
    const kern *kernels; /* NULL = the best of this processor */
    uint32_t context;    /* tokens; 0 = the model's, at most NATIVE_CONTEXT_DEFAULT */
    uint32_t batch;      /* prompt tokens per pass over the weights; 0 = NATIVE_BATCH_DEFAULT */
    bool kv_f32;         /* KV cache in f32; else f16 */
    int prompt_digits;   /* 8-bit digits of activations for quantised weights: 1 or 2 (kern.h); 0 = 2 */
    int decode_digits;
    weights_options weights;
} native_options;

enum { NATIVE_CONTEXT_DEFAULT = 4096, NATIVE_BATCH_DEFAULT = 256 };

typedef struct native native;

native *native_new(llm_store *s, const native_options *o, pool *threads,
                   diag *d); /* NULL on failure; store and pool must outlive it */
void native_free(native *n);
/* Appends tokens to the context. `logits` may be NULL. On failure the context is as before. */
bool native_forward(native *n, const int32_t *ids, size_t count, float *logits, diag *d);
void native_rewind(native *n, uint32_t position); /* forget all tokens from `position` on */
/* Hot: every matrix reads a few of its panels, which stay in the second-level cache, again and again: the same
 * instructions, wrong numbers. What a pass then takes less is what it waited for weights (docs/audit-host.md).
 * Resident weights only; such passes do not count in the profile. */
void native_set_hot(native *n, bool hot);
uint32_t native_position(const native *n);
uint32_t native_context(const native *n);

/* Where time went, on thread 0, and what was moved and computed, by kind of step. */
typedef enum { STEP_EMBED, STEP_NORM, STEP_MATMUL, STEP_ATTENTION, STEP_OTHER, STEP_HEAD, STEP_COUNT } native_step;
typedef struct {
    double seconds;
    double weight_bytes;     /* packed weights read by the kernels */
    double kv_bytes;         /* keys and values read and written */
    double activation_bytes; /* inputs read and outputs written, counted once per operator */
    double flops;            /* 2 per multiply-add of matrices and attention */
} native_cost;
typedef struct {
    native_cost prompt[STEP_COUNT], decode[STEP_COUNT]; /* passes of more than one token; of one */
    uint64_t prompt_tokens, decode_tokens;
    double queued_seconds;   /* thread 0 was ready, but others had its processor: in the times above */
} native_profile;
const native_profile *native_get_profile(const native *n);
const char *native_step_name(native_step s);

typedef struct {
    weights_stats weights;
    uint64_t kv_bytes;       /* of the whole context, allocated */
    uint64_t kv_token_bytes; /* per token */
    uint64_t activation_bytes;
    const char *kernels;
} native_stats;
native_stats native_get_stats(const native *n);
#endif
