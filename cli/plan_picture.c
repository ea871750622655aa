/* The program's rectangle lies in the north-west of the fabric; both pictures show the fabric, not the program alone,
 * so that one sees what is left. The SVG is drawn to scale. */
#include "cli/plan_picture.h"
#include "base/units.h"

enum {
    CELLS_X = 72,
    CELLS_Y = 24,
    LETTERS = 26,
    WEST = 4, /* where a program begins on the fabric */
    NORTH = 1,
    SVG_SIDE = 900,
    SVG_GAP = 40,
};

typedef enum { PART_UNUSED, PART_LAYER, PART_HEAD } part;

static part part_at(const plan *p, const plan_wafer *w, uint32_t x, uint32_t y, uint32_t *layer) {
    if (x < WEST || y < NORTH || x - WEST >= p->width || y - NORTH >= w->rows) return PART_UNUSED;
    *layer = (y - NORTH) / p->rows;
    return *layer < w->layers ? PART_LAYER : PART_HEAD;
}

static uint32_t cut(uint32_t n, uint32_t parts, uint32_t i) { return (uint32_t)((uint64_t)n * i / parts); }

/* What stands at a patch's north-western used corner: small regions are seen, too. */
static char patch(const plan *p, const plan_wafer *w, uint32_t cx, uint32_t cy) {
    uint32_t x0 = cut(p->fabric_width, CELLS_X, cx), y0 = cut(p->fabric_height, CELLS_Y, cy), layer;
    if (x0 < WEST) x0 = WEST;
    if (y0 < NORTH) y0 = NORTH;
    switch (part_at(p, w, x0, y0, &layer)) {
    case PART_LAYER: return (char)('a' + (w->first_layer + layer) % LETTERS);
    case PART_HEAD: return '#';
    case PART_UNUSED: break;
    }
    return '.';
}

static void frame(strbuf *out) {
    strbuf_addc(out, '+');
    for (int x = 0; x < CELLS_X; x++) strbuf_addc(out, '-');
    strbuf_adds(out, "+\n");
}

void plan_picture_text(const plan *p, strbuf *out) {
    for (uint32_t i = 0; i < p->wafer_count; i++) {
        frame(out);
        for (uint32_t y = 0; y < CELLS_Y; y++) {
            strbuf_addc(out, '|');
            for (uint32_t x = 0; x < CELLS_X; x++) strbuf_addc(out, patch(p, &p->wafers[i], x, y));
            strbuf_adds(out, "|\n");
        }
        frame(out);
    }
    strbuf_addf(out, "a patch is %.1f x %.1f PEs; a, b, c... layers in turn, # the head\n",
                (double)p->fabric_width / CELLS_X, (double)p->fabric_height / CELLS_Y);
}

/* ---- SVG ---- */

typedef struct {
    strbuf *out;
    double left, sx, sy; /* of a PE: the wafer is square, its PEs are not */
} svg;

static void rect(const svg *s, double x, double y, double width, double height, const char *look) {
    strbuf_addf(s->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" %s", s->left + x * s->sx, y * s->sy,
                width * s->sx, height * s->sy, look);
}

static void region(const svg *s, const plan *p, uint32_t y, uint32_t rows, const char *colour, const char *title) {
    char look[64];
    snprintf(look, sizeof look, "fill=\"%s\" stroke=\"#334\" stroke-width=\"0.4\">", colour);
    rect(s, WEST, NORTH + y, p->width, rows, look);
    strbuf_addf(s->out, "<title>%s</title></rect>\n", title);
}

static void svg_wafer(const svg *s, const plan *p, const plan_wafer *w, const isa_wafer *machine) {
    static const char *const colours[] = {"#f4b942", "#f8dc9c"};
    char title[64];
    rect(s, 0, 0, p->fabric_width, p->fabric_height, "fill=\"#eef\" stroke=\"#889\"/>\n");
    for (uint32_t i = 0; i < w->layers; i++) {
        snprintf(title, sizeof title, "layer %u", w->first_layer + i);
        region(s, p, i * p->rows, p->rows, colours[i % 2], title);
        for (uint32_t u = 1; u < p->units; u++)
            rect(s, WEST, NORTH + i * p->rows + u * p->unit_rows, p->width, 0.05, "fill=\"#a70\"/>\n");
    }
    if (w->head) region(s, p, w->layers * p->rows, p->head_rows, "#9cc7a2", "embedding, LM head");
    for (uint32_t x = 1; x < machine->dies_x; x++)
        rect(s, cut(p->fabric_width, machine->dies_x, x), 0, 0.5, p->fabric_height,
             "fill=\"#889\" opacity=\"0.5\"/>\n");
    for (uint32_t y = 1; y < machine->dies_y; y++)
        rect(s, 0, cut(p->fabric_height, machine->dies_y, y), p->fabric_width, 0.5,
             "fill=\"#889\" opacity=\"0.5\"/>\n");
}

void plan_picture_svg(const plan *p, const isa_wafer *w, const char *model, strbuf *out) {
    strbuf_addf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-10 -10 %u %d\">\n<title>%s on %s: %u layers of %u x %u "
        "PEs</title>\n",
        p->wafer_count * (SVG_SIDE + SVG_GAP) + 20, SVG_SIDE + 20, model, w->name, p->layers, p->width, p->rows);
    for (uint32_t i = 0; i < p->wafer_count; i++) {
        svg s = {out, i * (double)(SVG_SIDE + SVG_GAP), (double)SVG_SIDE / p->fabric_width,
                 (double)SVG_SIDE / p->fabric_height};
        svg_wafer(&s, p, &p->wafers[i], w);
    }
    strbuf_adds(out, "</svg>\n");
}
