/* One buffer holds a band of finished rows. The threads of a pool fill it, each its share of the rows with a scratch
 * row of its own; then the band is written. Which thread makes a row leaves no trace in the file. */
#include "llm/gguf_file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"

bool gguf_read_header(const file *f, gguf *g, arena **memory, diag *d) {
    for (uint64_t len = 4 * MIB;; len *= 4) {
        if (len > f->size_bytes) len = f->size_bytes;
        arena *a = arena_new(0);
        uint8_t *bytes = a ? arena_alloc(a, len) : NULL;
        gguf_status status = GGUF_BAD;
        *g = (gguf){0};
        if (!bytes) diag_oom(d, f->path);
        else if (file_read_at(f, bytes, len, 0, d)) status = gguf_parse(g, a, f->path, bytes, len, f->size_bytes, d);
        *memory = a;
        if (status == GGUF_OK) return true;
        gguf_free(g);
        arena_free(a);
        if (status == GGUF_BAD) return false;
    }
}

static uint64_t row_count(const gguf_tensor *t) {
    uint64_t rows = 1;
    for (uint32_t i = 1; i < t->n_dims; i++) rows *= t->dims[i];
    return rows;
}

static size_t row_bytes(const gguf_tensor *t) {
    uint64_t bytes = 0;
    dtype_row_bytes(t->type, t->dims[0], &bytes); /* gguf_put_tensor has checked that it fits */
    return (size_t)bytes;
}

uint64_t gguf_band_rows(const gguf_tensor *t) {
    uint64_t rows = GGUF_BAND_BYTES / row_bytes(t), all = row_count(t);
    return rows < 1 ? 1 : rows < all ? rows : all;
}

typedef struct {
    const gguf_source *src;
    const gguf_tensor *tensors;
    float *scratch;          /* [threads][scratch_elems] */
    size_t scratch_elems;
    uint8_t *band;
    size_t tensor;           /* the band: rows [row, row + rows) of this tensor */
    uint64_t row, rows;
} maker;

static void make_share(void *arg, int thread, int threads) {
    const maker *m = arg;
    size_t begin, end, bytes = row_bytes(&m->tensors[m->tensor]);
    float *scratch = m->scratch + (size_t)thread * m->scratch_elems;
    pool_share((size_t)m->rows, 1, thread, threads, &begin, &end);
    for (size_t i = begin; i < end; i++) m->src->row(m->src->arg, m->tensor, m->row + i, scratch, m->band + i * bytes);
}

static bool allocate(maker *m, size_t count, int threads) {
    size_t band = 1, elems = 1, total;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = (size_t)gguf_band_rows(&m->tensors[i]) * row_bytes(&m->tensors[i]);
        if (bytes > band) band = bytes;
        if (m->tensors[i].dims[0] > elems) elems = (size_t)m->tensors[i].dims[0];
    }
    m->scratch_elems = elems;
    m->band = mem_alloc(band);
    if (!m->band || !mem_mul(elems, (size_t)threads, &total)) return false;
    m->scratch = mem_alloc_n(total, sizeof(float));
    return m->scratch;
}

/* Write errors stay in the stream and are told by file_writer_commit; going on would only waste time. */
static bool write_tensor(maker *m, pool *p, file_writer *out, uint64_t *done_bytes, uint64_t all_bytes, diag *d) {
    static const char zeros[GGUF_WRITER_ALIGNMENT];
    const gguf_tensor *t = &m->tensors[m->tensor];
    uint64_t rows = row_count(t), bytes = row_bytes(t);
    for (m->row = 0; m->row < rows && !ferror(out->out); m->row += m->rows) {
        m->rows = gguf_band_rows(t);
        if (m->rows > rows - m->row) m->rows = rows - m->row;
        if (m->src->load && !m->src->load(m->src->arg, m->tensor, m->row, m->rows, d)) return false;
        pool_run(p, make_share, m);
        fwrite(m->band, 1, (size_t)(m->rows * bytes), out->out);
        *done_bytes += m->rows * bytes;
        if (m->src->progress) m->src->progress(m->src->progress_arg, (double)*done_bytes / (double)all_bytes);
    }
    fwrite(zeros, 1, (size_t)gguf_padding(rows * bytes), out->out);
    return true;
}

static bool write_all(maker *m, size_t count, pool *p, str header, const char *path, uint64_t all_bytes, diag *d) {
    file_writer out;
    if (!file_writer_open(&out, path, d)) return false;
    fwrite(header.p, 1, header.n, out.out);
    uint64_t done_bytes = 0;
    for (m->tensor = 0; m->tensor < count; m->tensor++) {
        if (write_tensor(m, p, &out, &done_bytes, all_bytes, d)) continue;
        file_writer_abort(&out);
        return false;
    }
    return file_writer_commit(&out, d);
}

bool gguf_write_file(const char *path, gguf_writer *w, const gguf_tensor *tensors, size_t count, const gguf_source *src,
                     int threads, diag *d) {
    maker m = {.src = src, .tensors = tensors};
    strbuf header = {0};
    bool ok = false;
    for (size_t i = 0; i < count; i++)
        gguf_put_tensor(w, tensors[i].name, tensors[i].n_dims, tensors[i].dims, tensors[i].type);
    pool *p = pool_new(threads, d);
    if (p && !(gguf_emit_header(w, &header) && allocate(&m, count, pool_threads(p)))) diag_oom(d, path);
    else if (p) ok = write_all(&m, count, p, strbuf_str(&header), path, w->data_bytes, d);
    pool_free(p);
    mem_free(m.band);
    mem_free(m.scratch);
    strbuf_free(&header);
    return ok;
}
