/* Writing GGUF headers, version 3. Pairs and descriptions are kept as the bytes they will be in the file; the header
 * is their concatenation behind the counts. Running out of memory is remembered by the strbufs and told once, at the
 * end.
 */
#include "llm/gguf.h"

static void add_u32(strbuf *b, uint32_t v) { strbuf_add(b, &v, 4); }
static void add_u64(strbuf *b, uint64_t v) { strbuf_add(b, &v, 8); }

static void add_str(strbuf *b, str s) {
    add_u64(b, s.n);
    strbuf_add(b, s.p, s.n);
}

static void begin_pair(gguf_writer *w, str key, gguf_type type) {
    w->kv_count++;
    add_str(&w->kv, key);
    add_u32(&w->kv, type);
}

static void begin_array(gguf_writer *w, str key, gguf_type type, uint64_t count) {
    begin_pair(w, key, GGUF_ARRAY);
    add_u32(&w->kv, type);
    add_u64(&w->kv, count);
}

void gguf_put_u32(gguf_writer *w, const char *key, uint32_t v) {
    begin_pair(w, str_from(key), GGUF_U32);
    add_u32(&w->kv, v);
}

void gguf_put_f32(gguf_writer *w, const char *key, float v) {
    begin_pair(w, str_from(key), GGUF_F32);
    strbuf_add(&w->kv, &v, 4);
}

void gguf_put_bool(gguf_writer *w, const char *key, bool v) {
    begin_pair(w, str_from(key), GGUF_BOOL);
    strbuf_addc(&w->kv, v);
}

void gguf_put_str(gguf_writer *w, const char *key, str v) {
    begin_pair(w, str_from(key), GGUF_STRING);
    add_str(&w->kv, v);
}

void gguf_put_array(gguf_writer *w, const char *key, gguf_type type, const void *elements, uint64_t count) {
    begin_array(w, str_from(key), type, count);
    strbuf_add(&w->kv, elements, (size_t)count * gguf_type_bytes(type));
}

void gguf_put_str_array(gguf_writer *w, const char *key, const str *elements, uint64_t count) {
    begin_array(w, str_from(key), GGUF_STRING, count);
    for (uint64_t i = 0; i < count; i++) add_str(&w->kv, elements[i]);
}

void gguf_put_raw(gguf_writer *w, const gguf_kv *kv) {
    if (str_is(kv->key, "general.alignment")) return; /* it described the other file */
    if (kv->is_array) begin_array(w, kv->key, kv->type, kv->count);
    else begin_pair(w, kv->key, kv->type);
    if (kv->type == GGUF_STRING)
        for (uint64_t i = 0; i < kv->count; i++) add_str(&w->kv, kv->strings[i]);
    else strbuf_add(&w->kv, kv->data, (size_t)kv->count * gguf_type_bytes(kv->type));
}

uint64_t gguf_padding(uint64_t bytes) { return -bytes & (GGUF_WRITER_ALIGNMENT - 1); }

void gguf_put_tensor(gguf_writer *w, str name, uint32_t n_dims, const uint64_t *dims, const dtype_info *type) {
    uint64_t size_bytes = 0, end;
    bool possible = n_dims >= 1 && n_dims <= 4 && dtype_row_bytes(type, dims[0], &size_bytes);
    for (uint32_t i = 1; possible && i < n_dims; i++)
        possible = !__builtin_mul_overflow(size_bytes, dims[i], &size_bytes);
    possible = possible && !__builtin_add_overflow(w->data_bytes, size_bytes, &end) && end <= INT64_MAX;
    if (!possible) { /* no file holds it; the emit call will say no */
        w->infos.oom = true;
        return;
    }
    add_str(&w->infos, name);
    add_u32(&w->infos, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) add_u64(&w->infos, dims[i]);
    add_u32(&w->infos, type->id);
    add_u64(&w->infos, w->data_bytes);
    w->data_bytes = end + gguf_padding(end);
    w->tensor_count++;
}

bool gguf_emit_header(gguf_writer *w, strbuf *out) {
    static const char zeros[GGUF_WRITER_ALIGNMENT];
    if (w->kv.oom || w->infos.oom) return false;
    size_t begin = out->len;
    strbuf_adds(out, "GGUF");
    add_u32(out, 3);
    add_u64(out, w->tensor_count);
    add_u64(out, w->kv_count);
    strbuf_add(out, w->kv.data, w->kv.len);
    strbuf_add(out, w->infos.data, w->infos.len);
    strbuf_add(out, zeros, (size_t)gguf_padding(out->len - begin));
    return !out->oom;
}

void gguf_writer_free(gguf_writer *w) {
    strbuf_free(&w->kv);
    strbuf_free(&w->infos);
    *w = (gguf_writer){0};
}
