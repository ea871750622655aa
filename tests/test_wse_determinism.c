/* Is the state of the machine the same for any number of threads and any order of visits, in the middle of things too,
 * and does a machine restored from a checkpoint go on as if nothing had happened? Real programs, both generations,
 * stops at cycles where microthreads are alive and wavelets are on their way. */
#include "base/mem.h"
#include "wse/wse.h"
#include "tests/program_help.h"

enum { STOPS = 6 };
static const uint64_t stops[STOPS] = {1, 37, 150, 401, 1000, 100000};

#define SIZE(w, h)                                                                                                     \
    {"width", w}, { "height", h }
static const program programs[] = {
    {"tests/csl_bench/stream.csl", {SIZE(7, 9), {"rounds", 3}, {"length", 40}}, 4},
    {"tests/csl_bench/chain.csl", {SIZE(8, 6), {"length", 96}}, 3},
    {"tests/csl_bench/multicast.csl", {SIZE(9, 8), {"rounds", 3}, {"length", 33}}, 4},
    {"tests/csl_bench/scalar.csl", {SIZE(5, 7), {"rounds", 60}}, 3},
    {"tests/csl_bench/vector.csl", {SIZE(4, 6), {"rounds", 9}, {"length", 20}}, 4},
    {"tests/csl_bench/chain.csl", {SIZE(70, 2), {"length", 40}}, 3},
    {"tests/csl_bench/stream.csl", {SIZE(32, 33), {"rounds", 2}, {"length", 40}}, 4}, /* bands of several rows */
    {"tests/csl/fabric_pair.csl", {{0}}, 0},
    {"tests/csl_bench/line.csl", {SIZE(12, 6), {"rounds", 4}, {"length", 30}, {"kind", 0}}, 5},
    {"tests/csl_bench/line.csl", {SIZE(5, 6), {"rounds", 3}, {"length", 51}, {"kind", 1}}, 5},
    {"tests/csl_bench/relay.csl", {SIZE(10, 7), {"rounds", 3}, {"length", 30}, {"kind", 0}}, 5},
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

typedef struct {
    uint64_t hash[STOPS], cycle[STOPS];
} record;

static wse *start(loaded *l, wse_options o) {
    wse *m = wse_new(&l->wafer, l->image, &o, l->d);
    if (!m) fail_msg("%s", diag_text(l->d));
    return m;
}

static void go(wse *m, uint32_t stop, record *r) {
    if (wse_run(m, stops[stop], false) == WSE_FAULT) fail_msg("%s", wse_fault_text(m));
    r->hash[stop] = wse_state_hash(m);
    r->cycle[stop] = wse_cycle(m);
}

static void compare(const char *what, const record *a, const record *b, uint32_t from) {
    for (uint32_t i = from; i < STOPS; i++)
        if (a->hash[i] != b->hash[i] || a->cycle[i] != b->cycle[i])
            fail_msg("%s: stop %u (cycle %llu): %016llx at %llu, not %016llx", what, i, (unsigned long long)a->cycle[i],
                     (unsigned long long)b->hash[i], (unsigned long long)b->cycle[i], (unsigned long long)a->hash[i]);
}

static void run_through(loaded *l, wse_options o, record *r) {
    wse *m = start(l, o);
    for (uint32_t i = 0; i < STOPS; i++) go(m, i, r);
    wse_free(m);
}

static void each(void (*check)(loaded *, const char *, const record *)) {
    for (int i = 0; i < PROGRAMS; i++)
        for (int arch = 2; arch <= 3; arch++) {
            loaded l = load(&programs[i], arch);
            record base;
            run_through(&l, (wse_options){.threads = 1}, &base);
            assert_true(base.hash[1] != base.hash[2]); /* something does happen */
            check(&l, programs[i].path, &base);
            unload(&l);
        }
}

static void same_for_all(loaded *l, const char *what, const record *base) {
    /* With a trace everything happens in its own cycle: no core runs ahead and no path is a pipe (wse/pipe.h). */
    const wse_options all[] = {
        {.threads = 2}, {.threads = 3}, {.shuffle = true}, {.threads = 3, .shuffle = true}, {.trace = true}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        record r;
        run_through(l, all[i], &r);
        compare(what, base, &r, 0);
    }
}

static void threads_and_order(void **state) {
    (void)state;
    each(same_for_all);
}

static void same_after_restore(loaded *l, const char *what, const record *base) {
    wse *m = start(l, (wse_options){.threads = 1});
    for (uint32_t at = 0; at < STOPS; at++) {
        record r = *base;
        strbuf bytes = {0};
        go(m, at, &r);
        if (!wse_checkpoint(m, &bytes, l->d)) fail_msg("%s", diag_text(l->d));
        wse *again = wse_restore(&l->wafer, l->image, &(wse_options){.threads = 1 + at % 3}, strbuf_str(&bytes), l->d);
        if (!again) fail_msg("%s: %s", what, diag_text(l->d));
        r.hash[at] = wse_state_hash(again);
        r.cycle[at] = wse_cycle(again);
        for (uint32_t i = at + 1; i < STOPS; i++) go(again, i, &r);
        compare(what, base, &r, at);
        wse_counters a, b;
        if (at + 1 < STOPS) {
            wse *whole = start(l, (wse_options){.threads = 1});
            (void)wse_run(whole, stops[STOPS - 1], false);
            wse_counters_total(whole, &a);
            wse_counters_total(again, &b);
            assert_memory_equal(&a, &b, sizeof a);
            wse_free(whole);
        }
        wse_free(again);
        strbuf_free(&bytes);
    }
    wse_free(m);
}

static void checkpoints(void **state) {
    (void)state;
    each(same_after_restore);
}

/* Every cut and every flipped byte is refused with a word on why. */
static void damage(void **state) {
    (void)state;
    loaded l = load(&programs[0], 3), other = load(&programs[1], 3);
    wse *m = start(&l, (wse_options){.threads = 1});
    strbuf bytes = {0};
    assert_int_equal(wse_run(m, 150, false), WSE_LIMIT);
    assert_true(wse_checkpoint(m, &bytes, l.d));
    for (size_t n = 0; n < bytes.len; n += 1 + n / 7) {
        assert_null(wse_restore(&l.wafer, l.image, NULL, (str){bytes.data, n}, l.d));
        bytes.data[n] ^= 0x40;
        assert_null(wse_restore(&l.wafer, l.image, NULL, strbuf_str(&bytes), l.d));
        bytes.data[n] ^= 0x40;
        assert_true(diag_error_count(l.d) > 0);
    }
    assert_null(wse_restore(&other.wafer, other.image, NULL, strbuf_str(&bytes), other.d));
    strbuf_free(&bytes);
    wse_free(m);
    unload(&l);
    unload(&other);
}

/* Each PE waits for what the other would send next; the report says so, and names the task that is held back. */
static void circle_of_cores(void **state) {
    (void)state;
    const program p = {"tests/csl_bench/circle.csl", {{0}}, 0};
    for (int arch = 2; arch <= 3; arch++) {
        loaded l = load(&p, arch);
        wse *m = start(&l, (wse_options){.threads = 1});
        strbuf text = {0};
        assert_int_equal(wse_run(m, 10000, false), WSE_QUIET);
        wse_explain_waits(m, &text);
        if (!strstr(text.data, "circle: PE(0,0) waits for color 3 -> PE(1,0) waits for color 2 -> PE(0,0)\n") ||
            !strstr(text.data, "task 13 is activated but blocked"))
            fail_msg("%s", text.data);
        strbuf_free(&text);
        wse_free(m);
        unload(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_order),
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(damage),
        cmocka_unit_test(circle_of_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
