/* Intermediate code of one program: machine instructions over any number of virtual registers, in order, with labels.
 *
 *     sema  --emits-->  ir_program  --csl_codegen-->  isa_program
 *
 * A virtual register holds 32 bits (narrow integers canonical, see isa/ops.def) and may be written many times. Operands of an
 * ordinary instruction are virtual registers where the isa format has registers; DSR operands of vector instructions are
 * isa DSR bytes, marked by IR_DSR. Code generation: control flow graph, liveness, linear scan over r0..r14, spills, frames, calls,
 * peephole (constants into immediates, moves, jumps), dead code of instructions without effect, stack depth over the call graph.
 */
#ifndef INGOT_CSL_IR_H
#define INGOT_CSL_IR_H

#include "isa/isa.h"

typedef uint32_t ir_reg;               /* 1..; 0 = none */
#define IR_DSR(byte) (0x80000000u | (byte)) /* in d, a or b of a vector instruction, LDDSR.., DSRGET.. */

typedef enum {                         /* pseudo instructions, above every isa op */
    IR_LABEL = 512,                    /* imm = label */
    IR_FRAME,                          /* d = address of frame slot imm */
    IR_CALL,                           /* call->fn or call->target, arguments, results */
    IR_RETURN,                         /* a, b = results (0 none); in a task: END */
    IR_COPY,                           /* copy imm words from address a to address b; they do not overlap */
    IR_FN_ADDRESS,                     /* d = what CALLR takes for function imm */
    IR_ARG,                            /* d = argument imm of this function; only at the start. For tasks: argument register imm */
} ir_op;

typedef struct ir_call {
    uint32_t fn;                       /* index, or UINT32_MAX: through `target` */
    ir_reg target;
    uint32_t arg_count, result_count;  /* at most 12 and 2 */
    ir_reg args[12], results[2];
} ir_call;

typedef struct {
    uint16_t op;                       /* isa_op, ISA_DSD_FIRST + isa_dsd_op, or ir_op */
    ir_reg d, a, b, c;                 /* c: third register operand (SEL's condition, the scalar of a MAC) */
    ir_reg index;                      /* vector: register of .index */
    int64_t imm;                       /* immediate; label of jumps and branches; settings index of vector instructions */
    ir_call *call;
    uint32_t source, line;
} ir_instr;

typedef struct {
    const char *name;
    bool is_task;
    uint32_t arg_count, result_count;
    ir_instr *code; uint32_t code_count, code_cap;
    uint32_t reg_count, label_count;   /* used so far; registers 1..reg_count-1 (reg_count starts at 1) */
    uint16_t *slot_words; uint32_t slot_count, slot_cap; /* frame slots: arrays, structs, variables whose address is taken */
} ir_fn;

/* Before code generation the entries in `out` (tasks, symbols, teardown and flush handlers) hold function indices; it turns
 * them into instruction indices. `out->data`, descriptors, shapes, settings, queues are complete; code, lines, stack are filled. */
typedef struct {
    arena *memory;
    ir_fn **fns; uint32_t fn_count, fn_cap;
    isa_program *out;
    uint32_t memory_limit_bytes;       /* of data + code + stack */
} ir_program;

ir_fn *ir_fn_new(ir_program *p, const char *name, uint32_t *index); /* NULL: out of memory */
ir_instr *ir_emit(ir_program *p, ir_fn *f, ir_instr in);            /* appends; NULL: out of memory */
static inline ir_reg ir_new_reg(ir_fn *f) { return f->reg_count++; }
static inline uint32_t ir_new_label(ir_fn *f) { return f->label_count++; }
uint32_t ir_new_slot(ir_program *p, ir_fn *f, uint32_t words);      /* UINT32_MAX: out of memory */

/* Drops functions that no root reaches, generates code, checks the memory limit (told to d with a table of what takes it). */
bool csl_codegen(ir_program *p, diag *d);

void ir_print(const ir_program *p, const ir_fn *f, strbuf *out);    /* --dump=ir */

#endif
