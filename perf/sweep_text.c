/* Sweeps as CSV, JSON and a chart. */
#include "base/units.h"
#include "perf/sweep.h"
#include <math.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t offset;
} metrics[] = {
#define ROW(name) {#name, offsetof(perf_point, name)},
    SWEEP_METRICS(ROW)
#undef ROW
};
enum { METRICS = sizeof metrics / sizeof *metrics };

static double metric_at(const perf_point *p, size_t i) {
    double x;
    memcpy(&x, (const char *)p + metrics[i].offset, sizeof x);
    return x;
}

double perf_point_metric(const perf_point *p, const char *metric) {
    for (size_t i = 0; p->ok && i < METRICS; i++)
        if (!strcmp(metric, metrics[i].name)) return metric_at(p, i);
    return NAN;
}

void perf_sweep_csv(const perf_sweep *s, strbuf *b) {
    for (size_t i = 0; i < s->axis_count; i++) strbuf_addf(b, "%s,", s->axes[i].name);
    for (size_t i = 0; i < METRICS; i++) strbuf_addf(b, "%s,", metrics[i].name);
    strbuf_adds(b, "systems,tp,pp,ep,dp,memory_share,bound_by,user_tok_s_low,user_tok_s_high,total_tok_s_low,"
                   "total_tok_s_high,weakest_fact\n");
    for (size_t k = 0; k < s->count; k++) {
        const perf_point *p = &s->points[k];
        for (size_t i = 0; i < s->axis_count; i++) strbuf_addf(b, "%s,", s->axes[i].values[perf_sweep_index(s, k, i)]);
        for (size_t i = 0; i < METRICS; i++)
            if (p->ok) strbuf_addf(b, "%.6g,", metric_at(p, i));
            else strbuf_addc(b, ',');
        if (p->ok)
            strbuf_addf(b, "%.0f,%u,%u,%u,%u,%.6g,%s,%.6g,%.6g,%.6g,%.6g,%s\n", p->systems, p->tp, p->pp, p->ep, p->dp,
                        p->memory_share, p->binds, p->user.low, p->user.high, p->all.low, p->all.high,
                        fact_kind_name(p->weakest));
        else strbuf_adds(b, ",,,,,,no prediction,,,,,\n");
    }
}

void perf_sweep_json(const perf_sweep *s, strbuf *b) {
    for (size_t k = 0; k < s->count; k++) {
        const perf_point *p = &s->points[k];
        strbuf_adds(b, k ? ",\n{" : "[{");
        for (size_t i = 0; i < s->axis_count; i++) {
            strbuf_addf(b, "%s\"%s\": ", i ? ", " : "", s->axes[i].name);
            strbuf_add_json(b, str_from(s->axes[i].values[perf_sweep_index(s, k, i)]));
        }
        for (size_t i = 0; p->ok && i < METRICS; i++)
            strbuf_addf(b, ", \"%s\": %.9g", metrics[i].name, metric_at(p, i));
        if (p->ok)
            strbuf_addf(b,
                        ", \"systems\": %.0f, \"tp\": %u, \"pp\": %u, \"ep\": %u, \"dp\": %u, \"bound_by\": \"%s\", "
                        "\"user_tok_s_low\": %.9g, \"user_tok_s_high\": %.9g, \"total_tok_s_low\": %.9g, "
                        "\"total_tok_s_high\": %.9g, "
                        "\"weakest_fact\": \"%s\"}",
                        p->systems, p->tp, p->pp, p->ep, p->dp, p->binds, p->user.low, p->user.high, p->all.low,
                        p->all.high, fact_kind_name(p->weakest));
        else strbuf_adds(b, ", \"bound_by\": null}");
    }
    strbuf_adds(b, "]\n");
}

/* ---- the chart ---- */

enum { WIDTH = 860, HEIGHT = 480, LEFT = 80, RIGHT = 240, TOP = 40, BOTTOM = 60, LINES_MAX = 24 };

typedef struct {
    double x_min, x_max, y_min, y_max;
    bool x_log, y_log;
} frame;

static double at(double x, double min, double max, bool log_scale) {
    if (!(max > min)) return 0.5;
    return log_scale ? log(x / min) / log(max / min) : (x - min) / (max - min);
}

static double px(const frame *f, double x) {
    return LEFT + at(x, f->x_min, f->x_max, f->x_log) * (WIDTH - LEFT - RIGHT);
}
static double py(const frame *f, double y) {
    return HEIGHT - BOTTOM - at(y, f->y_min, f->y_max, f->y_log) * (HEIGHT - TOP - BOTTOM);
}

/* A value of the last axis as a number: its own, or its place when it is none. */
static double x_of(const perf_axis *x, size_t i) {
    char *end;
    double v = strtod(x->values[i], &end);
    return end == x->values[i] ? (double)i + 1 : v;
}

static frame frame_of(const perf_sweep *s, const char *metric) {
    const perf_axis *x = &s->axes[s->axis_count - 1];
    frame f = {INFINITY, -INFINITY, INFINITY, -INFINITY, true, true};
    for (size_t i = 0; i < x->count; i++) f.x_min = fmin(f.x_min, x_of(x, i)), f.x_max = fmax(f.x_max, x_of(x, i));
    for (size_t k = 0; k < s->count; k++) {
        double y = perf_point_metric(&s->points[k], metric);
        if (isfinite(y)) f.y_min = fmin(f.y_min, y), f.y_max = fmax(f.y_max, y);
    }
    f.x_log = f.x_min > 0 && f.x_max / f.x_min > 20;
    f.y_log = f.y_min > 0 && f.y_max / f.y_min > 20;
    if (!f.y_log) f.y_min = fmin(0, f.y_min);
    return f;
}

static void grid(const frame *f, strbuf *b) {
    for (int i = 0; i <= 4; i++) {
        double t = i / 4.0,
               y = f->y_log ? f->y_min * pow(f->y_max / f->y_min, t) : f->y_min + (f->y_max - f->y_min) * t;
        double x = f->x_log ? f->x_min * pow(f->x_max / f->x_min, t) : f->x_min + (f->x_max - f->x_min) * t;
        strbuf_addf(b, "<path d='M%d %.1fH%d' stroke='#ddd'/><text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", LEFT,
                    py(f, y), WIDTH - RIGHT, LEFT - 6, py(f, y) + 4, units_si(y, "").text);
        strbuf_addf(b, "<text x='%.1f' y='%d' text-anchor='middle'>%s</text>\n", px(f, x), HEIGHT - BOTTOM + 18,
                    units_si(x, "").text);
    }
}

static void escaped(strbuf *b, const char *text) {
    for (; *text; text++)
        if (*text == '<' || *text == '&' || *text == '>' || *text == '\'') strbuf_addf(b, "&#%d;", *text);
        else strbuf_addc(b, *text);
}

static void curve(const perf_sweep *s, const frame *f, const char *metric, size_t first, size_t number, strbuf *b) {
    static const char *const colors[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd",
                                         "#ff7f0e", "#17becf", "#8c564b", "#e377c2"};
    const perf_axis *x = &s->axes[s->axis_count - 1];
    const char *color = colors[number % 8], *move = "M";
    strbuf_addf(b, "<path fill='none' stroke='%s' stroke-width='2' d='", color);
    for (size_t i = 0; i < x->count; i++) {
        double y = perf_point_metric(&s->points[first + i], metric);
        if (!isfinite(y)) {
            move = "M";
            continue;
        }
        strbuf_addf(b, "%s%.1f %.1f", move, px(f, x_of(x, i)), py(f, y));
        move = "L";
    }
    strbuf_addf(b, "'/>\n<text x='%d' y='%zu' fill='%s'>", WIDTH - RIGHT + 14, TOP + 18 * number + 4, color);
    for (size_t i = 0; i + 1 < s->axis_count; i++) {
        if (i) strbuf_addc(b, ' ');
        escaped(b, s->axes[i].values[perf_sweep_index(s, first, i)]);
    }
    strbuf_adds(b, "</text>\n");
}

bool perf_sweep_svg(const perf_sweep *s, const char *metric, strbuf *b, diag *d) {
    bool known = false;
    for (size_t i = 0; i < METRICS; i++) known |= !strcmp(metric, metrics[i].name);
    if (!known) return diag_error(d, "no metric '%s'; the columns of the CSV are", metric);
    frame f = frame_of(s, metric);
    if (!(f.y_max >= f.y_min)) return diag_error(d, "nothing to draw: no point has a prediction");
    const perf_axis *x = &s->axes[s->axis_count - 1];
    strbuf_addf(
        b,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' font-size='12'>\n"
        "<rect width='100%%' height='100%%' fill='white'/>\n<text x='%d' y='22' font-size='14'>",
        WIDTH, HEIGHT, LEFT);
    escaped(b, metric);
    strbuf_addf(b, "</text>\n<text x='%d' y='%d' text-anchor='middle'>", (WIDTH - RIGHT + LEFT) / 2, HEIGHT - 16);
    escaped(b, x->name);
    strbuf_adds(b, "</text>\n");
    grid(&f, b);
    for (size_t k = 0, n = 0; k < s->count && n < LINES_MAX; k += x->count, n++) curve(s, &f, metric, k, n, b);
    strbuf_adds(b, "</svg>\n");
    return !b->oom || diag_oom(d, "chart");
}
