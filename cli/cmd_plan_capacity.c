/* ingot plan-capacity: systems, megawatts and cost for a rate under limits; or what megawatts serve. */
#include "base/units.h"
#include "cli/predict_args.h"
#include "perf/capacity.h"

typedef struct {
    predict_args shared;
    double rate, megawatts, pue, utilisation, ttft, tpot, kwh;
    bool json;
} capacity_args;

const cli_option cmd_plan_capacity_options[] = {
    PREDICT_SHARED_ROWS(capacity_args, "cs3", "llama-3.1-70b"),
    OPTION_INT_ROW('p', "prompt", capacity_args, shared.prompt, 1, 1e9, "N", "1000", "tokens of a prompt"),
    OPTION_INT_ROW('n', "generate", capacity_args, shared.generate, 1, 1e9, "N", "200", "tokens generated"),
    OPTION_FLOAT_ROW('r', "rate", capacity_args, rate, 0, 1e12, "R", "0", "requests per second to serve"),
    OPTION_FLOAT_ROW(0, "megawatts", capacity_args, megawatts, 0, 1e9, "MW", "0",
                     "instead: power that there is, PUE included"),
    OPTION_FLOAT_ROW(0, "ttft", capacity_args, ttft, 0, 1e9, "S", "2", "limit on the time to first token; 0 = none"),
    OPTION_FLOAT_ROW(0, "tpot", capacity_args, tpot, 0, 1e9, "S", "0.05", "limit on the time per token; 0 = none"),
    OPTION_FLOAT_ROW(0, "pue", capacity_args, pue, 1, 10, "X", "1.16",
                     "power of the site over power of the systems (1.16: liquid-cooled sites, survey of 2025)"),
    OPTION_FLOAT_ROW(0, "utilisation", capacity_args, utilisation, 0.01, 1, "SHARE", "0.7",
                     "share of the capacity that is planned for"),
    OPTION_FLOAT_ROW(0, "usd-per-kwh", capacity_args, kwh, 0, 1000, "USD", "0.08",
                     "electricity (0.08: estimate for AI sites, 2026; US industry 0.047 to 0.15)"),
    OPTION_FLAG_ROW(0, "json", capacity_args, json, "for programs: one JSON object, of several machines an array"),
    OPTIONS_END,
};

static void print_power(const perf_capacity *c, const capacity_args *a) {
    if (!(c->megawatts > 0)) {
        printf("%-20s absent: the machine file lacks power_watts\n", "power");
        return;
    }
    printf("%-20s %.4g MW at most, %.4g MW drawn, PUE %.2f: %s a token at the site's meter\n", "power", c->megawatts,
           c->mean_megawatts, a->pue, units_si(c->joules_per_token, "J").text);
    printf("%-20s %.4g USD/h at %.3g USD/kWh, %.3g USD per million tokens\n", "electricity",
           c->electricity_usd_per_hour, a->kwh, c->electricity_usd_per_mtok);
}

static void print_text(const perf_capacity *c, const perf_shape *s, const perf_machine *m, const capacity_args *a) {
    const perf_prediction *u = &c->unit;
    printf("%s on %s, %lld + %lld tokens, utilisation %.0f %%\n", s->title, m->title, (long long)a->shared.prompt,
           (long long)a->shared.generate, 100 * a->utilisation);
    printf("%-20s %.0f system%s with batch %.0f: first token %.3g s, %.3g ms a token, %.4g requests/s at full use\n",
           "a unit", u->setup.systems, u->setup.systems == 1 ? "" : "s", u->load.batch, u->ttft_s.value,
           1e3 * u->tpot_s.value, c->unit_requests_per_s);
    printf("%-20s %.0f in %.0f units (%.0f .. %.0f)\n", "systems", c->systems, c->units, c->systems_range.low,
           c->systems_range.high);
    printf("%-20s %.5g requests/s (%.4g .. %.4g), %.5g tokens/s\n", "serve", c->requests_per_s, c->serve_range.low,
           c->serve_range.high, c->tokens_per_s);
    print_power(c, a);
    if (c->usd_per_hour > 0)
        printf("%-20s %.4g USD/h of owning, electricity in it; %.3g USD per million tokens\n", "cost", c->usd_per_hour,
               c->usd_per_mtok);
    else printf("%-20s absent: the machine file lacks cost_usd_per_hour\n", "cost");
    if (c->price_usd > 0)
        printf("%-20s %s, %s\n", "price", units_si(c->price_usd, "USD").text, fact_kind_name(m->price_usd.kind));
    printf(
        "Ranges: facts of the machine at their slow and fast ends; the weakest fact behind the binding limit is %s.\n"
        "Queues are not in this: `ingot simulate` has them.\n",
        fact_kind_name(u->weakest));
}

static void print_json(const perf_capacity *c, const char *machine) {
    printf("{\"machine\": \"%s\", \"systems\": %.9g, \"units\": %.9g, \"batch\": %.9g, \"requests_per_s\": %.9g, "
           "\"tokens_per_s\": %.9g, \"megawatts\": %.9g, \"mean_megawatts\": %.9g, \"joules_per_token\": %.9g, "
           "\"electricity_usd_per_hour\": %.9g, \"electricity_usd_per_mtok\": %.9g, \"usd_per_hour\": %.9g, "
           "\"usd_per_mtok\": %.9g, \"price_usd\": %.9g, \"ttft_s\": %.9g, \"tpot_s\": %.9g, \"systems_low\": %.9g, "
           "\"systems_high\": %.9g, \"requests_per_s_low\": %.9g, \"requests_per_s_high\": %.9g, \"weakest_fact\": "
           "\"%s\"}",
           machine, c->systems, c->units, c->unit.load.batch, c->requests_per_s, c->tokens_per_s, c->megawatts,
           c->mean_megawatts, c->joules_per_token, c->electricity_usd_per_hour, c->electricity_usd_per_mtok,
           c->usd_per_hour, c->usd_per_mtok, c->price_usd, c->unit.ttft_s.value, c->unit.tpot_s.value,
           c->systems_range.low, c->systems_range.high, c->serve_range.low, c->serve_range.high,
           fact_kind_name(c->unit.weakest));
}

static void print_head(const perf_shape *s, const capacity_args *a) {
    printf("%s, %lld + %lld tokens, utilisation %.0f %%, PUE %.2f, %.3g USD/kWh\n", s->title,
           (long long)a->shared.prompt, (long long)a->shared.generate, 100 * a->utilisation, a->pue, a->kwh);
    printf("%-14s %8s %12s %6s %11s %21s %11s %9s %9s %10s %10s %9s  %s\n", "machine", "systems", "range", "batch",
           "requests/s", "range", "tokens/s", "MW most", "MW drawn", "USD/Mtok el", "USD/Mtok", "price USD",
           "weakest fact");
}

static void print_row(const perf_capacity *c, const char *name) {
    char cost[32] = "-", price[32] = "-", systems[64] = "-", rate[64];
    if (c->usd_per_mtok > 0) snprintf(cost, sizeof cost, "%.3g", c->usd_per_mtok);
    if (c->price_usd > 0) snprintf(price, sizeof price, "%s", units_si(c->price_usd, "").text);
    if (c->systems_range.low < c->systems_range.high)
        snprintf(systems, sizeof systems, "%.0f..%.0f", c->systems_range.low, c->systems_range.high);
    snprintf(rate, sizeof rate, "%.4g..%.4g", c->serve_range.low, c->serve_range.high);
    printf("%-14s %8.0f %12s %6.0f %11.4g %21s %11.4g %9.4g %9.4g %11.3g %10s %9s  %s\n", name, c->systems, systems,
           c->unit.load.batch, c->requests_per_s, rate, c->tokens_per_s, c->megawatts, c->mean_megawatts,
           c->electricity_usd_per_mtok, cost, price, fact_kind_name(c->unit.weakest));
}

/* Several machines: a line each; one that cannot serve says why. */
static bool compare(cli *c, const capacity_args *a, const perf_capacity_ask *q, perf_shape *s) {
    if (!a->json) print_head(s, a);
    for (int i = 0; i < c->arg_count; i++) {
        perf_machine m;
        perf_capacity plan;
        diag *d = diag_new();
        if (!d || !perf_machine_load(&m, c->memory, c->args[i], c->d) || !predict_set(&m, a->shared.set, c->d))
            return diag_free(d), false;
        bool ok = perf_capacity_plan(&plan, s, &m, q, d);
        if (a->json) fputs(i ? ",\n" : "[", stdout);
        if (ok) (a->json ? print_json : print_row)(&plan, m.name);
        else if (a->json) printf("{\"machine\": \"%s\"}", m.name);
        else printf("%-14s %s", m.name, diag_text(d));
        diag_free(d);
    }
    puts(a->json ? "]"
                 : "Ranges: facts of the machine at their slow and fast ends. Queues are not in this: `ingot simulate` "
                   "has them.");
    return true;
}

int cmd_plan_capacity(cli *c, int argc, char **argv) {
    capacity_args a = {.shared = {.batch = 1, .prompt_batch = 1}};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    perf_capacity_ask ask = {.ttft_limit_s = a.ttft,
                             .tpot_limit_s = a.tpot,
                             .requests_per_s = a.rate,
                             .megawatts = a.megawatts,
                             .pue = a.pue,
                             .utilisation = a.utilisation,
                             .usd_per_kwh = a.kwh};
    perf_shape s;
    perf_machine m;
    perf_capacity plan;
    const char *machine = c->arg_count ? c->args[0] : a.shared.machine;
    if (!predict_inputs(&s, &m, &ask.load, c->memory, &a.shared, machine, c->d)) return CLI_FAILED;
    if (c->arg_count > 1) return compare(c, &a, &ask, &s) ? CLI_OK : CLI_FAILED;
    if (!perf_capacity_plan(&plan, &s, &m, &ask, c->d)) return CLI_FAILED;
    if (!a.json) print_text(&plan, &s, &m, &a);
    else print_json(&plan, m.name), puts("");
    return CLI_OK;
}
