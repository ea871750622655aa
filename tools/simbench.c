/* ingot-simbench: how fast whole programs run on the simulated wafer on this host.
 *
 *     ingot-simbench [-a ARCH] [-t THREADS] [-s WIDTHxHEIGHT] [-r ROUNDS] [PROGRAM...]
 *
 * Each row of `benches` is a layout in tests/csl_bench with its parameters; cores, fabric and clock are the real ones.
 * Reported: simulated cycles, wavelet-hops and busy PE-cycles per second of host time, and the host memory of a PE.
 * ingot-wsebench measures the fabric alone. Figures of a shared machine move by tens of percent between runs. */
#include "base/mem.h"
#include "csl/csl.h"
#include "wse/wse.h"
#include "tools/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARAMS = 4 };

typedef struct {
    const char *name, *file, *what;
    uint16_t width, height, rounds, length; /* 0: the layout has no such parameter */
    bool launch;                            /* nothing runs by itself: call its first function on every PE */
} bench;

static const bench benches[] = {
    {"scalar", "scalar", "all PEs busy with scalar code", 64, 64, 4000, 0, false},
    {"vector16", "vector", "f16 and f32 vectors of 16 elements in memory", 64, 64, 400, 16, false},
    {"vector64", "vector", "the same of 64 elements", 64, 64, 200, 64, false},
    {"stream", "stream", "every PE sends east and adds what comes from the west", 64, 64, 16, 256, false},
    {"chain", "chain", "chain reduce of 4096 words (vendor simulator, 512 x 1: 7218 cycles)", 512, 1, 0, 4096, false},
    {"chains", "chain", "64 rows of it", 512, 64, 0, 512, false},
    {"multicast", "multicast", "a row that sends on down all columns", 64, 64, 16, 256, false},
    {"idle", "idle", "a whole wafer; one launch on every PE", 755, 1170, 0, 0, true},
};
enum { BENCHES = sizeof benches / sizeof *benches };

typedef struct {
    unsigned arch, threads, width, height, rounds;
    bool hash;
} settings;

static isa_image *compile(const bench *b, const isa_wafer *w, diag *d) {
    const csl_param all[PARAMS] = {
        {"width", b->width}, {"height", b->height}, {"rounds", b->rounds}, {"length", b->length}};
    csl_param given[PARAMS];
    uint32_t n = 0;
    char path[64];
    for (int i = 0; i < PARAMS; i++)
        if (all[i].value) given[n++] = all[i];
    snprintf(path, sizeof path, "tests/csl_bench/%s.csl", b->file);
    csl_options o = {.arch = w->arch, .wafer = w, .library = "lib", .params = given, .param_count = n};
    return csl_compile(path, &o, d);
}

static uint32_t first_function(const isa_image *image) {
    const isa_program *p = &image->programs[image->tiles[0].program];
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_FUNCTION && p->symbols[i].exported) return p->symbols[i].entry;
    return UINT32_MAX;
}

/* What runs, in one line. `load` is what compiling and building took; memory is beside the PEs' own. */
static void report(const wse *m, const bench *b, unsigned threads, double compile_s, double load_s, double s,
                   size_t resident) {
    wse_counters n;
    wse_counters_total(m, &n);
    uint32_t pes = (uint32_t)b->width * b->height;
    printf("%-10s %4u x %-4u %u thr %9llu cycles %7.2f s %8.1f M hops/s %8.1f M busy/s %6.0f B/PE %6.0f resident  "
           "compile %.2f s load %.2f s\n",
           b->name, b->width, b->height, threads, (unsigned long long)wse_cycle(m), s, (double)n.hops / s * 1e-6,
           (double)n.busy_cycles / s * 1e-6, (double)wse_bytes(m) / pes, (double)resident / pes, compile_s, load_s);
}

static bool launch_all(wse *m, const isa_image *image, diag *d) {
    uint32_t entry = first_function(image);
    if (entry == UINT32_MAX) return diag_error(d, "the program exports no function to launch");
    for (uint32_t pe = 0; pe < image->width * image->height; pe++) wse_launch(m, pe, entry, NULL, 0, 1);
    return true;
}

static bool run(const bench *b, const isa_wafer *w, const isa_image *image, double compile_s, const settings *o,
                diag *d) {
    size_t before = resident_bytes();
    double start = seconds();
    wse *m = wse_new(w, image, &(wse_options){.threads = o->threads}, d);
    if (!m) return false;
    double loaded = seconds();
    bool ok = !b->launch || launch_all(m, image, d);
    wse_stop why = ok ? wse_run(m, WSE_FOREVER, false) : WSE_QUIET;
    double end = seconds();
    if (why == WSE_FAULT) ok = diag_error(d, "%s", wse_fault_text(m));
    if (ok) report(m, b, o->threads, compile_s, loaded - start, end - loaded, resident_bytes() - before);
    if (ok && o->hash) {
        start = seconds();
        uint64_t hash = wse_state_hash(m);
        printf("%-10s state %016llx in %.2f s\n", b->name, (unsigned long long)hash, seconds() - start);
    }
    wse_free(m);
    return ok;
}

static bool one(bench b, const isa_wafer *w, const settings *o, diag *d) {
    if (o->width) b.width = (uint16_t)o->width;
    if (o->height) b.height = (uint16_t)o->height;
    if (o->rounds && b.rounds) b.rounds = (uint16_t)o->rounds;
    double start = seconds();
    isa_image *image = compile(&b, w, d);
    bool ok = image && run(&b, w, image, seconds() - start, o, d);
    isa_image_free(image);
    return ok;
}

static int usage(void) {
    fputs("usage: ingot-simbench [-a 2|3] [-t THREADS] [-s WIDTHxHEIGHT] [-r ROUNDS] [-H] [PROGRAM...]\n"
          "  -H also prints the state hash at the end. Run it where lib/ and tests/ are.\n",
          stderr);
    for (int i = 0; i < BENCHES; i++) fprintf(stderr, "  %-10s %s\n", benches[i].name, benches[i].what);
    return 2;
}

static bool arguments(int argc, char **argv, settings *o) {
    for (int c; (c = getopt(argc, argv, "a:t:s:r:H")) != -1;) {
        if (c == 'H') o->hash = true;
        else if (c == 'a') o->arch = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 't') o->threads = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'r') o->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c != 's' || sscanf(optarg, "%ux%u", &o->width, &o->height) != 2) return false;
    }
    return (o->arch == 2 || o->arch == 3) && o->threads >= 1 && o->threads <= 256 && o->width <= 2000 &&
           o->height <= 2000 && o->rounds <= UINT16_MAX;
}

static bool wanted(const char *name, int argc, char **argv) {
    for (int i = optind; i < argc; i++)
        if (!strcmp(argv[i], name)) return true;
    return optind == argc;
}

int main(int argc, char **argv) {
    settings o = {.arch = 3, .threads = 1};
    if (!arguments(argc, argv, &o)) return usage();
    diag *d = diag_new();
    isa_wafer w;
    bool ok =
        d && isa_wafer_read(&w, o.arch == 2 ? "data/machines/wse2.json" : "data/machines/wse3.json", "vendor-sim", d);
    int ran = 0;
    for (int i = 0; i < BENCHES && ok; i++) {
        if (!wanted(benches[i].name, argc, argv)) continue;
        ran++;
        ok = one(benches[i], &w, &o, d);
        fflush(stdout);
    }
    if (d && !ok) diag_print(d, stderr);
    diag_free(d);
    return !ok ? 1 : ran ? 0 : usage();
}
