/* See predict_args.h. */
#include "cli/predict_args.h"
#include "base/file.h"
#include "perf/software.h"

const char *const predict_goals[] = {"latency", "throughput", NULL};

static bool format_of(const perf_format **out, const char *name, diag *d) {
    *out = name ? perf_format_named(name) : NULL;
    if (!name || *out) return true;
    strbuf list = {0};
    for (size_t i = 0; perf_format_row(i); i++) strbuf_addf(&list, "%s%s", i ? " " : "", perf_format_row(i)->name);
    diag_error(d, "no number format '%s'; there are: %s", name, list.data ? list.data : "");
    strbuf_free(&list);
    return false;
}

bool predict_load(perf_load *l, const predict_args *a, diag *d) {
    *l = (perf_load){.prompt = (double)a->prompt,
                     .generate = (double)a->generate,
                     .batch = (double)a->batch,
                     .prompt_batch = (double)a->prompt_batch,
                     .window = (uint32_t)a->window,
                     .streamed = a->streamed,
                     .tp = (uint32_t)a->tp,
                     .pp = (uint32_t)a->pp,
                     .ep = (uint32_t)a->ep,
                     .dp = (uint32_t)a->dp,
                     .systems = (double)a->systems,
                     .draft_tokens = (double)a->draft,
                     .accepted = a->draft ? a->accepted : 0,
                     .draft_cost = a->draft ? a->draft_cost : 0,
                     .goal = a->goal ? PERF_FOR_THROUGHPUT : PERF_FOR_LATENCY,
                     .wafer_side = (double)a->side};
    return format_of(&l->weights, a->weights, d) && format_of(&l->kv, a->kv, d);
}

bool predict_set(perf_machine *m, const char *assignments, diag *d) {
    for (const char *p = assignments; p && *p;) {
        size_t n = strcspn(p, ",");
        if (!perf_machine_set(m, (str){p, n}, d)) return false;
        p += n + (p[n] == ',');
    }
    return true;
}

bool predict_inputs(perf_shape *s, perf_machine *m, perf_load *l, arena *memory, const predict_args *a,
                    const char *machine, diag *d) {
    return predict_load(l, a, d) && (!a->software || perf_software_load(&l->software, memory, a->software, d)) &&
           perf_shape_load(s, memory, a->model, d) && perf_machine_load(m, memory, machine, d) &&
           predict_set(m, a->set, d);
}
