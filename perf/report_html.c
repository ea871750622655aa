/* A prediction as one self-contained page: totals, each limit alone, time by operator, bytes by level, roofline. No
 * script, no outside file; charts are SVG. */
#include "base/units.h"
#include "perf/html.h"
#include "perf/report_html.h"
#include <math.h>

enum { BAR_WIDTH = 420, BAR_HEIGHT = 18, LABEL = 180, ROOF_WIDTH = 700, ROOF_HEIGHT = 360, MARGIN = 60 };

static void row(strbuf *b, const char *name, const char *value) {
    strbuf_addf(b, "<tr><td>%s</td><td>%s</td></tr>\n", name, value);
}

static void range_row(strbuf *b, const char *name, perf_range r, unit_text (*show)(double)) {
    char cell[160];
    if (r.value > 0)
        snprintf(cell, sizeof cell, "%s <small>(%s .. %s)</small>", show(r.value).text, show(r.low).text,
                 show(r.high).text);
    else snprintf(cell, sizeof cell, "absent");
    row(b, name, cell);
}

static unit_text plain(double x) { return units_si(x, ""); }
static unit_text joules(double x) { return units_si(x, "J"); }
static unit_text watts(double x) { return units_si(x, "W"); }

/* ---- bars ---- */

static void bar(strbuf *b, int line, const char *name, double share, const char *value, const char *color) {
    int y = line * (BAR_HEIGHT + 4);
    strbuf_addf(b, "<text x='%d' y='%d' text-anchor='end'>", LABEL - 6, y + 14);
    html_text(b, name);
    strbuf_addf(b, "</text><rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/><text x='%.1f' y='%d'>%s</text>\n",
                LABEL, y, fmax(1, share * BAR_WIDTH), BAR_HEIGHT, color, LABEL + fmax(1, share * BAR_WIDTH) + 6, y + 14,
                value);
}

static void open_chart(strbuf *b, const char *title, int lines) {
    strbuf_addf(b, "<h3>%s</h3>\n<svg width='%d' height='%d'>\n", title, LABEL + BAR_WIDTH + 160,
                lines * (BAR_HEIGHT + 4) + 4);
}

static void limits(const perf_prediction *p, const perf_phase *f, const char *title, strbuf *b) {
    open_chart(b, title, PERF_LIMITS);
    for (int l = 0; l < PERF_LIMITS; l++)
        bar(b, l, perf_limit_name((perf_limit)l, p->machine->class), fmin(1, f->limit_s[l] / f->seconds),
            units_seconds(f->limit_s[l]).text, f->binds == (perf_limit)l ? "#d62728" : "#9ecae1");
    strbuf_adds(b, "</svg>\n");
}

static void operators(const perf_phase *f, const char *title, strbuf *b) {
    double most = 1e-30;
    for (size_t i = 0; i < f->op_count; i++) most = fmax(most, f->ops[i].seconds);
    open_chart(b, title, (int)f->op_count);
    for (size_t i = 0; i < f->op_count; i++)
        bar(b, (int)i, f->ops[i].name, f->ops[i].seconds / most, units_seconds(f->ops[i].seconds).text, "#6baed6");
    strbuf_adds(b, "</svg>\n");
}

static void bytes(const perf_prediction *p, strbuf *b) {
    const perf_phase *f = &p->decode;
    const struct {
        const char *name;
        double bytes;
    } levels[] = {{perf_limit_name(PERF_MEMORY, p->machine->class), f->memory_bytes},
                  {p->machine->class == PERF_WAFER ? "fabric, x hops" : "links", f->link_bytes},
                  {perf_limit_name(PERF_IO, p->machine->class), f->io_bytes},
                  {"between systems", f->crossing_bytes}};
    open_chart(b, "Bytes of a decoding step, logarithmic", 4);
    for (int i = 0; i < 4; i++)
        bar(b, i, levels[i].name, levels[i].bytes > 1 ? log10(levels[i].bytes) / 18 : 0,
            levels[i].bytes > 0 ? units_bytes(levels[i].bytes).text : "-", "#74c476");
    strbuf_adds(b, "</svg>\n");
}

/* ---- roofline ---- */

typedef struct {
    double x_min, x_max, y_min, y_max;
} frame;

static double px(const frame *f, double x) {
    return MARGIN + log(fmax(x, f->x_min) / f->x_min) / log(f->x_max / f->x_min) * (ROOF_WIDTH - MARGIN - 50);
}
static double py(const frame *f, double y) {
    return ROOF_HEIGHT - 40 - log(fmax(y, f->y_min) / f->y_min) / log(f->y_max / f->y_min) * (ROOF_HEIGHT - 60);
}

static void dots(const perf_phase *p, const frame *f, const char *color, strbuf *b) {
    for (size_t i = 0; i < p->op_count; i++) {
        const perf_op_cost *o = &p->ops[i];
        if (!(o->flops > 0 && o->memory_bytes > 0 && o->seconds > 0)) continue;
        strbuf_addf(b, "<circle cx='%.1f' cy='%.1f' r='4' fill='%s'><title>", px(f, o->flops / o->memory_bytes),
                    py(f, o->flops / o->seconds), color);
        html_text(b, o->name);
        strbuf_adds(b, "</title></circle>\n");
    }
}

void perf_prediction_svg(const perf_prediction *p, strbuf *b) {
    const perf_machine *m = p->machine;
    double n = m->class == PERF_WAFER ? p->setup.systems : (double)p->setup.tp * p->setup.pp;
    double peak = n * m->flops_fp16_per_s.value, rate = n * m->mem_bw_bytes_per_s.value;
    frame f = {0.01, 1e5, peak / 1e7, peak * 4};
    strbuf_addf(
        b,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' "
        "font-size='12'>\n<rect width='100%%' height='100%%' fill='white'/>\n<text x='%d' y='14'>FLOP/s over FLOP "
        "per byte; 16-bit peak %s, memory %s; red: prompt, blue: decoding</text>\n",
        ROOF_WIDTH, ROOF_HEIGHT, MARGIN, units_si(peak, "FLOP/s").text, units_si(rate, "B/s").text);
    strbuf_addf(b, "<path fill='none' stroke='black' d='M%.1f %.1fL%.1f %.1fL%.1f %.1f'/>\n", px(&f, f.x_min),
                py(&f, f.x_min * rate), px(&f, peak / rate), py(&f, peak), px(&f, f.x_max), py(&f, peak));
    for (double x = f.x_min; x <= f.x_max * 1.01; x *= 10)
        strbuf_addf(b, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", px(&f, x), ROOF_HEIGHT - 20, x);
    for (double y = peak; y >= f.y_min; y /= 100)
        strbuf_addf(b, "<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", MARGIN - 4, py(&f, y) + 4,
                    units_si(y, "").text);
    dots(&p->prefill, &f, "#d62728", b);
    dots(&p->decode, &f, "#1f77b4", b);
    strbuf_adds(b, "</svg>\n");
}

/* ---- the page ---- */

static void facts_table(const perf_prediction *p, strbuf *b) {
    const perf_row *r;
    strbuf_adds(b,
                "<h3>Facts of the machine</h3>\n<table><tr><th>value</th><th></th><th>kind</th><th>source</th></tr>\n");
    for (size_t i = 0; (r = perf_machine_row(i)); i++) {
        const perf_value *v = perf_machine_value(p->machine, r);
        if (!v->given) continue;
        strbuf_addf(b, "<tr><td>%s</td><td>%.6g %s</td><td>%s</td><td>", r->name, v->value,
                    perf_dimension_unit(r->dimension), fact_kind_name(v->kind));
        html_text(b, v->source);
        strbuf_adds(b, "</td></tr>\n");
    }
    strbuf_adds(b, "</table>\n");
}

void perf_prediction_html(const perf_prediction *p, strbuf *b) {
    strbuf title = {0};
    strbuf_addf(&title, "%s on %s", p->shape->title, p->machine->title);
    html_begin(b, title.data ? title.data : "");
    b->oom = b->oom || title.oom;
    strbuf_free(&title);
    strbuf_addf(b,
                "<p>%.0f prompt + %.0f generated tokens, batch %.0f; %.0f system(s), bound by %s; weakest fact "
                "behind that: %s</p>\n<table>\n",
                p->load.prompt, p->load.generate, p->load.batch, p->setup.systems,
                perf_limit_name(p->decode.binds, p->machine->class), fact_kind_name(p->weakest));
    range_row(b, "time to first token", p->ttft_s, units_seconds);
    range_row(b, "time per token", p->tpot_s, units_seconds);
    range_row(b, "tokens/s, one user", p->user_tok_s, plain);
    range_row(b, "tokens/s, with prompts, all", p->total_tok_s, plain);
    range_row(b, "power", p->watts, watts);
    range_row(b, "energy per token", p->joules_per_token, joules);
    range_row(b, "USD per million tokens", p->usd_per_mtok, plain);
    strbuf_adds(b, "</table>\n");
    limits(p, &p->prefill, "Prompt: each limit alone", b);
    limits(p, &p->decode, "Decoding step: each limit alone", b);
    operators(&p->decode, "Decoding step: time by operator", b);
    operators(&p->prefill, "Prompt: time by operator", b);
    bytes(p, b);
    strbuf_adds(b, "<h3>Roofline</h3>\n");
    perf_prediction_svg(p, b);
    facts_table(p, b);
    html_end(b, "Ranges are those of the published facts, not error bars; <code>ingot validate</code> has the errors.");
}
