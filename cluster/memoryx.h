/* MemoryX: the store of weights. First kind: a local file.
 *
 * When a model is first opened, the XXH3-64 of every chunk of every tensor, and of each file's header, is recorded in
 * <ingot home>/manifests. Ever after, every byte that is delivered is checked against it, so that a truncated or
 * changed file is an error and not noise. A record that cannot be written is a warning: the hashes of this run still
 * guard this run.
 */
#ifndef INGOT_CLUSTER_MEMORYX_H
#define INGOT_CLUSTER_MEMORYX_H
#include "llm/store.h"

typedef struct {
    void (*call)(void *arg, double fraction); /* may be NULL */
    void *arg;
} memoryx_progress;

/* A store over the model's own files; the model must outlive it. NULL on failure. Close with store->close(store). */
llm_store *memoryx_open_file(const llm_model *m, memoryx_progress progress, diag *d);

/* Records the file's present content as right: after it was replaced on purpose. */
bool memoryx_accept(const char *model_path, memoryx_progress progress, diag *d);

/* Drops the record of a file that is about to go. */
void memoryx_forget(const llm_model *m);

/* The record's reader, for tests and fuzzing: fills hashes[tensor][chunk] and headers[file] of a model of these shapes.
 */
bool memoryx_parse_manifest(const llm_model *m, str json, uint64_t **hashes, uint64_t *headers, diag *d);
#endif
