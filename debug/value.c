/* Variables by name: isa_symbol.type is a little language (isa/isa.h) that is walked along with what the user wrote. */
#include "debug/internal.h"
#include "base/half.h"
#include "base/mem.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum { DEPTH_MAX = 20, RANK_MAX = 16, SHOWN = 64 };

/* ---- types ---- */

static const char *skip_type(const char *t, uint32_t *words, uint32_t depth);

static const char *number(const char *t, uint64_t *out) {
    *out = 0;
    while (isdigit((unsigned char)*t)) {
        if (*out < UINT32_MAX) *out = *out * 10 + (uint64_t)(*t - '0');
        t++;
    }
    return t;
}

/* "[2, 3]f32": the extents, and where the element's type begins. */
static const char *array_type(const char *t, uint32_t extent[RANK_MAX], uint32_t *rank) {
    *rank = 0;
    while (*t == '[' || *t == ',') {
        uint64_t n;
        t += t[1] == ' ' ? 2 : 1;
        t = number(t, &n);
        if (*rank < RANK_MAX) extent[(*rank)++] = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    }
    return *t == ']' ? t + 1 : t;
}

static uint32_t scalar_words(uint64_t bits) { return bits <= 16 ? 1 : bits > 64 ? 4 : (uint32_t)(bits + 15) / 16; }

static const char *skip_struct(const char *t, uint32_t *words) {
    uint32_t open = 0;
    uint64_t n;
    number(t + 1, &n);
    *words = n > ISA_SRAM_WORDS ? ISA_SRAM_WORDS : (uint32_t)n;
    for (; *t; t++) {
        open += *t == '{';
        if (*t == '}' && !--open) return t + 1;
    }
    return t;
}

static const char *skip_array(const char *t, uint32_t *words, uint32_t depth) {
    uint32_t extent[RANK_MAX], rank;
    uint64_t n = 1;
    t = skip_type(array_type(t, extent, &rank), words, depth + 1);
    for (uint32_t i = 0; i < rank && n <= ISA_SRAM_WORDS; i++) n *= extent[i];
    n = n > ISA_SRAM_WORDS ? ISA_SRAM_WORDS + 1 : n * *words;
    *words = n > ISA_SRAM_WORDS ? ISA_SRAM_WORDS + 1 : (uint32_t)n;
    return t;
}

static const char *skip_type(const char *t, uint32_t *words, uint32_t depth) {
    uint64_t n;
    *words = 1;
    if (depth > DEPTH_MAX) return t;
    switch (*t) {
    case '{': return skip_struct(t, words);
    case '[': return skip_array(t, words, depth);
    case 'd': *words = 4; return t + 3;
    case 'p': return t + 3;
    case 'b':
        if (t[1] == 'o') return t + 4;
        t++; /* bf16 */ /* fall through */
    case 'f':
    case 'i':
    case 'u':
        t = number(t + 1, &n);
        *words = scalar_words(n);
        return t;
    case '?':
        t = number(t + 1, &n);
        *words = n > ISA_SRAM_WORDS ? ISA_SRAM_WORDS : (uint32_t)n;
        return t;
    default: return t;
    }
}

uint32_t debug_type_words(const char *type) {
    uint32_t words;
    skip_type(type, &words, 0);
    return words;
}

/* ---- names ---- */

static bool has_name(const isa_symbol *s, const char *name, size_t n, bool tail) {
    const char *dot = tail ? strrchr(s->name, '.') : NULL, *own = dot ? dot + 1 : s->name;
    return s->kind == ISA_SYM_DATA && strlen(own) == n && !memcmp(own, name, n) && (!tail || dot);
}

/* The variable itself before what is exported under its name; then those of imported modules. */
static const isa_symbol *find_symbol(const isa_program *p, const char *name, size_t n) {
    const isa_symbol *exported = NULL;
    for (int tail = 0; tail < 2; tail++)
        for (uint32_t i = 0; i < p->symbol_count; i++) {
            const isa_symbol *s = &p->symbols[i];
            if (!has_name(s, name, n, tail)) continue;
            if (s->type && *s->type) return s;
            if (!exported) exported = s;
        }
    return exported;
}

/* What is known of a symbol without a type. */
static void own_type(const isa_symbol *s, debug_value *v) {
    static const char letters[] = {'?', 'b', 'i', 'u', 'f', '?'};
    char letter = letters[s->scalar <= ISA_T_OTHER ? s->scalar : ISA_T_OTHER], element[16];
    uint32_t n = s->elements ? s->elements : 1;
    if (letter == 'b') snprintf(element, sizeof element, "bool");
    else snprintf(element, sizeof element, "%c%u", letter, letter == '?' ? (s->bits + 15u) / 16 : s->bits);
    if (n == 1 && s->elements) snprintf(v->own, sizeof v->own, "%s", element);
    else snprintf(v->own, sizeof v->own, "[%u]%s", n, element);
    v->type = NULL;
}

static const char *type_of(const debug_value *v) { return v->type ? v->type : v->own; }

const isa_symbol *debug_symbol_at(const isa_program *p, uint32_t word) {
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        const isa_symbol *s = &p->symbols[i];
        if (s->kind == ISA_SYM_DATA && s->type && *s->type && word >= s->word &&
            word - s->word < debug_type_words(s->type))
            return s;
    }
    return NULL;
}

/* ---- parts ---- */

static bool index_part(debug *g, debug_value *v, const char **at) {
    uint32_t extent[RANK_MAX], rank, words;
    uint64_t k, offset = 0;
    if (*type_of(v) != '[') return diag_error(g->d, "this is no array");
    const char *element = array_type(type_of(v), extent, &rank);
    (*at)++;
    for (uint32_t i = 0; i < rank; i++) {
        if (!debug_parse_number(at, &k))
            return diag_error(g->d, "the array has %u indices: [i%s]", rank, rank > 1 ? ", j" : "");
        if (k >= extent[i])
            return diag_error(g->d, "index %llu is outside: there are %u", (unsigned long long)k, extent[i]);
        offset = offset * extent[i] + k;
        while (**at == ' ' || **at == ',' || (i + 1 < rank && (**at == ']' || **at == '['))) (*at)++;
    }
    if (**at != ']') return diag_error(g->d, "the array has %u indices", rank);
    (*at)++;
    skip_type(element, &words, 0);
    v->word += (uint32_t)(offset * words);
    v->type = element;
    return true;
}

static bool field_part(debug *g, debug_value *v, const char **at) {
    const char *name = ++*at, *t = type_of(v);
    uint64_t word;
    uint32_t ignored;
    while (isalnum((unsigned char)**at) || **at == '_') (*at)++;
    size_t n = (size_t)(*at - name);
    if (*t != '{') return diag_error(g->d, "this is no struct");
    for (t = number(t + 1, &word); *t == ' ' || *t == ',';) {
        const char *own = ++t, *mark = strchr(t, '@');
        if (!mark) break;
        t = number(mark + 1, &word);
        if (*t == ':') t++;
        if ((size_t)(mark - own) == n && !memcmp(own, name, n)) {
            v->word += (uint32_t)word;
            v->type = t;
            return true;
        }
        t = skip_type(t, &ignored, 0);
    }
    return diag_error(g->d, "the struct has no field '%.*s'", (int)n, name);
}

static size_t name_length(const isa_program *p, const char *text) {
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
    if (text[n] != '.') return n;
    size_t longer = n + 1; /* "module.name" if there is such a variable, else a field */
    while (isalnum((unsigned char)text[longer]) || text[longer] == '_' || text[longer] == '.') longer++;
    for (; longer > n; longer--)
        if (find_symbol(p, text, longer)) return longer;
    return n;
}

bool debug_find_value(debug *g, uint32_t pe, const char *text, debug_value *out) {
    const isa_program *p = debug_program(g, pe);
    size_t n = name_length(p, text);
    const isa_symbol *s = n ? find_symbol(p, text, n) : NULL;
    if (!s)
        return diag_error(g->d, "PE(%u,%u) has no variable '%.*s' in its memory; `info symbols` lists them",
                          pe % g->image->width, pe / g->image->width, (int)(n ? n : strlen(text)), text);
    *out = (debug_value){.pe = pe, .word = s->is_pointer ? debug_words(g, pe)[s->word] : s->word, .type = s->type};
    if (!s->type || !*s->type || s->is_pointer) own_type(s, out);
    for (text += n; *text && !isspace((unsigned char)*text);) {
        bool ok = *text == '[' ? index_part(g, out, &text) : *text == '.' ? field_part(g, out, &text) : false;
        if (!ok)
            return diag_error_count(g->d) ? false
                                          : diag_error(g->d, "'%s' is not understood here: [i] or .field", text);
    }
    if (out->word + (uint64_t)debug_type_words(type_of(out)) > ISA_SRAM_WORDS)
        return diag_error(g->d, "it would lie at word %u, outside the memory", out->word);
    return true;
}

/* ---- printing ---- */

static uint64_t bits_of(const uint16_t *w, uint32_t words) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < words && i < 4; i++) v |= (uint64_t)w[i] << 16 * i;
    return v;
}

static const char *scalar_text(debug *g, const debug_value *v, const char *t, const uint16_t *w, bool hex,
                               strbuf *out) {
    uint32_t words;
    uint64_t bits = 0;
    const char *end = skip_type(t, &words, 0);
    (void)number(t + (*t == 'b' ? 2 : 1), &bits);
    if (!bits || bits > 64) bits = 16;
    uint64_t raw = bits_of(w, words);
    if (bits < 64 && (*t == 'u' || *t == 'i')) raw &= (1ull << bits) - 1;
    if (hex) strbuf_addf(out, "0x%0*llx", (int)words * 4, (unsigned long long)raw);
    else if (t[0] == 'b' && t[1] == 'o') strbuf_adds(out, raw ? "true" : "false");
    else if (*t == 'u') strbuf_addf(out, "%llu", (unsigned long long)raw);
    else if (*t == 'i') strbuf_addf(out, "%lld", (long long)(raw << (64 - bits)) >> (64 - bits));
    else if (*t == 'f' && words == 2) strbuf_addf(out, "%.9g", (double)f32_from_bits((uint32_t)raw));
    else if (*t == 'b') strbuf_addf(out, "%.5g", (double)f32_from_bf16((uint16_t)raw));
    else if (*t == 'f')
        strbuf_addf(out, "%.5g",
                    (double)(debug_program(g, v->pe)->fp16 == ISA_BF16 ? f32_from_bf16((uint16_t)raw)
                                                                       : f32_from_f16((uint16_t)raw)));
    else if (*t == 'p') {
        const isa_symbol *s = debug_symbol_at(debug_program(g, v->pe), (uint32_t)raw);
        strbuf_addf(out, "word %llu", (unsigned long long)raw);
        if (s) strbuf_addf(out, raw == s->word ? " (%s)" : " (%s + %u words)", s->name, (uint32_t)raw - s->word);
    } else
        for (uint32_t i = 0; i < words && i < SHOWN; i++) strbuf_addf(out, "%s0x%04x", i ? " " : "", w[i]);
    return end;
}

static const char *value_text(debug *g, const debug_value *v, const char *t, const uint16_t *w, bool hex,
                              uint32_t depth, uint32_t *left, strbuf *out);

/* Elements of the dimensions from `k` on; `left` counts what may still be shown. */
static void array_text(debug *g, const debug_value *v, const char *element, const uint32_t *extent, uint32_t rank,
                       const uint16_t *w, bool hex, uint32_t depth, uint32_t *left, strbuf *out) {
    uint32_t step;
    skip_type(element, &step, depth);
    for (uint32_t i = 1; i < rank; i++) step *= extent[i];
    strbuf_addc(out, '[');
    for (uint32_t i = 0; i < extent[0]; i++) {
        if (i) strbuf_adds(out, ", ");
        if (!*left) {
            strbuf_addf(out, "... %u more", extent[0] - i);
            break;
        }
        if (rank > 1) array_text(g, v, element, extent + 1, rank - 1, w + (size_t)i * step, hex, depth + 1, left, out);
        else value_text(g, v, element, w + (size_t)i * step, hex, depth + 1, left, out);
    }
    strbuf_addc(out, ']');
}

static const char *struct_text(debug *g, const debug_value *v, const char *t, const uint16_t *w, bool hex,
                               uint32_t depth, uint32_t *left, strbuf *out) {
    uint64_t word;
    uint32_t words, own;
    const char *end = skip_type(t, &words, depth), *gap = "";
    strbuf_addc(out, '{');
    for (t = number(t + 1, &word); *t == ' ' || *t == ',';) {
        const char *name = ++t, *mark = strchr(t, '@');
        if (!mark) break;
        t = number(mark + 1, &word);
        if (*t == ':') t++;
        const char *next = skip_type(t, &own, 0);
        if (word + own > words) break;
        strbuf_addf(out, "%s%.*s = ", gap, (int)(mark - name), name);
        value_text(g, v, t, w + word, hex, depth + 1, left, out);
        gap = ", ";
        t = next;
    }
    strbuf_addc(out, '}');
    return end;
}

static const char *value_text(debug *g, const debug_value *v, const char *t, const uint16_t *w, bool hex,
                              uint32_t depth, uint32_t *left, strbuf *out) {
    uint32_t extent[RANK_MAX], rank, words;
    if (depth > DEPTH_MAX) return t;
    if (*t == '{') return struct_text(g, v, t, w, hex, depth, left, out);
    if (*t != '[') {
        if (*left) --*left;
        return scalar_text(g, v, t, w, hex, out);
    }
    const char *element = array_type(t, extent, &rank), *end = skip_type(t, &words, depth);
    if (rank) array_text(g, v, element, extent, rank, w, hex, depth, left, out);
    return end;
}

void debug_value_text(debug *g, const debug_value *v, const uint16_t *words, bool hex, strbuf *out) {
    uint32_t left = SHOWN;
    value_text(g, v, type_of(v), words, hex, 0, &left, out);
}

/* ---- setting ---- */

static bool float_bits(debug *g, const debug_value *v, const char *t, const char *text, uint64_t *out) {
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end) return diag_error(g->d, "'%s' is no number", text);
    bool bf16 = *t == 'b' || debug_program(g, v->pe)->fp16 == ISA_BF16;
    *out = debug_type_words(t) == 2 ? f32_bits((float)x) : bf16 ? bf16_from_f32((float)x) : f16_from_f32((float)x);
    return true;
}

static bool whole_bits(debug *g, const char *t, const char *text, uint64_t *out) {
    char *end;
    uint64_t bits = 16;
    errno = 0;
    if (*t == 'i' || *t == 'u') (void)number(t + 1, &bits);
    long long x = strtoll(text, &end, 0);
    if (!strcmp(text, "true") || !strcmp(text, "false")) x = *text == 't', end = strchr(text, 0);
    if (end == text || *end || errno) return diag_error(g->d, "'%s' is no whole number", text);
    bool fits = bits >= 64 || (x < (long long)(1ull << bits) && x >= -(long long)(1ull << (bits - 1)));
    if (!fits || (*t == 'u' && x < 0)) return diag_error(g->d, "%s does not fit %.*s", text, (int)strcspn(t, ",}"), t);
    *out = (uint64_t)x;
    return true;
}

bool debug_set_value(debug *g, const debug_value *v, const char *text) {
    const char *t = type_of(v);
    uint64_t bits = 0;
    uint32_t words = debug_type_words(t);
    if (*t == '[' || *t == '{' || *t == '?' || *t == 'd')
        return diag_error(g->d, "only single numbers can be set: name an element or a field");
    bool real = *t == 'f' || (*t == 'b' && t[1] == 'f');
    if (!(real ? float_bits(g, v, t, text, &bits) : whole_bits(g, t, text, &bits))) return false;
    for (uint32_t i = 0; i < words; i++) debug_words(g, v->pe)[v->word + i] = (uint16_t)(bits >> 16 * i);
    wse_wrote(g->m, v->pe, v->word, words);
    return true;
}
