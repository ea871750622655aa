/* The facts of the instruction tables as arrays, one row per instruction, straight from the .def files. */
#include "isa/isa.h"

const isa_op_fact isa_ops[ISA_SCALAR_OPS] = {
#define OP(name, text, format, timing, energy)                                                                         \
    [ISA_##name] = {text, ISA_FMT_##format, ISA_TIME_##timing, ISA_E_##energy},
#include "isa/ops.def"
#undef OP
};

const isa_dsd_fact isa_dsd_ops[ISA_DSD_OPS] = {
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy)                                                         \
    [ISA_D_##name] = {builtin, ISA_K_##kind, d, s0, s1, w2, w3, ISA_E_##energy},
#include "isa/dsd_ops.def"
#undef DSD_OP
};

_Static_assert((int)ISA_SCALAR_OPS <= (int)ISA_DSD_FIRST, "scalar and vector opcodes overlap");
_Static_assert(ISA_DSD_FIRST + (int)ISA_DSD_OPS <= 256, "an opcode is one byte");

/* Vector instructions hold table indices and registers in imm, not a number: they always fit. */
uint32_t isa_instr_bytes(isa_instr in) {
    bool fits = in.op >= ISA_DSD_FIRST || in.imm <= 0xffff || in.imm >= 0xffff8000u;
    return fits ? 4 : 8;
}
