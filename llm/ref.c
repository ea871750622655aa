#include "llm/ref.h"
#include "base/mem.h"
#include "llm/rope.h"
#include <math.h>

struct ref {
    const llm_model *m;
    arena *memory;
    float **weights;      /* [tensor] as f32, row by row */
    float *keys, *values; /* [layer][position][kv head][head size] */
    float *x, *n, *q, *k, *v, *att, *gate, *up, *tmp, *scores, *cosines, *sines;
    rope_table rope[2]; /* of full and of windowed layers */
    uint32_t position, context;
};

static const float *weight(const ref *r, const llm_tensor *t) { return t ? r->weights[t - r->m->tensors] : NULL; }

static void matmul(const ref *r, const llm_tensor *w, const llm_tensor *bias, const float *x, float *y) {
    const float *row = weight(r, w), *b = weight(r, bias);
    for (uint64_t i = 0; i < w->rows; i++, row += w->cols) {
        double sum[4] = {0};
        uint64_t j = 0;
        for (; j + 4 <= w->cols; j += 4)
            for (int lane = 0; lane < 4; lane++) sum[lane] += (double)row[j + lane] * x[j + lane];
        for (; j < w->cols; j++) sum[0] += (double)row[j] * x[j];
        y[i] = (float)(sum[0] + sum[1] + sum[2] + sum[3] + (b ? b[i] : 0));
    }
}

static void norm_rms(const float *w, float eps, const float *x, float *y, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    float scale = (float)(1 / sqrt(sum / n + eps));
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

static void norm_layer(const float *w, const float *b, float eps, const float *x, float *y, uint32_t n) {
    double sum = 0, square = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i];
    double mean = sum / n;
    for (uint32_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(square / n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = (float)((x[i] - mean) * scale) * w[i] + b[i];
}

static void norm(const ref *r, const llm_tensor *w, const llm_tensor *b, const float *x, float *y) {
    const llm_config *c = &r->m->config;
    if (c->arch->norm == NORM_RMS) norm_rms(weight(r, w), c->norm_eps, x, y, c->width);
    else norm_layer(weight(r, w), weight(r, b), c->norm_eps, x, y, c->width);
}

static float activate(act_kind kind, float x) {
    if (kind == ACT_SILU) return x / (1 + expf(-x));
    return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
}

static float softcap(float cap, float x) { return cap > 0 ? cap * tanhf(x / cap) : x; }

static void project_qkv(ref *r, const llm_layer *l) {
    const llm_config *c = &r->m->config;
    uint32_t q_size = c->heads * c->head_size, kv_size = c->kv_heads * c->head_size;
    if (l->qkv) {
        matmul(r, l->qkv, l->qkv_b, r->n, r->tmp);
        memcpy(r->q, r->tmp, q_size * sizeof(float));
        memcpy(r->k, r->tmp + q_size, kv_size * sizeof(float));
        memcpy(r->v, r->tmp + q_size + kv_size, kv_size * sizeof(float));
        return;
    }
    matmul(r, l->q, l->q_b, r->n, r->q);
    matmul(r, l->k, l->k_b, r->n, r->k);
    matmul(r, l->v, l->v_b, r->n, r->v);
}

static void norm_and_rotate(ref *r, const llm_tensor *w, const rope_table *rope, float *heads, uint32_t count) {
    const llm_config *c = &r->m->config;
    for (uint32_t h = 0; h < count; h++) {
        float *head = heads + (size_t)h * c->head_size;
        if (w) norm_rms(weight(r, w), c->norm_eps, head, head, c->head_size);
        if (rope->kind != ROPE_NONE) rope_apply(rope, r->cosines, r->sines, head);
    }
}

static void attend(ref *r, uint32_t layer, uint32_t head) {
    const llm_config *c = &r->m->config;
    size_t hs = c->head_size, kv_size = c->kv_heads * hs,
           base = (size_t)layer * r->context * kv_size + head / (c->heads / c->kv_heads) * hs;
    uint32_t first = c->windowed[layer] && r->position >= c->window ? r->position - c->window + 1 : 0;
    const float *q = r->q + head * hs;
    float *out = r->att + head * hs, top = -INFINITY, total = 0;
    for (uint32_t p = first; p <= r->position; p++) {
        double dot = 0;
        for (size_t i = 0; i < hs; i++) dot += (double)q[i] * r->keys[base + p * kv_size + i];
        r->scores[p] = softcap(c->attn_softcap, (float)dot * c->attn_scale);
        top = fmaxf(top, r->scores[p]);
    }
    for (uint32_t p = first; p <= r->position; p++) total += r->scores[p] = expf(r->scores[p] - top);
    for (size_t i = 0; i < hs; i++) {
        double sum = 0;
        for (uint32_t p = first; p <= r->position; p++) sum += (double)r->scores[p] * r->values[base + p * kv_size + i];
        out[i] = (float)(sum / total);
    }
}

static void add(float *x, const float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) x[i] += y[i];
}

static void attention_block(ref *r, uint32_t layer) {
    const llm_config *c = &r->m->config;
    const llm_layer *l = &r->m->layers[layer];
    const rope_table *rope = &r->rope[c->windowed[layer]];
    size_t kv_size = (size_t)c->kv_heads * c->head_size, slot = ((size_t)layer * r->context + r->position) * kv_size;
    norm(r, l->attn_norm, l->attn_norm_b, r->x, r->n);
    project_qkv(r, l);
    if (rope->kind != ROPE_NONE) rope_angles(rope, r->position, r->cosines, r->sines);
    norm_and_rotate(r, l->q_norm, rope, r->q, c->heads);
    norm_and_rotate(r, l->k_norm, rope, r->k, c->kv_heads);
    memcpy(r->keys + slot, r->k, kv_size * sizeof(float));
    memcpy(r->values + slot, r->v, kv_size * sizeof(float));
    for (uint32_t h = 0; h < c->heads; h++) attend(r, layer, h);
    matmul(r, l->o, l->o_b, r->att, r->tmp);
    if (l->attn_post_norm) norm(r, l->attn_post_norm, NULL, r->tmp, r->tmp);
    add(r->x, r->tmp, c->width);
}

static void mlp_block(ref *r, uint32_t layer) {
    const llm_config *c = &r->m->config;
    const llm_layer *l = &r->m->layers[layer];
    norm(r, l->ffn_norm, l->ffn_norm_b, r->x, r->n);
    matmul(r, l->up, l->up_b, r->n, r->up);
    if (l->gate) matmul(r, l->gate, l->gate_b, r->n, r->gate);
    for (uint32_t i = 0; i < c->mlp_width; i++)
        r->up[i] = l->gate ? activate(c->arch->act, r->gate[i]) * r->up[i] : activate(c->arch->act, r->up[i]);
    matmul(r, l->down, l->down_b, r->up, r->tmp);
    if (l->ffn_post_norm) norm(r, l->ffn_post_norm, NULL, r->tmp, r->tmp);
    add(r->x, r->tmp, c->width);
}

bool ref_step(ref *r, int32_t token, float *logits, diag *d) {
    const llm_model *m = r->m;
    const llm_config *c = &m->config;
    if (token < 0 || (uint32_t)token >= c->vocab)
        return diag_error(d, "token %d is outside the vocabulary of %u", token, c->vocab);
    if (r->position >= r->context) return diag_error(d, "the context of %u tokens is full", r->context);
    for (uint32_t i = 0; i < c->width; i++)
        r->x[i] = weight(r, m->embed)[(size_t)token * c->width + i] * c->embed_scale;
    if (m->positions) add(r->x, weight(r, m->positions) + (size_t)r->position * c->width, c->width);
    for (uint32_t l = 0; l < c->layers; l++) {
        attention_block(r, l);
        mlp_block(r, l);
    }
    r->position++;
    if (!logits) return true;
    norm(r, m->output_norm, m->output_norm_b, r->x, r->n);
    matmul(r, m->output, NULL, r->n, logits);
    for (uint32_t i = 0; i < c->vocab; i++) logits[i] = softcap(c->logit_softcap, logits[i]);
    return true;
}

static bool load_weights(ref *r, llm_store *s, diag *d) {
    for (size_t i = 0; i < r->m->tensor_count; i++) {
        const llm_tensor *t = &r->m->tensors[i];
        r->weights[i] = arena_push_n(r->memory, float, t->rows * t->cols);
        if (!r->weights[i]) return diag_oom(d, t->name);
        if (!store_read_f32(s, t, 0, t->rows, r->weights[i], d)) return false;
    }
    return true;
}

static bool allocate(ref *r, diag *d) {
    const llm_config *c = &r->m->config;
    size_t q = (size_t)c->heads * c->head_size, kv = (size_t)c->kv_heads * c->head_size;
    size_t widest = q + 2 * kv > c->width ? q + 2 * kv : c->width;
    const struct {
        float **p;
        size_t n;
    } rows[] = {
        {&r->x, c->width},
        {&r->n, c->width},
        {&r->q, q},
        {&r->k, kv},
        {&r->v, kv},
        {&r->att, q},
        {&r->gate, c->mlp_width},
        {&r->up, c->mlp_width},
        {&r->tmp, widest},
        {&r->scores, r->context},
        {&r->cosines, c->head_size},
        {&r->sines, c->head_size},
        {&r->keys, (size_t)c->layers * r->context * kv},
        {&r->values, (size_t)c->layers * r->context * kv},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!(*rows[i].p = arena_push_n(r->memory, float, rows[i].n))) return diag_oom(d, "oracle state");
    const float *factors = weight(r, r->m->rope_freqs);
    return rope_table_init(&r->rope[0], r->memory, c, factors, false, d) &&
           rope_table_init(&r->rope[1], r->memory, c, factors, true, d);
}

ref *ref_new(llm_store *s, uint32_t context, diag *d) {
    const llm_model *m = s->model;
    if (context == 0 || context > m->config.context) context = m->config.context;
    ref *r = mem_alloc(sizeof *r);
    if (r) *r = (ref){.m = m, .context = context, .memory = arena_new(0)};
    if (r && r->memory) r->weights = arena_push_n(r->memory, float *, m->tensor_count);
    if (!r || !r->weights) diag_oom(d, "oracle");
    else if (load_weights(r, s, d) && allocate(r, d)) return r;
    ref_free(r);
    return NULL;
}

void ref_free(ref *r) {
    if (!r) return;
    arena_free(r->memory);
    mem_free(r);
}

bool ref_logits(llm_store *s, const int32_t *ids, size_t count, float *logits, diag *d) {
    if (count > s->model->config.context)
        return diag_error(d, "%zu tokens are more than the model's context of %u", count, s->model->config.context);
    ref *r = ref_new(s, (uint32_t)count, d);
    bool ok = r != NULL;
    for (size_t i = 0; ok && i < count; i++) ok = ref_step(r, ids[i], logits + i * s->model->config.vocab, d);
    ref_free(r);
    return ok;
}
