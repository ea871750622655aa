/* Reading safetensors headers. The JSON is parsed whole, each entry is checked on its own (type, shape, range), and
 * then the ranges together: sorted, they must cover the data exactly, so that no bytes hide between tensors and none
 * serve two.
 *
 * Left out: writing; sub-byte and 8-bit floats as weights (they are recognised, so that a message can name them).
 */
#include "llm/safetensors.h"
#include "base/map.h"
#include "llm/hf_internal.h"
#include <inttypes.h>
#include <stdlib.h>

#define DAMAGED "the file is damaged or was cut short: fetch it again"

/* Element types of the format. */
static const struct {
    const char *name;
    uint8_t bits;
    bool weight;
    dtype_id id;             /* when it can be a weight */
} types[] = {
    {"F32", 32, true, DTYPE_F32}, {"F16", 16, true, DTYPE_F16}, {"BF16", 16, true, DTYPE_BF16},
    {"F64", 64, 0, 0}, {"C64", 64, 0, 0}, {"I64", 64, 0, 0}, {"U64", 64, 0, 0}, {"I32", 32, 0, 0}, {"U32", 32, 0, 0},
    {"I16", 16, 0, 0}, {"U16", 16, 0, 0}, {"I8", 8, 0, 0}, {"U8", 8, 0, 0}, {"BOOL", 8, 0, 0}, {"F8_E5M2", 8, 0, 0},
    {"F8_E4M3", 8, 0, 0}, {"F8_E8M0", 8, 0, 0}, {"F6_E2M3", 6, 0, 0}, {"F6_E3M2", 6, 0, 0}, {"F4", 4, 0, 0},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

typedef struct {
    safetensors *s;
    arena *a;
    const char *name;
    uint64_t data_bytes;
    diag *d;
} reader;

#define BAD(r, t, fmt, ...)                                                                                            \
    diag_error((r)->d, "%s: tensor '%s': " fmt, (r)->name, hf_show((t)->name).text, ##__VA_ARGS__)

static bool whole(const json_t *j, uint64_t *out) {
    if (!json_is_integer(j) || json_integer_value(j) < 0) return false;
    *out = (uint64_t)json_integer_value(j);
    return true;
}

static bool read_type(reader *r, safetensor *t, const json_t *entry, uint8_t *bits) {
    const json_t *name = json_object_get(entry, "dtype");
    for (int i = 0; i < TYPE_COUNT && json_is_string(name); i++) {
        if (strcmp(json_string_value(name), types[i].name)) continue;
        t->type_name = types[i].name;
        t->type = types[i].weight ? dtype_find(types[i].id) : NULL;
        *bits = types[i].bits;
        return true;
    }
    return BAD(r, t, "dtype '%s' is not known to this format; a newer program may read it", hf_show_json(name).text);
}

static bool read_shape(reader *r, safetensor *t, const json_t *entry, uint8_t bits) {
    const json_t *shape = json_object_get(entry, "shape");
    size_t n = json_array_size(shape);
    uint64_t total = 1;
    if (!json_is_array(shape)) return BAD(r, t, "has no shape; " DAMAGED);
    if (n > SAFETENSORS_DIMS_MAX)
        return BAD(r, t, "has %zu dimensions, at most %d are supported", n, SAFETENSORS_DIMS_MAX);
    for (size_t i = 0; i < n; i++)
        if (!whole(json_array_get(shape, i), &t->dims[i]) || __builtin_mul_overflow(total, t->dims[i], &total))
            return BAD(r, t, "dimension %zu is impossible; " DAMAGED, i);
    if (__builtin_mul_overflow(total, bits, &total)) return BAD(r, t, "is larger than any file; " DAMAGED);
    if (total % 8) return BAD(r, t, "does not fill whole bytes; " DAMAGED);
    t->n_dims = (uint32_t)n;
    t->size_bytes = total / 8;
    return true;
}

static bool read_range(reader *r, safetensor *t, const json_t *entry) {
    const json_t *range = json_object_get(entry, "data_offsets");
    uint64_t begin, end;
    if (json_array_size(range) != 2 || !whole(json_array_get(range, 0), &begin) ||
        !whole(json_array_get(range, 1), &end))
        return BAD(r, t, "data_offsets are not two byte positions; " DAMAGED);
    if (begin > end || end > r->data_bytes)
        return BAD(r, t, "bytes %" PRIu64 "..%" PRIu64 " do not lie in the data of %" PRIu64 " bytes; " DAMAGED, begin,
                   end, r->data_bytes);
    if (end - begin != t->size_bytes)
        return BAD(r, t, "has %" PRIu64 " bytes, but its shape and dtype %s need %" PRIu64 "; " DAMAGED, end - begin,
                   t->type_name, t->size_bytes);
    t->offset_bytes = r->s->header_bytes + begin;
    return true;
}

static bool read_tensor(reader *r, safetensor *t, const json_t *entry) {
    uint8_t bits = 0;
    if (!json_is_object(entry)) return BAD(r, t, "is not described by an object; " DAMAGED);
    return read_type(r, t, entry, &bits) && read_shape(r, t, entry, bits) && read_range(r, t, entry);
}

static bool read_notes(reader *r, json_t *notes) {
    const char *key;
    json_t *value;
    if (!json_is_object(notes)) return diag_error(r->d, "%s: __metadata__ is not an object; " DAMAGED, r->name);
    r->s->notes = arena_push_n(r->a, safetensors_note, json_object_size(notes) + 1);
    if (!r->s->notes) return diag_oom(r->d, r->name);
    json_object_foreach(notes, key, value) {
        if (!json_is_string(value))
            return diag_error(r->d, "%s: __metadata__ '%s' is not a string; " DAMAGED, r->name,
                              hf_show(str_from(key)).text);
        safetensors_note n = {arena_strdup(r->a, key), arena_strdup(r->a, json_string_value(value))};
        if (!n.key || !n.value) return diag_oom(r->d, r->name);
        r->s->notes[r->s->note_count++] = n;
    }
    return true;
}

static bool read_entries(reader *r, json_t *header) {
    const char *key;
    json_t *entry;
    r->s->tensors = arena_push_n(r->a, safetensor, json_object_size(header) + 1);
    if (!r->s->tensors) return diag_oom(r->d, r->name);
    json_object_foreach(header, key, entry) {
        if (!strcmp(key, "__metadata__")) {
            if (!read_notes(r, entry)) return false;
            continue;
        }
        safetensor *t = &r->s->tensors[r->s->tensor_count++];
        t->name = str_from(arena_strdup(r->a, key));
        if (!t->name.p) return diag_oom(r->d, r->name);
        if (!read_tensor(r, t, entry)) return false;
    }
    return true;
}

/* By place; empty tensors before the one that begins where they stand. */
static int by_offset(const void *a, const void *b) {
    const safetensor *x = a, *y = b;
    if (x->offset_bytes != y->offset_bytes) return x->offset_bytes < y->offset_bytes ? -1 : 1;
    if (x->size_bytes != y->size_bytes) return x->size_bytes < y->size_bytes ? -1 : 1;
    return strcmp(x->name.p, y->name.p);
}

static bool check_cover(reader *r) {
    uint64_t at = r->s->header_bytes, end = at + r->data_bytes;
    qsort(r->s->tensors, r->s->tensor_count, sizeof *r->s->tensors, by_offset);
    for (size_t i = 0; i < r->s->tensor_count; i++) {
        const safetensor *t = &r->s->tensors[i];
        if (t->offset_bytes < at)
            return BAD(r, t, "overlaps tensor '%s'; the file cannot be trusted", hf_show(t[-1].name).text);
        if (t->offset_bytes > at)
            return BAD(r, t, "stands behind %" PRIu64 " bytes that belong to no tensor; the file cannot be trusted",
                       t->offset_bytes - at);
        at += t->size_bytes;
    }
    if (at != end)
        return diag_error(r->d, "%s: the last %" PRIu64 " bytes belong to no tensor; the file cannot be trusted",
                          r->name, end - at);
    return true;
}

safetensors_status safetensors_parse(safetensors *s, arena *a, const char *name, const uint8_t *bytes, size_t len,
                                     uint64_t file_bytes, diag *d) {
    uint64_t n;
    *s = (safetensors){0};
    if (file_bytes < 8)
        return diag_error(d, "%s: %" PRIu64 " bytes are no safetensors file; " DAMAGED, name, file_bytes),
               SAFETENSORS_BAD;
    if (len > file_bytes) len = (size_t)file_bytes;
    if (len < 8) return SAFETENSORS_NEED_MORE;
    memcpy(&n, bytes, 8);
    if (n > SAFETENSORS_HEADER_BYTES_MAX || n > file_bytes - 8) {
        diag_error(d,
                   "%s: a header of %" PRIu64 " bytes cannot be in a file of %" PRIu64
                   " (or is above the limit of %llu): "
                   "not a safetensors file, or cut short",
                   name, n, file_bytes, SAFETENSORS_HEADER_BYTES_MAX);
        return SAFETENSORS_BAD;
    }
    s->header_bytes = n + 8;
    if (len < s->header_bytes) return SAFETENSORS_NEED_MORE;
    if (!n || bytes[8] != '{')
        return diag_error(d, "%s: the header does not begin with '{'; " DAMAGED, name), SAFETENSORS_BAD;
    json_t *header = hf_json(name, (str){(const char *)bytes + 8, (size_t)n}, d);
    reader r = {s, a, name, file_bytes - s->header_bytes, d};
    bool ok = header && read_entries(&r, header) && check_cover(&r);
    json_decref(header);
    return ok ? SAFETENSORS_OK : SAFETENSORS_BAD;
}

const char *safetensors_find_note(const safetensors *s, const char *key) {
    for (size_t i = 0; i < s->note_count; i++)
        if (!strcmp(s->notes[i].key, key)) return s->notes[i].value;
    return NULL;
}

/* ---- the index of a model in several files ---- */

/* Letters, digits and "._-", not beginning with a dot: nothing that could leave the folder. */
static bool plain_name(str s) {
    if (s.n > 255 || !str_ends(s, STR(".safetensors")) || s.p[0] == '.') return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], low = c | 0x20;
        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') return false;
    }
    return true;
}

static bool index_file(safetensors_index *x, arena *a, map *seen, const char *name, const json_t *where, uint32_t *out,
                       diag *d) {
    uint64_t known;
    str s = {json_string_value(where), json_string_length(where)};
    if (!json_is_string(where) || !plain_name(s))
        return diag_error(
            d, "%s: '%s' is not a plain *.safetensors file name in the same folder; the index cannot be trusted", name,
            hf_show_json(where).text);
    if (map_get(seen, s, &known)) return *out = (uint32_t)known, true;
    if (x->file_count == SAFETENSORS_FILES_MAX)
        return diag_error(d, "%s: more than %d files", name, SAFETENSORS_FILES_MAX);
    x->files[x->file_count] = arena_strndup(a, s.p, s.n);
    if (!x->files[x->file_count] || !map_put(seen, s, x->file_count)) return diag_oom(d, name);
    *out = (uint32_t)x->file_count++;
    return true;
}

static bool read_weight_map(safetensors_index *x, arena *a, map *seen, const char *name, json_t *weights, diag *d) {
    const char *key;
    json_t *where;
    size_t n = json_object_size(weights);
    if (!n) return diag_error(d, "%s: it has no weight_map; fetch the file again", name);
    x->files = arena_push_n(a, const char *, n < SAFETENSORS_FILES_MAX ? n : SAFETENSORS_FILES_MAX);
    x->tensors = arena_push_n(a, const char *, n);
    x->file_of = arena_push_n(a, uint32_t, n);
    if (!x->files || !x->tensors || !x->file_of) return diag_oom(d, name);
    json_object_foreach(weights, key, where) {
        size_t i = x->tensor_count;
        if (!index_file(x, a, seen, name, where, &x->file_of[i], d)) return false;
        if (!(x->tensors[i] = arena_strdup(a, key))) return diag_oom(d, name);
        x->tensor_count++;
    }
    return true;
}

bool safetensors_index_parse(safetensors_index *x, arena *a, const char *name, str json, diag *d) {
    *x = (safetensors_index){0};
    json_t *top = hf_json(name, json, d);
    map seen = {0};
    bool ok = top && read_weight_map(x, a, &seen, name, json_object_get(top, "weight_map"), d);
    map_free(&seen);
    json_decref(top);
    return ok;
}
