/* Vector operations: is every row of isa/dsd_ops.def right to the last bit, on every kind of operand, in order, and on
 * time? */
#include "tests/wse_core_help.h"
#include "wse/core_float.h"

/* ---- reference for 16-bit floats: exact integers, in units of 2^-48 ---- */

typedef __int128 fixed;

static fixed fixed_of(uint16_t h) {
    uint32_t exponent = h >> 10 & 31, significand = h & 0x3ff;
    if (exponent) significand |= 0x400;
    fixed v = (fixed)significand << (24 + (exponent ? exponent - 1 : 0));
    return h & 0x8000 ? -v : v;
}

/* Nearest f16, ties to even. A zero has the sign that plain float arithmetic gave. */
static uint16_t round_fixed(fixed v, float same_in_float) {
    uint16_t sign = v < 0 ? 0x8000 : 0;
    unsigned __int128 u = (unsigned __int128)(v < 0 ? -v : v);
    int top = 0, cut;
    if (!u) return signbit(same_in_float) ? 0x8000 : 0;
    while (u >> top > 1) top++;
    cut = top - 10 > 24 ? top - 10 : 24;
    unsigned __int128 kept = u >> cut, rest = u - (kept << cut), half = (unsigned __int128)1 << (cut - 1);
    if (rest > half || (rest == half && (kept & 1))) kept++;
    if (kept == 0x800) kept = 0x400, cut++;
    if (cut - 24 > 29) return sign | 0x7c00;
    if (kept < 0x400) return (uint16_t)(sign | (uint16_t)kept);
    return (uint16_t)(sign | ((uint16_t)(cut - 24 + 1) << 10) | ((uint16_t)kept & 0x3ff));
}

static bool finite16(uint32_t h) { return (h >> 10 & 31) != 31; }
static float f16(uint32_t h) { return f32_from_f16((uint16_t)h); }

/* With infinities and NaN float arithmetic is exact. */
static uint16_t special(float f) { return f != f ? CORE_NAN_F16 : f16_from_f32(f); }

static uint16_t ref_add(uint16_t a, uint16_t b) {
    if (!finite16(a) || !finite16(b)) return special(f16(a) + f16(b));
    return round_fixed(fixed_of(a) + fixed_of(b), f16(a) + f16(b));
}
static uint16_t ref_fma(uint16_t a, uint16_t b, uint16_t c) {
    if (!finite16(a) || !finite16(b) || !finite16(c)) return special(f16(a) * f16(b) + f16(c));
    fixed product = (fixed_of(a) >> 24) * (fixed_of(b) >> 24);
    return round_fixed(product + fixed_of(c), f16(a) * f16(b) + f16(c));
}
static uint16_t ref_mul(uint16_t a, uint16_t b) {
    if (!finite16(a) || !finite16(b)) return special(f16(a) * f16(b));
    return round_fixed((fixed_of(a) >> 24) * (fixed_of(b) >> 24), f16(a) * f16(b));
}

static uint16_t any16(rng *r) {
    static const uint16_t corners[] = {0,      0x8000, 1,      0x8001, 0x3ff,  0x400,  0x3c00, 0xbc00, 0x7bff,
                                       0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x3c01, 0x1400, 0x7fff, 0xffff, 0x5c00};
    uint64_t u = rng_u64(r);
    return u & 3 ? (uint16_t)(u >> 8) : corners[(u >> 8) % 18];
}
static uint32_t any32(rng *r) {
    uint64_t u = rng_u64(r);
    if (u & 1) return (uint32_t)(u >> 32);
    static const uint32_t corners[] = {0,          0x80000000, 1,          0x7fffff,   0x800000,
                                       0x3f800000, 0xbf800000, 0x7f7fffff, 0x7f800000, 0xff800000,
                                       0x7fc00000, 0x33800000, 0x477fe000, 0x477ff000, 0x46fffe00};
    return corners[(u >> 8) % 15];
}

static void f16_rounding(void **state) {
    (void)state;
    rng r = rng_seed(1);
    dsd_context x = {.fp16 = ISA_F16};
    for (int k = 0; k < 400000; k++) {
        uint16_t a = any16(&r), b = any16(&r), c = any16(&r);
        x.scalar = c;
        assert_int_equal((uint16_t)dsd_element(ISA_D_FADDH, a, b, &x), ref_add(a, b));
        assert_int_equal((uint16_t)dsd_element(ISA_D_FSUBH, a, b, &x),
                         ref_add(a, finite16(b) ? b ^ 0x8000 : special(-f16(b))));
        assert_int_equal((uint16_t)dsd_element(ISA_D_FMULH, a, b, &x), ref_mul(a, b));
        assert_int_equal((uint16_t)dsd_element(ISA_D_FMACH, a, b, &x), ref_fma(b, c, a));
    }
}

/* One case in which rounding twice would differ: 1 + 2^-11 (a tie) + something far below it. */
static void fma_rounds_once(void **state) {
    (void)state;
    dsd_context x = {.fp16 = ISA_F16, .scalar = 0x1400};                    /* 2^-10 */
    assert_int_equal(dsd_element(ISA_D_FMACH, 0x3c00, 0x3801, &x), 0x3c01); /* 1 + 2^-10 * (0.5 + 2^-11) */
    assert_int_equal(dsd_element(ISA_D_FMACH, 0x3c00, 0x3800, &x), 0x3c00);
    x = (dsd_context){.fp16 = ISA_BF16, .scalar = 0x3c00}; /* 2^-7 */
    assert_int_equal(dsd_element(ISA_D_FMACH, 0x3f80, 0x3f01, &x), 0x3f81);
    assert_int_equal(dsd_element(ISA_D_FMACH, 0x3f80, 0x3f00, &x), 0x3f80);
    x.scalar = 0x0080; /* 2^-126 * 2^-20 under a tie: 1 + 2^-8 + 2^-146 rounds up; a sum rounded to double would not */
    assert_int_equal(dsd_element(ISA_D_FMACH, 0x3f80, 0x3580, &x), 0x3f80);
    x.scalar = 0x3f800000;
    assert_int_equal(dsd_element(ISA_D_FMACS, 0x33800000, 0x3f800000, &x), f32_bits(1.0f));
}

/* ---- every row, through a program ---- */

static int16_t to_xp(float f) { return (int16_t)(f != f ? 0 : f < -32768 ? -32768 : f > 32767 ? 32767 : f); }

/* Plain C. v: the scalar of a MAC. carry: of ADDC16. */
static uint32_t reference(isa_dsd_op op, uint32_t a, uint32_t b, uint32_t v, uint32_t *carry) {
    float fa = f32_from_bits(a), fb = f32_from_bits(b);
    int e = 0;
    switch (op) {
    case ISA_D_MOV16:
    case ISA_D_MOV32:
    case ISA_D_FMOVH:
    case ISA_D_FMOVS: return b;
    case ISA_D_ADD16: return (uint16_t)(a + b);
    case ISA_D_ADDC16: a += b + *carry, *carry = a > 0xffff; return (uint16_t)a;
    case ISA_D_SUB16: return (uint16_t)(a - b);
    case ISA_D_AND16: return a & b;
    case ISA_D_OR16: return a | b;
    case ISA_D_XOR16: return a ^ b;
    case ISA_D_SLL16: return b < 16 ? (uint16_t)(a << b) : 0;
    case ISA_D_SLR16: return b < 16 ? a >> b : 0;
    case ISA_D_SAR16: return (uint16_t)((int16_t)a >> (b < 16 ? b : 15));
    case ISA_D_CLZ:
        for (e = 0; e < 16 && !(b & 0x8000u >> e); e++) continue;
        return (uint32_t)e;
    case ISA_D_CTZ:
        for (e = 0; e < 16 && !(b & 1u << e); e++) continue;
        return (uint32_t)e;
    case ISA_D_POPCNT:
        for (e = 0; b; b &= b - 1) e++;
        return (uint32_t)e;
    case ISA_D_FADDH: return ref_add((uint16_t)a, (uint16_t)b);
    case ISA_D_FSUBH: return finite16(b) ? ref_add((uint16_t)a, (uint16_t)(b ^ 0x8000)) : special(f16(a) - f16(b));
    case ISA_D_FMULH: return ref_mul((uint16_t)a, (uint16_t)b);
    case ISA_D_FMACH: return ref_fma((uint16_t)b, (uint16_t)v, (uint16_t)a);
    case ISA_D_FADDS: return s_bits(fa + fb);
    case ISA_D_FSUBS: return s_bits(fa - fb);
    case ISA_D_FMULS: return s_bits(fa * fb);
    case ISA_D_FADDHS: return s_bits(f16(a) + fb);
    case ISA_D_FMACS: return s_bits(fmaf(fb, f32_from_bits(v), fa));
    case ISA_D_FMACHS: return s_bits(fmaf(f16(b), f16(v), fa));
    case ISA_D_FMAXH:
        return fa = f16(a), fb = f16(b),
               special(fa != fa      ? fb
                       : fb != fb    ? fa
                       : fa > fb     ? fa
                       : fa < fb     ? fb
                       : signbit(fa) ? fb
                                     : fa);
    case ISA_D_FMAXS:
        return s_bits(fa != fa ? fb : fb != fb ? fa : fa > fb ? fa : fa < fb ? fb : signbit(fa) ? fb : fa);
    case ISA_D_FNEGH: return b ^ 0x8000;
    case ISA_D_FNEGS: return b ^ 0x80000000;
    case ISA_D_FABSH: return b & 0x7fff;
    case ISA_D_FABSS: return b & 0x7fffffff;
    case ISA_D_FNORMH: fb = f16(b); return special(fb == 0 || !isfinite(fb) ? fb : frexpf(fb, &e) * 2);
    case ISA_D_FNORMS: return s_bits(fb == 0 || !isfinite(fb) ? fb : frexpf(fb, &e) * 2);
    case ISA_D_FSCALEH: return special(ldexpf(f16(a), (int16_t)b));
    case ISA_D_FSCALES: return s_bits(ldexpf(fa, (int16_t)b));
    case ISA_D_FH2S: return s_bits(f16(b));
    case ISA_D_FS2H: return special(fb);
    case ISA_D_FH2XP16: return (uint16_t)to_xp(f16(b));
    case ISA_D_FS2XP16: return (uint16_t)to_xp(fb);
    case ISA_D_XP162FH: return special((float)(int16_t)b);
    case ISA_D_XP162FS: return s_bits((float)(int16_t)b);
    default: return 0;
    }
}

static uint32_t get(const uint16_t *p, uint32_t bits) { return bits == 32 ? get32(p) : p[0]; }
static void random_vector(rng *r, uint16_t *p, uint32_t n, uint32_t bits) {
    for (uint32_t k = 0; k < n; k++)
        if (bits == 32) put32(p + 2 * k, any32(r));
        else p[k] = any16(r);
}

enum { N = 50, AT_D = 100, AT_A = 300, AT_B = 500 };

/* One operation on vectors with strides, or with a register for the second source. */
static void row(isa_dsd_op op, int stride_d, int stride_a, int stride_b, bool scalar_b, uint64_t seed) {
    const isa_dsd_fact *f = &isa_dsd_ops[op];
    world *w = world_new(ISA_WSE3, 1);
    rng r = rng_seed(seed * 100 + op);
    uint32_t dw = f->dest_bits / 16, aw = f->src0_bits / 16, bw = f->src1_bits / 16, v = any16(&r) | any32(&r) << 16,
             carry = 0;
    uint32_t b_reg = op == ISA_D_FSCALEH || op == ISA_D_FSCALES ? (uint32_t)-3
                     : f->src1_bits == 32                       ? any32(&r)
                                                                : any16(&r);
    if (op >= ISA_D_SLL16 && op <= ISA_D_SAR16) b_reg &= 31;
    if (f->src0_bits == 16 && f->form == ISA_K_MAC) v &= 0xffff;
    if (op == ISA_D_FMACHS) v &= 0xffff;
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, mem((uint16_t)(AT_D + (stride_d < 0 ? 150 : 0)), N, (int16_t)stride_d), 0);
    lddsr(w, 0, ISA_SRC0, 0, mem((uint16_t)(AT_A + (stride_a < 0 ? 150 : 0)), N, (int16_t)stride_a), 0);
    lddsr(w, 0, ISA_SRC1, 0, mem((uint16_t)(AT_B + (stride_b < 0 ? 150 : 0)), N, (int16_t)stride_b), 0);
    emit(w, 0, ISA_MOVI, 1, NO, NO, b_reg);
    emit(w, 0, ISA_MOVI, 2, NO, NO, v);
    emit(w, 0, ISA_DSD_FIRST + op, D0, aw ? A0 : NO, scalar_b ? 1 : B0, isa_vec(0, f->form == ISA_K_MAC ? 2 : NO, NO));
    end(w, 0);
    world_start(w);
    uint16_t *x = words(w, 0), before[1000];
    random_vector(&r, x, 500, 32);
    if (op >= ISA_D_SLL16 && op <= ISA_D_SAR16)
        for (int k = AT_B; k < AT_B + 200; k++) x[k] &= 31;
    memcpy(before, x, sizeof before);
    world_run(w, 400);
    no_fault(w);
    for (int k = 0; k < N; k++) {
        const uint16_t *pa = before + AT_A + (stride_a < 0 ? 150 : 0) + k * stride_a * (int)aw;
        const uint16_t *pb = before + AT_B + (stride_b < 0 ? 150 : 0) + k * stride_b * (int)bw;
        uint32_t b = scalar_b ? b_reg : get(pb, f->src1_bits);
        uint32_t expect = reference(op, aw ? get(pa, f->src0_bits) : 0, b, v, &carry);
        uint32_t got = get(x + AT_D + (stride_d < 0 ? 150 : 0) + k * stride_d * (int)dw, f->dest_bits);
        if (got != expect)
            fail_msg("%s [%d]: 0x%x, 0x%x, 0x%x: 0x%x instead of 0x%x", f->builtin, k, aw ? get(pa, f->src0_bits) : 0,
                     b, v, got, expect);
    }
    world_free(w);
}

static void every_row(void **state) {
    (void)state;
    for (int op = 0; op < ISA_DSD_OPS; op++) {
        if (op == ISA_D_DFILT) continue;
        bool scalar = !isa_dsd_ops[op].src1_bits;
        row((isa_dsd_op)op, 1, 1, 1, scalar, 1);
        row((isa_dsd_op)op, 2, 1, -1, scalar, 2);
        row((isa_dsd_op)op, -1, 2, 0, scalar, 3);
        if (isa_dsd_ops[op].form != ISA_K_MAC) row((isa_dsd_op)op, 1, 1, 1, true, 4);
    }
}

/* ---- operands ---- */

static void overlap_is_in_order(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, mem(1, 10, 1), 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(0, 10, 1), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, 0); /* x[i + 1] = x[i]: the first spreads */
    end(w, 0);
    w->data[0][0] = 77;
    world_start(w);
    world_run(w, 100);
    for (int k = 0; k <= 10; k++) assert_int_equal(words(w, 0)[k], 77);
    world_free(w);
}

static void four_dimensions_and_rings(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t transpose = shape(w, 0, (isa_shape){.kind = ISA_MEM4D, .dims = 2, .extent = {3, 4}, .stride = {1, 3}});
    uint16_t ring = shape(w, 0, (isa_shape){.kind = ISA_CIRCBUF, .wrap = 5});
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, mem(200, 12, 1), 0);
    lddsr(w, 0, ISA_SRC1, 0, isa_dsd_mem(100, 0, 0, transpose), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, 0);
    lddsr(w, 0, ISA_DEST, 1, mem(300, 0, 1), 0);
    lddsr(w, 0, ISA_SRC1, 1, isa_dsd_mem(100, 13, 1, ring), settings(w, 0, SETTINGS(s.save_address = true)));
    vec(w, 0, ISA_D_MOV16, D1, NO, B1, 0);
    vec(w, 0, ISA_D_MOV16, 5, NO, B1, 0); /* goes on where it was; the last element to r5 */
    end(w, 0);
    for (uint16_t k = 0; k < 12; k++) w->data[0][100 + k] = k;
    world_start(w);
    world_run(w, 200);
    no_fault(w);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) assert_int_equal(words(w, 0)[200 + i * 4 + j], i + 3 * j);
    for (int k = 0; k < 13; k++) assert_int_equal(words(w, 0)[300 + k], k % 5);
    assert_int_equal(reg(w, 0, 5), 25 % 5);
    world_free(w);
}

/* acc = acc op s over the vector; r stays the bits of a float. */
static void folds(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(100, 8, 1), settings(w, 0, SETTINGS(s.save_address = true)));
    emit(w, 0, ISA_MOVI, 1, NO, NO, 0x3f000000);
    vec(w, 0, ISA_D_FADDS, 1, 1, B0, 0);
    emit(w, 0, ISA_MOVI, 2, NO, NO, 0xff800000);
    vec(w, 0, ISA_D_FMAXS, 2, 2, B0, 0);
    vec(w, 0, ISA_D_FNORMS, 3, NO, 1, 0);
    emit(w, 0, ISA_MOVI, 4, NO, NO, 3);
    vec(w, 0, ISA_D_FSCALES, 5, 1, 4, 0);
    emit(w, 0, ISA_DSDOK, 6, NO, NO, 0);
    end(w, 0);
    for (int k = 0; k < 16; k++) put32(&w->data[0][100 + 2 * k], f32_bits((float)(k % 11)));
    world_start(w);
    world_run(w, 300);
    no_fault(w);
    assert_int_equal(reg(w, 0, 1), f32_bits(28.5f));
    assert_int_equal(reg(w, 0, 2), f32_bits(10.0f));
    assert_int_equal(reg(w, 0, 3), f32_bits(28.5f / 16));
    assert_int_equal(reg(w, 0, 5), f32_bits(28.5f * 8));
    assert_int_equal(reg(w, 0, 6), 1);
    world_free(w);
}

static void lengths(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, mem(200, 5, 1), 0);
    lddsr(w, 0, ISA_SRC0, 0, mem(100, 0, 1), 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(100, 3, 1), 0);
    vec(w, 0, ISA_D_ADD16, D0, A0, B0, 0); /* src0 says nothing: 3 */
    lddsr(w, 0, ISA_SRC1, 1, mem(100, 0, 1), 0);
    lddsr(w, 0, ISA_DEST, 1, mem(300, 0, 1), 0);
    vec(w, 0, ISA_D_MOV16, D1, NO, B1, 0); /* nothing says anything: no operation */
    emit(w, 0, ISA_MOVI, 1, NO, NO, 9);
    lddsr(w, 0, ISA_DEST, 0, mem(400, 5, 1), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, 1, 0);
    vec(w, 0, ISA_D_ADD16, 2, 1, 1, 0); /* scalars only: one element */
    end(w, 0);
    for (int k = 0; k < 8; k++) w->data[0][100 + k] = 1;
    world_start(w);
    world_run(w, 200);
    no_fault(w);
    assert_int_equal(words(w, 0)[202], 2);
    assert_int_equal(words(w, 0)[203], 0);
    assert_int_equal(words(w, 0)[300], 0);
    assert_int_equal(words(w, 0)[404], 9);
    assert_int_equal(words(w, 0)[405], 0);
    assert_int_equal(reg(w, 0, 2), 18);
    world_free(w);
}

static void vector_faults(void **state) {
    (void)state;
    for (int k = 0; k < 5; k++) {
        world *w = world_new(ISA_WSE3, 1);
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, k == 4 ? fabin(2, 3) : mem(24000, 1000, 1), 0);
        lddsr(w, 0, ISA_SRC1, 0,
              k == 1   ? isa_dsd_mem(0, 3, 1, 99)
              : k == 2 ? fabin(9, 3)
                       : mem(0, (uint16_t)(k ? 3 : 1000), 1),
              0);
        vec(w, 0, ISA_D_MOV16, D0, NO, k == 3 ? B1 : B0, 0);
        end(w, 0);
        world_start(w);
        world_run(w, 200);
        static const char *text[] = {"pe.csl:14: mov16 leaves the memory", "shape does not exist",
                                     "input queue does not exist", "never loaded", "destination is a fabric input"};
        has_fault(w, text[k]);
        has_fault(w, k == 3 ? "cycle 6" : "cycle 6");
        world_free(w);
    }
}

/* wse-machine 1.6: dispatch 4 cycles after the last DSR load, 4 to the first element, then the rate; a fold two cycles
 * per element. An operation whose DSRs were loaded long ago is dispatched at once. */
static void vector_timing(void **state) {
    (void)state;
    for (int conflicts = 0; conflicts < 2; conflicts++) {
        world *w = world_new(ISA_WSE3, 1);
        w->wafer.bank_conflicts = conflicts;
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, mem(100, 64, 1), 0);
        lddsr(w, 0, ISA_SRC0, 0, mem(200, 64, 1), 0);
        lddsr(w, 0, ISA_SRC1, 0, mem(300, 64, 1), 0);
        emit(w, 0, ISA_TSCCTL, NO, NO, NO, 1);
        emit(w, 0, ISA_DSD_FIRST + ISA_D_FMACH, D0, A0, B0, isa_vec(0, 1, NO));
        emit(w, 0, ISA_TSC, 2, NO, NO, 0); /* 4 + 4 + 64 / 4; sources in the same bank: twice the time */
        emit(w, 0, ISA_MOVI, 3, NO, NO, 0);
        emit(w, 0, ISA_TSCCTL, NO, NO, NO, 2);
        vec(w, 0, ISA_D_FADDH, 3, 3, B0, 0);
        emit(w, 0, ISA_TSC, 4, NO, NO, 0); /* 1 + 4 + 64 * 2 */
        end(w, 0);
        world_start(w);
        world_run(w, 400);
        no_fault(w);
        assert_int_equal(reg(w, 0, 2), conflicts ? 40 : 24);
        assert_int_equal(reg(w, 0, 4), 133);
        assert_int_equal(core_at(w, 0)->n[CORE_N_fp16_ops], 64 * 3);
        assert_int_equal(core_at(w, 0)->n[CORE_N_sram_words_read], 64 * 3);
        world_free(w);
    }
}

/* ---- the fabric ---- */

/* PE 0 sends a vector; PE 1 adds its own to it and sends the sum on; PE 2 has a data task. */
static void two_pes_add(void **state) {
    (void)state;
    for (isa_arch arch = ISA_WSE2; arch <= ISA_WSE3; arch++) {
        world *w = world_new(arch, 3);
        w->fabric.link[0][2] = (link_to){.to_pe = 1, .to_port = 3, .latency = 4};
        w->fabric.link[1][4] = (link_to){.to_pe = 2, .to_port = 5, .latency = 4};
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, fabout(2, 10), 0);
        lddsr(w, 0, ISA_SRC1, 0, mem(100, 10, 1), 0);
        vec(w, 0, ISA_D_FMOVS, D0, NO, B0, 0);
        emit(w, 0, ISA_TSC, 3, NO, NO, 0);
        end(w, 0);
        main_task(w, 1);
        lddsr(w, 1, ISA_DEST, 0, fabout(4, 10), 0);
        lddsr(w, 1, ISA_SRC0, 0, fabin(3, 10), 0);
        lddsr(w, 1, ISA_SRC1, 0, mem(100, 10, 1), 0);
        vec(w, 1, ISA_D_FADDS, D0, A0, B0, 0);
        end(w, 1);
        task(w, 2, 5, ISA_TASK_DATA, ISA_ARG_32);
        emit(w, 2, ISA_FADD_S, 8, 8, 0, 0);
        end(w, 2);
        for (int k = 0; k < 10; k++) {
            put32(&w->data[0][100 + 2 * k], f32_bits((float)k));
            put32(&w->data[1][100 + 2 * k], f32_bits(100.0f * (float)k));
        }
        world_start(w);
        core_at(w, 0)->tsc_on = true;
        world_run(w, 400);
        no_fault(w);
        /* start 1, switch 3, two DSR loads, 7 to the first element, one a cycle */
        assert_int_equal(reg(w, 0, 3), 1 + 3 + 2 + 7 + 10);
        assert_int_equal(reg(w, 2, 8), f32_bits(4545.0f));
        for (int k = 0; k < 10; k++) assert_int_equal(w->fabric.sent[1][4].e[k].data, f32_bits(101.0f * (float)k));
        for (uint32_t pe = 0; pe < 3; pe++) assert_true(core_idle(&w->m, pe));
        assert_true(core_at(w, 1)->n[CORE_N_input_wait_cycles] > 0);
        world_free(w);
    }
}

/* A full output queue holds the sender; nothing is lost. The report says who waits for what. */
static void backpressure(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, fabout(2, 20), 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(100, 20, 1), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, 0);
    lddsr(w, 0, ISA_SRC1, 0, fabin(3, 2), 0);
    vec(w, 0, ISA_D_MOV16, 1, NO, B0, 0);
    end(w, 0);
    for (uint16_t k = 0; k < 20; k++) w->data[0][100 + k] = k;
    w->fabric.link[0][2].stopped = 100;
    world_start(w);
    world_run(w, 90);
    explains(w, 0, "PE(0,0) task 9 (pe.csl:14) waits in mov16 for color 2, output queue 2: full, after 4 of 20");
    world_run(w, 200);
    explains(w, 0, "waits in mov16 for color 3, input queue 3: empty, after 0 of 2 elements");
    for (uint32_t k = 0; k < 20; k++) assert_int_equal(w->fabric.sent[0][2].e[k].data, k);
    assert_in_range(core_at(w, 0)->n[CORE_N_output_wait_cycles], 80, 90);
    world_free(w);
}

/* Two elements per wavelet, the first in the low half; an odd last one alone. */
static void simd_wavelets(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE2, 1);
    uint16_t out = shape(w, 0, (isa_shape){.kind = ISA_FABOUT, .simd = ISA_SIMD_32});
    uint16_t in = shape(w, 0, (isa_shape){.kind = ISA_FABIN, .simd = ISA_SIMD_32});
    w->fabric.link[0][2] = (link_to){.to_pe = 0, .to_port = 3, .latency = 4};
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, isa_dsd_fabric(2, 3, 5, out), 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(100, 5, 1), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, 0);
    lddsr(w, 0, ISA_DEST, 1, mem(200, 5, 1), 0);
    lddsr(w, 0, ISA_SRC1, 1, isa_dsd_fabric(3, 3, 5, in), 0);
    vec(w, 0, ISA_D_MOV16, D1, NO, B1, 0);
    end(w, 0);
    for (uint16_t k = 0; k < 5; k++) w->data[0][100 + k] = (uint16_t)(k + 1);
    world_start(w);
    world_run(w, 300);
    no_fault(w);
    assert_int_equal(w->fabric.sent[0][2].count, 3);
    assert_int_equal(w->fabric.sent[0][2].e[0].data, 0x20001);
    assert_int_equal(w->fabric.sent[0][2].e[2].data, 5);
    for (int k = 0; k < 6; k++) assert_int_equal(words(w, 0)[200 + k], k < 5 ? k + 1 : 0);
    world_free(w);
}

/* .index, control output, zeroed source, advanced switch. */
static void sends(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t indexed =
        shape(w, 0, (isa_shape){.kind = ISA_FABOUT, .index_offset = true, .zero_source = 1, .advance_switch = true});
    uint16_t control = shape(w, 0, (isa_shape){.kind = ISA_FABOUT, .control = true});
    uint16_t moved = shape(w, 0, (isa_shape){.kind = ISA_MEM1D, .index_offset = true});
    w->fabric.config[0][ISA_CFG_OUT_QUEUE + 2 - ISA_CFG_FIRST] = 7 << 4;
    main_task(w, 0);
    emit(w, 0, ISA_MOVI, 1, NO, NO, 2);
    lddsr(w, 0, ISA_DEST, 0, isa_dsd_fabric(2, 0, 2, indexed), 0);
    lddsr(w, 0, ISA_SRC1, 0, isa_dsd_mem(100, 2, 1, moved), 0);
    emit(w, 0, ISA_DSD_FIRST + ISA_D_MOV16, D0, NO, B0, isa_vec(0, NO, 1));
    lddsr(w, 0, ISA_DEST, 1, isa_dsd_fabric(2, 0, 1, control), 0);
    vec(w, 0, ISA_D_MOV32, D1, NO, 1, 0);
    end(w, 0);
    for (uint16_t k = 0; k < 5; k++) w->data[0][100 + k] = (uint16_t)(k + 1);
    world_start(w);
    world_run(w, 300);
    no_fault(w);
    const wavelets *s = &w->fabric.sent[0][2];
    assert_int_equal(s->count, 3);
    assert_int_equal(s->e[0].data, 0x20003); /* element 2: the index moved the memory operand, too */
    assert_int_equal(s->e[1].data, 0x20004);
    assert_true(s->e[2].control && s->e[2].data == 2 && !s->e[0].control);
    assert_int_equal(words(w, 0)[102] | words(w, 0)[103], 0);
    assert_int_equal(words(w, 0)[104], 5);
    assert_int_equal(w->fabric.advanced[0][7], 1);
    world_free(w);
}

/* y[index] += value * x, as sparse programs do: the wavelet's upper half moves the memory operands. */
static void wavelet_index(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t in = shape(w, 0, (isa_shape){.kind = ISA_FABIN, .index_offset = true});
    uint16_t at = shape(w, 0, (isa_shape){.kind = ISA_MEM1D, .index_offset = true});
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, isa_dsd_mem(100, 3, 0, at), 0);
    lddsr(w, 0, ISA_SRC0, 0, isa_dsd_mem(100, 0, 0, at), 0);
    lddsr(w, 0, ISA_SRC1, 0, isa_dsd_fabric(3, 3, 3, in), 0);
    vec(w, 0, ISA_D_ADD16, D0, A0, B0, 0);
    end(w, 0);
    world_start(w);
    arrive_at(w, 0, 3, 4 << 16 | 10, false, 20);
    arrive_at(w, 0, 3, 1 << 16 | 20, false, 30);
    arrive_at(w, 0, 3, 4 << 16 | 5, false, 40);
    world_run(w, 300);
    no_fault(w);
    assert_int_equal(words(w, 0)[104], 15);
    assert_int_equal(words(w, 0)[101], 20);
    world_free(w);
}

static void control_wavelets(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t stop = settings(w, 0, SETTINGS(s.control_terminate = true, s.control_activate = 10));
    uint16_t as_data = shape(w, 0, (isa_shape){.kind = ISA_FABIN, .control_transform = true});
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, mem(100, 0, 1), 0);
    lddsr(w, 0, ISA_SRC1, 0, fabin(3, ISA_ENDLESS), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, stop);
    emit(w, 0, ISA_DSDOK, 1, NO, NO, 0);
    lddsr(w, 0, ISA_DEST, 1, mem(200, 3, 1), 0);
    lddsr(w, 0, ISA_SRC1, 1, isa_dsd_fabric(3, 3, 3, as_data), 0);
    vec(w, 0, ISA_D_MOV32, D1, NO, B1, 0);
    lddsr(w, 0, ISA_SRC1, 2, fabin(3, 2), 0);
    vec(w, 0, ISA_D_DFILT, NO, NO, ISA_DSR(ISA_SRC1, 2), 0);
    vec(w, 0, ISA_D_MOV16, 4, NO, B0, stop);
    end(w, 0);
    task(w, 0, 10, ISA_TASK_LOCAL, ISA_ARGS_NONE);
    emit(w, 0, ISA_ADDI, 5, 5, NO, 1);
    end(w, 0);
    world_start(w);
    static const struct {
        uint32_t data;
        bool control;
    } in[] = {{1, false}, {2, false}, {0, true},  {7, false}, {0x50008, true}, {9, false},
              {1, false}, {0, true},  {2, false}, {0, true},  {42, false},     {0, true}};
    for (uint32_t k = 0; k < 12; k++) arrive_at(w, 0, 3, in[k].data, in[k].control, 20 + 2 * k);
    world_run(w, 300);
    no_fault(w);
    assert_int_equal(words(w, 0)[100], 1);
    assert_int_equal(words(w, 0)[101], 2);
    assert_int_equal(words(w, 0)[102], 0);
    assert_int_equal(reg(w, 0, 1), 0);
    assert_int_equal(get32(words(w, 0) + 202), 0x80050008);
    assert_int_equal(get32(words(w, 0) + 204), 9);
    assert_int_equal(reg(w, 0, 4), 42);
    assert_int_equal(reg(w, 0, 5), 1);
    assert_true(core_idle(&w->m, 0));
    world_free(w);
}

/* ---- microthreads ---- */

/* The join idiom: a task blocked at first runs after one operation has activated and another unblocked it. */
static void join(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t one = settings(w, 0, SETTINGS(s.async = true, s.activate = 10)),
             two = settings(w, 0, SETTINGS(s.async = true, s.unblock = 10));
    main_task(w, 0);
    emit(w, 0, ISA_BLOCK, NO, NO, NO, 10);
    lddsr(w, 0, ISA_DEST, 0, mem(100, 4, 1), 0);
    lddsr(w, 0, ISA_SRC1, 0, fabin(2, 4), 0);
    vec(w, 0, ISA_D_MOV32, D0, NO, B0, one);
    lddsr(w, 0, ISA_DEST, 1, mem(200, 4, 1), 0);
    lddsr(w, 0, ISA_SRC1, 1, fabin(3, 4), 0);
    vec(w, 0, ISA_D_MOV32, D1, NO, B1, two);
    emit(w, 0, ISA_MOVI, 4, NO, NO, 1); /* goes on */
    end(w, 0);
    task(w, 0, 10, ISA_TASK_LOCAL, ISA_ARGS_NONE);
    emit(w, 0, ISA_TSC, 5, NO, NO, 0);
    end(w, 0);
    world_start(w);
    core_at(w, 0)->tsc_on = true;
    for (uint32_t k = 0; k < 4; k++) arrive_at(w, 0, 2, k, false, 50 + k), arrive_at(w, 0, 3, 10 + k, false, 100 + k);
    world_run(w, 40);
    assert_int_equal(reg(w, 0, 4), 1);
    assert_int_equal(core_at(w, 0)->alive, 1 << 2 | 1 << 3);
    world_run(w, 102);
    assert_int_equal(reg(w, 0, 5), 0);
    world_run(w, 200);
    no_fault(w);
    assert_int_equal(reg(w, 0, 5), 103 + 3);
    for (uint32_t k = 0; k < 4; k++) assert_int_equal(get32(words(w, 0) + 200 + 2 * k), 10 + k);
    world_free(w);
}

static void clash_and_ids(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        world *w = world_new(k ? ISA_WSE3 : ISA_WSE2, 1);
        uint16_t async = settings(w, 0, SETTINGS(s.async = true)),
                 other = settings(w, 0, SETTINGS(s.async = true, s.ut = 6));
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, mem(100, 4, 1), 0);
        lddsr(w, 0, ISA_DEST, 1, fabout(2, 4), 0);
        lddsr(w, 0, ISA_SRC1, 0, fabin(2, 4), 0);
        lddsr(w, 0, ISA_SRC1, 1, mem(100, 4, 1), 0);
        vec(w, 0, ISA_D_MOV32, D0, NO, B0, async);
        vec(w, 0, ISA_D_MOV32, D1, NO, B1, other); /* WSE-3: asked for; WSE-2: queue 2 again */
        end(w, 0);
        world_start(w);
        world_run(w, 14);
        if (k) no_fault(w);
        if (k) assert_int_equal(core_at(w, 0)->alive, 1 << 2 | 1 << 6);
        else has_fault(w, "pe.csl:14: mov32: microthread 2 is still busy with mov32 of pe.csl:14");
        world_free(w);
    }
}

/* While a microthread waits, the main thread computes; a memory operation then takes as long as it does alone. */
static void main_beside_microthread(void **state) {
    (void)state;
    uint32_t took[2];
    for (int beside = 0; beside < 2; beside++) {
        world *w = world_new(ISA_WSE3, 1);
        uint16_t async = settings(w, 0, SETTINGS(s.async = true));
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, mem(100, 40, 1), 0);
        lddsr(w, 0, ISA_SRC0, 0, mem(200, 40, 1), 0);
        lddsr(w, 0, ISA_DEST, 1, mem(300, 1, 1), 0);
        lddsr(w, 0, ISA_SRC1, 0, fabin(2, 1), 0);
        if (beside) vec(w, 0, ISA_D_MOV16, D1, NO, B0, async);
        else emit(w, 0, ISA_MOVI, 4, NO, NO, 0);
        emit(w, 0, ISA_TSCCTL, NO, NO, NO, 1);
        emit(w, 0, ISA_MOVI, 1, NO, NO, 5);
        vec(w, 0, ISA_D_ADD16, D0, A0, 1, 0);
        emit(w, 0, ISA_ADDI, 2, 2, NO, (uint32_t)-1);
        emit(w, 0, ISA_BNZ, NO, 1, NO, here(w, 0) + 1);
        emit(w, 0, ISA_TSC, 3, NO, NO, 0);
        end(w, 0);
        for (uint16_t k = 0; k < 40; k++) w->data[0][200 + k] = k;
        world_start(w);
        arrive_at(w, 0, 2, 99, false, 200);
        world_run(w, 300);
        no_fault(w);
        for (int k = 0; k < 40; k++) assert_int_equal(words(w, 0)[100 + k], k + 5);
        assert_int_equal(words(w, 0)[300], beside ? 99 : 0);
        took[beside] = reg(w, 0, 3);
        world_free(w);
    }
    assert_int_equal(took[0], took[1]);
    assert_int_equal(took[0], 1 + 1 + 1 + 4 + 5 + 1 + 6); /* dispatch waits for the DSRs: one cycle more */
}

/* Two microthreads with data at hand share the datapath; high goes before low. BLOCKUT holds one. */
static void sharing(void **state) {
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        world *w = world_new(ISA_WSE3, 1);
        uint16_t low = settings(w, 0, SETTINGS(s.async = true));
        uint16_t high = settings(w, 0, SETTINGS(s.async = true, s.priority = mode == 1 ? ISA_PRIORITY_HIGH : -1));
        main_task(w, 0);
        lddsr(w, 0, ISA_DEST, 0, mem(100, 20, 1), 0);
        lddsr(w, 0, ISA_DEST, 1, mem(200, 20, 1), 0);
        lddsr(w, 0, ISA_SRC1, 0, fabin(2, 20), 0);
        lddsr(w, 0, ISA_SRC1, 1, fabin(3, 20), 0);
        if (mode == 2) emit(w, 0, ISA_BLOCKUT, NO, NO, NO, 2);
        vec(w, 0, ISA_D_MOV16, D0, NO, B0, low);
        vec(w, 0, ISA_D_MOV16, D1, NO, B1, high);
        end(w, 0);
        world_start(w);
        for (int k = 0; k < 20; k++) arrive_at(w, 0, 2, 1, false, 1), arrive_at(w, 0, 3, 1, false, 1);
        world_run(w, 37); /* both ready from about 18 on */
        int moved[2] = {0, 0};
        for (int k = 0; k < 20; k++) moved[0] += words(w, 0)[100 + k], moved[1] += words(w, 0)[200 + k];
        if (mode == 0) assert_in_range(moved[0] - moved[1], 0, 2);
        if (mode == 1) assert_true(moved[1] - moved[0] > 15);
        if (mode == 2) assert_true(moved[0] == 0 && moved[1] > 15);
        if (mode == 2) assert_false(core_idle(&w->m, 0));
        world_free(w);
    }
}

/* ---- FIFOs ---- */

/* Fabric -> FIFO and FIFO -> fabric, both endless, as decoupling pipelines do; the sink stops for a while. */
static void fifo_pipeline(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t async = settings(w, 0, SETTINGS(s.async = true));
    w->fifos[0][0] =
        (isa_fifo){.base_word = 500, .words = 8, .element_words = 1, .activate_pop = 11, .activate_push = 10};
    w->programs[0].fifo_count = 1;
    isa_dsd fifo = (uint64_t)ISA_ENDLESS << 16 | (uint64_t)ISA_FIFO << 48;
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, fifo, 0);
    lddsr(w, 0, ISA_SRC1, 0, fabin(2, ISA_ENDLESS), 0);
    vec(w, 0, ISA_D_MOV16, D0, NO, B0, async);
    lddsr(w, 0, ISA_DEST, 1, fabout(3, ISA_ENDLESS), 0);
    lddsr(w, 0, ISA_SRC1, 1, fifo, 0);
    vec(w, 0, ISA_D_MOV16, D1, NO, B1, async);
    end(w, 0);
    for (unsigned id = 10; id < 12; id++) {
        task(w, 0, id, ISA_TASK_LOCAL, ISA_ARGS_NONE);
        emit(w, 0, ISA_ADDI, id, id, NO, 1);
        end(w, 0);
    }
    world_start(w);
    w->fabric.link[0][3].stopped = 150;
    for (uint32_t k = 0; k < 40; k++) arrive_at(w, 0, 2, k, false, 50 + k);
    world_run(w, 140);
    assert_int_equal(w->m.cores->fifos[0].count, 8);
    world_run(w, 400);
    no_fault(w);
    for (uint32_t k = 0; k < 40; k++) assert_int_equal(w->fabric.sent[0][3].e[k].data, k);
    assert_in_range(reg(w, 0, 10), 1, 12); /* a pop had met it empty */
    assert_in_range(reg(w, 0, 11), 1, 40); /* a push had met it full */
    world_free(w);
}

/* A synchronous operation that meets the limit stops and says so; FIFOLEN bounds it. */
static void fifo_test_and_length(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    w->fifos[0][0] =
        (isa_fifo){.base_word = 500, .words = 8, .element_words = 2, .activate_pop = -1, .activate_push = -1};
    w->programs[0].fifo_count = 1;
    isa_dsd fifo = (uint64_t)ISA_ENDLESS << 16 | (uint64_t)ISA_FIFO << 48;
    main_task(w, 0);
    lddsr(w, 0, ISA_DEST, 0, fifo, 0);
    lddsr(w, 0, ISA_SRC1, 0, mem(100, 6, 1), 0);
    vec(w, 0, ISA_D_MOV32, D0, NO, B0, 0); /* room for 4 of 6 */
    emit(w, 0, ISA_DSDOK, 1, NO, NO, 0);
    emit(w, 0, ISA_MOVI, 5, NO, NO, 3);
    emit(w, 0, ISA_FIFOLEN, NO, 5, NO, 0);
    lddsr(w, 0, ISA_DEST, 1, mem(200, 9, 1), 0);
    lddsr(w, 0, ISA_SRC1, 1, fifo, 0);
    vec(w, 0, ISA_D_MOV32, D1, NO, B1, 0); /* takes 3 */
    emit(w, 0, ISA_DSDOK, 2, NO, NO, 0);
    vec(w, 0, ISA_D_MOV32, D1, NO, B1, 0); /* one is left */
    emit(w, 0, ISA_DSDOK, 3, NO, NO, 0);
    end(w, 0);
    for (uint32_t k = 0; k < 6; k++) put32(&w->data[0][100 + 2 * k], k + 0x10001);
    world_start(w);
    world_run(w, 300);
    no_fault(w);
    assert_int_equal(reg(w, 0, 1), 0);
    assert_int_equal(reg(w, 0, 2), 1);
    assert_int_equal(reg(w, 0, 3), 0);
    assert_int_equal(get32(words(w, 0) + 200), 0x10004); /* written again by the second */
    assert_int_equal(get32(words(w, 0) + 202), 0x10002);
    assert_int_equal(get32(words(w, 0) + 204), 0x10003);
    world_free(w);
}

/* ---- @map ---- */

static void map_elements(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t step = settings(w, 0, SETTINGS(s.single_step = true));
    main_task(w, 0);
    lddsr(w, 0, ISA_SRC1, 0, fabin(2, 3), step);
    lddsr(w, 0, ISA_SRC1, 1, mem(100, 3, 2), step);
    lddsr(w, 0, ISA_DEST, 0, fabout(3, 3), step);
    lddsr(w, 0, ISA_DEST, 1, mem(200, 3, 1), step);
    for (int k = 0; k < 3; k++) {
        emit(w, 0, ISA_DSRGET, 1, B0, NO, 32);
        emit(w, 0, ISA_DSRGET, 2, B1, NO, 16);
        emit(w, 0, ISA_ADD, 3, 1, 2, 0);
        emit(w, 0, ISA_DSRPUT, D0, 3, NO, 32);
        emit(w, 0, ISA_DSRPUT, D1, 3, NO, 32);
    }
    end(w, 0);
    for (uint16_t k = 0; k < 6; k++) w->data[0][100 + k] = k;
    world_start(w);
    for (uint32_t k = 0; k < 3; k++) arrive_at(w, 0, 2, 0x10000 * (k + 1), false, 40 + 20 * k);
    world_run(w, 50);
    explains(w, 0, "waits in @map for color 2, input queue 2: empty");
    world_run(w, 200);
    no_fault(w);
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(w->fabric.sent[0][3].e[k].data, 0x10000 * (k + 1) + 2 * k);
        assert_int_equal(get32(words(w, 0) + 200 + 2 * k), 0x10000 * (k + 1) + 2 * k);
    }
    assert_true(core_at(w, 0)->n[CORE_N_input_wait_cycles] > 40);
    assert_true(core_idle(&w->m, 0));
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_rounding),
        cmocka_unit_test(fma_rounds_once),
        cmocka_unit_test(every_row),
        cmocka_unit_test(overlap_is_in_order),
        cmocka_unit_test(four_dimensions_and_rings),
        cmocka_unit_test(folds),
        cmocka_unit_test(lengths),
        cmocka_unit_test(vector_faults),
        cmocka_unit_test(vector_timing),
        cmocka_unit_test(two_pes_add),
        cmocka_unit_test(backpressure),
        cmocka_unit_test(simd_wavelets),
        cmocka_unit_test(sends),
        cmocka_unit_test(wavelet_index),
        cmocka_unit_test(control_wavelets),
        cmocka_unit_test(join),
        cmocka_unit_test(clash_and_ids),
        cmocka_unit_test(main_beside_microthread),
        cmocka_unit_test(sharing),
        cmocka_unit_test(fifo_pipeline),
        cmocka_unit_test(fifo_test_and_length),
        cmocka_unit_test(map_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
