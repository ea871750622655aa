/* Inside the tokenizer: what its files share. See tokenizer.h for the contract.
 *
 *     text -> special tokens cut out (tok_special) -> stretch -> prefix, U+2581, NFC (tok_text) -> pieces by the rules
 *     (tok_split) -> symbols -> merges (tok_merge) -> ids;   ids -> bytes -> whole UTF-8 characters (tok_decode)
 *
 * A symbol is a number for a string that merging may produce: below vocab.count it is the token of that id, above it
 * a string that appears only inside merges ("virtual"; it ends as single bytes).
 */
#ifndef INGOT_LLM_TOK_INTERNAL_H
#define INGOT_LLM_TOK_INTERNAL_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/mem.h"
#include "llm/tokenizer.h"
#include <pcre2.h>

#define NO_SYMBOL  UINT32_MAX
#define UTF8_SPACE "\xE2\x96\x81" /* U+2581, how SentencePiece writes a space */

/* (left symbol, right symbol) -> merged symbol: open addressing, at most half full. key_plus_1 == 0 is a free slot. */
typedef struct {
    uint64_t key_plus_1;
    uint32_t rank, merged;
} pair_slot;

typedef struct {
    str text;
    int32_t id;
} special;

/* Special tokens in byte order, and the set of their first bytes. */
typedef struct {
    special *items;
    size_t count;
    bool first[256];
} special_set;

struct tokenizer {
    const llm_vocab *v;
    arena *texts; /* strings of virtual symbols */
    map symbols;  /* string -> symbol; every token of any kind, then the virtual ones */
    uint32_t symbol_count;
    size_t token_bytes_max;
    bool by_score; /* merge by v->scores; else by the pair table */
    pair_slot *pairs;
    size_t pair_slots;         /* a power of two, or 0 */
    uint32_t byte_symbol[256]; /* BPE: the symbol of a byte; SPM: the token <0xHH>; NO_SYMBOL when there is none */
    special_set user, all;     /* always cut; cut when the caller allows special tokens */
    pcre2_general_context *pcre_memory;
    pcre2_code *rules[PRE_RULES_MAX]; /* of v->rules */
};

/* [begin, end) bytes of the text at hand. */
typedef struct {
    uint32_t begin, end;
} piece;

typedef struct {
    piece *items;
    size_t count, cap;
} piece_list;

/* A run of text bytes that is one token so far; len 0 = merged into its left neighbour. */
typedef struct {
    uint32_t prev, next, pos, len, id;
} symbol;

typedef struct {
    uint64_t order; /* rank or descending score, then position: the smallest is merged next */
    uint32_t len;   /* of both sides when it was found: differs once one of them has grown */
} candidate;

/* Working memory of one tokenizer_encode. */
typedef struct {
    const tokenizer *t;
    token_list *out;
    diag *d;
    strbuf text, mapped;
    piece_list pieces, next;
    symbol *symbols;
    candidate *heap;
    size_t symbol_cap, heap_count, heap_cap;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
} encoder;

/* Items of a growing array: room for one more. Doubles `*cap`; false when memory ends. */
bool tok_grow(void **items, size_t *cap, size_t need, size_t item_bytes);
/* Normal and user tokens may come out of merging; control, unknown, unused and byte tokens never. */
bool tok_from_text(const tokenizer *t, uint32_t symbol);
bool tok_piece_push(piece_list *l, size_t begin, size_t end);

/* tok_bytes: the byte-level alphabet (model-formats 8.4) and <0xHH>. */
uint32_t byte_level_char(uint8_t byte);
int byte_level_byte(uint32_t code_point); /* -1: stands for no byte */
int byte_token_value(str token);          /* of "<0xHH>", strictly; -1 otherwise */
bool text_is_white(uint32_t code_point);  /* Unicode White_Space */
void byte_level_map(str bytes, strbuf *out);

/* tok_pre: the rules of a named pre-tokenizer. false: unknown name (the rules are then a fallback). */
bool pre_rules_set(llm_vocab *v, str name);
extern const char pre_gpt2_pattern[];

/* tok_split */
bool split_compile(tokenizer *t, diag *d);
void split_free(tokenizer *t);
bool split_begin(encoder *e);
void split_end(encoder *e);
bool split_pieces(encoder *e, str text); /* fills e->pieces */

/* tok_special */
bool special_build(tokenizer *t, diag *d);
void special_free(tokenizer *t);
const special *special_at(const special_set *set, str text, size_t at); /* the longest that starts there, or NULL */

/* tok_text: the stretch as the merges want it, in e->text. `first`: at the start of the whole text. */
bool text_prepare(encoder *e, str stretch, bool first, bool after_special);

/* tok_merge */
bool merge_build(tokenizer *t, diag *d);
bool merge_piece(encoder *e, const char *text, piece p); /* appends ids to e->out */

/* A string from a file as messages may show it: short, and without what a terminal could take for a command. */
typedef struct {
    char text[84];
} tok_shown;
tok_shown tok_show(str s);

/* vocab: what both loaders share. */
void vocab_add_stop(llm_vocab *v, int64_t id);
void vocab_add_named_stops(llm_vocab *v);
void vocab_mark_byte_tokens(llm_vocab *v); /* normal tokens spelled <0xHH> become byte tokens */
bool vocab_check(const llm_vocab *v, const char *name, diag *d);
#endif
