/* What ran, when, and what every source line cost: recorded while the machine runs, read when it stands still.
 *
 *     wse *m = wse_new(&wafer, image, &(wse_options){.trace = true, .profile = true}, d);
 *     ... wse_run ...
 *     wse_events e;
 *     if (wse_trace_read(m, &e, d)) for (size_t i = 0; i < e.count; i++) use(&e.all[i]);
 *     wse_trace_free(&e);
 *
 * Events have a beginning and an end; they come sorted by (begin, pe, thread), which does not depend on the number of
 * threads. What has not ended is told too, as open. Every row of PEs keeps its last `trace_events / rows` events: older
 * ones are dropped and counted. Waits of less than WSE_TRACE_WAIT_CYCLES are no events; profile and counters have them.
 * Without options.trace and options.profile, wse.trace is NULL and nothing is allocated.
 */
#ifndef INGOT_WSE_TRACE_H
#define INGOT_WSE_TRACE_H

#include "wse/machine.h"

enum { WSE_TRACE_EVENTS = 1 << 20, WSE_TRACE_WAIT_CYCLES = 8, WSE_TRACE_MAIN = 0, WSE_TRACE_THREADS = 9 };

typedef enum { WSE_EVENT_TASK, WSE_EVENT_VECTOR, WSE_EVENT_WAIT, WSE_EVENT_LAUNCH, WSE_EVENT_KINDS } wse_event_kind;
typedef enum { WSE_WAITS_NOT, WSE_WAITS_INPUT, WSE_WAITS_OUTPUT, WSE_WAITS_EMPTY, WSE_WAITS_FULL } wse_wait_kind;

typedef struct {
    uint64_t begin, end; /* cycles; a microthread's operation ends with its last element */
    uint32_t pe, pc;     /* instruction in the PE's program; the source line is wse_trace_line */
    uint32_t length;     /* vector: elements, UINT32_MAX endless */
    uint8_t kind;        /* wse_event_kind */
    uint8_t thread;      /* 0 main, 1 + k microthread k */
    uint8_t what;        /* task: id; vector: isa_dsd_op; wait: wse_wait_kind */
    uint8_t on;          /* wait: port (WSE-2 color, WSE-3 input queue), output queue or FIFO */
    uint8_t operand[3];  /* vector: destination, first, second source: isa_dsd_kind, WSE_NO_OPERAND or WSE_REGISTER */
    bool open;           /* had not ended; `end` is the cycle of reading */
} wse_event;
enum { WSE_NO_OPERAND = 16, WSE_REGISTER };

typedef struct {
    wse_event *all;
    size_t count;
    uint64_t dropped;
    uint64_t whole_from; /* nothing that begins at this cycle or later was dropped */
} wse_events;

bool wse_trace_read(const wse *m, wse_events *out, diag *d); /* nothing recorded: no events */
void wse_trace_free(wse_events *e);
/* "task 9", "exchange", "@fadds", "waits for input queue 2" */
void wse_trace_name(const wse *m, const wse_event *e, strbuf *out);
void wse_trace_line(const wse *m, uint32_t program, uint32_t pc, strbuf *out); /* "pe.csl:14" */

/* What an instruction cost, summed over the PEs that run the program. */
typedef struct {
    uint64_t count;
    uint64_t cycles, wait_cycles;               /* main thread; waits are part of the cycles */
    uint64_t thread_cycles, thread_wait_cycles; /* microthreads: on the datapath; waiting */
} wse_cost;
/* false: no profile was asked for, or there is no such instruction. */
bool wse_profile_at(const wse *m, uint32_t program, uint32_t pc, wse_cost *out);

/* ---- for wse.c and the core; called only when m->trace is not NULL ---- */

bool trace_new(wse *m, diag *d); /* after the clock; leaves m->trace NULL when nothing is asked for */
void trace_release(wse *m);
size_t trace_bytes(const wse *m);
static inline void trace_issued(wse_cost *c, uint64_t cycles) { c->count++, c->cycles += cycles; }
wse_cost *trace_costs(const wse *m, uint32_t pe); /* by instruction; NULL without a profile */
void trace_launch(wse *m, uint32_t pe, uint32_t entry, uint64_t at);
void trace_task_begin(wse *m, uint32_t pe, uint8_t task, uint32_t entry, uint64_t at);
void trace_task_end(wse *m, uint32_t pe, uint64_t at);
/* A wait of thread `e->thread` at e->pc that is over. */
void trace_wait(wse *m, wse_event e);
void trace_vector_begin(wse *m, uint32_t pe, uint32_t thread, uint64_t at);
/* e.begin is filled in when the operation was begun before; `datapath_cycles`: of a microthread. */
void trace_vector(wse *m, wse_event e, uint64_t datapath_cycles);

#endif
