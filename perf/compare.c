/* See compare.h. */
#include "perf/compare.h"
#include "base/units.h"
#include "perf/html.h"
#include <math.h>

static unit_text plain(double x) { return units_si(x, ""); }
static unit_text joules(double x) { return units_si(x, "J"); }
static unit_text watts(double x) { return units_si(x, "W"); }

static const struct {
    const char *title;
    size_t at; /* of a perf_range in perf_prediction */
    unit_text (*show)(double);
} metrics[] = {{"time to first token", offsetof(perf_prediction, ttft_s), units_seconds},
               {"time per token", offsetof(perf_prediction, tpot_s), units_seconds},
               {"tokens/s, one user", offsetof(perf_prediction, user_tok_s), plain},
               {"tokens/s, with prompts, all", offsetof(perf_prediction, total_tok_s), plain},
               {"power", offsetof(perf_prediction, watts), watts},
               {"energy per token", offsetof(perf_prediction, joules_per_token), joules},
               {"USD per million tokens", offsetof(perf_prediction, usd_per_mtok), plain}};
enum { METRICS = sizeof metrics / sizeof *metrics };

static perf_range range(const perf_compared *c, size_t m) {
    perf_range r = {0, 0, 0};
    if (c->p) memcpy(&r, (const char *)c->p + metrics[m].at, sizeof r);
    return r;
}

/* ---- the chart: a group of bars for each metric ---- */

enum { LABEL = 150, BAR = 420, LINE = 20, VALUE = 130, TITLE = 30, BELOW = 14 };

static void bar(const perf_compared *c, size_t m, double most, int y, strbuf *b) {
    perf_range r = range(c, m);
    double width = r.value / most * BAR, low = r.low / most * BAR, high = fmin(1, r.high / most) * BAR;
    strbuf_addf(b, "<text x='%d' y='%d' text-anchor='end'>", LABEL - 8, y + 14);
    html_text(b, c->machine);
    strbuf_adds(b, "</text>");
    if (!(r.value > 0)) {
        strbuf_addf(b, "<text x='%d' y='%d' fill='#888'>%s</text>\n", LABEL, y + 14,
                    c->p ? "no fact" : "no prediction");
        return;
    }
    strbuf_addf(b, "<rect x='%d' y='%d' width='%.1f' height='%d' fill='#6baed6'/>", LABEL, y, fmax(1, width), LINE - 4);
    strbuf_addf(b, "<path d='M%.1f %dH%.1f' stroke='#08306b'/>", LABEL + low, y + LINE / 2 - 2, LABEL + high);
    strbuf_addf(b, "<text x='%.1f' y='%d'>%s</text>\n", LABEL + fmax(width, high) + 8, y + 14,
                metrics[m].show(r.value).text);
}

static int group(const perf_compared *c, size_t count, size_t m, int y, strbuf *b) {
    double most = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, fmin(range(&c[i], m).high, 2 * range(&c[i], m).value));
    if (!(most > 0)) return y;
    strbuf_addf(b, "<text x='%d' y='%d' font-size='14'>%s</text>\n", LABEL, y + TITLE - 10, metrics[m].title);
    y += TITLE;
    for (size_t i = 0; i < count; i++, y += LINE) bar(&c[i], m, most, y, b);
    return y + BELOW;
}

void perf_compare_svg(const perf_compared *c, size_t count, strbuf *b) {
    strbuf bars = {0};
    int y = 0;
    for (size_t m = 0; m < METRICS; m++) y = group(c, count, m, y, &bars);
    strbuf_addf(b,
                "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' "
                "font-size='12'>\n<rect width='100%%' height='100%%' fill='white'/>\n",
                LABEL + BAR + VALUE, y + BELOW);
    if (bars.len) strbuf_add(b, bars.data, bars.len);
    strbuf_adds(b, "</svg>\n");
    b->oom = b->oom || bars.oom;
    strbuf_free(&bars);
}

/* ---- the page ---- */

static void table(const perf_compared *c, size_t count, strbuf *b) {
    strbuf_adds(b, "<table><tr><th>machine</th><th>systems</th>");
    for (size_t m = 0; m < METRICS; m++) strbuf_addf(b, "<th>%s</th>", metrics[m].title);
    strbuf_adds(b, "<th>bound by</th><th>weakest fact</th></tr>\n");
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(b, "<tr><td>");
        html_text(b, c[i].p ? c[i].p->machine->title : c[i].machine);
        if (!c[i].p) {
            strbuf_adds(b, "</td><td colspan='10'>");
            html_text(b, c[i].why);
            strbuf_adds(b, "</td></tr>\n");
            continue;
        }
        strbuf_addf(b, "</td><td>%.0f</td>", c[i].p->setup.systems);
        for (size_t m = 0; m < METRICS; m++) {
            perf_range r = range(&c[i], m);
            if (r.value > 0)
                strbuf_addf(b, "<td>%s<br><small>%s .. %s</small></td>", metrics[m].show(r.value).text,
                            metrics[m].show(r.low).text, metrics[m].show(r.high).text);
            else strbuf_adds(b, "<td>-</td>");
        }
        strbuf_addf(b, "<td>%s</td><td>%s</td></tr>\n", perf_limit_name(c[i].p->decode.binds, c[i].p->machine->class),
                    fact_kind_name(c[i].p->weakest));
    }
    strbuf_adds(b, "</table>\n");
}

void perf_compare_html(const perf_compared *c, size_t count, strbuf *b) {
    const perf_prediction *p = NULL;
    for (size_t i = 0; i < count && !p; i++) p = c[i].p;
    strbuf title = {0};
    strbuf_addf(&title, "%s on %zu machines", p ? p->shape->title : "A model", count);
    html_begin(b, title.data ? title.data : "");
    b->oom = b->oom || title.oom;
    strbuf_free(&title);
    if (p)
        strbuf_addf(b, "<p>%.0f prompt + %.0f generated tokens, batch %.0f</p>\n", p->load.prompt, p->load.generate,
                    p->load.batch);
    table(c, count, b);
    perf_compare_svg(c, count, b);
    html_end(b,
             "Bars: predictions; lines: the range of the published facts, not error bars: <code>ingot validate</code> "
             "has the errors.");
}
