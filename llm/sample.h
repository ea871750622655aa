/* Sampling: from logits to the next token.
 *
 * Order of the steps: repetition penalty, top-k, top-p, min-p, temperature, draw. Temperature 0 takes the likeliest
 * token (the lowest id among equals) after the penalty. Same options, seed and logits: same tokens.
 */
#ifndef INGOT_LLM_SAMPLE_H
#define INGOT_LLM_SAMPLE_H
#include "base/diag.h"
#include "base/rng.h"
#include <stdint.h>

typedef struct {
    float temperature;    /* 0 = greedy */
    int32_t top_k;        /* keep the k likeliest; 0 = all */
    float top_p;          /* keep the likeliest whose probabilities reach p; 1 = all */
    float min_p;          /* keep tokens with at least this share of the likeliest one's probability; 0 = all */
    float repeat_penalty; /* divides positive logits of recent tokens and multiplies negative ones; 1 = none */
    uint32_t repeat_last; /* how many recent tokens count */
    uint64_t seed;
} sample_options;

typedef struct sampler sampler;

sampler *sampler_new(const sample_options *o, uint32_t vocab,
                     diag *d); /* NULL on failure; told which option is out of range */
void sampler_free(sampler *s);
/* Tells the sampler of a token of the text (prompt or chosen), for the penalty. */
void sampler_accept(sampler *s, int32_t token);
/* Chooses; `logits` [vocab] are changed. NaN counts as impossible. */
int32_t sampler_pick(sampler *s, float *logits);
#endif
