/* Counters of the kernel and of the processor over a command and all that it starts (perf_event_open).
 *
 * The processor's own are often not to be had: in virtual machines, in containers, or where kernel.perf_event_paranoid
 * forbids them. Each says by name why it is missing. The clock is the kernel's and works nearly everywhere; unlike
 * /proc it is exact at any moment.
 *
 *     host_counters c;
 *     host_counters_open(&c, pid);              // before the command runs: what it starts is counted with it
 *     double s = host_counter_read(&c, COUNTER_CLOCK) * 1e-9;
 */
#ifndef INGOT_AUDIT_HOST_COUNTERS_H
#define INGOT_AUDIT_HOST_COUNTERS_H
#include "base/str.h"
#include <sys/types.h>

/* name, what it is called in messages, perf type, config; RAW ones are looked up in sysfs by their file name */
#define HOST_COUNTER_ROWS(X)                                                                                           \
    X(CLOCK, "processor time", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, NULL)                                     \
    X(MAJOR_FAULTS, "major faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ, NULL)                           \
    X(CYCLES, "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, NULL)                                            \
    X(INSTRUCTIONS, "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, NULL)                              \
    X(MISSES, "misses of the last cache", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, NULL)                        \
    X(STALLS, "cycles stalled in the back end", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, NULL)        \
    X(MEMORY_STALLS, "cycles stalled on memory", PERF_TYPE_RAW, 0, "cycle_activity.stalls_mem_any")                    \
    X(SLOTS, "top-down slots", PERF_TYPE_RAW, 0, "slots")                                                              \
    X(MEMORY_BOUND, "top-down memory bound", PERF_TYPE_RAW, 0, "topdown-mem-bound")
#define HOST_COUNTER_ENUM(name, text, type, config, file) COUNTER_##name,
typedef enum { HOST_COUNTER_ROWS(HOST_COUNTER_ENUM) COUNTERS } host_counter;
#undef HOST_COUNTER_ENUM

typedef struct {
    int fd[COUNTERS];    /* -1: not to be had */
    int error[COUNTERS]; /* errno then */
} host_counters;

/* What the processor said of a run; NAN where a counter is missing. */
typedef struct {
    double value[COUNTERS];
} host_counts;

void host_counters_open(host_counters *c, pid_t pid);
void host_counters_close(host_counters *c);
double host_counter_read(const host_counters *c,
                         host_counter which); /* NAN: missing. Scaled when it shared its register */
host_counts host_counters_read(const host_counters *c);
bool host_counters_hardware(const host_counters *c); /* cycles at least */
const char *host_counter_name(host_counter which);
/* "cycles: not supported by this processor or virtual machine; ..." of the hardware's; "" when all are there. */
void host_counters_missing(const host_counters *c, strbuf *out);

/* Share of the processor time that waited for memory, by what is there, best first: top-down; stalls on memory; misses
 * x line / rate (at least) up to all stalls of the back end (at most). false: not enough counters. lo <= best <= hi. */
typedef struct {
    double lo, best, hi;
    const char *method;
} counted_share;
bool host_counts_share(const host_counts *c, double memory_bytes_per_s, double threads, counted_share *out);
#endif
