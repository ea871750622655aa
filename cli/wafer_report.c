#include "cli/wafer_report.h"
#include "api/trace.h"
#include "base/units.h"

/* Everything that text and JSON say. */
typedef struct {
    const plan *p;
    const isa_wafer *machine;
    const wafer_stats *s;
    double pes, fabric_pes;
    double tokens; /* decoded; at least 1, so that it may divide */
    double ttft_cycles, token_cycles;
    double predicted_ttft_cycles;
    plan_cycles predicted;        /* of a decoded token in the middle of the text */
    double between;               /* cycles of a token that no phase of the regions has: launch, and x on its way */
    api_cause energy[API_CAUSES]; /* of decoding */
    double joules, rest_joules;   /* of the program's PEs; of the rest of the wafer, which idles */
} facts;

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

static double phases_of(const wafer_work *work) {
    double sum = 0;
    for (int i = 1; i < PLAN_PHASES; i++) sum += work->layer[i];
    for (int i = 1; i < PLAN_HEAD_PHASES_COUNT; i++) sum += work->head[i];
    return sum;
}

static facts facts_of(const wafer *w, uint64_t prompt_tokens) {
    facts f = {.p = wafer_plan(w), .machine = wafer_machine(w), .s = wafer_get_stats(w)};
    const wafer_work *prompt = &f.s->prompt, *decode = &f.s->decode;
    plan_cycles begin;
    f.pes = (double)f.p->pes;
    f.fabric_pes = (double)f.p->fabric_width * f.p->fabric_height;
    f.tokens = decode->tokens ? (double)decode->tokens : 1;
    f.ttft_cycles = (double)prompt->cycles;
    f.token_cycles = (double)decode->cycles / f.tokens;
    plan_cycles_at(f.p, f.machine, (uint32_t)prompt_tokens / 2, &begin);
    f.predicted_ttft_cycles = plan_prompt_cycles(f.p, &begin, prompt_tokens);
    plan_cycles_at(f.p, f.machine, (uint32_t)(prompt_tokens + decode->tokens / 2), &f.predicted);
    f.between = ((double)decode->cycles - phases_of(decode)) / f.tokens;
    double seconds = (double)decode->cycles / f.machine->clock_hz;
    api_energy_causes(f.machine, f.p->pes, &decode->counters, seconds, f.energy);
    for (int i = 0; i < API_CAUSES; i++) f.joules += f.energy[i].joules;
    f.rest_joules = f.machine->idle_pe_w * seconds * (f.fabric_pes - f.pes);
    return f;
}

/* ---- text ---- */

static void phase_text(strbuf *out, const char *where, const char *name, double measured, double predicted,
                       double all) {
    if (measured < 0.5 && predicted < 0.5) return;
    strbuf_addf(out, "    %-7s%-16s %10.0f %5.1f %%  %10.0f\n", where, name, measured, 100 * ratio(measured, all),
                predicted);
}

static void kernels_text(const facts *f, strbuf *out) {
    const wafer_work *d = &f->s->decode;
    double layers = f->p->layers;
    strbuf_addf(out, "  kernels    cycles of a token, all %u layers      measured        predicted%s\n", f->p->layers,
                f->p->sparse ? " with all weights sent" : "");
    for (int i = 1; i < PLAN_PHASES; i++)
        phase_text(out, "layers", plan_phase_names[i], d->layer[i] / f->tokens, layers * f->predicted.layer[i],
                   f->token_cycles);
    for (int i = 1; i < PLAN_HEAD_PHASES_COUNT; i++)
        phase_text(out, "head", plan_head_phase_names[i], d->head[i] / f->tokens, f->predicted.head[i],
                   f->token_cycles);
    phase_text(out, "", "between regions", f->between,
               layers * f->predicted.layer[PLAN_WAIT] + f->predicted.head[PLAN_HEAD_WAIT], f->token_cycles);
}

static void work_text(const facts *f, strbuf *out) {
    const wse_counters *n = &f->s->decode.counters;
    double time = (double)f->s->decode.cycles * f->pes, tokens = f->tokens;
    double words = (double)n->sram_words_read + (double)n->sram_words_written;
    strbuf_addf(out, "  PEs        busy %.1f %%, waiting for input %.1f %%, for output %.1f %% of their time\n",
                100 * ratio((double)n->busy_cycles, time), 100 * ratio((double)n->input_wait_cycles, time),
                100 * ratio((double)n->output_wait_cycles, time));
    strbuf_addf(out, "  moved      per token: SRAM %s, %s, %s; %s\n", units_bytes(2 * words / tokens).text,
                units_si((double)n->hops / tokens, "hops").text,
                units_si((double)n->ramp_wavelets / tokens, "ramp wavelets").text,
                units_si(((double)n->fp16_ops + (double)n->fp32_ops) / tokens, "FLOP").text);
    strbuf_addf(out,
                "  energy     %s per token by these PEs (estimate), %s more by the rest of the wafer, which idles\n   ",
                units_si(f->joules / tokens, "J").text, units_si(f->rest_joules / tokens, "J").text);
    for (int i = 0; i < API_CAUSES; i++)
        if (f->energy[i].joules > 0.0005 * f->joules)
            strbuf_addf(out, " %s %.1f %%%s", f->energy[i].name, 100 * f->energy[i].joules / f->joules,
                        i + 1 < API_CAUSES ? "," : "");
    strbuf_addc(out, '\n');
}

/* What a pass needs at least: the words at the rate of the rows that take them in. */
static double io_cycles(const facts *f) {
    double words = ratio((double)f->s->streamed_words, (double)f->s->passes);
    return words / f->p->rows * 1000.0 / f->machine->io_wavelets_per_cycle_row;
}

static void stream_text(const facts *f, strbuf *out) {
    double bytes = 4 * ratio((double)f->s->streamed_words, (double)f->s->passes), io = io_cycles(f);
    if (!f->p->streamed) return;
    double cycles = ratio((double)f->s->prompt.cycles + (double)f->s->decode.cycles, (double)f->s->passes);
    strbuf_addf(
        out,
        "  streamed   %s a pass (%llu passes, up to %u tokens each, %s); I/O of %u rows alone takes %.0f cycles, a "
        "pass %.0f: %.0f %% of its rate\n",
        units_bytes(bytes).text, (unsigned long long)f->s->passes, f->p->tokens,
        f->p->sparse ? "weights that are not zero" : "all weights", f->p->rows, io, cycles, 100 * ratio(io, cycles));
}

static void speed_text(const facts *f, uint64_t prompt_tokens, strbuf *out) {
    double hz = f->machine->clock_hz;
    if (f->s->prompt.tokens)
        strbuf_addf(out, "  prompt     %llu tokens in %.0f cycles: first token after %s (predicted %.0f cycles)\n",
                    (unsigned long long)prompt_tokens, f->ttft_cycles, units_seconds(f->ttft_cycles / hz).text,
                    f->predicted_ttft_cycles);
    if (f->s->decode.tokens)
        strbuf_addf(out, "  decode     %.0f cycles a token: %s, %.0f tok/s at %s (predicted %.0f cycles, %+.0f %%)\n",
                    f->token_cycles, units_seconds(f->token_cycles / hz).text, ratio(hz, f->token_cycles),
                    units_si(hz, "Hz").text, f->predicted.token,
                    100 * (ratio(f->predicted.token, f->token_cycles) - 1));
}

static void simulator_text(const facts *f, strbuf *out) {
    const wafer_work *p = &f->s->prompt, *d = &f->s->decode;
    double tokens = (double)p->tokens + (double)d->tokens, seconds = p->host_seconds + d->host_seconds;
    strbuf_addf(out, "  simulation %s of host time a token, %s/s, %s of memory; compiled in %s\n",
                units_seconds(ratio(seconds, tokens)).text,
                units_si(ratio((double)p->cycles + (double)d->cycles, seconds), "cycles").text,
                units_bytes((double)f->s->simulator_bytes).text, units_seconds(f->s->compile_seconds).text);
}

void wafer_report_text(const wafer *w, uint64_t prompt_tokens, strbuf *out) {
    facts f = facts_of(w, prompt_tokens);
    const plan *p = f.p;
    strbuf_addf(out, "\nwafer    %s (%s), simulated cycle by cycle: %u x %u PEs, %.1f %% of the wafer; %u programs\n",
                f.machine->name, f.machine->profile, p->width, p->wafers[0].rows, 100 * f.pes / f.fabric_pes,
                f.s->programs);
    strbuf_addf(out, "  plan       %s; a layer %u x %u PEs, the head %u x %u, context %u\n", p->policy, p->width,
                p->rows, p->width, p->head_rows, p->context);
    strbuf_addf(out, "  memory     of a PE: layer %u B (code %u), head %u B (code %u), of %u; KV cache %u B\n",
                f.s->layer_bytes, f.s->code_bytes[0], f.s->head_bytes, f.s->code_bytes[1], p->layer_memory.limit,
                p->layer_memory.kv);
    stream_text(&f, out);
    speed_text(&f, prompt_tokens, out);
    if (f.s->decode.tokens) {
        kernels_text(&f, out);
        work_text(&f, out);
    }
    simulator_text(&f, out);
}

/* ---- JSON ---- */

static void phases_json(strbuf *out, const char *name, const double *measured, const double *predicted, double share,
                        double times, const char *const *names, int count) {
    strbuf_addf(out, "\"%s\": {", name);
    for (int i = 1; i < count; i++)
        strbuf_addf(out, "%s\"%s\": [%.9g, %.9g]", i > 1 ? ", " : "", names[i], measured[i] * share,
                    predicted[i] * times);
    strbuf_addc(out, '}');
}

static void work_json(strbuf *out, const char *name, const wafer_work *w) {
    strbuf_addf(out, "\"%s\": {\"tokens\": %llu, \"launches\": %llu, \"cycles\": %llu, \"host_seconds\": %.9g", name,
                (unsigned long long)w->tokens, (unsigned long long)w->calls, (unsigned long long)w->cycles,
                w->host_seconds);
#define COUNTER(counter, meaning) strbuf_addf(out, ", \"" #counter "\": %llu", (unsigned long long)w->counters.counter);
#include "wse/counters.def"
#undef COUNTER
    strbuf_addc(out, '}');
}

void wafer_report_json(const wafer *w, uint64_t prompt_tokens, strbuf *out) {
    facts f = facts_of(w, prompt_tokens);
    const plan *p = f.p;
    double hz = f.machine->clock_hz, share = 1 / f.tokens;
    strbuf_addf(
        out,
        "\"wafer\": {\"machine\": \"%s\", \"profile\": \"%s\", \"clock_hz\": %.9g, \"columns\": %u, \"rows\": %u, "
        "\"pes\": %llu, \"policy\": \"%s\", \"layer_rows\": %u, \"unit_rows\": %u, \"head_rows\": %u, "
        "\"row_group\": %u, \"context\": %u,\n\"layer_bytes\": %u, \"head_bytes\": %u, \"layer_code_bytes\": %u, "
        "\"head_code_bytes\": %u, \"limit_bytes\": %u, \"programs\": %u, \"compile_seconds\": %.9g, "
        "\"load_seconds\": %.9g, \"simulator_bytes\": %llu,\n",
        f.machine->name, f.machine->profile, hz, p->width, p->wafers[0].rows, (unsigned long long)p->pes, p->policy,
        p->rows, p->unit_rows, p->head_rows, p->row_group, p->context, f.s->layer_bytes, f.s->head_bytes,
        f.s->code_bytes[0], f.s->code_bytes[1], p->layer_memory.limit, f.s->programs, f.s->compile_seconds,
        f.s->load_seconds, (unsigned long long)f.s->simulator_bytes);
    strbuf_addf(out,
                "\"ttft_cycles\": %.9g, \"ttft_s\": %.9g, \"token_cycles\": %.9g, \"tokens_per_s\": %.9g, "
                "\"predicted_ttft_cycles\": %.9g, \"predicted_token_cycles\": %.9g,\n",
                f.ttft_cycles, f.ttft_cycles / hz, f.token_cycles, ratio(hz, f.token_cycles), f.predicted_ttft_cycles,
                f.predicted.token);
    if (p->streamed)
        strbuf_addf(
            out, "\"streamed\": {\"passes\": %llu, \"words\": %llu, \"sparse\": %s, \"io_cycles_per_pass\": %.9g},\n",
            (unsigned long long)f.s->passes, (unsigned long long)f.s->streamed_words, p->sparse ? "true" : "false",
            io_cycles(&f));
    work_json(out, "prompt", &f.s->prompt);
    strbuf_adds(out, ",\n");
    work_json(out, "decode", &f.s->decode);
    strbuf_adds(out, ",\n\"kernels_measured_predicted_cycles_per_token\": {");
    phases_json(out, "layers", f.s->decode.layer, f.predicted.layer, share, p->layers, plan_phase_names, PLAN_PHASES);
    strbuf_adds(out, ", ");
    phases_json(out, "head", f.s->decode.head, f.predicted.head, share, 1, plan_head_phase_names,
                PLAN_HEAD_PHASES_COUNT);
    strbuf_addf(out, ", \"between\": [%.9g, %.9g]},\n\"joules_per_token\": {\"total\": %.9g, \"rest_of_wafer\": %.9g",
                f.between, p->layers * f.predicted.layer[PLAN_WAIT] + f.predicted.head[PLAN_HEAD_WAIT],
                f.joules * share, f.rest_joules * share);
    for (int i = 0; i < API_CAUSES; i++)
        strbuf_addf(out, ", \"%s\": %.9g", f.energy[i].name, f.energy[i].joules * share);
    strbuf_adds(out, "}}");
}
