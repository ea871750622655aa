/* Queues: @initialize_queue, which queue serves which color, handlers of teardown and of flushed queues.
 *
 * WSE-3: a queue is bound to one color, once, and must be before it is used. WSE-2: operands name color and queue;
 * where the program names none, the highest free one is taken, for programs number theirs from below. */
#include "csl/builtin.h"
#include <inttypes.h>

/* ---- use ---- */

static bool queue_allowed(csl_sema *s, bool input, int64_t queue, const csl_node *at) {
    uint32_t count = input ? csl_in_queue_count(s) : csl_out_queue_count(s);
    if (queue < 0 || queue >= count)
        return csl_refuse(s, at, "there is no %s queue %" PRId64 "; %s has 0..%" PRIu32, input ? "input" : "output",
                          queue, csl_is_wse3(s) ? "WSE-3" : "WSE-2", count - 1);
    if (csl_has_memcpy(s) && csl_user_code(s) && queue < (csl_is_wse3(s) ? 2 : input))
        return csl_refuse(s, at, "%s queue %" PRId64 " is reserved by memcpy; use %d or higher",
                          input ? "input" : "output", queue, csl_is_wse3(s) ? 2 : 1);
    return true;
}

bool csl_use_queue(csl_sema *s, bool input, int64_t queue, int64_t color, const csl_node *at) {
    if (!queue_allowed(s, input, queue, at)) return false;
    csl_site *first = input ? &csl_tasks(s)->in_use[queue] : &csl_tasks(s)->out_use[queue];
    if (!first->at) *first = csl_site_of(s, at);
    if (csl_is_wse3(s) || color < 0 || color >= ISA_COLORS) return true;
    int8_t *served = input ? &s->out->queues.color_queue[color] : &csl_tasks(s)->out_choice[color];
    if (*served < 0) *served = (int8_t)queue;
    return true;
}

int csl_choose_queue(csl_sema *s, bool input, int64_t color) {
    csl_task_state *t = csl_tasks(s);
    int8_t *served = NULL;
    if (color >= 0 && color < ISA_COLORS) served = input ? &s->out->queues.color_queue[color] : &t->out_choice[color];
    if (served && *served >= 0) return *served;
    const csl_site *use = input ? t->in_use : t->out_use;
    int count = (int)(input ? csl_in_queue_count(s) : csl_out_queue_count(s)), q = count - 1;
    uint32_t taken = 0;
    for (int i = 0; i < ISA_COLORS; i++) {
        int8_t other = input ? s->out->queues.color_queue[i] : t->out_choice[i];
        if (other >= 0) taken |= 1u << other;
    }
    while (q > 1 && (use[q].at || taken >> q & 1)) q--;
    if (q <= 1) q = count - 1; /* all in use: queues of WSE-2 may serve several colors */
    if (served) *served = (int8_t)q;
    return q;
}

/* ---- @initialize_queue ---- */

static bool take_color(csl_sema *s, csl_fields *f, int64_t *color) {
    csl_value v;
    const csl_node *at = f->at;
    *color = -1;
    if (!csl_take(s, f, "color", &v, &at)) return false;
    return !v.type || csl_whole(s, &v, at, "@initialize_queue: .color", 0, ISA_COLORS - 1, color);
}

static bool bind_queue(csl_sema *s, bool input, int64_t q, const csl_node *cfg, const csl_node *call) {
    static const char *const priorities[] = {"low", "medium", "high", NULL};
    isa_queues *out = &s->out->queues;
    int64_t color = -1, table = 0;
    int priority = 0;
    csl_fields f;
    if (cfg) {
        if (!csl_fields_of(s, cfg, "@initialize_queue", &f) || !take_color(s, &f, &color)) return false;
        if (input && !csl_take_choice(s, &f, "priority", priorities, &priority)) return false;
        if (input && csl_is_wse3(s) && !csl_take_int(s, &f, "ctrl_table_id", 0, 7, &table, NULL)) return false;
        if (!csl_fields_done(s, &f)) return false;
    }
    if (input) out->in_priority[q] = (uint8_t)priority, out->control_table[q] = (int8_t)table;
    if (!csl_is_wse3(s)) {
        (input ? csl_tasks(s)->in_color : csl_tasks(s)->out_color)[q] = (int8_t)color;
        if (input && color >= 0) out->color_queue[color] = (int8_t)q;
        return true;
    }
    if (color < 0) return csl_refuse(s, call, "@initialize_queue: on WSE-3 a queue needs a color: .{ .color = c }");
    int8_t *bound = input ? out->in_color : out->out_color;
    for (int i = 0; input && i < ISA_QUEUES; i++)
        if (bound[i] == color)
            return csl_refuse(s, call, "@initialize_queue: color %" PRId64 " already feeds input queue %d", color, i);
    bound[q] = (int8_t)color;
    return true;
}

csl_value csl_b_initialize_queue(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_value v = csl_eval_known(s, at);
    if (!v.type) return CSL_NOTHING;
    bool input = v.type->kind == CSL_T_INPUT_QUEUE;
    if (!input && v.type->kind != CSL_T_OUTPUT_QUEUE)
        return csl_error(s, at, "@initialize_queue: expected an 'input_queue' or 'output_queue', got '%s'",
                         v.type->text);
    int64_t q = (int64_t)v.i;
    if (!queue_allowed(s, input, q, at)) return CSL_NOTHING;
    csl_site *first = input ? &csl_tasks(s)->in_init[q] : &csl_tasks(s)->out_init[q];
    if (first->at) {
        csl_error(s, call, "initialization for this queue has already been set: %s queue %" PRId64,
                  input ? "input" : "output", q);
        csl_note(s, first->module, first->at, "set here");
        return CSL_NOTHING;
    }
    *first = csl_site_of(s, call);
    return bind_queue(s, input, q, csl_arg(call, 1), call) ? csl_void(s) : CSL_NOTHING;
}

/* ---- handlers ---- */

/* Index of the function of a handler, UINT32_MAX after an error. */
static uint32_t handler(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_value f = csl_eval(s, at);
    if (!f.type) return UINT32_MAX;
    bool function = f.type->kind == CSL_T_FN || (f.type->kind == CSL_T_POINTER && f.type->elem->kind == CSL_T_FN);
    const csl_type *t = f.type->kind == CSL_T_POINTER ? f.type->elem : f.type;
    if (!function || f.where != CSL_KNOWN || !f.fn || t->count || t->is_task) {
        csl_error(s, at, "@%.*s: expected a function without parameters, got '%s'", (int)call->name.n, call->name.p,
                  f.type->text);
        return UINT32_MAX;
    }
    return csl_fn_index(s, f.fn, at);
}

static bool once(csl_sema *s, csl_site *site, const csl_node *call) {
    if (!site->at) return *site = csl_site_of(s, call), true;
    csl_error(s, call, "@%.*s: a handler has already been set", (int)call->name.n, call->name.p);
    csl_note(s, site->module, site->at, "set here");
    return false;
}

csl_value csl_b_set_teardown_handler(csl_sema *s, const csl_node *call) {
    int64_t color;
    uint32_t fn = handler(s, call);
    if (fn == UINT32_MAX || !csl_color_of(s, csl_arg(call, 1), &color)) return CSL_NOTHING;
    if (!once(s, &csl_tasks(s)->teardown[color], call)) return CSL_NOTHING;
    s->out->teardown_entry[color] = fn;
    return csl_void(s);
}

static bool output_queue(csl_sema *s, const csl_node *call, const csl_node *at, csl_value *v) {
    if (!csl_is_wse3(s)) return csl_refuse(s, call, "@%.*s exists on WSE-3 only", (int)call->name.n, call->name.p);
    *v = csl_eval(s, at);
    if (!v->type || v->type->kind == CSL_T_OUTPUT_QUEUE) return v->type != NULL;
    return csl_refuse(s, at, "@%.*s: expected an 'output_queue', got '%s'", (int)call->name.n, call->name.p,
                      v->type->text);
}

csl_value csl_b_set_empty_queue_handler(csl_sema *s, const csl_node *call) {
    csl_value q;
    int64_t id;
    if (!output_queue(s, call, csl_arg(call, 1), &q)) return CSL_NOTHING;
    if (!csl_whole(s, &q, csl_arg(call, 1), "@set_empty_queue_handler: the queue", 0, ISA_QUEUES - 1, &id))
        return CSL_NOTHING;
    uint32_t fn = handler(s, call);
    if (fn == UINT32_MAX || !once(s, &csl_tasks(s)->flush[id], call)) return CSL_NOTHING;
    s->out->flush_entry[id] = fn;
    return csl_void(s);
}

csl_value csl_b_queue_flush(csl_sema *s, const csl_node *call) {
    csl_value q;
    if (!output_queue(s, call, csl_arg(call, 0), &q)) return CSL_NOTHING;
    bool known = q.where == CSL_KNOWN;
    ir_instr in = {.op = ISA_FLUSH, .a = known ? 0 : csl_reg(s, q, call), .imm = known ? (int64_t)q.i : 0};
    return csl_emit_raw(s, call, in) ? csl_void(s) : CSL_NOTHING;
}

/* ---- at the end ---- */

/* A warning: public programs name such a queue in code that other PEs run, by a test at run time. The machine faults when one is used. */
static void initialised(csl_sema *s, bool input, uint32_t q) {
    const csl_task_state *t = csl_tasks(s);
    csl_site use = input ? t->in_use[q] : t->out_use[q];
    if (!use.at || (input ? t->in_init[q].at : t->out_init[q].at)) return;
    csl_module *keep = s->module;
    s->module = use.module;
    csl_warning(s, use.at,
                "%s queue %" PRIu32 " is used but never initialised; call @initialize_queue in a comptime block",
                input ? "input" : "output", q);
    s->module = keep;
}

static bool task_has_queue(csl_sema *s, uint32_t id) {
    const csl_task_state *t = csl_tasks(s);
    if (!(s->out->tasks[id].kinds & ISA_TASK_DATA)) return true;
    if (!csl_is_wse3(s)) {
        if (id < ISA_COLORS) csl_choose_queue(s, true, id);
        return true;
    }
    if (t->in_init[id].at) return true;
    csl_module *keep = s->module;
    s->module = t->bound_at[id].module;
    csl_error(s, t->bound_at[id].at,
              "input queue %" PRIu32 " of this data task is never initialised; call @initialize_queue", id);
    s->module = keep;
    return false;
}

bool csl_queues_finish(csl_sema *s) {
    bool ok = true;
    uint32_t ports = csl_is_wse3(s) ? ISA_QUEUES : ISA_COLORS;
    for (uint32_t q = 0; q < ISA_QUEUES && csl_is_wse3(s); q++) {
        initialised(s, true, q);
        initialised(s, false, q);
    }
    for (uint32_t id = 0; id < ports; id++) {
        ok = task_has_queue(s, id) && ok;
        bool opened = csl_tasks(s)->decided >> id & 1 && !(s->out->blocked_at_start >> id & 1);
        if (!csl_is_wse3(s) && opened && !s->out->tasks[id].kinds) csl_choose_queue(s, true, id); /* control tasks */
    }
    return ok;
}
