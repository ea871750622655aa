/* Liveness over blocks, and what follows from it: instructions nobody needs.
 *
 * Only registers that some block reads before writing them ("globals") can be live between blocks, and only those have
 * bits: long straight code full of temporaries stays cheap. */
#include "csl/codegen.h"

typedef struct {
    uint64_t *needs, *kills; /* [block][row_words]: read before written; written */
} local_sets;

static uint64_t *row(const cg_fn *f, uint64_t *sets, uint32_t block) { return sets + (size_t)block * f->row_words; }
static void set_bit(uint64_t *bits, uint32_t i) { bits[i / 64] |= UINT64_C(1) << i % 64; }

/* Gives a row to each register that some block reads with no write before it in that block. */
static bool find_globals(cg_fn *f) {
    uint32_t *written_in = cg_alloc(f, f->reg_count, sizeof *written_in); /* block + 1 */
    f->globals = cg_alloc(f, f->reg_count, sizeof *f->globals);
    if (!written_in || !f->globals) return false;
    memset(f->globals, 0xff, f->reg_count * sizeof *f->globals);
    f->global_count = 0;
    for (uint32_t b = 0; b < f->block_count; b++)
        for (uint32_t i = f->blocks[b].first; i < f->blocks[b].end; i++) {
            ir_reg *regs[16];
            for (uint32_t n = cg_uses(&f->code[i], regs); n--;) {
                ir_reg r = *regs[n];
                bool exposed = r >= CG_VIRTUAL && written_in[r] != b + 1 && f->globals[r] == UINT32_MAX;
                if (exposed) f->globals[r] = f->global_count++;
            }
            for (uint32_t n = cg_defs(&f->code[i], regs); n--;) written_in[*regs[n]] = b + 1;
        }
    f->row_words = (f->global_count + 63) / 64;
    return true;
}

static void fill_local(cg_fn *f, const local_sets *s, uint32_t block) {
    uint64_t *needs = row(f, s->needs, block), *kills = row(f, s->kills, block);
    for (uint32_t i = f->blocks[block].first; i < f->blocks[block].end; i++) {
        ir_reg *regs[16];
        for (uint32_t n = cg_uses(&f->code[i], regs); n--;) {
            uint32_t g = f->globals[*regs[n]];
            if (g != UINT32_MAX && !(kills[g / 64] >> g % 64 & 1)) set_bit(needs, g);
        }
        for (uint32_t n = cg_defs(&f->code[i], regs); n--;)
            if (f->globals[*regs[n]] != UINT32_MAX) set_bit(kills, f->globals[*regs[n]]);
    }
}

/* live_out of a block from what its successors need; did it grow? */
static bool update(cg_fn *f, const local_sets *s, uint32_t block) {
    uint64_t *out = row(f, f->live_out, block);
    bool grew = false;
    for (int k = 0; k < 2; k++) {
        uint32_t next = f->blocks[block].next[k];
        if (next == UINT32_MAX) continue;
        const uint64_t *needs = row(f, s->needs, next), *kills = row(f, s->kills, next),
                       *after = row(f, f->live_out, next);
        for (uint32_t w = 0; w < f->row_words; w++) {
            uint64_t in = needs[w] | (after[w] & ~kills[w]);
            grew |= (in & ~out[w]) != 0;
            out[w] |= in;
        }
    }
    return grew;
}

bool cg_live(cg_fn *f) {
    if (!cg_blocks(f) || !find_globals(f)) return false;
    size_t words = (size_t)f->block_count * f->row_words;
    local_sets s = {cg_alloc(f, words, sizeof(uint64_t)), cg_alloc(f, words, sizeof(uint64_t))};
    f->live_out = cg_alloc(f, words, sizeof *f->live_out);
    if (!s.needs || !s.kills || !f->live_out) return false;
    for (uint32_t b = 0; b < f->block_count; b++) fill_local(f, &s, b);
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t b = f->block_count; b--;) changed |= update(f, &s, b);
    }
    for (size_t w = 0; w < words; w++) s.needs[w] |= f->live_out[w] & ~s.kills[w];
    f->live_in = s.needs;
    return true;
}

/* ---- dead code ---- */

static bool is_needed(cg_ins *in, const uint32_t *live_in_block, uint32_t mark) {
    if (!cg_is_pure(in)) return true;
    if (in->op == ISA_NOP) return false;
    return !cg_is_virtual(in->d) || live_in_block[in->d] == mark;
}

static void sweep_block(cg_fn *f, uint32_t block, uint32_t *live, const uint32_t *global_regs) {
    uint32_t mark = block + 1;
    const uint64_t *out = row(f, f->live_out, block);
    for (uint32_t w = 0; w < f->row_words; w++)
        for (uint64_t bits = out[w]; bits; bits &= bits - 1)
            live[global_regs[w * 64 + (uint32_t)__builtin_ctzll(bits)]] = mark;
    for (uint32_t i = f->blocks[block].end; i-- > f->blocks[block].first;) {
        cg_ins *in = &f->code[i];
        if (!is_needed(in, live, mark)) {
            in->op = ISA_NOP;
            continue;
        }
        ir_reg *regs[16];
        for (uint32_t n = cg_defs(in, regs); n--;) live[*regs[n]] = 0;
        for (uint32_t n = cg_uses(in, regs); n--;) live[*regs[n]] = mark;
    }
}

/* Turns what nobody needs into NOPs, which cg_clean removes. */
bool cg_dead(cg_fn *f) {
    if (!cg_live(f)) return false;
    uint32_t *live = cg_alloc(f, f->reg_count, sizeof *live);
    uint32_t *global_regs = cg_alloc(f, f->global_count, sizeof *global_regs);
    if (!live || !global_regs) return false;
    for (uint32_t r = 0; r < f->reg_count; r++)
        if (f->globals[r] != UINT32_MAX) global_regs[f->globals[r]] = r;
    for (uint32_t b = 0; b < f->block_count; b++) sweep_block(f, b, live, global_regs);
    return true;
}
