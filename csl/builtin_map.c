/* @map(callback, in1, ..., inN[, out]): a loop that takes one element of each iterated operand, calls, and puts the
 * result.
 *
 *     n = shortest length that is known; top: DSRGET each input; call; DSRPUT or store; LOOP n, top
 *
 * Descriptors have lengths, and bound the loop. Registers and fifos have none that this code knows; after each element
 * taken from them DSDOK tells whether there was one. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { MAP_INPUTS = 12 };

typedef struct {
    const csl_node *at;
    csl_value v;           /* scalars: what is passed */
    bool iterated, tested; /* tested: ends the loop by DSDOK */
    ir_reg dsr;
    const csl_type *type; /* of the callback's parameter */
} map_input;

typedef struct {
    csl_func *f;
    const csl_node *call;
    map_input in[MAP_INPUTS];
    uint32_t count;
    bool has_out;
    map_input out;
    int64_t known;  /* shortest known length, ISA_ENDLESS none */
    ir_reg counter; /* 0: the loop has no counted end */
} map_loop;

static uint32_t param_count(const csl_func *f) {
    uint32_t n = 0;
    for (const csl_node *p = f->node->a; p; p = p->next) n++;
    return n;
}

/* Type of the i-th parameter; NULL (and told) when it cannot say how wide an element is. */
static const csl_type *param_type(csl_sema *s, const map_loop *m, uint32_t i) {
    const csl_node *p = m->f->node->a;
    while (i--) p = p->next;
    const csl_type *t = NULL;
    if (p->a && !(p->flags & CSL_ANYTYPE)) {
        csl_context c = csl_enter(s, m->f->module);
        t = csl_eval_type(s, p->a);
        csl_leave(s, &c);
        if (!t) return NULL;
    }
    if (t && (t->words == 1 || t->words == 2) && !t->comptime_only && t->kind != CSL_T_ARRAY && t->kind != CSL_T_STRUCT)
        return t;
    csl_refuse(s, m->call, "@map: parameter '%.*s' of '%s' must have a type of 16 or 32 bits to take elements",
               (int)p->name.n, p->name.p, m->f->name);
    return NULL;
}

/* A descriptor goes into a register of its own; its length bounds the loop. */
static bool iterate(csl_sema *s, map_loop *m, map_input *in, isa_dsr_file file) {
    in->iterated = true;
    if (in->v.type->kind == CSL_T_DSR) {
        in->tested = file != ISA_DEST;
        in->dsr = csl_dsr_operand(in->v);
        if ((in->v.type->sub == ISA_DEST) == (file == ISA_DEST)) return in->dsr != 0;
        return csl_refuse(s, in->at, "@map: expected a %s register, got '%s'",
                          file == ISA_DEST ? "dsr_dest" : "dsr_src1", in->v.type->text);
    }
    if (in->v.type->sub == (file == ISA_DEST ? ISA_FABIN : ISA_FABOUT))
        return csl_refuse(s, in->at, "@map: a '%s' cannot be %s", in->v.type->text,
                          file == ISA_DEST ? "the output" : "an input");
    in->dsr = CSL_SCRATCH(file, ++csl_dsds(s)->map_slots[file]);
    if (in->v.type->sub == ISA_FIFO) {
        in->tested = file != ISA_DEST;
    } else if (in->v.where == CSL_KNOWN) {
        int64_t n = in->v.dsd >> 16 & 0xffff;
        if (n < m->known) m->known = n;
    }
    return csl_load_dsr(s, in->at, in->dsr, in->v, 0);
}

static bool take_input(csl_sema *s, map_loop *m, uint32_t i) {
    map_input *in = &m->in[i];
    if (in->v.type->kind != CSL_T_DSD && in->v.type->kind != CSL_T_DSR) return true;
    in->type = param_type(s, m, i);
    return in->type && iterate(s, m, in, ISA_SRC1);
}

/* ---- the number of rounds ---- */

static bool count_run_time(csl_sema *s, map_loop *m, const map_input *in) {
    if (!in->iterated || in->v.type->kind != CSL_T_DSD || in->v.where == CSL_KNOWN || in->v.type->sub == ISA_FIFO)
        return true;
    ir_reg r[2];
    if (!csl_regs(s, in->v, in->at, r)) return false;
    ir_reg n = csl_emit(s, in->at, ISA_SHRI, r[0], 0, 16);
    if (!m->counter) return m->counter = n, n != 0;
    ir_reg less = csl_emit(s, in->at, ISA_SLTU, n, m->counter, 0), least = ir_new_reg(s->fn);
    ir_instr sel = {.op = ISA_SEL, .d = least, .a = n, .b = m->counter, .c = less};
    m->counter = least;
    return less && csl_emit_raw(s, in->at, sel);
}

static bool count_rounds(csl_sema *s, map_loop *m, uint32_t end) {
    if (m->known < ISA_ENDLESS) m->counter = csl_emit(s, m->call, ISA_MOVI, 0, 0, m->known);
    bool checked = m->known < ISA_ENDLESS && m->known > 0, run_time = false;
    for (uint32_t i = 0; i <= m->count; i++) {
        const map_input *in = i < m->count ? &m->in[i] : &m->out;
        if (i == m->count && !m->has_out) break;
        ir_reg before = m->counter;
        if (!count_run_time(s, m, in)) return false;
        run_time |= m->counter != before;
    }
    if (!m->counter || (checked && !run_time)) return true;
    ir_reg n = ir_new_reg(s->fn); /* a copy: the counter may be the program's own register */
    if (!csl_emit_raw(s, m->call, (ir_instr){.op = ISA_MOV, .d = n, .a = m->counter})) return false;
    m->counter = n;
    return csl_emit_raw(s, m->call, (ir_instr){.op = ISA_BZ, .a = n, .imm = end}) != NULL;
}

/* ---- one round ---- */

static bool next_element(csl_sema *s, const map_loop *m, const map_input *in, uint32_t end, csl_value *v) {
    ir_reg r = csl_emit(s, in->at, ISA_DSRGET, in->dsr, 0, in->type->words * 16);
    if (!r) return false;
    if (in->tested) {
        ir_reg ok = csl_emit(s, in->at, ISA_DSDOK, 0, 0, 0);
        if (!ok || !csl_emit_raw(s, m->call, (ir_instr){.op = ISA_BZ, .a = ok, .imm = end})) return false;
    }
    const csl_type *t = in->type->kind == CSL_T_ENUM ? in->type->elem : in->type;
    if (t->kind == CSL_T_INT && t->bits < 32 && t->is_signed) r = csl_narrow(s, t, r, in->at);
    *v = csl_in_reg(in->type, r);
    return r != 0;
}

static bool put_result(csl_sema *s, const map_loop *m, csl_value v) {
    if (!m->has_out) return true;
    if (v.type->kind == CSL_T_VOID)
        return csl_refuse(s, m->call, "@map: '%s' returns nothing, but an output is given", m->f->name);
    if (!m->out.iterated) return csl_store_through(s, m->out.v, v, m->out.at);
    if (v.type->words != 1 && v.type->words != 2)
        return csl_refuse(s, m->out.at, "@map: a result of type '%s' cannot be put into a descriptor", v.type->text);
    ir_reg r = csl_reg(s, v, m->call);
    return r &&
           csl_emit_raw(s, m->call, (ir_instr){.op = ISA_DSRPUT, .d = m->out.dsr, .a = r, .imm = v.type->words * 16});
}

static bool round_of(csl_sema *s, map_loop *m, uint32_t end) {
    csl_value args[MAP_INPUTS];
    const csl_node *at[MAP_INPUTS];
    for (uint32_t i = 0; i < m->count; i++) {
        at[i] = m->in[i].at;
        args[i] = m->in[i].v;
        if (m->in[i].iterated && !next_element(s, m, &m->in[i], end, &args[i])) return false;
    }
    const csl_node *outer = s->map_call;
    s->map_call = m->call; /* a short callback stands in the loop itself */
    csl_value v = csl_call(s, m->f, m->count, args, at, m->call);
    s->map_call = outer;
    return v.type && put_result(s, m, v);
}

static csl_value emit_loop(csl_sema *s, map_loop *m) {
    uint32_t top = ir_new_label(s->fn), end = ir_new_label(s->fn);
    if (!count_rounds(s, m, end)) return CSL_NOTHING;
    if (!csl_emit_raw(s, m->call, (ir_instr){.op = IR_LABEL, .imm = top})) return CSL_NOTHING;
    s->runtime_depth++;
    s->map_depth++;
    bool ok = round_of(s, m, end);
    s->map_depth--;
    s->runtime_depth--;
    if (!ok) return CSL_NOTHING;
    if (m->counter) {
        ok = csl_emit_raw(s, m->call, (ir_instr){.op = ISA_LOOP, .d = m->counter, .imm = top});
    } else {
        ok = csl_emit_raw(s, m->call, (ir_instr){.op = ISA_JMP, .imm = top}) != NULL;
    }
    return ok && csl_emit_raw(s, m->call, (ir_instr){.op = IR_LABEL, .imm = end}) ? csl_void(s) : CSL_NOTHING;
}

static bool map_arguments(csl_sema *s, map_loop *m) {
    uint32_t given = csl_arg_count(m->call) - 1;
    m->count = param_count(m->f);
    m->has_out = given == m->count + 1;
    if (m->count > MAP_INPUTS) return csl_refuse(s, m->call, "@map: at most %d inputs are supported", MAP_INPUTS);
    if (given != m->count && !m->has_out)
        return csl_refuse(s, m->call,
                          "@map: '%s' has %" PRIu32 " parameters; expected as many inputs%s, got %" PRIu32 " arguments",
                          m->f->name, m->count, " and at most one output", given);
    bool any = false;
    for (uint32_t i = 0; i < given; i++) {
        map_input *in = i < m->count ? &m->in[i] : &m->out;
        in->at = csl_arg(m->call, i + 1);
        in->v = csl_eval(s, in->at);
        if (!in->v.type) return false;
        any |= in->v.type->kind == CSL_T_DSD || in->v.type->kind == CSL_T_DSR;
    }
    return any || csl_refuse(s, m->call, "@map: at least one argument must be a descriptor or a register");
}

static bool take_output(csl_sema *s, map_loop *m) {
    const csl_type *t = m->out.v.type;
    if (!m->has_out || (t->kind == CSL_T_POINTER && t->elem->kind != CSL_T_FN)) return true;
    if (t->kind == CSL_T_DSD || t->kind == CSL_T_DSR) return iterate(s, m, &m->out, ISA_DEST);
    return csl_refuse(s, m->out.at, "@map: the output must be a descriptor, a dsr_dest or a pointer, not '%s'",
                      t->text);
}

csl_value csl_b_map(csl_sema *s, const csl_node *call) {
    map_loop m = {.call = call, .known = ISA_ENDLESS};
    csl_value f = csl_eval(s, csl_arg(call, 0));
    if (!f.type || !csl_in_code(s, call)) return CSL_NOTHING;
    if (f.type->kind != CSL_T_FN || f.where != CSL_KNOWN || !f.fn || f.fn->is_task)
        return csl_error(s, csl_arg(call, 0), "@map: expected a function, got '%s'", f.type->text);
    m.f = f.fn;
    if (!map_arguments(s, &m)) return CSL_NOTHING;
    for (uint32_t i = 0; i < m.count; i++)
        if (!take_input(s, &m, i)) return CSL_NOTHING;
    if (!take_output(s, &m)) return CSL_NOTHING;
    if (!m.known) return csl_void(s);
    return emit_loop(s, &m);
}
