/* Where a debugger is asked: marks on instructions, PEs and a cycle. See debug.h. */
#include "wse/core_internal.h"
#include "wse/debug.h"
#include "base/mem.h"

struct wse_debug {
    wse_debugger who;
    uint8_t **marks; /* [program][pc] */
    uint8_t *every;  /* [pe] */
    uint64_t at;
    bool each_cycle;
};

bool wse_debug_attach(wse *m, const wse_debugger *debugger, diag *d) {
    wse_debug *g = m->debug = mem_alloc(sizeof *g);
    m->looked_at = true;
    uint32_t programs = m->image->program_count;
    if (!g) return diag_oom(d, "debugger");
    g->who = *debugger;
    g->at = WSE_FOREVER;
    g->marks = mem_alloc_n(programs + 1, sizeof *g->marks);
    g->every = mem_alloc_n(m->pes, 1);
    bool ok = g->marks && g->every;
    for (uint32_t i = 0; ok && i < programs; i++)
        ok = (g->marks[i] = mem_alloc_n((size_t)m->image->programs[i].code_count + 1, 1)) != NULL;
    return ok || diag_oom(d, "debugger");
}

void debug_release(wse *m) {
    wse_debug *g = m->debug;
    if (!g) return;
    for (uint32_t i = 0; g->marks && i < m->image->program_count; i++) mem_free(g->marks[i]);
    mem_free(g->marks);
    mem_free(g->every);
    mem_free(g);
    m->debug = NULL;
}

void wse_debug_mark(wse *m, uint32_t program, uint32_t pc, bool on) {
    if (program < m->image->program_count && pc < m->image->programs[program].code_count)
        m->debug->marks[program][pc] = on;
}

void wse_debug_every(wse *m, uint32_t pe, bool on) { m->debug->every[pe] = on; }
void wse_debug_at(wse *m, uint64_t cycle) { m->debug->at = cycle; }
void wse_debug_each_cycle(wse *m, bool on) { m->debug->each_cycle = on; }
void wse_debug_end(wse *m, const char *why) { wse_set_fault(m, 0, m->cycle, "%s", why); }

bool debug_instruction(wse *m, uint32_t pe, uint32_t pc, bool again) {
    wse_debug *g = m->debug;
    if (again || m->fault[0] || !(g->every[pe] | g->marks[m->image->tiles[pe].program][pc])) return true;
    g->who.instruction(g->who.context, pe);
    return !m->fault[0];
}

void debug_run(wse *m) { m->debug->who.run(m->debug->who.context); }

bool debug_cycle(wse *m) {
    wse_debug *g = m->debug;
    if (m->cycle < g->at) return true;
    g->at = WSE_FOREVER;
    g->who.cycle(g->who.context);
    return !m->fault[0];
}

void debug_cycle_done(wse *m) {
    if (!m->debug->each_cycle) return;
    m->cycle--; /* the clock is at the next one */
    m->debug->who.cycle_done(m->debug->who.context);
    m->cycle++;
}
