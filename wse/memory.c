/* The memory of the PEs: one reservation of 48 KiB (and a gap) each, of which only touched pages exist.
 *
 * Initial data are copied where they are not zero. Who walks all of it (hash, checkpoint) must not bring the untouched
 * pages into being, nor look at 40 GB of zeros: blocks that the kernel says were never written are passed over, and
 * blocks of zeros count as such, so that what is seen does not depend on the host. Without /proc every block is read.
 */
#include "wse/machine.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    HUGE_PAGES_BYTES = 256 << 20, /* machines up to this size pay with memory for fewer misses of the address cache */
    PAGE_WORDS = 2048,
};

static size_t memory_bytes(const wse *m) { return (size_t)m->pes * WSE_STRIDE_WORDS * sizeof(uint16_t); }

static bool all_zero(const uint16_t *p, size_t n) {
    size_t i = 0;
    for (uint64_t w; i + 4 <= n; i += 4) {
        memcpy(&w, p + i, 8);
        if (w) return false;
    }
    for (; i < n; i++)
        if (p[i]) return false;
    return true;
}

static void load_data(wse *m, uint32_t pe) {
    const isa_program *p = wse_program(m, pe);
    for (uint32_t i = 0; i < p->data_words; i += PAGE_WORDS) {
        uint32_t n = p->data_words - i < PAGE_WORDS ? p->data_words - i : PAGE_WORDS;
        if (!all_zero(p->data + i, n)) memcpy(wse_words(m, pe) + i, p->data + i, n * sizeof(uint16_t));
    }
}

bool memory_new(wse *m, diag *d) {
    void *p = mmap(NULL, memory_bytes(m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return diag_oom(d, "memory of the PEs");
    m->memory = p;
    if (memory_bytes(m) <= HUGE_PAGES_BYTES) madvise(p, memory_bytes(m), MADV_HUGEPAGE);
    for (uint32_t pe = 0; pe < m->pes; pe++) load_data(m, pe);
    return true;
}

void memory_free(wse *m) {
    if (m->memory) munmap(m->memory, memory_bytes(m));
}

/* ---- walking what was written ---- */

void memory_walk_begin(memory_walk *w) {
    *w = (memory_walk){.file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
                       .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
}

void memory_walk_end(memory_walk *w) {
    if (w->file >= 0) close(w->file);
}

/* Pages that are neither in memory nor swapped out were never written. */
static bool page_touched(memory_walk *w, size_t page) {
    if (w->file < 0) return true;
    if (page - w->first >= w->count) {
        ssize_t n = pread(w->file, w->entries, sizeof w->entries, (off_t)(page * 8));
        w->first = page;
        w->count = n > 0 ? (size_t)n / 8 : 0;
        if (!w->count) return true;
    }
    return w->entries[page - w->first] >> 62;
}

/* Page by page: a page of which nothing was written is not read, or it would come into being. */
bool memory_block_used(const wse *m, memory_walk *w, uint32_t pe, uint32_t block) {
    const uint16_t *p = wse_words(m, pe) + (size_t)block * MEMORY_BLOCK_WORDS, *end = p + MEMORY_BLOCK_WORDS;
    while (p < end) {
        size_t page = (uintptr_t)p / w->page_bytes, n = ((page + 1) * w->page_bytes - (uintptr_t)p) / sizeof *p;
        if (n > (size_t)(end - p)) n = (size_t)(end - p);
        if (page_touched(w, page) && !all_zero(p, n)) return true;
        p += n;
    }
    return false;
}
