/* Filling a report: lists of lines, specs, what-ifs, tables. */
#include "audit/audit.h"
#include <stdarg.h>

void audit_report_init(audit_report *r, arena *a, audit_kind kind, const char *input) {
    *r = (audit_report){.a = a, .kind = kind, .format = "", .device = "", .window = "", .has_device = true};
    r->input = arena_strdup(a, input);
    r->oom = !r->input;
    if (!r->input) r->input = "";
}

static const char *keep(audit_report *r, const char *text) {
    char *copy = arena_strdup(r->a, text ? text : "");
    if (!copy) r->oom = true;
    return copy ? copy : "";
}

static void add_line(audit_report *r, audit_lines *l, const char *fmt, va_list ap) {
    char text[512];
    if (l->count == AUDIT_LIST_MAX) return;
    vsnprintf(text, sizeof text, fmt, ap);
    if (l->count == AUDIT_LIST_MAX - 1) snprintf(text, sizeof text, "and more, left out here");
    l->text[l->count++] = keep(r, text);
}

#define ADDER(name, list)                                                                                              \
    void name(audit_report *r, const char *fmt, ...) {                                                                 \
        va_list ap;                                                                                                    \
        va_start(ap, fmt);                                                                                             \
        add_line(r, &r->list, fmt, ap);                                                                                \
        va_end(ap);                                                                                                    \
    }
ADDER(audit_note, notes)
ADDER(audit_evidence, evidence)
ADDER(audit_advise, advice)

void audit_specify(audit_report *r, const char *name, double value, const char *unit, const char *origin) {
    if (r->spec_count == AUDIT_LIST_MAX) return;
    r->specs[r->spec_count++] = (audit_spec){keep(r, name), value, keep(r, unit), keep(r, origin)};
}

audit_table *audit_table_add(audit_report *r, const char *title, const char *unit) {
    if (r->table_count == sizeof r->tables / sizeof *r->tables) return NULL;
    audit_table *t = &r->tables[r->table_count++];
    *t = (audit_table){.title = keep(r, title), .unit = keep(r, unit)};
    return t;
}

void audit_what_if_add(audit_report *r, const char *name, double lo, double hi, const char *formula, const char *note) {
    if (lo > hi) {
        double t = lo;
        lo = hi;
        hi = t;
    }
    double middle = (lo + hi) / 2;
    if (!(lo > 0) || r->what_if_count == AUDIT_LIST_MAX) return;
    audit_what_if w = {keep(r, name), lo, hi, (double)r->total_ns / middle, keep(r, formula), keep(r, note)};
    size_t i = r->what_if_count++;
    for (; i > 0 && r->what_ifs[i - 1].gain < w.gain; i--) r->what_ifs[i] = r->what_ifs[i - 1];
    r->what_ifs[i] = w;
}

void audit_what_if_bandwidth(audit_report *r, audit_bucket b, double s, const char *name, const char *note) {
    double total = (double)r->total_ns, time = (double)r->bucket_ns[b];
    double roof = b == AUDIT_MEMORY ? r->memory_roof_ns : b == AUDIT_HOST_LINK ? r->link_roof_ns : 0;
    double saved = 1 - 1 / s;
    char formula[200];
    if (roof > time) roof = time;
    if (!(s > 1) || time * 50 < total) return; /* nothing to speak of */
    snprintf(formula, sizeof formula, "T - (1 - 1/%g) x (%s: at its roof %.3f ms .. as measured %.3f ms)", s,
             audit_bucket_name(b, r->kind), roof / 1e6, time / 1e6);
    audit_what_if_add(r, name, total - saved * time, total - saved * roof, formula, note);
}
