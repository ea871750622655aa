/* Does the oracle compute what the families' own code computes? tests/data/hf holds a tiny random model of each family, saved by
 * the transformers library, with that library's logits (README there). Float32 leaves about 1e-5 between two orders of
 * summation; a wrong rope, window, norm or scale moves logits by 1e-3 to 5. */
#include "base/mem.h"
#include "cluster/memoryx.h"
#include "llm/ref.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLERANCE 5e-5 /* logits reach about 8 in size; the file has six digits */

enum { IDS_MAX = 64 };

typedef struct {
    int32_t ids[IDS_MAX];
    size_t count;
    const char *rest; /* lines "at POSITION LOGIT..." */
} golden;

static golden read_golden(const char *text) {
    golden g = {.rest = strchr(text, '\n') + 1};
    assert_int_equal(strncmp(text, "ids ", 4), 0);
    char *p = (char *)text + 4;
    while (p + 1 < g.rest && g.count < IDS_MAX) g.ids[g.count++] = (int32_t)strtol(p, &p, 10);
    assert_true(p + 1 == g.rest);
    return g;
}

/* The largest difference over the positions listed. */
static double worst_difference(const golden *g, const float *logits, size_t vocab, size_t *compared) {
    double worst = 0;
    char *p = (char *)g->rest;
    for (*compared = 0; !strncmp(p, "at ", 3); p++) {
        size_t position = strtoul(p + 3, &p, 10);
        assert_true(position < g->count);
        for (size_t i = 0; i < vocab; i++, ++*compared) {
            double difference = fabs(strtod(p, &p) - (double)logits[position * vocab + i]);
            if (!(difference <= worst)) worst = difference; /* a NaN stays */
        }
        assert_int_equal(*p, '\n');
    }
    assert_int_equal(*p, 0);
    return worst;
}

static void compare(const char *name) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    str text;
    char *folder = path_join(a, "tests/data/hf", name);
    if (!file_read_all(a, path_join(a, folder, "logits.txt"), 1 << 20, &text, d)) fail_msg("%s", diag_text(d));
    golden g = read_golden(text.p);
    llm_model *m = llm_model_open(folder, d);
    llm_store *s = m ? memoryx_open_file(m, (memoryx_progress){0}, d) : NULL;
    if (!s) fail_msg("%s", diag_text(d));
    size_t vocab = m->config.vocab, compared;
    float *logits = mem_alloc_n(g.count * vocab, sizeof *logits);
    assert_non_null(logits);
    if (!ref_logits(s, g.ids, g.count, logits, d)) fail_msg("%s", diag_text(d));
    double worst = worst_difference(&g, logits, vocab, &compared);
    print_message("%-12s %zu logits, largest difference %.2g\n", name, compared, worst);
    assert_int_equal(compared, 4 * vocab);
    if (!(worst < TOLERANCE)) fail_msg("%s: logits differ by %g from the reference", name, worst);
    mem_free(logits);
    s->close(s);
    llm_model_free(m);
    diag_free(d);
    arena_free(a);
}

#define FAMILY(test, folder) static void test(void **state) { (void)state; compare(folder); }
FAMILY(llama, "llama")
FAMILY(llama_with_llama3_scaling_and_biases, "llama3-rope")
FAMILY(llama_with_yarn, "llama-yarn")
FAMILY(mistral_with_window, "mistral")
FAMILY(qwen2, "qwen2")
FAMILY(qwen3, "qwen3")
FAMILY(gemma3, "gemma3")
FAMILY(gpt2, "gpt2")

/* The store records hashes under INGOT_HOME: not into the user's. */
static int make_home(void **state) {
    static char home[] = P_tmpdir "/ingot-home-XXXXXX";
    *state = home;
    return mkdtemp(home) && !setenv("INGOT_HOME", home, 1) ? 0 : -1;
}

static int remove_home(void **state) {
    arena *a = arena_new(0);
    char *manifests = path_join(a, *state, "manifests");
    DIR *dir = opendir(manifests);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(path_join(a, manifests, e->d_name));
    if (dir) closedir(dir);
    rmdir(manifests);
    int failed = rmdir(*state);
    arena_free(a);
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama), cmocka_unit_test(llama_with_llama3_scaling_and_biases), cmocka_unit_test(llama_with_yarn),
        cmocka_unit_test(mistral_with_window), cmocka_unit_test(qwen2), cmocka_unit_test(qwen3), cmocka_unit_test(gemma3),
        cmocka_unit_test(gpt2),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
