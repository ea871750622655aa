/* Results of llama-bench: tests to rows. A token of decode reads the whole model; a prompt reads it once per
 * micro-batch. Nothing is said about arithmetic, so the share is that of live runs: the time which the reading takes at
 * the full rate at least, at half of that rate at most (audit/live.h). */
#include "audit/live.h"
#include "audit/run_report_internal.h"
#include "base/units.h"
#include <math.h>
#include <stdlib.h>

enum { TESTS_MAX = 256, COLUMNS_MAX = 96, UBATCH = 512 };
#define FASTER_MAX 1.15 /* beyond, the rate of memory that was given is not this machine's */

typedef enum { SIZE, PROMPT, GENERATED, RATE, MICRO_BATCH, FIELDS } field;
static const char *const fields[FIELDS] = {"model_size", "n_prompt", "n_gen", "avg_ts", "n_ubatch"};

typedef struct {
    audit_report *r;
    audit_table *t;
    double memory_bytes_per_s, lo_s, best_s, hi_s, total_s, fastest;
} bench;

static double least(double a, double b) { return a < b ? a : b; }

static bool add_test(bench *b, const double v[FIELDS], diag *d) {
    double tokens = v[PROMPT] + v[GENERATED], ubatch = v[MICRO_BATCH] >= 1 ? v[MICRO_BATCH] : UBATCH;
    if (!(v[SIZE] > 0) || !(v[RATE] > 0) || !(tokens > 0) || b->t->count == TESTS_MAX)
        return diag_error(d, "%s: test %zu lacks model_size, n_prompt, n_gen or avg_ts", b->r->input, b->t->count + 1);
    double passes = v[GENERATED] + ceil(v[PROMPT] / ubatch), seconds = tokens / v[RATE];
    double roof_s = passes * v[SIZE] / b->memory_bytes_per_s, u = roof_s / seconds;
    if (!(seconds < 1e6) || !(roof_s < 1e9))
        return diag_error(d, "%s: test %zu would have taken over ten days", b->r->input, b->t->count + 1);
    audit_row *row = &b->t->rows[b->t->count++];
    *row = (audit_row){.count = 1, .ns = llround(seconds * 1e9), .bytes = passes * v[SIZE], .roof_ns = roof_s * 1e9};
    row->known_ns = row->ns;
    row->name = arena_printf(b->r->a, "%.0f of prompt, %.0f generated, %.4g tokens/s: reads %.3g GB/s", v[PROMPT],
                             v[GENERATED], v[RATE], passes * v[SIZE] / seconds / 1e9);
    if (!row->name) return diag_oom(d, "report");
    double best = least(1, u / AUDIT_REACH);
    row->bucket_ns[AUDIT_MEMORY] = llround(best * (double)row->ns);
    row->bucket_ns[AUDIT_COMPUTE] = row->ns - row->bucket_ns[AUDIT_MEMORY];
    for (int k = 0; k < AUDIT_BUCKETS; k++) b->r->bucket_ns[k] += row->bucket_ns[k];
    b->total_s += seconds;
    b->lo_s += least(1, u) * seconds;
    b->best_s += best * seconds;
    b->hi_s += least(1, u / AUDIT_REACH_LOW) * seconds;
    b->r->memory_roof_ns += least(roof_s, seconds) * 1e9;
    if (u > b->fastest) b->fastest = u;
    return true;
}

static bool start(bench *b, audit_report *r, double rate, diag *d) {
    *b = (bench){.r = r, .memory_bytes_per_s = rate};
    if (!(rate > 0))
        return diag_error(d,
                          "%s: how fast that machine's memory is read is not in a result of llama-bench: say it with "
                          "--gbs (`ingot machine measure` on that machine)",
                          r->input);
    b->t = audit_table_add(r, "By test", "test");
    if (b->t) b->t->rows = arena_push_n(r->a, audit_row, TESTS_MAX);
    return (b->t && b->t->rows) || diag_oom(d, "report");
}

static bool finish(bench *b, diag *d) {
    audit_report *r = b->r;
    if (b->t->count == 0) return diag_error(d, "%s: no test in it", r->input);
    r->format = "result of llama-bench";
    r->window = "all tests";
    r->range_given = true;
    r->lo = b->lo_s / b->total_s;
    r->best = b->best_s / b->total_s;
    r->hi = b->hi_s / b->total_s;
    r->memory_bytes_per_s = b->memory_bytes_per_s;
    audit_specify(r, "reading of memory", b->memory_bytes_per_s, "B/s", "option --gbs, or measured here");
    audit_evidence(
        r, "bytes: the model once per token generated and per micro-batch of a prompt; keys and values are not in it");
    if (b->fastest > FASTER_MAX)
        r->refused = "a test reads faster than the given rate of memory: the rate is not that of the machine it ran on";
    audit_decide(r);
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 2, "weights of half the bits, or twice the bandwidth", "");
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 4, "four sequences at once, or four times the bandwidth",
                            "throughput; arithmetic may bind before");
    audit_advice(r);
    return true;
}

bool report_llama_json(audit_report *r, const json_t *root, double rate, diag *d) {
    bench b;
    const json_t *test;
    size_t i;
    if (!json_is_array(root)) return diag_error(d, "%s: a result of llama-bench is a list of tests", r->input);
    if (!start(&b, r, rate, d)) return false;
    json_array_foreach((json_t *)root, i, test) {
        double v[FIELDS];
        for (int k = 0; k < FIELDS; k++) v[k] = report_number(test, fields[k]);
        if (!add_test(&b, v, d)) return false;
    }
    return finish(&b, d);
}

/* ---- CSV: every cell may stand in quotes ---- */

static str next_cell(const char **at, const char *end) {
    const char *p = *at;
    bool quoted = p < end && *p == '"';
    const char *from = p += quoted;
    while (p < end && (quoted ? *p != '"' : *p != ',' && *p != '\n' && *p != '\r')) p++;
    str cell = {from, (size_t)(p - from)};
    while (p < end && *p != ',' && *p != '\n') p++;
    *at = p;
    return cell;
}

static double cell_number(str cell) {
    char text[48], *end;
    if (cell.n == 0 || cell.n >= sizeof text) return NAN;
    memcpy(text, cell.p, cell.n);
    text[cell.n] = 0;
    double x = strtod(text, &end);
    return *end == 0 && x >= 0 && x < 1e300 ? x : NAN;
}

/* One line; `column` gives the field of each column, FIELDS = none. The first line fills it. */
static void read_line(const char **at, const char *end, field *column, bool first, double v[FIELDS]) {
    for (int i = 0;; i++) {
        str cell = next_cell(at, end);
        if (first && i < COLUMNS_MAX) {
            column[i] = FIELDS;
            for (int k = 0; k < FIELDS; k++)
                if (str_is(cell, fields[k])) column[i] = (field)k;
        } else if (i < COLUMNS_MAX && column[i] < FIELDS) v[column[i]] = cell_number(cell);
        if (*at >= end || **at == '\n') break;
        ++*at;
    }
    if (*at < end) ++*at;
}

bool report_llama_csv(audit_report *r, str bytes, double rate, diag *d) {
    bench b;
    field column[COLUMNS_MAX];
    const char *at = bytes.p, *end = bytes.p + bytes.n;
    for (int i = 0; i < COLUMNS_MAX; i++) column[i] = FIELDS;
    if (!start(&b, r, rate, d)) return false;
    for (bool first = true; at < end; first = false) {
        double v[FIELDS] = {NAN, NAN, NAN, NAN, NAN};
        bool empty = *at == '\n' || *at == '\r';
        read_line(&at, end, column, first, v);
        if (!first && !empty && !add_test(&b, v, d)) return false;
    }
    return finish(&b, d);
}
