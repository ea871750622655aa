/* See facts.h. */
#include "audit/facts.h"
#include "audit/interval.h"
#include "base/mem.h"
#include <stdlib.h>

typedef struct {
    intervals kind[EV_KINDS], busy, move;
    uint64_t *count; /* by name */
    int64_t *sum;
    uint8_t *stream; /* by lane */
} work;

static void work_free(work *w) {
    for (int k = 0; k < EV_KINDS; k++) intervals_free(&w->kind[k]);
    intervals_free(&w->busy);
    intervals_free(&w->move);
    mem_free(w->count);
    mem_free(w->sum);
    mem_free(w->stream);
}

static bool of_device(const events *e, const device_event *ev, uint32_t device) {
    return e->lanes[ev->lane].device == device;
}

/* One pass over the events of a device: sums, and the merged intervals. */
static bool collect(const events *e, audit_facts *f, work *w) {
    for (size_t i = 0; i < e->device_count; i++) {
        const device_event *ev = &e->device[i];
        if (!of_device(e, ev, f->index)) continue;
        int64_t a = ev->start_ns, b = event_end(ev);
        if (!intervals_add(&w->kind[ev->kind], a, b) || !intervals_add(&w->busy, a, b) ||
            (ev->kind != EV_KERNEL && !intervals_add(&w->move, a, b)))
            return false;
        f->events++;
        f->kind[ev->kind].count++;
        f->kind[ev->kind].sum_ns = ns_add(f->kind[ev->kind].sum_ns, ev->dur_ns);
        f->streams += !w->stream[ev->lane];
        w->stream[ev->lane] = 1;
        if (ev->kind == EV_MEMCPY) {
            fact_copies *c = &f->copies[ev->direction];
            c->count++;
            c->bytes += ev->bytes;
            c->sum_ns = ns_add(c->sum_ns, ev->dur_ns);
        } else if (ev->kind != EV_MEMSET && ev->name < e->text_count) {
            f->distinct_kernels += !w->count[ev->name]++;
            w->sum[ev->name] = ns_add(w->sum[ev->name], ev->dur_ns);
        }
    }
    return true;
}

static void gap(audit_facts *f, int64_t ns) {
    for (int i = 0; i < FACTS_GAPS; i++)
        if (ns > f->gaps_ns[i]) {
            int64_t t = f->gaps_ns[i];
            f->gaps_ns[i] = ns;
            ns = t;
        }
}

/* Gaps between busy intervals; the event that ends one is the first, in the file's order, of those that start there. */
static void gaps(const events *e, audit_facts *f, const work *w) {
    size_t at = 0;
    for (size_t i = 1; i < w->busy.count; i++) {
        int64_t from = w->busy.v[i - 1].b, to = w->busy.v[i].a;
        while (e->device[at].start_ns < to || !of_device(e, &e->device[at], f->index)) at++;
        const device_event *ev = &e->device[at];
        gap(f, to - from);
        if (ev->launch_ns != EVENTS_NO_TIME && ev->launch_ns > from) f->idle_host_ns += to - from;
    }
}

static void top(const events *e, audit_facts *f, const work *w) {
    for (size_t i = 0; i < e->text_count; i++) {
        if (!w->count[i]) continue;
        fact_kernel k = {e->text[i].p, w->count[i], w->sum[i]};
        size_t at = f->top_count < FACTS_TOP ? f->top_count++ : FACTS_TOP - 1;
        if (at == FACTS_TOP - 1 && f->top[at].name &&
            (f->top[at].sum_ns > k.sum_ns || (f->top[at].sum_ns == k.sum_ns && strcmp(f->top[at].name, k.name) < 0)))
            continue;
        for (; at > 0 && (f->top[at - 1].sum_ns < k.sum_ns ||
                          (f->top[at - 1].sum_ns == k.sum_ns && strcmp(f->top[at - 1].name, k.name) > 0));
             at--)
            f->top[at] = f->top[at - 1];
        f->top[at] = k;
    }
}

static void derive(audit_facts *f, const work *w) {
    const intervals *compute = &w->kind[EV_KERNEL];
    for (int k = 0; k < EV_KINDS; k++) f->kind[k].union_ns = intervals_length(&w->kind[k]);
    f->first_ns = w->busy.v[0].a;
    f->last_ns = w->busy.v[w->busy.count - 1].b;
    f->span_ns = f->last_ns - f->first_ns;
    f->busy_ns = intervals_length(&w->busy);
    f->idle_ns = f->span_ns - f->busy_ns;
    f->kernel_sum_ns = ns_add(f->kind[EV_KERNEL].sum_ns, f->kind[EV_COMM].sum_ns);
    f->movement_union_ns = intervals_length(&w->move);
    f->movement_exposed_ns = f->movement_union_ns - intervals_common(&w->move, compute);
    f->comm_exposed_ns = f->kind[EV_COMM].union_ns - intervals_common(&w->kind[EV_COMM], compute);
    f->memcpy_exposed_ns = f->kind[EV_MEMCPY].union_ns - intervals_common(&w->kind[EV_MEMCPY], compute);
}

static bool device_facts(const events *e, audit_facts *f) {
    work w = {.count = mem_alloc_n(e->text_count + 1, sizeof *w.count),
              .sum = mem_alloc_n(e->text_count + 1, sizeof *w.sum),
              .stream = mem_alloc(EVENTS_LANES_MAX)};
    bool ok = w.count && w.sum && w.stream && collect(e, f, &w);
    if (ok && w.busy.count) {
        derive(f, &w);
        gaps(e, f, &w);
        top(e, f, &w);
    }
    work_free(&w);
    return ok;
}

static int by_device(const void *x, const void *y) {
    return strcmp(((const audit_facts *)x)->device, ((const audit_facts *)y)->device);
}

const audit_facts *audit_facts_of(const events *e, arena *a, size_t *count, diag *d) {
    bool seen[EVENTS_DEVICES_MAX] = {false};
    *count = 0;
    for (size_t i = 0; i < e->device_count; i++) seen[e->lanes[e->device[i].lane].device] = true;
    size_t n = 0;
    for (size_t i = 0; i < EVENTS_DEVICES_MAX; i++) n += seen[i];
    if (!n) return NULL;
    audit_facts *all = arena_push_n(a, audit_facts, n);
    for (uint32_t i = 0; all && i < EVENTS_DEVICES_MAX; i++) {
        if (!seen[i]) continue;
        audit_facts *f = &all[(*count)++];
        const event_device *dev = &e->devices[i];
        f->index = i;
        f->device = events_text_of(e, dev->id).p;
        f->device_name = dev->name == EVENTS_NONE ? "" : events_text_of(e, dev->name).p;
        if (!device_facts(e, f)) all = NULL;
    }
    if (!all) {
        *count = 0;
        return diag_oom(d, "facts of the trace"), NULL;
    }
    qsort(all, n, sizeof *all, by_device);
    return all;
}
