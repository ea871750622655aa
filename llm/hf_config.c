/* config.json to llm_config. One row per model_type holds what the families' configuration classes assume when a key is
 * left out (published files do leave keys out); the keys themselves are read by small typed readers that remember the
 * first failure. Both spellings of the rope settings are understood: rope_theta + rope_scaling + rope_local_base_freq,
 * and rope_parameters.
 *
 * What would change the meaning of the weights and is not implemented is refused by name: quantised checkpoints,
 * mixtures of experts, dynamic and longrope scaling, other heads than a language model's. All other keys are ignored.
 */
#include "llm/hf_internal.h"
#include <math.h>

/* Which layers see only a window, when no layer_types say so. */
typedef enum { WINDOW_NEVER, WINDOW_ALL, WINDOW_SWITCHED, WINDOW_PERIOD } window_rule;

/* Defaults of the configuration classes (transformers 4.55); 0 = the key must be given, or has the usual default. */
typedef struct {
    const char *model_type;
    window_rule rule;
    uint32_t window, heads, kv_heads, head_size, vocab, context, query_scalar;
    double norm_eps;
    bool tied;
} family;

static const family families[] = {
    {"llama", WINDOW_NEVER, 0, 0, 0, 0, 0, 2048, 0, 1e-6, false},
    {"mistral", WINDOW_ALL, 4096, 0, 8, 0, 0, 131072, 0, 1e-6, false},
    {"qwen2", WINDOW_SWITCHED, 4096, 0, 32, 0, 0, 32768, 0, 1e-6, false},
    {"qwen3", WINDOW_SWITCHED, 4096, 0, 32, 128, 0, 32768, 0, 1e-6, false},
    {"gemma3_text", WINDOW_PERIOD, 4096, 8, 4, 256, 262208, 131072, 256, 1e-6, true},
    {"gpt2", WINDOW_NEVER, 0, 0, 0, 0, 0, 1024, 0, 1e-5, true},
};
enum { FAMILY_COUNT = sizeof families / sizeof *families };

typedef struct {
    const json_t *top, *text;     /* text: the language part of a multimodal model; else the same as top */
    const family *family;
    const char *name;
    diag *d;
    bool failed;
} reader;

static void fail(reader *r, const char *key, const char *why) {
    if (!r->failed) diag_error(r->d, "%s: config key '%s' %s", r->name, key, why);
    r->failed = true;
}

static void refuse(reader *r, const char *what, const char *value, const char *why) {
    if (!r->failed) diag_error(r->d, "%s: %s '%s' %s", r->name, what, hf_show(str_from(value)).text, why);
    r->failed = true;
}

/* ---- typed keys; null counts as absent ---- */

static const json_t *get_in(const json_t *object, const char *key) {
    const json_t *j = json_object_get(object, key);
    return json_is_null(j) ? NULL : j;
}

static const json_t *get(const reader *r, const char *key) {
    const json_t *j = get_in(r->text, key);
    return j ? j : get_in(r->top, key);
}

static uint32_t key_u32(reader *r, const char *key, const char *other, uint32_t fallback) {
    const json_t *j = get_in(r->text, key);
    if (!j && other) j = get_in(r->text, other), key = j ? other : key;
    if (!j) {
        if (!fallback) fail(r, key, "is missing");
        return fallback;
    }
    if (!json_is_integer(j) || json_integer_value(j) < 1 || json_integer_value(j) > 1 << 30) {
        fail(r, key, "is not a whole number in 1..2^30");
        return 1;
    }
    return (uint32_t)json_integer_value(j);
}

static double number_in(reader *r, const json_t *object, const char *key, double fallback) {
    const json_t *j = get_in(object, key);
    if (!j) return fallback;
    double v = json_number_value(j);
    if (json_is_number(j) && isfinite(v) && v >= 0) return v;
    fail(r, key, "is not a finite number of at least 0");
    return fallback;
}

static double positive_in(reader *r, const json_t *object, const char *key) {
    double v = number_in(r, object, key, 0);
    if (!(v > 0)) fail(r, key, "is missing or not positive");
    return v > 0 ? v : 1;
}

static bool flag(reader *r, const char *key, bool fallback) {
    const json_t *j = get(r, key);
    if (j && !json_is_boolean(j)) fail(r, key, "is not true or false");
    return j ? json_is_true(j) : fallback;
}

static const char *text_in(reader *r, const json_t *object, const char *key, const char *fallback) {
    const json_t *j = get_in(object, key);
    if (j && !json_is_string(j)) fail(r, key, "is not a string");
    return json_is_string(j) ? json_string_value(j) : fallback;
}

/* ---- what is refused ---- */

/* gptq, awq, fp8, bitsandbytes, compressed-tensors, mxfp4 and whatever comes next. */
static void refuse_quantized(reader *r) {
    const json_t *q = get(r, "quantization_config");
    if (!q) q = get(r, "compression_config"); /* the older key of compressed-tensors */
    if (!q) return;
    bool bnb = json_is_true(json_object_get(q, "load_in_8bit")) || json_is_true(json_object_get(q, "load_in_4bit"));
    refuse(r, "quantised weights (quantization_config)", text_in(r, q, "quant_method", bnb ? "bitsandbytes" : "unnamed"),
           "are not supported; use the model in BF16, F16 or F32, or a GGUF file");
}

static void refuse_variants(reader *r) {
    static const struct { const char *key, *why; } rows[] = {
        {"num_local_experts", "says mixture of experts, which is not supported"},
        {"num_experts", "says mixture of experts, which is not supported"},
        {"use_bidirectional_attention", "makes this an embedding model, which is not supported"},
        {"is_encoder_decoder", "makes this an encoder-decoder model, which is not supported"},
        {"add_cross_attention", "is not supported"},
        {"scale_attn_by_inverse_layer_idx", "is not supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *j = get_in(r->text, rows[i].key);
        if (json_is_true(j) || json_number_value(j) > 1) fail(r, rows[i].key, rows[i].why);
    }
    if (number_in(r, r->text, "partial_rotary_factor", 1) != 1)
        fail(r, "partial_rotary_factor", "is not 1, which is not supported");
}

/* A body without a head, or with a classifier's, would load as a "tied" language model and speak nonsense. */
static void check_head(reader *r) {
    static const char *const heads[] = {"ForCausalLM", "LMHeadModel", "ForConditionalGeneration"};
    const json_t *j = json_array_get(get(r, "architectures"), 0);
    if (!json_is_string(j)) return;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (str_ends(str_from(json_string_value(j)), str_from(heads[i]))) return;
    refuse(r, "architecture", json_string_value(j), "is not a language model (its name does not end in ForCausalLM)");
}

static void check_activation(reader *r, const llm_arch *arch) {
    static const struct { const char *name; act_kind act; } acts[] = {
        {"silu", ACT_SILU}, {"swish", ACT_SILU}, {"gelu_new", ACT_GELU_TANH}, {"gelu_pytorch_tanh", ACT_GELU_TANH}};
    static const char *const keys[] = {"hidden_activation", "hidden_act", "activation_function"};
    const char *name = NULL;
    for (size_t i = 0; i < 3 && !name; i++) name = text_in(r, r->text, keys[i], NULL);
    for (size_t i = 0; i < sizeof acts / sizeof *acts && name; i++)
        if (!strcmp(name, acts[i].name) && acts[i].act == arch->act) return;
    if (name) refuse(r, "activation", name, "is not the one that this family uses");
}

/* ---- rope ---- */

static void read_llama3(reader *r, llm_config *c, const json_t *s) {
    c->scaling_low = positive_in(r, s, "low_freq_factor");
    c->scaling_high = positive_in(r, s, "high_freq_factor");
    if (c->scaling_low >= c->scaling_high) fail(r, "high_freq_factor", "is not above low_freq_factor");
    if (!get_in(s, "original_max_position_embeddings")) fail(r, "original_max_position_embeddings", "is missing");
}

static double yarn_magnitude(double factor, double scale) { return 0.1 * scale * log(factor) + 1; }

/* llm_config has attn_factor as GGUF does, on top of yarn's own 1 + 0.1 ln(factor); here attention_factor replaces it. */
static void read_yarn(reader *r, llm_config *c, const json_t *s) {
    double f = c->scaling_factor, own = yarn_magnitude(f, 1), wanted = own;
    double scale = number_in(r, s, "mscale", 0), all = number_in(r, s, "mscale_all_dim", 0);
    if (scale > 0 && all > 0) wanted = yarn_magnitude(f, scale) / yarn_magnitude(f, all);
    wanted = number_in(r, s, "attention_factor", wanted);
    if (!(wanted > 0)) fail(r, "attention_factor", "is not positive");
    c->scaling_attn_factor = wanted / own;
    c->scaling_beta_fast = number_in(r, s, "beta_fast", 32);
    c->scaling_beta_slow = number_in(r, s, "beta_slow", 1);
    if (!(c->scaling_beta_slow > 0 && c->scaling_beta_fast > c->scaling_beta_slow))
        fail(r, "beta_fast", "is not above beta_slow");
    if (json_is_false(get_in(s, "truncate"))) fail(r, "truncate", "is false, which is not supported");
}

static const char *scaling_name(reader *r, const json_t *s) {
    if (get_in(s, "mrope_section")) return "mrope";
    return text_in(r, s, "rope_type", text_in(r, s, "type", "default"));
}

static void read_scaling(reader *r, llm_config *c, const json_t *s) {
    static const char *const kinds[] = {
        [ROPE_SCALING_NONE] = "default", [ROPE_SCALING_LINEAR] = "linear",
        [ROPE_SCALING_LLAMA3] = "llama3", [ROPE_SCALING_YARN] = "yarn"};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    const char *name = scaling_name(r, s);
    int i = 0;
    while (i < KINDS && strcmp(name, kinds[i])) i++;
    if (i == KINDS) return refuse(r, "rope scaling", name, "is not supported (linear, llama3 and yarn are)");
    c->scaling = (rope_scaling)i;
    if (c->scaling == ROPE_SCALING_NONE) return;
    c->scaling_factor = positive_in(r, s, "factor");
    if (c->scaling_factor < 1) fail(r, "factor", "is below 1");
    double context = number_in(r, s, "original_max_position_embeddings", c->context);
    if (!(context >= 1 && context <= 1 << 30)) fail(r, "original_max_position_embeddings", "is outside 1..2^30");
    else c->scaling_context = (uint32_t)context;
    if (c->scaling == ROPE_SCALING_LLAMA3) read_llama3(r, c, s);
    if (c->scaling == ROPE_SCALING_YARN) read_yarn(r, c, s);
}

static void read_rope(reader *r, llm_config *c) {
    const json_t *params = get_in(r->text, "rope_parameters"), *full = get_in(params, "full_attention");
    const json_t *sliding = get_in(params, "sliding_attention");
    if (!full) full = params;
    c->rope = c->arch->rope_hf;
    c->rope_dims = c->rope == ROPE_NONE ? 0 : c->head_size;
    c->scaling_factor = c->scaling_attn_factor = 1;
    c->scaling_beta_fast = 32, c->scaling_beta_slow = 1;
    c->scaling_context = c->context;
    if (c->rope == ROPE_NONE) return;
    c->rope_theta = number_in(r, full, "rope_theta", number_in(r, r->text, "rope_theta", c->arch->rope_theta));
    c->rope_theta_windowed = c->rope_theta;
    if (c->arch->window_rope)
        c->rope_theta_windowed = number_in(r, sliding, "rope_theta",
                                           number_in(r, r->text, "rope_local_base_freq", c->arch->rope_theta_windowed));
    if (!(c->rope_theta > 1 && c->rope_theta_windowed > 1)) fail(r, "rope_theta", "is not above 1");
    if (number_in(r, full, "partial_rotary_factor", 1) != 1)
        fail(r, "partial_rotary_factor", "is not 1, which is not supported");
    if (sliding && strcmp(scaling_name(r, sliding), "default"))
        fail(r, "sliding_attention", "scales its rope, which is not supported");
    if (sliding && !c->arch->window_rope && number_in(r, sliding, "rope_theta", c->rope_theta) != c->rope_theta)
        fail(r, "sliding_attention", "has a rope_theta of its own, which this family does not");
    read_scaling(r, c, full ? full : get_in(r->text, "rope_scaling"));
}

/* ---- windows ---- */

static void read_layer_types(reader *r, llm_config *c, const json_t *types) {
    if (json_array_size(types) != c->layers) return fail(r, "layer_types", "is not a list with one entry per layer");
    for (uint32_t l = 0; l < c->layers; l++) {
        const json_t *j = json_array_get(types, l);
        const char *type = json_is_string(j) ? json_string_value(j) : "";
        if (!strcmp(type, "sliding_attention")) c->windowed[l] = 1;
        else if (strcmp(type, "full_attention"))
            return fail(r, "layer_types", "has an entry besides full_attention and sliding_attention");
    }
}

static void read_rule(reader *r, llm_config *c) {
    uint32_t period = c->arch->window_period, from = 0;
    if (r->family->rule == WINDOW_PERIOD)
        period = key_u32(r, "sliding_window_pattern", "_sliding_window_pattern", period ? period : 1);
    const json_t *first = r->family->rule == WINDOW_SWITCHED ? get_in(r->text, "max_window_layers") : NULL;
    if (r->family->rule == WINDOW_SWITCHED) from = 28; /* the default of both Qwen classes */
    if (first && (!json_is_integer(first) || json_integer_value(first) < 0))
        fail(r, "max_window_layers", "is not a whole number");
    else if (first) from = json_integer_value(first) < c->layers ? (uint32_t)json_integer_value(first) : c->layers;
    for (uint32_t l = 0; l < c->layers; l++)
        c->windowed[l] = r->family->rule == WINDOW_PERIOD ? (l + 1) % period != 0 : l >= from;
}

static void read_window(reader *r, llm_config *c) {
    window_rule rule = r->family->rule;
    const json_t *types = get_in(r->text, "layer_types"), *given = json_object_get(r->text, "sliding_window");
    bool off = rule == WINDOW_NEVER || json_is_null(given) ||
               (rule == WINDOW_SWITCHED && !flag(r, "use_sliding_window", false));
    if (off || r->failed) return;
    c->window = key_u32(r, "sliding_window", NULL, r->family->window);
    if (types) read_layer_types(r, c, types);
    else read_rule(r, c);
}

/* ---- the whole ---- */

static void read_sizes(reader *r, llm_config *c) {
    const family *f = r->family;
    c->layers = key_u32(r, "num_hidden_layers", "n_layer", 0);
    if (c->layers > LLM_LAYERS_MAX) fail(r, "num_hidden_layers", "is above 1024");
    c->width = key_u32(r, "hidden_size", "n_embd", 0);
    c->heads = key_u32(r, "num_attention_heads", "n_head", f->heads);
    bool kv_null = json_is_null(json_object_get(r->text, "num_key_value_heads"));
    c->kv_heads = key_u32(r, "num_key_value_heads", NULL, f->kv_heads && !kv_null ? f->kv_heads : c->heads);
    c->vocab = key_u32(r, "vocab_size", NULL, f->vocab);
    c->context = key_u32(r, "max_position_embeddings", "n_positions", f->context);
    c->mlp_width = key_u32(r, "intermediate_size", "n_inner", c->arch->gated || c->width > 1 << 28 ? 0 : 4 * c->width);
    uint32_t split = f->head_size ? f->head_size : c->heads && c->width % c->heads == 0 ? c->width / c->heads : 0;
    c->head_size = key_u32(r, "head_dim", NULL, split);
    if (c->heads > 1 << 14 || c->head_size > 1 << 14) fail(r, "num_attention_heads", "or head_dim is above 16384");
}

static void read_scales(reader *r, llm_config *c) {
    const char *eps = c->arch->norm == NORM_RMS ? "rms_norm_eps" : "layer_norm_epsilon";
    c->norm_eps = (float)number_in(r, r->text, eps, r->family->norm_eps);
    if (!(c->norm_eps > 0 && c->norm_eps < 1)) fail(r, eps, "is not between 0 and 1");
    double square = c->head_size;
    if (r->family->query_scalar) square = number_in(r, r->text, "query_pre_attn_scalar", r->family->query_scalar);
    if (!(square > 0)) fail(r, "query_pre_attn_scalar", "is not positive");
    else c->attn_scale = (float)(1 / sqrt(square));
    if (!flag(r, "scale_attn_weights", true)) c->attn_scale = 1;
    c->embed_scale = c->arch->embed_scaled ? sqrtf((float)c->width) : 1; /* in f32; BF16 training rounded it */
    c->attn_softcap = (float)number_in(r, r->text, "attn_logit_softcapping", 0);
    c->logit_softcap = (float)number_in(r, r->text, "final_logit_softcapping", 0);
}

static void read_ids(reader *r, hf_config *c) {
    const json_t *bos = get(r, "bos_token_id"), *eos = get(r, "eos_token_id");
    size_t n = json_is_array(eos) ? json_array_size(eos) : eos != NULL;
    c->bos = json_is_integer(bos) ? json_integer_value(bos) : -1;
    if (n > STOP_IDS_MAX) fail(r, "eos_token_id", "lists more than 32 tokens");
    for (size_t i = 0; i < n && i < STOP_IDS_MAX; i++) {
        const json_t *j = json_is_array(eos) ? json_array_get(eos, i) : eos;
        if (!json_is_integer(j)) fail(r, "eos_token_id", "is not a token number, nor a list of them");
        else c->eos[c->eos_count++] = json_integer_value(j);
    }
}

static bool find_family(reader *r, const llm_arch **arch) {
    bool inner = r->text != r->top;
    const char *outer = text_in(r, r->top, "model_type", ""), *type = text_in(r, r->text, "model_type", outer);
    if (inner && !strcmp(type, "gemma3")) type = "gemma3_text"; /* older files name it only on the outside */
    for (int i = 0; i < FAMILY_COUNT; i++)
        if (!strcmp(type, families[i].model_type)) r->family = &families[i];
    *arch = r->family ? llm_arch_find_hf(str_from(type)) : NULL;
    if (*arch || r->failed) return !r->failed;
    strbuf names = {0};
    for (int i = 0; i < FAMILY_COUNT; i++) strbuf_addf(&names, "%s%s", i ? ", " : "", families[i].model_type);
    diag_error(r->d, "%s: model_type '%s' is not supported; these are: %s", r->name, hf_show(str_from(type)).text,
               names.data ? names.data : "");
    strbuf_free(&names);
    return false;
}

static bool read_all(reader *r, hf_config *c) {
    refuse_quantized(r); /* first: such files may also have other model types */
    if (r->failed || !find_family(r, &c->model.arch)) return false;
    check_head(r);
    refuse_variants(r);
    check_activation(r, c->model.arch);
    read_sizes(r, &c->model);
    if (r->failed) return false; /* layers are counted from here on */
    read_scales(r, &c->model);
    read_rope(r, &c->model);
    read_window(r, &c->model);
    read_ids(r, c);
    c->tied = flag(r, "tie_word_embeddings", r->family->tied) || c->model.arch->tied;
    c->attention_bias = flag(r, "attention_bias", false);
    c->mlp_bias = flag(r, "mlp_bias", false);
    return !r->failed;
}

bool hf_config_read(hf_config *c, const char *name, str json, diag *d) {
    *c = (hf_config){.bos = -1};
    json_t *top = hf_json(name, json, d);
    if (!top) return false;
    const json_t *text = get_in(top, "text_config");
    reader r = {.top = top, .text = json_is_object(text) ? text : top, .name = name, .d = d};
    bool ok = read_all(&r, c);
    json_decref(top);
    return ok;
}
