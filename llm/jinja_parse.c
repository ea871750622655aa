/* Expressions: tokens to nodes, by precedence climbing over a table of operators. */
#include "llm/jinja_parse.h"

/* From loosest to tightest. "not", comparisons and unary signs have rules of their own in between. */
typedef struct {
    const char *text;
    jinja_op op;
    int level;
} operator_row;

enum {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_CONCAT,
    LEVEL_PRODUCT,
    LEVEL_POWER,
    LEVEL_UNARY
};

static const operator_row operators[] = {
    {"or", OP_OR, LEVEL_OR},      {"and", OP_AND, LEVEL_AND},         {"+", OP_ADD, LEVEL_SUM},
    {"-", OP_SUB, LEVEL_SUM},     {"~", OP_CONCAT, LEVEL_CONCAT},     {"*", OP_MUL, LEVEL_PRODUCT},
    {"/", OP_DIV, LEVEL_PRODUCT}, {"//", OP_FLOORDIV, LEVEL_PRODUCT}, {"%", OP_MOD, LEVEL_PRODUCT},
    {"**", OP_POW, LEVEL_POWER},  {"==", OP_EQ, LEVEL_COMPARE},       {"!=", OP_NE, LEVEL_COMPARE},
    {"<", OP_LT, LEVEL_COMPARE},  {"<=", OP_LE, LEVEL_COMPARE},       {">", OP_GT, LEVEL_COMPARE},
    {">=", OP_GE, LEVEL_COMPARE}, {"in", OP_IN, LEVEL_COMPARE},
};

/* ---- tokens ---- */
jinja_node *jinja_node_new(jinja_parser *p, jinja_node_kind kind, span at) {
    jinja_node *n = jinja_alloc(p->j, 1, sizeof *n);
    if (n) n->kind = kind, n->at = at;
    return n;
}

jinja_node *jinja_parse_fail(jinja_parser *p, const char *expected) {
    str got = p->t->kind == TOKEN_END ? STR("the end of the template") : p->t->text;
    p->j->at = p->t->at;
    jinja_fail(p->j, "expected %s, not '%.*s'", expected, (int)(got.n < 60 ? got.n : 60), got.p);
    return NULL;
}

bool jinja_at_operator(const jinja_parser *p, const char *op) {
    return p->t->kind == TOKEN_OPERATOR && str_is(p->t->text, op);
}
bool jinja_at_name(const jinja_parser *p, const char *name) {
    return p->t->kind == TOKEN_NAME && str_is(p->t->text, name);
}
static bool skip(jinja_parser *p, bool here) {
    p->t += here;
    return here;
}

bool jinja_skip_operator(jinja_parser *p, const char *op) { return skip(p, jinja_at_operator(p, op)); }
bool jinja_skip_name(jinja_parser *p, const char *name) { return skip(p, jinja_at_name(p, name)); }

static bool expected(jinja_parser *p, const char *text) {
    char what[40];
    snprintf(what, sizeof what, "'%s'", text);
    jinja_parse_fail(p, what);
    return false;
}

bool jinja_expect_operator(jinja_parser *p, const char *op) { return jinja_skip_operator(p, op) || expected(p, op); }
bool jinja_expect_name(jinja_parser *p, const char *name) { return jinja_skip_name(p, name) || expected(p, name); }

/* A name, wherever it stands: what a macro's body mentions decides what the macro takes. */
static jinja_node *name_node(jinja_parser *p) {
    jinja_node *n = jinja_node_new(p, NODE_NAME, p->t->at);
    if (!n) return NULL;
    n->name = p->t++->text;
    if (p->macro && str_is(n->name, "varargs")) p->macro->mode |= MACRO_VARARGS;
    if (p->macro && str_is(n->name, "kwargs")) p->macro->mode |= MACRO_KWARGS;
    if (p->macro && str_is(n->name, "caller")) p->macro->mode |= MACRO_CALLER;
    return n;
}

/* ---- literals and brackets ---- */
static bool constant(str name, jinja_value *out) {
    if (str_is(name, "true") || str_is(name, "True")) return *out = jinja_bool(true), true;
    if (str_is(name, "false") || str_is(name, "False")) return *out = jinja_bool(false), true;
    if (str_is(name, "none") || str_is(name, "None")) return *out = JINJA_NONE_VALUE, true;
    return false;
}

static jinja_node *literal(jinja_parser *p, jinja_value value) {
    jinja_node *n = jinja_node_new(p, NODE_LITERAL, p->t->at);
    if (n) n->value = value;
    p->t++;
    while (n && value.type == JINJA_STRING && p->t->kind == TOKEN_LITERAL && p->t->value.type == JINJA_STRING)
        n->value = jinja_binary(p->j, OP_CONCAT, n->value, p->t++->value);   /* "a" "b" */
    return n;
}

static jinja_node *pair(jinja_parser *p) {
    jinja_node *n = jinja_node_new(p, NODE_PAIR, p->t->at);
    if (!n || !(n->a = jinja_parse_expression(p)) || !jinja_expect_operator(p, ":")) return NULL;
    return (n->b = jinja_parse_expression(p)) ? n : NULL;
}

/* Items up to the closing bracket, a last comma allowed. */
static jinja_node *bracketed(jinja_parser *p, jinja_node_kind kind, const char *close,
                             jinja_node *(*item)(jinja_parser *)) {
    jinja_node *n = jinja_node_new(p, kind, p->t->at);
    jinja_node **tail = n ? &n->a : NULL;
    for (p->t++; n && !jinja_skip_operator(p, close); tail = &(*tail)->next) {
        if (n->a && !jinja_expect_operator(p, ",")) return NULL;
        if (n->a && jinja_skip_operator(p, close)) return n;
        if (!(*tail = item(p))) return NULL;
    }
    return n;
}

static jinja_node *parenthesized(jinja_parser *p) {
    span at = p->t->at;
    p->t++;
    if (jinja_skip_operator(p, ")")) return jinja_node_new(p, NODE_TUPLE, at);
    jinja_node *n = jinja_parse_tuple(p, true, false);
    return n && jinja_expect_operator(p, ")") ? n : NULL;
}

jinja_node *jinja_parse_primary(jinja_parser *p) {
    jinja_value value;
    if (p->t->kind == TOKEN_LITERAL) return literal(p, p->t->value);
    if (p->t->kind == TOKEN_NAME) return constant(p->t->text, &value) ? literal(p, value) : name_node(p);
    if (jinja_at_operator(p, "(")) return parenthesized(p);
    if (jinja_at_operator(p, "[")) return bracketed(p, NODE_LIST, "]", jinja_parse_expression);
    if (jinja_at_operator(p, "{")) return bracketed(p, NODE_DICT, "}", pair);
    return jinja_parse_fail(p, "a value");
}

/* ---- after a value: . [] () | is ---- */
static jinja_node *argument(jinja_parser *p) {
    jinja_node *n = jinja_node_new(p, NODE_ARGUMENT, p->t->at);
    if (!n) return NULL;
    if (jinja_skip_operator(p, "*")) n->mode = '*';
    else if (jinja_skip_operator(p, "**")) n->mode = 'd';
    else if (p->t->kind == TOKEN_NAME && p->t[1].kind == TOKEN_OPERATOR && str_is(p->t[1].text, "=")) {
        n->name = p->t->text;
        p->t += 2;
    }
    return (n->a = jinja_parse_expression(p)) ? n : NULL;
}

static bool arguments(jinja_parser *p, jinja_node **list) {
    jinja_node *n = bracketed(p, NODE_TUPLE, ")", argument);
    if (!n) return false;
    *list = n->a;
    bool keywords = false;
    for (const jinja_node *a = n->a; a; a = a->next) {
        bool keyword = a->name.n || a->mode == 'd';
        p->j->at = a->at;
        if (keywords && !keyword) jinja_fail(p->j, "an argument by position after one by name");
        keywords |= keyword;
    }
    return !p->j->failed;
}

static jinja_node *call(jinja_parser *p, jinja_node *callee) {
    jinja_node *n = jinja_node_new(p, NODE_CALL, callee->at);
    if (!n) return NULL;
    n->a = callee;
    return arguments(p, &n->b) ? n : NULL;
}

static bool slice_part(jinja_parser *p, jinja_node **out) {
    if (jinja_at_operator(p, ":") || jinja_at_operator(p, "]")) return true;
    return (*out = jinja_parse_expression(p)) != NULL;
}

static jinja_node *subscript(jinja_parser *p) {
    jinja_node *n = jinja_node_new(p, NODE_SLICE, p->t->at);
    if (!n || (!jinja_at_operator(p, ":") && !(n->a = jinja_parse_expression(p)))) return NULL;
    if (!jinja_skip_operator(p, ":")) return n->a;
    if (!slice_part(p, &n->b)) return NULL;
    return jinja_skip_operator(p, ":") && !slice_part(p, &n->c) ? NULL : n;
}

static jinja_node *item(jinja_parser *p, jinja_node *object) {
    jinja_node *n = jinja_node_new(p, NODE_ITEM, object->at);
    if (!n) return NULL;
    n->a = object;
    if (jinja_skip_operator(p, "[")) return (n->b = subscript(p)) && jinja_expect_operator(p, "]") ? n : NULL;
    p->t++; /* the dot */
    n->at.end = p->t->at.end;
    if (p->t->kind == TOKEN_LITERAL && p->t->value.type == JINJA_INT)
        return (n->b = literal(p, p->t->value)) ? n : NULL;
    if (p->t->kind != TOKEN_NAME) return jinja_parse_fail(p, "a name after '.'");
    n->kind = NODE_ATTRIBUTE;
    n->name = p->t++->text;
    return n;
}

jinja_node *jinja_parse_postfix(jinja_parser *p, jinja_node *n) {
    while (n && p->t->kind == TOKEN_OPERATOR) {
        if (jinja_at_operator(p, ".") || jinja_at_operator(p, "[")) n = item(p, n);
        else if (jinja_at_operator(p, "(")) n = call(p, n);
        else break;
    }
    return n;
}

static jinja_node *named(jinja_parser *p, jinja_node_kind kind, jinja_node *value) {
    if (p->t->kind != TOKEN_NAME)
        return jinja_parse_fail(p, kind == NODE_FILTER ? "the name of a filter" : "the name of a test");
    jinja_node *n = jinja_node_new(p, kind, p->t->at);
    if (!n) return NULL;
    n->a = value;
    n->name = p->t++->text;
    return n;
}

jinja_node *jinja_parse_filters(jinja_parser *p, jinja_node *n, bool first_without_bar) {
    while (n && (first_without_bar || jinja_skip_operator(p, "|"))) {
        first_without_bar = false;
        n = named(p, NODE_FILTER, n);
        if (n && jinja_at_operator(p, "(") && !arguments(p, &n->b)) return NULL;
    }
    return n;
}

/* "x is divisibleby 3": one argument without brackets. */
static bool bare_argument(const jinja_parser *p) {
    if (p->t->kind == TOKEN_NAME)
        return !jinja_at_name(p, "else") && !jinja_at_name(p, "or") && !jinja_at_name(p, "and") &&
               !jinja_at_name(p, "is");
    return p->t->kind == TOKEN_LITERAL || jinja_at_operator(p, "[") || jinja_at_operator(p, "{");
}

static jinja_node *test(jinja_parser *p, jinja_node *value) {
    bool negated = jinja_skip_name(p, "not");
    jinja_node *n = named(p, NODE_TEST, value);
    if (!n) return NULL;
    if (jinja_at_operator(p, "(")) {
        if (!arguments(p, &n->b)) return NULL;
    } else if (bare_argument(p)) {
        if (!(n->b = jinja_node_new(p, NODE_ARGUMENT, p->t->at))) return NULL;
        if (!(n->b->a = jinja_parse_postfix(p, jinja_parse_primary(p)))) return NULL;
    }
    jinja_node *wrap = negated ? jinja_node_new(p, NODE_UNARY, n->at) : n;
    if (negated && wrap) wrap->mode = 'n', wrap->a = n;
    return wrap;
}

static jinja_node *filters_and_tests(jinja_parser *p, jinja_node *n) {
    while (n) {
        if (jinja_at_operator(p, "|")) n = jinja_parse_filters(p, n, false);
        else if (jinja_skip_name(p, "is")) n = test(p, n);
        else if (jinja_at_operator(p, "(")) n = call(p, n);
        else break;
    }
    return n;
}

/* ---- operators ---- */
static jinja_node *operation(jinja_parser *p, int level);

static jinja_node *unary(jinja_parser *p, bool filters) {
    jinja_node *n;
    if (!jinja_enter(p->j)) n = NULL;
    else if (jinja_at_operator(p, "-") || jinja_at_operator(p, "+")) {
        n = jinja_node_new(p, NODE_UNARY, p->t->at);
        if (n) n->mode = (unsigned char)*p->t->text.p, p->t++, n->a = unary(p, false);
        if (n && !n->a) n = NULL;
    } else n = jinja_parse_primary(p);
    n = jinja_parse_postfix(p, n);
    if (filters) n = filters_and_tests(p, n);
    jinja_leave(p->j);
    return n;
}

static const operator_row *operator_here(const jinja_parser *p, int level) {
    if (p->t->kind != TOKEN_OPERATOR && p->t->kind != TOKEN_NAME) return NULL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].level == level && str_is(p->t->text, operators[i].text)) return &operators[i];
    return NULL;
}

static jinja_node *negation(jinja_parser *p) {
    jinja_node *n = NULL;
    span at = p->t->at;
    if (!jinja_skip_name(p, "not")) return operation(p, LEVEL_COMPARE);
    if (jinja_enter(p->j) && (n = jinja_node_new(p, NODE_UNARY, at))) {
        n->mode = 'n';
        if (!(n->a = negation(p))) n = NULL;
    }
    jinja_leave(p->j);
    return n;
}

static jinja_node *comparison(jinja_parser *p) {
    jinja_node *first = operation(p, LEVEL_SUM), *n = first, **tail = NULL;
    while (n) {
        bool not_in = jinja_at_name(p, "not") && p->t[1].kind == TOKEN_NAME && str_is(p->t[1].text, "in");
        const operator_row *row = operator_here(p, LEVEL_COMPARE);
        if (!row && !not_in) break;
        if (n == first && (n = jinja_node_new(p, NODE_COMPARE, first->at))) n->a = first, tail = &n->b;
        jinja_node *step = n ? jinja_node_new(p, NODE_COMPARED, p->t->at) : NULL;
        if (!step) return NULL;
        step->op = not_in ? OP_NOT_IN : row->op;
        p->t += 1 + not_in;
        if (!(step->a = operation(p, LEVEL_SUM))) return NULL;
        *tail = step;
        tail = &step->next;
    }
    return n;
}

static jinja_node *operation(jinja_parser *p, int level) {
    if (level == LEVEL_NOT) return negation(p);
    if (level == LEVEL_COMPARE) return comparison(p);
    if (level == LEVEL_UNARY) return unary(p, true);
    jinja_node *left = operation(p, level + 1);
    const operator_row *row;
    while (left && (row = operator_here(p, level))) {
        jinja_node *n = jinja_node_new(p,
                                       row->op == OP_OR    ? NODE_OR
                                       : row->op == OP_AND ? NODE_AND
                                                           : NODE_BINARY,
                                       p->t->at);
        if (!n) return NULL;
        p->t++;
        n->op = row->op;
        n->a = left;
        if (!(n->b = operation(p, level + 1))) return NULL;
        left = n;
    }
    return left;
}

static jinja_node *conditional(jinja_parser *p) {
    jinja_node *n = operation(p, LEVEL_OR);
    while (n && jinja_at_name(p, "if")) {
        jinja_node *c = jinja_node_new(p, NODE_CONDITION, p->t++->at);
        if (!c) return NULL;
        c->a = n;
        if (!(c->b = operation(p, LEVEL_OR))) return NULL;
        if (jinja_skip_name(p, "else") && !(c->c = jinja_parse_expression(p))) return NULL;
        n = c;
    }
    return n;
}

jinja_node *jinja_parse_expression(jinja_parser *p) {
    jinja_node *n = jinja_enter(p->j) ? conditional(p) : NULL;
    jinja_leave(p->j);
    return n;
}

static bool ends_tuple(const jinja_parser *p, bool targets) {
    return p->t->kind == TOKEN_PRINT_END || p->t->kind == TOKEN_BLOCK_END || jinja_at_operator(p, ")") ||
           jinja_at_operator(p, "=") || (targets && jinja_at_name(p, "in"));
}

jinja_node *jinja_parse_tuple(jinja_parser *p, bool conditions, bool targets) {
    jinja_node *tuple = NULL, **tail = NULL;
    for (;;) {
        if (tuple && ends_tuple(p, targets)) return tuple;
        jinja_node *n = targets      ? jinja_parse_primary(p)
                        : conditions ? jinja_parse_expression(p)
                                     : operation(p, LEVEL_OR);
        if (!n) return NULL;
        bool comma = jinja_at_operator(p, ",");
        if (!tuple && !comma) return n;
        if (!tuple) {
            if (!(tuple = jinja_node_new(p, NODE_TUPLE, n->at))) return NULL;
            tail = &tuple->a;
        }
        *tail = n;
        tail = &n->next;
        if (!comma) return tuple;
        p->t++;
    }
}
