/* Checks while a program runs (wse_options.check): reads of words that nothing has written, and operations of one PE
 * that touch the same words at the same time.
 *
 * Written is what the image gives a first value (a variable declared without one has none), what the host copies in,
 * stores, and the results of vector operations: all of them from the moment the operation begins, so that who reads
 * them early is told of the race instead. What an operation read is looked at when it ends, since only then it is known
 * how far it came.
 *
 * A race is found when an operation begins, or the main thread reads or writes, while a microthread that is not blocked
 * still has to touch one of the words and one of the two writes. What it has passed already counts as done. FIFOs order
 * their ends themselves. Each pair of lines is told once. One thread only. */
#include "wse/core_internal.h"
#include "base/mem.h"

enum { FINDINGS_MAX = 200, BITS = 64, MAP_WORDS = ISA_SRAM_WORDS / BITS, LONGEST = ISA_SRAM_WORDS };

typedef enum { CHECK_UNWRITTEN, CHECK_RACE } check_kind;

typedef struct {
    check_kind kind;
    bool writes, other_writes;
    uint32_t program, pc, other;
    uint32_t pe, last_pe, pes, word;
    uint8_t thread; /* of the other one */
    uint64_t cycle;
} finding;

struct wse_check {
    uint64_t *first;   /* [program][MAP_WORDS] words with a first value */
    uint64_t *written; /* [pe][MAP_WORDS] */
    finding *findings;
    uint32_t count;
};

static bool get(const uint64_t *map, uint32_t word) { return map[word / BITS] >> (word % BITS) & 1; }
static void set(uint64_t *map, uint32_t word) { map[word / BITS] |= 1ull << (word % BITS); }

static void set_range(uint64_t *map, uint32_t word, uint32_t words, bool on) {
    for (uint32_t i = 0; i < words && word + i < ISA_SRAM_WORDS; i++) {
        if (on) set(map, word + i);
        else map[(word + i) / BITS] &= ~(1ull << ((word + i) % BITS));
    }
}

static uint64_t *map_of(const wse *m, uint32_t pe) { return m->check->written + (size_t)pe * MAP_WORDS; }

static uint32_t symbol_words(const isa_symbol *s) { return s->is_pointer ? 1 : s->elements * ((s->bits + 15u) / 16); }

static void first_values(const isa_program *p, uint64_t *map) {
    set_range(map, 0, p->used_words, true);
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_DATA && p->symbols[i].undefined)
            set_range(map, p->symbols[i].word, symbol_words(&p->symbols[i]), false);
}

bool check_new(wse *m, diag *d) {
    if (!m->options.check) return true;
    wse_check *k = m->check = mem_alloc(sizeof *k);
    if (!k) return diag_oom(d, "checks");
    m->options.threads = 1;
    m->looked_at = true;
    k->first = mem_alloc_n((size_t)m->image->program_count * MAP_WORDS + 1, sizeof *k->first);
    k->written = mem_alloc_n((size_t)m->pes * MAP_WORDS, sizeof *k->written);
    k->findings = mem_alloc_n(FINDINGS_MAX, sizeof *k->findings);
    if (!k->first || !k->written || !k->findings) return diag_oom(d, "checks");
    for (uint32_t i = 0; i < m->image->program_count; i++)
        first_values(&m->image->programs[i], k->first + (size_t)i * MAP_WORDS);
    return true;
}

void check_release(wse *m) {
    if (!m->check) return;
    mem_free(m->check->first);
    mem_free(m->check->written);
    mem_free(m->check->findings);
    mem_free(m->check);
    m->check = NULL;
}

void wse_wrote(wse *m, uint32_t pe, uint32_t word, uint32_t words) {
    if (m->check) set_range(map_of(m, pe), word, words, true);
}

/* ---- findings ---- */

static void found(wse *m, finding f) {
    wse_check *k = m->check;
    f.program = m->image->tiles[f.pe].program;
    for (uint32_t i = 0; i < k->count; i++) {
        finding *g = &k->findings[i];
        bool same = g->kind == f.kind && g->program == f.program && g->pc == f.pc && g->other == f.other;
        if (!same) continue;
        if (g->last_pe != f.pe) g->pes++;
        g->last_pe = f.pe;
        return;
    }
    f.last_pe = f.pe;
    f.pes = 1;
    if (k->count < FINDINGS_MAX) k->findings[k->count++] = f;
}

static void read_word(wse *m, uint32_t pe, uint32_t pc, uint32_t word, uint64_t cycle) {
    const uint64_t *first = m->check->first + (size_t)m->image->tiles[pe].program * MAP_WORDS;
    if (word >= ISA_SRAM_WORDS || get(first, word) || get(map_of(m, pe), word)) return;
    found(m, (finding){.kind = CHECK_UNWRITTEN, .pc = pc, .pe = pe, .word = word, .cycle = cycle});
    set(map_of(m, pe), word);
}

/* ---- operands ---- */

typedef struct {
    const isa_program *p;
    const core_operand *o;
    uint32_t from, to; /* elements */
} part;

static bool memory_part(const isa_program *p, const core_operand *o, uint32_t from, uint32_t length, part *out) {
    if (!core_memory_kind(o->kind) || from >= length) return false;
    uint32_t to = length - from > LONGEST ? from + LONGEST : length;
    *out = (part){p, o, from, to};
    return true;
}

/* Does it touch the word? Elements of one stride by division, others one by one. */
static bool touches(const part *a, uint32_t word) {
    int32_t stride;
    uint32_t run;
    for (uint32_t k = a->from; k < a->to;) {
        int64_t at = operand_address(a->p, a->o, k, &stride, &run);
        if (run > a->to - k) run = a->to - k;
        for (uint32_t sub = 0; sub < a->o->words; sub++) {
            int64_t away = (int64_t)word - at - sub;
            bool on = stride ? away % stride == 0 && away / stride >= 0 && away / stride < run : away == 0;
            if (on) return true;
        }
        k += run ? run : 1;
    }
    return false;
}

/* The bounds first: most operands are far apart. */
static void bounds(const part *a, int64_t *low, int64_t *high) {
    int32_t stride;
    uint32_t run;
    *low = INT64_MAX;
    *high = INT64_MIN;
    for (uint32_t k = a->from; k < a->to;) {
        int64_t first = operand_address(a->p, a->o, k, &stride, &run);
        if (run > a->to - k) run = a->to - k;
        int64_t last = first + (int64_t)(run ? run - 1 : 0) * stride;
        if (first < *low) *low = first;
        if (last < *low) *low = last;
        if (first > *high) *high = first;
        if (last > *high) *high = last;
        k += run ? run : 1;
    }
    *high += a->o->words - 1;
}

static bool overlap(const part *a, const part *b, uint32_t *word) {
    int64_t low_a, high_a, low_b, high_b;
    int32_t stride;
    uint32_t run;
    bounds(a, &low_a, &high_a);
    bounds(b, &low_b, &high_b);
    if (high_a < low_b || high_b < low_a) return false;
    for (uint32_t k = a->from; k < a->to; k++)
        for (uint32_t sub = 0; sub < a->o->words; sub++) {
            int64_t at = operand_address(a->p, a->o, k, &stride, &run) + sub;
            if (at < low_b || at > high_b || at < 0 || at >= ISA_SRAM_WORDS || !touches(b, (uint32_t)at)) continue;
            *word = (uint32_t)at;
            return true;
        }
    return false;
}

/* ---- races ---- */

typedef struct {
    part parts[3];
    bool writes[3];
    uint32_t count;
} extent;

static extent extent_of(const isa_program *p, const core_vop *v, uint32_t from) {
    const core_operand *all[] = {&v->d, &v->s0, &v->s1};
    extent e = {.count = 0};
    for (int k = 0; k < 3; k++) {
        if (!memory_part(p, all[k], from, v->length, &e.parts[e.count])) continue;
        if (v->wavelet_index && all[k]->offset) continue; /* where it goes, the wavelet says */
        e.writes[e.count++] = k == 0;
    }
    return e;
}

static void race(wse *m, uint32_t pe, uint32_t pc, bool writes, const core_vop *y, uint32_t thread, bool other_writes,
                 uint32_t word, uint64_t cycle) {
    found(m, (finding){.kind = CHECK_RACE,
                       .pc = pc,
                       .other = y->pc,
                       .pe = pe,
                       .word = word,
                       .cycle = cycle,
                       .writes = writes,
                       .other_writes = other_writes,
                       .thread = (uint8_t)thread});
}

static void against(wse *m, uint32_t pe, uint32_t pc, const extent *x, const core_vop *y, uint32_t thread,
                    uint64_t cycle) {
    extent e = extent_of(wse_program(m, pe), y, y->position);
    for (uint32_t i = 0; i < x->count; i++)
        for (uint32_t k = 0; k < e.count; k++) {
            uint32_t word;
            if (!(x->writes[i] | e.writes[k]) || !overlap(&x->parts[i], &e.parts[k], &word)) continue;
            race(m, pe, pc, x->writes[i], y, thread, e.writes[k], word, cycle);
            return;
        }
}

static void races(wse *m, uint32_t pe, const core *c, uint32_t pc, const extent *x) {
    const core_vop *pool = m->cores->vops + c->vops;
    for (uint32_t set_ = c->alive & ~c->ut_blocked; set_; set_ &= set_ - 1) {
        uint32_t k = (uint32_t)__builtin_ctz(set_);
        against(m, pe, pc, x, &pool[1 + k], k, c->time);
    }
}

/* One word or two of the main thread. */
static void scalar(wse *m, uint32_t pe, const core *c, uint32_t word, uint32_t words, bool writes) {
    if (word >= ISA_SRAM_WORDS) return;
    for (uint32_t i = 0; i < words && !writes; i++) read_word(m, pe, c->pc, word + i, c->time);
    if (writes) set_range(map_of(m, pe), word, words, true);
    if (!(c->alive & ~c->ut_blocked)) return;
    core_operand o = {.kind = ISA_MEM1D, .words = (uint8_t)words, .base = (uint16_t)word, .stride = 1};
    extent x = {.count = 1, .parts = {{wse_program(m, pe), &o, 0, 1}}, .writes = {writes}};
    races(m, pe, c, c->pc, &x);
}

/* ---- called by the core ---- */

static void element(wse *m, uint32_t pe, const core *c, uint8_t slot, uint32_t bits, bool writes) {
    core_operand o;
    const char *why;
    int32_t stride;
    uint32_t run;
    if (!operand_of_dsr(m, pe, c, slot, bits, &o, &why) || !core_memory_kind(o.kind)) return;
    int64_t at = operand_address(wse_program(m, pe), &o, 0, &stride, &run);
    if (at >= 0 && at < ISA_SRAM_WORDS) scalar(m, pe, c, (uint32_t)at, o.words, writes);
}

void check_instruction(wse *m, uint32_t pe, const core *c, const core_instr *in) {
    uint32_t address = (c->r[in->a & 31] + in->imm) & 0xffff;
    switch (in->op) {
    case ISA_LD16U:
    case ISA_LD16S: scalar(m, pe, c, address, 1, false); break;
    case ISA_LD32: scalar(m, pe, c, address, 2, false); break;
    case ISA_ST16: scalar(m, pe, c, address, 1, true); break;
    case ISA_ST32: scalar(m, pe, c, address, 2, true); break;
    case ISA_CALL:
    case ISA_CALLR: wse_wrote(m, pe, c->r[ISA_REG_SP] - 1, 1); break;
    case ISA_DSRGET: element(m, pe, c, in->a, in->imm, false); break;
    case ISA_DSRPUT: element(m, pe, c, in->d, in->imm, true); break;
    default: break;
    }
}

static void mark(wse *m, uint32_t pe, const part *a) {
    int32_t stride;
    uint32_t run;
    for (uint32_t k = a->from; k < a->to; k++) {
        int64_t at = operand_address(a->p, a->o, k, &stride, &run);
        if (at >= 0 && at < ISA_SRAM_WORDS) set_range(map_of(m, pe), (uint32_t)at, a->o->words, true);
    }
}

void check_begin(wse *m, uint32_t pe, const core *c, const core_vop *v) {
    const isa_program *p = wse_program(m, pe);
    part d;
    extent x = extent_of(p, v, 0);
    if (c->alive & ~c->ut_blocked) races(m, pe, c, v->pc, &x);
    if (v->wavelet_index && v->d.offset) set_range(map_of(m, pe), 0, ISA_SRAM_WORDS, true); /* anywhere */
    else if (memory_part(p, &v->d, 0, v->length, &d)) mark(m, pe, &d);
}

void check_end(wse *m, uint32_t pe, const core_vop *v, uint64_t now) {
    const core_operand *sources[] = {&v->s0, &v->s1};
    for (int i = 0; i < 2; i++) {
        part s;
        int32_t stride;
        uint32_t run;
        if (!memory_part(wse_program(m, pe), sources[i], 0, v->position, &s)) continue;
        if (v->wavelet_index && s.o->offset) continue;
        for (uint32_t k = s.from; k < s.to; k++) {
            int64_t at = operand_address(s.p, s.o, k, &stride, &run);
            for (uint32_t sub = 0; sub < s.o->words && at >= 0; sub++) read_word(m, pe, v->pc, (uint32_t)at + sub, now);
        }
    }
}

/* ---- in words ---- */

static void add_word(const isa_program *p, uint32_t word, strbuf *out) {
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        const isa_symbol *s = &p->symbols[i];
        uint32_t element = (s->bits + 15u) / 16;
        if (s->kind != ISA_SYM_DATA || s->is_pointer || word < s->word || word - s->word >= symbol_words(s)) continue;
        strbuf_addf(out, "'%s'", s->name);
        if (s->elements > 1) strbuf_addf(out, " (element %u)", (word - s->word) / (element ? element : 1));
        return;
    }
    if (word >= p->used_words && word < p->stack_top_word) strbuf_addf(out, "a variable of a function (word %u)", word);
    else strbuf_addf(out, "word %u, which belongs to no variable", word);
}

static void add_thread(const wse *m, const finding *f, strbuf *out) {
    uint8_t op = m->image->programs[f->program].code[f->other].op;
    strbuf_addf(out, "%s of ", op >= ISA_DSD_FIRST ? isa_dsd_ops[op - ISA_DSD_FIRST].builtin : "an operation");
    core_line(m, f->pe, f->other, out);
    strbuf_addf(out, ", microthread %u, still %s it", f->thread, f->other_writes ? "writes" : "reads");
}

void wse_explain_checks(const wse *m, strbuf *out) {
    for (uint32_t i = 0; m->check && i < m->check->count; i++) {
        const finding *f = &m->check->findings[i];
        const isa_program *p = &m->image->programs[f->program];
        core_line(m, f->pe, f->pc, out);
        if (f->kind == CHECK_UNWRITTEN) {
            strbuf_adds(out, ": reads ");
            add_word(p, f->word, out);
            strbuf_adds(out, ", which nothing has written");
        } else {
            strbuf_addf(out, ": %s ", f->writes ? "writes" : "reads");
            add_word(p, f->word, out);
            strbuf_adds(out, " while ");
            add_thread(m, f, out);
        }
        strbuf_addf(out, "; PE(%u,%u) cycle %llu", f->pe % m->width, f->pe / m->width, (unsigned long long)f->cycle);
        if (f->pes > 1) strbuf_addf(out, ", and other PEs");
        strbuf_addc(out, '\n');
    }
}
