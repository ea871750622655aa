/* Rebuilds the fabric around the holes of a map.
 *
 *   choose_rows    logical rows are the physical ones from north to south; a row with more dead PEs than there are
 * spare columns is left out as long as there are spare rows place_row      within a row the k-th living PE is column k:
 * behind each hole all PEs shift by one towards the spares find_links     each logical link becomes the shortest way
 * over living links: straight on, with one corner, or, when dead links are in the way, found by a breadth-first search
 *
 * What is assumed of the silicon (no maker says it in detail): wires run on over a dead PE, so that a way may pass it
 * straight on but not turn there; and every link has redundant wires beside its own, so that a detour takes time but no
 * rate away from the links it runs beside. isa_rebuilt.most_shared tells how much that is relied upon. A link works in
 * both directions or in none.
 * Left out: leaving out a PE that lives to line columns up. */
#include "isa/defects.h"
#include "base/mem.h"
#include <stdlib.h>

enum {
    MARGIN = 12, /* the search looks so far around the straight way */
    SIDE = ISA_HOPS_MAX + 2 * MARGIN + 1,
    CELLS = SIDE * SIDE * 4,
    DIRS = 4,
    NOT_SEEN = 0xff,
    START = 4,          /* no direction yet */
    WORK_MAX = 1 << 27, /* steps of all searches: seconds */
};

static const int step_x[DIRS] = {[ISA_WEST] = -1, [ISA_EAST] = 1}, step_y[DIRS] = {[ISA_SOUTH] = 1, [ISA_NORTH] = -1};

struct isa_pathfinder {
    const isa_defects *map;
    uint64_t work;
    uint8_t came[CELLS]; /* by (place in the window, direction of arrival): direction of arrival before */
    uint32_t queue[CELLS];
};

isa_pathfinder *isa_pathfinder_new(const isa_defects *map, diag *d) {
    isa_pathfinder *f = mem_alloc(sizeof *f);
    if (f) f->map = map;
    else diag_oom(d, "defects");
    return f;
}

void isa_pathfinder_free(isa_pathfinder *f) { mem_free(f); }

static bool pe_dead(const isa_defects *m, uint32_t x, uint32_t y) {
    return m->dead[(size_t)y * m->columns + x] & ISA_DEAD_PE;
}

/* Is there a living link from (x, y) that way? */
static bool link_lives(const isa_defects *m, uint32_t x, uint32_t y, uint32_t dir) {
    if ((dir == ISA_WEST && !x) || (dir == ISA_NORTH && !y)) return false;
    if ((dir == ISA_EAST && x + 1 >= m->columns) || (dir == ISA_SOUTH && y + 1 >= m->rows)) return false;
    if (dir == ISA_WEST) x--;
    if (dir == ISA_NORTH) y--;
    return !(m->dead[(size_t)y * m->columns + x] & (dir <= ISA_EAST ? ISA_DEAD_EAST : ISA_DEAD_SOUTH));
}

/* ---- ways ---- */

/* `n` hops one way; appends to the path. Over holes, but only living links. */
static bool go(const isa_defects *m, uint32_t *at, uint32_t dir, uint32_t n, uint32_t *path, uint32_t *count) {
    for (; n; n--) {
        uint32_t x = *at % m->columns, y = *at / m->columns;
        if (!link_lives(m, x, y, dir)) return false;
        *at = (y + (uint32_t)step_y[dir]) * m->columns + x + (uint32_t)step_x[dir];
        path[(*count)++] = *at;
    }
    return true;
}

static bool one_corner(const isa_defects *m, uint32_t from, int dx, int dy, bool x_first, uint32_t *path,
                       uint32_t *count) {
    uint32_t dir[2] = {dx < 0 ? ISA_WEST : ISA_EAST, dy < 0 ? ISA_NORTH : ISA_SOUTH}, at = from;
    uint32_t n[2] = {(uint32_t)abs(dx), (uint32_t)abs(dy)}, a = x_first ? 0 : 1;
    path[0] = from;
    *count = 1;
    if (!go(m, &at, dir[a], n[a], path, count)) return false;
    if (n[0] && n[1] && pe_dead(m, at % m->columns, at / m->columns)) return false;
    return go(m, &at, dir[1 - a], n[1 - a], path, count);
}

/* The window of a search: places around both ends. */
typedef struct {
    uint32_t x0, y0, width, height;
} window;

static uint32_t low(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t below(uint32_t a) { return a < MARGIN ? 0 : a - MARGIN; }

static window window_of(const isa_defects *m, uint32_t from, uint32_t to) {
    uint32_t ax = from % m->columns, ay = from / m->columns, bx = to % m->columns, by = to / m->columns;
    uint32_t x1 = low(m->columns, (ax > bx ? ax : bx) + MARGIN + 1),
             y1 = low(m->rows, (ay > by ? ay : by) + MARGIN + 1);
    window w = {below(low(ax, bx)), below(low(ay, by)), 0, 0};
    w.width = x1 - w.x0;
    w.height = y1 - w.y0;
    return w;
}

/* From the end back to the start, then turned round. */
static uint32_t trace_back(const isa_pathfinder *f, window w, uint32_t cell, uint32_t *path) {
    uint32_t n = 0;
    for (;;) {
        uint32_t dir = cell & 3, x = (cell >> 2) % w.width, y = (cell >> 2) / w.width;
        if (n > ISA_HOPS_MAX) return 0;
        path[n++] = (w.y0 + y) * f->map->columns + w.x0 + x;
        uint32_t before = f->came[cell];
        x -= (uint32_t)step_x[dir];
        y -= (uint32_t)step_y[dir];
        cell = (y * w.width + x) * 4 + before;
        if (before != START) continue;
        if (n > ISA_HOPS_MAX) return 0;
        path[n++] = (w.y0 + y) * f->map->columns + w.x0 + x;
        break;
    }
    for (uint32_t i = 0; i < n / 2; i++) {
        uint32_t t = path[i];
        path[i] = path[n - 1 - i];
        path[n - 1 - i] = t;
    }
    return n;
}

/* One step from (x, y), reached by `came`; false when it leads nowhere new. */
static bool expand(isa_pathfinder *f, window w, uint32_t x, uint32_t y, uint32_t came, uint32_t dir, uint32_t *cell) {
    const isa_defects *m = f->map;
    if (came != START && dir != came && (dir == (came ^ 1) || pe_dead(m, w.x0 + x, w.y0 + y))) return false;
    uint32_t nx = x + (uint32_t)step_x[dir], ny = y + (uint32_t)step_y[dir];
    if (nx >= w.width || ny >= w.height || !link_lives(m, w.x0 + x, w.y0 + y, dir)) return false;
    *cell = (ny * w.width + nx) * 4 + dir;
    if (f->came[*cell] != NOT_SEEN) return false;
    f->came[*cell] = (uint8_t)came;
    return true;
}

static uint32_t search(isa_pathfinder *f, uint32_t from, uint32_t to, uint32_t *path) {
    const isa_defects *m = f->map;
    window w = window_of(m, from, to);
    uint32_t goal = (to / m->columns - w.y0) * w.width + to % m->columns - w.x0, head = 0, tail = 0, cell;
    uint32_t x = from % m->columns - w.x0, y = from / m->columns - w.y0, came = START;
    memset(f->came, NOT_SEEN, (size_t)w.width * w.height * 4);
    for (;;) {
        for (uint32_t dir = 0; dir < DIRS; dir++) {
            if (!expand(f, w, x, y, came, dir, &cell)) continue;
            if (cell >> 2 == goal) return trace_back(f, w, cell, path);
            f->queue[tail++] = cell;
        }
        if (head == tail || ++f->work > WORK_MAX) return 0;
        cell = f->queue[head++];
        came = cell & 3;
        x = (cell >> 2) % w.width;
        y = (cell >> 2) / w.width;
    }
}

uint32_t isa_pathfinder_find(isa_pathfinder *f, uint32_t from, uint32_t to, uint32_t path[ISA_HOPS_MAX + 1]) {
    const isa_defects *m = f->map;
    int dx = (int)(to % m->columns) - (int)(from % m->columns), dy = (int)(to / m->columns) - (int)(from / m->columns);
    uint32_t count;
    if (abs(dx) + abs(dy) > ISA_HOPS_MAX) return 0;
    if (one_corner(m, from, dx, dy, true, path, &count)) return count;
    if (dx && dy && one_corner(m, from, dx, dy, false, path, &count)) return count;
    f->work += SIDE; /* clearing the window */
    return f->work > WORK_MAX ? 0 : search(f, from, to, path);
}

/* ---- rows ---- */

static uint32_t dead_in_row(const isa_defects *m, uint32_t y) {
    uint32_t n = 0;
    for (uint32_t x = 0; x < m->columns; x++) n += pe_dead(m, x, y);
    return n;
}

static bool choose_rows(isa_rebuilt *r, const isa_defects *m, diag *d) {
    uint32_t used = 0;
    for (uint32_t y = 0; used < r->height; y++) {
        uint32_t dead = dead_in_row(m, y);
        if (dead <= m->spare_columns) {
            r->row[used] = y;
            r->row_spares[used++] = dead;
            r->spares_used += dead;
        } else if (r->skipped_rows++ == m->spare_rows)
            return diag_error(d,
                              "row %u has %u dead PEs, but there are %u spare columns, and the %u spare rows are used "
                              "up: this wafer cannot be rebuilt",
                              y, dead, m->spare_columns, m->spare_rows);
    }
    return true;
}

static void place_row(isa_rebuilt *r, const isa_defects *m, uint32_t y) {
    uint32_t *place = &r->place[(size_t)y * r->width];
    for (uint32_t x = 0, c = 0; c < r->width; x++)
        if (!pe_dead(m, x, r->row[y])) place[c++] = r->row[y] * m->columns + x;
}

static void count_holes(isa_rebuilt *r, const isa_defects *m) {
    size_t n = (size_t)m->columns * m->rows;
    for (size_t i = 0; i < n; i++) {
        r->dead_pes += m->dead[i] & ISA_DEAD_PE;
        r->dead_links += (m->dead[i] & ISA_DEAD_EAST) / ISA_DEAD_EAST + (m->dead[i] & ISA_DEAD_SOUTH) / ISA_DEAD_SOUTH;
    }
    r->yield = 1 - (double)r->dead_pes / (double)n;
}

/* ---- links ---- */

typedef struct {
    isa_rebuilt *r;
    isa_pathfinder *finder;
    uint16_t *over; /* [physical PE][east, south]: logical links that run there */
    diag *d;
} linker;

static void tally(linker *l, const uint32_t *path, uint32_t n) {
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t a = low(path[i], path[i + 1]), far = path[i] ^ path[i + 1] ^ a;
        uint16_t *over = &l->over[2 * (size_t)a + (far - a != 1)];
        if (*over < UINT16_MAX) ++*over;
        if (*over > l->r->most_shared) l->r->most_shared = *over;
    }
}

static bool link_one(linker *l, uint32_t pe, uint32_t other, isa_dir dir) {
    uint32_t path[ISA_HOPS_MAX + 1];
    isa_rebuilt *r = l->r;
    uint32_t from = r->place[pe], to = r->place[other], n = isa_pathfinder_find(l->finder, from, to, path);
    if (!n)
        return diag_error(l->d,
                          "no way of at most %d hops from physical PE(%u,%u) to (%u,%u), which are neighbours "
                          "(%u,%u) and (%u,%u) of the fabric: too many dead links around them",
                          ISA_HOPS_MAX, from % r->columns, from / r->columns, to % r->columns, to / r->columns,
                          pe % r->width, pe / r->width, other % r->width, other / r->width);
    uint32_t hops = n - 1;
    r->extra[4 * (size_t)pe + dir] = r->extra[4 * (size_t)other + (dir ^ 1)] = (uint16_t)(hops - 1);
    r->links++;
    r->detours += hops > 1;
    r->extra_hops += hops - 1;
    if (hops > r->longest_hops) r->longest_hops = hops;
    tally(l, path, n);
    return true;
}

static bool find_links(isa_rebuilt *r, const isa_defects *m, diag *d) {
    linker l = {r, isa_pathfinder_new(m, d), mem_alloc_n(2 * (size_t)m->columns * m->rows, sizeof(uint16_t)), d};
    bool ok = l.finder && (l.over || diag_oom(d, "defects"));
    for (uint32_t pe = 0; pe < r->width * r->height && ok; pe++) {
        if (pe % r->width + 1 < r->width) ok = link_one(&l, pe, pe + 1, ISA_EAST);
        if (ok && pe / r->width + 1 < r->height) ok = link_one(&l, pe, pe + r->width, ISA_SOUTH);
    }
    isa_pathfinder_free(l.finder);
    mem_free(l.over);
    return ok;
}

bool isa_rebuild(isa_rebuilt *r, const isa_defects *map, diag *d) {
    uint32_t w = map->columns - map->spare_columns, h = map->rows - map->spare_rows;
    size_t pes = (size_t)w * h;
    *r = (isa_rebuilt){.width = w, .height = h, .columns = map->columns};
    r->place = mem_alloc_n(pes, sizeof *r->place);
    r->extra = mem_alloc_n(pes, 4 * sizeof *r->extra);
    r->row = mem_alloc_n(h, sizeof *r->row);
    r->row_spares = mem_alloc_n(h, sizeof *r->row_spares);
    bool ok = (r->place && r->extra && r->row && r->row_spares) || diag_oom(d, "defects");
    if (ok) count_holes(r, map);
    ok = ok && choose_rows(r, map, d);
    for (uint32_t y = 0; y < h && ok; y++) place_row(r, map, y);
    ok = ok && find_links(r, map, d);
    if (!ok) isa_rebuilt_free(r);
    return ok;
}

void isa_rebuilt_free(isa_rebuilt *r) {
    mem_free(r->place);
    mem_free(r->extra);
    mem_free(r->row);
    mem_free(r->row_spares);
    *r = (isa_rebuilt){0};
}
