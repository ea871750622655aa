/* A model on our own kernels: where map/ would lay it on a wafer, and what it would do there by map/cycles.c.
 *
 * perf/predict.h says what kernels as good as those that were measured would do; this is what the kernels of
 * kernels/transformer do, which `ingot run --engine wafer` runs and tests hold to the machine within 10 %. Decoding is one
 * token after the other; of a prompt up to one token for each layer is in flight. Between wafers nothing is counted.
 *
 * Refused: experts, latent attention (there are no kernels), contexts beyond 65,535 tokens, what does not fit.
 */
#ifndef INGOT_PERF_PLANNED_H
#define INGOT_PERF_PLANNED_H
#include "map/plan.h"
#include "perf/predict.h"

typedef struct {
    plan plan;
    double clock_hz;
    double ttft_s, tpot_s, user_tok_s;
    double token_cycles, prompt_cycles; /* with half of the text in the context; all of the prompt */
} perf_planned;

bool perf_plan(perf_planned *out, arena *a, const perf_shape *s, const perf_machine *m, const perf_load *load, diag *d);
void perf_planned_text(const perf_planned *p, strbuf *out);
void perf_planned_json(const perf_planned *p, strbuf *out); /* as a member of the JSON object that `out` ends with */
#endif
