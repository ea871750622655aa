/* ingot sweep: a grid of predictions. */
#include "base/file.h"
#include "cli/output.h"
#include "cli/predict_args.h"
#include "perf/software.h"
#include "perf/sweep.h"
#include <time.h>

static const char *const formats[] = {"csv", "json", NULL};

const cli_option cmd_sweep_options[] = {
    PREDICT_LOAD_ROWS,
    OPTION_STRING_ROW('M', "machine", predict_args, machine, "NAME|FILE", "cs3", "a machine, when it is no parameter"),
    OPTION_CHOICE_ROW('f', "format", predict_args, format, formats, "csv", "how points are printed"),
    OPTION_FLAG_ROW(0, "timing", predict_args, timing, "says what computing took"),
    OPTION_STRING_ROW(0, "svg", predict_args, svg, "FILE", NULL,
                      "writes a chart: the last parameter across, a line for each of the others"),
    OPTION_STRING_ROW(0, "metric", predict_args, metric, "NAME", "user_tok_s",
                      "what the chart shows: a column of the CSV"),
    OPTION_INT_ROW(0, "threads", predict_args, threads, 0, 1024, "N", "0", "threads; 0 = all CPUs"),
    OPTIONS_END,
};

void cmd_sweep_notes(FILE *out) {
    fputs("\nParameters: machine, model, weights, kv, prompt, generate, batch, prompt-batch, window, streamed, tp, pp, "
          "ep, dp, systems,\n"
          "side, draft, accepted, draft-cost, and every value of a machine (docs/machines.md). Ranges are in base "
          "units:\n"
          "  ingot sweep -m llama-3.1-70b machine=cs3,dgx-b200 batch=1,4,16,64\n"
          "  ingot sweep -m llama-3.1-70b --streamed batch=1,64,4096 io_bw_bytes_per_s=1.5e11:2.4e13:40:log --svg "
          "io.svg\n",
          out);
}

static bool print_points(const perf_sweep *s, const predict_args *a, diag *d) {
    strbuf b = {0};
    if (a->format) perf_sweep_json(s, &b);
    else perf_sweep_csv(s, &b);
    if (!output_print(&b, "points", d)) return false;
    if (!a->svg) return true;
    bool ok = perf_sweep_svg(s, a->metric, &b, d) && output_picture(&b, a->svg, d);
    strbuf_free(&b);
    return ok;
}

int cmd_sweep(cli *c, int argc, char **argv) {
    predict_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    perf_sweep s = {.model = a.model, .machine = a.machine, .set = a.set};
    bool ok = predict_load(&s.load, &a, c->d) &&
              (!a.software || perf_software_load(&s.load.software, c->memory, a.software, c->d));
    for (int i = 0; ok && i < c->arg_count; i++)
        ok = perf_axis_parse(&s.axes[s.axis_count++], c->memory, c->args[i], c->d);
    clock_t begin = clock(); /* of the processor: a busy machine does not count */
    ok = ok && perf_sweep_run(&s, c->memory, (int)a.threads, c->d);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (ok && a.timing)
        cli_say("%zu points, %.2f us of a processor's time each, without reading and printing", s.count,
                1e6 * seconds / (double)s.count);
    ok = ok && print_points(&s, &a, c->d);
    return ok ? CLI_OK : CLI_FAILED;
}
