/* What a debugger needs of the machine: to be asked before instructions and cycles, and to look at what is in flight.
 *
 *     wse_debug_attach(m, &(wse_debugger){.context = d, .instruction = f, ...}, diag);
 *     wse_debug_mark(m, program, pc, true);      // f(d, pe) is called before any PE executes it
 *
 * With a debugger attached, cores do not run ahead of the clock: when it is called in cycle T, the fabric has done
 * cycle T, and every core what it does before T; cores other than this one may have done their step of T as well (the
 * order does not matter to the machine). Cycles and results are those of a run without. Only a vector operation on
 * memory alone, while no microthread is alive, is a single step. The machine must have been made for one thread.
 *
 * What is called may look, write memory, and end the run by wse_debug_end; it must not run the machine.
 */
#ifndef INGOT_WSE_DEBUG_H
#define INGOT_WSE_DEBUG_H

#include "wse/wse.h"

typedef struct {
    void *context;
    void (*run)(void *context);                      /* wse_run begins: the host may have written */
    void (*instruction)(void *context, uint32_t pe); /* is about to issue, at the current cycle */
    void (*cycle)(void *context);                    /* the cycle asked for, or the next one with events, begins */
    void (*cycle_done)(void *context);               /* after each cycle, while asked for */
} wse_debugger;

bool wse_debug_attach(wse *m, const wse_debugger *debugger, diag *d);
void wse_debug_mark(wse *m, uint32_t program, uint32_t pc, bool on);
void wse_debug_every(wse *m, uint32_t pe, bool on); /* before every instruction of this PE */
void wse_debug_at(wse *m, uint64_t cycle);          /* WSE_FOREVER: not */
void wse_debug_each_cycle(wse *m, bool on);
void wse_debug_end(wse *m, const char *why); /* as if the program had failed */

typedef enum { WSE_CORE_IDLE, WSE_CORE_RUNS, WSE_CORE_IN_VECTOR, WSE_CORE_HALTED } wse_core_state;
typedef struct {
    uint32_t pc; /* of the next instruction */
    uint32_t at; /* of what it is doing: the vector operation it is in, else pc */
    uint32_t sp, r[ISA_REGS];
    uint64_t time;                /* cycle at which it issues */
    uint64_t tasks, instructions; /* so far */
    uint64_t active, blocked;
    uint8_t state, task, microthreads, blocked_microthreads; /* bit sets of the last two */
    bool stalled;                                            /* waits at a single element (@map) */
    bool pending;                                            /* a launch is on its way to it, or waits */
    uint8_t last_thread;                                     /* that moved an element: 0 main, 1 + microthread */
    uint32_t last_thread_pc;
} wse_core_view;
void wse_debug_core(const wse *m, uint32_t pe, wse_core_view *out);

/* As text, one line each. */
void wse_debug_line(const wse *m, uint32_t pe, uint32_t pc, strbuf *out); /* "pe.csl:14" */
void wse_debug_waits(const wse *m, uint32_t pe, strbuf *out);
void wse_debug_dsrs(const wse *m, uint32_t pe, strbuf *out);              /* those that are loaded */
void wse_debug_vectors(const wse *m, uint32_t pe, strbuf *out);           /* operations in flight, with operands */
void wse_debug_queues(const wse *m, uint32_t pe, strbuf *out);            /* bound ones, with what is in them; FIFOs */
void wse_debug_router(const wse *m, uint32_t pe, int color, strbuf *out); /* < 0: every color */

/* ---- for clock.c, exec.c and wse.c ---- */
void debug_run(wse *m);
bool debug_cycle(wse *m); /* false: the run has been ended */
void debug_cycle_done(wse *m);
bool debug_instruction(wse *m, uint32_t pe, uint32_t pc,
                       bool again); /* again: it waited; false: the run has been ended */
void debug_release(wse *m);

#endif
