/* Sets of time as sorted, disjoint half-open intervals [a, b) of whole ns. All results are exact. */
#ifndef INGOT_AUDIT_INTERVAL_H
#define INGOT_AUDIT_INTERVAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t a, b;
} interval;
typedef struct {
    interval *v;
    size_t count, cap;
} intervals;

void intervals_free(intervals *s);
/* Starts must not decrease from call to call; what touches or overlaps the last interval is joined to it. false: no memory. */
bool intervals_add(intervals *s, int64_t a, int64_t b);
int64_t intervals_length(const intervals *s);
int64_t intervals_common(const intervals *x, const intervals *y); /* length of the intersection */
/* The part of each within [from, to), in place. */
void intervals_clip(intervals *s, int64_t from, int64_t to);
#endif
