/* The short road of a core whose operations in progress are all plain streams (dsd_plain.c) between queues that nobody
 * binds again: a step carries them on for several cycles at once.
 *
 * Why that changes nothing. What a core finds in its input queues at `now` is all it can read through now +
 * ramp_cycles: what arrives later still takes the ramp. Room in an output queue only grows. What it takes before the
 * clock is there is not missed by the router, as long as the queue could not have been full meanwhile; what it puts
 * there carries its time. Nobody else looks at a core, unless the run ends (clock_window) or the host or a teardown
 * wants something, for which the general road is taken. So is everything out of the ordinary, at its own cycle and not
 * before: the last element of an operation, control wavelets, addresses outside the memory, tasks that may run.
 */
#include "wse/core_stream.h"

static bool ring_of_source(const wse *m, uint32_t pe, const core_operand *o, uint32_t *place, uint16_t *slots) {
    *place = FABRIC_NO_QUEUE;
    if (o->kind != ISA_FABIN) return true;
    *place = fabric_in_ring(m, pe, o->port, slots);
    return *place != FABRIC_NO_QUEUE;
}

void stream_prepare(const wse *m, uint32_t pe, core_vop *v) {
    core_stream *s = &v->stream;
    *s = (core_stream){.d = FABRIC_NO_QUEUE, .color = v->d.color};
    s->pairs = !v->plain && plain_pairs(m, pe, v);
    if (!v->plain && !s->pairs) return;
    if (!ring_of_source(m, pe, &v->s0, &s->s0, &s->s0_slots) || !ring_of_source(m, pe, &v->s1, &s->s1, &s->s1_slots))
        return;
    if (v->d.kind == ISA_FABOUT) s->d = fabric_out_ring(m, pe, v->d.queue, &s->color, &s->d_slots);
    const core_operand *all[] = {&v->d, &v->s0, &v->s1};
    s->inside = v->length != UINT32_MAX;
    for (int k = 0; k < 3; k++)
        if (all[k]->kind == ISA_MEM1D)
            s->inside = s->inside && operand_inside(wse_program(m, pe), all[k], 0, v->length);
    s->fits = v->d.kind == ISA_MEM1D || s->d != FABRIC_NO_QUEUE;
}

/* The wavelet at the head of an input queue. Looks without taking. */
static inline stream_result look(run *r, core_vop *v, uint8_t port, uint32_t place, uint32_t slots, uint32_t *data) {
    wse_queue *q = queue_at(r, place);
    bool piped = r->in && q == r->in->queue;
    if (!q->count && piped) {
        stream_tell(r);
        pipe_fill(r->m, r->in);
    }
    if (!q->count) {
        q->want = 1;
        return wait_for(r, v, CORE_WAIT_INPUT, port);
    }
    const wse_wavelet *w = &q->e[q->head];
    uint32_t wait = wavelet_wait(w, r->t);
    if (wait) {
        if (r->t + wait < r->soonest) r->soonest = r->t + wait;
        return wait_for(r, v, CORE_WAIT_INPUT, port);
    }
    /* Would the router have found it full since `now`? Then it must not be emptied before its time. */
    if (w->control || (!piped && r->t > r->now && q->count + (uint32_t)(r->t - 1 - r->now) >= slots))
        return STREAM_STOP;
    *data = w->data;
    return STREAM_MOVED;
}

/* Room in the queue that a pipe begins with. */
static inline stream_result room(run *r, core_vop *v, uint32_t n) {
    uint64_t at = pipe_room_at(r->out, 0);
    if (at <= r->t) return STREAM_MOVED;
    if (r->t > r->now || n > 1) return STREAM_STOP;
    if (at != PIPE_UNKNOWN) r->soonest = at < r->soonest ? at : r->soonest;
    else r->out->want = true;
    return wait_for(r, v, CORE_WAIT_OUTPUT, v->d.queue);
}

/* Can the operands give and take? The data of inputs come back; nothing has changed. `n` elements from memory. */
static inline stream_result ready(run *r, core_vop *v, uint32_t n, uint32_t data[2]) {
    const core_stream *s = &v->stream;
    stream_result ok = STREAM_MOVED;
    if (s->s0 != FABRIC_NO_QUEUE) ok = look(r, v, v->s0.port, s->s0, s->s0_slots, &data[0]);
    if (ok == STREAM_MOVED && v->s0.kind == ISA_MEM1D && !word_at(r, &v->s0, v->position + n - 1)) return STREAM_STOP;
    if (ok == STREAM_MOVED && s->s1 != FABRIC_NO_QUEUE) ok = look(r, v, v->s1.port, s->s1, s->s1_slots, &data[1]);
    if (ok != STREAM_MOVED) return ok;
    if (v->s1.kind == ISA_MEM1D && !word_at(r, &v->s1, v->position + n - 1)) return STREAM_STOP;
    if (s->d == FABRIC_NO_QUEUE) return word_at(r, &v->d, v->position + n - 1) ? STREAM_MOVED : STREAM_STOP;
    if (r->out) return room(r, v, n);
    if (queue_at(r, s->d)->count < s->d_slots) return STREAM_MOVED;
    if (r->t > r->now || n > 1) return STREAM_STOP; /* the first of a pair needs no room */
    fabric_out_full(r->m, r->pe, v->d.queue);
    return wait_for(r, v, CORE_WAIT_OUTPUT, v->d.queue);
}

static inline void take(run *r, uint32_t place, uint32_t slots, uint32_t port) {
    wse_queue *q = queue_at(r, place);
    if (r->in && q == r->in->queue) {
        pipe_taken(r->m, r->in, r->t);
        r->took = true;
        return;
    }
    q->head = (uint16_t)(q->head + 1u == slots ? 0 : q->head + 1);
    if (q->count-- == slots) fabric_in_freed(r->m, r->pe, port, r->now);
}

static inline void put(run *r, const core_vop *v, uint32_t value) {
    const core_stream *s = &v->stream;
    if (r->out) {
        pipe_push(r->m, r->out, value, r->t + r->m->cores->out_cycles);
        return;
    }
    wse_queue *q = queue_at(r, s->d);
    uint32_t at = q->head + q->count, ready_at = (uint32_t)r->t + r->m->cores->out_cycles;
    q->e[at >= s->d_slots ? at - s->d_slots : at] = (wse_wavelet){value, ready_at, s->color, 0, ISA_RAMP, 0};
    if (!q->count++) fabric_out_first(r->m, r->pe, v->d.queue, r->t + r->m->cores->out_cycles);
}

static inline uint32_t source(const run *r, const core_vop *v, const core_operand *o, uint32_t data) {
    if (o->kind == ISA_FABIN) return o->words == 2 ? data : data & 0xffff;
    if (o->kind != ISA_MEM1D) return o->value;
    const uint16_t *p = word_at(r, o, v->position);
    return o->words == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
}

/* One element; what leaves for the fabric comes back. */
static inline uint32_t element(run *r, core_vop *v, const uint32_t data[2]) {
    uint32_t value = compute(r, v, source(r, v, &v->s0, data[0]), source(r, v, &v->s1, data[1]));
    if (v->stream.d == FABRIC_NO_QUEUE) {
        uint16_t *to = word_at(r, &v->d, v->position);
        to[0] = (uint16_t)value;
        if (v->d.words == 2) to[1] = (uint16_t)(value >> 16);
    }
    v->position++;
    return value;
}

/* The first element of a pair lies inside the memory too. */
static inline stream_result ready_first(const run *r, const core_vop *v) {
    const core_operand *all[] = {&v->d, &v->s0, &v->s1};
    for (int k = 0; k < 3; k++)
        if (all[k]->kind == ISA_MEM1D && !word_at(r, all[k], v->position)) return STREAM_STOP;
    return STREAM_MOVED;
}

/* As plain_step, and the same for two elements in one wavelet. */
static inline stream_result step(run *r, core_vop *v) {
    const core_stream *s = &v->stream;
    uint32_t data[2] = {0, 0}, value, n = s->pairs ? 2 : 1;
    if (v->position + n >= v->length || (s->pairs && (v->position & 1))) return STREAM_STOP;
    stream_result ok = ready(r, v, n, data);
    if (ok != STREAM_MOVED) return ok;
    if (s->pairs && ready_first(r, v) != STREAM_MOVED) return STREAM_STOP;
    if (s->s0 != FABRIC_NO_QUEUE) take(r, s->s0, s->s0_slots, v->s0.port);
    if (s->s1 != FABRIC_NO_QUEUE) take(r, s->s1, s->s1_slots, v->s1.port);
    value = element(r, v, data);
    if (s->pairs) {
        uint32_t high[2] = {data[0] >> 16, data[1] >> 16}, first = value & 0xffff;
        value = first | element(r, v, high) << 16;
        if (s->d != FABRIC_NO_QUEUE) v->held = first;
    } else if (s->d != FABRIC_NO_QUEUE && v->d.words == 1) {
        value = (value & 0xffff) | v->index;
    }
    if (s->d != FABRIC_NO_QUEUE) put(r, v, value);
    return STREAM_MOVED;
}

/* How many wavelets from the head on are data and may be read one a cycle from r->t on; at most n. */
static inline uint32_t readable(const run *r, const wse_queue *q, uint32_t slots, uint32_t n) {
    uint32_t i = 0;
    for (uint32_t at = q->head; i < n && i < q->count; i++) {
        const wse_wavelet *w = &q->e[at];
        if (w->control || wavelet_wait(w, r->t + i)) break;
        at = at + 1 == slots ? 0 : at + 1;
    }
    return i;
}

/* n elements that are known to be there and to have room, one a cycle. `in`: the input queue of one of the sources, or
 * NULL. */
static inline void burst_run(run *r, core_vop *v, wse_queue *in, uint32_t slots, uint32_t n) {
    const core_stream *s = &v->stream;
    bool first = s->s0 != FABRIC_NO_QUEUE;
    const core_operand *o = first ? &v->s0 : &v->s1;
    wse_queue *out = s->d != FABRIC_NO_QUEUE ? queue_at(r, s->d) : NULL;
    uint16_t *memory_a = v->s0.kind == ISA_MEM1D ? word_at(r, &v->s0, v->position) : NULL;
    uint16_t *memory_b = v->s1.kind == ISA_MEM1D ? word_at(r, &v->s1, v->position) : NULL;
    uint16_t *memory_d = out ? NULL : word_at(r, &v->d, v->position);
    int32_t step_a = v->s0.stride * v->s0.words, step_b = v->s1.stride * v->s1.words, step_d = v->d.stride * v->d.words;
    uint32_t a = v->s0.value, b = v->s1.value, mask = o->words == 2 ? UINT32_MAX : 0xffff;
    uint32_t from = in ? in->head : 0, to = out ? (uint32_t)out->head + out->count : 0;
    uint32_t ready_at = (uint32_t)r->t + r->m->cores->out_cycles;
    if (out && to >= s->d_slots) to -= s->d_slots;
    for (uint32_t i = 0; i < n; i++) {
        if (in) {
            *(first ? &a : &b) = in->e[from].data & mask;
            from = from + 1 == slots ? 0 : from + 1;
        }
        if (memory_a) a = load(memory_a, v->s0.words), memory_a += step_a;
        if (memory_b) b = load(memory_b, v->s1.words), memory_b += step_b;
        uint32_t value = compute(r, v, a, b);
        if (out) {
            if (v->d.words == 1) value = (value & 0xffff) | v->index;
            out->e[to] = (wse_wavelet){value, ready_at + i, s->color, 0, ISA_RAMP, 0};
            to = to + 1 == s->d_slots ? 0 : to + 1;
        } else {
            memory_d[0] = (uint16_t)value;
            if (v->d.words == 2) memory_d[1] = (uint16_t)(value >> 16);
            memory_d += step_d;
        }
    }
    if (in) {
        bool full = in->count == slots;
        in->head = (uint16_t)from;
        in->count = (uint16_t)(in->count - n);
        if (full) fabric_in_freed(r->m, r->pe, o->port, r->now);
    }
    if (out && !out->count) fabric_out_first(r->m, r->pe, v->d.queue, r->t + r->m->cores->out_cycles);
    if (out) out->count = (uint16_t)(out->count + n);
}

/* The only operation takes as many elements as it can, one a cycle from the clock's cycle on. An input that loses one a
 * cycle is not full in between. 0: step by step, which is quicker for one. */
static inline uint32_t burst(run *r, core_vop *v, uint64_t last) {
    const core_stream *s = &v->stream;
    uint32_t n = (uint32_t)(last - r->t) + 1, left = v->length - v->position - 1;
    bool first = s->s0 != FABRIC_NO_QUEUE, second = s->s1 != FABRIC_NO_QUEUE;
    if (s->pairs || v->cycles != 1 || v->ready > r->t || r->t != r->now || (first && second) || r->in || r->out)
        return 0;
    uint32_t place = first ? s->s0 : s->s1, slots = first ? s->s0_slots : s->s1_slots;
    wse_queue *in = first || second ? queue_at(r, place) : NULL;
    if (n > left) n = left;
    if (in) n = in->count < 2 ? 0 : readable(r, in, slots, n);
    if (s->d != FABRIC_NO_QUEUE && n > (uint32_t)s->d_slots - queue_at(r, s->d)->count)
        n = (uint32_t)s->d_slots - queue_at(r, s->d)->count;
    if (n < 2 || !both_ends_inside(r, v, &v->s0, n) || !both_ends_inside(r, v, &v->s1, n) ||
        !both_ends_inside(r, v, &v->d, n))
        return 0;
    burst_run(r, v, in, slots, n);
    v->position += n;
    return n;
}

/* One cycle: who moves? *next: when an operation that has not begun may. */
static inline stream_result cycle(run *r, core_vop *pool, uint64_t *next) {
    core *c = r->c;
    uint32_t all = threads_running(c), low = (uint32_t)__builtin_ctz(all), rest = all & (all - 1), n = 1;
    uint8_t order[CORE_THREADS];
    order[0] = (uint8_t)low;
    if (!rest) {
        if (pool[low].ready > r->t) *next = pool[low].ready, n = 0;
    } else if (!(rest & (rest - 1)) && pool[low].ready <= r->t && pool[__builtin_ctz(rest)].ready <= r->t) {
        n = stream_order_two(c, pool, all, order);
    } else {
        n = threads_order(c, pool, r->t, order, next);
    }
    for (uint32_t i = 0; i < n; i++) {
        core_vop *v = &pool[order[i]];
        stream_result ok = step(r, v);
        if (ok == STREAM_MOVED) stream_moved(r, v, order[i], v->cycles);
        if (ok != STREAM_WAIT) return ok;
    }
    return STREAM_WAIT;
}

/* May the main thread want something at `now`? *last: the last cycle before it does. */
static inline bool main_rests(const wse *m, uint32_t pe, const core *c, uint64_t now, uint64_t *last) {
    uint32_t ports = 0;
    if (c->state == MAIN_HALT || m->looked_at || c->flushing || c->launch_pending || c->ut_blocked) return false;
    if (c->state != MAIN_VECTOR && c->time > now && !c->stall) {
        if (c->time <= *last) *last = c->time - 1;
    } else if (c->state != MAIN_VECTOR) {
        if (c->state != MAIN_IDLE || (c->active & ~c->blocked)) return false;
        uint64_t near = clock_window(m, now);
        ports = core_program_of(m, pe)->ports & ~(uint32_t)c->blocked & ~c->ports_busy;
        if (ports && near < *last) *last = near; /* a wavelet there would start a task */
    }
    return fabric_in_quiet(m, pe, ports);
}

/* Pipes that begin and end here. True when what can happen here is known for longer than the ramp is deep: each queue
 * is at one, and no more than one operation uses it. */
static inline bool use_pipes(run *r, const core_vop *pool) {
    const pipes *s = r->m->pipes;
    if (!s || !s->on) return false;
    const pipe_end *e = &s->ends[r->pe];
    uint32_t reads = 0, sends = 0;
    for (uint32_t set = threads_alive(r->c); set; set &= set - 1) {
        const core_stream *v = &pool[__builtin_ctz(set)].stream;
        reads += (v->s0 != FABRIC_NO_QUEUE) + (v->s1 != FABRIC_NO_QUEUE);
        sends += v->d != FABRIC_NO_QUEUE;
    }
    if (e->to) r->in = pipe_to(r->m, r->pe);
    if (sends && e->from && (s->all[e->from - 1].open || pipe_open(r->m, &s->all[e->from - 1])))
        r->out = &s->all[e->from - 1];
    /* Without a pipe to here an operation that reads waits for what nobody sends. */
    bool known = e->sealed && reads < 2 && sends < 2 && ((!e->to && !reads) || r->in) && (!sends || r->out);
    if (r->in && (!known || !reads)) pipe_fill(r->m, r->in);
    return known;
}

uint64_t core_ahead(const wse *m, uint32_t pe) { return m->cores->pe[pe].ahead; }

/* As many cycles as the ramp is deep. */
static stream_result near(run *r, core_vop *pool, uint64_t last, uint64_t *next) {
    core *c = r->c;
    uint32_t running = threads_running(c), only = (uint32_t)__builtin_ctz(running);
    stream_result ok = STREAM_MOVED;
    while (ok == STREAM_MOVED && r->t <= last) {
        if (r->t == c->datapath_free) r->done = r->t;
        uint32_t n = running & (running - 1) ? 0 : burst(r, &pool[only], last);
        if (n) {
            stream_moved(r, &pool[only], only, n);
            r->done = r->t + n - 1;
        } else {
            r->soonest = *next = UINT64_MAX;
            ok = cycle(r, pool, next);
            if (ok != STREAM_MOVED) break;
            r->done = r->t;
        }
        r->t = c->datapath_free;
    }
    return ok;
}

bool stream_step(wse *m, uint32_t pe, core *c, uint64_t now) {
    if (now < c->ahead) {
        clock_wake(m, pe, c->ahead);
        return !c->launch_pending && !(c->active >> ISA_TASK_TEARDOWN & 1);
    }
    core_vop *pool = m->cores->vops + c->vops;
    run r = {.m = m, .c = c, .memory = wse_words(m, pe), .queues = m->cores->queues, .pe = pe};
    r.now = r.t = now;
    r.soonest = UINT64_MAX;
    bool known = use_pipes(&r, pool);
    uint64_t last = known ? pipe_window(m, now) : clock_window(m, now), next = UINT64_MAX;
    if (!main_rests(m, pe, c, now, &last)) return false;
    if (c->time == now) r.done = now;
    if (c->datapath_free > now) r.t = c->datapath_free;
    stream_result ok = STREAM_OTHER;
    if (known) ok = stream_far(&r, pool, last);
    if (ok == STREAM_OTHER) {
        if (r.in) pipe_fill(m, r.in);
        uint64_t end = clock_window(m, now);
        if (end < last) last = end;
        ok = near(&r, pool, last, &next);
    }
    stream_tell(&r);
    if (ok == STREAM_STOP && r.t == now) return false;
    if (r.t > now) c->ahead = r.t <= last ? r.t : last + 1; /* a long element does not hold up the main thread */
    if (ok != STREAM_WAIT) next = r.t;
    else if (r.soonest < next) next = r.soonest;
    if (c->state != MAIN_VECTOR && c->time > now && c->time < next) next = c->time;
    if (r.done) clock_happened(m, pe, r.done);
    if (next != UINT64_MAX) clock_wake(m, pe, next);
    return true;
}
