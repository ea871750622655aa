/* Constants, copies, addresses and conditions, followed through straight code in one walk.
 *
 * For each register the walk knows the operation that made its value (a fact) and what it is a copy of, as long as the
 * operands have not been written since (versions) and no label came between (epochs). A register written once, by a
 * constant, is that constant everywhere. An operation done before gives a copy of its result. Instructions are
 * rewritten in place; what becomes useless is left to cg_dead.
 *
 * Addresses wrap at 16 bits, so additions of all widths may move into the offset of a load or store. */
#include "csl/codegen.h"
#include "isa/config.h"

enum { CONSTANTS = 16, RESULTS = 64, TRIES = 6 };

typedef struct {
    uint32_t epoch, version_a, version_b;
    const cg_ins *by; /* a copy taken when it was seen */
} fact;

typedef struct {
    uint32_t epoch, version;
    ir_reg of;
} copy;

/* An operation whose result a register holds: a second one with the same operands is a copy. */
typedef struct {
    uint32_t epoch, version, version_a, version_b, version_c;
    cg_ins by;
} result;

typedef struct {
    cg_fn *f;
    uint32_t epoch;
    uint32_t *version, *writes;
    fact *facts;
    copy *copies;
    cg_ins **single;
    struct {
        uint32_t value, epoch;
        ir_reg reg;
    } constants[CONSTANTS];
    result results[RESULTS];
} fold;

/* ---- what is known ---- */

/* What made r's value, with operands that still hold; NULL when unknown. */
static const cg_ins *maker(const fold *w, ir_reg r) {
    if (!cg_is_virtual(r)) return NULL;
    const cg_ins *single = w->single[r];
    if (single && (single->op == ISA_MOVI || single->op == IR_FRAME)) return single;
    const fact *k = &w->facts[r];
    if (k->epoch != w->epoch || !k->by) return NULL;
    bool holds =
        (!k->by->a || w->version[k->by->a] == k->version_a) && (!k->by->b || w->version[k->by->b] == k->version_b);
    return holds ? k->by : NULL;
}

static bool constant(const fold *w, ir_reg r, uint32_t *value) {
    const cg_ins *by = maker(w, r);
    if (!by || by->op != ISA_MOVI) return false;
    *value = (uint32_t)by->imm;
    return true;
}

static uint32_t bits_of(uint32_t v) { return v ? 32 - (uint32_t)__builtin_clz(v) : 0; }

/* Upper bound of the bits of an unsigned value; the operation alone tells, whatever became of its operands. */
static uint32_t width(const fold *w, ir_reg r) {
    const cg_ins *by = cg_is_virtual(r) ? w->single[r] : NULL;
    if (!by && cg_is_virtual(r) && w->facts[r].epoch == w->epoch) by = w->facts[r].by;
    if (!by) return 32;
    switch (by->op) {
    case ISA_MOVI:
    case ISA_ANDI: return bits_of((uint32_t)by->imm);
    case ISA_EXTU: return (uint32_t)by->imm;
    case ISA_SHRI: return by->imm >= 0 && by->imm < 32 ? 32 - (uint32_t)by->imm : 0;
    case ISA_SEQ:
    case ISA_SNE:
    case ISA_SLT:
    case ISA_SLE:
    case ISA_SLTU:
    case ISA_SLEU: return 1;
    case ISA_LD16U:
    case ISA_ADD_U16:
    case ISA_ADDI_U16:
    case ISA_SUB_U16:
    case ISA_MUL_U16:
    case IR_FRAME: return 16;
    default: return 32;
    }
}

static bool is_compare(uint16_t op) { return op >= ISA_SEQ && op <= ISA_SLEU; }

/* ---- rewriting ---- */

static bool set_constant(cg_ins *in, uint32_t value) {
    in->op = ISA_MOVI;
    in->a = in->b = in->c = 0;
    in->imm = (int32_t)value;
    return true;
}

static bool set_move(cg_ins *in, ir_reg from) {
    in->op = ISA_MOV;
    in->a = from;
    in->b = in->c = 0;
    in->imm = 0;
    return true;
}

static bool set_immediate(cg_ins *in, uint16_t op, int64_t imm) {
    in->op = op;
    in->b = 0;
    in->imm = imm;
    return true;
}

/* d = a op c for a constant c; powers of two, and what has an immediate form. */
static bool with_constant(cg_ins *in, uint32_t c) {
    bool power = c && !(c & (c - 1));
    uint32_t log2 = power ? (uint32_t)__builtin_ctz(c) : 0;
    switch (in->op) {
    case ISA_SUB: return set_immediate(in, ISA_ADDI, (int32_t)(0u - c));
    case ISA_SUB_U16: return set_immediate(in, ISA_ADDI_U16, (int16_t)(0u - c));
    case ISA_SUB_S16: return set_immediate(in, ISA_ADDI_S16, (int16_t)(0u - c));
    case ISA_MUL: return !c ? set_constant(in, 0) : power && set_immediate(in, ISA_SHLI, log2);
    case ISA_MUL_U16:
    case ISA_MUL_S16:
        if (c != 2) return false;
        in->op = in->op == ISA_MUL_U16 ? ISA_ADD_U16 : ISA_ADD_S16;
        in->b = in->a;
        return true;
    case ISA_DIVU: return power && set_immediate(in, ISA_SHRI, log2);
    case ISA_REMU: return power && set_immediate(in, ISA_ANDI, c - 1);
    default: break;
    }
    uint16_t op = cg_immediate_form(in->op);
    return op != ISA_NOP && set_immediate(in, op, (int32_t)c);
}

static bool is_add(uint16_t op) { return op == ISA_ADDI || op == ISA_ADDI_U16 || op == ISA_ADDI_S16; }

/* Additions of constants join; an address in the frame plus a constant is one. */
static bool join_additions(const fold *w, cg_ins *in) {
    const cg_ins *by = maker(w, in->a);
    if (!by) return false;
    if (by->op == IR_FRAME && in->op != ISA_ADDI_S16) {
        ir_reg d = in->d;
        int64_t imm = by->imm + in->imm;
        *in = *by;
        in->d = d;
        in->imm = (int16_t)imm;
        return true;
    }
    if (by->op != in->op || by->a == in->d) return false;
    in->imm =
        in->op == ISA_ADDI ? (int64_t)(int32_t)((uint32_t)by->imm + (uint32_t)in->imm) : (int16_t)(by->imm + in->imm);
    in->a = by->a;
    return true;
}

/* Immediate forms that change nothing. */
static bool is_identity(const fold *w, const cg_ins *in) {
    uint32_t c = (uint32_t)in->imm, n = width(w, in->a);
    switch (in->op) {
    case ISA_ADDI:
    case ISA_ORI:
    case ISA_XORI:
    case ISA_SHLI:
    case ISA_SHRI:
    case ISA_SARI: return c == 0;
    case ISA_ADDI_U16: return c == 0 && n <= 16;
    case ISA_ADDI_S16: return c == 0 && n < 16;
    case ISA_ANDI: return n < 32 ? !(~c & ((1u << n) - 1)) : c == UINT32_MAX;
    case ISA_EXTU: return n <= c;
    case ISA_EXTS: return n < c;
    default: return false;
    }
}

static bool fold_immediate(const fold *w, cg_ins *in) {
    uint32_t a, out;
    uint16_t op = cg_register_form(in->op);
    if (op == ISA_NOP) return false;
    if (constant(w, in->a, &a) && cg_evaluate(op, a, (uint32_t)in->imm, &out)) return set_constant(in, out);
    if (is_identity(w, in)) return set_move(in, in->a);
    if (in->op == ISA_XORI && in->imm == 1) {
        const cg_ins *by = maker(w, in->a);
        if (by && is_compare(by->op) && by->a != in->d && by->b != in->d) {
            static const uint16_t inverse[] = {ISA_SNE, ISA_SEQ, ISA_SLE, ISA_SLT, ISA_SLEU, ISA_SLTU};
            bool swap = by->op > ISA_SNE;
            in->op = inverse[by->op - ISA_SEQ];
            in->a = swap ? by->b : by->a;
            in->b = swap ? by->a : by->b;
            in->imm = 0;
            return true;
        }
    }
    return is_add(in->op) && join_additions(w, in);
}

static void swap_operands(cg_ins *in) {
    ir_reg a = in->a;
    in->a = in->b;
    in->b = a;
}

static bool fold_binary(const fold *w, cg_ins *in) {
    uint32_t a = 0, b = 0, out;
    bool known_a = constant(w, in->a, &a), known_b = constant(w, in->b, &b);
    if (known_a && known_b) return cg_evaluate(in->op, a, b, &out) && set_constant(in, out);
    if (known_a && cg_commutes(in->op)) {
        swap_operands(in);
        known_a = false, known_b = true, b = a;
    }
    if (!known_b) return false;
    if (!b && in->op == ISA_SNE && width(w, in->a) <= 1) return set_move(in, in->a);
    if (!b && in->op == ISA_SEQ && width(w, in->a) <= 1) return set_immediate(in, ISA_XORI, 1);
    return with_constant(in, b);
}

static bool fold_unary(const fold *w, cg_ins *in) {
    const cg_ins *by = maker(w, in->a);
    if (in->op != ISA_MOV || !by || (by->op != ISA_MOVI && by->op != IR_FRAME)) return false;
    ir_reg d = in->d;
    *in = *by;
    in->d = d;
    return true;
}

/* Absolute addresses are proven when an image is read; a wrong one in code that never runs must stay in a register. */
static bool is_place(uint16_t op, int64_t at) {
    if (op == ISA_LDCFG || op == ISA_STCFG) return at >= ISA_CFG_FIRST && at <= ISA_CFG_LAST;
    return at < ISA_SRAM_WORDS - (op == ISA_LD32 || op == ISA_ST32);
}

/* Base and constant offset become an absolute address, sp and offset, or register and offset. */
static bool fold_address(const fold *w, cg_ins *in) {
    const cg_ins *by = in->a ? maker(w, in->a) : NULL;
    bool config = in->op == ISA_LDCFG || in->op == ISA_STCFG;
    if (!by || in->slot) return false;
    if (by->op == ISA_MOVI) {
        int64_t at = (in->imm + by->imm) & 0xffff;
        if (!is_place(in->op, at)) return false;
        in->imm = at;
        in->a = 0;
        return true;
    }
    if (by->op == IR_FRAME && !config) {
        in->imm = (int16_t)(in->imm + by->imm);
        in->slot = by->slot;
        in->a = CG_SP;
        return true;
    }
    if (!is_add(by->op)) return false;
    in->imm = (int16_t)(in->imm + by->imm);
    in->a = by->a;
    return true;
}

static bool fold_select(const fold *w, cg_ins *in) {
    uint32_t c;
    if (in->a == in->b) return set_move(in, in->a);
    return constant(w, in->c, &c) && set_move(in, c ? in->a : in->b);
}

/* ---- branches ---- */

static bool decide(cg_ins *in, bool taken) {
    in->op = taken ? ISA_JMP : ISA_NOP;
    in->a = in->b = 0;
    return true;
}

static bool set_test(cg_ins *in, uint16_t op, ir_reg a) {
    in->op = op;
    in->a = a;
    in->b = 0;
    return true;
}

static bool fold_test(const fold *w, cg_ins *in) {
    static const uint16_t branches[] = {ISA_BEQ, ISA_BNE, ISA_BLT, ISA_BLE, ISA_BLTU, ISA_BLEU};
    uint32_t a;
    if (constant(w, in->a, &a)) return decide(in, (a == 0) == (in->op == ISA_BZ));
    const cg_ins *by = maker(w, in->a);
    if (!by) return false;
    bool negate = in->op == ISA_BZ;
    if (by->op == ISA_XORI && by->imm == 1 && width(w, by->a) <= 1)
        return set_test(in, negate ? ISA_BNZ : ISA_BZ, by->a);
    if (!is_compare(by->op)) return false;
    in->op = branches[by->op - ISA_SEQ];
    in->a = by->a;
    in->b = by->b;
    if (negate) cg_invert(in);
    return true;
}

static bool fold_compare_branch(const fold *w, cg_ins *in) {
    uint32_t a = 1, b = 1, out;
    bool known_a = constant(w, in->a, &a), known_b = constant(w, in->b, &b);
    if (known_a && known_b) return cg_evaluate(in->op, a, b, &out) && decide(in, out);
    bool zero_a = known_a && !a, zero_b = known_b && !b;
    switch (in->op) {
    case ISA_BEQ:
    case ISA_BNE:
        if (!zero_a && !zero_b) return false;
        return set_test(in, in->op == ISA_BEQ ? ISA_BZ : ISA_BNZ, zero_a ? in->b : in->a);
    case ISA_BLTU: return zero_a && set_test(in, ISA_BNZ, in->b);
    case ISA_BLEU: return zero_b && set_test(in, ISA_BZ, in->a);
    default: return false;
    }
}

/* ---- the walk ---- */

static bool fold_once(const fold *w, cg_ins *in) {
    if (in->op >= ISA_SCALAR_OPS || in->op == ISA_NOP) return false;
    switch (isa_ops[in->op].format) {
    case ISA_FMT_DA: return fold_unary(w, in);
    case ISA_FMT_DAB: return fold_binary(w, in);
    case ISA_FMT_DAI: return fold_immediate(w, in);
    case ISA_FMT_DABC: return fold_select(w, in);
    case ISA_FMT_LD:
    case ISA_FMT_ST: return fold_address(w, in);
    case ISA_FMT_AJ: return fold_test(w, in);
    case ISA_FMT_ABJ: return fold_compare_branch(w, in);
    default: return false;
    }
}

static void use_originals(const fold *w, cg_ins *in) {
    ir_reg *uses[16];
    if (in->early || in->op == ISA_LOOP) return; /* "destination is the first source" must stay what it is */
    for (uint32_t n = cg_uses(in, uses); n--;) {
        if (!cg_is_virtual(*uses[n])) continue;
        const copy *c = &w->copies[*uses[n]];
        if (c->epoch == w->epoch && w->version[c->of] == c->version) *uses[n] = c->of;
    }
}

static bool record(fold *w, const cg_ins *in) {
    ir_reg d = in->d;
    bool readable = cg_is_fixed_value(in) || in->op == ISA_LD16U || in->op == ISA_LD16S;
    if (!readable || in->a == d || in->b == d || in->c == d) return true;
    cg_ins *by = cg_alloc(w->f, 1, sizeof *by);
    if (!by) return false;
    *by = *in;
    fact k = {w->epoch, by->a ? w->version[by->a] : 0, by->b ? w->version[by->b] : 0, by};
    w->facts[d] = k;
    return true;
}

static void record_move(fold *w, ir_reg d, ir_reg s) {
    if (!cg_is_virtual(s) || d == s) return;
    w->facts[d] = w->facts[s];
    bool into_variable = w->writes[s] == 1 && w->writes[d] > 1;
    ir_reg renamed = into_variable ? s : d, of = into_variable ? d : s;
    w->copies[renamed] = (copy){w->epoch, w->version[of], of};
}

/* A constant that a register holds already. */
static void record_constant(fold *w, const cg_ins *in) {
    if (w->writes[in->d] != 1) return;
    uint32_t value = (uint32_t)in->imm, k = value * 0x9E3779B1u >> 28;
    if (w->constants[k].epoch == w->epoch && w->constants[k].value == value) {
        ir_reg of = w->constants[k].reg;
        w->copies[in->d] = (copy){w->epoch, w->version[of], of};
        return;
    }
    w->constants[k].value = value;
    w->constants[k].epoch = w->epoch;
    w->constants[k].reg = in->d;
}

static uint32_t version_of(const fold *w, ir_reg r) { return cg_is_virtual(r) ? w->version[r] : 0; }

static bool may_repeat(const cg_ins *in) {
    bool plain = cg_is_fixed_value(in) && in->op < ISA_SCALAR_OPS && in->op > ISA_MOVI && cg_is_virtual(in->d);
    return plain && in->d != in->a && in->d != in->b && in->d != in->c;
}

static result *result_row(fold *w, const cg_ins *in) {
    uint32_t h =
        in->op * 0x9E3779B1u ^ in->a * 0x85EBCA6Bu ^ in->b * 0xC2B2AE35u ^ in->c ^ (uint32_t)in->imm * 0x27D4EB2Fu;
    return &w->results[(h ^ h >> 15) % RESULTS];
}

static void reuse_result(fold *w, cg_ins *in) {
    if (!may_repeat(in)) return;
    const result *k = result_row(w, in);
    bool same = k->epoch == w->epoch && k->by.op == in->op && k->by.a == in->a && k->by.b == in->b &&
                k->by.c == in->c && k->by.imm == in->imm && k->by.slot == in->slot;
    bool holds = same && w->version[k->by.d] == k->version && version_of(w, in->a) == k->version_a &&
                 version_of(w, in->b) == k->version_b && version_of(w, in->c) == k->version_c;
    if (holds && k->by.d != in->d) set_move(in, k->by.d);
}

static void record_result(fold *w, const cg_ins *in) {
    if (!may_repeat(in)) return;
    *result_row(w, in) =
        (result){w->epoch, w->version[in->d], version_of(w, in->a), version_of(w, in->b), version_of(w, in->c), *in};
}

static bool walk_one(fold *w, cg_ins *in) {
    if (in->op == IR_LABEL) w->epoch++;
    use_originals(w, in);
    for (int i = 0; i < TRIES && fold_once(w, in); i++) use_originals(w, in);
    reuse_result(w, in);
    ir_reg *defs[2];
    for (uint32_t n = cg_defs(in, defs); n--;) {
        w->version[*defs[n]]++;
        w->facts[*defs[n]].epoch = w->copies[*defs[n]].epoch = 0;
    }
    if (!cg_is_pure(in) || !cg_is_virtual(in->d)) return true;
    if (in->op == ISA_MOV) record_move(w, in->d, in->a);
    else if (!record(w, in)) return false;
    record_result(w, in);
    if (in->op == ISA_MOVI) record_constant(w, in);
    return true;
}

bool cg_fold(cg_fn *f) {
    fold w = {.f = f, .epoch = 1, .writes = cg_def_counts(f), .single = cg_single_defs(f)};
    w.version = cg_alloc(f, f->reg_count, sizeof *w.version);
    w.facts = cg_alloc(f, f->reg_count, sizeof *w.facts);
    w.copies = cg_alloc(f, f->reg_count, sizeof *w.copies);
    if (!w.writes || !w.single || !w.version || !w.facts || !w.copies) return false;
    for (uint32_t i = 0; i < f->count; i++)
        if (!walk_one(&w, &f->code[i])) return false;
    return true;
}
