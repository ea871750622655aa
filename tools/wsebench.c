/* ingot-wsebench: how fast the fabric of the simulated wafer runs on this host, without cores.
 *
 *     ingot-wsebench [PATTERN [WIDTH HEIGHT [CYCLES [THREADS]]]]
 *
 * It brings cores of its own that only send and receive (the linker then leaves the real ones out), so the figures are
 * those of routers, queues and clock. Without a pattern: all of them, small. Host time is what it measures; nothing
 * else here does. */
#include "base/mem.h"
#include "wse/machine.h"
#include "tools/bench.h"
#include <stdio.h>
#include <stdlib.h>

enum { R = ISA_BIT(ISA_RAMP), COLORS = 6, SETS = 9 };

/* Row and column patterns: color c enters at one edge, goes straight on and ends at the other. `taps`: every PE
 * receives. */
typedef struct {
    const char *name, *what;
    uint8_t colors, taps, dirs[COLORS]; /* isa_dir in which each color travels */
} pattern;

static const pattern patterns[] = {
    {"mesh", "four colors, one in each direction, all links busy", 4, 0, {ISA_EAST, ISA_WEST, ISA_SOUTH, ISA_NORTH}},
    {"rows", "four colors share the links of a row", 4, 0, {ISA_EAST, ISA_EAST, ISA_EAST, ISA_EAST}},
    {"multicast", "one color in a row, one in a column, every PE receives both in turns", 2, 1, {ISA_EAST, ISA_SOUTH}},
    {"blocked",
     "as mesh, but nobody reads: what stands still must cost nothing",
     4,
     0,
     {ISA_EAST, ISA_WEST, ISA_SOUTH, ISA_NORTH}},
    {"idle", "nothing is sent: memory per PE", 4, 0, {ISA_EAST, ISA_WEST, ISA_SOUTH, ISA_NORTH}},
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

/* ---- cores that only send and receive ---- */

typedef struct {
    uint8_t sends, reads; /* sets of colors; a color uses the queue of its number */
} puppet;

struct cores {
    puppet *pe;
};

bool cores_new(wse *m, diag *d) {
    m->cores = mem_alloc(sizeof *m->cores);
    return (m->cores && (m->cores->pe = mem_alloc_n(m->pes, sizeof(puppet)))) || diag_oom(d, "cores");
}
void cores_free(wse *m) {
    mem_free(m->cores->pe);
    mem_free(m->cores);
}
void core_step(wse *m, uint32_t pe, uint64_t now) {
    const puppet *c = &m->cores->pe[pe];
    bool more = false;
    for (uint32_t set = c->sends; set; set &= set - 1) {
        uint32_t color = (uint32_t)__builtin_ctz(set);
        if (!fabric_out_room(m, pe, color)) continue;
        fabric_out_push(m, pe, color, color, (uint32_t)now, false, now);
        more = true;
    }
    for (uint32_t set = c->reads; set; set &= set - 1) {
        uint32_t color = (uint32_t)__builtin_ctz(set);
        if (!fabric_in_head(m, pe, color, now)) continue;
        fabric_in_pop(m, pe, color, now);
        more = true;
    }
    if (more) clock_wake(m, pe, now + 1);
}
bool core_idle(const wse *m, uint32_t pe) { return !m->cores->pe[pe].sends; }
void core_raise(wse *m, uint32_t pe, uint64_t now) { clock_wake(m, pe, now); }
uint64_t core_hash(const wse *m, uint32_t pe, uint64_t seed) { return m->cores->pe[pe].sends + seed; }
void core_count(const wse *m, uint32_t pe, wse_counters *out) { out->busy_cycles += m->cores->pe[pe].sends != 0; }
void core_explain(const wse *m, uint32_t pe, strbuf *out) { strbuf_addf(out, "PE %u of %u\n", pe, m->pes); }
int core_waits_color(const wse *m, uint32_t pe) {
    (void)m, (void)pe;
    return -1;
}
bool core_command_ready(const wse *m, uint32_t pe) { return core_idle(m, pe); }
void core_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t n, uint32_t delay_cycles) {
    clock_wake(m, pe, m->cycle + delay_cycles + (entry + n > 0 && args ? 0 : 1));
}
void core_flush_log(wse *m, uint32_t pe) { clock_wake(m, pe, m->cycle); }
void core_flush_logs(wse *m) { m->cores->pe[0].reads |= 0; }
bool core_any_prints(const wse *m) { (void)m; return false; }
size_t core_bytes(const wse *m) { return m->pes * sizeof(puppet); }

/* ---- the image ---- */

typedef struct {
    isa_image image;
    isa_program program;
    isa_route routes[SETS][COLORS];
    isa_route_set sets[SETS];
} bench_image;

/* Where a PE stands along a direction: 0 first, 1 between, 2 last. */
static uint32_t place(uint32_t at, uint32_t n, bool forward) {
    return at == 0 ? (forward ? 0 : 2) : at + 1 == n ? (forward ? 2 : 0) : 1;
}

static void image_sets(bench_image *b, const pattern *p) {
    for (uint32_t set = 0; set < SETS; set++) {
        b->sets[set] = (isa_route_set){b->routes[set], p->colors};
        for (uint32_t c = 0; c < p->colors; c++) {
            uint32_t dir = p->dirs[c], row = dir <= ISA_EAST, forward = dir == ISA_EAST || dir == ISA_SOUTH;
            uint32_t at = row ? set % 3 : set / 3, where = forward ? at : 2 - at;
            isa_route *r = &b->routes[set][c];
            r->color = (uint8_t)c;
            r->rx[0] = (uint8_t)(where == 0 ? R : ISA_BIT(dir ^ 1));
            r->tx[0] = (uint8_t)(where == 2 ? R : ISA_BIT(dir) | (where == 1 && p->taps ? R : 0));
        }
    }
}

static bool image_new(bench_image *b, const pattern *p, const isa_wafer *w, uint32_t width, uint32_t height) {
    memset(b, 0, sizeof *b);
    for (int i = 0; i < ISA_QUEUES; i++)
        b->program.queues.in_color[i] = b->program.queues.out_color[i] = (int8_t)(i < p->colors ? i : -1);
    for (int c = 0; c < ISA_COLORS; c++) b->program.queues.color_queue[c] = (int8_t)(c < p->colors ? c : -1);
    b->program.name = "bench";
    image_sets(b, p);
    b->image = (isa_image){.arch = w->arch,
                           .width = width,
                           .height = height,
                           .programs = &b->program,
                           .program_count = 1,
                           .route_sets = b->sets,
                           .route_set_count = SETS};
    b->image.tiles = mem_alloc_n((size_t)width * height, sizeof(isa_tile));
    for (uint32_t i = 0; b->image.tiles && i < width * height; i++)
        b->image.tiles[i].route_set = place(i % width, width, true) + 3 * place(i / width, height, true);
    return b->image.tiles;
}

static void give_parts(wse *m, const bench_image *b, const pattern *p) {
    bool idle = !strcmp(p->name, "idle"), reads = strcmp(p->name, "blocked") != 0;
    for (uint32_t pe = 0; pe < m->pes && !idle; pe++) {
        puppet *c = &m->cores->pe[pe];
        const isa_route *r = b->routes[m->image->tiles[pe].route_set];
        for (uint32_t k = 0; k < p->colors; k++) {
            if (r[k].rx[0] & R) c->sends |= (uint8_t)(1u << k);
            if ((r[k].tx[0] & R) && reads) c->reads |= (uint8_t)(1u << k);
        }
        if (c->sends | c->reads) clock_wake(m, pe, 0);
    }
}

/* ---- measuring ---- */

static void report(const wse *m, const pattern *p, uint64_t cycles, double s, uint32_t threads, size_t resident) {
    wse_counters n;
    wse_counters_total(m, &n);
    printf("%-10s %4u x %-4u %u thread%s  %8llu cycles  %6.2f s  %7.1f M hops/s  %7.1f M ramp/s  %5.0f B per PE, %5.0f "
           "touched\n",
           p->name, m->width, m->height, threads, threads == 1 ? " " : "s", (unsigned long long)cycles, s,
           (double)n.hops / s * 1e-6, (double)n.ramp_wavelets / s * 1e-6, (double)wse_bytes(m) / m->pes,
           (double)resident / m->pes);
}

static bool bench(const pattern *p, const isa_wafer *w, uint32_t width, uint32_t height, uint64_t cycles,
                  uint32_t threads, diag *d) {
    bench_image b;
    if (!image_new(&b, p, w, width, height)) return diag_oom(d, "bench");
    size_t before = resident_bytes();
    wse *m = wse_new(w, &b.image, &(wse_options){.threads = threads}, d);
    bool ok = m != NULL;
    if (ok) {
        give_parts(m, &b, p);
        double start = seconds();
        wse_stop why = wse_run(m, cycles, false);
        double s = seconds() - start;
        if (why == WSE_FAULT) ok = diag_error(d, "%s", wse_fault_text(m));
        report(m, p, wse_cycle(m), s, threads, resident_bytes() - before);
    }
    wse_free(m);
    mem_free(b.image.tiles);
    return ok;
}

static int usage(void) {
    fputs("usage: ingot-wsebench [PATTERN [WIDTH HEIGHT [CYCLES [THREADS]]]]\n", stderr);
    for (int i = 0; i < PATTERNS; i++) fprintf(stderr, "  %-10s %s\n", patterns[i].name, patterns[i].what);
    return 2;
}

int main(int argc, char **argv) {
    uint64_t n[4] = {64, 64, 4000, 1};
    bool ok = true, any = false;
    if (argc == 3 || argc > 6) return usage();
    for (int i = 2; i < argc; i++) n[i - 2] = strtoull(argv[i], NULL, 10);
    if (n[0] < 2 || n[1] < 2 || n[0] > 4096 || n[1] > 4096 || !n[3] || n[3] > 256) return usage();
    diag *d = diag_new();
    isa_wafer w;
    if (!d || !isa_wafer_read(&w, "data/machines/wse2.json", "vendor-sim", d)) ok = false;
    for (int i = 0; i < PATTERNS && ok; i++) {
        if (argc > 1 && strcmp(argv[1], patterns[i].name)) continue;
        any = true;
        ok = bench(&patterns[i], &w, (uint32_t)n[0], (uint32_t)n[1], n[2], (uint32_t)n[3], d);
    }
    if (d && !ok) diag_print(d, stderr);
    diag_free(d);
    return !ok ? 1 : any ? 0 : usage();
}
