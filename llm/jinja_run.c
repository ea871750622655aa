/* One rendering from start to end, its limits and its errors. Everything computed lives in an arena that dies with it;
 * only the result is copied out. */
#include "base/units.h"
#include "llm/jinja_internal.h"
#include <stdio.h>

void jinja_fail(jinja_state *j, const char *fmt, ...) {
    if (j->failed) return;
    j->failed = true;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_at(j->d, DIAG_ERROR, &j->source, j->at, "%s", text);
}

bool jinja_charge(jinja_state *j, uint64_t steps) {
    if (j->failed) return false;
    j->steps += steps;
    if (j->steps <= j->limits.steps && j->steps >= steps) return true;
    jinja_fail(j, "the template runs for more than %llu steps; limits.steps allows more",
               (unsigned long long)j->limits.steps);
    return false;
}

bool jinja_charge_text(jinja_state *j, size_t bytes) { return jinja_charge(j, 1 + bytes / JINJA_STEP_BYTES); }

bool jinja_enter(jinja_state *j) {
    if (j->depth++ < j->limits.depth) return !j->failed;
    jinja_fail(j, "nested more than %u levels deep; limits.depth allows more", j->limits.depth);
    return false;
}

void *jinja_alloc(jinja_state *j, size_t count, size_t bytes) {
    size_t total, sum;
    if (j->failed) return NULL;
    if (!mem_mul(count, bytes, &total) || !mem_add(total, arena_bytes(j->memory), &sum) ||
        sum > j->limits.memory_bytes) {
        jinja_fail(j, "the template needs more than %s of memory; limits.memory_bytes allows more",
                   units_bytes((double)j->limits.memory_bytes).text);
        return NULL;
    }
    void *p = arena_alloc(j->memory, total);
    if (!p) jinja_fail(j, "out of memory");
    return p;
}

bool jinja_grow(jinja_state *j, void *items, size_t *cap, size_t count, size_t item_bytes) {
    if (count < *cap) return !j->failed;
    size_t more = *cap ? *cap * 2 : 4;
    void *old, *fresh = jinja_alloc(j, more, item_bytes);
    if (!fresh) return false;
    memcpy(&old, items, sizeof old);
    if (count) memcpy(fresh, old, count * item_bytes);
    memcpy(items, &fresh, sizeof fresh);
    *cap = more;
    return true;
}

static void defaults(jinja_limits *l) {
    if (!l->source_bytes) l->source_bytes = MIB;
    if (!l->output_bytes) l->output_bytes = 64 * MIB;
    if (!l->memory_bytes) l->memory_bytes = 256 * MIB;
    if (!l->steps) l->steps = 10000000;
    if (!l->depth) l->depth = 250;
}

/* Line ends become \n, and the last one goes, as jinja2 reads its sources. */
static bool normalize(jinja_state *j, str source) {
    char *p = jinja_alloc(j, source.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; p && i < source.n; i++) {
        bool cr = source.p[i] == '\r';
        if (cr && i + 1 < source.n && source.p[i + 1] == '\n') continue;
        p[n++] = cr ? '\n' : source.p[i];
    }
    if (n && p[n - 1] == '\n') n--;
    j->source = (diag_source){"chat template", {p, n}};
    return p != NULL;
}

static bool copy_out(arena *a, jinja_state *j, const jinja_string *s, jinja_string *out) {
    char *p = arena_strndup(a, s->text.p, s->text.n);
    jinja_mark *marks = s->mark_count ? arena_push_n(a, jinja_mark, s->mark_count) : NULL;
    if (!p || (s->mark_count && !marks)) return diag_oom(j->d, "chat template");
    if (marks) memcpy(marks, s->marks, s->mark_count * sizeof *marks);
    *out = (jinja_string){{p, s->text.n}, marks, s->mark_count, s->from_message, false};
    return true;
}

static bool run(jinja_state *j, arena *a, str source, jinja_string *out) {
    if (source.n > j->limits.source_bytes)
        return diag_error(j->d, "chat template: %zu bytes long; limits.source_bytes allows %zu", source.n,
                          j->limits.source_bytes);
    if (!normalize(j, source)) return false;
    const jinja_token *tokens = jinja_lex(j);
    const jinja_node *body = tokens ? jinja_parse(j, tokens) : NULL;
    if (j->failed || !jinja_push_scope(j, NULL)) return false;
    jinja_value text = jinja_exec_captured(j, body);
    return !j->failed && copy_out(a, j, text.string, out);
}

bool jinja_render(arena *a, str source, jinja_value globals, const jinja_options *options, jinja_string *out, diag *d) {
    jinja_state j = {.d = d, .source = {"chat template", {"", 0}}, .globals = globals, .memory = arena_new(0)};
    if (options) j.limits = options->limits, j.date = options->date;
    defaults(&j.limits);
    bool ok = j.memory ? run(&j, a, source, out) : diag_oom(d, "chat template");
    arena_free(j.memory);
    return ok;
}
