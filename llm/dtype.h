/* Tensor element types: the formats that weights have in files, and their conversion to and from f32.
 *
 * One row per type in dtype.c. Ids are those of GGUF (ggml). A quantised row is a sequence of blocks of `block_elems`
 * consecutive elements, each `block_bytes` long; all fields little-endian, possibly unaligned.
 * Layouts: ggml's block formats, as described for each function in dtype.c.
 */
#ifndef INGOT_LLM_DTYPE_H
#define INGOT_LLM_DTYPE_H
#include "base/str.h"

typedef enum {
    DTYPE_F32 = 0, DTYPE_F16 = 1, DTYPE_Q4_0 = 2, DTYPE_Q4_1 = 3, DTYPE_Q5_0 = 6, DTYPE_Q5_1 = 7, DTYPE_Q8_0 = 8,
    DTYPE_Q2_K = 10, DTYPE_Q3_K = 11, DTYPE_Q4_K = 12, DTYPE_Q5_K = 13, DTYPE_Q6_K = 14, DTYPE_IQ4_NL = 20,
    DTYPE_BF16 = 30,
    DTYPE_COUNT = 64, /* bound on ids that have a name, supported or not */
} dtype_id;

typedef struct {
    dtype_id id;
    const char *name;                 /* "Q4_0" */
    uint32_t block_elems, block_bytes;
    dtype_id narrow;                  /* llama.cpp's choice for rows that are no multiple of the block */
    uint32_t file_type;               /* general.file_type of a file whose matrices are all of this type */
    /* n is a multiple of block_elems; the pointers do not overlap; `blocks` needs no alignment. */
    void (*to_f32)(const void *blocks, float *out, size_t n);
    /* F32..Q5_1, Q8_0 and IQ4_NL round as the reference quantiser of ggml does; K types search their scales. NaN and
     * infinity in the input give unspecified blocks. */
    void (*from_f32)(const float *in, void *blocks, size_t n);
} dtype_info;

const dtype_info *dtype_find(uint32_t id);          /* NULL: not a type we support */
const dtype_info *dtype_by_name(str name);          /* "q4_0" or "Q4_0"; NULL when unknown */
const dtype_info *dtype_row(size_t i);              /* every type in turn; NULL after the last */
/* For messages: a name for an id we refuse ("IQ2_XS", "withdrawn type 4", "unknown type"). */
const char *dtype_refused_name(uint32_t id);
/* The type itself where rows of n elements fit its blocks, else the first that does of its narrow ones (F16 always
 * does). */
const dtype_info *dtype_fit(const dtype_info *t, uint64_t n);
/* Bytes of a row of n elements; false when n is not a multiple of the block, or on overflow. */
bool dtype_row_bytes(const dtype_info *t, uint64_t n, uint64_t *bytes);
#endif
