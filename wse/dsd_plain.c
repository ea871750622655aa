/* The short road for what most wafer programs do most of the time: streams with one element per wavelet between the
 * fabric, one-dimensional memory and scalars. One element per call, with the same effects as dsd_step.c; whatever is
 * out of the ordinary (a control wavelet, an address outside the memory) is left to it, before anything has happened.
 */
#include "wse/core_internal.h"

static bool plain_operand(const wse *m, uint32_t pe, const core_operand *o, uint8_t lanes) {
    const isa_shape *s = &wse_program(m, pe)->shapes[o->shape];
    if (o->kind == OPERAND_NONE || o->kind == OPERAND_REG || o->kind == ISA_MEM1D) return true;
    if (o->kind == ISA_FABIN) return o->lanes == lanes;
    return o->kind == ISA_FABOUT && o->lanes == lanes && !s->zero_source && !s->control_transform && !s->control;
}

static bool all_plain(const wse *m, uint32_t pe, const core_vop *v, uint8_t lanes) {
    return v->fabric && !v->wavelet_index && v->op != ISA_D_DFILT && v->elements == lanes && v->d.kind != OPERAND_REG &&
           plain_operand(m, pe, &v->d, lanes) && plain_operand(m, pe, &v->s0, lanes) &&
           plain_operand(m, pe, &v->s1, lanes);
}

bool plain_operation(const wse *m, uint32_t pe, const core_vop *v) { return all_plain(m, pe, v, 1); }
bool plain_pairs(const wse *m, uint32_t pe, const core_vop *v) { return all_plain(m, pe, v, 2) && v->cycles == 1; }

static inline uint16_t *word_at(uint16_t *memory, const core_operand *o, uint32_t position) {
    int64_t address = o->base + (int64_t)(o->start + position) * o->stride * o->words;
    return address >= 0 && address + o->words <= ISA_SRAM_WORDS ? memory + address : NULL;
}
static inline uint32_t value_at(const uint16_t *p, uint32_t words) {
    return words == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
}

static plain_result wait_for(core_vop *v, core_wait what, uint8_t on) {
    v->wait = (uint8_t)what;
    v->wait_on = on;
    return PLAIN_WAIT;
}

/* Looks without taking: the wavelet of an input is popped when all operands have been found ready. */
static inline plain_result look(wse *m, uint32_t pe, core_vop *v, const core_operand *o, uint16_t *memory, uint64_t now,
                                uint32_t *value) {
    *value = o->value;
    if (o->kind == ISA_FABIN) {
        const wse_wavelet *w = fabric_in_head(m, pe, o->port, now);
        if (!w) return wait_for(v, CORE_WAIT_INPUT, o->port);
        if (w->control) return PLAIN_OTHER;
        *value = o->words == 2 ? w->data : w->data & 0xffff;
    } else if (o->kind == ISA_MEM1D) {
        const uint16_t *p = word_at(memory, o, v->position);
        if (!p) return PLAIN_OTHER;
        *value = value_at(p, o->words);
    }
    return PLAIN_MOVED;
}

plain_result plain_step(wse *m, uint32_t pe, core_vop *v, uint64_t now) {
    uint16_t *memory = wse_words(m, pe), *to = NULL;
    uint32_t a, b, value;
    plain_result r = look(m, pe, v, &v->s0, memory, now, &a);
    if (r == PLAIN_MOVED) r = look(m, pe, v, &v->s1, memory, now, &b);
    if (r != PLAIN_MOVED) return r;
    if (v->d.kind == ISA_FABOUT && !fabric_out_room(m, pe, v->d.queue))
        return wait_for(v, CORE_WAIT_OUTPUT, v->d.queue);
    if (v->d.kind == ISA_MEM1D && !(to = word_at(memory, &v->d, v->position))) return PLAIN_OTHER;
    if (v->s0.kind == ISA_FABIN) fabric_in_pop(m, pe, v->s0.port, now);
    if (v->s1.kind == ISA_FABIN) fabric_in_pop(m, pe, v->s1.port, now);
    dsd_context x = {.scalar = v->scalar, .carry = v->carry, .fp16 = wse_program(m, pe)->fp16};
    value = dsd_element(v->op, a, b, &x);
    v->carry = x.carry;
    if (to) to[0] = (uint16_t)value;
    if (to && v->d.words == 2) to[1] = (uint16_t)(value >> 16);
    if (v->d.kind == ISA_FABOUT)
        fabric_out_push(m, pe, v->d.queue, v->d.color, v->d.words == 2 ? value : (value & 0xffff) | v->index, false,
                        now + m->wafer->result_cycles);
    v->position++;
    return PLAIN_MOVED;
}
