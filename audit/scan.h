/* Chrome trace events, one after the other, out of JSON that need not be whole.
 *
 *     scan s;
 *     if (scan_open(&s, &in, d)) while (scan_next(&s, &ev)) ...ev.name...      // raw text, valid until the next call
 *     scan_close(&s);
 *
 * Takes an object with `traceEvents` (other members are skipped, two are handed out) and a bare array, whose end may be missing.
 * Producers write names without escaping them: a quote that nothing of JSON follows belongs to the text, raw control
 * characters and NaN pass. What still makes no sense is left at the start of the next event, and counted (`broken`). Memory: one buffer of
 * SCAN_BUFFER_BYTES; an event may have SCAN_EVENT_MAX bytes. Rereading after broken events is limited: a file of nothing else is an
 * error, not an hour of searching.
 */
#ifndef INGOT_AUDIT_SCAN_H
#define INGOT_AUDIT_SCAN_H
#include "audit/input.h"

enum { SCAN_BUFFER_BYTES = 4 << 20, SCAN_EVENT_MAX = 1 << 20, SCAN_DEPTH_MAX = 64, SCAN_MEMBER_MAX = 1 << 18 };

/* Members of an event and of its args: text as it stands in the file, quotes taken off; p == NULL: absent. */
#define SCAN_FIELDS(X) X(ph, "ph") X(cat, "cat") X(name, "name") X(ts, "ts") X(dur, "dur") X(pid, "pid") X(tid, "tid")
#define SCAN_ARGS(X)                                                                                                   \
    X(device, "device") X(stream, "stream") X(correlation, "correlation") X(external, "External id")                   \
    X(external_old, "external id") X(bytes, "bytes") X(kind, "kind") X(dims, "Input Dims") X(types, "Input type")      \
    X(concrete, "Concrete Inputs") X(index, "Ev Idx") X(in_elems, "In msg nelems") X(out_elems, "Out msg nelems")      \
    X(dtype, "dtype") X(dims_old, "Input dims") X(size, "size") X(group, "Group size")
typedef struct {
#define SCAN_FIELD(name, text) str name;
    SCAN_FIELDS(SCAN_FIELD) SCAN_ARGS(SCAN_FIELD)
#undef SCAN_FIELD
} scan_event;

typedef struct {
    input *in;
    diag *d;
    char *buf;
    size_t at, end;                      /* unread bytes of buf */
    bool eof, in_array, object, found;   /* found: traceEvents was there */
    bool failed, cut_short;
    uint64_t events, broken, reread_bytes;
    str device_properties, distributed;  /* values of these members, in memory of their own; p == NULL: absent */
} scan;

bool scan_open(scan *s, input *in, diag *d);
bool scan_next(scan *s, scan_event *ev); /* false: the end, or failed (told) */
void scan_close(scan *s);

/* "12.5" with the unit scale 1000 (us to ns) -> 12500, to the nearest, halves to even; exponents allowed. false: no number, or
 * beyond 64 bits. */
bool scan_decimal(str text, int scale_digits, int64_t *out);
/* Escapes undone into `out` of cap bytes (at least s.n); s itself when there are none. */
str scan_unescape(str s, char *out, size_t cap);
#endif
