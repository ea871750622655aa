/* See simulate.h. Three kinds of events: an arrival, the end of a pass of a replica, keys and values delivered. The
 * earliest goes first; equal ones in that order and by number. */
#include "perf/simulate.h"
#include "base/mem.h"
#include "base/rng.h"
#include <math.h>

enum { REPLICAS_MAX = 4096, BATCH_MAX = 4096, QUEUE_MAX = 1 << 20, IN_FLIGHT = 8, BINS = 4096, GRID = 24 };
#define BIN_LOW_S 1e-7 /* 1 % bins from here: 4096 of them reach past 1e10 s */

/* ---- time of a pass ---- */

typedef struct {
    size_t batches, contexts, prompts;
    double batch[GRID], context[GRID], prompt[GRID], decode_s[GRID][GRID], prompt_s[GRID];
} pass_table;

/* Between grid points linear; beyond them the outer ones go on. */
static size_t cell_of(const double *x, size_t n, double at, double *t) {
    size_t i = 0;
    while (i + 2 < n && x[i + 1] <= at) i++;
    *t = n > 1 ? (at - x[i]) / (x[i + 1] - x[i]) : 0;
    return i;
}

static double decode_s(const pass_table *p, double batch, double context) {
    double u, v;
    size_t i = cell_of(p->batch, p->batches, batch, &u), k = cell_of(p->context, p->contexts, context, &v);
    size_t i2 = i + (p->batches > 1), k2 = k + (p->contexts > 1);
    double low = p->decode_s[i][k] * (1 - u) + p->decode_s[i2][k] * u,
           high = p->decode_s[i][k2] * (1 - u) + p->decode_s[i2][k2] * u;
    return low * (1 - v) + high * v;
}

static double prompt_s(const pass_table *p, double tokens) {
    double t;
    size_t i = cell_of(p->prompt, p->prompts, tokens, &t);
    return p->prompts > 1 ? p->prompt_s[i] * (1 - t) + p->prompt_s[i + 1] * t : p->prompt_s[0];
}

/* Prompt tokens and decoding share the reading of weights and the launches: those of a pass with one token count once.
 */
static double pass_s(const pass_table *p, double batch, double context, double tokens) {
    double decode = batch > 0 ? decode_s(p, batch, context) : 0;
    if (tokens <= 0) return decode;
    double read = prompt_s(p, tokens), shared = batch > 0 ? fmin(decode_s(p, 1, context), read) : 0;
    return decode + read - fmin(shared, decode);
}

static size_t powers(double *x, double from, double to) {
    size_t n = 0;
    for (double v = from; n + 1 < GRID && v < to; v *= 2) x[n++] = v;
    x[n++] = to;
    return n;
}

static bool make_table(pass_table *t, const perf_shape *s, const perf_machine *m, const perf_sim *sim, double longest,
                       perf_sim_report *r, diag *d) {
    perf_load l = sim->load;
    perf_prediction p;
    l.batch = sim->batch_max, l.dp = 1, l.prompt_batch = 1, l.goal = PERF_FOR_THROUGHPUT, l.systems = 0;
    if (!perf_predict_point(&p, s, m, &l, d)) return false;
    l.tp = r->tp = p.setup.tp, l.pp = r->pp = p.setup.pp, l.ep = p.setup.ep, l.systems = p.setup.systems,
    l.wafer_side = p.setup.side;
    t->batches = powers(t->batch, 1, sim->batch_max);
    t->contexts = powers(t->context, 128, fmax(256, longest));
    t->prompts = powers(t->prompt, 1, fmax(2, fmax(sim->chunk, longest)));
    diag *quiet = diag_new(); /* the longest contexts of the fullest batches need not fit: they do not occur */
    bool ok = quiet != NULL;
    l.generate = 1;
    for (size_t i = 0; ok && i < t->batches; i++)
        for (size_t k = 0; ok && k < t->contexts; k++) {
            l.batch = t->batch[i], l.prompt = t->context[k];
            if (perf_predict_point(&p, s, m, &l, quiet)) t->decode_s[i][k] = p.tpot_s.value;
            else
                t->decode_s[i][k] =
                    k ? t->decode_s[i][k - 1] * 2 - (k > 1 ? t->decode_s[i][k - 2] : 0) : (ok = false, 0);
        }
    l.batch = 1;
    for (size_t k = 0; ok && k < t->prompts; k++) {
        l.prompt = t->prompt[k];
        if ((ok = perf_predict_point(&p, s, m, &l, quiet))) t->prompt_s[k] = p.ttft_s.value;
    }
    diag_free(quiet);
    return ok || diag_error(d, "%s on %s: a context of %.0f tokens and a batch of %.0f do not fit", s->name, m->name,
                            longest, sim->batch_max);
}

/* ---- statistics ---- */

typedef struct {
    uint64_t bins[BINS], count;
    double sum;
} histogram;

static void note(histogram *h, double x) {
    double at = x > BIN_LOW_S ? log(x / BIN_LOW_S) / log(1.01) : 0;
    h->bins[at < BINS - 1 ? (size_t)at : BINS - 1]++;
    h->count++;
    h->sum += x;
}

static double percentile(const histogram *h, double share) {
    uint64_t want = (uint64_t)ceil(share * (double)h->count), seen = 0;
    for (size_t i = 0; i < BINS; i++)
        if ((seen += h->bins[i]) >= want && h->count) return BIN_LOW_S * pow(1.01, (double)i + 0.5);
    return 0;
}

static perf_percentiles percentiles(const histogram *h) {
    return (perf_percentiles){percentile(h, 0.5), percentile(h, 0.9), percentile(h, 0.99),
                              h->count ? h->sum / (double)h->count : 0};
}

/* ---- state ---- */

typedef struct {
    double arrival, first;
    uint32_t prompt, output, left; /* left: prompt tokens to read, then tokens to write */
} request;

typedef struct {
    request *items;
    size_t head, count, capacity;
} queue;

typedef struct {
    request *running; /* [batch_max] */
    size_t count;
    double context; /* sum over the running */
    bool busy, reading;
    request read;  /* the prompt in work */
    double tokens; /* of it, in this pass */
    double end;
} replica;

typedef struct {
    bool busy;
    double end, net_free;
    request read, flying[IN_FLIGHT];
    double ready[IN_FLIGHT];
    size_t first, count;
} reader;

typedef struct {
    const perf_sim *sim;
    pass_table table;
    rng draws;
    queue waiting, delivered; /* for prompts; for decoding after a transfer */
    replica *replicas;
    reader *readers;
    request *room; /* running requests of all replicas */
    size_t replica_count, reader_count, batch_max;
    double next_arrival, now, kv_token_bytes;
    uint64_t sent, done, met, tokens, passes;
    double batch_sum, busy_s, net_s;
    histogram ttft, tpot, e2e;
    diag *d;
    bool ok;
} sim_state;

static bool push(sim_state *s, queue *q, const request *r) {
    if (q->count == q->capacity) {
        size_t more = q->capacity ? 2 * q->capacity : 1024;
        request *items = more > QUEUE_MAX ? NULL : mem_alloc_n(more, sizeof *items);
        if (!items)
            return s->ok =
                       more > QUEUE_MAX
                           ? diag_error(s->d, "more than %d requests wait: the replicas cannot keep up with this rate",
                                        QUEUE_MAX)
                           : diag_oom(s->d, "queue");
        for (size_t i = 0; i < q->count; i++) items[i] = q->items[(q->head + i) % q->capacity];
        mem_free(q->items);
        *q = (queue){items, 0, q->count, more};
    }
    q->items[(q->head + q->count++) % q->capacity] = *r;
    return true;
}

static request pop(queue *q) {
    request r = q->items[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    return r;
}

/* ---- requests ---- */

static uint32_t length(sim_state *s, double median) {
    double sigma = s->sim->spread;
    if (sigma <= 0) return (uint32_t)median;
    double u = 0;
    for (int i = 0; i < 12; i++) u += rng_f64(&s->draws); /* nearly a normal deviate, within 6 sigma */
    return (uint32_t)fmax(1, fmin(4 * median, round(median * exp(sigma * (u - 6)))));
}

static void send(sim_state *s, double at) {
    request r = {.arrival = at, .prompt = length(s, s->sim->load.prompt), .output = length(s, s->sim->load.generate)};
    r.left = r.prompt;
    s->sent++;
    push(s, &s->waiting, &r);
}

static void draw_arrival(sim_state *s) {
    s->next_arrival =
        s->sent < s->sim->requests ? s->next_arrival - log(1 - rng_f64(&s->draws)) / s->sim->rate : INFINITY;
}

static void answered(sim_state *s, const request *r) {
    double tpot = r->output > 1 ? (s->now - r->first) / (r->output - 1) : 0, ttft = r->first - r->arrival;
    const perf_sim *p = s->sim;
    note(&s->ttft, ttft);
    if (r->output > 1) note(&s->tpot, tpot);
    note(&s->e2e, s->now - r->arrival);
    s->met += (p->ttft_limit_s <= 0 || ttft <= p->ttft_limit_s) && (p->tpot_limit_s <= 0 || tpot <= p->tpot_limit_s);
    s->done++;
    s->tokens += r->output;
    if (p->rate <= 0 && s->sent < p->requests) send(s, s->now);
}

/* Its first token is there. */
static void begin_decoding(sim_state *s, replica *p, request r) {
    r.left = r.output - 1;
    if (!r.left) {
        answered(s, &r);
        return;
    }
    p->context += r.prompt + 1;
    p->running[p->count++] = r;
}

/* ---- replicas ---- */

static void start_pass(sim_state *s, replica *p) {
    bool apart = s->reader_count > 0;
    while (apart && s->delivered.count && p->count < s->batch_max) {
        request r = pop(&s->delivered);
        p->context += r.prompt + 1;
        p->running[p->count++] = r;
    }
    if (!apart && !p->reading && s->waiting.count && p->count < s->batch_max) {
        p->read = pop(&s->waiting);
        p->reading = true;
    }
    if (!p->count && !p->reading) return;
    p->tokens = p->reading ? fmin(p->read.left, s->sim->chunk) : 0;
    double mean = p->count ? p->context / (double)p->count : 0,
           time = pass_s(&s->table, (double)p->count, mean, p->tokens);
    p->busy = true;
    p->end = s->now + time;
    s->passes++;
    s->batch_sum += (double)p->count;
    s->busy_s += time;
}

static void end_pass(sim_state *s, replica *p) {
    p->busy = false;
    for (size_t i = 0; i < p->count;) {
        request *r = &p->running[i];
        p->context++;
        if (--r->left) {
            i++;
            continue;
        }
        p->context -= (double)r->prompt + r->output;
        answered(s, r);
        *r = p->running[--p->count];
    }
    if (p->reading && !(p->read.left -= (uint32_t)p->tokens)) {
        p->reading = false;
        p->read.first = s->now;
        begin_decoding(s, p, p->read);
    }
}

/* ---- prompts apart ---- */

static void start_reading(sim_state *s, reader *p) {
    if (p->busy || p->count == IN_FLIGHT || !s->waiting.count) return;
    p->read = pop(&s->waiting);
    p->busy = true;
    p->end = s->now + prompt_s(&s->table, p->read.prompt);
}

static void end_reading(sim_state *s, reader *p) {
    double time = s->kv_token_bytes * p->read.prompt / s->sim->network_bytes_per_s, from = fmax(s->now, p->net_free);
    p->busy = false;
    p->net_free = from + time;
    s->net_s += time;
    size_t at = (p->first + p->count++) % IN_FLIGHT;
    p->flying[at] = p->read;
    p->ready[at] = p->net_free;
}

static void deliver(sim_state *s, reader *p) {
    request r = p->flying[p->first];
    p->first = (p->first + 1) % IN_FLIGHT;
    p->count--;
    r.first = s->now;
    r.left = r.output - 1;
    if (r.left) push(s, &s->delivered, &r);
    else answered(s, &r);
}

/* ---- the loop ---- */

static void start_idle(sim_state *s) {
    for (size_t i = 0; i < s->reader_count; i++) start_reading(s, &s->readers[i]);
    for (size_t i = 0; i < s->replica_count && (s->waiting.count || s->delivered.count || s->reader_count); i++)
        if (!s->replicas[i].busy) start_pass(s, &s->replicas[i]);
}

static bool step(sim_state *s) {
    double at = s->next_arrival;
    replica *r = NULL;
    reader *read = NULL, *lands = NULL;
    for (size_t i = 0; i < s->replica_count; i++)
        if (s->replicas[i].busy && s->replicas[i].end < at) at = s->replicas[i].end, r = &s->replicas[i];
    for (size_t i = 0; i < s->reader_count; i++) {
        reader *p = &s->readers[i];
        if (p->busy && p->end < at) at = p->end, read = p, lands = NULL, r = NULL;
        if (p->count && p->ready[p->first] < at) at = p->ready[p->first], lands = p, read = NULL, r = NULL;
    }
    if (!isfinite(at)) return false;
    s->now = at;
    if (r) {
        end_pass(s, r);
        start_pass(s, r);
    } else if (read) end_reading(s, read);
    else if (lands) deliver(s, lands);
    else {
        send(s, at);
        draw_arrival(s);
    }
    start_idle(s);
    return s->ok;
}

static bool sim_is_sound(const perf_sim *p, diag *d) {
    if (!p->requests || p->requests > 1000000000) return diag_error(d, "requests must be 1 to 1e9");
    if (!(p->rate > 0 && p->rate <= 1e9) && !(p->rate == 0 && p->concurrency >= 1 && p->concurrency <= QUEUE_MAX))
        return diag_error(d, "say how requests arrive: a rate per second, or a number of users in a closed loop");
    if (!(p->replicas >= 1 && p->replicas <= REPLICAS_MAX) ||
        !(p->prefill_replicas >= 0 && p->prefill_replicas <= REPLICAS_MAX))
        return diag_error(d, "replicas must be 1 to %d", REPLICAS_MAX);
    if (!(p->batch_max >= 1 && p->batch_max <= BATCH_MAX))
        return diag_error(d, "a replica's batch must be 1 to %d", BATCH_MAX);
    if (!(p->spread >= 0 && p->spread <= 2)) return diag_error(d, "spread must be 0 to 2");
    if (!(p->load.prompt >= 1 && p->load.prompt <= 1e7 && p->load.generate >= 1 && p->load.generate <= 1e7))
        return diag_error(d, "prompt and generation must be 1 to 1e7 tokens");
    if (p->prefill_replicas > 0 && !(p->network_bytes_per_s > 0))
        return diag_error(d, "prompts apart need a network rate");
    return true;
}

static void report(const sim_state *s, perf_sim_report *r) {
    double t = fmax(s->now, 1e-12);
    r->requests = s->done, r->met = s->met, r->seconds = s->now;
    r->requests_per_s = (double)s->done / t, r->tokens_per_s = (double)s->tokens / t,
    r->goodput_per_s = (double)s->met / t;
    r->busy_share = s->busy_s / t / (double)s->replica_count;
    r->mean_batch = s->passes ? s->batch_sum / (double)s->passes : 0;
    r->network_share = s->reader_count ? s->net_s / t / (double)s->reader_count : 0;
    r->ttft_s = percentiles(&s->ttft), r->tpot_s = percentiles(&s->tpot), r->e2e_s = percentiles(&s->e2e);
}

static bool allocate(sim_state *s, const perf_sim *p) {
    s->replica_count = (size_t)p->replicas, s->reader_count = (size_t)p->prefill_replicas,
    s->batch_max = (size_t)p->batch_max;
    s->replicas = mem_alloc_n(s->replica_count, sizeof *s->replicas);
    s->readers = s->reader_count ? mem_alloc_n(s->reader_count, sizeof *s->readers) : NULL;
    s->room = mem_alloc_n(s->replica_count * s->batch_max + 1, sizeof *s->room);
    if (!s->replicas || !s->room || (s->reader_count && !s->readers)) return diag_oom(s->d, "replicas");
    for (size_t i = 0; i < s->replica_count; i++) s->replicas[i].running = s->room + i * s->batch_max;
    return true;
}

bool perf_simulate(perf_sim_report *r, const perf_shape *shape, const perf_machine *m, const perf_sim *given, diag *d) {
    perf_sim p = *given;
    *r = (perf_sim_report){0};
    if (p.chunk <= 0) p.chunk = 2048;
    if (p.load.batch <= 0) p.load.batch = 1;
    if (!sim_is_sound(&p, d)) return false;
    sim_state *s = mem_alloc(sizeof *s);
    if (!s) return diag_oom(d, "simulation");
    *s = (sim_state){.sim = &p, .draws = rng_seed(p.seed), .d = d, .ok = true, .next_arrival = INFINITY};
    double longest = (p.load.prompt + p.load.generate) * (p.spread > 0 ? 4 : 1),
           bits = p.load.kv ? p.load.kv->bits : 16;
    s->kv_token_bytes = perf_shape_kv_elems(shape) * bits / 8;
    bool ok = make_table(&s->table, shape, m, &p, longest, r, d) && allocate(s, &p);
    if (ok && p.rate > 0) {
        s->next_arrival = 0;
        draw_arrival(s);
    }
    for (double i = 0; ok && p.rate <= 0 && i < p.concurrency && s->sent < p.requests; i++) send(s, 0);
    if (ok) start_idle(s);
    while (ok && step(s)) {}
    ok = ok && s->ok;
    report(s, r);
    mem_free(s->waiting.items), mem_free(s->delivered.items);
    mem_free(s->replicas), mem_free(s->readers), mem_free(s->room);
    mem_free(s);
    return ok;
}
