/* Do the config.json files that people publish give the right llm_config? Key sets as in the families' published files, with the
 * numbers of real models where one is named. */
#include "llm/hf_internal.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static hf_config read_good(const char *json) {
    diag *d = diag_new();
    hf_config c;
    assert_non_null(d);
    if (!hf_config_read(&c, "config.json", str_from(json), d)) fail_msg("%s\n%s", json, diag_text(d));
    assert_string_equal(diag_text(d), "");
    diag_free(d);
    return c;
}

static void expect_bad(const char *json, const char *message) {
    diag *d = diag_new();
    hf_config c;
    assert_non_null(d);
    if (hf_config_read(&c, "config.json", str_from(json), d)) fail_msg("let through: %s", json);
    if (!strstr(diag_text(d), message)) fail_msg("%s\n  gave: %s  wanted: %s", json, diag_text(d), message);
    assert_int_equal(diag_error_count(d), 1);
    diag_free(d);
}

#define NEAR(a, b) assert_true(fabs((double)(a) - (double)(b)) <= 1e-6 * fabs((double)(b)))

static unsigned windowed(const hf_config *c) {
    unsigned n = 0;
    for (uint32_t l = 0; l < LLM_LAYERS_MAX; l++) n += c->model.windowed[l];
    return n;
}

/* ---- families ---- */

static void smollm2(void **state) { /* SmolLM2-135M-Instruct */
    (void)state;
    hf_config c = read_good(
        "{\"architectures\":[\"LlamaForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,\"bos_token_id\":1,\"eos_token_id\":2,"
        "\"hidden_act\":\"silu\",\"hidden_size\":576,\"initializer_range\":0.041666666666666664,\"intermediate_size\":1536,"
        "\"is_llama_config\":true,\"max_position_embeddings\":8192,\"model_type\":\"llama\",\"num_attention_heads\":9,"
        "\"num_hidden_layers\":30,\"num_key_value_heads\":3,\"pad_token_id\":2,\"pretraining_tp\":1,\"rms_norm_eps\":1e-05,"
        "\"rope_interleaved\":false,\"rope_scaling\":null,\"rope_theta\":100000,\"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\","
        "\"use_cache\":true,\"vocab_size\":49152}");
    const llm_config *m = &c.model;
    assert_string_equal(m->arch->name, "llama");
    assert_int_equal(m->layers, 30);
    assert_int_equal(m->width, 576);
    assert_int_equal(m->heads, 9);
    assert_int_equal(m->kv_heads, 3);
    assert_int_equal(m->head_size, 64);
    assert_int_equal(m->mlp_width, 1536);
    assert_int_equal(m->vocab, 49152);
    assert_int_equal(m->context, 8192);
    assert_int_equal(m->rope, ROPE_HALVES); /* not permuted, as GGUF's are */
    assert_int_equal(m->rope_dims, 64);
    assert_int_equal(m->scaling, ROPE_SCALING_NONE);
    assert_int_equal(m->window, 0);
    NEAR(m->rope_theta, 1e5);
    NEAR(m->norm_eps, 1e-5);
    NEAR(m->attn_scale, 0.125);
    NEAR(m->embed_scale, 1);
    assert_true(c.tied);
    assert_false(c.attention_bias);
    assert_int_equal(c.bos, 1);
    assert_int_equal(c.eos_count, 1);
    assert_int_equal(c.eos[0], 2);
}

static void llama31(void **state) { /* Llama-3.1-8B-Instruct: llama3 scaling, several ends */
    (void)state;
    const char *old =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"bos_token_id\":128000,\"eos_token_id\":[128001,128008,128009],\"hidden_act\":\"silu\","
        "\"hidden_size\":4096,\"intermediate_size\":14336,\"max_position_embeddings\":131072,\"mlp_bias\":false,\"model_type\":\"llama\","
        "\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05,\"rope_scaling\":{"
        "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192,"
        "\"rope_type\":\"llama3\"},\"rope_theta\":500000.0,\"tie_word_embeddings\":false,\"vocab_size\":128256}";
    const char *new = /* transformers 5 */
        "{\"architectures\":[\"LlamaForCausalLM\"],\"dtype\":\"bfloat16\",\"bos_token_id\":128000,\"eos_token_id\":[128001,128008,128009],"
        "\"head_dim\":128,\"hidden_act\":\"silu\",\"hidden_size\":4096,\"intermediate_size\":14336,\"max_position_embeddings\":131072,"
        "\"model_type\":\"llama\",\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05,"
        "\"rope_parameters\":{\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192,"
        "\"rope_theta\":500000.0,\"rope_type\":\"llama3\"},\"vocab_size\":128256}";
    for (int i = 0; i < 2; i++) {
        hf_config c = read_good(i ? new : old);
        assert_int_equal(c.model.scaling, ROPE_SCALING_LLAMA3);
        NEAR(c.model.rope_theta, 5e5);
        NEAR(c.model.scaling_factor, 8);
        NEAR(c.model.scaling_low, 1);
        NEAR(c.model.scaling_high, 4);
        assert_int_equal(c.model.scaling_context, 8192);
        assert_int_equal(c.model.context, 131072);
        assert_int_equal(c.model.head_size, 128);
        assert_int_equal(c.model.kv_heads, 8);
        assert_false(c.tied);
        assert_int_equal(c.eos_count, 3);
        assert_int_equal(c.eos[2], 128009);
    }
}

#define MISTRAL(more)                                                                                                         \
    "{\"architectures\":[\"MistralForCausalLM\"],\"hidden_act\":\"silu\",\"hidden_size\":4096,\"intermediate_size\":14336,"    \
    "\"max_position_embeddings\":32768,\"model_type\":\"mistral\",\"num_attention_heads\":32,\"num_hidden_layers\":4,"         \
    "\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"vocab_size\":32000" more "}"

static void mistral(void **state) {
    (void)state;
    hf_config c = read_good(MISTRAL(",\"sliding_window\":4096"));
    assert_string_equal(c.model.arch->name, "llama");
    assert_int_equal(c.model.window, 4096);
    assert_int_equal(windowed(&c), 4);
    c = read_good(MISTRAL("")); /* the class says 4096 */
    assert_int_equal(c.model.window, 4096);
    c = read_good(MISTRAL(",\"sliding_window\":null,\"head_dim\":160")); /* v0.2 and later; Nemo's head size is not width / heads */
    assert_int_equal(c.model.window, 0);
    assert_int_equal(windowed(&c), 0);
    assert_int_equal(c.model.head_size, 160);
    assert_int_equal(c.model.rope_dims, 160);
    NEAR(c.model.attn_scale, 1 / sqrt(160));
}

#define QWEN2(more)                                                                                                           \
    "{\"architectures\":[\"Qwen2ForCausalLM\"],\"attention_dropout\":0.0,\"bos_token_id\":151643,\"eos_token_id\":151645,"     \
    "\"hidden_act\":\"silu\",\"hidden_size\":896,\"intermediate_size\":4864,\"max_position_embeddings\":32768,"               \
    "\"model_type\":\"qwen2\",\"num_attention_heads\":14,\"num_hidden_layers\":24,\"num_key_value_heads\":2,"                  \
    "\"rms_norm_eps\":1e-06,\"rope_theta\":1000000.0,\"tie_word_embeddings\":true,\"vocab_size\":151936" more "}"

static void qwen2(void **state) { /* Qwen2.5-0.5B-Instruct */
    (void)state;
    hf_config c = read_good(QWEN2(",\"max_window_layers\":21,\"sliding_window\":32768,\"use_sliding_window\":false"));
    assert_string_equal(c.model.arch->name, "qwen2");
    assert_int_equal(c.model.head_size, 64);
    assert_int_equal(c.model.window, 0);
    assert_int_equal(windowed(&c), 0);
    assert_true(c.model.arch->qkv_bias);
    NEAR(c.model.rope_theta, 1e6);
    NEAR(c.model.norm_eps, 1e-6);
    c = read_good(QWEN2(",\"max_window_layers\":21,\"sliding_window\":512,\"use_sliding_window\":true"));
    assert_int_equal(c.model.window, 512);
    assert_int_equal(windowed(&c), 3);
    assert_false(c.model.windowed[20]);
    assert_true(c.model.windowed[21]);
}

static void qwen_yarn(void **state) { /* as the model cards tell people to write it */
    (void)state;
    hf_config c = read_good(QWEN2(",\"rope_scaling\":{\"factor\":4.0,\"original_max_position_embeddings\":32768,\"type\":\"yarn\"}"));
    assert_int_equal(c.model.scaling, ROPE_SCALING_YARN);
    NEAR(c.model.scaling_factor, 4);
    NEAR(c.model.scaling_beta_fast, 32);
    NEAR(c.model.scaling_beta_slow, 1);
    NEAR(c.model.scaling_attn_factor, 1);
    assert_int_equal(c.model.scaling_context, 32768);
    c = read_good(QWEN2(",\"rope_scaling\":{\"factor\":4.0,\"attention_factor\":1.0,\"rope_type\":\"yarn\"}"));
    NEAR(c.model.scaling_attn_factor, 1 / (1 + 0.1 * log(4)));
    c = read_good(QWEN2(",\"rope_scaling\":{\"factor\":40.0,\"mscale\":1.0,\"mscale_all_dim\":1.0,\"rope_type\":\"yarn\"}"));
    NEAR(c.model.scaling_attn_factor, 1 / (1 + 0.1 * log(40)));
    expect_bad(QWEN2(",\"rope_scaling\":{\"factor\":4.0,\"truncate\":false,\"rope_type\":\"yarn\"}"), "'truncate' is false");
    expect_bad(QWEN2(",\"rope_scaling\":{\"rope_type\":\"yarn\"}"), "'factor' is missing");
    expect_bad(QWEN2(",\"rope_scaling\":{\"factor\":0.5,\"rope_type\":\"linear\"}"), "'factor' is below 1");
}

static void qwen3(void **state) { /* Qwen3-0.6B */
    (void)state;
    hf_config c = read_good(
        "{\"architectures\":[\"Qwen3ForCausalLM\"],\"attention_bias\":false,\"bos_token_id\":151643,\"eos_token_id\":151645,\"head_dim\":128,"
        "\"hidden_act\":\"silu\",\"hidden_size\":1024,\"intermediate_size\":3072,\"max_position_embeddings\":40960,\"max_window_layers\":28,"
        "\"model_type\":\"qwen3\",\"num_attention_heads\":16,\"num_hidden_layers\":28,\"num_key_value_heads\":8,\"rms_norm_eps\":1e-06,"
        "\"rope_scaling\":null,\"rope_theta\":1000000,\"sliding_window\":null,\"tie_word_embeddings\":true,\"use_sliding_window\":false,"
        "\"vocab_size\":151936}");
    assert_string_equal(c.model.arch->name, "qwen3");
    assert_int_equal(c.model.head_size, 128);
    assert_true(c.model.arch->qk_norm);
    NEAR(c.model.attn_scale, 1 / sqrt(128));
}

static void gemma3_270m(void **state) {
    (void)state;
    hf_config c = read_good(
        "{\"_sliding_window_pattern\":6,\"architectures\":[\"Gemma3ForCausalLM\"],\"attention_bias\":false,\"attn_logit_softcapping\":null,"
        "\"bos_token_id\":2,\"eos_token_id\":1,\"final_logit_softcapping\":null,\"head_dim\":256,\"hidden_activation\":"
        "\"gelu_pytorch_tanh\",\"hidden_size\":640,\"intermediate_size\":2048,\"layer_types\":[\"sliding_attention\",\"sliding_attention\","
        "\"sliding_attention\",\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"sliding_attention\","
        "\"sliding_attention\",\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"sliding_attention\","
        "\"sliding_attention\",\"sliding_attention\",\"sliding_attention\",\"full_attention\"],\"max_position_embeddings\":32768,"
        "\"model_type\":\"gemma3_text\",\"num_attention_heads\":4,\"num_hidden_layers\":18,\"num_key_value_heads\":1,\"pad_token_id\":0,"
        "\"query_pre_attn_scalar\":256,\"rms_norm_eps\":1e-06,\"rope_local_base_freq\":10000.0,\"rope_scaling\":null,"
        "\"rope_theta\":1000000.0,\"sliding_window\":512,\"use_bidirectional_attention\":false,\"vocab_size\":262144}");
    assert_string_equal(c.model.arch->name, "gemma3");
    assert_int_equal(c.model.window, 512);
    assert_int_equal(windowed(&c), 15);
    assert_true(c.model.windowed[4]);
    assert_false(c.model.windowed[5]);
    assert_false(c.model.windowed[17]);
    NEAR(c.model.rope_theta, 1e6);
    NEAR(c.model.rope_theta_windowed, 1e4);
    NEAR(c.model.attn_scale, 1.0 / 16);
    NEAR(c.model.embed_scale, sqrt(640));
    assert_true(c.tied); /* no key says so */
}

static void gemma3_multimodal(void **state) { /* gemma-3-4b-it: most keys of the text part are left out */
    (void)state;
    hf_config c = read_good(
        "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"eos_token_id\":[1,106],\"model_type\":\"gemma3\",\"text_config\":{"
        "\"hidden_size\":2560,\"intermediate_size\":10240,\"model_type\":\"gemma3_text\",\"num_hidden_layers\":34,\"rope_scaling\":{"
        "\"factor\":8.0,\"rope_type\":\"linear\"},\"sliding_window\":1024},\"vision_config\":{\"hidden_size\":1152}}");
    assert_int_equal(c.model.heads, 8);
    assert_int_equal(c.model.kv_heads, 4);
    assert_int_equal(c.model.head_size, 256);
    assert_int_equal(c.model.vocab, 262208);
    assert_int_equal(c.model.context, 131072);
    assert_int_equal(c.model.window, 1024);
    assert_int_equal(windowed(&c), 29);
    assert_int_equal(c.model.scaling, ROPE_SCALING_LINEAR);
    NEAR(c.model.scaling_factor, 8);
    NEAR(c.model.attn_scale, 1.0 / 16);
    assert_int_equal(c.eos_count, 2);
    assert_true(c.tied);
}

#define GEMMA(more)                                                                                                       \
    "{\"model_type\":\"gemma3_text\",\"hidden_size\":64,\"intermediate_size\":64,\"num_hidden_layers\":7,\"head_dim\":16,"     \
    "\"num_attention_heads\":4,\"num_key_value_heads\":1,\"vocab_size\":100,\"sliding_window\":32" more "}"

static void gemma3_newer_spelling(void **state) {
    (void)state;
    hf_config c = read_good(GEMMA(",\"rope_parameters\":{\"full_attention\":{\"factor\":8.0,\"rope_theta\":2000000.0,\"rope_type\":\"linear\"},"
                                  "\"sliding_attention\":{\"rope_theta\":20000.0,\"rope_type\":\"default\"}}"));
    NEAR(c.model.rope_theta, 2e6);
    NEAR(c.model.rope_theta_windowed, 2e4);
    assert_int_equal(c.model.scaling, ROPE_SCALING_LINEAR);
    assert_int_equal(windowed(&c), 6); /* 5 windowed, 1 not, 1 windowed */
    c = read_good(GEMMA(",\"sliding_window_pattern\":2,\"query_pre_attn_scalar\":168,\"final_logit_softcapping\":30.0"));
    assert_int_equal(windowed(&c), 4);
    NEAR(c.model.attn_scale, 1 / sqrt(168));
    NEAR(c.model.logit_softcap, 30);
    expect_bad(GEMMA(",\"rope_parameters\":{\"full_attention\":{},\"sliding_attention\":{\"factor\":2.0,\"rope_type\":\"linear\"}}"),
               "'sliding_attention' scales its rope");
    expect_bad(GEMMA(",\"use_bidirectional_attention\":true"), "embedding model");
}

#define GPT2(more)                                                                                                       \
    "{\"architectures\":[\"GPT2LMHeadModel\"],\"activation_function\":\"gelu_new\",\"bos_token_id\":50256,\"eos_token_id\":50256,"     \
    "\"layer_norm_epsilon\":1e-05,\"model_type\":\"gpt2\",\"n_ctx\":1024,\"n_embd\":768,\"n_head\":12,\"n_layer\":12," \
    "\"n_positions\":1024,\"vocab_size\":50257" more "}"

static void gpt2(void **state) {
    (void)state;
    hf_config c = read_good(GPT2(",\"n_inner\":null,\"summary_type\":\"cls_index\",\"task_specific_params\":{}"));
    assert_string_equal(c.model.arch->name, "gpt2");
    assert_int_equal(c.model.width, 768);
    assert_int_equal(c.model.kv_heads, 12);
    assert_int_equal(c.model.mlp_width, 3072);
    assert_int_equal(c.model.context, 1024);
    assert_int_equal(c.model.rope, ROPE_NONE);
    assert_int_equal(c.model.rope_dims, 0);
    NEAR(c.model.attn_scale, 0.125);
    assert_true(c.tied);
    c = read_good(GPT2(",\"n_inner\":1000,\"scale_attn_weights\":false"));
    assert_int_equal(c.model.mlp_width, 1000);
    NEAR(c.model.attn_scale, 1);
    expect_bad(GPT2(",\"scale_attn_by_inverse_layer_idx\":true"), "'scale_attn_by_inverse_layer_idx' is not supported");
}

/* ---- refusals ---- */

static void quantised_weights_are_refused_by_name(void **state) {
    (void)state;
    static const char *const methods[] = {"gptq", "awq", "fp8", "bitsandbytes", "compressed-tensors", "mxfp4"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char json[300], want[64];
        snprintf(json, sizeof json, "{\"model_type\":\"gpt_oss\",\"quantization_config\":{\"quant_method\":\"%s\",\"bits\":4}}", methods[i]);
        snprintf(want, sizeof want, "'%s' are not supported", methods[i]);
        expect_bad(json, want);
    }
    expect_bad(QWEN2(",\"quantization_config\":{\"load_in_4bit\":true}"), "'bitsandbytes'");
    expect_bad(QWEN2(",\"compression_config\":{\"quant_method\":\"compressed-tensors\"}"), "'compressed-tensors'");
    expect_bad(QWEN2(",\"quantization_config\":{}"), "'unnamed'");
    read_good(QWEN2(",\"quantization_config\":null"));
}

static void rope_kinds_are_refused_by_name(void **state) {
    (void)state;
    static const char *const kinds[] = {"dynamic", "longrope", "su", "ntk"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char json[600], want[64];
        snprintf(json, sizeof json, QWEN2(",\"rope_scaling\":{\"type\":\"%s\",\"factor\":2.0}"), kinds[i]);
        snprintf(want, sizeof want, "rope scaling '%s' is not supported", kinds[i]);
        expect_bad(json, want);
    }
    expect_bad(QWEN2(",\"rope_scaling\":{\"type\":\"default\",\"mrope_section\":[16,24,24]}"), "'mrope'");
    expect_bad(QWEN2(",\"rope_scaling\":{\"type\":7}"), "'type' is not a string");
    expect_bad(QWEN2(",\"rope_parameters\":{\"rope_theta\":1e6,\"partial_rotary_factor\":0.5}"), "'partial_rotary_factor' is not 1");
    expect_bad(MISTRAL(",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1,"
                       "\"original_max_position_embeddings\":8192}"), "'high_freq_factor' is not above");
}

static void other_models_are_refused(void **state) {
    (void)state;
    expect_bad("{\"model_type\":\"mixtral\"}", "'mixtral' is not supported; these are: llama, mistral");
    expect_bad("{}", "model_type ''");
    expect_bad("{\"model_type\":7}", "'model_type' is not a string");
    expect_bad("{\"model_type\":\"\\u001b[2J\"}", "'?[2J'");
    expect_bad("{\"model_type\":\"llama\",\"architectures\":[\"LlamaForSequenceClassification\"]}", "is not a language model");
    expect_bad(QWEN2(",\"num_experts\":60"), "'num_experts' says mixture of experts");
    expect_bad(QWEN2(",\"hidden_activation\":\"relu\""), "activation 'relu'");
    expect_bad(QWEN2(",\"vocab_size\":7"), "cannot be trusted");
}

#define SIZES(layers, width, heads, more)                                                                                    \
    "{\"model_type\":\"llama\",\"num_hidden_layers\":" layers ",\"hidden_size\":" width ",\"num_attention_heads\":" heads      \
    ",\"intermediate_size\":64,\"vocab_size\":100" more "}"

static void sizes_are_checked(void **state) {
    (void)state;
    read_good(SIZES("2", "64", "4", ""));
    expect_bad(SIZES("0", "64", "4", ""), "'num_hidden_layers' is not a whole number in 1..2^30");
    expect_bad(SIZES("1025", "64", "4", ""), "'num_hidden_layers' is above 1024");
    expect_bad(SIZES("2", "9223372036854775807", "4", ""), "'hidden_size'");
    expect_bad(SIZES("2", "9223372036854775808", "4", ""), "not valid JSON");
    expect_bad(SIZES("2", "-64", "4", ""), "'hidden_size'");
    expect_bad(SIZES("2", "64.0", "4", ""), "'hidden_size'");
    expect_bad(SIZES("2", "\"64\"", "4", ""), "'hidden_size'");
    expect_bad(SIZES("2", "null", "4", ""), "'hidden_size' is missing");
    expect_bad(SIZES("2", "64", "5", ""), "'head_dim' is missing");
    expect_bad(SIZES("2", "1048576", "32768", ""), "above 16384");
    expect_bad(SIZES("2", "64", "4", ",\"rms_norm_eps\":0"), "'rms_norm_eps' is not between 0 and 1");
    expect_bad(SIZES("2", "64", "4", ",\"rms_norm_eps\":1e999"), "not valid JSON");
    expect_bad(SIZES("2", "64", "4", ",\"rope_theta\":-1"), "'rope_theta'");
    expect_bad(SIZES("2", "64", "4", ",\"tie_word_embeddings\":1"), "'tie_word_embeddings' is not true or false");
    expect_bad(SIZES("2", "64", "4", ",\"eos_token_id\":\"</s>\""), "'eos_token_id' is not a token number");
    expect_bad(GEMMA(",\"layer_types\":[\"full_attention\"]"), "'layer_types' is not a list with one entry per layer");
    expect_bad(GEMMA(",\"layer_types\":[1,2,3,4,5,6,7]"), "'layer_types' has an entry besides");
    expect_bad(GEMMA(",\"sliding_window_pattern\":0"), "'sliding_window_pattern'");
    expect_bad("", "not valid JSON");
    expect_bad("[]", "not an object");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2), cmocka_unit_test(llama31), cmocka_unit_test(mistral), cmocka_unit_test(qwen2),
        cmocka_unit_test(qwen_yarn), cmocka_unit_test(qwen3), cmocka_unit_test(gemma3_270m), cmocka_unit_test(gemma3_multimodal),
        cmocka_unit_test(gemma3_newer_spelling), cmocka_unit_test(gpt2), cmocka_unit_test(quantised_weights_are_refused_by_name),
        cmocka_unit_test(rope_kinds_are_refused_by_name), cmocka_unit_test(other_models_are_refused), cmocka_unit_test(sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
