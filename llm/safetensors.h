/* safetensors: a JSON header that says where each tensor lies, then the data. Source: the format notes of the
 * safetensors crate.
 *
 *     safetensors_status s = safetensors_parse(&st, a, "model.safetensors", bytes, len, file_bytes, d);
 *
 * The parser takes bytes, opens no file and believes nothing. Everything it returns lives in the arena; nothing points
 * into the input. A model in several files ("shards") has an index beside them that says which tensor is in which.
 */
#ifndef INGOT_LLM_SAFETENSORS_H
#define INGOT_LLM_SAFETENSORS_H
#include "base/arena.h"
#include "base/diag.h"
#include "llm/dtype.h"

enum { SAFETENSORS_DIMS_MAX = 8, SAFETENSORS_FILES_MAX = 1000 };
#define SAFETENSORS_HEADER_BYTES_MAX 100000000ull /* the limit of the reference reader */

typedef struct {
    str name;                /* also terminated by a zero byte; any UTF-8 */
    const char *type_name;   /* as the file spells it: "BF16" */
    const dtype_info *type;  /* NULL: a known type, but none that weights may have here */
    uint32_t n_dims;         /* 0 = a scalar */
    uint64_t dims[SAFETENSORS_DIMS_MAX]; /* outermost first; dims[n_dims - 1] varies fastest */
    uint64_t offset_bytes;   /* from the start of the file; may be unaligned */
    uint64_t size_bytes;
} safetensor;

typedef struct {
    const char *key, *value;
} safetensors_note;

typedef struct {
    uint64_t
        header_bytes; /* the data begins here. Known (not 0) as soon as 8 bytes have been seen, also on NEED_MORE. */
    size_t tensor_count, note_count;
    safetensor *tensors;     /* in the order of their data, which has neither holes nor overlaps */
    safetensors_note *notes; /* __metadata__ */
} safetensors;

typedef enum { SAFETENSORS_OK, SAFETENSORS_BAD, SAFETENSORS_NEED_MORE } safetensors_status;

/* `bytes` are the first `len` of a file of `file_bytes` bytes. NEED_MORE: the header is longer than len (never when len
 * equals file_bytes). BAD: told to d, with `name` as the file. */
safetensors_status safetensors_parse(safetensors *s, arena *a, const char *name, const uint8_t *bytes, size_t len,
                                     uint64_t file_bytes, diag *d);
const char *safetensors_find_note(const safetensors *s, const char *key); /* NULL when absent */

/* model.safetensors.index.json. File names come from a stranger: only plain names, in the same folder, are let through.
 */
typedef struct {
    size_t file_count, tensor_count;
    const char **files;      /* [file_count], in the order of their first mention */
    const char **tensors;    /* [tensor_count] */
    uint32_t *file_of;       /* [tensor_count] */
} safetensors_index;

bool safetensors_index_parse(safetensors_index *x, arena *a, const char *name, str json, diag *d);
#endif
