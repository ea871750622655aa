/* The oracle: one token after the other, one thread, f32, every weight widened to f32. Slow, short and obvious; it is
 * the judge of every faster engine. Dot products are summed in f64, so its own rounding is below what it judges.
 *
 *     ref *r = ref_new(store, 512, d);
 *     ref_step(r, token, logits, d);          // logits [vocab], or NULL while the prompt is read
 */
#ifndef INGOT_LLM_REF_H
#define INGOT_LLM_REF_H
#include "llm/store.h"

typedef struct ref ref;

ref *ref_new(llm_store *s, uint32_t context, diag *d); /* NULL on failure; the store must outlive it */
void ref_free(ref *r);
bool ref_step(ref *r, int32_t token, float *logits, diag *d);

/* Logits after each of `count` tokens, [count][vocab], from an empty context. */
bool ref_logits(llm_store *s, const int32_t *ids, size_t count, float *logits, diag *d);
#endif
