/* Where a descriptor begins, and tensor_access: |i, j|{m, n} -> array[affine, ...].
 *
 * The index expressions are computed as affine forms k + c0*i + c1*j + ..., then folded with the row-major strides of
 * the array into one form over its elements. No bounds check: descriptors are made over small arrays and moved later.
 */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

/* ---- base addresses ---- */

const csl_type *csl_base_element(const csl_base *b) { return b->type->kind == CSL_T_ARRAY ? b->type->elem : b->type; }

bool csl_base_of_value(csl_sema *s, csl_value v, const csl_node *n, const char *what, csl_base *out) {
    if (!v.type) return false;
    bool pointer = v.type->kind == CSL_T_POINTER && v.type->elem->kind != CSL_T_FN;
    if (!pointer && v.type->kind != CSL_T_ARRAY)
        return csl_refuse(s, n, "%s: expected an array or a pointer, got '%s'", what, v.type->text);
    out->type = pointer ? v.type->elem : v.type;
    out->many = pointer && v.type->many;
    return csl_address(s, v, n, &out->reg, &out->imm);
}

/* A constant array gets a place in memory when a descriptor needs one. */
static bool constant_base(csl_sema *s, const csl_place *p, const csl_node *n, const char *what, csl_base *out) {
    csl_global *g = n->kind == CSL_NAME && !csl_lookup(s, n->name) ? csl_find_global(s->module, n->name) : NULL;
    if (g && p->cell == &g->value) {
        if (!csl_place_global(s, g, n)) return false;
        *out = (csl_base){.imm = g->word, .type = g->type};
        return true;
    }
    return csl_base_of_value(s, csl_load(s, p), n, what, out);
}

bool csl_base_of(csl_sema *s, const csl_node *n, const char *what, csl_base *out) {
    *out = (csl_base){0};
    if (n->kind != CSL_NAME && n->kind != CSL_MEMBER && n->kind != CSL_INDEX && n->kind != CSL_DEREF)
        return csl_base_of_value(s, csl_eval(s, n), n, what, out);
    csl_place p = csl_eval_place(s, n);
    if (p.kind == CSL_AT_NOWHERE) return false;
    if (p.type->kind == CSL_T_POINTER) return csl_base_of_value(s, csl_load(s, &p), n, what, out);
    if (p.type->kind != CSL_T_ARRAY)
        return csl_refuse(s, n, "%s: expected an array or a pointer, got '%s'", what, p.type->text);
    if (p.kind == CSL_AT_CELL) return constant_base(s, &p, n, what, out);
    *out = (csl_base){.reg = p.mem.base, .imm = p.mem.offset, .type = p.type};
    return true;
}

/* ---- affine forms ---- */

typedef struct {
    int64_t k, c[4];
} affine;

static int capture_of(const csl_node *lambda, str name) {
    int i = 0;
    for (const csl_node *c = lambda->c; c; c = c->next, i++)
        if (str_eq(c->name, name)) return i;
    return -1;
}

static bool bounded(csl_sema *s, const affine *a, const csl_node *at) {
    bool ok = a->k >= INT32_MIN && a->k <= INT32_MAX;
    for (int i = 0; i < 4; i++) ok = ok && a->c[i] >= INT32_MIN && a->c[i] <= INT32_MAX;
    return ok || csl_refuse(s, at, "this index leaves the memory of a PE");
}

static bool is_constant(const affine *a) { return !a->c[0] && !a->c[1] && !a->c[2] && !a->c[3]; }

static bool affine_of(csl_sema *s, const csl_node *lambda, const csl_node *n, affine *out);

static bool affine_binary(csl_sema *s, const csl_node *lambda, const csl_node *n, affine *out) {
    affine a, b;
    if (!affine_of(s, lambda, n->a, &a) || !affine_of(s, lambda, n->b, &b)) return false;
    if (n->op == CSL_OP_MUL) {
        if (!is_constant(&a) && !is_constant(&b))
            return csl_refuse(s, n, "tensor_access: this index is not affine: it multiplies loop variables");
        const affine *form = is_constant(&a) ? &b : &a;
        int64_t by = is_constant(&a) ? a.k : b.k;
        out->k = form->k * by;
        for (int i = 0; i < 4; i++) out->c[i] = form->c[i] * by;
    } else {
        int64_t sign = n->op == CSL_OP_SUB ? -1 : 1;
        out->k = a.k + sign * b.k;
        for (int i = 0; i < 4; i++) out->c[i] = a.c[i] + sign * b.c[i];
    }
    return bounded(s, out, n);
}

static bool affine_constant(csl_sema *s, const csl_node *n, affine *out) {
    csl_value v = csl_eval(s, n);
    if (!v.type) return false;
    if (v.where != CSL_KNOWN) return csl_refuse(s, n, "invalid use of non-loop variable in affine expression");
    if (!csl_is_int(v.type))
        return csl_refuse(s, n, "tensor_access: an index must be an integer, not '%s'", v.type->text);
    if (v.i < INT32_MIN || v.i > INT32_MAX) return csl_refuse(s, n, "this index leaves the memory of a PE");
    out->k = (int64_t)v.i;
    return true;
}

/* The tree's height is bounded by the parser. */
static bool affine_of(csl_sema *s, const csl_node *lambda, const csl_node *n, affine *out) {
    *out = (affine){0};
    if (n->kind == CSL_NAME) {
        int i = capture_of(lambda, n->name);
        if (i >= 0) return out->c[i] = 1, true;
    }
    if (n->kind == CSL_BINARY && (n->op == CSL_OP_ADD || n->op == CSL_OP_SUB || n->op == CSL_OP_MUL))
        return affine_binary(s, lambda, n, out);
    if (n->kind == CSL_UNARY && n->op == CSL_OP_NEG) {
        if (!affine_of(s, lambda, n->a, out)) return false;
        out->k = -out->k;
        for (int i = 0; i < 4; i++) out->c[i] = -out->c[i];
        return true;
    }
    if (n->kind == CSL_BUILTIN && str_is(n->name, "as") && csl_arg_count(n) == 2)
        return affine_of(s, lambda, csl_arg(n, 1), out);
    return affine_constant(s, n, out);
}

/* ---- the whole access ---- */

static bool access_extents(csl_sema *s, const csl_node *lambda, csl_access *out) {
    uint32_t captures = 0;
    for (const csl_node *c = lambda->c; c; c = c->next) captures++;
    for (const csl_node *e = lambda->a; e; e = e->next, out->dims++) {
        __int128 n;
        if (out->dims == 4) return csl_refuse(s, e, "tensor_access: at most four loop variables");
        if (!csl_eval_int(s, e, 0, UINT16_MAX, "an extent of tensor_access", &n)) return false;
        out->extent[out->dims] = (uint16_t)n;
    }
    if (captures == out->dims) return true;
    return csl_refuse(s, lambda, "tensor_access: %" PRIu32 " loop variables but %" PRIu32 " extents", captures,
                      out->dims);
}

static bool fold_indices(csl_sema *s, const csl_node *lambda, const csl_base *base, affine *sum) {
    const csl_type *array = base->type->kind == CSL_T_ARRAY ? base->type : NULL;
    uint32_t rank = array ? array->rank : 1, i = 0;
    int64_t scale = array ? array->count : 1;
    *sum = (affine){0};
    for (const csl_node *n = lambda->b->b; n; n = n->next, i++) {
        affine form;
        if (i >= rank) return csl_refuse(s, n, "tensor_access: too many indices for an array of rank %" PRIu32, rank);
        if (!affine_of(s, lambda, n, &form)) return false;
        if (array) scale = array->extents[i] ? scale / array->extents[i] : 0;
        sum->k += form.k * scale;
        for (int k = 0; k < 4; k++) sum->c[k] += form.c[k] * scale;
        if (!bounded(s, sum, n)) return false;
    }
    return i == rank ||
           csl_refuse(s, lambda->b, "tensor_access: %" PRIu32 " indices for an array of rank %" PRIu32, i, rank);
}

bool csl_access_of(csl_sema *s, const csl_node *lambda, csl_access *out) {
    *out = (csl_access){0};
    if (lambda->kind != CSL_LAMBDA || !lambda->b || lambda->b->kind != CSL_INDEX)
        return csl_refuse(s, lambda, "tensor_access: expected '|i|{n} -> array[...]'");
    affine sum;
    if (!access_extents(s, lambda, out) || !csl_base_of(s, lambda->b->a, "tensor_access", &out->base)) return false;
    if (out->base.reg)
        return csl_refuse(s, lambda->b->a,
                          "expression does not yield the address of a variable or a comptime-known pointer");
    if (!fold_indices(s, lambda, &out->base, &sum)) return false;
    for (uint32_t i = 0; i < out->dims; i++) {
        if (sum.c[i] < INT16_MIN || sum.c[i] > INT16_MAX)
            return csl_refuse(s, lambda, "tensor_access: a step of %" PRId64 " elements is too large", sum.c[i]);
        out->stride[i] = (int16_t)sum.c[i];
    }
    out->offset_words = sum.k * csl_base_element(&out->base)->words;
    return true;
}
