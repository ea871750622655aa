/* Shared by the readers of Hugging Face model folders: JSON from strangers, config.json, names of tensors. */
#ifndef INGOT_LLM_HF_INTERNAL_H
#define INGOT_LLM_HF_INTERNAL_H
#include "llm/model.h"
#include <jansson.h>

/* A JSON object; NULL and a message when it is anything else, damaged, or has a key twice. The caller gives it back
 * (json_decref). */
json_t *hf_json(const char *name, str text, diag *d);

/* Text from a file, cut short, with what a terminal could take for a command shown as '?'. */
typedef struct {
    char text[80];
} hf_shown;
hf_shown hf_show(str s);
hf_shown hf_show_json(const json_t *string);             /* "" when it is no string */

/* What config.json says beyond llm_config. */
typedef struct {
    llm_config model;
    bool tied;                    /* the output is the embedding; an lm_head in the file is not read */
    bool attention_bias, mlp_bias;
    int64_t bos;                  /* -1 = not said */
    int64_t eos[STOP_IDS_MAX];
    int eos_count;
} hf_config;

bool hf_config_read(hf_config *c, const char *name, str json, diag *d);

/* A tensor's name in checkpoints (inside its layer, without prefix) and in GGUF. */
typedef enum {
    HF_VECTOR,
    HF_MATRIX,
    HF_LINEAR,
    HF_NORM
} hf_kind; /* LINEAR: a matrix that GPT-2 stores the other way round */
typedef struct {
    const char *hf, *gguf;        /* gguf NULL: known, and of no use here */
    hf_kind kind;
    int when;
} hf_name;

const hf_name *hf_find_name(const hf_config *c, const char *name,
                            int32_t *layer); /* NULL: unknown. layer: -1 = in none */
const hf_name *hf_next_bias(const hf_config *c,
                            const hf_name *after); /* the biases that each layer must have; NULL ends */
#endif
