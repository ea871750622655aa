/* Operators: known values are computed, others become instructions. Both operands get one type first. */
#include "csl/sema_internal.h"
#include <math.h>

static const char *const op_text[CSL_OPS] = {
    [CSL_OP_ADD] = "+", [CSL_OP_SUB] = "-", [CSL_OP_MUL] = "*", [CSL_OP_DIV] = "/", [CSL_OP_MOD] = "%", [CSL_OP_SHL] = "<<", [CSL_OP_SHR] = ">>",
    [CSL_OP_BITAND] = "&", [CSL_OP_BITOR] = "|", [CSL_OP_BITXOR] = "^", [CSL_OP_EQ] = "==", [CSL_OP_NE] = "!=", [CSL_OP_LT] = "<",
    [CSL_OP_LE] = "<=", [CSL_OP_GT] = ">", [CSL_OP_GE] = ">=", [CSL_OP_AND] = "and", [CSL_OP_OR] = "or", [CSL_OP_NEG] = "-", [CSL_OP_NOT] = "!",
    [CSL_OP_BITNOT] = "~",
};

static bool is_compare(csl_op op) { return op >= CSL_OP_EQ && op <= CSL_OP_GE; }

/* ---- one type for both ---- */

static bool float_holds(const csl_type *t, const csl_value *v) { return t->kind == CSL_T_FLOAT && v->where == CSL_KNOWN && csl_is_float(v->type); }

const csl_type *csl_peer(csl_sema *s, const csl_value *a, const csl_value *b) {
    const csl_type *x = a->type, *y = b->type;
    if (x == y) return x;
    if (x->kind == CSL_T_UNDEFINED) return y;
    if (y->kind == CSL_T_UNDEFINED) return x;
    if (csl_is_int(x) && csl_is_int(y)) {
        if (x->kind == CSL_T_COMPTIME_INT) return y;
        if (y->kind == CSL_T_COMPTIME_INT) return x;
        if (x->is_signed == y->is_signed) return x->bits >= y->bits ? x : y;
        const csl_type *u = x->is_signed ? y : x, *i = x->is_signed ? x : y;
        if (i->bits > u->bits) return i;
        /* A known value that fits the other's type gives way. */
        if (b->where == CSL_KNOWN && csl_fits(x, b->i)) return x;
        if (a->where == CSL_KNOWN && csl_fits(y, a->i)) return y;
        return NULL;
    }
    if (csl_is_float(x) && csl_is_float(y)) {
        if (x->kind == CSL_T_COMPTIME_FLOAT || float_holds(y, a)) return y;
        if (y->kind == CSL_T_COMPTIME_FLOAT || float_holds(x, b)) return x;
        return x->bits >= y->bits ? x : y;
    }
    if (x->kind == CSL_T_COMPTIME_INT && csl_is_float(y)) return NULL;
    if (x->kind == CSL_T_POINTER && y->kind == CSL_T_POINTER) return x->many ? x : y;
    if (x->kind == CSL_T_FN && y->kind == CSL_T_POINTER) return y;
    if (y->kind == CSL_T_FN && x->kind == CSL_T_POINTER) return x;
    if (x->kind == CSL_T_STRUCT && y->kind == CSL_T_STRUCT) return x->site ? x : y->site ? y : NULL;
    (void)s;
    return NULL;
}

/* ---- known values ---- */

static csl_value known_ints(csl_sema *s, csl_op op, const csl_type *t, __int128 a, __int128 b, const csl_node *at);

static csl_value divide(csl_sema *s, csl_op op, const csl_type *t, __int128 a, __int128 b, const csl_node *at) {
    if (b == 0) return csl_error(s, at, "division by zero");
    if (b == -1) return op == CSL_OP_MOD ? csl_int(t, 0) : known_ints(s, CSL_OP_SUB, t, 0, a, at); /* the one quotient that may not fit */
    return csl_int(t, op == CSL_OP_DIV ? a / b : a % b);
}

static csl_value known_ints(csl_sema *s, csl_op op, const csl_type *t, __int128 a, __int128 b, const csl_node *at) {
    __int128 r = 0;
    bool overflow = false;
    switch (op) {
    case CSL_OP_ADD: overflow = __builtin_add_overflow(a, b, &r); break;
    case CSL_OP_SUB: overflow = __builtin_sub_overflow(a, b, &r); break;
    case CSL_OP_MUL: overflow = __builtin_mul_overflow(a, b, &r); break;
    case CSL_OP_DIV:
    case CSL_OP_MOD: return divide(s, op, t, a, b, at);
    case CSL_OP_BITAND: r = a & b; break;
    case CSL_OP_BITOR: r = a | b; break;
    case CSL_OP_BITXOR: r = a ^ b; break;
    case CSL_OP_EQ: return csl_bool(s, a == b);
    case CSL_OP_NE: return csl_bool(s, a != b);
    case CSL_OP_LT: return csl_bool(s, a < b);
    case CSL_OP_LE: return csl_bool(s, a <= b);
    case CSL_OP_GT: return csl_bool(s, a > b);
    case CSL_OP_GE: return csl_bool(s, a >= b);
    default: return csl_error(s, at, "operator '%s' does not work on integers", op_text[op]);
    }
    if (overflow) return csl_error(s, at, "the result needs more than 127 bits, which is not supported");
    if (!csl_fits(t, r)) return csl_error(s, at, "the result of '%s' does not fit type '%s'", op_text[op], t->text);
    return csl_int(t, r);
}

static csl_value known_floats(csl_sema *s, csl_op op, const csl_type *t, double a, double b, const csl_node *at) {
    switch (op) {
    case CSL_OP_ADD: return csl_float(t, a + b);
    case CSL_OP_SUB: return csl_float(t, a - b);
    case CSL_OP_MUL: return csl_float(t, a * b);
    case CSL_OP_DIV: return csl_float(t, a / b);
    case CSL_OP_MOD: return csl_float(t, fmod(a, b));
    case CSL_OP_EQ: return csl_bool(s, a == b);
    case CSL_OP_NE: return csl_bool(s, a != b);
    case CSL_OP_LT: return csl_bool(s, a < b);
    case CSL_OP_LE: return csl_bool(s, a <= b);
    case CSL_OP_GT: return csl_bool(s, a > b);
    case CSL_OP_GE: return csl_bool(s, a >= b);
    default: return csl_error(s, at, "operator '%s' does not work on floats", op_text[op]);
    }
}

static csl_value known_shift(csl_sema *s, csl_op op, csl_value a, csl_value b, const csl_node *at) {
    if (b.i < 0 || b.i > 126) return csl_error(s, at, "a shift count must be between 0 and 126");
    if (op == CSL_OP_SHR) return csl_int(a.type, a.i >> b.i);
    if (a.type->kind == CSL_T_COMPTIME_INT && b.i > 0 && (a.i >> (126 - b.i)) != (a.i < 0 ? -1 : 0))
        return csl_error(s, at, "the result needs more than 127 bits, which is not supported");
    return csl_int(a.type, csl_wrap(a.type, (__int128)((unsigned __int128)a.i << b.i)));
}

/* ---- run time ---- */

static csl_value compare_result(csl_sema *s, ir_reg r) { return csl_in_reg(s->unit->types.bool_, r); }

static uint16_t by_width(const csl_type *t, uint16_t w32, uint16_t u16, uint16_t s16) {
    return t->bits == 16 ? (t->is_signed ? s16 : u16) : w32;
}

static csl_value run_ints(csl_sema *s, csl_op op, const csl_type *t, ir_reg a, ir_reg b, const csl_node *at) {
    bool sg = t->is_signed, exact = t->bits == 16 || t->bits == 32;
    uint16_t code;
    switch (op) {
    case CSL_OP_ADD: code = by_width(t, ISA_ADD, ISA_ADD_U16, ISA_ADD_S16); break;
    case CSL_OP_SUB: code = by_width(t, ISA_SUB, ISA_SUB_U16, ISA_SUB_S16); break;
    case CSL_OP_MUL: code = by_width(t, ISA_MUL, ISA_MUL_U16, ISA_MUL_S16); break;
    case CSL_OP_DIV: code = sg ? ISA_DIVS : ISA_DIVU, exact = !sg || t->bits == 32; break;
    case CSL_OP_MOD: code = sg ? ISA_REMS : ISA_REMU, exact = true; break;
    case CSL_OP_BITAND: code = ISA_AND, exact = true; break;
    case CSL_OP_BITOR: code = ISA_OR, exact = true; break;
    case CSL_OP_BITXOR: code = ISA_XOR, exact = true; break;
    case CSL_OP_EQ: return compare_result(s, csl_emit(s, at, ISA_SEQ, a, b, 0));
    case CSL_OP_NE: return compare_result(s, csl_emit(s, at, ISA_SNE, a, b, 0));
    case CSL_OP_LT: return compare_result(s, csl_emit(s, at, sg ? ISA_SLT : ISA_SLTU, a, b, 0));
    case CSL_OP_LE: return compare_result(s, csl_emit(s, at, sg ? ISA_SLE : ISA_SLEU, a, b, 0));
    case CSL_OP_GT: return compare_result(s, csl_emit(s, at, sg ? ISA_SLT : ISA_SLTU, b, a, 0));
    case CSL_OP_GE: return compare_result(s, csl_emit(s, at, sg ? ISA_SLE : ISA_SLEU, b, a, 0));
    default: return csl_error(s, at, "operator '%s' does not work on integers", op_text[op]);
    }
    ir_reg r = csl_emit(s, at, code, a, b, 0);
    return csl_in_reg(t, exact ? r : csl_narrow(s, t, r, at));
}

static csl_value run_floats(csl_sema *s, csl_op op, const csl_type *t, ir_reg a, ir_reg b, const csl_node *at) {
    bool h = t->bits == 16;
    switch (op) {
    case CSL_OP_ADD: return csl_in_reg(t, csl_emit(s, at, h ? ISA_FADD_H : ISA_FADD_S, a, b, 0));
    case CSL_OP_SUB: return csl_in_reg(t, csl_emit(s, at, h ? ISA_FSUB_H : ISA_FSUB_S, a, b, 0));
    case CSL_OP_MUL: return csl_in_reg(t, csl_emit(s, at, h ? ISA_FMUL_H : ISA_FMUL_S, a, b, 0));
    case CSL_OP_DIV: return csl_in_reg(t, csl_emit(s, at, h ? ISA_FDIV_H : ISA_FDIV_S, a, b, 0));
    case CSL_OP_EQ: return compare_result(s, csl_emit(s, at, h ? ISA_FSEQ_H : ISA_FSEQ_S, a, b, 0));
    case CSL_OP_NE: return compare_result(s, csl_emit(s, at, ISA_XORI, csl_emit(s, at, h ? ISA_FSEQ_H : ISA_FSEQ_S, a, b, 0), 0, 1));
    case CSL_OP_LT: return compare_result(s, csl_emit(s, at, h ? ISA_FSLT_H : ISA_FSLT_S, a, b, 0));
    case CSL_OP_LE: return compare_result(s, csl_emit(s, at, h ? ISA_FSLE_H : ISA_FSLE_S, a, b, 0));
    case CSL_OP_GT: return compare_result(s, csl_emit(s, at, h ? ISA_FSLT_H : ISA_FSLT_S, b, a, 0));
    case CSL_OP_GE: return compare_result(s, csl_emit(s, at, h ? ISA_FSLE_H : ISA_FSLE_S, b, a, 0));
    default: return csl_error(s, at, "operator '%s' does not work on floats", op_text[op]);
    }
}

/* 64 bits as two registers. */
static csl_value wide_compare(csl_sema *s, csl_op op, const csl_type *t, const ir_reg *a, const ir_reg *b, const csl_node *at) {
    if (op == CSL_OP_GT || op == CSL_OP_GE) return wide_compare(s, op == CSL_OP_GT ? CSL_OP_LT : CSL_OP_LE, t, b, a, at);
    ir_reg high_same = csl_emit(s, at, ISA_SEQ, a[1], b[1], 0);
    if (op == CSL_OP_EQ || op == CSL_OP_NE) {
        ir_reg r = csl_emit(s, at, ISA_AND, high_same, csl_emit(s, at, ISA_SEQ, a[0], b[0], 0), 0);
        return compare_result(s, op == CSL_OP_EQ ? r : csl_emit(s, at, ISA_XORI, r, 0, 1));
    }
    ir_reg high_less = csl_emit(s, at, t->is_signed ? ISA_SLT : ISA_SLTU, a[1], b[1], 0);
    ir_reg low = csl_emit(s, at, op == CSL_OP_LT ? ISA_SLTU : ISA_SLEU, a[0], b[0], 0);
    return compare_result(s, csl_emit(s, at, ISA_OR, high_less, csl_emit(s, at, ISA_AND, high_same, low, 0), 0));
}

/* Division of 64 bits is a function of the standard library. */
static csl_value wide_divide(csl_sema *s, csl_op op, const csl_type *t, csl_value x, csl_value y, const csl_node *at) {
    const csl_value args[2] = {x, y};
    const char *name = t->is_signed ? (op == CSL_OP_DIV ? "div_i64" : "mod_i64") : op == CSL_OP_DIV ? "div_u64" : "mod_u64";
    csl_context c = csl_enter(s, s->root);
    bool is_library;
    const char *path = s->int64 ? NULL : csl_resolve_path(s, STR("<int64>"), at, &is_library);
    if (path) s->int64 = csl_module_new(s, path, true, "int64", NULL, at);
    csl_leave(s, &c);
    csl_func *f = s->int64 ? csl_find_func(s->int64, str_from(name)) : NULL;
    return f ? csl_call(s, f, 2, args, NULL, at) : CSL_NOTHING;
}

static csl_value run_wide(csl_sema *s, csl_op op, const csl_type *t, csl_value x, csl_value y, const csl_node *at) {
    ir_reg a[2], b[2], low, high;
    if (t->bits != 64) return csl_error(s, at, "arithmetic on '%s' is not supported at run time; convert to 64 or 32 bits", t->text);
    if (op == CSL_OP_DIV || op == CSL_OP_MOD) return wide_divide(s, op, t, x, y, at);
    if (!csl_regs(s, x, at, a) || !csl_regs(s, y, at, b)) return CSL_NOTHING;
    if (is_compare(op)) return wide_compare(s, op, t, a, b, at);
    switch (op) {
    case CSL_OP_ADD:
        low = csl_emit(s, at, ISA_ADD, a[0], b[0], 0);
        high = csl_emit(s, at, ISA_ADD, csl_emit(s, at, ISA_ADD, a[1], b[1], 0), csl_emit(s, at, ISA_SLTU, low, a[0], 0), 0);
        return csl_in_regs(t, low, high);
    case CSL_OP_SUB:
        low = csl_emit(s, at, ISA_SUB, a[0], b[0], 0);
        high = csl_emit(s, at, ISA_SUB, csl_emit(s, at, ISA_SUB, a[1], b[1], 0), csl_emit(s, at, ISA_SLTU, a[0], b[0], 0), 0);
        return csl_in_regs(t, low, high);
    case CSL_OP_MUL:
        low = csl_emit(s, at, ISA_MUL, a[0], b[0], 0);
        high = csl_emit(s, at, ISA_MULHU, a[0], b[0], 0);
        high = csl_emit(s, at, ISA_ADD, high, csl_emit(s, at, ISA_MUL, a[1], b[0], 0), 0);
        return csl_in_regs(t, low, csl_emit(s, at, ISA_ADD, high, csl_emit(s, at, ISA_MUL, a[0], b[1], 0), 0));
    case CSL_OP_BITAND:
    case CSL_OP_BITOR:
    case CSL_OP_BITXOR: {
        uint16_t code = op == CSL_OP_BITAND ? ISA_AND : op == CSL_OP_BITOR ? ISA_OR : ISA_XOR;
        low = csl_emit(s, at, code, a[0], b[0], 0);
        return csl_in_regs(t, low, csl_emit(s, at, code, a[1], b[1], 0));
    }
    default: return csl_error(s, at, "operator '%s' on '%s' is not supported at run time", op_text[op], t->text);
    }
}

/* Shifts of 64 bits by a run-time count: both halves from both, with counts of 32 and more giving zero (isa/ops.def). */
static csl_value wide_shift(csl_sema *s, csl_op op, csl_value x, csl_value count, const csl_node *at) {
    ir_reg a[2];
    const csl_type *t = x.type;
    if (!csl_regs(s, x, at, a)) return CSL_NOTHING;
    ir_reg n = csl_reg(s, count, at), thirty_two = csl_emit(s, at, ISA_MOVI, 0, 0, 32);
    ir_reg rest = csl_emit(s, at, ISA_SUB, thirty_two, n, 0), over = csl_emit(s, at, ISA_SUB, n, thirty_two, 0);
    bool left = op == CSL_OP_SHL;
    uint16_t main = left ? ISA_SHL : ISA_SHR, back = left ? ISA_SHR : ISA_SHL, top = !left && t->is_signed ? ISA_SAR : main;
    ir_reg from = left ? a[0] : a[1], to = left ? a[1] : a[0];
    ir_reg carried = csl_emit(s, at, ISA_OR, csl_emit(s, at, main, to, n, 0), csl_emit(s, at, back, from, rest, 0), 0);
    ir_reg far = csl_emit(s, at, top, from, over, 0), big = csl_emit(s, at, ISA_SLEU, thirty_two, n, 0);
    ir_reg mixed = ir_new_reg(s->fn);
    if (!csl_emit_raw(s, at, (ir_instr){.op = ISA_SEL, .d = mixed, .a = far, .b = carried, .c = big})) return CSL_NOTHING;
    ir_reg moved = csl_emit(s, at, top, from, n, 0);
    return left ? csl_in_regs(t, moved, mixed) : csl_in_regs(t, mixed, moved);
}

static csl_value shift(csl_sema *s, csl_op op, csl_value a, csl_value b, const csl_node *at) {
    if (!csl_is_int(a.type) || !csl_is_int(b.type)) return csl_error(s, at, "'%s' needs integers, not '%s' and '%s'", op_text[op], a.type->text, b.type->text);
    if (b.type->kind == CSL_T_INT && b.type->is_signed && b.where != CSL_KNOWN)
        return csl_error(s, at, "a shift count must be unsigned, not '%s'", b.type->text);
    if (a.where == CSL_KNOWN && b.where == CSL_KNOWN) return known_shift(s, op, a, b, at);
    if (a.type->kind == CSL_T_COMPTIME_INT) return csl_error(s, at, "the shifted value needs a run-time type; write @as(u16, ...)");
    if (a.type->bits > 32) return wide_shift(s, op, a, b, at);
    ir_reg x = csl_reg(s, a, at), n = csl_reg(s, b, at);
    if (op == CSL_OP_SHR) return csl_in_reg(a.type, csl_emit(s, at, a.type->is_signed ? ISA_SAR : ISA_SHR, x, n, 0));
    return csl_in_reg(a.type, csl_narrow(s, a.type, csl_emit(s, at, ISA_SHL, x, n, 0), at));
}

/* == and != on what is not a number. */
static csl_value equality(csl_sema *s, csl_op op, csl_value a, csl_value b, const csl_node *at) {
    if (a.where == CSL_KNOWN && b.where == CSL_KNOWN) return csl_bool(s, csl_same(&a, &b) == (op == CSL_OP_EQ));
    if (a.type->words > 2) return csl_error(s, at, "'%s' cannot compare values of type '%s'", op_text[op], a.type->text);
    ir_reg x = csl_reg(s, a, at), y = csl_reg(s, b, at);
    return compare_result(s, csl_emit(s, at, op == CSL_OP_EQ ? ISA_SEQ : ISA_SNE, x, y, 0));
}

csl_value csl_binary(csl_sema *s, csl_op op, csl_value a, csl_value b, const csl_node *at) {
    if (!a.type || !b.type) return CSL_NOTHING;
    if (op == CSL_OP_SHL || op == CSL_OP_SHR) return shift(s, op, a, b, at);
    const csl_type *t = csl_peer(s, &a, &b);
    if (!t && (op == CSL_OP_EQ || op == CSL_OP_NE) && a.type->kind == CSL_T_TYPE && b.type->kind == CSL_T_TYPE) t = a.type;
    if (!t) return csl_error(s, at, "operands of '%s' have types '%s' and '%s'; convert one with @as", op_text[op], a.type->text, b.type->text);
    a = csl_coerce(s, a, t, at);
    b = csl_coerce(s, b, t, at);
    if (!a.type || !b.type) return CSL_NOTHING;
    bool known = a.where == CSL_KNOWN && b.where == CSL_KNOWN;
    if (csl_is_int(t)) {
        if (known) return known_ints(s, op, t, a.i, b.i, at);
        if (t->bits > 32) return run_wide(s, op, t, a, b, at);
        ir_reg x = csl_reg(s, a, at), y = csl_reg(s, b, at);
        return x && y ? run_ints(s, op, t, x, y, at) : CSL_NOTHING;
    }
    if (csl_is_float(t)) {
        if (known) return known_floats(s, op, t, a.f, b.f, at);
        ir_reg x = csl_reg(s, a, at), y = csl_reg(s, b, at);
        return x && y ? run_floats(s, op, t, x, y, at) : CSL_NOTHING;
    }
    if (op == CSL_OP_EQ || op == CSL_OP_NE) return equality(s, op, a, b, at);
    if (t->kind == CSL_T_BOOL && op >= CSL_OP_BITAND && op <= CSL_OP_BITXOR) {
        if (known) return csl_bool(s, op == CSL_OP_BITAND ? (a.i & b.i) : op == CSL_OP_BITOR ? (a.i | b.i) : (a.i ^ b.i));
        uint16_t code = op == CSL_OP_BITAND ? ISA_AND : op == CSL_OP_BITOR ? ISA_OR : ISA_XOR;
        return csl_in_reg(t, csl_emit(s, at, code, csl_reg(s, a, at), csl_reg(s, b, at), 0));
    }
    return csl_error(s, at, "operator '%s' does not work on '%s'", op_text[op], t->text);
}

csl_value csl_short_circuit(csl_sema *s, const csl_node *n) {
    bool is_and = n->op == CSL_OP_AND;
    const csl_type *b = s->unit->types.bool_;
    csl_value left = csl_coerce(s, csl_eval(s, n->a), b, n->a);
    if (!left.type) return CSL_NOTHING;
    if (left.where == CSL_KNOWN) {
        if ((left.i != 0) != is_and) return left;
        return csl_coerce(s, csl_eval(s, n->b), b, n->b);
    }
    ir_reg result = ir_new_reg(s->fn), x = csl_reg(s, left, n->a);
    uint32_t done = ir_new_label(s->fn);
    csl_emit_raw(s, n, (ir_instr){.op = ISA_MOV, .d = result, .a = x});
    csl_emit_raw(s, n, (ir_instr){.op = is_and ? ISA_BZ : ISA_BNZ, .a = x, .imm = done});
    s->runtime_depth++;
    csl_value right = csl_coerce(s, csl_eval(s, n->b), b, n->b);
    s->runtime_depth--;
    if (!right.type || !csl_move(s, (ir_reg[2]){result, 0}, right, n->b)) return CSL_NOTHING;
    if (!csl_emit_raw(s, n, (ir_instr){.op = IR_LABEL, .imm = done})) return CSL_NOTHING;
    return csl_in_reg(b, result);
}

csl_value csl_unary(csl_sema *s, csl_op op, csl_value v, const csl_node *at) {
    if (!v.type) return CSL_NOTHING;
    const csl_type *t = v.type;
    bool known = v.where == CSL_KNOWN;
    if (op == CSL_OP_NOT) {
        if (t->kind != CSL_T_BOOL) return csl_error(s, at, "'!' needs a bool, not '%s'", t->text);
        return known ? csl_bool(s, !v.i) : csl_in_reg(t, csl_emit(s, at, ISA_XORI, csl_reg(s, v, at), 0, 1));
    }
    if (op == CSL_OP_NEG && csl_is_float(t)) {
        if (known) return csl_float(t, -v.f);
        return csl_in_reg(t, csl_emit(s, at, ISA_XORI, csl_reg(s, v, at), 0, t->bits == 16 ? 0x8000 : 0x80000000LL));
    }
    if (!csl_is_int(t)) return csl_error(s, at, "'%s' does not work on '%s'", op_text[op], t->text);
    if (op == CSL_OP_NEG) return csl_binary(s, CSL_OP_SUB, csl_int(t, 0), v, at);
    if (known) return csl_int(t, csl_wrap(t, ~v.i));
    if (t->bits > 32) return csl_binary(s, CSL_OP_BITXOR, v, csl_int(t, csl_wrap(t, -1)), at);
    return csl_in_reg(t, csl_narrow(s, t, csl_emit(s, at, ISA_XORI, csl_reg(s, v, at), 0, 0xffffffffLL), at));
}
