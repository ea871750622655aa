/* From judged samples to the report: buckets, evidence, what is not known, what would help. */
#include "audit/live.h"
#include "base/units.h"
#include "perf/machine.h"
#include <errno.h>
#include <math.h>

typedef struct {
    double total_s, busy_s, lo_s, best_s, hi_s, io_s, idle_s, queued_s, unclear_s, sparse_s;
} sums;

static bool counts(const live_run *run, const live_sample *s) { return s->at_s > run->skipped_s; }

/* Counters first, then the differential, then pages. */
static bool by_thief(const live_run *run) { return run->stolen && !run->thief.refused && !run->counted; }

static sums add_up(const live_run *run) {
    sums t = {0};
    for (size_t i = 0; i < run->count; i++) {
        const live_sample *s = &run->samples[i];
        if (!counts(run, s)) continue;
        t.busy_s += s->v.busy_s;
        t.lo_s += s->v.busy_s * s->lo;
        t.best_s += s->v.busy_s * s->best;
        t.hi_s += s->v.busy_s * s->hi;
        t.unclear_s += s->unclear || s->sparse ? s->v.busy_s * (s->hi - s->best) : 0;
        t.sparse_s += s->sparse ? s->v.busy_s : 0;
        t.io_s += s->v.io_s;
        t.idle_s += s->v.idle_s;
        t.queued_s += s->v.queued_s;
    }
    if (run->counted) {
        t.lo_s = t.busy_s * run->by_counters.lo, t.best_s = t.busy_s * run->by_counters.best;
        t.hi_s = t.busy_s * run->by_counters.hi, t.unclear_s = 0;
    }
    const thief_result *thief = &run->thief;
    if (by_thief(run)) {
        t.best_s = t.busy_s * thief->share;
        t.lo_s = t.busy_s * fmax(0, thief->share - thief->error);
        t.hi_s = t.busy_s * fmin(1, thief->share + thief->error);
        t.unclear_s = 0;
    }
    t.idle_s = fmax(0, t.idle_s);
    t.total_s = t.busy_s + t.io_s + t.idle_s;
    return t;
}

static int64_t ns(double seconds) { return (int64_t)llround(seconds * 1e9); }

static void buckets(audit_report *r, const live_run *run, const sums *t) {
    r->bucket_ns[AUDIT_MEMORY] = ns(t->best_s);
    r->bucket_ns[AUDIT_UNKNOWN] = ns(t->unclear_s);
    r->bucket_ns[AUDIT_COMPUTE] = ns(fmax(0, t->busy_s - t->best_s - t->unclear_s));
    r->bucket_ns[AUDIT_HOST_LINK] = ns(t->io_s);
    r->bucket_ns[AUDIT_IDLE] = ns(t->idle_s);
    r->memory_roof_ns = t->lo_s * 1e9;
    if (!(t->total_s > 0)) return;
    r->range_given = true;
    r->range_proven = run->counted || by_thief(run);
    r->lo = (t->io_s + t->lo_s) / t->total_s;
    r->best = (t->io_s + t->best_s) / t->total_s;
    r->hi = (t->io_s + t->hi_s) / t->total_s;
}

/* ---- evidence ---- */

static double roof_drift(const live_run *run) {
    double a = run->before.median, b = run->after.median;
    return a > 0 && b > 0 ? 2 * fabs(a - b) / (a + b) : 1;
}

/* Noise, relative: of the roof within a measurement, of the roof over the run, of the samples. */
static double noise_of(const live_run *run) {
    double of_roof = fmax(run->working.spread, roof_drift(run));
    if (by_thief(run)) return run->thief.spread; /* it needs no roof */
    return fmax(of_roof, run->counted ? 0 : run->spread);
}

/* A spread too large to decide, unless the answer is the same at both ends of it. */
static void refuse(audit_report *r, const live_run *run) {
    double noise = noise_of(run);
    if (noise <= AUDIT_SPREAD_MAX || r->lo / (1 + noise) > 0.5 || r->hi * (1 + noise) <= 0.5) return;
    r->refused = arena_printf(r->a,
                              "measurements differ by %.0f %% (at most %.0f %% are allowed when that could turn the "
                              "answer): run it on a quieter machine, or for longer",
                              100 * noise, 100 * AUDIT_SPREAD_MAX);
    if (!r->refused) r->oom = true;
}

static void say_method(audit_report *r, const live_run *run, const sums *t) {
    strbuf missing = {0};
    host_counters_missing(&run->counters, &missing);
    if (run->counted)
        audit_evidence(r, "by counters of the processor (%s): %.0f %% of its %s of work waited for memory",
                       run->by_counters.method, 100 * run->by_counters.best, units_seconds(t->busy_s).text);
    else if (missing.len) audit_note(r, "hardware counters: %s", missing.data);
    strbuf_free(&missing);
    double rate = 0, busy = 0;
    for (size_t i = 0; i < run->count; i++) {
        const live_sample *s = &run->samples[i];
        if (!counts(run, s) || s->unclear || s->sparse) continue;
        rate += s->v.cpu_s * s->lo;
        busy += s->v.cpu_s;
    }
    if (busy > 0)
        audit_evidence(r,
                       "pages: %s/s past the private caches while it ran, of the %s/s that %d thread%s stream%s "
                       "through such a set here",
                       units_bytes(rate / busy * run->working.median).text, units_bytes(run->working.median).text,
                       (int)lround(run->threads), run->threads < 1.5 ? "" : "s", run->threads < 1.5 ? "s" : "");
    audit_evidence(r, "working set: %s used within 50 ms, %s resident at most; private caches hold %s a processor",
                   units_bytes(run->set_bytes).text, units_bytes(run->tree.rss_bytes_max).text,
                   units_bytes((double)run->caches.l2_bytes).text);
    if (t->sparse_s > 0.1 * t->busy_s)
        audit_evidence(r,
                       "for %.0f %% of its work it uses more pages than memory could deliver whole: random access, "
                       "judged by latency (%s a read), "
                       "wide range",
                       100 * t->sparse_s / t->busy_s, units_seconds(run->latency_s).text);
    if (t->unclear_s > t->sparse_s)
        audit_note(r, "for some of its work the set was used up within the first look: it may rest in private caches "
                      "or go round in the shared one");
    if (run->looks_failed) audit_note(r, "%d looks at pages failed (%s)", run->looks_failed, strerror(run->look_error));
}

static void say_thief(audit_report *r, const live_run *run) {
    const thief_result *t = &run->thief;
    const thief_level *l = &t->level[THIEF_LEVELS - 1];
    if (!run->stolen) {
        audit_note(
            r,
            "the differential was not asked for: --runs 5 runs the command 15 times more, beside a reader that takes "
            "bandwidth away");
        return;
    }
    if (l->rate > 0)
        audit_evidence(r, "a reader that takes %s/s: another reader takes %.2f times as long, arithmetic %.2f times%s",
                       units_bytes(l->rate).text, l->reader, l->arithmetic,
                       l->program > 0 ? "" : "; the command was not run again");
    if (l->program > 0)
        audit_evidence(r,
                       "the command takes %.2f times as long beside it: %.0f +- %.0f %% of its work waits for memory",
                       l->program, 100 * t->share, 100 * t->error);
    if (t->refused) audit_note(r, "the differential gives no answer: %s", t->refused);
}

static void say_host(audit_report *r, const live_run *run, const sums *t) {
    static const char *const names[2] = {"memory", "I/O"};
    audit_evidence(
        r, "noise: samples %.0f points, reading rate %.0f %% within a measurement, %.0f %% from before to after",
        100 * run->spread, 100 * run->working.spread, 100 * roof_drift(run));
    audit_evidence(r, "%d process%s, at most %d thread%s; %.1f at work on average", run->tree.processes,
                   run->tree.processes == 1 ? "" : "es", run->tree.threads_max, run->tree.threads_max == 1 ? "" : "s",
                   run->threads);
    if (run->tree.major_faults || run->tree.read_bytes > MIB || run->tree.written_bytes > MIB)
        audit_evidence(r, "%llu major page faults, %s read from and %s written to storage",
                       (unsigned long long)run->tree.major_faults, units_bytes((double)run->tree.read_bytes).text,
                       units_bytes((double)run->tree.written_bytes).text);
    for (int i = 0; i < 2; i++) {
        double s = run->pressure_after[i] - run->pressure_before[i];
        if (s > 0.05 * run->wall_s)
            audit_evidence(r, "%s pressure: something on this host waited for %.0f %% of the time", names[i],
                           100 * fmin(1, s / run->wall_s));
    }
    if (t->queued_s > 0.05 * run->wall_s)
        audit_note(r, "%s ready to run but without a processor (other programs had it): left out of the total",
                   units_seconds(t->queued_s).text);
    double seen = 0;
    for (size_t i = 0; i < run->count; i++) seen += run->samples[i].v.cpu_s;
    double all = run->counts.value[COUNTER_CLOCK] * 1e-9;
    if (all > 1.1 * seen + 0.1)
        audit_note(
            r, "%.0f %% of the processor time was not seen by samples (processes that live shortly, the last moments)",
            100 * (1 - seen / all));
    if (run->skipped_s > 0) audit_note(r, "the first %g s are left out (--skip)", run->skipped_s);
    if (run->tree.truncated) audit_note(r, "more than %d threads: the others were not looked at", HOST_THREADS_MAX);
}

static void specs(audit_report *r, const live_run *run) {
    char set[96];
    snprintf(set, sizeof set, "measured: the better of reads and a triad of %s",
             units_bytes((double)run->working_bytes).text);
    r->memory_bytes_per_s = run->working.median;
    audit_specify(r, "memory, as many threads as ran", run->working.median, "B/s", set);
    audit_specify(r, "memory, one thread", run->after.median, "B/s", "measured after the run");
    audit_specify(r, "latency of memory", run->latency_s, "s", "measured: reads that wait for one another");
    audit_specify(r, "private cache of a processor", (double)run->caches.l2_bytes, "B", "the C library");
    audit_specify(r, "a page used anew after a look", run->mark_s, "s", "measured, taken off");
}

/* ---- what would help ---- */

static void wafer(audit_report *r, const live_run *run, diag *d) {
    perf_machine m;
    char name[96], note[160];
    if (!perf_machine_load(&m, r->a, "cs3", d)) {
        diag_clear(d); /* no data folder: one what-if less */
        return;
    }
    perf_numbers n = perf_machine_numbers(&m, PERF_NOMINAL);
    double rate = n.mem_bw_bytes_per_s * n.memory_efficiency;
    if (run->tree.rss_bytes_max > n.mem_bytes || !(rate > run->working.median)) return;
    snprintf(name, sizeof name, "the same bytes at the memory rate of a wafer (%s/s)", units_bytes(rate).text);
    snprintf(note, sizeof note,
             "data/machines/cs3.json; %s fit its %s; arithmetic taken as it is here, and rewritten for it",
             units_bytes(run->tree.rss_bytes_max).text, units_bytes(n.mem_bytes).text);
    audit_what_if_bandwidth(r, AUDIT_MEMORY, rate / run->working.median, name, note);
}

static void what_ifs(audit_report *r, const live_run *run, diag *d) {
    char formula[160];
    double total = (double)r->total_ns, compute = (double)r->bucket_ns[AUDIT_COMPUTE];
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 2, "half the bytes: 16-bit data to 8, 8 to 4; or twice the bandwidth",
                            "unpacking costs arithmetic, which is not in it");
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 4,
                            "a quarter of the bytes, or each byte used four times (batch, blocking)",
                            "unpacking and larger caches' needs are not in it");
    wafer(r, run, d);
    snprintf(formula, sizeof formula, "T - (1 - 1/2) x (compute: %.3f ms, less what is not sure to be .. as judged)",
             compute / 1e6);
    double sure = fmax(0, total * (1 - r->hi) - (double)r->bucket_ns[AUDIT_IDLE]);
    if (compute > 0.01 * total)
        audit_what_if_add(r, "twice the arithmetic", total - 0.5 * compute, total - 0.5 * fmin(sure, compute), formula,
                          "wider vectors, lower precision, a faster clock");
    int threads = (int)lround(run->threads), all = cpu_count();
    if (threads < all && r->bucket_ns[AUDIT_COMPUTE] + r->bucket_ns[AUDIT_MEMORY] > 0.5 * total) {
        double k = (double)all / threads, memory = (double)r->bucket_ns[AUDIT_MEMORY];
        snprintf(formula, sizeof formula, "compute / %.3g and memory / %.3g .. memory unchanged", k, k);
        audit_what_if_add(r, "all processors at work", total - (1 - 1 / k) * (compute + memory),
                          total - (1 - 1 / k) * compute, formula,
                          "when the work can be divided; memory may not give several threads more than one");
    }
}

/* ---- pictures ---- */

static audit_bucket main_bucket(const live_sample *s) {
    double all = s->v.busy_s + s->v.io_s + s->v.idle_s;
    if (s->v.idle_s > all / 2) return AUDIT_IDLE;
    if (s->v.io_s > all / 2) return AUDIT_HOST_LINK;
    if (s->unclear) return AUDIT_UNKNOWN;
    return s->best > 0.5 ? AUDIT_MEMORY : AUDIT_COMPUTE;
}

static void lane(audit_report *r, const live_run *run) {
    size_t n = run->count < AUDIT_TIMELINE_MAX ? run->count : AUDIT_TIMELINE_MAX, used = 0;
    audit_piece *p = arena_push_n(r->a, audit_piece, n);
    if (!p) return (void)(r->oom = true);
    for (size_t i = 0; i < n; i++) {
        const live_sample *s = &run->samples[i * run->count / n];
        double wall = s->v.busy_s + s->v.queued_s + s->v.io_s + s->v.idle_s;
        audit_piece piece = {ns(s->at_s - wall), ns(s->at_s), main_bucket(s)};
        if (used && p[used - 1].bucket == piece.bucket) p[used - 1].end_ns = piece.end_ns;
        else p[used++] = piece;
    }
    r->lanes[r->lane_count++] = (audit_lane){"the command", p, used};
}

static void add_sample(audit_row *row, const live_sample *s, double set_rate) {
    double busy = s->v.busy_s, unclear = s->unclear || s->sparse ? busy * (s->hi - s->best) : 0;
    row->count++;
    row->ns += ns(busy + s->v.io_s + s->v.idle_s);
    row->bucket_ns[AUDIT_MEMORY] += ns(busy * s->best);
    row->bucket_ns[AUDIT_UNKNOWN] += ns(unclear);
    row->bucket_ns[AUDIT_COMPUTE] += ns(fmax(0, busy * (1 - s->best) - unclear));
    row->bucket_ns[AUDIT_HOST_LINK] += ns(s->v.io_s);
    row->bucket_ns[AUDIT_IDLE] += ns(s->v.idle_s);
    row->bytes += busy * s->lo * set_rate;
    row->roof_ns += busy * s->lo * 1e9;
    row->known_ns = row->ns;
}

/* Eight parts of the run, one after the other: a program that loads, then works shows it. */
static void parts(audit_report *r, const live_run *run) {
    audit_table *t = audit_table_add(r, "By part of the run", "part");
    audit_row *rows = arena_push_n(r->a, audit_row, AUDIT_PARTS);
    if (!t || !rows) return (void)(r->oom = true);
    for (size_t i = 0; i < run->count; i++) {
        size_t part = i * AUDIT_PARTS / run->count;
        const live_sample *s = &run->samples[i];
        if (!counts(run, s)) continue;
        add_sample(&rows[part], s, run->working.median);
        rows[part].name = arena_printf(r->a, "until %.2f s", s->at_s);
        if (!rows[part].name) rows[part].name = "";
    }
    t->rows = rows;
    for (size_t i = 0; i < AUDIT_PARTS; i++) {
        if (!rows[i].count) continue;
        if (rows[i].bucket_ns[AUDIT_IDLE] < 0)
            rows[i].ns -= rows[i].bucket_ns[AUDIT_IDLE], rows[i].bucket_ns[AUDIT_IDLE] = 0;
        rows[t->count++] = rows[i];
    }
}

void live_fill(audit_report *r, live_run *run, diag *d) {
    sums t = add_up(run);
    r->kind = AUDIT_OF_HOST;
    r->format = "a command on this host";
    r->window = arena_printf(r->a, "%.2f s of %.2f s, %zu samples", t.total_s, run->wall_s, run->count);
    r->device = arena_printf(r->a, "this host, %d processors", cpu_count());
    if (!r->window || !r->device) r->window = r->device = "", r->oom = true;
    buckets(r, run, &t);
    say_method(r, run, &t);
    say_thief(r, run);
    say_host(r, run, &t);
    specs(r, run);
    parts(r, run);
    lane(r, run);
    if (r->range_given) refuse(r, run);
    audit_decide(r);
    what_ifs(r, run, d);
    audit_advice(r);
}
