/* See simulate.h. Events: an arrival, an agent's next call, the end of a pass, the end of a prompt read apart, keys and
 * values delivered. The earliest goes first; of equal ones deliveries, then the one that was planned first. */
#include "perf/simulate.h"
#include "base/mem.h"
#include "perf/sim_internal.h"
#include <math.h>

/* ---- events: a heap ---- */

static bool before(const sim_event *a, const sim_event *b) {
    return a->at < b->at || (a->at <= b->at && a->order < b->order);
}

bool sim_event_add(sim_state *s, double at, sim_event_kind kind, uint32_t index) {
    if (s->event_count == s->event_capacity) {
        size_t more = s->event_capacity ? 2 * s->event_capacity : 64;
        sim_event *events = mem_resize(s->events, more * sizeof *events);
        if (!events) return s->ok = diag_oom(s->d, "events");
        s->events = events, s->event_capacity = more;
    }
    sim_event e = {at, kind, index, s->event_order++};
    size_t i = s->event_count++;
    for (; i && before(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2) s->events[i] = s->events[(i - 1) / 2];
    s->events[i] = e;
    return true;
}

static sim_event take_event(sim_state *s) {
    sim_event first = s->events[0], last = s->events[--s->event_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < s->event_count) {
        if (child + 1 < s->event_count && before(&s->events[child + 1], &s->events[child])) child++;
        if (!before(&s->events[child], &last)) break;
        s->events[i] = s->events[child];
        i = child;
    }
    s->events[i] = last;
    return first;
}

/* ---- replicas ---- */

/* Its first token is there. */
static void begin_decoding(sim_state *s, sim_lane *l, sim_request r) {
    sim_replica *p = &s->replicas[l->replica];
    r.left = r.output - 1;
    if (!r.left) {
        p->context -= (double)r.prompt + r.output;
        p->requests--;
        sim_answered(s, &r);
        return;
    }
    l->context += r.prompt + 1;
    l->running[l->count++] = r;
}

static bool has_room(const sim_state *s, const sim_replica *p, const sim_request *r) {
    return p->context + r->prompt + r->output <= s->passes.kv_room_tokens;
}

/* Apart: requests that were delivered to this replica; their first token is there. */
static void take_delivered(sim_state *s, sim_lane *l, sim_replica *p) {
    while (p->ready.count && l->count < s->lane_max && has_room(s, p, &p->ready.items[p->ready.head])) {
        sim_request r = sim_pop(s, &p->ready);
        p->context += (double)r.prompt + r.output;
        l->context += r.prompt + 1;
        l->running[l->count++] = r;
    }
}

static const sim_request *first_of(const sim_state *s, size_t unit) {
    const sim_queue *q = s->own && s->own[unit].count ? &s->own[unit] : &s->waiting;
    return q->count ? &q->items[q->head] : NULL;
}

static void take_prompt(sim_state *s, sim_lane *l, sim_replica *p) {
    const sim_request *first = first_of(s, l->replica);
    if (l->reading || !first || l->count >= s->lane_max || !has_room(s, p, first)) return;
    l->reading = sim_take(s, l->replica, &l->read);
    p->context += (double)l->read.prompt + l->read.output;
    p->requests++;
    sim_look_up(s, l->replica, p->context, &l->read);
}

/* From stage to stage, behind whoever is there; when the last token is through the last one. */
static double through(sim_state *s, sim_replica *p, const sim_pass *pass) {
    double t = s->now;
    for (uint32_t i = 0; i < s->passes.stages; i++) {
        double start = fmax(t, p->stage_free[i]);
        s->wait_s += start - t;
        s->busy_s += pass->busy_s;
        p->stage_free[i] = start + pass->busy_s;
        t = start + pass->head_s;
    }
    return t + pass->tail_s;
}

static bool start_pass(sim_state *s, sim_lane *l) {
    sim_replica *p = &s->replicas[l->replica];
    if (s->reader_count) take_delivered(s, l, p);
    else take_prompt(s, l, p);
    if (!l->count && !l->reading) return false;
    l->tokens = l->reading ? fmin(l->read.left, s->sim->chunk) : 0;
    double mean = l->count ? l->context / (double)l->count : 0,
           from = l->reading ? (double)l->read.prompt - l->read.left : 0;
    sim_pass pass = sim_pass_of(&s->passes, (double)l->count, mean, from, l->tokens);
    double end = through(s, p, &pass);
    l->busy = true;
    s->idle_lanes--;
    s->batch_s += (double)l->count * (end - s->now);
    s->pass_s += end - s->now;
    return sim_event_add(s, end, SIM_PASS_END, (uint32_t)(l - s->lanes));
}

static void end_answer(sim_state *s, sim_lane *l, size_t i) {
    sim_request r = l->running[i];
    sim_replica *p = &s->replicas[l->replica];
    l->running[i] = l->running[--l->count];
    l->context -= (double)r.prompt + r.output;
    p->context -= (double)r.prompt + r.output;
    p->requests--;
    if (!s->reader_count) sim_remember(s, l->replica, &r);
    sim_answered(s, &r);
}

static void end_pass(sim_state *s, sim_lane *l) {
    l->busy = false;
    s->idle_lanes++;
    for (size_t i = 0; i < l->count;) {
        l->context++;
        if (--l->running[i].left) i++;
        else end_answer(s, l, i);
    }
    if (l->reading && !(l->read.left -= (uint32_t)l->tokens)) {
        l->reading = false;
        l->read.first = s->now;
        begin_decoding(s, l, l->read);
    }
}

/* ---- prompts apart ---- */

/* The replica with the fewest requests, and its ports in turn. */
static uint32_t choose_replica(sim_state *s) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->replica_count; i++)
        if (s->replicas[i].requests < s->replicas[best].requests) best = i;
    s->replicas[best].requests++;
    return best;
}

static uint32_t ports_of(const sim_state *s) {
    return s->sim->spread_ports || s->sim->ports < 1 ? 1 : (uint32_t)s->sim->ports;
}

static void send_over(sim_state *s, size_t reader, double kept) {
    uint32_t slot, to = choose_replica(s), ports = ports_of(s);
    if (!sim_slot(s, &s->flying, &s->flying_capacity, &s->free_flying, &slot)) return;
    sim_reader *p = &s->readers[reader];
    double bytes = s->passes.kv_token_bytes * p->read.prompt;
    s->flying[slot] = p->read;
    s->flying[slot].session = to; /* no longer needed */
    s->flying[slot].line_at = (uint64_t)reader;
    p->read.line_at = slot; /* for its release */
    p->in_flight++;
    sim_flow f = {.left = bytes,
                  .kept = kept * bytes,
                  .source = (uint32_t)(reader / s->parts * ports + reader % s->parts % ports),
                  .sink = to * ports + s->replicas[to].next_port++ % ports,
                  .tag = slot};
    if (!sim_network_add(&s->network, s->now, &f)) s->ok = diag_oom(s->d, "transfers");
}

static bool start_reading(sim_state *s, size_t i) {
    sim_reader *p = &s->readers[i];
    double limit = s->sim->in_flight > 0 ? s->sim->in_flight : 8;
    if (p->busy || (double)p->in_flight >= limit || !sim_take(s, i / s->parts, &p->read)) return false;
    sim_look_up(s, i / s->parts, 0, &p->read);
    p->busy = true;
    double time = (double)s->parts * sim_read_s(&s->passes, p->read.hit, p->read.left);
    s->read_s += time;
    if (s->sim->chunks > 0) send_over(s, i, 1 / s->sim->chunks);
    return sim_event_add(s, s->now + time, SIM_READ_END, (uint32_t)i);
}

static void end_reading(sim_state *s, size_t i) {
    sim_reader *p = &s->readers[i];
    p->busy = false;
    if (s->sim->chunks <= 0) {
        p->read.read_end = s->now;
        send_over(s, i, 0);
        return;
    }
    uint32_t slot = (uint32_t)p->read.line_at;
    s->flying[slot].read_end = s->now;
    sim_network_release(&s->network, s->now, slot, s->passes.kv_token_bytes * p->read.prompt / s->sim->chunks);
}

static void deliver(sim_state *s, uint32_t slot) {
    sim_request r = s->flying[slot];
    sim_replica *p = &s->replicas[r.session];
    s->readers[r.line_at].in_flight--;
    s->flying[slot].left = s->free_flying;
    s->free_flying = slot + 1;
    r.first = s->now;
    r.left = r.output - 1;
    if (r.left) sim_push(s, &p->ready, &r);
    else p->requests--, sim_answered(s, &r);
}

/* ---- the loop ---- */

static void start_idle(sim_state *s) {
    for (size_t i = 0; i < s->reader_count; i++) start_reading(s, i);
    size_t idle = s->idle_lanes;
    for (size_t i = 0; i < s->lane_count && idle; i++)
        if (!s->lanes[i].busy) idle--, start_pass(s, &s->lanes[i]);
}

static bool step(sim_state *s) {
    double planned = s->event_count ? s->events[0].at : INFINITY, lands = sim_network_next(&s->network);
    uint32_t tag;
    if (!isfinite(fmin(planned, lands))) return false;
    if (lands <= planned) {
        s->now = fmax(s->now, lands);
        while (s->ok && sim_network_take(&s->network, s->now, &tag)) deliver(s, tag);
        start_idle(s);
        return s->ok;
    }
    sim_event e = take_event(s);
    s->now = e.at;
    switch ((sim_event_kind)e.kind) {
    case SIM_ARRIVAL: sim_arrive(s); break;
    case SIM_CALL: sim_send_call(s, e.index); break;
    case SIM_READ_END: end_reading(s, e.index); break;
    case SIM_PASS_END:
        end_pass(s, &s->lanes[e.index]);
        start_pass(s, &s->lanes[e.index]);
        break;
    }
    if (s->queued && (s->idle_lanes || s->reader_count)) start_idle(s);
    return s->ok;
}

/* ---- before and after ---- */

static bool in(double x, double low, double high) { return x >= low && x <= high; } /* false for NaN */

static bool lengths_are_sound(const perf_sim *p, diag *d) {
    if (!in(p->spread, 0, 2)) return diag_error(d, "spread must be 0 to 2");
    if (!in(p->load.prompt, 1, 1e7) || !in(p->load.generate, 1, 1e7))
        return diag_error(d, "prompt and generation must be 1 to 1e7 tokens");
    if (!in(p->shared_tokens, 0, 1e7) || !in(p->call_tokens, 0, 1e7))
        return diag_error(d, "shared tokens and tokens of a call must be 0 to 1e7");
    if (!in(p->calls, 0, 1e4) || !in(p->think_s, 0, 1e6))
        return diag_error(d, "calls must be 0 to 10000, the time between them 0 to 1e6 s");
    if (!in(p->hit_share, 0, 1) || (p->hit_share > 0 && p->cache))
        return diag_error(d, "a share of hits is 0 to 1, and stands instead of a cache");
    return true;
}

static bool sim_is_sound(const perf_sim *p, diag *d) {
    if (!p->requests || p->requests > 1000000000) return diag_error(d, "requests must be 1 to 1e9");
    bool loop = p->rate == 0 && in(p->concurrency, 1, SIM_QUEUE_MAX);
    if (!p->trace && !(p->rate > 0 && p->rate <= 1e9) && !loop)
        return diag_error(d,
                          "say how requests arrive: a rate per second, a number of users in a closed loop, or a trace");
    if (!in(p->trace_speed, 0, 1e6)) return diag_error(d, "a trace's speed must be 0 to 1e6");
    if (!in(p->replicas, 1, SIM_REPLICAS_MAX) || !in(p->prefill_replicas, 0, SIM_REPLICAS_MAX))
        return diag_error(d, "replicas must be 1 to %d", SIM_REPLICAS_MAX);
    if (!in(p->batch_max, 1, SIM_BATCH_MAX)) return diag_error(d, "a replica's batch must be 1 to %d", SIM_BATCH_MAX);
    if (!in(p->stages, 0, SIM_STAGES_MAX)) return diag_error(d, "stages must be 0 to %d", SIM_STAGES_MAX);
    if (p->prefill_replicas > 0 && !(p->network_bytes_per_s > 0))
        return diag_error(d, "prompts apart need a network rate");
    if (!in(p->parts, 0, 1024) || !in(p->ports, 0, 1024) || !in(p->in_flight, 0, 1e6) || !in(p->chunks, 0, 1e6) ||
        !(p->core_bytes_per_s >= 0))
        return diag_error(d, "parts, ports, transfers in flight and chunks must be numbers from 0");
    return lengths_are_sound(p, d);
}

static bool make_lanes(sim_state *s, const perf_sim *p) {
    uint32_t stages = s->passes.stages;
    s->lanes_each = (size_t)fmin(
        p->batch_max, s->passes.wafer ? 8.0 * stages : stages); /* tokens of a wafer do not wait for each other */
    s->lane_max = (size_t)ceil(p->batch_max / (double)s->lanes_each);
    s->replica_count = (size_t)p->replicas;
    s->lane_count = s->idle_lanes = s->replica_count * s->lanes_each;
    s->lanes = mem_alloc_n(s->lane_count, sizeof *s->lanes);
    s->replicas = mem_alloc_n(s->replica_count, sizeof *s->replicas);
    s->room = mem_alloc_n(s->lane_count * (s->lane_max + 1), sizeof *s->room);
    s->stage_room = mem_alloc_n(s->replica_count * stages, sizeof *s->stage_room);
    if (!s->lanes || !s->replicas || !s->room || !s->stage_room) return diag_oom(s->d, "replicas");
    for (size_t i = 0; i < s->lane_count; i++)
        s->lanes[i].running = s->room + i * (s->lane_max + 1), s->lanes[i].replica = (uint32_t)(i / s->lanes_each);
    for (size_t i = 0; i < s->replica_count; i++) s->replicas[i].stage_free = s->stage_room + i * stages;
    return true;
}

static bool make_readers(sim_state *s, const perf_sim *p) {
    if (p->prefill_replicas <= 0) return true;
    double rate = p->network_bytes_per_s * (p->spread_ports && p->ports > 1 ? p->ports : 1);
    uint32_t ports = ports_of(s);
    s->parts = p->parts >= 1 ? (size_t)p->parts : 1;
    s->reader_count = (size_t)p->prefill_replicas * s->parts;
    s->readers = mem_alloc_n(s->reader_count, sizeof *s->readers);
    return (s->readers && sim_network_init(&s->network, (uint32_t)p->prefill_replicas * ports,
                                           (uint32_t)p->replicas * ports, rate, rate, p->core_bytes_per_s)) ||
           diag_oom(s->d, "prefill replicas");
}

static bool make_caches(sim_state *s, const perf_sim *p) {
    size_t units = s->reader_count ? s->reader_count / s->parts : s->replica_count;
    if (!p->cache) return true;
    s->cache_count = p->cache == PERF_CACHE_POOL ? 1 : units;
    s->caches = mem_alloc_n(s->cache_count, sizeof *s->caches);
    s->blocks = mem_alloc_n(PERF_TRACE_BLOCKS_MAX, sizeof *s->blocks);
    if (p->cache == PERF_CACHE_REPLICA && !(s->own = mem_alloc_n(units, sizeof *s->own)))
        return diag_oom(s->d, "queues");
    if (!s->caches || !s->blocks) return diag_oom(s->d, "prefix caches");
    for (size_t i = 0; i < s->cache_count; i++)
        s->caches[i].room = s->passes.kv_room_tokens * (double)(p->cache == PERF_CACHE_POOL ? units : 1);
    return true;
}

/* The longest context that may come: the table must reach it. */
static double longest_of(const perf_sim *p) {
    if (p->trace) return p->trace->longest;
    double calls = fmax(1, p->calls),
           text = p->load.prompt + p->load.generate + (calls - 1) * (p->load.generate + p->call_tokens);
    return fmin(2e7, p->shared_tokens + text * (p->spread > 0 || calls > 1 ? 4 : 1));
}

static void free_state(sim_state *s) {
    for (size_t i = 0; s->own && i < (s->reader_count ? s->reader_count / s->parts : s->replica_count); i++)
        mem_free(s->own[i].items);
    for (size_t i = 0; s->replicas && i < s->replica_count; i++) mem_free(s->replicas[i].ready.items);
    for (size_t i = 0; s->caches && i < s->cache_count; i++) sim_cache_free(&s->caches[i]);
    sim_network_free(&s->network);
    mem_free(s->own), mem_free(s->caches), mem_free(s->blocks), mem_free(s->waiting.items), mem_free(s->calls);
    mem_free(s->flying), mem_free(s->events), mem_free(s->lanes), mem_free(s->replicas), mem_free(s->readers);
    mem_free(s->room), mem_free(s->stage_room), mem_free(s);
}

bool perf_simulate(perf_sim_report *r, const perf_shape *shape, const perf_machine *m, const perf_sim *given, diag *d) {
    perf_sim p = *given;
    *r = (perf_sim_report){0};
    if (p.chunk <= 0) p.chunk = 2048;
    if (p.load.batch <= 0) p.load.batch = 1;
    if (!sim_is_sound(&p, d)) return false;
    if (p.trace) p.load.prompt = fmax(1, p.trace->prompt_mean), p.load.generate = fmax(1, p.trace->output_mean);
    sim_state *s = mem_alloc(sizeof *s);
    if (!s) return diag_oom(d, "simulation");
    *s = (sim_state){.sim = &p, .draws = rng_seed(p.seed), .d = d, .ok = true};
    bool ok = sim_passes_make(&s->passes, shape, m, &p, longest_of(&p), d) && make_lanes(s, &p) &&
              make_readers(s, &p) && make_caches(s, &p);
    if (ok) sim_begin_arrivals(s), start_idle(s);
    while (ok && s->ok && step(s)) {}
    ok = ok && s->ok;
    if (ok) sim_report(s, r);
    free_state(s);
    return ok;
}
