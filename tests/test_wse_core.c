/* The core's scalar instructions, tasks, timing, log: do they do what isa/ops.def and the task rules say? */
#include "tests/wse_core_help.h"
#include "wse/core_float.h"

/* ---- scalar instructions ---- */

typedef struct {
    uint8_t op;
    uint32_t a, b, imm, expect;
} scalar_case;

static const scalar_case scalar_cases[] = {
    {ISA_MOV, 7, 0, 0, 7},
    {ISA_ADD, UINT32_MAX, 2, 0, 1},
    {ISA_ADD_U16, 0xffff, 2, 0, 1},
    {ISA_ADD_S16, 0x7fff, 1, 0, 0xffff8000},
    {ISA_ADDI, 5, 0, (uint32_t)-7, (uint32_t)-2},
    {ISA_ADDI_U16, 1, 0, (uint32_t)-2, 0xffff},
    {ISA_ADDI_S16, 0xffff8000, 0, (uint32_t)-1, 0x7fff},
    {ISA_SUB, 1, 2, 0, UINT32_MAX},
    {ISA_SUB_U16, 1, 2, 0, 0xffff},
    {ISA_SUB_S16, 0xffff8000, 1, 0, 0x7fff},
    {ISA_MUL, 0x10001, 0x10001, 0, 0x20001},
    {ISA_MUL_U16, 0xffff, 0xffff, 0, 1},
    {ISA_MUL_S16, 0x100, 0x80, 0, 0xffff8000},
    {ISA_MULHU, UINT32_MAX, UINT32_MAX, 0, 0xfffffffe},
    {ISA_DIVU, 7, 2, 0, 3},
    {ISA_DIVU, 7, 0, 0, UINT32_MAX},
    {ISA_DIVS, (uint32_t)-7, 2, 0, (uint32_t)-3},
    {ISA_DIVS, 0x80000000, UINT32_MAX, 0, 0x80000000},
    {ISA_DIVS, 7, 0, 0, UINT32_MAX},
    {ISA_REMU, 7, 0, 0, 7},
    {ISA_REMU, 7, 4, 0, 3},
    {ISA_REMS, (uint32_t)-7, 2, 0, (uint32_t)-1},
    {ISA_REMS, 0x80000000, UINT32_MAX, 0, 0},
    {ISA_REMS, 7, 0, 0, 7},
    {ISA_AND, 12, 10, 0, 8},
    {ISA_OR, 12, 10, 0, 14},
    {ISA_XOR, 12, 10, 0, 6},
    {ISA_ANDI, 12, 0, 10, 8},
    {ISA_ORI, 12, 0, 10, 14},
    {ISA_XORI, 12, 0, 10, 6},
    {ISA_SHL, 1, 31, 0, 0x80000000},
    {ISA_SHL, 1, 32, 0, 0},
    {ISA_SHR, 0x80000000, 31, 0, 1},
    {ISA_SHR, 0x80000000, 32, 0, 0},
    {ISA_SAR, 0x80000000, 40, 0, UINT32_MAX},
    {ISA_SHLI, 3, 0, 4, 48},
    {ISA_SHRI, 48, 0, 4, 3},
    {ISA_SARI, (uint32_t)-16, 0, 2, (uint32_t)-4},
    {ISA_EXTU, 0x1ff, 0, 8, 0xff},
    {ISA_EXTU, UINT32_MAX, 0, 32, UINT32_MAX},
    {ISA_EXTS, 0x80, 0, 8, 0xffffff80},
    {ISA_EXTS, 0x80, 0, 32, 0x80},
    {ISA_CLZ16, 1, 0, 0, 15},
    {ISA_CLZ16, 0, 0, 0, 16},
    {ISA_CTZ16, 0x8000, 0, 0, 15},
    {ISA_CTZ16, 0, 0, 0, 16},
    {ISA_POPC16, 0x1ffff, 0, 0, 16},
    {ISA_SEQ, 3, 3, 0, 1},
    {ISA_SNE, 3, 3, 0, 0},
    {ISA_SLT, UINT32_MAX, 0, 0, 1},
    {ISA_SLTU, UINT32_MAX, 0, 0, 0},
    {ISA_SLE, 0, 0, 0, 1},
    {ISA_SLEU, 1, 0, 0, 0},
    {ISA_FADD_S, 0x3f800000, 0x3f800000, 0, 0x40000000},
    {ISA_FSUB_S, 0x7f800000, 0x7f800000, 0, CORE_NAN32},
    {ISA_FMUL_S, 0x00000001, 0x3f000000, 0, 0},
    {ISA_FDIV_S, 0x3f800000, 0, 0, 0x7f800000},
    {ISA_FSQRT_S, 0x40800000, 0, 0, 0x40000000},
    {ISA_FSQRT_S, 0xbf800000, 0, 0, CORE_NAN32},
    {ISA_FADD_H, 0x3c00, 0x3c00, 0, 0x4000},
    {ISA_FADD_H, 0x7bff, 0x7bff, 0, 0x7c00},
    {ISA_FMUL_H, 0x0001, 0x3800, 0, 0},
    {ISA_FDIV_H, 0x3c00, 0x4200, 0, 0x3555},
    {ISA_FSQRT_H, 0x4000, 0, 0, 0x3da8},
    {ISA_FSEQ_S, CORE_NAN32, CORE_NAN32, 0, 0},
    {ISA_FSLT_S, 0xbf800000, 0, 0, 1},
    {ISA_FSLE_S, 0x80000000, 0, 0, 1},
    {ISA_FSEQ_H, 0x8000, 0, 0, 1},
    {ISA_FSLT_H, 0x7e00, 0x3c00, 0, 0},
    {ISA_FSLE_H, 0x3c00, 0x3c00, 0, 1},
    {ISA_H2S, 0x3c00, 0, 0, 0x3f800000},
    {ISA_H2S, 0x0001, 0, 0, 0x33800000},
    {ISA_S2H, 0x3f800000, 0, 0, 0x3c00},
    {ISA_S2H, 0x477ff000, 0, 0, 0x7c00},
    {ISA_I2S, (uint32_t)-1, 0, 0, 0xbf800000},
    {ISA_U2S, UINT32_MAX, 0, 0, 0x4f800000},
    {ISA_S2I, 0xbfc00000, 0, 0, UINT32_MAX},
    {ISA_S2I, 0x4f000000, 0, 0, INT32_MAX},
    {ISA_S2I, 0xff800000, 0, 0, 0x80000000},
    {ISA_S2I, CORE_NAN32, 0, 0, 0},
    {ISA_S2U, 0xbf800000, 0, 0, 0},
    {ISA_S2U, 0x4f800000, 0, 0, UINT32_MAX},
    {ISA_I2H, (uint32_t)-1, 0, 0, 0xbc00},
    {ISA_I2H, 2049, 0, 0, 0x6800},
    {ISA_I2H, 70000, 0, 0, 0x7c00},
    {ISA_U2H, UINT32_MAX, 0, 0, 0x7c00},
    {ISA_H2I, 0xc100, 0, 0, (uint32_t)-2},
    {ISA_H2U, 0x4100, 0, 0, 2},
    {ISA_H2U, 0xc100, 0, 0, 0},
    {ISA_FSCALE_S, 0x3f800000, 3, 0, 0x41000000},
    {ISA_FSCALE_S, 0x3f800000, (uint32_t)-149, 0, 1},
    {ISA_FSCALE_H, 0x3c00, (uint32_t)-24, 0, 1},
};

static void scalar_ops(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof scalar_cases / sizeof scalar_cases[0]; k++) {
        const scalar_case *s = &scalar_cases[k];
        world *w = world_new(ISA_WSE3, 1);
        main_task(w, 0);
        emit(w, 0, ISA_MOVI, 1, NO, NO, s->a);
        emit(w, 0, ISA_MOVI, 2, NO, NO, s->b);
        emit(w, 0, s->op, 3, 1, 2, s->imm);
        end(w, 0);
        world_start(w);
        world_run(w, 200);
        no_fault(w);
        if (reg(w, 0, 3) != s->expect)
            fail_msg("%s 0x%x, 0x%x: 0x%x instead of 0x%x", isa_ops[s->op].text, s->a, s->b, reg(w, 0, 3), s->expect);
        world_free(w);
    }
}

static void memory_and_calls(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_MOVI, 1, NO, NO, 0xffff8765);
    emit(w, 0, ISA_MOVI, 2, NO, NO, 100);
    emit(w, 0, ISA_ST16, 1, 2, NO, 1);
    emit(w, 0, ISA_LD16U, 3, NO, NO, 101);
    emit(w, 0, ISA_LD16S, 4, 2, NO, 1);
    emit(w, 0, ISA_ST32, 1, NO, NO, 102);
    emit(w, 0, ISA_LD32, 5, 2, NO, 2);
    emit(w, 0, ISA_SEL, 6, 1, 2, 3); /* r3 != 0: r1 */
    uint32_t call = emit(w, 0, ISA_CALL, NO, NO, NO, 0);
    emit(w, 0, ISA_MOVI, 8, NO, NO, here(w, 0) + 3);
    emit(w, 0, ISA_CALLR, NO, 8, NO, 0);
    end(w, 0);
    w->code[0][call].imm = emit(w, 0, ISA_ADDI, 7, 7, NO, 5);
    emit(w, 0, ISA_RET, NO, NO, NO, 0);
    world_start(w);
    world_run(w, 200);
    no_fault(w);
    assert_int_equal(reg(w, 0, 3), 0x8765);
    assert_int_equal(reg(w, 0, 4), 0xffff8765);
    assert_int_equal(reg(w, 0, 5), 0xffff8765);
    assert_int_equal(reg(w, 0, 6), 0xffff8765);
    assert_int_equal(reg(w, 0, 7), 10);
    assert_int_equal(reg(w, 0, ISA_REG_SP), 20000);
    assert_true(core_idle(&w->m, 0));
    world_free(w);
}

static void faults(void **state) {
    (void)state;
    static const struct {
        isa_instr in;
        const char *text;
    } cases[] = {
        {{ISA_LD32, 1, NO, NO, ISA_SRAM_WORDS - 1}, "cycle 4, pe.csl:14: load outside"},
        {{ISA_ST16, 1, NO, NO, 0xffffffff}, "store outside"},
        {{ISA_ASSERT, NO, 1, NO, 0}, "pe.csl:14: assertion failed: hello"},
        {{ISA_TRAP, NO, NO, NO, UINT32_MAX}, "unreachable"},
        {{ISA_CALLR, NO, 2, NO, 0}, "call of no function"},
        {{ISA_ADDI, 15, 15, NO, (uint32_t)-19000}, "stack overflow"},
        {{ISA_CALL, NO, NO, NO, 0}, "stack overflow"},
        {{ISA_RET, NO, NO, NO, 0}, "return"},
        {{ISA_LDCFG, 1, NO, NO, 0x7ff0}, "configuration"},
        {{ISA_NOP, NO, NO, NO, 0}, "ran past"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        world *w = world_new(ISA_WSE3, 1);
        main_task(w, 0);
        w->data[0][0] = 0;
        w->programs[0].code[0] = cases[k].in;
        w->programs[0].code_count = 1;
        world_start(w);
        core_at(w, 0)->r[2] = 77777;
        if (cases[k].in.op == ISA_RET) words(w, 0)[20000] = 9999;
        world_run(w, 200000);
        has_fault(w, cases[k].text);
        world_free(w);
    }
}

static void random_numbers(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint32_t s = 0xdeadbeef & 0x7fffff;
    main_task(w, 0);
    emit(w, 0, ISA_PRNG, 1, NO, NO, 0);
    emit(w, 0, ISA_PRNG, 2, NO, NO, 0);
    end(w, 0);
    world_start(w);
    world_run(w, 50);
    for (int k = 1; k <= 2; k++) {
        for (int step = 0; step < 128; step++) s = (s << 1 | ((s >> 22 ^ s >> 17) & 1)) & 0x7fffff;
        assert_int_equal(reg(w, 0, k), s & 0xffff);
    }
    world_free(w);
}

/* ---- time ---- */

/* wse-machine 1.5: one instruction per cycle, a dependent float one more, a branch 3, taken 6. */
static void scalar_timing(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_TSCCTL, NO, NO, NO, 1);         /* t: counter is 0 */
    emit(w, 0, ISA_FADD_S, 1, 2, 3, 0);            /* t+1 */
    emit(w, 0, ISA_FADD_S, 1, 1, 3, 0);            /* t+2, waits 1 */
    emit(w, 0, ISA_TSC, 4, NO, NO, 0);             /* t+4 */
    emit(w, 0, ISA_BNZ, NO, 5, NO, 0);             /* t+5, not taken: 3 */
    emit(w, 0, ISA_TSC, 6, NO, NO, 0);             /* t+8 */
    emit(w, 0, ISA_BZ, NO, 5, NO, here(w, 0) + 2); /* t+9, taken: 6 */
    emit(w, 0, ISA_FADD_S, 1, 2, 3, 0);
    emit(w, 0, ISA_FADD_S, 1, 1, 3, 0); /* t+15, landed by a jump: 1 */
    emit(w, 0, ISA_TSC, 7, NO, NO, 0);  /* t+16 */
    emit(w, 0, ISA_FDIV_S, 1, 2, 3, 0); /* 50 */
    emit(w, 0, ISA_TSC, 8, NO, NO, 0);  /* t+67 */
    end(w, 0);
    world_start(w);
    world_run(w, 200);
    assert_int_equal(reg(w, 0, 4), 4);
    assert_int_equal(reg(w, 0, 6), 8);
    assert_int_equal(reg(w, 0, 7), 16);
    assert_int_equal(reg(w, 0, 8), 67);
    wse_counters n = {0};
    core_count(&w->m, 0, &n);
    assert_int_equal(n.instructions, 12);
    assert_int_equal(n.tasks, 1);
    assert_int_equal(n.fp32_ops, 4);
    world_free(w);
}

/* A loop that the hardware counts: each round costs its body alone, but never nothing. */
static void counted_loop_timing(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_MOVI, 1, NO, NO, 5);
    emit(w, 0, ISA_MOVI, 2, NO, NO, 3);
    emit(w, 0, ISA_TSCCTL, NO, NO, NO, 1);
    uint32_t top = here(w, 0);
    emit(w, 0, ISA_ADDI, 3, 3, NO, 7);
    emit(w, 0, ISA_LOOP, 1, NO, NO, top);
    emit(w, 0, ISA_TSC, 4, NO, NO, 0); /* 1 + 5 */
    emit(w, 0, ISA_LOOP, 2, NO, NO, here(w, 0));
    emit(w, 0, ISA_TSC, 5, NO, NO, 0); /* 7 + 3 */
    end(w, 0);
    world_start(w);
    world_run(w, 100);
    assert_int_equal(reg(w, 0, 1), 0);
    assert_int_equal(reg(w, 0, 3), 35);
    assert_int_equal(reg(w, 0, 4), 6);
    assert_int_equal(reg(w, 0, 5), 10);
    world_free(w);
}

static void endless_loop_yields(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_ADDI, 1, 1, NO, 1);
    emit(w, 0, ISA_JMP, NO, NO, NO, 0);
    world_start(w);
    world_run(w, 300000);
    assert_in_range(reg(w, 0, 1), 149000, 183000); /* two cycles each, at most 64K ahead */
    assert_false(core_idle(&w->m, 0));
    world_free(w);
}

/* ---- tasks ---- */

static void note(world *w, uint32_t p, uint32_t digit) { /* r10 = r10 * 16 + digit */
    emit(w, p, ISA_SHLI, 10, 10, NO, 4);
    emit(w, p, ISA_ORI, 10, 10, NO, digit);
}

/* Activate remembers through a block; equals take turns; high priority goes first; a task may activate itself. */
static void order_of_tasks(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    for (uint32_t id = 10; id <= 13; id++) emit(w, 0, ISA_ACTIVATE, NO, NO, NO, id);
    emit(w, 0, ISA_BLOCK, NO, NO, NO, 11);
    end(w, 0);
    for (uint32_t id = 10; id <= 13; id++) {
        task(w, 0, id, ISA_TASK_LOCAL, ISA_ARGS_NONE);
        note(w, 0, id);
        if (id == 12) emit(w, 0, ISA_UNBLOCK, NO, NO, NO, 11);
        if (id == 10) emit(w, 0, ISA_ACTIVATE, NO, NO, NO, 10);
        if (id == 10) emit(w, 0, ISA_BLOCK, NO, NO, NO, 10);
        end(w, 0);
    }
    w->programs[0].tasks[13].high_priority = true;
    world_start(w);
    world_run(w, 300);
    assert_int_equal(reg(w, 0, 10), 0xdacb); /* 13; then after it, cyclically: 10, 12 (11 blocked), 11 */
    assert_true(core_idle(&w->m, 0));
    explains(w, 0, "PE(0,0) task 10 is activated but blocked");
    world_free(w);
}

static void task_start_time(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    task(w, 0, 2, ISA_TASK_DATA, ISA_ARG_32);
    emit(w, 0, ISA_TSC, 5, NO, NO, 0);
    end(w, 0);
    world_start(w);
    core_at(w, 0)->tsc_on = true; /* counts from cycle 0 */
    arrive_at(w, 0, 2, 0x12345678, false, 100);
    world_run(w, 99);
    assert_int_equal(reg(w, 0, 5), 0);
    world_run(w, 200);
    assert_int_equal(reg(w, 0, 0), 0x12345678);
    assert_int_equal(reg(w, 0, 5), 103); /* wse-machine 3.2: 3 cycles after the last wavelet */
    world_free(w);
}

static void data_task_arguments(void **state) {
    (void)state;
    static const struct {
        isa_args args;
        uint8_t sign;
        uint32_t r0, r1;
    } cases[] = {{ISA_ARG_32, 0, 0x8001fffe, 7},
                 {ISA_ARG_U16, 0, 0xfffe, 7},
                 {ISA_ARG_S16, 0, 0xfffffffe, 7},
                 {ISA_ARGS_TWO, 0, 0xfffe, 0x8001},
                 {ISA_ARGS_TWO, 3, 0xfffffffe, 0xffff8001}};
    for (size_t k = 0; k < 5; k++) {
        world *w = world_new(ISA_WSE2, 1);
        task(w, 0, 5, ISA_TASK_DATA, cases[k].args);
        w->programs[0].tasks[5].arg_signed = cases[k].sign;
        end(w, 0);
        world_start(w);
        core_at(w, 0)->r[1] = 7;
        arrive_at(w, 0, 5, 0x8001fffe, false, 10);
        world_run(w, 50);
        assert_int_equal(reg(w, 0, 0), cases[k].r0);
        assert_int_equal(reg(w, 0, 1), cases[k].r1);
        world_free(w);
    }
}

/* A blocked port keeps its wavelets; control wavelets run what they name, 31 and unbound ids vanish. */
static void ports_and_control(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    task(w, 0, 3, ISA_TASK_DATA, ISA_ARG_32);
    note(w, 0, 1);
    end(w, 0);
    task(w, 0, 40, ISA_TASK_CONTROL, ISA_ARG_U16);
    note(w, 0, 2);
    emit(w, 0, ISA_BLOCK, NO, NO, NO, 3);
    emit(w, 0, ISA_MOV, 11, 0, NO, 0);
    end(w, 0);
    world_start(w);
    arrive_at(w, 0, 3, 1, false, 10);
    arrive_at(w, 0, 3, ISA_TASK_NONE << 16, true, 11);
    arrive_at(w, 0, 3, 50 << 16, true, 12);
    arrive_at(w, 0, 3, 40 << 16 | 0xbeef, true, 13);
    arrive_at(w, 0, 3, 2, false, 14);
    world_run(w, 300);
    assert_int_equal(reg(w, 0, 10), 0x12);
    assert_int_equal(reg(w, 0, 11), 0xbeef);
    assert_int_equal(w->fabric.in[0][3].count, 1);
    assert_int_equal(core_at(w, 0)->n[CORE_N_tasks], 2);
    world_free(w);
}

static void launch(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    uint16_t args[2] = {11, 22};
    uint32_t stub = emit(w, 0, ISA_LD32, 1, NO, NO, 4000);
    emit(w, 0, ISA_ACTIVATE, NO, NO, NO, 10);
    end(w, 0);
    task(w, 0, 10, ISA_TASK_LOCAL, ISA_ARGS_NONE);
    emit(w, 0, ISA_DIVU, 2, 1, 1, 0);
    emit(w, 0, ISA_UNBLOCK, NO, NO, NO, ISA_TASK_COMMAND);
    end(w, 0);
    world_start(w);
    assert_true(core_command_ready(&w->m, 0));
    core_launch(&w->m, 0, stub, args, 2, 20);
    assert_false(core_command_ready(&w->m, 0));
    assert_false(core_idle(&w->m, 0));
    world_run(w, 24); /* arrived, started, blocked itself */
    assert_false(core_command_ready(&w->m, 0));
    world_run(w, 100);
    assert_true(core_command_ready(&w->m, 0));
    assert_int_equal(reg(w, 0, 1), 22 << 16 | 11);
    core_launch(&w->m, 0, stub, args, 2, 0);
    world_run(w, 200);
    assert_true(core_command_ready(&w->m, 0));
    assert_int_equal(core_at(w, 0)->n[CORE_N_tasks], 4);
    world_free(w);
}

static void teardown_and_flush(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_FLUSH, NO, NO, NO, 2);
    end(w, 0);
    w->programs[0].flush_entry[2] = here(w, 0);
    note(w, 0, 1);
    emit(w, 0, ISA_MOVI, 1, NO, NO, 4);
    emit(w, 0, ISA_STCFG, 1, NO, NO, ISA_CFG_FLUSH);
    emit(w, 0, ISA_RET, NO, NO, NO, 0);
    w->programs[0].teardown_entry[5] = w->programs[0].teardown_entry[7] = here(w, 0);
    note(w, 0, 2);
    emit(w, 0, ISA_RET, NO, NO, NO, 0);
    world_start(w);
    world_run(w, 100);
    no_fault(w);
    assert_int_equal(reg(w, 0, 10), 1);
    w->fabric.teardown = 1 << 5 | 1 << 6 | 1 << 7;
    core_raise(&w->m, 0, w->m.cycle);
    world_run(w, 200);
    no_fault(w);
    assert_int_equal(reg(w, 0, 10), 0x122);
    assert_true(core_idle(&w->m, 0));
    world_free(w);
}

static void configuration_words(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    main_task(w, 0);
    emit(w, 0, ISA_LDCFG, 1, NO, NO, ISA_CFG_COORD_X);
    emit(w, 0, ISA_LDCFG, 2, NO, NO, ISA_CFG_RECT_X);
    emit(w, 0, ISA_MOVI, 3, NO, NO, 0x123);
    emit(w, 0, ISA_STCFG, 3, NO, NO, ISA_CFG_COLOR + 3);
    emit(w, 0, ISA_LDCFG, 4, NO, NO, ISA_CFG_COLOR + 3);
    emit(w, 0, ISA_STCFG, 3, NO, NO, ISA_CFG_TASK_PRIORITY_HIGH);
    emit(w, 0, ISA_LDCFG, 5, NO, NO, ISA_CFG_TASK_PRIORITY_HIGH);
    end(w, 0);
    world_start(w);
    world_run(w, 100);
    no_fault(w);
    assert_int_equal(reg(w, 1, 1), 5);
    assert_int_equal(reg(w, 1, 2), 1);
    assert_int_equal(reg(w, 1, 4), 0x123);
    assert_int_equal(reg(w, 1, 5), 0x123);
    assert_true(core_at(w, 0)->high == 0x1230000);
    world_free(w);
}

static void log_lines(void **state) {
    (void)state;
    world *w = world_new(ISA_WSE3, 1);
    char *text = NULL;
    size_t length = 0;
    w->m.options.log = open_memstream(&text, &length);
    main_task(w, 0);
    emit(w, 0, ISA_MOVI, 1, NO, NO, (uint32_t)-5);
    emit(w, 0, ISA_PRINT, NO, NO, NO, ISA_PRINT_COORDS);
    emit(w, 0, ISA_PRINT, NO, NO, NO, ISA_PRINT_TEXT | 0 << 8);
    emit(w, 0, ISA_PRINT, NO, 1, NO, ISA_PRINT_DEC);
    emit(w, 0, ISA_PRINT, NO, 1, NO, ISA_PRINT_HEX16);
    emit(w, 0, ISA_PRINT, NO, NO, NO, ISA_PRINT_TEXT | 1 << 8);
    emit(w, 0, ISA_PRINT, NO, NO, NO, ISA_PRINT_TEXT | 1 << 8);
    end(w, 0);
    world_start(w);
    world_run(w, 100);
    fclose(w->m.options.log);
    assert_string_equal(text, "@5 PE(0,0): hello -5fffbworld\n@5 world\n"
                              "@5 PE(1,0): hello -5fffbworld\n@5 world\n@5 PE(2,0): hello -5fffbworld\n@5 world\n");
    free(text);
    world_free(w);
}

/* Extra wake-ups must change nothing: the state hash is the same. */
static void extra_wakes(void **state) {
    (void)state;
    uint64_t hash[2];
    for (int extra = 0; extra < 2; extra++) {
        world *w = world_new(ISA_WSE3, 1);
        main_task(w, 0);
        emit(w, 0, ISA_MOVI, 1, NO, NO, 60000);
        emit(w, 0, ISA_ADDI, 1, 1, NO, (uint32_t)-1);
        emit(w, 0, ISA_BNZ, NO, 1, NO, 1);
        end(w, 0);
        world_start(w);
        for (uint64_t at = 5; extra && at < 100000; at += 977) clock_wake(&w->m, 0, at);
        world_run(w, 120000);
        hash[extra] = core_hash(&w->m, 0, 1);
        world_free(w);
    }
    assert_true(hash[0] == hash[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_ops),
        cmocka_unit_test(memory_and_calls),
        cmocka_unit_test(faults),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(scalar_timing),
        cmocka_unit_test(counted_loop_timing),
        cmocka_unit_test(endless_loop_yields),
        cmocka_unit_test(order_of_tasks),
        cmocka_unit_test(task_start_time),
        cmocka_unit_test(data_task_arguments),
        cmocka_unit_test(ports_and_control),
        cmocka_unit_test(launch),
        cmocka_unit_test(teardown_and_flush),
        cmocka_unit_test(configuration_words),
        cmocka_unit_test(log_lines),
        cmocka_unit_test(extra_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
