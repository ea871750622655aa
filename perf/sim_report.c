/* What a simulation counts, and the report made of it. */
#include "perf/sim_internal.h"
#include <math.h>

#define BIN_LOW_S 1e-7 /* 1 % bins from here: 4096 of them reach past 1e10 s */

void sim_note(sim_histogram *h, double x) {
    double at = x > BIN_LOW_S ? log(x / BIN_LOW_S) / log(1.01) : 0;
    h->bins[at < SIM_BINS - 1 ? (size_t)at : SIM_BINS - 1]++;
    h->count++;
    h->sum += x;
}

static double percentile(const sim_histogram *h, double share) {
    uint64_t want = (uint64_t)ceil(share * (double)h->count), seen = 0;
    for (size_t i = 0; i < SIM_BINS; i++)
        if ((seen += h->bins[i]) >= want && h->count) return BIN_LOW_S * pow(1.01, (double)i + 0.5);
    return 0;
}

static perf_percentiles percentiles(const sim_histogram *h) {
    return (perf_percentiles){percentile(h, 0.5), percentile(h, 0.9), percentile(h, 0.99),
                              h->count ? h->sum / (double)h->count : 0};
}

void sim_answered(sim_state *s, const sim_request *r) {
    double tpot = r->output > 1 ? (s->now - r->first) / (r->output - 1) : 0, ttft = r->first - r->arrival;
    const perf_sim *p = s->sim;
    sim_note(&s->ttft, ttft);
    if (r->output > 1) sim_note(&s->tpot, tpot);
    sim_note(&s->e2e, s->now - r->arrival);
    s->met += (p->ttft_limit_s <= 0 || ttft <= p->ttft_limit_s) && (p->tpot_limit_s <= 0 || tpot <= p->tpot_limit_s);
    s->ttft_sum += ttft;
    if (s->reader_count) s->network_sum += r->first - r->read_end;
    s->prompt_sum += r->prompt, s->hit_sum += r->hit;
    s->done++;
    s->tokens += r->output;
    sim_next_call(s, r);
}

void sim_report(const sim_state *s, perf_sim_report *r) {
    double t = fmax(s->now, 1e-12);
    *r = (perf_sim_report){.requests = s->done,
                           .met = s->met,
                           .refused = s->refused,
                           .tasks = s->tasks,
                           .seconds = s->now,
                           .requests_per_s = (double)s->done / t,
                           .tokens_per_s = (double)s->tokens / t,
                           .goodput_per_s = (double)s->met / t,
                           .tp = s->passes.tp,
                           .pp = s->passes.pp,
                           .stages = s->passes.stages,
                           .systems = s->passes.systems,
                           .weakest = s->passes.weakest,
                           .kv_room_tokens = s->passes.kv_room_tokens};
    r->busy_share = s->replica_count ? s->busy_s / t / (double)s->replica_count / s->passes.stages : 0;
    r->mean_batch = s->replica_count ? s->batch_s / t / (double)s->replica_count : 0;
    r->reader_share = s->reader_count ? s->read_s / t / (double)s->reader_count : 0;
    for (int i = 0; i < 2; i++)
        if (s->network.ports[i])
            r->network_share = fmax(r->network_share, s->network.busy_port_s[i] / t / s->network.ports[i]);
    r->network_ttft_share = s->ttft_sum > 0 ? s->network_sum / s->ttft_sum : 0;
    r->hit_share = s->prompt_sum > 0 ? s->hit_sum / s->prompt_sum : 0;
    r->stage_wait_share = s->pass_s > 0 ? s->wait_s / s->pass_s : 0;
    r->ttft_s = percentiles(&s->ttft), r->tpot_s = percentiles(&s->tpot);
    r->e2e_s = percentiles(&s->e2e), r->task_s = percentiles(&s->task);
}
