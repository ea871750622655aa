/* A report for programs: one JSON object, times in ns, shares 0 to 1. Names of members do not change. */
#include "audit/audit.h"
#include "audit/facts.h"
#include "audit/names.h"
#include <math.h>

static void text(strbuf *b, const char *key, const char *value) {
    strbuf_addf(b, "\"%s\":", key);
    strbuf_add_json(b, str_from(value));
    strbuf_addc(b, ',');
}
static void number(strbuf *b, const char *key, double v) { strbuf_addf(b, "\"%s\":%.12g,", key, isfinite(v) ? v : 0); }
static void whole(strbuf *b, const char *key, int64_t v) { strbuf_addf(b, "\"%s\":%lld,", key, (long long)v); }

/* Instead of the last comma. */
static void close(strbuf *b, char with) {
    if (b->len && b->data[b->len - 1] == ',') b->len--;
    strbuf_addc(b, with);
}

static void by_bucket(strbuf *b, const char *key, const int64_t ns[AUDIT_BUCKETS], bool zeros) {
    strbuf_addf(b, "\"%s\":{", key);
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++)
        if (zeros || ns[k]) whole(b, audit_bucket_key(k), ns[k]);
    close(b, '}');
    strbuf_addc(b, ',');
}

static void lines(strbuf *b, const char *key, const audit_lines *l) {
    strbuf_addf(b, "\"%s\":[", key);
    for (size_t i = 0; i < l->count; i++) {
        strbuf_add_json(b, str_from(l->text[i]));
        strbuf_addc(b, ',');
    }
    close(b, ']');
    strbuf_addc(b, ',');
}

static void kind(strbuf *b, const char *key, const fact_kind_sum *k) {
    strbuf_addf(b, "\"%s\":{\"count\":%llu,\"sum_ns\":%lld,\"union_ns\":%lld},", key, (unsigned long long)k->count,
                (long long)k->sum_ns, (long long)k->union_ns);
}

static void fact(strbuf *b, const audit_facts *f) {
    static const char *const kinds[EV_KINDS] = {"compute", "comm", "memcpy", "memset"};
    strbuf_addc(b, '{');
    text(b, "device", f->device);
    text(b, "name", f->device_name);
    whole(b, "streams", (int64_t)f->streams);
    whole(b, "span_ns", f->span_ns);
    whole(b, "busy_ns", f->busy_ns);
    whole(b, "idle_ns", f->idle_ns);
    whole(b, "idle_host_ns", f->idle_host_ns);
    for (int k = 0; k < EV_KINDS; k++) kind(b, kinds[k], &f->kind[k]);
    whole(b, "kernel_sum_ns", f->kernel_sum_ns);
    whole(b, "movement_union_ns", f->movement_union_ns);
    whole(b, "movement_exposed_ns", f->movement_exposed_ns);
    whole(b, "comm_exposed_ns", f->comm_exposed_ns);
    whole(b, "memcpy_exposed_ns", f->memcpy_exposed_ns);
    strbuf_adds(b, "\"largest_gaps_ns\":[");
    for (int i = 0; i < FACTS_GAPS; i++) strbuf_addf(b, "%lld,", (long long)f->gaps_ns[i]);
    close(b, ']');
    strbuf_adds(b, ",\"memcpy_by_direction\":{");
    for (int k = 0; k < COPY_DIRECTIONS; k++)
        if (f->copies[k].count)
            strbuf_addf(b, "\"%s\":{\"count\":%llu,\"bytes\":%llu,\"sum_ns\":%lld},",
                        names_direction_text((copy_direction)k), (unsigned long long)f->copies[k].count,
                        (unsigned long long)f->copies[k].bytes, (long long)f->copies[k].sum_ns);
    close(b, '}');
    strbuf_addf(b, ",\"distinct_kernels\":%llu,\"top_kernels\":[", (unsigned long long)f->distinct_kernels);
    for (size_t i = 0; i < f->top_count; i++) {
        strbuf_addc(b, '{');
        text(b, "name", f->top[i].name);
        whole(b, "count", (int64_t)f->top[i].count);
        whole(b, "sum_ns", f->top[i].sum_ns);
        close(b, '}');
        strbuf_addc(b, ',');
    }
    close(b, ']');
    strbuf_adds(b, "},");
}

static void table(strbuf *b, const audit_table *t) {
    strbuf_addc(b, '{');
    text(b, "by", t->unit);
    strbuf_adds(b, "\"rows\":[");
    for (size_t i = 0; i < t->count; i++) {
        const audit_row *r = &t->rows[i];
        strbuf_addc(b, '{');
        text(b, "name", r->name);
        whole(b, "count", (int64_t)r->count);
        whole(b, "ns", r->ns);
        by_bucket(b, "buckets_ns", r->bucket_ns, false);
        number(b, "flops", r->flops);
        number(b, "bytes", r->bytes);
        whole(b, "known_ns", r->known_ns);
        number(b, "roof_ns", r->roof_ns);
        strbuf_addf(b, "\"far_from_roof\":%s},", r->far_from_roof ? "true" : "false");
    }
    close(b, ']');
    strbuf_addf(b, ",\"hidden_rows\":%zu,\"hidden_ns\":%lld},", t->hidden, (long long)t->hidden_ns);
}

static void what_if(strbuf *b, const audit_what_if *w) {
    strbuf_addc(b, '{');
    text(b, "name", w->name);
    number(b, "total_low_ns", w->total_lo_ns);
    number(b, "total_high_ns", w->total_hi_ns);
    number(b, "gain", w->gain);
    text(b, "formula", w->formula);
    text(b, "note", w->note);
    close(b, '}');
    strbuf_addc(b, ',');
}

static void spec(strbuf *b, const audit_spec *s) {
    strbuf_addc(b, '{');
    text(b, "name", s->name);
    number(b, "value", s->value);
    text(b, "unit", s->unit);
    text(b, "origin", s->origin);
    close(b, '}');
    strbuf_addc(b, ',');
}

#define LIST(key, count, items, each)                                                                                  \
    do {                                                                                                               \
        strbuf_adds(b, "\"" key "\":[");                                                                               \
        for (size_t i_ = 0; i_ < (count); i_++) each(b, &(items)[i_]);                                                 \
        close(b, ']');                                                                                                 \
        strbuf_addc(b, ',');                                                                                           \
    } while (0)

void audit_json(const audit_report *r, strbuf *b) {
    strbuf_addc(b, '{');
    text(b, "verdict", audit_verdict_name(r->verdict));
    text(b, "about", audit_bucket_key(r->biggest));
    number(b, "share_low", r->lo);
    number(b, "share", r->best);
    number(b, "share_high", r->hi);
    text(b, "input", r->input);
    text(b, "format", r->format);
    text(b, "device", r->device);
    text(b, "window", r->window);
    strbuf_addf(b, "\"by_busy\":%s,", r->by_busy ? "true" : "false");
    whole(b, "total_ns", r->total_ns);
    by_bucket(b, "buckets_ns", r->bucket_ns, true);
    number(b, "memory_roof_ns", r->memory_roof_ns);
    number(b, "compute_roof_ns", r->compute_roof_ns);
    whole(b, "far_from_roof_ns", r->far_ns);
    LIST("specs", r->spec_count, r->specs, spec);
    lines(b, "evidence", &r->evidence);
    LIST("devices", r->fact_count, r->facts, fact);
    LIST("tables", r->table_count, r->tables, table);
    LIST("what_if", r->what_if_count, r->what_ifs, what_if);
    lines(b, "advice", &r->advice);
    lines(b, "notes", &r->notes);
    close(b, '}');
    strbuf_addc(b, '\n');
}
