/* Names that the host sees: declared by @export_name in the layout, given by @export_symbol in programs. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { PARAMS_MAX = 16 };

void csl_scalar_of(const csl_type *t, uint8_t *scalar, uint8_t *bits) {
    while (t->kind == CSL_T_ARRAY || t->kind == CSL_T_ENUM) t = t->elem;
    *scalar = ISA_T_OTHER;
    *bits = (uint8_t)(t->words * 16);
    if (t->kind == CSL_T_VOID) *scalar = ISA_T_VOID;
    else if (t->kind == CSL_T_BOOL) *scalar = ISA_T_BOOL;
    else if (t->kind == CSL_T_INT) *scalar = t->is_signed ? ISA_T_INT : ISA_T_UINT;
    else if (t->kind == CSL_T_FLOAT) *scalar = ISA_T_FLOAT;
    else if (csl_is_id(t) || t->kind == CSL_T_POINTER) *scalar = ISA_T_UINT;
}

static bool params_of(csl_sema *s, const csl_type *fn, const csl_node *at, uint8_t *count, uint8_t *scalar,
                      uint8_t *bits) {
    if (fn->count > PARAMS_MAX) return csl_refuse(s, at, "an exported function takes at most %d arguments", PARAMS_MAX);
    if (fn->elem->kind != CSL_T_VOID)
        return csl_refuse(s, at, "an exported function must return 'void', not '%s'", fn->elem->text);
    for (uint32_t i = 0; i < fn->count; i++) {
        const csl_type *t = fn->members[i].type;
        csl_scalar_of(t, &scalar[i], &bits[i]);
        if ((t->words != 1 && t->words != 2) || scalar[i] == ISA_T_OTHER || t->kind == CSL_T_ARRAY)
            return csl_refuse(s, at,
                              "an exported function takes numbers of 16 or 32 bits; argument %" PRIu32 " has type '%s'",
                              i + 1, t->text);
    }
    *count = (uint8_t)fn->count;
    return true;
}

static isa_export *declared(const csl_sema *s, str name) {
    isa_image *m = s->unit->image;
    for (uint32_t i = 0; i < m->export_count; i++)
        if (str_is(name, m->exports[i].name)) return &m->exports[i];
    return NULL;
}

/* ---- @export_name ---- */

static isa_export *new_export(csl_sema *s, str name) {
    isa_image *m = s->unit->image;
    isa_export *rows = arena_push_n(m->memory, isa_export, m->export_count + 1);
    char *copy = arena_strndup(m->memory, name.p, name.n);
    if (!rows || !copy) return csl_oom(s), NULL;
    if (m->export_count) memcpy(rows, m->exports, m->export_count * sizeof *rows);
    m->exports = rows;
    rows[m->export_count].name = copy;
    return &rows[m->export_count++];
}

csl_value csl_b_export_name(csl_sema *s, const csl_node *call) {
    const csl_node *type_at = csl_arg(call, 1), *flag_at = csl_arg(call, 2);
    csl_value name = csl_arg_string(s, call, 0, "the name"), flag = CSL_NOTHING;
    const csl_type *t = name.type ? csl_eval_type(s, type_at) : NULL;
    if (!t) return CSL_NOTHING;
    if (flag_at) {
        flag = csl_eval_known(s, flag_at);
        if (!flag.type) return CSL_NOTHING;
        if (flag.type->kind != CSL_T_BOOL)
            return csl_error(s, flag_at, "@export_name: the mutability must be 'true' or 'false', not '%s'",
                             flag.type->text);
    }
    if (declared(s, name.s))
        return csl_error(s, call, "@export_name: '%.*s' has already been declared", (int)name.s.n, name.s.p);
    isa_export e = {.is_function = t->kind == CSL_T_FN, .is_mutable = flag.type && flag.i};
    if (e.is_function && !params_of(s, t, type_at, &e.params, e.param_scalar, e.param_bits)) return CSL_NOTHING;
    if (e.is_function && flag_at) return csl_error(s, flag_at, "@export_name: a function has no mutability");
    if (!e.is_function) csl_scalar_of(t->kind == CSL_T_POINTER ? t->elem : t, &e.scalar, &e.bits);
    if (!e.is_function && (e.scalar == ISA_T_OTHER || !e.bits))
        return csl_error(s, type_at,
                         "@export_name: expected a pointer to 16-bit or 32-bit elements such as '[*]f32', or a "
                         "function type, got '%s'",
                         t->text);
    isa_export *row = new_export(s, name.s);
    if (!row) return CSL_NOTHING;
    e.name = row->name;
    *row = e;
    return csl_void(s);
}

/* ---- @export_symbol ---- */

/* A layout must declare what programs export; programs that a host places by itself have none. */
static bool find_declaration(csl_sema *s, str name, const csl_node *call, const isa_export **out) {
    *out = declared(s, name);
    if (*out || !s->unit->layout) return true;
    return csl_refuse(s, call, "name '%.*s' was not declared during layout evaluation; call @export_name in the layout",
                      (int)name.n, name.p);
}

static isa_symbol *new_symbol(csl_sema *s, str name, const csl_node *call, uint8_t kind) {
    for (uint32_t i = 0; i < s->out->symbol_count; i++)
        if (s->out->symbols[i].exported && str_is(name, s->out->symbols[i].name)) {
            csl_error(s, call, "'%.*s' is exported twice", (int)name.n, name.p);
            return NULL;
        }
    isa_symbol *sym = csl_new_symbol(s);
    char *copy = arena_strndup(s->unit->memory, name.p, name.n);
    if (!sym || !copy) return csl_oom(s), NULL;
    sym->name = copy, sym->kind = kind, sym->exported = true;
    csl_line_of(s, s->module, call, &sym->source, &sym->line);
    return sym;
}

static bool export_function(csl_sema *s, csl_func *f, str name, const csl_node *call) {
    const isa_export *e;
    const csl_node *at = csl_arg(call, 0);
    csl_value v = csl_func_value(s, f, at);
    if (!v.type || !find_declaration(s, name, call, &e)) return false;
    if (f->is_task || f->generic)
        return csl_refuse(s, at, "@export_symbol: '%s' is %s; expected a function", f->name,
                          f->is_task ? "a task" : "generic");
    uint8_t count, scalar[PARAMS_MAX], bits[PARAMS_MAX];
    if (!params_of(s, v.type, at, &count, scalar, bits)) return false;
    bool same = !e || (e->is_function && e->params == count && !memcmp(e->param_scalar, scalar, count) &&
                       !memcmp(e->param_bits, bits, count));
    if (!same)
        return csl_refuse(s, call,
                          "exported symbol type mismatch: '%.*s' is declared in the layout with another type than '%s'",
                          (int)name.n, name.p, v.type->text);
    uint32_t index = csl_fn_index(s, f, at);
    isa_symbol *sym = index == UINT32_MAX ? NULL : new_symbol(s, name, call, ISA_SYM_FUNCTION);
    if (!sym) return false;
    sym->entry = index;
    sym->params = count;
    memcpy(sym->param_scalar, scalar, count);
    memcpy(sym->param_bits, bits, count);
    return true;
}

/* How many elements the host may touch: of the variable, or of the array a known pointer is to. */
static uint32_t element_count(const csl_global *g) {
    if (g->type->kind == CSL_T_ARRAY) return g->type->count;
    if (g->type->kind != CSL_T_POINTER) return 1;
    if (!g->type->many) return g->type->elem->kind == CSL_T_ARRAY ? g->type->elem->count : 1;
    csl_pointer p = csl_known_pointer(&g->value);
    if (g->value.where != CSL_KNOWN || !p.global || p.cell || !g->type->elem->words) return 0;
    uint32_t words = p.global->type->words;
    return p.word < words ? (words - p.word) / g->type->elem->words : 0;
}

static bool export_data(csl_sema *s, csl_global *g, str name, const csl_node *call) {
    const isa_export *e;
    const csl_node *at = csl_arg(call, 0);
    uint8_t scalar, bits;
    if (!csl_ready(s, g, at) || !find_declaration(s, name, call, &e)) return false;
    bool pointer = g->type->kind == CSL_T_POINTER;
    csl_scalar_of(pointer ? g->type->elem : g->type, &scalar, &bits);
    if (e && (e->is_function || e->scalar != scalar || e->bits != bits))
        return csl_refuse(s, call,
                          "exported symbol type mismatch: '%.*s' is declared in the layout with another type than '%s'",
                          (int)name.n, name.p, g->type->text);
    if (e && e->is_mutable != g->is_var)
        return csl_refuse(s, call, "exported symbol mutability mismatch: '%.*s' is declared %s, but '%s' is a %s",
                          (int)name.n, name.p, e->is_mutable ? "mutable (true)" : "constant (false)", g->name,
                          g->is_var ? "var" : "const");
    if (!csl_place_global(s, g, at)) return false;
    isa_symbol *sym = new_symbol(s, name, call, ISA_SYM_DATA);
    if (!sym) return false;
    sym->is_pointer = pointer, sym->scalar = scalar, sym->bits = bits;
    sym->word = g->word, sym->elements = element_count(g);
    return true;
}

static csl_module *module_of(csl_sema *s, const csl_node *n) {
    csl_value v = csl_eval(s, n);
    return v.type && v.type->kind == CSL_T_MODULE ? v.module : NULL;
}

csl_value csl_b_export_symbol(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_module *m = at->kind == CSL_NAME ? s->module : at->kind == CSL_MEMBER ? module_of(s, at->a) : NULL;
    csl_global *g = m ? csl_find_global(m, at->name) : NULL;
    csl_func *f = m ? csl_find_func(m, at->name) : NULL;
    str name = at->name;
    if (!s->out) return csl_error(s, call, "@export_symbol belongs into a comptime block of a PE's program");
    if (!g && !f) return csl_error(s, at, "@export_symbol: expected the name of a global variable or function");
    if (csl_arg(call, 1)) {
        csl_value v = csl_arg_string(s, call, 1, "the name");
        if (!v.type) return CSL_NOTHING;
        name = v.s;
    }
    bool ok = g ? export_data(s, g, name, call) : export_function(s, f, name, call);
    return ok ? csl_void(s) : CSL_NOTHING;
}

/* ---- what the command stream of other SDKs asks ---- */

csl_value csl_b_get_symbol_id(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_value v = at->kind == CSL_STRING ? csl_eval(s, at) : CSL_NOTHING;
    const isa_export *e = declared(s, v.type ? v.s : at->name);
    if (e) return csl_int(s->unit->types.u16, e - s->unit->image->exports);
    return csl_error(s, at, "@get_symbol_id: expected a name that the layout exports");
}

csl_value csl_b_has_exported_tensors(csl_sema *s, const csl_node *call) {
    (void)call;
    const isa_image *m = s->unit->image;
    for (uint32_t i = 0; i < m->export_count; i++)
        if (!m->exports[i].is_function) return csl_bool(s, true);
    return csl_bool(s, false);
}

/* Launches reach functions without a server task here. */
csl_value csl_b_rpc(csl_sema *s, const csl_node *call) {
    csl_value v = csl_eval(s, csl_arg(call, 0));
    return v.type ? csl_void(s) : CSL_NOTHING;
}
