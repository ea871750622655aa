/* Tables of a program that operations refer to by index: shapes, descriptors, settings. Equal rows share one index. */
#include "csl/builtin.h"
#include <inttypes.h>

static const isa_settings plain = {.activate = -1,
                                   .unblock = -1,
                                   .unblock_queue = -1,
                                   .control_activate = -1,
                                   .control_unblock = -1,
                                   .ut = -1,
                                   .priority = -1};
static const csl_task_ref no_task = {.id = -1};

bool csl_dsds_begin(csl_sema *s) {
    csl_dsd_state *d = arena_push(s->unit->memory, csl_dsd_state);
    isa_program *p = s->out;
    if (!d) return csl_oom(s), false;
    s->dsds = d;
    /* What the program came with stays where it is; the first new row moves it. */
    for (uint32_t kind = p->shape_count; kind <= ISA_FIFO; kind++) {
        if (!CSL_ROOM(s, p->shapes, p->shape_count, &d->shape_cap)) return false;
        p->shapes[p->shape_count++] = (isa_shape){.kind = (uint8_t)kind};
    }
    if (!p->settings_count) {
        if (!CSL_ROOM(s, p->settings, 0, &d->settings_table_cap)) return false;
        p->settings[p->settings_count++] = plain;
    }
    if (!CSL_ROOM(s, d->settings, 0, &d->settings_cap)) return false;
    d->settings[0] = (csl_settings){p->settings[0], no_task, no_task, no_task, no_task};
    return true;
}

static bool same_shape(const isa_shape *a, const isa_shape *b) {
    bool same = a->kind == b->kind && a->simd == b->simd && a->priority == b->priority &&
                a->index_offset == b->index_offset && a->control == b->control &&
                a->advance_switch == b->advance_switch && a->control_transform == b->control_transform &&
                a->zero_source == b->zero_source && a->dims == b->dims && a->wrap == b->wrap;
    for (int i = 0; i < 4; i++) same = same && a->extent[i] == b->extent[i] && a->stride[i] == b->stride[i];
    return same;
}

bool csl_shape(csl_sema *s, const isa_shape *shape, const csl_node *at, uint16_t *index) {
    isa_program *p = s->out;
    for (uint32_t i = 0; i < p->shape_count; i++)
        if (same_shape(&p->shapes[i], shape)) return *index = (uint16_t)i, true;
    if (p->shape_count == UINT16_MAX) return csl_refuse(s, at, "too many different descriptors in one program");
    if (!CSL_ROOM(s, p->shapes, p->shape_count, &csl_dsds(s)->shape_cap)) return false;
    p->shapes[p->shape_count] = *shape;
    *index = (uint16_t)p->shape_count++;
    return true;
}

bool csl_descriptor(csl_sema *s, isa_dsd dsd, const csl_node *at, uint16_t *index) {
    isa_program *p = s->out;
    for (uint32_t i = 0; i < p->descriptor_count; i++)
        if (p->descriptors[i] == dsd) return *index = (uint16_t)i, true;
    if (p->descriptor_count == UINT16_MAX) return csl_refuse(s, at, "too many different descriptors in one program");
    if (!CSL_ROOM(s, p->descriptors, p->descriptor_count, &csl_dsds(s)->descriptor_cap)) return false;
    p->descriptors[p->descriptor_count] = dsd;
    *index = (uint16_t)p->descriptor_count++;
    return true;
}

/* ---- settings ---- */

static bool same_ref(const csl_task_ref *a, const csl_task_ref *b) { return a->id == b->id && a->task == b->task; }

static bool same_settings(const csl_settings *a, const csl_settings *b) {
    const isa_settings *x = &a->s, *y = &b->s;
    return x->async == y->async && x->control_terminate == y->control_terminate && x->ut == y->ut &&
           x->priority == y->priority && x->save_address == y->save_address && x->single_step == y->single_step &&
           same_ref(&a->activate, &b->activate) && same_ref(&a->unblock, &b->unblock) &&
           same_ref(&a->on_activate, &b->on_activate) && same_ref(&a->on_unblock, &b->on_unblock);
}

static bool intern(csl_sema *s, const csl_settings *settings, const csl_node *at, uint16_t *index) {
    csl_dsd_state *d = csl_dsds(s);
    isa_program *p = s->out;
    for (uint32_t i = 0; i < p->settings_count; i++)
        if (same_settings(&d->settings[i], settings)) return *index = (uint16_t)i, true;
    if (p->settings_count == UINT16_MAX)
        return csl_refuse(s, at, "too many different operation settings in one program");
    if (!CSL_ROOM(s, p->settings, p->settings_count, &d->settings_table_cap)) return false;
    if (!CSL_ROOM(s, d->settings, p->settings_count, &d->settings_cap)) return false;
    p->settings[p->settings_count] = settings->s;
    d->settings[p->settings_count] = *settings;
    *index = (uint16_t)p->settings_count++;
    return true;
}

static bool take_task(csl_sema *s, csl_fields *f, const char *name, bool any_port, csl_task_ref *out) {
    csl_value v;
    const csl_node *at = f->at;
    char what[128];
    if (!csl_take(s, f, name, &v, &at)) return false;
    if (!v.type) return true;
    snprintf(what, sizeof what, "%s: .%s", f->what, name);
    if (v.where != CSL_KNOWN) return csl_refuse(s, at, "%s: DSD op setting must be comptime", what);
    return csl_task_of(s, &v, at, what, any_port, out);
}

static bool take_on_control(csl_sema *s, csl_fields *f, csl_settings *out) {
    csl_entry *e = csl_find(f, "on_control");
    if (!e) return true;
    char what[96];
    snprintf(what, sizeof what, "%.60s: .on_control", f->what);
    csl_fields inner;
    bool ok = e->value ? csl_fields_of_value(s, e->value, e->at, what, &inner) : csl_fields_of(s, e->at, what, &inner);
    return ok && csl_take_flag(s, &inner, "terminate", &out->s.control_terminate) &&
           take_task(s, &inner, "activate", false, &out->on_activate) &&
           take_task(s, &inner, "unblock", true, &out->on_unblock) && csl_fields_done(s, &inner);
}

static bool take_ut(csl_sema *s, csl_fields *f, isa_settings *out) {
    csl_value v;
    const csl_node *at = f->at;
    int64_t ut;
    if (!csl_take(s, f, "ut_id", &v, &at)) return false;
    if (!v.type) return true;
    if (!csl_is_wse3(s))
        return csl_refuse(s, at, "%s: .ut_id exists on WSE-3 only; on WSE-2 the queue tells the microthread", f->what);
    if (v.where != CSL_KNOWN) return csl_refuse(s, at, "%s: .ut_id: DSD op setting must be comptime", f->what);
    if (!csl_whole(s, &v, at, ".ut_id", 0, 7, &ut)) return false;
    out->ut = (int8_t)ut;
    return true;
}

static bool take_all(csl_sema *s, csl_fields *f, bool for_load, csl_settings *set, csl_op_settings *out) {
    static const char *const priorities[] = {"low", "medium", "high", NULL};
    int priority = -1;
    bool ok = csl_take_flag(s, f, "async", &set->s.async) && take_task(s, f, "activate", false, &set->activate) &&
              take_task(s, f, "unblock", true, &set->unblock) && take_on_control(s, f, set) &&
              csl_take_choice(s, f, "priority", priorities, &priority) && take_ut(s, f, &set->s);
    if (!ok) return false;
    set->s.priority = (int8_t)priority;
    if (for_load)
        return csl_take_flag(s, f, "save_address", &set->s.save_address) &&
               csl_take_flag(s, f, "single_step", &set->s.single_step);
    return csl_take(s, f, "index", &out->offset, &out->offset_at);
}

bool csl_parse_settings(csl_sema *s, const csl_node *cfg, const char *what, bool for_load, csl_op_settings *out) {
    *out = (csl_op_settings){.offset_at = cfg};
    if (!cfg) return true;
    csl_settings set = {plain, no_task, no_task, no_task, no_task};
    csl_fields f;
    if (!csl_fields_of(s, cfg, what, &f) || !take_all(s, &f, for_load, &set, out) || !csl_fields_done(s, &f))
        return false;
    if (!for_load && !set.s.async &&
        (set.activate.id >= 0 || set.activate.task || set.unblock.id >= 0 || set.unblock.task))
        return csl_refuse(s, cfg, "%s: .activate and .unblock need .async = true", what);
    out->async = set.s.async;
    out->saves = set.s.save_address;
    return intern(s, &set, cfg, &out->index);
}

/* Colors of descriptors that named only a queue of WSE-2. */
static void resolve_colors(csl_sema *s) {
    isa_program *p = s->out;
    for (uint32_t i = 0; i < p->descriptor_count; i++) {
        isa_dsd *d = &p->descriptors[i];
        uint8_t kind = p->shapes[*d >> 48].kind, queue = *d & (ISA_QUEUES - 1);
        if ((kind != ISA_FABIN && kind != ISA_FABOUT) || (*d >> 8 & 0xff) != CSL_COLOR_MARK) continue;
        int8_t color = kind == ISA_FABIN ? csl_tasks(s)->in_color[queue] : csl_tasks(s)->out_color[queue];
        if (color < 0) {
            csl_site site = csl_dsds(s)->colorless;
            csl_module *keep = s->module;
            s->module = site.module;
            csl_warning(s, site.at, "@get_dsd: .fabric_color is missing and the queue was initialised without a color");
            s->module = keep;
            color = ISA_COLORS - 1; /* no program routes it: an operation that gets here waits and is reported */
        }
        *d = (*d & ~(isa_dsd)0xff00) | (isa_dsd)color << 8;
    }
}

bool csl_dsds_finish(csl_sema *s) {
    csl_dsd_state *d = csl_dsds(s);
    isa_program *p = s->out;
    bool ok = true;
    resolve_colors(s);
    for (uint32_t i = 1; i < p->settings_count; i++) {
        const csl_settings *c = &d->settings[i];
        isa_settings *to = &p->settings[i];
        ok = csl_resolve_task(s, &c->activate, &to->activate) && ok;
        ok = csl_resolve_task(s, &c->unblock, &to->unblock) && ok;
        ok = csl_resolve_task(s, &c->on_activate, &to->control_activate) && ok;
        ok = csl_resolve_task(s, &c->on_unblock, &to->control_unblock) && ok;
    }
    for (uint32_t i = 0; i < p->fifo_count; i++) {
        ok = csl_resolve_task(s, &d->fifos[i].pop, &p->fifos[i].activate_pop) && ok;
        ok = csl_resolve_task(s, &d->fifos[i].push, &p->fifos[i].activate_push) && ok;
    }
    return ok;
}
