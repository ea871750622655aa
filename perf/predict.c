/* The search for the way to run, and the totals. Formulas: docs/predict.md. */
#include "perf/predict_internal.h"
#include <math.h>

enum { SIDE_STEP = 8, SIDE_STEP_MIDDLE = 32, SIDE_STEP_COARSE = 128, SYSTEMS_MAX = 100000 };

/* ---- what is asked ---- */

static bool positive(double x) { return x > 0 && x <= 1e12; } /* false for NaN */

static bool load_is_sound(const perf_load *l, const perf_shape *s, diag *d) {
    if (!positive(l->prompt) || !positive(l->generate) || l->prompt < 1 || l->generate < 1)
        return diag_error(d, "%s: prompt and generation must each be at least 1 token", s->name);
    if (!(l->batch >= 1 && l->batch <= 1e7) || !(l->prompt_batch >= 1 && l->prompt_batch <= 1e6))
        return diag_error(d, "%s: batch and prompt batch must be at least 1", s->name);
    if (l->draft_tokens != 0 && !(l->draft_tokens > 0 && l->draft_tokens <= 64 && l->accepted >= 0 && l->accepted < 1 &&
                                  l->draft_cost >= 0 && l->draft_cost <= 1))
        return diag_error(d, "speculation: 1 to 64 drafted tokens, a share accepted in 0 .. 1 and a cost in 0 .. 1");
    if (l->pp > s->layers) return diag_error(d, "%s has %u layers: %u stages are more", s->name, s->layers, l->pp);
    if (!(l->systems >= 0 && l->systems <= SYSTEMS_MAX)) return diag_error(d, "systems must be 0 to %d", SYSTEMS_MAX);
    if (s->context && l->prompt + l->generate > s->context)
        diag_warn(d, "%s was made for %u tokens of context; %.0f are asked for", s->name, s->context,
                  l->prompt + l->generate);
    return true;
}

/* Values without which there is no answer; the rest only narrows it. */
static bool machine_is_known(const perf_machine *m, const perf_load *l, diag *d) {
    static const char *const needed[] = {"accelerators",       "flops_fp16_per_s",   "mem_bytes",
                                         "mem_bw_bytes_per_s", "compute_efficiency", "memory_efficiency"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const perf_row *row = perf_machine_row_named(needed[i]);
        if (!perf_machine_value(m, row)->given)
            return diag_error(d, "%s: %s (%s) is absent: no source gives it; assume one with --set %s=...", m->name,
                              row->name, row->what, row->name);
    }
    if (l->streamed && !m->io_bw_bytes_per_s.given)
        return diag_error(d, "%s: io_bw_bytes_per_s is absent, weights cannot be streamed; see --set", m->name);
    return true;
}

static perf_rate rate_on(const perf_machine *m, perf_rate r) {
    bool has8 = m->flops_fp8_per_s.given, has4 = m->flops_fp4_per_s.given;
    if (r == PERF_RATE_4 && !has4) r = PERF_RATE_4_16;
    if ((r == PERF_RATE_8 || r == PERF_RATE_8_BLOCK) && !has8) r = PERF_RATE_16;
    return r;
}

/* ---- memory ---- */

static double expert_share(const perf_shape *s) {
    double per = (s->gated ? 3.0 : 2.0) * s->width * s->expert_width;
    return s->moe_layers * s->experts * per / perf_shape_params(s);
}

static double weight_bytes(const perf_way *w) {
    double share = expert_share(w->s), all = perf_shape_params(w->s);
    return all * (share * w->weight_bits + (1 - share) * w->dense_bits) / 8;
}

static double kv_bytes(const perf_way *w) {
    double context = w->load->prompt + w->load->generate;
    double tokens = w->load->window ? fmin(context, w->load->window) : perf_shape_kv_tokens(w->s, context);
    return w->load->batch * tokens * perf_shape_kv_elems(w->s) * w->kv_bits / 8;
}

static perf_way way_of(const perf_prediction *p, perf_case which) {
    const perf_format *f = p->load.weights;
    perf_way w = {.s = p->shape,
                  .m = p->machine,
                  .n = perf_machine_numbers(p->machine, which),
                  .load = &p->load,
                  .set = p->setup};
    if (!f && p->shape->format) f = perf_format_named(p->shape->format);
    w.weight_bits = f ? f->bits : p->shape->weight_bits;
    w.rate = rate_on(p->machine, f ? f->rate : PERF_RATE_16);
    w.dense_bits = w.weight_bits;
    bool experts_only = f && f->rate == PERF_RATE_4_16 && p->shape->moe_layers; /* as gpt-oss is published */
    if (experts_only) w.dense_bits = 16;
    w.kv_bits = p->load.kv ? p->load.kv->bits : 16;
    if (p->machine->weights_format == PERF_WIDENED_F16) w.weight_bits = w.dense_bits = w.kv_bits = 16;
    w.weights_b = weight_bytes(&w), w.kv_b = kv_bytes(&w);
    return w;
}

/* What must stay: weights and KV, or KV and two layers that stream. */
static double stay_bytes(const perf_way *w) {
    double weights = w->weights_b;
    return w->kv_b + (w->load->streamed ? 2 * weights / w->s->layers : weights);
}

static double device_room(const perf_way *w) {
    return w->n.mem_bytes * (w->m->class == PERF_WAFER ? 1 : PERF_USABLE_SHARE);
}

/* Of one device of a replica: K and V are held by every device beyond the number of their heads. */
static bool fits_device(const perf_way *w) {
    double parts = (double)w->set.tp * w->set.pp, split = w->s->kv_lora ? 1 : fmin(w->set.tp, w->s->kv_heads);
    double weights = w->load->streamed ? 2 * w->weights_b / w->s->layers : w->weights_b;
    return weights / parts + w->kv_b / w->set.dp / split / w->set.pp <= device_room(w);
}

/* ---- running one way ---- */

typedef struct {
    perf_phase prefill, decode;
    double ttft_s, step_s, tpot_s, request_s, total_tok_s;
} outcome;

static double tokens_per_pass(const perf_load *l) {
    if (l->draft_tokens <= 0) return 1;
    return (1 - pow(l->accepted, l->draft_tokens + 1)) /
           (1 - l->accepted); /* drafted ones until the first refusal, plus one */
}

typedef void pass_function(const perf_way *, double, double, double, perf_phase *);

static pass_function *pass_of(const perf_way *w) {
    return w->m->class == PERF_WAFER ? perf_wafer_pass : perf_device_pass;
}

static double prompts_at_once(const perf_load *l) { return fmin(l->prompt_batch, l->batch); }

static void run_decode(const perf_way *w, outcome *o) {
    const perf_load *l = w->load;
    bool wafer = w->m->class == PERF_WAFER;
    double replica = fmax(1, ceil(l->batch / w->set.dp)), stages = wafer ? 1 : w->set.pp;
    double micro = fmax(1, ceil(replica / stages)), at = l->prompt + floor(l->generate / 2);
    double checked = 1 + l->draft_tokens; /* tokens that a pass of speculation verifies */
    pass_of(w)(w, micro * (wafer ? 1 : checked), 1, at, &o->decode);
    double draft = l->draft_tokens * l->draft_cost * o->decode.seconds;
    o->step_s = o->decode.seconds + draft;
    o->tpot_s = o->step_s / tokens_per_pass(l);
}

static void run_prefill(const perf_way *w, outcome *o) {
    const perf_load *l = w->load;
    bool wafer = w->m->class == PERF_WAFER;
    double replica = fmax(1, ceil(l->batch / w->set.dp));
    pass_of(w)(w, prompts_at_once(l), l->prompt, 0, &o->prefill);
    o->ttft_s = o->prefill.seconds;
    double rest = fmax(1, l->generate - 1); /* with one token there is none to wait for, but its time is asked for */
    o->request_s = o->ttft_s + rest * o->tpot_s;
    double rounds = ceil(replica / prompts_at_once(l));
    double prompts_s = wafer ? o->prefill.seconds + (rounds - 1) * o->prefill.period_s : rounds * o->prefill.period_s;
    o->total_tok_s = l->batch * l->generate / (prompts_s + l->generate * o->tpot_s);
}

static void run(const perf_way *w, outcome *o) {
    run_decode(w, o);
    run_prefill(w, o);
}

static bool better(const perf_load *l, const outcome *a, const outcome *b) {
    return l->goal == PERF_FOR_THROUGHPUT ? a->total_tok_s > b->total_tok_s : a->request_s < b->request_s;
}

/* With prompts that take no time: when not even then, they need not be looked at. */
static bool may_be_better(const perf_load *l, const outcome *a, const outcome *b) {
    double rest = fmax(1, l->generate - 1);
    return l->goal == PERF_FOR_THROUGHPUT ? l->batch / a->tpot_s > b->total_tok_s : rest * a->tpot_s < b->request_s;
}

typedef struct {
    bool any;
    perf_setup set;
    outcome best;
} choice;

static void offer(choice *c, const perf_way *w) {
    outcome o;
    run_decode(w, &o);
    if (c->any && !may_be_better(w->load, &o, &c->best)) return;
    run_prefill(w, &o);
    if (c->any && !better(w->load, &o, &c->best)) return;
    c->any = true;
    c->set = w->set;
    c->best.request_s = o.request_s, c->best.total_tok_s = o.total_tok_s; /* the rest is run again for the best */
}

/* ---- devices: tensor x pipeline x expert x data ---- */

static void offer_devices(choice *c, perf_way *w, double devices) {
    const perf_load *l = w->load;
    double replicas = floor(devices / ((double)w->set.tp * w->set.pp));
    if (replicas < 1) return;
    w->set.dp = l->dp ? l->dp : (uint32_t)fmin(replicas, l->batch);
    if (w->set.dp > replicas || !fits_device(w)) return;
    w->set.ep = l->ep ? l->ep : 1;
    if (w->set.ep > w->set.tp) return;
    offer(c, w);
    if (l->ep || !w->s->moe_layers || w->set.tp == 1 || w->set.tp > w->s->experts) return;
    w->set.ep = w->set.tp;
    offer(c, w);
}

static bool links_known(const perf_machine *m) { return m->link_bw_bytes_per_s.given && m->allreduce_latency_s.given; }

static void search_devices(choice *c, perf_way w, double systems) {
    double each = w.n.accelerators, all = systems * each;
    uint32_t tp_max = links_known(w.m) ? (uint32_t)fmin(each, w.s->heads) : 1;
    for (uint32_t tp = w.load->tp ? w.load->tp : 1; tp <= tp_max;
         tp = tp * 2 > tp_max && tp < tp_max ? tp_max : tp * 2) {
        double most = fmin(w.s->layers, systems * floor(each / tp)); /* stages */
        for (uint32_t pp = w.load->pp ? w.load->pp : 1; pp <= most; pp *= 2) {
            w.set = (perf_setup){.systems = systems, .tp = tp, .pp = pp};
            offer_devices(c, &w, all);
            /* One request at a time finds the same work in more stages, and boundaries between them. */
            bool alone = w.load->goal == PERF_FOR_LATENCY && w.load->batch <= w.set.dp && fits_device(&w);
            if (w.load->pp || alone) break;
        }
        w.set = (perf_setup){.systems = systems, .tp = tp, .pp = (uint32_t)most};
        if (!w.load->pp && systems > 1) offer_devices(c, &w, all); /* stages need be no power of two */
        if (w.load->tp) break;
    }
}

static bool crossings_known(const perf_machine *m) {
    return m->crossing_bw_bytes_per_s.given && m->crossing_latency_s.given;
}

static bool choose_devices(choice *c, const perf_way *w, diag *d) {
    double need = ceil(stay_bytes(w) / (w->n.accelerators * device_room(w)));
    double systems = w->load->systems > 0 ? w->load->systems : fmax(1, need);
    double most = w->load->systems > 0 ? systems : 4 * systems + 4; /* K and V may be held more than once */
    for (; !c->any && systems <= most; systems++) {
        if (systems > 1 && !crossings_known(w->m)) break;
        search_devices(c, *w, systems);
    }
    if (c->any) return true;
    return diag_error(d, "%s on %s: %.4g GB of weights and KV do not fit %s (%.4g GB usable in each)%s", w->s->name,
                      w->m->name, stay_bytes(w) / 1e9, w->load->systems > 0 ? "the systems given" : "this way",
                      w->n.accelerators * device_room(w) / 1e9,
                      crossings_known(w->m) ? "" : "; between its systems no rate is known: see --set");
}

/* ---- wafers: the side of a layer's region ---- */

static bool fits_wafer(const perf_way *w) {
    double per_pe = w->n.mem_bytes / (w->n.fabric_width_pes * w->n.fabric_height_pes);
    return w->load->streamed || perf_wafer_regions(w) * w->set.side * w->set.side * per_pe >= stay_bytes(w);
}

static void try_sides(choice *c, perf_way *w, double from, double to, double step) {
    for (double side = from; side < to; side += step) {
        w->set.side = side;
        if (side >= SIDE_STEP && fits_wafer(w)) offer(c, w);
    }
}

static bool choose_wafers(choice *c, perf_way w, diag *d) {
    double need = fmax(1, ceil(stay_bytes(&w) / w.n.mem_bytes)),
           most = floor(sqrt(w.n.fabric_width_pes * w.n.fabric_height_pes));
    double systems = w.load->systems > 0 ? w.load->systems : need;
    if (systems < need)
        return diag_error(d, "%s on %s: %.4g GB of weights and KV need %.0f wafers, not %.0f", w.s->name, w.m->name,
                          stay_bytes(&w) / 1e9, need, systems);
    w.set = (perf_setup){.systems = systems, .tp = 1, .pp = 1, .ep = 1, .dp = 1};
    if (w.load->wafer_side > 0) {
        w.set.side = fmin(w.load->wafer_side, most);
        offer(c, &w);
        return true;
    }
    w.set.side = most; /* the whole wafer as a square of equal area: always possible */
    offer(c, &w);
    static const double steps[] = {SIDE_STEP_COARSE, SIDE_STEP_MIDDLE, SIDE_STEP};
    try_sides(c, &w, steps[0], most, steps[0]);
    for (int i = 1; i < 3; i++) { /* nearer and nearer to the best so far */
        double near = c->set.side, reach = steps[i - 1] - steps[i];
        try_sides(c, &w, fmax(SIDE_STEP, near - reach), fmin(most, near + reach + 1), steps[i]);
    }
    return true;
}

/* ---- totals ---- */

static double memory_share(const perf_way *w) {
    double room = w->set.systems * w->n.accelerators * w->n.mem_bytes, weights = stay_bytes(w) - w->kv_b;
    return (w->kv_b + weights * (w->m->class == PERF_WAFER ? 1 : w->set.dp)) / room;
}

/* Dynamic energy by cause from events; what the systems draw beyond it is idle power, leakage, host, fans. */
static void energy(const perf_way *w, const perf_value *share, double devices_at_work, perf_phase *f) {
    const perf_machine *m = w->m;
    if (!m->power_watts.given || !share->given) return;
    double idle = m->power_idle_share.value, part = fmin(1, devices_at_work / (w->set.systems * w->n.accelerators));
    double watts = m->power_watts.value * w->set.systems * (idle + (share->value - idle) * part);
    double io = f->io_bytes + f->crossing_bytes;
    f->joules[PERF_J_COMPUTE] = 1e-12 * f->flops * m->energy_flop_pj.value;
    f->joules[PERF_J_MEMORY] = 8e-12 * f->memory_bytes * m->energy_mem_pj_per_bit.value;
    f->joules[PERF_J_LINK] = 8e-12 * f->link_bytes * m->energy_link_pj_per_bit.value;
    f->joules[PERF_J_IO] = 8e-12 * io * m->energy_io_pj_per_bit.value;
    double sum = 0, total = watts * f->seconds;
    for (int c = 0; c < PERF_J_REST; c++) sum += f->joules[c];
    f->joules[PERF_J_REST] = fmax(0, total - sum);
}

static double sum_joules(const perf_phase *f) {
    double sum = 0;
    for (int c = 0; c < PERF_CAUSES; c++) sum += f->joules[c];
    return sum;
}

static perf_range range_of(double value, double a, double b) {
    return (perf_range){fmin(value, fmin(a, b)), value, fmax(value, fmax(a, b))};
}

static fact_kind weaker(fact_kind a, fact_kind b) {
    static const int order[FACT_KINDS] = {
        [FACT_MEASURED] = 0, [FACT_SPEC] = 1, [FACT_DERIVED] = 2, [FACT_CLAIM] = 3, [FACT_ESTIMATE] = 4};
    return order[a] > order[b] ? a : b;
}

static fact_kind weakest(const perf_machine *m, perf_limit l) {
    fact_kind k = FACT_MEASURED;
    for (const char *const *v = perf_limit_values(l, m->class); *v; v++) {
        const perf_value *x = perf_machine_value(m, perf_machine_row_named(*v));
        if (x->given) k = weaker(k, x->kind);
    }
    return k;
}

static void totals(perf_prediction *p, const perf_way *w, const outcome *mid, const outcome *slow,
                   const outcome *fast) {
    const perf_machine *m = p->machine;
    double streams = p->load.batch,
           devices = m->class == PERF_WAFER ? w->set.systems : (double)w->set.tp * w->set.pp * w->set.dp;
    p->prefill = mid->prefill;
    p->decode = mid->decode;
    energy(w, &m->power_prefill_share, devices, &p->prefill);
    energy(w, &m->power_decode_share, devices, &p->decode);
    p->ttft_s = range_of(mid->ttft_s, slow->ttft_s, fast->ttft_s);
    p->tpot_s = range_of(mid->tpot_s, slow->tpot_s, fast->tpot_s);
    p->request_s = range_of(mid->request_s, slow->request_s, fast->request_s);
    p->user_tok_s = range_of(1 / mid->tpot_s, 1 / slow->tpot_s, 1 / fast->tpot_s);
    p->decode_tok_s = range_of(streams / mid->tpot_s, streams / slow->tpot_s, streams / fast->tpot_s);
    p->total_tok_s = range_of(mid->total_tok_s, slow->total_tok_s, fast->total_tok_s);
    double joules = sum_joules(&p->decode), watts = p->decode.seconds > 0 ? joules / p->decode.seconds : 0;
    p->watts = range_of(watts, watts > 0 ? m->power_watts.value * m->power_idle_share.value * w->set.systems : 0,
                        watts > 0 ? m->power_watts.high * w->set.systems : 0);
    p->joules_per_token = (perf_range){p->watts.low / p->decode_tok_s.high, watts / p->decode_tok_s.value,
                                       p->watts.high / p->decode_tok_s.low};
    const perf_value *cost = &m->cost_usd_per_hour;
    double per = w->set.systems * 1e6 / 3600;
    p->usd_per_mtok = (perf_range){cost->low * per / p->total_tok_s.high, cost->value * per / p->total_tok_s.value,
                                   cost->high * per / p->total_tok_s.low};
    p->weakest = weakest(m, p->decode.binds);
}

static bool predict(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_load *load, bool ranges,
                    diag *d) {
    *p = (perf_prediction){.shape = s, .machine = m, .load = *load};
    if (p->load.batch == 0) p->load.batch = 1;
    if (p->load.prompt_batch == 0) p->load.prompt_batch = 1;
    if (!load_is_sound(&p->load, s, d) || !machine_is_known(m, &p->load, d)) return false;
    perf_op_list lists[2]; /* filled when they are asked for */
    lists[0].count = lists[1].count = 0;
    perf_way w = way_of(p, load->ends < 0 ? PERF_SLOW : load->ends > 0 ? PERF_FAST : PERF_NOMINAL);
    choice c;
    c.any = false;
    w.lists = lists, w.brief = true;
    if (!(m->class == PERF_WAFER ? choose_wafers(&c, w, d) : choose_devices(&c, &w, d))) return false;
    p->setup = w.set = c.set;
    w.brief = false;
    run(&w, &c.best);
    p->weight_bytes = w.weights_b;
    p->kv_bytes = w.kv_b;
    p->memory_share = memory_share(&w);
    if (!ranges) {
        totals(p, &w, &c.best, &c.best, &c.best);
        return true;
    }
    outcome slow, fast;
    perf_way ws = way_of(p, PERF_SLOW), wf = way_of(p, PERF_FAST);
    ws.lists = wf.lists = lists, ws.brief = wf.brief = true;
    lists[0].count = lists[1].count = 0;
    run(&ws, &slow);
    lists[0].count = lists[1].count = 0;
    run(&wf, &fast);
    totals(p, &w, &c.best, &slow, &fast);
    return true;
}

bool perf_predict(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_load *load, diag *d) {
    return predict(p, s, m, load, true, d);
}

bool perf_predict_point(perf_prediction *p, const perf_shape *s, const perf_machine *m, const perf_load *load,
                        diag *d) {
    return predict(p, s, m, load, false, d);
}
