/* Reads wafer files. One row per field of isa_wafer; what is not in a row is refused, what a row needs and the file
 * lacks is named. Profiles are all checked, also those not asked for, so that a file is right or wrong as a whole.
 * base/facts.c reads the JSON; all errors of a file are reported.
 *
 * Left out: nothing here says what a value means to the machine; isa/wafer.h does. */
#include "isa/wafer.h"
#include "base/facts.h"
#include "base/file.h"
#include <math.h>
#include <stdarg.h>

typedef enum { T_U32, T_F64, T_BOOL, T_QUEUES, T_COLORS, T_FIXED } row_type;

typedef struct {
    const char *key, *unit;
    row_type type;
    size_t offset;
    double min, max;
} wafer_row;

#define COUNT(section, field, unit, min, max)                                                                          \
    { section "." #field, unit, T_U32, offsetof(isa_wafer, field), min, max }
#define REAL(section, field, unit, min, max)                                                                           \
    { section "." #field, unit, T_F64, offsetof(isa_wafer, field), min, max }
#define FLAG(section, field)                                                                                           \
    { section "." #field, "bool", T_BOOL, offsetof(isa_wafer, field), 0, 1 }
#define DEPTHS(field)                                                                                                  \
    { "fabric." #field, "wavelets", T_QUEUES, offsetof(isa_wafer, field), 1, 1024 }

/* A row of isa/timing.def or isa/energy.def that costs nothing by definition is no key of a file. */
#define TIMING(name, key, meaning)                                                                                     \
    {"timing." key,                                                                                                    \
     "cycles",                                                                                                         \
     ISA_TIME_##name == ISA_TIME_NONE ? T_FIXED : T_U32,                                                               \
     offsetof(isa_wafer, scalar_cycles) + sizeof(uint32_t) * ISA_TIME_##name,                                          \
     ISA_TIME_##name != ISA_TIME_LOOP,                                                                                 \
     10000},
#define ENERGY(name, key, meaning)                                                                                     \
    {"energy." key,                                                                                                    \
     "pJ",                                                                                                             \
     ISA_E_##name == ISA_E_NONE ? T_FIXED : T_F64,                                                                     \
     offsetof(isa_wafer, energy_pj) + sizeof(double) * ISA_E_##name,                                                   \
     0,                                                                                                                \
     1e6},

static const wafer_row rows[] = {
    REAL("wafer", clock_hz, "Hz", 1e6, 1e11),
    COUNT("wafer", fabric_width, "PEs", 1, 4096),
    COUNT("wafer", fabric_height, "PEs", 1, 4096),
    REAL("wafer", core_area_mm2, "mm2", 1e-9, 1e6),
    COUNT("wafer", spare_columns, "PEs", 0, 256),
    COUNT("wafer", spare_rows, "PEs", 0, 256),
    COUNT("wafer", dies_x, "1", 1, 4096),
    COUNT("wafer", dies_y, "1", 1, 4096),
    COUNT("fabric", hop_cycles, "cycles", 1, 1000),
    COUNT("fabric", turn_cycles, "cycles", 0, 1000),
    COUNT("fabric", ramp_cycles, "cycles", 1, 1000),
    COUNT("fabric", link_interval_num, "cycles", 1, 1000),
    COUNT("fabric", link_interval_den, "wavelets", 1, 1000),
    COUNT("fabric", router_buffer_wavelets, "wavelets", 1, 1024),
    COUNT("fabric", in_queues, "1", 1, ISA_QUEUES),
    COUNT("fabric", out_queues, "1", 1, ISA_QUEUES),
    DEPTHS(in_queue_wavelets),
    DEPTHS(out_queue_wavelets),
    COUNT("fabric", filters, "1", 0, ISA_COLORS),
    FLAG("fabric", one_rx_per_color),
    FLAG("fabric", color_swap),
    FLAG("fabric", local_ids_from_8),
    {"fabric.switch_colors", "colors", T_COLORS, offsetof(isa_wafer, switch_colors), 0, ISA_COLORS - 1},
#include "isa/timing.def"
    {"timing.fpu_dependent", "cycles", T_U32, offsetof(isa_wafer, fpu_dependent_cycles), 0, 1000},
    {"timing.branch_taken", "cycles", T_U32, offsetof(isa_wafer, branch_taken_cycles), 1, 1000},
    COUNT("core", dsd_dispatch_cycles, "cycles", 0, 1000),
    COUNT("core", dsd_start_cycles, "cycles", 0, 1000),
    COUNT("core", dsd_end_cycles, "cycles", 0, 1000),
    COUNT("core", task_switch_cycles, "cycles", 0, 1000),
    COUNT("core", send_cycles, "cycles", 0, 1000),
    COUNT("core", result_cycles, "cycles", 0, 100),
    COUNT("core", sram_read_bits_per_cycle, "bits", 16, 65536),
    COUNT("core", sram_write_bits_per_cycle, "bits", 16, 65536),
    COUNT("core", sram_banks, "1", 1, 1024),
    FLAG("core", bank_conflicts),
    COUNT("core", reduce_cycles_per_element, "cycles", 1, 1000),
    COUNT("core", reserved_bytes, "bytes", 0, 2 * ISA_SRAM_WORDS - 1),
    COUNT("core", microthreads, "1", 1, ISA_QUEUES),
    COUNT("host", io_wavelets_per_cycle_row, "wavelets per 1000 cycles", 1, 1000000),
    REAL("host", host_transaction_s, "s", 0, 1000),
#include "isa/energy.def"
    REAL("energy", idle_pe_w, "W", 0, 1000),
    REAL("energy", wafer_power_limit_w, "W", 1, 1e7),
};
#undef TIMING
#undef ENERGY
enum { ROW_COUNT = sizeof rows / sizeof *rows, RATE_MAX = 10000 };

static const char *const arches[] = {"wse1", "wse2", "wse3"};
static const char rate_prefix[] = "dsd_rate.", rate_unit[] = "elements per cycles";

typedef struct {
    isa_wafer *w;          /* where the entries now read go */
    facts f;               /* f.section: "values" or the profile's name */
    bool given[ROW_COUNT]; /* by "values" */
} reader;

/* ---- values ---- */

static void read_queues(reader *r, const wafer_row *row, const json_t *v, uint32_t out[ISA_QUEUES]) {
    memset(out, 0, ISA_QUEUES * sizeof *out);
    if (!json_is_array(v) || json_array_size(v) > ISA_QUEUES) {
        facts_complain(&r->f, row->key, "must be an array: one depth per queue, at most %d", ISA_QUEUES);
        return;
    }
    for (size_t i = 0; i < json_array_size(v); i++)
        out[i] = (uint32_t)facts_number(&r->f, row->key, json_array_get(v, i), row->min, row->max, true);
}

static void read_colors(reader *r, const wafer_row *row, const json_t *v, uint32_t *out) {
    *out = 0;
    if (!json_is_array(v) || json_array_size(v) > ISA_COLORS) {
        facts_complain(&r->f, row->key, "must be an array of colors, each once");
        return;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        uint32_t bit = 1u << (uint32_t)facts_number(&r->f, row->key, json_array_get(v, i), row->min, row->max, true);
        if (r->f.ok && (*out & bit)) facts_complain(&r->f, row->key, "must name each color once");
        *out |= bit;
    }
}

static void read_field(reader *r, const wafer_row *row, const json_t *v) {
    void *out = (char *)r->w + row->offset;
    switch (row->type) {
    case T_U32: *(uint32_t *)out = (uint32_t)facts_number(&r->f, row->key, v, row->min, row->max, true); break;
    case T_F64: *(double *)out = facts_number(&r->f, row->key, v, row->min, row->max, false); break;
    case T_BOOL:
        if (json_is_boolean(v)) *(bool *)out = json_is_true(v);
        else facts_complain(&r->f, row->key, "must be true or false");
        break;
    case T_QUEUES: read_queues(r, row, v, out); break;
    case T_COLORS: read_colors(r, row, v, out); break;
    case T_FIXED: break;
    }
}

static void read_rate(reader *r, const char *key, size_t op, const json_t *v) {
    if (!json_is_object(v)) {
        facts_complain(&r->f, key, "'value' must be {\"elements\": N, \"cycles\": M}");
        return;
    }
    facts_only(&r->f, (json_t *)v, key, "elements,cycles,");
    r->w->dsd_rate[op].elements = (uint32_t)facts_number(&r->f, key, json_object_get(v, "elements"), 1, RATE_MAX, true);
    r->w->dsd_rate[op].cycles = (uint32_t)facts_number(&r->f, key, json_object_get(v, "cycles"), 1, RATE_MAX, true);
}

/* ---- entries ---- */

static size_t row_named(const char *key) {
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].type != T_FIXED && !strcmp(key, rows[i].key)) return i;
    return ROW_COUNT;
}

static size_t rate_named(const char *key) {
    size_t n = sizeof rate_prefix - 1;
    for (size_t i = 0; i < ISA_DSD_OPS && !strncmp(key, rate_prefix, n); i++)
        if (!strcmp(key + n, isa_dsd_ops[i].builtin)) return i;
    return ISA_DSD_OPS;
}

/* What stands beside every value; the unit is the row's, no other. */
static const json_t *entry_value(reader *r, const char *key, json_t *entry, const char *unit) {
    fact v;
    bool sound = facts_entry(&r->f, key, entry, FACT_ESTIMATE + 1, false, &v);
    if (json_is_object(entry) && strcmp(v.unit, unit)) facts_complain(&r->f, key, "'unit' must be \"%s\"", unit);
    return sound ? v.value : NULL;
}

static void read_entries(reader *r, json_t *from, bool is_profile) {
    const char *key;
    json_t *entry;
    if (!json_is_object(from)) {
        facts_complain(&r->f, r->f.section, "must be an object: one entry per value");
        return;
    }
    json_object_foreach(from, key, entry) {
        size_t row = row_named(key), op = rate_named(key);
        if (row == ROW_COUNT && op == ISA_DSD_OPS) {
            facts_complain(&r->f, key, "no such value; data/machines/README.md lists them");
            continue;
        }
        const json_t *v = entry_value(r, key, entry, row < ROW_COUNT ? rows[row].unit : rate_unit);
        if (!v) continue;
        if (row == ROW_COUNT) read_rate(r, key, op, v);
        else read_field(r, &rows[row], v);
        if (row < ROW_COUNT && !is_profile) r->given[row] = true;
    }
}

/* ---- the file ---- */

static void copy_name(reader *r, const char *key, const char *from, char out[32]) {
    if (strlen(from) >= 32) facts_complain(&r->f, key, "at most 31 bytes");
    snprintf(out, 32, "%s", from);
}

/* The vendor's table; wafer files override. Nothing is published for WSE-1: as WSE-2, which has as many lanes. */
static void default_rates(isa_wafer *w) {
    for (size_t i = 0; i < ISA_DSD_OPS; i++) {
        const isa_dsd_fact *f = &isa_dsd_ops[i];
        w->dsd_rate[i].elements = w->arch == ISA_WSE3 ? f->simd_wse3 : f->simd_wse2;
        w->dsd_rate[i].cycles = 1;
    }
}

static void check_depths(reader *r, const char *key, uint32_t queues, const uint32_t depth[ISA_QUEUES]) {
    for (uint32_t q = 0; q < ISA_QUEUES; q++)
        if ((depth[q] > 0) != (q < queues)) {
            facts_complain(&r->f, key, "must have as many entries as there are queues, %u", queues);
            return;
        }
}

/* What no single row can tell. */
static void check_together(reader *r) {
    const isa_wafer *w = r->w;
    check_depths(r, "fabric.in_queue_wavelets", w->in_queues, w->in_queue_wavelets);
    check_depths(r, "fabric.out_queue_wavelets", w->out_queues, w->out_queue_wavelets);
    if (w->link_interval_num < w->link_interval_den)
        facts_complain(&r->f, "fabric.link_interval_num",
                       "a link moves at most one wavelet per cycle: at least link_interval_den");
    if (w->branch_taken_cycles < w->scalar_cycles[ISA_TIME_BRANCH])
        facts_complain(&r->f, "timing.branch_taken", "must be at least timing.branch_not_taken");
}

static void read_profiles(reader *r, const json_t *root, const char *wanted) {
    isa_wafer base = *r->w, *chosen = r->w;
    json_t *profiles = json_object_get(root, "profiles"), *entries;
    const char *name;
    char list[256] = "";
    bool found = false;
    if (!json_is_object(profiles)) {
        facts_complain(&r->f, "profiles", "must be an object of named profiles, each an object of values it replaces");
        return;
    }
    json_object_foreach(profiles, name, entries) {
        bool this_one = !strcmp(name, wanted);
        isa_wafer other = base;
        r->f.section = name;
        r->w = this_one ? chosen : &other;
        read_entries(r, entries, true);
        if (r->f.ok) check_together(r);
        found |= this_one;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%.60s", n ? ", " : "", name);
    }
    r->w = chosen;
    if (!found)
        facts_complain(&r->f, "profiles", "no profile '%.60s'; the file has: %s", wanted, *list ? list : "none");
}

static void read_wafer(reader *r, json_t *root, const char *profile) {
    facts_only(&r->f, root, "", "name,title,arch,values,profiles,");
    copy_name(r, "name", facts_text(&r->f, root, "name", "name", true), r->w->name);
    copy_name(r, "profiles", profile, r->w->profile);
    (void)facts_text(&r->f, root, "title", "title", true);
    r->w->arch = (isa_arch)(ISA_WSE1 + facts_choice(&r->f, root, "arch", "arch", arches, 3));
    default_rates(r->w);
    r->f.section = "values";
    read_entries(r, json_object_get(root, "values"), false);
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].type != T_FIXED && !r->given[i])
            facts_complain(&r->f, "values", "'%s' (in %s) is missing: add it with unit, kind and source", rows[i].key,
                           rows[i].unit);
    if (r->f.ok) check_together(r);
    read_profiles(r, root, profile);
}

bool isa_wafer_parse(isa_wafer *w, str json, const char *name, const char *profile, diag *d) {
    *w = (isa_wafer){0};
    reader r = {.w = w, .f = {.section = "", .src = {.name = name, .text = json}, .d = d}};
    r.f.a = arena_new(0);
    if (!r.f.a) return diag_oom(d, name);
    json_t *root = facts_parse(&r.f, "wafer");
    if (root) read_wafer(&r, root, profile ? profile : "vendor-sim");
    json_decref(root);
    arena_free(r.f.a);
    return r.f.ok;
}

bool isa_wafer_read(isa_wafer *w, const char *path, const char *profile, diag *d) {
    str text;
    arena *a = arena_new(0);
    bool ok = a ? file_read_all(a, path, FACTS_BYTES_MAX, &text, d) && isa_wafer_parse(w, text, path, profile, d)
                : diag_oom(d, path);
    arena_free(a);
    return ok;
}
