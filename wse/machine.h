/* Inside the machine: what the clock, the fabric and the cores know of each other. Nobody outside wse/ includes this.
 *
 * One cycle `now`:
 *   1. fabric_tick: wavelets move one hop, all decided on the state at the start of the cycle; those for a core enter its input
 *      queues (readable `ramp_cycles` later), those in output queues enter the router; host streams feed and drain
 *   2. core_step for every PE that is awake at `now`, in any order: it touches only its own state
 * A sleeping PE costs nothing: it is woken by clock_wake (its own timer) or by fabric events.
 *
 * Cores may run ahead of the clock: scalar code and memory-only vector operations, while no microthread is alive, see nothing
 * of the fabric, so a core executes them at once in its own time and sleeps until the clock has caught up. Streams between the
 * fabric and memory run ahead as far as the ramp is deep (core_stream.c); where all their wavelets go through paths that nobody
 * shares (pipe.h), which the routers then leave alone, as far as it is known what arrives and when there is room (core_far.c).
 */
#ifndef INGOT_WSE_MACHINE_H
#define INGOT_WSE_MACHINE_H

#include "wse/wse.h"

typedef struct {
    uint32_t data;
    uint32_t ready;        /* low 32 bits of the cycle from which it may be read or moved; compare by signed difference */
    uint8_t color, control;
    uint8_t from;          /* isa_dir it came from */
    uint8_t spare;
} wse_wavelet;

enum { LATE_CYCLES = 1 << 20 }; /* no wavelet is under way for longer: older stamps are in the past */
/* Cycles until it may be read or moved, 0 = now. */
static inline uint32_t wavelet_wait(const wse_wavelet *w, uint64_t now) {
    uint32_t ahead = w->ready - (uint32_t)now;
    return ahead < LATE_CYCLES ? ahead : 0;
}

/* A queue at the ramp: a ring. */
typedef struct {
    uint16_t head, count;
    uint8_t want; /* the core asked in vain */
    uint8_t spare[3];
    wse_wavelet e[];
} wse_queue;

typedef struct fabric fabric;   /* fabric.c: routers, links, ramp queues, host streams */
typedef struct cores cores;     /* core.c: registers, tasks, microthreads, DSRs */
typedef struct clockwork clockwork; /* clock.c: wheel, bands, threads */
typedef struct wse_recorder wse_recorder; /* trace.c: events, costs */
typedef struct wse_check wse_check; /* check.c */
typedef struct pipes pipes; /* pipe.c: paths that nobody shares */
typedef struct wse_debug wse_debug; /* debug.c: where a debugger wants to be asked */

/* From one PE's memory to the next: an odd number of cache lines, or else the same word of all PEs would compete for a few
 * sets of the host's caches. */
enum { WSE_STRIDE_WORDS = ISA_SRAM_WORDS + 96 };

struct wse {
    const isa_wafer *wafer;
    const isa_image *image;
    wse_options options;
    uint32_t width, height, pes;
    uint64_t cycle;
    uint16_t *memory;      /* [pes][WSE_STRIDE_WORDS], reserved address space, pages appear when touched */
    fabric *fabric;
    cores *cores;
    clockwork *clock;
    pipes *pipes;
    wse_recorder *trace;   /* NULL: nothing is recorded */
    wse_debug *debug;      /* NULL: nobody looks on */
    wse_check *check;      /* NULL: nothing is checked */
    bool looked_at;        /* one of the three: everything happens in its own cycle */
    char fault[512];       /* the fault of the smallest (cycle, pe); set through wse_set_fault */
    uint64_t fault_cycle;
    uint32_t fault_pe;
};

static inline const isa_program *wse_program(const wse *m, uint32_t pe) {
    return &m->image->programs[m->image->tiles[pe].program];
}
static inline uint16_t *wse_words(const wse *m, uint32_t pe) { return m->memory + (size_t)pe * WSE_STRIDE_WORDS; }

/* Any thread may call it; the smallest (cycle, pe) wins, so that the message does not depend on threads. The run stops at the end of the cycle. */
void wse_set_fault(wse *m, uint32_t pe, uint64_t cycle, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- memory.c ---- */
enum { MEMORY_BLOCK_WORDS = 1024, MEMORY_BLOCKS = ISA_SRAM_WORDS / MEMORY_BLOCK_WORDS };
typedef struct {
    int file;
    size_t page_bytes, first, count; /* pages whose entries are at hand */
    uint64_t entries[512];
} memory_walk;
bool memory_new(wse *m, diag *d);
void memory_free(wse *m);
void memory_walk_begin(memory_walk *w); /* in the order of PEs and blocks it is fast */
void memory_walk_end(memory_walk *w);
bool memory_block_used(const wse *m, memory_walk *w, uint32_t pe, uint32_t block); /* holds something but zeros */

/* ---- check.c ---- */
bool check_new(wse *m, diag *d);
void check_release(wse *m);

/* ---- clock.c: who runs when ---- */
bool clock_new(wse *m, diag *d); /* after fabric_new */
void clock_free(wse *m);
void clock_start_at(wse *m); /* nobody is awake and the next cycle is m->cycle: of a new machine that is to go on */
void clock_wake(wse *m, uint32_t pe, uint64_t cycle);   /* core_step(pe) at `cycle` (> now, or = now from fabric_tick). A PE may have
                                                         * several wake times; extra wake-ups are harmless, lost ones are not */

/* How far a core may run ahead in a step at `now` when it sees the fabric: what it finds in its queues at `now` is all that it can
 * read up to the cycle returned (deliveries still take the ramp), and nobody looks at the machine before that is over. */
uint64_t clock_window(const wse *m, uint64_t now);
void clock_happened(wse *m, uint32_t pe, uint64_t now); /* a visit had an effect: a quiet machine stands at the cycle after the last one */

/* ---- fabric.c: for the cores ---- */
bool fabric_new(wse *m, diag *d);
void fabric_free(wse *m);
bool fabric_edge_free(const wse *m, uint32_t y); /* does no route lead from one of the rows y - 1 and y to the other? */
/* The input queue of a port (WSE-2: color, WSE-3: input queue id): the wavelet at its head when readable at `now`, else NULL. A core that
 * finds none is woken when one becomes readable. */
const wse_wavelet *fabric_in_head(const wse *m, uint32_t pe, uint32_t port, uint64_t now);
const wse_wavelet *fabric_in_peek(const wse *m, uint32_t pe, uint32_t port, uint32_t k, uint64_t now); /* k-th readable one, 0 = head */
void fabric_in_pop(wse *m, uint32_t pe, uint32_t port, uint64_t now);
/* Output queue `q`. A core that finds no room is woken when some appears. `color` is ignored on WSE-3 (the queue's own). */
/* WSE-2: the color from which operations on an input queue take: `color`, unless the program bound the queue again. */
uint32_t fabric_in_color(const wse *m, uint32_t pe, uint32_t q, uint32_t color);
uint32_t fabric_out_room(const wse *m, uint32_t pe, uint32_t q);
void fabric_out_push(wse *m, uint32_t pe, uint32_t q, uint32_t color, uint32_t data, bool control, uint64_t now);
bool fabric_out_empty(const wse *m, uint32_t pe, uint32_t q);

/* The short road of streams (core_stream.c), which works on the queues themselves. A queue is given by its place behind
 * fabric_queues; FABRIC_NO_QUEUE: there is none, or the program may bind it to another color. For an output the answer
 * also says that nothing can be wrong with what is sent as `color` (which it resolves). */
#define FABRIC_NO_QUEUE UINT32_MAX
uint64_t *fabric_queues(const wse *m);
uint32_t fabric_in_ring(const wse *m, uint32_t pe, uint32_t port, uint16_t *slots);
uint32_t fabric_out_ring(const wse *m, uint32_t pe, uint32_t q, uint8_t *color, uint16_t *slots);
void fabric_in_freed(wse *m, uint32_t pe, uint32_t port, uint64_t now);  /* taken from a full input queue at `now` */
void fabric_out_first(wse *m, uint32_t pe, uint32_t q, uint64_t ready);  /* put into an empty output queue */
void fabric_out_full(wse *m, uint32_t pe, uint32_t q);                   /* the core waits for room */
bool fabric_in_quiet(const wse *m, uint32_t pe, uint32_t ports);         /* no wavelet in these input queues, no control wavelet in any */

void fabric_advance_switch(wse *m, uint32_t pe, uint32_t color);             /* .advance_switch; takes effect next cycle */
bool fabric_config_read(const wse *m, uint32_t pe, uint32_t address, uint16_t *value);  /* addresses of the fabric in isa/config.h; false: not mine */
bool fabric_config_write(wse *m, uint32_t pe, uint32_t address, uint16_t value, uint64_t now);
uint32_t fabric_teardown_pending(const wse *m, uint32_t pe);                 /* colors whose teardown has not been exited */
/* Colors that entered teardown by a command or a write since the last call. A color that starts in teardown is not among them: the
 * public allreduce code waits for task 29 once per command and configures the first state itself. */
uint32_t fabric_teardown_take(wse *m, uint32_t pe);
uint64_t fabric_hash(const wse *m, uint32_t pe, uint64_t seed);
void fabric_count(const wse *m, uint32_t pe, wse_counters *out);             /* adds its own */
void fabric_explain(const wse *m, uint32_t pe, strbuf *out);                 /* what is stuck at this router, one line each */

/* ---- core.c: for clock and fabric ---- */
bool cores_new(wse *m, diag *d);
void cores_free(wse *m);
void core_step(wse *m, uint32_t pe, uint64_t now);
bool core_idle(const wse *m, uint32_t pe);                 /* no task runnable or running, no microthread alive */
/* Task 29 shall run (a color entered teardown, or a flushed output queue became empty). Called in fabric_tick or core_step of this PE. */
void core_raise(wse *m, uint32_t pe, uint64_t now);
uint64_t core_hash(const wse *m, uint32_t pe, uint64_t seed);
void core_count(const wse *m, uint32_t pe, wse_counters *out);
void core_explain(const wse *m, uint32_t pe, strbuf *out); /* task, microthreads and what each waits for, with source lines */
void core_show_fifos(const wse *m, uint32_t pe, strbuf *out); /* for the debugger */
int core_waits_color(const wse *m, uint32_t pe); /* that a running task or a microthread waits to receive, -1 none */
/* wse_command_ready and wse_launch are these two and no more. */
bool core_command_ready(const wse *m, uint32_t pe);
void core_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t arg_words, uint32_t delay_cycles);
/* Writes what PRINT completed to options.log. core_flush_log: one PE. core_flush_logs: all, in PE order; the clock calls it at the end
 * of every cycle on one thread (it costs one load when nothing was printed), so that lines come in (cycle, PE) order. */
void core_flush_log(wse *m, uint32_t pe);
void core_flush_logs(wse *m);
bool core_any_prints(const wse *m);                        /* any program at all */
size_t core_bytes(const wse *m);                           /* host memory the cores reserved */

#endif
