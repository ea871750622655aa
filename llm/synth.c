/* A model's tensors are listed first, each with the mean and deviation of its elements; then gguf_file.c asks for
 * the rows, and every row is drawn from a generator of its own, seeded by the model's seed, the tensor's name and
 * the row's number.
 *
 * The scales. A matrix with deviation 1/sqrt(inputs) keeps the size of its input; what is added to the residual
 * stream is made smaller by sqrt(2 layers), so that all of it together is of order one. With a tied output, the
 * embedding must be small against that sum, or every token would predict itself; the output norm then makes the
 * logits large again.
 */
#include "llm/synth.h"
#include "base/rng.h"
#include <stdio.h>

/* name, architecture, layers, width, heads, KV heads, head size, MLP, vocabulary, context, window, theta, rope, tied */
static const synth_options presets[] = {
    {"llama", "llama", 4, 256, 8, 2, 32, 704, 512, 1024, 0, 1e4, SYNTH_ROPE_PLAIN, .tied = false},
    {"qwen2", "qwen2", 4, 256, 8, 2, 32, 704, 512, 1024, 0, 1e6, SYNTH_ROPE_PLAIN, .tied = true},
    {"qwen3", "qwen3", 4, 256, 4, 2, 128, 704, 512, 1024, 0, 1e6, SYNTH_ROPE_PLAIN, .tied = true},
    {"gemma3", "gemma3", 6, 256, 4, 1, 64, 1024, 512, 1024, 256, 1e6, SYNTH_ROPE_PLAIN, .tied = true},
    {"gpt2", "gpt2", 4, 256, 4, 4, 64, 1024, 512, 1024, 0, 0, SYNTH_ROPE_PLAIN, .tied = true},
    /* Particular models: the one in data/models, and the shape of TinyLlama 1.1B. */
    {"tiny", "llama", 4, 128, 4, 2, 32, 384, 512, 512, 0, 1e4, SYNTH_ROPE_PLAIN, .name = "untrained-tiny"},
    {"1b1", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 0, 1e4, SYNTH_ROPE_PLAIN, .name = "untrained-1b1"},
};

const synth_options *synth_preset_row(size_t i) { return i < sizeof presets / sizeof *presets ? &presets[i] : NULL; }

const synth_options *synth_preset(str name) {
    for (size_t i = 0; synth_preset_row(i); i++)
        if (str_is(name, presets[i].preset)) return &presets[i];
    return NULL;
}

/* What one row of a tensor is drawn from; `values`, when given, is the tensor. */
typedef struct {
    float mean, deviation;
    const float *values;
} recipe;

typedef struct {
    const synth_options *o;
    const llm_arch *arch;
    const dtype_info *type;
    arena *a;
    diag *d;
    gguf_tensor *tensors;
    recipe *recipes;
    size_t count, cap, fallbacks;
    char layer[32];          /* "blk.3.": put before the names of a layer's tensors */
    bool oom;
} maker;

/* ---- the list of tensors ---- */

static void add(maker *m, const char *name, uint64_t cols, uint64_t rows, const dtype_info *type, recipe r) {
    char *full = arena_printf(m->a, "%s%s", m->layer, name);
    if (!full || m->count == m->cap) {
        m->oom = true;
        return;
    }
    m->recipes[m->count] = r;
    m->tensors[m->count++] = (gguf_tensor){
        .name = str_from(full), .n_dims = rows ? 2 : 1, .dims = {cols, rows ? rows : 1, 1, 1}, .type = type};
}

static void add_matrix(maker *m, const char *name, uint64_t inputs, uint64_t outputs, double gain) {
    const dtype_info *type = dtype_fit(m->type, inputs);
    if (type != m->type && !m->fallbacks++)
        diag_warn(m->d, "%s%s: rows of %llu do not fit blocks of %s; this and others like it become %s", m->layer, name,
                  (unsigned long long)inputs, m->type->name, type->name);
    add(m, name, inputs, outputs, type, (recipe){0, (float)(gain / sqrt((double)inputs)), NULL});
}

static void add_vector(maker *m, const char *name, uint64_t n, double mean, double deviation) {
    add(m, name, n, 0, dtype_find(DTYPE_F32), (recipe){(float)mean, (float)deviation, NULL});
}

static void add_bias(maker *m, const char *name, uint64_t n, bool wanted) {
    if (wanted) add_vector(m, name, n, 0, 0.05);
}

static void add_norm(maker *m, const char *name, const char *bias, uint64_t n, double mean) {
    add_vector(m, name, n, mean, 0.1 * mean);
    add_bias(m, bias, n, m->arch->all_bias);
}

static void add_attention(maker *m) {
    const synth_options *o = m->o;
    const llm_arch *arch = m->arch;
    uint64_t q = (uint64_t)o->heads * o->head_size, kv = (uint64_t)o->kv_heads * o->head_size;
    bool bias = arch->qkv_bias || arch->all_bias;
    add_norm(m, "attn_norm.weight", "attn_norm.bias", o->width, 1);
    if (arch->fused_qkv) {
        add_matrix(m, "attn_qkv.weight", o->width, q + 2 * kv, 1.4);
        add_bias(m, "attn_qkv.bias", q + 2 * kv, bias);
    } else { /* q is larger, so that attention looks at some tokens more than at others */
        add_matrix(m, "attn_q.weight", o->width, q, 2);
        add_bias(m, "attn_q.bias", q, bias);
        add_matrix(m, "attn_k.weight", o->width, kv, 1);
        add_bias(m, "attn_k.bias", kv, bias);
        add_matrix(m, "attn_v.weight", o->width, kv, 1);
        add_bias(m, "attn_v.bias", kv, bias);
    }
    if (arch->qk_norm) {
        add_vector(m, "attn_q_norm.weight", o->head_size, 1.5, 0.15);
        add_vector(m, "attn_k_norm.weight", o->head_size, 1, 0.1);
    }
    add_matrix(m, "attn_output.weight", q, o->width, 1.5 / sqrt(2.0 * o->layers));
    add_bias(m, "attn_output.bias", o->width, arch->all_bias);
    if (arch->post_norms) add_vector(m, "post_attention_norm.weight", o->width, 1, 0.1);
}

static void add_mlp(maker *m) {
    const synth_options *o = m->o;
    const llm_arch *arch = m->arch;
    add_norm(m, "ffn_norm.weight", "ffn_norm.bias", o->width, 1);
    if (arch->gated) add_matrix(m, "ffn_gate.weight", o->width, o->mlp_width, 1);
    add_matrix(m, "ffn_up.weight", o->width, o->mlp_width, 1);
    add_bias(m, "ffn_up.bias", o->mlp_width, arch->all_bias);
    add_matrix(m, "ffn_down.weight", o->mlp_width, o->width, 1.6 / sqrt(2.0 * o->layers));
    add_bias(m, "ffn_down.bias", o->width, arch->all_bias);
    if (arch->post_norms) add_vector(m, "post_ffw_norm.weight", o->width, 1, 0.1);
}

/* Llama 3's divisors of the rope angles: long waves are stretched by `factor`, short ones left alone, a ramp
 * between. */
static void add_rope_factors(maker *m) {
    const double factor = 8, low = 1, high = 4, context = m->o->context / 4.0;
    uint32_t n = m->o->head_size / 2;
    float *values = arena_push_n(m->a, float, n);
    if (!values) {
        m->oom = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        double wave = 2 * 3.14159265358979323846 * pow(m->o->rope_theta, 2.0 * i / m->o->head_size);
        double share = (context / wave - low) / (high - low); /* 1: unchanged, 0: stretched */
        share = share < 0 ? 0 : share > 1 ? 1 : share;
        values[i] = (float)(1 / ((1 - share) / factor + share));
    }
    add(m, "rope_freqs.weight", n, 0, dtype_find(DTYPE_F32), (recipe){0, 0, values});
}

static void add_tensors(maker *m) {
    const synth_options *o = m->o;
    double sum = m->arch->post_norms ? sqrt(2.0 * o->layers) : 0.7; /* rms of all that the layers add */
    double embed = o->tied ? sum : sqrt((double)o->width);           /* gain, over 1/sqrt(width) */
    if (m->arch->embed_scaled) embed /= sqrt((double)o->width);
    double logit_gain = o->tied ? 3 / embed : 1;
    add_matrix(m, "token_embd.weight", o->width, o->vocab, embed);
    if (m->arch->positions)
        add(m, "position_embd.weight", o->width, o->context, dtype_find(DTYPE_F32),
            (recipe){0, (float)(embed / sqrt((double)o->width)), NULL});
    if (o->rope == SYNTH_ROPE_LLAMA3) add_rope_factors(m);
    for (uint32_t l = 0; l < o->layers; l++) {
        snprintf(m->layer, sizeof m->layer, "blk.%u.", l);
        add_attention(m);
        add_mlp(m);
    }
    m->layer[0] = 0;
    add_norm(m, "output_norm.weight", "output_norm.bias", o->width, logit_gain);
    if (!o->tied) add_matrix(m, "output.weight", o->width, o->vocab, 3);
}

/* ---- metadata ---- */

/* A key of the architecture: "llama." and the name; the longest fit. */
typedef struct {
    char text[96];
} arch_key;

static arch_key key(const maker *m, const char *name) {
    arch_key k;
    snprintf(k.text, sizeof k.text, "%s.%s", m->arch->name, name);
    return k;
}

static void put_rope(const maker *m, gguf_writer *w) {
    const synth_options *o = m->o;
    if (m->arch->rope_gguf == ROPE_NONE) return;
    gguf_put_u32(w, key(m, "rope.dimension_count").text, o->head_size);
    gguf_put_f32(w, key(m, "rope.freq_base").text, (float)o->rope_theta);
    if (m->arch->window_period) gguf_put_f32(w, key(m, "rope.freq_base_swa").text, (float)m->arch->rope_theta_windowed);
    if (o->rope != SYNTH_ROPE_LINEAR && o->rope != SYNTH_ROPE_YARN) return;
    gguf_put_str(w, key(m, "rope.scaling.type").text, o->rope == SYNTH_ROPE_YARN ? STR("yarn") : STR("linear"));
    gguf_put_f32(w, key(m, "rope.scaling.factor").text, 4);
    if (o->rope == SYNTH_ROPE_YARN)
        gguf_put_u32(w, key(m, "rope.scaling.original_context_length").text, o->context / 4);
}

static void put_shape(const maker *m, gguf_writer *w) {
    const synth_options *o = m->o;
    gguf_put_u32(w, key(m, "vocab_size").text, o->vocab);
    gguf_put_u32(w, key(m, "context_length").text, o->context);
    gguf_put_u32(w, key(m, "embedding_length").text, o->width);
    gguf_put_u32(w, key(m, "block_count").text, o->layers);
    gguf_put_u32(w, key(m, "feed_forward_length").text, o->mlp_width);
    gguf_put_u32(w, key(m, "attention.head_count").text, o->heads);
    gguf_put_u32(w, key(m, "attention.head_count_kv").text, o->kv_heads);
    gguf_put_u32(w, key(m, "attention.key_length").text, o->head_size);
    gguf_put_u32(w, key(m, "attention.value_length").text, o->head_size);
    if (m->arch->norm == NORM_RMS) gguf_put_f32(w, key(m, "attention.layer_norm_rms_epsilon").text, 1e-6f);
    else gguf_put_f32(w, key(m, "attention.layer_norm_epsilon").text, 1e-5f);
    if (o->window) gguf_put_u32(w, key(m, "attention.sliding_window").text, o->window);
}

static void put_general(const maker *m, gguf_writer *w, const char *name) {
    gguf_put_str(w, "general.architecture", str_from(m->arch->name));
    gguf_put_str(w, "general.type", STR("model"));
    gguf_put_str(w, "general.name", str_from(name));
    gguf_put_str(w, "general.description", STR("Untrained: random weights from a seed, for tests and measurements."));
    gguf_put_str(w, "ingot.label", STR("untrained, seeded"));
    gguf_put_u32(w, "ingot.seed", m->o->seed);
    gguf_put_u32(w, "general.file_type", m->type->file_type);
    gguf_put_u32(w, "general.quantization_version", 2);
}

/* ---- weights ---- */

/* Nearly normal: the sum of twelve uniform numbers of 16 bits, exact in integers. */
static inline float draw(rng *r) {
    uint32_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t u = rng_u64(r);
        sum += (uint32_t)((u & 0xFFFF) + (u >> 16 & 0xFFFF) + (u >> 32 & 0xFFFF) + (u >> 48));
    }
    return ((float)sum - 6 * 65535.0f) * 0x1p-16f;
}

static void make_row(void *arg, size_t tensor, uint64_t row, float *scratch, uint8_t *out) {
    const maker *m = arg;
    const gguf_tensor *t = &m->tensors[tensor];
    const recipe *p = &m->recipes[tensor];
    uint64_t mix = str_hash(t->name) ^ ((uint64_t)m->o->seed << 32);
    rng r = rng_seed(rng_splitmix(&mix) + row);
    for (uint64_t i = 0; i < t->dims[0]; i++) scratch[i] = p->values ? p->values[i] : p->mean + p->deviation * draw(&r);
    t->type->from_f32(scratch, out, t->dims[0]);
}

/* ---- the whole ---- */

static bool in_range(diag *d, const char *what, uint32_t value, uint32_t lo, uint32_t hi) {
    return (value >= lo && value <= hi) || diag_error(d, "%s: %u is not in %u..%u", what, value, lo, hi);
}

static bool check(const synth_options *o, const llm_arch *arch, diag *d) {
    if (!arch) return diag_error(d, "architecture '%s' is not known", o->arch);
    if (!in_range(d, "layers", o->layers, 1, 1024) || !in_range(d, "width", o->width, 2, 1 << 17) ||
        !in_range(d, "heads", o->heads, 1, 1024) || !in_range(d, "kv-heads", o->kv_heads, 1, o->heads) ||
        !in_range(d, "head-size", o->head_size, 2, 1024) || !in_range(d, "mlp", o->mlp_width, 1, 1 << 20) ||
        !in_range(d, "vocab", o->vocab, SYNTH_VOCAB_MIN, 1 << 22) || !in_range(d, "context", o->context, 8, 1 << 24))
        return false;
    if (o->heads % o->kv_heads)
        return diag_error(d, "heads: %u is no multiple of the %u KV heads", o->heads, o->kv_heads);
    if (o->head_size % 2) return diag_error(d, "head-size: %u is odd; rope turns pairs", o->head_size);
    if (arch->fused_qkv && (o->kv_heads != o->heads || o->heads * o->head_size != o->width))
        return diag_error(d, "%s needs as many KV heads as heads, and heads x head-size = width", arch->name);
    if (arch->window_period && !o->window) return diag_error(d, "%s needs a window", arch->name);
    if (o->rope != SYNTH_ROPE_PLAIN && arch->rope_gguf == ROPE_NONE)
        return diag_error(d, "%s has no rope to scale", arch->name);
    if (o->rope == SYNTH_ROPE_LLAMA3 && strcmp(arch->name, "llama"))
        return diag_error(d, "llama3 rope scaling is a tensor that only llama models have");
    return true;
}

/* More than any layer or the frame has. */
enum { TENSORS_PER_LAYER = 20, TENSORS_FRAME = 8 };

static bool list_tensors(maker *m) {
    m->cap = (size_t)m->o->layers * TENSORS_PER_LAYER + TENSORS_FRAME;
    m->tensors = arena_push_n(m->a, gguf_tensor, m->cap);
    m->recipes = arena_push_n(m->a, recipe, m->cap);
    if (!m->tensors || !m->recipes) return false;
    add_tensors(m);
    return !m->oom;
}

bool synth_write(const synth_options *o, const char *path, int threads, void (*progress)(void *arg, double fraction),
                 void *progress_arg, diag *d) {
    maker m = {.o = o, .arch = llm_arch_find(str_from(o->arch)), .type = o->type, .d = d, .a = arena_new(0)};
    if (!m.type) m.type = dtype_find(DTYPE_F16);
    gguf_source src = {.row = make_row, .arg = &m, .progress = progress, .progress_arg = progress_arg};
    gguf_writer w = {0};
    bool ok = m.a || diag_oom(d, path);
    ok = ok && check(o, m.arch, d);
    if (ok) {
        char *name = arena_printf(m.a, "untrained-%s", o->preset);
        put_general(&m, &w, o->name ? o->name : name ? name : "untrained");
        put_shape(&m, &w);
        put_rope(&m, &w);
        ok = (synth_put_vocab(&w, m.a, o->vocab, o->spm) && list_tensors(&m)) || diag_oom(d, path);
    }
    ok = ok && gguf_write_file(path, &w, m.tensors, m.count, &src, threads, d);
    gguf_writer_free(&w);
    arena_free(m.a);
    return ok;
}
