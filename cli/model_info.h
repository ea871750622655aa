/* What a model file holds, for people and for programs. */
#ifndef INGOT_CLI_MODEL_INFO_H
#define INGOT_CLI_MODEL_INFO_H
#include "llm/model.h"
#include <stdio.h>

void model_info_print(const llm_model *m, bool tensors, FILE *out);
bool model_info_json(const llm_model *m, bool tensors, strbuf *out);     /* false when memory ended */
#endif
