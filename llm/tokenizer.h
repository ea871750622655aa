/* Tokenizers: text to token ids and back.
 *
 *     llm_vocab v;  ...filled by vocab_from_gguf or vocab_from_json...
 *     tokenizer *t = tokenizer_new(&v, d);
 *     tokenizer_encode(t, STR("Hello"), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &ids, d);
 *     detok s = {0};  detok_push(t, &s, id, &out);  detok_finish(&s, &out);
 *
 * Two kinds: SentencePiece-style BPE by scores (by ranks when it comes from tokenizer.json), and byte-level BPE by
 * merge ranks, the latter behind the model's pre-tokenizer (PCRE2 patterns). The tokenizer copies nothing: the vocab
 * and what it points to must outlive it. A tokenizer is immutable after tokenizer_new and may be used by many
 * threads.
 */
#ifndef INGOT_LLM_TOKENIZER_H
#define INGOT_LLM_TOKENIZER_H
#include "llm/gguf.h"

typedef enum { VOCAB_SPM, VOCAB_BPE } vocab_kind;

/* Values of GGUF's tokenizer.ggml.token_type. */
typedef enum {
    TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5, TOKEN_BYTE = 6,
} token_kind;

/* How text is cut before BPE: passes in order, each applied to the pieces the pass before left. */
typedef struct {
    str pattern;             /* PCRE2, UTF and UCP on */
    bool isolate;            /* true: every match and every gap is a piece; false: gaps are pieces too but matches are dropped */
    bool drop_gaps;          /* only matches are pieces (HF: Removed with invert) */
} pre_rule;

enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };
enum { PRE_RULES_MAX = 16, STOP_IDS_MAX = 32 };

typedef struct {
    vocab_kind kind;
    size_t count;            /* tokens */
    str *tokens;             /* [count]: as stored in the file (byte-mapped for VOCAB_BPE, U+2581 for spaces in VOCAB_SPM) */
    float *scores;           /* [count] or NULL */
    uint8_t *kinds;          /* [count] of token_kind */
    uint8_t *strips;         /* [count] or NULL: STRIP_* of special tokens, which swallow the white space beside them */
    size_t merge_count;
    str *merges;             /* [merge_count] "left right" in rank order. VOCAB_SPM with merges goes by them, not by scores */
    const char *pre;         /* name of the pre-tokenizer, for messages */
    pre_rule rules[PRE_RULES_MAX];
    int rule_count;
    int32_t bos, eos, unk, pad;                  /* -1 when the model has none */
    bool add_bos, add_eos, add_space_prefix;
    bool prefix_first_only;  /* add_space_prefix: at the start of the text only (Metaspace "first") */
    bool prefix_unless_space;/* add_space_prefix: only where no space stands yet (Metaspace) */
    bool unk_for_missing;    /* text that no token can say becomes unk; else it is left out */
    bool fuse_unk;           /* a run of such text is one unk */
    bool skip_missing;       /* such text goes before merging, so that its neighbours can merge; else after */
    bool ignore_merges;      /* a piece that is a token is taken whole */
    bool byte_level_prefix;  /* byte-level: put a space before text that starts with none (ByteLevel.add_prefix_space) */
    bool normalize_nfc;
    int32_t stop_ids[STOP_IDS_MAX];              /* end of generation */
    int stop_count;
    str chat_template;       /* Jinja source; empty when the model has none */
} llm_vocab;

/* Reads tokenizer.ggml.* of a parsed file (model-formats section 8). Strings point into the file's bytes; tables
 * come from a. */
bool vocab_from_gguf(llm_vocab *v, arena *a, const char *name, const gguf *g, diag *d);
/* Reads tokenizer.json, with tokenizer_config.json, generation_config.json and chat_template.jinja (each may be
 * empty: n == 0). Refuses by name every component it does not implement. */
bool vocab_from_json(llm_vocab *v, arena *a, const char *name, str tokenizer_json, str tokenizer_config, str generation_config,
                     str chat_template, diag *d);

typedef struct tokenizer tokenizer;

tokenizer *tokenizer_new(const llm_vocab *v, diag *d);   /* NULL on failure */
void tokenizer_free(tokenizer *t);
const llm_vocab *tokenizer_vocab(const tokenizer *t);

typedef struct {
    int32_t *ids;
    size_t count, cap;
} token_list;
void token_list_free(token_list *l);
bool token_list_push(token_list *l, int32_t id);         /* false when memory ends */

enum {
    TOK_ADD_SPECIAL = 1,     /* add BOS / EOS as the model wants, unless already there */
    TOK_PARSE_SPECIAL = 2,   /* text that spells a control token becomes that token. Never set it for text of a user. */
};
/* Appends to `out`. Invalid UTF-8 is encoded byte by byte. On failure `out` is as before. At most 1 GiB of text. */
bool tokenizer_encode(const tokenizer *t, str text, unsigned flags, token_list *out, diag *d);
bool tokenizer_is_stop(const tokenizer *t, int32_t id);
int32_t tokenizer_find(const tokenizer *t, str token);   /* id of an exact token string, -1 when absent */
/* Appends the raw bytes of one token; control tokens give nothing unless `special`. */
void tokenizer_bytes(const tokenizer *t, int32_t id, bool special, strbuf *out);

/* Streaming detokenisation: appends only complete UTF-8 characters, holding back an unfinished one. */
typedef struct {
    char held[4];
    uint8_t held_count;
    bool started;            /* something has been pushed: the leading space of SPM was dropped */
    bool special;            /* show control tokens */
} detok;
void detok_push(const tokenizer *t, detok *s, int32_t id, strbuf *out);
void detok_finish(detok *s, strbuf *out);                /* U+FFFD for what stays incomplete */
#endif
