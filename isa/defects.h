/* A wafer with holes: which PEs and links are dead, and how the fabric that programs see is rebuilt around them.
 *
 *     isa_defects map = {0};                                     // the physical grid: the fabric and its spares
 *     isa_rebuilt fabric = {0};
 *     isa_defects_new(&map, &wafer, d) && isa_defects_read(&map, "holes.csv", d)     // or isa_defects_draw(...)
 *         && isa_rebuild(&fabric, &map, d)
 *     fabric.place[pe], fabric.extra[4 * pe + ISA_EAST], ...
 *     isa_rebuilt_free(&fabric); isa_defects_free(&map);
 *
 * Physical PEs are numbered y * columns + x, logical ones y * width + x; north is up, y counts southwards. The file's
 * format and the scheme are described in data/defects/README.md and docs/wafer.md.
 */
#ifndef INGOT_ISA_DEFECTS_H
#define INGOT_ISA_DEFECTS_H

#include "isa/wafer.h"

enum {
    ISA_DEAD_PE = 1,
    ISA_DEAD_EAST = 2, /* the link to the PE in the east */
    ISA_DEAD_SOUTH = 4,
    ISA_GRID_MAX = 8192, /* columns, rows */
    ISA_SPARES_MAX = 256,
    ISA_HOPS_MAX = 64, /* of one logical link */
};

typedef struct {
    uint32_t columns, rows;             /* physical, spares among them */
    uint32_t spare_columns, spare_rows; /* logical fabric: columns - spare_columns by rows - spare_rows */
    uint8_t *dead;                      /* [rows][columns] sets of ISA_DEAD_* */
} isa_defects;

/* A grid without holes, of the wafer's size or of any. *map must be all zero or freed. */
bool isa_defects_new(isa_defects *map, const isa_wafer *w, diag *d);
bool isa_defects_new_grid(isa_defects *map, uint32_t columns, uint32_t rows, uint32_t spare_columns,
                          uint32_t spare_rows, diag *d);
void isa_defects_free(isa_defects *map);
/* Adds the holes of a file; its line `grid` replaces the grid. Bytes are untrusted. */
bool isa_defects_read(isa_defects *map, const char *path, diag *d);
bool isa_defects_parse(isa_defects *map, str text, const char *name, diag *d);
/* Writes such a file. */
void isa_defects_print(const isa_defects *map, strbuf *out);
/* Kills each PE with the same probability; the same seed gives the same holes everywhere. */
void isa_defects_draw(isa_defects *map, double per_pe, uint64_t seed);
/* "0.001" or "0.001/mm2": defects per square millimetre of core; "5e-5/pe". */
bool isa_defect_density(const char *text, const isa_wafer *w, double *per_pe, diag *d);

typedef struct {
    uint32_t width, height, columns;
    uint32_t *place; /* [height][width] physical PE */
    uint16_t *extra; /* [height][width][4] by isa_dir: hops of the link beyond the one it seems to be; 0 at edges */
    uint32_t *row;   /* [height] physical row */
    uint32_t *row_spares;                                     /* [height] spare columns this row uses */
    uint32_t dead_pes, dead_links, skipped_rows, spares_used; /* spares_used: columns of rows, summed */
    uint32_t longest_hops;                                    /* of any logical link */
    uint32_t most_shared;                                     /* logical links over one physical link */
    uint64_t links, detours, extra_hops; /* logical links (each counted once), those of more than a hop */
    double yield;                        /* share of the physical PEs that live */
} isa_rebuilt;

/* False: a row has more dead PEs than spares, or some logical link has no way; d names it. */
bool isa_rebuild(isa_rebuilt *r, const isa_defects *map, diag *d);
void isa_rebuilt_free(isa_rebuilt *r);

/* The way of a logical link: physical PEs from one end to the other, both included; returns how many. */
typedef struct isa_pathfinder isa_pathfinder;
isa_pathfinder *isa_pathfinder_new(const isa_defects *map, diag *d);
void isa_pathfinder_free(isa_pathfinder *f);
/* 0: none of at most ISA_HOPS_MAX hops, or the search as a whole has taken too long. */
uint32_t isa_pathfinder_find(isa_pathfinder *f, uint32_t from, uint32_t to, uint32_t path[ISA_HOPS_MAX + 1]);

#endif
