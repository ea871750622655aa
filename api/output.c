/* The output folder of a compilation:
 *     out.json             what run scripts read: params and colors, and what the program is
 *     bin/program.ingot    the image
 *     bin/out_rpc.json     what the host may see: exported symbols and functions
 */
#include "api/api.h"
#include "base/file.h"
#include <jansson.h>
#include <stdlib.h>

enum { JSON_FLAGS = JSON_INDENT(2) | JSON_PRESERVE_ORDER };

static json_t *pairs(const csl_param *given, uint32_t count, const isa_named *found, uint32_t found_count) {
    json_t *o = json_object();
    for (uint32_t i = 0; i < found_count; i++) json_object_set_new(o, found[i].name, json_integer(found[i].value));
    for (uint32_t i = 0; i < count; i++) json_object_set_new(o, given[i].name, json_integer(given[i].value));
    return o;
}

static json_t *two(uint32_t x, uint32_t y) { return json_pack("[I,I]", (json_int_t)x, (json_int_t)y); }

static json_t *out_json(const isa_image *m, const api_cslc *c) {
    json_t *o = json_object();
    json_object_set_new(o, "params", pairs(c->params, c->csl.param_count, m->params, m->param_count));
    json_object_set_new(o, "colors", pairs(c->colors, c->csl.color_count, m->colors, m->color_count));
    json_object_set_new(o, "arch", json_string(m->arch == ISA_WSE3 ? "wse3" : m->arch == ISA_WSE2 ? "wse2" : "wse1"));
    json_object_set_new(o, "fabric_dims", two(m->fabric_width, m->fabric_height));
    json_object_set_new(o, "fabric_offsets", two(m->offset_x, m->offset_y));
    json_object_set_new(o, "rectangle", two(m->width, m->height));
    json_object_set_new(o, "memcpy", json_boolean(m->memcpy));
    json_object_set_new(o, "channels", json_integer(m->channels));
    json_object_set_new(o, "program", json_string("bin/program.ingot"));
    return o;
}

static json_t *type_json(uint8_t scalar, uint8_t bits) {
    static const char *const letters[] = {"void", "bool", "i", "u", "f", "other"};
    const char *letter = letters[scalar <= ISA_T_OTHER ? scalar : ISA_T_OTHER];
    bool sized = scalar == ISA_T_INT || scalar == ISA_T_UINT || scalar == ISA_T_FLOAT;
    return sized ? json_sprintf("%s%u", letter, bits) : json_string(letter);
}

static json_t *rpc_json(const isa_image *m) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->export_count; i++) {
        const isa_export *e = &m->exports[i];
        json_t *o =
            json_pack("{s:i,s:s,s:s}", "id", (int)i, "name", e->name, "kind", e->is_function ? "function" : "symbol");
        if (e->is_function) {
            json_t *params = json_array();
            for (uint32_t k = 0; k < e->params; k++)
                json_array_append_new(params, type_json(e->param_scalar[k], e->param_bits[k]));
            json_object_set_new(o, "params", params);
        } else {
            json_object_set_new(o, "type", type_json(e->scalar, e->bits));
            json_object_set_new(o, "mutable", json_boolean(e->is_mutable));
        }
        json_array_append_new(list, o);
    }
    return json_pack("{s:o}", "exports", list);
}

static bool write_json(json_t *o, const char *path, diag *d) {
    char *text = o ? json_dumps(o, JSON_FLAGS) : NULL;
    bool ok = text ? file_write_all(path, str_from(text), d) : diag_oom(d, path);
    free(text); /* jansson's own */
    json_decref(o);
    return ok;
}

bool api_write_json_files(const isa_image *m, const api_cslc *c, const char *folder, diag *d) {
    arena *a = arena_new(0);
    if (!a) return diag_oom(d, folder);
    char *bin = path_join(a, folder, "bin"), *out = path_join(a, folder, "out.json"),
         *rpc = path_join(a, folder, "bin/out_rpc.json");
    bool ok = bin && out && rpc ? dir_make(bin, d) : diag_oom(d, folder);
    ok = ok && write_json(out_json(m, c), out, d) && write_json(rpc_json(m), rpc, d);
    arena_free(a);
    return ok;
}

static bool with_program(const char *folder, arena **a, char **path, diag *d) {
    *a = arena_new(0);
    *path = *a ? path_join(*a, folder, "bin/program.ingot") : NULL;
    return *path || diag_oom(d, folder);
}

bool api_write_folder(const isa_image *m, const api_cslc *c, diag *d) {
    arena *a;
    char *path;
    bool ok = with_program(c->output, &a, &path, d) && api_write_json_files(m, c, c->output, d) &&
              isa_image_write(m, path, d);
    arena_free(a);
    return ok;
}

isa_image *api_read_folder(const char *folder, diag *d) {
    arena *a;
    char *path;
    isa_image *m = NULL;
    if (with_program(folder, &a, &path, d)) {
        if (file_exists(path)) m = isa_image_read(path, d);
        else
            diag_error(d, "%s: no compiled program there (%s is missing); compile with cslc -o %s", folder, path,
                       folder);
    }
    arena_free(a);
    return m;
}
