#include "llm/native.h"
#include "base/mem.h"
#include "base/units.h"
#include "llm/native_internal.h"
#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *const step_names[STEP_COUNT] = {"embedding", "norm", "linear", "attention", "other", "head"};
const char *native_step_name(native_step s) { return step_names[s]; }

/* ---- steps of a pass; every function here runs on all threads ---- */

static void barrier(pass *s) { pool_barrier(s->n->threads); }

/* Ends a step: its time on thread 0 goes to `what`. */
static native_cost *mark(pass *s, int thread, native_step what) {
    if (thread != 0) return NULL;
    native_profile *p = &s->n->profile;
    native_cost *cost = pass_is_decode(s) ? &p->decode[what] : &p->prompt[what];
    double now = clock_seconds();
    cost->seconds += now - s->mark;
    s->mark = now;
    return cost;
}

static bool needs_integers(const llm_tensor *t) { return t && !pack_layout_of(t->type->id)->is_float; }

/* Activations for the matrices a, b and c (which may be NULL): rows of `src`, through a norm when there is one, as
 * integers when a matrix is quantised. */
typedef struct {
    const float *src;
    size_t stride, cols;
    uint32_t tokens;
    const llm_tensor *norm, *norm_bias;
    const llm_tensor *consumers[4];
} input;

static void prepare_row(pass *s, const input *in, const acts *a, uint32_t token) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    const float *w = weights_vector(n->w, in->norm), *b = weights_vector(n->w, in->norm_bias),
                *x = in->src + token * in->stride;
    if (w && c->arch->norm == NORM_RMS) n->k->norm_rms(x, w, c->norm_eps, a->f + token * a->stride, in->cols);
    if (w && c->arch->norm == NORM_LAYER) n->k->norm_layer(x, w, b, c->norm_eps, a->f + token * a->stride, in->cols);
    if (a->hi) n->k->quantize(a, token);
    if (a->pairs) n->k->split(a, token);
}

static acts prepare(pass *s, int thread, const input *in) {
    native *n = s->n;
    bool integers = false, alone = in->tokens <= PRIVATE_TOKENS;
    for (int i = 0; i < 4; i++) integers = integers || needs_integers(in->consumers[i]);
    acts a = alone ? n->scratch[thread].own : n->shared;
    a.cols = in->cols;
    a.stride = acts_stride(in->cols);
    if (!in->norm) a.f = (float *)(uintptr_t)in->src; /* read only */
    if (s->digits == 1) a.lo = NULL;
    bool tiles = a.pairs && in->tokens >= n->k->tile_tokens && s->digits == 2;
    if (!tiles) a.pairs = NULL;
    if (!integers || tiles) a.hi = a.lo = NULL;
    if (!in->norm && !integers && !tiles) return a;
    size_t begin = 0, end = in->tokens;
    if (!alone) pool_share(in->tokens, 1, thread, pool_threads(n->threads), &begin, &end);
    for (size_t t = begin; t < end; t++) prepare_row(s, in, &a, (uint32_t)t);
    if (!alone) barrier(s);
    return a;
}

/* What becomes of y = W x + b. */
typedef struct {
    float *out;
    size_t stride;
    bool add; /* out += y */
    const float *bias;
} output;

/* Rows [row, row + rows) of one token. */
static inline void finish(const output *o, const float *y, uint64_t row, uint64_t rows, size_t token) {
    float *out = o->out + token * o->stride + row;
    if (rows == PANEL_ROWS && !o->bias) { /* most of them: the compiler knows how many */
        for (int r = 0; r < PANEL_ROWS; r++) out[r] = o->add ? out[r] + y[r] : y[r];
        return;
    }
    for (uint64_t r = 0; r < rows; r++) {
        float v = o->bias ? y[r] + o->bias[row + r] : y[r];
        out[r] = o->add ? out[r] + v : v;
    }
}

/* Tokens whose activations stay in the second-level cache while panels pass by. */
static size_t token_block(const acts *x) {
    size_t bytes = x->stride * (x->hi ? x->lo ? 2 : 1 : 4), n = (1024 << 10) / bytes / 32 * 32;
    return n < 32 ? 32 : n;
}

/* Panels of a matrix that meet the activations. */
typedef struct {
    pack_id layout;
    const uint8_t *panels;
    size_t panel_bytes, count;
    uint64_t first_row, rows; /* of panel 0; of the matrix */
    const struct hot_panels *hot;
} piece;

/* The panels that stand for all of this kind: those of the first matrix of the kind that the thread met. NULL: no room
 * for another kind, which is then read as it is. */
static const struct hot_panels *hot_panels(thread_scratch *t, const piece *h) {
    for (int i = 0; i < t->hot_kinds; i++)
        if (t->hot[i].layout == h->layout && t->hot[i].panel_bytes == h->panel_bytes) return &t->hot[i];
    if (t->hot_kinds == HOT_KINDS || h->count == 0) return NULL;
    size_t most = HOT_BYTES / h->panel_bytes ? HOT_BYTES / h->panel_bytes : 1;
    t->hot[t->hot_kinds] = (struct hot_panels){h->layout, h->panel_bytes, h->count < most ? h->count : most, h->panels};
    return &t->hot[t->hot_kinds++];
}

/* `count` panels from `panel` on; *count falls to how many follow each other. */
static const uint8_t *panels_at(const piece *h, size_t panel, size_t *count) {
    if (!h->hot) return h->panels + panel * h->panel_bytes;
    size_t at = panel % h->hot->count;
    if (*count > h->hot->count - at) *count = h->hot->count - at;
    return h->hot->panels + at * h->panel_bytes;
}

static uint64_t panel_row(const piece *h, size_t panel, uint64_t *rows) {
    uint64_t row = h->first_row + panel * PANEL_ROWS;
    *rows = h->rows - row < PANEL_ROWS ? h->rows - row : PANEL_ROWS;
    return row;
}

/* Runs of panels go to whichever thread is free: a processor that shares its core with somebody else multiplies tiles
 * at half the speed or less. Every thread keeps count of the tickets of the pass; one that is drawn too early is the
 * first of the next matrix. */
static void multiply_tiles(native *n, int thread, const piece *h, const acts *x, size_t tokens, const output *o) {
    thread_scratch *own = &n->scratch[thread];
    size_t unit = n->k->tile_tokens, padded = (tokens + unit - 1) / unit * unit,
           run = h->count / (RUNS_PER_THREAD * (size_t)pool_threads(n->threads)) / 2 * 2;
    run = run < 2 ? 2 : run > TILE_PANELS ? TILE_PANELS : run;
    size_t runs = (h->count + run - 1) / run;
    for (; own->ticket < own->tickets + runs; own->ticket = atomic_fetch_add(&n->tickets, 1)) {
        size_t begin = (own->ticket - own->tickets) * run, end = begin + run < h->count ? begin + run : h->count;
        for (size_t panel = begin, count; panel < end; panel += count) {
            count = end - panel;
            const uint8_t *from = panels_at(h, panel, &count);
            n->k->tiles[h->layout](from, h->panel_bytes, count, x, 0, tokens, own->panel);
            for (size_t t = 0; t < tokens; t++) /* token by token: neighbours in the output */
                for (size_t i = 0; i < count; i++) {
                    uint64_t rows, row = panel_row(h, panel + i, &rows);
                    finish(o, own->panel + (i * padded + t) * PANEL_ROWS, row, rows, t);
                }
        }
    }
    own->tickets += runs;
}

static void multiply_panels(native *n, int thread, const piece *h, const acts *x, size_t tokens, const output *o) {
    size_t block = token_block(x), one = 1, begin, end;
    pool_share(h->count, 1, thread, pool_threads(n->threads), &begin, &end);
    for (size_t first = 0; first < tokens; first += block) {
        size_t count = tokens - first < block ? tokens - first : block;
        for (size_t panel = begin; panel < end; panel++) {
            uint64_t rows, row = panel_row(h, panel, &rows);
            bool direct = !o->add && !o->bias && rows == PANEL_ROWS;
            float *y = direct ? o->out + first * o->stride + row : n->scratch[thread].panel;
            n->k->gemm[h->layout](panels_at(h, panel, &one), x, first, count, y, direct ? o->stride : PANEL_ROWS);
            for (size_t t = 0; t < count && !direct; t++) finish(o, y + t * PANEL_ROWS, row, rows, first + t);
        }
    }
}

static bool matmul(pass *s, int thread, const llm_tensor *w, const acts *x, uint32_t tokens, const output *o) {
    native *n = s->n;
    size_t panel_bytes;
    uint32_t pieces;
    const pack_layout *layout = weights_layout(n->w, w, &panel_bytes, &pieces);
    for (uint32_t i = 0; i < pieces; i++) {
        weights_piece p;
        if (!weights_acquire(n->w, w, i, &p)) return false;
        piece h = {layout->id, p.panels, panel_bytes, p.panel_count, p.first_panel * PANEL_ROWS, w->rows, NULL};
        if (n->hot) h.hot = hot_panels(&n->scratch[thread], &h);
        (x->pairs ? multiply_tiles : multiply_panels)(n, thread, &h, x, tokens, o);
        weights_release(n->w, w, i);
    }
    return true;
}

static void count_matmul(pass *s, int thread, native_cost *cost, const llm_tensor *w, uint32_t tokens) {
    if (thread != 0 || !w || !cost) return;
    size_t panel_bytes;
    uint32_t pieces;
    weights_layout(s->n->w, w, &panel_bytes, &pieces);
    cost->weight_bytes += (double)panel_bytes * (double)pack_panels(w->rows);
    cost->flops += 2.0 * (double)w->rows * (double)w->cols * tokens;
    cost->activation_bytes += 4.0 * (double)(w->rows + w->cols) * tokens;
}

static void count_attention(pass *s, int thread, native_cost *cost, uint32_t layer) {
    if (thread != 0) return;
    const llm_config *c = &s->n->m->config;
    double keys = 0, width = (double)c->head_size * c->heads, kv = (double)c->head_size * c->kv_heads;
    for (uint32_t t = 0; t < s->tokens; t++) {
        double seen = s->position + t + 1;
        keys += c->windowed[layer] && seen > c->window ? c->window : seen;
    }
    cost->flops += 4 * width * keys;
    cost->kv_bytes +=
        2 * kv * (double)s->n->kv_elem_bytes * (pass_is_decode(s) ? keys + 1 : s->position + 2.0 * s->tokens);
    cost->activation_bytes += 4 * 2 * width * s->tokens;
}

/* x += tmp, through the norm that some families have after the block. */
static void add_normed(pass *s, int thread, const llm_tensor *norm) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    size_t begin, end;
    pool_share(s->tokens, 1, thread, pool_threads(n->threads), &begin, &end);
    for (size_t t = begin; t < end; t++) {
        float *tmp = n->tmp + t * n->width_stride, *x = n->x + t * n->width_stride;
        n->k->norm_rms(tmp, weights_vector(n->w, norm), c->norm_eps, tmp, c->width);
        for (size_t i = 0; i < c->width; i++) x[i] += tmp[i];
    }
}

/* The matrix that ends a block: its result joins the residual stream. */
static bool project_back(pass *s, int thread, const llm_tensor *w, const llm_tensor *bias, const llm_tensor *post_norm,
                         const acts *x) {
    native *n = s->n;
    output o = {post_norm ? n->tmp : n->x, n->width_stride, !post_norm, weights_vector(n->w, bias)};
    if (!matmul(s, thread, w, x, s->tokens, &o)) return false;
    barrier(s);
    count_matmul(s, thread, mark(s, thread, STEP_MATMUL), w, s->tokens);
    if (!post_norm) return true;
    add_normed(s, thread, post_norm);
    barrier(s);
    mark(s, thread, STEP_NORM);
    return true;
}

static bool project_qkv(pass *s, int thread, const llm_layer *l, const acts *x) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    size_t q = (size_t)c->heads * c->head_size, kv = (size_t)c->kv_heads * c->head_size;
    const struct {
        const llm_tensor *w, *b;
        size_t at;
    } parts[] = {{l->qkv, l->qkv_b, 0}, {l->q, l->q_b, 0}, {l->k, l->k_b, q}, {l->v, l->v_b, q + kv}};
    for (int i = 0; i < 4; i++) {
        output o = {n->qkv + parts[i].at, n->qkv_stride, false, weights_vector(n->w, parts[i].b)};
        if (parts[i].w && !matmul(s, thread, parts[i].w, x, s->tokens, &o)) return false;
    }
    barrier(s);
    native_cost *cost = mark(s, thread, STEP_MATMUL);
    for (int i = 0; i < 4; i++) count_matmul(s, thread, cost, parts[i].w, s->tokens);
    return true;
}

static bool attention_block(pass *s, int thread, uint32_t layer) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    const llm_layer *l = &n->m->layers[layer];
    acts x = prepare(
        s, thread,
        &(input){n->x, n->width_stride, c->width, s->tokens, l->attn_norm, l->attn_norm_b, {l->qkv, l->q, l->k, l->v}});
    mark(s, thread, STEP_NORM);
    if (!project_qkv(s, thread, l, &x)) return false;
    native_rotate_and_store(s, thread, layer);
    barrier(s);
    native_attention(s, thread, layer);
    barrier(s);
    count_attention(s, thread, mark(s, thread, STEP_ATTENTION), layer);
    x = prepare(s, thread,
                &(input){n->att, n->q_stride, (size_t)c->heads * c->head_size, s->tokens, NULL, NULL, {l->o}});
    mark(s, thread, STEP_OTHER);
    return project_back(s, thread, l->o, l->o_b, l->attn_post_norm, &x);
}

/* The activation function on the rows of the MLP that this thread computed itself (`own`), or on an even share. */
static void activate(pass *s, int thread, const llm_layer *l, bool own) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    float *to = l->gate ? n->gate : n->up;
    size_t begin, end;
    pool_share(own ? pack_panels(c->mlp_width) : s->tokens, 1, thread, pool_threads(n->threads), &begin, &end);
    size_t from = own ? begin * PANEL_ROWS : 0,
           until = own && end * PANEL_ROWS < c->mlp_width ? end * PANEL_ROWS : c->mlp_width;
    void (*act)(float *, const float *, size_t) = c->arch->act == ACT_SILU ? n->k->silu_mul : n->k->gelu_mul;
    for (size_t t = own ? 0 : begin; t < (own ? s->tokens : end); t++)
        if (from < until)
            act(to + t * n->mlp_stride + from, l->gate ? n->up + t * n->mlp_stride + from : NULL, until - from);
}

static bool mlp_block(pass *s, int thread, uint32_t layer) {
    native *n = s->n;
    const llm_config *c = &n->m->config;
    const llm_layer *l = &n->m->layers[layer];
    acts x = prepare(
        s, thread, &(input){n->x, n->width_stride, c->width, s->tokens, l->ffn_norm, l->ffn_norm_b, {l->gate, l->up}});
    mark(s, thread, STEP_NORM);
    output gate = {n->gate, n->mlp_stride, false, weights_vector(n->w, l->gate_b)},
           up = {n->up, n->mlp_stride, false, weights_vector(n->w, l->up_b)};
    if (l->gate && !matmul(s, thread, l->gate, &x, s->tokens, &gate)) return false;
    if (!matmul(s, thread, l->up, &x, s->tokens, &up)) return false;
    bool own = !n->streamed && !x.pairs; /* else other threads may have had these rows of gate and up */
    if (!own) barrier(s);
    activate(s, thread, l, own);
    barrier(s);
    native_cost *cost = mark(s, thread, STEP_MATMUL);
    count_matmul(s, thread, cost, l->gate, s->tokens);
    count_matmul(s, thread, cost, l->up, s->tokens);
    x = prepare(s, thread,
                &(input){l->gate ? n->gate : n->up, n->mlp_stride, c->mlp_width, s->tokens, NULL, NULL, {l->down}});
    mark(s, thread, STEP_OTHER);
    return project_back(s, thread, l->down, l->down_b, l->ffn_post_norm, &x);
}

static bool head(pass *s, int thread) {
    native *n = s->n;
    const llm_model *m = n->m;
    const float *last = n->x + (s->tokens - 1) * n->width_stride;
    acts x = prepare(
        s, thread, &(input){last, n->width_stride, m->config.width, 1, m->output_norm, m->output_norm_b, {m->output}});
    output o = {s->logits, acts_stride(m->config.vocab), false, NULL};
    if (!matmul(s, thread, m->output, &x, 1, &o)) return false;
    barrier(s);
    count_matmul(s, thread, mark(s, thread, STEP_HEAD), m->output, 1);
    return true;
}

/* Angles of the batch's positions, once for all layers. */
static void angles(pass *s, int thread) {
    native *n = s->n;
    size_t begin, end, half = n->m->config.rope_dims / 2;
    pool_share(s->tokens, 1, thread, pool_threads(n->threads), &begin, &end);
    for (size_t t = begin; half && t < end; t++)
        for (int i = 0; i < (n->m->config.window ? 2 : 1); i++)
            rope_angles(&n->rope[i], s->position + t, n->cosines[i] + t * half, n->sines[i] + t * half);
}

static void run_pass(void *arg, int thread, int threads) {
    (void)threads;
    pass *s = arg;
    bool ok = true;
    if (thread == 0) s->mark = clock_seconds();
    s->n->scratch[thread].tickets = 0;
    s->n->scratch[thread].ticket = atomic_fetch_add(&s->n->tickets, 1);
    angles(s, thread);
    for (uint32_t l = 0; ok && l < s->n->m->config.layers; l++)
        ok = attention_block(s, thread, l) && mlp_block(s, thread, l);
    if (ok && s->logits) ok = head(s, thread);
    if (!ok && thread == 0) s->failed = true;
}

/* ---- the engine ---- */

static bool embed(native *n, const int32_t *ids, uint32_t count, diag *d) {
    const llm_model *m = n->m;
    const llm_config *c = &m->config;
    for (uint32_t t = 0; t < count; t++) {
        float *x = n->x + t * n->width_stride;
        if (!weights_row(n->w, m->embed, (uint64_t)ids[t], x, d)) return false;
        for (uint32_t i = 0; i < c->width; i++) x[i] *= c->embed_scale;
        if (!m->positions) continue;
        if (!weights_row(n->w, m->positions, n->position + t, n->tmp, d)) return false;
        for (uint32_t i = 0; i < c->width; i++) x[i] += n->tmp[i];
    }
    return true;
}

static bool forward_batch(native *n, const int32_t *ids, uint32_t count, float *logits, diag *d) {
    double since = clock_seconds();
    native_profile before = n->profile;
    if (!embed(n, ids, count, d)) return false;
    pass s = {.n = n,
              .ids = ids,
              .tokens = count,
              .position = n->position,
              .logits = logits,
              .digits = count == 1 ? n->decode_digits : n->prompt_digits};
    native_cost *cost = count == 1 ? &n->profile.decode[STEP_EMBED] : &n->profile.prompt[STEP_EMBED];
    cost->seconds += clock_seconds() - since;
    cost->weight_bytes += (double)n->m->embed->size_bytes / (double)n->m->embed->rows * count;
    weights_begin_pass(n->w, logits != NULL);
    atomic_store(&n->tickets, 0);
    pool_run(n->threads, run_pass, &s);
    if (s.failed) return weights_error(n->w, d), false;
    *(count == 1 ? &n->profile.decode_tokens : &n->profile.prompt_tokens) += count;
    n->position += count;
    if (n->hot) n->profile = before;
    float cap = n->m->config.logit_softcap;
    for (uint32_t i = 0; logits && cap > 0 && i < n->m->config.vocab; i++) logits[i] = cap * tanhf(logits[i] / cap);
    return true;
}

static bool forward(native *n, const int32_t *ids, size_t count, float *logits, diag *d) {
    uint32_t before = n->position;
    if (count > n->context - n->position)
        return diag_error(d, "%zu tokens do not fit: the context holds %u and %u are used; ask for more with --context",
                          count, n->context, n->position);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n->m->config.vocab)
            return diag_error(d, "token %d is outside the vocabulary of %u", ids[i], n->m->config.vocab);
    for (size_t at = 0; at < count;) {
        uint32_t part = count - at < n->batch ? (uint32_t)(count - at) : n->batch;
        if (!forward_batch(n, ids + at, part, at + part == count ? logits : NULL, d)) {
            n->position = before;
            return false;
        }
        at += part;
    }
    return true;
}

bool native_forward(native *n, const int32_t *ids, size_t count, float *logits, diag *d) {
    double queued = native_queued_seconds(n);
    bool ok = forward(n, ids, count, logits, d);
    if (!n->hot) n->profile.queued_seconds += native_queued_seconds(n) - queued;
    return ok;
}

void native_rewind(native *n, uint32_t position) {
    if (position < n->position) n->position = position;
}
void native_set_hot(native *n, bool hot) { n->hot = hot && !n->streamed; }
uint32_t native_position(const native *n) { return n->position; }
uint32_t native_context(const native *n) { return n->context; }
const native_profile *native_get_profile(const native *n) { return &n->profile; }

native_stats native_get_stats(const native *n) {
    const llm_config *c = &n->m->config;
    uint64_t token = 2ull * c->layers * c->kv_heads * c->head_size * n->kv_elem_bytes;
    return (native_stats){.weights = weights_get_stats(n->w),
                          .kv_bytes = (n->key_head_bytes + n->value_head_bytes) * c->kv_heads * c->layers,
                          .kv_token_bytes = token,
                          .activation_bytes = n->activation_bytes,
                          .kernels = n->k->name};
}

/* ---- memory ---- */

static void *block(native *n, size_t bytes) {
    if (n->block_count == n->block_cap) return NULL;
    void *p = mem_pages(bytes);
    if (p) n->blocks[n->block_count++] = (struct native_block){p, bytes};
    if (p) n->activation_bytes += bytes;
    return p;
}

static bool make_acts(native *n, acts *a, size_t tokens, size_t stride) {
    bool two = n->prompt_digits == 2 || n->decode_digits == 2;
    a->stride = stride;
    return (a->f = block(n, tokens * stride * sizeof(float))) && (a->hi = block(n, tokens * stride)) &&
           (!two || (a->lo = block(n, tokens * stride))) &&
           (a->scale = block(n, tokens * (stride / BLOCK_COLS) * sizeof(float))) &&
           (a->sums = block(n, tokens * (stride / 16) * sizeof(int32_t))) &&
           (a->scaled_sums = block(n, tokens * (stride / 16) * sizeof(float)));
}

static size_t max3(size_t a, size_t b, size_t c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }

static size_t whole_groups(size_t tokens) { return (tokens + 15) / 16 * 16; } /* of pairs, see acts */

static bool make_buffers(native *n) {
    const llm_config *c = &n->m->config;
    size_t q = (size_t)c->heads * c->head_size, kv = (size_t)c->kv_heads * c->head_size, f = sizeof(float),
           b = n->batch;
    n->block_cap = BLOCKS_SHARED + BLOCKS_PER_THREAD * pool_threads(n->threads);
    if (!(n->blocks = mem_alloc_n((size_t)n->block_cap, sizeof *n->blocks))) return false;
    n->width_stride = acts_stride(c->width);
    n->q_stride = acts_stride(q);
    n->qkv_stride = acts_stride(q + 2 * kv);
    n->mlp_stride = acts_stride(c->mlp_width);
    n->head_stride = acts_stride(c->head_size);
    n->score_stride = acts_stride(n->context + PANEL_ROWS);
    n->attention_rows = n->score_stride > (1u << 20) / ATTENTION_ROWS ? (1u << 20) / n->score_stride : ATTENTION_ROWS;
    if (n->attention_rows == 0) n->attention_rows = 1;
    bool ok = (n->x = block(n, b * n->width_stride * f)) && (n->tmp = block(n, b * n->width_stride * f)) &&
              (n->qkv = block(n, b * n->qkv_stride * f)) && (n->att = block(n, b * n->q_stride * f)) &&
              (n->gate = block(n, b * n->mlp_stride * f)) && (n->up = block(n, b * n->mlp_stride * f));
    size_t widest = max3(n->width_stride, n->q_stride, n->mlp_stride), half = c->rope_dims / 2 + 1,
           rows = n->attention_rows;
    ok = ok && make_acts(n, &n->shared, b, widest);
    for (int i = 0; ok && i < 2; i++)
        ok = (n->cosines[i] = block(n, b * half * f)) && (n->sines[i] = block(n, b * half * f));
    if (ok && n->k->tile_tokens)
        ok = (n->shared.pairs = block(n, whole_groups(b) * 2 * widest * sizeof(uint16_t))) != NULL;
    n->panel_results = whole_groups(b) * (n->k->tile_tokens ? TILE_PANELS : 1) + rows;
    n->scratch = mem_alloc_n((size_t)pool_threads(n->threads), sizeof *n->scratch);
    for (int i = 0; ok && n->scratch && i < pool_threads(n->threads); i++) {
        thread_scratch *t = &n->scratch[i];
        ok = make_acts(n, &t->own, PRIVATE_TOKENS, widest) &&
             (t->panel = block(n, n->panel_results * PANEL_ROWS * f)) && (t->q = block(n, rows * n->head_stride * f)) &&
             (t->scores = block(n, rows * n->score_stride * f)) &&
             (!n->k->tile_tokens || (t->pairs = block(n, whole_groups(rows) * 2 * sizeof *t->pairs *
                                                             max3(n->score_stride, n->head_stride, 0))));
    }
    return ok && n->scratch;
}

/* Plain heap memory and not huge pages: a cache for a long context is touched page by page as the text grows. */
static bool make_cache(native *n) {
    const llm_config *c = &n->m->config;
    size_t positions = (n->context + PANEL_ROWS - 1) / PANEL_ROWS * PANEL_ROWS,
           chunks = (c->head_size + PANEL_ROWS - 1) / PANEL_ROWS;
    n->key_head_bytes = kv_index_bytes(n, positions * c->head_size);
    n->value_head_bytes = kv_index_bytes(n, chunks * PANEL_ROWS * n->context);
    n->keys = mem_alloc_n(c->layers, sizeof *n->keys);
    n->values = mem_alloc_n(c->layers, sizeof *n->values);
    bool ok = n->keys && n->values;
    for (uint32_t l = 0; ok && l < c->layers; l++)
        ok = (n->keys[l] = mem_alloc_n(c->kv_heads, n->key_head_bytes)) &&
             (n->values[l] = mem_alloc_n(c->kv_heads, n->value_head_bytes));
    return ok;
}

static bool make_rope(native *n, diag *d) {
    const float *factors = weights_vector(n->w, n->m->rope_freqs);
    for (int i = 0; i < 2; i++)
        if (!rope_table_init(&n->rope[i], n->memory, &n->m->config, factors, i, d)) return false;
    return true;
}

enum { BATCH_MAX = 4096 };

native *native_new(llm_store *s, const native_options *o, pool *threads, diag *d) {
    const llm_config *c = &s->model->config;
    native *n = mem_alloc(sizeof *n);
    if (!n || !(n->memory = arena_new(0))) return mem_free(n), diag_oom(d, "engine"), NULL;
    uint32_t wanted = o->context                            ? o->context
                      : c->context < NATIVE_CONTEXT_DEFAULT ? c->context
                                                            : NATIVE_CONTEXT_DEFAULT;
    n->waits_fd = -1;
    n->m = s->model;
    n->k = o->kernels ? o->kernels : kern_best();
    n->threads = threads;
    n->context = wanted;
    n->batch = o->batch ? o->batch : NATIVE_BATCH_DEFAULT;
    if (n->batch > n->context) n->batch = n->context;
    n->kv_layout = o->kv_f32 ? PACK_F32 : PACK_F16;
    n->kv_elem_bytes = o->kv_f32 ? 4 : 2;
    n->prompt_digits = o->prompt_digits ? o->prompt_digits : 2;
    n->decode_digits = o->decode_digits ? o->decode_digits : 2;
    n->streamed = o->weights.mode == WEIGHTS_STREAMED;
    if (c->arch->positions && wanted > c->context)
        diag_error(d, "--context %u is more than the model's %u positions", wanted, c->context);
    else if (n->batch > BATCH_MAX) diag_error(d, "--batch %u is more than %d", n->batch, BATCH_MAX);
    else if (!make_buffers(n) || !make_cache(n))
        diag_oom(d, "activations and KV cache; try a smaller --context or --batch");
    else if ((n->w = weights_open(s, &o->weights, threads, d)) && make_rope(n, d)) return n;
    native_free(n);
    return NULL;
}

void native_free(native *n) {
    if (!n) return;
    weights_close(n->w);
    for (uint32_t l = 0; l < n->m->config.layers; l++) {
        if (n->keys) mem_free(n->keys[l]);
        if (n->values) mem_free(n->values[l]);
    }
    mem_free(n->keys);
    mem_free(n->values);
    mem_free(n->scratch);
    for (int i = 0; i < n->block_count; i++) mem_pages_free(n->blocks[i].p, n->blocks[i].bytes);
    mem_free(n->blocks);
    arena_free(n->memory);
    if (n->waits_fd >= 0) close(n->waits_fd);
    mem_free(n);
}
