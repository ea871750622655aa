/* FIFOs: a ring in PE memory with a read and a write end. A side that meets its limit leaves a mark; the next move of
 * the other side then activates the task the program named (activate_push after a push that ends an empty stop,
 * activate_pop after a pop that ends a full stop). */
#include "wse/core_internal.h"

static uint32_t capacity(const isa_fifo *what) { return what->words / (what->element_words ? what->element_words : 1); }

bool fifo_can_pop(const core_fifo *f) { return f->count > 0; }
bool fifo_can_push(const core_fifo *f, const isa_fifo *what) { return f->count < capacity(what); }

uint32_t fifo_pop(core *c, core_fifo *f, const isa_fifo *what, uint16_t *memory) {
    const uint16_t *p = memory + what->base_word + f->first * what->element_words;
    uint32_t value = what->element_words == 2 ? p[0] | (uint32_t)p[1] << 16 : p[0];
    f->first = (uint16_t)((f->first + 1u) % capacity(what));
    f->count--;
    if (f->push_stopped) task_activate(c, what->activate_pop);
    f->push_stopped = false;
    return value;
}

void fifo_push(core *c, core_fifo *f, const isa_fifo *what, uint16_t *memory, uint32_t value) {
    uint32_t at = ((uint32_t)f->first + f->count) % capacity(what);
    uint16_t *p = memory + what->base_word + at * what->element_words;
    p[0] = (uint16_t)value;
    if (what->element_words == 2) p[1] = (uint16_t)(value >> 16);
    f->count++;
    if (f->pop_stopped) task_activate(c, what->activate_push);
    f->pop_stopped = false;
}
