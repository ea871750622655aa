/* The layout block: the rectangle, which program each PE runs, and the routes of each router.
 *
 * A wafer has 883,350 PEs, so every call must be cheap: programs, routes, sets of routes and the places of calls are
 * interned, a PE is two indices, and the routes of a PE are a chain of 12-byte links. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { LINKS_PER_CHUNK = 1 << 16, PES_MAX = 1 << 24 };

/* Items numbered from 0, found by hash; who asks compares. */
typedef struct {
    uint32_t *slots, slot_count, count, cap; /* slot: item + 1 */
    uint64_t *hash;
} numbering;

typedef struct {
    uint32_t route, next, site; /* next: link + 1 */
} link;

typedef struct {
    uint32_t width, height;
    uint32_t *program, *chain; /* per PE: item + 1, link + 1; 0 none */
    uint32_t *code_site;
    link **chunks;
    uint32_t link_count, chunk_count, chunk_cap;
    csl_tile_program *programs;
    numbering program_index;
    uint32_t program_cap;
    isa_route *routes;
    numbering route_index;
    uint32_t route_cap;
    csl_site *sites;
    uint32_t site_count, site_cap;
    str last_text; /* the last resolved path */
    csl_module *last_module;
    const char *last_path;
} layout_state;

static layout_state *layout_of(const csl_sema *s) { return s->unit->layout; }

bool csl_layout_begin(csl_sema *s) {
    s->unit->layout = arena_push(s->unit->memory, layout_state);
    return s->unit->layout || (csl_oom(s), false);
}

/* ---- interning ---- */

static bool numbering_room(csl_sema *s, numbering *n) {
    if (!CSL_ROOM(s, n->hash, n->count, &n->cap)) return false;
    if (n->count * 2 < n->slot_count) return true;
    uint32_t wanted = n->slot_count ? n->slot_count * 2 : 64;
    uint32_t *slots = arena_push_n(s->unit->memory, uint32_t, wanted);
    if (!slots) return csl_oom(s), false;
    for (uint32_t i = 0; i < n->count; i++) {
        uint32_t at = (uint32_t)n->hash[i] & (wanted - 1);
        while (slots[at]) at = (at + 1) & (wanted - 1);
        slots[at] = i + 1;
    }
    n->slots = slots, n->slot_count = wanted;
    return true;
}

/* The next item with this hash, UINT32_MAX when there is none. *at: 0 before the first call. */
static uint32_t numbering_next(const numbering *n, uint64_t hash, uint32_t *at) {
    for (; n->slot_count; ++*at) {
        uint32_t item = n->slots[((uint32_t)hash + *at) & (n->slot_count - 1)];
        if (!item) return UINT32_MAX;
        if (n->hash[item - 1] == hash) return ++*at, item - 1;
    }
    return UINT32_MAX;
}

static void numbering_add(numbering *n, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (n->slot_count - 1);
    while (n->slots[at]) at = (at + 1) & (n->slot_count - 1);
    n->slots[at] = n->count + 1;
    n->hash[n->count++] = hash;
}

static bool site_of(csl_sema *s, const csl_node *at, uint32_t *out) {
    layout_state *l = layout_of(s);
    uint32_t n = l->site_count;
    for (uint32_t i = n; i > 0 && n - i < 64; i--)
        if (l->sites[i - 1].at == at && l->sites[i - 1].module == s->module) return *out = i - 1, true;
    if (!CSL_ROOM(s, l->sites, n, &l->site_cap)) return false;
    l->sites[n] = csl_site_of(s, at);
    *out = l->site_count++;
    return true;
}

static bool same_route(const isa_route *a, const isa_route *b) {
    const isa_filter *f = &a->filter, *g = &b->filter;
    return a->color == b->color && !memcmp(a->rx, b->rx, 4) && !memcmp(a->tx, b->tx, 4) && a->position == b->position &&
           a->ring == b->ring && a->teardown == b->teardown && a->swap_x == b->swap_x && a->swap_y == b->swap_y &&
           a->pop == b->pop && f->kind == g->kind && f->count_data == g->count_data &&
           f->count_control == g->count_control && f->filter_control == g->filter_control && f->init == g->init &&
           f->limit1 == g->limit1 && f->limit2 == g->limit2 && f->max_counter == g->max_counter &&
           f->min_index == g->min_index && f->max_index == g->max_index;
}

static uint64_t mix(uint64_t h, uint64_t v) { return (h ^ v) * 0x9e3779b97f4a7c15ull ^ (h >> 29); }

static uint64_t hash_route(const isa_route *r) {
    const isa_filter *f = &r->filter;
    uint64_t h = mix(1469598103934665603ull,
                     r->color | (uint64_t)r->position << 8 | (uint64_t)r->pop << 16 | (uint64_t)f->kind << 24);
    for (int k = 0; k < 4; k++) h = mix(h, r->rx[k] | (uint64_t)r->tx[k] << 8);
    h = mix(h, f->init | (uint64_t)f->limit1 << 16 | (uint64_t)f->max_counter << 32 | (uint64_t)f->min_index << 48);
    return mix(h, h >> 32);
}

static bool intern_route(csl_sema *s, const isa_route *r, uint32_t *out) {
    layout_state *l = layout_of(s);
    uint64_t hash = hash_route(r);
    for (uint32_t at = 0, i; (i = numbering_next(&l->route_index, hash, &at)) != UINT32_MAX;)
        if (same_route(&l->routes[i], r)) return *out = i, true;
    *out = l->route_index.count;
    if (!numbering_room(s, &l->route_index) || !CSL_ROOM(s, l->routes, *out, &l->route_cap)) return false;
    l->routes[*out] = *r;
    numbering_add(&l->route_index, hash);
    return true;
}

static bool intern_program(csl_sema *s, const char *path, const csl_value *params, const csl_node *call,
                           uint32_t *out) {
    layout_state *l = layout_of(s);
    uint64_t hash = mix(csl_hash(params), str_hash(str_from(path)));
    hash = mix(hash, hash >> 32);
    for (uint32_t at = 0, i; (i = numbering_next(&l->program_index, hash, &at)) != UINT32_MAX;)
        if (!strcmp(l->programs[i].path, path) && csl_same(&l->programs[i].params, params)) return *out = i, true;
    *out = l->program_index.count;
    if (!numbering_room(s, &l->program_index) || !CSL_ROOM(s, l->programs, *out, &l->program_cap)) return false;
    csl_value kept = csl_keep(s, *params);
    if (!kept.type) return false;
    l->programs[*out] = (csl_tile_program){.path = path, .params = kept, .at = call, .from = s->module};
    numbering_add(&l->program_index, hash);
    return true;
}

/* ---- @set_rectangle, @get_rectangle ---- */

static bool pair(csl_sema *s, const char *const names[2], csl_value a, csl_value b, csl_value *out) {
    csl_member m[2] = {{.name = str_from(names[0]), .type = a.type}, {.name = str_from(names[1]), .type = b.type}};
    csl_value *e = arena_push_n(s->unit->memory, csl_value, 2);
    const csl_type *t = csl_type_struct(s->unit, 2, m, false);
    if (!t || !e) return csl_oom(s), false;
    e[0] = a, e[1] = b;
    *out = (csl_value){.type = t, .elems = e};
    return true;
}

static bool rectangle_value(csl_sema *s, uint32_t w, uint32_t h) {
    static const char *const size[2] = {"width", "height"};
    const csl_type *u16 = s->unit->types.u16;
    const isa_image *m = s->unit->image;
    csl_member names[4] = {
        {.name = STR("width")}, {.name = STR("height")}, {.name = STR("fabric")}, {.name = STR("offsets")}};
    csl_value *e = arena_push_n(s->unit->memory, csl_value, 4);
    if (!e) return csl_oom(s), false;
    e[0] = csl_int(u16, w), e[1] = csl_int(u16, h);
    uint32_t fw = m->fabric_width ? m->fabric_width : w + m->offset_x,
             fh = m->fabric_height ? m->fabric_height : h + m->offset_y;
    if (!pair(s, size, csl_int(u16, fw), csl_int(u16, fh), &e[2]) ||
        !pair(s, size, csl_int(u16, m->offset_x), csl_int(u16, m->offset_y), &e[3]))
        return false;
    for (int i = 0; i < 4; i++) names[i].type = e[i].type;
    const csl_type *t = csl_type_struct(s->unit, 4, names, false);
    if (!t) return csl_oom(s), false;
    s->unit->rectangle = (csl_value){.type = t, .elems = e};
    s->unit->rectangle_set = true;
    return true;
}

/* The memcpy run time has columns of PEs on both sides, and a row above and below. */
static bool fits_fabric(csl_sema *s, const csl_node *call, uint32_t w, uint32_t h) {
    const csl_options *o = s->unit->options;
    uint32_t east = o->memcpy ? 3 + o->east_buffer : 0, below = o->memcpy ? 1 : 0;
    if (!o->fabric_width || !o->fabric_height) return true;
    if (o->offset_x + w + east <= o->fabric_width && o->offset_y + h + below <= o->fabric_height) return true;
    return csl_refuse(s, call,
                      "a rectangle of %" PRIu32 " x %" PRIu32 " at offset %" PRIu32 ",%" PRIu32
                      "%s does not fit the fabric of %" PRIu32 " x %" PRIu32 "; enlarge --fabric-dims",
                      w, h, o->offset_x, o->offset_y, o->memcpy ? " (and what memcpy needs around it)" : "",
                      o->fabric_width, o->fabric_height);
}

csl_value csl_b_set_rectangle(csl_sema *s, const csl_node *call) {
    layout_state *l = layout_of(s);
    isa_image *m = s->unit->image;
    __int128 w, h;
    if (l->width) return csl_error(s, call, "@set_rectangle is called a second time");
    if (!csl_eval_int(s, csl_arg(call, 0), 1, UINT16_MAX, "the width", &w) ||
        !csl_eval_int(s, csl_arg(call, 1), 1, UINT16_MAX, "the height", &h))
        return CSL_NOTHING;
    if (w * h > PES_MAX) return csl_error(s, call, "a rectangle of more than %d PEs is not supported", PES_MAX);
    if (!fits_fabric(s, call, (uint32_t)w, (uint32_t)h)) return CSL_NOTHING;
    size_t n = (size_t)(w * h);
    l->program = arena_push_n(s->unit->memory, uint32_t, n);
    l->chain = arena_push_n(s->unit->memory, uint32_t, n);
    l->code_site = arena_push_n(s->unit->memory, uint32_t, n);
    if (!l->program || !l->chain || !l->code_site) return csl_oom(s);
    l->width = m->width = (uint32_t)w, l->height = m->height = (uint32_t)h;
    return rectangle_value(s, l->width, l->height) ? csl_void(s) : CSL_NOTHING;
}

csl_value csl_b_get_rectangle(csl_sema *s, const csl_node *call) {
    if (s->unit->rectangle_set) return s->unit->rectangle;
    return csl_error(s, call, "@get_rectangle: no rectangle has been set; call @set_rectangle first");
}

/* ---- @set_tile_code, @set_color_config ---- */

static bool tile_of(csl_sema *s, const csl_node *call, uint32_t *pe) {
    layout_state *l = layout_of(s);
    __int128 x, y;
    if (!l->width) return csl_refuse(s, call, "@%.*s: call @set_rectangle first", (int)call->name.n, call->name.p);
    if (!csl_eval_int(s, csl_arg(call, 0), 0, l->width - 1, "the column", &x) ||
        !csl_eval_int(s, csl_arg(call, 1), 0, l->height - 1, "the row", &y))
        return false;
    *pe = (uint32_t)(y * l->width + x);
    return true;
}

static const char *tile_path(csl_sema *s, str text, const csl_node *at) {
    layout_state *l = layout_of(s);
    if (l->last_path && l->last_module == s->module && str_eq(l->last_text, text)) return l->last_path;
    bool is_library;
    const char *path = csl_resolve_path(s, text, at, &is_library);
    char *copy = path ? arena_strndup(s->unit->memory, text.p, text.n) : NULL;
    if (!copy) return path;
    l->last_text = (str){copy, text.n}, l->last_module = s->module, l->last_path = path;
    return path;
}

static bool tile_params(csl_sema *s, const csl_node *call, csl_value *out) {
    const csl_node *n = csl_arg(call, 3);
    if (!n) {
        const csl_type *t = csl_type_struct(s->unit, 0, NULL, false);
        *out = (csl_value){.type = t};
        return t || (csl_oom(s), false);
    }
    *out = csl_eval_known(s, n);
    if (!out->type) return false;
    if (out->type->kind == CSL_T_STRUCT && (!out->type->tuple || !out->type->count)) return true;
    return csl_refuse(s, n, "@set_tile_code: the parameters must be a struct such as '.{ .size = 4 }', not '%s'",
                      out->type->text);
}

csl_value csl_b_set_tile_code(csl_sema *s, const csl_node *call) {
    layout_state *l = layout_of(s);
    uint32_t pe = 0, program;
    csl_value params, text;
    if (!tile_of(s, call, &pe)) return CSL_NOTHING;
    text = csl_arg_string(s, call, 2, "the file");
    const char *path = text.type ? tile_path(s, text.s, csl_arg(call, 2)) : NULL;
    if (!path || !tile_params(s, call, &params)) return CSL_NOTHING;
    if (l->program[pe]) {
        csl_error(s, call, "PE (%" PRIu32 ", %" PRIu32 ") has already been given code", pe % l->width, pe / l->width);
        csl_note(s, l->sites[l->code_site[pe]].module, l->sites[l->code_site[pe]].at, "given here");
        return CSL_NOTHING;
    }
    if (!intern_program(s, path, &params, call, &program) || !site_of(s, call, &l->code_site[pe])) return CSL_NOTHING;
    l->program[pe] = program + 1;
    return csl_void(s);
}

static link *link_at(const layout_state *l, uint32_t i) { return &l->chunks[i / LINKS_PER_CHUNK][i % LINKS_PER_CHUNK]; }

static bool add_link(csl_sema *s, uint32_t pe, uint32_t route, uint32_t site) {
    layout_state *l = layout_of(s);
    if (l->link_count == l->chunk_count * LINKS_PER_CHUNK) {
        if (!CSL_ROOM(s, l->chunks, l->chunk_count, &l->chunk_cap)) return false;
        l->chunks[l->chunk_count] = arena_push_n(s->unit->memory, link, LINKS_PER_CHUNK);
        if (!l->chunks[l->chunk_count]) return csl_oom(s), false;
        l->chunk_count++;
    }
    *link_at(l, l->link_count) = (link){route, l->chain[pe], site};
    l->chain[pe] = ++l->link_count;
    return true;
}

csl_value csl_b_set_color_config(csl_sema *s, const csl_node *call) {
    layout_state *l = layout_of(s);
    uint32_t pe = 0, route, site;
    int64_t color;
    isa_route r;
    if (!tile_of(s, call, &pe) || !csl_color_of(s, csl_arg(call, 2), &color) ||
        !csl_color_free(s, color, csl_arg(call, 2)) ||
        !csl_parse_route(s, csl_arg(call, 3), color, "@set_color_config", &r))
        return CSL_NOTHING;
    for (uint32_t i = l->chain[pe]; i; i = link_at(l, i - 1)->next) {
        const link *k = link_at(l, i - 1);
        if (l->routes[k->route].color != color) continue;
        csl_error(s, call, "color %" PRId64 " of PE (%" PRIu32 ", %" PRIu32 ") is configured twice", color,
                  pe % l->width, pe / l->width);
        csl_note(s, l->sites[k->site].module, l->sites[k->site].at, "configured here");
        return CSL_NOTHING;
    }
    if (!intern_route(s, &r, &route) || !site_of(s, call, &site) || !add_link(s, pe, route, site)) return CSL_NOTHING;
    return csl_void(s);
}

csl_value csl_b_stream_color(csl_sema *s, const csl_node *call) {
    csl_value to_device = csl_eval_known(s, csl_arg(call, 0));
    int64_t color;
    if (!to_device.type || !csl_color_of(s, csl_arg(call, 1), &color)) return CSL_NOTHING;
    *(to_device.i ? &s->unit->image->h2d_colors : &s->unit->image->d2h_colors) |= 1u << color;
    return csl_void(s);
}

/* ---- the end of the layout ---- */

static bool every_tile_has_code(csl_sema *s) {
    layout_state *l = layout_of(s);
    uint32_t missing = 0, first = 0, n = l->width * l->height;
    for (uint32_t i = n; i-- > 0;)
        if (!l->program[i]) first = i, missing++;
    if (!missing) return true;
    return diag_error(s->d,
                      "%s: PE (%" PRIu32 ", %" PRIu32 ") has no code%s; give every PE of the %" PRIu32 " x %" PRIu32
                      " rectangle a program with @set_tile_code",
                      s->root ? s->root->path : "layout", first % l->width, first / l->width,
                      missing > 1 ? " (nor have others)" : "", l->width, l->height);
}

typedef struct {
    uint32_t first, count; /* in `ids` */
} set_row;

typedef struct {
    numbering index;
    set_row *rows;
    uint32_t row_cap;
    uint32_t *ids;
    uint32_t id_count, id_cap;
} set_table;

/* Route numbers of a PE by color, which is unique on it. */
static uint32_t routes_of(const layout_state *l, uint32_t pe, uint32_t out[ISA_COLORS]) {
    uint32_t n = 0;
    for (uint32_t i = l->chain[pe]; i && n < ISA_COLORS; i = link_at(l, i - 1)->next) {
        uint32_t route = link_at(l, i - 1)->route, k = n++;
        for (; k && l->routes[out[k - 1]].color > l->routes[route].color; k--) out[k] = out[k - 1];
        out[k] = route;
    }
    return n;
}

static bool intern_set(csl_sema *s, set_table *t, const uint32_t *ids, uint32_t n, uint32_t *out) {
    uint64_t hash = 1469598103934665603ull;
    for (uint32_t i = 0; i < n; i++) hash = mix(hash, ids[i]);
    hash = mix(hash, hash >> 32);
    for (uint32_t at = 0, i; (i = numbering_next(&t->index, hash, &at)) != UINT32_MAX;)
        if (t->rows[i].count == n && (!n || !memcmp(t->ids + t->rows[i].first, ids, n * sizeof *ids)))
            return *out = i, true;
    *out = t->index.count;
    if (!numbering_room(s, &t->index) || !CSL_ROOM(s, t->rows, *out, &t->row_cap)) return false;
    t->rows[*out] = (set_row){t->id_count, n};
    for (uint32_t i = 0; i < n; i++) {
        if (!CSL_ROOM(s, t->ids, t->id_count, &t->id_cap)) return false;
        t->ids[t->id_count++] = ids[i];
    }
    numbering_add(&t->index, hash);
    return true;
}

static bool write_sets(csl_sema *s, const set_table *t) {
    isa_image *m = s->unit->image;
    const layout_state *l = layout_of(s);
    m->route_sets = arena_push_n(m->memory, isa_route_set, t->index.count);
    if (!m->route_sets) return csl_oom(s), false;
    m->route_set_count = 0;
    for (uint32_t i = 0; i < t->index.count; i++) {
        isa_route_set *set = &m->route_sets[m->route_set_count++];
        set->routes = arena_push_n(m->memory, isa_route, t->rows[i].count ? t->rows[i].count : 1);
        if (!set->routes) return csl_oom(s), false;
        for (; set->count < t->rows[i].count; set->count++)
            set->routes[set->count] = l->routes[t->ids[t->rows[i].first + set->count]];
    }
    return true;
}

bool csl_layout_finish(csl_sema *s) {
    layout_state *l = layout_of(s);
    isa_image *m = s->unit->image;
    set_table sets = {0};
    uint32_t ids[ISA_COLORS] = {0}, set;
    if (!l->width)
        return diag_error(s->d, "%s: the layout block does not call @set_rectangle",
                          s->root ? s->root->path : "layout");
    if (!every_tile_has_code(s) || !intern_set(s, &sets, ids, 0, &set)) return false; /* set 0: no routes */
    m->tiles = arena_push_n(m->memory, isa_tile, (size_t)l->width * l->height);
    if (!m->tiles) return csl_oom(s), false;
    for (uint32_t pe = 0; pe < l->width * l->height; pe++) {
        if (!intern_set(s, &sets, ids, routes_of(l, pe, ids), &set)) return false;
        m->tiles[pe] = (isa_tile){l->program[pe] - 1, set};
    }
    return write_sets(s, &sets);
}

uint32_t csl_layout_programs(csl_unit *u, const csl_tile_program **out) {
    const layout_state *l = u->layout;
    *out = l ? l->programs : NULL;
    return l ? l->program_index.count : 0;
}
