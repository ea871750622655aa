/* Vector operations in progress. An operation on memory alone runs in strided loops; one with a fabric or FIFO operand
 * moves element by element: first it is proven that every operand can give or take one, then all of them do.
 *
 * A control wavelet at a fabric input: `.on_control` first; else it counts as data when the operand has
 * control_transform; else, for a microthread on a port that is not blocked, it is left to the control task it names, if
 * there is one; else it is dropped.
 */
#include "wse/core_internal.h"

static bool is_mac(uint8_t op) { return isa_dsd_ops[op].form == ISA_K_MAC; }

void vop_count(const core_vop *v, uint32_t n, uint64_t counters[CORE_COUNTERS]) {
    if (v->op == ISA_D_DFILT) return; /* its position counts control wavelets */
    uint32_t operations = n * (is_mac(v->op) ? 2 : 1);
    isa_energy e = isa_dsd_ops[v->op].energy;
    if (e == ISA_E_FP16) counters[CORE_N_fp16_ops] += operations;
    if (e == ISA_E_FP32) counters[CORE_N_fp32_ops] += operations;
    if (e == ISA_E_INT) counters[CORE_N_int_ops] += operations;
    const core_operand *sources[] = {&v->s0, &v->s1};
    for (int k = 0; k < 2; k++)
        if (core_memory_kind(sources[k]->kind) || sources[k]->kind == ISA_FIFO)
            counters[CORE_N_sram_words_read] += (uint64_t)n * sources[k]->words;
    if (core_memory_kind(v->d.kind) || v->d.kind == ISA_FIFO)
        counters[CORE_N_sram_words_written] += (uint64_t)n * v->d.words;
}

/* ---- memory alone ---- */

/* Where an operand's elements are from `position` on; a scalar is two words of the caller's. */
static uint16_t *place(const isa_program *p, uint16_t *memory, const core_operand *o, uint32_t position,
                       uint16_t *scalar, int32_t *stride, uint32_t *n) {
    uint32_t run;
    *stride = 0;
    if (!core_memory_kind(o->kind)) return scalar;
    int64_t address = operand_address(p, o, position, stride, &run);
    if (run < *n) *n = run;
    return memory + address;
}

bool vop_run_memory(wse *m, uint32_t pe, core_vop *v, uint32_t n) {
    const isa_program *p = wse_program(m, pe);
    const core_operand *all[] = {&v->d, &v->s0, &v->s1};
    for (int k = 0; k < 3; k++)
        if (core_memory_kind(all[k]->kind) && !operand_inside(p, all[k], v->position, n)) return false;
    uint16_t acc[2] = {(uint16_t)v->d.value, (uint16_t)(v->d.value >> 16)};
    uint16_t a[2] = {(uint16_t)v->s0.value, (uint16_t)(v->s0.value >> 16)};
    uint16_t b[2] = {(uint16_t)v->s1.value, (uint16_t)(v->s1.value >> 16)};
    bool fold = v->d.kind == OPERAND_REG && v->s0.kind == OPERAND_REG;
    uint16_t *memory = wse_words(m, pe);
    dsd_loop l = {.x = {.scalar = v->scalar, .carry = v->carry, .fp16 = p->fp16}};
    while (n) {
        l.n = n;
        l.d = place(p, memory, &v->d, v->position, acc, &l.d_stride, &l.n);
        l.a = place(p, memory, &v->s0, v->position, fold ? acc : a, &l.a_stride, &l.n);
        l.b = place(p, memory, &v->s1, v->position, b, &l.b_stride, &l.n);
        dsd_run(v->op, &l);
        v->position += l.n;
        n -= l.n;
    }
    v->carry = l.x.carry;
    v->d.value = acc[0] | (uint32_t)acc[1] << 16;
    return true;
}

/* ---- with the fabric ---- */

uint32_t vop_out_color(const wse *m, uint32_t pe, const core_operand *o) {
    uint16_t word;
    if (m->image->arch != ISA_WSE3) return o->color;
    if (fabric_config_read(m, pe, ISA_CFG_OUT_QUEUE + o->queue, &word)) return word >> 4 & 31;
    return (uint8_t)wse_program(m, pe)->queues.out_color[o->queue];
}

uint32_t vop_transform(const core *c, uint32_t data) {
    return ((data & 0x3fffffff) | 0x80000000u) ^ (uint32_t)(c->transform_mask & 63) << 16;
}

static const isa_shape *shape_of(const wse *m, uint32_t pe, const core_operand *o) {
    return &wse_program(m, pe)->shapes[o->shape];
}
static isa_fifo *fifo_of(const wse *m, uint32_t pe, const core_operand *o) {
    return &wse_program(m, pe)->fifos[o->port];
}
static bool last_element(const core_vop *v) { return v->position + 1 == v->length; }
static bool last_lane(const core_vop *v, const core_operand *o) {
    return o->lanes == 1 || (v->position & 1) || last_element(v);
}

typedef enum { READY, WAIT, MOVED, ENDED, FAULT } readiness;

static readiness wait_for(core_vop *v, core_wait what, uint8_t on) {
    v->wait = (uint8_t)what;
    v->wait_on = on;
    return WAIT;
}

static readiness control_head(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o, const wse_wavelet *w,
                              uint64_t now) {
    uint32_t entry = w->data >> 16 & 63;
    if (v->op == ISA_D_DFILT) {
        fabric_in_pop(m, pe, o->port, now);
        return ++v->position == v->length ? ENDED : MOVED;
    }
    if (v->terminate || v->control_activate >= 0 || v->control_unblock >= 0) {
        fabric_in_pop(m, pe, o->port, now);
        task_activate(c, v->control_activate);
        task_unblock(c, v->control_unblock, now);
        if (v->terminate && !v->async) c->vector_ok = false;
        return v->terminate ? ENDED : MOVED;
    }
    if (shape_of(m, pe, o)->control_transform) return READY;
    if (v->async && !(c->blocked >> o->port & 1) && entry != ISA_TASK_NONE && wse_program(m, pe)->tasks[entry].kinds)
        return wait_for(v, CORE_WAIT_INPUT, o->port);
    fabric_in_pop(m, pe, o->port, now);
    return MOVED;
}

static readiness fifo_limit(core *c, core_vop *v, const core_operand *o, uint8_t action, core_wait what) {
    if (action == ISA_FIFO_FAULT) return FAULT;
    if (action == ISA_FIFO_TERMINATE || (action == ISA_FIFO_SUSPEND_OR_TEST && !v->async)) {
        if (!v->async) c->vector_ok = false;
        return ENDED;
    }
    return wait_for(v, what, o->port);
}

static readiness source_ready(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o, uint64_t now) {
    if (o->kind == ISA_FABIN) {
        const wse_wavelet *w = fabric_in_head(m, pe, o->port, now);
        if (!w) return wait_for(v, CORE_WAIT_INPUT, o->port);
        return w->control ? control_head(m, pe, c, v, o, w, now) : READY;
    }
    if (o->kind == ISA_FIFO) {
        core_fifo *f = &m->cores->fifos[c->fifos + o->port];
        if (fifo_can_pop(f)) return READY;
        f->pop_stopped = true;
        return fifo_limit(c, v, o, fifo_of(m, pe, o)->when_empty, CORE_WAIT_EMPTY);
    }
    return READY;
}

static readiness destination_ready(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o) {
    if (o->kind == ISA_FABOUT && last_lane(v, o) && !fabric_out_room(m, pe, o->queue))
        return wait_for(v, CORE_WAIT_OUTPUT, o->queue);
    if (o->kind == ISA_FIFO) {
        core_fifo *f = &m->cores->fifos[c->fifos + o->port];
        if (fifo_can_push(f, fifo_of(m, pe, o))) return READY;
        f->push_stopped = true;
        return fifo_limit(c, v, o, fifo_of(m, pe, o)->when_full, CORE_WAIT_FULL);
    }
    return READY;
}

/* The word of a memory operand that this element is in; NULL outside the memory. */
static uint16_t *element_word(wse *m, uint32_t pe, const core_vop *v, const core_operand *o, uint32_t index) {
    int32_t stride;
    uint32_t run;
    int64_t address = operand_address(wse_program(m, pe), o, v->position, &stride, &run);
    if (v->wavelet_index && o->offset) address += index;
    return address >= 0 && address + o->words <= ISA_SRAM_WORDS ? wse_words(m, pe) + address : NULL;
}

static uint32_t take_wavelet(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o, uint64_t now,
                             uint32_t *index) {
    wse_wavelet w = *fabric_in_head(m, pe, o->port, now);
    if (w.control) w.data = vop_transform(c, w.data);
    if (last_lane(v, o)) fabric_in_pop(m, pe, o->port, now);
    *index = w.data >> 16;
    if (o->lanes == 2 && (v->position & 1)) return w.data >> 16;
    return o->words == 2 ? w.data : w.data & 0xffff;
}

static bool read_source(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o, uint64_t now, uint32_t *index,
                        uint32_t *value) {
    *value = o->value;
    if (o->kind == ISA_FABIN) *value = take_wavelet(m, pe, c, v, o, now, index);
    if (o->kind == ISA_FIFO)
        *value = fifo_pop(c, &m->cores->fifos[c->fifos + o->port], fifo_of(m, pe, o), wse_words(m, pe));
    if (!core_memory_kind(o->kind)) return true;
    const uint16_t *p = element_word(m, pe, v, o, *index);
    if (!p) return false;
    *value = o->words == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
    return true;
}

static void send(wse *m, uint32_t pe, core *c, core_vop *v, const core_operand *o, uint32_t value, uint64_t now) {
    const isa_shape *s = shape_of(m, pe, o);
    if (o->lanes == 2 && !(v->position & 1)) {
        v->held = value & 0xffff;
        if (!last_element(v)) return;
        value = v->held;
    } else if (o->lanes == 2) {
        value = v->held | value << 16;
    } else {
        value = o->words == 2 ? value : (value & 0xffff) | v->index;
    }
    if (s->control_transform) value = vop_transform(c, value);
    fabric_out_push(m, pe, o->queue, o->color, value, s->control, now + m->wafer->result_cycles);
}

static bool write_result(wse *m, uint32_t pe, core *c, core_vop *v, uint32_t index, uint32_t value, uint64_t now) {
    core_operand *o = &v->d;
    if (o->kind == OPERAND_REG) o->value = isa_dsd_ops[v->op].dest_bits == 32 ? value : value & 0xffff;
    if (o->kind == ISA_FABOUT) send(m, pe, c, v, o, value, now);
    if (o->kind == ISA_FIFO)
        fifo_push(c, &m->cores->fifos[c->fifos + o->port], fifo_of(m, pe, o), wse_words(m, pe), value);
    if (!core_memory_kind(o->kind)) return true;
    uint16_t *p = element_word(m, pe, v, o, index);
    if (!p) return false;
    p[0] = (uint16_t)value;
    if (o->words == 2) p[1] = (uint16_t)(value >> 16);
    return true;
}

/* .zero: the source of a send is cleared once it is read. */
static void clear_source(wse *m, uint32_t pe, const core_vop *v, uint32_t index) {
    if (v->d.kind != ISA_FABOUT) return;
    uint8_t which = shape_of(m, pe, &v->d)->zero_source;
    const core_operand *o = which == 1 && v->s0.kind != OPERAND_NONE ? &v->s0 : &v->s1;
    if (!which || !core_memory_kind(o->kind)) return;
    uint16_t *p = element_word(m, pe, v, o, index);
    if (p) memset(p, 0, 2u * o->words);
}

/* Memory operands with an offset from the wavelet cannot be proven before it is read; a fault there may have taken it.
 */
static bool move_element(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now) {
    uint32_t a = 0, b = 0, index = 0;
    dsd_context x = {.scalar = v->scalar, .carry = v->carry, .fp16 = wse_program(m, pe)->fp16};
    bool second_first = v->s1.kind == ISA_FABIN; /* its wavelet's index moves the memory operands */
    if (second_first && !read_source(m, pe, c, v, &v->s1, now, &index, &b)) return false;
    if (!read_source(m, pe, c, v, &v->s0, now, &index, &a)) return false;
    if (!second_first && !read_source(m, pe, c, v, &v->s1, now, &index, &b)) return false;
    if (v->d.kind == OPERAND_REG && v->s0.kind == OPERAND_REG) a = v->d.value;
    uint32_t value = v->op == ISA_D_DFILT ? 0 : dsd_element(v->op, a, b, &x);
    v->carry = x.carry;
    if (!write_result(m, pe, c, v, index, value, now)) return false;
    clear_source(m, pe, v, index);
    return true;
}

static readiness step_element(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now) {
    readiness r = source_ready(m, pe, c, v, &v->s0, now);
    if (r == READY) r = source_ready(m, pe, c, v, &v->s1, now);
    if (r == READY) r = destination_ready(m, pe, c, v, &v->d);
    if (r != READY) return r;
    if (!move_element(m, pe, c, v, now)) return FAULT;
    if (v->op == ISA_D_DFILT) return MOVED; /* its length counts control wavelets */
    return ++v->position == v->length ? ENDED : MOVED;
}

/* Elements of the next step. In all, n elements take ceil(n * cycles / elements). */
static uint32_t step_size(core_vop *v) {
    v->step_cycles = v->cycles;
    if (v->cycles == 1 || v->elements == 1) return v->elements;
    uint64_t used = ((uint64_t)v->position * v->cycles + v->elements - 1) / v->elements;
    v->step_cycles = 1;
    if (v->elements >= v->cycles) return (uint32_t)((used + 1) * v->elements / v->cycles - v->position);
    v->step_cycles = (uint32_t)((((uint64_t)v->position + 1) * v->cycles + v->elements - 1) / v->elements - used);
    return 1;
}

static step_result step_memory(wse *m, uint32_t pe, core_vop *v, uint32_t n) {
    if (n > v->length - v->position) n = v->length - v->position;
    if (!vop_run_memory(m, pe, v, n)) return STEP_FAULT;
    return v->position == v->length ? STEP_ENDED : STEP_MOVED;
}

step_result vop_step(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now) {
    if (v->plain) {
        plain_result r = plain_step(m, pe, v, now);
        v->step_cycles = v->cycles;
        if (r == PLAIN_MOVED) return v->position == v->length ? STEP_ENDED : STEP_MOVED;
        if (r == PLAIN_WAIT) return STEP_WAIT;
    }
    uint32_t n = step_size(v);
    if (!v->fabric) return step_memory(m, pe, v, n);
    bool moved = false;
    for (uint32_t k = 0; k < n; k++) {
        readiness r = step_element(m, pe, c, v, now);
        if (r == ENDED) return STEP_ENDED;
        if (r == FAULT) return STEP_FAULT;
        if (r == WAIT) break;
        moved = true;
    }
    if (moved) v->wait = CORE_WAIT_NONE;
    return moved ? STEP_MOVED : STEP_WAIT;
}

static void save(wse *m, core *c, const core_vop *v, const core_operand *o) {
    if (core_memory_kind(o->kind) && o->save) m->cores->dsrs[c->dsrs + o->slot].position += v->position;
}

void vop_finish(wse *m, uint32_t pe, core *c, core_vop *v, uint64_t now) {
    if (m->check) check_end(m, pe, v, now);
    save(m, c, v, &v->d);
    save(m, c, v, &v->s0);
    save(m, c, v, &v->s1);
    if (v->d.kind == OPERAND_REG && !v->async && v->length) c->r[v->d.slot] = v->d.value;
    if (v->d.kind == ISA_FABOUT) {
        bool half = v->d.lanes == 2 && (v->position & 1) && v->position != v->length; /* stopped between two lanes */
        if (half && fabric_out_room(m, pe, v->d.queue))
            fabric_out_push(m, pe, v->d.queue, v->d.color, v->held, shape_of(m, pe, &v->d)->control,
                            now + m->wafer->result_cycles);
        if (shape_of(m, pe, &v->d)->advance_switch) fabric_advance_switch(m, pe, vop_out_color(m, pe, &v->d));
    }
    task_activate(c, v->activate);
    task_unblock(c, v->unblock, now);
}
