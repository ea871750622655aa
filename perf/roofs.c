/* Measuring roofs. A pass lets every thread work on its own part for some milliseconds of its own processor time, from
 * where it stopped the last time: sets larger than the caches are walked through, smaller ones again and again. */
#include "perf/roofs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "llm/kern.h"
#include "perf/measure.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 256 << 10,
    FAR_BYTES = 4 << 20,
    FMA_ROUNDS = 1 << 15,
    GEMM_BLOCK = 256,
    GEMM_ROWS = 8,
    GEMM_LANES = 16
};

#ifdef __clang__
#define FAST
#define FUSED
#define FUSE _Pragma("clang fp contract(fast)")
#else
#define FAST  , optimize("O3")
#define FUSED , optimize("O3", "fp-contract=fast")
#define FUSE
#endif

typedef float lanes __attribute__((vector_size(GEMM_LANES * sizeof(float)), aligned(4)));

typedef struct {
    roof_pattern pattern;
    uint8_t *bytes;
    size_t size, *at; /* at: [threads], cursor in a thread's part */
    double seconds, *rates;
    uint64_t *sinks; /* [threads]: keeps the reads from being removed */
    float *matrices; /* [threads][3][ROOF_GEMM_N^2] */
} measuring;

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *roof_pattern_name(roof_pattern p) {
    static const char *const names[ROOF_PATTERNS] = {"read", "copy", "triad"};
    return p < ROOF_PATTERNS ? names[p] : "unknown";
}

/* ---- caches ---- */

static size_t cache_bytes(int name) {
    long n = sysconf(name);
    return n > 0 ? (size_t)n : 0;
}

host_caches host_caches_read(void) {
    return (host_caches){cache_bytes(_SC_LEVEL1_DCACHE_SIZE), cache_bytes(_SC_LEVEL2_CACHE_SIZE),
                         cache_bytes(_SC_LEVEL3_CACHE_SIZE)};
}

/* MemAvailable: what can be had without pushing others out; free pages alone are few on any machine that has run a
 * while. */
static size_t available_bytes(void) {
    unsigned long long kib = 0;
    char line[128];
    FILE *in = fopen("/proc/meminfo", "r");
    while (in && kib == 0 && fgets(line, sizeof line, in))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1) kib = 0;
    if (in) fclose(in);
    return (size_t)kib * 1024;
}

size_t roof_dram_bytes(const host_caches *c) {
    size_t last = c->l3_bytes ? c->l3_bytes : c->l2_bytes ? c->l2_bytes : 32 * MIB, want = 8 * last;
    size_t room = available_bytes() / 4;
    if (want > 512 * MIB) want = 512 * MIB;
    if (want > room) want = room;
    return want < 16 * MIB ? 16 * MIB : want;
}

/* ---- passes ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarise(double *sums, roof_rate *out) {
    qsort(sums, ROOF_PASSES, sizeof *sums, by_value);
    *out = (roof_rate){.low = sums[0], .median = sums[ROOF_PASSES / 2], .high = sums[ROOF_PASSES - 1]};
    if (out->median > 0) out->spread = (sums[3 * ROOF_PASSES / 4] - sums[ROOF_PASSES / 4]) / out->median;
}

static void passes(pool *p, void (*fn)(void *, int, int), measuring *m, roof_rate *out) {
    double sums[ROOF_PASSES] = {0};
    for (int i = -1; i < ROOF_PASSES; i++) { /* the first warms up */
        pool_run(p, fn, m);
        for (int t = 0; t < pool_threads(p) && i >= 0; t++) sums[i] += m->rates[t];
    }
    summarise(sums, out);
}

/* ---- memory ---- */

/* More bytes a cycle than kern_read, whose integer sums bind in the caches. What comes from memory is asked for ahead,
 * as the kernels do it; in second-level caches (below FAR_BYTES) that would only cost. */
static inline __attribute__((always_inline)) float read_lanes(const float *x, size_t n, bool far) {
    lanes sum[8] = {0};
    for (size_t i = 0; i + 8 * GEMM_LANES <= n; i += 8 * GEMM_LANES)
        for (size_t k = 0; k < 8; k++) {
            if (far) kern_ahead(x + i + k * GEMM_LANES);
            sum[k] += *(const lanes *)(x + i + k * GEMM_LANES);
        }
    for (int k = 1; k < 8; k++) sum[0] += sum[k];
    return sum[0][0];
}

__attribute__((target_clones("avx512f", "avx2", "default") FAST)) static float read_near(const float *x, size_t n) {
    return read_lanes(x, n, false);
}

__attribute__((target_clones("avx512f", "avx2", "default") FAST)) static float read_far(const float *x, size_t n) {
    return read_lanes(x, n, true);
}

__attribute__((target_clones("avx512f", "avx2", "default") FAST)) static void copy_part(lanes *to, const lanes *from,
                                                                                        size_t n) {
    for (size_t i = 0; i < n / GEMM_LANES; i++) {
        to[i] = from[i];
        __asm__ volatile("" ::: "memory"); /* or the compiler calls memcpy, which may go past the caches */
    }
}

__attribute__((target_clones("avx512f", "avx2", "default") FAST)) static void triad_part(float *a, const float *b,
                                                                                         const float *c, size_t n) {
    for (size_t i = 0; i < n; i++) a[i] = b[i] + 3 * c[i];
    __asm__ volatile("" ::"r"(a) : "memory");
}

/* One piece of a thread's part: `begin` and `n` are within each of the arrays of the pattern. Returns bytes moved. */
static size_t piece(measuring *m, uint8_t *part, size_t array, size_t begin, size_t n, int thread) {
    uint8_t *a = part + begin;
    float *to = (void *)a;
    size_t floats = n / sizeof *to;
    switch (m->pattern) {
    case ROOF_COPY: return copy_part((void *)to, (void *)(a + array), floats), 2 * n;
    case ROOF_TRIAD: return triad_part(to, (void *)(a + array), (void *)(a + 2 * array), floats), 3 * n;
    default: m->sinks[thread] += (array > FAR_BYTES ? read_far : read_near)(to, floats) > 0; return n;
    }
}

static void move(void *arg, int thread, int threads) {
    measuring *m = arg;
    size_t begin, end, arrays = (size_t)m->pattern + 1, done = 0;
    pool_share(m->size, 4096, thread, threads, &begin, &end);
    size_t array = (end - begin) / arrays / 64 * 64, at = m->at[thread];
    double since = thread_seconds(), now = since;
    if (array < 64) return;
    while (now - since < m->seconds) {
        for (int i = 0; i < 8; i++) {
            size_t n = array - at < PIECE_BYTES ? array - at : PIECE_BYTES;
            done += piece(m, m->bytes + begin, array, at, n, thread);
            at = at + n < array ? at + n : 0;
        }
        now = thread_seconds();
    }
    m->at[thread] = at;
    m->rates[thread] = (double)done / (now - since);
}

static void touch(void *arg, int thread, int threads) {
    measuring *m = arg;
    size_t begin, end;
    pool_share(m->size, 4096, thread, threads, &begin, &end);
    memset(m->bytes + begin, 1, end - begin);
}

bool roof_memory(pool *p, roof_pattern pattern, size_t set_bytes, double seconds, roof_rate *out, diag *d) {
    size_t n = (size_t)pool_threads(p), least = n * 4096;
    measuring m = {.pattern = pattern,
                   .size = (set_bytes < least ? least : set_bytes) / 4096 * 4096,
                   .seconds = seconds / (ROOF_PASSES + 1)};
    m.bytes = mem_pages(m.size);
    m.at = mem_alloc_n(n, sizeof *m.at);
    m.rates = mem_alloc_n(n, sizeof *m.rates);
    m.sinks = mem_alloc_n(n, sizeof *m.sinks);
    bool ok = m.bytes && m.at && m.rates && m.sinks;
    if (ok) {
        pool_run(p, touch, &m);
        passes(p, move, &m, out);
    }
    mem_pages_free(m.bytes, m.size);
    mem_free(m.at);
    mem_free(m.rates);
    mem_free(m.sinks);
    return ok || diag_oom(d, "buffer for measuring memory");
}

/* A chain through all lines of the set in an order that no prefetcher knows: one cycle, made by Sattolo's shuffle. */
bool roof_latency(size_t set_bytes, double *seconds, diag *d) {
    size_t lines = set_bytes / 64, bytes = lines * 64;
    uint64_t *set = lines > 1 ? mem_pages(bytes) : NULL;
    volatile uint64_t at = 0;
    rng r = rng_seed(1);
    if (!set) return diag_oom(d, "buffer for measuring latency");
    for (size_t i = 0; i < lines; i++) set[i * 8] = i;
    for (size_t i = lines - 1; i > 0; i--) {
        size_t k = (size_t)rng_below(&r, i);
        uint64_t t = set[i * 8];
        set[i * 8] = set[k * 8];
        set[k * 8] = t;
    }
    uint64_t line = 0;
    double since = thread_seconds();
    for (int i = 0; i < ROOF_CHASE; i++) line = set[line * 8];
    *seconds = (thread_seconds() - since) / ROOF_CHASE;
    at = line;
    (void)at;
    mem_pages_free(set, bytes);
    return true;
}

/* ---- arithmetic ---- */

static void multiply(void *arg, int thread, int threads) {
    (void)threads;
    measuring *m = arg;
    double since = thread_seconds(), now = since, flops = 0;
    float sink = 0;
    while (now - since < m->seconds) {
        sink += perf_multiply_adds(FMA_ROUNDS);
        flops += (double)FMA_ROUNDS * PERF_MULTIPLY_ADDS_FLOPS;
        now = thread_seconds();
    }
    m->sinks[thread] += sink > 0;
    m->rates[thread] = flops / (now - since);
}

void roof_fma(pool *p, roof_rate *out) {
    double rates[1024] = {0};
    uint64_t sinks[1024] = {0};
    measuring m = {.seconds = 0.01, .rates = rates, .sinks = sinks};
    passes(p, multiply, &m, out);
}

/* c[8][16] += a[8][k] b[k][16], in registers over the whole of k. Strides are of the square matrices. */
__attribute__((target_clones("avx512f", "arch=haswell", "default") FUSED)) static void
gemm_tile(const float *a, const float *b, float *c, size_t stride, size_t k) {
    FUSE lanes acc[GEMM_ROWS] = {0};
    for (size_t i = 0; i < k; i++) {
        lanes row = *(const lanes *)(b + i * GEMM_LANES);
        for (int r = 0; r < GEMM_ROWS; r++) acc[r] += a[(size_t)r * stride + i] * row;
    }
    for (int r = 0; r < GEMM_ROWS; r++) *(lanes *)(c + (size_t)r * stride) += acc[r];
}

/* b is already packed: [column / 16][k][16]. Blocks of 256 of k keep a column of b in the first-level cache. */
static void gemm(const float *a, const float *b, float *c) {
    const size_t n = ROOF_GEMM_N;
    for (size_t k = 0; k < n; k += GEMM_BLOCK)
        for (size_t row = 0; row + GEMM_ROWS <= n; row += GEMM_ROWS)
            for (size_t col = 0; col < n; col += GEMM_LANES)
                gemm_tile(a + row * n + k, b + (col * n) + k * GEMM_LANES, c + row * n + col, n, GEMM_BLOCK);
}

static void product(void *arg, int thread, int threads) {
    (void)threads;
    measuring *m = arg;
    const size_t n = ROOF_GEMM_N, square = n * n;
    float *a = m->matrices + (size_t)thread * 3 * square;
    double since = thread_seconds();
    gemm(a, a + square, a + 2 * square);
    m->rates[thread] = 2.0 * (double)(n * square) / (thread_seconds() - since);
}

bool roof_gemm(pool *p, roof_rate *out, diag *d) {
    size_t n = (size_t)pool_threads(p), bytes = n * 3 * ROOF_GEMM_N * ROOF_GEMM_N * sizeof(float);
    measuring m = {.matrices = mem_pages(bytes), .rates = mem_alloc_n(n, sizeof *m.rates)};
    bool ok = m.matrices && m.rates;
    for (size_t i = 0; ok && i < bytes / sizeof(float); i++) m.matrices[i] = (float)(i % 7) * 0.125f;
    if (ok) passes(p, product, &m, out);
    mem_pages_free(m.matrices, bytes);
    mem_free(m.rates);
    return ok || diag_oom(d, "matrices for measuring");
}

/* ---- the table ---- */

static bool memory_rows(pool *p, const host_caches *c, strbuf *out, diag *d) {
    size_t n = (size_t)pool_threads(p);
    const struct {
        const char *level;
        size_t bytes;
    } sets[ROOF_LEVELS] = {{"L1", n * c->l1_bytes / 2},
                           {"L2", n * c->l2_bytes / 2},
                           {"L3", c->l3_bytes / 2},
                           {"memory", roof_dram_bytes(c)}};
    for (int i = 0; i < ROOF_LEVELS; i++) {
        if (sets[i].bytes == 0) continue;
        strbuf_addf(out, "  %-7s %9s", sets[i].level, units_bytes((double)sets[i].bytes).text);
        for (roof_pattern k = ROOF_READ; k < ROOF_PATTERNS; k++) {
            roof_rate r = {0};
            if (!roof_memory(p, k, sets[i].bytes, 0.25, &r, d)) return false;
            strbuf_addf(out, "   %s %6.1f GB/s +-%2.0f %%", roof_pattern_name(k), r.median / 1e9, 50 * r.spread);
        }
        strbuf_addc(out, '\n');
    }
    return true;
}

static bool rows(int threads, strbuf *out, diag *d) {
    host_caches c = host_caches_read();
    roof_rate fma = {0}, product_rate = {0};
    double latency = 0;
    pool *p = pool_new(threads, d);
    if (!p) return false;
    strbuf_addf(out, "%d thread%s\n", pool_threads(p), pool_threads(p) > 1 ? "s" : "");
    bool ok = memory_rows(p, &c, out, d) && roof_gemm(p, &product_rate, d) &&
              (threads > 1 || roof_latency(roof_dram_bytes(&c) / 2, &latency, d));
    if (ok) {
        roof_fma(p, &fma);
        strbuf_addf(out, "  f32     multiply-adds %s +-%.0f %%   product of %d^3 %s +-%.0f %%\n",
                    units_si(fma.median, "FLOP/s").text, 50 * fma.spread, ROOF_GEMM_N,
                    units_si(product_rate.median, "FLOP/s").text, 50 * product_rate.spread);
    }
    if (ok && latency > 0)
        strbuf_addf(out, "  random  one read after the other: %s each\n", units_seconds(latency).text);
    pool_free(p);
    return ok;
}

bool roofs_text(int threads, strbuf *out, diag *d) {
    int n = threads > 0 ? threads : cpu_count();
    strbuf_adds(out,
                "By the threads' own processor time; median of 9 passes, +- half the distance of the quartiles.\n");
    return rows(1, out, d) && (n == 1 || rows(n, out, d));
}
