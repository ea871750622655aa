/* The simulator log of a PE: text collects in its slot of a pool until a newline; complete lines are written by
 * core_flush_logs, which the clock calls between cycles on one thread. A line of more than 500 bytes is broken; what a
 * PE prints in one cycle beyond its slot is cut. Without options.log nothing is kept. */
#include "wse/core_internal.h"
#include "base/half.h"
#include <inttypes.h>

enum { LINE_BYTES = 500, HEAD_BYTES = 24 };

/* The slot: complete lines in [0, log_line), the open one in [log_line, log_used). Its head is written when it begins.
 */
static void end_line(wse *m, uint32_t pe, core *c) {
    char *slot = m->cores->logs + (size_t)c->log * CORE_LOG_BYTES;
    slot[c->log_used++] = '\n';
    c->log_line = c->log_used;
    atomic_fetch_or_explicit(&m->cores->logged[pe / 64], 1ull << (pe % 64), memory_order_relaxed);
    atomic_store_explicit(&m->cores->any_logged, 1, memory_order_release);
}

static void put(wse *m, uint32_t pe, core *c, uint64_t time, const char *text) {
    char *slot = m->cores->logs + (size_t)c->log * CORE_LOG_BYTES;
    for (; *text; text++) {
        if (c->log_used + HEAD_BYTES + 2 > CORE_LOG_BYTES) return;
        if (c->log_used == c->log_line)
            c->log_used = (uint16_t)(c->log_used + sprintf(slot + c->log_used, "@%" PRIu64 " ", time));
        if (*text == '\n') {
            end_line(m, pe, c);
            continue;
        }
        slot[c->log_used++] = *text;
        if (c->log_used - c->log_line >= LINE_BYTES) end_line(m, pe, c);
    }
}

static void binary(char *out, uint32_t value, int bits) {
    for (int k = 0; k < bits; k++) out[k] = value >> (bits - 1 - k) & 1 ? '1' : '0';
    out[bits] = 0;
}

void core_print(wse *m, uint32_t pe, core *c, uint64_t time, uint32_t kind, const char *text, uint32_t value) {
    char s[64] = "";
    float half = wse_program(m, pe)->fp16 == ISA_BF16 ? f32_from_bf16((uint16_t)value) : f32_from_f16((uint16_t)value);
    if (!m->options.log || !m->cores->logs) return;
    switch ((isa_print)kind) {
    case ISA_PRINT_TEXT: put(m, pe, c, time, text); return;
    case ISA_PRINT_DEC: snprintf(s, sizeof s, "%" PRId32, (int32_t)value); break;
    case ISA_PRINT_HEX16: snprintf(s, sizeof s, "%04" PRIx32, value & 0xffff); break;
    case ISA_PRINT_HEX32: snprintf(s, sizeof s, "%08" PRIx32, value); break;
    case ISA_PRINT_BIN16: binary(s, value, 16); break;
    case ISA_PRINT_BIN32: binary(s, value, 32); break;
    case ISA_PRINT_F16: snprintf(s, sizeof s, "%g", (double)half); break;
    case ISA_PRINT_F32: snprintf(s, sizeof s, "%g", (double)f32_from_bits(value)); break;
    case ISA_PRINT_COORDS: snprintf(s, sizeof s, "PE(%u,%u): ", pe % m->width, pe / m->width); break;
    case ISA_PRINT_CHAR: snprintf(s, sizeof s, "%c", (int)(value & 0xff)); break;
    }
    put(m, pe, c, time, s);
}

bool core_any_prints(const wse *m) {
    bool any = false;
    for (uint32_t k = 0; k < m->image->program_count; k++) any |= m->cores->programs[k].prints;
    return any;
}

void core_flush_log(wse *m, uint32_t pe) {
    core *c = &m->cores->pe[pe];
    if (!c->log_line || !m->options.log) return;
    char *slot = m->cores->logs + (size_t)c->log * CORE_LOG_BYTES;
    fwrite(slot, 1, c->log_line, m->options.log);
    memmove(slot, slot + c->log_line, c->log_used - c->log_line);
    c->log_used = (uint16_t)(c->log_used - c->log_line);
    c->log_line = 0;
}

void core_flush_logs(wse *m) {
    if (!atomic_load_explicit(&m->cores->any_logged, memory_order_acquire)) return;
    atomic_store_explicit(&m->cores->any_logged, 0, memory_order_relaxed);
    for (uint32_t word = 0; word < (m->pes + 63) / 64; word++) {
        uint64_t set = atomic_exchange_explicit(&m->cores->logged[word], 0, memory_order_relaxed);
        for (; set; set &= set - 1) core_flush_log(m, word * 64 + (uint32_t)__builtin_ctzll(set));
    }
}
