/* Weights in the native engine: packed panels, delivered layer by layer in the order of use.
 *
 * Matrices are used in a fixed order, pass after pass: that is the schedule. Each matrix is cut into pieces (bands of
 * panels). resident: every piece is packed into memory once. streamed: never more than `resident_bytes` of weights are
 * in memory, everything counted (vectors, packed pieces, the ring and the loader's buffer). A fixed prefix of the
 * schedule stays resident (on a cyclic scan least-recently-used would never hit); the other pieces pass through a ring,
 * filled ahead of use by a loader thread that reads, verifies and packs.
 *
 * Vectors (norms, biases) are f32 and always resident. Embedding rows are gathered one by one.
 */
#ifndef INGOT_LLM_WEIGHTS_H
#define INGOT_LLM_WEIGHTS_H
#include "base/thread.h"
#include "llm/pack.h"
#include "llm/store.h"

typedef enum { WEIGHTS_RESIDENT, WEIGHTS_STREAMED } weights_mode;

typedef struct {
    weights_mode mode;
    uint64_t resident_bytes;                      /* WEIGHTS_STREAMED: the bound */
    void (*progress)(void *arg, double fraction); /* may be NULL; called while loading, from the calling thread */
    void *progress_arg;
} weights_options;

typedef struct weights weights;

/* One band of a matrix, ready to be multiplied. */
typedef struct {
    const uint8_t *panels;
    uint64_t first_panel, panel_count;
} weights_piece;

weights *weights_open(llm_store *s, const weights_options *o, pool *threads, diag *d); /* NULL on failure */
void weights_close(weights *w);

const float *weights_vector(const weights *w, const llm_tensor *t); /* NULL when t is NULL */
/* Layout, panel size and number of pieces of a matrix of the schedule. */
const pack_layout *weights_layout(const weights *w, const llm_tensor *t, size_t *panel_bytes, uint32_t *pieces);
/* One embedding (or position) row as f32. */
bool weights_row(weights *w, const llm_tensor *t, uint64_t row, float *out, diag *d);

/* Passes. One thread calls begin; then every thread walks the matrices in schedule order and, of each, its pieces 0, 1,
 * ... in order: acquire waits until the piece is there, release says this thread is done with it. acquire returns
 * false, to all threads alike, when the store failed; the reason is told by weights_error. A pass without head leaves
 * out the output matrix. */
void weights_begin_pass(weights *w, bool with_head);
bool weights_acquire(weights *w, const llm_tensor *t, uint32_t piece, weights_piece *out);
void weights_release(weights *w, const llm_tensor *t, uint32_t piece);
bool weights_error(weights *w, diag *d); /* copies the reason to d; returns false when there was none */

/* The packed pieces that stay in memory, one stretch. */
const uint8_t *weights_resident_bytes(const weights *w, size_t *size);

typedef struct {
    uint64_t packed_bytes;   /* of one pass with head, as the kernels read it */
    uint64_t resident_bytes; /* held in memory, everything counted */
    uint64_t streamed_bytes; /* packed bytes that one pass brings in through the ring */
    double wait_seconds;     /* a thread waited for the loader, on average over threads */
} weights_stats;
weights_stats weights_get_stats(const weights *w);
#endif
