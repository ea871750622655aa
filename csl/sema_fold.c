/* Which calls in run-time code are carried out at compile time although neither `comptime` nor `inline` says so: those
 * of functions that only choose, by comptime arguments, among values: `fn is_wide(comptime T: type) bool { return T ==
 * f32; }`.
 *
 * The body is judged by its form: `if`, `switch`, `return`, constants, comparisons, and builtins that ask about types.
 * Arithmetic is left out, because at run time it wraps and at compile time it must fit; so are variables and whatever
 * may read memory. */
#include "csl/sema_internal.h"

enum { CALLS_DEEP_MAX = 8 };

typedef struct {
    csl_module *module;
    const csl_node *params;
    uint32_t depth;
} body;

static bool chooses(const body *b, const csl_node *n);

static bool all_choose(const body *b, const csl_node *first) {
    for (const csl_node *n = first; n; n = n->next)
        if (!chooses(b, n)) return false;
    return true;
}

static bool is_param(const body *b, str name) {
    for (const csl_node *p = b->params; p; p = p->next)
        if (str_eq(p->name, name)) return true;
    return false;
}

/* Members and elements of parameters and modules: constants all the way. */
static bool name_chooses(const body *b, const csl_node *n) {
    if (is_param(b, n->name)) return true;
    const csl_global *g = csl_find_global(b->module, n->name);
    return !g || !g->is_var;
}

static bool call_chooses(const body *b, const csl_node *n) {
    if (n->a->kind != CSL_NAME || is_param(b, n->a->name) || b->depth == CALLS_DEEP_MAX) return false;
    const csl_func *f = csl_find_func(b->module, n->a->name);
    if (!f || f->is_task || !f->node->c) return false;
    body callee = {f->module, f->node->a, b->depth + 1};
    return all_choose(b, n->b) && chooses(&callee, f->node->c);
}

static bool asks_only(str name) {
    static const char *const questions[] = {"type_of",    "is_same_type", "is_arch",       "has_field",
                                            "field",      "rank",         "element_count", "element_type",
                                            "dimensions", "fp16",         "strlen",        "comptime_assert"};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (str_is(name, questions[i])) return true;
    return false;
}

static bool operator_chooses(const body *b, const csl_node *n) {
    if (n->op >= CSL_OP_EQ && n->op <= CSL_OP_OR) return chooses(b, n->a) && chooses(b, n->b);
    return false;
}

static bool arms_choose(const body *b, const csl_node *arms) {
    for (const csl_node *arm = arms; arm; arm = arm->next)
        if (!all_choose(b, arm->a) || !chooses(b, arm->b)) return false;
    return true;
}

static bool chooses(const body *b, const csl_node *n) {
    switch ((csl_kind)n->kind) {
    case CSL_BLOCK: return !n->name.n && all_choose(b, n->a);
    case CSL_IF: return chooses(b, n->a) && chooses(b, n->b) && (!n->c || chooses(b, n->c));
    case CSL_SWITCH: return chooses(b, n->a) && arms_choose(b, n->b);
    case CSL_RETURN: return n->a && chooses(b, n->a);
    case CSL_EXPR: return chooses(b, n->a);
    case CSL_INT:
    case CSL_FLOAT:
    case CSL_STRING:
    case CSL_TRUE:
    case CSL_FALSE:
    case CSL_VOID_VALUE: return true;
    case CSL_NAME: return name_chooses(b, n);
    case CSL_MEMBER: return chooses(b, n->a);
    case CSL_INDEX: return chooses(b, n->a) && all_choose(b, n->b);
    case CSL_UNARY: return (n->op == CSL_OP_NOT || n->op == CSL_OP_COMPTIME) && chooses(b, n->a);
    case CSL_BINARY: return operator_chooses(b, n);
    case CSL_CALL: return call_chooses(b, n);
    case CSL_BUILTIN: return asks_only(n->name) && all_choose(b, n->b);
    case CSL_ARRAY_TYPE:
    case CSL_POINTER_TYPE: return true;
    default: return false;
    }
}

/* A pointer may lead to a variable. */
static bool leads_to_memory(const csl_type *t) {
    if (t->kind == CSL_T_POINTER) return true;
    for (uint32_t i = 0; i < t->count && (t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION); i++)
        if (leads_to_memory(t->members[i].type)) return true;
    return t->kind == CSL_T_ARRAY && leads_to_memory(t->elem);
}

bool csl_folds(const csl_func *f, uint32_t count, const csl_value *args, const bool *known, const csl_type *result) {
    bool plain = result->kind == CSL_T_BOOL || result->kind == CSL_T_INT || result->kind == CSL_T_FLOAT ||
                 result->kind == CSL_T_ENUM;
    if (!count || !plain || f->node->flags & CSL_NOINLINE) return false;
    for (uint32_t i = 0; i < count; i++)
        if (!known[i] || leads_to_memory(args[i].type)) return false;
    body b = {f->module, f->node->a, 0};
    return chooses(&b, f->node->c);
}
