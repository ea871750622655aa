/* Configuration space (isa/config.h): the words that belong to the core. The rest is the fabric's. */
#include "wse/core_internal.h"

/* Two performance counters, not resettable: instructions, and busy cycles. */
static uint16_t performance(const core *c, uint32_t which) {
    return (uint16_t)c->n[which ? CORE_N_busy_cycles : CORE_N_instructions];
}

static bool own_read(const wse *m, uint32_t pe, const core *c, uint32_t address, uint32_t *value) {
    uint32_t x = pe % m->width, y = pe / m->width;
    switch (address) {
    case ISA_CFG_FLUSH: *value = c->flushed; return true;
    case ISA_CFG_COORD_X: *value = m->image->offset_x + x; return true;
    case ISA_CFG_COORD_Y: *value = m->image->offset_y + y; return true;
    case ISA_CFG_RECT_X: *value = x; return true;
    case ISA_CFG_RECT_Y: *value = y; return true;
    case ISA_CFG_TASK_PRIORITY_LOW: *value = c->high & 0xffff; return true;
    case ISA_CFG_TASK_PRIORITY_HIGH: *value = c->high >> 16 & 0xffff; return true;
    case ISA_CFG_MAIN_PRIORITY: *value = c->main_priority; return true;
    case ISA_CFG_TRANSFORM_MASK: *value = c->transform_mask; return true;
    case ISA_CFG_EXCEPTION_MASK: *value = c->exception_mask; return true;
    case ISA_CFG_PERF:
    case ISA_CFG_PERF + 1: *value = performance(c, address - ISA_CFG_PERF); return true;
    default: return false;
    }
}

static bool own_write(core *c, uint32_t address, uint32_t value) {
    switch (address) {
    case ISA_CFG_FLUSH: c->flushed &= (uint8_t)~value; return true;
    case ISA_CFG_TASK_PRIORITY_LOW: c->high = (c->high & ~0xffffull) | (value & 0xffff); return true;
    case ISA_CFG_TASK_PRIORITY_HIGH:
        c->high = (c->high & ~0xffff0000ull) | (uint64_t)(value & 0xffff) << 16;
        return true;
    case ISA_CFG_MAIN_PRIORITY: c->main_priority = value & 3; return true;
    case ISA_CFG_TRANSFORM_MASK: c->transform_mask = value & 63; return true;
    case ISA_CFG_EXCEPTION_MASK: c->exception_mask = (uint16_t)value; return true;
    default: return false;
    }
}

bool core_config_read(wse *m, uint32_t pe, core *c, uint32_t address, uint32_t *value) {
    uint16_t word;
    if (own_read(m, pe, c, address, value)) return true;
    if (!fabric_config_read(m, pe, address, &word)) return false;
    *value = word;
    return true;
}

bool core_config_write(wse *m, uint32_t pe, core *c, uint32_t address, uint32_t value, uint64_t now) {
    return own_write(c, address, value) || fabric_config_write(m, pe, address, (uint16_t)value, now);
}
