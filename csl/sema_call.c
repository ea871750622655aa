/* Calls: interpreted in comptime contexts, expanded for `inline fn`, otherwise code of one instance per distinct tuple of comptime arguments.
 *
 * Instances are analysed later, from a work list, so that recursion needs nothing special. */
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { ARGS_MAX = 32, REGISTER_ARGS_MAX = 12, INSTANCES_MAX = 4096 };

typedef struct {
    csl_func *f;
    csl_frame frame;               /* of the callee */
    uint32_t count;
    csl_value args[ARGS_MAX];      /* coerced */
    bool known[ARGS_MAX];          /* part of the instance */
    const csl_type *result;
    const csl_node *call;
} calling;

/* The callee's scope, for types of parameters and for its body. */
typedef struct {
    csl_module *module;
    csl_frame *frame;
    bool comptime;
} place_of_call;

static place_of_call enter_callee(csl_sema *s, calling *c, bool comptime) {
    place_of_call p = {s->module, s->frame, s->comptime};
    s->module = c->f->module;
    s->frame = &c->frame;
    s->comptime = comptime;
    return p;
}

static void leave_callee(csl_sema *s, const place_of_call *p) {
    s->module = p->module;
    s->frame = p->frame;
    s->comptime = p->comptime;
}

static bool by_address(const csl_type *t) { return t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION; }

static const csl_type *param_type(csl_sema *s, calling *c, const csl_node *p) {
    if (p->flags & CSL_ANYTYPE || !p->a) return s->unit->types.anytype;
    place_of_call at = enter_callee(s, c, true);
    const csl_type *t = csl_eval_type(s, p->a);
    leave_callee(s, &at);
    return t;
}

/* Arguments that make the instance: values known by rule, types of the others. */
static void note_arg(calling *c, uint32_t i, csl_value v, bool known) {
    uint64_t part = known ? csl_hash(&v) : v.type->id + 1;
    c->known[i] = known;
    c->args[i] = v;
    c->frame.instance = (c->frame.instance ^ part) * 0x9e3779b97f4a7c15u + i + 1;
}

static bool prepare_arg(csl_sema *s, calling *c, const csl_node *p, csl_value v, const csl_node *at) {
    const csl_type *t = param_type(s, c, p);
    uint32_t i = c->count++;
    if (!t || !v.type) return false;
    v = csl_coerce(s, v, t, at);
    if (!v.type) return false;
    bool must = p->flags & CSL_COMPTIME || v.type->comptime_only;
    if (must && !csl_all_known(&v)) {
        csl_error(s, at, "the argument for '%.*s' must be known at compile time", (int)p->name.n, p->name.p);
        return false;
    }
    note_arg(c, i, v, must);
    place_of_call here = enter_callee(s, c, true);
    csl_binding *b = csl_bind(s, p->name, CSL_BIND_VALUE, v.type, p);
    leave_callee(s, &here);
    if (b) b->value = v, b->is_const = true;
    return b != NULL;
}

static bool prepare(csl_sema *s, calling *c, uint32_t count, const csl_value *args, const csl_node *const *at) {
    uint32_t wanted = 0;
    for (const csl_node *p = c->f->node->a; p; p = p->next) wanted++;
    if (wanted != count || count > ARGS_MAX) {
        csl_error(s, c->call, "'%s' takes %" PRIu32 " argument%s, %" PRIu32 " given", c->f->name, wanted, wanted == 1 ? "" : "s", count);
        csl_note(s, c->f->module, c->f->node, "'%s' is declared here", c->f->name);
        return false;
    }
    uint32_t i = 0;
    for (const csl_node *p = c->f->node->a; p; p = p->next, i++)
        if (!prepare_arg(s, c, p, args[i], at && at[i] ? at[i] : c->call)) return false;
    if (!c->f->node->b) return c->result = s->unit->types.void_, true;
    place_of_call here = enter_callee(s, c, true);
    c->result = csl_eval_type(s, c->f->node->b);
    leave_callee(s, &here);
    return c->result != NULL;
}

/* ---- interpreted and expanded ---- */

static csl_value finish_body(csl_sema *s, calling *c, csl_flow flow) {
    csl_frame *f = &c->frame;
    map_free(&f->addressed);
    if (flow == CSL_FAILED) return CSL_NOTHING;
    if (f->has_result) return f->result;
    if (c->result->kind == CSL_T_VOID || c->result->kind == CSL_T_ANYTYPE) return csl_void(s);
    csl_error(s, c->call, "'%s' ends without returning a '%s'", c->f->name, c->result->text);
    csl_note(s, c->f->module, c->f->node, "'%s' is declared here", c->f->name);
    return CSL_NOTHING;
}

static csl_value interpret(csl_sema *s, calling *c) {
    for (uint32_t i = 0; i < c->count; i++)
        if (!csl_all_known(&c->args[i])) return csl_not_known(s, c->call, "every argument of a function that runs at compile time");
    c->frame.result_type = c->result;
    place_of_call here = enter_callee(s, c, true);
    size_t errors = diag_error_count(s->d);
    csl_flow flow = csl_exec(s, c->f->node->c);
    leave_callee(s, &here);
    if (flow == CSL_FAILED && diag_error_count(s->d) > errors && s->unit->called_from != c->call) { /* a recursion says so once */
        csl_note(s, s->module, c->call, "called from here");
        s->unit->called_from = c->call;
    }
    return finish_body(s, c, flow);
}

static csl_value expand(csl_sema *s, calling *c) {
    c->frame.result_type = c->result;
    c->frame.inlined = true;
    c->frame.depth = s->runtime_depth;
    place_of_call here = enter_callee(s, c, false);
    csl_flow flow = csl_exec(s, c->f->node->c);
    if (flow != CSL_FAILED && c->frame.return_label &&
        !csl_emit_raw(s, c->call, (ir_instr){.op = IR_LABEL, .imm = c->frame.return_label})) flow = CSL_FAILED;
    leave_callee(s, &here);
    return finish_body(s, c, flow);
}

/* ---- instances ---- */

static bool same_instance(const csl_instance *x, const calling *c) {
    if (x->count != c->count || x->result != c->result) return false;
    for (uint32_t i = 0; i < c->count; i++) {
        if (x->known[i] != c->known[i] || x->args[i].type != c->args[i].type) return false;
        if (c->known[i] && !csl_same(&x->args[i], &c->args[i])) return false;
    }
    return true;
}

static csl_instance *find_instance(csl_sema *s, calling *c) {
    for (csl_instance *x = c->f->instances; x; x = x->next)
        if (same_instance(x, c)) return x;
    if (s->ir->fn_count >= INSTANCES_MAX) {
        csl_error(s, c->call, "the program has more than %d functions, counting one for each set of comptime arguments of '%s' and others", INSTANCES_MAX, c->f->name);
        return NULL;
    }
    csl_instance *x = arena_push(s->unit->memory, csl_instance);
    csl_value *args = arena_push_n(s->unit->memory, csl_value, c->count ? c->count : 1);
    bool *known = arena_push_n(s->unit->memory, bool, c->count ? c->count : 1);
    if (!x || !args || !known) return csl_oom(s), NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        args[i] = c->known[i] ? c->args[i] : (csl_value){.type = c->args[i].type, .where = CSL_REG};
        known[i] = c->known[i];
    }
    *x = (csl_instance){.func = c->f, .count = c->count, .args = args, .known = known, .result = c->result, .identity = c->frame.instance, .from = c->call, .from_module = s->module, .next = c->f->instances};
    x->fn = ir_fn_new(s->ir, c->f->name, &x->index);
    if (!x->fn) return csl_oom(s), NULL;
    if (!x->fn->label_count) x->fn->label_count = 1; /* 0 stands for "no label" */
    x->fn->is_task = c->f->is_task;
    c->f->instances = x;
    if (s->work_tail) s->work_tail->next_work = x;
    else s->work = x;
    s->work_tail = x;
    return x;
}

static bool pass(csl_sema *s, ir_call *call, ir_reg r, const csl_node *at) {
    if (call->arg_count == REGISTER_ARGS_MAX) {
        csl_error(s, at, "more than %d words of arguments are not supported; pass a pointer", REGISTER_ARGS_MAX);
        return false;
    }
    call->args[call->arg_count++] = r;
    return r != 0;
}

static bool pass_value(csl_sema *s, ir_call *call, csl_value v, const csl_node *at) {
    if (by_address(v.type)) { /* a copy: parameters are values */
        uint32_t slot;
        csl_value m = csl_slot_value(s, v.type, at, &slot);
        csl_place p = {.kind = CSL_AT_MEM, .type = v.type};
        p.mem.base = m.mem.base;
        return m.type && csl_store(s, &p, v, at) && pass(s, call, m.mem.base, at);
    }
    if (v.type->words > 2) {
        ir_reg r[2];
        return csl_regs(s, v, at, r) && pass(s, call, r[0], at) && pass(s, call, r[1], at);
    }
    return !v.type->words || pass(s, call, csl_reg(s, v, at), at);
}

static csl_value emit_call(csl_sema *s, ir_call *call, const csl_type *result, csl_value memory, const csl_node *at) {
    if (result->words && !memory.type) {
        call->result_count = result->words > 2 ? 2 : 1;
        for (uint32_t i = 0; i < call->result_count; i++) call->results[i] = ir_new_reg(s->fn);
    }
    if (!csl_emit_raw(s, at, (ir_instr){.op = IR_CALL, .call = call})) return CSL_NOTHING;
    if (memory.type) return memory;
    return result->words ? csl_in_regs(result, call->results[0], call->results[1]) : csl_void(s);
}

static ir_call *call_row(csl_sema *s, const csl_type *result, csl_value *memory, const csl_node *at) {
    ir_call *call = arena_push(s->unit->memory, ir_call);
    *memory = CSL_NOTHING;
    if (!call) return csl_oom(s), NULL;
    if (by_address(result)) {
        uint32_t slot;
        *memory = csl_slot_value(s, result, at, &slot);
        if (!memory->type || !pass(s, call, memory->mem.base, at)) return NULL;
    }
    return call;
}

static csl_value call_instance(csl_sema *s, calling *c) {
    csl_value memory;
    csl_instance *x = find_instance(s, c);
    ir_call *call = x ? call_row(s, c->result, &memory, c->call) : NULL;
    if (!call) return CSL_NOTHING;
    call->fn = x->index;
    for (uint32_t i = 0; i < c->count; i++)
        if (!c->known[i] && !pass_value(s, call, c->args[i], c->call)) return CSL_NOTHING;
    return emit_call(s, call, c->result, memory, c->call);
}

/* ---- short functions stand where they are called ----
 *
 * Those that give a value. What is called for its effect stays a function, so that a debugger can step over it. */

enum { SHORT_NODES = 32 };

/* Nodes of a short body; more than SHORT_NODES when it calls others, or holds what has a label. */
static uint32_t size_of(const csl_node *n, uint32_t so_far) {
    for (; n && so_far <= SHORT_NODES; n = n->next) {
        bool plain = n->kind == CSL_BUILTIN ? !str_is(n->name, "map") : n->kind != CSL_CALL && n->kind != CSL_FOR && n->kind != CSL_WHILE;
        if (!plain) return SHORT_NODES + 1;
        so_far = size_of(n->a, so_far + 1);
        if (n->kind != CSL_NAME && n->kind != CSL_MEMBER) so_far = size_of(n->b, so_far);
        so_far = size_of(n->c, so_far);
    }
    return so_far;
}

/* Numbers come in registers, as for a call: known ones would be computed with by the rules of compile time. */
static bool into_registers(csl_sema *s, calling *c) {
    csl_binding *b = c->frame.top;
    for (uint32_t i = c->count; i--; b = b->up) {
        const csl_type *t = c->args[i].type;
        bool number = t->kind == CSL_T_INT || t->kind == CSL_T_FLOAT || t->kind == CSL_T_BOOL || t->kind == CSL_T_ENUM;
        if (c->known[i] || c->args[i].where != CSL_KNOWN || !number) continue;
        ir_reg r[2] = {0};
        if (t->words > 2 ? !csl_regs(s, c->args[i], c->call, r) : !(r[0] = csl_reg(s, c->args[i], c->call))) return false;
        b->value = c->args[i] = csl_in_regs(t, r[0], r[1]);
    }
    return true;
}

static bool is_short(const calling *c) {
    if (c->f->node->flags & CSL_NOINLINE || by_address(c->result) || !c->result->words || c->result->comptime_only) return false;
    for (uint32_t i = 0; i < c->count; i++)
        if (by_address(c->args[i].type)) return false;
    return size_of(c->f->node->c, 0) <= SHORT_NODES;
}

/* As if called: what is wrong with the body is said once. */
static csl_value expand_short(csl_sema *s, calling *c) {
    size_t errors = diag_error_count(s->d);
    if (c->f->refused || !into_registers(s, c)) return CSL_NOTHING;
    csl_value v = expand(s, c);
    if (v.type || diag_error_count(s->d) == errors) return v;
    c->f->refused = true;
    csl_note(s, s->module, c->call, "'%s' is used here", c->f->name);
    return v;
}

/* A few statements in a row, at most a return at their end. */
static bool straight(const csl_node *body) {
    enum { MOST = 4 };
    uint32_t count = 0;
    for (const csl_node *n = body->kind == CSL_BLOCK ? body->a : NULL; n; n = n->next) {
        bool plain = n->kind == CSL_EXPR || n->kind == CSL_ASSIGN || n->kind == CSL_VAR || (n->kind == CSL_RETURN && !n->next);
        if (!plain || ++count > MOST) return false;
    }
    return count > 0;
}

static csl_value carry_out(csl_sema *s, calling *c) {
    if (!csl_emits(s) || (c->result->comptime_only && c->result->kind != CSL_T_ANYTYPE)) return interpret(s, c);
    if (csl_folds(c->f, c->count, c->args, c->known, c->result)) return interpret(s, c);
    if (c->f->node->flags & CSL_INLINE || c->result->kind == CSL_T_ANYTYPE) return expand(s, c);
    if (s->map_call == c->call && straight(c->f->node->c)) return expand(s, c);
    if (straight(c->f->node->c) && is_short(c)) return expand_short(s, c);
    return call_instance(s, c);
}

static bool has_body(csl_sema *s, const csl_func *f, const csl_node *at) {
    if (f->node->c) return true;
    csl_error(s, at, "'%s' is declared 'extern'; linking with other objects is not supported", f->name);
    return false;
}

csl_value csl_call(csl_sema *s, csl_func *f, uint32_t count, const csl_value *args, const csl_node *const *at, const csl_node *call) {
    if (f->is_task) return csl_error(s, call, "'%s' is a task: it cannot be called, only activated", f->name);
    if (!has_body(s, f, call)) return CSL_NOTHING;
    calling c = {.f = f, .call = call, .frame = {.func = f, .scratch = s->scratch}};
    if (!prepare(s, &c, count, args, at)) return CSL_NOTHING;
    s->depth += CSL_DEPTH_OF_CALL;
    csl_value v = carry_out(s, &c);
    s->depth -= CSL_DEPTH_OF_CALL;
    return v;
}

static csl_value call_pointer(csl_sema *s, csl_value target, uint32_t count, const csl_value *args, const csl_node *call) {
    const csl_type *t = target.type->kind == CSL_T_POINTER ? target.type->elem : target.type;
    csl_value memory;
    if (t->count != count) return csl_error(s, call, "%" PRIu32 " arguments for a function of %" PRIu32, count, t->count);
    ir_call *row = call_row(s, t->elem, &memory, call);
    if (!row) return CSL_NOTHING;
    row->fn = UINT32_MAX;
    row->target = target.reg[0];
    for (uint32_t i = 0; i < count; i++) {
        csl_value v = csl_coerce(s, args[i], t->members[i].type, call);
        if (!v.type || !pass_value(s, row, v, call)) return CSL_NOTHING;
    }
    return emit_call(s, row, t->elem, memory, call);
}

csl_value csl_call_node(csl_sema *s, const csl_node *n) {
    csl_value args[ARGS_MAX];
    const csl_node *at[ARGS_MAX];
    uint32_t count = 0;
    csl_value callee = csl_eval(s, n->a);
    if (!callee.type) return callee;
    bool function = callee.type->kind == CSL_T_FN || (callee.type->kind == CSL_T_POINTER && callee.type->elem->kind == CSL_T_FN);
    if (!function) return csl_error(s, n->a, "'%s' cannot be called", callee.type->text);
    for (const csl_node *a = n->b; a; a = a->next, count++) {
        if (count == ARGS_MAX) return csl_error(s, a, "more than %d arguments are not supported", ARGS_MAX);
        args[count] = csl_eval(s, a);
        at[count] = a;
        if (!args[count].type) return CSL_NOTHING;
    }
    if (callee.where == CSL_KNOWN && !callee.fn) return csl_error(s, n->a, "this function is undefined: it cannot be called");
    if (callee.where == CSL_KNOWN) return csl_call(s, callee.fn, count, args, at, n);
    return call_pointer(s, callee, count, args, n);
}

/* ---- analysing bodies ---- */

uint32_t csl_fn_index(csl_sema *s, csl_func *f, const csl_node *at) {
    calling c = {.f = f, .call = at, .frame = {.func = f}};
    if (!has_body(s, f, at)) return UINT32_MAX;
    for (const csl_node *p = f->node->a; p; p = p->next) {
        const csl_type *t = param_type(s, &c, p);
        if (!t) return UINT32_MAX;
        if (t->comptime_only || c.count == ARGS_MAX || p->flags & CSL_COMPTIME) {
            csl_error(s, at, "'%s' has parameters that exist at compile time only; it cannot be used as a pointer, task or export", f->name);
            return UINT32_MAX;
        }
        note_arg(&c, c.count, (csl_value){.type = t}, false);
        c.count++;
    }
    place_of_call here = enter_callee(s, &c, true);
    c.result = f->node->b ? csl_eval_type(s, f->node->b) : s->unit->types.void_;
    leave_callee(s, &here);
    csl_instance *x = c.result ? find_instance(s, &c) : NULL;
    return x ? x->index : UINT32_MAX;
}

static csl_value incoming(csl_sema *s, const csl_type *t, uint32_t *arg, const csl_node *at) {
    if (!t->words) return (csl_value){.type = t};
    ir_reg low = csl_emit(s, at, IR_ARG, 0, 0, (*arg)++);
    if (by_address(t)) {
        csl_value v = {.type = t, .where = CSL_MEM};
        v.mem.base = low, v.mem.offset = 0;
        return v;
    }
    return csl_in_regs(t, low, t->words > 2 ? csl_emit(s, at, IR_ARG, 0, 0, (*arg)++) : 0);
}

static bool bind_params(csl_sema *s, csl_instance *x) {
    uint32_t i = 0, arg = 0;
    if (by_address(x->result)) s->frame->result_address = csl_emit(s, x->func->node, IR_ARG, 0, 0, arg++);
    for (const csl_node *p = x->func->node->a; p; p = p->next, i++) {
        csl_value v = x->known[i] ? x->args[i] : incoming(s, x->args[i].type, &arg, p);
        csl_binding *b = v.type ? csl_bind(s, p->name, CSL_BIND_VALUE, v.type, p) : NULL;
        if (!b) return false;
        b->value = v;
        b->is_const = true;
    }
    x->fn->arg_count = arg;
    x->fn->result_count = by_address(x->result) || !x->result->words ? 0 : x->result->words > 2 ? 2 : 1;
    return true;
}

static bool analyse(csl_sema *s, csl_instance *x) {
    csl_context c = csl_enter(s, x->func->module);
    csl_frame frame = {.func = x->func, .instance = x->identity, .result_type = x->result};
    size_t errors = diag_error_count(s->d);
    s->frame = &frame;
    s->fn = x->fn;
    s->comptime = false;
    csl_flow flow = bind_params(s, x) ? csl_exec(s, x->func->node->c) : CSL_FAILED;
    if (flow == CSL_NEXT) {
        const csl_node *end = x->func->node;
        bool is_void = x->result->kind == CSL_T_VOID;
        ir_instr in = {.op = is_void ? IR_RETURN : ISA_TRAP};
        if (!is_void) in.imm = csl_string(s, STR("a function ended without returning its value"));
        if (!csl_emit_raw(s, end, in) || (!is_void && !csl_emit_raw(s, end, (ir_instr){.op = IR_RETURN}))) flow = CSL_FAILED;
    }
    map_free(&frame.addressed);
    csl_leave(s, &c);
    if (flow == CSL_FAILED && diag_error_count(s->d) > errors && x->from) csl_note(s, x->from_module, x->from, "'%s' is used here", x->func->name);
    return flow != CSL_FAILED;
}

bool csl_run_work(csl_sema *s) {
    bool ok = true;
    while (s->work) {
        csl_instance *x = s->work;
        s->work = x->next_work;
        if (!s->work) s->work_tail = NULL;
        ok &= analyse(s, x);
        if (diag_error_count(s->d) > 20) return false;
    }
    return ok;
}
