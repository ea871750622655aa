/* Emitting intermediate code: instructions with their lines, known values into registers, strings and symbols. */
#include "csl/sema_internal.h"

enum { CODE_MAX = 1 << 16 }; /* of one function; a PE holds fewer */

void csl_line_of(csl_sema *s, csl_module *m, const csl_node *at, uint32_t *source, uint32_t *line) {
    (void)s;
    const csl_source_file *f = m->source;
    uint32_t low = 0, high = f->line_count;
    while (at && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (f->line_starts[middle] <= at->at.begin) low = middle;
        else high = middle;
    }
    *source = f->index;
    *line = low + 1;
}

ir_instr *csl_emit_raw(csl_sema *s, const csl_node *at, ir_instr in) {
    if (!csl_emits(s)) {
        csl_not_known(s, at, "this");
        return NULL;
    }
    if (s->fn->code_count >= CODE_MAX) {
        if (!s->unit->exhausted) csl_error(s, at, "'%s' is too large: more than %d instructions; loops unrolled or inline functions take them", s->fn->name, CODE_MAX);
        s->unit->exhausted = true;
        return NULL;
    }
    if (at) csl_line_of(s, s->module, at, &in.source, &in.line);
    ir_instr *made = ir_emit(s->ir, s->fn, in);
    if (!made) csl_oom(s);
    return made;
}

ir_reg csl_emit(csl_sema *s, const csl_node *at, uint16_t op, ir_reg a, ir_reg b, int64_t imm) {
    if (!csl_emits(s)) {
        csl_not_known(s, at, "this");
        return 0;
    }
    ir_reg d = ir_new_reg(s->fn);
    return csl_emit_raw(s, at, (ir_instr){.op = op, .d = d, .a = a, .b = b, .imm = imm}) ? d : 0;
}

static const csl_type *smallest(csl_sema *s, __int128 v) {
    const csl_types *t = &s->unit->types;
    const csl_type *const types[] = {t->i32, t->u32, t->i64, t->u64};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (csl_fits(types[i], v)) return types[i];
    return t->comptime_int;
}

/* The canonical 32 bits of a known scalar; 64 for those that need them. */
static bool known_bits(csl_sema *s, const csl_value *v, const csl_node *at, uint64_t *bits) {
    const csl_type *t = v->type;
    uint16_t words[8] = {0};
    if (t->kind == CSL_T_COMPTIME_INT) t = smallest(s, v->i);
    if (t->kind == CSL_T_COMPTIME_FLOAT || (!t->words && t->kind != CSL_T_VOID) || t->words > 4) {
        csl_error(s, at, "a value of type '%s' cannot be used at run time; convert it with @as", t->text);
        return false;
    }
    if (!csl_store_known(s, t, v, words, at)) return false;
    *bits = words[0] | (uint64_t)words[1] << 16 | (uint64_t)words[2] << 32 | (uint64_t)words[3] << 48;
    const csl_type *i = t->kind == CSL_T_ENUM ? t->elem : t;
    if (i->kind == CSL_T_INT && i->is_signed && i->bits <= 32) *bits = (uint32_t)(int32_t)v->i;
    return true;
}

ir_reg csl_reg(csl_sema *s, csl_value v, const csl_node *at) {
    if (!v.type) return 0;
    if (v.where == CSL_REG) return v.reg[0];
    if (v.where == CSL_MEM) {
        csl_error(s, at, "a value of type '%s' does not fit a register", v.type->text);
        return 0;
    }
    bool function = v.type->kind == CSL_T_FN || (v.type->kind == CSL_T_POINTER && v.type->elem->kind == CSL_T_FN);
    if (function) {
        if (!v.fn) return csl_emit(s, at, ISA_MOVI, 0, 0, 0); /* undefined */
        uint32_t index = csl_fn_index(s, v.fn, at);
        return index == UINT32_MAX ? 0 : csl_emit(s, at, IR_FN_ADDRESS, 0, 0, index);
    }
    uint64_t bits;
    if (!known_bits(s, &v, at, &bits)) return 0;
    if (bits >> 32) {
        strbuf text = {0};
        csl_show(&v, &text);
        csl_error(s, at, "value %s does not fit 32 bits, and no more can be used here", text.data ? text.data : "");
        strbuf_free(&text);
        return 0;
    }
    return csl_emit(s, at, ISA_MOVI, 0, 0, (int64_t)bits);
}

bool csl_regs(csl_sema *s, csl_value v, const csl_node *at, ir_reg out[2]) {
    if (!v.type) return false;
    if (v.where == CSL_REG && v.reg[1]) return out[0] = v.reg[0], out[1] = v.reg[1], true;
    uint64_t bits;
    if (v.where != CSL_KNOWN) {
        csl_error(s, at, "a 64-bit value is needed here, not '%s'", v.type->text);
        return false;
    }
    if (!known_bits(s, &v, at, &bits)) return false;
    out[0] = csl_emit(s, at, ISA_MOVI, 0, 0, (int64_t)(uint32_t)bits);
    out[1] = csl_emit(s, at, ISA_MOVI, 0, 0, (int64_t)(uint32_t)(bits >> 32));
    return out[0] && out[1];
}

bool csl_move(csl_sema *s, const ir_reg *to, csl_value v, const csl_node *at) {
    ir_reg from[2] = {0};
    if (to[1]) {
        if (!csl_regs(s, v, at, from)) return false;
    } else {
        from[0] = csl_reg(s, v, at);
    }
    if (!from[0]) return false;
    if (!csl_emit_raw(s, at, (ir_instr){.op = ISA_MOV, .d = to[0], .a = from[0]})) return false;
    return !to[1] || csl_emit_raw(s, at, (ir_instr){.op = ISA_MOV, .d = to[1], .a = from[1]}) != NULL;
}

/* Tables that grow in the arena: the old copy stays behind, as capacity doubles that costs at most as much again. */
static bool grow(csl_sema *s, void **rows, uint32_t count, uint32_t *cap, size_t bytes) {
    if (count < *cap) return true;
    uint32_t wanted = *cap ? *cap * 2 : 16;
    void *fresh = arena_alloc_n(s->unit->memory, wanted, bytes);
    if (!fresh) return diag_oom(s->d, "tables of a program");
    if (count) memcpy(fresh, *rows, count * bytes);
    *rows = fresh;
    *cap = wanted;
    return true;
}

isa_symbol *csl_new_symbol(csl_sema *s) {
    void *rows = s->out->symbols;
    if (!grow(s, &rows, s->out->symbol_count, &s->symbol_cap, sizeof(isa_symbol))) return NULL;
    s->out->symbols = rows;
    isa_symbol *row = &s->out->symbols[s->out->symbol_count++];
    *row = (isa_symbol){0};
    return row;
}

uint32_t csl_string(csl_sema *s, str text) {
    for (uint32_t i = 0; i < s->out->string_count; i++)
        if (str_is(text, s->out->strings[i])) return i;
    void *rows = (void *)s->out->strings;
    char *copy = arena_strndup(s->unit->memory, text.p, text.n);
    if (!copy || !grow(s, &rows, s->out->string_count, &s->string_cap, sizeof(char *))) return UINT32_MAX;
    s->out->strings = rows;
    s->out->strings[s->out->string_count] = copy;
    return s->out->string_count++;
}
