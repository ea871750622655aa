/* A stretch of plain text, as the merges want it: NFC where the model was trained so, the leading space, U+2581 for
 * spaces. */
#include "llm/tok_internal.h"
#include <stdlib.h>
#include <utf8proc.h>

/* utf8proc sorts a run of combining marks by exchanging neighbours; a longer run than this is left as it is, which
 * keeps hostile text from costing the square of its length. Real text has a handful (Unicode's stream-safe format
 * allows 30). */
enum { MARKS_MAX = 128 };

/* Or bytes that are not UTF-8. */
static bool too_many_marks(str s) {
    size_t run = 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        size_t n = utf8_decode(s, i, &c);
        if (!n)
            return true;
        run = utf8proc_get_property((utf8proc_int32_t)c)->combining_class ? run + 1 : 0;
        if (run > MARKS_MAX)
            return true;
        i += n;
    }
    return false;
}

static void add_nfc_segment(str s, strbuf *out) {
    if (too_many_marks(s)) {
        strbuf_add(out, s.p, s.n);
        return;
    }
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &composed,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n >= 0)
        strbuf_add(out, composed, (size_t)n);
    else
        out->oom = true; /* the text is valid, so memory is all that can fail */
    free(composed);      /* utf8proc's own memory */
}

/* An ASCII character never joins with what stands before it, so the text may be cut there; one that stands alone
 * stays. */
static void add_nfc(str s, strbuf *out) {
    for (size_t begin = 0, end; begin < s.n; begin = end) {
        for (end = begin + 1; end < s.n && (signed char)s.p[end] < 0;)
            end++;
        if ((signed char)s.p[begin] >= 0 && end == begin + 1)
            strbuf_addc(out, s.p[begin]);
        else
            add_nfc_segment((str){s.p + begin, end - begin}, out);
    }
}

static void add_escaped(str s, strbuf *out) {
    for (size_t i = 0, run; i < s.n; i += run) {
        const char *space = memchr(s.p + i, ' ', s.n - i);
        run = space ? (size_t)(space - s.p) - i : s.n - i;
        strbuf_add(out, s.p + i, run);
        if (space)
            strbuf_adds(out, UTF8_SPACE), run++;
    }
}

static bool wants_prefix(const llm_vocab *v, str s, bool first, bool after_special) {
    if (v->kind == VOCAB_BPE)
        return v->byte_level_prefix && s.p[0] != ' ';
    if (!v->add_space_prefix || !after_special || (v->prefix_first_only && !first))
        return false;
    return !v->prefix_unless_space || !(s.p[0] == ' ' || str_starts(s, STR(UTF8_SPACE)));
}

bool text_prepare(encoder *e, str stretch, bool first, bool after_special) {
    const llm_vocab *v = e->t->v;
    bool escape = v->kind == VOCAB_SPM, prefix = wants_prefix(v, stretch, first, after_special);
    strbuf composed = {0};
    if (v->normalize_nfc) {
        add_nfc(stretch, &composed);
        stretch = strbuf_str(&composed);
    }
    strbuf_clear(&e->text);
    if (prefix)
        strbuf_adds(&e->text, escape ? UTF8_SPACE : " ");
    if (escape)
        add_escaped(stretch, &e->text);
    else
        strbuf_add(&e->text, stretch.p, stretch.n);
    bool ok = !e->text.oom && !composed.oom;
    strbuf_free(&composed);
    return ok;
}
