/* The arithmetic of the vector instructions: one function per row of isa/dsd_ops.def, and around each a loop over
 * strided memory.
 *
 * The loop goes in order, one element at a time, through pointers that may overlap: so an operation whose operands
 * overlap behaves as the language says. A scalar is memory with stride 0; a fold has its accumulator as destination and
 * first source. Values come and go as 32 bits; 16-bit ones may carry anything in their upper half.
 */
#include "wse/core_internal.h"
#include "wse/core_float.h"

#define MAY           __attribute__((unused))
#define ELEMENT(name) static inline uint32_t e_##name(MAY uint32_t a, MAY uint32_t b, MAY dsd_context *x)

/* moves: the source is b */
ELEMENT(MOV16) { return b; }
ELEMENT(MOV32) { return b; }
ELEMENT(FMOVH) { return b; }
ELEMENT(FMOVS) { return b; }

/* 16-bit integers */
ELEMENT(ADD16) { return a + b; }
ELEMENT(SUB16) { return a - b; }
ELEMENT(AND16) { return a & b; }
ELEMENT(OR16) { return a | b; }
ELEMENT(XOR16) { return a ^ b; }
ELEMENT(ADDC16) {
    uint32_t sum = (a & 0xffff) + (b & 0xffff) + x->carry;
    x->carry = sum >> 16;
    return sum;
}
ELEMENT(SLL16) { return (b & 0xffff) > 15 ? 0 : a << (b & 15); }
ELEMENT(SLR16) { return (b & 0xffff) > 15 ? 0 : (a & 0xffff) >> (b & 15); }
ELEMENT(SAR16) { return (uint32_t)((int16_t)a >> ((b & 0xffff) > 15 ? 15 : (b & 15))); }
ELEMENT(CLZ) { return b & 0xffff ? (uint32_t)__builtin_clz(b & 0xffff) - 16 : 16; }
ELEMENT(CTZ) { return (uint32_t)__builtin_ctz(b | 0x10000); }
ELEMENT(POPCNT) { return (uint32_t)__builtin_popcount(b & 0xffff); }

/* floats */
ELEMENT(FADDH) { return h_bits(h_float(a, x->fp16) + h_float(b, x->fp16), x->fp16); }
ELEMENT(FSUBH) { return h_bits(h_float(a, x->fp16) - h_float(b, x->fp16), x->fp16); }
ELEMENT(FMULH) { return h_bits(h_float(a, x->fp16) * h_float(b, x->fp16), x->fp16); }
ELEMENT(FMAXH) { return h_bits(s_max(h_float(a, x->fp16), h_float(b, x->fp16)), x->fp16); }
ELEMENT(FADDS) { return s_bits(f32_from_bits(a) + f32_from_bits(b)); }
ELEMENT(FSUBS) { return s_bits(f32_from_bits(a) - f32_from_bits(b)); }
ELEMENT(FMULS) { return s_bits(f32_from_bits(a) * f32_from_bits(b)); }
ELEMENT(FMAXS) { return s_bits(s_max(f32_from_bits(a), f32_from_bits(b))); }
ELEMENT(FADDHS) { return s_bits(h_float(a, x->fp16) + f32_from_bits(b)); }

/* d = a + b * scalar, rounded once */
ELEMENT(FMACH) {
    return h_bits(h_fma(h_float(b, x->fp16), h_float(x->scalar, x->fp16), h_float(a, x->fp16), x->fp16), x->fp16);
}
ELEMENT(FMACS) { return s_bits(fmaf(f32_from_bits(b), f32_from_bits(x->scalar), f32_from_bits(a))); }
ELEMENT(FMACHS) { return s_bits(fmaf(h_float(b, x->fp16), h_float(x->scalar, x->fp16), f32_from_bits(a))); }

ELEMENT(FNEGH) { return b ^ 0x8000; }
ELEMENT(FNEGS) { return b ^ 0x80000000; }
ELEMENT(FABSH) { return b & 0x7fff; }
ELEMENT(FABSS) { return b & 0x7fffffff; }
ELEMENT(FNORMH) { return h_bits(s_norm(h_float(b, x->fp16)), x->fp16); }
ELEMENT(FNORMS) { return s_bits(s_norm(f32_from_bits(b))); }
ELEMENT(FSCALEH) { return h_bits(s_scale(h_float(a, x->fp16), (int16_t)b), x->fp16); }
ELEMENT(FSCALES) { return s_bits(s_scale(f32_from_bits(a), (int16_t)b)); }

/* conversions: to integers they truncate and saturate, NaN gives 0 */
ELEMENT(FH2S) { return s_bits(h_float(b, x->fp16)); }
ELEMENT(FS2H) { return h_bits(f32_from_bits(b), x->fp16); }
ELEMENT(FH2XP16) { return (uint32_t)s_int(h_float(b, x->fp16), INT16_MIN, INT16_MAX); }
ELEMENT(FS2XP16) { return (uint32_t)s_int(f32_from_bits(b), INT16_MIN, INT16_MAX); }
ELEMENT(XP162FH) { return h_bits((float)(int16_t)b, x->fp16); }
ELEMENT(XP162FS) { return s_bits((float)(int16_t)b); }
ELEMENT(DFILT) { return b; }

typedef uint32_t element(uint32_t a, uint32_t b, dsd_context *x);

static inline uint32_t load(const uint16_t *p, int bits) { return bits == 32 ? p[0] | (uint32_t)p[1] << 16 : p[0]; }
static inline void store(uint16_t *p, int bits, uint32_t v) {
    p[0] = (uint16_t)v;
    if (bits == 32) p[1] = (uint16_t)(v >> 16);
}

/* On x86 each loop exists twice, the second time for processors with AVX2 and FMA, where a multiply-add is an
 * instruction and not a call; the first use chooses. Both give the same bits. */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

/* Inlined into each instruction's loop, where f, the widths and the format are constants. A width of 0 is a register
 * operand or none. */
static inline __attribute__((always_inline)) void loop_in(dsd_loop *l, element *f, int d_bits, int a_bits, int b_bits,
                                                          isa_fp16 fp16) {
    uint16_t *d = l->d;
    const uint16_t *a = l->a, *b = l->b;
    dsd_context x = {.scalar = l->x.scalar, .carry = l->x.carry, .fp16 = fp16};
    for (uint32_t i = 0; i < l->n; i++) {
        store(d, d_bits, f(load(a, a_bits), load(b, b_bits), &x));
        d += l->d_stride, a += l->a_stride, b += l->b_stride;
    }
    l->x.carry = x.carry;
}
static inline __attribute__((always_inline)) void loop(dsd_loop *l, element *f, int d_bits, int a_bits, int b_bits) {
    if (l->x.fp16 == ISA_BF16) loop_in(l, f, d_bits, a_bits, b_bits, ISA_BF16);
    else loop_in(l, f, d_bits, a_bits, b_bits, ISA_F16);
}

#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy)                                                         \
    CLONES static void run_##name(dsd_loop *l) { loop(l, e_##name, d, s0, s1); }
#include "isa/dsd_ops.def"
#undef DSD_OP

void dsd_run(uint8_t op, dsd_loop *l) {
    static void (*const table[ISA_DSD_OPS])(dsd_loop *) = {
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy) [ISA_D_##name] = run_##name,
#include "isa/dsd_ops.def"
#undef DSD_OP
    };
    table[op](l);
}

uint32_t dsd_element(uint8_t op, uint32_t a, uint32_t b, dsd_context *x) {
    static element *const table[ISA_DSD_OPS] = {
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy) [ISA_D_##name] = e_##name,
#include "isa/dsd_ops.def"
#undef DSD_OP
    };
    return table[op](a, b, x);
}
