/* Cutting a stretch into pieces with the model's pre-tokenizer patterns (PCRE2, with its just-in-time compiler).
 *
 * Passes in order; each sees a piece of the pass before as a text of its own, so nothing is looked at across a cut.
 * Patterns meet valid UTF-8 only: bytes that are not become pieces by themselves first. The patterns come from files
 * and the text from anybody, so every match has limits on steps, depth and memory; exceeding one is an error, never
 * a wrong cut.
 *
 * The models' patterns are written for Oniguruma or Rust. Two of their meanings differ in PCRE2 and are translated:
 * \s is Unicode White_Space (PCRE2 adds U+180E, which Mongolian uses inside words), and `$` ends a line. What PCRE2
 * would read as something else without telling (set intersection, \h) is refused.
 */
#include "llm/tok_internal.h"

enum {
    MATCH_STEPS_MAX = 50000000,
    MATCH_DEPTH_MAX = 100000,
    MATCH_HEAP_KIB_MAX = 65536,
    JIT_STACK_BYTES_MAX = 1 << 20
};

static void *pcre_alloc(size_t bytes, void *unused) {
    (void)unused;
    return mem_alloc(bytes);
}

static void pcre_free(void *p, void *unused) {
    (void)unused;
    mem_free(p);
}

/* ---- compiling ---- */

#define WHITE "\\t-\\r\\x{85}\\p{Z}"

/* Appends the escape at p[0] == '\\' in PCRE2's terms; returns false for one that means something else there. */
static bool translate_escape(char c, bool in_class, strbuf *out) {
    if (c == 'h' || c == 'H')
        return false;
    if (c == 's')
        strbuf_adds(out, in_class ? WHITE : "[" WHITE "]");
    else if (c == 'S' && !in_class)
        strbuf_adds(out, "[^" WHITE "]");
    else
        strbuf_addc(out, '\\'), strbuf_addc(out, c);
    return true;
}

/* What a class begins with besides '[': '^', and a ']' that is then literal. */
static size_t class_opening(str p, size_t at) {
    size_t n = 1;
    if (at + n < p.n && p.p[at + n] == '^')
        n++;
    if (at + n < p.n && p.p[at + n] == ']')
        n++;
    return n;
}

static bool translate(str p, strbuf *out) {
    bool in_class = false;
    for (size_t i = 0, n; i < p.n; i += n) {
        char c = p.p[i], after = i + 1 < p.n ? p.p[i + 1] : 0;
        n = c == '\\' ? 2 : 1;
        if (c == '\\') {
            if (!after || !translate_escape(after, in_class, out))
                return false;
            continue;
        }
        if (in_class && (c == '[' || (c == '&' && after == '&')))
            return false; /* nested classes, intersections */
        if (c == '[')
            n = class_opening(p, i), in_class = true;
        else if (c == ']')
            in_class = false;
        strbuf_add(out, p.p + i, n);
    }
    return true;
}

static pcre2_code *compile(tokenizer *t, str pattern, pcre2_compile_context *context, diag *d) {
    strbuf text = {0};
    pcre2_code *code = NULL;
    int error = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR why[200] = "it uses an operator that PCRE2 reads differently";
    if (!translate(pattern, &text))
        error = 1;
    else if (text.oom)
        diag_oom(d, "pre-tokenizer");
    else {
        code = pcre2_compile((PCRE2_SPTR)text.data, text.len,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
        if (!code)
            pcre2_get_error_message(error, why, sizeof why);
        else
            pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, matching is slower but the same */
    }
    if (!code && !text.oom)
        diag_error(d, "tokenizer '%s': cannot use the pattern '%s': %s (at %zu)", t->v->pre ? t->v->pre : "",
                   tok_show(pattern).text, (const char *)why, (size_t)at);
    strbuf_free(&text);
    return code;
}

bool split_compile(tokenizer *t, diag *d) {
    if (!t->v->rule_count)
        return true;
    t->pcre_memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    pcre2_compile_context *context = t->pcre_memory ? pcre2_compile_context_create(t->pcre_memory) : NULL;
    if (!context)
        return diag_oom(d, "pre-tokenizer");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context, 65536);
    bool ok = true;
    for (int i = 0; ok && i < t->v->rule_count; i++) {
        str pattern = t->v->rules[i].pattern;
        ok = pattern.n ? (t->rules[i] = compile(t, pattern, context, d)) != NULL
                       : diag_error(d, "tokenizer: pre-tokenizer pattern %d is empty", i);
    }
    pcre2_compile_context_free(context);
    return ok;
}

void split_free(tokenizer *t) {
    for (int i = 0; i < PRE_RULES_MAX; i++)
        pcre2_code_free(t->rules[i]);
    pcre2_general_context_free(t->pcre_memory);
}

/* ---- matching ---- */

bool split_begin(encoder *e) {
    if (!e->t->v->rule_count)
        return true;
    e->match = pcre2_match_data_create(1, e->t->pcre_memory);
    e->limits = pcre2_match_context_create(e->t->pcre_memory);
    e->stack = pcre2_jit_stack_create(32768, JIT_STACK_BYTES_MAX, e->t->pcre_memory);
    if (!e->match || !e->limits)
        return false;
    pcre2_set_match_limit(e->limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(e->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(e->limits, MATCH_HEAP_KIB_MAX);
    if (e->stack)
        pcre2_jit_stack_assign(e->limits, NULL, e->stack);
    return true;
}

void split_end(encoder *e) {
    pcre2_match_data_free(e->match);
    pcre2_match_context_free(e->limits);
    pcre2_jit_stack_free(e->stack);
}

bool tok_piece_push(piece_list *l, size_t begin, size_t end) {
    if (begin == end)
        return true;
    if (!tok_grow((void **)&l->items, &l->cap, l->count + 1, sizeof *l->items))
        return false;
    l->items[l->count++] = (piece){(uint32_t)begin, (uint32_t)end};
    return true;
}

/* One pass over one piece: what it is cut into goes to e->next. */
static bool cut_piece(encoder *e, int rule, str text, piece p) {
    const pre_rule *r = &e->t->v->rules[rule];
    size_t at = 0, n = p.end - p.begin;
    while (at < n) {
        int rc = pcre2_match(e->t->rules[rule], (PCRE2_SPTR)text.p + p.begin, n, at,
                             PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, e->match, e->limits);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0)
            return diag_error(e->d, "tokenizer '%s': the text is too hard for the pattern '%s' (PCRE2 error %d)",
                              e->t->v->pre ? e->t->v->pre : "", tok_show(r->pattern).text, rc);
        const PCRE2_SIZE *m = pcre2_get_ovector_pointer(e->match);
        if (m[0] < at || m[1] <= m[0])
            return diag_error(e->d, "tokenizer: a pattern's \\K moves its match; remove it");
        bool ok = (r->drop_gaps || tok_piece_push(&e->next, p.begin + at, p.begin + m[0])) &&
                  (!r->isolate || tok_piece_push(&e->next, p.begin + m[0], p.begin + m[1]));
        if (!ok)
            return diag_oom(e->d, "pieces of text");
        at = m[1];
    }
    return r->drop_gaps || tok_piece_push(&e->next, p.begin + at, p.end) || diag_oom(e->d, "pieces of text");
}

/* All passes over the valid text in [begin, end). The pieces of passes done are in e->pieces from `base` on. */
static bool cut_run(encoder *e, str text, size_t begin, size_t end) {
    size_t base = e->pieces.count;
    if (!tok_piece_push(&e->pieces, begin, end))
        return diag_oom(e->d, "pieces of text");
    for (int rule = 0; rule < e->t->v->rule_count; rule++) {
        e->next.count = 0;
        for (size_t i = base; i < e->pieces.count; i++)
            if (!cut_piece(e, rule, text, e->pieces.items[i]))
                return false;
        e->pieces.count = base;
        for (size_t i = 0; i < e->next.count; i++)
            if (!tok_piece_push(&e->pieces, e->next.items[i].begin, e->next.items[i].end))
                return diag_oom(e->d, "pieces of text");
    }
    return true;
}

bool split_pieces(encoder *e, str text) {
    e->pieces.count = 0;
    if (!e->t->v->rule_count)
        return tok_piece_push(&e->pieces, 0, text.n) || diag_oom(e->d, "pieces of text");
    for (size_t at = 0; at < text.n;) {
        size_t begin = at, n = 0;
        uint32_t code_point;
        while (at < text.n && (n = utf8_decode(text, at, &code_point)))
            at += n;
        if (at > begin && !cut_run(e, text, begin, at))
            return false;
        if (at < text.n && !tok_piece_push(&e->pieces, at, at + 1))
            return diag_oom(e->d, "pieces of text");
        at += at < text.n;
    }
    return true;
}
