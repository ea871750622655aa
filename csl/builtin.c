/* The table of builtins, and small things that all of them use. */
#include "csl/builtin.h"
#include <stdarg.h>

static const csl_builtin table[] = {
#define BUILTIN(name, min_args, max_args, when, function) {#name, min_args, max_args, when, function},
#include "csl/builtins.def"
#undef BUILTIN
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy) {builtin, 1, 5, CSL_RUNTIME_ONLY, csl_b_dsd_op},
#include "isa/dsd_ops.def"
#undef DSD_OP
};

static const uint8_t lengths[] = {
#define BUILTIN(name, min_args, max_args, when, function) sizeof #name - 1,
#include "csl/builtins.def"
#undef BUILTIN
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy) sizeof builtin - 1,
#include "isa/dsd_ops.def"
#undef DSD_OP
};

const csl_builtin *csl_find_builtin(str name) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (lengths[i] == name.n && !memcmp(table[i].name, name.p, name.n)) return &table[i];
    return NULL;
}

uint32_t csl_arg_count(const csl_node *call) {
    uint32_t n = 0;
    for (const csl_node *a = call->b; a; a = a->next) n++;
    return n;
}

bool csl_refuse(csl_sema *s, const csl_node *at, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    csl_error(s, at, "%s", text);
    return false;
}

csl_value csl_b_unsupported(csl_sema *s, const csl_node *call) {
    return csl_error(s, call, "@%.*s is not supported", (int)call->name.n, call->name.p);
}

csl_value csl_arg_string(csl_sema *s, const csl_node *call, uint32_t i, const char *what) {
    const csl_node *n = csl_arg(call, i);
    csl_value v = csl_eval_known(s, n);
    if (v.type && v.type->kind != CSL_T_STRING)
        return csl_error(s, n, "@%.*s: %s must be a string, not '%s'", (int)call->name.n, call->name.p, what,
                         v.type->text);
    return v;
}

bool csl_is_wse3(const csl_sema *s) { return s->unit->options->arch == ISA_WSE3; }
bool csl_user_code(const csl_sema *s) { return !s->module || !s->module->is_library; }
bool csl_has_memcpy(const csl_sema *s) { return s->unit->options->memcpy; }

static const isa_wafer *wafer(const csl_sema *s) {
    return s->unit->options->wafer ? s->unit->options->wafer : &s->unit->wafer_default;
}

uint32_t csl_in_queue_count(const csl_sema *s) {
    uint32_t n = wafer(s)->in_queues;
    return n && n <= ISA_QUEUES ? n : ISA_QUEUES;
}

/* WSE-2 has no output queues 6 and 7. */
uint32_t csl_out_queue_count(const csl_sema *s) {
    uint32_t n = wafer(s)->out_queues;
    return n && n <= ISA_QUEUES ? n : csl_is_wse3(s) ? ISA_QUEUES : 6;
}

bool csl_in_code(csl_sema *s, const csl_node *call) {
    if (s->fn && !s->comptime) return true;
    return csl_refuse(s, call, "@%.*s needs run-time code here; its arguments are not all known at compile time",
                      (int)call->name.n, call->name.p);
}

bool csl_room(csl_sema *s, void **rows, uint32_t count, uint32_t *cap, size_t bytes) {
    if (count < *cap) return true;
    uint32_t wanted = count < 8 ? 16 : count * 2;
    void *fresh = wanted > count ? arena_alloc_n(s->unit->memory, wanted, bytes) : NULL;
    if (!fresh) return csl_oom(s), false;
    if (count) memcpy(fresh, *rows, count * bytes);
    *rows = fresh;
    *cap = wanted;
    return true;
}

/* ---- start and end of a program ---- */

bool csl_builtins_begin(csl_sema *s) { return csl_dsds_begin(s) && csl_tasks_begin(s); }

/* Marks in code become ids and registers. */
static bool replace_marks(csl_sema *s) {
    for (uint32_t f = 0; f < s->ir->fn_count; f++) {
        ir_fn *fn = s->ir->fns[f];
        for (uint32_t i = 0; i < fn->code_count; i++)
            if (!csl_scratch_marks(s, &fn->code[i]) || !csl_task_marks(s, &fn->code[i])) return false;
    }
    return true;
}

bool csl_builtins_finish(csl_sema *s) {
    bool ok = csl_dsds_finish(s);
    ok = csl_tasks_finish(s) && ok;
    return replace_marks(s) && ok;
}
