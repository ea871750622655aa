/* A weight store: where the bytes of a model's tensors come from (MemoryX, seen from the engine).
 *
 * The contract is small so that a local file, another process or another host fits behind it: raw reads of chunk ranges
 * of a tensor, and the XXH3-64 that every chunk had when it was recorded. The receiver checks each chunk before use
 * (store_read), so that a truncated, changed or corrupted byte is an error wherever it went wrong. Chunks are
 * STORE_CHUNK_BYTES long, counted from the tensor's first byte; the last may be shorter.
 */
#ifndef INGOT_LLM_STORE_H
#define INGOT_LLM_STORE_H
#include "llm/model.h"

enum { STORE_CHUNK_BYTES = 256 << 10 };

typedef struct llm_store llm_store;
struct llm_store {
    const llm_model *model;
    const char *kind;              /* "file" */
    const uint64_t *const *hashes; /* [tensor][chunk] */
    /* Bytes [offset, offset + bytes) of a tensor; offset is a chunk boundary. May be called by several threads at once.
     */
    bool (*read)(llm_store *s, size_t tensor, uint64_t offset, void *out, size_t bytes, diag *d);
    void (*close)(llm_store *s);
    _Atomic uint64_t bytes_read; /* delivered so far */
};

static inline uint64_t store_chunks(uint64_t tensor_bytes) {
    return (tensor_bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
}

/* Bytes [begin, end) of a tensor, checked. `buffer` must hold store_read_bytes(...): whole chunks are read and
 * verified; *out points to byte `begin` inside it. */
bool store_read(llm_store *s, const llm_tensor *t, uint64_t begin, uint64_t end, uint8_t *buffer, const uint8_t **out,
                diag *d);
size_t store_read_bytes_max(uint64_t length); /* buffer for any range of that length */

/* A whole small tensor or some rows of a matrix as f32, with the tensor's form applied. */
bool store_read_f32(llm_store *s, const llm_tensor *t, uint64_t first_row, uint64_t rows, float *out, diag *d);
#endif
