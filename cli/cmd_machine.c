/* ingot machine: the systems that predictions can be made for. */
#include "cli/cli.h"
#include "base/file.h"
#include "base/units.h"
#include "perf/machine.h"
#include "perf/measure.h"
#include "perf/roofs.h"

/* ---- list ---- */

typedef struct {
    bool json;
} list_args;

static const cli_option list_options[] = {
    OPTION_FLAG_ROW(0, "json", list_args, json, "for programs: one JSON array"),
    OPTIONS_END,
};

static void list_line(const perf_machine *m, bool json, bool first) {
    if (json) {
        printf("%s\n  {\"name\": \"%s\", \"class\": \"%s\", \"accelerators\": %g}", first ? "" : ",", m->name,
               perf_class_name(m->class), m->accelerators.value);
        return;
    }
    double all = m->accelerators.value;
    printf("%-14s %-6s %5.0f  %-12s %-12s %-12s %s\n", m->name, perf_class_name(m->class), all,
           m->flops_fp16_per_s.given ? units_si(m->flops_fp16_per_s.value * all, "FLOP/s").text : "absent",
           m->mem_bytes.given ? units_bytes(m->mem_bytes.value * all).text : "absent",
           m->mem_bw_bytes_per_s.given ? units_si(m->mem_bw_bytes_per_s.value * all, "B/s").text : "absent", m->title);
}

static bool is_wafer_file(const char *name) { return !strncmp(name, "wse", 3); } /* another schema: ingot wafer */

static int machine_list(cli *c, int argc, char **argv) {
    list_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    size_t count;
    const char **names = perf_data_names(c->memory, "machines", &count, c->d);
    if (!names) return CLI_FAILED;
    if (a.json) putchar('[');
    else
        printf("%-14s %-6s %5s  %-12s %-12s %-12s %s\n", "name", "class", "n", "16-bit peak", "memory", "its rate",
               "system");
    bool first = true, ok = true;
    for (size_t i = 0; i < count; i++) {
        perf_machine m;
        if (is_wafer_file(names[i])) continue;
        if (!perf_machine_load(&m, c->memory, names[i], c->d)) {
            ok = false;
            continue;
        }
        list_line(&m, a.json, first);
        first = false;
    }
    if (a.json) puts("\n]");
    return ok ? CLI_OK : CLI_FAILED;
}

/* ---- show ---- */

typedef struct {
    bool json;
    const char *set;
} show_args;

static const cli_option show_options[] = {
    OPTION_STRING_ROW(0, "set", show_args, set, "NAME=VALUE", NULL,
                      "with this value changed: mem_bw_bytes_per_s=10TB/s"),
    OPTION_FLAG_ROW(0, "json", show_args, json, "for programs: one JSON object, base units"),
    OPTIONS_END,
};

static unit_text shown(double x, perf_dimension dim) {
    unit_text t;
    switch (dim) {
    case DIM_BYTES: return units_bytes(x);
    case DIM_SECONDS: return units_seconds(x);
    case DIM_FLOP_RATE:
    case DIM_BYTE_RATE:
    case DIM_HERTZ:
    case DIM_WATTS: return units_si(x, perf_dimension_unit(dim));
    default:
        snprintf(t.text, sizeof t.text, "%.6g%s%s", x, dim == DIM_COUNT || dim == DIM_SHARE ? "" : " ",
                 dim == DIM_COUNT || dim == DIM_SHARE ? "" : perf_dimension_unit(dim));
    }
    return t;
}

static void show_value(const perf_row *row, const perf_value *v) {
    char range[80] = "";
    if (v->low != v->high)
        snprintf(range, sizeof range, " (%s .. %s)", shown(v->low, row->dimension).text,
                 shown(v->high, row->dimension).text);
    printf("%-24s %s%s  %s\n", row->name, shown(v->value, row->dimension).text, range, fact_kind_name(v->kind));
    printf("%-24s   %s%s%s\n", "", v->source, *v->note ? "; " : "", v->note);
}

static void show_kernels(const perf_machine *m) {
    bool any = false;
    for (int k = 0; k < PERF_KERNEL_COUNT; k++)
        for (int r = 0; r < PERF_RATE_COUNT; r++) {
            const perf_kernel *e = &m->kernels[k][r];
            if (!e->given) continue;
            if (!any) printf("\n%-24s %8s %8s %10s  kind\n", "kernel", "compute", "memory", "overhead");
            any = true;
            char name[64];
            snprintf(name, sizeof name, "%s.%s", perf_kernel_name((perf_kernel_kind)k), perf_rate_name((perf_rate)r));
            printf("%-24s %8.3g %8.3g %10s  %s\n", name, e->compute, e->memory, units_seconds(e->overhead_s).text,
                   fact_kind_name(e->kind));
        }
}

static void show_text(const perf_machine *m) {
    printf("%s: %s, class %s, weights %s\n\n", m->name, m->title, perf_class_name(m->class),
           m->weights_format == PERF_WIDENED_F16 ? "widened to 16 bits" : "as stored");
    const perf_row *row;
    for (size_t i = 0; (row = perf_machine_row(i)); i++) {
        const perf_value *v = perf_machine_value(m, row);
        if (v->given) show_value(row, v);
        else if (row->need & (1u << m->class)) printf("%-24s absent: no source gives it\n", row->name);
    }
    show_kernels(m);
}

static bool show_json(const perf_machine *m, diag *d) {
    strbuf b = {0};
    strbuf_adds(&b, "{\"name\": ");
    strbuf_add_json(&b, str_from(m->name));
    strbuf_adds(&b, ", \"title\": ");
    strbuf_add_json(&b, str_from(m->title));
    strbuf_addf(&b, ", \"class\": \"%s\", \"values\": {", perf_class_name(m->class));
    const perf_row *row;
    const char *comma = "";
    for (size_t i = 0; (row = perf_machine_row(i)); i++) {
        const perf_value *v = perf_machine_value(m, row);
        if (!v->given) continue;
        strbuf_addf(&b,
                    "%s\n  \"%s\": {\"value\": %.9g, \"low\": %.9g, \"high\": %.9g, \"unit\": \"%s\", \"kind\": "
                    "\"%s\", \"source\": ",
                    comma, row->name, v->value, v->low, v->high, perf_dimension_unit(row->dimension),
                    fact_kind_name(v->kind));
        strbuf_add_json(&b, str_from(v->source));
        strbuf_addc(&b, '}');
        comma = ",";
    }
    strbuf_adds(&b, "}}\n");
    bool ok = !b.oom || diag_oom(d, "JSON");
    if (ok) fwrite(b.data, 1, b.len, stdout);
    strbuf_free(&b);
    return ok;
}

static int machine_show(cli *c, int argc, char **argv) {
    show_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    perf_machine m;
    if (!perf_machine_load(&m, c->memory, c->args[0], c->d)) return CLI_FAILED;
    if (a.set && !perf_machine_set(&m, str_from(a.set), c->d)) return CLI_FAILED;
    if (a.json) return show_json(&m, c->d) ? CLI_OK : CLI_FAILED;
    show_text(&m);
    return CLI_OK;
}

/* ---- measure ---- */

typedef struct {
    const char *save;
    int64_t threads;
    bool roofs;
} measure_args;

static const cli_option measure_options[] = {
    OPTION_STRING_ROW('o', "save", measure_args, save, "FILE", NULL,
                      "write the machine file here instead of printing it"),
    OPTION_INT_ROW(0, "threads", measure_args, threads, 0, 1024, "N", "0", "threads; 0 = all CPUs"),
    OPTION_FLAG_ROW(0, "roofs", measure_args, roofs,
                    "instead: rates of L1, L2, L3 and memory, and of arithmetic, as a table"),
    OPTIONS_END,
};

static int machine_measure(cli *c, int argc, char **argv) {
    measure_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    strbuf b = {0};
    bool ok = a.roofs ? roofs_text((int)a.threads, &b, c->d) : perf_measure_host(&b, (int)a.threads, c->d);
    if (ok && a.save) ok = file_write_all(a.save, strbuf_str(&b), c->d);
    else if (ok) fwrite(b.data, 1, b.len, stdout);
    strbuf_free(&b);
    return ok ? CLI_OK : CLI_FAILED;
}

const cli_command cmd_machine_commands[] = {
    {"list", "the machines in the data folder", "", 0, 0, list_options, .run = machine_list},
    {"show", "every value of a machine with its source", "NAME|FILE", 1, 1, show_options, .run = machine_show},
    {"measure", "this host's memory rate and arithmetic, as a machine file", "", 0, 0, measure_options,
     .run = machine_measure},
    {0},
};
