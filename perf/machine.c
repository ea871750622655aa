/* Reads machine files. jansson checks the JSON (syntax, UTF-8, duplicate keys, no NaN); here every value is checked
 * against its row: known name, unit of the right dimension, a sensible number, a kind and a source. All errors of a
 * file are reported. */
#include "perf/machine.h"
#include "base/file.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

#define ROW(name, dimension, better, need, what) \
    {#name, what, dimension, better, need, offsetof(perf_machine, name), offsetof(perf_numbers, name)},
static const perf_row rows[] = {PERF_MACHINE_VALUES(ROW)};
#undef ROW
enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* The first unit of a dimension is its base. */
static const struct {
    const char *name;
    perf_dimension dimension;
    double scale;
} units[] = {
    {"FLOP/s", DIM_FLOP_RATE, 1},
    {"TFLOP/s", DIM_FLOP_RATE, 1e12},
    {"PFLOP/s", DIM_FLOP_RATE, 1e15},
    {"B/s", DIM_BYTE_RATE, 1},
    {"GB/s", DIM_BYTE_RATE, 1e9},
    {"TB/s", DIM_BYTE_RATE, 1e12},
    {"PB/s", DIM_BYTE_RATE, 1e15},
    {"Gb/s", DIM_BYTE_RATE, 1e9 / 8},
    {"Tb/s", DIM_BYTE_RATE, 1e12 / 8},
    {"Pb/s", DIM_BYTE_RATE, 1e15 / 8},
    {"B", DIM_BYTES, 1},
    {"MB", DIM_BYTES, 1e6},
    {"GB", DIM_BYTES, 1e9},
    {"TB", DIM_BYTES, 1e12},
    {"GiB", DIM_BYTES, 0x1p30},
    {"Hz", DIM_HERTZ, 1},
    {"MHz", DIM_HERTZ, 1e6},
    {"GHz", DIM_HERTZ, 1e9},
    {"s", DIM_SECONDS, 1},
    {"ms", DIM_SECONDS, 1e-3},
    {"us", DIM_SECONDS, 1e-6},
    {"ns", DIM_SECONDS, 1e-9},
    {"cycle", DIM_CYCLES, 1},
    {"1", DIM_COUNT, 1},
    {"1", DIM_SHARE, 1},
    {"W", DIM_WATTS, 1},
    {"kW", DIM_WATTS, 1e3},
    {"USD", DIM_USD, 1},
    {"USD/h", DIM_USD_PER_HOUR, 1},
};
enum { UNIT_COUNT = sizeof units / sizeof *units };

/* Numbers outside are typing errors, and would turn later arithmetic into nonsense. Base units. */
static const struct {
    double min, max;
} limits[DIM_KINDS] = {
    [DIM_FLOP_RATE] = {1e3, 1e24}, [DIM_BYTE_RATE] = {1e3, 1e21}, [DIM_BYTES] = {1e3, 1e18}, [DIM_HERTZ] = {1e3, 1e12},
    [DIM_SECONDS] = {0, 1e3},      [DIM_CYCLES] = {0, 1e6},       [DIM_COUNT] = {1, 65536},  [DIM_SHARE] = {1e-4, 1},
    [DIM_WATTS] = {1e-3, 1e9},     [DIM_USD] = {0, 1e12},         [DIM_USD_PER_HOUR] = {0, 1e9},
};

static const char *const kind_names[] = {"spec", "measured", "derived", "estimate", "claim"};
static const char *const class_names[] = {"wafer", "gpu"};
static const char *const format_names[] = {"widened_f16", "as_stored"};

const perf_row *perf_machine_row(size_t i) { return i < ROW_COUNT ? &rows[i] : NULL; }
const char *perf_kind_name(perf_kind k) { return k < PERF_KIND_COUNT ? kind_names[k] : "unknown"; }
const char *perf_class_name(perf_class c) { return c < PERF_CLASS_COUNT ? class_names[c] : "unknown"; }

const char *perf_dimension_unit(perf_dimension d) {
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (units[i].dimension == d) return units[i].name;
    return "";
}

/* ---- reading ---- */

typedef struct {
    perf_machine *m;
    arena *a;
    diag_source src;
    diag *d;
    bool ok;
} reader;

/* Points at the first "key" of the file: keys of values are unique, so that is the right line. */
static span find_key(const reader *r, const char *key) {
    size_t n = strlen(key);
    str text = r->src.text;
    for (size_t i = 0; i + n + 2 <= text.n; i++)
        if (text.p[i] == '"' && !memcmp(text.p + i + 1, key, n) && text.p[i + n + 1] == '"')
            return (span){i, i + n + 2};
    return (span){0, 0};
}

static void complain(reader *r, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void complain(reader *r, const char *key, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_at(r->d, DIAG_ERROR, &r->src, find_key(r, key), "'%s': %s", key, text);
    r->ok = false;
}

static const char *copy(reader *r, const char *s) {
    char *c = arena_strdup(r->a, s);
    if (!c) r->ok = diag_oom(r->d, r->src.name);
    return c ? c : "";
}

/* A non-empty string member of `from`, which is the entry `key`; "" when absent, with a complaint when needed. */
static const char *text_of(reader *r, const json_t *from, const char *key, const char *member, bool needed) {
    const json_t *v = json_object_get(from, member);
    const char *s = json_string_value(v);
    if (s && *s) return copy(r, s);
    if (v) complain(r, key, "'%s' must be a non-empty string", member);
    else if (needed) complain(r, key, "'%s' is missing: add it", member);
    return "";
}

/* Adds to a comma-separated list of what is allowed, for a message. */
static void list_item(char *list, size_t size, const char *item) {
    size_t n = strlen(list);
    snprintf(list + n, size - n, "%s%s", n ? ", " : "", item);
}

static int choice_of(reader *r, const json_t *from, const char *key, const char *member, const char *const *names,
                     int count) {
    const char *s = json_string_value(json_object_get(from, member));
    char list[128] = "";
    for (int i = 0; i < count; i++) {
        if (s && !strcmp(s, names[i])) return i;
        list_item(list, sizeof list, names[i]);
    }
    complain(r, key, "'%s' must be one of: %s", member, list);
    return 0;
}

/* Only the members named in `known` (comma after each): a misspelt one would silently do nothing. */
static void refuse_others(reader *r, json_t *object, const char *key, const char *known) {
    const char *member;
    json_t *v;
    json_object_foreach(object, member, v) {
        size_t n = strlen(member);
        const char *p = known;
        while (p && (strncmp(p, member, n) || p[n] != ',')) p = (p = strchr(p, ',')) ? p + 1 : NULL;
        if (!p) complain(r, *key ? key : member, "unknown member '%.80s'; known are %s", member, known);
    }
}

static double scale_of(reader *r, const json_t *entry, const perf_row *row) {
    const char *unit = json_string_value(json_object_get(entry, "unit"));
    char list[128] = "";
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].dimension != row->dimension) continue;
        if (unit && !strcmp(unit, units[i].name)) return units[i].scale;
        list_item(list, sizeof list, units[i].name);
    }
    complain(r, row->name, "unit '%.40s' is not known here; use %s", unit ? unit : "(none)", list);
    return 0;
}

static double number_of(reader *r, const json_t *entry, const perf_row *row, const char *member, double scale,
                        double otherwise) {
    const json_t *v = json_object_get(entry, member);
    if (!v && strcmp(member, "value")) return otherwise;
    double x = json_number_value(v) * scale, min = limits[row->dimension].min, max = limits[row->dimension].max;
    const char *unit = perf_dimension_unit(row->dimension);
    if (!json_is_number(v)) complain(r, row->name, "'%s' must be a number", member);
    else if (scale > 0 && !(x >= min && x <= max))
        complain(r, row->name, "%s %g %s is outside %g .. %g: check number and unit", member, x, unit, min, max);
    else if (row->dimension == DIM_COUNT && x != floor(x)) complain(r, row->name, "%s %g must be whole", member, x);
    return x;
}

static void read_value(reader *r, json_t *entry, const perf_row *row, perf_value *v) {
    if (!json_is_object(entry)) {
        complain(r, row->name, "must be an object with value, unit, kind and source");
        return;
    }
    refuse_others(r, entry, row->name, "value,low,high,unit,kind,source,note,");
    double scale = scale_of(r, entry, row);
    v->given = true;
    v->value = number_of(r, entry, row, "value", scale, 0);
    v->low = number_of(r, entry, row, "low", scale, v->value);
    v->high = number_of(r, entry, row, "high", scale, v->value);
    v->kind = (perf_kind)choice_of(r, entry, row->name, "kind", kind_names, PERF_KIND_COUNT);
    v->source = text_of(r, entry, row->name, "source", true);
    v->note = text_of(r, entry, row->name, "note", false);
    if (r->ok && !(v->low <= v->value && v->value <= v->high))
        complain(r, row->name, "low <= value <= high does not hold");
}

static perf_value *value_of(perf_machine *m, const perf_row *row) {
    return (perf_value *)((char *)m + row->value_offset);
}

static const perf_row *row_named(const char *name) {
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (!strcmp(name, rows[i].name)) return &rows[i];
    return NULL;
}

static void read_values(reader *r, json_t *values) {
    const char *name;
    json_t *entry;
    if (!json_is_object(values)) {
        complain(r, "values", "must be an object: one entry per value");
        return;
    }
    json_object_foreach(values, name, entry) {
        const perf_row *row = row_named(name);
        if (row) read_value(r, entry, row, value_of(r->m, row));
        else complain(r, name, "no such value; data/machines/README.md lists them");
    }
    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((rows[i].need & (1u << r->m->class)) && !value_of(r->m, &rows[i])->given)
            complain(r, "values", "'%s' (%s) is missing: a %s needs it", rows[i].name, rows[i].what,
                     class_names[r->m->class]);
}

static void read_machine(reader *r, json_t *root) {
    if (!json_is_object(root)) {
        complain(r, "", "a machine file must be an object");
        return;
    }
    refuse_others(r, root, "", "name,title,class,weights_format,values,");
    r->m->name = text_of(r, root, "name", "name", true);
    r->m->title = text_of(r, root, "title", "title", true);
    r->m->class = (perf_class)choice_of(r, root, "class", "class", class_names, PERF_CLASS_COUNT);
    r->m->weights_format = (perf_weights_format)choice_of(r, root, "weights_format", "weights_format", format_names, 2);
    read_values(r, json_object_get(root, "values"));
}

bool perf_machine_parse(perf_machine *m, arena *a, const char *file_name, str json, diag *d) {
    *m = (perf_machine){0};
    reader r = {.m = m, .a = a, .src = {.name = file_name, .text = json}, .d = d, .ok = true};
    m->file = copy(&r, file_name);
    if (json.n > FILE_BYTES_MAX)
        return diag_error(d, "%s: %zu bytes are too many for a machine file (at most %d)", file_name, json.n,
                          FILE_BYTES_MAX);
    json_error_t error;
    json_t *root = json_loadb(json.n ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &error);
    if (root) read_machine(&r, root);
    else {
        size_t at = error.position > 0 && (size_t)error.position <= json.n ? (size_t)error.position : json.n;
        diag_at(d, DIAG_ERROR, &r.src, (span){at ? at - 1 : 0, at}, "%s", error.text);
        r.ok = false;
    }
    json_decref(root);
    return r.ok;
}

perf_numbers perf_machine_numbers(const perf_machine *m, perf_case which) {
    perf_numbers n = {0};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const perf_value *v = (const perf_value *)((const char *)m + rows[i].value_offset);
        int better = which == PERF_FAST ? rows[i].better : which == PERF_SLOW ? -rows[i].better : 0;
        double x = better > 0 ? v->high : better < 0 ? v->low : v->value;
        memcpy((char *)&n + rows[i].number_offset, &x, sizeof x);
    }
    return n;
}

/* ---- finding files ---- */

static char *beside_executable(arena *a, const char *relative) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = 0;
    char *dir = path_dir(a, path);
    return dir ? path_join(a, dir, relative) : NULL;
}

static bool is_data_dir(arena *a, const char *path) {
    char *machines = path ? path_join(a, path, "machines") : NULL;
    return machines && file_exists(machines);
}

static char *told(char *path, diag *d) {
    if (!path) diag_oom(d, "a path");
    return path;
}

char *perf_data_dir(arena *a, diag *d) {
    const char *chosen = getenv("INGOT_DATA");
    if (chosen && *chosen) {
        if (is_data_dir(a, chosen)) return told(arena_strdup(a, chosen), d);
        diag_error(d, "INGOT_DATA=%s: no folder 'machines' in it; correct or unset INGOT_DATA", chosen);
        return NULL;
    }
    static const char *const places[] = {"../data", "../share/ingot/data"};
    for (size_t i = 0; i < 2; i++) {
        char *path = beside_executable(a, places[i]);
        if (is_data_dir(a, path)) return path;
    }
    if (is_data_dir(a, "data")) return told(arena_strdup(a, "data"), d);
    diag_error(d, "Ingot's data folder is not beside the program nor in ./data; set INGOT_DATA to it");
    return NULL;
}

static char *machine_path(arena *a, const char *name, diag *d) {
    if (strchr(name, '/') || str_ends(str_from(name), STR(".json"))) return told(arena_strdup(a, name), d);
    char *dir = perf_data_dir(a, d);
    char *path = dir ? told(arena_printf(a, "%s/machines/%s.json", dir, name), d) : NULL;
    if (!path || file_exists(path)) return path;
    diag_error(d, "no machine '%s' in %s/machines; see the names there, or give a path to a .json file", name, dir);
    return NULL;
}

bool perf_machine_load(perf_machine *m, arena *a, const char *name_or_path, diag *d) {
    str text;
    const char *path = machine_path(a, name_or_path, d);
    return path && file_read_all(a, path, FILE_BYTES_MAX, &text, d) && perf_machine_parse(m, a, path, text, d);
}
