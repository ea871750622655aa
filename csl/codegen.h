/* Inside of the code generator: one function on its way from intermediate code to instructions.
 *
 *     load -> (clean, fold, dead code)* -> loops -> lower -> split -> allocate (spill, again) -> clean -> encode
 *
 * Registers of cg_ins: 0 none; 1..16 are r0..r15 (CG_PHYS); from CG_VIRTUAL on virtual ones; IR_DSR marks stay. Every
 * pass rewrites f->code. Passes return false only when memory ends. All of it lives in g->scratch, which is emptied
 * after each function.
 *
 * Calling convention: arguments in r0..r7, further ones at the caller's sp (the callee finds them above its frame and
 * the return index); results in r0, r1. r0..r7 may be changed by a call, r8..r14 may not, except that tasks save
 * nothing: nobody called them. Callees are generated before their callers, who thus know which of r0..r7 a call really
 * changes.
 */
#ifndef INGOT_CSL_CODEGEN_H
#define INGOT_CSL_CODEGEN_H

#include "csl/ir.h"

enum {
    CG_REGS = 15,    /* r0..r14 */
    CG_ARG_REGS = 8, /* also the number of registers that a call may change */
    CG_VIRTUAL = 17,
    CG_SP = ISA_REG_SP + 1,
    CG_RECURSION_WORDS = 256,
};
#define CG_PHYS(r)       ((ir_reg)(r) + 1)
#define CG_CALL_CLOBBERS ((1u << CG_ARG_REGS) - 1)

/* Base of sp-relative addresses: 0 none, 1 + slot, or the place of arguments that did not fit registers. */
#define CG_SLOT(slot) ((slot) + 1)
#define CG_INCOMING   0xffffffffu

typedef struct {
    uint16_t op;
    bool early;   /* d is written before the operands are read (vector): it shares no register with them */
    bool reads_d; /* d keeps its value when the vector is empty */
    ir_reg d, a, b, c, index;
    uint32_t slot; /* loads, stores with a = CG_SP; IR_FRAME: CG_SLOT, and imm counts from there */
    int64_t imm;
    ir_call *call; /* own copy */
    uint32_t source, line;
} cg_ins;

typedef struct {
    uint32_t first, end; /* instructions */
    uint32_t next[2];    /* successors, UINT32_MAX none */
    uint32_t depth;      /* of loops */
} cg_block;

/* What the rest of the program needs to know of a generated function. */
typedef struct {
    bool reachable, address_taken, generated, counted, counting;
    uint16_t clobbers; /* of r0..r7, its callees included */
    uint32_t entry, frame_words, depth_words;
    uint32_t *callees;
    uint32_t callee_count; /* function indices; UINT32_MAX: through a register */
} cg_info;

typedef struct {
    ir_program *p;
    arena *scratch;
    cg_info *info; /* [p->fn_count] */
    isa_instr *code;
    uint32_t count, cap;
    uint32_t *source, *line; /* of each instruction */
    bool *names_function;    /* imm is a function index until the end */
} cg;

typedef struct {
    cg *g;
    ir_fn *fn;
    uint32_t index;
    cg_ins *code;
    uint32_t count, cap;
    uint32_t reg_count, label_count;
    cg_block *blocks;
    uint32_t block_count;
    uint32_t *globals; /* [reg_count] row of a register that lives across blocks, UINT32_MAX none */
    uint32_t global_count, row_words;
    uint64_t *live_in, *live_out; /* [block][row_words] */
    uint32_t *slots;
    uint32_t slot_count, slot_cap; /* words of each: the program's, then spills */
    uint32_t out_words;            /* for arguments of calls that do not fit registers */
    uint32_t short_from;           /* registers from here on were made by spilling and are not spilled */
} cg_fn;

/* ---- cg_ops.c: facts of instructions ---- */
/* Operands read: pointers, so that they can be renamed; no DSRs, no 0. Lowered calls: what is in physical registers is
 * implied. */
uint32_t cg_uses(cg_ins *in, ir_reg *uses[16]);
uint32_t cg_defs(cg_ins *in, ir_reg *defs[2]); /* operands written: one, or the results of a call */
bool cg_is_vector(uint16_t op);
bool cg_is_pure(const cg_ins *in);        /* no effect but d: may be dropped when d is not needed */
bool cg_is_fixed_value(const cg_ins *in); /* pure and a function of its operands alone: may be moved */
bool cg_is_branch(uint16_t op);           /* conditional */
bool cg_is_jump(uint16_t op);             /* imm is a label: JMP, branches, LOOP */
bool cg_ends(uint16_t op);                /* control does not reach the next instruction */
void cg_invert(cg_ins *branch);
bool cg_evaluate(uint16_t op, uint32_t a, uint32_t b, uint32_t *out); /* false: not a foldable integer operation */
uint16_t cg_immediate_form(uint16_t op);                              /* NOP: none */
uint16_t cg_register_form(uint16_t op); /* of an op with immediate: the op to evaluate; NOP: none */
bool cg_commutes(uint16_t op);

/* ---- passes ---- */
bool cg_load(cg_fn *f);     /* cg_load.c: copy, IR_COPY spelled out, arguments first */
bool cg_clean(cg_fn *f);    /* cg_flow.c: threads jumps, drops what cannot be reached */
bool cg_blocks(cg_fn *f);   /* cg_flow.c */
bool cg_live(cg_fn *f);     /* cg_live.c: blocks and live_out */
bool cg_dead(cg_fn *f);     /* cg_live.c */
bool cg_fold(cg_fn *f);     /* cg_fold.c: constants, copies, addresses, branches */
bool cg_join(cg_fn *f);     /* cg_join.c: results go where the move after them would put them */
bool cg_loops(cg_fn *f);    /* cg_loop.c: constants out of loops, tests at their ends */
bool cg_lower(cg_fn *f);    /* cg_lower.c: calls, returns, arguments in physical registers */
bool cg_split(cg_fn *f);    /* cg_split.c: values of one block get registers of their own */
bool cg_allocate(cg_fn *f); /* cg_alloc.c */
/* cg_spill.c: registers r with home[r] live in the slot CG_SLOT(..) = home[r]; those with again[r] are computed anew at
 * each use. */
bool cg_spill(cg_fn *f, const uint32_t *home, cg_ins *const *again);
uint32_t cg_new_slot(cg_fn *f, uint32_t words);           /* UINT32_MAX: out of memory */
bool cg_encode(cg_fn *f);                                 /* cg_encode.c */
uint32_t cg_stack(cg *g, uint32_t root, bool *recursive); /* cg_stack.c: words below a root, return indices included */

/* ---- help ---- */
static inline bool cg_is_virtual(ir_reg r) { return r >= CG_VIRTUAL && !(r & 0x80000000u); }
ir_reg cg_new_reg(cg_fn *f);
cg_ins *cg_push(cg_fn *f, cg_ins in);                 /* appends to f->code; NULL: out of memory */
uint32_t *cg_def_counts(cg_fn *f);                    /* [reg_count] how often each is written; NULL: out of memory */
cg_ins **cg_single_defs(cg_fn *f);                    /* [reg_count] the only instruction that writes it, or NULL */
void *cg_alloc(cg_fn *f, size_t count, size_t bytes); /* scratch */

#endif
