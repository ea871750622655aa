#include "map/plan_internal.h"
#include "base/units.h"
#include <math.h>

#define PHASE_NAME(name, text) text,
const char *const plan_phase_names[PLAN_PHASES] = {PLAN_LAYER_PHASES(PHASE_NAME)};
const char *const plan_head_phase_names[PLAN_HEAD_PHASES_COUNT] = {PLAN_HEAD_PHASES(PHASE_NAME)};
#undef PHASE_NAME

/* ---- policies ---- */

static double score_latency(const plan *p) { return p->cycles.token; }
static double score_compact(const plan *p) { return (double)p->pes; }
static double score_square(const plan *p) { return fabs(log((double)p->width / p->rows)); }

const plan_policy plan_policies[] = {
    {"latency", "fewest cycles per token", score_latency},
    {"compact", "fewest PEs", score_compact},
    {"square", "regions of layers as square as possible", score_square},
    {0},
};

static const plan_policy *find_policy(const char *name, diag *d) {
    strbuf known = {0};
    if (!name) return plan_policies;
    for (const plan_policy *row = plan_policies; row->name; row++) {
        if (!strcmp(row->name, name)) return strbuf_free(&known), row;
        strbuf_addf(&known, "%s%s", known.len ? ", " : "", row->name);
    }
    diag_error(d, "no policy '%s'; there are %s", name, known.data ? known.data : "");
    strbuf_free(&known);
    return NULL;
}

/* ---- the model ---- */

/* Do layers rotate by two tables? */
static uint32_t rope_tables(const llm_config *c) { return c->rope != ROPE_NONE && c->arch->window_rope ? 2 : 1; }

static bool has_bias(const llm_model *m) {
    for (uint32_t i = 0; i < m->config.layers; i++) {
        const llm_layer *l = &m->layers[i];
        if (l->q_b || l->k_b || l->v_b || l->qkv_b || l->o_b || l->up_b || l->gate_b || l->down_b) return true;
    }
    return false;
}

static uint32_t widest_window(const llm_config *c) {
    for (uint32_t i = 0; i < c->layers; i++)
        if (c->windowed[i]) return c->window;
    return 0;
}

static bool supported(const llm_model *m, const plan_options *o, diag *d) {
    const llm_config *c = &m->config;
    if (c->attn_softcap > 0)
        return diag_error(
            d, "%s: attention scores with a soft cap are not in the wafer's kernels; the native engine has them",
            m->name);
    if (c->arch->positions && o->context > c->context)
        return diag_error(d, "%s: a context of %u tokens; the model has %u positions", m->name, o->context, c->context);
    if (o->context > PLAN_CONTEXT_MAX)
        return diag_error(d, "a context of %u tokens; positions on a PE have 16 bits, so %d is the most", o->context,
                          PLAN_CONTEXT_MAX);
    return true;
}

static uint32_t context_of(const llm_config *c, const plan_options *o) {
    if (o->context) return o->context;
    return c->context < PLAN_CONTEXT_DEFAULT ? c->context : PLAN_CONTEXT_DEFAULT;
}

void plan_take_model(plan *p, const llm_model *m, const plan_options *o) {
    const llm_config *c = &m->config;
    *p = (plan){.layers = c->layers,
                .d_model = c->width,
                .units = c->kv_heads,
                .group = c->heads / c->kv_heads,
                .head_size = c->head_size,
                .mlp_width = c->mlp_width,
                .vocab = c->vocab,
                .context = context_of(c, o),
                .rope_style = (uint32_t)c->rope,
                .rope_dims = c->rope == ROPE_NONE ? 0 : c->rope_dims,
                .activation = (uint32_t)c->arch->act,
                .norm = (uint32_t)c->arch->norm,
                .gated = c->arch->gated,
                .qk_norm = c->arch->qk_norm,
                .post_norm = c->arch->post_norms,
                .bias = has_bias(m),
                .tied = m->output == m->embed,
                .eps = c->norm_eps,
                .attn_scale = c->attn_scale,
                .embed_scale = c->embed_scale,
                .window = widest_window(c),
                .table_rows = c->vocab,
                .positions_first = PLAN_NO_POSITIONS,
                .steps_max = PLAN_STEPS_MAX,
                .tokens = 1,
                .rope_tables = o->streamed ? rope_tables(c) : 1};
    if (!m->positions || o->streamed) return; /* streamed: the host adds positions */
    p->positions_first = c->vocab;
    p->table_rows += p->context;
}

/* ---- one candidate ---- */

typedef struct {
    const llm_model *model;
    const isa_wafer *wafer;
    const plan_options *options;
    const plan_policy *policy;
    uint32_t columns_max, rows_max;
    plan best;
    bool found;
    plan nearest; /* what fits least badly, when nothing fits: the smallest memory of a PE */
} search;

void plan_set_layer_tiles(plan *p, uint32_t width, uint32_t unit_rows) {
    uint64_t unit = (p->group + 2ull) * p->head_size;
    p->width = width;
    p->unit_rows = unit_rows;
    p->rows = p->units * unit_rows;
    p->d_tile = plan_tiles(p->d_model, width);
    p->qkv_tile = plan_tiles(unit, unit_rows);
    p->qkv_tile += p->qkv_tile % 2; /* pairs of the rotary embedding stay together */
    p->o_tile = plan_tiles((uint64_t)p->group * p->head_size, unit_rows);
    p->mlp_tile = plan_tiles(p->mlp_width, p->rows);
    p->up_tile = p->gated ? 2 * p->mlp_tile : p->mlp_tile;
    p->slots = plan_tiles(p->context, (uint64_t)unit_rows * width);
}

static void set_head_tiles(plan *p, uint32_t head_rows) {
    p->vocab_tile = plan_tiles(p->table_rows, head_rows);
    p->head_rows = head_rows;
}

/* Layers fill one wafer after the other; the head stands under the last layer, or alone when there is no room. */
static uint32_t count_wafers(const plan *p, uint32_t rows_max, uint32_t *last_layers) {
    uint32_t per_wafer = rows_max / p->rows, wafers = plan_tiles(p->layers, per_wafer);
    *last_layers = p->layers - (wafers - 1) * per_wafer;
    if (*last_layers * p->rows + p->head_rows <= rows_max) return wafers;
    *last_layers = 0;
    return wafers + 1;
}

/* Rows of the head that are worth trying: as few as memory allows, as many as there is room for, and between them where
 * multiplying and the way down the column cost the same. */
enum { HEAD_CHOICES = 4 };
static uint32_t head_choices(const search *s, const plan *p, uint32_t out[HEAD_CHOICES]) {
    uint32_t most = plan_vocab_tile_max(p, s->wafer), last;
    if (s->options->head_rows) return out[0] = s->options->head_rows, 1;
    if (most == 0) return 0;
    plan probe = *p;
    probe.head_rows = plan_tiles(p->table_rows, most);
    if (probe.head_rows > s->rows_max) return 0;
    count_wafers(&probe, s->rows_max, &last);
    uint32_t low = probe.head_rows, high = s->rows_max - last * p->rows;
    double even = sqrt((double)p->d_tile * p->table_rows / 24 + p->table_rows);
    uint32_t wanted[HEAD_CHOICES] = {low, even < high ? (uint32_t)even : high, high, p->width}, n = 0;
    for (int i = 0; i < HEAD_CHOICES; i++) {
        uint32_t rows = wanted[i] < low ? low : wanted[i] > high ? high : wanted[i];
        if (rows <= p->table_rows || rows == low) out[n++] = rows;
    }
    return n;
}

static bool better(const search *s, const plan *p) {
    const plan *b = &s->best;
    if (!s->found) return true;
    if (p->wafer_count != b->wafer_count) return p->wafer_count < b->wafer_count;
    double mine = s->policy->score(p), other = s->policy->score(b);
    if (mine != other) return mine < other;
    if (p->cycles.token != b->cycles.token) return p->cycles.token < b->cycles.token;
    return p->pes < b->pes;
}

static bool fits(const plan_memory *m) { return m->total <= m->limit; }

static void try_head(search *s, plan *p, uint32_t head_rows) {
    uint32_t last;
    set_head_tiles(p, head_rows);
    plan_head_memory(p, s->wafer, &p->head_memory);
    if (!fits(&p->head_memory) || head_rows > s->rows_max) return;
    p->wafer_count = count_wafers(p, s->rows_max, &last);
    if (s->options->wafers_max && p->wafer_count > s->options->wafers_max) return;
    if (s->found && p->wafer_count > s->best.wafer_count) return;
    p->pes = p->width * ((uint64_t)p->layers * p->rows + p->head_rows);
    plan_cycles_at(p, s->wafer, p->context / 2, &p->cycles);
    if (better(s, p)) s->best = *p, s->found = true;
}

static void try_layer(search *s, plan *p) {
    uint32_t heads[HEAD_CHOICES];
    plan_layer_memory(p, s->wafer, &p->layer_memory);
    if (!s->nearest.width || p->layer_memory.total < s->nearest.layer_memory.total) s->nearest = *p;
    if (!fits(&p->layer_memory)) return;
    plan_set_sums(p, s->wafer, s->options->row_group, s->options->sums);
    uint32_t n = head_choices(s, p, heads);
    for (uint32_t i = 0; i < n; i++) try_head(s, p, heads[i]);
}

static uint32_t least(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

/* More PEs that get no smaller tiles are PEs for nothing: they are not tried. */
static bool same_tiles(const plan *a, const plan *b) {
    return a->qkv_tile == b->qkv_tile && a->o_tile == b->o_tile && a->mlp_tile == b->mlp_tile;
}

static void run(search *s) {
    const plan_options *o = s->options;
    plan p;
    plan_take_model(&p, s->model, o);
    uint32_t width_max = least(s->columns_max, p.d_model);
    uint32_t unit_max = least(s->rows_max / p.units, (p.group + 2ull) * p.head_size);
    uint32_t from = o->columns ? o->columns : 1, to = o->columns ? least(o->columns, s->columns_max) : width_max;
    uint32_t low = o->unit_rows ? o->unit_rows : 1;
    uint32_t high = o->unit_rows ? least(o->unit_rows, s->rows_max / p.units) : unit_max;
    for (uint32_t width = from; width <= to; width++) {
        if (width > from && plan_tiles(p.d_model, width) == p.d_tile) continue;
        for (uint32_t unit_rows = low; unit_rows <= high; unit_rows++) {
            plan before = p;
            plan_set_layer_tiles(&p, width, unit_rows);
            if (unit_rows > low && same_tiles(&before, &p)) continue;
            try_layer(s, &p);
        }
    }
}

/* ---- when nothing fits ---- */

static bool would_fit(const search *s, const plan_options *o, plan *p) {
    search again = {.model = s->model,
                    .wafer = s->wafer,
                    .options = o,
                    .policy = &plan_policies[1],
                    .columns_max = s->columns_max,
                    .rows_max = s->rows_max};
    run(&again);
    *p = again.best;
    return again.found;
}

/* Each remedy is tried; those that work are offered. */
static void remedies(const search *s, strbuf *out) {
    plan_options o = *s->options;
    plan p;
    o.wafers_max = 0;
    if (s->options->wafers_max && would_fit(s, &o, &p))
        strbuf_addf(out, "; %u wafers would do (--wafers %u)", p.wafer_count, p.wafer_count);
    o = *s->options;
    o.columns = o.unit_rows = o.head_rows = o.row_group = 0;
    if ((s->options->columns || s->options->unit_rows || s->options->head_rows) && would_fit(s, &o, &p))
        strbuf_addf(out, "; without these limits %u columns and %u rows per unit would do", p.width, p.unit_rows);
    o = *s->options;
    for (o.context = context_of(&s->model->config, &o) / 2; o.context >= 1; o.context /= 2)
        if (would_fit(s, &o, &p)) {
            strbuf_addf(out, "; a context of %u tokens would fit (--context %u)", o.context, o.context);
            break;
        }
    if (!out->len)
        strbuf_addf(out,
                    "; it needs a wafer with more PEs, or a part of it: --layers N of `ingot run` takes the first N");
}

static bool no_room(const search *s, diag *d) {
    const plan *n = &s->nearest;
    const plan_memory *m = &n->layer_memory;
    const char *name = s->model->name, *wafer = s->wafer->name;
    strbuf help = {0};
    remedies(s, &help);
    const char *also = help.data ? help.data : "";
    if (!n->width)
        diag_error(d,
                   "%s does not fit on %s: its %u KV heads need %u rows at least, and columns up to %u; the fabric "
                   "leaves %u x %u PEs%s",
                   name, wafer, s->model->config.kv_heads,
                   s->model->config.kv_heads * (s->options->unit_rows ? s->options->unit_rows : 1),
                   s->options->columns ? s->options->columns : 1, s->columns_max, s->rows_max, also);
    else if (!fits(m))
        diag_error(
            d,
            "%s does not fit on %s: with %u columns and %u rows for a layer, the most that may be had, a PE needs "
            "%u bytes (weights %u, KV cache of %u tokens %u, the rest %u) of %u%s",
            name, wafer, n->width, n->rows, m->total, m->weights, n->context, m->kv, m->total - m->weights - m->kv,
            m->limit, also);
    else
        diag_error(d,
                   "%s does not fit on %s: its layers do, but not with the vocabulary of %u rows x %u, which stands "
                   "under the last layer, on %s%s",
                   name, wafer, n->table_rows, n->d_model, s->options->wafers_max ? "so few wafers" : "a wafer", also);
    strbuf_free(&help);
    return false;
}

/* ---- the result ---- */

static bool cut_wafers(plan *p, uint32_t rows_max, arena *a, diag *d) {
    uint32_t per_wafer = rows_max / p->rows, first = 0;
    p->wafers = arena_push_n(a, plan_wafer, p->wafer_count);
    if (!p->wafers) return diag_oom(d, "plan");
    for (uint32_t i = 0; i < p->wafer_count; i++) {
        uint32_t layers = least(p->layers - first, per_wafer);
        bool head = i + 1 == p->wafer_count;
        p->wafers[i] = (plan_wafer){first, layers, head, layers * p->rows + (head ? p->head_rows : 0)};
        first += layers;
    }
    return true;
}

static void count_padding(plan *p) {
    uint64_t unit = (p->group + 2ull) * p->head_size, out = (uint64_t)p->group * p->head_size;
    double used = (double)p->d_model * (p->units * (double)(unit + out) + (p->gated ? 3.0 : 2.0) * p->mlp_width);
    double room = (double)p->layer_memory.weights / 2 * p->width * p->rows;
    double table = (double)p->table_rows * p->d_model,
           tables = (double)p->vocab_tile * p->head_rows * p->d_tile * p->width;
    p->padding = (plan_padding){1 - used / room, 1 - table / tables};
}

static bool check_wishes(const search *s, diag *d) {
    const plan_options *o = s->options;
    if (s->columns_max == 0 || s->rows_max == 0)
        return diag_error(d, "%s has a fabric of %u x %u PEs; programs need more than %d x %d", s->wafer->name,
                          s->wafer->fabric_width, s->wafer->fabric_height, PLAN_SIDE_COLUMNS, PLAN_SIDE_ROWS);
    if (o->columns > s->columns_max)
        return diag_error(d, "%u columns; a program on %s has at most %u", o->columns, s->wafer->name, s->columns_max);
    if (o->head_rows > s->rows_max)
        return diag_error(d, "%u rows for the head; a program on %s has at most %u", o->head_rows, s->wafer->name,
                          s->rows_max);
    return true;
}

static uint32_t beyond(uint32_t n, uint32_t taken) { return n > taken ? n - taken : 0; }

bool plan_make(plan *p, arena *a, const llm_model *m, const isa_wafer *w, const plan_options *o, diag *d) {
    search s = {.model = m,
                .wafer = w,
                .options = o,
                .policy = find_policy(o->policy, d),
                .columns_max = beyond(w->fabric_width, PLAN_SIDE_COLUMNS),
                .rows_max = beyond(w->fabric_height, PLAN_SIDE_ROWS)};
    if (!s.policy || !supported(m, o, d) || !check_wishes(&s, d)) return false;
    if (o->streamed) return plan_make_streamed(p, a, m, w, o, d);
    run(&s);
    if (!s.found) return no_room(&s, d);
    *p = s.best;
    p->policy = s.policy->name;
    p->fabric_width = w->fabric_width;
    p->fabric_height = w->fabric_height;
    count_padding(p);
    return cut_wafers(p, s.rows_max, a, d);
}
