/* See validate_kernels.h. Every row is run; rows further apart than the goal are marked and counted, none is left out.
 */
#include "cli/validate_kernels.h"
#include "api/api.h"
#include "cli/output.h"
#include "cluster/agreement.h"
#include <math.h>
#include <stdlib.h>

#define GOAL_PERCENT 10

static double error_of(const agreement_row *r) { return 100 * (r->predicted - r->simulated) / r->simulated; }

static void print_row(const agreement_row *r) {
    printf("%-12s %10.0f %10.0f %+7.1f %%%s %s%s\n", r->kernel, r->predicted, r->simulated, error_of(r),
           fabs(error_of(r)) > GOAL_PERCENT ? " *" : "  ", r->label, r->calibration ? " (calibration)" : "");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of one kernel, or of all (NULL), without rows of calibration. */
static void summary(const agreement *g, const char *kernel, double *errors) {
    size_t n = 0, within = 0;
    double mean = 0;
    for (size_t i = 0; i < g->count; i++) {
        const agreement_row *r = &g->rows[i];
        if (r->calibration || (kernel && strcmp(r->kernel, kernel))) continue;
        mean += error_of(r);
        errors[n] = fabs(error_of(r));
        within += errors[n++] <= GOAL_PERCENT;
    }
    if (!n) return;
    qsort(errors, n, sizeof *errors, by_size);
    printf("%-12s %4zu rows, %4zu within %d %%, median error %4.1f %%, worst %4.1f %%, mean %+5.1f %%\n",
           kernel ? kernel : "all", n, within, GOAL_PERCENT, errors[n / 2], errors[n - 1], mean / (double)n);
}

static bool summaries(const agreement *g, arena *a, diag *d) {
    double *errors = arena_push_n(a, double, g->count);
    if (!errors) return diag_oom(d, "errors");
    for (size_t i = 0; i < g->count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++) seen = seen || !strcmp(g->rows[k].kernel, g->rows[i].kernel);
        if (!seen) summary(g, g->rows[i].kernel, errors);
    }
    summary(g, NULL, errors);
    return true;
}

static bool json(const agreement *g, diag *d) {
    strbuf b = {0};
    for (size_t i = 0; i < g->count; i++) {
        const agreement_row *r = &g->rows[i];
        strbuf_addf(&b, "%s{\"kernel\": \"%s\", \"sizes\": ", i ? ",\n " : "[", r->kernel);
        strbuf_add_json(&b, str_from(r->label));
        strbuf_addf(&b,
                    ", \"predicted_cycles\": %.9g, \"simulated_cycles\": %.9g, \"error_percent\": %.4g, "
                    "\"calibration\": %s}",
                    r->predicted, r->simulated, error_of(r), r->calibration ? "true" : "false");
    }
    strbuf_adds(&b, "]\n");
    return output_print(&b, "rows", d);
}

static bool run(cli *c, const validate_kernels_args *args) {
    agreement g;
    isa_wafer w;
    char *root = api_root(c->memory, c->d);
    const char *path = root ? args->file : NULL;
    if (root && !path) path = arena_printf(c->memory, "%s/data/validation/kernels.json", root);
    if (!path || !api_machine(&w, "wse3", "vendor-sim", c->d) || !agreement_read(&g, c->memory, path, c->d))
        return false;
    if (!args->json && !args->summary)
        printf("%-12s %10s %10s %9s    sizes; * = more than %d %% apart\n", "kernel", "predicted", "simulated", "error",
               GOAL_PERCENT);
    for (size_t i = 0; i < g.count; i++) {
        if (!agreement_run(&g.rows[i], root, &w, c->d)) return false;
        if (!args->json && !args->summary) print_row(&g.rows[i]);
        fflush(stdout);
    }
    return args->json ? json(&g, c->d) : summaries(&g, c->memory, c->d);
}

int validate_kernels(cli *c, const validate_kernels_args *args) { return run(c, args) ? CLI_OK : CLI_FAILED; }
