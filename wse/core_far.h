/* The far road: what its files know of each other. Only core_far.c, core_alone.c and core_two.c include it. */
#ifndef INGOT_WSE_CORE_FAR_H
#define INGOT_WSE_CORE_FAR_H

#include "wse/core_stream.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    const uint16_t *from;
    int32_t step; /* words */
    uint32_t words, value;
} source;

typedef struct {
    core_vop *v;
    source a, b; /* of an operation that reads: a is what it does not read */
    uint16_t *to;
    int32_t to_step;
    uint32_t left; /* elements before the last, which is not for us */
    uint8_t thread;
    bool reads, sends, first; /* first: the first source is the one that reads */
} operation;

typedef struct {
    run *r;
    pipe *source; /* of the input, when it has no other end; else NULL */
    uint64_t last;
    uint32_t count;
    operation op[CORE_THREADS];
} road;

/* The ways of one operation, and of two of which one reads and the other sends, all begun (core_alone.c, core_two.c).
 * two: OTHER: these pipes are not for it, nothing was done. */
bool far_operation(road *w, core_vop *v, uint32_t thread); /* adds it; false: it leaves the memory */
stream_result far_alone(road *w);
stream_result far_two(road *w);

static inline uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* When may the next wavelet be read? */
static inline uint64_t input_at(road *w) {
    run *r = w->r;
    pipe_copy *c = r->in;
    if (c->given == c->taken) {
        pipe *p = w->source;
        if (p && c->given != p->entered) {
            uint64_t t = pipe_arrives(p, c);
            if (t < r->m->pipes->limit) pipe_arrived(r->m, p, c, t, r->pe);
        }
        if (c->given == c->taken) stream_tell(r);
        if (c->given == c->taken) return PIPE_UNKNOWN;
    }
    if (w->source) return pipe_ring(w->source, c->taken)->arrive + c->ramp;
    return r->now + wavelet_wait(&c->queue->e[c->queue->head], r->now);
}

/* Notes that the operation waits, from `at` on unless it does so already. */
static inline void note(core_vop *v, core_wait what, uint8_t on, uint64_t at) {
    if (!v->wait) v->wait_since = at;
    v->wait = (uint8_t)what;
    v->wait_on = on;
}

static inline uint32_t take(road *w, uint64_t at) {
    run *r = w->r;
    pipe_copy *c = r->in;
    const wse_queue *q = c->queue;
    uint32_t data = w->source ? pipe_ring(w->source, c->taken)->data : q->e[q->head].data;
    pipe_taken(r->m, c, at);
    r->took = true;
    return data;
}

INLINE uint32_t next_of(source *s, bool wide) {
    if (!s->from) return s->value;
    uint32_t value = load(s->from, wide ? 2 : s->words);
    s->from += s->step;
    return value;
}

typedef enum { ANY_OP, MOVES, MOVES32, ADDS } op_class;
INLINE bool wide(op_class class) { return class == MOVES32 || class == ADDS; } /* all operands have 32 bits */

INLINE uint32_t compute_as(const run *r, core_vop *v, uint32_t a, uint32_t b, op_class class) {
    if (class == MOVES || class == MOVES32) return b;
    if (class == ADDS) return s_bits(f32_from_bits(a) + f32_from_bits(b));
    return compute(r, v, a, b);
}

INLINE uint32_t value_of(const run *r, operation *o, uint32_t data, op_class class, bool reads) {
    uint32_t a = class == MOVES32 ? 0 : next_of(&o->a, wide(class)), b = reads ? data : next_of(&o->b, wide(class));
    bool swapped = class == ANY_OP && o->first; /* a sum is the same */
    return swapped ? compute_as(r, o->v, b, a, class) : compute_as(r, o->v, a, b, class);
}

INLINE void store(operation *o, uint32_t value, bool wide) {
    o->to[0] = (uint16_t)value;
    if (wide || o->v->d.words == 2) o->to[1] = (uint16_t)(value >> 16);
    o->to += o->to_step;
}

#endif
