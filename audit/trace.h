/* Readers of traces: bytes in, events out (audit/events.h).
 *
 *     events e;
 *     events_init(&e, arena);
 *     if (trace_load(&e, "trace.json.gz", d)) ...
 *
 * The format is told by content: JSON in the form of Chrome's trace events (PyTorch's profiler and others), or an SQLite database
 * as Nsight Systems exports it; both may be gzip. What is no trace, or a damaged one, is an error that says what to do; a file that
 * ends in the middle is one too, unless `partial` is wanted.
 */
#ifndef INGOT_AUDIT_TRACE_H
#define INGOT_AUDIT_TRACE_H
#include "audit/events.h"
#include "audit/input.h"

bool trace_load(events *e, const char *path, bool partial, diag *d);
/* The same from memory: for tests and fuzzing. */
bool trace_load_bytes(events *e, const char *name, str bytes, bool partial, diag *d);

/* Each reads a stream to its end; events_finish is the caller's. */
bool kineto_read(events *e, input *in, bool partial, diag *d);
bool nsys_read_file(events *e, const char *name, const char *path, uint64_t bytes, diag *d);
bool nsys_read_bytes(events *e, const char *name, str bytes, diag *d);
#endif
