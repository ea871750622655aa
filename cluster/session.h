/* A session: one model, its weights and its engine, ready to continue texts.
 *
 *     session s;
 *     if (session_open(&s, &options, d) && session_prompt(&s, "", "Why is the sky blue?", false, &ids, d))
 *         session_generate(&s, &ids, &how, &result, d);
 *     session_close(&s);
 *
 * Any number of sessions may be open in one process; nothing is shared between them.
 */
#ifndef INGOT_CLUSTER_SESSION_H
#define INGOT_CLUSTER_SESSION_H
#include "cluster/memoryx.h"
#include "cluster/wafer.h"
#include "llm/native.h"
#include "llm/ref.h"
#include "llm/sample.h"

typedef enum { ENGINE_NATIVE, ENGINE_ORACLE, ENGINE_WAFER } session_engine;

typedef struct {
    const char *model_path;
    session_engine engine;
    int threads;     /* 0 = all CPUs; of the wafer's simulator, too */
    uint32_t layers; /* only the first so many, then the head; 0 = all */
    native_options native; /* the oracle takes its context from here */
    wafer_options wafer;   /* threads are those above */
    memoryx_progress hashing; /* of the model's first opening */
} session_options;

typedef struct {
    llm_model *model;
    llm_store *store;
    pool *threads;
    native *native; /* two of the three are NULL */
    ref *oracle;
    wafer *wafer;
    tokenizer *tokens;
    float *logits;          /* [vocab] */
    uint32_t context, used; /* tokens */
    double load_seconds;
} session;

bool session_open(session *s, const session_options *o, diag *d); /* on failure everything is closed again */
void session_close(session *s);                                   /* all-zero is fine */

/* Token ids of a user's text: through the model's chat template when it has one and `raw` is false (`system` may be
 * NULL). */
bool session_prompt(session *s, const char *system, str text, bool raw, token_list *out, diag *d);

typedef struct {
    sample_options sample;
    uint32_t tokens_max;               /* at most; the context's end is another bound */
    bool ignore_stop;                  /* go on after end-of-text tokens */
    void (*emit)(void *arg, str text); /* text as it comes, whole UTF-8 characters; may be NULL */
    void *arg;
    /* May be NULL: sees the logits behind the tokens `ids` that were just added. False ends the text as an error. */
    bool (*look)(void *arg, const int32_t *ids, size_t count, const float *logits, diag *d);
    void *look_arg;
} generate_options;

typedef enum { STOPPED_BY_TOKEN, STOPPED_BY_LENGTH, STOPPED_BY_CONTEXT } stop_reason;

typedef struct {
    token_list tokens; /* generated, without the stop token; free with token_list_free */
    stop_reason stop;
    size_t prompt_tokens;
    double prompt_seconds, decode_seconds; /* until the first token; all that follow */
} generation;

/* Continues the session's context by the prompt and then by what the model says. */
bool session_generate(session *s, const token_list *prompt, const generate_options *o, generation *out, diag *d);
const char *stop_reason_text(stop_reason r);
#endif
