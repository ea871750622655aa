/* The ramp as the core sees it: input queues by port, output queues, and which color each is bound to.
 *
 * A core that asks in vain is remembered (`want`) and woken when what it asked for is there; one that does not ask
 * costs nothing. Output queues also note when little room is left, since packed elements need up to LITTLE_ROOM
 * wavelets at once. */
#include "wse/fabric_internal.h"
#include "wse/pipe.h"

enum { LITTLE_ROOM = 4, BINDINGS = 8 };

static inline router *router_of(const wse *m, uint32_t pe) { return &m->fabric->routers[pe]; }

/* ---- bindings ---- */

static uint8_t *bindings(const wse *m, uint32_t pe) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    return (uint8_t *)(f->queues + r->queues + f->shapes[r->shape].binding_at);
}

/* -1 none. */
static int bound_color(const wse *m, uint32_t pe, uint32_t q, bool output) {
    const isa_queues *queues = &wse_program(m, pe)->queues;
    uint32_t again = bindings(m, pe)[q + (output ? BINDINGS : 0)];
    if (again) return again - 1 < ISA_COLORS ? (int)again - 1 : -1;
    return output ? queues->out_color[q] : queues->in_color[q];
}

uint32_t fabric_in_color(const wse *m, uint32_t pe, uint32_t q, uint32_t color) {
    uint32_t again = bindings(m, pe)[q];
    return again && again - 1 < ISA_COLORS ? again - 1 : color;
}

uint32_t port_of_color(const wse *m, uint32_t pe, uint32_t color) {
    const shape *s = &m->fabric->shapes[router_of(m, pe)->shape];
    if (m->image->arch != ISA_WSE3) return s->in_slots[color] ? color : NO_PORT;
    for (uint32_t q = 0; q < ISA_QUEUES; q++)
        if (s->in_slots[q] && bound_color(m, pe, q, false) == (int)color) return q;
    return NO_PORT;
}

uint32_t port_color(const wse *m, uint32_t pe, uint32_t port) {
    int color = m->image->arch == ISA_WSE3 ? bound_color(m, pe, port, false) : (int)port;
    return color < 0 ? ISA_TASK_NONE : (uint32_t)color;
}

uint32_t out_queue_color(const wse *m, uint32_t pe, uint32_t q) {
    int color = m->image->arch == ISA_WSE3 ? bound_color(m, pe, q, true) : -1;
    return color < 0 ? ISA_TASK_NONE : (uint32_t)color;
}

void lane_take_port(const wse *m, uint32_t pe, lane *l) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    uint32_t port = port_of_color(m, pe, l->color);
    l->port = (uint8_t)port;
    l->slots = port == NO_PORT ? 0 : f->shapes[r->shape].in_slots[port];
    l->ring = port == NO_PORT ? 0 : r->queues + f->shapes[r->shape].in_at[port];
}

/* Lanes cache their port; those of the old and the new color look again. */
void port_rebind(wse *m, uint32_t pe, uint32_t q, bool output, uint32_t color) {
    fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    bindings(m, pe)[q + (output ? BINDINGS : 0)] = (uint8_t)(color + 1);
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes && !output; i++) {
        lane *l = &f->lanes[r->lanes + i];
        lane_take_port(m, pe, l);
        fabric_look_again(m, pe, i);
    }
}

void fabric_look_again(wse *m, uint32_t pe, uint32_t lane_no) {
    band *b = band_of(m, pe);
    m->fabric->routers[pe].hot |= 1u << lane_no;
    wake_router(b, pe, b->now + b->stepping);
}

/* ---- input queues ---- */

void port_deliver(band *b, uint32_t pe, uint32_t port, wse_wavelet w, uint64_t now) {
    fabric *f = b->m->fabric;
    router *r = &f->routers[pe];
    queue *q = in_queue(f, r, port);
    uint32_t slots = f->shapes[r->shape].in_slots[port], at = q->head + q->count;
    q->e[at >= slots ? at - slots : at] = w;
    q->count++;
    r->ramp++;
    happened(b, now);
    r->controls = (uint16_t)(r->controls + w.control);
    if (!q->want && q->count > 1) return; /* the first wavelet wakes a core that never asked */
    q->want = 0;
    if (f->ramp < WHEEL_SLOTS) wake_core(b, pe, now + f->ramp);
    else clock_wake(b->m, pe, now + f->ramp);
}

static queue *in_queue_of(const wse *m, uint32_t pe, uint32_t port) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    return port < ISA_COLORS && f->shapes[r->shape].in_slots[port] ? in_queue(f, r, port) : NULL;
}

const wse_wavelet *fabric_in_peek(const wse *m, uint32_t pe, uint32_t port, uint32_t k, uint64_t now) {
    queue *q = in_queue_of(m, pe, port);
    if (!q) return NULL;
    if (k >= q->count) {
        q->want = 1;
        return NULL;
    }
    uint32_t slots = m->fabric->shapes[router_of(m, pe)->shape].in_slots[port], at = q->head + k;
    const wse_wavelet *w = &q->e[at >= slots ? at - slots : at];
    uint32_t wait = wavelet_wait(w, now);
    if (!wait) return w;
    /* Waking the core is no change of the fabric's state: it only has the question asked again in time. */
    clock_wake((wse *)(uintptr_t)m, pe, now + wait);
    return NULL;
}

const wse_wavelet *fabric_in_head(const wse *m, uint32_t pe, uint32_t port, uint64_t now) {
    return fabric_in_peek(m, pe, port, 0, now);
}

void fabric_in_pop(wse *m, uint32_t pe, uint32_t port, uint64_t now) {
    fabric *f = m->fabric;
    router *r = router_of(m, pe);
    queue *q = in_queue_of(m, pe, port);
    if (!q || !q->count) return;
    uint32_t slots = f->shapes[r->shape].in_slots[port];
    bool was_full = q->count == slots;
    r->controls = (uint16_t)(r->controls - q->e[q->head].control);
    band *b = band_of(m, pe);
    happened(b, now);
    pipe_copy *c = pipe_to(m, pe);
    if (c && c->port == port) {
        pipe_taken(m, c, now);
        pipe_took(m, c, false);
        pipe_fill(m, c);
        return;
    }
    q->head = (uint16_t)(q->head + 1u == slots ? 0 : q->head + 1);
    q->count--;
    if (was_full) fabric_in_freed(m, pe, port, now);
}

/* ---- output queues ---- */

uint32_t fabric_out_room(const wse *m, uint32_t pe, uint32_t q) {
    const fabric *f = m->fabric;
    router *r = router_of(m, pe);
    if (q >= ISA_QUEUES || !f->shapes[r->shape].out_slots[q]) return 0;
    pipe *p = pipe_from(m, pe);
    if (p && p->number == q) return pipe_room((wse *)(uintptr_t)m, p, band_of(m, pe)->now);
    const queue *out = out_queue(f, r, q);
    uint32_t room = (uint32_t)f->shapes[r->shape].out_slots[q] - out->count;
    if (room < LITTLE_ROOM && out->count) r->out_want |= (uint8_t)(1u << q);
    return room;
}

bool fabric_out_empty(const wse *m, uint32_t pe, uint32_t q) {
    router *r = router_of(m, pe);
    pipe *p = pipe_from(m, pe);
    if (p && p->number == q) return pipe_empty((wse *)(uintptr_t)m, p, band_of(m, pe)->now);
    if (q >= ISA_QUEUES || !(r->out_busy & 1u << q)) return true;
    r->out_want_empty |= (uint8_t)(1u << q);
    return false;
}

static bool sends_as(wse *m, uint32_t pe, uint32_t q, uint32_t *color, uint64_t now) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    if (m->image->arch == ISA_WSE3) *color = out_queue_color(m, pe, q);
    uint32_t i = lane_index(f, r, *color);
    if (f->swaps && i != NO_LANE) {
        const plan *p = &f->plans[r->plans + i];
        if (p->swap_x && p->swap_y && (p->rx[0] | p->rx[1] | p->rx[2] | p->rx[3])) {
            *color ^= 1;
            i = lane_index(f, r, *color);
        }
    }
    if (i != NO_LANE && (f->lanes[r->lanes + i].dirs & RAMP_BITS)) return true;
    if (*color >= ISA_COLORS)
        wse_set_fault(m, pe, now, "output queue %u sends, but is bound to no color: use @initialize_queue", q);
    else
        wse_set_fault(
            m, pe, now,
            "a wavelet of color %u is sent from the core (RAMP), but the router has no route for it: add RAMP "
            "to the color's rx",
            *color);
    return false;
}

void fabric_out_push(wse *m, uint32_t pe, uint32_t q, uint32_t color, uint32_t data, bool control, uint64_t now) {
    fabric *f = m->fabric;
    router *r = router_of(m, pe);
    uint32_t slots = q < ISA_QUEUES ? f->shapes[r->shape].out_slots[q] : 0;
    if (!slots) {
        wse_set_fault(m, pe, now, "output queue %u does not exist or is bound to no color: use @initialize_queue", q);
        return;
    }
    if (!sends_as(m, pe, q, &color, now)) return;
    pipe *p = pipe_from(m, pe);
    if (p && p->number == q) {
        pipe_push(m, p, data, now + f->ramp);
        return;
    }
    queue *out = out_queue(f, r, q);
    if (out->count >= slots) {
        wse_set_fault(m, pe, now, "output queue %u is full", q);
        return;
    }
    uint32_t at = out->head + out->count++;
    out->e[at >= slots ? at - slots : at] =
        (wse_wavelet){data, (uint32_t)(now + f->ramp), (uint8_t)color, control, ISA_RAMP, 0};
    r->out_busy |= (uint8_t)(1u << q);
    wake_router(band_of(m, pe), pe, now + f->ramp);
}

/* ---- the short road ---- */

uint64_t *fabric_queues(const wse *m) { return m->fabric->queues; }

static uint32_t place_of(const fabric *f, const queue *q) { return (uint32_t)((const uint64_t *)q - f->queues); }

uint32_t fabric_in_ring(const wse *m, uint32_t pe, uint32_t port, uint16_t *slots) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    const shape *s = &f->shapes[r->shape];
    if (port >= ISA_COLORS || !s->in_slots[port] || s->own_plans) return FABRIC_NO_QUEUE;
    *slots = s->in_slots[port];
    return place_of(f, in_queue(f, r, port));
}

uint32_t fabric_out_ring(const wse *m, uint32_t pe, uint32_t q, uint8_t *color, uint16_t *slots) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    const shape *s = &f->shapes[r->shape];
    if (q >= ISA_QUEUES || !s->out_slots[q] || s->own_plans || f->swaps) return FABRIC_NO_QUEUE;
    if (m->image->arch == ISA_WSE3) *color = (uint8_t)out_queue_color(m, pe, q);
    uint32_t i = lane_index(f, r, *color);
    if (*color >= ISA_COLORS || i == NO_LANE || !(f->lanes[r->lanes + i].dirs & RAMP_BITS)) return FABRIC_NO_QUEUE;
    *slots = s->out_slots[q];
    return place_of(f, out_queue(f, r, q));
}

void fabric_in_freed(wse *m, uint32_t pe, uint32_t port, uint64_t now) {
    fabric *f = m->fabric;
    band *b = band_of(m, pe);
    uint32_t lane_no = lane_index(f, router_of(m, pe), port_color(m, pe, port));
    if (lane_no != NO_LANE) heat(f, b, pe, lane_no, now + 1);
    if (f->streams.open_count) streams_room(m, b, pe, port);
}

void fabric_out_first(wse *m, uint32_t pe, uint32_t q, uint64_t ready) {
    router_of(m, pe)->out_busy |= (uint8_t)(1u << q);
    wake_router(band_of(m, pe), pe, ready);
}

void fabric_out_full(wse *m, uint32_t pe, uint32_t q) { router_of(m, pe)->out_want |= (uint8_t)(1u << q); }

bool fabric_in_quiet(const wse *m, uint32_t pe, uint32_t ports) {
    const fabric *f = m->fabric;
    const router *r = router_of(m, pe);
    for (; ports; ports &= ports - 1) {
        uint32_t port = (uint32_t)__builtin_ctz(ports);
        if (f->shapes[r->shape].in_slots[port] && in_queue(f, r, port)->count) return false;
    }
    return !r->controls;
}

/* The last wavelet of a color among the output queues: the switch advances behind it. */
static wse_wavelet *last_sent(const fabric *f, const router *r, uint32_t color) {
    wse_wavelet *last = NULL;
    for (uint32_t q = 0; q < ISA_QUEUES; q++) {
        if (!(r->out_busy & 1u << q)) continue;
        queue *out = out_queue(f, r, q);
        uint32_t slots = f->shapes[r->shape].out_slots[q];
        for (uint32_t k = 0; k < out->count; k++) {
            wse_wavelet *w = &out->e[(out->head + k) % slots];
            if (w->color == color && (!last || (int32_t)(w->ready - last->ready) >= 0)) last = w;
        }
    }
    return last;
}

void fabric_advance_switch(wse *m, uint32_t pe, uint32_t color) {
    fabric *f = m->fabric;
    router *r = router_of(m, pe);
    uint32_t i = lane_index(f, r, color);
    if (i == NO_LANE) return;
    lane *l = &f->lanes[r->lanes + i];
    wse_wavelet *w = last_sent(f, r, color);
    buffer *in = l->dirs & RAMP_BITS ? lane_buffer(f, l, ISA_RAMP) : NULL;
    if (w) w->spare = 1;
    else if (in && in->tail != in->taken.head) in->e[(in->tail - 1) & f->buffer_mask].meta |= 2;
    else {
        lane_advance(l, &f->plans[r->plans + i]);
        fabric_look_again(m, pe, i);
    }
}
