/* The tokens of CSL. The lexer hands out one token at a time and never fails: what it cannot read it tells and skips.
 *
 *     csl_lexer lx = {.source = {name, text}, .a = arena, .d = d};
 *     for (csl_token t; (t = csl_lex_next(&lx)).kind != TOK_END;) ...
 *
 * A token is a kind and a span; values (numbers, bytes of strings) are made when asked for, so that a token which the
 * parser skips after an error is never judged. The lexer also counts the errors of a file: after CSL_ERRORS_MAX it
 * gives TOK_END for ever, which ends every loop above it.
 */
#ifndef INGOT_CSL_LEX_H
#define INGOT_CSL_LEX_H

#include "base/arena.h"
#include "base/diag.h"

/*  T(kind, text in messages)  K(kind, keyword)  P(kind, punctuation; longer ones first) */
/* clang-format off */
#define CSL_TOKENS(T, K, P) \
    T(END, "the end of the file") \
    T(SKIPPING, "") /* stands for the current token while the parser looks for a place to go on */ \
    T(NAME, "a name") T(BUILTIN, "a builtin") T(INT, "an integer") T(FLOAT, "a float") T(STRING, "a string") \
    T(CHAR, "a character") \
    K(CONST, "const") K(VAR, "var") K(PARAM, "param") K(FN, "fn") K(TASK, "task") K(COMPTIME, "comptime") \
    K(LAYOUT, "layout") K(EXPORT, "export") K(EXTERN, "extern") K(STRUCT, "struct") K(ENUM, "enum") \
    K(UNION, "union") K(PACKED, "packed") K(INLINE, "inline") K(NOINLINE, "noinline") K(IF, "if") K(ELSE, "else") \
    K(WHILE, "while") K(FOR, "for") K(SWITCH, "switch") K(RETURN, "return") K(BREAK, "break") \
    K(CONTINUE, "continue") K(AND, "and") K(OR, "or") K(TRUE, "true") K(FALSE, "false") K(UNDEFINED, "undefined") \
    K(UNREACHABLE, "unreachable") K(ASM, "asm") K(VOLATILE, "volatile") K(ALIGN, "align") \
    K(LINKSECTION, "linksection") K(LINKNAME, "linkname") K(ANYTYPE, "anytype") \
    P(SHL_SET, "<<=") P(SHR_SET, ">>=") \
    P(ADD_SET, "+=") P(SUB_SET, "-=") P(MUL_SET, "*=") P(DIV_SET, "/=") P(MOD_SET, "%=") P(AND_SET, "&=") \
    P(OR_SET, "|=") P(XOR_SET, "^=") P(FAT_ARROW, "=>") P(ARROW, "->") P(EQ, "==") P(NE, "!=") P(LE, "<=") \
    P(GE, ">=") P(SHL, "<<") P(SHR, ">>") P(AND_AND, "&&") P(OR_OR, "||") /* foreign: told, then read as and, or */ \
    P(PLUS, "+") P(MINUS, "-") P(STAR, "*") P(SLASH, "/") P(PERCENT, "%") P(AMP, "&") P(PIPE, "|") P(CARET, "^") \
    P(TILDE, "~") P(BANG, "!") P(LT, "<") P(GT, ">") P(SET, "=") P(LPAREN, "(") P(RPAREN, ")") P(LBRACE, "{") \
    P(RBRACE, "}") P(LBRACKET, "[") P(RBRACKET, "]") P(COMMA, ",") P(SEMI, ";") P(COLON, ":") P(DOT, ".")
/* clang-format on */

#define CSL_TOKEN_KIND(kind, text) TOK_##kind,
typedef enum { CSL_TOKENS(CSL_TOKEN_KIND, CSL_TOKEN_KIND, CSL_TOKEN_KIND) TOK_KINDS } csl_token_kind;
#undef CSL_TOKEN_KIND

enum { CSL_ERRORS_MAX = 20 }; /* a file; then reading stops */

typedef struct {
    uint8_t kind;     /* csl_token_kind */
    bool starts_line; /* nothing but blanks before it on its line */
    span at;
} csl_token;

typedef struct {
    diag_source source;
    arena *a; /* for the bytes of strings */
    diag *d;
    size_t at;       /* the next byte */
    unsigned errors; /* told so far in this file */
    bool oom;
} csl_lexer;

csl_token csl_lex_next(csl_lexer *lx);
bool csl_lex_stopped(const csl_lexer *lx); /* out of memory, or too many errors */

/* Values. Malformed ones are told; the value is then some harmless one. */
unsigned __int128 csl_lex_integer(csl_lexer *lx, csl_token t, bool *too_big); /* too_big: more than 127 bits */
double csl_lex_float(csl_lexer *lx, csl_token t);
str csl_lex_string(csl_lexer *lx, csl_token t);
uint32_t csl_lex_char(csl_lexer *lx, csl_token t); /* a code point, or the byte of \xHH */

str csl_token_source(const csl_lexer *lx, csl_token t);                            /* as written */
const char *csl_token_text(csl_token_kind kind);                                   /* "const", "{", "a name" */
bool csl_token_is_word(csl_token_kind kind);                                       /* a name or a keyword */
void csl_token_describe(const csl_lexer *lx, csl_token t, char *out, size_t size); /* "'fn'", "the name 'x'" */

void csl_lex_error(csl_lexer *lx, span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void csl_lex_note(csl_lexer *lx, span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void csl_lex_oom(csl_lexer *lx);

#endif
