/* See capacity.h. */
#include "perf/capacity.h"
#include <math.h>

enum { BATCH_MAX = 1 << 16 };

static bool ask_is_sound(const perf_capacity_ask *q, diag *d) {
    bool rate = q->requests_per_s > 0 && q->requests_per_s <= 1e12, power = q->megawatts > 0 && q->megawatts <= 1e9;
    if (rate == power) return diag_error(d, "say either how many requests per second, or how many megawatts");
    if (!(q->pue >= 1 && q->pue <= 10)) return diag_error(d, "PUE must be 1 to 10");
    if (!(q->usd_per_kwh >= 0 && q->usd_per_kwh <= 1000)) return diag_error(d, "electricity must be 0 to 1000 USD/kWh");
    if (!(q->utilisation > 0 && q->utilisation <= 1))
        return diag_error(d, "utilisation must be more than 0 and at most 1");
    return true;
}

static bool within(const perf_prediction *p, const perf_capacity_ask *q) {
    return (q->ttft_limit_s <= 0 || p->ttft_s.value <= q->ttft_limit_s) &&
           (q->tpot_limit_s <= 0 || p->tpot_s.value <= q->tpot_limit_s);
}

static double per_system(const perf_prediction *p) { return p->total_tok_s.value / p->setup.systems; }

/* The batch with the most tokens per second and system; what one request takes when none meets the limits. */
static bool choose(perf_prediction *best, perf_prediction *alone, const perf_shape *s, const perf_machine *m,
                   const perf_capacity_ask *q, diag *d) {
    perf_load l = q->load;
    bool any = false;
    diag *quiet = diag_new();
    if (!quiet) return diag_oom(d, "capacity");
    for (l.batch = 1; l.batch <= BATCH_MAX; l.batch *= 2)
        for (int goal = PERF_FOR_LATENCY; goal <= PERF_FOR_THROUGHPUT; goal++) {
            perf_prediction p;
            l.goal = (perf_goal)goal;
            bool first = l.batch == 1 && goal == PERF_FOR_LATENCY;
            if (!perf_predict_point(&p, s, m, &l, first ? d : quiet)) {
                if (first) return diag_free(quiet), false;
                continue;
            }
            if (first) *alone = p;
            if (within(&p, q) && (!any || per_system(&p) > per_system(best))) *best = p, any = true;
        }
    diag_free(quiet);
    return any || diag_error(d,
                             "%s on %s: no batch meets the limits; one request alone takes %.3g s to its first token "
                             "and %.3g s a token",
                             s->name, m->name, alone->ttft_s.value, alone->tpot_s.value);
}

/* The chosen unit with the facts at one end: requests per second. */
static double at_end(const perf_capacity *c, const perf_shape *s, const perf_machine *m, int ends, diag *d) {
    perf_load l = c->unit.load;
    const perf_setup *u = &c->unit.setup;
    perf_prediction p;
    l.ends = ends, l.systems = u->systems, l.wafer_side = u->side;
    if (m->class != PERF_WAFER) l.tp = u->tp, l.pp = u->pp, l.ep = u->ep, l.dp = u->dp;
    return perf_predict_point(&p, s, m, &l, d) ? p.total_tok_s.value / l.generate : c->unit_requests_per_s;
}

static void ranges(perf_capacity *c, const perf_shape *s, const perf_machine *m, const perf_capacity_ask *q, diag *d) {
    double slow = at_end(c, s, m, -1, d), fast = at_end(c, s, m, 1, d), each = c->unit.setup.systems;
    double per = c->units * q->utilisation;
    c->serve_range = (perf_range){per * slow, c->requests_per_s, per * fast};
    c->systems_range = (perf_range){c->systems, c->systems, c->systems};
    if (q->megawatts > 0) return;
    c->systems_range.low = each * ceil(q->requests_per_s / (fast * q->utilisation));
    c->systems_range.high = each * ceil(q->requests_per_s / (slow * q->utilisation));
}

bool perf_capacity_plan(perf_capacity *c, const perf_shape *s, const perf_machine *m, const perf_capacity_ask *q,
                        diag *d) {
    perf_prediction alone = {0};
    *c = (perf_capacity){0};
    if (!ask_is_sound(q, d) || !choose(&c->unit, &alone, s, m, q, d)) return false;
    double systems = c->unit.setup.systems,
           watts = m->power_watts.given ? systems * m->power_watts.value : 0; /* planned for the most that they draw */
    c->unit_requests_per_s = c->unit.total_tok_s.value / q->load.generate;
    if (q->megawatts > 0 && watts <= 0)
        return diag_error(d, "%s: power_watts is absent: no source gives it; see --set", m->name);
    c->units = q->megawatts > 0 ? floor(q->megawatts * 1e6 / (watts * q->pue))
                                : ceil(q->requests_per_s / (c->unit_requests_per_s * q->utilisation));
    if (c->units < 1)
        return diag_error(d, "%g MW do not feed one unit of %.0f systems (%.3g MW)", q->megawatts, systems,
                          watts * q->pue / 1e6);
    c->systems = c->units * systems;
    c->requests_per_s = c->units * c->unit_requests_per_s * q->utilisation;
    c->tokens_per_s = c->requests_per_s * q->load.generate;
    c->megawatts = c->units * watts * q->pue / 1e6;
    double busy = q->utilisation * c->unit.watts.value, idle = (1 - q->utilisation) * watts * m->power_idle_share.value;
    c->mean_megawatts = watts > 0 ? c->units * (busy + idle) * q->pue / 1e6 : 0;
    c->joules_per_token = c->mean_megawatts * 1e6 / c->tokens_per_s;
    c->electricity_usd_per_hour = c->mean_megawatts * 1e3 * q->usd_per_kwh;
    c->electricity_usd_per_mtok = c->electricity_usd_per_hour / 3600 / c->tokens_per_s * 1e6;
    c->price_usd = m->price_usd.given ? c->systems * m->price_usd.value : 0;
    c->usd_per_hour = m->cost_usd_per_hour.given ? c->systems * m->cost_usd_per_hour.value : 0;
    c->usd_per_mtok = c->usd_per_hour / 3600 / c->tokens_per_s * 1e6;
    ranges(c, s, m, q, d);
    return true;
}
