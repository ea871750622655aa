/* ingot plan-capacity: systems, megawatts and cost for a rate under limits; or what megawatts serve. */
#include "cli/predict_args.h"
#include "perf/capacity.h"
#include "perf/software.h"

typedef struct {
    const char *model, *machine, *weights, *kv, *set, *software;
    int64_t prompt, generate;
    double rate, megawatts, pue, utilisation, ttft, tpot;
    bool json;
} capacity_args;

const cli_option cmd_plan_capacity_options[] = {
    OPTION_STRING_ROW('m', "model", capacity_args, model, "NAME|FILE", "llama-3.1-70b",
                      "a preset, a model file, a config.json"),
    OPTION_STRING_ROW('M', "machine", capacity_args, machine, "NAME|FILE", "cs3", "a machine (ingot machine list)"),
    OPTION_INT_ROW('p', "prompt", capacity_args, prompt, 1, 1e9, "N", "1000", "tokens of a prompt"),
    OPTION_INT_ROW('n', "generate", capacity_args, generate, 1, 1e9, "N", "200", "tokens generated"),
    OPTION_FLOAT_ROW('r', "rate", capacity_args, rate, 0, 1e12, "R", "0", "requests per second to serve"),
    OPTION_FLOAT_ROW(0, "megawatts", capacity_args, megawatts, 0, 1e9, "MW", "0",
                     "instead: power that there is, PUE included"),
    OPTION_FLOAT_ROW(0, "ttft", capacity_args, ttft, 0, 1e9, "S", "2", "limit on the time to first token; 0 = none"),
    OPTION_FLOAT_ROW(0, "tpot", capacity_args, tpot, 0, 1e9, "S", "0.05", "limit on the time per token; 0 = none"),
    OPTION_FLOAT_ROW(0, "pue", capacity_args, pue, 1, 10, "X", "1.16",
                     "power of the site over power of the systems (1.16: liquid-cooled sites, survey of 2025)"),
    OPTION_FLOAT_ROW(0, "utilisation", capacity_args, utilisation, 0.01, 1, "SHARE", "0.7",
                     "share of the capacity that is planned for"),
    OPTION_STRING_ROW('w', "weights", capacity_args, weights, "FORMAT", NULL, "format of the weights"),
    OPTION_STRING_ROW(0, "kv", capacity_args, kv, "FORMAT", NULL, "format of keys and values"),
    OPTION_STRING_ROW(0, "software", capacity_args, software, "NAME", NULL, "serving software of data/software.json"),
    OPTION_STRING_ROW(0, "set", capacity_args, set, "NAME=VALUE,...", NULL, "values of the machine changed"),
    OPTION_FLAG_ROW(0, "json", capacity_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

static void print_text(const perf_capacity *c, const perf_shape *s, const perf_machine *m, const capacity_args *a) {
    const perf_prediction *u = &c->unit;
    printf("%s on %s, %lld + %lld tokens, utilisation %.0f %%\n", s->title, m->title, (long long)a->prompt,
           (long long)a->generate, 100 * a->utilisation);
    printf("%-20s %.0f system%s with batch %.0f: first token %.3g s, %.3g ms a token, %.4g requests/s at full use\n",
           "a unit", u->setup.systems, u->setup.systems == 1 ? "" : "s", u->load.batch, u->ttft_s.value,
           1e3 * u->tpot_s.value, c->unit_requests_per_s);
    printf("%-20s %.0f in %.0f units\n", "systems", c->systems, c->units);
    printf("%-20s %.5g requests/s, %.5g tokens/s\n", "serve", c->requests_per_s, c->tokens_per_s);
    if (c->megawatts > 0) printf("%-20s %.4g MW at most, PUE %.2f\n", "power", c->megawatts, a->pue);
    else printf("%-20s absent: the machine file lacks power_watts\n", "power");
    if (c->usd_per_hour > 0)
        printf("%-20s %.4g USD/h, %.3g USD per million tokens\n", "cost", c->usd_per_hour, c->usd_per_mtok);
    else printf("%-20s absent: the machine file lacks cost_usd_per_hour\n", "cost");
    puts("Queues are not in this: `ingot simulate` has them.");
}

int cmd_plan_capacity(cli *c, int argc, char **argv) {
    capacity_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    predict_args shared = {.model = a.model,
                           .weights = a.weights,
                           .kv = a.kv,
                           .set = a.set,
                           .software = a.software,
                           .prompt = a.prompt,
                           .generate = a.generate,
                           .batch = 1,
                           .prompt_batch = 1};
    perf_capacity_ask ask = {.ttft_limit_s = a.ttft,
                             .tpot_limit_s = a.tpot,
                             .requests_per_s = a.rate,
                             .megawatts = a.megawatts,
                             .pue = a.pue,
                             .utilisation = a.utilisation};
    perf_shape s;
    perf_machine m;
    perf_capacity plan;
    if (!predict_inputs(&s, &m, &ask.load, c->memory, &shared, a.machine, c->d) ||
        !perf_capacity_plan(&plan, &s, &m, &ask, c->d))
        return CLI_FAILED;
    if (!a.json) print_text(&plan, &s, &m, &a);
    else
        printf("{\"systems\": %.9g, \"units\": %.9g, \"batch\": %.9g, \"requests_per_s\": %.9g, \"tokens_per_s\": "
               "%.9g, \"megawatts\": %.9g, \"usd_per_hour\": %.9g, "
               "\"usd_per_mtok\": %.9g, \"ttft_s\": %.9g, \"tpot_s\": %.9g}\n",
               plan.systems, plan.units, plan.unit.load.batch, plan.requests_per_s, plan.tokens_per_s, plan.megawatts,
               plan.usd_per_hour, plan.usd_per_mtok, plan.unit.ttft_s.value, plan.unit.tpot_s.value);
    return CLI_OK;
}
