/* Any text through a byte-level tokenizer that can say every byte: the same bytes must come back, no control token may
 * appear unasked, and the stream must be the same however it is cut. The first byte chooses the pre-tokenizer. */
#include "llm/tok_internal.h"
#include <stdlib.h>

enum { CONTROL = 256, USER, PLAIN, TOKENS = PLAIN + 6 };
static const char *const more[] = {"<|x|>", "<u>", "aa", "aaaa", "<|", "\xC4\xA0t", "<|x", "|>"};
static str merges[] = {STR("a a"), STR("aa aa"), STR("< |"), STR("\xC4\xA0 t"), STR("<| x"), STR("| >"), STR("<|x |>")};
static const char *const pres[] = {"gpt-2",  "smollm", "llama-bpe",   "qwen2",
                                   "gpt-4o", "tekken", "deepseek-v3", "deepseek-llm"};

static tokenizer *make(llm_vocab *v, str tokens[TOKENS], char bytes[256][4], uint8_t kinds[TOKENS], uint8_t choice,
                       diag *d) {
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] =
            i < 256 ? (str){bytes[i], utf8_encode(byte_level_char((uint8_t)i), bytes[i])} : str_from(more[i - 256]);
        kinds[i] = i == CONTROL ? TOKEN_CONTROL : i == USER ? TOKEN_USER : TOKEN_NORMAL;
    }
    *v = (llm_vocab){.kind = VOCAB_BPE,
                     .count = TOKENS,
                     .tokens = tokens,
                     .kinds = kinds,
                     .bos = -1,
                     .eos = -1,
                     .unk = -1,
                     .pad = -1};
    v->merges = merges;
    v->merge_count = sizeof merges / sizeof *merges;
    pre_rules_set(v, str_from(pres[choice % (sizeof pres / sizeof *pres)]));
    return tokenizer_new(v, d);
}

/* The stream of all ids, and the stream of the ids with nothing-tokens between them. */
static void decode(const tokenizer *t, const token_list *ids, bool between, strbuf *out) {
    detok s = {0};
    for (size_t i = 0; i < ids->count; i++) {
        detok_push(t, &s, ids->ids[i], out);
        if (between)
            detok_push(t, &s, CONTROL, out);
    }
    detok_finish(&s, out);
}

static void check(const tokenizer *t, str text, diag *d) {
    token_list ids = {0};
    strbuf raw = {0}, once = {0}, again = {0};
    if (tokenizer_encode(t, text, 0, &ids, d)) {
        for (size_t i = 0; i < ids.count; i++) {
            if (ids.ids[i] == CONTROL)
                abort();
            tokenizer_bytes(t, ids.ids[i], true, &raw);
        }
        decode(t, &ids, false, &once);
        decode(t, &ids, true, &again);
        uint32_t c;
        for (size_t i = 0, n; i < once.len; i += n)
            if (!(n = utf8_decode(strbuf_str(&once), i, &c)))
                abort();
        if (!raw.oom && !once.oom && !again.oom &&
            (!str_eq(strbuf_str(&raw), text) || !str_eq(strbuf_str(&once), strbuf_str(&again))))
            abort();
    }
    ids.count = 0;
    tokenizer_encode(t, text, TOK_PARSE_SPECIAL | TOK_ADD_SPECIAL, &ids, d);
    token_list_free(&ids);
    strbuf_free(&raw);
    strbuf_free(&once);
    strbuf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    str tokens[TOKENS];
    char bytes[256][4];
    uint8_t kinds[TOKENS];
    llm_vocab v;
    diag *d = diag_new();
    tokenizer *t = d && len ? make(&v, tokens, bytes, kinds, data[0], d) : NULL;
    if (t)
        check(t, (str){(const char *)data + 1, len - 1}, d);
    tokenizer_free(t);
    diag_free(d);
    return 0;
}
