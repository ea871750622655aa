/* Statements. In comptime contexts they are interpreted; otherwise known conditions choose what is walked, and run-time ones become branches. */
#include "csl/sema_internal.h"
#include <inttypes.h>

static bool interpreted(const csl_sema *s) { return !csl_emits(s); }

static bool label(csl_sema *s, const csl_node *at, uint32_t l) {
    return csl_emit_raw(s, at, (ir_instr){.op = IR_LABEL, .imm = l}) != NULL;
}
static bool jump(csl_sema *s, const csl_node *at, uint32_t l) {
    return csl_emit_raw(s, at, (ir_instr){.op = ISA_JMP, .imm = l}) != NULL;
}

/* ---- local declarations ---- */

static void note_address(csl_frame *f, const csl_node *n) {
    while (n->kind == CSL_INDEX || n->kind == CSL_MEMBER) n = n->a;
    if (n->kind == CSL_NAME) map_put(&f->addressed, n->name, 1);
}

/* Every name under an '&' somewhere in the function: such a variable must live in memory. */
static void find_addressed(csl_frame *f, const csl_node *n, int depth) {
    for (; n && depth < 300; n = n->next) {
        if (n->kind == CSL_UNARY && n->op == CSL_OP_ADDRESS) note_address(f, n->a);
        const csl_node *const parts[] = {n->a, n->b, n->c, n->d, n->e};
        for (int i = 0; i < 5; i++)
            if (parts[i]) find_addressed(f, parts[i], depth + 1);
    }
}

static bool is_addressed(csl_sema *s, str name) {
    csl_frame *f = s->frame;
    if (!f->addressed_known) {
        f->addressed_known = true;
        if (f->func && f->func->node->c) find_addressed(f, f->func->node->c, 0);
    }
    return map_get(&f->addressed, name, NULL);
}

static csl_value keep_registers(csl_sema *s, csl_value v, const csl_node *at) {
    if (v.where == CSL_REG) {
        if (v.type->kind == CSL_T_RANGE) return v;
        ir_reg r[2] = {ir_new_reg(s->fn), v.reg[1] ? ir_new_reg(s->fn) : 0};
        return csl_move(s, r, v, at) ? csl_in_regs(v.type, r[0], r[1]) : CSL_NOTHING;
    }
    if (v.where == CSL_MEM) { /* a copy: the original may change */
        uint32_t slot;
        csl_value m = csl_slot_value(s, v.type, at, &slot);
        csl_place p = {.kind = CSL_AT_MEM, .type = v.type};
        p.mem.base = m.mem.base;
        return m.type && csl_store(s, &p, v, at) ? m : CSL_NOTHING;
    }
    return v;
}

static csl_flow bind_constant(csl_sema *s, const csl_node *n, csl_value v) {
    v = keep_registers(s, v, n);
    if (!v.type) return CSL_FAILED;
    csl_binding *b = csl_bind(s, n->name, CSL_BIND_VALUE, v.type, n);
    if (!b) return CSL_FAILED;
    b->value = v;
    b->is_const = true;
    return CSL_NEXT;
}

static csl_flow bind_cell(csl_sema *s, const csl_node *n, csl_value v, bool any_struct) {
    if (!csl_all_known(&v)) return csl_not_known(s, n, "the value of a comptime variable"), CSL_FAILED;
    csl_value *cell = csl_cell(s, v);
    csl_binding *b = cell ? csl_bind(s, n->name, CSL_BIND_CELL, any_struct ? s->unit->types.any_struct : v.type, n) : NULL;
    if (!b) return CSL_FAILED;
    b->cell = cell;
    return CSL_NEXT;
}

static csl_flow bind_variable(csl_sema *s, const csl_node *n, csl_value v) {
    const csl_type *t = v.type;
    if (t->comptime_only || !t->words) {
        csl_error(s, n, "variable '%.*s' of type '%s' exists at compile time only; give it a run-time type or write 'comptime var'", (int)n->name.n,
                  n->name.p, t->text);
        return CSL_FAILED;
    }
    bool memory = t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT || is_addressed(s, n->name);
    csl_place p = {.type = t};
    uint32_t slot = 0;
    if (memory) {
        csl_value m = csl_slot_value(s, t, n, &slot);
        if (!m.type) return CSL_FAILED;
        p.kind = CSL_AT_MEM, p.mem.base = m.mem.base, p.mem.offset = 0, p.mem.global = NULL;
    } else {
        p.kind = CSL_AT_REG;
        p.reg[0] = ir_new_reg(s->fn), p.reg[1] = t->words > 2 ? ir_new_reg(s->fn) : 0;
    }
    if (!csl_store(s, &p, v, n)) return CSL_FAILED;
    csl_binding *b = csl_bind(s, n->name, memory ? CSL_BIND_MEM : CSL_BIND_REG, t, n);
    if (!b) return CSL_FAILED;
    b->slot = slot;
    if (!memory) b->reg[0] = p.reg[0], b->reg[1] = p.reg[1];
    return CSL_NEXT;
}

static csl_flow declare(csl_sema *s, const csl_node *n) {
    bool comptime_var = (n->flags & CSL_COMPTIME) != 0, outer = s->comptime, any_struct = false;
    const csl_type *t = NULL;
    if (n->a) {
        t = csl_eval_type(s, n->a);
        if (!t) return CSL_FAILED;
        any_struct = t->kind == CSL_T_ANY_STRUCT;
        if (any_struct || t->kind == CSL_T_ANYTYPE) t = NULL;
    }
    csl_value v;
    if (n->b) {
        s->comptime = outer || comptime_var;
        v = csl_eval_as(s, n->b, t);
        s->comptime = outer;
    } else if (t) {
        v = csl_zero(s, t);
    } else {
        return csl_error(s, n, "'%.*s' needs a type or a value", (int)n->name.n, n->name.p), CSL_FAILED;
    }
    if (v.type && v.type->kind == CSL_T_UNDEFINED && t) v = csl_zero(s, t);
    if (t) v = csl_coerce(s, v, t, n->b ? n->b : n);
    if (!v.type) return CSL_FAILED;
    if (v.type->kind == CSL_T_VOID && n->decl == CSL_DECL_VAR) return csl_error(s, n, "a variable cannot be void"), CSL_FAILED;
    if (n->decl != CSL_DECL_VAR) return bind_constant(s, n, v);
    return interpreted(s) || comptime_var ? bind_cell(s, n, v, any_struct) : bind_variable(s, n, v);
}

/* ---- assignment ---- */

static csl_flow assign(csl_sema *s, const csl_node *n) {
    if (n->a->kind == CSL_NAME && str_is(n->a->name, "_")) return csl_eval(s, n->b).type ? CSL_NEXT : CSL_FAILED;
    csl_place p = csl_eval_place(s, n->a);
    if (p.kind == CSL_AT_NOWHERE) return CSL_FAILED;
    if (p.is_const) return csl_error(s, n->a, "this cannot be assigned to: it is a constant"), CSL_FAILED;
    if (p.kind == CSL_AT_CELL && n->a->kind == CSL_NAME && csl_emits(s)) {
        csl_binding *b = csl_lookup(s, n->a->name);
        if (b && s->runtime_depth > b->depth)
            return csl_error(s, n, "a comptime variable cannot change inside run-time control flow"), CSL_FAILED;
    }
    csl_value v = csl_eval_as(s, n->b, p.type);
    if (!v.type) return CSL_FAILED;
    if (n->op) {
        csl_value old = csl_load(s, &p);
        v = csl_binary(s, n->op, old, v, n);
        if (!v.type) return CSL_FAILED;
    }
    bool any = p.type->kind == CSL_T_ANY_STRUCT || (p.kind == CSL_AT_CELL && p.type->kind == CSL_T_STRUCT && !p.type->site && v.type->kind == CSL_T_STRUCT &&
                                                    !v.type->site && v.type != p.type && n->a->kind == CSL_NAME);
    if (!any) v = csl_coerce(s, v, p.type, n->b);
    return v.type && csl_store(s, &p, v, n) ? CSL_NEXT : CSL_FAILED;
}

/* ---- leaving ---- */

static csl_flow leave(csl_sema *s, csl_leaving how, csl_loop *target) {
    s->frame->leaving = (uint8_t)how;
    s->frame->target = target;
    return CSL_LEFT;
}

static csl_loop *find_loop(csl_sema *s, const csl_node *n, bool for_continue) {
    for (csl_loop *l = s->frame->loops; l; l = l->up) {
        if (n->name.n ? str_eq(l->label, n->name) && !(for_continue && l->is_block) : !l->is_block) return l;
    }
    if (n->name.n) csl_error(s, n, "no loop or block is labelled '%.*s'", (int)n->name.n, n->name.p);
    else csl_error(s, n, "'%s' outside a loop", for_continue ? "continue" : "break");
    return NULL;
}

static csl_flow break_value(csl_sema *s, csl_loop *l, csl_value v, bool decided, const csl_node *n) {
    if (decided) {
        l->value = csl_keep(s, v); /* loops inside may end before it is used */
        return l->value.type ? CSL_NEXT : CSL_FAILED;
    }
    if (!l->value_type) {
        if (v.type->kind == CSL_T_VOID) return CSL_NEXT;
        if (csl_is_number(v.type) && l->wanted && csl_is_number(l->wanted) && !l->wanted->comptime_only) v = csl_coerce(s, v, l->wanted, n);
        if (!v.type) return CSL_FAILED;
        if (v.type->comptime_only || v.type->kind == CSL_T_ARRAY || v.type->kind == CSL_T_STRUCT)
            return csl_error(s, n, "a value of type '%s' cannot leave a block under a run-time condition", v.type->text), CSL_FAILED;
        l->value_type = v.type;
        l->value_reg[0] = ir_new_reg(s->fn), l->value_reg[1] = v.type->words > 2 ? ir_new_reg(s->fn) : 0;
    }
    v = csl_coerce(s, v, l->value_type, n);
    return v.type && csl_move(s, l->value_reg, v, n) ? CSL_NEXT : CSL_FAILED;
}

static csl_flow break_out(csl_sema *s, const csl_node *n) {
    csl_loop *l = find_loop(s, n, false);
    if (!l) return CSL_FAILED;
    bool decided = interpreted(s) || ((l->unrolled || l->is_block) && s->runtime_depth == l->depth && !l->break_label);
    if (n->a) {
        csl_value v = csl_eval_as(s, n->a, l->wanted);
        if (!v.type || break_value(s, l, v, decided, n) == CSL_FAILED) return CSL_FAILED;
    }
    if (decided) return leave(s, CSL_BREAKING, l);
    if (!l->break_label) l->break_label = ir_new_label(s->fn);
    return jump(s, n, l->break_label) ? CSL_GONE : CSL_FAILED;
}

static csl_flow continue_on(csl_sema *s, const csl_node *n) {
    csl_loop *l = find_loop(s, n, true);
    if (!l) return CSL_FAILED;
    if (interpreted(s) || (l->unrolled && s->runtime_depth == l->depth)) return leave(s, CSL_CONTINUING, l);
    if (!l->continue_label) l->continue_label = ir_new_label(s->fn);
    return jump(s, n, l->continue_label) ? CSL_GONE : CSL_FAILED;
}

static csl_flow return_inlined(csl_sema *s, csl_value v, const csl_node *n) {
    csl_frame *f = s->frame;
    if (s->runtime_depth == f->depth && !f->return_label) { /* the only way out: the value passes as it is */
        f->result = v;
        f->has_result = true;
        return leave(s, CSL_RETURNING, NULL);
    }
    if (!f->return_label) {
        f->return_label = ir_new_label(s->fn);
        if (v.type->kind != CSL_T_VOID) {
            if (v.type->comptime_only || v.type->kind == CSL_T_ARRAY || v.type->kind == CSL_T_STRUCT)
                return csl_error(s, n, "an inline function cannot return '%s' under a run-time condition", v.type->text), CSL_FAILED;
            f->result_reg[0] = ir_new_reg(s->fn), f->result_reg[1] = v.type->words > 2 ? ir_new_reg(s->fn) : 0;
            f->result = csl_in_regs(v.type, f->result_reg[0], f->result_reg[1]);
        } else {
            f->result = v;
        }
        f->has_result = true;
    }
    if (v.type->kind != CSL_T_VOID && !csl_move(s, f->result_reg, csl_coerce(s, v, f->result.type, n), n)) return CSL_FAILED;
    return jump(s, n, f->return_label) ? CSL_GONE : CSL_FAILED;
}

static csl_flow return_code(csl_sema *s, csl_value v, const csl_node *n) {
    const csl_type *t = v.type;
    ir_instr in = {.op = IR_RETURN};
    if (t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT) {
        csl_place p = {.kind = CSL_AT_MEM, .type = t};
        p.mem.base = s->frame->result_address;
        if (!csl_store(s, &p, v, n)) return CSL_FAILED;
    } else if (t->words > 2) {
        ir_reg r[2];
        if (!csl_regs(s, v, n, r)) return CSL_FAILED;
        in.a = r[0], in.b = r[1];
    } else if (t->words) {
        in.a = csl_reg(s, v, n);
        if (!in.a) return CSL_FAILED;
    }
    return csl_emit_raw(s, n, in) ? CSL_GONE : CSL_FAILED;
}

static csl_flow return_from(csl_sema *s, const csl_node *n) {
    csl_frame *f = s->frame;
    if (!f || !f->result_type) return csl_error(s, n, "'return' outside a function"), CSL_FAILED;
    csl_value v = n->a ? csl_eval_as(s, n->a, f->result_type) : csl_void(s);
    if (!v.type) return CSL_FAILED;
    v = csl_coerce(s, v, f->result_type, n->a ? n->a : n);
    if (!v.type) return CSL_FAILED;
    if (interpreted(s)) {
        arena *mine = s->scratch;
        s->scratch = f->scratch;
        f->result = csl_copy(s, v);
        s->scratch = mine;
        f->has_result = true;
        return leave(s, CSL_RETURNING, NULL);
    }
    return f->inlined ? return_inlined(s, v, n) : return_code(s, v, n);
}

/* ---- if, switch ---- */

static csl_flow exec_scoped(csl_sema *s, const csl_node *n) {
    csl_binding *top = s->frame->top;
    csl_flow f = n->kind == CSL_BLOCK && !n->name.n ? csl_exec_list(s, n->a) : csl_exec(s, n);
    s->frame->top = top;
    return f;
}

/* A branch under a run-time condition: what it decides cannot leave it. */
static csl_flow exec_branch(csl_sema *s, const csl_node *n) {
    s->runtime_depth++;
    csl_flow f = exec_scoped(s, n);
    s->runtime_depth--;
    return f;
}

static csl_flow exec_if(csl_sema *s, const csl_node *n) {
    csl_value c = csl_coerce(s, csl_eval(s, n->a), s->unit->types.bool_, n->a);
    if (!c.type) return CSL_FAILED;
    if (c.where == CSL_KNOWN) return c.i ? exec_scoped(s, n->b) : n->c ? exec_scoped(s, n->c) : CSL_NEXT;
    uint32_t other = ir_new_label(s->fn), done = ir_new_label(s->fn);
    if (!csl_emit_raw(s, n, (ir_instr){.op = ISA_BZ, .a = csl_reg(s, c, n->a), .imm = other})) return CSL_FAILED;
    csl_flow then = exec_branch(s, n->b), otherwise = CSL_NEXT;
    if (then == CSL_FAILED) return then;
    if (n->c && then == CSL_NEXT && !jump(s, n, done)) return CSL_FAILED;
    if (!label(s, n, other)) return CSL_FAILED;
    if (n->c) otherwise = exec_branch(s, n->c);
    if (otherwise == CSL_FAILED || !label(s, n, done)) return CSL_FAILED;
    return then != CSL_NEXT && otherwise != CSL_NEXT ? CSL_GONE : CSL_NEXT;
}

static csl_flow exec_switch_known(csl_sema *s, const csl_node *n, const csl_value *v) {
    const csl_node *fallback = NULL;
    for (const csl_node *arm = n->b; arm; arm = arm->next) {
        if (!arm->a) fallback = arm;
        for (const csl_node *c = arm->a; c; c = c->next) {
            csl_value k = csl_coerce(s, csl_eval_known(s, c), v->type, c);
            if (!k.type) return CSL_FAILED;
            if (csl_same(&k, v)) return exec_scoped(s, arm->b);
        }
    }
    return fallback ? exec_scoped(s, fallback->b) : CSL_NEXT;
}

bool csl_switchable(csl_sema *s, csl_value v, const csl_node *n) {
    if (v.where == CSL_REG) return true;
    csl_error(s, n->a, "'switch' does not work on '%s'", v.type->text);
    return false;
}

bool csl_emit_case(csl_sema *s, csl_value v, const csl_node *c, uint32_t here) {
    csl_value k = csl_coerce(s, csl_eval_known(s, c), v.type, c);
    if (!k.type) return false;
    if (v.type->words <= 2)
        return csl_emit_raw(s, c, (ir_instr){.op = ISA_BEQ, .a = v.reg[0], .b = csl_reg(s, k, c), .imm = here}) != NULL;
    csl_value same = csl_binary(s, CSL_OP_EQ, v, k, c);
    return same.type && csl_emit_raw(s, c, (ir_instr){.op = ISA_BNZ, .a = csl_reg(s, same, c), .imm = here});
}

static csl_flow exec_arm(csl_sema *s, const csl_node *arm, csl_value v, uint32_t done) {
    uint32_t next = ir_new_label(s->fn), here = ir_new_label(s->fn);
    for (const csl_node *c = arm->a; c; c = c->next)
        if (!csl_emit_case(s, v, c, here)) return CSL_FAILED;
    if (!jump(s, arm, next) || !label(s, arm, here)) return CSL_FAILED;
    csl_flow f = exec_branch(s, arm->b);
    if (f == CSL_FAILED || (f == CSL_NEXT && !jump(s, arm, done)) || !label(s, arm, next)) return CSL_FAILED;
    return f;
}

static csl_flow exec_switch(csl_sema *s, const csl_node *n) {
    csl_value v = csl_eval(s, n->a);
    if (!v.type) return CSL_FAILED;
    if (v.where == CSL_KNOWN) return exec_switch_known(s, n, &v);
    if (!csl_switchable(s, v, n)) return CSL_FAILED;
    uint32_t done = ir_new_label(s->fn);
    const csl_node *fallback = NULL;
    bool all_gone = true;
    for (const csl_node *arm = n->b; arm; arm = arm->next) {
        if (!arm->a) {
            fallback = arm;
            continue;
        }
        csl_flow f = exec_arm(s, arm, v, done);
        if (f == CSL_FAILED) return f;
        all_gone &= f != CSL_NEXT;
    }
    csl_flow f = fallback ? exec_branch(s, fallback->b) : CSL_NEXT;
    if (f == CSL_FAILED || !label(s, n, done)) return CSL_FAILED;
    return all_gone && f != CSL_NEXT ? CSL_GONE : CSL_NEXT;
}

/* ---- loops ---- */

/* What a loop body's flow means for an interpreted or unrolled loop: go on, stop, or pass it outwards. */
typedef enum { LOOP_GO, LOOP_STOP, LOOP_PASS } loop_step;
static loop_step after_body(csl_sema *s, csl_loop *l, csl_flow f) {
    if (f == CSL_NEXT) return LOOP_GO;
    if (f == CSL_LEFT && s->frame->leaving != CSL_RETURNING && s->frame->target == l) return s->frame->leaving == CSL_BREAKING ? LOOP_STOP : LOOP_GO;
    return LOOP_PASS;
}

typedef struct {
    csl_loop loop;
    csl_binding *top;
    arena *outer, *mine;
} loop_state;

static bool loop_begin(csl_sema *s, loop_state *st, const csl_node *n, bool unrolled) {
    *st = (loop_state){.loop = {.label = n->name, .unrolled = unrolled, .depth = s->runtime_depth, .up = s->frame->loops}, .top = s->frame->top, .outer = s->scratch};
    s->frame->loops = &st->loop;
    if (!s->in_layout || s->unit->cells_pointed_to) return true;
    st->mine = arena_new(16384);
    if (!st->mine) return csl_oom(s), false;
    s->scratch = st->mine;
    return true;
}

static void loop_again(csl_sema *s, loop_state *st) {
    s->frame->top = st->top;
    if (st->mine && !s->unit->cells_pointed_to) arena_reset(st->mine);
}

static void loop_end(csl_sema *s, loop_state *st) {
    s->frame->top = st->top;
    s->frame->loops = st->loop.up;
    s->scratch = st->outer;
    if (!st->mine) return;
    if (s->unit->cells_pointed_to) csl_park(s, st->mine);
    else arena_free(st->mine);
}

static uint32_t unroll_limit(csl_sema *s) {
    if (interpreted(s)) return UINT32_MAX;
    uint32_t n = s->unit->options->max_inlined_iterations;
    return n ? n : 50;
}

static csl_flow too_many(csl_sema *s, const csl_node *n) {
    csl_error(s, n, "exceeded the maximum of %" PRIu32 " inlined iterations; raise it with --max-inlined-iterations", unroll_limit(s));
    return CSL_FAILED;
}

/* Run-time `continue` inside an unrolled iteration lands here. */
static bool close_iteration(csl_sema *s, loop_state *st, const csl_node *n) {
    uint32_t l = st->loop.continue_label;
    st->loop.continue_label = 0;
    return !l || label(s, n, l);
}

static csl_flow while_unrolled(csl_sema *s, const csl_node *n) {
    loop_state st;
    csl_flow f = CSL_NEXT;
    if (!loop_begin(s, &st, n, true)) return CSL_FAILED;
    for (uint32_t count = 0;; count++) {
        csl_value c = csl_coerce(s, csl_eval(s, n->a), s->unit->types.bool_, n->a);
        if (c.type && c.where != CSL_KNOWN) csl_not_known(s, n->a, "the condition of a comptime or inline loop");
        if (!c.type || c.where != CSL_KNOWN) f = CSL_FAILED;
        if (f == CSL_FAILED || !c.i) break;
        if (count >= unroll_limit(s)) {
            f = too_many(s, n);
            break;
        }
        f = csl_work(s, n, 1, 0) ? exec_scoped(s, n->b) : CSL_FAILED;
        loop_step step = after_body(s, &st.loop, f);
        if (step == LOOP_PASS && !(f == CSL_GONE && st.loop.continue_label)) break;
        f = close_iteration(s, &st, n) ? CSL_NEXT : CSL_FAILED;
        if (step == LOOP_STOP || f == CSL_FAILED) break;
        if (n->c && csl_exec(s, n->c) == CSL_FAILED) {
            f = CSL_FAILED;
            break;
        }
        loop_again(s, &st);
    }
    loop_end(s, &st);
    if (f != CSL_FAILED && st.loop.break_label) f = label(s, n, st.loop.break_label) ? CSL_NEXT : CSL_FAILED;
    return f;
}

static csl_value try_condition(csl_sema *s, const csl_node *n) {
    uint32_t code = s->fn->code_count;
    csl_value v = csl_coerce(s, csl_eval(s, n), s->unit->types.bool_, n);
    s->fn->code_count = code;
    return v;
}

static csl_flow while_emitted(csl_sema *s, const csl_node *n) {
    csl_value first = try_condition(s, n->a);
    if (!first.type) return CSL_FAILED;
    bool endless = first.where == CSL_KNOWN;
    if (endless && !first.i) return CSL_NEXT;
    loop_state st;
    if (!loop_begin(s, &st, n, false)) return CSL_FAILED;
    uint32_t body = ir_new_label(s->fn), check = ir_new_label(s->fn);
    st.loop.break_label = ir_new_label(s->fn), st.loop.continue_label = ir_new_label(s->fn);
    s->runtime_depth++;
    bool ok = endless || jump(s, n, check);
    ok = ok && label(s, n, body) && exec_scoped(s, n->b) != CSL_FAILED && label(s, n, st.loop.continue_label);
    ok = ok && (!n->c || csl_exec(s, n->c) != CSL_FAILED) && label(s, n, check);
    if (ok && endless) ok = jump(s, n, body);
    if (ok && !endless) {
        csl_value c = csl_coerce(s, csl_eval(s, n->a), s->unit->types.bool_, n->a);
        ok = c.type && csl_emit_raw(s, n, (ir_instr){.op = ISA_BNZ, .a = csl_reg(s, c, n->a), .imm = body});
    }
    s->runtime_depth--;
    loop_end(s, &st);
    return ok && label(s, n, st.loop.break_label) ? CSL_NEXT : CSL_FAILED;
}

static bool bind_capture(csl_sema *s, const csl_node *n, str name, csl_value v) {
    if (!name.n || str_is(name, "_")) return true;
    csl_binding *b = csl_bind(s, name, CSL_BIND_VALUE, v.type, n);
    if (!b) return false;
    b->value = v;
    b->is_const = true;
    return true;
}

static bool known_next(const csl_value *v, uint32_t i, csl_value *elem) {
    if (v->type->kind == CSL_T_ARRAY) {
        if (i >= v->type->count) return false;
        *elem = *csl_elem(v, i);
        return true;
    }
    if (v->type->kind == CSL_T_STRUCT) {
        if (i >= v->type->count) return false;
        *elem = v->elems[i];
        return true;
    }
    __int128 x;
    if (__builtin_mul_overflow((__int128)i, v->range.step, &x) || __builtin_add_overflow(v->range.start, x, &x)) return false;
    *elem = csl_int(v->type->elem, x);
    return v->range.step > 0 ? x < v->range.stop : x > v->range.stop;
}

static csl_flow for_unrolled(csl_sema *s, const csl_node *n, const csl_value *over) {
    loop_state st;
    csl_flow f = CSL_NEXT;
    csl_value elem;
    if (!loop_begin(s, &st, n, true)) return CSL_FAILED;
    for (uint32_t i = 0; known_next(over, i, &elem); i++) {
        if (i >= unroll_limit(s)) {
            f = too_many(s, n);
            break;
        }
        bool ok = csl_work(s, n, 1, 0) && bind_capture(s, n, n->capture, elem) && bind_capture(s, n, n->index, csl_int(s->unit->types.comptime_int, i));
        f = ok ? exec_scoped(s, n->b) : CSL_FAILED;
        loop_step step = after_body(s, &st.loop, f);
        if (step == LOOP_PASS && !(f == CSL_GONE && st.loop.continue_label)) break;
        f = close_iteration(s, &st, n) ? CSL_NEXT : CSL_FAILED;
        if (step == LOOP_STOP || f == CSL_FAILED) break;
        loop_again(s, &st);
    }
    loop_end(s, &st);
    if (f != CSL_FAILED && st.loop.break_label) f = label(s, n, st.loop.break_label) ? CSL_NEXT : CSL_FAILED;
    return f;
}

/* Counter, bound and step of an emitted loop. The counter is computed in 32 bits, so it does not wrap at the bound. */
typedef struct {
    ir_reg counter, stop;
    int64_t step;
    bool is_signed, surely_once;
} counting;

static bool count_range(csl_sema *s, const csl_node *n, const csl_value *r, counting *c) {
    const csl_type *t = r->type->elem;
    c->is_signed = t->kind == CSL_T_COMPTIME_INT || t->is_signed;
    if (t->words > 2) {
        csl_error(s, n, "a run-time loop over '%s' is not supported; use at most 32 bits", t->text);
        return false;
    }
    if (r->where == CSL_KNOWN) {
        if (!csl_fits(t, r->range.start) || !csl_fits(t, r->range.stop) || r->range.step != (int32_t)r->range.step) {
            csl_error(s, n, "the bounds of this run-time loop do not fit type '%s'", t->text);
            return false;
        }
        c->step = (int64_t)r->range.step;
        c->surely_once = c->step > 0 ? r->range.start < r->range.stop : r->range.start > r->range.stop;
        c->counter = csl_emit(s, n, ISA_MOVI, 0, 0, (int64_t)(uint32_t)r->range.start);
        c->stop = csl_emit(s, n, ISA_MOVI, 0, 0, (int64_t)(uint32_t)r->range.stop);
        return c->counter && c->stop;
    }
    c->step = r->range_step;
    c->counter = ir_new_reg(s->fn);
    c->stop = ir_new_reg(s->fn);
    return csl_emit_raw(s, n, (ir_instr){.op = ISA_MOV, .d = c->counter, .a = r->range_reg.start}) &&
           csl_emit_raw(s, n, (ir_instr){.op = ISA_MOV, .d = c->stop, .a = r->range_reg.stop});
}

static bool count_on(csl_sema *s, const csl_node *n, const counting *c, uint32_t check, uint32_t body) {
    if (!csl_emit_raw(s, n, (ir_instr){.op = ISA_ADDI, .d = c->counter, .a = c->counter, .imm = c->step}) || !label(s, n, check)) return false;
    ir_instr in = {.op = c->is_signed || c->step < 0 ? ISA_BLT : ISA_BLTU, .a = c->counter, .b = c->stop, .imm = body};
    if (c->step < 0) in.a = c->stop, in.b = c->counter;
    return csl_emit_raw(s, n, in) != NULL;
}

static csl_flow for_emitted(csl_sema *s, const csl_node *n, const csl_value *over, const csl_place *array) {
    counting c = {.step = 1};
    loop_state st;
    if (array) {
        c.surely_once = array->type->count != 0;
        c.counter = csl_emit(s, n, ISA_MOVI, 0, 0, 0);
        c.stop = csl_emit(s, n, ISA_MOVI, 0, 0, array->type->count);
    } else if (!count_range(s, n, over, &c)) {
        return CSL_FAILED;
    }
    if (!loop_begin(s, &st, n, false)) return CSL_FAILED;
    uint32_t body = ir_new_label(s->fn), check = ir_new_label(s->fn);
    st.loop.break_label = ir_new_label(s->fn), st.loop.continue_label = ir_new_label(s->fn);
    s->runtime_depth++;
    bool ok = (c.surely_once || jump(s, n, check)) && label(s, n, body);
    csl_value elem = ok ? csl_in_reg(array ? s->unit->types.u16 : over->type->elem, c.counter) : CSL_NOTHING;
    if (ok && array) {
        ir_reg at = c.counter;
        if (array->type->elem->words != 1)
            at = csl_emit(s, n, ISA_MUL_U16, at, csl_reg(s, csl_int(s->unit->types.u16, array->type->elem->words), n), 0);
        if (array->mem.base) at = csl_emit(s, n, ISA_ADD_U16, array->mem.base, at, 0);
        csl_place p = {.kind = CSL_AT_MEM, .type = array->type->elem};
        p.mem.base = at, p.mem.offset = array->mem.offset;
        csl_value x = csl_load(s, &p);
        ok = x.type && bind_capture(s, n, n->capture, x) && bind_capture(s, n, n->index, elem);
    } else if (ok) {
        ok = bind_capture(s, n, n->capture, elem);
    }
    ok = ok && exec_scoped(s, n->b) != CSL_FAILED && label(s, n, st.loop.continue_label) && count_on(s, n, &c, check, body);
    s->runtime_depth--;
    loop_end(s, &st);
    return ok && label(s, n, st.loop.break_label) ? CSL_NEXT : CSL_FAILED;
}

static csl_flow exec_for(csl_sema *s, const csl_node *n) {
    bool unrolled = interpreted(s) || n->flags & (CSL_INLINE | CSL_COMPTIME);
    csl_value over = csl_eval(s, n->a);
    if (!over.type) return CSL_FAILED;
    bool iterable = over.type->kind == CSL_T_RANGE || over.type->kind == CSL_T_ARRAY || (over.type->kind == CSL_T_STRUCT && over.type->tuple);
    if (!iterable) return csl_error(s, n->a, "'for' needs a @range or an array, not '%s'", over.type->text), CSL_FAILED;
    if (over.type->kind == CSL_T_RANGE && (over.where == CSL_KNOWN ? over.range.step == 0 : over.range_step == 0))
        return csl_error(s, n->a, "the step of a @range cannot be 0"), CSL_FAILED;
    if (unrolled) {
        if (over.where != CSL_KNOWN) return csl_not_known(s, n->a, "what a comptime or inline loop runs over"), CSL_FAILED;
        return for_unrolled(s, n, &over);
    }
    if (over.type->kind == CSL_T_RANGE) {
        /* A known counter of comptime type would have no run-time type: such loops count in i32. */
        if (over.type->elem->kind == CSL_T_COMPTIME_INT) over.type = csl_type_range(s->unit, s->unit->types.i32);
        return over.type ? for_emitted(s, n, &over, NULL) : CSL_FAILED;
    }
    if (over.type->comptime_only || over.type->kind == CSL_T_STRUCT) return for_unrolled(s, n, &over);
    csl_place p = {.kind = CSL_AT_MEM, .type = over.type};
    if (!csl_address(s, over, n->a, &p.mem.base, &p.mem.offset)) return CSL_FAILED;
    return for_emitted(s, n, NULL, &p);
}

static csl_flow exec_while(csl_sema *s, const csl_node *n) {
    bool unrolled = interpreted(s) || n->flags & (CSL_INLINE | CSL_COMPTIME);
    return unrolled ? while_unrolled(s, n) : while_emitted(s, n);
}

/* ---- blocks ---- */

static csl_flow exec_labelled(csl_sema *s, const csl_node *n) {
    csl_loop loop = {.label = n->name, .is_block = true, .depth = s->runtime_depth, .up = s->frame->loops};
    csl_binding *top = s->frame->top;
    s->frame->loops = &loop;
    csl_flow f = csl_exec_list(s, n->a);
    s->frame->loops = loop.up;
    s->frame->top = top;
    if (f == CSL_LEFT && s->frame->leaving == CSL_BREAKING && s->frame->target == &loop) f = CSL_NEXT;
    if (f == CSL_FAILED || !loop.break_label) return f;
    return label(s, n, loop.break_label) ? CSL_NEXT : CSL_FAILED;
}

static csl_flow exec_comptime(csl_sema *s, const csl_node *n) {
    bool outer = s->comptime;
    s->comptime = true;
    csl_flow f = exec_scoped(s, n->a);
    s->comptime = outer;
    return f;
}

static csl_flow execute(csl_sema *s, const csl_node *n) {
    switch ((csl_kind)n->kind) {
    case CSL_VAR: return declare(s, n);
    case CSL_BLOCK: return n->name.n ? exec_labelled(s, n) : exec_scoped(s, n);
    case CSL_IF: return exec_if(s, n);
    case CSL_WHILE: return exec_while(s, n);
    case CSL_FOR: return exec_for(s, n);
    case CSL_SWITCH: return exec_switch(s, n);
    case CSL_RETURN: return return_from(s, n);
    case CSL_BREAK: return break_out(s, n);
    case CSL_CONTINUE: return continue_on(s, n);
    case CSL_ASSIGN: return assign(s, n);
    case CSL_COMPTIME_BLOCK: return exec_comptime(s, n);
    case CSL_EXPR: return csl_eval(s, n->a).type ? CSL_NEXT : CSL_FAILED;
    default: return csl_eval(s, n).type ? CSL_NEXT : CSL_FAILED;
    }
}

csl_flow csl_exec(csl_sema *s, const csl_node *n) {
    if (s->depth > CSL_DEPTH_MAX) return csl_too_deep(s, n), CSL_FAILED;
    const csl_node *outer = s->at;
    s->at = n;
    s->depth++;
    csl_flow f = execute(s, n);
    s->depth--;
    s->at = outer;
    return f;
}

/* An error in one statement does not hide those of the next. A name whose declaration failed is bound to nothing, so that its uses
 * stay quiet. */
csl_flow csl_exec_list(csl_sema *s, const csl_node *first) {
    csl_flow all = CSL_NEXT;
    for (const csl_node *n = first; n; n = n->next) {
        csl_flow f = csl_exec(s, n);
        if (f == CSL_LEFT || f == CSL_GONE) return all == CSL_FAILED ? CSL_FAILED : f;
        if (f == CSL_FAILED) {
            if (diag_error_count(s->d) > 20) return CSL_FAILED;
            if (n->kind == CSL_VAR && !csl_bind(s, n->name, CSL_BIND_VALUE, NULL, n)) return CSL_FAILED;
            all = CSL_FAILED;
        }
    }
    return all;
}
