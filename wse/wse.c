/* The machine as a whole: building it from an image, faults, hash, counters, what the host touches.
 *
 * Left out: defects, but for links that are longer than a hop (isa/defects.h): programs see a perfect rectangle. */
#include "wse/fabric_internal.h"
#include "wse/debug.h"
#include "wse/pipe.h"
#include "wse/trace.h"
#include <stdarg.h>
#include <xxhash.h>

static bool image_fits(const isa_wafer *w, const isa_image *image, diag *d) {
    if (w->arch != image->arch)
        return diag_error(
            d, "the program was compiled for WSE-%d, but wafer '%s' is a WSE-%d; compile it with --arch=wse%d",
            (int)image->arch, w->name, (int)w->arch, (int)w->arch);
    if (!image->width || !image->height || image->width > w->fabric_width || image->height > w->fabric_height)
        return diag_error(d, "the program's %u x %u PEs do not fit on wafer '%s' with %u x %u", image->width,
                          image->height, w->name, w->fabric_width, w->fabric_height);
    return true;
}

wse *wse_new(const isa_wafer *w, const isa_image *image, const wse_options *o, diag *d) {
    if (!image_fits(w, image, d)) return NULL;
    wse *m = mem_alloc(sizeof *m);
    if (!m) {
        diag_oom(d, "machine");
        return NULL;
    }
    m->wafer = w;
    m->image = image;
    if (o) m->options = *o;
    m->width = image->width;
    m->height = image->height;
    m->pes = m->width * m->height;
    m->fault_cycle = UINT64_MAX;
    if (!check_new(m, d) || !memory_new(m, d) || !fabric_new(m, d) || !clock_new(m, d) || !trace_new(m, d) ||
        !pipes_new(m, d) || !cores_new(m, d)) {
        wse_free(m);
        return NULL;
    }
    return m;
}

void wse_free(wse *m) {
    if (!m) return;
    if (m->cores) cores_free(m);
    pipes_free(m);
    fabric_free(m);
    trace_release(m);
    debug_release(m);
    check_release(m);
    clock_free(m);
    memory_free(m);
    mem_free(m);
}

/* ---- faults ---- */

void wse_set_fault(wse *m, uint32_t pe, uint64_t cycle, const char *fmt, ...) {
    clockwork *c = m->clock;
    band_of(m, pe)->faulted = true;
    while (atomic_flag_test_and_set_explicit(&c->fault_lock, memory_order_acquire)) continue;
    if (!m->fault[0] || cycle < m->fault_cycle || (cycle == m->fault_cycle && pe < m->fault_pe)) {
        int n = snprintf(m->fault, sizeof m->fault, "PE(%u,%u) cycle %llu, ", wse_x(m, pe), wse_y(m, pe),
                         (unsigned long long)cycle);
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(m->fault + n, sizeof m->fault - (size_t)n, fmt, ap);
        va_end(ap);
        m->fault_cycle = cycle;
        m->fault_pe = pe;
    }
    atomic_flag_clear_explicit(&c->fault_lock, memory_order_release);
}

const char *wse_fault_text(const wse *m) { return m->fault; }

/* ---- the host ---- */

uint64_t wse_cycle(const wse *m) { return m->cycle; }
uint16_t *wse_memory(wse *m, uint32_t pe) { return wse_words(m, pe); }
bool wse_command_ready(const wse *m, uint32_t pe) { return core_command_ready(m, pe); }
void wse_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t arg_words, uint32_t delay_cycles) {
    core_launch(m, pe, entry, args, arg_words, delay_cycles);
}

/* ---- reports ---- */

static uint64_t memory_hash(const wse *m, memory_walk *w, uint32_t pe, uint64_t h) {
    for (uint32_t k = 0; k < MEMORY_BLOCKS; k++)
        if (memory_block_used(m, w, pe, k))
            h = XXH3_64bits_withSeed(wse_words(m, pe) + k * MEMORY_BLOCK_WORDS, MEMORY_BLOCK_WORDS * sizeof(uint16_t), h + k);
    return h;
}

uint64_t wse_state_hash(const wse *m) {
    uint64_t h = m->cycle;
    memory_walk w;
    memory_walk_begin(&w);
    for (uint32_t pe = 0; pe < m->pes; pe++) h = core_hash(m, pe, fabric_hash(m, pe, memory_hash(m, &w, pe, h)));
    memory_walk_end(&w);
    return h;
}

void wse_counters_of(const wse *m, uint32_t pe, wse_counters *out) {
    *out = (wse_counters){0};
    core_count(m, pe, out);
    fabric_count(m, pe, out);
}

void wse_counters_total(const wse *m, wse_counters *out) {
    *out = (wse_counters){0};
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        core_count(m, pe, out);
        fabric_count(m, pe, out);
    }
}

void wse_explain_waits(const wse *m, strbuf *out) {
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        core_explain(m, pe, out); /* an idle one may hold a task that is activated but blocked */
        fabric_explain(m, pe, out);
    }
    fabric_explain_circle(m, out);
    fabric_explain_cores(m, out);
}

void wse_explain_fabric(const wse *m, strbuf *out) {
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        fabric_explain(m, pe, out);
        fabric_explain_writers(m, pe, out);
    }
    fabric_explain_circle(m, out);
}

size_t wse_bytes(const wse *m) { return sizeof *m + m->fabric->bytes + m->clock->bytes + core_bytes(m) + trace_bytes(m); }
