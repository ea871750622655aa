/* See scan.h. One pass over the buffer per event: strings by memchr, nesting by a counter. An event that does not end
 * in the buffer is moved to its front and read again with more bytes behind it; the buffer is several times an event's
 * limit, so that is rare. */
#include "audit/scan.h"
#include "base/mem.h"

enum { REREAD_FREE = 64 << 20, REREAD_FACTOR = 4, CONTEXT = 256 };

/* ---- the buffer ---- */

static bool fill(scan *s) {
    if (s->eof || s->failed) return false;
    memmove(s->buf, s->buf + s->at, s->end - s->at);
    s->end -= s->at;
    s->at = 0;
    size_t n = input_read(s->in, s->buf + s->end, SCAN_BUFFER_BYTES - s->end, s->d);
    s->end += n;
    s->failed = s->in->failed;
    s->eof = n == 0;
    return n > 0;
}

/* The next byte that is no space, not taken; -1 at the end. */
static int peek(scan *s) {
    for (;;) {
        while (s->at < s->end && (unsigned char)s->buf[s->at] <= ' ') s->at++;
        if (s->at < s->end) return (unsigned char)s->buf[s->at];
        if (!fill(s)) return -1;
    }
}

/* ---- values inside the buffer: NULL = does not end here (or, with *bad, makes no sense) ---- */

typedef struct {
    const char *end;
    bool bad;
} view;

static const char *skip_space(const char *p, const view *v) {
    while (p < v->end && (unsigned char)*p <= ' ') p++;
    return p;
}

/* Behind the opening quote; gives the text and the place behind the closing one. */
static const char *string_end(const char *p, const view *v, str *text) {
    const char *from = p;
    for (;;) {
        const char *q = memchr(p, '"', (size_t)(v->end - p));
        if (!q) return NULL;
        const char *b = q;
        while (b > from && b[-1] == '\\') b--;
        p = q + 1;
        if ((q - b) & 1) continue;
        const char *next = skip_space(p, v);
        if (next == v->end) return NULL;
        if (*next == ',' || *next == '}' || *next == ']' || *next == ':') {
            *text = (str){from, (size_t)(q - from)};
            return p;
        }
    }
}

static const char *container_end(const char *p, view *v, str *text) {
    const char *from = p;
    int depth = 0;
    str ignored;
    while (p < v->end) {
        char c = *p++;
        if (c == '"') {
            if (!(p = string_end(p, v, &ignored))) return NULL;
        } else if (c == '[' || c == '{') {
            if (++depth > SCAN_DEPTH_MAX) return v->bad = true, NULL;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            *text = (str){from, (size_t)(p - from)};
            return p;
        }
    }
    return NULL;
}

/* Numbers, true, NaN, -inf: whatever stands there up to a comma or bracket. */
static const char *word_end(const char *p, view *v, str *text) {
    const char *from = p;
    while (p < v->end && *p != ',' && *p != '}' && *p != ']' && (unsigned char)*p > ' ' && *p != '"') p++;
    if (p == v->end) return NULL;
    if (p == from || *p == '"') return v->bad = true, NULL;
    *text = (str){from, (size_t)(p - from)};
    return p;
}

static const char *value_end(const char *p, view *v, str *text) {
    if (p == v->end) return NULL;
    if (*p == '"') return string_end(p + 1, v, text);
    if (*p == '[' || *p == '{') return container_end(p, v, text);
    return word_end(p, v, text);
}

/* ---- an event ---- */

typedef struct {
    const char *key;
    size_t n, offset;
} field;
#define FIELD(name, text) {(text), sizeof(text) - 1, offsetof(scan_event, name)},
static const field fields[] = {SCAN_FIELDS(FIELD)};
static const field args[] = {SCAN_ARGS(FIELD)};
#undef FIELD

static str *place_of(scan_event *ev, str key, bool in_args) {
    const field *f = in_args ? args : fields;
    size_t n = in_args ? sizeof args / sizeof *args : sizeof fields / sizeof *fields;
    for (size_t i = 0; i < n; i++)
        if (f[i].n == key.n && *f[i].key == *key.p && !memcmp(f[i].key, key.p, key.n))
            return (str *)((char *)ev + f[i].offset);
    return NULL;
}

/* An object's members from behind its brace; `args` of an event is such an object once more. */
static const char *members(const char *p, view *v, scan_event *ev, bool in_args) {
    for (;;) {
        str key, ignored, *at;
        p = skip_space(p, v);
        if (p < v->end && *p == ',') p = skip_space(p + 1, v);
        if (p == v->end) return NULL;
        if (*p == '}') return p + 1;
        if (*p != '"') return v->bad = true, NULL;
        if (!(p = string_end(p + 1, v, &key))) return NULL;
        p = skip_space(p, v);
        if (p == v->end) return NULL;
        if (*p != ':') return v->bad = true, NULL;
        p = skip_space(p + 1, v);
        if (p < v->end && *p == '{' && !in_args && str_eq(key, STR("args"))) p = members(p + 1, v, ev, true);
        else {
            at = key.n ? place_of(ev, key, in_args) : NULL;
            p = value_end(p, v, at ? at : &ignored);
        }
        if (!p) return NULL;
    }
}

/* ---- going on after a broken event ---- */

/* "{" whose first member is one that events begin with, after a comma or the array's bracket. */
static bool begins_event(const char *buf, const char *p, const char *end) {
    static const char *const first[] = {"ph", "name", "cat", "ts", "pid", "tid", "dur", "args", "id"};
    const view v = {end, false};
    const char *q = skip_space(p + 1, &v);
    while (p > buf && (unsigned char)p[-1] <= ' ') p--;
    if (p == buf || (p[-1] != ',' && p[-1] != '[') || q == end || *q++ != '"') return false;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        size_t n = strlen(first[i]);
        if ((size_t)(end - q) > n && q[n] == '"' && !memcmp(q, first[i], n)) return true;
    }
    return false;
}

/* To the next event behind s->at; false: there is none. */
static bool recover(scan *s) {
    for (s->at++;;) {
        const char *end = s->buf + s->end, *p = s->buf + s->at;
        for (; (p = memchr(p, '{', (size_t)(end - p))); p++)
            if (begins_event(s->buf, p, end)) return s->at = (size_t)(p - s->buf), true;
        if (s->eof) return s->at = s->end, false;
        if (s->end - s->at > CONTEXT) s->at = s->end - CONTEXT; /* an event may begin in the last bytes */
        if (!fill(s) && s->failed) return false;
    }
}

static bool give_up(scan *s) {
    s->failed = true;
    return diag_error(s->d, "%s: is no trace that can be read: %llu events, %llu broken ones", s->in->name,
                      (unsigned long long)s->events, (unsigned long long)s->broken);
}

/* The event at s->at ('{'). 1: taken. 0: broken, s->at is behind it. -1: no more. */
static int take(scan *s, scan_event *ev) {
    for (;;) {
        view v = {s->buf + s->end, false};
        *ev = (scan_event){0};
        const char *p = members(s->buf + s->at + 1, &v, ev, false);
        if (p) return s->at = (size_t)(p - s->buf), 1;
        bool room = s->end - s->at < SCAN_EVENT_MAX;
        if (!v.bad && room && fill(s)) continue;
        if (s->failed) return -1;
        s->reread_bytes += s->end - s->at < SCAN_EVENT_MAX ? s->end - s->at : SCAN_EVENT_MAX;
        if (!v.bad && s->eof && room) s->cut_short = true;
        s->broken++;
        if (s->reread_bytes > REREAD_FREE + REREAD_FACTOR * s->in->read_bytes) return give_up(s), -1;
        if (!recover(s)) return -1;
        s->cut_short = false; /* what looked like the end was inside a broken event */
        return 0;
    }
}

/* ---- members of the object around the events ---- */

/* Skips a value of any size without keeping it. */
static bool skip_streaming(scan *s) {
    int64_t depth = 0;
    bool quoted = false, escaped = false, begun = false;
    for (;;) {
        if (s->at == s->end && !fill(s)) return false;
        char c = s->buf[s->at];
        if (quoted) {
            if (escaped) escaped = false;
            else if (c == '\\') escaped = true;
            else if (c == '"') quoted = false;
        } else if (c == '"') quoted = begun = true;
        else if (c == '[' || c == '{') depth++, begun = true;
        else if (depth == 0 && begun && (c == ',' || c == '}')) return true;
        else if (c == ']' || c == '}') depth--;
        else if ((unsigned char)c > ' ') begun = true;
        s->at++;
    }
}

/* A small value, kept; a large one is skipped. */
static bool keep_value(scan *s, str *out) {
    while (s->end - s->at < SCAN_MEMBER_MAX && fill(s)) {}
    view v = {s->buf + s->end, false};
    str text;
    const char *p = value_end(s->buf + s->at, &v, &text);
    if (!p || text.n > SCAN_MEMBER_MAX) return skip_streaming(s);
    char *copy = mem_alloc(text.n + 1);
    if (copy) {
        memcpy(copy, text.p, text.n);
        mem_free((void *)out->p);
        *out = (str){copy, text.n};
    }
    s->at = (size_t)(p - s->buf);
    return copy || (s->failed = true, diag_oom(s->d, "trace"));
}

static bool key_of(scan *s, char out[64]) {
    size_t n = 0;
    bool escaped = false;
    for (s->at++;; s->at++) {
        if (s->at == s->end && !fill(s)) return false;
        char c = s->buf[s->at];
        if (c == '"' && !escaped) break;
        escaped = c == '\\' && !escaped;
        if (n < 63) out[n++] = c;
    }
    out[n] = 0;
    s->at++;
    return true;
}

/* Up to the first event of traceEvents; false: no (further) such member. */
static bool find_events(scan *s) {
    for (int c; (c = peek(s)) >= 0;) {
        char key[64];
        if (c == '}') return false;
        if (c == ',') {
            s->at++;
            continue;
        }
        if (c != '"' || !key_of(s, key) || peek(s) != ':') break;
        s->at++;
        c = peek(s);
        if (!strcmp(key, "traceEvents") && c == '[') {
            s->at++;
            return s->found = s->in_array = true;
        }
        bool ok = !strcmp(key, "deviceProperties")  ? keep_value(s, &s->device_properties)
                  : !strcmp(key, "distributedInfo") ? keep_value(s, &s->distributed)
                                                    : skip_streaming(s);
        if (!ok) break;
    }
    s->cut_short = !s->failed;
    return false;
}

/* ---- calls ---- */

bool scan_open(scan *s, input *in, diag *d) {
    *s = (scan){.in = in, .d = d, .buf = mem_alloc(SCAN_BUFFER_BYTES)};
    if (!s->buf) return diag_oom(d, in->name);
    int c = peek(s);
    if (c == 0xEF && (s->end - s->at >= 3 || fill(s)) && s->end - s->at >= 3) {
        s->at += 3;
        c = peek(s);
    }
    if (s->failed) return false;
    if (c == '[') s->in_array = s->found = true;
    else if (c == '{') s->object = true;
    else return diag_error(d, "%s: is no trace: JSON begins with { or [", in->name);
    s->at++;
    return true;
}

void scan_close(scan *s) {
    mem_free(s->buf);
    mem_free((void *)s->device_properties.p);
    mem_free((void *)s->distributed.p);
    *s = (scan){0};
}

/* Behind an array's end: a bare array is all; an object may have more members. */
static bool end_array(scan *s) {
    s->at++;
    s->in_array = false;
    return s->object;
}

bool scan_next(scan *s, scan_event *ev) {
    while (!s->failed) {
        if (!s->in_array) {
            if (!s->object || !find_events(s)) return s->object = false;
            continue;
        }
        int c = peek(s);
        if (c < 0) {
            s->cut_short = s->cut_short || s->object;
            return false;
        }
        if (c == ',') s->at++;
        else if (c == ']') {
            if (!end_array(s)) return false;
        } else if (c == '{') {
            int got = take(s, ev);
            if (got > 0) return s->events++, true;
            if (got < 0) return false;
        } else {
            s->broken++;
            if (!recover(s)) return s->cut_short = s->object, false;
        }
    }
    return false;
}
