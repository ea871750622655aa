/* Cycles of one token, to first order. The formulas:
 *
 *   vector operation on n elements     VECTOR_CYCLES + n / rate of its instruction (the wafer's file)
 *   sum along n PEs, L elements        CHAIN_CYCLES n + L; in groups of g: CHAIN_CYCLES (g + n / g) + hop (n - g) + L
 *   copy to n PEs                      hop n + L
 *   matrix tile of I inputs, O outputs I vector operations (@fmachs) on O elements
 *   attention                          per slot and query head: score 4 head_size, weighing 2.5 head_size, and
 * SLOT_CYCLES activation                         ELEMENT_CYCLES an element, of which exp is the most
 *
 * A PE works on the slots that it has: positions are dealt to the PEs of a unit in turn, so the busiest one decides.
 * The regions of one token work one after the other; those of a prompt's tokens at the same time, and the slowest
 * region decides. */
#include "map/plan.h"
#include <math.h>

enum {
    VECTOR_CYCLES = 20,  /* descriptor loads, dispatch, start and end of an operation, and its share of the loop */
    CHAIN_CYCLES = 6,    /* a PE of a chain: ramp in, add, ramp out */
    CALL_CYCLES = 30,    /* around a collective: its call and conditions */
    SLOT_CYCLES = 160,   /* per slot and head: vector operations of score and weight, an exp */
    ELEMENT_CYCLES = 90, /* exp and a division */
    NORM_CYCLES = 120,   /* square root, division */
    STEP_CYCLES = 60,    /* around a phase */
};

static double ceil_div(double n, double parts) { return ceil(n / parts); }

static double vector_op(const isa_wafer *w, int op, double n) {
    double per_element = w->dsd_rate[op].elements ? (double)w->dsd_rate[op].cycles / w->dsd_rate[op].elements : 1;
    return VECTOR_CYCLES + n * per_element;
}

static double tile(const isa_wafer *w, double inputs, double outputs) {
    return STEP_CYCLES + inputs * vector_op(w, ISA_D_FMACHS, outputs);
}

static double chain(const isa_wafer *w, double pes, double group, double length) {
    if (pes <= 1) return 0;
    if (group >= pes) return CALL_CYCLES + CHAIN_CYCLES * pes + length;
    return CALL_CYCLES + CHAIN_CYCLES * (group + ceil_div(pes, group)) + w->hop_cycles * (pes - group) + length;
}

static double copy(const isa_wafer *w, double pes, double length) {
    return pes <= 1 ? 0 : CALL_CYCLES + w->hop_cycles * pes + length;
}

static double sum_and_copy(const isa_wafer *w, double pes, double group, double length) {
    return chain(w, pes, group, length) + copy(w, pes, length);
}

uint32_t plan_row_group(uint32_t width, const isa_wafer *w) {
    uint32_t best = width;
    for (uint32_t g = 2; g < width; g++)
        if (chain(w, width, g, 0) < chain(w, width, best, 0)) best = g;
    return best;
}

/* Sum of squares (and of elements), its sum along the row, the scaling. */
static double norm(const plan *p, const isa_wafer *w) {
    double passes = p->norm ? 2 : 1;
    return passes * (2 * vector_op(w, ISA_D_FMULS, p->d_tile) + sum_and_copy(w, p->width, p->row_group, 1)) +
           2 * vector_op(w, ISA_D_FMULS, p->d_tile) + NORM_CYCLES;
}

static double attention(const plan *p, uint32_t position) {
    double seen = position + 1.0, slots = ceil_div(seen, (double)p->unit_rows * p->width);
    return slots * p->group * (SLOT_CYCLES + 6.5 * p->head_size);
}

static void layer(const plan *p, const isa_wafer *w, uint32_t position, double out[PLAN_PHASES]) {
    double heads = p->group + 2.0, sums = (double)p->group * p->head_size + 2.0 * p->group;
    out[PLAN_NORM] = (2 + 2.0 * p->post_norm) * norm(p, w);
    out[PLAN_QKV] = tile(w, p->d_tile, p->qkv_tile);
    out[PLAN_QKV_SUM] = chain(w, p->width, p->row_group, p->qkv_tile) + copy(w, p->width, heads * p->head_size) +
                        copy(w, p->unit_rows, heads * p->head_size);
    if (p->rope_style) out[PLAN_ROPE] = 8 * (heads - 1) * vector_op(w, ISA_D_FMULS, p->rope_dims / 2.0);
    if (p->qk_norm) out[PLAN_ROPE] += (heads - 1) * (3 * vector_op(w, ISA_D_FMULS, p->head_size) + NORM_CYCLES);
    out[PLAN_ATTENTION] = attention(p, position);
    out[PLAN_ATTENTION_SUM] = chain(w, p->width, p->row_group, sums) +
                              sum_and_copy(w, p->unit_rows, p->unit_rows, sums) +
                              sum_and_copy(w, p->width, p->row_group, p->group);
    out[PLAN_O] = tile(w, p->o_tile, p->d_tile);
    out[PLAN_O_SUM] = sum_and_copy(w, p->rows, p->rows, p->d_tile);
    out[PLAN_UP] = tile(w, p->d_tile, p->up_tile);
    out[PLAN_UP_SUM] = sum_and_copy(w, p->width, p->row_group, p->up_tile);
    out[PLAN_ACTIVATION] = STEP_CYCLES + (double)ELEMENT_CYCLES * p->mlp_tile;
    out[PLAN_DOWN] = tile(w, p->mlp_tile, p->d_tile);
    out[PLAN_DOWN_SUM] = sum_and_copy(w, p->rows, p->rows, p->d_tile) + w->hop_cycles * p->rows;
}

static void head(const plan *p, const isa_wafer *w, double out[PLAN_HEAD_PHASES_COUNT]) {
    double strip = (double)p->rows * p->layers; /* the embedding goes up to the first layer */
    out[PLAN_HEAD_NORM] = norm(p, w);
    out[PLAN_HEAD_MULTIPLY] = tile(w, p->d_tile, p->vocab_tile);
    out[PLAN_HEAD_SUM] = chain(w, p->width, p->row_group, p->vocab_tile);
    out[PLAN_HEAD_ARGMAX] = 8.0 * p->vocab_tile + 2 * sum_and_copy(w, p->head_rows, p->head_rows, 2);
    out[PLAN_HEAD_EMBED] = STEP_CYCLES + 8.0 * p->d_tile + chain(w, p->head_rows, p->head_rows, p->d_tile) +
                           w->hop_cycles * strip + p->d_tile;
}

void plan_cycles_at(const plan *p, const isa_wafer *w, uint32_t position, plan_cycles *out) {
    *out = (plan_cycles){.position = position};
    layer(p, w, position, out->layer);
    head(p, w, out->head);
    for (int i = 0; i < PLAN_PHASES; i++) out->layer_total += out->layer[i];
    for (int i = 0; i < PLAN_HEAD_PHASES_COUNT; i++) out->head_total += out->head[i];
    out->token = p->layers * out->layer_total + out->head_total;
    out->prompt = out->layer_total;
}
