/* The window: annotated steps on the device, else annotated steps on the host by what they launched, else the span from
 * the first to the last event, cut where nothing happens for longer than all work takes. */
#include "audit/analysis.h"
#include "base/mem.h"
#include "base/units.h"
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* ---- what an annotation says ---- */

/* The number behind `word` at or after p; -1: none. */
static double number_after(str s, size_t from, const char *word, size_t *at) {
    size_t n = strlen(word);
    for (size_t i = from; i + n < s.n; i++) {
        if (memcmp(s.p + i, word, n) || !isdigit((unsigned char)s.p[i + n])) continue;
        double v = 0;
        for (i += n; i < s.n && isdigit((unsigned char)s.p[i]) && v < 1e15; i++) v = v * 10 + (s.p[i] - '0');
        if (at) *at = i;
        return v;
    }
    return -1;
}

/* vLLM: execute_T_context_n(sqAskB...)_generation_m(sqCskD...), or execute_context_n(A_...)_generation_m(C): sq new
 * tokens, sk tokens attended to, both summed over sequences. */
static bool parse_execute(step_load *l, str s) {
    size_t context = 0, generation = 0;
    double n = number_after(s, 0, "context_", &context), m = number_after(s, 0, "generation_", &generation);
    if (n < 0 || m < 0) return false;
    l->prefills = n;
    l->decodes = m;
    double sq = number_after(s, context, "(sq", NULL),
           plain = number_after((str){s.p, generation > context ? generation : s.n}, context, "(", NULL);
    l->prefill_tokens = sq >= 0 ? sq : plain > 0 ? plain : 0;
    l->kv_known = sq >= 0;
    if (sq >= 0) {
        double sk = number_after(s, context, "sk", NULL), dk = number_after(s, generation, "sk", NULL);
        l->prefill_kv = sk > 0 ? sk : 0;
        l->decode_kv = dk > 0 ? dk : 0;
    }
    double all = number_after(s, 0, "execute_", NULL);
    l->tokens = all > 0 ? all : l->prefill_tokens + m;
    return l->known = l->tokens > 0;
}

/* SGLang: step[DECODE bs=N], step[EXTEND bs=N toks=T]. */
static bool parse_step(step_load *l, str s) {
    double n = number_after(s, 0, "bs=", NULL), t = number_after(s, 0, "toks=", NULL);
    if (n <= 0) return false;
    if (str_contains(s, STR("DECODE"))) l->decodes = l->tokens = n;
    else l->prefills = n, l->tokens = l->prefill_tokens = t > 0 ? t : 0;
    return l->known = l->tokens > 0;
}

bool step_load_parse(step_load *l, str s) {
    *l = (step_load){0};
    if (str_starts(s, STR("execute_"))) return parse_execute(l, s);
    return str_starts(s, STR("step[")) && parse_step(l, s);
}

/* Kinds of annotations that mean steps, the most telling first. */
static const char *const step_words[] = {"execute_", "step[", "ProfilerStep#", "iteration", "train_step", "step"};
enum { STEP_WORDS = sizeof step_words / sizeof *step_words, PROFILER_STEP = 2 }; /* before it: serving engines */

static bool is_step(str name, int word) {
    size_t n = strlen(step_words[word]);
    return name.n >= n && !strncasecmp(name.p, step_words[word], n);
}

/* ---- windows of annotations ---- */

static int by_from(const void *x, const void *y) {
    const audit_window *a = x, *b = y;
    if (a->from_ns != b->from_ns) return a->from_ns < b->from_ns ? -1 : 1;
    return a->to_ns > b->to_ns ? -1 : a->to_ns < b->to_ns;
}

/* Sorted, without those inside others; what overlaps is cut at the next one's start. */
static size_t disjoint(audit_window *w, size_t n) {
    size_t kept = 0;
    qsort(w, n, sizeof *w, by_from);
    for (size_t i = 0; i < n; i++) {
        if (w[i].from_ns >= w[i].to_ns || (kept && w[i].to_ns <= w[kept - 1].to_ns)) continue;
        if (kept && w[kept - 1].to_ns > w[i].from_ns) w[kept - 1].to_ns = w[i].from_ns;
        if (kept && w[kept - 1].from_ns >= w[kept - 1].to_ns) kept--;
        w[kept++] = w[i];
    }
    return kept;
}

static size_t of_kind(const analysis *x, range_kind kind, int word, audit_window *out) {
    size_t n = 0;
    for (size_t i = 0; i < x->e->range_count; i++) {
        const named_range *r = &x->e->range[i];
        str name = events_text_of(x->e, r->name);
        if (r->kind != kind || !r->dur_ns || !is_step(name, word)) continue;
        if (kind == RANGE_DEVICE && x->e->lanes[r->thread].device != x->f->index) continue;
        if (out) out[n] = (audit_window){.from_ns = r->start_ns, .to_ns = r->start_ns + r->dur_ns, .name = name.p};
        n++;
    }
    return n;
}

/* From ranges on the host to what their launches did on the device. */
static size_t launched(const analysis *x, audit_window *w, size_t n) {
    audit_window *on = mem_alloc_n(n, sizeof *on);
    if (!on) return 0;
    n = disjoint(w, n);
    for (size_t i = 0; i < n; i++) on[i] = (audit_window){.from_ns = INT64_MAX, .to_ns = INT64_MIN, .name = w[i].name};
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || ev->launch_ns == EVENTS_NO_TIME) continue;
        size_t lo = 0, hi = n; /* the last range that begins before the launch */
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (w[mid].from_ns <= ev->launch_ns) lo = mid + 1;
            else hi = mid;
        }
        if (!lo || ev->launch_ns >= w[lo - 1].to_ns) continue;
        if (ev->start_ns < on[lo - 1].from_ns) on[lo - 1].from_ns = ev->start_ns;
        if (event_end(ev) > on[lo - 1].to_ns) on[lo - 1].to_ns = event_end(ev);
    }
    memcpy(w, on, n * sizeof *w);
    mem_free(on);
    return n;
}

static int by_name(const void *x, const void *y) {
    const audit_window *a = x, *b = y;
    if (a->name != b->name) return (uintptr_t)a->name < (uintptr_t)b->name ? -1 : 1;
    return by_from(x, y);
}

/* A step is marked once per stream: one window from the first mark to the end of the last. Names with a number of their
 * own mean the same step wherever they stand; others only when they overlap. */
static size_t across_streams(audit_window *w, size_t n, bool numbered) {
    size_t kept = 0;
    qsort(w, n, sizeof *w, by_name);
    for (size_t i = 0; i < n; i++) {
        audit_window *last = kept ? &w[kept - 1] : NULL;
        if (!last || last->name != w[i].name || (!numbered && w[i].from_ns >= last->to_ns)) w[kept++] = w[i];
        else if (w[i].to_ns > last->to_ns) last->to_ns = w[i].to_ns;
    }
    return kept;
}

static audit_window *window_at(audit_window *w, size_t n, int64_t t) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w[mid].from_ns <= t) lo = mid + 1;
        else hi = mid;
    }
    return lo && t < w[lo - 1].to_ns ? &w[lo - 1] : NULL;
}

/* The share of the device's work that begins in these windows. */
static double covered(const analysis *x, audit_window *w, size_t n) {
    double all = 0, in = 0;
    for (size_t i = 0; i < x->e->device_count; i++) {
        if (!analysis_mine(x, i)) continue;
        all += (double)x->e->device[i].dur_ns;
        if (window_at(w, n, x->e->device[i].start_ns)) in += (double)x->e->device[i].dur_ns;
    }
    return all > 0 ? in / all : 0;
}

/* One way to read the annotations: a kind of range and a kind of name. */
typedef struct {
    audit_window *w;
    size_t n;
    double covered;
    bool host;
    int word;
} candidate;

static bool make(analysis *x, candidate *c) {
    range_kind kind = c->host ? RANGE_HOST : RANGE_DEVICE;
    size_t n = of_kind(x, kind, c->word, NULL);
    if (!n) return true;
    c->w = arena_push_n(x->a, audit_window, n);
    if (!c->w) return false;
    of_kind(x, kind, c->word, c->w);
    if (!c->host) n = across_streams(c->w, n, c->word == PROFILER_STEP);
    if (c->host && !x->e->host_device) n = launched(x, c->w, n);
    c->n = disjoint(c->w, n);
    c->covered = covered(x, c->w, c->n);
    return true;
}

/* Marks on the device may stand for one thread's launches only (a backward pass has its own), so the first way that
 * covers nearly as much of the work as any is taken; none when all cover under a fifth. */
static bool from_annotations(analysis *x, bool *serving) {
    candidate c[2 * STEP_WORDS] = {0};
    double most = 0.2;
    for (int i = 0; i < 2 * STEP_WORDS; i++) {
        c[i].host = i >= STEP_WORDS;
        c[i].word = i % STEP_WORDS;
        if (!make(x, &c[i])) return false;
        if (c[i].covered > most) most = c[i].covered;
    }
    for (int i = 0; i < 2 * STEP_WORDS; i++) {
        if (!c[i].n || c[i].covered < 0.9 * most) continue;
        x->window = c[i].w;
        x->windows = c[i].n;
        x->annotated = true;
        *serving = c[i].word < PROFILER_STEP;
        x->r->window = arena_printf(x->a, "%zu step%s annotated on the %s: %.80s%s", c[i].n, c[i].n > 1 ? "s" : "",
                                    !c[i].host          ? "device"
                                    : x->e->host_device ? "host"
                                                        : "host (by what they launched)",
                                    c[i].w[0].name, c[i].n > 1 ? " ..." : "");
        return x->r->window != NULL;
    }
    return true;
}

/* ---- no annotations ---- */

typedef struct {
    int64_t from, to, busy;
} piece;

/* Busy intervals of the device between two moments; the longest gap in them. */
static piece cut(const intervals *busy, piece p, bool *was_cut) {
    int64_t gap = 0, total = 0, before = 0, split_busy = 0, left_end = 0, right_start = 0, last = INT64_MIN;
    for (size_t i = 0; i < busy->count; i++) {
        interval v = busy->v[i];
        if (v.a < p.from || v.b > p.to) continue;
        if (last != INT64_MIN && v.a - last > gap)
            gap = v.a - last, left_end = last, right_start = v.a, split_busy = before;
        before += v.b - v.a;
        last = v.b;
    }
    total = before;
    *was_cut = gap > total && total > 0;
    if (!*was_cut) return (piece){p.from, p.to, total};
    return split_busy >= total - split_busy ? (piece){p.from, left_end, split_busy}
                                            : (piece){right_start, p.to, total - split_busy};
}

static bool busy_of(analysis *x, intervals *busy) {
    for (size_t i = 0; i < x->e->device_count; i++)
        if (analysis_mine(x, i) && !intervals_add(busy, x->e->device[i].start_ns, event_end(&x->e->device[i])))
            return intervals_free(busy), diag_oom(x->d, "windows");
    return true;
}

/* Cut as long as a pause is longer than all work around it. */
static void shorten(analysis *x, const intervals *busy, audit_window *w) {
    piece p = {w->from_ns, w->to_ns, 0};
    bool more = true;
    while (more) p = cut(busy, p, &more);
    int64_t out = (w->to_ns - w->from_ns) - (p.to - p.from);
    if (out)
        audit_note(x->r, "%s of %.40s are left out: a pause longer than all its work, and the lesser part of the work",
                   units_seconds((double)out / 1e9).text, w->name);
    w->from_ns = p.from;
    w->to_ns = p.to;
}

static bool whole_span(analysis *x) {
    x->window = arena_push(x->a, audit_window);
    if (!x->window) return diag_oom(x->d, "windows");
    *x->window = (audit_window){.from_ns = x->f->first_ns, .to_ns = x->f->last_ns, .name = "the trace"};
    x->windows = 1;
    x->r->window = "first to last event on the device";
    return true;
}

/* ---- loads ---- */

/* Options say what annotations do not. */
static void loads(analysis *x) {
    for (size_t i = 0; i < x->windows; i++) {
        step_load *l = &x->window[i].load;
        if (!x->o->no_annotations) step_load_parse(l, str_from(x->window[i].name));
        if (!l->known && x->o->batch > 0) {
            *l = (step_load){.tokens = x->o->batch, .decodes = x->o->batch, .known = true};
            l->decode_kv = x->o->batch * x->o->context;
            l->kv_known = x->o->context > 0;
        }
    }
}

/* Inside the steps of training a pause may be the loading of data, which is the step's own; a serving engine's step,
 * and a trace without steps, have no such excuse: profilers pause when they start. */
bool windows_find(analysis *x) {
    bool shortened = true;
    intervals busy = {0};
    if (!x->o->no_annotations && !from_annotations(x, &shortened)) return diag_oom(x->d, "windows");
    if (!x->windows && !whole_span(x)) return false;
    if (!x->annotated) shortened = true;
    if (shortened && !busy_of(x, &busy)) return false;
    for (size_t i = 0; shortened && i < x->windows; i++) shorten(x, &busy, &x->window[i]);
    intervals_free(&busy);
    loads(x);
    return true;
}

audit_window *analysis_window(const analysis *x, int64_t t) { return window_at(x->window, x->windows, t); }
