/* Functions every template sees. */
#include "llm/jinja_internal.h"
#include <stdio.h>
#include <time.h>

typedef jinja_value value;
typedef const jinja_arguments args;

enum { RANGE_MAX = 100000 };   /* as the sandbox of jinja2 has it */

static value range(jinja_state *j, value self, args *g) {
    (void)self;
    bool one = !jinja_given(g, 1);
    int64_t a = one ? 0 : jinja_arg_int(j, g, 0, 0), b = jinja_arg_int(j, g, one ? 0 : 1, 0),
            step = jinja_arg_int(j, g, 2, 1);
    value out = jinja_new_list(j, JINJA_LIST);
    if (!step) jinja_fail(j, "range: the step is 0");
    if (!step || j->failed) return jinja_nothing();
    out.list->view = "range";
    if (step > 0 ? a >= b : a <= b) return out;
    uint64_t distance = step > 0 ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b,
             stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    uint64_t count = (distance - 1) / stride + 1;
    if (count > RANGE_MAX)
        jinja_fail(j, "range: %llu items; at most %d are allowed", (unsigned long long)count, RANGE_MAX);
    for (uint64_t i = 0; i < count && !j->failed; i++)
        jinja_push(j, out, jinja_int((int64_t)((uint64_t)a + i * (uint64_t)step)));
    return out;
}

/* dict(), dict(other), dict(pairs), each with name=value; and namespace, which can be changed. */
static value make_dict(jinja_state *j, args *g, jinja_type type) {
    value out = jinja_new_dict(j, type), from = g->count ? g->values[0] : jinja_nothing();
    if (g->count > 1) jinja_fail(j, "dict and namespace take one argument by position");
    bool dict = from.type == JINJA_DICT || from.type == JINJA_NAMESPACE;
    for (size_t i = 0; dict && i < from.dict->count && !j->failed; i++)
        jinja_put(j, out.dict, from.dict->pairs[i].key, from.dict->pairs[i].value);
    const jinja_list *pairs = g->count && !dict ? jinja_items(j, from) : NULL;
    for (size_t i = 0; pairs && i < pairs->count && !j->failed; i++) {
        const jinja_list *pair = jinja_items(j, pairs->items[i]);
        if (pair && pair->count == 2) jinja_put(j, out.dict, pair->items[0], pair->items[1]);
        else jinja_fail(j, "dict: item %zu is not a pair", i);
    }
    for (size_t i = 0; i < g->named.count && !j->failed; i++)
        jinja_put(j, out.dict, g->named.pairs[i].key, g->named.pairs[i].value);
    return out;
}

static value dict(jinja_state *j, value self, args *g) { return (void)self, make_dict(j, g, JINJA_DICT); }
static value namespace_(jinja_state *j, value self, args *g) { return (void)self, make_dict(j, g, JINJA_NAMESPACE); }

static value new_object(jinja_state *j, jinja_type type, jinja_object content) {
    jinja_object *o = jinja_alloc(j, 1, sizeof *o);
    if (o) *o = content;
    return (value){.type = o ? type : JINJA_UNDEFINED, .object = o};
}

static value cycler(jinja_state *j, value self, args *g) {
    (void)self;
    value items = jinja_new_list(j, JINJA_LIST);
    if (!g->count) jinja_fail(j, "cycler needs at least one item");
    for (size_t i = 0; i < g->count && !j->failed; i++) jinja_push(j, items, g->values[i]);
    return j->failed ? jinja_nothing() : new_object(j, JINJA_CYCLER, (jinja_object){.items = items.list});
}

static value joiner(jinja_state *j, value self, args *g) {
    (void)self;
    value between = jinja_given(g, 0) ? g->values[0] : jinja_constant(j, ", ");
    return new_object(j, JINJA_JOINER, (jinja_object){.memory = between});
}

static value raise_exception(jinja_state *j, value self, args *g) {
    (void)self;
    const jinja_string *s = jinja_str(j, g->values[0]);
    jinja_fail(j, "the template refuses: %.*s", (int)(s->text.n < 1000 ? s->text.n : 1000), s->text.p);
    return jinja_nothing();
}

static bool parse_date(const char *text, struct tm *out) {
    *out = (struct tm){0};
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &out->tm_year, &out->tm_mon, &out->tm_mday, &out->tm_hour,
                   &out->tm_min, &out->tm_sec);
    if (n != 3 && n != 6) return false;
    out->tm_year -= 1900;
    out->tm_mon--;
    return timegm(out) != (time_t)-1;   /* also finds the day of the week */
}

/* One directive at a time, so that no result is longer than the buffer. */
static value strftime_now(jinja_state *j, value self, args *g) {
    (void)self;
    struct tm when;
    const jinja_string *s = jinja_arg_string(j, g, 0);
    jinja_builder b = {.j = j};
    if (!j->date) jinja_fail(j, "the template asks for the date (strftime_now), and none is given");
    else if (!parse_date(j->date, &when)) jinja_fail(j, "the date must look like 2026-11-22 or 2026-11-22T09:30:00");
    for (size_t i = 0; i < s->text.n && !j->failed; i++) {
        char directive[4] = {'%', 0, 0, 0}, text[128];
        bool flag = s->text.p[i] == '%' && i + 2 < s->text.n && strchr("-_0^#", s->text.p[i + 1]) && s->text.p[i + 1];
        if (s->text.p[i] != '%' || i + 1 >= s->text.n) {
            jinja_add_slice(&b, s, i, i + 1);
            continue;
        }
        directive[1] = s->text.p[++i];
        if (flag) directive[2] = s->text.p[++i];
        size_t n = strftime(text, sizeof text, directive, &when);
        jinja_add(&b, text, n, false);
    }
    return jinja_built(&b);
}

const jinja_row jinja_globals[] = {
    {"cycler", cycler, "*", 0, 0},
    {"dict", dict, "*", 0, 0},
    {"joiner", joiner, "sep", 0, 0},
    {"namespace", namespace_, "*", 0, 0},
    {"raise_exception", raise_exception, "message", 1, 0},
    {"range", range, "start stop step", 1, 0},
    {"strftime_now", strftime_now, "format", 1, 0},
    {0},
};
