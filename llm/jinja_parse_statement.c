/* Statements: the tags between {% and %}. One row per tag. */
#include "llm/jinja_parse.h"

typedef struct {
    const char *name;
    jinja_node *(*parse)(jinja_parser *p, span at);   /* after the tag's name; up to and without its last "%}" */
} tag_row;

static bool block_end(jinja_parser *p) {
    if (p->t->kind != TOKEN_BLOCK_END) return jinja_parse_fail(p, "'%}'"), false;
    p->t++;
    return true;
}

static jinja_node *statement(jinja_parser *p);

/* Is the next tag one of these (separated by spaces)? */
static bool at_end_tag(const jinja_parser *p, const char *ends) {
    if (p->t->kind != TOKEN_BLOCK || p->t[1].kind != TOKEN_NAME || !ends) return false;
    for (size_t n; *ends; ends += n + (ends[n] == ' ')) {
        n = strcspn(ends, " ");
        if (str_eq(p->t[1].text, (str){ends, n})) return true;
    }
    return false;
}

static jinja_node *data_or_print(jinja_parser *p) {
    jinja_node *n = jinja_node_new(p, p->t->kind == TOKEN_DATA ? NODE_TEXT : NODE_PRINT, p->t->at);
    if (!n) return NULL;
    n->value = p->t->value;
    if (p->t++->kind == TOKEN_DATA) return n;
    if (!(n->a = jinja_parse_tuple(p, true, false))) return NULL;
    if (p->t->kind != TOKEN_PRINT_END) return jinja_parse_fail(p, "'}}'");
    p->t++;
    return n;
}

/* Statements up to one of the end tags, whose name is then the next token; NULL ends: up to the end. False: failed. */
static bool statements(jinja_parser *p, const char *ends, jinja_node **out) {
    jinja_node **tail = out;
    bool ok = jinja_enter(p->j);
    while (ok && p->t->kind != TOKEN_END && !at_end_tag(p, ends)) {
        *tail = p->t->kind == TOKEN_BLOCK ? statement(p) : data_or_print(p);
        if ((ok = *tail != NULL)) tail = &(*tail)->next;
    }
    jinja_leave(p->j);
    if (!ok || !ends) return ok;
    char what[80];
    snprintf(what, sizeof what, "the tag %s", ends);
    if (p->t->kind == TOKEN_END) return jinja_parse_fail(p, what), false;
    p->t++;
    return true;
}

/* The body of a block that only `end` can close. */
static bool body(jinja_parser *p, const char *end, jinja_node **out) {
    return block_end(p) && statements(p, end, out) && p->t++;
}

/* ---- tags ---- */
static jinja_node *parse_if(jinja_parser *p, span at) {
    jinja_node *first = NULL, **link = &first;
    for (bool more = true; more;) {
        jinja_node *n = *link = jinja_node_new(p, NODE_IF, at);
        if (!n || !(n->a = jinja_parse_tuple(p, false, false))) return NULL;
        if (!block_end(p) || !statements(p, "elif else endif", &n->b)) return NULL;
        at = p->t->at;
        more = jinja_skip_name(p, "elif");
        if (more) n->mode = 'e', link = &n->c;
        else if (jinja_skip_name(p, "else")) {
            if (!body(p, "endif", &n->c)) return NULL;
        } else p->t++;
    }
    return first;
}

/* What can be assigned: names, tuples of them, and name.attribute for namespaces when `attributes`. */
static jinja_node *check_target(jinja_parser *p, jinja_node *n, bool attributes) {
    if (!n) return NULL;
    p->j->at = n->at;
    if (n->kind == NODE_TUPLE || n->kind == NODE_LIST) {
        for (jinja_node *part = n->a; part; part = part->next)
            if (!check_target(p, part, attributes)) return NULL;
    } else if (n->kind != NODE_NAME && !(attributes && n->kind == NODE_ATTRIBUTE && n->a->kind == NODE_NAME)) {
        jinja_fail(p->j, "this cannot be assigned to");
        return NULL;
    }
    return n;
}

static jinja_node *parse_for(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_FOR, at);
    if (!n || !(n->a = check_target(p, jinja_parse_tuple(p, false, true), false)) || !jinja_expect_name(p, "in"))
        return NULL;
    if (!(n->b = jinja_parse_tuple(p, false, false))) return NULL;
    if (jinja_skip_name(p, "if") && !(n->c = jinja_parse_expression(p))) return NULL;
    p->j->at = p->t->at;
    if (jinja_at_name(p, "recursive"))
        jinja_fail(p->j, "recursive loops are not supported; a macro that calls itself does the same");
    p->loops++;
    bool ok = block_end(p) && statements(p, "endfor else", &n->body);
    p->loops--;
    if (!ok) return NULL;
    if (!jinja_skip_name(p, "else")) return p->t++, n;
    return body(p, "endfor", &n->other) ? n : NULL;
}

static jinja_node *captured_with_filters(jinja_parser *p, bool first_without_bar) {
    return jinja_parse_filters(p, jinja_node_new(p, NODE_CAPTURED, p->t->at), first_without_bar);
}

static jinja_node *set_target(jinja_parser *p) {
    if (p->t->kind == TOKEN_NAME && p->t[1].kind == TOKEN_OPERATOR && str_is(p->t[1].text, "."))
        return check_target(p, jinja_parse_postfix(p, jinja_parse_primary(p)), true);
    return check_target(p, jinja_parse_tuple(p, false, true), true);
}

static jinja_node *parse_set(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_SET, at);
    if (!n || !(n->a = set_target(p))) return NULL;
    if (jinja_skip_operator(p, "=")) return (n->b = jinja_parse_tuple(p, true, false)) ? n : NULL;
    n->kind = NODE_SET_BLOCK;
    return (n->b = captured_with_filters(p, false)) && body(p, "endset", &n->body) ? n : NULL;
}

/* Parameters and body of a macro, or of the caller of a call block. */
static bool parameters(jinja_parser *p, jinja_node *macro) {
    jinja_node **tail = &macro->a;
    if (!jinja_expect_operator(p, "(")) return false;
    for (; !jinja_skip_operator(p, ")"); tail = &(*tail)->next) {
        if (macro->a && !jinja_expect_operator(p, ",")) return false;
        if (p->t->kind != TOKEN_NAME) return jinja_parse_fail(p, "the name of a parameter"), false;
        if (!(*tail = jinja_node_new(p, NODE_NAME, p->t->at))) return false;
        (*tail)->name = p->t++->text;
        if (jinja_skip_operator(p, "=") && !((*tail)->a = jinja_parse_expression(p))) return false;
    }
    return true;
}

static bool macro_body(jinja_parser *p, jinja_node *macro, const char *end) {
    jinja_node *outer = p->macro;
    unsigned loops = p->loops;
    p->macro = macro;
    p->loops = 0;
    bool ok = body(p, end, &macro->body);
    p->macro = outer;
    p->loops = loops;
    return ok;
}

static jinja_node *parse_macro(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_MACRO, at);
    if (!n || p->t->kind != TOKEN_NAME) return n ? jinja_parse_fail(p, "the name of the macro") : NULL;
    n->name = p->t++->text;
    return parameters(p, n) && macro_body(p, n, "endmacro") ? n : NULL;
}

static jinja_node *parse_call(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_CALL_BLOCK, at), *caller = jinja_node_new(p, NODE_MACRO, at);
    if (!n || !caller) return NULL;
    caller->name = STR("caller");
    if (jinja_at_operator(p, "(") && !parameters(p, caller)) return NULL;
    p->j->at = p->t->at;
    n->a = jinja_parse_expression(p);
    n->b = caller;
    if (n->a && n->a->kind != NODE_CALL) jinja_fail(p->j, "a call block needs a call: {%% call name(...) %%}");
    return n->a && n->a->kind == NODE_CALL && macro_body(p, caller, "endcall") ? n : NULL;
}

static jinja_node *parse_filter(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_FILTER_BLOCK, at);
    return n && (n->b = captured_with_filters(p, true)) && body(p, "endfilter", &n->body) ? n : NULL;
}

static jinja_node *parse_with(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_WITH, at), **tail = n ? &n->a : NULL;
    for (; n && p->t->kind != TOKEN_BLOCK_END; tail = &(*tail)->next) {
        if (n->a && !jinja_expect_operator(p, ",")) return NULL;
        jinja_node *set = *tail = jinja_node_new(p, NODE_SET, p->t->at);
        if (!set || !(set->a = check_target(p, jinja_parse_primary(p), false)) || !jinja_expect_operator(p, "="))
            return NULL;
        if (!(set->b = jinja_parse_expression(p))) return NULL;
    }
    return n && body(p, "endwith", &n->body) ? n : NULL;
}

/* Marks what the assistant wrote, for training; here a block with names of its own. */
static jinja_node *parse_generation(jinja_parser *p, span at) {
    jinja_node *n = jinja_node_new(p, NODE_WITH, at);
    return n && body(p, "endgeneration", &n->body) ? n : NULL;
}

static jinja_node *leave_loop(jinja_parser *p, span at, jinja_node_kind kind) {
    p->j->at = at;
    if (!p->loops) jinja_fail(p->j, "not in a loop");
    return jinja_node_new(p, kind, at);
}

static jinja_node *parse_break(jinja_parser *p, span at) { return leave_loop(p, at, NODE_BREAK); }
static jinja_node *parse_continue(jinja_parser *p, span at) { return leave_loop(p, at, NODE_CONTINUE); }

static const tag_row tags[] = {
    {"if", parse_if}, {"for", parse_for}, {"set", parse_set}, {"macro", parse_macro}, {"call", parse_call},
    {"filter", parse_filter}, {"with", parse_with}, {"generation", parse_generation}, {"break", parse_break},
    {"continue", parse_continue},
};

static jinja_node *statement(jinja_parser *p) {
    const jinja_token *name = ++p->t;
    if (name->kind != TOKEN_NAME) return jinja_parse_fail(p, "the name of a tag");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (!str_is(name->text, tags[i].name)) continue;
        p->t++;
        jinja_node *n = tags[i].parse(p, name->at);
        return n && block_end(p) ? n : NULL;
    }
    p->j->at = name->at;
    jinja_fail(p->j, "tag '%.*s' is unknown or does not belong here", (int)(name->text.n < 60 ? name->text.n : 60),
               name->text.p);
    return NULL;
}

jinja_node *jinja_parse(jinja_state *j, const jinja_token *tokens) {
    jinja_parser p = {.j = j, .t = tokens};
    jinja_node *list = NULL;
    return statements(&p, NULL, &list) ? list : NULL;
}
