/* See peaks.h. */
#include "audit/peaks.h"
#include "base/file.h"
#include <math.h>

static bool from_machine(audit_peaks *p, arena *a, diag *d) {
    perf_numbers n = perf_machine_numbers(&p->machine, PERF_NOMINAL);
    p->has_machine = true;
    p->title = p->machine.title;
    p->flops16 = n.flops_fp16_per_s;
    p->flops8 = n.flops_fp8_per_s;
    p->bytes_per_s = n.mem_bw_bytes_per_s;
    p->host_link = n.io_bw_bytes_per_s;
    p->network = n.link_bw_bytes_per_s;
    p->flops_origin = arena_printf(a, "machine %s: %s", p->machine.name, p->machine.flops_fp16_per_s.source);
    p->bytes_origin = arena_printf(a, "machine %s: %s", p->machine.name, p->machine.mem_bw_bytes_per_s.source);
    return (p->flops_origin && p->bytes_origin) || diag_oom(d, "machine");
}

static bool load_machine(audit_peaks *p, arena *a, const char *name, diag *d) {
    if (!perf_machine_load(&p->machine, a, name, d)) return false;
    if (p->machine.class != PERF_GPU && p->machine.class != PERF_ASIC && p->machine.class != PERF_HOST)
        return diag_error(d, "%s is a wafer; a trace of a GPU needs a GPU's roofs (ingot machine list)", name);
    return from_machine(p, a, d);
}

/* ---- data/devices.json ---- */

static bool names_row(const json_t *row, str name) {
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(row, "match"), i, word) {
        const char *w = json_string_value(word);
        size_t n = w ? strlen(w) : 0;
        for (size_t at = 0; n && at + n <= name.n; at++) /* a whole word: "L4" is not in "L40S" */
            if (!memcmp(name.p + at, w, n) &&
                (at + n == name.n ||
                 !strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", name.p[at + n])))
                return true;
    }
    return false;
}

static bool memory_row(const json_t *row, const event_device *dev) {
    double bytes = json_number_value(json_object_get(row, "mem_bytes")),
           units = json_number_value(json_object_get(row, "compute_units"));
    return bytes > 0 && dev->compute_units == (uint64_t)units && fabs((double)dev->memory_bytes / bytes - 1) < 0.05;
}

static double value_of(facts *f, json_t *row, const char *key, double unit, const char **source) {
    fact v;
    json_t *entry = json_object_get(row, key);
    if (!entry || !facts_entry(f, key, entry, FACT_KINDS, false, &v)) return 0;
    *source = v.source;
    return facts_number(f, key, v.value, 1, 1e6, false) * unit;
}

static bool from_row(audit_peaks *p, arena *a, facts *f, json_t *row, diag *d) {
    const char *machine = json_string_value(json_object_get(row, "machine")),
               *title = json_string_value(json_object_get(row, "title"));
    if (machine) return load_machine(p, a, machine, d);
    p->title = arena_strdup(a, title ? title : "");
    p->flops16 = value_of(f, row, "flops_fp16_per_s", 1e12, &p->flops_origin);
    p->bytes_per_s = value_of(f, row, "mem_bw_bytes_per_s", 1e9, &p->bytes_origin);
    return (f->ok && p->title) || (f->ok && diag_oom(d, "devices"));
}

/* The list, parsed; NULL: told. */
static json_t *devices_of(facts *f, arena *a, diag *d) {
    *f = (facts){.src = {.name = "devices.json"}, .d = d, .a = a};
    char *dir = perf_data_dir(a, d), *path = dir ? path_join(a, dir, "devices.json") : NULL;
    if (dir && !path) diag_oom(d, "a path");
    return path && file_read_all(a, path, FACTS_BYTES_MAX, &f->src.text, d) ? facts_parse(f, "list of devices") : NULL;
}

/* Devices may be numbered otherwise in events than in the list of properties: when all listed are alike, so is this
 * one. */
static event_device alike(const events *e, const event_device *dev) {
    const event_device *first = NULL;
    if (dev->name != EVENTS_NONE || dev->memory_bytes) return *dev;
    for (size_t i = 0; i < e->device_index_count; i++) {
        const event_device *x = &e->devices[i];
        if (x->name == EVENTS_NONE && !x->memory_bytes) continue;
        if (first && (x->name != first->name || x->compute_units != first->compute_units)) return *dev;
        first = x;
    }
    return first ? *first : *dev;
}

static bool from_trace(audit_peaks *p, arena *a, const events *e, const event_device *dev, diag *d) {
    facts f;
    json_t *root = devices_of(&f, a, d), *row;
    str name = dev->name == EVENTS_NONE ? STR("") : events_text_of(e, dev->name);
    size_t i;
    bool ok = root != NULL;
    json_array_foreach(json_object_get(root, "devices"), i, row) {
        if (!(name.n ? names_row(row, name) : memory_row(row, dev))) continue;
        ok = from_row(p, a, &f, row, d);
        break;
    }
    json_decref(root);
    if (ok && !p->bytes_per_s && dev->memory_bytes_per_s > 0)
        p->bytes_per_s = dev->memory_bytes_per_s, p->bytes_origin = "the trace";
    return ok;
}

bool audit_peaks_find(audit_peaks *p, arena *a, const events *e, const event_device *dev, const peaks_wanted *w,
                      diag *d) {
    event_device like = alike(e, dev);
    *p = (audit_peaks){.title = "", .flops_origin = "", .bytes_origin = ""};
    if (w->machine ? !load_machine(p, a, w->machine, d) : !from_trace(p, a, e, &like, d)) return false;
    if (w->tflops > 0) p->flops16 = w->tflops * 1e12, p->flops8 = 0, p->flops_origin = "option --tflops";
    if (w->gbs > 0) p->bytes_per_s = w->gbs * 1e9, p->bytes_origin = "option --gbs";
    return true;
}

static size_t by_bandwidth(perf_machine *out, size_t n, size_t max, const perf_machine *m) {
    size_t at = n < max ? n++ : max;
    for (; at > 0 && out[at - 1].mem_bw_bytes_per_s.value > m->mem_bw_bytes_per_s.value; at--)
        if (at < max) out[at] = out[at - 1];
    if (at < max) out[at] = *m;
    return n;
}

size_t audit_peaks_faster(const audit_peaks *p, arena *a, perf_machine *out, size_t max, diag *d) {
    facts f;
    json_t *root = devices_of(&f, a, d), *row;
    perf_machine *m = arena_push(a, perf_machine);
    size_t n = 0, i;
    json_array_foreach(json_object_get(root, "devices"), i, row) {
        const char *name = json_string_value(json_object_get(row, "machine"));
        if (!m || !name || !perf_machine_load(m, a, name, d)) continue;
        if (m->mem_bw_bytes_per_s.value > 1.05 * p->bytes_per_s) n = by_bandwidth(out, n, max, m);
    }
    json_decref(root);
    return n;
}
