/* Values as text, as Python writes them: str(), repr() and json.dumps(). Marks of strings go along. */
#include "llm/jinja_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

/* Shortest digits that read back as the same number, with Python's choice between 1e+16 and 10000.0. */
void jinja_print_float(jinja_builder *b, double v) {
    char digits[40], text[400];
    if (!isfinite(v)) {
        jinja_adds(b, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    int precision = 0;
    do snprintf(digits, sizeof digits, "%.*e", precision, v);
    while (strtod(digits, NULL) != v && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        jinja_adds(b, digits);
        return;
    }
    int places = precision - exponent;
    snprintf(text, sizeof text, "%.*f", places > 0 ? places : 1, v);
    jinja_adds(b, text);
}

static bool printable(uint32_t cp) {
    if (cp < 0x80) return cp >= 0x20 && cp < 0x7F;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CN: case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default: return true;
    }
}

static void add_ascii(jinja_builder *b, const char *text, bool from_message) {
    jinja_add(b, text, strlen(text), from_message);
}

static void repr_code_point(jinja_builder *b, const jinja_string *s, size_t at, size_t n, uint32_t cp, char quote) {
    char text[16];
    bool from = jinja_from_message(s, at);
    if (cp == '\n') add_ascii(b, "\\n", from);
    else if (cp == '\r') add_ascii(b, "\\r", from);
    else if (cp == '\t') add_ascii(b, "\\t", from);
    else if (cp == '\\' || cp == (unsigned char)quote) {
        add_ascii(b, "\\", from);
        jinja_add_slice(b, s, at, at + n);
    } else if (printable(cp)) jinja_add_slice(b, s, at, at + n);
    else {
        snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        add_ascii(b, text, from);
    }
}

static void repr_string(jinja_builder *b, const jinja_string *s) {
    bool single = memchr(s->text.p, '\'', s->text.n) != NULL, twice = memchr(s->text.p, '"', s->text.n) != NULL;
    char quote[2] = {single && !twice ? '"' : '\'', 0};
    uint32_t cp;
    jinja_adds(b, quote);
    for (size_t i = 0, n; i < s->text.n && !b->j->failed; i += n) {
        n = jinja_code_point(s->text, i, &cp);
        repr_code_point(b, s, i, n, cp, quote[0]);
    }
    jinja_adds(b, quote);
}

static void print_items(jinja_builder *b, const jinja_list *l, const char *open, const char *close) {
    jinja_adds(b, open);
    for (size_t i = 0; i < l->count && !b->j->failed; i++) {
        if (i) jinja_adds(b, ", ");
        jinja_print(b, l->items[i], true);
    }
    jinja_adds(b, close);
}

static void print_list(jinja_builder *b, const jinja_list *l) {
    if (l->view && !strcmp(l->view, "range")) {   /* as many as the sandbox of jinja2 allows, so it is a list here */
        char text[100];
        long long first = l->count ? l->items[0].integer : 0, step = l->count > 1 ? l->items[1].integer - first : 1;
        long long stop = l->count ? l->items[l->count - 1].integer + (step > 0 ? 1 : -1) : 0;
        snprintf(text, sizeof text, step == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)", first, stop, step);
        jinja_adds(b, text);
        return;
    }
    if (l->view) jinja_adds(b, l->view), jinja_adds(b, "(");
    print_items(b, l, "[", "]");
    if (l->view) jinja_adds(b, ")");
}

static void print_dict(jinja_builder *b, const jinja_dict *d) {
    jinja_adds(b, "{");
    for (size_t i = 0; i < d->count && !b->j->failed; i++) {
        if (i) jinja_adds(b, ", ");
        jinja_print(b, d->pairs[i].key, true);
        jinja_adds(b, ": ");
        jinja_print(b, d->pairs[i].value, true);
    }
    jinja_adds(b, "}");
}

static void print_object(jinja_builder *b, jinja_value v) {
    char text[100];
    jinja_adds(b, "<");
    if (v.type == JINJA_LOOP)
        snprintf(text, sizeof text, "LoopContext %zu/%zu", v.object->position + 1, v.object->items->count);
    else
        snprintf(text, sizeof text, "%s", v.type == JINJA_FUNCTION && v.object->macro ? "Macro '" : jinja_type_name(v));
    jinja_adds(b, text);
    if (v.type == JINJA_NAMESPACE) jinja_adds(b, " "), print_dict(b, v.dict);
    if (v.type == JINJA_FUNCTION && v.object->macro)
        jinja_add(b, v.object->macro->name.p, v.object->macro->name.n, false), jinja_adds(b, "'");
    jinja_adds(b, ">");
}

void jinja_print(jinja_builder *b, jinja_value v, bool repr) {
    char text[32];
    if (!jinja_charge(b->j, 1)) return;
    if (jinja_enter(b->j)) switch (v.type) {
    case JINJA_UNDEFINED: if (repr) jinja_adds(b, "Undefined"); break;
    case JINJA_NONE: jinja_adds(b, "None"); break;
    case JINJA_BOOL: jinja_adds(b, v.truth ? "True" : "False"); break;
    case JINJA_INT: snprintf(text, sizeof text, "%lld", (long long)v.integer), jinja_adds(b, text); break;
    case JINJA_FLOAT: jinja_print_float(b, v.real); break;
    case JINJA_STRING: if (repr) repr_string(b, v.string); else jinja_add_string(b, v.string); break;
    case JINJA_LIST: print_list(b, v.list); break;
    case JINJA_TUPLE: print_items(b, v.list, "(", v.list->count == 1 ? ",)" : ")"); break;
    case JINJA_DICT: print_dict(b, v.dict); break;
    default: print_object(b, v);
    }
    jinja_leave(b->j);
}

const jinja_string *jinja_str(jinja_state *j, jinja_value v) {
    static const jinja_string empty = {.text = {"", 0}};
    if (v.type == JINJA_STRING) return v.string;
    jinja_builder b = {.j = j};
    jinja_print(&b, v, false);
    v = jinja_built(&b);
    return j->failed ? &empty : v.string;
}

/* ---- JSON ---- */
static void json_string(jinja_builder *b, const jinja_string *s, bool ascii) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    uint32_t cp;
    char text[16];
    jinja_adds(b, "\"");
    for (size_t i = 0, n; i < s->text.n && !b->j->failed; i += n) {
        n = jinja_code_point(s->text, i, &cp);
        const char *simple = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
        if (simple) snprintf(text, sizeof text, "\\%c", to[simple - from]);
        else if (cp >= 0x10000 && ascii)
            snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD7C0 + (cp >> 10), 0xDC00 + (cp & 0x3FF));
        else if (cp < 0x20 || (ascii && cp >= 0x7F)) snprintf(text, sizeof text, "\\u%04x", cp);
        else {
            jinja_add_slice(b, s, i, i + n);
            continue;
        }
        add_ascii(b, text, jinja_from_message(s, i));
    }
    jinja_adds(b, "\"");
}

static void json_break(jinja_builder *b, const jinja_json_style *style, unsigned level) {
    if (!style->indent) return;
    jinja_adds(b, "\n");
    jinja_add_repeated(b, style->indent, level);
}

static void json_value(jinja_builder *b, jinja_value v, const jinja_json_style *style, unsigned level);

static void json_list(jinja_builder *b, const jinja_list *l, const jinja_json_style *style, unsigned level) {
    jinja_adds(b, "[");
    for (size_t i = 0; i < l->count && !b->j->failed; i++) {
        if (i) jinja_add_string(b, style->comma);
        json_break(b, style, level + 1);
        json_value(b, l->items[i], style, level + 1);
    }
    if (l->count) json_break(b, style, level);
    jinja_adds(b, "]");
}

static void json_key(jinja_builder *b, jinja_value key, bool ascii) {
    jinja_builder text = {.j = b->j};
    if (key.type == JINJA_STRING) json_string(b, key.string, ascii);
    else if (key.type > JINJA_STRING || key.type == JINJA_UNDEFINED)
        jinja_fail(b->j, "tojson: a key cannot be %s", jinja_type_name(key));
    else {
        json_value(&text, key, NULL, 0);
        jinja_adds(b, "\"");
        jinja_add(b, text.p, text.n, false);
        jinja_adds(b, "\"");
    }
}

/* Positions of the pairs by key; insertion sort, each look charged. */
static size_t *sorted_keys(jinja_state *j, const jinja_dict *d) {
    size_t *order = jinja_alloc(j, d->count + 1, sizeof *order);
    for (size_t i = 0; order && i < d->count; i++) {
        size_t k = i;
        for (; k && !j->failed && jinja_order(j, d->pairs[i].key, d->pairs[order[k - 1]].key, "<") < 0; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    return order;
}

static void json_dict(jinja_builder *b, const jinja_dict *d, const jinja_json_style *style, unsigned level) {
    const size_t *order = style->sort_keys ? sorted_keys(b->j, d) : NULL;
    jinja_adds(b, "{");
    for (size_t i = 0; i < d->count && !b->j->failed; i++) {
        const jinja_pair *pair = &d->pairs[order ? order[i] : i];
        if (i) jinja_add_string(b, style->comma);
        json_break(b, style, level + 1);
        json_key(b, pair->key, style->ascii);
        jinja_add_string(b, style->colon);
        json_value(b, pair->value, style, level + 1);
    }
    if (d->count) json_break(b, style, level);
    jinja_adds(b, "}");
}

static void json_value(jinja_builder *b, jinja_value v, const jinja_json_style *style, unsigned level) {
    if (!jinja_charge(b->j, 1)) return;
    if (jinja_enter(b->j)) switch (v.type) {
    case JINJA_NONE: jinja_adds(b, "null"); break;
    case JINJA_BOOL: jinja_adds(b, v.truth ? "true" : "false"); break;
    case JINJA_INT: jinja_print(b, v, false); break;
    case JINJA_FLOAT:
        if (isfinite(v.real)) jinja_print_float(b, v.real);
        else jinja_adds(b, isnan(v.real) ? "NaN" : v.real > 0 ? "Infinity" : "-Infinity");
        break;
    case JINJA_STRING: json_string(b, v.string, style->ascii); break;
    case JINJA_LIST: case JINJA_TUPLE:
        if (!v.list->view) {
            json_list(b, v.list, style, level);
            break;
        } /* fall through */
    default:
        if (v.type == JINJA_DICT) json_dict(b, v.dict, style, level);
        else jinja_fail(b->j, "tojson: %s is not JSON", jinja_type_name(v));
    }
    jinja_leave(b->j);
}

void jinja_print_json(jinja_builder *b, jinja_value v, const jinja_json_style *style) { json_value(b, v, style, 0); }
