/* Does a debugger change nothing, is it asked exactly once before every instruction, in the cycle in which it issues,
 * and do hostile types of variables do no harm? Programs with microthreads, calls and streams, both generations. */
#include "base/mem.h"
#include "base/rng.h"
#include "debug/internal.h"
#include "wse/debug.h"
#include "tests/program_help.h"

enum { STOPS = 5, CYCLES = 3000, HOSTILE_ROUNDS = 3000 };
static const uint64_t stops[STOPS] = {3, 40, 173, 600, CYCLES};

static const program programs[] = {
    {"tests/csl_bench/stream.csl", {{"width", 5}, {"height", 3}, {"rounds", 3}, {"length", 20}}, 4},
    {"tests/csl_bench/chain.csl", {{"width", 6}, {"height", 4}, {"length", 40}}, 3},
    {"tests/csl_bench/scalar.csl", {{"width", 2}, {"height", 2}, {"rounds", 20}}, 3},
    {"tests/csl_bench/vector.csl", {{"width", 2}, {"height", 3}, {"rounds", 4}, {"length", 20}}, 4},
    {"tests/csl/fabric_pair.csl", {{0}}, 0},
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

/* As the host would: the exported function of each PE that has one. */
static void launch(wse *m, const isa_image *image) {
    for (uint32_t pe = 0; pe < image->width * image->height; pe++) {
        const isa_program *p = &image->programs[image->tiles[pe].program];
        for (uint32_t i = 0; i < p->symbol_count; i++)
            if (p->symbols[i].kind == ISA_SYM_FUNCTION && p->symbols[i].exported) {
                wse_launch(m, pe, p->symbols[i].entry, NULL, 0, 1 + pe);
                break;
            }
    }
}

typedef struct {
    wse *m;
    uint64_t asked, late, cycles;
} onlooker;

static void at_run(void *context) { (void)context; }
static void at_cycle(void *context) { ((onlooker *)context)->cycles++; }
static void at_instruction(void *context, uint32_t pe) {
    onlooker *o = context;
    wse_core_view v;
    wse_debug_core(o->m, pe, &v);
    o->asked++;
    o->late += v.time != wse_cycle(o->m) || v.state != WSE_CORE_RUNS;
}

static wse *start(loaded *l, onlooker *o) {
    wse *m = wse_new(&l->wafer, l->image, NULL, l->d);
    assert_non_null(m);
    if (!o) return m;
    *o = (onlooker){.m = m};
    wse_debugger who = {
        .context = o, .run = at_run, .instruction = at_instruction, .cycle = at_cycle, .cycle_done = at_cycle};
    assert_true(wse_debug_attach(m, &who, l->d));
    for (uint32_t i = 0; i < l->image->program_count; i++)
        for (uint32_t pc = 0; pc < l->image->programs[i].code_count; pc++) wse_debug_mark(m, i, pc, true);
    return m;
}

static void changes_nothing(const program *p, int arch) {
    loaded l = load(p, arch);
    onlooker o;
    wse_counters n;
    wse *plain = start(&l, NULL), *watched = start(&l, &o);
    launch(plain, l.image);
    launch(watched, l.image);
    for (int k = 0; k < STOPS; k++) {
        wse_stop a = wse_run(plain, stops[k], false), b = wse_run(watched, stops[k], false);
        assert_int_equal(a, b);
        assert_int_not_equal(a, WSE_FAULT);
        assert_int_equal(wse_cycle(plain), wse_cycle(watched));
    }
    assert_int_equal(wse_state_hash(plain), wse_state_hash(watched));
    wse_counters_total(watched, &n);
    assert_true(n.instructions > 10);
    assert_int_equal(o.asked, n.instructions + n.vector_ops);
    assert_int_equal(o.late, 0);
    wse_free(plain);
    wse_free(watched);
    unload(&l);
}

static void a_debugger_changes_nothing(void **unused) {
    (void)unused;
    for (int i = 0; i < PROGRAMS; i++)
        for (int arch = 2; arch <= 3; arch++) changes_nothing(&programs[i], arch);
}

static void a_cycle_is_asked_for_once(void **unused) {
    (void)unused;
    loaded l = load(&programs[2], 3);
    onlooker o;
    wse *m = start(&l, &o);
    launch(m, l.image);
    wse_debug_at(m, 20);
    wse_run(m, 10, false);
    assert_int_equal(o.cycles, 0);
    wse_run(m, CYCLES, false);
    assert_int_equal(o.cycles, 1);
    wse_debug_end(m, "enough");
    assert_int_equal(wse_run(m, 2 * CYCLES, false), WSE_FAULT);
    assert_non_null(strstr(wse_fault_text(m), "enough"));
    wse_free(m);
    unload(&l);
}

/* Types from a file: any text of the letters that types are made of. */
static void hostile_types(void **unused) {
    (void)unused;
    static const char letters[] = "[],  {}123456789@:abxfiuprtds?.bool2 3";
    loaded l = load(&programs[2], 3);
    wse *m = start(&l, NULL);
    FILE *nowhere = tmpfile();
    debug_options o = {.in = -1, .out = nowhere};
    debug *g = debug_new(&o, m, l.image, l.d);
    assert_non_null(g);
    isa_program *p = &l.image->programs[l.image->tiles[0].program];
    isa_symbol *s = NULL;
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_DATA) s = &p->symbols[i];
    assert_non_null(s);
    rng random = rng_seed(11);
    char text[40], line[80];
    s->type = text;
    for (int k = 0; k < HOSTILE_ROUNDS; k++) {
        uint32_t n = 1 + (uint32_t)rng_below(&random, sizeof text - 1);
        for (uint32_t i = 0; i < n; i++) text[i] = letters[rng_below(&random, sizeof letters - 1)];
        text[n - 1] = 0;
        if (rng_below(&random, 2)) text[0] = rng_below(&random, 2) ? '[' : '{';
        s->word = (uint16_t)rng_below(&random, ISA_SRAM_WORDS);
        const char *parts[] = {"", "[1]", ".a", "[1, 2]", ".a[0].b"};
        snprintf(line, sizeof line, "print %s%s", s->name, parts[rng_below(&random, 5)]);
        diag_clear(g->d);
        debug_command(g, line);
        rewind(nowhere);
    }
    debug_free(g);
    fclose(nowhere);
    wse_free(m);
    unload(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_debugger_changes_nothing),
        cmocka_unit_test(a_cycle_is_asked_for_once),
        cmocka_unit_test(hostile_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
