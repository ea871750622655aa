#include "base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef INGOT_HOSTILE
#include <stdatomic.h>
/* The only process-wide state of the project, in the hostile build alone: which allocation fails. */
static atomic_long allocations_left = -2;
static bool may_allocate(void) {
    long left = atomic_load(&allocations_left);
    if (left == -2) {
        const char *text = getenv("INGOT_FAIL_ALLOC");
        left = text ? atol(text) : -1;
        atomic_store(&allocations_left, left);
    }
    if (left < 0) return true;
    if (left == 0) return false;
    return atomic_fetch_sub(&allocations_left, 1) > 0;
}
#else
static bool may_allocate(void) { return true; }
#endif

void *mem_alloc(size_t bytes) { return may_allocate() ? calloc(1, bytes ? bytes : 1) : NULL; }

void *mem_alloc_n(size_t count, size_t bytes) {
    size_t total;
    return mem_mul(count, bytes, &total) ? mem_alloc(total) : NULL;
}

void *mem_resize(void *p, size_t bytes) { return may_allocate() ? realloc(p, bytes ? bytes : 1) : NULL; }

void mem_free(void *p) { free(p); }

enum { HUGE_PAGE_BYTES = 2 << 20 };

static size_t round_to_huge(size_t bytes) { return (bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1); }

/* Small blocks get 4 KiB pages: a 2 MiB page for 10 KiB would spend the memory budget on nothing. */
static bool wants_huge(size_t bytes) { return bytes >= HUGE_PAGE_BYTES; }

void *mem_pages(size_t bytes) {
    if (!may_allocate() || bytes > SIZE_MAX - 4 * (size_t)HUGE_PAGE_BYTES) return NULL;
    if (!wants_huge(bytes)) {
        void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED ? NULL : p;
    }
    /* Map one huge page too much, then give back what sticks out on both sides of the aligned block. */
    size_t want = round_to_huge(bytes), got = want + HUGE_PAGE_BYTES;
    char *p = mmap(NULL, got, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NULL;
    char *aligned = (char *)round_to_huge((size_t)p);
    if (aligned > p) munmap(p, (size_t)(aligned - p));
    size_t tail = got - want - (size_t)(aligned - p);
    if (tail) munmap(aligned + want, tail);
    madvise(aligned, want, MADV_HUGEPAGE); /* advice: without huge pages it is slower, not wrong */
    return aligned;
}

void mem_pages_free(void *p, size_t bytes) {
    if (p) munmap(p, wants_huge(bytes) ? round_to_huge(bytes) : (bytes ? bytes : 1));
}
