/* The fabric's part of a PE's configuration space (isa/config.h): color, switch, teardown, filter and queue words.
 *
 * Words are put together from the state when read and taken apart when written; a core writes after the fabric's half
 * of a cycle, so a write holds from the next one. Rewriting a route replaces position 0; positions 1 to 3 keep the side
 * that the switch word gives them and take the other from position 0, as in the language. A direction code of a
 * position stands for one direction; the word cannot say that a position changes both sides (WSE-3), so writing it sets
 * one. */
#include "wse/fabric_internal.h"
#include "wse/pipe.h"
#include "isa/config.h"

enum { BIT_TEARDOWN = 14, BIT_RING = 12, DIR_INVALID = 5, ALL_DIRS = HOST_BITS - 1 };

typedef struct {
    wse *m;
    fabric *f;
    router *r;
    uint32_t pe, lane_no;
    lane *l;
    plan *p;
} spot;

static bool find(const wse *m, uint32_t pe, uint32_t color, spot *s) {
    fabric *f = m->fabric;
    router *r = &f->routers[pe];
    uint32_t i = color < ISA_COLORS ? lane_index(f, r, color) : NO_LANE;
    if (i == NO_LANE) return false;
    *s = (spot){(wse *)(uintptr_t)m, f, r, pe, i, &f->lanes[r->lanes + i], &f->plans[r->plans + i]};
    return true;
}

/* ---- color and switch words ---- */

static uint16_t color_word(const spot *s) {
    const plan *p = s->p;
    return (uint16_t)((p->tx[0] & ALL_DIRS) | (p->rx[0] & ALL_DIRS) << 5 | p->swap_y << 10 | p->swap_x << 11 |
                      p->pop << 12 | s->l->teardown << BIT_TEARDOWN);
}

static bool valid(const plan *p, uint32_t i) { return p->rx[i] || p->tx[i]; }

static uint32_t position_bits(const plan *p, uint32_t i) {
    bool rx = p->own_rx >> i & 1;
    if (!valid(p, i)) return DIR_INVALID | (rx ? 8u : 0); /* the side written with it stays: programs change the direction alone */
    uint32_t set = rx ? p->rx[i] : p->tx[i];
    return (uint32_t)__builtin_ctz(set ? set : ISA_BIT(DIR_INVALID)) | (rx ? 8u : 0);
}

static uint16_t switch_word(const spot *s) {
    const plan *p = s->p;
    return (uint16_t)(position_bits(p, 1) | position_bits(p, 2) << 4 | position_bits(p, 3) << 8 |
                      (uint32_t)p->ring << BIT_RING | (uint32_t)s->l->position << 13);
}

static bool may_write(const spot *s, uint64_t now) {
    if (s->f->shapes[s->r->shape].own_plans) return true;
    wse_set_fault(s->m, s->pe, now,
                  "the route of color %u is rewritten, but the image does not say that the program does so",
                  s->l->color);
    return false;
}

static void settle(const spot *s) {
    lane_take_position(s->l, s->p);
    fabric_look_again(s->m, s->pe, s->lane_no);
}

/* The sides that positions do not name themselves. */
static void inherit(plan *p) {
    for (int i = 1; i < 4; i++) {
        int before = isa_position_before(p->rx, p->tx, i);
        if (!valid(p, (uint32_t)i)) continue;
        if (!(p->own_rx >> i & 1)) p->rx[i] = p->rx[before];
        if (!(p->own_tx >> i & 1)) p->tx[i] = p->tx[before];
    }
}

static void rewrite_route(const spot *s, uint16_t v) {
    plan *p = s->p;
    uint8_t rx = v >> 5 & ALL_DIRS, tx = (uint8_t)((v & ALL_DIRS) | (p->tx[0] & HOST_BITS));
    p->rx[0] = rx;
    p->tx[0] = tx;
    inherit(p);
    p->pop = v >> 12 & 3;
}

static void write_color(const spot *s, uint16_t v, uint64_t now) {
    uint16_t changed = v ^ color_word(s);
    if (changed & 0x0c00) {
        wse_set_fault(s->m, s->pe, now, "the color swap of color %u is changed at run time: it is fixed by the layout",
                      s->l->color);
        return;
    }
    if ((changed & 0x33ff) && !may_write(s, now)) return;
    if (changed & 0x33ff) rewrite_route(s, v);
    bool was = s->l->teardown;
    s->l->teardown = v >> BIT_TEARDOWN & 1;
    settle(s);
    if (s->l->teardown && !was) s->l->raised = true, core_raise(s->m, s->pe, now);
}

static void write_switch(const spot *s, uint16_t v, uint64_t now) {
    plan *p = s->p;
    uint16_t changed = v ^ switch_word(s);
    if ((changed & 0x1fff) && !may_write(s, now)) return;
    for (uint32_t i = 1; i < 4; i++) {
        uint32_t bits = v >> (4 * (i - 1)) & 15, dir = bits & 7;
        if (!(changed >> (4 * (i - 1)) & 15)) continue;
        bool ok = dir < DIR_INVALID;
        bool own_rx = bits & 8;
        p->rx[i] = !ok ? 0 : (uint8_t)ISA_BIT(dir); /* the side not named is filled in below */
        p->tx[i] = p->rx[i];
        p->own_rx = (uint8_t)((p->own_rx & ~(1u << i)) | own_rx << i);
        p->own_tx = (uint8_t)((p->own_tx & ~(1u << i)) | !own_rx << i);
    }
    inherit(p);
    if (changed >> BIT_RING & 1) p->ring = v >> BIT_RING & 1;
    s->l->position = v >> 13 & 3;
    settle(s);
}

/* ---- teardown ---- */

uint32_t fabric_teardown_pending(const wse *m, uint32_t pe) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    uint32_t set = 0;
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
        const lane *l = &f->lanes[r->lanes + i];
        set |= (uint32_t)l->teardown << l->color;
    }
    return set;
}

uint32_t fabric_teardown_take(wse *m, uint32_t pe) {
    fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    uint32_t set = 0;
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++) {
        lane *l = &f->lanes[r->lanes + i];
        set |= (uint32_t)(l->raised && l->teardown) << l->color;
        l->raised = false;
    }
    return set;
}

/* ---- queues ---- */

/* A pipe also puts in what comes later. */
static uint32_t arrived(const wse *m, uint32_t pe, const queue *q, uint32_t slots) {
    uint32_t n = q->count;
    while (n && wavelet_wait(&q->e[(q->head + n - 1) % slots], band_of(m, pe)->now) > m->fabric->ramp) n--;
    return n;
}

static uint16_t queue_status(const wse *m, uint32_t pe, bool output) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    const shape *s = &f->shapes[r->shape];
    uint32_t empty = 0xff, full = 0;
    for (uint32_t q = 0; q < ISA_QUEUES && output; q++) {
        pipe *p = pipe_from(m, pe);
        uint64_t now = band_of(m, pe)->now;
        uint32_t count = !s->out_slots[q] ? 0 : p && p->number == q ? pipe_count(m, p, now) : out_queue(f, r, q)->count;
        if (count) empty &= ~(1u << q);
        if (count && count >= s->out_slots[q]) full |= 1u << q;
    }
    for (uint32_t port = 0; port < ISA_COLORS && !output; port++) {
        uint32_t count = s->in_slots[port] ? arrived(m, pe, in_queue(f, r, port), s->in_slots[port]) : 0;
        int q = m->image->arch == ISA_WSE3 ? (int)port : wse_program(m, pe)->queues.color_queue[port];
        if (!count || q < 0 || q >= ISA_QUEUES) continue;
        empty &= ~(1u << q);
        if (count >= s->in_slots[port]) full |= 1u << q;
    }
    return (uint16_t)(empty | full << 8);
}

static uint16_t in_queue_word(const wse *m, uint32_t pe, uint32_t q) {
    if (m->image->arch == ISA_WSE3) return (uint16_t)(port_color(m, pe, q) << 4);
    const isa_queues *queues = &wse_program(m, pe)->queues;
    uint32_t again = fabric_in_color(m, pe, q, ISA_COLORS);
    if (again < ISA_COLORS) return (uint16_t)(again << 4);
    for (uint32_t c = 0; c < ISA_COLORS; c++)
        if (queues->color_queue[c] == (int)q) return (uint16_t)(c << 4);
    return ISA_TASK_NONE << 4;
}

static void write_queue(wse *m, uint32_t pe, uint32_t q, bool output, uint16_t v, uint64_t now) {
    const fabric *f = m->fabric;
    const shape *s = &f->shapes[f->routers[pe].shape];
    uint32_t color = v >> 4 & 31;
    if (m->image->arch != ISA_WSE3) { /* queues have no color of their own, but operations that begin later follow */
        if (!output) port_rebind(m, pe, q, output, color);
        return;
    }
    if (!(output ? s->out_slots[q] : s->in_slots[q]))
        wse_set_fault(m, pe, now,
                      "%s queue %u is bound at run time, but the program does not have it: use @initialize_queue",
                      output ? "output" : "input", q);
    else port_rebind(m, pe, q, output, color);
}

/* ---- filters ---- */

static uint16_t *filter_word(const wse *m, uint32_t pe, uint32_t at) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    if (at / 4 >= f->shapes[r->shape].filters) return NULL;
    filter_state *k = filter_of(f, r, at / 4);
    uint16_t *words[4] = {&k->counter, &k->limit, &k->max, &k->state};
    return words[at % 4];
}

static void look_again_filtered(wse *m, uint32_t pe) {
    const fabric *f = m->fabric;
    const router *r = &f->routers[pe];
    for (uint32_t i = 0; i < f->shapes[r->shape].lanes; i++)
        if (f->lanes[r->lanes + i].filtered) fabric_look_again(m, pe, i);
}

/* ---- the map ---- */

static bool within(uint32_t address, uint32_t base, uint32_t count) { return address - base < count; }

static bool read_plain(const wse *m, uint32_t pe, uint32_t address, uint16_t *value) {
    switch (address) {
    case ISA_CFG_TEARDOWN_LOW: *value = (uint16_t)fabric_teardown_pending(m, pe); return true;
    case ISA_CFG_TEARDOWN_HIGH: *value = (uint16_t)(fabric_teardown_pending(m, pe) >> 16); return true;
    case ISA_CFG_COORD_X: *value = (uint16_t)(m->image->offset_x + wse_x(m, pe)); return true;
    case ISA_CFG_COORD_Y: *value = (uint16_t)(m->image->offset_y + wse_y(m, pe)); return true;
    case ISA_CFG_RECT_X: *value = (uint16_t)wse_x(m, pe); return true;
    case ISA_CFG_RECT_Y: *value = (uint16_t)wse_y(m, pe); return true;
    case ISA_CFG_IN_STATUS: *value = queue_status(m, pe, false); return true;
    case ISA_CFG_OUT_STATUS: *value = queue_status(m, pe, true); return true;
    default: return false;
    }
}

bool fabric_config_read(const wse *m, uint32_t pe, uint32_t address, uint16_t *value) {
    spot s;
    *value = 0;
    if (within(address, ISA_CFG_COLOR, ISA_COLORS)) {
        if (find(m, pe, address - ISA_CFG_COLOR, &s)) *value = color_word(&s);
        return true;
    }
    if (within(address, ISA_CFG_SWITCH, ISA_COLORS)) {
        if (find(m, pe, address - ISA_CFG_SWITCH, &s)) *value = switch_word(&s);
        return true;
    }
    if (within(address, ISA_CFG_IN_QUEUE, ISA_QUEUES)) {
        *value = in_queue_word(m, pe, address - ISA_CFG_IN_QUEUE);
        return true;
    }
    if (within(address, ISA_CFG_OUT_QUEUE, ISA_QUEUES)) {
        *value = (uint16_t)(out_queue_color(m, pe, address - ISA_CFG_OUT_QUEUE) << 4);
        return true;
    }
    if (within(address, ISA_CFG_FILTER, ISA_CFG_PERF - ISA_CFG_FILTER)) {
        const uint16_t *word = filter_word(m, pe, address - ISA_CFG_FILTER);
        if (word) *value = *word;
        return true;
    }
    return read_plain(m, pe, address, value);
}

static bool write_lane(wse *m, uint32_t pe, uint32_t address, uint16_t value, uint64_t now) {
    bool is_color = within(address, ISA_CFG_COLOR, ISA_COLORS);
    uint32_t color = address - (is_color ? ISA_CFG_COLOR : ISA_CFG_SWITCH);
    spot s;
    if (!find(m, pe, color, &s))
        wse_set_fault(m, pe, now, "color %u is configured at run time, but the PE has neither a route nor a queue for it; "
                      "give it a route in the layout",
                      color);
    else if (is_color) write_color(&s, value, now);
    else write_switch(&s, value, now);
    return true;
}

bool fabric_config_write(wse *m, uint32_t pe, uint32_t address, uint16_t value, uint64_t now) {
    uint16_t ignored;
    if (within(address, ISA_CFG_COLOR, ISA_COLORS) || within(address, ISA_CFG_SWITCH, ISA_COLORS))
        return write_lane(m, pe, address, value, now);
    bool in = within(address, ISA_CFG_IN_QUEUE, ISA_QUEUES), out = within(address, ISA_CFG_OUT_QUEUE, ISA_QUEUES);
    if (in || out) {
        write_queue(m, pe, address - (in ? ISA_CFG_IN_QUEUE : ISA_CFG_OUT_QUEUE), out, value, now);
        return true;
    }
    if (within(address, ISA_CFG_FILTER, ISA_CFG_PERF - ISA_CFG_FILTER)) {
        uint16_t *word = filter_word(m, pe, address - ISA_CFG_FILTER);
        if (word) *word = value;
        look_again_filtered(m, pe);
        return true;
    }
    return read_plain(m, pe, address, &ignored); /* read only: writing changes nothing */
}
