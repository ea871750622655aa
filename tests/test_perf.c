/* Machine files: are wrong files refused with the right words, and are the numbers those of the sources? */
#include "base/units.h"
#include "perf/measure.h"
#include "tests/perf_help.h"
#include <jansson.h>

/* ---- machine files ---- */

static void shipped_machines(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"cs3", "cs2", "dgx-b200", "b200", "dgx-h100"};
    for (size_t i = 0; i < 5; i++) {
        perf_machine m = machine(f, names[i]);
        assert_string_equal(m.name, names[i]);
        const perf_row *row;
        for (size_t k = 0; (row = perf_machine_row(k)); k++) {
            const perf_value *v = (const perf_value *)((const char *)&m + row->value_offset);
            if (v->given) assert_true(*v->source);
            if (row->need & (1u << m.class)) assert_true(v->given);
        }
    }
    perf_machine cs3 = machine(f, "cs3");
    assert_true(cs3.io_bw_bytes_per_s.value == 150e9 && cs3.mem_bytes.value == 44e9);
    near(cs3.allreduce_latency_s.value, 0, 0); /* not given */
    near(machine(f, "dgx-b200").allreduce_latency_s.value, 5.93e-6, 1e-12);
    assert_int_equal(cs3.mem_bw_bytes_per_s.kind, FACT_SPEC);
    assert_int_equal(cs3.crossing_latency_s.kind, FACT_CLAIM);
}

/* The published quotients of memory rates: one B200, the box of eight, and per watt. */
static void known_ratios(void **state) {
    fixture *f = *state;
    perf_machine cs3 = machine(f, "cs3"), b200 = machine(f, "b200"), dgx = machine(f, "dgx-b200");
    double wafer = cs3.mem_bw_bytes_per_s.value, gpu = b200.mem_bw_bytes_per_s.value;
    near(wafer / gpu, 2625, 1e-12);
    near(wafer / (dgx.mem_bw_bytes_per_s.value * dgx.accelerators.value), 328, 1e-3);
    near(wafer / cs3.power_watts.value / (gpu / b200.power_watts.value), 114, 2e-3);
}

static void cases_take_the_ends(void **state) {
    perf_machine m = machine(*state, "cs3");
    perf_numbers slow = perf_machine_numbers(&m, PERF_SLOW), mid = perf_machine_numbers(&m, PERF_NOMINAL),
                 fast = perf_machine_numbers(&m, PERF_FAST);
    assert_true(slow.clock_hz == 0.75e9 && mid.clock_hz == 0.875e9 && fast.clock_hz == 1.1e9);
    assert_true(slow.hop_cycles == 3.3 && mid.hop_cycles == 2 && fast.hop_cycles == 1); /* less is faster */
    assert_true(slow.mem_bytes == 44e9);                                                /* neither: always as stated */
    assert_true(mid.link_bw_bytes_per_s == 0);                                          /* not given */
}

#define REST "\"kind\": \"spec\", \"source\": \"s\"}"

/* A complete GPU file, with one entry as the test wants it. */
static str file_with(strbuf *b, const char *name, const char *entry) {
    strbuf_clear(b);
    strbuf_adds(
        b, "{\"name\": \"t\", \"title\": \"T\", \"class\": \"gpu\", \"weights_format\": \"as_stored\", \"values\": {");
    const perf_row *row;
    const char *comma = "\n";
    for (size_t i = 0; (row = perf_machine_row(i)); i++) {
        if (!(row->need & NEED_GPU)) continue;
        bool chosen = !strcmp(row->name, name);
        if (chosen && !entry) continue;
        const char *number =
            row->dimension == DIM_SHARE || row->dimension == DIM_COUNT || row->dimension == DIM_SECONDS ? "1" : "1e9";
        strbuf_addf(b, "%s\"%s\": ", comma, row->name);
        if (chosen) strbuf_adds(b, entry);
        else strbuf_addf(b, "{\"value\": %s, \"unit\": \"%s\", " REST, number, perf_dimension_unit(row->dimension));
        comma = ",\n";
    }
    strbuf_adds(b, "}}");
    assert_false(b->oom);
    return strbuf_str(b);
}

static void wrong_files(void **state) {
    fixture *f = *state;
    static const struct {
        const char *name, *entry, *message;
    } rows[] = {
        {"power_watts", "{\"value\": NaN, \"unit\": \"W\", " REST, "NaN"},
        {"power_watts", "{\"value\": 1e999, \"unit\": \"W\", " REST, "real number overflow"},
        {"power_watts", "{\"value\": -3, \"unit\": \"W\", " REST, "value -3 W is outside"},
        {"power_watts", "{\"value\": 0, \"unit\": \"W\", " REST, "value 0 W is outside"},
        {"power_watts", "{\"value\": \"9\", \"unit\": \"W\", " REST, "'value' must be a number"},
        {"power_watts", "{\"unit\": \"W\", " REST, "'value' is missing: add it"},
        {"power_watts", "{\"value\": 9, \"unit\": \"hp\", " REST, "unit 'hp' is not known here; use W, kW"},
        {"power_watts", "{\"value\": 9, \"unit\": \"GB\", " REST, "unit 'GB' is not known here"},
        {"power_watts", "{\"value\": 9, " REST, "unit '(none)'"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"guess\", \"source\": \"s\"}",
         "'kind' must be one of: spec, measured"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\"}", "'source' is missing: add it"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"\"}",
         "'source' must be a non-empty string"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"s\", \"lo\": 1}",
         "unknown member 'lo'"},
        {"power_watts", "{\"value\": 9, \"low\": 10, \"unit\": \"W\", " REST, "low <= value <= high"},
        {"power_watts", "{\"value\": 9, \"high\": null, \"unit\": \"W\", " REST, "'high' must be a number"},
        {"power_watts", "{\"value\": 9, \"value\": 9, \"unit\": \"W\", " REST, "duplicate object key"},
        {"power_watts", "7", "must be an object with value, unit, kind and source"},
        {"power_watts", NULL, "'power_watts' (most that one system draws) is missing: a gpu needs it"},
        {"memory_efficiency", "{\"value\": 1.5, \"unit\": \"1\", " REST, "outside 0.0001 .. 1"},
        {"accelerators", "{\"value\": 2.5, \"unit\": \"1\", " REST, "must be whole"},
        {"accelerators", "{\"value\": 1e6, \"unit\": \"1\", " REST, "is outside 1 .. 65536"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\", \"kind\": \"spec\", \"source\": \"s\"}, \"power_wats\": {}",
         "no such value"},
        {"power_watts", "{\"value\": 9, \"unit\": \"W\"", "t.json:"},
    };
    strbuf b = {0};
    perf_machine m;
    assert_true(perf_machine_parse(&m, f->a, "t.json", file_with(&b, "", NULL), f->d));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        diag_clear(f->d);
        if (perf_machine_parse(&m, f->a, "t.json", file_with(&b, rows[i].name, rows[i].entry), f->d))
            fail_msg("row %zu is accepted", i);
        const char *text = diag_text(f->d);
        if (!strstr(text, rows[i].message) || !strstr(text, "t.json:"))
            fail_msg("row %zu: no '%s' in: %s", i, rows[i].message, text);
    }
    strbuf_free(&b);
}

static void wrong_texts(void **state) {
    fixture *f = *state;
    static const char *const texts[] = {"",
                                        " ",
                                        "[]",
                                        "7",
                                        "{",
                                        "{}",
                                        "nonsense",
                                        "{\"class\": 3}",
                                        "{\"values\": []}",
                                        "\"\xff\"",
                                        "{\"name\": \"a\\u0000b\"}"};
    perf_machine m;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        diag_clear(f->d);
        assert_false(perf_machine_parse(&m, f->a, "t.json", str_from(texts[i]), f->d));
        assert_true(diag_error_count(f->d) > 0);
    }
    /* the message points at the line of the value */
    diag_clear(f->d);
    assert_false(perf_machine_parse(&m, f->a, "t.json", STR("{\n\"values\": {\n \"clock_hz\": 3}}"), f->d));
    assert_non_null(strstr(diag_text(f->d), "t.json:3:2: error: 'clock_hz': must be an object"));
}

static void every_prefix_is_refused(void **state) {
    fixture *f = *state;
    strbuf b = {0};
    str whole = file_with(&b, "", NULL);
    for (size_t n = 0; n < whole.n; n++) {
        perf_machine m;
        diag_clear(f->d);
        assert_false(perf_machine_parse(&m, f->a, "t.json", (str){whole.p, n}, f->d));
    }
    strbuf_free(&b);
}

static void finding_files(void **state) {
    fixture *f = *state;
    perf_machine m;
    assert_false(perf_machine_load(&m, f->a, "no-such", f->d));
    assert_non_null(strstr(diag_text(f->d), "no machine 'no-such' in "));
    diag_clear(f->d);
    assert_false(perf_machine_load(&m, f->a, "./no-such.json", f->d));
    assert_non_null(strstr(diag_text(f->d), "./no-such.json: cannot open"));
    setenv("INGOT_DATA", "tests", 1);
    diag_clear(f->d);
    assert_null(perf_data_dir(f->a, f->d));
    assert_non_null(strstr(diag_text(f->d), "INGOT_DATA=tests"));
    setenv("INGOT_DATA", "data", 1);
    assert_string_equal(perf_data_dir(f->a, f->d), "data");
    unsetenv("INGOT_DATA");
    assert_true(perf_machine_load(&m, f->a, "data/machines/cs3.json", f->d));
}

static void every_file_is_sound(void **state) {
    fixture *f = *state;
    size_t count;
    const char **names = perf_data_names(f->a, "machines", &count, f->d);
    assert_non_null(names);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) {
        if (!strncmp(names[i], "wse", 3)) continue;
        perf_machine m = machine(f, names[i]);
        assert_string_equal(m.name, names[i]);
    }
}

static void setting_values(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "cs3");
    assert_true(perf_machine_set(&m, STR("io_bw_bytes_per_s=1TB/s"), f->d));
    assert_true(m.io_bw_bytes_per_s.value == 1e12 && m.io_bw_bytes_per_s.high == 1e12);
    assert_int_equal(m.io_bw_bytes_per_s.kind, FACT_ESTIMATE);
    assert_true(perf_machine_set(&m, STR("clock_hz=1e9"), f->d));
    static const char *const wrong[] = {"",
                                        "=",
                                        "clock_hz",
                                        "clock_hz=",
                                        "clock_hz=nan",
                                        "clock_hz=-1",
                                        "clock_hz=1GB/s",
                                        "no=1",
                                        "accelerators=1.5",
                                        "memory_efficiency=2",
                                        "clock_hz=1e999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (perf_machine_set(&m, str_from(wrong[i]), f->d)) fail_msg("'%s' is accepted", wrong[i]);
    assert_true(m.clock_hz.value == 1e9);
}

/* What a file calls absent must be absent, must exist, and is no longer missed. */
static void absent_is_said(void **state) {
    fixture *f = *state;
    perf_machine m = machine(f, "maia100");
    assert_false(m.flops_fp16_per_s.given);
    strbuf b = {0};
    str whole = file_with(&b, "power_watts", NULL);
    char *text = arena_strndup(f->a, whole.p, whole.n);
    char *with = arena_printf(f->a, "{\"absent\": [\"power_watts\"],%s", strchr(text, '{') + 1);
    diag_clear(f->d);
    if (!perf_machine_parse(&m, f->a, "t.json", str_from(with), f->d)) fail_msg("%s", diag_text(f->d));
    with = arena_printf(f->a, "{\"absent\": [\"power_watts\", \"power_wats\"],%s", strchr(text, '{') + 1);
    assert_false(perf_machine_parse(&m, f->a, "t.json", str_from(with), f->d));
    assert_non_null(strstr(diag_text(f->d), "'power_wats' is no value"));
    strbuf_free(&b);
}

static void host_measured(void **state) {
    fixture *f = *state;
    strbuf b = {0};
    perf_machine m;
    assert_true(perf_measure_host(&b, 1, f->d));
    if (!perf_machine_parse(&m, f->a, "host.json", strbuf_str(&b), f->d)) fail_msg("%s", diag_text(f->d));
    assert_int_equal(m.class, PERF_HOST);
    assert_true(m.mem_bw_bytes_per_s.value > 1e8 && m.flops_fp16_per_s.value > 1e8);
    strbuf_free(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    unsetenv("INGOT_DATA");
    const struct CMUnitTest tests[] = {
        T(shipped_machines),        T(known_ratios),  T(cases_take_the_ends), T(wrong_files),    T(wrong_texts),
        T(every_prefix_is_refused), T(finding_files), T(every_file_is_sound), T(setting_values), T(absent_is_said),
        T(host_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
