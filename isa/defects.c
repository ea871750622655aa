/* Maps of dead PEs and links: made, drawn by a seed, read and written.
 *
 * A file is lines of comma-separated fields (data/defects/README.md): `grid,774,1179,12,7`, `pe,X,Y`, `link,X,Y,E`.
 * All its errors are told, up to a limit; nothing in it can make more memory be taken than the largest grid needs.
 *
 * The draw kills a PE with probability a / (1 + a), a being the defects expected in it: Seeds' yield model, which for
 * few defects is Poisson's, and needs no function of the C library that could round differently elsewhere. Left out:
 * draws with clusters, and of links (wires take a small part of the area; a file can name them). */
#include "isa/defects.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include <stdlib.h>

enum { FILE_BYTES_MAX = 16 << 20, COMPLAINTS_MAX = 20, FIELDS_MAX = 5 };

bool isa_defects_new_grid(isa_defects *map, uint32_t columns, uint32_t rows, uint32_t spare_columns,
                          uint32_t spare_rows, diag *d) {
    if (columns > ISA_GRID_MAX || rows > ISA_GRID_MAX || spare_columns >= columns || spare_rows >= rows ||
        spare_columns > ISA_SPARES_MAX || spare_rows > ISA_SPARES_MAX)
        return diag_error(d,
                          "a grid of %u x %u PEs with %u spare columns and %u spare rows is not possible: at most "
                          "%d x %d, fewer spares than PEs and at most %d",
                          columns, rows, spare_columns, spare_rows, ISA_GRID_MAX, ISA_GRID_MAX, ISA_SPARES_MAX);
    uint8_t *dead = mem_alloc_n((size_t)columns * rows, 1);
    if (!dead) return diag_oom(d, "defects");
    mem_free(map->dead);
    *map = (isa_defects){columns, rows, spare_columns, spare_rows, dead};
    return true;
}

bool isa_defects_new(isa_defects *map, const isa_wafer *w, diag *d) {
    return isa_defects_new_grid(map, w->fabric_width + w->spare_columns, w->fabric_height + w->spare_rows,
                                w->spare_columns, w->spare_rows, d);
}

void isa_defects_free(isa_defects *map) {
    mem_free(map->dead);
    *map = (isa_defects){0};
}

/* ---- drawn ---- */

void isa_defects_draw(isa_defects *map, double per_pe, uint64_t seed) {
    rng r = rng_seed(seed);
    double p = per_pe / (1 + per_pe);
    for (size_t i = 0; i < (size_t)map->columns * map->rows; i++)
        if (rng_f64(&r) < p) map->dead[i] |= ISA_DEAD_PE;
}

bool isa_defect_density(const char *text, const isa_wafer *w, double *per_pe, diag *d) {
    char *end;
    double x = strtod(text, &end);
    bool area = !*end || !strcmp(end, "/mm2");
    if (end == text || !(x >= 0 && x <= 1e6) || (!area && strcmp(end, "/pe")))
        return diag_error(d,
                          "'%s' is no density of defects: write 0.001 or 0.001/mm2 (per square millimetre of core), "
                          "or 5e-5/pe",
                          text);
    *per_pe = area ? x * w->core_area_mm2 : x;
    return true;
}

/* ---- a file ---- */

typedef struct {
    isa_defects *map;
    diag_source src;
    diag *d;
    uint32_t complaints;
    bool holes; /* some line named one: too late for `grid` */
} reader;

typedef struct {
    str f[FIELDS_MAX + 1];
    uint32_t count;
} fields;

static void complain(reader *r, str at, const char *what) {
    size_t begin = (size_t)(at.p - r->src.text.p);
    if (++r->complaints <= COMPLAINTS_MAX) diag_at(r->d, DIAG_ERROR, &r->src, (span){begin, begin + at.n}, "%s", what);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
static str trimmed(str s) {
    while (s.n && is_blank(s.p[0])) s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

static fields split(str line) {
    fields out = {.count = 0};
    size_t begin = 0;
    for (size_t i = 0; i <= line.n && out.count <= FIELDS_MAX; i++) {
        if (i < line.n && line.p[i] != ',') continue;
        out.f[out.count++] = trimmed((str){line.p + begin, i - begin});
        begin = i + 1;
    }
    return out;
}

static bool number(reader *r, str s, uint32_t limit, uint32_t *out) {
    uint64_t x = 0;
    for (size_t i = 0; i < s.n && x <= ISA_GRID_MAX; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return complain(r, s, "must be a whole number"), false;
        x = 10 * x + (uint64_t)(s.p[i] - '0');
    }
    *out = (uint32_t)x;
    if (s.n && x < limit) return true;
    char text[96];
    snprintf(text, sizeof text, s.n ? "must be below %u, the size of the grid" : "a number is missing", limit);
    return complain(r, s, text), false;
}

static void read_grid(reader *r, str line, const fields *f) {
    uint32_t n[4];
    if (f->count != 5) {
        complain(r, line, "`grid` has four numbers: grid,COLUMNS,ROWS,SPARE_COLUMNS,SPARE_ROWS");
        return;
    }
    if (r->holes) complain(r, line, "`grid` must stand before the first hole");
    for (uint32_t i = 0; i < 4; i++)
        if (!number(r, f->f[i + 1], ISA_GRID_MAX + 1, &n[i])) return;
    if (r->complaints) return;
    if (!isa_defects_new_grid(r->map, n[0], n[1], n[2], n[3], r->d)) complain(r, line, "this grid is refused");
}

static void read_link(reader *r, const fields *f, uint8_t *dead, uint32_t x, uint32_t y) {
    bool east = str_is(f->f[3], "E"), south = str_is(f->f[3], "S");
    if (!east && !south) complain(r, f->f[3], "must be E or S: a link is named by the PE at its west or north end");
    else if (east ? x + 1 == r->map->columns : y + 1 == r->map->rows) complain(r, f->f[3], "no link leaves the grid");
    else *dead |= east ? ISA_DEAD_EAST : ISA_DEAD_SOUTH;
}

static void read_line(reader *r, str line) {
    fields f = split(line);
    bool pe = str_is(f.f[0], "pe"), link = str_is(f.f[0], "link");
    uint32_t x, y;
    if (str_is(f.f[0], "grid")) {
        read_grid(r, line, &f);
        return;
    }
    if (!pe && !link) complain(r, f.f[0], "a line begins with grid, pe, link or #");
    else if (f.count != (pe ? 3u : 4u)) complain(r, line, pe ? "`pe` is pe,X,Y" : "`link` is link,X,Y,E or link,X,Y,S");
    else if (number(r, f.f[1], r->map->columns, &x) && number(r, f.f[2], r->map->rows, &y)) {
        uint8_t *dead = &r->map->dead[(size_t)y * r->map->columns + x];
        r->holes = true;
        if (pe) *dead |= ISA_DEAD_PE;
        else read_link(r, &f, dead, x, y);
    }
}

bool isa_defects_parse(isa_defects *map, str text, const char *name, diag *d) {
    reader r = {.map = map, .src = {.name = name, .text = text}, .d = d};
    if (text.n > FILE_BYTES_MAX)
        return diag_error(d, "%s: %zu bytes are too many for a map of defects (at most %d)", name, text.n,
                          FILE_BYTES_MAX);
    for (size_t i = 0; i < text.n && r.complaints < COMPLAINTS_MAX;) {
        const char *end = memchr(text.p + i, '\n', text.n - i);
        size_t n = end ? (size_t)(end - text.p) - i : text.n - i;
        str line = trimmed((str){text.p + i, n});
        if (line.n && line.p[0] != '#') read_line(&r, line);
        i += n + 1;
    }
    return !r.complaints;
}

bool isa_defects_read(isa_defects *map, const char *path, diag *d) {
    str text;
    arena *a = arena_new(0);
    bool ok = a ? file_read_all(a, path, FILE_BYTES_MAX, &text, d) && isa_defects_parse(map, text, path, d)
                : diag_oom(d, path);
    arena_free(a);
    return ok;
}

void isa_defects_print(const isa_defects *map, strbuf *out) {
    strbuf_addf(out, "grid,%u,%u,%u,%u\n", map->columns, map->rows, map->spare_columns, map->spare_rows);
    for (uint32_t y = 0; y < map->rows; y++)
        for (uint32_t x = 0; x < map->columns; x++) {
            uint8_t dead = map->dead[(size_t)y * map->columns + x];
            if (dead & ISA_DEAD_PE) strbuf_addf(out, "pe,%u,%u\n", x, y);
            if (dead & ISA_DEAD_EAST) strbuf_addf(out, "link,%u,%u,E\n", x, y);
            if (dead & ISA_DEAD_SOUTH) strbuf_addf(out, "link,%u,%u,S\n", x, y);
        }
}
