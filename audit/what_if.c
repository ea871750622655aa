/* What would help, and by how much: each a range from a formula over what was measured. Where a model's description and
 * the step's tokens are known, the predictor answers instead (what_if_model.c).
 *
 * The two ends. Fast: the kernels concerned keep their efficiency, so their measured time shrinks with their bytes.
 * Slow: only what their bytes take at the full rate goes away, because the rest of their time is not bandwidth. */
#include "audit/what_if.h"
#include "base/units.h"
#include <math.h>

void what_if_tell(analysis *x, const char *name, double lo, double hi, const char *formula, const char *note) {
    double t = (double)x->r->total_ns;
    if (lo > 0 && hi > 0 && t / ((lo + hi) / 2) >= 1 + GAIN_PERCENT_MIN / 100.0)
        audit_what_if_add(x->r, name, lo, hi, formula, note);
}

static double total(const analysis *x) { return (double)x->r->total_ns; }
static double in(const analysis *x, audit_bucket b) { return (double)x->r->bucket_ns[b]; }

/* ---- sums over kernels ---- */

typedef struct {
    double weights_ns,
        weights_roof_ns; /* of memory-bound products: the part of their time that reads weights; those at full rate */
    double kv_ns, kv_roof_ns;       /* of memory-bound attention, the same of K and V */
    double fused_ns, fused_roof_ns; /* saved when chains of streaming kernels become one each */
    double worse_ns;                /* over 1 / 0.6 of the roof, of kernels whose roof is known */
    double roof_gap_ns;             /* over the roof itself */
    uint64_t chains, chained;
} kernel_sums;

typedef struct {
    double ns, most_ns, bytes, most_bytes;
    uint64_t count;
    bool unknown;
} chain;

static void end_chain(const analysis *x, kernel_sums *s, chain *c) {
    if (c->count > 1) {
        bool known = !c->unknown && c->bytes > 0;
        s->fused_ns += c->ns - (known ? c->ns * c->most_bytes / c->bytes : c->most_ns);
        if (known && x->peaks.bytes_per_s > 0)
            s->fused_roof_ns += (c->bytes - c->most_bytes) / x->peaks.bytes_per_s * 1e9;
        s->chains++;
        s->chained += c->count;
    }
    *c = (chain){0};
}

static void in_chain(const analysis *x, size_t i, chain *c) {
    const device_event *ev = &x->e->device[i];
    double bytes = 0;
    if (x->why[i] == WHY_SHAPES) {
        const op_call *call = &x->call[ev->op];
        bytes = call->ns ? call->work.bytes * (double)ev->dur_ns / (double)call->ns : 0;
    } else c->unknown = true;
    c->ns += (double)ev->dur_ns;
    c->bytes += bytes;
    c->most_ns = fmax(c->most_ns, (double)ev->dur_ns);
    c->most_bytes = fmax(c->most_bytes, bytes);
    c->count++;
}

static bool streaming(const analysis *x, size_t i) {
    if (x->e->device[i].kind != EV_KERNEL || x->bucket[i] != AUDIT_MEMORY) return false;
    return x->why[i] == WHY_SHAPES ? x->call[x->e->device[i].op].work.streaming : x->kind[i] == NAME_STREAM;
}

/* The share of a product's bytes that are weights: 1 is the most that can be when only the batch placed it. */
static void weights(const analysis *x, size_t i, kernel_sums *s) {
    const device_event *ev = &x->e->device[i];
    double ns = (double)ev->dur_ns;
    if (x->why[i] == WHY_SHAPES) {
        const op_call *c = &x->call[ev->op];
        double share = c->ns ? ns / (double)c->ns : 0;
        s->weights_ns += ns * c->work.weight_bytes / c->work.bytes;
        if (x->peaks.bytes_per_s > 0) s->weights_roof_ns += share * c->work.weight_bytes / x->peaks.bytes_per_s * 1e9;
    } else s->weights_ns += ns;
}

static void roof_of(const analysis *x, size_t i, kernel_sums *s) {
    const device_event *ev = &x->e->device[i];
    if (x->why[i] != WHY_SHAPES || !(x->peaks.bytes_per_s > 0) || !(x->peaks.flops16 > 0)) return;
    const op_call *c = &x->call[ev->op];
    double share = c->ns ? (double)ev->dur_ns / (double)c->ns : 0, ns = (double)ev->dur_ns;
    double roof = share * 1e9 *
                  (c->bucket == AUDIT_MEMORY ? c->work.bytes / x->peaks.bytes_per_s : c->work.flops / x->peaks.flops16);
    s->roof_gap_ns += fmax(0, ns - roof);
    s->worse_ns += fmax(0, ns - roof / 0.6);
}

static bool sum_up(analysis *x, kernel_sums *s) {
    chain *open = arena_push_n(x->a, chain, EVENTS_LANES_MAX);
    if (!open) return diag_oom(x->d, "what-ifs");
    for (size_t i = 0; i < x->e->device_count; i++) {
        uint16_t lane = x->e->device[i].lane;
        if (!analysis_mine(x, i) || !analysis_window(x, x->e->device[i].start_ns)) continue;
        if (streaming(x, i)) in_chain(x, i, &open[lane]);
        else end_chain(x, s, &open[lane]);
        if (x->e->device[i].kind != EV_KERNEL) continue;
        roof_of(x, i, s);
        if (x->bucket[i] == AUDIT_MEMORY && x->kind[i] == NAME_GEMM) weights(x, i, s);
        if (x->bucket[i] == AUDIT_MEMORY && x->kind[i] == NAME_ATTENTION && x->why[i] == WHY_BATCH)
            s->kv_ns += (double)x->e->device[i].dur_ns;
    }
    for (size_t lane = 0; lane < x->e->lane_count; lane++) end_chain(x, s, &open[lane]);
    for (int k = 0; k < KIND_COUNT; k++) {
        const model_part *p = &x->part[k];
        if (p->bucket >= AUDIT_BUCKETS || !p->ns) continue;
        double share = (double)p->placed_ns / (double)p->ns, roof = share * 1e9 * fmax(p->memory_s, p->compute_s);
        s->roof_gap_ns += fmax(0, (double)p->placed_ns - roof);
        s->worse_ns += fmax(0, (double)p->placed_ns - roof / 0.6);
    }
    return true;
}

/* ---- what follows from them ---- */

static void kernels(analysis *x, const kernel_sums *s) {
    char f[300], name[120];
    double t = total(x);
    if (s->chains) {
        snprintf(name, sizeof name, "streaming kernels fused: %llu chains of %llu kernels become one each",
                 (unsigned long long)s->chains, (unsigned long long)s->chained);
        snprintf(f, sizeof f,
                 "T - the chains' time x (1 - bytes of the largest / bytes of all) = T - %.3f ms; at least their bytes "
                 "at full rate, %.3f ms",
                 s->fused_ns / 1e6, s->fused_roof_ns / 1e6);
        what_if_tell(x, name, t - s->fused_ns, t - s->fused_roof_ns, f,
                     "a chain may read more than its largest member alone; needs no purchase");
    }
    if (s->roof_gap_ns > 0) {
        snprintf(
            f, sizeof f,
            "T - (measured - roof) over kernels whose roof is known = T - %.3f ms; at 60 %% of the roof T - %.3f ms",
            s->roof_gap_ns / 1e6, s->worse_ns / 1e6);
        what_if_tell(x, "better kernels: every one at 60 to 100 % of its roof", t - s->roof_gap_ns, t - s->worse_ns, f,
                     "the same device and the same bytes");
    }
}

static void quantise(analysis *x, const kernel_sums *s) {
    static const struct {
        const char *name;
        double bits;
    } to[] = {{"weights of 8 bits", 8}, {"weights of 4 bits", 4.25}};
    char f[300];
    double now = x->o->weights ? x->o->weights->bits : x->o->model ? x->o->model->weight_bits : 16;
    for (size_t i = 0; i < sizeof to / sizeof *to && s->weights_ns > 0; i++) {
        double saved = 1 - to[i].bits / now;
        if (saved <= 0) continue;
        snprintf(f, sizeof f,
                 "T - (1 - %g/%g) x (memory-bound products reading weights: %.3f ms as measured, %.3f ms at full rate)",
                 to[i].bits, now, s->weights_ns / 1e6, s->weights_roof_ns / 1e6);
        what_if_tell(x, to[i].name, total(x) - saved * s->weights_ns, total(x) - saved * s->weights_roof_ns, f,
                     x->o->weights || x->o->model ? "" : "weights now taken as 16 bits; --weights says otherwise");
    }
    if (s->kv_ns > 0 && (!x->o->kv || x->o->kv->bits > 8)) {
        snprintf(f, sizeof f, "T - 1/2 x (memory-bound attention: at most %.3f ms)", s->kv_ns / 1e6);
        what_if_tell(x, "keys and values of 8 bits", total(x) - s->kv_ns / 2, total(x), f, "");
    }
}

static void batch(analysis *x, const kernel_sums *s) {
    char f[300];
    if (!(x->window->load.decodes > 0) || x->window->load.prefills > 0) return;
    double once = s->weights_ns + in(x, AUDIT_IDLE_HOST);
    snprintf(f, sizeof f,
             "per the same number of sequences: T - 1/2 x (reading weights, and waiting for the host: %.3f ms; at "
             "least weights at full rate %.3f ms)",
             once / 1e6, s->weights_roof_ns / 1e6);
    what_if_tell(x, "twice the batch", total(x) - once / 2, total(x) - s->weights_roof_ns / 2, f,
                 "throughput: a step itself gets longer");
}

static void devices(analysis *x) {
    perf_machine faster[8];
    char name[160];
    audit_what_if_bandwidth(x->r, AUDIT_MEMORY, 2, "twice the memory bandwidth", "");
    if (!(x->peaks.bytes_per_s > 0) || x->r->share[AUDIT_MEMORY] < 0.05) return;
    size_t n = audit_peaks_faster(&x->peaks, x->a, faster, 8, x->d);
    for (size_t i = 0; i<n; i += n> 1 ? n - 1 : 1) { /* the next and the fastest */
        double rate = faster[i].mem_bw_bytes_per_s.value;
        snprintf(name, sizeof name, "memory as fast as of %s (%.2f TB/s)", faster[i].title, rate / 1e12);
        audit_what_if_bandwidth(x->r, AUDIT_MEMORY, rate / x->peaks.bytes_per_s, name, "its bandwidth alone counts");
    }
}

static void wafer(analysis *x) {
    perf_machine m;
    char f[300];
    double bytes = x->r->memory_roof_ns / 1e9 * x->peaks.bytes_per_s,
           known = x->r->memory_roof_ns > 0 ? in(x, AUDIT_MEMORY) : 0;
    double by_shapes = (double)(x->why_ns[WHY_SHAPES] + x->why_ns[WHY_MODEL]);
    if (!(known > 0) || by_shapes < 0.8 * (in(x, AUDIT_MEMORY) + in(x, AUDIT_COMPUTE)) ||
        !perf_machine_load(&m, x->a, "cs3", x->d))
        return;
    double there = bytes / m.mem_bw_bytes_per_s.value * 1e9;
    snprintf(f, sizeof f, "T - memory-bound time (%.3f ms, or %.3f ms at its roof) + %s at %s",
             in(x, AUDIT_MEMORY) / 1e6, x->r->memory_roof_ns / 1e6, units_bytes(bytes).text,
             units_si(m.mem_bw_bytes_per_s.value, "B/s").text);
    what_if_tell(x, "the same bytes at a wafer's memory bandwidth (cs3)", total(x) - in(x, AUDIT_MEMORY) + there,
                 total(x) - x->r->memory_roof_ns + there, f,
                 "all else as measured; with -m MODEL the predictor answers for the whole machine");
}

/* ---- links, host, arithmetic ---- */

static void link_roof(analysis *x) {
    double bytes = 0, best = 0;
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || x->bucket[i] != AUDIT_HOST_LINK || !analysis_window(x, ev->start_ns)) continue;
        bytes += (double)ev->bytes;
        if (ev->bytes > 1 << 20 && ev->dur_ns > 0) best = fmax(best, (double)ev->bytes / (double)ev->dur_ns);
    }
    x->link_bytes = bytes;
    double rate = x->peaks.host_link > 0 ? x->peaks.host_link / 1e9 : best;
    if (rate > 0) x->r->link_roof_ns = bytes / rate;
}

static void host_link(analysis *x) {
    char f[300];
    double h = in(x, AUDIT_HOST_LINK), t = total(x), rest = t - h;
    link_roof(x);
    if (x->r->share[AUDIT_HOST_LINK] < 0.05) return;
    audit_what_if_bandwidth(x->r, AUDIT_HOST_LINK, 2,
                            "half the bytes over the host link (weights of half the bits), or a link twice as fast",
                            "");
    double again = x->peaks.bytes_per_s > 0 ? x->link_bytes / x->peaks.bytes_per_s * 1e9 : 0;
    snprintf(f, sizeof f, "T - host link (%.3f ms) + %s read from device memory instead (%.3f ms)", h / 1e6,
             units_bytes(x->link_bytes).text, again / 1e6);
    what_if_tell(x, "what is copied stays on the device", rest + again, t - fmin(h, x->r->link_roof_ns) + again, f,
                 "as far as it is the same bytes each time, and fits");
    snprintf(
        f, sizeof f,
        "the longer of host link (%.3f ms) and all else (%.3f ms), when all of it overlaps; no gain when none does",
        h / 1e6, rest / 1e6);
    what_if_tell(x, "the next layer is copied while this one computes", fmax(h, rest), t, f, "");
    perf_machine m;
    if (!perf_machine_load(&m, x->a, "cs3", x->d)) return;
    double there = x->link_bytes / m.io_bw_bytes_per_s.value * 1e9;
    snprintf(f, sizeof f, "T - host link (%.3f ms) + %s at the wafer's I/O of %s (%.3f ms)", h / 1e6,
             units_bytes(x->link_bytes).text, units_si(m.io_bw_bytes_per_s.value, "B/s").text, there / 1e6);
    what_if_tell(x, "weights streamed into a wafer (cs3) instead", rest + there,
                 t - fmin(h, x->r->link_roof_ns) + there, f, "all else as measured");
}

static void in_step(analysis *x) {
    char f[200];
    double wait = fmin((double)x->skew_ns, in(x, AUDIT_IDLE)), t = total(x);
    if (!x->o->ranks || !(wait > 0)) return;
    snprintf(f, sizeof f,
             "T - waiting for slower ranks inside collectives (%.3f ms); no gain for the run when this rank is not the "
             "slowest's cause",
             wait / 1e6);
    what_if_tell(x, "ranks equally loaded", t - wait, t, f, "");
}

static void network(analysis *x) {
    char f[300];
    double n = in(x, AUDIT_NETWORK), t = total(x),
           kernels_ns = in(x, AUDIT_COMPUTE) + in(x, AUDIT_MEMORY) + in(x, AUDIT_UNKNOWN);
    if (x->r->share[AUDIT_NETWORK] < 0.05) return;
    audit_what_if_bandwidth(x->r, AUDIT_NETWORK, 2, "twice the network bandwidth",
                            "a part of it may be waiting for slower ranks, which no bandwidth shortens");
    double hidden = (double)(x->f->kind[EV_COMM].union_ns - x->f->comm_exposed_ns), room = fmax(0, kernels_ns - hidden);
    snprintf(f, sizeof f,
             "T - the lesser of exposed collectives (%.3f ms) and kernels beside which none runs (%.3f ms); no gain "
             "when none overlaps",
             n / 1e6, room / 1e6);
    what_if_tell(x, "collectives overlapped with kernels", t - fmin(n, room), t, f, "");
}

enum { GRAPH_GAP_NS = 2000 }; /* assumed: what is left between two kernels of a graph, at most */

static void launches(analysis *x) {
    char f[300];
    double idle = in(x, AUDIT_IDLE_HOST), left = 0;
    int64_t busy_end = INT64_MIN;
    if (x->r->share[AUDIT_IDLE_HOST] < 0.02) return;
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || !analysis_window(x, ev->start_ns)) continue;
        if (busy_end != INT64_MIN && ev->start_ns > busy_end && ev->launch_ns != EVENTS_NO_TIME &&
            ev->launch_ns > busy_end)
            left += fmin(GRAPH_GAP_NS, (double)(ev->start_ns - busy_end));
        if (event_end(ev) > busy_end) busy_end = event_end(ev);
    }
    left = fmin(left, idle);
    snprintf(f, sizeof f,
             "T - idle, waiting for the host (%.3f ms) + 0 .. 2 us (assumed) for each of its gaps, %.3f ms", idle / 1e6,
             left / 1e6);
    what_if_tell(x, "launches captured in graphs", total(x) - idle, total(x) - idle + left, f, "");
}

static void precision(analysis *x) {
    char f[300];
    double c = in(x, AUDIT_COMPUTE), roof = fmin(c, x->r->compute_roof_ns),
           speed = x->peaks.flops16 > 0 ? x->peaks.flops8 / x->peaks.flops16 : 0;
    if (speed <= 1 || x->r->share[AUDIT_COMPUTE] < 0.05) return;
    snprintf(f, sizeof f, "T - (1 - 1/%.3g) x (compute-bound time: at its roof %.3f ms .. as measured %.3f ms)", speed,
             roof / 1e6, c / 1e6);
    what_if_tell(x, "8-bit arithmetic in compute-bound kernels", total(x) - (1 - 1 / speed) * c,
                 total(x) - (1 - 1 / speed) * roof, f, "where quality allows");
}

void what_ifs_all(analysis *x) {
    kernel_sums s = {0};
    if (!(x->r->total_ns > 0) || !sum_up(x, &s)) return;
    kernels(x, &s);
    host_link(x);
    network(x);
    in_step(x);
    launches(x);
    precision(x);
    if (what_ifs_model(x)) return;
    quantise(x, &s);
    batch(x, &s);
    devices(x);
    wafer(x);
}
