/* Does the native engine say what the oracle says: every architecture and tensor type, every kernel set, any batch, any
 * number of threads, resident or streamed? The models are seeded and small (bin/ingot-mkmodel writes them). */
#include "base/mem.h"
#include "base/units.h"
#include "cluster/session.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { TOKENS = 37, PATH_BYTES = 512 };

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/ingot-native-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    return setenv("INGOT_HOME", folder, 1);
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *bin(void) { return getenv("BIN") ? getenv("BIN") : "bin"; }

/* Writes a model; `name` is its file, options are mkmodel's. */
static void make_model(char path[PATH_BYTES], const char *name, const char *options) {
    char command[1024];
    snprintf(path, PATH_BYTES, "%s/%s.gguf", folder, name);
    if (access(path, R_OK) == 0) return;
    snprintf(command, sizeof command, "%s/ingot-mkmodel %s -o '%s' >/dev/null", bin(), options, path);
    if (system(command) != 0) fail_msg("%s", command);
}

/* Logits after each of the TOKENS tokens. */
typedef struct {
    uint32_t vocab;
    float *rows;
} logits;

static int32_t token_at(uint32_t vocab, int i) { return vocab ? (int32_t)((uint32_t)(i * 7919 + 3) % vocab) : 0; }

static logits by_oracle(const char *path) {
    diag *d = diag_new();
    llm_model *m = llm_model_open(path, d);
    if (!m) {
        fail_msg("%s", diag_text(d));
        return (logits){0};
    }
    llm_store *s = memoryx_open_file(m, (memoryx_progress){0}, d);
    logits l = {.vocab = m->config.vocab, .rows = mem_alloc_n((size_t)TOKENS * m->config.vocab, sizeof(float))};
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = token_at(l.vocab, i);
    if (!s || !ref_logits(s, ids, TOKENS, l.rows, d)) fail_msg("%s", diag_text(d));
    s->close(s);
    llm_model_free(m);
    diag_free(d);
    return l;
}

typedef struct {
    int threads;
    native_options o;
    int first; /* tokens in the first call; the rest one by one */
} way;

/* The worst relative error of a row, |got - want| / |want| in the Euclidean norm; and a hash of all bits. */
static double compare(const char *path, const way *w, const logits *want, uint64_t *hash) {
    diag *d = diag_new();
    session s;
    if (!session_open(&s, &(session_options){.model_path = path, .threads = w->threads, .native = w->o}, d))
        fail_msg("%s", diag_text(d));
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = token_at(want->vocab, i);
    double worst = 0;
    *hash = 0;
    for (int at = 0; at < TOKENS;) {
        int n = at == 0 ? w->first : 1;
        if (!native_forward(s.native, ids + at, (size_t)n, s.logits, d)) fail_msg("%s", diag_text(d));
        at += n;
        const float *row = want->rows + (size_t)(at - 1) * want->vocab;
        double error = 0, size = 0;
        for (uint32_t v = 0; v < want->vocab; v++) {
            error += ((double)s.logits[v] - row[v]) * ((double)s.logits[v] - row[v]);
            size += (double)row[v] * row[v];
        }
        if (!(sqrt(error / size) <= worst)) worst = sqrt(error / size);
        *hash = *hash * 31 + str_hash((str){(char *)s.logits, want->vocab * sizeof(float)});
    }
    session_close(&s);
    diag_free(d);
    return worst;
}

static const way exact_way = {2, {.kv_f32 = true, .prompt_digits = 2, .decode_digits = 2}, 21};

static const struct {
    const char *name, *options;
} models[] = {
    {"llama", "--arch llama --layers 3 --width 96 --heads 6 --kv-heads 2 --head-size 16 --mlp 160 --vocab 400 "
              "--context 128 --seed 1"},
    {"llama3", "--arch llama --layers 2 --width 64 --heads 4 --kv-heads 4 --head-size 16 --mlp 128 --vocab 400 "
               "--context 128 --rope-scaling llama3 --untied --seed 2"},
    {"qwen2", "--arch qwen2 --layers 2 --width 64 --heads 4 --kv-heads 2 --head-size 16 --mlp 96 --vocab 400 --context "
              "128 --seed 3"},
    {"qwen3", "--arch qwen3 --layers 2 --width 64 --heads 4 --kv-heads 1 --head-size 24 --mlp 96 --vocab 400 --context "
              "128 --seed 4"},
    {"gemma3", "--arch gemma3 --layers 7 --width 64 --heads 4 --kv-heads 2 --head-size 32 --mlp 128 --vocab 400 "
               "--context 128 --window 9 --seed 5"},
    {"gpt2", "--arch gpt2 --layers 2 --width 64 --heads 4 --kv-heads 4 --head-size 16 --mlp 256 --vocab 400 --context "
             "64 --seed 6"},
    {"yarn", "--arch llama --layers 2 --width 64 --heads 2 --kv-heads 1 --head-size 32 --mlp 96 --vocab 400 --context "
             "256 --rope-scaling yarn --seed 7"},
};
enum { MODELS = sizeof models / sizeof *models };

static void open_model(char path[PATH_BYTES], int i, const char *type) {
    char name[64], options[512];
    snprintf(name, sizeof name, "%s-%s", models[i].name, type);
    snprintf(options, sizeof options, "%s --type %s", models[i].options, type);
    make_model(path, name, options);
}

/* Relative, of F32 models: tiles keep 16 bits of both factors of a product (3e-5 of its size, test_kern.c). */
#define EXACT 3e-5

static void every_architecture_agrees_with_the_oracle(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        char path[PATH_BYTES];
        uint64_t hash;
        open_model(path, i, "F32");
        logits want = by_oracle(path);
        double error = compare(path, &exact_way, &want, &hash);
        if (!(error < EXACT)) fail_msg("%s: relative error %g", models[i].name, error);
        mem_free(want.rows);
    }
}

/* Type names and how far logits may be from the oracle with 16-bit and 8-bit activations and an f32 cache. */
static const struct {
    const char *type;
    double bound_16, bound_8;
} type_bounds[] = {
    {"F16", 2e-5, 2e-5},  {"BF16", 2e-5, 2e-5}, {"Q8_0", 3e-4, 0.06},   {"Q4_0", 3e-4, 0.06}, {"Q4_1", 3e-4, 0.06},
    {"Q5_0", 3e-4, 0.06}, {"Q5_1", 3e-4, 0.06}, {"Q2_K", 3e-4, 0.06},   {"Q3_K", 3e-4, 0.06}, {"Q4_K", 3e-4, 0.06},
    {"Q5_K", 3e-4, 0.06}, {"Q6_K", 3e-4, 0.06}, {"IQ4_NL", 3e-4, 0.06},
};

static void every_type_agrees_with_the_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof type_bounds / sizeof *type_bounds; i++) {
        char path[PATH_BYTES], name[64], options[512];
        snprintf(name, sizeof name, "types-%s", type_bounds[i].type);
        snprintf(options, sizeof options,
                 "--arch llama --layers 2 --width 256 --heads 8 --kv-heads 2 --head-size 32 --mlp 512 --vocab 400 "
                 "--context 64 --seed 9 --type %s",
                 type_bounds[i].type);
        make_model(path, name, options);
        logits want = by_oracle(path);
        for (size_t k = 0; kern_row(k); k++)
            for (int digits = 1; kern_row(k)->usable() && digits <= 2; digits++) {
                way w = {
                    2, {.kernels = kern_row(k), .kv_f32 = true, .prompt_digits = digits, .decode_digits = digits}, 33};
                uint64_t hash;
                double error = compare(path, &w, &want, &hash),
                       bound = digits == 2 ? type_bounds[i].bound_16 : type_bounds[i].bound_8;
                if (!(error < bound))
                    fail_msg("%s, %s, %d digits: relative error %g", type_bounds[i].type, kern_row(k)->name, digits,
                             error);
            }
        mem_free(want.rows);
    }
}

static void half_precision_cache_is_close(void **state) {
    (void)state;
    char path[PATH_BYTES];
    uint64_t hash;
    open_model(path, 0, "F32");
    logits want = by_oracle(path);
    way w = exact_way;
    w.o.kv_f32 = false;
    double error = compare(path, &w, &want, &hash);
    assert_true(error < 3e-3 && error > 0);
    mem_free(want.rows);
}

static void threads_and_streaming_change_no_bit(void **state) {
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        char path[PATH_BYTES];
        uint64_t first, hash;
        open_model(path, i, i % 2 ? "Q8_0" : "F16");
        logits want = by_oracle(path);
        way w = {1, {.batch = 8}, 21};
        compare(path, &w, &want, &first);
        for (int threads = 2; threads <= 5; threads++) {
            w.threads = threads;
            compare(path, &w, &want, &hash);
            if (hash != first) fail_msg("%s: %d threads change the result", models[i].name, threads);
        }
        w.threads = 2;
        w.o.weights = (weights_options){.mode = WEIGHTS_STREAMED, .resident_bytes = 1};
        diag *d = diag_new();
        session s;
        assert_false(session_open(&s, &(session_options){.model_path = path, .threads = 2, .native = w.o},
                                  d)); /* says how much it needs */
        const char *need = strstr(diag_text(d), "need ");
        assert_non_null(need);
        uint64_t least = strtoull(need + 5, NULL, 10);
        for (uint64_t budget = least; budget < least * 2;
             budget += least / 3) { /* from all streamed to much resident */
            w.o.weights.resident_bytes = budget;
            compare(path, &w, &want, &hash);
            if (hash != first)
                fail_msg("%s: streaming within %llu bytes changes the result", models[i].name,
                         (unsigned long long)budget);
        }
        diag_free(d);
        mem_free(want.rows);
    }
}

static void two_models_at_once(void **state) {
    (void)state;
    char paths[2][PATH_BYTES];
    uint64_t hash;
    diag *d = diag_new();
    session s[2];
    logits want[2];
    for (int i = 0; i < 2; i++) {
        open_model(paths[i], i ? 4 : 0, "F32");
        want[i] = by_oracle(paths[i]);
        assert_true(compare(paths[i], &exact_way, &want[i], &hash) < EXACT);
        native_options o = exact_way.o;
        if (i) o.weights = (weights_options){.mode = WEIGHTS_STREAMED, .resident_bytes = 8 << 20};
        if (!session_open(&s[i], &(session_options){.model_path = paths[i], .threads = 2, .native = o}, d))
            fail_msg("%s", diag_text(d));
    }
    for (int t = 0; t < TOKENS; t++) /* turn by turn */
        for (int i = 0; i < 2; i++) {
            int32_t id = token_at(want[i].vocab, t);
            assert_true(native_forward(s[i].native, &id, 1, s[i].logits, d));
            for (uint32_t v = 0; v < want[i].vocab; v++)
                assert_float_equal(s[i].logits[v], want[i].rows[(size_t)t * want[i].vocab + v], 1e-3);
        }
    for (int i = 0; i < 2; i++) {
        session_close(&s[i]);
        mem_free(want[i].rows);
    }
    diag_free(d);
}

/* Passes with panels from the cache leave nothing behind: neither in what follows nor in the profile. */
static void hot_passes_leave_no_trace(void **state) {
    (void)state;
    char path[PATH_BYTES];
    open_model(path, 0, "Q8_0");
    diag *d = diag_new();
    session s;
    if (!session_open(&s, &(session_options){.model_path = path, .threads = 2}, d)) fail_msg("%s", diag_text(d));
    uint32_t vocab = s.model->config.vocab;
    float *cold = mem_alloc_n(vocab, sizeof *cold);
    int32_t ids[8];
    for (int i = 0; i < 8; i++) ids[i] = token_at(vocab, i);
    assert_true(native_forward(s.native, ids, 8, s.logits, d));
    memcpy(cold, s.logits, vocab * sizeof *cold);
    native_profile before = *native_get_profile(s.native);
    native_rewind(s.native, 0);
    native_set_hot(s.native, true);
    assert_true(native_forward(s.native, ids, 8, s.logits, d));
    assert_memory_not_equal(cold, s.logits, vocab * sizeof *cold); /* wrong numbers, as is meant */
    assert_memory_equal(&before, native_get_profile(s.native), sizeof before);
    native_rewind(s.native, 0);
    native_set_hot(s.native, false);
    assert_true(native_forward(s.native, ids, 8, s.logits, d));
    assert_memory_equal(cold, s.logits, vocab * sizeof *cold);
    mem_free(cold);
    session_close(&s);
    diag_free(d);
}

static void flip_byte(const char *path, long from_end) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -from_end, SEEK_END), 0);
    int c = fgetc(f);
    fseek(f, -from_end, SEEK_END);
    fputc(c ^ 1, f);
    fclose(f);
}

static void open_and_fail(const char *path, weights_mode mode, const char *reason) {
    diag *d = diag_new();
    session s;
    native_options o = {.weights = {.mode = mode, .resident_bytes = 3 << 20}};
    if (session_open(&s, &(session_options){.model_path = path, .native = o}, d)) {
        int32_t id = 1; /* streamed weights are checked as they pass */
        assert_false(native_forward(s.native, &id, 1, s.logits, d));
        session_close(&s);
    }
    if (!strstr(diag_text(d), reason)) fail_msg("expected '%s' in: %s", reason, diag_text(d));
    diag_free(d);
}

static void a_changed_file_is_an_error(void **state) {
    (void)state;
    char path[PATH_BYTES];
    make_model(path, "changed",
               "--arch llama --layers 3 --width 256 --heads 4 --kv-heads 2 --head-size 64 --mlp 768 --vocab 400 "
               "--context 64 --seed 3 --type F16");
    diag *d = diag_new();
    session s;
    if (!session_open(&s, &(session_options){.model_path = path}, d)) fail_msg("%s", diag_text(d));
    session_close(&s);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    flip_byte(path, st.st_size / 2);
    open_and_fail(path, WEIGHTS_RESIDENT, "ingot model accept");
    open_and_fail(path, WEIGHTS_STREAMED, "ingot model accept");
    flip_byte(path, st.st_size / 2);
    flip_byte(path, st.st_size - 600); /* metadata */
    open_and_fail(path, WEIGHTS_RESIDENT, "");
    flip_byte(path, st.st_size - 600);
    if (!session_open(&s, &(session_options){.model_path = path}, d)) fail_msg("%s", diag_text(d));
    session_close(&s);
    assert_int_equal(truncate(path, st.st_size - 1000), 0);
    open_and_fail(path, WEIGHTS_RESIDENT, path);
    diag_free(d);
}

static void a_file_cut_short_under_the_engine_is_an_error(void **state) {
    (void)state;
    char path[PATH_BYTES];
    make_model(path, "cut",
               "--arch llama --layers 3 --width 256 --heads 4 --kv-heads 2 --head-size 64 --mlp 768 --vocab 400 "
               "--context 64 --seed 4 --type F16");
    diag *d = diag_new();
    session s;
    native_options o = {.weights = {.mode = WEIGHTS_STREAMED, .resident_bytes = 3 << 20}};
    if (!session_open(&s, &(session_options){.model_path = path, .native = o}, d)) fail_msg("%s", diag_text(d));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    bool ok = true;
    for (int32_t i = 0; ok && i < 8; i++) ok = native_forward(s.native, &i, 1, s.logits, d);
    assert_false(ok);
    assert_non_null(strstr(diag_text(d), "cut short"));
    session_close(&s);
    diag_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture_agrees_with_the_oracle),
        cmocka_unit_test(every_type_agrees_with_the_oracle),
        cmocka_unit_test(half_precision_cache_is_close),
        cmocka_unit_test(threads_and_streaming_change_no_bit),
        cmocka_unit_test(two_models_at_once),
        cmocka_unit_test(hot_passes_leave_no_trace),
        cmocka_unit_test(a_changed_file_is_an_error),
        cmocka_unit_test(a_file_cut_short_under_the_engine_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
