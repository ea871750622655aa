/* Tokens by longest match over the table in lex.h. Comments and blanks vanish here; nothing else is thrown away unseen.
 */
#include "csl/lex.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const char *text;
    uint8_t kind, length;
} spelling;

#define NO_ROW(kind, text)
#define ROW(kind, text) {text, TOK_##kind, sizeof(text) - 1},
static const spelling keywords[] = {CSL_TOKENS(NO_ROW, ROW, NO_ROW)};
static const spelling punctuation[] = {CSL_TOKENS(NO_ROW, NO_ROW, ROW)};
#undef ROW
#define ROW(kind, text) [TOK_##kind] = (text),
static const char *const token_texts[TOK_KINDS] = {CSL_TOKENS(ROW, ROW, ROW)};
#undef ROW
#undef NO_ROW

enum { KEYWORDS = sizeof keywords / sizeof *keywords, PUNCTUATION = sizeof punctuation / sizeof *punctuation };

const char *csl_token_text(csl_token_kind kind) { return token_texts[kind]; }
bool csl_token_is_word(csl_token_kind kind) { return kind == TOK_NAME || (kind >= TOK_CONST && kind <= TOK_ANYTYPE); }

str csl_token_source(const csl_lexer *lx, csl_token t) {
    return (str){lx->source.text.p + t.at.begin, t.at.end - t.at.begin};
}

void csl_token_describe(const csl_lexer *lx, csl_token t, char *out, size_t size) {
    static const char *const nouns[TOK_KINDS] = {
        [TOK_NAME] = "the name ", [TOK_INT] = "the integer ", [TOK_FLOAT] = "the float "};
    str s = csl_token_source(lx, t);
    int shown = s.n > 40 ? 40 : (int)s.n;
    if (t.kind == TOK_END || t.kind == TOK_STRING || t.kind == TOK_CHAR) snprintf(out, size, "%s", token_texts[t.kind]);
    else snprintf(out, size, "%s'%.*s%s'", nouns[t.kind] ? nouns[t.kind] : "", shown, s.p, s.n > 40 ? "..." : "");
}

/* -- errors */

bool csl_lex_stopped(const csl_lexer *lx) { return lx->oom || lx->errors >= CSL_ERRORS_MAX; }

void csl_lex_oom(csl_lexer *lx) {
    if (!lx->oom) diag_oom(lx->d, lx->source.name);
    lx->oom = true;
}

void csl_lex_error(csl_lexer *lx, span at, const char *fmt, ...) {
    if (csl_lex_stopped(lx)) return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_at(lx->d, DIAG_ERROR, &lx->source, at, "%s", text);
    if (++lx->errors == CSL_ERRORS_MAX)
        diag_at(lx->d, DIAG_NOTE, &lx->source, at, "the rest of the file is not read after %d errors", CSL_ERRORS_MAX);
}

void csl_lex_note(csl_lexer *lx, span at, const char *fmt, ...) {
    if (csl_lex_stopped(lx)) return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_at(lx->d, DIAG_NOTE, &lx->source, at, "%s", text);
}

/* -- characters */

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_word_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word(int c) { return is_word_start(c) || is_digit(c); }
static bool is_blank(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The byte at lx->at + ahead, -1 beyond the end. */
static int peek(const csl_lexer *lx, size_t ahead) {
    size_t left = lx->source.text.n - lx->at;
    return ahead < left ? (unsigned char)lx->source.text.p[lx->at + ahead] : -1;
}

static int digit_value(int c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* -- what lies between tokens */

static void skip_block_comment(csl_lexer *lx) {
    span at = {lx->at, lx->at + 2};
    for (lx->at += 2; peek(lx, 0) >= 0 && !(peek(lx, 0) == '*' && peek(lx, 1) == '/');) lx->at++;
    if (peek(lx, 0) >= 0) lx->at += 2;
    csl_lex_error(lx, at, "CSL has no block comments: begin every line with '//'");
}

/* True when a line ended. */
static bool skip_blanks(csl_lexer *lx) {
    bool line = lx->at == 0;
    if (line && str_starts(lx->source.text, STR("\xEF\xBB\xBF"))) lx->at = 3; /* a byte order mark */
    for (;;) {
        int c = peek(lx, 0);
        if (is_blank(c)) {
            line |= c == '\n';
            lx->at++;
        } else if (c == '/' && peek(lx, 1) == '/') {
            while (peek(lx, 0) >= 0 && peek(lx, 0) != '\n') lx->at++;
        } else if (c == '/' && peek(lx, 1) == '*') skip_block_comment(lx);
        else return line;
    }
}

/* -- tokens; each function moves lx->at behind its token */

static uint8_t lex_word(csl_lexer *lx) {
    const char *p = lx->source.text.p + lx->at;
    size_t n = 0;
    while (is_word(peek(lx, n))) n++;
    lx->at += n;
    for (size_t i = 0; i < KEYWORDS; i++)
        if (keywords[i].length == n && !memcmp(keywords[i].text, p, n)) return keywords[i].kind;
    return TOK_NAME;
}

/* Takes every letter and digit that follows, so that "12abc" is one bad number and not two tokens. */
static uint8_t lex_number(csl_lexer *lx) {
    bool based = peek(lx, 0) == '0' && (peek(lx, 1) == 'x' || peek(lx, 1) == 'b' || peek(lx, 1) == 'o');
    bool is_float = false;
    for (;; lx->at++) {
        int c = peek(lx, 0);
        if (!based && (c == 'e' || c == 'E')) {
            is_float = true;
            if ((peek(lx, 1) == '+' || peek(lx, 1) == '-') && is_digit(peek(lx, 2))) lx->at++;
        } else if (!based && c == '.' && is_digit(peek(lx, 1))) is_float = true;
        else if (!is_word(c)) return is_float ? TOK_FLOAT : TOK_INT;
    }
}

/* To the closing quote, or the end of the line when there is none. */
static uint8_t lex_quoted(csl_lexer *lx, int quote) {
    size_t begin = lx->at++;
    for (;; lx->at++) {
        int c = peek(lx, 0);
        if (c < 0 || c == '\n') {
            csl_lex_error(lx, (span){begin, lx->at}, "%s without a closing %c on its line",
                          quote == '"' ? "string" : "character", quote);
            /* what ends the statement was most likely not meant to be text */
            while (lx->at > begin + 1 && strchr("; \t\r),}", lx->source.text.p[lx->at - 1])) lx->at--;
            break;
        }
        if (c == '\\' && peek(lx, 1) >= 0 && peek(lx, 1) != '\n') lx->at++;
        else if (c == quote) {
            lx->at++;
            break;
        }
    }
    return quote == '"' ? TOK_STRING : TOK_CHAR;
}

static bool lex_punctuation(csl_lexer *lx, uint8_t *kind) {
    const char *p = lx->source.text.p + lx->at;
    size_t left = lx->source.text.n - lx->at;
    for (size_t i = 0; i < PUNCTUATION; i++) {
        const spelling *s = &punctuation[i];
        if (s->length > left || memcmp(s->text, p, s->length) != 0) continue;
        lx->at += s->length;
        *kind = s->kind;
        return true;
    }
    return false;
}

static bool begins_token(int c) {
    return c < 0 || is_blank(c) || is_word(c) || (c < 128 && c != 0 && strchr("\"'@+-*/%&|^~!<>=(){}[],;:.", c));
}

/* One message for a run of bytes that mean nothing. */
static void skip_strange(csl_lexer *lx) {
    span at = {lx->at, lx->at};
    int c = peek(lx, 0);
    do lx->at++;
    while (!begins_token(peek(lx, 0)));
    at.end = lx->at;
    if (c == '@') csl_lex_error(lx, at, "'@' must be followed at once by the name of a builtin");
    else if (c >= 0x20 && c < 0x7f) csl_lex_error(lx, at, "the character '%c' has no meaning in CSL", c);
    else csl_lex_error(lx, at, "the byte 0x%02x has no meaning outside strings and comments", (unsigned)c);
}

csl_token csl_lex_next(csl_lexer *lx) {
    csl_token t = {0};
    for (;;) {
        if (skip_blanks(lx)) t.starts_line = true;
        if (csl_lex_stopped(lx)) lx->at = lx->source.text.n;
        t.at.begin = lx->at;
        int c = peek(lx, 0);
        if (c < 0) t.kind = TOK_END;
        else if (is_word_start(c)) t.kind = lex_word(lx);
        else if (is_digit(c)) t.kind = lex_number(lx);
        else if (c == '"' || c == '\'') t.kind = lex_quoted(lx, c);
        else if (c == '@' && is_word_start(peek(lx, 1))) {
            lx->at++;
            lex_word(lx);
            t.kind = TOK_BUILTIN;
        } else if (!lex_punctuation(lx, &t.kind)) {
            skip_strange(lx);
            continue;
        }
        t.at.end = lx->at;
        return t;
    }
}

/* -- values */

/* Digits of one base with single underscores between them. */
static bool digits_ok(str s, int base) {
    for (size_t i = 0; i < s.n; i++) {
        bool inside = i > 0 && i + 1 < s.n && s.p[i - 1] != '_';
        if (s.p[i] == '_' ? !inside : digit_value(s.p[i]) >= base) return false;
    }
    return s.n > 0;
}

unsigned __int128 csl_lex_integer(csl_lexer *lx, csl_token t, bool *too_big) {
    const unsigned __int128 limit = ((unsigned __int128)1 << 127) - 1;
    str s = csl_token_source(lx, t);
    char mark = s.n > 1 && s.p[0] == '0' ? s.p[1] : 0;
    int base = mark == 'x' ? 16 : mark == 'b' ? 2 : mark == 'o' ? 8 : 10;
    if (base != 10) s = (str){s.p + 2, s.n - 2};
    unsigned __int128 v = 0;
    *too_big = false;
    if (!digits_ok(s, base)) {
        csl_lex_error(lx, t.at, "malformed number: %s digits with single '_' between them are expected%s",
                      base == 16  ? "hexadecimal"
                      : base == 8 ? "octal"
                      : base == 2 ? "binary"
                                  : "decimal",
                      base == 10 ? "; other bases begin with 0x, 0b or 0o" : "");
        return 0;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') continue;
        unsigned digit = (unsigned)digit_value(s.p[i]);
        if (v > (limit - digit) / (unsigned)base) {
            *too_big = true;
            return limit;
        }
        v = v * (unsigned)base + digit;
    }
    return v;
}

/* digits [. digits] [e [+-] digits] */
static bool float_ok(str s) {
    size_t exponent = 0, dot = 0;
    while (exponent < s.n && s.p[exponent] != 'e' && s.p[exponent] != 'E') exponent++;
    while (dot < exponent && s.p[dot] != '.') dot++;
    if (!digits_ok((str){s.p, dot}, 10)) return false;
    if (dot < exponent && !digits_ok((str){s.p + dot + 1, exponent - dot - 1}, 10)) return false;
    if (exponent == s.n) return true;
    size_t digits = exponent + 1;
    if (digits < s.n && (s.p[digits] == '+' || s.p[digits] == '-')) digits++;
    return digits_ok((str){s.p + digits, s.n - digits}, 10);
}

double csl_lex_float(csl_lexer *lx, csl_token t) {
    str s = csl_token_source(lx, t);
    if (!float_ok(s)) {
        csl_lex_error(lx, t.at, "malformed float: write it as 1.5, 1.0e-3 or 2e10");
        return 0;
    }
    char *text = arena_alloc(lx->a, s.n + 1), *out = text;
    if (!text) return csl_lex_oom(lx), 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_') *out++ = s.p[i];
    double v = strtod(text, NULL);
    if (v > 1.7976931348623157e308) csl_lex_error(lx, t.at, "float beyond the range of a double (about 1.8e308)");
    return v;
}

/* The byte that the escape behind s.p[*i] (a backslash) means; *i moves behind it. */
static char unescape(csl_lexer *lx, str s, size_t begin, size_t *i) {
    static const char from[] = "ntr\\\"'", to[] = "\n\t\r\\\"'";
    size_t at = (*i)++;
    char c = *i < s.n ? s.p[(*i)++] : 0;
    const char *found = c ? strchr(from, c) : NULL;
    if (found) return to[found - from];
    if (c == 'x' && *i + 2 <= s.n && digit_value(s.p[*i]) < 16 && digit_value(s.p[*i + 1]) < 16) {
        *i += 2;
        return (char)(digit_value(s.p[*i - 2]) * 16 + digit_value(s.p[*i - 1]));
    }
    csl_lex_error(lx, (span){begin + at, begin + *i}, "unknown escape: use \\n \\t \\r \\\\ \\\" \\' or \\xHH");
    return '?';
}

/* What stands between the quotes; a missing closing quote was told by the lexer. */
static str quoted(const csl_lexer *lx, csl_token t) {
    str s = csl_token_source(lx, t);
    char quote = *s.p;
    s = (str){s.p + 1, s.n - 1};
    if (s.n && s.p[s.n - 1] == quote) s.n--;
    return s;
}

str csl_lex_string(csl_lexer *lx, csl_token t) {
    str s = quoted(lx, t);
    if (!s.n || !memchr(s.p, '\\', s.n)) return s;
    char *out = arena_alloc(lx->a, s.n);
    if (!out) return csl_lex_oom(lx), STR("");
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '\\') out[n++] = unescape(lx, s, t.at.begin + 1, &i);
        else out[n++] = s.p[i++];
    }
    return (str){out, n};
}

uint32_t csl_lex_char(csl_lexer *lx, csl_token t) {
    str s = quoted(lx, t);
    uint32_t c = 0;
    size_t n = 0;
    if (s.n && s.p[0] == '\\') c = (unsigned char)unescape(lx, s, t.at.begin + 1, &n);
    else n = utf8_decode(s, 0, &c);
    if (!s.n || n != s.n) csl_lex_error(lx, t.at, "a character literal holds exactly one character");
    return c;
}
