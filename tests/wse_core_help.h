/* For tests of the core alone: a machine of a few PEs whose fabric is arrays and whose clock is a list of wake-up
 * times.
 *
 *     world *w = world_new(ISA_WSE3, 2);
 *     emit(w, 0, ISA_MOVI, 1, 0, 0, 42); ...            // program 0; every PE runs program min(pe, programs - 1)
 *     world_start(w);  world_run(w, 1000);
 *     assert_int_equal(reg(w, 0, 1), 42);
 */
#ifndef INGOT_TESTS_WSE_CORE_HELP_H
#define INGOT_TESTS_WSE_CORE_HELP_H

#include "wse/core_internal.h"
#include "wse/pipe.h"
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { PES = 3, DEPTH = 512, WAKES = 128, CODE = 512, ROOM = 4 };

typedef struct {
    wse_wavelet e[DEPTH];
    uint32_t head, count;
} wavelets;

/* out queue q of PE p feeds port `to_port` of PE `to_pe`, `latency` cycles later, one wavelet a cycle; to_pe < 0: it is
 * kept in sent */
typedef struct {
    int to_pe;
    uint32_t to_port, latency, stopped;
} link_to;

struct fabric {
    wavelets in[PES][ISA_COLORS], out[PES][ISA_QUEUES], sent[PES][ISA_QUEUES];
    link_to link[PES][ISA_QUEUES];
    uint32_t advanced[PES][ISA_COLORS], config[PES][256], teardown;
};
struct clockwork {
    uint64_t wake[PES][WAKES];
    uint32_t n[PES];
};

typedef struct {
    wse m;
    isa_wafer wafer;
    isa_image image;
    isa_program programs[PES];
    isa_instr code[PES][CODE];
    uint16_t data[PES][4096];
    isa_dsd dsds[PES][64];
    isa_shape shapes[PES][32];
    isa_settings settings[PES][32];
    isa_fifo fifos[PES][4];
    isa_line lines[PES][4];
    const char *strings[4], *sources[1];
    isa_tile tiles[PES];
    struct fabric fabric;
    struct clockwork clock;
} world;

/* ---- the fabric of machine.h ---- */

static inline bool readable(const wse_wavelet *w, uint64_t now) { return (int32_t)((uint32_t)now - w->ready) >= 0; }

const wse_wavelet *fabric_in_head(const wse *m, uint32_t pe, uint32_t port, uint64_t now) {
    wavelets *r = &m->fabric->in[pe][port];
    const wse_wavelet *w = &r->e[r->head % DEPTH];
    return r->count && readable(w, now) ? w : NULL;
}
void fabric_in_pop(wse *m, uint32_t pe, uint32_t port, uint64_t now) {
    wavelets *r = &m->fabric->in[pe][port];
    (void)now;
    assert_true(r->count > 0);
    r->head++, r->count--;
    if (r->count) clock_wake(m, pe, now + 1);
}
uint32_t fabric_in_color(const wse *m, uint32_t pe, uint32_t q, uint32_t color) {
    (void)m, (void)pe, (void)q;
    return color;
}
uint32_t fabric_out_room(const wse *m, uint32_t pe, uint32_t q) { return ROOM - m->fabric->out[pe][q].count; }
void fabric_out_push(wse *m, uint32_t pe, uint32_t q, uint32_t color, uint32_t data, bool control, uint64_t now) {
    wavelets *r = &m->fabric->out[pe][q];
    assert_true(r->count < ROOM);
    r->e[(r->head + r->count++) % DEPTH] =
        (wse_wavelet){.data = data, .ready = (uint32_t)now + 1, .color = (uint8_t)color, .control = control};
}
bool fabric_out_empty(const wse *m, uint32_t pe, uint32_t q) { return !m->fabric->out[pe][q].count; }
void fabric_advance_switch(wse *m, uint32_t pe, uint32_t color) { m->fabric->advanced[pe][color]++; }
bool fabric_config_read(const wse *m, uint32_t pe, uint32_t address, uint16_t *value) {
    if (address < ISA_CFG_FIRST || address > ISA_CFG_LAST || address == 0x7ff0) return false;
    *value = (uint16_t)m->fabric->config[pe][address - ISA_CFG_FIRST];
    return true;
}
bool fabric_config_write(wse *m, uint32_t pe, uint32_t address, uint16_t value, uint64_t now) {
    (void)now;
    if (address < ISA_CFG_FIRST || address > ISA_CFG_LAST || address == 0x7ff0) return false;
    m->fabric->config[pe][address - ISA_CFG_FIRST] = value;
    return true;
}
uint32_t fabric_teardown_pending(const wse *m, uint32_t pe) { return pe == 0 ? m->fabric->teardown : 0; }
uint32_t fabric_teardown_take(wse *m, uint32_t pe) { return fabric_teardown_pending(m, pe); }

uint64_t *fabric_queues(const wse *m) { return m->fabric ? NULL : (uint64_t *)1; }
uint32_t fabric_in_ring(const wse *m, uint32_t pe, uint32_t port, uint16_t *slots) {
    return *slots = 0, m && pe && port ? FABRIC_NO_QUEUE : FABRIC_NO_QUEUE;
}
uint32_t fabric_out_ring(const wse *m, uint32_t pe, uint32_t q, uint8_t *color, uint16_t *slots) {
    return *slots = 0, m && pe && q && *color ? FABRIC_NO_QUEUE : FABRIC_NO_QUEUE;
}
void fabric_in_freed(wse *m, uint32_t pe, uint32_t port, uint64_t now) { clock_wake(m, pe, now + port); }
void fabric_out_first(wse *m, uint32_t pe, uint32_t q, uint64_t ready) { clock_wake(m, pe, ready + q); }
void fabric_out_full(wse *m, uint32_t pe, uint32_t q) { clock_wake(m, pe, q); }
bool fabric_in_quiet(const wse *m, uint32_t pe, uint32_t ports) { return m && pe && ports; }
uint64_t clock_window(const wse *m, uint64_t now) { return m ? now : 0; }
bool pipe_open(wse *m, pipe *p) { return m && p && false; }
void pipe_took(wse *m, pipe_copy *c, bool quiet) { assert_true(m && c && quiet && false); }
void pipe_entered(wse *m, pipe *p, uint64_t t) { assert_true(m && p && t && false); }
void pipe_push(wse *m, pipe *p, uint32_t data, uint64_t ready) { assert_true(m && p && data && ready && false); }
void pipe_wake(wse *m, const pipe_copy *c, uint64_t cycle) { assert_true(m && c && cycle && false); }
void pipe_stalled(wse *m, pipe *p, uint32_t i) { assert_true(m && p && i && false); }
uint64_t pipe_room_bound(const wse *m, const pipe *p, uint64_t now) { return m && p ? now : 0; }
uint64_t pipe_arrival_bound(const wse *m, const pipe_copy *c, uint64_t now) { return m && c ? now : 0; }
void clock_happened(wse *m, uint32_t pe, uint64_t now) { assert_true(pe < m->pes && now < UINT64_MAX); }
void clock_wake(wse *m, uint32_t pe, uint64_t cycle) {
    struct clockwork *k = m->clock;
    for (uint32_t i = 0; i < k->n[pe]; i++)
        if (k->wake[pe][i] == cycle) return;
    assert_true(k->n[pe] < WAKES);
    k->wake[pe][k->n[pe]++] = cycle;
}
void wse_set_fault(wse *m, uint32_t pe, uint64_t cycle, const char *fmt, ...) {
    va_list args;
    if (m->fault[0]) return;
    int n = snprintf(m->fault, sizeof m->fault, "PE(%u,%u) cycle %u, ", pe % m->width, pe / m->width, (unsigned)cycle);
    va_start(args, fmt);
    vsnprintf(m->fault + n, sizeof m->fault - (size_t)n, fmt, args);
    va_end(args);
}

/* ---- building a program ---- */

static inline uint32_t emit(world *w, uint32_t p, unsigned op, unsigned d, unsigned a, unsigned b, uint32_t imm) {
    isa_program *q = &w->programs[p];
    assert_true(q->code_count < CODE);
    q->code[q->code_count] = (isa_instr){(uint8_t)op, (uint8_t)d, (uint8_t)a, (uint8_t)b, imm};
    return q->code_count++;
}
static inline void end(world *w, uint32_t p) { emit(w, p, ISA_END, 0, 0, 0, 0); }
static inline uint32_t here(world *w, uint32_t p) { return w->programs[p].code_count; }
static inline uint16_t shape(world *w, uint32_t p, isa_shape s) {
    w->shapes[p][w->programs[p].shape_count] = s;
    return (uint16_t)w->programs[p].shape_count++;
}
static inline uint16_t settings(world *w, uint32_t p, isa_settings s) {
    w->settings[p][w->programs[p].settings_count] = s;
    return (uint16_t)w->programs[p].settings_count++;
}
/* SETTINGS(s.async = true, s.activate = 10) */
#define SETTINGS(...)                                                                                                  \
    ({                                                                                                                 \
        isa_settings s = {.activate = -1, .unblock = -1, .unblock_queue = -1, .ut = -1, .priority = -1};               \
        s.control_activate = s.control_unblock = -1;                                                                   \
        __VA_ARGS__;                                                                                                   \
        s;                                                                                                             \
    })
static inline void lddsr(world *w, uint32_t p, isa_dsr_file file, unsigned id, isa_dsd dsd, uint16_t set) {
    isa_program *q = &w->programs[p];
    assert_true(q->descriptor_count < 64);
    w->dsds[p][q->descriptor_count] = dsd;
    emit(w, p, ISA_LDDSR, ISA_DSR(file, id), ISA_NO_REG, ISA_NO_REG, q->descriptor_count++ | (uint32_t)set << 16);
}
static inline isa_dsd mem(uint16_t base, uint16_t n, int16_t stride) { return isa_dsd_mem(base, n, stride, ISA_MEM1D); }
static inline isa_dsd fabin(uint8_t q, uint16_t n) { return isa_dsd_fabric(q, q, n, ISA_FABIN); }
static inline isa_dsd fabout(uint8_t q, uint16_t n) { return isa_dsd_fabric(q, q, n, ISA_FABOUT); }
enum {
    D0 = ISA_DSR(ISA_DEST, 0),
    D1 = ISA_DSR(ISA_DEST, 1),
    A0 = ISA_DSR(ISA_SRC0, 0),
    A1 = ISA_DSR(ISA_SRC0, 1),
    B0 = ISA_DSR(ISA_SRC1, 0),
    B1 = ISA_DSR(ISA_SRC1, 1),
    NO = ISA_NO_REG
};
static inline void vec(world *w, uint32_t p, isa_dsd_op op, unsigned d, unsigned a, unsigned b, uint16_t set) {
    emit(w, p, ISA_DSD_FIRST + op, d, a, b, isa_vec(set, ISA_NO_REG, ISA_NO_REG));
}
static inline void task(world *w, uint32_t p, unsigned id, uint8_t kinds, isa_args args) {
    w->programs[p].tasks[id] = (isa_task){.kinds = kinds, .args = (uint8_t)args, .entry = here(w, p)};
    w->programs[p].blocked_at_start &= ~(1ull << id);
}
/* The task that runs at the start. */
static inline void main_task(world *w, uint32_t p) {
    task(w, p, 9, ISA_TASK_LOCAL, ISA_ARGS_NONE);
    w->programs[p].active_at_start |= 1u << 9;
}

static inline void wafer_for_tests(isa_wafer *f, isa_arch arch) {
    f->arch = arch;
    f->in_queues = f->out_queues = 8;
    for (int k = 0; k < ISA_TIMES; k++) f->scalar_cycles[k] = 1;
    f->scalar_cycles[ISA_TIME_NONE] = f->scalar_cycles[ISA_TIME_LOOP] = 0;
    f->scalar_cycles[ISA_TIME_BRANCH] = 3;
    f->scalar_cycles[ISA_TIME_FDIV] = 50;
    f->branch_taken_cycles = 6;
    f->fpu_dependent_cycles = 1;
    f->dsd_dispatch_cycles = 4;
    f->dsd_start_cycles = 4;
    f->dsd_end_cycles = 0;
    f->task_switch_cycles = 3;
    f->send_cycles = 7;
    f->reduce_cycles_per_element = 2;
    for (int k = 0; k < ISA_DSD_OPS; k++) {
        f->dsd_rate[k].elements = arch == ISA_WSE3 ? isa_dsd_ops[k].simd_wse3 : isa_dsd_ops[k].simd_wse2;
        f->dsd_rate[k].cycles = 1;
    }
    f->dsd_rate[ISA_D_FMACH].elements = 4;
    f->dsd_rate[ISA_D_FMACS].cycles = 2;
}

static inline void program_for_tests(world *w, uint32_t p) {
    isa_program *q = &w->programs[p];
    *q = (isa_program){.name = "pe.csl",
                       .code = w->code[p],
                       .data = w->data[p],
                       .data_words = 4096,
                       .used_words = 4096,
                       .stack_top_word = 20000,
                       .args_word = 4000,
                       .descriptors = w->dsds[p],
                       .shapes = w->shapes[p],
                       .settings = w->settings[p],
                       .fifos = w->fifos[p],
                       .lines = w->lines[p],
                       .strings = w->strings,
                       .string_count = 2};
    w->lines[p][0] = (isa_line){0, 0, 14};
    q->line_count = 1;
    for (uint8_t k = 0; k <= ISA_FIFO; k++) shape(w, p, (isa_shape){.kind = k, .dims = 1});
    settings(w, p, SETTINGS(s.async = false));
    q->blocked_at_start = w->image.arch == ISA_WSE3 ? 0xff : 0xffffff;
    for (uint32_t k = 0; k < ISA_COLORS; k++)
        q->teardown_entry[k] = UINT32_MAX, q->queues.color_queue[k] = k < 8 ? (int8_t)k : -1;
    for (uint32_t k = 0; k < ISA_QUEUES; k++) {
        q->flush_entry[k] = UINT32_MAX;
        q->queues.in_color[k] = q->queues.out_color[k] = (int8_t)k;
    }
}

static inline world *world_new(isa_arch arch, uint32_t programs) {
    world *w = mem_alloc(sizeof *w);
    assert_non_null(w);
    w->image = (isa_image){.arch = arch,
                           .width = PES,
                           .height = 1,
                           .programs = w->programs,
                           .program_count = programs,
                           .tiles = w->tiles,
                           .sources = w->sources,
                           .source_count = 1,
                           .offset_x = 4,
                           .offset_y = 1};
    w->sources[0] = "pe.csl";
    w->strings[0] = "hello ";
    w->strings[1] = "world\n";
    wafer_for_tests(&w->wafer, arch);
    for (uint32_t p = 0; p < programs; p++) program_for_tests(w, p);
    for (uint32_t k = 0; k < PES; k++) w->tiles[k].program = k < programs ? k : programs - 1;
    for (int k = 0; k < PES; k++)
        for (uint32_t q = 0; q < ISA_QUEUES; q++) {
            w->fabric.link[k][q].to_pe = -1;
            w->fabric.config[k][ISA_CFG_IN_QUEUE - ISA_CFG_FIRST + q] = q << 4;
            w->fabric.config[k][ISA_CFG_OUT_QUEUE - ISA_CFG_FIRST + q] = q << 4;
        }
    w->m = (wse){.wafer = &w->wafer,
                 .image = &w->image,
                 .width = PES,
                 .height = 1,
                 .pes = PES,
                 .fabric = &w->fabric,
                 .clock = &w->clock};
    w->m.memory = mem_alloc_n(PES, WSE_STRIDE_WORDS * sizeof(uint16_t));
    assert_non_null(w->m.memory);
    return w;
}

static inline void world_start(world *w) {
    diag *d = diag_new();
    for (uint32_t pe = 0; pe < PES; pe++)
        memcpy(wse_words(&w->m, pe), w->data[w->tiles[pe].program], sizeof w->data[0]);
    if (!cores_new(&w->m, d)) fail_msg("%s", diag_text(d));
    diag_free(d);
}

static inline void world_free(world *w) {
    cores_free(&w->m);
    mem_free(w->m.memory);
    mem_free(w);
}

/* ---- running ---- */

static inline void arrive_at(world *w, uint32_t pe, uint32_t port, uint32_t data, bool control, uint64_t cycle) {
    wavelets *r = &w->fabric.in[pe][port];
    assert_true(r->count < DEPTH);
    r->e[(r->head + r->count++) % DEPTH] = (wse_wavelet){.data = data, .control = control, .ready = (uint32_t)cycle};
    clock_wake(&w->m, pe, cycle);
}

static inline void drain(world *w, uint32_t pe, uint32_t q, uint64_t now) {
    wavelets *r = &w->fabric.out[pe][q], *s = &w->fabric.sent[pe][q];
    link_to *l = &w->fabric.link[pe][q];
    wse_wavelet x = r->e[r->head % DEPTH];
    if (!r->count || !readable(&x, now) || l->stopped > now) return;
    r->head++, r->count--;
    clock_wake(&w->m, pe, now);
    if (l->to_pe >= 0) arrive_at(w, (uint32_t)l->to_pe, l->to_port, x.data, x.control, now + l->latency);
    assert_true(s->count < DEPTH);
    s->e[s->count++] = x;
}

static inline bool take_wake(world *w, uint32_t pe, uint64_t now) {
    struct clockwork *k = &w->clock;
    bool found = false;
    for (uint32_t i = 0; i < k->n[pe];) {
        found |= k->wake[pe][i] <= now;
        if (k->wake[pe][i] <= now) k->wake[pe][i] = k->wake[pe][--k->n[pe]];
        else i++;
    }
    return found;
}

/* Runs to the end of cycle `until`, or to a fault. */
static inline void world_run(world *w, uint64_t until) {
    while (w->m.cycle < until && !w->m.fault[0]) {
        uint64_t now = ++w->m.cycle;
        for (uint32_t pe = 0; pe < PES; pe++)
            for (uint32_t q = 0; q < ISA_QUEUES; q++) drain(w, pe, q, now);
        for (uint32_t pe = 0; pe < PES; pe++)
            if (take_wake(w, pe, now)) core_step(&w->m, pe, now);
        core_flush_logs(&w->m);
    }
}

static inline core *core_at(world *w, uint32_t pe) { return &w->m.cores->pe[pe]; }
static inline uint32_t reg(world *w, uint32_t pe, int r) { return core_at(w, pe)->r[r]; }
static inline uint16_t *words(world *w, uint32_t pe) { return wse_words(&w->m, pe); }
static inline void put32(uint16_t *p, uint32_t v) { p[0] = (uint16_t)v, p[1] = (uint16_t)(v >> 16); }
static inline uint32_t get32(const uint16_t *p) { return p[0] | (uint32_t)p[1] << 16; }
static inline void no_fault(world *w) {
    if (w->m.fault[0]) fail_msg("%s", w->m.fault);
}
static inline void explains(world *w, uint32_t pe, const char *part) {
    strbuf s = {0};
    core_explain(&w->m, pe, &s);
    if (!s.data || !strstr(s.data, part)) fail_msg("expected '%s' in '%s'", part, s.data ? s.data : "");
    strbuf_free(&s);
}
static inline void has_fault(world *w, const char *part) {
    if (!strstr(w->m.fault, part)) fail_msg("expected '%s' in '%s'", part, w->m.fault);
}

#endif
