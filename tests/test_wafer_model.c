/* Does the wafer say what the oracle says: every family, at sizes that divide nothing evenly, prompts in chunks and
 * token by token, chosen by the host or by the wafer, on any number of threads and around holes?
 *
 * Tolerance: weights are f16 here and there (the models are written as F16); what differs is that inputs of products
 * and the KV cache are f16 on the wafer. */
#include "base/mem.h"
#include "cluster/session.h"
#include "llm/synth.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { TOKENS = 11, CONTEXT = 48, MEMORY_ROOM = 3000 };

/* Of the logits' deviation: rounding to f16 of inputs, keys and values through a few layers. */
#define TOLERANCE 0.005

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/ingot-wafer-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    return setenv("INGOT_HOME", folder, 1) || setenv("INGOT_ROOT", ".", 1);
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

typedef struct {
    char path[128];
    diag *d;
    llm_model *m;
    llm_store *store;
    float *expected, *logits; /* [TOKENS][vocab]; [vocab] */
    int32_t ids[TOKENS];
} fixture;

static synth_options of(const char *family, uint32_t layers, uint32_t width, uint32_t heads, uint32_t kv_heads,
                        uint32_t head_size, uint32_t mlp) {
    synth_options o = *synth_preset(str_from(family));
    o.layers = layers;
    o.width = width;
    o.heads = heads;
    o.kv_heads = kv_heads;
    o.head_size = head_size;
    o.mlp_width = mlp;
    o.vocab = 389;
    o.context = 64;
    return o;
}

static void open_model(fixture *f, const synth_options *o) {
    static int models;
    *f = (fixture){.d = diag_new()};
    snprintf(f->path, sizeof f->path, "%s/model%d.gguf", folder, models++);
    if (!synth_write(o, f->path, 1, NULL, NULL, f->d) || !(f->m = llm_model_open(f->path, f->d)) ||
        !(f->store = memoryx_open_file(f->m, (memoryx_progress){0}, f->d)))
        fail_msg("%s", diag_text(f->d));
    f->expected = mem_alloc_n((size_t)TOKENS * o->vocab, sizeof(float));
    f->logits = mem_alloc_n(o->vocab, sizeof(float));
    assert_true(f->expected && f->logits);
    for (int i = 0; i < TOKENS; i++) f->ids[i] = (int32_t)((uint32_t)(i * 7919 + 3) % o->vocab);
    if (!ref_logits(f->store, f->ids, TOKENS, f->expected, f->d)) fail_msg("%s", diag_text(f->d));
}

static void close_model(fixture *f) {
    mem_free(f->expected);
    mem_free(f->logits);
    f->store->close(f->store);
    llm_model_free(f->m);
    diag_free(f->d);
}

static wafer *open_wafer(fixture *f, const wafer_options *o) {
    wafer *w = wafer_new(f->store, o, f->d);
    if (!w) fail_msg("%s", diag_text(f->d));
    return w;
}

static void forward(fixture *f, wafer *w, int from, int count) {
    if (!wafer_forward(w, f->ids + from, (size_t)count, f->logits, f->d)) fail_msg("%s", diag_text(f->d));
}

static float *expected_after(const fixture *f, int tokens) {
    return f->expected + (size_t)(tokens - 1) * f->m->config.vocab;
}

/* Root of the mean square of a difference, over the deviation of what is expected. */
static double distance(const float *got, const float *want, uint32_t n) {
    double sum = 0, square = 0, wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += want[i];
        square += (double)want[i] * want[i];
        wrong += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
    }
    return sqrt(wrong / (square - sum * sum / n));
}

static void check(const fixture *f, int tokens, double tolerance) {
    double d = distance(f->logits, expected_after(f, tokens), f->m->config.vocab);
    if (getenv("SHOW")) fprintf(stderr, "%s after %d tokens: %.5f\n", f->m->name, tokens, d);
    if (!(d <= tolerance))
        fail_msg("%s: after %d tokens the logits differ by %g of their deviation", f->m->name, tokens, d);
}

/* What the plan says a PE needs is what the compiled programs need, or a little more. */
static void check_memory(const wafer *w) {
    const plan *p = wafer_plan(w);
    const wafer_stats *s = wafer_get_stats(w);
    if (getenv("SHOW"))
        fprintf(stderr, "layer %u of %u, head %u of %u bytes\n", s->layer_bytes, p->layer_memory.total, s->head_bytes,
                p->head_memory.total);
    assert_in_range(s->layer_bytes, p->layer_memory.total - MEMORY_ROOM, p->layer_memory.total);
    if (!p->streamed) assert_in_range(s->head_bytes, p->head_memory.total - MEMORY_ROOM, p->head_memory.total);
}

/* A prompt in chunks (there are more tokens than layers), then one by one. */
static void check_family(const synth_options *o, const plan_options *p) {
    fixture f;
    open_model(&f, o);
    wafer *w = open_wafer(&f, &(wafer_options){.plan = *p});
    forward(&f, w, 0, 7);
    check(&f, 7, TOLERANCE);
    for (int i = 7; i < TOKENS; i++) {
        forward(&f, w, i, 1);
        check(&f, i + 1, TOLERANCE);
    }
    assert_int_equal(wafer_position(w), TOKENS);
    check_memory(w);
    wafer_free(w);
    close_model(&f);
}

static void test_llama(void **state) {
    (void)state;
    synth_options o = of("llama", 3, 66, 6, 2, 22, 94);
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 4, .unit_rows = 3, .row_group = 3});
}

static void test_llama_untied_long_rope(void **state) {
    (void)state;
    synth_options o = of("llama", 2, 50, 3, 3, 18, 71);
    o.rope = SYNTH_ROPE_LLAMA3;
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 3, .unit_rows = 1});
}

static void test_qwen2(void **state) {
    (void)state;
    synth_options o = of("qwen2", 2, 58, 4, 2, 14, 83);
    o.rope = SYNTH_ROPE_YARN;
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 5, .unit_rows = 2});
}

static void test_qwen3(void **state) {
    (void)state;
    synth_options o = of("qwen3", 2, 61, 4, 1, 24, 77);
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 3, .unit_rows = 5});
}

/* Six layers: one of them sees everything, the others a window that the text outgrows. */
static void test_gemma3(void **state) {
    (void)state;
    synth_options o = of("gemma3", 6, 52, 4, 2, 16, 60);
    o.window = 5;
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 3, .unit_rows = 2});
}

static void test_gpt2(void **state) {
    (void)state;
    synth_options o = of("gpt2", 2, 54, 3, 3, 18, 101);
    check_family(&o, &(plan_options){.context = CONTEXT, .columns = 4, .unit_rows = 2});
}

/* Rows summed toward their first or their middle column, in groups; norms that divide before or behind the product. */
static void test_sums(void **state) {
    (void)state;
    synth_options families[] = {of("llama", 2, 66, 6, 2, 22, 94), of("qwen2", 2, 58, 4, 2, 14, 83),
                                of("qwen3", 1, 61, 4, 1, 24, 77), of("gemma3", 2, 52, 4, 2, 16, 60),
                                of("gpt2", 1, 54, 3, 3, 18, 101)};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (uint32_t sums = 1; sums <= 4; sums++) {
            plan_options o = {.context = CONTEXT, .columns = 7, .unit_rows = 2, .row_group = 2, .sums = sums};
            check_family(&families[i], &o);
            o = (plan_options){
                .context = CONTEXT, .columns = 5, .unit_rows = 2, .streamed = true, .tokens = 3, .sums = sums};
            check_family(&families[i], &o);
        }
}

static void test_policies(void **state) {
    (void)state;
    synth_options o = of("llama", 2, 66, 4, 2, 16, 94);
    for (const plan_policy *p = plan_policies; p->name; p++)
        if (strcmp(p->name, "latency")) check_family(&o, &(plan_options){.context = CONTEXT, .policy = p->name});
}

/* ---- streamed weights ---- */

static void test_streamed(void **state) {
    (void)state;
    synth_options families[] = {of("llama", 3, 66, 6, 2, 22, 94), of("qwen2", 2, 58, 4, 2, 14, 83),
                                of("qwen3", 2, 61, 4, 1, 24, 77), of("gemma3", 6, 52, 4, 2, 16, 60),
                                of("gpt2", 2, 54, 3, 3, 18, 101)};
    families[3].window = 5;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (int sparse = 0; sparse < 2; sparse++)
            check_family(
                &families[i],
                &(plan_options){
                    .context = CONTEXT, .columns = 4, .unit_rows = 2, .streamed = true, .sparse = sparse, .tokens = 5});
}

/* ---- greedy ---- */

typedef struct {
    int32_t ids[TOKENS];
    int count;
} found;

static void take(void *arg, int32_t token) {
    found *t = arg;
    assert_true(t->count < TOKENS);
    t->ids[t->count++] = token;
}

static int32_t best_of(const float *v, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (v[i] > v[best]) best = i;
    return (int32_t)best;
}

/* The wafer's own choice is the largest of its logits, and a text can be taken back and gone on with differently. */
static void test_greedy_and_rewind(void **state) {
    (void)state;
    fixture f;
    synth_options o = of("llama", 2, 66, 6, 2, 22, 94);
    open_model(&f, &o);
    wafer_options how = {.plan = {.context = CONTEXT, .columns = 4, .unit_rows = 3}};
    wafer *w = open_wafer(&f, &how);
    found by_wafer = {0};
    forward(&f, w, 0, 3);
    if (!wafer_greedy(w, f.ids[3], 5, take, &by_wafer, f.d)) fail_msg("%s", diag_text(f.d));
    assert_int_equal(by_wafer.count, 5);
    assert_int_equal(wafer_position(w), 8);
    wafer_rewind(w, 3);
    int32_t token = f.ids[3];
    for (int i = 0; i < 5; i++) {
        if (!wafer_forward(w, &token, 1, f.logits, f.d)) fail_msg("%s", diag_text(f.d));
        if (i == 0) check(&f, 4, TOLERANCE);
        token = best_of(f.logits, o.vocab);
        assert_int_equal(token, by_wafer.ids[i]);
    }
    wafer_rewind(w, 0);
    forward(&f, w, 0, TOKENS);
    check(&f, TOKENS, TOLERANCE);
    wafer_free(w);
    close_model(&f);
}

/* ---- sessions ---- */

enum { LONG = 13 }; /* more than one launch of greedy tokens */

static generation say(fixture *f, session_engine engine, uint32_t layers, float temperature, uint32_t *used) {
    session s;
    generation g = {0};
    session_options o = {.model_path = f->path, .engine = engine, .threads = 1, .layers = layers};
    o.native.context = o.wafer.plan.context = CONTEXT;
    o.wafer.plan.policy = "compact";
    token_list prompt = {.ids = f->ids, .count = 5};
    generate_options how = {.sample = {.temperature = temperature, .top_p = 1, .repeat_penalty = 1, .seed = 5},
                            .tokens_max = LONG,
                            .ignore_stop = true};
    if (!session_open(&s, &o, f->d) || !session_generate(&s, &prompt, &how, &g, f->d)) fail_msg("%s", diag_text(f->d));
    *used = s.used;
    if (engine == ENGINE_WAFER) assert_int_equal(wafer_position(s.wafer), s.used);
    session_close(&s);
    return g;
}

/* Same text as the oracle's, whether the wafer chooses or the host draws; also of a slice of the model. */
static void test_sessions(void **state) {
    (void)state;
    fixture f;
    synth_options o = of("qwen3", 3, 66, 4, 2, 22, 94);
    open_model(&f, &o);
    for (int i = 0; i < 3; i++) {
        uint32_t layers = i == 1 ? 2 : 0, used[2];
        float temperature = i == 2 ? 0.8f : 0;
        generation want = say(&f, ENGINE_ORACLE, layers, temperature, &used[0]),
                   got = say(&f, ENGINE_WAFER, layers, temperature, &used[1]);
        assert_int_equal(want.tokens.count, LONG);
        assert_int_equal(got.tokens.count, LONG);
        assert_memory_equal(want.tokens.ids, got.tokens.ids, LONG * sizeof *got.tokens.ids);
        assert_int_equal(used[0], used[1]);
        token_list_free(&want.tokens);
        token_list_free(&got.tokens);
    }
    close_model(&f);
}

/* ---- same bits, other cycles ---- */

static void test_threads_and_holes(void **state) {
    (void)state;
    fixture f;
    synth_options o = of("llama", 2, 66, 4, 2, 16, 94);
    open_model(&f, &o);
    wafer_options how = {.plan = {.context = CONTEXT, .columns = 6, .unit_rows = 3}};
    uint64_t cycles[3];
    float *first = mem_alloc_n(o.vocab, sizeof *first);
    assert_non_null(first);
    for (int i = 0; i < 3; i++) {
        how.threads = i == 1 ? 2 : 1;
        if (i == 2) how.holes = (api_holes){.density = "0.006/pe", .seed = 7};
        wafer *w = open_wafer(&f, &how);
        forward(&f, w, 0, 4);
        cycles[i] = wafer_get_stats(w)->prompt.cycles;
        if (i == 0) memcpy(first, f.logits, o.vocab * sizeof *first);
        assert_memory_equal(first, f.logits, o.vocab * sizeof *first);
        wafer_free(w);
    }
    assert_int_equal(cycles[0], cycles[1]);
    assert_true(cycles[2] > cycles[0]);
    mem_free(first);
    close_model(&f);
}

/* ---- several wafers ---- */

/* A WSE-3 with so few rows that three layers and the head do not stand on one. */
static void low_wafer(char path[96], int rows) {
    char line[512];
    FILE *from = fopen("data/machines/wse3.json", "r"), *to;
    snprintf(path, 96, "%s/low%d.json", folder, rows);
    assert_non_null(from);
    assert_non_null(to = fopen(path, "w"));
    while (fgets(line, sizeof line, from)) {
        if (strstr(line, "\"wafer.fabric_height\""))
            snprintf(line, sizeof line,
                     "\"wafer.fabric_height\": {\"value\": %d, \"unit\": \"PEs\", \"kind\": \"spec\",\n", rows);
        fputs(line, to);
    }
    fclose(from);
    assert_int_equal(fclose(to), 0);
}

static void take_token(void *arg, int32_t token) {
    int32_t **at = arg;
    *(*at)++ = token;
}

/* The same model on one wafer and cut in two ways: layers 2 + 1 with the head, and all layers before the head alone. */
static void test_chain(void **state) {
    (void)state;
    fixture f;
    synth_options o = of("llama", 3, 66, 4, 2, 16, 94);
    open_model(&f, &o);
    wafer_options how = {.plan = {.context = CONTEXT, .columns = 6, .unit_rows = 3, .head_rows = 8}};
    const struct {
        int rows;
        uint32_t wafers, last_layers;
    } cut[] = {{1172, 1, 3}, {2 + 14, 2, 1}, {2 + 18, 2, 0}};
    int32_t tokens[3][4];
    for (int i = 0; i < 3; i++) {
        char path[96];
        low_wafer(path, cut[i].rows);
        how.machine = path;
        wafer *w = open_wafer(&f, &how);
        const plan *p = wafer_plan(w);
        assert_int_equal(p->wafer_count, cut[i].wafers);
        assert_int_equal(p->wafers[p->wafer_count - 1].layers, cut[i].last_layers);
        forward(&f, w, 0, 5);
        check(&f, 5, TOLERANCE);
        wafer_rewind(w, 3);
        forward(&f, w, 3, 4);
        check(&f, 7, TOLERANCE);
        int32_t *at = tokens[i];
        if (!wafer_greedy(w, f.ids[7], 4, take_token, &at, f.d)) fail_msg("%s", diag_text(f.d));
        assert_int_equal(wafer_position(w), 11);
        assert_int_equal(wafer_get_stats(w)->decode.tokens, 4);
        assert_memory_equal(tokens[0], tokens[i], sizeof tokens[0]);
        wafer_free(w);
    }
    close_model(&f);
}

/* ---- what it says when it cannot ---- */

static void refuse(fixture *f, const wafer_options *o, const char *part) {
    wafer *w = wafer_new(f->store, o, f->d);
    assert_null(w);
    if (!strstr(diag_text(f->d), part)) fail_msg("'%s' is not in: %s", part, diag_text(f->d));
    diag_clear(f->d);
}

static void test_refusals(void **state) {
    (void)state;
    fixture f;
    synth_options o = of("llama", 2, 66, 4, 2, 16, 94);
    open_model(&f, &o);
    refuse(&f, &(wafer_options){.machine = "wse9"}, "wse9");
    refuse(&f, &(wafer_options){.plan = {.policy = "wide"}}, "latency, compact, square");
    refuse(&f, &(wafer_options){.plan = {.columns = 5000}}, "5000 columns");
    wafer *w = open_wafer(&f, &(wafer_options){.plan = {.context = 8, .columns = 4, .unit_rows = 2}});
    assert_int_equal(wafer_context(w), 8);
    assert_false(wafer_forward(w, f.ids, 9, f.logits, f.d));
    assert_non_null(strstr(diag_text(f.d), "9 tokens do not fit"));
    diag_clear(f.d);
    int32_t wrong = 389;
    assert_false(wafer_forward(w, &wrong, 1, f.logits, f.d));
    assert_non_null(strstr(diag_text(f.d), "vocabulary of 389"));
    forward(&f, w, 0, 8); /* exactly full, and still right */
    check(&f, 8, TOLERANCE);
    wafer_free(w);
    close_model(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama),
        cmocka_unit_test(test_llama_untied_long_rope),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_qwen3),
        cmocka_unit_test(test_gemma3),
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_greedy_and_rewind),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_threads_and_holes),
        cmocka_unit_test(test_chain),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
