/* Calls: finding a row by name, binding arguments to its parameters, and the macros' own binding. */
#include "llm/jinja_internal.h"

enum { PARAMETERS_MAX = 6 };

const jinja_row *jinja_row_find(const jinja_row *rows, str name) {
    for (; rows->name; rows++)
        if (str_is(name, rows->name)) return rows;
    return NULL;
}

const jinja_row *jinja_filter_find(str name) {
    const jinja_row *row = jinja_row_find(jinja_filters, name);
    return row ? row : jinja_row_find(jinja_sequence_filters, name);
}

static size_t parameter_count(const char *parameters) {
    size_t n = *parameters != 0;
    for (; *parameters; parameters++) n += *parameters == ' ';
    return n;
}

/* Which parameter has this name; `count` when none. */
static size_t parameter_index(const char *p, size_t count, str name) {
    for (size_t i = 0; i < count; i++, p++) {
        size_t n = strcspn(p, " ");
        if (str_eq((str){p, n}, name)) return i;
        p += n;
    }
    return count;
}

static bool bind(jinja_state *j, const char *kind, const jinja_row *row, const jinja_arguments *g,
                 jinja_value out[PARAMETERS_MAX]) {
    size_t count = parameter_count(row->parameters);
    for (size_t i = 0; i < PARAMETERS_MAX; i++) out[i] = (jinja_value){.type = JINJA_MISSING};
    if (g->count > count) {
        jinja_fail(j, "%s '%s' takes at most %zu arguments, not %zu", kind, row->name, count, g->count);
        return false;
    }
    for (size_t i = 0; i < g->count; i++) out[i] = g->values[i];
    for (size_t i = 0; i < g->named.count; i++) {
        str name = g->named.pairs[i].key.string->text;
        size_t at = parameter_index(row->parameters, count, name);
        if (at < count && out[at].type == JINJA_MISSING) out[at] = g->named.pairs[i].value;
        else
            jinja_fail(j, "%s '%s' has no argument '%.*s', or has it twice", kind, row->name,
                       (int)(name.n < 100 ? name.n : 100), name.p);
    }
    for (size_t i = 0; i < row->required; i++)
        if (out[i].type == JINJA_MISSING)
            jinja_fail(j, "%s '%s' needs more arguments: %s", kind, row->name, row->parameters);
    return !j->failed;
}

jinja_value jinja_call_row(jinja_state *j, const char *kind, const jinja_row *row, jinja_value self,
                           const jinja_arguments *g) {
    jinja_value values[PARAMETERS_MAX], out = {0};
    if (!jinja_charge(j, 1) || (self.type == JINJA_STRING && !jinja_charge_text(j, self.string->text.n))) return out;
    jinja_arguments bound = {.values = values, .count = PARAMETERS_MAX};
    if (!strcmp(row->parameters, "*")) bound = *g;
    else if (!bind(j, kind, row, g, values)) return out;
    if (jinja_enter(j)) out = row->call(j, self, &bound);
    jinja_leave(j);
    return j->failed ? jinja_nothing() : out;
}

jinja_value jinja_call_filter(jinja_state *j, str name, jinja_value self, const jinja_arguments *g) {
    const jinja_row *row = jinja_filter_find(name);
    if (row) return jinja_call_row(j, "filter", row, self, g);
    jinja_fail(j, "unknown filter '%.*s'", (int)(name.n < 100 ? name.n : 100), name.p);
    return jinja_nothing();
}

bool jinja_call_test(jinja_state *j, str name, jinja_value self, const jinja_arguments *g) {
    const jinja_row *row = jinja_row_find(jinja_tests, name);
    if (row) return jinja_truth(jinja_call_row(j, "test", row, self, g));
    jinja_fail(j, "unknown test '%.*s'", (int)(name.n < 100 ? name.n : 100), name.p);
    return false;
}

jinja_value jinja_new_function(jinja_state *j, const jinja_row *row, jinja_value self) {
    jinja_object *o = jinja_alloc(j, 1, sizeof *o);
    if (o) o->row = row, o->self = self;
    return (jinja_value){.type = o ? JINJA_FUNCTION : JINJA_UNDEFINED, .object = o};
}

/* Text methods of an escaped string give escaped strings. */
static jinja_value call_method(jinja_state *j, const jinja_object *o, const jinja_arguments *g) {
    jinja_value out = jinja_call_row(j, "method", o->row, o->self, g);
    return o->self.type == JINJA_STRING && o->self.string->escaped ? jinja_mark_escaped(j, out, true) : out;
}

jinja_value jinja_call_value(jinja_state *j, jinja_value callee, const jinja_arguments *g) {
    if (j->failed) return jinja_nothing();
    if (callee.type == JINJA_FUNCTION) {
        if (callee.object->macro) return jinja_call_macro(j, callee.object, g);
        bool method = callee.object->self.type != JINJA_MISSING;
        return method ? call_method(j, callee.object, g) : jinja_call_row(j, "function", callee.object->row, callee, g);
    }
    if (callee.type == JINJA_JOINER) return callee.object->position++ ? callee.object->memory : jinja_constant(j, "");
    if (callee.type != JINJA_UNDEFINED) jinja_fail(j, "%s cannot be called", jinja_type_name(callee));
    else if (callee.name && jinja_row_find(jinja_methods, *callee.name) &&
             !jinja_row_find(jinja_methods, *callee.name)->call)
        jinja_fail(j, "method '%.*s' changes its object, which templates may not", (int)callee.name->n, callee.name->p);
    else jinja_no_undefined(j, callee);
    return jinja_nothing();
}

/* ---- what rows read their arguments with ---- */
int64_t jinja_arg_int(jinja_state *j, const jinja_arguments *g, size_t i, int64_t fallback) {
    int64_t v = fallback;
    if (!jinja_given(g, i) || g->values[i].type == JINJA_NONE || jinja_integer(g->values[i], &v)) return v;
    if (jinja_no_undefined(j, g->values[i]))
        jinja_fail(j, "argument %zu must be an integer, not %s", i + 1, jinja_type_name(g->values[i]));
    return fallback;
}

bool jinja_arg_bool(const jinja_arguments *g, size_t i, bool fallback) {
    return jinja_given(g, i) ? jinja_truth(g->values[i]) : fallback;
}

const jinja_string *jinja_arg_string(jinja_state *j, const jinja_arguments *g, size_t i) {
    static const jinja_string empty = {.text = {"", 0}};
    if (g->values[i].type == JINJA_STRING) return g->values[i].string;
    if (jinja_no_undefined(j, g->values[i]))
        jinja_fail(j, "argument %zu must be a string, not %s", i + 1, jinja_type_name(g->values[i]));
    return &empty;
}
