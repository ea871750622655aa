/* Do whole programs take the cycles that the published models say? docs/validation.md has the comparison with
 * measurements; here are the mechanisms, one by one. */
#include "base/mem.h"
#include "csl/csl.h"
#include "wse/wse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t cycles(const char *path, int arch, uint32_t width, uint32_t length) {
    isa_wafer wafer;
    diag *d = diag_new();
    char machine[64];
    snprintf(machine, sizeof machine, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(&wafer, machine, "vendor-sim", d)) fail_msg("%s", diag_text(d));
    const csl_param params[] = {{"width", width}, {"height", 1}, {"length", length}};
    csl_options o = {.arch = wafer.arch, .wafer = &wafer, .library = "lib", .params = params, .param_count = 3};
    isa_image *image = csl_compile(path, &o, d);
    if (!image) fail_msg("%s", diag_text(d));
    wse *m = wse_new(&wafer, image, &(wse_options){.threads = 1}, d);
    if (!m) fail_msg("%s", diag_text(d));
    assert_int_equal(wse_run(m, 1000000, false), WSE_QUIET);
    uint64_t n = wse_cycle(m);
    wse_free(m);
    isa_image_free(image);
    diag_free(d);
    return n;
}

/* The reduce paper: a stage of a chain takes 2 T_R + 2 cycles on WSE-2 (two crossings of the ramp of 2, one hop, one in
 * the core); WSE-3 has hops of 2. A word more takes one cycle more, on queues of any depth. */
static void chain_stage(void **state) {
    (void)state;
    for (int arch = 2; arch <= 3; arch++) {
        const char *path = "tests/csl_bench/chain.csl";
        uint64_t base = cycles(path, arch, 12, 64);
        assert_int_equal(cycles(path, arch, 20, 64) - base, 8 * (2 * 2 + arch));
        assert_int_equal(cycles(path, arch, 12, 164) - base, 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(chain_stage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
