/* Tokenizer: life, and encoding from the top: special tokens cut out, the stretches between them merged, BOS and EOS
 * around.
 *
 * Special tokens are found left to right, the longest at each place. What is never done: making a control token out
 * of plain text by merging, or giving two BOS when the text already spells one.
 */
#include "llm/tok_internal.h"

enum { TEXT_BYTES_MAX = 1 << 30 };

tokenizer *tokenizer_new(const llm_vocab *v, diag *d) {
    if (!vocab_check(v, "tokenizer", d))
        return NULL;
    tokenizer *t = mem_alloc(sizeof *t);
    if (!t)
        return diag_oom(d, "tokenizer"), NULL;
    t->v = v;
    bool ok = (t->texts = arena_new(0)) || diag_oom(d, "tokenizer");
    if (ok && merge_build(t, d) && special_build(t, d) && split_compile(t, d))
        return t;
    tokenizer_free(t);
    return NULL;
}

void tokenizer_free(tokenizer *t) {
    if (!t)
        return;
    split_free(t);
    special_free(t);
    mem_free(t->pairs);
    map_free(&t->symbols);
    arena_free(t->texts);
    mem_free(t);
}

const llm_vocab *tokenizer_vocab(const tokenizer *t) { return t->v; }

int32_t tokenizer_find(const tokenizer *t, str token) {
    uint64_t id;
    return map_get(&t->symbols, token, &id) && id < t->v->count ? (int32_t)id : -1;
}

bool tokenizer_is_stop(const tokenizer *t, int32_t id) {
    for (int i = 0; i < t->v->stop_count; i++)
        if (t->v->stop_ids[i] == id)
            return true;
    return false;
}

void token_list_free(token_list *l) {
    mem_free(l->ids);
    *l = (token_list){0};
}

bool token_list_push(token_list *l, int32_t id) {
    if (!tok_grow((void **)&l->ids, &l->cap, l->count + 1, sizeof *l->ids))
        return false;
    l->ids[l->count++] = id;
    return true;
}

/* ---- encoding ---- */

static bool encode_stretch(encoder *e, str stretch, bool first, bool after_special) {
    if (!stretch.n)
        return true;
    if (!text_prepare(e, stretch, first, after_special))
        return diag_oom(e->d, "text to encode");
    if (e->text.len >= UINT32_MAX)
        return diag_error(e->d, "tokenizer: the text is too long; send it in parts");
    str text = strbuf_str(&e->text);
    if (!split_pieces(e, text))
        return false;
    for (size_t i = 0; i < e->pieces.count; i++)
        if (!merge_piece(e, text.p, e->pieces.items[i]))
            return diag_oom(e->d, "tokens");
    return true;
}

static size_t white_before(str text, size_t begin, size_t end) {
    while (end > begin) {
        size_t at = end - 1;
        while (at > begin && (text.p[at] & 0xC0) == 0x80)
            at--;
        uint32_t c;
        if (utf8_decode(text, at, &c) != end - at || !text_is_white(c))
            break;
        end = at;
    }
    return end;
}

static size_t white_after(str text, size_t at) {
    uint32_t c;
    for (size_t n; (n = utf8_decode(text, at, &c)) && text_is_white(c);)
        at += n;
    return at;
}

static bool encode_text(encoder *e, str text, const special_set *specials) {
    size_t begin = 0;
    bool after_special = true;
    for (size_t at = 0; at < text.n;) {
        const special *s = special_at(specials, text, at);
        if (!s) {
            at++;
            continue;
        }
        uint8_t strip = e->t->v->strips ? e->t->v->strips[s->id] : 0;
        size_t end = strip & STRIP_LEFT ? white_before(text, begin, at) : at;
        if (!encode_stretch(e, (str){text.p + begin, end - begin}, begin == 0, after_special))
            return false;
        if (!token_list_push(e->out, s->id))
            return diag_oom(e->d, "tokens");
        at += s->text.n;
        begin = at = strip & STRIP_RIGHT ? white_after(text, at) : at;
        after_special = true;
    }
    return encode_stretch(e, (str){text.p + begin, text.n - begin}, begin == 0, after_special);
}

/* BOS in front and EOS behind, unless the text spelled them there itself. */
static bool encode_with_ends(encoder *e, str text, unsigned flags) {
    const llm_vocab *v = e->t->v;
    token_list *out = e->out;
    size_t base = out->count;
    bool bos = (flags & TOK_ADD_SPECIAL) && v->add_bos && v->bos >= 0,
         eos = (flags & TOK_ADD_SPECIAL) && v->add_eos && v->eos >= 0;
    if (bos && !token_list_push(out, v->bos))
        return diag_oom(e->d, "tokens");
    if (!encode_text(e, text, flags & TOK_PARSE_SPECIAL ? &e->t->all : &e->t->user))
        return false;
    if (bos && out->count >= base + 2 && out->ids[base + 1] == v->bos)
        memmove(out->ids + base + 1, out->ids + base + 2, (--out->count - base - 1) * sizeof *out->ids);
    if (eos && (out->count == base || out->ids[out->count - 1] != v->eos) && !token_list_push(out, v->eos))
        return diag_oom(e->d, "tokens");
    return true;
}

static void encoder_free(encoder *e) {
    split_end(e);
    strbuf_free(&e->text);
    strbuf_free(&e->mapped);
    mem_free(e->pieces.items);
    mem_free(e->next.items);
    mem_free(e->symbols);
    mem_free(e->heap);
}

bool tokenizer_encode(const tokenizer *t, str text, unsigned flags, token_list *out, diag *d) {
    if (text.n > TEXT_BYTES_MAX)
        return diag_error(d, "tokenizer: %zu bytes of text are too many; send it in parts", text.n);
    encoder e = {.t = t, .out = out, .d = d};
    size_t base = out->count;
    bool ok = split_begin(&e) ? encode_with_ends(&e, text, flags) : diag_oom(d, "tokenizer");
    encoder_free(&e);
    if (!ok)
        out->count = base;
    return ok;
}
