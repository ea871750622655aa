/* A trace without a device: the processor is the device, and its work are the operators that call no others. What is
 * between them (Python, dispatch, the outer operators' own time) is idle. Kernel names say nothing here and small sets
 * stay in caches, so only shapes against roofs that the user gives place an operator. */
#include "audit/events.h"
#include "base/mem.h"
#include <stdlib.h>

typedef struct {
    const host_op *op;
    size_t at;
} op_ref;

static int by_thread(const void *x, const void *y) {
    const op_ref *a = x, *b = y;
    if (a->op->thread != b->op->thread) return a->op->thread < b->op->thread ? -1 : 1;
    if (a->op->start_ns != b->op->start_ns) return a->op->start_ns < b->op->start_ns ? -1 : 1;
    if (a->op->dur_ns != b->op->dur_ns) return a->op->dur_ns > b->op->dur_ns ? -1 : 1; /* the outer one first */
    return a->at < b->at ? -1 : a->at > b->at;
}

/* In that order an operator calls another exactly when the next one on its thread begins before it ends. */
static bool is_leaf(const op_ref *r, size_t i, size_t n) {
    return i + 1 == n || r[i + 1].op->thread != r[i].op->thread ||
           r[i + 1].op->start_ns >= r[i].op->start_ns + r[i].op->dur_ns;
}

bool events_host_as_device(events *e, diag *d) {
    op_ref *refs = mem_alloc_n(e->op_count + 1, sizeof *refs);
    bool ok = refs != NULL;
    for (size_t i = 0; ok && i < e->op_count; i++) refs[i] = (op_ref){&e->op[i], i};
    if (ok) qsort(refs, e->op_count, sizeof *refs, by_thread);
    for (size_t i = 0; ok && i < e->op_count; i++) {
        const host_op *op = refs[i].op;
        if (!is_leaf(refs, i, e->op_count)) continue;
        ok = events_add_device(e, (device_event){.start_ns = op->start_ns,
                                                 .dur_ns = op->dur_ns,
                                                 .op = refs[i].at,
                                                 .launch_ns = EVENTS_NO_TIME,
                                                 .name = op->name,
                                                 .kind = EV_KERNEL,
                                                 .lane = events_lane(e, STR("cpu"), events_text_of(e, op->thread))});
    }
    mem_free(refs);
    e->host_device = true;
    return (ok && events_sort(e)) || diag_oom(d, "operators of the trace");
}
