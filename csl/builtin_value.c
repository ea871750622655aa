/* Conversions, arrays, ranges, and the ids of colors, queues and tasks. */
#include "base/half.h"
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

csl_value csl_b_as(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_value v = t ? csl_eval(s, csl_arg(call, 1)) : CSL_NOTHING;
    return v.type ? csl_convert(s, v, t, csl_arg(call, 1)) : CSL_NOTHING;
}

/* ---- @bitcast ---- */

/* As an integer a pointer is a byte address: public programs make pointers to configuration words that way
 * (spmv-hypersparse). Inside, pointers are word addresses. */

/* Bits of a scalar's representation; 0: it has none that a cast could keep. */
static uint32_t bit_size(const csl_type *t) {
    if (t->kind == CSL_T_ENUM) t = t->elem;
    if (t->kind == CSL_T_INT || t->kind == CSL_T_FLOAT) return t->bits <= 64 ? t->bits : 0;
    if (t->kind == CSL_T_BOOL || t->kind == CSL_T_POINTER || csl_is_id(t)) return 16;
    return t->kind == CSL_T_DSD ? 64 : 0;
}

static bool is_signed(const csl_type *t) {
    if (t->kind == CSL_T_ENUM) t = t->elem;
    return t->kind == CSL_T_INT && t->is_signed;
}

static bool known_bits(csl_sema *s, const csl_value *v, const csl_node *at, uint64_t *bits) {
    if (v->type->kind == CSL_T_POINTER) {
        ir_reg reg;
        int32_t imm;
        if (v->type->elem->kind == CSL_T_FN || !csl_address(s, *v, at, &reg, &imm)) return false;
        *bits = (uint16_t)(imm * 2);
        return true;
    }
    if (v->type->kind == CSL_T_DSD) return *bits = v->dsd, true;
    if (!csl_is_float(v->type)) return *bits = (uint64_t)v->i, true;
    if (v->type->bits == 32) return *bits = f32_bits((float)v->f), true;
    if (v->type->sub == CSL_FP_CB16) return csl_refuse(s, at, "@bitcast of 'cb16' is not supported");
    *bits = v->type->sub == CSL_FP_BF16 ? csl_bf16_bits(v->f) : csl_f16_bits(v->f);
    return true;
}

static csl_value from_bits(csl_sema *s, const csl_type *t, uint64_t bits, const csl_node *at) {
    uint32_t size = bit_size(t);
    if (size < 64) bits &= (1ull << size) - 1;
    if (t->kind == CSL_T_POINTER) return (csl_value){.type = t, .p = {.word = (uint32_t)bits / 2}};
    if (t->kind == CSL_T_DSD) return (csl_value){.type = t, .dsd = bits};
    if (csl_is_float(t)) {
        if (size == 32) return csl_float(t, f32_from_bits((uint32_t)bits));
        if (t->sub == CSL_FP_CB16) return csl_error(s, at, "@bitcast to 'cb16' is not supported");
        return csl_float(t, t->sub == CSL_FP_BF16 ? f32_from_bf16((uint16_t)bits) : f32_from_f16((uint16_t)bits));
    }
    if (csl_is_id(t) && bits > csl_id_max(t))
        return csl_error(s, at, "@bitcast: %" PRIu64 " is no '%s'; the largest is %" PRIu32, bits, t->text, csl_id_max(t));
    __int128 v = (__int128)bits;
    if (is_signed(t) && bits >> (size - 1)) v -= (__int128)1 << size;
    return csl_int(t, v);
}

static csl_value cast_at_run_time(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    uint32_t size = bit_size(t);
    if (size > 32) {
        ir_reg r[2];
        return csl_regs(s, v, at, r) ? csl_in_regs(t, r[0], r[1]) : CSL_NOTHING;
    }
    ir_reg r = csl_reg(s, v, at);
    bool to_pointer = t->kind == CSL_T_POINTER, from_pointer = v.type->kind == CSL_T_POINTER;
    if (r && to_pointer && !from_pointer)
        return csl_in_reg(t, csl_emit(s, at, ISA_SHRI, csl_narrow(s, s->unit->types.u16, r, at), 0, 1));
    if (r && from_pointer && !to_pointer)
        return csl_in_reg(t, csl_narrow(s, t, csl_emit(s, at, ISA_SHLI, r, 0, 1), at));
    if (r && size < 32 && is_signed(t) != is_signed(v.type)) r = csl_narrow(s, t, r, at);
    return r ? csl_in_reg(t, r) : CSL_NOTHING;
}

csl_value csl_b_bitcast(csl_sema *s, const csl_node *call) {
    const csl_node *at = csl_arg(call, 1);
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_value v = t ? csl_eval(s, at) : CSL_NOTHING;
    if (!v.type) return CSL_NOTHING;
    uint32_t to = bit_size(t), from = v.type->kind == CSL_T_COMPTIME_INT ? to : bit_size(v.type);
    if (!to) return csl_error(s, csl_arg(call, 0), "@bitcast: '%s' is no type of at most 64 bits", t->text);
    if (from != to && from)
        return csl_error(s, at, "@bitcast: '%s' has %" PRIu32 " bits, '%s' has %" PRIu32, v.type->text, from, t->text,
                         to);
    if (!from)
        return csl_error(s, at, "@bitcast: a value of type '%s' has no size; convert it with @as first", v.type->text);
    if (v.where != CSL_KNOWN) return cast_at_run_time(s, v, t, at);
    uint64_t bits = 0;
    return known_bits(s, &v, at, &bits) ? from_bits(s, t, bits, at) : CSL_NOTHING;
}

csl_value csl_b_ptrcast(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_value v = t ? csl_eval(s, csl_arg(call, 1)) : CSL_NOTHING;
    if (!v.type) return CSL_NOTHING;
    if (t->kind != CSL_T_POINTER)
        return csl_error(s, csl_arg(call, 0), "@ptrcast: expected a pointer type, got '%s'", t->text);
    if (v.type->kind != CSL_T_POINTER || (v.type->elem->kind == CSL_T_FN) != (t->elem->kind == CSL_T_FN))
        return csl_error(s, csl_arg(call, 1), "@ptrcast: expected a pointer, got '%s'", v.type->text);
    v.type = t;
    return v;
}

/* ---- arrays ---- */

static const csl_type *array_argument(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    if (t && t->kind != CSL_T_ARRAY) {
        csl_error(s, csl_arg(call, 0), "@%.*s: expected an array type such as '[4]f32', got '%s'", (int)call->name.n,
                  call->name.p, t->text);
        return NULL;
    }
    return t;
}

csl_value csl_b_zeros(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_argument(s, call);
    return t ? csl_zero(s, t) : CSL_NOTHING;
}

/* An array of run-time elements: a loop over a place in the frame, which the evaluator's store makes of a splat. */
csl_value csl_b_constants(csl_sema *s, const csl_node *call) {
    const csl_type *t = array_argument(s, call);
    csl_value v = t ? csl_eval(s, csl_arg(call, 1)) : CSL_NOTHING;
    if (v.type) v = csl_coerce(s, v, t->elem, csl_arg(call, 1));
    csl_value *elem = v.type ? csl_elems_new(s, 1) : NULL;
    if (!elem) return CSL_NOTHING;
    *elem = v;
    csl_value array = {.type = t, .splat = true, .elems = elem};
    if (v.where == CSL_KNOWN) return array;
    uint32_t slot;
    csl_value place = csl_slot_value(s, t, call, &slot);
    if (!place.type) return CSL_NOTHING;
    csl_place p = {.kind = CSL_AT_MEM, .type = t};
    p.mem.base = place.mem.base, p.mem.offset = place.mem.offset;
    return csl_store(s, &p, array, call) ? place : CSL_NOTHING;
}

/* ---- ranges ---- */

static csl_value range_at_run_time(csl_sema *s, const csl_type *t, const csl_value v[3], const csl_node *call) {
    csl_value r = {.type = t, .where = CSL_REG};
    if (!csl_in_code(s, call)) return CSL_NOTHING;
    r.range_reg.start = csl_reg(s, v[0], call);
    r.range_reg.stop = csl_reg(s, v[1], call);
    r.range_reg.step = csl_reg(s, v[2], call);
    if (v[2].where == CSL_KNOWN) r.range_step = (int64_t)v[2].i;
    else return csl_error(s, csl_arg(call, 3), "@range: the step must be known at compile time");
    return r.range_reg.start && r.range_reg.stop && r.range_reg.step ? r : CSL_NOTHING;
}

/* @range(T, stop) or @range(T, start, stop, step). */
csl_value csl_b_range(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    uint32_t count = csl_arg_count(call);
    if (!t) return CSL_NOTHING;
    if (!csl_is_int(t)) return csl_error(s, csl_arg(call, 0), "@range: expected an integer type, got '%s'", t->text);
    if (count == 3) return csl_error(s, call, "@range takes (type, stop) or (type, start, stop, step)");
    csl_value v[3] = {csl_int(t, 0), CSL_NOTHING,
                      csl_int(t->kind == CSL_T_INT && !t->is_signed ? t : s->unit->types.comptime_int, 1)};
    for (uint32_t i = 1; i < count; i++) {
        csl_value *to = &v[count == 2 ? 1 : i - 1];
        *to = csl_eval(s, csl_arg(call, i));
        if (to->type && !(i == 3 && to->where == CSL_KNOWN)) *to = csl_coerce(s, *to, t, csl_arg(call, i));
        if (!to->type) return CSL_NOTHING;
    }
    if (v[2].where == CSL_KNOWN && (!csl_is_int(v[2].type) || !v[2].i))
        return csl_error(s, csl_arg(call, 3), "@range: the step must be an integer other than 0");
    const csl_type *range = csl_type_range(s->unit, t);
    if (!range) return csl_oom(s);
    if (v[0].where != CSL_KNOWN || v[1].where != CSL_KNOWN || v[2].where != CSL_KNOWN)
        return range_at_run_time(s, range, v, call);
    return (csl_value){.type = range, .range = {v[0].i, v[1].i, v[2].i}};
}

csl_value csl_b_range_part(csl_sema *s, const csl_node *call) {
    csl_value r = csl_eval_known(s, csl_arg(call, 0));
    if (!r.type) return CSL_NOTHING;
    if (r.type->kind != CSL_T_RANGE)
        return csl_error(s, csl_arg(call, 0), "@%.*s: expected a range, got '%s'", (int)call->name.n, call->name.p,
                         r.type->text);
    bool start = str_is(call->name, "range_start"), stop = str_is(call->name, "range_stop");
    return csl_int(r.type->elem, start ? r.range.start : stop ? r.range.stop : r.range.step);
}

csl_value csl_b_is_arch(csl_sema *s, const csl_node *call) {
    csl_value v = csl_arg_string(s, call, 0, "the architecture");
    if (!v.type) return CSL_NOTHING;
    static const char *const names[] = {"wse1", "wse2", "wse3"};
    for (uint32_t i = 0; i < 3; i++)
        if (str_is(v.s, names[i])) return csl_bool(s, s->unit->options->arch == (isa_arch)(ISA_WSE1 + i));
    return csl_error(s, csl_arg(call, 0), "@is_arch: unknown architecture '%.*s'; known are wse1, wse2, wse3",
                     (int)v.s.n, v.s.p);
}

const csl_type *csl_half(const csl_sema *s) {
    return s->unit->options->fp16 == ISA_BF16 ? s->unit->types.bf16 : s->unit->types.f16;
}

csl_value csl_b_fp16(csl_sema *s, const csl_node *call) {
    (void)call;
    return csl_of_type(s, csl_half(s));
}

/* ---- ids ---- */

static const struct {
    const char *builtin, *what;
    size_t type;              /* in csl_types */
    uint8_t max2, min3, max3; /* WSE-2: 0..max2; WSE-3: min3..max3 */
} ids[] = {
#define ROW(builtin, field, max2, min3, max3)                                                                          \
    { builtin, #field, offsetof(csl_types, field), max2, min3, max3 }
    ROW("get_color", color, 31, 0, 31),
    ROW("get_input_queue", input_queue, 7, 0, 7),
    ROW("get_output_queue", output_queue, 5, 0, 7),
    ROW("get_data_task_id", data_task_id, 30, 0, 7),
    ROW("get_local_task_id", local_task_id, 30, 8, 30),
    ROW("get_control_task_id", control_task_id, 63, 0, 63),
    ROW("get_ut_id", ut_id, 7, 0, 7),
#undef ROW
};

/* What @get_data_task_id is made from; others take integers. */
static bool right_source(csl_sema *s, const csl_value *v, bool data, const csl_node *at) {
    const csl_type *t = v->type;
    if (data && t->kind == (csl_is_wse3(s) ? CSL_T_INPUT_QUEUE : CSL_T_COLOR)) return true;
    if (data && csl_is_wse3(s))
        return csl_refuse(s, at, "@get_data_task_id: on WSE-3 expected an 'input_queue', got '%s'", t->text);
    if (csl_is_int(t)) return true;
    return csl_refuse(s, at, "expected %s, got '%s'", data ? "a 'color'" : "an integer", t->text);
}

csl_value csl_b_get_id(csl_sema *s, const csl_node *call) {
    uint32_t row = 0;
    while (!str_is(call->name, ids[row].builtin)) row++;
    const csl_node *at = csl_arg(call, 0);
    csl_value v = csl_eval(s, at);
    if (!v.type || !right_source(s, &v, row == 3, at)) return CSL_NOTHING;
    const csl_type *t;
    memcpy(&t, (const char *)&s->unit->types + ids[row].type, sizeof t);
    if (v.where != CSL_KNOWN) {
        ir_reg r = csl_reg(s, csl_is_int(v.type) ? csl_convert(s, v, s->unit->types.u16, at) : v, at);
        return r ? csl_in_reg(t, r) : CSL_NOTHING;
    }
    int min = csl_is_wse3(s) ? ids[row].min3 : 0, max = csl_is_wse3(s) ? ids[row].max3 : ids[row].max2;
    if (v.i < min || v.i > max)
        return csl_error(s, at, "@%s: expected %d..%d on %s, got %" PRId64, ids[row].builtin, min, max,
                         csl_is_wse3(s) ? "WSE-3" : "WSE-2", (int64_t)v.i);
    return csl_int(t, v.i);
}

csl_value csl_b_get_int(csl_sema *s, const csl_node *call) {
    csl_value v = csl_eval(s, csl_arg(call, 0));
    if (!v.type) return CSL_NOTHING;
    if (csl_is_int(v.type)) return v;
    if (!csl_is_id(v.type))
        return csl_error(s, csl_arg(call, 0), "@get_int: expected a color, queue, task id or microthread id, got '%s'",
                         v.type->text);
    if (v.where == CSL_KNOWN) return csl_int(s->unit->types.u16, v.i);
    ir_reg r = csl_reg(s, v, csl_arg(call, 0));
    return r ? csl_in_reg(s->unit->types.u16, r) : CSL_NOTHING;
}
