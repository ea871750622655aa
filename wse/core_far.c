/* The far road of a core whose queues are ends of pipes (pipe.h) that nothing else can surprise: operations in progress
 * run for as many cycles as it is known what arrives and when there is room; where nothing can move, time jumps.
 *
 * Who moves in a cycle, and what a waiting operation notes, is as in core_stream.c, cycle for cycle. An input that is
 * on its way in the pipe is taken from there without passing through the queue, when that is empty. The road ends where
 * something out of the ordinary comes (STOP), or where it depends on others who have not come so far: then it is tried
 * again at that time, unless it is known before. */
#include "wse/core_stream.h"

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

static source source_of(const run *r, const core_vop *v, const core_operand *o) {
    bool memory = o->kind == ISA_MEM1D;
    return (source){memory ? word_at(r, o, v->position) : NULL, memory ? o->stride * o->words : 0, o->words, o->value};
}

static bool operation_of(road *w, core_vop *v, uint32_t thread) {
    run *r = w->r;
    uint32_t left = v->length - v->position - 1, most = (uint32_t)(w->last - r->now + 1) * (v->stream.pairs ? 2 : 1);
    if (v->stream.pairs && (v->position & 1)) return false;
    uint32_t n = left < most ? left : most;
    if (n && !v->stream.inside &&
        (!both_ends_inside(r, v, &v->s0, n) || !both_ends_inside(r, v, &v->s1, n) || !both_ends_inside(r, v, &v->d, n)))
        return false;
    bool first = v->stream.s0 != FABRIC_NO_QUEUE;
    w->op[w->count++] = (operation){.v = v,
                                    .a = source_of(r, v, first ? &v->s1 : &v->s0),
                                    .b = source_of(r, v, &v->s1),
                                    .to = v->d.kind == ISA_MEM1D ? word_at(r, &v->d, v->position) : NULL,
                                    .to_step = v->d.stride * v->d.words,
                                    .left = left,
                                    .thread = (uint8_t)thread,
                                    .reads = first || v->stream.s1 != FABRIC_NO_QUEUE,
                                    .sends = v->stream.d != FABRIC_NO_QUEUE,
                                    .first = first};
    return true;
}

/* ---- when? ---- */

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

static inline uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* An operation that is not known to be able to move at r->t is asked to note that it waits. *bound: not before this. */
static uint64_t waits(road *w, const operation *o, uint64_t in, uint64_t out, uint64_t *bound) {
    run *r = w->r;
    bool input = in > r->t;
    wait_for(r, o->v, input ? CORE_WAIT_INPUT : CORE_WAIT_OUTPUT,
             !input     ? o->v->d.queue
             : o->first ? o->v->s0.port
                        : o->v->s1.port);
    if (in == PIPE_UNKNOWN) {
        r->in->queue->want = 1;
        *bound = w->count == 1 ? 0 : pipe_arrival_bound(r->m, r->in, r->now);
        return PIPE_UNKNOWN;
    }
    if (out != PIPE_UNKNOWN) return later(in, out);
    r->out->want = true;
    *bound = later(in, w->count == 1 ? 0 : pipe_room_bound(r->m, r->out, r->now));
    return input ? in : PIPE_UNKNOWN; /* then it waits for room */
}

/* ---- a move ---- */

static inline uint32_t take(road *w, uint64_t at) {
    run *r = w->r;
    pipe_copy *c = r->in;
    const wse_queue *q = c->queue;
    uint32_t data = w->source ? pipe_ring(w->source, c->taken)->data : q->e[q->head].data;
    pipe_taken(r->m, c, at);
    r->took = true;
    return data;
}

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t next_of(source *s, bool wide) {
    if (!s->from) return s->value;
    uint32_t value = load(s->from, wide ? 2 : s->words);
    s->from += s->step;
    return value;
}

static inline uint32_t element(run *r, operation *o, uint32_t data) {
    uint32_t a = next_of(&o->a, false), b = o->reads ? data : next_of(&o->b, false);
    uint32_t value = o->first ? compute(r, o->v, b, a) : compute(r, o->v, a, b);
    o->v->position++;
    o->left--;
    if (!o->to) return value;
    o->to[0] = (uint16_t)value;
    if (o->v->d.words == 2) o->to[1] = (uint16_t)(value >> 16);
    o->to += o->to_step;
    return value;
}

static inline void move(road *w, operation *o) {
    run *r = w->r;
    core_vop *v = o->v;
    uint32_t data = o->reads ? take(w, r->t) : 0, words = o->first ? v->s0.words : v->s1.words;
    uint32_t value = element(r, o, words == 2 ? data : data & 0xffff);
    if (v->stream.pairs) {
        uint32_t first = value & 0xffff;
        value = first | element(r, o, data >> 16) << 16;
        if (o->sends) v->held = first;
    } else if (v->d.words == 1) {
        value = (value & 0xffff) | v->index;
    }
    if (o->sends) pipe_push(r->m, r->out, value, r->t + r->m->cores->out_cycles);
    stream_moved(r, v, o->thread, v->cycles);
    r->done = r->t;
    r->t = r->c->datapath_free;
}

/* ---- one operation alone ---- */

/* Notes that the operation waits, from `at` on unless it does so already. */
static inline void note(core_vop *v, core_wait what, uint8_t on, uint64_t at) {
    if (!v->wait) v->wait_since = at;
    v->wait = (uint8_t)what;
    v->wait_on = on;
}

typedef enum { ANY_OP, MOVES, MOVES32, ADDS } op_class;
INLINE bool wide(op_class class) { return class == MOVES32 || class == ADDS; } /* all operands have 32 bits */

INLINE uint32_t compute_as(const run *r, core_vop *v, uint32_t a, uint32_t b, op_class class) {
    if (class == MOVES || class == MOVES32) return b;
    if (class == ADDS) return s_bits(f32_from_bits(a) + f32_from_bits(b));
    return compute(r, v, a, b);
}

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

/* ---- most elements of one operation alone ---- */

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

/* Elements that move at times that are known. */
INLINE void known(road *w, operation *o, progress *p, op_class class, bool reads, bool sends) {
    run *r = w->r;
    core_vop *v = o->v;
    if (p->busy_until > p->t || (reads && !far_from_end(r, w->source)) || (sends && !far_from_end(r, r->out))) return;
    const uint64_t last = w->last, begin = v->wait ? v->wait_since : p->t;
    const uint32_t mask = wide(class) || (o->first ? v->s0.words : v->s1.words) == 2 ? UINT32_MAX : 0xffff,
                   keep = wide(class) || v->d.words == 2 ? UINT32_MAX : 0xffff,
                   add = wide(class) || v->d.words == 2 ? 0 : v->index,
                   cycles = v->cycles, out_cycles = r->m->cores->out_cycles, ramp = reads ? r->in->ramp : 0,
                   out_slots = sends ? r->out->slots : 0;
    line in = reads ? line_of(w->source) : (line){0}, out = sends ? line_of(r->out) : (line){0};
    operation e = *o;
    uint32_t left = p->left;
    uint64_t t = p->t, at = t, since = begin, waits_out = 0;
    bool output = v->wait == CORE_WAIT_OUTPUT;
    for (; left; left--) {
        at = t;
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
        if (v->wait && !o->thread)
            c->n[v->wait == CORE_WAIT_OUTPUT ? CORE_N_output_wait_cycles : CORE_N_input_wait_cycles] +=
                at - v->wait_since;
        v->wait = CORE_WAIT_NONE;
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
static stream_result alone(road *w) {
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

/* ---- two operations, of which one reads and the other sends ---- */

typedef struct {
    operation *o;
    uint64_t at, bound; /* when it may move; if that is unknown, not before this */
} turn;

INLINE void find_turn(road *w, turn *a) {
    run *r = w->r;
    a->at = a->o->reads ? input_at(w) : pipe_room_at(r->out, 0);
    if (a->at != PIPE_UNKNOWN || a->bound) return;
    a->bound = a->o->reads ? pipe_arrival_bound(r->m, r->in, r->now) : pipe_room_bound(r->m, r->out, r->now);
    if (a->bound <= r->now) a->bound = r->now + 1;
}

INLINE void note_turn(const turn *a, uint64_t t) {
    const operation *o = a->o;
    if (o->reads) note(o->v, CORE_WAIT_INPUT, o->first ? o->v->s0.port : o->v->s1.port, t);
    else note(o->v, CORE_WAIT_OUTPUT, o->v->d.queue, t);
}

/* Whose turn is it first? */
INLINE turn *first_turn(const core *c, turn *low, turn *high) {
    bool above = c->last_thread >= low->o->thread && c->last_thread < high->o->thread;
    turn *first = above ? high : low, *second = above ? low : high;
    return first->o->v->rank < second->o->v->rank ? second : first;
}

static stream_result nobody(road *w, const turn *a, const turn *b) {
    run *r = w->r;
    for (int k = 0; k < 2; k++, a = b) {
        if (a->at < r->soonest) r->soonest = a->at;
        if (a->at != PIPE_UNKNOWN) continue;
        if (a->o->reads) r->in->queue->want = 1;
        else r->out->want = true;
    }
    return STREAM_WAIT;
}

/* ---- the same where pipes are lines ---- */

/* One of the two while both are under way. */
typedef struct {
    operation o;
    uint64_t at, bound; /* as in a turn */
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
    const turn a = {.o = (operation *)(uintptr_t)&s->o};
    note_turn(&a, t);
}

INLINE void side_moves(run *r, line *in, line *out, side *s, uint64_t t) {
    operation *o = &s->o;
    core_vop *v = o->v;
    core *c = r->c;
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
    if (v->wait && !o->thread)
        c->n[v->wait == CORE_WAIT_OUTPUT ? CORE_N_output_wait_cycles : CORE_N_input_wait_cycles] += t - v->wait_since;
    v->wait = CORE_WAIT_NONE;
}

INLINE void side_done(const side *s, operation *o) {
    uint32_t moved = o->left - s->o.left;
    o->v->position += moved;
    if (moved) o->v->step_cycles = o->v->cycles;
    *o = s->o;
}

/* As two(). OTHER: not possible, nothing was done. */
static stream_result two_lines(road *w) {
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
    if (ok != STREAM_WAIT) return ok;
    turn a = {.o = &w->op[0], .at = low.at}, b = {.o = &w->op[1], .at = high.at};
    return nobody(w, &a, &b);
}

/* As go(), over and over. */
static stream_result two(road *w) {
    run *r = w->r;
    core *c = r->c;
    stream_result lines = two_lines(w);
    if (lines != STREAM_OTHER) return lines;
    turn low = {.o = &w->op[0]}, high = {.o = &w->op[1]};
    find_turn(w, &low);
    find_turn(w, &high);
    r->soonest = UINT64_MAX;
    while (r->t <= w->last) {
        if (r->t == c->datapath_free) r->done = r->t;
        turn *first = first_turn(c, &low, &high), *other = first == &low ? &high : &low, *it = first;
        if (!first->o->left) return STREAM_STOP;
        if (first->at > r->t) {
            note_turn(first, r->t);
            if (!other->o->left) return STREAM_STOP;
            it = other;
            if (other->at > r->t) {
                note_turn(other, r->t);
                uint64_t soonest = first->at < other->at ? first->at : other->at;
                bool doubt = (first->at == PIPE_UNKNOWN && first->bound < soonest) ||
                             (other->at == PIPE_UNKNOWN && other->bound < soonest);
                if (soonest > w->last || doubt) return nobody(w, first, other);
                r->t = soonest;
                continue;
            }
            if (first->at == PIPE_UNKNOWN && r->t >= first->bound) return STREAM_STOP;
        }
        move(w, it->o);
        find_turn(w, it);
    }
    return STREAM_MOVED;
}

static bool are_two(const road *w) {
    const operation *a = &w->op[0], *b = &w->op[1];
    uint64_t t = w->r->t;
    return w->count == 2 && a->reads != a->sends && b->reads != b->sends && a->reads != b->reads && a->v->ready <= t &&
           b->v->ready <= t && !a->v->stream.pairs && !b->v->stream.pairs;
}

/* ---- the road ---- */

/* The places in w->op of those that have begun, in the order in which they may move; *next: when another begins. */
static inline uint32_t in_order(const road *w, const core_vop *pool, uint8_t *order, uint64_t *next) {
    uint8_t threads[CORE_THREADS], place[CORE_THREADS];
    const core *c = w->r->c;
    if (w->count == 1) {
        if (w->op[0].v->ready > w->r->t) *next = w->op[0].v->ready;
        order[0] = 0;
        return w->op[0].v->ready <= w->r->t;
    }
    for (uint32_t i = 0; i < w->count; i++) place[w->op[i].thread] = (uint8_t)i;
    uint32_t n;
    if (w->count == 2 && w->op[0].v->ready <= w->r->t && w->op[1].v->ready <= w->r->t)
        n = stream_order_two(c, pool, threads_running(c), threads);
    else n = threads_order(c, pool, w->r->t, threads, next);
    for (uint32_t i = 0; i < n; i++) order[i] = place[threads[i]];
    return n;
}

/* One cycle: somebody moves, or r->soonest says when somebody can. */
static inline stream_result go(road *w, const core_vop *pool) {
    run *r = w->r;
    uint8_t order[CORE_THREADS];
    uint64_t unknown = PIPE_UNKNOWN;
    r->soonest = UINT64_MAX;
    uint32_t n = in_order(w, pool, order, &r->soonest);
    for (uint32_t i = 0; i < n; i++) {
        operation *o = &w->op[order[i]];
        if (o->left < (o->v->stream.pairs ? 2u : 1u)) return STREAM_STOP;
        uint64_t in = o->reads ? input_at(w) : 0, out = o->sends ? pipe_room_at(r->out, 0) : 0, bound = PIPE_UNKNOWN;
        if (in <= r->t && out <= r->t) {
            if (r->t > r->now && unknown <= r->t) return STREAM_STOP;
            move(w, o);
            return STREAM_MOVED;
        }
        if (in <= r->t && o->v->stream.pairs) return STREAM_STOP; /* the first of a pair needs no room */
        uint64_t at = waits(w, o, in, out, &bound);
        if (at < r->soonest) r->soonest = at;
        if (bound < unknown) unknown = bound;
    }
    if (r->soonest > w->last || (unknown != PIPE_UNKNOWN && unknown < r->soonest)) return STREAM_WAIT;
    r->t = r->soonest;
    return STREAM_MOVED;
}

stream_result stream_far(run *r, core_vop *pool, uint64_t last) {
    road w;
    w.r = r, w.source = NULL, w.last = last, w.count = 0;
    for (uint32_t set = threads_running(r->c); set; set &= set - 1) {
        uint32_t k = (uint32_t)__builtin_ctz(set);
        if (!operation_of(&w, &pool[k], k)) return STREAM_OTHER;
    }
    if (r->in && r->m->pipes->all[r->in->pipe].single) {
        w.source = &r->m->pipes->all[r->in->pipe];
        r->in->queue->count = 0; /* all of it is in the ring */
    }
    stream_result ok = STREAM_MOVED;
    while (ok == STREAM_MOVED && r->t <= last) {
        if (r->t == r->c->datapath_free) r->done = r->t;
        const core_vop *v = w.op[0].v;
        bool single = w.count == 1 && v->ready <= r->t && !v->stream.pairs && (w.op[0].reads || w.op[0].sends);
        ok = single ? alone(&w) : are_two(&w) ? two(&w) : go(&w, pool);
    }
    return ok;
}
