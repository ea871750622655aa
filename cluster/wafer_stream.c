/* Streamed weights: for each pass of up to `tokens` tokens every layer is read from the store, cut into the PEs' parts,
 * put in the order of use and sent; nothing of it stays on the wafer. Two layers are under way at a time, so that the
 * wafer never waits for the host; what the host takes for one is not in the wafer's cycles.
 *
 * Dense: two f16 weights in a word, as the PEs' matrices lie in memory. Sparse: a word for each weight that is not
 * zero, output << 16 | f16, and a word at the end of each input; the parts then differ in length, and the shorter ones
 * are filled up behind (the third word of the header says how far). */
#include "cluster/wafer_internal.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/units.h"

enum { STREAM_COLOR = 14, HEADER_WORDS = 3, PADDING = 2, PADDING_MAX = 65535 };
#define END_OF_INPUT 0xffff0000u

/* ---- the order of the stream ---- */

typedef struct {
    wafer_symbol symbol;
    bool sent;
    uint32_t inputs, outputs; /* a matrix; inputs 0: a vector of f32 */
} item;
enum { ITEMS_MAX = 16 };

static uint32_t layer_items(const plan *p, item out[ITEMS_MAX]) {
    uint32_t d = p->d_tile;
    const item all[] = {
        {WAFER_N_ATTN, true, 0, d},
        {WAFER_N_ATTN_B, p->norm == NORM_LAYER, 0, d},
        {WAFER_B_QKV, p->bias, 0, p->qkv_tile},
        {WAFER_W_QKV, true, d, p->qkv_tile},
        {WAFER_N_QK, p->qk_norm, 0, p->qkv_tile},
        {WAFER_B_O, p->bias, 0, d},
        {WAFER_W_O, true, p->o_tile, d},
        {WAFER_N_ATTN_POST, p->post_norm, 0, d},
        {WAFER_N_MLP, true, 0, d},
        {WAFER_N_MLP_B, p->norm == NORM_LAYER, 0, d},
        {WAFER_B_UP, p->bias, 0, p->up_tile},
        {WAFER_W_UP, true, d, p->up_tile},
        {WAFER_B_DOWN, p->bias, 0, d},
        {WAFER_W_DOWN, true, p->mlp_tile, d},
        {WAFER_N_MLP_POST, p->post_norm, 0, d},
    };
    _Static_assert(sizeof all / sizeof *all <= ITEMS_MAX, "room for the items");
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].sent) out[n++] = all[i];
    return n;
}

static uint32_t head_items(const plan *p, item out[ITEMS_MAX]) {
    uint32_t n = 0;
    out[n++] = (item){WAFER_N_OUT, true, 0, p->d_tile};
    if (p->norm == NORM_LAYER) out[n++] = (item){WAFER_N_OUT_B, true, 0, p->d_tile};
    out[n++] = (item){WAFER_W_HEAD, true, p->d_tile, p->vocab_tile};
    return n;
}

static uint32_t words_of(const item *i) { return i->inputs ? i->inputs * i->outputs / 2 : i->outputs; }

static void lay_out(wafer_stage *g, const item *items, uint32_t n) {
    for (int s = 0; s < WAFER_SYMBOL_COUNT; s++) g->at[s] = WAFER_NOWHERE;
    g->words = HEADER_WORDS;
    for (uint32_t i = 0; i < n; i++) {
        g->at[items[i].symbol] = 2 * g->words;
        g->words += words_of(&items[i]);
    }
}

/* ---- leaving out zeros ---- */

/* One PE's part without its zeros; returns its words. `out` = NULL counts. */
static uint32_t squeeze(const uint16_t *dense, const item *items, uint32_t n, uint32_t *out) {
    uint32_t k = HEADER_WORDS;
    const uint16_t *at = dense + 2 * HEADER_WORDS;
    for (uint32_t i = 0; i < n; at += 2 * words_of(&items[i++])) {
        if (!items[i].inputs) {
            if (out) memcpy(out + k, at, words_of(&items[i]) * sizeof *out);
            k += words_of(&items[i]);
            continue;
        }
        for (uint32_t j = 0; j < items[i].inputs; j++) {
            for (uint32_t o = 0; o < items[i].outputs; o++) {
                uint16_t v = at[(size_t)j * items[i].outputs + o];
                if (!(v & 0x7fff)) continue;
                if (out) out[k] = o << 16 | v;
                k++;
            }
            if (out) out[k] = END_OF_INPUT;
            k++;
        }
    }
    return k;
}

static uint32_t *without_zeros(const wafer *w, const wafer_stage *g, const item *items, uint32_t n, uint32_t *words,
                               diag *d) {
    size_t pes = (size_t)w->plan.pes;
    uint32_t most = 0, least = UINT32_MAX;
    for (size_t pe = 0; pe < pes; pe++) {
        uint32_t k = squeeze(g->data + 2 * pe * g->words, items, n, NULL);
        most = k > most ? k : most;
        least = k < least ? k : least;
    }
    if (most - least > PADDING_MAX)
        return diag_error(
                   d,
                   "some PEs have %u weights more than others, and %d is the most; use --weights resident or less "
                   "sparsity",
                   most - least, PADDING_MAX),
               NULL;
    uint32_t *out = mem_alloc_n(pes * most, sizeof *out);
    for (size_t pe = 0; out && pe < pes; pe++) {
        const uint16_t *dense = g->data + 2 * pe * g->words;
        memcpy(out + pe * most, dense, HEADER_WORDS * sizeof *out);
        out[pe * most + PADDING] = most - squeeze(dense, items, n, out + pe * most);
    }
    *words = most;
    if (!out) diag_oom(d, "streamed weights");
    return out;
}

/* ---- sending ---- */

static void put_headers(const wafer *w, const wafer_stage *g, uint32_t layer) {
    bool is_layer = layer < w->plan.layers;
    uint32_t header[HEADER_WORDS] = {0};
    if (is_layer) header[0] = wafer_window(w, layer);
    if (is_layer && w->plan.rope_tables > 1) header[1] = w->model->config.windowed[layer];
    for (size_t pe = 0; pe < w->plan.pes; pe++) memcpy(g->data + 2 * pe * g->words, header, sizeof header);
}

static bool send(wafer *w, const uint32_t *data, uint32_t words, uint32_t *task, diag *d) {
    const plan *p = &w->plan;
    host_transfer t = {.width = p->width, .height = p->rows, .per_pe = words, .bits = 32};
    w->stats.streamed_words += p->pes * words;
    return host_stream_in(w->host, STREAM_COLOR, &t, data, p->pes * words, task, d);
}

/* A layer, or the head when layer = plan.layers. */
static bool stream_layer(wafer *w, uint32_t layer, uint32_t *task, diag *d) {
    item items[ITEMS_MAX];
    uint32_t n = layer < w->plan.layers ? layer_items(&w->plan, items) : head_items(&w->plan, items), words;
    wafer_stage g;
    lay_out(&g, items, n);
    g.data = mem_alloc_n((size_t)w->plan.pes * g.words, sizeof(uint32_t));
    if (!g.data) return diag_oom(d, "streamed weights");
    put_headers(w, &g, layer);
    bool ok = wafer_gather(w, layer, &g, d);
    if (ok && w->plan.sparse) {
        uint32_t *sparse = without_zeros(w, &g, items, n, &words, d);
        ok = sparse && send(w, sparse, words, task, d);
        mem_free(sparse);
    } else if (ok) {
        ok = send(w, (const uint32_t *)(const void *)g.data, g.words, task, d);
    }
    mem_free(g.data);
    return ok;
}

/* ---- tokens in ---- */

static bool embed(wafer *w, int32_t id, uint32_t position, float *x, float *more, diag *d) {
    const llm_model *m = w->model;
    if (!store_read_f32(w->store, m->embed, (uint64_t)id, 1, x, d)) return false;
    if (m->positions && !store_read_f32(w->store, m->positions, position, 1, more, d)) return false;
    for (uint32_t k = 0; k < w->plan.d_model; k++) x[k] = x[k] * w->plan.embed_scale + (m->positions ? more[k] : 0);
    return true;
}

static bool put_tokens(wafer *w, const int32_t *ids, uint32_t n, diag *d) {
    const plan *p = &w->plan;
    float *x = mem_alloc_n(2 * (size_t)p->d_model, sizeof *x);
    bool ok = x || diag_oom(d, "embedding");
    for (uint32_t t = 0; ok && t < n; t++) {
        ok = embed(w, ids[t], w->position + t, x, x + p->d_model, d);
        for (uint32_t k = 0; ok && k < p->d_model; k++)
            memcpy(wafer_at(w, k / p->d_tile, 0, WAFER_RESIDUAL) + 2 * (size_t)(t * p->d_tile + k % p->d_tile), &x[k],
                   sizeof *x);
    }
    mem_free(x);
    return ok;
}

static bool pass(wafer *w, const int32_t *ids, uint32_t n, bool logits, diag *d) {
    const host_arg args[] = {{.kind = HOST_ARG_UINT, .bits = 16, .whole = n},
                             {.kind = HOST_ARG_UINT, .bits = 16, .whole = logits}};
    uint32_t launch, sent[2] = {UINT32_MAX, UINT32_MAX}, last = w->plan.layers + logits;
    if (!put_tokens(w, ids, n, d) || !host_launch(w->host, "pass", args, 2, &launch, d)) return false;
    for (uint32_t i = 0; i < last; i++) {
        if (sent[i % 2] != UINT32_MAX && !host_wait(w->host, sent[i % 2], d)) return false;
        if (!stream_layer(w, i, &sent[i % 2], d)) return false;
    }
    if (!host_wait(w->host, launch, d)) return false;
    w->position += n;
    w->stats.passes++;
    return true;
}

bool wafer_stream_forward(wafer *w, const int32_t *ids, size_t count, bool logits, wafer_work *work, diag *d) {
    wse_counters before;
    uint64_t since = host_cycle(w->host);
    double clock = clock_seconds();
    wse_counters_total(w->simulator, &before);
    for (size_t at = 0; at < count;) {
        uint32_t n = count - at < w->plan.tokens ? (uint32_t)(count - at) : w->plan.tokens;
        if (!pass(w, ids + at, n, logits && at + n == count, d)) return false;
        at += n;
        if (count > 1 && w->prompt.fn) w->prompt.fn(w->prompt.arg, (double)at / (double)count);
    }
    wafer_account(w, work, count, since, &before, clock_seconds() - clock);
    return true;
}
