/* Changing descriptors, and FIFOs. A known descriptor with known changes stays known; otherwise a few integer
 * instructions on its two registers: low = base | length << 16, high = stride | shape << 16. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

typedef struct {
    csl_value v;
    ir_reg reg[2]; /* loaded when the result is not known */
} target;

/* kinds: bits of isa_dsd_kind that the builtin takes; what: as the message says it. */
static bool target_of(csl_sema *s, const csl_node *call, uint32_t kinds, const char *what, target *t) {
    t->v = csl_eval(s, csl_arg(call, 0));
    if (!t->v.type) return false;
    if (t->v.type->kind == CSL_T_DSD && kinds >> t->v.type->sub & 1) return true;
    return csl_refuse(s, csl_arg(call, 0), "@%.*s: expected %s, got '%s'", (int)call->name.n, call->name.p, what,
                      t->v.type->text);
}

static bool in_code(csl_sema *s, const csl_node *call, target *t) {
    return csl_in_code(s, call) && csl_regs(s, t->v, csl_arg(call, 0), t->reg);
}

static csl_value changed_known(const target *t, uint32_t shift, int64_t field) {
    csl_value v = t->v;
    v.dsd = (v.dsd & ~((isa_dsd)0xffff << shift)) | (isa_dsd)(uint16_t)field << shift;
    return v;
}

/* Replaces the lower or upper half of a register. */
static ir_reg put_half(csl_sema *s, const csl_node *at, ir_reg r, bool upper, csl_part field) {
    ir_reg rest = csl_emit(s, at, ISA_ANDI, r, 0, upper ? 0xffff : (int64_t)0xffff0000u);
    if (field.known)
        return csl_emit(s, at, ISA_ORI, rest, 0, (int64_t)((uint64_t)(uint16_t)field.k << (upper ? 16 : 0)));
    ir_reg f = upper ? csl_emit(s, at, ISA_SHLI, field.reg, 0, 16) : csl_emit(s, at, ISA_EXTU, field.reg, 0, 16);
    return csl_emit(s, at, ISA_OR, rest, f, 0);
}

enum { MEMORY = 1 << ISA_MEM1D | 1 << ISA_MEM4D | 1 << ISA_CIRCBUF };

csl_value csl_b_increment_dsd_offset(csl_sema *s, const csl_node *call) {
    target t;
    csl_part by;
    if (!target_of(s, call, MEMORY, "a mem1d_dsd or mem4d_dsd", &t)) return CSL_NOTHING;
    csl_value n = csl_eval(s, csl_arg(call, 1));
    const csl_type *elem = n.type ? csl_eval_type(s, csl_arg(call, 2)) : NULL;
    if (!elem ||
        !csl_part_of(s, n, csl_arg(call, 1), "@increment_dsd_offset: the offset", -UINT16_MAX, UINT16_MAX, &by))
        return CSL_NOTHING;
    if (!elem->words) return csl_error(s, csl_arg(call, 2), "@increment_dsd_offset: '%s' has no size", elem->text);
    if (t.v.where == CSL_KNOWN && by.known)
        return changed_known(&t, 0, (int64_t)(uint16_t)t.v.dsd + by.k * elem->words);
    if (!in_code(s, call, &t)) return CSL_NOTHING;
    ir_reg base;
    if (by.known) {
        base = csl_emit(s, call, ISA_ADDI_U16, t.reg[0], 0, (int16_t)(by.k * elem->words));
    } else {
        ir_reg words = by.reg;
        if (elem->words > 1)
            words = csl_emit(s, call, ISA_MUL, words, csl_emit(s, call, ISA_MOVI, 0, 0, elem->words), 0);
        base = csl_emit(s, call, ISA_ADD_U16, t.reg[0], words, 0);
    }
    ir_reg rest = csl_emit(s, call, ISA_ANDI, t.reg[0], 0, (int64_t)0xffff0000u);
    return csl_in_regs(t.v.type, csl_emit(s, call, ISA_OR, rest, base, 0), t.reg[1]);
}

/* The offset that the descriptor had is discarded. */
csl_value csl_b_set_dsd_base_addr(csl_sema *s, const csl_node *call) {
    target t;
    csl_base base;
    if (!target_of(s, call, MEMORY, "a mem1d_dsd or mem4d_dsd", &t) ||
        !csl_base_of(s, csl_arg(call, 1), "@set_dsd_base_addr: the address", &base))
        return CSL_NOTHING;
    if (t.v.where == CSL_KNOWN && !base.reg) return changed_known(&t, 0, base.imm);
    if (!in_code(s, call, &t)) return CSL_NOTHING;
    csl_part part = {.known = !base.reg, .k = base.imm, .reg = base.reg};
    if (base.reg && base.imm) part.reg = csl_emit(s, call, ISA_ADDI_U16, base.reg, 0, base.imm);
    return csl_in_regs(t.v.type, put_half(s, call, t.reg[0], false, part), t.reg[1]);
}

csl_value csl_b_set_dsd_length(csl_sema *s, const csl_node *call) {
    target t;
    csl_part n;
    uint32_t kinds = 1 << ISA_MEM1D | 1 << ISA_CIRCBUF | 1 << ISA_FABIN | 1 << ISA_FABOUT;
    if (!target_of(s, call, kinds, "a mem1d_dsd, fabin_dsd or fabout_dsd", &t)) return CSL_NOTHING;
    if (!csl_part_of(s, csl_eval(s, csl_arg(call, 1)), csl_arg(call, 1), "@set_dsd_length: the length", 0, UINT16_MAX,
                     &n))
        return CSL_NOTHING;
    if (t.v.where == CSL_KNOWN && n.known) return changed_known(&t, 16, n.k);
    if (!in_code(s, call, &t)) return CSL_NOTHING;
    return csl_in_regs(t.v.type, put_half(s, call, t.reg[0], true, n), t.reg[1]);
}

csl_value csl_b_set_dsd_stride(csl_sema *s, const csl_node *call) {
    target t;
    csl_part n;
    if (!target_of(s, call, 1 << ISA_MEM1D, "a mem1d_dsd", &t)) return CSL_NOTHING;
    if (!csl_part_of(s, csl_eval(s, csl_arg(call, 1)), csl_arg(call, 1), "@set_dsd_stride: the stride", INT16_MIN,
                     INT16_MAX, &n))
        return CSL_NOTHING;
    if (t.v.where == CSL_KNOWN && n.known) return changed_known(&t, 32, n.k);
    if (!in_code(s, call, &t)) return CSL_NOTHING;
    return csl_in_regs(t.v.type, t.reg[0], put_half(s, call, t.reg[1], false, n));
}

/* ---- FIFOs ---- */

static bool take_task(csl_sema *s, csl_fields *f, const char *name, csl_task_ref *out) {
    csl_value v;
    const csl_node *at = f->at;
    *out = (csl_task_ref){.id = -1};
    if (!csl_take(s, f, name, &v, &at)) return false;
    return !v.type || csl_task_of(s, &v, at, "@allocate_fifo", false, out);
}

static bool fifo_settings(csl_sema *s, const csl_node *cfg, isa_fifo *fifo, struct csl_fifo_refs *refs) {
    static const char *const actions[] = {"test_or_suspend", "terminate", "suspend", "fault", NULL};
    static const char *const actions2[] = {"test_or_suspend", "terminate", NULL};
    static const char *const priorities[] = {"low", "medium", "high", NULL}, *const simd[] = {"simd_32", "simd_64",
                                                                                              NULL};
    static const char *const registers[] = {"dest", "src", "xdsr"};
    csl_fields f;
    int empty = 0, full = 0, priority = 0, ignored = 0;
    refs->pop = refs->push = (csl_task_ref){.id = -1};
    if (!cfg) return true;
    const char *const *names = csl_is_wse3(s) ? actions : actions2;
    if (!csl_fields_of(s, cfg, "@allocate_fifo", &f) || !csl_take_choice(s, &f, "empty_action", names, &empty) ||
        !csl_take_choice(s, &f, "full_action", names, &full) ||
        !csl_take_choice(s, &f, "priority", priorities, &priority) ||
        !csl_take_choice(s, &f, "simd_mode", simd, &ignored) || !take_task(s, &f, "activate_pop", &refs->pop) ||
        !take_task(s, &f, "activate_push", &refs->push))
        return false;
    for (size_t i = 0; i < 3; i++) { /* which registers serve a FIFO is the machine's matter here */
        csl_value v;
        if (!csl_take(s, &f, registers[i], &v, NULL)) return false;
    }
    fifo->when_empty = (uint8_t)empty, fifo->when_full = (uint8_t)full, fifo->priority = (uint8_t)priority;
    return csl_fields_done(s, &f);
}

csl_value csl_b_allocate_fifo(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    isa_fifo fifo = {.activate_pop = -1, .activate_push = -1};
    struct csl_fifo_refs refs;
    csl_base base;
    if (!s->out) return csl_error(s, call, "@allocate_fifo belongs into the code of a PE, not into the layout");
    if (s->fn && !s->comptime) return csl_error(s, call, "@allocate_fifo must initialise a global constant");
    if (!csl_base_of(s, at, "@allocate_fifo: the buffer", &base)) return CSL_NOTHING;
    const csl_type *elem = csl_base_element(&base);
    if (base.type->kind != CSL_T_ARRAY || base.reg || elem->words < 1 || elem->words > 2 || !base.type->words)
        return csl_error(s, at,
                         "@allocate_fifo: the buffer must be a global array of 16-bit or 32-bit numbers, not '%s'",
                         base.type->text);
    fifo.base_word = (uint16_t)base.imm, fifo.words = (uint16_t)base.type->words,
    fifo.element_words = (uint8_t)elem->words;
    if (!fifo_settings(s, csl_arg(call, 1), &fifo, &refs)) return CSL_NOTHING;
    csl_dsd_state *d = csl_dsds(s);
    isa_program *p = s->out;
    if (!CSL_ROOM(s, p->fifos, p->fifo_count, &d->fifo_cap) || !CSL_ROOM(s, d->fifos, p->fifo_count, &d->fifo_ref_cap))
        return CSL_NOTHING;
    p->fifos[p->fifo_count] = fifo;
    d->fifos[p->fifo_count] = refs;
    if (p->fifo_count == 255) return csl_error(s, call, "more than 255 fifos in one program are not supported");
    isa_dsd dsd = p->fifo_count++ | (isa_dsd)ISA_ENDLESS << 16 | (isa_dsd)ISA_FIFO << 48;
    return (csl_value){.type = s->unit->types.fifo, .dsd = dsd};
}

csl_value csl_b_set_fifo_length(csl_sema *s, const csl_node *call) {
    bool write = str_is(call->name, "set_fifo_write_length");
    csl_value f = csl_eval_known(s, csl_arg(call, 0));
    csl_part n;
    if (!f.type) return CSL_NOTHING;
    if (f.type->kind != CSL_T_DSD || f.type->sub != ISA_FIFO)
        return csl_error(s, csl_arg(call, 0), "@%.*s: expected a fifo_dsd, got '%s'", (int)call->name.n, call->name.p,
                         f.type->text);
    if (!csl_part_of(s, csl_eval(s, csl_arg(call, 1)), csl_arg(call, 1), "the length of a FIFO operand", 0, UINT16_MAX,
                     &n))
        return CSL_NOTHING;
    ir_reg r = n.known ? csl_emit(s, call, ISA_MOVI, 0, 0, n.k) : n.reg;
    ir_instr in = {.op = ISA_FIFOLEN, .a = r, .imm = (int64_t)((f.dsd & 0xff) | (isa_dsd)write << 8)};
    return r && csl_emit_raw(s, call, in) ? csl_void(s) : CSL_NOTHING;
}
