/* Architectures: one row of facts each (arch.c). What differs between families is data here, never an `if` on a name. */
#ifndef INGOT_LLM_ARCH_H
#define INGOT_LLM_ARCH_H
#include "base/str.h"

typedef enum { ROPE_NONE, ROPE_PAIRS, ROPE_HALVES } rope_kind; /* pair i = (2i, 2i+1), or (i, i + n/2) */
typedef enum { NORM_RMS, NORM_LAYER } norm_kind;
typedef enum { ACT_SILU, ACT_GELU_TANH } act_kind;

typedef struct {
    const char *name;             /* general.architecture in GGUF */
    const char *hf_type;          /* model_type in config.json */
    norm_kind norm;
    act_kind act;
    rope_kind rope_gguf;          /* pairing in GGUF files: the converter permutes q and k of some families */
    rope_kind rope_hf;            /* pairing in safetensors */
    bool gated;                   /* MLP is down(act(gate(x)) * up(x)); otherwise down(act(up(x))) */
    bool qk_norm;                 /* RMS norm over each head of q and k, before RoPE */
    bool post_norms;              /* norms after attention and MLP, before the residual adds */
    bool qkv_bias;                /* biases on q, k, v are required */
    bool all_bias;                /* biases on every linear layer and norm (GPT-2) */
    bool fused_qkv;               /* one attn_qkv tensor */
    bool positions;               /* learned position embeddings */
    bool embed_scaled;            /* embeddings are multiplied by sqrt(width) */
    bool norm_plus_one_hf;        /* safetensors store norm weights minus one */
    bool transposed_hf;           /* safetensors store linear layers as [in, out] */
    bool tied;                    /* the output is always the embedding */
    uint32_t window_period;       /* every n-th layer sees everything, the others a window; 0 = all layers alike */
    double rope_theta, rope_theta_windowed; /* defaults when the file does not say */
    bool window_rope;             /* windowed layers have a theta of their own and no scaling */
} llm_arch;

const llm_arch *llm_arch_find(str name);                  /* by GGUF name; NULL when unknown */
const llm_arch *llm_arch_find_hf(str model_type);
const llm_arch *llm_arch_row(size_t i);                   /* NULL after the last */
#endif
