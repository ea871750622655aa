/* Code generation of a program: which functions are needed, in which order, and what the image must know of the result.
 *
 * Roots are tasks, exported functions (through stubs) and handlers. Callees come before their callers, so that callers
 * know what a call changes. Jumps hold instruction indices at once; calls and function addresses are filled in when all
 * entries are known. */
#include "csl/codegen.h"
#include "base/mem.h"
#include <stdlib.h>

enum { LARGEST_SYMBOLS = 5 };

/* ---- stubs ---- */

static bool stub_param(ir_program *p, ir_fn *stub, const isa_symbol *s, uint32_t i, uint32_t *word, ir_call *call) {
    uint32_t bits = s->param_bits[i], pieces = bits > 32 ? 2 : 1;
    bool is_signed = s->param_scalar[i] == ISA_T_INT;
    for (uint32_t k = 0; k < pieces; k++) {
        uint16_t op = bits > 16 ? ISA_LD32 : is_signed ? ISA_LD16S : ISA_LD16U;
        ir_reg r = ir_new_reg(stub);
        if (call->arg_count == 12 || !ir_emit(p, stub, (ir_instr){.op = op, .d = r, .imm = *word})) return false;
        *word += bits > 16 ? 2 : 1;
        call->args[call->arg_count++] = r;
        if (bits >= 16 || s->param_scalar[i] == ISA_T_BOOL) continue;
        ir_instr extend = {.op = is_signed ? ISA_EXTS : ISA_EXTU, .d = r, .a = r, .imm = bits};
        if (!ir_emit(p, stub, extend)) return false;
    }
    return true;
}

/* What a launch of the host runs: it blocks further commands, fetches the parameters, calls. */
static bool make_stub(ir_program *p, isa_symbol *s, diag *d) {
    uint32_t words = 0, index, word = p->out->args_word;
    for (uint32_t i = 0; i < s->params && i < 16; i++) words += (s->param_bits[i] + 31u) / 32;
    if (s->params > 16 || words > 12)
        return diag_error(
            d, "%s: exported function '%s' takes more than 12 words of arguments; pass a pointer to an array",
            p->out->name, s->name);
    ir_fn *stub = ir_fn_new(p, s->name, &index);
    ir_call *call = arena_push(p->memory, ir_call);
    if (!stub || !call) return diag_oom(d, "code");
    stub->is_task = true;
    call->fn = s->entry;
    bool ok = ir_emit(p, stub, (ir_instr){.op = ISA_BLOCK, .imm = ISA_TASK_COMMAND});
    for (uint32_t i = 0; i < s->params && ok; i++) ok = stub_param(p, stub, s, i, &word, call);
    ok = ok && ir_emit(p, stub, (ir_instr){.op = IR_CALL, .call = call, .source = s->source, .line = s->line});
    s->entry = index;
    return ok || diag_oom(d, "code");
}

static bool has_stub(const isa_symbol *s) { return s->kind == ISA_SYM_FUNCTION && s->exported; }

static bool make_stubs(ir_program *p, diag *d) {
    for (uint32_t i = 0; i < p->out->symbol_count; i++) {
        isa_symbol *s = &p->out->symbols[i];
        if (has_stub(s) && s->entry >= p->fn_count)
            return diag_error(d, "%s: exported function '%s' has no code", p->out->name, s->name);
        if (has_stub(s) && !make_stub(p, s, d)) return false;
    }
    return true;
}

/* ---- roots ---- */

typedef bool root_visit(cg *g, uint32_t *entry, bool is_handler, void *context);

/* All entries of the image that name functions, in a fixed order. */
static bool each_root(cg *g, root_visit *visit, void *context) {
    isa_program *out = g->p->out;
    for (uint32_t i = 0; i < ISA_TASKS; i++)
        if (out->tasks[i].kinds && !visit(g, &out->tasks[i].entry, false, context)) return false;
    for (uint32_t i = 0; i < ISA_COLORS; i++)
        if (out->teardown_entry[i] != UINT32_MAX && !visit(g, &out->teardown_entry[i], true, context)) return false;
    for (uint32_t i = 0; i < ISA_QUEUES; i++)
        if (out->flush_entry[i] != UINT32_MAX && !visit(g, &out->flush_entry[i], true, context)) return false;
    for (uint32_t i = 0; i < out->symbol_count; i++)
        if (has_stub(&out->symbols[i]) && !visit(g, &out->symbols[i].entry, false, context)) return false;
    return true;
}

static bool find_callees(cg *g, uint32_t index) {
    const ir_fn *fn = g->p->fns[index];
    cg_info *info = &g->info[index];
    info->callees = arena_alloc_n(g->p->memory, fn->code_count + 1, sizeof *info->callees);
    for (uint32_t i = 0; info->callees && i < fn->code_count; i++)
        if (fn->code[i].op == IR_CALL) info->callees[info->callee_count++] = fn->code[i].call->fn;
    return info->callees;
}

/* ---- one function ---- */

static bool optimize(cg_fn *f) {
    return cg_clean(f) && cg_fold(f) && cg_dead(f) && cg_clean(f) && cg_loops(f) && cg_clean(f) && cg_fold(f) &&
           cg_join(f) && cg_dead(f) && cg_clean(f);
}

static bool generate(cg *g, uint32_t index, diag *d) {
    cg_fn f = {.g = g, .fn = g->p->fns[index], .index = index};
    bool ok = cg_load(&f) && optimize(&f) && cg_lower(&f) && cg_dead(&f) && cg_clean(&f) && cg_split(&f) && cg_allocate(&f) &&
              cg_clean(&f) && cg_encode(&f);
    arena_reset(g->scratch);
    return ok || diag_oom(d, "code");
}

typedef struct {
    uint32_t fn, at;
} visit_level;

typedef struct {
    visit_level *stack;
    diag *d;
} walk;

static uint32_t next_edge(cg *g, visit_level *at) {
    const ir_fn *fn = g->p->fns[at->fn];
    while (at->at < fn->code_count) {
        const ir_instr *in = &fn->code[at->at++];
        if (in->op == IR_CALL && in->call->fn != UINT32_MAX) return in->call->fn;
        if (in->op != IR_FN_ADDRESS) continue;
        g->info[in->imm].address_taken = true;
        return (uint32_t)in->imm;
    }
    return UINT32_MAX;
}

/* Callees first; each function once. */
static bool generate_from(cg *g, uint32_t *entry, bool is_handler, void *context) {
    (void)is_handler;
    walk *w = context;
    uint32_t n = 0;
    if (*entry >= g->p->fn_count) return diag_error(w->d, "%s: a task has no code", g->p->out->name);
    if (g->info[*entry].reachable) return true;
    g->info[*entry].reachable = true;
    w->stack[n++] = (visit_level){*entry, 0};
    while (n) {
        uint32_t next = next_edge(g, &w->stack[n - 1]);
        if (next != UINT32_MAX) {
            if (g->info[next].reachable) continue;
            g->info[next].reachable = true;
            w->stack[n++] = (visit_level){next, 0};
            continue;
        }
        uint32_t done = w->stack[--n].fn;
        if (!find_callees(g, done)) return diag_oom(w->d, "code");
        if (!generate(g, done, w->d)) return false;
    }
    return true;
}

static bool generate_all(cg *g, diag *d) {
    walk w = {.d = d, .stack = arena_alloc_n(g->p->memory, (size_t)g->p->fn_count + 1, sizeof *w.stack)};
    return w.stack ? each_root(g, generate_from, &w) : diag_oom(d, "code");
}

/* ---- the result ---- */

static bool set_entry(cg *g, uint32_t *entry, bool is_handler, void *context) {
    (void)is_handler;
    (void)context;
    *entry = g->info[*entry].entry;
    return true;
}

static bool copy_code(cg *g, diag *d) {
    isa_program *out = g->p->out;
    out->code = arena_alloc_n(g->p->memory, g->count + 1, sizeof *out->code);
    if (!out->code) return diag_oom(d, "code");
    out->code_count = g->count;
    out->code_bytes = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->names_function[i]) g->code[i].imm = g->info[g->code[i].imm].entry;
        out->code[i] = g->code[i];
        out->code_bytes += isa_instr_bytes(g->code[i]);
    }
    return true;
}

static bool make_lines(cg *g, diag *d) {
    isa_program *out = g->p->out;
    isa_line *rows = arena_alloc_n(g->p->memory, g->count + 1, sizeof *rows);
    if (!rows) return diag_oom(d, "code");
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        bool same = n && rows[n - 1].source == g->source[i] && rows[n - 1].line == g->line[i];
        if (g->line[i] && !same) rows[n++] = (isa_line){i, g->source[i], g->line[i]};
    }
    out->lines = rows;
    out->line_count = n;
    return true;
}

static int by_first(const void *a, const void *b) {
    const isa_function *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static bool make_functions(cg *g, diag *d) {
    isa_program *out = g->p->out;
    isa_function *rows = arena_alloc_n(g->p->memory, (size_t)g->p->fn_count + 1, sizeof *rows);
    if (!rows) return diag_oom(d, "code");
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->p->fn_count; i++) {
        const cg_info *info = &g->info[i];
        const ir_fn *fn = g->p->fns[i];
        if (info->generated)
            rows[n++] = (isa_function){fn->name ? fn->name : "", info->entry, info->frame_words, fn->is_task};
    }
    qsort(rows, n, sizeof *rows, by_first);
    out->functions = rows;
    out->function_count = n;
    return true;
}

typedef struct {
    uint32_t words;
    bool recursive;
} depth;

static bool measure(cg *g, uint32_t *entry, bool is_handler, void *context) {
    depth *deepest = context;
    uint32_t words = cg_stack(g, *entry, &deepest->recursive);
    if (words == UINT32_MAX) return false;
    words += is_handler;
    if (words > deepest->words) deepest->words = words;
    return true;
}

static uint32_t bytes_of(const isa_symbol *s) {
    return s->is_pointer ? 2 : (uint32_t)((uint64_t)s->elements * (s->bits > 16 ? s->bits / 8u : 2u));
}

static void add_largest(strbuf *b, const isa_program *out) {
    const isa_symbol *before = NULL; /* rows by falling size, equal ones in order */
    for (int n = 0; n < LARGEST_SYMBOLS; n++) {
        const isa_symbol *best = NULL;
        for (uint32_t i = 0; i < out->symbol_count; i++) {
            const isa_symbol *s = &out->symbols[i];
            bool done = before && (bytes_of(s) > bytes_of(before) || (bytes_of(s) == bytes_of(before) && s <= before));
            if (s->kind != ISA_SYM_DATA || done || !bytes_of(s)) continue;
            if (!best || bytes_of(s) > bytes_of(best)) best = s;
        }
        if (!(before = best)) return;
        strbuf_addf(b, "\n        %-24s %6u", best->name, bytes_of(best));
    }
}

static bool check_limit(const ir_program *p, diag *d) {
    const isa_program *out = p->out;
    uint32_t data = out->used_words * 2, stack = out->stack_words * 2u, total = data + stack + out->code_bytes;
    if (total <= p->memory_limit_bytes) return true;
    strbuf table = {0};
    strbuf_addf(&table, "\n    data   %6u\n    stack  %6u\n    code   %6u\n    largest data:", data, stack,
                out->code_bytes);
    add_largest(&table, out);
    diag_error(
        d,
        "%s: the program takes %u bytes of a PE's memory, %u more than the %u it may; make its arrays smaller or "
        "spread them over more PEs%s",
        out->name, total, total - p->memory_limit_bytes, p->memory_limit_bytes, table.oom ? "" : table.data);
    strbuf_free(&table);
    return false;
}

/* No chain without a repeated function is deeper: what recursion gets at least, since indirect calls may only look like
 * one. */
static uint32_t longest_chain(const cg *g) {
    uint32_t functions = 0, tasks = 0;
    for (uint32_t i = 0; i < g->p->fn_count; i++) {
        uint32_t words = g->info[i].frame_words;
        if (!g->p->fns[i]->is_task) functions += g->info[i].generated ? words + 1 : 0;
        else if (words > tasks) tasks = words;
    }
    return functions + tasks;
}

static uint32_t recursion_words(const cg *g, uint32_t left) {
    uint32_t words = longest_chain(g);
    if (words < CG_RECURSION_WORDS) words = CG_RECURSION_WORDS;
    return words < left ? words : left;
}

/* The stack region follows the data. Recursion gets what is usual, or what is left. */
static bool place_stack(cg *g, diag *d) {
    isa_program *out = g->p->out;
    depth deepest = {0};
    if (!each_root(g, measure, &deepest)) return diag_oom(d, "code");
    uint32_t taken = out->used_words * 2 + out->code_bytes, limit = g->p->memory_limit_bytes, words = deepest.words;
    uint32_t left = taken < limit ? (limit - taken) / 2 : 0;
    uint32_t room = out->used_words < ISA_SRAM_WORDS ? ISA_SRAM_WORDS - out->used_words : 0;
    if (left > room) left = room;
    if (deepest.recursive) {
        words = recursion_words(g, left);
        diag_warn(d, "%s: functions call each other in a circle; the stack gets %u words, which more rounds may exceed",
                  out->name, words);
    }
    if (words > room)
        return diag_error(
            d,
            "%s: data and stack take %u words of the %d a PE has; move arrays out of functions or make them "
            "smaller",
            out->name, out->used_words + words, ISA_SRAM_WORDS);
    out->stack_words = (uint16_t)words;
    out->stack_top_word = (uint16_t)(out->used_words + words);
    return true;
}

/* Functions that the host may not launch have no stub; their entries name nothing any more. */
static void forget_unexported(isa_program *out) {
    for (uint32_t i = 0; i < out->symbol_count; i++)
        if (out->symbols[i].kind == ISA_SYM_FUNCTION && !out->symbols[i].exported) out->symbols[i].entry = 0;
}

static bool run(cg *g, diag *d) {
    ir_program *p = g->p;
    if (!make_stubs(p, d)) return false;
    g->info = mem_alloc_n((size_t)p->fn_count + 1, sizeof *g->info);
    g->scratch = arena_new(1 << 20);
    if (!g->info || !g->scratch) return diag_oom(d, "code");
    if (!generate_all(g, d) || !copy_code(g, d) || !make_lines(g, d) || !make_functions(g, d) || !place_stack(g, d)) return false;
    each_root(g, set_entry, NULL);
    forget_unexported(p->out);
    return check_limit(p, d);
}

bool csl_codegen(ir_program *p, diag *d) {
    cg g = {.p = p};
    bool ok = run(&g, d);
    mem_free(g.info);
    mem_free(g.code);
    mem_free(g.source);
    mem_free(g.line);
    mem_free(g.names_function);
    arena_free(g.scratch);
    return ok;
}
