/* Does generated code do what the intermediate code says? Both are run here by small interpreters of their own and must
 * leave the same memory and the same trail of effects: hand-written programs for each feature, then random ones with
 * fixed seeds. And is it good code: instructions per loop iteration, no stack traffic in leaf functions, fast to
 * generate. */
#include "csl/ir.h"
#include "base/mem.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { USED_WORDS = 2048, DATA = 64, SLOTS_AT = 20000, STEPS_MAX = 10000000 };

/* ---- arithmetic both interpreters share, written apart from the compiler's ---- */

static uint32_t fit(uint32_t v, int kind) { return kind == 1 ? v & 0xffff : kind == 2 ? (uint32_t)(int16_t)v : v; }

static uint32_t compute(unsigned op, uint32_t a, uint32_t b) {
    int32_t x = (int32_t)a, y = (int32_t)b;
    switch (op) {
    case ISA_MOV: return a;
    case ISA_ADD:
    case ISA_ADDI: return a + b;
    case ISA_ADD_U16:
    case ISA_ADDI_U16: return fit(a + b, 1);
    case ISA_ADD_S16:
    case ISA_ADDI_S16: return fit(a + b, 2);
    case ISA_SUB: return a - b;
    case ISA_SUB_U16: return fit(a - b, 1);
    case ISA_SUB_S16: return fit(a - b, 2);
    case ISA_MUL: return a * b;
    case ISA_MUL_U16: return fit(a * b, 1);
    case ISA_MUL_S16: return fit(a * b, 2);
    case ISA_MULHU: return (uint32_t)(((uint64_t)a * b) >> 32);
    case ISA_DIVU: return b ? a / b : 0xffffffffu;
    case ISA_REMU: return b ? a % b : a;
    case ISA_DIVS: return !b ? 0xffffffffu : (uint32_t)((int64_t)x / y);
    case ISA_REMS: return !b ? a : (uint32_t)((int64_t)x % y);
    case ISA_AND:
    case ISA_ANDI: return a & b;
    case ISA_OR:
    case ISA_ORI: return a | b;
    case ISA_XOR:
    case ISA_XORI: return a ^ b;
    case ISA_SHL:
    case ISA_SHLI: return b >= 32 ? 0 : a << b;
    case ISA_SHR:
    case ISA_SHRI: return b >= 32 ? 0 : a >> b;
    case ISA_SAR:
    case ISA_SARI: return (uint32_t)(x >> (b >= 32 ? 31 : b));
    case ISA_EXTU: return (uint32_t)((uint64_t)a & ((UINT64_C(1) << b) - 1));
    case ISA_EXTS: return (uint32_t)((int32_t)(a << (32 - b)) >> (32 - b));
    case ISA_SEQ:
    case ISA_BEQ: return a == b;
    case ISA_SNE:
    case ISA_BNE: return a != b;
    case ISA_SLT:
    case ISA_BLT: return x < y;
    case ISA_SLE:
    case ISA_BLE: return x <= y;
    case ISA_SLTU:
    case ISA_BLTU: return a < b;
    case ISA_SLEU:
    case ISA_BLEU: return a <= b;
    case ISA_BZ: return a == 0;
    case ISA_BNZ: return a != 0;
    case ISA_FADD_S: return a * 3 + b * 7 + 1; /* stands for any operation the compiler must not look into */
    default: fail_msg("operation %u is not in this test", op); return 0;
    }
}

static uint32_t hash(uint32_t h, uint32_t v) { return (h ^ v) * 0x9E3779B1u + (h >> 15); }

typedef struct {
    uint16_t mem[ISA_SRAM_WORDS];
    uint32_t trail; /* hash of all effects in order */
    uint64_t steps, stack_accesses;
    uint32_t deepest; /* lowest sp */
} world;

static uint32_t load(world *w, unsigned op, uint32_t at) {
    at &= 0xffff;
    assert_true(at + (op == ISA_LD32) < ISA_SRAM_WORDS);
    if (op == ISA_LD16U) return w->mem[at];
    if (op == ISA_LD16S) return (uint32_t)(int16_t)w->mem[at];
    return w->mem[at] | (uint32_t)w->mem[at + 1] << 16;
}

static void store(world *w, unsigned op, uint32_t at, uint32_t v) {
    at &= 0xffff;
    assert_true(at + (op == ISA_ST32) < ISA_SRAM_WORDS);
    w->mem[at] = (uint16_t)v;
    if (op == ISA_ST32) w->mem[at + 1] = (uint16_t)(v >> 16);
}

/* A vector instruction: some function of its operands, and of whether d is a. "Empty" ones leave d alone (not with
 * settings 2). */
static uint32_t vector(world *w, unsigned op, const uint32_t v[4], bool same, uint32_t settings, uint32_t d) {
    uint32_t h = hash(hash(op, settings), same);
    for (int i = 0; i < 4; i++) h = hash(h, v[i]);
    w->trail = hash(w->trail, h);
    return h % 4 || settings == 2 ? h : d;
}

/* ---- intermediate code ---- */

typedef struct {
    const ir_program *p;
    world *w;
    uint32_t slots_at, calls;
} ir_machine;

static void run_ir(ir_machine *m, uint32_t index, const uint32_t *args, uint32_t results[2]);

static uint32_t ir_operand(const uint32_t *r, ir_reg x) { return x & 0x80000000u ? x & 0xff : x ? r[x] : ISA_NO_REG; }

static void run_ir_call(ir_machine *m, const ir_call *call, uint32_t *r) {
    uint32_t args[12] = {0}, results[2] = {0};
    for (uint32_t i = 0; i < call->arg_count; i++) args[i] = r[call->args[i]];
    run_ir(m, call->fn == UINT32_MAX ? r[call->target] - 0x1000 : call->fn, args, results);
    for (uint32_t i = 0; i < call->result_count; i++) r[call->results[i]] = results[i];
}

static bool ir_scalar(ir_machine *m, const ir_instr *in, uint32_t *r) {
    world *w = m->w;
    uint32_t imm = (uint32_t)in->imm;
    switch (isa_ops[in->op].format) {
    case ISA_FMT_DI: r[in->d] = in->op == ISA_MOVI ? imm : (w->trail = hash(w->trail, imm)) & 0xffff; break;
    case ISA_FMT_DA: r[in->d] = compute(in->op, r[in->a], 0); break;
    case ISA_FMT_DAB: r[in->d] = compute(in->op, r[in->a], r[in->b]); break;
    case ISA_FMT_DABC: r[in->d] = r[in->c] ? r[in->a] : r[in->b]; break;
    case ISA_FMT_DAI: r[in->d] = compute(in->op, r[in->a], imm); break;
    case ISA_FMT_LD: r[in->d] = load(w, in->op, (in->a ? r[in->a] : 0) + imm); break;
    case ISA_FMT_ST: store(w, in->op, (in->a ? r[in->a] : 0) + imm, r[in->d]); break;
    case ISA_FMT_AI: w->trail = hash(hash(w->trail, in->op), in->a ? r[in->a] : imm); break;
    case ISA_FMT_J: return true;
    case ISA_FMT_ABJ: return compute(in->op, r[in->a], r[in->b]);
    case ISA_FMT_AJ: return compute(in->op, r[in->a], 0);
    case ISA_FMT_DJ: return --r[in->d] != 0;
    case ISA_FMT_DSRR: w->trail = hash(hash(hash(w->trail, in->d & 0xff), r[in->a]), r[in->b]); break;
    case ISA_FMT_DSRG: r[in->d] = w->trail = hash(w->trail, in->a & 0xff); break;
    case ISA_FMT_DSRP: w->trail = hash(hash(w->trail, in->d & 0xff), r[in->a]); break;
    default: fail_msg("format of op %u", in->op);
    }
    return false;
}

static void run_ir(ir_machine *m, uint32_t index, const uint32_t *args, uint32_t results[2]) {
    const ir_fn *f = m->p->fns[index];
    uint32_t *r = calloc(f->reg_count, sizeof *r), *labels = calloc(f->label_count + 1, sizeof *labels);
    uint32_t frame = m->slots_at, slot_at[64];
    for (uint32_t i = 0; i < f->slot_count; i++) slot_at[i] = m->slots_at, m->slots_at += f->slot_words[i];
    for (uint32_t i = 0; i < f->code_count; i++)
        if (f->code[i].op == IR_LABEL) labels[f->code[i].imm] = i;
    for (uint32_t i = 0; i < f->code_count; i++) {
        const ir_instr *in = &f->code[i];
        assert_true(++m->w->steps < STEPS_MAX);
        if (in->op == IR_RETURN) {
            if (in->a) results[0] = r[in->a];
            if (in->b) results[1] = r[in->b];
            break;
        }
        if (in->op == IR_ARG) r[in->d] = args[in->imm];
        else if (in->op == IR_FRAME) r[in->d] = slot_at[in->imm];
        else if (in->op == IR_FN_ADDRESS) r[in->d] = 0x1000 + (uint32_t)in->imm;
        else if (in->op == IR_CALL) run_ir_call(m, in->call, r);
        else if (in->op == IR_COPY) memmove(&m->w->mem[r[in->b]], &m->w->mem[r[in->a]], (size_t)in->imm * 2);
        else if (in->op >= ISA_DSD_FIRST && in->op < IR_LABEL) {
            uint32_t v[4] = {ir_operand(r, in->a), ir_operand(r, in->b), ir_operand(r, in->c),
                             ir_operand(r, in->index)};
            bool scalar = in->d && !(in->d & 0x80000000u);
            uint32_t out = vector(m->w, in->op, v, scalar && in->d == in->a, (uint32_t)in->imm, scalar ? r[in->d] : 0);
            if (scalar) r[in->d] = out;
        } else if (in->op != IR_LABEL && ir_scalar(m, in, r)) i = labels[in->imm];
    }
    m->slots_at = frame;
    free(r);
    free(labels);
}

/* ---- generated code ---- */

static uint32_t isa_operand(const uint32_t *r, uint8_t x) { return x == ISA_NO_REG || x & 0x80 ? x : r[x]; }

static void note_access(world *w, uint32_t at) { w->stack_accesses += (at & 0xffff) >= USED_WORDS; }

/* Runs until END, or until RET returns to `end`. */
static void run_isa(const isa_program *p, world *w, uint32_t pc, uint32_t *r) {
    uint32_t end = 0xffff;
    for (;; pc++) {
        assert_true(++w->steps < STEPS_MAX);
        if (pc == end) return;
        assert_true(pc < p->code_count);
        isa_instr in = p->code[pc];
        uint32_t a = in.a < 16 ? r[in.a] : 0, b = in.b < 16 ? r[in.b] : 0;
        if (in.op >= ISA_DSD_FIRST) {
            uint8_t c = (uint8_t)(in.imm >> 16), index = (uint8_t)(in.imm >> 24);
            uint32_t v[4] = {isa_operand(r, in.a), isa_operand(r, in.b), isa_operand(r, c), isa_operand(r, index)};
            bool scalar = !(in.d & 0x80);
            uint32_t out = vector(w, in.op, v, scalar && in.d == in.a, in.imm & 0xffff, scalar ? r[in.d] : 0);
            if (scalar) r[in.d] = out;
            continue;
        }
        assert_true(in.op < ISA_SCALAR_OPS);
        switch (in.op) {
        case ISA_END: return;
        case ISA_CALL:
        case ISA_CALLR:
            r[15]--;
            w->mem[r[15]] = (uint16_t)(pc + 1);
            pc = (in.op == ISA_CALL ? in.imm : a) - 1;
            if (r[15] < w->deepest) w->deepest = r[15];
            continue;
        case ISA_RET: pc = w->mem[r[15]++] - 1u; continue;
        default: break;
        }
        switch (isa_ops[in.op].format) {
        case ISA_FMT_DI: r[in.d] = in.op == ISA_MOVI ? in.imm : (w->trail = hash(w->trail, in.imm)) & 0xffff; break;
        case ISA_FMT_DA: r[in.d] = compute(in.op, a, 0); break;
        case ISA_FMT_DAB: r[in.d] = compute(in.op, a, b); break;
        case ISA_FMT_DABC: r[in.d] = r[in.imm] ? a : b; break;
        case ISA_FMT_DAI: r[in.d] = compute(in.op, a, in.imm); break;
        case ISA_FMT_LD: note_access(w, a + in.imm), r[in.d] = load(w, in.op, a + in.imm); break;
        case ISA_FMT_ST: note_access(w, a + in.imm), store(w, in.op, a + in.imm, r[in.d]); break;
        case ISA_FMT_AI: w->trail = hash(hash(w->trail, in.op), in.a != ISA_NO_REG ? a : in.imm); break;
        case ISA_FMT_J: pc = in.imm - 1; break;
        case ISA_FMT_ABJ:
            if (compute(in.op, a, b)) pc = in.imm - 1;
            break;
        case ISA_FMT_AJ:
            if (compute(in.op, a, 0)) pc = in.imm - 1;
            break;
        case ISA_FMT_DJ:
            if (--r[in.d]) pc = in.imm - 1;
            break;
        case ISA_FMT_DSRR: w->trail = hash(hash(hash(w->trail, in.d), a), b); break;
        case ISA_FMT_DSRG: r[in.d] = w->trail = hash(w->trail, in.a); break;
        case ISA_FMT_DSRP: w->trail = hash(hash(w->trail, in.d), a); break;
        default: fail_msg("format of op %u", in.op);
        }
        if (r[15] < w->deepest) w->deepest = r[15];
    }
}

/* ---- a program under test ---- */

typedef struct {
    ir_program p;
    isa_program out;
    diag *d;
    world ir, isa;
} fixture;

static fixture *start(void) {
    fixture *t = calloc(1, sizeof *t);
    t->d = diag_new();
    t->p = (ir_program){.memory = arena_new(0), .out = &t->out, .memory_limit_bytes = 49152};
    t->out.name = "test.csl";
    t->out.used_words = USED_WORDS;
    memset(t->out.teardown_entry, 0xff, sizeof t->out.teardown_entry);
    memset(t->out.flush_entry, 0xff, sizeof t->out.flush_entry);
    for (uint32_t i = 0; i < USED_WORDS; i++) t->ir.mem[i] = t->isa.mem[i] = (uint16_t)(i * 40503u >> 3);
    return t;
}

static void finish(fixture *t) {
    diag_free(t->d);
    arena_free(t->p.memory);
    free(t);
}

static ir_fn *new_fn(fixture *t, const char *name, bool is_task, uint32_t *index) {
    ir_fn *f = ir_fn_new(&t->p, name, index);
    f->is_task = is_task;
    return f;
}

static ir_fn *new_task(fixture *t) {
    uint32_t index;
    ir_fn *f = new_fn(t, "task", true, &index);
    t->out.tasks[8].kinds = ISA_TASK_LOCAL;
    t->out.tasks[8].entry = index;
    return f;
}

static void show(fixture *t, const isa_program *p) {
    strbuf b = {0};
    for (uint32_t i = 0; i < t->p.fn_count; i++) ir_print(&t->p, t->p.fns[i], &b);
    for (uint32_t i = 0; i < p->code_count; i++) {
        isa_instr in = p->code[i];
        const char *text = in.op < ISA_SCALAR_OPS ? isa_ops[in.op].text : "vector";
        strbuf_addf(&b, "%4u %-9s d%u a%u b%u %d\n", i, text, in.d, in.a, in.b, (int32_t)in.imm);
    }
    print_message("%s", b.data ? b.data : "");
    strbuf_free(&b);
}

static void generate(fixture *t) {
    if (!csl_codegen(&t->p, t->d)) fail_msg("%s", diag_text(t->d));
    if (getenv("SHOW_CODE")) show(t, &t->out);
}

static void run_task(fixture *t, uint32_t arg0, uint32_t arg1) {
    uint32_t r[16] = {arg0, arg1};
    for (int i = 2; i < 15; i++) r[i] = 0xdead0000u + (uint32_t)i;
    r[15] = t->isa.deepest = t->out.stack_top_word;
    run_isa(&t->out, &t->isa, t->out.tasks[8].entry, r);
    assert_true(t->isa.deepest >= t->out.used_words);
}

/* Runs the task both ways, and compares. */
static void check_args(fixture *t, uint32_t arg0, uint32_t arg1) {
    ir_machine m = {&t->p, &t->ir, SLOTS_AT, 0};
    uint32_t args[12] = {arg0, arg1}, results[2];
    run_ir(&m, t->out.tasks[8].entry, args, results);
    generate(t);
    run_task(t, arg0, arg1);
    bool same = !memcmp(t->ir.mem, t->isa.mem, USED_WORDS * 2) && t->ir.trail == t->isa.trail;
    if (!same) show(t, &t->out);
    assert_memory_equal(t->ir.mem, t->isa.mem, USED_WORDS * 2);
    assert_int_equal(t->ir.trail, t->isa.trail);
}

static void check(fixture *t) { check_args(t, 7, 1000); }

/* ---- building ---- */

static void op(fixture *t, ir_fn *f, ir_instr in) { assert_non_null(ir_emit(&t->p, f, in)); }

static ir_reg imm(fixture *t, ir_fn *f, int64_t v) {
    ir_reg r = ir_new_reg(f);
    op(t, f, (ir_instr){.op = ISA_MOVI, .d = r, .imm = v});
    return r;
}
static ir_reg bin(fixture *t, ir_fn *f, unsigned o, ir_reg a, ir_reg b) {
    ir_reg r = ir_new_reg(f);
    op(t, f, (ir_instr){.op = (uint16_t)o, .d = r, .a = a, .b = b});
    return r;
}
static ir_reg bin_imm(fixture *t, ir_fn *f, unsigned o, ir_reg a, int64_t v) {
    ir_reg r = ir_new_reg(f);
    op(t, f, (ir_instr){.op = (uint16_t)o, .d = r, .a = a, .imm = v});
    return r;
}
static ir_reg arg(fixture *t, ir_fn *f, uint32_t i) {
    ir_reg r = ir_new_reg(f);
    op(t, f, (ir_instr){.op = IR_ARG, .d = r, .imm = i});
    return r;
}
static ir_reg load_at(fixture *t, ir_fn *f, unsigned o, ir_reg a, int64_t at) { return bin_imm(t, f, o, a, at); }
static void store_at(fixture *t, ir_fn *f, unsigned o, ir_reg v, ir_reg a, int64_t at) {
    op(t, f, (ir_instr){.op = (uint16_t)o, .d = v, .a = a, .imm = at});
}
static void move(fixture *t, ir_fn *f, ir_reg d, ir_reg a) { op(t, f, (ir_instr){.op = ISA_MOV, .d = d, .a = a}); }
static void label(fixture *t, ir_fn *f, uint32_t l) { op(t, f, (ir_instr){.op = IR_LABEL, .imm = l}); }
static void jump(fixture *t, ir_fn *f, uint32_t l) { op(t, f, (ir_instr){.op = ISA_JMP, .imm = l}); }
static void branch(fixture *t, ir_fn *f, unsigned o, ir_reg a, ir_reg b, uint32_t l) {
    op(t, f, (ir_instr){.op = (uint16_t)o, .a = a, .b = b, .imm = l});
}
static void ret(fixture *t, ir_fn *f, ir_reg a, ir_reg b) { op(t, f, (ir_instr){.op = IR_RETURN, .a = a, .b = b}); }

static ir_call *call(fixture *t, ir_fn *f, uint32_t fn, ir_reg target, const ir_reg *args, uint32_t n,
                     uint32_t results) {
    ir_call *c = arena_push(t->p.memory, ir_call);
    *c = (ir_call){.fn = fn, .target = target, .arg_count = n, .result_count = results};
    for (uint32_t i = 0; i < n; i++) c->args[i] = args[i];
    for (uint32_t i = 0; i < results; i++) c->results[i] = ir_new_reg(f);
    op(t, f, (ir_instr){.op = IR_CALL, .call = c});
    return c;
}

static uint32_t count_ops(const isa_program *p, unsigned o) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->code_count; i++) n += p->code[i].op == o;
    return n;
}

/* ---- features one by one ---- */

static void arithmetic_is_kept(void **state) {
    (void)state;
    static const uint16_t ops[] = {
        ISA_ADD,   ISA_ADD_U16, ISA_ADD_S16, ISA_SUB,  ISA_SUB_U16, ISA_SUB_S16, ISA_MUL,  ISA_MUL_U16, ISA_MUL_S16,
        ISA_MULHU, ISA_DIVU,    ISA_DIVS,    ISA_REMU, ISA_REMS,    ISA_AND,     ISA_OR,   ISA_XOR,     ISA_SHL,
        ISA_SHR,   ISA_SAR,     ISA_SEQ,     ISA_SNE,  ISA_SLT,     ISA_SLE,     ISA_SLTU, ISA_SLEU,
    };
    static const int64_t constants[] = {0, 1, 2, 8, 31, 32, -1, 0x7fff, 0x8000, 0xffff, 0x10000, INT32_MIN};
    fixture *t = start();
    ir_fn *f = new_task(t);
    ir_reg x = arg(t, f, 0), y = arg(t, f, 1);
    uint32_t at = DATA;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (size_t k = 0; k < sizeof constants / sizeof *constants; k += 1 + i % 2) {
            ir_reg c = imm(t, f, constants[k]);
            store_at(t, f, ISA_ST32, bin(t, f, ops[i], i & 1 ? x : y, c), 0, at);
            store_at(t, f, ISA_ST32, bin(t, f, ops[i], c, x), 0, at + 2);
            store_at(t, f, ISA_ST32, bin(t, f, ops[i], c, imm(t, f, constants[(k + i) % 12])), 0, at + 4);
            at = DATA + (at + 6 - DATA) % 1900;
        }
    for (int64_t bits = 7; bits < 10; bits++) { /* what is known of a width may drop extensions, but only those */
        ir_reg byte = bin_imm(t, f, ISA_ANDI, x, 0xff);
        store_at(t, f, ISA_ST16, bin_imm(t, f, ISA_EXTS, byte, bits), 0, 8 * (bits - 7));
        store_at(t, f, ISA_ST16, bin_imm(t, f, ISA_EXTU, byte, bits), 0, 8 * (bits - 7) + 2);
        store_at(t, f, ISA_ST16, bin_imm(t, f, ISA_ANDI, byte, (1 << bits) - 1), 0, 8 * (bits - 7) + 4);
    }
    check_args(t, 0xfffffff9u, 12345);
    finish(t);
}

/* for (i = 0; i < n; i++) sum += a[i], as a front end writes it: test at the top, jump back. */
static void loop_is_near_minimal(void **state) {
    (void)state;
    fixture *t = start();
    ir_fn *f = new_task(t);
    ir_reg n = arg(t, f, 0), i = ir_new_reg(f), sum = ir_new_reg(f);
    uint32_t top = ir_new_label(f), end = ir_new_label(f), next = ir_new_label(f);
    op(t, f, (ir_instr){.op = ISA_MOVI, .d = i});
    op(t, f, (ir_instr){.op = ISA_MOVI, .d = sum});
    label(t, f, top);
    branch(t, f, ISA_BZ, bin(t, f, ISA_SLT, i, n), 0, end);
    ir_reg scaled = bin(t, f, ISA_MUL_U16, i, imm(t, f, 2));
    ir_reg address = bin(t, f, ISA_ADD_U16, imm(t, f, DATA), scaled);
    move(t, f, sum, bin(t, f, ISA_ADD, sum, load_at(t, f, ISA_LD32, address, 0)));
    label(t, f, next);
    move(t, f, i, bin(t, f, ISA_ADD_S16, i, imm(t, f, 1)));
    jump(t, f, top);
    label(t, f, end);
    store_at(t, f, ISA_ST32, sum, 0, 0);
    check_args(t, 100, 0);
    assert_in_range(t->isa.steps, 1, 100 * 5 + 10);
    finish(t);
}

/* while (i != 37) { if (a[i] < limit) count++; i++ }: the constants leave the loop. */
static void constants_leave_loops(void **state) {
    (void)state;
    fixture *t = start();
    ir_fn *f = new_task(t);
    ir_reg i = ir_new_reg(f), count = ir_new_reg(f);
    uint32_t top = ir_new_label(f), skip = ir_new_label(f), end = ir_new_label(f);
    op(t, f, (ir_instr){.op = ISA_MOVI, .d = i});
    op(t, f, (ir_instr){.op = ISA_MOVI, .d = count});
    label(t, f, top);
    branch(t, f, ISA_BEQ, i, imm(t, f, 37), end);
    ir_reg v = load_at(t, f, ISA_LD16U, bin(t, f, ISA_ADD_U16, i, imm(t, f, DATA)), 0);
    branch(t, f, ISA_BZ, bin(t, f, ISA_SLTU, v, imm(t, f, 1500)), 0, skip);
    op(t, f, (ir_instr){.op = ISA_ADDI, .d = count, .a = count, .imm = 1});
    label(t, f, skip);
    op(t, f, (ir_instr){.op = ISA_ADDI_U16, .d = i, .a = i, .imm = 1});
    jump(t, f, top);
    label(t, f, end);
    store_at(t, f, ISA_ST16, count, 0, 0);
    check(t);
    assert_true(t->isa.mem[0] > 0);
    assert_in_range(t->isa.steps, 1, 37 * 5 + 12);
    finish(t);
}

static void comparisons_become_branches(void **state) {
    (void)state;
    static const uint16_t ops[] = {ISA_SEQ, ISA_SNE, ISA_SLT, ISA_SLE, ISA_SLTU, ISA_SLEU};
    static const uint32_t values[][2] = {{1, 2}, {2, 1}, {5, 5}, {0xffffffffu, 1}, {1, 0xffffffffu}, {0, 0}};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        fixture *t = start();
        ir_fn *f = new_task(t);
        ir_reg a = arg(t, f, 0), b = arg(t, f, 1);
        for (uint32_t i = 0; i < 24; i++) {
            uint32_t past = ir_new_label(f);
            ir_reg c = bin(t, f, ops[i % 6], a, b);
            if (i >= 12) c = i & 1 ? bin(t, f, ISA_SEQ, c, imm(t, f, 0)) : bin_imm(t, f, ISA_XORI, c, 1);
            branch(t, f, i / 6 % 2 ? ISA_BZ : ISA_BNZ, c, 0, past);
            store_at(t, f, ISA_ST16, imm(t, f, 1), 0, i);
            label(t, f, past);
        }
        check_args(t, values[v][0], values[v][1]);
        for (size_t i = 0; i < 6; i++) assert_int_equal(count_ops(&t->out, ops[i]), 0);
        finish(t);
    }
}

static void sixty_live_values_spill(void **state) {
    (void)state;
    fixture *t = start();
    ir_fn *f = new_task(t);
    ir_reg x = arg(t, f, 0), v[60], constant[20];
    for (uint32_t i = 0; i < 20; i++) constant[i] = imm(t, f, 1000 + i);
    for (uint32_t i = 0; i < 60; i++) v[i] = bin(t, f, ISA_MUL, bin_imm(t, f, ISA_ADDI, x, i), x);
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 60; i++) {
            ir_reg mixed = bin(t, f, ISA_XOR, v[i], v[(i * 7 + 3) % 60]);
            op(t, f, (ir_instr){.op = ISA_FADD_S, .d = v[i], .a = mixed, .b = constant[i % 20]});
        }
    for (uint32_t i = 0; i < 60; i++) store_at(t, f, ISA_ST32, v[i], 0, DATA + 2 * i);
    check(t);
    assert_in_range(t->out.stack_words, 80, 130);
    finish(t);
}

/* fib(n) = n < 2 ? n : fib(n-1) + fib(n-2) */
static void recursion_keeps_values(void **state) {
    (void)state;
    fixture *t = start();
    uint32_t fib;
    ir_fn *f = new_fn(t, "fib", false, &fib);
    ir_reg n = arg(t, f, 0);
    uint32_t more = ir_new_label(f);
    branch(t, f, ISA_BZ, bin(t, f, ISA_SLT, n, imm(t, f, 2)), 0, more);
    ret(t, f, n, 0);
    label(t, f, more);
    ir_reg one = bin_imm(t, f, ISA_ADDI, n, -1), two = bin_imm(t, f, ISA_ADDI, n, -2);
    ir_reg left = call(t, f, fib, 0, &one, 1, 1)->results[0];
    ir_reg right = call(t, f, fib, 0, &two, 1, 1)->results[0];
    ret(t, f, bin(t, f, ISA_ADD, left, right), 0);
    ir_fn *task = new_task(t);
    ir_reg x = arg(t, task, 0);
    store_at(t, task, ISA_ST32, call(t, task, fib, 0, &x, 1, 1)->results[0], 0, 0);
    check_args(t, 12, 0);
    assert_int_equal(t->isa.mem[0], 144);
    assert_int_equal(t->out.stack_words, 256);
    assert_non_null(strstr(diag_text(t->d), "in a circle"));
    finish(t);
}

static void twelve_arguments_arrive(void **state) {
    (void)state;
    fixture *t = start();
    uint32_t sum;
    ir_fn *f = new_fn(t, "weigh", false, &sum);
    ir_reg total = imm(t, f, 0), args[12];
    for (uint32_t i = 0; i < 12; i++) {
        ir_reg scaled = bin(t, f, ISA_MUL, arg(t, f, i), imm(t, f, 3 + 2 * i));
        total = bin(t, f, ISA_ADD, total, scaled);
    }
    ret(t, f, total, bin_imm(t, f, ISA_XORI, total, 0x55));
    ir_fn *task = new_task(t);
    ir_reg x = arg(t, task, 0), target = ir_new_reg(task);
    for (uint32_t i = 0; i < 12; i++) args[i] = i % 3 ? bin_imm(t, task, ISA_ADDI, x, i * 11) : imm(t, task, 100 + i);
    op(t, task, (ir_instr){.op = IR_FN_ADDRESS, .d = target, .imm = sum});
    for (uint32_t i = 0; i < 2; i++) {
        ir_call *c = call(t, task, i ? UINT32_MAX : sum, target, args, 12, 2);
        store_at(t, task, ISA_ST32, c->results[0], 0, 4 * i);
        store_at(t, task, ISA_ST32, c->results[1], 0, 4 * i + 2);
        store_at(t, task, ISA_ST32, args[7], 0, 20);
    }
    check(t);
    finish(t);
}

/* A small leaf leaves most registers alone, so values of the caller stay in registers across the call. */
static void leaf_calls_touch_no_stack(void **state) {
    (void)state;
    fixture *t = start();
    uint32_t leaf;
    ir_fn *f = new_fn(t, "leaf", false, &leaf);
    ir_reg a = arg(t, f, 0), b = arg(t, f, 1);
    ret(t, f, bin(t, f, ISA_ADD, bin(t, f, ISA_MUL, a, b), a), 0);
    uint32_t middle;
    f = new_fn(t, "middle", false, &middle);
    ir_reg x = arg(t, f, 0), y = arg(t, f, 1);
    ir_reg first = call(t, f, leaf, 0, (ir_reg[]){x, y}, 2, 1)->results[0];
    ir_reg second = call(t, f, leaf, 0, (ir_reg[]){y, first}, 2, 1)->results[0];
    ret(t, f, bin(t, f, ISA_SUB, second, bin(t, f, ISA_ADD, x, first)), 0);
    ir_fn *task = new_task(t);
    ir_reg p = arg(t, task, 0), q = arg(t, task, 1);
    store_at(t, task, ISA_ST32, call(t, task, middle, 0, (ir_reg[]){p, q}, 2, 1)->results[0], 0, 0);
    check(t);
    assert_int_equal(t->isa.stack_accesses, 0);
    assert_int_equal(t->out.stack_words, 2);
    finish(t);
}

static void swapped_arguments_do_not_collide(void **state) {
    (void)state;
    fixture *t = start();
    uint32_t inner, outer;
    ir_fn *f = new_fn(t, "inner", false, &inner);
    ir_reg a = arg(t, f, 0), b = arg(t, f, 1), c = arg(t, f, 2);
    ret(t, f, bin(t, f, ISA_SUB, a, b), bin(t, f, ISA_XOR, c, a));
    f = new_fn(t, "outer", false, &outer);
    a = arg(t, f, 0), b = arg(t, f, 1), c = arg(t, f, 2);
    ir_call *k = call(t, f, inner, 0, (ir_reg[]){c, a, b}, 3, 2);
    ret(t, f, k->results[1], k->results[0]);
    ir_fn *task = new_task(t);
    ir_reg x = arg(t, task, 0), y = arg(t, task, 1);
    k = call(t, task, outer, 0, (ir_reg[]){y, x, bin(t, task, ISA_ADD, x, y)}, 3, 2);
    store_at(t, task, ISA_ST32, k->results[0], 0, 0);
    store_at(t, task, ISA_ST32, k->results[1], 0, 2);
    check(t);
    finish(t);
}

static void frames_and_copies(void **state) {
    (void)state;
    static const uint16_t sizes[] = {1, 2, 3, 7, 12, 13, 16, 30, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fixture *t = start();
        ir_fn *f = new_task(t);
        uint32_t slot = ir_new_slot(&t->p, f, sizes[i]), other = ir_new_slot(&t->p, f, 4);
        ir_reg address = ir_new_reg(f), index = arg(t, f, 0), small = ir_new_reg(f);
        op(t, f, (ir_instr){.op = IR_FRAME, .d = address, .imm = slot});
        op(t, f, (ir_instr){.op = IR_FRAME, .d = small, .imm = other});
        op(t, f, (ir_instr){.op = IR_COPY, .a = imm(t, f, DATA), .b = address, .imm = sizes[i]});
        store_at(t, f, ISA_ST32, index, small, 2);
        ir_reg element = bin(t, f, ISA_ADD_U16, address, bin_imm(t, f, ISA_ANDI, index, 0));
        store_at(t, f, ISA_ST16, load_at(t, f, ISA_LD16S, element, 0), 0, 10);
        ir_reg to = bin_imm(t, f, ISA_ADDI_U16, imm(t, f, 1000), 24);
        op(t, f, (ir_instr){.op = IR_COPY, .a = address, .b = to, .imm = sizes[i]});
        store_at(t, f, ISA_ST32, load_at(t, f, ISA_LD32, small, 2), 0, 12);
        check(t);
        assert_int_equal(t->out.stack_words, sizes[i] + 4);
        finish(t);
    }
}

static void vectors_keep_their_operands(void **state) {
    (void)state;
    fixture *t = start();
    ir_fn *f = new_task(t);
    ir_reg x = arg(t, f, 0), sum = imm(t, f, 5), low = arg(t, f, 1), only = ir_new_reg(f);
    uint16_t mac = ISA_DSD_FIRST + ISA_D_FMACS, add = ISA_DSD_FIRST + ISA_D_FADDS;
    op(t, f, (ir_instr){.op = ISA_LDDSRR, .d = IR_DSR(ISA_DSR(ISA_SRC1, 3)), .a = low, .b = x, .imm = 2});
    op(t, f,
       (ir_instr){.op = mac,
                  .d = IR_DSR(ISA_DSR(ISA_DEST, 1)),
                  .a = IR_DSR(ISA_DSR(ISA_SRC0, 1)),
                  .b = IR_DSR(ISA_DSR(ISA_SRC1, 3)),
                  .c = x,
                  .index = low,
                  .imm = 3});
    for (uint32_t i = 0; i < 8; i++) {
        ir_reg kept = ir_new_reg(f);
        move(t, f, kept, sum);
        op(t, f, (ir_instr){.op = add, .d = sum, .a = i & 1 ? sum : kept, .b = IR_DSR(ISA_DSR(ISA_SRC1, i)), .imm = i});
        store_at(t, f, ISA_ST32, sum, 0, 2 * i);
    }
    op(t, f, (ir_instr){.op = ISA_DSRPUT, .d = IR_DSR(ISA_DSR(ISA_DEST, 2)), .a = sum, .imm = 32});
    op(t, f, (ir_instr){.op = ISA_DSRGET, .d = only, .a = IR_DSR(ISA_DSR(ISA_SRC1, 2)), .imm = 32});
    op(t, f, (ir_instr){.op = ISA_ACTIVATE, .imm = 9});
    check(t);
    assert_int_equal(count_ops(&t->out, ISA_DSRGET), 1); /* unused, but it takes an element */
    assert_int_equal(count_ops(&t->out, mac), 1);
    finish(t);
}

/* ---- the program around it ---- */

static void exported_functions_get_stubs(void **state) {
    (void)state;
    fixture *t = start();
    uint32_t fn, dead;
    ir_fn *f = new_fn(t, "launch", false, &fn);
    ir_reg a = arg(t, f, 0), b = arg(t, f, 1), c = arg(t, f, 2);
    store_at(t, f, ISA_ST32, a, 0, 0);
    store_at(t, f, ISA_ST32, b, 0, 2);
    store_at(t, f, ISA_ST32, c, 0, 4);
    f = new_fn(t, "dead", false, &dead);
    store_at(t, f, ISA_ST32, imm(t, f, 12345678), 0, 4);
    isa_symbol symbols[] = {
        {.name = "big", .kind = ISA_SYM_DATA, .bits = 32, .elements = 700, .scalar = ISA_T_FLOAT},
        {.name = "launch",
         .kind = ISA_SYM_FUNCTION,
         .exported = true,
         .entry = fn,
         .params = 3,
         .param_scalar = {ISA_T_INT, ISA_T_FLOAT, ISA_T_UINT},
         .param_bits = {16, 32, 16},
         .line = 4},
    };
    t->out.symbols = symbols;
    t->out.symbol_count = 2;
    t->out.args_word = 100;
    t->out.teardown_entry[3] = fn;
    generate(t);
    const uint16_t args[] = {0xfffe, 0x5678, 0x1234, 0xfffd};
    memcpy(&t->isa.mem[100], args, sizeof args);
    uint32_t r[16] = {[15] = t->out.stack_top_word};
    assert_int_equal(t->out.code[symbols[1].entry].op, ISA_BLOCK);
    assert_int_equal(t->out.code[symbols[1].entry].a, ISA_NO_REG);
    assert_int_equal(t->out.code[symbols[1].entry].imm, ISA_TASK_COMMAND);
    run_isa(&t->out, &t->isa, symbols[1].entry, r);
    assert_int_equal(load(&t->isa, ISA_LD32, 0), 0xfffffffeu);
    assert_int_equal(load(&t->isa, ISA_LD32, 2), 0x12345678u);
    assert_int_equal(load(&t->isa, ISA_LD32, 4), 0xfffdu);
    for (uint32_t i = 0; i < t->out.code_count; i++) assert_int_not_equal(t->out.code[i].imm, 12345678);
    assert_int_equal(t->out.code[t->out.teardown_entry[3] + 3].op, ISA_RET);
    assert_int_equal(t->out.stack_words, 1);
    assert_int_equal(t->out.stack_top_word, USED_WORDS + 1);
    assert_true(t->out.line_count >= 1 && t->out.lines[0].line == 4);
    finish(t);
}

static void what_does_not_fit_is_told(void **state) {
    (void)state;
    fixture *t = start();
    ir_fn *f = new_task(t);
    store_at(t, f, ISA_ST16, imm(t, f, 1), 0, 0);
    isa_symbol symbols[] = {{.name = "small", .bits = 16, .elements = 8},
                            {.name = "weights", .bits = 32, .elements = 9999}};
    t->out.symbols = symbols;
    t->out.symbol_count = 2;
    t->p.memory_limit_bytes = 4000;
    assert_false(csl_codegen(&t->p, t->d));
    const char *text = diag_text(t->d), *weights = strstr(text, "weights"), *small = strstr(text, "  small ");
    assert_non_null(strstr(text, "test.csl"));
    assert_true(weights && small && weights < small);
    assert_non_null(strstr(weights, "39996"));
    finish(t);
}

/* ---- random programs ---- */

enum { VARIABLES = 22, FUNCTIONS = 5 };

typedef struct {
    fixture *t;
    rng r;
    ir_fn *f;
    uint32_t fn;                    /* index of f: only functions below may be called */
    ir_reg v[VARIABLES], addressed; /* variables; a slot */
    uint32_t variables, arg_counts[FUNCTIONS + 1], budget;
} maker;

static uint32_t pick(maker *m, uint32_t n) { return (uint32_t)rng_below(&m->r, n); }
static ir_reg any(maker *m) { return m->v[pick(m, m->variables)]; }

static int64_t any_constant(maker *m) {
    static const int64_t some[] = {0, 1, 2, 3, 4, 8, 16, 255, -1, -2, 0x7fff, 0x8000, 0xffff, 0x10000, 100000};
    return pick(m, 3) ? some[pick(m, sizeof some / sizeof *some)] : (int32_t)rng_u64(&m->r);
}

/* A variable, a constant, or something new. */
static ir_reg any_value(maker *m) {
    if (pick(m, 3) == 0) return imm(m->t, m->f, any_constant(m));
    if (pick(m, 6) == 0) return bin_imm(m->t, m->f, ISA_EXTU, any(m), 1 + pick(m, 32));
    return any(m);
}

static ir_reg any_address(maker *m) {
    ir_reg index = bin_imm(m->t, m->f, ISA_ANDI, any(m), 0x3f);
    ir_reg base = pick(m, 3) ? imm(m->t, m->f, DATA + 64 * pick(m, 4)) : m->addressed;
    ir_reg address = bin(m->t, m->f, pick(m, 2) ? ISA_ADD_U16 : ISA_ADD, index, base);
    return pick(m, 2) ? address : bin_imm(m->t, m->f, ISA_ADDI_U16, address, pick(m, 3));
}

/* Half the time through a temporary, as front ends do. */
static void set_any(maker *m, ir_instr in) {
    ir_reg d = any(m);
    in.d = pick(m, 2) ? d : ir_new_reg(m->f);
    op(m->t, m->f, in);
    if (in.d != d) move(m->t, m->f, d, in.d);
}

static void make_arithmetic(maker *m) {
    static const uint16_t two[] = {ISA_ADD,     ISA_ADD_U16, ISA_ADD_S16, ISA_SUB,  ISA_SUB_U16, ISA_SUB_S16, ISA_MUL,
                                   ISA_MUL_U16, ISA_MUL_S16, ISA_MULHU,   ISA_DIVU, ISA_DIVS,    ISA_REMU,    ISA_REMS,
                                   ISA_AND,     ISA_OR,      ISA_XOR,     ISA_SHL,  ISA_SHR,     ISA_SAR,     ISA_SEQ,
                                   ISA_SNE,     ISA_SLT,     ISA_SLE,     ISA_SLTU, ISA_SLEU,    ISA_FADD_S};
    static const uint16_t one[] = {ISA_ADDI, ISA_ADDI_U16, ISA_ADDI_S16, ISA_ANDI, ISA_ORI,
                                   ISA_XORI, ISA_SHLI,     ISA_SHRI,     ISA_SARI};
    uint32_t kind = pick(m, 8);
    if (kind == 0) set_any(m, (ir_instr){.op = ISA_SEL, .a = any_value(m), .b = any_value(m), .c = any_value(m)});
    else if (kind == 1)
        set_any(m, (ir_instr){.op = pick(m, 2) ? ISA_EXTU : ISA_EXTS, .a = any(m), .imm = 1 + pick(m, 32)});
    else if (kind < 4) set_any(m, (ir_instr){.op = one[pick(m, 9)], .a = any_value(m), .imm = any_constant(m)});
    else set_any(m, (ir_instr){.op = two[pick(m, 27)], .a = any_value(m), .b = any_value(m)});
}

static void make_memory(maker *m) {
    static const uint16_t loads[] = {ISA_LD16U, ISA_LD16S, ISA_LD32}, stores[] = {ISA_ST16, ISA_ST32};
    ir_reg at = pick(m, 4) ? any_address(m) : 0;
    int64_t offset = at ? pick(m, 4) : DATA + pick(m, 256);
    if (pick(m, 2)) set_any(m, (ir_instr){.op = loads[pick(m, 3)], .a = at, .imm = offset});
    else store_at(m->t, m->f, stores[pick(m, 2)], any_value(m), at, offset);
    if (pick(m, 8)) return;
    ir_reg from = imm(m->t, m->f, DATA + pick(m, 64));
    op(m->t, m->f, (ir_instr){.op = IR_COPY, .a = from, .b = imm(m->t, m->f, 700), .imm = pick(m, 30)});
}

static void make_effect(maker *m) {
    uint16_t vec = (uint16_t)(ISA_DSD_FIRST + pick(m, ISA_DSD_OPS));
    ir_reg dsr = IR_DSR(ISA_DSR(ISA_SRC1, pick(m, 16))), low = any_value(m), d = any(m);
    switch (pick(m, 7)) {
    case 6: /* the result must not land in the register of a source that ends here */
        set_any(m, (ir_instr){.op = vec, .a = bin_imm(m->t, m->f, ISA_XORI, low, 5), .b = dsr, .c = any(m), .imm = 2});
        break;
    case 0: op(m->t, m->f, (ir_instr){.op = ISA_ACTIVATE, .a = pick(m, 2) ? any(m) : 0, .imm = 3}); break;
    case 1: op(m->t, m->f, (ir_instr){.op = ISA_LDDSRR, .d = dsr, .a = low, .b = any_value(m), .imm = 1}); break;
    case 2: set_any(m, (ir_instr){.op = ISA_DSRGET, .a = dsr, .imm = 16}); break;
    case 3: op(m->t, m->f, (ir_instr){.op = ISA_DSRPUT, .d = dsr, .a = any_value(m), .imm = 16}); break;
    case 4: op(m->t, m->f, (ir_instr){.op = vec, .d = d, .a = pick(m, 2) ? d : low, .b = dsr, .imm = 1}); break;
    default: op(m->t, m->f, (ir_instr){.op = vec, .d = dsr, .a = dsr, .b = low, .c = any_value(m), .index = any(m)});
    }
}

static void make_call(maker *m) {
    if (!m->fn) return;
    uint32_t callee = pick(m, m->fn), n = m->arg_counts[callee], results = pick(m, 3);
    ir_reg args[12], target = ir_new_reg(m->f);
    for (uint32_t i = 0; i < n; i++) args[i] = any_value(m);
    bool indirect = pick(m, 4) == 0;
    if (indirect) op(m->t, m->f, (ir_instr){.op = IR_FN_ADDRESS, .d = target, .imm = callee});
    ir_call *c = call(m->t, m->f, indirect ? UINT32_MAX : callee, target, args, n, results);
    for (uint32_t i = 0; i < results; i++) move(m->t, m->f, any(m), c->results[i]);
}

static void make_test(maker *m, uint32_t to) {
    static const uint16_t two[] = {ISA_BEQ, ISA_BNE, ISA_BLT, ISA_BLE, ISA_BLTU, ISA_BLEU};
    ir_reg a = any_value(m), b = any_value(m);
    if (pick(m, 3) == 0) {
        branch(m->t, m->f, two[pick(m, 6)], a, b, to);
        return;
    }
    ir_reg c = pick(m, 4) ? bin(m->t, m->f, ISA_SEQ + pick(m, 6), a, b) : a;
    if (pick(m, 4) == 0) c = bin(m->t, m->f, pick(m, 2) ? ISA_SEQ : ISA_SNE, c, imm(m->t, m->f, 0));
    if (pick(m, 4) == 0) c = bin_imm(m->t, m->f, ISA_XORI, c, 1);
    if (pick(m, 8) == 0) move(m->t, m->f, any(m), c);
    branch(m->t, m->f, pick(m, 2) ? ISA_BZ : ISA_BNZ, c, 0, to);
}

static void make_block(maker *m, uint32_t depth);

static void make_if(maker *m, uint32_t depth) {
    uint32_t other = ir_new_label(m->f), end = ir_new_label(m->f);
    make_test(m, other);
    make_block(m, depth + 1);
    if (pick(m, 8) == 0) ret(m->t, m->f, any(m), any(m));
    else jump(m->t, m->f, end);
    label(m->t, m->f, other);
    if (pick(m, 2)) make_block(m, depth + 1);
    label(m->t, m->f, end);
}

/* Two rounds through a stretch that is also entered in its middle. */
static void make_irregular_loop(maker *m, uint32_t depth) {
    uint32_t top = ir_new_label(m->f), middle = ir_new_label(m->f);
    ir_reg i = imm(m->t, m->f, 0);
    make_test(m, middle);
    make_arithmetic(m);
    label(m->t, m->f, top);
    make_block(m, depth + 1);
    label(m->t, m->f, middle);
    make_block(m, depth + 1);
    op(m->t, m->f, (ir_instr){.op = ISA_ADDI, .d = i, .a = i, .imm = 1});
    branch(m->t, m->f, ISA_BNZ, bin(m->t, m->f, ISA_SLT, i, imm(m->t, m->f, 2)), 0, top);
}

/* A loop that the hardware counts, with a way out; its counter may find no register. */
static void make_counted_loop(maker *m, uint32_t depth) {
    uint32_t top = ir_new_label(m->f), end = ir_new_label(m->f);
    ir_reg i = imm(m->t, m->f, 1 + pick(m, 5));
    label(m->t, m->f, top);
    make_block(m, depth + 1);
    if (pick(m, 3) == 0) make_test(m, end);
    make_block(m, depth + 1);
    op(m->t, m->f, (ir_instr){.op = ISA_LOOP, .d = i, .imm = top});
    label(m->t, m->f, end);
    move(m->t, m->f, any(m), i);
}

/* At most five rounds, with ways out and back; the test stands at the top or, entered by a jump, at the end. */
static void make_loop(maker *m, uint32_t depth) {
    uint32_t top = ir_new_label(m->f), test = ir_new_label(m->f), end = ir_new_label(m->f);
    ir_reg i = ir_new_reg(m->f), n = imm(m->t, m->f, 1 + pick(m, 5));
    bool at_end = pick(m, 2);
    op(m->t, m->f, (ir_instr){.op = ISA_MOVI, .d = i});
    if (at_end) jump(m->t, m->f, test);
    label(m->t, m->f, top);
    if (!at_end) branch(m->t, m->f, ISA_BZ, bin(m->t, m->f, ISA_SLT, i, n), 0, end);
    make_block(m, depth + 1);
    if (pick(m, 3) == 0) make_test(m, end);
    if (!at_end && pick(m, 3) == 0) make_test(m, test);
    make_block(m, depth + 1);
    if (!at_end) label(m->t, m->f, test);
    move(m->t, m->f, i, bin(m->t, m->f, ISA_ADD_S16, i, imm(m->t, m->f, 1)));
    if (at_end) label(m->t, m->f, test);
    if (at_end) branch(m->t, m->f, ISA_BLT, i, n, top);
    else jump(m->t, m->f, top);
    label(m->t, m->f, end);
    move(m->t, m->f, any(m), i);
}

static void make_block(maker *m, uint32_t depth) {
    ir_reg late = 0, into = any(m); /* a result that reaches its variable later */
    for (uint32_t n = 1 + pick(m, 8); n--;) {
        uint32_t kind = pick(m, 20);
        if (late && pick(m, 2)) move(m->t, m->f, into, late), late = 0;
        else if (!late && pick(m, 4) == 0) late = bin(m->t, m->f, ISA_SUB, any(m), any(m));
        if (kind < 10) make_arithmetic(m);
        else if (kind < 14) make_memory(m);
        else if (kind < 15) make_effect(m);
        else if (kind < 16) {
            if (depth < 2) make_call(m);
        } else if (depth < 4 && kind < 18) make_if(m, depth);
        else if (depth < 3 && kind < 19) pick(m, 3) ? make_loop(m, depth) : make_counted_loop(m, depth);
        else if (depth < 3) make_irregular_loop(m, depth);
    }
}

static void make_function(maker *m, bool is_task) {
    fixture *t = m->t;
    m->f = is_task ? new_task(t) : new_fn(t, "random", false, &m->fn);
    if (is_task) m->fn = t->out.tasks[8].entry;
    uint32_t arg_count = is_task ? 2 : pick(m, 13);
    m->arg_counts[m->fn] = arg_count;
    m->variables = 3 + pick(m, VARIABLES - 2);
    m->addressed = ir_new_reg(m->f);
    uint32_t slot = ir_new_slot(&t->p, m->f, 80);
    for (uint32_t i = 0; i < m->variables; i++)
        m->v[i] = i < arg_count ? arg(t, m->f, i) : imm(t, m->f, any_constant(m));
    op(t, m->f, (ir_instr){.op = IR_FRAME, .d = m->addressed, .imm = slot});
    for (uint32_t i = 0; i < 80; i += 2) store_at(t, m->f, ISA_ST32, m->v[0], m->addressed, i);
    for (uint32_t n = 1 + pick(m, 4); n--;) make_block(m, 0);
    for (uint32_t i = 0; i < m->variables; i++) store_at(t, m->f, ISA_ST32, m->v[i], 0, 1000 + 2 * i);
    ret(t, m->f, any(m), any(m));
}

static void random_programs_agree(void **state) {
    (void)state;
    uint32_t first = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : 1,
             last = getenv("SEEDS") ? (uint32_t)atoi(getenv("SEEDS")) : 250;
    for (uint32_t seed = first; seed <= last; seed++) {
        fixture *t = start();
        t->p.memory_limit_bytes = 1 << 30;
        maker m = {.t = t, .r = rng_seed(seed)};
        for (uint32_t n = pick(&m, FUNCTIONS); n--;) make_function(&m, false);
        make_function(&m, true);
        if (getenv("SEEDS")) print_message("seed %u\n", seed);
        check_args(t, pick(&m, 100), (uint32_t)rng_u64(&m.r));
        finish(t);
    }
}

/* ---- time ---- */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Ten thousand instructions: the same bits twice, and in time that a user does not notice (sanitizers get more). */
static void long_functions_take_no_time(void **state) {
    (void)state;
    isa_instr *code[2] = {NULL, NULL};
    uint32_t count = 0;
    for (int round = 0; round < 2; round++) {
        fixture *t = start();
        t->p.memory_limit_bytes = 1 << 30;
        maker m = {.t = t, .r = rng_seed(99), .f = new_task(t), .variables = 18};
        m.addressed = imm(t, m.f, 400);
        for (uint32_t i = 0; i < m.variables; i++) m.v[i] = imm(t, m.f, any_constant(&m));
        while (m.f->code_count < 10000) make_block(&m, 0);
        for (uint32_t i = 0; i < m.variables; i++) store_at(t, m.f, ISA_ST32, m.v[i], 0, 1000 + 2 * i);
        double begin = seconds();
        generate(t);
        double took = seconds() - begin;
        if (took > 0.1) print_message("10,000 instructions took %.3f s\n", took);
        assert_true(took < 1.0);
        count = t->out.code_count;
        code[round] = calloc(count, sizeof **code);
        memcpy(code[round], t->out.code, count * sizeof **code);
        finish(t);
    }
    assert_memory_equal(code[0], code[1], count * sizeof **code);
    free(code[0]);
    free(code[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_kept),
        cmocka_unit_test(loop_is_near_minimal),
        cmocka_unit_test(constants_leave_loops),
        cmocka_unit_test(comparisons_become_branches),
        cmocka_unit_test(sixty_live_values_spill),
        cmocka_unit_test(recursion_keeps_values),
        cmocka_unit_test(twelve_arguments_arrive),
        cmocka_unit_test(leaf_calls_touch_no_stack),
        cmocka_unit_test(swapped_arguments_do_not_collide),
        cmocka_unit_test(frames_and_copies),
        cmocka_unit_test(vectors_keep_their_operands),
        cmocka_unit_test(exported_functions_get_stubs),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(random_programs_agree),
        cmocka_unit_test(long_functions_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
