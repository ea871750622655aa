/* Facts of instructions that only code generation asks for: operands, effects, immediate forms, constant evaluation.
 * Tables where isa/ops.def has no column. Float operations are not evaluated here; the front end does so for constants.
 */
#include "csl/codegen.h"

enum { DEF_D = 1, USE_D = 2, USE_A = 4, USE_B = 8, USE_C = 16 };

static const uint8_t format_operands[] = {
    [ISA_FMT_NONE] = 0,
    [ISA_FMT_D] = DEF_D,
    [ISA_FMT_DA] = DEF_D | USE_A,
    [ISA_FMT_DAB] = DEF_D | USE_A | USE_B,
    [ISA_FMT_DABC] = DEF_D | USE_A | USE_B | USE_C,
    [ISA_FMT_DAI] = DEF_D | USE_A,
    [ISA_FMT_DI] = DEF_D,
    [ISA_FMT_I] = 0,
    [ISA_FMT_AI] = USE_A,
    [ISA_FMT_LD] = DEF_D | USE_A,
    [ISA_FMT_ST] = USE_D | USE_A,
    [ISA_FMT_J] = 0,
    [ISA_FMT_ABJ] = USE_A | USE_B,
    [ISA_FMT_AJ] = USE_A,
    [ISA_FMT_AJR] = USE_A,
    [ISA_FMT_DSRI] = 0,
    [ISA_FMT_DSRR] = USE_A | USE_B,
    [ISA_FMT_DSRG] = DEF_D,
    [ISA_FMT_DSRP] = USE_A,
    [ISA_FMT_DJ] = DEF_D | USE_D,
};

bool cg_is_vector(uint16_t op) { return op >= ISA_DSD_FIRST && op < IR_LABEL; }

static uint32_t operands_of(const cg_ins *in) {
    if (in->op < ISA_SCALAR_OPS) return format_operands[isa_ops[in->op].format];
    if (cg_is_vector(in->op)) return DEF_D | (in->reads_d ? USE_D : 0) | USE_A | USE_B | USE_C;
    switch (in->op) {
    case IR_FRAME:
    case IR_FN_ADDRESS:
    case IR_ARG: return DEF_D;
    case IR_COPY:
    case IR_RETURN: return USE_A | USE_B;
    default: return 0;
    }
}

static bool is_register(ir_reg r) { return r && !(r & 0x80000000u); }

uint32_t cg_uses(cg_ins *in, ir_reg *uses[16]) {
    uint32_t used = operands_of(in), n = 0;
    if (used & USE_D && is_register(in->d)) uses[n++] = &in->d;
    if (used & USE_A && is_register(in->a)) uses[n++] = &in->a;
    if (used & USE_B && is_register(in->b)) uses[n++] = &in->b;
    if (used & USE_C && is_register(in->c)) uses[n++] = &in->c;
    if (cg_is_vector(in->op) && is_register(in->index)) uses[n++] = &in->index;
    if (in->op != IR_CALL) return n;
    if (in->call->fn == UINT32_MAX) uses[n++] = &in->call->target;
    for (uint32_t i = 0; i < in->call->arg_count; i++)
        if (in->call->args[i]) uses[n++] = &in->call->args[i];
    return n;
}

uint32_t cg_defs(cg_ins *in, ir_reg *defs[2]) {
    uint32_t n = 0;
    if (operands_of(in) & DEF_D && is_register(in->d)) defs[n++] = &in->d;
    if (in->op == IR_CALL)
        for (uint32_t i = 0; i < in->call->result_count; i++)
            if (in->call->results[i]) defs[n++] = &in->call->results[i];
    return n;
}

bool cg_is_fixed_value(const cg_ins *in) {
    if (in->op == IR_FRAME || in->op == IR_FN_ADDRESS) return true;
    return in->op >= ISA_MOV && in->op <= ISA_FSCALE_H;
}

bool cg_is_pure(const cg_ins *in) {
    return cg_is_fixed_value(in) || in->op == ISA_NOP || in->op == IR_ARG || in->op == ISA_DSDOK ||
           in->op == ISA_LD16U || in->op == ISA_LD16S || in->op == ISA_LD32;
}

bool cg_is_branch(uint16_t op) { return op >= ISA_BEQ && op <= ISA_BNZ; }
bool cg_is_jump(uint16_t op) { return (op >= ISA_JMP && op <= ISA_BNZ) || op == ISA_LOOP; }

bool cg_ends(uint16_t op) {
    return op == ISA_JMP || op == IR_RETURN || op == ISA_RET || op == ISA_END || op == ISA_TRAP;
}

/* a < b fails where b <= a holds. */
static const struct {
    uint16_t op, inverse;
    bool swap;
} inverses[] = {
    {ISA_BEQ, ISA_BNE, false}, {ISA_BNE, ISA_BEQ, false}, {ISA_BZ, ISA_BNZ, false},   {ISA_BNZ, ISA_BZ, false},
    {ISA_BLT, ISA_BLE, true},  {ISA_BLE, ISA_BLT, true},  {ISA_BLTU, ISA_BLEU, true}, {ISA_BLEU, ISA_BLTU, true},
};

void cg_invert(cg_ins *branch) {
    size_t i = 0;
    while (inverses[i].op != branch->op) i++;
    branch->op = inverses[i].inverse;
    if (!inverses[i].swap) return;
    ir_reg a = branch->a;
    branch->a = branch->b;
    branch->b = a;
}

static const struct {
    uint16_t reg, imm;
} immediate_forms[] = {
    {ISA_ADD, ISA_ADDI}, {ISA_ADD_U16, ISA_ADDI_U16}, {ISA_ADD_S16, ISA_ADDI_S16},
    {ISA_AND, ISA_ANDI}, {ISA_OR, ISA_ORI},           {ISA_XOR, ISA_XORI},
    {ISA_SHL, ISA_SHLI}, {ISA_SHR, ISA_SHRI},         {ISA_SAR, ISA_SARI},
};

uint16_t cg_immediate_form(uint16_t op) {
    for (size_t i = 0; i < sizeof immediate_forms / sizeof *immediate_forms; i++)
        if (immediate_forms[i].reg == op) return immediate_forms[i].imm;
    return ISA_NOP;
}

uint16_t cg_register_form(uint16_t op) {
    if (op == ISA_EXTU || op == ISA_EXTS) return op;
    for (size_t i = 0; i < sizeof immediate_forms / sizeof *immediate_forms; i++)
        if (immediate_forms[i].imm == op) return immediate_forms[i].reg;
    return ISA_NOP;
}

bool cg_commutes(uint16_t op) {
    switch (op) {
    case ISA_ADD:
    case ISA_ADD_U16:
    case ISA_ADD_S16:
    case ISA_MUL:
    case ISA_MUL_U16:
    case ISA_MUL_S16:
    case ISA_MULHU:
    case ISA_AND:
    case ISA_OR:
    case ISA_XOR:
    case ISA_SEQ:
    case ISA_SNE:
    case ISA_BEQ:
    case ISA_BNE: return true;
    default: return false;
    }
}

static uint32_t sign16(uint32_t v) { return (uint32_t)(int32_t)(int16_t)v; }
static uint32_t shift_right_signed(uint32_t a, uint32_t n) { return (uint32_t)((int32_t)a >> (n > 31 ? 31 : n)); }
static uint32_t extend_unsigned(uint32_t a, uint32_t bits) { return bits >= 32 ? a : a & ((1u << bits) - 1); }

static uint32_t extend_signed(uint32_t a, uint32_t bits) {
    if (!bits || bits >= 32) return a;
    return (uint32_t)((int32_t)(a << (32 - bits)) >> (32 - bits));
}

static uint32_t divide_signed(uint32_t a, uint32_t b, bool remainder) {
    if (!b) return remainder ? a : UINT32_MAX;
    if (b == UINT32_MAX) return remainder ? 0 : 0u - a;
    return (uint32_t)(remainder ? (int32_t)a % (int32_t)b : (int32_t)a / (int32_t)b);
}

bool cg_evaluate(uint16_t op, uint32_t a, uint32_t b, uint32_t *out) {
    switch (op) {
    case ISA_MOV: *out = a; return true;
    case ISA_ADD: *out = a + b; return true;
    case ISA_ADD_U16: *out = (a + b) & 0xffff; return true;
    case ISA_ADD_S16: *out = sign16(a + b); return true;
    case ISA_SUB: *out = a - b; return true;
    case ISA_SUB_U16: *out = (a - b) & 0xffff; return true;
    case ISA_SUB_S16: *out = sign16(a - b); return true;
    case ISA_MUL: *out = a * b; return true;
    case ISA_MUL_U16: *out = a * b & 0xffff; return true;
    case ISA_MUL_S16: *out = sign16(a * b); return true;
    case ISA_MULHU: *out = (uint32_t)((uint64_t)a * b >> 32); return true;
    case ISA_DIVU: *out = b ? a / b : UINT32_MAX; return true;
    case ISA_REMU: *out = b ? a % b : a; return true;
    case ISA_DIVS: *out = divide_signed(a, b, false); return true;
    case ISA_REMS: *out = divide_signed(a, b, true); return true;
    case ISA_AND: *out = a & b; return true;
    case ISA_OR: *out = a | b; return true;
    case ISA_XOR: *out = a ^ b; return true;
    case ISA_SHL: *out = b > 31 ? 0 : a << b; return true;
    case ISA_SHR: *out = b > 31 ? 0 : a >> b; return true;
    case ISA_SAR: *out = shift_right_signed(a, b); return true;
    case ISA_EXTU: *out = extend_unsigned(a, b); return true;
    case ISA_EXTS: *out = extend_signed(a, b); return true;
    case ISA_SEQ:
    case ISA_BEQ: *out = a == b; return true;
    case ISA_SNE:
    case ISA_BNE: *out = a != b; return true;
    case ISA_SLT:
    case ISA_BLT: *out = (int32_t)a < (int32_t)b; return true;
    case ISA_SLE:
    case ISA_BLE: *out = (int32_t)a <= (int32_t)b; return true;
    case ISA_SLTU:
    case ISA_BLTU: *out = a < b; return true;
    case ISA_SLEU:
    case ISA_BLEU: *out = a <= b; return true;
    case ISA_BZ: *out = !a; return true;
    case ISA_BNZ: *out = a != 0; return true;
    default: return false;
    }
}
