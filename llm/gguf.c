/* Reading GGUF headers. A cursor walks the bytes; every step asks `take` for the bytes it is about to read, and
 * `take` knows three answers: here they are, the file has them but the caller has not read that far (NEED_MORE), the
 * file cannot have them (BAD). Counts are held against the file's size and then against `len` before anything is
 * allocated, so that the memory used is at most a small multiple of the bytes already given.
 *
 * Left out: GGUF version 1 (32-bit counts), big-endian files, arrays of arrays. The reference reader also wants
 * tensors without gaps, in the order of their descriptions; here they need only lie apart from each other and inside
 * the file.
 */
#include "llm/gguf.h"
#include <inttypes.h>
#include <stdlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and are read by memcpy");

enum {
    KEY_BYTES_MAX = 65535,
    TENSOR_NAME_BYTES_MAX = 63, /* the limit of every ggml program */
    KV_BYTES_MIN = 13,          /* key length, value type, one byte of value */
    TENSOR_BYTES_MIN = 24,      /* name length, n_dims, type, offset */
    ALIGNMENT_DEFAULT = 32,
};
#define STRING_BYTES_MAX (64ull << 20)
#define ARRAY_COUNT_MAX (1ull << 30)
#define U64 PRIu64
#define DAMAGED "the file is damaged or was cut short: fetch or convert it again"

size_t gguf_type_bytes(gguf_type type) {
    static const uint8_t bytes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
        [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return bytes[type];
}

typedef struct {
    gguf *g;
    arena *a;
    const char *name;
    const uint8_t *bytes;
    uint64_t len, file_bytes, at;
    diag *d;
    gguf_status status; /* stays at the first failure */
} reader;

/* Names come from the file: what a terminal could take for a command is shown as '?'. */
typedef struct {
    char text[80];
} shown;

static shown show(str s) {
    shown out = {{0}};
    size_t n = s.n < sizeof out.text - 4 ? s.n : sizeof out.text - 4;
    for (size_t i = 0; i < n; i++) out.text[i] = s.p[i] >= 0x20 && s.p[i] < 0x7F ? s.p[i] : '?';
    if (n < s.n) memcpy(out.text + n, "...", 4);
    return out;
}

static bool oom(reader *r) {
    r->status = GGUF_BAD;
    return diag_oom(r->d, r->name);
}

#define BAD(r, fmt, ...)                                                                                               \
    ((r)->status = GGUF_BAD, diag_error((r)->d, "%s: byte %" U64 ": " fmt, (r)->name, (r)->at, ##__VA_ARGS__))

/* Are `count` things of at least `each` bytes ahead? */
static bool ahead(reader *r, uint64_t count, uint64_t each, const char *what) {
    uint64_t need;
    if (__builtin_mul_overflow(count, each, &need) || need > r->file_bytes - r->at)
        return BAD(r, "%s cannot fit into the %" U64 " bytes that are left; " DAMAGED, what, r->file_bytes - r->at);
    if (need <= r->len - r->at) return true;
    r->status = GGUF_NEED_MORE;
    return false;
}

static const uint8_t *take(reader *r, uint64_t count, uint64_t each, const char *what) {
    if (!ahead(r, count, each, what)) return NULL;
    const uint8_t *p = r->bytes + r->at;
    r->at += count * each;
    return p;
}

static bool read_u32(reader *r, uint32_t *out, const char *what) {
    const uint8_t *p = take(r, 1, 4, what);
    if (p) memcpy(out, p, 4);
    return p;
}

static bool read_u64(reader *r, uint64_t *out, const char *what) {
    const uint8_t *p = take(r, 1, 8, what);
    if (p) memcpy(out, p, 8);
    return p;
}

static bool read_str(reader *r, str *out, uint64_t max_bytes, const char *what) {
    uint64_t n;
    if (!read_u64(r, &n, what)) return false;
    if (n > max_bytes)
        return BAD(r, "%s has %" U64 " bytes, at most %" U64 " are allowed; " DAMAGED, what, n, max_bytes);
    const uint8_t *p = take(r, n, 1, what);
    if (p) *out = (str){(const char *)p, (size_t)n};
    return p;
}

/* ---- metadata ---- */

static bool read_strings(reader *r, gguf_kv *kv) {
    if (!ahead(r, kv->count, 8, "an array of strings")) return false;
    kv->strings = arena_push_n(r->a, str, kv->count);
    if (!kv->strings) return oom(r);
    for (uint64_t i = 0; i < kv->count; i++)
        if (!read_str(r, &kv->strings[i], STRING_BYTES_MAX, "a string value")) return false;
    return true;
}

static bool read_elements(reader *r, gguf_kv *kv) {
    kv->data = r->bytes + r->at;
    if (kv->type == GGUF_STRING) return read_strings(r, kv);
    if (!take(r, kv->count, gguf_type_bytes(kv->type), "a value")) return false;
    for (uint64_t i = 0; kv->type == GGUF_BOOL && i < kv->count; i++)
        if (kv->data[i] > 1)
            return BAD(r, "key '%s': a bool is %d, not 0 or 1; " DAMAGED, show(kv->key).text, kv->data[i]);
    return true;
}

static bool read_type(reader *r, gguf_kv *kv) {
    uint32_t type;
    if (!read_u32(r, &type, "a value type")) return false;
    if (type >= GGUF_TYPE_COUNT)
        return BAD(r, "key '%s': unknown value type %u; " DAMAGED, show(kv->key).text, type);
    kv->type = (gguf_type)type;
    return true;
}

static bool read_value(reader *r, gguf_kv *kv) {
    if (!read_type(r, kv)) return false;
    kv->count = 1;
    if (kv->type != GGUF_ARRAY) return read_elements(r, kv);
    kv->is_array = true;
    if (!read_type(r, kv) || !read_u64(r, &kv->count, "an array length")) return false;
    if (kv->type == GGUF_ARRAY)
        return BAD(r, "key '%s': arrays of arrays are not supported; leave this key out", show(kv->key).text);
    if (kv->count > ARRAY_COUNT_MAX)
        return BAD(r, "key '%s': %" U64 " elements, at most 2^30 are allowed", show(kv->key).text, kv->count);
    return read_elements(r, kv);
}

static bool usable_name(reader *r, str name, const char *what) {
    if (!name.n) return BAD(r, "a %s is empty; " DAMAGED, what);
    if (memchr(name.p, 0, name.n)) return BAD(r, "%s '%s' contains a zero byte; " DAMAGED, what, show(name).text);
    return true;
}

static bool add_unique(reader *r, map *m, str key, uint64_t value, const char *what) {
    if (map_get(m, key, NULL)) return BAD(r, "%s '%s' appears twice; the file cannot be trusted", what, show(key).text);
    return map_put(m, key, value) || oom(r);
}

static bool read_kv(reader *r, size_t i) {
    gguf_kv *kv = &r->g->kv[i];
    return read_str(r, &kv->key, KEY_BYTES_MAX, "a key") && usable_name(r, kv->key, "key") &&
           add_unique(r, &r->g->kv_index, kv->key, i, "key") && read_value(r, kv);
}

static bool read_alignment(reader *r) {
    const gguf_kv *kv = gguf_find(r->g, "general.alignment");
    uint64_t n = ALIGNMENT_DEFAULT;
    if (kv && (kv->is_array || !gguf_get_u64(kv, 0, &n)))
        return BAD(r, "general.alignment is not a whole number; " DAMAGED);
    if (!n || n & (n - 1)) return BAD(r, "general.alignment is %" U64 ", not a power of two; " DAMAGED, n);
    r->g->alignment_bytes = n;
    return true;
}

/* ---- tensors ---- */

static bool read_dims(reader *r, gguf_tensor *t, uint64_t *elements) {
    shown name = show(t->name);
    if (!read_u32(r, &t->n_dims, "a tensor's number of dimensions")) return false;
    if (t->n_dims > 4) return BAD(r, "tensor '%s' has %u dimensions, at most 4 are allowed", name.text, t->n_dims);
    for (int i = 0; i < 4; i++) t->dims[i] = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (!read_u64(r, &t->dims[i], "a tensor's dimension")) return false;
        if (!t->dims[i] || t->dims[i] > INT64_MAX || __builtin_mul_overflow(*elements, t->dims[i], elements))
            return BAD(r, "tensor '%s': dimension %u is %" U64 ", which is impossible; " DAMAGED, name.text, i,
                       t->dims[i]);
    }
    if (!t->n_dims) t->n_dims = 1; /* a scalar, as some tools write it */
    return true;
}

static bool read_tensor_type(reader *r, gguf_tensor *t, uint64_t elements) {
    uint32_t id;
    uint64_t row_bytes;
    shown name = show(t->name);
    if (!read_u32(r, &id, "a tensor's type")) return false;
    t->type = dtype_find(id);
    if (!t->type)
        return BAD(r, "tensor '%s' has type %s (id %u), which is not supported; use F16, BF16, Q8_0, Q4_0 or a K type",
                   name.text, dtype_refused_name(id), id);
    if (!dtype_row_bytes(t->type, t->dims[0], &row_bytes))
        return BAD(r, "tensor '%s': rows of %" U64 " elements are no multiple of the %u in a %s block; " DAMAGED,
                   name.text, t->dims[0], t->type->block_elems, t->type->name);
    if (__builtin_mul_overflow(row_bytes, elements / t->dims[0], &t->size_bytes))
        return BAD(r, "tensor '%s' is larger than any file; " DAMAGED, name.text);
    return true;
}

static bool read_tensor(reader *r, size_t i) {
    gguf_tensor *t = &r->g->tensors[i];
    uint64_t elements = 1;
    str name = {0};
    if (!read_str(r, &name, TENSOR_NAME_BYTES_MAX, "a tensor name")) return false;
    if (!usable_name(r, name, "tensor name")) return false;
    t->name = (str){arena_strndup(r->a, name.p, name.n), name.n};
    if (!t->name.p) return oom(r);
    return add_unique(r, &r->g->tensor_index, t->name, i, "tensor") && read_dims(r, t, &elements) &&
           read_tensor_type(r, t, elements) && read_u64(r, &t->offset_bytes, "a tensor's offset");
}

/* Offsets count from the data part, whose place is known only after the last description. */
static bool place_tensors(reader *r) {
    gguf *g = r->g;
    uint64_t align = g->alignment_bytes, end;
    if (__builtin_add_overflow(r->at, align - 1, &end))
        return BAD(r, "general.alignment is larger than any file; " DAMAGED);
    g->data_offset_bytes = end & ~(align - 1);
    for (size_t i = 0; i < g->tensor_count; i++) {
        gguf_tensor *t = &g->tensors[i];
        if (t->offset_bytes & (align - 1))
            return BAD(r, "tensor '%s' starts at %" U64 ", not a multiple of %" U64 "; " DAMAGED, show(t->name).text,
                       t->offset_bytes, align);
        if (__builtin_add_overflow(t->offset_bytes, g->data_offset_bytes, &t->offset_bytes) ||
            __builtin_add_overflow(t->offset_bytes, t->size_bytes, &end) || end > r->file_bytes)
            return BAD(r, "tensor '%s' (%" U64 " bytes) lies outside the file of %" U64 " bytes; " DAMAGED,
                       show(t->name).text, t->size_bytes, r->file_bytes);
    }
    return true;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = (*(const gguf_tensor *const *)a)->offset_bytes, y = (*(const gguf_tensor *const *)b)->offset_bytes;
    return (x > y) - (x < y);
}

static bool check_overlaps(reader *r) {
    gguf *g = r->g;
    const gguf_tensor **sorted = arena_push_n(r->a, const gguf_tensor *, g->tensor_count);
    if (!sorted) return oom(r);
    for (size_t i = 0; i < g->tensor_count; i++) sorted[i] = &g->tensors[i];
    qsort(sorted, g->tensor_count, sizeof(sorted[0]), by_offset);
    for (size_t i = 1; i < g->tensor_count; i++)
        if (sorted[i - 1]->offset_bytes + sorted[i - 1]->size_bytes > sorted[i]->offset_bytes)
            return BAD(r, "tensors '%s' and '%s' overlap; the file cannot be trusted", show(sorted[i - 1]->name).text,
                       show(sorted[i]->name).text);
    return true;
}

/* ---- the whole ---- */

static bool read_version(reader *r) {
    const uint8_t *magic = take(r, 1, 4, "the word GGUF");
    if (!magic) return false;
    if (memcmp(magic, "GGUF", 4)) return BAD(r, "not a GGUF file (it does not begin with the word GGUF)");
    uint32_t v;
    if (!read_u32(r, &v, "the version")) return false;
    r->g->version = v;
    if (v == 2 || v == 3) return true;
    if (v && !(v & 0xFFFF)) return BAD(r, "the file was written for the other byte order; convert it to little-endian");
    if (v == 1) return BAD(r, "GGUF version 1 is obsolete; convert the model again with a current tool");
    return BAD(r, "GGUF version %u is not known (2 and 3 are); a newer program may read it", v);
}

static bool read_counts(reader *r) {
    uint64_t tensors, kvs;
    if (!read_u64(r, &tensors, "the number of tensors") || !read_u64(r, &kvs, "the number of keys")) return false;
    if (!ahead(r, kvs, KV_BYTES_MIN, "the metadata announced")) return false;
    if (!ahead(r, tensors, TENSOR_BYTES_MIN, "the tensors announced")) return false;
    r->g->kv = arena_push_n(r->a, gguf_kv, kvs);
    r->g->tensors = arena_push_n(r->a, gguf_tensor, tensors);
    if (!r->g->kv || !r->g->tensors) return oom(r);
    r->g->kv_count = (size_t)kvs;
    r->g->tensor_count = (size_t)tensors;
    return true;
}

static bool read_all(reader *r) {
    if (!read_version(r) || !read_counts(r)) return false;
    for (size_t i = 0; i < r->g->kv_count; i++)
        if (!read_kv(r, i)) return false;
    if (!read_alignment(r)) return false;
    for (size_t i = 0; i < r->g->tensor_count; i++)
        if (!read_tensor(r, i)) return false;
    return place_tensors(r) && check_overlaps(r);
}

gguf_status gguf_parse(gguf *g, arena *a, const char *name, const uint8_t *bytes, size_t len, uint64_t file_bytes,
                       diag *d) {
    *g = (gguf){0};
    reader r = {.g = g, .a = a, .name = name, .bytes = bytes, .file_bytes = file_bytes, .d = d};
    r.len = len < file_bytes ? len : file_bytes;
    read_all(&r);
    return r.status;
}

void gguf_free(gguf *g) {
    map_free(&g->kv_index);
    map_free(&g->tensor_index);
    *g = (gguf){0};
}

/* ---- looking things up ---- */

const gguf_kv *gguf_find(const gguf *g, const char *key) {
    uint64_t i;
    return map_get(&g->kv_index, str_from(key), &i) ? &g->kv[i] : NULL;
}

const gguf_tensor *gguf_find_tensor(const gguf *g, str name) {
    uint64_t i;
    return map_get(&g->tensor_index, name, &i) ? &g->tensors[i] : NULL;
}

/* An integer of any width as sign and magnitude, so that i64 and u64 both fit. */
static bool get_integer(const gguf_kv *kv, uint64_t i, bool *negative, uint64_t *bits) {
    if (!kv || i >= kv->count) return false;
    gguf_type t = kv->type;
    bool is_signed = t == GGUF_I8 || t == GGUF_I16 || t == GGUF_I32 || t == GGUF_I64;
    if (!is_signed && t != GGUF_U8 && t != GGUF_U16 && t != GGUF_U32 && t != GGUF_U64) return false;
    size_t n = gguf_type_bytes(kv->type);
    *bits = 0;
    memcpy(bits, kv->data + i * n, n);
    *negative = is_signed && *bits >> (8 * n - 1);
    if (*negative && n < 8) *bits |= ~0ull << 8 * n;
    return true;
}

bool gguf_get_u64(const gguf_kv *kv, uint64_t i, uint64_t *out) {
    bool negative;
    uint64_t bits;
    if (!get_integer(kv, i, &negative, &bits) || negative) return false;
    *out = bits;
    return true;
}

bool gguf_get_i64(const gguf_kv *kv, uint64_t i, int64_t *out) {
    bool negative;
    uint64_t bits;
    if (!get_integer(kv, i, &negative, &bits) || (!negative && bits > INT64_MAX)) return false;
    *out = (int64_t)bits;
    return true;
}

bool gguf_get_f64(const gguf_kv *kv, uint64_t i, double *out) {
    bool negative;
    uint64_t bits;
    if (get_integer(kv, i, &negative, &bits)) {
        *out = negative ? (double)(int64_t)bits : (double)bits;
        return true;
    }
    if (!kv || i >= kv->count || (kv->type != GGUF_F32 && kv->type != GGUF_F64)) return false;
    float f;
    if (kv->type == GGUF_F64) memcpy(out, kv->data + i * 8, 8);
    else memcpy(&f, kv->data + i * 4, 4), *out = f;
    return true;
}

bool gguf_get_bool(const gguf_kv *kv, uint64_t i, bool *out) {
    if (!kv || i >= kv->count || kv->type != GGUF_BOOL) return false;
    *out = kv->data[i];
    return true;
}

bool gguf_get_str(const gguf_kv *kv, uint64_t i, str *out) {
    if (!kv || i >= kv->count || kv->type != GGUF_STRING) return false;
    *out = kv->strings[i];
    return true;
}
