/* Conversions: implicit ones at assignment-like sites (csl_coerce), explicit ones by @as (csl_convert). */
#include "csl/sema_internal.h"
#include <inttypes.h>
#include <math.h>

bool csl_fits(const csl_type *t, __int128 v) {
    if (t->kind == CSL_T_COMPTIME_INT) return true;
    uint32_t bits = t->bits;
    if (bits >= 127) return true;
    if (!bits) return v == 0;
    if (t->is_signed) return v >= -((__int128)1 << (bits - 1)) && v < (__int128)1 << (bits - 1);
    return v >= 0 && v < (__int128)1 << bits;
}

__int128 csl_wrap(const csl_type *t, __int128 v) {
    if (t->kind == CSL_T_COMPTIME_INT || t->bits >= 127) return v;
    if (!t->bits) return 0;
    unsigned __int128 mask = ((unsigned __int128)1 << t->bits) - 1, u = (unsigned __int128)v & mask;
    if (t->is_signed && u >> (t->bits - 1)) return (__int128)(u | ~mask);
    return (__int128)u;
}

ir_reg csl_narrow(csl_sema *s, const csl_type *t, ir_reg r, const csl_node *at) {
    while (t->kind == CSL_T_ENUM) t = t->elem;
    if (t->kind == CSL_T_BOOL) return csl_emit(s, at, ISA_EXTU, r, 0, 1);
    if (t->kind != CSL_T_INT) return t->words == 1 ? csl_emit(s, at, ISA_EXTU, r, 0, 16) : r;
    if (t->bits >= 32) return r;
    return csl_emit(s, at, t->is_signed ? ISA_EXTS : ISA_EXTU, r, 0, t->bits ? t->bits : 1);
}

static csl_value mismatch(csl_sema *s, const csl_value *v, const csl_type *t, const csl_node *at) {
    return csl_error(s, at, "expected type '%s', got: '%s'", t->text, v->type->text);
}

/* ---- aggregates ---- */

static csl_value coerce_struct(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (v.where != CSL_KNOWN) return mismatch(s, &v, t, at);
    csl_value *e = csl_elems_new(s, t->count);
    if (!e) return CSL_NOTHING;
    if (v.type->tuple && v.type->count > t->count)
        return csl_error(s, at, "a tuple of %" PRIu32 " values cannot become '%s', which has %" PRIu32 " fields", v.type->count, t->text, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        const csl_member *to = &t->members[i];
        const csl_member *from = v.type->tuple ? (i < v.type->count ? &v.type->members[i] : NULL) : csl_find_member(v.type, to->name);
        if (from) e[i] = csl_coerce(s, *csl_elem(&v, (uint32_t)(from - v.type->members)), to->type, at);
        else if (to->fallback) e[i] = *to->fallback;
        else return csl_error(s, at, "field '%.*s' of '%s' is missing", (int)to->name.n, to->name.p, t->text);
        if (!e[i].type) return CSL_NOTHING;
    }
    for (uint32_t i = 0; i < v.type->count && !v.type->tuple; i++)
        if (!csl_find_member(t, v.type->members[i].name))
            return csl_error(s, at, "'%s' has no field '%.*s'", t->text, (int)v.type->members[i].name.n, v.type->members[i].name.p);
    return (csl_value){.type = t, .elems = e};
}

static csl_value coerce_array(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    bool tuple = v.type->kind == CSL_T_STRUCT && v.type->tuple;
    if (v.where != CSL_KNOWN || (!tuple && v.type->kind != CSL_T_ARRAY) || v.type->count != t->count) return mismatch(s, &v, t, at);
    csl_value *e = csl_elems_new(s, v.splat ? 1 : t->count);
    if (!e) return CSL_NOTHING;
    for (uint32_t i = 0; i < (v.splat ? 1 : t->count); i++) {
        e[i] = csl_coerce(s, v.elems[i], t->elem, at);
        if (!e[i].type) return CSL_NOTHING;
    }
    return (csl_value){.type = t, .elems = e, .splat = v.splat};
}

/* ---- pointers and functions ---- */

static bool pointer_allowed(const csl_type *from, const csl_type *to) {
    if (from->is_const && !to->is_const) return false;
    if (to->elem->kind == CSL_T_ANYOPAQUE || from->elem->kind == CSL_T_ANYOPAQUE) return true;
    if (from->elem == to->elem) return true;
    if (from->elem->kind == CSL_T_ARRAY && to->many) return from->elem->elem == to->elem;
    if (from->elem->kind == CSL_T_ARRAY && from->elem->count == 1) return from->elem->elem == to->elem;
    if (to->elem->kind == CSL_T_ARRAY && to->elem->count == 1 && to->elem->elem == from->elem) return true;
    return false;
}

static bool same_signature(const csl_type *a, const csl_type *b) {
    if (a->count != b->count || a->is_task != b->is_task || a->elem != b->elem) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->members[i].type != b->members[i].type) return false;
    return true;
}

static csl_value coerce_pointer(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (t->elem->kind == CSL_T_FN) {
        const csl_type *f = v.type->kind == CSL_T_FN ? v.type : v.type->kind == CSL_T_POINTER ? v.type->elem : NULL;
        if (!f || f->kind != CSL_T_FN || !same_signature(f, t->elem)) return mismatch(s, &v, t, at);
        v.type = t;
        return v;
    }
    if (v.type->kind != CSL_T_POINTER || !pointer_allowed(v.type, t)) return mismatch(s, &v, t, at);
    v.type = t;
    return v;
}

/* ---- numbers ---- */

static csl_value coerce_int(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (v.where == CSL_KNOWN) {
        if (!csl_is_int(v.type)) return mismatch(s, &v, t, at);
        if (csl_fits(t, v.i)) return csl_int(t, v.i);
        strbuf text = {0};
        csl_show(&v, &text);
        csl_error(s, at, "value %s does not fit type '%s'", text.data ? text.data : "", t->text);
        strbuf_free(&text);
        return CSL_NOTHING;
    }
    if (v.type->kind != CSL_T_INT || t->kind != CSL_T_INT) return mismatch(s, &v, t, at);
    bool widens = (v.type->is_signed == t->is_signed && v.type->bits <= t->bits) || (!v.type->is_signed && t->is_signed && v.type->bits < t->bits);
    return widens ? csl_convert(s, v, t, at) : mismatch(s, &v, t, at);
}

static csl_value coerce_float(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (v.where == CSL_KNOWN && csl_is_float(v.type)) return csl_float(t, v.f);
    if (v.where == CSL_REG && v.type->kind == CSL_T_FLOAT && v.type->bits < t->bits) return csl_convert(s, v, t, at);
    if (csl_is_int(v.type)) return csl_error(s, at, "expected type '%s', got: '%s'; write a float literal or @as(%s, ...)", t->text, v.type->text, t->text);
    return mismatch(s, &v, t, at);
}

csl_value csl_coerce(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (!v.type || !t) return CSL_NOTHING;
    if (v.type == t || t->kind == CSL_T_ANYTYPE) return v;
    if (v.type->kind == CSL_T_UNDEFINED) return csl_zero(s, t);
    switch ((csl_tkind)t->kind) {
    case CSL_T_INT:
    case CSL_T_COMPTIME_INT: return coerce_int(s, v, t, at);
    case CSL_T_FLOAT:
    case CSL_T_COMPTIME_FLOAT: return coerce_float(s, v, t, at);
    case CSL_T_STRUCT:
        return v.type->kind == CSL_T_STRUCT ? coerce_struct(s, v, t, at) : mismatch(s, &v, t, at);
    case CSL_T_ANY_STRUCT: return v.type->kind == CSL_T_STRUCT ? v : mismatch(s, &v, t, at);
    case CSL_T_ARRAY: return coerce_array(s, v, t, at);
    case CSL_T_POINTER: return coerce_pointer(s, v, t, at);
    case CSL_T_FN: {
        const csl_type *f = v.type->kind == CSL_T_POINTER ? v.type->elem : v.type;
        if (f->kind != CSL_T_FN || v.where != CSL_KNOWN || !(f == t || same_signature(f, t))) return mismatch(s, &v, t, at);
        v.type = t;
        return v;
    }
    default: return mismatch(s, &v, t, at);
    }
}

/* ---- @as ---- */

static csl_value known_to(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    bool from_float = csl_is_float(v.type);
    if (t->kind == CSL_T_BOOL) return csl_bool(s, from_float ? v.f != 0 : v.i != 0);
    if (csl_is_float(t)) return csl_float(t, from_float ? v.f : (double)v.i);
    __int128 i;
    if (from_float) {
        if (!isfinite(v.f) || fabs(v.f) > 1e37) return csl_error(s, at, "this float does not fit type '%s'", t->text);
        i = (__int128)v.f;
    } else {
        i = v.i;
    }
    const csl_type *range = t->kind == CSL_T_ENUM ? t->elem : t;
    if (range->kind != CSL_T_INT || csl_fits(range, i)) return csl_int(t, i);
    strbuf text = {0};
    csl_show(&v, &text);
    csl_error(s, at, "value %s does not fit type '%s'", text.data ? text.data : "", t->text);
    strbuf_free(&text);
    return CSL_NOTHING;
}

static const csl_type *number_of(const csl_type *t) { return t->kind == CSL_T_ENUM ? t->elem : t; }
static bool is_half(const csl_type *t) { return t->bits == 16; }

static csl_value wide_to(csl_sema *s, csl_value v, const csl_type *from, const csl_type *t, const csl_node *at) {
    if (from->bits > 32) { /* 64 bits to fewer, or to other 64 */
        if (t->kind == CSL_T_BOOL) return csl_binary(s, CSL_OP_NE, v, csl_int(from, 0), at);
        if (t->kind != CSL_T_INT) return csl_error(s, at, "converting '%s' to '%s' is not supported at run time", from->text, t->text);
        if (t->bits > 32) return csl_in_regs(t, v.reg[0], v.reg[1]);
        return csl_in_reg(t, csl_narrow(s, t, v.reg[0], at));
    }
    ir_reg low = csl_reg(s, v, at);
    ir_reg high = from->kind == CSL_T_INT && from->is_signed ? csl_emit(s, at, ISA_SARI, low, 0, 31) : csl_emit(s, at, ISA_MOVI, 0, 0, 0);
    return csl_in_regs(t, low, high);
}

static csl_value float_to(csl_sema *s, csl_value v, const csl_type *from, const csl_type *to, const csl_type *t, const csl_node *at) {
    ir_reg r = csl_reg(s, v, at);
    if (to->kind == CSL_T_FLOAT) {
        if (from->bits == to->bits) return csl_in_reg(t, r);
        return csl_in_reg(t, csl_emit(s, at, is_half(from) ? ISA_H2S : ISA_S2H, r, 0, 0));
    }
    if (to->kind == CSL_T_BOOL) {
        ir_reg zero = csl_emit(s, at, ISA_MOVI, 0, 0, 0);
        ir_reg is_zero = csl_emit(s, at, is_half(from) ? ISA_FSEQ_H : ISA_FSEQ_S, r, zero, 0);
        return csl_in_reg(t, csl_emit(s, at, ISA_XORI, is_zero, 0, 1));
    }
    bool is_signed = to->is_signed;
    uint16_t op = is_half(from) ? (is_signed ? ISA_H2I : ISA_H2U) : is_signed ? ISA_S2I : ISA_S2U;
    return csl_in_reg(t, csl_narrow(s, t, csl_emit(s, at, op, r, 0, 0), at));
}

static csl_value run_time_to(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    const csl_type *from = number_of(v.type), *to = number_of(t);
    if ((from->kind == CSL_T_INT && from->bits > 32) || (to->kind == CSL_T_INT && to->bits > 32)) {
        if (from->kind == CSL_T_FLOAT || from->bits > 64 || to->bits > 64)
            return csl_error(s, at, "converting '%s' to '%s' is not supported at run time", from->text, to->text);
        return wide_to(s, v, from, t, at);
    }
    if (from->kind == CSL_T_FLOAT) return float_to(s, v, from, to, t, at);
    ir_reg r = csl_reg(s, v, at);
    if (!r) return CSL_NOTHING;
    if (to->kind == CSL_T_FLOAT) {
        bool is_signed = from->kind == CSL_T_INT && from->is_signed;
        uint16_t op = is_half(to) ? (is_signed ? ISA_I2H : ISA_U2H) : is_signed ? ISA_I2S : ISA_U2S;
        return csl_in_reg(t, csl_emit(s, at, op, r, 0, 0));
    }
    if (to->kind == CSL_T_BOOL) {
        if (from->kind == CSL_T_BOOL) return csl_in_reg(t, r);
        return csl_in_reg(t, csl_emit(s, at, ISA_SNE, r, csl_emit(s, at, ISA_MOVI, 0, 0, 0), 0));
    }
    if (from->kind == CSL_T_BOOL) return csl_in_reg(t, r);
    bool same_kind = from->is_signed == to->is_signed || (!from->is_signed && from->bits < to->bits);
    if (same_kind && from->bits <= to->bits) return csl_in_reg(t, r);
    return csl_in_reg(t, csl_narrow(s, t, r, at));
}

csl_value csl_convert(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    if (!v.type || !t) return CSL_NOTHING;
    if (v.type == t) return v;
    const csl_type *from = number_of(v.type), *to = number_of(t);
    bool numbers = (csl_is_number(from) || from->kind == CSL_T_BOOL) && (csl_is_number(to) || to->kind == CSL_T_BOOL);
    if (!numbers) return csl_coerce(s, v, t, at);
    if (v.where == CSL_KNOWN) return known_to(s, v, t, at);
    if (!to->words) return csl_not_known(s, at, "a value converted to a comptime type");
    return run_time_to(s, v, t, at);
}
