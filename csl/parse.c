/* The parser's ground: tokens, errors, recovery, nodes. The grammar is in parse_decl.c, parse_stmt.c and parse_expr.c.
 */
#include "csl/parse.h"
#include <stdarg.h>
#include <stdio.h>

/* -- tokens */

/* The kind that t[0] has in the file. */
static uint8_t real_kind(const parser *p) { return parse_skipping(p) ? p->held : p->t[0].kind; }

void parse_advance(parser *p) {
    uint8_t kind = real_kind(p);
    if (kind == TOK_LBRACE) p->braces++;
    if (kind == TOK_RBRACE && p->braces) p->braces--;
    p->last_end = p->t[0].at.end;
    p->t[0] = p->t[1];
    p->t[1] = p->t[2];
    p->t[2] = csl_lex_next(&p->lx);
}

bool parse_take(parser *p, csl_token_kind kind) {
    if (!parse_at(p, kind)) return false;
    parse_advance(p);
    return true;
}

bool parse_expect(parser *p, csl_token_kind kind, const char *where) {
    if (parse_take(p, kind)) return true;
    char expected[96];
    snprintf(expected, sizeof expected, "'%s' %s", csl_token_text(kind), where);
    parse_fail(p, expected);
    return false;
}

bool parse_close(parser *p, csl_token_kind kind, csl_token open, const char *what) {
    if (parse_take(p, kind)) return true;
    if (parse_skipping(p)) return false;
    char expected[96];
    snprintf(expected, sizeof expected, "',' or '%s' in %s", csl_token_text(kind), what);
    parse_fail(p, expected);
    str between = {p->lx.source.text.p + open.at.end, p->t[0].at.begin - open.at.end};
    if (memchr(between.p, '\n', between.n))
        csl_lex_note(&p->lx, open.at, "to close this '%s'", csl_token_text(open.kind));
    return false;
}

str parse_name(parser *p, const char *what, span *at) {
    str name = csl_token_source(&p->lx, p->t[0]);
    *at = p->t[0].at;
    if (parse_take(p, TOK_NAME)) return name;
    if (csl_token_is_word(p->t[0].kind)) {
        parse_complain(p, *at, "expected %s, found the keyword '%.*s': choose another name", what, (int)name.n, name.p);
        parse_advance(p);
        return name;
    }
    parse_fail(p, what);
    return STR("");
}

bool parse_more(const parser *p, csl_token_kind close) {
    return !parse_at(p, close) && !parse_at(p, TOK_END) && !parse_skipping(p);
}

void parse_semicolon(parser *p, const char *what) {
    if (parse_take(p, TOK_SEMI) || parse_skipping(p)) return;
    char found[96];
    csl_token_describe(&p->lx, p->t[0], found, sizeof found);
    span at = {p->last_end, p->last_end + 1};
    if (p->t[0].starts_line || parse_at(p, TOK_RBRACE) || parse_at(p, TOK_END))
        parse_complain(p, at, "expected ';' after %s", what);
    else {
        char expected[96];
        snprintf(expected, sizeof expected, "';' after %s", what);
        parse_fail(p, expected);
    }
}

/* -- errors */

static void start_skipping(parser *p) {
    p->held = p->t[0].kind;
    p->t[0].kind = TOK_SKIPPING;
}

void parse_complain(parser *p, span at, const char *fmt, ...) {
    if (parse_skipping(p)) return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    csl_lex_error(&p->lx, at, "%s", text);
}

/* What the reader may have meant, for tokens that other languages would take here. */
static const char *hint(const parser *p) {
    csl_token_kind kind = p->t[0].kind, next = p->t[1].kind;
    bool joined = p->last_end == p->t[0].at.begin;
    if (kind == TOK_PLUS && joined) return "; there is no '++', write 'x += 1'";
    if (kind == TOK_DOT && next == TOK_INT) return "; a float needs a digit before its point: 0.5";
    if (kind == TOK_DOT && next == TOK_NAME) return "; an enum value is written with its type: T.name";
    if (kind == TOK_ELSE) return "; this 'else' has no 'if'";
    if (kind == TOK_SET && !p->bare_type) return "; an assignment is a statement and has no value";
    return "";
}

void parse_fail(parser *p, const char *expected) {
    if (parse_skipping(p)) return;
    char found[96];
    csl_token_describe(&p->lx, p->t[0], found, sizeof found);
    csl_lex_error(&p->lx, p->t[0].at, "expected %s, found %s%s", expected, found, hint(p));
    start_skipping(p);
}

void parse_fail_at(parser *p, span at, const char *message) {
    if (parse_skipping(p)) return;
    csl_lex_error(&p->lx, at, "%s", message);
    start_skipping(p);
}

bool parse_enter(parser *p) {
    p->nesting++;
    if (p->nesting <= PARSE_NESTING_MAX) return true;
    parse_fail_at(p, p->t[0].at, "too deeply nested: more than 256 levels; split it with named constants or functions");
    return false;
}

/* -- recovery */

bool parse_at_declaration(const parser *p) {
    uint8_t kind = real_kind(p);
    return ((kind == TOK_FN || kind == TOK_TASK) && p->t[1].kind == TOK_NAME) || kind == TOK_EXPORT ||
           kind == TOK_NOINLINE || (kind == TOK_EXTERN && p->t[1].kind != TOK_STRUCT && p->t[1].kind != TOK_UNION) ||
           kind == TOK_PARAM || (kind == TOK_LAYOUT && p->t[1].kind == TOK_LBRACE);
}

/* At the left margin it ends every block; elsewhere it is only in the wrong place. */
bool parse_at_top_level(const parser *p) {
    size_t begin = p->t[0].at.begin;
    return parse_at_declaration(p) && (!begin || p->lx.source.text.p[begin - 1] == '\n');
}

static bool begins_statement(const parser *p) {
    uint8_t kind = p->held;
    return parse_at_declaration(p) || kind == TOK_CONST || kind == TOK_VAR || kind == TOK_IF || kind == TOK_WHILE ||
           kind == TOK_FOR || kind == TOK_SWITCH || kind == TOK_RETURN || kind == TOK_BREAK || kind == TOK_CONTINUE ||
           kind == TOK_COMPTIME || kind == TOK_INLINE;
}

static bool stop_skipping(parser *p, bool result) {
    p->t[0].kind = p->held;
    return result;
}

bool parse_recover(parser *p, unsigned base) {
    unsigned open = p->braces; /* where the error was: more than base inside a literal, say */
    /* An error at the ';' of a line: a bracket was not closed, and the statement ends all the same. */
    if (parse_skipping(p) && p->held == TOK_SEMI && p->t[1].starts_line) p->braces = open = base;
    bool closed = false; /* a '}' just led back to base: a line may begin with any statement now */
    for (;; parse_advance(p)) {
        if (!parse_skipping(p)) start_skipping(p);
        if (p->held == TOK_END || csl_lex_stopped(&p->lx)) {
            p->held = p->t[1].kind = p->t[2].kind = TOK_END;
            return false; /* still skipping: a missing '}' would be no news */
        }
        bool declaration = parse_at_top_level(p);
        if (declaration && base) return false;
        if (declaration || (p->t[0].starts_line && p->braces <= open && begins_statement(p))) {
            p->braces = base; /* a '}' was missing, or braces == base */
            return stop_skipping(p, true);
        }
        if (p->braces > base) {
            closed = p->held == TOK_RBRACE && p->braces == base + 1;
            continue;
        }
        if (p->held == TOK_RBRACE && base) return stop_skipping(p, false);
        bool statement = p->held == TOK_NAME || p->held == TOK_BUILTIN || p->held == TOK_LBRACE;
        if (closed && p->t[0].starts_line && statement) return stop_skipping(p, true);
        closed = false;
        if (p->held != TOK_SEMI) continue;
        parse_advance(p);
        return true;
    }
}

/* -- nodes */

csl_node *parse_node(parser *p, csl_kind kind) {
    csl_node *n = arena_push(p->a, csl_node);
    if (!n) {
        csl_lex_oom(&p->lx);
        n = &p->sink;
        memset(n, 0, sizeof *n);
    }
    n->kind = (uint8_t)kind;
    n->at = (span){p->t[0].at.begin, p->t[0].at.end};
    return n;
}

csl_node *parse_node_from(parser *p, csl_kind kind, const csl_node *from) {
    size_t begin = from->at.begin;
    csl_node *n = parse_node(p, kind);
    n->at.begin = begin;
    return n;
}

static unsigned list_height(const csl_node *n) {
    unsigned height = 0;
    for (; n; n = n->next)
        if (n->height > height) height = n->height;
    return height;
}

/* Every child belongs to one parent, so all the walks over lists together are linear. */
csl_node *parse_finish(parser *p, csl_node *n) {
    if (p->lx.oom) return n; /* the sink may be its own child */
    if (p->last_end > n->at.begin) n->at.end = p->last_end;
    const csl_node *const children[] = {n->a, n->b, n->c, n->d, n->e, n->align};
    unsigned height = 0;
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        unsigned h = list_height(children[i]);
        if (h > height) height = h;
    }
    n->height = (uint16_t)(height + 1);
    if (n->height > CSL_TREE_HEIGHT_MAX) {
        parse_fail_at(p, n->at,
                      "too deeply nested: a chain of more than 1000 operations; split it with named constants");
        n->height = CSL_TREE_HEIGHT_MAX; /* so that its parents fit the field */
    }
    return n;
}
