/* Registers of descriptors: those the program names, and scratch ones for operands that are plain descriptors.
 *
 * Which ids the program claims is known only at the end, so scratch registers are marks until then. They get the
 * highest free ids. Slot 0 serves every operation with plain operands: an asynchronous operation takes its descriptors
 * along when it is issued. The operands of each @map have slots of their own, which the operations of its callback
 * leave alone. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

static const char *const file_names[] = {"dsr_dest", "dsr_src0", "dsr_src1"};

csl_value csl_b_get_dsr(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_value v = t ? csl_eval_known(s, csl_arg(call, 1)) : CSL_NOTHING;
    if (!v.type) return CSL_NOTHING;
    if (t->kind != CSL_T_DSR)
        return csl_error(s, csl_arg(call, 0), "@get_dsr: expected dsr_dest, dsr_src0 or dsr_src1, got '%s'", t->text);
    int64_t id = v.dsr;
    if (v.type->kind != CSL_T_DSR &&
        !csl_whole(s, &v, csl_arg(call, 1), "@get_dsr: the register", 0, ISA_DSRS - 1, &id))
        return CSL_NOTHING;
    s->dsr_claimed[t->sub] |= 1ull << id;
    return (csl_value){.type = t, .dsr = (uint32_t)id};
}

csl_value csl_b_get_xdsr(csl_sema *s, const csl_node *call) {
    bool sr = str_is(call->name, "get_sr");
    __int128 id;
    if (!csl_eval_int(s, csl_arg(call, 0), 0, 31, sr ? "@get_sr: the register" : "@get_xdsr: the register", &id))
        return CSL_NOTHING;
    return (csl_value){.type = sr ? s->unit->types.sr : s->unit->types.xdsr, .dsr = (uint32_t)id};
}

bool csl_load_dsr(csl_sema *s, const csl_node *at, ir_reg dsr, csl_value dsd, uint16_t settings) {
    uint16_t index;
    if (dsd.where == CSL_KNOWN) {
        if (!csl_descriptor(s, dsd.dsd, at, &index)) return false;
        return csl_emit_raw(s, at, (ir_instr){.op = ISA_LDDSR, .d = dsr, .imm = index | (int64_t)settings << 16}) !=
               NULL;
    }
    ir_reg r[2];
    return csl_regs(s, dsd, at, r) &&
           csl_emit_raw(s, at, (ir_instr){.op = ISA_LDDSRR, .d = dsr, .a = r[0], .b = r[1], .imm = settings});
}

/* ---- @load_to_dsr ---- */

/* Which descriptors a register of a file may hold: bits of isa_dsd_kind. */
static const uint8_t loadable[] = {
    [ISA_DEST] = 1 << ISA_MEM1D | 1 << ISA_MEM4D | 1 << ISA_CIRCBUF | 1 << ISA_FABOUT | 1 << ISA_FIFO,
    [ISA_SRC0] = 1 << ISA_MEM1D | 1 << ISA_MEM4D | 1 << ISA_CIRCBUF | 1 << ISA_FABIN,
    [ISA_SRC1] = 1 << ISA_MEM1D | 1 << ISA_MEM4D | 1 << ISA_CIRCBUF | 1 << ISA_FABIN | 1 << ISA_FIFO,
};

/* In a comptime block: what the register holds from the start. */
static bool load_early(csl_sema *s, const csl_node *call, uint8_t dsr, csl_value dsd, uint16_t settings) {
    csl_dsd_state *d = csl_dsds(s);
    isa_program *p = s->out;
    uint16_t index;
    if (!p || dsd.where != CSL_KNOWN)
        return csl_refuse(s, call, "@load_to_dsr: in a comptime block the descriptor must be known");
    for (uint32_t i = 0; i < p->dsr_start_count; i++) {
        if (p->dsr_starts[i].dsr != dsr) continue;
        csl_refuse(s, call, "@load_to_dsr: this register is loaded twice at compile time");
        csl_note(s, d->loaded_at[i].module, d->loaded_at[i].at, "loaded here");
        return false;
    }
    if (!csl_descriptor(s, dsd.dsd, call, &index)) return false;
    if (!CSL_ROOM(s, p->dsr_starts, p->dsr_start_count, &d->start_cap)) return false;
    if (!CSL_ROOM(s, d->loaded_at, p->dsr_start_count, &d->loaded_cap)) return false;
    d->loaded_at[p->dsr_start_count] = csl_site_of(s, call);
    p->dsr_starts[p->dsr_start_count++] = (isa_dsr_start){dsr, index, settings};
    return true;
}

ir_reg csl_dsr_operand(csl_value v) { return IR_DSR(ISA_DSR(v.type->sub, v.dsr)); }

/* (dsr, dsd[, cfg]); the xdsr forms have one or two registers more in between, which the machine does not need. */
csl_value csl_b_load_to_dsr(csl_sema *s, const csl_node *call) {
    uint32_t between = str_is(call->name, "load_to_dsr") ? 0 : str_is(call->name, "load_to_dsr_xdsr") ? 1 : 2;
    const csl_node *at = csl_arg(call, 0), *dsd_at = csl_arg(call, 1 + between);
    csl_value r = csl_eval_known(s, at);
    if (!r.type) return CSL_NOTHING;
    if (r.type->kind != CSL_T_DSR)
        return csl_error(s, at, "@%.*s: expected a register such as @get_dsr(dsr_dest, 1), got '%s'", (int)call->name.n,
                         call->name.p, r.type->text);
    for (uint32_t i = 1; i <= between; i++)
        if (!csl_eval_known(s, csl_arg(call, i)).type) return CSL_NOTHING;
    csl_value d = csl_eval(s, dsd_at);
    if (!d.type) return CSL_NOTHING;
    if (d.type->kind != CSL_T_DSD)
        return csl_error(s, dsd_at, "@%.*s: expected a descriptor, got '%s'", (int)call->name.n, call->name.p,
                         d.type->text);
    if (!(loadable[r.type->sub] >> d.type->sub & 1))
        return csl_error(s, dsd_at, "a %s register cannot hold a '%s'", file_names[r.type->sub], d.type->text);
    csl_op_settings set;
    if (!csl_parse_settings(s, csl_arg(call, 2 + between), "@load_to_dsr", true, &set)) return CSL_NOTHING;
    uint8_t dsr = ISA_DSR(r.type->sub, r.dsr);
    bool ok = csl_emits(s) ? csl_load_dsr(s, call, IR_DSR(dsr), d, set.index) : load_early(s, call, dsr, d, set.index);
    return ok ? csl_void(s) : CSL_NOTHING;
}

/* ---- scratch registers ---- */

/* The id of a slot: the highest ones that the program does not claim, in turn. */
static bool scratch_id(csl_sema *s, uint32_t file, uint32_t slot, uint32_t *id) {
    uint32_t ids[ISA_DSRS], n = 0;
    for (uint32_t i = ISA_DSRS; i-- > 0;)
        if (!(s->dsr_claimed[file] >> i & 1)) ids[n++] = i;
    if (!n || (slot && n == 1))
        return diag_error(s->d, "%s: no %s register is left: @get_dsr claims %s of them",
                          s->out->name ? s->out->name : "program", file_names[file], n ? "all but one" : "all");
    *id = slot < n ? ids[slot] : ids[1 + (slot - 1) % (n - 1)];
    return true;
}

bool csl_scratch_marks(csl_sema *s, ir_instr *in) {
    ir_reg *operands[] = {&in->d, &in->a, &in->b};
    if (in->op >= IR_LABEL) return true;
    for (size_t i = 0; i < 3; i++) {
        ir_reg r = *operands[i];
        if ((r & 0x80000100u) != 0x80000100u) continue;
        uint32_t file = r >> 4 & 3, id = 0;
        if (!scratch_id(s, file, r >> 12 & 0x7ffff, &id)) return false;
        *operands[i] = IR_DSR(ISA_DSR(file, id));
    }
    return true;
}
