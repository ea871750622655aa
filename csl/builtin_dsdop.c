/* The operations on descriptors: every row of isa/dsd_ops.def.
 *
 * All arguments are evaluated first, for they may themselves use scratch registers; then plain descriptors are loaded
 * and one vector instruction follows. A pointer as destination means a register as the result, stored through the
 * pointer after. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

/* ---- scalars ---- */

/* Any pattern of the width: the low bits count, whatever the type calls them. */
static ir_reg pattern_reg(csl_sema *s, csl_value v, uint8_t bits, const csl_node *at) {
    const csl_types *t = &s->unit->types;
    if (csl_is_int(v.type) && v.where == CSL_KNOWN) {
        const csl_type *to = v.i < 0 ? (bits == 16 ? t->i16 : t->i32) : bits == 16 ? t->u16 : t->u32;
        return csl_reg(s, csl_coerce(s, v, to, at), at);
    }
    if (v.type->kind == CSL_T_COMPTIME_FLOAT)
        return csl_reg(s, csl_coerce(s, v, bits == 16 ? csl_half(s) : t->f32, at), at);
    const csl_type *of = v.type->kind == CSL_T_ENUM ? v.type->elem : v.type;
    bool fits = of->kind == CSL_T_BOOL || csl_is_id(of) || (of->kind == CSL_T_INT && of->bits <= bits) ||
                (of->kind == CSL_T_FLOAT && of->bits == bits) || of->kind == CSL_T_POINTER;
    if (fits) return csl_reg(s, v, at);
    csl_refuse(s, at, "expected a scalar of %u bits, got '%s'", bits, v.type->text);
    return 0;
}

ir_reg csl_lane_reg(csl_sema *s, csl_value v, csl_lane lane, uint8_t bits, const csl_node *at) {
    if (!v.type) return 0;
    if (lane == CSL_LANE_BITS) return pattern_reg(s, v, bits, at);
    const csl_type *t = lane == CSL_LANE_I16 ? s->unit->types.i16 : bits == 16 ? csl_half(s) : s->unit->types.f32;
    v = csl_coerce(s, v, t, at);
    return v.type ? csl_reg(s, v, at) : 0;
}

static bool place_behind(csl_sema *s, csl_value pointer, const csl_node *at, csl_place *p) {
    if (pointer.type->is_const)
        return csl_refuse(s, at, "this pointer is to a constant; nothing can be stored through it");
    if (pointer.type->elem->kind == CSL_T_ARRAY && pointer.type->elem->count != 1)
        return csl_refuse(s, at, "expected a pointer to a scalar, got '%s'", pointer.type->text);
    const csl_type *elem = pointer.type->elem->kind == CSL_T_ARRAY ? pointer.type->elem->elem : pointer.type->elem;
    *p = (csl_place){.kind = CSL_AT_MEM, .type = elem};
    return csl_address(s, pointer, at, &p->mem.base, &p->mem.offset);
}

bool csl_store_through(csl_sema *s, csl_value pointer, csl_value v, const csl_node *at) {
    csl_place p;
    if (!v.type || !place_behind(s, pointer, at, &p)) return false;
    v = csl_coerce(s, v, p.type, at);
    return v.type && csl_store(s, &p, v, at);
}

/* ---- operands ---- */

typedef enum { OPERAND_NONE, OPERAND_DSD, OPERAND_DSR, OPERAND_POINTER, OPERAND_SCALAR } operand_kind;
typedef struct {
    uint8_t kind;
    csl_value v;
    const csl_node *at;
} operand;

typedef struct {
    isa_dsd_op op;
    const isa_dsd_fact *fact;
    operand in[4]; /* as written: destination first */
    uint32_t count;
    csl_op_settings set;
    const csl_node *call;
} operation;

static bool is_vector(const operand *o) { return o->kind == OPERAND_DSD || o->kind == OPERAND_DSR; }
static bool has_kind(const operand *o, isa_dsd_kind k) { return o->kind == OPERAND_DSD && o->v.type->sub == k; }

static bool operand_of(csl_sema *s, const csl_node *n, operand *o) {
    o->at = n;
    o->v = csl_eval(s, n);
    if (!o->v.type) return false;
    const csl_type *t = o->v.type;
    bool data = t->kind == CSL_T_POINTER && t->elem->kind != CSL_T_FN;
    o->kind = t->kind == CSL_T_DSD   ? OPERAND_DSD
              : t->kind == CSL_T_DSR ? OPERAND_DSR
              : data                 ? OPERAND_POINTER
                                     : OPERAND_SCALAR;
    return true;
}

static const uint8_t operand_count[] = {
    [ISA_K_MOVE] = 2, [ISA_K_BIN] = 3, [ISA_K_MAC] = 4, [ISA_K_UN] = 2, [ISA_K_SCALE] = 3, [ISA_K_FILT] = 1};
static const char *const forms[] = {
    [ISA_K_MOVE] = "(destination, source)",
    [ISA_K_BIN] = "(destination, source, source)",
    [ISA_K_MAC] = "(destination, source, source, scalar)",
    [ISA_K_UN] = "(destination, source)",
    [ISA_K_SCALE] = "(pointer, scalar, i16)",
    [ISA_K_FILT] = "(fabin descriptor)",
};

static csl_lane lane_of(isa_dsd_op op, bool destination) {
    switch (op) {
    case ISA_D_XP162FH:
    case ISA_D_XP162FS: return destination ? CSL_LANE_FLOAT : CSL_LANE_I16;
    case ISA_D_FH2XP16:
    case ISA_D_FS2XP16: return destination ? CSL_LANE_I16 : CSL_LANE_FLOAT;
    case ISA_D_FMOVH:
    case ISA_D_FMOVS: return CSL_LANE_FLOAT;
    default: return op <= ISA_D_POPCNT ? CSL_LANE_BITS : CSL_LANE_FLOAT;
    }
}

static bool commutes(isa_dsd_op op) {
    switch (op) {
    case ISA_D_ADD16:
    case ISA_D_AND16:
    case ISA_D_OR16:
    case ISA_D_XOR16:
    case ISA_D_FADDH:
    case ISA_D_FADDS:
    case ISA_D_FMULH:
    case ISA_D_FMULS:
    case ISA_D_FMAXH:
    case ISA_D_FMAXS: return true;
    default: return false;
    }
}

/* ---- checks ---- */

static bool check_destination(csl_sema *s, const operation *o) {
    const operand *d = &o->in[0];
    bool right = d->kind == OPERAND_POINTER || (d->kind == OPERAND_DSR && d->v.type->sub == ISA_DEST) ||
                 (d->kind == OPERAND_DSD && d->v.type->sub != ISA_FABIN);
    if (!right)
        return csl_refuse(
            s, d->at,
            "@%s: the destination must be a memory, fabout or fifo descriptor, a dsr_dest or a pointer, not '%s'",
            o->fact->builtin, d->v.type->text);
    if (d->kind != OPERAND_POINTER) return true;
    if (o->set.async)
        return csl_refuse(s, d->at, "@%s: an asynchronous operation cannot have a pointer as its destination",
                          o->fact->builtin);
    const csl_type *elem = d->v.type->elem->kind == CSL_T_ARRAY ? d->v.type->elem->elem : d->v.type->elem;
    if (elem->words * 16 == o->fact->dest_bits) return true;
    return csl_refuse(s, d->at, "@%s: the destination has %u bits; '%s' does not point to such a scalar",
                      o->fact->builtin, o->fact->dest_bits, d->v.type->text);
}

/* src0 is the first of two sources; the single source, and the second, are src1. */
static bool check_source(csl_sema *s, const operation *o, const operand *src, bool first_of_two) {
    if (src->kind == OPERAND_POINTER)
        return csl_refuse(
            s, src->at, "@%s: a source must be a descriptor, a register or a scalar; write p.* for what '%s' points to",
            o->fact->builtin, src->v.type->text);
    if (has_kind(src, ISA_FABOUT))
        return csl_refuse(s, src->at, "@%s: a fabout descriptor cannot be a source", o->fact->builtin);
    if (has_kind(src, ISA_FIFO) && first_of_two)
        return csl_refuse(s, src->at, "@%s: a fifo cannot be the first of two sources", o->fact->builtin);
    if (src->kind != OPERAND_DSR) return true;
    bool single = o->fact->form == ISA_K_MOVE || o->fact->form == ISA_K_UN;
    bool right = first_of_two ? src->v.type->sub == ISA_SRC0
                              : src->v.type->sub == ISA_SRC1 || (single && src->v.type->sub == ISA_SRC0);
    if (right) return true;
    return csl_refuse(s, src->at, "@%s: this source must be in a %s register, not '%s'", o->fact->builtin,
                      first_of_two ? "dsr_src0" : "dsr_src1", src->v.type->text);
}

static bool check_fabric(csl_sema *s, const operation *o) {
    uint32_t fabins = 0, outside = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        fabins += has_kind(&o->in[i], ISA_FABIN);
        outside += o->in[i].kind == OPERAND_DSR || (o->in[i].kind == OPERAND_DSD && o->in[i].v.type->sub >= ISA_FABIN);
    }
    if (fabins > 1 && csl_is_wse3(s))
        return csl_refuse(s, o->call, "@%s: WSE-3 takes at most one fabin operand", o->fact->builtin);
    if (o->set.async && !outside)
        return csl_refuse(s, o->call, "@%s: .async needs a fabric or fifo operand; this operation is all in memory",
                          o->fact->builtin);
    return true;
}

static bool check(csl_sema *s, const operation *o) {
    if (!check_destination(s, o) || !check_fabric(s, o)) return false;
    bool two = o->fact->form == ISA_K_BIN || o->fact->form == ISA_K_MAC;
    if (!check_source(s, o, &o->in[1], two) || (two && !check_source(s, o, &o->in[2], false))) return false;
    const operand *a = &o->in[1], *b = &o->in[2];
    bool pointer = o->in[0].kind == OPERAND_POINTER;
    if (o->fact->form == ISA_K_MAC && (pointer || !is_vector(a) || !is_vector(b) || is_vector(&o->in[3])))
        return csl_refuse(s, o->call, "@%s takes (destination, source, source, scalar): three vectors and a scalar",
                          o->fact->builtin);
    if (o->fact->form != ISA_K_BIN) return true;
    if (!is_vector(a) && !is_vector(b))
        return csl_refuse(s, o->call, "@%s: at least one source must be a descriptor or register", o->fact->builtin);
    if (pointer && is_vector(a) && (is_vector(b) || !commutes(o->op)))
        return csl_refuse(s, o->call, "@%s into a pointer folds a vector into a scalar: (pointer, scalar, vector)",
                          o->fact->builtin);
    return true;
}

/* ---- code ---- */

static ir_reg vector_operand(csl_sema *s, const operand *o, isa_dsr_file file) {
    if (o->kind == OPERAND_DSR) return csl_dsr_operand(o->v);
    ir_reg scratch = CSL_SCRATCH(file, 0);
    return csl_load_dsr(s, o->at, scratch, o->v, 0) ? scratch : 0;
}

/* A scalar operand's register, taken before any descriptor is loaded: nothing may come between. */
static bool scalar_operands(csl_sema *s, const operation *o, ir_reg reg[4]) {
    bool two = o->fact->form == ISA_K_BIN || o->fact->form == ISA_K_MAC;
    for (uint32_t i = 1; i < o->count; i++) {
        reg[i] = 0;
        if (is_vector(&o->in[i])) continue;
        uint8_t bits = two && i == 1 ? o->fact->src0_bits : o->fact->src1_bits;
        reg[i] = csl_lane_reg(s, o->in[i].v, lane_of(o->op, false), bits, o->in[i].at);
        if (!reg[i]) return false;
    }
    return true;
}

static bool index_register(csl_sema *s, const operation *o, ir_reg *index) {
    *index = 0;
    if (!o->set.offset.type) return true;
    csl_part part;
    if (!csl_part_of(s, o->set.offset, o->set.offset_at, ".index", INT16_MIN, UINT16_MAX, &part)) return false;
    *index = part.known ? csl_emit(s, o->call, ISA_MOVI, 0, 0, part.k & 0xffff) : part.reg;
    return *index != 0;
}

/* The register that collects a scalar result: what the pointer holds, or the scalar that the fold begins with. */
static ir_reg result_register(csl_sema *s, const operation *o, const csl_place *p, ir_reg seed) {
    ir_reg d = ir_new_reg(s->fn);
    csl_value old = seed ? CSL_NOTHING : csl_load(s, p);
    ir_reg from = seed ? seed : csl_reg(s, old, o->call);
    return from && csl_emit_raw(s, o->call, (ir_instr){.op = ISA_MOV, .d = d, .a = from}) ? d : 0;
}

static csl_value completed(csl_sema *s, const operation *o) {
    if (o->set.async) return csl_bool(s, true);
    ir_reg ok = csl_emit(s, o->call, ISA_DSDOK, 0, 0, 0);
    return ok ? csl_in_reg(s->unit->types.bool_, ok) : CSL_NOTHING;
}

static csl_value emit_operation(csl_sema *s, operation *o) {
    bool two = o->fact->form == ISA_K_BIN || o->fact->form == ISA_K_MAC, pointer = o->in[0].kind == OPERAND_POINTER;
    if (two && pointer && is_vector(&o->in[1])) {
        operand first = o->in[1];
        o->in[1] = o->in[2], o->in[2] = first;
    }
    ir_instr in = {.op = (uint16_t)(ISA_DSD_FIRST + o->op), .imm = o->set.index};
    ir_reg scalar[4] = {0};
    csl_place p = {0};
    if (!scalar_operands(s, o, scalar) || !index_register(s, o, &in.index)) return CSL_NOTHING;
    if (pointer) {
        if (!place_behind(s, o->in[0].v, o->in[0].at, &p)) return CSL_NOTHING;
        in.d = result_register(s, o, &p, two ? scalar[1] : 0);
    }
    const operand *b = &o->in[two ? 2 : 1];
    if (!pointer) in.d = vector_operand(s, &o->in[0], ISA_DEST);
    if (two) in.a = is_vector(&o->in[1]) ? vector_operand(s, &o->in[1], ISA_SRC0) : scalar[1];
    in.b = is_vector(b) ? vector_operand(s, b, ISA_SRC1) : scalar[two ? 2 : 1];
    in.c = o->fact->form == ISA_K_MAC ? scalar[3] : 0;
    if (!in.d || !in.b || (two && !in.a) || !csl_emit_raw(s, o->call, in)) return CSL_NOTHING;
    csl_value done = completed(s, o);
    if (!pointer || !done.type) return done;
    return csl_store(s, &p, csl_in_reg(p.type, in.d), o->in[0].at) ? done : CSL_NOTHING;
}

/* v * 2^n: a scalar instruction. */
static csl_value emit_scale(csl_sema *s, operation *o) {
    if (o->in[0].kind != OPERAND_POINTER || o->in[1].kind != OPERAND_SCALAR || o->in[2].kind != OPERAND_SCALAR)
        return csl_error(s, o->call, "@%s takes %s", o->fact->builtin, forms[o->fact->form]);
    uint8_t bits = o->fact->dest_bits;
    ir_reg v = csl_lane_reg(s, o->in[1].v, CSL_LANE_FLOAT, bits, o->in[1].at);
    ir_reg n = v ? csl_lane_reg(s, o->in[2].v, CSL_LANE_I16, 16, o->in[2].at) : 0;
    ir_reg d = n ? csl_emit(s, o->call, bits == 16 ? ISA_FSCALE_H : ISA_FSCALE_S, v, n, 0) : 0;
    csl_place p;
    if (!d || !place_behind(s, o->in[0].v, o->in[0].at, &p)) return CSL_NOTHING;
    return csl_store(s, &p, csl_in_reg(p.type, d), o->in[0].at) ? csl_bool(s, true) : CSL_NOTHING;
}

static csl_value emit_filter(csl_sema *s, operation *o) {
    const operand *f = &o->in[0];
    bool right = has_kind(f, ISA_FABIN) || (f->kind == OPERAND_DSR && f->v.type->sub != ISA_DEST);
    if (!right) return csl_error(s, f->at, "@dfilt: expected a fabin descriptor, got '%s'", f->v.type->text);
    ir_instr in = {.op = ISA_DSD_FIRST + ISA_D_DFILT, .imm = o->set.index, .b = vector_operand(s, f, ISA_SRC1)};
    return in.b && csl_emit_raw(s, o->call, in) ? completed(s, o) : CSL_NOTHING;
}

csl_value csl_b_dsd_op(csl_sema *s, const csl_node *call) {
    operation o = {.call = call};
    while (!str_is(call->name, isa_dsd_ops[o.op].builtin)) o.op++;
    o.fact = &isa_dsd_ops[o.op];
    o.count = operand_count[o.fact->form];
    uint32_t given = csl_arg_count(call);
    if (given != o.count && given != o.count + 1)
        return csl_error(s, call, "@%s takes %s and optional settings; got %" PRIu32 " arguments", o.fact->builtin,
                         forms[o.fact->form], given);
    if (!csl_in_code(s, call)) return CSL_NOTHING;
    char what[16];
    snprintf(what, sizeof what, "@%s", o.fact->builtin);
    for (uint32_t i = 0; i < o.count; i++)
        if (!operand_of(s, csl_arg(call, i), &o.in[i])) return CSL_NOTHING;
    if (!csl_parse_settings(s, csl_arg(call, o.count), what, false, &o.set)) return CSL_NOTHING;
    if (o.fact->form == ISA_K_FILT) return emit_filter(s, &o);
    if (o.fact->form == ISA_K_SCALE) return emit_scale(s, &o);
    return check(s, &o) ? emit_operation(s, &o) : CSL_NOTHING;
}
