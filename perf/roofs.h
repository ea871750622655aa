/* Roofs of this host: the most that its memory delivers and its arithmetic does, measured.
 *
 *     host_caches c = host_caches_read();
 *     roof_rate read;
 *     if (roof_memory(pool, ROOF_READ, 8 * c.l3_bytes, 0.2, &read, d)) printf("%.1f GB/s\n", read.median / 1e9);
 *
 * Rates are of all threads of the pool together, each on its own part of the set, and by the threads' own processor
 * time: what other jobs take of the processors is left out, what they take of the memory is not. A rate is the median
 * of ROOF_PASSES passes; `spread` is the distance of their quartiles over the median, which is how far to believe it.
 */
#ifndef INGOT_PERF_ROOFS_H
#define INGOT_PERF_ROOFS_H
#include "base/diag.h"
#include "base/thread.h"

enum { ROOF_PASSES = 9, ROOF_LEVELS = 4, ROOF_CHASE = 1 << 18, ROOF_GEMM_N = 1024 };

typedef struct {
    size_t l1_bytes, l2_bytes, l3_bytes; /* data caches: of one processor, of one processor, of all; 0 = not known */
} host_caches;
host_caches host_caches_read(void);

typedef struct {
    double low, median, high, spread; /* per second; slowest and fastest pass */
} roof_rate;

/* Read: a sum of all bytes. Copy: b = a, counted as 2 arrays. Triad: a = b + s c, counted as 3. */
typedef enum { ROOF_READ, ROOF_COPY, ROOF_TRIAD, ROOF_PATTERNS } roof_pattern;
const char *roof_pattern_name(roof_pattern p);

/* `set_bytes`: of all threads together, touched first by the thread that uses it. About `seconds` of each thread's
 * time. */
bool roof_memory(pool *p, roof_pattern pattern, size_t set_bytes, double seconds, roof_rate *out, diag *d);
/* Seconds that one read from a random line of the set takes when the next one waits for it; one thread. */
bool roof_latency(size_t set_bytes, double *seconds, diag *d);
void roof_fma(pool *p, roof_rate *out);           /* FLOP/s of f32 multiply-adds in registers */
bool roof_gemm(pool *p, roof_rate *out, diag *d); /* FLOP/s of a f32 product of ROOF_GEMM_N^3 per thread, blocked */

/* The set that stands for memory itself: 8 x L3, but no more than a quarter of the memory that is free, and 512 MiB. */
size_t roof_dram_bytes(const host_caches *c);

/* All of it, for 1 and for all threads (0 = all CPUs), as a table for people; some ten seconds. */
bool roofs_text(int threads, strbuf *out, diag *d);
#endif
