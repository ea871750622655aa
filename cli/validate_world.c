/* Rows, then one line per machine and metric with the median and the worst error, then what is out of scope and why. */
#include "cli/validate_world.h"
#include "cli/output.h"
#include "base/file.h"
#include "perf/validate.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool same_group(const perf_judged *a, const perf_judged *b) {
    return !strcmp(a->group, b->group) && !strcmp(a->machine, b->machine) && !strcmp(a->metric, b->metric);
}

typedef struct {
    size_t count;
    double median, worst, bias;
} errors;

/* Of the rows of `set` that `like` stands for (NULL: all of a group name; NULL too: all). */
static errors errors_of(const perf_validation *v, const perf_judged *like, const char *group, perf_row_set set,
                        double *room) {
    errors e = {0};
    double sum = 0;
    for (size_t i = 0; i < v->count; i++) {
        const perf_judged *j = &v->rows[i];
        if (j->set != set || (like && !same_group(j, like)) || (group && strcmp(j->group, group))) continue;
        room[e.count++] = fabs(j->error);
        sum += j->error;
    }
    if (!e.count) return e;
    qsort(room, e.count, sizeof *room, by_size);
    e.median = e.count % 2 ? room[e.count / 2] : (room[e.count / 2 - 1] + room[e.count / 2]) / 2;
    e.worst = room[e.count - 1];
    e.bias = sum / (double)e.count;
    return e;
}

static const char *set_name(perf_row_set s) {
    return s == ROW_TEST ? "test" : s == ROW_CALIBRATION ? "calibration" : "out";
}

static void summary_line(const char *group, const char *machine, const char *metric, perf_row_set set, errors e) {
    printf("%-10s %-12s %-34.34s %-12s %5zu rows  median %6.1f %%  worst %8.1f %%  mean %+7.1f %%\n", group, machine,
           metric, set_name(set), e.count, 100 * e.median, 100 * e.worst, 100 * e.bias);
}

static void summaries(const perf_validation *v, double *room) {
    for (perf_row_set set = ROW_TEST; set <= ROW_CALIBRATION; set++)
        for (size_t i = 0; i < v->count; i++) {
            const perf_judged *j = &v->rows[i];
            bool seen = j->set != set;
            for (size_t k = 0; k < i && !seen; k++) seen = v->rows[k].set == set && same_group(&v->rows[k], j);
            if (!seen) summary_line(j->group, j->machine, j->metric, set, errors_of(v, j, NULL, set, room));
        }
    static const char *const groups[] = {"operation", "serving", "queues", "published"};
    for (size_t g = 0; g < 4; g++) {
        errors e = errors_of(v, NULL, groups[g], ROW_TEST, room);
        if (e.count) summary_line(groups[g], "ALL", "", ROW_TEST, e);
    }
}

static void out_of_scope(const perf_validation *v, bool rows) {
    size_t count = 0;
    for (size_t i = 0; i < v->count; i++) count += v->rows[i].set == ROW_OUT;
    if (count) printf("out of scope: %zu rows\n", count);
    for (size_t i = 0; i < v->count; i++) {
        const perf_judged *j = &v->rows[i];
        if (j->set != ROW_OUT) continue;
        size_t before = 0, same = 0;
        for (size_t k = 0; k < v->count; k++)
            if (v->rows[k].set == ROW_OUT && !strcmp(v->rows[k].reason, j->reason) &&
                !strcmp(v->rows[k].file, j->file)) {
                if (k < i) before++;
                same++;
            }
        if (rows) printf("  %s %s: %s\n", j->file, j->id, j->reason);
        else if (!before) printf("  %5zu of %s, first %s: %s\n", same, j->file, j->id, j->reason);
    }
    for (size_t i = 0; i < v->skipped_count; i++)
        printf("  %s: its columns are none that can be judged\n", v->skipped[i]);
}

static void row_lines(const perf_validation *v) {
    for (size_t i = 0; i < v->count; i++) {
        const perf_judged *j = &v->rows[i];
        if (j->set == ROW_OUT) continue;
        printf("%-24s %-10s %-11s %-18.18s %c%11.5g %11.5g %-9.9s %+8.1f %% %c  %.60s\n", j->file, j->id, j->machine,
               j->metric, j->qualifier == '=' ? ' ' : j->qualifier, j->published, j->predicted, j->unit, 100 * j->error,
               j->confidence, j->set == ROW_CALIBRATION ? "(calibration)" : j->what);
    }
}

static bool print_json(const perf_validation *v, diag *d) {
    strbuf b = {0};
    strbuf_adds(&b, "[");
    for (size_t i = 0; i < v->count; i++) {
        const perf_judged *j = &v->rows[i];
        strbuf_addf(&b, "%s\n{\"file\": \"%s\", \"id\": ", i ? "," : "", j->file);
        strbuf_add_json(&b, str_from(j->id));
        strbuf_addf(&b, ", \"group\": \"%s\", \"set\": \"%s\", \"confidence\": \"%c\", \"machine\": ", j->group,
                    set_name(j->set), j->confidence);
        strbuf_add_json(&b, str_from(j->machine));
        strbuf_adds(&b, ", \"metric\": ");
        strbuf_add_json(&b, str_from(j->metric));
        strbuf_adds(&b, ", \"what\": ");
        strbuf_add_json(&b, str_from(j->what));
        strbuf_addf(&b, ", \"published\": %.9g, \"predicted\": %.9g, \"error\": %.6g, \"reason\": ", j->published,
                    j->set == ROW_OUT || !isfinite(j->predicted) ? 0 : j->predicted, j->error);
        strbuf_add_json(&b, str_from(j->reason));
        strbuf_addc(&b, '}');
    }
    strbuf_adds(&b, "]\n");
    return output_print(&b, "JSON", d);
}

int validate_world(cli *c, const validate_world_args *a) {
    char *data = a->dir ? NULL : perf_data_dir(c->memory, c->d);
    const char *dir = a->dir ? a->dir : data ? path_join(c->memory, data, "validation") : NULL;
    perf_validation v;
    if (data && !dir) diag_oom(c->d, data);
    if (!dir || !perf_validate_dir(&v, c->memory, dir, c->d)) return CLI_FAILED;
    if (a->json) return print_json(&v, c->d) ? CLI_OK : CLI_FAILED;
    double *room = arena_push_n(c->memory, double, v.count + 1);
    if (!room) return diag_oom(c->d, "errors"), CLI_FAILED;
    if (!a->summary) row_lines(&v);
    summaries(&v, room);
    out_of_scope(&v, a->rows_out);
    return CLI_OK;
}
