/* Inside the parser: recursive descent over csl/lex.h, three files deep (declarations, statements, expressions).
 *
 * After an error the parser *skips*: the current token reads as TOK_SKIPPING, which nothing expects, so every rule
 * falls through to the nearest list of statements or declarations without telling more. That list calls parse_recover,
 * which finds a place to go on. Rules therefore never test for errors and always return a node.
 */
#ifndef INGOT_CSL_PARSE_H
#define INGOT_CSL_PARSE_H

#include "csl/ast.h"
#include "csl/lex.h"

enum {
    PARSE_NESTING_MAX = 256,   /* rules inside rules */
    PARSE_BYTES_MAX = 4 << 20, /* a tree takes some 80 bytes per byte of the densest source */
};

typedef struct {
    csl_lexer lx;
    arena *a;
    csl_file *file;
    csl_token t[3];  /* the current token and two ahead */
    uint8_t held;    /* the kind of t[0] while it reads as TOK_SKIPPING */
    size_t last_end; /* where the token before t[0] ended */
    unsigned braces; /* open at t[0]: recovery counts them */
    unsigned nesting;
    bool bare_type;   /* a type is being read: a '{' behind it is not a literal */
    bool before_else; /* in an arm of a statement 'if': 'else' ends a statement as ';' does */
    csl_node sink;    /* given out when memory ends, so that rules need no test; the file is refused anyway */
} parser;

/* Tokens. */
static inline bool parse_at(const parser *p, csl_token_kind kind) { return p->t[0].kind == kind; }
static inline bool parse_skipping(const parser *p) { return p->t[0].kind == TOK_SKIPPING; }
void parse_advance(parser *p);
bool parse_take(parser *p, csl_token_kind kind);
bool parse_expect(parser *p, csl_token_kind kind, const char *where); /* where: "after the condition" */
/* A closing bracket; the message points at its opening one when that is far away. */
bool parse_close(parser *p, csl_token_kind kind, csl_token open, const char *what);
str parse_name(parser *p, const char *what, span *at); /* "" after an error */
/* True when a list goes on: not at its end, and not after an error. */
bool parse_more(const parser *p, csl_token_kind close);
/* ';'. When it misses at the end of a line, this is told and reading goes on with the next line. */
void parse_semicolon(parser *p, const char *what);

/* Errors. parse_complain goes on with the next token as if nothing was wrong, parse_fail starts to skip. */
void parse_complain(parser *p, span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void parse_fail(parser *p, const char *expected); /* "expected EXPECTED, found ..." at t[0] */
void parse_fail_at(parser *p, span at, const char *message);
/* Ends the skipping at a ';' (taken), before the '}' that closes the list, or at a line that begins a statement or
 * declaration. base: braces that are open in the list. False when the list itself has to end: t[0] then is its '}', or
 * (still skipping, so that the lists around it end too) the end of the file or what can only stand at the top level. */
bool parse_recover(parser *p, unsigned base);
bool parse_at_declaration(const parser *p); /* fn NAME, task NAME, export, extern, param, layout */
bool parse_at_top_level(const parser *p);   /* one that begins a line at the left margin */
bool parse_enter(parser *p);                /* one level deeper; false (and told) when too deep */
static inline void parse_leave(parser *p) { p->nesting--; }

/* Nodes. A node's span begins at the current token, or where `from` begins, and ends where parse_finish is called. */
csl_node *parse_node(parser *p, csl_kind kind);
csl_node *parse_node_from(parser *p, csl_kind kind, const csl_node *from);
csl_node *parse_finish(parser *p, csl_node *n);

/* A list under construction: list l = {.tail = &node->b}; parse_append(&l, child); */
typedef struct {
    csl_node **tail;
} parse_list;
static inline void parse_append(parse_list *l, csl_node *n) {
    *l->tail = n;
    l->tail = &n->next;
}

/* parse_expr.c */
csl_node *parse_expr(parser *p);
csl_node *parse_type(parser *p);
void parse_expr_list(parser *p, csl_node **list, csl_token open, csl_token_kind close, const char *what);
csl_node *parse_fn_param(parser *p);
void parse_fn_params(parser *p, csl_node **list);
/* '(' value ')'. */
csl_node *parse_condition(parser *p, const char *where);
/* `rule` reads the bodies of the arms: expressions in an expression, statements in a statement. */
csl_node *parse_switch(parser *p, csl_node *(*rule)(parser *));

/* parse_stmt.c */
csl_node *parse_block(parser *p, str label, span label_at); /* at '{' */
csl_node *parse_variable(parser *p, csl_node *n);           /* from const, var or param on */
void parse_attributes(parser *p, csl_node *n, csl_node **linksection, csl_node **linkname);

/* parse_decl.c */
csl_node *parse_declaration(parser *p); /* a variable, function or layout block */

#endif
