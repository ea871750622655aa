/* ingot simulate: requests served by replicas, with percentiles. */
#include "base/units.h"
#include "cli/predict_args.h"
#include "perf/simulate.h"
#include "perf/software.h"

typedef struct {
    const char *model, *machine, *weights, *kv, *set, *software;
    int64_t prompt, generate, requests, seed, users, replicas, batch, chunk, readers, tp;
    double rate, spread, network, ttft, tpot;
    bool json;
} simulate_args;

const cli_option cmd_simulate_options[] = {
    OPTION_STRING_ROW('m', "model", simulate_args, model, "NAME|FILE", "llama-3.1-8b",
                      "a preset, a model file, a config.json"),
    OPTION_STRING_ROW('M', "machine", simulate_args, machine, "NAME|FILE", "h100",
                      "what a replica runs on, or a part of it (--tp)"),
    OPTION_INT_ROW('p', "prompt", simulate_args, prompt, 1, 1e7, "N", "1000", "tokens of a prompt, the median"),
    OPTION_INT_ROW('n', "generate", simulate_args, generate, 1, 1e7, "N", "200", "tokens generated, the median"),
    OPTION_FLOAT_ROW(0, "spread", simulate_args, spread, 0, 2, "SIGMA", "0.5",
                     "of the logarithm of both lengths; 0 = all alike"),
    OPTION_FLOAT_ROW('r', "rate", simulate_args, rate, 0, 1e9, "R", "0", "requests per second, Poisson"),
    OPTION_INT_ROW('u', "users", simulate_args, users, 0, 1e6, "N", "0", "instead: users in a closed loop"),
    OPTION_INT_ROW('c', "requests", simulate_args, requests, 1, 1e9, "N", "10000", "requests in all"),
    OPTION_INT_ROW(0, "replicas", simulate_args, replicas, 1, 4096, "N", "1", "replicas that answer"),
    OPTION_INT_ROW('b', "batch", simulate_args, batch, 1, 4096, "N", "64", "running requests of a replica, at most"),
    OPTION_INT_ROW(0, "chunk", simulate_args, chunk, 1, 1e7, "N", "2048", "prompt tokens in a pass"),
    OPTION_INT_ROW(0, "prefill-replicas", simulate_args, readers, 0, 4096, "N", "0",
                   "replicas that read prompts only; 0 = the same ones"),
    OPTION_FLOAT_ROW(0, "network", simulate_args, network, 0, 1e15, "B/s", "25e9",
                     "rate of a prefill replica for keys and values"),
    OPTION_INT_ROW(0, "tp", simulate_args, tp, 0, 65536, "N", "0", "tensor parallel in a replica; 0 = searched"),
    OPTION_FLOAT_ROW(0, "ttft", simulate_args, ttft, 0, 1e9, "S", "0", "limit on the time to first token, for goodput"),
    OPTION_FLOAT_ROW(0, "tpot", simulate_args, tpot, 0, 1e9, "S", "0", "limit on the time per token"),
    OPTION_STRING_ROW('w', "weights", simulate_args, weights, "FORMAT", NULL, "format of the weights"),
    OPTION_STRING_ROW(0, "kv", simulate_args, kv, "FORMAT", NULL, "format of keys and values"),
    OPTION_STRING_ROW(0, "software", simulate_args, software, "NAME", NULL, "serving software of data/software.json"),
    OPTION_STRING_ROW(0, "set", simulate_args, set, "NAME=VALUE,...", NULL, "values of the machine changed"),
    OPTION_INT_ROW(0, "seed", simulate_args, seed, 0, 9e15, "N", "1", "of arrivals and lengths"),
    OPTION_FLAG_ROW(0, "json", simulate_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

static void times(const char *name, perf_percentiles p) {
    printf("%-22s p50 %-10s p90 %-10s p99 %-10s mean %s\n", name, units_seconds(p.p50).text, units_seconds(p.p90).text,
           units_seconds(p.p99).text, units_seconds(p.mean).text);
}

static void times_json(const char *name, perf_percentiles p) {
    printf(", \"%s\": {\"p50\": %.6g, \"p90\": %.6g, \"p99\": %.6g, \"mean\": %.6g}", name, p.p50, p.p90, p.p99,
           p.mean);
}

static void print_json(const perf_sim_report *r) {
    printf("{\"requests\": %llu, \"met\": %llu, \"seconds\": %.9g, \"requests_per_s\": %.9g, \"tokens_per_s\": %.9g, "
           "\"goodput_per_s\": %.9g, "
           "\"busy_share\": %.6g, \"mean_batch\": %.6g, \"network_share\": %.6g, \"tp\": %u, \"pp\": %u",
           (unsigned long long)r->requests, (unsigned long long)r->met, r->seconds, r->requests_per_s, r->tokens_per_s,
           r->goodput_per_s, r->busy_share, r->mean_batch, r->network_share, r->tp, r->pp);
    times_json("ttft_s", r->ttft_s);
    times_json("tpot_s", r->tpot_s);
    times_json("e2e_s", r->e2e_s);
    puts("}");
}

static void print_text(const perf_sim_report *r, const simulate_args *a, double host_s) {
    printf("%-22s %llu requests in %s: %.4g requests/s, %.5g tokens/s\n", "served", (unsigned long long)r->requests,
           units_seconds(r->seconds).text, r->requests_per_s, r->tokens_per_s);
    times("time to first token", r->ttft_s);
    times("time per token", r->tpot_s);
    times("end to end", r->e2e_s);
    if (a->ttft > 0 || a->tpot > 0)
        printf("%-22s %.4g requests/s, %.1f %% within the limits\n", "goodput", r->goodput_per_s,
               100.0 * (double)r->met / (double)r->requests);
    printf("%-22s %u-way tensor x %u stages, busy %.1f %%, %.1f requests a pass", "a replica", r->tp, r->pp,
           100 * r->busy_share, r->mean_batch);
    if (a->readers) printf("; network %.1f %%", 100 * r->network_share);
    printf("\nsimulated %.3g requests/s on this host\n", (double)r->requests / host_s);
}

int cmd_simulate(cli *c, int argc, char **argv) {
    simulate_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    predict_args shared = {.model = a.model,
                           .weights = a.weights,
                           .kv = a.kv,
                           .set = a.set,
                           .software = a.software,
                           .prompt = a.prompt,
                           .generate = a.generate,
                           .batch = 1,
                           .prompt_batch = 1,
                           .tp = a.tp};
    perf_shape s;
    perf_machine m;
    perf_sim sim = {.requests = (uint64_t)a.requests,
                    .seed = (uint64_t)a.seed,
                    .rate = a.rate,
                    .concurrency = (double)a.users,
                    .spread = a.spread,
                    .replicas = (double)a.replicas,
                    .batch_max = (double)a.batch,
                    .chunk = (double)a.chunk,
                    .prefill_replicas = (double)a.readers,
                    .network_bytes_per_s = a.network,
                    .ttft_limit_s = a.ttft,
                    .tpot_limit_s = a.tpot};
    perf_sim_report r;
    if (!predict_inputs(&s, &m, &sim.load, c->memory, &shared, a.machine, c->d)) return CLI_FAILED;
    double begin = clock_seconds();
    if (!perf_simulate(&r, &s, &m, &sim, c->d)) return CLI_FAILED;
    if (a.json) print_json(&r);
    else print_text(&r, &a, clock_seconds() - begin);
    return CLI_OK;
}
