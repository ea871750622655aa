/* Files: whole reads with a cap, positioned reads, and writes that are complete or absent.
 *
 * Every failure is told to the diag with the path and the system's reason.
 */
#ifndef INGOT_BASE_FILE_H
#define INGOT_BASE_FILE_H
#include "base/arena.h"
#include "base/diag.h"

/* An open file for positioned reads; any number of threads may read at once. Reads copy, so that a file cut short
 * under us is an error and not a signal. */
typedef struct {
    int fd;
    uint64_t size_bytes, mtime_ns;
    char *path;
} file;

bool file_open(file *f, const char *path, diag *d);
void file_close(file *f);                                              /* all-zero or closed is fine */
bool file_read_at(const file *f, void *out, size_t bytes, uint64_t offset, diag *d); /* all or an error */
bool file_read_all(arena *a, const char *path, size_t max_bytes, str *out, diag *d); /* terminated by a zero byte */
bool file_exists(const char *path);

/* Writing: a temporary name beside the target; commit syncs, renames and syncs the folder. Until then the target is
 * untouched; abort (or a crash) leaves it so. */
typedef struct {
    FILE *out;
    char *path, *temporary;
} file_writer;

bool file_writer_open(file_writer *w, const char *path, diag *d);
bool file_writer_commit(file_writer *w, diag *d);                      /* also closes */
void file_writer_abort(file_writer *w);                                /* fine after a commit */
bool file_write_all(const char *path, str bytes, diag *d);             /* open, write, commit */

bool dir_make(const char *path, diag *d);                              /* with its parents */
char *path_join(arena *a, const char *dir, const char *name);
char *path_dir(arena *a, const char *path);                            /* "." when there is none */
const char *path_base(const char *path);
/* $INGOT_HOME, else $XDG_CACHE_HOME/ingot, else ~/.cache/ingot: models pulled, hashes recorded. NULL + diag when none. */
char *ingot_home(arena *a, diag *d);
#endif
