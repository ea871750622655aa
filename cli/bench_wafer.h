/* The simulated wafer against the native engine: the same greedy tokens, host time for each. */
#ifndef INGOT_CLI_BENCH_WAFER_H
#define INGOT_CLI_BENCH_WAFER_H
#include "base/diag.h"

/* `tokens` are decoded behind a prompt of one token by both engines on one thread; prints one line. */
bool bench_wafer(const char *path, uint32_t tokens, bool json, diag *d);
#endif
