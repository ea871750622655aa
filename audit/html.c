/* A report as one self-contained page: verdict, buckets, timeline, roofline, tables, what-ifs. No script, no outside
 * file; charts are SVG. Everything that comes from a trace is escaped. */
#include "audit/audit.h"
#include "audit/facts.h"
#include "base/units.h"
#include <math.h>

enum {
    WIDTH = 960,
    BAR_HEIGHT = 34,
    LANE_HEIGHT = 22,
    LABEL = 110,
    ROOF_WIDTH = 860,
    ROOF_HEIGHT = 400,
    MARGIN = 70,
    NAME_MAX_BYTES = 160
};

static void text_of(strbuf *b, const char *s) {
    size_t n = strlen(s),
           cut = n > NAME_MAX_BYTES ? NAME_MAX_BYTES - utf8_incomplete_tail((str){s, NAME_MAX_BYTES}) : n;
    for (size_t i = 0; i < cut;) {
        uint32_t cp;
        size_t len = utf8_decode((str){s, cut}, i, &cp);
        if (!len || cp < ' ' || cp == 127) strbuf_adds(b, "&#65533;"), i += len ? len : 1;
        else if (strchr("<>&\"'", s[i])) strbuf_addf(b, "&#%d;", s[i]), i++;
        else strbuf_add(b, s + i, len), i += len;
    }
    if (cut < n) strbuf_adds(b, " ...");
}

static unit_text ms(double ns) { return units_seconds(ns / 1e9); }

/* ---- head ---- */

static void style(strbuf *b) {
    strbuf_adds(
        b,
        "<style>body{font:14px "
        "sans-serif;margin:24px;max-width:1100px;color:#222}table{border-collapse:collapse;margin:6px 0 18px}"
        "td,th{padding:2px "
        "9px;text-align:right;white-space:nowrap}td:first-child,th:first-child,.l{text-align:left!important}"
        "td:first-child{max-width:460px;overflow:hidden;text-overflow:ellipsis}tr:nth-child(even){background:#f6f6f6}"
        "svg text{font:12px sans-serif}.k{display:inline-block;width:11px;height:11px;margin:0 4px 0 14px}"
        "small{color:#666}h1{font-size:21px}h2{font-size:16px;margin:26px 0 6px}.v{padding:10px 14px;border-left:8px "
        "solid;background:#f6f6f6}</style>");
}

static const char *verdict_colour(const audit_report *r) {
    int status = audit_exit_status(r, -1);
    return status == AUDIT_EXIT_WALL ? "#d62728" : status == AUDIT_EXIT_UNDECIDED ? "#bcbd22" : "#2ca02c";
}

static void head(const audit_report *r, strbuf *b) {
    strbuf verdict = {0};
    audit_verdict_text(r, &verdict);
    strbuf_adds(b, "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>audit: ");
    text_of(b, r->input);
    strbuf_adds(b, "</title>");
    style(b);
    strbuf_addf(b, "</head><body><h1>Is it the memory wall?</h1>\n<div class='v' style='border-color:%s'><b>",
                verdict_colour(r));
    text_of(b, verdict.data ? verdict.data : "");
    strbuf_adds(b, "</b>");
    strbuf_free(&verdict);
    if (r->verdict != AUDIT_NO_DEVICE)
        strbuf_addf(b,
                    "<br>Moving data takes <b>%.0f&nbsp;%%</b> of %s (at least %.0f&nbsp;%%, at most %.0f&nbsp;%%); "
                    "the wall is at 50&nbsp;%%.",
                    100 * r->best, ms((double)r->total_ns).text, 100 * r->lo, 100 * r->hi);
    strbuf_adds(b, "</div>\n<p>");
    const char *parts[] = {r->input, r->format, r->device, r->window};
    for (size_t i = 0, any = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!*parts[i]) continue;
        strbuf_adds(b, any++ ? " &middot; " : "");
        text_of(b, parts[i]);
    }
    strbuf_adds(b, "</p>\n");
}

/* ---- buckets: one bar, with lo, best and hi marked ---- */

static void legend(const audit_report *r, strbuf *b) {
    strbuf_adds(b, "<p>");
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++)
        if (r->bucket_ns[k])
            strbuf_addf(b, "<span class='k' style='background:%s'></span>%s %.1f&nbsp;%% <small>%s</small>",
                        audit_bucket_colour(k), audit_bucket_name(k, r->kind), 100 * r->share[k],
                        ms((double)r->bucket_ns[k]).text);
    strbuf_adds(b, "</p>\n");
}

static void mark(strbuf *b, double share, const char *name, int y) {
    strbuf_addf(b,
                "<path d='M%.1f 0V%d' stroke='black' stroke-dasharray='3 2'/><text x='%.1f' y='%d' "
                "text-anchor='middle'>%s %.0f %%</text>",
                share * WIDTH, BAR_HEIGHT + 4, fmin(WIDTH - 40, fmax(40, share * WIDTH)), y, name, 100 * share);
}

static void buckets(const audit_report *r, strbuf *b) {
    double x = 0;
    strbuf_addf(b, "<h2>Where the time goes</h2>\n<svg width='%d' height='%d'>", WIDTH + 20, BAR_HEIGHT + 54);
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++) {
        strbuf_addf(b, "<rect x='%.1f' y='0' width='%.2f' height='%d' fill='%s'><title>%s: %s</title></rect>", x,
                    r->share[k] * WIDTH, BAR_HEIGHT, audit_bucket_colour(k), audit_bucket_name(k, r->kind),
                    audit_bucket_what(k));
        x += r->share[k] * WIDTH;
    }
    strbuf_addf(b, "<path d='M%.1f 0V%d' stroke='black' stroke-width='2'/>", 0.5 * WIDTH, BAR_HEIGHT);
    mark(b, r->lo, "at least", BAR_HEIGHT + 17);
    mark(b, r->best, "best", BAR_HEIGHT + 32);
    mark(b, r->hi, "at most", BAR_HEIGHT + 47);
    strbuf_adds(b, "</svg>\n");
    legend(r, b);
}

/* ---- timeline ---- */

static void timeline(const audit_report *r, strbuf *b) {
    int64_t end = 1;
    if (!r->lane_count) return;
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].count && r->lanes[i].pieces[r->lanes[i].count - 1].end_ns > end)
            end = r->lanes[i].pieces[r->lanes[i].count - 1].end_ns;
    strbuf_addf(b,
                "<h2>Timeline <small>(%s; each pixel shows what takes most of it; white is idle)</small></h2>\n<svg "
                "width='%d' height='%zu'>\n",
                ms((double)end).text, LABEL + WIDTH, r->lane_count * (LANE_HEIGHT + 4) + 22);
    for (size_t i = 0; i < r->lane_count; i++) {
        size_t y = i * (LANE_HEIGHT + 4);
        strbuf_addf(b, "<text x='%d' y='%zu' text-anchor='end'>", LABEL - 6, y + 15);
        text_of(b, r->lanes[i].name);
        strbuf_addf(b, "</text><rect x='%d' y='%zu' width='%d' height='%d' fill='white' stroke='#ddd'/>\n", LABEL, y,
                    WIDTH - 10, LANE_HEIGHT);
        for (size_t k = 0; k < r->lanes[i].count; k++) {
            const audit_piece *p = &r->lanes[i].pieces[k];
            double scale = (WIDTH - 10) / (double)end;
            strbuf_addf(b, "<rect x='%.2f' y='%zu' width='%.2f' height='%d' fill='%s'/>",
                        LABEL + (double)p->start_ns * scale, y, (double)(p->end_ns - p->start_ns) * scale, LANE_HEIGHT,
                        audit_bucket_colour(p->bucket));
        }
        strbuf_addc(b, '\n');
    }
    for (int i = 0; i <= 4; i++)
        strbuf_addf(b, "<text x='%d' y='%zu' text-anchor='%s'>%s</text>", LABEL + i * (WIDTH - 10) / 4,
                    r->lane_count * (LANE_HEIGHT + 4) + 14,
                    i == 4 ? "end"
                    : i    ? "middle"
                           : "start",
                    ms((double)end * i / 4).text);
    strbuf_adds(b, "</svg>\n");
}

/* ---- roofline ---- */

typedef struct {
    double x_min, x_max, y_min, y_max;
} frame;

static double px(const frame *f, double x) {
    return MARGIN +
           log(fmin(f->x_max, fmax(x, f->x_min)) / f->x_min) / log(f->x_max / f->x_min) * (ROOF_WIDTH - MARGIN - 20);
}
static double py(const frame *f, double y) {
    return ROOF_HEIGHT - 44 -
           log(fmin(f->y_max, fmax(y, f->y_min)) / f->y_min) / log(f->y_max / f->y_min) * (ROOF_HEIGHT - 64);
}

/* Labels so far: a new one goes below those that it would cover. */
typedef struct {
    double x[AUDIT_LIST_MAX], y[AUDIT_LIST_MAX];
    int count;
} labels;

static double label_y(labels *l, double x, double y) {
    for (int i = 0; i < l->count; i++)
        if (fabs(l->x[i] - x) < 160 && fabs(l->y[i] - y) < 13) y = l->y[i] + 13, i = -1;
    if (l->count < AUDIT_LIST_MAX) l->x[l->count] = x, l->y[l->count++] = y;
    return y;
}

static void dot(const audit_report *r, const frame *f, const audit_row *row, labels *l, strbuf *b) {
    audit_bucket most = row->bucket_ns[AUDIT_MEMORY] > row->bucket_ns[AUDIT_COMPUTE] ? AUDIT_MEMORY : AUDIT_COMPUTE;
    double seconds = (double)row->known_ns / 1e9, flops = row->flops,
           size = 3 + 14 * sqrt((double)row->ns / (double)r->total_ns);
    double x = px(f, flops / row->bytes), y = py(f, flops / seconds);
    strbuf_addf(b, "<circle cx='%.1f' cy='%.1f' r='%.1f' fill='%s' fill-opacity='.7'><title>", x, y, fmin(size, 20),
                audit_bucket_colour(most));
    text_of(b, row->name);
    strbuf_addf(b, ": %s, %.3g FLOP/B, %s, %s</title></circle>", ms((double)row->ns).text, flops / row->bytes,
                units_si(flops / seconds, "FLOP/s").text, units_si(row->bytes / seconds, "B/s").text);
    if ((double)row->ns < 0.04 * (double)r->total_ns) return;
    strbuf_addf(b, "<text x='%.1f' y='%.1f'>", x + size + 3, label_y(l, x, y + 4));
    text_of(b, row->name);
    strbuf_adds(b, "</text>\n");
}

static void axes(const audit_report *r, const frame *f, strbuf *b) {
    double peak = r->peak_flops_per_s, rate = r->memory_bytes_per_s;
    for (int i = 0; i <= 6; i++) { /* six decades each way: see roofline() */
        double x = f->x_min * pow(10, i), y = f->y_max * pow(10, -i);
        strbuf_addf(b, "<path d='M%.1f 20V%d' stroke='#eee'/><text x='%.1f' y='%d' text-anchor='middle'>%g</text>",
                    px(f, x), ROOF_HEIGHT - 44, px(f, x), ROOF_HEIGHT - 26, x);
        strbuf_addf(b, "<path d='M%d %.1fH%d' stroke='#eee'/><text x='%d' y='%.1f' text-anchor='end'>%s</text>", MARGIN,
                    py(f, y), ROOF_WIDTH - 20, MARGIN - 4, py(f, y) + 4, units_si(y, "").text);
    }
    strbuf_addf(b, "<path fill='none' stroke='black' stroke-width='2' d='M%.1f %.1fL%.1f %.1fL%.1f %.1f'/>",
                px(f, fmax(f->x_min, f->y_min / rate)), py(f, fmax(f->x_min, f->y_min / rate) * rate),
                px(f, peak / rate), py(f, peak), px(f, f->x_max), py(f, peak));
    strbuf_addf(b,
                "<text x='%d' y='%d' text-anchor='middle'>FLOP per byte (ridge %.0f)</text><text x='%d' y='12'>FLOP/s "
                "(peak %s, memory %s)</text>\n",
                ROOF_WIDTH / 2, ROOF_HEIGHT - 6, peak / rate, MARGIN, units_si(peak, "").text,
                units_si(rate, "B/s").text);
}

static bool plotted(const audit_row *row) { return row->flops > 0 && row->bytes > 0 && row->known_ns > row->ns / 2; }

/* The table that says most: kernels' and modules' rows are the operators' in other words. */
static const audit_table *plot_table(const audit_report *r) {
    const audit_table *best = NULL;
    int64_t most = 0;
    for (size_t i = 0; i < r->table_count; i++) {
        int64_t ns = 0;
        for (size_t k = 0; k < r->tables[i].count; k++)
            ns = ns_add(ns, plotted(&r->tables[i].rows[k]) ? r->tables[i].rows[k].ns : 0);
        if (!strcmp(r->tables[i].unit, "operator")) ns = ns_add(ns, ns); /* operators rather than modules */
        if (strcmp(r->tables[i].title, "By kind of kernel") && ns > most) most = ns, best = &r->tables[i];
    }
    return best;
}

static void roofline(const audit_report *r, strbuf *b) {
    const audit_table *t = plot_table(r);
    double peak = r->peak_flops_per_s, top = pow(10, ceil(log10(fmax(peak, 1) * 1.2)));
    labels l = {.count = 0};
    frame f = {0.01, 1e4, top / 1e6, top};
    if (!t || !(peak > 0) || !(r->memory_bytes_per_s > 0)) return;
    strbuf_addf(b,
                "<h2>Roofline, by %s <small>(area by time; bytes are the least that the work allows; what only moves "
                "bytes is not in it)</small></h2>\n<svg width='%d' height='%d'>",
                t->unit, ROOF_WIDTH + 100, ROOF_HEIGHT);
    axes(r, &f, b);
    for (size_t k = 0; k < t->count; k++)
        if (plotted(&t->rows[k])) dot(r, &f, &t->rows[k], &l, b);
    strbuf_adds(b, "</svg>\n");
}

/* ---- lists and tables ---- */

static void lines(const char *title, const audit_lines *l, strbuf *b) {
    if (!l->count) return;
    strbuf_addf(b, "<h2>%s</h2><ul>", title);
    for (size_t i = 0; i < l->count; i++) {
        strbuf_adds(b, "<li>");
        for (const char *p = l->text[i]; *p; p++) /* whole: these are not names */
            if (strchr("<>&", *p)) strbuf_addf(b, "&#%d;", *p);
            else strbuf_addc(b, *p);
        strbuf_adds(b, "</li>\n");
    }
    strbuf_adds(b, "</ul>\n");
}

static void what_ifs(const audit_report *r, strbuf *b) {
    if (!r->what_if_count) return;
    strbuf_addf(b,
                "<h2>What if <small>(now %s)</small></h2><table><tr><th>change</th><th>faster by</th><th>time "
                "then</th><th class='l'>from</th></tr>\n",
                ms((double)r->total_ns).text);
    for (size_t i = 0; i < r->what_if_count; i++) {
        const audit_what_if *w = &r->what_ifs[i];
        strbuf_adds(b, "<tr><td style='white-space:normal'>");
        text_of(b, w->name);
        strbuf_addf(b, "</td><td>x %.2f</td><td>%s .. %s</td><td class='l' style='white-space:normal'><small>", w->gain,
                    ms(w->total_lo_ns).text, ms(w->total_hi_ns).text);
        text_of(b, w->formula);
        if (*w->note) strbuf_adds(b, "; "), text_of(b, w->note);
        strbuf_adds(b, "</small></td></tr>\n");
    }
    strbuf_adds(b, "</table>\n");
}

/* A row's time as a little bar of its buckets. */
static void spark(const audit_row *row, strbuf *b) {
    double x = 0;
    strbuf_adds(b, "<svg width='80' height='11'>");
    for (audit_bucket k = 0; k < AUDIT_BUCKETS; k++) {
        double w = row->ns > 0 ? 80 * (double)row->bucket_ns[k] / (double)row->ns : 0;
        if (w > 0.2)
            strbuf_addf(b, "<rect x='%.1f' width='%.1f' height='11' fill='%s'/>", x, w, audit_bucket_colour(k));
        x += w;
    }
    strbuf_adds(b, "</svg>");
}

static void rate(strbuf *b, double value, const char *format) {
    strbuf_adds(b, "<td>");
    if (value > 0) strbuf_addf(b, format[0] == 'p' ? "%.0f %%" : "%.4g", value);
    strbuf_adds(b, "</td>");
}

static void table(const audit_report *r, const audit_table *t, strbuf *b) {
    strbuf_addf(b,
                "<h2>%s</h2><table><tr><th>%s</th><th>calls</th><th>time</th><th>of "
                "T</th><th>GB/s</th><th>TFLOP/s</th><th>of roof</th><th>where</th></tr>\n",
                t->title, t->unit);
    for (size_t i = 0; i < t->count; i++) {
        const audit_row *row = &t->rows[i];
        double s = row->known_ns > row->ns / 2 ? (double)row->known_ns / 1e9 : INFINITY;
        strbuf_adds(b, "<tr><td>");
        text_of(b, row->name);
        strbuf_addf(b, "</td><td>%llu</td><td>%s</td><td>%.1f %%</td>", (unsigned long long)row->count,
                    ms((double)row->ns).text, r->total_ns ? 100 * (double)row->ns / (double)r->total_ns : 0);
        rate(b, row->bytes / s / 1e9, "g");
        rate(b, row->flops / s / 1e12, "g");
        rate(b, 100 * row->roof_ns / s / 1e9, "p");
        strbuf_adds(b, "<td class='l'>");
        spark(row, b);
        strbuf_addf(b, "%s</td></tr>\n", row->far_from_roof ? " <small>far from any roof</small>" : "");
    }
    strbuf_adds(b, "</table>\n");
    if (t->hidden)
        strbuf_addf(b, "<p><small>and %zu more, %s together</small></p>\n", t->hidden, ms((double)t->hidden_ns).text);
}

static void facts(const audit_report *r, strbuf *b) {
    if (!r->fact_count) return;
    strbuf_adds(
        b,
        "<h2>Devices</h2><table><tr><th>device</th><th>span</th><th>busy</th><th>idle</th><th>of it by "
        "host</th><th>compute</th><th>collectives</th><th>copies</th><th>memsets</th><th>exposed movement</th></tr>\n");
    for (size_t i = 0; i < r->fact_count; i++) {
        const audit_facts *f = &r->facts[i];
        strbuf_adds(b, "<tr><td>");
        text_of(b, f->device);
        const int64_t cells[] = {f->span_ns,
                                 f->busy_ns,
                                 f->idle_ns,
                                 f->idle_host_ns,
                                 f->kind[EV_KERNEL].sum_ns,
                                 f->kind[EV_COMM].sum_ns,
                                 f->kind[EV_MEMCPY].sum_ns,
                                 f->kind[EV_MEMSET].sum_ns,
                                 f->movement_exposed_ns};
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
            strbuf_addf(b, "</td><td>%s", ms((double)cells[k]).text);
        strbuf_adds(b, "</td></tr>\n");
    }
    strbuf_adds(b, "</table>\n");
}

static void specs(const audit_report *r, strbuf *b) {
    if (!r->spec_count) return;
    strbuf_adds(b, "<h2>Roofs and where they come from</h2><table>");
    for (size_t i = 0; i < r->spec_count; i++) {
        strbuf_adds(b, "<tr><td>");
        text_of(b, r->specs[i].name);
        strbuf_addf(b, "</td><td>%s</td><td class='l'>", units_si(r->specs[i].value, r->specs[i].unit).text);
        text_of(b, r->specs[i].origin);
        strbuf_adds(b, "</td></tr>\n");
    }
    strbuf_adds(b, "</table>\n");
}

void audit_html(const audit_report *r, strbuf *b) {
    head(r, b);
    if (r->total_ns > 0) {
        buckets(r, b);
        timeline(r, b);
        roofline(r, b);
    }
    lines("Evidence", &r->evidence, b);
    what_ifs(r, b);
    lines("What to do", &r->advice, b);
    for (size_t i = 0; i < r->table_count; i++) table(r, &r->tables[i], b);
    facts(r, b);
    specs(r, b);
    lines("Left out, and what to know", &r->notes, b);
    strbuf_adds(b, "<p><small>Shares are of the window. Rows of tables add durations, so kernels that overlap count "
                   "fully in each.</small></p></body></html>\n");
}
