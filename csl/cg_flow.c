/* Control flow: threads jumps, drops code that cannot be reached, jumps to what follows anyway and labels nobody names;
 * cuts the code into blocks. The order of blocks stays as given. */
#include "csl/codegen.h"

enum { THREAD_HOPS = 16, ROUNDS = 6 };

typedef struct {
    cg_fn *f;
    uint32_t *at;   /* [label] */
    uint32_t *refs; /* [label] jumps to it that can be reached */
    bool *reached;  /* [instruction] */
    uint32_t *stack;
    bool changed;
} flow;

static uint32_t first_real(const cg_fn *f, uint32_t i) {
    while (i < f->count && (f->code[i].op == IR_LABEL || f->code[i].op == ISA_NOP)) i++;
    return i;
}

/* Where a jump to this label really ends. */
static void thread_jump(flow *w, cg_ins *in) {
    cg_fn *f = w->f;
    for (int hop = 0; hop < THREAD_HOPS; hop++) {
        uint32_t i = first_real(f, w->at[in->imm]);
        if (i >= f->count) return;
        const cg_ins *to = &f->code[i];
        if (to->op == ISA_JMP && to->imm != in->imm) {
            in->imm = to->imm;
            w->changed = true;
        } else if (to->op == IR_RETURN && in->op == ISA_JMP) {
            *in = *to;
            w->changed = true;
            return;
        } else return;
    }
}

static void mark_reached(flow *w) {
    cg_fn *f = w->f;
    uint32_t waiting = 0;
    w->stack[waiting++] = 0;
    while (waiting) {
        uint32_t i = w->stack[--waiting];
        for (; i < f->count && !w->reached[i]; i++) {
            cg_ins *in = &f->code[i];
            w->reached[i] = true;
            if (cg_is_jump(in->op)) thread_jump(w, in);
            if (cg_is_jump(in->op)) {
                w->refs[in->imm]++;
                w->stack[waiting++] = w->at[in->imm];
            }
            if (cg_ends(in->op)) break;
        }
    }
}

/* Before a label is appended: what jumps to it from just above needs no jump. */
static uint32_t drop_jumps_to_next(flow *w, cg_ins *out, uint32_t n, int64_t label) {
    for (;;) {
        uint32_t i = n;
        while (i && out[i - 1].op == IR_LABEL) i--;
        if (!i || !cg_is_jump(out[i - 1].op)) return n;
        if (out[i - 1].imm != label) {
            bool around = i > 1 && out[i - 1].op == ISA_JMP && cg_is_branch(out[i - 2].op) && out[i - 2].imm == label;
            if (!around) return n;
            cg_invert(&out[i - 2]);
            out[i - 2].imm = out[i - 1].imm;
        }
        memmove(&out[i - 1], &out[i], (n - i) * sizeof *out);
        n--;
        w->changed = true;
    }
}

static void compact(flow *w) {
    cg_fn *f = w->f;
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const cg_ins in = f->code[i];
        bool keep = w->reached[i] && in.op != ISA_NOP && (in.op != IR_LABEL || w->refs[in.imm]);
        if (!keep) {
            w->changed = true;
            continue;
        }
        if (in.op == IR_LABEL) n = drop_jumps_to_next(w, f->code, n, in.imm);
        f->code[n++] = in;
    }
    f->count = n;
}

bool cg_clean(cg_fn *f) {
    flow w = {.f = f, .changed = true};
    w.at = cg_alloc(f, f->label_count, sizeof *w.at);
    w.refs = cg_alloc(f, f->label_count, sizeof *w.refs);
    w.reached = cg_alloc(f, f->count, sizeof *w.reached);
    w.stack = cg_alloc(f, f->count + 1, sizeof *w.stack);
    if (!w.at || !w.refs || !w.reached || !w.stack) return false;
    for (int round = 0; round < ROUNDS && w.changed; round++) {
        w.changed = false;
        memset(w.refs, 0, f->label_count * sizeof *w.refs);
        memset(w.reached, 0, f->count * sizeof *w.reached);
        for (uint32_t i = 0; i < f->count; i++)
            if (f->code[i].op == IR_LABEL) w.at[f->code[i].imm] = i;
        mark_reached(&w);
        compact(&w);
    }
    return true;
}

/* ---- blocks ---- */

static bool leads(const cg_fn *f, uint32_t i) {
    if (!i) return true;
    uint16_t before = f->code[i - 1].op;
    return (f->code[i].op == IR_LABEL && before != IR_LABEL) || cg_is_jump(before) || cg_ends(before);
}

/* A jump back spans a loop: every block between is one deeper. */
static bool loop_depths(cg_fn *f, const uint32_t *block_at) {
    int32_t *change = cg_alloc(f, f->block_count + 1, sizeof *change), depth = 0;
    if (!change) return false;
    for (uint32_t b = 0; b < f->block_count; b++) {
        const cg_ins *last = &f->code[f->blocks[b].end - 1];
        if (!cg_is_jump(last->op) || block_at[last->imm] > b) continue;
        change[block_at[last->imm]]++;
        change[b + 1]--;
    }
    for (uint32_t b = 0; b < f->block_count; b++) f->blocks[b].depth = (uint32_t)(depth += change[b]);
    return true;
}

bool cg_blocks(cg_fn *f) {
    uint32_t n = 0, *block_at = cg_alloc(f, f->label_count, sizeof *block_at);
    for (uint32_t i = 0; i < f->count; i++) n += leads(f, i);
    f->blocks = cg_alloc(f, n, sizeof *f->blocks);
    if (!f->blocks || !block_at) return false;
    f->block_count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        if (leads(f, i)) f->blocks[f->block_count++].first = i;
        f->blocks[f->block_count - 1].end = i + 1;
        if (f->code[i].op == IR_LABEL) block_at[f->code[i].imm] = f->block_count - 1;
    }
    for (uint32_t b = 0; b < f->block_count; b++) {
        const cg_ins *last = &f->code[f->blocks[b].end - 1];
        bool jumps = cg_is_jump(last->op), falls = !cg_ends(last->op) && b + 1 < f->block_count;
        f->blocks[b].next[0] = jumps ? block_at[last->imm] : UINT32_MAX;
        f->blocks[b].next[1] = falls ? b + 1 : UINT32_MAX;
    }
    return loop_depths(f, block_at);
}
