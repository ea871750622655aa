/* One operation alone on the far road. */
#include "wse/pipe_line.h"

/* How far an operation alone has come. */
typedef struct {
    uint64_t t, before;        /* the next element may move; the last one did */
    uint64_t busy, busy_until; /* cycles of the datapath, and where they end */
    uint32_t left;
} progress;

INLINE void went(progress *p, uint64_t at, uint32_t cycles) {
    p->before = at;
    p->t = at + cycles;
    p->left--;
    if (p->t <= p->busy_until) return;
    p->busy += p->t - later(at, p->busy_until);
    p->busy_until = p->t;
}

/* Elements that move at times that are known. */
INLINE void known(road *w, operation *o, progress *p, op_class class, bool reads, bool sends) {
    run *r = w->r;
    core_vop *v = o->v;
    if (p->busy_until > p->t || (reads && !far_from_end(r, w->source)) || (sends && !far_from_end(r, r->out))) return;
    const uint64_t last = w->last, begin = v->wait ? v->wait_since : p->t;
    const uint32_t mask = wide(class) || (o->first ? v->s0.words : v->s1.words) == 2 ? UINT32_MAX : 0xffff,
                   keep = wide(class) || v->d.words == 2 ? UINT32_MAX : 0xffff,
                   add = wide(class) || v->d.words == 2 ? 0 : v->index, cycles = v->cycles,
                   out_cycles = r->m->cores->out_cycles, ramp = reads ? r->in->ramp : 0,
                   out_slots = sends ? r->out->slots : 0;
    line in = reads ? line_of(w->source) : (line){0}, out = sends ? line_of(r->out) : (line){0};
    operation e = *o;
    uint32_t left = p->left;
    uint64_t t = p->t, since = begin, waits_out = 0;
    bool output = v->wait == CORE_WAIT_OUTPUT;
    for (; left; left--) {
        uint64_t at = t;
        if (reads) {
            uint64_t arrive = line_next(r, &in);
            if (arrive == PIPE_UNKNOWN) break;
            if (arrive + ramp > t) at = arrive + ramp, output = false;
        }
        if (sends) {
            uint32_t before = out.pushed - out_slots;
            if (before == out.entered) break;
            uint64_t room = line_ring(&out, before)->enter;
            if (room > at) at = room, output = true;
        }
        if (at > last) break;
        if (output) waits_out += at - since, output = false;
        uint32_t data = reads ? line_ring(&in, in.taken)->data & mask : 0;
        if (reads) line_ring(&in, in.taken++)->took = at;
        uint32_t value = value_of(r, &e, data, class, reads);
        if (sends) line_push(r, &out, (value & keep) | add, at + out_cycles);
        else store(&e, value, wide(class));
        since = t = at + cycles;
    }
    uint32_t moved = p->left - left;
    if (reads) line_done(&in), r->took |= moved != 0;
    if (sends) line_done(&out);
    if (!moved) return;
    *o = e;
    v->wait = CORE_WAIT_NONE;
    p->t = p->busy_until = t;
    p->before = t - cycles;
    p->busy += (uint64_t)moved * cycles;
    p->left = left;
    if (o->thread) return;
    r->c->n[CORE_N_output_wait_cycles] += waits_out;
    r->c->n[CORE_N_input_wait_cycles] += t - begin - (uint64_t)moved * cycles - waits_out;
}

/* What comes next is taken as soon as it is there. Only of use where several cores get copies: a sender to one core
 * alone goes on as far as buffers reach, and these fill in step. */
INLINE void promise(road *w, const core_vop *v, const progress *p) {
    pipe_copy *c = w->r->in;
    bool near_end = w->r->m->pipes->limit - w->r->now < 2 * PIPE_AHEAD_CYCLES; /* a visit in vain would not be quiet */
    if (w->source || !v->stream.inside || p->busy_until > p->t || p->t >= w->last || near_end) return;
    c->settled = c->taken;
    c->promised = c->taken + p->left;
    c->every = v->cycles;
    c->next_take = p->t;
    c->last_take = w->last;
}

/* As go() and move(), over and over. What is constant in a call is told apart when compiled. */
INLINE stream_result alone_as(road *w, operation *o, op_class class, bool reads, bool sends) {
    run *r = w->r;
    core *c = r->c;
    core_vop *v = o->v;
    const uint8_t port = o->first ? v->s0.port : v->s1.port;
    const uint32_t mask = (o->first ? v->s0.words : v->s1.words) == 2 ? UINT32_MAX : 0xffff,
                   out = r->m->cores->out_cycles;
    const uint64_t last = w->last;
    const uint32_t left = o->left;
    progress p = {.t = r->t, .before = r->t, .busy_until = c->busy_until, .left = o->left};
    stream_result ok = STREAM_MOVED;
    for (;;) {
        known(w, o, &p, class, reads, sends);
        if (p.t > last) break;
        uint64_t at = p.t, room = 0;
        if (!p.left) {
            ok = STREAM_STOP;
            break;
        }
        if (reads) {
            at = input_at(w);
            if (at > p.t) note(v, CORE_WAIT_INPUT, port, p.t);
            else at = p.t;
            if (at > last) {
                if (at == PIPE_UNKNOWN) r->in->queue->want = 1;
                if (at == PIPE_UNKNOWN && !sends) promise(w, v, &p);
                r->soonest = at;
                ok = STREAM_WAIT;
                break;
            }
        }
        if (sends && (room = pipe_room_at(r->out, 0)) > at) {
            note(v, CORE_WAIT_OUTPUT, v->d.queue, at);
            if (room > last) {
                if (room == PIPE_UNKNOWN) r->out->want = true;
                r->soonest = room;
                ok = STREAM_WAIT;
                p.t = at;
                break;
            }
            at = room;
        }
        uint32_t value = value_of(r, o, reads ? take(w, at) & mask : 0, class, reads);
        if (sends) pipe_push(r->m, r->out, v->d.words == 1 ? (value & 0xffff) | v->index : value, at + out);
        else store(o, value, wide(class));
        stream_waited(c, v, o->thread, at);
        went(&p, at, v->cycles);
    }
    uint32_t moved = left - p.left;
    r->t = p.t;
    if (!moved) return ok;
    v->position += moved;
    v->step_cycles = v->cycles;
    c->datapath_free = p.before + v->cycles;
    c->last_thread = o->thread;
    c->n[CORE_N_busy_cycles] += p.busy;
    c->busy_until = p.busy_until;
    r->done = c->datapath_free <= last ? c->datapath_free : p.before;
    return ok;
}

#define ALONE(name, class)                                                                                             \
    static stream_result alone_##name(road *w, operation *o) {                                                         \
        if (!o->sends) return alone_as(w, o, class, true, false);                                                      \
        return o->reads ? alone_as(w, o, class, true, true) : alone_as(w, o, class, false, true);                      \
    }
ALONE(any, ANY_OP)
ALONE(moves, MOVES)
ALONE(moves32, MOVES32)
ALONE(adds, ADDS)

/* An operation that has begun and is the only one. */
stream_result far_alone(road *w) {
    operation *o = &w->op[0];
    switch (o->v->op) {
    case ISA_D_MOV16:
    case ISA_D_FMOVH: return alone_moves(w, o);
    case ISA_D_MOV32:
    case ISA_D_FMOVS: return alone_moves32(w, o);
    case ISA_D_FADDS: return alone_adds(w, o);
    default: return alone_any(w, o);
    }
}

/* ---- what was promised ---- */

#define SETTLE(name, class)                                                                                            \
    static void settle_##name(const run *r, operation *o, const pipe *p, uint32_t i, uint32_t end, uint32_t mask) {    \
        for (; i != end; i++) store(o, value_of(r, o, pipe_ring(p, i)->data &mask, class, true), wide(class));         \
    }
SETTLE(any, ANY_OP)
SETTLE(moves32, MOVES32)
SETTLE(adds, ADDS)

static void settle(run *r, pipe_copy *in) {
    core *c = r->c;
    uint32_t n = in->taken - in->settled, thread = (uint32_t)__builtin_ctz(threads_running(c));
    core_vop *v = &r->m->cores->vops[c->vops + thread];
    road w = {.r = r, .last = r->now + n};
    far_operation(&w, v, thread);
    operation *o = &w.op[0];
    const pipe *p = &r->m->pipes->all[in->pipe];
    const uint32_t mask = (o->first ? v->s0.words : v->s1.words) == 2 ? UINT32_MAX : 0xffff;
    if (v->op == ISA_D_FADDS) settle_adds(r, o, p, in->settled, in->taken, mask);
    else if (v->op == ISA_D_MOV32 || v->op == ISA_D_FMOVS) settle_moves32(r, o, p, in->settled, in->taken, mask);
    else settle_any(r, o, p, in->settled, in->taken, mask);
    v->position += n;
    v->step_cycles = v->cycles;
    if (!thread) c->n[CORE_N_input_wait_cycles] += in->next_take - v->wait_since - (uint64_t)n * in->every;
    v->wait = CORE_WAIT_NONE;
    c->datapath_free = c->busy_until = in->next_take;
    c->n[CORE_N_busy_cycles] += (uint64_t)n * in->every;
    c->last_thread = (uint8_t)thread;
    clock_happened(r->m, r->pe, in->next_take <= r->now ? in->next_take : in->next_take - in->every);
}

bool core_settle(wse *m, uint32_t pe, uint64_t now) {
    pipe_copy *in = m->pipes ? pipe_to(m, pe) : NULL;
    if (!in || in->promised == in->settled) return true;
    const core *c = &m->cores->pe[pe];
    bool wanted = in->given != in->taken || c->launch_pending || (c->active >> ISA_TASK_TEARDOWN & 1);
    if (!wanted && now < in->last_take) return false;
    run r = {.m = m, .c = &m->cores->pe[pe], .memory = wse_words(m, pe), .queues = m->cores->queues, .pe = pe};
    r.now = now;
    if (in->taken != in->settled) settle(&r, in);
    in->promised = in->settled = in->taken;
    return true;
}
