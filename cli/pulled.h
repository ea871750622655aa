/* Pulled models on disk: $INGOT_HOME/models/NAME, with NAME.sha256 beside it (base/file.h says which folder that is).
 *
 *     pulled_model e;
 *     if (pulled_open(&e, a, "model.gguf", d)) {              // takes the lock: one pull of a name at a time
 *         ok = pulled_begin(&e, 0, total, "fetching", d)      // NAME.part, empty or continued
 *              && pulled_write(&e, p, n, d) && ...
 *              && pulled_commit(&e, expected_sha256, d);      // checks, syncs, renames
 *     }
 *     pulled_close(&e);                                       // an unfinished NAME.part stays, for the next attempt
 *
 * The bytes pass once: they are hashed as they are written. What NAME holds is always complete; a crash leaves
 * NAME.part.
 */
#ifndef INGOT_CLI_PULLED_H
#define INGOT_CLI_PULLED_H
#include "base/file.h"
#include "cli/progress.h"

enum { SHA256_HEX = 65 };               /* characters, with the terminator */

typedef struct {
    arena *memory;                      /* given to pulled_open; holds the names */
    const char *name, *path, *part;     /* "x.gguf", "FOLDER/x.gguf", "FOLDER/x.gguf.part" */
    char sha256[SHA256_HEX];            /* after pulled_commit */
    int lock;                           /* file descriptor, -1 = none */
    FILE *out;
    void *hash;                         /* EVP_MD_CTX */
    uint64_t bytes;                     /* written, with what was continued */
    char head[4];                       /* the first bytes */
    progress bar;
} pulled_model;

bool pulled_open(pulled_model *e, arena *a, const char *name, diag *d);
/* Continues NAME.part after its first `keep_bytes` (read again for the hash), or begins anew with 0. total_bytes 0 =
 * not known. May be called again to start over. */
bool pulled_begin(pulled_model *e, uint64_t keep_bytes, uint64_t total_bytes, const char *label, diag *d);
bool pulled_write(pulled_model *e, const void *p, size_t n, diag *d);
/* expected: 64 hex digits or NULL. What fails the checks is deleted. Records the digest. */
bool pulled_commit(pulled_model *e, const char *expected, diag *d);
void pulled_close(pulled_model *e);
uint64_t pulled_part_bytes(const pulled_model *e);            /* what is there so far; 0 when nothing */

char *pulled_path(arena *a, const char *name, diag *d);      /* where NAME is or would be */
/* The digest recorded beside a pulled model; hashes the file and records it when there is none. */
bool pulled_sha256(arena *a, const char *path, char hex[SHA256_HEX], diag *d);
bool sha256_valid(const char *hex);                         /* 64 hex digits, lower case */
#endif
