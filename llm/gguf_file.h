/* Whole GGUF files: the header of an open file, and new files written band of rows by band of rows, so that a model
 * larger than memory can be made or converted.
 *
 *     gguf_writer w = {0};  ...gguf_put_u32 and so on...
 *     gguf_source src = {.row = make_row, .arg = me};
 *     bool ok = gguf_write_file("out.gguf", &w, tensors, count, &src, threads, d);
 */
#ifndef INGOT_LLM_GGUF_FILE_H
#define INGOT_LLM_GGUF_FILE_H
#include "base/file.h"
#include "llm/gguf.h"

/* Reads as much of the file as its header takes. *memory is a new arena that owns the bytes and the tables: when
 * done, gguf_free(g) and arena_free(*memory). On failure there is nothing to free. */
bool gguf_read_header(const file *f, gguf *g, arena **memory, diag *d);

/* Where the rows of a new file come from. A tensor is its index in the list; its rows are counted through all
 * dimensions but the first. Rows are asked for in any order, by any thread, and must not depend on either. */
typedef struct {
    /* Before a band of rows is made, by the calling thread; may be NULL. */
    bool (*load)(void *arg, size_t tensor, uint64_t row, uint64_t rows, diag *d);
    void (*row)(void *arg, size_t tensor, uint64_t row, float *scratch, uint8_t *out); /* scratch: dims[0] floats */
    void *arg;
    void (*progress)(void *arg, double fraction); /* may be NULL */
    void *progress_arg;
} gguf_source;

/* Rows of at most this many bytes, or one row if that is more, are made at a time. */
enum { GGUF_BAND_BYTES = 8 << 20 };
uint64_t gguf_band_rows(const gguf_tensor *t);

/* The metadata of w, then the tensors: of each, name, n_dims, dims and type are read. Complete or absent
 * (base/file.h). */
bool gguf_write_file(const char *path, gguf_writer *w, const gguf_tensor *tensors, size_t count, const gguf_source *src,
                     int threads, diag *d);
#endif
