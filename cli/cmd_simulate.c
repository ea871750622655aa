/* ingot simulate: requests served by replicas, with percentiles. */
#include "base/units.h"
#include "cli/output.h"
#include "cli/predict_args.h"
#include "perf/scenario.h"

typedef struct {
    predict_args shared;
    const char *trace, *scenario;
    int64_t threads, requests, seed, users, replicas, batch, chunk, readers, parts, ports, in_flight, stages,
        shared_tokens, call_tokens, chunks;
    double rate, spread, network, core, ttft, tpot, speed, calls, think, hits;
    int cache;
    bool spread_ports, json, no_range;
} simulate_args;

static const char *const caches[] = {"none", "replica", "pool", NULL}; /* perf_cache_scope */

const cli_option cmd_simulate_options[] = {
    OPTION_STRING_ROW(0, "scenario", simulate_args, scenario, "NAME|FILE", NULL,
                      "an experiment of data/scenarios (zhipu-512) with its own options, beside what was published"),
    OPTION_INT_ROW('t', "threads", simulate_args, threads, 0, 4096, "N", "0",
                   "of a scenario's cases; 0 = as many as processors"),
    PREDICT_SHARED_ROWS(simulate_args, "h100", "llama-3.1-8b"),
    OPTION_INT_ROW('p', "prompt", simulate_args, shared.prompt, 1, 1e7, "N", "1000", "tokens of a prompt, the median"),
    OPTION_INT_ROW('n', "generate", simulate_args, shared.generate, 1, 1e7, "N", "200", "tokens generated, the median"),
    OPTION_FLOAT_ROW(0, "spread", simulate_args, spread, 0, 2, "SIGMA", "0.5",
                     "of the logarithm of both lengths; 0 = all alike"),
    OPTION_FLOAT_ROW('r', "rate", simulate_args, rate, 0, 1e9, "R", "0", "requests per second, Poisson"),
    OPTION_INT_ROW('u', "users", simulate_args, users, 0, 1e6, "N", "0", "instead: users in a closed loop"),
    OPTION_STRING_ROW(0, "trace", simulate_args, trace, "FILE", NULL,
                      "instead: arrivals and lengths of a CSV file or JSON lines (docs/predict.md)"),
    OPTION_FLOAT_ROW(0, "speed", simulate_args, speed, 0, 1e6, "X", "1", "of the trace's arrivals"),
    OPTION_INT_ROW('c', "requests", simulate_args, requests, 1, 1e9, "N", "10000",
                   "requests in all; of a trace at most"),
    OPTION_FLOAT_ROW(0, "calls", simulate_args, calls, 0, 1e4, "N", "0",
                     "agents: what arrives is a task of N dependent calls, on average"),
    OPTION_INT_ROW(0, "call-tokens", simulate_args, call_tokens, 0, 1e7, "N", "500",
                   "agents: what a call adds to the text so far"),
    OPTION_FLOAT_ROW(0, "think", simulate_args, think, 0, 1e6, "S", "0",
                     "agents: mean time from an answer to the next call"),
    OPTION_INT_ROW(0, "replicas", simulate_args, replicas, 1, 4096, "N", "1", "replicas that answer"),
    OPTION_INT_ROW('b', "batch", simulate_args, batch, 1, 4096, "N", "64", "running requests of a replica, at most"),
    OPTION_INT_ROW(0, "chunk", simulate_args, chunk, 1, 1e7, "N", "2048", "prompt tokens in a pass"),
    OPTION_INT_ROW(0, "tp", simulate_args, shared.tp, 0, 65536, "N", "0", "tensor parallel in a replica; 0 = searched"),
    OPTION_INT_ROW(0, "stages", simulate_args, stages, 0, 1024, "N", "0",
                   "wafers in a row, or stages of a pipeline, each with its queue; 0 = as few as it takes"),
    OPTION_CHOICE_ROW(0, "prefix-cache", simulate_args, cache, caches, "none",
                      "texts seen before are not read again; pool: by no replica"),
    OPTION_INT_ROW(0, "shared-prompt", simulate_args, shared_tokens, 0, 1e7, "N", "0",
                   "tokens before each prompt that are the same in all"),
    OPTION_FLOAT_ROW(0, "hits", simulate_args, hits, 0, 1, "SHARE", "0", "instead: this share of each prompt is found"),
    OPTION_INT_ROW(0, "prefill-replicas", simulate_args, readers, 0, 4096, "N", "0",
                   "replicas that read prompts only; 0 = the same ones"),
    OPTION_INT_ROW(0, "parts", simulate_args, parts, 1, 1024, "N", "1",
                   "prompts that one of them reads at once, each on its share"),
    OPTION_FLOAT_ROW(0, "network", simulate_args, network, 0, 1e15, "B/s", "25e9",
                     "rate of a port, for keys and values"),
    OPTION_INT_ROW(0, "ports", simulate_args, ports, 1, 1024, "N", "1", "ports of a replica; a transfer uses one"),
    OPTION_FLAG_ROW(0, "spread-ports", simulate_args, spread_ports, "a transfer uses all ports"),
    OPTION_FLOAT_ROW(0, "core", simulate_args, core, 0, 1e18, "B/s", "0",
                     "rate between the switches for all; 0 = no limit"),
    OPTION_INT_ROW(0, "in-flight", simulate_args, in_flight, 1, 1e6, "N", "8",
                   "transfers of a part before it waits with the next prompt"),
    OPTION_INT_ROW(0, "chunks", simulate_args, chunks, 0, 1e6, "N", "0",
                   "transfers begin with the reading, in N pieces; 0 = behind it"),
    OPTION_FLOAT_ROW(0, "ttft", simulate_args, ttft, 0, 1e9, "S", "0", "limit on the time to first token, for goodput"),
    OPTION_FLOAT_ROW(0, "tpot", simulate_args, tpot, 0, 1e9, "S", "0", "limit on the time per token"),
    OPTION_INT_ROW(0, "seed", simulate_args, seed, 0, 9e15, "N", "1", "of arrivals and lengths"),
    OPTION_FLAG_ROW(0, "no-range", simulate_args, no_range,
                    "one run only; else two more, with all facts of the machine at their slow and fast ends"),
    OPTION_FLAG_ROW(0, "json", simulate_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

typedef struct {
    perf_sim_report stated, slow, fast;
    bool ranges; /* slow and fast are there: at the slow end the replicas may not keep up */
} results;

static void times(const char *name, perf_percentiles p) {
    printf("%-22s p50 %-10s p90 %-10s p99 %-10s mean %s\n", name, units_seconds(p.p50).text, units_seconds(p.p90).text,
           units_seconds(p.p99).text, units_seconds(p.mean).text);
}

static void times_json(const char *name, perf_percentiles p) {
    printf(", \"%s\": {\"p50\": %.6g, \"p90\": %.6g, \"p99\": %.6g, \"mean\": %.6g}", name, p.p50, p.p90, p.p99,
           p.mean);
}

static void print_json(const perf_sim_report *r) {
    printf("{\"requests\": %llu, \"met\": %llu, \"refused\": %llu, \"tasks\": %llu, \"seconds\": %.9g, "
           "\"requests_per_s\": %.9g, \"tokens_per_s\": %.9g, \"goodput_per_s\": %.9g, "
           "\"busy_share\": %.6g, \"mean_batch\": %.6g, \"reader_share\": %.6g, \"network_share\": %.6g, "
           "\"network_ttft_share\": %.6g, \"hit_share\": %.6g, \"stage_wait_share\": %.6g, \"kv_room_tokens\": %.9g, "
           "\"systems\": %g, \"tp\": %u, \"pp\": %u, \"stages\": %u",
           (unsigned long long)r->requests, (unsigned long long)r->met, (unsigned long long)r->refused,
           (unsigned long long)r->tasks, r->seconds, r->requests_per_s, r->tokens_per_s, r->goodput_per_s,
           r->busy_share, r->mean_batch, r->reader_share, r->network_share, r->network_ttft_share, r->hit_share,
           r->stage_wait_share, r->kv_room_tokens, r->systems, r->tp, r->pp, r->stages);
    times_json("ttft_s", r->ttft_s);
    times_json("tpot_s", r->tpot_s);
    times_json("e2e_s", r->e2e_s);
    times_json("task_s", r->task_s);
    printf(", \"weakest_fact\": \"%s\"", fact_kind_name(r->weakest));
}

static void end_json(const results *x) {
    if (x->ranges)
        printf(", \"slow\": {\"requests_per_s\": %.9g, \"ttft_mean_s\": %.6g, \"tpot_mean_s\": %.6g}, \"fast\": "
               "{\"requests_per_s\": %.9g, \"ttft_mean_s\": %.6g, \"tpot_mean_s\": %.6g}",
               x->slow.requests_per_s, x->slow.ttft_s.mean, x->slow.tpot_s.mean, x->fast.requests_per_s,
               x->fast.ttft_s.mean, x->fast.tpot_s.mean);
    puts("}");
}

static void print_where(const perf_sim_report *r, const simulate_args *a) {
    if (r->systems > 1) printf("%-22s %.0f systems: ", "a replica", r->systems);
    else printf("%-22s ", "a replica");
    printf("%u-way tensor, %u stage%s, busy %.1f %%, %.1f requests decode at once", r->tp, r->stages,
           r->stages == 1 ? "" : "s", 100 * r->busy_share, r->mean_batch);
    if (r->stages > 1) printf(", %.1f %% of their time waiting for a stage", 100 * r->stage_wait_share);
    printf("; room for %.4g tokens\n", r->kv_room_tokens);
    if (a->cache || a->hits > 0)
        printf("%-22s %.1f %% of prompt tokens are found\n", "prefix cache", 100 * r->hit_share);
    if (a->readers)
        printf("%-22s readers busy %.1f %%, ports %.1f %%; %.1f %% of the time to first token is transfer\n", "network",
               100 * r->reader_share, 100 * r->network_share, 100 * r->network_ttft_share);
}

static void range_line(const char *name, double slow, double fast, bool seconds) {
    double low = slow < fast ? slow : fast, high = slow < fast ? fast : slow;
    if (seconds) printf("; %s %s .. %s", name, units_seconds(low).text, units_seconds(high).text);
    else printf("%s %.4g .. %.4g", name, low, high);
}

static void print_ranges(const results *x, const simulate_args *a) {
    if (x->ranges) {
        printf("%-22s ", "ranges of the facts");
        range_line("requests/s", x->slow.requests_per_s, x->fast.requests_per_s, false);
        range_line("first token, mean", x->slow.ttft_s.mean, x->fast.ttft_s.mean, true);
        range_line("a token, mean", x->slow.tpot_s.mean, x->fast.tpot_s.mean, true);
        puts("");
    } else if (!a->no_range)
        printf("%-22s with the facts at their slow ends the replicas do not keep up\n", "ranges of the facts");
    printf("%-22s %s, behind the binding limit of a step\n", "weakest fact", fact_kind_name(x->stated.weakest));
}

static void print_text(const results *x, const simulate_args *a, double host_s) {
    const perf_sim_report *r = &x->stated;
    printf("%-22s %llu requests in %s: %.4g requests/s, %.5g tokens/s\n", "served", (unsigned long long)r->requests,
           units_seconds(r->seconds).text, r->requests_per_s, r->tokens_per_s);
    if (r->refused)
        printf("%-22s %llu requests are longer than a replica has room for\n", "refused",
               (unsigned long long)r->refused);
    times("time to first token", r->ttft_s);
    times("time per token", r->tpot_s);
    times("end to end", r->e2e_s);
    if (r->tasks) times("a task", r->task_s);
    if (a->ttft > 0 || a->tpot > 0)
        printf("%-22s %.4g requests/s, %.1f %% within the limits\n", "goodput", r->goodput_per_s,
               100.0 * (double)r->met / (double)r->requests);
    print_where(r, a);
    print_ranges(x, a);
    printf("simulated %.3g requests/s on this host\n", (double)r->requests / host_s);
}

static perf_sim sim_of(const simulate_args *a) {
    return (perf_sim){.requests = (uint64_t)a->requests,
                      .seed = (uint64_t)a->seed,
                      .rate = a->rate,
                      .concurrency = (double)a->users,
                      .spread = a->spread,
                      .trace_speed = a->speed,
                      .calls = a->calls,
                      .call_tokens = (double)a->call_tokens,
                      .think_s = a->think,
                      .replicas = (double)a->replicas,
                      .batch_max = (double)a->batch,
                      .chunk = (double)a->chunk,
                      .stages = (double)a->stages,
                      .cache = (perf_cache_scope)a->cache,
                      .shared_tokens = (double)a->shared_tokens,
                      .hit_share = a->hits,
                      .prefill_replicas = (double)a->readers,
                      .parts = (double)a->parts,
                      .network_bytes_per_s = a->network,
                      .ports = (double)a->ports,
                      .spread_ports = a->spread_ports,
                      .core_bytes_per_s = a->core,
                      .in_flight = (double)a->in_flight,
                      .chunks = (double)a->chunks,
                      .ttft_limit_s = a->ttft,
                      .tpot_limit_s = a->tpot};
}

static int run_scenario(cli *c, const simulate_args *a) {
    perf_scenario s;
    strbuf b = {0};
    if (!perf_scenario_load(&s, c->memory, a->scenario, c->d) ||
        !perf_scenario_run(&s, c->memory, (int)a->threads, c->d))
        return CLI_FAILED;
    if (a->json) perf_scenario_json(&s, &b);
    else perf_scenario_text(&s, &b);
    return output_print(&b, "scenario", c->d) ? CLI_OK : CLI_FAILED;
}

static bool at_end(perf_sim_report *r, const perf_shape *s, const perf_machine *m, perf_sim sim, int ends) {
    diag *quiet = diag_new();
    sim.load.ends = ends;
    bool ok = quiet && (!sim.trace || perf_trace_rewind(sim.trace, quiet)) && perf_simulate(r, s, m, &sim, quiet);
    diag_free(quiet);
    return ok;
}

int cmd_simulate(cli *c, int argc, char **argv) {
    simulate_args a = {.shared = {.batch = 1, .prompt_batch = 1}};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    if (a.scenario) return run_scenario(c, &a);
    perf_shape s;
    perf_machine m;
    perf_sim sim = sim_of(&a);
    results x = {0};
    perf_trace trace;
    if (!predict_inputs(&s, &m, &sim.load, c->memory, &a.shared, a.shared.machine, c->d)) return CLI_FAILED;
    if (a.trace && !perf_trace_open(&trace, c->memory, a.trace, c->d)) return CLI_FAILED;
    if (a.trace) sim.trace = &trace;
    double begin = clock_seconds();
    bool ok = perf_simulate(&x.stated, &s, &m, &sim, c->d);
    double host_s = clock_seconds() - begin;
    x.ranges = ok && !a.no_range && at_end(&x.slow, &s, &m, sim, -1) && at_end(&x.fast, &s, &m, sim, 1);
    if (a.trace) perf_trace_close(&trace);
    if (!ok) return CLI_FAILED;
    if (a.json) print_json(&x.stated), end_json(&x);
    else print_text(&x, &a, host_s);
    return CLI_OK;
}
