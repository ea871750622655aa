/* A step against a model's description: what its products, experts and attention had to do, from the predictor's
 * operators (perf/ops.h), beside what the kernels of those kinds took. */
#include "audit/analysis.h"
#include "perf/ops.h"
#include <math.h>

typedef struct {
    double weight_bits, dense_bits, kv_bits;
    perf_rate rate;
} bits;

/* As the predictor reads a format (perf/predict.c): with 4-bit weights and 16-bit arithmetic only experts are
 * quantised. */
static bits bits_of(const audit_options *o) {
    const perf_format *f = o->weights ? o->weights : o->model->format ? perf_format_named(o->model->format) : NULL;
    bits b = {f ? f->bits : o->model->weight_bits, 0, o->kv ? o->kv->bits : 16, f ? f->rate : PERF_RATE_16};
    b.dense_bits = f && f->rate == PERF_RATE_4_16 && o->model->moe_layers ? 16 : b.weight_bits;
    return b;
}

static bool attends(const perf_op *op) {
    return op->kernel == PERF_K_PREFILL_ATTENTION || op->kernel == PERF_K_DECODE_ATTENTION ||
           op->kernel == PERF_K_MLA_DECODE;
}

static void add(model_part *p, const perf_op *op, double tp) {
    double split = op->whole ? 1 : tp;
    p->flops += op->count * op->flops / split;
    p->weight_bytes += op->count * op->weight_bytes / split;
    p->kv_bytes += op->count * op->kv_bytes / split;
    p->bytes += op->count * (op->weight_bytes + op->kv_bytes + op->act_bytes) / split;
}

/* Products of one pass of all tokens; attention of prompts and of decoding apart, because they see different keys. */
static void add_step(analysis *x, const step_load *l, const bits *b) {
    perf_op ops[PERF_OPS_MAX];
    double sequences = fmax(1, l->prefills + l->decodes), tp = fmax(1, x->o->tp);
    const perf_pass all = {sequences, l->tokens / sequences, 0, b->weight_bits, b->dense_bits, b->kv_bits, 0};
    const perf_pass attention[] = {
        {l->prefills, l->prefills > 0 ? l->prefill_tokens / l->prefills : 0,
         l->prefills > 0 ? fmax(0, l->prefill_kv - l->prefill_tokens) / l->prefills : 0, b->weight_bits, b->dense_bits,
         b->kv_bits, 0},
        {l->decodes, 1, l->decodes > 0 ? fmax(0, l->decode_kv / l->decodes - 1) : 0, b->weight_bits, b->dense_bits,
         b->kv_bits, 0},
    };
    size_t n = perf_ops(x->o->model, &all, ops);
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kernel == PERF_K_MOE) add(&x->part[KIND_EXPERTS], &ops[i], tp);
        if (ops[i].kernel == PERF_K_GEMM) add(&x->part[KIND_DENSE], &ops[i], tp);
    }
    for (int k = 0; k < 2; k++) {
        if (!(attention[k].sequences > 0) || !(attention[k].tokens > 0) || (k && !l->kv_known)) continue;
        n = perf_ops(x->o->model, &attention[k], ops);
        for (size_t i = 0; i < n; i++)
            if (attends(&ops[i])) add(&x->part[KIND_ATTENTION], &ops[i], tp);
    }
}

static void place(analysis *x, model_part *p, perf_rate rate) {
    double peak = (rate == PERF_RATE_8 || rate == PERF_RATE_8_BLOCK || rate == PERF_RATE_4) && x->peaks.flops8 > 0
                      ? x->peaks.flops8
                      : x->peaks.flops16;
    p->bucket = AUDIT_BUCKETS;
    if (!p->ns || !(p->bytes > 0) || !(peak > 0) || !(x->peaks.bytes_per_s > 0)) return;
    p->compute_s = p->flops / peak;
    p->memory_s = p->bytes / x->peaks.bytes_per_s;
    p->rejected = fmax(p->compute_s, p->memory_s) * 1e9 > 1.05 * (double)p->ns;
    if (!p->rejected) p->bucket = p->memory_s >= p->compute_s ? AUDIT_MEMORY : AUDIT_COMPUTE;
}

/* Kernels whose names do not tell experts from other products: all together. */
static void join(model_part *into, model_part *from) {
    into->ns += from->ns;
    into->flops += from->flops;
    into->bytes += from->bytes;
    into->weight_bytes += from->weight_bytes;
    *from = (model_part){.bucket = AUDIT_BUCKETS};
}

void model_parts(analysis *x) {
    for (int k = 0; k < KIND_COUNT; k++) x->part[k].bucket = AUDIT_BUCKETS;
    if (!x->o->model) return;
    bits b = bits_of(x->o);
    for (size_t i = 0; i < x->windows; i++)
        if (x->window[i].load.known) add_step(x, &x->window[i].load, &b);
    x->joined = !x->part[KIND_EXPERTS].ns != !(x->part[KIND_EXPERTS].bytes > 0);
    if (x->joined) join(&x->part[KIND_DENSE], &x->part[KIND_EXPERTS]);
    place(x, &x->part[KIND_DENSE], b.dense_bits == b.weight_bits ? b.rate : PERF_RATE_16);
    place(x, &x->part[KIND_EXPERTS], b.rate);
    place(x, &x->part[KIND_ATTENTION], b.kv_bits <= 8 ? PERF_RATE_8 : PERF_RATE_16);
}
