/* Tables of a report: the time of the windows by operator, kind of kernel, kernel, layer, module, phase, step. Sums of
 * durations: kernels that overlap count fully in each row. */
#include "audit/analysis.h"
#include "base/mem.h"
#include <ctype.h>
#include <stdlib.h>

typedef struct {
    audit_row *rows; /* by key */
    size_t keys;
} sums;

static bool sums_new(sums *s, size_t keys) {
    *s = (sums){mem_alloc_n(keys + 1, sizeof(audit_row)), keys};
    return s->rows != NULL;
}

static int by_time(const void *x, const void *y) {
    const audit_row *a = x, *b = y;
    if (a->ns != b->ns) return a->ns > b->ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* The largest rows into a table of the report; the rest is summed. */
static bool publish(analysis *x, sums *s, const char *title, const char *unit, bool keep_order) {
    size_t n = 0, limit = x->o->rows ? x->o->rows : 12;
    for (size_t i = 0; i <= s->keys; i++)
        if (s->rows[i].count) s->rows[n++] = s->rows[i];
    bool ok = true;
    if (n) {
        if (!keep_order) qsort(s->rows, n, sizeof *s->rows, by_time);
        audit_table *t = audit_table_add(x->r, title, unit);
        audit_row *rows = t ? arena_push_n(x->a, audit_row, n < limit ? n : limit) : NULL;
        ok = rows != NULL;
        for (size_t i = 0; ok && i < n; i++) {
            audit_row *r = &s->rows[i];
            r->far_from_roof = r->roof_ns > 0 && r->known_ns > r->ns / 2 && r->roof_ns < 0.1 * (double)r->known_ns;
            if (i < limit) rows[t->count++] = *r;
            else t->hidden++, t->hidden_ns = ns_add(t->hidden_ns, r->ns);
        }
        if (ok) t->rows = rows;
    }
    mem_free(s->rows);
    return ok || diag_oom(x->d, title);
}

static void add(analysis *x, audit_row *r, const char *name, size_t i) {
    const device_event *ev = &x->e->device[i];
    r->name = name;
    r->count++;
    r->ns = ns_add(r->ns, ev->dur_ns);
    r->bucket_ns[x->bucket[i]] = ns_add(r->bucket_ns[x->bucket[i]], ev->dur_ns);
    if (ev->kind != EV_KERNEL) {
        r->bytes += (double)ev->bytes;
        r->known_ns = ns_add(r->known_ns, ev->bytes ? ev->dur_ns : 0);
        return;
    }
    const op_call *c = ev->op == EVENTS_NO_ID ? NULL : &x->call[ev->op];
    if (!c || x->why[i] != WHY_SHAPES || !(x->peaks.bytes_per_s > 0)) return;
    double share = c->ns ? (double)ev->dur_ns / (double)c->ns : 0,
           peak = c->bucket == AUDIT_COMPUTE ? x->peaks.flops16 : 0;
    r->known_ns = ns_add(r->known_ns, ev->dur_ns);
    r->flops += share * c->work.flops;
    r->bytes += share * c->work.bytes;
    r->roof_ns += share * 1e9 * (peak > 0 ? c->work.flops / peak : c->work.bytes / x->peaks.bytes_per_s);
}

/* ---- which row an event belongs to ---- */

typedef const char *row_of(analysis *x, size_t i, size_t *key);

static const char *by_kernel(analysis *x, size_t i, size_t *key) {
    *key = x->e->device[i].name;
    return events_text_of(x->e, x->e->device[i].name).p;
}

static const char *by_operator(analysis *x, size_t i, size_t *key) {
    uint64_t op = x->e->device[i].op;
    *key = op == EVENTS_NO_ID ? x->e->text_count : x->e->op[op].name;
    return op == EVENTS_NO_ID ? "(no operator in the trace)" : events_text_of(x->e, x->e->op[op].name).p;
}

/* "nn.Module: Linear_12" without its first word. */
static str module_name(const analysis *x, uint32_t text) {
    str name = events_text_of(x->e, text), prefix = STR("nn.Module: ");
    if (!str_starts(name, prefix)) return name;
    return (str){name.p + prefix.n, name.n - prefix.n};
}

static const char *by_layer(analysis *x, size_t i, size_t *key) {
    uint64_t op = x->e->device[i].op;
    uint32_t layer = op == EVENTS_NO_ID ? EVENTS_NONE : x->e->op[op].layer;
    *key = layer == EVENTS_NONE ? x->e->text_count : layer;
    return layer == EVENTS_NONE ? "(outside layers)" : module_name(x, layer).p;
}

/* "nn.Module: Linear_12" -> Linear, all of them together. */
static const char *by_module(analysis *x, size_t i, size_t *key) {
    uint64_t op = x->e->device[i].op;
    uint32_t module = op == EVENTS_NO_ID ? EVENTS_NONE : x->e->op[op].module;
    *key = x->e->text_count;
    if (module == EVENTS_NONE) return "(outside modules)";
    str name = module_name(x, module);
    while (name.n && isdigit((unsigned char)name.p[name.n - 1])) name.n--;
    if (name.n && name.p[name.n - 1] == '_') name.n--;
    for (size_t k = 0; k < x->module_count; k++)
        if (str_is(name, x->module[k])) return *key = k, x->module[k];
    if (x->module_count == MODULES_MAX) return "(further modules)";
    char *copy = arena_strndup(x->a, name.p, name.n);
    if (!copy) return "(further modules)";
    *key = x->module_count;
    return x->module[x->module_count++] = copy;
}

static const char *by_kind(analysis *x, size_t i, size_t *key) {
    static const char *const others[EV_KINDS] = {"", "collective", "copy", "memset"};
    event_kind k = (event_kind)x->e->device[i].kind;
    *key = k == EV_KERNEL ? x->kind[i] : (size_t)NAME_KINDS + k;
    return k == EV_KERNEL ? names_kind_text((name_kind)x->kind[i]) : others[k];
}

static bool fill(analysis *x, const char *title, const char *unit, row_of *row) {
    sums s;
    if (!sums_new(&s, x->e->text_count + NAME_KINDS + EV_KINDS + MODULES_MAX)) return diag_oom(x->d, title);
    for (size_t i = 0; i < x->e->device_count; i++) {
        size_t key;
        if (!analysis_mine(x, i) || !analysis_window(x, x->e->device[i].start_ns)) continue;
        const char *name = row(x, i, &key);
        add(x, &s.rows[key < s.keys ? key : s.keys], name, i);
    }
    return publish(x, &s, title, unit, false);
}

/* ---- steps and phases: from the windows, so overlap is counted once ---- */

static const char *phase_of(const step_load *l, size_t *key) {
    static const char *const names[] = {"prefill", "decode", "prefill and decode", "not told"};
    *key = !l->known ? 3 : l->prefills > 0 && l->decodes > 0 ? 2 : l->decodes > 0 ? 1 : 0;
    return names[*key];
}

static void add_window(const analysis *x, audit_row *r, const char *name, const audit_window *w) {
    int last = x->r->by_busy ? AUDIT_IDLE_HOST : AUDIT_BUCKETS;
    r->name = name;
    r->count++;
    for (int b = 0; b < last; b++) {
        r->ns = ns_add(r->ns, w->bucket_ns[b]);
        r->bucket_ns[b] = ns_add(r->bucket_ns[b], w->bucket_ns[b]);
    }
}

static bool windows(analysis *x, bool phases) {
    sums s;
    if (!sums_new(&s, phases ? 4 : x->windows)) return diag_oom(x->d, "steps");
    for (size_t i = 0; i < x->windows; i++) {
        size_t key = i;
        const char *name = phases ? phase_of(&x->window[i].load, &key) : x->window[i].name;
        add_window(x, &s.rows[key], name, &x->window[i]);
    }
    return publish(x, &s, phases ? "By phase" : "By step", phases ? "phase" : "step", true);
}

/* Kinds of kernels that the model's description placed, with the flops and bytes it gives them. */
static bool model_rows(analysis *x) {
    static const char *const names[KIND_COUNT] = {"matrix products", "experts", "attention"};
    audit_row *rows = arena_push_n(x->a, audit_row, KIND_COUNT);
    audit_table t = {0};
    for (int k = 0; rows && k < KIND_COUNT; k++) {
        const model_part *p = &x->part[k];
        if (p->bucket >= AUDIT_BUCKETS || !p->placed_ns) continue;
        double share = (double)p->placed_ns / (double)p->ns,
               roof = p->memory_s > p->compute_s ? p->memory_s : p->compute_s;
        audit_row *r = &rows[t.count++];
        *r = (audit_row){.name = names[k],
                         .count = p->calls,
                         .ns = p->placed_ns,
                         .known_ns = p->placed_ns,
                         .flops = share * p->flops,
                         .bytes = share * p->bytes,
                         .roof_ns = share * roof * 1e9};
        r->bucket_ns[p->bucket] = p->placed_ns;
        r->far_from_roof = r->roof_ns < 0.1 * (double)r->ns;
    }
    audit_table *out = t.count ? audit_table_add(x->r, "By the model's description", "kind") : NULL;
    if (out) out->rows = rows, out->count = t.count;
    return rows || diag_oom(x->d, "tables");
}

bool tables_all(analysis *x) {
    bool linked = x->e->op_count > 0, modules = false, layers = false, told = false;
    for (size_t i = 0; i < x->e->op_count; i++) {
        modules = modules || x->e->op[i].module != EVENTS_NONE;
        layers = layers || x->e->op[i].layer != EVENTS_NONE;
    }
    for (size_t i = 0; i < x->windows; i++) told = told || x->window[i].load.known;
    return (x->e->host_device || fill(x, "By kind of kernel", "kind", by_kind)) && model_rows(x) &&
           (!linked || fill(x, "By operator", "operator", by_operator)) &&
           (x->e->host_device || fill(x, "By kernel", "kernel", by_kernel)) &&
           (!layers || fill(x, "By layer", "layer", by_layer)) &&
           (!modules || fill(x, "By module", "module", by_module)) && (!told || windows(x, true)) &&
           (x->windows < 2 || windows(x, false));
}
