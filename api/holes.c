/* A wafer with holes, as options or the environment ask for it: from a map of defects or a density to the links that
 * are longer under a program.
 *
 * A program lies on the fabric where its compilation put it (--fabric-offsets); which holes are under it follows from
 * that. Left out: holes do not change how long words of host streams take along their row. */
#include "api/api.h"
#include "base/mem.h"
#include <stdlib.h>

static bool given(const char *s) { return s && *s; }

void api_holes_from_environment(api_holes *h) {
    if (h->file || h->density) return;
    const char *seed = getenv("INGOT_DEFECT_SEED");
    h->file = getenv("INGOT_DEFECTS");
    h->density = getenv("INGOT_DEFECT_DENSITY");
    if (seed) h->seed = strtoull(seed, NULL, 0);
}

bool api_holes_map(const api_holes *h, const isa_wafer *w, isa_defects *map, diag *d) {
    double per_pe = 0;
    bool ok = isa_defects_new(map, w, d) && (!given(h->file) || isa_defects_read(map, h->file, d)) &&
              (!given(h->density) || isa_defect_density(h->density, w, &per_pe, d));
    if (ok) isa_defects_draw(map, per_pe, h->seed);
    else isa_defects_free(map);
    return ok;
}

static bool cut_out(const isa_rebuilt *r, const isa_wafer *w, const isa_image *m, uint16_t *cycles, diag *d) {
    if (m->offset_x + (uint64_t)m->width > r->width || m->offset_y + (uint64_t)m->height > r->height)
        return diag_error(d, "the program's %u x %u PEs at (%u,%u) do not lie on the map's fabric of %u x %u", m->width,
                          m->height, m->offset_x, m->offset_y, r->width, r->height);
    for (uint32_t pe = 0; pe < m->width * m->height; pe++) {
        uint32_t x = m->offset_x + pe % m->width, y = m->offset_y + pe / m->width;
        for (uint32_t dir = 0; dir < 4; dir++) {
            uint64_t more = r->extra[4 * ((size_t)y * r->width + x) + dir] * (uint64_t)w->hop_cycles;
            cycles[4 * (size_t)pe + dir] = (uint16_t)(more < UINT16_MAX ? more : UINT16_MAX);
        }
    }
    return true;
}

bool api_holes_links(const api_holes *h, const isa_wafer *w, const isa_image *m, uint16_t **cycles, diag *d) {
    isa_defects map = {0};
    isa_rebuilt r = {0};
    api_holes chosen = *h;
    *cycles = NULL;
    api_holes_from_environment(&chosen);
    if (!given(chosen.file) && !given(chosen.density)) return true;
    uint16_t *made = mem_alloc_n((size_t)m->width * m->height, 4 * sizeof *made);
    bool ok = (made || diag_oom(d, "defects")) && api_holes_map(&chosen, w, &map, d) && isa_rebuild(&r, &map, d) &&
              cut_out(&r, w, m, made, d);
    isa_rebuilt_free(&r);
    isa_defects_free(&map);
    if (ok) *cycles = made;
    else mem_free(made);
    return ok;
}
