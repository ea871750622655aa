/* Where values live: assignable expressions, loads and stores, memory of globals, addresses. */
#include "csl/sema_internal.h"
#include <inttypes.h>

static csl_place nowhere(void) { return (csl_place){.kind = CSL_AT_NOWHERE}; }

static csl_place place_fail(csl_value ignored) {
    (void)ignored;
    return nowhere();
}

static csl_place in_memory(const csl_type *t, ir_reg base, int32_t offset, csl_global *g, bool is_const) {
    csl_place p = {.kind = CSL_AT_MEM, .type = t, .is_const = is_const};
    p.mem.base = base, p.mem.offset = offset, p.mem.global = g;
    return p;
}

static csl_place in_cell(const csl_type *t, csl_value *cell, bool is_const) {
    return (csl_place){.kind = CSL_AT_CELL, .type = t, .cell = cell, .is_const = is_const};
}

/* ---- memory of globals ---- */

static bool reserve_words(csl_sema *s, uint32_t words, uint32_t align_words, const csl_node *at, uint16_t *word) {
    uint32_t begin = (s->next_word + align_words - 1) / align_words * align_words;
    if (words > ISA_SRAM_WORDS || begin + words > ISA_SRAM_WORDS) {
        csl_error(s, at, "out of PE memory: %" PRIu32 " bytes here and %" PRIu32 " bytes of variables before it do not fit into %d", words * 2,
                  s->next_word * 2, ISA_SRAM_WORDS * 2);
        return false;
    }
    *word = (uint16_t)begin;
    s->next_word = begin + words;
    if (s->out->used_words < s->next_word) s->out->used_words = s->next_word;
    return true;
}

/* Scalars, pointers and descriptors stand together, apart from arrays, much as an object file's initialised data stand
 * apart from its zeroes (inferred). Public programs write a few elements past the end of a scratch array: that must not
 * change a descriptor. Room for them is taken in chunks, because what a program uses is known only at its end. */
static bool reserve_small(csl_sema *s, uint32_t words, const csl_node *at, uint16_t *word) {
    enum { FIRST = 64, MOST = 256 };
    if (words > FIRST) return reserve_words(s, words, 1, at, word);
    if (s->small_end - s->small_at < words) {
        uint32_t chunk = !s->small_chunk ? FIRST : s->small_chunk < MOST ? 2 * s->small_chunk : MOST;
        if (s->next_word + chunk > ISA_SRAM_WORDS) return reserve_words(s, words, 1, at, word);
        s->small_chunk = chunk;
        s->small_at = s->next_word;
        s->small_end = s->next_word += chunk;
        if (s->out->used_words < s->next_word) s->out->used_words = s->next_word;
    }
    *word = (uint16_t)s->small_at;
    s->small_at += words;
    return true;
}

void csl_close_small(csl_sema *s) {
    if (s->small_end == s->next_word && s->out->used_words == s->next_word) s->out->used_words = s->next_word = s->small_at;
    s->small_end = s->small_at;
}

static bool alignment(csl_sema *s, const csl_global *g, uint32_t *words) {
    *words = 1;
    if (!g->node->align) return true;
    __int128 bytes;
    csl_context c = csl_enter(s, g->module);
    bool ok = csl_eval_int(s, g->node->align, 1, 4096, "an alignment in bytes", &bytes);
    csl_leave(s, &c);
    if (ok && bytes > 1) *words = (uint32_t)(bytes + 1) / 2;
    return ok;
}

static isa_scalar scalar_of(const csl_type *t) {
    switch (t->kind) {
    case CSL_T_BOOL: return ISA_T_BOOL;
    case CSL_T_INT: return t->is_signed ? ISA_T_INT : ISA_T_UINT;
    case CSL_T_FLOAT: return ISA_T_FLOAT;
    default: return ISA_T_OTHER;
    }
}

/* The name in the image: that of the variable, or what `linkname` says. */
static const char *link_name(csl_sema *s, const csl_global *g) {
    if (!g->node->d) return g->name;
    csl_context c = csl_enter(s, g->module);
    csl_value v = csl_eval_known(s, g->node->d);
    csl_leave(s, &c);
    if (v.type && v.type->kind != CSL_T_STRING) csl_error(s, g->node->d, "linkname needs a string, not '%s'", v.type->text);
    return v.type && v.type->kind == CSL_T_STRING ? arena_strndup(s->unit->memory, v.s.p, v.s.n) : NULL;
}

enum { TYPE_DEPTH = 16, TYPE_BYTES = 2000 };

/* The type as isa_symbol.type writes it. */
static void image_type(const csl_type *t, uint32_t depth, strbuf *out) {
    switch (depth > TYPE_DEPTH || out->len > TYPE_BYTES ? CSL_T_VOID : t->kind) {
    case CSL_T_BOOL: strbuf_adds(out, "bool"); break;
    case CSL_T_INT: strbuf_addf(out, "%c%u", t->is_signed ? 'i' : 'u', t->bits); break;
    case CSL_T_FLOAT: strbuf_adds(out, t->bits == 32 ? "f32" : t->sub == CSL_FP_BF16 ? "bf16" : "f16"); break;
    case CSL_T_ENUM: image_type(t->elem, depth + 1, out); break;
    case CSL_T_POINTER: strbuf_adds(out, "ptr"); break;
    case CSL_T_DSD: strbuf_adds(out, "dsd"); break;
    case CSL_T_ARRAY:
        for (uint32_t i = 0; i < t->rank; i++) strbuf_addf(out, "%s%u", i ? ", " : "[", t->extents[i]);
        strbuf_addc(out, ']');
        image_type(t->elem, depth + 1, out);
        break;
    case CSL_T_STRUCT:
        strbuf_addf(out, "{%u", t->words);
        for (uint32_t i = 0; i < t->count; i++) {
            const csl_member *member = &t->members[i];
            strbuf_addf(out, "%c%.*s@%u:", i ? ',' : ' ', (int)member->name.n, member->name.p, member->word);
            image_type(member->type, depth + 1, out);
        }
        strbuf_addc(out, '}');
        break;
    default:
        if (csl_is_id(t)) strbuf_adds(out, "u16");
        else strbuf_addf(out, "?%u", t->words);
    }
}

static const char *type_text(csl_sema *s, const csl_type *t) {
    strbuf text = {0};
    image_type(t, 0, &text);
    const char *copy = text.oom || text.len > TYPE_BYTES ? "" : arena_strndup(s->unit->memory, text.data, text.len);
    strbuf_free(&text);
    return copy;
}

/* The members of a struct may have values of their own. */
static bool has_no_value(const csl_global *g) {
    const csl_type *t = g->type->kind == CSL_T_ARRAY ? g->type->elem : g->type;
    bool given = g->node->b && g->node->b->kind != CSL_UNDEFINED;
    return g->is_var && !g->is_param && !given && t->kind != CSL_T_STRUCT;
}

static bool add_symbol(csl_sema *s, csl_global *g) {
    const csl_type *t = g->type->kind == CSL_T_ARRAY ? g->type->elem : g->type;
    uint32_t line, source;
    const char *name = link_name(s, g);
    if (!name) return false;
    csl_line_of(s, g->module, g->node, &source, &line);
    isa_symbol *sym = csl_new_symbol(s);
    if (!sym) return false;
    uint32_t words = t->words > 4 ? 1 : t->words; /* hosts see larger things as words */
    *sym = (isa_symbol){.name = name, .kind = ISA_SYM_DATA, .scalar = (uint8_t)(t->words > 4 ? ISA_T_OTHER : scalar_of(t)), .bits = (uint8_t)(words * 16),
                        .word = g->word, .elements = words ? g->type->words / words : 0, .source = source, .line = line,
                        .undefined = has_no_value(g), .type = type_text(s, g->type)};
    g->symbol = s->out->symbol_count;
    return true;
}

bool csl_place_global(csl_sema *s, csl_global *g, const csl_node *at) {
    if (g->placed) return true;
    if (!csl_ready(s, g, at)) return false;
    if (s->depth > CSL_DEPTH_MAX) return csl_too_deep(s, at), false; /* values may point on and on */
    if (!s->out) {
        csl_error(s, at, "'%s' has no address while the layout is evaluated", g->name);
        return false;
    }
    if (g->type->comptime_only) {
        csl_error(s, at, "'%s' of type '%s' exists at compile time only and has no address", g->name, g->type->text);
        return false;
    }
    uint32_t align;
    if (!alignment(s, g, &align)) return false;
    bool small = g->type->kind != CSL_T_ARRAY && align == 1;
    if (!(small ? reserve_small(s, g->type->words, at, &g->word) : reserve_words(s, g->type->words, align, at, &g->word))) return false;
    g->placed = true;
    s->depth++;
    bool stored = csl_store_known(s, g->type, &g->value, s->out->data + g->word, g->node);
    s->depth--;
    if (!stored) return false;
    return add_symbol(s, g);
}

/* A constant that code must index or point to: a nameless place in PE memory. */
static bool materialise(csl_sema *s, const csl_value *v, const csl_node *at, uint16_t *word) {
    if (!csl_all_known(v)) {
        csl_error(s, at, "this %s holds values of run time; make it a variable first", v->type->kind == CSL_T_ARRAY ? "array" : "struct");
        return false;
    }
    if (!reserve_words(s, v->type->words, 1, at, word)) return false;
    return csl_store_known(s, v->type, v, s->out->data + *word, at);
}

static void put32(uint16_t *w, uint32_t x) { w[0] = (uint16_t)x, w[1] = (uint16_t)(x >> 16); }

bool csl_store_known(csl_sema *s, const csl_type *t, const csl_value *v, uint16_t *words, const csl_node *at) {
    switch (t->kind) {
    case CSL_T_VOID: return true;
    case CSL_T_ARRAY:
        if (!t->words) return true;
        if (v->splat && t->count > 1) {
            if (!csl_store_known(s, t->elem, v->elems, words, at)) return false;
            for (uint32_t i = 1; i < t->count; i++) memcpy(words + i * t->elem->words, words, t->elem->words * 2);
            return true;
        }
        for (uint32_t i = 0; i < t->count; i++)
            if (!csl_store_known(s, t->elem, csl_elem(v, i), words + i * t->elem->words, at)) return false;
        return true;
    case CSL_T_STRUCT:
        for (uint32_t i = 0; i < t->count; i++)
            if (!csl_store_known(s, t->members[i].type, csl_elem(v, i), words + t->members[i].word, at)) return false;
        return true;
    case CSL_T_FLOAT:
        if (t->bits == 32) {
            float f = (float)v->f;
            uint32_t bits;
            memcpy(&bits, &f, 4);
            put32(words, bits);
        } else {
            words[0] = t->sub == CSL_FP_BF16 ? csl_bf16_bits(v->f) : csl_f16_bits(v->f);
        }
        return true;
    case CSL_T_POINTER: {
        if (t->elem->kind == CSL_T_FN) {
            if (!v->fn) return true; /* undefined */
            csl_error(s, at, "function pointers in initial values are not supported; assign them in code");
            return false;
        }
        if (v->p.cell) {
            csl_error(s, at, "a pointer to a comptime variable does not exist at run time");
            return false;
        }
        if (v->p.global && !csl_place_global(s, v->p.global, at)) return false;
        words[0] = (uint16_t)((v->p.global ? v->p.global->word : 0) + v->p.word);
        return true;
    }
    case CSL_T_DSD:
        put32(words, (uint32_t)v->dsd);
        put32(words + 2, (uint32_t)(v->dsd >> 32));
        return true;
    case CSL_T_UNION: csl_error(s, at, "unions are not supported at run time"); return false;
    default:
        for (uint32_t i = 0; i < t->words; i++) words[i] = (uint16_t)(v->i >> (i < 8 ? 16 * i : 127));
        return true;
    }
}

/* ---- places ---- */

static csl_place global_place(csl_sema *s, csl_global *g, const csl_node *at) {
    if (!csl_ready(s, g, at)) return nowhere();
    if (!g->is_var) return in_cell(g->type, &g->value, true);
    if (s->in_layout || g->type->comptime_only) return in_cell(g->type, &g->value, false);
    if (!csl_place_global(s, g, at)) return nowhere();
    return in_memory(g->type, 0, g->word, g, false);
}

static csl_place binding_place(csl_sema *s, csl_binding *b, const csl_node *at) {
    csl_place p;
    switch ((csl_bind_kind)b->kind) {
    case CSL_BIND_CELL: return in_cell(b->type, b->cell, b->is_const);
    case CSL_BIND_REG:
        p = (csl_place){.kind = CSL_AT_REG, .type = b->type, .is_const = b->is_const};
        p.reg[0] = b->reg[0], p.reg[1] = b->reg[1];
        return p;
    case CSL_BIND_MEM: return in_memory(b->type, csl_emit(s, at, IR_FRAME, 0, 0, b->slot), 0, NULL, b->is_const);
    case CSL_BIND_VALUE: break;
    }
    if (!b->value.type) return nowhere(); /* its declaration failed and was told */
    if (b->value.where == CSL_MEM) return in_memory(b->type, b->value.mem.base, b->value.mem.offset, NULL, true);
    if (b->value.where == CSL_REG) {
        p = (csl_place){.kind = CSL_AT_REG, .type = b->type, .is_const = true};
        p.reg[0] = b->value.reg[0], p.reg[1] = b->value.reg[1];
        return p;
    }
    return in_cell(b->value.type, &b->value, true);
}

static csl_place name_place(csl_sema *s, const csl_node *n) {
    csl_binding *b = csl_lookup(s, n->name);
    if (b) return binding_place(s, b, n);
    csl_global *g = csl_find_global(s->module, n->name);
    if (g) return global_place(s, g, n);
    csl_value v = csl_name(s, n);
    if (!v.type) return nowhere();
    csl_value *cell = csl_cell(s, v);
    return cell ? in_cell(v.type, cell, true) : nowhere();
}

/* What a pointer value points to. */
static csl_place pointee(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at) {
    bool is_const = v.type->is_const;
    if (v.where == CSL_KNOWN && v.p.cell && v.p.cell->type != t && !(v.type->many && v.p.cell->type && v.p.cell->type->kind == CSL_T_ARRAY))
        return place_fail(csl_error(s, at, "a comptime pointer to '%s' cannot be used as '%s'", v.p.cell->type ? v.p.cell->type->text : "nothing", v.type->text));
    if (v.where == CSL_KNOWN && v.p.cell) return in_cell(t, v.p.cell, is_const);
    if (v.where == CSL_KNOWN && v.p.global) {
        if (!csl_place_global(s, v.p.global, at)) return nowhere();
        return in_memory(t, 0, (int32_t)(v.p.global->word + v.p.word), v.p.global, is_const);
    }
    if (v.where == CSL_KNOWN) return in_memory(t, 0, (int32_t)v.p.word, NULL, is_const);
    return in_memory(t, v.reg[0], 0, NULL, is_const);
}

static csl_place member_place(csl_sema *s, const csl_node *n) {
    /* A module's member? Modules are values, never places. */
    csl_value base = {0};
    if (n->a->kind == CSL_NAME || n->a->kind == CSL_MEMBER) {
        csl_binding *b = n->a->kind == CSL_NAME ? csl_lookup(s, n->a->name) : NULL;
        csl_global *g = n->a->kind == CSL_NAME && !b ? csl_find_global(s->module, n->a->name) : NULL;
        if (g && !g->is_var) base = csl_global_value(s, g, n->a);
        else if (b && b->kind == CSL_BIND_VALUE) base = b->value;
        else if (n->a->kind == CSL_MEMBER) {
            csl_place outer = csl_eval_place(s, n->a);
            if (outer.kind == CSL_AT_NOWHERE) return outer;
            if (outer.kind == CSL_AT_CELL && outer.type->kind == CSL_T_MODULE) base = *outer.cell;
        }
        if (g && !g->is_var && !base.type) return nowhere();
    }
    if (base.type && base.type->kind == CSL_T_MODULE) {
        csl_global *g = csl_find_global(base.module, n->name);
        if (g) return global_place(s, g, n);
        csl_value v = csl_member_of(s, base, n);
        csl_value *cell = v.type ? csl_cell(s, v) : NULL;
        return cell ? in_cell(v.type, cell, true) : nowhere();
    }
    csl_place p = csl_eval_place(s, n->a);
    if (p.kind == CSL_AT_NOWHERE) return p;
    if (p.type->kind == CSL_T_POINTER && p.type->elem->kind == CSL_T_STRUCT) p = pointee(s, csl_load(s, &p), p.type->elem, n);
    if (p.kind == CSL_AT_NOWHERE) return p;
    if (p.kind == CSL_AT_CELL && p.type->kind == CSL_T_TYPE) {
        csl_value v = csl_member_of(s, *p.cell, n);
        csl_value *cell = v.type ? csl_cell(s, v) : NULL;
        return cell ? in_cell(v.type, cell, true) : nowhere();
    }
    if (p.type->kind != CSL_T_STRUCT && p.type->kind != CSL_T_UNION && p.type->kind != CSL_T_ANY_STRUCT)
        return place_fail(csl_error(s, n, "'%s' has no members", p.type->text));
    const csl_type *t = p.kind == CSL_AT_CELL ? p.cell->type : p.type;
    const csl_member *m = csl_find_member(t, n->name);
    if (!m) return place_fail(csl_error(s, n, "no member '%.*s' in '%s'", (int)n->name.n, n->name.p, t->text));
    if (p.kind == CSL_AT_CELL) {
        csl_value *e = p.cell->elems + (m - t->members);
        if (e->where == CSL_KNOWN) return in_cell(m->type, e, p.is_const);
        if (e->where == CSL_MEM) return in_memory(m->type, e->mem.base, e->mem.offset, NULL, true);
        csl_place r = {.kind = CSL_AT_REG, .type = e->type, .is_const = true};
        r.reg[0] = e->reg[0], r.reg[1] = e->reg[1];
        return r;
    }
    return in_memory(m->type, p.mem.base, p.mem.offset + (int32_t)m->word, p.mem.global, p.is_const);
}

/* The row-major position of an element: a known part and a run-time part (register, 0 = none), in elements. */
typedef struct {
    bool ok;
    int64_t known;
    ir_reg reg;
} position;

static position add_index(csl_sema *s, position p, csl_value v, uint32_t extent, uint32_t scale, const csl_node *at) {
    if (v.where == CSL_KNOWN) {
        if (extent && (v.i < 0 || v.i >= extent)) {
            csl_error(s, at, "index %" PRId64 " is outside 0..%" PRIu32, (int64_t)v.i, extent - 1);
            return (position){0};
        }
        p.known += (int64_t)v.i * scale;
        return p;
    }
    ir_reg r = csl_reg(s, v, at);
    if (scale != 1) r = csl_emit(s, at, ISA_MUL_U16, r, csl_reg(s, csl_int(s->unit->types.u16, scale), at), 0);
    p.reg = p.reg ? csl_emit(s, at, ISA_ADD_U16, p.reg, r, 0) : r;
    return p;
}

static position indices(csl_sema *s, const csl_type *array, const csl_node *first, const csl_node *at) {
    position p = {.ok = true};
    uint32_t rank = array ? array->rank : 1, i = 0, scale = array ? array->count : 1;
    for (const csl_node *n = first; n; n = n->next, i++) {
        if (i >= rank) break;
        csl_value v = csl_eval(s, n);
        if (!v.type) return (position){0};
        if (!csl_is_int(v.type)) {
            csl_error(s, n, "an index must be an integer, not '%s'", v.type->text);
            return (position){0};
        }
        if (array) scale = array->extents[i] ? scale / array->extents[i] : 0;
        p = add_index(s, p, v, array ? array->extents[i] : 0, scale ? scale : 1, n);
        if (!p.ok) return p;
    }
    uint32_t given = 0;
    for (const csl_node *n = first; n; n = n->next) given++;
    if (given != rank) {
        csl_error(s, at, "%" PRIu32 " indices for an array of rank %" PRIu32, given, rank);
        return (position){0};
    }
    return p;
}

static ir_reg scaled(csl_sema *s, ir_reg r, uint32_t words, const csl_node *at) {
    if (words == 1) return r;
    if (words == 2) return csl_emit(s, at, ISA_SHLI, r, 0, 1);
    if (words == 4) return csl_emit(s, at, ISA_SHLI, r, 0, 2);
    return csl_emit(s, at, ISA_MUL_U16, r, csl_reg(s, csl_int(s->unit->types.u16, words), at), 0);
}

static csl_place element(csl_sema *s, csl_place base, const csl_type *elem, position at, const csl_node *n) {
    if (base.kind == CSL_AT_CELL && !at.reg) {
        if (at.known < 0 || at.known >= base.cell->type->count)
            return place_fail(csl_error(s, n, "index %" PRId64 " is outside '%s'", at.known, base.cell->type->text));
        if (!csl_expand(s, base.cell)) return nowhere();
        csl_value *e = base.cell->elems + at.known;
        if (e->where == CSL_MEM) return in_memory(elem, e->mem.base, e->mem.offset, NULL, true);
        if (e->where == CSL_REG) {
            csl_place r = {.kind = CSL_AT_REG, .type = e->type, .is_const = true};
            r.reg[0] = e->reg[0], r.reg[1] = e->reg[1];
            return r;
        }
        return in_cell(e->type, e, base.is_const);
    }
    if (base.kind == CSL_AT_CELL) { /* a constant array, indexed at run time */
        uint16_t word;
        if (!csl_emits(s)) return place_fail(csl_not_known(s, n, "this index"));
        if (elem->comptime_only) return place_fail(csl_error(s, n, "elements of '%s' exist at compile time only: the index must be known", base.type->text));
        if (!csl_all_known(base.cell)) return place_fail(csl_error(s, n, "this array must be a variable to be indexed at run time"));
        if (!materialise(s, base.cell, n, &word)) return nowhere();
        base = in_memory(base.type, 0, word, NULL, true);
    }
    int32_t offset = base.mem.offset + (int32_t)(at.known * elem->words);
    if (!at.reg) return in_memory(elem, base.mem.base, offset, base.mem.global, base.is_const);
    ir_reg r = scaled(s, at.reg, elem->words, n);
    if (base.mem.base) r = csl_emit(s, n, ISA_ADD_U16, base.mem.base, r, 0);
    return in_memory(elem, r, offset, base.mem.global, base.is_const);
}

/* A constant global array that is indexed at run time keeps one place in memory. */
static csl_place const_global_memory(csl_sema *s, const csl_node *n, csl_place p, bool runtime_index) {
    if (p.kind != CSL_AT_CELL || !runtime_index || !csl_emits(s)) return p;
    csl_global *g = NULL;
    if (n->kind == CSL_NAME && !csl_lookup(s, n->name)) g = csl_find_global(s->module, n->name);
    if (!g || g->type->comptime_only || &g->value != p.cell) return p;
    if (!csl_place_global(s, g, n)) return nowhere();
    return in_memory(g->type, 0, g->word, g, true);
}

static csl_place index_place(csl_sema *s, const csl_node *n) {
    csl_place base = csl_eval_place(s, n->a);
    if (base.kind == CSL_AT_NOWHERE) return base;
    if (base.type->kind == CSL_T_POINTER) {
        const csl_type *to = base.type->elem;
        csl_value p = csl_load(s, &base);
        if (!p.type) return nowhere();
        if (to->kind == CSL_T_ARRAY && !base.type->many) {
            base = pointee(s, p, to, n);
            if (base.kind == CSL_AT_NOWHERE) return base;
        } else {
            if (!base.type->many) return place_fail(csl_error(s, n, "'%s' points to one value; write p.*", base.type->text));
            position at = indices(s, NULL, n->b, n);
            if (!at.ok) return nowhere();
            base = pointee(s, p, to, n);
            if (base.kind == CSL_AT_NOWHERE) return base;
            if (base.kind == CSL_AT_CELL && p.p.cell->type->kind != CSL_T_ARRAY) return place_fail(csl_error(s, n, "this comptime pointer cannot be indexed"));
            return element(s, base, to, at, n);
        }
    }
    const csl_type *t = base.kind == CSL_AT_CELL ? base.cell->type : base.type;
    if (t->kind == CSL_T_STRUCT && t->tuple && (base.kind == CSL_AT_CELL || base.kind == CSL_AT_MEM)) {
        __int128 i;
        if (!n->b || n->b->next) return place_fail(csl_error(s, n, "a tuple takes one index"));
        if (!csl_eval_int(s, n->b, 0, (__int128)t->count - 1, "a tuple index", &i)) return nowhere();
        const csl_member *m = &t->members[i];
        if (base.kind == CSL_AT_MEM) return in_memory(m->type, base.mem.base, base.mem.offset + (int32_t)m->word, base.mem.global, base.is_const);
        return element(s, base, m->type, (position){.ok = true, .known = (int64_t)i}, n);
    }
    if (t->kind != CSL_T_ARRAY) return place_fail(csl_error(s, n, "'%s' cannot be indexed", t->text));
    position at = indices(s, t, n->b, n);
    if (!at.ok) return nowhere();
    base = const_global_memory(s, n->a, base, at.reg != 0);
    return base.kind == CSL_AT_NOWHERE ? base : element(s, base, t->elem, at, n);
}

static csl_place deref_place(csl_sema *s, const csl_node *n) {
    csl_value v = csl_eval(s, n->a);
    if (!v.type) return nowhere();
    if (v.type->kind != CSL_T_POINTER || v.type->many || v.type->elem->kind == CSL_T_FN)
        return place_fail(csl_error(s, n, "'.*' needs a pointer to one value, not '%s'", v.type->text));
    return pointee(s, v, v.type->elem, n);
}

csl_place csl_eval_place(csl_sema *s, const csl_node *n) {
    switch (n->kind) {
    case CSL_NAME: return name_place(s, n);
    case CSL_MEMBER: return member_place(s, n);
    case CSL_INDEX: return index_place(s, n);
    case CSL_DEREF: return deref_place(s, n);
    default: break;
    }
    csl_value v = csl_eval(s, n);
    if (!v.type) return nowhere();
    if (v.where == CSL_MEM) return in_memory(v.type, v.mem.base, v.mem.offset, NULL, true);
    if (v.where == CSL_REG) {
        csl_place p = {.kind = CSL_AT_REG, .type = v.type, .is_const = true};
        p.reg[0] = v.reg[0], p.reg[1] = v.reg[1];
        return p;
    }
    csl_value *cell = csl_elems_new(s, 1);
    if (!cell) return nowhere();
    *cell = v;
    return in_cell(v.type, cell, true);
}

/* ---- loads and stores ---- */

static bool in_two(const csl_type *t) { return t->words > 2 && t->words <= 4 && t->kind != CSL_T_ARRAY && t->kind != CSL_T_STRUCT; }

static bool signed_word(const csl_type *t) {
    while (t->kind == CSL_T_ENUM) t = t->elem;
    return t->kind == CSL_T_INT && t->is_signed;
}

csl_value csl_load(csl_sema *s, const csl_place *p) {
    if (p->kind == CSL_AT_NOWHERE) return CSL_NOTHING;
    if (p->kind == CSL_AT_CELL) return p->is_const ? *p->cell : csl_copy(s, *p->cell);
    if (p->kind == CSL_AT_REG) return csl_in_regs(p->type, p->reg[0], p->reg[1]);
    const csl_type *t = p->type;
    if (t->comptime_only) return csl_error(s, s->at, "a value of type '%s' exists at compile time only; memory of the program holds none", t->text);
    if (!csl_emits(s)) {
        csl_error(s, s->at, "the value of a variable is not known at compile time");
        return CSL_NOTHING;
    }
    if (t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT || t->kind == CSL_T_UNION) {
        csl_value v = {.type = t, .where = CSL_MEM};
        v.mem.base = p->mem.base, v.mem.offset = p->mem.offset;
        return v;
    }
    if (t->words > 4) return csl_error(s, s->at, "'%s' is too wide for run time; at most 64 bits are supported", t->text);
    if (in_two(t)) {
        ir_reg low = csl_emit(s, s->at, ISA_LD32, p->mem.base, 0, p->mem.offset);
        return csl_in_regs(t, low, csl_emit(s, s->at, ISA_LD32, p->mem.base, 0, p->mem.offset + 2));
    }
    uint16_t op = t->words == 2 ? ISA_LD32 : signed_word(t) ? ISA_LD16S : ISA_LD16U;
    return csl_in_reg(t, csl_emit(s, s->at, op, p->mem.base, 0, p->mem.offset));
}

static bool store_word(csl_sema *s, uint16_t op, ir_reg v, ir_reg base, int32_t offset, const csl_node *at) {
    return csl_emit_raw(s, at, (ir_instr){.op = op, .d = v, .a = base, .imm = offset}) != NULL;
}

/* Fills an array with one value. */
static bool store_splat(csl_sema *s, const csl_place *p, const csl_value *elem, const csl_node *at) {
    const csl_type *t = p->type;
    ir_reg v[2] = {0};
    if (t->elem->words > 2 || t->elem->kind == CSL_T_STRUCT) return false;
    v[0] = csl_reg(s, *elem, at);
    ir_reg i = csl_emit(s, at, ISA_MOVI, 0, 0, 0), end = csl_emit(s, at, ISA_MOVI, 0, 0, t->words);
    uint32_t top = ir_new_label(s->fn);
    csl_emit_raw(s, at, (ir_instr){.op = IR_LABEL, .imm = top});
    ir_reg to = p->mem.base ? csl_emit(s, at, ISA_ADD_U16, p->mem.base, i, 0) : i;
    store_word(s, t->elem->words == 2 ? ISA_ST32 : ISA_ST16, v[0], to, p->mem.offset, at);
    csl_emit_raw(s, at, (ir_instr){.op = ISA_ADDI_U16, .d = i, .a = i, .imm = t->elem->words});
    return csl_emit_raw(s, at, (ir_instr){.op = ISA_BLTU, .a = i, .b = end, .imm = top}) != NULL;
}

static bool copy_words(csl_sema *s, ir_reg from, int32_t from_offset, const csl_place *to, uint32_t words, const csl_node *at) {
    ir_reg a = from ? csl_emit(s, at, ISA_ADDI_U16, from, 0, from_offset) : csl_emit(s, at, ISA_MOVI, 0, 0, from_offset);
    ir_reg b = to->mem.base ? csl_emit(s, at, ISA_ADDI_U16, to->mem.base, 0, to->mem.offset) : csl_emit(s, at, ISA_MOVI, 0, 0, to->mem.offset);
    return csl_emit_raw(s, at, (ir_instr){.op = IR_COPY, .a = a, .b = b, .imm = words}) != NULL;
}

static bool store_parts(csl_sema *s, const csl_place *p, const csl_value *v, const csl_node *at) {
    const csl_type *t = p->type;
    if (v->splat && t->count > 4 && store_splat(s, p, v->elems, at)) return true;
    if (csl_all_known(v) && t->words > 8) {
        uint16_t word;
        return materialise(s, v, at, &word) && copy_words(s, 0, word, p, t->words, at);
    }
    for (uint32_t i = 0; i < t->count; i++) {
        bool array = t->kind == CSL_T_ARRAY;
        csl_place e = in_memory(array ? t->elem : t->members[i].type, p->mem.base,
                                p->mem.offset + (int32_t)(array ? i * t->elem->words : t->members[i].word), NULL, false);
        if (!csl_store(s, &e, *csl_elem(v, i), at)) return false;
    }
    return true;
}

static bool store_memory(csl_sema *s, const csl_place *p, csl_value v, const csl_node *at) {
    const csl_type *t = p->type;
    if (t->kind == CSL_T_ARRAY || t->kind == CSL_T_STRUCT) {
        if (v.where == CSL_MEM) return copy_words(s, v.mem.base, v.mem.offset, p, t->words, at);
        return store_parts(s, p, &v, at);
    }
    if (t->words > 4 || t->kind == CSL_T_UNION) {
        csl_error(s, at, "'%s' is not supported at run time", t->text);
        return false;
    }
    if (in_two(t)) {
        ir_reg r[2];
        return csl_regs(s, v, at, r) && store_word(s, ISA_ST32, r[0], p->mem.base, p->mem.offset, at) &&
               store_word(s, ISA_ST32, r[1], p->mem.base, p->mem.offset + 2, at);
    }
    ir_reg r = csl_reg(s, v, at);
    return r && store_word(s, t->words == 2 ? ISA_ST32 : ISA_ST16, r, p->mem.base, p->mem.offset, at);
}

bool csl_store(csl_sema *s, const csl_place *p, csl_value v, const csl_node *at) {
    switch ((csl_place_kind)p->kind) {
    case CSL_AT_CELL:
        if (!csl_all_known(&v)) {
            csl_not_known(s, at, "a value for a comptime variable");
            return false;
        }
        *p->cell = csl_keep(s, v);
        return true;
    case CSL_AT_REG: return csl_move(s, p->reg, v, at);
    case CSL_AT_MEM:
        if (!csl_emits(s)) {
            csl_error(s, at, "a variable of the program cannot be changed at compile time");
            return false;
        }
        return store_memory(s, p, v, at);
    case CSL_AT_NOWHERE: break;
    }
    return false;
}

csl_value csl_slot_value(csl_sema *s, const csl_type *t, const csl_node *at, uint32_t *slot) {
    if (t->words > ISA_SRAM_WORDS) return csl_error(s, at, "'%s' takes %" PRIu32 " words, more than the %d of a PE's memory", t->text, t->words, ISA_SRAM_WORDS);
    *slot = ir_new_slot(s->ir, s->fn, t->words ? t->words : 1);
    if (*slot == UINT32_MAX) return csl_oom(s);
    csl_value v = {.type = t, .where = CSL_MEM};
    v.mem.base = csl_emit(s, at, IR_FRAME, 0, 0, *slot), v.mem.offset = 0;
    return v;
}

csl_pointer csl_known_pointer(const csl_value *v) { return v->p; }

bool csl_address(csl_sema *s, csl_value v, const csl_node *at, ir_reg *reg, int32_t *imm) {
    *reg = 0, *imm = 0;
    if (!v.type) return false;
    if (v.where == CSL_MEM) return *reg = v.mem.base, *imm = v.mem.offset, true;
    if (v.type->kind != CSL_T_POINTER) {
        if (v.where == CSL_KNOWN && (v.type->kind == CSL_T_ARRAY || v.type->kind == CSL_T_STRUCT) && s->out) {
            uint16_t word;
            if (!materialise(s, &v, at, &word)) return false;
            return *imm = word, true;
        }
        csl_error(s, at, "'%s' has no address; a pointer or an array is needed", v.type->text);
        return false;
    }
    if (v.where == CSL_REG) return *reg = v.reg[0], true;
    if (v.p.cell) {
        csl_error(s, at, "a pointer to a comptime variable does not exist at run time");
        return false;
    }
    if (v.p.global && !csl_place_global(s, v.p.global, at)) return false;
    *imm = (int32_t)((v.p.global ? v.p.global->word : 0) + v.p.word);
    return true;
}
