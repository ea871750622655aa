/* Reads machine files. base/facts.c reads the JSON; here every value is checked against its row: known name, unit of
 * the right dimension, a sensible number. All errors of a file are reported. */
#include "perf/machine.h"
#include <math.h>
#include <stdlib.h>

#define ROW(name, dimension, better, need, what)                                                                       \
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
    {"pJ/bit", DIM_PJ_PER_BIT, 1},
    {"pJ/FLOP", DIM_PJ_PER_FLOP, 1},
    {"mm2", DIM_AREA, 1},
};
enum { UNIT_COUNT = sizeof units / sizeof *units };

/* Numbers outside are typing errors, and would turn later arithmetic into nonsense. Base units. */
static const struct {
    double min, max;
} limits[DIM_KINDS] = {
    [DIM_FLOP_RATE] = {1e3, 1e24},   [DIM_BYTE_RATE] = {1e3, 1e21}, [DIM_BYTES] = {1e3, 1e18},
    [DIM_HERTZ] = {1e3, 1e12},       [DIM_SECONDS] = {0, 1e3},      [DIM_CYCLES] = {0, 1e6},
    [DIM_COUNT] = {1, 65536},        [DIM_SHARE] = {1e-4, 1},       [DIM_WATTS] = {1e-3, 1e9},
    [DIM_USD] = {0, 1e12},           [DIM_USD_PER_HOUR] = {0, 1e9}, [DIM_PJ_PER_BIT] = {1e-6, 1e6},
    [DIM_PJ_PER_FLOP] = {1e-6, 1e6}, [DIM_AREA] = {1e-3, 1e6},
};

static const char *const class_names[] = {"wafer", "gpu", "asic", "host"};
static const char *const format_names[] = {"widened_f16", "as_stored"};
#define PERF_TEXT(name, text) text,
static const char *const kernel_names[] = {PERF_KERNELS(PERF_TEXT)};
static const char *const rate_names[] = {PERF_RATES(PERF_TEXT)};
#undef PERF_TEXT

const perf_row *perf_machine_row(size_t i) { return i < ROW_COUNT ? &rows[i] : NULL; }
const char *perf_class_name(perf_class c) { return c < PERF_CLASS_COUNT ? class_names[c] : "unknown"; }
const char *perf_kernel_name(perf_kernel_kind k) { return k < PERF_KERNEL_COUNT ? kernel_names[k] : "unknown"; }
const char *perf_rate_name(perf_rate r) { return r < PERF_RATE_COUNT ? rate_names[r] : "unknown"; }

const char *perf_dimension_unit(perf_dimension d) {
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (units[i].dimension == d) return units[i].name;
    return "";
}

/* ---- reading ---- */

typedef struct {
    perf_machine *m;
    facts f;
} reader;

/* Adds to a comma-separated list of what is allowed, for a message. */
static void list_item(char *list, size_t size, const char *item) {
    size_t n = strlen(list);
    snprintf(list + n, size - n, "%s%s", n ? ", " : "", item);
}

static double scale_of(reader *r, const char *unit, const perf_row *row) {
    char list[128] = "";
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].dimension != row->dimension) continue;
        if (!strcmp(unit, units[i].name)) return units[i].scale;
        list_item(list, sizeof list, units[i].name);
    }
    facts_complain(&r->f, row->name, "unit '%.40s' is not known here; use %s", *unit ? unit : "(none)", list);
    return 0;
}

static double number_of(reader *r, const perf_row *row, const char *member, const json_t *v, double scale,
                        double otherwise) {
    if (!v) return otherwise;
    double x = json_number_value(v) * scale, min = limits[row->dimension].min, max = limits[row->dimension].max;
    const char *unit = perf_dimension_unit(row->dimension);
    if (!json_is_number(v)) facts_complain(&r->f, row->name, "'%s' must be a number", member);
    else if (scale > 0 && !(x >= min && x <= max))
        facts_complain(&r->f, row->name, "%s %g %s is outside %g .. %g: check number and unit", member, x, unit, min,
                       max);
    else if (row->dimension == DIM_COUNT && x != floor(x))
        facts_complain(&r->f, row->name, "%s %g must be whole", member, x);
    return x;
}

static void read_value(reader *r, json_t *entry, const perf_row *row, perf_value *v) {
    fact e;
    bool ok = r->f.ok;
    r->f.ok = true; /* of this entry alone */
    facts_entry(&r->f, row->name, entry, FACT_KINDS, true, &e);
    if (json_is_object(entry)) {
        double scale = scale_of(r, e.unit, row);
        v->given = true;
        v->value = number_of(r, row, "value", e.value, scale, 0);
        v->low = number_of(r, row, "low", e.low, scale, v->value);
        v->high = number_of(r, row, "high", e.high, scale, v->value);
        v->kind = e.kind;
        v->confidence = e.confidence;
        v->source = e.source;
        v->note = e.note;
    }
    if (r->f.ok && !(v->low <= v->value && v->value <= v->high))
        facts_complain(&r->f, row->name, "low <= value <= high does not hold");
    r->f.ok &= ok;
}

static perf_value *value_of(perf_machine *m, const perf_row *row) {
    return (perf_value *)((char *)m + row->value_offset);
}

const perf_row *perf_machine_row_named(const char *name) {
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (!strcmp(name, rows[i].name)) return &rows[i];
    return NULL;
}

static bool is_absent(const json_t *absent, const char *name) {
    for (size_t i = 0; i < json_array_size(absent); i++) {
        const char *s = json_string_value(json_array_get(absent, i));
        if (s && !strcmp(s, name)) return true;
    }
    return false;
}

static void read_values(reader *r, json_t *values, const json_t *absent) {
    const char *name;
    json_t *entry;
    if (!json_is_object(values)) {
        facts_complain(&r->f, "values", "must be an object: one entry per value");
        return;
    }
    json_object_foreach(values, name, entry) {
        const perf_row *row = perf_machine_row_named(name);
        if (row) read_value(r, entry, row, value_of(r->m, row));
        else facts_complain(&r->f, name, "no such value; docs/machines.md lists them");
    }
    for (size_t i = 0; i < ROW_COUNT; i++) {
        bool given = value_of(r->m, &rows[i])->given, absence = is_absent(absent, rows[i].name);
        if (given && absence) facts_complain(&r->f, "absent", "'%s' is given all the same", rows[i].name);
        if ((rows[i].need & (1u << r->m->class)) && !given && !absence)
            facts_complain(&r->f, "values",
                           "'%s' (%s) is missing: a %s needs it; when no source gives it, say so in \"absent\"",
                           rows[i].name, rows[i].what, class_names[r->m->class]);
    }
}

static void read_absent(reader *r, const json_t *absent) {
    if (absent && !json_is_array(absent)) facts_complain(&r->f, "absent", "must be a list of names of values");
    for (size_t i = 0; i < json_array_size(absent); i++) {
        const char *s = json_string_value(json_array_get(absent, i));
        if (!s || !perf_machine_row_named(s))
            facts_complain(&r->f, "absent", "'%.40s' is no value; docs/machines.md lists them", s ? s : "(no text)");
    }
}

/* ---- kernels ---- */

static perf_kernel *kernel_named(perf_machine *m, const char *key) {
    for (int k = 0; k < PERF_KERNEL_COUNT; k++) {
        size_t n = strlen(kernel_names[k]);
        if (strncmp(key, kernel_names[k], n) || key[n] != '.') continue;
        for (int f = 0; f < PERF_RATE_COUNT; f++)
            if (!strcmp(key + n + 1, rate_names[f])) return &m->kernels[k][f];
    }
    return NULL;
}

static void read_kernel(reader *r, const char *key, json_t *entry, perf_kernel *out) {
    fact e;
    if (!facts_entry(&r->f, key, entry, FACT_KINDS, false, &e)) return;
    if (strcmp(e.unit, "shares, us")) facts_complain(&r->f, key, "'unit' must be \"shares, us\"");
    if (!json_is_object(e.value)) {
        facts_complain(&r->f, key, "'value' must be {\"compute\": C, \"memory\": M, \"overhead\": T}");
        return;
    }
    facts_only(&r->f, (json_t *)e.value, key, "compute,memory,overhead,");
    const json_t *compute = json_object_get(e.value, "compute");
    *out = (perf_kernel){.given = true, .kind = e.kind, .source = e.source, .note = e.note};
    out->compute = compute ? facts_number(&r->f, key, compute, 1e-4, 1, false) : 1;
    out->memory = facts_number(&r->f, key, json_object_get(e.value, "memory"), 1e-4, 1, false);
    out->overhead_s = 1e-6 * facts_number(&r->f, key, json_object_get(e.value, "overhead"), 0, 1e6, false);
}

static void read_kernels(reader *r, json_t *kernels) {
    const char *key;
    json_t *entry;
    if (kernels && !json_is_object(kernels))
        facts_complain(&r->f, "kernels", "must be an object: one entry per kernel");
    json_object_foreach(kernels, key, entry) {
        perf_kernel *k = kernel_named(r->m, key);
        if (k) read_kernel(r, key, entry, k);
        else facts_complain(&r->f, key, "no such kernel; docs/machines.md lists them");
    }
}

/* ---- the file ---- */

static void read_machine(reader *r, json_t *root) {
    perf_machine *m = r->m;
    facts_only(&r->f, root, "", "name,title,class,weights_format,wafer,absent,values,kernels,");
    m->name = facts_text(&r->f, root, "name", "name", true);
    m->title = facts_text(&r->f, root, "title", "title", true);
    m->wafer = facts_text(&r->f, root, "wafer", "wafer", false);
    m->class = (perf_class)facts_choice(&r->f, root, "class", "class", class_names, PERF_CLASS_COUNT);
    m->weights_format =
        (perf_weights_format)facts_choice(&r->f, root, "weights_format", "weights_format", format_names, 2);
    read_absent(r, json_object_get(root, "absent"));
    read_values(r, json_object_get(root, "values"), json_object_get(root, "absent"));
    read_kernels(r, json_object_get(root, "kernels"));
}

bool perf_machine_parse(perf_machine *m, arena *a, const char *file_name, str json, diag *d) {
    *m = (perf_machine){0};
    reader r = {.m = m, .f = {.src = {.name = file_name, .text = json}, .d = d, .a = a}};
    m->file = arena_strdup(a, file_name);
    if (!m->file) return diag_oom(d, file_name);
    json_t *root = facts_parse(&r.f, "machine");
    if (root) read_machine(&r, root);
    json_decref(root);
    return r.f.ok;
}

/* The scale of a unit written behind a number; 1 for none, 0 for one that does not fit. */
static double suffix_scale(perf_dimension dimension, str unit) {
    if (!unit.n) return 1;
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (units[i].dimension == dimension && str_is(unit, units[i].name)) return units[i].scale;
    return 0;
}

bool perf_machine_set(perf_machine *m, str assignment, diag *d) {
    char text[128], *end;
    const char *eq = memchr(assignment.p, '=', assignment.n);
    if (!eq || assignment.n >= sizeof text)
        return diag_error(d, "'%.*s': want NAME=NUMBER, with a unit behind the number if you like",
                          (int)(assignment.n < 80 ? assignment.n : 80), assignment.p);
    memcpy(text, assignment.p, assignment.n);
    text[assignment.n] = 0;
    text[eq - assignment.p] = 0;
    const perf_row *row = perf_machine_row_named(text);
    if (!row) return diag_error(d, "'%s': no such value of a machine; docs/machines.md lists them", text);
    char *number = text + (eq - assignment.p) + 1;
    double x = strtod(number, &end), scale = suffix_scale(row->dimension, str_from(end));
    double min = limits[row->dimension].min, max = limits[row->dimension].max;
    if (end == number || scale == 0)
        return diag_error(d, "%s: '%s' is not a number in %s", row->name, number, perf_dimension_unit(row->dimension));
    x *= scale;
    if (!(x >= min && x <= max) || (row->dimension == DIM_COUNT && x != floor(x)))
        return diag_error(d, "%s: %g %s is outside %g .. %g, or not whole", row->name, x,
                          perf_dimension_unit(row->dimension), min, max);
    *value_of(m, row) = (perf_value){
        .given = true, .value = x, .low = x, .high = x, .kind = FACT_ESTIMATE, .source = "set by the user", .note = ""};
    return true;
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
