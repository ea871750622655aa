/* Names of a program: which variable or function the host means, and where its elements lie in a PE's memory now. */
#include "host/host.h"

static bool module_tail(const char *full, const char *name) { /* "module.name" */
    const char *dot = strrchr(full, '.');
    return dot && !strcmp(dot + 1, name);
}

const isa_symbol *host_find_symbol(const isa_program *p, const char *name, isa_symbol_kind kind) {
    const isa_symbol *same = NULL, *inside = NULL;
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        const isa_symbol *s = &p->symbols[i];
        if (s->kind != kind || !s->name) continue;
        if (!strcmp(s->name, name)) {
            if (s->exported) return s;
            if (!same) same = s;
        } else if (!inside && module_tail(s->name, name)) {
            inside = s;
        }
    }
    return same ? same : inside;
}

uint32_t host_symbol_word(const isa_symbol *s, const uint16_t *memory) {
    return s->is_pointer ? memory[s->word] : s->word;
}

uint32_t host_element_words(const isa_symbol *s) { return s->bits <= 16 ? 1 : (s->bits + 15u) / 16; }

uint32_t host_symbol_words(const isa_symbol *s, const isa_program *p, const uint16_t *memory) {
    uint16_t initial = s->word < p->data_words ? p->data[s->word] : 0;
    if (s->is_pointer && memory[s->word] != initial) return 0;
    uint64_t words = (uint64_t)s->elements * host_element_words(s);
    return words > ISA_SRAM_WORDS ? 0 : (uint32_t)words;
}

bool host_symbol_id(const isa_image *m, const char *name, uint32_t *id, diag *d) {
    strbuf known = {0};
    for (uint32_t i = 0; i < m->export_count; i++) {
        if (!strcmp(m->exports[i].name, name)) {
            strbuf_free(&known);
            return *id = i, true;
        }
        strbuf_addf(&known, "%s%s", known.len ? ", " : "", m->exports[i].name);
    }
    diag_error(d, "the program exports no symbol '%s'; it exports: %s. Add @export_name(\"%s\", ...) to the layout",
               name, known.len ? known.data : "nothing", name);
    strbuf_free(&known);
    return false;
}

bool host_read_symbol(const isa_image *m, const uint16_t *memory, uint32_t pe, const char *name, uint16_t *out,
                      uint32_t *words, diag *d) {
    const isa_program *p = &m->programs[m->tiles[pe].program];
    uint32_t x = pe % m->width, y = pe / m->width;
    const isa_symbol *s = host_find_symbol(p, name, ISA_SYM_DATA);
    if (!s)
        return diag_error(d, "PE(%u,%u) runs %s, which has no variable '%s'", x, y, p->name ? p->name : "nothing",
                          name);
    uint32_t at = host_symbol_word(s, memory), n = host_symbol_words(s, p, memory);
    if (!n)
        return diag_error(
            d, "PE(%u,%u): how long '%s' is cannot be known; the pointer was moved or its target has no size", x, y,
            name);
    if (at + n > ISA_SRAM_WORDS)
        return diag_error(d, "PE(%u,%u): '%s' would lie at words %u to %u, beyond the memory; the pointer is wrong", x,
                          y, name, at, at + n);
    *words = n;
    if (out) memcpy(out, memory + at, n * sizeof *out);
    return true;
}
