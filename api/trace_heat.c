/* Maps of the program's rectangle, one per counter, as SVG: the darker, the more. A cell is a PE, or the mean of a
 * block of PEs when a side has more than 512; 16 equal steps up to the largest cell. Cells of a step are one path of
 * runs, so that even the largest map has a bounded size and needs no script. */
#include "api/trace.h"
#include "base/mem.h"

enum { CELLS_MAX = 512, STEPS = 16, SIDE_PX = 480, GAP_PX = 60, HEAD_PX = 70, LEGEND_PX = 60 };

static uint64_t hops(const wse_counters *n) { return n->hops; }
static uint64_t busy(const wse_counters *n) { return n->busy_cycles; }
static uint64_t sram(const wse_counters *n) { return n->sram_words_read + n->sram_words_written; }
static uint64_t waits(const wse_counters *n) { return n->input_wait_cycles; }

static const struct {
    const char *title, *unit;
    uint64_t (*of)(const wse_counters *n);
} maps[] = {
    {"Wavelets sent over links", "hops", hops},
    {"Core busy", "cycles", busy},
    {"SRAM words read and written", "words", sram},
    {"Main thread waited for input", "cycles", waits},
};
enum { MAPS = sizeof maps / sizeof *maps };

static const char *const colors[STEPS] = {"#fff3d6", "#ffe7b3", "#ffd88f", "#ffc76e", "#ffb454", "#fe9f42",
                                          "#f98937", "#f07232", "#e35b33", "#d24537", "#bd323c", "#a4233f",
                                          "#881a3f", "#6b143b", "#4e1033", "#320b27"};

typedef struct {
    const isa_image *image;
    uint32_t block, columns, rows; /* PEs of a block's side; blocks */
    double *mean;                  /* [MAPS][rows][columns] */
    double largest[MAPS];
    uint64_t total[MAPS], pe_largest[MAPS];
    uint32_t at[MAPS]; /* PE of the largest */
} heat;

static uint32_t shared(uint32_t all, uint32_t block) { return (all + block - 1) / block; }

static uint32_t pes_of(const heat *h, uint32_t cell) {
    uint32_t x = cell % h->columns * h->block, y = cell / h->columns * h->block;
    uint32_t w = h->image->width - x < h->block ? h->image->width - x : h->block;
    return w * (h->image->height - y < h->block ? h->image->height - y : h->block);
}

static void gather(heat *h, const wse *m) {
    size_t cells = (size_t)h->rows * h->columns;
    for (uint32_t pe = 0; pe < h->image->width * h->image->height; pe++) {
        uint32_t cell = pe / h->image->width / h->block * h->columns + pe % h->image->width / h->block;
        wse_counters n;
        wse_counters_of(m, pe, &n);
        for (size_t k = 0; k < MAPS; k++) {
            uint64_t v = maps[k].of(&n);
            h->mean[k * cells + cell] += (double)v;
            h->total[k] += v;
            if (v > h->pe_largest[k]) h->pe_largest[k] = v, h->at[k] = pe;
        }
    }
    for (size_t k = 0; k < MAPS; k++)
        for (uint32_t i = 0; i < cells; i++) {
            double *v = &h->mean[k * cells + i];
            *v /= pes_of(h, i);
            if (*v > h->largest[k]) h->largest[k] = *v;
        }
}

/* 0: nothing; else 1 to STEPS. */
static uint32_t step_of(double v, double largest) {
    if (v <= 0) return 0;
    uint32_t s = 1 + (uint32_t)(v / largest * STEPS);
    return s > STEPS ? STEPS : s;
}

static void put_runs(const heat *h, size_t k, uint32_t step, FILE *out) {
    const double *v = h->mean + k * h->rows * h->columns;
    bool any = false;
    for (uint32_t y = 0; y < h->rows; y++)
        for (uint32_t x = 0; x < h->columns;) {
            uint32_t from = x;
            while (x < h->columns && step_of(v[y * h->columns + x], h->largest[k]) == step) x++;
            if (x == from) {
                x++;
                continue;
            }
            if (!any) fprintf(out, "<path stroke=\"%s\" d=\"", colors[step - 1]);
            any = true;
            fprintf(out, "M%u %uh%u", from, y, x - from);
        }
    if (any) fputs("\"/>\n", out);
}

static void put_legend(const heat *h, size_t k, double x, double y, FILE *out) {
    for (int s = 0; s < STEPS; s++)
        fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"15\" height=\"10\" fill=\"%s\"/>\n", x + 15 * s, y, colors[s]);
    fprintf(out,
            "<text x=\"%g\" y=\"%g\">more than 0</text><text x=\"%g\" y=\"%g\" text-anchor=\"end\">%.6g %s</text>\n", x,
            y + 24, x + 15.0 * STEPS, y + 24, h->largest[k], maps[k].unit);
    fprintf(out,
            "<rect x=\"%g\" y=\"%g\" width=\"15\" height=\"10\" fill=\"#f4f4f4\" stroke=\"#999\"/><text x=\"%g\" "
            "y=\"%g\">0</text>\n",
            x + 15.0 * STEPS + 20, y, x + 15.0 * STEPS + 40, y + 10);
}

static void put_map(const heat *h, size_t k, double x, double y, FILE *out) {
    uint32_t side = h->columns > h->rows ? h->columns : h->rows;
    double scale = (double)SIDE_PX / side;
    fprintf(out, "<text x=\"%g\" y=\"%g\" font-weight=\"bold\">%s</text>\n", x, y - 24, maps[k].title);
    fprintf(out, "<text x=\"%g\" y=\"%g\">%llu %s in all; most at PE(%u,%u): %llu</text>\n", x, y - 8,
            (unsigned long long)h->total[k], maps[k].unit, h->at[k] % h->image->width, h->at[k] / h->image->width,
            (unsigned long long)h->pe_largest[k]);
    fprintf(
        out,
        "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" fill=\"#f4f4f4\" stroke=\"#999\"/>\n"
        "<g transform=\"translate(%g %g) scale(%g) translate(0 .5)\" fill=\"none\" shape-rendering=\"crispEdges\">\n",
        x, y, h->columns * scale, h->rows * scale, x, y, scale);
    for (uint32_t s = 1; s <= STEPS && h->largest[k] > 0; s++) put_runs(h, k, s, out);
    fputs("</g>\n", out);
    put_legend(h, k, x, y + h->rows * scale + 14, out);
}

static void put_page(const heat *h, const api_trace *t, FILE *out) {
    uint32_t side = h->columns > h->rows ? h->columns : h->rows;
    double scale = (double)SIDE_PX / side, tall = HEAD_PX + h->rows * scale + LEGEND_PX, wide = SIDE_PX + GAP_PX;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            2 * wide + GAP_PX, 2 * tall + 40);
    fprintf(out, "<text x=\"%d\" y=\"24\" font-size=\"16\">%u x %u PEs of %s, %llu cycles", GAP_PX, h->image->width,
            h->image->height, t->wafer->name, (unsigned long long)wse_cycle(t->machine));
    if (h->block > 1) fprintf(out, "; a cell is the mean of %u x %u PEs", h->block, h->block);
    fputs("</text>\n", out);
    for (size_t k = 0; k < MAPS; k++)
        put_map(h, k, GAP_PX + (double)(k % 2) * wide, 20 + HEAD_PX + (double)(k / 2) * tall, out);
    fputs("</svg>\n", out);
}

bool api_trace_heat(const api_trace *t, FILE *out, diag *d) {
    heat h = {.image = t->image};
    uint32_t side = h.image->width > h.image->height ? h.image->width : h.image->height;
    h.block = shared(side, CELLS_MAX);
    h.columns = shared(h.image->width, h.block);
    h.rows = shared(h.image->height, h.block);
    h.mean = mem_alloc_n((size_t)MAPS * h.rows * h.columns, sizeof *h.mean);
    if (!h.mean) return diag_oom(d, "heat map");
    gather(&h, t->machine);
    put_page(&h, t, out);
    mem_free(h.mean);
    return true;
}
