/* Expressions: one function per kind of node, in a table. */
#include "llm/jinja_internal.h"

static jinja_value eval_literal(jinja_state *j, const jinja_node *n) {
    (void)j;
    return n->value;
}

static jinja_value eval_captured(jinja_state *j, const jinja_node *n) {
    (void)n;
    return j->captured;
}

static jinja_value eval_name(jinja_state *j, const jinja_node *n) {
    for (const jinja_scope *s = j->scope; s; s = s->parent)
        for (size_t i = s->count; i--;)
            if (str_eq(s->variables[i].name, n->name)) return s->variables[i].value;
    const jinja_value *global = jinja_find_str(j, j->globals.dict, n->name);
    if (global) return *global;
    const jinja_row *row = jinja_row_find(jinja_globals, n->name);
    return row ? jinja_new_function(j, row, (jinja_value){.type = JINJA_MISSING}) : jinja_undefined(j, n->name);
}

static jinja_value eval_list(jinja_state *j, const jinja_node *n) {
    jinja_value out = jinja_new_list(j, n->kind == NODE_LIST ? JINJA_LIST : JINJA_TUPLE);
    for (const jinja_node *item = n->a; item && !j->failed; item = item->next) jinja_push(j, out, jinja_eval(j, item));
    return out;
}

static jinja_value eval_dict(jinja_state *j, const jinja_node *n) {
    jinja_value out = jinja_new_dict(j, JINJA_DICT);
    for (const jinja_node *pair = n->a; pair && !j->failed; pair = pair->next) {
        jinja_value key = jinja_eval(j, pair->a), value = jinja_eval(j, pair->b);
        if (!j->failed) jinja_put(j, out.dict, key, value);
    }
    return out;
}

static jinja_value eval_attribute(jinja_state *j, const jinja_node *n) {
    jinja_value v = jinja_eval(j, n->a);
    j->at = n->at;
    return j->failed ? v : jinja_attribute(j, v, n->name);
}

static jinja_value eval_item(jinja_state *j, const jinja_node *n) {
    jinja_value v = jinja_eval(j, n->a), key = jinja_eval(j, n->b);
    j->at = n->at;
    return j->failed ? v : jinja_item(j, v, key);
}

static jinja_value eval_slice(jinja_state *j, const jinja_node *n) {
    const jinja_node *parts[3] = {n->a, n->b, n->c};
    jinja_object *o = jinja_alloc(j, 1, sizeof *o);
    for (int i = 0; o && i < 3; i++) o->bounds[i] = parts[i] ? jinja_eval(j, parts[i]) : JINJA_NONE_VALUE;
    return (jinja_value){.type = o ? JINJA_SLICE : JINJA_UNDEFINED, .object = o};
}

/* ---- calls ---- */
static bool spread(jinja_state *j, const jinja_node *n, jinja_value v, jinja_value values, jinja_arguments *g) {
    if (n->mode == 'd') {
        if (v.type != JINJA_DICT) jinja_fail(j, "'**' needs a dict, not %s", jinja_type_name(v));
        for (size_t i = 0; !j->failed && i < v.dict->count; i++) {
            if (v.dict->pairs[i].key.type != JINJA_STRING) jinja_fail(j, "'**' needs keys that are strings");
            else jinja_put(j, &g->named, v.dict->pairs[i].key, v.dict->pairs[i].value);
        }
        return !j->failed;
    }
    const jinja_list *l = jinja_items(j, v);
    for (size_t i = 0; l && !j->failed && i < l->count; i++) jinja_push(j, values, l->items[i]);
    return !j->failed;
}

bool jinja_eval_arguments(jinja_state *j, const jinja_node *list, jinja_arguments *g) {
    jinja_value values = jinja_new_list(j, JINJA_LIST);
    *g = (jinja_arguments){0};
    for (const jinja_node *n = list; n && !j->failed; n = n->next) {
        jinja_value v = jinja_eval(j, n->a);
        j->at = n->at;
        if (j->failed) return false;
        if (n->mode) spread(j, n, v, values, g);
        else if (!n->name.n) jinja_push(j, values, v);
        else jinja_put(j, &g->named, jinja_slice(j, &(jinja_string){.text = n->name}, 0, n->name.n), v);
    }
    if (j->failed) return false;
    g->values = values.list->items;
    g->count = values.list->count;
    return true;
}

static jinja_value eval_call(jinja_state *j, const jinja_node *n) {
    jinja_arguments g;
    jinja_value callee = jinja_eval(j, n->a);
    if (j->failed || !jinja_eval_arguments(j, n->b, &g)) return callee;
    j->at = n->at;
    return jinja_call_value(j, callee, &g);
}

static jinja_value eval_filter(jinja_state *j, const jinja_node *n) {
    jinja_arguments g;
    jinja_value v = jinja_eval(j, n->a);
    if (j->failed || !jinja_eval_arguments(j, n->b, &g)) return v;
    j->at = n->at;
    return jinja_call_filter(j, n->name, v, &g);
}

static jinja_value eval_test(jinja_state *j, const jinja_node *n) {
    jinja_arguments g;
    jinja_value v = jinja_eval(j, n->a);
    if (j->failed || !jinja_eval_arguments(j, n->b, &g)) return v;
    j->at = n->at;
    return jinja_bool(jinja_call_test(j, n->name, v, &g));
}

/* ---- operators ---- */
static jinja_value eval_unary(jinja_state *j, const jinja_node *n) {
    jinja_value v = jinja_eval(j, n->a);
    j->at = n->at;
    return j->failed ? v : jinja_unary(j, n->mode, v);
}

static jinja_value eval_binary(jinja_state *j, const jinja_node *n) {
    jinja_value a = jinja_eval(j, n->a), b = jinja_eval(j, n->b);
    j->at = n->at;
    return j->failed ? a : jinja_binary(j, n->op, a, b);
}

static jinja_value eval_logic(jinja_state *j, const jinja_node *n) {
    jinja_value a = jinja_eval(j, n->a);
    return j->failed || jinja_truth(a) == (n->kind == NODE_OR) ? a : jinja_eval(j, n->b);
}

/* a < b < c: each value once, ends at the first that does not hold. */
static jinja_value eval_compare(jinja_state *j, const jinja_node *n) {
    jinja_value left = jinja_eval(j, n->a);
    for (const jinja_node *step = n->b; step && !j->failed; step = step->next) {
        jinja_value right = jinja_eval(j, step->a);
        j->at = step->at;
        if (j->failed || !jinja_compare(j, step->op, left, right)) return jinja_bool(false);
        left = right;
    }
    return jinja_bool(true);
}

static jinja_value eval_condition(jinja_state *j, const jinja_node *n) {
    jinja_value which = jinja_eval(j, n->b);
    if (j->failed) return which;
    if (jinja_truth(which)) return jinja_eval(j, n->a);
    return n->c ? jinja_eval(j, n->c) : jinja_undefined(j, STR("an 'if' without 'else'"));
}

jinja_value jinja_eval(jinja_state *j, const jinja_node *n) {
    static jinja_value (*const kinds[])(jinja_state *, const jinja_node *) = {
        [NODE_LITERAL] = eval_literal, [NODE_NAME] = eval_name, [NODE_LIST] = eval_list, [NODE_TUPLE] = eval_list,
        [NODE_DICT] = eval_dict, [NODE_ATTRIBUTE] = eval_attribute, [NODE_ITEM] = eval_item, [NODE_SLICE] = eval_slice,
        [NODE_CALL] = eval_call, [NODE_FILTER] = eval_filter, [NODE_TEST] = eval_test, [NODE_UNARY] = eval_unary,
        [NODE_BINARY] = eval_binary, [NODE_AND] = eval_logic, [NODE_OR] = eval_logic, [NODE_COMPARE] = eval_compare,
        [NODE_CONDITION] = eval_condition, [NODE_CAPTURED] = eval_captured,
    };
    jinja_value out = {0};
    if (j->failed) return out;
    j->at = n->at;
    if (jinja_enter(j) && jinja_charge(j, 1)) out = kinds[n->kind](j, n);
    jinja_leave(j);
    return j->failed ? jinja_nothing() : out;
}
