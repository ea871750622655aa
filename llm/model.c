/* Opening a model: dispatch on the container, then bind tensors to their places and check all shapes in one table. */
#include "llm/model.h"
#include "base/mem.h"
#include "llm/model_internal.h"
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

bool model_add_file(llm_model *m, const char *path, diag *d) {
    file *grown = mem_resize(m->files, (m->file_count + 1) * sizeof *grown);
    if (!grown) return diag_oom(d, path);
    m->files = grown;
    if (!file_open(&m->files[m->file_count], path, d)) return false;
    m->file_count++;
    return true;
}

const llm_tensor *llm_model_tensor(const llm_model *m, const char *name) {
    uint64_t i;
    return map_get(&m->tensor_index, str_from(name), &i) ? &m->tensors[i] : NULL;
}

uint64_t llm_model_weight_bytes(const llm_model *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->tensor_count; i++) sum += m->tensors[i].size_bytes;
    return sum;
}

uint64_t llm_model_params(const llm_model *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->tensor_count; i++) sum += m->tensors[i].rows * m->tensors[i].cols;
    return sum;
}

/* Sizes that shapes are made of. */
typedef enum { DIM_ONE, DIM_WIDTH, DIM_Q, DIM_KV, DIM_QKV, DIM_HEAD, DIM_MLP, DIM_VOCAB, DIM_CONTEXT, DIM_ROPE } dim;

static uint64_t dim_size(const llm_config *c, dim what) {
    uint64_t head = c->head_size;
    switch (what) {
    case DIM_ONE: return 1;
    case DIM_WIDTH: return c->width;
    case DIM_Q: return c->heads * head;
    case DIM_KV: return c->kv_heads * head;
    case DIM_QKV: return (c->heads + 2ull * c->kv_heads) * head;
    case DIM_HEAD: return head;
    case DIM_MLP: return c->mlp_width;
    case DIM_VOCAB: return c->vocab;
    case DIM_CONTEXT: return c->context;
    case DIM_ROPE: return c->rope_dims / 2;
    }
    return 0;
}

/* When a tensor must be there. */
typedef enum {
    IF_ALWAYS,
    IF_OPTIONAL,
    IF_SPLIT_QKV,
    IF_FUSED_QKV,
    IF_GATED,
    IF_QK_NORM,
    IF_POST_NORMS,
    IF_QKV_BIAS,
    IF_ALL_BIAS,
    IF_FUSED_BIAS,
    IF_POSITIONS
} need;

static bool needed(const llm_arch *a, need n) {
    switch (n) {
    case IF_ALWAYS: return true;
    case IF_OPTIONAL: return false;
    case IF_SPLIT_QKV: return !a->fused_qkv;
    case IF_FUSED_QKV: return a->fused_qkv;
    case IF_GATED: return a->gated;
    case IF_QK_NORM: return a->qk_norm;
    case IF_POST_NORMS: return a->post_norms;
    case IF_QKV_BIAS: return a->qkv_bias || (a->all_bias && !a->fused_qkv);
    case IF_ALL_BIAS: return a->all_bias;
    case IF_FUSED_BIAS: return a->all_bias && a->fused_qkv;
    case IF_POSITIONS: return a->positions;
    }
    return true;
}

typedef struct {
    const char *name;
    size_t field; /* offset of the pointer in llm_layer or llm_model */
    dim rows, cols;
    need need;
} place;

#define L(n, field, rows, cols, need)                                                                                  \
    { n, offsetof(llm_layer, field), rows, cols, need }
static const place layer_places[] = {
    L("attn_norm.weight", attn_norm, DIM_ONE, DIM_WIDTH, IF_ALWAYS),
    L("attn_norm.bias", attn_norm_b, DIM_ONE, DIM_WIDTH, IF_ALL_BIAS),
    L("attn_q.weight", q, DIM_Q, DIM_WIDTH, IF_SPLIT_QKV),
    L("attn_k.weight", k, DIM_KV, DIM_WIDTH, IF_SPLIT_QKV),
    L("attn_v.weight", v, DIM_KV, DIM_WIDTH, IF_SPLIT_QKV),
    L("attn_q.bias", q_b, DIM_ONE, DIM_Q, IF_QKV_BIAS),
    L("attn_k.bias", k_b, DIM_ONE, DIM_KV, IF_QKV_BIAS),
    L("attn_v.bias", v_b, DIM_ONE, DIM_KV, IF_QKV_BIAS),
    L("attn_qkv.weight", qkv, DIM_QKV, DIM_WIDTH, IF_FUSED_QKV),
    L("attn_qkv.bias", qkv_b, DIM_ONE, DIM_QKV, IF_FUSED_BIAS),
    L("attn_output.weight", o, DIM_WIDTH, DIM_Q, IF_ALWAYS),
    L("attn_output.bias", o_b, DIM_ONE, DIM_WIDTH, IF_ALL_BIAS),
    L("attn_q_norm.weight", q_norm, DIM_ONE, DIM_HEAD, IF_QK_NORM),
    L("attn_k_norm.weight", k_norm, DIM_ONE, DIM_HEAD, IF_QK_NORM),
    L("post_attention_norm.weight", attn_post_norm, DIM_ONE, DIM_WIDTH, IF_POST_NORMS),
    L("ffn_norm.weight", ffn_norm, DIM_ONE, DIM_WIDTH, IF_ALWAYS),
    L("ffn_norm.bias", ffn_norm_b, DIM_ONE, DIM_WIDTH, IF_ALL_BIAS),
    L("ffn_gate.weight", gate, DIM_MLP, DIM_WIDTH, IF_GATED),
    L("ffn_gate.bias", gate_b, DIM_ONE, DIM_MLP, IF_OPTIONAL),
    L("ffn_up.weight", up, DIM_MLP, DIM_WIDTH, IF_ALWAYS),
    L("ffn_up.bias", up_b, DIM_ONE, DIM_MLP, IF_ALL_BIAS),
    L("ffn_down.weight", down, DIM_WIDTH, DIM_MLP, IF_ALWAYS),
    L("ffn_down.bias", down_b, DIM_ONE, DIM_WIDTH, IF_ALL_BIAS),
    L("post_ffw_norm.weight", ffn_post_norm, DIM_ONE, DIM_WIDTH, IF_POST_NORMS),
};
#undef L
#define M(n, field, rows, cols, need)                                                                                  \
    { n, offsetof(llm_model, field), rows, cols, need }
static const place model_places[] = {
    M("token_embd.weight", embed, DIM_VOCAB, DIM_WIDTH, IF_ALWAYS),
    M("position_embd.weight", positions, DIM_CONTEXT, DIM_WIDTH, IF_POSITIONS),
    M("output_norm.weight", output_norm, DIM_ONE, DIM_WIDTH, IF_ALWAYS),
    M("output_norm.bias", output_norm_b, DIM_ONE, DIM_WIDTH, IF_ALL_BIAS),
    M("output.weight", output, DIM_VOCAB, DIM_WIDTH, IF_OPTIONAL),
    M("rope_freqs.weight", rope_freqs, DIM_ONE, DIM_ROPE, IF_OPTIONAL),
};
#undef M

static bool bind_one(llm_model *m, const place *p, const char *name, void *base, diag *d) {
    const llm_tensor *t = llm_model_tensor(m, name);
    const char *arch = m->config.arch->name;
    if (!t)
        return !needed(m->config.arch, p->need) ||
               diag_error(d, "%s: tensor '%s' is missing; architecture '%s' needs it", m->path, name, arch);
    uint64_t rows = dim_size(&m->config, p->rows), cols = dim_size(&m->config, p->cols);
    if (t->rows != rows || t->cols != cols)
        return diag_error(d, "%s: tensor '%s' is %llu x %llu, but the metadata of this '%s' model makes it %llu x %llu",
                          m->path, name, (unsigned long long)t->rows, (unsigned long long)t->cols, arch,
                          (unsigned long long)rows, (unsigned long long)cols);
    memcpy((char *)base + p->field, &t, sizeof t);
    return true;
}

typedef struct {
    const char *what;
    uint64_t value, low, high;
} range;

static bool check_config(const llm_model *m, diag *d) {
    const llm_config *c = &m->config;
    const range ranges[] = {
        {"block count", c->layers, 1, LLM_LAYERS_MAX},
        {"width", c->width, 1, 1 << 20},
        {"head count", c->heads, 1, 1 << 14},
        {"KV head count", c->kv_heads, 1, c->heads},
        {"head size", c->head_size, 1, 1 << 14},
        {"feed-forward width", c->mlp_width, 1, 1 << 24},
        {"vocabulary size", c->vocab, 1, 1 << 24},
        {"context length", c->context, 1, 1u << 30},
        {"rope dimension count", c->rope_dims, 0, c->head_size},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
            return diag_error(d, "%s: %s is %llu, outside %llu..%llu", m->path, ranges[i].what,
                              (unsigned long long)ranges[i].value, (unsigned long long)ranges[i].low,
                              (unsigned long long)ranges[i].high);
    if (c->heads % c->kv_heads)
        return diag_error(d, "%s: %u heads cannot share %u KV heads evenly", m->path, c->heads, c->kv_heads);
    if (c->rope != ROPE_NONE && (c->rope_dims == 0 || c->rope_dims % 2))
        return diag_error(d, "%s: rope dimension count %u is not a positive even number", m->path, c->rope_dims);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return diag_error(d, "%s: norm epsilon %g is outside (0, 1)", m->path, (double)c->norm_eps);
    const struct {
        const char *what;
        double value;
    } positive[] = {
        {"attention scale", c->attn_scale},
        {"embedding scale", c->embed_scale},
        {"rope theta", c->rope == ROPE_NONE ? 1 : c->rope_theta},
        {"rope theta of windowed layers", c->rope == ROPE_NONE ? 1 : c->rope_theta_windowed},
        {"rope scaling factor",
         c->scaling == ROPE_SCALING_NONE || c->scaling == ROPE_SCALING_FACTORS ? 1 : c->scaling_factor},
    };
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (!(positive[i].value > 0 && isfinite(positive[i].value)))
            return diag_error(d, "%s: %s is %g, not a positive number", m->path, positive[i].what, positive[i].value);
    if (c->vocab != m->vocab.count)
        return diag_error(d, "%s: the tokenizer has %zu tokens, the model %u", m->path, m->vocab.count, c->vocab);
    return true;
}

bool model_bind(llm_model *m, diag *d) {
    if (!check_config(m, d)) return false;
    m->layers = arena_push_n(m->memory, llm_layer, m->config.layers);
    if (!m->layers) return diag_oom(d, "layers");
    for (size_t i = 0; i < sizeof model_places / sizeof *model_places; i++)
        if (!bind_one(m, &model_places[i], model_places[i].name, m, d)) return false;
    for (uint32_t l = 0; l < m->config.layers; l++)
        for (size_t i = 0; i < sizeof layer_places / sizeof *layer_places; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.%s", l, layer_places[i].name);
            if (!bind_one(m, &layer_places[i], name, &m->layers[l], d)) return false;
        }
    if (!m->output || m->config.arch->tied) m->output = m->embed;
    if (m->rope_freqs) m->config.scaling = ROPE_SCALING_FACTORS;
    return true;
}

static bool is_gguf(const char *path) {
    file f;
    char magic[4];
    diag *quiet = diag_new();
    bool yes = quiet && file_open(&f, path, quiet);
    if (yes) {
        yes = f.size_bytes >= 4 && file_read_at(&f, magic, 4, 0, quiet) && !memcmp(magic, "GGUF", 4);
        file_close(&f);
    }
    diag_free(quiet);
    return yes;
}

static bool is_hf(const char *path) {
    struct stat st;
    return (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || str_ends(str_from(path), STR(".safetensors")) ||
           str_ends(str_from(path), STR(".index.json"));
}

static bool load(llm_model *m, const char *path, diag *d) {
    if (is_hf(path)) return model_load_hf(m, path, d);
    if (is_gguf(path)) return model_load_gguf(m, path, d);
    if (!file_exists(path)) return diag_error(d, "%s: no such file; `ingot model pull NAME` fetches one", path);
    return diag_error(
        d, "%s: neither a GGUF file (it does not begin with 'GGUF') nor a folder with config.json and *.safetensors",
        path);
}

llm_model *llm_model_open(const char *path, diag *d) {
    llm_model *m = mem_alloc(sizeof *m);
    if (m) m->memory = arena_new(0);
    if (m && m->memory) m->path = arena_strdup(m->memory, path);
    if (!m || !m->memory || !m->path) diag_oom(d, path);
    else if (load(m, path, d) && model_bind(m, d)) return m;
    llm_model_free(m);
    return NULL;
}

void llm_model_free(llm_model *m) {
    if (!m) return;
    for (size_t i = 0; i < m->file_count; i++) file_close(&m->files[i]);
    mem_free(m->files);
    map_free(&m->tensor_index);
    arena_free(m->memory);
    mem_free(m);
}
