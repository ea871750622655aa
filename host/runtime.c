/* The runtime: a list of commands and the loop that lets the machine run until they are through.
 *
 * Commands begin in the order given; several streams and one launch may be under way at once. The machine runs in
 * slices, after each of which the host looks again: what the host does depends on cycles only, so runs are
 * reproducible.
 */
#include "host/runtime.h"
#include "base/mem.h"

enum { SLICE_CYCLES = 128, POLL_CYCLES = 4096, SETTLE_CYCLES = 50000000 };
#define WAIT_LIMIT_CYCLES 20000000000ull

host *host_new(const isa_image *image, const host_device *device, uint64_t latency_cycles, diag *d) {
    host *h = mem_alloc(sizeof *h);
    if (!h) return diag_oom(d, "runtime"), NULL;
    h->image = image;
    h->device = *device;
    h->latency_cycles = latency_cycles;
    h->wait_limit_cycles = WAIT_LIMIT_CYCLES;
    h->launch = UINT32_MAX;
    return h;
}

void host_free(host *h) {
    if (!h) return;
    h->device.free(h->device.machine); /* first: it may still hold buffers of streams */
    for (uint32_t i = 0; i < h->count; i++) mem_free(h->commands[i].words);
    mem_free(h->commands);
    strbuf_free(&h->reason);
    mem_free(h);
}

void host_set_wait_limit(host *h, uint64_t cycles) { h->wait_limit_cycles = cycles ? cycles : WAIT_LIMIT_CYCLES; }
uint64_t host_cycle(const host *h) { return h->device.cycle(h->device.machine); }
uint16_t *host_memory(host *h, uint32_t pe) { return h->device.memory(h->device.machine, pe); }

void host_wrote(host *h, uint32_t pe, uint32_t word, uint32_t words) {
    if (h->device.wrote) h->device.wrote(h->device.machine, pe, word, words);
}

/* ---- adding commands ---- */

static bool alive(const host *h, diag *d) {
    return !h->dead || diag_error(d, "%s", h->reason.data ? h->reason.data : "the program has failed before");
}

static bool add(host *h, const host_command *c, uint32_t *task, diag *d) {
    if (h->count == h->cap) {
        uint32_t cap = h->cap ? 2 * h->cap : 64;
        host_command *bigger = cap > h->cap ? mem_resize(h->commands, cap * sizeof *bigger) : NULL;
        if (!bigger) return diag_oom(d, "commands");
        h->commands = bigger;
        h->cap = cap;
    }
    h->commands[h->count] = *c;
    *task = h->count++;
    return true;
}

static bool transfer_fits(const host *h, const host_transfer *t, uint64_t count, diag *d) {
    uint64_t need;
    if (t->bits != 16 && t->bits != 32) return diag_error(d, "data_type must be MEMCPY_16BIT or MEMCPY_32BIT");
    if (!host_transfer_check(t, h->image->width, h->image->height, &need, d)) return false;
    if (count != need)
        return diag_error(d,
                          "the host's array has %llu elements of 32 bits; %u x %u PEs with %u elements each need %llu",
                          (unsigned long long)count, host_transfer_columns(t), host_transfer_rows(t), t->per_pe,
                          (unsigned long long)need);
    return true;
}

static bool copy_check(const host *h, uint32_t symbol, bool in, diag *d) {
    if (symbol >= h->image->export_count || h->image->exports[symbol].is_function)
        return diag_error(d, "%u is no symbol id of this program; take it from get_id", symbol);
    const isa_export *e = &h->image->exports[symbol];
    if (in && !e->is_mutable)
        return diag_error(
            d, "'%s' is exported as not mutable; pass true as the third argument of @export_name to write it", e->name);
    return true;
}

bool host_copy_in(host *h, uint32_t symbol, const host_transfer *t, const uint32_t *data, uint64_t count,
                  uint32_t *task, diag *d) {
    if (!alive(h, d) || !copy_check(h, symbol, true, d) || !transfer_fits(h, t, count, d)) return false;
    host_command c = {.kind = HOST_COPY_IN, .t = *t, .symbol = symbol, .words = mem_alloc_n(count, sizeof *data)};
    if (!c.words) return diag_oom(d, "memcpy_h2d");
    memcpy(c.words, data, count * sizeof *data);
    if (add(h, &c, task, d)) return true;
    mem_free(c.words);
    return false;
}

bool host_copy_out(host *h, uint32_t symbol, const host_transfer *t, uint32_t *data, uint64_t count, uint32_t *task,
                   diag *d) {
    if (!alive(h, d) || !copy_check(h, symbol, false, d) || !transfer_fits(h, t, count, d)) return false;
    if (t->spread != HOST_EACH) return diag_error(d, "a broadcast goes from the host to the device only");
    host_command c = {.kind = HOST_COPY_OUT, .t = *t, .symbol = symbol, .out = data};
    return add(h, &c, task, d);
}

static bool stream_check(const host *h, uint32_t color, uint32_t colors, const char *field, const host_transfer *t,
                         uint64_t count, diag *d) {
    host_transfer wide = *t;
    wide.bits = 32;
    if (!transfer_fits(h, &wide, count, d)) return false;
    if (color >= ISA_COLORS || !(colors >> color & 1))
        return diag_error(d, "color %u is not one the program streams on; name it as %s_1 to _4 in <memcpy/get_params>",
                          color, field);
    if (t->spread != HOST_EACH || host_transfer_columns(t) != t->width || host_transfer_rows(t) != t->height)
        return diag_error(d, "strides and broadcasts need copy mode; pass streaming=False");
    return true;
}

bool host_stream_in(host *h, uint32_t color, const host_transfer *t, const uint32_t *data, uint64_t count,
                    uint32_t *task, diag *d) {
    if (!alive(h, d) || !stream_check(h, color, h->image->h2d_colors, "MEMCPYH2D", t, count, d)) return false;
    host_command c = {.kind = HOST_STREAM_IN, .t = *t, .color = color, .words = mem_alloc_n(count, sizeof *data)};
    if (!c.words) return diag_oom(d, "memcpy_h2d");
    uint64_t k = 0;
    for (uint32_t row = 0; row < t->height; row++)
        for (uint32_t column = 0; column < t->width; column++)
            for (uint32_t l = 0; l < t->per_pe; l++) c.words[k++] = data[host_transfer_index(t, row, column, l)];
    if (add(h, &c, task, d)) return true;
    mem_free(c.words);
    return false;
}

bool host_stream_out(host *h, uint32_t color, const host_transfer *t, uint32_t *data, uint64_t count, uint32_t *task,
                     diag *d) {
    if (!alive(h, d) || !stream_check(h, color, h->image->d2h_colors, "MEMCPYD2H", t, count, d)) return false;
    host_command c = {
        .kind = HOST_STREAM_OUT, .t = *t, .color = color, .out = data, .words = mem_alloc_n(count, sizeof *data)};
    if (!c.words) return diag_oom(d, "memcpy_d2h");
    if (add(h, &c, task, d)) return true;
    mem_free(c.words);
    return false;
}

static const isa_export *find_function(const isa_image *m, const char *name, diag *d) {
    strbuf known = {0};
    const isa_export *found = NULL;
    for (uint32_t i = 0; i < m->export_count && !found; i++) {
        if (!m->exports[i].is_function) continue;
        if (!strcmp(m->exports[i].name, name)) found = &m->exports[i];
        else strbuf_addf(&known, "%s%s", known.len ? ", " : "", m->exports[i].name);
    }
    if (!found)
        diag_error(
            d, "the program exports no function '%s'; it exports: %s. Add @export_name(\"%s\", fn()void) to the layout",
            name, known.len ? known.data : "none", name);
    strbuf_free(&known);
    return found;
}

bool host_launch(host *h, const char *function, const host_arg *args, uint32_t count, uint32_t *task, diag *d) {
    if (!alive(h, d)) return false;
    host_command c = {.kind = HOST_LAUNCH, .function = find_function(h->image, function, d)};
    isa_fp16 fp16 = h->image->program_count ? h->image->programs[0].fp16 : ISA_F16;
    return c.function && host_args_pack(c.function, fp16, args, count, c.args, &c.arg_words, d) && add(h, &c, task, d);
}

/* ---- looking back ---- */

uint32_t host_task_count(const host *h) { return h->count; }

bool host_task_facts(const host *h, uint32_t task, host_task *out, strbuf *name) {
    if (task >= h->next) return false;
    const host_command *c = &h->commands[task];
    *out = (host_task){.begin = c->begin_cycle,
                       .end = c->state == HOST_DONE ? c->end_cycle : host_cycle(h),
                       .kind = c->kind,
                       .open = c->state != HOST_DONE,
                       .bytes = host_transfer_columns(&c->t) * (uint64_t)host_transfer_rows(&c->t) * c->t.per_pe *
                                (c->t.bits / 8)};
    if (c->kind == HOST_LAUNCH) out->bytes = 0;
    host_command_name(h, c, name);
    return true;
}

/* ---- waiting ---- */

static bool die(host *h, diag *d) {
    const char *why = h->reason.data ? h->reason.data : "the program has failed";
    h->dead = true;
    if (h->device.failed) h->device.failed(h->device.listener, why);
    return diag_error(d, "%s", why);
}

static void finish_streams(host *h) {
    for (uint32_t i = h->oldest; i < h->next; i++) {
        host_command *c = &h->commands[i];
        bool stream = c->kind == HOST_STREAM_IN || c->kind == HOST_STREAM_OUT;
        if (c->state == HOST_RUNNING && stream && h->device.stream_complete(h->device.machine, c->stream))
            host_command_finish(h, c);
    }
}

static void finish_launch(host *h, bool superseded) {
    if (h->launch == UINT32_MAX || (!superseded && !host_all_ready(h))) return;
    h->commands[h->launch].state = HOST_DONE;
    h->commands[h->launch].end_cycle = host_cycle(h);
    h->launch = UINT32_MAX;
}

static void forget_done(host *h) {
    while (h->oldest < h->next && h->commands[h->oldest].state == HOST_DONE) {
        mem_free(h->commands[h->oldest].words);
        h->commands[h->oldest++].words = NULL;
    }
}

/* Begins what can begin; false: a command failed. */
static bool begin_all(host *h, bool *any, diag *d) {
    *any = false;
    while (h->next < h->count) {
        host_command *c = &h->commands[h->next];
        size_t errors = diag_error_count(d);
        host_begin b = host_command_begin(h, c, d);
        if (b == HOST_NOT_YET) break;
        if (b == HOST_FAILED) {
            c->state = HOST_DONE;
            h->next++;
            return diag_error_count(d) > errors ? false : diag_error(d, "the command failed");
        }
        if (c->kind == HOST_LAUNCH) {
            finish_launch(h, true); /* it could begin, so every PE has finished the one before */
            h->launch = h->next;
        }
        c->begin_cycle = host_cycle(h);
        if (c->state == HOST_DONE) c->end_cycle = c->begin_cycle;
        h->next++;
        *any = true;
    }
    return true;
}

/* Nothing moves and `c` cannot go on. */
static bool deadlock(host *h, const host_command *c, diag *d) {
    strbuf_clear(&h->reason);
    strbuf_adds(&h->reason, "deadlock: ");
    if (c) host_command_name(h, c, &h->reason);
    else strbuf_adds(&h->reason, "stop");
    strbuf_addf(&h->reason, " cannot go on, and nothing moves on the wafer since cycle %llu.",
                (unsigned long long)host_cycle(h));
    if (!host_all_ready(h))
        strbuf_addf(&h->reason,
                    " PE(%u,%u) has not called unblock_cmd_stream() since the last launch; every launched function "
                    "must do so on every "
                    "PE, itself or in a task it starts.",
                    h->unready % h->image->width, h->unready / h->image->width);
    size_t head = h->reason.len;
    strbuf_addc(&h->reason, '\n');
    h->device.explain(h->device.machine, &h->reason);
    if (h->reason.len == head + 1)
        strbuf_adds(&h->reason, "No PE waits for anything: the data expected were never sent.");
    return die(h, d);
}

static bool run_slice(host *h, uint64_t cycles, diag *d) {
    const char *text;
    switch (h->device.run(h->device.machine, host_cycle(h) + cycles, true)) {
    case WSE_QUIET: h->quiet = true; return true;
    case WSE_FAULT:
        text = h->device.fault(h->device.machine);
        strbuf_clear(&h->reason);
        strbuf_addf(&h->reason, "the program failed: %s", text && *text ? text : "unknown fault");
        return die(h, d);
    default: return true;
    }
}

static bool too_long(host *h, uint64_t since, diag *d) {
    strbuf_clear(&h->reason);
    strbuf_addf(&h->reason,
                "gave up after %llu simulated cycles without an end; raise INGOT_WAIT_CYCLES if the program needs more",
                (unsigned long long)(host_cycle(h) - since));
    return die(h, d);
}

/* Once: finish, begin. *moved says whether that changed anything. */
static bool attend(host *h, bool *moved, diag *d) {
    uint32_t oldest = h->oldest, launch = h->launch;
    finish_streams(h);
    finish_launch(h, false);
    forget_done(h);
    if (!begin_all(h, moved, d)) return false;
    forget_done(h);
    *moved = *moved || h->oldest != oldest || h->launch != launch;
    return true;
}

/* A launch that waits for data is given back to the caller, who may be about to send them. */
static bool may_return(const host_command *c) { return c->kind == HOST_LAUNCH && c->state == HOST_RUNNING; }

bool host_wait(host *h, uint32_t task, diag *d) {
    if (!alive(h, d)) return false;
    if (task >= h->count) return diag_error(d, "%u is no task of this runtime", task);
    uint64_t since = host_cycle(h);
    for (;;) {
        bool moved;
        if (!attend(h, &moved, d)) return false;
        const host_command *c = &h->commands[task];
        if (c->state == HOST_DONE) return true;
        if (moved) continue;
        if (h->quiet) return may_return(c) || deadlock(h, h->next <= task ? &h->commands[h->next] : c, d);
        if (host_cycle(h) - since > h->wait_limit_cycles) return too_long(h, since, d);
        if (!run_slice(h, SLICE_CYCLES, d)) return false;
    }
}

bool host_done(host *h, uint32_t task, bool *done, diag *d) {
    bool moved;
    if (!alive(h, d)) return false;
    if (task >= h->count) return diag_error(d, "%u is no task of this runtime", task);
    if (!attend(h, &moved, d) || (!h->quiet && !run_slice(h, POLL_CYCLES, d)) || !attend(h, &moved, d)) return false;
    *done = h->commands[task].state == HOST_DONE;
    if (!*done && !moved && h->quiet) return deadlock(h, &h->commands[task], d);
    return true;
}

/* What is still on its way when all commands are through: until quiet, or as long as a transaction of the host lasts. A
 * program without memcpy has no commands; it runs until it is quiet. */
static bool settle(host *h, diag *d) {
    uint64_t end = host_cycle(h) + (h->image->memcpy ? h->latency_cycles : SETTLE_CYCLES);
    while (!h->quiet && host_cycle(h) < end)
        if (!run_slice(h, end - host_cycle(h), d)) return false;
    return true;
}

bool host_stop(host *h, diag *d) {
    bool moved;
    if (!alive(h, d)) return false;
    for (uint32_t i = h->oldest; i < h->count; i++)
        if (!host_wait(h, i, d)) return false;
    if (!attend(h, &moved, d)) return false;
    if (h->launch != UINT32_MAX) return deadlock(h, &h->commands[h->launch], d);
    return settle(h, d);
}
