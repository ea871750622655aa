/* Recording: a ring of events per row of PEs, the begin of what is under way per PE, and costs per instruction and
 * band.
 *
 * A row belongs to one thread of the clock, so nothing is locked, and what a full ring drops does not depend on how
 * many threads there are. Costs are sums, so bands may keep their own. */
#include "wse/trace.h"
#include "wse/fabric_internal.h"
#include "wse/trace_internal.h"

enum { ROW_EVENTS_MIN = 256 };

static bool costs_new(wse *m, wse_recorder *t) {
    t->first = mem_alloc_n(m->image->program_count + 1, sizeof *t->first);
    if (!t->first) return false;
    for (uint32_t k = 0; k < m->image->program_count; k++)
        t->first[k + 1] = t->first[k] + m->image->programs[k].code_count + 1;
    t->bands = m->clock->count;
    t->instructions = t->first[m->image->program_count];
    t->costs = mem_alloc_n((size_t)t->bands * t->instructions, sizeof *t->costs);
    return t->costs != NULL;
}

static bool rings_new(wse *m, wse_recorder *t) {
    uint32_t wanted = m->options.trace_events ? m->options.trace_events : WSE_TRACE_EVENTS;
    t->capacity = wanted / m->height > ROW_EVENTS_MIN ? wanted / m->height : ROW_EVENTS_MIN;
    t->rows = mem_alloc_n(m->height, sizeof *t->rows);
    t->events = mem_alloc_n((size_t)m->height * t->capacity, sizeof *t->events); /* pages appear when written */
    return t->rows && t->events;
}

bool trace_new(wse *m, diag *d) {
    if (!m->options.trace && !m->options.profile) return true;
    wse_recorder *t = m->trace = mem_alloc(sizeof *t);
    if (!t) return diag_oom(d, "trace");
    m->looked_at = true;
    t->begun = mem_alloc_n(m->pes, sizeof *t->begun);
    bool ok = t->begun && (!m->options.profile || costs_new(m, t)) && (!m->options.trace || rings_new(m, t));
    return ok || diag_oom(d, "trace");
}

void trace_release(wse *m) {
    wse_recorder *t = m->trace;
    if (!t) return;
    mem_free(t->rows);
    mem_free(t->begun);
    mem_free(t->events);
    mem_free(t->costs);
    mem_free(t->first);
    mem_free(t);
    m->trace = NULL;
}

size_t trace_bytes(const wse *m) {
    const wse_recorder *t = m->trace;
    if (!t) return 0;
    size_t rings = t->rows ? (size_t)m->height * (sizeof *t->rows + t->capacity * sizeof *t->events) : 0;
    return sizeof *t + rings + m->pes * sizeof *t->begun + (size_t)t->bands * t->instructions * sizeof *t->costs;
}

/* ---- costs ---- */

wse_cost *trace_costs(const wse *m, uint32_t pe) {
    const wse_recorder *t = m->trace;
    if (!t->costs) return NULL;
    size_t nth = (size_t)(band_of(m, pe) - m->clock->bands);
    return t->costs + nth * t->instructions + t->first[m->image->tiles[pe].program];
}

/* ---- events ---- */

static void keep(wse *m, const wse_event *e) {
    wse_recorder *t = m->trace;
    uint32_t y = e->pe / m->width;
    trace_row *r = &t->rows[y];
    wse_event *slot = &t->events[(size_t)y * t->capacity + r->count++ % t->capacity];
    if (r->count > t->capacity && slot->begin >= r->whole_from) r->whole_from = slot->begin + 1;
    *slot = *e;
}

void trace_launch(wse *m, uint32_t pe, uint32_t entry, uint64_t at) {
    if (m->trace->rows) keep(m, &(wse_event){.begin = at, .end = at, .pe = pe, .pc = entry, .kind = WSE_EVENT_LAUNCH});
}

void trace_task_begin(wse *m, uint32_t pe, uint8_t task, uint32_t entry, uint64_t at) {
    if (!m->trace->rows) return;
    trace_task_end(m, pe, at); /* a handler that follows another */
    trace_begun *b = &m->trace->begun[pe];
    b->task_at = at + 1;
    b->task = task;
    b->entry = entry;
}

void trace_task_end(wse *m, uint32_t pe, uint64_t at) {
    if (!m->trace->rows) return;
    trace_begun *b = &m->trace->begun[pe];
    if (!b->task_at) return;
    keep(m, &(wse_event){
                .begin = b->task_at - 1, .end = at, .pe = pe, .pc = b->entry, .kind = WSE_EVENT_TASK, .what = b->task});
    b->task_at = 0;
}

void trace_wait(wse *m, wse_event e) {
    wse_cost *costs = trace_costs(m, e.pe);
    e.kind = WSE_EVENT_WAIT;
    if (costs) *(e.thread ? &costs[e.pc].thread_wait_cycles : &costs[e.pc].wait_cycles) += e.end - e.begin;
    if (m->trace->rows && e.end - e.begin >= WSE_TRACE_WAIT_CYCLES) keep(m, &e);
}

void trace_vector_begin(wse *m, uint32_t pe, uint32_t thread, uint64_t at) {
    m->trace->begun[pe].vector_at[thread] = at + 1;
}

void trace_vector(wse *m, wse_event e, uint64_t datapath_cycles) {
    wse_cost *costs = trace_costs(m, e.pe);
    uint64_t *at = &m->trace->begun[e.pe].vector_at[e.thread];
    bool begun = *at;
    e.kind = WSE_EVENT_VECTOR;
    if (begun) e.begin = *at - 1;
    *at = 0;
    if (costs && e.thread) costs[e.pc].thread_cycles += datapath_cycles;
    else if (costs && begun) trace_issued(&costs[e.pc], e.end - e.begin); /* else core_exec counts it */
    if (m->trace->rows) keep(m, &e);
}
