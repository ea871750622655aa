/* Statements. A loop body, a macro, a with and a captured block have names of their own; an if has not. */
#include "llm/jinja_internal.h"

/* ---- names ---- */
jinja_scope *jinja_push_scope(jinja_state *j, jinja_scope *parent) {
    jinja_scope *s = jinja_alloc(j, 1, sizeof *s);
    if (s) s->parent = parent, j->scope = s;
    return s;
}

bool jinja_set_variable(jinja_state *j, str name, jinja_value value) {
    jinja_scope *s = j->scope;
    if (j->failed) return false;
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->variables[i].name, name)) return s->variables[i].value = value, true;
    if (!jinja_charge(j, 1) || !jinja_grow(j, &s->variables, &s->cap, s->count, sizeof *s->variables)) return false;
    s->variables[s->count++] = (jinja_variable){name, value};
    return true;
}

static void assign(jinja_state *j, const jinja_node *target, jinja_value v);

static void unpack(jinja_state *j, const jinja_node *target, jinja_value v) {
    const jinja_list *l = jinja_items(j, v);
    size_t i = 0;
    const jinja_node *part = target->a;
    for (; l && part && i < l->count && !j->failed; part = part->next) assign(j, part, l->items[i++]);
    j->at = target->at;
    if (l && (part || i < l->count)) jinja_fail(j, "%zu values for a different number of names", l->count);
}

static void assign(jinja_state *j, const jinja_node *target, jinja_value v) {
    if (j->failed) return;
    if (target->kind == NODE_NAME) jinja_set_variable(j, target->name, v);
    else if (target->kind == NODE_TUPLE || target->kind == NODE_LIST) unpack(j, target, v);
    else {
        jinja_value object = jinja_eval(j, target->a);
        j->at = target->at;
        if (!j->failed && object.type != JINJA_NAMESPACE)
            jinja_fail(j, "only a namespace() can have its attributes set");
        if (!j->failed)
            jinja_put(j, object.dict, jinja_slice(j, &(jinja_string){.text = target->name}, 0, target->name.n), v);
    }
}

/* ---- statements ---- */
static void exec_text(jinja_state *j, const jinja_node *n) { jinja_add_string(j->out, n->value.string); }

static void exec_print(jinja_state *j, const jinja_node *n) {
    jinja_value v = jinja_eval(j, n->a);
    if (!j->failed) jinja_print(j->out, v, false);
}

static void exec_if(jinja_state *j, const jinja_node *n) {
    for (;; n = n->c) {
        bool yes = jinja_truth(jinja_eval(j, n->a));
        if (j->failed) return;
        if (yes) {
            jinja_exec(j, n->b);
            return;
        }
        if (n->mode != 'e') break;
    }
    jinja_exec(j, n->c);
}

/* The items whose `if` holds, each seen under the loop's own names. */
static jinja_list *chosen(jinja_state *j, const jinja_node *n, jinja_list *items) {
    jinja_value out = jinja_new_list(j, JINJA_LIST);
    jinja_scope *outer = j->scope;
    for (size_t i = 0; i < items->count && jinja_push_scope(j, outer); i++) {
        assign(j, n->a, items->items[i]);
        if (jinja_truth(jinja_eval(j, n->c))) jinja_push(j, out, items->items[i]);
    }
    j->scope = outer;
    return j->failed ? NULL : out.list;
}

static void loop_body(jinja_state *j, const jinja_node *n, jinja_object *loop, jinja_scope *outer) {
    if (!jinja_push_scope(j, outer)) return;
    jinja_set_variable(j, STR("loop"), (jinja_value){.type = JINJA_LOOP, .object = loop});
    assign(j, n->a, loop->items->items[loop->position]);
    jinja_exec(j, n->body);
    j->continuing = false;
}

static void exec_for(jinja_state *j, const jinja_node *n) {
    jinja_scope *outer = j->scope;
    jinja_value walked = jinja_eval(j, n->b);
    j->at = n->b->at;
    jinja_list *items = j->failed ? NULL : jinja_items(j, walked);
    if (items && n->c) items = chosen(j, n, items);
    jinja_object *loop = jinja_alloc(j, 1, sizeof *loop);
    if (!items || !loop) return;
    *loop = (jinja_object){.items = items, .memory = {.type = JINJA_MISSING}};
    for (; loop->position < items->count && !j->failed && !j->breaking; loop->position++) loop_body(j, n, loop, outer);
    j->breaking = false;
    if (!items->count && jinja_push_scope(j, outer)) jinja_exec(j, n->other);
    j->scope = outer;
}

static void exec_set(jinja_state *j, const jinja_node *n) { assign(j, n->a, jinja_eval(j, n->b)); }

jinja_value jinja_exec_captured(jinja_state *j, const jinja_node *list) {
    jinja_builder b = {.j = j}, *out = j->out;
    jinja_scope *outer = j->scope;
    j->out = &b;
    if (jinja_push_scope(j, outer)) jinja_exec(j, list);
    j->scope = outer;
    j->out = out;
    return jinja_built(&b);
}

static jinja_value filtered(jinja_state *j, const jinja_node *n) {
    jinja_value outer = j->captured;
    j->captured = jinja_exec_captured(j, n->body);
    jinja_value v = jinja_eval(j, n->b);
    j->captured = outer;
    return v;
}

static void exec_set_block(jinja_state *j, const jinja_node *n) { assign(j, n->a, filtered(j, n)); }

static void exec_filter_block(jinja_state *j, const jinja_node *n) {
    jinja_value v = filtered(j, n);
    if (!j->failed) jinja_print(j->out, v, false);
}

/* Values are those of the outside: `with a = 1, b = a` does not see the new a. */
static void exec_with(jinja_state *j, const jinja_node *n) {
    jinja_scope *outer = j->scope, *inner = jinja_push_scope(j, outer);
    for (const jinja_node *set = n->a; set && inner && !j->failed; set = set->next) {
        j->scope = outer;
        jinja_value v = jinja_eval(j, set->b);
        j->scope = inner;
        assign(j, set->a, v);
    }
    if (inner) jinja_exec(j, n->body);
    j->scope = outer;
}

static void exec_break(jinja_state *j, const jinja_node *n) {
    *(n->kind == NODE_BREAK ? &j->breaking : &j->continuing) = true;
}

/* ---- macros ---- */
static jinja_value new_macro(jinja_state *j, const jinja_node *n) {
    jinja_object *o = jinja_alloc(j, 1, sizeof *o);
    if (o) o->macro = n, o->scope = j->scope;
    return (jinja_value){.type = o ? JINJA_FUNCTION : JINJA_UNDEFINED, .object = o};
}

static void exec_macro(jinja_state *j, const jinja_node *n) { jinja_set_variable(j, n->name, new_macro(j, n)); }

static void exec_call_block(jinja_state *j, const jinja_node *n) {
    jinja_arguments g;
    jinja_value callee = jinja_eval(j, n->a->a), caller = new_macro(j, n->b);
    if (j->failed || !jinja_eval_arguments(j, n->a->b, &g) ||
        !jinja_put(j, &g.named, jinja_constant(j, "caller"), caller))
        return;
    j->at = n->at;
    jinja_value v = jinja_call_value(j, callee, &g);
    if (!j->failed) jinja_print(j->out, v, false);
}

static jinja_value *named(jinja_state *j, const jinja_arguments *g, str name) {
    return jinja_find_str(j, &g->named, name);
}

/* Parameters in order: by position, by name, or by default, which sees the parameters before it. */
static size_t bind_parameters(jinja_state *j, const jinja_node *macro, const jinja_arguments *g) {
    size_t i = 0, used = 0;
    for (const jinja_node *p = macro->a; p && !j->failed; p = p->next, i++) {
        const jinja_value *by_name = named(j, g, p->name);
        if (by_name && i < g->count)
            jinja_fail(j, "macro argument '%.*s' is given twice", (int)(p->name.n < 100 ? p->name.n : 100), p->name.p);
        used += by_name != NULL;
        jinja_value v = i < g->count ? g->values[i]
                        : by_name    ? *by_name
                        : p->a       ? jinja_eval(j, p->a)
                                     : jinja_undefined(j, p->name);
        jinja_set_variable(j, p->name, v);
    }
    return used;
}

static size_t parameter_count(const jinja_node *macro) {
    size_t n = 0;
    for (const jinja_node *p = macro->a; p; p = p->next) n++;
    return n;
}

static bool is_parameter(const jinja_node *macro, str name) {
    for (const jinja_node *p = macro->a; p; p = p->next)
        if (str_eq(p->name, name)) return true;
    return false;
}

/* What the parameters do not take goes into varargs, kwargs and caller, if the body names them. */
static void bind_rest(jinja_state *j, const jinja_node *macro, const jinja_arguments *g, size_t used) {
    size_t count = parameter_count(macro);
    const jinja_value *caller = named(j, g, STR("caller"));
    if (caller && !is_parameter(macro, STR("caller")) && macro->mode & MACRO_CALLER) used++;
    if (macro->mode & MACRO_CALLER && !is_parameter(macro, STR("caller")))
        jinja_set_variable(j, STR("caller"), caller ? *caller : jinja_undefined(j, STR("caller")));
    if (macro->mode & MACRO_VARARGS) {
        jinja_value rest = jinja_new_list(j, JINJA_TUPLE);
        for (size_t i = count; i < g->count && !j->failed; i++) jinja_push(j, rest, g->values[i]);
        jinja_set_variable(j, STR("varargs"), rest);
    } else if (g->count > count)
        jinja_fail(j, "macro '%.*s' takes at most %zu arguments", (int)(macro->name.n < 100 ? macro->name.n : 100),
                   macro->name.p, count);
    if (macro->mode & MACRO_KWARGS) {
        jinja_value rest = jinja_new_dict(j, JINJA_DICT);
        for (size_t i = 0; i < g->named.count && !j->failed; i++) {
            str name = g->named.pairs[i].key.string->text;
            if (!is_parameter(macro, name) && !(macro->mode & MACRO_CALLER && str_is(name, "caller")))
                jinja_put(j, rest.dict, g->named.pairs[i].key, g->named.pairs[i].value);
        }
        jinja_set_variable(j, STR("kwargs"), rest);
    } else if (used < g->named.count)
        jinja_fail(j, "macro '%.*s' does not have this argument by name",
                   (int)(macro->name.n < 100 ? macro->name.n : 100), macro->name.p);
}

jinja_value jinja_call_macro(jinja_state *j, const jinja_object *o, const jinja_arguments *g) {
    jinja_scope *outer = j->scope;
    jinja_value text = {0};
    if (jinja_enter(j) && jinja_push_scope(j, o->scope)) {
        bind_rest(j, o->macro, g, bind_parameters(j, o->macro, g));
        if (!j->failed) text = jinja_exec_captured(j, o->macro->body);
    }
    jinja_leave(j);
    j->scope = outer;
    return text;
}

void jinja_exec(jinja_state *j, const jinja_node *list) {
    static void (*const kinds[])(jinja_state *, const jinja_node *) = {
        [NODE_TEXT] = exec_text,
        [NODE_PRINT] = exec_print,
        [NODE_IF] = exec_if,
        [NODE_FOR] = exec_for,
        [NODE_SET] = exec_set,
        [NODE_SET_BLOCK] = exec_set_block,
        [NODE_MACRO] = exec_macro,
        [NODE_CALL_BLOCK] = exec_call_block,
        [NODE_FILTER_BLOCK] = exec_filter_block,
        [NODE_WITH] = exec_with,
        [NODE_BREAK] = exec_break,
        [NODE_CONTINUE] = exec_break,
    };
    bool ok = jinja_enter(j);
    for (const jinja_node *n = list; ok && n && !j->failed && !j->breaking && !j->continuing; n = n->next) {
        j->at = n->at;
        if (jinja_charge(j, 1)) kinds[n->kind](j, n);
        if (j->out->n > j->limits.output_bytes)
            jinja_fail(j, "the text is longer than %zu bytes; limits.output_bytes allows more", j->limits.output_bytes);
    }
    jinja_leave(j);
}
