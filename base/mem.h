/* Memory: the one door to the heap.
 *
 * Every allocation of Ingot goes through these four calls, so that the hostile build can make any of them fail:
 * there, the environment variable INGOT_FAIL_ALLOC=N fails the N-th call and every later one.
 * Memory comes zeroed. A NULL return means out of memory; callers report it through `diag` and give up cleanly.
 */
#ifndef INGOT_BASE_MEM_H
#define INGOT_BASE_MEM_H
#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t bytes);                         /* zeroed; NULL when out of memory */
void *mem_alloc_n(size_t count, size_t bytes);         /* as mem_alloc, with the product checked */
void *mem_resize(void *p, size_t bytes);               /* new bytes are NOT zeroed; on NULL `p` is still valid */
void mem_free(void *p);

/* Page-aligned blocks for weights and caches: anonymous, zeroed, 2 MiB aligned, huge pages asked for. */
void *mem_pages(size_t bytes);
void mem_pages_free(void *p, size_t bytes);

/* a * b or a + b without overflow; false when it does not fit. */
static inline bool mem_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool mem_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
#endif
