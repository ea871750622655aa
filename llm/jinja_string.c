/* Text with marks: every byte knows whether it came from a message. Slices share bytes, builders copy them; both carry
 * the marks along. */
#include "llm/jinja_internal.h"

bool jinja_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t jinja_offset(str s, size_t from, size_t code_points) {
    uint32_t cp;
    while (code_points-- && from < s.n) from += jinja_code_point(s, from, &cp);
    return from;
}

size_t jinja_length(str s) {
    size_t count = 0;
    uint32_t cp;
    for (size_t i = 0; i < s.n; i += jinja_code_point(s, i, &cp)) count++;
    return count;
}

/* The mark that covers byte `at`: by halves, since a string can have as many marks as bytes. */
static size_t mark_of(const jinja_string *s, size_t at) {
    size_t low = 0, high = s->mark_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->marks[mid].end <= at) low = mid + 1;
        else high = mid;
    }
    return low;
}

bool jinja_from_message(const jinja_string *s, size_t at) {
    if (!s->mark_count) return s->from_message;
    size_t m = mark_of(s, at);
    return m < s->mark_count && s->marks[m].from_message;
}

static jinja_value new_string(jinja_state *j, jinja_string s) {
    jinja_string *p = jinja_alloc(j, 1, sizeof *p);
    if (!p) return jinja_nothing();
    *p = s;
    return (jinja_value){.type = JINJA_STRING, .string = p};
}

jinja_value jinja_constant(jinja_state *j, const char *text) {
    return new_string(j, (jinja_string){.text = str_from(text)});
}

jinja_value jinja_slice(jinja_state *j, const jinja_string *s, size_t begin, size_t end) {
    jinja_string out = {.text = {s->text.p + begin, end > begin ? end - begin : 0}, .from_message = s->from_message};
    if (!s->mark_count || !out.text.n) return new_string(j, out);
    size_t first = mark_of(s, begin), last = mark_of(s, end - 1);
    out.from_message = s->marks[first].from_message;
    if (first == last) return new_string(j, out);
    jinja_mark *marks = jinja_alloc(j, last - first + 1, sizeof *marks);
    if (!marks || !jinja_charge(j, last - first)) return jinja_nothing();
    for (size_t i = first; i <= last; i++)
        marks[i - first] =
            (jinja_mark){(s->marks[i].end < end ? s->marks[i].end : end) - begin, s->marks[i].from_message};
    out.marks = marks;
    out.mark_count = last - first + 1;
    return new_string(j, out);
}

jinja_value jinja_mark_escaped(jinja_state *j, jinja_value v, bool escaped) {
    if (v.type != JINJA_STRING || v.string->escaped == escaped) return v;
    jinja_string s = *v.string;
    s.escaped = escaped;
    return new_string(j, s);
}

static bool in_set(str set, uint32_t cp) {
    if (!set.p) return jinja_is_space(cp);
    uint32_t c;
    for (size_t i = 0, n; i < set.n; i += n) {
        n = jinja_code_point(set, i, &c);
        if (c == cp) return true;
    }
    return false;
}

jinja_value jinja_strip(jinja_state *j, const jinja_string *s, str set, bool left, bool right) {
    size_t begin = 0, end = s->text.n;
    uint32_t cp;
    if (!jinja_charge_text(j, s->text.n) || !jinja_charge_text(j, set.n)) return jinja_nothing();
    for (size_t n; left && begin < end && jinja_charge(j, set.n / 8); begin += n) {
        n = jinja_code_point(s->text, begin, &cp);
        if (!in_set(set, cp)) break;
    }
    while (right && end > begin && jinja_charge(j, set.n / 8)) {
        size_t back = end - 1;
        while (back > begin && end - back < 4 && ((unsigned char)s->text.p[back] & 0xC0) == 0x80) back--;
        if (jinja_code_point((str){s->text.p, end}, back, &cp) != end - back) back = end - 1, cp = 0xFFFD;
        if (!in_set(set, cp)) break;
        end = back;
    }
    return jinja_slice(j, s, begin, end);
}

/* ---- builder ---- */
static bool reserve(jinja_builder *b, size_t n) {
    size_t need;
    if (!mem_add(b->n, n, &need)) return false;
    if (need <= b->cap) return !b->j->failed;
    size_t cap = b->cap * 2 > need ? b->cap * 2 : need + 16;
    char *p = jinja_alloc(b->j, cap, 1);
    if (!p) return false;
    if (b->n) memcpy(p, b->p, b->n);
    b->p = p;
    b->cap = cap;
    return true;
}

void jinja_add(jinja_builder *b, const char *p, size_t n, bool from_message) {
    if (!n || !jinja_charge(b->j, n / JINJA_STEP_BYTES) || !reserve(b, n)) return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    if (b->mark_count && b->marks[b->mark_count - 1].from_message == from_message) {
        b->marks[b->mark_count - 1].end = b->n;
        return;
    }
    if (!jinja_grow(b->j, &b->marks, &b->mark_cap, b->mark_count, sizeof *b->marks)) return;
    b->marks[b->mark_count++] = (jinja_mark){b->n, from_message};
}

void jinja_adds(jinja_builder *b, const char *text) { jinja_add(b, text, strlen(text), false); }

void jinja_add_code_point(jinja_builder *b, uint32_t cp, bool from_message) {
    char text[4];
    size_t n = utf8_encode(cp, text);
    if (!n) n = utf8_encode(0xFFFD, text);
    jinja_add(b, text, n, from_message);
}

void jinja_add_slice(jinja_builder *b, const jinja_string *s, size_t begin, size_t end) {
    if (!s->mark_count) {
        if (end > begin) jinja_add(b, s->text.p + begin, end - begin, s->from_message);
        return;
    }
    for (size_t m = mark_of(s, begin); begin < end && m < s->mark_count && jinja_charge(b->j, 1); m++) {
        size_t stop = s->marks[m].end < end ? s->marks[m].end : end;
        jinja_add(b, s->text.p + begin, stop - begin, s->marks[m].from_message);
        begin = stop;
    }
}

void jinja_add_string(jinja_builder *b, const jinja_string *s) { jinja_add_slice(b, s, 0, s->text.n); }

void jinja_add_repeated(jinja_builder *b, const jinja_string *s, int64_t times) {
    for (int64_t i = 0; i < times && s->text.n && jinja_charge(b->j, 1); i++) jinja_add_string(b, s);
}

jinja_value jinja_built(jinja_builder *b) {
    jinja_string s = {.text = {b->p ? b->p : "", b->n}};
    if (b->mark_count == 1) s.from_message = b->marks[0].from_message;
    if (b->mark_count > 1) s.marks = b->marks, s.mark_count = b->mark_count;
    return new_string(b->j, s);
}

jinja_value jinja_escape(jinja_state *j, const jinja_string *s) {
    static const struct { char c; const char *text; } rows[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"},
    };
    jinja_builder b = {.j = j};
    for (size_t i = 0; i < s->text.n && !j->failed; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            if (rows[k].c == s->text.p[i]) text = rows[k].text;
        if (text) jinja_add(&b, text, strlen(text), jinja_from_message(s, i));
        else jinja_add_slice(&b, s, i, i + 1);
    }
    return jinja_mark_escaped(j, jinja_built(&b), true);
}
