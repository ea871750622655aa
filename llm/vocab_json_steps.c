/* The pipeline of a tokenizer.json: normalizer, pre_tokenizer, decoder and post_processor become the flags and rules
 * of a vocab.
 *
 * Two families are understood: byte-level BPE, and BPE over text whose spaces are U+2581 (Llama 2, Gemma). A step
 * outside them is refused by name: a tokenizer that is nearly right costs quality that nobody sees.
 */
#include "llm/vocab_json.h"

typedef bool step_fn(json_reader *r, const json_t *step);
typedef struct {
    const char *type;
    step_fn *read;
} step_kind;

static bool nothing(json_reader *r, const json_t *step) {
    (void)r, (void)step;
    return true;
}

/* null, one step, or {"type": "Sequence", LIST: [steps]}; a Sequence holds no Sequence. */
static bool read_step(json_reader *r, const json_t *step, const step_kind *kinds, const char *what) {
    for (const step_kind *k = kinds; k->type; k++)
        if (str_is(json_text(json_object_get(step, "type")), k->type))
            return k->read(r, step);
    return json_refuse(r, what, json_object_get(step, "type"));
}

static bool read_steps(json_reader *r, const json_t *root, const char *what, const char *list, const step_kind *kinds) {
    const json_t *step = json_object_get(root, what), *sub = json_object_get(step, list), *one;
    size_t i;
    if (!step || json_is_null(step))
        return true;
    if (!str_is(json_text(json_object_get(step, "type")), "Sequence"))
        return read_step(r, step, kinds, what);
    if (!json_is_array(sub))
        return diag_error(r->d, "%s: tokenizer.json: %s.%s is not a list", r->name, what, list);
    json_array_foreach(sub, i, one) if (!read_step(r, one, kinds, what)) return false;
    return true;
}

static bool flag(const json_t *step, const char *key, bool otherwise) {
    const json_t *value = json_object_get(step, key);
    return json_is_boolean(value) ? json_boolean_value(value) : otherwise;
}

/* ---- normalizer ---- */

static bool read_nfc(json_reader *r, const json_t *step) {
    (void)step;
    r->v->normalize_nfc = true;
    return true;
}

static bool read_prepend(json_reader *r, const json_t *step) {
    if (!str_is(json_text(json_object_get(step, "prepend")), UTF8_SPACE))
        return json_refuse(r, "Prepend of", json_object_get(step, "prepend"));
    r->v->add_space_prefix = r->metaspace = true;
    return true;
}

static bool read_replace(json_reader *r, const json_t *step) {
    const json_t *from = json_object_get(json_object_get(step, "pattern"), "String"),
                 *to = json_object_get(step, "content");
    if (!str_is(json_text(from), " ") || !str_is(json_text(to), UTF8_SPACE))
        return json_refuse(r, "normalizer Replace with", to);
    r->metaspace = r->escapes_spaces = true;
    return true;
}

static const step_kind normalizers[] = {
    {"NFC", read_nfc}, {"Prepend", read_prepend}, {"Replace", read_replace}, {NULL, NULL}};

/* ---- pre_tokenizer ---- */

/* After ByteLevel a pattern would see the mapped characters, which is another cut than the same pattern before it. */
static bool add_rule(json_reader *r, str pattern, bool isolate, bool drop_gaps) {
    llm_vocab *v = r->v;
    if (r->byte_level)
        return diag_error(r->d, "%s: tokenizer.json: a pre-tokenizer after ByteLevel is not supported", r->name);
    if (v->rule_count == PRE_RULES_MAX)
        return diag_error(r->d, "%s: tokenizer.json: more than %d pre-tokenizer rules", r->name, PRE_RULES_MAX);
    v->rules[v->rule_count++] = (pre_rule){pattern, isolate, drop_gaps};
    return true;
}

/* A literal string as a pattern. */
static bool quote(json_reader *r, str s, str *out) {
    strbuf b = {0};
    uint32_t c;
    for (size_t i = 0, n; i < s.n && (n = utf8_decode(s, i, &c)); i += n)
        strbuf_addf(&b, "\\x{%X}", (unsigned)c);
    *out = (str){arena_strndup(r->a, b.data ? b.data : "", b.len), b.len};
    bool ok = !b.oom && out->p;
    strbuf_free(&b);
    return ok || diag_oom(r->d, "tokenizer.json");
}

static bool read_split(json_reader *r, const json_t *step) {
    const json_t *pattern = json_object_get(step, "pattern"), *literal = json_object_get(pattern, "String");
    const json_t *how = json_object_get(step, "behavior");
    str text, behavior = json_text(how);
    bool invert = flag(step, "invert", false), removed = str_is(behavior, "Removed");
    if (literal && str_is(json_text(literal), " ") && r->escapes_spaces)
        return true; /* no space is left to split at */
    if (literal ? !quote(r, json_text(literal), &text) : !json_keep(r, json_object_get(pattern, "Regex"), &text))
        return false;
    if (str_is(behavior, "Contiguous") && !invert) {
        char *run = arena_printf(r->a, "(?:%.*s)+", (int)text.n, text.p);
        return run ? add_rule(r, str_from(run), true, false) : diag_oom(r->d, "tokenizer.json");
    }
    if (!removed && !str_is(behavior, "Isolated"))
        return json_refuse(r, "Split behavior", how);
    return add_rule(r, text, !removed || invert, removed && invert);
}

static bool read_digits(json_reader *r, const json_t *step) {
    bool single = flag(step, "individual_digits", false);
    return add_rule(r, single ? STR("\\p{N}") : STR("\\p{N}+"), true, false);
}

static bool read_byte_level(json_reader *r, const json_t *step) {
    if (r->byte_level)
        return json_refuse(r, "a second", json_object_get(step, "type"));
    bool prefix = flag(step, "add_prefix_space", true);
    if (prefix && r->v->rule_count)
        return json_refuse(r, "add_prefix_space after other rules in", json_object_get(step, "type"));
    if (flag(step, "use_regex", true) && !add_rule(r, str_from(pre_gpt2_pattern), true, false))
        return false;
    r->v->byte_level_prefix = prefix;
    return r->byte_level = true;
}

/* Older files say add_prefix_space for prepend_scheme. */
static bool read_metaspace(json_reader *r, const json_t *step) {
    llm_vocab *v = r->v;
    const json_t *scheme = json_object_get(step, "prepend_scheme"), *sign = json_object_get(step, "replacement");
    str s = json_text(scheme);
    if (!str_is(json_text(sign), UTF8_SPACE))
        return json_refuse(r, "Metaspace replacement", sign);
    if (v->rule_count || v->add_space_prefix)
        return json_refuse(r, "after other steps,", json_object_get(step, "type"));
    if (s.n && !str_is(s, "always") && !str_is(s, "first") && !str_is(s, "never"))
        return json_refuse(r, "prepend_scheme", scheme);
    v->add_space_prefix = s.n ? !str_is(s, "never") : flag(step, "add_prefix_space", true);
    v->prefix_first_only = str_is(s, "first");
    v->prefix_unless_space = r->metaspace = r->escapes_spaces = true;
    return !flag(step, "split", true) || add_rule(r, STR("\\x{2581}[^\\x{2581}]*"), true, false);
}

static bool read_punctuation(json_reader *r, const json_t *step) {
    const json_t *how = json_object_get(step, "behavior");
    bool runs = str_is(json_text(how), "Contiguous");
    if (!runs && !str_is(json_text(how), "Isolated"))
        return json_refuse(r, "Punctuation behavior", how);
    return add_rule(r, runs ? STR("[\\p{P}$+<=>^`|~]+") : STR("[\\p{P}$+<=>^`|~]"), true, false);
}

static const step_kind pre_tokenizers[] = {
    {"Split", read_split},         {"ByteLevel", read_byte_level},    {"Digits", read_digits},
    {"Metaspace", read_metaspace}, {"Punctuation", read_punctuation}, {NULL, NULL}};

/* ---- decoder and post_processor ---- */

/* What tokens mean as text follows from the vocabulary's kind; the decoder only has to be one that agrees. */
static const step_kind decoders[] = {
    {"ByteLevel", nothing}, {"Replace", nothing}, {"ByteFallback", nothing}, {"Fuse", nothing}, {"Strip", nothing},
    {"Metaspace", nothing}, {NULL, NULL}};

bool json_read_steps(json_reader *r, const json_t *root) {
    if (!read_steps(r, root, "normalizer", "normalizers", normalizers))
        return false;
    if (!read_steps(r, root, "pre_tokenizer", "pretokenizers", pre_tokenizers))
        return false;
    if (r->byte_level == r->metaspace || (r->metaspace && !r->escapes_spaces))
        return diag_error(
            r->d, "%s: tokenizer.json: neither ByteLevel nor spaces as U+2581; only these two kinds are supported",
            r->name);
    return read_steps(r, root, "decoder", "decoders", decoders);
}

/* "single": [BOS?] A [EOS?] */
static bool read_template(json_reader *r, const json_t *step) {
    const json_t *single = json_object_get(step, "single"), *one;
    bool text_seen = false;
    size_t i;
    json_array_foreach(single, i, one) {
        const json_t *token = json_object_get(json_object_get(one, "SpecialToken"), "id");
        int32_t *id = text_seen ? &r->template_eos : &r->template_bos;
        if (json_object_get(one, "Sequence") && !text_seen) {
            text_seen = true;
            continue;
        }
        if (!token || *id >= 0 || (*id = json_token_id(r, json_text(token))) < 0)
            return json_refuse(r, "the TemplateProcessing piece", token);
    }
    return text_seen || json_refuse(r, "without a text,", json_object_get(step, "type"));
}

static const step_kind post_processors[] = {
    {"TemplateProcessing", read_template}, {"ByteLevel", nothing}, {NULL, NULL}};

bool json_read_post_processor(json_reader *r, const json_t *root) {
    r->template_bos = r->template_eos = -1;
    return read_steps(r, root, "post_processor", "processors", post_processors);
}
