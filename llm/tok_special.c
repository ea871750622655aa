/* Cutting text at special tokens.
 *
 * At each place the longest special token that starts there wins, places from left to right. The tokens stand in
 * byte order, so those with a common beginning are neighbours: a match narrows the range of candidates byte by byte
 * with binary searches, and no text costs tokens x length. Two sets, because control tokens count only where the
 * caller allows them.
 */
#include "llm/tok_internal.h"
#include <stdlib.h>

enum { SPECIAL_BYTES_MAX = 1024 }; /* bounds the work per byte of text */

static int by_text(const void *a, const void *b) {
    const special *x = a, *y = b;
    size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    int c = memcmp(x->text.p, y->text.p, n);
    if (c)
        return c;
    if (x->text.n != y->text.n)
        return x->text.n < y->text.n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool in_set(uint8_t kind, bool user_only) {
    return kind == TOKEN_USER || (!user_only && (kind == TOKEN_CONTROL || kind == TOKEN_UNKNOWN));
}

static bool build_set(special_set *set, const llm_vocab *v, bool user_only, diag *d) {
    size_t count = 0;
    for (size_t i = 0; i < v->count; i++)
        count += in_set(v->kinds[i], user_only);
    if (!count)
        return true;
    if (!(set->items = mem_alloc_n(count, sizeof *set->items)))
        return diag_oom(d, "special tokens");
    for (size_t i = 0; i < v->count; i++) {
        if (!in_set(v->kinds[i], user_only) || !v->tokens[i].n)
            continue;
        if (v->tokens[i].n > SPECIAL_BYTES_MAX)
            return diag_error(d, "tokenizer: special token %zu has %zu bytes; at most %d are supported", i,
                              v->tokens[i].n, SPECIAL_BYTES_MAX);
        set->items[set->count++] = (special){v->tokens[i], (int32_t)i};
        set->first[(uint8_t)v->tokens[i].p[0]] = true;
    }
    if (set->count)
        qsort(set->items, set->count, sizeof *set->items, by_text);
    return true;
}

bool special_build(tokenizer *t, diag *d) {
    return build_set(&t->user, t->v, true, d) && build_set(&t->all, t->v, false, d);
}

void special_free(tokenizer *t) {
    mem_free(t->user.items);
    mem_free(t->all.items);
}

/* The first of items [lo, hi), all longer than `depth`, whose byte there is at least c. */
static size_t lower_bound(const special_set *set, size_t lo, size_t hi, size_t depth, int c) {
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((uint8_t)set->items[mid].text.p[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const special *special_at(const special_set *set, str text, size_t at) {
    if (!set->first[(uint8_t)text.p[at]])
        return NULL;
    const special *best = NULL;
    size_t lo = 0, hi = set->count;
    for (size_t depth = 0; lo < hi; depth++) {
        if (set->items[lo].text.n == depth)
            best = &set->items[lo];
        while (lo < hi && set->items[lo].text.n == depth)
            lo++;
        if (at + depth == text.n)
            break;
        int c = (uint8_t)text.p[at + depth];
        lo = lower_bound(set, lo, hi, depth, c);
        hi = lower_bound(set, lo, hi, depth, c + 1);
    }
    return best;
}
