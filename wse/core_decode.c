/* Predecoding: a program's instructions with their cycles, absent registers replaced by the zero register, and DSRs
 * renumbered to the few the program uses, so that a PE's share of the pools is small. Also counts what else the program
 * can use. */
#include "wse/core_internal.h"
#include "base/mem.h"

static uint8_t or_zero(uint8_t reg) { return reg == ISA_NO_REG ? CORE_ZERO : reg; }

static uint8_t slot_of(core_program *q, uint8_t dsr) {
    uint8_t index = ISA_DSR_INDEX(dsr);
    if (index >= 3 * ISA_DSRS) index = 0; /* isa_image_check has refused such a program */
    if (q->dsr_slot[index] == CORE_NO_SLOT) {
        q->slot_file[q->dsr_slots] = index / ISA_DSRS;
        q->dsr_slot[index] = q->dsr_slots++;
    }
    return q->dsr_slot[index];
}
static uint8_t vector_operand(core_program *q, uint8_t name) {
    return ISA_IS_DSR(name) ? (uint8_t)(0x80 | slot_of(q, name)) : name;
}

/* Operands by format; the sources are what a float result of the instruction before may be needed for. */
static void decode_scalar(core_program *q, core_instr *in, uint8_t sources[3]) {
    isa_format f = isa_ops[in->op].format;
    sources[0] = sources[1] = sources[2] = ISA_NO_REG;
    switch (f) {
    case ISA_FMT_DA:
    case ISA_FMT_DAI:
    case ISA_FMT_AJ:
    case ISA_FMT_AJR: sources[0] = in->a; break;
    case ISA_FMT_DABC: sources[2] = (uint8_t)in->imm; /* fall through */
    case ISA_FMT_DAB:
    case ISA_FMT_ABJ: sources[0] = in->a, sources[1] = in->b; break;
    case ISA_FMT_AI:
    case ISA_FMT_LD: in->a = sources[0] = or_zero(in->a); break;
    case ISA_FMT_ST: in->a = sources[0] = or_zero(in->a), sources[1] = in->d; break;
    case ISA_FMT_DJ: sources[0] = in->d; break;
    case ISA_FMT_DSRI: in->d = slot_of(q, in->d); break;
    case ISA_FMT_DSRR: in->d = slot_of(q, in->d), sources[0] = in->a, sources[1] = in->b; break;
    case ISA_FMT_DSRG: in->a = slot_of(q, in->a); break;
    case ISA_FMT_DSRP: in->d = slot_of(q, in->d), sources[0] = in->a; break;
    default: break;
    }
}

static void decode_vector(core_program *q, core_instr *in) {
    in->d = vector_operand(q, in->d);
    in->a = vector_operand(q, in->a);
    in->b = vector_operand(q, in->b);
    q->vops = CORE_THREADS;
}

static uint32_t cycles_of(const isa_wafer *w, const core_instr *in) {
    isa_timing t = isa_ops[in->op].timing;
    uint32_t cycles = w->scalar_cycles[t];
    if (!cycles && t != ISA_TIME_NONE && t != ISA_TIME_LOOP) cycles = 1; /* a loop must take time */
    return cycles;
}

static bool is_alone(uint8_t op) {
    switch (isa_ops[op].timing) {
    case ISA_TIME_LOAD:
    case ISA_TIME_STORE:
    case ISA_TIME_DSRSTEP: return false;
    case ISA_TIME_JUMP: return op == ISA_JMP;
    default: break;
    }
    return op != ISA_ACTIVATE && op != ISA_BLOCK && op != ISA_UNBLOCK && op != ISA_BLOCKUT && op != ISA_UNBLOCKUT &&
           op != ISA_FLUSH && op != ISA_PRINT && op != ISA_FIFOLEN;
}

static void decode_one(const wse *m, core_program *q, uint32_t k) {
    const isa_instr *from = &q->p->code[k];
    core_instr *in = &q->code[k];
    uint8_t sources[3];
    *in = (core_instr){.op = from->op, .d = from->d, .a = from->a, .b = from->b, .imm = from->imm};
    if (from->op >= ISA_DSD_FIRST) {
        decode_vector(q, in);
        return;
    }
    decode_scalar(q, in, sources);
    in->cycles = (uint16_t)cycles_of(m->wafer, in);
    in->energy = (uint8_t)isa_ops[in->op].energy;
    in->alone = is_alone(in->op);
    if (in->op == ISA_PRINT) q->prints = true;
    if (k && q->code[k - 1].op < ISA_SCALAR_OPS && isa_ops[q->code[k - 1].op].timing == ISA_TIME_FPU)
        for (int s = 0; s < 3 && !in->extra; s++)
            if (sources[s] == q->code[k - 1].d) in->extra = (uint8_t)m->wafer->fpu_dependent_cycles;
    in->cycles = (uint16_t)(in->cycles + in->extra);
}

/* Loops that the hardware counts may end for nothing, but a round must take time. */
static void time_loop(core_program *q, uint32_t k) {
    core_instr *in = &q->code[k];
    for (uint32_t i = in->imm; i < k; i++)
        if (q->code[i].op < ISA_SCALAR_OPS && q->code[i].cycles) return;
    if (!in->cycles) in->cycles = 1;
}

bool core_decode(wse *m, uint32_t program, core_program *out, diag *d) {
    const isa_program *p = &m->image->programs[program];
    *out = (core_program){.p = p, .code = mem_alloc_n(p->code_count + 1, sizeof *out->code)};
    if (!out->code) return diag_oom(d, "decoded program");
    memset(out->dsr_slot, CORE_NO_SLOT, sizeof out->dsr_slot);
    for (uint32_t k = 0; k < p->code_count; k++) decode_one(m, out, k);
    for (uint32_t i = 0; i < p->dsr_start_count; i++) slot_of(out, p->dsr_starts[i].dsr);
    for (uint32_t k = 0; k < p->code_count; k++)
        if (p->code[k].op == ISA_LOOP) time_loop(out, k);
    for (uint32_t k = 0; k < p->code_count; k++) /* after all have seen their neighbours */
        if (out->code[k].op == ISA_ADDI && out->code[k].d == ISA_REG_SP) out->code[k].op = CORE_OP_ADDI_SP;
    out->code[p->code_count].op = CORE_OP_OUTSIDE;
    for (uint32_t k = 0; k < p->code_count; k++)
        if (p->code[k].op == ISA_DSRGET || p->code[k].op == ISA_DSRPUT) out->vops = CORE_THREADS;
    out->ports = m->image->arch == ISA_WSE3 ? (1u << ISA_QUEUES) - 1 : (1u << ISA_COLORS) - 1;
    return true;
}

void core_program_free(core_program *p) { mem_free(p->code); }

void core_line(const wse *m, uint32_t pe, uint32_t pc, strbuf *out) {
    const isa_program *p = wse_program(m, pe);
    uint32_t low = 0, high = p->line_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->lines[middle].first <= pc) low = middle + 1;
        else high = middle;
    }
    const isa_line *line = low ? &p->lines[low - 1] : NULL;
    if (line && line->source < m->image->source_count)
        strbuf_addf(out, "%s:%u", m->image->sources[line->source], line->line);
    else strbuf_addf(out, "%s, instruction %u", p->name ? p->name : "?", pc);
}
