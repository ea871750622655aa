/* include/ingot.h over the library: handles, options, and the kinds of errors turned into -1 with a text. */
#include "include/ingot.h"
#include "api/api.h"
#include "api/layout.h"
#include "api/trace.h"
#include "base/file.h"
#include "debug/debug.h"
#include "base/mem.h"
#include "host/host.h"
#include <stdlib.h>

/* Both handles begin with this: ingot_last_error reads no more. */
typedef struct {
    diag *d;
} handle;

struct ingot_program {
    handle base;
    arena *memory; /* of the layout */
    isa_image *image;
    api_layout layout;
};

struct ingot_runtime {
    handle base;
    ingot_program *program;
    isa_wafer wafer;
    host *host;
    host_core core; /* instead of a host */
    FILE *log;
    api_trace trace;
    bool checks_told;
    debug *debug; /* NULL: nobody asked for it */
    arena *memory; /* of the last trace read */
    ingot_trace_entry *entries;
};

const char *ingot_last_error(const void *any) { return any ? diag_text(((const handle *)any)->d) : "out of memory"; }

static int result(bool ok) { return ok ? 0 : -1; }

/* ---- programs ---- */

ingot_program *ingot_program_new(void) {
    ingot_program *p = mem_alloc(sizeof *p);
    if (!p) return NULL;
    p->base.d = diag_new();
    p->memory = arena_new(0);
    if (p->base.d && p->memory) return p;
    ingot_program_free(p);
    return NULL;
}

void ingot_program_free(ingot_program *p) {
    if (!p) return;
    isa_image_free(p->image);
    arena_free(p->memory);
    diag_free(p->base.d);
    mem_free(p);
}

static void forget(ingot_program *p) {
    diag_clear(p->base.d);
    isa_image_free(p->image);
    p->image = NULL;
    p->layout = (api_layout){0};
    arena_reset(p->memory);
}

int ingot_program_compile(ingot_program *p, int argc, const char *const *argv) {
    strbuf print = {0};
    bool ok;
    forget(p);
    p->image = api_cslc_run(argc, argv, &print, &ok, p->base.d);
    strbuf_free(&print);
    if (ok && !p->image) ok = diag_error(p->base.d, "these options compile nothing");
    return result(ok);
}

int ingot_program_open(ingot_program *p, const char *folder) {
    forget(p);
    p->image = api_read_folder(folder, p->base.d);
    return result(p->image && api_layout_read(&p->layout, p->memory, folder, p->base.d));
}

int ingot_program_layout(ingot_program *p, const char *json, const char *folder) {
    forget(p);
    p->image = api_layout_compile(str_from(json), folder, p->base.d);
    return result(p->image && api_layout_parse(&p->layout, p->memory, str_from(json), "layout", p->base.d));
}

static bool opened(ingot_program *p) {
    diag_clear(p->base.d);
    return p->image ||
           diag_error(p->base.d, "no program is open; call ingot_program_open or ingot_program_compile first");
}

int ingot_program_info(ingot_program *p, ingot_program_facts *out) {
    if (!opened(p)) return -1;
    const isa_image *m = p->image;
    *out = (ingot_program_facts){.arch = m->arch,
                                 .width = m->width,
                                 .height = m->height,
                                 .fabric_width = m->fabric_width,
                                 .fabric_height = m->fabric_height,
                                 .offset_x = m->offset_x,
                                 .offset_y = m->offset_y,
                                 .memcpy = m->memcpy,
                                 .channels = m->channels,
                                 .exports = m->export_count};
    return 0;
}

int ingot_program_export(ingot_program *p, uint32_t id, ingot_export *out) {
    if (!opened(p)) return -1;
    if (id >= p->image->export_count) return result(diag_error(p->base.d, "%u is no symbol id of this program", id));
    const isa_export *e = &p->image->exports[id];
    *out = (ingot_export){.name = e->name,
                          .is_function = e->is_function,
                          .is_mutable = e->is_mutable,
                          .type = e->scalar,
                          .bits = e->bits,
                          .params = e->params};
    memcpy(out->param_type, e->param_scalar, sizeof out->param_type);
    memcpy(out->param_bits, e->param_bits, sizeof out->param_bits);
    return 0;
}

int ingot_program_symbol_id(ingot_program *p, const char *name, uint32_t *id) {
    return result(opened(p) && host_symbol_id(p->image, name, id, p->base.d));
}

int ingot_program_port_id(ingot_program *p, const char *name, uint32_t *id, uint32_t *is_input) {
    if (!opened(p)) return -1;
    for (uint32_t i = 0; i < p->layout.port_count; i++)
        if (!strcmp(p->layout.ports[i].name, name)) return *id = i, *is_input = p->layout.ports[i].input, 0;
    return result(diag_error(p->base.d, "the layout has no stream '%s'; it has %u", name, p->layout.port_count));
}

/* ---- life of a runtime ---- */

ingot_runtime *ingot_runtime_new(ingot_program *p) {
    ingot_runtime *r = mem_alloc(sizeof *r);
    if (!r) return NULL;
    r->program = p;
    r->base.d = diag_new();
    r->memory = arena_new(0);
    if (r->base.d && r->memory) return r;
    ingot_runtime_free(r);
    return NULL;
}

/* INGOT_CHECK=1: what was found, once, after the run however it ended. */
static void tell_checks(ingot_runtime *r) {
    strbuf found = {0};
    if (!r->trace.machine || r->checks_told) return;
    r->checks_told = true;
    wse_explain_checks(r->trace.machine, &found);
    for (char *line = found.data, *end; line && (end = strchr(line, '\n')); line = end + 1)
        fprintf(stderr, "warning: %.*s\n", (int)(end - line), line);
    strbuf_free(&found);
}

void ingot_runtime_free(ingot_runtime *r) {
    if (!r) return;
    (void)api_trace_write(&r->trace, r->base.d); /* of a run that was not stopped */
    tell_checks(r);
    debug_free(r->debug);
    host_free(r->host);
    host_core_free(&r->core);
    if (r->log) fclose(r->log);
    arena_free(r->memory);
    diag_free(r->base.d);
    mem_free(r);
}

static bool prints(const isa_image *m) {
    for (uint32_t i = 0; i < m->program_count; i++)
        for (uint32_t k = 0; k < m->programs[i].code_count; k++)
            if (m->programs[i].code[k].op == ISA_PRINT) return true;
    return false;
}

static bool open_log(ingot_runtime *r, const ingot_options *o, diag *d) {
    const char *path = o->log ? o->log : "sim.log";
    if (!*path || !prints(r->program->image)) return true;
    r->log = fopen(path, "w");
    return r->log || diag_error(d, "%s: cannot be written; run in a folder that can be written to", path);
}

static uint64_t number_of(const char *variable) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 0) : 0;
}

static bool start(ingot_runtime *r, const ingot_options *o, diag *d) {
    const isa_image *m = r->program->image;
    wse_options options = {.threads = o->threads ? o->threads : (uint32_t)number_of("INGOT_THREADS")};
    host_device device;
    if (!api_wafer(&r->wafer, m->arch, o->profile, d) || !open_log(r, o, d)) return false;
    options.log = r->log;
    if (api_debug_wanted()) options.threads = 1;
    options.check = number_of("INGOT_CHECK") != 0;
    api_trace_open(&r->trace, &options);
    api_holes holes = {o->defects, o->defect_density, o->defect_seed};
    uint16_t *longer;
    if (!api_holes_links(&holes, &r->wafer, m, &longer, d)) return false;
    options.extra_hop_cycles = longer;
    bool made = host_device_wse(&device, &r->wafer, m, &options, d);
    mem_free(longer);
    if (!made) return false;
    if (api_debug_wanted() && !(r->debug = api_debug_new(&device, m, d))) return device.free(device.machine), false;
    double latency = r->wafer.host_transaction_s * r->wafer.clock_hz;
    r->host = host_new(m, &device, latency > 0 && latency < 1e12 ? (uint64_t)latency : 0, d);
    if (!r->host) return device.free(device.machine), false;
    r->trace.machine = device.machine, r->trace.wafer = &r->wafer, r->trace.image = m, r->trace.host = r->host;
    host_set_wait_limit(r->host, number_of("INGOT_WAIT_CYCLES"));
    bool placed = api_layout_place_data(&r->program->layout, m, r->host, d);
    if (placed && r->debug) debug_begin(r->debug, r->host);
    return placed;
}

int ingot_runtime_load(ingot_runtime *r, const ingot_options *o) {
    diag_clear(r->base.d);
    if (!r->program->image) return result(diag_error(r->base.d, "no program is open; call ingot_program_open first"));
    if (r->host || r->core.memory)
        return result(diag_error(r->base.d, "already loaded; make a new runtime for another run"));
    return result(start(r, o ? o : &(ingot_options){0}, r->base.d));
}

static bool running(ingot_runtime *r) {
    diag_clear(r->base.d);
    return r->host || diag_error(r->base.d, "the program is not loaded; call load() first");
}

int ingot_runtime_stop(ingot_runtime *r) {
    bool ok = running(r) && host_stop(r->host, r->base.d);
    ok = api_trace_write(&r->trace, r->base.d) && ok;
    tell_checks(r);
    if (ok && r->debug) debug_ended(r->debug);
    if (r->log && fflush(r->log)) ok = diag_error(r->base.d, "the log could not be written; the disk may be full");
    return result(ok);
}

uint64_t ingot_runtime_cycles(const ingot_runtime *r) { return r->host ? host_cycle(r->host) : r->core.cycle; }

/* ---- commands ---- */

/* Blocking unless asked otherwise. The number is a pointer: the call that sets it is an argument beside it. */
static int settle(ingot_runtime *r, bool ok, const uint32_t *number, int nonblock, uint32_t *task) {
    if (task) *task = *number;
    return result(ok && (nonblock || host_wait(r->host, *number, r->base.d)));
}

static host_transfer transfer(const ingot_transfer *t) {
    return (host_transfer){.x = t->x,
                           .y = t->y,
                           .width = t->width,
                           .height = t->height,
                           .per_pe = t->elements_per_pe,
                           .row_stride = t->row_stride,
                           .col_stride = t->col_stride,
                           .bits = t->bits == 16   ? 16
                                   : t->bits == 32 ? 32
                                                   : 0,
                           .order = t->order == INGOT_COL_MAJOR ? HOST_COL_MAJOR : HOST_ROW_MAJOR,
                           .spread = t->spread <= HOST_COL_BROADCAST ? (uint8_t)t->spread : HOST_EACH};
}

int ingot_copy_in(ingot_runtime *r, uint32_t symbol, const ingot_transfer *t, const uint32_t *data, uint64_t count,
                  int nonblock, uint32_t *task) {
    uint32_t n = 0;
    if (!running(r)) return -1;
    host_transfer h = transfer(t);
    return settle(r, host_copy_in(r->host, symbol, &h, data, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_copy_out(ingot_runtime *r, uint32_t symbol, const ingot_transfer *t, uint32_t *data, uint64_t count,
                   int nonblock, uint32_t *task) {
    uint32_t n = 0;
    if (!running(r)) return -1;
    host_transfer h = transfer(t);
    return settle(r, host_copy_out(r->host, symbol, &h, data, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_stream_in(ingot_runtime *r, uint32_t color, const ingot_transfer *t, const uint32_t *data, uint64_t count,
                    int nonblock, uint32_t *task) {
    uint32_t n = 0;
    if (!running(r)) return -1;
    host_transfer h = transfer(t);
    return settle(r, host_stream_in(r->host, color, &h, data, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_stream_out(ingot_runtime *r, uint32_t color, const ingot_transfer *t, uint32_t *data, uint64_t count,
                     int nonblock, uint32_t *task) {
    uint32_t n = 0;
    if (!running(r)) return -1;
    host_transfer h = transfer(t);
    return settle(r, host_stream_out(r->host, color, &h, data, count, &n, r->base.d), &n, nonblock, task);
}

static bool find_port(ingot_runtime *r, uint32_t port, uint64_t count, bool input, host_transfer *t, uint32_t *color) {
    const api_layout *l = &r->program->layout;
    if (!running(r)) return false;
    if (port >= l->port_count)
        return diag_error(r->base.d, "%u is no stream of this layout; it has %u", port, l->port_count);
    const api_port *p = &l->ports[port];
    if (p->input != input)
        return diag_error(r->base.d, "stream '%s' %s; use %s", p->name, p->input ? "goes in" : "comes out",
                          p->input ? "send" : "receive");
    if (!count || count > UINT32_MAX / 2)
        return diag_error(r->base.d, "a transfer of %llu elements is not possible", (unsigned long long)count);
    *t = (host_transfer){.x = p->x, .y = p->y, .width = 1, .height = 1, .per_pe = (uint32_t)count, .bits = 32};
    *color = p->color;
    return true;
}

int ingot_send(ingot_runtime *r, uint32_t port, const uint32_t *data, uint64_t count, int nonblock, uint32_t *task) {
    host_transfer t;
    uint32_t n = 0, color;
    if (!find_port(r, port, count, true, &t, &color)) return -1;
    return settle(r, host_stream_in(r->host, color, &t, data, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_receive(ingot_runtime *r, uint32_t port, uint32_t *data, uint64_t count, int nonblock, uint32_t *task) {
    host_transfer t;
    uint32_t n = 0, color;
    if (!find_port(r, port, count, false, &t, &color)) return -1;
    return settle(r, host_stream_out(r->host, color, &t, data, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_launch(ingot_runtime *r, const char *function, const ingot_arg *args, uint32_t count, int nonblock,
                 uint32_t *task) {
    host_arg converted[16];
    uint32_t n = 0;
    if (!running(r)) return -1;
    if (count > 16)
        return result(diag_error(r->base.d, "%s: %u arguments; a launch carries at most 15", function, count));
    for (uint32_t i = 0; i < count; i++)
        converted[i] = (host_arg){
            .kind = (uint8_t)args[i].kind, .bits = (uint8_t)args[i].bits, .whole = args[i].whole, .real = args[i].real};
    return settle(r, host_launch(r->host, function, converted, count, &n, r->base.d), &n, nonblock, task);
}

int ingot_wait(ingot_runtime *r, uint32_t task) { return result(running(r) && host_wait(r->host, task, r->base.d)); }

int ingot_done(ingot_runtime *r, uint32_t task, int *done) {
    bool is = false;
    bool ok = running(r) && host_done(r->host, task, &is, r->base.d);
    *done = is;
    return result(ok);
}

/* ---- looking inside ---- */

static const uint16_t *memory_of(ingot_runtime *r, uint32_t x, uint32_t y, uint32_t *pe) {
    diag_clear(r->base.d);
    const isa_image *m = r->program->image;
    if (!m || (!r->host && !r->core.memory))
        return diag_error(r->base.d, "the program is not loaded; call load() first"), NULL;
    if (x >= m->width || y >= m->height) {
        diag_error(r->base.d, "PE(%u,%u) is outside the program's rectangle of %u x %u", x, y, m->width, m->height);
        return NULL;
    }
    *pe = y * m->width + x;
    return r->host ? host_memory(r->host, *pe) : r->core.memory + (size_t)*pe * ISA_SRAM_WORDS;
}

int ingot_read_symbol(ingot_runtime *r, uint32_t x, uint32_t y, const char *name, void *out, uint64_t capacity_bytes,
                      uint64_t *bytes) {
    uint32_t pe, words;
    const uint16_t *memory = memory_of(r, x, y, &pe);
    if (!memory || !host_read_symbol(r->program->image, memory, pe, name, NULL, &words, r->base.d)) return -1;
    *bytes = 2 * (uint64_t)words;
    if (!out) return 0;
    if (capacity_bytes < *bytes)
        return result(diag_error(r->base.d, "'%s' takes %llu bytes, there is room for %llu", name,
                                 (unsigned long long)*bytes, (unsigned long long)capacity_bytes));
    return result(host_read_symbol(r->program->image, memory, pe, name, out, &words, r->base.d));
}

static bool decode(ingot_runtime *r, const uint16_t *buffer, uint32_t words, uint32_t *count) {
    host_trace_entry *found;
    if (!host_trace_decode(buffer, words, r->memory, &found, count, r->base.d)) return false;
    r->entries = arena_push_n(r->memory, ingot_trace_entry, *count + 1);
    if (!r->entries) return diag_oom(r->base.d, "trace");
    for (uint32_t i = 0; i < *count; i++)
        r->entries[i] = (ingot_trace_entry){found[i].tag, found[i].whole, found[i].real, found[i].text};
    return true;
}

int ingot_read_trace(ingot_runtime *r, uint32_t x, uint32_t y, const char *key, const ingot_trace_entry **entries,
                     uint32_t *count) {
    uint32_t pe, words;
    const uint16_t *memory = memory_of(r, x, y, &pe);
    arena_reset(r->memory);
    if (!memory || !host_read_symbol(r->program->image, memory, pe, key, NULL, &words, r->base.d)) return -1;
    const isa_symbol *s =
        host_find_symbol(&r->program->image->programs[r->program->image->tiles[pe].program], key, ISA_SYM_DATA);
    if (!decode(r, memory + host_symbol_word(s, memory), words, count)) return -1;
    *entries = r->entries;
    return 0;
}

int ingot_dump_core(ingot_runtime *r, const char *path) {
    return result(running(r) && host_core_write(r->host, path, r->base.d));
}

int ingot_open_core(ingot_runtime *r, const char *path) {
    diag_clear(r->base.d);
    const isa_image *m = r->program->image;
    if (!m || r->host || r->core.memory)
        return result(diag_error(r->base.d, "a core file needs a program that is open and not loaded"));
    if (!host_core_read(&r->core, path, r->base.d)) return -1;
    if (r->core.width == m->width && r->core.height == m->height) return 0;
    diag_error(r->base.d, "%s: %u x %u PEs, but the program has %u x %u; it is the core of another program", path,
               r->core.width, r->core.height, m->width, m->height);
    host_core_free(&r->core);
    return -1;
}
