/* `t = a + b; x = t` with no other reader of t becomes `x = a + b`, when nothing between looks at x. */
#include "csl/codegen.h"

typedef struct {
    cg_fn *f;
    uint32_t *writes, *reads;       /* [register], whole function */
    uint32_t *written_at, *seen_at; /* [register] instruction + 1 of the last write, of the last mention */
} joiner;

static bool count_mentions(joiner *w) {
    cg_fn *f = w->f;
    w->writes = cg_def_counts(f);
    w->reads = cg_alloc(f, f->reg_count, sizeof *w->reads);
    w->written_at = cg_alloc(f, f->reg_count, sizeof *w->written_at);
    w->seen_at = cg_alloc(f, f->reg_count, sizeof *w->seen_at);
    if (!w->writes || !w->reads || !w->written_at || !w->seen_at) return false;
    for (uint32_t i = 0; i < f->count; i++) {
        ir_reg *uses[16];
        for (uint32_t n = cg_uses(&f->code[i], uses); n--;) w->reads[*uses[n]]++;
    }
    return true;
}

static void join_move(joiner *w, cg_ins *in, uint32_t block_first) {
    ir_reg s = in->a, d = in->d;
    if (!cg_is_virtual(s) || !cg_is_virtual(d) || s == d || w->writes[s] != 1 || w->reads[s] != 1) return;
    uint32_t at = w->written_at[s];
    if (at <= block_first || w->seen_at[d] > at || w->written_at[d] == at) return;
    cg_ins *by = &w->f->code[at - 1];
    ir_reg *defs[2];
    if (by->early) return; /* might turn its first source into its destination */
    for (uint32_t n = cg_defs(by, defs); n--;)
        if (*defs[n] == s) *defs[n] = d;
    in->op = ISA_NOP;
    in->d = in->a = 0;
    w->written_at[d] = at;
    if (w->seen_at[d] < at) w->seen_at[d] = at;
}

bool cg_join(cg_fn *f) {
    joiner w = {.f = f};
    if (!cg_blocks(f) || !count_mentions(&w)) return false;
    for (uint32_t b = 0; b < f->block_count; b++)
        for (uint32_t i = f->blocks[b].first; i < f->blocks[b].end; i++) {
            cg_ins *in = &f->code[i];
            if (in->op == ISA_MOV) join_move(&w, in, f->blocks[b].first);
            ir_reg *regs[16];
            for (uint32_t n = cg_uses(in, regs); n--;) w.seen_at[*regs[n]] = i + 1;
            for (uint32_t n = cg_defs(in, regs); n--;) w.seen_at[*regs[n]] = w.written_at[*regs[n]] = i + 1;
        }
    return true;
}
