/* From samples to the share of each that waited for memory, and how far these shares can be believed. */
#include "audit/live.h"
#include <math.h>

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Rate at which a thread of this run can read: by the roof of as many threads on a set of that size. */
static double thread_rate(const live_run *run) { return run->working.median / fmax(1, round(run->threads)); }

static void judge_pages(const live_run *run, live_sample *s) {
    double cache = (double)run->caches.l2_bytes * s->v.threads;
    page_rate rate = host_pages_rate(&s->curve, cache, run->mark_s);
    double seconds = rate.seconds * (s->v.busiest_share > 0 ? s->v.busiest_share : 1);
    double u = seconds > 0 ? rate.bytes / seconds / thread_rate(run) : 0;
    s->unclear = rate.kind == PAGES_UNCLEAR;
    s->sparse = !s->unclear && u > AUDIT_SPARSE;
    if (rate.kind == PAGES_FIT) return;
    if (s->unclear) s->hi = 1;
    else if (s->sparse) {
        double small = rate.bytes / 4096 * run->latency_s / seconds;
        s->best = s->curve.huge_share < 0.5 ? clamp(small, 0, 1) : 0;
        s->hi = 1;
    } else {
        s->lo = clamp(u, 0, 1);
        s->best = clamp(u / AUDIT_REACH, 0, 1);
        s->hi = clamp(u / AUDIT_REACH_LOW, 0, 1);
    }
}

/* The difference between the largest and the smallest share when every fifth sample is taken alone: phases of the program are
 * in all of them, noise is not. */
static double spread_of(const live_run *run) {
    double busy[AUDIT_GROUPS] = {0}, memory[AUDIT_GROUPS] = {0}, low = 1, high = 0;
    for (size_t i = 0, k = 0; i < run->count; i++) {
        const live_sample *s = &run->samples[i];
        if (s->at_s <= run->skipped_s || s->v.busy_s <= 0) continue;
        busy[k % AUDIT_GROUPS] += s->v.busy_s;
        memory[k++ % AUDIT_GROUPS] += s->v.busy_s * s->best;
    }
    for (int g = 0; g < AUDIT_GROUPS; g++) {
        if (busy[g] <= 0) continue;
        low = fmin(low, memory[g] / busy[g]);
        high = fmax(high, memory[g] / busy[g]);
    }
    return high > low ? high - low : 0;
}

/* A sample without a look (the process was gone, or sleeps at that moment) is judged as the one before it. */
void live_judge_samples(live_run *run) {
    const live_sample *known = NULL;
    for (size_t i = 0; i < run->count; i++) {
        live_sample *s = &run->samples[i];
        if (s->curve.count > 1) {
            judge_pages(run, s);
            known = s;
        } else if (known) s->lo = known->lo, s->best = known->best, s->hi = known->hi;
        else s->unclear = true, s->hi = 1;
    }
    run->spread = spread_of(run);
    run->counted = host_counts_share(&run->counts, run->working.median, fmax(1, run->threads), &run->by_counters);
}
