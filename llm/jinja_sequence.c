/* Filters over sequences. Those which give a generator in Python give an iterator here: it can be walked once. */
#include "llm/jinja_text.h"

typedef jinja_value value;
typedef const jinja_arguments args;

/* v or a part of it, lower case unless case_sensitive: what sort, unique, min and max compare. */
static value key_of(jinja_state *j, value v, value path, bool case_sensitive) {
    if (path.type != JINJA_MISSING && path.type != JINJA_NONE) v = jinja_path(j, v, path);
    return !j->failed && v.type == JINJA_STRING && !case_sensitive ? jinja_change_case(j, v.string, CASE_LOWER) : v;
}

static value as_iterator(value list) {
    if (list.type == JINJA_LIST) list.type = JINJA_ITERATOR;
    return list;
}

static value copy_list(jinja_state *j, const jinja_list *l) {
    value out = jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; l && i < l->count && !j->failed; i++) jinja_push(j, out, l->items[i]);
    return out;
}

static value list(jinja_state *j, value v, args *g) { return (void)g, copy_list(j, jinja_items(j, v)); }

/* ---- ends ---- */
static value first(jinja_state *j, value v, args *g) {
    (void)g;
    if (v.type == JINJA_ITERATOR && v.list->count) return v.list->count--, *v.list->items++;
    const jinja_list *l = jinja_items(j, v);
    return l && l->count ? l->items[0] : jinja_undefined(j, STR("the first of nothing"));
}

static value last(jinja_state *j, value v, args *g) {
    (void)g;
    if (v.type == JINJA_ITERATOR) jinja_fail(j, "last needs a list, not a generator; put |list before it");
    const jinja_list *l = jinja_items(j, v);
    return l && l->count ? l->items[l->count - 1] : jinja_undefined(j, STR("the last of nothing"));
}

static value reverse(jinja_state *j, value v, args *g) {
    (void)g;
    const jinja_list *l = jinja_items(j, v);
    value out = jinja_new_list(j, JINJA_LIST);
    for (size_t i = l ? l->count : 0; i-- && !j->failed;) jinja_push(j, out, l->items[i]);
    if (v.type != JINJA_STRING || j->failed) return as_iterator(out);
    return jinja_join(j, &(jinja_string){.text = {"", 0}}, out.list);
}

/* ---- sorting: merge sort over keys, stable ---- */
typedef struct {
    value item;
    value *keys;    /* one per part of `attribute` */
} sort_row;

static bool before(jinja_state *j, const sort_row *a, const sort_row *b, size_t key_count, bool reversed) {
    for (size_t k = 0; k < key_count && !j->failed; k++) {
        if (jinja_equal(j, a->keys[k], b->keys[k])) continue;
        int order = jinja_order(j, a->keys[k], b->keys[k], "<");
        return reversed ? order > 0 : order < 0;
    }
    return false;
}

static void merge_sort(jinja_state *j, sort_row *rows, sort_row *spare, size_t n, size_t key_count, bool reversed) {
    if (n < 2 || j->failed) return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(j, rows, spare, half, key_count, reversed);
    merge_sort(j, rows + half, spare, n - half, key_count, reversed);
    for (size_t i = 0; i < n; i++)
        spare[i] = b >= n || (a < half && !before(j, &rows[b], &rows[a], key_count, reversed)) ? rows[a++] : rows[b++];
    memcpy(rows, spare, n * sizeof *rows);
}

/* "a,b.c" names several keys. */
static const jinja_list *paths(jinja_state *j, value attribute) {
    value out = jinja_new_list(j, JINJA_LIST);
    bool text = attribute.type == JINJA_STRING;
    if (!text) jinja_push(j, out, attribute);
    for (size_t begin = 0, end; text && !j->failed && begin <= attribute.string->text.n; begin = end + 1) {
        end = jinja_find_text(attribute.string->text, STR(","), begin);
        if (end > attribute.string->text.n) end = attribute.string->text.n;
        jinja_push(j, out, jinja_slice(j, attribute.string, begin, end));
    }
    return j->failed ? NULL : out.list;
}

static value sort_by(jinja_state *j, const jinja_list *l, const jinja_list *by, bool case_sensitive, bool reversed) {
    sort_row *rows = l && by ? jinja_alloc(j, 2 * l->count + 1, sizeof *rows) : NULL;
    value out = jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; rows && i < l->count && !j->failed; i++) {
        rows[i] = (sort_row){l->items[i], jinja_alloc(j, by->count, sizeof(value))};
        for (size_t k = 0; k < by->count && !j->failed; k++)
            rows[i].keys[k] = key_of(j, l->items[i], by->items[k], case_sensitive);
    }
    if (!rows || j->failed) return jinja_nothing();
    merge_sort(j, rows, rows + l->count, l->count, by->count, reversed);
    for (size_t i = 0; i < l->count && !j->failed; i++) jinja_push(j, out, rows[i].item);
    return out;
}

static value sort(jinja_state *j, value v, args *g) {
    return sort_by(j, jinja_items(j, v), paths(j, g->values[2]), jinja_arg_bool(g, 1, false),
                   jinja_arg_bool(g, 0, false));
}

static value pairs(jinja_state *j, const jinja_dict *d) {
    value out = jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; i < d->count && !j->failed; i++) {
        value pair = jinja_new_list(j, JINJA_TUPLE);
        if (!j->failed) jinja_push(j, pair, d->pairs[i].key), jinja_push(j, pair, d->pairs[i].value);
        if (!j->failed) jinja_push(j, out, pair);
    }
    return out;
}

static value dictsort(jinja_state *j, value v, args *g) {
    if (jinja_no_undefined(j, v) && v.type != JINJA_DICT)
        jinja_fail(j, "dictsort needs a dict, not %s", jinja_type_name(v));
    bool by_value = jinja_given(g, 1) && str_is(jinja_arg_string(j, g, 1)->text, "value");
    if (jinja_given(g, 1) && !by_value && !str_is(jinja_arg_string(j, g, 1)->text, "key"))
        jinja_fail(j, "dictsort: by is 'key' or 'value'");
    if (j->failed) return jinja_nothing();
    value all = pairs(j, v.dict);
    return j->failed ? all
                     : sort_by(j, all.list, paths(j, jinja_int(by_value)), jinja_arg_bool(g, 0, false),
                               jinja_arg_bool(g, 2, false));
}

static value items(jinja_state *j, value v, args *g) {
    (void)g;
    if (v.type == JINJA_UNDEFINED) return as_iterator(jinja_new_list(j, JINJA_LIST));
    if (v.type == JINJA_DICT) return as_iterator(pairs(j, v.dict));
    jinja_fail(j, "items needs a dict, not %s", jinja_type_name(v));
    return jinja_nothing();
}

/* ---- all of them into one ---- */
static value join(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_items(j, v);
    value path = g->values[1], parts = path.type == JINJA_MISSING ? jinja_nothing() : jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; l && parts.type == JINJA_LIST && i < l->count && !j->failed; i++)
        jinja_push(j, parts, jinja_path(j, l->items[i], path));
    const jinja_string *between = jinja_str(j, jinja_given(g, 0) ? g->values[0] : jinja_constant(j, ""));
    return j->failed ? jinja_nothing() : jinja_join(j, between, parts.type == JINJA_LIST ? parts.list : l);
}

static value sum(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_items(j, v);
    value total = jinja_given(g, 1) ? g->values[1] : jinja_int(0);
    if (total.type == JINJA_STRING) jinja_fail(j, "sum does not add strings; join does");
    for (size_t i = 0; l && i < l->count && !j->failed; i++)
        total =
            jinja_binary(j, OP_ADD, total, jinja_given(g, 0) ? jinja_path(j, l->items[i], g->values[0]) : l->items[i]);
    return total;
}

static value extreme(jinja_state *j, value v, args *g, int sign) {
    const jinja_list *l = jinja_items(j, v);
    if (!l || !l->count) return jinja_undefined(j, STR("the least or greatest of nothing"));
    bool case_sensitive = jinja_arg_bool(g, 0, false);
    value best = l->items[0], best_key = key_of(j, best, g->values[1], case_sensitive);
    for (size_t i = 1; i < l->count && !j->failed; i++) {
        value key = key_of(j, l->items[i], g->values[1], case_sensitive);
        if (!j->failed && jinja_order(j, key, best_key, sign < 0 ? "<" : ">") * sign > 0)
            best = l->items[i], best_key = key;
    }
    return best;
}

static value least(jinja_state *j, value v, args *g) { return extreme(j, v, g, -1); }
static value greatest(jinja_state *j, value v, args *g) { return extreme(j, v, g, 1); }

/* ---- some of them ---- */
static value unique(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_items(j, v);
    value out = jinja_new_list(j, JINJA_LIST), seen = jinja_new_list(j, JINJA_LIST);
    for (size_t i = 0; l && i < l->count && !j->failed; i++) {
        value key = key_of(j, l->items[i], g->values[1], jinja_arg_bool(g, 0, false));
        if (j->failed || jinja_contains(j, key, seen)) continue;
        jinja_push(j, seen, key);
        jinja_push(j, out, l->items[i]);
    }
    return as_iterator(out);
}

static jinja_arguments without_first(args *g, size_t n) {
    jinja_arguments rest = *g;
    if (n > g->count) n = g->count;
    if (n) rest.values += n;
    rest.count -= n;
    return rest;
}

/* select, reject, and with `attribute` selectattr and rejectattr: the first argument left is a test, or truth decides.
 */
static value choose(jinja_state *j, value v, args *g, bool wanted, bool attribute) {
    const jinja_list *l = jinja_truth(v) ? jinja_items(j, v) : NULL;
    value out = jinja_new_list(j, JINJA_LIST);
    if (attribute && !g->count) jinja_fail(j, "selectattr and rejectattr need the name of an attribute");
    args test = without_first(g, attribute), rest = without_first(g, (size_t)attribute + 1);
    if (test.count && test.values[0].type != JINJA_STRING) jinja_fail(j, "the name of a test must be a string");
    for (size_t i = 0; l && i < l->count && !j->failed; i++) {
        value item = attribute ? jinja_path(j, l->items[i], g->values[0]) : l->items[i];
        if (j->failed) break;
        bool yes = test.count ? jinja_call_test(j, test.values[0].string->text, item, &rest) : jinja_truth(item);
        if (yes == wanted) jinja_push(j, out, l->items[i]);
    }
    return as_iterator(out);
}

static value select_(jinja_state *j, value v, args *g) { return choose(j, v, g, true, false); }
static value reject(jinja_state *j, value v, args *g) { return choose(j, v, g, false, false); }
static value selectattr(jinja_state *j, value v, args *g) { return choose(j, v, g, true, true); }
static value rejectattr(jinja_state *j, value v, args *g) { return choose(j, v, g, false, true); }

/* ---- each of them ---- */
static value map_one(jinja_state *j, value item, args *g, const value *attribute, const value *fallback) {
    if (!attribute) {
        args rest = without_first(g, 1);
        return jinja_call_filter(j, g->values[0].string->text, item, &rest);
    }
    value out = jinja_path(j, item, *attribute);
    return out.type == JINJA_UNDEFINED && fallback ? *fallback : out;
}

static value map(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_truth(v) ? jinja_items(j, v) : NULL;
    const value *attribute = jinja_find_str(j, &g->named, STR("attribute")),
                *fallback = jinja_find_str(j, &g->named, STR("default"));
    value out = jinja_new_list(j, JINJA_LIST);
    if (g->count) attribute = NULL;
    if (!attribute && (!g->count || g->values[0].type != JINJA_STRING))
        jinja_fail(j, "map needs the name of a filter, or attribute=");
    for (size_t i = 0; l && i < l->count && !j->failed; i++)
        jinja_push(j, out, map_one(j, l->items[i], g, attribute, fallback));
    return as_iterator(out);
}

static value batch(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_items(j, v);
    int64_t size = jinja_arg_int(j, g, 0, 1);
    value out = jinja_new_list(j, JINJA_LIST), part = jinja_nothing();
    if (size < 1) jinja_fail(j, "batch needs a size of at least 1");
    for (size_t i = 0; l && i < l->count && !j->failed; i++) {
        if (i % (size_t)size == 0) {
            part = jinja_new_list(j, JINJA_LIST);
            if (!j->failed) jinja_push(j, out, part);
        }
        if (!j->failed) jinja_push(j, part, l->items[i]);
    }
    bool fill = jinja_given(g, 1) && g->values[1].type != JINJA_NONE;
    while (fill && part.type == JINJA_LIST && !j->failed && part.list->count < (size_t)size)
        jinja_push(j, part, g->values[1]);
    return as_iterator(out);
}

const jinja_row jinja_sequence_filters[] = {
    {"batch", batch, "linecount fill_with", 1, 0},
    {"dictsort", dictsort, "case_sensitive by reverse", 0, 0},
    {"first", first, "", 0, 0},
    {"items", items, "", 0, 0},
    {"join", join, "d attribute", 0, 0},
    {"last", last, "", 0, 0},
    {"list", list, "", 0, 0},
    {"map", map, "*", 0, 0},
    {"max", greatest, "case_sensitive attribute", 0, 0},
    {"min", least, "case_sensitive attribute", 0, 0},
    {"reject", reject, "*", 0, 0},
    {"rejectattr", rejectattr, "*", 0, 0},
    {"reverse", reverse, "", 0, 0},
    {"select", select_, "*", 0, 0},
    {"selectattr", selectattr, "*", 0, 0},
    {"sort", sort, "reverse case_sensitive attribute", 0, 0},
    {"sum", sum, "attribute start", 0, 0},
    {"unique", unique, "case_sensitive attribute", 0, 0},
    {0},
};
