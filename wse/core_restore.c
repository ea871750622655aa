/* Cores in a checkpoint: the structs as they are, then proof that every index and flag in them is one the machine could
 * have made. Places in the pools, and what follows from operands, are derived anew. */
#include "wse/checkpoint.h"
#include "wse/core_internal.h"
#include "wse/pipe.h"

enum { FUTURE_CYCLES = 1 << 30 }; /* nothing plans further ahead */

typedef struct {
    size_t dsrs, vops, fifos;
} totals;

static totals pools(const wse *m) {
    totals t = {0};
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        const core_program *q = core_program_of(m, pe);
        t.dsrs += q->dsr_slots;
        t.vops += q->vops;
        t.fifos += q->p->fifo_count;
    }
    return t;
}

void cores_save(const wse *m, strbuf *out) {
    const cores *s = m->cores;
    totals t = pools(m);
    ckpt_put(out, s->pe, m->pes * sizeof *s->pe);
    ckpt_put(out, s->dsrs, t.dsrs * sizeof *s->dsrs);
    ckpt_put(out, s->vops, t.vops * sizeof *s->vops);
    ckpt_put(out, s->fifos, t.fifos * sizeof *s->fifos);
}

static bool flag(const bool *b) {
    uint8_t v;
    memcpy(&v, b, 1);
    return v <= 1;
}

static bool vector_kind(uint8_t kind) { return kind <= ISA_FIFO; }

static bool operand_ok(const core_program *q, const core_operand *o) {
    const isa_program *p = q->p;
    if (!vector_kind(o->kind) && o->kind != OPERAND_NONE && o->kind != OPERAND_REG) return false;
    if (o->shape >= p->shape_count || !flag(&o->save) || !flag(&o->offset)) return false;
    if (!vector_kind(o->kind)) return o->slot < CORE_ZERO || o->kind == OPERAND_NONE;
    if (p->shapes[o->shape].kind != o->kind || o->slot >= q->dsr_slots || o->words < 1 || o->words > 2) return false;
    if (o->lanes < 1 || o->lanes > 2 || o->color >= 32 || o->queue >= ISA_QUEUES) return false;
    return o->port < (o->kind == ISA_FIFO ? p->fifo_count : ISA_COLORS);
}

static bool vop_ok(const wse *m, const core_program *q, const core_vop *v) {
    bool flags =
        flag(&v->async) && flag(&v->fabric) && flag(&v->wavelet_index) && flag(&v->terminate) && flag(&v->plain);
    if (!flags || v->op >= ISA_DSD_OPS || v->pc > q->p->code_count || v->position >= v->length) return false;
    if (!v->elements || !v->cycles || v->elements > UINT16_MAX || v->cycles > UINT16_MAX) return false;
    if (v->wait > CORE_WAIT_FULL || v->wait_on >= ISA_COLORS || v->ready > m->cycle + FUTURE_CYCLES) return false;
    if (v->op == ISA_D_DFILT && v->s1.kind != ISA_FABIN) return false;
    return operand_ok(q, &v->d) && operand_ok(q, &v->s0) && operand_ok(q, &v->s1) && v->d.kind != ISA_FABIN &&
           v->s0.kind != ISA_FABOUT && v->s1.kind != ISA_FABOUT;
}

static bool leaves_memory(uint8_t kind) { return kind == ISA_FABIN || kind == ISA_FABOUT || kind == ISA_FIFO; }

static bool vops_load(wse *m, uint32_t pe, core *c) {
    const core_program *q = core_program_of(m, pe);
    core_vop *pool = m->cores->vops + c->vops;
    if (threads_alive(c) >> q->vops) return false;
    for (uint32_t set = threads_alive(c); set; set &= set - 1) {
        core_vop *v = &pool[__builtin_ctz(set)];
        if (!vop_ok(m, q, v)) return false;
        v->fabric = leaves_memory(v->d.kind) || leaves_memory(v->s0.kind) || leaves_memory(v->s1.kind);
        v->plain = plain_operation(m, pe, v);
        stream_prepare(m, pe, v);
    }
    threads_ports(c, pool);
    return true;
}

static bool dsrs_ok(const wse *m, uint32_t pe, const core *c) {
    const core_program *q = core_program_of(m, pe);
    for (uint32_t i = 0; i < q->dsr_slots; i++) {
        const core_dsr *r = &m->cores->dsrs[c->dsrs + i];
        if (!flag(&r->loaded) || (r->loaded && r->settings >= q->p->settings_count)) return false;
    }
    for (uint32_t i = 0; i < q->p->fifo_count; i++) {
        const core_fifo *f = &m->cores->fifos[c->fifos + i];
        uint32_t room = q->p->fifos[i].words / (q->p->fifos[i].element_words ? q->p->fifos[i].element_words : 1);
        if (f->count > room || (room ? f->first >= room : f->first) || !flag(&f->pop_stopped) ||
            !flag(&f->push_stopped))
            return false;
    }
    return true;
}

static bool flags_ok(const core *c) {
    const bool *all[] = {&c->launch_pending, &c->poke,   &c->started,    &c->streams,
                         &c->vector_ok,      &c->tsc_on, &c->in_handler, &c->landed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!flag(all[i])) return false;
    return true;
}

static bool core_ok(const wse *m, uint32_t pe, const core *c) {
    uint64_t last = m->cycle + FUTURE_CYCLES;
    if (!flags_ok(c) || c->state > MAIN_VECTOR || c->pc > wse_program(m, pe)->code_count || c->r[CORE_ZERO])
        return false;
    if (c->task >= ISA_TASKS || c->last_task >= ISA_TASKS || c->last_thread >= CORE_THREADS) return false;
    if (c->prng_active >= CORE_PRNGS || c->main_priority > 3 || c->stall > CORE_WAIT_FULL || c->stall_on >= ISA_COLORS)
        return false;
    return c->time <= last && c->datapath_free <= last && c->busy_until <= last && c->launch_at <= last &&
           c->dsr_loaded_at <= last && c->ahead <= m->cycle + PIPE_AHEAD_CYCLES;
}

/* Everybody is looked at once; who waits for a time says so then, but for a launch. */
static void wake(wse *m, uint32_t pe, const core *c) {
    clock_wake(m, pe, m->cycle);
    if (c->launch_pending) clock_wake(m, pe, c->launch_at > m->cycle ? c->launch_at : m->cycle);
}

bool cores_load(wse *m, ckpt_reader *r) {
    cores *s = m->cores;
    totals t = pools(m);
    core at = {0};
    memset(s->pe, 0, m->pes * sizeof *s->pe);
    if (!ckpt_get(r, s->pe, m->pes * sizeof *s->pe) || !ckpt_get(r, s->dsrs, t.dsrs * sizeof *s->dsrs) ||
        !ckpt_get(r, s->vops, t.vops * sizeof *s->vops) || !ckpt_get(r, s->fifos, t.fifos * sizeof *s->fifos))
        return false;
    core_shares(m, &at);
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        core *c = &s->pe[pe];
        c->log_used = c->log_line = 0;
        if (!core_ok(m, pe, c) || !dsrs_ok(m, pe, c) || !vops_load(m, pe, c))
            return diag_error(r->d, "checkpoint: the state of the core of PE(%u,%u) is not one it can be in",
                              pe % m->width, pe / m->width);
        wake(m, pe, c);
    }
    return true;
}
