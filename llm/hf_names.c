/* The names that tensors have in checkpoints, one row each, and GGUF's names for them. Where families use one name for
 * two things (post_attention_layernorm), or a tensor counts only when config.json says so (biases), the row says when
 * it applies.
 */
#include "llm/hf_internal.h"

/* When a row applies. */
enum { ALWAYS, UNTIED, PLAIN, POST_NORMS, QK_NORMS, QKV_BIAS, O_BIAS, MLP_BIAS, GATED, FUSED };

static const hf_name model_rows[] = {
    {"embed_tokens.weight", "token_embd.weight", HF_MATRIX, ALWAYS},
    {"norm.weight", "output_norm.weight", HF_NORM, ALWAYS},
    {"lm_head.weight", "output.weight", HF_MATRIX, UNTIED},
    {"lm_head.weight", NULL, HF_MATRIX, ALWAYS},
    {"rotary_emb.inv_freq", NULL, HF_VECTOR, ALWAYS},
    {"wte.weight", "token_embd.weight", HF_MATRIX, FUSED},
    {"wpe.weight", "position_embd.weight", HF_MATRIX, FUSED},
    {"ln_f.weight", "output_norm.weight", HF_NORM, FUSED},
    {"ln_f.bias", "output_norm.bias", HF_VECTOR, FUSED},
};

static const hf_name layer_rows[] = {
    {"input_layernorm.weight", "attn_norm.weight", HF_NORM, ALWAYS},
    {"self_attn.q_proj.weight", "attn_q.weight", HF_MATRIX, ALWAYS},
    {"self_attn.k_proj.weight", "attn_k.weight", HF_MATRIX, ALWAYS},
    {"self_attn.v_proj.weight", "attn_v.weight", HF_MATRIX, ALWAYS},
    {"self_attn.o_proj.weight", "attn_output.weight", HF_MATRIX, ALWAYS},
    {"self_attn.q_proj.bias", "attn_q.bias", HF_VECTOR, QKV_BIAS},
    {"self_attn.k_proj.bias", "attn_k.bias", HF_VECTOR, QKV_BIAS},
    {"self_attn.v_proj.bias", "attn_v.bias", HF_VECTOR, QKV_BIAS},
    {"self_attn.o_proj.bias", "attn_output.bias", HF_VECTOR, O_BIAS},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", HF_NORM, QK_NORMS},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", HF_NORM, QK_NORMS},
    {"post_attention_layernorm.weight", "ffn_norm.weight", HF_NORM, PLAIN},
    {"post_attention_layernorm.weight", "post_attention_norm.weight", HF_NORM, POST_NORMS},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight", HF_NORM, POST_NORMS},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight", HF_NORM, POST_NORMS},
    {"mlp.gate_proj.weight", "ffn_gate.weight", HF_MATRIX, GATED},
    {"mlp.up_proj.weight", "ffn_up.weight", HF_MATRIX, GATED},
    {"mlp.down_proj.weight", "ffn_down.weight", HF_MATRIX, GATED},
    {"mlp.gate_proj.bias", "ffn_gate.bias", HF_VECTOR, MLP_BIAS},
    {"mlp.up_proj.bias", "ffn_up.bias", HF_VECTOR, MLP_BIAS},
    {"mlp.down_proj.bias", "ffn_down.bias", HF_VECTOR, MLP_BIAS},
    {"self_attn.rotary_emb.inv_freq", NULL, HF_VECTOR, ALWAYS},
    {"ln_1.weight", "attn_norm.weight", HF_NORM, FUSED},
    {"ln_1.bias", "attn_norm.bias", HF_VECTOR, FUSED},
    {"attn.c_attn.weight", "attn_qkv.weight", HF_LINEAR, FUSED},
    {"attn.c_attn.bias", "attn_qkv.bias", HF_VECTOR, FUSED},
    {"attn.c_proj.weight", "attn_output.weight", HF_LINEAR, FUSED},
    {"attn.c_proj.bias", "attn_output.bias", HF_VECTOR, FUSED},
    {"ln_2.weight", "ffn_norm.weight", HF_NORM, FUSED},
    {"ln_2.bias", "ffn_norm.bias", HF_VECTOR, FUSED},
    {"mlp.c_fc.weight", "ffn_up.weight", HF_LINEAR, FUSED},
    {"mlp.c_fc.bias", "ffn_up.bias", HF_VECTOR, FUSED},
    {"mlp.c_proj.weight", "ffn_down.weight", HF_LINEAR, FUSED},
    {"mlp.c_proj.bias", "ffn_down.bias", HF_VECTOR, FUSED},
    {"attn.bias", NULL, HF_VECTOR, FUSED},        /* constant causal masks */
    {"attn.masked_bias", NULL, HF_VECTOR, FUSED},
};
enum { MODEL_ROWS = sizeof model_rows / sizeof *model_rows, LAYER_ROWS = sizeof layer_rows / sizeof *layer_rows };

static bool holds(const hf_config *c, int when) {
    const llm_arch *a = c->model.arch;
    switch (when) {
    case ALWAYS: return true;
    case UNTIED: return !c->tied;
    case PLAIN: return !a->post_norms;
    case POST_NORMS: return a->post_norms;
    case QK_NORMS: return a->qk_norm;
    case QKV_BIAS: return a->qkv_bias || c->attention_bias;
    case O_BIAS: return c->attention_bias && !a->qkv_bias; /* Qwen2 has biases on q, k and v alone */
    case MLP_BIAS: return c->mlp_bias;
    case GATED: return a->gated;
    case FUSED: return a->fused_qkv;
    }
    return false;
}

static const hf_name *find_row(const hf_config *c, const hf_name *rows, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].hf, name) && holds(c, rows[i].when)) return &rows[i];
    return NULL;
}

/* The body's place inside the checkpoint: bare, inside a language model, or inside a multimodal one. */
static const char *skip_prefix(const char *name) {
    static const char *const prefixes[] = {"model.language_model.", "language_model.model.", "language_model.",
                                           "model.", "transformer."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) return name + strlen(prefixes[i]);
    return name;
}

/* "layers.12.mlp..." -> 12 and "mlp...". */
static const char *skip_layer(const char *name, uint32_t layers, uint32_t *layer) {
    const char *p = !strncmp(name, "layers.", 7) ? name + 7 : !strncmp(name, "h.", 2) ? name + 2 : NULL;
    uint32_t n = 0;
    if (!p || *p < '0' || *p > '9' || (p[0] == '0' && p[1] != '.')) return NULL;
    while (*p >= '0' && *p <= '9' && n < layers) n = n * 10 + (uint32_t)(*p++ - '0');
    *layer = n;
    return *p == '.' && n < layers ? p + 1 : NULL;
}

const hf_name *hf_find_name(const hf_config *c, const char *name, int32_t *layer) {
    uint32_t n;
    const char *bare = skip_prefix(name), *inner = skip_layer(bare, c->model.layers, &n);
    *layer = inner ? (int32_t)n : -1;
    return inner ? find_row(c, layer_rows, LAYER_ROWS, inner) : find_row(c, model_rows, MODEL_ROWS, bare);
}

const hf_name *hf_next_bias(const hf_config *c, const hf_name *after) {
    for (const hf_name *row = after ? after + 1 : layer_rows; row < layer_rows + LAYER_ROWS; row++)
        if ((row->when == QKV_BIAS || row->when == O_BIAS || row->when == MLP_BIAS) && holds(c, row->when)) return row;
    return NULL;
}
