/* Progress on stderr, for whatever takes longer than a second:
 *
 *     progress p = progress_begin("fetching model.gguf", PROGRESS_BYTES, total_bytes);
 *     while (...) progress_update(&p, done_bytes);
 *     progress_end(&p);                         // the line is gone again
 *
 *     fetching model.gguf  [=======>      ]  52 %  51.2 MB of 98.4 MB  12.3 MB/s  4 s left
 *
 * Only when stderr is a terminal; silent otherwise. The first second shows nothing, so that short work stays quiet.
 * Cheap to call often: it draws ten times a second. One thread at a time.  */
#ifndef INGOT_CLI_PROGRESS_H
#define INGOT_CLI_PROGRESS_H
#include <stdbool.h>

typedef enum { PROGRESS_FRACTION, PROGRESS_BYTES } progress_unit; /* FRACTION: done and total are of any unit */

typedef struct {
    const char *label;
    progress_unit unit;
    double total;                /* 0 = not known */
    double first, done;          /* `first` was there before the clock started (a resumed download) */
    double start_s, drawn_s;     /* of clock_seconds */
    bool terminal, shown;
} progress;

progress progress_begin(const char *label, progress_unit unit, double total);
void progress_resume_at(progress *p, double first);
void progress_update(progress *p, double done);
void progress_end(progress *p);
/* As the callbacks of the library want it: arg is a progress of PROGRESS_FRACTION with total 1. */
void progress_fraction(void *arg, double fraction);
#endif
