/* The window split into buckets: every moment belongs to exactly one, so that they add up to the window.
 *
 * Merged intervals per bucket, then one sweep over all of them: at each moment the first bucket of the order below that
 * is busy has it. Compute comes first and hides what runs beside it; of copies and collectives only what is exposed
 * counts. */
#include "audit/analysis.h"
#include "base/mem.h"
#include <stdlib.h>

/* The order; IDLE_HOST is a list of gaps, what nothing covers is IDLE. */
static const audit_bucket order[] = {AUDIT_COMPUTE,   AUDIT_MEMORY, AUDIT_UNKNOWN,  AUDIT_NETWORK,
                                     AUDIT_HOST_LINK, AUDIT_COPIES, AUDIT_IDLE_HOST};
enum { LISTS = sizeof order / sizeof *order, BINS = 1200 };

typedef struct {
    intervals set[LISTS];
    size_t at[LISTS];
} lists;

static void lists_free(lists *l) {
    for (int k = 0; k < LISTS; k++) intervals_free(&l->set[k]);
}

static int list_of(audit_bucket b) {
    int k = 0;
    while (k < LISTS - 1 && order[k] != b) k++;
    return k;
}

static int by_start(const void *x, const void *y) {
    const interval *a = x, *b = y;
    return a->a < b->a ? -1 : a->a > b->a;
}

/* Collectives whose waiting is known are busy at their end only: the early rank waits first. The k-th call of the
 * device is the k-th of the ranks' list. */
static bool fill_network(analysis *x, intervals *out) {
    const rank_calls *c = x->o->ranks;
    size_t n = 0;
    interval *v = arena_push_n(x->a, interval, (c ? c->count : 0) + 1);
    for (size_t i = 0; v && i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || x->bucket[i] != AUDIT_NETWORK || n >= c->count) continue;
        x->skew_ns = ns_add(x->skew_ns, analysis_window(x, ev->start_ns) ? ev->dur_ns - c->least_ns[n] : 0);
        v[n] = (interval){event_end(ev) - c->least_ns[n], event_end(ev)};
        n++;
    }
    if (v) qsort(v, n, sizeof *v, by_start);
    for (size_t i = 0; i < n; i++)
        if (!intervals_add(out, v[i].a, v[i].b)) return false;
    return v != NULL;
}

static bool fill(analysis *x, lists *l) {
    int64_t busy_end = INT64_MIN;
    int network = list_of(AUDIT_NETWORK);
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        int list = list_of((audit_bucket)x->bucket[i]);
        if (!analysis_mine(x, i)) continue;
        bool host = busy_end != INT64_MIN && ev->start_ns > busy_end && ev->launch_ns != EVENTS_NO_TIME &&
                    ev->launch_ns > busy_end;
        if (host && !intervals_add(&l->set[LISTS - 1], busy_end, ev->start_ns)) return false;
        if ((list != network || !x->o->ranks) && !intervals_add(&l->set[list], ev->start_ns, event_end(ev)))
            return false;
        if (event_end(ev) > busy_end) busy_end = event_end(ev);
    }
    return !x->o->ranks || fill_network(x, &l->set[network]);
}

/* Whose moment t is, and until when nothing changes. Moments must not go back. */
static audit_bucket moment(lists *l, int64_t t, int64_t *until) {
    audit_bucket who = AUDIT_IDLE;
    for (int k = LISTS; k-- > 0;) {
        const intervals *s = &l->set[k];
        while (l->at[k] < s->count && s->v[l->at[k]].b <= t) l->at[k]++;
        if (l->at[k] == s->count) continue;
        interval v = s->v[l->at[k]];
        int64_t edge = v.a <= t ? v.b : v.a;
        if (v.a <= t) who = order[k];
        if (edge < *until) *until = edge;
    }
    return who;
}

static void sweep(analysis *x, lists *l) {
    for (size_t i = 0; i < x->windows; i++) {
        audit_window *w = &x->window[i];
        for (int64_t t = w->from_ns, until; t < w->to_ns; t = until) {
            until = w->to_ns;
            audit_bucket b = moment(l, t, &until);
            w->bucket_ns[b] += until - t;
        }
        for (int b = 0; b < AUDIT_BUCKETS; b++) x->r->bucket_ns[b] += w->bucket_ns[b];
    }
}

/* ---- the picture ---- */

typedef struct {
    int64_t ns[AUDIT_BUCKETS];
} bin;

/* A lane of the picture: in each bin whatever took most of it. */
static void paint(analysis *x, const char *name, const bin *bins, const audit_window *w) {
    audit_report *r = x->r;
    audit_piece *pieces = arena_push_n(x->a, audit_piece, BINS);
    size_t n = 0;
    int64_t width = w->to_ns - w->from_ns;
    if (!pieces || r->lane_count == sizeof r->lanes / sizeof *r->lanes) return;
    for (int i = 0; i < BINS; i++) {
        int64_t from = (int64_t)((__int128)width * i / BINS), to = (int64_t)((__int128)width * (i + 1) / BINS),
                covered = 0;
        audit_bucket most = AUDIT_IDLE;
        int64_t best = 0;
        for (int b = 0; b < AUDIT_BUCKETS; b++) {
            covered += bins[i].ns[b];
            if (bins[i].ns[b] > best) best = bins[i].ns[b], most = (audit_bucket)b;
        }
        if (to - from - covered > best) most = AUDIT_IDLE;
        if (most == AUDIT_IDLE) continue;
        if (n && pieces[n - 1].bucket == most && pieces[n - 1].end_ns == from) pieces[n - 1].end_ns = to;
        else pieces[n++] = (audit_piece){from, to, most};
    }
    r->lanes[r->lane_count++] = (audit_lane){name, pieces, n};
}

static void pour(bin *bins, const audit_window *w, int64_t a, int64_t b, audit_bucket what) {
    int64_t width = w->to_ns - w->from_ns;
    if (a < w->from_ns) a = w->from_ns;
    if (b > w->to_ns) b = w->to_ns;
    for (int64_t t = a; t < b;) {
        int i = (int)((__int128)(t - w->from_ns) * BINS / width);
        int64_t end = w->from_ns + (int64_t)((__int128)width * (i + 1) / BINS);
        if (end > b) end = b;
        if (end <= t) end = t + 1;
        bins[i < BINS ? i : BINS - 1].ns[what] += end - t;
        t = end;
    }
}

static void picture_streams(analysis *x, const audit_window *w, bin *bins) {
    for (uint16_t lane = 0; lane < x->e->lane_count && x->r->lane_count < sizeof x->r->lanes / sizeof *x->r->lanes;
         lane++) {
        bool any = false;
        if (x->e->lanes[lane].device != x->f->index) continue;
        memset(bins, 0, BINS * sizeof *bins);
        for (size_t i = 0; i < x->e->device_count; i++) {
            const device_event *ev = &x->e->device[i];
            if (ev->lane != lane || ev->start_ns >= w->to_ns || event_end(ev) <= w->from_ns) continue;
            pour(bins, w, ev->start_ns, event_end(ev), (audit_bucket)x->bucket[i]);
            any = true;
        }
        char *name = arena_printf(x->a, "stream %s", events_text_of(x->e, x->e->lanes[lane].stream).p);
        if (any && name) paint(x, name, bins, w);
    }
}

/* The step that takes the median time: its moments, then its streams. */
static void picture(analysis *x, lists *l) {
    const audit_window *w = x->window;
    for (size_t i = 0; i < x->windows; i++) {
        size_t shorter = 0;
        for (size_t j = 0; j < x->windows && x->windows < 2000; j++)
            shorter += x->window[j].to_ns - x->window[j].from_ns < x->window[i].to_ns - x->window[i].from_ns;
        if (shorter == x->windows / 2) w = &x->window[i];
    }
    bin *bins = mem_alloc_n(BINS, sizeof *bins);
    if (!bins || w->to_ns - w->from_ns < BINS) {
        mem_free(bins);
        return;
    }
    memset(l->at, 0, sizeof l->at);
    for (int64_t t = w->from_ns, until; t < w->to_ns; t = until) {
        until = w->to_ns;
        audit_bucket b = moment(l, t, &until);
        pour(bins, w, t, until, b);
    }
    paint(x, x->windows > 1 ? "a median step" : "window", bins, w);
    picture_streams(x, w, bins);
    mem_free(bins);
}

bool split_all(analysis *x) {
    lists l = {0};
    bool ok = fill(x, &l);
    if (ok) {
        sweep(x, &l);
        picture(x, &l);
    }
    lists_free(&l);
    if (ok && x->r->by_busy) x->r->bucket_ns[AUDIT_IDLE] = x->r->bucket_ns[AUDIT_IDLE_HOST] = 0;
    return ok || diag_oom(x->d, "buckets");
}
