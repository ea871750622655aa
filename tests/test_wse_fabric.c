/* The fabric without cores: latency, rates, backpressure, switches, teardown, filters, streams, threads, faults.
 * Cores are those of tests/wse_stub.h. Sets of routes are numbered by position in a row unless a test says otherwise.
 */
#include "tests/wse_stub.h"
#include "wse/fabric_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { W = 1, E = 2, S = 4, N = 8, R = 16 };
enum { ADV = 1, RST, NOCE = 4 };

typedef struct {
    stub_image s;
    wse *m;
    diag *d;
} bench;

static void open_bench(bench *b, isa_arch arch, uint32_t width, uint32_t height) {
    memset(b, 0, sizeof *b);
    assert_true(stub_image_new(&b->s, arch, width, height));
    assert_non_null(b->d = diag_new());
}
static void start_with(bench *b, wse_options o) {
    b->m = wse_new(&b->s.wafer, &b->s.image, &o, b->d);
    if (!b->m) fail_msg("%s", diag_text(b->d));
}
static void start(bench *b) { start_with(b, (wse_options){.threads = 1}); }
static void close_bench(bench *b) {
    wse_free(b->m);
    mem_free(b->s.tiles);
    diag_free(b->d);
}
static void send_at(bench *b, uint32_t pe, uint64_t cycle, uint32_t color, uint32_t data, bool control) {
    stub_core *c = stub(b->m, pe);
    c->sends[c->send_count++] = (stub_send){
        .cycle = cycle, .data = data, .queue = (uint8_t)(color % 6), .color = (uint8_t)color, .control = control};
}
static void send_many(bench *b, uint32_t pe, uint32_t color, uint32_t first, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) send_at(b, pe, 0, color, first + i, false);
}
static void run_quiet(bench *b) {
    wse_stop why = wse_run(b->m, 1000000, false);
    if (why != WSE_QUIET)
        fail_msg("stop %d at %llu: %s", why, (unsigned long long)wse_cycle(b->m), wse_fault_text(b->m));
}
static uint32_t first_command(uint32_t c) { return c << 22 | 31u << 16; }

/* Row of `width` PEs: set 0 sends color 0 east, set 1 passes it on, set 2 ends it. */
static void row_sets(bench *b, uint32_t width) {
    stub_route(&b->s, 0, 0, R, E);
    stub_route(&b->s, 1, 0, W, E);
    stub_route(&b->s, 2, 0, W, R);
    for (uint32_t x = 0; x < width; x++) stub_tile(&b->s, x, 0, x == 0 ? 0 : x + 1 == width ? 2 : 1);
}

/* push, ramp_cycles, hops, ramp_cycles: the wavelet can be read */
static void latency_is_two_ramps_and_the_hops(void **state) {
    (void)state;
    for (uint32_t hops = 1; hops <= 9; hops += 4)
        for (int arch = ISA_WSE2; arch <= ISA_WSE3; arch++) {
            bench b;
            open_bench(&b, (isa_arch)arch, hops + 1, 1);
            row_sets(&b, hops + 1);
            start(&b);
            send_at(&b, 0, 10, 0, 77, false);
            run_quiet(&b);
            const stub_core *c = stub(b.m, hops);
            assert_int_equal(c->got_count, 1);
            assert_int_equal(c->got[0].data, 77);
            assert_int_equal(c->got[0].from, ISA_WEST);
            assert_int_equal(c->got[0].cycle, 10 + 2 + hops * b.s.wafer.hop_cycles + 2);
            wse_counters n;
            wse_counters_total(b.m, &n);
            assert_int_equal(n.hops, hops);
            assert_int_equal(n.ramp_wavelets, 2);
            assert_int_equal(n.router_stall_cycles, 0);
            close_bench(&b);
        }
}

static void turn_costs_extra(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 2, 2);
    b.s.wafer.turn_cycles = 7;
    stub_route(&b.s, 0, 0, R, E);
    stub_route(&b.s, 1, 0, W, S);
    stub_route(&b.s, 2, 0, N, R);
    stub_tile(&b.s, 0, 0, 0);
    stub_tile(&b.s, 1, 0, 1);
    stub_tile(&b.s, 1, 1, 2);
    stub_tile(&b.s, 0, 1, 3);
    start(&b);
    send_many(&b, 0, 0, 0, 20);
    run_quiet(&b);
    const stub_core *c = stub(b.m, 3);
    assert_int_equal(c->got_count, 20);
    assert_int_equal(c->got[0].cycle, 2 + 2 + 7 + 2);
    assert_int_equal(c->got[19].cycle - c->got[0].cycle, 19);
    close_bench(&b);
}

static void a_link_takes_one_wavelet_a_cycle(void **state) {
    (void)state;
    for (uint32_t hop = 1; hop <= 3; hop++)
        for (uint32_t color = 0; color < 6; color++) {
            bench b;
            open_bench(&b, ISA_WSE2, 5, 1);
            b.s.wafer.hop_cycles = hop;
            row_sets(&b, 5);
            for (int i = 0; i < 3; i++) b.s.routes[i][0].color = (uint8_t)color;
            start(&b);
            send_many(&b, 0, color, 100, 200);
            run_quiet(&b);
            const stub_core *c = stub(b.m, 4);
            assert_int_equal(c->got_count, 200);
            for (uint32_t i = 0; i < 200; i++) {
                assert_int_equal(c->got[i].data, 100 + i);
                assert_int_equal(c->got[i].cycle, 2 + 4 * hop + 2 + i);
            }
            close_bench(&b);
        }
}

static void a_slow_link_takes_eight_in_nine_cycles(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE3, 3, 1);
    b.s.wafer.link_interval_num = 9;
    b.s.wafer.link_interval_den = 8;
    row_sets(&b, 3);
    start(&b);
    send_many(&b, 0, 0, 0, 241);
    run_quiet(&b);
    const stub_core *c = stub(b.m, 2);
    assert_int_equal(c->got_count, 241);
    assert_int_equal(c->got[240].cycle - c->got[0].cycle, 270);
    close_bench(&b);
}

static void backpressure_loses_nothing(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 4, 1);
    row_sets(&b, 4);
    start(&b);
    stub(b.m, 3)->read_from = 500;
    send_many(&b, 0, 0, 0, 100);
    assert_int_equal(wse_run(b.m, 400, false), WSE_LIMIT);
    /* 6 in the input queue, 2 in each of 4 buffers, 2 in the output queue */
    assert_int_equal(stub(b.m, 0)->sent, 6 + 4 * 2 + 2);
    wse_counters n;
    wse_counters_total(b.m, &n);
    assert_true(n.router_stall_cycles > 4 * 350);
    run_quiet(&b);
    const stub_core *c = stub(b.m, 3);
    assert_int_equal(c->got_count, 100);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(c->got[i].data, i);
    assert_int_equal(c->got[99].cycle, 500 + 99);
    close_bench(&b);
}

/* Blocked for ever: the machine is quiet, says why, and wakes nobody. */
static void blocked_wavelets_are_quiet(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 4, 1);
    row_sets(&b, 4);
    start(&b);
    stub(b.m, 3)->read_from = UINT64_MAX;
    send_many(&b, 0, 0, 0, 100);
    run_quiet(&b);
    assert_true(wse_cycle(b.m) < 100);
    uint64_t at = wse_cycle(b.m);
    run_quiet(&b);
    assert_int_equal(wse_cycle(b.m), at);
    strbuf text = {0};
    wse_explain_waits(b.m, &text);
    assert_non_null(strstr(text.data,
                           "PE(3,0) router: color 0 from WEST: 2 wavelets wait: the core does not read its input "
                           "queue (6 wavelets)"));
    assert_non_null(
        strstr(text.data, "PE(1,0) router: color 0 from WEST: 2 wavelets wait: PE(2,0) to the EAST has no room"));
    assert_non_null(strstr(text.data, "PE(0,0) core: 16 of 100 sent"));
    strbuf_free(&text);
    close_bench(&b);
}

/* Four routers in a ring, each passing on what it gets; the cores do not read until all buffers are full. */
static void a_circle_of_waits_is_named(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 2, 2);
    stub_route(&b.s, 0, 0, S | R, E | R);
    stub_route(&b.s, 1, 0, W | R, S | R);
    stub_route(&b.s, 2, 0, N | R, W | R);
    stub_route(&b.s, 3, 0, E | R, N | R);
    stub_tile(&b.s, 1, 0, 1);
    stub_tile(&b.s, 1, 1, 2);
    stub_tile(&b.s, 0, 1, 3);
    start(&b);
    for (uint32_t pe = 0; pe < 4; pe++) {
        send_many(&b, pe, 0, 0, 1); /* one each goes round until the queues are full */
        for (uint32_t i = 0; i < 4; i++) send_at(&b, pe, 100, 0, 1 + i, false);
        stub(b.m, pe)->read_from = UINT64_MAX;
    }
    stub(b.m, 0)->read_from = 40;
    assert_int_equal(wse_run(b.m, 60, false), WSE_LIMIT);
    strbuf text = {0};
    wse_explain_waits(b.m, &text);
    assert_non_null(strstr(text.data, "the core does not read its input queue (6 wavelets)"));
    assert_null(strstr(text.data, "circle")); /* who waits for a core that may still read is no deadlock of routers */
    strbuf_free(&text);
    close_bench(&b);

    open_bench(&b, ISA_WSE2, 2, 2);
    stub_route(&b.s, 0, 0, S, E);
    stub_route(&b.s, 1, 0, W, S);
    stub_route(&b.s, 2, 0, N, W);
    stub_route(&b.s, 3, 0, E, N);
    stub_tile(&b.s, 1, 0, 1);
    stub_tile(&b.s, 1, 1, 2);
    stub_tile(&b.s, 0, 1, 3);
    start(&b);
    for (uint32_t pe = 0; pe < 4; pe++) { /* as they would be after a program had filled them */
        lane *l = &b.m->fabric->lanes[b.m->fabric->routers[pe].lanes];
        lane_buffer(b.m->fabric, l, (uint32_t)__builtin_ctz(l->dirs))->tail = 2;
        fabric_look_again(b.m, pe, 0);
    }
    run_quiet(&b);
    wse_explain_fabric(b.m, &text);
    assert_non_null(strstr(text.data, "deadlock: these routers wait for each other in a circle: PE("));
    assert_non_null(strstr(text.data, "PE(1,1) color 0 from NORTH -> PE(0,1) color 0 from EAST ->"));
    strbuf_free(&text);
    close_bench(&b);
}

/* A multicast moves only when every output takes it; a slow core holds up the others. */
static void multicast_goes_to_all(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE3, 5, 1);
    stub_route(&b.s, 0, 0, R, E);
    stub_route(&b.s, 1, 0, W, E | R);
    stub_route(&b.s, 2, 0, W, R);
    for (uint32_t x = 0; x < 5; x++) stub_tile(&b.s, x, 0, x == 0 ? 0 : x == 4 ? 2 : 1);
    start(&b);
    stub(b.m, 2)->read_from = 300;
    send_many(&b, 0, 0, 0, 50);
    run_quiet(&b);
    for (uint32_t x = 1; x < 5; x++) {
        const stub_core *c = stub(b.m, x);
        assert_int_equal(c->got_count, 50);
        for (uint32_t i = 0; i < 50; i++) assert_int_equal(c->got[i].data, i);
    }
    assert_int_equal(stub(b.m, 4)->got[7].cycle, 0 + 2 + 4 * 2 + 2 + 7); /* 8 fit into PE 2's queue */
    assert_true(stub(b.m, 4)->got[8].cycle > 300);
    close_bench(&b);
}

static void colors_share_a_link_in_turns(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    for (uint32_t c = 0; c < 3; c++) {
        stub_route(&b.s, 0, c, R, E);
        stub_route(&b.s, 1, c, W, E);
        stub_route(&b.s, 2, c, W, R);
    }
    /* the middle adds a color of its own, so that three want one link */
    stub_route(&b.s, 1, 3, R, E);
    stub_route(&b.s, 2, 3, W, R);
    for (uint32_t x = 0; x < 3; x++) stub_tile(&b.s, x, 0, x);
    start(&b);
    for (uint32_t i = 0; i < 80; i++) send_at(&b, 0, 0, i % 2, i / 2, false);
    send_many(&b, 1, 3, 0, 80);
    run_quiet(&b);
    uint32_t n[4] = {0};
    const stub_core *c = stub(b.m, 2);
    assert_int_equal(c->got_count, 160);
    for (uint32_t i = 0; i < 160; i++) assert_int_equal(c->got[i].data, n[c->got[i].color]++); /* in order per color */
    uint32_t own = 0;
    for (uint32_t i = 20; i < 100; i++) own += c->got[i].color == 3;
    assert_in_range(own, 26, 41); /* a third when both others always want, half when they alternate */
    assert_in_range(c->got[159].cycle - c->got[0].cycle, 159, 165);
    close_bench(&b);
}

/* One color from two sides (WSE-2): both are served. */
static void two_inputs_of_one_color(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    stub_route(&b.s, 0, 0, R, E);
    stub_route(&b.s, 1, 0, W | E, R);
    stub_route(&b.s, 2, 0, R, W);
    for (uint32_t x = 0; x < 3; x++) stub_tile(&b.s, x, 0, x);
    start(&b);
    send_many(&b, 0, 0, 0, 30);
    send_many(&b, 2, 0, 1000, 30);
    run_quiet(&b);
    const stub_core *c = stub(b.m, 1);
    uint32_t west = 0, east = 1000;
    assert_int_equal(c->got_count, 60);
    for (uint32_t i = 0; i < 60; i++) assert_int_equal(c->got[i].data, c->got[i].from == ISA_WEST ? west++ : east++);
    close_bench(&b);
}

/* ---- switches ---- */

/* Demux: positions W->RAMP, W->EAST, no pop. Each ADV opens exactly one more PE; it saturates in those before. */
static void demux_advances_one_pe_at_a_time(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 5, 1);
    stub_route(&b.s, 0, 0, R, E);
    isa_route *r = stub_route(&b.s, 1, 0, W, R);
    r->rx[1] = W;
    r->tx[1] = E;
    stub_route(&b.s, 2, 0, W, R);
    for (uint32_t x = 0; x < 5; x++) stub_tile(&b.s, x, 0, x == 0 ? 0 : x == 4 ? 2 : 1);
    start(&b);
    for (uint32_t batch = 0; batch < 4; batch++) {
        send_many(&b, 0, 0, batch * 10, 3);
        if (batch < 3) send_at(&b, 0, 0, 0, first_command(ADV | NOCE), true);
    }
    run_quiet(&b);
    for (uint32_t x = 1; x < 5; x++) {
        const stub_core *c = stub(b.m, x);
        assert_int_equal(c->got_count, 3);
        for (uint32_t i = 0; i < 3; i++) assert_int_equal(c->got[i].data, (x - 1) * 10 + i);
    }
    close_bench(&b);
}

/* Row reduce: middle PEs pass (W->E), then send their own (RAMP->E), ring, pop on advance. Each sends data and [ADV,
 * ADV]: the first puts its own router back, the second opens the ramp of the next. */
static void row_reduce_passes_the_turn_on(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 5, 1);
    isa_route *r = stub_route(&b.s, 0, 0, W, E); /* the first starts with its ramp open */
    r->rx[1] = R;
    r->tx[1] = E;
    r->ring = true;
    r->pop = ISA_POP_ON_ADVANCE;
    r->position = 1;
    *stub_route(&b.s, 1, 0, W, E) = *r;
    b.s.routes[1][0].position = 0;
    stub_route(&b.s, 2, 0, W, R);
    for (uint32_t x = 0; x < 5; x++) stub_tile(&b.s, x, 0, x == 0 ? 0 : x == 4 ? 2 : 1);
    start(&b);
    uint32_t adv2 = first_command(ADV | NOCE) | (ADV | NOCE) << 25 | 1u | 0x9248;
    for (uint32_t x = 0; x < 4; x++) {
        send_many(&b, x, 0, x * 10, 4);
        send_at(&b, x, 0, 0, adv2, true);
    }
    run_quiet(&b);
    const stub_core *c = stub(b.m, 4);
    uint32_t data[16], n = 0;
    for (uint32_t i = 0; i < c->got_count; i++)
        if (!c->got[i].control && n < 16) data[n++] = c->got[i].data;
    assert_int_equal(n, 16);
    for (uint32_t i = 0; i < 16; i++) assert_int_equal(data[i], i / 4 * 10 + i % 4);
    close_bench(&b);
}

static uint32_t arrives_behind(uint8_t mode, uint32_t sent) {
    bench b;
    open_bench(&b, ISA_WSE2, 2, 1);
    isa_route *first = stub_route(&b.s, 0, 0, R, E);
    first->pop = mode;
    first->rx[1] = R; /* a position to advance to: what does not advance is not popped */
    first->tx[1] = E;
    stub_route(&b.s, 1, 0, W, R);
    stub_tile(&b.s, 1, 0, 1);
    start(&b);
    send_at(&b, 0, 0, 0, sent, true);
    run_quiet(&b);
    const stub_core *c = stub(b.m, 1);
    uint32_t data = c->got_count == 1 && c->got[0].control ? c->got[0].data : 0;
    close_bench(&b);
    return data;
}

static void pop_modes_shift_the_commands(void **state) {
    (void)state;
    assert_int_equal(control_popped(0x09df9249), 0x091f9249); /* the published check value */
    /* [command, NOP, NOP+noce ...] becomes [NOP, NOP+noce ...] where it is popped */
    uint32_t rest = 0x001f9249, nop = rest, adv = ADV << 22 | rest, rst = RST << 22 | rest, popped = 0x081f9249;
    assert_int_equal(arrives_behind(ISA_NO_POP, adv), adv);
    assert_int_equal(arrives_behind(ISA_ALWAYS_POP, nop), popped);
    assert_int_equal(arrives_behind(ISA_ALWAYS_POP, rst), popped);
    assert_int_equal(arrives_behind(ISA_POP_ON_ADVANCE, nop), nop);
    assert_int_equal(arrives_behind(ISA_POP_ON_ADVANCE, adv), popped);
    assert_int_equal(arrives_behind(ISA_POP_ON_ADVANCE_NOP, nop), popped);
    assert_int_equal(arrives_behind(ISA_POP_ON_ADVANCE_NOP, rst), rst);
    assert_int_equal(arrives_behind(ISA_ALWAYS_POP, NOCE << 25 | nop),
                     0); /* "not for this core" has come to the front */
}

static void a_send_can_advance_its_own_switch(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    isa_route *r = stub_route(&b.s, 1, 0, R, W);
    r->rx[1] = R;
    r->tx[1] = E;
    stub_route(&b.s, 0, 0, E, R);
    stub_route(&b.s, 2, 0, W, R);
    for (uint32_t x = 0; x < 3; x++) stub_tile(&b.s, x, 0, x);
    start(&b);
    send_many(&b, 1, 0, 0, 10);
    stub(b.m, 1)->sends[4].advance = true; /* behind the fifth */
    run_quiet(&b);
    assert_int_equal(stub(b.m, 0)->got_count, 5);
    assert_int_equal(stub(b.m, 2)->got_count, 5);
    assert_int_equal(stub(b.m, 2)->got[0].data, 5);
    close_bench(&b);
}

/* ---- teardown and configuration ---- */

static void teardown_holds_and_reroutes(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    b.s.program.reroutes = true;
    stub_route(&b.s, 0, 0, R, E);
    stub_route(&b.s, 1, 0, W, R);
    stub_route(&b.s, 2, 0, W, R);
    for (uint32_t x = 0; x < 3; x++) stub_tile(&b.s, x, 0, x);
    start(&b);
    send_many(&b, 0, 0, 0, 3);
    /* noce for PE 0, then for PE 1; PE 0 does not pop, so both are torn down; PE 0 leaves again at 60 */
    send_at(&b, 0, 0, 0, 0x01df0000, true);
    send_many(&b, 0, 0, 10, 3);
    stub_core *c0 = stub(b.m, 0), *c1 = stub(b.m, 1);
    c0->pokes[c0->poke_count++] = (stub_poke){60, ISA_CFG_COLOR + 0, R << 5 | E};
    assert_int_equal(wse_run(b.m, 50, false), WSE_LIMIT);
    assert_int_equal(c0->raised, 1);
    assert_int_equal(c1->raised, 1);
    assert_int_equal(fabric_teardown_pending(b.m, 1), 1);
    assert_int_equal(c1->got_count, 3);
    uint16_t v;
    assert_true(fabric_config_read(b.m, 1, ISA_CFG_COLOR, &v));
    assert_int_equal(v, 1 << 14 | W << 5 | R);
    run_quiet(&b);
    assert_int_equal(c1->got_count, 3); /* now PE 1 holds them */
    assert_true(fabric_config_write(b.m, 1, ISA_CFG_COLOR, W << 5 | E, wse_cycle(b.m)));
    run_quiet(&b);
    assert_int_equal(c1->got_count, 3);
    assert_int_equal(stub(b.m, 2)->got_count, 3);
    assert_int_equal(stub(b.m, 2)->got[2].data, 12);
    assert_int_equal(fabric_teardown_pending(b.m, 1), 0);
    close_bench(&b);
}

static void switch_words_read_back(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 1, 1);
    b.s.program.reroutes = true;
    isa_route *r = stub_route(&b.s, 0, 5, W, E);
    r->rx[1] = R;
    r->tx[1] = E;
    r->rx[2] = R;
    r->tx[2] = N;
    r->ring = true;
    r->position = 1;
    start(&b);
    uint16_t v;
    assert_true(fabric_config_read(b.m, 0, ISA_CFG_SWITCH + 5, &v));
    assert_int_equal(v, (ISA_RAMP | 8) | ISA_NORTH << 4 | 5 << 8 | 1 << 12 | 1 << 13);
    assert_true(fabric_config_write(b.m, 0, ISA_CFG_SWITCH + 5, 0x2000 | 0x0555, 0));
    assert_true(fabric_config_read(b.m, 0, ISA_CFG_SWITCH + 5, &v));
    assert_int_equal(v, 0x2555);
    assert_true(fabric_config_read(b.m, 0, ISA_CFG_IN_STATUS, &v));
    assert_int_equal(v, 0x00ff);
    assert_false(fabric_config_read(b.m, 0, ISA_CFG_MAIN_PRIORITY, &v));
    close_bench(&b);
}

static void a_route_the_layout_did_not_give(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE3, 3, 1);
    b.s.program.reroutes = true;
    start(&b);
    send_at(&b, 0, 50, 3, 77, false); /* queue 3 has color 3 */
    const uint16_t words[3] = {R << 5 | E, W << 5 | E, W << 5 | R};
    for (uint32_t pe = 0; pe < 3; pe++) {
        stub_core *c = stub(b.m, pe);
        c->pokes[c->poke_count++] = (stub_poke){40, ISA_CFG_COLOR + 3, words[pe]};
    }
    run_quiet(&b);
    assert_int_equal(stub(b.m, 1)->got_count, 0);
    assert_int_equal(stub(b.m, 2)->got_count, 1);
    assert_int_equal(stub(b.m, 2)->got[0].data, 77);
    assert_true(fabric_config_write(b.m, 0, ISA_CFG_COLOR + 20, words[0], wse_cycle(b.m)));
    assert_non_null(strstr(wse_fault_text(b.m), "color 20"));
    close_bench(&b);
}

static void wse3_queues_are_bound_again(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE3, 2, 1);
    b.s.program.reroutes = true;
    for (uint32_t c = 4; c < 10; c += 5) {
        stub_route(&b.s, 0, c, R, E);
        stub_route(&b.s, 1, c, W, R);
    }
    stub_tile(&b.s, 1, 0, 1);
    start(&b);
    send_at(&b, 0, 0, 4, 1, false);
    send_at(&b, 0, 50, 4, 2, false); /* queue 4, by then bound to color 9 */
    stub(b.m, 0)->pokes[stub(b.m, 0)->poke_count++] = (stub_poke){40, ISA_CFG_OUT_QUEUE + 4, 9 << 4};
    stub(b.m, 1)->pokes[stub(b.m, 1)->poke_count++] = (stub_poke){40, ISA_CFG_IN_QUEUE + 2, 9 << 4 | 1};
    run_quiet(&b);
    const stub_core *c = stub(b.m, 1);
    assert_int_equal(c->got_count, 2);
    assert_int_equal(c->got[0].port, 4);
    assert_int_equal(c->got[1].port, 2);
    assert_int_equal(c->got[1].color, 9);
    close_bench(&b);
}

/* ---- filters, swap ---- */

static uint32_t filtered(isa_filter k, uint32_t n, uint32_t shift, uint32_t *first) {
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    row_sets(&b, 3);
    stub_route(&b.s, 3, 0, W, E | R)->filter = k;
    stub_tile(&b.s, 1, 0, 3);
    start(&b);
    for (uint32_t i = 0; i < n; i++) send_at(&b, 0, 0, 0, i << shift, false);
    run_quiet(&b);
    assert_int_equal(stub(b.m, 2)->got_count, n); /* what is filtered out still goes on */
    uint32_t got = stub(b.m, 1)->got_count;
    *first = got ? stub(b.m, 1)->got[0].data >> shift : UINT32_MAX;
    if (got > 2) assert_int_equal(stub(b.m, 1)->got[2].data >> shift, k.kind == ISA_FILTER_COUNTER ? 15 : *first + 2);
    close_bench(&b);
    return got;
}

static void filters_choose_for_the_core(void **state) {
    (void)state;
    uint32_t first;
    isa_filter two_of_15 = {.kind = ISA_FILTER_COUNTER, .count_data = true, .init = 0, .limit1 = 14, .max_counter = 1};
    assert_int_equal(filtered(two_of_15, 60, 0, &first), 8);
    assert_int_equal(first, 0);
    isa_filter range = {.kind = ISA_FILTER_RANGE, .min_index = 10, .max_index = 14};
    assert_int_equal(filtered(range, 60, 16, &first), 5);
    assert_int_equal(first, 10);
    /* one of the first 5, then one of every 60: the second limit holds from the first wrap on */
    isa_filter sparse = {
        .kind = ISA_FILTER_SPARSE, .count_data = true, .init = 3, .limit1 = 4, .limit2 = 59, .max_counter = 0};
    assert_int_equal(filtered(sparse, 62, 0, &first), 1);
    assert_int_equal(first, 2);
}

static void colors_swap_at_every_router(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 4, 1);
    for (uint32_t c = 2; c < 4; c++) {
        stub_route(&b.s, 0, c, R, E)->swap_x = true;
        stub_route(&b.s, 1, c, W, E | R)->swap_x = true;
        stub_route(&b.s, 2, c, W, R)->swap_x = true;
    }
    for (uint32_t x = 0; x < 4; x++) stub_tile(&b.s, x, 0, x == 0 ? 0 : x == 3 ? 2 : 1);
    start(&b);
    send_many(&b, 0, 2, 0, 20);
    run_quiet(&b);
    for (uint32_t x = 1; x < 4; x++) {
        assert_int_equal(stub(b.m, x)->got_count, 20);
        assert_int_equal(stub(b.m, x)->got[5].color, x % 2 ? 3 : 2);
    }
    close_bench(&b);
}

/* ---- streams ---- */

static void streams_carry_rectangles(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 4, 3);
    b.s.image.h2d_colors = 1 << 1;
    b.s.image.d2h_colors = 1 << 2;
    b.s.wafer.io_wavelets_per_cycle_row = 250;
    start(&b);
    uint32_t in[2 * 2 * 9], out[12 * 5], want[12 * 5];
    for (uint32_t i = 0; i < 36; i++) in[i] = 1000 + i;
    uint32_t id_in = wse_stream_in(b.m, (wse_rect_stream){1, 1, 2, 2, 9, 1}, in, b.d);
    assert_int_not_equal(id_in, UINT32_MAX);
    for (uint32_t pe = 0; pe < 12; pe++)
        for (uint32_t i = 0; i < 5; i++) {
            send_at(&b, pe, 0, 2, pe * 100 + i, false);
            want[pe * 5 + i] = pe * 100 + i;
        }
    assert_int_equal(wse_run(b.m, 5000, true), WSE_STREAMS);
    assert_true(wse_stream_complete(b.m, id_in));
    run_quiet(&b);
    for (uint32_t i = 0; i < 36; i++) {
        const stub_core *c = stub(b.m, (1 + i / 18) * 4 + 1 + i / 9 % 2);
        assert_int_equal(c->got[i % 9].data, in[i]);
        assert_int_equal(c->got[i % 9].port, 1);
    }
    /* 18 words in a row at one per four cycles */
    assert_in_range(stub(b.m, 6)->got[8].cycle, 4 * 17, 4 * 19 + 10);
    uint64_t before = wse_cycle(b.m);
    uint32_t id_out = wse_stream_out(b.m, (wse_rect_stream){0, 0, 4, 3, 5, 2}, out, b.d);
    assert_int_equal(wse_streams_open(b.m), 1);
    assert_int_equal(wse_run(b.m, 5000, true), WSE_STREAMS);
    assert_true(wse_stream_complete(b.m, id_out));
    assert_in_range(wse_cycle(b.m) - before, 4 * 19, 4 * 20 + 10);
    assert_memory_equal(out, want, sizeof out);
    wse_counters n;
    wse_counters_total(b.m, &n);
    assert_int_equal(n.io_wavelets, 36 + 60);
    close_bench(&b);
}

static void streams_wait_for_slow_cores(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    b.s.image.h2d_colors = 1;
    start(&b);
    stub(b.m, 1)->read_from = 400;
    uint32_t in[3 * 40];
    for (uint32_t i = 0; i < 120; i++) in[i] = i;
    uint32_t id = wse_stream_in(b.m, (wse_rect_stream){0, 0, 3, 1, 40, 0}, in, b.d);
    assert_int_equal(wse_stream_in(b.m, (wse_rect_stream){2, 0, 1, 1, 1, 0}, in, b.d), UINT32_MAX); /* overlaps */
    assert_int_equal(wse_run(b.m, 399, false), WSE_LIMIT);
    assert_int_equal(stub(b.m, 0)->got_count, 40); /* the neighbours are done */
    assert_int_equal(stub(b.m, 2)->got_count, 40);
    assert_false(wse_stream_complete(b.m, id));
    run_quiet(&b);
    assert_true(wse_stream_complete(b.m, id));
    for (uint32_t x = 0; x < 3; x++)
        for (uint32_t i = 0; i < 40; i++) assert_int_equal(stub(b.m, x)->got[i].data, x * 40 + i);
    assert_int_equal(wse_stream_in(b.m, (wse_rect_stream){0, 0, 4, 1, 1, 0}, in, b.d), UINT32_MAX); /* outside */
    assert_int_equal(wse_stream_in(b.m, (wse_rect_stream){0, 0, 1, 1, 1, 7}, in, b.d), UINT32_MAX); /* not a stream */
    close_bench(&b);
}

/* ---- determinism ---- */

enum { FIELD = 17 };

/* Rows stream east and multicast, columns stream south, all PEs read at different times. */
static void field_sets(bench *b) {
    for (uint32_t c = 0; c < 2; c++) {
        stub_route(&b->s, 0, c, R, E);
        stub_route(&b->s, 1, c, W, E | R);
        stub_route(&b->s, 2, c, W, R);
    }
    for (uint32_t x = 0; x < FIELD; x++)
        for (uint32_t y = 0; y < FIELD; y++) {
            uint32_t row = x == 0 ? 0 : x + 1 == FIELD ? 2 : 1, col = y == 0 ? 0 : y + 1 == FIELD ? 2 : 1;
            stub_tile(&b->s, x, y, row + 3 * col);
        }
    for (uint32_t set = 3; set < 9; set++)
        for (uint32_t c = 0; c < 2; c++) *stub_route(&b->s, set, c, 0, 0) = b->s.routes[set % 3][c];
    for (uint32_t set = 0; set < 9; set++) {
        uint32_t col = set / 3;
        for (uint32_t c = 2; c < 5; c++)
            stub_route(&b->s, set, c, col == 0 ? R : N, col == 0 ? S : col == 1 ? (c == 3 ? S | R : S) : R);
    }
}

static uint64_t field_hash(uint32_t threads, bool shuffle, uint64_t until, uint64_t *cycle, isa_arch arch) {
    bench b;
    open_bench(&b, arch, FIELD, FIELD);
    field_sets(&b);
    start_with(&b, (wse_options){.threads = threads, .shuffle = shuffle});
    for (uint32_t pe = 0; pe < FIELD * FIELD; pe++) {
        uint32_t x = pe % FIELD, y = pe / FIELD;
        stub(b.m, pe)->read_from = (pe * 7919u) % 97;
        stub(b.m, pe)->per_cycle = 3;
        for (uint32_t i = 0; i < 40; i++) {
            if (x == 0) send_at(&b, pe, i % 3 * 5, i % 2, pe * 1000 + i, false);
            if (y == 0) send_at(&b, pe, i % 5, 2 + i % 3, pe * 1000 + i, false);
        }
    }
    wse_stop why = wse_run(b.m, until, false);
    assert_true(why == (until == WSE_FOREVER ? WSE_QUIET : WSE_LIMIT));
    uint64_t h = wse_state_hash(b.m);
    *cycle = wse_cycle(b.m);
    if (why == WSE_QUIET)
        for (uint32_t y = 0; y < FIELD; y++) assert_true(stub(b.m, y * FIELD + FIELD - 1)->got_count >= 40);
    close_bench(&b);
    return h;
}

static void same_state_for_threads_and_order(void **state) {
    (void)state;
    static const uint64_t until[] = {30, 61, 122, WSE_FOREVER};
    for (size_t i = 0; i < 8; i++) {
        isa_arch arch = i < 4 ? ISA_WSE2 : ISA_WSE3;
        uint64_t cycle, other, h = field_hash(1, false, until[i % 4], &cycle, arch);
        for (uint32_t threads = 1; threads <= 3; threads++)
            for (int shuffle = 0; shuffle < 2; shuffle++) {
                assert_true(field_hash(threads, shuffle, until[i % 4], &other, arch) == h);
                assert_true(cycle == other);
            }
    }
}

/* ---- faults ---- */

static void expect_fault(bench *b, const char *text) {
    assert_int_equal(wse_run(b->m, 1000, false), WSE_FAULT);
    if (!strstr(wse_fault_text(b->m), text)) fail_msg("got: %s", wse_fault_text(b->m));
    assert_int_equal(wse_run(b->m, 1000, false), WSE_FAULT); /* it stays */
    close_bench(b);
}

static void faults_name_the_place(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 2, 1);
    stub_route(&b.s, 0, 0, R, E);
    stub_tile(&b.s, 1, 0, 1);
    start(&b);
    send_at(&b, 0, 0, 0, 1, false);
    expect_fault(&b, "PE(0,0) cycle 2, a wavelet of color 0 goes EAST to PE(1,0), whose router has no route");

    open_bench(&b, ISA_WSE2, 2, 1);
    stub_route(&b.s, 0, 0, R, N);
    start(&b);
    send_at(&b, 0, 5, 0, 1, false);
    send_at(&b, 1, 5, 0, 1, false);
    expect_fault(&b, "PE(0,0) cycle 7, a wavelet of color 0 leaves the fabric to the NORTH");

    open_bench(&b, ISA_WSE3, 2, 1);
    b.s.program.queues.in_color[4] = -1;
    stub_route(&b.s, 0, 4, R, E);
    stub_route(&b.s, 1, 4, W, R);
    stub_tile(&b.s, 1, 0, 1);
    start(&b);
    send_at(&b, 0, 0, 4, 1, false);
    expect_fault(&b, "PE(1,0) cycle 4, a wavelet of color 4 is for the core, but no input queue is bound");

    open_bench(&b, ISA_WSE2, 1, 1);
    start(&b);
    send_at(&b, 0, 0, 3, 1, false);
    expect_fault(&b, "color 3 is sent from the core (RAMP), but the router has no route");

    open_bench(&b, ISA_WSE2, 1, 1);
    stub_route(&b.s, 0, 3, R, R);
    start(&b);
    stub(b.m, 0)->pokes[stub(b.m, 0)->poke_count++] = (stub_poke){3, ISA_CFG_COLOR + 3, R << 5};
    expect_fault(&b, "the route of color 3 is rewritten");

    open_bench(&b, ISA_WSE3, 1, 1);
    b.s.wafer.arch = ISA_WSE2;
    assert_null(wse_new(&b.s.wafer, &b.s.image, NULL, b.d));
    assert_non_null(strstr(diag_text(b.d), "compiled for WSE-3"));
    close_bench(&b);
}

/* Long sleeps, and cycles in which nothing happens. */
static void far_wakes_come_in_time(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE2, 3, 1);
    row_sets(&b, 3);
    start(&b);
    send_at(&b, 0, 123456, 0, 1, false);
    send_at(&b, 0, 5000000000, 0, 2, false);
    assert_int_equal(wse_run(b.m, 1000, false), WSE_LIMIT);
    assert_int_equal(wse_cycle(b.m), 1000);
    assert_int_equal(wse_run(b.m, WSE_FOREVER, false), WSE_QUIET);
    const stub_core *c = stub(b.m, 2);
    assert_int_equal(c->got_count, 2);
    assert_true(c->got[0].cycle == 123456 + 6 && c->got[1].cycle == 5000000000 + 6);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latency_is_two_ramps_and_the_hops),
        cmocka_unit_test(turn_costs_extra),
        cmocka_unit_test(a_link_takes_one_wavelet_a_cycle),
        cmocka_unit_test(a_slow_link_takes_eight_in_nine_cycles),
        cmocka_unit_test(backpressure_loses_nothing),
        cmocka_unit_test(blocked_wavelets_are_quiet),
        cmocka_unit_test(a_circle_of_waits_is_named),
        cmocka_unit_test(multicast_goes_to_all),
        cmocka_unit_test(colors_share_a_link_in_turns),
        cmocka_unit_test(two_inputs_of_one_color),
        cmocka_unit_test(demux_advances_one_pe_at_a_time),
        cmocka_unit_test(row_reduce_passes_the_turn_on),
        cmocka_unit_test(pop_modes_shift_the_commands),
        cmocka_unit_test(a_send_can_advance_its_own_switch),
        cmocka_unit_test(teardown_holds_and_reroutes),
        cmocka_unit_test(switch_words_read_back),
        cmocka_unit_test(a_route_the_layout_did_not_give),
        cmocka_unit_test(wse3_queues_are_bound_again),
        cmocka_unit_test(filters_choose_for_the_core),
        cmocka_unit_test(colors_swap_at_every_router),
        cmocka_unit_test(streams_carry_rectangles),
        cmocka_unit_test(streams_wait_for_slow_cores),
        cmocka_unit_test(same_state_for_threads_and_order),
        cmocka_unit_test(faults_name_the_place),
        cmocka_unit_test(far_wakes_come_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
