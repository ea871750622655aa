/* Number formats: how many bits a stored number takes with its scales, and which arithmetic it feeds. */
#ifndef INGOT_PERF_FORMAT_H
#define INGOT_PERF_FORMAT_H
#include "perf/machine.h"

typedef struct {
    const char *name;
    double bits;
    perf_rate rate;  /* of the arithmetic on it, when the machine has it; else it is widened to 16 bits */
    const char *what;
} perf_format;

const perf_format *perf_format_row(size_t i);             /* NULL after the last */
const perf_format *perf_format_named(const char *name);   /* NULL: no such format */
#endif
