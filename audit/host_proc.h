/* What a command and all that it started do, from /proc: who runs, who waits, for what.
 *
 *     host_tree t = {.root = pid, .self = getpid()};
 *     host_tree_look(&t);                                  // again and again; t.now - t.before is the interval
 *
 * The interval is judged by its busiest thread, since the others wait for it or run beside it: its time on the
 * processor, its time ready but without one (other jobs had it), and the rest, which is I/O when threads stood in
 * uninterruptible sleep, else idle.
 */
#ifndef INGOT_AUDIT_HOST_PROC_H
#define INGOT_AUDIT_HOST_PROC_H
#include "base/map.h"
#include <sys/types.h>

enum { HOST_THREADS_MAX = 4096, HOST_PROCESSES_MAX = 512 };

typedef struct {
    pid_t pid, tid;
    double run_s, wait_s;   /* so far: on a processor; ready without one */
    double ran_s, waited_s; /* in the last interval */
    char state;             /* R, S, D, ... */
    bool seen;
} host_thread;

typedef struct {
    /* of an interval of wall time, which they add up to */
    double busy_s, queued_s, io_s, idle_s; /* idle_s may be negative, and right in the sum */
    double cpu_s;                          /* all threads */
    double threads;                        /* how many ran beside one another: cpu_s / busy_s, at least 1 */
    pid_t busiest;                         /* process with the most processor time; 0 = none ran */
    double busiest_share;                  /* of cpu_s */
} host_interval;

typedef struct {
    pid_t root, self;
    double at_s; /* clock_seconds of the last look; 0: none yet */
    host_thread threads[HOST_THREADS_MAX];
    int count, processes, threads_max;
    double rss_bytes_max;                             /* sum over processes */
    uint64_t major_faults, read_bytes, written_bytes; /* of processes that live, the most seen */
    bool truncated;                                   /* more threads than there is room for */
    host_interval last;
} host_tree;

/* false when no process of the command is left. */
bool host_tree_look(host_tree *t);
/* Pressure of the whole host since boot, seconds in which some task waited: /proc/pressure. NAN where the kernel does
 * not count it. */
double host_pressure_s(const char *what); /* "memory", "io", "cpu" */
#endif
