/* A model from a GGUF file (or the parts of a split one): metadata to llm_config, tensor infos to llm_tensor. */
#include "llm/gguf_file.h"
#include "llm/model_internal.h"
#include <math.h>
#include <stdio.h>

/* A reader of `{arch}.key` values that remembers the first failure. */
typedef struct {
    const gguf *g;
    const char *arch, *path;
    diag *d;
    bool failed;
} keys;

static const gguf_kv *find(const keys *k, const char *key) {
    char full[160];
    snprintf(full, sizeof full, "%s.%s", k->arch, key);
    return gguf_find(k->g, full);
}

static void fail(keys *k, const char *key, const char *why) {
    if (!k->failed) diag_error(k->d, "%s: metadata key '%s.%s' %s", k->path, k->arch, key, why);
    k->failed = true;
}

static uint32_t key_u32(keys *k, const char *key, bool required, uint32_t fallback) {
    const gguf_kv *kv = find(k, key);
    uint64_t value = fallback, other;
    if (!kv) {
        if (required) fail(k, key, "is missing");
        return fallback;
    }
    if (!gguf_get_u64(kv, 0, &value) || value > UINT32_MAX) fail(k, key, "is not a number of 32 bits without sign");
    for (uint64_t i = 1; i < kv->count && !k->failed; i++)
        if (!gguf_get_u64(kv, i, &other) || other != value)
            fail(k, key, "differs between layers, which is not supported");
    return (uint32_t)value;
}

static double key_f64(keys *k, const char *key, double fallback) {
    const gguf_kv *kv = find(k, key);
    double value = fallback;
    if (kv && (!gguf_get_f64(kv, 0, &value) || !isfinite(value))) fail(k, key, "is not a finite number");
    return value;
}

static void read_scaling(keys *k, llm_config *c) {
    static const struct {
        const char *name;
        rope_scaling kind;
    } kinds[] = {{"none", ROPE_SCALING_NONE}, {"linear", ROPE_SCALING_LINEAR}, {"yarn", ROPE_SCALING_YARN}};
    const gguf_kv *kv = find(k, "rope.scaling.type");
    str type = STR("none");
    if (kv && !gguf_get_str(kv, 0, &type)) fail(k, "rope.scaling.type", "is not a string");
    bool known = false;
    for (size_t i = 0; i < 3; i++)
        if (str_is(type, kinds[i].name)) c->scaling = kinds[i].kind, known = true;
    if (!known) fail(k, "rope.scaling.type", "names a scaling that is not supported (none, linear and yarn are)");
    c->scaling_factor = key_f64(k, "rope.scaling.factor", 1);
    if (!kv && find(k, "rope.scale_linear")) {
        c->scaling = ROPE_SCALING_LINEAR;
        c->scaling_factor = key_f64(k, "rope.scale_linear", 1);
    }
    c->scaling_context = key_u32(k, "rope.scaling.original_context_length", false, c->context);
    c->scaling_attn_factor = key_f64(k, "rope.scaling.attn_factor", 1);
    c->scaling_beta_fast = key_f64(k, "rope.scaling.yarn_beta_fast", 32);
    c->scaling_beta_slow = key_f64(k, "rope.scaling.yarn_beta_slow", 1);
}

/* Which layers see only a window: a bool per layer, a period, or the family's own period. */
static void read_window(keys *k, llm_config *c) {
    c->window = key_u32(k, "attention.sliding_window", false, 0);
    const gguf_kv *kv = find(k, "attention.sliding_window_pattern");
    uint64_t period = c->arch->window_period;
    bool listed = kv && kv->is_array;
    if (kv && !listed && !gguf_get_u64(kv, 0, &period)) fail(k, "attention.sliding_window_pattern", "is not a period");
    if (listed && kv->count < c->layers) fail(k, "attention.sliding_window_pattern", "has fewer entries than layers");
    for (uint32_t l = 0; l < c->layers && l < LLM_LAYERS_MAX && c->window && !k->failed; l++) {
        bool windowed = period == 0 || (l + 1) % period != 0;
        if (listed && !gguf_get_bool(kv, l, &windowed))
            fail(k, "attention.sliding_window_pattern", "holds something that is not a bool");
        c->windowed[l] = windowed;
    }
}

static bool read_config(llm_config *c, const gguf *g, const char *path, diag *d) {
    str arch;
    if (!gguf_get_str(gguf_find(g, "general.architecture"), 0, &arch))
        return diag_error(d, "%s: metadata key 'general.architecture' is missing: not a model file", path);
    c->arch = llm_arch_find(arch);
    if (!c->arch) {
        strbuf names = {0};
        for (size_t i = 0; llm_arch_row(i); i++) strbuf_addf(&names, "%s%s", i ? ", " : "", llm_arch_row(i)->name);
        diag_error(d, "%s: architecture '%.*s' is not supported; these are: %s", path, (int)(arch.n < 64 ? arch.n : 64),
                   arch.p, names.data ? names.data : "");
        strbuf_free(&names);
        return false;
    }
    keys k = {g, c->arch->name, path, d, false};
    c->layers = key_u32(&k, "block_count", true, 0);
    c->width = key_u32(&k, "embedding_length", true, 0);
    c->heads = key_u32(&k, "attention.head_count", true, 0);
    c->kv_heads = key_u32(&k, "attention.head_count_kv", false, c->heads);
    c->mlp_width = key_u32(&k, "feed_forward_length", true, 0);
    c->context = key_u32(&k, "context_length", true, 0);
    c->head_size = key_u32(&k, "attention.key_length", false, c->heads ? c->width / c->heads : 0);
    if (key_u32(&k, "attention.value_length", false, c->head_size) != c->head_size)
        fail(&k, "attention.value_length", "differs from key_length, which is not supported");
    if (key_u32(&k, "expert_count", false, 0))
        fail(&k, "expert_count", "says mixture of experts, which is not supported yet");
    c->norm_eps = (float)key_f64(
        &k, c->arch->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 1e-5);
    c->rope = c->arch->rope_gguf;
    c->rope_dims = c->rope == ROPE_NONE ? 0 : key_u32(&k, "rope.dimension_count", false, c->head_size);
    c->rope_theta = key_f64(&k, "rope.freq_base", c->arch->rope_theta);
    c->rope_theta_windowed =
        key_f64(&k, "rope.freq_base_swa", c->arch->window_rope ? c->arch->rope_theta_windowed : c->rope_theta);
    read_scaling(&k, c);
    read_window(&k, c);
    /* Gemma 3 27B (62 layers) scales queries by width / heads, its sisters by the head size; files do not say which. */
    bool gemma_27b = c->arch->embed_scaled && c->layers == 62 && c->heads;
    double head = gemma_27b ? (double)c->width / c->heads : c->head_size;
    c->attn_scale = (float)key_f64(&k, "attention.scale", head > 0 ? 1 / sqrt(head) : 1);
    c->embed_scale = c->arch->embed_scaled ? sqrtf((float)c->width) : 1;
    c->attn_softcap = (float)key_f64(&k, "attn_logit_softcapping", 0);
    c->logit_softcap = (float)key_f64(&k, "final_logit_softcapping", 0);
    return !k.failed;
}

static bool add_tensors(llm_model *m, const gguf *g, uint32_t file_index, diag *d) {
    for (size_t i = 0; i < g->tensor_count; i++) {
        const gguf_tensor *t = &g->tensors[i];
        if (t->n_dims > 2)
            return diag_error(d, "%s: tensor '%s' has %u dimensions; supported models have at most 2", m->path,
                              t->name.p, t->n_dims);
        char *name = arena_strndup(m->memory, t->name.p, t->name.n);
        if (!name) return diag_oom(d, "tensor names");
        if (map_get(&m->tensor_index, str_from(name), NULL))
            return diag_error(d, "%s: tensor '%s' stands in two parts", m->path, name);
        m->tensors[m->tensor_count] = (llm_tensor){.name = name,
                                                   .type = t->type,
                                                   .cols = t->dims[0],
                                                   .rows = t->dims[1],
                                                   .offset_bytes = t->offset_bytes,
                                                   .size_bytes = t->size_bytes,
                                                   .file = file_index};
        if (!map_put(&m->tensor_index, str_from(name), m->tensor_count++)) return diag_oom(d, "tensor index");
    }
    return true;
}

enum { SPLIT_PARTS_MAX = 1000 };

/* Part i (from 0) of a split model, from the path of its first part "...-00001-of-00004.gguf". */
static char *part_path(arena *a, const char *first, unsigned part, unsigned count) {
    char tail[64];
    snprintf(tail, sizeof tail, "-00001-of-%05u.gguf", count);
    str s = str_from(first);
    if (!str_ends(s, str_from(tail))) return NULL;
    return arena_printf(a, "%.*s-%05u-of-%05u.gguf", (int)(s.n - strlen(tail)), first, part + 1, count);
}

static bool load_parts(llm_model *m, const gguf *first, unsigned count, diag *d) {
    for (unsigned part = 1; part < count; part++) {
        char *path = part_path(m->memory, m->path, part, count);
        if (!path)
            return diag_error(
                d, "%s: this is one part of a split model of %u; open the first, named ...-00001-of-%05u.gguf", m->path,
                count, count);
        if (!model_add_file(m, path, d)) return false;
        gguf g;
        arena *a;
        if (!gguf_read_header(&m->files[part], &g, &a, d)) return false;
        llm_tensor *grown = arena_push_n(m->memory, llm_tensor, m->tensor_count + g.tensor_count);
        if (grown) {
            memcpy(grown, m->tensors, m->tensor_count * sizeof *grown);
            m->tensors = grown;
        }
        bool ok = grown ? add_tensors(m, &g, part, d) : diag_oom(d, "tensors");
        gguf_free(&g);
        arena_free(a);
        if (!ok) return false;
    }
    uint64_t expected;
    const gguf_kv *kv = gguf_find(first, "split.tensors.count");
    if (kv && gguf_get_u64(kv, 0, &expected) && expected != m->tensor_count)
        return diag_error(d, "%s: its parts hold %zu tensors, %llu were announced", m->path, m->tensor_count,
                          (unsigned long long)expected);
    return true;
}

static char *string_key(arena *a, const gguf *g, const char *key, const char *fallback) {
    str s;
    const gguf_kv *kv = gguf_find(g, key);
    return kv && gguf_get_str(kv, 0, &s) && s.n && s.n < 4096 ? arena_strndup(a, s.p, s.n)
           : fallback                                         ? arena_strdup(a, fallback)
                                                              : NULL;
}

static bool fill(llm_model *m, const gguf *g, diag *d) {
    uint64_t parts = 1;
    const gguf_kv *split = gguf_find(g, "split.count"), *type = gguf_find(g, "general.type");
    str what;
    if (type && gguf_get_str(type, 0, &what) && !str_is(what, "model"))
        return diag_error(d, "%s: holds '%.*s', not a model", m->path, (int)(what.n < 40 ? what.n : 40), what.p);
    if (split && (!gguf_get_u64(split, 0, &parts) || parts < 1 || parts > SPLIT_PARTS_MAX))
        return diag_error(d, "%s: 'split.count' is not in 1..%d", m->path, SPLIT_PARTS_MAX);
    m->tensors = arena_push_n(m->memory, llm_tensor, g->tensor_count ? g->tensor_count : 1);
    m->name = string_key(m->memory, g, "general.name", path_base(m->path));
    m->label = string_key(m->memory, g, "ingot.label", NULL);
    m->container = g->version == 3 ? "GGUF v3" : "GGUF v2";
    if (!m->tensors || !m->name) return diag_oom(d, m->path);
    return read_config(&m->config, g, m->path, d) && add_tensors(m, g, 0, d) && load_parts(m, g, (unsigned)parts, d) &&
           vocab_from_gguf(&m->vocab, m->memory, m->path, g, d);
}

bool model_load_gguf(llm_model *m, const char *path, diag *d) {
    gguf g;
    arena *a;
    if (!model_add_file(m, path, d) || !gguf_read_header(&m->files[0], &g, &a, d)) return false;
    char *own_path = arena_strdup(a, path);
    arena_free(m->memory); /* the header's arena becomes the model's: vocabulary strings point into it */
    m->memory = a;
    m->path = own_path;
    bool ok = own_path ? fill(m, &g, d) : diag_oom(d, path);
    m->config.vocab = (uint32_t)m->vocab.count;
    gguf_free(&g);
    return ok;
}
