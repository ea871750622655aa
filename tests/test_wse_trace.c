/* The recorder: what it says must agree with the counters, must not depend on threads or visiting order, must change
 * nothing, and must say what it dropped. The program is tests/trace: 4 rows of 8 PEs, one sends, seven wait and add. */
#include "csl/csl.h"
#include "wse/trace.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PES = 32, SENDERS = 4 };

typedef struct {
    diag *d;
    isa_wafer wafer;
    isa_image *image;
    wse *m;
    wse_events e;
} run;

static void start(run *r, isa_arch arch, wse_options o) {
    memset(r, 0, sizeof *r);
    r->d = diag_new();
    assert_non_null(r->d);
    const char *machine = arch == ISA_WSE2 ? "data/machines/wse2.json" : "data/machines/wse3.json";
    if (!isa_wafer_read(&r->wafer, machine, "vendor-sim", r->d)) fail_msg("%s", diag_text(r->d));
    csl_options c = {.arch = arch, .wafer = &r->wafer, .library = "lib"};
    r->image = csl_compile("tests/trace/layout.csl", &c, r->d);
    if (!r->image) fail_msg("%s", diag_text(r->d));
    r->m = wse_new(&r->wafer, r->image, &o, r->d);
    if (!r->m) fail_msg("%s", diag_text(r->d));
}
static void to_the_end(run *r) {
    if (wse_run(r->m, 100000, false) != WSE_QUIET) fail_msg("not quiet: %s", wse_fault_text(r->m));
    if (!wse_trace_read(r->m, &r->e, r->d)) fail_msg("%s", diag_text(r->d));
}
static void stop(run *r) {
    wse_trace_free(&r->e);
    wse_free(r->m);
    isa_image_free(r->image);
    diag_free(r->d);
}
static uint64_t number_of(const run *r, wse_event_kind kind) {
    uint64_t n = 0;
    for (size_t i = 0; i < r->e.count; i++) n += r->e.all[i].kind == kind;
    return n;
}

static void agrees_with_the_counters(void **state) {
    (void)state;
    for (int arch = ISA_WSE2; arch <= ISA_WSE3; arch++) {
        run r;
        wse_counters n;
        start(&r, (isa_arch)arch, (wse_options){.trace = true});
        to_the_end(&r);
        wse_counters_total(r.m, &n);
        assert_int_equal(number_of(&r, WSE_EVENT_TASK), n.tasks);
        assert_int_equal(n.tasks, 2 * PES);
        assert_int_equal(number_of(&r, WSE_EVENT_VECTOR), n.vector_ops);
        assert_int_equal(n.vector_ops, PES);
        assert_int_equal(r.e.dropped, 0);
        uint64_t waited = 0;
        for (size_t i = 0; i < r.e.count; i++) {
            const wse_event *e = &r.e.all[i];
            assert_true(e->begin <= e->end && e->end <= wse_cycle(r.m) + 1000 && e->pe < PES && !e->open);
            if (e->kind == WSE_EVENT_WAIT && e->thread == WSE_TRACE_MAIN) waited += e->end - e->begin;
        }
        assert_int_equal(number_of(&r, WSE_EVENT_WAIT), PES - SENDERS); /* long ones: for the first wavelet */
        assert_true(waited <= n.input_wait_cycles && waited > n.input_wait_cycles / 2);
        stop(&r);
    }
}

static bool encloses(const wse_event *a, const wse_event *b) { return a->begin <= b->begin && b->end <= a->end; }

/* On one track, any two are one inside the other or apart: what viewers need. */
static void tracks_are_nested(void **state) {
    (void)state;
    run r;
    start(&r, ISA_WSE3, (wse_options){.trace = true});
    to_the_end(&r);
    for (size_t i = 0; i < r.e.count; i++)
        for (size_t k = i + 1; k < r.e.count; k++) {
            const wse_event *a = &r.e.all[i], *b = &r.e.all[k];
            assert_true(a->begin < b->begin || (a->begin == b->begin && a->pe <= b->pe)); /* sorted */
            if (a->pe != b->pe || a->thread != b->thread) continue;
            if (!encloses(a, b) && !encloses(b, a) && b->begin < a->end)
                fail_msg("PE %u: [%u, %u] and [%u, %u]", a->pe, (unsigned)a->begin, (unsigned)a->end,
                         (unsigned)b->begin, (unsigned)b->end);
        }
    stop(&r);
}

static void same_for_any_threads_and_order(void **state) {
    (void)state;
    static const wse_options others[] = {{.threads = 3, .trace = true, .profile = true},
                                         {.threads = 2, .shuffle = true, .trace = true, .profile = true}};
    for (size_t k = 0; k < 2; k++) {
        run a, b;
        start(&a, ISA_WSE3, (wse_options){.threads = 1, .trace = true, .profile = true});
        start(&b, ISA_WSE3, others[k]);
        to_the_end(&a);
        to_the_end(&b);
        assert_int_equal(a.e.count, b.e.count);
        for (size_t i = 0; i < a.e.count; i++) assert_memory_equal(&a.e.all[i], &b.e.all[i], sizeof a.e.all[i]);
        for (uint32_t p = 0; p < a.image->program_count; p++)
            for (uint32_t pc = 0; pc < a.image->programs[p].code_count; pc++) {
                wse_cost x, y;
                assert_true(wse_profile_at(a.m, p, pc, &x) && wse_profile_at(b.m, p, pc, &y));
                assert_memory_equal(&x, &y, sizeof x);
            }
        stop(&a);
        stop(&b);
    }
}

static void changes_nothing_and_costs_nothing_when_off(void **state) {
    (void)state;
    run a, b;
    wse_cost c;
    start(&a, ISA_WSE3, (wse_options){.trace = true, .profile = true});
    start(&b, ISA_WSE3, (wse_options){0});
    assert_null(b.m->trace);
    assert_true(wse_bytes(a.m) > wse_bytes(b.m));
    to_the_end(&a);
    to_the_end(&b);
    assert_int_equal(b.e.count, 0);
    assert_false(wse_profile_at(b.m, 0, 0, &c));
    assert_int_equal(wse_state_hash(a.m), wse_state_hash(b.m));
    stop(&a);
    stop(&b);
}

/* Executed instructions and waits are the counters'; no line takes more than the PEs had. */
static void profile_adds_up(void **state) {
    (void)state;
    run r;
    wse_counters n;
    wse_cost all = {0};
    start(&r, ISA_WSE3, (wse_options){.profile = true});
    to_the_end(&r);
    wse_counters_total(r.m, &n);
    for (uint32_t p = 0; p < r.image->program_count; p++)
        for (uint32_t pc = 0; pc < r.image->programs[p].code_count; pc++) {
            wse_cost c;
            assert_true(wse_profile_at(r.m, p, pc, &c));
            assert_true(c.wait_cycles <= c.cycles && (c.count || !c.cycles));
            all.count += c.count, all.cycles += c.cycles, all.wait_cycles += c.wait_cycles;
            all.thread_cycles += c.thread_cycles;
        }
    assert_int_equal(all.count, n.instructions + n.vector_ops);
    assert_int_equal(all.wait_cycles, n.input_wait_cycles + n.output_wait_cycles);
    assert_int_equal(all.thread_cycles, SENDERS * 6);
    assert_true(all.cycles - all.wait_cycles <= n.busy_cycles && all.cycles > n.busy_cycles / 2);
    stop(&r);
}

static void small_ring_keeps_the_newest(void **state) {
    (void)state;
    run r;
    start(&r, ISA_WSE3, (wse_options){.trace = true, .trace_events = 1});
    for (uint32_t i = 0; i < 1000; i++) trace_launch(r.m, 3, 0, i);
    if (!wse_trace_read(r.m, &r.e, r.d)) fail_msg("%s", diag_text(r.d));
    assert_true(r.e.count < 1000);
    assert_int_equal(r.e.count + r.e.dropped, 1000);
    assert_int_equal(r.e.all[0].begin, 1000 - r.e.count);
    assert_int_equal(r.e.whole_from, r.e.all[0].begin);
    assert_int_equal(r.e.all[r.e.count - 1].begin, 999);
    stop(&r);
}

static void open_events_are_told(void **state) {
    (void)state;
    run r;
    start(&r, ISA_WSE3, (wse_options){.trace = true});
    assert_int_equal(wse_run(r.m, 60, false), WSE_LIMIT); /* the senders still compute */
    if (!wse_trace_read(r.m, &r.e, r.d)) fail_msg("%s", diag_text(r.d));
    uint32_t waits = 0, tasks = 0;
    for (size_t i = 0; i < r.e.count; i++) {
        const wse_event *e = &r.e.all[i];
        if (!e->open) continue;
        assert_int_equal(e->end, 60);
        strbuf name = {0};
        wse_trace_name(r.m, e, &name);
        if (e->kind == WSE_EVENT_WAIT) assert_string_equal(name.data, "waits for input queue 2");
        if (e->kind == WSE_EVENT_VECTOR) assert_string_equal(name.data, "mov32");
        waits += e->kind == WSE_EVENT_WAIT;
        tasks += e->kind == WSE_EVENT_TASK;
        strbuf_free(&name);
    }
    assert_int_equal(waits, PES - SENDERS);
    assert_int_equal(tasks, PES);
    stop(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_counters),
        cmocka_unit_test(tracks_are_nested),
        cmocka_unit_test(same_for_any_threads_and_order),
        cmocka_unit_test(changes_nothing_and_costs_nothing_when_off),
        cmocka_unit_test(profile_adds_up),
        cmocka_unit_test(small_ring_keeps_the_newest),
        cmocka_unit_test(open_events_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
