/* Reads of words that nothing has written and races inside a PE: each mistake is told once, a program without them is
 * not accused, and looking changes nothing. */
#include "csl/csl.h"
#include "wse/wse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 5000, GIVEN = 16 };

typedef struct {
    isa_wafer wafer;
    isa_image *image;
    wse *m;
    diag *d;
} bench;

static const isa_symbol *symbol(const isa_program *p, const char *name, isa_symbol_kind kind) {
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == kind && !strcmp(p->symbols[i].name, name) &&
            (kind == ISA_SYM_DATA || p->symbols[i].exported))
            return &p->symbols[i];
    fail_msg("no symbol %s", name);
    return NULL;
}

/* The host writes `given` and launches `go`. */
static void run(bench *b, int arch, int mistake, bool check, bool give) {
    char machine[64];
    b->d = diag_new();
    snprintf(machine, sizeof machine, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(&b->wafer, machine, "vendor-sim", b->d)) fail_msg("%s", diag_text(b->d));
    csl_param params[] = {{"mistake", mistake}};
    csl_options o = {.arch = b->wafer.arch,
                     .wafer = &b->wafer,
                     .library = "lib",
                     .params = params,
                     .param_count = 1,
                     .memcpy = true,
                     .channels = 1,
                     .fabric_width = 9,
                     .fabric_height = 3,
                     .offset_x = 4,
                     .offset_y = 1};
    if (!(b->image = csl_compile("tests/checks/layout.csl", &o, b->d))) fail_msg("%s", diag_text(b->d));
    b->m = wse_new(&b->wafer, b->image, &(wse_options){.check = check}, b->d);
    assert_non_null(b->m);
    for (uint32_t pe = 0; pe < 2; pe++) {
        const isa_program *p = &b->image->programs[b->image->tiles[pe].program];
        if (give) wse_wrote(b->m, pe, symbol(p, "given", ISA_SYM_DATA)->word, GIVEN);
        wse_launch(b->m, pe, symbol(p, "go", ISA_SYM_FUNCTION)->entry, NULL, 0, 1 + pe);
    }
    if (wse_run(b->m, MANY, false) != WSE_QUIET) fail_msg("%s", wse_fault_text(b->m));
}

static void end(bench *b) {
    wse_free(b->m);
    isa_image_free(b->image);
    diag_free(b->d);
}

static const struct {
    int mistake;
    const char *says[2];
} rows[] = {
    {0, {NULL, NULL}},
    {1, {"reads 'never' (element 0), which nothing has written; PE(0,0)", NULL}},
    {2, {"reads 'single', which nothing has written; PE(0,0)", NULL}},
    {3, {"reads 'pairs' (element 0), which nothing has written; PE(0,0)", NULL}},
    {4, {"writes 'pairs' (element 15) while fmovs of ", "microthread 2, still reads it; PE(0,0)"}},
    {5, {"reads 'known' (element 0) while fadds of ", "still writes it; PE(1,0)"}},
    {6, {"writes 'pairs' (element ", "still writes it; PE(1,0)"}},
    {7, {"reads 'pairs' (element 10) while fmovs of ", "still writes it; PE(1,0)"}},
};

static void each_mistake_once(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int arch = 2; arch <= 3; arch++) {
            bench b;
            strbuf said = {0};
            run(&b, arch, rows[i].mistake, true, true);
            wse_explain_checks(b.m, &said);
            const char *text = said.len ? said.data : "";
            bool right = !rows[i].says[0] == !*text;
            for (int k = 0; k < 2 && rows[i].says[k]; k++) right = right && strstr(text, rows[i].says[k]);
            if (*text && strchr(text, '\n')[1]) right = false; /* one line */
            if (!right) fail_msg("mistake %d on WSE-%d: %s", rows[i].mistake, arch, text);
            strbuf_free(&said);
            end(&b);
        }
}

static void what_the_host_did_not_write(void **unused) {
    (void)unused;
    bench b;
    strbuf said = {0};
    run(&b, 3, 0, true, false);
    wse_explain_checks(b.m, &said);
    assert_non_null(said.data);
    assert_non_null(strstr(said.data, "reads 'given' (element 0), which nothing has written"));
    strbuf_free(&said);
    end(&b);
}

static void looking_changes_nothing(void **unused) {
    (void)unused;
    for (int mistake = 0; mistake < 8; mistake++) {
        bench a, b;
        run(&a, 2 + mistake % 2, mistake, false, true);
        run(&b, 2 + mistake % 2, mistake, true, true);
        assert_int_equal(wse_cycle(a.m), wse_cycle(b.m));
        assert_int_equal(wse_state_hash(a.m), wse_state_hash(b.m));
        end(&a);
        end(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_once),
        cmocka_unit_test(what_the_host_did_not_write),
        cmocka_unit_test(looking_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
