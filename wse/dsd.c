/* Issue of vector instructions, and single elements through a DSR (@map).
 *
 * An operation on memory alone, while no microthread is alive, is executed at once: nothing can see it happen.
 * Everything else becomes a core_vop that threads_step carries on cycle by cycle. Length: that of the first source,
 * else of the second, else of the destination, where a length of zero says nothing; an operation whose vectors all have
 * length zero does nothing.
 */
#include "wse/core_internal.h"

enum { AT_ONCE = 1 << 18 }; /* elements: longer ones go with the clock, so that no guest holds up wse_run */

static bool is_vector(const core_operand *o) { return o->kind < OPERAND_NONE; }
static bool is_queue(const core_operand *o) { return o->kind == ISA_FABIN || o->kind == ISA_FABOUT; }

static bool operand(wse *m, uint32_t pe, const core *c, uint8_t name, uint32_t bits, core_operand *o,
                    const char **why) {
    if (name == ISA_NO_REG) {
        *o = (core_operand){.kind = OPERAND_NONE};
        return true;
    }
    if (name & 0x80) return operand_of_dsr(m, pe, c, name & 0x3f, bits, o, why);
    *o = (core_operand){.kind = OPERAND_REG, .slot = name, .value = c->r[name]};
    return true;
}

static bool operands(wse *m, uint32_t pe, const core *c, const core_instr *in, core_vop *v, const char **why) {
    const isa_dsd_fact *f = &isa_dsd_ops[v->op];
    if (!operand(m, pe, c, in->d, f->dest_bits, &v->d, why) || !operand(m, pe, c, in->a, f->src0_bits, &v->s0, why) ||
        !operand(m, pe, c, in->b, f->src1_bits, &v->s1, why))
        return false;
    *why = "the destination is a fabric input";
    if (v->d.kind == ISA_FABIN) return false;
    *why = "a source is a fabric output";
    if (v->s0.kind == ISA_FABOUT || v->s1.kind == ISA_FABOUT) return false;
    *why = "both sources read one queue";
    if (v->s0.kind == ISA_FABIN && v->s1.kind == ISA_FABIN && v->s0.port == v->s1.port) return false;
    *why = "dfilt needs a fabric input";
    if (v->op == ISA_D_DFILT && v->s1.kind != ISA_FABIN) return false;
    v->d.value = v->d.kind == OPERAND_REG && v->s0.kind == OPERAND_REG ? v->s0.value : 0; /* of a fold */
    v->fabric = is_queue(&v->d) || is_queue(&v->s0) || is_queue(&v->s1) || v->d.kind == ISA_FIFO ||
                v->s0.kind == ISA_FIFO || v->s1.kind == ISA_FIFO;
    return true;
}

static uint32_t length_of(const core_vop *v) {
    const core_operand *order[] = {&v->s0, &v->s1, &v->d};
    bool any = false, fifo = false;
    for (int k = 0; k < 3; k++) {
        if (!is_vector(order[k])) continue;
        if (order[k]->length) return order[k]->length;
        any = true;
        fifo |= order[k]->kind == ISA_FIFO;
    }
    return fifo ? UINT32_MAX : any ? 0 : 1;
}

/* .index moves memory operands by words and goes to the upper half of what is sent. */
static void apply_index(const core *c, uint8_t reg, core_vop *v) {
    core_operand *all[] = {&v->d, &v->s0, &v->s1};
    if (reg == ISA_NO_REG) {
        v->wavelet_index = (v->s0.kind == ISA_FABIN && v->s0.offset) || (v->s1.kind == ISA_FABIN && v->s1.offset);
        return;
    }
    for (int k = 0; k < 3; k++)
        if (core_memory_kind(all[k]->kind) && all[k]->offset) all[k]->base = (uint16_t)(all[k]->base + c->r[reg]);
    if (v->d.kind == ISA_FABOUT && v->d.offset) v->index = c->r[reg] << 16;
}

/* Settings of the instruction; what it leaves open comes from those its registers were loaded with. */
static void add_settings(core_vop *v, const isa_settings *s, int8_t *priority, int8_t *ut) {
    v->async |= s->async;
    v->terminate |= s->control_terminate;
    if (v->activate < 0) v->activate = s->activate;
    if (v->unblock < 0) v->unblock = s->unblock;
    if (v->control_activate < 0) v->control_activate = s->control_activate;
    if (v->control_unblock < 0) v->control_unblock = s->control_unblock;
    if (*priority < 0) *priority = s->priority;
    if (*ut < 0) *ut = s->ut;
}

static void settings_of(const wse *m, uint32_t pe, const core *c, uint16_t index, core_vop *v, int8_t *ut) {
    const isa_program *p = wse_program(m, pe);
    const core_operand *order[] = {&v->d, &v->s0, &v->s1};
    int8_t priority = -1;
    v->activate = v->unblock = v->control_activate = v->control_unblock = *ut = -1;
    if (index) add_settings(v, &p->settings[index], &priority, ut);
    for (int k = 0; k < 3; k++) {
        if (!is_vector(order[k])) continue;
        uint16_t own = m->cores->dsrs[c->dsrs + order[k]->slot].settings;
        if (own) add_settings(v, &p->settings[own], &priority, ut);
    }
    for (int k = 0; k < 3 && priority < 0; k++) {
        if (is_queue(order[k])) priority = (int8_t)p->shapes[order[k]->shape].priority;
        if (order[k]->kind == ISA_FIFO) priority = (int8_t)p->fifos[order[k]->port].priority;
    }
    v->rank = (uint8_t)(v->async ? (priority > 0 ? priority * 2 : 0) : c->main_priority + 1);
}

static void rate_at_most(core_vop *v, uint32_t elements_per_cycle) {
    if (v->elements < elements_per_cycle * v->cycles) return;
    v->elements = elements_per_cycle;
    v->cycles = 1;
}

/* What strides and banks leave of a rate (SDK appendix): most elements per cycle of a memory operand by its word
 * stride. */
static void stride_limit(const isa_program *p, const core_operand *o, core_vop *v) {
    int32_t stride;
    uint32_t run;
    if (!core_memory_kind(o->kind)) return;
    operand_address(p, o, 0, &stride, &run);
    uint32_t class = (uint32_t)stride & 7;
    if (stride == 0 || stride == 1) return;
    if (class == 0) rate_at_most(v, 1);
    if (class == 1 || class == 7 || class == 4) rate_at_most(v, 2);
}

static bool banks_clash(const isa_program *p, const core_operand *a, const core_operand *b) {
    int32_t stride;
    uint32_t run;
    if (!core_memory_kind(a->kind) || !core_memory_kind(b->kind)) return false;
    return (operand_address(p, a, 0, &stride, &run) & 3) == (operand_address(p, b, 0, &stride, &run) & 3);
}

static void rate_of(const wse *m, uint32_t pe, core_vop *v) {
    const isa_program *p = wse_program(m, pe);
    const core_operand *all[] = {&v->d, &v->s0, &v->s1};
    v->elements = m->cores->rate[v->op].elements;
    v->cycles = m->cores->rate[v->op].cycles;
    if (v->d.kind == OPERAND_REG) {
        bool fold = v->s0.kind == OPERAND_REG && is_vector(&v->s1);
        v->elements = 1;
        v->cycles = fold && m->wafer->reduce_cycles_per_element ? m->wafer->reduce_cycles_per_element : 1;
    }
    for (int k = 0; k < 3; k++)
        if (is_queue(all[k])) rate_at_most(v, all[k]->lanes);
    if (!m->wafer->bank_conflicts) return;
    for (int k = 0; k < 3; k++) stride_limit(p, all[k], v);
    if (banks_clash(p, &v->s0, &v->s1)) v->cycles *= 2;
}

/* Cycle of the first element. Dispatch waits for the last load of a DSR, not for an operation whose DSRs are there. */
static uint64_t first_element(const wse *m, const core *c, const core_vop *v) {
    if (v->d.kind == ISA_FABOUT) return c->time + m->wafer->send_cycles;
    uint64_t dispatch = c->dsr_loaded_at ? c->dsr_loaded_at + m->wafer->dsd_dispatch_cycles : 0;
    return (dispatch > c->time ? dispatch : c->time) + m->wafer->dsd_start_cycles;
}

static vector_result run_at_once(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now) {
    if (v->length == UINT32_MAX || !vop_run_memory(m, pe, v, v->length)) {
        if (c->time > now) return VECTOR_SYNC;
        core_fault(m, pe, c, c->time, v->pc, "%s leaves the memory of the PE", isa_dsd_ops[v->op].builtin);
        return VECTOR_FAULT;
    }
    uint64_t moving = ((uint64_t)v->length * v->cycles + v->elements - 1) / v->elements;
    uint64_t end = first_element(m, c, v) + moving + m->wafer->dsd_end_cycles;
    vop_count(v, v->length, c->n);
    core_busy(c, c->time, end);
    if (m->trace) trace_vector(m, core_vop_event(pe, v, 0, c->time, end), 0);
    c->time = end;
    vop_finish(m, pe, c, v, end);
    return VECTOR_DONE;
}

static vector_result start_async(wse *m, uint32_t pe, core *c, core_vop *v, int wanted) {
    int thread = thread_for(m, c, v, wanted);
    core_vop *pool = m->cores->vops + c->vops;
    if (thread < 0) {
        core_fault(m, pe, c, c->time, v->pc, "%s: no microthread is free", isa_dsd_ops[v->op].builtin);
        return VECTOR_FAULT;
    }
    if (c->alive >> thread & 1) {
        strbuf where = {0};
        core_line(m, pe, pool[1 + thread].pc, &where);
        core_fault(m, pe, c, c->time, v->pc, "%s: microthread %d is still busy with %s of %s",
                   isa_dsd_ops[v->op].builtin, thread, isa_dsd_ops[pool[1 + thread].op].builtin,
                   where.data ? where.data : "?");
        strbuf_free(&where);
        return VECTOR_FAULT;
    }
    core_busy(c, c->time, c->time + 1);
    if (m->trace && v->length) trace_vector_begin(m, pe, 1 + (uint32_t)thread, c->time);
    v->ready = first_element(m, c, v);
    c->time += 1;
    if (!v->length) {
        vop_finish(m, pe, c, v, c->time);
        return VECTOR_DONE;
    }
    pool[1 + thread] = *v;
    c->alive |= (uint8_t)(1u << thread);
    c->started = true;
    threads_ports(c, pool);
    return VECTOR_DONE;
}

static vector_result start_sync(wse *m, uint32_t pe, core *c, core_vop *v) {
    if (m->trace) trace_vector_begin(m, pe, 0, c->time);
    v->ready = first_element(m, c, v);
    core_busy(c, c->time, v->ready);
    m->cores->vops[c->vops] = *v;
    c->state = MAIN_VECTOR;
    c->started = true;
    threads_ports(c, m->cores->vops + c->vops);
    return VECTOR_STARTED;
}

vector_result vector_issue(wse *m, uint32_t pe, core *c, const core_instr *in, uint64_t now) {
    core_vop v = {.op = (uint8_t)(in->op - ISA_DSD_FIRST), .pc = c->pc};
    const char *why = "";
    int8_t ut;
    if (!operands(m, pe, c, in, &v, &why)) {
        if (c->time > now) return VECTOR_SYNC;
        core_fault(m, pe, c, c->time, c->pc, "%s: %s", isa_dsd_ops[v.op].builtin, why);
        return VECTOR_FAULT;
    }
    uint8_t scalar = (uint8_t)(in->imm >> 16);
    if (scalar != ISA_NO_REG) v.scalar = c->r[scalar];
    apply_index(c, (uint8_t)(in->imm >> 24), &v);
    settings_of(m, pe, c, (uint16_t)in->imm, &v, &ut);
    v.length = length_of(&v);
    rate_of(m, pe, &v);
    v.plain = plain_operation(m, pe, &v);
    stream_prepare(m, pe, &v);
    bool at_once = !v.async && !c->alive && !v.fabric && (v.length <= AT_ONCE || v.length == UINT32_MAX);
    if (!at_once && c->time > now) return VECTOR_SYNC;
    if (m->check) check_begin(m, pe, c, &v);
    c->n[CORE_N_vector_ops]++;
    c->vector_ok = true;
    if (at_once) {
        vector_result r = run_at_once(m, pe, c, &v, now);
        if (r == VECTOR_SYNC) c->n[CORE_N_vector_ops]--;
        return r;
    }
    if (v.async) return start_async(m, pe, c, &v, ut);
    if (!v.length) return run_at_once(m, pe, c, &v, now);
    if (v.length == UINT32_MAX && !v.fabric) return run_at_once(m, pe, c, &v, now);
    return start_sync(m, pe, c, &v);
}

/* ---- one element through a DSR: the operation with a register on the other side ---- */

/* A core_vop of length one in which `o` is the first source or the destination; the step functions do the rest. */
static dsr_result one_element(wse *m, uint32_t pe, core *c, core_vop *v, uint8_t slot, uint64_t now) {
    core_operand *o = v->d.kind == OPERAND_REG ? &v->s1 : &v->d;
    v->length = v->elements = v->cycles = 1;
    v->activate = v->unblock = v->control_activate = v->control_unblock = -1;
    v->fabric = !core_memory_kind(o->kind);
    bool ok = c->vector_ok;
    step_result r = vop_step(m, pe, c, v, now);
    vop_count(v, v->position, c->n);
    c->vector_ok = ok;
    if (r == STEP_FAULT) return DSR_FAULT;
    c->poke |= r == STEP_MOVED;
    if (r == STEP_WAIT || r == STEP_MOVED || !v->position) { /* MOVED: a control wavelet went by */
        c->stall = v->wait ? v->wait : (uint8_t)CORE_WAIT_INPUT;
        c->stall_on = v->wait ? v->wait_on : o->port;
        return DSR_WAIT;
    }
    if (core_memory_kind(o->kind)) m->cores->dsrs[c->dsrs + slot].position++;
    return DSR_DONE;
}

static dsr_result dsr_fault(wse *m, uint32_t pe, core *c, uint64_t now, const char *why) {
    if (c->time > now) return DSR_SYNC;
    core_fault(m, pe, c, c->time, c->pc, "@map: %s", why);
    return DSR_FAULT;
}

static dsr_result dsr_move(wse *m, uint32_t pe, core *c, core_vop *v, uint8_t slot, uint64_t now) {
    core_operand *o = v->d.kind == OPERAND_REG ? &v->s1 : &v->d;
    bool memory = core_memory_kind(o->kind);
    if (memory && !operand_inside(wse_program(m, pe), o, 0, 1)) return dsr_fault(m, pe, c, now, "leaves the memory");
    if (!memory && c->time > now) return DSR_SYNC;
    dsr_result r = one_element(m, pe, c, v, slot, now);
    return r == DSR_FAULT ? dsr_fault(m, pe, c, now, "the FIFO is at its limit") : r;
}

dsr_result dsr_get(wse *m, uint32_t pe, core *c, uint8_t slot, uint32_t bits, uint32_t *value, uint64_t now) {
    core_vop v = {.op = bits == 32 ? ISA_D_MOV32 : ISA_D_MOV16,
                  .pc = c->pc,
                  .d = {.kind = OPERAND_REG},
                  .s0 = {.kind = OPERAND_NONE}};
    const char *why;
    if (!operand_of_dsr(m, pe, c, slot, bits, &v.s1, &why)) return dsr_fault(m, pe, c, now, why);
    if (v.s1.kind == ISA_FABOUT) return dsr_fault(m, pe, c, now, "reads a fabric output");
    v.s1.lanes = 1;
    dsr_result r = dsr_move(m, pe, c, &v, slot, now);
    *value = v.d.value;
    return r;
}

dsr_result dsr_put(wse *m, uint32_t pe, core *c, uint8_t slot, uint32_t bits, uint32_t value, uint64_t now) {
    core_vop v = {.op = bits == 32 ? ISA_D_MOV32 : ISA_D_MOV16,
                  .pc = c->pc,
                  .s0 = {.kind = OPERAND_NONE},
                  .s1 = {.kind = OPERAND_REG, .value = value}};
    const char *why;
    if (!operand_of_dsr(m, pe, c, slot, bits, &v.d, &why)) return dsr_fault(m, pe, c, now, why);
    if (v.d.kind == ISA_FABIN) return dsr_fault(m, pe, c, now, "writes a fabric input");
    v.d.lanes = 1;
    return dsr_move(m, pe, c, &v, slot, now);
}
