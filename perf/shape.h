/* The shape of a model: what a predictor needs of it, from facts of its configuration alone.
 *
 *     perf_shape s;
 *     perf_shape_load(&s, a, "llama-3.1-70b", d);        // data/models/NAME.json, a config.json, a GGUF file, a folder
 *     double bytes = perf_shape_weight_bytes(&s, 16);    // at 16 bits each
 *
 * Fields carry the sense of the keys of Hugging Face's config.json; a preset is those keys with a name and a source. Families
 * that the engine cannot run (mixture of experts, latent attention) are shapes like any other. Norms, biases and router weights
 * beside the large matrices are counted where they are matrices, not where they are vectors.
 */
#ifndef INGOT_PERF_SHAPE_H
#define INGOT_PERF_SHAPE_H
#include "base/arena.h"
#include "base/diag.h"

typedef struct {
    const char *name, *title, *source;    /* source: of the facts */
    uint32_t layers, width, heads, kv_heads, head_size, vocab, context;
    uint32_t mlp_width;                   /* of layers without experts */
    bool gated, tied;
    /* attention: windowed layers see the last `window` tokens only */
    uint32_t window, windowed_layers;
    /* latent attention (MLA) when kv_lora > 0: one latent of kv_lora + rope_dims per token serves all heads */
    uint32_t q_lora, kv_lora, rope_dims, nope_dims, value_dims;
    /* experts, in moe_layers of the layers */
    uint32_t moe_layers, experts, experts_per_token, expert_width, shared_width;
    double stated_params, stated_active;  /* what its makers say; 0 = nothing */
    double weight_bits;                   /* as it is published or stored, average; 16 when not said */
    const char *format;                   /* row of perf/format.h that it is published in; NULL = 16 bits or a file's own mix */
} perf_shape;

bool perf_shape_load(perf_shape *s, arena *a, const char *model, diag *d);
/* A preset or a bare config.json: told apart by the member "config". */
bool perf_shape_parse(perf_shape *s, arena *a, const char *file, str json, diag *d);

/* Of an open model; weight_bits is what its tensors come to. */
struct llm_model;
bool perf_shape_of(perf_shape *s, arena *a, const struct llm_model *m, diag *d);

double perf_shape_params(const perf_shape *s);        /* all weights */
double perf_shape_active(const perf_shape *s);        /* those that one token meets; the embedding is a row */
double perf_shape_layer_params(const perf_shape *s, bool moe);  /* of one layer */
double perf_shape_kv_elems(const perf_shape *s);      /* of one token, over all layers, windows not considered */
double perf_shape_kv_tokens(const perf_shape *s, double context); /* mean over layers of tokens kept: windows considered */
#endif
