/* Two operations on the far road, of which one reads from a pipe and the other sends into one: cycle by cycle one of
 * them moves, as go() in core_far.c has it. */
#include "wse/pipe_line.h"

typedef struct {
    operation o;
    uint64_t at, bound; /* when it may move; if that is unknown, not before this */
    uint32_t mask;
} side;

INLINE side side_of(const operation *o) {
    bool in16 = o->reads && (o->first ? o->v->s0.words : o->v->s1.words) == 1;
    return (side){.o = *o, .mask = in16 ? 0xffff : UINT32_MAX};
}

INLINE void find_arrival(run *r, line *in, side *s) {
    uint64_t t = line_next(r, in);
    s->at = t == PIPE_UNKNOWN ? t : t + in->c->ramp;
    if (t != PIPE_UNKNOWN || s->bound) return;
    line_done(in);
    s->bound = later(pipe_arrival_bound(r->m, in->c, r->now), r->now + 1);
}

INLINE void find_room(run *r, const line *out, side *s) {
    uint32_t before = out->pushed - out->p->slots;
    s->at = before == out->entered ? PIPE_UNKNOWN : line_ring(out, before)->enter;
    if (s->at == PIPE_UNKNOWN && !s->bound) s->bound = later(pipe_room_bound(r->m, out->p, r->now), r->now + 1);
}

INLINE void side_waits(const side *s, uint64_t t) {
    core_vop *v = s->o.v;
    if (s->o.reads) note(v, CORE_WAIT_INPUT, s->o.first ? v->s0.port : v->s1.port, t);
    else note(v, CORE_WAIT_OUTPUT, v->d.queue, t);
}

INLINE void side_moves(run *r, line *in, line *out, side *s, uint64_t t) {
    operation *o = &s->o;
    core_vop *v = o->v;
    if (o->reads) {
        pipe_wavelet *w = line_ring(in, in->taken++);
        uint32_t data = w->data & s->mask;
        w->took = t;
        store(o, value_of(r, o, data, ANY_OP, true), false);
    } else {
        uint32_t value = value_of(r, o, 0, ANY_OP, false);
        line_push(r, out, v->d.words == 1 ? (value & 0xffff) | v->index : value, t + r->m->cores->out_cycles);
    }
    o->left--;
    stream_waited(r->c, v, o->thread, t);
}

INLINE void side_done(const side *s, operation *o) {
    uint32_t moved = o->left - s->o.left;
    o->v->position += moved;
    if (moved) o->v->step_cycles = o->v->cycles;
    *o = s->o;
}

/* Neither can move before the end of the window, or it is not known which one will. */
static void both_wait(run *r, const side *reader, const side *sender) {
    r->soonest = reader->at < sender->at ? reader->at : sender->at;
    if (reader->at == PIPE_UNKNOWN) r->in->queue->want = 1;
    if (sender->at == PIPE_UNKNOWN) r->out->want = true;
}

stream_result far_two(road *w) {
    run *r = w->r;
    core *c = r->c;
    if (!far_from_end(r, w->source) || !far_from_end(r, r->out)) return STREAM_OTHER;
    const uint64_t last = w->last;
    line in = line_of(w->source), out = line_of(r->out);
    side low = side_of(&w->op[0]), high = side_of(&w->op[1]);
    side *reader = low.o.reads ? &low : &high, *sender = low.o.reads ? &high : &low;
    uint64_t t = r->t, busy = 0, busy_until = c->busy_until;
    bool above = c->last_thread >= low.o.thread && c->last_thread < high.o.thread;
    int rank = (int)low.o.v->rank - (int)high.o.v->rank;
    stream_result ok = STREAM_MOVED;
    find_arrival(r, &in, reader);
    find_room(r, &out, sender);
    while (t <= last) {
        if (t == c->datapath_free) r->done = t;
        bool high_first = rank ? rank < 0 : above;
        side *first = high_first ? &high : &low, *other = high_first ? &low : &high, *it = first;
        ok = STREAM_STOP;
        if (!first->o.left) break;
        if (first->at > t) {
            side_waits(first, t);
            if (!other->o.left) break;
            it = other;
            if (other->at > t) {
                side_waits(other, t);
                uint64_t soonest = first->at < other->at ? first->at : other->at;
                bool doubt = (first->at == PIPE_UNKNOWN && first->bound < soonest) ||
                             (other->at == PIPE_UNKNOWN && other->bound < soonest);
                ok = STREAM_WAIT;
                if (soonest > last || doubt) break;
                ok = STREAM_MOVED;
                t = soonest;
                continue;
            }
            if (first->at == PIPE_UNKNOWN && t >= first->bound) break;
        }
        ok = STREAM_MOVED;
        side_moves(r, &in, &out, it, t);
        if (it->o.reads) find_arrival(r, &in, it);
        else find_room(r, &out, it);
        above = it == &low;
        r->done = t;
        uint64_t end = t + it->o.v->cycles;
        if (end > busy_until) busy += end - later(t, busy_until), busy_until = end;
        c->datapath_free = t = end;
        c->last_thread = it->o.thread;
    }
    if (in.taken != in.c->taken) r->took = true;
    line_done(&in);
    line_done(&out);
    side_done(&low, &w->op[0]);
    side_done(&high, &w->op[1]);
    c->n[CORE_N_busy_cycles] += busy;
    c->busy_until = busy_until;
    r->t = t;
    r->soonest = UINT64_MAX;
    if (ok == STREAM_WAIT) both_wait(r, reader, sender);
    return ok;
}
