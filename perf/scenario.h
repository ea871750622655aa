/* Scenarios: published experiments as files, simulated with their assumptions, compared with what was published.
 *
 *     perf_scenario c;
 *     if (perf_scenario_load(&c, a, "zhipu-512", d) && perf_scenario_run(&c, a, threads, d)) perf_scenario_text(&c,
 * &out);
 *
 * data/scenarios/NAME.json: title, source, assumptions (text, printed with every result), model, machine, options
 * (those of `ingot simulate` by name), one option that is varied with its values, targets (relative changes of a metric
 * between two of the values, with a tolerance), and variants: other options, another machine or other values, to show
 * what a result hangs on. Two variants are added to them: all facts of the machine at their slow and at their fast end;
 * they and the scenario itself make the ranges. Results do not depend on the number of threads.
 */
#ifndef INGOT_PERF_SCENARIO_H
#define INGOT_PERF_SCENARIO_H
#include "perf/simulate.h"

enum { SCENARIO_VALUES_MAX = 8, SCENARIO_VARIANTS_MAX = 32, SCENARIO_LINES_MAX = 32 };

typedef struct {
    const char *title;
    perf_machine machine;
    perf_sim sim;
    double values[SCENARIO_VALUES_MAX];
    perf_sim_report reports[SCENARIO_VALUES_MAX];
} perf_variant;

typedef struct {
    const char *metric;
    size_t from, to;
    double change, tolerance; /* relative */
} perf_target;

typedef struct {
    const char *name, *title, *source, *vary, *assumptions[SCENARIO_LINES_MAX], *labels[SCENARIO_VALUES_MAX];
    size_t assumption_count, value_count, target_count, variant_count; /* first the scenario itself, last the two ends */
    perf_shape shape;
    perf_target targets[SCENARIO_LINES_MAX];
    perf_variant *variants;
} perf_scenario;

bool perf_scenario_parse(perf_scenario *c, arena *a, const char *file_name, str json, diag *d);
bool perf_scenario_load(perf_scenario *c, arena *a, const char *name,
                        diag *d); /* a path, or a name in data/scenarios */
bool perf_scenario_run(perf_scenario *c, arena *a, int threads, diag *d);
/* Of the relative change, and of the requests per second at one value: the scenario and its two ends. */
perf_range perf_scenario_range(const perf_scenario *c, const perf_target *t);
perf_range perf_scenario_rate(const perf_scenario *c, size_t value);
double perf_scenario_change(const perf_scenario *c, const perf_variant *v, const perf_target *t);
void perf_scenario_text(const perf_scenario *c, strbuf *out);
void perf_scenario_json(const perf_scenario *c, strbuf *out);

/* Options of a simulation by the names of the command line, for files: false when there is none. */
bool perf_sim_option(perf_sim *s, const char *name, double value);
#endif
