/* Links that are longer than a hop: later, but as many wavelets per cycle and the same data; with backpressure, threads
 * and any order of visits too. Cores are those of tests/wse_stub.h. */
#include "tests/wse_stub.h"
#include "wse/fabric_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { W = 1, E = 2, S = 4, N = 8, R = 16, HEIGHT = 4, COUNT = 200 };

typedef struct {
    stub_image s;
    wse *m;
    diag *d;
    uint16_t extra[HEIGHT * 4];
} bench;

/* A column of four: the first sends south, the last reads. */
static void open_bench(bench *b, isa_arch arch) {
    memset(b, 0, sizeof *b);
    assert_true(stub_image_new(&b->s, arch, 1, HEIGHT));
    assert_non_null(b->d = diag_new());
    stub_route(&b->s, 0, 0, R, S);
    stub_route(&b->s, 1, 0, N, S);
    stub_route(&b->s, 2, 0, N, R);
    for (uint32_t y = 0; y < HEIGHT; y++) stub_tile(&b->s, 0, y, y == 0 ? 0 : y + 1 == HEIGHT ? 2 : 1);
}

static void start(bench *b, wse_options o, bool longer) {
    if (longer) o.extra_hop_cycles = b->extra;
    b->m = wse_new(&b->s.wafer, &b->s.image, &o, b->d);
    if (!b->m) fail_msg("%s", diag_text(b->d));
    for (uint32_t i = 0; i < COUNT; i++) {
        stub_core *c = stub(b->m, 0);
        c->sends[c->send_count++] = (stub_send){.data = 100 + i};
    }
}

static void close_bench(bench *b) {
    wse_free(b->m);
    mem_free(b->s.tiles);
    diag_free(b->d);
}

static void lengthen(bench *b, uint32_t pe, uint16_t cycles) {
    b->extra[4 * pe + ISA_SOUTH] = b->extra[4 * (pe + 1) + ISA_NORTH] = cycles;
}

static void run(bench *b) {
    if (wse_run(b->m, 1000000, false) != WSE_QUIET) fail_msg("%s", wse_fault_text(b->m));
    const stub_core *c = stub(b->m, HEIGHT - 1);
    assert_int_equal(c->got_count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(c->got[i].data, 100 + i);
}

/* Lengths beyond the slots of the wheel (256) too. */
static void a_longer_link_is_later_and_as_fast(void **state) {
    (void)state;
    const uint16_t lengths[] = {1, 2, 7, 40, 255, 300};
    for (int arch = ISA_WSE2; arch <= ISA_WSE3; arch++)
        for (uint32_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            bench b, plain;
            open_bench(&plain, (isa_arch)arch);
            start(&plain, (wse_options){.threads = 1}, false);
            run(&plain);
            open_bench(&b, (isa_arch)arch);
            lengthen(&b, 1, lengths[k]);
            start(&b, (wse_options){.threads = 1}, true);
            run(&b);
            for (uint32_t i = 0; i < COUNT; i++)
                assert_int_equal(stub(b.m, HEIGHT - 1)->got[i].cycle,
                                 stub(plain.m, HEIGHT - 1)->got[i].cycle + lengths[k]);
            close_bench(&b);
            close_bench(&plain);
        }
}

/* A reader that begins late: all buffers are full, nothing is lost, and then all flows at full rate. */
static void backpressure_works_over_longer_links(void **state) {
    (void)state;
    bench b;
    open_bench(&b, ISA_WSE3);
    lengthen(&b, 0, 5);
    lengthen(&b, 2, 11);
    start(&b, (wse_options){.threads = 1}, true);
    stub(b.m, HEIGHT - 1)->read_from = 400;
    run(&b);
    const stub_core *c = stub(b.m, HEIGHT - 1);
    assert_int_equal(c->got[0].cycle, 400);
    close_bench(&b);
}

static void neither_threads_nor_order_change_anything(void **state) {
    (void)state;
    uint64_t hash = 0;
    for (uint32_t k = 0; k < 4; k++) {
        bench b;
        open_bench(&b, ISA_WSE2);
        lengthen(&b, 0, 3);
        lengthen(&b, 1, 9);
        start(&b, (wse_options){.threads = k & 1 ? 3 : 1, .shuffle = k & 2}, true);
        stub(b.m, HEIGHT - 1)->read_from = 60;
        run(&b);
        if (!k) hash = wse_state_hash(b.m);
        assert_int_equal(wse_state_hash(b.m), hash);
        close_bench(&b);
    }
}

static void no_extra_is_no_change(void **state) {
    (void)state;
    bench a, b;
    open_bench(&a, ISA_WSE3);
    open_bench(&b, ISA_WSE3);
    start(&a, (wse_options){.threads = 1}, false);
    start(&b, (wse_options){.threads = 1}, true); /* all zero */
    run(&a);
    run(&b);
    assert_int_equal(wse_state_hash(a.m), wse_state_hash(b.m));
    assert_null(b.m->fabric->extra);
    close_bench(&a);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_longer_link_is_later_and_as_fast),
        cmocka_unit_test(backpressure_works_over_longer_links),
        cmocka_unit_test(neither_threads_nor_order_change_anything),
        cmocka_unit_test(no_extra_is_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
