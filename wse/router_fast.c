/* One cycle of a router, the short road: lanes with one input and outputs that nobody else wants this cycle, wavelets
 * that are data. Same effects as router.c, to which everything else goes. Most of the time of a busy fabric is spent
 * here.
 *
 *   through      the head of the only output queue that holds something goes straight through the empty buffer of its
 *                lane: router_inject and the lane's move in one
 *   move         a wavelet of a lane: pick, pop, push or deliver in one; a lane whose next wavelet finds no room is not
 *                looked at again before there is some
 */
#include "wse/fabric_internal.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct { /* one visit; never leaves the registers */
    fabric *f;
    band *b;
    router *r;
    lane *lanes;
    uint64_t *store, *queues;
    uint64_t now;
    uint32_t pe, now32, capacity, mask;
} visit;

enum { ROOM, ROOM_NEXT, NO_ROOM };
enum { OTHER, MOVED, RETRY, SLEEP };

void router_facts(const fabric *f, band *b, uint64_t now) {
    tick_facts *t = &b->facts;
    uint64_t *bits = b->routers.bits;
    t->store = f->store;
    t->soon = &bits[((now + f->hop) & (WHEEL_SLOTS - 1)) * b->routers.words];
    t->next_slot = &bits[((now + 1) & (WHEEL_SLOTS - 1)) * b->routers.words];
    t->mask = f->buffer_mask;
    t->capacity = f->buffer_capacity;
    t->ready = (uint32_t)(now + f->hop) << 2;
    memcpy(t->step, f->step, sizeof t->step);
}

static __attribute__((noinline)) void wake_first(band *b, uint32_t pe, uint64_t cycle) { wake_router(b, pe, cycle); }

INLINE void wake_at(band *b, uint64_t *slot, uint32_t pe, uint64_t cycle) {
    uint32_t at = pe - b->first;
    uint64_t *word = &slot[at >> 6], set = *word;
    if (set) *word = set | 1ull << (at & 63);
    else wake_first(b, pe, cycle);
}

INLINE uint32_t room(const visit *v, const lane *l, uint32_t tx) {
    uint32_t worst = ROOM;
    for (uint32_t links = tx & (RAMP_BITS - 1); links; links &= links - 1) {
        buffer *to = (buffer *)(v->store + l->out[__builtin_ctz(links)]);
        taken there = {.word = __atomic_load_n(&to->taken.word, __ATOMIC_ACQUIRE)};
        uint32_t count = to->tail - there.head;
        if (count + (there.popped == v->now32 + 1) < v->capacity) continue;
        if (count < v->capacity) worst |= ROOM_NEXT;
        else worst = NO_ROOM, __atomic_store_n(&to->waiting, 1, __ATOMIC_RELAXED);
    }
    if ((tx & RAMP_BITS) && ((const queue *)(v->queues + l->ring))->count >= l->slots) worst = NO_ROOM;
    return worst;
}

/* True when the wavelet filled the buffer: who has more for it sleeps until there is room. */
INLINE bool push(const visit *v, const lane *l, uint32_t out, uint32_t data, bool more) {
    const tick_facts *k = &v->b->facts;
    buffer *to = (buffer *)(v->store + l->out[out]);
    uint32_t end = to->tail, to_pe = v->pe + (uint32_t)k->step[out];
    to->e[end & v->mask] = (flit){data, k->ready};
    bool fills = more && end + 1 - to->taken.head >= v->capacity;
    if (to->waiting != fills) __atomic_store_n(&to->waiting, fills, __ATOMIC_RELAXED);
    __atomic_store_n(&to->tail, end + 1, __ATOMIC_RELEASE);
    v->f->routers[to_pe].hot |= 1u << l->out_lane[out];
    wake_at(v->b, k->soon, to_pe, v->now + v->f->hop);
    return fills;
}

/* True when the queue is full now. */
INLINE bool deliver(const visit *v, const lane *l, uint32_t data) {
    queue *q = (queue *)(v->queues + l->ring);
    uint32_t count = q->count, at = q->head + count, slots = l->slots, ramp = v->f->ramp;
    q->e[at >= slots ? at - slots : at] =
        (wse_wavelet){data, v->now32 + ramp, .color = l->color, .control = 0, .from = l->fast, .spare = 0};
    q->count = (uint16_t)(count + 1);
    v->r->ramp++;
    if (q->want | !count) {
        q->want = 0;
        wake_core(v->b, v->pe, v->now + ramp);
    }
    return count + 1 == slots;
}

/* All outputs get the wavelet. True when one of them is full now. */
INLINE bool outputs(const visit *v, lane *l, uint32_t tx, uint32_t data, bool more) {
    bool full = false;
    uint32_t links = tx & (RAMP_BITS - 1);
    l->granted = v->now32;
    happened(v->b, v->now);
    for (; links; links &= links - 1) {
        full |= push(v, l, (uint32_t)__builtin_ctz(links), data, more);
        v->r->hops++;
    }
    if (tx & RAMP_BITS) full |= deliver(v, l, data);
    return full;
}

INLINE uint32_t move(const visit *v, lane *l, uint32_t used) {
    buffer *in = (buffer *)(v->store + l->buffers);
    uint32_t head = in->taken.head, tail = __atomic_load_n(&in->tail, __ATOMIC_ACQUIRE), tx = l->tx;
    flit e = in->e[head & v->mask];
    if (head == tail) return SLEEP;
    uint32_t wait = flit_wait(e.meta, v->now32);
    if (wait) { /* looked at for another reason */
        v->r->hot |= 1u << (l - v->lanes);
        wake_first(v->b, v->pe, v->now + wait);
        return SLEEP;
    }
    if ((e.meta & 3) || ((tx & RAMP_BITS) && l->port == NO_PORT)) return OTHER;
    uint32_t can = room(v, l, tx);
    if (can != ROOM) return can == ROOM_NEXT ? RETRY : SLEEP;
    if (tx & used) return RETRY;
    uint32_t since_ready = (v->now32 - (e.meta >> 2)) & 0x3fffffff, since_pop = v->now32 - in->taken.popped;
    v->r->stall += since_ready < since_pop ? since_ready : since_pop;
    taken mine = {.head = head + 1, .popped = v->now32 + 1};
    __atomic_store_n(&in->taken.word, mine.word, __ATOMIC_RELEASE);
    if (l->fast == ISA_RAMP) {
        if (v->r->out_busy) wake_at(v->b, v->b->facts.next_slot, v->pe, v->now + 1);
    } else if (in->waiting && tail - head >= v->capacity) {
        router_wake_upstream(v->f, v->b, v->pe, l, in, l->fast, v->now);
    }
    bool more = head + 1 != tail, full = outputs(v, l, tx, e.data, more);
    return more && !full ? RETRY : MOVED;
}

/* False: nothing was done, take the long way. `wanted`: outputs of the hot lanes. */
INLINE bool through(const visit *v, const shape *s, uint32_t hot, uint32_t wanted) {
    router *r = v->r;
    uint32_t number = (uint32_t)__builtin_ctz(r->out_busy), slots = s->out_slots[number];
    queue *q = (queue *)(v->queues + r->queues + s->out_at[number]);
    const wse_wavelet *w = &q->e[q->head];
    uint32_t wait = wavelet_wait(w, v->now);
    if (wait) {
        wake_first(v->b, v->pe, v->now + wait);
        return true;
    }
    uint32_t lane_no = s->lane_of[w->color & 31];
    lane *l = &v->lanes[lane_no];
    if (l->fast != ISA_RAMP || (hot >> lane_no & 1) || w->control || w->spare || (l->tx & (wanted | RAMP_BITS)))
        return false;
    buffer *in = (buffer *)(v->store + l->buffers);
    if (in->tail != in->taken.head || room(v, l, l->tx) != ROOM) return false;
    in->taken = (taken){.head = in->tail + 1, .popped = v->now32 + 1};
    in->tail++;
    (void)outputs(v, l, l->tx, w->data, false);
    r->ramp++;
    r->out_last = (uint8_t)number;
    if ((r->out_want | r->out_want_empty) >> number & 1) {
        router_queue_pop(v->f, v->b, r, v->pe, number, v->now);
    } else {
        q->head = (uint16_t)(q->head + 1u == slots ? 0 : q->head + 1);
        if (!--q->count) r->out_busy = 0;
    }
    if (r->out_busy) wake_at(v->b, v->b->facts.next_slot, v->pe, v->now + 1);
    return true;
}

/* Outputs of these lanes, and do two want the same? False when one of them is not fast. */
INLINE bool all_fast(const lane *lanes, uint32_t hot, uint32_t *wanted, uint32_t *clash) {
    uint32_t seen = 0, twice = 0;
    for (; hot; hot &= hot - 1) {
        const lane *l = &lanes[__builtin_ctz(hot)];
        if (l->fast == NOT_FAST) return false;
        twice |= seen & l->tx;
        seen |= l->tx;
    }
    *wanted = seen;
    *clash = twice;
    return true;
}

/* Lanes that want the same outputs: who has waited longest chooses first (router.c). Lanes to look at again. */
static __attribute__((noinline)) uint32_t in_turns(fabric *f, band *b, router *r, uint32_t pe, uint32_t hot,
                                                   uint64_t now) {
    const tick_facts *k = &b->facts;
    lane *lanes = &f->lanes[r->lanes];
    visit v = {f, b, r, lanes, k->store, f->queues, now, pe, (uint32_t)now, k->capacity, k->mask};
    uint8_t order[ISA_COLORS];
    uint32_t n = router_order(lanes, hot, (uint32_t)now, order), used = 0, retry = 0;
    for (uint32_t i = 0; i < n; i++) {
        lane *l = &lanes[order[i]];
        uint32_t tx = l->tx, done = tx & used & (RAMP_BITS - 1) ? RETRY : move(&v, l, used);
        if (done == OTHER) used |= router_lane(f, b, pe, order[i], used, now);
        if (done == RETRY) retry |= 1u << order[i];
        if (done == MOVED || (done == RETRY && l->granted == (uint32_t)now)) used |= tx;
    }
    return retry;
}

static void take_long_way(fabric *f, band *b, router *r, uint32_t pe, uint64_t now) {
    uint32_t hot = r->hot;
    r->hot = 0;
    router_lanes(f, b, pe, hot, now);
}

void router_tick(fabric *f, band *b, uint32_t pe, uint64_t now) {
    router *r = &f->routers[pe];
    lane *lanes = &f->lanes[r->lanes];
    const tick_facts *k = &b->facts;
    uint32_t hot = r->hot, wanted, clash, retry = 0;
    bool fast = f->plain && pe - b->inner < b->inner_count && all_fast(lanes, hot, &wanted, &clash);
    visit v = {f, b, r, lanes, k->store, f->queues, now, pe, (uint32_t)now, k->capacity, k->mask};
    if (r->out_busy) {
        bool one = fast && !(r->out_busy & (r->out_busy - 1));
        if (!one || !through(&v, &f->shapes[r->shape], hot, wanted)) {
            router_inject(f, b, r, pe, now);
            if (fast && r->hot != hot) fast = all_fast(lanes, hot = r->hot, &wanted, &clash);
        }
    }
    if (!fast) {
        take_long_way(f, b, r, pe, now);
        return;
    }
    r->hot = 0;
    if (clash) retry = in_turns(f, b, r, pe, hot, now), hot = 0;
    for (; hot; hot &= hot - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(hot), done = move(&v, &lanes[i], 0);
        if (done == RETRY) retry |= 1u << i;
        if (done == OTHER) router_lanes(f, b, pe, 1u << i, now);
    }
    if (!retry) return;
    r->hot |= retry;
    wake_at(b, k->next_slot, pe, now + 1);
}
