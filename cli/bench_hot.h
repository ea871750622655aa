/* ingot bench --hot: which part of a pass waits for weights, by experiment. */
#ifndef INGOT_CLI_BENCH_HOT_H
#define INGOT_CLI_BENCH_HOT_H
#include "cluster/session.h"

/* One line per batch of 1, 8 and 64 tokens that share a reading of the weights. */
bool bench_hot(const session_options *o, bool json, diag *d);
#endif
