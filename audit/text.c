/* A report for the terminal. */
#include "audit/audit.h"
#include "audit/facts.h"
#include "base/units.h"

enum { NAME_WIDTH = 44, BAR_WIDTH = 30 };

static const char *ms(double ns, unit_text *t) { return *t = units_seconds(ns / 1e9), t->text; }

static void head(const audit_report *r, strbuf *b) {
    strbuf_adds(b, "verdict    ");
    audit_verdict_text(r, b);
    if (r->verdict != AUDIT_NO_DEVICE)
        strbuf_addf(b,
                    "\nshare      moving data takes %.0f %% of the time (at least %.0f %%, at most %.0f %%); the wall "
                    "is at 50 %%",
                    100 * r->best, 100 * r->lo, 100 * r->hi);
    strbuf_addf(b, "\ninput      %s, %s\n", r->input, r->format);
    if (*r->device) strbuf_addf(b, "device     %s\n", r->device);
    if (*r->window) strbuf_addf(b, "window     %s: %s\n", r->window, units_seconds((double)r->total_ns / 1e9).text);
    for (size_t i = 0; i < r->spec_count; i++) {
        const audit_spec *s = &r->specs[i];
        strbuf_addf(b, "%s%s %s (%s)\n", i ? "           " : "roofs      ", s->name, units_si(s->value, s->unit).text,
                    s->origin);
    }
}

static void buckets(const audit_report *r, strbuf *b) {
    if (!r->total_ns) return;
    strbuf_adds(b, "\ntime                          share\n");
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++) {
        if (!r->bucket_ns[k]) continue;
        strbuf_addf(b, "  %-24s %6.1f %%  %-11s", audit_bucket_name(k, r->kind), 100 * r->share[k],
                    units_seconds((double)r->bucket_ns[k] / 1e9).text);
        for (int i = 0; i < (int)(r->share[k] * BAR_WIDTH + 0.5); i++) strbuf_addc(b, '#');
        while (b->len && b->data[b->len - 1] == ' ') b->len--;
        strbuf_addc(b, '\n');
    }
}

static void lines(const char *title, const audit_lines *l, strbuf *b) {
    if (l->count) strbuf_addf(b, "\n%s\n", title);
    for (size_t i = 0; i < l->count; i++) strbuf_addf(b, "  %s\n", l->text[i]);
}

static void facts(const audit_report *r, strbuf *b) {
    if (r->fact_count)
        strbuf_adds(b, "\ndevice        span        busy        idle   (by host)     compute  collective      copies   "
                       "  memsets  exposed movement of busy\n");
    for (size_t i = 0; i < r->fact_count; i++) {
        const audit_facts *f = &r->facts[i];
        unit_text t;
        strbuf_addf(b, "%-6s", f->device);
        const int64_t cells[] = {f->span_ns,
                                 f->busy_ns,
                                 f->idle_ns,
                                 f->idle_host_ns,
                                 f->kind[EV_KERNEL].sum_ns,
                                 f->kind[EV_COMM].sum_ns,
                                 f->kind[EV_MEMCPY].sum_ns,
                                 f->kind[EV_MEMSET].sum_ns};
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
            strbuf_addf(b, " %11s", cells[k] ? ms((double)cells[k], &t) : "-");
        strbuf_addf(b, "  %.1f %%\n", f->busy_ns ? 100 * (double)f->movement_exposed_ns / (double)f->busy_ns : 0);
    }
}

/* The name's first bytes, whole characters, control characters as spaces. */
static void name(const char *s, strbuf *b) {
    size_t n = strlen(s), cut = n > NAME_WIDTH ? NAME_WIDTH - 2 - utf8_incomplete_tail((str){s, NAME_WIDTH - 2}) : n;
    strbuf_adds(b, "  ");
    for (size_t i = 0; i < cut; i++) strbuf_addc(b, (unsigned char)s[i] < ' ' || s[i] == 127 ? ' ' : s[i]);
    if (n > NAME_WIDTH) strbuf_adds(b, "..");
    for (size_t i = n > NAME_WIDTH ? cut + 2 : n; i < NAME_WIDTH; i++) strbuf_addc(b, ' ');
}

static const char *main_bucket(const audit_report *r, const audit_row *row) {
    audit_bucket best = AUDIT_BUCKETS;
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++)
        if (row->bucket_ns[k] > 0 && (best == AUDIT_BUCKETS || row->bucket_ns[k] > row->bucket_ns[best])) best = k;
    return best == AUDIT_BUCKETS ? "" : audit_bucket_name(best, r->kind);
}

static void one_row(const audit_report *r, const audit_row *row, strbuf *b) {
    unit_text t;
    double seconds = row->known_ns > row->ns / 2 ? (double)row->known_ns / 1e9
                                                 : 0; /* rates of the known part, when that is most of it */
    name(row->name, b);
    strbuf_addf(b, " %7llu %10s %6.1f %%", (unsigned long long)row->count, ms((double)row->ns, &t),
                r->total_ns ? 100 * (double)row->ns / (double)r->total_ns : 0);
    if (row->bytes > 0 && seconds > 0) strbuf_addf(b, " %9.4g", row->bytes / seconds / 1e9);
    else strbuf_adds(b, "         -");
    if (row->flops > 0 && seconds > 0) strbuf_addf(b, " %8.4g", row->flops / seconds / 1e12);
    else strbuf_adds(b, "        -");
    if (row->roof_ns > 0 && seconds > 0) strbuf_addf(b, " %5.0f %%", 100 * row->roof_ns / (double)row->known_ns);
    else strbuf_adds(b, "       -");
    strbuf_addf(b, "  %s%s\n", main_bucket(r, row), row->far_from_roof ? ", far from any roof" : "");
}

static void tables(const audit_report *r, strbuf *b) {
    for (size_t i = 0; i < r->table_count; i++) {
        const audit_table *t = &r->tables[i];
        strbuf_addf(b, "\n%-46s %7s %10s %8s %9s %8s %7s\n", t->title, "calls", "time", "of T", "GB/s", "TFLOP/s",
                    "of roof");
        for (size_t k = 0; k < t->count; k++) one_row(r, &t->rows[k], b);
        if (t->hidden)
            strbuf_addf(b, "  and %zu more, %s together\n", t->hidden, units_seconds((double)t->hidden_ns / 1e9).text);
    }
}

static void what_ifs(const audit_report *r, strbuf *b) {
    unit_text lo, hi;
    if (r->what_if_count) strbuf_addf(b, "\nwhat if (now %s)\n", units_seconds((double)r->total_ns / 1e9).text);
    for (size_t i = 0; i < r->what_if_count; i++) {
        const audit_what_if *w = &r->what_ifs[i];
        strbuf_addf(b, "  x %-5.2f %s: %s .. %s\n          %s\n", w->gain, w->name, ms(w->total_lo_ns, &lo),
                    ms(w->total_hi_ns, &hi), w->formula);
        if (*w->note) strbuf_addf(b, "          %s\n", w->note);
    }
}

void audit_text(const audit_report *r, strbuf *b) {
    head(r, b);
    buckets(r, b);
    lines("evidence", &r->evidence, b);
    facts(r, b);
    tables(r, b);
    what_ifs(r, b);
    lines("what to do", &r->advice, b);
    lines("left out, and what to know", &r->notes, b);
}
