/* Token ids back to text: the bytes of one token, and the stream that never splits a character.
 *
 * Tokens are bytes and may end inside a character. The stream holds back up to three bytes of one that can still be
 * completed; what can never become a character turns into U+FFFD, one for each longest beginning of a character (as
 * Unicode recommends), so the output is valid UTF-8 and does not depend on how the bytes were spread over tokens.
 */
#include "llm/tok_internal.h"

/* A token with a character outside the alphabet is plain text (added to the vocabulary later). */
static bool is_byte_level(str token) {
    uint32_t c;
    for (size_t i = 0, n; i < token.n; i += n)
        if (!(n = utf8_decode(token, i, &c)) || byte_level_byte(c) < 0)
            return false;
    return true;
}

static void add_byte_level(str token, strbuf *out) {
    uint32_t c = 0;
    if (!is_byte_level(token))
        strbuf_add(out, token.p, token.n);
    else {
        for (size_t i = 0; i < token.n;) {
            i += utf8_decode(token, i, &c);
            strbuf_addc(out, (char)byte_level_byte(c));
        }
    }
}

static void add_unescaped(str token, strbuf *out) {
    for (size_t i = 0; i < token.n;) {
        const char *p = memmem(token.p + i, token.n - i, UTF8_SPACE, 3);
        size_t run = p ? (size_t)(p - token.p) - i : token.n - i;
        strbuf_add(out, token.p + i, run);
        if (p)
            strbuf_addc(out, ' ');
        i += run + (p ? 3 : 0);
    }
}

void tokenizer_bytes(const tokenizer *t, int32_t id, bool show_special, strbuf *out) {
    if (id < 0 || (size_t)id >= t->v->count)
        return;
    str token = t->v->tokens[id];
    uint8_t kind = t->v->kinds[id];
    bool spm = t->v->kind == VOCAB_SPM;
    if (kind == TOKEN_CONTROL || kind == TOKEN_UNKNOWN) {
        if (show_special)
            strbuf_add(out, token.p, token.n);
    } else if (kind == TOKEN_BYTE)
        strbuf_addc(out, (char)byte_token_value(token));
    else if (kind == TOKEN_UNUSED)
        return;
    else if (spm)
        add_unescaped(token, out);
    else if (kind == TOKEN_USER)
        strbuf_add(out, token.p, token.n);
    else
        add_byte_level(token, out);
}

/* Which second bytes a first byte of three or four allows (Unicode, table 3-7). */
static bool second_fits(uint8_t lead, uint8_t second) {
    uint8_t low = lead == 0xE0   ? 0xA0
                  : lead == 0xF0 ? 0x90
                                 : 0x80,
            high = lead == 0xED   ? 0x9F
                   : lead == 0xF4 ? 0x8F
                                  : 0xBF;
    return second >= low && second <= high;
}

/* Length of the character at p, or of the longest beginning of one; *whole says which. At least 1. */
static size_t character(const uint8_t *p, size_t n, bool *whole, bool *cut_short) {
    size_t want = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0, have = 1;
    *whole = *cut_short = false;
    if (!want)
        return 1;
    while (have < want && have < n && (have == 1 ? second_fits(p[0], p[1]) : (p[have] & 0xC0) == 0x80))
        have++;
    *whole = have == want;
    *cut_short = have < want && have == n;
    return have;
}

void detok_push(const tokenizer *t, detok *s, int32_t id, strbuf *out) {
    strbuf bytes = {0};
    strbuf_add(&bytes, s->held, s->held_count);
    tokenizer_bytes(t, id, s->special, &bytes);
    const uint8_t *p = (const uint8_t *)bytes.data;
    size_t at = 0, n = bytes.len;
    out->oom |= bytes.oom;
    if (n && !s->started) {
        s->started = true;
        bool shown = id >= 0 && (size_t)id < t->v->count && t->v->kinds[id] == TOKEN_CONTROL;
        at = t->v->kind == VOCAB_SPM && t->v->add_space_prefix && !shown && p[0] == ' ';
    }
    s->held_count = 0;
    while (at < n) {
        bool whole, cut_short;
        size_t len = character(p + at, n - at, &whole, &cut_short);
        if (whole)
            strbuf_add(out, p + at, len);
        else if (!cut_short)
            strbuf_add_utf8(out, 0xFFFD);
        else
            memcpy(s->held, p + at, len), s->held_count = (uint8_t)len;
        at += len;
    }
    strbuf_free(&bytes);
}

void detok_finish(detok *s, strbuf *out) {
    if (s->held_count)
        strbuf_add_utf8(out, 0xFFFD);
    s->held_count = 0;
}
