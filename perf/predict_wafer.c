/* A pass on wafers. Formulas: docs/predict.md, "Wafers". */
#include "perf/predict_internal.h"
#include <math.h>

enum { WAVELET_BYTES = 4 };

static double pes_of(const perf_numbers *n) { return n->fabric_width_pes * n->fabric_height_pes; }

double perf_wafer_regions(const perf_way *w) {
    double side = w->set.side, room = w->set.systems * fmax(1, floor(pes_of(&w->n) / (side * side)));
    if (w->load->wafer_regions > 0) return w->load->wafer_regions;
    return w->load->streamed ? 1 : fmin(w->s->layers + 1.0, room);
}

static double reduction_cycles(const perf_way *w) {
    const perf_numbers *n = &w->n;
    double side = w->set.side;
    return (side - 1) * n->hop_cycles + (2 * n->ramp_cycles + 1) * (2 * sqrt(side) - 2) + /* reduce */
           side * n->hop_cycles + 2 * n->ramp_cycles;                                     /* broadcast */
}

typedef struct {
    double flops_per_s, product_flops_per_s, step_s, bytes_per_s, wavelet_s, reduction_s, op_s, overlap;
    bool many; /* rows of a product: enough of them to shift tiles */
} rates;

static rates rates_of(const perf_way *w, double tokens) {
    const perf_numbers *n = &w->n;
    double part = w->set.side * w->set.side / pes_of(n), r = perf_wafer_regions(w);
    const perf_kernel *product = &w->m->kernels[PERF_K_GEMM][PERF_RATE_16];
    double reached = product->given ? product->compute : n->compute_efficiency;
    return (rates){.flops_per_s = n->flops_fp16_per_s * n->compute_efficiency * part,
                   .product_flops_per_s = n->flops_fp16_per_s * reached * part,
                   .step_s = n->mesh_step_cycles / n->clock_hz,
                   .bytes_per_s = n->mem_bw_bytes_per_s * n->memory_efficiency * part,
                   .wavelet_s = n->wavelet_cycles / n->clock_hz,
                   .reduction_s = reduction_cycles(w) / n->clock_hz,
                   .op_s = n->op_overhead_cycles / n->clock_hz,
                   .overlap = (tokens + r - 1) / (tokens * r),
                   .many = tokens >= w->set.side};
}

/* Seconds of its latency; the busy part goes into the phase already overlapped. */
static void one_op(const perf_way *w, const perf_op *op, const rates *r, perf_phase *out, double *weights,
                   double *latency) {
    double placed = op->weight_elems * w->weight_bits / 8, moved = op->kv_bytes + op->act_bytes;
    if (!w->load->streamed) moved += placed;
    bool product = op->weight_elems > 0 && r->many; /* tiles are shifted side times past each other */
    double compute =
        product ? op->flops / r->product_flops_per_s + w->set.side * r->step_s : op->flops / r->flops_per_s;
    double memory = moved / r->bytes_per_s;
    double link = 3 * op->reduced * 2 / WAVELET_BYTES / w->set.side * r->wavelet_s;
    double busy = fmax(compute, fmax(memory, link)) * r->overlap, wait = r->op_s + op->reductions * r->reduction_s;
    perf_op_cost c = {.name = op->name,
                      .count = op->count,
                      .seconds = op->count * (busy + wait),
                      .flops = op->count * op->flops,
                      .memory_bytes = op->count * moved,
                      .link_bytes = op->count * 3 * op->reduced * 2 * (w->set.side - 1)};
    c.binds = wait > busy                            ? PERF_LATENCY
              : compute >= memory && compute >= link ? PERF_COMPUTE
              : memory >= link                       ? PERF_MEMORY
                                                     : PERF_LINK;
    out->limit_s[PERF_COMPUTE] += op->count * compute * r->overlap;
    out->limit_s[PERF_MEMORY] += op->count * memory * r->overlap;
    out->limit_s[PERF_LINK] += op->count * link * r->overlap;
    out->limit_s[PERF_LATENCY] += op->count * wait;
    *weights += op->count * placed;
    *latency += op->count * wait;
    perf_phase_add(w, out, &c);
}

static void crossings(const perf_way *w, double tokens, perf_phase *out) {
    if (w->set.systems < 2) return;
    double vector = w->s->width * 2.0, each = w->n.crossing_latency_s + vector / w->n.crossing_bw_bytes_per_s;
    double time = w->set.systems * each + (tokens - 1) * vector / w->n.crossing_bw_bytes_per_s;
    out->crossing_bytes = w->set.systems * tokens * vector;
    out->limit_s[PERF_LATENCY] += time;
    perf_phase_add(
        w, out,
        &(perf_op_cost){.name = "to next wafer", .count = w->set.systems, .seconds = time, .binds = PERF_LATENCY});
}

static void stream(const perf_way *w, double weights, perf_phase *out) {
    out->io_bytes = weights;
    out->limit_s[PERF_IO] = weights / w->n.io_bw_bytes_per_s;
    out->seconds = out->period_s = fmax(out->seconds, out->limit_s[PERF_IO]);
}

/* From one sequence to several: prompts keep all regions busy, so that each further one takes the busy part; tokens of
 * decoding occupy one region each, and wait when there are more of them than regions. */
static void follow(const perf_way *w, double sequences, double tokens, double busy, perf_phase *out) {
    double regions = perf_wafer_regions(w);
    out->period_s = tokens > 1 ? busy : out->seconds / regions;
    double waiting = tokens > 1 ? sequences - 1 : fmax(0, sequences - regions);
    out->seconds += waiting * out->period_s;
    out->flops *= sequences;
    out->memory_bytes *= sequences;
    out->link_bytes *= sequences;
    out->crossing_bytes *= sequences;
}

/* One sequence's tokens, or one token of one sequence. Several sequences follow one another through the regions. */
void perf_wafer_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out) {
    perf_pass pass = perf_pass_of(w, w->load->streamed ? sequences : 1, tokens, position);
    const perf_op_list *list = perf_ops_of(w, &pass);
    double n = pass.sequences * tokens, weights = 0, latency = 0;
    rates r = rates_of(w, n);
    perf_phase_clear(out);
    for (size_t i = 0; i < list->count; i++) one_op(w, &list->ops[i], &r, out, &weights, &latency);
    crossings(w, n, out);
    if (w->load->streamed) stream(w, weights, out);
    else follow(w, sequences, tokens, out->seconds - latency, out);
    for (int l = 0; l < PERF_LIMITS; l++)
        if (out->limit_s[l] > out->limit_s[out->binds]) out->binds = (perf_limit)l;
}
