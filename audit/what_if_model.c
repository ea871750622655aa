/* What-ifs by the predictor: the step as it is and as it would be, predicted both, and the difference applied to what
 * was measured. Fast end: the measured time shrinks in the ratio of the predictions. Slow end: it shrinks by their
 * difference, because what the predictor does not see stays. */
#include "audit/what_if.h"
#include "base/units.h"
#include "perf/predict.h"
#include <math.h>

typedef struct {
    analysis *x;
    perf_load load;
    bool decode; /* the step decodes; else it reads prompts */
    double now_s;
} step;

static bool predict(const step *s, const perf_machine *m, const perf_load *load, perf_prediction *p) {
    diag *quiet = diag_new(); /* a machine that cannot run this is no error here */
    bool ok = quiet && perf_predict(p, s->x->o->model, m, load, quiet);
    diag_free(quiet);
    return ok;
}

static double seconds(const step *s, const perf_prediction *p) {
    return s->decode ? p->decode.seconds : p->prefill.seconds;
}

/* The first window's step stands for all; a mixed one by what takes longer there: prompts, when it has any. */
static bool describe(step *s) {
    const analysis *x = s->x;
    const step_load *l = &x->window->load;
    double per = l->prefills > 0 ? l->prefill_tokens / l->prefills : 0,
           behind = l->decodes > 0 ? l->decode_kv / l->decodes : 0;
    s->decode = !(l->prefills > 0);
    s->load = (perf_load){.prompt = fmax(1, s->decode ? behind : per),
                          .generate = 2,
                          .batch = fmax(1, l->decodes),
                          .prompt_batch = fmax(1, l->prefills),
                          .weights = x->o->weights,
                          .kv = x->o->kv,
                          .tp = (uint32_t)fmax(1, x->o->tp),
                          .pp = 1,
                          .ep = 1,
                          .dp = 1};
    perf_prediction p;
    if (!x->peaks.has_machine || !x->o->model || !l->known || !predict(s, &x->peaks.machine, &s->load, &p))
        return false;
    s->now_s = seconds(s, &p);
    audit_evidence(x->r, "the predictor expects %s for such a step (%s), measured %s", units_seconds(s->now_s).text,
                   s->decode ? "decoding" : "its prompts",
                   units_seconds((double)x->r->total_ns / 1e9 / (double)x->windows).text);
    return s->now_s > 0;
}

static void apply(step *s, const char *name, double then_s, double per, const char *note) {
    char f[240];
    double t = (double)s->x->r->total_ns, saved = (s->now_s - then_s / per) * 1e9 * (double)s->x->windows;
    snprintf(f, sizeof f, "predictor: a step of %s becomes %s%s; T x their ratio .. T - their difference",
             units_seconds(s->now_s).text, units_seconds(then_s).text, per > 1 ? " for twice the sequences" : "");
    what_if_tell(s->x, name, fmax(t * then_s / per / s->now_s, 1), fmax(t - saved, 1), f, note);
}

static void changed(step *s, const char *name, const perf_machine *m, perf_load load, double per, const char *note) {
    perf_prediction p;
    if (predict(s, m, &load, &p)) apply(s, name, seconds(s, &p), per, note);
}

static void formats(step *s) {
    static const char *const names[][2] = {{"fp8", "weights of 8 bits (fp8)"}, {"int4", "weights of 4 bits (int4)"}};
    const perf_machine *m = &s->x->peaks.machine;
    double now = s->x->o->weights ? s->x->o->weights->bits : s->x->o->model->weight_bits;
    perf_load load = s->load;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        load.weights = perf_format_named(names[i][0]);
        if (load.weights && load.weights->bits < now - 0.5) changed(s, names[i][1], m, load, 1, "where quality allows");
    }
    load = s->load;
    load.kv = perf_format_named("fp8");
    if (s->decode && (!load.kv || !s->x->o->kv || s->x->o->kv->bits > 8))
        changed(s, "keys and values of 8 bits", m, load, 1, "");
    load = s->load;
    load.window = 1024;
    if (s->load.prompt > 2 * load.window)
        changed(s, "attention over the last 1024 tokens only", m, load, 1, "a model trained for it");
    load = s->load;
    load.batch *= 2;
    if (s->decode) changed(s, "twice the batch, per sequence", m, load, 2, "throughput: a step itself gets longer");
}

static void devices(step *s) {
    perf_machine faster[8];
    char name[160];
    size_t n = audit_peaks_faster(&s->x->peaks, s->x->a, faster, 8, s->x->d);
    for (size_t i = 0; i<n; i += n> 1 ? n - 1 : 1) {
        snprintf(name, sizeof name, "on %s (%.2f TB/s)", faster[i].title, faster[i].mem_bw_bytes_per_s.value / 1e12);
        changed(s, name, &faster[i], s->load, 1, "memory, arithmetic and launches of that device");
    }
}

/* A wafer has kernels of its own, so the measured inefficiency does not carry over: its predicted range stands alone.
 */
static void wafers(step *s) {
    perf_machine *m = arena_push(s->x->a, perf_machine);
    perf_prediction p;
    char f[240], name[120];
    if (!m || !perf_machine_load(m, s->x->a, "cs3", s->x->d)) return;
    for (int streamed = 0; streamed < 2; streamed++) {
        perf_load load = s->load;
        load.tp = load.pp = load.ep = load.dp = 0;
        load.streamed = streamed;
        if (!predict(s, m, &load, &p)) continue;
        perf_range r = s->decode ? p.tpot_s : p.ttft_s;
        double n = (double)s->x->windows * 1e9;
        snprintf(name, sizeof name, "on %.0f x %s, weights %s", p.setup.systems, m->title,
                 streamed ? "streamed" : "resident");
        snprintf(f, sizeof f, "predictor: %s for the step, %s .. %s over the ranges of its facts",
                 units_seconds(r.value).text, units_seconds(r.low).text, units_seconds(r.high).text);
        what_if_tell(s->x, name, r.low * n, r.high * n, f,
                     "a prediction for the whole step; the measured one contains inefficiency that it does not");
    }
}

bool what_ifs_model(analysis *x) {
    step s = {.x = x};
    if (!describe(&s)) return false;
    formats(&s);
    devices(&s);
    wafers(&s);
    return true;
}
