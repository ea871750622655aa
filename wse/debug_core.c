/* A core as a debugger shows it: registers, DSRs, vector operations in flight. See debug.h. */
#include "wse/core_internal.h"
#include "wse/debug.h"

static const char *const kind_names[] = {"mem1d", "mem4d", "circbuf", "fabin", "fabout", "fifo"};

void wse_debug_core(const wse *m, uint32_t pe, wse_core_view *out) {
    const core *c = &m->cores->pe[pe];
    const core_vop *pool = m->cores->vops + c->vops;
    *out = (wse_core_view){.pc = c->pc,
                           .at = c->state == MAIN_VECTOR ? pool[0].pc : c->pc,
                           .sp = c->r[ISA_REG_SP],
                           .time = c->time,
                           .tasks = c->n[CORE_N_tasks],
                           .active = c->active,
                           .blocked = c->blocked,
                           .state = c->state, /* core_state and wse_core_state have one order */
                           .task = c->task,
                           .microthreads = c->alive,
                           .blocked_microthreads = c->ut_blocked,
                           .stalled = c->stall != CORE_WAIT_NONE,
                           .pending = c->launch_pending || c->launch_entry != UINT32_MAX,
                           .last_thread = c->last_thread};
    memcpy(out->r, c->r, sizeof out->r);
    if (core_program_of(m, pe)->vops) out->last_thread_pc = pool[c->last_thread % CORE_THREADS].pc;
}

void wse_debug_line(const wse *m, uint32_t pe, uint32_t pc, strbuf *out) { core_line(m, pe, pc, out); }

void wse_debug_waits(const wse *m, uint32_t pe, strbuf *out) {
    core_explain(m, pe, out);
    fabric_explain(m, pe, out);
}

static void add_shape(const isa_shape *s, strbuf *out) {
    for (uint32_t k = 0; s->kind == ISA_MEM4D && k < s->dims; k++)
        strbuf_addf(out, "%s%u by %d", k ? ", " : ", ", s->extent[k], s->stride[k]);
    if (s->kind == ISA_CIRCBUF) strbuf_addf(out, ", wraps at %u", s->wrap);
}

static void add_dsr(const isa_program *p, const core_dsr *r, strbuf *out) {
    uint32_t shape = (uint32_t)(r->value >> 48), length = r->value >> 16 & 0xffff;
    uint32_t kind = shape < p->shape_count ? p->shapes[shape].kind : ISA_FIFO + 1u;
    if (kind > ISA_FIFO) {
        strbuf_addf(out, "no descriptor (%016llx)\n", (unsigned long long)r->value);
        return;
    }
    strbuf_addf(out, "%s", kind_names[kind]);
    if (kind == ISA_FABIN || kind == ISA_FABOUT)
        strbuf_addf(out, " queue %u color %u", (uint32_t)r->value & 0xff, (uint32_t)r->value >> 8 & 0xff);
    else strbuf_addf(out, kind == ISA_FIFO ? " %u" : " word %u", (uint32_t)r->value & 0xffff);
    if (length == ISA_ENDLESS) strbuf_adds(out, ", endless");
    else if (kind != ISA_MEM4D) strbuf_addf(out, ", length %u", length);
    if (kind == ISA_MEM1D) strbuf_addf(out, ", stride %d", (int16_t)(r->value >> 32));
    add_shape(&p->shapes[shape], out);
    if (r->position) strbuf_addf(out, ", at element %u", r->position);
    strbuf_addc(out, '\n');
}

void wse_debug_dsrs(const wse *m, uint32_t pe, strbuf *out) {
    static const char *const files[] = {"d", "s0.", "s1."};
    const core_program *q = core_program_of(m, pe);
    const core *c = &m->cores->pe[pe];
    for (uint32_t k = 0; k < 3 * ISA_DSRS; k++) {
        if (q->dsr_slot[k] == CORE_NO_SLOT) continue;
        const core_dsr *r = &m->cores->dsrs[c->dsrs + q->dsr_slot[k]];
        if (!r->loaded) continue;
        strbuf_addf(out, "%s%u: ", files[k / ISA_DSRS], k % ISA_DSRS);
        add_dsr(q->p, r, out);
    }
}

/* ---- vector operations ---- */

static void add_operand(const isa_program *p, const core_operand *o, const core_vop *v, const char *name, strbuf *out) {
    int32_t stride;
    uint32_t run;
    if (o->kind == OPERAND_NONE) return;
    strbuf_addf(out, "  %s: ", name);
    if (o->kind == OPERAND_REG) strbuf_addf(out, "scalar 0x%x", o->value);
    else if (core_memory_kind(o->kind))
        strbuf_addf(out, "%s from word %u, next word %lld", kind_names[o->kind], o->base,
                    (long long)operand_address(p, o, v->position, &stride, &run));
    else if (o->kind == ISA_FIFO) strbuf_addf(out, "fifo %u", o->port);
    else strbuf_addf(out, "%s queue %u", kind_names[o->kind], o->queue);
    strbuf_addc(out, '\n');
}

static void add_vop(const wse *m, uint32_t pe, uint32_t k, strbuf *out) {
    static const char *const waits[] = {"", ", waits for input", ", waits for room", ", waits: FIFO empty",
                                        ", waits: FIFO full"};
    const core *c = &m->cores->pe[pe];
    const core_vop *v = &m->cores->vops[c->vops + k];
    if (k) strbuf_addf(out, "microthread %u: ", k - 1);
    else strbuf_adds(out, "main thread: ");
    strbuf_addf(out, "%s of ", isa_dsd_ops[v->op].builtin);
    core_line(m, pe, v->pc, out);
    if (v->length == UINT32_MAX) strbuf_addf(out, ", %u elements done, endless", v->position);
    else strbuf_addf(out, ", %u of %u elements done", v->position, v->length);
    strbuf_addf(out, "%s", waits[v->wait]);
    if (k && (c->ut_blocked >> (k - 1) & 1)) strbuf_adds(out, ", blocked");
    if (v->activate >= 0) strbuf_addf(out, "; then activates %d", v->activate);
    if (v->unblock >= 0) strbuf_addf(out, "; then unblocks %d", v->unblock);
    strbuf_addc(out, '\n');
    const isa_program *p = wse_program(m, pe);
    add_operand(p, &v->d, v, "destination", out);
    add_operand(p, &v->s0, v, "source 0", out);
    add_operand(p, &v->s1, v, "source 1", out);
}

void wse_debug_vectors(const wse *m, uint32_t pe, strbuf *out) {
    for (uint32_t set = threads_alive(&m->cores->pe[pe]); set; set &= set - 1)
        add_vop(m, pe, (uint32_t)__builtin_ctz(set), out);
}

void core_show_fifos(const wse *m, uint32_t pe, strbuf *out) {
    const isa_program *p = wse_program(m, pe);
    for (uint32_t k = 0; k < p->fifo_count; k++) {
        const core_fifo *f = &m->cores->fifos[m->cores->pe[pe].fifos + k];
        uint32_t words = p->fifos[k].element_words ? p->fifos[k].element_words : 1;
        strbuf_addf(out, "FIFO %u: %u of %u elements\n", k, f->count, p->fifos[k].words / words);
    }
}
