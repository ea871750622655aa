#include "cli/run_report.h"
#include "base/units.h"
#include "cli/wafer_report.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

const char *const report_machines[REPORT_MACHINES] = {"cs3", "dgx-b200"};

static uint64_t peak_rss_bytes(void) {
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (uint64_t)u.ru_maxrss * 1024 : 0;
}

static bool predict(run_report *r, arena *a, diag *d) {
    double generated = r->g->tokens.count ? (double)r->g->tokens.count : 1;
    perf_load load = {.prompt = fmax(1, (double)r->g->prompt_tokens), .generate = generated}, streamed = load;
    streamed.streamed = true;
    if (!perf_shape_of(&r->shape, a, r->s->model, d)) return false;
    for (int i = 0; i < REPORT_MACHINES; i++) {
        perf_machine *m = &r->machines[i];
        if (!perf_machine_load(m, a, report_machines[i], d) || !perf_predict(&r->resident[i], &r->shape, m, &load, d) ||
            !perf_predict(&r->streamed[i], &r->shape, m, &streamed, d))
            return false;
    }
    return true;
}

bool run_report_make(run_report *r, arena *a, session *s, const generation *g, diag *d) {
    r->s = s;
    r->g = g;
    r->peak_rss_bytes = peak_rss_bytes(); /* before the probe, which has buffers of its own */
    r->store_bytes = atomic_load(&s->store->bytes_read);
    if (s->native) {
        r->stats = native_get_stats(s->native);
        r->profile = *native_get_profile(s->native);
        native_judge(s->native, &r->verdict);
    }
    return predict(r, a, d);
}

/* ---- sums ---- */

static native_cost sum_of(const native_cost steps[STEP_COUNT]) {
    native_cost t = {0};
    for (int i = 0; i < STEP_COUNT; i++) {
        t.seconds += steps[i].seconds;
        t.weight_bytes += steps[i].weight_bytes;
        t.kv_bytes += steps[i].kv_bytes;
        t.activation_bytes += steps[i].activation_bytes;
        t.flops += steps[i].flops;
    }
    return t;
}

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

typedef struct {
    double memory, compute, other; /* shares of the time in the engine */
} shares;

static shares shares_of(const native_verdict *v) {
    double total = v->prompt.total_s + v->decode.total_s;
    return (shares){ratio(v->prompt.memory_s + v->decode.memory_s, total),
                    ratio(v->prompt.compute_s + v->decode.compute_s, total),
                    ratio(v->prompt.other_s + v->decode.other_s, total)};
}

/* What a token of this phase takes, against what reading its bytes at the measured rate would take. */
static double share_of_read_limit(const run_report *r) {
    native_cost t = sum_of(r->profile.decode);
    return ratio(ratio(t.weight_bytes + t.kv_bytes, r->verdict.read_bytes_per_s), t.seconds);
}

static void weight_types(const llm_model *m, strbuf *out) {
    const dtype_info *seen[DTYPE_COUNT] = {0};
    int count = 0;
    for (size_t i = 0; i < m->tensor_count; i++) {
        const llm_tensor *t = &m->tensors[i];
        bool known = t->rows == 1;
        for (int k = 0; k < count; k++) known = known || seen[k] == t->type;
        if (!known && count < DTYPE_COUNT) seen[count++] = t->type;
    }
    for (int k = 0; k < count; k++) strbuf_addf(out, "%s%s", k ? ", " : "", seen[k]->name);
}

/* ---- text ---- */

static void phase_line(strbuf *out, const char *name, const native_cost steps[STEP_COUNT], uint64_t tokens) {
    if (tokens == 0) return;
    native_cost t = sum_of(steps);
    double n = (double)tokens, moved = t.weight_bytes + t.kv_bytes + t.activation_bytes;
    strbuf_addf(out, "  %-10s weights %s, KV %s, activations %s; %s; %.1f FLOP per byte\n", name,
                units_bytes(t.weight_bytes / n).text, units_bytes(t.kv_bytes / n).text,
                units_bytes(t.activation_bytes / n).text, units_si(t.flops / n, "FLOP").text, ratio(t.flops, moved));
}

static void host_text(const run_report *r, strbuf *out) {
    const generation *g = r->g;
    const session *s = r->s;
    double decoded = g->tokens.count > 1 ? (double)g->tokens.count - 1 : 0;
    strbuf_addf(out, "host     %s",
                s->native  ? r->stats.kernels
                : s->wafer ? "simulator of the wafer"
                           : "oracle (f32, one thread)");
    if (s->native)
        strbuf_addf(out, " kernels, %d thread%s", pool_threads(s->threads), pool_threads(s->threads) > 1 ? "s" : "");
    strbuf_addf(out, "; loaded in %s\n", units_seconds(s->load_seconds).text);
    strbuf_addf(out, "  time       first token %s (%.1f tok/s of prompt), then %s per token (%.1f tok/s)\n",
                units_seconds(g->prompt_seconds).text, ratio((double)g->prompt_tokens, g->prompt_seconds),
                units_seconds(ratio(g->decode_seconds, decoded)).text, ratio(decoded, g->decode_seconds));
    if (!s->native) return;
    strbuf_adds(out, "  moved and computed, per token\n");
    phase_line(out, "  prompt", r->profile.prompt, r->profile.prompt_tokens);
    phase_line(out, "  decode", r->profile.decode, r->profile.decode_tokens);
    const weights_stats *w = &r->stats.weights;
    strbuf_addf(out, "  memory     weights %s resident", units_bytes((double)w->resident_bytes).text);
    if (w->streamed_bytes)
        strbuf_addf(out, ", %s streamed per pass (waited %s)", units_bytes((double)w->streamed_bytes).text,
                    units_seconds(w->wait_seconds).text);
    strbuf_addf(out, "; KV cache %s per token; peak %s\n", units_bytes((double)r->stats.kv_token_bytes).text,
                units_bytes((double)r->peak_rss_bytes).text);
    if (!(r->verdict.read_bytes_per_s > 0)) {
        strbuf_adds(out, "  limits     not measured: no weights stay in memory\n");
        return;
    }
    shares b = shares_of(&r->verdict);
    strbuf_addf(out, "  limits     reads %s/s; %s at 1 token, %s at 64 (%s); decode is at %.0f %% of the read limit\n",
                units_bytes(r->verdict.read_bytes_per_s).text, units_si(r->verdict.decode_flops_per_s, "FLOP/s").text,
                units_si(r->verdict.prompt_flops_per_s, "FLOP/s").text, r->verdict.layout,
                100 * share_of_read_limit(r));
    strbuf_addf(
        out,
        "  bound by   memory %.0f %%, arithmetic %.0f %%, neither (norms, activations, waiting) %.0f %% of the time\n",
        100 * b.memory, 100 * b.compute, 100 * b.other);
    if (r->profile.queued_seconds > 0.05 * (g->prompt_seconds + g->decode_seconds))
        strbuf_addf(out, "  waited     %s for a processor that other programs had; left out of these shares\n",
                    units_seconds(r->profile.queued_seconds).text);
}

void run_report_text(const run_report *r, strbuf *out) {
    const llm_model *m = r->s->model;
    strbuf_addf(out, "model    %s (%s, ", m->name, m->config.arch->name);
    strbuf_addf(out, "%s parameters, %s of ", units_si((double)llm_model_params(m), "").text,
                units_bytes((double)llm_model_weight_bytes(m)).text);
    weight_types(m, out);
    strbuf_addf(out, ")%s%s\n", m->label ? "; " : "", m->label ? m->label : "");
    strbuf_addf(out, "tokens   %zu of prompt, %zu generated (%s)\n", r->g->prompt_tokens, r->g->tokens.count,
                stop_reason_text(r->g->stop));
    host_text(r, out);
    if (r->s->wafer) wafer_report_text(r->s->wafer, r->g->prompt_tokens, out);
    if (r->pruned) pruning_text(r->pruned, out);
    for (int i = 0; i < REPORT_MACHINES; i++) {
        strbuf_addc(out, '\n');
        perf_prediction_text(&r->resident[i], false, out);
        perf_prediction_streamed(&r->streamed[i], out);
    }
}

/* ---- JSON ---- */

static void json_phase(strbuf *out, const char *name, const native_cost steps[STEP_COUNT], uint64_t tokens) {
    strbuf_addf(out, "\"%s\": {\"tokens\": %llu, \"steps\": {", name, (unsigned long long)tokens);
    for (int i = 0; i < STEP_COUNT; i++)
        strbuf_addf(out,
                    "%s\"%s\": {\"seconds\": %.9g, \"weight_bytes\": %.17g, \"kv_bytes\": %.17g, \"activation_bytes\": "
                    "%.17g, \"flops\": %.17g}",
                    i ? ", " : "", native_step_name((native_step)i), steps[i].seconds, steps[i].weight_bytes,
                    steps[i].kv_bytes, steps[i].activation_bytes, steps[i].flops);
    strbuf_adds(out, "}}");
}

static void json_host(const run_report *r, strbuf *out) {
    const session *s = r->s;
    const generation *g = r->g;
    strbuf_addf(out,
                "\"host\": {\"engine\": \"%s\", \"load_seconds\": %.9g, \"prompt_seconds\": %.9g, \"decode_seconds\": "
                "%.9g, \"peak_rss_bytes\": %llu, "
                "\"store_bytes\": %llu",
                s->native  ? "native"
                : s->wafer ? "wafer"
                           : "oracle",
                s->load_seconds, g->prompt_seconds, g->decode_seconds, (unsigned long long)r->peak_rss_bytes,
                (unsigned long long)r->store_bytes);
    if (s->native) {
        const weights_stats *w = &r->stats.weights;
        shares b = shares_of(&r->verdict);
        strbuf_addf(
            out,
            ", \"kernels\": \"%s\", \"threads\": %d, \"packed_weight_bytes\": %llu, \"resident_weight_bytes\": %llu, "
            "\"streamed_weight_bytes_per_pass\": %llu, \"stream_wait_seconds\": %.9g, \"kv_token_bytes\": %llu, "
            "\"kv_reserved_bytes\": %llu, "
            "\"activation_buffer_bytes\": %llu, ",
            r->stats.kernels, pool_threads(s->threads), (unsigned long long)w->packed_bytes,
            (unsigned long long)w->resident_bytes, (unsigned long long)w->streamed_bytes, w->wait_seconds,
            (unsigned long long)r->stats.kv_token_bytes, (unsigned long long)r->stats.kv_bytes,
            (unsigned long long)r->stats.activation_bytes);
        json_phase(out, "prompt", r->profile.prompt, r->profile.prompt_tokens);
        strbuf_adds(out, ", ");
        json_phase(out, "decode", r->profile.decode, r->profile.decode_tokens);
        strbuf_addf(
            out,
            ", \"read_bytes_per_s\": %.9g, \"decode_flops_per_s_limit\": %.9g, \"prompt_flops_per_s_limit\": %.9g, "
            "\"float_flops_per_s_limit\": %.9g, \"queued_seconds\": %.6g, \"time_share\": {\"memory_bound\": %.6g, "
            "\"compute_bound\": %.6g, "
            "\"other\": %.6g}",
            r->verdict.read_bytes_per_s, r->verdict.decode_flops_per_s, r->verdict.prompt_flops_per_s,
            r->verdict.float_flops_per_s, r->profile.queued_seconds, b.memory, b.compute, b.other);
    }
    strbuf_addc(out, '}');
}

void run_report_json(const run_report *r, strbuf *out) {
    const llm_model *m = r->s->model;
    strbuf_adds(out, "{\"ingot_report\": 1, \"model\": {\"name\": ");
    strbuf_add_json(out, str_from(m->name));
    strbuf_addf(out, ", \"architecture\": \"%s\", \"parameters\": %llu, \"weight_bytes\": %llu, \"label\": ",
                m->config.arch->name, (unsigned long long)llm_model_params(m),
                (unsigned long long)llm_model_weight_bytes(m));
    if (m->label) strbuf_add_json(out, str_from(m->label));
    else strbuf_adds(out, "null");
    strbuf_adds(out, "},\n\"prompt\": ");
    strbuf_add_json(out, r->prompt);
    strbuf_addf(out, ", \"prompt_tokens\": %zu,\n\"text\": ", r->g->prompt_tokens);
    strbuf_add_json(out, r->text);
    strbuf_addf(out, ", \"generated_tokens\": %zu, \"stop\": \"%s\", \"seed\": %llu,\n\"token_ids\": [",
                r->g->tokens.count, stop_reason_text(r->g->stop), (unsigned long long)r->seed);
    for (size_t i = 0; i < r->g->tokens.count; i++) strbuf_addf(out, "%s%d", i ? ", " : "", r->g->tokens.ids[i]);
    strbuf_adds(out, "],\n");
    json_host(r, out);
    if (r->s->wafer) {
        strbuf_adds(out, ",\n");
        wafer_report_json(r->s->wafer, r->g->prompt_tokens, out);
    }
    if (r->pruned) pruning_json(r->pruned, out);
    strbuf_adds(out, ",\n\"predictions\": [\n");
    for (int i = 0; i < REPORT_MACHINES; i++) {
        if (i) strbuf_adds(out, ",\n");
        strbuf_adds(out, "{\"resident\": ");
        perf_prediction_json(&r->resident[i], out);
        strbuf_adds(out, ", \"streamed\": ");
        perf_prediction_json(&r->streamed[i], out);
        strbuf_addc(out, '}');
    }
    strbuf_adds(out, "]}\n");
}
