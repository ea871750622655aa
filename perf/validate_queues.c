/* Published runs of a server under a closed loop, judged by the serving simulation: all prompts and answers alike, as
 * many users as stated, a replica on all devices of the row. Chunks of 8,192 prompt tokens are vLLM's default on such
 * devices. Models with sparse attention see the 2,048 positions that their index chooses. Nothing is fitted to these
 * rows. */
#include "perf/validate.h"
#include <math.h>

enum { REQUESTS_A_USER = 12, CHUNK = 8192, SPARSE_POSITIONS = 2048 };

static const struct {
    const char *metric;
    size_t at; /* of a double in perf_sim_report */
    double scale;
} metrics[] = {{"output_tok_s", offsetof(perf_sim_report, tokens_per_s), 1},
               {"ttft_p50", offsetof(perf_sim_report, ttft_s.p50), 1e3},
               {"tpot_p50", offsetof(perf_sim_report, tpot_s.p50), 1e3},
               {"tpot_p99", offsetof(perf_sim_report, tpot_s.p99), 1e3}};

static void run(perf_judged_run *x, const perf_shape *s, const perf_machine *m, const perf_load *l, double users) {
    perf_sim sim = {.load = *l,
                    .requests = (uint64_t)(users * REQUESTS_A_USER),
                    .seed = 1,
                    .concurrency = users,
                    .replicas = 1,
                    .batch_max = users,
                    .chunk = CHUNK,
                    .stages = 1};
    if (str_starts(str_from(s->name), STR("glm-5"))) sim.load.window = SPARSE_POSITIONS;
    *x = (perf_judged_run){.shape = s, .users = users, .prompt = l->prompt, .generate = l->generate};
    diag *quiet = diag_new();
    x->ok = quiet && perf_simulate(&x->report, s, m, &sim, quiet);
    diag_free(quiet);
}

void perf_judge_queue(perf_judged_run *last, const perf_shape *s, const perf_machine *m, const perf_load *l,
                      const perf_csv_row *r, perf_judged *o) {
    double users = perf_cell_number(r, "concurrency");
    o->group = "queues", o->set = ROW_OUT, o->reason = "its number of users is not stated";
    if (!(users >= 1 && users <= 4096)) return;
    if (last->shape != s || last->users != users || last->prompt != l->prompt || last->generate != l->generate)
        run(last, s, m, l, users);
    o->reason = "does not fit the devices stated, by our reckoning";
    if (!last->ok) return;
    if (str_is(perf_cell(r, "metric"), "input_tok_s")) {
        o->predicted = last->report.tokens_per_s * l->prompt / l->generate;
        o->set = ROW_TEST;
        return;
    }
    o->reason = "a metric that the simulation does not have";
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if (!str_is(perf_cell(r, "metric"), metrics[i].metric)) continue;
        double v;
        memcpy(&v, (const char *)&last->report + metrics[i].at, sizeof v);
        o->predicted = metrics[i].scale * v;
        o->set = ROW_TEST;
    }
}
