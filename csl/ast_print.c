/* The tree as text: one node a line, children indented under the name of their place. The layout of ast.h as a table.
 */
#include "csl/ast.h"

enum { INDENT_MAX = 64 }; /* deeper nodes are not moved further right */

static const struct {
    const char *name, *children[5]; /* places of a to e */
} kinds[CSL_KINDS] = {
    [CSL_VAR] = {"var", {"type", "value", "linksection", "linkname"}},
    [CSL_FN] = {"fn", {"param", "returns", "body", "linksection", "linkname"}},
    [CSL_PARAM] = {"parameter", {"type"}},
    [CSL_COMPTIME_BLOCK] = {"comptime", {"do"}},
    [CSL_LAYOUT] = {"layout", {"do"}},
    [CSL_BLOCK] = {"block", {"do"}},
    [CSL_IF] = {"if", {"condition", "then", "else"}},
    [CSL_WHILE] = {"while", {"condition", "body", "update"}},
    [CSL_FOR] = {"for", {"over", "body"}},
    [CSL_SWITCH] = {"switch", {"value", "arm"}},
    [CSL_ARM] = {"arm", {"case", "body"}},
    [CSL_RETURN] = {"return", {"value"}},
    [CSL_BREAK] = {"break", {"value"}},
    [CSL_CONTINUE] = {"continue", {0}},
    [CSL_ASSIGN] = {"assign", {"target", "value"}},
    [CSL_EXPR] = {"expr", {"value"}},
    [CSL_INT] = {"int", {0}},
    [CSL_FLOAT] = {"float", {0}},
    [CSL_STRING] = {"string", {0}},
    [CSL_TRUE] = {"true", {0}},
    [CSL_FALSE] = {"false", {0}},
    [CSL_UNDEFINED] = {"undefined", {0}},
    [CSL_UNREACHABLE] = {"unreachable", {0}},
    [CSL_VOID_VALUE] = {"void_value", {0}},
    [CSL_NAME] = {"name", {0}},
    [CSL_UNARY] = {"unary", {"operand"}},
    [CSL_BINARY] = {"binary", {"left", "right"}},
    [CSL_MEMBER] = {"member", {"base"}},
    [CSL_DEREF] = {"deref", {"base"}},
    [CSL_INDEX] = {"index", {"base", "at"}},
    [CSL_CALL] = {"call", {"callee", "argument"}},
    [CSL_BUILTIN] = {"builtin", {0, "argument"}},
    [CSL_STRUCT_LIT] = {"struct_literal", {"type", "field"}},
    [CSL_TUPLE] = {"tuple", {0, "element"}},
    [CSL_FIELD] = {"field", {"value"}},
    [CSL_ARRAY_TYPE] = {"array_type", {"extent", "element"}},
    [CSL_ARRAY_LIT] = {"array_literal", {"type", "element"}},
    [CSL_POINTER_TYPE] = {"pointer_type", {"to"}},
    [CSL_FN_TYPE] = {"fn_type", {"param", "returns"}},
    [CSL_STRUCT_TYPE] = {"struct_type", {"member"}},
    [CSL_FIELD_DECL] = {"member", {"type", "default"}},
    [CSL_ENUM_TYPE] = {"enum_type", {"backing", "member"}},
    [CSL_LAMBDA] = {"lambda", {"extent", "element", "variable"}},
    [CSL_ASM] = {"asm", {0}},
};

static const char *const ops[CSL_OPS] = {
    [CSL_OP_ADD] = "+",
    [CSL_OP_SUB] = "-",
    [CSL_OP_MUL] = "*",
    [CSL_OP_DIV] = "/",
    [CSL_OP_MOD] = "%",
    [CSL_OP_SHL] = "<<",
    [CSL_OP_SHR] = ">>",
    [CSL_OP_BITAND] = "&",
    [CSL_OP_BITOR] = "|",
    [CSL_OP_BITXOR] = "^",
    [CSL_OP_EQ] = "==",
    [CSL_OP_NE] = "!=",
    [CSL_OP_LT] = "<",
    [CSL_OP_LE] = "<=",
    [CSL_OP_GT] = ">",
    [CSL_OP_GE] = ">=",
    [CSL_OP_AND] = "and",
    [CSL_OP_OR] = "or",
    [CSL_OP_NEG] = "-",
    [CSL_OP_NOT] = "!",
    [CSL_OP_BITNOT] = "~",
    [CSL_OP_ADDRESS] = "&",
    [CSL_OP_COMPTIME] = "comptime",
};

static const struct {
    uint16_t bit;
    const char *name;
} flags[] = {
    {CSL_EXPORT, "export"}, {CSL_EXTERN, "extern"},     {CSL_INLINE, "inline"},   {CSL_NOINLINE, "noinline"},
    {CSL_TASK, "task"},     {CSL_COMPTIME, "comptime"}, {CSL_ANYTYPE, "anytype"}, {CSL_MANY, "many"},
    {CSL_CONST, "const"},   {CSL_PACKED, "packed"},     {CSL_UNION, "union"},     {CSL_TOO_BIG, "too_big"},
};

static void print_integer(unsigned __int128 v, strbuf *out) {
    char text[40], *p = text + sizeof text;
    do *--p = (char)('0' + (int)(v % 10));
    while (v /= 10);
    strbuf_addc(out, ' ');
    strbuf_add(out, p, (size_t)(text + sizeof text - p));
}

static void print_word(str s, strbuf *out) {
    strbuf_addc(out, ' ');
    strbuf_add(out, s.p, s.n);
}

static void print_line(const csl_node *n, strbuf *out) {
    static const char *const decls[] = {"const", "var", "param"};
    strbuf_adds(out, n->kind == CSL_VAR ? decls[n->decl] : kinds[n->kind].name);
    if (n->op) strbuf_addf(out, " %s%s", ops[n->op], n->kind == CSL_ASSIGN ? "=" : "");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (n->flags & flags[i].bit) strbuf_addf(out, " %s", flags[i].name);
    if (n->kind == CSL_STRING) {
        strbuf_addc(out, ' ');
        strbuf_add_json(out, n->name);
    } else if (n->name.n) print_word(n->name, out);
    if (n->kind == CSL_INT) print_integer(n->integer, out);
    if (n->kind == CSL_FLOAT) strbuf_addf(out, " %.17g", n->number);
    if (n->kind == CSL_FOR) {
        strbuf_adds(out, " |");
        strbuf_add(out, n->capture.p, n->capture.n);
        if (n->index.n) strbuf_addc(out, ','), print_word(n->index, out);
        strbuf_addc(out, '|');
    }
    strbuf_addc(out, '\n');
}

static void print_nodes(const csl_node *n, const char *place, unsigned depth, strbuf *out) {
    for (; n; n = n->next) {
        for (unsigned i = 0; i < depth && i < INDENT_MAX; i++) strbuf_adds(out, "  ");
        if (place) strbuf_addf(out, "%s: ", place);
        print_line(n, out);
        const char *const *places = kinds[n->kind].children;
        const csl_node *const children[] = {n->a, n->b, n->c, n->d, n->e};
        for (int i = 0; i < 5; i++) print_nodes(children[i], places[i], depth + 1, out);
        print_nodes(n->align, "align", depth + 1, out);
    }
}

void csl_ast_print(const csl_file *f, strbuf *out) { print_nodes(f->top, NULL, 0, out); }
