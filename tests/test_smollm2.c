/* Does a real model say what an independent engine says? SmolLM2-135M-Instruct (Q4_1), greedy, 64 tokens a prompt,
 * against tokens and logits of llama.cpp (tests/data/smollm2/README.md). Skipped where the model has not been pulled.
 */
#include "base/mem.h"
#include "cluster/session.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { GENERATED = 64 };

static char *model_path;
static json_t *golden;

static int load_golden(void **state) {
    (void)state;
    diag *d = diag_new();
    arena *a = arena_new(0);
    char *home = ingot_home(a, d), *path = home ? path_join(a, home, "models/SmolLM2-135M-Instruct.Q4_1.gguf") : NULL;
    if (path && file_exists(path)) model_path = strdup(path);
    arena_free(a);
    diag_free(d);
    json_error_t e;
    golden = json_load_file("tests/data/smollm2/greedy.json", 0, &e);
    if (!golden) fprintf(stderr, "tests/data/smollm2/greedy.json:%d: %s\n", e.line, e.text);
    return golden ? 0 : -1;
}

static int drop_golden(void **state) {
    (void)state;
    json_decref(golden);
    free(model_path);
    return 0;
}

static void need_model(void) {
    if (model_path) return;
    print_message("SmolLM2 is not there: `ingot model pull smollm2` fetches it\n");
    skip();
}

static token_list ids_of(const json_t *array) {
    token_list l = {0};
    for (size_t i = 0; i < json_array_size(array); i++)
        assert_true(token_list_push(&l, (int32_t)json_integer_value(json_array_get(array, i))));
    return l;
}

static void same_ids(const char *what, const char *prompt, const token_list *got, const json_t *want) {
    token_list w = ids_of(want);
    for (size_t i = 0; i < w.count || i < got->count; i++)
        if (i >= w.count || i >= got->count || w.ids[i] != got->ids[i])
            fail_msg("%s of '%s': token %zu is %d, expected %d", what, prompt, i, i < got->count ? got->ids[i] : -1,
                     i < w.count ? w.ids[i] : -1);
    token_list_free(&w);
}

/* The first `prompts` prompts through one engine. */
static void check(native_options o, size_t prompts) {
    need_model();
    diag *d = diag_new();
    session s;
    o.context = 256;
    if (!session_open(&s, &(session_options){.model_path = model_path, .native = o}, d)) fail_msg("%s", diag_text(d));
    json_t *cases = json_object_get(golden, "cases"), *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        if (i == prompts) break;
        const char *prompt = json_string_value(json_object_get(c, "prompt"));
        token_list ids = {0};
        generation g;
        generate_options how = {.tokens_max = GENERATED,
                                .ignore_stop = true,
                                .sample = {.temperature = 0, .top_p = 1, .repeat_penalty = 1}};
        if (!tokenizer_encode(s.tokens, str_from(prompt), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, &ids, d))
            fail_msg("%s", diag_text(d));
        same_ids("prompt ids", prompt, &ids, json_object_get(c, "prompt_ids"));
        native_rewind(s.native, 0);
        s.used = 0;
        if (!session_generate(&s, &ids, &how, &g, d)) fail_msg("%s", diag_text(d));
        same_ids("greedy tokens", prompt, &g.tokens, json_object_get(c, "ids"));
        token_list_free(&ids);
        token_list_free(&g.tokens);
    }
    session_close(&s);
    diag_free(d);
}

static void resident_weights_give_the_same_tokens(void **state) {
    (void)state;
    check((native_options){0}, 1000);
}

static void streamed_weights_give_the_same_tokens(void **state) {
    (void)state;
    check((native_options){.weights = {.mode = WEIGHTS_STREAMED, .resident_bytes = 40 << 20}}, 3);
}

/* Steps [step, [[token, logit], ...]]: the engine is fed the golden tokens. */
static void logits_are_close(void **state) {
    (void)state;
    need_model();
    diag *d = diag_new();
    session s;
    if (!session_open(&s, &(session_options){.model_path = model_path, .native = {.context = 256}}, d))
        fail_msg("%s", diag_text(d));
    json_t *c;
    size_t i;
    double worst = 0;
    json_array_foreach(json_object_get(golden, "cases"), i, c) {
        if (i % 3) continue; /* four of the twelve */
        token_list ids = ids_of(json_object_get(c, "prompt_ids")), next = ids_of(json_object_get(c, "ids"));
        json_t *steps = json_object_get(c, "logits");
        native_rewind(s.native, 0);
        assert_true(native_forward(s.native, ids.ids, ids.count, s.logits, d));
        for (int64_t step = 0, at = 0; step < GENERATED; step++) {
            json_t *row = json_array_get(steps, (size_t)at);
            if (row && json_integer_value(json_array_get(row, 0)) == step) {
                for (size_t k = 0; k < json_array_size(json_array_get(row, 1)); k++) {
                    json_t *pair = json_array_get(json_array_get(row, 1), k);
                    double want = json_number_value(json_array_get(pair, 1)),
                           got = s.logits[json_integer_value(json_array_get(pair, 0))];
                    if (fabs(got - want) > worst) worst = fabs(got - want);
                }
                at++;
            }
            if (step + 1 < GENERATED) assert_true(native_forward(s.native, &next.ids[step], 1, s.logits, d));
        }
        token_list_free(&ids);
        token_list_free(&next);
    }
    if (!(worst < 0.15))
        fail_msg("a logit differs by %g", worst); /* logits reach 20; the f16 cache makes most of the difference */
    session_close(&s);
    diag_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_weights_give_the_same_tokens),
        cmocka_unit_test(streamed_weights_give_the_same_tokens),
        cmocka_unit_test(logits_are_close),
    };
    return cmocka_run_group_tests(tests, load_golden, drop_golden);
}
