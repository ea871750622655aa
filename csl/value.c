/* Values known at compile time: making, comparing, hashing, showing them. */
#include "base/half.h"
#include "csl/sema_internal.h"
#include <inttypes.h>
#include <math.h>

csl_value csl_int(const csl_type *t, __int128 v) { return (csl_value){.type = t, .i = v}; }

uint32_t csl_id_max(const csl_type *t) {
    switch (t->kind) {
    case CSL_T_BOOL: return 1;
    case CSL_T_COLOR: return 31; /* those from 24 are in the language, but not on wires */
    case CSL_T_DIRECTION: return ISA_RAMP;
    case CSL_T_INPUT_QUEUE:
    case CSL_T_OUTPUT_QUEUE:
    case CSL_T_UT_ID: return ISA_QUEUES - 1;
    default: return ISA_TASKS - 1;
    }
}

/* cb16: 1 sign, 6 exponent (bias 42), 9 fraction bits; only ever a comptime format here. */
static double round_cb16(double v) {
    if (v == 0 || !isfinite(v)) return v;
    int e;
    double m = frexp(v, &e);
    return ldexp(rint(ldexp(m, 10)), e - 10);
}

static double rounded(const csl_type *t, double v) {
    if (t->kind == CSL_T_COMPTIME_FLOAT) return v;
    switch ((csl_fp)t->sub) {
    case CSL_FP_F16: return f32_from_f16(csl_f16_bits(v));
    case CSL_FP_BF16: return f32_from_bf16(csl_bf16_bits(v));
    case CSL_FP_CB16: return round_cb16(v);
    case CSL_FP_F32: return (float)v;
    }
    return v;
}

csl_value csl_float(const csl_type *t, double v) { return (csl_value){.type = t, .f = rounded(t, v)}; }
csl_value csl_void(csl_sema *s) { return (csl_value){.type = s->unit->types.void_}; }
csl_value csl_bool(csl_sema *s, bool v) { return csl_int(s->unit->types.bool_, v); }
csl_value csl_str(csl_sema *s, str v) { return (csl_value){.type = s->unit->types.string, .s = v}; }
csl_value csl_of_type(csl_sema *s, const csl_type *t) { return (csl_value){.type = s->unit->types.type, .t = t}; }
csl_value csl_in_reg(const csl_type *t, ir_reg r) { return (csl_value){.type = t, .where = CSL_REG, .reg = {r, 0}}; }
csl_value csl_in_regs(const csl_type *t, ir_reg low, ir_reg high) {
    return (csl_value){.type = t, .where = CSL_REG, .reg = {low, high}};
}

/* Round to nearest even in one step from double (through float first would round twice). */
uint16_t csl_f16_bits(double v) {
    float f = (float)v;
    if ((double)f != v && isfinite(f)) { /* sticky: make the float's last bit odd when the rounding was inexact */
        uint32_t bits;
        memcpy(&bits, &f, 4);
        if (!(bits & 1)) {
            bool up = fabs((double)f) < fabs(v);
            bits = up ? bits | 1 : bits - 1;
            memcpy(&f, &bits, 4);
        }
    }
    return f16_from_f32(f);
}
uint16_t csl_bf16_bits(double v) { return bf16_from_f32((float)v); }

static csl_value *elems_of(csl_sema *s, uint32_t n) {
    csl_value *e = arena_push_n(csl_scratch(s), csl_value, n ? n : 1);
    if (!e) diag_oom(s->d, "values");
    return e;
}

csl_value csl_zero(csl_sema *s, const csl_type *t) {
    csl_value v = {.type = t};
    switch (t->kind) {
    case CSL_T_TYPE:
    case CSL_T_FN:
    case CSL_T_MODULE:
    case CSL_T_RANGE:
    case CSL_T_ANYTYPE:
    case CSL_T_ANY_STRUCT:
    case CSL_T_ANYOPAQUE: return csl_error(s, s->at, "a value of type '%s' cannot be undefined", t->text);
    default: break;
    }
    if (t->kind == CSL_T_ARRAY) {
        v.elems = elems_of(s, 1);
        if (!v.elems) return CSL_NOTHING;
        v.splat = true;
        v.elems[0] = csl_zero(s, t->elem);
        if (!v.elems[0].type) return CSL_NOTHING;
    } else if (t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION) {
        v.elems = elems_of(s, t->count);
        if (!v.elems) return CSL_NOTHING;
        for (uint32_t i = 0; i < t->count; i++) {
            v.elems[i] = t->members[i].fallback ? *t->members[i].fallback : csl_zero(s, t->members[i].type);
            if (!v.elems[i].type) return CSL_NOTHING;
        }
    } else if (t->kind == CSL_T_FLOAT || t->kind == CSL_T_COMPTIME_FLOAT) {
        v.f = 0;
    }
    return v;
}

const csl_value *csl_elem(const csl_value *v, uint32_t i) { return v->splat ? v->elems : v->elems + i; }

const csl_value *csl_field(const csl_value *v, const char *name) {
    if (v->type->kind != CSL_T_STRUCT) return NULL;
    const csl_member *m = csl_find_member(v->type, str_from(name));
    return m ? csl_elem(v, (uint32_t)(m - v->type->members)) : NULL;
}

static uint32_t parts(const csl_value *v) {
    switch (v->type->kind) {
    case CSL_T_ARRAY:
    case CSL_T_STRUCT:
    case CSL_T_UNION: return v->type->count;
    default: return 0;
    }
}

bool csl_all_known(const csl_value *v) {
    if (v->where != CSL_KNOWN) return false;
    uint32_t n = v->splat ? parts(v) != 0 : parts(v);
    for (uint32_t i = 0; i < n; i++)
        if (!csl_all_known(v->elems + i)) return false;
    return true;
}

static uint64_t double_bits(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

bool csl_same(const csl_value *a, const csl_value *b) {
    if (a->type != b->type || a->where != b->where) return false;
    if (a->where != CSL_KNOWN) return a->where == CSL_REG && a->reg[0] == b->reg[0] && a->reg[1] == b->reg[1];
    uint32_t n = parts(a);
    if (n) {
        if (a->elems == b->elems && a->splat == b->splat) return true;
        if (a->splat && b->splat) n = 1;
        for (uint32_t i = 0; i < n; i++)
            if (!csl_same(csl_elem(a, i), csl_elem(b, i))) return false;
        return true;
    }
    switch (a->type->kind) {
    case CSL_T_VOID:
    case CSL_T_UNDEFINED: return true;
    case CSL_T_ARRAY:
    case CSL_T_STRUCT: return true;
    case CSL_T_FLOAT:
    case CSL_T_COMPTIME_FLOAT: return double_bits(a->f) == double_bits(b->f); /* -0 is not 0, and a NaN is itself */
    case CSL_T_STRING: return str_eq(a->s, b->s);
    case CSL_T_TYPE: return a->t == b->t;
    case CSL_T_FN: return a->fn == b->fn;
    case CSL_T_MODULE: return a->module == b->module;
    case CSL_T_POINTER:
        if (a->type->elem->kind == CSL_T_FN) return a->fn == b->fn;
        return a->p.global == b->p.global && a->p.cell == b->p.cell && a->p.word == b->p.word;
    case CSL_T_DSD: return a->dsd == b->dsd;
    case CSL_T_DSR:
    case CSL_T_XDSR:
    case CSL_T_SR: return a->dsr == b->dsr;
    case CSL_T_RANGE:
        return a->range.start == b->range.start && a->range.stop == b->range.stop && a->range.step == b->range.step;
    default: return a->i == b->i;
    }
}

static uint64_t mix(uint64_t h, uint64_t x) {
    h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    return h * 0xff51afd7ed558ccdu;
}

uint64_t csl_hash(const csl_value *v) {
    uint64_t h = mix(v->type->id, v->where), bits;
    uint32_t n = parts(v);
    if (n || v->where != CSL_KNOWN) {
        if (v->where == CSL_KNOWN)
            for (uint32_t i = 0; i < n && i < 4096; i++) h = mix(h, csl_hash(csl_elem(v, i)));
        return h;
    }
    switch (v->type->kind) {
    case CSL_T_VOID:
    case CSL_T_UNDEFINED:
    case CSL_T_ARRAY:
    case CSL_T_STRUCT: return h;
    case CSL_T_FLOAT:
    case CSL_T_COMPTIME_FLOAT: memcpy(&bits, &v->f, sizeof bits); return mix(h, bits);
    case CSL_T_STRING: return mix(h, str_hash(v->s));
    case CSL_T_TYPE: return mix(h, v->t->id);
    case CSL_T_FN: return mix(h, (uint64_t)(uintptr_t)v->fn);
    case CSL_T_MODULE: return mix(h, (uint64_t)(uintptr_t)v->module);
    case CSL_T_POINTER:
        if (v->type->elem->kind == CSL_T_FN) return mix(h, (uint64_t)(uintptr_t)v->fn);
        return mix(mix(h, (uint64_t)(uintptr_t)v->p.global), v->p.word);
    case CSL_T_DSD: return mix(h, v->dsd);
    case CSL_T_DSR:
    case CSL_T_XDSR:
    case CSL_T_SR: return mix(h, v->dsr);
    case CSL_T_RANGE:
        return mix(mix(mix(h, (uint64_t)v->range.start), (uint64_t)v->range.stop), (uint64_t)v->range.step);
    default: return mix(mix(h, (uint64_t)v->i), (uint64_t)(v->i >> 64));
    }
}

static void show_int(__int128 v, strbuf *out) {
    char digits[48];
    int n = 0;
    bool negative = v < 0;
    unsigned __int128 u = negative ? -(unsigned __int128)v : (unsigned __int128)v;
    do digits[n++] = (char)('0' + (int)(u % 10)), u /= 10;
    while (u);
    if (negative) strbuf_addc(out, '-');
    while (n) strbuf_addc(out, digits[--n]);
}

static void show_parts(const csl_value *v, strbuf *out) {
    bool array = v->type->kind == CSL_T_ARRAY;
    if (array) strbuf_adds(out, v->type->text);
    strbuf_adds(out, array ? " { " : ".{ ");
    for (uint32_t i = 0; i < v->type->count; i++) {
        if (i) strbuf_adds(out, ", ");
        if (i == 64) {
            strbuf_adds(out, "...");
            break;
        }
        if (!array && !v->type->tuple)
            strbuf_addf(out, ".%.*s = ", (int)v->type->members[i].name.n, v->type->members[i].name.p);
        csl_show(csl_elem(v, i), out);
    }
    strbuf_adds(out, " }");
}

void csl_show(const csl_value *v, strbuf *out) {
    static const char *const dirs[] = {"WEST", "EAST", "SOUTH", "NORTH", "RAMP", "HOST"};
    if (!v->type || v->where != CSL_KNOWN) {
        strbuf_adds(out, v->type ? "(run-time value)" : "(error)");
        return;
    }
    switch (v->type->kind) {
    case CSL_T_VOID: strbuf_adds(out, "{}"); break;
    case CSL_T_UNDEFINED: strbuf_adds(out, "undefined"); break;
    case CSL_T_BOOL: strbuf_adds(out, v->i ? "true" : "false"); break;
    case CSL_T_FLOAT:
    case CSL_T_COMPTIME_FLOAT: strbuf_addf(out, "%.9g", v->f); break;
    case CSL_T_STRING: strbuf_add(out, v->s.p, v->s.n); break;
    case CSL_T_TYPE: strbuf_adds(out, v->t->text); break;
    case CSL_T_FN: strbuf_adds(out, v->fn ? v->fn->name : "(none)"); break;
    case CSL_T_MODULE: strbuf_adds(out, v->module->path); break;
    case CSL_T_DIRECTION: strbuf_adds(out, dirs[v->i % 6]); break;
    case CSL_T_ARRAY:
    case CSL_T_STRUCT:
    case CSL_T_UNION: show_parts(v, out); break;
    case CSL_T_POINTER:
        if (v->type->elem->kind == CSL_T_FN) strbuf_addf(out, "&%s", v->fn->name);
        else strbuf_addf(out, "&%s + %" PRIu32, v->p.global ? v->p.global->name : "(comptime)", v->p.word);
        break;
    case CSL_T_DSD: strbuf_addf(out, "%s(0x%016" PRIx64 ")", v->type->text, v->dsd); break;
    case CSL_T_DSR:
    case CSL_T_XDSR:
    case CSL_T_SR: strbuf_addf(out, "%s %" PRIu32, v->type->text, v->dsr); break;
    case CSL_T_ENUM:
        for (uint32_t i = 0; i < v->type->count; i++)
            if (v->type->members[i].value == v->i) {
                strbuf_add(out, v->type->members[i].name.p, v->type->members[i].name.n);
                return;
            }
        show_int(v->i, out);
        break;
    default: show_int(v->i, out);
    }
}
