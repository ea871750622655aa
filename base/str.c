#include "base/str.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>

bool str_contains(str haystack, str needle) {
    return !needle.n || (haystack.n && memmem(haystack.p, haystack.n, needle.p, needle.n));
}

void strbuf_free(strbuf *b) {
    mem_free(b->data);
    *b = (strbuf){0};
}

void strbuf_clear(strbuf *b) {
    b->len = 0;
    b->oom = false;
    if (b->data) b->data[0] = 0;
}

bool strbuf_reserve(strbuf *b, size_t extra) {
    size_t need;
    if (b->oom || !mem_add(b->len, extra, &need) || !mem_add(need, 1, &need)) return !(b->oom = true);
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *p = mem_resize(b->data, cap);
    if (!p) return !(b->oom = true);
    if (!b->data) p[0] = 0;
    b->data = p;
    b->cap = cap;
    return true;
}

void strbuf_add(strbuf *b, const void *p, size_t n) {
    if (!strbuf_reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void strbuf_adds(strbuf *b, const char *s) { strbuf_add(b, s, strlen(s)); }

void strbuf_addc(strbuf *b, char c) { strbuf_add(b, &c, 1); }

void strbuf_addf(strbuf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !strbuf_reserve(b, (size_t)n)) return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void strbuf_add_utf8(strbuf *b, uint32_t code_point) {
    char bytes[4];
    strbuf_add(b, bytes, utf8_encode(code_point, bytes));
}

void strbuf_add_json(strbuf *b, str text) {
    strbuf_addc(b, '"');
    for (size_t i = 0; i < text.n;) {
        uint32_t cp;
        size_t n = utf8_decode(text, i, &cp);
        if (!n) strbuf_adds(b, "\xEF\xBF\xBD"), n = 1;
        else if (cp == '"' || cp == '\\') strbuf_addc(b, '\\'), strbuf_addc(b, (char)cp);
        else if (cp == '\n') strbuf_adds(b, "\\n");
        else if (cp == '\t') strbuf_adds(b, "\\t");
        else if (cp == '\r') strbuf_adds(b, "\\r");
        else if (cp < 0x20 || cp == 0x7F) strbuf_addf(b, "\\u%04x", cp);
        else strbuf_add(b, text.p + i, n);
        i += n;
    }
    strbuf_addc(b, '"');
}

/* Bytes that a lead byte announces, 0 for a byte that cannot lead. */
static size_t utf8_length(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) return 3;
    if (lead >= 0xF0 && lead <= 0xF4) return 4;
    return 0;
}

size_t utf8_decode(str s, size_t i, uint32_t *cp) {
    if (i >= s.n) return 0;
    const unsigned char *p = (const unsigned char *)s.p + i;
    size_t n = utf8_length(p[0]);
    if (!n || s.n - i < n) return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t k = 1; k < n; k++) {
        if ((p[k] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[k] & 0x3F);
    }
    bool overlong = (n == 3 && c < 0x800) || (n == 4 && c < 0x10000);
    if (overlong || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *cp = c;
    return n;
}

size_t utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) return out[0] = (char)cp, 1;
    if (cp < 0x800) return out[0] = (char)(0xC0 | cp >> 6), out[1] = (char)(0x80 | (cp & 0x3F)), 2;
    if (cp >= 0xD800 && cp <= 0xDFFF) return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > 0x10FFFF) return 0;
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

size_t utf8_incomplete_tail(str s) {
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xC0) == 0x80) continue;
        return utf8_length(c) > back ? back : 0;
    }
    return 0;
}
