/* The thief is a thread on a processor of its own; the command, and what is measured for comparison, keep off it. */
#include "audit/host_thief.h"
#include "audit/host_child.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"
#include "llm/kern.h"
#include "perf/measure.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIECE = 1 << 20, SLICES = 9 };
#define SLICE_S 0.02

typedef struct {
    uint8_t *bytes;
    size_t size;
    int cpu;
    _Atomic unsigned level; /* 0 = sleeps, THIEF_LEVELS = reads all the time */
    _Atomic unsigned stop;
    _Atomic uint64_t done, sink;
    pthread_t thread;
} thief;

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void nap(double seconds) {
    struct timespec t = {.tv_nsec = (long)(seconds * 1e9)};
    nanosleep(&t, NULL);
}

static void *steal(void *arg) {
    thief *t = arg;
    pin(t->cpu);
    for (size_t at = 0; !atomic_load(&t->stop); at = at + 2 * PIECE <= t->size ? at + PIECE : 0) {
        unsigned level = atomic_load(&t->level);
        double since = clock_seconds();
        if (level == 0) {
            nap(0.001);
            continue;
        }
        atomic_fetch_add(&t->sink, kern_read(t->bytes + at, PIECE));
        atomic_fetch_add(&t->done, PIECE);
        if (level < THIEF_LEVELS) nap((clock_seconds() - since) * (THIEF_LEVELS - level) / level);
    }
    return NULL;
}

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* Seconds of own time per byte read, or per round of arithmetic. */
static double reading_cost(const uint8_t *bytes, size_t size, size_t *at, uint64_t *sink) {
    double since = thread_seconds(), now = since;
    size_t done = 0;
    while (now - since < SLICE_S) {
        *sink += kern_read(bytes + *at, PIECE);
        done += PIECE;
        *at = *at + 2 * PIECE <= size ? *at + PIECE : 0;
        now = thread_seconds();
    }
    return (now - since) / (double)done;
}

static double arithmetic_cost(uint64_t *sink) {
    double since = thread_seconds(), now = since, rounds = 0;
    while (now - since < SLICE_S) {
        *sink += perf_multiply_adds(1 << 14) > 0;
        rounds++;
        now = thread_seconds();
    }
    return (now - since) / rounds;
}

/* How much all-memory and no-memory slow down at each level, in turn with the thief asleep. */
static bool calibrate(thief *t, thief_result *out, diag *d) {
    uint8_t *own = mem_pages(t->size);
    size_t at = 0;
    uint64_t sink = 0;
    double reader[SLICES], arithmetic[SLICES];
    if (!own) return diag_oom(d, "buffer for measuring bandwidth");
    memset(own, 1, t->size);
    for (unsigned level = 1; level <= THIEF_LEVELS; level++) {
        double stolen = 0, wall = 0;
        for (int i = 0; i < SLICES; i++) {
            double alone = reading_cost(own, t->size, &at, &sink), calm = arithmetic_cost(&sink);
            uint64_t before = atomic_load(&t->done);
            double since = clock_seconds();
            atomic_store(&t->level, level);
            reader[i] = reading_cost(own, t->size, &at, &sink) / alone;
            arithmetic[i] = arithmetic_cost(&sink) / calm;
            atomic_store(&t->level, 0);
            stolen += (double)(atomic_load(&t->done) - before);
            wall += clock_seconds() - since;
        }
        out->level[level - 1] = (thief_level){
            .rate = stolen / wall, .reader = median(reader, SLICES), .arithmetic = median(arithmetic, SLICES)};
    }
    atomic_fetch_add(&t->sink, sink);
    mem_pages_free(own, t->size);
    return true;
}

static bool run_once(char *const argv[], double *seconds, diag *d) {
    host_child c;
    char how[160];
    if (!host_child_start(&c, argv, d) || !host_child_go(&c, argv[0], d)) return false;
    while (!host_child_wait(&c, 3600)) continue;
    host_child_end(&c);
    host_child_how(&c, how, sizeof how);
    const struct timeval *u = &c.usage.ru_utime, *s = &c.usage.ru_stime;
    *seconds = (double)(u->tv_sec + s->tv_sec) + 1e-6 * (double)(u->tv_usec + s->tv_usec);
    return !how[0] || diag_error(d, "'%s' %s when it was run again", argv[0], how);
}

static double quartiles(double *v, int n) {
    double m = median(v, n); /* sorts */
    return m > 0 ? (v[3 * n / 4] - v[n / 4]) / m : 1;
}

static bool runs_of(thief *t, char *const argv[], int runs, thief_result *out, diag *d) {
    double times[THIEF_LEVELS + 1][THIEF_RUNS_MAX];
    for (int i = 0; i < runs; i++)
        for (unsigned level = 0; level <= THIEF_LEVELS; level++) {
            atomic_store(&t->level, level);
            bool ok = run_once(argv, &times[level][i], d);
            atomic_store(&t->level, 0);
            if (!ok) return false;
        }
    out->alone_s = median(times[0], runs);
    for (int level = 0; level <= THIEF_LEVELS; level++) out->spread = fmax(out->spread, quartiles(times[level], runs));
    for (int level = 0; level < THIEF_LEVELS; level++)
        out->level[level].program = out->alone_s > 0 ? median(times[level + 1], runs) / out->alone_s : 1;
    return true;
}

void thief_judge(thief_result *t) {
    double weights = 0, sum = 0, power = 0;
    for (int i = 0; i < THIEF_LEVELS; i++) {
        const thief_level *l = &t->level[i];
        double full = l->reader - l->arithmetic;
        power = full;
        if (!(full > 0)) continue;
        sum += (i + 1) * (l->program - l->arithmetic); /* a slope through zero */
        weights += (i + 1) * full;
    }
    if (!(power >= THIEF_POWER_MIN) || !(weights > 0)) {
        snprintf(t->reason, sizeof t->reason,
                 "a second reader slows a reader here by %.0f %% only: one processor cannot take enough bandwidth from "
                 "another",
                 100 * fmax(0, power));
        t->refused = t->reason;
        return;
    }
    double share = sum / weights;
    t->share = share < 0 ? 0 : share > 1 ? 1 : share;
    t->error = t->spread / power;
    if (t->spread > 0.15 || t->error > 0.5) {
        snprintf(t->reason, sizeof t->reason,
                 "its runs differ by %.0f %%, too much for the %.0f %% that a reader slows down here", 100 * t->spread,
                 100 * power);
        t->refused = t->reason;
    }
}

/* The last processor of those that this process may use is the thief's; everything else, the command included, keeps to
 * the others. */
static bool reserve(cpu_set_t *all, thief *t) {
    cpu_set_t rest;
    int last = -1;
    if (sched_getaffinity(0, sizeof *all, all) || CPU_COUNT(all) < 2) return false;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, all)) last = i;
    rest = *all;
    CPU_CLR(last, &rest);
    t->cpu = last;
    return sched_setaffinity(0, sizeof rest, &rest) == 0;
}

bool host_thief_run(char *const argv[], int runs, size_t set_bytes, thief_result *out, diag *d) {
    cpu_set_t all;
    thief t = {.size = set_bytes};
    *out = (thief_result){0};
    if (!reserve(&all, &t)) {
        out->refused = "there is no free processor for the reader: it needs two";
        return true;
    }
    t.bytes = mem_pages(t.size);
    bool ok = t.bytes || diag_oom(d, "buffer for stealing bandwidth");
    if (ok) memset(t.bytes, 1, t.size);
    if (ok && pthread_create(&t.thread, NULL, steal, &t)) ok = diag_error(d, "cannot start a thread");
    else if (ok) {
        ok = calibrate(&t, out, d);
        thief_judge(out); /* without power, the command need not run again */
        if (ok && !(out->refused &&
                    out->level[THIEF_LEVELS - 1].reader - out->level[THIEF_LEVELS - 1].arithmetic < THIEF_POWER_MIN)) {
            out->refused = NULL;
            ok = runs_of(&t, argv, runs < THIEF_RUNS_MAX ? runs : THIEF_RUNS_MAX, out, d);
            if (ok) thief_judge(out);
        }
        atomic_store(&t.stop, 1);
        pthread_join(t.thread, NULL);
    }
    mem_pages_free(t.bytes, t.size);
    sched_setaffinity(0, sizeof all, &all);
    return ok;
}
