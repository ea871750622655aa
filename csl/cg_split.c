/* A variable that is written several times is several values. Those that begin and end inside one block get registers
 * of their own: both arms of an `if` may then leave their result where it is wanted. Blocks are walked from their end.
 */
#include "csl/codegen.h"

typedef struct {
    cg_fn *f;
    uint32_t *writes;
    uint32_t *first_write; /* [register] in the block at hand, as index + 1 */
    ir_reg *name;          /* [register] of the value alive below, 0 none */
    bool *rigid;           /* [register] some instruction reads and writes it as one operand */
    uint32_t known;        /* registers there were at the start */
} splitter;

static bool splits(const splitter *w, ir_reg r) {
    return cg_is_virtual(r) && r < w->known && w->writes[r] > 1 && !w->rigid[r];
}

static void rename_defs(splitter *w, cg_ins *in) {
    ir_reg *defs[2];
    for (uint32_t n = cg_defs(in, defs); n--;) {
        ir_reg r = *defs[n];
        if (!splits(w, r)) continue;
        if (w->name[r]) *defs[n] = w->name[r];
        w->name[r] = 0;
    }
}

static void rename_uses(splitter *w, cg_ins *in, uint32_t i) {
    ir_reg *uses[16];
    for (uint32_t n = cg_uses(in, uses); n--;) {
        ir_reg r = *uses[n];
        if (!splits(w, r)) continue;
        bool begins_here = w->first_write[r] && w->first_write[r] - 1 < i;
        if (!w->name[r]) w->name[r] = begins_here ? cg_new_reg(w->f) : r;
        *uses[n] = w->name[r];
    }
}

static void split_block(splitter *w, uint32_t b, const ir_reg *touched, uint32_t count) {
    cg_fn *f = w->f;
    const uint64_t *out = f->live_out + (size_t)b * f->row_words;
    for (uint32_t k = 0; k < count; k++) {
        ir_reg r = touched[k];
        uint32_t g = f->globals[r];
        bool leaves = g != UINT32_MAX && out[g / 64] >> g % 64 & 1;
        w->name[r] = leaves ? r : 0;
    }
    for (uint32_t i = f->blocks[b].end; i-- > f->blocks[b].first;) {
        cg_ins *in = &f->code[i];
        rename_defs(w, in);
        rename_uses(w, in, i);
    }
}

/* Registers that the block writes; those it only reads keep their names. */
static uint32_t find_writes(splitter *w, const cg_block *block, ir_reg *touched) {
    uint32_t count = 0;
    for (uint32_t i = block->first; i < block->end; i++) {
        ir_reg *regs[16];
        for (uint32_t n = cg_uses(&w->f->code[i], regs); n--;)
            if (splits(w, *regs[n])) touched[count++] = *regs[n];
        for (uint32_t n = cg_defs(&w->f->code[i], regs); n--;) {
            if (!splits(w, *regs[n])) continue;
            if (!w->first_write[*regs[n]]) w->first_write[*regs[n]] = i + 1;
            touched[count++] = *regs[n];
        }
    }
    return count;
}

static bool find_rigid(splitter *w) {
    w->rigid = cg_alloc(w->f, w->f->reg_count, sizeof *w->rigid);
    for (uint32_t i = 0; w->rigid && i < w->f->count; i++) {
        cg_ins *in = &w->f->code[i];
        ir_reg *defs[2];
        bool one = in->early || in->reads_d || in->op == ISA_LOOP;
        for (uint32_t n = one ? cg_defs(in, defs) : 0; n--;) w->rigid[*defs[n]] = true;
    }
    return w->rigid;
}

bool cg_split(cg_fn *f) {
    splitter w = {.f = f, .known = f->reg_count};
    if (!cg_live(f)) return false;
    w.writes = cg_def_counts(f);
    w.first_write = cg_alloc(f, f->reg_count, sizeof *w.first_write);
    w.name = cg_alloc(f, f->reg_count, sizeof *w.name);
    ir_reg *touched = cg_alloc(f, 18 * (size_t)f->count, sizeof *touched);
    if (!w.writes || !w.first_write || !w.name || !touched || !find_rigid(&w)) return false;
    for (uint32_t b = 0; b < f->block_count; b++) {
        uint32_t count = find_writes(&w, &f->blocks[b], touched);
        split_block(&w, b, touched, count);
        for (uint32_t k = 0; k < count; k++) w.first_write[touched[k]] = 0;
    }
    return true;
}
