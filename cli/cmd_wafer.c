/* ingot wafer: a wafer, its holes, and the fabric rebuilt around them. */
#include "api/api.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/wafer_picture.h"

typedef struct {
    const char *machine, *profile, *defects, *density, *svg, *save;
    int64_t seed;
    bool json, rows, no_picture;
} wafer_args;

const cli_option cmd_wafer_options[] = {
    OPTION_STRING_ROW('m', "machine", wafer_args, machine, "NAME|FILE", "wse3", "wse1, wse2, wse3 or a wafer file"),
    OPTION_STRING_ROW(0, "profile", wafer_args, profile, "NAME", "vendor-sim", "of the wafer file"),
    OPTION_STRING_ROW(0, "defects", wafer_args, defects, "FILE", NULL, "dead PEs and links (data/defects/README.md)"),
    OPTION_STRING_ROW(0, "defect-density", wafer_args, density, "D", NULL,
                      "dead PEs drawn: 0.001 per mm2 of core, or 5e-5/pe"),
    OPTION_INT_ROW(0, "seed", wafer_args, seed, 0, 9e15, "N", "0", "of the draw"),
    OPTION_STRING_ROW(0, "svg", wafer_args, svg, "FILE", NULL, "writes a picture"),
    OPTION_STRING_ROW(0, "save", wafer_args, save, "FILE", NULL, "writes the holes as a file for --defects"),
    OPTION_FLAG_ROW(0, "rows", wafer_args, rows, "also every row that uses spare columns"),
    OPTION_FLAG_ROW(0, "no-picture", wafer_args, no_picture, "numbers only"),
    OPTION_FLAG_ROW(0, "json", wafer_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

typedef struct {
    const wafer_args *a;
    isa_wafer w;
    isa_defects map;
    isa_rebuilt r;
} report;

/* ---- numbers ---- */

/* "893,064" */
static unit_text grouped(uint64_t n) {
    unit_text t;
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), k = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) t.text[k++] = ',';
        t.text[k++] = digits[i];
    }
    t.text[k] = 0;
    return t;
}

static double share(uint64_t part, uint64_t all) { return all ? (double)part / (double)all : 0; }

/* "1121 with 0, 48 with 1, 3 with 2" */
static void rows_by_spares(const isa_rebuilt *r, strbuf *out) {
    uint32_t rows[ISA_SPARES_MAX + 1] = {0};
    const char *between = "";
    for (uint32_t y = 0; y < r->height; y++) rows[r->row_spares[y]]++;
    for (uint32_t n = 0; n <= ISA_SPARES_MAX; n++) {
        if (!rows[n]) continue;
        strbuf_addf(out, "%s%u with %u", between, rows[n], n);
        between = ", ";
    }
}

static void print_wafer(const report *p) {
    const isa_wafer *w = &p->w;
    const isa_defects *m = &p->map;
    uint64_t pes = (uint64_t)m->columns * m->rows, fabric = (uint64_t)p->r.width * p->r.height;
    printf("wafer      %s: %u x %u dies of about %.0f x %.0f PEs\n", w->name, w->dies_x, w->dies_y,
           (double)m->columns / w->dies_x, (double)m->rows / w->dies_y);
    printf("fabric     %u x %u = %s PEs\n", p->r.width, p->r.height, grouped(fabric).text);
    printf("physical   %u x %u = %s PEs: %u spare columns, %u spare rows (%.1f %%)\n", m->columns, m->rows,
           grouped(pes).text, m->spare_columns, m->spare_rows, 100 * share(pes - fabric, pes));
    printf("defects    %s dead PEs, %s dead links; yield %.4f %%\n", grouped(p->r.dead_pes).text,
           grouped(p->r.dead_links).text, 100 * p->r.yield);
}

static void print_rebuilt(const report *p) {
    const isa_rebuilt *r = &p->r;
    strbuf rows = {0};
    rows_by_spares(r, &rows);
    printf("spares     rows by spare columns used: %s; spare rows used: %u\n", rows.data ? rows.data : "",
           r->skipped_rows);
    strbuf_free(&rows);
    printf("links      %s, of which %s (%.2f %%) are longer than a hop\n", grouped(r->links).text,
           grouped(r->detours).text, 100 * share(r->detours, r->links));
    printf("detours    longest link %u hops, %.5f extra hops in the mean; at most %u links run over one\n",
           r->longest_hops, share(r->extra_hops, r->links), r->most_shared);
}

static void print_rows(const isa_rebuilt *r) {
    printf("\nrow   physical   spare columns used\n");
    for (uint32_t y = 0; y < r->height; y++)
        if (r->row_spares[y] || r->row[y] != y) printf("%-5u %-10u %u\n", y, r->row[y], r->row_spares[y]);
}

static void print_json(const report *p) {
    const isa_rebuilt *r = &p->r;
    const isa_defects *m = &p->map;
    printf("{\"machine\": \"%s\", \"fabric\": [%u, %u], \"dies\": [%u, %u], \"physical\": [%u, %u], "
           "\"spare_columns\": %u, \"spare_rows\": %u, ",
           p->w.name, r->width, r->height, p->w.dies_x, p->w.dies_y, m->columns, m->rows, m->spare_columns,
           m->spare_rows);
    printf("\"dead_pes\": %u, \"dead_links\": %u, \"yield\": %.17g, \"spares_used\": %u, \"spare_rows_used\": %u, ",
           r->dead_pes, r->dead_links, r->yield, r->spares_used, r->skipped_rows);
    printf(
        "\"links\": %llu, \"longer_links\": %llu, \"extra_hops\": %llu, \"longest_hops\": %u, \"most_shared\": %u}\n",
        (unsigned long long)r->links, (unsigned long long)r->detours, (unsigned long long)r->extra_hops,
        r->longest_hops, r->most_shared);
}

/* ---- the command ---- */

static bool show(const report *p, diag *d) {
    strbuf text = {0};
    if (p->a->json) print_json(p);
    else print_wafer(p), print_rebuilt(p);
    if (p->a->rows && !p->a->json) print_rows(&p->r);
    if (!p->a->json && !p->a->no_picture) {
        wafer_picture_text(&p->map, &p->w, &text);
        printf("\n%s", text.data && !text.oom ? text.data : "");
        strbuf_free(&text);
    }
    if (p->a->svg) {
        wafer_picture_svg(&p->map, &p->r, &p->w, &text);
        if (!output_picture(&text, p->a->svg, d)) return false;
    }
    if (!p->a->save) return true;
    text = (strbuf){0};
    isa_defects_print(&p->map, &text);
    return output_write(&text, p->a->save, d);
}

int cmd_wafer(cli *c, int argc, char **argv) {
    wafer_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    report p = {.a = &a};
    api_holes holes = {a.defects, a.density, (uint64_t)a.seed};
    api_holes_from_environment(&holes);
    bool ok = api_machine(&p.w, a.machine, a.profile, c->d) && api_holes_map(&holes, &p.w, &p.map, c->d) && isa_rebuild(&p.r, &p.map, c->d) &&
              show(&p, c->d);
    isa_rebuilt_free(&p.r);
    isa_defects_free(&p.map);
    return ok ? CLI_OK : CLI_FAILED;
}
