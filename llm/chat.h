/* Chat templates: a list of messages becomes the model's prompt text.
 *
 * A model's own Jinja template is interpreted (the subset that templates of language models use, with transformers' settings:
 * trim_blocks and lstrip_blocks on). A template is untrusted code from a download: it sees only the inputs below, and its
 * size, steps, depth and output are bounded. Models without one can name a built-in form.
 *
 * Text of messages must not be able to forge control tokens: the result is a list of parts, each marked as template text
 * (control tokens are parsed) or user text (they are not).
 */
#ifndef INGOT_LLM_CHAT_H
#define INGOT_LLM_CHAT_H
#include "base/arena.h"
#include "base/diag.h"

typedef struct {
    str role, content;       /* role: "system", "user", "assistant", "tool" */
} chat_message;

typedef struct {
    str text;
    bool from_message;       /* true: came from a message's content; control tokens in it are plain text */
} chat_part;

typedef struct {
    chat_part *parts;
    size_t count;
} chat_prompt;

typedef struct {
    str bos_token, eos_token;
    bool add_generation_prompt;
    const char *date;        /* for strftime_now, "2026-11-22"; NULL = none (strftime_now is then an error) */
} chat_options;

/* Results live in `a`. `template_source` is Jinja, or "builtin:NAME" (chat_builtin_names). `o` may be NULL. A role other
 * than system, developer, user, assistant, tool, function and ipython counts as text from a message. */
bool chat_render(arena *a, str template_source, const chat_message *messages, size_t count, const chat_options *o,
                 chat_prompt *out, diag *d);
str chat_prompt_text(arena *a, const chat_prompt *p);    /* the parts joined */
const char *const *chat_builtin_names(void);             /* NULL-terminated: chatml, llama-3, gemma, llama-2, mistral, ... */
#endif
