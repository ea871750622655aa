/* What operators do to values, as in Python: floor division and modulo round down, "/" always gives a float. */
#include "llm/jinja_internal.h"
#include <math.h>

static const char *op_text(jinja_op op) {
    static const char *const text[] = {
        [OP_OR] = "or", [OP_AND] = "and", [OP_ADD] = "+",         [OP_SUB] = "-", [OP_CONCAT] = "~",
        [OP_MUL] = "*", [OP_DIV] = "/",   [OP_FLOORDIV] = "//",   [OP_MOD] = "%", [OP_POW] = "**",
        [OP_EQ] = "==", [OP_NE] = "!=",   [OP_LT] = "<",          [OP_LE] = "<=", [OP_GT] = ">",
        [OP_GE] = ">=", [OP_IN] = "in",   [OP_NOT_IN] = "not in",
    };
    return text[op];
}

static jinja_value no_meaning(jinja_state *j, jinja_op op, jinja_value a, jinja_value b) {
    if (jinja_no_undefined(j, a) && jinja_no_undefined(j, b))
        jinja_fail(j, "'%s' has no meaning between %s and %s", op_text(op), jinja_type_name(a), jinja_type_name(b));
    return jinja_nothing();
}

/* ---- numbers ---- */
static bool power(int64_t base, int64_t exponent, int64_t *out) {
    int64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) return false;
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return false;
    }
    return *out = result, true;
}

/* b is not 0 for division; INT64_MIN / -1 does not fit. */
static bool divide(jinja_op op, int64_t a, int64_t b, int64_t *out) {
    if (b == -1) return op == OP_MOD ? (*out = 0, true) : !__builtin_sub_overflow((int64_t)0, a, out);
    int64_t q = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) q--, rest += b;
    *out = op == OP_MOD ? rest : q;
    return true;
}

static jinja_value integers(jinja_state *j, jinja_op op, int64_t a, int64_t b) {
    int64_t v = 0;
    bool fits = true;
    switch (op) {
    case OP_ADD: fits = !__builtin_add_overflow(a, b, &v); break;
    case OP_SUB: fits = !__builtin_sub_overflow(a, b, &v); break;
    case OP_MUL: fits = !__builtin_mul_overflow(a, b, &v); break;
    case OP_POW: fits = power(a, b, &v); break;
    default: fits = divide(op, a, b, &v);
    }
    if (!fits) jinja_fail(j, "the result of '%s' does not fit in 64 bits", op_text(op));
    return jinja_int(v);
}

static jinja_value reals(jinja_op op, double a, double b) {
    double rest;
    switch (op) {
    case OP_ADD: return jinja_float(a + b);
    case OP_SUB: return jinja_float(a - b);
    case OP_MUL: return jinja_float(a * b);
    case OP_DIV: return jinja_float(a / b);
    case OP_POW: return jinja_float(pow(a, b));
    case OP_FLOORDIV: return jinja_float(floor(a / b));
    default:
        rest = fmod(a, b);
        return jinja_float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
}

static jinja_value numbers(jinja_state *j, jinja_op op, jinja_value a, jinja_value b) {
    int64_t i, k;
    double x = 0, y = 0;
    jinja_number(a, &x);
    jinja_number(b, &y);
    if (y == 0 && (op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD)) {
        jinja_fail(j, "division by zero");
        return jinja_nothing();
    }
    bool whole = jinja_integer(a, &i) && jinja_integer(b, &k);
    if (whole && op != OP_DIV && !(op == OP_POW && k < 0)) return integers(j, op, i, k);
    return reals(op, x, y);
}

/* ---- strings and lists ---- */
static jinja_value join(jinja_state *j, const jinja_string *a, const jinja_string *b, bool escaped) {
    jinja_builder out = {.j = j};
    jinja_add_string(&out, a);
    jinja_add_string(&out, b);
    return jinja_mark_escaped(j, jinja_built(&out), escaped);
}

static jinja_value add_strings(jinja_state *j, jinja_value a, jinja_value b) {
    bool escaped = a.string->escaped || b.string->escaped;
    if (escaped && !a.string->escaped) a = jinja_escape(j, a.string);
    if (escaped && !b.string->escaped) b = jinja_escape(j, b.string);
    return j->failed ? jinja_nothing() : join(j, a.string, b.string, escaped);
}

static void push_all(jinja_state *j, jinja_value out, const jinja_list *l) {
    for (size_t i = 0; i < l->count && !j->failed; i++) jinja_push(j, out, l->items[i]);
}

static jinja_value add_lists(jinja_state *j, jinja_value a, jinja_value b) {
    jinja_value out = jinja_new_list(j, a.type);
    if (!j->failed) push_all(j, out, a.list), push_all(j, out, b.list);
    return out;
}

static jinja_value repeat(jinja_state *j, jinja_value v, int64_t times) {
    if (v.type == JINJA_STRING) {
        jinja_builder b = {.j = j};
        jinja_add_repeated(&b, v.string, times);
        return jinja_mark_escaped(j, jinja_built(&b), v.string->escaped);
    }
    jinja_value out = jinja_new_list(j, v.type);
    for (int64_t i = 0; i < times && v.list->count && !j->failed; i++) push_all(j, out, v.list);
    return out;
}

static bool is_sequence(jinja_value v) { return v.type == JINJA_LIST || v.type == JINJA_TUPLE; }
static bool repeats(jinja_value v) { return v.type == JINJA_STRING || is_sequence(v); }

jinja_value jinja_binary(jinja_state *j, jinja_op op, jinja_value a, jinja_value b) {
    double x;
    int64_t times;
    if (!jinja_charge(j, 1)) return jinja_nothing();
    if (op == OP_CONCAT) {
        const jinja_string *left = jinja_str(j, a), *right = jinja_str(j, b);
        return join(j, left, right, false);
    }
    if (jinja_number(a, &x) && jinja_number(b, &x)) return numbers(j, op, a, b);
    if (op == OP_MOD && a.type == JINJA_STRING) return jinja_percent(j, a.string, b);
    if (op == OP_ADD && a.type == JINJA_STRING && b.type == JINJA_STRING) return add_strings(j, a, b);
    if (op == OP_ADD && is_sequence(a) && a.type == b.type) return add_lists(j, a, b);
    if (op == OP_MUL && repeats(a) && jinja_integer(b, &times)) return repeat(j, a, times);
    if (op == OP_MUL && repeats(b) && jinja_integer(a, &times)) return repeat(j, b, times);
    return no_meaning(j, op, a, b);
}

jinja_value jinja_unary(jinja_state *j, int mode, jinja_value v) {
    int64_t i;
    if (mode == 'n') return jinja_bool(!jinja_truth(v));
    if (jinja_integer(v, &i)) return mode == '-' ? integers(j, OP_SUB, 0, i) : jinja_int(i);
    if (v.type == JINJA_FLOAT) return jinja_float(mode == '-' ? -v.real : v.real);
    if (jinja_no_undefined(j, v)) jinja_fail(j, "'%c' has no meaning before %s", mode, jinja_type_name(v));
    return jinja_nothing();
}

bool jinja_compare(jinja_state *j, jinja_op op, jinja_value a, jinja_value b) {
    switch (op) {
    case OP_EQ: return jinja_equal(j, a, b);
    case OP_NE: return !jinja_equal(j, a, b);
    case OP_LT: return jinja_order(j, a, b, "<") < 0;
    case OP_LE: return jinja_order(j, a, b, "<=") <= 0;
    case OP_GT: return jinja_order(j, a, b, ">") > 0;
    case OP_GE: return jinja_order(j, a, b, ">=") >= 0;
    case OP_IN: return jinja_contains(j, a, b);
    default: return !jinja_contains(j, a, b);
    }
}
