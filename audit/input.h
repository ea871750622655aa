/* Bytes of a trace, plain or gzip, from a file or from memory, as one stream of bounded memory.
 *
 *     input in;
 *     if (input_open(&in, "trace.json.gz", d)) while ((n = input_read(&in, buf, sizeof buf, d)) > 0) ...
 *     input_close(&in);
 *
 * Told apart by content, never by name. A gzip stream that ends early gives what it holds and sets `cut_short`; damaged bytes
 * are an error (`failed`). Several gzip members one after the other are one stream; what follows the last is ignored.
 */
#ifndef INGOT_AUDIT_INPUT_H
#define INGOT_AUDIT_INPUT_H
#include "base/diag.h"

typedef struct input_state input_state;
typedef struct {
    const char *name;
    int fd;                              /* -1: memory */
    str memory;
    input_state *gzip;                   /* NULL: plain */
    char head[16];                       /* the first bytes of the (unpacked) stream */
    size_t head_count, head_given;
    uint64_t file_bytes, read_bytes;     /* of the file; given out so far, unpacked */
    bool cut_short, failed;
} input;

bool input_open(input *in, const char *path, diag *d);
bool input_open_bytes(input *in, const char *name, str bytes, diag *d);
/* Bytes given, 0 at the end and after a failure (which is told). */
size_t input_read(input *in, void *out, size_t cap, diag *d);
void input_close(input *in);

/* What the first bytes say. */
typedef enum { INPUT_EMPTY, INPUT_JSON, INPUT_SQLITE, INPUT_OTHER } input_kind;
input_kind input_sniff(const input *in);
/* The whole (unpacked) stream into a temporary file, which the caller removes. */
enum { INPUT_PATH_BYTES = 512 };
bool input_spill(input *in, char path[INPUT_PATH_BYTES], diag *d);
#endif
