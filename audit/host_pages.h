/* Bytes that a process brings into its caches, without hardware counters: from its working set.
 *
 * The processor marks a page when it is used. Clear all marks, wait x, count them: that is the working set W(x), the
 * bytes used in a time x. A cache of C bytes that keeps what was used last misses at the rate dW/dx at the x where W(x)
 * = C (P. Denning, "The working set model for program behavior", CACM 11(5), 1968; Denning and Slutz, CACM 21(9),
 * 1978). So the slope of W beyond the private caches is the traffic from shared cache and memory, of any program,
 * unchanged, at the cost of a walk over its page table.
 *
 *     page_curve w;
 *     if (host_pages_look(pid, &counters, w.huge_share > 0.05, &w)) r = host_pages_rate(&w, cache_bytes,
 * host_pages_mark_cost(), 10e9); if (r.kind == PAGES_MOVE) printf("%.1f GB/s\n", r.bytes / r.seconds / 1e9);
 *
 * Marks are of whole pages: a program that uses a few bytes of many pages (random access) moves less than it seems.
 * Then the rate is above what memory can deliver, which callers can see. Marking a small page anew costs time on
 * virtual machines (host_pages_mark_cost); it is taken off. Needs /proc/PID/clear_refs and smaps_rollup (Linux 4.14),
 * same user.
 */
#ifndef INGOT_AUDIT_HOST_PAGES_H
#define INGOT_AUDIT_HOST_PAGES_H
#include "audit/host_counters.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PAGE_POINTS = 10 };

typedef struct {
    double cpu_s[PAGE_POINTS]; /* the process's own time since the marks were cleared, all threads */
    double bytes[PAGE_POINTS]; /* used since then */
    int count;
    double rss_bytes;
    double huge_share;  /* of it in huge pages */
    double small_share; /* of what is used, in small pages: 1 - huge_share when nothing better is known */
    double wall_s;      /* what the whole look took */
} page_curve;

/* All used fits the cache; it does not; it was used up before the first look, and may or may not leave the private
 * cache; the process hardly ran while it was looked at. */
typedef enum { PAGES_FIT, PAGES_MOVE, PAGES_UNCLEAR, PAGES_IDLE } pages_kind;
typedef struct {
    pages_kind kind;
    double bytes, seconds; /* of the slope: bytes per processor time, less what marking cost; 0 when it fits */
    double raw_s;          /* with what marking cost */
} page_rate;

/* One look, some 50 ms. false: the process is gone or may not be looked at (errno). `c`: whose clock counts the
 * processor time, NULL = the process's, which is coarse. `flush`: drop the processor's translations too: large pages
 * need it, for small ones it would take long. */
bool host_pages_look(pid_t pid, const host_counters *c, bool flush, page_curve *w);
/* `mark_s`: host_pages_mark_cost, or 0. `full_rate`: bytes per second that one thread can move; a process that ran for
 * less than it takes to fill the cache a few times over has shown nothing by not filling it. */
page_rate host_pages_rate(const page_curve *w, double cache_bytes, double mark_s, double full_rate);
/* Seconds that the first use of a small page costs after its mark was cleared: measured on this process; 0 = not
 * measurable. */
double host_pages_mark_cost(void);
#endif
