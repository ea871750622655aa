/* A walk along each color from the cores that send on it, over routers whose route is fixed.
 *
 * A core sends on a color when its program loads a descriptor of it into a register in code that runs whatever the data
 * are (surely.c); programs that put descriptors together at run time, or rebind queues, are not looked at. A router is
 * fixed when its route for the color has one position, does not start in teardown, swaps nothing, and the program on
 * its PE does not write routes; the walk ends at others. Places that wavelets pass are (PE, side they came from); each
 * is passed once per color. */
#include "isa/routes.h"
#include "base/mem.h"
#include "isa/config.h"

enum { SIDES = 5, GROUPS_MAX = 24, ROUTES_UNKNOWN = 0xff };
#define NOT_SENT UINT32_MAX

typedef enum { NO_WAY_OUT, LEAVES, NO_ROUTE, CIRCLE, NOBODY_READS, MERGE } finding;

typedef struct {
    uint8_t kind, color, side;
    uint32_t pe, source, more;
} group;

/* What a program does with colors. */
typedef struct {
    uint32_t sends[ISA_COLORS]; /* instruction that loads the descriptor, NOT_SENT */
    uint32_t reads;             /* colors that an operation or a data task takes */
    uint32_t binds;             /* colors that have an input queue; on WSE-2 all do */
    bool sends_unknown, reads_unknown, binds_unknown;
} habits;

typedef struct {
    const isa_image *m;
    habits *programs;
    uint8_t *state;  /* [pe][SIDES] 0 not passed, 1 on the way, 2 passed */
    uint32_t *stack; /* places */
    group groups[GROUPS_MAX];
    uint32_t group_count;
    uint8_t color;
} check;

static const char *const side_names[] = {"WEST", "EAST", "SOUTH", "NORTH", "RAMP"};

/* ---- programs ---- */

static void note_operand(const isa_image *m, const isa_program *p, uint32_t pc, isa_dsd value, bool runs, habits *h) {
    uint32_t shape = (uint32_t)(value >> 48), queue = value & 0xff, color = value >> 8 & 0xff;
    uint8_t kind = shape < p->shape_count ? p->shapes[shape].kind : ISA_MEM1D;
    if (kind != ISA_FABIN && kind != ISA_FABOUT) return;
    if (m->arch == ISA_WSE3)
        color = queue >= ISA_QUEUES ? ROUTES_UNKNOWN
                : kind == ISA_FABIN ? (uint8_t)p->queues.in_color[queue]
                                    : (uint8_t)p->queues.out_color[queue];
    if (color >= ISA_COLORS) return;
    if (kind == ISA_FABIN) h->reads |= 1u << color;
    else if (runs && h->sends[color] == NOT_SENT) h->sends[color] = pc;
}

static void note_tasks(const isa_image *m, const isa_program *p, habits *h) {
    for (uint32_t id = 0; id < ISA_TASKS; id++) {
        uint8_t kinds = p->tasks[id].kinds;
        if (kinds & ISA_TASK_CONTROL) h->reads_unknown = true; /* of any color */
        if (!(kinds & ISA_TASK_DATA)) continue;
        int color = m->arch != ISA_WSE3 ? (int)id : id < ISA_QUEUES ? p->queues.in_color[id] : -1;
        if (color >= 0 && color < ISA_COLORS) h->reads |= 1u << color;
    }
}

static bool learn(const isa_image *m, const isa_program *p, habits *h) {
    bool *reached = mem_alloc_n((size_t)p->code_count + 1, sizeof *reached);
    bool ok = reached && isa_runs_surely(p, reached);
    memset(h->sends, 0xff, sizeof h->sends);
    for (uint32_t pc = 0; ok && pc < p->code_count; pc++) {
        isa_instr in = p->code[pc];
        if (in.op == ISA_LDDSR) note_operand(m, p, pc, p->descriptors[in.imm & 0xffff], reached[pc], h);
        if (in.op == ISA_LDDSRR || in.op == ISA_STCFG) h->reads_unknown = true;
        if (in.op == ISA_STCFG) h->sends_unknown = h->binds_unknown = true; /* may bind queues */
    }
    for (uint32_t i = 0; i < p->dsr_start_count; i++) /* what is sent with them is not known to be sent */
        note_operand(m, p, 0, p->descriptors[p->dsr_starts[i].descriptor], false, h);
    if (p->config_start_count) h->sends_unknown = h->reads_unknown = h->binds_unknown = true;
    if (p->reroutes) h->sends_unknown = h->reads_unknown = h->binds_unknown = true;
    for (uint32_t q = 0; q < ISA_QUEUES; q++)
        if (p->queues.in_color[q] >= 0) h->binds |= 1u << p->queues.in_color[q];
    if (m->arch != ISA_WSE3) h->binds = UINT32_MAX;
    note_tasks(m, p, h);
    mem_free(reached);
    return ok;
}

/* ---- routers ---- */

static const isa_route *route_of(const isa_image *m, uint32_t pe, uint32_t color) {
    const isa_route_set *set = &m->route_sets[m->tiles[pe].route_set];
    for (uint32_t i = 0; i < set->count; i++)
        if (set->routes[i].color == color) return &set->routes[i];
    return NULL;
}

static bool switches(const isa_route *r) {
    for (int k = 1; k < 4; k++)
        if (r->rx[k] || r->tx[k]) return true;
    return false;
}

static bool fixed(const check *c, uint32_t pe, const isa_route *r) {
    return !switches(r) && !r->teardown && !r->swap_x && !r->swap_y &&
           !c->m->programs[c->m->tiles[pe].program].reroutes;
}

static uint32_t accepts(const isa_route *r) { return r->rx[0] | r->rx[1] | r->rx[2] | r->rx[3]; }

/* A program that writes routes may add one; colors that stream to the host have one by themselves. */
static bool may_get_route(const check *c, uint32_t pe) {
    return c->m->programs[c->m->tiles[pe].program].reroutes || (c->m->d2h_colors >> c->color & 1);
}

/* ---- findings ---- */

/* Equal ones are counted: on a grid a mistake is rarely alone. */
static void found(check *c, finding kind, uint32_t pe, uint32_t side, uint32_t source) {
    for (uint32_t i = 0; i < c->group_count; i++) {
        group *g = &c->groups[i];
        if (g->kind != kind || g->color != c->color || g->side != side) continue;
        g->more++;
        return;
    }
    if (c->group_count == GROUPS_MAX) return;
    c->groups[c->group_count++] =
        (group){.kind = (uint8_t)kind, .color = c->color, .side = (uint8_t)side, .pe = pe, .source = source};
}

static bool neighbor(const isa_image *m, uint32_t pe, uint32_t side, uint32_t *to) {
    uint32_t x = pe % m->width, y = pe / m->width;
    const bool inside[] = {x > 0, x + 1 < m->width, y + 1 < m->height, y > 0};
    const int32_t step[] = {-1, 1, (int32_t)m->width, -(int32_t)m->width};
    *to = pe + (uint32_t)step[side];
    return inside[side];
}

static bool somebody_reads(const check *c, uint32_t pe, const isa_route *r) {
    const habits *h = &c->programs[c->m->tiles[pe].program];
    if (!(h->binds >> c->color & 1) && !h->binds_unknown) return r->filter.kind != ISA_FILTER_NONE;
    return h->reads_unknown || r->filter.kind != ISA_FILTER_NONE || (h->reads >> c->color & 1) ||
           (c->m->h2d_colors >> c->color & 1);
}

/* ---- the walk ---- */

/* Where wavelets that came to a place go on one side: the next place, or UINT32_MAX. */
static uint32_t go(check *c, uint32_t pe, uint32_t side, uint32_t source) {
    uint32_t to;
    if (!neighbor(c->m, pe, side, &to)) return found(c, LEAVES, pe, side, source), UINT32_MAX;
    const isa_route *r = route_of(c->m, to, c->color);
    uint32_t from = side ^ 1;
    if (r ? accepts(r) & ISA_BIT(from) : may_get_route(c, to)) return r ? to * SIDES + from : UINT32_MAX;
    if (!r || !c->m->programs[c->m->tiles[to].program].reroutes) found(c, NO_ROUTE, to, from, source);
    return UINT32_MAX;
}

/* Depth first, with a stack of its own; a place that is still on the way when it is met again closes a circle. */
static void walk(check *c, uint32_t start, uint32_t source) {
    uint32_t n = 0;
    if (c->state[start]) return;
    c->stack[n++] = start;
    while (n) {
        uint32_t place = c->stack[n - 1], pe = place / SIDES, side = place % SIDES;
        if (c->state[place]) { /* everything behind it is done */
            c->state[place] = 2;
            n--;
            continue;
        }
        c->state[place] = 1;
        const isa_route *r = route_of(c->m, pe, c->color);
        if (!r || !fixed(c, pe, r) || !(r->rx[0] & ISA_BIT(side))) continue;
        if ((r->tx[0] & ISA_BIT(ISA_RAMP)) && !somebody_reads(c, pe, r)) found(c, NOBODY_READS, pe, ISA_RAMP, source);
        for (uint32_t tx = r->tx[0] & (ISA_BIT(ISA_RAMP) - 1); tx; tx &= tx - 1) {
            uint32_t out = (uint32_t)__builtin_ctz(tx), next = go(c, pe, out, source);
            if (next == UINT32_MAX || c->state[next] == 2) continue;
            if (c->state[next] == 1) found(c, CIRCLE, pe, out, source);
            else c->stack[n++] = next;
        }
    }
}

static void check_source(check *c, uint32_t pe) {
    const habits *h = &c->programs[c->m->tiles[pe].program];
    const isa_route *r = route_of(c->m, pe, c->color);
    if (h->sends_unknown || h->sends[c->color] == NOT_SENT) return;
    if (!r && may_get_route(c, pe)) return;
    if (!r || !(accepts(r) & ISA_BIT(ISA_RAMP))) found(c, NO_WAY_OUT, pe, ISA_RAMP, pe);
    else walk(c, pe * SIDES + ISA_RAMP, pe);
}

/* Two writers of one color. */
static void check_merges(check *c) {
    for (uint32_t pe = 0; pe < c->m->width * c->m->height; pe++) {
        const uint8_t *state = &c->state[pe * SIDES];
        const isa_route *r = NULL;
        uint32_t sides = 0;
        for (uint32_t side = 0; side < SIDES; side++) sides |= state[side] ? ISA_BIT(side) : 0;
        if (!(sides & (sides - 1)) || !(r = route_of(c->m, pe, c->color)) || !fixed(c, pe, r)) continue;
        sides &= r->rx[0];
        if (sides & (sides - 1)) found(c, MERGE, pe, (uint32_t)__builtin_ctz(sides), pe);
    }
}

static bool has_circle(const check *c) {
    for (uint32_t i = 0; i < c->group_count; i++)
        if (c->groups[i].kind == CIRCLE && c->groups[i].color == c->color) return true;
    return false;
}

static void check_color(check *c, uint8_t color) {
    uint32_t pes = c->m->width * c->m->height;
    bool any = false;
    for (uint32_t i = 0; i < c->m->program_count; i++) any |= c->programs[i].sends[color] != NOT_SENT;
    if (!any) return;
    c->color = color;
    memset(c->state, 0, (size_t)pes * SIDES);
    for (uint32_t pe = 0; pe < pes; pe++) check_source(c, pe);
    if (!has_circle(c)) check_merges(c); /* what goes around would count as a second writer */
}

/* ---- words ---- */

static void add_place(const isa_image *m, uint32_t pe, strbuf *out) {
    strbuf_addf(out, "PE(%u,%u)", pe % m->width, pe / m->width);
}

static void add_line(const isa_image *m, const isa_program *p, uint32_t pc, strbuf *out) {
    const isa_line *line = NULL;
    for (uint32_t i = 0; i < p->line_count && p->lines[i].first <= pc; i++) line = &p->lines[i];
    if (line && line->source < m->source_count) strbuf_addf(out, "%s:%u", m->sources[line->source], line->line);
    else strbuf_adds(out, p->name ? p->name : "?");
}

static void add_merge(const check *c, const group *g, strbuf *out) {
    strbuf_addf(out, "color %u comes to ", g->color);
    add_place(c->m, g->pe, out);
    strbuf_addf(out, " from several sides, %s and others: its wavelets mix in the order of arrival",
                side_names[g->side]);
}

static void add_sender(const check *c, const group *g, strbuf *out) {
    const isa_program *p = &c->m->programs[c->m->tiles[g->source].program];
    strbuf_addf(out, "color %u, which ", g->color);
    add_place(c->m, g->source, out);
    strbuf_adds(out, " sends (");
    add_line(c->m, p, c->programs[c->m->tiles[g->source].program].sends[g->color], out);
    strbuf_adds(out, "), ");
}

static void add_what(const check *c, const group *g, strbuf *out) {
    switch ((finding)g->kind) {
    case NO_WAY_OUT: strbuf_adds(out, "has no route from its core: add RAMP to the rx of the color there"); break;
    case LEAVES:
        strbuf_adds(out, "leaves the rectangle: ");
        add_place(c->m, g->pe, out);
        strbuf_addf(out, " passes it on to the %s; end the route there", side_names[g->side]);
        break;
    case NO_ROUTE:
        strbuf_adds(out, "is lost: ");
        add_place(c->m, g->pe, out);
        strbuf_addf(out, " has no route for it from the %s; add %s to its rx, or end the route before",
                    side_names[g->side], side_names[g->side]);
        break;
    case CIRCLE:
        strbuf_adds(out, "goes around in a circle: ");
        add_place(c->m, g->pe, out);
        strbuf_addf(out, " sends it %s, to where it has been", side_names[g->side]);
        break;
    case NOBODY_READS:
        strbuf_adds(out, "goes to the core of ");
        add_place(c->m, g->pe, out);
        strbuf_adds(out, ", whose program neither reads it nor has a task for it; leave RAMP out of its tx");
        break;
    case MERGE: break;
    }
}

static void tell(const check *c, diag *d) {
    for (uint32_t i = 0; i < c->group_count; i++) {
        const group *g = &c->groups[i];
        strbuf text = {0};
        if (g->kind == MERGE) add_merge(c, g, &text);
        else add_sender(c, g, &text), add_what(c, g, &text);
        if (g->more) strbuf_addf(&text, " (and the same in %u other place%s)", g->more, g->more == 1 ? "" : "s");
        if (!text.oom) diag_warn(d, "%s", text.data);
        strbuf_free(&text);
    }
}

void isa_check_routes(const isa_image *m, diag *d) {
    size_t places = (size_t)m->width * m->height * SIDES;
    check c = {.m = m};
    c.programs = mem_alloc_n(m->program_count + 1, sizeof *c.programs);
    c.state = mem_alloc_n(places + 1, sizeof *c.state);
    c.stack = mem_alloc_n(4 * places + 4, sizeof *c.stack); /* a place is put on it at most once a side */
    bool ok = c.programs && c.state && c.stack;
    for (uint32_t i = 0; ok && i < m->program_count; i++) ok = learn(m, &m->programs[i], &c.programs[i]);
    for (uint8_t color = 0; ok && color < ISA_COLORS; color++) check_color(&c, color);
    if (ok) tell(&c, d);
    mem_free(c.programs);
    mem_free(c.state);
    mem_free(c.stack);
}
