/* Types, structs, arrays and strings looked at as data; what happens at compile time only. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

/* Evaluates without leaving code behind. */
static csl_value look_at(csl_sema *s, const csl_node *n) {
    uint32_t code = s->fn ? s->fn->code_count : 0;
    csl_value v = csl_eval(s, n);
    if (s->fn) s->fn->code_count = code;
    return v;
}

csl_value csl_b_type_of(csl_sema *s, const csl_node *call) {
    const csl_node *n = csl_arg(call, 0);
    if (n->kind == CSL_NAME && !csl_lookup(s, n->name)) { /* variables too, whose value is not known here */
        csl_global *g = csl_find_global(s->module, n->name);
        if (g) return csl_ready(s, g, n) ? csl_of_type(s, g->type) : CSL_NOTHING;
    }
    csl_value v = look_at(s, n);
    return v.type ? csl_of_type(s, v.type) : CSL_NOTHING;
}

csl_value csl_b_is_same_type(csl_sema *s, const csl_node *call) {
    const csl_type *a = csl_eval_type(s, csl_arg(call, 0)), *b = a ? csl_eval_type(s, csl_arg(call, 1)) : NULL;
    return b ? csl_bool(s, a == b) : CSL_NOTHING;
}

csl_value csl_b_is_comptime(csl_sema *s, const csl_node *call) {
    csl_value v = look_at(s, csl_arg(call, 0));
    return v.type ? csl_bool(s, csl_all_known(&v)) : CSL_NOTHING;
}

/* ---- structs ---- */

static bool struct_argument(csl_sema *s, const csl_node *call, uint32_t i, csl_value *out) {
    *out = csl_eval(s, csl_arg(call, i));
    if (!out->type) return false;
    if (out->type->kind == CSL_T_STRUCT && out->where == CSL_KNOWN) return true;
    return csl_refuse(s, csl_arg(call, i), "@%.*s: expected a comptime struct, got '%s'", (int)call->name.n,
                      call->name.p, out->type->text);
}

static bool names_disjoint(csl_sema *s, const csl_node *call, const csl_type *a, const csl_type *b) {
    if (a->tuple) return true;
    for (uint32_t i = 0; i < b->count; i++)
        if (csl_find_member(a, b->members[i].name))
            return csl_refuse(s, call, "@concat_structs: both structs have a field '%.*s'", (int)b->members[i].name.n,
                              b->members[i].name.p);
    return true;
}

csl_value csl_b_concat_structs(csl_sema *s, const csl_node *call) {
    csl_value v[2];
    if (!struct_argument(s, call, 0, &v[0]) || !struct_argument(s, call, 1, &v[1])) return CSL_NOTHING;
    if (!v[0].type->count) return v[1];
    if (!v[1].type->count) return v[0];
    if (v[0].type->tuple != v[1].type->tuple)
        return csl_error(s, call, "@concat_structs: one is a tuple, the other has named fields");
    if (!names_disjoint(s, call, v[0].type, v[1].type)) return CSL_NOTHING;
    uint32_t count = v[0].type->count + v[1].type->count, n = 0;
    csl_member *members = arena_push_n(csl_scratch(s), csl_member, count);
    csl_value *elems = csl_elems_new(s, count);
    if (!members || !elems) return csl_oom(s);
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < v[k].type->count; i++, n++) {
            elems[n] = *csl_elem(&v[k], i);
            members[n] = (csl_member){.name = v[k].type->members[i].name, .type = elems[n].type};
        }
    const csl_type *t = csl_type_struct(s->unit, count, members, v[0].type->tuple);
    return t ? (csl_value){.type = t, .elems = elems} : csl_oom(s);
}

csl_value csl_b_has_field(csl_sema *s, const csl_node *call) {
    csl_value v = look_at(s, csl_arg(call, 0)), name = csl_arg_string(s, call, 1, "the field");
    if (!v.type || !name.type) return CSL_NOTHING;
    const csl_type *t = v.type->kind == CSL_T_TYPE && v.where == CSL_KNOWN ? v.t : v.type;
    bool aggregate = t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION || t->kind == CSL_T_ENUM;
    return csl_bool(s, aggregate && csl_find_member(t, name.s));
}

/* As a value; the evaluator handles it as an assignment's target. */
csl_value csl_b_field(csl_sema *s, const csl_node *call) {
    csl_value name = csl_arg_string(s, call, 1, "the field");
    if (!name.type) return CSL_NOTHING;
    csl_node member = {.kind = CSL_MEMBER, .at = call->at, .name_at = call->at, .name = name.s, .height = call->height};
    member.a = call->b;
    csl_node *copy = arena_push(csl_scratch(s), csl_node);
    if (!copy) return csl_oom(s);
    *copy = member;
    return csl_eval(s, copy);
}

/* ---- arrays as types ---- */

static const csl_type *array_type(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    if (!t || t->kind == CSL_T_ARRAY) return t;
    csl_error(s, csl_arg(call, 0), "@%.*s: expected an array type, got '%s'", (int)call->name.n, call->name.p, t->text);
    return NULL;
}

csl_value csl_b_dimensions(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_type(s, call), *u32 = s->unit->types.u32;
    csl_value *e = t ? csl_elems_new(s, t->rank) : NULL;
    if (!e) return CSL_NOTHING;
    for (uint32_t i = 0; i < t->rank; i++) e[i] = csl_int(u32, t->extents[i]);
    const csl_type *result = csl_type_array(s->unit, u32, 1, &t->rank);
    return result ? (csl_value){.type = result, .elems = e} : csl_oom(s);
}

csl_value csl_b_rank(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_type(s, call);
    return t ? csl_int(s->unit->types.u16, t->rank) : CSL_NOTHING;
}

csl_value csl_b_element_count(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_type(s, call);
    return t ? csl_int(s->unit->types.u32, t->count) : CSL_NOTHING;
}

csl_value csl_b_element_type(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_type(s, call);
    return t ? csl_of_type(s, t->elem) : CSL_NOTHING;
}

/* ---- strings ---- */

csl_value csl_b_strlen(csl_sema *s, const csl_node *call) {
    csl_value v = csl_arg_string(s, call, 0, "the argument");
    return v.type ? csl_int(s->unit->types.comptime_int, (__int128)v.s.n) : CSL_NOTHING;
}

csl_value csl_b_strcat(csl_sema *s, const csl_node *call) {
    strbuf all = {0};
    for (uint32_t i = 0; i < csl_arg_count(call); i++) {
        csl_value v = csl_arg_string(s, call, i, "every argument");
        if (!v.type || all.len > 1 << 20) {
            strbuf_free(&all);
            return v.type ? csl_error(s, call, "@strcat: the string is too long") : CSL_NOTHING;
        }
        strbuf_add(&all, v.s.p, v.s.n);
    }
    char *copy = all.oom ? NULL : arena_strndup(s->unit->memory, all.data ? all.data : "", all.len);
    size_t n = all.len;
    strbuf_free(&all);
    return copy ? csl_str(s, (str){copy, n}) : csl_oom(s);
}

csl_value csl_b_get_array(csl_sema *s, const csl_node *call) {
    csl_value v = csl_arg_string(s, call, 0, "the argument");
    if (!v.type) return CSL_NOTHING;
    if (v.s.n > ISA_SRAM_WORDS) return csl_error(s, call, "@get_array: this string is larger than the memory of a PE");
    csl_value *e = csl_elems_new(s, (uint32_t)v.s.n);
    if (!e) return CSL_NOTHING;
    uint32_t n = (uint32_t)v.s.n;
    for (uint32_t i = 0; i < n; i++) e[i] = csl_int(s->unit->types.u8, (unsigned char)v.s.p[i]);
    const csl_type *t = csl_type_array(s->unit, s->unit->types.u8, 1, &n);
    return t ? (csl_value){.type = t, .elems = e} : csl_oom(s);
}

csl_value csl_b_string_from_byte(csl_sema *s, const csl_node *call) {
    __int128 byte;
    if (!csl_eval_int(s, csl_arg(call, 0), 0, 255, "@get_string_from_byte: the byte", &byte)) return CSL_NOTHING;
    char c = (char)byte, *copy = arena_strndup(s->unit->memory, &c, 1);
    return copy ? csl_str(s, (str){copy, 1}) : csl_oom(s);
}

/* ---- compile time ---- */

csl_value csl_b_comptime_assert(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_value c = csl_eval_known(s, at), text = CSL_NOTHING;
    if (!c.type) return CSL_NOTHING;
    if (c.type->kind != CSL_T_BOOL)
        return csl_error(s, at, "@comptime_assert: expected 'bool', got '%s'", c.type->text);
    if (c.i) return csl_void(s);
    if (csl_arg(call, 1)) {
        text = csl_arg_string(s, call, 1, "the message");
        if (!text.type) return CSL_NOTHING;
        return csl_error(s, at, "comptime assertion failed: %.*s", (int)text.s.n, text.s.p);
    }
    return csl_error(s, at, "comptime assertion failed");
}

csl_value csl_b_comptime_print(csl_sema *s, const csl_node *call) {
    strbuf text = {0};
    for (const csl_node *n = call->b; n; n = n->next) {
        csl_value v = csl_eval_known(s, n);
        if (!v.type) {
            strbuf_free(&text);
            return CSL_NOTHING;
        }
        if (text.len) strbuf_addc(&text, ' ');
        if (v.type->kind == CSL_T_STRING) strbuf_add(&text, v.s.p, v.s.n);
        else csl_show(&v, &text);
    }
    csl_note(s, s->module, call, "%s", text.data ? text.data : "");
    strbuf_free(&text);
    return csl_void(s);
}
