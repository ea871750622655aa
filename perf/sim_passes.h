/* Times of passes, interpolated in a table of predictions over batch, mean context and prompt tokens. */
#ifndef INGOT_PERF_SIM_PASSES_H
#define INGOT_PERF_SIM_PASSES_H
#include "perf/simulate.h"

enum { SIM_GRID = 26 };

typedef struct {
    bool wafer;
    uint32_t tp, pp, stages;
    double systems;
    fact_kind weakest;
    double kv_room_tokens, kv_token_bytes; /* of a replica, beside the weights */
    size_t batches, contexts, prompts;
    double batch[SIM_GRID], context[SIM_GRID], prompt[SIM_GRID], decode_s[SIM_GRID][SIM_GRID], period_s[SIM_GRID],
        prompt_s[SIM_GRID], prompt_busy_s[SIM_GRID];
} sim_passes;

/* What a group of requests needs: each stage is held for `busy_s`; the first token is through it after `head_s`; the
 * last one comes `tail_s` behind the first. */
typedef struct {
    double busy_s, head_s, tail_s;
} sim_pass;

bool sim_passes_make(sim_passes *t, const perf_shape *s, const perf_machine *m, const perf_sim *sim, double longest,
                     diag *d);
/* `tokens` of a prompt behind `from` that are there, alone: seconds. */
double sim_read_s(const sim_passes *t, double from, double tokens);
sim_pass sim_pass_of(const sim_passes *t, double batch, double context, double from, double tokens);
#endif
