#include "llm/arch.h"

/* Sources: the families' published configurations and modelling notes, gathered in the format notes of the project
 * (GGUF keys and rope pairings: ggml-org/llama.cpp; safetensors: the transformers modelling code's documentation). */
static const llm_arch rows[] = {
    {.name = "llama",
     .hf_type = "llama",
     .norm = NORM_RMS,
     .act = ACT_SILU,
     .rope_gguf = ROPE_PAIRS,
     .rope_hf = ROPE_HALVES,
     .gated = true,
     .rope_theta = 10000},
    {.name = "qwen2",
     .hf_type = "qwen2",
     .norm = NORM_RMS,
     .act = ACT_SILU,
     .rope_gguf = ROPE_HALVES,
     .rope_hf = ROPE_HALVES,
     .gated = true,
     .qkv_bias = true,
     .rope_theta = 10000},
    {.name = "qwen3",
     .hf_type = "qwen3",
     .norm = NORM_RMS,
     .act = ACT_SILU,
     .rope_gguf = ROPE_HALVES,
     .rope_hf = ROPE_HALVES,
     .gated = true,
     .qk_norm = true,
     .rope_theta = 10000},
    {.name = "gemma3",
     .hf_type = "gemma3_text",
     .norm = NORM_RMS,
     .act = ACT_GELU_TANH,
     .rope_gguf = ROPE_HALVES,
     .rope_hf = ROPE_HALVES,
     .gated = true,
     .qk_norm = true,
     .post_norms = true,
     .embed_scaled = true,
     .norm_plus_one_hf = true,
     .window_period = 6,
     .window_rope = true,
     .rope_theta = 1e6,
     .rope_theta_windowed = 10000},
    {.name = "gpt2",
     .hf_type = "gpt2",
     .norm = NORM_LAYER,
     .act = ACT_GELU_TANH,
     .all_bias = true,
     .fused_qkv = true,
     .positions = true,
     .transposed_hf = true},
};

/* Other spellings of model_type that are the same graph. */
static const struct {
    const char *hf_type, *same_as;
} aliases[] = {{"mistral", "llama"}, {"smollm", "llama"}, {"gemma3", "gemma3_text"}};

const llm_arch *llm_arch_row(size_t i) { return i < sizeof rows / sizeof *rows ? &rows[i] : NULL; }

const llm_arch *llm_arch_find(str name) {
    for (size_t i = 0; llm_arch_row(i); i++)
        if (str_is(name, rows[i].name)) return &rows[i];
    return NULL;
}

const llm_arch *llm_arch_find_hf(str model_type) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (str_is(model_type, aliases[i].hf_type)) model_type = str_from(aliases[i].same_as);
    for (size_t i = 0; llm_arch_row(i); i++)
        if (str_is(model_type, rows[i].hf_type)) return &rows[i];
    return NULL;
}
