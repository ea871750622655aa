/* A host-side layout from JSON to an image. Every number is checked against what it indexes; isa_image_check has the
 * last word. */
#include "api/layout.h"
#include "api/api.h"
#include "base/file.h"
#include <jansson.h>

enum { MAX_SIDE = 2048, MAX_TEXT = 256 << 20 };

static bool whole(json_t *o, const char *key, uint32_t below, uint32_t *out, const char *name, diag *d) {
    json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || n >= below)
        return diag_error(d, "%s: '%s' must be a whole number below %u", name, key, below);
    *out = (uint32_t)n;
    return true;
}

static json_t *list(json_t *o, const char *key) { return json_object_get(o, key); } /* missing = empty */

/* ---- programs ---- */

static bool add_program(csl_session *s, arena *a, json_t *p, uint32_t *index, const char *name, diag *d) {
    const char *path = json_string_value(json_object_get(p, "path")), *key;
    json_t *params = json_object_get(p, "params"), *value;
    if (!path) return diag_error(d, "%s: a program needs a 'path'", name);
    csl_param *given = arena_push_n(a, csl_param, json_object_size(params) + 1);
    uint32_t n = 0;
    if (!given) return diag_oom(d, name);
    json_object_foreach(params, key, value) given[n++] = (csl_param){key, json_integer_value(value)};
    return csl_session_program(s, path, given, n, index, d);
}

/* PEs that only pass wavelets on run an empty program. */
static bool add_empty(csl_session *s, arena *a, const char *folder, uint32_t *index, diag *d) {
    char *bin = path_join(a, folder, "bin"), *path = path_join(a, folder, "bin/empty.csl");
    if (!bin || !path) return diag_oom(d, folder);
    return dir_make(bin, d) && file_write_all(path, STR("comptime {}\n"), d) &&
           csl_session_program(s, path, NULL, 0, index, d);
}

/* ---- routes ---- */

static bool read_route(isa_route *r, json_t *o, const char *name, diag *d) {
    uint32_t color = 0, rx = 0, tx = 0;
    json_t *positions = list(o, "positions");
    *r = (isa_route){0};
    if (!whole(o, "color", ISA_COLORS, &color, name, d)) return false;
    r->color = (uint8_t)color;
    r->ring = json_is_true(json_object_get(o, "ring"));
    if (!json_array_size(positions) || json_array_size(positions) > 4)
        return diag_error(d, "%s: color %u needs 1 to 4 routing positions", name, color);
    for (size_t i = 0; i < json_array_size(positions); i++) {
        json_t *p = json_array_get(positions, i);
        if (!whole(p, "rx", 1u << ISA_DIRS, &rx, name, d) || !whole(p, "tx", 1u << ISA_DIRS, &tx, name, d))
            return false;
        r->rx[i] = (uint8_t)rx;
        r->tx[i] = (uint8_t)tx;
    }
    return true;
}

static bool read_tile(isa_image *m, json_t *o, const uint32_t *programs, size_t program_count, uint32_t set,
                      const char *name, diag *d) {
    uint32_t x, y, program;
    json_t *routes = list(o, "routes");
    if (!whole(o, "x", m->width, &x, name, d) || !whole(o, "y", m->height, &y, name, d)) return false;
    isa_tile *t = &m->tiles[y * m->width + x];
    if (json_object_get(o, "program")) {
        if (!whole(o, "program", (uint32_t)program_count, &program, name, d)) return false;
        t->program = programs[program];
    }
    size_t n = json_array_size(routes);
    if (n > ISA_COLORS)
        return diag_error(d, "%s: PE(%u,%u) has %zu routes; there are %d colors", name, x, y, n, ISA_COLORS);
    isa_route_set *s = &m->route_sets[set];
    s->routes = arena_push_n(m->memory, isa_route, n + 1);
    if (!s->routes) return diag_oom(d, name);
    for (size_t i = 0; i < n; i++)
        if (!read_route(&s->routes[s->count++], json_array_get(routes, i), name, d)) return false;
    t->route_set = set;
    return true;
}

static bool fill_tiles(isa_image *m, json_t *o, const uint32_t *programs, size_t program_count, uint32_t empty,
                       const char *name, diag *d) {
    json_t *tiles = list(o, "tiles");
    size_t n = json_array_size(tiles);
    m->route_sets = arena_push_n(m->memory, isa_route_set, n + 1);
    m->tiles = arena_push_n(m->memory, isa_tile, (size_t)m->width * m->height);
    if (!m->route_sets || !m->tiles) return diag_oom(d, name);
    m->route_set_count = (uint32_t)n + 1;
    for (uint32_t i = 0; i < m->width * m->height; i++) m->tiles[i].program = empty;
    for (size_t i = 0; i < n; i++)
        if (!read_tile(m, json_array_get(tiles, i), programs, program_count, (uint32_t)i + 1, name, d)) return false;
    return true;
}

/* The machine wants to know on which colors the host streams. */
static bool fill_colors(isa_image *m, json_t *o, const char *name, diag *d) {
    json_t *ports = list(o, "ports");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        json_t *p = json_array_get(ports, i);
        uint32_t color;
        if (!whole(p, "color", ISA_COLORS, &color, name, d)) return false;
        *(json_is_true(json_object_get(p, "input")) ? &m->h2d_colors : &m->d2h_colors) |= 1u << color;
    }
    return true;
}

static bool fill_image(isa_image *m, json_t *o, const uint32_t *programs, uint32_t empty, const char *name, diag *d) {
    if (!whole(o, "width", MAX_SIDE, &m->width, name, d) || !whole(o, "height", MAX_SIDE, &m->height, name, d))
        return false;
    if (!m->width || !m->height) return diag_error(d, "%s: a layout needs at least one PE", name);
    m->fabric_width = m->width;
    m->fabric_height = m->height;
    return fill_colors(m, o, name, d) &&
           fill_tiles(m, o, programs, json_array_size(list(o, "programs")), empty, name, d);
}

/* ---- ports and data ---- */

static bool read_port(api_port *p, arena *a, json_t *o, const char *name, diag *d) {
    const char *text = json_string_value(json_object_get(o, "name"));
    if (!text) return diag_error(d, "%s: a port needs a 'name'", name);
    p->name = arena_strdup(a, text);
    p->input = json_is_true(json_object_get(o, "input"));
    return (p->name || diag_oom(d, name)) && whole(o, "x", MAX_SIDE, &p->x, name, d) &&
           whole(o, "y", MAX_SIDE, &p->y, name, d) && whole(o, "color", ISA_COLORS, &p->color, name, d) &&
           whole(o, "elements", UINT32_MAX, &p->elements, name, d);
}

static bool read_data(api_data *p, arena *a, json_t *o, const char *name, diag *d) {
    const char *text = json_string_value(json_object_get(o, "symbol"));
    json_t *words = list(o, "words");
    size_t n = json_array_size(words);
    if (!text || n > ISA_SRAM_WORDS)
        return diag_error(d, "%s: data need a 'symbol' and at most %d words", name, ISA_SRAM_WORDS);
    p->symbol = arena_strdup(a, text);
    p->words = arena_push_n(a, uint16_t, n + 1);
    if (!p->symbol || !p->words) return diag_oom(d, name);
    for (size_t i = 0; i < n; i++) p->words[p->count++] = (uint16_t)json_integer_value(json_array_get(words, i));
    return whole(o, "x", MAX_SIDE, &p->x, name, d) && whole(o, "y", MAX_SIDE, &p->y, name, d);
}

static bool read_run(api_layout *l, arena *a, json_t *o, const char *name, diag *d) {
    json_t *ports = list(o, "ports"), *data = list(o, "data");
    l->ports = arena_push_n(a, api_port, json_array_size(ports) + 1);
    l->data = arena_push_n(a, api_data, json_array_size(data) + 1);
    if (!l->ports || !l->data) return diag_oom(d, name);
    for (size_t i = 0; i < json_array_size(ports); i++)
        if (!read_port(&l->ports[l->port_count++], a, json_array_get(ports, i), name, d)) return false;
    for (size_t i = 0; i < json_array_size(data); i++)
        if (!read_data(&l->data[l->data_count++], a, json_array_get(data, i), name, d)) return false;
    return true;
}

static json_t *load(str json, const char *name, diag *d) {
    json_error_t e;
    json_t *o = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &e);
    if (!o) diag_error(d, "%s:%d:%d: %s", name, e.line, e.column, e.text);
    return o;
}

bool api_layout_parse(api_layout *l, arena *a, str json, const char *name, diag *d) {
    *l = (api_layout){0};
    json_t *o = load(json, name, d);
    bool ok = o && read_run(l, a, o, name, d);
    json_decref(o);
    return ok;
}

bool api_layout_read(api_layout *l, arena *a, const char *folder, diag *d) {
    *l = (api_layout){0};
    str text;
    char *path = path_join(a, folder, "bin/layout.json");
    if (!path) return diag_oom(d, folder);
    if (!file_exists(path)) return true;
    return file_read_all(a, path, MAX_TEXT, &text, d) && api_layout_parse(l, a, text, path, d);
}

bool api_layout_place_data(const api_layout *l, const isa_image *m, host *h, diag *d) {
    for (uint32_t i = 0; i < l->data_count; i++) {
        const api_data *p = &l->data[i];
        if (p->x >= m->width || p->y >= m->height)
            return diag_error(d, "data for '%s' lie at PE(%u,%u), outside %u x %u PEs", p->symbol, p->x, p->y, m->width,
                              m->height);
        uint32_t pe = p->y * m->width + p->x, words;
        uint16_t *memory = host_memory(h, pe);
        if (!host_read_symbol(m, memory, pe, p->symbol, NULL, &words, d)) return false;
        if (words != p->count)
            return diag_error(d, "'%s' of PE(%u,%u) takes %u bytes, the data given for it %u; correct set_symbol_all",
                              p->symbol, p->x, p->y, 2 * words, 2 * p->count);
        const isa_program *program = &m->programs[m->tiles[pe].program];
        uint32_t at = host_symbol_word(host_find_symbol(program, p->symbol, ISA_SYM_DATA), memory);
        memcpy(memory + at, p->words, 2 * (size_t)words);
        host_wrote(h, pe, at, words);
    }
    return true;
}

/* ---- compiling ---- */

static bool build(csl_session *s, arena *a, json_t *o, const char *folder, diag *d) {
    const char *name = "layout";
    json_t *list_of = list(o, "programs");
    size_t n = json_array_size(list_of);
    uint32_t *programs = arena_push_n(a, uint32_t, n + 1), empty;
    if (!programs) return diag_oom(d, name);
    for (size_t i = 0; i < n; i++)
        if (!add_program(s, a, json_array_get(list_of, i), &programs[i], name, d)) return false;
    return add_empty(s, a, folder, &empty, d) && fill_image(csl_session_image(s), o, programs, empty, name, d);
}

static isa_image *compile(json_t *o, arena *a, const char *folder, diag *d) {
    isa_wafer wafer;
    const char *arch = json_string_value(json_object_get(o, "arch")),
               *fp16 = json_string_value(json_object_get(o, "fp16"));
    csl_options options = {.arch = arch && !strcmp(arch, "wse2") ? ISA_WSE2 : ISA_WSE3,
                           .fp16 = fp16 && !strcmp(fp16, "bf16") ? ISA_BF16 : ISA_F16,
                           .wafer = &wafer};
    char *root = api_root(a, d), *library = root ? path_join(a, root, "lib") : NULL;
    if (root && !library) diag_oom(d, root);
    if (!library || !api_wafer(&wafer, options.arch, NULL, d)) return NULL;
    options.library = library;
    csl_session *s = csl_session_new(&options, d);
    isa_image *m = s && build(s, a, o, folder, d) ? csl_session_take(s) : NULL;
    csl_session_free(s);
    if (m && isa_image_check(m, d)) return m;
    isa_image_free(m);
    return NULL;
}

isa_image *api_layout_compile(str json, const char *folder, diag *d) {
    arena *a = arena_new(0);
    json_t *o = a ? load(json, "layout", d) : NULL;
    isa_image *m = o ? compile(o, a, folder, d) : NULL;
    char *path = a ? path_join(a, folder, "bin/layout.json") : NULL;
    api_cslc c = {.output = folder};
    if (m && !(path && api_write_folder(m, &c, d) && file_write_all(path, json, d))) {
        isa_image_free(m);
        m = NULL;
    }
    if (m) isa_check_routes(m, d);
    json_decref(o);
    arena_free(a);
    return m;
}
