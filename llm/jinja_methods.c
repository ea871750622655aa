/* Methods of strings, dicts, lists, loops and cyclers. A row without a function is a method that would change its
 * object. */
#include "llm/jinja_text.h"
#include <utf8proc.h>

typedef jinja_value value;
typedef const jinja_arguments args;

/* ---- text ---- */
static value strip_ends(jinja_state *j, value v, args *g, bool left, bool right) {
    str set = {0};
    if (jinja_given(g, 0) && g->values[0].type != JINJA_NONE) set = jinja_arg_string(j, g, 0)->text;
    return jinja_strip(j, v.string, set, left, right);
}

static value strip(jinja_state *j, value v, args *g) { return strip_ends(j, v, g, true, true); }
static value lstrip(jinja_state *j, value v, args *g) { return strip_ends(j, v, g, true, false); }
static value rstrip(jinja_state *j, value v, args *g) { return strip_ends(j, v, g, false, true); }
static value upper(jinja_state *j, value v, args *g) { return (void)g, jinja_change_case(j, v.string, CASE_UPPER); }
static value lower(jinja_state *j, value v, args *g) { return (void)g, jinja_change_case(j, v.string, CASE_LOWER); }
static value capitalize(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, v.string, CASE_CAPITALIZE);
}
static value title(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, v.string, CASE_TITLE_LETTERS);
}

static size_t skip(str s, size_t at, bool spaces) {
    uint32_t cp;
    for (size_t n; at < s.n && (n = jinja_code_point(s, at, &cp), jinja_is_space(cp) == spaces); at += n) {}
    return at;
}

/* Words between runs of spaces; after `most` of them (< 0: never) the rest is one. */
static value split_spaces(jinja_state *j, const jinja_string *s, int64_t most) {
    value out = jinja_new_list(j, JINJA_LIST);
    for (size_t end, begin = skip(s->text, 0, true); begin < s->text.n && !j->failed;
         begin = skip(s->text, end, true)) {
        end = most-- == 0 ? s->text.n : skip(s->text, begin, false);
        jinja_push(j, out, jinja_slice(j, s, begin, end));
    }
    return out;
}

static value split_text(jinja_state *j, const jinja_string *s, str by, int64_t most) {
    value out = jinja_new_list(j, JINJA_LIST);
    size_t begin = 0;
    if (!by.n) jinja_fail(j, "split by an empty string");
    for (size_t at; most-- && !j->failed && (at = jinja_find_text(s->text, by, begin)) <= s->text.n; begin = at + by.n)
        jinja_push(j, out, jinja_slice(j, s, begin, at));
    if (!j->failed) jinja_push(j, out, jinja_slice(j, s, begin, s->text.n));
    return out;
}

static value split(jinja_state *j, value v, args *g) {
    bool spaces = !jinja_given(g, 0) || g->values[0].type == JINJA_NONE;
    int64_t most = jinja_arg_int(j, g, 1, -1);
    return spaces ? split_spaces(j, v.string, most) : split_text(j, v.string, jinja_arg_string(j, g, 0)->text, most);
}

static void reverse_items(jinja_list *l) {
    for (size_t a = 0, b = l->count; a + 1 < b; a++) {
        value t = l->items[a];
        l->items[a] = l->items[--b];
        l->items[b] = t;
    }
}

static value rsplit(jinja_state *j, value v, args *g) {
    int64_t most = jinja_arg_int(j, g, 1, -1);
    bool spaces = !jinja_given(g, 0) || g->values[0].type == JINJA_NONE;
    if (spaces && most >= 0) jinja_fail(j, "rsplit at spaces with a limit is not supported; name the separator");
    if (spaces || most < 0) return split(j, v, g);
    str by = jinja_arg_string(j, g, 0)->text;
    value out = jinja_new_list(j, JINJA_LIST);
    size_t end = v.string->text.n;
    if (!by.n) jinja_fail(j, "split by an empty string");
    for (size_t at; most-- && !j->failed && (at = jinja_find_text_last(j, v.string->text, by, end)) <= v.string->text.n;
         end = at)
        jinja_push(j, out, jinja_slice(j, v.string, at + by.n, end));
    if (!j->failed) jinja_push(j, out, jinja_slice(j, v.string, 0, end)), reverse_items(out.list);
    return out;
}

static value splitlines(jinja_state *j, value v, args *g) {
    return jinja_split_lines(j, v.string, jinja_arg_bool(g, 0, false));
}

static value cut(jinja_state *j, value v, args *g, bool from_right) {
    str by = jinja_arg_string(j, g, 0)->text, s = v.string->text;
    if (!by.n) jinja_fail(j, "split by an empty string");
    size_t at = from_right ? jinja_find_text_last(j, s, by, s.n) : jinja_find_text(s, by, 0);
    bool found = at <= s.n;
    if (!found) at = from_right ? 0 : s.n;
    size_t after = found ? at + by.n : at;
    value out = jinja_new_list(j, JINJA_TUPLE);
    if (j->failed) return out;
    jinja_push(j, out, jinja_slice(j, v.string, 0, at));
    jinja_push(j, out, jinja_slice(j, v.string, at, after));
    jinja_push(j, out, jinja_slice(j, v.string, after, s.n));
    return out;
}

static value partition(jinja_state *j, value v, args *g) { return cut(j, v, g, false); }
static value rpartition(jinja_state *j, value v, args *g) { return cut(j, v, g, true); }

/* One string or a tuple of them. */
static bool affix(jinja_state *j, str s, value v, bool (*has)(str, str)) {
    const jinja_list *l = v.type == JINJA_TUPLE ? v.list : &(jinja_list){.items = &v, .count = 1};
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].type != JINJA_STRING)
            jinja_fail(j, "startswith and endswith need strings, not %s", jinja_type_name(l->items[i]));
        else if (has(s, l->items[i].string->text)) return true;
    }
    return false;
}

static value startswith(jinja_state *j, value v, args *g) {
    return jinja_bool(affix(j, v.string->text, g->values[0], str_starts));
}
static value endswith(jinja_state *j, value v, args *g) {
    return jinja_bool(affix(j, v.string->text, g->values[0], str_ends));
}

static value removeprefix(jinja_state *j, value v, args *g) {
    str part = jinja_arg_string(j, g, 0)->text;
    return jinja_slice(j, v.string, str_starts(v.string->text, part) ? part.n : 0, v.string->text.n);
}

static value removesuffix(jinja_state *j, value v, args *g) {
    str part = jinja_arg_string(j, g, 0)->text;
    return jinja_slice(j, v.string, 0, v.string->text.n - (str_ends(v.string->text, part) ? part.n : 0));
}

static value replace(jinja_state *j, value v, args *g) {
    return jinja_replace(j, v.string, jinja_arg_string(j, g, 0), jinja_arg_string(j, g, 1), jinja_arg_int(j, g, 2, -1));
}

/* [start, end) in code points, as find and count take them, in bytes. */
static void window(jinja_state *j, str s, args *g, size_t *begin, size_t *end) {
    int64_t n = (int64_t)jinja_length(s), from = jinja_arg_int(j, g, 1, 0), to = jinja_arg_int(j, g, 2, n);
    from = from < 0 ? from + n : from;
    to = to < 0 ? to + n : to;
    from = from < 0 ? 0 : from > n ? n + 1 : from;
    to = to < 0 ? 0 : to > n ? n : to;
    *begin = from > n ? s.n + 1 : jinja_offset(s, 0, (size_t)from);
    *end = jinja_offset(s, 0, (size_t)to);
}

static int64_t position(jinja_state *j, value v, args *g, bool last) {
    str s = v.string->text, part = jinja_arg_string(j, g, 0)->text;
    size_t begin, end, at;
    window(j, s, g, &begin, &end);
    if (begin > end) return -1;
    s.n = end;
    at = last ? jinja_find_text_last(j, s, part, end) : jinja_find_text(s, part, begin);
    return at > end || at < begin ? -1 : (int64_t)jinja_length((str){s.p, at});
}

static value find(jinja_state *j, value v, args *g) { return jinja_int(position(j, v, g, false)); }
static value rfind(jinja_state *j, value v, args *g) { return jinja_int(position(j, v, g, true)); }

static value must_find(jinja_state *j, int64_t at) {
    if (at < 0) jinja_fail(j, "index: not found");
    return jinja_int(at);
}

static value string_index(jinja_state *j, value v, args *g) { return must_find(j, position(j, v, g, false)); }

static value string_count(jinja_state *j, value v, args *g) {
    str s = v.string->text, part = jinja_arg_string(j, g, 0)->text;
    size_t begin, end;
    int64_t n = 0;
    window(j, s, g, &begin, &end);
    if (begin > end) return jinja_int(0);
    if (!part.n) return jinja_int((int64_t)jinja_length((str){s.p + begin, end - begin}) + 1);
    s.n = end;
    for (size_t at; jinja_charge(j, 1) && (at = jinja_find_text(s, part, begin)) <= s.n; begin = at + part.n)
        n++;
    return jinja_int(n);
}

static value string_join(jinja_state *j, value v, args *g) {
    const jinja_list *l = jinja_items(j, g->values[0]);
    for (size_t i = 0; l && i < l->count && !j->failed; i++)
        if (l->items[i].type != JINJA_STRING) jinja_fail(j, "join needs strings, not %s", jinja_type_name(l->items[i]));
    return j->failed ? jinja_nothing() : jinja_join(j, v.string, l);
}

/* Every code point, and at least one, is of this kind. */
static bool all_of(str s, bool (*is)(uint32_t cp)) {
    uint32_t cp;
    for (size_t i = 0; i < s.n; i += jinja_code_point(s, i, &cp))
        if (jinja_code_point(s, i, &cp), !is(cp)) return false;
    return s.n > 0;
}

static bool is_letter(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND; }
static bool is_letter_or_digit(uint32_t cp) { return is_letter(cp) || is_digit(cp); }
static value isalpha_(jinja_state *j, value v, args *g) {
    return (void)j, (void)g, jinja_bool(all_of(v.string->text, is_letter));
}
static value isdigit_(jinja_state *j, value v, args *g) {
    return (void)j, (void)g, jinja_bool(all_of(v.string->text, is_digit));
}
static value isalnum_(jinja_state *j, value v, args *g) {
    return (void)j, (void)g, jinja_bool(all_of(v.string->text, is_letter_or_digit));
}
static value isspace_(jinja_state *j, value v, args *g) {
    return (void)j, (void)g, jinja_bool(all_of(v.string->text, jinja_is_space));
}
static value islower_(jinja_state *j, value v, args *g) {
    return (void)g, jinja_bool(jinja_call_test(j, STR("lower"), v, &(args){0}));
}
static value isupper_(jinja_state *j, value v, args *g) {
    return (void)g, jinja_bool(jinja_call_test(j, STR("upper"), v, &(args){0}));
}

static value pad(jinja_state *j, value v, args *g, bool before) {
    int64_t room = jinja_arg_int(j, g, 0, 0) - (int64_t)jinja_length(v.string->text);
    const jinja_string space = {.text = STR(" ")}, *fill = jinja_given(g, 1) ? jinja_arg_string(j, g, 1) : &space;
    jinja_builder b = {.j = j};
    if (before) jinja_add_repeated(&b, fill, room);
    jinja_add_string(&b, v.string);
    if (!before) jinja_add_repeated(&b, fill, room);
    return jinja_built(&b);
}

static value ljust(jinja_state *j, value v, args *g) { return pad(j, v, g, false); }
static value rjust(jinja_state *j, value v, args *g) { return pad(j, v, g, true); }

/* ---- dicts ---- */
static value get(jinja_state *j, value v, args *g) {
    const value *found = jinja_find(j, v.dict, g->values[0]);
    return found ? *found : jinja_given(g, 1) ? g->values[1] : JINJA_NONE_VALUE;
}

static value view(jinja_state *j, const char *name) {
    value out = jinja_new_list(j, JINJA_LIST);
    if (!j->failed) out.list->view = name;
    return out;
}

static value items(jinja_state *j, value v, args *g) {
    (void)g;
    value out = view(j, "dict_items");
    for (size_t i = 0; i < v.dict->count && !j->failed; i++) {
        value pair = jinja_new_list(j, JINJA_TUPLE);
        if (!j->failed) jinja_push(j, pair, v.dict->pairs[i].key), jinja_push(j, pair, v.dict->pairs[i].value);
        if (!j->failed) jinja_push(j, out, pair);
    }
    return out;
}

static value keys(jinja_state *j, value v, args *g) {
    (void)g;
    value out = view(j, "dict_keys");
    for (size_t i = 0; i < v.dict->count && !j->failed; i++) jinja_push(j, out, v.dict->pairs[i].key);
    return out;
}

static value values(jinja_state *j, value v, args *g) {
    (void)g;
    value out = view(j, "dict_values");
    for (size_t i = 0; i < v.dict->count && !j->failed; i++) jinja_push(j, out, v.dict->pairs[i].value);
    return out;
}

/* Values never change, so a copy is the thing itself. */
static value copy(jinja_state *j, value v, args *g) { return (void)j, (void)g, v; }

/* ---- lists, loops, cyclers ---- */
static value list_count(jinja_state *j, value v, args *g) {
    int64_t n = 0;
    for (size_t i = 0; i < v.list->count && !j->failed; i++) n += jinja_equal(j, v.list->items[i], g->values[0]);
    return jinja_int(n);
}

static value list_index(jinja_state *j, value v, args *g) {
    for (size_t i = 0; i < v.list->count && !j->failed; i++)
        if (jinja_equal(j, v.list->items[i], g->values[0])) return jinja_int((int64_t)i);
    return must_find(j, -1);
}

static value cycle(jinja_state *j, value v, args *g) {
    if (g->count) return g->values[v.object->position % g->count];
    jinja_fail(j, "loop.cycle needs something to go round");
    return jinja_nothing();
}

static value changed(jinja_state *j, value v, args *g) {
    value now = jinja_new_list(j, JINJA_TUPLE);
    for (size_t i = 0; i < g->count && !j->failed; i++) jinja_push(j, now, g->values[i]);
    bool differs = !j->failed && !jinja_equal(j, now, v.object->memory);
    v.object->memory = now;
    return jinja_bool(differs);
}

static value next(jinja_state *j, value v, args *g) {
    (void)j, (void)g;
    return v.object->items->items[v.object->position++ % v.object->items->count];
}

static value reset(jinja_state *j, value v, args *g) {
    (void)j, (void)g;
    v.object->position = 0;
    return JINJA_NONE_VALUE;
}

enum {
    S = 1u << JINJA_STRING,
    D = 1u << JINJA_DICT,
    L = 1u << JINJA_LIST,
    T = 1u << JINJA_TUPLE,
    LOOP = 1u << JINJA_LOOP,
    CYCLER = 1u << JINJA_CYCLER
};

const jinja_row jinja_methods[] = {
    {"capitalize", capitalize, "", 0, S},
    {"count", string_count, "sub start end", 1, S},
    {"endswith", endswith, "suffix", 1, S},
    {"find", find, "sub start end", 1, S},
    {"format", jinja_format_method, "*", 0, S},
    {"index", string_index, "sub start end", 1, S},
    {"isalnum", isalnum_, "", 0, S},
    {"isalpha", isalpha_, "", 0, S},
    {"isdigit", isdigit_, "", 0, S},
    {"islower", islower_, "", 0, S},
    {"isspace", isspace_, "", 0, S},
    {"isupper", isupper_, "", 0, S},
    {"join", string_join, "iterable", 1, S},
    {"ljust", ljust, "width fillchar", 1, S},
    {"lower", lower, "", 0, S},
    {"lstrip", lstrip, "chars", 0, S},
    {"partition", partition, "sep", 1, S},
    {"removeprefix", removeprefix, "prefix", 1, S},
    {"removesuffix", removesuffix, "suffix", 1, S},
    {"replace", replace, "old new count", 2, S},
    {"rfind", rfind, "sub start end", 1, S},
    {"rjust", rjust, "width fillchar", 1, S},
    {"rpartition", rpartition, "sep", 1, S},
    {"rsplit", rsplit, "sep maxsplit", 0, S},
    {"rstrip", rstrip, "chars", 0, S},
    {"split", split, "sep maxsplit", 0, S},
    {"splitlines", splitlines, "keepends", 0, S},
    {"startswith", startswith, "prefix", 1, S},
    {"strip", strip, "chars", 0, S},
    {"title", title, "", 0, S},
    {"upper", upper, "", 0, S},
    {"copy", copy, "", 0, D | L},
    {"get", get, "key default", 1, D},
    {"items", items, "", 0, D},
    {"keys", keys, "", 0, D},
    {"values", values, "", 0, D},
    {"count", list_count, "value", 1, L | T},
    {"index", list_index, "value", 1, L | T},
    {"changed", changed, "*", 0, LOOP},
    {"cycle", cycle, "*", 0, LOOP},
    {"next", next, "", 0, CYCLER},
    {"reset", reset, "", 0, CYCLER},
    {"append", NULL, "", 0, L},
    {"clear", NULL, "", 0, L | D},
    {"extend", NULL, "", 0, L},
    {"insert", NULL, "", 0, L},
    {"pop", NULL, "", 0, L | D},
    {"popitem", NULL, "", 0, D},
    {"remove", NULL, "", 0, L},
    {"reverse", NULL, "", 0, L},
    {"setdefault", NULL, "", 0, D},
    {"sort", NULL, "", 0, L},
    {"update", NULL, "", 0, D},
    {0},
};
