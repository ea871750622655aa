/* ingot compare: one model and load on several machines, side by side. */
#include "base/units.h"
#include "cli/output.h"
#include "cli/predict_args.h"
#include "perf/compare.h"
#include <math.h>

enum { MACHINES_MAX = 32 };

const cli_option cmd_compare_options[] = {
    PREDICT_LOAD_ROWS,
    OPTION_STRING_ROW(0, "svg", predict_args, svg, "FILE", NULL, "writes a chart, as SVG or, FILE.png, as PNG"),
    OPTION_STRING_ROW(0, "html", predict_args, html, "FILE", NULL, "writes a page with the chart and all ranges"),
    OPTION_FLAG_ROW(0, "json", predict_args, json, "for programs: one JSON array"),
    OPTIONS_END,
};

typedef struct {
    perf_machine m;
    perf_prediction p;
    const char *why; /* no prediction: the reason; NULL = there is one */
} column;

static const char *cell(char *out, size_t size, double x, const char *unit) {
    if (!(x > 0)) snprintf(out, size, "-");
    else if (!strcmp(unit, "s")) snprintf(out, size, "%s", units_seconds(x).text);
    else if (*unit) snprintf(out, size, "%s", units_si(x, unit).text);
    else snprintf(out, size, x < 10 ? "%.3g" : "%.0f", x);
    return out;
}

static void line(const char *machine, const column *c) {
    char t[7][32];
    if (c->why) {
        printf("%-14s %s\n", machine, c->why);
        return;
    }
    const perf_prediction *p = &c->p;
    char range[40];
    snprintf(range, sizeof range, "%.3g .. %.3g", p->user_tok_s.low, p->user_tok_s.high);
    printf("%-14s %5.0f %10s %10s %10s %17s %10s %10s %10s %10s  %-9s %s\n", machine, p->setup.systems,
           cell(t[0], 32, p->ttft_s.value, "s"), cell(t[1], 32, p->tpot_s.value, "s"),
           cell(t[2], 32, p->user_tok_s.value, ""), range, cell(t[3], 32, p->total_tok_s.value, ""),
           cell(t[4], 32, p->watts.value, "W"), cell(t[5], 32, p->joules_per_token.value, "J"),
           cell(t[6], 32, p->usd_per_mtok.value, ""), perf_limit_name(p->decode.binds, c->m.class),
           fact_kind_name(p->weakest));
}

/* The reason without "error: " and line breaks. */
static const char *reason(arena *a, diag *d) {
    const char *text = diag_text(d), *start = strncmp(text, "error: ", 7) ? text : text + 7;
    const char *copy = arena_strndup(a, start, strcspn(start, "\n"));
    return copy ? copy : "out of memory";
}

static bool one(cli *c, const predict_args *a, const char *name, perf_shape *s, column *out) {
    perf_load load;
    diag *d = diag_new();
    if (!d || !predict_inputs(s, &out->m, &load, c->memory, a, name, c->d)) {
        diag_free(d);
        return false;
    }
    if (!perf_predict(&out->p, s, &out->m, &load, d)) out->why = reason(c->memory, d);
    diag_free(d);
    return true;
}

static bool print_json(const column *cols, int count, diag *d) {
    strbuf b = {0};
    for (int i = 0; i < count; i++) {
        strbuf_adds(&b, i ? ",\n" : "[");
        if (!cols[i].why) perf_prediction_json(&cols[i].p, &b);
        else {
            strbuf_adds(&b, "{\"machine\": ");
            strbuf_add_json(&b, str_from(cols[i].m.name));
            strbuf_adds(&b, ", \"error\": ");
            strbuf_add_json(&b, str_from(cols[i].why));
            strbuf_addc(&b, '}');
        }
    }
    strbuf_adds(&b, "]\n");
    return output_print(&b, "JSON", d);
}

static bool pictures(const predict_args *a, const column *cols, char **names, size_t count, diag *d) {
    perf_compared list[MACHINES_MAX];
    strbuf b = {0};
    for (size_t i = 0; i < count; i++)
        list[i] = (perf_compared){names[i], cols[i].why ? NULL : &cols[i].p, cols[i].why};
    if (a->html) {
        perf_compare_html(list, count, &b);
        if (!output_write(&b, a->html, d)) return false;
    }
    if (!a->svg) return true;
    perf_compare_svg(list, count, &b);
    return output_picture(&b, a->svg, d);
}

static void print_table(const perf_shape *s, const predict_args *a, const column *cols, char **names, int count) {
    printf("%s, %lld prompt + %lld generated tokens, batch %lld\n", s->title, (long long)a->prompt,
           (long long)a->generate, (long long)a->batch);
    printf("%-14s %5s %10s %10s %10s %17s %10s %10s %10s %10s  %-9s %s\n", "machine", "n", "first", "per token",
           "tok/s user", "range of facts", "tok/s all", "power", "J/token", "USD/Mtok", "bound by", "weakest fact");
    for (int i = 0; i < count; i++) line(names[i], &cols[i]);
}

int cmd_compare(cli *c, int argc, char **argv) {
    predict_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    column *cols = arena_push_n(c->memory, column, MACHINES_MAX);
    perf_shape s;
    if (!cols) return diag_oom(c->d, "machines"), CLI_FAILED;
    for (int i = 0; i < c->arg_count; i++)
        if (!one(c, &a, c->args[i], &s, &cols[i])) return CLI_FAILED;
    if (!a.json) print_table(&s, &a, cols, c->args, c->arg_count);
    bool ok = !a.json || print_json(cols, c->arg_count, c->d);
    return ok && pictures(&a, cols, c->args, (size_t)c->arg_count, c->d) ? CLI_OK : CLI_FAILED;
}
