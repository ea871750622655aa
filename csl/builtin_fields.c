/* Structs of settings: which fields there are, what they hold, and a message for each that is unknown.
 *
 * A literal is walked as syntax, so that a field may hold what is no value (tensor_access) or an array variable whose
 * address is meant; any other struct is evaluated. The known fields are those that were asked for: no second list to
 * keep in step. */
#include "csl/builtin.h"
#include <inttypes.h>

static bool add_entry(csl_sema *s, csl_fields *f, str name, const csl_node *at, const csl_value *value) {
    if (f->count == CSL_FIELDS_MAX) return csl_refuse(s, f->at, "%s: too many fields", f->what);
    for (uint32_t i = 0; i < f->count; i++)
        if (str_eq(f->entry[i].name, name))
            return csl_refuse(s, at, "%s: field '.%.*s' is given twice", f->what, (int)name.n, name.p);
    f->entry[f->count++] = (csl_entry){.name = name, .at = at, .value = value};
    return true;
}

static bool from_literal(csl_sema *s, const csl_node *n, csl_fields *out) {
    for (const csl_node *field = n->b; field; field = field->next)
        if (!add_entry(s, out, field->name, field->a, NULL)) return false;
    return true;
}

bool csl_fields_of_value(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, csl_fields *out) {
    out->what = what, out->at = at, out->count = out->asked_count = 0;
    if (!v->type) return false;
    if (v->type->kind != CSL_T_STRUCT || (v->type->tuple && v->type->count) || v->where != CSL_KNOWN)
        return csl_refuse(s, at, "%s: expected a struct of settings such as '.{ .name = value }', got '%s'", what,
                          v->type->text);
    for (uint32_t i = 0; i < v->type->count; i++)
        if (!add_entry(s, out, v->type->members[i].name, at, csl_elem(v, i))) return false;
    return true;
}

/* The arm of an `if` with a known condition; NULL after an error. */
static const csl_node *taken_arm(csl_sema *s, const csl_node *n) {
    csl_value c = csl_eval_known(s, n->a);
    if (!c.type) return NULL;
    if (c.type->kind != CSL_T_BOOL) {
        csl_refuse(s, n->a, "a condition must be 'bool', not '%s'", c.type->text);
        return NULL;
    }
    const csl_node *arm = c.i ? n->b : n->c;
    if (!arm) csl_refuse(s, n, "this 'if' has no value: its condition is false and there is no 'else'");
    return arm;
}

bool csl_fields_of(csl_sema *s, const csl_node *n, const char *what, csl_fields *out) {
    while (n && n->kind == CSL_IF) n = taken_arm(s, n);
    if (!n) return false;
    out->what = what, out->at = n, out->count = out->asked_count = 0;
    if (n->kind == CSL_STRUCT_LIT && !n->a) return from_literal(s, n, out);
    csl_value *v = arena_push(csl_scratch(s), csl_value);
    if (!v) return csl_oom(s), false;
    *v = csl_eval(s, n);
    return csl_fields_of_value(s, v, n, what, out);
}

csl_entry *csl_find(csl_fields *f, const char *name) {
    bool known = false;
    for (uint32_t i = 0; i < f->asked_count && !known; i++) known = !strcmp(f->asked[i], name);
    if (!known && f->asked_count < CSL_FIELDS_MAX) f->asked[f->asked_count++] = name;
    for (uint32_t i = 0; i < f->count; i++)
        if (str_is(f->entry[i].name, name)) {
            f->entry[i].used = true;
            return &f->entry[i];
        }
    return NULL;
}

bool csl_take(csl_sema *s, csl_fields *f, const char *name, csl_value *out, const csl_node **at) {
    *out = CSL_NOTHING;
    csl_entry *e = csl_find(f, name);
    if (!e) return true;
    if (at) *at = e->at;
    *out = e->value ? *e->value : csl_eval(s, e->at);
    return out->type != NULL;
}

bool csl_take_flag(csl_sema *s, csl_fields *f, const char *name, bool *out) {
    csl_value v;
    const csl_node *at = f->at;
    if (!csl_take(s, f, name, &v, &at)) return false;
    if (!v.type) return true;
    if (v.type->kind != CSL_T_BOOL || v.where != CSL_KNOWN)
        return csl_refuse(s, at, "%s: .%s must be 'true' or 'false', known at compile time; got '%s'", f->what, name,
                          v.type->text);
    *out = v.i != 0;
    return true;
}

bool csl_whole(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, int64_t min, int64_t max,
               int64_t *out) {
    if (!v->type) return false;
    const csl_type *t = v->type->kind == CSL_T_ENUM ? v->type->elem : v->type;
    if (!csl_is_int(t) && !csl_is_id(t) && t->kind != CSL_T_BOOL)
        return csl_refuse(s, at, "%s must be an integer, not '%s'", what, v->type->text);
    if (v->where != CSL_KNOWN) return csl_refuse(s, at, "%s must be known at compile time", what);
    if (v->i < min || v->i > max)
        return csl_refuse(s, at, "%s must be in %" PRId64 "..%" PRId64 ", got %" PRId64, what, min, max, (int64_t)v->i);
    *out = (int64_t)v->i;
    return true;
}

bool csl_take_int(csl_sema *s, csl_fields *f, const char *name, int64_t min, int64_t max, int64_t *out, bool *present) {
    csl_value v;
    const csl_node *at = f->at;
    char what[128];
    if (!csl_take(s, f, name, &v, &at)) return false;
    if (present) *present = v.type != NULL;
    if (!v.type) return true;
    snprintf(what, sizeof what, "%s: .%s", f->what, name);
    return csl_whole(s, &v, at, what, min, max, out);
}

static bool one_of(csl_sema *s, csl_fields *inner, const char *const *names, int *out) {
    int chosen = -1;
    for (int i = 0; names[i]; i++) {
        bool on = false;
        if (!csl_take_flag(s, inner, names[i], &on)) return false;
        if (!on) continue;
        if (chosen >= 0)
            return csl_refuse(s, inner->at, "%s: both .%s and .%s are set", inner->what, names[chosen], names[i]);
        chosen = i;
    }
    if (chosen >= 0) *out = chosen;
    return csl_fields_done(s, inner);
}

bool csl_take_choice(csl_sema *s, csl_fields *f, const char *name, const char *const *names, int *out) {
    csl_entry *e = csl_find(f, name);
    if (!e) return true;
    char what[96];
    snprintf(what, sizeof what, "%.60s: .%s", f->what, name);
    csl_fields inner;
    bool ok = e->value ? csl_fields_of_value(s, e->value, e->at, what, &inner) : csl_fields_of(s, e->at, what, &inner);
    return ok && one_of(s, &inner, names, out);
}

bool csl_fields_done(csl_sema *s, const csl_fields *f) {
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->entry[i].used) continue;
        strbuf known = {0};
        for (uint32_t k = 0; k < f->asked_count; k++) strbuf_addf(&known, "%s.%s", k ? ", " : "", f->asked[k]);
        csl_refuse(s, f->entry[i].at, "%s: unknown field '.%.*s'; known are %s", f->what, (int)f->entry[i].name.n,
                   f->entry[i].name.p, known.data ? known.data : "");
        strbuf_free(&known);
        return false;
    }
    return true;
}
