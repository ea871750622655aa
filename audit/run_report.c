/* Ingot's own reports: steps to buckets. */
#include "audit/live.h"
#include "audit/run_report_internal.h"
#include "base/units.h"
#include <jansson.h>
#include <math.h>

enum { STEPS_MAX = 32 };
/* Steps may seem this much faster than the rates in the report allow; beyond, those were measured while others used the
 * memory, and what rests on them is worth nothing. */
#define RATE_SLACK 1.25

report_kind audit_report_sniff(str head) {
    if (str_contains(head, STR("\"ingot_report\""))) return REPORT_INGOT;
    bool bench = str_contains(head, STR("model_filename")) && str_contains(head, STR("build_commit"));
    size_t i = 0;
    while (i < head.n && strchr(" \t\r\n", head.p[i])) i++;
    if (!bench || i == head.n) return REPORT_NONE;
    return head.p[i] == '[' || head.p[i] == '{' ? REPORT_LLAMA_JSON : REPORT_LLAMA_CSV;
}

double report_number(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    double x = json_is_number(v) ? json_number_value(v) : NAN;
    return x >= 0 && x < 1e300 ? x : NAN;
}

typedef struct {
    double read, decode_flops, prompt_flops, float_flops; /* per second */
    double ran;                                           /* part of the steps' time with a processor */
} limits;

typedef struct {
    const char *phase, *step;
    double seconds, bytes, flops, memory_s, compute_s;
} step_cost;

/* As native_judge does (llm/native_probe.h): a step whose arithmetic takes less than its reading waits for memory for
 * the rest of its time, or while it reads if that is longer, up to twice the reading; what is neither matrix nor
 * attention is not classified. */
static void judge_step(audit_row *row, const step_cost *c) {
    bool matrix = !strcmp(c->step, "linear") || !strcmp(c->step, "head") || !strcmp(c->step, "attention");
    bool waits = c->memory_s > c->compute_s;
    double beyond = c->seconds - fmin(c->compute_s, c->seconds);
    double memory = waits ? fmin(fmax(beyond, fmin(c->memory_s, c->seconds)), c->memory_s / AUDIT_REACH_LOW) : 0;
    double compute = waits ? fmin(c->compute_s, c->seconds - memory) : c->seconds;
    row->ns = row->known_ns = llround(c->seconds * 1e9);
    row->bucket_ns[AUDIT_COMPUTE] = matrix ? llround(compute * 1e9) : 0;
    row->bucket_ns[AUDIT_MEMORY] = matrix ? llround(memory * 1e9) : 0;
    row->bucket_ns[AUDIT_UNKNOWN] = row->ns - row->bucket_ns[AUDIT_COMPUTE] - row->bucket_ns[AUDIT_MEMORY];
    row->bytes = c->bytes;
    row->flops = c->flops;
    row->roof_ns = fmax(c->memory_s, c->compute_s) * 1e9;
    row->far_from_roof = matrix && row->roof_ns < 0.1 * (double)row->ns;
}

static bool read_step(const char *phase, const char *name, const json_t *step, const limits *l, step_cost *c) {
    bool decode = !strcmp(phase, "decode");
    double weights = report_number(step, "weight_bytes"), kv = report_number(step, "kv_bytes");
    *c = (step_cost){.phase = phase,
                     .step = name,
                     .seconds = report_number(step, "seconds"),
                     .bytes = weights + kv,
                     .flops = report_number(step, "flops")};
    if (!(c->seconds < 1e6) || isnan(c->bytes) || isnan(c->flops)) return false;
    double rate = !strcmp(name, "attention") ? l->float_flops : decode ? l->decode_flops : l->prompt_flops;
    c->seconds *= l->ran;
    c->memory_s = c->bytes / l->read;
    c->compute_s = c->flops / rate;
    return true;
}

/* What moves data, at least: the reading at its full rate. */
static void add_reading(audit_report *r, const audit_row *row, const step_cost *c) {
    r->memory_roof_ns += fmin(c->memory_s * 1e9, (double)row->bucket_ns[AUDIT_MEMORY]);
}

static bool add_phase(audit_report *r, audit_table *t, const char *phase, const json_t *host, const limits *l,
                      diag *d) {
    const char *name;
    const json_t *step;
    const json_t *p = json_object_get(host, phase), *steps = json_object_get(p, "steps");
    double tokens = report_number(p, "tokens");
    if (!json_is_object(steps) || isnan(tokens))
        return diag_error(d, "%s: \"host\" has no steps of \"%s\": is it a report of an older version?", r->input,
                          phase);
    json_object_foreach((json_t *)steps, name, step) {
        step_cost c;
        if (t->count == STEPS_MAX || !read_step(phase, name, step, l, &c))
            return diag_error(d, "%s: step \"%.40s\" of \"%s\" has no times, bytes and flops that make sense", r->input,
                              name, phase);
        audit_row *row = &t->rows[t->count++];
        *row = (audit_row){.name = arena_printf(r->a, "%s, %s", phase, name), .count = (uint64_t)tokens};
        if (!row->name) return diag_oom(d, "report");
        judge_step(row, &c);
        for (int b = 0; b < AUDIT_BUCKETS; b++) r->bucket_ns[b] += row->bucket_ns[b];
        r->compute_roof_ns += fmin(c.compute_s * 1e9, (double)row->bucket_ns[AUDIT_COMPUTE]);
        if (row->bucket_ns[AUDIT_MEMORY] > 0) add_reading(r, row, &c);
        if (row->far_from_roof) r->far_ns += row->ns;
    }
    return true;
}

/* Time in which threads waited for streamed weights: storage is movement too. It is inside the steps of matrices. */
static void take_out_streaming(audit_report *r, const json_t *host) {
    double wait = report_number(host, "stream_wait_seconds");
    int64_t ns = isnan(wait) ? 0 : llround(fmin(wait, 1e9) * 1e9);
    if (ns > r->bucket_ns[AUDIT_MEMORY]) ns = r->bucket_ns[AUDIT_MEMORY];
    r->bucket_ns[AUDIT_MEMORY] -= ns;
    r->bucket_ns[AUDIT_HOST_LINK] += ns;
    r->memory_roof_ns = fmin(r->memory_roof_ns, (double)r->bucket_ns[AUDIT_MEMORY]);
}

static void compare(audit_report *r, const json_t *host) {
    const json_t *share = json_object_get(host, "time_share");
    double said = report_number(share, "memory_bound"), here = r->share[AUDIT_MEMORY] + r->share[AUDIT_HOST_LINK];
    if (isnan(said)) return;
    audit_evidence(r, "bound by memory: %.1f %% by the steps' roofline here, %.1f %% in the report itself%s",
                   100 * here, 100 * said, fabs(said - here) > 0.1 ? ": they differ by more than 10 points" : "");
}

/* Steps that wait for memory, together: how fast they read. */
static void reading(audit_report *r, const audit_table *t, const limits *l) {
    double bytes = 0, seconds = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].bucket_ns[AUDIT_MEMORY] == 0) continue;
        bytes += t->rows[i].bytes;
        seconds += (double)t->rows[i].ns * 1e-9;
    }
    if (!(seconds > 0)) return;
    audit_evidence(r, "steps that wait for memory read %s/s, %.0f %% of the %s/s that this host reads",
                   units_bytes(bytes / seconds).text, 100 * bytes / seconds / l->read, units_bytes(l->read).text);
}

/* Whether the rates of the report can be those of the run; the range: reading at its full rate, as judged, and what is
 * not classified. */
static void believe(audit_report *r, const audit_table *t) {
    double roof = 0, took = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].bucket_ns[AUDIT_MEMORY] == 0 && t->rows[i].bucket_ns[AUDIT_COMPUTE] == 0) continue;
        roof += t->rows[i].roof_ns;
        took += (double)t->rows[i].ns;
    }
    if (roof > RATE_SLACK * took)
        r->refused =
            "the run was faster than the rates in its report allow: those were measured while other programs ran";
    double total = 0;
    for (int b = 0; b < AUDIT_BUCKETS; b++) total += (double)r->bucket_ns[b];
    if (!(total > 0)) return;
    r->range_given = true;
    r->lo = ((double)r->bucket_ns[AUDIT_HOST_LINK] + r->memory_roof_ns) / total;
    r->best = (double)(r->bucket_ns[AUDIT_HOST_LINK] + r->bucket_ns[AUDIT_MEMORY]) / total;
    r->hi = r->best + (double)r->bucket_ns[AUDIT_UNKNOWN] / total;
}

static void evidence(audit_report *r, const json_t *host, const audit_table *t, const limits *l) {
    double weights = report_number(host, "resident_weight_bytes"), load = report_number(host, "load_seconds");
    compare(r, host);
    reading(r, t, l);
    if (weights > 0) audit_evidence(r, "%s of weights in memory", units_bytes(weights).text);
    if (l->ran < 0.95)
        audit_note(r, "%.0f %% of the steps' time is left out: other programs had the processor", 100 * (1 - l->ran));
    if (load > 0) audit_note(r, "loading took %s and is not in the window", units_seconds(load).text);
    audit_specify(r, "reading of weights", l->read, "B/s", "the report: measured after the run");
    audit_specify(r, "arithmetic, one token", l->decode_flops, "FLOP/s", "the report: kernels in the cache");
    audit_specify(r, "arithmetic, prompts", l->prompt_flops, "FLOP/s", "the report: kernels in the cache");
    audit_specify(r, "arithmetic, attention", l->float_flops, "FLOP/s", "the report: kernels in the cache");
}

/* ---- what would help ---- */

/* Time of the decode steps that read weights when B sequences share each reading, per token: between the larger of the
 * two times (they overlap) and their sum. */
static void batch(audit_report *r, const audit_table *t, double sequences) {
    double saved_lo = 0, saved_hi = 0, total = (double)r->total_ns;
    char name[64];
    for (size_t i = 0; i < t->count; i++) {
        const audit_row *row = &t->rows[i];
        double spare = row->bucket_ns[AUDIT_MEMORY] ? (double)row->ns : 0, kept = spare / sequences;
        bool weights = !strcmp(row->name, "decode, linear") || !strcmp(row->name, "decode, head");
        double compute = row->flops > 0 && weights ? row->flops / r->peak_flops_per_s * 1e9 : 0;
        if (!weights || spare <= 0) continue;
        saved_hi += spare - fmax(kept, fmin(compute, spare));
        saved_lo += spare - fmin(kept + compute, spare);
    }
    snprintf(name, sizeof name, "%.0f sequences at once: each reading of weights serves all", sequences);
    if (saved_hi > 0)
        audit_what_if_add(r, name, total - saved_hi, total - saved_lo,
                          "T - decode products x (1 - 1/B), no faster than their arithmetic; time per token of all",
                          "throughput, not the time of one; memory for more keys and values");
}

/* A prediction of the report itself for another machine: {"low", "value", "high"} of a whole request. */
static void elsewhere(audit_report *r, const json_t *root) {
    const json_t *list = json_object_get(root, "predictions"), *one;
    size_t i;
    json_array_foreach((json_t *)list, i, one) {
        const json_t *p = json_object_get(one, "resident"), *s = json_object_get(p, "request_s");
        const char *machine = json_string_value(json_object_get(p, "machine"));
        double low = report_number(s, "low"), high = report_number(s, "high");
        char name[160];
        if (!machine || !(low > 0) || !(high < 1e9)) continue;
        snprintf(name, sizeof name, "the same request on %.60s, weights resident", machine);
        audit_what_if_add(r, name, low * 1e9, high * 1e9, "predicted by `ingot run` (docs/predict.md)",
                          "another machine, not a change to this one");
    }
}

static void what_ifs(audit_report *r, const json_t *root, const audit_table *t) {
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 2, "weights of half the bits",
                            "the same share is saved by twice the bandwidth");
    audit_what_if_bandwidth(r, AUDIT_MEMORY, 4, "four times the memory bandwidth", "");
    audit_what_if_bandwidth(r, AUDIT_HOST_LINK, 2, "storage of twice the rate, or half the bytes", "");
    double compute = (double)r->bucket_ns[AUDIT_COMPUTE], total = (double)r->total_ns;
    if (compute > 0)
        audit_what_if_add(r, "twice the arithmetic", total - 0.5 * compute,
                          total - 0.5 * fmin(compute, r->compute_roof_ns),
                          "T - 1/2 x (compute: at its roof .. as measured)", "");
    batch(r, t, 8);
    elsewhere(r, root);
}

static double steps_seconds(const json_t *host, const char *phase) {
    const char *name;
    const json_t *step;
    json_t *steps = json_object_get(json_object_get(host, phase), "steps");
    double sum = 0;
    json_object_foreach(steps, name, step) sum += fmax(0, report_number(step, "seconds"));
    return sum;
}

/* As native_judge: other programs took the same part of all steps. */
static double ran(const json_t *host) {
    double all = steps_seconds(host, "prompt") + steps_seconds(host, "decode");
    double queued = report_number(host, "queued_seconds");
    return queued > 0 && all > 0 ? fmax(0.01, 1 - queued / all) : 1;
}

static bool of_host(audit_report *r, const json_t *root, diag *d) {
    const json_t *host = json_object_get(root, "host");
    const char *engine = json_string_value(json_object_get(host, "engine"));
    limits l = {report_number(host, "read_bytes_per_s"), report_number(host, "decode_flops_per_s_limit"),
                report_number(host, "prompt_flops_per_s_limit"), report_number(host, "float_flops_per_s_limit"),
                ran(host)};
    if (isnan(l.float_flops)) l.float_flops = l.prompt_flops; /* reports before this one */
    if (!engine || strcmp(engine, "native"))
        return diag_error(
            d,
            "%s: the run was on engine '%.20s', whose host time says nothing about memory; only the native "
            "engine's steps can be audited",
            r->input, engine ? engine : "?");
    if (!(l.read > 0) || !(l.decode_flops > 0) || !(l.prompt_flops > 0) || !(l.float_flops > 0))
        return diag_error(
            d, "%s: the report has no limits of its host: no weights stayed in memory, or the run was too short",
            r->input);
    audit_table *t = audit_table_add(r, "By phase and step", "step");
    if (t) t->rows = arena_push_n(r->a, audit_row, STEPS_MAX);
    if (!t || !t->rows) return diag_oom(d, "report");
    if (!add_phase(r, t, "prompt", host, &l, d) || !add_phase(r, t, "decode", host, &l, d)) return false;
    take_out_streaming(r, host);
    r->peak_flops_per_s = l.prompt_flops;
    r->memory_bytes_per_s = l.read;
    believe(r, t);
    audit_decide(r);
    evidence(r, host, t, &l);
    what_ifs(r, root, t);
    audit_advice(r);
    return true;
}

bool audit_of_report(audit_report *r, str bytes, double memory_bytes_per_s, diag *d) {
    report_kind kind = audit_report_sniff((str){bytes.p, bytes.n < 4096 ? bytes.n : 4096});
    json_error_t at;
    r->kind = AUDIT_OF_RUN;
    if (kind == REPORT_LLAMA_CSV) return report_llama_csv(r, bytes, memory_bytes_per_s, d);
    if (kind == REPORT_NONE)
        return diag_error(d, "%s: neither a report of Ingot nor a result of llama-bench", r->input);
    json_t *root = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &at);
    if (!root) return diag_error(d, "%s:%d: %s", r->input, at.line, at.text);
    bool ok = kind == REPORT_INGOT ? of_host(r, root, d) : report_llama_json(r, root, memory_bytes_per_s, d);
    if (kind == REPORT_INGOT) {
        r->format = "report of ingot run";
        r->window = "prompt and decode";
        r->device = "the host of that run";
    }
    json_decref(root);
    return ok;
}
