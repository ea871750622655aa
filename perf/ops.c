/* See ops.h. */
#include "perf/ops.h"
#include <math.h>

enum { ACT_BYTES = 2 };

typedef struct {
    const perf_shape *s;
    const perf_pass *p;
    perf_op *ops;
    size_t count;
    double n;
} builder;

static perf_op *add(builder *b, const char *name, perf_kernel_kind kernel, double count) {
    if (count <= 0 || b->count == PERF_OPS_MAX) return NULL;
    perf_op *op = &b->ops[b->count++];
    *op = (perf_op){.name = name, .kernel = kernel, .count = count};
    return op;
}

static perf_op *matrix(builder *b, const char *name, double count, double in, double out, double rows) {
    perf_op *op = add(b, name, PERF_K_GEMM, count);
    if (!op) return NULL;
    op->flops = 2 * rows * in * out;
    op->weight_elems = in * out;
    op->weight_bytes = in * out * b->p->dense_bits / 8;
    op->act_bytes = rows * (in + out) * ACT_BYTES;
    op->rows = out;
    op->reduced = rows * out;
    op->reductions = 1;
    return op;
}

static void vectors(builder *b, const char *name, double count, double width, double vectors_moved,
                    unsigned reductions) {
    perf_op *op = add(b, name, PERF_K_VECTOR, count);
    if (!op) return;
    op->flops = 5 * b->n * width;
    op->act_bytes = b->n * width * vectors_moved * ACT_BYTES;
    op->reduced = reductions * b->n;
    op->reductions = reductions;
    op->whole = reductions > 0; /* vectors of the residual stream */
}

/* Keys seen by T tokens after `pos`, summed: causal, the last `window` only (0 = all). */
static double keys_seen(double tokens, double pos, double window) {
    double all = tokens * pos + tokens * (tokens + 1) / 2;
    if (window <= 0 || pos + tokens <= window) return all;
    double ramp = fmax(0, fmin(tokens, window - pos)); /* tokens that still see everything */
    return ramp * pos + ramp * (ramp + 1) / 2 + (tokens - ramp) * window;
}

static void attention(builder *b, const char *name, double count, double window) {
    const perf_shape *s = b->s;
    const perf_pass *p = b->p;
    bool decode = p->tokens == 1;
    perf_kernel_kind k = !decode ? PERF_K_PREFILL_ATTENTION : s->kv_lora ? PERF_K_MLA_DECODE : PERF_K_DECODE_ATTENTION;
    perf_op *op = add(b, name, k, count);
    if (!op) return;
    double keys = p->sequences * keys_seen(p->tokens, p->position, window);
    double kept = p->position + p->tokens;
    if (window > 0) kept = fmin(kept, window + p->tokens - 1);
    double kv = s->kv_lora ? s->kv_lora + s->rope_dims : 2.0 * s->kv_heads * s->head_size;
    double qk = s->kv_lora ? s->nope_dims + s->rope_dims : s->head_size, v = s->kv_lora ? s->value_dims : s->head_size;
    double per_key = s->kv_lora && decode ? 2.0 * s->kv_lora + s->rope_dims : qk + v;
    op->flops = 2 * s->heads * per_key * keys;
    op->kv_bytes = p->sequences * (kept + p->tokens) * kv * p->kv_bits / 8;
    op->act_bytes = b->n * s->heads * (qk + v) * ACT_BYTES;
    op->reduced = s->heads * keys + b->n * s->heads * (v + 1);
    op->reductions = 3; /* scores, maximum, output with sum */
}

static void latent_projections(builder *b) {
    const perf_shape *s = b->s;
    double q_in = s->q_lora ? s->q_lora : s->width, l = s->layers;
    perf_op *down = matrix(b, "q, kv down", l, s->width, (double)s->q_lora + s->kv_lora + s->rope_dims, b->n);
    if (down) down->whole = true;
    matrix(b, "q up", l, q_in, (double)s->heads * (s->nope_dims + s->rope_dims), b->n);
    matrix(b, "kv up", l, s->kv_lora, (double)s->heads * (s->nope_dims + s->value_dims), b->n);
}

static void attention_block(builder *b) {
    const perf_shape *s = b->s;
    double value = s->kv_lora ? s->value_dims : s->head_size, windowed = b->p->window ? s->layers : s->windowed_layers;
    vectors(b, "norm", s->layers, s->width, 4, 1);
    if (s->kv_lora) latent_projections(b);
    else matrix(b, "qkv", s->layers, s->width, (double)s->head_size * (s->heads + 2.0 * s->kv_heads), b->n);
    attention(b, "attention", s->layers - windowed, 0);
    attention(b, "attention, window", windowed, b->p->window ? b->p->window : s->window);
    perf_op *o = matrix(b, "o", s->layers, s->heads * value, s->width, b->n);
    if (o) o->collective = true;
}

static void mlp(builder *b, const char *up_name, const char *down_name, double count, double width) {
    const perf_shape *s = b->s;
    if (width <= 0) return;
    matrix(b, up_name, count, s->width, width * (s->gated ? 2 : 1), b->n);
    vectors(b, "activation", count, width, s->gated ? 3 : 2, 0);
    perf_op *down = matrix(b, down_name, count, width, s->width, b->n);
    if (down) down->collective = true;
}

static void experts(builder *b) {
    const perf_shape *s = b->s;
    double e = s->experts, k = s->experts_per_token, per = (s->gated ? 3.0 : 2.0) * s->width * s->expert_width;
    perf_op *router = matrix(b, "router", s->moe_layers, s->width, e, b->n);
    if (router) router->whole = true;
    perf_op *op = add(b, "experts", PERF_K_MOE, s->moe_layers);
    if (!op) return;
    double met = e * (1 - pow(1 - k / e, b->n));
    op->flops = 2 * b->n * k * per;
    op->weight_elems = met * per;
    op->weight_bytes = op->weight_elems * b->p->weight_bits / 8;
    op->act_bytes = b->n * k * (2.0 * s->width + 2.0 * s->expert_width) * ACT_BYTES;
    op->reduced = b->n * k * (s->expert_width * (s->gated ? 2.0 : 1.0) + s->width);
    op->reductions = 2;
    op->expert = op->collective = true;
}

size_t perf_ops(const perf_shape *s, const perf_pass *p, perf_op ops[PERF_OPS_MAX]) {
    builder b = {.s = s, .p = p, .ops = ops, .n = p->sequences * p->tokens};
    perf_op *embed = add(&b, "embedding", PERF_K_VECTOR, 1);
    embed->act_bytes = b.n * s->width * ACT_BYTES;
    embed->weight_bytes = b.n * s->width * p->dense_bits / 8;
    embed->weight_elems = b.n * s->width;
    embed->reduced = b.n * s->width;
    embed->reductions = 1;
    embed->whole = true;
    attention_block(&b);
    vectors(&b, "norm, MLP", s->layers, s->width, 4, 1);
    mlp(&b, "up", "down", (double)s->layers - s->moe_layers, s->mlp_width);
    if (s->moe_layers) {
        experts(&b);
        mlp(&b, "shared up", "shared down", s->moe_layers, s->shared_width);
    }
    double rows = p->sequences;
    perf_op *head = matrix(&b, "LM head", 1, s->width, s->vocab, rows);
    if (head) head->collective = true;
    return b.count;
}
