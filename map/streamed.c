/* Plans for streamed weights: one region, all layers pass through it.
 *
 * The rows are those that the wafer's I/O can feed: more would wait for each other's words, and are taken only when
 * their memory is needed (then the cycles are better than the I/O allows). The width is searched, from one column to as
 * many as one chain of sums serves; more columns leave more room for keys and values, and make sums longer. All tiles
 * are even, since two weights travel in a wavelet. */
#include "map/plan_internal.h"

enum {
    WIDTH_MAX = 64, /* sums of a row have one level: the other's queue belongs to the stream */
    HEADER_WORDS = 3,
};
#define WAFER_IO_BYTES_PER_S 150e9 /* data/machines/cs3.json: 1.2 Tb/s into a system */

static uint32_t even(uint32_t n) { return n + n % 2; }

/* Rows that take the whole of the wafer's I/O, each at its own rate. */
static uint32_t rows_fed(const isa_wafer *w) {
    double row_bytes_per_s = 4 * w->clock_hz * w->io_wavelets_per_cycle_row / 1000.0;
    double rows = WAFER_IO_BYTES_PER_S / row_bytes_per_s;
    return rows < 1 ? 1 : rows > w->fabric_height ? w->fabric_height : (uint32_t)rows;
}

static void set_tiles(plan *p, uint32_t width, uint32_t unit_rows) {
    plan_set_layer_tiles(p, width, unit_rows);
    p->d_tile = even(p->d_tile);
    p->o_tile = even(p->o_tile);
    p->mlp_tile = even(p->mlp_tile);
    p->up_tile = p->gated ? 2 * p->mlp_tile : p->mlp_tile;
    p->vocab_tile = even(plan_tiles(p->vocab, p->rows));
    p->head_rows = p->rows; /* the vocabulary is cut over all of them */
    uint32_t d = p->d_tile, vectors = d * (2 + 2 * (p->norm != 0) + 2 * p->post_norm);
    if (p->bias) vectors += p->qkv_tile + p->up_tile + 2 * d;
    if (p->qk_norm) vectors += p->qkv_tile;
    p->layer_words = HEADER_WORDS + vectors + d / 2 * (p->qkv_tile + p->o_tile + p->up_tile + p->mlp_tile);
    p->head_words = HEADER_WORDS + d * (1 + (p->norm != 0)) + d / 2 * p->vocab_tile;
}

static bool better(const plan *p, const plan *best) { return best->width == 0 || p->cycles.token < best->cycles.token; }

static bool no_room(const plan *least, const llm_model *m, const isa_wafer *w, diag *d) {
    const plan_memory *n = &least->layer_memory;
    return diag_error(
        d,
        "%s with streamed weights does not fit on %s: with %u columns and %u rows a PE needs %u bytes (KV "
        "cache of %u layers and %u tokens %u, the rest %u) of %u; less context (--context N), fewer tokens a pass or "
        "more rows "
        "(--unit-rows N) would help",
        m->name, w->name, least->width, least->rows, n->total, least->layers, least->context, n->kv, n->total - n->kv,
        n->limit);
}

static void search(const plan *start, const isa_wafer *w, const plan_options *o, uint32_t rows, plan *best,
                   plan *least) {
    uint32_t unit_max = rows / start->units ? rows / start->units : 1;
    uint32_t low = o->unit_rows ? o->unit_rows : (unit_max + 1) / 2, high = o->unit_rows ? o->unit_rows : unit_max;
    uint32_t from = o->columns ? o->columns : 1, to = o->columns ? o->columns : WIDTH_MAX;
    plan p = *start;
    for (uint32_t width = from; width <= to && width <= WIDTH_MAX; width++)
        for (uint32_t unit_rows = low; unit_rows <= high; unit_rows++) {
            set_tiles(&p, width, unit_rows);
            plan_set_sums(&p, w, width, o->sums);
            plan_streamed_memory(&p, w, &p.layer_memory);
            if (least->width == 0 || p.layer_memory.total < least->layer_memory.total) *least = p;
            if (p.layer_memory.total > p.layer_memory.limit) continue;
            plan_cycles_at(&p, w, p.context / 2, &p.cycles);
            if (better(&p, best)) *best = p;
        }
}

static bool check(const plan *p, const isa_wafer *w, const plan_options *o, diag *d) {
    uint32_t rows_max = w->fabric_height - PLAN_SIDE_ROWS;
    if (o->tokens > PLAN_TOKENS_MAX)
        return diag_error(d, "%u tokens of a pass; %d is the most", o->tokens, PLAN_TOKENS_MAX);
    if (o->columns > WIDTH_MAX)
        return diag_error(d, "%u columns; with streamed weights %d is the most", o->columns, WIDTH_MAX);
    uint64_t rows = (uint64_t)p->units * (o->unit_rows ? o->unit_rows : 1);
    return rows <= rows_max || diag_error(d, "%llu rows (%u KV heads); a program on %s has at most %u",
                                          (unsigned long long)rows, p->units, w->name, rows_max);
}

bool plan_make_streamed(plan *p, arena *a, const llm_model *m, const isa_wafer *w, const plan_options *o, diag *d) {
    plan start, best = {0}, least = {0};
    plan_take_model(&start, m, o);
    start.streamed = true;
    start.sparse = o->sparse;
    start.tokens = o->tokens ? o->tokens : PLAN_TOKENS_DEFAULT;
    if (!check(&start, w, o, d)) return false;
    uint32_t rows = rows_fed(w), rows_max = w->fabric_height - PLAN_SIDE_ROWS;
    for (;; rows = rows < rows_max / 2 ? 2 * rows : rows_max) {
        search(&start, w, o, rows, &best, &least);
        if (best.width || o->unit_rows || rows >= rows_max) break;
    }
    if (!best.width) return no_room(&least, m, w, d);
    *p = best;
    p->policy = "streamed";
    p->fabric_width = w->fabric_width;
    p->fabric_height = w->fabric_height;
    p->pes = (uint64_t)p->width * p->rows;
    p->head_memory = p->layer_memory;
    p->wafer_count = 1;
    if (!(p->wafers = arena_push_n(a, plan_wafer, 1))) return diag_oom(d, "plan");
    p->wafers[0] = (plan_wafer){0, p->layers, true, p->rows};
    return true;
}
