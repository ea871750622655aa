/* Type expressions that are no names: arrays, pointers, functions, structs, enums. */
#include "csl/sema_internal.h"

const csl_type *csl_eval_type(csl_sema *s, const csl_node *n) {
    if (n->flags & CSL_ANYTYPE) return s->unit->types.anytype;
    bool outer = s->comptime;
    s->comptime = true;
    csl_value v = csl_eval(s, n);
    s->comptime = outer;
    if (!v.type) return NULL;
    if (v.type->kind != CSL_T_TYPE || v.where != CSL_KNOWN) {
        csl_error(s, n, "a type is needed here, not a value of type '%s'", v.type->text);
        return NULL;
    }
    return v.t;
}

static const csl_type *array_type(csl_sema *s, const csl_node *n) {
    uint32_t extents[16], rank = 0;
    for (const csl_node *e = n->a; e; e = e->next, rank++) {
        __int128 extent;
        if (rank == 16) return csl_error(s, e, "arrays of more than 16 dimensions are not supported"), NULL;
        if (!csl_eval_int(s, e, 0, 1 << 28, "an array extent", &extent)) return NULL;
        extents[rank] = (uint32_t)extent;
    }
    const csl_type *elem = csl_eval_type(s, n->b);
    if (!elem) return NULL;
    if (elem->kind == CSL_T_ARRAY) return csl_error(s, n->b, "the elements of an array cannot be arrays; write [n, m]T"), NULL;
    return csl_type_array(s->unit, elem, rank, extents);
}

static const csl_type *fn_type(csl_sema *s, const csl_node *n) {
    const csl_type *params[64];
    uint32_t count = 0;
    for (const csl_node *p = n->a; p; p = p->next) {
        if (count == 64) return csl_error(s, p, "more than 64 parameters are not supported"), NULL;
        params[count] = csl_eval_type(s, p->a ? p->a : p);
        if (!params[count++]) return NULL;
    }
    const csl_type *result = n->b ? csl_eval_type(s, n->b) : s->unit->types.void_;
    return result ? csl_type_fn(s->unit, result, count, params, (n->flags & CSL_TASK) != 0) : NULL;
}

static uint32_t list_length(const csl_node *n) {
    uint32_t count = 0;
    for (; n; n = n->next) count++;
    return count;
}

static const char *site_name(csl_sema *s, const char *kind) {
    return s->global_name && *s->global_name ? s->global_name : kind;
}

static csl_member *members_new(csl_sema *s, uint32_t count) {
    csl_member *m = arena_push_n(s->unit->memory, csl_member, count ? count : 1);
    if (!m) csl_oom(s);
    return m;
}

static csl_site_key site_key(const csl_sema *s, const csl_node *n, uint32_t count, const csl_member *m) {
    return (csl_site_key){.site = n, .module = s->module, .instance = s->frame ? s->frame->instance : 0, .count = count, .members = m};
}

static bool fields_of(csl_sema *s, const csl_node *list, csl_member *m) {
    for (const csl_node *f = list; f; f = f->next, m++) {
        m->name = f->name;
        m->type = csl_eval_type(s, f->a);
        if (!m->type) return false;
        if (!f->b) continue;
        csl_value v = csl_coerce(s, csl_eval_known(s, f->b), m->type, f->b);
        m->fallback = v.type ? csl_cell(s, v) : NULL;
        if (!m->fallback) return false;
    }
    return true;
}

/* Its members, unless the type is being made already: then it would contain itself. */
static bool fields_once(csl_sema *s, const csl_node *n, csl_site_key *key, csl_member *m) {
    for (const csl_open_type *o = s->open_types; o; o = o->up)
        if (o->key->site == n && o->key->module == key->module && o->key->instance == key->instance)
            return csl_error(s, n, "'%s' contains itself", site_name(s, "struct")), false;
    csl_open_type here = {key, s->open_types};
    s->open_types = &here;
    bool ok = fields_of(s, n->a, m);
    s->open_types = here.up;
    return ok;
}

static const csl_type *struct_type(csl_sema *s, const csl_node *n) {
    bool fresh, is_union = (n->flags & CSL_UNION) != 0;
    uint32_t count = list_length(n->a);
    csl_member *m = members_new(s, count);
    csl_site_key key = site_key(s, n, count, m);
    if (!m || !fields_once(s, n, &key, m)) return NULL;
    csl_type *t = csl_type_at_site(s->unit, &key, site_name(s, is_union ? "union" : "struct"), &fresh);
    if (!t) return csl_oom(s), NULL;
    if (!fresh) return t;
    t->kind = is_union ? CSL_T_UNION : CSL_T_STRUCT;
    csl_type_lay_out(t, m, is_union);
    if (t->nesting > CSL_NESTING_MAX) return csl_error(s, n, "types nested more than %d levels deep are not supported", CSL_NESTING_MAX), NULL;
    return t;
}

/* A member without a value takes the smallest number from zero that no other member has. */
static bool number_members(csl_sema *s, const csl_type *of, uint32_t count, csl_member *m, const csl_node *list) {
    uint32_t i = 0;
    uint64_t given[4] = {0};
    if (count > 256) return csl_error(s, list, "enums of more than 256 members are not supported"), false;
    for (const csl_node *e = list; e; e = e->next, i++) {
        m[i].name = e->name;
        if (!e->a) continue;
        if (!csl_eval_int(s, e->a, INT64_MIN, INT64_MAX, "the value of an enum member", &m[i].value)) return false;
        if (!csl_fits(of, m[i].value)) return csl_error(s, e->a, "this value does not fit type '%s'", of->text), false;
        given[i / 64] |= 1ull << (i % 64);
    }
    for (i = 0; i < count; i++) {
        if (given[i / 64] >> (i % 64) & 1) continue;
        __int128 v = 0;
        for (uint32_t j = 0; j < count; j++)
            if ((j < i || given[j / 64] >> (j % 64) & 1) && m[j].value == v) v++, j = UINT32_MAX;
        if (!csl_fits(of, v)) return csl_error(s, list, "an enum of type '%s' has no more values for '%.*s'", of->text, (int)m[i].name.n, m[i].name.p), false;
        m[i].value = v;
    }
    return true;
}

static const csl_type *enum_type(csl_sema *s, const csl_node *n) {
    bool fresh;
    const csl_type *of = n->a ? csl_eval_type(s, n->a) : s->unit->types.u16;
    if (!of) return NULL;
    if (of->kind != CSL_T_INT) return csl_error(s, n->a ? n->a : n, "an enum needs an integer type"), NULL;
    uint32_t count = list_length(n->b);
    csl_member *m = members_new(s, count);
    if (!m || !number_members(s, of, count, m, n->b)) return NULL;
    csl_site_key key = site_key(s, n, count, m);
    csl_type *t = csl_type_at_site(s->unit, &key, site_name(s, "enum"), &fresh);
    if (!t) return csl_oom(s), NULL;
    if (fresh) t->kind = CSL_T_ENUM, t->elem = of, t->words = of->words, t->bits = of->bits, t->is_signed = of->is_signed;
    return t;
}

csl_value csl_type_node(csl_sema *s, const csl_node *n) {
    const csl_type *t = NULL, *to;
    bool outer = s->comptime;
    arena *scratch = s->scratch;
    s->comptime = true;
    s->scratch = NULL; /* types outlive the loop they are met in */
    switch (n->kind) {
    case CSL_ARRAY_TYPE: t = array_type(s, n); break;
    case CSL_POINTER_TYPE:
        to = csl_eval_type(s, n->a);
        t = to ? csl_type_pointer(s->unit, to, (n->flags & CSL_MANY) != 0, (n->flags & CSL_CONST) != 0) : NULL;
        break;
    case CSL_FN_TYPE: t = fn_type(s, n); break;
    case CSL_STRUCT_TYPE: t = struct_type(s, n); break;
    case CSL_ENUM_TYPE: t = enum_type(s, n); break;
    default: break;
    }
    s->comptime = outer;
    s->scratch = scratch;
    return t ? csl_of_type(s, t) : CSL_NOTHING;
}
