/* Pipes: paths from a core's output queue to input queues whose links and ramps nobody else can use. Inside wse/ only.
 *
 * On such a path nothing is decided by anyone else, so the times of a wavelet follow from a few others. With m routers
 * on the way, c = PIPE_ROOM wavelets a buffer, all numbers counting wavelets:
 *
 *     enter(i)    = max(ready(i), enter(i-1) + 1, left_0(i-c) + 1)
 *     left_k(i)   = max(left_k-1(i) + hop or enter(i), left_k(i-1) + 1, left_k+1(i-c) + 1,
 *                       took_k(i-slots) + 1 when the core of router k gets a copy)
 *
 * which is what router.c does cycle by cycle. When only the last core gets the wavelets and c = hop + 1, as the
 * machine files have it, every path through these equations weighs the same, and two numbers a wavelet are enough:
 *
 *     enter(i)    = max(ready(i), enter(i-1) + 1, arrive(i - m c) + m)
 *     arrive(i)   = max(enter(i) + (m-1) hop, arrive(i-1) + 1, took(i-slots) + 1)
 *     left_k(i)   = max(enter(i) + k hop, arrive(i - (m-1-k) c) + (m-1-k))
 *
 * Whoever puts wavelets in or takes some out computes at once all that follows from it: the routers on the way need not
 * be visited, and the two cores need not go in step. Nothing is computed from the end of the run on, so that
 * pipes_end can write buffers, stamps and counters as the routers would have left them. What is not known yet is what
 * depends on a core that has not come so far: it is no earlier than that core's own time and the way from there
 * (pipe_room_bound, pipe_arrival_bound).
 *
 * A path is a pipe when every router on it has the color in one switch position, from one direction to at most one
 * other and possibly its core, no filter, no swap, no link that is longer than a hop; no other color can take the same
 * outputs; the core at its beginning sends this color only, from one queue, and no control wavelets; no program on it
 * can write routes; it lies in one band of rows. So WSE-2, where operations choose the color of a queue, has none.
 * While someone looks on (trace, debugger, checks) or host streams are open there are none either. A pipe takes over
 * from the routers when nothing is on the way. */
#ifndef INGOT_WSE_PIPE_H
#define INGOT_WSE_PIPE_H

#include "wse/machine.h"

enum { PIPE_QUEUE = 8, PIPE_TIMES = 4, PIPE_AHEAD_CYCLES = 200 };
#define PIPE_UNKNOWN UINT64_MAX

/* Where a core gets what comes through a pipe. */
typedef struct {
    wse_queue *queue;
    uint32_t pe, pipe, stage, ramp;
    uint16_t slots;
    uint8_t port, color, from;
    uint32_t given, taken;     /* arrived; taken by the core */
    uint32_t given_before;     /* when the run began, or the pipe took over */
    uint64_t took[PIPE_QUEUE]; /* when the core took the wavelet of this number */
    /* A core that only waits for the next wavelet takes those before `promised` as soon as they come, one in `every`
     * cycles, from next_take on and until last_take. So their times follow here, and it works on those from `settled`
     * up to `taken` when it is visited next (core_settle), at last_take at the latest. */
    uint32_t promised, settled, every;
    uint64_t next_take, last_take;
} pipe_copy;

/* A router on the way. `left` is kept when several cores get copies. */
typedef struct {
    uint32_t pe, lane, buffer;    /* among the fabric's lanes; in fabric.store */
    uint32_t copy;                /* 1 + its number, 0: none */
    uint32_t count, count_before; /* wavelets that have left it */
    uint64_t stall;
    uint64_t left[PIPE_TIMES];
} pipe_stage;

typedef struct {
    uint64_t enter, arrive; /* enter of one in the queue: when it may */
    uint64_t took;          /* when the core took it; where several get copies, that is with each */
    uint32_t data, spare;
} pipe_wavelet;

typedef struct {
    wse_queue *queue;      /* empty while the pipe is in use */
    pipe_wavelet *ring;    /* the last wavelets, by the low bits of their numbers */
    uint32_t mask;         /* of those */
    uint32_t first, count; /* stages */
    uint32_t lag, room;    /* cycles from entering to arriving; m c */
    uint32_t pe;
    uint16_t slots;
    uint8_t number, color; /* of the queue */
    bool single;           /* only the last core gets the wavelets */
    bool open;             /* what the routers would do is computed here */
    bool want, want_empty; /* the core waits for room, for an empty queue */
    uint32_t pushed, entered, entered_before;
    uint64_t since; /* stalls before this cycle are counted */
    pipe_copy *first_copy;
    uint64_t *last; /* when the last thing happened in this band of rows */
} pipe;

typedef struct {
    uint32_t from, to; /* 1 + the pipe that begins here, 1 + the copy that ends here */
    uint8_t stages;    /* of pipes that lead through this router */
    bool sealed;       /* nothing can come to this core but through `to` */
} pipe_end;

struct pipes {
    pipe *all;
    pipe_stage *stages;
    pipe_copy *copies;
    pipe_end *ends; /* by PE */
    pipe_wavelet *rings;
    uint32_t count, stage_count, copy_count;
    bool on;                                         /* in this run */
    uint64_t limit;                                  /* nothing is computed from this cycle on */
    uint32_t *opened, *opened_count, *first_of_band; /* by band: those in use */
};

bool pipes_new(wse *m, diag *d); /* after fabric and clock */
void pipes_free(wse *m);
void pipes_begin(wse *m, uint64_t until); /* of a run */
void pipes_end(wse *m);                   /* hands everything back to the routers */
void pipes_last(wse *m);                  /* tells the clock when the last thing happened */

bool pipe_open(wse *m, pipe *p); /* false: something is on the way */
/* The core has taken wavelets. quiet: it is at work itself and need not be woken. When several cores get copies, these
 * are put into their queues at once, else by pipe_fill. */
void pipe_took(wse *m, pipe_copy *c, bool quiet);
void pipe_entered(wse *m, pipe *p, uint64_t t); /* one less in the queue from t on: the sender may wait for that */

/* One more wavelet, which may enter the router at `ready`. There must be room in the queue. */
void pipe_push(wse *m, pipe *p, uint32_t data, uint64_t ready);
void pipe_wake(wse *m, const pipe_copy *c, uint64_t cycle);
void pipe_stalled(wse *m, pipe *p, uint32_t i); /* wavelet i arrives later than the way takes */

static inline void pipe_at_least(uint64_t *t, uint64_t least) {
    if (*t < least) *t = least;
}
static inline pipe_wavelet *pipe_ring(const pipe *p, uint32_t i) { return &p->ring[i & p->mask]; }
/* When the next wavelet on the way to one core arrives, if its queue has room. */
static inline uint64_t pipe_arrives(const pipe *p, const pipe_copy *c) {
    uint32_t i = c->given;
    uint64_t t = pipe_ring(p, i)->enter + p->lag;
    pipe_at_least(&t, pipe_ring(p, i - 1)->arrive + 1);
    pipe_at_least(&t, pipe_ring(p, i - c->slots)->took + 1);
    return t;
}
/* Tells the core of a wavelet that arrives at t, where it waits for one. quiet: PE not to wake. */
static inline void pipe_tell(wse *m, pipe_copy *c, uint32_t before, uint64_t t, uint32_t quiet) {
    if (before && !c->queue->want) return;
    c->queue->want = 0;
    if (c->pe != quiet) pipe_wake(m, c, t + c->ramp);
}
static inline void pipe_arrived(wse *m, pipe *p, pipe_copy *c, uint64_t t, uint32_t quiet) {
    uint32_t i = c->given++;
    pipe_ring(p, i)->arrive = t;
    if (*p->last < t) *p->last = t;
    if (t != pipe_ring(p, i)->enter + p->lag) pipe_stalled(m, p, i);
    pipe_tell(m, c, i - c->taken, t, quiet);
}
static inline void pipe_put(const pipe_copy *c, uint32_t data, uint64_t t) {
    wse_queue *q = c->queue;
    uint32_t at = q->head + q->count++;
    q->e[at >= c->slots ? at - c->slots : at] =
        (wse_wavelet){data, (uint32_t)t + c->ramp, .color = c->color, .control = 0, .from = c->from, .spare = 0};
}
/* Writes into the queue what has arrived: for those who look there. */
static inline void pipe_fill(const wse *m, const pipe_copy *c) {
    const pipe *p = &m->pipes->all[c->pipe];
    for (uint32_t i = c->taken + c->queue->count; i != c->given; i++)
        pipe_put(c, pipe_ring(p, i)->data, pipe_ring(p, i)->arrive);
}
/* The core has taken the next one at t. It may be in the queue or not. */
static inline void pipe_taken(const wse *m, pipe_copy *c, uint64_t t) {
    const pipe *p = &m->pipes->all[c->pipe];
    wse_queue *q = c->queue;
    uint32_t i = c->taken++;
    if (p->single) pipe_ring(p, i)->took = t;
    else c->took[i % PIPE_QUEUE] = t;
    if (!q->count) return;
    q->head = (uint16_t)(q->head + 1u == c->slots ? 0 : q->head + 1);
    q->count--;
}
/* Keeps in the queue what cannot enter yet. */
static inline void pipe_keep(pipe *p, uint32_t data, uint64_t ready) {
    pipe_wavelet *w = pipe_ring(p, p->pushed++);
    w->enter = ready;
    w->data = data; /* not `arrive`: it may still be that of an older one */
}
/* From when on the queue has room for the next wavelet, or the one `ahead` after it. */
static inline uint64_t pipe_room_at(const pipe *p, uint32_t ahead) {
    uint32_t number = p->pushed + ahead - p->slots;
    return (int32_t)(p->entered - number) <= 0 ? PIPE_UNKNOWN : pipe_ring(p, number)->enter;
}
uint64_t pipe_room_bound(const wse *m, const pipe *p, uint64_t now);         /* not before this, when it is unknown */
uint64_t pipe_arrival_bound(const wse *m, const pipe_copy *c, uint64_t now); /* of the first that is unknown */

static inline pipe *pipe_from(const wse *m, uint32_t pe) { /* NULL: there is none in use */
    const pipes *s = m->pipes;
    if (!s->on || !s->ends[pe].from) return NULL;
    pipe *p = &s->all[s->ends[pe].from - 1];
    return p->open ? p : NULL;
}
static inline pipe_copy *pipe_to(const wse *m, uint32_t pe) {
    const pipes *s = m->pipes;
    if (!s->on || !s->ends[pe].to) return NULL;
    pipe_copy *c = &s->copies[s->ends[pe].to - 1];
    return s->all[c->pipe].open ? c : NULL;
}

static inline bool pipe_promise(wse *m, const pipe *p, pipe_copy *c,
                                uint64_t t) { /* what arrives at t is taken at once */
    uint32_t i = c->given;
    if ((int32_t)(c->promised - i) <= 0 || i != c->taken || i - c->settled > p->mask - p->room - 2 * PIPE_QUEUE)
        return false;
    uint64_t at = t + c->ramp;
    pipe_at_least(&at, c->next_take);
    if (at > c->last_take) return false;
    if (i == c->settled) pipe_wake(m, c, c->last_take);
    c->took[i % PIPE_QUEUE] = at;
    c->given = c->taken = i + 1;
    c->next_take = at + c->every;
    return true;
}

static inline void pipe_fill_to(const wse *m, uint32_t pe) {
    const pipe_copy *c = m->pipes ? pipe_to(m, pe) : NULL;
    if (c) pipe_fill(m, c);
}

/* As clock_window, where nothing but the pipe can surprise the core. */
static inline uint64_t pipe_window(const wse *m, uint64_t now) {
    uint64_t end = m->pipes->limit;
    return end - now > PIPE_AHEAD_CYCLES ? now + PIPE_AHEAD_CYCLES : end - 1;
}

/* For the general road, at the clock's time: as fabric_out_room and fabric_out_empty. */
uint32_t pipe_count(const wse *m, const pipe *p, uint64_t now);
uint32_t pipe_room(wse *m, pipe *p, uint64_t now);
bool pipe_empty(wse *m, pipe *p, uint64_t now);

uint64_t core_ahead(const wse *m, uint32_t pe); /* core_stream.c: cycle up to which the core has come */
/* core_alone.c: does what the core owes, and nothing is promised any more. False: a promise holds, and there is nothing
 * else to do. */
bool core_settle(wse *m, uint32_t pe, uint64_t now);

#endif
