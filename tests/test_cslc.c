/* Does the compiler's command line take what the public examples write, in every form, and name what is wrong? */
#include "api/api.h"
#include "api/layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
    api_cslc c;
} bench;

static int set_up(void **state) {
    static bench b;
    b = (bench){.a = arena_new(0), .d = diag_new()};
    *state = &b;
    unsetenv("CSL_IMPORT_PATH");
    return !b.a || !b.d;
}

static int tear_down(void **state) {
    bench *b = *state;
    arena_free(b->a);
    diag_free(b->d);
    return 0;
}

/* Words of a command line, cut at spaces. */
static bool parse(bench *b, const char *line) {
    const char *argv[32];
    int argc = 0;
    char *rest = arena_strdup(b->a, line);
    diag_clear(b->d);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word) argv[argc++] = word;
    return api_cslc_parse(&b->c, b->a, argc, argv, b->d);
}

static void refuses(bench *b, const char *line, const char *what) {
    assert_false(parse(b, line));
    if (!strstr(diag_text(b->d), what)) fail_msg("no '%s' in: %s", what, diag_text(b->d));
}

static void both_forms_anywhere(void **state) {
    bench *b = *state;
    static const char *const lines[] = {"layout.csl --arch=wse3 --fabric-dims=11,5 --fabric-offsets=4,1 "
                                        "--params=M:4,N:6 --params=W:-1 -o out --memcpy --channels=2",
                                        "--arch wse3 --fabric-dims 11,5 layout.csl --fabric-offsets 4,1 --params "
                                        "M:4,N:6,W:-1 -o=out --memcpy --channels 2",
                                        "--memcpy -o out --params=M:9 --params=M:4,N:6,W:-1 --channels=2 "
                                        "--fabric-offsets=4,1 --arch=wse3 --fabric-dims=11,5 layout.csl"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!parse(b, lines[i])) fail_msg("%s: %s", lines[i], diag_text(b->d));
        const csl_options *o = &b->c.csl;
        assert_string_equal(b->c.input, "layout.csl");
        assert_string_equal(b->c.output, "out");
        assert_int_equal(o->arch, ISA_WSE3);
        assert_int_equal(o->fabric_width, 11);
        assert_int_equal(o->offset_x, 4);
        assert_int_equal(o->offset_y, 1);
        assert_int_equal(o->channels, 2);
        assert_true(o->memcpy);
        assert_int_equal(o->param_count, 3);
        assert_string_equal(o->params[0].name, "M");
        assert_int_equal(o->params[0].value, 4);
        assert_int_equal(o->params[2].value, -1);
    }
}

static void defaults_and_lists(void **state) {
    bench *b = *state;
    setenv("CSL_IMPORT_PATH", "one::two", 1);
    assert_true(parse(
        b,
        "a.csl --import-path=zero --colors=c:3,d:0x4 --width-west-buf=1 --max-inlined-iterations=1000000 --driver=cslc "
        "--fp16-format bf16 --verbose --dump=ir,code --single-pe"));
    assert_int_equal(b->c.csl.arch, ISA_WSE2);
    assert_string_equal(b->c.output, "out");
    assert_int_equal(b->c.csl.import_path_count, 3);
    assert_string_equal(b->c.csl.import_paths[0], "zero");
    assert_string_equal(b->c.csl.import_paths[2], "two");
    assert_int_equal(b->c.csl.colors[1].value, 4);
    assert_int_equal(b->c.csl.west_buffer, 1);
    assert_int_equal(b->c.csl.max_inlined_iterations, 1000000);
    assert_int_equal(b->c.csl.fp16, ISA_BF16);
    assert_int_equal(b->c.dump, API_DUMP_IR | API_DUMP_CODE);
    assert_true(parse(b, "-h"));
    assert_true(b->c.help);
}

static void mistakes_are_named(void **state) {
    bench *b = *state;
    refuses(b, "a.csl --fabric-dim=3,4", "unknown option '--fabric-dim'; 'cslc -h' lists");
    refuses(b, "a.csl b.csl", "two layouts, 'a.csl' and 'b.csl'");
    refuses(b, "--arch=wse3", "no layout to compile");
    refuses(b, "a.csl --arch=wse4", "'wse4' is not one of wse2, wse3");
    refuses(b, "a.csl --fabric-dims=3", "'3' is not two numbers");
    refuses(b, "a.csl --fabric-dims=3,x", "'3,x' is not two numbers");
    refuses(b, "a.csl --fabric-dims=-3,4", "is not two numbers");
    refuses(b, "a.csl --params=M4", "'M4' is not NAME:VALUE");
    refuses(b, "a.csl --params=M:4x", "'4x' is not a number");
    refuses(b, "a.csl --memcpy --fabric-offsets=4,1", "--memcpy needs --channels=1");
    refuses(b, "a.csl --memcpy --channels=17", "not a number from 1 to 16");
    refuses(b, "a.csl --memcpy --channels=1 --fabric-offsets=3,1", "pass --fabric-offsets=4,1");
    refuses(b, "a.csl --memcpy=1", "--memcpy takes no value");
    refuses(b, "a.csl -o", "-o needs a value");
    refuses(b, "a.csl --dump=asm", "'asm' is not one of ast, ir, code");
    refuses(b, "a.csl --fp16-format=cb16", "cb16 is not supported");
}

static void layouts_are_not_believed(void **state) {
    bench *b = *state;
    api_layout l;
    assert_true(api_layout_parse(
        &l, b->a,
        STR("{\"ports\": [{\"name\": \"p\", \"x\": 1, \"y\": 2, \"color\": 3, \"input\": true, \"elements\": 4}], "
            "\"data\": [{\"x\": 0, \"y\": 0, \"symbol\": \"A\", \"words\": [1, 65535]}]}"),
        "l", b->d));
    assert_int_equal(l.ports[0].color, 3);
    assert_int_equal(l.data[0].words[1], 65535);
    static const char *const bad[] = {
        "",
        "{",
        "{\"ports\": [1]}",
        "{\"ports\": [{\"name\": \"p\"}]}",
        "{\"ports\": [{\"name\": \"p\", \"x\": 1, \"y\": -2, \"color\": 3, \"elements\": 4}]}",
        "{\"ports\": [{\"name\": \"p\", \"x\": 1, \"y\": 2, \"color\": 24, \"elements\": 4}]}",
        "{\"data\": [{}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        diag_clear(b->d);
        assert_false(api_layout_parse(&l, b->a, str_from(bad[i]), "l", b->d));
        assert_true(diag_error_count(b->d) > 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {TEST(both_forms_anywhere), TEST(defaults_and_lists), TEST(mistakes_are_named),
                                       TEST(layouts_are_not_believed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
