/* See facts.h. */
#include "base/facts.h"
#include <math.h>
#include <stdarg.h>

static const char *const kind_names[] = {"spec", "measured", "derived", "estimate", "claim"};
static const char *const confidences[] = {"A", "B", "C", "D"};

const char *fact_kind_name(fact_kind k) { return k < FACT_KINDS ? kind_names[k] : "unknown"; }

/* ---- complaints ---- */

/* The first `"key"` at or behind `from`; the end of the text when there is none. */
static size_t quoted(str text, size_t from, const char *key) {
    size_t n = strlen(key);
    for (size_t i = from; i + n + 2 <= text.n; i++)
        if (text.p[i] == '"' && !memcmp(text.p + i + 1, key, n) && text.p[i + n + 1] == '"') return i;
    return text.n;
}

static span find_key(const facts *f, const char *key) {
    str text = f->src.text;
    size_t from = f->section ? quoted(text, 0, f->section) : 0, at = quoted(text, from, key);
    if (at == text.n) at = quoted(text, 0, key);
    return at == text.n ? (span){0, 0} : (span){at, at + strlen(key) + 2};
}

void facts_complain(facts *f, const char *key, const char *fmt, ...) {
    char text[640];
    va_list ap;
    f->ok = false;
    if (++f->complaints > FACTS_COMPLAINTS_MAX) return; /* finding the place takes a pass over the file */
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_at(f->d, DIAG_ERROR, &f->src, find_key(f, key), "'%.80s': %s", key, text);
}

/* ---- members ---- */

static bool listed(const char *known, const char *member) {
    size_t n = strlen(member);
    const char *p = known;
    while (p && (strncmp(p, member, n) || p[n] != ',')) p = (p = strchr(p, ',')) ? p + 1 : NULL;
    return p;
}

void facts_only(facts *f, json_t *object, const char *key, const char *known) {
    const char *member;
    json_t *v;
    json_object_foreach(object, member, v) {
        if (!listed(known, member))
            facts_complain(f, *key ? key : member, "unknown member '%.80s'; known are %s", member, known);
    }
}

static const char *copy(facts *f, const char *s) {
    if (!f->a) return "";
    const char *c = arena_strdup(f->a, s);
    if (!c) f->ok = diag_oom(f->d, f->src.name);
    return c ? c : "";
}

const char *facts_text(facts *f, const json_t *from, const char *key, const char *member, bool needed) {
    const json_t *v = json_object_get(from, member);
    const char *s = json_string_value(v);
    if (s && *s) return copy(f, s);
    if (v) facts_complain(f, key, "'%s' must be a non-empty string", member);
    else if (needed) facts_complain(f, key, "'%s' is missing: add it", member);
    return "";
}

size_t facts_choice(facts *f, const json_t *from, const char *key, const char *member, const char *const *names,
                    size_t count) {
    const char *s = json_string_value(json_object_get(from, member));
    char list[160] = "";
    for (size_t i = 0; i < count; i++) {
        if (s && !strcmp(s, names[i])) return i;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", names[i]);
    }
    facts_complain(f, key, "'%s' must be one of: %s", member, list);
    return 0;
}

double facts_number(facts *f, const char *key, const json_t *v, double min, double max, bool whole) {
    double x = json_number_value(v);
    if (!json_is_number(v)) facts_complain(f, key, "must be a number");
    else if (!(x >= min && x <= max))
        facts_complain(f, key, "%g is outside %g .. %g: check number and unit", x, min, max);
    else if (whole && x != floor(x)) facts_complain(f, key, "%g must be whole", x);
    else return x;
    return min;
}

/* ---- entries ---- */

bool facts_entry(facts *f, const char *key, json_t *entry, size_t kinds, bool ranges, fact *out) {
    *out = (fact){.unit = "", .source = "", .note = ""};
    if (!json_is_object(entry)) {
        facts_complain(f, key, "must be an object with value, unit, kind and source");
        return false;
    }
    facts_only(f, entry, key,
               ranges ? "value,low,high,unit,kind,source,note,confidence," : "value,unit,kind,source,note,confidence,");
    const char *unit = json_string_value(json_object_get(entry, "unit"));
    out->unit = unit ? unit : "";
    out->kind = (fact_kind)facts_choice(f, entry, key, "kind", kind_names, kinds);
    out->source = facts_text(f, entry, key, "source", true);
    out->note = facts_text(f, entry, key, "note", false);
    if (json_object_get(entry, "confidence"))
        out->confidence = confidences[facts_choice(f, entry, key, "confidence", confidences, 4)][0];
    out->value = json_object_get(entry, "value");
    out->low = ranges ? json_object_get(entry, "low") : NULL;
    out->high = ranges ? json_object_get(entry, "high") : NULL;
    if (!out->value) facts_complain(f, key, "'value' is missing: add it");
    return out->value;
}

/* ---- the file ---- */

json_t *facts_parse(facts *f, const char *what) {
    str text = f->src.text;
    f->ok = false;
    if (text.n > FACTS_BYTES_MAX) {
        diag_error(f->d, "%s: %zu bytes are too many for a %s file (at most %d)", f->src.name, text.n, what,
                   FACTS_BYTES_MAX);
        return NULL;
    }
    json_error_t error;
    json_t *root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        size_t at = error.position > 0 && (size_t)error.position <= text.n ? (size_t)error.position : text.n;
        diag_at(f->d, DIAG_ERROR, &f->src, (span){at ? at - 1 : 0, at}, "%s", error.text);
        return NULL;
    }
    if (!json_is_object(root)) {
        facts_complain(f, "", "a %s file must be an object", what);
        json_decref(root);
        return NULL;
    }
    f->ok = true;
    return root;
}
