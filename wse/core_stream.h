/* Streams: what the near and the far road (core_stream.c, core_far.c) have in common. Only these two include it. */
#ifndef INGOT_WSE_CORE_STREAM_H
#define INGOT_WSE_CORE_STREAM_H

#include "wse/core_float.h"
#include "wse/core_internal.h"
#include "wse/pipe.h"

typedef enum {
    STREAM_WAIT,
    STREAM_MOVED,
    STREAM_STOP, /* the general road decides at this cycle */
    STREAM_OTHER /* not here: nothing was done */
} stream_result;

typedef struct {
    wse *m;
    core *c;
    uint16_t *memory;
    uint64_t *queues;
    uint64_t now, t, soonest; /* the clock; the cycle we have come to; when something is known to be there */
    uint64_t done;            /* the last cycle with an effect */
    uint32_t pe;
    pipe_copy *in; /* pipes that end and begin here, NULL: none in use */
    pipe *out;
    bool took; /* the pipe has not been told yet */
} run;

/* core_far.c: operations on pipes, up to and including cycle `last`. */
stream_result stream_far(run *r, core_vop *pool, uint64_t last);

static inline wse_queue *queue_at(const run *r, uint32_t place) { return (wse_queue *)(r->queues + place); }

static inline stream_result wait_for(const run *r, core_vop *v, core_wait what, uint8_t on) {
    if (!v->wait) v->wait_since = r->t;
    v->wait = (uint8_t)what;
    v->wait_on = on;
    return STREAM_WAIT;
}

static inline void stream_tell(run *r) {
    if (!r->took) return;
    r->took = false;
    pipe_took(r->m, r->in, true);
}

static inline uint16_t *word_at(const run *r, const core_operand *o, uint32_t position) {
    int64_t at = o->base + (int64_t)(o->start + position) * o->stride * o->words;
    return at >= 0 && at + o->words <= ISA_SRAM_WORDS ? r->memory + at : NULL;
}
static inline bool both_ends_inside(const run *r, const core_vop *v, const core_operand *o, uint32_t n) {
    return o->kind != ISA_MEM1D || (word_at(r, o, v->position) && word_at(r, o, v->position + n - 1));
}
static inline uint32_t load(const uint16_t *p, uint32_t words) {
    return words == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
}

static inline uint32_t compute(const run *r, core_vop *v, uint32_t a, uint32_t b) {
    switch (v->op) {
    case ISA_D_MOV16:
    case ISA_D_MOV32:
    case ISA_D_FMOVH:
    case ISA_D_FMOVS: return b;
    case ISA_D_FADDS: return s_bits(f32_from_bits(a) + f32_from_bits(b));
    default: break;
    }
    dsd_context x = {.scalar = v->scalar, .carry = v->carry, .fp16 = wse_program(r->m, r->pe)->fp16};
    uint32_t value = dsd_element(v->op, a, b, &x);
    v->carry = x.carry;
    return value;
}

/* It waits no more. */
static inline void stream_waited(core *c, core_vop *v, uint32_t thread, uint64_t until) {
    if (v->wait && thread == 0)
        c->n[v->wait == CORE_WAIT_OUTPUT ? CORE_N_output_wait_cycles : CORE_N_input_wait_cycles] +=
            until - v->wait_since;
    v->wait = CORE_WAIT_NONE;
}

static inline void stream_moved(run *r, core_vop *v, uint32_t thread, uint32_t cycles) {
    core *c = r->c;
    stream_waited(c, v, thread, r->t);
    v->step_cycles = v->cycles;
    c->datapath_free = r->t + cycles;
    c->last_thread = (uint8_t)thread;
    core_busy(c, r->t, c->datapath_free);
}

/* Two operations, the usual case of threads_order: the one after the last, unless the other has a higher rank. */
static inline uint32_t stream_order_two(const core *c, const core_vop *pool, uint32_t all,
                                        uint8_t order[CORE_THREADS]) {
    uint32_t upper = all & ~((2u << c->last_thread) - 1);
    uint32_t first = (uint32_t)__builtin_ctz(upper ? upper : all),
             second = (uint32_t)__builtin_ctz(all & ~(1u << first));
    bool swap = pool[first].rank < pool[second].rank;
    order[0] = (uint8_t)(swap ? second : first);
    order[1] = (uint8_t)(swap ? first : second);
    return 2;
}

#endif
