/* Builds the fabric of an image: which lanes, buffers and queues each PE gets, and where each lane's outputs lead.
 *
 *   shapes_new    what PEs with the same (program, route set) have in common, once per pair
 *   place_pes     where each PE's lanes, plans and storage begin
 *   lanes_new     state at the start
 *   link_lanes    outputs -> buffers of the neighbours
 *
 * Sizes. A buffer holds router_buffer_wavelets, plus hop_cycles - 1 (and turn_cycles) that are on the wire: a wavelet
 * counts from the cycle it leaves, so without these a link would stop every few cycles although nothing is in the way.
 * A link that is longer than a hop has that many more (link_capacity).
 * For the same reason a queue has at least as many slots as wavelets fit on the ramp (ramp_cycles and the result_cycles
 * before it for an output queue, ramp_cycles + 1 for an input queue, whose room is counted before the core reads). Buffers exist for the inputs that some
 * position of the switch accepts, for all five where the program rewrites routes.
 *
 * Left out: color swap switched on for only one color of a pair. */
#include "wse/fabric_internal.h"
#include "base/map.h"

const char *const fabric_dir_names[ISA_DIRS] = {"WEST", "EAST", "SOUTH", "NORTH", "RAMP", "HOST"};

enum { MAX_UNITS = 1 << 20, WSE2_DEFAULT_QUEUE = 2 };

static void *take(fabric *f, size_t count, size_t bytes, diag *d) {
    void *p = mem_alloc_n(count ? count : 1, bytes);
    if (!p) diag_oom(d, "fabric");
    else f->bytes += count * bytes;
    return p;
}

/* ---- shapes ---- */

static uint32_t max_u32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t queue_units(uint32_t slots) { return (uint32_t)(sizeof(queue) + slots * sizeof(wse_wavelet) + 7) / 8; }

/* An image says what is in force, not what was written: a position equal to the one before it is taken to name its input. */
static void find_own_sides(plan *p) {
    for (int k = 1; k < 4; k++) {
        int before = isa_position_before(p->rx, p->tx, k);
        if (!p->rx[k] && !p->tx[k]) continue;
        bool tx = p->tx[k] != p->tx[before], rx = p->rx[k] != p->rx[before] || !tx;
        p->own_rx |= (uint8_t)(rx << k);
        p->own_tx |= (uint8_t)(tx << k);
    }
}

static void plan_of_route(plan *p, const isa_route *r, uint32_t index, bool all_dirs) {
    memcpy(p->rx, r->rx, sizeof p->rx);
    memcpy(p->tx, r->tx, sizeof p->tx);
    find_own_sides(p);
    for (int i = 0; i < 4; i++) p->dirs |= r->rx[i] & (HOST_BITS - 1);
    if (all_dirs) p->dirs = HOST_BITS - 1;
    p->color = r->color;
    p->start = r->position & 3;
    p->pop = r->pop;
    p->ring = r->ring;
    p->teardown = r->teardown;
    p->swap_x = r->swap_x;
    p->swap_y = r->swap_y;
    p->route = (uint8_t)index;
    p->filter = NO_FILTER;
}

/* Colors for the host that the user did not route go straight from the core to the host. */
static void plan_to_host(plan *p, uint32_t color) {
    p->rx[0] = p->dirs = RAMP_BITS;
    p->tx[0] = HOST_BITS;
    p->color = (uint8_t)color;
    p->route = 0xff;
    p->filter = NO_FILTER;
}

static void add_lane(shape *s, uint32_t color) { s->lane_of[color] = (uint8_t)s->lanes++; }

/* A program that writes routes may give itself one that the layout did not: the lanes of its queues' colors stand
 * ready, without a way in or out. */
static void plan_of_queue(plan *p, uint32_t color) {
    p->dirs = HOST_BITS - 1;
    p->color = (uint8_t)color;
    p->route = 0xff;
    p->filter = NO_FILTER;
}

static bool has_queue(const isa_queues *q, uint32_t color) {
    bool found = q->color_queue[color] >= 0;
    for (uint32_t i = 0; i < ISA_QUEUES; i++) found |= q->in_color[i] == (int)color || q->out_color[i] == (int)color;
    return found;
}

static bool shape_lanes(const wse *m, shape *s, plan *plans) {
    const isa_route_set *set = &m->image->route_sets[s->route_set];
    memset(s->lane_of, NO_LANE, sizeof s->lane_of);
    for (uint32_t i = 0; i < set->count; i++) {
        plan *p = &plans[s->lanes];
        plan_of_route(p, &set->routes[i], i, s->own_plans);
        if (set->routes[i].filter.kind != ISA_FILTER_NONE) p->filter = s->filters++;
        if (p->swap_x || p->swap_y) m->fabric->swaps = true;
        add_lane(s, set->routes[i].color);
    }
    for (uint32_t c = 0; c < ISA_COLORS; c++)
        if ((m->image->d2h_colors >> c & 1) && s->lane_of[c] == NO_LANE) {
            plan_to_host(&plans[s->lanes], c);
            add_lane(s, c);
        }
    for (uint32_t c = 0; c < ISA_COLORS && s->own_plans; c++)
        if (s->lane_of[c] == NO_LANE && has_queue(&m->image->programs[s->program].queues, c)) {
            plan_of_queue(&plans[s->lanes], c);
            add_lane(s, c);
        }
    return s->lanes <= ISA_COLORS;
}

static void give_in_queue(const fabric *f, shape *s, uint32_t port, uint32_t depth) {
    s->in_slots[port] = (uint16_t)max_u32(depth ? depth : WSE2_DEFAULT_QUEUE, f->ramp + 1);
    s->in_at[port] = s->queue_units;
    s->queue_units += queue_units(s->in_slots[port]);
}

static bool wants_ramp(const wse *m, const shape *s, const plan *plans, uint32_t color) {
    if (m->image->h2d_colors >> color & 1) return true;
    if (s->lane_of[color] == NO_LANE) return false;
    const plan *p = &plans[s->lane_of[color]];
    return s->own_plans || ((p->tx[0] | p->tx[1] | p->tx[2] | p->tx[3]) & RAMP_BITS);
}

static void shape_queues(const wse *m, shape *s, const plan *plans) {
    const isa_wafer *w = m->wafer;
    const isa_queues *q = &m->image->programs[s->program].queues;
    bool by_queue = m->image->arch == ISA_WSE3;
    for (uint32_t c = 0; c < ISA_COLORS && !by_queue; c++)
        if (wants_ramp(m, s, plans, c))
            give_in_queue(m->fabric, s, c, q->color_queue[c] >= 0 ? w->in_queue_wavelets[q->color_queue[c]] : 0);
    for (uint32_t i = 0; i < w->in_queues && by_queue; i++)
        if (s->own_plans || q->in_color[i] >= 0) give_in_queue(m->fabric, s, i, w->in_queue_wavelets[i]);
    for (uint32_t i = 0; i < w->out_queues; i++) {
        if (by_queue && !s->own_plans && q->out_color[i] < 0) continue;
        s->out_slots[i] = (uint16_t)max_u32(w->out_queue_wavelets[i], m->fabric->ramp + w->result_cycles);
        s->out_at[i] = s->queue_units;
        s->queue_units += queue_units(s->out_slots[i]);
    }
}

/* Storage of one PE, in the order in which a cycle touches it. */
static bool shape_storage(const wse *m, shape *s, const plan *plans) {
    for (uint32_t i = 0; i < s->lanes; i++) {
        s->buffer_at[i] = s->units;
        s->units += (uint32_t)__builtin_popcount(plans[i].dirs) * m->fabric->buffer_units;
    }
    shape_queues(m, s, plans);
    s->filter_at = s->queue_units;
    s->queue_units += s->filters;
    s->binding_at = s->queue_units; /* WSE-3: 1 + color of re-bound queues, 8 in and 8 out */
    s->queue_units += 2;
    return s->units + s->queue_units < MAX_UNITS;
}

/* Room for one more shape and its plans; they move, so nobody keeps pointers yet. */
static bool grow(fabric *f, uint32_t *capacity, diag *d) {
    if (f->shape_count < *capacity) return true;
    uint32_t more = *capacity ? 2 * *capacity : 16;
    shape *shapes = mem_resize(f->shapes, more * sizeof *shapes);
    if (shapes) f->shapes = shapes;
    plan *plans = mem_resize(f->plans, (size_t)more * ISA_COLORS * sizeof *plans);
    if (plans) f->plans = plans;
    if (!shapes || !plans) return diag_oom(d, "fabric");
    *capacity = more;
    return true;
}

static bool shape_new(wse *m, const isa_tile *t, uint32_t *capacity, diag *d) {
    fabric *f = m->fabric;
    if (!grow(f, capacity, d)) return false;
    shape *s = &f->shapes[f->shape_count++];
    *s = (shape){.program = t->program, .route_set = t->route_set, .plans = f->plan_count};
    s->own_plans = m->image->programs[t->program].reroutes;
    plan *plans = &f->plans[f->plan_count];
    memset(plans, 0, ISA_COLORS * sizeof *plans);
    if (m->image->route_sets[t->route_set].count > ISA_COLORS || !shape_lanes(m, s, plans))
        return diag_error(d, "route set %u has more routes than there are colors", t->route_set);
    f->plan_count += s->lanes;
    if (!shape_storage(m, s, plans))
        return diag_error(d, "buffers and queues of %u words per PE are too large", s->units + s->queue_units);
    return true;
}

/* One shape per different (program, route set). */
static bool shapes_new(wse *m, diag *d) {
    fabric *f = m->fabric;
    map seen = {0};
    uint32_t capacity = 0;
    bool ok = true;
    for (uint32_t pe = 0; pe < m->pes && ok; pe++) {
        const isa_tile *t = &m->image->tiles[pe];
        str key = {(const char *)t, sizeof *t};
        uint64_t at = f->shape_count;
        if (!map_get(&seen, key, &at))
            ok = shape_new(m, t, &capacity, d) && (map_put(&seen, key, at) || diag_oom(d, "fabric"));
        f->routers[pe].shape = (uint32_t)at;
    }
    map_free(&seen);
    f->bytes += capacity * (sizeof(shape) + ISA_COLORS * sizeof(plan));
    return ok;
}

/* ---- PEs ---- */

static bool place_pes(wse *m, diag *d) {
    fabric *f = m->fabric;
    uint64_t lanes = 0, units = 0, queues = 0, plans = f->plan_count;
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        router *r = &f->routers[pe];
        const shape *s = &f->shapes[r->shape];
        r->lanes = (uint32_t)lanes;
        r->store = (uint32_t)units;
        r->queues = (uint32_t)queues;
        r->plans = s->own_plans ? (uint32_t)plans : s->plans;
        lanes += s->lanes;
        units += s->units;
        queues += s->queue_units;
        plans += s->own_plans ? s->lanes : 0;
    }
    if (units >= OUT_NONE || queues >= UINT32_MAX || plans >= UINT32_MAX)
        return diag_error(d, "the fabric needs %llu words of buffers: more than can be numbered",
                          (unsigned long long)(units + queues));
    f->lane_count = (uint32_t)lanes;
    plan *all = mem_resize(f->plans, (plans ? plans : 1) * sizeof *all);
    if (!all) return diag_oom(d, "fabric");
    f->bytes += (plans - f->plan_count) * sizeof *all;
    f->plans = all;
    return (f->lanes = take(f, lanes, sizeof(lane), d)) && (f->store = take(f, units, 8, d)) &&
           (f->queues = take(f, queues, 8, d));
}

static void lane_start(const wse *m, uint32_t pe, uint32_t i) {
    fabric *f = m->fabric;
    router *r = &f->routers[pe];
    const plan *p = &f->plans[r->plans + i];
    lane *l = &f->lanes[r->lanes + i];
    l->buffers = r->store + f->shapes[r->shape].buffer_at[i];
    l->dirs = p->dirs;
    l->color = p->color;
    for (uint32_t dir = 0; f->extra && dir < MESH_DIRS; dir++)
        if (f->extra[(size_t)pe * MESH_DIRS + dir]) l->longer |= (uint8_t)ISA_BIT(dir);
    l->teardown = p->teardown;
    l->position = p->start;
    lane_take_port(m, pe, l);
    l->filtered = p->filter != NO_FILTER;
    lane_take_position(l, p);
    if (!l->filtered) return;
    const isa_filter *k = fabric_filter_of(m, pe, p);
    *filter_of(f, r, p->filter) = (filter_state){k->init, k->limit1, k->max_counter, 0};
}

static void lanes_new(wse *m) {
    fabric *f = m->fabric;
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        router *r = &f->routers[pe];
        const shape *s = &f->shapes[r->shape];
        if (s->own_plans) memcpy(&f->plans[r->plans], &f->plans[s->plans], s->lanes * sizeof(plan));
        for (uint32_t i = 0; i < s->lanes; i++) lane_start(m, pe, i);
    }
}

/* ---- links ---- */

static bool swaps(const fabric *f, const router *r, uint32_t color, uint32_t dir) {
    uint32_t i = lane_index(f, r, color);
    if (i == NO_LANE) return false;
    const plan *p = &f->plans[r->plans + i];
    return dir == ISA_RAMP ? p->swap_x && p->swap_y : dir <= ISA_EAST ? p->swap_x : p->swap_y;
}

/* The color as which a wavelet that arrives from `dir` goes on. */
static bool arrives_as(const wse *m, uint32_t pe, uint32_t color, uint32_t dir, uint32_t *as, diag *d) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    bool one = swaps(f, r, color, dir), both = one == swaps(f, r, color ^ 1, dir);
    *as = one && both ? color ^ 1 : color;
    return both || diag_error(d, "PE(%u,%u): color swap is on for one of colors %u and %u only; give it to both",
                              wse_x(m, pe), wse_y(m, pe), color & ~1u, color | 1u);
}

static bool inside(const wse *m, uint32_t pe, uint32_t dir) {
    uint32_t x = wse_x(m, pe), y = wse_y(m, pe);
    const bool in[MESH_DIRS] = {x > 0, x + 1 < m->width, y + 1 < m->height, y > 0};
    return in[dir];
}

static bool link_lane(wse *m, uint32_t pe, lane *l, diag *d) {
    fabric *f = m->fabric;
    for (uint32_t dir = 0; dir < MESH_DIRS; dir++) {
        l->out[dir] = inside(m, pe, dir) ? OUT_NONE : OUT_EDGE;
        if (l->out[dir] == OUT_EDGE) continue;
        uint32_t to = pe + (uint32_t)f->step[dir], color = l->color, from = dir ^ 1;
        if (f->swaps && !arrives_as(m, to, l->color, from, &color, d)) return false;
        const router *r = &f->routers[to];
        uint32_t there = lane_index(f, r, color);
        if (there == NO_LANE) continue;
        lane *next = &f->lanes[r->lanes + there];
        if (!(next->dirs & ISA_BIT(from))) continue;
        l->out[dir] = (uint32_t)((uint64_t *)lane_buffer(f, next, from) - f->store);
        l->out_lane[dir] = (uint8_t)there;
        next->up_lane[from] = (uint8_t)(l - &f->lanes[f->routers[pe].lanes]);
    }
    return true;
}

static bool link_lanes(wse *m, diag *d) {
    fabric *f = m->fabric;
    for (uint32_t pe = 0; pe < m->pes; pe++) {
        const router *r = &f->routers[pe];
        for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
            lane *l = &f->lanes[r->lanes + i];
            if (!link_lane(m, pe, l, d)) return false;
            lane_take_position(l, &f->plans[r->plans + i]);
        }
    }
    return true;
}

/* Links that are longer than a hop. *longest: by how much at most. */
static bool take_extra(fabric *f, const wse *m, uint32_t *longest, diag *d) {
    const uint16_t *given = m->options.extra_hop_cycles;
    size_t n = (size_t)m->pes * MESH_DIRS;
    *longest = 0;
    for (size_t i = 0; given && i < n; i++) *longest = max_u32(*longest, given[i]);
    if (!*longest) return true;
    if (!(f->extra = take(f, n, sizeof *f->extra, d))) return false;
    memcpy(f->extra, given, n * sizeof *f->extra);
    return true;
}

static void take_wafer(fabric *f, const wse *m, uint32_t longest) {
    const isa_wafer *w = m->wafer;
    f->hop = max_u32(w->hop_cycles, 1);
    f->turn = w->turn_cycles;
    f->ramp = max_u32(w->ramp_cycles, 1);
    f->link_num = max_u32(w->link_interval_num, 1);
    f->link_den = max_u32(w->link_interval_den, 1);
    f->buffer_capacity = max_u32(w->router_buffer_wavelets, 1) + f->hop - 1 + f->turn;
    uint32_t slots = 1;
    while (slots < f->buffer_capacity + longest) slots *= 2;
    f->buffer_mask = slots - 1;
    f->buffer_units = (uint32_t)(sizeof(buffer) / 8) + slots;
    f->plain = f->link_num == f->link_den && !f->turn && f->hop < WHEEL_SLOTS &&
               f->ramp < WHEEL_SLOTS;
    f->step[ISA_WEST] = -1;
    f->step[ISA_EAST] = 1;
    f->step[ISA_SOUTH] = (int32_t)m->width;
    f->step[ISA_NORTH] = -(int32_t)m->width;
}

bool fabric_edge_free(const wse *m, uint32_t y) {
    const fabric *f = m->fabric;
    for (uint32_t x = 0; x < m->width; x++) {
        const router *below = &f->routers[y * m->width + x], *above = below - m->width;
        for (uint32_t k = 0; k < f->shapes[above->shape].lanes; k++)
            if (f->lanes[above->lanes + k].out[ISA_SOUTH] < OUT_NONE) return false;
        for (uint32_t k = 0; k < f->shapes[below->shape].lanes; k++)
            if (f->lanes[below->lanes + k].out[ISA_NORTH] < OUT_NONE) return false;
    }
    return true;
}

bool fabric_new(wse *m, diag *d) {
    fabric *f = m->fabric = mem_alloc(sizeof *f);
    if (!f) return diag_oom(d, "fabric");
    f->bytes = sizeof *f;
    uint32_t longest;
    if (!take_extra(f, m, &longest, d)) return false;
    take_wafer(f, m, longest);
    if (!(f->routers = take(f, m->pes, sizeof(router), d)) || !shapes_new(m, d) || !place_pes(m, d)) return false;
    if (f->link_num != f->link_den && !(f->link_free = take(f, (size_t)m->pes * MESH_DIRS, 8, d))) return false;
    lanes_new(m);
    if (!link_lanes(m, d)) return false;
    return streams_new(m, d);
}

void fabric_free(wse *m) {
    fabric *f = m->fabric;
    if (!f) return;
    streams_free(f);
    mem_free(f->routers);
    mem_free(f->lanes);
    mem_free(f->plans);
    mem_free(f->shapes);
    mem_free(f->store);
    mem_free(f->queues);
    mem_free(f->extra);
    mem_free(f->link_free);
    mem_free(f);
    m->fabric = NULL;
}
