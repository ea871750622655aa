/* Lines: pipes while one core is at work at an end of them, for core_alone.c and core_two.c. */
#ifndef INGOT_WSE_PIPE_LINE_H
#define INGOT_WSE_PIPE_LINE_H

#include "wse/core_far.h"

/* A pipe while one core is at work at an end of it, far from the end of the run: what pipe.h and pipe.c do, with counts
 * in registers. */
typedef struct {
    pipe *p;
    pipe_copy *c;
    pipe_wavelet *ring;
    uint32_t mask, lag, slots; /* of the queue at its end */
    uint32_t pushed, entered, given, taken;
} line;

INLINE line line_of(pipe *p) {
    pipe_copy *c = p->first_copy;
    return (line){p, c, p->ring, p->mask, p->lag, c->slots, p->pushed, p->entered, c->given, c->taken};
}
INLINE pipe_wavelet *line_ring(const line *l, uint32_t i) { return &l->ring[i & l->mask]; }

/* No wavelet in it can get a time from the end of the run on: what it waits for happens within a window. */
INLINE bool far_from_end(const run *r, const pipe *p) {
    return p && p->single && r->m->pipes->limit - r->now > 2 * PIPE_AHEAD_CYCLES + 8 * (p->lag + p->room);
}

INLINE uint64_t line_arrives(const run *r, line *l) {
    uint32_t i = l->given++;
    pipe_wavelet *w = line_ring(l, i);
    uint64_t free_way = w->enter + l->lag, t = later(free_way, line_ring(l, i - 1)->arrive + 1);
    pipe_at_least(&t, line_ring(l, i - l->slots)->took + 1);
    w->arrive = t;
    if (t != free_way) pipe_stalled(r->m, l->p, i);
    return t;
}

INLINE void line_enters(line *l, uint64_t t) {
    uint32_t i = l->entered++;
    pipe_at_least(&t, line_ring(l, i - 1)->enter + 1);
    pipe_at_least(&t, line_ring(l, i - l->p->room)->arrive + l->p->count);
    line_ring(l, i)->enter = t;
}

/* When does the next one arrive? UNKNOWN: that is up to its sender. */
INLINE uint64_t line_next(const run *r, line *l) {
    if (l->given != l->taken) return line_ring(l, l->taken)->arrive;
    if (l->given == l->entered) {
        if (l->pushed == l->entered) return PIPE_UNKNOWN;
        line_enters(l, line_ring(l, l->entered)->enter);
        if (l->p->want | l->p->want_empty) {
            l->p->entered = l->entered;
            pipe_entered(r->m, l->p, line_ring(l, l->entered - 1)->enter);
        }
    }
    return line_arrives(r, l);
}

INLINE void line_push(const run *r, line *l, uint32_t value, uint64_t ready) {
    uint32_t i = l->pushed++;
    pipe_wavelet *w = line_ring(l, i);
    w->data = value;
    w->enter = ready;
    if (l->entered != i || i - l->given >= l->p->room) return;
    line_enters(l, ready);
    if (l->given != i || i - l->taken >= l->slots) return;
    uint64_t t = line_arrives(r, l);
    if (i == l->taken || l->c->queue->want) pipe_tell(r->m, l->c, i - l->taken, t, UINT32_MAX);
}

INLINE void line_done(const line *l) {
    if (l->entered != l->p->entered) pipe_at_least(l->p->last, line_ring(l, l->entered - 1)->enter);
    if (l->given != l->c->given) pipe_at_least(l->p->last, line_ring(l, l->given - 1)->arrive);
    l->p->pushed = l->pushed;
    l->p->entered = l->entered;
    l->c->given = l->given;
    l->c->taken = l->taken;
}

#endif
