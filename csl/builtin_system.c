/* Modules, assertions, random numbers, configuration words, and what only the standard library may use. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include "isa/config.h"
#include <inttypes.h>
#include <math.h>

csl_value csl_b_import_module(csl_sema *s, const csl_node *call) {
    csl_value path = csl_arg_string(s, call, 0, "the path"), params = CSL_NOTHING;
    if (!path.type) return CSL_NOTHING;
    if (s->fn && !s->comptime) return csl_error(s, call, "@import_module must initialise a global constant");
    if (csl_arg(call, 1)) {
        params = csl_eval_known(s, csl_arg(call, 1));
        if (!params.type) return CSL_NOTHING;
        if (params.type->kind != CSL_T_STRUCT)
            return csl_error(s, csl_arg(call, 1), "@import_module: the parameters must be a struct, not '%s'",
                             params.type->text);
    }
    bool is_library;
    const char *file = csl_resolve_path(s, path.s, csl_arg(call, 0), &is_library);
    csl_module *m = file ? csl_module_new(s, file, is_library, NULL, params.type ? &params : NULL, call) : NULL;
    return m ? (csl_value){.type = s->unit->types.module, .module = m} : CSL_NOTHING;
}

csl_value csl_b_assert(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 0);
    csl_value c = csl_eval(s, at);
    if (!c.type) return CSL_NOTHING;
    if (c.type->kind != CSL_T_BOOL) return csl_error(s, at, "@assert: expected 'bool', got '%s'", c.type->text);
    if (!s->fn || s->comptime) return c.i ? csl_void(s) : csl_error(s, at, "assertion failed");
    if (c.where == CSL_KNOWN && c.i) return csl_void(s);
    str text = s->module->file->source.text;
    char message[160];
    int n = at->at.end <= text.n ? (int)(at->at.end - at->at.begin) : 0;
    snprintf(message, sizeof message, "assertion failed: %.*s", n > 120 ? 120 : n, text.p + at->at.begin);
    uint32_t string = csl_string(s, str_from(message));
    ir_reg r = string == UINT32_MAX ? 0 : csl_reg(s, c, at);
    return r && csl_emit_raw(s, call, (ir_instr){.op = ISA_ASSERT, .a = r, .imm = string}) ? csl_void(s) : CSL_NOTHING;
}

csl_value csl_b_random16(csl_sema *s, const csl_node *call) {
    ir_reg r = csl_in_code(s, call) ? csl_emit(s, call, ISA_PRNG, 0, 0, 0) : 0;
    return r ? csl_in_reg(s->unit->types.u16, r) : CSL_NOTHING;
}

csl_value csl_b_set_active_prng(csl_sema *s, const csl_node *call) {
    csl_part n;
    const csl_node *at = csl_arg(call, 0);
    if (!csl_part_of(s, csl_eval(s, at), at, "@set_active_prng: the generator", 0, UINT16_MAX, &n)) return CSL_NOTHING;
    ir_instr in = {.op = ISA_PRNGSET, .a = n.known ? 0 : n.reg, .imm = n.known ? n.k : 0};
    return csl_emit_raw(s, call, in) ? csl_void(s) : CSL_NOTHING;
}

/* ---- configuration words ---- */

static bool address(csl_sema *s, const csl_node *call, ir_reg *reg, int64_t *imm) {
    csl_part a;
    const csl_node *at = csl_arg(call, 0);
    if (!csl_part_of(s, csl_eval(s, at), at, "a configuration address", ISA_CFG_FIRST, ISA_CFG_LAST, &a)) return false;
    *reg = a.known ? 0 : a.reg;
    *imm = a.known ? a.k : 0;
    return true;
}

csl_value csl_b_get_config(csl_sema *s, const csl_node *call) {
    ir_reg reg;
    int64_t imm;
    if (!csl_in_code(s, call) || !address(s, call, &reg, &imm)) return CSL_NOTHING;
    ir_reg r = csl_emit(s, call, ISA_LDCFG, reg, 0, imm);
    return r ? csl_in_reg(s->unit->types.u16, r) : CSL_NOTHING;
}

/* In a comptime block: what the word is before the first cycle. */
static bool config_early(csl_sema *s, const csl_node *call) {
    __int128 at;
    int64_t value;
    isa_program *p = s->out;
    if (!csl_eval_int(s, csl_arg(call, 0), ISA_CFG_FIRST, ISA_CFG_LAST, "a configuration address", &at)) return false;
    csl_value v = csl_eval_known(s, csl_arg(call, 1));
    if (!csl_whole(s, &v, csl_arg(call, 1), "a configuration word", 0, UINT16_MAX, &value)) return false;
    if (!CSL_ROOM(s, p->config_starts, p->config_start_count, &csl_dsds(s)->config_cap)) return false;
    p->config_starts[p->config_start_count++] = (isa_config_start){(uint16_t)at, (uint16_t)value};
    p->reroutes = true;
    return true;
}

csl_value csl_b_set_config(csl_sema *s, const csl_node *call) {
    ir_reg reg;
    int64_t imm;
    if (!csl_emits(s)) return config_early(s, call) ? csl_void(s) : CSL_NOTHING;
    if (!address(s, call, &reg, &imm)) return CSL_NOTHING;
    const csl_node *at = csl_arg(call, 1);
    ir_reg v = csl_lane_reg(s, csl_eval(s, at), CSL_LANE_BITS, 16, at);
    if (!v || !csl_emit_raw(s, call, (ir_instr){.op = ISA_STCFG, .d = v, .a = reg, .imm = imm})) return CSL_NOTHING;
    s->out->reroutes = true;
    return csl_void(s);
}

/* ---- for the standard library ---- */

csl_value csl_b_tsc(csl_sema *s, const csl_node *call) {
    __int128 word;
    if (!csl_in_code(s, call) || !csl_eval_int(s, csl_arg(call, 0), 0, 2, "a word of the time stamp counter", &word))
        return CSL_NOTHING;
    ir_reg r = csl_emit(s, call, ISA_TSC, 0, 0, (int64_t)word);
    return r ? csl_in_reg(s->unit->types.u16, r) : CSL_NOTHING;
}

csl_value csl_b_tsc_control(csl_sema *s, const csl_node *call) {
    __int128 what;
    if (!csl_in_code(s, call) ||
        !csl_eval_int(s, csl_arg(call, 0), 0, 2, "what to do with the time stamp counter", &what))
        return CSL_NOTHING;
    return csl_emit_raw(s, call, (ir_instr){.op = ISA_TSCCTL, .imm = (int64_t)what}) ? csl_void(s) : CSL_NOTHING;
}

static bool float_argument(csl_sema *s, const csl_node *call, csl_value *v) {
    *v = csl_eval(s, csl_arg(call, 0));
    if (!v->type) return false;
    if (csl_is_float(v->type)) return true;
    return csl_refuse(s, csl_arg(call, 0), "@%.*s: expected a float, got '%s'", (int)call->name.n, call->name.p,
                      v->type->text);
}

csl_value csl_b_sqrt(csl_sema *s, const csl_node *call) {
    csl_value v;
    if (!float_argument(s, call, &v)) return CSL_NOTHING;
    if (v.where == CSL_KNOWN) return csl_float(v.type, sqrt(v.f));
    ir_reg r = csl_reg(s, v, call);
    if (r) r = csl_emit(s, call, v.type->bits == 16 ? ISA_FSQRT_H : ISA_FSQRT_S, r, 0, 0);
    return r ? csl_in_reg(v.type, r) : CSL_NOTHING;
}

csl_value csl_b_scale(csl_sema *s, const csl_node *call) {
    csl_value v, n;
    if (!float_argument(s, call, &v)) return CSL_NOTHING;
    n = csl_coerce(s, csl_eval(s, csl_arg(call, 1)), s->unit->types.i16, csl_arg(call, 1));
    if (!n.type) return CSL_NOTHING;
    if (v.where == CSL_KNOWN && n.where == CSL_KNOWN) return csl_float(v.type, ldexp(v.f, (int)n.i));
    if (v.type->kind != CSL_T_FLOAT) v = csl_coerce(s, v, s->unit->types.f32, csl_arg(call, 0));
    ir_reg a = v.type ? csl_reg(s, v, call) : 0, b = a ? csl_reg(s, n, call) : 0;
    ir_reg r = b ? csl_emit(s, call, v.type->bits == 16 ? ISA_FSCALE_H : ISA_FSCALE_S, a, b, 0) : 0;
    return r ? csl_in_reg(v.type, r) : CSL_NOTHING;
}

csl_value csl_b_print(csl_sema *s, const csl_node *call) {
    __int128 kind;
    const csl_node *at = csl_arg(call, 1);
    if (!csl_in_code(s, call) || !csl_eval_int(s, csl_arg(call, 0), 0, ISA_PRINT_CHAR, "a kind of print", &kind))
        return CSL_NOTHING;
    csl_value v = csl_eval(s, at);
    if (!v.type) return CSL_NOTHING;
    ir_instr in = {.op = ISA_PRINT, .imm = (int64_t)kind};
    if (v.type->kind == CSL_T_STRING) {
        uint32_t string = csl_string(s, v.s);
        if (string == UINT32_MAX) return CSL_NOTHING;
        in.imm |= (int64_t)string << 8;
    } else {
        in.a = csl_lane_reg(s, v, CSL_LANE_BITS, 32, at);
        if (v.type->kind == CSL_T_FLOAT && v.type->bits == 16) in.a = csl_reg(s, v, at);
        if (!in.a) return CSL_NOTHING;
    }
    return csl_emit_raw(s, call, in) ? csl_void(s) : CSL_NOTHING;
}
