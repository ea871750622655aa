/* The output's tensors are the input's with other types; gguf_file.c asks for them band by band. A band of the input
 * is read by the calling thread, then the threads widen each row to f32 and narrow it again. */
#include "llm/convert.h"
#include "base/mem.h"
#include "llm/gguf_file.h"

typedef struct {
    file in;
    gguf g;
    arena *header;           /* owns g's bytes and tables */
    gguf_tensor *out;        /* [g.tensor_count] */
    uint8_t *band;           /* rows of the input */
    size_t band_bytes;
    uint64_t first_row;      /* of the band */
} converter;

static size_t row_bytes(const gguf_tensor *t) {
    uint64_t bytes = 0;
    dtype_row_bytes(t->type, t->dims[0], &bytes); /* the parser has checked that it fits */
    return (size_t)bytes;
}

static bool load_band(void *arg, size_t tensor, uint64_t row, uint64_t rows, diag *d) {
    converter *c = arg;
    const gguf_tensor *t = &c->g.tensors[tensor];
    size_t bytes = row_bytes(t);
    c->first_row = row;
    return file_read_at(&c->in, c->band, (size_t)rows * bytes, t->offset_bytes + row * bytes, d);
}

static void convert_row(void *arg, size_t tensor, uint64_t row, float *scratch, uint8_t *out) {
    const converter *c = arg;
    const gguf_tensor *from = &c->g.tensors[tensor], *to = &c->out[tensor];
    const uint8_t *in = c->band + (size_t)(row - c->first_row) * row_bytes(from);
    if (from->type == to->type) {
        memcpy(out, in, row_bytes(from));
        return;
    }
    from->type->to_f32(in, scratch, from->dims[0]);
    to->type->from_f32(scratch, out, from->dims[0]);
}

static bool is_matrix(const gguf_tensor *t) {
    return t->n_dims == 2 && str_ends(t->name, STR(".weight")) && !str_is(t->name, "position_embd.weight");
}

static bool plan(converter *c, const dtype_info *type, const char *path, diag *d) {
    size_t others = 0;
    c->out = arena_push_n(c->header, gguf_tensor, c->g.tensor_count);
    if (!c->out) return diag_oom(d, path);
    for (size_t i = 0; i < c->g.tensor_count; i++) {
        gguf_tensor *t = &c->out[i];
        *t = c->g.tensors[i];
        if (is_matrix(t)) t->type = dtype_fit(type, t->dims[0]);
        if (is_matrix(t) && t->type != type && !others++)
            diag_warn(d, "%s: %s: rows of %llu do not fit blocks of %s; this and others like it become %s", path,
                      t->name.p, (unsigned long long)t->dims[0], type->name, t->type->name);
        uint64_t bytes = gguf_band_rows(t) * row_bytes(&c->g.tensors[i]);
        if (bytes > c->band_bytes) c->band_bytes = (size_t)bytes;
    }
    c->band = mem_alloc(c->band_bytes);
    return c->band || diag_oom(d, path);
}

static void copy_metadata(const converter *c, const dtype_info *type, gguf_writer *w) {
    for (size_t i = 0; i < c->g.kv_count; i++) {
        str key = c->g.kv[i].key;
        bool renewed = str_is(key, "general.file_type") || str_is(key, "general.quantization_version");
        if (!renewed) gguf_put_raw(w, &c->g.kv[i]);
    }
    gguf_put_u32(w, "general.file_type", type->file_type);
    gguf_put_u32(w, "general.quantization_version", 2);
}

static bool refuse_split(const converter *c, const char *path, diag *d) {
    uint64_t parts;
    if (!gguf_get_u64(gguf_find(&c->g, "split.count"), 0, &parts) || parts <= 1) return true;
    return diag_error(d, "%s: one of %llu parts of a split model; merge them into one file first", path,
                      (unsigned long long)parts);
}

bool model_convert(const char *in_path, const char *out_path, const dtype_info *type, int threads,
                   void (*progress)(void *arg, double fraction), void *progress_arg, diag *d) {
    converter c = {0};
    gguf_writer w = {0};
    gguf_source src = {load_band, convert_row, &c, progress, progress_arg};
    if (!file_open(&c.in, in_path, d)) return false;
    bool ok = gguf_read_header(&c.in, &c.g, &c.header, d);
    if (ok) {
        ok = refuse_split(&c, in_path, d) && plan(&c, type, in_path, d);
        if (ok) copy_metadata(&c, type, &w);
        ok = ok && gguf_write_file(out_path, &w, c.out, c.g.tensor_count, &src, threads, d);
        gguf_writer_free(&w);
        gguf_free(&c.g);
        arena_free(c.header);
    }
    mem_free(c.band);
    file_close(&c.in);
    return ok;
}
