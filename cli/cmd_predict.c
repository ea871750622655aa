/* ingot predict: what a machine would do with a model, and what holds it back. */
#include "cli/output.h"
#include "cli/predict_args.h"
#include "perf/planned.h"
#include "perf/report_html.h"

const cli_option cmd_predict_options[] = {
    PREDICT_LOAD_ROWS,
    OPTION_STRING_ROW('M', "machine", predict_args, machine, "NAME|FILE", "cs3", "a machine (ingot machine list)"),
    OPTION_FLAG_ROW(0, "plan", predict_args, plan, "wafers: what our own kernels would do too, by the plan's cycles"),
    OPTION_FLAG_ROW(0, "ops", predict_args, ops, "operator by operator too"),
    OPTION_STRING_ROW(0, "svg", predict_args, svg, "FILE", NULL, "writes the roofline, as SVG or, FILE.png, as PNG"),
    OPTION_STRING_ROW(0, "html", predict_args, html, "FILE", NULL,
                      "writes a page with charts: limits, operators, bytes, roofline"),
    OPTION_FLAG_ROW(0, "json", predict_args, json, "for programs: one JSON object, base units"),
    OPTIONS_END,
};

int cmd_predict(cli *c, int argc, char **argv) {
    predict_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    perf_shape s;
    perf_machine m;
    perf_load load;
    perf_prediction p;
    strbuf b = {0};
    if (!predict_inputs(&s, &m, &load, c->memory, &a, a.machine, c->d) || !perf_predict(&p, &s, &m, &load, c->d))
        return CLI_FAILED;
    perf_planned planned;
    if (a.plan && !perf_plan(&planned, c->memory, &s, &m, &load, c->d)) return CLI_FAILED;
    if (a.json) perf_prediction_json(&p, &b);
    else perf_prediction_text(&p, a.ops, &b);
    if (a.plan) (a.json ? perf_planned_json : perf_planned_text)(&planned, &b);
    bool ok = output_print(&b, "prediction", c->d);
    if (ok && a.html) perf_prediction_html(&p, &b), ok = output_write(&b, a.html, c->d);
    if (ok && a.svg) perf_prediction_svg(&p, &b), ok = output_picture(&b, a.svg, c->d);
    return ok ? CLI_OK : CLI_FAILED;
}
