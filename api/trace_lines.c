/* Cycles by source line: the instructions of all programs, summed by the line they come from. */
#include "api/trace.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdlib.h>

static uint64_t weight(const wse_cost *c) { return c->cycles + c->thread_cycles; }

static int by_place(const void *a, const void *b) {
    const api_line *x = a, *y = b;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int by_weight(const void *a, const void *b) {
    const api_line *x = a, *y = b;
    uint64_t wx = weight(&x->cost), wy = weight(&y->cost);
    return wx != wy ? (wx > wy ? -1 : 1) : by_place(a, b);
}

static void add_cost(wse_cost *to, const wse_cost *c) {
    to->count += c->count;
    to->cycles += c->cycles;
    to->wait_cycles += c->wait_cycles;
    to->thread_cycles += c->thread_cycles;
    to->thread_wait_cycles += c->thread_wait_cycles;
}

/* Stretches of instructions that share a line; out = NULL counts them. Those that never ran are left out. */
static size_t stretches(const api_trace *t, uint32_t program, api_line *out) {
    const isa_program *p = &t->image->programs[program];
    size_t n = 0;
    for (uint32_t k = 0; k < p->line_count; k++) {
        uint32_t end = k + 1 < p->line_count ? p->lines[k + 1].first : p->code_count;
        api_line l = {.source = p->lines[k].source, .line = p->lines[k].line};
        for (uint32_t pc = p->lines[k].first; pc < end; pc++) {
            wse_cost c;
            if (wse_profile_at(t->machine, program, pc, &c)) add_cost(&l.cost, &c);
        }
        if (!l.cost.count && !weight(&l.cost) && !l.cost.thread_wait_cycles) continue;
        if (out) out[n] = l;
        n++;
    }
    return n;
}

static void merge(api_lines *l) {
    size_t n = 0;
    qsort(l->all, l->count, sizeof *l->all, by_place);
    for (size_t i = 0; i < l->count; i++) {
        l->cycles += weight(&l->all[i].cost);
        if (n && !by_place(&l->all[n - 1], &l->all[i])) add_cost(&l->all[n - 1].cost, &l->all[i].cost);
        else l->all[n++] = l->all[i];
    }
    l->count = n;
    qsort(l->all, l->count, sizeof *l->all, by_weight);
}

bool api_lines_read(api_lines *l, const api_trace *t, diag *d) {
    size_t n = 0;
    *l = (api_lines){0};
    for (uint32_t k = 0; k < t->image->program_count; k++) n += stretches(t, k, NULL);
    l->all = mem_alloc_n(n + 1, sizeof *l->all);
    if (!l->all) return diag_oom(d, "profile");
    for (uint32_t k = 0; k < t->image->program_count; k++) l->count += stretches(t, k, l->all + l->count);
    merge(l);
    return true;
}

void api_lines_free(api_lines *l) { mem_free(l->all); }

void api_lines_print(const api_lines *l, const api_trace *t, size_t most, strbuf *out) {
    strbuf_adds(out, "     cycles   share      waited   microthreads    (waited)   executed  line\n");
    for (size_t i = 0; i < l->count && i < most; i++) {
        const api_line *a = &l->all[i];
        const char *source = a->source < t->image->source_count ? t->image->sources[a->source] : "?";
        strbuf_addf(out, "%11" PRIu64 "  %5.1f%%  %10" PRIu64 "  %13" PRIu64 "  %10" PRIu64 "  %9" PRIu64 "  %s:%u\n",
                    a->cost.cycles, l->cycles ? 100.0 * (double)weight(&a->cost) / (double)l->cycles : 0.0,
                    a->cost.wait_cycles, a->cost.thread_cycles, a->cost.thread_wait_cycles, a->cost.count, source,
                    a->line);
    }
}
