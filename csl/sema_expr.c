/* Expressions. */
#include "csl/sema_internal.h"
#include <inttypes.h>

/* ---- members ---- */

static csl_value module_member(csl_sema *s, csl_module *m, const csl_node *n) {
    csl_global *g = csl_find_global(m, n->name);
    if (g) return csl_global_value(s, g, n);
    csl_func *f = csl_find_func(m, n->name);
    if (f) return csl_func_value(s, f, n);
    return csl_error(s, n, "module '%s' has no member '%.*s'", m->path, (int)n->name.n, n->name.p);
}

csl_value csl_member_of(csl_sema *s, csl_value base, const csl_node *n) {
    const csl_type *t = base.type;
    if (!t) return base;
    if (t->kind == CSL_T_MODULE) return module_member(s, base.module, n);
    if (t->kind == CSL_T_TYPE && base.t->kind == CSL_T_ENUM) {
        const csl_member *m = csl_find_member(base.t, n->name);
        if (m) return csl_int(base.t, m->value);
        return csl_error(s, n, "enum '%s' has no member '%.*s'", base.t->text, (int)n->name.n, n->name.p);
    }
    if (t->kind != CSL_T_STRUCT) return csl_error(s, n, "'%s' has no members", t->text);
    const csl_member *m = csl_find_member(t, n->name);
    if (!m) return csl_error(s, n, "no member '%.*s' in '%s'", (int)n->name.n, n->name.p, t->text);
    if (base.where == CSL_KNOWN) return *csl_elem(&base, (uint32_t)(m - t->members));
    csl_place p = {.kind = CSL_AT_MEM, .type = m->type, .is_const = true};
    p.mem.base = base.mem.base, p.mem.offset = base.mem.offset + (int32_t)m->word;
    return csl_load(s, &p);
}

static bool is_place_chain(const csl_node *n) {
    return n->kind == CSL_NAME || n->kind == CSL_MEMBER || n->kind == CSL_INDEX || n->kind == CSL_DEREF;
}

/* A run-time global that a chain starts with must not be loaded as a whole. */
static bool starts_at_variable(csl_sema *s, const csl_node *n) {
    while (n->kind == CSL_MEMBER || n->kind == CSL_INDEX) n = n->a;
    if (n->kind == CSL_DEREF) return true;
    if (n->kind != CSL_NAME) return false;
    csl_binding *b = csl_lookup(s, n->name);
    if (b) return b->kind != CSL_BIND_VALUE;
    csl_global *g = csl_find_global(s->module, n->name);
    return g && (g->is_var || (g->state == 2 && g->type->kind == CSL_T_POINTER));
}

static csl_value member(csl_sema *s, const csl_node *n) {
    if (is_place_chain(n->a) && starts_at_variable(s, n->a)) {
        csl_place p = csl_eval_place(s, n);
        return csl_load(s, &p);
    }
    csl_value base = csl_eval(s, n->a);
    if (base.type && base.type->kind == CSL_T_POINTER) {
        csl_place p = csl_eval_place(s, n);
        return csl_load(s, &p);
    }
    return csl_member_of(s, base, n);
}

/* ---- literals ---- */

static uint32_t list_length(const csl_node *n) {
    uint32_t count = 0;
    for (; n; n = n->next) count++;
    return count;
}

/* A variable read into a literal must keep its value of now. */
static csl_value snapshot(csl_sema *s, csl_value v, const csl_node *at) {
    if (v.where != CSL_REG || !csl_emits(s)) return v;
    ir_reg r[2] = {ir_new_reg(s->fn), v.reg[1] ? ir_new_reg(s->fn) : 0};
    return csl_move(s, r, v, at) ? csl_in_regs(v.type, r[0], r[1]) : CSL_NOTHING;
}

static csl_value struct_literal(csl_sema *s, const csl_node *n) {
    uint32_t count = list_length(n->b), i = 0;
    csl_member *m = arena_push_n(csl_scratch(s), csl_member, count ? count : 1);
    csl_value *e = csl_elems_new(s, count);
    if (!m || !e) return csl_oom(s);
    for (const csl_node *f = n->b; f; f = f->next, i++) {
        for (uint32_t j = 0; j < i; j++)
            if (str_eq(m[j].name, f->name)) return csl_error(s, f, "field '%.*s' is given twice", (int)f->name.n, f->name.p);
        e[i] = snapshot(s, csl_eval(s, f->a), f);
        if (!e[i].type) return CSL_NOTHING;
        m[i] = (csl_member){.name = f->name, .type = e[i].type};
    }
    const csl_type *t = csl_type_struct(s->unit, count, m, false);
    if (!t) return csl_oom(s);
    csl_value v = {.type = t, .elems = e};
    if (!n->a) return v;
    const csl_type *named = csl_eval_type(s, n->a);
    return named ? csl_coerce(s, v, named, n) : CSL_NOTHING;
}

static csl_value tuple_literal(csl_sema *s, const csl_node *n) {
    uint32_t count = list_length(n->b), i = 0;
    csl_member *m = arena_push_n(csl_scratch(s), csl_member, count ? count : 1);
    csl_value *e = csl_elems_new(s, count);
    if (!m || !e) return csl_oom(s);
    for (const csl_node *x = n->b; x; x = x->next, i++) {
        e[i] = snapshot(s, csl_eval(s, x), x);
        if (!e[i].type) return CSL_NOTHING;
        m[i].type = e[i].type;
    }
    const csl_type *t = csl_type_struct(s->unit, count, m, count != 0);
    if (!t) return csl_oom(s);
    return (csl_value){.type = t, .elems = e};
}

static csl_value array_literal(csl_sema *s, const csl_node *n) {
    const csl_type *t = csl_eval_type(s, n->a);
    if (!t) return CSL_NOTHING;
    uint32_t count = list_length(n->b), i = 0;
    if (count != t->count) return csl_error(s, n, "'%s' needs %" PRIu32 " elements, %" PRIu32 " are given", t->text, t->count, count);
    csl_value *e = csl_elems_new(s, count);
    if (!e) return CSL_NOTHING;
    for (const csl_node *x = n->b; x; x = x->next, i++) {
        e[i] = snapshot(s, csl_coerce(s, csl_eval(s, x), t->elem, x), x);
        if (!e[i].type) return CSL_NOTHING;
    }
    return (csl_value){.type = t, .elems = e};
}

/* ---- addresses ---- */

static csl_value pointer_value(csl_sema *s, const csl_type *to, bool is_const) {
    const csl_type *t = csl_type_pointer(s->unit, to, false, is_const);
    if (!t) return csl_oom(s);
    return (csl_value){.type = t};
}

/* The global constant at the root of `&c` or `&c[i]`, which has no memory so far. */
static csl_global *constant_root(csl_sema *s, const csl_node *n, csl_module *m) {
    while (n->kind == CSL_INDEX) n = n->a;
    if (n->kind == CSL_MEMBER && n->a->kind == CSL_NAME && !csl_lookup(s, n->a->name)) {
        csl_global *g = csl_find_global(m, n->a->name);
        if (g && !g->is_var && csl_ready(s, g, n) && g->type->kind == CSL_T_MODULE) return csl_find_global(g->value.module, n->name);
    }
    if (n->kind != CSL_NAME || csl_lookup(s, n->name)) return NULL;
    return csl_find_global(m, n->name);
}

static csl_value address_of(csl_sema *s, const csl_node *n) {
    const csl_node *x = n->a;
    csl_global *root = constant_root(s, x, s->module);
    if (root && !root->is_var && csl_ready(s, root, x) && !root->type->comptime_only && x->kind != CSL_INDEX) {
        csl_value v = pointer_value(s, root->type, true);
        if (!v.type) return v;
        v.p = (csl_pointer){.global = root};
        return v;
    }
    if (root && root->is_var && !s->in_layout && x->kind != CSL_INDEX) { /* needs no place yet */
        if (!csl_ready(s, root, x)) return CSL_NOTHING;
        csl_value v = pointer_value(s, root->type, false);
        if (!v.type) return v;
        v.p = (csl_pointer){.global = root};
        return v;
    }
    if (x->kind == CSL_NAME && !csl_lookup(s, x->name)) {
        csl_func *f = csl_find_func(s->module, x->name);
        if (f) {
            csl_value v = csl_func_value(s, f, x);
            if (!v.type) return v;
            v.type = csl_type_pointer(s->unit, v.type, false, true);
            return v.type ? v : csl_oom(s);
        }
    }
    if (root && !root->is_var && s->out && root->type && !root->type->comptime_only && !csl_place_global(s, root, x)) return CSL_NOTHING;
    csl_place p = csl_eval_place(s, x);
    csl_value v;
    if (p.kind == CSL_AT_CELL && root && !root->is_var && root->placed && x->kind == CSL_INDEX && p.cell >= root->value.elems) {
        uint32_t i = (uint32_t)(p.cell - root->value.elems);
        v = pointer_value(s, p.type, true);
        if (!v.type) return v;
        v.p = (csl_pointer){.global = root, .word = i * p.type->words};
        return v;
    }
    switch ((csl_place_kind)p.kind) {
    case CSL_AT_NOWHERE: return CSL_NOTHING;
    case CSL_AT_REG: return csl_error(s, x, "this value has no address; make it a variable");
    case CSL_AT_CELL:
        v = pointer_value(s, p.type, p.is_const);
        if (!v.type) return v;
        v.p = (csl_pointer){.cell = p.cell};
        s->unit->cells_pointed_to = true;
        return v;
    case CSL_AT_MEM: break;
    }
    v = pointer_value(s, p.type, p.is_const);
    if (!v.type) return v;
    if (p.mem.base) return csl_in_reg(v.type, csl_emit(s, n, ISA_ADDI_U16, p.mem.base, 0, p.mem.offset));
    if (p.mem.global) v.p = (csl_pointer){.global = p.mem.global, .word = (uint32_t)(p.mem.offset - p.mem.global->word)};
    else v.p = (csl_pointer){.word = (uint32_t)p.mem.offset};
    return v;
}

/* ---- branches as expressions ---- */

/* Where both arms of a run-time branch leave their value. */
typedef struct {
    const csl_type *type;
    ir_reg reg[2];
    csl_value memory;
} landing;

static bool landing_for(csl_sema *s, landing *l, const csl_type *t, const csl_node *at) {
    *l = (landing){.type = t};
    if (t->kind == CSL_T_VOID) return true;
    if (t->comptime_only) {
        csl_error(s, at, "a run-time choice cannot give a value of type '%s', which exists at compile time only", t->text);
        return false;
    }
    if (t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT) {
        uint32_t slot;
        l->memory = csl_slot_value(s, t, at, &slot);
        return l->memory.type != NULL;
    }
    l->reg[0] = ir_new_reg(s->fn);
    if (t->words > 2) l->reg[1] = ir_new_reg(s->fn);
    return true;
}

static bool land(csl_sema *s, const landing *l, csl_value v, const csl_node *at) {
    if (!v.type) return false;
    if (l->type->kind == CSL_T_VOID) return true;
    v = csl_coerce(s, v, l->type, at);
    if (!v.type) return false;
    if (!l->memory.type) return csl_move(s, l->reg, v, at);
    csl_place p = {.kind = CSL_AT_MEM, .type = l->type};
    p.mem.base = l->memory.mem.base, p.mem.offset = l->memory.mem.offset;
    return csl_store(s, &p, v, at);
}

static csl_value landed(csl_sema *s, const landing *l) {
    if (l->type->kind == CSL_T_VOID) return csl_void(s);
    return l->memory.type ? l->memory : csl_in_regs(l->type, l->reg[0], l->reg[1]);
}

/* The type an expression would have: it is walked, and the code it emitted is taken back. */
const csl_type *csl_type_of(csl_sema *s, const csl_node *n) {
    if (!s->fn) {
        csl_value v = csl_eval(s, n);
        return v.type;
    }
    uint32_t code = s->fn->code_count, depth = s->runtime_depth;
    bool dead = s->dead;
    csl_binding *top = s->frame->top;
    csl_value v = csl_eval(s, n);
    s->fn->code_count = code;
    s->runtime_depth = depth;
    s->dead = dead;
    s->frame->top = top;
    return v.type;
}

static bool is_plain(const csl_type *t) { return t->kind == CSL_T_COMPTIME_INT || t->kind == CSL_T_COMPTIME_FLOAT; }

/* The type of a run-time choice whose first arm gives `first`. */
static const csl_type *choice_type(csl_sema *s, const csl_value *first, const csl_node *second, const csl_type *wanted, const csl_node *at) {
    if (!is_plain(first->type)) return first->type;
    if (wanted && csl_is_number(wanted) && !wanted->comptime_only) return wanted;
    const csl_type *t = second ? csl_type_of(s, second) : first->type;
    if (t && is_plain(t)) csl_error(s, at, "this choice at run time is between comptime numbers; give one a type with @as");
    return t && is_plain(t) ? NULL : t;
}

csl_value csl_if_expr(csl_sema *s, const csl_node *n) {
    const csl_type *wanted = s->wanted;
    csl_value c = csl_coerce(s, csl_eval(s, n->a), s->unit->types.bool_, n->a);
    if (!c.type) return c;
    if (c.where == CSL_KNOWN) {
        if (c.i) return csl_eval_as(s, n->b, wanted);
        return n->c ? csl_eval_as(s, n->c, wanted) : csl_void(s);
    }
    if (!n->c) return csl_error(s, n, "an 'if' expression with a run-time condition needs an 'else'");
    uint32_t other = ir_new_label(s->fn), done = ir_new_label(s->fn);
    landing l;
    if (!csl_emit_raw(s, n, (ir_instr){.op = ISA_BZ, .a = csl_reg(s, c, n->a), .imm = other})) return CSL_NOTHING;
    s->runtime_depth++;
    csl_value v = csl_eval_as(s, n->b, wanted);
    const csl_type *t = v.type ? choice_type(s, &v, n->c, wanted, n) : NULL;
    bool ok = t && landing_for(s, &l, t, n) && land(s, &l, v, n->b);
    if (ok) {
        csl_emit_raw(s, n, (ir_instr){.op = ISA_JMP, .imm = done});
        csl_emit_raw(s, n, (ir_instr){.op = IR_LABEL, .imm = other});
        ok = land(s, &l, csl_eval_as(s, n->c, wanted), n->c) && csl_emit_raw(s, n, (ir_instr){.op = IR_LABEL, .imm = done});
    }
    s->runtime_depth--;
    return ok ? landed(s, &l) : CSL_NOTHING;
}

static const csl_node *known_arm(csl_sema *s, const csl_node *n, const csl_value *v, bool *failed) {
    const csl_node *fallback = NULL;
    for (const csl_node *arm = n->b; arm; arm = arm->next) {
        if (!arm->a) fallback = arm;
        for (const csl_node *c = arm->a; c; c = c->next) {
            csl_value k = csl_coerce(s, csl_eval_known(s, c), v->type, c);
            if (!k.type) return *failed = true, NULL;
            if (csl_same(&k, v)) return arm;
        }
    }
    return fallback;
}

csl_value csl_switch_expr(csl_sema *s, const csl_node *n) {
    const csl_type *wanted = s->wanted;
    csl_value v = csl_eval(s, n->a);
    bool failed = false;
    if (!v.type) return v;
    if (v.where == CSL_KNOWN) {
        const csl_node *arm = known_arm(s, n, &v, &failed);
        if (failed) return CSL_NOTHING;
        return arm ? csl_eval_as(s, arm->b, wanted) : csl_error(s, n, "no arm of this switch takes the value");
    }
    if (!csl_switchable(s, v, n)) return CSL_NOTHING;
    uint32_t done = ir_new_label(s->fn);
    landing l = {0};
    const csl_node *fallback = NULL;
    s->runtime_depth++;
    for (const csl_node *arm = n->b; arm && !failed; arm = arm->next) {
        if (!arm->a) {
            fallback = arm;
            continue;
        }
        uint32_t next = ir_new_label(s->fn), here = ir_new_label(s->fn);
        for (const csl_node *c = arm->a; c && !failed; c = c->next) failed = !csl_emit_case(s, v, c, here);
        csl_emit_raw(s, arm, (ir_instr){.op = ISA_JMP, .imm = next});
        csl_emit_raw(s, arm, (ir_instr){.op = IR_LABEL, .imm = here});
        csl_value x = failed ? CSL_NOTHING : csl_eval_as(s, arm->b, wanted);
        const csl_type *t = x.type && !l.type ? choice_type(s, &x, NULL, wanted, n) : l.type;
        if (x.type && !l.type) failed = !t || !landing_for(s, &l, t, n);
        failed = failed || !land(s, &l, x, arm->b);
        csl_emit_raw(s, arm, (ir_instr){.op = ISA_JMP, .imm = done});
        csl_emit_raw(s, arm, (ir_instr){.op = IR_LABEL, .imm = next});
    }
    if (!failed && fallback) {
        csl_value x = csl_eval_as(s, fallback->b, wanted);
        const csl_type *t = x.type && !l.type ? choice_type(s, &x, NULL, wanted, n) : l.type;
        if (x.type && !l.type) failed = !t || !landing_for(s, &l, t, n);
        failed = failed || !land(s, &l, x, fallback->b);
    }
    s->runtime_depth--;
    if (failed || !csl_emit_raw(s, n, (ir_instr){.op = IR_LABEL, .imm = done})) return CSL_NOTHING;
    return landed(s, &l);
}

/* A block in operand position: its value is that of `break :label v`; without a label it is void. */
csl_value csl_block_expr(csl_sema *s, const csl_node *n) {
    csl_loop loop = {.wanted = s->wanted, .label = n->name, .is_block = true, .depth = s->runtime_depth, .wants_value = n->name.n != 0, .up = s->frame ? s->frame->loops : NULL};
    csl_frame local = {0}, *outer = s->frame;
    if (!s->frame) s->frame = &local;
    csl_binding *top = s->frame->top;
    s->frame->loops = &loop;
    csl_flow flow = csl_exec_list(s, n->a);
    csl_leaving leaving = s->frame->leaving;
    csl_loop *target = s->frame->target;
    s->frame->loops = loop.up;
    s->frame->top = top;
    s->frame = outer;
    if (flow == CSL_FAILED) return CSL_NOTHING;
    if (flow == CSL_LEFT && !(leaving == CSL_BREAKING && target == &loop))
        return csl_error(s, n, "a block that gives a value cannot be left by 'return', 'continue' or a 'break' of another loop at compile time");
    if (loop.break_label) {
        s->dead = false;
        if (!csl_emit_raw(s, n, (ir_instr){.op = IR_LABEL, .imm = loop.break_label})) return CSL_NOTHING;
    }
    if (loop.value_type) return csl_in_regs(loop.value_type, loop.value_reg[0], loop.value_reg[1]);
    return loop.value.type ? loop.value : csl_void(s);
}

/* ---- builtins ---- */

static csl_value builtin(csl_sema *s, const csl_node *n) {
    const csl_builtin *b = csl_find_builtin(n->name);
    int len = (int)n->name.n;
    if (!b || (b->when & CSL_LIBRARY_ONLY && !s->module->is_library)) return csl_error(s, n, "unknown builtin '@%.*s'", len, n->name.p);
    uint32_t count = list_length(n->b);
    if (count < b->min_args || count > b->max_args) {
        if (b->min_args == b->max_args)
            return csl_error(s, n, "'@%.*s' takes %d argument%s, %" PRIu32 " given", len, n->name.p, b->min_args, b->min_args == 1 ? "" : "s", count);
        return csl_error(s, n, "'@%.*s' takes %d to %d arguments, %" PRIu32 " given", len, n->name.p, b->min_args, b->max_args, count);
    }
    if (b->when & (CSL_PROGRAM_ONLY | CSL_COMPTIME_ONLY) && !s->out)
        return csl_error(s, n, "'@%.*s' belongs in a program of a PE; it is not valid while the layout is evaluated", len, n->name.p);
    if (b->when & CSL_LAYOUT_ONLY && !s->in_layout) return csl_error(s, n, "'@%.*s' is only valid in a layout block", len, n->name.p);
    if (b->when & CSL_COMPTIME_ONLY && csl_emits(s)) return csl_error(s, n, "builtin is only valid while evaluating a top level comptime block");
    if (b->when & CSL_RUNTIME_ONLY && !csl_emits(s)) return csl_error(s, n, "'@%.*s' is only valid in a function or task that runs on a PE", len, n->name.p);
    return b->run(s, n);
}

/* ---- the walk ---- */

static csl_value at_comptime(csl_sema *s, const csl_node *n) {
    bool outer = s->comptime;
    s->comptime = true;
    csl_value v = csl_eval(s, n);
    s->comptime = outer;
    return v;
}

static csl_value load_place(csl_sema *s, const csl_node *n) {
    csl_place p = csl_eval_place(s, n);
    return csl_load(s, &p);
}

static csl_value evaluate(csl_sema *s, const csl_node *n) {
    bool chooses = n->kind == CSL_IF || n->kind == CSL_SWITCH || n->kind == CSL_BLOCK;
    if (!chooses) s->wanted = NULL;
    switch ((csl_kind)n->kind) {
    case CSL_INT:
        if (n->flags & CSL_TOO_BIG) return csl_error(s, n, "integers of more than 127 bits are not supported");
        return csl_int(s->unit->types.comptime_int, (__int128)n->integer);
    case CSL_FLOAT: return csl_float(s->unit->types.comptime_float, n->number);
    case CSL_STRING: return csl_str(s, n->name);
    case CSL_TRUE: return csl_bool(s, true);
    case CSL_FALSE: return csl_bool(s, false);
    case CSL_UNDEFINED: return (csl_value){.type = s->unit->types.undefined};
    case CSL_VOID_VALUE: return csl_void(s);
    case CSL_UNREACHABLE:
        if (!csl_emits(s)) return csl_error(s, n, "'unreachable' was reached");
        csl_emit_raw(s, n, (ir_instr){.op = ISA_TRAP, .imm = csl_string(s, STR("'unreachable' was reached"))});
        return csl_void(s);
    case CSL_NAME: return csl_name(s, n);
    case CSL_MEMBER: return member(s, n);
    case CSL_INDEX:
    case CSL_DEREF: return load_place(s, n);
    case CSL_UNARY:
        if (n->op == CSL_OP_ADDRESS) return address_of(s, n);
        if (n->op == CSL_OP_COMPTIME) return at_comptime(s, n->a);
        return csl_unary(s, n->op, csl_eval(s, n->a), n);
    case CSL_BINARY: {
        if (n->op == CSL_OP_AND || n->op == CSL_OP_OR) return csl_short_circuit(s, n);
        csl_value a = csl_eval(s, n->a);
        return a.type ? csl_binary(s, n->op, a, csl_eval(s, n->b), n) : a;
    }
    case CSL_CALL: return csl_call_node(s, n);
    case CSL_BUILTIN: return builtin(s, n);
    case CSL_STRUCT_LIT: return struct_literal(s, n);
    case CSL_TUPLE: return tuple_literal(s, n);
    case CSL_ARRAY_LIT: return array_literal(s, n);
    case CSL_ARRAY_TYPE:
    case CSL_POINTER_TYPE:
    case CSL_FN_TYPE:
    case CSL_STRUCT_TYPE:
    case CSL_ENUM_TYPE: return csl_type_node(s, n);
    case CSL_IF: return csl_if_expr(s, n);
    case CSL_SWITCH: return csl_switch_expr(s, n);
    case CSL_BLOCK: return csl_block_expr(s, n);
    case CSL_ASSIGN: return csl_exec(s, n) == CSL_FAILED ? CSL_NOTHING : csl_void(s);
    case CSL_LAMBDA: return csl_error(s, n, "this form is only valid as '.tensor_access' of @get_dsd");
    case CSL_ASM: return csl_error(s, n, "inline assembly is not supported: its instruction set is not public");
    default: return csl_error(s, n, "an expression is needed here");
    }
}

csl_value csl_eval(csl_sema *s, const csl_node *n) {
    const csl_node *outer = s->at;
    if (s->depth > CSL_DEPTH_MAX) return csl_too_deep(s, n);
    if (!csl_work(s, n, 1, 0)) return CSL_NOTHING;
    s->at = n;
    s->depth++;
    csl_value v = evaluate(s, n);
    s->depth--;
    s->at = outer;
    return v;
}

csl_value csl_eval_as(csl_sema *s, const csl_node *n, const csl_type *t) {
    s->wanted = t;
    csl_value v = csl_eval(s, n);
    s->wanted = NULL;
    return v;
}

csl_value csl_eval_known(csl_sema *s, const csl_node *n) {
    csl_value v = at_comptime(s, n);
    if (v.type && !csl_all_known(&v)) return csl_not_known(s, n, "this");
    return v;
}

bool csl_eval_int(csl_sema *s, const csl_node *n, __int128 min, __int128 max, const char *what, __int128 *out) {
    csl_value v = csl_eval_known(s, n);
    if (!v.type) return false;
    const csl_type *t = v.type;
    if (!csl_is_int(t) && !csl_is_id(t) && t->kind != CSL_T_BOOL && t->kind != CSL_T_ENUM) {
        csl_error(s, n, "%s must be an integer, not '%s'", what, t->text);
        return false;
    }
    if (v.i < min || v.i > max) {
        strbuf text = {0};
        csl_show(&v, &text);
        csl_error(s, n, "%s must be between %" PRId64 " and %" PRId64 ", not %s", what, (int64_t)min, (int64_t)max, text.data ? text.data : "");
        strbuf_free(&text);
        return false;
    }
    *out = v.i;
    return true;
}
