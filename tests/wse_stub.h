/* A core that plays a script, for tests and the bench of the fabric alone: it sends the wavelets it was given, as fast
 * as its output queues take them, and notes or discards what arrives. It keeps to the contract of wse/machine.h and no
 * more. */
#ifndef INGOT_TESTS_WSE_STUB_H
#define INGOT_TESTS_WSE_STUB_H

#include "base/mem.h"
#include "isa/config.h"
#include "wse/machine.h"

enum { STUB_SENDS = 256, STUB_GOT = 512, STUB_POKES = 16 };

typedef struct {
    uint64_t cycle; /* not before */
    uint32_t data;
    uint8_t queue, color;
    bool control, advance; /* advance the local switch behind it */
} stub_send;

typedef struct {
    uint64_t cycle;
    uint32_t data;
    uint8_t port, color, control, from;
} stub_got;

typedef struct {
    uint64_t cycle;
    uint16_t address, value;
} stub_poke;

typedef struct {
    stub_send sends[STUB_SENDS];
    stub_got got[STUB_GOT];
    stub_poke pokes[STUB_POKES];
    uint32_t send_count, sent, got_count, poke_count, poked, raised, steps;
    uint64_t read_from; /* first cycle in which it reads; UINT64_MAX = never */
    uint64_t sum;
    uint32_t endless;   /* sends so many wavelets of its last send again */
    uint32_t per_cycle; /* wavelets it sends per cycle at most; 0 = 1 */
} stub_core;

struct cores {
    stub_core *pe;
};

static inline stub_core *stub(wse *m, uint32_t pe) { return &m->cores->pe[pe]; }

bool cores_new(wse *m, diag *d) {
    m->cores = mem_alloc(sizeof *m->cores);
    if (!m->cores || !(m->cores->pe = mem_alloc_n(m->pes, sizeof(stub_core)))) return diag_oom(d, "stub");
    for (uint32_t pe = 0; pe < m->pes; pe++) clock_wake(m, pe, 0);
    return true;
}

void cores_free(wse *m) {
    mem_free(m->cores->pe);
    mem_free(m->cores);
}

static void stub_sends(wse *m, uint32_t pe, uint64_t now) {
    stub_core *c = stub(m, pe);
    for (uint32_t n = 0; c->sent < c->send_count; n++) {
        stub_send s = c->sends[c->sent];
        if (s.cycle > now) {
            clock_wake(m, pe, s.cycle);
            return;
        }
        if (n > c->per_cycle || (n && n == c->per_cycle)) {
            clock_wake(m, pe, now + 1);
            return;
        }
        if (!fabric_out_room(m, pe, s.queue)) return;
        fabric_out_push(m, pe, s.queue, s.color, s.data, s.control, now);
        if (s.advance) fabric_advance_switch(m, pe, s.color);
        if (c->sent + 1 == c->send_count && c->endless) c->endless--;
        else c->sent++;
    }
}

static void stub_reads(wse *m, uint32_t pe, uint64_t now) {
    stub_core *c = stub(m, pe);
    if (c->read_from > now) {
        if (c->read_from != UINT64_MAX) clock_wake(m, pe, c->read_from);
        return;
    }
    for (uint32_t port = 0; port < ISA_COLORS; port++) {
        const wse_wavelet *w = fabric_in_head(m, pe, port, now);
        if (!w) continue;
        if (c->got_count < STUB_GOT)
            c->got[c->got_count] = (stub_got){now, w->data, (uint8_t)port, w->color, w->control, w->from};
        c->got_count++;
        c->sum = c->sum * 31 + w->data;
        fabric_in_pop(m, pe, port, now);
        clock_wake(m, pe, now + 1);
    }
}

void core_step(wse *m, uint32_t pe, uint64_t now) {
    stub_core *c = stub(m, pe);
    c->steps++;
    while (c->poked < c->poke_count && c->pokes[c->poked].cycle <= now) {
        fabric_config_write(m, pe, c->pokes[c->poked].address, c->pokes[c->poked].value, now);
        c->poked++;
    }
    if (c->poked < c->poke_count) clock_wake(m, pe, c->pokes[c->poked].cycle);
    stub_sends(m, pe, now);
    stub_reads(m, pe, now);
}

bool core_idle(const wse *m, uint32_t pe) { return m->cores->pe[pe].sent == m->cores->pe[pe].send_count; }
void core_raise(wse *m, uint32_t pe, uint64_t now) {
    stub(m, pe)->raised++;
    clock_wake(m, pe, now);
}
uint64_t core_hash(const wse *m, uint32_t pe, uint64_t seed) {
    const stub_core *c = &m->cores->pe[pe];
    return seed * 0x9E3779B97F4A7C15u + c->sum + c->got_count * 7u + c->sent;
}
void core_count(const wse *m, uint32_t pe, wse_counters *out) { out->busy_cycles += m->cores->pe[pe].steps; }
void core_explain(const wse *m, uint32_t pe, strbuf *out) {
    const stub_core *c = &m->cores->pe[pe];
    strbuf_addf(out, "PE(%u,%u) core: %u of %u sent\n", pe % m->width, pe / m->width, c->sent, c->send_count);
}
int core_waits_color(const wse *m, uint32_t pe) {
    (void)m, (void)pe;
    return -1;
}
bool core_command_ready(const wse *m, uint32_t pe) { return core_idle(m, pe); }
void core_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t arg_words, uint32_t delay_cycles) {
    (void)entry, (void)args, (void)arg_words;
    clock_wake(m, pe, m->cycle + delay_cycles);
}
void core_flush_log(wse *m, uint32_t pe) { (void)m, (void)pe; }
void core_flush_logs(wse *m) { (void)m; }
bool core_any_prints(const wse *m) { return m == NULL; }
size_t core_bytes(const wse *m) { return m->pes * sizeof(stub_core); }

/* ---- images by hand ---- */

enum { STUB_SETS = 32, STUB_ROUTES = ISA_COLORS, STUB_PES = 4096 };

typedef struct {
    isa_image image;
    isa_wafer wafer;
    isa_program program;
    isa_route routes[STUB_SETS][STUB_ROUTES];
    isa_route_set sets[STUB_SETS];
    isa_tile *tiles;
    uint32_t width;
} stub_image;

static inline bool stub_image_new(stub_image *s, isa_arch arch, uint32_t width, uint32_t height) {
    memset(s, 0, sizeof *s);
    s->tiles = mem_alloc_n((size_t)width * height, sizeof *s->tiles);
    s->width = width;
    for (int i = 0; i < STUB_SETS; i++) s->sets[i].routes = s->routes[i];
    s->program.name = "stub";
    s->program.used_words = 16;
    for (int q = 0; q < ISA_QUEUES; q++) s->program.queues.in_color[q] = s->program.queues.out_color[q] = (int8_t)q;
    for (int c = 0; c < ISA_COLORS; c++) s->program.queues.color_queue[c] = c < ISA_QUEUES ? (int8_t)c : -1;
    s->image = (isa_image){.arch = arch,
                           .width = width,
                           .height = height,
                           .programs = &s->program,
                           .program_count = 1,
                           .route_sets = s->sets,
                           .route_set_count = STUB_SETS,
                           .tiles = s->tiles};
    isa_wafer *w = &s->wafer;
    w->arch = arch;
    w->fabric_width = w->fabric_height = 4096;
    w->hop_cycles = arch == ISA_WSE3 ? 2 : 1;
    w->ramp_cycles = 2;
    w->link_interval_num = w->link_interval_den = 1;
    w->router_buffer_wavelets = 2;
    w->in_queues = 8;
    w->out_queues = arch == ISA_WSE3 ? 8 : 6;
    static const uint32_t in2[8] = {6, 6, 4, 4, 2, 2, 2, 2}, out2[8] = {2, 2, 6, 6, 2, 2, 0, 0};
    for (int q = 0; q < ISA_QUEUES; q++) {
        w->in_queue_wavelets[q] = arch == ISA_WSE3 ? (q < 2 ? 8 : 4) : in2[q];
        w->out_queue_wavelets[q] = arch == ISA_WSE3 ? 8 : out2[q];
    }
    w->io_wavelets_per_cycle_row = 1000;
    return s->tiles != NULL;
}

/* Adds a route to a set; rx and tx are sets of directions. */
static inline isa_route *stub_route(stub_image *s, uint32_t set, uint32_t color, uint32_t rx, uint32_t tx) {
    isa_route *r = &s->routes[set][s->sets[set].count++];
    *r = (isa_route){.color = (uint8_t)color};
    r->rx[0] = (uint8_t)rx;
    r->tx[0] = (uint8_t)tx;
    return r;
}
static inline void stub_tile(stub_image *s, uint32_t x, uint32_t y, uint32_t set) {
    s->tiles[y * s->width + x].route_set = set;
}

#endif
