/* Frame, prologue, epilogues, and the final form of each instruction.
 *
 *     sp ->  arguments of calls that did not fit registers
 *            slots that are used, spills among them
 *            saved r8..r14
 *            return index
 *            incoming arguments that did not fit registers
 */
#include "csl/codegen.h"
#include "base/mem.h"

enum { LONG_EPILOGUE = 3 };

typedef struct {
    cg_fn *f;
    uint32_t *slot_at; /* [slot] words from sp */
    uint32_t saves_at, frame_words;
    uint8_t saved[CG_REGS];
    uint32_t saved_count;
    uint32_t *label_at;          /* [label] instruction index in the program */
    uint32_t exit_at;            /* UINT32_MAX: no epilogue yet */
    uint32_t *jumps, jump_count; /* instruction indices */
} encoder;

static bool append(encoder *e, isa_instr out, const cg_ins *at, bool names_function) {
    cg *g = e->f->g;
    if (g->count == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 1024;
        isa_instr *code = mem_resize(g->code, cap * sizeof *code);
        if (code) g->code = code;
        uint32_t *source = mem_resize(g->source, cap * sizeof *source);
        if (source) g->source = source;
        uint32_t *line = mem_resize(g->line, cap * sizeof *line);
        if (line) g->line = line;
        bool *names = mem_resize(g->names_function, cap * sizeof *names);
        if (names) g->names_function = names;
        if (!code || !source || !line || !names) return false;
        g->cap = cap;
    }
    g->code[g->count] = out;
    g->source[g->count] = at->source;
    g->line[g->count] = at->line;
    g->names_function[g->count++] = names_function;
    return true;
}

/* What the function writes: r8.. it must save; r0..r7 its callers want to know. */
static void find_written(encoder *e) {
    cg_fn *f = e->f;
    cg_info *info = &f->g->info[f->index];
    uint32_t written = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        cg_ins *in = &f->code[i];
        ir_reg *defs[2];
        if (cg_defs(in, defs)) written |= 1u << (*defs[0] - 1);
        if (in->op == ISA_CALLR) written |= CG_CALL_CLOBBERS;
        if (in->op != ISA_CALL) continue;
        const cg_info *callee = &f->g->info[in->imm];
        written |= callee->generated ? callee->clobbers : CG_CALL_CLOBBERS;
    }
    info->clobbers = (uint16_t)(written & CG_CALL_CLOBBERS);
    for (uint8_t r = CG_ARG_REGS; r < CG_REGS && !f->fn->is_task; r++)
        if (written >> r & 1) e->saved[e->saved_count++] = r;
}

static bool lay_out_frame(encoder *e) {
    cg_fn *f = e->f;
    bool *used = cg_alloc(f, f->slot_count, sizeof *used);
    e->slot_at = cg_alloc(f, f->slot_count, sizeof *e->slot_at);
    if (!used || !e->slot_at) return false;
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t slot = f->code[i].slot;
        if (slot && slot != CG_INCOMING) used[slot - 1] = true;
    }
    uint32_t words = f->out_words;
    for (uint32_t i = 0; i < f->slot_count; i++) {
        e->slot_at[i] = words;
        if (used[i]) words += f->slots[i];
    }
    e->saves_at = words;
    e->frame_words = words + 2 * e->saved_count;
    f->g->info[f->index].frame_words = e->frame_words;
    return true;
}

static uint8_t operand(ir_reg r, uint8_t absent) {
    if (!r) return absent;
    return (uint8_t)(r & 0x80000000u ? r & 0xff : r - 1);
}

static isa_instr sp_relative(uint16_t op, uint8_t d, uint32_t offset) {
    return (isa_instr){.op = (uint8_t)op, .d = d, .a = ISA_REG_SP, .imm = offset};
}

static bool prologue(encoder *e, const cg_ins *at) {
    if (e->frame_words && !append(e, sp_relative(ISA_ADDI_U16, ISA_REG_SP, 0u - e->frame_words), at, false))
        return false;
    for (uint32_t i = 0; i < e->saved_count; i++)
        if (!append(e, sp_relative(ISA_ST32, e->saved[i], e->saves_at + 2 * i), at, false)) return false;
    return true;
}

static bool epilogue(encoder *e, const cg_ins *at) {
    if (e->f->fn->is_task) return append(e, (isa_instr){.op = ISA_END}, at, false);
    if (e->exit_at != UINT32_MAX && e->saved_count + 2 > LONG_EPILOGUE)
        return append(e, (isa_instr){.op = ISA_JMP, .imm = e->exit_at}, at, false);
    e->exit_at = e->f->g->count;
    for (uint32_t i = 0; i < e->saved_count; i++)
        if (!append(e, sp_relative(ISA_LD32, e->saved[i], e->saves_at + 2 * i), at, false)) return false;
    if (e->frame_words && !append(e, sp_relative(ISA_ADDI_U16, ISA_REG_SP, e->frame_words), at, false)) return false;
    return append(e, (isa_instr){.op = ISA_RET}, at, false);
}

static uint32_t frame_offset(const encoder *e, const cg_ins *in) {
    if (!in->slot) return 0;
    return in->slot == CG_INCOMING ? e->frame_words + 1 : e->slot_at[in->slot - 1];
}

static bool frame_address(encoder *e, const cg_ins *in) {
    uint32_t offset = (uint32_t)in->imm + frame_offset(e, in);
    isa_instr out = sp_relative(offset ? ISA_ADDI_U16 : ISA_MOV, operand(in->d, 0), offset);
    return append(e, out, in, false);
}

static bool encode_vector(encoder *e, const cg_ins *in) {
    isa_instr out = {.op = (uint8_t)in->op,
                     .d = operand(in->d, ISA_NO_REG),
                     .a = operand(in->a, ISA_NO_REG),
                     .b = operand(in->b, ISA_NO_REG)};
    out.imm = isa_vec((uint16_t)in->imm, operand(in->c, ISA_NO_REG), operand(in->index, ISA_NO_REG));
    return append(e, out, in, false);
}

static bool encode(encoder *e, const cg_ins *in) {
    if (in->op == IR_RETURN) return epilogue(e, in);
    if (in->op == IR_FRAME) return frame_address(e, in);
    if (cg_is_vector(in->op)) return encode_vector(e, in);
    bool names_function = in->op == IR_FN_ADDRESS || in->op == ISA_CALL;
    uint16_t op = in->op == IR_FN_ADDRESS ? ISA_MOVI : in->op;
    isa_format format = isa_ops[op].format;
    bool optional_a = format == ISA_FMT_AI || format == ISA_FMT_LD || format == ISA_FMT_ST;
    isa_instr out = {.op = (uint8_t)op,
                     .d = operand(in->d, 0),
                     .a = operand(in->a, optional_a ? ISA_NO_REG : 0),
                     .b = operand(in->b, 0),
                     .imm = (uint32_t)in->imm + frame_offset(e, in)};
    if (cg_is_jump(op)) e->jumps[e->jump_count++] = e->f->g->count;
    if (format == ISA_FMT_DABC) out.imm = operand(in->c, 0);
    return append(e, out, in, names_function);
}

/* Jumps forward named labels that had no place yet: until here, their imm is the label. */
static void set_jumps(encoder *e) {
    cg *g = e->f->g;
    for (uint32_t i = 0; i < e->jump_count; i++) {
        isa_instr *jump = &g->code[e->jumps[i]];
        jump->imm = e->label_at[jump->imm];
    }
}

bool cg_encode(cg_fn *f) {
    cg *g = f->g;
    cg_info *info = &g->info[f->index];
    encoder e = {.f = f, .exit_at = UINT32_MAX};
    e.label_at = cg_alloc(f, f->label_count, sizeof *e.label_at);
    e.jumps = cg_alloc(f, f->count, sizeof *e.jumps);
    find_written(&e);
    if (!e.label_at || !e.jumps || !lay_out_frame(&e)) return false;
    info->entry = g->count;
    if (!prologue(&e, &f->code[0])) return false;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->code[i].op == IR_LABEL) e.label_at[f->code[i].imm] = g->count;
        else if (!encode(&e, &f->code[i])) return false;
    }
    set_jumps(&e);
    info->generated = true;
    return true;
}
