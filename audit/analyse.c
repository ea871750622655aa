/* The recipe: see analyse.h. */
#include "audit/analysis.h"
#include "base/units.h"

const audit_facts *audit_choose_device(const audit_facts *f, size_t n, int64_t wanted, diag *d) {
    const audit_facts *best = NULL;
    char name[32];
    snprintf(name, sizeof name, "%lld", (long long)wanted);
    for (size_t i = 0; i < n; i++) {
        if (wanted >= 0 && strcmp(f[i].device, name)) continue;
        if (!best || f[i].busy_ns > best->busy_ns) best = &f[i];
    }
    if (!best) diag_error(d, "the trace has no device %s; its first is %s", name, f[0].device);
    return best;
}

static bool describe(analysis *x) {
    audit_report *r = x->r;
    const char *name = *x->f->device_name ? x->f->device_name : x->peaks.title;
    r->device = arena_printf(x->a, "device %s%s%s", x->f->device, *name ? ", " : "", name);
    r->peak_flops_per_s = x->peaks.flops16;
    r->memory_bytes_per_s = x->peaks.bytes_per_s;
    if (x->peaks.flops16 > 0) audit_specify(r, "peak, 16 bits", x->peaks.flops16, "FLOP/s", x->peaks.flops_origin);
    if (x->peaks.bytes_per_s > 0) audit_specify(r, "memory", x->peaks.bytes_per_s, "B/s", x->peaks.bytes_origin);
    if (x->peaks.flops16 > 0 && x->peaks.bytes_per_s > 0)
        audit_specify(r, "ridge", x->peaks.flops16 / x->peaks.bytes_per_s, "FLOP/B", "peak / memory");
    if (x->peaks.host_link > 0 && r->bucket_ns[AUDIT_HOST_LINK] > 0)
        audit_specify(r, "host link", x->peaks.host_link, "B/s", x->peaks.machine.io_bw_bytes_per_s.source);
    return r->device || diag_oom(x->d, "report");
}

/* The processor in a device's place, when its roofs are given. */
static bool on_host(audit_report *r, events *e, const audit_options *o, diag *d) {
    if (!e->op_count || e->device_count || !(o->peaks.machine || (o->peaks.tflops > 0 && o->peaks.gbs > 0)))
        return true;
    audit_note(r, "no device in this trace: the processor is judged by the operators that call no others; what is "
                  "between them (Python, "
                  "dispatch) is idle");
    return events_host_as_device(e, d);
}

static bool no_device(audit_report *r, const events *e) {
    r->has_device = false;
    audit_note(r, "%llu events were read; none is a kernel, copy or memset of a device", (unsigned long long)e->seen);
    if (e->op_count)
        audit_note(r,
                   "%zu operators ran on the host; with the processor's roofs they are judged: --tflops and --gbs, or "
                   "-M FILE (ingot machine measure)",
                   e->op_count);
    audit_decide(r);
    audit_advice(r);
    return true;
}

static void sampled(analysis *x) {
    audit_report *r = x->r;
    bool part = events_sampled(x->e), lost = events_lost(x->e);
    r->by_busy = x->o->by_busy || part || lost;
    if (part)
        audit_note(r, "the file holds a sample of its events (their numbering has gaps): idle time is not real, so "
                      "busy time is judged");
    else if (lost)
        audit_note(
            r, "%llu launches have no kernel or copy in the file: idle time may not be real, so busy time is judged",
            (unsigned long long)x->e->lost_launches);
    else if (r->by_busy) audit_note(r, "busy time is judged, as asked: idle is left out");
}

bool audit_trace(audit_report *r, events *e, const audit_options *o, diag *d) {
    analysis x = {.r = r, .e = e, .o = o, .a = r->a, .d = d};
    r->format = e->format;
    if (!on_host(r, e, o, d)) return false;
    r->facts = audit_facts_of(e, r->a, &r->fact_count, d);
    if (!r->facts) return diag_error_count(d) == 0 && no_device(r, e);
    if (!(x.f = audit_choose_device(r->facts, r->fact_count, o->device, d))) return false;
    if (!audit_peaks_find(&x.peaks, r->a, e, &e->devices[x.f->index], &o->peaks, d)) return false;
    sampled(&x);
    if (!windows_find(&x) || !place_all(&x) || !split_all(&x)) return false;
    audit_decide(r);
    if (!describe(&x) || !tables_all(&x)) return false;
    evidence_all(&x);
    what_ifs_all(&x);
    audit_advice(r);
    return !r->oom || diag_oom(d, "report");
}
