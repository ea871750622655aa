/* This host as a machine file: what it reads and computes, measured in about two seconds; the rest is absent. */
#ifndef INGOT_PERF_MEASURE_H
#define INGOT_PERF_MEASURE_H
#include "base/diag.h"

/* JSON of a machine file (docs/machines.md) into *out. `threads` 0 = all CPUs. */
bool perf_measure_host(strbuf *out, int threads, diag *d);
#endif
