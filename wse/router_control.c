/* What control wavelets do to a router, and the filters at the ramp.
 *
 * A control wavelet carries eight commands: bits 24:22, 27:25, then bits 29:28 with bit 0 on top, then 3:1 ... 15:13;
 * bits 0-1 of each are the command, bit 2 says "not for this core". It passes by the position in force, then its first
 * command is applied; the pop mode says whether the router takes that command away for the routers behind. The core
 * gets the payload as it arrived. The tail is refilled with NOP + "not for this core". */
#include "wse/fabric_internal.h"

enum { COMMANDS = 8, CMD_NOP = 0, CMD_ADVANCE, CMD_RESET, CMD_TEARDOWN };

static uint32_t command_get(uint32_t payload, uint32_t i) {
    if (i < 2) return payload >> (22 + 3 * i) & 7;
    if (i == 2) return (payload >> 28 & 3) | (payload & 1) << 2;
    return payload >> (3 * i - 8) & 7;
}

static uint32_t command_put(uint32_t i, uint32_t c) {
    if (i < 2) return c << (22 + 3 * i);
    if (i == 2) return (c & 3) << 28 | c >> 2;
    return c << (3 * i - 8);
}

uint32_t control_popped(uint32_t payload) {
    uint32_t out = payload & 0xc03f0000u; /* entry point and the bits without a meaning stay */
    for (uint32_t i = 0; i < COMMANDS; i++)
        out |= command_put(i, i + 1 < COMMANDS ? command_get(payload, i + 1) : CONTROL_NOP_NOCE);
    return out;
}

/* What move_fast may carry: one input that is the only buffer, outputs that exist and are no longer than a hop, nothing
 * for the host, no filter. */
static bool lane_is_fast(const lane *l) {
    if (!l->rx || l->rx != l->dirs || ((l->rx | l->tx) & l->longer) || (l->rx & (l->rx - 1)) || !l->tx ||
        (l->tx & HOST_BITS) || l->filtered)
        return false;
    for (uint32_t links = l->tx & (RAMP_BITS - 1); links; links &= links - 1)
        if (l->out[__builtin_ctz(links)] >= OUT_NONE) return false;
    return true;
}

void lane_take_position(lane *l, const plan *p) {
    l->rx = l->teardown ? 0 : p->rx[l->position] & p->dirs;
    l->tx = p->tx[l->position];
    l->fast = lane_is_fast(l) ? (uint8_t)__builtin_ctz(l->rx) : NOT_FAST;
}

/* Stays at the last valid position, or goes round. */
void lane_advance(lane *l, const plan *p) {
    uint32_t next = l->position + 1u;
    if (next < 4 && (p->rx[next] || p->tx[next])) l->position = (uint8_t)next;
    else if (p->ring) l->position = 0;
    lane_take_position(l, p);
}

/* `advanced`: the switch did move. An advance at the last position moves nothing and is not popped either: it is meant
 * for a router further on. Inferred: in the public cholesky program the finished PEs of a row pass the next one its
 * advance. */
static bool pops(uint8_t mode, uint32_t command, bool advanced) {
    return mode == ISA_ALWAYS_POP || (mode == ISA_POP_ON_ADVANCE && advanced) ||
           (mode == ISA_POP_ON_ADVANCE_NOP && (advanced || command == CMD_NOP));
}

uint32_t control_apply(wse *m, uint32_t pe, lane *l, const plan *p, uint32_t payload, uint64_t now) {
    uint32_t command = control_command(payload) & 3, before = l->position;
    if (command == CMD_ADVANCE) lane_advance(l, p);
    if (command == CMD_RESET) l->position = 0;
    if (command == CMD_TEARDOWN) l->teardown = l->raised = true;
    lane_take_position(l, p);
    if (command == CMD_TEARDOWN) core_raise(m, pe, now);
    return pops(p->pop, command, command == CMD_ADVANCE && l->position != before) ? control_popped(payload) : payload;
}

/* ---- filters ---- */

const isa_filter *fabric_filter_of(const wse *m, uint32_t pe, const plan *p) {
    return &m->image->route_sets[m->image->tiles[pe].route_set].routes[p->route].filter;
}

bool filter_passes(const fabric *f, const router *r, const isa_filter *k, uint32_t filter, uint32_t data,
                   bool control) {
    if (k->kind == ISA_FILTER_RANGE) return control || (data >> 16 >= k->min_index && data >> 16 <= k->max_index);
    const filter_state *s = filter_of(f, r, filter);
    return (control && !k->filter_control) || s->counter <= s->max;
}

/* Compared first, counted then. A sparse counter goes on with its second limit once the first is reached. */
void filter_count(fabric *f, const router *r, const isa_filter *k, uint32_t filter, bool control) {
    if (k->kind == ISA_FILTER_RANGE || !(control ? k->count_control : k->count_data)) return;
    filter_state *s = filter_of(f, r, filter);
    if (s->counter != s->limit) {
        s->counter++;
        return;
    }
    s->counter = 0;
    if (k->kind == ISA_FILTER_SPARSE) {
        s->limit = k->limit2;
        s->state = 1;
    }
}
