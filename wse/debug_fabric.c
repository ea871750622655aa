/* Queues and router of a PE as a debugger shows them. See debug.h. */
#include "wse/debug.h"
#include "wse/fabric_internal.h"

enum { SHOWN = 8 }; /* wavelets of a queue or buffer */

static void add_sides(strbuf *out, uint32_t set) {
    const char *gap = "";
    strbuf_addc(out, '{');
    for (uint32_t d = 0; d < ISA_DIRS; d++)
        if (set >> d & 1) {
            strbuf_addf(out, "%s%s", gap, fabric_dir_names[d]);
            gap = " ";
        }
    strbuf_addc(out, '}');
}

static void add_wavelet(uint32_t data, bool control, bool way, strbuf *out) {
    strbuf_addf(out, " %s%08x%s", control ? "control " : "", data, way ? " (under way)" : "");
}

static void add_queue(const wse *m, const queue *q, uint32_t slots, strbuf *out) {
    strbuf_addf(out, "%u of %u", q->count, slots);
    for (uint32_t k = 0; k < q->count && k < SHOWN; k++) {
        const wse_wavelet *w = &q->e[(q->head + k) % slots];
        add_wavelet(w->data, w->control, wavelet_wait(w, m->cycle), out);
    }
    strbuf_adds(out, q->count > SHOWN ? " ...\n" : "\n");
}

static void in_queues(const wse *m, uint32_t pe, strbuf *out) {
    const router *r = &m->fabric->routers[pe];
    const shape *s = &m->fabric->shapes[r->shape];
    bool wse3 = m->image->arch == ISA_WSE3;
    for (uint32_t port = 0; port < ISA_COLORS; port++) {
        if (!s->in_slots[port]) continue;
        uint32_t color = port_color(m, pe, port);
        int number = wse3 ? (int)port : wse_program(m, pe)->queues.color_queue[port];
        if (color >= ISA_COLORS || number < 0) continue;
        strbuf_addf(out, "input queue %d, color %u: ", number, color);
        add_queue(m, in_queue(m->fabric, r, port), s->in_slots[port], out);
    }
}

static void out_queues(const wse *m, uint32_t pe, strbuf *out) {
    const router *r = &m->fabric->routers[pe];
    const shape *s = &m->fabric->shapes[r->shape];
    for (uint32_t q = 0; q < ISA_QUEUES; q++) {
        const queue *what = s->out_slots[q] ? out_queue(m->fabric, r, q) : NULL;
        bool bound = m->image->arch == ISA_WSE3 && out_queue_color(m, pe, q) < ISA_COLORS;
        if (!what || (!what->count && !bound)) continue;
        uint32_t color = what->count ? what->e[what->head].color : out_queue_color(m, pe, q);
        strbuf_addf(out, "output queue %u, color %u: ", q, color);
        add_queue(m, what, s->out_slots[q], out);
    }
}

void wse_debug_queues(const wse *m, uint32_t pe, strbuf *out) {
    in_queues(m, pe, out);
    out_queues(m, pe, out);
    core_show_fifos(m, pe, out);
}

/* ---- the router ---- */

static void add_buffer(const wse *m, const lane *l, uint32_t dir, strbuf *out) {
    const buffer *b = lane_buffer(m->fabric, l, dir);
    uint32_t n = b->tail - b->taken.head;
    if (!n) return;
    strbuf_addf(out, "  from %s, %u waiting:", fabric_dir_names[dir], n);
    for (uint32_t k = 0; k < n && k < SHOWN; k++) {
        flit e = b->e[(b->taken.head + k) & m->fabric->buffer_mask];
        add_wavelet(e.data, e.meta & 1, flit_wait(e.meta, (uint32_t)m->cycle), out);
    }
    strbuf_adds(out, n > SHOWN ? " ...\n" : "\n");
}

static void add_positions(const plan *p, strbuf *out) {
    for (uint32_t k = 1; k < 4; k++) {
        if (!(p->own_rx >> k & 1) && !(p->own_tx >> k & 1)) continue;
        strbuf_addf(out, "  position %u: rx ", k);
        add_sides(out, p->rx[k]);
        strbuf_adds(out, " tx ");
        add_sides(out, p->tx[k]);
        strbuf_addc(out, '\n');
    }
}

void wse_debug_router(const wse *m, uint32_t pe, int color, strbuf *out) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
        const lane *l = &f->lanes[r->lanes + i];
        if (color >= 0 && l->color != color) continue;
        strbuf_addf(out, "color %u: rx ", l->color);
        add_sides(out, l->rx);
        strbuf_adds(out, " tx ");
        add_sides(out, l->tx);
        if (l->position) strbuf_addf(out, ", switch position %u", l->position);
        if (l->teardown) strbuf_adds(out, ", in teardown");
        strbuf_addc(out, '\n');
        add_positions(&f->plans[r->plans + i], out);
        for (uint32_t dirs = l->dirs; dirs; dirs &= dirs - 1) add_buffer(m, l, (uint32_t)__builtin_ctz(dirs), out);
    }
}
