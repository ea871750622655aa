/* The store of events: see events.h. Linking is in audit/link.c. */
#include "audit/events.h"
#include "audit/names.h"
#include "base/mem.h"

void events_init(events *e, arena *a) {
    *e = (events){.a = a, .format = "", .index_min = INT64_MAX, .index_max = INT64_MIN};
}

void events_free(events *e) {
    map_free(&e->texts);
    mem_free((void *)e->text);
    mem_free(e->comm);
    mem_free(e->device);
    mem_free(e->op);
    mem_free(e->launch);
    mem_free(e->range);
    *e = (events){0};
}

static bool grow(void **items, size_t *cap, size_t count, size_t bytes) {
    if (count < *cap) return true;
    size_t more = *cap ? *cap + *cap / 2 : 64, total;
    void *p = mem_mul(more, bytes, &total) ? mem_resize(*items, total) : NULL;
    if (!p) return false;
    *items = p;
    *cap = more;
    return true;
}
#define PUSH(e, list, item)                                                                                            \
    (grow((void **)&(e)->list, &(e)->list##_cap, (e)->list##_count, sizeof *(e)->list)                                 \
         ? ((e)->list[(e)->list##_count++] = (item), true)                                                             \
         : !((e)->oom = true))

uint32_t events_text(events *e, str s) {
    uint64_t at;
    if (s.n > EVENTS_TEXT_MAX) s.n = EVENTS_TEXT_MAX - utf8_incomplete_tail((str){s.p, EVENTS_TEXT_MAX});
    if (map_get(&e->texts, s, &at)) return (uint32_t)at;
    if (e->text_bytes + s.n > EVENTS_TEXT_TOTAL || e->text_count == UINT32_MAX / 4) return e->dropped++, EVENTS_NONE;
    char *copy = arena_strndup(e->a, s.p, s.n);
    str *texts = (str *)e->text;
    if (!copy || !grow((void **)&texts, &e->text_cap, e->text_count, sizeof *texts)) return e->oom = true, EVENTS_NONE;
    e->text = texts;
    texts[e->text_count] = (str){copy, s.n};
    if (!map_put(&e->texts, texts[e->text_count], e->text_count)) return e->oom = true, EVENTS_NONE;
    e->text_bytes += s.n + sizeof(str) + sizeof(map_entry);
    return (uint32_t)e->text_count++;
}

bool events_is_comm(events *e, uint32_t name) {
    if (name >= e->text_count) return false;
    if (name >= e->comm_cap) {
        uint8_t *more = mem_resize(e->comm, e->text_cap);
        if (!more) return e->oom = true, false;
        memset(more + e->comm_cap, 0, e->text_cap - e->comm_cap);
        e->comm = more;
        e->comm_cap = e->text_cap;
    }
    if (!e->comm[name]) e->comm[name] = (uint8_t)(1 + names_is_comm(e->text[name]));
    return e->comm[name] == 2;
}

uint32_t events_device(events *e, str device) {
    uint32_t id = events_text(e, device);
    for (size_t i = 0; i < e->device_index_count; i++)
        if (e->devices[i].id == id) return (uint32_t)i;
    if (e->device_index_count == EVENTS_DEVICES_MAX) return e->dropped++, EVENTS_DEVICES_MAX - 1;
    e->devices[e->device_index_count] = (event_device){.id = id, .name = EVENTS_NONE};
    return (uint32_t)e->device_index_count++;
}

uint16_t events_lane(events *e, str device, str stream) {
    uint32_t s = events_text(e, stream), dev = events_device(e, device);
    for (size_t i = e->lane_count; i-- > 0;)
        if (e->lanes[i].device == dev && e->lanes[i].stream == s) return (uint16_t)i;
    if (e->lane_count == EVENTS_LANES_MAX) return e->dropped++, EVENTS_LANES_MAX - 1;
    e->lanes[e->lane_count] = (event_lane){dev, s};
    return (uint16_t)e->lane_count++;
}

/* Times that make sense: anything else is counted and left out. */
static bool times_fit(events *e, int64_t start, int64_t dur) {
    if (dur < 0) return e->negative++, false;
    if (start > EVENTS_TIME_MAX || start < -EVENTS_TIME_MAX || dur > EVENTS_DURATION_MAX)
        return e->out_of_range++, false;
    return true;
}

bool events_add_device(events *e, device_event ev) {
    return !times_fit(e, ev.start_ns, ev.dur_ns) || PUSH(e, device, ev);
}
bool events_add_op(events *e, host_op op) { return !times_fit(e, op.start_ns, op.dur_ns) || PUSH(e, op, op); }
bool events_add_launch(events *e, launch_call l) { return !times_fit(e, l.start_ns, 0) || PUSH(e, launch, l); }
bool events_add_range(events *e, named_range r) { return !times_fit(e, r.start_ns, r.dur_ns) || PUSH(e, range, r); }

bool events_sampled(const events *e) {
    return e->index_count >= 100 && e->index_max / 8 - e->index_min / 8 > (int64_t)(e->index_count / 2);
}

bool events_lost(const events *e) { return e->lost_launches > 100 && e->lost_launches > e->device_count / 4; }
