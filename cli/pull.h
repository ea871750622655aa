/* Getting models: the catalogue, and the way from a name to a file.
 *
 *     char *path = cli_model_path(c->memory, a.model, true, c->d); // "smollm2", "model.gguf" pulled before, or a path
 *     if (!path) return CLI_FAILED;
 */
#ifndef INGOT_CLI_PULL_H
#define INGOT_CLI_PULL_H
#include "cli/pulled.h"

/* In this order: an existing path is itself; a name of the catalogue, or the file name of a pulled model. A model of
 * the catalogue that is not here yet is pulled when auto_pull is set. NULL: told to d, with the remedy. */
char *cli_model_path(arena *a, const char *name, bool auto_pull, diag *d);

typedef struct {
    const char *source;      /* a name of the catalogue, a URL, or a file */
    const char *sha256;      /* expected digest, or NULL */
    bool again;              /* replace what is there */
} pull_request;

/* out->path and out->sha256 are filled; `present` when it was there already. */
typedef struct {
    const char *path;
    char sha256[SHA256_HEX];
    bool present;
} pull_result;

bool model_pull(arena *a, const pull_request *r, pull_result *out, diag *d);

/* Row i of the catalogue; NULL after the last. */
const char *catalogue_name(size_t i);
const char *catalogue_title(size_t i);
#endif
