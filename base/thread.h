/* Threads: a pool that runs one function on all of its threads at once, with a barrier between the steps of it.
 *
 *     static void work(void *arg, int thread, int threads) { ...; pool_barrier(p); ...; }
 *     pool_run(p, work, arg);                 // the caller is thread 0; returns when all have ended
 *
 * Waiting spins for a bounded time and then sleeps, so that a pool does not burn a shared machine. The pool splits work
 * by thread number; who deals it by arrival (panels of prompts, llm/native.c) sees to it that results do not depend on
 * that.
 */
#ifndef INGOT_BASE_THREAD_H
#define INGOT_BASE_THREAD_H
#include "base/diag.h"
#include <stddef.h>

typedef struct pool pool;

int cpu_count(void);                  /* CPUs this process may run on */
pool *pool_new(int threads, diag *d); /* 0 = cpu_count(); NULL on failure */
void pool_free(pool *p);
int pool_threads(const pool *p);
void pool_run(pool *p, void (*fn)(void *arg, int thread, int threads), void *arg);
void pool_barrier(pool *p); /* inside fn, by every thread */

/* The part [begin, end) of n items that belongs to a thread, in multiples of `grain`. */
static inline void pool_share(size_t n, size_t grain, int thread, int threads, size_t *begin, size_t *end) {
    size_t grains = (n + grain - 1) / grain;
    size_t b = grains * (size_t)thread / (size_t)threads * grain,
           e = grains * ((size_t)thread + 1) / (size_t)threads * grain;
    *begin = b < n ? b : n;
    *end = e < n ? e : n;
}

/* Wait until *word is no longer `old`: spins, then sleeps in the kernel. Wake with wake_word after changing it. */
void wait_word(_Atomic unsigned *word, unsigned old);
void wake_word(_Atomic unsigned *word);
#endif
