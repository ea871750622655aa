#include "cluster/memoryx.h"
#include "base/mem.h"
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MANIFEST_VERSION = 1, HEX_DIGITS = 16, HEADER_PIECE = 1 << 20 };

typedef struct {
    llm_store base;
    arena *memory;
    uint64_t **hashes; /* [tensor][chunk] */
    uint64_t *headers; /* [file]: of the bytes before the first tensor */
} file_store;

static bool read_file(llm_store *s, size_t tensor, uint64_t offset, void *out, size_t bytes, diag *d) {
    const llm_tensor *t = &s->model->tensors[tensor];
    return file_read_at(&s->model->files[t->file], out, bytes, t->offset_bytes + offset, d);
}

static void close_file(llm_store *s) {
    file_store *f = (file_store *)s;
    arena_free(f->memory);
    mem_free(f);
}

/* Bytes of a file that stand before its first tensor: the metadata. */
static uint64_t header_bytes(const llm_model *m, size_t file_index) {
    uint64_t first = m->files[file_index].size_bytes;
    for (size_t i = 0; i < m->tensor_count; i++)
        if (m->tensors[i].file == file_index && m->tensors[i].offset_bytes < first) first = m->tensors[i].offset_bytes;
    return first;
}

static bool hash_header(const llm_model *m, size_t file_index, uint64_t *hash, diag *d) {
    uint64_t n = header_bytes(m, file_index);
    uint8_t *buffer = mem_alloc(HEADER_PIECE);
    XXH3_state_t *state = XXH3_createState();
    bool ok = buffer && state;
    if (!ok) diag_oom(d, "hashing");
    if (ok) XXH3_64bits_reset(state);
    for (uint64_t at = 0; ok && at < n; at += HEADER_PIECE) {
        size_t part = n - at < HEADER_PIECE ? (size_t)(n - at) : HEADER_PIECE;
        ok = file_read_at(&m->files[file_index], buffer, part, at, d);
        if (ok) XXH3_64bits_update(state, buffer, part);
    }
    if (ok) *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    mem_free(buffer);
    return ok;
}

/* ---- the record ---- */

/* One per path, so that a changed file is compared with what stood there before. */
static char *manifest_path(arena *a, const llm_model *m, diag *d) {
    char *home = ingot_home(a, d), *real = realpath(m->path, NULL);
    char *path = home ? arena_printf(a, "%s/manifests/%016llx.json", home,
                                     (unsigned long long)str_hash(str_from(real ? real : m->path)))
                      : NULL;
    free(real);
    if (home && !path) diag_oom(d, "path of the recorded hashes");
    return path;
}

static void add_hex(strbuf *b, uint64_t v) { strbuf_addf(b, "%016llx", (unsigned long long)v); }

static bool write_manifest(const file_store *f, const char *path, diag *d) {
    const llm_model *m = f->base.model;
    strbuf b = {0};
    strbuf_addf(&b, "{\"ingot_manifest\": %d, \"chunk_bytes\": %d, \"path\": ", MANIFEST_VERSION, STORE_CHUNK_BYTES);
    strbuf_add_json(&b, str_from(m->path));
    strbuf_adds(&b, ",\n \"headers\": [");
    for (size_t i = 0; i < m->file_count; i++) {
        strbuf_adds(&b, i ? ", \"" : "\"");
        add_hex(&b, f->headers[i]);
        strbuf_addc(&b, '"');
    }
    strbuf_adds(&b, "],\n \"tensors\": {");
    for (size_t i = 0; i < m->tensor_count; i++) {
        strbuf_adds(&b, i ? ",\n  " : "\n  ");
        strbuf_add_json(&b, str_from(m->tensors[i].name));
        strbuf_adds(&b, ": \"");
        for (uint64_t c = 0; c < store_chunks(m->tensors[i].size_bytes); c++) add_hex(&b, f->hashes[i][c]);
        strbuf_addc(&b, '"');
    }
    strbuf_adds(&b, "\n }}\n");
    arena *a = arena_new(0);
    char *dir = a ? path_dir(a, path) : NULL;
    bool ok = !b.oom && dir ? dir_make(dir, d) && file_write_all(path, strbuf_str(&b), d) : diag_oom(d, path);
    arena_free(a);
    strbuf_free(&b);
    return ok;
}

static bool parse_hex(const char *p, uint64_t *out) {
    uint64_t v = 0;
    for (int i = 0; i < HEX_DIGITS; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return false;
        v = v << 4 | (uint64_t)digit;
    }
    *out = v;
    return true;
}

static bool parse_tensor(const llm_model *m, size_t i, const json_t *tensors, uint64_t *hashes, diag *d) {
    const llm_tensor *t = &m->tensors[i];
    const json_t *value = json_object_get(tensors, t->name);
    uint64_t chunks = store_chunks(t->size_bytes);
    if (!json_is_string(value) || json_string_length(value) != chunks * HEX_DIGITS)
        return diag_error(d, "%s: tensor '%s' is not the one that was recorded (%llu chunks now)", m->path, t->name,
                          (unsigned long long)chunks);
    const char *hex = json_string_value(value);
    for (uint64_t c = 0; c < chunks; c++)
        if (!parse_hex(hex + c * HEX_DIGITS, &hashes[c]))
            return diag_error(d, "%s: the record of tensor '%s' is damaged", m->path, t->name);
    return true;
}

bool memoryx_parse_manifest(const llm_model *m, str text, uint64_t **hashes, uint64_t *headers, diag *d) {
    json_error_t e;
    json_t *root = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &e);
    if (!root) return diag_error(d, "%s: the record of its hashes is damaged (line %d: %s)", m->path, e.line, e.text);
    const json_t *list = json_object_get(root, "headers"), *tensors = json_object_get(root, "tensors");
    bool ok = json_integer_value(json_object_get(root, "ingot_manifest")) == MANIFEST_VERSION &&
              json_integer_value(json_object_get(root, "chunk_bytes")) == STORE_CHUNK_BYTES && json_is_object(tensors);
    if (!ok) diag_error(d, "%s: the record of its hashes is of another version", m->path);
    if (ok && (json_array_size(list) != m->file_count || json_object_size(tensors) != m->tensor_count))
        ok = diag_error(d, "%s: %zu tensors in %zu files are not what was recorded (%zu in %zu)", m->path,
                        m->tensor_count, m->file_count, json_object_size(tensors), json_array_size(list));
    for (size_t i = 0; ok && i < m->file_count; i++) {
        const json_t *h = json_array_get(list, i);
        ok = (json_is_string(h) && json_string_length(h) == HEX_DIGITS &&
              parse_hex(json_string_value(h), &headers[i])) ||
             diag_error(d, "%s: the record of its hashes is damaged", m->path);
    }
    for (size_t i = 0; ok && i < m->tensor_count; i++) ok = parse_tensor(m, i, tensors, hashes[i], d);
    json_decref(root);
    return ok;
}

/* ---- recording and checking ---- */

static bool hash_tensors(file_store *f, memoryx_progress progress, diag *d) {
    const llm_model *m = f->base.model;
    uint64_t total = llm_model_weight_bytes(m), done = 0;
    uint8_t *chunk = mem_alloc(STORE_CHUNK_BYTES);
    bool ok = chunk != NULL;
    if (!ok) diag_oom(d, "hashing");
    for (size_t i = 0; ok && i < m->tensor_count; i++)
        for (uint64_t at = 0; ok && at < m->tensors[i].size_bytes; at += STORE_CHUNK_BYTES) {
            uint64_t left = m->tensors[i].size_bytes - at, n = left < STORE_CHUNK_BYTES ? left : STORE_CHUNK_BYTES;
            ok = read_file(&f->base, i, at, chunk, n, d);
            if (ok) f->hashes[i][at / STORE_CHUNK_BYTES] = XXH3_64bits(chunk, n);
            done += n;
            if (progress.call && done % (16u << 20) < STORE_CHUNK_BYTES)
                progress.call(progress.arg, (double)done / (double)total);
        }
    mem_free(chunk);
    return ok;
}

static bool record(file_store *f, const char *path, memoryx_progress progress, diag *d) {
    const llm_model *m = f->base.model;
    for (size_t i = 0; i < m->file_count; i++)
        if (!hash_header(m, i, &f->headers[i], d)) return false;
    if (!hash_tensors(f, progress, d)) return false;
    diag *why = diag_new();
    if (why && path && !write_manifest(f, path, why))
        diag_warn(d, "the hashes of %s cannot be recorded, so a later change will not be noticed: %s", m->path,
                  diag_text(why));
    diag_free(why);
    return true;
}

static bool check_record(file_store *f, const char *path, diag *d) {
    const llm_model *m = f->base.model;
    arena *a = arena_new(0);
    str text;
    bool ok = a ? file_read_all(a, path, (size_t)1 << 30, &text, d) &&
                      memoryx_parse_manifest(m, text, f->hashes, f->headers, d)
                : diag_oom(d, path);
    arena_free(a);
    for (size_t i = 0; ok && i < m->file_count; i++) {
        uint64_t now;
        ok = hash_header(m, i, &now, d);
        if (ok && now != f->headers[i])
            ok = diag_error(d, "%s: its metadata changed since it was first opened", m->files[i].path);
    }
    if (!ok)
        diag_error(d,
                   "%s: what it holds is not what was recorded when it was first opened. Fetch it again, or if you "
                   "replaced it on purpose "
                   "run `ingot model accept %s`",
                   m->path, m->path);
    return ok;
}

static file_store *new_store(const llm_model *m, diag *d) {
    file_store *f = mem_alloc(sizeof *f);
    if (f) f->memory = arena_new(0);
    bool ok = f && f->memory;
    ok = ok && (f->hashes = arena_push_n(f->memory, uint64_t *, m->tensor_count + 1)) &&
         (f->headers = arena_push_n(f->memory, uint64_t, m->file_count + 1));
    for (size_t i = 0; ok && i < m->tensor_count; i++)
        ok = (f->hashes[i] = arena_push_n(f->memory, uint64_t, store_chunks(m->tensors[i].size_bytes) + 1)) != NULL;
    if (ok) {
        f->base = (llm_store){.model = m,
                              .kind = "file",
                              .hashes = (const uint64_t *const *)f->hashes,
                              .read = read_file,
                              .close = close_file};
        return f;
    }
    diag_oom(d, "weight store");
    if (f) close_file(&f->base);
    return NULL;
}

llm_store *memoryx_open_file(const llm_model *m, memoryx_progress progress, diag *d) {
    file_store *f = new_store(m, d);
    if (!f) return NULL;
    const char *path = manifest_path(f->memory, m, d);
    bool ok = path && file_exists(path) ? check_record(f, path, d) : path && record(f, path, progress, d);
    if (ok) return &f->base;
    close_file(&f->base);
    return NULL;
}

bool memoryx_accept(const char *model_path, memoryx_progress progress, diag *d) {
    llm_model *m = llm_model_open(model_path, d);
    file_store *f = m ? new_store(m, d) : NULL;
    const char *path = f ? manifest_path(f->memory, m, d) : NULL;
    bool ok = path != NULL;
    for (size_t i = 0; ok && i < m->file_count; i++) ok = hash_header(m, i, &f->headers[i], d);
    ok = ok && hash_tensors(f, progress, d) && write_manifest(f, path, d);
    if (f) close_file(&f->base);
    llm_model_free(m);
    return ok;
}

void memoryx_forget(const llm_model *m) {
    arena *a = arena_new(0);
    diag *quiet = diag_new();
    const char *path = a && quiet ? manifest_path(a, m, quiet) : NULL;
    if (path) unlink(path);
    arena_free(a);
    diag_free(quiet);
}
