/* Strings: `str` is a view (pointer and length, not terminated, not owned); `strbuf` is a growing buffer.
 *
 * A strbuf that runs out of memory turns `oom` on and ignores further appends, so a builder checks once at the end.
 * `data` is always terminated when not NULL. All-zero is a valid empty strbuf.
 */
#ifndef INGOT_BASE_STR_H
#define INGOT_BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *p;
    size_t n;
} str;

#define STR(literal) ((str){(literal), sizeof(literal) - 1})
static inline str str_from(const char *s) { return (str){s, s ? strlen(s) : 0}; }
static inline bool str_eq(str a, str b) { return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n)); }
static inline bool str_is(str a, const char *b) { return str_eq(a, str_from(b)); }
static inline bool str_starts(str s, str prefix) { return s.n >= prefix.n && !memcmp(s.p, prefix.p, prefix.n); }
static inline bool str_ends(str s, str tail) { return s.n >= tail.n && !memcmp(s.p + s.n - tail.n, tail.p, tail.n); }
bool str_contains(str haystack, str needle);

typedef struct {
    char *data;
    size_t len, cap;
    bool oom;
} strbuf;

void strbuf_free(strbuf *b);
void strbuf_clear(strbuf *b); /* keeps the memory */
bool strbuf_reserve(strbuf *b, size_t extra);
void strbuf_add(strbuf *b, const void *p, size_t n);
void strbuf_adds(strbuf *b, const char *s);
void strbuf_addc(strbuf *b, char c);
void strbuf_addf(strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_add_utf8(strbuf *b, uint32_t code_point);
void strbuf_add_json(strbuf *b, str text); /* with quotes; invalid UTF-8 becomes U+FFFD */
static inline str strbuf_str(const strbuf *b) { return (str){b->data, b->len}; }

/* UTF-8. Decodes one code point of s at i: returns its length 1..4 and sets *cp, or 0 when the bytes are not valid
 * UTF-8 (overlong, surrogate, above U+10FFFF, cut short). */
size_t utf8_decode(str s, size_t i, uint32_t *cp);
size_t utf8_encode(uint32_t cp, char out[4]); /* returns 1..4, 0 for a value that is no code point */
/* How many of the last bytes of s begin a code point that is not complete yet (0..3). */
size_t utf8_incomplete_tail(str s);
#endif
