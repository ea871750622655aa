/* Tasks: binding, first state, @activate and its relatives.
 *
 * A task is named by its id or by the function bound to it, perhaps before it is bound. Code then holds a mark that
 * csl_tasks_finish replaces; what comptime blocks do to the first state is replayed there, in order. */
#include "csl/builtin.h"
#include <inttypes.h>

bool csl_tasks_begin(csl_sema *s) {
    csl_task_state *t = arena_push(s->unit->memory, csl_task_state);
    if (!t) return csl_oom(s), false;
    memset(t->out_choice, -1, sizeof t->out_choice);
    memset(t->in_color, -1, sizeof t->in_color);
    memset(t->out_color, -1, sizeof t->out_color);
    s->tasks = t;
    isa_queues *q = &s->out->queues;
    memset(q->in_color, -1, sizeof q->in_color);
    memset(q->out_color, -1, sizeof q->out_color);
    memset(q->color_queue, -1, sizeof q->color_queue);
    for (int i = 0; i < ISA_COLORS; i++) s->out->teardown_entry[i] = UINT32_MAX;
    for (int i = 0; i < ISA_QUEUES; i++) s->out->flush_entry[i] = UINT32_MAX;
    return true;
}

/* ---- naming a task ---- */

bool csl_task_of(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, bool any_port,
                 csl_task_ref *out) {
    *out = (csl_task_ref){.id = -1, .at = at, .module = s->module};
    if (!v->type) return false;
    csl_tkind port = csl_is_wse3(s) ? CSL_T_INPUT_QUEUE : CSL_T_COLOR;
    csl_tkind k = v->type->kind;
    if (k == CSL_T_FN && v->fn && v->fn->is_task) return out->task = v->fn, true;
    bool id =
        k == CSL_T_LOCAL_TASK_ID || k == CSL_T_DATA_TASK_ID || k == CSL_T_CONTROL_TASK_ID || (any_port && k == port);
    if (!id)
        return csl_refuse(s, at, "%s: expected a task%s, got '%s'", what,
                          !any_port             ? " or a task id"
                          : port == CSL_T_COLOR ? ", a task id or a color"
                                                : ", a task id or an input_queue",
                          v->type->text);
    if (v->where != CSL_KNOWN) return csl_refuse(s, at, "%s: the task must be known at compile time", what);
    if (v->i < 0 || v->i >= ISA_TASKS) return csl_refuse(s, at, "%s: there is no task %" PRId64, what, (int64_t)v->i);
    out->id = (int16_t)v->i;
    return true;
}

bool csl_resolve_task(csl_sema *s, const csl_task_ref *r, int8_t *id) {
    *id = (int8_t)r->id;
    if (!r->task) return true;
    *id = (int8_t)r->task->bound_id;
    if (r->task->bound_id >= 0) return true;
    csl_module *keep = s->module;
    s->module = r->module;
    csl_error(s, r->at,
              "task '%s' is bound to no id; bind it with @bind_local_task or @bind_data_task in a comptime block",
              r->task->name);
    s->module = keep;
    return false;
}

bool csl_task_marks(csl_sema *s, ir_instr *in) {
    if (in->op != ISA_ACTIVATE && in->op != ISA_BLOCK && in->op != ISA_UNBLOCK) return true;
    if (in->imm < CSL_TASK_MARK) return true;
    int8_t id;
    if (!csl_resolve_task(s, &csl_tasks(s)->refs[in->imm - CSL_TASK_MARK], &id)) return false;
    in->imm = id;
    return true;
}

/* ---- @bind_*_task ---- */

static const struct {
    const char *builtin, *what;
    csl_tkind id, id2; /* what the second argument may be */
    uint8_t kind, min_params, max_params;
} binds[] = {
    {"bind_data_task", "data_task_id", CSL_T_DATA_TASK_ID, CSL_T_DATA_TASK_ID, ISA_TASK_DATA, 1, 2},
    {"bind_local_task", "local_task_id", CSL_T_LOCAL_TASK_ID, CSL_T_LOCAL_TASK_ID, ISA_TASK_LOCAL, 0, 0},
    {"bind_control_task", "control_task_id", CSL_T_CONTROL_TASK_ID, CSL_T_CONTROL_TASK_ID, ISA_TASK_CONTROL, 0, 1},
};

static uint32_t param_bits(const csl_type *t) {
    if (t->kind == CSL_T_ENUM) t = t->elem;
    if (t->kind == CSL_T_INT || t->kind == CSL_T_FLOAT) return t->bits;
    return csl_is_id(t) || t->kind == CSL_T_BOOL ? 16 : 0;
}

static bool param_signed(const csl_type *t) {
    if (t->kind == CSL_T_ENUM) t = t->elem;
    return t->kind == CSL_T_INT && t->is_signed;
}

/* How the payload of a wavelet becomes the parameters: isa_args. */
static bool task_args(csl_sema *s, const csl_type *fn, uint8_t kind, const csl_node *at, isa_task *out) {
    uint32_t bits[2] = {0};
    for (uint32_t i = 0; i < fn->count; i++) {
        bits[i] = param_bits(fn->members[i].type);
        bool fits = bits[i] == 16 || (bits[i] == 32 && fn->count == 1 && kind == ISA_TASK_DATA);
        if (!fits)
            return csl_refuse(s, at, "parameter %" PRIu32 " of this task has type '%s'; a %s", i + 1,
                              fn->members[i].type->text,
                              kind == ISA_TASK_DATA ? "data task takes one of 16 or 32 bits, or two of 16 bits"
                                                    : "control task takes at most one of 16 bits");
    }
    bool s0 = fn->count > 0 && param_signed(fn->members[0].type),
         s1 = fn->count > 1 && param_signed(fn->members[1].type);
    if (fn->count == 0) out->args = ISA_ARGS_NONE;
    else if (fn->count == 2) out->args = ISA_ARGS_TWO;
    else if (bits[0] == 32) out->args = ISA_ARG_32;
    else out->args = s0 ? ISA_ARG_S16 : ISA_ARG_U16;
    out->arg_signed = (uint8_t)(s0 | s1 << 1);
    return true;
}

/* Ids that the system or the memcpy run time has for itself. On WSE-2, 21 to 23 are its colors. */
static bool id_free(csl_sema *s, int64_t id, uint8_t kind, const csl_node *at) {
    uint32_t taken = 1u << 27 | 1u << 28 | 1u << 30;
    bool wse3 = csl_is_wse3(s);
    if (kind == ISA_TASK_CONTROL || !csl_user_code(s)) return true;
    if (id == ISA_TASK_TEARDOWN)
        return csl_refuse(s, at, "task id 29 is reserved: it handles teardown; use @set_teardown_handler");
    if (!wse3) taken |= 1u << 21 | 1u << 22 | 1u << 23;
    if (wse3 && kind == ISA_TASK_DATA) taken |= 3;
    if (!csl_has_memcpy(s) || !(taken >> id & 1)) return true;
    return csl_refuse(s, at, "task id %" PRId64 " is reserved by memcpy (%s27, 28, 30%s); choose another", id,
                      wse3 ? "" : "21, 22, 23, ", wse3 ? " and, for data tasks, the queues 0 and 1" : "");
}

static bool not_bound(csl_sema *s, csl_func *f, int64_t id, const csl_node *call) {
    csl_task_state *t = csl_tasks(s);
    int64_t other = f->bound_id >= 0 && t->bound[f->bound_id] == f ? f->bound_id : -1;
    if (!t->bound[id] && other < 0) return true;
    if (t->bound[id])
        csl_error(s, call, "task has already been bound: id %" PRId64 " runs '%s'", id, t->bound[id]->name);
    else csl_error(s, call, "task has already been bound: '%s' has id %" PRId64, f->name, other);
    csl_site first = t->bound_at[t->bound[id] ? id : other];
    csl_note(s, first.module, first.at, "bound here");
    return false;
}

csl_value csl_b_bind_task(csl_sema *s, const csl_node *call) {
    uint32_t row = 0;
    while (!str_is(call->name, binds[row].builtin)) row++;
    const csl_node *at = csl_arg(call, 0), *id_at = csl_arg(call, 1);
    csl_value task = csl_eval(s, at), id = task.type ? csl_eval_known(s, id_at) : CSL_NOTHING;
    if (!id.type) return CSL_NOTHING;
    if (task.type->kind != CSL_T_FN || !task.fn || !task.fn->is_task)
        return csl_error(s, at, "@%s: expected a task, got '%s'", binds[row].builtin, task.type->text);
    bool color = row == 0 && !csl_is_wse3(s) && id.type->kind == CSL_T_COLOR;
    if (id.type->kind != binds[row].id && !color)
        return csl_error(s, id_at, "@%s: expected a '%s', got '%s'", binds[row].builtin, binds[row].what,
                         id.type->text);
    const csl_type *fn = task.type;
    if (fn->count < binds[row].min_params || fn->count > binds[row].max_params)
        return csl_error(s, at, "@%s: '%s' has %" PRIu32 " parameters; expected %u to %u", binds[row].builtin,
                         task.fn->name, fn->count, binds[row].min_params, binds[row].max_params);
    int64_t n = (int64_t)id.i;
    if (!id_free(s, n, binds[row].kind, id_at) || !not_bound(s, task.fn, n, call)) return CSL_NOTHING;
    isa_task *out = &s->out->tasks[n];
    if (!task_args(s, fn, binds[row].kind, at, out)) return CSL_NOTHING;
    out->kinds |= binds[row].kind;
    out->entry = csl_fn_index(s, task.fn, at);
    if (out->entry == UINT32_MAX) return CSL_NOTHING;
    task.fn->bound_id = (int)n;
    csl_tasks(s)->bound[n] = task.fn;
    csl_tasks(s)->bound_at[n] = csl_site_of(s, call);
    return csl_void(s);
}

/* ---- @activate, @block, @unblock ---- */

static uint16_t schedule_op(str name) {
    return str_is(name, "activate") ? ISA_ACTIVATE : str_is(name, "block") ? ISA_BLOCK : ISA_UNBLOCK;
}

static csl_value schedule_ut(csl_sema *s, const csl_node *call, uint16_t op, csl_value ut) {
    if (op == ISA_ACTIVATE) return csl_error(s, call, "@activate: a microthread cannot be activated");
    op = op == ISA_BLOCK ? ISA_BLOCKUT : ISA_UNBLOCKUT;
    if (s->fn && !s->comptime) {
        ir_reg r = ut.where == CSL_KNOWN ? 0 : csl_reg(s, ut, call);
        int64_t imm = ut.where == CSL_KNOWN ? (int64_t)ut.i : 0;
        return csl_emit_raw(s, call, (ir_instr){.op = op, .a = r, .imm = imm}) ? csl_void(s) : CSL_NOTHING;
    }
    if (ut.where != CSL_KNOWN || !s->out) return csl_error(s, call, "the microthread must be known at compile time");
    if (op == ISA_BLOCKUT) s->out->blocked_ut_at_start |= (uint8_t)(1u << ut.i);
    else s->out->blocked_ut_at_start &= (uint8_t) ~(1u << ut.i);
    return csl_void(s);
}

static csl_value schedule_known(csl_sema *s, const csl_node *call, uint16_t op, csl_task_ref ref) {
    csl_task_state *t = csl_tasks(s);
    if (!s->fn || s->comptime) {
        if (!CSL_ROOM(s, t->initial, t->initial_count, &t->initial_cap)) return CSL_NOTHING;
        t->initial[t->initial_count++] = (struct csl_initial){ref, op};
        return csl_void(s);
    }
    int64_t imm = ref.task ? ref.task->bound_id : ref.id;
    if (imm < 0) {
        if (!CSL_ROOM(s, t->refs, t->ref_count, &t->ref_cap)) return CSL_NOTHING;
        t->refs[t->ref_count] = ref;
        imm = CSL_TASK_MARK + t->ref_count++;
    }
    return csl_emit_raw(s, call, (ir_instr){.op = op, .imm = imm}) ? csl_void(s) : CSL_NOTHING;
}

csl_value csl_b_schedule(csl_sema *s, const csl_node *call) {
    uint16_t op = schedule_op(call->name);
    const csl_node *at = csl_arg(call, 0);
    csl_value v = csl_eval(s, at);
    if (!v.type) return CSL_NOTHING;
    if (!s->out)
        return csl_error(s, call, "@%.*s belongs into the code of a PE, not into the layout", (int)call->name.n,
                         call->name.p);
    if (v.type->kind == CSL_T_UT_ID && csl_is_wse3(s)) return schedule_ut(s, call, op, v);
    if (v.where == CSL_KNOWN) {
        csl_task_ref ref;
        char what[32];
        snprintf(what, sizeof what, "@%.*s", (int)call->name.n, call->name.p);
        return csl_task_of(s, &v, at, what, op != ISA_ACTIVATE, &ref) ? schedule_known(s, call, op, ref) : CSL_NOTHING;
    }
    csl_tkind port = csl_is_wse3(s) ? CSL_T_INPUT_QUEUE : CSL_T_COLOR, k = v.type->kind;
    bool id = k == CSL_T_LOCAL_TASK_ID || k == CSL_T_DATA_TASK_ID || k == CSL_T_CONTROL_TASK_ID ||
              (k == port && op != ISA_ACTIVATE);
    if (!id)
        return csl_error(s, at, "@%.*s: expected a task id, got '%s'", (int)call->name.n, call->name.p, v.type->text);
    ir_reg r = csl_reg(s, v, at);
    return r && csl_emit_raw(s, call, (ir_instr){.op = op, .a = r}) ? csl_void(s) : CSL_NOTHING;
}

/* ---- the first state ---- */

static bool replay(csl_sema *s, const struct csl_initial *step) {
    int8_t id;
    isa_program *p = s->out;
    if (!csl_resolve_task(s, &step->ref, &id)) return false;
    uint64_t bit = 1ull << id;
    if (step->op == ISA_ACTIVATE) {
        if (!p->tasks[id].kinds) {
            csl_module *keep = s->module;
            s->module = step->ref.module;
            csl_error(s, step->ref.at, "@activate: no task is bound to id %d", id);
            s->module = keep;
            return false;
        }
        p->active_at_start |= bit;
        return true;
    }
    csl_tasks(s)->decided |= bit;
    if (step->op == ISA_BLOCK) p->blocked_at_start |= bit;
    else p->blocked_at_start &= ~bit;
    return true;
}

/* A port without a task does not dispatch, unless the program unblocks it (for control tasks). */
static void block_idle_ports(csl_sema *s) {
    uint32_t ports = csl_is_wse3(s) ? ISA_QUEUES : ISA_COLORS;
    for (uint32_t id = 0; id < ports; id++)
        if (!s->out->tasks[id].kinds && !(csl_tasks(s)->decided >> id & 1)) s->out->blocked_at_start |= 1ull << id;
}

bool csl_tasks_finish(csl_sema *s) {
    csl_task_state *t = csl_tasks(s);
    bool ok = true;
    for (uint32_t i = 0; i < t->initial_count; i++) ok = replay(s, &t->initial[i]) && ok;
    block_idle_ports(s);
    return csl_queues_finish(s) && ok;
}
