/* From device event to launch to operator: sort, then join.
 *
 * A device event names its operator by "External id", or its launching call by "correlation", which names the operator
 * in turn; else the operator is the innermost one on the launching thread that was open when the call was made. The
 * innermost module (nn.Module) of an operator is found the same way. Ids that occur twice mean their last event, as a
 * dictionary filled in file order has it. */
#include "audit/events.h"
#include "base/mem.h"
#include <stdlib.h>

typedef struct {
    uint64_t id, at;
} id_row;

static int by_start(const void *x, const void *y) {
    const device_event *a = x, *b = y;
    return a->start_ns != b->start_ns ? (a->start_ns < b->start_ns ? -1 : 1) : 0;
}
static int by_id(const void *x, const void *y) {
    const id_row *a = x, *b = y;
    if (a->id != b->id) return a->id < b->id ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Merge sort, bottom up, from runs that are sorted already: stable, and linear on files in order. */
static bool sort_events(device_event *v, size_t n) {
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = by_start(&v[i - 1], &v[i]) <= 0;
    if (sorted) return true;
    device_event *spare = mem_alloc_n(n, sizeof *v), *from = v, *to = spare;
    if (!spare) return false;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            size_t i = lo, j = mid, k = lo;
            while (i < mid && j < hi) to[k++] = by_start(&from[i], &from[j]) <= 0 ? from[i++] : from[j++];
            while (i < mid) to[k++] = from[i++];
            while (j < hi) to[k++] = from[j++];
        }
        device_event *t = from;
        from = to;
        to = t;
    }
    if (from != v) memcpy(v, from, n * sizeof *v);
    mem_free(spare);
    return true;
}

bool events_sort(events *e) { return sort_events(e->device, e->device_count); }

static uint64_t id_of(const id_row *rows, size_t n, uint64_t id) { /* index of the last event with it */
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rows[mid].id <= id) lo = mid + 1;
        else hi = mid;
    }
    return lo && rows[lo - 1].id == id ? rows[lo - 1].at : EVENTS_NO_ID;
}

/* ---- what encloses a moment on a thread ---- */

typedef struct {
    uint32_t thread;
    int64_t start, end; /* end < start never; a question has end = start and `asks` */
    uint64_t at;
    bool asks;
} moment;

static int by_thread(const void *x, const void *y) {
    const moment *a = x, *b = y;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    if (a->asks != b->asks) return a->asks ? 1 : -1;
    if (a->end != b->end) return a->end > b->end ? -1 : 1; /* the outer one first */
    return a->at < b->at ? -1 : a->at > b->at;
}

enum { DEPTH_MAX = 512 };

/* Answers every question with the innermost range open at that moment; the stack forgets the outermost beyond
 * DEPTH_MAX. */
static void enclose(moment *m, size_t n, uint64_t *answer) {
    struct {
        int64_t end;
        uint64_t at;
    } stack[DEPTH_MAX];
    size_t depth = 0;
    qsort(m, n, sizeof *m, by_thread);
    for (size_t i = 0; i < n; i++) {
        if (i && m[i].thread != m[i - 1].thread) depth = 0;
        while (depth && stack[depth - 1].end <= m[i].start && !(m[i].asks && stack[depth - 1].end == m[i].start))
            depth--;
        if (m[i].asks) answer[m[i].at] = depth ? stack[depth - 1].at : EVENTS_NO_ID;
        else if (depth < DEPTH_MAX) stack[depth].end = m[i].end, stack[depth++].at = m[i].at;
    }
}

/* "nn.Module: LlamaDecoderLayer_3", "nn.Module: TransformerBlock_0": one of a stack of layers. */
static bool is_layer(str name) { return str_contains(name, STR("Layer_")) || str_contains(name, STR("Block_")); }

static bool modules(events *e, bool layers) {
    size_t n = 0, count = 0;
    for (size_t i = 0; i < e->range_count; i++) n += e->range[i].kind == RANGE_MODULE;
    if (!n || !e->op_count) return true;
    moment *m = mem_alloc_n(n + e->op_count, sizeof *m);
    uint64_t *answer = mem_alloc_n(e->op_count, sizeof *answer);
    bool ok = m && answer;
    for (size_t i = 0; ok && i < e->range_count; i++) {
        const named_range *r = &e->range[i];
        if (r->kind == RANGE_MODULE && (!layers || is_layer(events_text_of(e, r->name))))
            m[count++] = (moment){r->thread, r->start_ns, r->start_ns + r->dur_ns, i, false};
    }
    for (size_t i = 0; ok && i < e->op_count; i++)
        m[count++] = (moment){e->op[i].thread, e->op[i].start_ns, e->op[i].start_ns, i, true};
    if (ok) {
        enclose(m, count, answer);
        for (size_t i = 0; i < e->op_count; i++)
            if (answer[i] != EVENTS_NO_ID) *(layers ? &e->op[i].layer : &e->op[i].module) = e->range[answer[i]].name;
    }
    mem_free(m);
    mem_free(answer);
    return ok;
}

/* ---- joining ---- */

typedef struct {
    id_row *ops, *launches;
    uint64_t *launch_op; /* of every launch: index of its operator */
} joins;

static id_row *rows_of(size_t n) { return mem_alloc_n(n ? n : 1, sizeof(id_row)); }

static bool launch_ops(const events *e, joins *j, size_t op_rows) {
    size_t asked = 0, count = 0;
    for (size_t i = 0; i < e->launch_count; i++) {
        uint64_t x = e->launch[i].external;
        j->launch_op[i] = x == EVENTS_NO_ID ? EVENTS_NO_ID : id_of(j->ops, op_rows, x);
        asked += j->launch_op[i] == EVENTS_NO_ID;
    }
    if (!asked || !e->op_count) return true;
    moment *m = mem_alloc_n(asked + e->op_count, sizeof *m);
    if (!m) return false;
    for (size_t i = 0; i < e->op_count; i++)
        m[count++] = (moment){e->op[i].thread, e->op[i].start_ns, e->op[i].start_ns + e->op[i].dur_ns, i, false};
    for (size_t i = 0; i < e->launch_count; i++)
        if (j->launch_op[i] == EVENTS_NO_ID)
            m[count++] = (moment){e->launch[i].thread, e->launch[i].start_ns, e->launch[i].start_ns, i, true};
    enclose(m, count, j->launch_op);
    mem_free(m);
    return true;
}

static bool is_launch(str name) {
    return str_contains(name, STR("Launch")) || str_contains(name, STR("Memcpy")) || str_contains(name, STR("Memset"));
}

static void join_events(events *e, const joins *j, size_t op_rows, uint8_t *used) {
    for (size_t i = 0; i < e->device_count; i++) {
        device_event *ev = &e->device[i];
        uint64_t at =
            ev->correlation == EVENTS_NO_ID ? EVENTS_NO_ID : id_of(j->launches, e->launch_count, ev->correlation);
        uint64_t op = ev->external == EVENTS_NO_ID ? EVENTS_NO_ID : id_of(j->ops, op_rows, ev->external);
        if (op == EVENTS_NO_ID && at != EVENTS_NO_ID) op = j->launch_op[at];
        ev->op = op;
        ev->launch_ns = at == EVENTS_NO_ID ? EVENTS_NO_TIME : e->launch[at].start_ns;
        if (at != EVENTS_NO_ID) used[at] = 1;
        e->unlinked += op == EVENTS_NO_ID && (ev->kind == EV_KERNEL || ev->kind == EV_COMM);
    }
    /* Launches behind the last one that shows were cut off with the end of the trace. */
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < e->launch_count; i++)
        if (used[i] && e->launch[i].start_ns > last) last = e->launch[i].start_ns;
    for (size_t i = 0; i < e->launch_count; i++)
        e->lost_launches += !used[i] && e->launch[i].start_ns < last && is_launch(events_text_of(e, e->launch[i].name));
}

bool events_finish(events *e, diag *d) {
    joins j = {rows_of(e->op_count), rows_of(e->launch_count),
               mem_alloc_n(e->launch_count ? e->launch_count : 1, sizeof(uint64_t))};
    uint8_t *used = mem_alloc(e->launch_count + 1);
    bool ok = !e->oom && j.ops && j.launches && j.launch_op && used && events_sort(e);
    size_t ops = 0;
    for (size_t i = 0; ok && i < e->op_count; i++)
        if (e->op[i].external != EVENTS_NO_ID) j.ops[ops++] = (id_row){e->op[i].external, i};
    for (size_t i = 0; ok && i < e->launch_count; i++) j.launches[i] = (id_row){e->launch[i].correlation, i};
    if (ok) {
        qsort(j.ops, ops, sizeof *j.ops, by_id);
        qsort(j.launches, e->launch_count, sizeof *j.launches, by_id);
        ok = launch_ops(e, &j, ops);
    }
    if (ok) join_events(e, &j, ops, used);
    ok = ok && modules(e, false) && modules(e, true);
    mem_free(j.ops);
    mem_free(j.launches);
    mem_free(j.launch_op);
    mem_free(used);
    return ok || diag_oom(d, "events of the trace");
}
