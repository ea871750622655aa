/* Every kernel's place on the roofline: see analyse.h for the order of the ways. */
#include "audit/analysis.h"
#include <math.h>

/* Arithmetic on 4-byte floats runs on vector units or, rounded, on matrix units; names tell which. As shares of the
 * 16-bit peak: data sheets of V100 to MI325X give 1/16 to 1/5 for the former, 1/2 for the latter. */
typedef struct {
    double slow, fast; /* FLOP/s */
} peak_range;

static peak_range peak_of(const analysis *x, unsigned bytes, str kernel) {
    if (x->e->host_device) return (peak_range){x->peaks.flops16, x->peaks.flops16}; /* as the user gave it */
    double p16 = x->peaks.flops16, p8 = x->peaks.flops8 > 0 ? x->peaks.flops8 : p16;
    if (bytes <= 1) return (peak_range){p8, p8};
    if (bytes == 2) return (peak_range){p16, p16};
    if (bytes >= 8) return (peak_range){p16 / 32, p16 / 4};
    str base = names_base(kernel);
    bool vector = str_contains(kernel, STR("sgemm")) || str_contains(kernel, STR("simt")) ||
                  str_contains(base, STR("ffma")) || str_contains(kernel, STR("f32f32_f32f32"));
    return (peak_range){p16 / 16, vector ? p16 / 5 : p16 / 2};
}

enum { FASTEST_PERCENT = 105 };

/* ---- by shapes ---- */

static double roof_ns(const analysis *x, const audit_work *w, str kernel, double *memory, double *slow, double *fast) {
    peak_range p = peak_of(x, w->element_bytes, kernel);
    *memory = w->bytes / x->peaks.bytes_per_s * 1e9;
    *slow = w->flops / p.slow * 1e9;
    *fast = w->flops / p.fast * 1e9;
    return fmax(*memory, *fast);
}

static void place_call(analysis *x, op_call *c, str kernel) {
    double memory, slow, fast;
    c->bucket = AUDIT_BUCKETS;
    if (!(c->work.bytes > 0)) return;
    if (!(x->peaks.flops16 > 0) || !(x->peaks.bytes_per_s > 0)) {
        /* Without roofs: fewer flops per byte than any accelerator of audit section 9 has per byte even on vector
         * units. */
        if (c->work.flops < 4 * c->work.bytes) c->bucket = AUDIT_MEMORY;
        return;
    }
    double least = roof_ns(x, &c->work, kernel, &memory, &slow, &fast);
    if (least * 100 > (double)c->ns * FASTEST_PERCENT) c->rejected = true;
    else if (memory >= slow) c->bucket = AUDIT_MEMORY;
    else if (memory < fast) c->bucket = AUDIT_COMPUTE;
}

static bool calls(analysis *x) {
    const events *e = x->e;
    x->call = arena_push_n(x->a, op_call, e->op_count + 1);
    uint32_t *kernel = arena_push_n(x->a, uint32_t, e->op_count + 1);
    if (!x->call || !kernel) return false;
    for (size_t i = 0; i < e->device_count; i++) {
        const device_event *ev = &e->device[i];
        if (!analysis_mine(x, i) || ev->kind != EV_KERNEL || ev->op == EVENTS_NO_ID) continue;
        x->call[ev->op].ns = ns_add(x->call[ev->op].ns, ev->dur_ns);
        kernel[ev->op] = ev->name;
    }
    for (size_t i = 0; i < e->op_count; i++) {
        op_call *c = &x->call[i];
        c->bucket = AUDIT_BUCKETS;
        if (!c->ns) continue;
        if (e->op[i].shape != EVENTS_NONE)
            audit_work_of(&c->work, events_text_of(e, e->op[i].name), events_text_of(e, e->op[i].shape));
        place_call(x, c, events_text_of(e, kernel[i]));
    }
    return true;
}

/* ---- by batch ---- */

enum {
    GROUPED_QUERY_MAX = 64
}; /* heads that share one head of K and V: more in no published model but with latent attention */

/* A step of decoding: flops per byte of weights at most; 4 bits a weight unless the model says otherwise. */
static bool batch_bound(const analysis *x, const audit_window *w, name_kind kind) {
    double ridge = x->peaks.flops16 / x->peaks.bytes_per_s, bits = 4.25;
    if (!w || !w->load.known || !(ridge > 0) || x->e->host_device) return false;
    if (x->o->weights) bits = x->o->weights->bits;
    else if (x->o->model) bits = x->o->model->weight_bits;
    if (kind == NAME_GEMM) return 2 * w->load.tokens / (bits / 8) < ridge;
    if (kind != NAME_ATTENTION || w->load.prefills > 0) return false;
    double group =
        x->o->model && x->o->model->kv_heads ? (double)x->o->model->heads / x->o->model->kv_heads : GROUPED_QUERY_MAX;
    return (!x->o->model || !x->o->model->kv_lora) && group * 16 / (x->o->kv ? x->o->kv->bits : 16) < ridge;
}

/* ---- all ---- */

/* 4-bit weights are assumed above when nothing says how many there are: the intensity is then an upper bound. */
static model_kind part_of(name_kind kind, str kernel) {
    if (kind == NAME_ATTENTION) return KIND_ATTENTION;
    static const char *const expert[] = {"moe", "expert", "matmul_ogs", "grouped", "bmm_"};
    for (size_t i = 0; i < sizeof expert / sizeof *expert; i++)
        if (str_contains(kernel, str_from(expert[i]))) return KIND_EXPERTS;
    return KIND_DENSE;
}

static model_part *part_for(analysis *x, name_kind kind, const device_event *ev) {
    model_kind k = part_of(kind, names_base(events_text_of(x->e, ev->name)));
    return &x->part[k == KIND_EXPERTS && x->joined ? KIND_DENSE : k];
}

static void measure_parts(analysis *x) {
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || ev->kind != EV_KERNEL || !analysis_window(x, ev->start_ns)) continue;
        name_kind k = (name_kind)x->kind[i];
        if (k != NAME_GEMM && k != NAME_ATTENTION) continue;
        model_part *p = part_for(x, k, ev);
        p->ns = ns_add(p->ns, ev->dur_ns);
    }
}

static audit_bucket copy_bucket(const device_event *ev) {
    bool device = ev->direction == COPY_DTOD || ev->direction == COPY_PTOP || ev->direction == COPY_OTHER;
    return device ? AUDIT_COPIES : AUDIT_HOST_LINK;
}

static void place_kernel(analysis *x, size_t i) {
    const device_event *ev = &x->e->device[i];
    const op_call *c = ev->op == EVENTS_NO_ID ? NULL : &x->call[ev->op];
    const audit_window *w = analysis_window(x, ev->start_ns);
    name_kind k = (name_kind)x->kind[i];
    x->bucket[i] = AUDIT_UNKNOWN;
    if (c && c->bucket < AUDIT_BUCKETS) x->bucket[i] = c->bucket, x->why[i] = WHY_SHAPES;
    else if ((k == NAME_GEMM || k == NAME_ATTENTION) && w) {
        model_part *p = part_for(x, k, ev);
        if (p->bytes > 0 && p->bucket < AUDIT_BUCKETS) {
            x->bucket[i] = p->bucket, x->why[i] = WHY_MODEL;
            p->placed_ns = ns_add(p->placed_ns, ev->dur_ns);
            p->calls++;
        } else if (batch_bound(x, w, k)) x->bucket[i] = AUDIT_MEMORY, x->why[i] = WHY_BATCH;
    } else if (k == NAME_STREAM && !x->e->host_device) x->bucket[i] = AUDIT_MEMORY, x->why[i] = WHY_NAME;
    if (!w) return;
    x->why_ns[x->why[i]] = ns_add(x->why_ns[x->why[i]], ev->dur_ns);
    x->name_ns[k] = ns_add(x->name_ns[k], ev->dur_ns);
    if (c && c->rejected) x->rejected_ns = ns_add(x->rejected_ns, ev->dur_ns);
}

static void kinds(analysis *x, uint8_t *by_name) {
    for (size_t i = 0; i < x->e->device_count; i++) {
        uint32_t n = x->e->device[i].name;
        if (!analysis_mine(x, i) || x->e->device[i].kind != EV_KERNEL || n >= x->e->text_count) continue;
        if (!by_name[n]) by_name[n] = (uint8_t)(1 + names_kind(x->e->text[n]));
        x->kind[i] = (uint8_t)(by_name[n] - 1);
    }
}

/* Time at the roof, once per call that begins in a window. */
static void roofs(analysis *x) {
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i) || ev->kind != EV_KERNEL || x->why[i] != WHY_SHAPES ||
            !analysis_window(x, ev->start_ns))
            continue;
        op_call *c = &x->call[ev->op];
        double memory, slow, fast, roof;
        if (c->counted) continue;
        c->counted = true;
        x->flops += c->work.flops;
        x->bytes += c->work.bytes;
        if (!(x->peaks.bytes_per_s > 0) || !(x->peaks.flops16 > 0)) continue;
        roof = roof_ns(x, &c->work, events_text_of(x->e, ev->name), &memory, &slow, &fast);
        *(c->bucket == AUDIT_MEMORY ? &x->r->memory_roof_ns : &x->r->compute_roof_ns) += roof;
        if (roof < 0.1 * (double)c->ns) x->r->far_ns = ns_add(x->r->far_ns, c->ns);
    }
    for (int k = 0; k < KIND_COUNT; k++) {
        const model_part *p = &x->part[k];
        double share = p->ns ? (double)p->placed_ns / (double)p->ns * 1e9 : 0;
        if (p->bucket == AUDIT_MEMORY) x->r->memory_roof_ns += p->memory_s * share;
        if (p->bucket == AUDIT_COMPUTE) x->r->compute_roof_ns += p->compute_s * share;
        if (p->bucket < AUDIT_BUCKETS && fmax(p->memory_s, p->compute_s) * 1e10 < (double)p->ns)
            x->r->far_ns = ns_add(x->r->far_ns, p->placed_ns);
    }
}

bool place_all(analysis *x) {
    size_t n = x->e->device_count + 1;
    uint8_t *by_name = arena_alloc(x->a, x->e->text_count + 1);
    x->bucket = arena_alloc(x->a, n);
    x->why = arena_alloc(x->a, n);
    x->kind = arena_alloc(x->a, n);
    if (!by_name || !x->bucket || !x->why || !x->kind || !calls(x)) return diag_oom(x->d, "kernels");
    kinds(x, by_name);
    measure_parts(x);
    model_parts(x);
    for (size_t i = 0; i < x->e->device_count; i++) {
        const device_event *ev = &x->e->device[i];
        if (!analysis_mine(x, i)) continue;
        if (ev->kind == EV_KERNEL) place_kernel(x, i);
        else
            x->bucket[i] = ev->kind == EV_COMM     ? AUDIT_NETWORK
                           : ev->kind == EV_MEMSET ? AUDIT_COPIES
                                                   : (uint8_t)copy_bucket(ev);
    }
    roofs(x);
    return true;
}
