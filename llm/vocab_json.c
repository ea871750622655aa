/* Vocabulary from a Hugging Face tokenizer.json, with the small files beside it (model-formats 8.5).
 *
 * Read: BPE models with ByteLevel, or with U+2581 for spaces and <0xHH> byte tokens (then merges by rank stand in a
 * VOCAB_SPM). Left out, with a refusal that names it: Unigram and WordPiece models, word suffixes, single_word
 * tokens. Added tokens are looked for in the text as given, also those marked `normalized`.
 */
#include "llm/vocab_json.h"

enum { SPARE_IDS_MAX = 65536 }; /* ids without a token that a vocabulary may have, besides as many as it has tokens */

str json_text(const json_t *value) {
    return json_is_string(value) ? (str){json_string_value(value), json_string_length(value)} : (str){0};
}

bool json_keep(json_reader *r, const json_t *value, str *out) {
    str s = json_text(value);
    *out = (str){arena_strndup(r->a, s.p ? s.p : "", s.n), s.n};
    return out->p || diag_oom(r->d, "tokenizer.json");
}

bool json_refuse(json_reader *r, const char *what, const json_t *type) {
    return diag_error(r->d, "%s: tokenizer.json: %s '%s' is not supported", r->name, what,
                      tok_show(json_text(type)).text);
}

int32_t json_token_id(const json_reader *r, str token) {
    for (size_t i = 0; token.n && i < r->v->count; i++)
        if (str_eq(r->v->tokens[i], token))
            return (int32_t)i;
    return -1;
}

/* ---- tokens ---- */

static bool widen(json_reader *r, const json_t *id, json_int_t *count) {
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || value >= INT32_MAX / 4)
        return diag_error(r->d, "%s: tokenizer.json: a token id is not a whole number from 0", r->name);
    if (value >= *count)
        *count = value + 1;
    return true;
}

static bool size_tokens(json_reader *r, const json_t *vocab, const json_t *added) {
    const char *key;
    const json_t *id, *token;
    size_t i, given = json_object_size(vocab) + json_array_size(added);
    json_int_t count = 0;
    json_object_foreach((json_t *)vocab, key, id) if (!widen(r, id, &count)) return false;
    json_array_foreach(added, i, token) if (!widen(r, json_object_get(token, "id"), &count)) return false;
    if ((size_t)count > 2 * given + SPARE_IDS_MAX)
        return diag_error(r->d, "%s: tokenizer.json: token id %lld, with only %zu tokens", r->name,
                          (long long)count - 1, given);
    r->v->count = (size_t)count;
    r->v->tokens = arena_push_n(r->a, str, r->v->count);
    r->v->kinds = arena_push_n(r->a, uint8_t, r->v->count);
    r->v->strips = arena_push_n(r->a, uint8_t, r->v->count);
    if (!r->v->tokens || !r->v->kinds || !r->v->strips)
        return diag_oom(r->d, "tokenizer.json");
    memset(r->v->kinds, TOKEN_UNUSED, r->v->count);
    return true;
}

static bool read_tokens(json_reader *r, const json_t *vocab) {
    const char *key;
    const json_t *id;
    json_object_foreach((json_t *)vocab, key, id) {
        size_t i = (size_t)json_integer_value(id);
        if (r->v->tokens[i].p)
            return diag_error(r->d, "%s: tokenizer.json: two tokens have the id %zu", r->name, i);
        char *copy = arena_strdup(r->a, key);
        if (!copy)
            return diag_oom(r->d, "tokenizer.json");
        r->v->tokens[i] = str_from(copy);
        r->v->kinds[i] = TOKEN_NORMAL;
    }
    return true;
}

static bool read_added(json_reader *r, const json_t *added) {
    const json_t *token;
    size_t i;
    json_array_foreach(added, i, token) {
        size_t id = (size_t)json_integer_value(json_object_get(token, "id"));
        if (json_is_true(json_object_get(token, "single_word")))
            return json_refuse(r, "single_word of the added token", json_object_get(token, "content"));
        if (!json_keep(r, json_object_get(token, "content"), &r->v->tokens[id]))
            return false;
        r->v->kinds[id] = json_is_true(json_object_get(token, "special")) ? TOKEN_CONTROL : TOKEN_USER;
        r->v->strips[id] = (uint8_t)((json_is_true(json_object_get(token, "lstrip")) ? STRIP_LEFT : 0) |
                                     (json_is_true(json_object_get(token, "rstrip")) ? STRIP_RIGHT : 0));
    }
    return true;
}

/* ---- merges ---- */

/* "left right", or ["left", "right"] in newer files; no supported alphabet has a space in a token. */
static bool read_merge(json_reader *r, const json_t *merge, size_t rank, str *out) {
    if (json_is_string(merge))
        return json_keep(r, merge, out);
    str left = json_text(json_array_get(merge, 0)), right = json_text(json_array_get(merge, 1));
    if (json_array_size(merge) != 2 || !left.n || !right.n || memchr(left.p, ' ', left.n) ||
        memchr(right.p, ' ', right.n))
        return diag_error(r->d, "%s: tokenizer.json: merge %zu is not two tokens without spaces", r->name, rank);
    char *p = arena_alloc(r->a, left.n + right.n + 2);
    if (!p)
        return diag_oom(r->d, "tokenizer.json");
    memcpy(p, left.p, left.n);
    p[left.n] = ' ';
    memcpy(p + left.n + 1, right.p, right.n);
    *out = (str){p, left.n + right.n + 1};
    return true;
}

static bool read_merges(json_reader *r, const json_t *merges) {
    if (!json_array_size(merges))
        return diag_error(r->d, "%s: tokenizer.json: no model.merges", r->name);
    r->v->merge_count = json_array_size(merges);
    if (!(r->v->merges = arena_push_n(r->a, str, r->v->merge_count)))
        return diag_oom(r->d, "tokenizer.json");
    for (size_t i = 0; i < r->v->merge_count; i++)
        if (!read_merge(r, json_array_get(merges, i), i, &r->v->merges[i]))
            return false;
    return true;
}

/* ---- the model ---- */

static bool check_model(json_reader *r, const json_t *model) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *type = json_object_get(model, "type");
    if (type ? !str_is(json_text(type), "BPE") : !json_object_get(model, "merges"))
        return json_refuse(r, "model type", type);
    for (int i = 0; i < 2; i++)
        if (json_text(json_object_get(model, affixes[i])).n)
            return json_refuse(r, affixes[i], json_object_get(model, affixes[i]));
    if (json_number_value(json_object_get(model, "dropout")) != 0)
        return diag_error(r->d, "%s: tokenizer.json: model.dropout makes tokens random; set it to null", r->name);
    return json_is_object(json_object_get(model, "vocab")) ||
           diag_error(r->d, "%s: tokenizer.json: no model.vocab", r->name);
}

static void read_model_flags(json_reader *r, const json_t *model) {
    llm_vocab *v = r->v;
    v->kind = r->byte_level ? VOCAB_BPE : VOCAB_SPM;
    v->pre = "tokenizer.json";
    v->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    v->fuse_unk = json_is_true(json_object_get(model, "fuse_unk"));
    v->unk = json_token_id(r, json_text(json_object_get(model, "unk_token")));
    v->unk_for_missing = v->unk >= 0;
    v->skip_missing = v->unk < 0;
    if (v->unk >= 0 && v->kinds[v->unk] == TOKEN_NORMAL)
        v->kinds[v->unk] = TOKEN_UNKNOWN;
    if (!r->byte_level && json_is_true(json_object_get(model, "byte_fallback")))
        vocab_mark_byte_tokens(v);
}

static bool read_tokenizer(json_reader *r, const json_t *root) {
    const json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    const json_t *added = json_object_get(root, "added_tokens");
    if (!check_model(r, model) || !json_read_steps(r, root) || !size_tokens(r, vocab, added))
        return false;
    if (!read_tokens(r, vocab) || !read_added(r, added) || !read_merges(r, json_object_get(model, "merges")))
        return false;
    read_model_flags(r, model);
    return json_read_post_processor(r, root);
}

/* ---- the files beside it ---- */

/* bos_token and its like are a string or {"content": string}. */
static int32_t config_token(const json_reader *r, const json_t *config, const char *key, int32_t otherwise) {
    const json_t *value = json_object_get(config, key), *content = json_object_get(value, "content");
    int32_t id = json_token_id(r, json_text(content ? content : value));
    return id < 0 ? otherwise : id;
}

/* A string, or [{"name": "default", "template": string}, ...]: the default, else the first. */
static const json_t *config_template(const json_t *config) {
    const json_t *value = json_object_get(config, "chat_template"), *one;
    size_t i;
    json_array_foreach(value, i, one) if (str_is(json_text(json_object_get(one, "name")),
                                                 "default")) return json_object_get(one, "template");
    return json_is_array(value) ? json_object_get(json_array_get(value, 0), "template") : value;
}

/* The template in tokenizer.json says which ends are added; add_bos_token and add_eos_token overrule it. */
static bool read_config(json_reader *r, const json_t *config) {
    llm_vocab *v = r->v;
    const json_t *add_bos = json_object_get(config, "add_bos_token"),
                 *add_eos = json_object_get(config, "add_eos_token");
    v->bos = r->template_bos >= 0 ? r->template_bos : config_token(r, config, "bos_token", -1);
    v->eos = r->template_eos >= 0 ? r->template_eos : config_token(r, config, "eos_token", -1);
    v->pad = config_token(r, config, "pad_token", -1);
    v->add_bos = v->bos >= 0 && (json_is_boolean(add_bos) ? json_is_true(add_bos) : r->template_bos >= 0);
    v->add_eos = v->eos >= 0 && (json_is_boolean(add_eos) ? json_is_true(add_eos) : r->template_eos >= 0);
    vocab_add_stop(v, v->eos);
    vocab_add_stop(v, config_token(r, config, "eos_token", -1));
    return v->chat_template.n || json_keep(r, config_template(config), &v->chat_template);
}

static bool read_generation_stop(json_reader *r, const json_t *id) {
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || (size_t)value >= r->v->count)
        return diag_error(r->d, "%s: generation_config.json: eos_token_id is not the id of one of the %zu tokens",
                          r->name, r->v->count);
    vocab_add_stop(r->v, value);
    return true;
}

static bool read_generation(json_reader *r, const json_t *config) {
    const json_t *eos = json_object_get(config, "eos_token_id"), *one;
    size_t i;
    json_array_foreach(eos, i, one) if (!read_generation_stop(r, one)) return false;
    return !eos || json_is_null(eos) || json_is_array(eos) || read_generation_stop(r, eos);
}

/* An object, or NULL with an error told; an empty text counts as {}. */
static json_t *parse(const json_reader *r, const char *file, str text) {
    json_error_t error;
    if (!text.n)
        return json_object();
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root)
        diag_error(r->d, "%s: %s:%d:%d: %s", r->name, file, error.line, error.column, error.text);
    else if (json_is_object(root))
        return root;
    else
        diag_error(r->d, "%s: %s is not a JSON object", r->name, file);
    json_decref(root);
    return NULL;
}

bool vocab_from_json(llm_vocab *v, arena *a, const char *name, str tokenizer_json, str tokenizer_config,
                     str generation_config, str chat_template, diag *d) {
    *v = (llm_vocab){.chat_template = chat_template};
    json_reader r = {.v = v, .a = a, .name = name, .d = d};
    json_t *root = parse(&r, "tokenizer.json", tokenizer_json),
           *config = parse(&r, "tokenizer_config.json", tokenizer_config);
    json_t *generation = parse(&r, "generation_config.json", generation_config);
    bool ok = root && config && generation && read_tokenizer(&r, root) && read_config(&r, config) &&
              read_generation(&r, generation);
    json_decref(root);
    json_decref(config);
    json_decref(generation);
    if (!ok)
        return false;
    vocab_add_named_stops(v);
    return vocab_check(v, name, d);
}
