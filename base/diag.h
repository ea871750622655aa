/* Diagnostics: what went wrong, where, and what to do about it.
 *
 * Fallible functions return bool (or NULL) and have told a `diag` why. Messages are collected, so that a reader of
 * sources can report many errors at once; printing is the caller's. The text form is
 *
 *     layout.csl:2:21: error: unknown name 'hight'
 *           @set_rectangle(4, hight);
 *                             ^~~~~
 *     layout.csl:1:7: note: 'height' is declared here
 *
 * and, for what has no source text (files of weights, options): `error: model.gguf: tensor 'x': ...`.
 * A message names the file, the place and the remedy. Not thread-safe: one diag per thread.
 */
#ifndef INGOT_BASE_DIAG_H
#define INGOT_BASE_DIAG_H
#include "base/str.h"
#include <stdio.h>

typedef struct diag diag;
typedef enum { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR } diag_level;

/* A text in which spans point. `name` is what the user calls it (a path). Must outlive the calls, not the diag. */
typedef struct {
    const char *name;
    str text;
} diag_source;

/* Bytes [begin, end) of a source. */
typedef struct {
    size_t begin, end;
} span;

diag *diag_new(void);
void diag_free(diag *d);
void diag_clear(diag *d);

void diag_at(diag *d, diag_level level, const diag_source *src, span at, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* A message without source text. Always returns false, so that `return diag_error(d, "...")` reads well. */
bool diag_error(diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void diag_warn(diag *d, const char *fmt, ...) /* the same text only once */ __attribute__((format(printf, 2, 3)));
bool diag_oom(diag *d, const char *what); /* "out of memory: WHAT"; returns false */

size_t diag_error_count(const diag *d);
const char *diag_text(const diag *d); /* everything so far, "" when nothing; valid until the next call */
void diag_print(const diag *d, FILE *out);

/* Line and column (from 1, in bytes) of a byte offset. */
void diag_line_column(str text, size_t at, size_t *line, size_t *column);
#endif
