/* Do made models hold what their options say, and does conversion change the number format and nothing else? */
#include "llm/convert.h"
#include "llm/synth.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* A folder of our own, and a diag. */
typedef struct {
    char dir[64], path[2][96];
    arena *a;
    diag *d;
} scene;

static int set_up(void **state) {
    char dir[64];
    scene *s = calloc(1, sizeof *s);
    snprintf(dir, sizeof dir, "%s/ingot-test-XXXXXX", P_tmpdir);
    if (!s || !mkdtemp(dir)) return -1;
    memcpy(s->dir, dir, sizeof dir);
    for (int i = 0; i < 2; i++) snprintf(s->path[i], sizeof s->path[i], "%s/%d.gguf", dir, i);
    s->a = arena_new(0);
    s->d = diag_new();
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    for (int i = 0; i < 2; i++) unlink(s->path[i]);
    int left = rmdir(s->dir); /* fails when a temporary file was left behind */
    arena_free(s->a);
    diag_free(s->d);
    free(s);
    return left;
}

static str contents(scene *s, const char *path) {
    str bytes;
    assert_true(file_read_all(s->a, path, 64 << 20, &bytes, s->d));
    return bytes;
}

typedef struct {
    str bytes;
    gguf g;
} model_file;

static model_file open_model(scene *s, const char *path) {
    model_file m = {.bytes = contents(s, path)};
    gguf_status status = gguf_parse(&m.g, s->a, path, (const uint8_t *)m.bytes.p, m.bytes.n, m.bytes.n, s->d);
    assert_int_equal(status, GGUF_OK);
    return m;
}

static const gguf_tensor *tensor(const model_file *m, const char *name) {
    const gguf_tensor *t = gguf_find_tensor(&m->g, str_from(name));
    if (!t) fail_msg("tensor %s is missing", name);
    return t;
}

static const char *data(const model_file *m, const gguf_tensor *t) { return m->bytes.p + t->offset_bytes; }

static uint64_t number(const model_file *m, const char *key) {
    uint64_t v = 0;
    if (!gguf_get_u64(gguf_find(&m->g, key), 0, &v)) fail_msg("key %s is missing", key);
    return v;
}

/* A preset cut down to a size for tests. */
static synth_options small(const char *preset) {
    synth_options o = *synth_preset(str_from(preset));
    o.layers = 2;
    o.vocab = SYNTH_VOCAB_MIN;
    return o;
}

static void make(scene *s, const synth_options *o, const char *path) {
    if (!synth_write(o, path, 2, NULL, NULL, s->d)) fail_msg("%s", diag_text(s->d));
}

static void convert(scene *s, const char *type) {
    if (!model_convert(s->path[0], s->path[1], dtype_by_name(str_from(type)), 2, NULL, NULL, s->d))
        fail_msg("%s", diag_text(s->d));
}

static double relative_error(const model_file *a, const model_file *b, const char *name) {
    const gguf_tensor *x = tensor(a, name), *y = tensor(b, name);
    uint64_t n = x->dims[0] * x->dims[1];
    float *u = malloc(n * 4), *v = malloc(n * 4);
    x->type->to_f32(data(a, x), u, n);
    y->type->to_f32(data(b, y), v, n);
    double error = 0, size = 0;
    for (uint64_t i = 0; i < n; i++) {
        error += ((double)u[i] - v[i]) * ((double)u[i] - v[i]);
        size += (double)u[i] * u[i];
    }
    free(u), free(v);
    return sqrt(error / size);
}

/* ---- made models ---- */

static void models_of_every_family(void **state) {
    scene *s = *state;
    for (size_t i = 0; llm_arch_row(i); i++) {
        const llm_arch *arch = llm_arch_row(i);
        synth_options o = small(arch->name);
        make(s, &o, s->path[0]);
        model_file m = open_model(s, s->path[0]);
        str text;
        assert_true(gguf_get_str(gguf_find(&m.g, "general.architecture"), 0, &text) && str_is(text, arch->name));
        assert_true(gguf_get_str(gguf_find(&m.g, "ingot.label"), 0, &text) && str_is(text, "untrained, seeded"));
        assert_int_equal(gguf_find(&m.g, "tokenizer.ggml.tokens")->count, o.vocab);
        assert_int_equal(tensor(&m, "token_embd.weight")->dims[1], o.vocab);
        assert_int_equal(tensor(&m, "blk.1.ffn_down.weight")->dims[0], o.mlp_width);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("output.weight")), !o.tied);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("blk.0.attn_q_norm.weight")), arch->qk_norm);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("blk.0.attn_qkv.weight")), arch->fused_qkv);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("blk.0.post_ffw_norm.weight")), arch->post_norms);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("position_embd.weight")), arch->positions);
        assert_int_equal(!!gguf_find_tensor(&m.g, STR("blk.0.attn_output.bias")), arch->all_bias);
        assert_null(gguf_find_tensor(&m.g, STR("blk.2.attn_norm.weight")));
        gguf_free(&m.g);
    }
}

/* The model in the repository is what the program makes today. */
static void the_tiny_model(void **state) {
    scene *s = *state;
    make(s, synth_preset(STR("tiny")), s->path[0]);
    str fresh = contents(s, s->path[0]), kept = contents(s, "data/models/untrained-tiny.gguf");
    assert_true(kept.n <= 2 << 20);
    assert_true(str_eq(fresh, kept));
}

/* More than one band, more threads than one, and a row count that does not divide. */
static void same_for_any_thread_count(void **state) {
    scene *s = *state;
    synth_options o = small("llama");
    o.type = dtype_find(DTYPE_F32);
    o.layers = 1, o.vocab = 9001;
    assert_true(synth_write(&o, s->path[0], 1, NULL, NULL, s->d));
    assert_true(synth_write(&o, s->path[1], 3, NULL, NULL, s->d));
    str one = contents(s, s->path[0]), three = contents(s, s->path[1]);
    assert_true(one.n > GGUF_BAND_BYTES);
    assert_true(str_eq(one, three));
    o.seed++;
    make(s, &o, s->path[1]);
    assert_false(str_eq(one, contents(s, s->path[1])));
}

static void vocabularies(void **state) {
    scene *s = *state;
    for (int spm = 0; spm < 2; spm++) {
        synth_options o = small("llama");
        o.spm = spm;
        o.vocab = 700;
        make(s, &o, s->path[0]);
        model_file m = open_model(s, s->path[0]);
        const gguf_kv *tokens = gguf_find(&m.g, "tokenizer.ggml.tokens");
        map seen = {0};
        for (uint64_t i = 0; i < tokens->count; i++) {
            assert_true(tokens->strings[i].n > 0);
            assert_false(map_get(&seen, tokens->strings[i], NULL));
            assert_true(map_put(&seen, tokens->strings[i], i));
        }
        assert_true(map_get(&seen, spm ? STR("<0x0A>") : STR("\u010A"), NULL)); /* a line feed can be said */
        assert_true(map_get(&seen, spm ? STR("\u2581wafer") : STR("\u0120wafer"), NULL));
        assert_int_equal(spm, gguf_find(&m.g, "tokenizer.ggml.scores") != NULL);
        assert_true(number(&m, "tokenizer.ggml.eos_token_id") < 700);
        map_free(&seen);
        gguf_free(&m.g);
    }
}

static void rope_scaling_keys(void **state) {
    scene *s = *state;
    synth_options o = small("llama");
    str type;
    o.rope = SYNTH_ROPE_YARN;
    make(s, &o, s->path[0]);
    model_file m = open_model(s, s->path[0]);
    assert_true(gguf_get_str(gguf_find(&m.g, "llama.rope.scaling.type"), 0, &type) && str_is(type, "yarn"));
    assert_int_equal(number(&m, "llama.rope.scaling.original_context_length"), o.context / 4);
    gguf_free(&m.g);
    o.rope = SYNTH_ROPE_LLAMA3;
    make(s, &o, s->path[0]);
    m = open_model(s, s->path[0]);
    const gguf_tensor *t = tensor(&m, "rope_freqs.weight");
    float divisor[2];
    assert_int_equal(t->dims[0], o.head_size / 2);
    memcpy(&divisor[0], data(&m, t), 4);
    memcpy(&divisor[1], data(&m, t) + 4 * (t->dims[0] - 1), 4);
    assert_true(divisor[0] == 1 && divisor[1] == 8); /* short waves as they are, long ones stretched */
    gguf_free(&m.g);
}

static void refuses_impossible_models(void **state) {
    scene *s = *state;
    synth_options bad[8];
    for (int i = 0; i < 8; i++) bad[i] = small(i < 6 ? "llama" : i == 6 ? "gpt2" : "gemma3");
    bad[0].heads = 6, bad[0].kv_heads = 4;
    bad[1].head_size = 33;
    bad[2].vocab = SYNTH_VOCAB_MIN - 1;
    bad[3].layers = 0;
    bad[4].width = 1u << 30;
    bad[5].arch = "mamba";
    bad[6].rope = SYNTH_ROPE_YARN;
    bad[7].window = 0;
    for (int i = 0; i < 8; i++) {
        diag_clear(s->d);
        assert_false(synth_write(&bad[i], s->path[0], 1, NULL, NULL, s->d));
        assert_int_equal(diag_error_count(s->d), 1);
        assert_false(file_exists(s->path[0]));
    }
}

/* ---- conversion ---- */

static void widening_is_exact(void **state) {
    scene *s = *state;
    synth_options o = small("qwen2");
    o.type = dtype_find(DTYPE_Q4_0);
    make(s, &o, s->path[0]);
    convert(s, "F32");
    model_file a = open_model(s, s->path[0]), b = open_model(s, s->path[1]);
    assert_int_equal(a.g.tensor_count, b.g.tensor_count);
    for (size_t i = 0; i < a.g.tensor_count; i++) {
        assert_int_equal(b.g.tensors[i].type->id, DTYPE_F32);
        assert_true(relative_error(&a, &b, a.g.tensors[i].name.p) == 0);
    }
    gguf_free(&a.g);
    gguf_free(&b.g);
}

static void metadata_and_vectors_stay(void **state) {
    scene *s = *state;
    synth_options o = small("gpt2");
    make(s, &o, s->path[0]);
    convert(s, "Q8_0");
    model_file a = open_model(s, s->path[0]), b = open_model(s, s->path[1]);
    assert_int_equal(number(&b, "general.file_type"), 7);
    assert_int_equal(a.g.kv_count, b.g.kv_count);
    for (size_t i = 0; i < a.g.kv_count; i++) {
        const gguf_kv *x = &a.g.kv[i], *y = gguf_find(&b.g, arena_strndup(s->a, x->key.p, x->key.n));
        assert_true(y && y->type == x->type && y->count == x->count);
        if (!str_is(x->key, "general.file_type") && x->type != GGUF_STRING)
            assert_memory_equal(x->data, y->data, x->count * gguf_type_bytes(x->type));
        for (uint64_t k = 0; x->type == GGUF_STRING && k < x->count; k++)
            assert_true(str_eq(x->strings[k], y->strings[k]));
    }
    for (size_t i = 0; i < a.g.tensor_count; i++) {
        const gguf_tensor *x = &a.g.tensors[i], *y = tensor(&b, x->name.p);
        bool stays = x->n_dims == 1 || str_is(x->name, "position_embd.weight");
        assert_int_equal(y->type->id, stays ? x->type->id : DTYPE_Q8_0);
        if (stays) assert_memory_equal(data(&a, x), data(&b, y), x->size_bytes);
        else assert_true(relative_error(&a, &b, x->name.p) < 0.008);
    }
    gguf_free(&a.g);
    gguf_free(&b.g);
}

static void the_same_type_is_a_copy(void **state) {
    scene *s = *state;
    synth_options o = small("gemma3");
    o.type = dtype_find(DTYPE_Q4_K);
    make(s, &o, s->path[0]);
    convert(s, "Q4_K");
    model_file a = open_model(s, s->path[0]), b = open_model(s, s->path[1]);
    size_t n = a.bytes.n - a.g.data_offset_bytes;
    assert_int_equal(n, b.bytes.n - b.g.data_offset_bytes);
    assert_memory_equal(a.bytes.p + a.g.data_offset_bytes, b.bytes.p + b.g.data_offset_bytes, n);
    gguf_free(&a.g);
    gguf_free(&b.g);
}

static void rows_that_do_not_fit(void **state) {
    scene *s = *state;
    synth_options o = small("llama");
    o.width = 96, o.heads = 3, o.kv_heads = 1, o.head_size = 32, o.mlp_width = 256;
    make(s, &o, s->path[0]);
    convert(s, "Q4_K");
    model_file m = open_model(s, s->path[1]);
    assert_int_equal(tensor(&m, "blk.0.attn_q.weight")->type->id, DTYPE_Q5_0);
    assert_int_equal(tensor(&m, "blk.0.ffn_down.weight")->type->id, DTYPE_Q4_K);
    assert_non_null(strstr(diag_text(s->d), "warning"));
    gguf_free(&m.g);
}

static void onto_itself(void **state) {
    scene *s = *state;
    synth_options o = small("llama");
    make(s, &o, s->path[0]);
    convert(s, "Q4_0");
    str apart = contents(s, s->path[1]);
    assert_true(model_convert(s->path[0], s->path[0], dtype_find(DTYPE_Q4_0), 1, NULL, NULL, s->d));
    assert_true(str_eq(apart, contents(s, s->path[0])));
}

/* Nothing is written, and nothing temporary stays (tear_down would find it). */
static void refuses(scene *s, const char *words) {
    diag_clear(s->d);
    assert_false(model_convert(s->path[0], s->path[1], dtype_find(DTYPE_F16), 2, NULL, NULL, s->d));
    if (!strstr(diag_text(s->d), words)) fail_msg("wanted '%s', got: %s", words, diag_text(s->d));
    assert_false(file_exists(s->path[1]));
}

static void refuses_bad_files(void **state) {
    scene *s = *state;
    gguf_writer w = {0};
    strbuf out = {0};
    refuses(s, "cannot open");
    gguf_put_u32(&w, "split.count", 3);
    assert_true(gguf_emit_header(&w, &out) && file_write_all(s->path[0], strbuf_str(&out), s->d));
    refuses(s, "one of 3 parts");
    gguf_writer_free(&w);
    strbuf_free(&out);
    synth_options o = small("llama");
    make(s, &o, s->path[0]);
    assert_int_equal(truncate(s->path[0], (off_t)contents(s, s->path[0]).n - 4096), 0);
    refuses(s, "outside the file");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_of_every_family), TEST(the_tiny_model),    TEST(same_for_any_thread_count), TEST(vocabularies),
        TEST(rope_scaling_keys),      TEST(widening_is_exact), TEST(refuses_impossible_models), TEST(onto_itself),
        TEST(the_same_type_is_a_copy), TEST(metadata_and_vectors_stay), TEST(rows_that_do_not_fit),
        TEST(refuses_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
