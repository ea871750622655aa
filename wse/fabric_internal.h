/* The fabric and the clock: what fabric*.c, router*.c, stream.c, clock.c and wse.c know of each other.
 *
 * Per PE one `router`; per (PE, configured color) one `lane` with the route in force and where its outputs lead; per
 * (lane, input direction) one `buffer`; per bound queue one `queue`. Buffers and queues of a PE lie together in `store`
 * and are all zero when empty, so that the pages of idle PEs never come into being.
 *
 * Who writes what, so that one pass over the routers in any order gives the same state as "decide all, then commit
 * all": buffer.taken           the router that owns the buffer       buffer.tail, .waiting, entries   the router
 * upstream
 * - a wavelet pushed in a cycle has a later `ready`, so the owner does not see it this cycle, whoever comes first;
 * - a pop is stamped with its cycle, so upstream can still tell how full the buffer was when the cycle began.
 * For the same reason bands of rows run on threads with one barrier per cycle; only these words cross a band's edge.
 *
 * A lane is `hot` when it may be able to move. Who makes a blocked lane movable again (room downstream, a new wavelet,
 * a switch, a stream) sets its hot bit and puts the router on the wheel. A lane that is not hot costs nothing.
 */
#ifndef INGOT_WSE_FABRIC_INTERNAL_H
#define INGOT_WSE_FABRIC_INTERNAL_H

#include "base/mem.h"
#include "base/thread.h"
#include "wse/machine.h"
#include <stdatomic.h>

enum {
    NO_LANE = 0xff,
    NO_PORT = 0xff,
    NO_FILTER = 0xff,
    NOT_FAST = 0xff,
    MESH_DIRS = 4, /* W E S N: those with a link */
    RAMP_BITS = ISA_BIT(ISA_RAMP),
    HOST_BITS = ISA_BIT(ISA_HOST),
    WHEEL_SLOTS = 256,
    CONTROL_NOP_NOCE = 4,
};
#define OUT_EDGE UINT32_MAX       /* lane.out: off the fabric */
#define OUT_NONE (UINT32_MAX - 1) /* no route for the color over there */

/* ---- wavelets on their way ---- */

typedef struct {
    uint32_t data;
    uint32_t meta; /* ready << 2 | advance << 1 | control */
} flit;

typedef union {
    struct {
        uint32_t head, popped; /* entries taken; low bits of 1 + the cycle of the last one, 0 = never */
    };
    uint64_t word; /* both, written and read at once */
} taken;

typedef struct {
    taken taken;
    uint32_t tail, waiting; /* entries put; upstream found it full and sleeps */
    flit e[];               /* power of two >= capacity */
} buffer;

typedef wse_queue queue;

static inline uint32_t flit_meta(uint64_t ready, bool control) { return (uint32_t)ready << 2 | (control ? 1u : 0u); }

/* Cycles until it may move, 0 = now. */
static inline uint32_t flit_wait(uint32_t meta, uint32_t now) {
    uint32_t ahead = ((meta >> 2) - now) & 0x3fffffff;
    return ahead < LATE_CYCLES ? ahead : 0;
}

/* ---- routes ---- */

/* The positions of a color at a router; shared by equal PEs unless the program rewrites routes. */
typedef struct {
    uint8_t rx[4], tx[4];
    uint8_t own_rx, own_tx; /* bit k: position k names this side itself; else it is that of the position before */
    uint8_t color, dirs; /* dirs: inputs that have a buffer */
    uint8_t start, pop;
    bool ring, teardown, swap_x, swap_y;
    uint8_t filter; /* index among the PE's filters, NO_FILTER */
    uint8_t route;  /* index in the route set, 0xff: the automatic route to the host */
} plan;

typedef struct {
    uint32_t buffers;            /* in store: that of the lowest direction, the others follow */
    uint32_t out[MESH_DIRS];     /* in store: the buffer a tx direction leads to, or OUT_* */
    uint8_t out_lane[MESH_DIRS]; /* lane over there */
    uint8_t up_lane[MESH_DIRS];  /* lane that sends to this one from a direction, without color swaps */
    uint32_t granted;            /* low bits of the cycle of the last move: the longest waiting lane goes first */
    uint8_t rx, tx;              /* in force; 0 in teardown */
    uint8_t dirs, position;
    uint8_t port; /* input queue, NO_PORT */
    uint8_t color;
    bool teardown, raised, filtered; /* raised: entered teardown and no handler was told so far */
    uint8_t fast; /* the one direction in, when move_fast may carry its wavelets; else NOT_FAST */
    uint8_t longer; /* directions whose link takes more than a hop (fabric.extra) */
    uint16_t slots; /* of the input queue, and its place in fabric.queues */
    uint32_t ring;
} lane;

typedef struct {
    uint16_t counter, limit, max, state;
} filter_state;

typedef struct {
    uint64_t hops;
    uint64_t stall;
    uint32_t shape, lanes, plans, store, queues; /* first of its own */
    uint32_t hot;                                /* by lane */
    uint32_t ramp, io;
    uint8_t out_busy;                 /* by output queue: not empty */
    uint8_t out_last;                 /* queue that used the ramp last */
    uint8_t out_want, out_want_empty; /* the core waits for room; for an empty queue */
    uint16_t controls;                /* wavelets in the input queues that are control wavelets */
} router;

/* What PEs with the same program and route set have in common. Offsets count 8-byte units, those of
 * buffers from router.store, the others from router.queues. */
typedef struct {
    uint32_t program, route_set;
    uint32_t lanes, plans, units, queue_units;
    bool own_plans;
    uint8_t filters;
    uint32_t filter_at, binding_at;
    uint8_t lane_of[32];            /* by color */
    uint32_t buffer_at[ISA_COLORS]; /* by lane */
    uint32_t in_at[ISA_COLORS], out_at[ISA_QUEUES];
    uint16_t in_slots[ISA_COLORS], out_slots[ISA_QUEUES]; /* by port; 0 = no such queue */
} shape;

/* ---- host streams ---- */

typedef struct {
    wse_rect_stream s;
    bool out, done;
    uint32_t *words;    /* the host's; not written for an input */
    uint32_t *position; /* [height][width] words passed */
    uint64_t *able;     /* [height] bit sets of columns that may have room (in) or a wavelet (out) */
    uint32_t *cursor;   /* [height] the column that was served last */
    uint32_t row_words;
    _Atomic uint64_t left;
    uint64_t opened;
} stream;

typedef struct {
    stream **all;
    uint32_t count, capacity;
    uint32_t *open; /* ids, in order */
    uint32_t open_count;
    uint64_t *tokens_at; /* [2][height]: cycle of the last refill */
    uint32_t *tokens;    /* [2][height]: thousandths of a wavelet */
    uint8_t *awake;      /* [height] */
} streams;

struct fabric {
    router *routers;
    lane *lanes;
    plan *plans;
    shape *shapes;
    uint64_t *store;     /* buffers: what every hop touches lies close together */
    uint64_t *queues;    /* queues, filters and bindings */
    uint16_t *extra;     /* [pes][4] cycles of links beyond a hop; NULL when there are none */
    uint64_t *link_free; /* [pes][4], in 1/den cycles; NULL when links take one wavelet a cycle */
    streams streams;
    uint32_t shape_count, lane_count, plan_count;
    uint32_t buffer_units, buffer_capacity, buffer_mask;
    uint32_t hop, turn, ramp, link_num, link_den;
    int32_t step[MESH_DIRS]; /* pe of the neighbour less own pe */
    bool swaps;              /* some router swaps colors */
    bool plain;              /* links take one wavelet a cycle and turns are free: fast lanes may be */
    size_t bytes;
};

static inline buffer *buffer_at(const fabric *f, uint32_t at) { return (buffer *)(f->store + at); }
static inline buffer *lane_buffer(const fabric *f, const lane *l, uint32_t dir) {
    uint32_t below = l->dirs & (ISA_BIT(dir) - 1);
    return buffer_at(f, l->buffers + (below ? (uint32_t)__builtin_popcount(below) * f->buffer_units : 0));
}
static inline queue *in_queue(const fabric *f, const router *r, uint32_t port) {
    return (queue *)(f->queues + r->queues + f->shapes[r->shape].in_at[port]);
}
static inline queue *out_queue(const fabric *f, const router *r, uint32_t q) {
    return (queue *)(f->queues + r->queues + f->shapes[r->shape].out_at[q]);
}
static inline filter_state *filter_of(const fabric *f, const router *r, uint32_t k) {
    return (filter_state *)(f->queues + r->queues + f->shapes[r->shape].filter_at) + k;
}
static inline uint32_t lane_index(const fabric *f, const router *r, uint32_t color) {
    return f->shapes[r->shape].lane_of[color & 31];
}
/* Wavelets in a buffer or on its wire: a longer wire holds more, so that it still takes one a cycle. */
static inline uint32_t link_capacity(const fabric *f, uint32_t pe, const lane *l, uint32_t dir) {
    return f->buffer_capacity + (l->longer & ISA_BIT(dir) ? f->extra[(size_t)pe * MESH_DIRS + dir] : 0);
}
static inline uint32_t wse_x(const wse *m, uint32_t pe) { return pe % m->width; }
static inline uint32_t wse_y(const wse *m, uint32_t pe) { return pe / m->width; }

/* Entries when the cycle began: what was taken in it still counts. */
static inline uint32_t buffer_start_count(const buffer *b, uint64_t now, uint32_t *count_now) {
    taken t = {.word = __atomic_load_n(&b->taken.word, __ATOMIC_ACQUIRE)};
    *count_now = b->tail - t.head;
    return *count_now + (t.popped == (uint32_t)now + 1);
}

extern const char *const fabric_dir_names[ISA_DIRS];

/* ---- clock.c ---- */

/* A wheel of bit sets over the PEs of a band, one per slot. `sum`: words of a slot that are not zero. */
typedef struct {
    uint64_t *bits, *sum;
    uint32_t words, sum_words;
    uint64_t occupied[WHEEL_SLOTS / 64];
} wheel;

typedef struct {
    uint64_t cycle;
    uint32_t pe;
} far_wake;

/* What every tick of a cycle looks up, once per cycle: the compiler must expect any store to change what pointers lead
 * to. */
typedef struct {
    uint64_t *store, *soon, *next_slot; /* the routers' slots of now + hop and now + 1 */
    uint32_t mask, capacity, ready;
    int32_t step[MESH_DIRS];
} tick_facts;

typedef struct {
    wse *m;
    uint32_t y0, y1, first, end; /* rows, PEs */
    uint32_t inner, inner_count; /* PEs whose neighbours are of this band too */
    wheel routers, cores;
    far_wake *far; /* heap by cycle */
    uint32_t far_count, far_capacity;
    uint64_t now;
    uint64_t last; /* cycle of the last visit that had an effect: visits without one depend on threads */
    tick_facts facts;
    bool stepping;  /* in phase 2 */
    bool faulted, stream_done;
    bool held; /* a pipe goes on after the end of the run */
    uint32_t rows_awake;
    uint32_t visits; /* of this cycle: is it worth threads? */
    uint32_t *order; /* for `shuffle` */
    /* Lanes that the neighbouring band made hot: [side][parity of its cycle][x]; side 0 from above, 1 from below */
    uint32_t *mail[2][2];
    bool mail_any[2][2];
    struct {
        uint64_t visits;
        bool stop;
        uint64_t after; /* cycle after the last visit */
    } said[2]; /* by parity, read by all threads behind the barrier */
} band;

struct clockwork {
    band *bands;
    uint32_t count, thread_count;
    uint16_t *band_of_row;
    struct {
        _Atomic uint32_t dealt[2]; /* of its bands in this step, by parity of the step; two cache lines */
        uint32_t spare[30];
    } *deals; /* by thread */
    pool *threads;
    atomic_flag fault_lock;
    uint64_t until;
    bool stop_for_streams;
    bool apart; /* no route leads from one band to another */
    size_t bytes;
};

static inline band *band_of(const wse *m, uint32_t pe) {
    clockwork *c = m->clock;
    return &c->bands[c->count == 1 ? 0 : c->band_of_row[pe / m->width]];
}

static inline void wheel_set(wheel *w, uint32_t i, uint64_t cycle) {
    uint32_t slot = (uint32_t)cycle & (WHEEL_SLOTS - 1), word = i >> 6;
    uint64_t *p = &w->bits[(size_t)slot * w->words + word];
    if (!*p) {
        w->sum[(size_t)slot * w->sum_words + (word >> 6)] |= 1ull << (word & 63);
        w->occupied[slot >> 6] |= 1ull << (slot & 63);
    }
    *p |= 1ull << (i & 63);
}
/* Cores that run ahead of the clock may have come further. */
static inline void happened(band *b, uint64_t now) {
    if (now > b->last) b->last = now;
}
/* Visit the router at `cycle`. Too far away: sooner, it will find out itself. */
static inline void wake_router(band *b, uint32_t pe, uint64_t cycle) {
    if (cycle - b->now >= WHEEL_SLOTS) cycle = b->now + WHEEL_SLOTS - 1;
    wheel_set(&b->routers, pe - b->first, cycle);
}
/* Visits the core of this band at a cycle of the wheel that is not over. */
static inline void wake_core(band *b, uint32_t pe, uint64_t cycle) { wheel_set(&b->cores, pe - b->first, cycle); }

/* Makes a lane of any PE hot, from the router next to it or from its own. */
static inline void heat(fabric *f, band *b, uint32_t pe, uint32_t lane_no, uint64_t cycle) {
    if (pe - b->first < b->end - b->first) {
        f->routers[pe].hot |= 1u << lane_no;
        wake_router(b, pe, cycle);
        return;
    }
    bool up = pe < b->first;
    band *other = up ? b - 1 : b + 1;
    uint32_t x = pe % b->m->width;
    other->mail[up][b->now & 1][x] |= 1u << lane_no;
    other->mail_any[up][b->now & 1] = true;
}

/* ---- router.c, router_control.c, router_ports.c, fabric.c ---- */

void router_facts(const fabric *f, band *b, uint64_t now); /* before the ticks of a cycle */
void router_tick(fabric *f, band *b, uint32_t pe, uint64_t now); /* router_fast.c */
void router_inject(fabric *f, band *b, router *r, uint32_t pe, uint64_t now);
void router_lanes(fabric *f, band *b, uint32_t pe, uint32_t hot, uint64_t now); /* these lanes move what they may */
uint32_t router_lane(fabric *f, band *b, uint32_t pe, uint32_t lane_no, uint32_t used, uint64_t now); /* used after it */
uint32_t router_order(const lane *lanes, uint32_t hot, uint32_t now, uint8_t *order); /* who chooses first */
void router_queue_pop(fabric *f, band *b, router *r, uint32_t pe, uint32_t q, uint64_t now);
void router_wake_upstream(fabric *f, band *b, uint32_t pe, const lane *l, const buffer *in, uint32_t dir, uint64_t now);
/* Takes the head of a lane's RAMP buffer for the host; false when none is ready. */
bool router_take_for_host(fabric *f, band *b, uint32_t pe, uint32_t lane_no, uint64_t now, uint32_t *data);

/* Command 0 of a control wavelet: bits 0-1 the command, bit 2 "not for this core". */
static inline uint32_t control_command(uint32_t payload) { return payload >> 22 & 7; }
uint32_t control_popped(uint32_t payload);
/* Applies command 0 to the lane and returns the payload for the next router. */
uint32_t control_apply(wse *m, uint32_t pe, lane *l, const plan *p, uint32_t payload, uint64_t now);
void lane_advance(lane *l, const plan *p);
void lane_take_position(lane *l, const plan *p);
bool filter_passes(const fabric *f, const router *r, const isa_filter *k, uint32_t filter, uint32_t data, bool control);
void filter_count(fabric *f, const router *r, const isa_filter *k, uint32_t filter, bool control);
const isa_filter *fabric_filter_of(const wse *m, uint32_t pe, const plan *p);

/* Puts a wavelet into an input queue that has room. */
void port_deliver(band *b, uint32_t pe, uint32_t port, wse_wavelet w, uint64_t now);
/* Queue bound to a color (WSE-3) or the color itself (WSE-2), NO_PORT. */
uint32_t port_of_color(const wse *m, uint32_t pe, uint32_t color);
uint32_t port_color(const wse *m, uint32_t pe, uint32_t port);
uint32_t out_queue_color(const wse *m, uint32_t pe, uint32_t q);
void port_rebind(wse *m, uint32_t pe, uint32_t q, bool output, uint32_t color);
void lane_take_port(const wse *m, uint32_t pe, lane *l);
/* Something about a lane of this PE changed from outside the tick: look again next cycle. */
void fabric_look_again(wse *m, uint32_t pe, uint32_t lane_no);

/* Routers that wait for each other in a circle: one line, or nothing. */
void fabric_explain_circle(const wse *m, strbuf *out);
/* Cores that wait for each other, each for a color that the next one sends: one line per circle. */
void fabric_explain_cores(const wse *m, strbuf *out);
void fabric_explain_writers(const wse *m, uint32_t pe, strbuf *out);

/* ---- stream.c ---- */

bool streams_new(wse *m, diag *d);
void streams_free(fabric *f);
void streams_tick(wse *m, band *b, uint64_t now);
/* A wavelet for the host is ready at this lane: true when a stream will take it (then it is noted). */
void streams_offer(wse *m, band *b, uint32_t pe, uint32_t color);
/* The core made room in an input queue. */
void streams_room(wse *m, band *b, uint32_t pe, uint32_t port);

/* ---- clock.c ---- */
void band_cycle(band *b, uint64_t now);

#endif
