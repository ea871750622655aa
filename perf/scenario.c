/* See scenario.h. */
#include "perf/scenario.h"
#include "base/facts.h"
#include "base/file.h"
#include "base/thread.h"
#include <jansson.h>
#include <math.h>

enum { ENDS = 2 }; /* the last variants */

/* ---- options and metrics by name ---- */

bool perf_sim_option(perf_sim *s, const char *name, double v) {
    const struct {
        const char *name;
        double *to;
    } rows[] = {{"prompt", &s->load.prompt},
                {"generate", &s->load.generate},
                {"spread", &s->spread},
                {"rate", &s->rate},
                {"users", &s->concurrency},
                {"calls", &s->calls},
                {"call-tokens", &s->call_tokens},
                {"think", &s->think_s},
                {"replicas", &s->replicas},
                {"batch", &s->batch_max},
                {"chunk", &s->chunk},
                {"stages", &s->stages},
                {"shared-prompt", &s->shared_tokens},
                {"hits", &s->hit_share},
                {"prefill-replicas", &s->prefill_replicas},
                {"parts", &s->parts},
                {"network", &s->network_bytes_per_s},
                {"ports", &s->ports},
                {"core", &s->core_bytes_per_s},
                {"in-flight", &s->in_flight},
                {"chunks", &s->chunks},
                {"ttft", &s->ttft_limit_s},
                {"tpot", &s->tpot_limit_s},
                {"slowdown", &s->load.software.slowdown}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name)) return *rows[i].to = v, true;
    if (!(v >= 0 && v <= 1e15)) return false;
    if (!strcmp(name, "window")) s->load.window = (uint32_t)fmin(v, UINT32_MAX);
    else if (!strcmp(name, "tp")) s->load.tp = (uint32_t)fmin(v, UINT32_MAX);
    else if (!strcmp(name, "requests")) s->requests = (uint64_t)v;
    else if (!strcmp(name, "seed")) s->seed = (uint64_t)v;
    else if (!strcmp(name, "spread-ports")) s->spread_ports = v > 0;
    else return false;
    return true;
}

static const struct {
    const char *name, *text;
    size_t at;
} metrics[] = {{"requests_per_s", "requests/s", offsetof(perf_sim_report, requests_per_s)},
               {"tokens_per_s", "tokens/s", offsetof(perf_sim_report, tokens_per_s)},
               {"ttft_mean_s", "first token, mean", offsetof(perf_sim_report, ttft_s.mean)},
               {"ttft_p50_s", "first token, median", offsetof(perf_sim_report, ttft_s.p50)},
               {"ttft_p99_s", "first token, p99", offsetof(perf_sim_report, ttft_s.p99)},
               {"tpot_mean_s", "a token, mean", offsetof(perf_sim_report, tpot_s.mean)}};
enum { METRICS = sizeof metrics / sizeof *metrics };

static size_t metric_of(const char *name) {
    size_t i = 0;
    while (i < METRICS && (!name || strcmp(metrics[i].name, name))) i++;
    return i;
}

static double metric(const perf_sim_report *r, const char *name) {
    double v;
    memcpy(&v, (const char *)r + metrics[metric_of(name)].at, sizeof v);
    return v;
}

double perf_scenario_change(const perf_scenario *c, const perf_variant *v, const perf_target *t) {
    (void)c;
    return metric(&v->reports[t->to], t->metric) / metric(&v->reports[t->from], t->metric) - 1;
}

static perf_range with_ends(double stated, double slow, double fast) {
    return (perf_range){fmin(stated, fmin(slow, fast)), stated, fmax(stated, fmax(slow, fast))};
}

perf_range perf_scenario_range(const perf_scenario *c, const perf_target *t) {
    const perf_variant *ends = &c->variants[c->variant_count - ENDS];
    return with_ends(perf_scenario_change(c, c->variants, t), perf_scenario_change(c, ends, t),
                     perf_scenario_change(c, ends + 1, t));
}

perf_range perf_scenario_rate(const perf_scenario *c, size_t value) {
    const perf_variant *ends = &c->variants[c->variant_count - ENDS];
    return with_ends(c->variants->reports[value].requests_per_s, ends->reports[value].requests_per_s,
                     ends[1].reports[value].requests_per_s);
}

/* ---- the file ---- */

typedef struct {
    facts *f;
    arena *a;
    diag *d;
    perf_scenario *c;
} reading;

static void read_options(reading *r, json_t *o, perf_sim *sim) {
    const char *name;
    json_t *v;
    json_object_foreach(o, name, v) if (!json_is_number(v) || !perf_sim_option(sim, name, json_number_value(v)))
        facts_complain(r->f, name, "is no option of a simulation with a number");
}

static size_t read_values(reading *r, const json_t *list, double *out) {
    size_t n = json_array_size(list);
    if (n < 2 || n > SCENARIO_VALUES_MAX) {
        facts_complain(r->f, "values", "needs 2 to %d numbers", SCENARIO_VALUES_MAX);
        return 0;
    }
    for (size_t i = 0; i < n; i++) out[i] = json_number_value(json_array_get(list, i));
    return n;
}

static size_t read_texts(reading *r, json_t *root, const char *key, const char **out, size_t max) {
    json_t *list = json_object_get(root, key);
    size_t n = json_array_size(list);
    if (n > max) n = max;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        out[i] = text ? arena_strdup(r->a, text) : "";
        if (!text || !out[i]) facts_complain(r->f, key, "must be a list of texts");
    }
    return n;
}

static void read_targets(reading *r, json_t *root) {
    json_t *list = json_object_get(root, "targets");
    perf_scenario *c = r->c;
    for (size_t i = 0; i < json_array_size(list) && i < SCENARIO_LINES_MAX; i++) {
        json_t *o = json_array_get(list, i);
        size_t m = metric_of(json_string_value(json_object_get(o, "metric")));
        json_int_t from = json_integer_value(json_object_get(o, "from")),
                   to = json_integer_value(json_object_get(o, "to"));
        if (m == METRICS || from < 0 || to < 0 || (size_t)from >= c->value_count || (size_t)to >= c->value_count) {
            facts_complain(r->f, "targets", "needs a metric, and places of values from and to");
            return;
        }
        c->targets[c->target_count++] =
            (perf_target){metrics[m].name, (size_t)from, (size_t)to, json_number_value(json_object_get(o, "change")),
                          json_number_value(json_object_get(o, "tolerance"))};
    }
}

/* A variant is the scenario itself with some of it replaced. */
static void read_variant(reading *r, json_t *o) {
    perf_scenario *c = r->c;
    if (c->variant_count == SCENARIO_VARIANTS_MAX - ENDS) {
        facts_complain(r->f, "variants", "are more than %d", SCENARIO_VARIANTS_MAX - ENDS - 1);
        return;
    }
    perf_variant *v = &c->variants[c->variant_count++];
    *v = c->variants[0];
    v->title = facts_text(r->f, o, "variants", "title", true);
    read_options(r, json_object_get(o, "options"), &v->sim);
    if (json_object_get(o, "values") && read_values(r, json_object_get(o, "values"), v->values) != c->value_count)
        facts_complain(r->f, "variants", "needs as many values as the scenario");
    const char *machine = json_string_value(json_object_get(o, "machine"));
    if (machine) perf_machine_load(&v->machine, r->a, machine, r->d);
}

static void add_ends(perf_scenario *c) {
    static const char *const titles[ENDS] = {"all facts of the machine at their slow ends",
                                             "all facts of the machine at their fast ends"};
    for (int i = 0; i < ENDS; i++) {
        perf_variant *v = &c->variants[c->variant_count++];
        *v = c->variants[0];
        v->title = titles[i];
        v->sim.load.ends = i ? 1 : -1;
    }
}

static void read_root(reading *r, json_t *root) {
    perf_scenario *c = r->c;
    perf_variant *v = c->variants;
    c->name = facts_text(r->f, root, "name", "name", true);
    c->title = facts_text(r->f, root, "title", "title", true);
    c->source = facts_text(r->f, root, "source", "source", true);
    c->vary = facts_text(r->f, root, "vary", "vary", true);
    const char *model = facts_text(r->f, root, "model", "model", true),
               *machine = facts_text(r->f, root, "machine", "machine", true);
    c->assumption_count = read_texts(r, root, "assumptions", c->assumptions, SCENARIO_LINES_MAX);
    *v = (perf_variant){.title = "the scenario", .sim = {.requests = 10000, .seed = 1, .replicas = 1, .batch_max = 64}};
    v->sim.load.prompt_batch = v->sim.load.batch = 1;
    c->variant_count = 1;
    c->value_count = read_values(r, json_object_get(root, "values"), v->values);
    if (read_texts(r, root, "labels", c->labels, SCENARIO_VALUES_MAX) != c->value_count)
        facts_complain(r->f, "labels", "must be as many as values");
    read_options(r, json_object_get(root, "options"), &v->sim);
    if (!perf_sim_option(&(perf_sim){0}, c->vary, 1)) facts_complain(r->f, "vary", "is no option of a simulation");
    if (!diag_error_count(r->d) && perf_shape_load(&c->shape, r->a, model, r->d))
        perf_machine_load(&v->machine, r->a, machine, r->d);
    read_targets(r, root);
    json_t *list = json_object_get(root, "variants");
    for (size_t i = 0; i < json_array_size(list); i++) read_variant(r, json_array_get(list, i));
    add_ends(c);
}

bool perf_scenario_parse(perf_scenario *c, arena *a, const char *file_name, str json, diag *d) {
    *c = (perf_scenario){.variants = arena_push_n(a, perf_variant, SCENARIO_VARIANTS_MAX)};
    if (!c->variants) return diag_oom(d, file_name);
    size_t errors = diag_error_count(d);
    facts f = {.src = {.name = file_name, .text = json}, .a = a, .d = d};
    json_t *root = facts_parse(&f, "scenario");
    reading r = {&f, a, d, c};
    if (root) read_root(&r, root);
    json_decref(root);
    return root && f.ok && diag_error_count(d) == errors;
}

bool perf_scenario_load(perf_scenario *c, arena *a, const char *name, diag *d) {
    str text;
    const char *path = perf_data_file(a, "scenarios", name, d);
    return path && file_read_all(a, path, 1 << 20, &text, d) && perf_scenario_parse(c, a, path, text, d);
}

/* ---- running ---- */

typedef struct {
    perf_scenario *c;
    diag **said; /* [cases] */
} running;

static void run_cases(void *arg, int thread, int threads) {
    running *r = arg;
    perf_scenario *c = r->c;
    for (size_t i = (size_t)thread; i < c->variant_count * c->value_count; i += (size_t)threads) {
        perf_variant *v = &c->variants[i / c->value_count];
        size_t value = i % c->value_count;
        perf_sim sim = v->sim;
        perf_sim_option(&sim, c->vary, v->values[value]);
        if (r->said[i]) perf_simulate(&v->reports[value], &c->shape, &v->machine, &sim, r->said[i]);
    }
}

bool perf_scenario_run(perf_scenario *c, arena *a, int threads, diag *d) {
    size_t cases = c->variant_count * c->value_count;
    running r = {c, arena_push_n(a, diag *, cases)};
    pool *p = r.said ? pool_new(threads, d) : NULL;
    if (!p) return r.said ? false : diag_oom(d, "scenario");
    for (size_t i = 0; i < cases; i++) r.said[i] = diag_new();
    pool_run(p, run_cases, &r);
    pool_free(p);
    bool ok = true;
    for (size_t i = 0; i < cases; i++) {
        if (!r.said[i]) ok = diag_oom(d, "scenario");
        else if (diag_error_count(r.said[i]))
            ok = diag_error(d, "%s, %s: %s", c->variants[i / c->value_count].title, c->labels[i % c->value_count],
                            diag_text(r.said[i]));
        diag_free(r.said[i]);
    }
    return ok;
}
