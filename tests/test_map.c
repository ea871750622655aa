/* Plans: does what is planned hold the model and fit the machine, does each policy choose what it says, and do refusals
 * name what is short and what would help? Models are shapes alone. */
#include "map/plan.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
    isa_wafer w;
    llm_model m;
    llm_layer layers[LLM_LAYERS_MAX];
} fixture;

static int setup(void **state) {
    fixture *f = test_calloc(1, sizeof *f);
    f->a = arena_new(0);
    f->d = diag_new();
    *state = f;
    return f->a && f->d && isa_wafer_read(&f->w, "data/machines/wse3.json", "vendor-sim", f->d) ? 0 : -1;
}

static int teardown(void **state) {
    fixture *f = *state;
    arena_free(f->a);
    diag_free(f->d);
    test_free(f);
    return 0;
}

typedef struct {
    const char *arch;
    uint32_t layers, width, heads, kv_heads, head_size, mlp_width, vocab, context;
    bool tied;
} shape;

static const shape smollm = {"llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, true},
                   llama8b = {"llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, false},
                   llama70b = {"llama", 80, 8192, 64, 8, 128, 28672, 128256, 131072, false},
                   gpt2 = {"gpt2", 12, 768, 12, 12, 64, 3072, 50257, 1024, true};

static const llm_tensor one_tensor, other_tensor;

static const llm_model *model(fixture *f, shape s) {
    const llm_arch *arch = llm_arch_find(str_from(s.arch));
    assert_non_null(arch);
    f->m = (llm_model){.name = "test",
                       .config = {.arch = arch,
                                  .layers = s.layers,
                                  .width = s.width,
                                  .heads = s.heads,
                                  .kv_heads = s.kv_heads,
                                  .head_size = s.head_size,
                                  .mlp_width = s.mlp_width,
                                  .vocab = s.vocab,
                                  .context = s.context,
                                  .norm_eps = 1e-5f,
                                  .attn_scale = 1,
                                  .embed_scale = 1,
                                  .rope = arch->rope_gguf,
                                  .rope_dims = s.head_size},
                       .layers = f->layers,
                       .embed = &one_tensor,
                       .output = s.tied ? &one_tensor : &other_tensor,
                       .positions = arch->positions ? &other_tensor : NULL};
    for (uint32_t i = 0; i < s.layers; i++) f->layers[i] = (llm_layer){.qkv_b = arch->all_bias ? &other_tensor : NULL};
    return &f->m;
}

static plan make(fixture *f, shape s, plan_options o) {
    plan p;
    if (!plan_make(&p, f->a, model(f, s), &f->w, &o, f->d)) fail_msg("%s", diag_text(f->d));
    return p;
}

static void refuse(fixture *f, shape s, plan_options o, const char *first, const char *second) {
    plan p;
    diag_clear(f->d);
    assert_false(plan_make(&p, f->a, model(f, s), &f->w, &o, f->d));
    if (!strstr(diag_text(f->d), first) || !strstr(diag_text(f->d), second))
        fail_msg("'%s' and '%s' are not in: %s", first, second, diag_text(f->d));
    diag_clear(f->d);
}

/* ---- what every plan keeps ---- */

/* Tiles hold n elements and are not larger than that takes; `step`: tiles are multiples of it. */
static void at_least(uint64_t tiles, uint64_t tile, uint64_t n, uint64_t step) {
    assert_true(tiles * tile >= n && tile % step == 0);
    assert_true(tiles * (tile - step) < n);
}

static void check_plan(const fixture *f, const plan *p, const shape *s) {
    uint32_t layers = 0, rows_max = f->w.fabric_height - 2, even = p->streamed ? 2 : 1;
    assert_true(p->width <= f->w.fabric_width - 7);
    assert_int_equal(p->rows, p->unit_rows * s->kv_heads);
    at_least(p->width, p->d_tile, s->width, even);
    at_least(p->unit_rows, p->qkv_tile, (s->heads / s->kv_heads + 2) * s->head_size, 2);
    at_least(p->unit_rows, p->o_tile, s->heads / s->kv_heads * s->head_size, even);
    at_least(p->rows, p->mlp_tile, s->mlp_width, even);
    at_least(p->head_rows, p->vocab_tile, p->table_rows, even);
    at_least((uint64_t)p->unit_rows * p->width, p->slots, p->context, 1);
    assert_true(p->layer_memory.total <= p->layer_memory.limit);
    assert_true(p->head_memory.total <= p->head_memory.limit);
    assert_in_range(p->row_group, 1, p->width);
    for (uint32_t i = 0; i < p->wafer_count; i++) {
        const plan_wafer *w = &p->wafers[i];
        assert_int_equal(w->first_layer, layers);
        assert_int_equal(w->head, i + 1 == p->wafer_count);
        assert_int_equal(w->rows, p->streamed ? p->rows : w->layers * p->rows + (w->head ? p->head_rows : 0));
        assert_true(w->rows <= rows_max);
        layers += w->layers;
    }
    assert_int_equal(layers, s->layers);
    assert_true(p->padding.layer >= 0 && p->padding.layer < 1 && p->padding.head >= 0 && p->padding.head < 1);
    assert_true(p->cycles.token > 0 && isfinite(p->cycles.token));
}

static void test_odd_sizes(void **state) {
    fixture *f = *state;
    rng r = rng_seed(3);
    for (int i = 0; i < 60; i++) {
        uint32_t kv = 1 + (uint32_t)(rng_u64(&r) % 5);
        shape s = {i % 2 ? "qwen3" : "gemma3",
                   1 + (uint32_t)(rng_u64(&r) % 9),
                   1 + (uint32_t)(rng_u64(&r) % 700),
                   kv * (1 + (uint32_t)(rng_u64(&r) % 4)),
                   kv,
                   2 + 2 * (uint32_t)(rng_u64(&r) % 50),
                   1 + (uint32_t)(rng_u64(&r) % 3000),
                   1 + (uint32_t)(rng_u64(&r) % 9000),
                   512,
                   i % 3 == 0};
        plan_options o = {.policy = plan_policies[i % 3].name};
        plan p = make(f, s, o);
        check_plan(f, &p, &s);
    }
}

static void test_known_models(void **state) {
    fixture *f = *state;
    const shape all[] = {smollm, llama8b, llama70b, gpt2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        plan p = make(f, all[i], (plan_options){.context = 1024});
        check_plan(f, &p, &all[i]);
    }
    /* 16 GB of f16 weights on 893,064 PEs of 44,976 B: one wafer; 141 GB: at least four. */
    assert_true(make(f, llama70b, (plan_options){.context = 1024}).wafer_count >= 4);
    assert_int_equal(make(f, smollm, (plan_options){0}).wafer_count, 1);
    assert_int_equal(make(f, smollm, (plan_options){0}).context, 4096);
    assert_int_equal(make(f, gpt2, (plan_options){0}).table_rows, 50257 + 1024);
    assert_true(make(f, gpt2, (plan_options){0}).bias);
}

static void test_sizes_that_divide_are_not_padded(void **state) {
    fixture *f = *state;
    shape s = {"llama", 2, 64, 4, 2, 16, 128, 512, 256, true};
    plan p = make(f, s, (plan_options){.columns = 8, .unit_rows = 4, .head_rows = 16});
    assert_true(fabs(p.padding.layer) < 1e-9 && fabs(p.padding.head) < 1e-9);
    p = make(f, s, (plan_options){.columns = 9, .unit_rows = 4, .head_rows = 16}); /* 9 blocks of 8 for 64 */
    assert_true(fabs(p.padding.layer - 1.0 / 9) < 1e-9 && fabs(p.padding.head - 1.0 / 9) < 1e-9);
}

/* ---- policies ---- */

static void test_policies_keep_their_word(void **state) {
    fixture *f = *state;
    plan fast = make(f, smollm, (plan_options){.policy = "latency"}),
         small = make(f, smollm, (plan_options){.policy = "compact"}),
         square = make(f, smollm, (plan_options){.policy = "square"});
    assert_true(fast.cycles.token <= small.cycles.token && fast.cycles.token <= square.cycles.token);
    assert_true(small.pes < fast.pes && small.pes <= square.pes);
    assert_true(abs((int)square.width - (int)square.rows) <= 2);
    /* Nothing near the choice is better. */
    for (uint32_t columns = fast.width - 3; columns <= fast.width + 3; columns++) {
        plan p = make(f, smollm, (plan_options){.columns = columns, .unit_rows = fast.unit_rows});
        assert_true(p.wafer_count > 1 || p.cycles.token >= 0.98 * fast.cycles.token);
    }
}

static void test_wishes_are_kept(void **state) {
    fixture *f = *state;
    plan p = make(f, smollm, (plan_options){.columns = 40, .unit_rows = 7, .head_rows = 99, .row_group = 5});
    assert_int_equal(p.width, 40);
    assert_int_equal(p.unit_rows, 7);
    assert_int_equal(p.head_rows, 99);
    assert_int_equal(p.row_group, 5);
    check_plan(f, &p, &smollm);
}

/* ---- cycles ---- */

static void test_cycles(void **state) {
    fixture *f = *state;
    plan p = make(f, smollm, (plan_options){.policy = "compact"});
    plan_cycles early, late;
    plan_cycles_at(&p, &f->w, 0, &early);
    plan_cycles_at(&p, &f->w, 4000, &late);
    double slots = ceil(4001.0 / (p.unit_rows * p.width));
    assert_true(fabs(late.layer[PLAN_ATTENTION] - slots * early.layer[PLAN_ATTENTION]) < 1e-6);
    assert_true(fabs(late.token - early.token - p.layers * (slots - 1) * early.layer[PLAN_ATTENTION]) < 1e-6);
    double sum = 0;
    for (int i = 0; i < PLAN_PHASES; i++) sum += early.layer[i];
    assert_true(fabs(sum * p.layers + early.head_total - early.token) < 1e-6);
}

/* ---- streamed weights ---- */

static void test_streamed(void **state) {
    fixture *f = *state;
    const shape all[] = {smollm, llama8b, gpt2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        plan p = make(f, all[i], (plan_options){.context = 256, .streamed = true});
        check_plan(f, &p, &all[i]);
        assert_int_equal(p.tokens, 8);
        if (i != 1)
            assert_true(p.rows <= 42); /* what 150 GB/s feed, a word a cycle each; 8B needs the memory of more */
        assert_true(p.cycles.token >= p.cycles.io);
        double words = (double)p.pes * ((double)p.layers * p.layer_words + p.head_words), weights = 0;
        for (uint32_t l = 0; l < p.layers; l++)
            weights += (double)p.d_model * p.head_size * (2.0 * p.group + 2) * p.units +
                       (p.gated ? 3.0 : 2.0) * p.d_model * p.mlp_width;
        weights += (double)p.d_model * p.vocab;
        assert_true(2 * words > weights && 2 * words < 1.25 * weights + 1e6); /* two weights a word, padding, norms */
    }
    refuse(f, llama70b, (plan_options){.context = 4096, .streamed = true}, "KV cache of 80 layers", "--context");
    refuse(f, smollm, (plan_options){.streamed = true, .tokens = 17}, "17 tokens", "16");
    refuse(f, smollm, (plan_options){.streamed = true, .columns = 65}, "65 columns", "64");
}

/* ---- refusals ---- */

static void test_refusals(void **state) {
    fixture *f = *state;
    shape none = smollm;
    refuse(f, smollm, (plan_options){.columns = 4, .unit_rows = 1}, "weights", "would do");
    refuse(f, smollm, (plan_options){.columns = 756}, "756 columns", "755");
    refuse(f, smollm, (plan_options){.policy = "wide"}, "'wide'", "latency, compact, square");
    refuse(f, smollm, (plan_options){.columns = 13, .unit_rows = 11, .context = 60000}, "KV cache of 60000 tokens",
           "--context 7500");
    refuse(f, smollm, (plan_options){.context = 70000}, "16 bits", "65535");
    refuse(f, gpt2, (plan_options){.context = 2000}, "2000 tokens", "1024 positions");
    refuse(f, llama70b, (plan_options){.context = 1024, .wafers_max = 2}, "does not fit", "wafers would do (--wafers");
    none.heads = none.kv_heads = 1171;
    none.head_size = 2;
    refuse(f, none, (plan_options){0}, "1171 KV heads", "755 x 1170");
    f->w.fabric_height = 2;
    refuse(f, smollm, (plan_options){0}, "762 x 2 PEs", "programs need more");
}

static void test_soft_caps(void **state) {
    fixture *f = *state;
    plan p;
    model(f, smollm);
    f->m.config.attn_softcap = 50;
    assert_false(plan_make(&p, f->a, &f->m, &f->w, &(plan_options){0}, f->d));
    assert_non_null(strstr(diag_text(f->d), "soft cap"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_odd_sizes),
        TEST(test_known_models),
        TEST(test_sizes_that_divide_are_not_padded),
        TEST(test_policies_keep_their_word),
        TEST(test_wishes_are_kept),
        TEST(test_cycles),
        TEST(test_streamed),
        TEST(test_refusals),
        TEST(test_soft_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
