/* Reads configurations into shapes; counts parameters. Hostile files: every number is bounded, nothing is allocated by
 * it. */
#include "perf/shape.h"
#include "base/facts.h"
#include "base/file.h"
#include "llm/model.h"
#include "perf/format.h"
#include "perf/machine.h"
#include <math.h>
#include <sys/stat.h>

/* ---- counting ---- */

static double attention_params(const perf_shape *s) {
    double w = s->width, h = s->heads;
    if (!s->kv_lora) return w * s->head_size * (2 * h + 2.0 * s->kv_heads);
    double qk = s->nope_dims + s->rope_dims, q = s->q_lora ? s->q_lora * (w + h * qk) : w * h * qk;
    return q + w * (s->kv_lora + s->rope_dims) + s->kv_lora * h * (s->nope_dims + s->value_dims) +
           h * s->value_dims * w;
}

static double mlp_params(const perf_shape *s, double width) { return (s->gated ? 3 : 2) * width * s->width; }

static double experts_params(const perf_shape *s, double experts) {
    return mlp_params(s, s->expert_width) * experts + mlp_params(s, s->shared_width) + (double)s->experts * s->width;
}

double perf_shape_layer_params(const perf_shape *s, bool moe) {
    return attention_params(s) + (moe ? experts_params(s, s->experts) : mlp_params(s, s->mlp_width));
}

double perf_shape_params(const perf_shape *s) {
    double dense = s->layers - s->moe_layers, table = (double)s->vocab * s->width;
    return dense * perf_shape_layer_params(s, false) + s->moe_layers * perf_shape_layer_params(s, true) +
           table * (s->tied ? 1 : 2);
}

double perf_shape_active(const perf_shape *s) {
    double dense = s->layers - s->moe_layers;
    return s->layers * attention_params(s) + dense * mlp_params(s, s->mlp_width) +
           s->moe_layers * experts_params(s, s->experts_per_token) + (double)s->vocab * s->width;
}

double perf_shape_kv_elems(const perf_shape *s) {
    double token = s->kv_lora ? s->kv_lora + s->rope_dims : 2.0 * s->kv_heads * s->head_size;
    return token * s->layers;
}

double perf_shape_kv_tokens(const perf_shape *s, double context) {
    double share = (double)s->windowed_layers / s->layers;
    return context * (1 - share) + fmin(context, s->window) * share;
}

/* ---- config.json ---- */

/* key, an older or other name of it, field, smallest, largest, is it needed */
#define SHAPE_KEYS(X)                                                                                                  \
    X("num_hidden_layers", "n_layer", layers, 1, LLM_LAYERS_MAX, true)                                                 \
    X("hidden_size", "n_embd", width, 1, 1 << 20, true)                                                                \
    X("num_attention_heads", "n_head", heads, 1, 1 << 14, true)                                                        \
    X("num_key_value_heads", "", kv_heads, 1, 1 << 14, false)                                                          \
    X("head_dim", "", head_size, 1, 1 << 14, false)                                                                    \
    X("vocab_size", "", vocab, 1, 1 << 26, true)                                                                       \
    X("max_position_embeddings", "n_positions", context, 1, 1 << 30, false)                                            \
    X("intermediate_size", "n_inner", mlp_width, 1, 1 << 22, false)                                                    \
    X("sliding_window", "attention_chunk_size", window, 1, 1 << 30, false)                                             \
    X("q_lora_rank", "", q_lora, 1, 1 << 20, false)                                                                    \
    X("kv_lora_rank", "", kv_lora, 1, 1 << 20, false)                                                                  \
    X("qk_rope_head_dim", "", rope_dims, 1, 1 << 14, false)                                                            \
    X("qk_nope_head_dim", "", nope_dims, 1, 1 << 14, false)                                                            \
    X("v_head_dim", "", value_dims, 1, 1 << 14, false)                                                                 \
    X("num_experts", "num_local_experts", experts, 1, 1 << 16, false)                                                  \
    X("num_experts_per_tok", "num_experts_per_token", experts_per_token, 1, 1 << 16, false)                            \
    X("moe_intermediate_size", "", expert_width, 1, 1 << 22, false)

static const struct {
    const char *key, *other;
    size_t offset;
    uint32_t min, max;
    bool needed;
} shape_keys[] = {
#define ROW(key, other, field, min, max, needed) {key, other, offsetof(perf_shape, field), min, max, needed},
    SHAPE_KEYS(ROW)
#undef ROW
};

static const json_t *member(const json_t *c, const char *key, const char *other) {
    const json_t *v = json_object_get(c, key);
    if ((!v || json_is_null(v)) && *other) v = json_object_get(c, other);
    return v && !json_is_null(v) ? v : NULL;
}

static uint32_t whole(facts *f, const json_t *c, const char *key, uint32_t min, uint32_t max, uint32_t otherwise) {
    const json_t *v = member(c, key, "");
    return v ? (uint32_t)facts_number(f, key, v, min, max, true) : otherwise;
}

static bool flag(const json_t *c, const char *key, bool otherwise) {
    const json_t *v = json_object_get(c, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* How many layers see a window only: a list of types, a period of which the last sees all, or all layers. */
static void read_windows(facts *f, const json_t *c, perf_shape *s) {
    const json_t *types = json_object_get(c, "layer_types");
    bool period_key = json_object_get(c, "sliding_window_pattern") || json_object_get(c, "no_rope_layer_interval");
    uint32_t period = whole(f, c, "sliding_window_pattern", 1, 1024, whole(f, c, "no_rope_layer_interval", 1, 1024, 1));
    if (!s->window || !flag(c, "use_sliding_window", true)) {
        s->window = 0;
        return;
    }
    s->windowed_layers = period_key ? s->layers - s->layers / period : s->layers;
    if (!json_is_array(types)) return;
    s->windowed_layers = 0;
    for (size_t i = 0; i < json_array_size(types) && i < s->layers; i++) {
        const char *t = json_string_value(json_array_get(types, i));
        if (t && strcmp(t, "full_attention")) s->windowed_layers++;
    }
}

static void read_experts(facts *f, const json_t *c, perf_shape *s) {
    s->experts = whole(f, c, "n_routed_experts", 1, 1 << 16, s->experts);
    if (!s->experts) return;
    if (!s->expert_width) s->expert_width = s->mlp_width;
    uint32_t shared = whole(f, c, "n_shared_experts", 0, 64, whole(f, c, "shared_experts", 0, 64, 0));
    s->shared_width = whole(f, c, "shared_expert_intermediate_size", 0, 1 << 22, shared * s->expert_width);
    s->mlp_width = whole(f, c, "intermediate_size_mlp", 1, 1 << 22, s->mlp_width);
    uint32_t first = whole(f, c, "first_k_dense_replace", 0, s->layers, 0);
    uint32_t step = whole(f, c, "interleave_moe_layer_step", 1, 1024, whole(f, c, "decoder_sparse_step", 1, 1024, 1));
    s->moe_layers = (s->layers - first) / step;
    if (!s->experts_per_token || s->experts_per_token > s->experts)
        facts_complain(f, "num_experts_per_tok", "must be 1 to %u, the number of experts", s->experts);
}

static void read_config(facts *f, const json_t *c, perf_shape *s) {
    const json_t *text = json_object_get(c, "text_config"); /* models that see pictures too */
    if (json_is_object(text)) c = text;
    for (size_t i = 0; i < sizeof shape_keys / sizeof *shape_keys; i++) {
        const json_t *v = member(c, shape_keys[i].key, shape_keys[i].other);
        uint32_t *out = (uint32_t *)((char *)s + shape_keys[i].offset);
        if (v) *out = (uint32_t)facts_number(f, shape_keys[i].key, v, shape_keys[i].min, shape_keys[i].max, true);
        else if (shape_keys[i].needed) facts_complain(f, shape_keys[i].key, "is missing: a configuration needs it");
    }
    if (!f->ok) return;
    const char *type = json_string_value(json_object_get(c, "model_type"));
    bool plain = type && (!strcmp(type, "gpt2") || !strcmp(type, "bloom"));
    if (!s->kv_heads) s->kv_heads = s->heads;
    if (!s->head_size) s->head_size = s->width / s->heads;
    if (!s->mlp_width) s->mlp_width = 4 * s->width;
    s->gated = flag(c, "gated", !plain);
    s->tied = flag(c, "tie_word_embeddings", plain);
    read_windows(f, c, s);
    read_experts(f, c, s);
    if (s->kv_lora && !(s->rope_dims && s->nope_dims && s->value_dims))
        facts_complain(f, "kv_lora_rank", "needs qk_rope_head_dim, qk_nope_head_dim and v_head_dim");
    if (s->kv_heads > s->heads || !s->head_size)
        facts_complain(f, "num_key_value_heads", "%u heads of width %u do not go with %u heads", s->kv_heads,
                       s->head_size, s->heads);
}

static void read_preset(facts *f, json_t *root, perf_shape *s) {
    facts_only(f, root, "", "name,title,source,params_b,active_b,weights,config,");
    s->name = facts_text(f, root, "name", "name", true);
    s->title = facts_text(f, root, "title", "title", true);
    s->source = facts_text(f, root, "source", "source", true);
    const json_t *total = json_object_get(root, "params_b"), *active = json_object_get(root, "active_b");
    if (total) s->stated_params = 1e9 * facts_number(f, "params_b", total, 1e-6, 1e6, false);
    if (active) s->stated_active = 1e9 * facts_number(f, "active_b", active, 1e-6, 1e6, false);
    if (json_object_get(root, "weights")) {
        const perf_format *w = perf_format_named(facts_text(f, root, "weights", "weights", true));
        if (w) s->format = w->name, s->weight_bits = w->bits;
        else facts_complain(f, "weights", "no such number format");
    }
    const json_t *config = json_object_get(root, "config");
    if (json_is_object(config)) read_config(f, config, s);
    else facts_complain(f, "config", "must be an object with the keys of config.json");
}

bool perf_shape_parse(perf_shape *s, arena *a, const char *file_name, str json, diag *d) {
    facts f = {.src = {.name = file_name, .text = json}, .d = d, .a = a};
    *s = (perf_shape){.name = arena_strdup(a, file_name), .title = "", .source = "config.json", .weight_bits = 16};
    if (!s->name) return diag_oom(d, file_name);
    s->title = s->name;
    json_t *root = facts_parse(&f, "model");
    if (root && json_object_get(root, "config")) read_preset(&f, root, s);
    else if (root) read_config(&f, root, s);
    json_decref(root);
    return f.ok;
}

/* ---- model files ---- */

bool perf_shape_of(perf_shape *s, arena *a, const llm_model *m, diag *d) {
    const llm_config *c = &m->config;
    *s = (perf_shape){.name = arena_strdup(a, m->name),
                      .source = arena_strdup(a, m->path),
                      .layers = c->layers,
                      .width = c->width,
                      .heads = c->heads,
                      .kv_heads = c->kv_heads,
                      .head_size = c->head_size,
                      .mlp_width = c->mlp_width,
                      .vocab = c->vocab,
                      .context = c->context,
                      .gated = c->arch->gated,
                      .tied = m->output == m->embed,
                      .window = c->window};
    for (uint32_t i = 0; i < c->layers; i++) s->windowed_layers += c->windowed[i] != 0;
    s->title = s->name;
    s->weight_bits = 8.0 * (double)llm_model_weight_bytes(m) / (double)llm_model_params(m);
    s->stated_params = (double)llm_model_params(m);
    return (s->name && s->source) || diag_oom(d, m->path);
}

static bool from_model(perf_shape *s, arena *a, const char *path, diag *d) {
    llm_model *m = llm_model_open(path, d);
    bool ok = m && perf_shape_of(s, a, m, d);
    llm_model_free(m);
    return ok;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool perf_shape_load(perf_shape *s, arena *a, const char *model, diag *d) {
    str name = str_from(model), text;
    bool exists = file_exists(model), json = str_ends(name, STR(".json"));
    if (exists && (is_folder(model) || !json)) {
        const char *config = is_folder(model) ? path_join(a, model, "config.json") : NULL;
        bool weights = !config || !file_exists(config) || file_exists(path_join(a, model, "model.safetensors")) ||
                       file_exists(path_join(a, model, "model.safetensors.index.json"));
        if (weights) return from_model(s, a, model, d);
        return file_read_all(a, config, FACTS_BYTES_MAX, &text, d) && perf_shape_parse(s, a, model, text, d);
    }
    const char *path = perf_data_file(a, "models", model, d);
    return path && file_read_all(a, path, FACTS_BYTES_MAX, &text, d) && perf_shape_parse(s, a, path, text, d);
}
