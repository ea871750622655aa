/* A prediction as a table for people and as JSON for programs; names of limits and causes. */
#include "base/units.h"
#include "perf/predict.h"
#include <math.h>

const char *perf_limit_name(perf_limit l, perf_class c) {
    static const char *const names[PERF_LIMITS][2] = {{"compute", "compute"},
                                                      {"memory", "SRAM"},
                                                      {"links", "fabric"},
                                                      {"host link", "wafer I/O"},
                                                      {"latency", "latency"}};
    return l < PERF_LIMITS ? names[l][c == PERF_WAFER] : "unknown";
}

const char *perf_cause_name(perf_cause c) {
    static const char *const names[] = {"arithmetic", "memory", "links", "I/O", "idle, leakage, host"};
    return c < PERF_CAUSES ? names[c] : "unknown";
}

const char *const *perf_limit_values(perf_limit l, perf_class c) {
    static const char *const compute[] = {"flops_fp16_per_s", "compute_efficiency", NULL};
    static const char *const memory[] = {"mem_bw_bytes_per_s", "memory_efficiency", NULL};
    static const char *const io[] = {"io_bw_bytes_per_s", NULL}, *const fabric[] = {"wavelet_cycles", "clock_hz", NULL};
    static const char *const links[] = {"link_bw_bytes_per_s", "allreduce_latency_s", NULL};
    static const char *const hops[] = {"hop_cycles", "ramp_cycles", "op_overhead_cycles", "clock_hz", NULL};
    static const char *const launches[] = {"kernel_overhead_s", NULL}, *const none[] = {NULL};
    switch (l) {
    case PERF_COMPUTE: return compute;
    case PERF_MEMORY: return memory;
    case PERF_IO: return io;
    case PERF_LINK: return c == PERF_WAFER ? fabric : links;
    case PERF_LATENCY: return c == PERF_WAFER ? hops : launches;
    default: return none;
    }
}

/* ---- table ---- */

static unit_text plain(double x) {
    unit_text t;
    if (x < 10) snprintf(t.text, sizeof t.text, "%.3g", x);
    else snprintf(t.text, sizeof t.text, x < 100 ? "%.1f" : "%.0f", x);
    return t;
}
static unit_text joules(double x) { return units_si(x, "J"); }
static unit_text watts(double x) { return units_si(x, "W"); }

static void range_row(strbuf *b, const char *name, perf_range r, unit_text (*show)(double), const char *after) {
    if (!(r.value > 0)) {
        strbuf_addf(b, "%-26s absent: the machine file lacks a fact for it\n", name);
        return;
    }
    strbuf_addf(b, "%-26s %-10s (%s .. %s)%s\n", name, show(r.value).text, show(r.low).text, show(r.high).text, after);
}

static void setup_row(const perf_prediction *p, strbuf *b) {
    const perf_setup *s = &p->setup;
    strbuf_addf(b, "%-26s ", "runs on");
    if (p->machine->class == PERF_WAFER)
        strbuf_addf(b, "%.0f wafer%s, weights %s, a layer on %.0f x %.0f PEs", s->systems, s->systems == 1 ? "" : "s",
                    p->load.streamed ? "streamed" : "resident", s->side, s->side);
    else
        strbuf_addf(b, "%.0f system%s: %u replica%s of %u-way tensor x %u-stage pipeline%s%s", s->systems,
                    s->systems == 1 ? "" : "s", s->dp, s->dp == 1 ? "" : "s", s->tp, s->pp,
                    s->ep > 1 ? ", experts spread" : "", p->load.streamed ? ", weights streamed" : "");
    strbuf_addf(b, "; memory %.1f %% full\n", 100 * p->memory_share);
}

static void limit_rows(const perf_prediction *p, strbuf *b) {
    strbuf_addf(b, "\n%-26s %-22s %-22s\n", "each limit alone", "prompt", "a step of decoding");
    for (int l = 0; l < PERF_LIMITS; l++) {
        strbuf_addf(b, "  %-24s ", perf_limit_name((perf_limit)l, p->machine->class));
        const perf_phase *f[] = {&p->prefill, &p->decode};
        for (int i = 0; i < 2; i++) {
            char cell[64];
            double x = f[i]->limit_s[l];
            if (x <= 0) snprintf(cell, sizeof cell, "-");
            else
                snprintf(cell, sizeof cell, "%s %.1f %%%s", units_seconds(x).text, 100 * x / f[i]->seconds,
                         f[i]->binds == (perf_limit)l ? " <- binds" : "");
            strbuf_addf(b, "%-28s", cell);
        }
        strbuf_addc(b, '\n');
    }
}

static void byte_row(strbuf *b, const char *name, double prefill, double decode) {
    if (prefill <= 0 && decode <= 0) return;
    strbuf_addf(b, "  %-24s %-28s%s\n", name, units_bytes(prefill).text, units_bytes(decode).text);
}

static void byte_rows(const perf_prediction *p, strbuf *b) {
    const perf_phase *f = &p->prefill, *g = &p->decode;
    strbuf_addf(b, "moved and computed\n");
    byte_row(b, perf_limit_name(PERF_MEMORY, p->machine->class), f->memory_bytes, g->memory_bytes);
    byte_row(b, p->machine->class == PERF_WAFER ? "fabric, x hops" : "links", f->link_bytes, g->link_bytes);
    byte_row(b, perf_limit_name(PERF_IO, p->machine->class), f->io_bytes, g->io_bytes);
    byte_row(b, "between systems", f->crossing_bytes, g->crossing_bytes);
    strbuf_addf(b, "  %-24s %-28s%s\n", "arithmetic", units_si(f->flops, "FLOP").text, units_si(g->flops, "FLOP").text);
}

static void energy_rows(const perf_prediction *p, strbuf *b) {
    if (p->watts.value <= 0) return;
    strbuf_addf(b, "energy\n");
    for (int c = 0; c < PERF_CAUSES; c++)
        strbuf_addf(b, "  %-24s %-28s%s\n", perf_cause_name((perf_cause)c), joules(p->prefill.joules[c]).text,
                    joules(p->decode.joules[c]).text);
}

static void op_rows(const perf_prediction *p, const perf_phase *f, const char *title, strbuf *b) {
    strbuf_addf(b, "\n%-20s %7s %10s %7s %12s %12s %12s  bound by\n", title, "times", "time", "share", "FLOP", "memory",
                "links");
    for (size_t i = 0; i < f->op_count; i++) {
        const perf_op_cost *o = &f->ops[i];
        strbuf_addf(b, "  %-18s %7.0f %10s %6.1f%% %12s %12s %12s  %s\n", o->name, o->count,
                    units_seconds(o->seconds).text, 100 * o->seconds / f->seconds, units_si(o->flops, "").text,
                    units_bytes(o->memory_bytes).text, units_bytes(o->link_bytes).text,
                    perf_limit_name(o->binds, p->machine->class));
    }
}

static void load_rows(const perf_prediction *p, strbuf *b) {
    const perf_load *l = &p->load;
    strbuf_addf(b, "%s on %s\n", p->shape->title, p->machine->title);
    strbuf_addf(b, "%-26s %.0f prompt + %.0f generated tokens, batch %.0f", "load", l->prompt, l->generate, l->batch);
    const char *format = l->weights ? l->weights->name : p->shape->format;
    strbuf_addf(b, "; weights %s%s", format ? format : "as given",
                p->machine->weights_format == PERF_WIDENED_F16 ? " (widened to 16 bits)" : "");
    if (l->kv) strbuf_addf(b, ", KV %s", l->kv->name);
    if (l->window) strbuf_addf(b, ", window %u", l->window);
    if (l->draft_tokens > 0) strbuf_addf(b, ", %.0f drafted, %.0f %% accepted", l->draft_tokens, 100 * l->accepted);
    if (l->software.name) strbuf_addf(b, ", software %s", l->software.name);
    strbuf_addf(b, "\n%-26s %s parameters, %s met by a token; %s; KV %s\n", "model",
                units_si(perf_shape_params(p->shape), "").text, units_si(perf_shape_active(p->shape), "").text,
                units_bytes(p->weight_bytes).text, units_bytes(p->kv_bytes).text);
}

void perf_prediction_text(const perf_prediction *p, bool ops, strbuf *b) {
    load_rows(p, b);
    setup_row(p, b);
    range_row(b, "time to first token", p->ttft_s, units_seconds, "");
    range_row(b, "time per token", p->tpot_s, units_seconds, "");
    range_row(b, "tokens/s, one user", p->user_tok_s, plain, "");
    range_row(b, "tokens/s, decoding, all", p->decode_tok_s, plain, "");
    range_row(b, "tokens/s, with prompts, all", p->total_tok_s, plain, "");
    range_row(b, "power", p->watts, watts, "");
    range_row(b, "energy per token", p->joules_per_token, joules, "");
    range_row(b, "USD per million tokens", p->usd_per_mtok, plain, "");
    limit_rows(p, b);
    byte_rows(p, b);
    energy_rows(p, b);
    if (ops) op_rows(p, &p->prefill, "prompt", b), op_rows(p, &p->decode, "decoding step", b);
    strbuf_addf(
        b,
        "\nbound by %s; the weakest fact behind that is %s. Ranges are those of the published facts, not error bars:\n"
        "`ingot validate` has the errors.\n",
        perf_limit_name(p->decode.binds, p->machine->class), fact_kind_name(p->weakest));
    if (p->load.streamed && p->machine->class == PERF_WAFER)
        strbuf_adds(b, "Streaming weights for every token is a what-if: services that generate keep them in SRAM.\n");
}

void perf_prediction_streamed(const perf_prediction *p, strbuf *b) {
    strbuf_addf(b, "weights streamed           %s tokens/s, first token after %s; %s through the %s for a token%s\n",
                plain(p->user_tok_s.value).text, units_seconds(p->ttft_s.value).text,
                units_bytes(p->decode.io_bytes).text, perf_limit_name(PERF_IO, p->machine->class),
                p->machine->class == PERF_WAFER ? ": a what-if, services keep them in SRAM" : "");
}

/* ---- JSON ---- */

static void number(strbuf *b, const char *key, double x, const char *after) {
    if (isfinite(x)) strbuf_addf(b, "\"%s\": %.9g%s", key, x, after);
    else strbuf_addf(b, "\"%s\": null%s", key, after); /* JSON has no infinity */
}

static void range_json(strbuf *b, const char *key, perf_range r, const char *after) {
    strbuf_addf(b, "\"%s\": {", key);
    number(b, "low", r.low, ", ");
    number(b, "value", r.value, ", ");
    number(b, "high", r.high, "}");
    strbuf_adds(b, after);
}

static void phase_json(const perf_prediction *p, strbuf *b, const char *key, const perf_phase *f) {
    strbuf_addf(b, "\"%s\": {", key);
    number(b, "seconds", f->seconds, ", ");
    strbuf_addf(b, "\"binds\": \"%s\", \"limits_s\": {", perf_limit_name(f->binds, p->machine->class));
    for (int l = 0; l < PERF_LIMITS; l++)
        number(b, perf_limit_name((perf_limit)l, p->machine->class), f->limit_s[l], l + 1 < PERF_LIMITS ? ", " : "}, ");
    number(b, "flops", f->flops, ", ");
    number(b, "memory_bytes", f->memory_bytes, ", ");
    number(b, "link_bytes", f->link_bytes, ", ");
    number(b, "io_bytes", f->io_bytes, ", ");
    number(b, "crossing_bytes", f->crossing_bytes, ", \"joules\": {");
    for (int c = 0; c < PERF_CAUSES; c++)
        number(b, perf_cause_name((perf_cause)c), f->joules[c], c + 1 < PERF_CAUSES ? ", " : "}, \"ops\": [");
    for (size_t i = 0; i < f->op_count; i++) {
        const perf_op_cost *o = &f->ops[i];
        strbuf_addf(b, "%s\n  {\"name\": \"%s\", \"count\": %g, ", i ? "," : "", o->name, o->count);
        number(b, "seconds", o->seconds, ", ");
        number(b, "flops", o->flops, ", ");
        number(b, "memory_bytes", o->memory_bytes, ", ");
        number(b, "link_bytes", o->link_bytes, ", ");
        strbuf_addf(b, "\"binds\": \"%s\"}", perf_limit_name(o->binds, p->machine->class));
    }
    strbuf_adds(b, "]}");
}

void perf_prediction_json(const perf_prediction *p, strbuf *b) {
    strbuf_adds(b, "{\"model\": ");
    strbuf_add_json(b, str_from(p->shape->name));
    strbuf_adds(b, ", \"machine\": ");
    strbuf_add_json(b, str_from(p->machine->name));
    strbuf_addf(b, ", \"class\": \"%s\", \"streamed\": %s, ", perf_class_name(p->machine->class),
                p->load.streamed ? "true" : "false");
    number(b, "prompt", p->load.prompt, ", ");
    number(b, "generate", p->load.generate, ", ");
    number(b, "batch", p->load.batch, ", ");
    number(b, "systems", p->setup.systems, ", ");
    strbuf_addf(b, "\"tp\": %u, \"pp\": %u, \"ep\": %u, \"dp\": %u, ", p->setup.tp, p->setup.pp, p->setup.ep,
                p->setup.dp);
    number(b, "region_side_pes", p->setup.side, ", ");
    number(b, "params", perf_shape_params(p->shape), ", ");
    number(b, "active_params", perf_shape_active(p->shape), ", ");
    number(b, "weight_bytes", p->weight_bytes, ", ");
    number(b, "kv_bytes", p->kv_bytes, ", ");
    number(b, "memory_share", p->memory_share, ",\n");
    range_json(b, "ttft_s", p->ttft_s, ", ");
    range_json(b, "tpot_s", p->tpot_s, ", ");
    range_json(b, "request_s", p->request_s, ",\n");
    range_json(b, "user_tok_s", p->user_tok_s, ", ");
    range_json(b, "decode_tok_s", p->decode_tok_s, ", ");
    range_json(b, "total_tok_s", p->total_tok_s, ",\n");
    range_json(b, "watts", p->watts, ", ");
    range_json(b, "joules_per_token", p->joules_per_token, ", ");
    range_json(b, "usd_per_mtok", p->usd_per_mtok, ", ");
    strbuf_addf(b, "\"weakest_fact\": \"%s\",\n", fact_kind_name(p->weakest));
    phase_json(p, b, "prefill", &p->prefill);
    strbuf_adds(b, ",\n");
    phase_json(p, b, "decode", &p->decode);
    strbuf_adds(b, "}\n");
}
