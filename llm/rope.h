/* Rotary position embedding: angles per pair, with the scalings models were trained with.
 *
 * Angle of pair i at position p is p * inv_freq[i]; cos and sin are multiplied by `magnitude`. Elements past rope_dims pass through.
 * Sources: RoFormer (arXiv 2104.09864); YaRN (arXiv 2309.00071); Llama 3.1 model card for the llama3 rule.
 */
#ifndef INGOT_LLM_ROPE_H
#define INGOT_LLM_ROPE_H
#include "llm/model.h"

typedef struct {
    double *inv_freq;        /* [dims / 2], f64: f32 loses bits at positions beyond 100,000 */
    double magnitude;
    uint32_t dims;
    rope_kind kind;
} rope_table;

/* `factors` is the rope_freqs tensor (dims / 2 divisors) or NULL; `windowed` picks the theta of windowed layers. */
bool rope_table_init(rope_table *t, arena *a, const llm_config *c, const float *factors, bool windowed, diag *d);
/* cos and sin of every pair at one position, [dims / 2] each. */
void rope_angles(const rope_table *t, uint64_t position, float *cosines, float *sines);
/* Rotates one head's vector in place. */
void rope_apply(const rope_table *t, const float *cosines, const float *sines, float *head);
#endif
