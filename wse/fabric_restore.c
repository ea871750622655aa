/* The fabric in a checkpoint: counters and arbitration of routers, switch positions, rewritten routes, then buffers and
 * queues as they are, with proof that their indices are in range. Addresses of lanes and buffers follow from the image.
 */
#include "wse/checkpoint.h"
#include "wse/fabric_internal.h"

typedef struct {
    uint64_t hops, stall;
    uint32_t ramp, io;
    uint8_t out_last, out_want, out_want_empty, spare[5];
} saved_router;
typedef struct {
    uint32_t granted;
    uint8_t position, teardown, raised, spare;
} saved_lane;

static size_t store_units(const wse *m, size_t *queues) {
    const fabric *f = m->fabric;
    const router *last = &f->routers[m->pes - 1];
    *queues = (size_t)last->queues + f->shapes[last->shape].queue_units;
    return (size_t)last->store + f->shapes[last->shape].units;
}

static void save_routes(const wse *m, const router *r, strbuf *out) {
    const fabric *f = m->fabric;
    const shape *s = &f->shapes[r->shape];
    saved_router a = {.hops = r->hops, .stall = r->stall, .ramp = r->ramp, .io = r->io, .out_last = r->out_last};
    a.out_want = r->out_want;
    a.out_want_empty = r->out_want_empty;
    ckpt_add(out, &a, sizeof a);
    for (uint32_t i = 0; i < s->lanes; i++) {
        const lane *l = &f->lanes[r->lanes + i];
        saved_lane b = {l->granted, l->position, l->teardown, l->raised, 0};
        ckpt_add(out, &b, sizeof b);
        if (s->own_plans) ckpt_add(out, &f->plans[r->plans + i], sizeof(plan));
    }
}

void fabric_save(const wse *m, strbuf *out) {
    const fabric *f = m->fabric;
    size_t queues, units = store_units(m, &queues), rows = 2 * (size_t)m->height;
    for (uint32_t pe = 0; pe < m->pes; pe++) save_routes(m, &f->routers[pe], out);
    ckpt_put(out, f->store, units * 8);
    ckpt_put(out, f->queues, queues * 8);
    if (f->link_free) ckpt_put(out, f->link_free, (size_t)m->pes * MESH_DIRS * 8);
    ckpt_put(out, f->streams.tokens_at, rows * sizeof *f->streams.tokens_at);
    ckpt_put(out, f->streams.tokens, rows * sizeof *f->streams.tokens);
}

/* ---- reading ---- */

/* Of a rewritten route only what a program can rewrite. */
static bool load_plan(ckpt_reader *r, plan *p) {
    plan new;
    if (!ckpt_take(r, &new, sizeof new)) return false;
    uint8_t ring;
    memcpy(&ring, &new.ring, 1);
    for (int k = 0; k < 4; k++) {
        uint32_t host = (p->tx[0] | p->tx[1] | p->tx[2] | p->tx[3]) & HOST_BITS;
        p->rx[k] = new.rx[k] & p->dirs;
        p->tx[k] = (uint8_t)(new.tx[k] & ((HOST_BITS - 1) | host));
    }
    p->own_rx = new.own_rx;
    p->own_tx = new.own_tx;
    p->pop = new.pop & 3;
    p->ring = ring & 1;
    return true;
}

static bool load_routes(const wse *m, router *r, ckpt_reader *in) {
    fabric *f = m->fabric;
    const shape *s = &f->shapes[r->shape];
    saved_router a;
    saved_lane b;
    if (!ckpt_take(in, &a, sizeof a)) return false;
    r->hops = a.hops, r->stall = a.stall, r->ramp = a.ramp, r->io = a.io;
    r->out_last = a.out_last % ISA_QUEUES;
    r->out_want = a.out_want;
    r->out_want_empty = a.out_want_empty;
    for (uint32_t i = 0; i < s->lanes; i++) {
        lane *l = &f->lanes[r->lanes + i];
        if (!ckpt_take(in, &b, sizeof b) || (s->own_plans && !load_plan(in, &f->plans[r->plans + i]))) return false;
        l->granted = b.granted;
        l->position = b.position & 3;
        l->teardown = b.teardown & 1;
        l->raised = b.raised & 1;
    }
    return true;
}

static bool buffers_ok(const fabric *f, const lane *l) {
    for (uint32_t dirs = l->dirs; dirs; dirs &= dirs - 1) {
        buffer *b = lane_buffer(f, l, (uint32_t)__builtin_ctz(dirs));
        if (b->tail - b->taken.head > f->buffer_capacity) return false;
        b->waiting = b->waiting != 0;
    }
    return true;
}

/* Also counts what the router keeps beside the queue. */
static bool queue_ok(const fabric *f, router *r, const queue *q, uint32_t slots, bool out) {
    if (q->head >= slots || q->count > slots || q->want > 1) return false;
    for (uint32_t k = 0; k < q->count; k++) {
        const wse_wavelet *w = &q->e[(q->head + k) % slots];
        uint32_t i = lane_index(f, r, w->color);
        if (w->control > 1 || w->spare > 1) return false;
        if (out && (i == NO_LANE || !(f->lanes[r->lanes + i].dirs & RAMP_BITS))) return false;
        if (!out) r->controls = (uint16_t)(r->controls + w->control);
    }
    return true;
}

static bool queues_ok(const fabric *f, router *r) {
    const shape *s = &f->shapes[r->shape];
    for (uint32_t p = 0; p < ISA_COLORS; p++)
        if (s->in_slots[p] && !queue_ok(f, r, in_queue(f, r, p), s->in_slots[p], false)) return false;
    for (uint32_t q = 0; q < ISA_QUEUES; q++) {
        if (!s->out_slots[q]) continue;
        if (!queue_ok(f, r, out_queue(f, r, q), s->out_slots[q], true)) return false;
        if (out_queue(f, r, q)->count) r->out_busy |= (uint8_t)(1u << q);
    }
    return true;
}

static bool settle(wse *m, uint32_t pe) {
    fabric *f = m->fabric;
    router *r = &f->routers[pe];
    uint32_t n = f->shapes[r->shape].lanes;
    for (uint32_t i = 0; i < n; i++) {
        lane *l = &f->lanes[r->lanes + i];
        lane_take_port(m, pe, l);
        lane_take_position(l, &f->plans[r->plans + i]);
        if (!buffers_ok(f, l)) return false;
        fabric_look_again(m, pe, i);
    }
    return queues_ok(f, r);
}

bool fabric_load(wse *m, ckpt_reader *in) {
    fabric *f = m->fabric;
    size_t queues, units = store_units(m, &queues), rows = 2 * (size_t)m->height;
    for (uint32_t pe = 0; pe < m->pes; pe++)
        if (!load_routes(m, &f->routers[pe], in)) return false;
    memset(f->queues, 0, queues * 8); /* filters at their start */
    if (!ckpt_get(in, f->store, units * 8) || !ckpt_get(in, f->queues, queues * 8)) return false;
    if (f->link_free && !ckpt_get(in, f->link_free, (size_t)m->pes * MESH_DIRS * 8)) return false;
    if (!ckpt_get(in, f->streams.tokens_at, rows * sizeof *f->streams.tokens_at) ||
        !ckpt_get(in, f->streams.tokens, rows * sizeof *f->streams.tokens))
        return false;
    for (uint32_t pe = 0; pe < m->pes; pe++)
        if (!settle(m, pe))
            return diag_error(in->d, "checkpoint: the state of the router of PE(%u,%u) is not one it can be in",
                              wse_x(m, pe), wse_y(m, pe));
    return true;
}
