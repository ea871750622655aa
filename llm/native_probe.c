/* What this host could do at most with this model: the rate at which the weights can be read, and the rate at which the
 * kernels multiply when everything is in the cache. Together they say which steps wait for memory. */
#include "llm/native_probe.h"
#include "base/mem.h"
#include "base/units.h"
#include "llm/native_internal.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 1024 };

typedef struct {
    const uint8_t *bytes;
    size_t size;
    uint64_t sums[THREADS_MAX]; /* [thread]: keeps the reads from being removed */
    double rates[THREADS_MAX];  /* [thread]: bytes per second of its own processor time */
} reading;

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_share(void *arg, int thread, int threads) {
    reading *r = arg;
    size_t begin, end;
    pool_share(r->size, 4096, thread, threads, &begin, &end);
    double since = thread_seconds();
    r->sums[thread % THREADS_MAX] += kern_read(r->bytes + begin, end - begin);
    r->rates[thread % THREADS_MAX] = (double)(end - begin) / (thread_seconds() - since);
}

double probe_read_bytes_per_s(pool *threads, const uint8_t *bytes, size_t size, double seconds) {
    reading r = {.bytes = bytes, .size = size};
    double best = 0, since = clock_seconds();
    do {
        double start = clock_seconds();
        pool_run(threads, read_share, &r);
        double rate = (double)size / (clock_seconds() - start);
        if (rate > best) best = rate;
    } while (clock_seconds() - since < seconds);
    return best;
}

double native_read_bytes_per_s(native *n, double seconds) {
    reading r = {0};
    double best = 0, since = clock_seconds();
    r.bytes = weights_resident_bytes(n->w, &r.size);
    while (r.size && clock_seconds() - since < seconds) {
        double sum = 0;
        pool_run(n->threads, read_share, &r);
        for (int i = 0; i < pool_threads(n->threads) && i < THREADS_MAX; i++) sum += r.rates[i];
        best = fmax(best, sum);
    }
    return best;
}

/* ---- waiting for a processor ---- */

/* Seconds so far in which this thread was ready without a processor; 0 where the kernel does not count. The file is
 * kept open: a token of a small model takes no longer than opening it. */
double native_queued_seconds(native *n) {
    char text[96] = "";
    unsigned long long ran, waited = 0;
    int tid = (int)syscall(SYS_gettid);
    if (n->waits_fd < 0 || n->waits_tid != tid) {
        if (n->waits_fd >= 0) close(n->waits_fd);
        n->waits_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
        n->waits_tid = tid;
    }
    if (n->waits_fd < 0 || pread(n->waits_fd, text, sizeof text - 1, 0) <= 0) return 0;
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? (double)waited * 1e-9 : 0;
}

/* ---- arithmetic ---- */

typedef struct {
    native *n;
    pack_id layout;
    size_t tokens, cols;
    double seconds, *flops; /* [threads] */
} computing;

static void compute_share(void *arg, int thread, int threads) {
    (void)threads;
    computing *c = arg;
    const pack_layout *p = pack_layout_row(c->layout);
    const kern *k = c->n->k;
    acts x = c->n->shared; /* any integers will do; tokens * cols is kept within the batch's buffer */
    if ((c->tokens == 1 ? c->n->decode_digits : c->n->prompt_digits) == 1) x.lo = NULL;
    bool tiles = k->tile_tokens && c->tokens >= k->tile_tokens && x.lo;
    size_t count = tiles ? 2 : 1, bytes = pack_panel_bytes(p, c->cols), stride = acts_stride(c->cols),
           y_bytes = count * (c->tokens + k->tile_tokens) * PANEL_ROWS * sizeof(float),
           f_bytes = c->tokens * stride * sizeof(float);
    uint8_t *panels = mem_pages(count * bytes);
    float *y = mem_pages(y_bytes), *f = mem_pages(f_bytes);
    x.cols = c->cols;
    x.stride = stride;
    x.f = f;
    uint64_t rounds = 0;
    double since = thread_seconds(), now = since;
    while (panels && y && f && now - since < c->seconds) {
        for (int i = 0; i < 20; i++)
            if (tiles) k->tiles[c->layout](panels, bytes, count, &x, 0, c->tokens, y);
            else k->gemm[c->layout](panels, &x, 0, c->tokens, y, PANEL_ROWS);
        rounds += 20 * count;
        now = thread_seconds();
    }
    c->flops[thread] =
        now > since ? 2.0 * PANEL_ROWS * (double)c->cols * (double)c->tokens * (double)rounds / (now - since) : 0;
    mem_pages_free(panels, count * bytes);
    mem_pages_free(y, y_bytes);
    mem_pages_free(f, f_bytes);
}

double native_kernel_flops_per_s(native *n, pack_id layout, size_t tokens, double seconds) {
    if (tokens > n->batch) tokens = n->batch;
    computing c = {
        .n = n, .layout = layout, .tokens = tokens, .cols = n->shared.stride < 512 ? 256 : 512, .seconds = seconds};
    if (n->shared.stride < 256) c.cols = 32; /* tiny models: the shared buffers hold no more */
    c.flops = mem_alloc_n((size_t)pool_threads(n->threads), sizeof *c.flops);
    if (!c.flops) return 0;
    pool_run(n->threads, compute_share, &c);
    double sum = 0;
    for (int i = 0; i < pool_threads(n->threads); i++) sum += c.flops[i];
    mem_free(c.flops);
    return sum;
}

/* ---- the verdict ---- */

#define SLOWEST_READING 0.5 /* of the measured rate; as in audit/live.h */

/* The layout that holds most of the weights. */
static pack_id main_layout(const native *n) {
    double bytes[PACK_COUNT] = {0};
    pack_id best = PACK_F32;
    for (size_t i = 0; i < n->m->tensor_count; i++) {
        const llm_tensor *t = &n->m->tensors[i];
        if (t->rows > 1) bytes[pack_layout_of(t->type->id)->id] += (double)t->size_bytes;
    }
    for (int i = 0; i < PACK_COUNT; i++)
        if (bytes[i] > bytes[best]) best = (pack_id)i;
    return best;
}

static void judge(const native_cost *costs, double ran, double read_rate, double matrix_rate, double float_rate,
                  native_bound *b) {
    for (int i = 0; i < STEP_COUNT; i++) {
        const native_cost *c = &costs[i];
        double seconds = ran * c->seconds;
        bool attention = i == STEP_ATTENTION, matrix = i == STEP_MATMUL || i == STEP_HEAD;
        double memory_s = (c->weight_bytes + c->kv_bytes) / read_rate,
               compute_s = c->flops / (attention ? float_rate : matrix_rate);
        b->total_s += seconds;
        if (!attention && !matrix) b->other_s += seconds;
        else if (memory_s <= compute_s) b->compute_s += seconds;
        else {
            double beyond = seconds - fmin(compute_s, seconds);
            double memory = fmin(fmax(beyond, fmin(memory_s, seconds)), memory_s / SLOWEST_READING);
            double compute = fmin(compute_s, seconds - memory);
            b->compute_s += compute;
            b->memory_s += memory;
            b->other_s += seconds - compute - memory;
        }
    }
}

void native_judge(native *n, native_verdict *v) {
    const double seconds = 0.02;
    pack_id layout = main_layout(n);
    *v = (native_verdict){.read_bytes_per_s = native_read_bytes_per_s(n, 2 * seconds),
                          .layout = pack_layout_row(layout)->name};
    v->decode_flops_per_s = native_kernel_flops_per_s(n, layout, 1, seconds);
    v->prompt_flops_per_s = native_kernel_flops_per_s(n, layout, 64, seconds);
    v->float_flops_per_s = native_kernel_flops_per_s(n, PACK_F32, 8, seconds);
    if (!(v->read_bytes_per_s > 0 && v->decode_flops_per_s > 0 && v->prompt_flops_per_s > 0 &&
          v->float_flops_per_s > 0))
        return;
    double total = 0, queued = n->profile.queued_seconds;
    for (int i = 0; i < STEP_COUNT; i++) total += n->profile.prompt[i].seconds + n->profile.decode[i].seconds;
    double ran = total > 0 ? fmax(0.01, 1 - queued / total) : 1;
    judge(n->profile.prompt, ran, v->read_bytes_per_s, v->prompt_flops_per_s, v->float_flops_per_s, &v->prompt);
    judge(n->profile.decode, ran, v->read_bytes_per_s, v->decode_flops_per_s, v->float_flops_per_s, &v->decode);
}
