/* See shapes.h: "[[16, 559], [], [[1, 2], [3, 4]]]" and "[\"float\", \"TensorList\"]". Recursion is two levels by
 * construction. */
#include "audit/shapes.h"
#include "audit/names.h"
#include "audit/scan.h"

typedef struct {
    const char *p, *end;
} cursor;

static int next(cursor *c) {
    while (c->p < c->end && ((unsigned char)*c->p <= ' ' || *c->p == ',')) c->p++;
    return c->p < c->end ? *c->p : -1;
}

static bool number(cursor *c, double *out) {
    const char *from = c->p;
    int64_t v;
    while (c->p < c->end && (*c->p == '-' || (*c->p >= '0' && *c->p <= '9'))) c->p++;
    if (!scan_decimal((str){from, (size_t)(c->p - from)}, 0, &v)) return false;
    *out = (double)v;
    return true;
}

/* The numbers of one tensor from behind its bracket. */
static bool tensor(cursor *c, shape_arg *a) {
    double n = 1, v;
    a->dims = 0;
    for (int ch; (ch = next(c)) != ']';) {
        if (ch < 0 || !number(c, &v) || v < 0) return false;
        if (a->dims < SHAPE_DIMS) a->dim[a->dims++] = v;
        n *= v;
    }
    c->p++;
    a->elements += n;
    return true;
}

static bool argument(cursor *c, shape_arg *a) {
    *a = (shape_arg){0};
    c->p++;
    if (next(c) != '[') return tensor(c, a);
    a->list = true;
    while (next(c) == '[') {
        c->p++;
        if (!tensor(c, a)) return false;
    }
    return next(c) == ']' && c->p++;
}

static bool dims(shapes *s, cursor c) {
    if (next(&c) != '[') return false;
    c.p++;
    for (int ch; (ch = next(&c)) != ']';) {
        if (ch != '[' || s->args == SHAPE_ARGS) return ch == '[' && s->args > 0;
        if (!argument(&c, &s->arg[s->args++])) return false;
    }
    return s->args > 0;
}

/* The i-th string of a list of strings. */
static int strings(cursor c, str out[SHAPE_ARGS]) {
    int n = 0;
    while (n < SHAPE_ARGS && c.p < c.end) {
        const char *open = memchr(c.p, '"', (size_t)(c.end - c.p));
        const char *close = open ? memchr(open + 1, '"', (size_t)(c.end - open - 1)) : NULL;
        if (!close) break;
        out[n++] = (str){open + 1, (size_t)(close - open - 1)};
        c.p = close + 1;
    }
    return n;
}

static str line(str *rest) {
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    str l = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    rest->p += l.n + (end != NULL);
    rest->n -= l.n + (end != NULL);
    return l;
}

bool shapes_parse(shapes *s, str text) {
    str d, t, types[SHAPE_ARGS];
    *s = (shapes){0};
    d = line(&text);
    if (!dims(s, (cursor){d.p, d.p + d.n})) return false;
    t = line(&text);
    int n = strings((cursor){t.p, t.p + t.n}, types);
    for (int i = 0; i < s->args && i < n; i++) {
        shape_arg *a = &s->arg[i];
        a->bytes = a->list ? 2 : names_dtype_bytes(types[i]);
    }
    strings((cursor){text.p, text.p + text.n}, s->concrete);
    return n > 0;
}
