#include "base/thread.h"
#include "base/mem.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About 50 us on a 2 GHz machine: longer than any step of a token, shorter than a scheduler slice. */
enum { SPINS = 1500, YIELDS = 30, THREADS_MAX = 1024 };

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

void wait_word(_Atomic unsigned *word, unsigned old) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        relax();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        sched_yield();
    }
    while (atomic_load_explicit(word, memory_order_acquire) == old)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

void wake_word(_Atomic unsigned *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7FFFFFFF, NULL, NULL, 0); }

typedef struct {
    pool *p;
    int index;
    pthread_t thread;
} worker;

struct pool {
    int threads;
    bool stop;
    void (*fn)(void *, int, int);
    void *arg;
    worker *workers; /* [threads]; 0 is the caller and has no thread */
    _Alignas(64) _Atomic unsigned round;   /* counts pool_run calls: workers wait on it */
    _Alignas(64) _Atomic unsigned arrived; /* at the present barrier */
    _Alignas(64) _Atomic unsigned phase;   /* counts barriers */
    _Alignas(64) _Atomic unsigned sleepers;
};

int cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

static void *worker_main(void *arg) {
    worker *w = arg;
    pool *p = w->p;
    for (unsigned round = 0;; round++) {
        wait_word(&p->round, round);
        if (p->stop) return NULL;
        p->fn(p->arg, w->index, p->threads);
        pool_barrier(p);
    }
}

static void start_round(pool *p) {
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    wake_word(&p->round);
}

pool *pool_new(int threads, diag *d) {
    if (threads == 0) threads = cpu_count();
    if (threads < 0 || threads > THREADS_MAX) {
        diag_error(d, "threads: %d is outside 1..%d", threads, THREADS_MAX);
        return NULL;
    }
    pool *p = mem_pages(sizeof *p); /* page-aligned, so that the _Alignas above hold */
    if (p) p->workers = mem_alloc_n((size_t)threads, sizeof *p->workers);
    if (!p || !p->workers) {
        if (p) mem_pages_free(p, sizeof *p);
        diag_oom(d, "thread pool");
        return NULL;
    }
    p->threads = 1;
    for (int i = 1; i < threads; i++) {
        p->workers[i] = (worker){.p = p, .index = i};
        if (pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i])) {
            diag_error(d, "cannot start thread %d of %d; use fewer with --threads", i + 1, threads);
            pool_free(p);
            return NULL;
        }
        p->threads = i + 1; /* workers read it only after start_round */
    }
    return p;
}

void pool_free(pool *p) {
    if (!p) return;
    p->stop = true;
    start_round(p);
    for (int i = 1; i < p->threads; i++) pthread_join(p->workers[i].thread, NULL);
    mem_free(p->workers);
    mem_pages_free(p, sizeof *p);
}

int pool_threads(const pool *p) { return p->threads; }

void pool_run(pool *p, void (*fn)(void *, int, int), void *arg) {
    p->fn = fn;
    p->arg = arg;
    if (p->threads > 1) start_round(p);
    fn(arg, 0, p->threads);
    pool_barrier(p);
}

void pool_barrier(pool *p) {
    if (p->threads == 1) return;
    unsigned phase = atomic_load_explicit(&p->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) + 1 == (unsigned)p->threads) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&p->phase, phase + 1, memory_order_seq_cst);
        /* The wake-up call costs a microsecond: only when somebody gave up spinning. */
        if (atomic_load_explicit(&p->sleepers, memory_order_seq_cst)) wake_word(&p->phase);
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&p->phase, memory_order_acquire) != phase) return;
        relax();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load_explicit(&p->phase, memory_order_acquire) != phase) return;
        sched_yield();
    }
    atomic_fetch_add_explicit(&p->sleepers, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&p->phase, memory_order_seq_cst) == phase)
        syscall(SYS_futex, &p->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
    atomic_fetch_sub_explicit(&p->sleepers, 1, memory_order_relaxed);
}
