/* @get_dsd: descriptors of memory and of the fabric. Known ones are values; others are put together in two registers.
 */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

/* ---- parts ---- */

bool csl_part_of(csl_sema *s, csl_value v, const csl_node *at, const char *what, int64_t min, int64_t max,
                 csl_part *out) {
    if (!v.type) return false;
    *out = (csl_part){.known = v.where == CSL_KNOWN};
    if (out->known) return csl_whole(s, &v, at, what, min, max, &out->k);
    const csl_type *t = v.type->kind == CSL_T_ENUM ? v.type->elem : v.type;
    if (!(t->kind == CSL_T_INT && t->bits <= 32) && !csl_is_id(t))
        return csl_refuse(s, at, "%s must be an integer of 16 bits, not '%s'", what, v.type->text);
    out->reg = csl_reg(s, v, at);
    return out->reg != 0;
}

static bool take_part(csl_sema *s, csl_fields *f, const char *name, int64_t min, int64_t max, int64_t fallback,
                      csl_part *out) {
    csl_value v;
    const csl_node *at = f->at;
    char what[128];
    if (!csl_take(s, f, name, &v, &at)) return false;
    *out = (csl_part){.known = true, .k = fallback};
    if (!v.type) return true;
    snprintf(what, sizeof what, "%s: .%s", f->what, name);
    return csl_part_of(s, v, at, what, min, max, out);
}

ir_reg csl_dsd_low(csl_sema *s, const csl_node *at, ir_reg base, int64_t imm, csl_part length) {
    if (!base && length.known) return csl_emit(s, at, ISA_MOVI, 0, 0, (imm & 0xffff) | length.k << 16);
    ir_reg low = base;
    if (base && imm) low = csl_emit(s, at, ISA_ADDI_U16, base, 0, (int16_t)imm);
    if (!base) low = csl_emit(s, at, ISA_MOVI, 0, 0, imm & 0xffff);
    if (length.known) return csl_emit(s, at, ISA_ORI, low, 0, length.k << 16);
    return csl_emit(s, at, ISA_OR, low, csl_emit(s, at, ISA_SHLI, length.reg, 0, 16), 0);
}

ir_reg csl_dsd_high(csl_sema *s, const csl_node *at, csl_part stride, uint16_t shape) {
    int64_t upper = (int64_t)shape << 16;
    if (stride.known) return csl_emit(s, at, ISA_MOVI, 0, 0, (stride.k & 0xffff) | upper);
    ir_reg low = csl_emit(s, at, ISA_EXTU, stride.reg, 0, 16);
    return shape ? csl_emit(s, at, ISA_ORI, low, 0, upper) : low;
}

static csl_value in_two(csl_sema *s, const csl_type *t, ir_reg low, ir_reg high) {
    (void)s;
    return low && high ? csl_in_regs(t, low, high) : CSL_NOTHING;
}

/* ---- memory ---- */

typedef struct {
    csl_base base;
    csl_part length, stride, offset;
    isa_shape shape;
} memory_dsd;

static csl_value make_memory(csl_sema *s, const csl_type *t, const csl_node *call, memory_dsd *m) {
    uint16_t shape;
    uint32_t words = csl_base_element(&m->base)->words;
    if (!csl_shape(s, &m->shape, call, &shape)) return CSL_NOTHING;
    if (m->offset.known) m->base.imm += (int32_t)(m->offset.k * words);
    if (!m->base.reg && m->length.known && m->stride.known && m->offset.known)
        return (csl_value){
            .type = t, .dsd = isa_dsd_mem((uint16_t)m->base.imm, (uint16_t)m->length.k, (int16_t)m->stride.k, shape)};
    if (!csl_in_code(s, call)) return CSL_NOTHING;
    ir_reg base = m->base.reg;
    if (!m->offset.known) {
        ir_reg by = m->offset.reg;
        if (words > 1) by = csl_emit(s, call, ISA_MUL, by, csl_emit(s, call, ISA_MOVI, 0, 0, words), 0);
        if (!base) base = csl_emit(s, call, ISA_EXTU, by, 0, 16);
        else base = csl_emit(s, call, ISA_ADD_U16, base, by, 0);
    }
    ir_reg low = csl_dsd_low(s, call, base, m->base.imm, m->length);
    return in_two(s, t, low, csl_dsd_high(s, call, m->stride, shape));
}

static bool take_base(csl_sema *s, csl_fields *f, csl_base *out) {
    csl_entry *e = csl_find(f, "base_address");
    char what[96];
    snprintf(what, sizeof what, "%.60s: .base_address", f->what);
    if (!e) return csl_refuse(s, f->at, "%s: .base_address or .tensor_access is missing", f->what);
    *out = (csl_base){0};
    return e->value ? csl_base_of_value(s, *e->value, e->at, what, out) : csl_base_of(s, e->at, what, out);
}

static bool from_access(csl_sema *s, const csl_entry *e, memory_dsd *m) {
    csl_access a;
    bool one = m->shape.kind == ISA_MEM1D;
    if (!csl_access_of(s, e->at, &a)) return false;
    if (!a.dims || (one && a.dims != 1))
        return csl_refuse(s, e->at, "a mem1d_dsd takes one loop variable, this has %" PRIu32 "; use mem4d_dsd", a.dims);
    m->base = a.base;
    m->base.imm += (int32_t)a.offset_words;
    m->offset = (csl_part){.known = true};
    m->length = (csl_part){.known = true, .k = one ? a.extent[0] : 0};
    m->stride = (csl_part){.known = true, .k = one ? a.stride[0] : 1};
    if (one) return true;
    uint64_t elements = 1;
    m->shape.dims = (uint8_t)a.dims;
    for (uint32_t i = 0; i < a.dims; i++) {
        m->shape.extent[i] = a.extent[i], m->shape.stride[i] = a.stride[i];
        elements *= a.extent[i];
    }
    m->length.k = elements < UINT16_MAX ? (int64_t)elements : UINT16_MAX;
    return true;
}

/* A tuple of up to four known integers; one integer is a tuple of one. */
static bool take_tuple(csl_sema *s, csl_fields *f, const char *name, int64_t min, int64_t max, uint32_t *count,
                       int64_t out[4]) {
    csl_value v;
    const csl_node *at = f->at;
    char what[128];
    *count = 0;
    if (!csl_take(s, f, name, &v, &at)) return false;
    if (!v.type) return true;
    snprintf(what, sizeof what, "%s: .%s", f->what, name);
    bool many = v.type->kind == CSL_T_ARRAY || (v.type->kind == CSL_T_STRUCT && v.type->tuple);
    if (!many) return *count = 1, csl_whole(s, &v, at, what, min, max, out);
    if (v.where != CSL_KNOWN || v.type->count > 4)
        return csl_refuse(s, at, "%s: expected at most four known integers", what);
    for (; *count < v.type->count; ++*count)
        if (!csl_whole(s, csl_elem(&v, *count), at, what, min, max, &out[*count])) return false;
    return true;
}

/* Low-level form of a mem4d: innermost dimension first, strides are what is added when a dimension steps and those
 * inside it start over. */
static bool mem4d_fields(csl_sema *s, csl_fields *f, memory_dsd *m) {
    int64_t extent[4] = {0}, step[4] = {0}, offset[4] = {0}, back = 0;
    uint32_t dims, steps, offsets;
    if (!take_base(s, f, &m->base) || !take_tuple(s, f, "extent", 0, UINT16_MAX, &dims, extent) ||
        !take_tuple(s, f, "stride", INT16_MIN, INT16_MAX, &steps, step) ||
        !take_tuple(s, f, "offset", INT16_MIN, INT16_MAX, &offsets, offset))
        return false;
    if (!dims) return csl_refuse(s, f->at, "%s: .extent is missing", f->what);
    if (steps && steps != dims) return csl_refuse(s, f->at, "%s: .extent and .stride differ in length", f->what);
    m->shape.dims = (uint8_t)dims;
    uint64_t elements = 1;
    for (uint32_t i = 0; i < dims; i++) {
        int64_t stride = (steps ? step[i] : i ? 0 : 1) + back;
        if (stride < INT16_MIN || stride > INT16_MAX)
            return csl_refuse(s, f->at, "%s: this stride is too large", f->what);
        m->shape.extent[dims - 1 - i] = (uint16_t)extent[i];
        m->shape.stride[dims - 1 - i] = (int16_t)stride;
        back += (extent[i] - 1) * stride;
        elements *= (uint64_t)extent[i];
        m->offset.k += offset[i];
    }
    m->length = (csl_part){.known = true, .k = elements < UINT16_MAX ? (int64_t)elements : UINT16_MAX};
    return true;
}

static bool circbuf_fields(csl_sema *s, csl_fields *f, memory_dsd *m) {
    int64_t wrap = 0;
    bool given;
    if (!take_base(s, f, &m->base) || !take_part(s, f, "extent", 0, UINT16_MAX, 0, &m->length) ||
        !csl_take_int(s, f, "wraparound", 1, UINT16_MAX, &wrap, &given) ||
        !take_part(s, f, "offset", INT16_MIN, INT16_MAX, 0, &m->offset))
        return false;
    if (!given && m->base.type->kind != CSL_T_ARRAY)
        return csl_refuse(s, f->at, "%s: .wraparound is missing and the base is no array", f->what);
    if (!given) wrap = m->base.type->count < UINT16_MAX ? m->base.type->count : UINT16_MAX;
    m->shape.wrap = (uint16_t)wrap;
    return true;
}

static csl_value memory(csl_sema *s, const csl_type *t, csl_fields *f, const csl_node *call) {
    memory_dsd m = {.shape = {.kind = t->sub}, .stride = {.known = true, .k = 1}, .offset = {.known = true}};
    if (!csl_take_flag(s, f, "wavelet_index_offset", &m.shape.index_offset)) return CSL_NOTHING;
    csl_entry *access = t->sub == ISA_CIRCBUF ? NULL : csl_find(f, "tensor_access");
    bool ok;
    if (access) ok = from_access(s, access, &m);
    else if (t->sub == ISA_MEM4D) ok = mem4d_fields(s, f, &m);
    else if (t->sub == ISA_CIRCBUF) ok = circbuf_fields(s, f, &m);
    else
        ok = take_base(s, f, &m.base) && take_part(s, f, "extent", 0, UINT16_MAX, 0, &m.length) &&
             take_part(s, f, "stride", INT16_MIN, INT16_MAX, 1, &m.stride) &&
             take_part(s, f, "offset", INT16_MIN, INT16_MAX, 0, &m.offset);
    if (!ok || !csl_fields_done(s, f)) return CSL_NOTHING;
    return make_memory(s, t, call, &m);
}

/* ---- fabric ---- */

static bool fabric_shape(csl_sema *s, csl_fields *f, bool input, isa_shape *shape) {
    static const char *const simd[] = {"simd_32", "simd_64", "simd_32_or_64", NULL};
    static const char *const priorities[] = {"low", "medium", "high", NULL};
    static const char *const sources[] = {"first_source", "second_source", NULL};
    int mode = -1, priority = 0, zero = -1;
    bool ok = csl_take_choice(s, f, "simd_mode", simd, &mode) &&
              csl_take_choice(s, f, "priority", priorities, &priority) &&
              csl_take_flag(s, f, "control_transform", &shape->control_transform) &&
              csl_take_flag(s, f, "wavelet_index_offset", &shape->index_offset);
    if (ok && !input)
        ok = csl_take_flag(s, f, "control", &shape->control) &&
             csl_take_flag(s, f, "advance_switch", &shape->advance_switch) &&
             csl_take_choice(s, f, "zero", sources, &zero);
    shape->simd = (uint8_t)(mode + 1);
    shape->priority = (uint8_t)priority;
    shape->zero_source = (uint8_t)(zero + 1);
    return ok;
}

static bool take_queue(csl_sema *s, csl_fields *f, bool input, csl_part *out, bool *given) {
    const char *name = input ? "input_queue" : "output_queue";
    csl_value v;
    const csl_node *at = f->at;
    char what[128];
    if (!csl_take(s, f, name, &v, &at)) return false;
    *given = v.type != NULL;
    *out = (csl_part){.known = true};
    if (!v.type) return true;
    if (v.type->kind != (input ? CSL_T_INPUT_QUEUE : CSL_T_OUTPUT_QUEUE))
        return csl_refuse(s, at, "%s: .%s: expected '%s', got '%s'; make one with @get_%s", f->what, name, name,
                          v.type->text, name);
    snprintf(what, sizeof what, "%s: .%s", f->what, name);
    return csl_part_of(s, v, at, what, 0, ISA_QUEUES - 1, out);
}

/* WSE-2: the color of a descriptor that names only its queue is the queue's, perhaps initialised later: a mark until
 * then. */
static void color_of_queue(csl_sema *s, bool input, int64_t queue, csl_part *color, const csl_node *at) {
    int8_t known = input ? csl_tasks(s)->in_color[queue] : csl_tasks(s)->out_color[queue];
    *color = (csl_part){.known = true, .k = known >= 0 ? known : CSL_COLOR_MARK};
    if (known < 0 && !csl_dsds(s)->colorless.at) csl_dsds(s)->colorless = csl_site_of(s, at);
}

static bool choose_port(csl_sema *s, csl_fields *f, bool input, csl_part *color, bool has_color, csl_part *queue,
                        bool has_queue) {
    int64_t c = has_color && color->known ? color->k : -1;
    bool known_queue = has_queue && queue->known;
    if (!csl_is_wse3(s) && !has_color && !known_queue)
        return csl_refuse(s, f->at, "%s: .fabric_color is missing; WSE-2 needs it, or a queue initialised with one",
                          f->what);
    if (csl_is_wse3(s) && !has_queue)
        return csl_refuse(s, f->at, "%s: .%s is missing; WSE-3 needs it", f->what,
                          input ? "input_queue" : "output_queue");
    if (!csl_is_wse3(s) && !has_color) color_of_queue(s, input, queue->k, color, f->at);
    if (csl_is_wse3(s) && !has_color) color->k = 0;
    if (!has_queue) return queue->k = csl_choose_queue(s, input, c), true;
    return !queue->known || csl_use_queue(s, input, queue->k, c, f->at);
}

static csl_value make_fabric(csl_sema *s, const csl_type *t, const csl_node *call, csl_part queue, csl_part color,
                             csl_part length, uint16_t shape) {
    if (queue.known && color.known && length.known)
        return (csl_value){.type = t,
                           .dsd = isa_dsd_fabric((uint8_t)queue.k, (uint8_t)color.k, (uint16_t)length.k, shape)};
    if (!csl_in_code(s, call)) return CSL_NOTHING;
    int64_t known = (queue.known ? queue.k : 0) | (color.known ? color.k << 8 : 0);
    ir_reg base = queue.known ? 0 : queue.reg;
    if (!color.known) {
        ir_reg up = csl_emit(s, call, ISA_SHLI, color.reg, 0, 8);
        base = base ? csl_emit(s, call, ISA_OR, base, up, 0) : up;
    }
    ir_reg low = csl_dsd_low(s, call, base, known, length);
    return in_two(s, t, low, csl_dsd_high(s, call, (csl_part){.known = true}, shape));
}

static csl_value fabric(csl_sema *s, const csl_type *t, csl_fields *f, const csl_node *call) {
    bool input = t->sub == ISA_FABIN, has_queue = false;
    isa_shape shape = {.kind = t->sub};
    csl_part color = {.known = true, .k = -1}, queue, length;
    csl_value v;
    uint16_t index;
    const csl_node *at = f->at;
    if (!take_part(s, f, "extent", 0, UINT16_MAX, 1, &length) || !csl_take(s, f, "fabric_color", &v, &at) ||
        !take_queue(s, f, input, &queue, &has_queue) || !fabric_shape(s, f, input, &shape) || !csl_fields_done(s, f))
        return CSL_NOTHING;
    bool has_color = v.type != NULL;
    if (has_color && !csl_part_of(s, v, at, "@get_dsd: .fabric_color", 0, ISA_COLORS - 1, &color)) return CSL_NOTHING;
    if (!choose_port(s, f, input, &color, has_color, &queue, has_queue) || !csl_shape(s, &shape, call, &index))
        return CSL_NOTHING;
    return make_fabric(s, t, call, queue, color, length, index);
}

csl_value csl_b_get_dsd(csl_sema *s, const csl_node *call) {
    const csl_type *t = csl_eval_type(s, csl_arg(call, 0));
    csl_fields f;
    if (!t) return CSL_NOTHING;
    if (t->kind != CSL_T_DSD || t->sub == ISA_FIFO)
        return csl_error(s, csl_arg(call, 0),
                         "@get_dsd: expected mem1d_dsd, mem4d_dsd, circbuf_dsd, fabin_dsd or fabout_dsd, got '%s'",
                         t->text);
    if (!s->out) return csl_error(s, call, "@get_dsd belongs into the code of a PE, not into the layout");
    if (!csl_fields_of(s, csl_arg(call, 1), "@get_dsd", &f)) return CSL_NOTHING;
    return csl_is_mem_dsd(t) ? memory(s, t, &f, call) : fabric(s, t, &f, call);
}
