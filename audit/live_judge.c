/* From samples to the share of each that waited for memory, and how far these shares can be believed. */
#include "audit/live.h"
#include <math.h>

enum { AROUND = 5 };

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Rate at which a thread of this run can read: by the roof of as many threads on a set of that size. */
static double thread_rate(const live_run *run) { return run->working.median / fmax(1, round(run->threads)); }

/* A look sees some milliseconds. Its neighbours, two on each side, are added to it: the noise of one look is as large
 * as what it measures, phases of a program are longer. */
static page_rate around(const live_run *run, size_t at) {
    page_rate sum = run->samples[at].rate;
    for (size_t i = at > AROUND / 2 ? at - AROUND / 2 : 0; i < run->count && i <= at + AROUND / 2; i++) {
        const page_rate *r = &run->samples[i].rate;
        if (i == at || run->samples[i].curve.count < 2 || r->kind != sum.kind) continue;
        sum.bytes += r->bytes;
        sum.seconds += r->seconds;
        sum.raw_s += r->raw_s;
    }
    return sum;
}

static void judge_pages(live_run *run, size_t at) {
    live_sample *s = &run->samples[at];
    page_rate rate = around(run, at);
    double part = s->v.busiest_share > 0 ? s->v.busiest_share : 1; /* the clock is that of all processes */
    double full = thread_rate(run), seconds = rate.seconds * part, raw_s = rate.raw_s * part;
    double u = seconds > 0 ? rate.bytes / seconds / full : 0;
    s->unclear = rate.kind == PAGES_UNCLEAR;
    s->sparse = !s->unclear && u > (s->curve.huge_share < 0.5 ? AUDIT_SPARSE_SMALL : AUDIT_SPARSE);
    if (rate.kind == PAGES_FIT) return;
    if (s->unclear) s->hi = 1;
    else if (s->sparse) {
        double small = rate.bytes / 4096 * run->latency_s / seconds;
        s->best = s->curve.huge_share < 0.5 ? clamp(small, 0, 1) : 0;
        s->hi = 1;
    } else {
        s->lo = clamp(raw_s > 0 ? rate.bytes / raw_s / full : 0, 0, 1);
        s->best = clamp(u / AUDIT_REACH, 0, 1);
        s->hi = clamp(u / AUDIT_REACH_LOW, 0, 1);
    }
}

/* Twice the standard error of the mean share, from the differences of neighbours: phases of the program, which are
 * longer than a sample, do not count as noise (J. von Neumann's estimate of variance). Each look counts five times
 * (around), which hides as much of it. */
static double spread_of(const live_run *run) {
    double busy = 0, squares = 0;
    const live_sample *last = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const live_sample *s = &run->samples[i];
        if (s->at_s <= run->skipped_s || s->v.busy_s <= 0) continue;
        busy += s->v.busy_s;
        if (last) squares += s->v.busy_s * s->v.busy_s * (s->best - last->best) * (s->best - last->best) / 2;
        last = s;
    }
    return busy > 0 ? 2 * AROUND * sqrt(squares) / busy : 1;
}

/* Small pages that are there need not be used: the most that was ever used, less all huge pages, is what small pages
 * were used. */
static void refine(const live_run *run, page_curve *w) {
    double huge = w->huge_share * w->rss_bytes, small = run->set_bytes > huge ? run->set_bytes - huge : 0;
    if (run->set_bytes > 0 && small / run->set_bytes < w->small_share) w->small_share = small / run->set_bytes;
}

/* A sample without a look (the process was gone, slept or had no processor at that moment) is judged as the one before
 * it. */
void live_judge_samples(live_run *run) {
    const live_sample *known = NULL;
    for (size_t i = 0; i < run->count; i++) {
        live_sample *s = &run->samples[i];
        refine(run, &s->curve);
        s->rate =
            host_pages_rate(&s->curve, (double)run->caches.l2_bytes * s->v.threads, run->mark_s, thread_rate(run));
    }
    for (size_t i = 0; i < run->count; i++) {
        live_sample *s = &run->samples[i];
        if (s->curve.count > 1 && s->rate.kind != PAGES_IDLE) {
            judge_pages(run, i);
            known = s;
        } else if (known) s->lo = known->lo, s->best = known->best, s->hi = known->hi;
        else s->unclear = s->v.busy_s > 0, s->hi = 1;
    }
    run->spread = spread_of(run);
    run->counted = host_counts_share(&run->counts, run->working.median, fmax(1, run->threads), &run->by_counters);
}
