/* Statements, and the variables that are declared among them and at the top level. */
#include "csl/parse.h"

static csl_node *statement(parser *p);

/* Compound assignments by their token; '=' is CSL_OP_NONE. */
static const struct {
    bool assigns;
    uint8_t op;
} assign_ops[TOK_KINDS] = {
    [TOK_SET] = {true, CSL_OP_NONE},     [TOK_ADD_SET] = {true, CSL_OP_ADD},    [TOK_SUB_SET] = {true, CSL_OP_SUB},
    [TOK_MUL_SET] = {true, CSL_OP_MUL},  [TOK_DIV_SET] = {true, CSL_OP_DIV},    [TOK_MOD_SET] = {true, CSL_OP_MOD},
    [TOK_SHL_SET] = {true, CSL_OP_SHL},  [TOK_SHR_SET] = {true, CSL_OP_SHR},    [TOK_AND_SET] = {true, CSL_OP_BITAND},
    [TOK_OR_SET] = {true, CSL_OP_BITOR}, [TOK_XOR_SET] = {true, CSL_OP_BITXOR},
};

/* -- variables */

static void attribute(parser *p, csl_node **slot) {
    csl_token word = p->t[0];
    parse_advance(p);
    if (*slot) parse_complain(p, word.at, "'%s' is given twice", csl_token_text(word.kind));
    *slot = parse_condition(p, "after the name of an attribute");
}

void parse_attributes(parser *p, csl_node *n, csl_node **linksection, csl_node **linkname) {
    for (;;) {
        if (parse_at(p, TOK_ALIGN)) attribute(p, &n->align);
        else if (parse_at(p, TOK_LINKSECTION)) attribute(p, linksection);
        else if (parse_at(p, TOK_LINKNAME)) attribute(p, linkname);
        else return;
    }
}

csl_node *parse_variable(parser *p, csl_node *n) {
    n->decl = parse_at(p, TOK_VAR) ? CSL_DECL_VAR : parse_at(p, TOK_PARAM) ? CSL_DECL_PARAM : CSL_DECL_CONST;
    parse_advance(p);
    n->name = parse_name(p, "the name of a variable", &n->name_at);
    parse_attributes(p, n, &n->c, &n->d);
    if (parse_take(p, TOK_COLON)) n->a = parse_type(p);
    parse_attributes(p, n, &n->c, &n->d);
    if (parse_take(p, TOK_SET)) n->b = parse_expr(p);
    if (n->decl == CSL_DECL_CONST && !n->b && !(n->flags & CSL_EXTERN))
        parse_complain(p, n->name_at,
                       "'%.*s' needs a value: only 'var' and 'extern const' variables may be uninitialized",
                       (int)n->name.n, n->name.p);
    parse_semicolon(p, "the declaration");
    return parse_finish(p, n);
}

/* -- statements without a body */

/* ';', or the 'else' of the 'if' around an arm without braces. */
static void end_statement(parser *p) {
    if (!(p->before_else && parse_at(p, TOK_ELSE))) parse_semicolon(p, "the statement");
}

/* An assignment or an expression, without its ';'. */
static csl_node *simple(parser *p) {
    csl_node *target = parse_expr(p);
    bool assigns = assign_ops[p->t[0].kind].assigns;
    csl_node *n = parse_node_from(p, assigns ? CSL_ASSIGN : CSL_EXPR, target);
    n->a = target;
    if (assigns) {
        n->op = assign_ops[p->t[0].kind].op;
        parse_advance(p);
        n->b = parse_expr(p);
    }
    return parse_finish(p, n);
}

static void target_label(parser *p, csl_node *n) {
    if (parse_take(p, TOK_COLON)) n->name = parse_name(p, "the label of a loop or block", &n->name_at);
}

/* return, break, continue, without ';' */
static csl_node *jump(parser *p) {
    csl_node *n = parse_node(p, parse_at(p, TOK_RETURN)  ? CSL_RETURN
                                : parse_at(p, TOK_BREAK) ? CSL_BREAK
                                                         : CSL_CONTINUE);
    parse_advance(p);
    if (n->kind != CSL_RETURN) target_label(p, n);
    bool ends = parse_at(p, TOK_SEMI) || parse_at(p, TOK_ELSE) || parse_at(p, TOK_RBRACE) || parse_at(p, TOK_COMMA);
    if (n->kind != CSL_CONTINUE && !ends) n->a = parse_expr(p);
    return parse_finish(p, n);
}

static bool at_jump(const parser *p) {
    return parse_at(p, TOK_RETURN) || parse_at(p, TOK_BREAK) || parse_at(p, TOK_CONTINUE);
}

/* -- loops */

static csl_node *while_loop(parser *p, csl_node *n) {
    parse_advance(p);
    n->a = parse_condition(p, "after 'while'");
    if (parse_take(p, TOK_COLON)) {
        parse_expect(p, TOK_LPAREN, "before the update of a while loop");
        n->c = simple(p);
        parse_expect(p, TOK_RPAREN, "after the update of a while loop");
    }
    return n;
}

static csl_node *for_loop(parser *p, csl_node *n) {
    span at;
    n->kind = CSL_FOR;
    parse_advance(p);
    n->a = parse_condition(p, "after 'for'");
    parse_expect(p, TOK_PIPE, "before the loop variable, as in for (...) |i| {...}");
    n->capture = parse_name(p, "the name of the loop variable", &at);
    if (parse_take(p, TOK_COMMA)) n->index = parse_name(p, "the name of the index", &at);
    parse_expect(p, TOK_PIPE, "after the loop variable");
    return n;
}

/* [inline | comptime] while or for */
static csl_node *loop(parser *p, csl_token label, csl_node *n) {
    if (label.kind == TOK_NAME) {
        n->name = csl_token_source(&p->lx, label);
        n->name_at = label.at;
    }
    if (parse_take(p, TOK_INLINE)) n->flags |= CSL_INLINE;
    else if (parse_take(p, TOK_COMPTIME)) n->flags |= CSL_COMPTIME;
    if (parse_at(p, TOK_WHILE)) while_loop(p, n);
    else if (parse_at(p, TOK_FOR)) for_loop(p, n);
    else parse_fail(p, "'while' or 'for'");
    if (parse_at(p, TOK_SEMI)) parse_fail(p, "the body of the loop (an empty one is '{}')");
    n->b = statement(p);
    return parse_finish(p, n);
}

/* NAME ':' loop or block */
static csl_node *labelled(parser *p) {
    csl_node *n = parse_node(p, CSL_WHILE);
    csl_token label = p->t[0];
    parse_advance(p);
    parse_advance(p);
    if (!parse_at(p, TOK_LBRACE)) return loop(p, label, n);
    return parse_block(p, csl_token_source(&p->lx, label), label.at);
}

/* -- if, switch, blocks */

static csl_node *if_statement(parser *p) {
    csl_node *n = parse_node(p, CSL_IF);
    bool before_else = p->before_else;
    parse_advance(p);
    n->a = parse_condition(p, "after 'if'");
    p->before_else = true;
    n->b = statement(p);
    p->before_else = before_else;
    if (parse_take(p, TOK_ELSE)) n->c = statement(p);
    return parse_finish(p, n);
}

static csl_node *arm_body(parser *p) {
    if (parse_at(p, TOK_LBRACE)) return parse_block(p, STR(""), (span){0, 0});
    return at_jump(p) ? jump(p) : simple(p);
}

static csl_node *comptime_statement(parser *p) {
    csl_token_kind next = p->t[1].kind;
    if (next == TOK_WHILE || next == TOK_FOR) return loop(p, (csl_token){0}, parse_node(p, CSL_WHILE));
    if (next == TOK_CONST || next == TOK_VAR) {
        csl_node *n = parse_node(p, CSL_VAR);
        n->flags |= CSL_COMPTIME;
        parse_advance(p);
        return parse_variable(p, n);
    }
    if (next == TOK_LBRACE || next == TOK_IF || next == TOK_SWITCH) {
        csl_node *n = parse_node(p, CSL_COMPTIME_BLOCK);
        parse_advance(p);
        if (next == TOK_LBRACE) n->a = parse_block(p, STR(""), (span){0, 0});
        else {
            n->a = parse_node(p, CSL_BLOCK);
            n->a->a = statement(p);
            parse_finish(p, n->a);
        }
        return parse_finish(p, n);
    }
    csl_node *n = simple(p);
    end_statement(p);
    return n;
}

static csl_node *misplaced(parser *p) {
    parse_complain(p, p->t[0].at, "this stands at the top level of a file only, not in a block");
    return parse_declaration(p);
}

static csl_node *statement_inside(parser *p) {
    csl_node *n;
    if (parse_at_declaration(p)) return misplaced(p);
    switch (p->t[0].kind) {
    case TOK_CONST:
    case TOK_VAR: return parse_variable(p, parse_node(p, CSL_VAR));
    case TOK_COMPTIME: return comptime_statement(p);
    case TOK_INLINE:
    case TOK_WHILE:
    case TOK_FOR: return loop(p, (csl_token){0}, parse_node(p, CSL_WHILE));
    case TOK_IF: return if_statement(p);
    case TOK_SWITCH: return parse_switch(p, arm_body);
    case TOK_LBRACE: return parse_block(p, STR(""), (span){0, 0});
    case TOK_RETURN:
    case TOK_BREAK:
    case TOK_CONTINUE: n = jump(p); break;
    case TOK_NAME:
        if (p->t[1].kind == TOK_COLON) return labelled(p);
        n = simple(p);
        break;
    case TOK_END:
    case TOK_RBRACE: parse_fail(p, "a statement"); return parse_node(p, CSL_BLOCK);
    default: n = simple(p);
    }
    end_statement(p);
    return n;
}

static csl_node *statement(parser *p) {
    csl_node *n = parse_enter(p) ? statement_inside(p) : parse_node(p, CSL_BLOCK);
    parse_leave(p);
    return n;
}

static void close_block(parser *p, csl_token open) {
    if (parse_take(p, TOK_RBRACE) || parse_skipping(p)) return;
    parse_fail(p, "'}'");
    csl_lex_note(&p->lx, open.at, "the block begins here");
}

csl_node *parse_block(parser *p, str label, span label_at) {
    csl_node *n = parse_node(p, CSL_BLOCK);
    csl_token open = p->t[0];
    bool bare = p->bare_type, before_else = p->before_else;
    p->bare_type = p->before_else = false;
    n->name = label;
    n->name_at = label_at;
    if (label.n) n->at.begin = label_at.begin;
    parse_list l = {&n->a};
    parse_expect(p, TOK_LBRACE, "before a block");
    unsigned base = p->braces;
    while (parse_more(p, TOK_RBRACE)) {
        if (parse_take(p, TOK_SEMI)) continue; /* a stray one behind a '}' */
        if (parse_at_top_level(p)) break;
        size_t begin = p->t[0].at.begin;
        parse_append(&l, statement(p));
        if (!parse_skipping(p)) continue;
        if (p->t[0].at.begin == begin) parse_advance(p);
        if (!parse_recover(p, base)) break;
    }
    close_block(p, open);
    p->bare_type = bare;
    p->before_else = before_else;
    return parse_finish(p, n);
}
