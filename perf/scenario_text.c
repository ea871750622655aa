/* A scenario's result: as a table with everything that it rests on, and as JSON. */
#include "base/units.h"
#include "perf/scenario.h"
#include <math.h>

static bool met(double got, const perf_target *t) { return fabs(got - t->change) <= t->tolerance; }

static void reports(const perf_scenario *c, const perf_variant *v, strbuf *b) {
    strbuf_addf(b, "%-12s %11s %16s %13s %13s %13s %10s %8s %9s\n", c->vary, "requests/s", "range", "first token",
                "median", "p99", "a token", "readers", "transfer");
    for (size_t i = 0; i < c->value_count; i++) {
        const perf_sim_report *r = &v->reports[i];
        perf_range rate = perf_scenario_rate(c, i);
        char range[48];
        snprintf(range, sizeof range, "%.4g .. %.4g", rate.low, rate.high);
        strbuf_addf(b, "%-12s %11.4g %16s %13s %13s %13s %10s %6.0f %% %7.1f %%\n", c->labels[i], r->requests_per_s,
                    range, units_seconds(r->ttft_s.mean).text, units_seconds(r->ttft_s.p50).text,
                    units_seconds(r->ttft_s.p99).text, units_seconds(r->tpot_s.mean).text, 100 * r->reader_share,
                    100 * r->network_ttft_share);
    }
}

static void targets(const perf_scenario *c, strbuf *b) {
    for (size_t i = 0; i < c->target_count; i++) {
        const perf_target *t = &c->targets[i];
        perf_range got = perf_scenario_range(c, t);
        strbuf_addf(
            b, "%-16s %s -> %s: simulated %+.1f %% (%+.1f .. %+.1f), published %+.0f %%: %s (within %.0f points)\n",
            t->metric, c->labels[t->from], c->labels[t->to], 100 * got.value, 100 * got.low, 100 * got.high,
            100 * t->change, met(got.value, t) ? "met" : "missed", 100 * t->tolerance);
    }
    strbuf_addf(b, "Ranges: all facts of the machine at their slow and fast ends; the weakest behind a step is %s.\n",
                fact_kind_name(c->variants->reports->weakest));
}

static void variants(const perf_scenario *c, strbuf *b) {
    strbuf_addf(b, "\n%-52s", "what it hangs on: one thing changed");
    for (size_t i = 0; i < c->target_count; i++)
        strbuf_addf(b, " %8s", strncmp(c->targets[i].metric, "ttft", 4) ? "rate" : "TTFT");
    strbuf_addc(b, '\n');
    for (size_t k = 0; k < c->variant_count; k++) {
        strbuf_addf(b, "%-52s", c->variants[k].title);
        for (size_t i = 0; i < c->target_count; i++) {
            double got = perf_scenario_change(c, &c->variants[k], &c->targets[i]);
            strbuf_addf(b, " %+6.1f%%%c", 100 * got, met(got, &c->targets[i]) ? ' ' : '*');
        }
        strbuf_addc(b, '\n');
    }
    strbuf_adds(b, "* = further from what was published than the tolerance\n");
}

void perf_scenario_text(const perf_scenario *c, strbuf *b) {
    strbuf_addf(b, "%s\nsource: %s\n\n", c->title, c->source);
    for (size_t i = 0; i < c->assumption_count; i++) strbuf_addf(b, "%s%s\n", i ? "  - " : "", c->assumptions[i]);
    strbuf_addc(b, '\n');
    reports(c, &c->variants[0], b);
    strbuf_addc(b, '\n');
    targets(c, b);
    if (c->variant_count > 1) variants(c, b);
}

static void percentiles_json(strbuf *b, const char *name, perf_percentiles p) {
    strbuf_addf(b, ", \"%s\": {\"p50\": %.6g, \"p90\": %.6g, \"p99\": %.6g, \"mean\": %.6g}", name, p.p50, p.p90, p.p99,
                p.mean);
}

static void variant_json(const perf_scenario *c, const perf_variant *v, strbuf *b) {
    strbuf_adds(b, "{\"title\": ");
    strbuf_add_json(b, str_from(v->title));
    strbuf_adds(b, ", \"machine\": ");
    strbuf_add_json(b, str_from(v->machine.name));
    strbuf_adds(b, ", \"values\": [");
    for (size_t i = 0; i < c->value_count; i++) {
        const perf_sim_report *r = &v->reports[i];
        strbuf_addf(b,
                    "%s{\"%s\": %.9g, \"requests_per_s\": %.9g, \"reader_share\": %.6g, \"network_ttft_share\": %.6g",
                    i ? ", " : "", c->vary, v->values[i], r->requests_per_s, r->reader_share, r->network_ttft_share);
        percentiles_json(b, "ttft_s", r->ttft_s);
        percentiles_json(b, "tpot_s", r->tpot_s);
        strbuf_addc(b, '}');
    }
    strbuf_adds(b, "], \"changes\": [");
    for (size_t i = 0; i < c->target_count; i++) {
        double got = perf_scenario_change(c, v, &c->targets[i]);
        strbuf_addf(
            b, "%s{\"metric\": \"%s\", \"simulated\": %.6g, \"published\": %.6g, \"tolerance\": %.6g, \"met\": %s}",
            i ? ", " : "", c->targets[i].metric, got, c->targets[i].change, c->targets[i].tolerance,
            met(got, &c->targets[i]) ? "true" : "false");
    }
    strbuf_adds(b, "]}");
}

void perf_scenario_json(const perf_scenario *c, strbuf *b) {
    strbuf_adds(b, "{\"name\": ");
    strbuf_add_json(b, str_from(c->name));
    strbuf_adds(b, ", \"assumptions\": [");
    for (size_t i = 0; i < c->assumption_count; i++) {
        strbuf_adds(b, i ? ", " : "");
        strbuf_add_json(b, str_from(c->assumptions[i]));
    }
    strbuf_addf(b, "], \"weakest_fact\": \"%s\", \"ranges\": [", fact_kind_name(c->variants->reports->weakest));
    for (size_t i = 0; i < c->target_count; i++) {
        perf_range r = perf_scenario_range(c, &c->targets[i]);
        strbuf_addf(b, "%s{\"metric\": \"%s\", \"low\": %.6g, \"high\": %.6g}", i ? ", " : "", c->targets[i].metric,
                    r.low, r.high);
    }
    strbuf_adds(b, "], \"variants\": [");
    for (size_t i = 0; i < c->variant_count; i++) {
        strbuf_adds(b, i ? ",\n " : "\n ");
        variant_json(c, &c->variants[i], b);
    }
    strbuf_adds(b, "]}\n");
}
