/* The parts of the serving simulation: traces, prefix caches, agents, stages, networks, scenarios. */
#include "base/rng.h"
#include "perf/scenario.h"
#include "perf/sim_cache.h"
#include "perf/sim_network.h"
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>
#include "tests/perf_help.h"

static const perf_sim base = {.load = {.prompt = 1000, .generate = 100},
                              .requests = 2000,
                              .seed = 7,
                              .rate = 4,
                              .replicas = 1,
                              .batch_max = 64,
                              .spread = 0.5};

static perf_sim_report serve(fixture *f, const char *model, const char *on, const perf_sim *sim) {
    perf_sim_report r;
    perf_shape s = shape(f, model);
    perf_machine m = machine(f, on);
    if (!perf_simulate(&r, &s, &m, sim, f->d)) fail_msg("%s", diag_text(f->d));
    return r;
}

/* ---- traces ---- */

static const char *write_file(const char *name, const char *text) {
    static char path[128];
    snprintf(path, sizeof path, "/tmp/ingot-serving-%ld-%s", (long)getpid(), name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    return path;
}

static perf_trace open_trace(fixture *f, const char *name, const char *text) {
    perf_trace t;
    const char *path = write_file(name, text);
    if (!perf_trace_open(&t, f->a, path, f->d)) fail_msg("%s", diag_text(f->d));
    unlink(path);
    return t;
}

static void expect(fixture *f, perf_trace *t, double at, uint32_t prompt, uint32_t output) {
    perf_request r;
    if (!perf_trace_next(t, &r, f->d)) fail_msg("the trace ends early: %s", diag_text(f->d));
    assert_true(fabs(r.arrival_s - at) < 1e-6);
    assert_int_equal(r.prompt, prompt);
    assert_int_equal(r.output, output);
}

static void columns(void **state) {
    fixture *f = *state;
    perf_request r;
    perf_trace t = open_trace(f, "azure.csv",
                              "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.5000000,374,44\r\n"
                              "2023-11-17 00:00:01.25,396,109\r\n");
    assert_true(t.requests == 2 && t.longest == 505 && t.longest_prompt == 396);
    near(t.seconds, 1.75, 1e-9);
    expect(f, &t, 0, 374, 44);
    expect(f, &t, 1.75, 396, 109);
    assert_false(perf_trace_next(&t, &r, f->d) || t.failed);
    perf_trace_close(&t);
    t = open_trace(
        f, "burst.csv",
        "Timestamp,Session ID,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,a,ChatGPT,472,18,490,Conversation log\n45,\"a\",ChatGPT,0,0,0,x\n118,,GPT-4,417,276,693,\"API log\"");
    assert_true(t.requests == 2 && t.has_sessions);
    assert_true(perf_trace_next(&t, &r, f->d) && r.session);
    expect(f, &t, 113, 417, 276);
    assert_int_equal(t.skipped, 1);
    perf_trace_close(&t);
    diag_clear(f->d);
    t = open_trace(f, "mooncake.jsonl",
                   "{\"timestamp\": 3000, \"input_length\": 1500, \"output_length\": 7, \"hash_ids\": [4, 5, 9]}\n"
                   "{\"timestamp\": 4500, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": []}\n");
    uint64_t ids[8];
    size_t n;
    assert_true(perf_trace_next(&t, &r, f->d) && perf_trace_blocks(&t, &r, ids, 8, &n, f->d));
    assert_true(n == 3 && ids[0] == 4 && ids[2] == 9);
    expect(f, &t, 1.5, 10, 1);
    perf_trace_close(&t);
}

static void refuse(fixture *f, const char *name, const char *text, const char *part) {
    perf_trace t;
    const char *path = write_file(name, text);
    assert_false(perf_trace_open(&t, f->a, path, f->d));
    unlink(path);
    told(f, part);
}

static void wrong_traces(void **state) {
    fixture *f = *state;
    refuse(f, "a.csv", "", "empty");
    refuse(f, "a.csv", "prompt_tokens,output_tokens\n1,2\n", ":1: the header needs");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n1,2,x\n", ":2: a cell");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n1,2,3\n0.5,2,3\n", ":3: arrivals go back");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n1,-2,3\n", ":2: tokens must be");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n2024-13-01 00:00:00,2,3\n", ":2: a cell");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n", "no request");
    refuse(f, "a.csv", "arrival_s,prompt_tokens,output_tokens\n,2,3\n", ":2: a cell");
    refuse(f, "a.jsonl", "{\"timestamp\": 1}\n", ":1: expected the numbers");
    refuse(f, "a.jsonl", "{\"timestamp\": 1\n", ":1: ");
}

static void traces_are_served(void **state) {
    fixture *f = *state;
    strbuf text = {0};
    strbuf_adds(&text, "arrival_s,prompt_tokens,output_tokens\n");
    for (int i = 0; i < 500; i++) strbuf_addf(&text, "%g,%d,%d\n", i * 0.5, 100 + i % 700, 20 + i % 50);
    perf_trace t = open_trace(f, "even.csv", text.data);
    perf_sim sim = base;
    sim.trace = &t, sim.trace_speed = 2;
    perf_sim_report r = serve(f, "llama-3.1-8b", "h100", &sim);
    assert_int_equal(r.requests, 500);
    near(r.seconds, 0.25 * 499, 0.02);
    sim.trace = NULL, sim.requests = 10;
    perf_trace_close(&t);
    t = open_trace(f, "even.csv", text.data);
    sim.trace = &t;
    assert_int_equal(serve(f, "llama-3.1-8b", "h100", &sim).requests, 10);
    perf_trace_close(&t);
    strbuf_free(&text);
}

/* ---- prefix caches ---- */

/* Against a list in order of use. */
static void least_recently_used(void **state) {
    (void)state;
    enum { KEYS = 40, ROOM = 100 };
    struct {
        uint64_t key;
        double tokens;
    } list[KEYS];
    size_t n = 0;
    sim_cache c = {.room = ROOM};
    rng r = rng_seed(3);
    for (int step = 0; step < 20000; step++) {
        uint64_t key = rng_below(&r, KEYS) * 77;
        double tokens = 1 + (double)rng_below(&r, 12), have = sim_cache_find(&c, key), used = 0;
        size_t at = 0;
        while (at < n && list[at].key != key) at++;
        assert_true(have == (at < n ? list[at].tokens : 0));
        double kept = at < n && list[at].tokens > tokens ? list[at].tokens : tokens;
        if (at == n) n++;
        for (size_t i = at; i; i--) list[i] = list[i - 1];
        list[0].key = key, list[0].tokens = kept;
        for (size_t i = 0; i < n; i++)
            if ((used += list[i].tokens) > ROOM) n = i;
        assert_true(sim_cache_put(&c, key, tokens));
        assert_int_equal(c.count, n);
    }
    sim_cache_limit(&c, 0);
    assert_true(c.count == 0 && c.used < 1e-9);
    sim_cache_limit(&c, 1e9);
    for (uint64_t key = 0; key < 5000; key++) assert_true(sim_cache_put(&c, key, 1)); /* it grows */
    assert_int_equal(c.count, 5000);
    assert_true(sim_cache_find(&c, 0) == 1);
    sim_cache_free(&c);
}

/* Two requests with the same three blocks: the second finds them. */
static void blocks_of_a_trace(void **state) {
    fixture *f = *state;
    const char *text =
        "{\"timestamp\": 0, \"input_length\": 2000, \"output_length\": 9, \"hash_ids\": [1, 2, 3, 4]}\n"
        "{\"timestamp\": 9000, \"input_length\": 1700, \"output_length\": 9, \"hash_ids\": [1, 2, 3, 8]}\n";
    perf_sim sim = base;
    for (int scope = PERF_CACHE_NONE; scope <= PERF_CACHE_POOL; scope++) {
        perf_trace t = open_trace(f, "blocks.jsonl", text);
        sim.trace = &t, sim.cache = (perf_cache_scope)scope;
        perf_sim_report r = serve(f, "llama-3.1-8b", "h100", &sim);
        perf_trace_close(&t);
        assert_int_equal(r.requests, 2);
        assert_true(fabs(r.hit_share - (scope ? 3.0 * 512 / 3700 : 0)) < 1e-9);
    }
}

static void agents(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    sim.calls = 6, sim.call_tokens = 300, sim.think_s = 1, sim.rate = 0.5, sim.shared_tokens = 2000, sim.spread = 0;
    perf_sim_report cold = serve(f, "llama-3.1-8b", "h100", &sim);
    sim.cache = PERF_CACHE_REPLICA;
    perf_sim_report warm = serve(f, "llama-3.1-8b", "h100", &sim), again = serve(f, "llama-3.1-8b", "h100", &sim);
    assert_memory_equal(&warm, &again, sizeof warm);
    assert_int_equal(warm.requests, 2000);
    near((double)warm.requests / (double)warm.tasks, 6, 0.15); /* geometric, cut at eight times the mean */
    assert_true(cold.hit_share == 0 && warm.hit_share > 0.6 && warm.hit_share < 0.95);
    assert_true(warm.ttft_s.mean < 0.7 * cold.ttft_s.mean && warm.task_s.mean < cold.task_s.mean);
    assert_true(warm.task_s.mean > 5 * warm.e2e_s.mean); /* calls depend on each other, and wait between */
    sim.replicas = 2;                                    /* a task stays with the replica that knows it */
    perf_sim_report two = serve(f, "llama-3.1-8b", "h100", &sim);
    assert_true(two.hit_share > 0.6);
    sim.cache = PERF_CACHE_NONE, sim.hit_share = 0.5;
    near(serve(f, "llama-3.1-8b", "h100", &sim).hit_share, 0.5, 0.01);
}

static void what_does_not_fit_is_refused(void **state) {
    fixture *f = *state;
    perf_trace t = open_trace(f, "long.csv", "arrival_s,prompt_tokens,output_tokens\n0,100,5\n1,9999990,5\n2,100,5\n");
    perf_sim sim = base;
    sim.trace = &t, sim.stages = 1;
    perf_sim_report r = serve(f, "llama-3.1-8b", "h100", &sim);
    assert_true(r.requests == 2 && r.refused == 1 && r.kv_room_tokens < 9999995);
    perf_trace_close(&t);
}

/* ---- stages ---- */

static void stages(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    sim.spread = 0, sim.rate = 0, sim.concurrency = 1, sim.requests = 20;
    perf_sim_report one = serve(f, "llama-3.1-70b", "cs3", &sim);
    perf_shape s = shape(f, "llama-3.1-70b");
    perf_machine m = machine(f, "cs3");
    perf_prediction p;
    perf_load l = sim.load;
    l.batch = l.prompt_batch = 1;
    assert_true(perf_predict_point(&p, &s, &m, &l, f->d));
    assert_int_equal(one.stages, 4);             /* wafers */
    near(one.tpot_s.mean, p.tpot_s.value, 0.15); /* alone: what the predictor says for one request */
    assert_true(one.stage_wait_share < 1e-9);
    sim.concurrency = 48, sim.requests = 2000;
    perf_sim_report many = serve(f, "llama-3.1-70b", "cs3", &sim);
    l.batch = 48, l.goal = PERF_FOR_THROUGHPUT;
    assert_true(perf_predict_point(&p, &s, &m, &l, f->d));
    near(many.tokens_per_s, p.total_tok_s.value,
         0.1); /* full: what the predictor says for the batch, prompts and all */
    assert_true(many.stage_wait_share > 0);
    assert_true(many.tpot_s.mean > one.tpot_s.mean && many.busy_share <= 1.0001 && many.busy_share > 0.3);
    sim.stages = 6; /* more wafers than it takes */
    assert_int_equal(serve(f, "llama-3.1-70b", "cs3", &sim).stages, 6);
}

/* ---- networks ---- */

static void ends_at(sim_network *n, double at, uint32_t tag) {
    uint32_t got;
    near(sim_network_next(n), at, 1e-9);
    assert_true(sim_network_take(n, sim_network_next(n), &got));
    assert_int_equal(got, tag);
}

static void flows_share_ports(void **state) {
    (void)state;
    sim_network n;
    assert_true(sim_network_init(&n, 2, 2, 1e6, 1e6, 0));
    assert_true(sim_network_add(&n, 0, &(sim_flow){.left = 1e6, .source = 0, .sink = 0, .tag = 1}));
    assert_true(sim_network_add(&n, 0.5, &(sim_flow){.left = 1e6, .source = 0, .sink = 1, .tag = 2}));
    ends_at(&n, 1.5, 1); /* half done, then half the rate */
    ends_at(&n, 2.0, 2); /* alone again for its second half */
    assert_true(isinf(sim_network_next(&n)));
    near(n.busy_port_s[0], 2, 1e-6);
    assert_true(sim_network_add(&n, 10, &(sim_flow){.left = 1e6, .kept = 2e5, .source = 0, .sink = 0, .tag = 3}));
    near(sim_network_next(&n), 10.8, 1e-9); /* all but what is not there yet */
    uint32_t tag;
    assert_false(sim_network_take(&n, 10.8, &tag));
    assert_true(isinf(sim_network_next(&n)));
    sim_network_release(&n, 20, 3, 1e5);
    ends_at(&n, 20.2, 3);
    sim_network_free(&n);
    assert_true(sim_network_init(&n, 4, 4, 1e6, 1e6, 1e6)); /* the core limits all together */
    for (uint32_t i = 0; i < 4; i++)
        assert_true(sim_network_add(&n, 0, &(sim_flow){.left = 1e6, .source = i, .sink = i, .tag = i}));
    near(sim_network_next(&n), 4, 1e-9);
    sim_network_free(&n);
}

static void ways_to_send(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    sim.prefill_replicas = 2, sim.replicas = 2, sim.rate = 20, sim.network_bytes_per_s = 2e9, sim.in_flight = 1;
    perf_sim_report behind = serve(f, "llama-3.1-8b", "h100", &sim);
    sim.chunks = 32;
    perf_sim_report along = serve(f, "llama-3.1-8b", "h100", &sim);
    sim.chunks = 0, sim.ports = 8, sim.spread_ports = true;
    perf_sim_report wide = serve(f, "llama-3.1-8b", "h100", &sim);
    assert_true(behind.requests == 2000 && along.requests == 2000 && wide.requests == 2000);
    assert_true(along.ttft_s.mean < behind.ttft_s.mean && wide.ttft_s.mean < behind.ttft_s.mean);
    assert_true(behind.network_ttft_share * behind.ttft_s.mean > along.network_ttft_share * along.ttft_s.mean);
    sim.spread_ports = false, sim.ports = 1, sim.core_bytes_per_s = 3e9;
    assert_true(serve(f, "llama-3.1-8b", "h100", &sim).ttft_s.mean > behind.ttft_s.mean);
}

/* ---- scenarios ---- */

/* The 512-card experiment: as published with its own options, and not when a transfer spreads over all ports. */
static void cards_512(void **state) {
    fixture *f = *state;
    perf_scenario c, again;
    if (!perf_scenario_load(&c, f->a, "zhipu-512", f->d) || !perf_scenario_load(&again, f->a, "zhipu-512", f->d))
        fail_msg("%s", diag_text(f->d));
    assert_true(c.assumption_count > 4 && c.target_count == 4 && c.variant_count > 5);
    c.variant_count = again.variant_count = 2;
    assert_true(perf_scenario_run(&c, f->a, 1, f->d) && perf_scenario_run(&again, f->a, 3, f->d));
    for (size_t i = 0; i < 4; i++) {
        const perf_target *t = &c.targets[i];
        double as_is = perf_scenario_change(&c, &c.variants[0], t), wide = perf_scenario_change(&c, &c.variants[1], t);
        if (fabs(as_is - t->change) > t->tolerance) fail_msg("target %zu: %+.3f, published %+.3f", i, as_is, t->change);
        assert_true(fabs(wide) < 0.5 * fabs(as_is));
        assert_true(as_is == perf_scenario_change(&again, &again.variants[0], t));
    }
    strbuf b = {0};
    perf_scenario_text(&c, &b);
    assert_non_null(strstr(b.data, "met (within"));
    strbuf_clear(&b);
    perf_scenario_json(&c, &b);
    json_t *root = json_loadb(b.data, b.len, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(root, "variants")), 2);
    json_decref(root);
    strbuf_free(&b);
}

static void wrong_scenarios(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"", "line 1"},
        {"{\"name\": \"x\"}", "title"},
        {"{\"name\": \"x\", \"title\": \"x\", \"source\": \"x\", \"model\": \"llama-3.1-8b\", \"machine\": \"h100\", "
         "\"vary\": \"colour\", \"values\": [1, 2], \"labels\": [\"a\", \"b\"]}",
         "vary"},
        {"{\"name\": \"x\", \"title\": \"x\", \"source\": \"x\", \"model\": \"llama-3.1-8b\", \"machine\": \"h100\", "
         "\"vary\": \"rate\", \"values\": [1], \"labels\": [\"a\"]}",
         "values"},
        {"{\"name\": \"x\", \"title\": \"x\", \"source\": \"x\", \"model\": \"llama-3.1-8b\", \"machine\": \"h100\", "
         "\"vary\": \"rate\", \"values\": [1, 2], \"labels\": [\"a\", \"b\"], \"options\": {\"speed\": \"high\"}}",
         "speed"},
        {"{\"name\": \"x\", \"title\": \"x\", \"source\": \"x\", \"model\": \"llama-3.1-8b\", \"machine\": \"h100\", "
         "\"vary\": \"rate\", \"values\": [1, 2], \"labels\": [\"a\", \"b\"], \"targets\": [{\"metric\": \"joy\"}]}",
         "targets"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        perf_scenario c;
        assert_false(perf_scenario_parse(&c, f->a, "s.json", str_from(wrong[i].text), f->d));
        if (i) told(f, wrong[i].part);
        diag_clear(f->d);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    unsetenv("INGOT_DATA");
    const struct CMUnitTest tests[] = {T(columns),
                                       T(wrong_traces),
                                       T(traces_are_served),
                                       T(least_recently_used),
                                       T(blocks_of_a_trace),
                                       T(agents),
                                       T(what_does_not_fit_is_refused),
                                       T(stages),
                                       T(flows_share_ports),
                                       T(ways_to_send),
                                       T(cards_512),
                                       T(wrong_scenarios)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
