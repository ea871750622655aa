/* Operators of a pass of a shape, with what each costs: the predictor's list. One place, for dense models, experts and latent
 * attention alike; where llm/graph.h knows the family too, a test holds the two sums against each other.
 *
 *     perf_op ops[PERF_OPS_MAX];
 *     size_t n = perf_ops(&shape, &(perf_pass){.sequences = 8, .tokens = 1, .position = 512, ...}, ops);
 *
 * A pass takes `tokens` new tokens of each of `sequences`, which have `position` tokens before them: (1, prompt, 0) is a
 * prompt, (batch, 1, context) a decoding step. n = sequences x tokens. Per occurrence, for the whole model:
 *   matrices      2 n in out flops; weights once; in and out vectors at 2 bytes
 *   attention     q.k and p.v at 2 flops per multiply-add over the keys seen (causal, windows: mean over layers in ops of their
 *                 own); K and V of a sequence are read once per pass (decode) or once per prompt
 *   MLA decode    absorbed: 2 heads (2 kv_lora + rope) flops per key, the latent (kv_lora + rope) read once for all heads
 *   MLA prefill   keys and values are built first ("kv up"), then attention as usual
 *   experts       flops of experts_per_token for every token; weights of the experts that at least one token meets,
 *                 E (1 - (1 - k / E)^n) when tokens choose alike and independently; shared experts are a dense MLP
 *   head          one row of logits per sequence
 * Norms stand for norm + residual + quantisation fused; rope and KV store belong to attention (reference: audit section 8).
 */
#ifndef INGOT_PERF_OPS_H
#define INGOT_PERF_OPS_H
#include "perf/format.h"
#include "perf/shape.h"

enum { PERF_OPS_MAX = 24 };

typedef struct {
    double sequences, tokens, position;
    double weight_bits, dense_bits;      /* of experts (or all), of what is no expert */
    double kv_bits;
    uint32_t window;                     /* instead of the model's, for all layers; 0 = the model's */
} perf_pass;

typedef struct {
    const char *name;
    perf_kernel_kind kernel;
    double count;                        /* occurrences in a pass */
    double flops, weight_bytes, weight_elems, kv_bytes, act_bytes;
    double rows;                         /* output elements of a token: reductions on wafers */
    double reduced;                      /* elements that a wafer's reductions carry, in all */
    unsigned reductions;                 /* one after the other, on a wafer */
    bool expert;                         /* weights lie spread over the expert-parallel group */
    bool whole;                          /* not divided over a tensor-parallel group */
    bool collective;                     /* a sum over the group follows */
} perf_op;

size_t perf_ops(const perf_shape *s, const perf_pass *p, perf_op ops[PERF_OPS_MAX]);
#endif
