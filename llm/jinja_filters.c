/* Filters over one value: text, numbers, JSON. Those over sequences are in jinja_sequence.c. */
#include "llm/jinja_text.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef jinja_value value;
typedef const jinja_arguments args;

static const jinja_string *text_arg(jinja_state *j, args *g, size_t i, const char *fallback) {
    return jinja_str(j, jinja_given(g, i) ? g->values[i] : jinja_constant(j, fallback));
}

/* ---- text ---- */
static value upper(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, jinja_str(j, v), CASE_UPPER);
}
static value lower(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, jinja_str(j, v), CASE_LOWER);
}
static value capitalize(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, jinja_str(j, v), CASE_CAPITALIZE);
}
static value title(jinja_state *j, value v, args *g) {
    return (void)g, jinja_change_case(j, jinja_str(j, v), CASE_TITLE_WORDS);
}

static value trim(jinja_state *j, value v, args *g) {
    const jinja_string *s = jinja_str(j, v);
    bool spaces = !jinja_given(g, 0) || g->values[0].type == JINJA_NONE;
    str set = {0};
    if (!spaces) set = jinja_arg_string(j, g, 0)->text;
    return jinja_mark_escaped(j, jinja_strip(j, s, set, true, true), s->escaped);
}

static value string(jinja_state *j, value v, args *g) {
    (void)g;
    const jinja_string *s = jinja_str(j, v);
    return jinja_mark_escaped(j, jinja_slice(j, s, 0, s->text.n), s->escaped);
}

static value replace(jinja_state *j, value v, args *g) {
    int64_t count = jinja_arg_int(j, g, 2, -1);
    value out = jinja_replace(j, jinja_str(j, v), text_arg(j, g, 0, ""), text_arg(j, g, 1, ""), count);
    return jinja_mark_escaped(j, out, false);
}

static value safe(jinja_state *j, value v, args *g) { return jinja_mark_escaped(j, string(j, v, g), true); }

static value escape(jinja_state *j, value v, args *g) {
    (void)g;
    const jinja_string *s = jinja_str(j, v);
    return v.type == JINJA_STRING && s->escaped ? v : jinja_escape(j, s);
}

static value center(jinja_state *j, value v, args *g) {
    const jinja_string *s = jinja_str(j, v);
    jinja_builder b = {.j = j};
    int64_t width = jinja_arg_int(j, g, 0, 80), room = width - (int64_t)jinja_length(s->text);
    if (room < 0) room = 0;
    int64_t left = room / 2 + (room & width & 1);   /* where Python puts the odd space */
    const jinja_string space = {.text = STR(" ")};
    jinja_add_repeated(&b, &space, left);
    jinja_add_string(&b, s);
    jinja_add_repeated(&b, &space, room - left);
    return jinja_built(&b);
}

/* Lines after the first get the indent, blank ones only with `blank`. */
static value indent(jinja_state *j, value v, args *g) {
    const jinja_string *s = jinja_str(j, v), space = {.text = STR(" ")};
    bool first = jinja_arg_bool(g, 1, false), blank = jinja_arg_bool(g, 2, false);
    if (jinja_no_undefined(j, v) && v.type != JINJA_STRING)
        jinja_fail(j, "indent needs a string, not %s", jinja_type_name(v));
    jinja_builder width = {.j = j}, b = {.j = j}, line_end = {.j = j};
    if (jinja_given(g, 0) && g->values[0].type == JINJA_STRING) jinja_add_string(&width, g->values[0].string);
    else jinja_add_repeated(&width, &space, jinja_arg_int(j, g, 0, 4));
    value pad = jinja_built(&width);
    jinja_add_string(&line_end, s);
    jinja_adds(&line_end, "\n");   /* so that the text after a last newline is a line too */
    value all = jinja_built(&line_end), lines = j->failed ? jinja_nothing() : jinja_split_lines(j, all.string, false);
    for (size_t i = 0; !j->failed && i < lines.list->count; i++) {
        const jinja_string *line = lines.list->items[i].string;
        if (i) jinja_adds(&b, "\n");
        if (i ? blank || line->text.n : first) jinja_add_string(&b, pad.string);
        jinja_add_string(&b, line);
    }
    return jinja_built(&b);
}

static value format(jinja_state *j, value v, args *g) {
    value tuple = {.type = JINJA_TUPLE, .list = &(jinja_list){.items = g->values, .count = g->count}};
    value dict = {.type = JINJA_DICT, .dict = &(jinja_dict){.pairs = g->named.pairs, .count = g->named.count}};
    return jinja_percent(j, jinja_str(j, v), g->named.count ? dict : tuple);
}

/* ---- numbers ---- */
static bool to_int64(double d, int64_t *out) {
    if (!(d > -9.2e18 && d < 9.2e18)) return false;
    *out = (int64_t)d;
    return true;
}

static value strip_number(jinja_state *j, const jinja_string *s) { return jinja_strip(j, s, (str){0}, true, true); }

static bool parse_real(jinja_state *j, const jinja_string *s, double *out) {
    value stripped = strip_number(j, s);
    if (j->failed || !stripped.string->text.n || stripped.string->text.n > 400) return false;
    char text[402], *end;
    size_t n = 0;
    for (size_t i = 0; i < stripped.string->text.n; i++) {
        char c = stripped.string->text.p[i];
        if (c == 'x' || c == 'X' || c == 'p' || c == 'P' || !c)
            return false; /* what strtod takes and Python does not */
        if (c != '_') text[n++] = c;
    }
    text[n] = 0;
    *out = strtod(text, &end);
    return n && !*end;
}

static bool parse_whole(jinja_state *j, const jinja_string *s, int64_t base, int64_t *out) {
    value stripped = strip_number(j, s);
    if (j->failed || !stripped.string->text.n || stripped.string->text.n > 70) return false;
    char text[72], *end;
    size_t n = 0;
    str t = stripped.string->text;
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] != '_') text[n++] = t.p[i];
    text[n] = 0;
    if (!n || base < 2 || base > 36) return false;
    char *digits = text + (text[0] == '-' || text[0] == '+');
    char prefix = digits[0] == '0' ? digits[1] | 32 : 0;
    bool skip = (prefix == 'x' && base == 16) || (prefix == 'o' && base == 8) || (prefix == 'b' && base == 2);
    if (skip) memmove(digits, digits + 2, strlen(digits + 2) + 1);
    errno = 0;
    *out = strtoll(text, &end, (int)base);
    return !*end && end > text && !errno && !(base == 10 && prefix == 'x');
}

static value to_int(jinja_state *j, value v, args *g) {
    int64_t i = 0;
    double d = 0;
    value fallback = jinja_given(g, 0) ? g->values[0] : jinja_int(0);
    if (!jinja_no_undefined(j, v) || jinja_integer(v, &i)) return jinja_int(j->failed ? 0 : i);
    if (v.type == JINJA_STRING && parse_whole(j, v.string, jinja_arg_int(j, g, 1, 10), &i)) return jinja_int(i);
    if (v.type == JINJA_STRING ? !parse_real(j, v.string, &d) : !jinja_number(v, &d)) return fallback;
    return to_int64(d, &i) ? jinja_int(i) : fallback;
}

static value to_float(jinja_state *j, value v, args *g) {
    double d = 0;
    if (!jinja_no_undefined(j, v)) return v;
    bool ok = v.type == JINJA_STRING ? parse_real(j, v.string, &d) : jinja_number(v, &d);
    return ok ? jinja_float(d) : jinja_given(g, 0) ? g->values[0] : jinja_float(0);
}

static value absolute(jinja_state *j, value v, args *g) {
    (void)g;
    double d = 0;
    if (jinja_no_undefined(j, v) && !jinja_number(v, &d))
        jinja_fail(j, "abs needs a number, not %s", jinja_type_name(v));
    return j->failed || d >= 0 ? jinja_unary(j, '+', v) : jinja_unary(j, '-', v);
}

/* Halves as Python rounds them: the decimal digits decide, ties to even. */
static double round_common(double d, int precision) {
    char text[400];
    double scale = pow(10, -precision);
    if (precision < 0) return rint(d / scale) * scale;
    snprintf(text, sizeof text, "%.*f", precision, d);
    return strtod(text, NULL);
}

static value rounded(jinja_state *j, value v, args *g) {
    double d = 0;
    int64_t precision = jinja_arg_int(j, g, 0, 0);
    const jinja_string *method = text_arg(j, g, 1, "common");
    if (jinja_no_undefined(j, v) && !jinja_number(v, &d))
        jinja_fail(j, "round needs a number, not %s", jinja_type_name(v));
    if (precision < -20 || precision > 20) jinja_fail(j, "round takes -20 to 20 digits");
    double scale = pow(10, (double)precision);
    if (str_is(method->text, "ceil")) return jinja_float(ceil(d * scale) / scale);
    if (str_is(method->text, "floor")) return jinja_float(floor(d * scale) / scale);
    if (!str_is(method->text, "common")) jinja_fail(j, "round: the method is common, ceil or floor");
    if (j->failed || (v.type != JINJA_FLOAT && precision >= 0)) return jinja_unary(j, '+', v);
    d = round_common(d, (int)precision);
    return v.type == JINJA_FLOAT ? jinja_float(d) : jinja_int((int64_t)d);
}

/* ---- any value ---- */
static value use_default(jinja_state *j, value v, args *g) {
    bool absent = v.type == JINJA_UNDEFINED || (jinja_arg_bool(g, 1, false) && !jinja_truth(v));
    return !absent ? v : jinja_given(g, 0) ? g->values[0] : jinja_constant(j, "");
}

static value length(jinja_state *j, value v, args *g) {
    (void)g;
    size_t n;
    return jinja_size(j, v, &n) ? jinja_int((int64_t)n) : jinja_nothing();
}

/* transformers' tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False) */
static value tojson(jinja_state *j, value v, args *g) {
    static const jinja_string comma = {.text = {", ", 2}}, bare_comma = {.text = {",", 1}}, colon = {.text = {": ", 2}};
    const jinja_string space = {.text = STR(" ")};
    jinja_json_style style = {.ascii = jinja_arg_bool(g, 0, false),
                              .sort_keys = jinja_arg_bool(g, 3, false),
                              .comma = &comma,
                              .colon = &colon};
    jinja_builder b = {.j = j}, pad = {.j = j};
    if (jinja_given(g, 1) && g->values[1].type != JINJA_NONE) {
        if (g->values[1].type == JINJA_STRING) jinja_add_string(&pad, g->values[1].string);
        else jinja_add_repeated(&pad, &space, jinja_arg_int(j, g, 1, 0));
        style.indent = jinja_str(j, jinja_built(&pad));
        style.comma = &bare_comma;
    }
    if (jinja_given(g, 2) && g->values[2].type != JINJA_NONE) {
        const jinja_list *two = jinja_items(j, g->values[2]);
        if (two && two->count == 2)
            style.comma = jinja_str(j, two->items[0]), style.colon = jinja_str(j, two->items[1]);
        else jinja_fail(j, "tojson: separators are two strings");
    }
    if (!j->failed) jinja_print_json(&b, v, &style);
    return jinja_built(&b);
}

const jinja_row jinja_filters[] = {
    {"abs", absolute, "", 0, 0},
    {"capitalize", capitalize, "", 0, 0},
    {"center", center, "width", 0, 0},
    {"count", length, "", 0, 0},
    {"d", use_default, "default_value boolean", 0, 0},
    {"default", use_default, "default_value boolean", 0, 0},
    {"e", escape, "", 0, 0},
    {"escape", escape, "", 0, 0},
    {"float", to_float, "default", 0, 0},
    {"format", format, "*", 0, 0},
    {"indent", indent, "width first blank", 0, 0},
    {"int", to_int, "default base", 0, 0},
    {"length", length, "", 0, 0},
    {"lower", lower, "", 0, 0},
    {"replace", replace, "old new count", 2, 0},
    {"round", rounded, "precision method", 0, 0},
    {"safe", safe, "", 0, 0},
    {"string", string, "", 0, 0},
    {"title", title, "", 0, 0},
    {"tojson", tojson, "ensure_ascii indent separators sort_keys", 0, 0},
    {"trim", trim, "chars", 0, 0},
    {"upper", upper, "", 0, 0},
    {0},
};
