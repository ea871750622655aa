/* A kernel of kernels/, compiled for a grid of PEs and driven through host/: place numbers, launch, read numbers, and
 * compare the cycles with the formula and the table in the kernel's README. */
#ifndef INGOT_TESTS_KERNEL_HELP_H
#define INGOT_TESTS_KERNEL_HELP_H

#include "base/file.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "csl/csl.h"
#include "host/host.h"
#include "perf/wafer_kernels.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* 32-bit numbers of a PE, whose memory has words of 16 bits. */
typedef float kernel_f32 __attribute__((aligned(2)));
typedef uint32_t kernel_u32 __attribute__((aligned(2)));

typedef struct {
    diag *d;
    isa_wafer *wafer;
    isa_image *image;
    host *h;
    uint64_t cycles; /* of the last launch, from its arrival at PE (0, 0) to the end of the last PE */
} kernel;

/* Parameters as the layout and the README's table name them; the last one has no name. */
static inline uint32_t kernel_params(const csl_param *p) {
    uint32_t n = 0;
    while (p[n].name) n++;
    return n;
}

static inline kernel kernel_load(const char *folder, const csl_param *params) {
    kernel k = {.d = diag_new(), .wafer = mem_alloc(sizeof *k.wafer)};
    if (!isa_wafer_read(k.wafer, "data/machines/wse3.json", "vendor-sim", k.d)) fail_msg("%s", diag_text(k.d));
    char path[128];
    snprintf(path, sizeof path, "kernels/%s/layout.csl", folder);
    csl_options o = {.arch = ISA_WSE3,
                     .wafer = k.wafer,
                     .library = "lib",
                     .memcpy = true,
                     .channels = 1,
                     .params = params,
                     .param_count = kernel_params(params)};
    k.image = csl_compile(path, &o, k.d);
    host_device device;
    if (k.image && host_device_wse(&device, k.wafer, k.image, &(wse_options){.threads = 1}, k.d))
        k.h = host_new(k.image, &device, 0, k.d);
    if (!k.h) fail_msg("%s:\n%s", path, diag_text(k.d));
    return k;
}

static inline void kernel_free(kernel *k) {
    host_free(k->h);
    isa_image_free(k->image);
    mem_free(k->wafer);
    diag_free(k->d);
}

/* The array `name` of PE (x, y), of at least `n` elements of `words` 16-bit words. */
static inline uint16_t *kernel_array(kernel *k, uint32_t x, uint32_t y, const char *name, uint32_t n, uint32_t words) {
    uint32_t pe = y * k->image->width + x;
    const isa_program *p = &k->image->programs[k->image->tiles[pe].program];
    const isa_symbol *s = host_find_symbol(p, name, ISA_SYM_DATA);
    if (!s) fail_msg("PE (%u, %u) has no symbol '%s'", x, y, name);
    uint16_t *memory = host_memory(k->h, pe);
    uint32_t size = host_symbol_words(s, p, memory);
    if (size && size < n * words) fail_msg("'%s' has %u words, %u are needed", name, size, n * words);
    return memory + host_symbol_word(s, memory);
}
static inline uint16_t *kernel_half(kernel *k, uint32_t x, uint32_t y, const char *name, uint32_t n) {
    return kernel_array(k, x, y, name, n, 1);
}
static inline kernel_f32 *kernel_float(kernel *k, uint32_t x, uint32_t y, const char *name, uint32_t n) {
    return (kernel_f32 *)(void *)kernel_array(k, x, y, name, n, 2);
}

/* The programs count their own cycles; a launch reaches PE (x, y) after x + y. */
static inline void kernel_clear_cycles(kernel *k) {
    for (uint32_t y = 0; y < k->image->height; y++)
        for (uint32_t x = 0; x < k->image->width; x++) memset(kernel_array(k, x, y, "spent", 16, 2), 0, 64);
}
static inline uint64_t kernel_cycles(kernel *k) {
    uint64_t most = 0;
    for (uint32_t y = 0; y < k->image->height; y++) {
        for (uint32_t x = 0; x < k->image->width; x++) {
            const kernel_u32 *spent = (const kernel_u32 *)(const void *)kernel_array(k, x, y, "spent", 16, 2);
            uint64_t sum = x + y;
            for (int i = 0; i < 16; i++) sum += spent[i];
            if (sum > most) most = sum;
        }
    }
    return most;
}

/* Launches a function with whole numbers as arguments and waits for it. */
static inline void kernel_run(kernel *k, const char *function, const int64_t *args, uint32_t count) {
    host_arg list[8] = {0};
    for (uint32_t i = 0; i < count; i++) list[i] = (host_arg){.kind = HOST_ARG_WHOLE, .whole = args[i]};
    uint32_t task;
    host_set_wait_limit(k->h, 20000000);
    kernel_clear_cycles(k);
    if (!host_launch(k->h, function, list, count, &task, k->d) || !host_wait(k->h, task, k->d))
        fail_msg("%s: %s", function, diag_text(k->d));
    k->cycles = kernel_cycles(k);
}

/* Seeded numbers that f16 holds exactly. */
static inline void kernel_numbers(rng *r, double *v, uint64_t n, double size) {
    for (uint64_t i = 0; i < n; i++) v[i] = (double)f32_from_f16(f16_from_f32((float)(rng_normal(r) * size)));
}

/* Element (i, j) of a matrix, zero outside. */
static inline double kernel_at(const double *m, uint32_t rows, uint32_t columns, uint64_t i, uint64_t j) {
    return i < rows && j < columns ? m[i * columns + j] : 0;
}

/* |got - want| against the largest number of the reference. */
static inline void kernel_close(const char *what, double got, double want, double size, double tolerance) {
    if (!(fabs(got - want) <= tolerance * size)) fail_msg("%s: %.9g instead of %.9g", what, got, want);
}
static inline double kernel_size(const double *v, uint64_t n) {
    double size = 0;
    for (uint64_t i = 0; i < n; i++) size = fmax(size, fabs(v[i]));
    return size;
}

/* The predictor's cycles for these parameters of a layout, and for a call (may be NULL). */
static inline double kernel_formula(const char *folder, const csl_param *params, const perf_kernel_sizes *call) {
    perf_kernel_sizes s = call ? *call : (perf_kernel_sizes){0};
    for (const csl_param *p = params; p->name; p++) {
        double *size = perf_kernel_size(&s, p->name);
        if (!size) fail_msg("perf/wafer_kernels.h does not know '%s'", p->name);
        *size = (double)p->value;
    }
    return perf_kernel_cycles(folder, &s);
}

/* The README's row of these parameters: `| p | p | ... | measured | formula |`. Both and the run agree within 10 %.
 * KERNEL_NOTES=1 prints the rows as they are now. */
static inline void kernel_note(const kernel *k, const char *folder, const csl_param *params,
                               const perf_kernel_sizes *call) {
    double formula = kernel_formula(folder, params, call);
    char path[128], row[512] = "|";
    snprintf(path, sizeof path, "kernels/%s/README.md", folder);
    for (const csl_param *p = params; p->name; p++) {
        size_t used = strlen(row);
        snprintf(row + used, sizeof row - used, " %lld |", (long long)p->value);
    }
    double cycles = (double)k->cycles;
    if (getenv("KERNEL_NOTES")) {
        printf("%s: %s %.0f | %.0f |\n", folder, row, cycles, formula);
        return;
    }
    arena *a = arena_new(0);
    str text;
    if (!file_read_all(a, path, 1 << 20, &text, k->d)) fail_msg("%s", diag_text(k->d));
    const char *found = strstr(text.p, row);
    if (!found) fail_msg("%s has no row '%s': %.0f cycles, by the formula %.0f", path, row, cycles, formula);
    double noted = strtod(found + strlen(row), NULL);
    arena_free(a);
    if (fabs(cycles - noted) > 0.1 * noted || fabs(cycles - formula) > 0.1 * cycles)
        fail_msg("%s: %s took %.0f cycles; the table says %.0f, the formula %.0f", path, row, cycles, noted, formula);
}

#endif
