/* Facts of a trace: what follows from the intervals alone, without any model of a device. Exact to 1 ns.
 *
 *     size_t n;
 *     const audit_facts *f = audit_facts_of(&e, arena, &n, d);        // one per device that has events, by device name
 *
 * Definitions. Device event: kernel, copy or memset; annotations and synchronisation are not. comm: a kernel whose name is that of a
 * collective; compute: any other kernel. sum adds durations; union is the length of the union of the intervals. span = last end - first start;
 * busy = union of all; idle = span - busy. Movement = comm + copies + memsets; exposed = the part of its union in which no compute
 * kernel runs. A gap is host-caused when the launching call of the event that ends it began after the gap had begun.
 */
#ifndef INGOT_AUDIT_FACTS_H
#define INGOT_AUDIT_FACTS_H
#include "audit/events.h"
#include "base/arena.h"

enum { FACTS_TOP = 8, FACTS_GAPS = 3 };

typedef struct {
    uint64_t count;
    int64_t sum_ns, union_ns;
} fact_kind_sum;

typedef struct {
    uint64_t count, bytes;
    int64_t sum_ns;
} fact_copies;

typedef struct {
    const char *name;
    uint64_t count;
    int64_t sum_ns;
} fact_kernel;

typedef struct audit_facts {
    const char *device, *device_name;    /* "0"; "" = not in the trace */
    uint32_t index;                      /* into events.devices */
    uint64_t events, streams;
    int64_t first_ns, last_ns, span_ns, busy_ns, idle_ns, idle_host_ns, gaps_ns[FACTS_GAPS];
    fact_kind_sum kind[EV_KINDS];        /* EV_KERNEL: compute */
    int64_t kernel_sum_ns, movement_union_ns, movement_exposed_ns, comm_exposed_ns, memcpy_exposed_ns;
    fact_copies copies[COPY_DIRECTIONS];
    uint64_t distinct_kernels;
    fact_kernel top[FACTS_TOP];
    size_t top_count;
} audit_facts;

/* NULL: no memory (told), or no device events (*count = 0, not told). In the arena. */
const audit_facts *audit_facts_of(const events *e, arena *a, size_t *count, diag *d);
#endif
