/* The evaluator's ground: messages, scopes, names, globals, and entering and leaving contexts. */
#include "csl/sema_internal.h"
#include <inttypes.h>
#include <stdarg.h>

enum { ELEMENTS_MAX = 1 << 24 }; /* of one value at compile time */

/* ---- messages ---- */

static void say(csl_sema *s, csl_module *m, diag_level level, const csl_node *at, const char *fmt, va_list args) {
    char text[1024];
    vsnprintf(text, sizeof text, fmt, args);
    if (m && at) diag_at(s->d, level, &m->file->source, at->at, "%s", text);
    else if (level == DIAG_ERROR) diag_error(s->d, "%s", text);
    else diag_warn(s->d, "%s", text);
}

csl_value csl_error(csl_sema *s, const csl_node *at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(s, s->module, DIAG_ERROR, at, fmt, args);
    va_end(args);
    return CSL_NOTHING;
}

void csl_note(csl_sema *s, csl_module *m, const csl_node *at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(s, m, DIAG_NOTE, at, fmt, args);
    va_end(args);
}

void csl_warning(csl_sema *s, const csl_node *at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say(s, s->module, s->unit->options->warnings_are_errors ? DIAG_ERROR : DIAG_WARNING, at, fmt, args);
    va_end(args);
}

csl_value csl_oom(csl_sema *s) {
    if (!s->unit->type_refused) diag_oom(s->d, "compilation");
    s->unit->type_refused = false;
    return CSL_NOTHING;
}

/* A program may loop forever at compile time, or make values without end. */
bool csl_work(csl_sema *s, const csl_node *at, uint64_t steps, uint64_t more_bytes) {
    csl_unit *u = s->unit;
    if (u->exhausted) return false;
    uint64_t limit = u->options->max_steps ? u->options->max_steps : s->in_layout ? 1000000000 : 100000000;
    uint64_t bytes = u->options->max_memory_bytes ? u->options->max_memory_bytes : UINT64_C(4) << 30;
    u->steps += steps;
    if (u->steps > limit) {
        u->exhausted = true;
        csl_error(s, at, "this compilation takes more than %" PRIu64 " steps of evaluation; does a loop or recursion at compile time never end?", limit);
    } else if (arena_bytes(u->memory) + (s->scratch ? arena_bytes(s->scratch) : 0) + more_bytes > bytes) {
        u->exhausted = true;
        csl_error(s, at, "this compilation takes more than %" PRIu64 " MiB of memory; does a loop or recursion at compile time never end?", bytes >> 20);
    }
    return !u->exhausted;
}

/* Once: what is around it fails quietly, whatever other branches the recursion has. */
csl_value csl_too_deep(csl_sema *s, const csl_node *at) {
    if (!s->unit->exhausted) csl_error(s, at, "this is nested too deeply (%d levels of calls, blocks and expressions); does a recursion never end?", CSL_DEPTH_MAX);
    s->unit->exhausted = true;
    return CSL_NOTHING;
}

csl_value csl_not_known(csl_sema *s, const csl_node *at, const char *what) {
    return csl_error(s, at, "%s must be known at compile time", what);
}

/* ---- contexts ---- */

bool csl_emits(const csl_sema *s) { return s->fn && !s->comptime; }

csl_context csl_enter(csl_sema *s, csl_module *m) {
    csl_context c = {s->module, s->frame, s->fn, s->comptime, s->dead, s->in_comptime_block, s->runtime_depth, s->scratch, s->at};
    s->module = m;
    s->frame = NULL;
    s->fn = NULL;
    s->comptime = true;
    s->dead = false;
    s->in_comptime_block = false;
    s->runtime_depth = 0;
    s->scratch = NULL;
    s->at = NULL;
    return c;
}

void csl_leave(csl_sema *s, const csl_context *c) {
    s->module = c->module;
    s->frame = c->frame;
    s->fn = c->fn;
    s->comptime = c->comptime;
    s->dead = c->dead;
    s->in_comptime_block = c->in_comptime_block;
    s->runtime_depth = c->runtime_depth;
    s->scratch = c->scratch;
    s->at = c->at;
}

/* ---- scopes ---- */

csl_binding *csl_bind(csl_sema *s, str name, csl_bind_kind kind, const csl_type *t, const csl_node *at) {
    csl_binding *b = arena_push(csl_scratch(s), csl_binding);
    if (!b) {
        csl_oom(s);
        return NULL;
    }
    *b = (csl_binding){.name = name, .kind = (uint8_t)kind, .type = t, .at = at, .up = s->frame->top, .depth = s->runtime_depth};
    s->frame->top = b;
    return b;
}

csl_binding *csl_lookup(csl_sema *s, str name) {
    if (!s->frame) return NULL;
    for (csl_binding *b = s->frame->top; b; b = b->up)
        if (str_eq(b->name, name)) return b;
    return NULL;
}

csl_value *csl_elems_new(csl_sema *s, uint32_t n) {
    if (n > ELEMENTS_MAX) {
        csl_error(s, s->at, "a value of %" PRIu32 " elements is too large for compile time; at most %d are supported", n, ELEMENTS_MAX);
        return NULL;
    }
    if (!csl_work(s, s->at, n, n * sizeof(csl_value))) return NULL;
    csl_value *e = arena_push_n(csl_scratch(s), csl_value, n ? n : 1);
    if (!e) csl_oom(s);
    return e;
}

csl_value *csl_cell(csl_sema *s, csl_value v) {
    csl_value *c = csl_elems_new(s, 1);
    if (c) *c = csl_copy(s, v);
    return c;
}

static bool is_aggregate(const csl_type *t) {
    return t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION;
}

csl_value csl_copy(csl_sema *s, csl_value v) {
    if (!v.type || v.where != CSL_KNOWN || !is_aggregate(v.type)) return v;
    uint32_t n = v.splat ? 1 : v.type->count;
    csl_value *e = csl_elems_new(s, n);
    if (!e) return CSL_NOTHING;
    for (uint32_t i = 0; i < n; i++) e[i] = csl_copy(s, v.elems[i]);
    v.elems = e;
    return v;
}

csl_value csl_keep(csl_sema *s, csl_value v) {
    arena *scratch = s->scratch;
    s->scratch = NULL;
    v = csl_copy(s, v);
    s->scratch = scratch;
    return v;
}

void csl_park(csl_sema *s, arena *memory) {
    csl_parked *p = arena_push(s->unit->memory, csl_parked);
    if (p) {
        *p = (csl_parked){memory, s->unit->parked};
        s->unit->parked = p;
        return;
    }
    csl_oom(s);
    s->unit->exhausted = true; /* nothing is evaluated any more, so nothing reads it */
    arena_free(memory);
}

bool csl_expand(csl_sema *s, csl_value *v) {
    if (!v->splat) return true;
    csl_value *e = csl_elems_new(s, v->type->count);
    if (!e) return false;
    for (uint32_t i = 0; i < v->type->count; i++) e[i] = csl_copy(s, v->elems[0]);
    v->elems = e;
    v->splat = false;
    return true;
}

/* ---- names ---- */

bool csl_predeclared(csl_sema *s, str name, csl_value *out) {
    static const struct { const char *name; uint8_t dir; } dirs[] = {
        {"WEST", ISA_WEST}, {"EAST", ISA_EAST}, {"SOUTH", ISA_SOUTH}, {"NORTH", ISA_NORTH}, {"RAMP", ISA_RAMP}};
    static const struct { const char *name; size_t at; } types[] = {
#define ROW(text, field) {text, offsetof(csl_types, field)}
        ROW("void", void_), ROW("bool", bool_), ROW("f16", f16), ROW("f32", f32), ROW("bf16", bf16), ROW("cb16", cb16),
        ROW("color", color), ROW("direction", direction), ROW("input_queue", input_queue), ROW("output_queue", output_queue),
        ROW("data_task_id", data_task_id), ROW("local_task_id", local_task_id), ROW("control_task_id", control_task_id),
        ROW("ut_id", ut_id), ROW("mem1d_dsd", mem1d), ROW("mem4d_dsd", mem4d), ROW("circbuf_dsd", circbuf), ROW("fabin_dsd", fabin),
        ROW("fabout_dsd", fabout), ROW("fifo_dsd", fifo), ROW("dsr_dest", dsr_dest), ROW("dsr_src0", dsr_src0),
        ROW("dsr_src1", dsr_src1), ROW("dsr_fifo_dest", dsr_dest), ROW("dsr_fifo_src1", dsr_src1), ROW("dsr_fifo_src", dsr_src1),
        ROW("xdsr", xdsr), ROW("sr", sr), ROW("comptime_int", comptime_int), ROW("comptime_float", comptime_float),
        ROW("comptime_string", string), ROW("comptime_struct", any_struct), ROW("type", type), ROW("imported_module", module),
        ROW("anytype", anytype), ROW("anyopaque", anyopaque),
#undef ROW
    };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (str_is(name, dirs[i].name)) return *out = csl_int(s->unit->types.direction, dirs[i].dir), true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(name, types[i].name)) {
            const csl_type *t;
            memcpy(&t, (const char *)&s->unit->types + types[i].at, sizeof t);
            return *out = csl_of_type(s, t), true;
        }
    if (name.n < 2 || (name.p[0] != 'u' && name.p[0] != 'i')) return false;
    uint32_t bits = 0;
    for (size_t i = 1; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9' || bits > 16777215) return false;
        bits = bits * 10 + (uint32_t)(name.p[i] - '0');
    }
    const csl_type *t = csl_type_int(s->unit, bits, name.p[0] == 'i');
    if (t) *out = csl_of_type(s, t);
    return t != NULL;
}

csl_global *csl_find_global(csl_module *m, str name) {
    uint64_t v;
    return map_get(&m->globals, name, &v) ? (csl_global *)(uintptr_t)v : NULL;
}

csl_func *csl_find_func(csl_module *m, str name) {
    uint64_t v;
    return map_get(&m->funcs, name, &v) ? (csl_func *)(uintptr_t)v : NULL;
}

/* The nearest declared name, for "did you mean". */
static uint32_t distance(str a, str b) {
    uint32_t row[33];
    if (a.n > 32 || b.n > 32) return 99;
    for (uint32_t j = 0; j <= b.n; j++) row[j] = j;
    for (uint32_t i = 1; i <= a.n; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b.n; j++) {
            uint32_t keep = row[j], best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = keep;
        }
    }
    return row[b.n];
}

static void consider(str wanted, str have, uint32_t *best, str *found) {
    uint32_t d = distance(wanted, have);
    if (d < *best) *best = d, *found = have;
}

static csl_value unknown_name(csl_sema *s, const csl_node *n) {
    uint32_t best = n->name.n <= 3 ? 2 : 3;
    str found = {0};
    for (csl_binding *b = s->frame ? s->frame->top : NULL; b; b = b->up) consider(n->name, b->name, &best, &found);
    for (size_t i = 0; i < s->module->globals.count; i++) consider(n->name, s->module->globals.entries[i].key, &best, &found);
    for (size_t i = 0; i < s->module->funcs.count; i++) consider(n->name, s->module->funcs.entries[i].key, &best, &found);
    if (found.n)
        return csl_error(s, n, "unknown name '%.*s'; did you mean '%.*s'?", (int)n->name.n, n->name.p, (int)found.n, found.p);
    return csl_error(s, n, "unknown name '%.*s'", (int)n->name.n, n->name.p);
}

csl_value csl_name(csl_sema *s, const csl_node *n) {
    csl_binding *b = csl_lookup(s, n->name);
    if (b && b->kind == CSL_BIND_VALUE) return b->value;
    if (b) {
        csl_place p = csl_eval_place(s, n);
        return csl_load(s, &p);
    }
    csl_global *g = csl_find_global(s->module, n->name);
    if (g) return csl_global_value(s, g, n);
    csl_func *f = csl_find_func(s->module, n->name);
    if (f) return csl_func_value(s, f, n);
    csl_value v;
    if (csl_predeclared(s, n->name, &v)) return v;
    return unknown_name(s, n);
}

/* ---- globals ---- */

static bool param_given(csl_global *g, const csl_value **out) {
    const csl_value *params = g->module->params;
    if (!params) return false;
    const csl_member *m = csl_find_member(params->type, g->node->name);
    if (!m) return false;
    uint32_t i = (uint32_t)(m - params->type->members);
    g->module->param_used[i / 64] |= 1ull << (i % 64);
    *out = csl_elem(params, i);
    return true;
}

static csl_value first_value(csl_sema *s, csl_global *g, const csl_type *declared, const csl_node *at) {
    const csl_node *n = g->node;
    const csl_value *given;
    if (g->is_param && param_given(g, &given)) return *given;
    if (n->b) return csl_eval_as(s, n->b, declared);
    if (!g->is_param && n->decl == CSL_DECL_VAR && declared) return csl_zero(s, declared);
    if (!g->is_param) return csl_error(s, n, "'%s' needs an initial value", g->name);
    csl_error(s, n, "parameter '%s' was given no value", g->name);
    if (at) csl_note(s, s->module, n, "give it one in @set_tile_code, @import_module or with --params=%s:VALUE", g->name);
    return CSL_NOTHING;
}

/* Numbers from a command line or a host program become whatever one-word thing the program declares. */
static csl_value host_number(const csl_type *t, csl_value v) {
    if (csl_is_int(v.type) && (csl_is_id(t) || t->kind == CSL_T_BOOL)) return csl_int(t, v.i);
    if (csl_is_int(v.type) && csl_is_float(t)) return csl_float(t, (double)v.i);
    return v.type->kind == CSL_T_COLOR && csl_is_int(t) ? csl_int(t, v.i) : v;
}

static bool evaluate(csl_sema *s, csl_global *g, const csl_node *at) {
    const csl_node *n = g->node;
    const csl_type *declared = NULL;
    s->at = n;
    if (n->a) {
        declared = csl_eval_type(s, n->a);
        if (!declared) return false;
        if (declared->kind == CSL_T_ANYTYPE || declared->kind == CSL_T_ANY_STRUCT) declared = NULL;
    }
    csl_value v = first_value(s, g, declared, at);
    if (!v.type) return false;
    if (v.type->kind == CSL_T_UNDEFINED && declared) v = csl_zero(s, declared);
    if (!v.type) return false;
    if (declared && g->is_param && g->module->host_params) v = host_number(declared, v);
    if ((csl_is_id(v.type) || v.type->kind == CSL_T_BOOL) && (v.i < 0 || v.i > csl_id_max(v.type))) {
        csl_error(s, n, "the number given for '%s' is no '%s'; the largest is %" PRIu32, g->name, v.type->text, csl_id_max(v.type));
        return false;
    }
    if (declared) v = csl_coerce(s, v, declared, n->b ? n->b : n);
    if (!v.type) return false;
    if (!csl_all_known(&v)) {
        csl_not_known(s, n->b ? n->b : n, "the value of a global");
        return false;
    }
    if (v.type->kind == CSL_T_UNDEFINED) {
        csl_error(s, n, "'%s' needs a type beside 'undefined'", g->name);
        return false;
    }
    if (g->is_var && v.type->comptime_only && !s->in_layout && v.type->kind != CSL_T_ANY_STRUCT &&
        (v.type->kind == CSL_T_COMPTIME_INT || v.type->kind == CSL_T_COMPTIME_FLOAT)) {
        csl_error(s, n, "variable '%s' needs a run-time type, as in 'var %s: i16 = ...'", g->name, g->name);
        return false;
    }
    g->type = v.type;
    g->value = v;
    return true;
}

bool csl_ready(csl_sema *s, csl_global *g, const csl_node *at) {
    if (g->state == 2) return true;
    if (g->state == 3) return false;
    if (g->state == 1) {
        csl_error(s, at ? at : g->node, "'%s' depends on itself", g->name);
        return false;
    }
    g->state = 1;
    csl_context c = csl_enter(s, g->module);
    const char *outer = s->global_name;
    s->global_name = g->name;
    bool ok = evaluate(s, g, at);
    s->global_name = outer;
    csl_leave(s, &c);
    g->state = ok ? 2 : 3;
    return ok;
}

csl_value csl_global_value(csl_sema *s, csl_global *g, const csl_node *at) {
    if (!csl_ready(s, g, at)) return CSL_NOTHING;
    if (!g->is_var) return g->value;
    if (s->in_layout || g->type->comptime_only) return g->value;
    if (!csl_emits(s)) {
        /* A comptime use of a variable: its address is known, its value is not. Aggregates may still be indexed for their type. */
        return csl_error(s, at, "'%s' is a variable: its value is not known at compile time", g->name);
    }
    csl_place p = csl_eval_place(s, at);
    return csl_load(s, &p);
}

csl_value csl_func_value(csl_sema *s, csl_func *f, const csl_node *at) {
    csl_context c = csl_enter(s, f->module);
    const csl_type *params[64], *result = NULL;
    uint32_t count = 0;
    f->generic = false;
    for (const csl_node *p = f->node->a; p; p = p->next) f->generic |= (p->flags & (CSL_COMPTIME | CSL_ANYTYPE)) != 0;
    for (const csl_node *p = f->node->a; p && !f->generic; p = p->next) {
        if (count == 64) {
            csl_error(s, p, "more than 64 parameters are not supported");
            csl_leave(s, &c);
            return CSL_NOTHING;
        }
        const csl_type *t = csl_eval_type(s, p->a);
        if (!t) {
            csl_leave(s, &c);
            return CSL_NOTHING;
        }
        f->generic |= t->kind == CSL_T_ANYTYPE || t->kind == CSL_T_ANY_STRUCT;
        params[count++] = t;
    }
    if (!f->generic) {
        result = f->node->b ? csl_eval_type(s, f->node->b) : s->unit->types.void_;
        if (!result) {
            csl_leave(s, &c);
            return CSL_NOTHING;
        }
    } else {
        count = 0;
        result = s->unit->types.anytype;
    }
    csl_leave(s, &c);
    (void)at;
    const csl_type *t = csl_type_fn(s->unit, result, count, params, f->is_task);
    if (!t) return csl_oom(s);
    return (csl_value){.type = t, .fn = f};
}
