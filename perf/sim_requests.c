/* Where requests come from, where they wait, and what of their prompts is cached. */
#include "perf/sim_internal.h"
#include "base/mem.h"
#include <math.h>

enum { CALLS_SPREAD = 8 };    /* a task has at most so many times the mean number of calls */
#define SHARED_KEY UINT64_MAX /* of the beginning that all prompts have */

/* ---- queues ---- */

bool sim_push(sim_state *s, sim_queue *q, const sim_request *r) {
    if (q->count == q->capacity) {
        size_t more = q->capacity ? 2 * q->capacity : 64;
        sim_request *items = more > SIM_QUEUE_MAX ? NULL : mem_alloc_n(more, sizeof *items);
        if (!items)
            return s->ok =
                       more > SIM_QUEUE_MAX
                           ? diag_error(s->d, "more than %d requests wait: the replicas cannot keep up with this rate",
                                        SIM_QUEUE_MAX)
                           : diag_oom(s->d, "queue");
        for (size_t i = 0; i < q->count; i++) items[i] = q->items[(q->head + i) % q->capacity];
        mem_free(q->items);
        *q = (sim_queue){items, 0, q->count, more};
    }
    q->items[(q->head + q->count++) % q->capacity] = *r;
    s->queued++;
    return true;
}

sim_request sim_pop(sim_state *s, sim_queue *q) {
    sim_request r = q->items[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    s->queued--;
    return r;
}

bool sim_take(sim_state *s, size_t unit, sim_request *r) {
    if (s->own && s->own[unit].count) return *r = sim_pop(s, &s->own[unit]), true;
    if (s->waiting.count) return *r = sim_pop(s, &s->waiting), true;
    return false;
}

/* A free slot of an array that grows; free ones are chained by `left`, which is 1 more than the next. */
bool sim_slot(sim_state *s, sim_request **slots, size_t *capacity, uint32_t *free, uint32_t *slot) {
    if (!*free) {
        size_t more = *capacity ? 2 * *capacity : 64;
        sim_request *grown = more > SIM_QUEUE_MAX ? NULL : mem_resize(*slots, more * sizeof *grown);
        if (!grown) return s->ok = diag_oom(s->d, "requests on their way");
        *slots = grown;
        for (size_t i = more; i-- > *capacity;) grown[i].left = *free, *free = (uint32_t)i + 1;
        *capacity = more;
    }
    *slot = *free - 1;
    *free = (*slots)[*slot].left;
    return true;
}

/* ---- arrivals ---- */

static uint32_t length(sim_state *s, double median) {
    double sigma = s->sim->spread;
    if (sigma <= 0) return (uint32_t)median;
    double u = 0;
    for (int i = 0; i < 12; i++) u += rng_f64(&s->draws); /* nearly a normal deviate, within 6 sigma */
    return (uint32_t)fmax(1, fmin(4 * median, round(median * exp(sigma * (u - 6)))));
}

static bool agents(const sim_state *s) { return s->sim->calls > 1; }

/* Geometric: every call is the last with the same probability. */
static uint32_t draw_calls(sim_state *s) {
    uint32_t n = 1;
    while (n < CALLS_SPREAD * s->sim->calls && rng_f64(&s->draws) < 1 - 1 / s->sim->calls) n++;
    return n;
}

/* What has no room in a replica's memory is refused, as a server would; its task ends. */
static void enter(sim_state *s, sim_request *r) {
    r->left = r->prompt;
    if ((double)r->prompt + r->output > s->passes.kv_room_tokens) {
        s->refused++;
        r->calls_left = 0;
        sim_next_call(s, r);
        return;
    }
    size_t units = s->reader_count ? s->reader_count / s->parts : s->replica_count;
    bool known = s->own && r->session;
    sim_push(s, known ? &s->own[(r->session >> 1) % units] : &s->waiting, r);
}

static void send(sim_state *s, double at) {
    const perf_load *l = &s->sim->load;
    sim_request r = {.arrival = at, .task_start = at, .prompt = length(s, l->prompt), .output = length(s, l->generate)};
    r.prompt += (uint32_t)s->sim->shared_tokens;
    if (agents(s)) r.calls_left = draw_calls(s) - 1, r.session = 2 * ++s->sessions + 1;
    s->sent++;
    enter(s, &r);
}

static void send_traced(sim_state *s) {
    const perf_request *t = &s->next;
    sim_request r = {.arrival = s->now,
                     .task_start = s->now,
                     .prompt = t->prompt,
                     .output = t->output,
                     .session = t->session,
                     .line_at = t->line_at,
                     .line_bytes = t->line_bytes};
    s->sent++;
    enter(s, &r);
}

static void draw_arrival(sim_state *s) {
    if (s->sent >= s->sim->requests) return;
    if (!s->from_trace) {
        s->next_arrival_s -= log(1 - rng_f64(&s->draws)) / s->sim->rate;
        sim_event_add(s, s->next_arrival_s, SIM_ARRIVAL, 0);
        return;
    }
    if (perf_trace_next(s->sim->trace, &s->next, s->d))
        sim_event_add(s, s->next.arrival_s / (s->sim->trace_speed > 0 ? s->sim->trace_speed : 1), SIM_ARRIVAL, 0);
    else if (s->sim->trace->failed) s->ok = false;
}

void sim_begin_arrivals(sim_state *s) {
    s->from_trace = s->sim->trace != NULL;
    if (s->from_trace || s->sim->rate > 0) draw_arrival(s);
    else
        for (double i = 0; i < s->sim->concurrency && s->sent < s->sim->requests; i++) send(s, 0);
}

void sim_arrive(sim_state *s) {
    if (s->sent >= s->sim->requests) return; /* agents' calls came before it */
    if (s->from_trace) send_traced(s);
    else send(s, s->now);
    draw_arrival(s);
}

/* ---- agents ---- */

static void end_task(sim_state *s, const sim_request *r) {
    const perf_sim *p = s->sim;
    if (agents(s)) s->tasks++, sim_note(&s->task, s->now - r->task_start);
    if (!p->trace && p->rate <= 0 && s->sent < p->requests) send(s, s->now);
}

/* Its text so far is the next call's beginning; a text that outgrows what was planned for is cut to that. */
void sim_next_call(sim_state *s, const sim_request *r) {
    uint32_t slot;
    if (!r->calls_left || s->sent >= s->sim->requests) {
        end_task(s, r);
        return;
    }
    if (!sim_slot(s, &s->calls, &s->call_capacity, &s->free_call, &slot)) return;
    sim_request n = *r;
    double think = s->sim->think_s > 0 ? -log(1 - rng_f64(&s->draws)) * s->sim->think_s : 0;
    double prompt = (double)r->prompt + r->output + length(s, fmax(1, s->sim->call_tokens));
    n.output = length(s, s->sim->load.generate);
    n.prompt = (uint32_t)fmax(1, fmin(prompt, s->passes.kv_room_tokens - n.output));
    n.calls_left--;
    n.arrival = s->now + think;
    n.hit = 0;
    s->calls[slot] = n;
    s->sent++;
    sim_event_add(s, n.arrival, SIM_CALL, slot);
}

void sim_send_call(sim_state *s, uint32_t slot) {
    sim_request r = s->calls[slot];
    s->calls[slot].left = s->free_call;
    s->free_call = slot + 1;
    enter(s, &r);
}

/* ---- prefix caches ---- */

static sim_cache *cache_of(sim_state *s, size_t unit) {
    return s->cache_count ? &s->caches[s->cache_count > 1 ? unit : 0] : NULL;
}

static double find_blocks(sim_state *s, sim_cache *c, const sim_request *r) {
    perf_request line = {.line_at = r->line_at, .line_bytes = r->line_bytes};
    size_t n, found = 0;
    if (!perf_trace_blocks(s->sim->trace, &line, s->blocks, PERF_TRACE_BLOCKS_MAX, &n, s->d)) return s->ok = false, 0;
    while (found < n && sim_cache_find(c, 2 * s->blocks[found] + 2) > 0) found++;
    for (size_t i = found; i < n; i++) s->ok = s->ok && sim_cache_put(c, 2 * s->blocks[i] + 2, PERF_TRACE_BLOCK);
    return (double)found * PERF_TRACE_BLOCK;
}

static double find_text(sim_state *s, sim_cache *c, const sim_request *r) {
    double found = 0, shared = s->sim->shared_tokens;
    if (shared > 0) {
        found = sim_cache_find(c, SHARED_KEY);
        s->ok = s->ok && sim_cache_put(c, SHARED_KEY, shared);
    }
    if (!r->session) return found;
    double own = sim_cache_find(c, r->session);
    s->ok = s->ok && sim_cache_put(c, r->session, fmax(0, r->prompt - shared));
    return own > 0 && found >= shared ? found + own : found;
}

void sim_look_up(sim_state *s, size_t unit, double taken, sim_request *r) {
    sim_cache *c = cache_of(s, unit);
    double found = s->sim->hit_share * r->prompt;
    if (c) {
        if (s->cache_count > 1 || s->sim->cache == PERF_CACHE_REPLICA)
            sim_cache_limit(c, s->passes.kv_room_tokens - taken);
        found = r->line_bytes ? find_blocks(s, c, r) : find_text(s, c, r);
    }
    r->hit = (uint32_t)fmin(found, r->prompt - 1.0); /* the last token is always read: its logits are wanted */
    r->left = r->prompt - r->hit;
}

void sim_remember(sim_state *s, size_t unit, const sim_request *r) {
    sim_cache *c = cache_of(s, unit);
    if (c && r->session)
        s->ok = s->ok && sim_cache_put(c, r->session, (double)r->prompt + r->output - s->sim->shared_tokens);
}
