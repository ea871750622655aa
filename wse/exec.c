/* The main thread's scalar instructions.
 *
 * One switch over predecoded instructions. The thread runs ahead of the clock until an instruction needs the fabric,
 * the log or a microthread, and at most CORE_AHEAD_CYCLES; while a microthread is alive, only over instructions that
 * touch registers alone. Any other is left at c->pc and executed when the clock has come to c->time. A faulting
 * instruction is treated the same way, before it has had an effect.
 */
#include "isa/config.h"
#include "wse/core_internal.h"
#include "wse/debug.h"
#include "wse/core_float.h"

typedef enum { NEXT, JUMP, SYNC, STALL, STOP, WRONG } outcome; /* JUMP: pc is set; STOP: state has changed */

typedef struct {
    wse *m;
    core *c;
    const core_program *q;
    uint16_t *memory;
    const char *why; /* WRONG: the message, with `value` and `text` */
    uint64_t now;
    uint32_t pe, value;
    isa_fp16 fp16;
} frame;

static outcome wrong(frame *f, const char *why, uint32_t value) {
    f->why = why;
    f->value = value;
    return WRONG;
}

static void fault_text(frame *f) {
    const isa_program *p = f->q->p;
    core *c = f->c;
    const core_instr *in = &f->q->code[c->pc];
    if (in->op == ISA_ASSERT || in->op == ISA_TRAP) {
        const char *text = in->imm < p->string_count ? p->strings[in->imm] : NULL;
        core_fault(f->m, f->pe, c, c->time, c->pc, "%s%s%s", f->why, text ? ": " : "", text ? text : "");
    } else {
        core_fault(f->m, f->pe, c, c->time, c->pc, "%s (%u)", f->why, f->value);
    }
}

/* ---- random numbers, time ---- */

/* x^23 + x^18 + 1, 128 bits per sample: 18 bits at a time, since no new bit depends on another of the same 18. */
static uint32_t prng_sample(core *c) {
    uint32_t s = c->prng[c->prng_active];
    for (int k = 0; k < 7; k++) s = (s << 18 | ((s >> 5 ^ s) & 0x3ffff)) & 0x7fffff;
    s = (s << 2 | ((s >> 21 ^ s >> 16) & 3)) & 0x7fffff;
    c->prng[c->prng_active] = s;
    return s & 0xffff;
}

static uint32_t time_stamp(core *c, uint32_t word) {
    if (word == 0) {
        uint64_t t = c->tsc_on ? c->time - c->tsc : c->tsc;
        c->tsc_latch = (uint32_t)(t >> 16);
        return t & 0xffff;
    }
    return word == 1 ? c->tsc_latch & 0xffff : c->tsc_latch >> 16;
}

static void time_control(core *c, uint32_t what) {
    if (what == 0 && c->tsc_on) c->tsc = c->time - c->tsc;
    if (what == 0) c->tsc_on = false;
    if (what == 1) c->tsc_on = true;
    if (what != 0) c->tsc = c->tsc_on ? c->time : 0;
}

/* ---- memory, stack ---- */

static inline bool inside(uint32_t address, uint32_t words) { return address <= ISA_SRAM_WORDS - words; }

/* Pointers reach the configuration space as well (public programs poke color words through them): one word, or two for 32 bits. */
static outcome poke(frame *f, const core_instr *in, uint32_t address, bool is_store) {
    core *c = f->c;
    bool wide = in->op == ISA_LD32 || in->op == ISA_ST32;
    uint32_t low = 0, high = 0;
    if (address < ISA_CFG_FIRST || address + wide > ISA_CFG_LAST)
        return wrong(f, is_store ? "store outside the memory: address" : "load outside the memory: address", address);
    if (c->time > f->now) return SYNC;
    bool ok = is_store ? core_config_write(f->m, f->pe, c, address, c->r[in->d] & 0xffff, f->now) &&
                             (!wide || core_config_write(f->m, f->pe, c, address + 1, c->r[in->d] >> 16, f->now))
                       : core_config_read(f->m, f->pe, c, address, &low) &&
                             (!wide || core_config_read(f->m, f->pe, c, address + 1, &high));
    if (!ok) return wrong(f, "no such configuration word", address);
    if (!is_store) c->r[in->d] = in->op == ISA_LD16S ? (uint32_t)(int16_t)low : low | high << 16;
    return NEXT;
}

static inline outcome load(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t address = (c->r[in->a] + in->imm) & 0xffff;
    if (!inside(address, in->op == ISA_LD32 ? 2 : 1)) return poke(f, in, address, false);
    const uint16_t *p = f->memory + address;
    c->r[in->d] = in->op == ISA_LD16U   ? p[0]
                  : in->op == ISA_LD16S ? (uint32_t)(int16_t)p[0]
                                        : p[0] | (uint32_t)p[1] << 16;
    c->n[CORE_N_sram_words_read] += in->op == ISA_LD32 ? 2 : 1;
    return NEXT;
}

static inline outcome store(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t address = (c->r[in->a] + in->imm) & 0xffff;
    if (!inside(address, in->op == ISA_ST32 ? 2 : 1)) return poke(f, in, address, true);
    f->memory[address] = (uint16_t)c->r[in->d];
    if (in->op == ISA_ST32) f->memory[address + 1] = (uint16_t)(c->r[in->d] >> 16);
    c->n[CORE_N_sram_words_written] += in->op == ISA_ST32 ? 2 : 1;
    return NEXT;
}

static bool stack_ok(const frame *f, uint32_t sp) { return sp >= f->q->p->used_words && sp <= ISA_SRAM_WORDS; }

static outcome call(frame *f, uint32_t target) {
    uint32_t sp = f->c->r[ISA_REG_SP] - 1;
    if (!stack_ok(f, sp)) return wrong(f, "stack overflow: the stack has grown into the data at word", sp);
    if (target >= f->q->p->code_count) return wrong(f, "call of no function: instruction", target);
    f->memory[sp] = (uint16_t)(f->c->pc + 1);
    f->c->n[CORE_N_sram_words_written]++;
    f->c->r[ISA_REG_SP] = sp;
    f->c->pc = target;
    return JUMP;
}

static outcome ret(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t sp = c->r[ISA_REG_SP];
    if (sp >= ISA_SRAM_WORDS) return wrong(f, "return from an empty stack: stack pointer", sp);
    uint32_t target = f->memory[sp];
    if (target == CORE_RETURN_HANDLER && c->in_handler) {
        if (c->time > f->now) return SYNC; /* the next handler looks at the fabric */
        c->time += in->cycles;
        task_handler_return(f->m, f->pe, c, c->time);
        return STOP;
    }
    if (target >= f->q->p->code_count) return wrong(f, "return to no instruction", target);
    c->n[CORE_N_sram_words_read]++;
    c->r[ISA_REG_SP] = sp + 1;
    c->pc = target;
    return JUMP;
}

/* ---- scheduler, configuration, log ---- */

static outcome schedule(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t id = in->a == CORE_ZERO ? in->imm : c->r[in->a];
    uint32_t limit = in->op == ISA_BLOCKUT || in->op == ISA_UNBLOCKUT ? 8 : ISA_TASKS;
    if (id >= limit) return wrong(f, "no such task or microthread", id);
    switch (in->op) {
    case ISA_ACTIVATE: task_activate(c, (int)id); break;
    case ISA_BLOCK: c->blocked |= 1ull << id; break;
    case ISA_UNBLOCK: task_unblock(c, (int)id, c->time); break;
    case ISA_BLOCKUT: c->ut_blocked |= (uint8_t)(1u << id); break;
    default:
        c->ut_blocked &= (uint8_t) ~(1u << id);
        c->poke = true;
        break;
    }
    return NEXT;
}

static outcome flush(frame *f, const core_instr *in) {
    uint32_t q = in->a == CORE_ZERO ? in->imm : f->c->r[in->a];
    if (f->c->time > f->now) return SYNC;
    if (q >= f->m->wafer->out_queues) return wrong(f, "no such output queue", q);
    f->c->flushing |= (uint8_t)(1u << q);
    return NEXT;
}

static outcome configuration(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t address = (c->r[in->a] + in->imm) & 0xffff;
    if (c->time > f->now) return SYNC;
    bool ok = in->op == ISA_LDCFG ? core_config_read(f->m, f->pe, c, address, &c->r[in->d])
                                  : core_config_write(f->m, f->pe, c, address, c->r[in->d], f->now);
    return ok ? NEXT : wrong(f, "no such configuration word", address);
}

static outcome print(frame *f, const core_instr *in) {
    const isa_program *p = f->q->p;
    uint32_t text = in->imm >> 8;
    if (f->c->time > f->now) return SYNC;
    core_print(f->m, f->pe, f->c, f->c->time, in->imm & 255, text < p->string_count ? p->strings[text] : "",
               f->c->r[in->a]);
    return NEXT;
}

/* ---- vector state ---- */

static outcome load_dsr(frame *f, const core_instr *in) {
    core_dsr *r = &f->m->cores->dsrs[f->c->dsrs + in->d];
    const isa_program *p = f->q->p;
    uint32_t settings = in->op == ISA_LDDSR ? in->imm >> 16 : in->imm & 0xffff;
    if (settings >= p->settings_count) return wrong(f, "no such settings", settings);
    if (in->op == ISA_LDDSR && (in->imm & 0xffff) >= p->descriptor_count)
        return wrong(f, "no such descriptor", in->imm & 0xffff);
    r->value = in->op == ISA_LDDSR ? p->descriptors[in->imm & 0xffff] : f->c->r[in->a] | (uint64_t)f->c->r[in->b] << 32;
    r->position = 0;
    r->settings = (uint16_t)settings;
    r->loaded = true;
    f->c->dsr_loaded_at = f->c->time + in->cycles;
    return NEXT;
}

static outcome dsr_step(frame *f, const core_instr *in) {
    core *c = f->c;
    uint8_t before = c->stall;
    uint32_t value;
    c->stall = CORE_WAIT_NONE;
    dsr_result r = in->op == ISA_DSRGET ? dsr_get(f->m, f->pe, c, in->a, in->imm, &value, f->now)
                                        : dsr_put(f->m, f->pe, c, in->d, in->imm, c->r[in->a], f->now);
    if (r == DSR_FAULT) return STOP;
    if (r == DSR_SYNC) return SYNC;
    if (r == DSR_WAIT) {
        if (!before) c->stalled_since = f->now;
        return STALL;
    }
    if (before) { /* it waited: what comes now issues now */
        if (f->m->trace)
            trace_wait(f->m, (wse_event){.begin = c->stalled_since,
                                         .end = f->now,
                                         .pe = f->pe,
                                         .pc = c->pc,
                                         .what = before,
                                         .on = c->stall_on});
        c->n[before == CORE_WAIT_OUTPUT ? CORE_N_output_wait_cycles : CORE_N_input_wait_cycles] +=
            f->now - c->stalled_since;
        c->time = f->now;
    }
    if (in->op == ISA_DSRGET) c->r[in->d] = value;
    c->poke |= c->alive != 0;
    return NEXT;
}

static outcome fifo_length(frame *f, const core_instr *in) {
    uint32_t fifo = in->imm & 0xff;
    if (fifo >= f->q->p->fifo_count) return wrong(f, "no such FIFO", fifo);
    f->m->cores->fifos[f->c->fifos + fifo].length[in->imm >> 8 & 1] = (uint16_t)f->c->r[in->a];
    return NEXT;
}

static outcome vector(frame *f, const core_instr *in) {
    switch (vector_issue(f->m, f->pe, f->c, in, f->now)) {
    case VECTOR_DONE:
        f->c->pc++;
        return f->c->alive ? STOP : JUMP; /* a microthread may have begun: back to the clock */
    case VECTOR_STARTED: f->c->pc++; return STOP;
    case VECTOR_SYNC: return SYNC;
    default: return STOP;
    }
}

/* ---- the instructions ---- */

static inline float sf(uint32_t u) { return f32_from_bits(u); }
static inline uint32_t div_u(uint32_t a, uint32_t b) { return b ? a / b : UINT32_MAX; }
static inline uint32_t rem_u(uint32_t a, uint32_t b) { return b ? a % b : a; }
static inline uint32_t div_s(int32_t a, int32_t b) {
    if (!b) return UINT32_MAX;
    return b == -1 ? 0u - (uint32_t)a : (uint32_t)(a / b);
}
static inline uint32_t rem_s(int32_t a, int32_t b) {
    if (!b) return (uint32_t)a;
    return b == -1 ? 0 : (uint32_t)(a % b);
}
static inline uint32_t shl(uint32_t a, uint32_t n) { return n > 31 ? 0 : a << n; }
static inline uint32_t shr(uint32_t a, uint32_t n) { return n > 31 ? 0 : a >> n; }
static inline uint32_t sar(uint32_t a, uint32_t n) { return (uint32_t)((int32_t)a >> (n > 31 ? 31 : n)); }
static inline uint32_t ext_u(uint32_t a, uint32_t bits) { return bits > 31 ? a : a & ((1u << bits) - 1); }
static inline uint32_t ext_s(uint32_t a, uint32_t bits) {
    return bits > 31 || !bits ? a : (uint32_t)((int32_t)(a << (32 - bits)) >> (32 - bits));
}
static inline uint32_t u16(uint32_t v) { return v & 0xffff; }
static inline uint32_t s16(uint32_t v) { return (uint32_t)(int16_t)v; }
static float as_float(double v) { return odd_float(v); } /* an integer on its way to 16 bits */

#define IF(condition)                                                                                                  \
    do {                                                                                                               \
        if (condition) {                                                                                               \
            c->pc = in->imm;                                                                                           \
            return JUMP;                                                                                               \
        }                                                                                                              \
        return NEXT;                                                                                                   \
    } while (0)

/* One instruction at c->time. Its cycles are the caller's, except for vector instructions. */
static inline __attribute__((always_inline)) outcome execute(frame *f, const core_instr *in) {
    core *c = f->c;
    uint32_t *r = c->r, a = r[in->a & 31], b = r[in->b & 31], *d = &r[in->d & 31], imm = in->imm;
    isa_fp16 h = f->fp16;
    switch (in->op) {
    case ISA_NOP: return NEXT;
    case ISA_MOV: *d = a; return NEXT;
    case ISA_MOVI: *d = imm; return NEXT;
    case ISA_SEL: *d = r[imm & 15] ? a : b; return NEXT;
    case ISA_ADD: *d = a + b; return NEXT;
    case ISA_ADD_U16: *d = u16(a + b); return NEXT;
    case ISA_ADD_S16: *d = s16(a + b); return NEXT;
    case ISA_ADDI: *d = a + imm; return NEXT;
    case ISA_ADDI_U16: *d = u16(a + imm); return NEXT;
    case ISA_ADDI_S16: *d = s16(a + imm); return NEXT;
    case ISA_SUB: *d = a - b; return NEXT;
    case ISA_SUB_U16: *d = u16(a - b); return NEXT;
    case ISA_SUB_S16: *d = s16(a - b); return NEXT;
    case ISA_MUL: *d = a * b; return NEXT;
    case ISA_MUL_U16: *d = u16(a * b); return NEXT;
    case ISA_MUL_S16: *d = s16(a * b); return NEXT;
    case ISA_MULHU: *d = (uint32_t)((uint64_t)a * b >> 32); return NEXT;
    case ISA_DIVU: *d = div_u(a, b); return NEXT;
    case ISA_DIVS: *d = div_s((int32_t)a, (int32_t)b); return NEXT;
    case ISA_REMU: *d = rem_u(a, b); return NEXT;
    case ISA_REMS: *d = rem_s((int32_t)a, (int32_t)b); return NEXT;
    case ISA_AND: *d = a & b; return NEXT;
    case ISA_OR: *d = a | b; return NEXT;
    case ISA_XOR: *d = a ^ b; return NEXT;
    case ISA_ANDI: *d = a & imm; return NEXT;
    case ISA_ORI: *d = a | imm; return NEXT;
    case ISA_XORI: *d = a ^ imm; return NEXT;
    case ISA_SHL: *d = shl(a, b); return NEXT;
    case ISA_SHR: *d = shr(a, b); return NEXT;
    case ISA_SAR: *d = sar(a, b); return NEXT;
    case ISA_SHLI: *d = shl(a, imm); return NEXT;
    case ISA_SHRI: *d = shr(a, imm); return NEXT;
    case ISA_SARI: *d = sar(a, imm); return NEXT;
    case ISA_EXTU: *d = ext_u(a, imm); return NEXT;
    case ISA_EXTS: *d = ext_s(a, imm); return NEXT;
    case ISA_CLZ16: *d = u16(a) ? (uint32_t)__builtin_clz(u16(a)) - 16 : 16; return NEXT;
    case ISA_CTZ16: *d = (uint32_t)__builtin_ctz(a | 0x10000); return NEXT;
    case ISA_POPC16: *d = (uint32_t)__builtin_popcount(u16(a)); return NEXT;
    case ISA_SEQ: *d = a == b; return NEXT;
    case ISA_SNE: *d = a != b; return NEXT;
    case ISA_SLT: *d = (int32_t)a < (int32_t)b; return NEXT;
    case ISA_SLE: *d = (int32_t)a <= (int32_t)b; return NEXT;
    case ISA_SLTU: *d = a < b; return NEXT;
    case ISA_SLEU: *d = a <= b; return NEXT;

    case ISA_FADD_S: *d = s_bits(sf(a) + sf(b)); return NEXT;
    case ISA_FSUB_S: *d = s_bits(sf(a) - sf(b)); return NEXT;
    case ISA_FMUL_S: *d = s_bits(sf(a) * sf(b)); return NEXT;
    case ISA_FDIV_S: *d = s_bits(sf(a) / sf(b)); return NEXT;
    case ISA_FSQRT_S: *d = s_bits(sqrtf(sf(a))); return NEXT;
    case ISA_FADD_H: *d = h_bits(h_float(a, h) + h_float(b, h), h); return NEXT;
    case ISA_FSUB_H: *d = h_bits(h_float(a, h) - h_float(b, h), h); return NEXT;
    case ISA_FMUL_H: *d = h_bits(h_float(a, h) * h_float(b, h), h); return NEXT;
    case ISA_FDIV_H: *d = h_bits(h_float(a, h) / h_float(b, h), h); return NEXT;
    case ISA_FSQRT_H: *d = h_bits(sqrtf(h_float(a, h)), h); return NEXT;
    case ISA_FSEQ_S: *d = sf(a) == sf(b); return NEXT;
    case ISA_FSLT_S: *d = sf(a) < sf(b); return NEXT;
    case ISA_FSLE_S: *d = sf(a) <= sf(b); return NEXT;
    case ISA_FSEQ_H: *d = h_float(a, h) == h_float(b, h); return NEXT;
    case ISA_FSLT_H: *d = h_float(a, h) < h_float(b, h); return NEXT;
    case ISA_FSLE_H: *d = h_float(a, h) <= h_float(b, h); return NEXT;
    case ISA_H2S: *d = s_bits(h_float(a, h)); return NEXT;
    case ISA_S2H: *d = h_bits(sf(a), h); return NEXT;
    case ISA_I2S: *d = s_bits((float)(int32_t)a); return NEXT;
    case ISA_U2S: *d = s_bits((float)a); return NEXT;
    case ISA_S2I: *d = (uint32_t)s_int(sf(a), INT32_MIN, INT32_MAX); return NEXT;
    case ISA_S2U: *d = s_uint(sf(a)); return NEXT;
    case ISA_I2H: *d = h_bits(as_float((int32_t)a), h); return NEXT;
    case ISA_U2H: *d = h_bits(as_float(a), h); return NEXT;
    case ISA_H2I: *d = (uint32_t)s_int(h_float(a, h), INT32_MIN, INT32_MAX); return NEXT;
    case ISA_H2U: *d = s_uint(h_float(a, h)); return NEXT;
    case ISA_FSCALE_S: *d = s_bits(s_scale(sf(a), (int32_t)b)); return NEXT;
    case ISA_FSCALE_H: *d = h_bits(s_scale(h_float(a, h), (int32_t)b), h); return NEXT;

    case ISA_LD16U:
    case ISA_LD16S:
    case ISA_LD32: return load(f, in);
    case ISA_ST16:
    case ISA_ST32: return store(f, in);
    case ISA_LDCFG:
    case ISA_STCFG: return configuration(f, in);

    case ISA_JMP: c->pc = imm; return JUMP;
    case ISA_BEQ: IF(a == b);
    case ISA_BNE: IF(a != b);
    case ISA_BLT: IF((int32_t)a < (int32_t)b);
    case ISA_BLE: IF((int32_t)a <= (int32_t)b);
    case ISA_BLTU: IF(a < b);
    case ISA_BLEU: IF(a <= b);
    case ISA_BZ: IF(a == 0);
    case ISA_BNZ: IF(a != 0);
    case ISA_LOOP:
        if (!--*d) return NEXT;
        c->pc = imm;
        return JUMP;
    case ISA_CALL: return call(f, imm);
    case ISA_CALLR: return call(f, a);
    case ISA_RET: return ret(f, in);
    case ISA_END:
        c->state = MAIN_IDLE;
        c->time += in->cycles;
        return STOP;

    case ISA_ACTIVATE:
    case ISA_BLOCK:
    case ISA_UNBLOCK:
    case ISA_BLOCKUT:
    case ISA_UNBLOCKUT: return schedule(f, in);
    case ISA_FLUSH: return flush(f, in);
    case ISA_TSC: *d = time_stamp(c, imm); return NEXT;
    case ISA_TSCCTL: time_control(c, imm); return NEXT;
    case ISA_PRNG: *d = prng_sample(c); return NEXT;
    case ISA_PRNGSET: c->prng_active = (in->a == CORE_ZERO ? imm : a) % CORE_PRNGS; return NEXT;
    case ISA_ASSERT: return a ? NEXT : wrong(f, "assertion failed", 0);
    case ISA_TRAP: return wrong(f, "unreachable code was reached", 0);
    case ISA_PRINT: return print(f, in);

    case ISA_LDDSR:
    case ISA_LDDSRR: return load_dsr(f, in);
    case ISA_DSRGET:
    case ISA_DSRPUT: return dsr_step(f, in);
    case ISA_DSDOK: *d = c->vector_ok; return NEXT;
    case ISA_FIFOLEN: return fifo_length(f, in);

    case CORE_OP_ADDI_SP:
        if (!stack_ok(f, a + imm))
            return wrong(f, "stack overflow: the stack has grown into the data at word", a + imm);
        *d = a + imm;
        return NEXT;
    case CORE_OP_OUTSIDE: return wrong(f, "ran past the last instruction", c->pc);
    default: return wrong(f, "no such instruction", in->op);
    }
}

typedef struct {
    uint64_t instructions, by_energy[ISA_ENERGIES];
} tally;

static void add_tally(core *c, const tally *t) {
    c->n[CORE_N_instructions] += t->instructions;
    c->n[CORE_N_int_ops] += t->by_energy[ISA_E_INT];
    c->n[CORE_N_fp16_ops] += t->by_energy[ISA_E_FP16];
    c->n[CORE_N_fp32_ops] += t->by_energy[ISA_E_FP32];
}

/* Cycles of an instruction that is done; a taken branch and the landing on an instruction that would else wait for a
 * float differ. */
static uint64_t jump_cycles(const frame *f, const core_instr *in) {
    if (in->op == ISA_LOOP) return in->cycles;
    uint64_t cycles = isa_ops[in->op].timing == ISA_TIME_BRANCH ? f->m->wafer->branch_taken_cycles : in->cycles;
    cycles += isa_ops[in->op].timing == ISA_TIME_BRANCH ? in->extra : 0;
    return cycles ? cycles : 1;
}

/* `costs`: NULL where the compiler can see it, so that a run without a profile does not ask at every instruction; so is
 * `looked_at`: a debugger, who keeps the core at the clock, or checks look before each instruction. */
static inline __attribute__((always_inline)) void run(wse *m, uint32_t pe, core *c, uint64_t now, wse_cost *costs,
                                                      bool looked_at) {
    frame f = {.m = m, .c = c, .q = core_program_of(m, pe), .memory = wse_words(m, pe), .now = now, .pe = pe};
    tally t = {0};
    uint64_t begin = c->time;
    f.fp16 = f.q->p->fp16;
    outcome o = NEXT;
    for (uint32_t zero_cost = 0; zero_cost < CORE_AHEAD_CYCLES; zero_cost++) {
        const core_instr *in = &f.q->code[c->pc];
        if (c->time >= begin + CORE_AHEAD_CYCLES || (c->alive && c->time > now && !in->alone)) break;
        if (looked_at && m->debug && (c->time > now || !debug_instruction(m, pe, c->pc, c->stall))) break;
        if (looked_at && m->check) check_instruction(m, pe, c, in);
        bool is_vector = in->op >= ISA_DSD_FIRST;
        uint64_t issued = c->time;
        o = is_vector ? vector(&f, in) : execute(&f, in);
        if (o == NEXT) {
            c->time += (uint64_t)(in->cycles - (c->landed ? in->extra : 0));
            c->pc++;
            c->landed = false;
        } else if (o == JUMP && is_vector) {
            c->landed = false;
        } else if (o == JUMP) {
            c->time += jump_cycles(&f, in) - (c->landed ? in->extra : 0);
            c->landed = true;
        } else {
            if (o == STOP && in->op == ISA_END) {
                t.instructions++;
                if (m->trace) trace_task_end(m, pe, c->time);
            }
            if (costs && o == STOP && c->time > issued) trace_issued(&costs[in - f.q->code], c->time - issued);
            break;
        }
        if (costs) trace_issued(&costs[in - f.q->code], c->time - issued);
        if (is_vector) continue;
        t.instructions++;
        t.by_energy[in->energy]++;
    }
    if (o == WRONG && c->time <= now) fault_text(&f);
    add_tally(c, &t);
    core_busy(c, begin, c->time);
}

static __attribute__((noinline)) void run_profiled(wse *m, uint32_t pe, core *c, uint64_t now) {
    run(m, pe, c, now, trace_costs(m, pe), false);
}

static __attribute__((noinline)) void run_looked_at(wse *m, uint32_t pe, core *c, uint64_t now) {
    run(m, pe, c, now, m->trace ? trace_costs(m, pe) : NULL, true);
}

void core_exec(wse *m, uint32_t pe, core *c, uint64_t now) {
    if (!m->looked_at) run(m, pe, c, now, NULL, false);
    else if (m->debug || m->check) run_looked_at(m, pe, c, now);
    else run_profiled(m, pe, c, now);
}
