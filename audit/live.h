/* A live audit: runs a command on this host and says how much of its time waited for memory.
 *
 *     audit_live_options o = {.argv = argv};
 *     audit_live_end end;
 *     if (!audit_live(&r, &o, &end, d)) return 1;       // could not start, too short: told
 *     audit_text(&r, &out);                             // decided already, with what-ifs and advice
 *
 * Methods, in the order of trust, each with its uncertainty; the report says which were there and which were not.
 *
 * - Counters: what the processor counts (audit/host_counters.h).
 * - Differential: the command again, beside a reader that takes bandwidth away (audit/host_thief.h). Only with `runs`,
 *   since running a command twice may do something twice.
 * - Pages: bytes that pass the private caches, from the marks of pages (audit/host_pages.h), against the rate at which
 *   the same number of threads moves such a set here, measured before and after (perf/roofs.h).
 *
 * By pages: with u = rate of the program / that rate, the time bound by memory is between u (it reads as fast as can
 * be) and u / AUDIT_REACH_LOW (it reads badly); u / AUDIT_REACH is taken. AUDIT_REACH_LOW is assumed, from the engines
 * measured in docs/performance.md; AUDIT_REACH is what comes nearest to `ingot bench --hot` for decoding in F16, Q8_0
 * and Q4_0. The first use of a small page after a look costs time on virtual machines; it is measured and taken off,
 * except for the lower end. A program that seems to move more than memory can deliver uses little of each page; its
 * pages per second x the latency of memory are taken then, between nothing and all.
 *
 * Time ready to run but without a processor is other programs' doing and left out of the total.
 */
#ifndef INGOT_AUDIT_LIVE_H
#define INGOT_AUDIT_LIVE_H
#include "audit/audit.h"
#include "audit/host_counters.h"
#include "audit/host_pages.h"
#include "audit/host_proc.h"
#include "audit/host_thief.h"
#include "perf/roofs.h"

#define AUDIT_REACH     0.85
#define AUDIT_REACH_LOW 0.5
/* Above this share of the reading rate, pages are used in part; small ones, whose marking is taken off as if nothing
 * hid it. */
#define AUDIT_SPARSE       1.3
#define AUDIT_SPARSE_SMALL 2.0
#define AUDIT_SPREAD_MAX   0.15 /* no verdict when the spread is larger and could turn it */
enum { AUDIT_SAMPLES_MIN = 10, AUDIT_PARTS = 8 };

typedef struct {
    char *const *argv; /* NULL-terminated */
    double skip_s;     /* left out at the start */
    double for_s;      /* the command is ended after that; 0 = never */
    int64_t runs;      /* of the differential, each alone and beside the reader; 0 = none */
} audit_live_options;

typedef struct {
    int status;    /* as of waitpid */
    char how[160]; /* "ended with status 3"; "" = status 0 */
    bool stopped;  /* by for_s: the status says nothing */
} audit_live_end;

/* What stands between the measuring and the report. */
typedef struct {
    double at_s; /* since the start */
    host_interval v;
    page_curve curve; /* count 0: could not be looked at */
    page_rate rate;
    double lo, best, hi; /* share of v.busy_s that waited for memory */
    bool unclear, sparse;
} live_sample;

typedef struct {
    live_sample *samples;
    size_t count, room;
    host_caches caches;
    roof_rate before, after; /* one thread, the set that stands for memory */
    roof_rate working;       /* `threads` threads, a set as large as the program's: the better of read and triad */
    size_t working_bytes;
    double threads;   /* weighted by time */
    double set_bytes; /* most that was used within one look */
    double mark_s, latency_s;
    double spread; /* of the share: twice its standard error */
    double wall_s, skipped_s;
    host_counters counters;
    host_counts counts; /* of the whole run */
    bool counted;       /* the processor's counters gave the share */
    counted_share by_counters;
    host_tree tree;
    bool stolen; /* the differential was asked for */
    thief_result thief;
    double pressure_before[3], pressure_after[3]; /* memory, io, cpu; seconds */
    int looks_failed, look_error;
} live_run;

bool audit_live(audit_report *r, const audit_live_options *o, audit_live_end *end, diag *d);

/* The parts, for tests: samples to shares; shares to buckets, evidence, what-ifs, verdict. */
void live_judge_samples(live_run *run);
void live_fill(audit_report *r, live_run *run, diag *d);
#endif
