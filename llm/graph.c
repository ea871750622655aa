/* Builds the operator list of a decoder block by block, and prices it. The families differ only in which tensors a
 * layer has: an operator whose tensor is absent is not there. See graph.h for the formulas and their sources. */
#include "llm/graph.h"

typedef struct {
    const char *name;
    double flops, vectors; /* per element */
} kind_row;

#define ROW(kind, name, flops, vectors) [LLM_OP_##kind] = {name, flops, vectors},
static const kind_row kinds[] = {LLM_OP_KINDS(ROW)};
#undef ROW

const char *llm_op_kind_name(llm_op_kind kind) { return kind < LLM_OP_KIND_COUNT ? kinds[kind].name : "unknown"; }

/* ---- building ---- */

enum { OPS_PER_LAYER = 24, OPS_OUTSIDE = 8 }; /* upper bounds; push checks them */

typedef struct {
    const llm_model *m;
    const llm_config *c;
    arena *a;
    llm_graph *g;
    diag *d;
    size_t cap;
    int32_t layer;
    bool last_only, ok;
} builder;

static const char *model_name(const llm_model *m) { return m->path ? m->path : m->name ? m->name : "model"; }

static int32_t push(builder *b, const char *name, llm_op op) {
    if (b->g->count >= b->cap)
        b->ok = b->ok && diag_error(b->d, "%s: more operators than a model may have", model_name(b->m));
    if (!b->ok) return -1;
    op.layer = b->layer;
    op.last_only = b->last_only;
    op.name = b->layer < 0 ? name : arena_printf(b->a, "blk.%d.%s", (int)b->layer, name);
    if (!op.name) b->ok = diag_oom(b->d, "the operator graph");
    b->g->ops[b->g->count] = op;
    return (int32_t)b->g->count++;
}

/* A wrong shape here would be a wrong price, a wrong placement, and a read past a tensor later. */
static void check(builder *b, const char *name, const char *part, const llm_tensor *t, uint64_t rows, uint64_t cols) {
    if (!b->ok || (t && t->rows == rows && t->cols == cols)) return;
    const char *model = model_name(b->m);
    int layer = (int)b->layer;
    if (!t)
        b->ok = diag_error(b->d, "%s: layer %d: tensor '%s.%s' is missing: the file is incomplete, get it again", model,
                           layer, name, part);
    else
        b->ok = diag_error(b->d,
                           "%s: layer %d: tensor '%s.%s' is %llu x %llu, its configuration asks for %llu x %llu: "
                           "the file is damaged or was converted wrongly",
                           model, layer, name, part, (unsigned long long)t->rows, (unsigned long long)t->cols,
                           (unsigned long long)rows, (unsigned long long)cols);
}

static int32_t matmul(builder *b, const char *name, const llm_tensor *w, const llm_tensor *bias, uint64_t rows,
                      uint64_t cols, int32_t input) {
    check(b, name, "weight", w, rows, cols);
    if (bias) check(b, name, "bias", bias, 1, rows);
    return push(b, name, (llm_op){.kind = LLM_OP_MATMUL, .weight = w, .bias = bias, .rows = rows, .cols = cols,
                                  .input = {input, -1}});
}

static int32_t norm(builder *b, const char *name, const llm_tensor *w, const llm_tensor *bias, int32_t input) {
    check(b, name, "weight", w, 1, b->c->width);
    if (bias) check(b, name, "bias", bias, 1, b->c->width);
    return push(b, name, (llm_op){.kind = LLM_OP_NORM, .weight = w, .bias = bias, .rows = 1, .cols = b->c->width,
                                  .input = {input, -1}});
}

static int32_t plain(builder *b, llm_op_kind kind, const char *name, uint64_t rows, uint64_t cols, int32_t in0,
                     int32_t in1) {
    return push(b, name, (llm_op){.kind = kind, .rows = rows, .cols = cols, .input = {in0, in1}});
}

static int32_t head_norm(builder *b, const char *name, const llm_tensor *w, uint32_t heads, int32_t input) {
    if (!w) return input;
    check(b, name, "weight", w, 1, b->c->head_size);
    return push(b, name, (llm_op){.kind = LLM_OP_HEAD_NORM, .weight = w, .rows = heads, .cols = b->c->head_size,
                                  .input = {input, -1}});
}

/* Cache update and attention over it. */
static int32_t attend(builder *b, int32_t q, int32_t k, int32_t v) {
    const llm_config *c = b->c;
    uint32_t window = c->windowed[b->layer] ? c->window : 0;
    llm_op store = {.kind = LLM_OP_KV_STORE, .rows = 2ull * c->kv_heads, .cols = c->head_size, .kv_heads = c->kv_heads,
                    .window = window, .input = {k, v}};
    int32_t kv = push(b, "kv_store", store);
    llm_op look = {.kind = LLM_OP_ATTENTION,
                   .rows = c->heads,
                   .cols = c->head_size,
                   .kv_heads = c->kv_heads,
                   .window = window,
                   .input = {q, kv}};
    return push(b, "attention", look);
}

static int32_t attention_block(builder *b, const llm_layer *l, int32_t x) {
    const llm_config *c = b->c;
    uint64_t q_rows = (uint64_t)c->heads * c->head_size, kv_rows = (uint64_t)c->kv_heads * c->head_size;
    int32_t n = norm(b, "attn_norm", l->attn_norm, l->attn_norm_b, x), q, k, v;
    if (l->qkv)
        q = k = v = matmul(b, "attn_qkv", l->qkv, l->qkv_b, q_rows + 2 * kv_rows, c->width, n);
    else {
        q = matmul(b, "attn_q", l->q, l->q_b, q_rows, c->width, n);
        k = matmul(b, "attn_k", l->k, l->k_b, kv_rows, c->width, n);
        v = matmul(b, "attn_v", l->v, l->v_b, kv_rows, c->width, n);
    }
    q = head_norm(b, "attn_q_norm", l->q_norm, c->heads, q);
    k = head_norm(b, "attn_k_norm", l->k_norm, c->kv_heads, k);
    if (c->rope != ROPE_NONE) {
        q = plain(b, LLM_OP_ROPE, "rope_q", c->heads, c->rope_dims, q, -1);
        k = plain(b, LLM_OP_ROPE, "rope_k", c->kv_heads, c->rope_dims, k, -1);
    }
    int32_t y = matmul(b, "attn_output", l->o, l->o_b, c->width, q_rows, attend(b, q, k, v));
    if (l->attn_post_norm) y = norm(b, "post_attention_norm", l->attn_post_norm, NULL, y);
    return plain(b, LLM_OP_RESIDUAL, "attn_residual", 1, c->width, x, y);
}

static int32_t mlp_block(builder *b, const llm_layer *l, int32_t x) {
    const llm_config *c = b->c;
    int32_t n = norm(b, "ffn_norm", l->ffn_norm, l->ffn_norm_b, x), y;
    if (l->gate) {
        int32_t gate = matmul(b, "ffn_gate", l->gate, l->gate_b, c->mlp_width, c->width, n);
        int32_t up = matmul(b, "ffn_up", l->up, l->up_b, c->mlp_width, c->width, n);
        y = plain(b, LLM_OP_GATE, "ffn_act", 1, c->mlp_width, gate, up);
    } else {
        int32_t up = matmul(b, "ffn_up", l->up, l->up_b, c->mlp_width, c->width, n);
        y = plain(b, LLM_OP_ACTIVATION, "ffn_act", 1, c->mlp_width, up, -1);
    }
    y = matmul(b, "ffn_down", l->down, l->down_b, c->width, c->mlp_width, y);
    if (l->ffn_post_norm) y = norm(b, "post_ffw_norm", l->ffn_post_norm, NULL, y);
    return plain(b, LLM_OP_RESIDUAL, "ffn_residual", 1, c->width, x, y);
}

/* A table of which one row per token is read. */
static int32_t lookup(builder *b, llm_op_kind kind, const char *name, const llm_tensor *table, int32_t input) {
    check(b, name, "weight", table, table ? table->rows : 0, b->c->width);
    return push(b, name, (llm_op){.kind = kind, .weight = table, .rows = 1, .cols = b->c->width, .input = {input, -1}});
}

static int32_t embedding(builder *b) {
    int32_t x = lookup(b, LLM_OP_EMBED, "token_embd", b->m->embed, -1);
    if (b->m->positions) x = lookup(b, LLM_OP_POSITION, "position_embd", b->m->positions, x);
    float scale = b->c->embed_scale;
    return scale == 0 || scale == 1 ? x : plain(b, LLM_OP_SCALE, "embed_scale", 1, b->c->width, x, -1);
}

static void head(builder *b, int32_t x) {
    const llm_model *m = b->m;
    x = norm(b, "output_norm", m->output_norm, m->output_norm_b, x);
    const llm_tensor *w = m->output;
    uint64_t vocab = w ? w->rows : 0;
    check(b, "output", "weight", w, vocab, b->c->width);
    x = push(b, "output", (llm_op){.kind = LLM_OP_LM_HEAD, .weight = w, .shared = w == m->embed, .rows = vocab,
                                   .cols = b->c->width, .input = {x, -1}});
    if (b->c->logit_softcap != 0) x = plain(b, LLM_OP_SOFTCAP, "logit_softcap", 1, vocab, x, -1);
    plain(b, LLM_OP_ARGMAX, "argmax", 1, vocab, x, -1);
}

bool llm_graph_build(const llm_model *m, arena *a, llm_graph *g, diag *d) {
    const llm_config *c = &m->config;
    *g = (llm_graph){.layers = c->layers};
    if (!c->layers || c->layers > LLM_LAYERS_MAX || !c->width || !c->heads || !c->kv_heads || !c->head_size ||
        !c->mlp_width)
        return diag_error(
            d,
            "%s: no graph for %u layers of width %u, %u heads and %u KV heads of %u, MLP %u: each must be at "
            "least 1, and layers at most %d",
            model_name(m), c->layers, c->width, c->heads, c->kv_heads, c->head_size, c->mlp_width, LLM_LAYERS_MAX);
    builder b = {
        .m = m, .c = c, .a = a, .g = g, .d = d, .cap = (size_t)c->layers * OPS_PER_LAYER + OPS_OUTSIDE, .ok = true};
    if (!(g->ops = arena_push_n(a, llm_op, b.cap))) return diag_oom(d, "the operator graph");
    b.layer = -1;
    int32_t x = embedding(&b);
    for (b.layer = 0; b.ok && b.layer < (int32_t)c->layers; b.layer++)
        x = mlp_block(&b, &m->layers[b.layer], attention_block(&b, &m->layers[b.layer], x));
    b.layer = -1;
    b.last_only = true;
    head(&b, x);
    return b.ok;
}

/* ---- prices ---- */

/* Sum over the step's tokens of the keys each one sees: pos + 1, pos + 2, ... until the window cuts. */
static double keys_seen(uint32_t window, double tokens, double pos) {
    if (!window) return tokens * (pos + 1) + tokens * (tokens - 1) / 2;
    double rising = window - (pos + 1); /* tokens that see less than a window */
    rising = rising < 0 ? 0 : rising > tokens ? tokens : rising;
    return rising * (pos + 1) + rising * (rising - 1) / 2 + (tokens - rising) * window;
}

/* Distinct keys that some token of the step sees. */
static double keys_read(uint32_t window, double tokens, double pos) {
    double all = pos + tokens, cut = tokens + window - 1;
    return window && cut < all ? cut : all;
}

static bool is_lookup(const llm_op *op) { return op->kind == LLM_OP_EMBED || op->kind == LLM_OP_POSITION; }
static bool is_product(const llm_op *op) { return op->kind == LLM_OP_MATMUL || op->kind == LLM_OP_LM_HEAD; }

static llm_weights tensor_weights(const llm_tensor *t) {
    llm_weights none = {0};
    if (!t) return none;
    return (llm_weights){(double)t->size_bytes, (double)t->rows * (double)t->cols};
}

static llm_weights weights_read(const llm_op *op, double tokens) {
    llm_weights w = tensor_weights(op->weight), bias = tensor_weights(op->bias);
    if (is_lookup(op) && op->weight && tokens < (double)op->weight->rows) {
        double part = tokens / (double)op->weight->rows;
        w.bytes *= part;
        w.elems *= part;
    }
    return (llm_weights){w.bytes + bias.bytes, w.elems + bias.elems};
}

double llm_op_scores(const llm_op *op, uint64_t tokens, uint64_t pos) {
    if (op->kind != LLM_OP_ATTENTION) return 0;
    return (double)op->rows * keys_seen(op->window, (double)tokens, (double)pos);
}

static double flops(const llm_op *op, double tokens, double scores) {
    double elems = (double)op->rows * (double)op->cols * tokens;
    if (is_product(op)) return 2 * elems + (op->bias ? (double)op->rows * tokens : 0);
    return elems * kinds[op->kind].flops + scores * (4 * (double)op->cols + 5);
}

llm_cost llm_op_cost(const llm_op *op, uint64_t tokens, uint64_t pos, double kv_elem_bytes) {
    if (!tokens) return (llm_cost){0};
    if (op->last_only) pos += tokens - 1, tokens = 1;
    double t = (double)tokens, rows = (double)op->rows, cols = (double)op->cols;
    double kv_elems = 2 * (double)op->kv_heads * cols; /* one token's keys and values */
    llm_weights w = weights_read(op, t);
    llm_cost c = {
        .flops = flops(op, t, llm_op_scores(op, tokens, pos)), .weight_bytes = w.bytes, .weight_elems = w.elems};
    c.act_bytes = t * LLM_ACT_BYTES * (is_product(op) ? rows + cols : rows * cols * kinds[op->kind].vectors);
    if (op->kind == LLM_OP_KV_STORE) c.kv_write_bytes = kv_elems * kv_elem_bytes * t;
    if (op->kind == LLM_OP_ATTENTION)
        c.kv_read_bytes = kv_elems * kv_elem_bytes * keys_read(op->window, t, (double)pos);
    return c;
}

void llm_cost_add(llm_cost *sum, const llm_cost *c) {
    sum->flops += c->flops;
    sum->weight_bytes += c->weight_bytes;
    sum->weight_elems += c->weight_elems;
    sum->kv_read_bytes += c->kv_read_bytes;
    sum->kv_write_bytes += c->kv_write_bytes;
    sum->act_bytes += c->act_bytes;
}

llm_cost llm_graph_cost(const llm_graph *g, uint64_t tokens, uint64_t pos, double kv_elem_bytes) {
    llm_cost sum = {0};
    for (size_t i = 0; i < g->count; i++) {
        llm_cost c = llm_op_cost(&g->ops[i], tokens, pos, kv_elem_bytes);
        llm_cost_add(&sum, &c);
    }
    return sum;
}

llm_weights llm_op_weights(const llm_op *op) {
    llm_weights w = tensor_weights(op->shared ? NULL : op->weight), bias = tensor_weights(op->bias);
    return (llm_weights){w.bytes + bias.bytes, w.elems + bias.elems};
}

llm_weights llm_graph_weights(const llm_graph *g) {
    llm_weights sum = {0};
    for (size_t i = 0; i < g->count; i++) {
        llm_weights w = llm_op_weights(&g->ops[i]);
        sum.bytes += w.bytes;
        sum.elems += w.elems;
    }
    return sum;
}

double llm_graph_kv_bytes(const llm_graph *g, uint64_t context, double kv_elem_bytes) {
    double sum = 0;
    for (size_t i = 0; i < g->count; i++) {
        const llm_op *op = &g->ops[i];
        if (op->kind != LLM_OP_KV_STORE) continue;
        uint64_t kept = op->window && op->window < context ? op->window : context;
        sum += (double)op->rows * (double)op->cols * kv_elem_bytes * (double)kept;
    }
    return sum;
}
