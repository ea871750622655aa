/* Between the loaders of the containers and model.c. */
#ifndef INGOT_LLM_MODEL_INTERNAL_H
#define INGOT_LLM_MODEL_INTERNAL_H
#include "llm/model.h"

/* Loaders fill config, files, tensors, tensor_index, vocab, name and container of an empty model. They may replace m->memory
 * while nothing points into it. */
bool model_load_gguf(llm_model *m, const char *path, diag *d);
bool model_load_hf(llm_model *m, const char *path, diag *d);   /* folder, *.safetensors or *.index.json */

/* Resolves the tensors by name and checks every shape and hyper-parameter; after it, the graph may trust the model. */
bool model_bind(llm_model *m, diag *d);

/* Adds an open file; the model closes it. */
bool model_add_file(llm_model *m, const char *path, diag *d);
#endif
