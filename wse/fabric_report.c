/* What the fabric tells about itself: state hash, counters, which wavelets are stuck and why, and circles of buffers
 * that wait for each other; circles of cores of which each waits for a color that the next one sends. */
#include "wse/fabric_internal.h"
#include "base/mem.h"
#include <xxhash.h>

/* ---- hash ---- */

static void hash_words(uint64_t *h, const void *p, size_t n) { *h = XXH3_64bits_withSeed(p, n, *h); }

/* Times are taken relative to the cycle, and only as far as they lie ahead: what is over has no effect. */
static void hash_buffer(const fabric *f, const buffer *b, uint64_t now, uint64_t *h) {
    for (uint32_t i = b->taken.head; i != b->tail; i++) {
        flit e = b->e[i & f->buffer_mask];
        uint32_t words[3] = {e.data, e.meta & 3, flit_wait(e.meta, (uint32_t)now)};
        hash_words(h, words, sizeof words);
    }
}

static void hash_queue(const queue *q, uint32_t slots, uint64_t now, uint64_t *h) {
    for (uint32_t k = 0; k < q->count; k++) {
        const wse_wavelet *w = &q->e[(q->head + k) % slots];
        uint32_t words[4] = {w->data, wavelet_wait(w, now), w->color | (uint32_t)w->control << 8, w->spare};
        hash_words(h, words, sizeof words);
    }
}

static void hash_lane(const fabric *f, const router *r, uint32_t i, uint64_t now, uint64_t *h) {
    const lane *l = &f->lanes[r->lanes + i];
    uint8_t state[8] = {l->rx, l->tx, l->position, l->teardown, l->color, l->port};
    hash_words(h, state, sizeof state);
    for (uint32_t dirs = l->dirs; dirs; dirs &= dirs - 1) {
        uint32_t dir = (uint32_t)__builtin_ctz(dirs);
        hash_words(h, &dir, sizeof dir);
        hash_buffer(f, lane_buffer(f, l, dir), now, h);
    }
}

uint64_t fabric_hash(const wse *m, uint32_t pe, uint64_t seed) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    const shape *s = &f->shapes[r->shape];
    uint64_t h = seed;
    for (uint32_t i = 0; i < s->lanes; i++) hash_lane(f, r, i, m->cycle, &h);
    for (uint32_t p = 0; p < ISA_COLORS; p++)
        if (s->in_slots[p]) hash_queue(in_queue(f, r, p), s->in_slots[p], m->cycle, &h);
    for (uint32_t q = 0; q < ISA_QUEUES; q++)
        if (s->out_slots[q]) hash_queue(out_queue(f, r, q), s->out_slots[q], m->cycle, &h);
    hash_words(&h, f->queues + r->queues + s->filter_at, s->filters * sizeof(filter_state));
    hash_words(&h, &r->out_last, 1);
    return h;
}

/* ---- counters ---- */

/* Waits that last still are counted up to now. */
static uint64_t waiting_cycles(const wse *m, const lane *l) {
    const fabric *f = m->fabric;
    uint64_t sum = 0;
    uint32_t now = (uint32_t)m->cycle;
    for (uint32_t dirs = l->dirs; dirs; dirs &= dirs - 1) {
        const buffer *b = lane_buffer(f, l, (uint32_t)__builtin_ctz(dirs));
        if (b->taken.head == b->tail) continue;
        uint32_t meta = b->e[b->taken.head & f->buffer_mask].meta, ready = (now - (meta >> 2)) & 0x3fffffff;
        uint32_t popped = now - b->taken.popped;
        if (!flit_wait(meta, now)) sum += ready < popped ? ready : popped;
    }
    return sum;
}

void fabric_count(const wse *m, uint32_t pe, wse_counters *out) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    out->hops += r->hops;
    out->ramp_wavelets += r->ramp;
    out->io_wavelets += r->io;
    out->router_stall_cycles += r->stall;
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++)
        out->router_stall_cycles += waiting_cycles(m, &f->lanes[r->lanes + i]);
}

/* ---- what is stuck ---- */

static void add_dirs(strbuf *out, uint32_t set) {
    const char *gap = "";
    for (uint32_t d = 0; d < ISA_DIRS; d++)
        if (set >> d & 1) {
            strbuf_addf(out, "%s%s", gap, fabric_dir_names[d]);
            gap = "+";
        }
    if (!set) strbuf_adds(out, "nothing");
}

static void explain_outputs(const wse *m, uint32_t pe, const lane *l, flit e, strbuf *out) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    uint32_t tx = l->tx;
    if ((e.meta & 1) && (control_command(e.data) & 4)) tx &= ~(uint32_t)RAMP_BITS;
    if (!tx) strbuf_addf(out, "switch position %u has no output", l->position);
    for (uint32_t links = tx & (RAMP_BITS - 1); links; links &= links - 1) {
        uint32_t dir = (uint32_t)__builtin_ctz(links), count, to = pe + (uint32_t)f->step[dir];
        if (l->out[dir] >= OUT_NONE) strbuf_addf(out, "no route to the %s; ", fabric_dir_names[dir]);
        else if (buffer_start_count(buffer_at(f, l->out[dir]), m->cycle, &count) >= link_capacity(f, pe, l, dir))
            strbuf_addf(out, "PE(%u,%u) to the %s has no room; ", wse_x(m, to), wse_y(m, to), fabric_dir_names[dir]);
    }
    if ((tx & RAMP_BITS) && l->port == NO_PORT) strbuf_adds(out, "no input queue is bound to the color; ");
    else if ((tx & RAMP_BITS) && in_queue(f, r, l->port)->count >= f->shapes[r->shape].in_slots[l->port])
        strbuf_addf(out, "the core does not read its input queue (%u wavelets); ", in_queue(f, r, l->port)->count);
    if (tx & HOST_BITS) strbuf_adds(out, "the host does not read the color; ");
}

static void explain_buffer(const wse *m, uint32_t pe, const lane *l, uint32_t dir, strbuf *out) {
    const buffer *b = lane_buffer(m->fabric, l, dir);
    uint32_t n = b->tail - b->taken.head;
    if (!n) return;
    strbuf_addf(out, "PE(%u,%u) router: color %u from %s: %u wavelet%s wait%s: ", wse_x(m, pe), wse_y(m, pe), l->color,
                fabric_dir_names[dir], n, n == 1 ? "" : "s", n == 1 ? "s" : "");
    if (l->teardown) strbuf_adds(out, "the color is in teardown");
    else if (!(l->rx & ISA_BIT(dir))) {
        strbuf_addf(out, "switch position %u accepts ", l->position);
        add_dirs(out, l->rx);
    } else explain_outputs(m, pe, l, b->e[b->taken.head & m->fabric->buffer_mask], out);
    while (out->len && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == ';')) out->data[--out->len] = 0;
    strbuf_addc(out, '\n');
}

void fabric_explain(const wse *m, uint32_t pe, strbuf *out) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
        const lane *l = &f->lanes[r->lanes + i];
        for (uint32_t dirs = l->dirs; dirs; dirs &= dirs - 1)
            explain_buffer(m, pe, l, (uint32_t)__builtin_ctz(dirs), out);
    }
}

/* ---- circles ---- */

typedef struct {
    uint32_t pe, lane_no, dir;
} place;

static bool same(place a, place b) { return a.pe == b.pe && a.lane_no == b.lane_no && a.dir == b.dir; }

/* The buffer without room for which the head of this one waits. */
static bool waits_for(const wse *m, place at, place *next) {
    const fabric *f = m->fabric;
    const lane *l = &f->lanes[f->routers[at.pe].lanes + at.lane_no];
    const buffer *b = lane_buffer(f, l, at.dir);
    if (b->taken.head == b->tail || !(l->rx & ISA_BIT(at.dir))) return false;
    for (uint32_t tx = l->tx & (RAMP_BITS - 1); tx; tx &= tx - 1) {
        uint32_t dir = (uint32_t)__builtin_ctz(tx), count;
        if (l->out[dir] >= OUT_NONE) continue;
        if (buffer_start_count(buffer_at(f, l->out[dir]), m->cycle, &count) < link_capacity(f, at.pe, l, dir)) continue;
        *next = (place){at.pe + (uint32_t)f->step[dir], l->out_lane[dir], dir ^ 1};
        return true;
    }
    return false;
}

/* Two walkers, one at double speed, meet inside a circle or the fast one comes to an end. */
static bool leads_into_circle(const wse *m, place slow, place *meet) {
    place fast = slow;
    for (;;) {
        if (!waits_for(m, fast, &fast) || !waits_for(m, fast, &fast)) return false;
        (void)waits_for(m, slow, &slow);
        if (same(slow, fast)) break;
    }
    *meet = slow;
    return true;
}

static void print_circle(const wse *m, place start, strbuf *out) {
    place at = start;
    strbuf_adds(out, "deadlock: these routers wait for each other in a circle:");
    do {
        const lane *l = &m->fabric->lanes[m->fabric->routers[at.pe].lanes + at.lane_no];
        strbuf_addf(out, " PE(%u,%u) color %u from %s ->", wse_x(m, at.pe), wse_y(m, at.pe), l->color,
                    fabric_dir_names[at.dir]);
    } while (waits_for(m, at, &at) && !same(at, start));
    strbuf_addf(out, " PE(%u,%u)\n", wse_x(m, start.pe), wse_y(m, start.pe));
}

/* The first circle, if there is one. Chains are walked from sources of many hops, so steps are bounded by the fabric's
 * size. */
void fabric_explain_circle(const wse *m, strbuf *out) {
    const fabric *f = m->fabric;
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        const router *r = &f->routers[pe];
        for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++)
            for (uint32_t dirs = f->lanes[r->lanes + i].dirs; dirs; dirs &= dirs - 1) {
                place meet, at = {pe, i, (uint32_t)__builtin_ctz(dirs)};
                if (!leads_into_circle(m, at, &meet)) continue;
                print_circle(m, meet, out);
                return;
            }
    }
}

/* Where a color that arrives at a PE's core is sent: its route backwards to the ramp it starts at. UINT32_MAX: nowhere. */
static uint32_t sender_of(const wse *m, uint32_t pe, uint32_t color) {
    const fabric *f = m->fabric;
    uint32_t i = f->swaps ? NO_LANE : lane_index(f, &f->routers[pe], color);
    for (uint32_t steps = 0; i != NO_LANE && steps < m->pes; steps++) {
        const lane *l = &f->lanes[f->routers[pe].lanes + i];
        if (!steps && !(l->tx & RAMP_BITS)) return UINT32_MAX; /* the color does not lead to this core now */
        uint32_t links = l->dirs & (RAMP_BITS - 1);
        if (!links || (steps && (l->dirs & RAMP_BITS))) return l->dirs & RAMP_BITS ? pe : UINT32_MAX;
        uint32_t dir = (uint32_t)__builtin_ctz(links);
        const bool inside[MESH_DIRS] = {wse_x(m, pe) > 0, wse_x(m, pe) + 1 < m->width, wse_y(m, pe) + 1 < m->height,
                                        wse_y(m, pe) > 0};
        if (!inside[dir]) return UINT32_MAX;
        pe += (uint32_t)f->step[dir];
        i = lane_index(f, &f->routers[pe], color);
    }
    return UINT32_MAX;
}

static uint32_t waits_for_pe(const wse *m, uint32_t pe) {
    int color = core_waits_color(m, pe);
    return color < 0 ? UINT32_MAX : sender_of(m, pe, (uint32_t)color);
}

static void print_cores(const wse *m, uint32_t start, strbuf *out) {
    uint32_t pe = start;
    strbuf_adds(out, "circle:");
    do {
        strbuf_addf(out, " PE(%u,%u) waits for color %d ->", wse_x(m, pe), wse_y(m, pe), core_waits_color(m, pe));
        pe = waits_for_pe(m, pe);
    } while (pe != start);
    strbuf_addf(out, " PE(%u,%u)\n", wse_x(m, start), wse_y(m, start));
}

/* Each PE waits for one other at most; every walk marks what it passes, so all of them together pass each PE once. */
void fabric_explain_cores(const wse *m, strbuf *out) {
    uint32_t *walk = mem_alloc_n(m->pes, sizeof *walk);
    for (uint32_t start = 0; walk && start < m->pes; start++) {
        uint32_t pe = start;
        while (pe != UINT32_MAX && !walk[pe]) {
            walk[pe] = start + 1;
            pe = waits_for_pe(m, pe);
        }
        if (pe != UINT32_MAX && walk[pe] == start + 1) print_cores(m, pe, out);
    }
    mem_free(walk);
}

/* One position of a switch that lets wavelets of one color in from several sides, and they did come. */
void fabric_explain_writers(const wse *m, uint32_t pe, strbuf *out) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
        const lane *l = &f->lanes[r->lanes + i];
        uint32_t sides = 0;
        for (uint32_t rx = l->rx & l->dirs; rx; rx &= rx - 1)
            if (lane_buffer(f, l, (uint32_t)__builtin_ctz(rx))->tail) sides |= rx & -rx;
        if (!(sides & (sides - 1))) continue;
        strbuf_addf(out, "PE(%u,%u) router: color %u has writers from several sides (", wse_x(m, pe), wse_y(m, pe), l->color);
        add_dirs(out, sides);
        strbuf_adds(out, "): their order is that of arrival\n");
    }
}
