/* Shared by predict.c (the search and the totals) and its two models of a pass. */
#ifndef INGOT_PERF_PREDICT_INTERNAL_H
#define INGOT_PERF_PREDICT_INTERNAL_H
#include "perf/predict.h"
#include <stddef.h>
#include <string.h>

/* Operators of the passes last asked for: most candidates of a search share them. For one case of the machine. */
typedef struct {
    perf_pass pass;
    size_t count;
    perf_op ops[PERF_OPS_MAX];
    bool priced;                     /* devices: what arithmetic and memory give each operator, and its overhead */
    double flops_per_s[PERF_OPS_MAX], bytes_per_s[PERF_OPS_MAX], overhead_s[PERF_OPS_MAX];
} perf_op_list;

/* One way to run, in one case of the machine. */
typedef struct {
    const perf_shape *s;
    const perf_machine *m;
    perf_numbers n;
    const perf_load *load;
    perf_setup set;
    double weight_bits, dense_bits, kv_bits;
    perf_rate rate;                  /* of arithmetic on weights, as the machine has it */
    double weights_b, kv_b;          /* bytes: all weights as placed; keys and values of the batch at the end */
    perf_op_list *lists;             /* [2]: of prompts, of decoding */
    bool brief;                      /* totals only: operators are not noted one by one */
} perf_way;

/* `sequences` are those of one replica (devices: of one of its pipeline's micro-batches). */
void perf_device_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out);
void perf_wafer_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out);
double perf_wafer_regions(const perf_way *w);

static inline perf_pass perf_pass_of(const perf_way *w, double sequences, double tokens, double position) {
    perf_pass p;
    memset(&p, 0, sizeof p); /* padding too: passes are compared as bytes */
    p.sequences = sequences, p.tokens = tokens, p.position = position, p.window = w->load->window;
    p.weight_bits = w->weight_bits, p.dense_bits = w->dense_bits, p.kv_bits = w->kv_bits;
    return p;
}

static inline perf_op_list *perf_ops_of(const perf_way *w, const perf_pass *p) {
    perf_op_list *l = &w->lists[p->tokens == 1];
    if (!l->count || memcmp(&l->pass, p, sizeof *p))
        l->pass = *p, l->count = perf_ops(w->s, p, l->ops), l->priced = false;
    return l;
}

static inline void perf_phase_clear(perf_phase *out) {
    memset(out, 0, offsetof(perf_phase, ops));
    out->op_count = 0;
}

/* Adds a number of occurrences of an operator to a phase. */
static inline void perf_phase_add(const perf_way *w, perf_phase *out, const perf_op_cost *c) {
    out->seconds += c->seconds;
    out->flops += c->flops;
    out->memory_bytes += c->memory_bytes;
    out->link_bytes += c->link_bytes;
    if (!w->brief && out->op_count < PERF_OPS_MAX) out->ops[out->op_count++] = *c;
}
#endif
