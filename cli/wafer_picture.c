/* Pictures of a wafer with holes. Both show the physical grid as the maker cuts it: dies_x x dies_y dies, north up.
 * The text counts defects in patches of PEs, so that single ones are seen however large the wafer; the SVG draws each.
 */
#include "cli/wafer_picture.h"

enum {
    CELLS_X = 6, /* characters per die */
    CELLS_Y = 3,
    SVG_SIDE = 900,
    SVG_HOLES_MAX = 50000,
};

/* The first PE of part `i` of `parts` along a side of `n` PEs. */
static uint32_t cut(uint32_t n, uint32_t parts, uint32_t i) { return (uint32_t)((uint64_t)n * i / parts); }

static uint32_t defects_at(uint8_t dead) { return (uint32_t)__builtin_popcount(dead); }

static char patch(const isa_defects *m, uint32_t x0, uint32_t x1, uint32_t y0, uint32_t y1) {
    uint32_t n = 0;
    for (uint32_t y = y0; y < y1; y++)
        for (uint32_t x = x0; x < x1; x++) n += defects_at(m->dead[(size_t)y * m->columns + x]);
    if (x0 == x1 || y0 == y1) return ' ';
    return n == 0 ? '.' : n > 9 ? '#' : (char)('0' + n);
}

static void frame(uint32_t dies, strbuf *out) {
    for (uint32_t i = 0; i < dies; i++) strbuf_adds(out, "+------");
    strbuf_adds(out, "+\n");
}

void wafer_picture_text(const isa_defects *m, const isa_wafer *w, strbuf *out) {
    uint32_t nx = w->dies_x * CELLS_X, ny = w->dies_y * CELLS_Y;
    for (uint32_t y = 0; y < ny; y++) {
        if (y % CELLS_Y == 0) frame(w->dies_x, out);
        for (uint32_t x = 0; x < nx; x++) {
            if (x % CELLS_X == 0) strbuf_addc(out, '|');
            strbuf_addc(out, patch(m, cut(m->columns, nx, x), cut(m->columns, nx, x + 1), cut(m->rows, ny, y),
                                   cut(m->rows, ny, y + 1)));
        }
        strbuf_adds(out, "|\n");
    }
    frame(w->dies_x, out);
}

/* ---- SVG ---- */

typedef struct {
    const isa_defects *m;
    strbuf *out;
    double sx, sy; /* of a PE: the wafer is square, its PEs are not */
} svg;

static void rect(const svg *s, double x, double y, double width, double height, const char *look) {
    strbuf_addf(s->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" %s/>\n", x * s->sx, y * s->sy,
                width * s->sx, height * s->sy, look);
}

static void svg_dies(const svg *s, const isa_wafer *w) {
    uint32_t columns = s->m->columns, rows = s->m->rows;
    for (uint32_t y = 0; y < w->dies_y; y++)
        for (uint32_t x = 0; x < w->dies_x; x++) {
            uint32_t x0 = cut(columns, w->dies_x, x), y0 = cut(rows, w->dies_y, y);
            rect(s, x0, y0, cut(columns, w->dies_x, x + 1) - x0, cut(rows, w->dies_y, y + 1) - y0,
                 "fill=\"none\" stroke=\"#889\" stroke-width=\"0.6\"");
        }
}

/* Where rows shift: from their first hole to the last column in use. Rows left out: all of them. */
static void svg_rows(const svg *s, const isa_rebuilt *r) {
    for (uint32_t y = 0; y < r->height; y++) {
        uint32_t x = 0, end = r->place[(size_t)y * r->width + r->width - 1] % s->m->columns + 1;
        while (x < r->width && r->place[(size_t)y * r->width + x] % s->m->columns == x) x++;
        if (x < r->width) rect(s, x, r->row[y], end - x, 1, "fill=\"#f4b942\"");
        if (y && r->row[y] > r->row[y - 1] + 1)
            rect(s, 0, r->row[y - 1] + 1, s->m->columns, r->row[y] - r->row[y - 1] - 1, "fill=\"#999\"");
    }
}

static void svg_hole(const svg *s, double x, double y, const char *colour) {
    strbuf_addf(s->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"2.5\" fill=\"%s\"/>\n", x * s->sx, y * s->sy, colour);
}

static void svg_holes(const svg *s) {
    const isa_defects *m = s->m;
    uint32_t drawn = 0;
    for (uint32_t y = 0; y < m->rows; y++)
        for (uint32_t x = 0; x < m->columns && drawn < SVG_HOLES_MAX; x++) {
            uint8_t dead = m->dead[(size_t)y * m->columns + x];
            drawn += defects_at(dead);
            if (dead & ISA_DEAD_PE) svg_hole(s, x + 0.5, y + 0.5, "#c22");
            if (dead & ISA_DEAD_EAST) svg_hole(s, x + 1, y + 0.5, "#62c");
            if (dead & ISA_DEAD_SOUTH) svg_hole(s, x + 0.5, y + 1, "#62c");
        }
    if (drawn >= SVG_HOLES_MAX) strbuf_adds(s->out, "<!-- more holes than are drawn -->\n");
}

void wafer_picture_svg(const isa_defects *m, const isa_rebuilt *r, const isa_wafer *w, strbuf *out) {
    svg s = {m, out, (double)SVG_SIDE / m->columns, (double)SVG_SIDE / m->rows};
    strbuf_addf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-10 -10 %d %d\">\n<title>%s: %u dead PEs, %u dead "
                "links</title>\n",
                SVG_SIDE + 20, SVG_SIDE + 20, w->name, r->dead_pes, r->dead_links);
    rect(&s, 0, 0, m->columns, m->rows, "fill=\"#eef\"");
    rect(&s, m->columns - m->spare_columns, 0, m->spare_columns, m->rows, "fill=\"#cdc\"");
    rect(&s, 0, m->rows - m->spare_rows, m->columns, m->spare_rows, "fill=\"#cdc\"");
    svg_rows(&s, r);
    svg_dies(&s, w);
    svg_holes(&s);
    strbuf_adds(out, "</svg>\n");
}
