/* Shared by predict.c (the search and the totals) and its two models of a pass. */
#ifndef INGOT_PERF_PREDICT_INTERNAL_H
#define INGOT_PERF_PREDICT_INTERNAL_H
#include "perf/predict.h"

/* One way to run, in one case of the machine. */
typedef struct {
    const perf_shape *s;
    const perf_machine *m;
    perf_numbers n;
    const perf_load *load;
    perf_setup set;
    double weight_bits, dense_bits, kv_bits;
    perf_rate rate;                  /* of arithmetic on weights, as the machine has it */
} perf_way;

/* `sequences` are those of one replica (devices: of one of its pipeline's micro-batches). */
void perf_device_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out);
void perf_wafer_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out);
double perf_wafer_regions(const perf_way *w);

static inline perf_pass perf_pass_of(const perf_way *w, double sequences, double tokens, double position) {
    return (perf_pass){.sequences = sequences, .tokens = tokens, .position = position, .weight_bits = w->weight_bits,
                       .dense_bits = w->dense_bits, .kv_bits = w->kv_bits, .window = w->load->window};
}

/* Adds a number of occurrences of an operator to a phase. */
static inline void perf_phase_add(perf_phase *out, const perf_op_cost *c) {
    out->seconds += c->seconds;
    out->flops += c->flops;
    out->memory_bytes += c->memory_bytes;
    out->link_bytes += c->link_bytes;
    if (out->op_count < PERF_OPS_MAX) out->ops[out->op_count++] = *c;
}
#endif
