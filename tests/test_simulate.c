/* The serving simulation and the capacity planner: is nothing lost, do the laws of queues hold, is more never worse? */
#include "perf/capacity.h"
#include "perf/simulate.h"
#include "tests/perf_help.h"

static const perf_sim base = {.load = {.prompt = 500, .generate = 100},
                              .requests = 5000,
                              .seed = 7,
                              .rate = 5,
                              .replicas = 1,
                              .batch_max = 64,
                              .spread = 0.5};

static perf_sim_report simulate(fixture *f, const perf_sim *sim) {
    perf_sim_report r;
    perf_shape s = shape(f, "llama-3.1-8b");
    perf_machine m = machine(f, "h100");
    if (!perf_simulate(&r, &s, &m, sim, f->d)) fail_msg("%s", diag_text(f->d));
    return r;
}

static void nothing_is_lost(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    perf_sim_report r = simulate(f, &sim), again = simulate(f, &sim);
    assert_int_equal(r.requests, 5000);
    assert_int_equal(r.met, 5000); /* no limits */
    assert_memory_equal(&r, &again, sizeof r);
    near(r.requests_per_s, 5, 0.05); /* served as they come */
    assert_true(r.ttft_s.p50 <= r.ttft_s.p90 && r.ttft_s.p90 <= r.ttft_s.p99 && r.e2e_s.p50 > r.ttft_s.p50);
    sim.seed = 8;
    again = simulate(f, &sim);
    assert_true(again.seconds != r.seconds);
}

/* A lone request takes what the predictor says; Little's law in a closed loop. */
static void laws(void **state) {
    fixture *f = *state;
    perf_shape s = shape(f, "llama-3.1-8b");
    perf_machine m = machine(f, "h100");
    perf_sim sim = base;
    sim.spread = 0, sim.rate = 0, sim.concurrency = 1, sim.requests = 50;
    perf_sim_report r = simulate(f, &sim);
    perf_prediction p;
    perf_load l = sim.load;
    assert_true(perf_predict_point(&p, &s, &m, &l, f->d));
    near(r.tpot_s.mean, p.tpot_s.value, 0.05);
    near(r.ttft_s.mean, p.ttft_s.value, 0.35); /* between grid points of the table */
    sim.concurrency = 32, sim.requests = 2000;
    r = simulate(f, &sim);
    near(r.requests_per_s * r.e2e_s.mean, 32, 0.03);
}

static void more_is_never_worse(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    sim.rate = 40;
    perf_sim_report one = simulate(f, &sim);
    sim.replicas = 4;
    perf_sim_report four = simulate(f, &sim);
    assert_true(four.e2e_s.p90 < one.e2e_s.p90);
    perf_sim apart = base;
    apart.rate = 20, apart.prefill_replicas = 1, apart.network_bytes_per_s = 1e9;
    perf_sim_report slow = simulate(f, &apart);
    apart.network_bytes_per_s = 50e9;
    perf_sim_report fast = simulate(f, &apart);
    assert_int_equal(slow.requests, 5000);
    assert_true(fast.ttft_s.p50 < slow.ttft_s.p50 && fast.network_share < slow.network_share);
}

/* The machine's facts at their ends. */
static void ends(void **state) {
    fixture *f = *state;
    perf_sim sim = base;
    perf_sim_report stated = simulate(f, &sim);
    sim.load.ends = -1;
    perf_sim_report slow = simulate(f, &sim);
    sim.load.ends = 1;
    perf_sim_report fast = simulate(f, &sim);
    assert_true(slow.tpot_s.mean >= stated.tpot_s.mean && stated.tpot_s.mean >= fast.tpot_s.mean);
    assert_true(slow.tpot_s.mean > fast.tpot_s.mean && slow.tp == fast.tp);
}

static void wrong_questions(void **state) {
    fixture *f = *state;
    perf_shape s = shape(f, "llama-3.1-8b");
    perf_machine m = machine(f, "h100");
    perf_sim_report r;
    perf_sim wrong[9];
    for (int i = 0; i < 9; i++) wrong[i] = base;
    wrong[0].requests = 0, wrong[1].rate = -1, wrong[2].rate = NAN, wrong[3].replicas = 0, wrong[4].batch_max = 1e9,
    wrong[5].spread = 3;
    wrong[6].load.prompt = 0, wrong[7].prefill_replicas = 2, wrong[8].load.generate = NAN;
    for (int i = 0; i < 9; i++) {
        diag_clear(f->d);
        if (perf_simulate(&r, &s, &m, &wrong[i], f->d)) fail_msg("question %d is answered", i);
        assert_true(diag_error_count(f->d) > 0);
    }
}

static void capacity(void **state) {
    fixture *f = *state;
    perf_shape s = shape(f, "llama-3.1-8b");
    perf_machine m = machine(f, "h100");
    perf_capacity c, d2;
    perf_capacity_ask q = {.load = {.prompt = 1000, .generate = 200, .prompt_batch = 1},
                           .requests_per_s = 100,
                           .pue = 1.2,
                           .utilisation = 0.5,
                           .usd_per_kwh = 0.08,
                           .tpot_limit_s = 0.02,
                           .ttft_limit_s = 1};
    if (!perf_capacity_plan(&c, &s, &m, &q, f->d)) fail_msg("%s", diag_text(f->d));
    assert_true(c.requests_per_s >= 100 && (c.units - 1) * c.unit_requests_per_s * 0.5 < 100);
    assert_true(c.unit.tpot_s.value <= 0.02 && c.unit.ttft_s.value <= 1);
    near(c.megawatts, c.systems * 700 * 1.2 / 1e6, 1e-9);
    assert_true(c.mean_megawatts > 0.2 * c.megawatts && c.mean_megawatts < c.megawatts);
    assert_true(c.systems_range.low <= c.systems && c.systems <= c.systems_range.high);
    assert_true(c.serve_range.low <= c.requests_per_s && c.requests_per_s <= c.serve_range.high);
    assert_true(c.serve_range.low < c.serve_range.high);
    near(c.electricity_usd_per_hour, 80 * c.mean_megawatts, 1e-9); /* 1,000 kW at 0.08 */
    near(c.electricity_usd_per_mtok, c.joules_per_token / 3.6e6 * 0.08 * 1e6, 1e-9);
    q.requests_per_s = 0, q.megawatts = c.megawatts * 1.0001;
    assert_true(perf_capacity_plan(&d2, &s, &m, &q, f->d));
    near(d2.units, c.units, 1e-9);
    q.tpot_limit_s = 1e-6;
    assert_false(perf_capacity_plan(&c, &s, &m, &q, f->d));
    assert_non_null(strstr(diag_text(f->d), "no batch meets the limits"));
    q.megawatts = 0;
    assert_false(perf_capacity_plan(&c, &s, &m, &q, f->d));
    /* 250 MW of CS-3 at PUE 1.16 are 9,370 systems: claim 46 */
    perf_machine cs3;
    q = (perf_capacity_ask){.load = q.load, .megawatts = 250, .pue = 1.16, .utilisation = 1};
    assert_true(perf_machine_load(&cs3, f->a, "cs3", f->d) && perf_capacity_plan(&c, &s, &cs3, &q, f->d));
    near(c.systems, 9370, 0.001);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    unsetenv("INGOT_DATA");
    const struct CMUnitTest tests[] = {
        T(ends), T(nothing_is_lost), T(laws), T(more_is_never_worse), T(wrong_questions), T(capacity)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
