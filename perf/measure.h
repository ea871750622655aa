/* This host as a machine file: what it reads and computes, measured in about two seconds; the rest is absent. */
#ifndef INGOT_PERF_MEASURE_H
#define INGOT_PERF_MEASURE_H
#include "base/diag.h"

/* JSON of a machine file (docs/machines.md) into *out. `threads` 0 = all CPUs. */
bool perf_measure_host(strbuf *out, int threads, diag *d);

/* Chains of f32 multiply-adds in registers, `rounds` times PERF_MULTIPLY_ADDS_FLOPS flops: the peak of a processor. */
enum { PERF_MULTIPLY_ADDS_FLOPS = 384 };
float perf_multiply_adds(size_t rounds);
#endif
