/* What values mean: truth, equality, order, membership, walking; and the containers. As in Python, true is 1, 1
 * equals 1.0, and lists never equal tuples. */
#include "llm/jinja_internal.h"
#include <math.h>

/* ---- building from outside ---- */
jinja_value jinja_text(arena *a, str text, bool from_message) {
    jinja_string *s = arena_push(a, jinja_string);
    if (!s) return (jinja_value){0};
    *s = (jinja_string){.text = {text.p ? text.p : "", text.n}, .from_message = from_message};
    return (jinja_value){.type = JINJA_STRING, .string = s};
}

jinja_value jinja_list_new(arena *a) {
    jinja_list *l = arena_push(a, jinja_list);
    return l ? (jinja_value){.type = JINJA_LIST, .list = l} : (jinja_value){0};
}

jinja_value jinja_dict_new(arena *a) {
    jinja_dict *d = arena_push(a, jinja_dict);
    return d ? (jinja_value){.type = JINJA_DICT, .dict = d} : (jinja_value){0};
}

static void *grown(arena *a, void *items, size_t count, size_t *cap, size_t item_bytes) {
    if (count < *cap) return items;
    size_t more = *cap ? *cap * 2 : 8;
    void *fresh = arena_alloc_n(a, more, item_bytes);
    if (!fresh) return NULL;
    if (count) memcpy(fresh, items, count * item_bytes);
    *cap = more;
    return fresh;
}

bool jinja_list_add(arena *a, jinja_value list, jinja_value item) {
    if (list.type != JINJA_LIST) return false;
    jinja_value *items = grown(a, list.list->items, list.list->count, &list.list->cap, sizeof *items);
    if (!items) return false;
    list.list->items = items;
    items[list.list->count++] = item;
    return true;
}

bool jinja_dict_put_value(arena *a, jinja_value dict, jinja_value key, jinja_value value) {
    if (dict.type != JINJA_DICT || key.type != JINJA_STRING) return false;
    jinja_dict *d = dict.dict;
    for (size_t i = 0; i < d->count; i++)
        if (str_eq(d->pairs[i].key.string->text, key.string->text)) return d->pairs[i].value = value, true;
    jinja_pair *pairs = grown(a, d->pairs, d->count, &d->cap, sizeof *pairs);
    if (!pairs) return false;
    d->pairs = pairs;
    pairs[d->count++] = (jinja_pair){key, value};
    return true;
}

bool jinja_dict_put(arena *a, jinja_value dict, str key, jinja_value value) {
    return jinja_dict_put_value(a, dict, jinja_text(a, key, false), value);
}

/* ---- building while running ---- */
jinja_value jinja_new_list(jinja_state *j, jinja_type type) {
    jinja_list *l = jinja_alloc(j, 1, sizeof *l);
    return l ? (jinja_value){.type = type, .list = l} : (jinja_value){0};
}

jinja_value jinja_new_dict(jinja_state *j, jinja_type type) {
    jinja_dict *d = jinja_alloc(j, 1, sizeof *d);
    return d ? (jinja_value){.type = type, .dict = d} : (jinja_value){0};
}

bool jinja_push(jinja_state *j, jinja_value v, jinja_value item) {
    if (j->failed || !jinja_charge(j, 1) || !jinja_grow(j, &v.list->items, &v.list->cap, v.list->count, sizeof item))
        return false;
    v.list->items[v.list->count++] = item;
    return true;
}

jinja_value jinja_undefined(jinja_state *j, str name) {
    str *p = jinja_alloc(j, 1, sizeof *p);
    if (p) *p = name;
    return (jinja_value){.type = JINJA_UNDEFINED, .name = p};
}

bool jinja_no_undefined(jinja_state *j, jinja_value v) {
    if (v.type != JINJA_UNDEFINED) return !j->failed;
    str name = v.name ? *v.name : STR("a value");
    jinja_fail(j, "'%.*s' is undefined", (int)(name.n < 200 ? name.n : 200), name.p);
    return false;
}

/* ---- meaning ---- */
const char *jinja_type_name(jinja_value v) {
    static const char *const names[] = {
        [JINJA_UNDEFINED] = "Undefined", [JINJA_NONE] = "NoneType",
        [JINJA_BOOL] = "bool",           [JINJA_INT] = "int",
        [JINJA_FLOAT] = "float",         [JINJA_STRING] = "str",
        [JINJA_LIST] = "list",           [JINJA_TUPLE] = "tuple",
        [JINJA_DICT] = "dict",           [JINJA_ITERATOR] = "generator",
        [JINJA_NAMESPACE] = "Namespace", [JINJA_FUNCTION] = "function",
        [JINJA_LOOP] = "LoopContext",    [JINJA_CYCLER] = "Cycler",
        [JINJA_JOINER] = "Joiner",       [JINJA_SLICE] = "slice",
        [JINJA_MISSING] = "nothing",
    };
    return names[v.type];
}

bool jinja_truth(jinja_value v) {
    switch (v.type) {
    case JINJA_UNDEFINED: case JINJA_NONE: case JINJA_MISSING: return false;
    case JINJA_BOOL: return v.truth;
    case JINJA_INT: return v.integer != 0;
    case JINJA_FLOAT: return v.real != 0;
    case JINJA_STRING: return v.string->text.n != 0;
    case JINJA_LIST: case JINJA_TUPLE: return v.list->count != 0;
    case JINJA_DICT: return v.dict->count != 0;
    default: return true;
    }
}

bool jinja_integer(jinja_value v, int64_t *out) {
    if (v.type == JINJA_BOOL) return *out = v.truth, true;
    if (v.type == JINJA_INT) return *out = v.integer, true;
    return false;
}

bool jinja_number(jinja_value v, double *out) {
    int64_t i;
    if (jinja_integer(v, &i)) return *out = (double)i, true;
    if (v.type == JINJA_FLOAT) return *out = v.real, true;
    return false;
}

static bool equal_lists(jinja_state *j, const jinja_list *a, const jinja_list *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count && !j->failed; i++)
        if (!jinja_equal(j, a->items[i], b->items[i])) return false;
    return true;
}

static bool equal_dicts(jinja_state *j, const jinja_dict *a, const jinja_dict *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count && !j->failed; i++) {
        const jinja_value *other = jinja_find(j, b, a->pairs[i].key);
        if (!other || !jinja_equal(j, a->pairs[i].value, *other)) return false;
    }
    return true;
}

bool jinja_equal(jinja_state *j, jinja_value a, jinja_value b) {
    int64_t i, k;
    double x, y;
    if (!jinja_charge(j, 1)) return false;
    if (jinja_integer(a, &i) && jinja_integer(b, &k)) return i == k;
    if (jinja_number(a, &x) && jinja_number(b, &y)) return x == y;
    if (a.type != b.type) return false;
    bool same = false;
    if (!jinja_enter(j)) {
        jinja_leave(j);
        return false;
    }
    switch (a.type) {
    case JINJA_UNDEFINED: case JINJA_NONE: case JINJA_MISSING: same = true; break;
    case JINJA_STRING: same = jinja_charge_text(j, a.string->text.n) && str_eq(a.string->text, b.string->text); break;
    case JINJA_LIST: case JINJA_TUPLE: same = equal_lists(j, a.list, b.list); break;
    case JINJA_DICT: same = equal_dicts(j, a.dict, b.dict); break;
    default: same = a.object == b.object;
    }
    jinja_leave(j);
    return same;
}

static int order_strings(jinja_state *j, str a, str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int c = jinja_charge_text(j, n) && n ? memcmp(a.p, b.p, n) : 0;   /* order of UTF-8 bytes is order of code points */
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int order_lists(jinja_state *j, const jinja_list *a, const jinja_list *b, const char *op) {
    for (size_t i = 0; i < a->count && i < b->count && !j->failed; i++)
        if (!jinja_equal(j, a->items[i], b->items[i])) return jinja_order(j, a->items[i], b->items[i], op);
    return (a->count > b->count) - (a->count < b->count);
}

int jinja_order(jinja_state *j, jinja_value a, jinja_value b, const char *op) {
    double x, y;
    int64_t i, k;
    int result = 0;
    if (!jinja_charge(j, 1) || !jinja_no_undefined(j, a) || !jinja_no_undefined(j, b)) return 0;
    if (jinja_integer(a, &i) && jinja_integer(b, &k)) return (i > k) - (i < k);
    if (jinja_number(a, &x) && jinja_number(b, &y)) return (x > y) - (x < y);
    bool lists = (a.type == JINJA_LIST || a.type == JINJA_TUPLE) && a.type == b.type;
    if (a.type == JINJA_STRING && b.type == JINJA_STRING) return order_strings(j, a.string->text, b.string->text);
    if (jinja_enter(j) && lists) result = order_lists(j, a.list, b.list, op);
    else jinja_fail(j, "'%s' has no meaning between %s and %s", op, jinja_type_name(a), jinja_type_name(b));
    jinja_leave(j);
    return result;
}

bool jinja_contains(jinja_state *j, jinja_value item, jinja_value in) {
    if (in.type == JINJA_STRING) {
        if (item.type != JINJA_STRING) {
            jinja_fail(j, "only a string can be in a string, not %s", jinja_type_name(item));
            return false;
        }
        return jinja_charge_text(j, in.string->text.n) && str_contains(in.string->text, item.string->text);
    }
    if (in.type == JINJA_DICT) return jinja_find(j, in.dict, item) != NULL;
    const jinja_list *l = jinja_items(j, in);
    for (size_t i = 0; l && i < l->count && !j->failed; i++)
        if (jinja_equal(j, l->items[i], item)) return true;
    return false;
}

/* ---- dicts ---- */
jinja_value *jinja_find(jinja_state *j, const jinja_dict *d, jinja_value key) {
    if (key.type == JINJA_STRING) return jinja_find_str(j, d, key.string->text);
    if (key.type == JINJA_LIST || key.type == JINJA_DICT) {
        jinja_fail(j, "a %s cannot be a key", jinja_type_name(key));
        return NULL;
    }
    for (size_t i = 0; i < d->count && !j->failed; i++)
        if (jinja_equal(j, d->pairs[i].key, key)) return &d->pairs[i].value;
    return NULL;
}

jinja_value *jinja_find_str(jinja_state *j, const jinja_dict *d, str key) {
    if (!jinja_charge(j, d->count / 8)) return NULL;
    for (size_t i = 0; i < d->count; i++)
        if (d->pairs[i].key.type == JINJA_STRING && str_eq(d->pairs[i].key.string->text, key))
            return &d->pairs[i].value;
    return NULL;
}

bool jinja_put(jinja_state *j, jinja_dict *d, jinja_value key, jinja_value value) {
    jinja_value *old = jinja_find(j, d, key);
    if (old) return *old = value, true;
    if (!jinja_charge(j, 1) || !jinja_grow(j, &d->pairs, &d->cap, d->count, sizeof *d->pairs)) return false;
    d->pairs[d->count++] = (jinja_pair){key, value};
    return true;
}

/* ---- walking ---- */
static jinja_list *characters(jinja_state *j, const jinja_string *s) {
    jinja_value out = jinja_new_list(j, JINJA_LIST);
    uint32_t cp;
    for (size_t i = 0, n; !j->failed && i < s->text.n; i += n) {
        n = jinja_code_point(s->text, i, &cp);
        jinja_push(j, out, jinja_slice(j, s, i, i + n));
    }
    return j->failed ? NULL : out.list;
}

static jinja_list *keys(jinja_state *j, const jinja_dict *d) {
    jinja_value out = jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; !j->failed && i < d->count; i++) jinja_push(j, out, d->pairs[i].key);
    return j->failed ? NULL : out.list;
}

jinja_list *jinja_items(jinja_state *j, jinja_value v) {
    if (j->failed) return NULL;
    jinja_list *rest;
    switch (v.type) {
    case JINJA_UNDEFINED: return jinja_new_list(j, JINJA_LIST).list;
    case JINJA_LIST: case JINJA_TUPLE: return v.list;
    case JINJA_DICT: return keys(j, v.dict);
    case JINJA_STRING: return characters(j, v.string);
    case JINJA_ITERATOR:
        if (!(rest = jinja_alloc(j, 1, sizeof *rest))) return NULL;
        *rest = *v.list;
        v.list->count = 0;
        return rest;
    default:
        jinja_fail(j, "%s cannot be walked through", jinja_type_name(v));
        return NULL;
    }
}

bool jinja_size(jinja_state *j, jinja_value v, size_t *out) {
    *out = 0;
    switch (v.type) {
    case JINJA_UNDEFINED: return !j->failed;
    case JINJA_STRING: return *out = jinja_length(v.string->text), jinja_charge_text(j, v.string->text.n);
    case JINJA_LIST: case JINJA_TUPLE: return *out = v.list->count, !j->failed;
    case JINJA_DICT: return *out = v.dict->count, !j->failed;
    default: jinja_fail(j, "%s has no length", jinja_type_name(v)); return false;
    }
}
