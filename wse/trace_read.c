/* Reading what was recorded: rings and what is under way become one sorted list; names and source lines of it. */
#include "base/mem.h"
#include "wse/core_internal.h"
#include "wse/trace_internal.h"
#include <stdlib.h>

/* By time, then place. A longer one first: it encloses what begins with it. */
static int in_order(const void *a, const void *b) {
    const wse_event *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->pe != y->pe) return x->pe < y->pe ? -1 : 1;
    if (x->thread != y->thread) return x->thread < y->thread ? -1 : 1;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->end != y->end) return x->end > y->end ? -1 : 1;
    return x->pc < y->pc ? -1 : x->pc > y->pc;
}

static size_t kept(const wse *m, uint32_t y) {
    uint64_t n = m->trace->rows[y].count;
    return n < m->trace->capacity ? (size_t)n : m->trace->capacity;
}

/* ---- what has not ended ---- */

typedef struct {
    wse_event *to; /* NULL: only count */
    size_t count;
} list;

static void add(list *l, wse_event e) {
    e.open = true;
    if (l->to) l->to[l->count] = e;
    l->count++;
}

static void add_open_vector(const wse *m, uint32_t pe, const core *c, uint32_t k, list *l) {
    const core_vop *v = &m->cores->vops[c->vops + k];
    wse_event e = core_vop_event(pe, v, (int)k, m->trace->begun[pe].vector_at[k] - 1, m->cycle);
    e.kind = WSE_EVENT_VECTOR;
    add(l, e);
    if (!v->wait || v->wait_since > m->cycle) return;
    e.kind = WSE_EVENT_WAIT;
    e.begin = v->wait_since;
    e.what = v->wait;
    e.on = v->wait_on;
    add(l, e);
}

static void add_open(const wse *m, uint32_t pe, list *l) {
    const trace_begun *b = &m->trace->begun[pe];
    const core *c = &m->cores->pe[pe];
    wse_event e = {.end = m->cycle, .pe = pe};
    if (b->task_at && b->task_at - 1 <= m->cycle) {
        e.begin = b->task_at - 1, e.pc = b->entry, e.what = b->task;
        add(l, e);
    }
    for (uint32_t k = 0; k < CORE_THREADS; k++)
        if (b->vector_at[k] && b->vector_at[k] - 1 <= m->cycle) add_open_vector(m, pe, c, k, l);
    if (!c->stall || c->stalled_since > m->cycle) return;
    e.kind = WSE_EVENT_WAIT;
    e.begin = c->stalled_since, e.pc = c->pc, e.what = c->stall, e.on = c->stall_on;
    add(l, e);
}

static void add_all_open(const wse *m, list *l) {
    for (uint32_t pe = 0; pe < m->pes; pe++) add_open(m, pe, l);
}

/* ---- the list ---- */

bool wse_trace_read(const wse *m, wse_events *out, diag *d) {
    const wse_recorder *t = m->trace;
    list open = {0};
    *out = (wse_events){0};
    if (!t || !t->rows) return true;
    for (uint32_t y = 0; y < m->height; y++) out->count += kept(m, y);
    add_all_open(m, &open);
    out->all = mem_alloc_n(out->count + open.count + 1, sizeof *out->all);
    if (!out->all) return diag_oom(d, "trace");
    size_t at = 0;
    for (uint32_t y = 0; y < m->height; y++) {
        memcpy(out->all + at, t->events + (size_t)y * t->capacity, kept(m, y) * sizeof *out->all);
        at += kept(m, y);
        out->dropped += t->rows[y].count - kept(m, y);
        if (t->rows[y].whole_from > out->whole_from) out->whole_from = t->rows[y].whole_from;
    }
    open = (list){.to = out->all + at};
    add_all_open(m, &open);
    out->count += open.count;
    qsort(out->all, out->count, sizeof *out->all, in_order);
    return true;
}

void wse_trace_free(wse_events *e) {
    mem_free(e->all);
    *e = (wse_events){0};
}

/* ---- names ---- */

static const char *function_at(const isa_program *p, uint32_t entry) {
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_FUNCTION && p->symbols[i].exported && p->symbols[i].entry == entry)
            return p->symbols[i].name;
    return NULL;
}

static void task_name(const wse *m, const wse_event *e, strbuf *out) {
    const isa_program *p = wse_program(m, e->pe);
    const char *name = function_at(p, e->pc);
    if (name) {
        strbuf_adds(out, name);
        return;
    }
    strbuf_addf(out, "task %u ", e->what);
    wse_trace_line(m, m->image->tiles[e->pe].program, e->pc, out);
}

void wse_trace_name(const wse *m, const wse_event *e, strbuf *out) {
    static const char *const waits[] = {"", "input queue", "room in output queue", "FIFO to fill", "FIFO to drain"};
    bool color = m->image->arch != ISA_WSE3 && e->what == WSE_WAITS_INPUT;
    switch ((wse_event_kind)e->kind) {
    case WSE_EVENT_TASK: task_name(m, e, out); break;
    case WSE_EVENT_VECTOR: strbuf_adds(out, isa_dsd_ops[e->what].builtin); break;
    case WSE_EVENT_WAIT:
        strbuf_addf(out, "waits for %s %u", color ? "color" : waits[e->what <= WSE_WAITS_FULL ? e->what : 0], e->on);
        break;
    default: {
        const char *name = function_at(wse_program(m, e->pe), e->pc);
        strbuf_addf(out, "launch of %s", name ? name : "?");
    }
    }
}

static const isa_line *line_at(const isa_program *p, uint32_t pc) {
    uint32_t low = 0, high = p->line_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->lines[middle].first <= pc) low = middle + 1;
        else high = middle;
    }
    return low ? &p->lines[low - 1] : NULL;
}

void wse_trace_line(const wse *m, uint32_t program, uint32_t pc, strbuf *out) {
    const isa_program *p = &m->image->programs[program];
    const isa_line *line = line_at(p, pc);
    if (line && line->source < m->image->source_count)
        strbuf_addf(out, "%s:%u", m->image->sources[line->source], line->line);
    else strbuf_addf(out, "%s, instruction %u", p->name ? p->name : "?", pc);
}

bool wse_profile_at(const wse *m, uint32_t program, uint32_t pc, wse_cost *out) {
    const wse_recorder *t = m->trace;
    *out = (wse_cost){0};
    if (!t || !t->costs || program >= m->image->program_count || pc >= m->image->programs[program].code_count)
        return false;
    for (uint32_t b = 0; b < t->bands; b++) {
        const wse_cost *c = &t->costs[(size_t)b * t->instructions + t->first[program] + pc];
        out->count += c->count;
        out->cycles += c->cycles;
        out->wait_cycles += c->wait_cycles;
        out->thread_cycles += c->thread_cycles;
        out->thread_wait_cycles += c->thread_wait_cycles;
    }
    return true;
}
