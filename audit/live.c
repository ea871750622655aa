/* Running and looking: the command is started behind a gate, counters are opened on it, and then samples are taken
 * until it ends, each an interval of the process tree with one look at the pages of its busiest process. */
#include "audit/live.h"
#include "audit/host_child.h"
#include "base/mem.h"
#include "base/units.h"
#include <errno.h>
#include <math.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_S       0.05
#define FIRST_PAUSE_S 0.01 /* short programs get their samples early on */
enum { FIRST_SAMPLES = 20, SAMPLES_MAX = 100000, SAMPLER_NICE = -10 };
static const char *const pressures[3] = {"memory", "io", "cpu"};

static live_sample *new_sample(live_run *run) {
    if (run->count == run->room) {
        size_t room = run->room ? 2 * run->room : 256;
        live_sample *more = room <= SAMPLES_MAX ? mem_resize(run->samples, room * sizeof *more) : NULL;
        if (!more) return NULL;
        run->samples = more;
        run->room = room;
    }
    live_sample *s = &run->samples[run->count++];
    *s = (live_sample){0};
    return s;
}

/* What does not fit any more (a run of hours) is thinned out: every second sample goes. */
static live_sample *next_sample(live_run *run) {
    live_sample *s = new_sample(run);
    if (s || run->count < 2) return s;
    for (size_t i = 0; i < run->count / 2; i++) run->samples[i] = run->samples[2 * i];
    run->count /= 2;
    return new_sample(run);
}

static bool sample(live_run *run, const host_child *c, diag *d) {
    live_sample *s = next_sample(run);
    if (!s) return diag_oom(d, "samples");
    pid_t pid = run->tree.last.busiest ? run->tree.last.busiest : c->pid;
    double huge = run->count > 1 ? run->samples[run->count - 2].curve.huge_share : 0;
    if (!host_pages_look(pid, &run->counters, huge > 0.05, &s->curve)) {
        s->curve.count = 0;
        if (errno != ESRCH && errno != ENOENT) run->looks_failed++, run->look_error = errno;
    }
    s->at_s = clock_seconds() - c->start_s;
    if (!host_tree_look(&run->tree)) {
        run->count--;
        return true;
    }
    s->v = run->tree.last;
    return true;
}

/* The last piece of the run, too short for a sample of its own, is in the wall time only. */
static bool watch(live_run *run, host_child *c, const audit_live_options *o, bool *stopped, diag *d) {
    double pause = FIRST_PAUSE_S;
    while (!host_child_wait(c, pause)) {
        if (!sample(run, c, d)) return false;
        const live_sample *s = run->count ? &run->samples[run->count - 1] : NULL;
        pause = run->count < FIRST_SAMPLES ? FIRST_PAUSE_S : PAUSE_S;
        if (s && 2 * s->curve.wall_s > pause && run->count >= AUDIT_SAMPLES_MIN) pause = 2 * s->curve.wall_s;
        double left = o->for_s > 0 ? c->start_s + o->for_s - clock_seconds() : 1;
        if (left <= 0) {
            *stopped = true;
            run->counts = host_counters_read(&run->counters);
            kill(c->pid, SIGTERM);
            if (!host_child_wait(c, 3)) kill(c->pid, SIGKILL);
        }
    }
    if (!*stopped) run->counts = host_counters_read(&run->counters);
    return true;
}

/* Programs move data as sums or as several streams do; which is faster depends on the machine. */
static bool roof_of(int threads, size_t set_bytes, roof_rate *out, diag *d) {
    roof_rate triad = {0};
    pool *p = pool_new(threads, d);
    bool ok =
        p && roof_memory(p, ROOF_READ, set_bytes, 0.2, out, d) && roof_memory(p, ROOF_TRIAD, set_bytes, 0.2, &triad, d);
    if (ok && triad.median > out->median) *out = triad;
    pool_free(p);
    return ok;
}

static double clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Threads and working set that the roof is measured for: what the run had, weighted by its busy time. */
static void describe(live_run *run) {
    double busy = 0, cpu = 0;
    for (size_t i = 0; i < run->count; i++) {
        const live_sample *s = &run->samples[i];
        if (s->at_s <= run->skipped_s) continue;
        busy += s->v.busy_s;
        cpu += s->v.cpu_s;
        if (s->curve.count && s->curve.bytes[s->curve.count - 1] > run->set_bytes)
            run->set_bytes = s->curve.bytes[s->curve.count - 1];
    }
    run->threads = clamp(busy > 0 ? cpu / busy : 1, 1, cpu_count());
}

static bool measure_roofs(live_run *run, diag *d) {
    size_t dram = roof_dram_bytes(&run->caches);
    int threads = (int)lround(run->threads);
    /* a set that the private caches hold has no traffic; then memory itself stands there */
    bool caches_hold = run->set_bytes < 2.0 * (double)run->caches.l2_bytes * threads || run->set_bytes > (double)dram;
    run->working_bytes = caches_hold ? dram : (size_t)run->set_bytes;
    return roof_of(1, dram, &run->after, d) && roof_of(threads, run->working_bytes, &run->working, d) &&
           roof_latency(dram / 4, &run->latency_s, d);
}

static bool too_short(const live_run *run, const host_child *c, diag *d) {
    size_t usable = 0;
    for (size_t i = 0; i < run->count; i++) usable += run->samples[i].at_s > run->skipped_s;
    if (usable >= AUDIT_SAMPLES_MIN) return false;
    double ran = c->end_s - c->start_s, each = run->count ? ran / (double)run->count : 0.1;
    diag_error(
        d,
        "ran for %.2f s, of which %zu samples count: too short to measure. At least %d are needed, that is about "
        "%.1f s%s: give it more work",
        ran, usable, AUDIT_SAMPLES_MIN, fmax(0.5, 1.5 * AUDIT_SAMPLES_MIN * fmax(each, 0.05)) + run->skipped_s,
        run->skipped_s > 0 ? " with what --skip leaves out" : "");
    return true;
}

static void pressure(double out[3]) {
    for (int i = 0; i < 3; i++) out[i] = host_pressure_s(pressures[i]);
}

static bool run_once(live_run *run, const audit_live_options *o, audit_live_end *end, diag *d) {
    host_child c;
    if (!host_child_start(&c, o->argv, d)) return false;
    run->tree.root = c.pid;
    run->tree.self = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_TIMERSLACK, 1000);
    host_counters_open(&run->counters, c.pid);
    host_tree_look(&run->tree);
    pressure(run->pressure_before);
    bool ok = host_child_go(&c, o->argv[0], d);
    if (ok) {
        /* Looks must be on time when processors are short; not allowed to everybody, and not needed on a quiet machine.
         */
        int nice_before = getpriority(PRIO_PROCESS, 0);
        bool ahead = setpriority(PRIO_PROCESS, 0, SAMPLER_NICE) == 0;
        ok = watch(run, &c, o, &end->stopped, d);
        if (ahead) setpriority(PRIO_PROCESS, 0, nice_before);
        pressure(run->pressure_after);
        host_child_end(&c);
        end->status = c.status;
        if (!end->stopped) host_child_how(&c, end->how, sizeof end->how);
        run->wall_s = c.end_s - c.start_s;
        /* rusage has the children that were waited for; /proc had those that were seen */
        if ((uint64_t)c.usage.ru_majflt > run->tree.major_faults) run->tree.major_faults = (uint64_t)c.usage.ru_majflt;
        ok = ok && !too_short(run, &c, d);
        if (!ok && end->how[0]) diag_error(d, "'%s' %s", o->argv[0], end->how);
    }
    host_counters_close(&run->counters);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    return ok;
}

bool audit_live(audit_report *r, const audit_live_options *o, audit_live_end *end, diag *d) {
    live_run *run = mem_alloc(sizeof *run);
    *end = (audit_live_end){0};
    if (!run) return diag_oom(d, "audit");
    run->caches = host_caches_read();
    if (run->caches.l2_bytes == 0) run->caches.l2_bytes = MIB;
    run->skipped_s = o->skip_s;
    run->mark_s = host_pages_mark_cost();
    bool ok = roof_of(1, roof_dram_bytes(&run->caches), &run->before, d) && run_once(run, o, end, d);
    if (ok) {
        describe(run);
        ok = measure_roofs(run, d);
    }
    if (ok && o->runs > 0 && !end->how[0] && !end->stopped) {
        run->stolen = true;
        ok = host_thief_run(o->argv, (int)o->runs, roof_dram_bytes(&run->caches), &run->thief, d);
    }
    if (ok) {
        live_judge_samples(run);
        live_fill(r, run, d);
    }
    mem_free(run->samples);
    mem_free(run);
    return ok;
}
