/* One cycle of a router: every hot lane whose first wavelet is ready and whose outputs all have room moves it.
 *
 *   router_inject  one wavelet from the core's output queues into the buffer (color, RAMP), queues in turn
 *   tick_in_turns  when two lanes want one output, the lane that has waited longest goes first (round robin among lanes
 *                  that always want it), the lower number on a tie; a multicast takes all its outputs or none
 *   lane_pick      may this lane move, and to where; if not, who will wake it
 *   lane_move      pop, push, count; a control wavelet then changes the switch

 * router_fast.c has the short road for what most lanes do most of the time.
 *
 * Decisions rest on the state at the start of the cycle (fabric_internal.h says how), so routers may be visited in any
 * order. Several inputs of one lane that are ready at once go in the order W E S N RAMP. */
#include "wse/fabric_internal.h"

typedef struct {
    lane *l;
    buffer *in;
    uint8_t lane_no, dir, tx;
} pick;

static void no_route(wse *m, uint32_t pe, const lane *l, uint32_t dir, uint32_t out, uint64_t now) {
    if (out == OUT_EDGE)
        wse_set_fault(m, pe, now,
                      "a wavelet of color %u leaves the fabric to the %s: end its route here (tx without %s), or make "
                      "the rectangle larger",
                      l->color, fabric_dir_names[dir], fabric_dir_names[dir]);
    else {
        uint32_t to = pe + (uint32_t)m->fabric->step[dir];
        wse_set_fault(
            m, pe, now,
            "a wavelet of color %u goes %s to PE(%u,%u), whose router has no route for the color from the %s: "
            "add %s to its rx",
            l->color, fabric_dir_names[dir], wse_x(m, to), wse_y(m, to), fabric_dir_names[dir ^ 1],
            fabric_dir_names[dir ^ 1]);
    }
}

/* ---- may it move? ---- */

enum { CAN_MOVE, CAN_RETRY, MUST_SLEEP };

static inline uint32_t link_has_room(fabric *f, band *b, uint32_t pe, const lane *l, uint32_t dir, uint64_t now) {
    uint32_t at = l->out[dir], count;
    if (at >= OUT_NONE) {
        no_route(b->m, pe, l, dir, at, now);
        return MUST_SLEEP;
    }
    if (f->link_free && f->link_free[(size_t)pe * MESH_DIRS + dir] >= (now + 1) * f->link_den) return CAN_RETRY;
    buffer *to = buffer_at(f, at);
    uint32_t capacity = link_capacity(f, pe, l, dir);
    if (buffer_start_count(to, now, &count) < capacity) return CAN_MOVE;
    if (count < capacity) return CAN_RETRY;
    __atomic_store_n(&to->waiting, 1, __ATOMIC_RELAXED);
    return MUST_SLEEP;
}

static uint32_t ramp_has_room(fabric *f, band *b, uint32_t pe, const router *r, const lane *l, flit e, uint64_t now) {
    if (l->filtered) {
        const plan *p = &f->plans[r->plans + (uint32_t)(l - &f->lanes[r->lanes])];
        if (!filter_passes(f, r, fabric_filter_of(b->m, pe, p), p->filter, e.data, e.meta & 1)) return CAN_MOVE;
    }
    if (l->port == NO_PORT) {
        wse_set_fault(b->m, pe, now,
                      "a wavelet of color %u is for the core, but no input queue is bound to the color: bind one with "
                      "@initialize_queue",
                      l->color);
        return MUST_SLEEP;
    }
    return in_queue(f, r, l->port)->count < f->shapes[r->shape].in_slots[l->port] ? CAN_MOVE : MUST_SLEEP;
}

/* Every output must be able to take it: the strictest answer counts. */
static inline uint32_t outputs_have_room(fabric *f, band *b, uint32_t pe, const router *r, const pick *k, flit e,
                                         uint64_t now) {
    uint32_t worst = CAN_MOVE;
    for (uint32_t tx = k->tx & (RAMP_BITS - 1); tx; tx &= tx - 1) {
        uint32_t can = link_has_room(f, b, pe, k->l, (uint32_t)__builtin_ctz(tx), now);
        if (can > worst) worst = can;
    }
    if (k->tx & RAMP_BITS) {
        uint32_t can = ramp_has_room(f, b, pe, r, k->l, e, now);
        if (can > worst) worst = can;
    }
    return worst;
}

/* The first input in the fixed order whose head is ready. *soonest: when a head will be. */
static inline buffer *ready_input(const fabric *f, const lane *l, uint64_t now, uint8_t *dir, uint32_t *soonest) {
    for (uint32_t rx = l->rx; rx; rx &= rx - 1) {
        uint32_t d = (uint32_t)__builtin_ctz(rx);
        buffer *in = lane_buffer(f, l, d);
        uint32_t tail = __atomic_load_n(&in->tail, __ATOMIC_ACQUIRE);
        if (in->taken.head == tail) continue;
        uint32_t wait = flit_wait(in->e[in->taken.head & f->buffer_mask].meta, (uint32_t)now);
        if (!wait) {
            *dir = (uint8_t)d;
            return in;
        }
        if (wait < *soonest) *soonest = wait;
    }
    return NULL;
}

static bool lane_pick(fabric *f, band *b, router *r, uint32_t pe, uint32_t lane_no, uint64_t now, pick *k) {
    lane *l = &f->lanes[r->lanes + lane_no];
    uint32_t soonest = UINT32_MAX;
    buffer *in = ready_input(f, l, now, &k->dir, &soonest);
    if (!in) {
        if (soonest == UINT32_MAX) return false;
        r->hot |= 1u << lane_no;
        wake_router(b, pe, now + soonest);
        return false;
    }
    flit e = in->e[in->taken.head & f->buffer_mask];
    k->l = l;
    k->in = in;
    k->lane_no = (uint8_t)lane_no;
    k->tx = l->tx;
    if (!k->tx) return false; /* a position without outputs: it waits for the switch */
    if ((e.meta & 1) && (control_command(e.data) & 4)) k->tx &= (uint8_t) ~(RAMP_BITS | HOST_BITS);
    if (k->tx & HOST_BITS) {
        streams_offer(b->m, b, pe, l->color);
        return false;
    }
    uint32_t can = outputs_have_room(f, b, pe, r, k, e, now);
    if (can == CAN_RETRY) {
        r->hot |= 1u << lane_no;
        wake_router(b, pe, now + 1);
    }
    return can == CAN_MOVE;
}

/* ---- moving ---- */

void router_wake_upstream(fabric *f, band *b, uint32_t pe, const lane *l, const buffer *in, uint32_t dir,
                          uint64_t now) {
    uint32_t up = pe + (uint32_t)f->step[dir];
    bool inside = up - b->first < b->end - b->first;
    /* Over the band's edge `waiting` may be written right now; but who found it full cannot have pushed, so the count
     * is exact. */
    if (inside && !in->waiting) return;
    if (!f->swaps) {
        heat(f, b, up, l->up_lane[dir], now + 1);
        return;
    }
    const router *r = &f->routers[up];
    for (uint32_t other = 0; other <= f->swaps; other++) { /* which of a pair it is over there may depend on the way */
        uint32_t lane_no = lane_index(f, r, l->color ^ other);
        if (lane_no != NO_LANE) heat(f, b, up, lane_no, now + 1);
    }
}

static inline void buffer_pop(fabric *f, band *b, router *r, uint32_t pe, const lane *l, buffer *in, uint32_t dir,
                              uint64_t now) {
    uint32_t head = in->taken.head, meta = in->e[head & f->buffer_mask].meta;
    uint32_t since_ready = ((uint32_t)now - (meta >> 2)) & 0x3fffffff, since_pop = (uint32_t)now - in->taken.popped;
    r->stall += since_ready < since_pop ? since_ready : since_pop;
    taken t = {.head = head + 1, .popped = (uint32_t)now + 1};
    bool full = __atomic_load_n(&in->tail, __ATOMIC_RELAXED) - head >= link_capacity(f, pe, l, dir);
    __atomic_store_n(&in->taken.word, t.word, __ATOMIC_RELEASE);
    if (dir < MESH_DIRS) {
        if (full) router_wake_upstream(f, b, pe, l, in, dir, now);
    } else if (r->out_busy) wake_router(b, pe, now + 1);
}

static inline void send(fabric *f, band *b, router *r, uint32_t pe, const pick *k, uint32_t dir, uint32_t data,
                        uint32_t control, uint64_t now) {
    buffer *to = buffer_at(f, k->l->out[dir]);
    uint32_t delay = f->hop + link_capacity(f, pe, k->l, dir) - f->buffer_capacity;
    if (f->turn && k->dir < MESH_DIRS && k->dir != (dir ^ 1)) delay += f->turn;
    to->e[to->tail & f->buffer_mask] = (flit){data, flit_meta(now + delay, control)};
    if (to->waiting) __atomic_store_n(&to->waiting, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&to->tail, to->tail + 1, __ATOMIC_RELEASE);
    r->hops++;
    if (f->link_free) {
        uint64_t *free_at = &f->link_free[(size_t)pe * MESH_DIRS + dir];
        *free_at = (*free_at > now * f->link_den ? *free_at : now * f->link_den) + f->link_num;
    }
    uint32_t to_pe = pe + (uint32_t)f->step[dir];
    /* Over the band's edge the lane is looked at next cycle and waits for itself; here, when the wavelet is ready. */
    heat(f, b, to_pe, k->l->out_lane[dir], now + delay);
}

static void deliver(fabric *f, band *b, router *r, uint32_t pe, const pick *k, flit e, uint64_t now) {
    if (k->l->filtered) {
        const plan *p = &f->plans[r->plans + k->lane_no];
        const isa_filter *filter = fabric_filter_of(b->m, pe, p);
        bool passes = filter_passes(f, r, filter, p->filter, e.data, e.meta & 1);
        filter_count(f, r, filter, p->filter, e.meta & 1);
        if (!passes) return;
    }
    wse_wavelet w = {e.data, (uint32_t)(now + f->ramp), k->l->color, e.meta & 1, k->dir, 0};
    port_deliver(b, pe, k->l->port, w, now);
}

/* Control wavelets and the last wavelet of a send with .advance_switch change the lane after they have passed. */
static void change_lane(fabric *f, band *b, router *r, uint32_t pe, const pick *k, flit e, uint32_t *onwards,
                        uint64_t now) {
    const plan *p = &f->plans[r->plans + k->lane_no];
    if (e.meta & 1) *onwards = control_apply(b->m, pe, k->l, p, e.data, now);
    if (e.meta & 2) lane_advance(k->l, p);
}

static void lane_move(fabric *f, band *b, router *r, uint32_t pe, const pick *k, uint64_t now) {
    flit e = k->in->e[k->in->taken.head & f->buffer_mask];
    uint32_t data = e.data, control = e.meta & 1, tx = k->tx;
    k->l->granted = (uint32_t)now;
    happened(b, now);
    buffer_pop(f, b, r, pe, k->l, k->in, k->dir, now);
    if (e.meta & 3) change_lane(f, b, r, pe, k, e, &data, now);
    if (tx & RAMP_BITS) deliver(f, b, r, pe, k, e, now);
    for (tx &= RAMP_BITS - 1; tx; tx &= tx - 1) send(f, b, r, pe, k, (uint32_t)__builtin_ctz(tx), data, control, now);
    /* More to come? One input that is empty now is woken by its next wavelet. */
    if ((e.meta & 3) || (k->l->rx & (k->l->rx - 1)) ||
        k->in->taken.head != __atomic_load_n(&k->in->tail, __ATOMIC_RELAXED)) {
        r->hot |= 1u << k->lane_no;
        wake_router(b, pe, now + 1);
    }
}

/* Lanes in the order in which they may choose outputs: who has waited longest, then the lower number. */
uint32_t router_order(const lane *lanes, uint32_t hot, uint32_t now, uint8_t *order) {
    uint32_t n = 0;
    for (; hot; hot &= hot - 1) {
        uint32_t one = (uint32_t)__builtin_ctz(hot), waited = now - lanes[one].granted, j = n++;
        for (; j > 0 && now - lanes[order[j - 1]].granted < waited; j--) order[j] = order[j - 1];
        order[j] = (uint8_t)one;
    }
    return n;
}

/* ---- from the core ---- */

static bool queue_head_enters(fabric *f, band *b, router *r, uint32_t pe, uint32_t q, uint64_t now) {
    queue *out = out_queue(f, r, q);
    const wse_wavelet *w = &out->e[out->head];
    uint32_t count, wait = wavelet_wait(w, now);
    if (wait) {
        wake_router(b, pe, now + wait);
        return false;
    }
    uint32_t lane_no = lane_index(f, r, w->color);
    lane *l = &f->lanes[r->lanes + lane_no];
    buffer *to = lane_buffer(f, l, ISA_RAMP);
    if (buffer_start_count(to, now, &count) >= f->buffer_capacity) return false;
    to->e[to->tail & f->buffer_mask] = (flit){w->data, flit_meta(now, w->control) | (uint32_t)w->spare << 1};
    to->tail++;
    r->hot |= 1u << lane_no;
    r->ramp++;
    return true;
}

void router_queue_pop(fabric *f, band *b, router *r, uint32_t pe, uint32_t q, uint64_t now) {
    queue *out = out_queue(f, r, q);
    out->head = (uint16_t)(out->head + 1 == f->shapes[r->shape].out_slots[q] ? 0 : out->head + 1);
    if (!--out->count) r->out_busy &= (uint8_t) ~(1u << q);
    uint32_t bit = 1u << q, empty = out->count ? 0 : r->out_want_empty & bit;
    if ((r->out_want & bit) || empty) {
        r->out_want &= (uint8_t)~bit;
        r->out_want_empty &= (uint8_t)~empty;
        wake_core(b, pe, now);
    }
}

/* A queue whose buffer is full is tried again when that buffer pops (buffer_pop). */
void router_inject(fabric *f, band *b, router *r, uint32_t pe, uint64_t now) {
    uint32_t first = (r->out_last + 1u) % ISA_QUEUES, twice = r->out_busy | (uint32_t)r->out_busy << ISA_QUEUES;
    for (uint32_t set = twice >> first & ((1u << ISA_QUEUES) - 1); set; set &= set - 1) {
        uint32_t q = (first + (uint32_t)__builtin_ctz(set)) % ISA_QUEUES;
        if (!queue_head_enters(f, b, r, pe, q, now)) continue;
        router_queue_pop(f, b, r, pe, q, now);
        r->out_last = (uint8_t)q;
        happened(b, now);
        if (r->out_busy) wake_router(b, pe, now + 1);
        return;
    }
}

/* ---- the tick ---- */

typedef struct {
    fabric *f;
    band *b;
    router *r;
    lane *lanes;
    uint64_t now;
    uint32_t pe, retry, used; /* lanes to look at again, outputs given away */
} tick;

static void tick_lane(tick *t, uint32_t i) {
    pick k;
    if (!lane_pick(t->f, t->b, t->r, t->pe, i, t->now, &k)) return;
    if (k.tx & t->used) {
        t->retry |= 1u << i;
        return;
    }
    lane_move(t->f, t->b, t->r, t->pe, &k, t->now);
    t->used |= k.tx;
}

/* Whoever comes first takes its outputs; a lane that finds a link given away need not look further. */
static void tick_in_turns(tick *t, uint32_t hot) {
    uint8_t order[ISA_COLORS];
    uint32_t n = router_order(t->lanes, hot, (uint32_t)t->now, order);
    for (uint32_t k = 0; k < n; k++)
        if (t->lanes[order[k]].tx & t->used & (RAMP_BITS - 1)) t->retry |= 1u << order[k];
        else tick_lane(t, order[k]);
}

/* Do several of these lanes want one output? */
static bool clash(const lane *lanes, uint32_t hot) {
    uint32_t seen = 0, twice = 0;
    for (; hot; hot &= hot - 1) {
        uint32_t tx = lanes[__builtin_ctz(hot)].tx;
        twice |= seen & tx;
        seen |= tx;
    }
    return twice;
}

uint32_t router_lane(fabric *f, band *b, uint32_t pe, uint32_t lane_no, uint32_t used, uint64_t now) {
    router *r = &f->routers[pe];
    tick t = {f, b, r, &f->lanes[r->lanes], now, pe, 0, used};
    tick_lane(&t, lane_no);
    if (t.retry) {
        r->hot |= t.retry;
        wake_router(b, pe, now + 1);
    }
    return t.used;
}

void router_lanes(fabric *f, band *b, uint32_t pe, uint32_t hot, uint64_t now) {
    router *r = &f->routers[pe];
    tick t = {f, b, r, &f->lanes[r->lanes], now, pe, 0, 0};
    if (clash(t.lanes, hot)) tick_in_turns(&t, hot);
    else
        for (; hot; hot &= hot - 1) tick_lane(&t, (uint32_t)__builtin_ctz(hot));
    if (!t.retry) return;
    r->hot |= t.retry;
    wake_router(b, pe, now + 1);
}

bool router_take_for_host(fabric *f, band *b, uint32_t pe, uint32_t lane_no, uint64_t now, uint32_t *data) {
    router *r = &f->routers[pe];
    lane *l = &f->lanes[r->lanes + lane_no];
    uint8_t dir;
    uint32_t soonest = UINT32_MAX;
    buffer *in = ready_input(f, l, now, &dir, &soonest);
    if (!in) return false;
    pick k = {.l = l, .in = in, .lane_no = (uint8_t)lane_no, .dir = dir};
    flit e = in->e[in->taken.head & f->buffer_mask];
    uint32_t onwards;
    *data = e.data;
    buffer_pop(f, b, r, pe, l, in, dir, now);
    if (e.meta & 3) change_lane(f, b, r, pe, &k, e, &onwards, now);
    r->hot |= 1u << lane_no;
    wake_router(b, pe, now + 1);
    return true;
}
