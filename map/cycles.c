/* Cycles of one token, to first order. The formulas:
 *
 *   vector operation on n elements   VECTOR_CYCLES + n / rate of its instruction (the wafer's file)
 *   sum along n PEs, L elements      CALL_CYCLES + CHAIN_CYCLES n + L; in groups of g the heads' chain begins when the
 *                                    groups' are through: CALL_CYCLES + CHAIN_CYCLES (g + n / g) + hop (n - g) + 2 L
 *   copy to n PEs                    CALL_CYCLES + hop n + L
 *   rows with the root in the middle half as many PEs, and L more where the two sides meet
 *   matrix tile of I inputs          TILE_CYCLES + I (COLUMN_CYCLES + outputs / rate of @fmachs)
 *   attention, slot                  see plan_slot_cycles (map/plan.h)
 *   activation, element              ELEMENT_CYCLES, of which exp is the most; the PEs of a row share its elements
 *
 * The constants are what the simulated WSE-3 takes for the parts of kernels/transformer, taken from four placements of
 * one layer; docs/wafer-models.md has the comparison for others. A PE works on the slots that it has: positions are
 * dealt to the PEs of a unit in turn, so the busiest one decides. The regions of one token work one after the other;
 * those of a prompt's tokens at the same time, and the slowest region decides. */
#include "map/plan_internal.h"
#include <math.h>

enum {
    VECTOR_CYCLES = 20, /* descriptor loads, dispatch, start and end of an operation */
    CHAIN_CYCLES = 6,   /* a PE of a chain: ramp in, add, ramp out */
    CALL_CYCLES = 66,   /* around a collective: its call, conditions, the first and last PE's ramps */
    TILE_CYCLES = 90,
    ELEMENT_CYCLES = 190,
    NORM_CYCLES = 330,  /* square root, divisions, operations whose length is 1 */
    BLOCK_CYCLES = 90,  /* powers of two of a block */
    LATE_CYCLES = 330,  /* the same as NORM_CYCLES, on the root alone */
    PIECE_CYCLES = 130, /* a division, a vector operation and what is around them */
    EMBED_CYCLES = 300, /* conversions of a token's number, looking for its row */
    CHOICE_CYCLES = 8,  /* a logit: on the way to the best one, on the PE that has it */
};
#define COLUMN_CYCLES 7.5 /* of one input in @map: no descriptor is loaded anew */

static double vector_op(const isa_wafer *w, int op, double n) {
    double per_element = w->dsd_rate[op].elements ? (double)w->dsd_rate[op].cycles / w->dsd_rate[op].elements : 1;
    return VECTOR_CYCLES + n * per_element;
}

static double tile(const isa_wafer *w, double inputs, double outputs) {
    return TILE_CYCLES + inputs * (COLUMN_CYCLES - VECTOR_CYCLES + vector_op(w, ISA_D_FMACHS, outputs));
}

static double chain(const isa_wafer *w, double pes, double group, double length) {
    if (pes <= 1) return 0;
    if (group >= pes) return CALL_CYCLES + CHAIN_CYCLES * pes + length;
    return CALL_CYCLES + CHAIN_CYCLES * (group + ceil(pes / group)) + w->hop_cycles * (pes - group) + 2 * length;
}

static double copy(const isa_wafer *w, double pes, double length) {
    return pes <= 1 ? 0 : CALL_CYCLES + w->hop_cycles * pes + length;
}

static double sum_and_copy(const isa_wafer *w, double pes, double group, double length) {
    return chain(w, pes, group, length) + copy(w, pes, length);
}

/* Along a row, both sides of its root at a time; the root adds one side after the other. */
static double row_copy(const plan *p, const isa_wafer *w, double length) {
    return copy(w, p->width - p->row_root, length);
}

static double row_sum(const plan *p, const isa_wafer *w, double length) {
    double side = p->row_root ? vector_op(w, ISA_D_FADDS, length) : 0;
    return chain(w, p->width - p->row_root, p->row_group, length) + side;
}

static double row_sum_and_copy(const plan *p, const isa_wafer *w, double length) {
    return row_sum(p, w, length) + row_copy(p, w, length);
}

/* CHAIN (g + n / g) - hop g is least where g = sqrt(n CHAIN / (CHAIN - hop)); whole numbers near it are tried. */
static uint32_t even_group(const plan *p, const isa_wafer *w) {
    double side = p->width - p->row_root;
    double even = w->hop_cycles < CHAIN_CYCLES ? sqrt(side * CHAIN_CYCLES / (CHAIN_CYCLES - w->hop_cycles)) : 1;
    uint32_t best = p->width, from = even > 4 ? (uint32_t)even - 3 : 2;
    for (uint32_t g = from; g < from + 7 && g < side; g++)
        if (chain(w, side, g, p->up_tile) < chain(w, side, best, p->up_tile)) best = g;
    return best;
}

void plan_set_sums(plan *p, const isa_wafer *w, uint32_t group, uint32_t sums) {
    plan best = *p, try = *p;
    double least = 0;
    for (uint32_t i = sums ? sums - 1 : 0; i < (sums ? sums : 4); i++) {
        plan_cycles c;
        try.row_root = i & 1 ? p->width / 2 : 0;
        try.norm_late = (i & 2) && !p->norm; /* layer norm cannot */
        try.row_group = !group ? even_group(&try, w) : group < p->width ? group : p->width;
        plan_cycles_at(&try, w, p->context / 2, &c);
        if (least == 0 || c.layer_total < least) best = try, least = c.layer_total;
    }
    *p = best;
}

/* Of `tokens` at once: their sums travel together. */
static double norm(const plan *p, const isa_wafer *w, double tokens) {
    double own = 3 * vector_op(w, ISA_D_FMULS, p->d_tile) + vector_op(w, ISA_D_FMOVS, p->d_tile) +
                 vector_op(w, ISA_D_FS2H, p->d_tile) + NORM_CYCLES;
    double n = tokens * own + row_sum_and_copy(p, w, tokens);
    if (p->norm) n += tokens * vector_op(w, ISA_D_FMULS, p->d_tile) + row_sum_and_copy(p, w, tokens);
    return n;
}

/* One that a product follows: the division may be left to it. */
static double norm_before(const plan *p, const isa_wafer *w, double tokens) {
    if (!p->norm_late) return norm(p, w, tokens);
    return tokens * (4 * vector_op(w, ISA_D_FMULS, p->d_tile) + vector_op(w, ISA_D_FS2H, p->d_tile) + BLOCK_CYCLES);
}

/* The sum of such a product, `length` elements a token. */
static double join(const plan *p, const isa_wafer *w, double tokens, double length) {
    if (!p->norm_late) return row_sum_and_copy(p, w, tokens * length);
    double scale = 2 * vector_op(w, ISA_D_FMULS, length) + LATE_CYCLES;
    if (p->bias) scale += vector_op(w, ISA_D_FADDS, length);
    return row_sum(p, w, tokens * (length + 1)) + tokens * scale + row_copy(p, w, tokens * length);
}

double plan_slot_cycles(double group, double head) {
    double halved = head > 16 ? 20 * ceil(log2(head / 16)) : 0, score = 2 * fmin(head, 16) + halved;
    return 35 + 0.25 * head + group * (210 + 2.5 * head + score);
}

static double attention(const plan *p, uint32_t position) {
    double slots = ceil((position + 1.0) / ((double)p->unit_rows * p->width));
    return slots * plan_slot_cycles(p->group, p->head_size);
}

/* Maxima, then weighted sums: along the rows to their roots, down that column to the unit's first row, and back. */
static double attention_sums(const plan *p, const isa_wafer *w) {
    double out = (double)p->unit_rows * p->o_tile + p->group;
    double pieces = 1 + floor((p->o_tile - 1.0) / p->head_size);
    double maxima = row_sum_and_copy(p, w, p->group) + sum_and_copy(w, p->unit_rows, p->unit_rows, p->group);
    return maxima + row_sum(p, w, out) + sum_and_copy(w, p->unit_rows, p->unit_rows, out) + pieces * PIECE_CYCLES +
           p->o_tile + row_copy(p, w, p->o_tile);
}

/* A row turns its own part, and its table by one step; then it stands among zeros, ready to be gathered. */
static double rope(const plan *p, const isa_wafer *w) {
    double half = p->qkv_tile / 2.0;
    double turn = 4 * vector_op(w, ISA_D_FMULS, half) + 2 * vector_op(w, ISA_D_FADDS, half);
    double n = vector_op(w, ISA_D_FMOVS, (double)p->unit_rows * p->qkv_tile) + vector_op(w, ISA_D_FMOVS, p->qkv_tile);
    if (p->rope_style) n += 2 * (turn + CALL_CYCLES);
    if (p->qk_norm) n += 4 * vector_op(w, ISA_D_FMULS, p->qkv_tile) + (p->group + 1.0) * NORM_CYCLES;
    return n;
}

/* `tokens` at once: several only with streamed weights; attention takes one after the other. */
static void layer(const plan *p, const isa_wafer *w, uint32_t position, double tokens, double out[PLAN_PHASES]) {
    double unit = (double)p->unit_rows * p->qkv_tile, slice = ceil((double)p->mlp_tile / p->width);
    double d = tokens * p->d_tile;
    out[PLAN_WAIT] = w->hop_cycles * p->rows + d + copy(w, p->rows, d);
    out[PLAN_NORM] = 2 * norm_before(p, w, tokens) + 2.0 * p->post_norm * norm(p, w, tokens);
    out[PLAN_QKV] = tokens * tile(w, p->d_tile, p->qkv_tile);
    out[PLAN_QKV_SUM] = join(p, w, tokens, p->qkv_tile) + tokens * sum_and_copy(w, p->unit_rows, p->unit_rows, unit);
    out[PLAN_ROPE] = tokens * rope(p, w);
    out[PLAN_ATTENTION] = tokens * attention(p, position);
    out[PLAN_ATTENTION_SUM] = tokens * attention_sums(p, w);
    out[PLAN_O] = tokens * tile(w, p->o_tile, p->d_tile);
    out[PLAN_O_SUM] = sum_and_copy(w, p->rows, p->unit_rows, d) + vector_op(w, ISA_D_FADDS, d);
    out[PLAN_UP] = tokens * tile(w, p->d_tile, p->up_tile);
    out[PLAN_UP_SUM] = join(p, w, tokens, p->up_tile);
    out[PLAN_ACTIVATION] = tokens * ELEMENT_CYCLES * slice + row_sum_and_copy(p, w, tokens * p->mlp_tile);
    out[PLAN_DOWN] = tokens * tile(w, p->mlp_tile, p->d_tile);
    out[PLAN_DOWN_SUM] = chain(w, p->rows, p->unit_rows, d) + vector_op(w, ISA_D_FADDS, d);
}

static void head(const plan *p, const isa_wafer *w, double out[PLAN_HEAD_PHASES_COUNT]) {
    double strip = (double)p->rows * p->layers; /* the embedding goes up to the first layer */
    out[PLAN_HEAD_WAIT] = w->hop_cycles * p->rows + p->d_tile + copy(w, p->head_rows, p->d_tile);
    out[PLAN_HEAD_NORM] = norm(p, w, 1);
    out[PLAN_HEAD_MULTIPLY] = tile(w, p->d_tile, p->vocab_tile);
    out[PLAN_HEAD_SUM] = row_sum(p, w, p->vocab_tile);
    out[PLAN_HEAD_ARGMAX] = (double)CHOICE_CYCLES * p->vocab_tile + 2 * chain(w, p->head_rows, p->unit_rows, 1) +
                            copy(w, p->head_rows, 1) + vector_op(w, ISA_D_FMAXS, p->vocab_tile);
    out[PLAN_HEAD_EMBED] = EMBED_CYCLES + copy(w, p->head_rows, 1) + row_copy(p, w, 1) +
                           chain(w, p->head_rows, p->unit_rows, p->d_tile) + w->hop_cycles * strip + p->d_tile;
}

/* Cycles in which `words` reach each PE of a row, which takes in io_wavelets_per_cycle_row. */
static double arrival(const plan *p, const isa_wafer *w, double words) {
    return words * p->width * 1000.0 / w->io_wavelets_per_cycle_row;
}

static double slower(double a, double b) { return a > b ? a : b; }

/* A multiplication takes as long as its weights need to come, and nothing comes while PEs add up: little waits in
 * queues. */
static double streamed_layer(const plan *p, const isa_wafer *w, uint32_t position, double tokens,
                             double out[PLAN_PHASES]) {
    static const plan_phase products[] = {PLAN_QKV, PLAN_O, PLAN_UP, PLAN_DOWN};
    double d = p->d_tile, words[] = {d * p->qkv_tile / 2, d * p->o_tile / 2, d * p->up_tile / 2, d * p->mlp_tile / 2};
    double vectors = p->layer_words - (words[0] + words[1] + words[2] + words[3]), sum = 0;
    layer(p, w, position, tokens, out);
    out[PLAN_WAIT] = copy(w, p->rows, tokens * d);
    out[PLAN_NORM] += arrival(p, w, vectors);
    for (int i = 0; i < 4; i++) out[products[i]] = slower(out[products[i]], arrival(p, w, words[i]));
    for (int i = 0; i < PLAN_PHASES; i++) sum += out[i];
    return sum;
}

void plan_streamed_cycles(const plan *p, const isa_wafer *w, uint32_t position, plan_cycles *out) {
    double pass[PLAN_PHASES] = {0};
    *out = (plan_cycles){.position = position};
    out->layer_total = streamed_layer(p, w, position, 1, out->layer);
    out->head[PLAN_HEAD_NORM] = norm(p, w, 1) + copy(w, p->rows, p->d_tile) + arrival(p, w, p->d_tile);
    out->head[PLAN_HEAD_MULTIPLY] =
        slower(tile(w, p->d_tile, p->vocab_tile), arrival(p, w, (double)p->d_tile * p->vocab_tile / 2));
    out->head[PLAN_HEAD_SUM] = row_sum(p, w, p->vocab_tile);
    for (int i = 0; i < PLAN_HEAD_PHASES_COUNT; i++) out->head_total += out->head[i];
    out->token = p->layers * out->layer_total + out->head_total;
    out->prompt = p->layers * streamed_layer(p, w, position, p->tokens, pass);
    out->io = arrival(p, w, (double)p->layers * p->layer_words + p->head_words);
}

void plan_cycles_at(const plan *p, const isa_wafer *w, uint32_t position, plan_cycles *out) {
    if (p->streamed) {
        plan_streamed_cycles(p, w, position, out);
        return;
    }
    *out = (plan_cycles){.position = position};
    layer(p, w, position, 1, out->layer);
    head(p, w, out->head);
    for (int i = 0; i < PLAN_PHASES; i++) out->layer_total += out->layer[i];
    for (int i = 0; i < PLAN_HEAD_PHASES_COUNT; i++) out->head_total += out->head[i];
    out->token = p->layers * out->layer_total + out->head_total;
    out->prompt = out->layer_total;
}

/* In launches of as many tokens as there are layers; each waits for its last token to be through. */
double plan_prompt_cycles(const plan *p, const plan_cycles *c, uint64_t tokens) {
    if (p->streamed) return plan_tiles(tokens, p->tokens) * c->prompt + c->head_total;
    uint32_t chunk = p->layers < p->steps_max ? p->layers : p->steps_max;
    double launches = plan_tiles(tokens, chunk);
    return launches * c->token + ((double)tokens - launches) * c->prompt;
}
