/* Operands of vector operations: what a data structure register holds, decoded and checked, and where its elements lie.
 *
 * A program can put any 64 bits into a DSR, so every index in a descriptor is checked here, once per operation.
 */
#include "wse/core_internal.h"

static uint32_t length_code(uint32_t length) { return length == ISA_ENDLESS ? UINT32_MAX : length; }

static uint32_t length_4d(const isa_shape *shape) {
    uint64_t n = 1;
    for (uint32_t k = 0; k < shape->dims && k < 4; k++) n *= shape->extent[k];
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX - 1;
}

static bool memory_operand(isa_dsd dsd, const isa_shape *shape, core_operand *o) {
    o->base = (uint16_t)dsd;
    o->stride = (int16_t)(dsd >> 32);
    o->length = shape->kind == ISA_MEM4D ? length_4d(shape) : length_code((uint16_t)(dsd >> 16));
    return true;
}

/* WSE-3: a queue has a color from @initialize_queue, or from a binding that the program wrote later. */
static bool queue_bound(const wse *m, uint32_t pe, const core_operand *o) {
    const isa_queues *q = &wse_program(m, pe)->queues;
    if (o->kind == ISA_FABIN)
        return q->in_color[o->queue] >= 0 || fabric_in_color(m, pe, o->queue, ISA_COLORS) < ISA_COLORS;
    return q->out_color[o->queue] >= 0 || vop_out_color(m, pe, o) < ISA_COLORS;
}

static bool fabric_operand(const wse *m, uint32_t pe, isa_dsd dsd, core_operand *o, const char **why) {
    uint32_t queue = dsd & 0xff, color = dsd >> 8 & 0xff;
    bool in = o->kind == ISA_FABIN;
    *why = in ? "the input queue does not exist on this machine" : "the output queue does not exist on this machine";
    if (queue >= (in ? m->wafer->in_queues : m->wafer->out_queues)) return false;
    *why = "the color of the fabric operand does not exist";
    if (m->image->arch != ISA_WSE3 && color >= ISA_COLORS) return false;
    if (in && m->image->arch != ISA_WSE3 && wse_program(m, pe)->reroutes) color = fabric_in_color(m, pe, queue, color);
    o->color = (uint8_t)color;
    o->queue = (uint8_t)queue;
    o->port = (uint8_t)(in && m->image->arch != ISA_WSE3 ? color : queue);
    o->length = length_code((uint16_t)(dsd >> 16));
    *why = "its queue was never initialised; call @initialize_queue in a comptime block";
    return m->image->arch != ISA_WSE3 || queue_bound(m, pe, o);
}

/* A FIFO without a length of its own leaves it to the other operands. */
static bool fifo_operand(const wse *m, uint32_t pe, const core *c, isa_dsd dsd, uint8_t slot_file, core_operand *o,
                         const char **why) {
    const isa_program *p = wse_program(m, pe);
    *why = "the FIFO does not exist";
    if ((uint16_t)dsd >= p->fifo_count) return false;
    o->port = (uint8_t)dsd;
    const core_fifo *f = &m->cores->fifos[c->fifos + o->port];
    uint32_t length = length_code((uint16_t)(dsd >> 16)), set = f->length[slot_file == ISA_DEST];
    if (set) length = length_code(set);
    o->length = length == UINT32_MAX ? 0 : length;
    o->words = p->fifos[o->port].element_words;
    return true;
}

bool operand_of_dsr(const wse *m, uint32_t pe, const core *c, uint8_t slot, uint32_t bits, core_operand *out,
                    const char **why) {
    const core_dsr *r = &m->cores->dsrs[c->dsrs + slot];
    const isa_program *p = wse_program(m, pe);
    uint32_t shape_index = (uint32_t)(r->value >> 48);
    *why = "the data structure register was never loaded";
    if (!r->loaded) return false;
    *why = "the descriptor's shape does not exist";
    if (shape_index >= p->shape_count) return false;
    const isa_shape *shape = &p->shapes[shape_index];
    *out = (core_operand){.kind = shape->kind,
                          .words = bits == 32 ? 2 : 1,
                          .slot = slot,
                          .lanes = 1,
                          .shape = (uint16_t)shape_index,
                          .offset = shape->index_offset,
                          .start = r->position};
    out->save = p->settings[r->settings].save_address;
    if (core_memory_kind(shape->kind)) return memory_operand(r->value, shape, out);
    out->lanes = shape->simd != ISA_SIMD_NONE && bits == 16 ? 2 : 1;
    if (shape->kind == ISA_FIFO)
        return fifo_operand(m, pe, c, r->value, core_program_of(m, pe)->slot_file[slot], out, why);
    return fabric_operand(m, pe, r->value, out, why);
}

/* Position in the outermost dimension goes on without end; the others wrap. */
static int64_t address_4d(const isa_shape *s, const core_operand *o, uint32_t position, int32_t *stride,
                          uint32_t *run) {
    int64_t address = o->base;
    uint32_t dims = s->dims ? s->dims : 1, rest = position;
    *stride = s->stride[dims - 1] * o->words;
    *run = UINT32_MAX;
    for (uint32_t k = dims - 1; k > 0; k--) {
        uint32_t extent = s->extent[k] ? s->extent[k] : 1, at = rest % extent;
        if (k == dims - 1) *run = extent - at;
        address += (int64_t)at * s->stride[k] * o->words;
        rest /= extent;
    }
    return address + (int64_t)rest * s->stride[0] * o->words;
}

int64_t operand_address(const isa_program *p, const core_operand *o, uint32_t position, int32_t *stride,
                        uint32_t *run) {
    const isa_shape *s = &p->shapes[o->shape];
    position += o->start;
    if (o->kind == ISA_MEM4D) return address_4d(s, o, position, stride, run);
    *stride = o->stride * o->words;
    *run = UINT32_MAX;
    if (o->kind == ISA_CIRCBUF && s->wrap) {
        position %= s->wrap;
        *run = s->wrap - position;
    }
    return o->base + (int64_t)position * *stride;
}

static bool inside(const core_operand *o, int64_t low, int64_t high) {
    return low >= 0 && high + o->words <= ISA_SRAM_WORDS;
}

bool operand_inside(const isa_program *p, const core_operand *o, uint32_t position, uint32_t n) {
    while (n) {
        int32_t stride;
        uint32_t run;
        int64_t from = operand_address(p, o, position, &stride, &run);
        if (run > n) run = n;
        int64_t to = from + (int64_t)(run - 1) * stride;
        if (!inside(o, from < to ? from : to, from < to ? to : from)) return false;
        position += run;
        n -= run;
        if (o->kind == ISA_CIRCBUF && position >= p->shapes[o->shape].wrap && n > p->shapes[o->shape].wrap)
            n = p->shapes[o->shape].wrap; /* one more round shows all there is */
    }
    return true;
}
