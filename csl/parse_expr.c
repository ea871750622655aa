/* Expressions; types are expressions that stop before a '{'. One level of a table for each level of precedence. */
#include "csl/parse.h"

/* Two binary operators of one level group to the left. */
enum {
    LEVEL_NONE,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_BITOR,
    LEVEL_BITXOR,
    LEVEL_BITAND,
    LEVEL_SHIFT,
    LEVEL_ADD,
    LEVEL_MUL
};

static const struct {
    uint8_t level, op;
} binary_ops[TOK_KINDS] = {
    [TOK_OR] = {LEVEL_OR, CSL_OP_OR},          [TOK_OR_OR] = {LEVEL_OR, CSL_OP_OR},
    [TOK_AND] = {LEVEL_AND, CSL_OP_AND},       [TOK_AND_AND] = {LEVEL_AND, CSL_OP_AND},
    [TOK_EQ] = {LEVEL_COMPARE, CSL_OP_EQ},     [TOK_NE] = {LEVEL_COMPARE, CSL_OP_NE},
    [TOK_LT] = {LEVEL_COMPARE, CSL_OP_LT},     [TOK_LE] = {LEVEL_COMPARE, CSL_OP_LE},
    [TOK_GT] = {LEVEL_COMPARE, CSL_OP_GT},     [TOK_GE] = {LEVEL_COMPARE, CSL_OP_GE},
    [TOK_PIPE] = {LEVEL_BITOR, CSL_OP_BITOR},  [TOK_CARET] = {LEVEL_BITXOR, CSL_OP_BITXOR},
    [TOK_AMP] = {LEVEL_BITAND, CSL_OP_BITAND}, [TOK_SHL] = {LEVEL_SHIFT, CSL_OP_SHL},
    [TOK_SHR] = {LEVEL_SHIFT, CSL_OP_SHR},     [TOK_PLUS] = {LEVEL_ADD, CSL_OP_ADD},
    [TOK_MINUS] = {LEVEL_ADD, CSL_OP_SUB},     [TOK_STAR] = {LEVEL_MUL, CSL_OP_MUL},
    [TOK_SLASH] = {LEVEL_MUL, CSL_OP_DIV},     [TOK_PERCENT] = {LEVEL_MUL, CSL_OP_MOD},
};

static const uint8_t unary_ops[TOK_KINDS] = {
    [TOK_MINUS] = CSL_OP_NEG,   [TOK_BANG] = CSL_OP_NOT,          [TOK_TILDE] = CSL_OP_BITNOT,
    [TOK_AMP] = CSL_OP_ADDRESS, [TOK_COMPTIME] = CSL_OP_COMPTIME,
};

/* Tokens that are a whole expression. */
static const uint8_t words[TOK_KINDS] = {
    [TOK_TRUE] = CSL_TRUE,
    [TOK_FALSE] = CSL_FALSE,
    [TOK_UNDEFINED] = CSL_UNDEFINED,
    [TOK_UNREACHABLE] = CSL_UNREACHABLE,
};

/* What an operand becomes that could not be read; nobody sees it. */
static csl_node *nothing(parser *p) { return parse_node(p, CSL_UNDEFINED); }

/* -- lists and brackets: inside them a '{' may follow a type again */

void parse_expr_list(parser *p, csl_node **list, csl_token open, csl_token_kind close, const char *what) {
    bool bare = p->bare_type;
    parse_list l = {list};
    p->bare_type = false;
    while (parse_more(p, close)) {
        parse_append(&l, parse_expr(p));
        if (!parse_take(p, TOK_COMMA)) break;
    }
    parse_close(p, close, open, what);
    p->bare_type = bare;
}

csl_node *parse_condition(parser *p, const char *where) {
    bool bare = p->bare_type;
    p->bare_type = false;
    parse_expect(p, TOK_LPAREN, where);
    csl_node *n = parse_expr(p);
    parse_expect(p, TOK_RPAREN, "after the expression");
    p->bare_type = bare;
    return n;
}

/* .a = 1, .b = 2 } */
static void field_list(parser *p, csl_node **list, csl_token open) {
    bool bare = p->bare_type;
    parse_list l = {list};
    p->bare_type = false;
    while (parse_more(p, TOK_RBRACE)) {
        csl_node *f = parse_node(p, CSL_FIELD);
        if (!parse_take(p, TOK_DOT)) parse_fail(p, "a field of the form '.name = value'");
        f->name = csl_token_source(&p->lx, p->t[0]);
        f->name_at = p->t[0].at;
        if (csl_token_is_word(p->t[0].kind)) parse_advance(p);
        else parse_fail(p, "the name of a field");
        parse_expect(p, TOK_SET, "after the name of a field");
        f->a = parse_expr(p);
        parse_append(&l, parse_finish(p, f));
        if (!parse_take(p, TOK_COMMA)) break;
    }
    parse_close(p, TOK_RBRACE, open, "the struct literal");
    p->bare_type = bare;
}

/* ',' between members or arms; a ';', as in other languages, is told once and read as one. */
static bool separator(parser *p, bool *told) {
    if (parse_take(p, TOK_COMMA)) return true;
    if (!parse_at(p, TOK_SEMI) || p->t[1].kind == TOK_END) return false;
    if (!*told) parse_complain(p, p->t[0].at, "expected ',' between the members or arms, found ';'");
    *told = true;
    return parse_take(p, TOK_SEMI);
}

/* -- literals and primaries */

static csl_node *integer(parser *p) {
    csl_node *n = parse_node(p, CSL_INT);
    bool too_big = false;
    n->integer = p->t[0].kind == TOK_CHAR ? csl_lex_char(&p->lx, p->t[0]) : csl_lex_integer(&p->lx, p->t[0], &too_big);
    if (too_big) n->flags |= CSL_TOO_BIG;
    parse_advance(p);
    return parse_finish(p, n);
}

static csl_node *floating(parser *p) {
    csl_node *n = parse_node(p, CSL_FLOAT);
    n->number = csl_lex_float(&p->lx, p->t[0]);
    parse_advance(p);
    return parse_finish(p, n);
}

static csl_node *string(parser *p) {
    csl_node *n = parse_node(p, CSL_STRING);
    n->name = csl_lex_string(&p->lx, p->t[0]);
    parse_advance(p);
    return parse_finish(p, n);
}

static csl_node *named(parser *p) {
    csl_node *n = parse_node(p, CSL_NAME);
    n->name = parse_name(p, "a name", &n->name_at);
    return parse_finish(p, n);
}

static csl_node *builtin(parser *p) {
    csl_node *n = parse_node(p, CSL_BUILTIN);
    str s = csl_token_source(&p->lx, p->t[0]);
    n->name = (str){s.p + 1, s.n - 1};
    n->name_at = p->t[0].at;
    parse_advance(p);
    csl_token open = p->t[0];
    if (parse_expect(p, TOK_LPAREN, "after the name of a builtin"))
        parse_expr_list(p, &n->b, open, TOK_RPAREN, "the arguments");
    return parse_finish(p, n);
}

static csl_node *parenthesised(parser *p) {
    bool bare = p->bare_type;
    csl_token open = p->t[0];
    p->bare_type = false;
    parse_advance(p);
    csl_node *n = parse_expr(p);
    if (parse_at(p, TOK_COMMA)) parse_fail(p, "')' (a tuple is written .{a, b})");
    if (!parse_skipping(p)) parse_close(p, TOK_RPAREN, open, "the parentheses");
    p->bare_type = bare;
    return n;
}

/* .{}  .{ .a = 1 }  .{ 1, 2 } */
static csl_node *anonymous(parser *p) {
    csl_node *n = parse_node(p, CSL_TUPLE);
    parse_advance(p);
    csl_token open = p->t[0];
    parse_advance(p);
    if (parse_at(p, TOK_DOT) && csl_token_is_word(p->t[1].kind) && p->t[2].kind == TOK_SET) {
        n->kind = CSL_STRUCT_LIT;
        field_list(p, &n->b, open);
    } else parse_expr_list(p, &n->b, open, TOK_RBRACE, "the tuple");
    return parse_finish(p, n);
}

static csl_node *if_expr(parser *p) {
    csl_node *n = parse_node(p, CSL_IF);
    parse_advance(p);
    n->a = parse_condition(p, "after 'if'");
    n->b = parse_expr(p);
    if (parse_take(p, TOK_ELSE)) n->c = parse_expr(p);
    return parse_finish(p, n);
}

static csl_node *arm(parser *p, csl_node *(*rule)(parser *)) {
    csl_node *n = parse_node(p, CSL_ARM);
    parse_list cases = {&n->a};
    if (!parse_take(p, TOK_ELSE)) {
        do parse_append(&cases, parse_expr(p));
        while (parse_take(p, TOK_COMMA) && !parse_at(p, TOK_FAT_ARROW));
    }
    parse_expect(p, TOK_FAT_ARROW, "after the cases of a switch");
    n->b = rule(p);
    return parse_finish(p, n);
}

csl_node *parse_switch(parser *p, csl_node *(*rule)(parser *)) {
    csl_node *n = parse_node(p, CSL_SWITCH);
    bool bare = p->bare_type, before_else = p->before_else, told = false;
    parse_advance(p);
    n->a = parse_condition(p, "after 'switch'");
    csl_token open = p->t[0];
    parse_expect(p, TOK_LBRACE, "before the arms of a switch");
    p->bare_type = p->before_else = false;
    parse_list arms = {&n->b};
    while (parse_more(p, TOK_RBRACE)) {
        parse_append(&arms, arm(p, rule));
        if (!separator(p, &told)) break;
    }
    parse_close(p, TOK_RBRACE, open, "the switch");
    p->bare_type = bare;
    p->before_else = before_else;
    return parse_finish(p, n);
}

/* |i, j|{M, N} -> A[i, j] */
static csl_node *lambda(parser *p) {
    csl_node *n = parse_node(p, CSL_LAMBDA);
    parse_list captures = {&n->c};
    parse_advance(p);
    do parse_append(&captures, named(p));
    while (parse_take(p, TOK_COMMA));
    parse_expect(p, TOK_PIPE, "after the induction variables");
    csl_token open = p->t[0];
    if (parse_expect(p, TOK_LBRACE, "before the extents, as in |i|{N} -> a[i]"))
        parse_expr_list(p, &n->a, open, TOK_RBRACE, "the extents");
    parse_expect(p, TOK_ARROW, "before the element, as in |i|{N} -> a[i]");
    n->b = parse_expr(p);
    return parse_finish(p, n);
}

/* asm [volatile] ( ... ): only its end is found. */
static csl_node *assembly(parser *p) {
    csl_node *n = parse_node(p, CSL_ASM);
    parse_advance(p);
    parse_take(p, TOK_VOLATILE);
    csl_token open = p->t[0];
    unsigned depth = parse_expect(p, TOK_LPAREN, "after 'asm'") ? 1 : 0;
    while (depth && parse_more(p, TOK_KINDS)) {
        if (parse_at(p, TOK_RPAREN) && depth == 1) break;
        depth += parse_at(p, TOK_LPAREN) ? 1U : parse_at(p, TOK_RPAREN) ? -1U : 0U;
        parse_advance(p);
    }
    parse_close(p, TOK_RPAREN, open, "the assembly");
    return parse_finish(p, n);
}

/* -- types with words */

csl_node *parse_fn_param(parser *p) {
    csl_node *n = parse_node(p, CSL_PARAM);
    if (parse_take(p, TOK_COMPTIME)) n->flags |= CSL_COMPTIME;
    n->name_at = p->t[0].at;
    if (p->t[1].kind == TOK_COLON && !parse_skipping(p)) {
        n->name = parse_name(p, "the name of a parameter", &n->name_at);
        parse_take(p, TOK_COLON);
    } else if (parse_at(p, TOK_NAME) && p->t[1].kind == TOK_NAME) {
        n->name = parse_name(p, "the name of a parameter", &n->name_at);
        parse_complain(p, p->t[0].at, "expected ':' between the name and the type of a parameter");
    }
    if (parse_take(p, TOK_ANYTYPE)) n->flags |= CSL_ANYTYPE;
    else n->a = parse_type(p);
    return parse_finish(p, n);
}

void parse_fn_params(parser *p, csl_node **list) {
    bool bare = p->bare_type;
    parse_list l = {list};
    csl_token open = p->t[0];
    p->bare_type = false;
    parse_expect(p, TOK_LPAREN, "before the parameters");
    while (parse_more(p, TOK_RPAREN)) {
        parse_append(&l, parse_fn_param(p));
        if (!parse_take(p, TOK_COMMA)) break;
    }
    parse_close(p, TOK_RPAREN, open, "the parameters");
    p->bare_type = bare;
}

static csl_node *fn_type(parser *p) {
    csl_node *n = parse_node(p, CSL_FN_TYPE);
    if (p->t[1].kind != TOK_LPAREN) {
        parse_fail(p, "an expression");
        return n;
    }
    if (parse_at(p, TOK_TASK)) n->flags |= CSL_TASK;
    parse_advance(p);
    parse_fn_params(p, &n->a);
    n->b = parse_type(p);
    return parse_finish(p, n);
}

static csl_node *member_decl(parser *p) {
    csl_node *n = parse_node(p, CSL_FIELD_DECL);
    n->name = parse_name(p, "the name of a field", &n->name_at);
    parse_expect(p, TOK_COLON, "after the name of a field");
    n->a = parse_type(p);
    if (parse_take(p, TOK_SET)) n->b = parse_expr(p);
    return parse_finish(p, n);
}

static csl_node *enumerator(parser *p) {
    csl_node *n = parse_node(p, CSL_FIELD);
    n->name = parse_name(p, "the name of an enum value", &n->name_at);
    if (parse_take(p, TOK_SET)) n->a = parse_expr(p);
    return parse_finish(p, n);
}

static void members(parser *p, csl_node **list, csl_node *(*rule)(parser *), const char *what) {
    bool bare = p->bare_type, told = false;
    parse_list l = {list};
    csl_token open = p->t[0];
    p->bare_type = false;
    parse_expect(p, TOK_LBRACE, "before the members");
    while (parse_more(p, TOK_RBRACE)) {
        parse_append(&l, rule(p));
        if (!separator(p, &told)) break;
    }
    parse_close(p, TOK_RBRACE, open, what);
    p->bare_type = bare;
}

static csl_node *struct_type(parser *p) {
    csl_node *n = parse_node(p, CSL_STRUCT_TYPE);
    if (parse_take(p, TOK_EXTERN)) n->flags |= CSL_EXTERN;
    else if (parse_take(p, TOK_PACKED)) n->flags |= CSL_PACKED;
    if (parse_take(p, TOK_UNION)) n->flags |= CSL_UNION;
    else if (!parse_take(p, TOK_STRUCT)) parse_fail(p, "'struct' or 'union'");
    members(p, &n->a, member_decl, n->flags & CSL_UNION ? "the union" : "the struct");
    return parse_finish(p, n);
}

static csl_node *enum_type(parser *p) {
    csl_node *n = parse_node(p, CSL_ENUM_TYPE);
    parse_advance(p);
    if (parse_take(p, TOK_LPAREN)) {
        n->a = parse_type(p);
        parse_expect(p, TOK_RPAREN, "after the type of an enum");
    }
    members(p, &n->b, enumerator, "the enum");
    return parse_finish(p, n);
}

/* -- types with marks: pointers, arrays and the literals that begin with an array type */

static csl_node *pointer_type(parser *p, bool many) {
    csl_node *n = parse_node(p, CSL_POINTER_TYPE);
    if (many) {
        n->flags |= CSL_MANY;
        parse_advance(p);
        parse_advance(p);
        parse_expect(p, TOK_RBRACKET, "after '[*'");
    } else parse_advance(p);
    if (parse_take(p, TOK_CONST)) n->flags |= CSL_CONST;
    n->a = parse_type(p);
    return parse_finish(p, n);
}

static csl_node *array_type(parser *p) {
    csl_node *n = parse_node(p, CSL_ARRAY_TYPE);
    csl_token open = p->t[0];
    parse_advance(p);
    if (parse_at(p, TOK_RBRACKET)) parse_fail(p, "the extent of an array, as in [4]u16");
    parse_expr_list(p, &n->a, open, TOK_RBRACKET, "the extents");
    n->b = parse_type(p);
    return parse_finish(p, n);
}

static csl_node *array_type_or_literal(parser *p) {
    csl_node *type = array_type(p);
    if (p->bare_type || !parse_at(p, TOK_LBRACE)) return type;
    csl_node *n = parse_node_from(p, CSL_ARRAY_LIT, type);
    csl_token open = p->t[0];
    n->a = type;
    parse_advance(p);
    parse_expr_list(p, &n->b, open, TOK_RBRACE, "the array literal");
    return parse_finish(p, n);
}

/* -- operands */

static csl_node *primary(parser *p) {
    csl_token_kind kind = p->t[0].kind, next = p->t[1].kind;
    switch (kind) {
    case TOK_INT:
    case TOK_CHAR: return integer(p);
    case TOK_FLOAT: return floating(p);
    case TOK_STRING: return string(p);
    case TOK_BUILTIN: return builtin(p);
    case TOK_LPAREN: return parenthesised(p);
    case TOK_IF: return if_expr(p);
    case TOK_SWITCH: return parse_switch(p, parse_expr);
    case TOK_PIPE: return lambda(p);
    case TOK_ASM: return assembly(p);
    case TOK_FN:
    case TOK_TASK: return fn_type(p);
    case TOK_EXTERN:
    case TOK_PACKED:
    case TOK_STRUCT:
    case TOK_UNION: return struct_type(p);
    case TOK_ENUM: return enum_type(p);
    case TOK_LBRACKET: return array_type_or_literal(p);
    case TOK_TRUE:
    case TOK_FALSE:
    case TOK_UNDEFINED:
    case TOK_UNREACHABLE: {
        csl_node *n = parse_node(p, words[kind]);
        parse_advance(p);
        return parse_finish(p, n);
    }
    case TOK_NAME:
        if (next == TOK_COLON && p->t[2].kind == TOK_LBRACE && !p->bare_type) {
            csl_token label = p->t[0];
            parse_advance(p);
            parse_advance(p);
            return parse_block(p, csl_token_source(&p->lx, label), label.at);
        }
        return named(p);
    case TOK_LBRACE:
        if (p->bare_type) break;
        if (next == TOK_RBRACE) {
            csl_node *n = parse_node(p, CSL_VOID_VALUE);
            parse_advance(p);
            parse_advance(p);
            return parse_finish(p, n);
        }
        return parse_block(p, STR(""), (span){0, 0});
    case TOK_DOT:
        if (next == TOK_LBRACE) return anonymous(p);
        break;
    default: break;
    }
    parse_fail(p, p->bare_type ? "a type" : "an expression");
    return nothing(p);
}

static csl_node *member(parser *p, csl_node *base) {
    csl_node *n = parse_node_from(p, CSL_MEMBER, base);
    n->a = base;
    parse_advance(p);
    if (parse_take(p, TOK_STAR)) {
        n->kind = CSL_DEREF;
        return parse_finish(p, n);
    }
    n->name = csl_token_source(&p->lx, p->t[0]);
    n->name_at = p->t[0].at;
    if (csl_token_is_word(p->t[0].kind)) parse_advance(p);
    else if (base->kind == CSL_INT) parse_fail_at(p, base->at, "a float needs a digit behind its point: 1.0");
    else parse_fail(p, "the name of a field or '*' after '.'");
    return parse_finish(p, n);
}

static csl_node *bracketed(parser *p, csl_kind kind, csl_node *base, csl_token_kind close, const char *what) {
    csl_node *n = parse_node_from(p, kind, base);
    csl_token open = p->t[0];
    n->a = base;
    parse_advance(p);
    if (kind == CSL_INDEX && parse_at(p, close)) parse_fail(p, "an index");
    parse_expr_list(p, &n->b, open, close, what);
    return parse_finish(p, n);
}

/* T{ .a = 1 } or T{}: told from a block by what follows the brace. */
static bool at_struct_literal(const parser *p, const csl_node *type) {
    if (p->bare_type || !parse_at(p, TOK_LBRACE)) return false;
    bool is_name = type->kind == CSL_NAME || type->kind == CSL_MEMBER;
    return (p->t[1].kind == TOK_DOT && csl_token_is_word(p->t[2].kind)) || (p->t[1].kind == TOK_RBRACE && is_name);
}

static csl_node *struct_literal(parser *p, csl_node *type) {
    csl_node *n = parse_node_from(p, CSL_STRUCT_LIT, type);
    csl_token open = p->t[0];
    n->a = type;
    parse_advance(p);
    field_list(p, &n->b, open);
    return parse_finish(p, n);
}

static csl_node *prefix(parser *p) {
    if (parse_at(p, TOK_STAR)) return pointer_type(p, false);
    if (parse_at(p, TOK_LBRACKET) && p->t[1].kind == TOK_STAR) return pointer_type(p, true);
    csl_node *n = primary(p);
    if (n->kind == CSL_ARRAY_TYPE) return n; /* what may follow belongs to the element type and was taken by it */
    for (;;) {
        if (parse_at(p, TOK_DOT)) n = member(p, n);
        else if (parse_at(p, TOK_LBRACKET)) n = bracketed(p, CSL_INDEX, n, TOK_RBRACKET, "the indices");
        else if (parse_at(p, TOK_LPAREN)) n = bracketed(p, CSL_CALL, n, TOK_RPAREN, "the arguments");
        else if (at_struct_literal(p, n)) n = struct_literal(p, n);
        else return n;
    }
}

csl_node *parse_type(parser *p) {
    bool bare = p->bare_type;
    p->bare_type = true;
    csl_node *n = parse_enter(p) ? prefix(p) : nothing(p);
    parse_leave(p);
    p->bare_type = bare;
    return n;
}

static csl_node *unary(parser *p) {
    csl_node *n;
    if (!parse_enter(p)) n = nothing(p);
    else if (!unary_ops[p->t[0].kind]) n = prefix(p);
    else {
        n = parse_node(p, CSL_UNARY);
        n->op = unary_ops[p->t[0].kind];
        parse_advance(p);
        n->a = unary(p);
        parse_finish(p, n);
    }
    parse_leave(p);
    return n;
}

/* -- operators */

static void tell_foreign_operator(parser *p) {
    if (parse_at(p, TOK_AND_AND)) parse_complain(p, p->t[0].at, "there is no '&&': write 'and'");
    if (parse_at(p, TOK_OR_OR)) parse_complain(p, p->t[0].at, "there is no '||': write 'or'");
}

static csl_node *binary(parser *p, unsigned level) {
    csl_node *left = unary(p);
    for (;;) {
        unsigned found = binary_ops[p->t[0].kind].level;
        if (found < level || found == LEVEL_NONE) return left;
        csl_node *n = parse_node_from(p, CSL_BINARY, left);
        n->op = binary_ops[p->t[0].kind].op;
        tell_foreign_operator(p);
        parse_advance(p);
        n->a = left;
        n->b = binary(p, found + 1);
        left = parse_finish(p, n);
        if (found == LEVEL_COMPARE && binary_ops[p->t[0].kind].level == LEVEL_COMPARE)
            parse_complain(p, p->t[0].at, "comparisons do not chain: join them with 'and', or use parentheses");
    }
}

csl_node *parse_expr(parser *p) { return binary(p, LEVEL_OR); }
