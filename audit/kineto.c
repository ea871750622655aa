/* Chrome trace events as PyTorch's profiler (Kineto) and its kin write them.
 *
 * Complete events (ph X) and pairs (B, E) of the categories below are kept; the rest is metadata, flows, counters and
 * Python frames, which are read over. ts and dur are microseconds whatever displayTimeUnit says, and become integers of
 * ns from their decimal text. */
#include "audit/trace.h"
#include "audit/names.h"
#include "audit/scan.h"
#include "base/mem.h"
#include <jansson.h>
#include <strings.h>

typedef enum {
    CAT_SKIP,
    CAT_KERNEL,
    CAT_MEMCPY,
    CAT_MEMSET,
    CAT_LAUNCH,
    CAT_OP,
    CAT_HOST_RANGE,
    CAT_DEVICE_RANGE,
    CAT_PYTHON,
    CAT_MTIA
} category;

/* Compared without case: older files write Kernel, Memcpy, Runtime. */
static const struct {
    const char *name;
    category is;
} categories[] = {
    {"kernel", CAT_KERNEL},
    {"cpu_op", CAT_OP},
    {"python_function", CAT_PYTHON},
    {"cuda_runtime", CAT_LAUNCH},
    {"cuda_driver", CAT_LAUNCH},
    {"gpu_memcpy", CAT_MEMCPY},
    {"gpu_memset", CAT_MEMSET},
    {"user_annotation", CAT_HOST_RANGE},
    {"gpu_user_annotation", CAT_DEVICE_RANGE},
    {"memcpy", CAT_MEMCPY},
    {"memset", CAT_MEMSET},
    {"runtime", CAT_LAUNCH},
    {"operator", CAT_OP},
    {"hip_runtime", CAT_LAUNCH},
    {"xpu_runtime", CAT_LAUNCH},
    {"xpu_driver", CAT_LAUNCH},
    {"xpu_kernel", CAT_KERNEL},
    {"concurrent_kernel", CAT_KERNEL},
    {"mtia_ccp_events", CAT_MTIA},
    {"mtia_runtime", CAT_LAUNCH},
    {"hpu_op", CAT_KERNEL},
    {"privateuse1_kernel", CAT_KERNEL},
    {"privateuse1_runtime", CAT_LAUNCH},
    {"privateuse1_driver", CAT_LAUNCH},
};

static bool same_word(str a, const char *b) {
    size_t n = strlen(b);
    return a.n == n && !strncasecmp(a.p, b, n);
}

static category category_of(str cat) {
    for (size_t i = 0; cat.n && i < sizeof categories / sizeof *categories; i++)
        if (same_word(cat, categories[i].name)) return categories[i].is;
    return CAT_SKIP;
}

enum { OPEN_MAX = 4096 };

/* A B event that waits for its E. */
typedef struct {
    uint32_t thread, name;
    int64_t start_ns;
    category is;
    uint64_t external, correlation;
    uint16_t lane;
} open_pair;

typedef struct {
    events *e;
    scan_event ev;
    int64_t start_ns, dur_ns;
    open_pair pairs[OPEN_MAX];
    size_t pair_count;
    char text[4 * EVENTS_TEXT_MAX];
} reader;

static uint64_t id_of(str s) {
    int64_t v;
    return scan_decimal(s, 0, &v) ? (uint64_t)v : EVENTS_NO_ID;
}
static uint64_t count_of(str s) {
    int64_t v;
    return scan_decimal(s, 0, &v) && v > 0 ? (uint64_t)v : 0;
}

static uint32_t name_of(reader *r) {
    str s = r->ev.name;
    if (s.n > sizeof r->text) s.n = sizeof r->text;
    return events_text(r->e, scan_unescape(s, r->text, sizeof r->text));
}

static uint32_t thread_of(reader *r) {
    char text[128];
    int n = snprintf(text, sizeof text, "%.*s/%.*s", (int)(r->ev.pid.n < 60 ? r->ev.pid.n : 60),
                     r->ev.pid.p ? r->ev.pid.p : "", (int)(r->ev.tid.n < 60 ? r->ev.tid.n : 60),
                     r->ev.tid.p ? r->ev.tid.p : "");
    return events_text(r->e, (str){text, (size_t)n});
}

static uint16_t lane_of(reader *r) {
    str device = r->ev.device.p ? r->ev.device : r->ev.pid, stream = r->ev.stream.p ? r->ev.stream : r->ev.tid;
    return events_lane(r->e, device.p ? device : STR("?"), stream.p ? stream : STR("?"));
}

/* Bytes of a collective's message: the larger side. */
static uint64_t message_bytes(const scan_event *ev) {
    uint64_t in = count_of(ev->in_elems), out = count_of(ev->out_elems), n = in > out ? in : out;
    return n && ev->dtype.p && n < (uint64_t)1 << 48 ? n * names_dtype_bytes(ev->dtype) : 0;
}

static bool add_device(reader *r, event_kind kind) {
    const scan_event *ev = &r->ev;
    device_event out = {.start_ns = r->start_ns, .dur_ns = r->dur_ns, .lane = lane_of(r), .name = name_of(r)};
    str name = events_text_of(r->e, out.name);
    out.external = id_of(ev->external.p ? ev->external : ev->external_old);
    out.correlation = id_of(ev->correlation);
    if (kind == EV_KERNEL && events_is_comm(r->e, out.name)) kind = EV_COMM;
    out.kind = (uint8_t)kind;
    if (kind == EV_MEMCPY) {
        out.direction = (uint8_t)names_direction(name);
        if (!out.direction && ev->kind.p) out.direction = (uint8_t)names_direction(ev->kind);
    }
    if (kind == EV_COMM) {
        uint64_t ranks = count_of(ev->group);
        out.direction = (uint8_t)(ranks < 255 ? ranks : 255);
    }
    out.bytes = kind == EV_COMM ? message_bytes(ev) : count_of(ev->bytes.p ? ev->bytes : ev->size);
    return events_add_device(r->e, out);
}

/* Text without the spaces that printing for people adds; those in quotes stay. */
static char *compact(char *out, const char *end, str s) {
    bool quoted = false;
    for (size_t i = 0; i < s.n && out < end; i++) {
        quoted ^= s.p[i] == '"';
        if (quoted || (unsigned char)s.p[i] > ' ') *out++ = s.p[i];
    }
    return out;
}

/* The arguments of an operator as one text: dims, types and, where they decide the work, concrete values
 * (audit/work.h). */
static uint32_t shape_of(reader *r, str name) {
    const scan_event *ev = &r->ev;
    bool concrete = str_contains(name, STR("attention")) || str_contains(name, STR("conv"));
    const char *end = r->text + sizeof r->text - 2;
    if (!ev->dims.p && !ev->dims_old.p) return EVENTS_NONE;
    char *p = compact(r->text, end, ev->dims.p ? ev->dims : ev->dims_old);
    *p++ = '\n';
    p = compact(p, end, ev->types);
    *p++ = '\n';
    if (concrete) p = compact(p, end, ev->concrete);
    size_t n = (size_t)(p - r->text);
    return n > EVENTS_TEXT_MAX ? EVENTS_NONE : events_text(r->e, (str){r->text, n});
}

static bool add_op(reader *r) {
    events *e = r->e;
    host_op op = {.start_ns = r->start_ns, .dur_ns = r->dur_ns, .module = EVENTS_NONE, .layer = EVENTS_NONE};
    int64_t index;
    op.external = id_of(r->ev.external.p ? r->ev.external : r->ev.external_old);
    op.thread = thread_of(r);
    op.name = name_of(r);
    op.shape = shape_of(r, events_text_of(e, op.name));
    if (scan_decimal(r->ev.index, 0, &index)) {
        if (index < e->index_min) e->index_min = index;
        if (index > e->index_max) e->index_max = index;
        e->index_count++;
    }
    return events_add_op(e, op);
}

static bool add_range(reader *r, range_kind kind) {
    uint32_t thread = kind == RANGE_DEVICE ? lane_of(r) : thread_of(r);
    return events_add_range(r->e, (named_range){r->start_ns, r->dur_ns, name_of(r), thread, kind});
}

static bool add(reader *r, category is) {
    switch (is) {
    case CAT_KERNEL: return add_device(r, EV_KERNEL);
    case CAT_MEMCPY: return add_device(r, EV_MEMCPY);
    case CAT_MEMSET: return add_device(r, EV_MEMSET);
    case CAT_MTIA: return add_device(r, str_starts(r->ev.name, STR("dma")) ? EV_MEMCPY : EV_KERNEL);
    case CAT_OP: return add_op(r);
    case CAT_HOST_RANGE: return add_range(r, RANGE_HOST);
    case CAT_DEVICE_RANGE: return add_range(r, RANGE_DEVICE);
    case CAT_PYTHON: return !str_starts(r->ev.name, STR("nn.Module: ")) || add_range(r, RANGE_MODULE);
    case CAT_LAUNCH: {
        launch_call l = {id_of(r->ev.correlation), id_of(r->ev.external), r->start_ns, thread_of(r), name_of(r)};
        return l.correlation == EVENTS_NO_ID || events_add_launch(r->e, l);
    }
    case CAT_SKIP: break;
    }
    return true;
}

static void begin_pair(reader *r, category is) {
    if (r->pair_count == OPEN_MAX) {
        r->e->dropped++;
        return;
    }
    const scan_event *ev = &r->ev;
    r->pairs[r->pair_count++] =
        (open_pair){thread_of(r), name_of(r), r->start_ns, is, id_of(ev->external), id_of(ev->correlation), 0};
}

/* The E of the innermost open B on its thread; what the B said counts. */
static bool end_pair(reader *r) {
    uint32_t thread = thread_of(r);
    for (size_t i = r->pair_count; i-- > 0;) {
        open_pair p = r->pairs[i];
        if (p.thread != thread) continue;
        memmove(&r->pairs[i], &r->pairs[i + 1], (r->pair_count - i - 1) * sizeof p);
        r->pair_count--;
        if (p.is == CAT_SKIP) return true;
        if (__builtin_sub_overflow(r->start_ns, p.start_ns, &r->dur_ns)) return r->e->out_of_range++, true;
        r->start_ns = p.start_ns;
        if (!r->ev.name.p) r->ev.name = events_text_of(r->e, p.name);
        return add(r, p.is);
    }
    return r->e->broken++, true;
}

static bool take(reader *r) {
    const scan_event *ev = &r->ev;
    char ph = ev->ph.n == 1 ? *ev->ph.p : 0;
    if (ph != 'X' && ph != 'B' && ph != 'E') return true;
    category is = category_of(ev->cat);
    if (ph == 'X' && (is == CAT_SKIP || (is == CAT_PYTHON && !str_starts(ev->name, STR("nn.Module: "))))) return true;
    r->dur_ns = 0;
    if (!scan_decimal(ev->ts, 3, &r->start_ns) || (ev->dur.p && !scan_decimal(ev->dur, 3, &r->dur_ns)))
        return r->e->out_of_range++, true;
    if (ph == 'B') return begin_pair(r, is), true;
    return ph == 'E' ? end_pair(r) : add(r, is);
}

/* ---- what the file says about itself ---- */

static void device_properties(events *e, str text) {
    json_t *root = text.p ? json_loadb(text.p, text.n, 0, NULL) : NULL, *v;
    size_t i;
    json_array_foreach(root, i, v) {
        const char *name = json_string_value(json_object_get(v, "name"));
        char id[32];
        snprintf(id, sizeof id, "%lld", (long long)json_integer_value(json_object_get(v, "id")));
        if (i >= EVENTS_DEVICES_MAX) break;
        event_device *dev = &e->devices[events_device(e, str_from(id))];
        if (name && *name) dev->name = events_text(e, str_from(name));
        json_int_t bytes = json_integer_value(json_object_get(v, "totalGlobalMem")),
                   units = json_integer_value(json_object_get(v, "numSms"));
        dev->memory_bytes = bytes > 0 ? (uint64_t)bytes : 0;
        dev->compute_units = units > 0 ? (uint64_t)units : 0;
    }
    json_decref(root);
}

static void distributed(events *e, str text) {
    json_t *root = text.p ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    json_int_t rank = json_integer_value(json_object_get(root, "rank")),
               ranks = json_integer_value(json_object_get(root, "world_size"));
    e->rank = rank > 0 ? (uint64_t)rank : 0;
    e->ranks = ranks > 0 ? (uint64_t)ranks : 0;
    json_decref(root);
}

static bool whole(const scan *s, const input *in, bool partial, diag *d) {
    if (!s->found && !s->cut_short)
        return diag_error(d, "%s: is JSON without traceEvents, so no trace of the PyTorch profiler or of Chrome",
                          in->name);
    if (!s->events && s->broken) return diag_error(d, "%s: no event of it can be read", in->name);
    if ((s->cut_short || in->cut_short) && !partial)
        return diag_error(
            d, "%s: ends in the middle, after %llu events: write or copy it again (or --partial judges what is there)",
            in->name, (unsigned long long)s->events);
    return true;
}

bool kineto_read(events *e, input *in, bool partial, diag *d) {
    scan s;
    reader *r = mem_alloc(sizeof *r);
    if (!r) return diag_oom(d, in->name);
    r->e = e;
    bool ok = scan_open(&s, in, d);
    while (ok && scan_next(&s, &r->ev)) ok = take(r) || diag_oom(d, in->name);
    ok = ok && !s.failed && whole(&s, in, partial, d);
    if (ok) {
        device_properties(e, s.device_properties);
        distributed(e, s.distributed);
        e->format = e->index_count || s.device_properties.p ? "PyTorch profiler (Kineto)" : "Chrome trace";
        e->seen = s.events;
        e->broken += s.broken;
        e->cut_short = s.cut_short || in->cut_short;
    }
    scan_close(&s);
    mem_free(r);
    return ok;
}
