/* See ranks.h. */
#include "audit/ranks.h"
#include "audit/analyse.h"
#include <stdlib.h>

bool ranks_calls(rank_calls *c, arena *a, const events *e, int64_t device, diag *d) {
    size_t count, n = 0;
    *c = (rank_calls){.ranks = 1};
    const audit_facts *all = audit_facts_of(e, a, &count, d),
                      *f = all ? audit_choose_device(all, count, device, d) : NULL;
    if (!f) return !all && diag_error_count(d) == 0; /* no device: no calls */
    for (size_t i = 0; i < e->device_count; i++)
        n += e->device[i].kind == EV_COMM && e->lanes[e->device[i].lane].device == f->index;
    c->name = arena_push_n(a, const char *, n + 1);
    c->least_ns = arena_push_n(a, int64_t, n + 1);
    if (!c->name || !c->least_ns) return diag_oom(d, "collectives");
    for (size_t i = 0; i < e->device_count; i++) {
        const device_event *ev = &e->device[i];
        if (ev->kind != EV_COMM || e->lanes[ev->lane].device != f->index) continue;
        const char *name = arena_strdup(a, events_text_of(e, ev->name).p);
        if (!name) return diag_oom(d, "collectives");
        c->name[c->count] = name;
        c->least_ns[c->count++] = ev->dur_ns;
    }
    return true;
}

typedef struct {
    const char *name;
    size_t at;
} call;

static int by_name(const void *x, const void *y) {
    const call *a = x, *b = y;
    int c = strcmp(a->name, b->name);
    return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

static call *sorted(const rank_calls *c, arena *a) {
    call *v = arena_push_n(a, call, c->count + 1);
    for (size_t i = 0; v && i < c->count; i++) v[i] = (call){c->name[i], i};
    if (v) qsort(v, c->count, sizeof *v, by_name);
    return v;
}

static size_t run(const call *v, size_t i, size_t n) { /* calls of the name at i */
    size_t k = i;
    while (k < n && !strcmp(v[k].name, v[i].name)) k++;
    return k - i;
}

bool ranks_least(rank_calls *c, const rank_calls *other, arena *a, diag *d) {
    call *mine = sorted(c, a), *theirs = sorted(other, a);
    if (!mine || !theirs) return diag_oom(d, "collectives");
    c->ranks++;
    for (size_t i = 0, j = 0; i < c->count;) {
        size_t n = run(mine, i, c->count);
        while (j < other->count && strcmp(theirs[j].name, mine[i].name) < 0) j++;
        bool same = j < other->count && !strcmp(theirs[j].name, mine[i].name) && run(theirs, j, other->count) == n;
        for (size_t k = 0; same && k < n; k++) {
            int64_t ns = other->least_ns[theirs[j + k].at], *least = &c->least_ns[mine[i + k].at];
            if (ns < *least) *least = ns;
        }
        if (!same) c->unmatched += n;
        i += n;
    }
    return true;
}
