/* A first-order prediction as a table for people and as JSON for programs. */
#include "base/units.h"
#include "perf/first_order.h"
#include <math.h>

static const char *const limit_names[FO_LIMIT_COUNT][PERF_CLASS_COUNT] = {
    [FO_COMPUTE] = {"compute", "compute", "compute", "compute"}, [FO_MEMORY] = {"SRAM", "HBM", "memory", "memory"},       [FO_LINK] = {"fabric", "NVLink", "links", "links"},
    [FO_IO] = {"wafer I/O", "PCIe", "PCIe", "disk"},       [FO_LATENCY] = {"latency", "latency", "latency", "latency"},
};

const char *fo_limit_name(fo_limit limit, perf_class class) {
    return limit < FO_LIMIT_COUNT && class < PERF_CLASS_COUNT ? limit_names[limit][class] : "unknown";
}

/* ---- table ---- */

typedef struct {
    char text[112];
} cell;

static cell cell_of(unit_text a) {
    cell c;
    snprintf(c.text, sizeof c.text, "%s", a.text);
    return c;
}

/* "1.20 ms (0.81 .. 3.10 ms)": the unit once when it is the same. */
static cell range_cell(fo_range r, unit_text (*show)(double)) {
    cell c;
    unit_text low = show(r.low), value = show(r.value), high = show(r.high);
    char *unit = strchr(low.text, ' '), *unit_high = strchr(high.text, ' ');
    if (unit && unit_high && !strcmp(unit, unit_high)) *unit = 0;
    snprintf(c.text, sizeof c.text, "%s (%s .. %s)", value.text, low.text, high.text);
    return c;
}

static unit_text show_rate(double x) {
    unit_text t;
    snprintf(t.text, sizeof t.text, x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x);
    return t;
}

static unit_text show_joules(double x) { return units_si(x, "J"); }

static unit_text show_usd(double x) {
    unit_text t;
    snprintf(t.text, sizeof t.text, x < 10 ? "%.2f" : "%.0f", x);
    return t;
}

static cell share_cell(const fo_step *step, fo_limit l) {
    cell c = {""};
    if (step->limit_s[l] <= 0) return (cell){"-"};
    double share = 100 * step->limit_s[l] / step->seconds;
    snprintf(c.text, sizeof c.text, share < 10 ? "%6.2f %%  %s%s" : "%6.1f %%  %s%s", share,
             units_seconds(step->limit_s[l]).text, step->binds == l ? "  <- binds" : "");
    return c;
}

static cell bytes_cell(double bytes) { return bytes > 0 ? cell_of(units_bytes(bytes)) : (cell){"-"}; }

static cell systems_cell(const first_order *p, const fo_mode *m) {
    cell c;
    const char *plural = m->systems == 1 ? "" : "s";
    if (p->class == PERF_WAFER)
        snprintf(c.text, sizeof c.text, "%.0f wafer%s, %u x %u PEs a layer", m->systems, plural, m->region_side_pes,
                 m->region_side_pes);
    else
        snprintf(c.text, sizeof c.text, "%.0f system%s, %u GPU%s at work", m->systems, plural, m->devices,
                 m->devices == 1 ? "" : "s");
    return c;
}

static void row(strbuf *b, const char *label, cell resident, cell streamed) {
    strbuf_addf(b, "  %-24s %-36s %s\n", label, resident.text, streamed.text);
}

static void range_row(strbuf *b, const char *label, fo_range a, fo_range s, unit_text (*show)(double)) {
    row(b, label, range_cell(a, show), range_cell(s, show));
}

static void step_rows(const first_order *p, strbuf *b, const char *title, const fo_step *a, const fo_step *s) {
    strbuf_addf(b, "  %s\n", title);
    for (int l = 0; l < FO_LIMIT_COUNT; l++) {
        char label[40];
        snprintf(label, sizeof label, "  %s", fo_limit_name((fo_limit)l, p->class));
        row(b, label, share_cell(a, (fo_limit)l), share_cell(s, (fo_limit)l));
    }
}

static void byte_rows(const first_order *p, strbuf *b, const fo_step *a, const fo_step *s) {
    char label[FO_LIMIT_COUNT][40];
    for (int l = FO_MEMORY; l <= FO_IO; l++)
        snprintf(label[l], sizeof label[l], "  %s%s", fo_limit_name((fo_limit)l, p->class),
                 l == FO_LINK && p->class == PERF_WAFER ? ", x hops" : "");
    strbuf_adds(b, "  bytes per token\n");
    row(b, label[FO_MEMORY], bytes_cell(a->memory_bytes), bytes_cell(s->memory_bytes));
    row(b, label[FO_LINK], bytes_cell(a->link_bytes), bytes_cell(s->link_bytes));
    row(b, label[FO_IO], bytes_cell(a->io_bytes), bytes_cell(s->io_bytes));
    row(b, "  between systems", bytes_cell(a->crossing_bytes), bytes_cell(s->crossing_bytes));
}

void first_order_render(const first_order *p, strbuf *b) {
    const fo_mode *r = &p->resident, *s = &p->streamed;
    strbuf_addf(b, "first-order: %s on %s, %llu prompt + %llu generated tokens, batch 1\n", p->model, p->machine,
                (unsigned long long)p->load.prompt_tokens, (unsigned long long)p->load.generated_tokens);
    row(b, "", (cell){"weights resident"}, (cell){"weights streamed"});
    row(b, "runs on", systems_cell(p, r), systems_cell(p, s));
    range_row(b, "time to first token", r->ttft_s, s->ttft_s, units_seconds);
    range_row(b, "time per token", r->token_s, s->token_s, units_seconds);
    range_row(b, "tokens per second", r->tokens_per_s, s->tokens_per_s, show_rate);
    range_row(b, "energy per token", r->joules_per_token, s->joules_per_token, show_joules);
    range_row(b, "energy of the prompt", r->joules_prompt, s->joules_prompt, show_joules);
    if (r->usd_per_mtoken.high > 0)
        range_row(b, "USD per million tokens", r->usd_per_mtoken, s->usd_per_mtoken, show_usd);
    byte_rows(p, b, &r->decode, &s->decode);
    step_rows(p, b, "a token's time: each limit alone", &r->decode, &s->decode);
    step_rows(p, b, "the prompt's time", &r->prefill, &s->prefill);
    strbuf_addf(b, "  weights %s %s; KV cache %s. Ranges are those of the published facts, not error bars.\n",
                units_bytes(p->weight_bytes).text,
                p->weights_format == PERF_WIDENED_F16 ? "(2 bytes each, widened)" : "(as stored)",
                units_bytes(p->kv_bytes).text);
    if (p->class == PERF_WAFER)
        strbuf_adds(b, "  Streaming weights for every token is a what-if: services that generate keep them in SRAM.\n");
}

/* ---- JSON ---- */

static void json_number(strbuf *b, const char *key, double x, const char *after) {
    if (isfinite(x)) strbuf_addf(b, "\"%s\":%.9g%s", key, x, after);
    else strbuf_addf(b, "\"%s\":null%s", key, after); /* JSON has no infinity */
}

static void json_range(strbuf *b, const char *key, fo_range r) {
    strbuf_addf(b, "\"%s\":{", key);
    json_number(b, "low", r.low, ",");
    json_number(b, "value", r.value, ",");
    json_number(b, "high", r.high, "},");
}

static void json_step(const first_order *p, strbuf *b, const char *key, const fo_step *s, const char *after) {
    strbuf_addf(b, "\"%s\":{", key);
    json_number(b, "seconds", s->seconds, ",");
    json_number(b, "work_s", s->work_s, ",");
    strbuf_addf(b, "\"binds\":\"%s\",\"limits_s\":{", fo_limit_name(s->binds, p->class));
    for (int l = 0; l < FO_LIMIT_COUNT; l++)
        json_number(b, fo_limit_name((fo_limit)l, p->class), s->limit_s[l], l + 1 < FO_LIMIT_COUNT ? "," : "},");
    json_number(b, "memory_bytes", s->memory_bytes, ",");
    json_number(b, "link_bytes", s->link_bytes, ",");
    json_number(b, "io_bytes", s->io_bytes, ",");
    json_number(b, "crossing_bytes", s->crossing_bytes, "}");
    strbuf_adds(b, after);
}

static void json_mode(const first_order *p, strbuf *b, const char *key, const fo_mode *m, const char *after) {
    strbuf_addf(b, "\"%s\":{", key);
    json_number(b, "systems", m->systems, ",");
    strbuf_addf(b, "\"devices\":%u,\"region_side_pes\":%u,", m->devices, m->region_side_pes);
    json_range(b, "ttft_s", m->ttft_s);
    json_range(b, "token_s", m->token_s);
    json_range(b, "request_s", m->request_s);
    json_range(b, "tokens_per_s", m->tokens_per_s);
    json_range(b, "joules_per_token", m->joules_per_token);
    json_range(b, "joules_prompt", m->joules_prompt);
    if (m->usd_per_mtoken.high > 0) json_range(b, "usd_per_mtoken", m->usd_per_mtoken);
    json_step(p, b, "prefill", &m->prefill, ",");
    json_step(p, b, "decode", &m->decode, "}");
    strbuf_adds(b, after);
}

void first_order_json(const first_order *p, strbuf *b) {
    strbuf_adds(b, "{\"method\":\"first-order\",\"model\":");
    strbuf_add_json(b, str_from(p->model));
    strbuf_adds(b, ",\"machine\":");
    strbuf_add_json(b, str_from(p->machine));
    strbuf_addf(b, ",\"class\":\"%s\",\"weights_format\":\"%s\",\"prompt_tokens\":%llu,\"generated_tokens\":%llu,",
                perf_class_name(p->class), p->weights_format == PERF_WIDENED_F16 ? "widened_f16" : "as_stored",
                (unsigned long long)p->load.prompt_tokens, (unsigned long long)p->load.generated_tokens);
    json_number(b, "kv_elem_bytes", p->load.kv_elem_bytes, ",");
    json_number(b, "params", p->params, ",");
    json_number(b, "weight_bytes", p->weight_bytes, ",");
    json_number(b, "kv_bytes", p->kv_bytes, ",");
    json_mode(p, b, "resident", &p->resident, ",");
    json_mode(p, b, "streamed", &p->streamed, "}");
}
