/* ingot plan: where a model lies on a wafer, what a PE's memory holds, and how many cycles a token takes. */
#include "api/api.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/plan_picture.h"
#include "cli/pull.h"

typedef struct {
    const char *model, *machine, *profile, *svg;
    int64_t context, layers, columns, unit_rows, head_rows, row_group, wafers, batch;
    int policy, weights;
    bool json, no_picture;
} plan_args;

static const char *const policies[] = {"latency", "compact", "square", NULL}; /* rows of plan_policies */

static const char *const weight_modes[] = {"resident", "streamed", NULL};

const cli_option cmd_plan_options[] = {
    OPTION_STRING_ROW('m', "model", plan_args, model, "FILE|NAME", "smollm2",
                      "the model: a GGUF file, a folder with safetensors, or a pulled model"),
    OPTION_STRING_ROW(0, "machine", plan_args, machine, "NAME|FILE", "wse3", "wse1, wse2, wse3 or a wafer file"),
    OPTION_STRING_ROW(0, "profile", plan_args, profile, "NAME", "vendor-sim", "of the wafer file"),
    OPTION_INT_ROW(0, "context", plan_args, context, 0, PLAN_CONTEXT_MAX, "N", "0",
                   "tokens of context; 0 = the model's, at most 4096"),
    OPTION_INT_ROW(0, "layers", plan_args, layers, 0, LLM_LAYERS_MAX, "N", "0", "only the first N layers; 0 = all"),
    OPTION_CHOICE_ROW(0, "policy", plan_args, policy, policies, "latency",
                      "fewest cycles per token, fewest PEs, or regions as square as possible"),
    OPTION_INT_ROW(0, "columns", plan_args, columns, 0, 8192, "N", "0", "columns of the program; 0 = searched"),
    OPTION_INT_ROW(0, "unit-rows", plan_args, unit_rows, 0, 8192, "N", "0", "rows for a KV head; 0 = searched"),
    OPTION_INT_ROW(0, "head-rows", plan_args, head_rows, 0, 8192, "N", "0", "rows for the LM head; 0 = searched"),
    OPTION_INT_ROW(0, "row-group", plan_args, row_group, 0, 8192, "N", "0",
                   "columns in a group of sums; 0 = the fastest"),
    OPTION_INT_ROW(0, "wafers", plan_args, wafers, 0, 1024, "N", "0", "at most so many; 0 = as many as it takes"),
    OPTION_CHOICE_ROW(0, "weights", plan_args, weights, weight_modes, "resident",
                      "streamed: one region for all layers, weights come from outside"),
    OPTION_INT_ROW(0, "batch", plan_args, batch, 0, PLAN_TOKENS_MAX, "N", "0", "streamed: tokens of a pass; 0 = 8"),
    OPTION_STRING_ROW(0, "svg", plan_args, svg, "FILE", NULL, "writes a picture"),
    OPTION_FLAG_ROW(0, "no-picture", plan_args, no_picture, "numbers only"),
    OPTION_FLAG_ROW(0, "json", plan_args, json, "for programs: one JSON object"),
    OPTIONS_END,
};

typedef struct {
    const plan *p;
    const isa_wafer *w;
    const llm_model *m;
    strbuf *out;
} page;

/* ---- text ---- */

static void shape_text(const page *g) {
    const plan *p = g->p;
    double all = (double)p->fabric_width * p->fabric_height;
    strbuf_addf(g->out, "model      %s (%s): %u layers, width %u, %u x %u heads of %u, MLP %u, %u tokens%s\n",
                g->m->name, g->m->config.arch->name, p->layers, p->d_model, p->units, p->group, p->head_size,
                p->mlp_width, p->vocab, p->tied ? " (tied)" : "");
    strbuf_addf(g->out, "wafer      %s (%s), fabric of %u x %u PEs; policy %s, context %u\n", g->w->name, g->w->profile,
                p->fabric_width, p->fabric_height, p->policy, p->context);
    strbuf_addf(g->out,
                "layer      %u columns x %u rows (%u KV heads x %u rows), sums toward column %u in groups of %u%s\n",
                p->width, p->rows, p->units, p->unit_rows, p->row_root, p->row_group,
                p->norm_late ? ", norms behind the products" : "");
    strbuf_addf(g->out, "head       %u columns x %u rows, %u rows of the vocabulary on a PE\n", p->width, p->head_rows,
                p->vocab_tile);
    strbuf_addf(g->out, "PEs        %llu on %u wafer%s, %.1f %% of %s\n", (unsigned long long)p->pes, p->wafer_count,
                p->wafer_count > 1 ? "s" : "", 100 * (double)p->pes / (all * p->wafer_count),
                p->wafer_count > 1 ? "them" : "it");
    for (uint32_t i = 0; i < p->wafer_count; i++) {
        const plan_wafer *w = &p->wafers[i];
        strbuf_addf(g->out, "wafer %-4u ", i);
        if (w->layers) strbuf_addf(g->out, "layers %u to %u, ", w->first_layer, w->first_layer + w->layers - 1);
        strbuf_addf(g->out, "%s%u x %u PEs\n", w->head ? "head, " : "", p->width, w->rows);
    }
    strbuf_addf(g->out, "padding    %.1f %% of the layers' weights, %.1f %% of the vocabulary's are zeros\n",
                100 * p->padding.layer, 100 * p->padding.head);
}

typedef struct {
    const char *name;
    size_t at;
} item;
static const item items[] = {
    {"weights", offsetof(plan_memory, weights)},  {"norms and biases", offsetof(plan_memory, norms)},
    {"KV cache", offsetof(plan_memory, kv)},      {"rope tables", offsetof(plan_memory, rope)},
    {"buffers", offsetof(plan_memory, buffers)},  {"token lists", offsetof(plan_memory, tokens)},
    {"code, stack", offsetof(plan_memory, code)}, {"all", offsetof(plan_memory, total)},
    {"limit", offsetof(plan_memory, limit)},
};
enum { ITEMS = sizeof items / sizeof *items };

static uint32_t bytes_of(const plan_memory *m, const item *i) {
    uint32_t n;
    memcpy(&n, (const char *)m + i->at, sizeof n);
    return n;
}

static void memory_text(const page *g) {
    strbuf_adds(g->out, "\nmemory of a PE, bytes      layer     head\n");
    for (int i = 0; i < ITEMS; i++)
        strbuf_addf(g->out, "  %-20s %9u %8u\n", items[i].name, bytes_of(&g->p->layer_memory, &items[i]),
                    bytes_of(&g->p->head_memory, &items[i]));
}

static void cycles_text(const page *g) {
    const plan_cycles *c = &g->p->cycles;
    strbuf_addf(g->out, "\npredicted cycles of a token after %u others, first order\n", c->position);
    for (int i = 1; i < PLAN_PHASES; i++)
        strbuf_addf(g->out, "  layer  %-16s %9.0f %5.1f %%\n", plan_phase_names[i], c->layer[i],
                    100 * c->layer[i] / c->layer_total);
    for (int i = 1; i < PLAN_HEAD_PHASES_COUNT; i++)
        strbuf_addf(g->out, "  head   %-16s %9.0f %5.1f %%\n", plan_head_phase_names[i], c->head[i],
                    100 * c->head[i] / c->head_total);
    strbuf_addf(g->out, "  a layer %.0f, the head %.0f, a token %.0f cycles: %s, %.0f tokens/s at %s\n", c->layer_total,
                c->head_total, c->token, units_seconds(c->token / g->w->clock_hz).text, g->w->clock_hz / c->token,
                units_si(g->w->clock_hz, "Hz").text);
    if (g->p->streamed)
        strbuf_addf(
            g->out, "  a pass of up to %u tokens sends %s: %.0f cycles at the rate of %u rows\n", g->p->tokens,
            units_bytes(4.0 * (double)g->p->pes * ((double)g->p->layers * g->p->layer_words + g->p->head_words)).text,
            c->io, g->p->rows);
    else strbuf_addf(g->out, "  prompts follow each other through the layers: about %.0f cycles a token\n", c->prompt);
    if (g->p->wafer_count > 1) strbuf_adds(g->out, "  the way from wafer to wafer is not in these cycles\n");
}

/* ---- JSON ---- */

static void memory_json(const page *g, const char *name, const plan_memory *m) {
    strbuf_addf(g->out,
                "\"%s\": {\"weights\": %u, \"norms\": %u, \"kv\": %u, \"rope\": %u, \"buffers\": %u, \"tokens\": %u, "
                "\"code\": %u, \"total\": %u, \"limit\": %u}",
                name, m->weights, m->norms, m->kv, m->rope, m->buffers, m->tokens, m->code, m->total, m->limit);
}

static void phases_json(const page *g, const char *name, const double *cycles, const char *const *names, int count) {
    strbuf_addf(g->out, "\"%s\": {", name);
    for (int i = 1; i < count; i++) strbuf_addf(g->out, "%s\"%s\": %.9g", i > 1 ? ", " : "", names[i], cycles[i]);
    strbuf_adds(g->out, "}");
}

static void wafers_json(const page *g) {
    const plan *p = g->p;
    strbuf_adds(g->out, ",\n\"wafers\": [");
    for (uint32_t i = 0; i < p->wafer_count; i++)
        strbuf_addf(g->out, "%s{\"first_layer\": %u, \"layers\": %u, \"head\": %s, \"columns\": %u, \"rows\": %u}",
                    i ? ", " : "", p->wafers[i].first_layer, p->wafers[i].layers, p->wafers[i].head ? "true" : "false",
                    p->width, p->wafers[i].rows);
    strbuf_adds(g->out, "]");
}

static void print_json(const page *g) {
    const plan *p = g->p;
    strbuf_adds(g->out, "{\"ingot_plan\": 1, \"model\": ");
    strbuf_add_json(g->out, str_from(g->m->name));
    strbuf_addf(
        g->out,
        ", \"machine\": \"%s\", \"profile\": \"%s\", \"policy\": \"%s\", \"context\": %u, \"clock_hz\": %.9g,\n"
        "\"layers\": %u, \"columns\": %u, \"layer_rows\": %u, \"units\": %u, \"unit_rows\": %u, \"row_group\": %u, "
        "\"row_root\": %u, \"norm_late\": %s, \"head_rows\": %u, \"pes\": %llu,\n\"tiles\": {\"d\": %u, \"qkv\": %u, "
        "\"o\": %u, \"mlp\": %u, \"vocab\": %u, "
        "\"slots\": %u}, \"padding\": {\"layer\": %.6g, \"head\": %.6g}",
        g->w->name, g->w->profile, p->policy, p->context, g->w->clock_hz, p->layers, p->width, p->rows, p->units,
        p->unit_rows, p->row_group, p->row_root, p->norm_late ? "true" : "false", p->head_rows,
        (unsigned long long)p->pes, p->d_tile, p->qkv_tile, p->o_tile, p->mlp_tile, p->vocab_tile, p->slots,
        p->padding.layer, p->padding.head);
    wafers_json(g);
    strbuf_adds(g->out, ",\n\"memory_bytes\": {");
    memory_json(g, "layer", &p->layer_memory);
    strbuf_adds(g->out, ", ");
    memory_json(g, "head", &p->head_memory);
    strbuf_addf(g->out, "},\n\"cycles\": {\"position\": %u, ", p->cycles.position);
    phases_json(g, "layer", p->cycles.layer, plan_phase_names, PLAN_PHASES);
    strbuf_adds(g->out, ", ");
    phases_json(g, "head", p->cycles.head, plan_head_phase_names, PLAN_HEAD_PHASES_COUNT);
    strbuf_addf(g->out, ", \"token\": %.9g, \"prompt_token\": %.9g}}\n", p->cycles.token, p->cycles.prompt);
}

/* ---- the command ---- */

static bool print_plan(const page *g, const plan_args *a, diag *d) {
    if (a->json) print_json(g);
    else {
        shape_text(g);
        memory_text(g);
        cycles_text(g);
        if (!a->no_picture) strbuf_addc(g->out, '\n'), plan_picture_text(g->p, g->out);
    }
    if (g->out->oom) return diag_oom(d, "plan");
    fwrite(g->out->data, 1, g->out->len, stdout);
    if (!a->svg) return true;
    strbuf_clear(g->out);
    plan_picture_svg(g->p, g->w, g->m->name, g->out);
    return output_picture(g->out, a->svg, d);
}

static plan_options options_of(const plan_args *a) {
    return (plan_options){.context = (uint32_t)a->context,
                          .policy = policies[a->policy],
                          .columns = (uint32_t)a->columns,
                          .unit_rows = (uint32_t)a->unit_rows,
                          .head_rows = (uint32_t)a->head_rows,
                          .row_group = (uint32_t)a->row_group,
                          .wafers_max = (uint32_t)a->wafers,
                          .streamed = a->weights == 1,
                          .tokens = (uint32_t)a->batch};
}

int cmd_plan(cli *c, int argc, char **argv) {
    plan_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    const char *path = cli_model_path(c->memory, a.model, true, c->d);
    llm_model *m = path ? llm_model_open(path, c->d) : NULL;
    isa_wafer w;
    plan p;
    strbuf out = {0};
    plan_options o = options_of(&a);
    bool ok = m && api_machine(&w, a.machine, a.profile, c->d);
    if (ok && a.layers && (uint32_t)a.layers < m->config.layers) m->config.layers = (uint32_t)a.layers;
    ok = ok && plan_make(&p, c->memory, m, &w, &o, c->d) && print_plan(&(page){&p, &w, m, &out}, &a, c->d);
    strbuf_free(&out);
    llm_model_free(m);
    return ok ? CLI_OK : CLI_FAILED;
}
