/* Calls, returns and arguments in terms of physical registers: moves around the instruction, which the allocator turns
 * into nothing where it can. Between the first such move and the call nothing else happens, so no register of a value
 * still to be moved is overwritten: the allocator sees r0.. as taken from their moves on. */
#include "csl/codegen.h"

typedef struct {
    cg_fn *f;
    cg_ins **single; /* constants are built in place */
    const cg_ins *at;
} lower;

static bool emit(lower *w, cg_ins in) {
    in.source = w->at->source;
    in.line = w->at->line;
    return cg_push(w->f, in);
}

static bool move(lower *w, ir_reg to, ir_reg from) {
    const cg_ins *def = w->single[from];
    if (def && (def->op == ISA_MOVI || def->op == IR_FRAME || def->op == IR_FN_ADDRESS)) {
        cg_ins again = *def;
        again.d = to;
        return emit(w, again);
    }
    return emit(w, (cg_ins){.op = ISA_MOV, .d = to, .a = from});
}

static bool lower_call(lower *w) {
    ir_call *call = w->at->call;
    cg_ins in = {.op = call->fn == UINT32_MAX ? ISA_CALLR : ISA_CALL, .imm = call->fn, .call = call};
    if (in.op == ISA_CALLR) in.a = call->target, in.imm = 0;
    for (uint32_t i = CG_ARG_REGS; i < call->arg_count; i++) {
        int64_t at = 2 * (int64_t)(i - CG_ARG_REGS);
        if (w->f->out_words < at + 2) w->f->out_words = (uint32_t)at + 2;
        if (call->args[i] && !emit(w, (cg_ins){.op = ISA_ST32, .d = call->args[i], .a = CG_SP, .imm = at}))
            return false;
    }
    for (uint32_t i = 0; i < call->arg_count && i < CG_ARG_REGS; i++)
        if (call->args[i] && !move(w, CG_PHYS(i), call->args[i])) return false;
    if (!emit(w, in)) return false;
    for (uint32_t i = 0; i < call->result_count; i++)
        if (call->results[i] && !emit(w, (cg_ins){.op = ISA_MOV, .d = call->results[i], .a = CG_PHYS(i)})) return false;
    return true;
}

static bool lower_return(lower *w) {
    cg_ins in = {.op = IR_RETURN};
    if (w->f->fn->is_task) return emit(w, in);
    const ir_reg results[2] = {w->at->a, w->at->b};
    for (uint32_t i = 0; i < 2; i++)
        if (results[i] && !move(w, CG_PHYS(i), results[i])) return false;
    if (results[0]) in.a = CG_PHYS(0);
    if (results[1]) in.b = CG_PHYS(1);
    return emit(w, in);
}

static bool lower_argument(lower *w) {
    int64_t i = w->at->imm;
    if (i < CG_ARG_REGS) return emit(w, (cg_ins){.op = ISA_MOV, .d = w->at->d, .a = CG_PHYS(i)});
    cg_ins in = {.op = ISA_LD32, .d = w->at->d, .a = CG_SP, .slot = CG_INCOMING, .imm = 2 * (i - CG_ARG_REGS)};
    return emit(w, in);
}

bool cg_lower(cg_fn *f) {
    lower w = {.f = f, .single = cg_single_defs(f)};
    const cg_ins *old = f->code;
    uint32_t count = f->count;
    if (!w.single) return false;
    f->code = NULL;
    f->count = f->cap = 0;
    for (uint32_t i = 0; i < count; i++) {
        w.at = &old[i];
        bool ok = old[i].op == IR_CALL     ? lower_call(&w)
                  : old[i].op == IR_RETURN ? lower_return(&w)
                  : old[i].op == IR_ARG    ? lower_argument(&w)
                                           : cg_push(f, old[i]) != NULL;
        if (!ok) return false;
    }
    return true;
}
