/* Which instructions of a program run whatever its data are: the straight way through exported functions (the host will
 * launch them), tasks that are active at the start, and what these activate or call. What hangs on a condition or on a
 * wavelet that must come first is left out; so is all that an unusual flow hides. */
#include "isa/routes.h"
#include "base/mem.h"

typedef struct {
    const isa_program *p;
    bool *reached;
    uint32_t *stack, count;
} walk;

static void enter(walk *w, uint32_t pc) {
    if (pc >= w->p->code_count || w->reached[pc]) return;
    w->reached[pc] = true;
    w->stack[w->count++] = pc;
}

static void task(walk *w, int id) {
    if (id >= 0 && id < ISA_TASKS && w->p->tasks[id].kinds) enter(w, w->p->tasks[id].entry);
}

static void settings(walk *w, uint32_t index) {
    if (index >= w->p->settings_count) return;
    task(w, w->p->settings[index].activate);
    task(w, w->p->settings[index].control_activate);
}

static void roots(walk *w) {
    const isa_program *p = w->p;
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_FUNCTION && p->symbols[i].exported) enter(w, p->symbols[i].entry);
    for (uint32_t id = 0; id < ISA_TASKS; id++)
        if (p->active_at_start >> id & 1) task(w, (int)id);
}

static bool has_exit(const isa_program *p, uint32_t from, uint32_t to) {
    for (uint32_t pc = from; pc < to; pc++)
        if (p->code[pc].op == ISA_RET || p->code[pc].op == ISA_END || p->code[pc].op == ISA_TRAP) return true;
    return false;
}

/* Where the two ways of a branch meet again: behind a loop; behind what is skipped, with an else part or without.
 * UINT32_MAX: not known. */
static uint32_t join(const isa_program *p, uint32_t pc) {
    uint32_t to = p->code[pc].imm;
    if (to <= pc) return pc + 1;
    isa_instr last = p->code[to - 1];
    if (to - 1 > pc && last.op == ISA_JMP && last.imm > to) to = last.imm;
    return to < p->code_count && !has_exit(p, pc + 1, to) ? to : UINT32_MAX;
}

static void follow(walk *w, uint32_t pc) {
    isa_instr in = w->p->code[pc];
    bool vector = in.op >= ISA_DSD_FIRST;
    isa_format f = vector ? ISA_FMT_NONE : isa_ops[in.op].format;
    if (vector) settings(w, in.imm & 0xffff);
    if (in.op == ISA_LDDSR) settings(w, in.imm >> 16);
    if (in.op == ISA_LDDSRR) settings(w, in.imm & 0xffff);
    if (in.op == ISA_ACTIVATE && in.a == ISA_NO_REG) task(w, (int)(in.imm & 63));
    if (f == ISA_FMT_ABJ || f == ISA_FMT_AJ) enter(w, join(w->p, pc));
    else if (in.op == ISA_JMP) enter(w, in.imm);
    else if (in.op != ISA_RET && in.op != ISA_END && in.op != ISA_TRAP) enter(w, pc + 1);
    if (in.op == ISA_CALL) enter(w, in.imm);
}

bool isa_runs_surely(const isa_program *p, bool *reached) {
    walk w = {.p = p, .reached = reached, .stack = mem_alloc_n((size_t)p->code_count + 1, sizeof *w.stack)};
    if (!w.stack) return false;
    roots(&w);
    while (w.count) follow(&w, w.stack[--w.count]);
    mem_free(w.stack);
    return true;
}
