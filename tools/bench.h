/* What the bench programs read of the host: a clock, and the memory of the process. */
#ifndef INGOT_TOOLS_BENCH_H
#define INGOT_TOOLS_BENCH_H

#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline size_t resident_bytes(void) {
    unsigned long long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%llu %llu", &all, &resident) != 2) resident = 0;
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
