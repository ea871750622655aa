/* Register allocation: linear scan over intervals (first to last place where a value is live). Other values do not use
 * the holes of an interval; physical registers that calls and moves take may.
 *
 * Instruction i reads at place 2i and writes at 2i+1. Physical registers are taken for ranges of places: from a move
 * into an argument register to the call, across calls by what these change. When no register is free over a whole
 * interval, the value whose uses weigh least for its length goes to memory (constants: to their uses) and everything is
 * done again; what spilling made is so short that this ends. */
#include "csl/codegen.h"

typedef struct {
    uint32_t start, end;
} range;

/* Where a value is live in one block; the hull of all is its interval. */
typedef struct {
    range at;
    uint32_t block, next; /* next: index + 1 of the piece before */
} piece;

typedef struct {
    range *v; /* from last to first */
    uint32_t count, cap;
} ranges;

typedef struct {
    cg_fn *f;
    range *live; /* [register] start > end: never */
    piece *pieces;
    uint32_t piece_count, piece_cap, block;
    uint32_t *last_piece;        /* [register] index + 1 */
    float *uses;                 /* [register] reads and writes, by loop depth */
    ir_reg *hint_def, *hint_use; /* other side of the move that writes, reads it */
    ranges taken[CG_REGS];
    uint8_t *assigned; /* [register] */
    ir_reg active[CG_REGS];
    uint32_t *order; /* registers by start */
    uint32_t order_count;
    cg_ins **single;
    bool *spilled; /* [register] */
    uint32_t spill_count;
    uint32_t saved; /* bit r: r8.. already used, so saved anyway */
} scan;

static piece *piece_of(scan *s, ir_reg r) {
    uint32_t last = s->last_piece[r];
    if (last && s->pieces[last - 1].block == s->block) return &s->pieces[last - 1];
    if (s->piece_count == s->piece_cap) {
        uint32_t cap = s->piece_cap ? s->piece_cap * 2 : 256;
        piece *bigger = cg_alloc(s->f, cap, sizeof *bigger);
        if (!bigger) return NULL;
        if (s->piece_count) memcpy(bigger, s->pieces, s->piece_count * sizeof *bigger);
        s->pieces = bigger;
        s->piece_cap = cap;
    }
    s->pieces[s->piece_count] = (piece){{UINT32_MAX, 0}, s->block, last};
    s->last_piece[r] = s->piece_count + 1;
    return &s->pieces[s->piece_count++];
}

static bool extend(scan *s, ir_reg r, uint32_t place) {
    piece *p = piece_of(s, r);
    if (!p) return false;
    range *both[] = {&p->at, &s->live[r]};
    for (int i = 0; i < 2; i++) {
        if (place < both[i]->start) both[i]->start = place;
        if (place > both[i]->end) both[i]->end = place;
    }
    return true;
}

static bool extend_row(scan *s, const uint64_t *bits, const uint32_t *global_regs, uint32_t place) {
    for (uint32_t w = 0; w < s->f->row_words; w++)
        for (uint64_t rest = bits[w]; rest; rest &= rest - 1)
            if (!extend(s, global_regs[w * 64 + (uint32_t)__builtin_ctzll(rest)], place)) return false;
    return true;
}

static void note_move(scan *s, const cg_ins *in) {
    if (in->op != ISA_MOV) return;
    if (cg_is_virtual(in->d)) s->hint_def[in->d] = in->a;
    if (cg_is_virtual(in->a)) s->hint_use[in->a] = in->d;
}

static bool intervals_of_block(scan *s, const cg_block *block) {
    static const float weights[] = {1, 10, 100, 1000, 10000};
    float weight = weights[block->depth < 4 ? block->depth : 4];
    for (uint32_t i = block->first; i < block->end; i++) {
        cg_ins *in = &s->f->code[i];
        ir_reg *regs[16];
        for (uint32_t n = cg_uses(in, regs); n--;)
            if (cg_is_virtual(*regs[n])) {
                s->uses[*regs[n]] += weight;
                if (!extend(s, *regs[n], 2 * i)) return false;
            }
        for (uint32_t n = cg_defs(in, regs); n--;)
            if (cg_is_virtual(*regs[n])) {
                s->uses[*regs[n]] += weight;
                if (!extend(s, *regs[n], 2 * i + 1) || (in->early && !extend(s, *regs[n], 2 * i))) return false;
            }
        note_move(s, in);
    }
    return true;
}

static bool find_intervals(scan *s) {
    cg_fn *f = s->f;
    uint32_t *global_regs = cg_alloc(f, f->global_count, sizeof *global_regs);
    if (!global_regs) return false;
    for (uint32_t r = 0; r < f->reg_count; r++) {
        s->live[r] = (range){UINT32_MAX, 0};
        if (f->globals[r] != UINT32_MAX) global_regs[f->globals[r]] = r;
    }
    for (uint32_t b = 0; b < f->block_count; b++) {
        size_t at = (size_t)b * f->row_words;
        s->block = b;
        if (!extend_row(s, f->live_in + at, global_regs, 2 * f->blocks[b].first) ||
            !extend_row(s, f->live_out + at, global_regs, 2 * f->blocks[b].end - 1) ||
            !intervals_of_block(s, &f->blocks[b]))
            return false;
    }
    return true;
}

/* ---- physical registers ---- */

static bool take(scan *s, uint32_t reg, uint32_t start, uint32_t end) {
    ranges *t = &s->taken[reg];
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 32;
        range *bigger = cg_alloc(s->f, cap, sizeof *bigger);
        if (!bigger) return false;
        if (t->count) memcpy(bigger, t->v, t->count * sizeof *bigger);
        t->v = bigger;
        t->cap = cap;
    }
    t->v[t->count++] = (range){start, end};
    return true;
}

static uint32_t clobbers_of(const cg_fn *f, const cg_ins *in) {
    if (in->op == ISA_CALLR) return CG_CALL_CLOBBERS;
    const cg_info *callee = &f->g->info[in->imm];
    return callee->generated ? callee->clobbers : CG_CALL_CLOBBERS;
}

/* until[r]: place of the last read of physical register r seen so far (walking up), UINT32_MAX none */
static bool taken_by_call(scan *s, const cg_ins *in, uint32_t i, uint32_t *until) {
    uint32_t written = clobbers_of(s->f, in) | ((1u << in->call->result_count) - 1);
    for (uint32_t r = 0; r < CG_ARG_REGS; r++) {
        if (!(written >> r & 1)) continue;
        if (!take(s, r, 2 * i + 1, until[r] != UINT32_MAX ? until[r] : 2 * i + 1)) return false;
        until[r] = UINT32_MAX;
    }
    for (uint32_t r = 0; r < CG_ARG_REGS && r < in->call->arg_count; r++)
        if (in->call->args[r] && until[r] == UINT32_MAX) until[r] = 2 * i;
    return true;
}

static bool taken_in_block(scan *s, const cg_block *block) {
    uint32_t until[CG_REGS];
    memset(until, 0xff, sizeof until);
    for (uint32_t i = block->end; i-- > block->first;) {
        cg_ins *in = &s->f->code[i];
        ir_reg *regs[16];
        for (uint32_t n = cg_defs(in, regs); n--;) {
            uint32_t r = *regs[n] - 1;
            if (r >= CG_REGS) continue;
            if (!take(s, r, 2 * i + 1, until[r] != UINT32_MAX ? until[r] : 2 * i + 1)) return false;
            until[r] = UINT32_MAX;
        }
        if ((in->op == ISA_CALL || in->op == ISA_CALLR) && !taken_by_call(s, in, i, until)) return false;
        for (uint32_t n = cg_uses(in, regs); n--;) {
            uint32_t r = *regs[n] - 1;
            if (r < CG_REGS && until[r] == UINT32_MAX) until[r] = 2 * i;
        }
    }
    for (uint32_t r = 0; r < CG_REGS; r++)
        if (until[r] != UINT32_MAX && !take(s, r, 2 * block->first, until[r])) return false;
    return true;
}

static bool is_taken_over(const scan *s, uint32_t reg, range over) {
    const ranges *t = &s->taken[reg];
    uint32_t low = 0, high = t->count; /* first range that starts at or before the end of `over` */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (t->v[middle].start > over.end) low = middle + 1;
        else high = middle;
    }
    return low < t->count && t->v[low].end >= over.start;
}

static bool is_taken(const scan *s, uint32_t reg, ir_reg r) {
    for (uint32_t i = s->last_piece[r]; i; i = s->pieces[i - 1].next)
        if (is_taken_over(s, reg, s->pieces[i - 1].at)) return true;
    return false;
}

/* ---- the scan ---- */

static bool sort_by_start(scan *s) {
    cg_fn *f = s->f;
    uint32_t *heads = cg_alloc(f, 2 * (size_t)f->count + 2, sizeof *heads);
    s->order = cg_alloc(f, f->reg_count, sizeof *s->order);
    if (!heads || !s->order) return false;
    for (uint32_t r = CG_VIRTUAL; r < f->reg_count; r++)
        if (s->live[r].start <= s->live[r].end) heads[s->live[r].start + 1]++, s->order_count++;
    for (uint32_t i = 1; i < 2 * f->count + 2; i++) heads[i] += heads[i - 1];
    for (uint32_t r = CG_VIRTUAL; r < f->reg_count; r++)
        if (s->live[r].start <= s->live[r].end) s->order[heads[s->live[r].start]++] = r;
    return true;
}

static bool is_free(const scan *s, ir_reg r, uint32_t reg) {
    if (reg >= CG_REGS || is_taken(s, reg, r)) return false;
    ir_reg holder = s->active[reg];
    return !holder || s->live[holder].end < s->live[r].start;
}

/* The register the other side of a move has, or wants itself. */
static uint32_t hinted(const scan *s, ir_reg other, bool further) {
    if (!other) return ISA_NO_REG;
    if (!cg_is_virtual(other)) return other - 1;
    if (s->assigned[other] != ISA_NO_REG || !further) return s->assigned[other];
    uint32_t wanted = hinted(s, s->hint_use[other], false);
    return wanted != ISA_NO_REG ? wanted : hinted(s, s->hint_def[other], false);
}

static bool is_constant(const scan *s, ir_reg r) {
    const cg_ins *def = s->single[r];
    return def && (def->op == ISA_MOVI || def->op == IR_FRAME || def->op == IR_FN_ADDRESS);
}

/* A register that must be saved first pays only for values worth it; constants with few uses are cheaper built anew. */
static bool is_worth(scan *s, ir_reg r, uint32_t reg) {
    if (reg < CG_ARG_REGS || s->f->fn->is_task || s->saved >> reg & 1) return true;
    return !(is_constant(s, r) && s->uses[r] < 5 && r < s->f->short_from);
}

static uint32_t choose(scan *s, ir_reg r) {
    const uint32_t hints[] = {hinted(s, s->hint_use[r], true), hinted(s, s->hint_def[r], true)};
    for (size_t i = 0; i < 2; i++)
        if (hints[i] != ISA_NO_REG && is_free(s, r, hints[i]) && is_worth(s, r, hints[i])) return hints[i];
    for (uint32_t reg = 0; reg < CG_REGS; reg++)
        if (is_free(s, r, reg) && is_worth(s, r, reg)) return reg;
    return ISA_NO_REG;
}

static float weight_of(const scan *s, ir_reg r) {
    if (r >= s->f->short_from) return 1e30f;
    float weight = s->uses[r] / (float)(s->live[r].end - s->live[r].start + 1);
    return is_constant(s, r) ? weight / 2 : weight;
}

static void give_up(scan *s, ir_reg r) {
    s->assigned[r] = ISA_NO_REG;
    s->spilled[r] = true;
    s->spill_count++;
}

static void place(scan *s, ir_reg r, uint32_t reg) {
    s->assigned[r] = (uint8_t)reg;
    s->active[reg] = r;
    s->saved |= 1u << reg;
}

static void spill_lightest(scan *s, ir_reg r) {
    float lightest = weight_of(s, r);
    uint32_t from = ISA_NO_REG;
    for (uint32_t reg = 0; reg < CG_REGS; reg++) {
        if (is_taken(s, reg, r) || is_free(s, r, reg)) continue;
        float weight = weight_of(s, s->active[reg]);
        if (weight < lightest) lightest = weight, from = reg;
    }
    if (from == ISA_NO_REG) {
        give_up(s, r);
        return;
    }
    give_up(s, s->active[from]);
    place(s, r, from);
}

static bool prepare(scan *s) {
    cg_fn *f = s->f;
    s->live = cg_alloc(f, f->reg_count, sizeof *s->live);
    s->uses = cg_alloc(f, f->reg_count, sizeof *s->uses);
    s->last_piece = cg_alloc(f, f->reg_count, sizeof *s->last_piece);
    s->hint_def = cg_alloc(f, f->reg_count, sizeof *s->hint_def);
    s->hint_use = cg_alloc(f, f->reg_count, sizeof *s->hint_use);
    s->assigned = cg_alloc(f, f->reg_count, 1);
    s->spilled = cg_alloc(f, f->reg_count, 1);
    s->single = cg_single_defs(f);
    if (!s->live || !s->uses || !s->last_piece || !s->hint_def || !s->hint_use || !s->assigned || !s->spilled ||
        !s->single)
        return false;
    memset(s->assigned, ISA_NO_REG, f->reg_count);
    if (!find_intervals(s) || !sort_by_start(s)) return false;
    for (uint32_t b = f->block_count; b--;)
        if (!taken_in_block(s, &f->blocks[b])) return false;
    return true;
}

/* ---- results ---- */

/* Homes for what has none; values that never live at the same time share one. */
static bool spill(scan *s) {
    cg_fn *f = s->f;
    uint32_t *home = cg_alloc(f, f->reg_count, sizeof *home), *busy_until = cg_alloc(f, s->spill_count, sizeof *home);
    cg_ins **again = cg_alloc(f, f->reg_count, sizeof *again);
    if (!home || !again || !busy_until) return false;
    uint32_t first = f->slot_count;
    for (uint32_t i = 0; i < s->order_count; i++) {
        ir_reg r = s->order[i];
        if (!s->spilled[r]) continue;
        if (is_constant(s, r)) {
            again[r] = s->single[r];
            continue;
        }
        uint32_t slot = first;
        while (slot < f->slot_count && busy_until[slot - first] >= s->live[r].start) slot++;
        if (slot == f->slot_count && cg_new_slot(f, 2) == UINT32_MAX) return false;
        busy_until[slot - first] = s->live[r].end;
        home[r] = CG_SLOT(slot);
    }
    return cg_spill(f, home, again);
}

static void rename_all(scan *s) {
    for (uint32_t i = 0; i < s->f->count; i++) {
        cg_ins *in = &s->f->code[i];
        ir_reg *regs[18];
        uint32_t n = cg_uses(in, regs);
        n += cg_defs(in, regs + n);
        for (uint32_t k = 0; k < n; k++)
            if (cg_is_virtual(*regs[k])) *regs[k] = CG_PHYS(s->assigned[*regs[k]]);
        if (in->op == ISA_MOV && in->d == in->a) in->op = ISA_NOP;
    }
}

/* A move of what is there already. value[r]: same number, same value. */
static bool drop_moves(cg_fn *f) {
    uint32_t value[CG_VIRTUAL], last = 0;
    if (!cg_blocks(f)) return false;
    for (uint32_t b = 0; b < f->block_count; b++) {
        for (uint32_t r = 0; r < CG_VIRTUAL; r++) value[r] = ++last;
        for (uint32_t i = f->blocks[b].first; i < f->blocks[b].end; i++) {
            cg_ins *in = &f->code[i];
            bool moves = in->op == ISA_MOV;
            uint32_t moved = moves ? value[in->a] : 0;
            if (moves && value[in->d] == moved) in->op = ISA_NOP, in->d = in->a = 0;
            ir_reg *defs[2];
            for (uint32_t n = cg_defs(in, defs); n--;) value[*defs[n]] = moves ? moved : ++last;
            if (in->op != ISA_CALL && in->op != ISA_CALLR) continue;
            uint32_t written = clobbers_of(f, in) | ((1u << in->call->result_count) - 1);
            for (uint32_t r = 0; r < CG_ARG_REGS; r++)
                if (written >> r & 1) value[CG_PHYS(r)] = ++last;
        }
    }
    return true;
}

bool cg_allocate(cg_fn *f) {
    for (;;) {
        scan s = {.f = f};
        if (!cg_live(f) || !prepare(&s)) return false;
        for (uint32_t i = 0; i < s.order_count; i++) {
            uint32_t reg = choose(&s, s.order[i]);
            if (reg != ISA_NO_REG) place(&s, s.order[i], reg);
            else spill_lightest(&s, s.order[i]);
        }
        if (!s.spill_count) {
            rename_all(&s);
            return drop_moves(f);
        }
        if (!spill(&s)) return false;
    }
}
