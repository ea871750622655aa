/* Do folders as published on Hugging Face load, and do damaged or forged ones fail with the right message? Folders are written
 * into a temporary place: a config, a tokenizer from tests/data/hf, and weights of zeros with the shapes a row asks for. */
#include "llm/model_internal.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    const char *name, *dtype;
    int rows, cols; /* cols 0: a vector */
} part;

typedef struct {
    char folder[64];
    arena *a;
    diag *d;
} shelf;

static shelf shelf_new(void) {
    shelf s = {.folder = P_tmpdir "/ingot-hf-XXXXXX", .a = arena_new(0), .d = diag_new()};
    assert_true(s.a && s.d && mkdtemp(s.folder));
    return s;
}

static void shelf_free(shelf *s) {
    DIR *dir = opendir(s->folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') unlink(path_join(s->a, s->folder, e->d_name));
    closedir(dir);
    assert_int_equal(rmdir(s->folder), 0);
    arena_free(s->a);
    diag_free(s->d);
}

static void put(shelf *s, const char *name, str text) {
    FILE *f = fopen(path_join(s->a, s->folder, name), "wb"); /* plain writes: nothing here has to survive */
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

static size_t type_bytes(const char *dtype) { return !strcmp(dtype, "F32") ? 4 : !strcmp(dtype, "U8") ? 1 : 2; }

static void put_weights(shelf *s, const char *name, const part *parts, size_t n) {
    strbuf header = {0}, all = {0};
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t end = at + (size_t)parts[i].rows * (size_t)(parts[i].cols ? parts[i].cols : 1) * type_bytes(parts[i].dtype);
        strbuf_addf(&header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%d", i ? ',' : '{', parts[i].name, parts[i].dtype, parts[i].rows);
        if (parts[i].cols) strbuf_addf(&header, ",%d", parts[i].cols);
        strbuf_addf(&header, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    strbuf_addc(&header, '}');
    uint64_t header_bytes = header.len;
    strbuf_add(&all, &header_bytes, 8);
    strbuf_add(&all, header.data, header.len);
    for (size_t i = 0; i < at; i++) strbuf_addc(&all, 0);
    assert_false(all.oom);
    put(s, name, strbuf_str(&all));
    strbuf_free(&header);
    strbuf_free(&all);
}

static void put_tokenizer(shelf *s) {
    str text;
    if (!file_read_all(s->a, "tests/data/hf/llama/tokenizer.json", 1 << 20, &text, s->d)) fail_msg("%s", diag_text(s->d));
    put(s, "tokenizer.json", text);
}

static llm_model *open_at(shelf *s, const char *name) {
    diag_clear(s->d);
    return llm_model_open(name ? path_join(s->a, s->folder, name) : s->folder, s->d);
}

static void expect_good(shelf *s, const char *name, const char *warning) {
    llm_model *m = open_at(s, name);
    if (!m) fail_msg("%s", diag_text(s->d));
    if (!warning) assert_string_equal(diag_text(s->d), "");
    else if (!strstr(diag_text(s->d), warning)) fail_msg("wanted: %s, got: %s", warning, diag_text(s->d));
    llm_model_free(m);
}

static void expect_bad(shelf *s, const char *name, const char *message) {
    llm_model *m = open_at(s, name);
    if (m) fail_msg("opened, but should have failed: %s", message);
    if (!strstr(diag_text(s->d), message)) fail_msg("wanted: %s, got: %s", message, diag_text(s->d));
    assert_int_equal(diag_error_count(s->d), 1);
}

/* ---- a llama of one layer ---- */

#define LLAMA(more)                                                                                                            \
    STR("{\"model_type\":\"llama\",\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
        "\"num_key_value_heads\":1,\"vocab_size\":272,\"max_position_embeddings\":64" more "}")

enum { LLAMA_PARTS = 12, EMBED = 0, Q = 3, V = 5, HEAD = 11 };
static const part llama[LLAMA_PARTS] = {
    {"model.embed_tokens.weight", "F32", 272, 8},
    {"model.norm.weight", "F32", 8, 0},
    {"model.layers.0.input_layernorm.weight", "F32", 8, 0},
    {"model.layers.0.self_attn.q_proj.weight", "BF16", 8, 8},
    {"model.layers.0.self_attn.k_proj.weight", "F16", 4, 8},
    {"model.layers.0.self_attn.v_proj.weight", "F32", 4, 8},
    {"model.layers.0.self_attn.o_proj.weight", "F32", 8, 8},
    {"model.layers.0.post_attention_layernorm.weight", "F32", 8, 0},
    {"model.layers.0.mlp.gate_proj.weight", "F32", 12, 8},
    {"model.layers.0.mlp.up_proj.weight", "F32", 12, 8},
    {"model.layers.0.mlp.down_proj.weight", "F32", 8, 12},
    {"lm_head.weight", "F32", 272, 8},
};

/* The llama with one part changed and one added; NULL dtype takes the part away. */
static void put_llama(shelf *s, int change, part with, part extra) {
    part parts[LLAMA_PARTS + 1];
    size_t n = 0;
    for (int i = 0; i < LLAMA_PARTS; i++) {
        part p = i == change ? with : llama[i];
        if (p.dtype) parts[n++] = p;
    }
    if (extra.dtype) parts[n++] = extra;
    put_weights(s, "model.safetensors", parts, n);
}

static const part none;

static shelf llama_shelf(void) {
    shelf s = shelf_new();
    put_tokenizer(&s);
    put(&s, "config.json", LLAMA(""));
    put_llama(&s, -1, none, none);
    return s;
}

static void opens_by_folder_or_file(void **state) {
    (void)state;
    shelf s = llama_shelf();
    expect_good(&s, NULL, NULL);
    expect_good(&s, "", NULL); /* with a slash at the end */
    expect_good(&s, "model.safetensors", NULL);
    llm_model *m = open_at(&s, "");
    assert_string_equal(m->container, "safetensors");
    assert_string_equal(m->name, path_base(s.folder));
    assert_null(m->label);
    const llm_tensor *q = llm_model_tensor(m, "blk.0.attn_q.weight"), *down = llm_model_tensor(m, "blk.0.ffn_down.weight");
    assert_int_equal(q->type->id, DTYPE_BF16);
    assert_int_equal(q->form, TENSOR_AS_IS);
    assert_int_equal(down->rows, 8);
    assert_int_equal(down->cols, 12);
    assert_int_equal(down->size_bytes, 8 * 12 * 4);
    assert_ptr_equal(m->output, llm_model_tensor(m, "output.weight"));
    assert_true(m->output != m->embed);
    llm_model_free(m);
    shelf_free(&s);
}

static void tied_heads(void **state) {
    (void)state;
    shelf s = llama_shelf();
    put(&s, "config.json", LLAMA(",\"tie_word_embeddings\":true"));
    llm_model *m = open_at(&s, NULL);
    assert_non_null(m);
    assert_ptr_equal(m->output, m->embed); /* although an lm_head is there */
    llm_model_free(m);
    put(&s, "config.json", LLAMA(""));
    put_llama(&s, HEAD, none, none);
    m = open_at(&s, NULL);
    assert_non_null(m);
    assert_ptr_equal(m->output, m->embed);
    llm_model_free(m);
    shelf_free(&s);
}

static void prefixes_and_strangers(void **state) {
    (void)state;
    shelf s = llama_shelf();
    static const char *const prefixes[] = {"", "model.language_model.", "language_model.model."};
    for (int p = 0; p < 3; p++) {
        part parts[LLAMA_PARTS + 1];
        for (int i = 0; i < LLAMA_PARTS; i++) {
            parts[i] = llama[i];
            if (i != HEAD) parts[i].name = arena_printf(s.a, "%s%s", prefixes[p], llama[i].name + 6);
        }
        parts[LLAMA_PARTS] = (part){"vision_tower.layers.0.self_attn.q_proj.weight", "U8", 3, 3};
        put_weights(&s, "model.safetensors", parts, LLAMA_PARTS + 1);
        expect_good(&s, NULL, "1 tensors are not part of a 'llama' model and are ignored: 'vision_tower.layers.0.self_attn.q_proj.weight'");
    }
    put_llama(&s, -1, none, (part){"model.layers.1.self_attn.q_proj.weight", "F32", 8, 8});
    expect_good(&s, NULL, "ignored: 'model.layers.1.self_attn.q_proj.weight'");
    put_llama(&s, -1, none, (part){"model.layers.00.self_attn.q_proj.weight", "F32", 8, 8});
    expect_good(&s, NULL, "are ignored");
    put_llama(&s, -1, none, (part){"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 2, 0});
    expect_good(&s, NULL, NULL);
    put_llama(&s, -1, none, (part){"layers.0.self_attn.q_proj.weight", "F32", 8, 8});
    expect_bad(&s, NULL, "is there twice, with another prefix");
    shelf_free(&s);
}

static void wrong_tensors(void **state) {
    (void)state;
    shelf s = llama_shelf();
    put_llama(&s, V, none, none);
    expect_bad(&s, NULL, "tensor 'blk.0.attn_v.weight' is missing");
    put_llama(&s, V, (part){llama[V].name, "U8", 4, 8}, none);
    expect_bad(&s, NULL, "v_proj.weight' has dtype U8; weights in F32, F16 and BF16 are supported");
    put_llama(&s, V, (part){llama[V].name, "F32", 4, 0}, none);
    expect_bad(&s, NULL, "has 1 dimensions, expected are 2");
    put_llama(&s, V, (part){llama[V].name, "F32", 8, 4}, none);
    expect_bad(&s, NULL, "tensor 'blk.0.attn_v.weight' is 8 x 4");
    put_llama(&s, EMBED, (part){llama[EMBED].name, "F32", 271, 8}, none);
    expect_bad(&s, NULL, "tensor 'token_embd.weight' is 271 x 8");
    shelf_free(&s);
}

static void biases_follow_the_config(void **state) {
    (void)state;
    shelf s = llama_shelf();
    const part bias = {"model.layers.0.self_attn.q_proj.bias", "F32", 8, 0};
    put_llama(&s, -1, none, bias);
    expect_good(&s, NULL, "ignored: 'model.layers.0.self_attn.q_proj.bias'"); /* as the families' own code does */
    put(&s, "config.json", LLAMA(",\"attention_bias\":true"));
    expect_bad(&s, NULL, "promises tensor 'model.layers.0.self_attn.k_proj.bias'");
    put(&s, "config.json", LLAMA(",\"mlp_bias\":true"));
    expect_bad(&s, NULL, "promises tensor 'model.layers.0.mlp.gate_proj.bias'");
    shelf_free(&s);
}

static void missing_files(void **state) {
    (void)state;
    shelf s = shelf_new();
    expect_bad(&s, NULL, "config.json: cannot open");
    put(&s, "config.json", LLAMA(""));
    put(&s, "pytorch_model.bin", STR("x"));
    expect_bad(&s, NULL, "no model.safetensors and no model.safetensors.index.json");
    put_llama(&s, -1, none, none);
    expect_bad(&s, NULL, "there is no tokenizer.json");
    put_tokenizer(&s);
    expect_good(&s, NULL, NULL);
    put(&s, "model.safetensors", STR("\1\2\3"));
    expect_bad(&s, NULL, "3 bytes are no safetensors file");
    put(&s, "model.safetensors", STR(""));
    expect_bad(&s, NULL, "0 bytes are no safetensors file");
    put(&s, "config.json", STR(""));
    expect_bad(&s, NULL, "config.json: line 1");
    shelf_free(&s);
}

/* ---- several files ---- */

#define INDEX "model.safetensors.index.json"

static void put_index(shelf *s, const char *file_of_last) {
    strbuf json = {0};
    strbuf_adds(&json, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int i = 0; i < LLAMA_PARTS; i++)
        strbuf_addf(&json, "%s\"%s\":\"%s\"", i ? "," : "", llama[i].name, i == HEAD ? file_of_last : i < 6 ? "m-1.safetensors" : "m-2.safetensors");
    strbuf_adds(&json, "}}");
    put(s, INDEX, strbuf_str(&json));
    strbuf_free(&json);
}

static void shards(void **state) {
    (void)state;
    shelf s = shelf_new();
    put_tokenizer(&s);
    put(&s, "config.json", LLAMA(""));
    put_weights(&s, "m-1.safetensors", llama, 6);
    put_weights(&s, "m-2.safetensors", llama + 6, 6);
    put_index(&s, "m-2.safetensors");
    expect_good(&s, NULL, NULL);
    expect_good(&s, INDEX, NULL);
    llm_model *m = open_at(&s, NULL);
    assert_int_equal(m->file_count, 2);
    assert_int_equal(llm_model_tensor(m, "token_embd.weight")->file, 0);
    assert_int_equal(m->output->file, 1);
    llm_model_free(m);
    put_index(&s, "m-1.safetensors");
    expect_bad(&s, NULL, "places tensor 'lm_head.weight' in m-1.safetensors, which does not hold it");
    put_index(&s, "m-3.safetensors");
    expect_bad(&s, NULL, "m-3.safetensors: cannot open");
    put_index(&s, "../m-2.safetensors");
    expect_bad(&s, NULL, "'../m-2.safetensors' is not a plain *.safetensors file name");
    put_index(&s, "m-2.safetensors");
    put_weights(&s, "m-2.safetensors", llama + 5, 7);
    expect_bad(&s, NULL, "v_proj.weight' is also in");
    expect_bad(&s, "m-1.safetensors", "is missing"); /* one part alone */
    shelf_free(&s);
}

/* ---- other families ---- */

static void gpt2_with_masks(void **state) {
    (void)state;
    static const part parts[] = {
        {"wte.weight", "F32", 272, 8}, {"wpe.weight", "F32", 16, 8}, {"ln_f.weight", "F32", 8, 0}, {"ln_f.bias", "F32", 8, 0},
        {"h.0.attn.bias", "U8", 16, 16}, {"h.0.attn.masked_bias", "F32", 1, 0}, {"h.0.ln_1.weight", "F32", 8, 0},
        {"h.0.ln_1.bias", "F32", 8, 0}, {"h.0.attn.c_attn.weight", "F32", 8, 24}, {"h.0.attn.c_attn.bias", "F32", 24, 0},
        {"h.0.attn.c_proj.weight", "F32", 8, 8}, {"h.0.attn.c_proj.bias", "F32", 8, 0}, {"h.0.ln_2.weight", "F32", 8, 0},
        {"h.0.ln_2.bias", "F32", 8, 0}, {"h.0.mlp.c_fc.weight", "F32", 8, 32}, {"h.0.mlp.c_fc.bias", "F32", 32, 0},
        {"h.0.mlp.c_proj.weight", "F32", 32, 8}, {"h.0.mlp.c_proj.bias", "F32", 8, 0}};
    enum { N = sizeof parts / sizeof *parts };
    shelf s = shelf_new();
    put_tokenizer(&s);
    put(&s, "config.json", STR("{\"model_type\":\"gpt2\",\"n_embd\":8,\"n_head\":2,\"n_layer\":1,\"n_positions\":16,\"vocab_size\":272}"));
    put_weights(&s, "model.safetensors", parts, N);
    expect_good(&s, NULL, NULL);
    part prefixed[N];
    for (int i = 0; i < N; i++) {
        prefixed[i] = parts[i];
        prefixed[i].name = arena_printf(s.a, "transformer.%s", parts[i].name);
    }
    put_weights(&s, "model.safetensors", prefixed, N);
    expect_good(&s, NULL, NULL);
    llm_model *m = open_at(&s, NULL);
    const llm_tensor *up = m->layers[0].up;
    assert_int_equal(up->form, TENSOR_TRANSPOSED);
    assert_int_equal(up->rows, 32);
    assert_int_equal(up->cols, 8);
    assert_int_equal(m->layers[0].qkv->rows, 24);
    assert_int_equal(m->layers[0].attn_norm->form, TENSOR_AS_IS);
    assert_int_equal(m->embed->form, TENSOR_AS_IS); /* only the linear layers are the other way round */
    assert_ptr_equal(m->output, m->embed);
    llm_model_free(m);
    shelf_free(&s);
}

static void gemma_norms(void **state) {
    (void)state;
    diag *d = diag_new();
    llm_model *m = llm_model_open("tests/data/hf/gemma3", d);
    if (!m) fail_msg("%s", diag_text(d));
    assert_string_equal(diag_text(d), "");
    const llm_layer *l = &m->layers[1];
    const llm_tensor *norms[] = {l->attn_norm, l->attn_post_norm, l->ffn_norm, l->ffn_post_norm, l->q_norm, l->k_norm, m->output_norm};
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) assert_int_equal(norms[i]->form, TENSOR_PLUS_ONE);
    assert_int_equal(l->q->form, TENSOR_AS_IS);
    assert_ptr_equal(l->ffn_norm, llm_model_tensor(m, "blk.1.ffn_norm.weight"));
    llm_model_free(m);
    diag_free(d);
}

/* ---- vocabulary and embedding of different length ---- */

#define SIZED(vocab) STR("{\"model_type\":\"llama\",\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_layers\":1,"          \
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"max_position_embeddings\":64,\"eos_token_id\":[3,999],\"vocab_size\":" #vocab "}")

static void vocabulary_is_fitted(void **state) {
    (void)state;
    shelf s = llama_shelf();
    part embed = {llama[EMBED].name, "F32", 300, 8}, head = {llama[HEAD].name, "F32", 300, 8};
    part parts[LLAMA_PARTS];
    memcpy(parts, llama, sizeof parts);
    parts[EMBED] = embed, parts[HEAD] = head;
    put_weights(&s, "model.safetensors", parts, LLAMA_PARTS);
    put(&s, "config.json", SIZED(300));
    llm_model *m = open_at(&s, NULL);
    if (!m) fail_msg("%s", diag_text(s.d));
    assert_int_equal(m->vocab.count, 300);
    assert_true(str_is(m->vocab.tokens[299], "[PAD299]"));
    assert_int_equal(m->vocab.kinds[299], TOKEN_UNUSED);
    bool stops = false; /* config.json's end counts where generation_config.json is absent; ids beyond the vocabulary do not */
    for (int i = 0; i < m->vocab.stop_count; i++) {
        stops |= m->vocab.stop_ids[i] == 3;
        assert_in_range(m->vocab.stop_ids[i], 0, 299);
    }
    assert_true(stops);
    llm_model_free(m);
    put(&s, "config.json", SIZED(1000000)); /* no padding beyond what the embedding holds */
    expect_bad(&s, NULL, "tokenizer has 272 tokens, the model 1000000");
    parts[EMBED].rows = parts[HEAD].rows = 200;
    put_weights(&s, "model.safetensors", parts, LLAMA_PARTS);
    put(&s, "config.json", SIZED(200));
    expect_bad(&s, NULL, "tokenizer has 272 tokens, the model 200");
    shelf_free(&s);
}

static void added_tokens_without_embedding_are_dropped(void **state) {
    (void)state;
    shelf s = llama_shelf();
    str text;
    assert_true(file_read_all(s.a, "tests/data/hf/llama/tokenizer.json", 1 << 20, &text, s.d));
    const char *added = strstr(text.p, "\"added_tokens\":[");
    assert_non_null(added);
    added += strlen("\"added_tokens\":[");
    char *longer = arena_printf(s.a, "%.*s{\"id\":272,\"content\":\"<image>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                                "\"normalized\":false,\"special\":true},%s", (int)(added - text.p), text.p, added);
    put(&s, "tokenizer.json", str_from(longer));
    put(&s, "config.json", SIZED(272));
    expect_good(&s, NULL, "the last 1 tokens of the tokenizer have no embedding");
    shelf_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_folder_or_file), cmocka_unit_test(tied_heads), cmocka_unit_test(prefixes_and_strangers),
        cmocka_unit_test(wrong_tensors), cmocka_unit_test(biases_follow_the_config), cmocka_unit_test(missing_files),
        cmocka_unit_test(shards), cmocka_unit_test(gpt2_with_masks), cmocka_unit_test(gemma_norms),
        cmocka_unit_test(vocabulary_is_fitted), cmocka_unit_test(added_tokens_without_embedding_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
