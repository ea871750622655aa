/* Predicted against simulated cycles at a part of the grid of `ingot validate --kernels`; what its file may say; and
 * that the predictor does not see the simulator, so that each can check the other. */
#include "base/file.h"
#include "base/map.h"
#include "cluster/agreement.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
    isa_wafer w;
} fixture;

static int setup(void **state) {
    fixture *f = test_calloc(1, sizeof *f);
    f->a = arena_new(0);
    f->d = diag_new();
    *state = f;
    return f->a && f->d && isa_wafer_read(&f->w, "data/machines/wse3.json", "vendor-sim", f->d) ? 0 : -1;
}

static int teardown(void **state) {
    fixture *f = *state;
    arena_free(f->a);
    diag_free(f->d);
    test_free(f);
    return 0;
}

/* ---- agreement ---- */

static double error_of(const agreement_row *r) { return fabs(r->predicted - r->simulated) / r->simulated; }

/* One row in `stride` of every kernel: at most `allowed` further apart than 10 %, none further than 20 %. */
static void agree(fixture *f, const char *kernel, size_t stride, size_t allowed) {
    agreement g;
    size_t seen = 0, apart = 0, run = 0;
    if (!agreement_read(&g, f->a, "data/validation/kernels.json", f->d)) fail_msg("%s", diag_text(f->d));
    for (size_t i = 0; i < g.count; i++) {
        agreement_row *r = &g.rows[i];
        if (strcmp(r->kernel, kernel) || seen++ % stride) continue;
        if (!agreement_run(r, ".", &f->w, f->d)) fail_msg("%s", diag_text(f->d));
        run++;
        apart += error_of(r) > 0.1;
        if (!(error_of(r) <= 0.2))
            fail_msg("%s %s: predicted %.0f, simulated %.0f", kernel, r->label, r->predicted, r->simulated);
    }
    if (apart > allowed || run < 4) fail_msg("%s: %zu of %zu rows are more than 10 %% apart", kernel, apart, run);
}

#define AGREE(kernel, stride, allowed)                                                                                 \
    static void kernel(void **state) { agree(*state, #kernel, stride, allowed); }
AGREE(reduce, 17, 0)
AGREE(gemv, 11, 0)
AGREE(gemm, 7, 2) /* a single PE, and tiles of a few numbers */
AGREE(norm, 13, 0)
AGREE(rope, 5, 0)
AGREE(mlp, 31, 0)
AGREE(embedding, 13, 0)
AGREE(lm_head, 13, 2) /* several tokens from one row of PEs */
AGREE(attention, 41, 0)
AGREE(transformer, 2, 0)

/* The prediction is of the sizes asked for: it follows each of them. */
static void sizes_matter(void **state) {
    (void)state;
    perf_kernel_sizes s = {.width = 20, .height = 4, .row_group = 4, .column_group = 2, .n = 8};
    double base = perf_kernel_cycles("reduce", &s), last;
    s.everywhere = 1;
    assert_true((last = perf_kernel_cycles("reduce", &s)) > base);
    s.width = 40;
    assert_true(perf_kernel_cycles("reduce", &s) > last);
    assert_true(isnan(perf_kernel_cycles("scan", &s)));
    assert_null(perf_kernel_size(&s, "depth"));
}

/* ---- the file ---- */

static void refuse(fixture *f, const char *text, const char *part) {
    agreement g;
    diag_clear(f->d);
    assert_false(agreement_parse(&g, f->a, "rows.json", str_from(text), f->d));
    if (!strstr(diag_text(f->d), part)) fail_msg("'%s' is not in: %s", part, diag_text(f->d));
}

static void files(void **state) {
    fixture *f = *state;
    agreement g;
    const char *good = "{\"rows\": [{\"kernel\": \"norm\", \"width\": [1, 9], \"height\": 1, \"row_group\": [\"even\", "
                       "\"whole\"], \"d\": \"all\", \"d_tile\": 5, \"kind\": 0, \"root_x\": [0, \"middle\"]}]}";
    if (!agreement_parse(&g, f->a, "rows.json", str_from(good), f->d)) fail_msg("%s", diag_text(f->d));
    assert_int_equal(g.count, 5); /* one PE has one way, nine have two groups x two roots */
    assert_true(g.rows[4].sizes.d == 45 && g.rows[4].sizes.root_x == 4 && g.rows[4].sizes.row_group == 9);
    refuse(f, "", "rows.json:1");
    refuse(f, "{}", "\"rows\"");
    refuse(f, "{\"rows\": [1]}", "\"kernel\"");
    refuse(f, "{\"rows\": [{\"kernel\": \"sort\"}]}", "no kernel 'sort'");
    refuse(f, "{\"rows\": [{\"kernel\": \"gemv\", \"width\": -1}]}", "'width'");
    refuse(f, "{\"rows\": [{\"kernel\": \"gemv\", \"width\": [1, \"wide\"]}]}", "'width'");
    refuse(f, "{\"rows\": [{\"kernel\": \"gemv\", \"width\": \"all\"}]}", "cannot follow");
    refuse(f, "{\"rows\": [{\"kernel\": \"transformer\", \"family\": \"perceptron\"}]}", "\"family\"");
    strbuf many = {0};
    strbuf_adds(&many, "{\"rows\": [{\"kernel\": \"gemv\", \"width\": [0");
    for (int i = 1; i < AGREEMENT_ROWS_MAX + 1; i++) strbuf_addf(&many, ", %d", i);
    strbuf_adds(&many, "]}]}");
    refuse(f, many.data, "more than");
    strbuf_free(&many);
}

/* ---- who sees whom ---- */

/* Every file that `path` includes, directly or through others. */
static void follow(fixture *f, const char *path, map *seen, const char *const *forbidden, const char *from) {
    char line[512], name[256];
    for (size_t i = 0; forbidden[i]; i++)
        if (!strncmp(path, forbidden[i], strlen(forbidden[i]))) fail_msg("%s sees %s", from, path);
    if (map_get(seen, str_from(path), NULL)) return;
    char *kept = arena_printf(f->a, "%s", path);
    assert_true(kept && map_put(seen, str_from(kept), 1));
    FILE *in = fopen(path, "r");
    if (!in) fail_msg("%s (seen by %s) is not there", path, from);
    while (fgets(line, sizeof line, in))
        if (sscanf(line, "#include \"%255[^\"]\"", name) == 1) follow(f, name, seen, forbidden, from);
    fclose(in);
}

static void folder_does_not_see(fixture *f, const char *folder, const char *const *forbidden) {
    DIR *d = opendir(folder);
    size_t files_seen = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[300];
        size_t n = strlen(e->d_name);
        if (n < 2 || e->d_name[n - 2] != '.' || !strchr("ch", e->d_name[n - 1])) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        map seen = {0};
        follow(f, path, &seen, forbidden, path);
        map_free(&seen);
        files_seen++;
    }
    closedir(d);
    assert_true(files_seen > 1);
}

static void who_sees_whom(void **state) {
    fixture *f = *state;
    static const char *const machine[] = {"wse/", "host/", "csl/", "debug/", "api/", "cluster/", "cli/", NULL};
    static const char *const simulator[] = {"wse/", "host/", NULL}, *const compiler[] = {"csl/", "host/", NULL};
    folder_does_not_see(f, "perf", machine);
    folder_does_not_see(f, "map", machine);
    folder_does_not_see(f, "csl", simulator);
    folder_does_not_see(f, "wse", compiler);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    setenv("INGOT_ROOT", ".", 1); /* where the engine finds kernels/ */
    const struct CMUnitTest tests[] = {T(reduce),       T(gemv),      T(gemm),         T(norm),      T(rope),
                                       T(mlp),          T(embedding), T(lm_head),      T(attention), T(transformer),
                                       T(sizes_matter), T(files),     T(who_sees_whom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
