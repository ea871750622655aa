#include "llm/store.h"
#include "base/mem.h"
#include <stdatomic.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

size_t store_read_bytes_max(uint64_t length) { return (size_t)length + 2 * STORE_CHUNK_BYTES; }

bool store_read(llm_store *s, const llm_tensor *t, uint64_t begin, uint64_t end, uint8_t *buffer, const uint8_t **out,
                diag *d) {
    size_t tensor = (size_t)(t - s->model->tensors);
    uint64_t first = begin / STORE_CHUNK_BYTES, from = first * STORE_CHUNK_BYTES;
    uint64_t to = store_chunks(end) * STORE_CHUNK_BYTES;
    if (to > t->size_bytes) to = t->size_bytes;
    if (!s->read(s, tensor, from, buffer, (size_t)(to - from), d)) return false;
    atomic_fetch_add_explicit(&s->bytes_read, to - from, memory_order_relaxed);
    for (uint64_t at = from; at < to; at += STORE_CHUNK_BYTES) {
        uint64_t n = to - at < STORE_CHUNK_BYTES ? to - at : STORE_CHUNK_BYTES, chunk = at / STORE_CHUNK_BYTES;
        uint64_t got = XXH3_64bits(buffer + (at - from), n), recorded = s->hashes[tensor][chunk];
        if (got != recorded)
            return diag_error(d,
                              "%s: tensor '%s', bytes %llu to %llu: XXH3 is %016llx, recorded was %016llx; the file "
                              "changed or is damaged. "
                              "Fetch it again, or if you replaced it on purpose run `ingot model accept %s`",
                              s->model->path, t->name, (unsigned long long)at, (unsigned long long)(at + n),
                              (unsigned long long)got, (unsigned long long)recorded, s->model->path);
    }
    *out = buffer + (begin - from);
    return true;
}

/* A matrix stored as [in, out]: element (row, col) stands at col * rows + row. */
static void transpose(const float *stored, const llm_tensor *t, uint64_t first_row, uint64_t rows, float *out) {
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < t->cols; c++) out[r * t->cols + c] = stored[c * t->rows + first_row + r];
}

bool store_read_f32(llm_store *s, const llm_tensor *t, uint64_t first_row, uint64_t rows, float *out, diag *d) {
    bool transposed = t->form == TENSOR_TRANSPOSED; /* its rows lie scattered: read all of it */
    uint64_t row_bytes = t->size_bytes / t->rows, n = rows * t->cols;
    uint64_t begin = transposed ? 0 : first_row * row_bytes,
             end = transposed ? t->size_bytes : begin + rows * row_bytes;
    uint8_t *buffer = mem_alloc(store_read_bytes_max(end - begin));
    float *stored = transposed ? mem_alloc_n(t->rows * t->cols, sizeof *stored) : out;
    const uint8_t *bytes;
    bool ok = (buffer && stored) || diag_oom(d, t->name);
    ok = ok && store_read(s, t, begin, end, buffer, &bytes, d);
    if (ok) {
        t->type->to_f32(bytes, stored, transposed ? t->rows * t->cols : n);
        if (transposed) transpose(stored, t, first_row, rows, out);
        for (uint64_t i = 0; t->form == TENSOR_PLUS_ONE && i < n; i++) out[i] += 1;
    }
    if (transposed) mem_free(stored);
    mem_free(buffer);
    return ok;
}
