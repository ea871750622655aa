/* The top level of a file: declarations, comptime blocks, the layout block; and csl_parse, where it all begins. */
#include "csl/parse.h"

/* -- functions */

static void check_fn(parser *p, const csl_node *n) {
    if (!n->c && !(n->flags & CSL_EXTERN))
        parse_complain(p, n->name_at, "'%.*s' has no body: only 'extern' functions may be without", (int)n->name.n,
                       n->name.p);
    for (const csl_node *q = n->c && !p->lx.oom ? n->a : NULL; q; q = q->next)
        if (!q->name.n) parse_complain(p, q->at, "a parameter has a name and a type, as in 'x: u16'");
}

static csl_node *return_type(parser *p, const csl_node *fn) {
    if (!parse_at(p, TOK_LBRACE) && !parse_at(p, TOK_SEMI)) return parse_type(p);
    parse_complain(p, p->t[0].at, "'%.*s' has no return type: write 'void' when it gives no value", (int)fn->name.n,
                   fn->name.p);
    return NULL;
}

static csl_node *function(parser *p, csl_node *n) {
    n->kind = CSL_FN;
    if (parse_at(p, TOK_TASK)) n->flags |= CSL_TASK;
    parse_advance(p);
    n->name = parse_name(p, "the name of a function", &n->name_at);
    parse_fn_params(p, &n->a);
    parse_attributes(p, n, &n->d, &n->e);
    n->b = return_type(p, n);
    parse_attributes(p, n, &n->d, &n->e);
    if (parse_at(p, TOK_LBRACE)) n->c = parse_block(p, STR(""), (span){0, 0});
    else parse_semicolon(p, "a function without a body");
    check_fn(p, n);
    return parse_finish(p, n);
}

/* -- the other declarations */

/* color NAME [= expr]; as in old programs: const NAME: color = expr; */
static csl_node *legacy_color(parser *p) {
    csl_node *n = parse_node(p, CSL_VAR);
    n->a = parse_node(p, CSL_NAME);
    n->a->name = csl_token_source(&p->lx, p->t[0]);
    n->a->name_at = p->t[0].at;
    parse_advance(p);
    parse_finish(p, n->a);
    n->name = parse_name(p, "the name of a color", &n->name_at);
    if (parse_take(p, TOK_SET)) n->b = parse_expr(p);
    parse_semicolon(p, "the declaration");
    return parse_finish(p, n);
}

static csl_node *comptime_block(parser *p) {
    csl_node *n = parse_node(p, CSL_COMPTIME_BLOCK);
    parse_advance(p);
    if (parse_at(p, TOK_LBRACE)) n->a = parse_block(p, STR(""), (span){0, 0});
    else {
        n->a = parse_expr(p);
        parse_semicolon(p, "the comptime expression");
    }
    return parse_finish(p, n);
}

static csl_node *layout_block(parser *p) {
    csl_node *n = parse_node(p, CSL_LAYOUT);
    parse_advance(p);
    n->a = parse_block(p, STR(""), (span){0, 0});
    return parse_finish(p, n);
}

/* [export | extern] [inline | noinline] and what they belong to */
csl_node *parse_declaration(parser *p) {
    if (parse_at(p, TOK_LAYOUT)) return layout_block(p);
    csl_node *n = parse_node(p, CSL_VAR);
    if (parse_take(p, TOK_EXPORT)) n->flags |= CSL_EXPORT;
    else if (parse_take(p, TOK_EXTERN)) n->flags |= CSL_EXTERN;
    if (parse_take(p, TOK_INLINE)) n->flags |= CSL_INLINE;
    else if (parse_take(p, TOK_NOINLINE)) n->flags |= CSL_NOINLINE;
    if (parse_at(p, TOK_FN) || parse_at(p, TOK_TASK)) return function(p, n);
    bool variable = parse_at(p, TOK_CONST) || parse_at(p, TOK_VAR) || parse_at(p, TOK_PARAM);
    if (n->flags & (CSL_INLINE | CSL_NOINLINE)) parse_fail(p, "'fn' or 'task'");
    else if (variable) return parse_variable(p, n);
    else if (n->flags) parse_fail(p, "a variable or function");
    else parse_fail(p, "a declaration (statements stand in functions, tasks, comptime and layout blocks)");
    return n;
}

static csl_node *top_level(parser *p) {
    if (parse_at(p, TOK_COMPTIME)) return comptime_block(p);
    bool color = p->t[1].kind == TOK_NAME && str_is(csl_token_source(&p->lx, p->t[0]), "color");
    return color ? legacy_color(p) : parse_declaration(p);
}

static void remember_name(parser *p, csl_node *n) {
    uint64_t first;
    bool named = (n->kind == CSL_VAR || n->kind == CSL_FN) && n->name.n;
    if (!named || p->lx.oom) return;
    if (map_get(&p->file->names, n->name, &first)) {
        csl_lex_error(&p->lx, n->name_at, "redefinition of '%.*s'", (int)n->name.n, n->name.p);
        csl_lex_note(&p->lx, ((csl_node *)(uintptr_t)first)->name_at, "the first definition is here");
    } else if (!map_put(&p->file->names, n->name, (uint64_t)(uintptr_t)n)) csl_lex_oom(&p->lx);
}

static void file(parser *p) {
    parse_list l = {&p->file->top};
    while (!parse_at(p, TOK_END)) {
        if (parse_take(p, TOK_SEMI)) continue;
        if (parse_at(p, TOK_RBRACE)) {
            parse_complain(p, p->t[0].at, "this '}' closes nothing");
            parse_advance(p);
            continue;
        }
        size_t begin = p->t[0].at.begin;
        csl_node *n = top_level(p);
        parse_append(&l, n);
        remember_name(p, n);
        if (!parse_skipping(p)) continue;
        if (p->t[0].at.begin == begin) parse_advance(p);
        if (!parse_recover(p, 0)) break;
    }
}

static csl_file *new_file(arena *a, const char *name, str text) {
    csl_file *f = arena_push(a, csl_file);
    char *own_name = arena_strdup(a, name), *own_text = arena_strndup(a, text.p, text.n);
    if (!f || !own_name || !own_text) return NULL;
    f->source = (diag_source){own_name, {own_text, text.n}};
    return f;
}

csl_file *csl_parse(arena *a, const char *name, str text, diag *d) {
    if (text.n > PARSE_BYTES_MAX) {
        diag_error(d, "%s: a CSL file of %zu bytes; at most %d are read", name, text.n, PARSE_BYTES_MAX);
        return NULL;
    }
    parser p = {.a = a, .file = new_file(a, name, text)};
    if (!p.file) {
        diag_oom(d, name);
        return NULL;
    }
    p.lx = (csl_lexer){.source = p.file->source, .a = a, .d = d};
    for (int i = 0; i < 3; i++) p.t[i] = csl_lex_next(&p.lx);
    file(&p);
    if (!p.lx.oom && !p.lx.errors) return p.file;
    map_free(&p.file->names);
    return NULL;
}
