/* The live audit: what is computed from looks, and how commands are run. Time itself is tested in
 * tests/cli/audit_live*.cmd. */
#include "audit/host_child.h"
#include "audit/live.h"
#include "audit/run_report.h"
#include "base/mem.h"
#include "base/units.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define MB 1e6

/* A program that goes round in a set at a rate, beside a few hot pages. */
static page_curve walk(double bytes_per_s, double set, double hot) {
    page_curve w = {.count = PAGE_POINTS, .rss_bytes = set + hot, .huge_share = 1};
    for (int i = 0; i < PAGE_POINTS; i++) {
        w.cpu_s[i] = 0.0001 * (double)(1 << i);
        w.bytes[i] = hot + fmin(set, bytes_per_s * w.cpu_s[i]);
    }
    return w;
}

static void rate_of_a_stream(void **state) {
    (void)state;
    page_curve w = walk(10e9, 400 * MB, 1 * MB);
    page_rate r = host_pages_rate(&w, 2 * MB, 0, 10e9);
    assert_int_equal(r.kind, PAGES_MOVE);
    assert_float_equal(r.bytes / r.seconds, 10e9, 1e8);
}

static void rate_of_a_cyclic_set(void **state) {
    (void)state;
    page_curve w = walk(10e9, 140 * MB, 1 * MB); /* gone round in 14 ms, looked at for 51 ms */
    page_rate r = host_pages_rate(&w, 2 * MB, 0, 10e9);
    assert_int_equal(r.kind, PAGES_MOVE);
    assert_float_equal(r.bytes / r.seconds, 10e9, 1e9);
}

static void set_in_private_cache(void **state) {
    (void)state;
    page_curve w = walk(50e9, 1 * MB, 0.2 * MB);
    page_rate r = host_pages_rate(&w, 2 * MB, 0, 10e9);
    assert_int_equal(r.kind, PAGES_FIT);
    assert_true(r.bytes == 0);
}

static void set_used_up_at_once(void **state) {
    (void)state;
    page_curve w = walk(100e9, 6 * MB, 0); /* before the first look */
    assert_int_equal(host_pages_rate(&w, 2 * MB, 0, 10e9).kind, PAGES_UNCLEAR);
}

static void marking_is_taken_off(void **state) {
    (void)state;
    page_curve w = walk(5e9, 400 * MB, 0);
    w.huge_share = 0, w.small_share = 1;
    page_rate r = host_pages_rate(&w, 2 * MB, 4096 / 10e9, 10e9); /* half of the time */
    assert_float_equal(r.bytes / r.seconds, 10e9, 1e8);
    assert_float_equal(r.bytes / r.raw_s, 5e9, 1e8);
    r = host_pages_rate(&w, 2 * MB, 1, 10e9); /* nonsense: no more than three quarters are taken off */
    assert_true(r.bytes / r.seconds <= 20.1e9);
}

static void no_looks(void **state) {
    (void)state;
    page_curve w = {0};
    assert_int_equal(host_pages_rate(&w, 2 * MB, 0, 10e9).kind, PAGES_IDLE);
    w = walk(10e9, 400 * MB, 0);
    w.count = 1;
    assert_true(isfinite(host_pages_rate(&w, 0.5 * MB, 0, 10e9).bytes));
}

/* ---- judging ---- */

static live_run *run_of(double bytes_per_s, double set, size_t samples) {
    live_run *run = mem_alloc(sizeof *run);
    run->samples = mem_alloc_n(samples, sizeof *run->samples);
    assert_non_null(run->samples);
    run->count = run->room = samples;
    run->caches = (host_caches){48 << 10, 2 << 20, 32 << 20};
    run->before = run->after = run->working = (roof_rate){10e9, 10e9, 10e9, 0.01};
    run->threads = 1;
    run->set_bytes = set;
    run->latency_s = 100e-9;
    run->wall_s = 0.1 * (double)samples;
    for (int i = 0; i < COUNTERS; i++) run->counts.value[i] = NAN, run->counters.fd[i] = -1;
    for (size_t i = 0; i < samples; i++) {
        live_sample *s = &run->samples[i];
        s->at_s = 0.1 * (double)(i + 1);
        s->v = (host_interval){.busy_s = 0.1, .cpu_s = 0.1, .threads = 1, .busiest_share = 1};
        s->curve = walk(bytes_per_s, set, 0.5 * MB);
    }
    return run;
}

static audit_verdict judge(live_run *run, audit_report *r, arena *a) {
    diag *d = diag_new();
    audit_report_init(r, a, AUDIT_OF_HOST, "test");
    live_judge_samples(run);
    live_fill(r, run, d);
    assert_int_equal(diag_error_count(d), 0);
    diag_free(d);
    mem_free(run->samples);
    mem_free(run);
    return r->verdict;
}

static void verdicts(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    assert_int_equal(judge(run_of(9e9, 400 * MB, 30), &r, a), AUDIT_WALL_ROOFLINE); /* a model, never "proven" */
    assert_true(r.lo > 0.85 && r.lo < 0.95 && r.best == 1 && r.hi == 1);
    assert_int_equal(judge(run_of(1e9, 400 * MB, 30), &r, a), AUDIT_COMPUTE_BOUND);
    assert_float_equal(r.lo, 0.1, 0.01);
    assert_float_equal(r.best, 0.1 / AUDIT_REACH, 0.01);
    assert_float_equal(r.hi, 0.2, 0.01);
    assert_int_equal(judge(run_of(3e9, 400 * MB, 30), &r, a), AUDIT_UNDECIDED);
    assert_int_equal(judge(run_of(9e9, 1 * MB, 30), &r, a), AUDIT_COMPUTE_BOUND); /* all in the cache */
    assert_true(r.hi == 0);
    arena_free(a);
}

static void other_time(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    live_run *run = run_of(1e9, 400 * MB, 30);
    for (size_t i = 0; i < run->count; i++) {
        run->samples[i].v.busy_s = 0.02;
        run->samples[i].v.io_s = 0.06;
        run->samples[i].v.queued_s = 0.02; /* other programs: not in the total */
    }
    assert_int_equal(judge(run, &r, a), AUDIT_WALL_ROOFLINE); /* storage is movement too */
    assert_int_equal(r.biggest, AUDIT_HOST_LINK);
    assert_float_equal(r.share[AUDIT_HOST_LINK], 0.75, 0.01);
    assert_float_equal((double)r.total_ns * 1e-9, 30 * 0.08, 0.01);
    run = run_of(1e9, 400 * MB, 30);
    for (size_t i = 0; i < run->count; i++) run->samples[i].v.busy_s = 0.01, run->samples[i].v.idle_s = 0.09;
    assert_int_equal(judge(run, &r, a), AUDIT_MIXED);
    assert_float_equal(r.share[AUDIT_IDLE], 0.9, 0.01);
    arena_free(a);
}

static void noise_refuses(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    live_run *run = run_of(4.5e9, 400 * MB, 30); /* 0.45, 0.6, 0.9 */
    run->after.median = 13e9;
    assert_int_equal(judge(run, &r, a), AUDIT_UNDECIDED);
    assert_non_null(r.refused);
    run = run_of(0.5e9, 400 * MB, 30); /* as noisy, but far from the line */
    run->after.median = 13e9;
    assert_int_equal(judge(run, &r, a), AUDIT_COMPUTE_BOUND);
    assert_null(r.refused);
    arena_free(a);
}

static void random_access(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    live_run *run = run_of(25e9, 4000 * MB, 30); /* 2.5 times what memory gives: lines of small pages */
    for (size_t i = 0; i < run->count; i++) run->samples[i].curve.huge_share = 0, run->samples[i].curve.small_share = 1;
    judge(run, &r, a);
    assert_float_equal(r.best, 25e9 / 4096 * 100e-9, 0.02);
    assert_true(r.lo == 0 && r.hi == 1);
    arena_free(a);
}

static void start_is_left_out(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    live_run *run = run_of(9e9, 400 * MB, 30);
    for (size_t i = 0; i < 15; i++) run->samples[i].curve = walk(50e9, 1 * MB, 0);
    run->skipped_s = 1.75; /* two more, which the smoothing blurs */
    assert_int_equal(judge(run, &r, a), AUDIT_WALL_ROOFLINE);
    assert_float_equal((double)r.total_ns * 1e-9, 1.3, 0.01);
    assert_true(r.best > 0.99);
    arena_free(a);
}

static void counted(void **state) {
    (void)state;
    host_counts c;
    counted_share s;
    for (int i = 0; i < COUNTERS; i++) c.value[i] = NAN;
    assert_false(host_counts_share(&c, 10e9, 1, &s));
    c.value[COUNTER_CLOCK] = 1e9;
    c.value[COUNTER_CYCLES] = 3e9;
    c.value[COUNTER_MISSES] = 4e9 / 64;
    assert_true(host_counts_share(&c, 10e9, 1, &s)); /* 4 of 10 GB/s at least, all at most */
    assert_true(s.lo == 0.4 && s.hi == 1);
    c.value[COUNTER_STALLS] = 1.8e9;
    assert_true(host_counts_share(&c, 10e9, 1, &s));
    assert_true(s.lo == 0.4 && fabs(s.hi - 0.6) < 1e-9 && fabs(s.best - 0.5) < 1e-9);
    c.value[COUNTER_MEMORY_STALLS] = 1.5e9;
    assert_true(host_counts_share(&c, 10e9, 1, &s) && s.lo == 0.5 && s.hi == 0.5);
    c.value[COUNTER_SLOTS] = 12e9;
    c.value[COUNTER_MEMORY_BOUND] = 3e9;
    assert_true(host_counts_share(&c, 10e9, 1, &s) && s.best == 0.25);
    c.value[COUNTER_MEMORY_BOUND] = 13e9; /* more than there are slots: not believed */
    assert_true(host_counts_share(&c, 10e9, 1, &s) && s.best == 0.5);
}

static void thief(void **state) {
    (void)state;
    thief_result t = {.level = {{5e9, 1.2, 1.0, 1.1}, {10e9, 1.4, 1.0, 1.2}}, .spread = 0.02};
    thief_judge(&t);
    assert_null(t.refused);
    assert_float_equal(t.share, 0.5, 1e-9);
    assert_float_equal(t.error, 0.05, 1e-9);
    t.level[0].program = 1.0, t.level[1].program = 0.99; /* noise below nothing */
    thief_judge(&t);
    assert_true(t.share == 0);
    t.level[0].program = 1.3, t.level[1].program = 1.6;
    thief_judge(&t);
    assert_true(t.share == 1);
    t.spread = 0.2;
    thief_judge(&t);
    assert_non_null(strstr(t.refused, "differ by 20 %"));
    thief_result weak = {.level = {{5e9, 1.01, 1.0, 1.0}, {10e9, 1.02, 1.0, 1.0}}};
    thief_judge(&weak);
    assert_non_null(strstr(weak.refused, "2 % only"));
}

/* ---- commands ---- */

static bool start(host_child *c, char *const argv[], const char *want) {
    diag *d = diag_new();
    bool ok = host_child_start(c, argv, d) && host_child_go(c, argv[0], d);
    if (want) assert_non_null(strstr(diag_text(d), want));
    diag_free(d);
    return ok;
}

static void commands(void **state) {
    (void)state;
    host_child c;
    char how[160];
    char *none[] = {"no-such-program-here", NULL}, *data[] = {"./README.md", NULL};
    assert_false(start(&c, none, "no such program in PATH"));
    assert_false(start(&c, data, "Permission denied"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left behind */
    char *three[] = {"sh", "-c", "exit 3", NULL};
    assert_true(start(&c, three, NULL));
    assert_true(host_child_wait(&c, 10));
    host_child_how(&c, how, sizeof how);
    host_child_end(&c);
    assert_string_equal(how, "ended with status 3");
    char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    assert_true(start(&c, killed, NULL));
    assert_true(host_child_wait(&c, 10));
    host_child_how(&c, how, sizeof how);
    host_child_end(&c);
    assert_non_null(strstr(how, "signal 9"));
}

static void signals_are_passed_on(void **state) {
    (void)state;
    host_child c;
    char *waits[] = {"sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done", NULL};
    assert_true(start(&c, waits, NULL));
    assert_false(host_child_wait(&c, 0.3));
    kill(getpid(), SIGTERM);
    assert_true(host_child_wait(&c, 10));
    host_child_end(&c);
    assert_int_equal(WEXITSTATUS(c.status), 7);
    char *deaf[] = {"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", NULL};
    assert_true(start(&c, deaf, NULL));
    for (int i = 0; i < 3; i++) {
        assert_false(c.ended);
        host_child_wait(&c, 0.2);
        kill(getpid(), SIGTERM);
    }
    assert_true(host_child_wait(&c, 10)); /* the third one kills */
    host_child_end(&c);
    assert_true(WIFSIGNALED(c.status));
}

static void trees(void **state) {
    (void)state;
    host_child c;
    host_tree *t = mem_alloc(sizeof *t);
    char *nested[] = {"sh", "-c", "sh -c 'while :; do :; done' & sleep 1; kill $!", NULL};
    assert_non_null(t);
    assert_true(start(&c, nested, NULL));
    t->root = c.pid;
    t->self = getpid();
    double cpu = 0, wall = 0;
    while (!host_child_wait(&c, 0.1))
        if (host_tree_look(t) && t->last.cpu_s > 0) {
            cpu += t->last.cpu_s;
            wall += t->last.busy_s + t->last.queued_s + t->last.io_s + t->last.idle_s;
        }
    host_child_end(&c);
    assert_true(t->processes >= 2); /* the shell and its child, however deep */
    assert_true(cpu > 0 && wall > 0.1 && wall < 30);
    assert_true(t->rss_bytes_max > 1e5);
    mem_free(t);
}

static void too_short(void **state) {
    (void)state;
    arena *a = arena_new(0);
    diag *d = diag_new();
    audit_report r;
    audit_live_end end;
    char *argv[] = {"true", NULL};
    audit_live_options o = {.argv = argv};
    audit_report_init(&r, a, AUDIT_OF_HOST, "true");
    assert_false(audit_live(&r, &o, &end, d));
    assert_non_null(strstr(diag_text(d), "too short to measure"));
    diag_free(d);
    arena_free(a);
}

/* ---- reports ---- */

static const char run_json[] =
    "{\"ingot_report\": 1, \"host\": {\"engine\": \"native\", \"load_seconds\": 0.5, \"stream_wait_seconds\": 0.5,"
    "\"prompt\": {\"tokens\": 10, \"steps\": {\"linear\": {\"seconds\": 1, \"weight_bytes\": 1e9, \"kv_bytes\": 0, "
    "\"flops\": 9e10}}},"
    "\"decode\": {\"tokens\": 10, \"steps\": {"
    "\"linear\": {\"seconds\": 3, \"weight_bytes\": 24e9, \"kv_bytes\": 0, \"flops\": 2e10},"
    "\"norm\": {\"seconds\": 1, \"weight_bytes\": 0, \"kv_bytes\": 0, \"flops\": 0}}},"
    "\"read_bytes_per_s\": 1e10, \"decode_flops_per_s_limit\": 5e10, \"prompt_flops_per_s_limit\": 1e11,"
    "\"time_share\": {\"memory_bound\": 0.6, \"compute_bound\": 0.2, \"other\": 0.2}}}";

static bool report(audit_report *r, arena *a, const char *text, double rate, const char *want) {
    diag *d = diag_new();
    audit_report_init(r, a, AUDIT_OF_RUN, "r.json");
    bool ok = audit_of_report(r, str_from(text), rate, d);
    if (want) {
        if (!strstr(diag_text(d), want)) fail_msg("expected '%s' in '%s'", want, diag_text(d));
        assert_false(ok);
    } else if (!ok) fail_msg("%s", diag_text(d));
    diag_free(d);
    return ok;
}

static void ingot_reports(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    report(&r, a, run_json, 0, NULL);
    /* decode: 3 s, of which 0.4 are arithmetic and half a second waited for storage; norms are not classified */
    assert_float_equal(r.share[AUDIT_MEMORY], 2.1 / 5, 1e-9);
    assert_float_equal(r.share[AUDIT_HOST_LINK], 0.1, 1e-9);
    assert_float_equal(r.share[AUDIT_COMPUTE], 1.4 / 5, 1e-9);
    assert_float_equal(r.share[AUDIT_UNKNOWN], 0.2, 1e-9);
    assert_float_equal(r.lo, 2.6 / 5, 1e-9); /* 2.4 s of reading, no more than what is left without storage */
    assert_float_equal(r.best, 2.6 / 5, 1e-9);
    assert_float_equal(r.hi, 3.6 / 5, 1e-9);
    assert_int_equal(r.verdict, AUDIT_WALL_ROOFLINE);
    report(&r, a, "{\"ingot_report\": 1}", 0, "engine '?'");
    report(&r, a, "{\"ingot_report\": 1", 0, "r.json:1");
    report(&r, a, "{\"other\": 1}", 0, "neither");
    report(&r, a, "", 0, "neither");
    arena_free(a);
}

static void llama_bench(void **state) {
    (void)state;
    arena *a = arena_new(0);
    audit_report r;
    const char *json = "[{\"build_commit\": \"x\", \"model_filename\": \"m\", \"model_size\": 1000000000, "
                       "\"n_prompt\": 0, \"n_gen\": 10, \"avg_ts\": 8}]";
    const char *csv = "build_commit,\"model_filename\",model_size,n_prompt,n_gen,avg_ts\n\"x\",\"a,b\",\"1000000000\","
                      "\"0\",\"10\",\"8\"\r\n";
    report(&r, a, json, 10e9, NULL); /* 8 GB/s of 10 */
    assert_float_equal(r.lo, 0.8, 1e-9);
    assert_int_equal(r.verdict, AUDIT_WALL_ROOFLINE);
    report(&r, a, csv, 10e9, NULL);
    assert_float_equal(r.lo, 0.8, 1e-9);
    report(&r, a, csv, 4e9, NULL); /* faster than memory: wrong memory */
    assert_non_null(r.refused);
    report(&r, a, json, 0, "--gbs");
    report(&r, a, "[{\"build_commit\": \"x\", \"model_filename\": \"m\"}]", 1e9, "lacks");
    report(&r, a, "build_commit,model_filename,model_size\n", 1e9, "no test");
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_of_a_stream),
        cmocka_unit_test(rate_of_a_cyclic_set),
        cmocka_unit_test(set_in_private_cache),
        cmocka_unit_test(set_used_up_at_once),
        cmocka_unit_test(marking_is_taken_off),
        cmocka_unit_test(no_looks),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(other_time),
        cmocka_unit_test(noise_refuses),
        cmocka_unit_test(random_access),
        cmocka_unit_test(start_is_left_out),
        cmocka_unit_test(counted),
        cmocka_unit_test(thief),
        cmocka_unit_test(commands),
        cmocka_unit_test(signals_are_passed_on),
        cmocka_unit_test(trees),
        cmocka_unit_test(too_short),
        cmocka_unit_test(ingot_reports),
        cmocka_unit_test(llama_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
