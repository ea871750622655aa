/* First pass: a function's own copy of its code. Registers are renumbered, arguments fetched at the very start, copies
 * of memory spelled out, so that folding sees their addresses. Helpers that all passes share. */
#include "csl/codegen.h"

enum { COPY_UNROLLED_WORDS = 12 };

void *cg_alloc(cg_fn *f, size_t count, size_t bytes) { return arena_alloc_n(f->g->scratch, count ? count : 1, bytes); }
ir_reg cg_new_reg(cg_fn *f) { return f->reg_count++; }

cg_ins *cg_push(cg_fn *f, cg_ins in) {
    if (f->count == f->cap) {
        uint32_t cap = f->cap ? f->cap * 2 : 64;
        cg_ins *bigger = cg_alloc(f, cap, sizeof *bigger);
        if (!bigger) return NULL;
        if (f->count) memcpy(bigger, f->code, f->count * sizeof *bigger);
        f->code = bigger;
        f->cap = cap;
    }
    f->code[f->count] = in;
    return &f->code[f->count++];
}

uint32_t *cg_def_counts(cg_fn *f) {
    uint32_t *counts = cg_alloc(f, f->reg_count, sizeof *counts);
    for (uint32_t i = 0; counts && i < f->count; i++) {
        ir_reg *defs[2];
        for (uint32_t n = cg_defs(&f->code[i], defs); n--;) counts[*defs[n]]++;
    }
    return counts;
}

cg_ins **cg_single_defs(cg_fn *f) {
    uint32_t *counts = cg_def_counts(f);
    cg_ins **single = cg_alloc(f, f->reg_count, sizeof *single);
    if (!counts || !single) return NULL;
    for (uint32_t i = 0; i < f->count; i++) {
        ir_reg *defs[2];
        for (uint32_t n = cg_defs(&f->code[i], defs); n--;)
            if (counts[*defs[n]] == 1) single[*defs[n]] = &f->code[i];
    }
    return single;
}

static ir_reg renumber(ir_reg r) { return !r || r & 0x80000000u ? r : r + CG_VIRTUAL - 1; }

static bool push_op(cg_fn *f, const cg_ins *at, uint16_t op, ir_reg d, ir_reg a, int64_t imm) {
    return cg_push(f, (cg_ins){.op = op, .d = d, .a = a, .imm = imm, .source = at->source, .line = at->line});
}

/* words (1 or 2) at from + offset to to + offset */
static bool copy_piece(cg_fn *f, const cg_ins *at, ir_reg from, ir_reg to, int64_t offset, int64_t words) {
    ir_reg t = cg_new_reg(f);
    return push_op(f, at, words == 2 ? ISA_LD32 : ISA_LD16U, t, from, offset) &&
           push_op(f, at, words == 2 ? ISA_ST32 : ISA_ST16, t, to, offset);
}

static bool copy_unrolled(cg_fn *f, const cg_ins *at, ir_reg from, ir_reg to, int64_t words) {
    for (int64_t i = 0; i < words; i += 2)
        if (!copy_piece(f, at, from, to, i, words - i > 1 ? 2 : 1)) return false;
    return true;
}

/* Four words an iteration, the rest after the loop. */
static bool copy_loop(cg_fn *f, const cg_ins *at, int64_t words) {
    ir_reg from = cg_new_reg(f), to = cg_new_reg(f), end = cg_new_reg(f);
    uint32_t label = f->label_count++;
    cg_ins again = {.op = ISA_BNE, .a = from, .b = end, .imm = label, .source = at->source, .line = at->line};
    return push_op(f, at, ISA_MOV, from, at->a, 0) && push_op(f, at, ISA_MOV, to, at->b, 0) &&
           push_op(f, at, ISA_ADDI_U16, end, at->a, words & ~INT64_C(3)) && push_op(f, at, IR_LABEL, 0, 0, label) &&
           copy_unrolled(f, at, from, to, 4) && push_op(f, at, ISA_ADDI_U16, from, from, 4) &&
           push_op(f, at, ISA_ADDI_U16, to, to, 4) && cg_push(f, again) && copy_unrolled(f, at, from, to, words & 3);
}

static bool load_one(cg_fn *f, const ir_instr *in, const uint32_t *written) {
    cg_ins out = {.op = in->op,
                  .d = renumber(in->d),
                  .a = renumber(in->a),
                  .b = renumber(in->b),
                  .c = renumber(in->c),
                  .index = renumber(in->index),
                  .imm = in->imm,
                  .source = in->source,
                  .line = in->line};
    if (in->op == IR_CALL) {
        if (!(out.call = cg_alloc(f, 1, sizeof *out.call))) return false;
        *out.call = *in->call;
        out.call->target = renumber(in->call->target);
        for (uint32_t i = 0; i < in->call->arg_count; i++) out.call->args[i] = renumber(in->call->args[i]);
        for (uint32_t i = 0; i < in->call->result_count; i++) out.call->results[i] = renumber(in->call->results[i]);
    }
    if (in->op == IR_FRAME) out.slot = CG_SLOT((uint32_t)in->imm), out.imm = 0;
    if (cg_is_vector(in->op) && cg_is_virtual(out.d)) out.early = true, out.reads_d = written[in->d] > 1;
    if (in->op != IR_COPY) return cg_push(f, out);
    if (in->imm <= COPY_UNROLLED_WORDS) return copy_unrolled(f, &out, out.a, out.b, in->imm);
    return copy_loop(f, &out, in->imm);
}

/* How often each register is written: a vector's scalar result with one writer has no earlier value to keep. */
static uint32_t *count_writes(cg_fn *f) {
    uint32_t *written = cg_alloc(f, f->fn->reg_count, sizeof *written);
    for (uint32_t i = 0; written && i < f->fn->code_count; i++) {
        const ir_instr *in = &f->fn->code[i];
        if (in->d && in->d < f->fn->reg_count && in->op != ISA_ST16 && in->op != ISA_ST32) written[in->d]++;
        for (uint32_t k = 0; in->op == IR_CALL && k < in->call->result_count; k++) written[in->call->results[k]]++;
    }
    return written;
}

static bool load_slots(cg_fn *f) {
    f->slot_count = f->slot_cap = f->fn->slot_count;
    f->slots = cg_alloc(f, f->slot_cap, sizeof *f->slots);
    for (uint32_t i = 0; f->slots && i < f->slot_count; i++) f->slots[i] = f->fn->slot_words[i];
    return f->slots;
}

bool cg_load(cg_fn *f) {
    const ir_fn *fn = f->fn;
    f->reg_count = fn->reg_count + CG_VIRTUAL - 1;
    f->label_count = fn->label_count;
    f->short_from = UINT32_MAX;
    uint32_t *written = count_writes(f);
    if (!written || !load_slots(f)) return false;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < fn->code_count; i++)
            if ((fn->code[i].op == IR_ARG) == (pass == 0) && !load_one(f, &fn->code[i], written)) return false;
    return cg_push(f, (cg_ins){.op = IR_RETURN});
}
