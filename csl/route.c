/* The configuration of a color at one router: routes, switches, filter, teardown; and @set_local_color_config.
 *
 *     .{ .routes = .{ .rx = .{ WEST }, .tx = .{ RAMP, EAST } }, .switches = .{ .pos1 = .{ .tx = WEST } }, ... }
 *
 * Directions are one direction, a tuple or an array of them, or an integer: the bits W E S N RAMP of isa/config.h, for
 * rx at bit 0 or, as dirToRxBits makes them, at bit 5. */
#include "csl/builtin.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

enum { FIVE = 0x1f };

bool csl_color_of(csl_sema *s, const csl_node *n, int64_t *color) {
    csl_value v = csl_eval_known(s, n);
    return v.type && csl_whole(s, &v, n, "the color", 0, ISA_COLORS - 1, color);
}

bool csl_color_free(csl_sema *s, int64_t color, const csl_node *at) {
    if (!csl_has_memcpy(s) || !csl_user_code(s) || color < 21) return true;
    return csl_refuse(s, at, "color %" PRId64 " is reserved by memcpy (21, 22 and 23 are); choose another", color);
}

/* ---- directions ---- */

static bool one_direction(csl_sema *s, const csl_value *v, const csl_node *at, bool rx, uint8_t *set) {
    const char *what = rx ? ".rx" : ".tx";
    if (v->where != CSL_KNOWN) return csl_refuse(s, at, "%s must be known at compile time", what);
    if (v->type->kind == CSL_T_DIRECTION) return *set |= (uint8_t)(1u << v->i), true;
    if (!csl_is_int(v->type) || v->i < 0 || v->i > UINT16_MAX)
        return csl_refuse(s, at, "%s: expected a direction such as EAST, got '%s'", what, v->type->text);
    uint32_t bits = (uint32_t)v->i;
    if (rx && !(bits & FIVE)) bits >>= 5;
    *set |= (uint8_t)(bits & FIVE);
    return true;
}

static bool take_directions(csl_sema *s, csl_fields *f, const char *name, uint8_t *set, bool *given) {
    csl_value v;
    const csl_node *at = f->at;
    *set = 0;
    if (!csl_take(s, f, name, &v, &at)) return false;
    *given = v.type != NULL;
    if (!v.type) return true;
    bool rx = name[0] == 'r', empty = v.type->kind == CSL_T_STRUCT && !v.type->count;
    bool many = v.type->kind == CSL_T_ARRAY || (v.type->kind == CSL_T_STRUCT && v.type->tuple) || empty;
    if (!many) return one_direction(s, &v, at, rx, set);
    if (v.where != CSL_KNOWN || v.type->count > 64)
        return csl_refuse(s, at, "%s: .%s: expected a few known directions", f->what, name);
    for (uint32_t i = 0; i < v.type->count; i++)
        if (!one_direction(s, csl_elem(&v, i), at, rx, set)) return false;
    return true;
}

/* A struct inside: `given`, and either its fields or, as SDK 2.x has it, one integer: tx in bits 0-4, rx in bits 5-9.
 */
typedef struct {
    bool given, is_bits;
    uint32_t bits;
    csl_fields f;
} part;

static bool nested(csl_sema *s, csl_fields *outer, const char *name, bool may_be_bits, part *out) {
    csl_entry *e = csl_find(outer, name);
    out->given = e != NULL, out->is_bits = false;
    if (!e) return true;
    bool literal = !e->value && (e->at->kind == CSL_STRUCT_LIT || e->at->kind == CSL_IF);
    if (literal) return csl_fields_of(s, e->at, name, &out->f);
    csl_value v = e->value ? *e->value : csl_eval(s, e->at);
    if (v.type && may_be_bits && csl_is_int(v.type)) {
        int64_t bits = 0;
        out->is_bits = true;
        if (!csl_whole(s, &v, e->at, name, 0, 0x3ff, &bits)) return false;
        out->bits = (uint32_t)bits;
        return true;
    }
    csl_value *kept = arena_push(csl_scratch(s), csl_value);
    if (!kept) return csl_oom(s), false;
    *kept = v;
    return csl_fields_of_value(s, kept, e->at, name, &out->f);
}

/* ---- parts ---- */

static bool take_routes(csl_sema *s, csl_fields *cfg, isa_route *out) {
    part p;
    bool rx, tx;
    if (!nested(s, cfg, "routes", true, &p)) return false;
    if (p.is_bits) out->tx[0] = p.bits & FIVE, out->rx[0] = (uint8_t)(p.bits >> 5);
    if (p.is_bits || !p.given) return true;
    csl_fields *f = &p.f;
    return take_directions(s, f, "rx", &out->rx[0], &rx) && take_directions(s, f, "tx", &out->tx[0], &tx) &&
           csl_take_flag(s, f, "color_swap_x", &out->swap_x) && csl_take_flag(s, f, "color_swap_y", &out->swap_y) &&
           csl_fields_done(s, f);
}

/* A position changes one side; the other stays that of the position before it (isa_position_before). */
static bool take_position(csl_sema *s, csl_fields *switches, uint32_t k, isa_route *out) {
    static const char *const names[] = {NULL, "pos1", "pos2", "pos3"};
    part p;
    bool rx = true, tx = true, invalid = false;
    uint8_t from, to;
    if (!nested(s, switches, names[k], true, &p)) return false;
    if (!p.given) return true;
    if (p.is_bits) {
        from = (uint8_t)(p.bits >> 5), to = p.bits & FIVE;
        rx = from != 0, tx = to != 0, invalid = !p.bits;
    } else if (!csl_take_flag(s, &p.f, "invalid", &invalid) || !take_directions(s, &p.f, "rx", &from, &rx) ||
               !take_directions(s, &p.f, "tx", &to, &tx) || !csl_fields_done(s, &p.f)) {
        return false;
    }
    if (invalid || (rx && !from) || (tx && !to)) return true;
    if (!rx && !tx) return csl_refuse(s, p.f.at, "%s: expected .rx, .tx or .invalid", names[k]);
    int before = isa_position_before(out->rx, out->tx, k);
    out->rx[k] = rx ? from : out->rx[before];
    out->tx[k] = tx ? to : out->tx[before];
    return true;
}

static bool take_switches(csl_sema *s, csl_fields *cfg, int64_t color, isa_route *out) {
    static const char *const pops[] = {"no_pop", "always_pop", "pop_on_advance", "pop_on_advance_nop", NULL};
    static const uint32_t wse3 = 0x3ffu | 1u << 12 | 1u << 13 | 1u << 16 | 1u << 17 | 1u << 20 | 1u << 21;
    part p;
    int64_t position = 0;
    int pop = 0;
    if (!nested(s, cfg, "switches", false, &p)) return false;
    if (!p.given) return true;
    csl_fields *f = &p.f;
    const isa_wafer *w = s->unit->options->wafer;
    uint32_t able = w && w->switch_colors ? w->switch_colors : csl_is_wse3(s) ? wse3 : ~0u;
    if (!(able >> color & 1))
        return csl_refuse(
            s, f->at, "color %" PRId64 " has no switch; on WSE-3 the colors 0-9, 12, 13, 16, 17, 20 and 21 have one",
            color);
    for (uint32_t k = 1; k < 4; k++)
        if (!take_position(s, f, k, out)) return false;
    if (!csl_take_int(s, f, "current_switch_pos", 0, 3, &position, NULL) ||
        !csl_take_flag(s, f, "ring_mode", &out->ring) || !csl_take_choice(s, f, "pop_mode", pops, &pop) ||
        !csl_fields_done(s, f))
        return false;
    if (position && !out->rx[position] && !out->tx[position])
        return csl_refuse(s, f->at, "switches: .current_switch_pos is %" PRId64 ", but .pos%" PRId64 " is not valid",
                          position, position);
    out->position = (uint8_t)position;
    out->pop = (uint8_t)pop;
    return true;
}

static bool take_u16(csl_sema *s, csl_fields *f, const char *name, uint16_t *out) {
    int64_t v = *out;
    if (!csl_take_int(s, f, name, 0, UINT16_MAX, &v, NULL)) return false;
    *out = (uint16_t)v;
    return true;
}

static bool take_filter(csl_sema *s, csl_fields *cfg, isa_filter *out) {
    static const char *const kinds[] = {"counter", "sparse_counter", "range", NULL};
    part p;
    bool fast;
    int kind = -1;
    if (!nested(s, cfg, "filter", false, &p)) return false;
    if (!p.given) return true;
    csl_fields *f = &p.f;
    if (!csl_take_choice(s, f, "kind", kinds, &kind)) return false;
    if (kind < 0)
        return csl_refuse(s, f->at, "filter: .kind is missing: .{ .counter = true }, .sparse_counter or .range");
    out->kind = (uint8_t)(ISA_FILTER_COUNTER + kind);
    return csl_take_flag(s, f, "count_data", &out->count_data) &&
           csl_take_flag(s, f, "count_control", &out->count_control) &&
           csl_take_flag(s, f, "filter_control", &out->filter_control) && csl_take_flag(s, f, "fast_mode", &fast) &&
           take_u16(s, f, "init_counter", &out->init) && take_u16(s, f, "limit1", &out->limit1) &&
           take_u16(s, f, "limit2", &out->limit2) && take_u16(s, f, "max_counter", &out->max_counter) &&
           take_u16(s, f, "min_idx", &out->min_index) && take_u16(s, f, "max_idx", &out->max_index) &&
           csl_fields_done(s, f);
}

static bool fits_machine(csl_sema *s, const isa_route *r, const csl_node *at) {
    if (!csl_is_wse3(s)) return true;
    if (r->swap_x || r->swap_y) return csl_refuse(s, at, "color swap exists on WSE-2 only");
    for (int k = 0; k < 4; k++)
        if (r->rx[k] & (r->rx[k] - 1))
            return csl_refuse(s, at, "expected at most 1 input direction: WSE-3 routers take one .rx per color");
    return true;
}

bool csl_parse_route(csl_sema *s, const csl_node *cfg, int64_t color, const char *what, isa_route *out) {
    csl_fields f;
    *out = (isa_route){.color = (uint8_t)color};
    return csl_fields_of(s, cfg, what, &f) && take_routes(s, &f, out) && take_switches(s, &f, color, out) &&
           take_filter(s, &f, &out->filter) && csl_take_flag(s, &f, "teardown", &out->teardown) &&
           csl_fields_done(s, &f) && fits_machine(s, out, cfg);
}

/* ---- the PE being compiled ---- */

csl_value csl_b_set_local_color_config(csl_sema *s, const csl_node *call) {
    csl_dsd_state *d = csl_dsds(s);
    int64_t color;
    isa_route route;
    if (!s->out)
        return csl_error(s, call,
                         "@set_local_color_config belongs into the code of a PE; in the layout use @set_color_config");
    if (!csl_color_of(s, csl_arg(call, 0), &color) || !csl_color_free(s, color, csl_arg(call, 0)) ||
        !csl_parse_route(s, csl_arg(call, 1), color, "@set_local_color_config", &route))
        return CSL_NOTHING;
    for (uint32_t i = 0; i < d->local_count; i++)
        if (d->local[i].color == color) {
            csl_error(s, call, "color %" PRId64 " is configured twice on this PE", color);
            csl_note(s, d->local_at[i].module, d->local_at[i].at, "configured here");
            return CSL_NOTHING;
        }
    if (!CSL_ROOM(s, d->local, d->local_count, &d->local_cap) ||
        !CSL_ROOM(s, d->local_at, d->local_count, &d->local_at_cap))
        return CSL_NOTHING;
    d->local_at[d->local_count] = csl_site_of(s, call);
    d->local[d->local_count++] = route;
    return csl_void(s);
}

bool csl_local_routes(csl_sema *s, isa_route_set *out) {
    csl_dsd_state *d = csl_dsds(s);
    *out = (isa_route_set){.routes = d->local, .count = d->local_count};
    return true;
}

/* Filters are numbered among the routes of the PE; those of the layout are not known to the program. */
csl_value csl_b_get_filter_id(csl_sema *s, const csl_node *call) {
    csl_dsd_state *d = csl_dsds(s);
    int64_t color, id = 0;
    if (!s->out) return csl_error(s, call, "@get_filter_id belongs into the code of a PE, not into the layout");
    if (!csl_color_of(s, csl_arg(call, 0), &color)) return CSL_NOTHING;
    const isa_route *found = NULL;
    for (uint32_t i = 0; i < d->local_count; i++)
        if (d->local[i].color == color && d->local[i].filter.kind) found = &d->local[i];
    if (!found)
        return csl_error(s, call,
                         "@get_filter_id: color %" PRId64
                         " has no filter from @set_local_color_config; those of the layout are not supported here",
                         color);
    for (uint32_t i = 0; i < d->local_count; i++) id += d->local[i].filter.kind && d->local[i].color < color;
    return csl_int(s->unit->types.u16, id);
}
