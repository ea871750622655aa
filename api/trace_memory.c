/* What each program does with a PE's 48 KB: variables in order of address, what lies between them, stack, code, free.
 */
#include "api/trace.h"
#include "base/mem.h"
#include <stdlib.h>

enum { SRAM_BYTES = 2 * ISA_SRAM_WORDS };

static uint32_t variable_bytes(const isa_symbol *s) {
    uint64_t bits = s->bits < 16 ? 16 : s->bits;
    return s->is_pointer || !s->elements ? 2 : (uint32_t)(s->elements * bits / 8);
}

static int by_word(const void *a, const void *b) {
    const isa_symbol *const *x = a, *const *y = b;
    if ((*x)->word != (*y)->word) return (*x)->word < (*y)->word ? -1 : 1;
    uint32_t bx = variable_bytes(*x), by = variable_bytes(*y);
    return bx != by ? (bx > by ? -1 : 1) : strcmp((*x)->name, (*y)->name);
}

static void row(strbuf *out, const char *name, uint32_t bytes, uint32_t at) {
    if (at != UINT32_MAX) strbuf_addf(out, "  %8u  %-28s at byte %u\n", bytes, name, at);
    else strbuf_addf(out, "  %8u  %s\n", bytes, name);
}

/* Names of one place (a variable and its exported name) are told once. */
static uint32_t variables(const isa_program *p, const isa_symbol **list, uint32_t n, strbuf *out) {
    uint32_t known = 0, next = 0;
    qsort(list, n, sizeof *list, by_word);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 2u * list[i]->word, bytes = variable_bytes(list[i]);
        if (at < next || at >= 2 * p->used_words) continue;
        char name[80];
        snprintf(name, sizeof name, "%s%s", list[i]->name, list[i]->is_pointer ? " (pointer)" : "");
        row(out, name, bytes, at);
        known += bytes;
        next = at + bytes;
    }
    return known;
}

static bool program_map(const api_trace *t, uint32_t index, strbuf *out, diag *d) {
    const isa_program *p = &t->image->programs[index];
    const isa_symbol **list = mem_alloc_n(p->symbol_count + 1, sizeof *list);
    uint32_t pes = 0, n = 0, used = 2 * p->used_words, stack = 2u * p->stack_words;
    uint32_t reserved = t->image->memcpy ? t->wafer->reserved_bytes : 0;
    if (!list) return diag_oom(d, "memory map");
    for (uint32_t i = 0; i < t->image->width * t->image->height; i++) pes += t->image->tiles[i].program == index;
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_DATA) list[n++] = &p->symbols[i];
    strbuf_addf(out, "\nmemory of program %u, %s, on %u PE%s\n", index, p->name ? p->name : "?", pes,
                pes == 1 ? "" : "s");
    uint32_t known = variables(p, list, n, out);
    if (used > known) row(out, "(other data: arguments, buffers, gaps)", used - known, UINT32_MAX);
    row(out, "(stack, worst case)", stack, UINT32_MAX);
    row(out, "(code)", p->code_bytes, UINT32_MAX);
    if (reserved) row(out, "(reserved by memcpy)", reserved, UINT32_MAX);
    uint32_t all = used + stack + p->code_bytes + reserved;
    strbuf_addf(out, "  %8u  free of %d (%.1f%%)\n", all < SRAM_BYTES ? SRAM_BYTES - all : 0, SRAM_BYTES,
                all < SRAM_BYTES ? 100.0 * (SRAM_BYTES - all) / SRAM_BYTES : 0.0);
    mem_free(list);
    return true;
}

bool api_trace_memory(const api_trace *t, strbuf *out, diag *d) {
    for (uint32_t k = 0; k < t->image->program_count; k++)
        if (!program_map(t, k, out, d)) return false;
    return true;
}
