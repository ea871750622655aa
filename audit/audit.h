/* The audit: is this workload stuck at the memory wall, how sure is that, and what would help?
 *
 *     audit_report r;
 *     audit_report_init(&r, arena, AUDIT_OF_TRACE, "trace.json.gz");
 *     r.bucket_ns[AUDIT_MEMORY] = ...;                  // a reader of traces or a live run fills it
 *     audit_note(&r, "436 kernels have no operator");   // what was left out
 *     audit_decide(&r);                                 // total, shares, verdict: one rule for every input
 *     audit_text(&r, &out);                             // or audit_json, audit_html
 *     return audit_exit_status(&r, -1);
 *
 * In: buckets of time with the rows behind them, whoever measured them. Out: a verdict, three reports, an exit status. Readers of
 * traces: audit/trace.h; what they hold: audit/events.h.
 *
 * Time of a window is split into eight buckets that add up to it, overlap counted once (audit/split.h): a moment in which a kernel
 * computes is the kernel's, whatever else is copied meanwhile. From them:
 *     lo   = (host link + network + copies) / total                    proven: it stands in the trace
 *     best = lo + memory / total                                       by the roofline
 *     hi   = best + unknown / total                                    cannot be ruled out
 * A live run that measured the share itself, with a spread, gives the range instead (`range_given`).
 *
 * The 50 % rule: when moving data takes more than half of the time, look for bandwidth and fewer bytes, not for arithmetic.
 *
 * Times are ns, bytes bytes, flops floating-point operations. Everything that a report points to lives in its arena; a report that ran out of
 * memory says so (`oom`) and ignores further additions. Not thread-safe.
 */
#ifndef INGOT_AUDIT_AUDIT_H
#define INGOT_AUDIT_AUDIT_H
#include "base/arena.h"
#include "base/diag.h"

/* name, of a trace, of a host program, colour, what it is */
#define AUDIT_BUCKET_ROWS(X)                                                                                           \
    X(HOST_LINK, "host link", "paging and I/O", "#d62728", "copies between host and device that no kernel hides")      \
    X(NETWORK, "network", "network", "#ff7f0e", "collectives that no kernel hides")                                    \
    X(COPIES, "device copies", "memory copies", "#e377c2", "copies and memsets on the device that no kernel hides")    \
    X(MEMORY, "device memory", "memory", "#9467bd", "kernels that wait for memory, by the roofline")                   \
    X(COMPUTE, "compute", "compute", "#2ca02c", "kernels that wait for arithmetic, by the roofline")                   \
    X(UNKNOWN, "not classified", "not classified", "#7f7f7f", "kernels of which neither can be shown")                 \
    X(IDLE_HOST, "idle, waiting for host", "off the processor", "#1f77b4", "nothing was queued: the host had launched nothing") \
    X(IDLE, "idle, other", "idle", "#c7c7c7", "queued work waited: dependencies, synchronisation")
#define AUDIT_ENUM(name, trace, host, colour, what) AUDIT_##name,
typedef enum { AUDIT_BUCKET_ROWS(AUDIT_ENUM) AUDIT_BUCKETS } audit_bucket;
#undef AUDIT_ENUM

typedef enum { AUDIT_OF_TRACE, AUDIT_OF_HOST, AUDIT_OF_RUN } audit_kind; /* GPU trace; live command; Ingot's own report */

typedef enum {
    AUDIT_NO_DEVICE,     /* nothing to judge: no device events */
    AUDIT_LAUNCH_BOUND,  /* the device waits for the host for over half of the time */
    AUDIT_WALL_PROVEN,   /* lo > 0.5 */
    AUDIT_WALL_ROOFLINE, /* best > 0.5 */
    AUDIT_UNDECIDED,     /* hi > 0.5 */
    AUDIT_COMPUTE_BOUND, /* none of these, and compute is over half */
    AUDIT_MIXED,         /* none of these */
    AUDIT_VERDICTS
} audit_verdict;

enum { AUDIT_EXIT_CLEAR = 0, AUDIT_EXIT_UNREADABLE = 1, AUDIT_EXIT_WALL = 3, AUDIT_EXIT_UNDECIDED = 4 };

/* A number that the verdict rests on: a peak of the device, a batch size. `origin` says who says so: "data/machines/h100.json",
 * "the trace", "option --gbs". */
typedef struct {
    const char *name;
    double value;
    const char *unit, *origin;
} audit_spec;

/* One operator, kernel, layer, step or phase. */
typedef struct {
    const char *name;
    uint64_t count;                    /* calls */
    int64_t ns;                        /* sum of durations */
    int64_t bucket_ns[AUDIT_BUCKETS];  /* of that */
    double flops, bytes;               /* 0 = not known; bytes of device memory, or of the link for copies and collectives */
    int64_t known_ns;                  /* of ns: in events whose flops and bytes are known; rates are over this */
    double roof_ns;                    /* what that work takes at the roof; 0 = not known */
    bool far_from_roof;                /* roof_ns is under a tenth of known_ns: waits for latency or occupancy, not for bandwidth */
} audit_row;

typedef struct {
    const char *title, *unit;          /* "By operator", "operator" */
    audit_row *rows;                   /* in the order of printing */
    size_t count, hidden;              /* hidden: further rows that were left out */
    int64_t hidden_ns;
} audit_table;

/* What a change would give: the window's time then, as a range; each from a formula that is printed. */
typedef struct {
    const char *name;                  /* "twice the memory bandwidth" */
    double total_lo_ns, total_hi_ns;   /* the window then */
    double gain;                       /* now / then, in the middle of the range; sorted by it */
    const char *formula, *note;        /* how it was computed; what it takes or leaves out; "" = nothing */
} audit_what_if;

/* For the picture: pieces of a lane in order, merged to at most AUDIT_TIMELINE_MAX per lane. */
typedef struct {
    int64_t start_ns, end_ns;          /* from the window's start */
    audit_bucket bucket;
} audit_piece;
typedef struct {
    const char *name;
    const audit_piece *pieces;
    size_t count;
} audit_lane;
enum { AUDIT_TIMELINE_MAX = 2000, AUDIT_LIST_MAX = 64 };

typedef struct {
    const char *text[AUDIT_LIST_MAX];
    size_t count;
} audit_lines;

struct audit_facts;                    /* audit/facts.h */

typedef struct {
    /* what was looked at */
    arena *a;
    audit_kind kind;
    const char *input;                 /* file or command, as the user named it */
    const char *format;                /* "PyTorch profiler (Kineto)" */
    const char *device;                /* "device 0, NVIDIA H100"; "" = not known */
    const char *window;                /* how the window was chosen: "ProfilerStep#6, annotated on the device" */
    bool by_busy;                      /* idle time says nothing (a sampled trace): left out of the total */
    bool has_device;                   /* false: nothing to judge */

    /* what was found: filled by the reader */
    int64_t bucket_ns[AUDIT_BUCKETS];  /* their sum is the total */
    double memory_roof_ns;             /* what the kernels of AUDIT_MEMORY take at the full rate of memory: the lower number */
    double compute_roof_ns;            /* the same of AUDIT_COMPUTE, at full arithmetic */
    double link_roof_ns;               /* of AUDIT_HOST_LINK at the full rate of the link; 0 = not known */
    int64_t far_ns;                    /* of MEMORY and COMPUTE: in rows far from either roof */
    bool range_given;                  /* lo, best, hi were measured; not to be derived from the buckets */
    bool range_proven;                 /* and `lo` rests on counters, not on a model: only then is a wall proven */
    const char *refused;               /* why no verdict is given though there are numbers (noise); NULL: decide */
    audit_spec specs[AUDIT_LIST_MAX];
    size_t spec_count;
    double peak_flops_per_s, memory_bytes_per_s; /* roofs for the picture; 0 = none */
    audit_table tables[8];
    size_t table_count;
    audit_what_if what_ifs[AUDIT_LIST_MAX];
    size_t what_if_count;
    audit_lines evidence, advice, notes; /* why; what to do first, then, last; what was left out */
    audit_lane lanes[8];
    size_t lane_count;
    const struct audit_facts *facts;   /* of a trace, one per device; NULL otherwise */
    size_t fact_count;

    /* what follows: by audit_decide */
    int64_t total_ns;
    double share[AUDIT_BUCKETS];
    double lo, best, hi;
    audit_verdict verdict;
    audit_bucket biggest;              /* of what moves data, when that is the wall; of all but idle otherwise */
    bool oom;
} audit_report;

void audit_report_init(audit_report *r, arena *a, audit_kind kind, const char *input);

/* Adding to the lists; what does not fit is dropped, and said in the notes. Texts are copied. */
void audit_note(audit_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void audit_evidence(audit_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void audit_advise(audit_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void audit_specify(audit_report *r, const char *name, double value, const char *unit, const char *origin);
/* Keeps those that gain something: `gain` is computed here, and the list sorted. */
void audit_what_if_add(audit_report *r, const char *name, double total_lo_ns, double total_hi_ns, const char *formula,
                       const char *note);
audit_table *audit_table_add(audit_report *r, const char *title, const char *unit); /* NULL: full */

/* The one place that decides: total, shares, lo, best, hi, verdict, biggest. */
void audit_decide(audit_report *r);
/* What a script sees. fail_above < 0: by the verdict; else AUDIT_EXIT_WALL when best > fail_above, and AUDIT_EXIT_CLEAR otherwise
 * (AUDIT_EXIT_UNDECIDED still when there is nothing to judge). */
int audit_exit_status(const audit_report *r, double fail_above);
/* The advice of the verdict (docs/audit.md) into r->advice. */
void audit_advice(audit_report *r);
/* What follows from buckets alone: s times the bandwidth of one bucket takes the total to between
 * T - (1 - 1/s) x (bucket's time) and T - (1 - 1/s) x (its time at the roof). */
void audit_what_if_bandwidth(audit_report *r, audit_bucket b, double s, const char *name, const char *note);

const char *audit_verdict_name(audit_verdict v);              /* "memory_wall_proven": for programs */
const char *audit_bucket_name(audit_bucket b, audit_kind k);  /* for people */
const char *audit_bucket_key(audit_bucket b);                 /* "host_link": for programs */
const char *audit_bucket_colour(audit_bucket b);
const char *audit_bucket_what(audit_bucket b);
/* "memory wall, by the roofline: device memory" */
void audit_verdict_text(const audit_report *r, strbuf *out);

void audit_text(const audit_report *r, strbuf *out);
void audit_json(const audit_report *r, strbuf *out);
void audit_html(const audit_report *r, strbuf *out);
#endif
