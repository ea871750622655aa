/* Intermediate code: building and printing. Everything lives in the program's arena; arrays double as they grow, and
 * what they leave behind dies with the arena. */
#include "csl/ir.h"

/* Room for one more in an array of the arena. */
static bool grow(arena *memory, void **array, uint32_t count, uint32_t *cap, size_t bytes) {
    if (count < *cap) return true;
    uint32_t wanted = *cap ? *cap * 2 : 16;
    void *bigger = wanted > *cap ? arena_alloc_n(memory, wanted, bytes) : NULL;
    if (!bigger) return false;
    if (count) memcpy(bigger, *array, count * bytes);
    *array = bigger;
    *cap = wanted;
    return true;
}

ir_fn *ir_fn_new(ir_program *p, const char *name, uint32_t *index) {
    void *fns = p->fns;
    if (!grow(p->memory, &fns, p->fn_count, &p->fn_cap, sizeof *p->fns)) return NULL;
    p->fns = fns;
    ir_fn *f = arena_push(p->memory, ir_fn);
    if (!f) return NULL;
    f->name = name;
    f->reg_count = 1;
    if (index) *index = p->fn_count;
    return p->fns[p->fn_count++] = f;
}

ir_instr *ir_emit(ir_program *p, ir_fn *f, ir_instr in) {
    void *code = f->code;
    if (!grow(p->memory, &code, f->code_count, &f->code_cap, sizeof *f->code)) return NULL;
    f->code = code;
    f->code[f->code_count] = in;
    return &f->code[f->code_count++];
}

uint32_t ir_new_slot(ir_program *p, ir_fn *f, uint32_t words) {
    void *slots = f->slot_words;
    if (words > UINT16_MAX) return UINT32_MAX;
    if (!grow(p->memory, &slots, f->slot_count, &f->slot_cap, sizeof *f->slot_words)) return UINT32_MAX;
    f->slot_words = slots;
    f->slot_words[f->slot_count] = (uint16_t)words;
    return f->slot_count++;
}

/* ---- printing ---- */

static const char *const pseudo_names[] = {"label", "frame", "call", "return", "copy", "fn_address", "arg"};
static const char file_names[3][4] = {"d", "s0_", "s1_"};

static const char *op_name(uint16_t op) {
    if (op < ISA_SCALAR_OPS) return isa_ops[op].text;
    if (op >= IR_LABEL && op <= IR_ARG) return pseudo_names[op - IR_LABEL];
    if (op >= ISA_DSD_FIRST && op < ISA_DSD_FIRST + ISA_DSD_OPS) return isa_dsd_ops[op - ISA_DSD_FIRST].builtin;
    return "?";
}

static void print_operand(strbuf *out, const char *before, ir_reg r) {
    if (!r) return;
    strbuf_adds(out, before);
    if (!(r & 0x80000000u)) strbuf_addf(out, "v%u", r);
    else if ((r >> 4 & 7) < 3) strbuf_addf(out, "%s%u", file_names[r >> 4 & 3], r & 15);
    else strbuf_addf(out, "dsr?%02x", r & 0xff);
}

static void print_call(const ir_program *p, const ir_call *call, strbuf *out) {
    if (call->fn < p->fn_count) strbuf_addf(out, " %s", p->fns[call->fn]->name);
    else print_operand(out, " through ", call->target);
    strbuf_adds(out, " (");
    for (uint32_t i = 0; i < call->arg_count; i++) print_operand(out, i ? ", " : "", call->args[i]);
    strbuf_adds(out, ")");
    for (uint32_t i = 0; i < call->result_count; i++) print_operand(out, i ? ", " : " -> ", call->results[i]);
}

static bool prints_imm(const ir_instr *in) {
    if (in->op == IR_RETURN || in->op == IR_CALL || in->op == IR_FN_ADDRESS) return false;
    if (in->op >= ISA_SCALAR_OPS) return true;
    static const bool without[] = {[ISA_FMT_NONE] = 1, [ISA_FMT_D] = 1,    [ISA_FMT_DA] = 1,
                                   [ISA_FMT_DAB] = 1,  [ISA_FMT_DABC] = 1, [ISA_FMT_AJR] = 1};
    isa_format format = isa_ops[in->op].format;
    return format >= sizeof without || !without[format];
}

static void print_instr(const ir_program *p, const ir_instr *in, strbuf *out) {
    if (in->op == IR_LABEL) {
        strbuf_addf(out, "L%lld:\n", (long long)in->imm);
        return;
    }
    strbuf_addf(out, "    %-10s", op_name(in->op));
    const ir_reg operands[] = {in->d, in->a, in->b, in->c};
    const char *before = " ";
    for (size_t i = 0; i < 4; i++) {
        print_operand(out, before, operands[i]);
        if (operands[i]) before = ", ";
    }
    print_operand(out, " index ", in->index);
    if (in->op == IR_CALL && in->call) print_call(p, in->call, out);
    if (in->op == IR_FN_ADDRESS && in->imm >= 0 && in->imm < p->fn_count)
        strbuf_addf(out, " %s", p->fns[in->imm]->name);
    bool jump = (in->op >= ISA_JMP && in->op <= ISA_BNZ) || in->op == ISA_LOOP;
    if (prints_imm(in)) strbuf_addf(out, "%s%s%lld", before, jump ? "L" : "", (long long)in->imm);
    if (in->line) strbuf_addf(out, "    ; %u:%u", in->source, in->line);
    strbuf_addc(out, '\n');
}

void ir_print(const ir_program *p, const ir_fn *f, strbuf *out) {
    strbuf_addf(out, "%s %s: %u arguments, %u results\n", f->is_task ? "task" : "fn", f->name, f->arg_count,
                f->result_count);
    for (uint32_t i = 0; i < f->slot_count; i++) strbuf_addf(out, "    slot %u: %u words\n", i, f->slot_words[i]);
    for (uint32_t i = 0; i < f->code_count; i++) print_instr(p, &f->code[i], out);
}
