/* Vocabulary from a GGUF file's tokenizer.ggml.* keys (model-formats 8.1). Models `llama` and `gpt2`; others are
 * refused by name. */
#include "llm/tok_internal.h"

typedef struct {
    llm_vocab *v;
    arena *a;
    const char *name;
    const gguf *g;
    diag *d;
} reader;

static bool get_string(const reader *r, const char *key, str *out) {
    return gguf_get_str(gguf_find(r->g, key), 0, out);
}

static const gguf_kv *find_array(const reader *r, const char *key) {
    const gguf_kv *kv = gguf_find(r->g, key);
    return kv && kv->is_array ? kv : NULL;
}

/* An array that must have one element per token; absent is fine. */
static bool find_per_token(const reader *r, const char *key, const gguf_kv **out) {
    *out = find_array(r, key);
    if (!*out || (*out)->count == r->v->count)
        return true;
    return diag_error(r->d, "%s: %s has %llu entries for %zu tokens; convert the model again", r->name, key,
                      (unsigned long long)(*out)->count, r->v->count);
}

static bool read_tokens(const reader *r) {
    const gguf_kv *kv = find_array(r, "tokenizer.ggml.tokens");
    if (!kv || kv->type != GGUF_STRING || !kv->count)
        return diag_error(r->d, "%s: no tokenizer.ggml.tokens; the file has no vocabulary", r->name);
    r->v->count = kv->count;
    r->v->tokens = kv->strings;
    return true;
}

static bool read_scores(const reader *r) {
    const gguf_kv *kv;
    if (!find_per_token(r, "tokenizer.ggml.scores", &kv))
        return false;
    if (!kv)
        return true;
    if (!(r->v->scores = arena_push_n(r->a, float, r->v->count)))
        return diag_oom(r->d, "token scores");
    for (size_t i = 0; i < r->v->count; i++) {
        double score;
        if (!gguf_get_f64(kv, i, &score))
            return diag_error(r->d, "%s: tokenizer.ggml.scores holds no numbers", r->name);
        r->v->scores[i] = (float)score;
    }
    return true;
}

static bool read_kinds(const reader *r) {
    const gguf_kv *kv;
    if (!find_per_token(r, "tokenizer.ggml.token_type", &kv))
        return false;
    if (!(r->v->kinds = arena_push_n(r->a, uint8_t, r->v->count)))
        return diag_oom(r->d, "token types");
    for (size_t i = 0; i < r->v->count; i++) {
        int64_t kind;
        r->v->kinds[i] = kv && gguf_get_i64(kv, i, &kind) && kind >= TOKEN_NORMAL && kind <= TOKEN_BYTE ? (uint8_t)kind
                                                                                                        : TOKEN_NORMAL;
    }
    if (!kv && r->v->kind == VOCAB_SPM)
        vocab_mark_byte_tokens(r->v);
    return true;
}

static bool read_merges(const reader *r) {
    const gguf_kv *kv = find_array(r, "tokenizer.ggml.merges");
    if (!kv || kv->type != GGUF_STRING)
        return diag_error(r->d, "%s: no tokenizer.ggml.merges, which model 'gpt2' needs; convert the model again",
                          r->name);
    r->v->merges = kv->strings;
    r->v->merge_count = kv->count;
    return true;
}

/* A special id; absent leaves the default, and -1 (or 2^32 - 1, as some converters write it) means none. */
static bool read_id(const reader *r, const char *key, int32_t *id) {
    int64_t value;
    const gguf_kv *kv = gguf_find(r->g, key);
    if (!kv)
        return true;
    if (!gguf_get_i64(kv, 0, &value) || value < -1 || (value >= (int64_t)r->v->count && value != UINT32_MAX))
        return diag_error(r->d, "%s: %s is not the id of one of the %zu tokens", r->name, key, r->v->count);
    *id = value == UINT32_MAX ? -1 : (int32_t)value;
    return true;
}

/* What files may leave out. Old byte-level files mean 11 (Falcon's <|endoftext|>), but only where 11 is a control
 * token. */
static void default_ids(llm_vocab *v) {
    bool spm = v->kind == VOCAB_SPM, falcon = !spm && v->count > 11 && v->kinds[11] == TOKEN_CONTROL;
    v->bos = spm && v->count > 1 ? 1 : falcon ? 11 : -1;
    v->eos = spm && v->count > 2 ? 2 : falcon ? 11 : -1;
    v->unk = spm ? 0 : -1;
    v->pad = -1;
}

static bool read_ids(const reader *r) {
    llm_vocab *v = r->v;
    int32_t eot = -1, eom = -1;
    default_ids(v);
    bool ok = read_id(r, "tokenizer.ggml.bos_token_id", &v->bos) &&
              read_id(r, "tokenizer.ggml.eos_token_id", &v->eos) &&
              read_id(r, "tokenizer.ggml.unknown_token_id", &v->unk) &&
              read_id(r, "tokenizer.ggml.padding_token_id", &v->pad) &&
              read_id(r, "tokenizer.ggml.eot_token_id", &eot) && read_id(r, "tokenizer.ggml.eom_token_id", &eom);
    vocab_add_stop(v, v->eos);
    vocab_add_stop(v, eot);
    vocab_add_stop(v, eom);
    return ok;
}

static void read_flags(const reader *r) {
    llm_vocab *v = r->v;
    gguf_get_bool(gguf_find(r->g, "tokenizer.ggml.add_bos_token"), 0, &v->add_bos);
    gguf_get_bool(gguf_find(r->g, "tokenizer.ggml.add_eos_token"), 0, &v->add_eos);
    if (v->kind == VOCAB_SPM)
        gguf_get_bool(gguf_find(r->g, "tokenizer.ggml.add_space_prefix"), 0, &v->add_space_prefix);
    get_string(r, "tokenizer.chat_template", &v->chat_template);
}

static bool read_pre(const reader *r) {
    str pre = {0};
    get_string(r, "tokenizer.ggml.pre", &pre);
    if (!pre_rules_set(r->v, pre))
        diag_warn(r->d,
                  "%s: pre-tokenizer '%s' is not known; text is cut as GPT-2 does, with single digits, which can cost "
                  "quality: convert the model with a newer tool",
                  r->name, tok_show(pre).text);
    return (r->v->pre = arena_strndup(r->a, pre.n ? pre.p : "", pre.n)) || diag_oom(r->d, "tokenizer");
}

static bool read_model(const reader *r) {
    str model = {0};
    llm_vocab *v = r->v;
    if (!get_string(r, "tokenizer.ggml.model", &model))
        return diag_error(r->d, "%s: no tokenizer.ggml.model", r->name);
    if (str_is(model, "gpt2")) {
        v->kind = VOCAB_BPE;
        return read_pre(r);
    }
    if (!str_is(model, "llama"))
        return diag_error(r->d, "%s: tokenizer model '%s' is not supported (supported: llama, gpt2)", r->name,
                          tok_show(model).text);
    v->kind = VOCAB_SPM;
    v->pre = "llama";
    v->add_bos = v->add_space_prefix = v->unk_for_missing = true;
    return true;
}

bool vocab_from_gguf(llm_vocab *v, arena *a, const char *name, const gguf *g, diag *d) {
    *v = (llm_vocab){0};
    reader r = {v, a, name, g, d};
    if (!read_model(&r) || !read_tokens(&r) || !read_kinds(&r) || !read_ids(&r))
        return false;
    if (!(v->kind == VOCAB_BPE ? read_merges(&r) : read_scores(&r)))
        return false;
    read_flags(&r);
    vocab_add_named_stops(v);
    return vocab_check(v, name, d);
}
