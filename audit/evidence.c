/* What a verdict rests on, in sentences with numbers; and what was left out. */
#include "audit/analysis.h"
#include "base/units.h"
#include <math.h>
#include <stdlib.h>

static unit_text ms(double ns) { return units_seconds(ns / 1e9); }
static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

/* ---- copies and collectives ---- */

static void copies(analysis *x) {
    for (int k = 1; k < COPY_DIRECTIONS; k++) {
        const fact_copies *c = &x->f->copies[k];
        if (!c->count || (double)c->sum_ns < 0.005 * (double)x->f->span_ns) continue;
        double rate = (double)c->bytes / (double)c->sum_ns,
               roof = k == COPY_HTOD || k == COPY_DTOH ? x->peaks.host_link / 1e9 : 0;
        char of[48] = "";
        if (roof > 0) snprintf(of, sizeof of, ", %.0f %% of the link", 100 * rate / roof);
        audit_evidence(x->r, "copies %s: %llu, %s in %s: %.2f GB/s%s", names_direction_text((copy_direction)k),
                       (unsigned long long)c->count, units_bytes((double)c->bytes).text, ms((double)c->sum_ns).text,
                       rate, of);
    }
}

/* Bytes that pass a device's link for a message of n bytes (the larger side) among k ranks: an all-reduce sends it
 * around twice, others once. */
static double link_bytes(str name, double n, double k) {
    bool twice = str_contains(name, STR("AllReduce")) || str_contains(name, STR("all_reduce")) ||
                 str_contains(name, STR("allreduce"));
    return (twice ? 2 : 1) * (k - 1) / k * n;
}

static void bus(analysis *x) {
    double bytes = 0, ns = 0, all = 0;
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || ev->kind != EV_COMM) continue;
        all += (double)ev->dur_ns;
        if (!ev->bytes || ev->direction < 2 || ev->direction == 255) continue;
        bytes += link_bytes(events_text_of(x->e, ev->name), (double)ev->bytes, ev->direction);
        ns += (double)ev->dur_ns;
    }
    char of[64] = "";
    if (!(ns > 0)) return;
    if (x->peaks.network > 0)
        snprintf(of, sizeof of, ", %.0f %% of the link's %s", 100 * bytes / ns * 1e9 / x->peaks.network,
                 units_si(x->peaks.network, "B/s").text);
    audit_evidence(x->r, "collectives whose messages are known (%.0f %% of their time): %s pass a device's link, %s%s",
                   percent(ns, all), units_bytes(bytes).text, units_si(bytes / ns * 1e9, "B/s").text, of);
}

static void collectives(analysis *x) {
    const fact_kind_sum *c = &x->f->kind[EV_COMM];
    if (!c->count) return;
    audit_evidence(x->r, "collectives: %llu calls, %s, of which %s are not hidden by kernels",
                   (unsigned long long)c->count, ms((double)c->sum_ns).text, ms((double)x->f->comm_exposed_ns).text);
    bus(x);
    if (!x->o->ranks)
        audit_note(x->r, "time in collectives contains waiting for slower ranks: name the other ranks' files too, and "
                         "it is told apart");
    else
        audit_evidence(x->r,
                       "over %zu ranks: %s of the collectives' time here is waiting for slower ranks (counted as idle, "
                       "other); %zu calls had no partner",
                       x->o->ranks->ranks, ms((double)x->skew_ns).text, x->o->ranks->unmatched);
}

/* ---- kernels ---- */

static void placed(analysis *x) {
    static const char *const how[WHY_COUNT] = {"not placed", "by shapes", "by the model", "by the batch", "by name"};
    char text[256] = "";
    int64_t sum = 0;
    for (int k = 0; k < WHY_COUNT; k++) sum = ns_add(sum, x->why_ns[k]);
    for (int k = 0; k < WHY_COUNT; k++)
        if (x->why_ns[k])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %.0f %%", *text ? ", " : "", how[k],
                     percent((double)x->why_ns[k], (double)sum));
    if (sum) audit_evidence(x->r, "kernels on the roofline, of %s: %s", ms((double)sum).text, text);
}

static void at_roof(analysis *x) {
    const audit_report *r = x->r;
    if (r->memory_roof_ns > 0)
        audit_evidence(x->r, "memory-bound kernels take %s; their bytes at the full rate of memory take %s (%.0f %%%s)",
                       ms((double)r->bucket_ns[AUDIT_MEMORY]).text, ms(r->memory_roof_ns).text,
                       percent(r->memory_roof_ns, (double)r->bucket_ns[AUDIT_MEMORY]),
                       (x->why_ns[WHY_NAME] + x->why_ns[WHY_BATCH]) * 100 > r->bucket_ns[AUDIT_MEMORY]
                           ? "; those placed by name or batch have no byte count"
                           : "");
    if (r->compute_roof_ns > 0)
        audit_evidence(x->r, "compute-bound kernels take %s; their arithmetic at the full rate takes %s (%.0f %%)",
                       ms((double)r->bucket_ns[AUDIT_COMPUTE]).text, ms(r->compute_roof_ns).text,
                       percent(r->compute_roof_ns, (double)r->bucket_ns[AUDIT_COMPUTE]));
    if (x->flops > 0)
        audit_evidence(x->r, "by shapes: %s and %s, %.1f FLOP/B", units_si(x->flops, "FLOP").text,
                       units_bytes(x->bytes).text, x->flops / x->bytes);
    if ((double)r->far_ns > 0.05 * (double)r->total_ns)
        audit_evidence(x->r,
                       "%s are in kernels that reach under a tenth of either roof: latency or occupancy, not "
                       "bandwidth, holds them back",
                       ms((double)r->far_ns).text);
}

static void model(analysis *x) {
    static const char *const names[KIND_COUNT] = {"matrix products", "experts", "attention"};
    double flops = 0, bytes = 0, memory = 0, compute = 0;
    if (!x->o->model) return;
    for (int k = 0; k < KIND_COUNT; k++) {
        const model_part *p = &x->part[k];
        if (!(p->bytes > 0)) continue;
        flops += p->flops;
        bytes += p->bytes;
        memory += p->memory_s;
        compute += p->compute_s;
        if (p->rejected)
            audit_note(x->r,
                       "%s: the model's step would run faster than the roof allows, so it does not fit this trace "
                       "(another model, batch or --tp?)",
                       names[k]);
        else if (p->ns)
            audit_evidence(x->r,
                           "%s, by the model: %s and %s, %.1f FLOP/B; %s at full memory speed, %s at full compute "
                           "speed, measured %s",
                           names[k], units_bytes(p->bytes).text, units_si(p->flops, "FLOP").text, p->flops / p->bytes,
                           ms(p->memory_s * 1e9).text, ms(p->compute_s * 1e9).text, ms((double)p->ns).text);
    }
    double roof = fmax(memory, compute) * 1e9;
    if (bytes > 0)
        audit_evidence(x->r,
                       "the model's step%s: %s moved, %s, %.0f FLOP/B; %s at full memory speed, %s at full compute "
                       "speed, measured %s: at %.0f %% of the %s roof",
                       x->windows > 1 ? "s" : "", units_bytes(bytes).text, units_si(flops, "FLOP").text, flops / bytes,
                       ms(memory * 1e9).text, ms(compute * 1e9).text, ms((double)x->r->total_ns).text,
                       percent(roof, (double)x->r->total_ns), memory > compute ? "memory" : "compute");
    else
        audit_note(x->r, "the model tells nothing without the tokens of a step: --batch N for decoding, or a trace "
                         "with annotated steps");
}

/* ---- steps ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Without idle time when that says nothing. */
static double length_of(const analysis *x, const audit_window *w) {
    int64_t idle = x->r->by_busy ? w->bucket_ns[AUDIT_IDLE] + w->bucket_ns[AUDIT_IDLE_HOST] : 0;
    return (double)(w->to_ns - w->from_ns - idle);
}

static double share_of(const analysis *x, const audit_window *w) {
    double t = length_of(x, w);
    return t > 0 ? (double)(w->bucket_ns[AUDIT_HOST_LINK] + w->bucket_ns[AUDIT_NETWORK] + w->bucket_ns[AUDIT_COPIES] +
                            w->bucket_ns[AUDIT_MEMORY]) /
                       t
                 : 0;
}

static void steps(analysis *x) {
    size_t n = x->windows;
    double *times = arena_push_n(x->a, double, n), *shares = arena_push_n(x->a, double, n);
    if (n < 2 || !times || !shares) return;
    for (size_t i = 0; i < n; i++) times[i] = length_of(x, &x->window[i]), shares[i] = share_of(x, &x->window[i]);
    qsort(times, n, sizeof *times, by_value);
    qsort(shares, n, sizeof *shares, by_value);
    audit_evidence(x->r, "%zu steps: median %s (%s .. %s); share of moving data: median %.0f %% (%.0f .. %.0f %%)", n,
                   ms(times[n / 2]).text, ms(times[0]).text, ms(times[n - 1]).text, 100 * shares[n / 2],
                   100 * shares[0], 100 * shares[n - 1]);
}

static void loads(analysis *x) {
    const step_load *l = &x->window->load;
    if (!l->known) return;
    char kv[64] = "";
    if (l->kv_known) snprintf(kv, sizeof kv, ", %.0f tokens of context read", l->prefill_kv + l->decode_kv);
    audit_evidence(x->r, "the %sstep: %.0f tokens: %.0f prompts and %.0f sequences decoding%s",
                   x->windows > 1 ? "first " : "", l->tokens, l->prefills, l->decodes, kv);
}

/* ---- what was left out ---- */

static void outside(analysis *x) {
    int64_t out = 0, unlinked = 0;
    uint64_t n = 0, m = 0;
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i)) continue;
        if (!analysis_window(x, ev->start_ns)) out = ns_add(out, ev->dur_ns), n++;
        else if (ev->op == EVENTS_NO_ID && ev->kind == EV_KERNEL) unlinked = ns_add(unlinked, ev->dur_ns), m++;
    }
    if (n)
        audit_note(x->r, "%llu device events (%s) begin outside the window", (unsigned long long)n,
                   ms((double)out).text);
    if (m && x->e->op_count)
        audit_note(x->r, "%llu kernels (%s) in the window have no operator in the file (graphs, or a step before)",
                   (unsigned long long)m, ms((double)unlinked).text);
}

static void counted(analysis *x, uint64_t n, const char *what) {
    if (n) audit_note(x->r, "%llu %s", (unsigned long long)n, what);
}

static void missing(analysis *x) {
    const audit_report *r = x->r;
    bool roofs = x->peaks.flops16 > 0 && x->peaks.bytes_per_s > 0;
    if (!roofs)
        audit_note(x->r,
                   "the device's roofs are not known: --machine NAME (ingot machine list), or --tflops and --gbs");
    if (r->share[AUDIT_UNKNOWN] < 0.05 || x->e->host_device) return;
    if (!x->window->load.known)
        audit_note(x->r, "kernels were not classified: the sequences per step would help (--batch N when it decodes), "
                         "or record_shapes=True in the profiler");
    if (!x->o->model)
        audit_note(x->r,
                   "kernels were not classified: a description of the model would help (-m NAME or a config.json)");
}

static void other_devices(analysis *x) {
    if (x->r->fact_count < 2) return;
    audit_note(x->r, "the busiest of %zu devices is judged; --device N takes another", x->r->fact_count);
}

void evidence_all(analysis *x) {
    copies(x);
    collectives(x);
    loads(x);
    placed(x);
    at_roof(x);
    model(x);
    steps(x);
    outside(x);
    other_devices(x);
    missing(x);
    if (x->rejected_ns)
        audit_note(x->r, "%s of kernels: what their shapes say would be faster than the roof, so it is not believed",
                   ms((double)x->rejected_ns).text);
    if (x->e->graphs_as_one)
        audit_note(x->r, "graphs were traced as one row each: the kernels inside are missing (nsys profile "
                         "--cuda-graph-trace=node shows them)");
    if (x->e->cut_short) audit_note(x->r, "the file ends in the middle: what comes before is judged");
    counted(x, x->e->broken, "events of the file make no sense and were skipped");
    counted(x, x->e->negative, "events with a negative duration were left out");
    counted(x, x->e->out_of_range, "events with times that are no numbers or out of range were left out");
    counted(x, x->e->dropped, "names, lanes or pairs beyond the limits were left out");
}
