/* Measures the host: bytes per second of sequential reads from memory, FLOP/s of fused multiply-adds in registers,
 * seconds of an empty parallel region. Each is the best of several passes, all threads together. What was not measured
 * is not written. */
#include "perf/measure.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"
#include "llm/native_probe.h"
#include <math.h>
#include <unistd.h>

#define READ_SECONDS 0.5
enum { READ_BYTES = 256 << 20, FMA_ROUNDS = 1 << 20, LANES = 16, CHAINS = 12, PASSES = 20, REGIONS = 2000 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

_Static_assert(PERF_MULTIPLY_ADDS_FLOPS == 2 * LANES * CHAINS, "what perf/measure.h says");

typedef struct {
    float sink; /* keeps the compiler from dropping the sums */
} work;

/* Independent chains of multiply-adds: 2 x LANES x CHAINS flops a round. */
#ifdef __clang__
#define CONTRACT
#else
#define CONTRACT , optimize("O3", "fp-contract=fast")
#endif
__attribute__((target_clones("avx512f", "arch=haswell", "default") CONTRACT)) float
perf_multiply_adds(size_t rounds) {
#ifdef __clang__
#pragma clang fp contract(fast)
#endif
    lanes acc[CHAINS], x, y;
    for (int i = 0; i < LANES; i++) x[i] = 0.999f, y[i] = 1e-3f;
    for (int c = 0; c < CHAINS; c++) acc[c] = x;
    for (size_t r = 0; r < rounds; r++) {
        for (int c = 0; c < CHAINS; c++) acc[c] = acc[c] * x + y; /* CHAINS is small: unrolled */
    }
    float sum = 0;
    for (int c = 0; c < CHAINS; c++) sum += acc[c][0];
    return sum;
}

static void compute(void *arg, int thread, int threads) {
    (void)threads;
    float s = perf_multiply_adds(FMA_ROUNDS);
    if (thread == 0) ((work *)arg)->sink = s;
}

static void nothing(void *arg, int thread, int threads) { (void)arg, (void)thread, (void)threads; }

static double best_seconds(pool *p, void (*fn)(void *, int, int), work *w, int passes) {
    double best = INFINITY;
    for (int i = 0; i < passes; i++) {
        double t = clock_seconds();
        pool_run(p, fn, w);
        best = fmin(best, clock_seconds() - t);
    }
    return best;
}

static void entry(strbuf *b, const char *name, double value, const char *unit, const char *source, const char *after) {
    strbuf_addf(
        b,
        "    \"%s\": {\"value\": %.6g, \"unit\": \"%s\", \"kind\": \"measured\",\n      \"source\": \"ingot machine "
        "measure: %s\"}%s\n",
        name, value, unit, source, after);
}

static void host_name(char *out, size_t size) {
    if (gethostname(out, size)) snprintf(out, size, "host");
    out[size - 1] = 0;
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x21 || (unsigned char)*c > 0x7E || *c == '"' || *c == '\\') *c = '-';
}

bool perf_measure_host(strbuf *out, int threads, diag *d) {
    work w = {0};
    uint8_t *bytes = mem_pages(READ_BYTES);
    pool *p = bytes ? pool_new(threads, d) : NULL;
    if (!bytes) return diag_oom(d, "buffer for measuring");
    if (!p) {
        mem_pages_free(bytes, READ_BYTES);
        return false;
    }
    memset(bytes, 1, READ_BYTES);
    int n = pool_threads(p);
    double read_rate = probe_read_bytes_per_s(p, bytes, READ_BYTES, READ_SECONDS),
           fma_s = best_seconds(p, compute, &w, PASSES);
    double region_s = best_seconds(p, nothing, &w, REGIONS);
    char name[128];
    host_name(name, sizeof name);
    strbuf_addf(out, "{\n  \"name\": \"host\",\n  \"title\": \"%s (%d threads)\",\n  \"class\": \"host\",\n", name, n);
    strbuf_adds(out, "  \"weights_format\": \"as_stored\",\n"
                     "  \"absent\": [\"io_bw_bytes_per_s\", \"crossing_bw_bytes_per_s\", \"crossing_latency_s\", "
                     "\"link_bw_bytes_per_s\",\n    \"allreduce_latency_s\", \"power_watts\", \"power_idle_share\", "
                     "\"power_prefill_share\", \"power_decode_share\"],\n  \"values\": {\n");
    entry(out, "accelerators", 1, "1", "the host as one device", ",");
    entry(out, "flops_fp16_per_s", 2.0 * LANES * CHAINS * FMA_ROUNDS * n / fma_s, "FLOP/s",
          "f32 multiply-adds in registers; 16-bit numbers are widened", ",");
    entry(out, "compute_efficiency", 1, "1", "the rate is itself measured; real kernels reach less", ",");
    entry(out, "mem_bytes", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), "B", "physical memory",
          ",");
    entry(out, "mem_bw_bytes_per_s", read_rate, "B/s", "sequential reads of 256 MiB, all threads", ",");
    entry(out, "memory_efficiency", 1, "1", "the rate is itself measured", ",");
    entry(out, "kernel_overhead_s", region_s, "s", "an empty parallel region", "");
    strbuf_adds(out, "  }\n}\n");
    pool_free(p);
    mem_pages_free(bytes, READ_BYTES);
    return !out->oom || diag_oom(d, "machine file");
}
