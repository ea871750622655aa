/* The rows of agreement.h, read from their file and multiplied out. */
#include "cluster/agreement.h"
#include "base/file.h"
#include <jansson.h>
#include <math.h>

/* Words, until the sizes that they follow from are known. */
static const char *const words[] = {"middle", "even", "whole", "all"};
enum { MIDDLE = -1, EVEN = -2, WHOLE = -3, ALL = -4, WORDS = 4 };

static bool value_of(double *out, const json_t *v, const char *path, const char *name, diag *d) {
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= 1 << 30)
        return *out = (double)json_integer_value(v), true;
    for (int i = 0; json_is_string(v) && i < WORDS; i++)
        if (!strcmp(json_string_value(v), words[i])) return *out = -1 - i, true;
    return diag_error(d, "%s: '%s' must be a whole number from 0, one of middle, even, whole, all, or a list of these",
                      path, name);
}

static void follow(double *v, double line, double all) {
    if (*v == MIDDLE) *v = floor(line / 2);
    if (*v == EVEN) *v = fmax(1, round(0.8 * sqrt(line)));
    if (*v == WHOLE) *v = line;
    if (*v == ALL) *v = all;
}

static bool settle(perf_kernel_sizes *s, const char *path, diag *d) {
    double rows = s->unit_rows > 0 ? s->unit_rows : s->height;
    follow(&s->root_x, s->width, 0);
    follow(&s->root_y, rows, 0);
    follow(&s->row_group, s->width, 0);
    follow(&s->column_group, rows, 0);
    follow(&s->d, s->width, s->width * s->d_tile);
    follow(&s->vocab, s->height, s->height * s->vocab_tile);
    follow(&s->panels, s->width, s->width * s->height);
    follow(&s->before, 0, s->slots * s->unit_rows * s->width - s->positions);
    for (size_t i = 0; perf_kernel_size_name(i); i++)
        if (*perf_kernel_size(s, perf_kernel_size_name(i)) < 0)
            return diag_error(d, "%s: '%s' cannot follow from other sizes", path, perf_kernel_size_name(i));
    return true;
}

static const char *label_of(arena *a, perf_kernel_sizes *s, const json_t *o) {
    const char *text = "";
    for (size_t i = 0; text && perf_kernel_size_name(i); i++) {
        const char *name = perf_kernel_size_name(i);
        if (json_object_get(o, name) && strcmp(name, "scale_bits"))
            text = arena_printf(a, "%s%s%s=%.0f", text, *text ? " " : "", name, *perf_kernel_size(s, name));
    }
    return text;
}

typedef struct {
    agreement *g;
    arena *a;
    const char *file, *kernel;
    json_t *object;
    bool calibration;
    size_t first; /* row of this object */
    diag *d;
} reading;

/* Words may give the same sizes twice; the line of one PE has its middle at its end. */
static bool add(reading *r, perf_kernel_sizes s) {
    if (!settle(&s, r->file, r->d)) return false;
    for (size_t i = r->first; i < r->g->count; i++)
        if (!memcmp(&r->g->rows[i].sizes, &s, sizeof s)) return true;
    if (r->g->count == AGREEMENT_ROWS_MAX)
        return diag_error(r->d, "%s: more than %d rows", r->file, AGREEMENT_ROWS_MAX);
    agreement_row *row = &r->g->rows[r->g->count++];
    *row = (agreement_row){.kernel = r->kernel, .sizes = s, .calibration = r->calibration};
    return (row->label = label_of(r->a, &s, r->object)) || diag_oom(r->d, r->file);
}

/* All values of the i-th size, each with all of those behind it. */
static bool multiply(reading *r, size_t i, perf_kernel_sizes s) {
    const char *name = perf_kernel_size_name(i);
    if (!name) return add(r, s);
    const json_t *v = json_object_get(r->object, name);
    if (!v) return multiply(r, i + 1, s);
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t k = 0; k < n; k++)
        if (!value_of(perf_kernel_size(&s, name), json_is_array(v) ? json_array_get(v, k) : v, r->file, name, r->d) ||
            !multiply(r, i + 1, s))
            return false;
    return true;
}

/* ---- models ---- */

static uint32_t count_of(const json_t *o, const char *name, uint32_t otherwise) {
    json_int_t v = json_integer_value(json_object_get(o, name));
    return v > 0 && v < 1 << 20 ? (uint32_t)v : otherwise;
}

/* A model's sizes are numbers, not lists: each is a run of some seconds. */
static bool check_model(reading *r) {
    const char *name;
    json_t *v;
    json_object_foreach(r->object, name, v) {
        if (json_is_array(v) || json_is_real(v))
            return diag_error(r->d, "%s: kernel transformer: \"%s\" must be one whole number", r->file, name);
    }
    return true;
}

static bool add_model(reading *r) {
    const json_t *o = r->object;
    if (!check_model(r)) return false;
    const char *family = json_string_value(json_object_get(o, "family"));
    const synth_options *preset = family ? synth_preset(str_from(family)) : NULL;
    if (!preset) return diag_error(r->d, "%s: kernel transformer needs \"family\": llama, qwen3, ...", r->file);
    if (r->g->count == AGREEMENT_ROWS_MAX)
        return diag_error(r->d, "%s: more than %d rows", r->file, AGREEMENT_ROWS_MAX);
    agreement_row *row = &r->g->rows[r->g->count++];
    *row = (agreement_row){.kernel = r->kernel, .model = *preset, .calibration = r->calibration};
    synth_options *m = &row->model;
    m->layers = count_of(o, "layers", m->layers), m->width = count_of(o, "width", m->width);
    m->heads = count_of(o, "heads", m->heads), m->kv_heads = count_of(o, "kv_heads", m->kv_heads);
    m->head_size = count_of(o, "head_size", m->head_size), m->mlp_width = count_of(o, "mlp", m->mlp_width);
    m->vocab = count_of(o, "vocab", m->vocab), m->context = 64;
    row->plan = (plan_options){.context = 48,
                               .policy = "compact",
                               .columns = count_of(o, "columns", 0),
                               .unit_rows = count_of(o, "unit_rows", 0),
                               .streamed = json_is_true(json_object_get(o, "streamed"))};
    row->label =
        arena_printf(r->a, "%s %ux%u heads=%ux%ux%u mlp=%u%s columns=%u unit_rows=%u", family, m->layers, m->width,
                     m->kv_heads, m->heads / (m->kv_heads ? m->kv_heads : 1), m->head_size, m->mlp_width,
                     row->plan.streamed ? " streamed" : "", row->plan.columns, row->plan.unit_rows);
    return row->label || diag_oom(r->d, r->file);
}

/* ---- the file ---- */

static bool add_object(reading *r) {
    const json_t *kernel = json_object_get(r->object, "kernel");
    r->kernel = json_is_string(kernel) ? arena_printf(r->a, "%s", json_string_value(kernel)) : NULL;
    if (!r->kernel) return diag_error(r->d, "%s: a row needs \"kernel\": a folder of kernels/", r->file);
    r->calibration = json_is_true(json_object_get(r->object, "calibration"));
    r->first = r->g->count;
    if (!strcmp(r->kernel, "transformer")) return add_model(r);
    if (isnan(perf_kernel_cycles(r->kernel, &(perf_kernel_sizes){.width = 1, .height = 1})))
        return diag_error(r->d, "%s: no kernel '%s'; perf/wafer_kernels.c has the formulas", r->file, r->kernel);
    return multiply(r, 0, (perf_kernel_sizes){0});
}

bool agreement_parse(agreement *g, arena *a, const char *name, str text, diag *d) {
    json_error_t why;
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
    if (!root) return diag_error(d, "%s:%d: %s", name, why.line, why.text);
    json_t *list = json_object_get(root, "rows");
    *g = (agreement){.rows = arena_push_n(a, agreement_row, AGREEMENT_ROWS_MAX)};
    bool ok = g->rows || diag_oom(d, name);
    if (ok && !json_array_size(list)) ok = diag_error(d, "%s: expected a list of objects under \"rows\"", name);
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        reading r = {.g = g, .a = a, .file = name, .object = json_array_get(list, i), .d = d};
        ok = add_object(&r);
    }
    json_decref(root);
    return ok;
}

bool agreement_read(agreement *g, arena *a, const char *path, diag *d) {
    str text;
    return file_read_all(a, path, 1 << 20, &text, d) && agreement_parse(g, a, path, text, d);
}
