/* Attention of the native engine. Keys and values are kept as panels of the float layouts, so that scores = Q K^T and
 * outputs = P V both run on the same gemm as the weights, several (token, head) rows at once. */
#include "base/half.h"
#include "llm/native_internal.h"

static void store_elem(const native *n, uint8_t *base, size_t index, float v) {
    if (n->kv_layout == PACK_F32) memcpy(base + 4 * index, &v, 4);
    else {
        uint16_t h = f16_from_f32(v);
        memcpy(base + 2 * index, &h, 2);
    }
}

static void store_kv(pass *s, uint32_t layer, uint32_t token, uint32_t kv_head) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    size_t hs = c->head_size, position = s->position + token;
    const float *row = n->qkv + token * n->qkv_stride, *k = row + (c->heads + kv_head) * hs, *v = k + c->kv_heads * hs;
    uint8_t *keys = n->keys[layer] + kv_head * n->key_head_bytes,
            *values = n->values[layer] + kv_head * n->value_head_bytes;
    size_t panel = position / PANEL_ROWS * PANEL_ROWS * hs, lane = position % PANEL_ROWS;
    for (size_t i = 0; i < hs; i++) store_elem(n, keys, panel + i * PANEL_ROWS + lane, k[i]);
    for (size_t i = 0; i < hs; i++)
        store_elem(n, values, (i / PANEL_ROWS * n->context + position) * PANEL_ROWS + i % PANEL_ROWS, v[i]);
}

/* QK-norm and rotation of every head; then the keys and values of the new tokens join the cache. */
void native_rotate_and_store(pass *s, int thread, uint32_t layer) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    const llm_layer *l = &n->m->layers[layer];
    const float *q_norm = weights_vector(n->w, l->q_norm), *k_norm = weights_vector(n->w, l->k_norm);
    int which = c->windowed[layer];
    size_t heads = c->heads + c->kv_heads, begin, end, half = c->rope_dims / 2;
    pool_share(s->tokens * heads, 1, thread, pool_threads(n->threads), &begin, &end);
    for (size_t i = begin; i < end; i++) {
        uint32_t token = (uint32_t)(i / heads), h = (uint32_t)(i % heads);
        float *head = n->qkv + token * n->qkv_stride + (size_t)h * c->head_size;
        const float *w = h < c->heads ? q_norm : k_norm;
        if (w) n->k->norm_rms(head, w, c->norm_eps, head, c->head_size);
        if (c->rope != ROPE_NONE)
            rope_apply(&n->rope[which], n->cosines[which] + token * half, n->sines[which] + token * half, head);
        if (h >= c->heads) store_kv(s, layer, token, h - c->heads);
    }
}

static size_t first_visible(const llm_config *c, uint32_t layer, size_t position) {
    return c->windowed[layer] && position >= c->window ? position - c->window + 1 : 0;
}

/* Panels of keys or values that follow each other `bytes` apart. */
typedef struct {
    const uint8_t *at;
    size_t bytes, count;
} kv_panels;

/* By tiles or not hangs on the pass and not on the rows at hand: those differ with the number of threads. */
static bool by_tiles(const pass *s) {
    return s->n->k->tile_tokens && s->tokens >= s->n->k->tile_tokens && s->digits == 2;
}

/* out[row * stride + 16 * panel + lane] = panel . rows of `a`. */
static void product(const pass *s, thread_scratch *t, kv_panels p, acts a, size_t rows, float *out, size_t stride) {
    const native *n = s->n;
    if (!by_tiles(s)) {
        for (size_t i = 0; i < p.count; i++)
            n->k->gemm[n->kv_layout](p.at + i * p.bytes, &a, 0, rows, out + i * PANEL_ROWS, stride);
        return;
    }
    size_t unit = n->k->tile_tokens, padded = (rows + unit - 1) / unit * unit, most = n->panel_results / padded, count;
    a.pairs = t->pairs;
    for (size_t r = 0; r < rows; r++) n->k->split(&a, r);
    for (size_t begin = 0; begin < p.count; begin += count) {
        count = p.count - begin < most ? p.count - begin : most;
        n->k->tiles[n->kv_layout](p.at + begin * p.bytes, p.bytes, count, &a, 0, rows, t->panel);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < count; i++)
                memcpy(out + r * stride + (begin + i) * PANEL_ROWS, t->panel + (i * padded + r) * PANEL_ROWS,
                       PANEL_ROWS * sizeof *out);
    }
}

/* Rows [row, row + rows) of one KV head; row = token * group + query head within the group. */
static void attend(pass *s, thread_scratch *t, uint32_t layer, uint32_t kv_head, size_t row, size_t rows) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    size_t group = c->heads / c->kv_heads, hs = c->head_size;
    for (size_t r = 0; r < rows; r++) {
        size_t token = (row + r) / group, head = kv_head * group + (row + r) % group;
        memcpy(t->q + r * n->head_stride, n->qkv + token * n->qkv_stride + head * hs, hs * sizeof(float));
    }
    size_t last = s->position + (row + rows - 1) / group;
    size_t from = first_visible(c, layer, s->position + row / group) / BLOCK_COLS * BLOCK_COLS, count = last + 1 - from;
    const uint8_t *keys = n->keys[layer] + kv_head * n->key_head_bytes,
                  *values = n->values[layer] + kv_head * n->value_head_bytes;
    size_t key_bytes = kv_index_bytes(n, PANEL_ROWS * hs), value_bytes = kv_index_bytes(n, n->context * PANEL_ROWS);
    kv_panels k = {keys + from / PANEL_ROWS * key_bytes, key_bytes, (count + PANEL_ROWS - 1) / PANEL_ROWS},
              v = {values + kv_index_bytes(n, from * PANEL_ROWS), value_bytes, (hs + PANEL_ROWS - 1) / PANEL_ROWS};
    product(s, t, k, (acts){.f = t->q, .cols = hs, .stride = n->head_stride}, rows, t->scores, n->score_stride);
    for (size_t r = 0; r < rows; r++) {
        size_t position = s->position + (row + r) / group, begin = first_visible(c, layer, position) - from,
               end = position + 1 - from;
        float *scores = t->scores + r * n->score_stride;
        memset(scores, 0, begin * sizeof(float));
        memset(scores + end, 0, (count - end) * sizeof(float));
        t->inverse[r] = 1.0f / n->k->softmax_exp(scores + begin, end - begin, c->attn_scale, c->attn_softcap);
    }
    acts p = {.f = t->scores, .cols = count, .stride = n->score_stride};
    product(s, t, v, p, rows, t->q, n->head_stride); /* the queries have done their work */
    for (size_t r = 0; r < rows; r++) {
        size_t token = (row + r) / group, head = kv_head * group + (row + r) % group;
        float *out = n->att + token * n->q_stride + head * hs;
        for (size_t i = 0; i < hs; i++) out[i] = t->q[r * n->head_stride + i] * t->inverse[r];
    }
}

/* Items of up to attention_rows rows, dealt to the threads in turn: later tokens see more keys, so contiguous shares
 * would not be even. */
void native_attention(pass *s, int thread, uint32_t layer) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    int threads = pool_threads(n->threads);
    size_t per_head = (size_t)s->tokens * (c->heads / c->kv_heads), step = n->attention_rows;
    if (per_head < step && c->kv_heads % (uint32_t)threads)
        step = by_tiles(s) ? n->k->tile_tokens : 1; /* whole groups would leave threads idle */
    size_t blocks = (per_head + step - 1) / step;
    for (size_t item = (size_t)thread; item < blocks * c->kv_heads; item += (size_t)threads) {
        size_t row = item % blocks * step, rows = per_head - row < step ? per_head - row : step;
        attend(s, &n->scratch[thread], layer, (uint32_t)(item / blocks), row, rows);
    }
}
