/* Registers that found no place: each use loads the value into a short-lived register, each write stores one. Moves
 * become the load or the store itself. Constants are built anew instead. */
#include "csl/codegen.h"

typedef struct {
    cg_fn *f;
    const uint32_t *home;
    cg_ins *const *again;
    uint32_t known; /* registers below have entries in home and again */
    const cg_ins *at;
} spill;

uint32_t cg_new_slot(cg_fn *f, uint32_t words) {
    if (f->slot_count == f->slot_cap) {
        uint32_t cap = f->slot_cap ? f->slot_cap * 2 : 16, *bigger = cg_alloc(f, cap, sizeof *bigger);
        if (!bigger) return UINT32_MAX;
        if (f->slot_count) memcpy(bigger, f->slots, f->slot_count * sizeof *bigger);
        f->slots = bigger;
        f->slot_cap = cap;
    }
    f->slots[f->slot_count] = words;
    return f->slot_count++;
}

static bool is_spilled(const spill *w, ir_reg r) {
    return cg_is_virtual(r) && r < w->known && (w->home[r] || w->again[r]);
}

static bool access_home(spill *w, uint16_t op, ir_reg d, ir_reg of) {
    cg_ins in = {.op = op, .d = d, .a = CG_SP, .slot = w->home[of], .source = w->at->source, .line = w->at->line};
    return cg_push(w->f, in);
}

static bool fetch(spill *w, ir_reg d, ir_reg of) {
    if (!w->again[of]) return access_home(w, ISA_LD32, d, of);
    cg_ins in = *w->again[of];
    in.d = d;
    in.source = w->at->source;
    in.line = w->at->line;
    return cg_push(w->f, in);
}

/* One short register for all mentions of a spilled one in an instruction. */
static bool replace(spill *w, cg_ins in) {
    ir_reg *uses[16], *defs[2], old[8], fresh[8];
    uint32_t n = 0, use_count = cg_uses(&in, uses), k;
    ir_reg written = cg_defs(&in, defs) ? *defs[0] : 0;
    for (uint32_t i = 0; i < use_count; i++) {
        if (!is_spilled(w, *uses[i])) continue;
        for (k = 0; k < n && old[k] != *uses[i];) k++;
        if (k == n) {
            old[n] = *uses[i];
            fresh[n++] = cg_new_reg(w->f);
            if (!fetch(w, fresh[k], old[k])) return false;
        }
        *uses[i] = fresh[k];
    }
    if (!is_spilled(w, written)) return cg_push(w->f, in);
    for (k = 0; k < n && old[k] != written;) k++;
    in.d = k < n ? fresh[k] : cg_new_reg(w->f);
    ir_reg value = in.d;
    return cg_push(w->f, in) && access_home(w, ISA_ST32, value, written);
}

/* A counter in memory: its loop is a plain one. */
static bool count_in_memory(spill *w, cg_ins in) {
    ir_reg counter = cg_new_reg(w->f);
    cg_ins less = {.op = ISA_ADDI, .d = counter, .a = counter, .imm = -1, .source = in.source, .line = in.line};
    cg_ins again = {.op = ISA_BNZ, .a = counter, .imm = in.imm, .source = in.source, .line = in.line};
    return fetch(w, counter, in.d) && cg_push(w->f, less) && access_home(w, ISA_ST32, counter, in.d) &&
           cg_push(w->f, again);
}

static bool spill_one(spill *w, cg_ins in) {
    if (in.op == ISA_LOOP && is_spilled(w, in.d)) return count_in_memory(w, in);
    bool d = is_spilled(w, in.d) && in.op != ISA_ST16 && in.op != ISA_ST32;
    if (d && w->again[in.d]) return true; /* its only writer: built anew where it is read */
    bool a = in.op == ISA_MOV && is_spilled(w, in.a);
    if (in.op == ISA_MOV && d && !a) return access_home(w, ISA_ST32, in.a, in.d);
    if (in.op == ISA_MOV && a && !d) return fetch(w, in.d, in.a);
    return replace(w, in);
}

bool cg_spill(cg_fn *f, const uint32_t *home, cg_ins *const *again) {
    spill w = {.f = f, .home = home, .again = again, .known = f->reg_count};
    const cg_ins *old = f->code;
    uint32_t count = f->count;
    if (f->short_from > f->reg_count) f->short_from = f->reg_count;
    f->code = NULL;
    f->count = f->cap = 0;
    for (uint32_t i = 0; i < count; i++) {
        w.at = &old[i];
        if (!spill_one(&w, old[i])) return false;
    }
    return true;
}
