/* Merging: a piece of text into tokens, for both kinds of vocabulary.
 *
 * The piece starts as one symbol per byte (byte-level) or per code point (SentencePiece). A heap holds every
 * adjacent pair that may merge, ordered by rank (or falling score) and then by position; the first is taken until
 * none is left. Entries that a merge made stale stay in the heap and are skipped, so a piece of n bytes costs O(n
 * log n) whatever it holds: the text is not trusted. Stale means: the left symbol is gone, or the pair's length
 * differs. (The same left symbol and the same length is the same pair: symbols only grow, so a boundary that
 * vanished never comes back.)
 */
#include "llm/tok_internal.h"
#include <math.h>

bool tok_grow(void **items, size_t *cap, size_t need, size_t item_bytes) {
    if (need <= *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 64, bytes;
    if (want < need)
        want = need;
    if (!mem_mul(want, item_bytes, &bytes))
        return false;
    void *p = mem_resize(*items, bytes);
    if (!p)
        return false;
    *items = p;
    *cap = want;
    return true;
}

bool tok_from_text(const tokenizer *t, uint32_t s) {
    if (s >= t->v->count)
        return false;
    uint8_t kind = t->v->kinds[s];
    return kind == TOKEN_NORMAL || kind == TOKEN_USER;
}

/* ---- the pair table ---- */

static size_t pair_index(const tokenizer *t, uint64_t key) {
    uint64_t h = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32) & (t->pair_slots - 1);
}

static pair_slot *pair_find(const tokenizer *t, uint32_t left, uint32_t right) {
    uint64_t key = (uint64_t)left << 32 | right;
    size_t i = pair_index(t, key);
    while (t->pairs[i].key_plus_1 && t->pairs[i].key_plus_1 != key + 1)
        i = (i + 1) & (t->pair_slots - 1);
    return &t->pairs[i];
}

/* The symbol of a string; a new virtual one when it is no token. NO_SYMBOL when memory ends. */
static uint32_t symbol_of(tokenizer *t, str s) {
    uint64_t id;
    if (map_get(&t->symbols, s, &id))
        return (uint32_t)id;
    char *copy = arena_strndup(t->texts, s.p, s.n);
    if (!copy || t->symbol_count >= INT32_MAX || !map_put(&t->symbols, (str){copy, s.n}, t->symbol_count))
        return NO_SYMBOL;
    return t->symbol_count++;
}

/* May merging produce or consume it? Virtual symbols yes, tokens unless they are special. */
static bool may_merge(const tokenizer *t, uint32_t s) { return s >= t->v->count || tok_from_text(t, s); }

static bool add_merge(tokenizer *t, strbuf *joined, size_t rank, diag *d) {
    str m = t->v->merges[rank];
    const char *space = m.n > 1 ? memchr(m.p + 1, ' ', m.n - 1) : NULL; /* from 1: the left side is not empty */
    size_t left_n = space ? (size_t)(space - m.p) : 0;
    if (!space || left_n + 1 == m.n)
        return diag_error(d, "tokenizer: merge %zu is not two strings with a space between", rank);
    strbuf_clear(joined);
    strbuf_add(joined, m.p, left_n);
    strbuf_add(joined, space + 1, m.n - left_n - 1);
    if (joined->oom)
        return diag_oom(d, "tokenizer merges");
    uint32_t left = symbol_of(t, (str){m.p, left_n}), right = symbol_of(t, (str){space + 1, m.n - left_n - 1});
    uint32_t merged = symbol_of(t, strbuf_str(joined));
    if (left == NO_SYMBOL || right == NO_SYMBOL || merged == NO_SYMBOL)
        return diag_oom(d, "tokenizer merges");
    if (t->v->skip_missing && (left >= t->v->count || right >= t->v->count || merged >= t->v->count))
        return diag_error(d, "tokenizer: merge %zu needs a token that the vocabulary lacks", rank);
    if (!may_merge(t, left) || !may_merge(t, right) || !may_merge(t, merged))
        return true;
    pair_slot *slot = pair_find(t, left, right);
    if (!slot->key_plus_1)
        *slot = (pair_slot){((uint64_t)left << 32 | right) + 1, (uint32_t)rank, merged};
    return true;
}

static bool build_pairs(tokenizer *t, diag *d) {
    if (t->v->merge_count >= INT32_MAX / 4)
        return diag_error(d, "tokenizer: %zu merges are too many", t->v->merge_count);
    for (t->pair_slots = 16; t->pair_slots < 2 * t->v->merge_count;)
        t->pair_slots *= 2;
    if (!(t->pairs = mem_alloc_n(t->pair_slots, sizeof *t->pairs)))
        return diag_oom(d, "tokenizer merges");
    strbuf joined = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < t->v->merge_count; i++)
        ok = add_merge(t, &joined, i, d);
    strbuf_free(&joined);
    return ok;
}

/* ---- symbols of tokens and bytes ---- */

static bool index_tokens(tokenizer *t, diag *d) {
    const llm_vocab *v = t->v;
    if (!map_reserve(&t->symbols, v->count))
        return diag_oom(d, "token index");
    for (size_t i = 0; i < v->count; i++) {
        if (!v->tokens[i].n || map_get(&t->symbols, v->tokens[i], NULL))
            continue; /* of equal strings the first counts */
        if (!map_put(&t->symbols, v->tokens[i], i))
            return diag_oom(d, "token index");
        if (v->tokens[i].n > t->token_bytes_max && tok_from_text(t, (uint32_t)i))
            t->token_bytes_max = v->tokens[i].n;
    }
    t->symbol_count = (uint32_t)v->count;
    return true;
}

static bool index_bytes(tokenizer *t, diag *d) {
    for (int b = 0; b < 256; b++)
        t->byte_symbol[b] = NO_SYMBOL;
    if (t->v->kind == VOCAB_SPM) {
        for (size_t i = t->v->count; i-- > 0;)
            if (t->v->kinds[i] == TOKEN_BYTE)
                t->byte_symbol[byte_token_value(t->v->tokens[i])] = (uint32_t)i;
        return true;
    }
    for (int b = 0; b < 256; b++) {
        char utf8[4];
        size_t n = utf8_encode(byte_level_char((uint8_t)b), utf8);
        uint32_t s = symbol_of(t, (str){utf8, n});
        if (s == NO_SYMBOL)
            return diag_oom(d, "token index");
        if (may_merge(t, s))
            t->byte_symbol[b] = s;
    }
    return true;
}

bool merge_build(tokenizer *t, diag *d) {
    t->by_score = t->v->kind == VOCAB_SPM && !t->v->merge_count;
    return index_tokens(t, d) && index_bytes(t, d) && (t->by_score || build_pairs(t, d));
}

/* ---- the heap ---- */

static bool heap_push(encoder *e, candidate c) {
    if (!tok_grow((void **)&e->heap, &e->heap_cap, e->heap_count + 1, sizeof *e->heap))
        return false;
    size_t i = e->heap_count++;
    for (; i && e->heap[(i - 1) / 2].order > c.order; i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = c;
    return true;
}

static candidate heap_pop(encoder *e) {
    candidate top = e->heap[0], last = e->heap[--e->heap_count];
    size_t i = 0, n = e->heap_count;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && e->heap[child + 1].order < e->heap[child].order)
            child++;
        if (last.order <= e->heap[child].order)
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = last;
    return top;
}

/* Highest score first: floats as unsigned numbers in falling order. */
static uint32_t score_order(float score) {
    if (isnan(score))
        score = -INFINITY;
    score += 0.0f; /* -0 to +0 */
    uint32_t bits;
    memcpy(&bits, &score, 4);
    return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

/* ---- merging ---- */

static bool find_pair(const encoder *e, const char *text, const symbol *l, const symbol *r, uint32_t *order,
                      uint32_t *merged) {
    const tokenizer *t = e->t;
    if (!t->by_score) {
        if (l->id == NO_SYMBOL || r->id == NO_SYMBOL)
            return false;
        const pair_slot *slot = pair_find(t, l->id, r->id);
        *order = slot->rank;
        *merged = slot->merged;
        return slot->key_plus_1;
    }
    uint64_t id;
    size_t n = (size_t)l->len + r->len;
    if (n > t->token_bytes_max || !map_get(&t->symbols, (str){text + l->pos, n}, &id))
        return false;
    *order = score_order(t->v->scores ? t->v->scores[id] : 0);
    *merged = (uint32_t)id;
    return tok_from_text(t, *merged);
}

static bool offer_pair(encoder *e, const char *text, uint32_t left) {
    if (left == NO_SYMBOL || e->symbols[left].next == NO_SYMBOL)
        return true;
    const symbol *l = &e->symbols[left], *r = &e->symbols[l->next];
    uint32_t order, merged;
    if (!find_pair(e, text, l, r, &order, &merged))
        return true;
    return heap_push(e, (candidate){(uint64_t)order << 32 | left, l->len + r->len});
}

static bool has_byte_tokens(const tokenizer *t, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (t->byte_symbol[(uint8_t)bytes[i]] >= t->v->count)
            return false;
    return true;
}

/* The character at `at` (a byte for byte-level): its symbol and its length. What is not UTF-8 is one byte of no
 * symbol. */
static uint32_t start_symbol(const tokenizer *t, str text, size_t at, uint32_t *len) {
    uint32_t code_point;
    uint64_t id;
    *len = 1;
    if (t->v->kind == VOCAB_BPE)
        return t->byte_symbol[(uint8_t)text.p[at]];
    size_t n = utf8_decode(text, at, &code_point);
    if (!n)
        return NO_SYMBOL;
    *len = (uint32_t)n;
    return map_get(&t->symbols, (str){text.p + at, n}, &id) && may_merge(t, (uint32_t)id) ? (uint32_t)id : NO_SYMBOL;
}

/* Fills e->symbols with one per character of the piece; returns how many. */
static size_t start_symbols(encoder *e, const char *text, piece p) {
    size_t count = 0;
    for (uint32_t at = p.begin, n; at < p.end; at += n) {
        uint32_t id = start_symbol(e->t, (str){text, p.end}, at, &n), i = (uint32_t)count;
        if (e->t->v->skip_missing && id >= e->t->v->count && !has_byte_tokens(e->t, text + at, n))
            continue;
        e->symbols[count++] = (symbol){i - 1, i + 1, at, n, id}; /* the first one's prev wraps to NO_SYMBOL */
    }
    if (count)
        e->symbols[count - 1].next = NO_SYMBOL;
    return count;
}

static bool merge_all(encoder *e, const char *text) {
    while (e->heap_count) {
        candidate c = heap_pop(e);
        uint32_t left = (uint32_t)c.order, order, merged;
        symbol *l = &e->symbols[left];
        if (!l->len || l->next == NO_SYMBOL)
            continue;
        symbol *r = &e->symbols[l->next];
        if (l->len + r->len != c.len || !find_pair(e, text, l, r, &order, &merged))
            continue;
        l->len += r->len;
        l->id = merged;
        l->next = r->next;
        r->len = 0;
        if (l->next != NO_SYMBOL)
            e->symbols[l->next].prev = left;
        if (!offer_pair(e, text, l->prev) || !offer_pair(e, text, left))
            return false;
    }
    return true;
}

/* A symbol that is no token: its bytes, or the unknown token when the vocabulary cannot say them (once for a run of
 * them when the model fuses those). Text that a model without an unknown token has no tokens for is left out, as its
 * training did. */
static bool emit_bytes(encoder *e, const char *bytes, size_t n, bool after_unk, bool *is_unk) {
    const tokenizer *t = e->t;
    const llm_vocab *v = t->v;
    bool ok = true;
    *is_unk = v->unk_for_missing && v->unk >= 0 && !has_byte_tokens(t, bytes, n);
    if (*is_unk)
        return (after_unk && v->fuse_unk) || token_list_push(e->out, v->unk);
    for (size_t i = 0; ok && i < n; i++) {
        uint32_t id = t->byte_symbol[(uint8_t)bytes[i]];
        if (id < v->count)
            ok = token_list_push(e->out, (int32_t)id);
    }
    return ok;
}

static bool emit_symbols(encoder *e, const char *text) {
    bool ok = true, unk = false;
    for (uint32_t i = 0; ok && i != NO_SYMBOL; i = e->symbols[i].next) {
        const symbol *s = &e->symbols[i];
        if (!tok_from_text(e->t, s->id))
            ok = emit_bytes(e, text + s->pos, s->len, unk, &unk);
        else
            unk = false, ok = token_list_push(e->out, (int32_t)s->id);
    }
    return ok;
}

/* ignore_merges: the id of a piece that is a token as it stands, else NO_SYMBOL. false: out of memory. */
static bool whole_token(encoder *e, str s, uint32_t *id) {
    uint64_t found;
    *id = NO_SYMBOL;
    if (!e->t->v->ignore_merges || s.n > e->t->token_bytes_max)
        return true;
    strbuf_clear(&e->mapped);
    if (e->t->v->kind == VOCAB_BPE)
        byte_level_map(s, &e->mapped);
    else
        strbuf_add(&e->mapped, s.p, s.n);
    if (e->mapped.oom)
        return false;
    if (map_get(&e->t->symbols, strbuf_str(&e->mapped), &found) && tok_from_text(e->t, (uint32_t)found))
        *id = (uint32_t)found;
    return true;
}

bool merge_piece(encoder *e, const char *text, piece p) {
    uint32_t whole;
    if (p.begin >= p.end)
        return true;
    if (!whole_token(e, (str){text + p.begin, p.end - p.begin}, &whole))
        return false;
    if (whole != NO_SYMBOL)
        return token_list_push(e->out, (int32_t)whole);
    if (!tok_grow((void **)&e->symbols, &e->symbol_cap, p.end - p.begin, sizeof *e->symbols))
        return false;
    size_t count = start_symbols(e, text, p);
    e->heap_count = 0;
    for (size_t i = 0; i + 1 < count; i++)
        if (!offer_pair(e, text, (uint32_t)i))
            return false;
    return !count || (merge_all(e, text) && emit_symbols(e, text));
}
