/* A loaded model description: configuration, tensors, vocabulary. No weights are in memory; tensors say where their
 * bytes are.
 *
 *     llm_model *m = llm_model_open("model.gguf", d);     // GGUF file (split or not), or a folder with safetensors
 *     ...
 *     llm_model_free(m);
 *
 * Immutable after opening; any number of models may be open at once, any number of threads may read one.
 */
#ifndef INGOT_LLM_MODEL_H
#define INGOT_LLM_MODEL_H
#include "base/file.h"
#include "llm/arch.h"
#include "llm/tokenizer.h"

/* What must be done to the stored values before they mean what the graph wants. */
typedef enum {
    TENSOR_AS_IS,
    TENSOR_PLUS_ONE,   /* safetensors of Gemma hold norm weights minus one */
    TENSOR_TRANSPOSED, /* safetensors of GPT-2 hold linear layers as [in, out] */
} tensor_form;

typedef struct {
    const char *name; /* GGUF spelling, "blk.3.attn_q.weight", whatever the container says */
    const dtype_info *type;
    uint64_t cols, rows; /* y[rows] = W[rows][cols] x[cols]; a vector has rows == 1. After `form` is applied. */
    uint64_t offset_bytes, size_bytes;
    uint32_t file; /* index into llm_model.files */
    tensor_form form;
} llm_tensor;

enum { LLM_LAYERS_MAX = 1024 };

typedef enum {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,
    ROPE_SCALING_LLAMA3,
    ROPE_SCALING_YARN,
    ROPE_SCALING_FACTORS
} rope_scaling;

/* Facts of one model. Sizes are in elements. */
typedef struct {
    const llm_arch *arch;
    uint32_t layers, width, heads, kv_heads, head_size, mlp_width, vocab, context; /* context: the trained maximum */
    float norm_eps, attn_scale, embed_scale;
    uint32_t window; /* tokens that a windowed layer sees; 0 = none */
    uint8_t windowed[LLM_LAYERS_MAX];
    rope_kind rope;
    uint32_t rope_dims;
    double rope_theta, rope_theta_windowed;
    rope_scaling scaling; /* of the layers that are not windowed, or of all when arch says so */
    double scaling_factor, scaling_low, scaling_high, scaling_beta_fast, scaling_beta_slow, scaling_attn_factor;
    uint32_t scaling_context;          /* the context before scaling */
    float attn_softcap, logit_softcap; /* 0 = none */
} llm_config;

/* One layer's tensors; NULL when the model has none. */
typedef struct {
    const llm_tensor *attn_norm, *attn_norm_b, *q, *k, *v, *qkv, *o, *q_b, *k_b, *v_b, *qkv_b, *o_b, *q_norm, *k_norm;
    const llm_tensor *attn_post_norm, *ffn_norm, *ffn_norm_b, *gate, *up, *down, *up_b, *down_b, *gate_b,
        *ffn_post_norm;
} llm_layer;

typedef struct llm_model {
    arena *memory;
    file *files;
    size_t file_count;
    const char *name, *path, *container; /* general.name or the file's; container: "GGUF v3", "safetensors" */
    llm_config config;
    llm_tensor *tensors;
    size_t tensor_count;
    map tensor_index; /* by name */
    const llm_tensor *embed, *positions, *output_norm, *output_norm_b, *output,
        *rope_freqs;   /* output == embed when tied */
    llm_layer *layers; /* [config.layers] */
    llm_vocab vocab;
    const char *label; /* e.g. "untrained, seeded" when the file says so; else NULL */
} llm_model;

llm_model *llm_model_open(const char *path, diag *d); /* NULL on failure */
void llm_model_free(llm_model *m);
const llm_tensor *llm_model_tensor(const llm_model *m, const char *name);
uint64_t llm_model_weight_bytes(const llm_model *m);
uint64_t llm_model_params(const llm_model *m);
#endif
