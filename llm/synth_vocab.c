/* Small vocabularies that can spell any text. Both kinds consist of control tokens, the 256 bytes, the beginnings of
 * some common English words, and unused tokens up to the size asked for.
 *
 * Every beginning of a word is a token (" t", " th", " the"), so one list gives the tokens, the merges of the byte-
 * level kind (" th" + "e") and, for the other kind, scores that fall with the rank.
 */
#include "base/map.h"
#include "llm/synth.h"
#include "llm/tokenizer.h"

/* Written for this purpose; the order is the rank. A word begins with a space unless it is the tail of one. */
static const char *const words[] = {
    " the", " of", " and", " to", " in", " a", " is", " that", " for", " it", " was", " on", " with", " as", " be",
    "ing", "ed", "er", "es", "ion", "ly", "th", "al", "an", "re", "or", "en", "at", "ou", "st", " you", " this", " not",
    " are", " have", " from", " by", " at", " or", " we", " can", " will", " all", " one", " which", " their", " there",
    " what", " about", " more", " when", " time", " some", " would", " other", " into", " only", " new", " like",
    " two", " wafer", " memory", " model", " weight", " layer", " token",
    " light", " water", " word", " world", " hello",
};

enum { CHAT_CONTROLS = 3 };
static const char *const chat_controls[CHAT_CONTROLS] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
static const char *const spm_controls[] = {"<unk>", "<s>", "</s>"};

static const char chat_template[] =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

typedef struct {
    arena *a;
    bool spm;
    str *tokens, *merges;
    int32_t *kinds;
    float *scores;
    uint32_t count, cap, merge_count;
    map index;
    bool oom;
} builder;

static void add(builder *b, const char *text, token_kind kind) {
    if (!text || b->count == b->cap || map_get(&b->index, str_from(text), NULL)) {
        b->oom = b->oom || !text;
        return;
    }
    b->tokens[b->count] = str_from(text);
    b->kinds[b->count] = kind;
    b->scores[b->count] = kind == TOKEN_NORMAL ? -(float)b->count : 0;
    b->oom = !map_put(&b->index, str_from(text), b->count++) || b->oom;
}

/* The code point that stands for a byte in byte-level vocabularies: itself when it prints, else the next from 256
 * on. */
static uint32_t byte_code_point(uint32_t byte) {
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174) return byte;
    return 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67);
}

static void add_bytes(builder *b) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        char utf8[5] = {0};
        utf8_encode(byte_code_point(byte), utf8);
        if (b->spm) add(b, arena_printf(b->a, "<0x%02X>", byte), TOKEN_BYTE);
        else add(b, arena_strdup(b->a, utf8), TOKEN_NORMAL);
    }
}

/* SentencePiece merges begin at characters, which must be tokens, too. */
static void add_characters(builder *b) {
    add(b, "\u2581", TOKEN_NORMAL);
    for (int c = '!'; c <= '~'; c++) add(b, arena_printf(b->a, "%c", c), TOKEN_NORMAL);
}

static const char *spell(const builder *b, const char *word, int length) {
    const char *space = b->spm ? "\u2581" : "\u0120";
    if (*word != ' ') return arena_printf(b->a, "%.*s", length, word);
    return arena_printf(b->a, "%s%.*s", space, length - 1, word + 1);
}

static void add_word(builder *b, const char *word) {
    for (int n = 2; n <= (int)strlen(word); n++) {
        const char *token = spell(b, word, n), *left = spell(b, word, n - 1);
        uint32_t before = b->count;
        add(b, token, TOKEN_NORMAL);
        if (b->count == before) continue; /* another word began alike */
        const char *merge = left ? arena_printf(b->a, "%s %c", left, word[n - 1]) : NULL;
        b->merges[b->merge_count++] = str_from(merge);
        b->oom = b->oom || !merge;
    }
}

static void put_ids(gguf_writer *w, bool spm, uint32_t first_control) {
    gguf_put_u32(w, "tokenizer.ggml.bos_token_id", spm ? 1 : first_control);
    gguf_put_u32(w, "tokenizer.ggml.eos_token_id", first_control + 2); /* <|im_end|> */
    gguf_put_u32(w, "tokenizer.ggml.padding_token_id", first_control);
    if (spm) gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    gguf_put_bool(w, "tokenizer.ggml.add_bos_token", spm);
    gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false);
    if (spm) gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", true);
    gguf_put_str(w, "tokenizer.chat_template", str_from(chat_template));
}

static void fill(builder *b) {
    for (int i = 0; b->spm && i < 3; i++) add(b, spm_controls[i], i ? TOKEN_CONTROL : TOKEN_UNKNOWN);
    for (int i = 0; i < CHAT_CONTROLS; i++) add(b, chat_controls[i], TOKEN_CONTROL);
    add_bytes(b);
    if (b->spm) add_characters(b);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) add_word(b, words[i]);
    for (uint32_t i = 0; b->count < b->cap && !b->oom; i++)
        add(b, arena_printf(b->a, "<|unused_%u|>", i), TOKEN_UNUSED);
}

bool synth_put_vocab(gguf_writer *w, arena *a, uint32_t count, bool spm) {
    builder b = {.a = a, .spm = spm, .cap = count};
    b.tokens = arena_push_n(a, str, count);
    b.merges = arena_push_n(a, str, count);
    b.kinds = arena_push_n(a, int32_t, count);
    b.scores = arena_push_n(a, float, count);
    bool ok = b.tokens && b.merges && b.kinds && b.scores;
    if (ok) fill(&b);
    map_free(&b.index);
    if (!ok || b.oom) return false;
    gguf_put_str(w, "tokenizer.ggml.model", spm ? STR("llama") : STR("gpt2"));
    gguf_put_str(w, "tokenizer.ggml.pre", spm ? STR("default") : STR("gpt-2"));
    gguf_put_str_array(w, "tokenizer.ggml.tokens", b.tokens, b.count);
    gguf_put_array(w, "tokenizer.ggml.token_type", GGUF_I32, b.kinds, b.count);
    if (spm) gguf_put_array(w, "tokenizer.ggml.scores", GGUF_F32, b.scores, b.count);
    else gguf_put_str_array(w, "tokenizer.ggml.merges", b.merges, b.merge_count);
    put_ids(w, spm, spm ? 3 : 0);
    return true;
}
