/* Wafers with holes: maps, the fabric rebuilt around them, and a program that must not notice. */
#include "base/mem.h"
#include "base/rng.h"
#include "include/ingot.h"
#include "isa/defects.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct {
    diag *d;
    isa_defects map;
    isa_rebuilt r;
} bench;

static int setup(void **state) {
    bench *b = *state = mem_alloc(sizeof *b);
    return !b || !(b->d = diag_new());
}
static int teardown(void **state) {
    bench *b = *state;
    isa_rebuilt_free(&b->r);
    isa_defects_free(&b->map);
    diag_free(b->d);
    mem_free(b);
    return 0;
}

static void grid(bench *b, uint32_t columns, uint32_t rows, uint32_t spare_columns, uint32_t spare_rows) {
    isa_rebuilt_free(&b->r);
    isa_defects_free(&b->map);
    if (!isa_defects_new_grid(&b->map, columns, rows, spare_columns, spare_rows, b->d)) fail_msg("%s", diag_text(b->d));
}
static uint8_t *at(bench *b, uint32_t x, uint32_t y) { return &b->map.dead[(size_t)y * b->map.columns + x]; }
static void rebuild(bench *b) {
    if (!isa_rebuild(&b->r, &b->map, b->d)) fail_msg("%s", diag_text(b->d));
}
static void refused(bench *b, const char *why) {
    assert_false(isa_rebuild(&b->r, &b->map, b->d));
    if (!strstr(diag_text(b->d), why)) fail_msg("should say '%s': %s", why, diag_text(b->d));
    diag_clear(b->d);
}
static uint32_t extra(const bench *b, uint32_t x, uint32_t y, isa_dir dir) {
    return b->r.extra[4 * ((size_t)y * b->r.width + x) + dir];
}

/* ---- what a rebuilt fabric must be ---- */

static bool link_is_dead(const isa_defects *m, uint32_t a, uint32_t b) {
    uint32_t first = a < b ? a : b, second = a < b ? b : a;
    if (second - first == 1 && second % m->columns) return m->dead[first] & ISA_DEAD_EAST;
    assert_int_equal(second - first, m->columns);
    return m->dead[first] & ISA_DEAD_SOUTH;
}

/* A way: unit steps over living links, and no corner on a dead PE. */
static void check_path(bench *b, isa_pathfinder *f, uint32_t pe, uint32_t other, isa_dir dir) {
    const isa_defects *m = &b->map;
    uint32_t path[ISA_HOPS_MAX + 1], n = isa_pathfinder_find(f, b->r.place[pe], b->r.place[other], path);
    assert_true(n >= 2);
    assert_int_equal(path[0], b->r.place[pe]);
    assert_int_equal(path[n - 1], b->r.place[other]);
    assert_int_equal(b->r.extra[4 * (size_t)pe + dir], n - 2);
    assert_int_equal(b->r.extra[4 * (size_t)other + (dir ^ 1)], n - 2);
    for (uint32_t i = 0; i + 1 < n; i++) assert_false(link_is_dead(m, path[i], path[i + 1]));
    for (uint32_t i = 1; i + 1 < n; i++)
        if (m->dead[path[i]] & ISA_DEAD_PE) assert_int_equal(path[i + 1] - path[i], path[i] - path[i - 1]);
}

static void check_fabric(bench *b) {
    uint32_t pes = b->r.width * b->r.height;
    uint8_t *taken = mem_alloc((size_t)b->map.columns * b->map.rows);
    isa_pathfinder *f = isa_pathfinder_new(&b->map, b->d);
    assert_non_null(taken);
    assert_non_null(f);
    for (uint32_t pe = 0; pe < pes; pe++) {
        uint32_t place = b->r.place[pe];
        assert_true(place < b->map.columns * b->map.rows);
        assert_false(b->map.dead[place] & ISA_DEAD_PE);
        assert_false(taken[place]++);
        if (pe % b->r.width + 1 < b->r.width) check_path(b, f, pe, pe + 1, ISA_EAST);
        else assert_int_equal(b->r.extra[4 * pe + ISA_EAST], 0);
        if (pe + b->r.width < pes) check_path(b, f, pe, pe + b->r.width, ISA_SOUTH);
    }
    isa_pathfinder_free(f);
    mem_free(taken);
}

static void random_maps_are_rebuilt(void **state) {
    bench *b = *state;
    uint32_t rebuilt = 0;
    for (uint32_t seed = 0; seed < 60; seed++) {
        rng r = rng_seed(1000 + seed);
        grid(b, 8 + (uint32_t)rng_below(&r, 30), 6 + (uint32_t)rng_below(&r, 20), 3, 2);
        isa_defects_draw(&b->map, 0.04, seed);
        for (uint32_t i = 0; i < seed / 3; i++) {
            uint32_t x = (uint32_t)rng_below(&r, b->map.columns), y = (uint32_t)rng_below(&r, b->map.rows);
            *at(b, x, y) |= rng_below(&r, 2) ? ISA_DEAD_EAST : ISA_DEAD_SOUTH;
        }
        if (!isa_rebuild(&b->r, &b->map, b->d)) {
            assert_true(diag_error_count(b->d) > 0);
            diag_clear(b->d);
            continue;
        }
        rebuilt++;
        check_fabric(b);
    }
    assert_true(rebuilt > 40);
}

static void a_perfect_wafer_is_itself(void **state) {
    bench *b = *state;
    grid(b, 10, 7, 2, 1);
    rebuild(b);
    check_fabric(b);
    assert_int_equal(b->r.extra_hops, 0);
    assert_int_equal(b->r.links, 7 * 6 + 8 * 5);
    assert_int_equal(b->r.most_shared, 1);
    for (uint32_t y = 0; y < 6; y++)
        for (uint32_t x = 0; x < 8; x++) assert_int_equal(b->r.place[y * 8 + x], y * 10 + x);
}

/* One hole: its row shifts behind it, the link over it and the columns' links there take one hop more. */
static void one_hole_shifts_its_row(void **state) {
    bench *b = *state;
    grid(b, 8, 3, 2, 0);
    *at(b, 2, 1) = ISA_DEAD_PE;
    rebuild(b);
    check_fabric(b);
    assert_int_equal(b->r.place[6 + 1], 8 + 1);
    assert_int_equal(b->r.place[6 + 2], 8 + 3);
    assert_int_equal(extra(b, 1, 1, ISA_EAST), 1);
    assert_int_equal(extra(b, 2, 1, ISA_WEST), 1);
    assert_int_equal(extra(b, 2, 1, ISA_EAST), 0);
    assert_int_equal(extra(b, 1, 1, ISA_NORTH), 0);
    for (uint32_t x = 2; x < 6; x++) {
        assert_int_equal(extra(b, x, 1, ISA_NORTH), 1);
        assert_int_equal(extra(b, x, 0, ISA_SOUTH), 1);
        assert_int_equal(extra(b, x, 1, ISA_SOUTH), 1);
    }
    assert_int_equal(b->r.row_spares[1], 1);
    assert_int_equal(b->r.detours, 1 + 4 + 4);
    assert_true(fabs(b->r.yield - 23.0 / 24) < 1e-12);
}

static void a_dead_link_is_gone_around(void **state) {
    bench *b = *state;
    grid(b, 5, 5, 0, 0);
    *at(b, 2, 2) = ISA_DEAD_EAST;
    rebuild(b);
    check_fabric(b);
    assert_int_equal(extra(b, 2, 2, ISA_EAST), 2);
    assert_int_equal(b->r.extra_hops, 2);
    assert_int_equal(b->r.most_shared, 2);
    assert_int_equal(b->r.dead_links, 1);
}

/* Three holes for two spares: the row gives way to a spare row; the next such row is one too many. */
static void too_many_holes(void **state) {
    bench *b = *state;
    grid(b, 9, 8, 2, 1);
    for (uint32_t x = 1; x < 4; x++) *at(b, x, 3) = ISA_DEAD_PE;
    rebuild(b);
    check_fabric(b);
    assert_int_equal(b->r.skipped_rows, 1);
    assert_int_equal(b->r.row[2], 2);
    assert_int_equal(b->r.row[3], 4);
    assert_int_equal(extra(b, 0, 2, ISA_SOUTH), 1);
    for (uint32_t x = 4; x < 7; x++) *at(b, x, 5) = ISA_DEAD_PE;
    isa_rebuilt_free(&b->r);
    refused(b, "row 5 has 3 dead PEs");
}

static void a_pe_that_is_cut_off_is_refused(void **state) {
    bench *b = *state;
    grid(b, 6, 6, 0, 0);
    *at(b, 3, 3) = ISA_DEAD_EAST | ISA_DEAD_SOUTH;
    *at(b, 2, 3) = ISA_DEAD_EAST;
    *at(b, 3, 2) = ISA_DEAD_SOUTH;
    refused(b, "(3,3)");
}

/* Most links of a large grid dead: an answer in bounded time. */
static void hostile_maps_end(void **state) {
    bench *b = *state;
    grid(b, 600, 600, 20, 20);
    rng r = rng_seed(7);
    for (uint32_t i = 0; i < 600 * 600; i++) b->map.dead[i] = (uint8_t)(rng_u64(&r) & rng_u64(&r) & 7);
    assert_false(isa_rebuild(&b->r, &b->map, b->d));
    assert_true(diag_error_count(b->d) > 0);
}

/* ---- maps ---- */

static void draws_are_the_same_everywhere(void **state) {
    bench *b = *state;
    isa_wafer w;
    double per_pe;
    if (!isa_wafer_read(&w, "data/machines/wse3.json", NULL, b->d)) fail_msg("%s", diag_text(b->d));
    assert_true(isa_defects_new(&b->map, &w, b->d));
    assert_true(isa_defect_density("0.001", &w, &per_pe, b->d));
    assert_true(fabs(per_pe - 5e-5) < 1e-18);
    isa_defects_draw(&b->map, per_pe, 1);
    rebuild(b);
    assert_int_equal(b->r.width, 762);
    assert_int_equal(b->r.height, 1172);
    assert_int_equal(b->r.dead_pes, 52); /* 46 are expected */
    assert_int_equal(b->r.longest_hops, 3);
    assert_true(isa_defect_density("2e-4/pe", &w, &per_pe, b->d) && per_pe == 2e-4);
    assert_true(isa_defect_density("1/mm2", &w, &per_pe, b->d));
    assert_false(isa_defect_density("1/cm2", &w, &per_pe, b->d));
    assert_false(isa_defect_density("-1", &w, &per_pe, b->d));
    assert_false(isa_defect_density("nan", &w, &per_pe, b->d));
    assert_false(isa_defect_density("", &w, &per_pe, b->d));
}

static void parse(bench *b, const char *text, const char *complaint) {
    grid(b, 12, 9, 2, 1);
    bool ok = isa_defects_parse(&b->map, str_from(text), "m.csv", b->d);
    if (ok != !complaint) fail_msg("%s: %s", text, diag_text(b->d));
    if (complaint && !strstr(diag_text(b->d), complaint)) fail_msg("should say '%s': %s", complaint, diag_text(b->d));
    diag_clear(b->d);
}

static void files_are_read_and_written(void **state) {
    bench *b = *state;
    strbuf out = {0};
    parse(b, "# holes\r\n\n grid , 8,5,1,1\r\npe,2,3\nlink,0,0,E\nlink,7,3,S", NULL);
    assert_int_equal(b->map.columns, 8);
    assert_int_equal(b->map.spare_rows, 1);
    assert_int_equal(*at(b, 2, 3), ISA_DEAD_PE);
    assert_int_equal(*at(b, 7, 3), ISA_DEAD_SOUTH);
    isa_defects_print(&b->map, &out);
    assert_string_equal(out.data, "grid,8,5,1,1\nlink,0,0,E\npe,2,3\nlink,7,3,S\n");
    strbuf_free(&out);
    grid(b, 774, 1179, 12, 7);
    if (!isa_defects_read(&b->map, "data/defects/example.csv", b->d)) fail_msg("%s", diag_text(b->d));
    assert_int_equal(*at(b, 5, 1), ISA_DEAD_PE);
}

static void wrong_files_are_refused(void **state) {
    bench *b = *state;
    parse(b, "pe,12,0", "m.csv:1:4: error: must be below 12");
    parse(b, "pe,0,9", "must be below 9");
    parse(b, "pe,0", "`pe` is pe,X,Y");
    parse(b, "pe,0,0,0", "`pe` is pe,X,Y");
    parse(b, "pe,-1,0", "whole number");
    parse(b, "pe,,0", "a number is missing");
    parse(b, "pe,99999999999999999999,0", "must be below");
    parse(b, "link,0,0", "`link` is");
    parse(b, "link,0,0,W", "must be E or S");
    parse(b, "link,11,0,E", "no link leaves the grid");
    parse(b, "link,0,8,S", "no link leaves the grid");
    parse(b, "hole,0,0", "begins with");
    parse(b, "grid,8,5", "`grid` has four numbers");
    parse(b, "grid,8,5,8,0", "not possible");
    parse(b, "grid,0,5,0,0", "not possible");
    parse(b, "grid,9000,5,0,0", "must be below 8193");
    parse(b, "pe,1,1\ngrid,8,5,1,0", "m.csv:2:1: error: `grid` must stand before");
}

/* ---- a program ---- */

enum { N = 8 };

typedef struct {
    char folder[64];
    ingot_program *p;
} program;

static void compile(program *p) {
    strcpy(p->folder, "/tmp/ingot-defects-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    const char *argv[] = {"examples/two-pes/layout.csl",
                          "--arch=wse3",
                          "--fabric-dims=9,3",
                          "--fabric-offsets=4,1",
                          "--params=N:8",
                          "--memcpy",
                          "--channels=1",
                          "-o",
                          p->folder};
    assert_non_null(p->p = ingot_program_new());
    if (ingot_program_compile(p->p, sizeof argv / sizeof *argv, argv)) fail_msg("%s", ingot_last_error(p->p));
}

static void forget(program *p) {
    strbuf command = {0};
    ingot_program_free(p->p);
    strbuf_addf(&command, "rm -rf '%s'", p->folder);
    assert_int_equal(system(command.data), 0);
    strbuf_free(&command);
}

/* Cycles that two PEs take to exchange and add their vectors; the result must be right. */
static uint64_t exchange(program *p, const ingot_options *o) {
    float data[2 * N], got[N];
    uint32_t id;
    ingot_runtime *r = ingot_runtime_new(p->p);
    for (int i = 0; i < 2 * N; i++) data[i] = (float)i;
    ingot_transfer both = {.width = 2, .height = 1, .elements_per_pe = N, .bits = 32};
    ingot_transfer right = {.x = 1, .width = 1, .height = 1, .elements_per_pe = N, .bits = 32};
    bool ok = r && !ingot_program_symbol_id(p->p, "v", &id) && !ingot_runtime_load(r, o) &&
              !ingot_copy_in(r, id, &both, (uint32_t *)data, 2 * N, 0, NULL) &&
              !ingot_launch(r, "exchange", NULL, 0, 0, NULL) &&
              !ingot_copy_out(r, id, &right, (uint32_t *)got, N, 0, NULL) && !ingot_runtime_stop(r);
    if (!ok) fail_msg("%s %s", ingot_last_error(r), ingot_last_error(p->p));
    for (int i = 0; i < N; i++) assert_true(got[i] == (float)(i + i + N));
    uint64_t cycles = ingot_runtime_cycles(r);
    ingot_runtime_free(r);
    return cycles;
}

/* data/defects/example.csv has a hole under the right one of the two PEs: its link is one hop, two cycles, longer. */
static void programs_do_not_notice(void **state) {
    (void)state;
    program p;
    setenv("INGOT_ROOT", ".", 1);
    unsetenv("INGOT_DEFECTS");
    unsetenv("INGOT_DEFECT_DENSITY");
    compile(&p);
    uint64_t perfect = exchange(&p, NULL);
    uint64_t holes = exchange(&p, &(ingot_options){.defects = "data/defects/example.csv"});
    assert_int_equal(holes, perfect + 2);
    setenv("INGOT_DEFECTS", "data/defects/example.csv", 1);
    assert_int_equal(exchange(&p, NULL), holes);
    assert_int_equal(exchange(&p, &(ingot_options){.defects = ""}), perfect);
    unsetenv("INGOT_DEFECTS");
    assert_int_equal(exchange(&p, &(ingot_options){.defect_density = "0/pe"}), perfect);
    ingot_runtime *r = ingot_runtime_new(p.p);
    assert_int_equal(ingot_runtime_load(r, &(ingot_options){.defect_density = "0.2/pe"}), -1);
    assert_non_null(strstr(ingot_last_error(r), "dead PEs"));
    ingot_runtime_free(r);
    forget(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(random_maps_are_rebuilt),
        T(a_perfect_wafer_is_itself),
        T(one_hole_shifts_its_row),
        T(a_dead_link_is_gone_around),
        T(too_many_holes),
        T(a_pe_that_is_cut_off_is_refused),
        T(hostile_maps_end),
        T(draws_are_the_same_everywhere),
        T(files_are_read_and_written),
        T(wrong_files_are_refused),
        T(programs_do_not_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
