/* A pass on devices with memory of their own: GPUs, accelerators, a host. Formulas: docs/predict.md, "Devices". */
#include "perf/predict_internal.h"
#include <math.h>

static double peak_of(const perf_numbers *n, perf_rate r) {
    double p8 = n->flops_fp8_per_s > 0 ? n->flops_fp8_per_s : n->flops_fp16_per_s;
    switch (r) {
    case PERF_RATE_8:
    case PERF_RATE_8_BLOCK: return p8;
    case PERF_RATE_4: return n->flops_fp4_per_s > 0 ? n->flops_fp4_per_s : p8;
    default: return n->flops_fp16_per_s;
    }
}

typedef struct {
    double compute, memory, overhead_s;
} shares;

/* What was measured for this operation and these numbers; else for matrices of these numbers; else the machine's
 * values. */
static shares shares_of(const perf_machine *m, const perf_numbers *n, perf_kernel_kind k, perf_rate r) {
    const perf_kernel *e = &m->kernels[k][r];
    if (!e->given && k == PERF_K_MOE) e = &m->kernels[PERF_K_GEMM][r];
    if (!e->given && k != PERF_K_VECTOR) e = &m->kernels[k][PERF_RATE_16];
    if (!e->given) return (shares){n->compute_efficiency, n->memory_efficiency, n->kernel_overhead_s};
    shares out = {e->compute, e->memory, e->overhead_s}; /* cases move them as they move the machine's values */
    if (n->compute_efficiency != m->compute_efficiency.value)
        out.compute = fmin(1, e->compute * n->compute_efficiency / m->compute_efficiency.value);
    if (n->memory_efficiency != m->memory_efficiency.value)
        out.memory = fmin(1, e->memory * n->memory_efficiency / m->memory_efficiency.value);
    if (n->kernel_overhead_s != m->kernel_overhead_s.value && m->kernel_overhead_s.value > 0)
        out.overhead_s *= n->kernel_overhead_s / m->kernel_overhead_s.value;
    return out;
}

static double larger(double a, double b) { return a > b ? a : b; }

static perf_limit bound(double overhead, double compute, double memory) {
    if (overhead > larger(compute, memory)) return PERF_LATENCY;
    return compute > memory ? PERF_COMPUTE : PERF_MEMORY;
}

double perf_kernel_seconds(const perf_machine *m, const perf_numbers *n, perf_kernel_kind k, perf_rate r, double flops,
                           double bytes, perf_limit *binds) {
    shares e = shares_of(m, n, k, r);
    double compute = flops / (peak_of(n, r) * e.compute), memory = bytes / (n->mem_bw_bytes_per_s * e.memory);
    if (binds) *binds = bound(e.overhead_s, compute, memory);
    return e.overhead_s + larger(compute, memory);
}

/* Bytes that pass through a device's link, for `bytes` held by each. */
static double collective_volume(perf_kernel_kind k, double devices) {
    double share = (devices - 1) / devices;
    return k == PERF_K_ALLREDUCE || k == PERF_K_NCCL_ALLREDUCE ? 2 * share : share;
}

double perf_collective_seconds(const perf_machine *m, const perf_numbers *n, perf_kernel_kind k, double bytes,
                               double devices) {
    if (devices < 2 || !(n->link_bw_bytes_per_s > 0)) return 0;
    const perf_kernel *e = &m->kernels[k][PERF_RATE_16];
    double share = e->given ? e->memory : 1, latency = n->allreduce_latency_s;
    if (e->given && m->allreduce_latency_s.value > 0)
        latency = e->overhead_s * n->allreduce_latency_s / m->allreduce_latency_s.value;
    return latency + collective_volume(k, devices) * bytes / (n->link_bw_bytes_per_s * share);
}

/* Heads of K and V are split over the group as far as there are any; a latent is held by all. */
static double kv_split(const perf_way *w) { return w->s->kv_lora ? 1 : fmin(w->set.tp, w->s->kv_heads); }

typedef struct {
    double flops, weights, bytes; /* of one device */
} part;

static part part_of(const perf_way *w, const perf_op *op, double tokens) {
    double tp = op->whole ? 1 : w->set.tp, weights = op->weight_bytes / tp;
    if (op->expert && w->set.ep > 1) {
        double one = op->weight_bytes > 0
                         ? (w->s->gated ? 3.0 : 2.0) * w->s->width * w->s->expert_width * w->weight_bits / 8
                         : 0;
        weights = fmax(op->weight_bytes / w->set.ep, tokens * w->s->experts_per_token >= 1 ? one : 0);
    }
    part p = {op->flops / tp, weights, (op->act_bytes / tp) + op->kv_bytes / (op->whole ? 1 : kv_split(w))};
    if (!w->load->streamed) p.bytes += weights;
    else p.bytes += 2 * weights; /* written when it arrives, read when it is used */
    return p;
}

static perf_rate rate_for(const perf_way *w, const perf_op *op) {
    if (op->kernel == PERF_K_PREFILL_ATTENTION && w->kv_bits <= 8) return PERF_RATE_8;
    if (op->kernel == PERF_K_MOE) return w->rate;
    return op->kernel == PERF_K_GEMM && w->dense_bits == w->weight_bits ? w->rate : PERF_RATE_16;
}

static double collectives(const perf_way *w, const perf_op *op, double tokens, perf_op_cost *c) {
    if (!op->collective || w->set.tp < 2) return 0;
    double bytes = op->name[0] == 'L' ? 0 : tokens * w->s->width * 2; /* the head: the choice alone */
    if (op->expert && w->set.ep > 1) {
        double sent = tokens * w->s->experts_per_token * w->s->width * 2 / w->set.ep;
        c->link_bytes += 2 * op->count * sent * (w->set.ep - 1);
        return 2 * perf_collective_seconds(w->m, &w->n, PERF_K_ALLTOALL, sent, w->set.ep);
    }
    c->link_bytes += op->count * bytes * 2 * (w->set.tp - 1);
    return perf_collective_seconds(w->m, &w->n, PERF_K_ALLREDUCE, bytes, w->set.tp);
}

static void price(const perf_way *w, perf_op_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        perf_rate r = rate_for(w, &l->ops[i]);
        shares e = shares_of(w->m, &w->n, l->ops[i].kernel, r);
        l->flops_per_s[i] = peak_of(&w->n, r) * e.compute;
        l->bytes_per_s[i] = w->n.mem_bw_bytes_per_s * e.memory;
        l->overhead_s[i] = e.overhead_s;
    }
    l->priced = true;
}

static void one_op(const perf_way *w, const perf_op_list *l, size_t i, double tokens, perf_phase *out,
                   double *weights) {
    const perf_op *op = &l->ops[i];
    perf_op_cost c = {.name = op->name, .count = op->count};
    part p = part_of(w, op, tokens);
    double slow = w->load->software.slowdown > 0 ? w->load->software.slowdown : 1;
    double compute = p.flops / l->flops_per_s[i], memory = p.bytes / l->bytes_per_s[i], overhead = l->overhead_s[i];
    double kernel = overhead + larger(compute, memory);
    c.binds = bound(overhead, compute, memory);
    double sum = collectives(w, op, tokens, &c);
    c.seconds = op->count * (kernel + sum) * slow;
    if (sum > kernel) c.binds = PERF_LINK;
    c.flops = op->count * op->flops;
    c.memory_bytes = op->count * p.bytes * (op->whole ? 1 : w->set.tp);
    out->limit_s[PERF_COMPUTE] += op->count * compute;
    out->limit_s[PERF_MEMORY] += op->count * memory;
    out->limit_s[PERF_LINK] += op->count * sum;
    out->limit_s[PERF_LATENCY] += op->count * overhead * slow;
    *weights += op->count * p.weights;
    perf_phase_add(w, out, &c);
}

static void add_other(const perf_way *w, perf_phase *out, const char *name, double count, double seconds,
                      double link_bytes, perf_limit l) {
    if (seconds <= 0) return;
    out->limit_s[l] += seconds;
    perf_phase_add(
        w, out,
        &(perf_op_cost){.name = name, .count = count, .seconds = seconds, .link_bytes = link_bytes, .binds = l});
}

/* Stages lie side by side in a system, then in the next: a boundary is a link, or a crossing. */
static void boundaries(const perf_way *w, double tokens, perf_phase *out) {
    double stages = w->set.pp, per_system = fmax(1, floor(w->n.accelerators / w->set.tp));
    double far = ceil(stages / per_system) - 1, near = stages - 1 - far, bytes = tokens * w->s->width * 2;
    if (near > 0 && w->n.link_bw_bytes_per_s > 0)
        add_other(w, out, "to next stage", near, near * (w->n.kernel_overhead_s + bytes / w->n.link_bw_bytes_per_s),
                  near * bytes, PERF_LINK);
    if (far <= 0) return;
    out->crossing_bytes = far * bytes;
    add_other(w, out, "to next system", far, far * (w->n.crossing_latency_s + bytes / w->n.crossing_bw_bytes_per_s), 0,
              PERF_LINK);
}

void perf_device_pass(const perf_way *w, double sequences, double tokens, double position, perf_phase *out) {
    perf_pass pass = perf_pass_of(w, sequences, tokens, position);
    perf_op_list *list = perf_ops_of(w, &pass);
    double n = sequences * tokens, weights = 0;
    perf_phase_clear(out);
    if (!list->priced) price(w, list);
    for (size_t i = 0; i < list->count; i++) one_op(w, list, i, n, out, &weights);
    boundaries(w, n, out);
    const perf_software *sw = &w->load->software;
    add_other(w, out, "serving software", 1, sw->step_s + sw->layer_s * w->s->layers, 0, PERF_LATENCY);
    if (w->load->streamed) {
        out->io_bytes = weights * w->set.tp;
        out->limit_s[PERF_IO] = weights / w->n.io_bw_bytes_per_s / w->set.pp;
        out->seconds = fmax(out->seconds, out->limit_s[PERF_IO]);
    }
    out->period_s = out->seconds / w->set.pp;
    for (int l = 0; l < PERF_LIMITS; l++)
        if (out->limit_s[l] > out->limit_s[out->binds]) out->binds = (perf_limit)l;
}
