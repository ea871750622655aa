/* What the readers of vocabularies share: tokens that end a text, and the checks before anybody indexes with an id. */
#include "llm/tok_internal.h"

/* Spelled like this, a token ends the model's turn, whatever the file's keys say (model-formats 8.6). */
static const char *const stop_names[] = {"<|eot_id|>",    "<|im_end|>",    "<|end|>",    "<|return|>",      "<|call|>",
                                         "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<|end_of_text|>", "<EOT>"};
enum { STOP_NAME_COUNT = sizeof stop_names / sizeof *stop_names };

tok_shown tok_show(str s) {
    tok_shown out = {{0}};
    size_t n = s.n < sizeof out.text - 4 ? s.n : sizeof out.text - 4;
    for (size_t i = 0; i < n; i++)
        out.text[i] = s.p[i] >= 0x20 && s.p[i] < 0x7F ? s.p[i] : '?';
    if (n < s.n)
        memcpy(out.text + n, "...", 4);
    return out;
}

void vocab_add_stop(llm_vocab *v, int64_t id) {
    if (id < 0 || (uint64_t)id >= v->count || v->stop_count == STOP_IDS_MAX)
        return;
    for (int i = 0; i < v->stop_count; i++)
        if (v->stop_ids[i] == id)
            return;
    v->stop_ids[v->stop_count++] = (int32_t)id;
}

/* In the harmony format (it has <|return|> and <|call|>) <|end|> only ends a message, and the next one follows. */
void vocab_add_named_stops(llm_vocab *v) {
    int64_t found[STOP_NAME_COUNT];
    for (int k = 0; k < STOP_NAME_COUNT; k++)
        found[k] = -1;
    for (size_t i = 0; i < v->count; i++)
        for (int k = 0; k < STOP_NAME_COUNT; k++)
            if (v->tokens[i].n && v->tokens[i].p[0] == '<' && str_is(v->tokens[i], stop_names[k]))
                found[k] = (int64_t)i;
    if (found[3] >= 0 && found[4] >= 0)
        found[2] = -1;
    for (int k = 0; k < STOP_NAME_COUNT; k++)
        vocab_add_stop(v, found[k]);
}

void vocab_mark_byte_tokens(llm_vocab *v) {
    for (size_t i = 0; i < v->count; i++)
        if (v->kinds[i] == TOKEN_NORMAL && byte_token_value(v->tokens[i]) >= 0)
            v->kinds[i] = TOKEN_BYTE;
}

static bool check_id(const llm_vocab *v, const char *name, const char *what, int32_t id, diag *d) {
    if (id < 0 || (size_t)id < v->count)
        return true;
    return diag_error(d, "%s: the %s token is %d, but there are only %zu tokens", name, what, id, v->count);
}

bool vocab_check(const llm_vocab *v, const char *name, diag *d) {
    if (!v->count || v->count >= INT32_MAX / 4)
        return diag_error(d, "%s: a vocabulary of %zu tokens", name, v->count);
    for (size_t i = 0; i < v->count; i++)
        if (v->kinds[i] == TOKEN_BYTE && byte_token_value(v->tokens[i]) < 0)
            return diag_error(d, "%s: token %zu is marked as a byte but is not spelled <0xHH>: '%s'", name, i,
                              tok_show(v->tokens[i]).text);
    return check_id(v, name, "begin-of-text", v->bos, d) && check_id(v, name, "end-of-text", v->eos, d) &&
           check_id(v, name, "unknown", v->unk, d) && check_id(v, name, "padding", v->pad, d);
}
