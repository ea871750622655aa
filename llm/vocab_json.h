/* Inside the reader of tokenizer.json: what vocab_json.c (tokens, merges, configs) and vocab_json_steps.c (the
 * pipeline) share. */
#ifndef INGOT_LLM_VOCAB_JSON_H
#define INGOT_LLM_VOCAB_JSON_H
#include "llm/tok_internal.h"
#include <jansson.h>

typedef struct {
    llm_vocab *v;
    arena *a;
    const char *name;
    diag *d;
    bool byte_level, metaspace; /* which alphabet the steps ask for */
    bool escapes_spaces;        /* a normalizer already writes spaces as U+2581 */
    int32_t template_bos, template_eos;
} json_reader;

str json_text(const json_t *value);                            /* empty when it is no string */
bool json_keep(json_reader *r, const json_t *value, str *out); /* a string into the arena */
int32_t json_token_id(const json_reader *r, str token);        /* -1 when the vocabulary has no such token */
/* "NAME: tokenizer.json: WHAT 'TYPE' is not supported" */
bool json_refuse(json_reader *r, const char *what, const json_t *type);

/* normalizer, pre_tokenizer, decoder, and post_processor (which needs the tokens first). */
bool json_read_steps(json_reader *r, const json_t *root);
bool json_read_post_processor(json_reader *r, const json_t *root);
#endif
