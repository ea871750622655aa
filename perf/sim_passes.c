/* See sim_passes.h. Between grid points linear; beyond them the outer ones go on.
 *
 * A mixed pass: prompt tokens and decoding share the reading of weights and the launches: those of a pass with one
 * token count once. A chunk of a prompt behind `from` tokens takes what from + chunk take more than from. Devices with
 * stages take groups as wholes: their batch in the prediction is that of all groups, of which it makes its own
 * micro-batches. */
#include "perf/sim_passes.h"
#include <math.h>

static size_t cell_of(const double *x, size_t n, double at, double *t) {
    size_t i = 0;
    while (i + 2 < n && x[i + 1] <= at) i++;
    *t = n > 1 ? (at - x[i]) / (x[i + 1] - x[i]) : 0;
    return i;
}

static double decode_s(const sim_passes *p, double batch, double context) {
    double u, v;
    size_t i = cell_of(p->batch, p->batches, batch, &u), k = cell_of(p->context, p->contexts, context, &v);
    size_t i2 = i + (p->batches > 1), k2 = k + (p->contexts > 1);
    double low = p->decode_s[i][k] * (1 - u) + p->decode_s[i2][k] * u,
           high = p->decode_s[i][k2] * (1 - u) + p->decode_s[i2][k2] * u;
    return low * (1 - v) + high * v;
}

static double line_at(const double *x, const double *y, size_t n, double at) {
    double t;
    size_t i = cell_of(x, n, at, &t);
    return n > 1 ? y[i] * (1 - t) + y[i + 1] * t : y[0];
}

static double behind(const sim_passes *p, const double *y, double from, double tokens) {
    double alone = line_at(p->prompt, y, p->prompts, tokens);
    if (from <= 0) return alone;
    return fmax(alone, line_at(p->prompt, y, p->prompts, from + tokens) - line_at(p->prompt, y, p->prompts, from));
}

double sim_read_s(const sim_passes *p, double from, double tokens) { return behind(p, p->prompt_s, from, tokens); }

static sim_pass wafer_pass(const sim_passes *p, double batch, double context, double from, double tokens) {
    double period = line_at(p->context, p->period_s, p->contexts, context), head = 0, tail = 0;
    if (batch > 0) head = decode_s(p, 1, context), tail = (batch - 1) * period;
    if (tokens > 0) {
        double busy = behind(p, p->prompt_busy_s, from, tokens);
        head = fmax(head, sim_read_s(p, from, tokens) - busy);
        tail += busy;
    }
    return (sim_pass){.busy_s = tail + (batch > 0 ? period : 0), .head_s = head / p->stages, .tail_s = tail};
}

sim_pass sim_pass_of(const sim_passes *p, double batch, double context, double from, double tokens) {
    if (p->wafer) return wafer_pass(p, batch, context, from, tokens);
    double all = batch * p->stages, time = batch > 0 ? decode_s(p, all, context) : 0;
    if (tokens > 0) {
        double read = sim_read_s(p, from, tokens), shared = batch > 0 ? fmin(decode_s(p, 1, context), read) : 0;
        time += read - fmin(shared, time);
    }
    return (sim_pass){.busy_s = time / p->stages, .head_s = time / p->stages};
}

/* ---- the table ---- */

static size_t powers(double *x, double from, double to) {
    size_t n = 0;
    for (double v = from; n + 1 < SIM_GRID && v < to; v *= 2) x[n++] = v;
    x[n++] = to;
    return n;
}

/* On with the last slope, where no prediction is: the longest contexts of the fullest batches need not fit, they do not
 * occur. */
static double go_on(const double *x, const double *y, size_t k) {
    if (k < 2) return k ? y[k - 1] : 0;
    return y[k - 1] + (y[k - 1] - y[k - 2]) * (x[k] - x[k - 1]) / (x[k - 1] - x[k - 2]);
}

/* The replica's memory for keys and values, in tokens. */
static double room_of(const perf_prediction *p, const perf_shape *s, const perf_sim *sim, double kv_token_bytes) {
    perf_numbers n = perf_machine_numbers(p->machine, PERF_NOMINAL);
    bool wafer = p->machine->class == PERF_WAFER;
    double devices = wafer ? p->setup.systems : (double)p->setup.tp * p->setup.pp;
    double room = devices * n.mem_bytes * (wafer ? 1 : PERF_USABLE_SHARE), copies = 1;
    double weights = p->load.streamed ? 2 * p->weight_bytes / s->layers : p->weight_bytes;
    bool apart = sim->ports > 1; /* a port for each device: a request lies on one of them */
    if (!wafer && !apart) copies = p->setup.tp / (s->kv_lora ? 1.0 : fmin(p->setup.tp, s->kv_heads));
    return fmax(0, room - weights) / kv_token_bytes / copies;
}

static bool fill(sim_passes *t, const perf_shape *s, const perf_machine *m, perf_load l, diag *quiet) {
    perf_prediction p;
    bool ok = true;
    l.generate = 1;
    for (size_t i = 0; i < t->batches; i++)
        for (size_t k = 0; k < t->contexts; k++) {
            l.batch = t->batch[i], l.prompt = t->context[k];
            bool known = perf_predict_point(&p, s, m, &l, quiet);
            ok = ok && (known || k);
            t->decode_s[i][k] = known ? p.tpot_s.value : go_on(t->context, t->decode_s[i], k);
            if (!i) t->period_s[k] = known ? p.decode.period_s : go_on(t->context, t->period_s, k);
        }
    l.batch = 1;
    for (size_t k = 0; k < t->prompts; k++) {
        l.prompt = t->prompt[k];
        bool known = perf_predict_point(&p, s, m, &l, quiet);
        ok = ok && (known || k > 1);
        t->prompt_s[k] = known ? p.ttft_s.value : go_on(t->prompt, t->prompt_s, k);
        t->prompt_busy_s[k] = known ? p.prefill.period_s : go_on(t->prompt, t->prompt_busy_s, k);
    }
    return ok;
}

/* The way to run is that of the fullest batch that fits; of a trace, whose mean a few long requests may raise beyond
 * what fits, that of shorter ones. Single requests that do not fit are refused later. */
static bool choose_way(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_sim *sim,
                       perf_load *l, diag *d) {
    diag *quiet = diag_new();
    bool ok = false;
    for (; quiet && !ok && l->batch >= 1; l->batch = floor(l->batch / 2)) ok = perf_predict_point(p, s, m, l, quiet);
    l->batch = 1;
    for (; quiet && !ok && sim->trace && l->prompt >= 2; l->prompt /= 2) ok = perf_predict_point(p, s, m, l, quiet);
    diag_free(quiet);
    return ok || perf_predict_point(p, s, m, l, d);
}

bool sim_passes_make(sim_passes *t, const perf_shape *s, const perf_machine *m, const perf_sim *sim, double longest,
                     diag *d) {
    perf_load l = sim->load;
    perf_prediction p;
    bool wafer = m->class == PERF_WAFER;
    int ends = l.ends;
    l.ends = 0; /* the way to run is that of the facts as stated */
    l.batch = sim->batch_max, l.dp = 1, l.prompt_batch = 1;
    l.goal = sim->prefill_replicas > 0 ? PERF_FOR_LATENCY : PERF_FOR_THROUGHPUT; /* apart, prompts come one by one */
    l.systems = wafer ? sim->stages : 0;
    if (!wafer && sim->stages > 0) l.pp = (uint32_t)sim->stages;
    if (!choose_way(&p, s, m, sim, &l, d)) return false;
    l.tp = p.setup.tp, l.pp = p.setup.pp, l.ep = p.setup.ep, l.systems = p.setup.systems, l.wafer_side = p.setup.side;
    *t = (sim_passes){.wafer = wafer, .tp = l.tp, .pp = l.pp, .stages = wafer ? (uint32_t)l.systems : l.pp};
    t->systems = l.systems, t->weakest = p.weakest;
    l.ends = ends;
    if (!t->stages) t->stages = 1;
    t->kv_token_bytes = perf_shape_kv_elems(s) * (l.kv ? l.kv->bits : 16) / 8;
    t->kv_room_tokens = room_of(&p, s, sim, t->kv_token_bytes);
    t->batches = powers(t->batch, 1, sim->batch_max);
    t->contexts = powers(t->context, 128, fmax(256, longest));
    t->prompts = powers(t->prompt, 1, fmax(2, fmax(sim->chunk, longest)));
    diag *quiet = diag_new();
    bool ok = quiet && fill(t, s, m, l, quiet);
    diag_free(quiet);
    return ok || diag_error(d, "%s on %s: a batch of %.0f does not fit", s->name, m->name, sim->batch_max);
}
