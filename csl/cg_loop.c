/* Loops: what does not change leaves them, and a test at the top that a jump leads back to is repeated at the end
 * instead.
 *
 * A loop is the stretch from a label to the last jump back to it. It can be entered only at its top (or by the jump
 * just above it, when the test is at the end already), otherwise it is left alone. Moved are operations that depend on
 * their operands only, whose register is written nowhere else; a read of it that the write does not reach never had a
 * value. */
#include "csl/codegen.h"

enum { HEADER_MAX = 5, MOVED_CONSTANTS_MAX = 8, MOVED_OTHERS_MAX = 4 };

typedef struct {
    uint32_t start, end; /* label, last jump back */
    uint32_t before;     /* what is moved goes before this instruction */
    bool simple;
    uint32_t constants, others; /* moved so far */
} loop;

typedef struct {
    cg_fn *f;
    uint32_t *at, *low, *high;        /* [label] place; first and last jump to it */
    uint32_t *writes, *rows, *places; /* [register] how often written; first of its rows in places, which ascend */
    uint32_t *moved_to;               /* [register] start of the loop it left, UINT32_MAX none */
    loop *loops;
    uint32_t loop_count;
    uint32_t *target; /* [instruction] where it goes, UINT32_MAX stays */
} loops;

static bool note_writes(loops *w) {
    cg_fn *f = w->f;
    uint32_t total = 0, *next = cg_alloc(f, f->reg_count, sizeof *next);
    w->rows = cg_alloc(f, f->reg_count, sizeof *w->rows);
    for (uint32_t r = 0; w->rows && r < f->reg_count; r++) w->rows[r] = total, total += w->writes[r];
    w->places = cg_alloc(f, total, sizeof *w->places);
    if (!next || !w->rows || !w->places) return false;
    for (uint32_t i = 0; i < f->count; i++) {
        ir_reg *defs[2];
        for (uint32_t n = cg_defs(&f->code[i], defs); n--;) w->places[w->rows[*defs[n]] + next[*defs[n]]++] = i;
    }
    return true;
}

static bool survey(loops *w) {
    cg_fn *f = w->f;
    w->at = cg_alloc(f, f->label_count, sizeof *w->at);
    w->low = cg_alloc(f, f->label_count, sizeof *w->low);
    w->high = cg_alloc(f, f->label_count, sizeof *w->high);
    w->moved_to = cg_alloc(f, f->reg_count, sizeof *w->moved_to);
    w->target = cg_alloc(f, f->count, sizeof *w->target);
    w->loops = cg_alloc(f, f->label_count, sizeof *w->loops);
    w->writes = cg_def_counts(f);
    if (!w->at || !w->low || !w->high || !w->moved_to || !w->target || !w->loops || !w->writes) return false;
    memset(w->low, 0xff, f->label_count * sizeof *w->low);
    memset(w->moved_to, 0xff, f->reg_count * sizeof *w->moved_to);
    memset(w->target, 0xff, f->count * sizeof *w->target);
    for (uint32_t i = 0; i < f->count; i++) {
        cg_ins *in = &f->code[i];
        if (in->op == IR_LABEL) w->at[in->imm] = i;
        if (cg_is_jump(in->op)) {
            if (w->low[in->imm] == UINT32_MAX) w->low[in->imm] = i;
            w->high[in->imm] = i;
        }
    }
    return note_writes(w);
}

/* Is every jump into the stretch from inside, but for one that may stand just above it? */
static bool entered_at_top(const loops *w, const loop *l) {
    const cg_fn *f = w->f;
    bool jumped = l->start && f->code[l->start - 1].op == ISA_JMP;
    if (l->start && cg_ends(f->code[l->start - 1].op) && !jumped) return false;
    for (uint32_t i = l->start; i <= l->end; i++) {
        if (f->code[i].op != IR_LABEL) continue;
        uint32_t label = (uint32_t)f->code[i].imm;
        bool from_above = w->low[label] < l->start && !(jumped && w->low[label] == l->start - 1);
        if (from_above || w->high[label] > l->end) return false;
    }
    return true;
}

static void find_loops(loops *w) {
    const cg_fn *f = w->f;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->code[i].op != IR_LABEL) continue;
        uint32_t label = (uint32_t)f->code[i].imm;
        if (w->low[label] == UINT32_MAX || w->high[label] < i) continue;
        loop l = {.start = i, .end = w->high[label], .before = i};
        l.simple = entered_at_top(w, &l);
        if (i && f->code[i - 1].op == ISA_JMP) l.before = i - 1;
        w->loops[w->loop_count++] = l;
    }
}

/* ---- moving out ---- */

static bool unchanged_in(const loops *w, ir_reg r, const loop *l) {
    if (!cg_is_virtual(r) || w->moved_to[r] <= l->start) return true;
    const uint32_t *places = w->places + w->rows[r];
    uint32_t low = 0, high = w->writes[r]; /* first write not before the loop */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (places[middle] < l->start) low = middle + 1;
        else high = middle;
    }
    return low == w->writes[r] || places[low] > l->end;
}

static bool may_move(const loops *w, const cg_ins *in) {
    if (!cg_is_fixed_value(in) || !cg_is_virtual(in->d) || w->writes[in->d] != 1) return false;
    if (in->op >= ISA_SCALAR_OPS) return true;
    isa_timing timing = isa_ops[in->op].timing; /* not where they might run in vain */
    return timing != ISA_TIME_IDIV && timing != ISA_TIME_FDIV && timing != ISA_TIME_FSQRT;
}

static bool has_room(loop *l, const cg_ins *in) {
    bool is_constant = in->op == ISA_MOVI || in->op == IR_FRAME || in->op == IR_FN_ADDRESS;
    return is_constant ? l->constants++ < MOVED_CONSTANTS_MAX : l->others++ < MOVED_OTHERS_MAX;
}

/* The outermost of the loops around instruction i that it may leave. */
static void choose_target(loops *w, uint32_t i, const uint32_t *around, uint32_t depth) {
    cg_ins *in = &w->f->code[i];
    if (!depth || !may_move(w, in)) return;
    for (uint32_t k = 0; k < depth; k++) {
        loop *l = &w->loops[around[k]];
        if (!l->simple || !unchanged_in(w, in->a, l) || !unchanged_in(w, in->b, l) || !unchanged_in(w, in->c, l))
            continue;
        if (!has_room(l, in)) continue;
        w->target[i] = l->before;
        w->moved_to[in->d] = l->start;
        return;
    }
}

static bool choose_targets(loops *w) {
    uint32_t *around = cg_alloc(w->f, w->loop_count, sizeof *around), depth = 0, next = 0;
    if (!around) return false;
    for (uint32_t i = 0; i < w->f->count; i++) {
        uint32_t kept = 0; /* loops need not nest: any may end here */
        for (uint32_t k = 0; k < depth; k++)
            if (w->loops[around[k]].end >= i) around[kept++] = around[k];
        depth = kept;
        if (next < w->loop_count && w->loops[next].start == i) around[depth++] = next++;
        choose_target(w, i, around, depth);
    }
    return true;
}

/* Moved instructions keep their order among each other. */
static bool move_out(loops *w) {
    cg_fn *f = w->f;
    uint32_t *heads = cg_alloc(f, (size_t)f->count + 1, sizeof *heads), *next = cg_alloc(f, f->count, sizeof *next);
    const cg_ins *old = f->code;
    uint32_t count = f->count;
    if (!heads || !next) return false;
    for (uint32_t i = count; i--;)
        if (w->target[i] != UINT32_MAX) next[i] = heads[w->target[i]], heads[w->target[i]] = i + 1;
    f->code = NULL;
    f->count = f->cap = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = heads[i]; k; k = next[k - 1])
            if (!cg_push(f, old[k - 1])) return false;
        if (w->target[i] == UINT32_MAX && !cg_push(f, old[i])) return false;
    }
    return true;
}

/* ---- tests at the end ---- */

typedef struct {
    uint32_t first, branch; /* instructions of the test; branch leaves the loop */
} header;

/* The test that a jump back from `from` leads to: a few plain instructions and a branch past the jump. */
static bool find_header(const loops *w, uint32_t from, header *h) {
    const cg_fn *f = w->f;
    uint32_t i = w->at[f->code[from].imm];
    while (f->code[i].op == IR_LABEL) i++;
    h->first = i;
    for (uint32_t n = 0; n < HEADER_MAX && i < from; n++, i++) {
        uint16_t op = f->code[i].op;
        h->branch = i;
        if (cg_is_branch(op)) return w->at[f->code[i].imm] > from;
        if (op >= ISA_SCALAR_OPS || cg_is_jump(op) || cg_ends(op)) return false;
    }
    return false;
}

/* A register of the test alone is another one in its copy, so that each is still written once. */
static void rename_locals(loops *w, cg_ins *copies, uint32_t n, const uint32_t *mentions) {
    for (uint32_t i = 0; i < n; i++) {
        ir_reg *defs[2], d;
        if (!cg_defs(&copies[i], defs)) continue;
        d = *defs[0];
        uint32_t inside = 0;
        ir_reg *all[HEADER_MAX * 18];
        for (uint32_t k = 0; k < n; k++) {
            ir_reg *regs[18];
            uint32_t count = cg_uses(&copies[k], regs);
            count += cg_defs(&copies[k], regs + count);
            for (uint32_t j = 0; j < count; j++)
                if (*regs[j] == d) all[inside++] = regs[j];
        }
        if (w->writes[d] != 1 || inside != mentions[d]) continue;
        ir_reg fresh = cg_new_reg(w->f);
        for (uint32_t k = 0; k < inside; k++) *all[k] = fresh;
    }
}

static bool push_test(loops *w, const cg_ins *old, const header *h, int64_t past, const uint32_t *mentions) {
    cg_ins copies[HEADER_MAX];
    uint32_t n = h->branch - h->first + 1;
    memcpy(copies, old + h->first, n * sizeof *copies);
    rename_locals(w, copies, n, mentions);
    int64_t leave = copies[n - 1].imm;
    cg_invert(&copies[n - 1]);
    copies[n - 1].imm = past;
    for (uint32_t i = 0; i < n; i++)
        if (!cg_push(w->f, copies[i])) return false;
    cg_ins out = {.op = ISA_JMP, .imm = leave, .source = copies[0].source, .line = copies[0].line};
    return cg_push(w->f, out);
}

static uint32_t *count_mentions(cg_fn *f) {
    uint32_t *mentions = cg_alloc(f, f->reg_count, sizeof *mentions);
    for (uint32_t i = 0; mentions && i < f->count; i++) {
        ir_reg *regs[18];
        uint32_t n = cg_uses(&f->code[i], regs);
        n += cg_defs(&f->code[i], regs + n);
        while (n--) mentions[*regs[n]]++;
    }
    return mentions;
}

static bool test_at_end(cg_fn *f) {
    loops w = {.f = f};
    uint32_t *past = cg_alloc(f, f->count, sizeof *past); /* label + 1 behind this branch */
    uint32_t *mentions = count_mentions(f);
    if (!past || !mentions || !survey(&w)) return false;
    const cg_ins *old = f->code;
    uint32_t count = f->count;
    header *headers = cg_alloc(f, count, sizeof *headers);
    if (!headers) return false;
    for (uint32_t i = 0; i < count; i++) {
        bool back = old[i].op == ISA_JMP && w.at[old[i].imm] < i && find_header(&w, i, &headers[i]);
        if (!back) headers[i].branch = 0;
        else if (!past[headers[i].branch]) past[headers[i].branch] = ++f->label_count;
    }
    f->code = NULL;
    f->count = f->cap = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!headers[i].branch) {
            if (!cg_push(f, old[i])) return false;
        } else if (!push_test(&w, old, &headers[i], past[headers[i].branch] - 1, mentions)) return false;
        if (past[i] && !cg_push(f, (cg_ins){.op = IR_LABEL, .imm = past[i] - 1})) return false;
    }
    return true;
}

bool cg_loops(cg_fn *f) {
    loops w = {.f = f};
    if (!survey(&w)) return false;
    find_loops(&w);
    if (w.loop_count && (!choose_targets(&w) || !move_out(&w))) return false;
    return test_at_end(f);
}
