/* See planned.h. */
#include "perf/planned.h"
#include "base/units.h"
#include "llm/model.h"
#include <math.h>

/* A model without weights: what a plan looks at. Plain families only; norms, rope and activation as llama's or gpt2's.
 */
static bool model_of(llm_model *m, arena *a, const perf_shape *s, diag *d) {
    if (s->moe_layers || s->kv_lora)
        return diag_error(d, "%s: kernels/ has none for %s", s->name, s->moe_layers ? "experts" : "latent attention");
    *m = (llm_model){.name = s->name, .layers = arena_push_n(a, llm_layer, s->layers)};
    llm_tensor *tables = arena_push_n(a, llm_tensor, 2);
    if (!m->layers || !tables) return diag_oom(d, s->name);
    m->embed = &tables[0], m->output = &tables[!s->tied];
    m->config = (llm_config){.arch = llm_arch_find(s->gated ? STR("llama") : STR("gpt2")),
                             .layers = s->layers,
                             .width = s->width,
                             .heads = s->heads,
                             .kv_heads = s->kv_heads,
                             .head_size = s->head_size,
                             .mlp_width = s->mlp_width,
                             .vocab = s->vocab,
                             .context = s->context,
                             .norm_eps = 1e-5f,
                             .attn_scale = (float)(1 / sqrt(s->head_size)),
                             .embed_scale = 1,
                             .window = s->windowed_layers ? s->window : 0,
                             .rope = s->gated ? ROPE_PAIRS : ROPE_NONE,
                             .rope_dims = s->head_size,
                             .rope_theta = 10000};
    for (uint32_t i = 0; i < s->windowed_layers; i++) m->config.windowed[i] = 1;
    return m->config.arch || diag_error(d, "%s: no family for its shape", s->name);
}

/* The machine's wafer, as the simulator's file has it. */
static bool wafer_of(isa_wafer *w, arena *a, const perf_machine *m, diag *d) {
    if (!*m->wafer) return diag_error(d, "%s: its file names no \"wafer\", so there is none to plan for", m->name);
    const char *path = perf_data_file(a, "machines", m->wafer, d);
    return path && isa_wafer_read(w, path, "vendor-sim", d);
}

bool perf_plan(perf_planned *out, arena *a, const perf_shape *s, const perf_machine *m, const perf_load *l, diag *d) {
    llm_model *model = arena_push(a, llm_model);
    isa_wafer *w = arena_push(a, isa_wafer);
    plan_cycles begin, middle;
    double text = l->prompt + l->generate;
    if (!model || !w) return diag_oom(d, "plan");
    if (text > PLAN_CONTEXT_MAX)
        return diag_error(d, "%s: a context of %.0f tokens; kernels/ count to %d", s->name, text, PLAN_CONTEXT_MAX);
    plan_options o = {.context = (uint32_t)text, .policy = "latency", .streamed = l->streamed};
    if (!model_of(model, a, s, d) || !wafer_of(w, a, m, d) || !plan_make(&out->plan, a, model, w, &o, d)) return false;
    plan_cycles_at(&out->plan, w, (uint32_t)(l->prompt / 2), &begin);
    plan_cycles_at(&out->plan, w, (uint32_t)(l->prompt + l->generate / 2), &middle);
    out->clock_hz = w->clock_hz;
    out->token_cycles = middle.token;
    out->prompt_cycles = plan_prompt_cycles(&out->plan, &begin, (uint64_t)l->prompt);
    out->tpot_s = out->token_cycles / w->clock_hz;
    out->ttft_s = out->prompt_cycles / w->clock_hz;
    out->user_tok_s = 1 / out->tpot_s;
    return true;
}

void perf_planned_text(const perf_planned *p, strbuf *b) {
    const plan *q = &p->plan;
    strbuf_addf(b,
                "kernels/ by plan           %.4g tokens/s, first token after %s: %.0f cycles a token at %s\n           "
                "                %u wafer%s, a layer on %u x %u PEs; `ingot plan` has "
                "more\n",
                p->user_tok_s, units_seconds(p->ttft_s).text, p->token_cycles, units_si(p->clock_hz, "Hz").text,
                q->wafer_count, q->wafer_count == 1 ? "" : "s", q->width, q->rows);
}

void perf_planned_json(const perf_planned *p, strbuf *b) {
    while (b->len && b->data[b->len - 1] != '}') b->len--;
    if (b->len) b->len--;
    strbuf_addf(b,
                ",\n\"kernels_by_plan\": {\"user_tok_s\": %.9g, \"ttft_s\": %.9g, \"tpot_s\": %.9g, "
                "\"token_cycles\": %.9g, \"prompt_cycles\": %.9g, \"clock_hz\": %.9g, \"wafers\": %u, "
                "\"layer_columns\": %u, \"layer_rows\": %u}}\n",
                p->user_tok_s, p->ttft_s, p->tpot_s, p->token_cycles, p->prompt_cycles, p->clock_hz,
                p->plan.wafer_count, p->plan.width, p->plan.rows);
}
