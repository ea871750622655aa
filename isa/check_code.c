/* Proves the instructions of a program: registers, DSRs, targets, table indices, absolute addresses, widths. What is
 * only known at run time (addresses in registers, descriptors built by the program) stays the machine's to check. */
#include "isa/image_check.h"
#include "isa/config.h"
#include <stdarg.h>
#include <stdio.h>

typedef enum { ANY, REG, REG_OR_NONE, DSR, TARGET, WIDTH, LOAD, SETTINGS } operand;

/* What each field must be, by format. Fields that a format does not use may hold anything. */
static const struct {
    operand d, a, b, imm;
} fields[] = {
    [ISA_FMT_D] = {.d = REG},
    [ISA_FMT_DA] = {.d = REG, .a = REG},
    [ISA_FMT_DAB] = {.d = REG, .a = REG, .b = REG},
    [ISA_FMT_DABC] = {.d = REG, .a = REG, .b = REG, .imm = REG},
    [ISA_FMT_DAI] = {.d = REG, .a = REG},
    [ISA_FMT_DI] = {.d = REG},
    [ISA_FMT_AI] = {.a = REG_OR_NONE},
    [ISA_FMT_LD] = {.d = REG, .a = REG_OR_NONE},
    [ISA_FMT_ST] = {.d = REG, .a = REG_OR_NONE},
    [ISA_FMT_J] = {.imm = TARGET},
    [ISA_FMT_ABJ] = {.a = REG, .b = REG, .imm = TARGET},
    [ISA_FMT_AJ] = {.a = REG, .imm = TARGET},
    [ISA_FMT_AJR] = {.a = REG},
    [ISA_FMT_DSRI] = {.d = DSR, .imm = LOAD},
    [ISA_FMT_DSRR] = {.d = DSR, .a = REG, .b = REG, .imm = SETTINGS},
    [ISA_FMT_DJ] = {.d = REG, .imm = TARGET},
    [ISA_FMT_DSRG] = {.d = REG, .a = DSR, .imm = WIDTH},
    [ISA_FMT_DSRP] = {.d = DSR, .a = REG, .imm = WIDTH},
};

/* Immediates that mean something to one instruction only. */
static const struct {
    uint8_t op;
    bool unless_register; /* no matter when `a` is a register */
    uint32_t min, max;
    const char *what;
} ranges[] = {
    {ISA_EXTU, false, 1, 32, "a number of bits, 1 to 32"},
    {ISA_EXTS, false, 1, 32, "a number of bits, 1 to 32"},
    {ISA_ACTIVATE, true, 0, ISA_TASKS - 1, "a task id, 0 to 63"},
    {ISA_BLOCK, true, 0, ISA_TASKS - 1, "a task id, 0 to 63"},
    {ISA_UNBLOCK, true, 0, ISA_TASKS - 1, "a task id, 0 to 63"},
    {ISA_BLOCKUT, true, 0, ISA_QUEUES - 1, "a microthread, 0 to 7"},
    {ISA_UNBLOCKUT, true, 0, ISA_QUEUES - 1, "a microthread, 0 to 7"},
    {ISA_FLUSH, true, 0, ISA_QUEUES - 1, "an output queue, 0 to 7"},
    {ISA_TSC, false, 0, 2, "a word of the counter, 0 to 2"},
    {ISA_TSCCTL, false, 0, 2, "0, 1 or 2"},
    {ISA_LD16U, true, 0, ISA_SRAM_WORDS - 1, "a word address"},
    {ISA_LD16S, true, 0, ISA_SRAM_WORDS - 1, "a word address"},
    {ISA_ST16, true, 0, ISA_SRAM_WORDS - 1, "a word address"},
    {ISA_LD32, true, 0, ISA_SRAM_WORDS - 2, "the word address of 32 bits"},
    {ISA_ST32, true, 0, ISA_SRAM_WORDS - 2, "the word address of 32 bits"},
    {ISA_LDCFG, true, ISA_CFG_FIRST, ISA_CFG_LAST, "an address of the configuration space"},
    {ISA_STCFG, true, ISA_CFG_FIRST, ISA_CFG_LAST, "an address of the configuration space"},
};

static bool bad(const image_check *c, uint32_t index, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool bad(const image_check *c, uint32_t index, const char *fmt, ...) {
    char why[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    strbuf text = {0};
    isa_disassemble(c->p, index, &text);
    check_fails(c, "instruction %u (%.100s): %s", index, text.data ? text.data : "", why);
    strbuf_free(&text);
    return false;
}

static bool is_dsr(uint32_t o) { return o < 256 && ISA_IS_DSR(o) && ISA_DSR_INDEX(o) < 3 * ISA_DSRS && !(o & 0x40); }
static bool is_dest(uint32_t o) { return is_dsr(o) && ISA_DSR_INDEX(o) < ISA_DSRS; }
static bool is_source(uint32_t o) { return is_dsr(o) && !is_dest(o); }
static bool is_reg(uint32_t o) { return o < ISA_REGS; }
static bool is_reg_or_none(uint32_t o) { return is_reg(o) || o == ISA_NO_REG; }

static bool field_is(const image_check *c, uint32_t index, const char *name, operand kind, uint32_t v) {
    const isa_program *p = c->p;
    switch (kind) {
    case ANY: return true;
    case REG: return is_reg(v) || bad(c, index, "%s is %u, which is no register", name, v);
    case REG_OR_NONE: return is_reg_or_none(v) || bad(c, index, "%s is %u, which is no register", name, v);
    case DSR: return is_dsr(v) || bad(c, index, "%s is %u, which names no DSR", name, v);
    case TARGET: return v < p->code_count || bad(c, index, "target %u; the program has %u", v, p->code_count);
    case WIDTH: return v == 16 || v == 32 || bad(c, index, "width %u is not 16 or 32", v);
    case SETTINGS: return v < p->settings_count || bad(c, index, "settings %u of %u", v, p->settings_count);
    case LOAD:
        if ((v & 0xffff) >= p->descriptor_count)
            return bad(c, index, "descriptor %u of %u", v & 0xffff, p->descriptor_count);
        return field_is(c, index, name, SETTINGS, v >> 16);
    }
    return false;
}

static bool string_ok(const image_check *c, uint32_t index, uint32_t string, bool may_lack) {
    bool ok = string < c->p->string_count || (may_lack && string == UINT32_MAX);
    return ok || bad(c, index, "string %u of %u", string, c->p->string_count);
}

static bool print_ok(const image_check *c, uint32_t index, isa_instr in) {
    uint32_t kind = in.imm & 0xff;
    if (kind > ISA_PRINT_CHAR) return bad(c, index, "%u is no kind of print", kind);
    if (kind == ISA_PRINT_TEXT) return string_ok(c, index, in.imm >> 8, false);
    return kind == ISA_PRINT_COORDS || field_is(c, index, "a", REG, in.a);
}

static bool fifolen_ok(const image_check *c, uint32_t index, isa_instr in) {
    if ((in.imm & 0xff) >= c->p->fifo_count) return bad(c, index, "fifo %u of %u", in.imm & 0xff, c->p->fifo_count);
    if (in.imm >> 8 > 1) return bad(c, index, "the end of a fifo is 0 or 1, not %u", in.imm >> 8);
    return field_is(c, index, "a", REG, in.a);
}

static bool meaning_ok(const image_check *c, uint32_t index, isa_instr in) {
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (ranges[i].op != in.op || (ranges[i].unless_register && in.a != ISA_NO_REG)) continue;
        if (in.imm < ranges[i].min || in.imm > ranges[i].max)
            return bad(c, index, "%u is not %s", in.imm, ranges[i].what);
    }
    switch (in.op) {
    case ISA_ASSERT: return field_is(c, index, "a", REG, in.a) && string_ok(c, index, in.imm, true);
    case ISA_TRAP: return string_ok(c, index, in.imm, true);
    case ISA_PRINT: return print_ok(c, index, in);
    case ISA_FIFOLEN: return fifolen_ok(c, index, in);
    default: return true;
    }
}

static bool scalar_ok(const image_check *c, uint32_t index, isa_instr in) {
    isa_format f = isa_ops[in.op].format;
    return field_is(c, index, "d", fields[f].d, in.d) && field_is(c, index, "a", fields[f].a, in.a) &&
           field_is(c, index, "b", fields[f].b, in.b) && field_is(c, index, "imm", fields[f].imm, in.imm) &&
           meaning_ok(c, index, in);
}

/* Operands obey position: destinations in the destination file, sources in a source file; a scalar is a register. */
static bool vector_ok(const image_check *c, uint32_t index, isa_instr in) {
    const isa_dsd_fact *f = &isa_dsd_ops[in.op - ISA_DSD_FIRST];
    uint32_t scalar = in.imm >> 16 & 0xff;
    bool no_d = f->form == ISA_K_FILT, no_b = f->form == ISA_K_SCALE;
    if (no_d ? in.d != ISA_NO_REG : !is_dest(in.d) && !is_reg(in.d)) return bad(c, index, "%u is no destination", in.d);
    if (f->src0_bits ? !is_source(in.a) && !is_reg(in.a) : in.a != ISA_NO_REG)
        return bad(c, index, "%u cannot be its first source", in.a);
    if (!is_reg(in.b) && (no_b || !is_source(in.b))) return bad(c, index, "%u cannot be its second source", in.b);
    if (f->form == ISA_K_MAC ? !is_reg(scalar) : scalar != ISA_NO_REG)
        return bad(c, index, "%u cannot be its scalar", scalar);
    if (!is_reg_or_none(in.imm >> 24)) return bad(c, index, "%u cannot be its index", in.imm >> 24);
    return field_is(c, index, "imm", SETTINGS, in.imm & 0xffff);
}

static bool instruction_ok(const image_check *c, uint32_t index) {
    isa_instr in = c->p->code[index];
    if (in.op < ISA_SCALAR_OPS) return scalar_ok(c, index, in);
    if (in.op >= ISA_DSD_FIRST && in.op < ISA_DSD_FIRST + ISA_DSD_OPS) return vector_ok(c, index, in);
    return bad(c, index, "there is no instruction %u", in.op);
}

/* Execution must not run past the last instruction. */
static bool ends(isa_op op) { return op == ISA_JMP || op == ISA_RET || op == ISA_END || op == ISA_TRAP; }

bool check_code(const image_check *c) {
    const isa_program *p = c->p;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->code_count; i++) {
        if (!instruction_ok(c, i)) return false;
        bytes += isa_instr_bytes(p->code[i]);
    }
    if (bytes > p->code_bytes) return check_fails(c, "code takes %u bytes, not %u", (uint32_t)bytes, p->code_bytes);
    if (p->code_count && !ends((isa_op)p->code[p->code_count - 1].op))
        return bad(c, p->code_count - 1, "the last instruction must be jmp, ret, end or trap");
    return true;
}
