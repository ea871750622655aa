/* Text operations that filters and methods share: case, search, replacing, lines, joining. */
#include "llm/jinja_text.h"
#include <ctype.h>
#include <utf8proc.h>

/* ---- case ---- */
static void add_case(jinja_builder *b, const jinja_string *s, size_t at, size_t n, uint32_t cp, bool upper) {
    if (cp == 0xDF && upper)
        return jinja_add(b, "SS", 2, jinja_from_message(s, at)); /* the sharp s has no single capital */
    int32_t c = (int32_t)cp;
    if (cp < 0x80) c = upper ? toupper(c) : tolower(c);
    else c = upper ? utf8proc_toupper(c) : utf8proc_tolower(c);
    if (c == (int32_t)cp) jinja_add_slice(b, s, at, at + n);
    else jinja_add_code_point(b, (uint32_t)c, jinja_from_message(s, at));
}

static bool is_letter(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Is the code point after `before` the first of a word? The title filter starts words after spaces and ( { [ < -, the
 * title method after anything that has no case. */
static bool starts_word(jinja_case how, bool first, uint32_t before) {
    if (first) return true;
    if (how == CASE_TITLE_LETTERS) return !is_letter(before);
    return how == CASE_TITLE_WORDS &&
           (jinja_is_space(before) || (before && before < 0x80 && strchr("-({[<", (int)before)));
}

jinja_value jinja_change_case(jinja_state *j, const jinja_string *s, jinja_case how) {
    jinja_builder b = {.j = j};
    uint32_t cp, before = 0;
    if (!jinja_charge(j, s->text.n / 4)) return jinja_nothing();
    for (size_t i = 0, n; i < s->text.n && !j->failed; i += n, before = cp) {
        n = jinja_code_point(s->text, i, &cp);
        bool upper = how == CASE_UPPER || (how != CASE_LOWER && starts_word(how, i == 0, before));
        if (n == 1 && (unsigned char)s->text.p[i] >= 0x80) jinja_add_slice(&b, s, i, i + 1);   /* not UTF-8: stays */
        else add_case(&b, s, i, n, cp, upper);
    }
    return jinja_mark_escaped(j, jinja_built(&b), s->escaped);
}

/* ---- search ---- */
size_t jinja_find_text(str s, str part, size_t from) {
    if (from > s.n || part.n > s.n - from) return s.n + 1;
    const char *at = part.n ? memmem(s.p + from, s.n - from, part.p, part.n) : s.p + from;
    return at ? (size_t)(at - s.p) : s.n + 1;
}

/* Knuth, Morris and Pratt from the back: a hostile `part` must not cost more than its length for each byte looked at.
 * shorter[k]: how much of the end still matches when k bytes did and the next did not. */
size_t jinja_find_text_last(jinja_state *j, str s, str part, size_t end) {
    if (part.n > end || !jinja_charge_text(j, end) || !part.n) return part.n > end || j->failed ? s.n + 1 : end;
    uint32_t *shorter = part.n < UINT32_MAX ? jinja_alloc(j, part.n + 1, sizeof *shorter) : NULL;
    size_t last = part.n - 1, k = 0;
    for (size_t i = 1; shorter && i < part.n; i++) {
        while (k && part.p[last - i] != part.p[last - k]) k = shorter[k];
        k += part.p[last - i] == part.p[last - k];
        shorter[i + 1] = (uint32_t)k;
    }
    k = 0;
    for (size_t at = end; shorter && at--;) {
        while (k && s.p[at] != part.p[last - k]) k = shorter[k];
        k += s.p[at] == part.p[last - k];
        if (k == part.n) return at;
    }
    return s.n + 1;
}

/* count < 0: all. An empty `old` stands before every code point and at the end. */
jinja_value jinja_replace(jinja_state *j, const jinja_string *s, const jinja_string *old, const jinja_string *fresh,
                          int64_t count) {
    jinja_builder b = {.j = j};
    size_t done = 0, from = 0;
    while (count-- && !j->failed && jinja_charge(j, 1)) {
        size_t at = jinja_find_text(s->text, old->text, from);
        if (at > s->text.n) break;
        jinja_add_slice(&b, s, done, at);
        jinja_add_string(&b, fresh);
        done = at + old->text.n;
        from = old->text.n ? done : at < s->text.n ? jinja_offset(s->text, at, 1) : s->text.n + 1;
    }
    jinja_add_slice(&b, s, done, s->text.n);
    return jinja_mark_escaped(j, jinja_built(&b), s->escaped);
}

static bool ends_line(uint32_t c) {
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

jinja_value jinja_split_lines(jinja_state *j, const jinja_string *s, bool keep_ends) {
    jinja_value out = jinja_new_list(j, JINJA_LIST);
    uint32_t cp;
    size_t begin = 0;
    for (size_t i = 0, n; i < s->text.n && !j->failed; i += n) {
        n = jinja_code_point(s->text, i, &cp);
        if (!ends_line(cp)) continue;
        if (cp == '\r' && i + 1 < s->text.n && s->text.p[i + 1] == '\n') n++;
        jinja_push(j, out, jinja_slice(j, s, begin, keep_ends ? i + n : i));
        begin = i + n;
    }
    if (begin < s->text.n) jinja_push(j, out, jinja_slice(j, s, begin, s->text.n));
    return out;
}

jinja_value jinja_join(jinja_state *j, const jinja_string *between, const jinja_list *items) {
    jinja_builder b = {.j = j};
    for (size_t i = 0; items && i < items->count && !j->failed && jinja_charge(j, 1); i++) {
        if (i) jinja_add_string(&b, between);
        jinja_print(&b, items->items[i], false);
    }
    return jinja_built(&b);
}
