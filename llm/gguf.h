/* GGUF version 3 (and 2) container: key-value metadata and tensor descriptions. Source: the GGUF document of the
 * ggml project.
 *
 * The parser takes bytes, opens no file and believes nothing: counts, lengths, offsets and products are checked
 * before use. Everything it returns points into the input bytes or the arena.
 */
#ifndef INGOT_LLM_GGUF_H
#define INGOT_LLM_GGUF_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/map.h"
#include "llm/dtype.h"

typedef enum {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
    GGUF_U64, GGUF_I64, GGUF_F64, GGUF_TYPE_COUNT,
} gguf_type;

size_t gguf_type_bytes(gguf_type type);  /* of one value; 0 for strings and arrays */

typedef struct {
    str key;
    gguf_type type;          /* of the value; of the elements when is_array */
    bool is_array;
    uint64_t count;          /* elements; 1 when not an array */
    const uint8_t *data;     /* the raw little-endian bytes; unaligned */
    str *strings;            /* [count], when type is GGUF_STRING */
} gguf_kv;

typedef struct {
    str name;                /* also terminated by a zero byte */
    uint32_t n_dims;         /* 1..4; dims beyond it are 1 */
    uint64_t dims[4];        /* dims[0] varies fastest: the row that is dotted with the activation */
    const dtype_info *type;
    uint64_t offset_bytes;   /* from the start of the file */
    uint64_t size_bytes;
} gguf_tensor;

typedef struct {
    uint32_t version;
    uint64_t alignment_bytes, data_offset_bytes;
    size_t kv_count, tensor_count;
    gguf_kv *kv;
    gguf_tensor *tensors;
    map kv_index, tensor_index;
} gguf;

typedef enum { GGUF_OK, GGUF_BAD, GGUF_NEED_MORE } gguf_status;

/* `bytes` are the first `len` of a file of `file_bytes` bytes. NEED_MORE: the header is longer than len (never when
 * len equals file_bytes). BAD: told to d, with `name` as the file. Call gguf_free also after a failure. */
gguf_status gguf_parse(gguf *g, arena *a, const char *name, const uint8_t *bytes, size_t len, uint64_t file_bytes,
                       diag *d);
void gguf_free(gguf *g);

const gguf_kv *gguf_find(const gguf *g, const char *key);            /* NULL when absent */
const gguf_tensor *gguf_find_tensor(const gguf *g, str name);
/* Element i as a number or string; any integer width serves for an integer, any number for a float. false: absent,
 * of another kind, negative where unsigned is asked, or i out of range. */
bool gguf_get_u64(const gguf_kv *kv, uint64_t i, uint64_t *out);
bool gguf_get_i64(const gguf_kv *kv, uint64_t i, int64_t *out);
bool gguf_get_f64(const gguf_kv *kv, uint64_t i, double *out);
bool gguf_get_bool(const gguf_kv *kv, uint64_t i, bool *out);
bool gguf_get_str(const gguf_kv *kv, uint64_t i, str *out);

/* Writing, for converters and test models: add the metadata, then the tensors' descriptions, then emit the header;
 * tensor data follows in the same order, each padded to 32 bytes (gguf_padding tells how many zero bytes come after
 * a blob of so many). Keys and names are not compared: adding one twice makes a file that gguf_parse refuses. */
enum { GGUF_WRITER_ALIGNMENT = 32 };

typedef struct {
    strbuf kv, infos;
    uint64_t kv_count, tensor_count, data_bytes;
} gguf_writer;

void gguf_put_u32(gguf_writer *w, const char *key, uint32_t v);
void gguf_put_f32(gguf_writer *w, const char *key, float v);
void gguf_put_bool(gguf_writer *w, const char *key, bool v);
void gguf_put_str(gguf_writer *w, const char *key, str v);
void gguf_put_array(gguf_writer *w, const char *key, gguf_type type, const void *elements, uint64_t count);
void gguf_put_str_array(gguf_writer *w, const char *key, const str *elements, uint64_t count);
void gguf_put_raw(gguf_writer *w, const gguf_kv *kv); /* copies a pair of a parsed file; skips general.alignment */
void gguf_put_tensor(gguf_writer *w, str name, uint32_t n_dims, const uint64_t *dims, const dtype_info *type);
bool gguf_emit_header(gguf_writer *w, strbuf *out);   /* false: memory ended, or a tensor had an impossible size */
uint64_t gguf_padding(uint64_t bytes);                /* zero bytes up to the next multiple of 32 */
void gguf_writer_free(gguf_writer *w);
#endif
