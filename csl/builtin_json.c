/* @import_comptime_value(T, "file.json"): a known value of type T from a JSON file.
 *
 *     numbers, bool, comptime_string   as they are; an integer must fit, a float takes any number
 *     enum                             a member's name, or its number
 *     array                            lists, nested as deep as the array has dimensions
 *     struct                           an object of its fields; defaults fill what is missing; a tuple is a list
 */
#include "csl/builtin.h"
#include "base/file.h"
#include "csl/sema_internal.h"
#include <inttypes.h>
#include <jansson.h>

enum { JSON_BYTES_MAX = 16 << 20 };

typedef struct {
    csl_sema *s;
    const csl_node *at;
    const char *path;
} import;

static csl_value from_json(import *m, const csl_type *t, json_t *j);

static csl_value refuse(import *m, const csl_type *t, const json_t *j) {
    static const char *const kinds[] = {"an object", "a list", "a text", "an integer",
                                        "a number",  "true",   "false",  "null"};
    return csl_error(m->s, m->at, "%s: expected a value of type '%s', found %s", m->path, t->text,
                     kinds[json_typeof(j)]);
}

static csl_value integer(import *m, const csl_type *t, const json_t *j) {
    const csl_type *range = t->kind == CSL_T_ENUM ? t->elem : t;
    if (!json_is_integer(j)) return refuse(m, t, j);
    int64_t v = json_integer_value(j);
    if (range->kind == CSL_T_COMPTIME_INT || csl_fits(range, v)) return csl_int(t, v);
    return csl_error(m->s, m->at, "%s: %" PRId64 " does not fit type '%s'", m->path, v, t->text);
}

static csl_value enumerator(import *m, const csl_type *t, const json_t *j) {
    if (!json_is_string(j)) return integer(m, t, j);
    const csl_member *found = csl_find_member(t, (str){json_string_value(j), json_string_length(j)});
    if (found) return csl_int(t, found->value);
    return csl_error(m->s, m->at, "%s: enum '%s' has no member '%s'", m->path, t->text, json_string_value(j));
}

static csl_value text(import *m, const csl_type *t, const json_t *j) {
    if (!json_is_string(j)) return refuse(m, t, j);
    char *copy = arena_strndup(m->s->unit->memory, json_string_value(j), json_string_length(j));
    return copy ? csl_str(m->s, (str){copy, json_string_length(j)}) : csl_oom(m->s);
}

/* One dimension of an array: elems from `at` on. */
static bool fill(import *m, const csl_type *t, uint32_t dimension, uint32_t *at, csl_value *elems, json_t *j) {
    if (dimension == t->rank) {
        elems[*at] = from_json(m, t->elem, j);
        return elems[(*at)++].type != NULL;
    }
    if (!json_is_array(j)) return refuse(m, t, j).type;
    if (json_array_size(j) != t->extents[dimension])
        return csl_refuse(m->s, m->at, "%s: '%s' needs %" PRIu32 " elements here, %zu are given", m->path, t->text,
                          t->extents[dimension], json_array_size(j));
    for (uint32_t i = 0; i < t->extents[dimension]; i++)
        if (!fill(m, t, dimension + 1, at, elems, json_array_get(j, i))) return false;
    return true;
}

static csl_value array(import *m, const csl_type *t, json_t *j) {
    uint32_t at = 0;
    csl_value v = {.type = t, .elems = csl_elems_new(m->s, t->count)};
    return v.elems && fill(m, t, 0, &at, v.elems, j) ? v : CSL_NOTHING;
}

static bool has_no_others(import *m, const csl_type *t, json_t *j) {
    const char *key;
    json_t *v;
    json_object_foreach(j, key, v) if (!csl_find_member(t, str_from(key))) return csl_refuse(
        m->s, m->at, "%s: '%s' has no field '%s'", m->path, t->text, key);
    return true;
}

static csl_value structure(import *m, const csl_type *t, json_t *j) {
    csl_value v = {.type = t, .elems = csl_elems_new(m->s, t->count)};
    if (!v.elems) return CSL_NOTHING;
    if (t->tuple ? !json_is_array(j) || json_array_size(j) != t->count : !json_is_object(j)) return refuse(m, t, j);
    if (!t->tuple && !has_no_others(m, t, j)) return CSL_NOTHING;
    for (uint32_t i = 0; i < t->count; i++) {
        const csl_member *f = &t->members[i];
        json_t *part = t->tuple ? json_array_get(j, i) : json_object_getn(j, f->name.p, f->name.n);
        if (part) v.elems[i] = from_json(m, f->type, part);
        else if (f->fallback) v.elems[i] = *f->fallback;
        else csl_error(m->s, m->at, "%s: field '%.*s' of '%s' is missing", m->path, (int)f->name.n, f->name.p, t->text);
        if (!v.elems[i].type) return CSL_NOTHING;
    }
    return v;
}

static csl_value from_json(import *m, const csl_type *t, json_t *j) {
    switch ((csl_tkind)t->kind) {
    case CSL_T_BOOL: return json_is_boolean(j) ? csl_bool(m->s, json_is_true(j)) : refuse(m, t, j);
    case CSL_T_INT:
    case CSL_T_COMPTIME_INT: return integer(m, t, j);
    case CSL_T_ENUM: return enumerator(m, t, j);
    case CSL_T_FLOAT:
    case CSL_T_COMPTIME_FLOAT: return json_is_number(j) ? csl_float(t, json_number_value(j)) : refuse(m, t, j);
    case CSL_T_STRING: return text(m, t, j);
    case CSL_T_ARRAY: return array(m, t, j);
    case CSL_T_STRUCT: return structure(m, t, j);
    default:
        return csl_error(m->s, m->at, "@import_comptime_value: a value of type '%s' cannot come from a file", t->text);
    }
}

static bool read_file(csl_sema *s, const char *path, const csl_node *at, str *bytes) {
    const csl_options *o = s->unit->options;
    if (!o->read) return file_read_all(s->unit->memory, path, JSON_BYTES_MAX, bytes, s->d);
    return o->read(o->read_context, path, bytes) || csl_refuse(s, at, "%s: no such file", path);
}

csl_value csl_b_import_comptime_value(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_value path = t ? csl_arg_string(s, call, 1, "the path") : CSL_NOTHING;
    bool is_library;
    const char *found = path.type ? csl_resolve_path(s, path.s, csl_arg(call, 1), &is_library) : NULL;
    str bytes;
    json_error_t why;
    if (!found || !read_file(s, found, csl_arg(call, 1), &bytes) || !csl_work(s, call, bytes.n, bytes.n))
        return CSL_NOTHING;
    json_t *j = json_loadb(bytes.p ? bytes.p : "", bytes.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!j) return csl_error(s, csl_arg(call, 1), "%s:%d:%d: %s", found, why.line, why.column, why.text);
import m = {s, csl_arg(call, 1), found };
    csl_value v = from_json(&m, t, j);
    json_decref(j);
    return v;
}
