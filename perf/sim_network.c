/* See sim_network.h. */
#include "perf/sim_network.h"
#include "base/mem.h"
#include <math.h>

/* Bytes that rounding of the time may leave of a flow. */
static double slack(const sim_network *n, const sim_flow *f) { return 1 + f->rate * n->now * 4e-16; }

bool sim_network_init(sim_network *n, uint32_t sources, uint32_t sinks, double source_rate, double sink_rate,
                      double core_rate) {
    *n = (sim_network){.port_rate = {source_rate, sink_rate}, .core_rate = core_rate, .ports = {sources, sinks}};
    for (int i = 0; i < 2; i++)
        if (!(n->moving_at[i] = mem_alloc_n(n->ports[i], sizeof *n->moving_at[i]))) return false;
    return true;
}

void sim_network_free(sim_network *n) {
    mem_free(n->moving_at[0]), mem_free(n->moving_at[1]), mem_free(n->flows);
    *n = (sim_network){0};
}

static uint32_t port(const sim_flow *f, int side) { return side ? f->sink : f->source; }

static void advance(sim_network *n, double now) {
    double dt = now - n->now;
    if (dt > 0)
        for (size_t i = 0; i < n->count; i++) {
            sim_flow *f = &n->flows[i];
            if (!f->moving) continue;
            f->left -= f->rate * dt;
            n->bytes += f->rate * dt;
            for (int side = 0; side < 2; side++) n->busy_port_s[side] += f->rate / n->port_rate[side] * dt;
        }
    n->now = now;
}

static void share(sim_network *n) {
    for (size_t i = 0; i < n->count; i++) {
        sim_flow *f = &n->flows[i];
        if (!f->moving) continue;
        f->rate = fmin(n->port_rate[0] / n->moving_at[0][f->source], n->port_rate[1] / n->moving_at[1][f->sink]);
        if (n->core_rate > 0) f->rate = fmin(f->rate, n->core_rate / (double)n->moving);
    }
}

static void move(sim_network *n, sim_flow *f, bool moving) {
    if (f->moving == moving) return;
    f->moving = moving;
    for (int side = 0; side < 2; side++) n->moving_at[side][port(f, side)] += moving ? 1 : (uint32_t)-1;
    n->moving += moving ? 1 : (size_t)-1;
}

bool sim_network_add(sim_network *n, double now, const sim_flow *f) {
    if (n->count == n->capacity) {
        size_t capacity = n->capacity ? 2 * n->capacity : 64;
        sim_flow *more = mem_resize(n->flows, capacity * sizeof *more);
        if (!more) return false;
        n->flows = more, n->capacity = capacity;
    }
    advance(n, now);
    sim_flow *to = &n->flows[n->count++];
    *to = *f;
    to->moving = false;
    move(n, to, to->left > to->kept);
    share(n);
    return true;
}

void sim_network_release(sim_network *n, double now, uint32_t tag, double last) {
    advance(n, now);
    for (size_t i = 0; i < n->count; i++) {
        sim_flow *f = &n->flows[i];
        if (f->tag != tag) continue;
        f->kept = 0;
        f->left = fmax(f->left, last);
        move(n, f, true);
    }
    share(n);
}

double sim_network_next(const sim_network *n) {
    double at = INFINITY;
    for (size_t i = 0; i < n->count; i++)
        if (n->flows[i].moving) at = fmin(at, n->now + fmax(0, n->flows[i].left - n->flows[i].kept) / n->flows[i].rate);
    return at;
}

bool sim_network_take(sim_network *n, double now, uint32_t *tag) {
    advance(n, now);
    for (size_t i = 0; i < n->count; i++) {
        sim_flow *f = &n->flows[i];
        if (!f->moving || f->left > f->kept + slack(n, f)) continue;
        move(n, f, false);
        bool ended = f->kept <= 0;
        *tag = f->tag;
        if (ended) *f = n->flows[--n->count];
        share(n);
        if (ended) return true;
    }
    return false;
}
