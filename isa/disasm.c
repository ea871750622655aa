/* Instructions as text, one line each, without its end: for --dump=code, traces and messages.
 *
 *     add r1, r2, r3        ld16u r1, [sp+2]        lddsr s1.0, mem1d 40 x16 step 1        fmacs d0, s0.0, s1.0, r3
 * .async
 *
 * DSRs: d3 of the destination file, s0.3 and s1.3 of the two source files. Anything may be printed, also what
 * isa_image_check would refuse: its messages come through here. */
#include "isa/isa.h"

static void add_reg(strbuf *out, uint32_t r) {
    if (r == ISA_REG_SP) strbuf_adds(out, "sp");
    else if (r == ISA_NO_REG) strbuf_adds(out, "-");
    else if (r < ISA_REGS) strbuf_addf(out, "r%u", r);
    else strbuf_addf(out, "?%u", r);
}

static void add_operand(strbuf *out, uint8_t o) {
    static const char *const files[] = {"d", "s0.", "s1."};
    uint32_t i = ISA_DSR_INDEX(o);
    if (!ISA_IS_DSR(o)) add_reg(out, o);
    else if (i < 3 * ISA_DSRS) strbuf_addf(out, "%s%u", files[i / ISA_DSRS], i % ISA_DSRS);
    else strbuf_addf(out, "?%u", o);
}

static void add_string(const isa_program *p, uint32_t i, strbuf *out) {
    if (i < p->string_count) strbuf_add_json(out, str_from(p->strings[i]));
    else strbuf_adds(out, "\"\"");
}

static void add_descriptor(const isa_program *p, uint32_t i, strbuf *out) {
    static const char *const kinds[] = {"mem1d", "mem4d", "circbuf", "fabin", "fabout", "fifo"};
    if (i >= p->descriptor_count) {
        strbuf_addf(out, "descriptor ?%u", i);
        return;
    }
    isa_dsd d = p->descriptors[i];
    uint32_t low = d & 0xffff, length = d >> 16 & 0xffff, shape = (uint32_t)(d >> 48);
    int stride = (int16_t)(d >> 32 & 0xffff);
    uint32_t kind = shape < p->shape_count ? p->shapes[shape].kind : UINT32_MAX;
    strbuf_adds(out, kind <= ISA_FIFO ? kinds[kind] : "?");
    if (kind == ISA_FABIN || kind == ISA_FABOUT) strbuf_addf(out, " queue %u color %u", low & 0xff, low >> 8);
    else strbuf_addf(out, " %u", low);
    if (length == ISA_ENDLESS) strbuf_adds(out, " endless");
    else strbuf_addf(out, " x%u", length);
    if (kind == ISA_MEM1D) strbuf_addf(out, " step %d", stride);
    if (shape > ISA_FIFO) strbuf_addf(out, " shape %u", shape);
}

static void add_id(strbuf *out, const char *name, int id) {
    if (id >= 0) strbuf_addf(out, " .%s=%d", name, id);
}

static void add_settings(const isa_program *p, uint32_t i, strbuf *out) {
    if (!i) return;
    if (i >= p->settings_count) {
        strbuf_addf(out, " .settings=?%u", i);
        return;
    }
    const isa_settings *s = &p->settings[i];
    if (s->async) strbuf_adds(out, " .async");
    add_id(out, "activate", s->activate);
    add_id(out, "unblock", s->unblock);
    add_id(out, "unblock_queue", s->unblock_queue);
    if (s->control_terminate) strbuf_adds(out, " .on_control=terminate");
    add_id(out, "on_control_activate", s->control_activate);
    add_id(out, "on_control_unblock", s->control_unblock);
    add_id(out, "ut", s->ut);
    add_id(out, "priority", s->priority);
    if (s->save_address) strbuf_adds(out, " .save_address");
    if (s->single_step) strbuf_adds(out, " .single_step");
}

/* "op d, s0, s1, scalar": operands that are absent are not printed, so a fill reads "mov16 d0, r3". */
static void add_vector(const isa_program *p, isa_instr in, strbuf *out) {
    uint32_t op = in.op - ISA_DSD_FIRST;
    if (op >= ISA_DSD_OPS) {
        strbuf_addf(out, "?%u", in.op);
        return;
    }
    const uint8_t operands[] = {in.d, in.a, in.b, in.imm >> 16 & 0xff};
    const char *before = " ";
    strbuf_adds(out, isa_dsd_ops[op].builtin);
    for (size_t i = 0; i < 4; i++) {
        if (operands[i] == ISA_NO_REG) continue;
        strbuf_adds(out, before);
        add_operand(out, operands[i]);
        before = ", ";
    }
    if (in.imm >> 24 != ISA_NO_REG) {
        strbuf_adds(out, " .index=");
        add_reg(out, in.imm >> 24);
    }
    add_settings(p, in.imm & 0xffff, out);
}

static void add_print(const isa_program *p, isa_instr in, strbuf *out) {
    static const char *const kinds[] = {"text",  "dec", "hex16", "hex32",  "bin16",
                                        "bin32", "f16", "f32",   "coords", "char"};
    uint32_t kind = in.imm & 0xff;
    strbuf_addf(out, ".%s ", kind <= ISA_PRINT_CHAR ? kinds[kind] : "?");
    if (kind == ISA_PRINT_TEXT) add_string(p, in.imm >> 8, out);
    else add_reg(out, in.a);
}

/* Format AI: mostly "register or number". */
static void add_choice(const isa_program *p, isa_instr in, strbuf *out) {
    if (in.op == ISA_PRINT) {
        add_print(p, in, out);
        return;
    }
    strbuf_addc(out, ' ');
    if (in.a == ISA_NO_REG) strbuf_addf(out, "%u", in.imm);
    else add_reg(out, in.a);
    if (in.op == ISA_ASSERT) {
        strbuf_adds(out, ", ");
        add_string(p, in.imm, out);
    }
    if (in.op == ISA_FIFOLEN) strbuf_addf(out, ", fifo %u %s", in.imm & 0xff, in.imm >> 8 ? "write" : "read");
}

static void add_address(isa_instr in, strbuf *out) {
    strbuf_addc(out, '[');
    if (in.a == ISA_NO_REG) strbuf_addf(out, "%u", in.imm);
    else {
        add_reg(out, in.a);
        if (in.imm) strbuf_addf(out, "%+d", (int32_t)in.imm);
    }
    strbuf_addc(out, ']');
}

/* One letter per operand: d a b registers, D A operands (DSR or register), c register in imm, i number or text, t
 * target, m address, x descriptor and settings. Not operands: w width behind the name, y settings at the end, ?
 * add_choice. */
static const char *const patterns[] = {
    [ISA_FMT_NONE] = "",     [ISA_FMT_D] = "d",      [ISA_FMT_DA] = "da",    [ISA_FMT_DAB] = "dab",
    [ISA_FMT_DABC] = "dabc", [ISA_FMT_DAI] = "dai",  [ISA_FMT_DI] = "di",    [ISA_FMT_I] = "i",
    [ISA_FMT_AI] = "?",      [ISA_FMT_LD] = "dm",    [ISA_FMT_ST] = "md",    [ISA_FMT_J] = "t",
    [ISA_FMT_ABJ] = "abt",   [ISA_FMT_AJ] = "at",    [ISA_FMT_AJR] = "a",    [ISA_FMT_DSRI] = "Dx",
    [ISA_FMT_DSRR] = "Daby", [ISA_FMT_DSRG] = "wdA", [ISA_FMT_DSRP] = "wDa", [ISA_FMT_DJ] = "dt",
};

static void add_part(const isa_program *p, isa_instr in, char part, strbuf *out) {
    switch (part) {
    case 'd': add_reg(out, in.d); break;
    case 'a': add_reg(out, in.a); break;
    case 'b': add_reg(out, in.b); break;
    case 'c': add_reg(out, in.imm); break;
    case 'D': add_operand(out, in.d); break;
    case 'A': add_operand(out, in.a); break;
    case 'm': add_address(in, out); break;
    case 't': strbuf_addf(out, "%u", in.imm); break;
    case 'i':
        if (in.op == ISA_TRAP) add_string(p, in.imm, out);
        else strbuf_addf(out, "%d", (int32_t)in.imm);
        break;
    case 'x':
        add_descriptor(p, in.imm & 0xffff, out);
        add_settings(p, in.imm >> 16, out);
        break;
    default: break;
    }
}

void isa_disassemble(const isa_program *p, uint32_t index, strbuf *out) {
    if (index >= p->code_count) {
        strbuf_adds(out, "(past the end)");
        return;
    }
    isa_instr in = p->code[index];
    if (in.op >= ISA_SCALAR_OPS) {
        add_vector(p, in, out);
        return;
    }
    const isa_op_fact *f = &isa_ops[in.op];
    const char *pattern = patterns[f->format], *before = " ";
    strbuf_adds(out, f->text);
    if (*pattern == '?') add_choice(p, in, out);
    if (*pattern == 'w') strbuf_addf(out, ".%u", in.imm);
    for (const char *c = pattern; *c; c++) {
        if (strchr("?wy", *c)) continue;
        strbuf_adds(out, before);
        add_part(p, in, *c, out);
        before = ", ";
    }
    if (f->format == ISA_FMT_DSRR) add_settings(p, in.imm, out);
}
