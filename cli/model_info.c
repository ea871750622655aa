/* ingot model info: one pass over what llm_model_open found. Text of the file itself (names, labels) is cleaned before
 * it reaches a terminal: a model is a download, and an escape sequence in it must stay harmless. */
#include "cli/model_info.h"
#include "base/units.h"
#include <math.h>

/* Sums by element type. */
typedef struct {
    uint64_t tensors, bytes;
} type_sum;

static void sum_types(const llm_model *m, type_sum sums[DTYPE_COUNT]) {
    for (size_t i = 0; i < m->tensor_count; i++) {
        type_sum *s = &sums[m->tensors[i].type->id];
        s->tensors++;
        s->bytes += m->tensors[i].size_bytes;
    }
}

/* Keys and values of one token in 16 bits, over all layers. */
static uint64_t kv_bytes_per_token(const llm_config *c) { return 4ull * c->layers * c->kv_heads * c->head_size; }

static uint32_t windowed_layers(const llm_config *c) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->layers; i++) n += c->windowed[i] != 0;
    return n;
}

static const char *rope_name(rope_kind k) { return k == ROPE_PAIRS ? "pairs" : k == ROPE_HALVES ? "halves" : "none"; }

static const char *scaling_name(rope_scaling s) {
    switch (s) {
    case ROPE_SCALING_NONE: return "none";
    case ROPE_SCALING_LINEAR: return "linear";
    case ROPE_SCALING_LLAMA3: return "llama3";
    case ROPE_SCALING_YARN: return "yarn";
    case ROPE_SCALING_FACTORS: return "factors";
    }
    return "unknown";
}

static const char *vocab_name(vocab_kind k) { return k == VOCAB_BPE ? "byte-level BPE" : "SentencePiece BPE"; }

/* --- text --- */

static void print_clean(const char *text, FILE *out) {
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) fputc(*s < 0x20 || *s == 0x7F ? '?' : *s, out);
}

static void print_shape(const llm_config *c, FILE *out) {
    fprintf(out, "  layers         %u\n", c->layers);
    fprintf(out, "  width          %u, MLP %u%s\n", c->width, c->mlp_width, c->arch->gated ? " (gated)" : "");
    fprintf(out, "  heads          %u of %u, %u for keys and values\n", c->heads, c->head_size, c->kv_heads);
    fprintf(out, "  context        %u tokens, KV cache %s a token in F16\n", c->context,
            units_bytes((double)kv_bytes_per_token(c)).text);
    if (c->window) fprintf(out, "  window         %u tokens in %u layers\n", c->window, windowed_layers(c));
    if (c->rope == ROPE_NONE) return;
    fprintf(out, "  RoPE           theta %g, %u dimensions, %s", c->rope_theta, c->rope_dims, rope_name(c->rope));
    if (c->scaling)
        fprintf(out, ", %s scaling by %g from %u tokens", scaling_name(c->scaling), c->scaling_factor,
                c->scaling_context);
    fputc('\n', out);
}

static void print_vocab(const llm_vocab *v, FILE *out) {
    fprintf(out, "  tokenizer      %s, %zu tokens, pre-tokenizer ", vocab_name(v->kind), v->count);
    print_clean(v->pre ? v->pre : "none", out);
    fprintf(out, ", BOS %d, EOS %d, %d that stop\n", v->bos, v->eos, v->stop_count);
    if (v->chat_template.n) fprintf(out, "  chat template  yes, %zu bytes\n", v->chat_template.n);
    else fprintf(out, "  chat template  none in the file\n");
}

static void print_types(const llm_model *m, FILE *out) {
    type_sum sums[DTYPE_COUNT] = {0};
    sum_types(m, sums);
    fprintf(out, "  tensors        %zu\n", m->tensor_count);
    for (uint32_t id = 0; id < DTYPE_COUNT; id++)
        if (sums[id].tensors)
            fprintf(out, "    %-12s %5llu  %s\n", dtype_find(id)->name, (unsigned long long)sums[id].tensors,
                    units_bytes((double)sums[id].bytes).text);
}

static void print_tensor(const llm_tensor *t, FILE *out) {
    char shape[48];
    snprintf(shape, sizeof shape, "%llu x %llu", (unsigned long long)t->rows, (unsigned long long)t->cols);
    fprintf(out, "%-6s %16s %10s  ", t->type->name, shape, units_bytes((double)t->size_bytes).text);
    print_clean(t->name, out);
    fputc('\n', out);
}

void model_info_print(const llm_model *m, bool tensors, FILE *out) {
    double params = (double)llm_model_params(m), bytes = (double)llm_model_weight_bytes(m);
    print_clean(m->name, out);
    fprintf(out, " (%s, %s)\n", m->config.arch->name, m->container);
    if (m->label) {
        fputs("  label          ", out);
        print_clean(m->label, out);
        fputc('\n', out);
    }
    fprintf(out, "  parameters     %s in %s, %.2f bits each\n", units_si(params, "").text, units_bytes(bytes).text,
            params > 0 ? 8 * bytes / params : 0);
    print_shape(&m->config, out);
    print_vocab(&m->vocab, out);
    print_types(m, out);
    if (tensors) fputs("\ntype     rows x columns      bytes  name\n", out);
    for (size_t i = 0; tensors && i < m->tensor_count; i++) print_tensor(&m->tensors[i], out);
}

/* --- JSON: members are written in order, a comma before all but the first --- */

static void key(strbuf *b, const char *name) {
    char last = b->len ? b->data[b->len - 1] : '{';
    if (last != '{') strbuf_addc(b, ',');
    strbuf_add_json(b, str_from(name));
    strbuf_addc(b, ':');
}

static void put_u64(strbuf *b, const char *name, uint64_t value) {
    key(b, name);
    strbuf_addf(b, "%llu", (unsigned long long)value);
}

static void put_i64(strbuf *b, const char *name, int64_t value) {
    key(b, name);
    strbuf_addf(b, "%lld", (long long)value);
}

static void put_f64(strbuf *b, const char *name, double value) {
    key(b, name);
    strbuf_addf(b, "%.9g", isfinite(value) ? value : 0);
}

static void put_text(strbuf *b, const char *name, const char *value) {
    key(b, name);
    if (value) strbuf_add_json(b, str_from(value));
    else strbuf_adds(b, "null");
}

static void put_config(strbuf *b, const llm_config *c) {
    put_u64(b, "layers", c->layers);
    put_u64(b, "width", c->width);
    put_u64(b, "mlp_width", c->mlp_width);
    put_u64(b, "heads", c->heads);
    put_u64(b, "kv_heads", c->kv_heads);
    put_u64(b, "head_size", c->head_size);
    put_u64(b, "vocab", c->vocab);
    put_u64(b, "context_tokens", c->context);
    put_u64(b, "kv_bytes_per_token_f16", kv_bytes_per_token(c));
    put_u64(b, "window_tokens", c->window);
    put_u64(b, "windowed_layers", windowed_layers(c));
    put_text(b, "rope", rope_name(c->rope));
    put_u64(b, "rope_dims", c->rope_dims);
    put_f64(b, "rope_theta", c->rope_theta);
    put_text(b, "rope_scaling", scaling_name(c->scaling));
    put_f64(b, "rope_scaling_factor", c->scaling_factor);
}

static void put_vocab(strbuf *b, const llm_vocab *v) {
    key(b, "tokenizer");
    strbuf_addc(b, '{');
    put_text(b, "kind", v->kind == VOCAB_BPE ? "bpe" : "spm");
    put_text(b, "pre", v->pre);
    put_u64(b, "tokens", v->count);
    put_i64(b, "bos", v->bos);
    put_i64(b, "eos", v->eos);
    key(b, "stop");
    for (int i = 0; i < v->stop_count; i++) strbuf_addf(b, "%c%d", i ? ',' : '[', v->stop_ids[i]);
    strbuf_adds(b, v->stop_count ? "]}" : "[]}");
    key(b, "chat_template");
    strbuf_adds(b, v->chat_template.n ? "true" : "false");
}

static void put_types(strbuf *b, const llm_model *m) {
    type_sum sums[DTYPE_COUNT] = {0};
    sum_types(m, sums);
    key(b, "types");
    strbuf_addc(b, '{');
    for (uint32_t id = 0; id < DTYPE_COUNT; id++) {
        if (!sums[id].tensors) continue;
        key(b, dtype_find(id)->name);
        strbuf_addc(b, '{');
        put_u64(b, "tensors", sums[id].tensors);
        put_u64(b, "bytes", sums[id].bytes);
        strbuf_addc(b, '}');
    }
    strbuf_addc(b, '}');
}

static void put_tensors(strbuf *b, const llm_model *m) {
    key(b, "tensors");
    strbuf_addc(b, '[');
    for (size_t i = 0; i < m->tensor_count; i++) {
        const llm_tensor *t = &m->tensors[i];
        strbuf_adds(b, i ? ",\n{" : "\n{");
        put_text(b, "name", t->name);
        put_text(b, "type", t->type->name);
        put_u64(b, "rows", t->rows);
        put_u64(b, "cols", t->cols);
        put_u64(b, "bytes", t->size_bytes);
        strbuf_addc(b, '}');
    }
    strbuf_addc(b, ']');
}

bool model_info_json(const llm_model *m, bool tensors, strbuf *b) {
    strbuf_addc(b, '{');
    put_text(b, "name", m->name);
    put_text(b, "path", m->path);
    put_text(b, "container", m->container);
    put_text(b, "architecture", m->config.arch->name);
    put_text(b, "label", m->label);
    put_u64(b, "parameters", llm_model_params(m));
    put_u64(b, "weight_bytes", llm_model_weight_bytes(m));
    put_config(b, &m->config);
    put_vocab(b, &m->vocab);
    put_types(b, m);
    if (tensors) put_tensors(b, m);
    strbuf_adds(b, "}\n");
    return !b->oom;
}
