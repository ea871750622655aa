/* Source to tokens. What stands between tags is data; whitespace around tags goes as jinja2 does it with trim_blocks (a
 * newline right after a block or comment goes) and lstrip_blocks (spaces before a block that starts its line go),
 * unless
 * "-" takes all whitespace or "+" keeps it. */
#include "llm/jinja_internal.h"
#include <stdlib.h>

enum { BRACKETS_MAX = 256 };

typedef struct {
    jinja_state *j;
    str src;
    size_t at;
    jinja_token *tokens;
    size_t count, cap;
    char closing[BRACKETS_MAX];   /* of the brackets that are open */
    size_t open;
    bool line_starting;           /* the tag before ended a line */
} lexer;

static bool fail_at(lexer *x, size_t begin, size_t end, const char *message) {
    x->j->at = (span){begin, end};
    jinja_fail(x->j, "%s", message);
    return false;
}

static jinja_token *add(lexer *x, jinja_token_kind kind, size_t begin, size_t end) {
    if (!jinja_grow(x->j, &x->tokens, &x->cap, x->count, sizeof *x->tokens)) return NULL;
    jinja_token *t = &x->tokens[x->count++];
    *t = (jinja_token){kind, {begin, end}, {x->src.p + begin, end - begin}, {0}};
    return t;
}

static bool looking_at(const lexer *x, size_t at, const char *text) {
    return str_starts((str){x->src.p + at, x->src.n - at}, str_from(text));
}

static size_t skip_spaces(str s, size_t at) {
    uint32_t cp;
    for (size_t n; at < s.n && (n = jinja_code_point(s, at, &cp), jinja_is_space(cp)); at += n) {}
    return at;
}

/* Where a tag's closing mark, "%}" with an optional sign before it, ends; 0 when it is not here. */
static size_t tag_end(const lexer *x, size_t at, const char *mark, bool trim_newline) {
    char sign = at < x->src.n ? x->src.p[at] : 0;
    size_t body = at + (sign == '-' || (sign == '+' && trim_newline));
    if (body > x->src.n || !looking_at(x, body, mark)) return 0;
    size_t end = body + 2;
    if (sign == '-') return skip_spaces(x->src, end);
    return end + (trim_newline && sign != '+' && end < x->src.n && x->src.p[end] == '\n');
}

/* Data up to a tag that begins at `end`. */
static bool add_data(lexer *x, size_t begin, size_t end) {
    char sign = end + 2 < x->src.n ? x->src.p[end + 2] : 0;
    bool block = end + 1 < x->src.n && x->src.p[end + 1] != '{';
    str text = {x->src.p, end};
    if (sign == '-') {
        while (end > begin) { /* back over one code point of space */
            size_t back = end - 1;
            while (back > begin && ((unsigned char)text.p[back] & 0xC0) == 0x80) back--;
            uint32_t cp;
            jinja_code_point(text, back, &cp);
            if (!jinja_is_space(cp)) break;
            end = back;
        }
    } else if (sign != '+' && block) {
        size_t line = end;
        while (line > begin && text.p[line - 1] != '\n') line--;
        if ((line > begin || x->line_starting) && skip_spaces(text, line) == end) end = line;
    }
    if (end == begin) return true;
    jinja_token *t = add(x, TOKEN_DATA, begin, end);
    if (t) t->value = jinja_slice(x->j, &(jinja_string){.text = x->src}, begin, end);
    return t && !x->j->failed;
}

/* ---- inside a tag ---- */
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c) {
    return c == '_' || (unsigned char)c >= 0x80 || is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static size_t digits(const lexer *x, size_t at) {
    while (at < x->src.n &&
           (is_digit(x->src.p[at]) || (x->src.p[at] == '_' && at + 1 < x->src.n && is_digit(x->src.p[at + 1]))))
        at++;
    return at;
}

/* The end of a fraction and exponent after the whole digits; `end` itself when it is an integer. */
static size_t real_end(const lexer *x, size_t end) {
    size_t at = end;
    if (at + 1 < x->src.n && x->src.p[at] == '.' && is_digit(x->src.p[at + 1])) at = end = digits(x, at + 1);
    if (at < x->src.n && (x->src.p[at] | 32) == 'e') {
        size_t e = at + 1;
        if (e < x->src.n && (x->src.p[e] == '+' || x->src.p[e] == '-')) e++;
        if (e < x->src.n && is_digit(x->src.p[e])) end = digits(x, e);
    }
    return end;
}

static bool parse_integer(const char *text, int base, int64_t *out) {
    int64_t v = 0;
    for (; *text; text++) {
        int digit = is_digit(*text) ? *text - '0' : (*text | 32) - 'a' + 10;
        if (digit < 0 || digit >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *out = v;
    return true;
}

static bool lex_number(lexer *x) {
    size_t begin = x->at, end = digits(x, begin), whole = end;
    char second = begin + 1 < x->src.n ? x->src.p[begin + 1] | 32 : 0;
    int base = x->src.p[begin] != '0' ? 10 : second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
    if (base != 10)
        for (end = begin + 2; end < x->src.n && is_name(x->src.p[end]);) end++;
    else
        end = real_end(x, end);
    char text[512];
    size_t n = 0;
    for (size_t i = base == 10 ? begin : begin + 2; i < end && n + 1 < sizeof text; i++)
        if (x->src.p[i] != '_') text[n++] = x->src.p[i];
    text[n] = 0;
    jinja_token *t = add(x, TOKEN_LITERAL, begin, end);
    if (!t) return false;
    x->at = end;
    if (end > whole && base == 10) {
        t->value = jinja_float(strtod(text, NULL));
        return true;
    }
    t->value = jinja_int(0);
    return parse_integer(text, base, &t->value.integer) ||
           fail_at(x, begin, end, "a number that does not fit in 64 bits, or with odd digits");
}

static bool hex_escape(lexer *x, jinja_builder *b, size_t *at, size_t count) {
    uint32_t cp = 0;
    for (size_t i = 0; i < count; i++) {
        char c = *at < x->src.n ? x->src.p[*at] : 0;
        int digit = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return fail_at(x, *at, *at + 1, "an escape in a string needs more hexadecimal digits");
        cp = cp << 4 | (uint32_t)digit;
        (*at)++;
    }
    jinja_add_code_point(b, cp, false);
    return true;
}

/* After a backslash at *at - 1: Python's escapes; an unknown one stays as it is. */
static bool lex_escape(lexer *x, jinja_builder *b, size_t *at) {
    static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
    char c = x->src.p[(*at)++];
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) jinja_add(b, &to[simple - from], 1, false);
    else if (c == 'x' || c == 'u' || c == 'U') return hex_escape(x, b, at, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    else if (c >= '0' && c <= '7') {
        uint32_t cp = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < x->src.n && x->src.p[*at] >= '0' && x->src.p[*at] <= '7'; i++)
            cp = cp * 8 + (uint32_t)(x->src.p[(*at)++] - '0');
        jinja_add_code_point(b, cp, false);
    } else if (c != '\n') {
        jinja_add(b, "\\", 1, false);
        jinja_add(b, &c, 1, false);
    }
    return true;
}

static bool lex_string(lexer *x) {
    size_t begin = x->at, at = begin + 1;
    char quote = x->src.p[begin];
    jinja_builder b = {.j = x->j};
    while (at < x->src.n && x->src.p[at] != quote) {
        char c = x->src.p[at++];
        if (c == '\\' && at < x->src.n) {
            if (!lex_escape(x, &b, &at)) return false;
        } else jinja_add(&b, &c, 1, false);
    }
    if (at >= x->src.n) return fail_at(x, begin, begin + 1, "this string is not closed");
    jinja_token *t = add(x, TOKEN_LITERAL, begin, at + 1);
    if (!t) return false;
    t->value = jinja_built(&b);
    x->at = at + 1;
    return !x->j->failed;
}

static bool balance(lexer *x, char c) {
    const char *pair = strchr("(){}[]", c);
    if (!pair) return true;
    if (strchr("({[", c)) {
        if (x->open == BRACKETS_MAX) return fail_at(x, x->at, x->at + 1, "brackets nested too deeply");
        x->closing[x->open++] = pair[1];
        return true;
    }
    if (x->open && x->closing[x->open - 1] == c) return x->open--, true;
    return fail_at(x, x->at, x->at + 1, "this bracket closes nothing");
}

static bool lex_operator(lexer *x) {
    static const char *const two[] = {"==", "!=", "<=", ">=", "//", "**"};
    size_t n = strchr("+-/*%~[](){}<>=.:|,;", x->src.p[x->at]) && x->src.p[x->at] ? 1 : 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (looking_at(x, x->at, two[i])) n = 2;
    if (!n) return fail_at(x, x->at, x->at + 1, "a character that means nothing in a tag");
    if (!balance(x, x->src.p[x->at]) || !add(x, TOKEN_OPERATOR, x->at, x->at + n)) return false;
    x->at += n;
    return true;
}

static bool lex_name(lexer *x) {
    size_t begin = x->at;
    while (x->at < x->src.n && is_name(x->src.p[x->at])) x->at++;
    return add(x, TOKEN_NAME, begin, x->at);
}

/* The tokens of one tag that begins at x->at. */
static bool lex_tag(lexer *x, bool block) {
    size_t begin = x->at;
    if (!add(x, block ? TOKEN_BLOCK : TOKEN_PRINT, begin, begin + 2)) return false;
    x->at += 2;
    if (x->at < x->src.n && (x->src.p[x->at] == '-' || x->src.p[x->at] == '+')) x->at++;
    while ((x->at = skip_spaces(x->src, x->at)) < x->src.n) {
        char c = x->src.p[x->at];
        size_t end = x->open ? 0 : tag_end(x, x->at, block ? "%}" : "}}", block);
        if (end) {
            bool ok = add(x, block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, x->at, x->at + 2);
            x->at = end;
            return ok;
        }
        bool ok = is_digit(c)             ? lex_number(x)
                  : c == '"' || c == '\'' ? lex_string(x)
                  : is_name(c)            ? lex_name(x)
                                          : lex_operator(x);
        if (!ok) return false;
    }
    return fail_at(x, begin, begin + 2, block ? "this tag is not closed by '%}'" : "this tag is not closed by '}}'");
}

static bool skip_comment(lexer *x) {
    size_t begin = x->at;
    for (size_t at = begin + 2, end; at < x->src.n; at++)
        if ((end = tag_end(x, at, "#}", true))) return x->at = end, true;
    return fail_at(x, begin, begin + 2, "this comment is not closed by '#}'");
}

/* The end of "{% word %}" at `at`, or 0. */
static size_t word_tag(const lexer *x, size_t at, const char *word, bool trim_newline) {
    if (!looking_at(x, at, "{%")) return 0;
    at += 2;
    if (at < x->src.n && (x->src.p[at] == '-' || x->src.p[at] == '+')) at++;
    at = skip_spaces(x->src, at);
    if (!looking_at(x, at, word)) return 0;
    at = skip_spaces(x->src, at + strlen(word));
    size_t end = tag_end(x, at, "%}", true);
    return end && !trim_newline && x->src.p[at] == '%' ? at + 2 : end;
}

static bool lex_raw(lexer *x, size_t body) {
    size_t begin = x->at;
    x->line_starting = x->src.p[body - 1] == '\n';
    for (size_t at = body, end; at < x->src.n; at++)
        if ((end = word_tag(x, at, "endraw", true))) {
            x->at = end;
            return add_data(x, body, at);
        }
    return fail_at(x, begin, begin + 2, "this raw block is not closed by '{% endraw %}'");
}

static size_t next_tag(const lexer *x, size_t at) {
    for (; at + 1 < x->src.n; at++)
        if (x->src.p[at] == '{' && strchr("{%#", x->src.p[at + 1]) && x->src.p[at + 1]) return at;
    return x->src.n;
}

static bool lex_all(lexer *x) {
    x->line_starting = true;
    while (x->at < x->src.n) {
        size_t tag = next_tag(x, x->at);
        if (!add_data(x, x->at, tag)) return false;
        x->at = tag;
        if (tag == x->src.n) break;
        size_t raw = word_tag(x, tag, "raw", false);
        char kind = x->src.p[tag + 1];
        if (!(raw ? lex_raw(x, raw) : kind == '#' ? skip_comment(x) : lex_tag(x, kind == '%'))) return false;
        x->line_starting = x->src.p[x->at - 1] == '\n';
    }
    return add(x, TOKEN_END, x->src.n, x->src.n);
}

jinja_token *jinja_lex(jinja_state *j) {
    lexer x = {.j = j, .src = j->source.text};
    return lex_all(&x) ? x.tokens : NULL;
}
