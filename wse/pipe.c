/* Pipes at work: times of wavelets, computed when a core puts some in or takes some out (pipe.h). */
#include "wse/pipe.h"
#include "wse/fabric_internal.h"

static void wake(wse *m, band *b, uint32_t pe, uint64_t cycle) {
    if (cycle - b->now < WHEEL_SLOTS) wake_core(b, pe, cycle);
    else clock_wake(m, pe, cycle);
}

void pipe_wake(wse *m, const pipe_copy *c, uint64_t cycle) { wake(m, band_of(m, c->pe), c->pe, cycle); }

/* Is the time before the end of the run? Otherwise the next run goes on from here. */
static inline bool in_time(const wse *m, band *b, uint64_t t) {
    if (t < m->pipes->limit) return true;
    b->held = true;
    return false;
}

/* ---- one core gets the wavelets ---- */

static uint64_t left_at(const wse *m, const pipe *p, uint32_t k, uint32_t i) {
    uint32_t behind = p->count - 1 - k;
    uint64_t t = pipe_ring(p, i)->enter + (uint64_t)k * m->fabric->hop;
    pipe_at_least(&t, pipe_ring(p, i - behind * m->fabric->buffer_capacity)->arrive + behind);
    return t;
}

/* Is it known when wavelet i leaves stage k? */
static bool left_known(const wse *m, const pipe *p, uint32_t k, uint32_t i) {
    uint32_t needs = i - (p->count - 1 - k) * m->fabric->buffer_capacity;
    return (int32_t)(p->first_copy->given - needs) > 0;
}

/* Cycles that wavelet i has waited in buffers it left from p->since on and before `end`. */
static void count_stalls(wse *m, pipe *p, uint32_t i, uint64_t end) {
    uint64_t ready = pipe_ring(p, i)->enter;
    for (uint32_t k = 0; k < p->count && left_known(m, p, k, i); k++) {
        uint64_t t = left_at(m, p, k, i), before = left_at(m, p, k, i - 1) + 1;
        if (t >= end) return;
        if (before > ready) ready = before;
        if (t >= p->since && t > ready) m->pipes->stages[p->first + k].stall += t - ready;
        ready = t + m->fabric->hop;
    }
}

/* As count_stalls for one that has arrived. */
void pipe_stalled(wse *m, pipe *p, uint32_t i) {
    const uint32_t capacity = m->fabric->buffer_capacity, hop = m->fabric->hop;
    pipe_stage *s = &m->pipes->stages[p->first];
    uint64_t ready = pipe_ring(p, i)->enter, free_way = ready, free_before = pipe_ring(p, i - 1)->enter;
    uint32_t behind = p->count - 1, back = i - behind * capacity;
    for (;; s++, behind--, back += capacity, free_way += hop, free_before += hop) {
        uint64_t t = pipe_ring(p, back)->arrive + behind, before = pipe_ring(p, back - 1)->arrive + behind;
        pipe_at_least(&t, free_way);
        pipe_at_least(&before, free_before);
        pipe_at_least(&ready, before + 1);
        if (t > ready && t >= p->since) s->stall += t - ready;
        if (!behind) return;
        ready = t + hop;
    }
}

static inline bool arrive(wse *m, band *b, pipe *p, pipe_copy *c, uint32_t quiet) {
    uint32_t i = c->given;
    if (i == p->entered || i - c->taken >= c->slots) return false;
    uint64_t t = pipe_arrives(p, c);
    if (!in_time(m, b, t)) return false;
    pipe_arrived(m, p, c, t, quiet);
    return true;
}

static inline bool may_enter(const pipe *p, const pipe_copy *c) { return p->entered - c->given < p->room; }

/* The first one in the queue enters. */
static inline bool enter_one(wse *m, band *b, pipe *p) {
    uint32_t i = p->entered;
    uint64_t t = pipe_ring(p, i)->enter;
    pipe_at_least(&t, pipe_ring(p, i - 1)->enter + 1);
    pipe_at_least(&t, pipe_ring(p, i - p->room)->arrive + p->count);
    if (!in_time(m, b, t)) return false;
    pipe_ring(p, i)->enter = t;
    p->entered = i + 1;
    happened(b, t);
    pipe_entered(m, p, t);
    return true;
}

void pipe_entered(wse *m, pipe *p, uint64_t t) {
    if (!p->want && !(p->want_empty && p->pushed == p->entered)) return;
    p->want = p->want_empty = false;
    wake(m, band_of(m, p->pe), p->pe, t);
}

static void flow_single(wse *m, band *b, pipe *p, uint32_t quiet) {
    pipe_copy *c = p->first_copy;
    for (;;) {
        while (arrive(m, b, p, c, quiet)) continue;
        if (p->pushed == p->entered || !may_enter(p, c) || !enter_one(m, b, p)) return;
    }
}

/* ---- several cores get copies ---- */

static inline uint32_t came(const pipe *p, const pipe_stage *s, uint32_t k) { return k ? s[-1].count : p->entered; }

/* The first wavelet in a buffer goes on, if it is known when. */
static inline bool leave(wse *m, band *b, pipe *p, uint32_t k, uint32_t quiet) {
    pipe_stage *s = &m->pipes->stages[p->first + k];
    const fabric *f = m->fabric;
    uint32_t i = s->count;
    if (i == came(p, s, k)) return false;
    uint64_t ready = k ? s[-1].left[i % PIPE_TIMES] + f->hop : pipe_ring(p, i)->enter;
    pipe_at_least(&ready, s->left[(i - 1) % PIPE_TIMES] + 1);
    uint64_t t = ready;
    if (k + 1 < p->count) {
        if (i - s[1].count >= f->buffer_capacity) return false;
        pipe_at_least(&t, s[1].left[(i - f->buffer_capacity) % PIPE_TIMES] + 1);
    }
    pipe_copy *c = s->copy ? &m->pipes->copies[s->copy - 1] : NULL;
    if (c) {
        if (c->given - c->taken >= c->slots) return false;
        pipe_at_least(&t, c->took[(c->given - c->slots) % PIPE_QUEUE] + 1);
    }
    if (!in_time(m, b, t)) return false;
    s->stall += t - ready;
    s->left[i % PIPE_TIMES] = t;
    s->count = i + 1;
    if (c && !pipe_promise(m, p, c, t)) {
        pipe_put(c, pipe_ring(p, i)->data, t);
        pipe_tell(m, c, c->given++ - c->taken, t, quiet);
    }
    happened(b, t);
    return true;
}

/* All that can leave a buffer, each as far as it gets. Everything further on stands already where it must. */
static bool flow_from(wse *m, band *b, pipe *p, uint32_t k, uint32_t quiet) {
    bool moved = false;
    for (; leave(m, b, p, k, quiet); moved = true)
        for (uint32_t next = k + 1; next < p->count && leave(m, b, p, next, quiet);) next++;
    return moved;
}

static void flow_in(wse *m, band *b, pipe *p) {
    const pipe_stage *s = &m->pipes->stages[p->first];
    uint32_t capacity = m->fabric->buffer_capacity;
    while (p->pushed != p->entered && p->entered - s->count < capacity) {
        uint32_t i = p->entered;
        uint64_t t = pipe_ring(p, i)->enter;
        pipe_at_least(&t, pipe_ring(p, i - 1)->enter + 1);
        pipe_at_least(&t, s->left[(i - capacity) % PIPE_TIMES] + 1);
        if (!in_time(m, b, t)) return;
        pipe_ring(p, i)->enter = t;
        p->entered = i + 1;
        happened(b, t);
        pipe_entered(m, p, t);
        flow_from(m, b, p, 0, UINT32_MAX);
    }
}

/* ---- what the cores do ---- */

/* Room appears from the place where a wavelet was taken backwards, as far as something moves. */
void pipe_took(wse *m, pipe_copy *c, bool quiet) {
    pipe *p = &m->pipes->all[c->pipe];
    band *b = band_of(m, p->pe);
    uint32_t silent = quiet ? c->pe : UINT32_MAX;
    if (p->single) {
        flow_single(m, b, p, silent);
        return;
    }
    for (uint32_t k = c->stage; flow_from(m, b, p, k, silent); k--)
        if (!k) {
            flow_in(m, b, p);
            return;
        }
}

void pipe_push(wse *m, pipe *p, uint32_t data, uint64_t ready) {
    band *b = band_of(m, p->pe);
    pipe_keep(p, data, ready);
    if (p->single) flow_single(m, b, p, UINT32_MAX);
    else flow_in(m, b, p);
}

/* ---- what is known about the unknown ---- */

static inline uint64_t time_of_core(const wse *m, uint32_t pe, uint64_t now) {
    uint64_t ahead = core_ahead(m, pe);
    return ahead > now ? ahead : now;
}

/* It waits for a core that has not taken something yet; with several, one that may be no further than the clock. */
uint64_t pipe_room_bound(const wse *m, const pipe *p, uint64_t now) {
    const pipe_copy *c = p->first_copy;
    return (p->single ? time_of_core(m, c->pe, now) : now) + 2 + c->stage;
}

uint64_t pipe_arrival_bound(const wse *m, const pipe_copy *c, uint64_t now) {
    const fabric *f = m->fabric;
    const pipe *p = &m->pipes->all[c->pipe];
    if (c->given != p->pushed) return now + 1 + f->ramp;
    return time_of_core(m, p->pe, now) + m->wafer->result_cycles + f->ramp + (uint64_t)c->stage * f->hop + f->ramp;
}

/* ---- the general road ---- */

/* Wavelets that the clock still sees in the queue; *next: when the first of those that are known to leave does. */
static uint32_t count_at(const pipe *p, uint64_t now, uint64_t *next) {
    uint32_t n = p->pushed - p->entered;
    *next = PIPE_UNKNOWN;
    for (uint32_t k = p->entered - 1; p->entered - k <= PIPE_QUEUE && pipe_ring(p, k)->enter > now; k--) {
        *next = pipe_ring(p, k)->enter;
        n++;
    }
    return n;
}

uint32_t pipe_count(const wse *m, const pipe *p, uint64_t now) {
    uint64_t next;
    (void)m;
    return count_at(p, now, &next);
}

uint32_t pipe_room(wse *m, pipe *p, uint64_t now) {
    uint64_t next;
    uint32_t n = count_at(p, now, &next), room = p->slots - n;
    if (room >= 4 || !n) return room;
    if (next != PIPE_UNKNOWN) clock_wake(m, p->pe, next);
    else p->want = true;
    return room;
}

bool pipe_empty(wse *m, pipe *p, uint64_t now) {
    uint64_t next;
    if (!count_at(p, now, &next)) return true;
    if (p->pushed == p->entered) clock_wake(m, p->pe, pipe_ring(p, p->entered - 1)->enter);
    else p->want_empty = true;
    return false;
}

/* ---- taking over and handing back ---- */

static bool clean(const wse *m, const pipe *p) {
    const fabric *f = m->fabric;
    if (p->queue->count) return false;
    for (uint32_t k = p->first; k < p->first + p->count; k++) {
        const pipe_stage *s = &m->pipes->stages[k];
        const buffer *b = buffer_at(f, s->buffer);
        if (b->tail != b->taken.head || (s->copy && m->pipes->copies[s->copy - 1].queue->count)) return false;
    }
    return true;
}

/* The routers leave it alone from now on. */
static void take_over(wse *m, pipe *p) {
    fabric *f = m->fabric;
    router *r = &f->routers[p->pe];
    uint8_t bit = (uint8_t)(1u << p->number), others = (uint8_t)~bit;
    p->open = true;
    p->want = r->out_want & bit;
    p->want_empty = r->out_want_empty & bit;
    r->out_busy &= others, r->out_want &= others, r->out_want_empty &= others;
    for (uint32_t k = p->first; k < p->first + p->count; k++) {
        pipe_stage *s = &m->pipes->stages[k];
        router *at = &f->routers[s->pe];
        at->hot &= ~(1u << (s->lane - at->lanes));
        buffer_at(f, s->buffer)->waiting = 0;
    }
}

/* Numbers begin where all that is looked back at is in the past. */
static void start(wse *m, pipe *p, uint64_t now) {
    p->pushed = p->entered = p->entered_before = PIPE_QUEUE;
    p->since = now + 1;
    for (uint32_t i = 0; i <= p->mask; i++)
        p->ring[i] = (pipe_wavelet){.enter = now, .arrive = now >= p->count ? now - p->count : 0};
    for (uint32_t k = p->first; k < p->first + p->count; k++) {
        pipe_stage *s = &m->pipes->stages[k];
        s->count = s->count_before = PIPE_QUEUE;
        s->stall = 0;
        for (int i = 0; i < PIPE_TIMES; i++) s->left[i] = now;
        if (!s->copy) continue;
        pipe_copy *c = &m->pipes->copies[s->copy - 1];
        c->given = c->given_before = c->taken = c->promised = c->settled = PIPE_QUEUE;
        memset(c->took, 0, sizeof c->took);
    }
}

bool pipe_open(wse *m, pipe *p) {
    band *b = band_of(m, p->pe);
    uint32_t i = (uint32_t)(b - m->clock->bands);
    if (!m->pipes->on || !clean(m, p)) return false;
    take_over(m, p);
    start(m, p, b->now);
    m->pipes->opened[m->pipes->first_of_band[i] + m->pipes->opened_count[i]++] = (uint32_t)(p - m->pipes->all);
    return true;
}

static uint64_t left_of(const wse *m, const pipe *p, uint32_t k, uint32_t i) {
    return p->single ? left_at(m, p, k, i) : m->pipes->stages[p->first + k].left[i % PIPE_TIMES];
}

/* How many have left each stage before now. */
static void find_counts(wse *m, pipe *p) {
    uint32_t given = p->first_copy->given, i = given;
    for (uint32_t k = p->count; k-- > 0;) {
        while (i != p->entered && left_known(m, p, k, i) && left_at(m, p, k, i) < m->cycle) i++;
        m->pipes->stages[p->first + k].count = i;
    }
    for (i = given; i != p->entered; i++) count_stalls(m, p, i, m->cycle);
    p->since = m->cycle;
}

static void write_buffer(wse *m, const pipe *p, uint32_t k) {
    pipe_stage *s = &m->pipes->stages[p->first + k];
    buffer *in = buffer_at(m->fabric, s->buffer);
    uint32_t mask = m->fabric->buffer_mask, moved = s->count - s->count_before;
    in->taken.head += moved;
    if (moved) in->taken.popped = (uint32_t)left_of(m, p, k, s->count - 1) + 1;
    in->tail = in->taken.head;
    for (uint32_t i = s->count; i != came(p, s, k); i++) {
        uint64_t ready = k ? left_of(m, p, k - 1, i) + m->fabric->hop : pipe_ring(p, i)->enter;
        in->e[in->tail++ & mask] = (flit){pipe_ring(p, i)->data, flit_meta(ready, false)};
    }
    s->count_before = s->count;
    lane *l = &m->fabric->lanes[s->lane];
    router *r = &m->fabric->routers[s->pe];
    if (moved) l->granted = in->taken.popped - 1;
    r->hops += k + 1 < p->count ? moved : 0;
    r->stall += s->stall;
    s->stall = 0;
    if (s->copy) {
        pipe_copy *c = &m->pipes->copies[s->copy - 1];
        r->ramp += c->given - c->given_before;
        c->given_before = c->given;
    }
    if (in->taken.head == in->tail) return;
    r->hot |= 1u << (s->lane - r->lanes);
    wake_router(band_of(m, s->pe), s->pe, m->cycle);
}

/* What has not entered yet. */
static void write_queue(const pipe *p) {
    wse_queue *q = p->queue;
    for (uint32_t i = p->entered; i != p->pushed; i++) {
        uint32_t at = (uint32_t)q->head + q->count++;
        const pipe_wavelet *w = pipe_ring(p, i);
        q->e[at >= p->slots ? at - p->slots : at] =
            (wse_wavelet){w->data, (uint32_t)w->enter, .color = p->color, .control = 0, .from = ISA_RAMP, .spare = 0};
    }
}

static void hand_back(wse *m, pipe *p) {
    router *r = &m->fabric->routers[p->pe];
    p->open = false;
    r->ramp += p->entered - p->entered_before;
    if (p->entered != p->entered_before) r->out_last = p->number;
    p->entered_before = p->entered;
    r->out_want |= (uint8_t)(p->want << p->number);
    r->out_want_empty |= (uint8_t)(p->want_empty << p->number);
    write_queue(p);
    if (p->queue->count) {
        r->out_busy |= (uint8_t)(1u << p->number);
        wake_router(band_of(m, p->pe), p->pe, m->cycle);
    }
    if (p->single) pipe_fill(m, p->first_copy), find_counts(m, p);
    for (uint32_t k = 0; k < p->count; k++) write_buffer(m, p, k);
}

static pipe *opened(const wse *m, uint32_t i, uint32_t k) {
    const pipes *s = m->pipes;
    return &s->all[s->opened[s->first_of_band[i] + k]];
}

/* Pipes that were in use when the last run ended go on: nothing has moved since. */
void pipes_begin(wse *m, uint64_t until) {
    pipes *s = m->pipes;
    s->on = s->count && !m->looked_at && !wse_streams_open(m);
    s->limit = until;
    for (uint32_t i = 0; i < m->clock->count; i++) {
        band *b = &m->clock->bands[i];
        b->held = false;
        if (!s->on) s->opened_count[i] = 0;
        for (uint32_t k = 0; k < s->opened_count[i]; k++) {
            pipe *p = opened(m, i, k);
            take_over(m, p);
            p->queue->count = 0; /* they are in the ring */
            if (p->single) flow_single(m, b, p, UINT32_MAX);
            for (uint32_t stage = p->count; stage-- > 0 && !p->single;) flow_from(m, b, p, stage, UINT32_MAX);
            if (!p->single) flow_in(m, b, p);
        }
    }
}

/* Only where several cores get copies is anything promised. */
static void settle_all(wse *m, const pipe *p) {
    for (uint32_t k = p->first; k < p->first + p->count && !p->single; k++) {
        uint32_t copy = m->pipes->stages[k].copy;
        if (copy) core_settle(m, m->pipes->copies[copy - 1].pe, UINT64_MAX);
    }
}

void pipes_end(wse *m) {
    pipes *s = m->pipes;
    if (!s || !s->on) return;
    for (uint32_t i = 0; i < m->clock->count; i++)
        for (uint32_t k = 0; k < s->opened_count[i]; k++) settle_all(m, opened(m, i, k));
    for (uint32_t i = 0; i < m->clock->count; i++)
        for (uint32_t k = 0; k < s->opened_count[i]; k++) hand_back(m, opened(m, i, k));
    s->on = false;
}

/* Of wavelets on the way through a pipe for one core only their ends have been told so far. */
static void last_of(wse *m, band *b, const pipe *p) {
    for (uint32_t i = p->first_copy->given; i != p->entered; i++)
        for (uint32_t k = 0; k < p->count && left_known(m, p, k, i); k++) {
            uint64_t t = left_at(m, p, k, i);
            if (in_time(m, b, t)) happened(b, t);
        }
}

void pipes_last(wse *m) {
    const pipes *s = m->pipes;
    for (uint32_t i = 0; i < m->clock->count && s->on; i++)
        for (uint32_t k = 0; k < s->opened_count[i]; k++)
            if (opened(m, i, k)->single) last_of(m, &m->clock->bands[i], opened(m, i, k));
}
