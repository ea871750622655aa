/* Events of a trace in memory: what every reader fills and every later step works on.
 *
 *     events e;
 *     events_init(&e, arena);
 *     events_lane(&e, device, stream); events_name(&e, "kernel_name"); events_add_device(&e, ...); ...
 *     events_finish(&e, d);               // sorts, links device events to launches and operators
 *     events_free(&e);
 *
 * Memory follows the number of device events (48 bytes each), of operators (48) and of launches (32), not the size of the
 * file: names and shapes are kept once each, and most events of a trace are never kept. Counts and text are bounded; what is beyond the
 * bounds is counted in `dropped`, and nothing is read out of them.
 *
 * After events_finish, per device lane order: `device` sorted by start (file order among equals).
 */
#ifndef INGOT_AUDIT_EVENTS_H
#define INGOT_AUDIT_EVENTS_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/map.h"

typedef enum { EV_KERNEL, EV_COMM, EV_MEMCPY, EV_MEMSET, EV_KINDS } event_kind;
typedef enum { COPY_OTHER, COPY_HTOD, COPY_DTOH, COPY_DTOD, COPY_PTOP, COPY_HTOH, COPY_UNIFIED, COPY_DIRECTIONS } copy_direction;

enum {
    EVENTS_LANES_MAX = 4096,
    EVENTS_DEVICES_MAX = 256,
    EVENTS_TEXT_MAX = 4096,              /* bytes of a name or shape that are kept */
    EVENTS_TEXT_TOTAL = 256 << 20,       /* of all texts together */
};
#define EVENTS_NONE UINT32_MAX
#define EVENTS_NO_ID UINT64_MAX
#define EVENTS_NO_TIME INT64_MIN
#define EVENTS_TIME_MAX ((int64_t)4000000000000000000) /* a hundred years and more */
#define EVENTS_DURATION_MAX ((int64_t)1000000000000000) /* eleven days */

/* A kernel, copy or memset. 48 bytes. */
typedef struct {
    int64_t start_ns, dur_ns;
    union {
        uint64_t external;               /* "External id"; EVENTS_NO_ID = none */
        uint64_t op;                     /* after events_finish: index of the operator, EVENTS_NO_ID = not linked */
    };
    union {
        uint64_t correlation;            /* EVENTS_NO_ID = none */
        int64_t launch_ns;               /* after events_finish: start of the launching call, EVENTS_NO_TIME = not known */
    };
    uint64_t bytes;                      /* copied or set; of collectives: the message; 0 = not said */
    uint32_t name;
    uint16_t lane;
    uint8_t kind;
    uint8_t direction;                   /* of copies; of collectives: how many ranks, 0 = not said, 255 = so many or more */
} device_event;

/* An operator on the host. `shape` is the text of its arguments (audit/work.h), EVENTS_NONE = not recorded. */
typedef struct {
    uint64_t external;
    int64_t start_ns, dur_ns;
    uint32_t name, shape, thread;
    uint32_t module, layer;              /* innermost nn.Module, innermost layer: set by events_finish, EVENTS_NONE = none */
} host_op;

typedef struct {
    uint64_t correlation, external;
    int64_t start_ns;
    uint32_t thread, name;
} launch_call;

/* A named range: a step, a phase, a module; on the device's lane or on a host thread. */
typedef enum { RANGE_DEVICE, RANGE_HOST, RANGE_MODULE } range_kind;
typedef struct {
    int64_t start_ns, dur_ns;
    uint32_t name, thread;               /* RANGE_DEVICE: thread is the lane */
    range_kind kind;
} named_range;

typedef struct {
    uint32_t device;                     /* index into devices */
    uint32_t stream;                     /* text */
} event_lane;

typedef struct {
    uint32_t id;                         /* text: "0" */
    uint32_t name;                       /* text: "NVIDIA H100 80GB HBM3"; EVENTS_NONE = not in the trace */
    uint64_t memory_bytes;               /* 0 = not said */
    double memory_bytes_per_s;           /* 0 = not said */
    uint64_t compute_units;
} event_device;

#define EVENTS_LIST(T, name) T *name; size_t name##_count, name##_cap
typedef struct {
    arena *a;                            /* texts */
    map texts;                           /* text -> index */
    const str *text;                     /* [text_count] */
    size_t text_count, text_cap, text_bytes;
    uint8_t *comm;                       /* by text: 0 not asked yet, 1 no collective, 2 a collective */
    size_t comm_cap;
    EVENTS_LIST(device_event, device);
    EVENTS_LIST(host_op, op);
    EVENTS_LIST(launch_call, launch);
    EVENTS_LIST(named_range, range);
    event_lane lanes[EVENTS_LANES_MAX];
    size_t lane_count;
    event_device devices[EVENTS_DEVICES_MAX];
    size_t device_index_count;
    /* what the file says about itself */
    const char *format;
    bool graphs_as_one;                  /* graphs traced as one row: kernels inside are missing */
    int64_t index_min, index_max;        /* "Ev Idx" of operators */
    uint64_t index_count;
    uint64_t rank, ranks;
    /* what was left out */
    uint64_t seen, broken, negative, out_of_range, dropped, lost_launches, unlinked;
    bool host_device;                    /* the device is the processor: its events are operators */
    bool cut_short, oom;
} events;

void events_init(events *e, arena *a);
void events_free(events *e);
/* Index of a text; cut at EVENTS_TEXT_MAX bytes; EVENTS_NONE when there is no room (counted). */
uint32_t events_text(events *e, str s);
static inline str events_text_of(const events *e, uint32_t i) { return i < e->text_count ? e->text[i] : STR("?"); }
bool events_is_comm(events *e, uint32_t name);       /* by its name, asked once per name */
/* Index of a lane, of a device; the last one when there are too many (counted). */
uint16_t events_lane(events *e, str device, str stream);
uint32_t events_device(events *e, str device);
/* Range and sign of times are checked here; false only when memory ends (e->oom). */
bool events_add_device(events *e, device_event ev);
bool events_add_op(events *e, host_op op);
bool events_add_launch(events *e, launch_call l);
bool events_add_range(events *e, named_range r);
/* Sorts device events by start and links them; call once. */
bool events_finish(events *e, diag *d);
/* Does the file hold a part of its events only, by the numbering of its operators? Are many launches without their kernel? Then idle
 * time is not real. */
bool events_sampled(const events *e);
/* Of a finished trace without device events: makes the processor its device (audit/host_ops.c). */
bool events_host_as_device(events *e, diag *d);
bool events_sort(events *e);                         /* device events, by start; false: no memory */
bool events_lost(const events *e);

static inline int64_t ns_add(int64_t a, int64_t b) { /* saturating: sums of hostile durations */
    int64_t s;
    return __builtin_add_overflow(a, b, &s) ? (a > 0 ? INT64_MAX : INT64_MIN) : s;
}
static inline int64_t event_end(const device_event *ev) { return ev->start_ns + ev->dur_ns; }
#endif
