/* What isa_check_routes says of a program with one mistake each, and that it says nothing of programs without. */
#include "csl/csl.h"
#include "isa/routes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void compile(const char *path, int arch, int mistake, bool memcpy_on, strbuf *said) {
    char machine[64];
    isa_wafer wafer;
    diag *d = diag_new();
    snprintf(machine, sizeof machine, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(&wafer, machine, "vendor-sim", d)) fail_msg("%s", diag_text(d));
    csl_param params[] = {{"mistake", mistake}};
    csl_options o = {
        .arch = wafer.arch, .wafer = &wafer, .library = "lib", .params = params, .param_count = mistake >= 0};
    if (memcpy_on)
        o.memcpy = true, o.channels = 1, o.fabric_width = 11, o.fabric_height = 5, o.offset_x = 4, o.offset_y = 1;
    isa_image *m = csl_compile(path, &o, d);
    if (!m) fail_msg("%s", diag_text(d));
    diag_clear(d);
    isa_check_routes(m, d);
    strbuf_clear(said);
    strbuf_adds(said, diag_text(d));
    strbuf_addc(said, '\n');
    isa_image_free(m);
    diag_free(d);
}

static const struct {
    int mistake, arch; /* 0: both */
    const char *says;  /* NULL: nothing */
} rows[] = {
    {0, 0, NULL},
    {1, 0, "color 5, which PE(0,0) sends (tests/routes/pe.csl:18), has no route from its core"},
    {2, 0, "leaves the rectangle: PE(2,0) passes it on to the EAST"},
    {3, 0, "is lost: PE(1,0) has no route for it from the WEST"},
    {4, 2, "goes around in a circle"},
    {5, 0, "goes to the core of PE(2,0), whose program neither reads it"},
    {6, 2, "color 5 comes to PE(1,0) from several sides, WEST and others"},
    {7, 0, NULL},
    {8, 0, NULL},
};

static int lines_of(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n' && text[1] && text[1] != '\n';
    return n + 1;
}

static void one_mistake_one_warning(void **unused) {
    (void)unused;
    strbuf said = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int arch = 2; arch <= 3; arch++) {
            if (rows[i].arch && rows[i].arch != arch) continue;
            compile("tests/routes/layout.csl", arch, rows[i].mistake, true, &said);
            bool right =
                rows[i].says ? strstr(said.data, rows[i].says) && lines_of(said.data) == 1 : !strcmp(said.data, "\n");
            if (!right) fail_msg("mistake %d on WSE-%d: %s", rows[i].mistake, arch, said.data);
        }
    strbuf_free(&said);
}

static void silent_on_others(void **unused) {
    (void)unused;
    static const char *const paths[] = {"tests/csl/fabric_pair.csl", "tests/csl/queue_color.csl"};
    strbuf said = {0};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (int arch = 2; arch <= 3; arch++) {
            compile(paths[i], arch, -1, false, &said);
            assert_string_equal(said.data, "\n");
        }
    strbuf_free(&said);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mistake_one_warning),
        cmocka_unit_test(silent_on_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
