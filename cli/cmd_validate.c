/* ingot validate: predictions against published measurements (validate_world.c), and, with --cycles, our machine's cycles against published ones;
 * with --kernels, predicted against simulated cycles (validate_kernels.c).
 *
 * A row of data/validation/cycles.json names a program of validation/, its parameters, a wafer and a profile, and the
 * published count with its source. The program is compiled and run; all PEs start `main` in the same cycle and leave
 * what they measured in `cycles`; the largest counts. Rows whose source subtracted the cost of reading the timer are
 * compared after subtracting ours, measured the same way. Nothing here is fitted: constants come from data/machines,
 * whose sources are named there. */
#include "api/api.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/validate_kernels.h"
#include "cli/validate_world.h"
#include "csl/csl.h"
#include "wse/wse.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

typedef struct {
    bool cycles, kernels, json, summary, out;
    const char *data;
} validate_args;

const cli_option cmd_validate_options[] = {
    OPTION_FLAG_ROW(0, "cycles", validate_args, cycles, "simulated cycles instead: run the rows of published cycle counts"),
    OPTION_FLAG_ROW(0, "kernels", validate_args, kernels,
                    "predicted against simulated cycles of our kernels at a grid of sizes"),
    OPTION_FLAG_ROW(0, "summary", validate_args, summary, "one line for each machine and metric, without the rows"),
    OPTION_FLAG_ROW(0, "out-of-scope", validate_args, out, "name every row that is out of scope"),
    OPTION_STRING_ROW(0, "data", validate_args, data, "DIR|FILE", NULL,
                      "CSV files of this folder instead of data/validation; with --cycles or --kernels: a file"),
    OPTION_FLAG_ROW(0, "json", validate_args, json, "print JSON"),
    OPTIONS_END,
};

typedef struct {
    const char *id, *program, *machine, *profile, *source;
    csl_param params[8];
    uint32_t param_count;
    bool timer_subtracted, calibration;
    double published, ours;
} row;

static bool read_row(row *r, json_t *o, const char *name, diag *d) {
    json_t *params = json_object_get(o, "params"), *value;
    const char *key;
    *r = (row){.id = json_string_value(json_object_get(o, "id")),
               .program = json_string_value(json_object_get(o, "program")),
               .machine = json_string_value(json_object_get(o, "machine")),
               .profile = json_string_value(json_object_get(o, "profile")),
               .source = json_string_value(json_object_get(o, "source")),
               .published = json_number_value(json_object_get(o, "cycles")),
               .timer_subtracted = json_is_true(json_object_get(o, "timer_subtracted")),
               .calibration = json_is_true(json_object_get(o, "calibration"))};
    if (!r->id || !r->program || !r->machine || !r->profile || !r->source || !(r->published > 0))
        return diag_error(d, "%s: a row needs id, program, machine, profile, cycles above 0 and source", name);
    if (strchr(r->program, '/') || strchr(r->machine, '/') || strchr(r->program, '.') || strchr(r->machine, '.'))
        return diag_error(d, "%s: row %s: program and machine are plain names", name, r->id);
    json_object_foreach(params, key, value) {
        if (r->param_count == 8 || !json_is_integer(value))
            return diag_error(d, "%s: row %s: at most 8 parameters, integers", name, r->id);
        r->params[r->param_count++] = (csl_param){key, json_integer_value(value)};
    }
    return true;
}

static const isa_symbol *symbol(const isa_program *p, const char *name, isa_symbol_kind kind) {
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == kind && !strcmp(p->symbols[i].name, name)) return &p->symbols[i];
    return NULL;
}

/* Launches `main` everywhere at once and gives the largest `cycles`. */
static bool run_image(const isa_image *image, const isa_wafer *wafer, const char *id, double *cycles, diag *d) {
    wse *m = wse_new(wafer, image, &(wse_options){.threads = 1}, d);
    bool ok = m != NULL;
    for (uint32_t pe = 0; ok && pe < image->width * image->height; pe++) {
        const isa_symbol *s = symbol(&image->programs[image->tiles[pe].program], "main", ISA_SYM_FUNCTION);
        if (!s) ok = diag_error(d, "row %s: its program exports no 'main'", id);
        else wse_launch(m, pe, s->entry, NULL, 0, 0);
    }
    if (ok && wse_run(m, 1000000000, false) != WSE_QUIET)
        ok = diag_error(d, "row %s: the program failed: %s", id,
                        *wse_fault_text(m) ? wse_fault_text(m) : "it does not end");
    *cycles = 0;
    for (uint32_t pe = 0; ok && pe < image->width * image->height; pe++) {
        const isa_symbol *s = symbol(&image->programs[image->tiles[pe].program], "cycles", ISA_SYM_DATA);
        if (!s) {
            ok = diag_error(d, "row %s: its program has no variable 'cycles'", id);
            break;
        }
        const uint16_t *w = wse_memory(m, pe) + s->word;
        double here = w[0] | (uint32_t)w[1] << 16;
        if (here > *cycles) *cycles = here;
    }
    if (ok && *cycles == 0) ok = diag_error(d, "row %s: the program did not end on any PE", id);
    wse_free(m);
    return ok;
}

static bool measure(const char *root, const row *r, const csl_param *params, uint32_t count, const char *program,
                    double *cycles, diag *d) {
    char path[1024], machine[1024], library[1024];
    isa_wafer wafer;
    snprintf(path, sizeof path, "%s/validation/%s/layout.csl", root, program);
    snprintf(machine, sizeof machine, "%s/data/machines/%s.json", root, r->machine);
    snprintf(library, sizeof library, "%s/lib", root);
    if (!isa_wafer_read(&wafer, machine, r->profile, d)) return false;
    csl_options o = {.arch = wafer.arch, .wafer = &wafer, .params = params, .param_count = count, .library = library};
    isa_image *image = csl_compile(path, &o, d);
    bool ok = image && run_image(image, &wafer, r->id, cycles, d);
    isa_image_free(image);
    return ok;
}

static bool run_row(const char *root, row *r, diag *d) {
    static const csl_param timer[] = {{"N", 8}, {"OP", 4}};
    double overhead = 0;
    if (r->timer_subtracted && !measure(root, r, timer, 2, "vector", &overhead, d)) return false;
    if (!measure(root, r, r->params, r->param_count, r->program, &r->ours, d)) return false;
    r->ours -= overhead;
    return true;
}

static void print_params(const row *r, char *text, size_t bytes) {
    size_t n = 0;
    *text = 0;
    for (uint32_t i = 0; i < r->param_count && n < bytes; i++)
        n +=
            (size_t)snprintf(text + n, bytes - n, "%s%s=%" PRId64, i ? " " : "", r->params[i].name, r->params[i].value);
}

static double error_of(const row *r) { return (r->ours - r->published) / r->published * 100; }

static void print_row(const row *r) {
    char params[96];
    print_params(r, params, sizeof params);
    printf("%-16s %-5s %-10s %-10s %-22s %9.0f %9.0f %+8.1f %%%s\n", r->id, r->machine, r->profile, r->program, params,
           r->published, r->ours, error_of(r), r->calibration ? " (calibration)" : "");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Per profile: how many rows, median and worst error, and the goal. */
static void summary(const row *rows, size_t n, const char *profile, double goal) {
    double errors[1024];
    size_t count = 0, within = 0;
    for (size_t i = 0; i < n && count < 1024; i++) {
        if (strcmp(rows[i].profile, profile) || rows[i].calibration) continue;
        errors[count] = fabs(error_of(&rows[i]));
        within += errors[count++] <= goal;
    }
    if (!count) return;
    qsort(errors, count, sizeof *errors, by_size);
    printf("%s: %zu rows, median error %.1f %%, worst %.1f %%, %zu within the goal of %.0f %%\n", profile, count,
           errors[count / 2], errors[count - 1], within, goal);
}

static void print_json(const row *rows, size_t n) {
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, json_pack("{s:s,s:s,s:s,s:s,s:f,s:f,s:f,s:b,s:s}", "id", rows[i].id, "program",
                                             rows[i].program, "machine", rows[i].machine, "profile", rows[i].profile,
                                             "published_cycles", rows[i].published, "simulated_cycles", rows[i].ours,
                                             "error_percent", error_of(&rows[i]), "calibration", rows[i].calibration,
                                             "source", rows[i].source));
    json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
}

static bool validate(cli *c, const validate_args *a, const char *root, json_t *doc, const char *name) {
    json_t *list = json_object_get(doc, "rows");
    size_t n = json_array_size(list);
    if (!n || n > 1024) return diag_error(c->d, "%s: expected 1 to 1024 objects under \"rows\"", name);
    row *rows = arena_push_n(c->memory, row, n);
    if (!rows) return diag_oom(c->d, name);
    if (!a->json)
        printf("%-16s %-5s %-10s %-10s %-22s %9s %9s %10s\n", "row", "wafer", "profile", "program", "parameters",
               "published", "simulated", "error");
    for (size_t i = 0; i < n; i++) {
        if (!read_row(&rows[i], json_array_get(list, i), name, c->d) || !run_row(root, &rows[i], c->d)) return false;
        if (!a->json) print_row(&rows[i]);
        fflush(stdout);
    }
    if (a->json) return print_json(rows, n), true;
    summary(rows, n, "vendor-sim", 5);
    summary(rows, n, "silicon", 10);
    return true;
}

int cmd_validate(cli *c, int argc, char **argv) {
    validate_args a = {0};
    str text;
    json_error_t why;
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    if (a.kernels) return validate_kernels(c, &(validate_kernels_args){a.data, a.json, a.summary});
    if (!a.cycles) return validate_world(c, &(validate_world_args){a.data, a.json, a.summary, a.out});
    char *root = api_root(c->memory, c->d);
    const char *name = !root ? NULL : a.data ? a.data : arena_printf(c->memory, "%s/data/validation/cycles.json", root);
    if (!name || !file_read_all(c->memory, name, 16 << 20, &text, c->d)) return CLI_FAILED;
    json_t *doc = json_loadb(text.p, text.n, 0, &why);
    if (!doc) return diag_error(c->d, "%s:%d: %s", name, why.line, why.text), CLI_FAILED;
    bool ok = validate(c, &a, root, doc, name);
    json_decref(doc);
    return ok ? CLI_OK : CLI_FAILED;
}
