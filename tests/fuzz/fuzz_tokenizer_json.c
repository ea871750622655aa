/* tokenizer.json on any bytes, and the tokenizer it describes on the same bytes. */
#include "llm/tokenizer.h"

static void use(const llm_vocab *v, str text, diag *d) {
    tokenizer *t = tokenizer_new(v, d);
    token_list ids = {0};
    strbuf out = {0};
    detok s = {0};
    if (t && tokenizer_encode(t, text, TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &ids, d))
        for (size_t i = 0; i < ids.count; i++)
            detok_push(t, &s, ids.ids[i], &out);
    detok_finish(&s, &out);
    strbuf_free(&out);
    token_list_free(&ids);
    tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    str text = {(const char *)data, len};
    arena *a = arena_new(0);
    diag *d = diag_new();
    llm_vocab v;
    if (a && d && vocab_from_json(&v, a, "fuzz", text, (str){0}, (str){0}, (str){0}, d))
        use(&v, (str){text.p, len < 200 ? len : 200}, d);
    if (a && d)
        vocab_from_json(&v, a, "fuzz", STR("{}"), text, text, (str){0}, d);
    diag_free(d);
    arena_free(a);
    return 0;
}
