/* Which paths of an image are pipes (pipe.h says what one is). Found once, when the machine is built: a walk from every
 * core that sends, along the routes, twice (to count, to write down). */
#include "wse/fabric_internal.h"
#include "wse/pipe.h"

typedef struct { /* of a program */
    bool writes_config, sends_control;
} manners;

typedef struct {
    wse *m;
    fabric *f;
    manners *of; /* by program */
} build;

static manners manners_of(const isa_program *p) {
    manners a = {.writes_config = p->reroutes || p->config_start_count};
    for (uint32_t i = 0; i < p->code_count; i++) a.writes_config |= p->code[i].op == ISA_STCFG;
    for (uint32_t i = 0; i < p->shape_count; i++)
        a.sends_control |= p->shapes[i].kind == ISA_FABOUT && (p->shapes[i].control || p->shapes[i].advance_switch);
    return a;
}

static const manners *manners_at(const build *b, uint32_t pe) { return &b->of[b->m->image->tiles[pe].program]; }
static uint32_t lanes_of(const build *b, uint32_t pe) { return b->f->shapes[b->f->routers[pe].shape].lanes; }
static const plan *plan_of(const build *b, uint32_t pe, uint32_t i) {
    return &b->f->plans[b->f->routers[pe].plans + i];
}
static lane *lane_of(const build *b, uint32_t pe, uint32_t i) { return &b->f->lanes[b->f->routers[pe].lanes + i]; }
static uint32_t outputs_of(const plan *p) { return p->tx[0] | p->tx[1] | p->tx[2] | p->tx[3]; }

/* One position, one way in, at most one link out, and nothing that could change it. */
static bool steady(const build *b, uint32_t pe, uint32_t i) {
    const plan *p = plan_of(b, pe, i);
    const lane *l = lane_of(b, pe, i);
    uint32_t host = b->m->image->h2d_colors | b->m->image->d2h_colors, links = l->tx & (RAMP_BITS - 1);
    for (int k = 1; k < 4; k++)
        if (p->rx[k] || p->tx[k]) return false;
    return l->fast != NOT_FAST && !l->teardown && !p->teardown && !p->swap_x && !p->swap_y && !(links & (links - 1)) &&
           !manners_at(b, pe)->writes_config && !(host >> l->color & 1);
}

static bool has_outputs_alone(const build *b, uint32_t pe, uint32_t i) {
    uint32_t mine = lane_of(b, pe, i)->tx;
    for (uint32_t k = 0; k < lanes_of(b, pe); k++)
        if (k != i && (outputs_of(plan_of(b, pe, k)) & mine)) return false;
    return true;
}

static bool core_can_keep(const build *b, uint32_t pe, const lane *l) {
    return !(l->tx & RAMP_BITS) ||
           (l->port != NO_PORT && l->slots <= PIPE_QUEUE && port_color(b->m, pe, l->port) == l->color);
}

typedef struct {
    uint32_t stages, copies; /* 0: it is no pipe */
    uint32_t last_copy;      /* stage + 1 */
} extent;

static void write_copy(const build *b, uint32_t pe, const lane *l, uint32_t stage) {
    pipes *s = b->m->pipes;
    s->copies[s->copy_count++] = (pipe_copy){.queue = (wse_queue *)(b->f->queues + l->ring),
                                             .pe = pe,
                                             .pipe = s->count,
                                             .stage = stage,
                                             .ramp = b->f->ramp,
                                             .slots = l->slots,
                                             .port = l->port,
                                             .color = l->color,
                                             .from = l->fast};
    s->ends[pe].to = s->copy_count;
}

static void write_stage(const build *b, uint32_t pe, uint32_t i, uint32_t number) {
    pipes *s = b->m->pipes;
    const lane *l = lane_of(b, pe, i);
    bool core = l->tx & RAMP_BITS;
    if (core) write_copy(b, pe, l, number);
    s->ends[pe].stages++;
    s->stages[s->stage_count++] = (pipe_stage){
        .pe = pe, .lane = b->f->routers[pe].lanes + i, .buffer = l->buffers, .copy = core ? s->copy_count : 0};
}

/* The path that begins at this lane. */
static extent walk(const build *b, uint32_t pe, uint32_t i, bool write) {
    const band *home = band_of(b->m, pe);
    extent e = {0, 0, 0};
    for (uint32_t n = 0; n < b->m->pes; n++) {
        const lane *l = lane_of(b, pe, i);
        if (!steady(b, pe, i) || !has_outputs_alone(b, pe, i) || !core_can_keep(b, pe, l) || band_of(b->m, pe) != home)
            break;
        if (write) write_stage(b, pe, i, n);
        if (l->tx & RAMP_BITS) e.copies++, e.last_copy = n + 1;
        if (!(l->tx & (RAMP_BITS - 1))) {
            e.stages = e.copies ? n + 1 : 0;
            return e;
        }
        uint32_t dir = (uint32_t)__builtin_ctz(l->tx);
        i = l->out_lane[dir];
        pe += (uint32_t)b->f->step[dir];
    }
    return (extent){0, 0, 0};
}

/* The only color that this core can send, and the only queue for it; NO_LANE: there is no such. */
static uint32_t sole_lane(const build *b, uint32_t pe, uint32_t *number) {
    const shape *s = &b->f->shapes[b->f->routers[pe].shape];
    uint32_t found = NO_LANE, queues = 0;
    if (s->own_plans || manners_at(b, pe)->sends_control) return NO_LANE;
    for (uint32_t i = 0; i < s->lanes; i++) {
        if (!(lane_of(b, pe, i)->dirs & RAMP_BITS)) continue;
        if (found != NO_LANE) return NO_LANE;
        found = i;
    }
    for (uint32_t q = 0; q < ISA_QUEUES && found != NO_LANE; q++) {
        if (!s->out_slots[q] || out_queue_color(b->m, pe, q) != lane_of(b, pe, found)->color) continue;
        *number = q;
        queues++;
    }
    return queues == 1 && s->out_slots[*number] <= PIPE_QUEUE ? found : NO_LANE;
}

static bool no_control_anywhere(const build *b) {
    for (uint32_t i = 0; i < b->m->image->program_count; i++)
        if (b->of[i].sends_control) return false;
    return true;
}

/* Can nothing surprise this core? A control wavelet that only passes by could raise a task. */
static bool sealed(const build *b, uint32_t pe, bool controls) {
    const pipes *s = b->m->pipes;
    int color = s->ends[pe].to ? s->copies[s->ends[pe].to - 1].color : -1;
    if (manners_at(b, pe)->writes_config || (controls && s->ends[pe].stages != lanes_of(b, pe))) return false;
    for (uint32_t i = 0; i < lanes_of(b, pe); i++)
        if ((int)lane_of(b, pe, i)->color != color && (outputs_of(plan_of(b, pe, i)) & RAMP_BITS)) return false;
    return true;
}

static bool fits(const wse *m) {
    const fabric *f = m->fabric;
    return m->image->arch == ISA_WSE3 && f->plain && !f->swaps && f->buffer_capacity <= PIPE_TIMES;
}

enum { OWED = PIPE_AHEAD_CYCLES }; /* wavelets that cores have taken and not worked on yet, some more or less */

/* Wavelets that are kept: as many as can be on the way and in the queues at both ends, and some that are looked back
 * at. */
static uint32_t window(const build *b, extent e) {
    uint32_t n = PIPE_QUEUE, stages = e.stages + (e.copies > 1 ? OWED / b->f->buffer_capacity : 0);
    while (n < stages * b->f->buffer_capacity + 2 * PIPE_QUEUE + 2) n *= 2;
    return n;
}

typedef struct {
    size_t pipes, stages, copies, wavelets;
} totals;

static totals count_all(const build *b) {
    totals t = {0, 0, 0, 0};
    uint32_t number;
    for (uint32_t pe = 0; pe < b->m->pes; pe++) {
        uint32_t i = sole_lane(b, pe, &number);
        extent e = i == NO_LANE ? (extent){0, 0, 0} : walk(b, pe, i, false);
        if (!e.stages) continue;
        t.pipes++;
        t.stages += e.stages;
        t.copies += e.copies;
        t.wavelets += window(b, e);
    }
    return t;
}

/* `at`: wavelets that pipes before this one keep. */
static size_t write_pipe(const build *b, uint32_t pe, uint32_t i, uint32_t number, extent e, size_t at) {
    pipes *s = b->m->pipes;
    const fabric *f = b->f;
    const router *r = &f->routers[pe];
    uint32_t n = window(b, e);
    pipe *p = &s->all[s->count];
    *p = (pipe){.first = s->stage_count, .count = e.stages, .pe = pe, .number = (uint8_t)number};
    p->queue = out_queue(f, r, number);
    p->first_copy = &s->copies[s->copy_count];
    p->last = &band_of(b->m, pe)->last;
    p->slots = f->shapes[r->shape].out_slots[number];
    p->color = lane_of(b, pe, i)->color;
    p->ring = s->rings + at;
    p->mask = n - 1;
    p->lag = (e.stages - 1) * f->hop;
    p->room = e.stages * f->buffer_capacity;
    p->single = e.copies == 1 && e.last_copy == e.stages && f->buffer_capacity == f->hop + 1;
    walk(b, pe, i, true);
    s->ends[pe].from = ++s->count;
    return at + n;
}

static void write_all(const build *b) {
    pipes *s = b->m->pipes;
    size_t at = 0;
    for (uint32_t pe = 0; pe < b->m->pes; pe++) {
        uint32_t number = 0, home = (uint32_t)(band_of(b->m, pe) - b->m->clock->bands), i = sole_lane(b, pe, &number);
        if (pe == b->m->clock->bands[home].first) s->first_of_band[home] = s->count;
        extent e = i == NO_LANE ? (extent){0, 0, 0} : walk(b, pe, i, false);
        if (e.stages) at = write_pipe(b, pe, i, number, e, at);
    }
    bool controls = !no_control_anywhere(b);
    for (uint32_t pe = 0; pe < b->m->pes; pe++) s->ends[pe].sealed = sealed(b, pe, controls);
}

static bool allocate(wse *m, totals t) {
    pipes *s = m->pipes;
    s->all = mem_alloc_n(t.pipes, sizeof *s->all);
    s->stages = mem_alloc_n(t.stages, sizeof *s->stages);
    s->copies = mem_alloc_n(t.copies, sizeof *s->copies);
    s->rings = mem_alloc_n(t.wavelets, sizeof *s->rings);
    s->ends = mem_alloc_n(m->pes, sizeof *s->ends);
    s->opened = mem_alloc_n(t.pipes, sizeof *s->opened);
    m->fabric->bytes += t.pipes * (sizeof *s->all + 4) + t.stages * sizeof *s->stages + t.copies * sizeof *s->copies +
                        t.wavelets * sizeof *s->rings + m->pes * sizeof *s->ends;
    return s->all && s->stages && s->copies && s->rings && s->ends && s->opened;
}

bool pipes_new(wse *m, diag *d) {
    pipes *s = m->pipes = mem_alloc(sizeof *s);
    build b = {m, m->fabric, mem_alloc_n(m->image->program_count + 1u, sizeof *b.of)};
    bool ok = s && b.of;
    if (ok) {
        s->opened_count = mem_alloc_n(m->clock->count, sizeof *s->opened_count);
        s->first_of_band = mem_alloc_n(m->clock->count, sizeof *s->first_of_band);
        ok = s->opened_count && s->first_of_band;
    }
    for (uint32_t i = 0; i < m->image->program_count && ok; i++) b.of[i] = manners_of(&m->image->programs[i]);
    totals t = ok && fits(m) ? count_all(&b) : (totals){0, 0, 0, 0};
    if (t.pipes) ok = allocate(m, t);
    if (t.pipes && ok) write_all(&b);
    mem_free(b.of);
    return ok || diag_oom(d, "pipes");
}

void pipes_free(wse *m) {
    pipes *s = m->pipes;
    if (!s) return;
    void *all[] = {s->all, s->stages, s->copies, s->rings, s->ends, s->opened, s->opened_count, s->first_of_band};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
    mem_free(s);
    m->pipes = NULL;
}
