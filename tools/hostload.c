/* ingot-hostload: programs whose limit is known, to hold `ingot audit` against.
 *
 *     ingot-hostload KIND [SECONDS] [THREADS]
 *
 *     gemm     products of 512 x 512 matrices, blocked: bound by arithmetic
 *     stream   a = b + s c over 384 MiB: bound by memory
 *     chase    a chain through 256 MiB in random order: bound by the latency of memory
 *     sleep    does nothing
 *     fork     gemm in a child process, while the parent waits
 *
 * Says what it did on stderr. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SQUARE = 512, LANES = 16, ROWS = 6, STREAM_BYTES = 384 << 20, CHASE_LINES = 4 << 20 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

typedef struct {
    double seconds, work[64];
    float *stream; /* three arrays */
    uint64_t *lines;
} load;

#ifdef __clang__
#define FAST
#else
#define FAST , optimize("O3", "fp-contract=fast")
#endif

/* c[6][16] = a[6][512] b[512][16], sums in registers. */
__attribute__((target_clones("avx512f", "arch=haswell", "default") FAST)) static void tile(const float *a,
                                                                                           const float *b, float *c) {
    lanes sum[ROWS] = {0};
    for (size_t k = 0; k < SQUARE; k++)
        for (int r = 0; r < ROWS; r++) sum[r] += a[r * SQUARE + (int)k] * *(const lanes *)(b + k * LANES);
    for (int r = 0; r < ROWS; r++) *(lanes *)(c + r * SQUARE) = sum[r];
}

static void gemm(void *arg, int thread, int threads) {
    (void)threads;
    load *l = arg;
    size_t square = SQUARE * SQUARE;
    float *a = mem_alloc_n(3 * square, sizeof *a);
    double since = clock_seconds();
    for (size_t i = 0; a && i < 2 * square; i++) a[i] = (float)(i % 5) * 0.25f;
    while (a && clock_seconds() - since < l->seconds) {
        for (size_t row = 0; row + ROWS <= SQUARE; row += ROWS)
            for (size_t col = 0; col < SQUARE; col += LANES)
                tile(a + row * SQUARE, a + square + col * SQUARE, a + 2 * square + row * SQUARE + col);
        l->work[thread] += 2.0 * SQUARE * (double)square;
    }
    mem_free(a);
}

__attribute__((target_clones("avx512f", "avx2", "default") FAST)) static void triad(float *a, const float *b,
                                                                                    const float *c, size_t n) {
    for (size_t i = 0; i < n; i++) a[i] = b[i] + 3 * c[i];
}

static void stream(void *arg, int thread, int threads) {
    load *l = arg;
    size_t begin, end, n = STREAM_BYTES / 3 / sizeof(float);
    double since = clock_seconds();
    pool_share(n, 1024, thread, threads, &begin, &end);
    for (size_t k = 0; k < 3; k++) memset(l->stream + k * n + begin, 0, (end - begin) * sizeof(float));
    while (clock_seconds() - since < l->seconds) {
        triad(l->stream + begin, l->stream + n + begin, l->stream + 2 * n + begin, end - begin);
        l->work[thread] += 3.0 * sizeof(float) * (double)(end - begin);
    }
}

static void chase(void *arg, int thread, int threads) {
    (void)threads;
    load *l = arg;
    uint64_t at = (uint64_t)thread;
    double since = clock_seconds();
    while (clock_seconds() - since < l->seconds) {
        for (int i = 0; i < 100000; i++) at = l->lines[at * 8];
        l->work[thread] += 100000;
    }
    if (at == UINT64_MAX) l->work[thread] = 0;
}

static void chain(uint64_t *lines) { /* Sattolo: one cycle through all */
    rng r = rng_seed(1);
    for (uint64_t i = 0; i < CHASE_LINES; i++) lines[i * 8] = i;
    for (uint64_t i = CHASE_LINES - 1; i > 0; i--) {
        uint64_t k = rng_below(&r, i), t = lines[i * 8];
        lines[i * 8] = lines[k * 8];
        lines[k * 8] = t;
    }
}

static void doze(void *arg, int thread, int threads) {
    (void)thread, (void)threads;
    usleep((useconds_t)(((load *)arg)->seconds * 1e6));
}

static const struct {
    const char *name, *unit;
    void (*run)(void *, int, int);
} kinds[] = {{"gemm", "FLOP/s", gemm},
             {"stream", "B/s", stream},
             {"chase", "reads/s", chase},
             {"sleep", "", doze},
             {"fork", "FLOP/s", gemm}};

static int usage(void) {
    fputs("usage: ingot-hostload gemm|stream|chase|sleep|fork [SECONDS] [THREADS]\n", stderr);
    return 2;
}

static int run(size_t kind, load *l, int threads) {
    diag *d = diag_new();
    pool *p = d ? pool_new(threads, d) : NULL;
    double sum = 0;
    if (kinds[kind].run == stream) l->stream = mem_pages(STREAM_BYTES);
    if (kinds[kind].run == chase && (l->lines = mem_pages(CHASE_LINES * 64ul))) chain(l->lines);
    bool ok = p && (kinds[kind].run != stream || l->stream) && (kinds[kind].run != chase || l->lines);
    if (ok) pool_run(p, kinds[kind].run, l);
    for (int i = 0; i < threads; i++) sum += l->work[i];
    if (ok && sum > 0) fprintf(stderr, "hostload: %s\n", units_si(sum / l->seconds, kinds[kind].unit).text);
    if (!ok) fputs("hostload: out of memory\n", stderr);
    pool_free(p);
    mem_pages_free(l->stream, STREAM_BYTES);
    mem_pages_free(l->lines, CHASE_LINES * 64ul);
    diag_free(d);
    return !ok;
}

int main(int argc, char **argv) {
    size_t kind = 0, count = sizeof kinds / sizeof *kinds;
    load l = {.seconds = argc > 2 ? atof(argv[2]) : 3};
    int threads = argc > 3 ? atoi(argv[3]) : 1, status = 0;
    while (argc > 1 && kind < count && strcmp(argv[1], kinds[kind].name)) kind++;
    if (argc < 2 || argc > 4 || kind == count || !(l.seconds > 0) || threads < 1 || threads > 64) return usage();
    if (strcmp(argv[1], "fork")) return run(kind, &l, threads);
    pid_t child = fork();
    if (child == 0) _exit(run(kind, &l, threads));
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
