/* The far road of a core whose queues are ends of pipes (pipe.h) that nothing else can surprise: operations in progress
 * run for as many cycles as it is known what arrives and when there is room; where nothing can move, time jumps.
 *
 * Who moves in a cycle, and what a waiting operation notes, is as in core_stream.c, cycle for cycle. An input that is
 * on its way in the pipe is taken from there without passing through the queue, when that is empty. The road ends where
 * something out of the ordinary comes (STOP), or where it depends on others who have not come so far: then it is tried
 * again at that time, unless it is known before. */
#include "wse/core_far.h"

static source source_of(const run *r, const core_vop *v, const core_operand *o) {
    bool memory = o->kind == ISA_MEM1D;
    return (source){memory ? word_at(r, o, v->position) : NULL, memory ? o->stride * o->words : 0, o->words, o->value};
}

bool far_operation(road *w, core_vop *v, uint32_t thread) {
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

static bool are_two(const road *w) {
    const operation *a = &w->op[0], *b = &w->op[1];
    uint64_t t = w->r->t;
    return w->count == 2 && a->reads != a->sends && b->reads != b->sends && a->reads != b->reads && a->v->ready <= t &&
           b->v->ready <= t && !a->v->stream.pairs && !b->v->stream.pairs;
}

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
        if (!far_operation(&w, &pool[k], k)) return STREAM_OTHER;
    }
    if (r->in && r->m->pipes->all[r->in->pipe].single) {
        w.source = &r->m->pipes->all[r->in->pipe];
        r->in->queue->count = 0; /* all of it is in the ring */
    }
    stream_result ok = w.count ? STREAM_MOVED : STREAM_OTHER;
    while (ok == STREAM_MOVED && r->t <= last) {
        if (r->t == r->c->datapath_free) r->done = r->t;
        const core_vop *v = w.op[0].v;
        bool single = w.count == 1 && v->ready <= r->t && !v->stream.pairs && (w.op[0].reads || w.op[0].sends);
        ok = single ? far_alone(&w) : are_two(&w) ? far_two(&w) : STREAM_OTHER;
        if (ok == STREAM_OTHER) ok = go(&w, pool);
    }
    return ok;
}
