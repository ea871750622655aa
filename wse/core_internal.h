/* The core (compute element) of a PE: what its files know of each other. Nobody but wse/core*.c, exec.c, task.c,
 * dsd*.c, microthread.c and fifo.c includes this.
 *
 *     core_step --> threads_step  vector operations in progress take one group of elements   (microthread.c, dsd.c,
 * fifo.c)
 *               --> task_pick     an idle main thread takes a task                           (task.c)
 *               --> core_exec     the main thread executes, ahead of the clock when it may   (exec.c, dsd.c,
 * core_config.c)
 *
 * A core has one main thread and up to eight microthreads. `time` is the cycle at which the main thread's next
 * instruction issues; it may lie in the future of the clock (`now`). Instructions that touch the fabric, the log or a
 * microthread wait until the clock has come to `time`; so does a fault, whose instruction is executed again then
 * (faults are found before any effect).
 *
 * State that most PEs never touch (DSRs, vector operations in progress, FIFOs, log lines) lies in pools sized by what
 * the programs can use; their pages come into being when written.
 */
#ifndef INGOT_WSE_CORE_INTERNAL_H
#define INGOT_WSE_CORE_INTERNAL_H

#include "wse/machine.h"
#include "wse/trace.h"
#include "isa/config.h"
#include <stdatomic.h>

enum {
    CORE_ZERO = 16,               /* r[16] is 0: what NO_REG becomes in addresses and ids */
    CORE_THREADS = 9,             /* 0 = main, 1 + k = microthread k */
    CORE_AHEAD_CYCLES = 65536,    /* run-ahead per step: an endless loop must not hold up wse_run */
    CORE_RETURN_HANDLER = 0xffff, /* return address under a teardown or flush handler */
    CORE_PRNGS = 4,
    CORE_LOG_BYTES = 4096, /* of lines per PE and cycle */
    CORE_NO_SLOT = 0xff,
    /* instructions that only exist after decoding */
    CORE_OP_ADDI_SP = 120, /* ADDI to the stack pointer: checked */
    CORE_OP_OUTSIDE,       /* past the last instruction */
};

/* A predecoded instruction. DSR operands are slots (| 0x80 in vector instructions). */
typedef struct {
    uint8_t op, d, a, b;
    uint32_t imm;
    uint16_t cycles; /* includes `extra` */
    uint8_t extra;   /* for using the float result of the instruction before it; not due when jumped to */
    uint8_t energy : 7;
    uint8_t alone  : 1; /* touches registers and DSRs only: no microthread can tell when it happens */
} core_instr;

typedef struct {
    const isa_program *p;
    core_instr *code;
    uint8_t dsr_slots, vops;
    uint8_t dsr_slot[3 * ISA_DSRS];
    uint8_t slot_file[3 * ISA_DSRS]; /* isa_dsr_file of a slot */
    bool prints;
    uint32_t ports; /* bit set of ports that wavelets can arrive on */
} core_program;

typedef struct {
    isa_dsd value;
    uint32_t position; /* elements already passed: DSRGET, DSRPUT, save_address */
    uint16_t settings;
    bool loaded;
} core_dsr;

typedef struct {
    uint16_t first, count; /* in elements */
    uint16_t length[2];    /* operand length of the read and the write end; 0 not set */
    bool pop_stopped, push_stopped;
} core_fifo;

enum { OPERAND_NONE = 16, OPERAND_REG };
typedef struct {
    uint8_t kind;  /* isa_dsd_kind or OPERAND_* */
    uint8_t words; /* of an element */
    uint8_t slot;  /* DSR slot; register number of a scalar destination */
    uint8_t port;  /* fabin: port, fabout: output queue, fifo: index */
    uint8_t color, queue;
    uint8_t lanes;     /* fabric: elements per wavelet */
    bool save, offset; /* save_address; takes part in .index */
    uint16_t base, shape;
    int16_t stride;  /* mem1d, circbuf; elements */
    uint32_t start;  /* position of the first element */
    uint32_t length; /* 0 = says nothing, UINT32_MAX = endless */
    uint32_t value;  /* scalar; as destination the last or folded value */
} core_operand;

typedef enum { CORE_WAIT_NONE, CORE_WAIT_INPUT, CORE_WAIT_OUTPUT, CORE_WAIT_EMPTY, CORE_WAIT_FULL } core_wait;

/* What core_stream.c works on. The places follow from operands and image. */
typedef struct {
    uint32_t s0, s1, d; /* queues, FABRIC_NO_QUEUE */
    uint16_t s0_slots, s1_slots, d_slots;
    uint8_t color;
    bool fits, pairs;
    bool inside; /* all elements that are in memory lie there */
} core_stream;

/* A vector operation. */
typedef struct {
    core_operand d, s0, s1;
    uint64_t ready; /* cycle of the first element at the earliest */
    uint64_t wait_since;
    uint32_t position, length; /* UINT32_MAX = endless */
    uint32_t scalar, index, carry, held;
    uint32_t pc;
    uint32_t elements, cycles; /* rate: so many elements in so many cycles */
    uint32_t step_cycles;      /* that the last step holds the datapath */
    uint8_t op;                /* isa_dsd_op */
    uint8_t wait, wait_on;     /* core_wait; port, queue or fifo */
    uint8_t rank;              /* on the datapath: 0 low, 2 medium, 4 high; main 1, 2, 3, 4 */
    bool async, fabric, wavelet_index, terminate;
    bool plain; /* dsd_plain.c may carry it on */
    core_stream stream;
    int8_t activate, unblock, control_activate, control_unblock;
} core_vop;

typedef enum { MAIN_IDLE, MAIN_RUN, MAIN_VECTOR, MAIN_HALT } core_state;

enum { /* of the counters in counters.def, those a core keeps; same order */
       CORE_N_busy_cycles,
       CORE_N_instructions,
       CORE_N_vector_ops,
       CORE_N_tasks,
       CORE_N_fp16_ops,
       CORE_N_fp32_ops,
       CORE_N_int_ops,
       CORE_N_sram_words_read,
       CORE_N_sram_words_written,
       CORE_N_input_wait_cycles,
       CORE_N_output_wait_cycles,
       CORE_COUNTERS
};

/* Invariants: state VECTOR <=> vop 0 is in progress; bit k of alive <=> vop 1 + k is; ports_busy = ports they read. */
typedef struct {
    /* what a step with vector operations touches */
    uint64_t datapath_free, busy_until, time;
    uint64_t active, blocked; /* by task id */
    uint32_t vops;            /* first in the pool, as `dsrs` and the others below */
    uint32_t ports_busy;
    uint8_t state, alive, ut_blocked, last_thread;
    uint8_t flushing; /* output queues */
    bool launch_pending, poke, started; /* poke, started: in this step: step again next cycle; an operation has begun */
    bool streams;   /* all operations in progress fit core_stream.c */
    uint64_t ahead; /* cycle up to which core_stream.c has come */
    uint64_t n[CORE_COUNTERS];
    /* the main thread */
    uint32_t r[32]; /* 16: zero; the rest: what absent fields of an instruction name */
    uint32_t pc;
    uint64_t high;
    uint64_t stalled_since;       /* main thread at DSRGET or DSRPUT; with stall != 0 */
    uint64_t launch_at, ready_at; /* arrival of the pending launch; when the command stream was last unblocked */
    uint64_t dsr_loaded_at;       /* cycle after the last load of a DSR */
    uint64_t tsc;                 /* running: the cycle at which it was 0; else its value */
    uint32_t prng[CORE_PRNGS];
    uint32_t tsc_latch, launch_entry;
    uint32_t dsrs, fifos, log;
    uint32_t handler_colors;
    uint16_t exception_mask, log_used, log_line;
    uint8_t task, last_task;
    uint8_t stall, stall_on; /* core_wait */
    uint8_t main_priority, transform_mask, prng_active;
    uint8_t flushed, handler_queues; /* output queues */
    bool vector_ok, tsc_on, in_handler;
    bool landed; /* the next instruction was reached by a jump */
} core;

typedef struct {
    uint32_t elements, cycles;
} core_rate;

struct cores {
    core *pe;
    core_dsr *dsrs;
    core_vop *vops;
    core_fifo *fifos;
    char *logs;
    _Atomic uint64_t *logged; /* bit per PE: has complete lines */
    _Atomic uint32_t any_logged;
    core_program *programs;
    uint64_t *queues;    /* of the fabric */
    uint32_t out_cycles; /* an element is read to its wavelet may enter the router */
    core_rate rate[ISA_DSD_OPS];
    size_t bytes;
};

static inline core_program *core_program_of(const wse *m, uint32_t pe) {
    return &m->cores->programs[m->image->tiles[pe].program];
}
static inline bool core_memory_kind(uint8_t kind) { return kind <= ISA_CIRCBUF; }
static inline void core_busy(core *c, uint64_t from, uint64_t to) {
    if (from < c->busy_until) from = c->busy_until;
    if (to <= from) return;
    c->n[CORE_N_busy_cycles] += to - from;
    c->busy_until = to;
}

/* What the recorder keeps of an operation; begin and end are the caller's. */
static inline wse_event core_vop_event(uint32_t pe, const core_vop *v, int thread, uint64_t begin, uint64_t end) {
    return (wse_event){.begin = begin,
                       .end = end,
                       .pe = pe,
                       .pc = v->pc,
                       .length = v->length,
                       .thread = (uint8_t)thread,
                       .what = v->op,
                       .operand = {v->d.kind, v->s0.kind, v->s1.kind}};
}
static inline uint64_t core_vop_cycles(const core_vop *v) { /* on the datapath so far */
    return ((uint64_t)v->position * v->cycles + v->elements - 1) / v->elements;
}

/* core_decode.c */
bool core_decode(wse *m, uint32_t program, core_program *out, diag *d);
void core_program_free(core_program *p);
void core_line(const wse *m, uint32_t pe, uint32_t pc, strbuf *out); /* "pe.csl:14" */

/* core.c */
void core_shares(wse *m, core *end); /* gives each PE its places in the pools */
void core_fault(wse *m, uint32_t pe, core *c, uint64_t cycle, uint32_t pc, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* exec.c: runs the main thread from c->time; `now` is the clock. */
void core_exec(wse *m, uint32_t pe, core *c, uint64_t now);

/* task.c */
bool task_pick(wse *m, uint32_t pe, core *c, uint64_t now);                /* starts a task if one is runnable */
bool task_waiting(const wse *m, uint32_t pe, const core *c, uint64_t now); /* would task_pick start one? */
void task_handler_return(wse *m, uint32_t pe, core *c, uint64_t time); /* a teardown or flush handler has returned */
static inline void task_activate(core *c, int id) {
    if (id >= 0 && id < ISA_TASKS) c->active |= 1ull << id;
}
static inline void task_unblock(core *c, int id, uint64_t time) {
    if (id < 0 || id >= ISA_TASKS) return;
    c->blocked &= ~(1ull << id);
    if (id == ISA_TASK_COMMAND) c->ready_at = time;
}

/* dsd.c */
typedef enum { VECTOR_DONE, VECTOR_STARTED, VECTOR_SYNC, VECTOR_FAULT } vector_result;
/* Issues a vector instruction at c->time. DONE: c->time has moved on. STARTED: sync, in progress; VECTOR_SYNC: again
 * when the clock has come to c->time. */
vector_result vector_issue(wse *m, uint32_t pe, core *c, const core_instr *in, uint64_t now);
typedef enum { DSR_DONE, DSR_WAIT, DSR_SYNC, DSR_FAULT } dsr_result;
dsr_result dsr_get(wse *m, uint32_t pe, core *c, uint8_t slot, uint32_t bits, uint32_t *value, uint64_t now);
dsr_result dsr_put(wse *m, uint32_t pe, core *c, uint8_t slot, uint32_t bits, uint32_t value, uint64_t now);

/* dsd_operand.c: what a DSR holds, made ready for an operation */
bool operand_of_dsr(const wse *m, uint32_t pe, const core *c, uint8_t slot, uint32_t bits, core_operand *out,
                    const char **why);
/* Address (may be outside the memory) and word stride at `position`, and for how many elements the stride holds. */
int64_t operand_address(const isa_program *p, const core_operand *o, uint32_t position, int32_t *stride, uint32_t *run);
bool operand_inside(const isa_program *p, const core_operand *o, uint32_t position, uint32_t n);

/* dsd_step.c: operations in progress, element by element */
typedef enum { STEP_WAIT, STEP_MOVED, STEP_ENDED, STEP_FAULT } step_result;
step_result vop_step(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now);
bool vop_run_memory(wse *m, uint32_t pe, core_vop *v,
                    uint32_t n); /* memory and scalars only; position moves; false: outside */
void vop_finish(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now); /* write-backs, activation */
/* Adds what n elements of an operation count; those in progress are counted when they end. */
void vop_count(const core_vop *v, uint32_t n, uint64_t counters[CORE_COUNTERS]);
uint32_t vop_out_color(const wse *m, uint32_t pe, const core_operand *o);
uint32_t vop_transform(const core *c, uint32_t data); /* .control_transform */

/* dsd_plain.c: one element of the most common operations with the fabric */
typedef enum { PLAIN_MOVED, PLAIN_WAIT, PLAIN_OTHER } plain_result; /* OTHER: the general road has to decide */
bool plain_operation(const wse *m, uint32_t pe, const core_vop *v);
bool plain_pairs(const wse *m, uint32_t pe, const core_vop *v); /* as plain, but two elements of 16 bits to a wavelet and a cycle */
plain_result plain_step(wse *m, uint32_t pe, core_vop *v, uint64_t now);

/* core_stream.c */
void stream_prepare(const wse *m, uint32_t pe, core_vop *v);
bool stream_step(wse *m, uint32_t pe, core *c, uint64_t now); /* false: nothing was done, take the general road */

/* dsd_loops.c: the arithmetic */
typedef struct {
    uint32_t scalar, carry; /* of a MAC; of ADDC16 */
    isa_fp16 fp16;
} dsd_context;
typedef struct {
    uint16_t *d;
    const uint16_t *a, *b;
    int32_t d_stride, a_stride, b_stride; /* words */
    uint32_t n;
    dsd_context x;
} dsd_loop;
uint32_t dsd_element(uint8_t op, uint32_t a, uint32_t b, dsd_context *x);
void dsd_run(uint8_t op, dsd_loop *l); /* in order, element by element */

/* microthread.c */
uint64_t threads_step(wse *m, uint32_t pe, core *c, uint64_t now); /* next cycle at which they want to be stepped */
uint64_t threads_ready(const wse *m, const core *c, uint64_t now); /* when the next one that has not begun may */
static inline uint32_t threads_alive(const core *c) { /* bit k: vop k is in progress */
    return (uint32_t)c->alive << 1 | (c->state == MAIN_VECTOR);
}
/* Bit k: thread k has an operation in progress and is not held. */
static inline uint32_t threads_running(const core *c) {
    return (uint32_t)(c->alive & ~c->ut_blocked) << 1 | (c->state == MAIN_VECTOR);
}

/* Candidates, best first; nearly always one or two. */
static inline uint32_t threads_order(const core *c, const core_vop *pool, uint64_t now, uint8_t out[CORE_THREADS],
                                uint64_t *next) {
    uint32_t n = 0, all = threads_running(c), upper = all & ~((2u << c->last_thread) - 1);
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t set = half ? all & ~upper : upper; set; set &= set - 1) {
            uint32_t k = (uint32_t)__builtin_ctz(set), at = n;
            if (pool[k].ready > now) {
                if (pool[k].ready < *next) *next = pool[k].ready;
                continue;
            }
            for (n++; at > 0 && pool[out[at - 1]].rank < pool[k].rank; at--) out[at] = out[at - 1];
            out[at] = (uint8_t)k;
        }
    return n;
}
int thread_for(const wse *m, const core *c, const core_vop *v, int wanted); /* -1: none is free */
void threads_ports(core *c, const core_vop *pool);

/* check.c: with options.check, before an instruction, when an operation begins and when it ends */
void check_instruction(wse *m, uint32_t pe, const core *c, const core_instr *in);
void check_begin(wse *m, uint32_t pe, const core *c, const core_vop *v);
void check_end(wse *m, uint32_t pe, const core_vop *v, uint64_t now);

/* fifo.c */
bool fifo_can_pop(const core_fifo *f);
bool fifo_can_push(const core_fifo *f, const isa_fifo *what);
uint32_t fifo_pop(core *c, core_fifo *f, const isa_fifo *what, uint16_t *memory);
void fifo_push(core *c, core_fifo *f, const isa_fifo *what, uint16_t *memory, uint32_t value);

/* core_config.c: false: no such address */
bool core_config_read(wse *m, uint32_t pe, core *c, uint32_t address, uint32_t *value);
bool core_config_write(wse *m, uint32_t pe, core *c, uint32_t address, uint32_t value, uint64_t now);

/* core_log.c */
void core_print(wse *m, uint32_t pe, core *c, uint64_t time, uint32_t kind, const char *text, uint32_t value);

#endif
