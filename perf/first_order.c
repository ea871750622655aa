/* The formulas of first_order.h. Texts are in first_order_text.c. */
#include "perf/first_order.h"
#include <math.h>

enum { SIDE_STEP = 8, WAVELET_BYTES = 4, F16_BYTES = 2 };

/* One way to run: what is searched for the fastest. */
typedef struct {
    const llm_graph *g;
    const perf_machine *m;
    perf_numbers n;
    const first_order_load *load;
    bool streamed;
    double stay_bytes, systems;
    uint32_t devices; /* GPU: k */
    double side;      /* wafer: P */
} setup;

/* ---- what operators are to a machine ---- */

/* Neighbours of one group run as one kernel; 0 = always its own. Products have their own rule. */
static const unsigned char launch_group[LLM_OP_KIND_COUNT] = {
    [LLM_OP_EMBED] = 1, [LLM_OP_POSITION] = 1, [LLM_OP_SCALE] = 1, [LLM_OP_HEAD_NORM] = 2, [LLM_OP_ROPE] = 2,
    [LLM_OP_KV_STORE] = 2, [LLM_OP_RESIDUAL] = 3, [LLM_OP_NORM] = 3, [LLM_OP_SOFTCAP] = 4, [LLM_OP_ARGMAX] = 4,
};

/* Reductions over a region. */
static const unsigned char reductions[LLM_OP_KIND_COUNT] = {
    [LLM_OP_EMBED] = 1, [LLM_OP_NORM] = 1, [LLM_OP_HEAD_NORM] = 1, [LLM_OP_MATMUL] = 1, [LLM_OP_ATTENTION] = 3,
    [LLM_OP_LM_HEAD] = 1, [LLM_OP_ARGMAX] = 1,
};

/* Vectors of the residual stream, which every device of a tensor-parallel group holds whole. */
static const bool whole[LLM_OP_KIND_COUNT] = {
    [LLM_OP_EMBED] = true, [LLM_OP_POSITION] = true, [LLM_OP_SCALE] = true,
    [LLM_OP_NORM] = true,  [LLM_OP_RESIDUAL] = true,
};

/* Runs together with the operator before it: same input, same kind (q, k, v; gate, up). */
static bool joins_product(const llm_graph *g, size_t i) {
    const llm_op *op = &g->ops[i], *before = i ? &g->ops[i - 1] : NULL;
    return before && op->kind == LLM_OP_MATMUL && before->kind == LLM_OP_MATMUL && op->input[0] == before->input[0];
}

static bool launches(const llm_graph *g, size_t i) {
    unsigned group = launch_group[g->ops[i].kind];
    return !joins_product(g, i) && !(i && group && group == launch_group[g->ops[i - 1].kind]);
}

static unsigned reduction_count(const llm_graph *g, size_t i) {
    const llm_op *op = &g->ops[i];
    bool with_previous =
        joins_product(g, i) || (i && op->kind == LLM_OP_HEAD_NORM && g->ops[i - 1].kind == LLM_OP_HEAD_NORM);
    return with_previous ? 0 : reductions[op->kind];
}

/* Elements that an operator's reductions carry, in all. */
static double reduced_elems(const llm_op *op, uint64_t tokens, uint64_t pos) {
    double t = op->last_only ? 1 : (double)tokens, rows = (double)op->rows, cols = (double)op->cols;
    switch (op->kind) {
    case LLM_OP_EMBED: return t * cols;
    case LLM_OP_ATTENTION: return llm_op_scores(op, tokens, pos) + t * rows * (cols + 1);
    case LLM_OP_ARGMAX: return 2; /* the best value and where */
    default: return reductions[op->kind] ? t * rows : 0;
    }
}

/* Its partial sums lie on all devices of a tensor-parallel group. */
static bool needs_collective(const llm_graph *g, const llm_op *op) {
    if (op->kind == LLM_OP_LM_HEAD) return true;
    if (op->kind != LLM_OP_MATMUL || op->input[0] < 0) return false;
    llm_op_kind from = g->ops[op->input[0]].kind;
    return from == LLM_OP_ATTENTION || from == LLM_OP_GATE || from == LLM_OP_ACTIVATION;
}

/* ---- one pass ---- */

static double placed_bytes(const perf_machine *m, double bytes, double elems) {
    return m->weights_format == PERF_WIDENED_F16 ? elems * F16_BYTES : bytes;
}

static double width_of(const llm_graph *g) { return (double)g->ops[0].cols; } /* the embedding */

/* Between systems: see "Systems" in the header. */
static void add_crossings(const setup *s, double tokens, fo_step *out) {
    if (s->systems < 2) return;
    double vector = width_of(s->g) * LLM_ACT_BYTES;
    double time = s->systems * (s->n.crossing_latency_s + vector / s->n.crossing_bw_bytes_per_s) +
                  (tokens - 1) * vector / s->n.crossing_bw_bytes_per_s;
    out->crossing_bytes = s->systems * tokens * vector;
    out->limit_s[FO_LATENCY] += time;
    out->seconds += time;
}

static void finish(const setup *s, double weight_bytes, double links, fo_step *out) {
    out->work_s = out->seconds;
    if (s->streamed) {
        out->io_bytes = weight_bytes;
        out->limit_s[FO_IO] = weight_bytes / (s->n.io_bw_bytes_per_s * links);
        if (out->seconds < out->limit_s[FO_IO]) out->seconds = out->limit_s[FO_IO];
    }
    for (int i = 0; i < FO_LIMIT_COUNT; i++)
        if (out->limit_s[i] > out->limit_s[out->binds]) out->binds = (fo_limit)i;
}

static double max3(double a, double b, double c) { return fmax(a, fmax(b, c)); }

static double regions(const setup *s) {
    double pes = s->n.fabric_width_pes * s->n.fabric_height_pes, stages = (double)s->g->layers + 1;
    double room = s->systems * fmax(1, floor(pes / (s->side * s->side)));
    return s->streamed ? 1 : fmin(stages, room);
}

static double reduction_cycles(const setup *s) {
    const perf_numbers *n = &s->n;
    return (s->side - 1) * n->hop_cycles + (2 * n->ramp_cycles + 1) * (2 * sqrt(s->side) - 2) + /* reduce */
           s->side * n->hop_cycles + 2 * n->ramp_cycles;                                      /* broadcast */
}

static fo_step wafer_step(const setup *s, uint64_t tokens, uint64_t pos) {
    const perf_numbers *n = &s->n;
    double part = s->side * s->side / (n->fabric_width_pes * n->fabric_height_pes), r = regions(s), t = (double)tokens;
    double flops_per_s = n->flops_fp16_per_s * n->compute_efficiency * part;
    double bytes_per_s = n->mem_bw_bytes_per_s * n->memory_efficiency * part;
    double overlap = (t + r - 1) / (t * r), busy = 0, weight_bytes = 0, cycles = 0;
    fo_step out = {0};
    for (size_t i = 0; i < s->g->count; i++) {
        const llm_op *op = &s->g->ops[i];
        llm_cost c = llm_op_cost(op, tokens, pos, s->load->kv_elem_bytes);
        double w = placed_bytes(s->m, c.weight_bytes, c.weight_elems),
               reduced = reduced_elems(op, tokens, pos) * LLM_ACT_BYTES;
        double bytes = c.kv_read_bytes + c.kv_write_bytes + c.act_bytes + (s->streamed ? 0 : w);
        double compute_s = c.flops / flops_per_s, memory_s = bytes / bytes_per_s;
        double link_s = 3 * reduced / WAVELET_BYTES / s->side * n->wavelet_cycles / n->clock_hz;
        busy += max3(compute_s, memory_s, link_s);
        out.limit_s[FO_COMPUTE] += compute_s * overlap;
        out.limit_s[FO_MEMORY] += memory_s * overlap;
        out.limit_s[FO_LINK] += link_s * overlap;
        out.memory_bytes += bytes;
        out.link_bytes += 3 * reduced * (s->side - 1);
        weight_bytes += w;
        cycles += n->op_overhead_cycles + reduction_count(s->g, i) * reduction_cycles(s);
    }
    out.limit_s[FO_LATENCY] = cycles / n->clock_hz;
    out.seconds = busy * overlap + out.limit_s[FO_LATENCY];
    add_crossings(s, t, &out);
    finish(s, weight_bytes, 1, &out);
    return out;
}

static fo_step gpu_step(const setup *s, uint64_t tokens, uint64_t pos) {
    const perf_numbers *n = &s->n;
    double k = s->devices, flops_per_s = n->flops_fp16_per_s * n->compute_efficiency * k;
    double bytes_per_s = n->mem_bw_bytes_per_s * n->memory_efficiency * k, weight_bytes = 0;
    fo_step out = {0};
    for (size_t i = 0; i < s->g->count; i++) {
        const llm_op *op = &s->g->ops[i];
        llm_cost c = llm_op_cost(op, tokens, pos, s->load->kv_elem_bytes);
        double w = placed_bytes(s->m, c.weight_bytes, c.weight_elems), act = c.act_bytes * (whole[op->kind] ? k : 1);
        double bytes = c.kv_read_bytes + c.kv_write_bytes + act + w * (s->streamed ? 2 : 1);
        double compute_s = c.flops / flops_per_s, memory_s = bytes / bytes_per_s, link_s = 0, latency_s = 0;
        if (k > 1 && needs_collective(s->g, op)) {
            double moved = 2 * (k - 1) / k * (op->last_only ? 1 : (double)tokens) * width_of(s->g) * LLM_ACT_BYTES;
            link_s = moved / n->link_bw_bytes_per_s;
            latency_s = n->allreduce_latency_s;
            out.link_bytes += moved * k;
        }
        if (launches(s->g, i)) latency_s += n->kernel_overhead_s;
        out.seconds += fmax(compute_s, memory_s) + link_s + latency_s;
        out.limit_s[FO_COMPUTE] += compute_s;
        out.limit_s[FO_MEMORY] += memory_s;
        out.limit_s[FO_LINK] += link_s;
        out.limit_s[FO_LATENCY] += latency_s;
        out.memory_bytes += bytes;
        weight_bytes += w;
    }
    add_crossings(s, (double)tokens, &out);
    finish(s, weight_bytes, k, &out);
    return out;
}

/* ---- the fastest way to run a request ---- */

typedef struct {
    setup s;
    fo_step prefill, decode;
    double request_s, work_s;
} outcome;

/* Keeps the faster of what was best so far and this way to run. */
static void try_setup(outcome *best, const setup *s) {
    const first_order_load *l = s->load;
    fo_step (*step)(const setup *, uint64_t, uint64_t) = s->m->class == PERF_WAFER ? wafer_step : gpu_step;
    outcome o = {.s = *s, .prefill = step(s, l->prompt_tokens, 0)};
    o.decode = step(s, 1, l->prompt_tokens + l->generated_tokens / 2);
    /* With one generated token there is no decode, but its time is reported: let it count once. */
    double decodes = l->generated_tokens > 1 ? (double)(l->generated_tokens - 1) : 1;
    o.request_s = o.prefill.seconds + decodes * o.decode.seconds;
    o.work_s = o.prefill.work_s + decodes * o.decode.work_s;
    bool equal = o.request_s == best->request_s; /* all the same to a stream that binds: then the least work */
    if (!best->s.g || o.request_s < best->request_s || (equal && o.work_s < best->work_s)) *best = o;
}

static bool fits(const setup *s) {
    double per_pe = s->n.mem_bytes / (s->n.fabric_width_pes * s->n.fabric_height_pes);
    return s->streamed || regions(s) * s->side * s->side * per_pe >= s->stay_bytes;
}

static outcome search(setup s) {
    outcome best = {0};
    if (s.m->class != PERF_WAFER) {
        uint32_t all = (uint32_t)s.n.accelerators;
        for (s.devices = 1; s.devices < all; s.devices *= 2)
            if (s.stay_bytes <= s.systems * s.devices * s.n.mem_bytes) try_setup(&best, &s);
        s.devices = all; /* always possible, `systems` saw to it */
        try_setup(&best, &s);
        return best;
    }
    double side_max = floor(sqrt(s.n.fabric_width_pes * s.n.fabric_height_pes));
    s.devices = 1;
    for (unsigned side = SIDE_STEP; side < side_max; side += SIDE_STEP) {
        s.side = side;
        if (fits(&s)) try_setup(&best, &s);
    }
    s.side = side_max; /* the whole wafer as a square of equal area: always possible too */
    try_setup(&best, &s);
    return best;
}

/* Bytes of the largest layer, or of the head when that is larger. */
static double largest_layer_bytes(const llm_graph *g, const perf_machine *m) {
    double most = 0, sum = 0;
    for (size_t i = 0; i < g->count; i++) {
        llm_cost c = llm_op_cost(&g->ops[i], 1, 0, 0);
        if (i && g->ops[i].layer != g->ops[i - 1].layer) sum = 0;
        sum += placed_bytes(m, c.weight_bytes, c.weight_elems);
        most = fmax(most, sum);
    }
    return most;
}

static setup mode_setup(const first_order *p, const llm_graph *g, const perf_machine *m, bool streamed,
                        perf_case which) {
    setup s = {.g = g, .m = m, .n = perf_machine_numbers(m, which), .load = &p->load, .streamed = streamed};
    s.stay_bytes = p->kv_bytes + (streamed ? 2 * largest_layer_bytes(g, m) : p->weight_bytes);
    s.systems = fmax(1, ceil(s.stay_bytes / (s.n.accelerators * s.n.mem_bytes)));
    return s;
}

static fo_range range_of(double nominal, double a, double b) {
    return (fo_range){fmin(nominal, fmin(a, b)), nominal, fmax(nominal, fmax(a, b))};
}

/* A system of which only some devices work draws its idle power and their part of what work adds. */
static fo_range energy(const perf_machine *m, const setup *s, const perf_value *share, fo_range seconds) {
    double watts = m->power_watts.value * s->systems, idle = m->power_idle_share.value;
    double drawn = idle + (share->value - idle) * s->devices / m->accelerators.value;
    return range_of(watts * drawn * seconds.value, watts * idle * seconds.low, watts * seconds.high);
}

static fo_mode predict_mode(const first_order *p, const llm_graph *g, const perf_machine *m, bool streamed) {
    outcome o[3];
    for (int i = PERF_SLOW; i <= PERF_FAST; i++) o[i] = search(mode_setup(p, g, m, streamed, (perf_case)i));
    const outcome *slow = &o[PERF_SLOW], *mid = &o[PERF_NOMINAL], *fast = &o[PERF_FAST];
    fo_mode r = {.systems = mid->s.systems, .devices = mid->s.devices, .region_side_pes = (uint32_t)mid->s.side,
                 .prefill = mid->prefill, .decode = mid->decode};
    r.ttft_s = range_of(mid->prefill.seconds, fast->prefill.seconds, slow->prefill.seconds);
    r.token_s = range_of(mid->decode.seconds, fast->decode.seconds, slow->decode.seconds);
    r.request_s = range_of(mid->request_s, fast->request_s, slow->request_s);
    r.tokens_per_s = (fo_range){1 / r.token_s.high, 1 / r.token_s.value, 1 / r.token_s.low};
    r.joules_per_token = energy(m, &mid->s, &m->power_decode_share, r.token_s);
    r.joules_prompt = energy(m, &mid->s, &m->power_prefill_share, r.ttft_s);
    const perf_value *cost = &m->cost_usd_per_hour;
    double scale = r.systems * 1e6 / 3600;
    r.usd_per_mtoken = (fo_range){cost->low * scale * r.token_s.low, cost->value * scale * r.token_s.value,
                                  cost->high * scale * r.token_s.high};
    return r;
}

bool first_order_predict(const llm_graph *g, const char *model, const perf_machine *m, const first_order_load *load,
                         first_order *out, diag *d) {
    enum { TOKENS_MAX = 1 << 30 };
    *out = (first_order){.model = model, .machine = m->title, .class = m->class, .weights_format = m->weights_format,
                         .load = *load};
    if (!g->count) return diag_error(d, "%s: nothing to predict: the graph is empty", model);
    if (!load->prompt_tokens || !load->generated_tokens || load->prompt_tokens > TOKENS_MAX ||
        load->generated_tokens > TOKENS_MAX)
        return diag_error(d, "%s: prompt and generation must each be 1 to %d tokens", model, TOKENS_MAX);
    if (!(load->kv_elem_bytes > 0 && load->kv_elem_bytes <= 8))
        return diag_error(d, "%s: KV elements must have more than 0 and at most 8 bytes, not %g", model,
                          load->kv_elem_bytes);
    llm_weights w = llm_graph_weights(g);
    out->params = w.elems;
    out->weight_bytes = placed_bytes(m, w.bytes, w.elems);
    out->kv_bytes = llm_graph_kv_bytes(g, load->prompt_tokens + load->generated_tokens, load->kv_elem_bytes);
    out->resident = predict_mode(out, g, m, false);
    out->streamed = predict_mode(out, g, m, true);
    return true;
}
