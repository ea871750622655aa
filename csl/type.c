/* Types: interned by a key text, so that equal types are equal pointers. */
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { TEXT_BYTES_MAX = 1 << 16 };

static csl_type *refuse(csl_unit *u, const char *why) {
    u->type_refused = true; /* callers take NULL for the end of memory */
    if (u->running) csl_error(u->running, u->running->at, "%s", why);
    else diag_error(u->d, "%s", why);
    return NULL;
}

static csl_type *intern(csl_unit *u, str key, bool *fresh) {
    uint64_t found;
    *fresh = false;
    if (key.n > TEXT_BYTES_MAX) return refuse(u, "a type that takes more than 65536 bytes to write is not supported");
    if (map_get(&u->type_table, key, &found)) return (csl_type *)(uintptr_t)found;
    csl_type *t = arena_push(u->memory, csl_type);
    char *text = arena_strndup(u->memory, key.p, key.n);
    if (!t || !text || !map_put(&u->type_table, (str){text, key.n}, (uint64_t)(uintptr_t)t)) {
        u->type_refused = true;
        return diag_oom(u->d, "types"), NULL;
    }
    *t = (csl_type){.text = text, .id = u->type_count++};
    *fresh = true;
    return t;
}

/* The type that a key being built stands for; the key is freed. nesting: of what the type is made of. */
static csl_type *made(csl_unit *u, strbuf *key, uint32_t nesting, bool *fresh) {
    csl_type *t = NULL;
    *fresh = false;
    if (key->oom) u->type_refused = true, diag_oom(u->d, "types");
    else if (nesting >= CSL_NESTING_MAX) refuse(u, "types nested more than 100 levels deep are not supported");
    else t = intern(u, strbuf_str(key), fresh);
    strbuf_free(key);
    if (t && *fresh) t->nesting = nesting + 1;
    return t;
}

static csl_type *named(csl_unit *u, const char *name, csl_tkind kind, uint8_t sub, uint32_t words) {
    bool fresh;
    csl_type *t = intern(u, str_from(name), &fresh);
    if (t && fresh) t->kind = (uint8_t)kind, t->sub = sub, t->words = words, t->comptime_only = !words && kind != CSL_T_VOID;
    return t;
}

const csl_type *csl_type_int(csl_unit *u, uint32_t bits, bool is_signed) {
    char name[16];
    bool fresh;
    snprintf(name, sizeof name, "%c%" PRIu32, is_signed ? 'i' : 'u', bits);
    csl_type *t = intern(u, str_from(name), &fresh);
    if (t && fresh) {
        t->kind = CSL_T_INT, t->bits = bits, t->is_signed = is_signed;
        t->words = bits <= 16 ? 1 : bits <= 32 ? 2 : (bits + 15) / 16;
    }
    return t;
}

static const csl_type *float_type(csl_unit *u, const char *name, csl_fp format, uint32_t bits) {
    csl_type *t = named(u, name, CSL_T_FLOAT, (uint8_t)format, bits / 16);
    if (t) t->bits = bits;
    return t;
}

bool csl_types_init(csl_unit *u) {
    static const struct { size_t at; const char *name; uint8_t kind, sub, words; } rows[] = {
#define ROW(field, name, kind, sub, words) {offsetof(csl_types, field), name, kind, sub, words}
        ROW(void_, "void", CSL_T_VOID, 0, 0), ROW(bool_, "bool", CSL_T_BOOL, 0, 1),
        ROW(comptime_int, "comptime_int", CSL_T_COMPTIME_INT, 0, 0), ROW(comptime_float, "comptime_float", CSL_T_COMPTIME_FLOAT, 0, 0),
        ROW(string, "comptime_string", CSL_T_STRING, 0, 0), ROW(type, "type", CSL_T_TYPE, 0, 0),
        ROW(undefined, "(undefined)", CSL_T_UNDEFINED, 0, 0), ROW(module, "imported_module", CSL_T_MODULE, 0, 0),
        ROW(color, "color", CSL_T_COLOR, 0, 1), ROW(direction, "direction", CSL_T_DIRECTION, 0, 1),
        ROW(input_queue, "input_queue", CSL_T_INPUT_QUEUE, 0, 1), ROW(output_queue, "output_queue", CSL_T_OUTPUT_QUEUE, 0, 1),
        ROW(data_task_id, "data_task_id", CSL_T_DATA_TASK_ID, 0, 1), ROW(local_task_id, "local_task_id", CSL_T_LOCAL_TASK_ID, 0, 1),
        ROW(control_task_id, "control_task_id", CSL_T_CONTROL_TASK_ID, 0, 1), ROW(ut_id, "ut_id", CSL_T_UT_ID, 0, 1),
        ROW(mem1d, "mem1d_dsd", CSL_T_DSD, ISA_MEM1D, 4), ROW(mem4d, "mem4d_dsd", CSL_T_DSD, ISA_MEM4D, 4),
        ROW(circbuf, "circbuf_dsd", CSL_T_DSD, ISA_CIRCBUF, 4), ROW(fabin, "fabin_dsd", CSL_T_DSD, ISA_FABIN, 4),
        ROW(fabout, "fabout_dsd", CSL_T_DSD, ISA_FABOUT, 4), ROW(fifo, "fifo_dsd", CSL_T_DSD, ISA_FIFO, 4),
        ROW(dsr_dest, "dsr_dest", CSL_T_DSR, ISA_DEST, 0), ROW(dsr_src0, "dsr_src0", CSL_T_DSR, ISA_SRC0, 0),
        ROW(dsr_src1, "dsr_src1", CSL_T_DSR, ISA_SRC1, 0), ROW(xdsr, "xdsr", CSL_T_XDSR, 0, 0), ROW(sr, "sr", CSL_T_SR, 0, 0),
        ROW(any_struct, "comptime_struct", CSL_T_ANY_STRUCT, 0, 0), ROW(anyopaque, "anyopaque", CSL_T_ANYOPAQUE, 0, 0),
        ROW(anytype, "anytype", CSL_T_ANYTYPE, 0, 0),
#undef ROW
    };
    csl_types *t = &u->types;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const csl_type *made = named(u, rows[i].name, rows[i].kind, rows[i].sub, rows[i].words);
        if (!made) return false;
        memcpy((char *)t + rows[i].at, &made, sizeof made);
    }
    t->u8 = csl_type_int(u, 8, false), t->i8 = csl_type_int(u, 8, true), t->u16 = csl_type_int(u, 16, false);
    t->i16 = csl_type_int(u, 16, true), t->u32 = csl_type_int(u, 32, false), t->i32 = csl_type_int(u, 32, true);
    t->u64 = csl_type_int(u, 64, false), t->i64 = csl_type_int(u, 64, true);
    t->f16 = float_type(u, "f16", CSL_FP_F16, 16), t->bf16 = float_type(u, "bf16", CSL_FP_BF16, 16);
    t->cb16 = float_type(u, "cb16", CSL_FP_CB16, 16), t->f32 = float_type(u, "f32", CSL_FP_F32, 32);
    if (!t->f16 || !t->bf16 || !t->cb16 || !t->f32) return false;
    t->task_fn = csl_type_fn(u, t->void_, 0, NULL, true);
    return t->task_fn != NULL;
}

const csl_type *csl_type_array(csl_unit *u, const csl_type *elem, uint32_t rank, const uint32_t *extents) {
    strbuf key = {0};
    uint64_t count = 1;
    strbuf_addc(&key, '[');
    for (uint32_t i = 0; i < rank; i++) {
        strbuf_addf(&key, "%s%" PRIu32, i ? ", " : "", extents[i]);
        count *= extents[i];
        if (count > UINT32_MAX / 8) count = UINT32_MAX / 8;
    }
    strbuf_addf(&key, "]%s", elem->text);
    /* Named types of one text may differ: the id tells them apart. */
    if (elem->site) strbuf_addf(&key, "#%" PRIu32, elem->id);
    bool fresh;
    csl_type *t = made(u, &key, elem->nesting, &fresh);
    if (!t || !fresh) return t;
    uint32_t *copy = arena_push_n(u->memory, uint32_t, rank ? rank : 1);
    if (!copy) return NULL;
    memcpy(copy, extents, rank * sizeof *copy);
    t->kind = CSL_T_ARRAY, t->elem = elem, t->rank = rank, t->extents = copy, t->count = (uint32_t)count;
    t->words = (uint32_t)(count * elem->words > UINT32_MAX / 8 ? UINT32_MAX / 8 : count * elem->words);
    t->comptime_only = elem->comptime_only;
    return t;
}

const csl_type *csl_type_pointer(csl_unit *u, const csl_type *to, bool many, bool is_const) {
    strbuf key = {0};
    bool fresh = false;
    strbuf_addf(&key, "%s%s%s", many ? "[*]" : "*", is_const ? "const " : "", to->text);
    if (to->site) strbuf_addf(&key, "#%" PRIu32, to->id);
    csl_type *t = made(u, &key, to->nesting, &fresh);
    if (t && fresh) {
        t->kind = CSL_T_POINTER, t->elem = to, t->many = many, t->is_const = is_const, t->words = 1;
        t->comptime_only = to->comptime_only && to->kind != CSL_T_FN && to->kind != CSL_T_ANYOPAQUE;
    }
    return t;
}

const csl_type *csl_type_range(csl_unit *u, const csl_type *of) {
    strbuf key = {0};
    bool fresh = false;
    strbuf_addf(&key, "range of %s", of->text);
    csl_type *t = made(u, &key, of->nesting, &fresh);
    if (t && fresh) t->kind = CSL_T_RANGE, t->elem = of, t->comptime_only = true;
    return t;
}

const csl_type *csl_type_fn(csl_unit *u, const csl_type *result, uint32_t count, const csl_type *const *params, bool is_task) {
    strbuf key = {0};
    bool fresh = false;
    strbuf_adds(&key, is_task ? "task (" : "fn (");
    uint32_t nesting = result->nesting;
    for (uint32_t i = 0; i < count; i++) {
        if (params[i]->nesting > nesting) nesting = params[i]->nesting;
        strbuf_addf(&key, "%s%s", i ? ", " : "", params[i]->text);
        if (params[i]->site) strbuf_addf(&key, "#%" PRIu32, params[i]->id);
    }
    strbuf_addf(&key, ") %s", result->text);
    if (result->site) strbuf_addf(&key, "#%" PRIu32, result->id);
    csl_type *t = made(u, &key, nesting, &fresh);
    if (!t || !fresh) return t;
    csl_member *m = arena_push_n(u->memory, csl_member, count ? count : 1);
    if (!m) return NULL;
    for (uint32_t i = 0; i < count; i++) m[i].type = params[i];
    t->kind = CSL_T_FN, t->elem = result, t->count = count, t->members = m, t->is_task = is_task, t->comptime_only = true;
    return t;
}

/* Offsets, size and whether any member keeps the struct from existing at run time. */
void csl_type_lay_out(csl_type *t, csl_member *members, bool is_union) {
    uint32_t at = 0, largest = 0, limit = UINT32_MAX / 8; /* far more than any memory */
    for (uint32_t i = 0; i < t->count; i++) {
        members[i].word = is_union ? 0 : at;
        at = at + members[i].type->words < limit ? at + members[i].type->words : limit;
        if (t->nesting <= members[i].type->nesting) t->nesting = members[i].type->nesting + 1;
        if (members[i].type->words > largest) largest = members[i].type->words;
        t->comptime_only |= members[i].type->comptime_only;
    }
    t->words = is_union ? largest : at;
}

const csl_type *csl_type_struct(csl_unit *u, uint32_t count, const csl_member *members, bool tuple) {
    strbuf key = {0};
    bool fresh = false;
    uint32_t nesting = 0;
    strbuf_adds(&key, ".{ ");
    for (uint32_t i = 0; i < count && key.len <= TEXT_BYTES_MAX; i++) {
        if (members[i].type->nesting > nesting) nesting = members[i].type->nesting;
        if (i) strbuf_adds(&key, ", ");
        if (!tuple) strbuf_addf(&key, ".%.*s: ", (int)members[i].name.n, members[i].name.p);
        strbuf_adds(&key, members[i].type->text);
        if (members[i].type->site) strbuf_addf(&key, "#%" PRIu32, members[i].type->id);
    }
    strbuf_adds(&key, " }");
    csl_type *t = made(u, &key, nesting, &fresh);
    if (!t || !fresh) return t;
    csl_member *copy = arena_push_n(u->memory, csl_member, count ? count : 1);
    if (!copy) return NULL;
    memcpy(copy, members, count * sizeof *copy);
    t->kind = CSL_T_STRUCT, t->tuple = tuple, t->count = count, t->members = copy;
    csl_type_lay_out(t, copy, false);
    return t;
}

/* Named aggregates: identity is the place of definition, the module instance, the instance of the function around it, and what the
 * members came out as (a loop at compile time may pass the same place with other types). */
csl_type *csl_type_at_site(csl_unit *u, const csl_site_key *k, const char *text, bool *fresh) {
    strbuf key = {0};
    strbuf_addf(&key, "@%p %p %" PRIx64, (const void *)k->site, (const void *)k->module, k->instance);
    for (uint32_t i = 0; i < k->count; i++) {
        const csl_member *m = &k->members[i];
        if (m->type) strbuf_addf(&key, " %" PRIu32, m->type->id);
        else strbuf_addf(&key, " =%" PRIx64, (uint64_t)m->value);
        if (m->fallback) strbuf_addf(&key, "=%" PRIx64, csl_hash(m->fallback));
    }
    csl_type *t = made(u, &key, 0, fresh);
    if (t && *fresh) t->site = k->site, t->text = text, t->count = k->count, t->members = k->members;
    return t;
}

const csl_member *csl_find_member(const csl_type *t, str name) {
    for (uint32_t i = 0; i < t->count; i++)
        if (str_eq(t->members[i].name, name)) return &t->members[i];
    return NULL;
}
