/* A model from a folder as published on Hugging Face: config.json, tokenizer.json and one or more *.safetensors.
 *
 * Tensors are renamed to GGUF's spelling (hf_names.c), so that the rest of the program knows one spelling only, and
 * marked with what must be done to their values (llm_tensor.form). Weights stay in the files.
 */
#include "base/mem.h"
#include "llm/hf_internal.h"
#include "llm/model_internal.h"
#include "llm/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { JSON_BYTES_MAX = 32 << 20, TOKENIZER_BYTES_MAX = 256 << 20, INDEX_BYTES_MAX = 100 << 20 };

/* Everything that only loading needs; headers and names die with it. */
typedef struct {
    llm_model *m;
    diag *d;
    arena *scratch;
    const char *folder;
    bool whole_folder;            /* the user named the folder, not a file in it */
    hf_config config;
    safetensors *headers;         /* [m->file_count] */
    map places;                   /* tensor as the files spell it -> file */
    strbuf ignored;
    size_t ignored_count;
} loader;

/* ---- tensors ---- */

static bool shape_tensor(loader *l, const safetensor *s, const hf_name *row, llm_tensor *t) {
    const llm_arch *a = l->m->config.arch;
    const char *path = l->m->files[t->file].path;
    hf_shown name = hf_show(s->name);
    uint32_t want = row->kind == HF_MATRIX || row->kind == HF_LINEAR ? 2 : 1;
    if (!s->type)
        return diag_error(l->d, "%s: tensor '%s' has dtype %s; weights in F32, F16 and BF16 are supported", path,
                          name.text, s->type_name);
    if (s->n_dims != want)
        return diag_error(l->d, "%s: tensor '%s' has %u dimensions, expected are %u", path, name.text, s->n_dims, want);
    bool transposed = row->kind == HF_LINEAR && a->transposed_hf;
    t->form = transposed                                    ? TENSOR_TRANSPOSED
              : row->kind == HF_NORM && a->norm_plus_one_hf ? TENSOR_PLUS_ONE
                                                            : TENSOR_AS_IS;
    t->rows = want == 1 ? 1 : s->dims[transposed];
    t->cols = want == 1 ? s->dims[0] : s->dims[!transposed];
    t->type = s->type;
    t->offset_bytes = s->offset_bytes;
    t->size_bytes = s->size_bytes;
    return true;
}

static void ignore(loader *l, const safetensor *s) {
    if (l->ignored_count++ < 6) strbuf_addf(&l->ignored, "%s'%s'", l->ignored.len ? ", " : "", hf_show(s->name).text);
}

static bool add_tensor(loader *l, const safetensor *s, uint32_t file_index) {
    llm_model *m = l->m;
    uint64_t other;
    int32_t layer;
    if (map_get(&l->places, s->name, &other))
        return diag_error(l->d, "%s: tensor '%s' is also in %s", m->files[file_index].path, hf_show(s->name).text,
                          m->files[other].path);
    if (!map_put(&l->places, s->name, file_index)) return diag_oom(l->d, m->path);
    const hf_name *row = hf_find_name(&l->config, s->name.p, &layer);
    if (!row) return ignore(l, s), true;
    if (!row->gguf) return true;
    llm_tensor *t = &m->tensors[m->tensor_count];
    *t = (llm_tensor){.file = file_index};
    t->name = layer >= 0 ? arena_printf(m->memory, "blk.%d.%s", layer, row->gguf) : row->gguf;
    if (!t->name) return diag_oom(l->d, m->path);
    if (map_get(&m->tensor_index, str_from(t->name), NULL))
        return diag_error(l->d, "%s: tensor '%s' is there twice, with another prefix", m->files[file_index].path,
                          hf_show(s->name).text);
    if (!shape_tensor(l, s, row, t)) return false;
    return map_put(&m->tensor_index, str_from(t->name), m->tensor_count++) || diag_oom(l->d, m->path);
}

static bool add_tensors(loader *l) {
    size_t total = 0;
    for (size_t i = 0; i < l->m->file_count; i++) total += l->headers[i].tensor_count;
    l->m->tensors = arena_push_n(l->m->memory, llm_tensor, total + 1);
    if (!l->m->tensors) return diag_oom(l->d, l->m->path);
    for (size_t i = 0; i < l->m->file_count; i++)
        for (size_t j = 0; j < l->headers[i].tensor_count; j++)
            if (!add_tensor(l, &l->headers[i].tensors[j], (uint32_t)i)) return false;
    if (l->ignored_count)
        diag_warn(l->d, "%s: %zu tensors are not part of a '%s' model and are ignored: %s%s", l->m->path,
                  l->ignored_count, l->m->config.arch->name, l->ignored.data ? l->ignored.data : "",
                  l->ignored_count > 6 ? ", ..." : "");
    return true;
}

/* Biases are optional to the graph; here config.json promised them. */
static bool check_biases(loader *l) {
    for (uint32_t n = 0; n < l->m->config.layers; n++)
        for (const hf_name *row = NULL; (row = hf_next_bias(&l->config, row));) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.%s", n, row->gguf);
            if (!llm_model_tensor(l->m, name))
                return diag_error(l->d, "%s: config.json promises tensor 'model.layers.%u.%s', which no file holds",
                                  l->m->path, n, row->hf);
        }
    return true;
}

/* ---- files ---- */

static bool read_header(loader *l, const char *path) {
    if (!model_add_file(l->m, path, l->d)) return false;
    size_t at = l->m->file_count - 1;
    const file *f = &l->m->files[at];
    safetensors *s = &l->headers[at];
    uint64_t len = f->size_bytes < 8 ? f->size_bytes : 8;
    for (int step = 0; step < 2; step++) { /* the length of the header, then the header */
        uint8_t *bytes = arena_alloc(l->scratch, len ? (size_t)len : 1);
        if (!bytes) return diag_oom(l->d, path);
        if (!file_read_at(f, bytes, (size_t)len, 0, l->d)) return false;
        safetensors_status status = safetensors_parse(s, l->scratch, path, bytes, (size_t)len, f->size_bytes, l->d);
        if (status != SAFETENSORS_NEED_MORE) return status == SAFETENSORS_OK;
        len = s->header_bytes;
    }
    return diag_error(l->d, "%s: the file changed while it was read", path);
}

static bool open_files(loader *l, const char *const *names, size_t n) {
    l->headers = arena_push_n(l->scratch, safetensors, n);
    if (!l->headers) return diag_oom(l->d, l->m->path);
    for (size_t i = 0; i < n; i++) {
        char *path = path_join(l->scratch, l->folder, names[i]);
        if (!path) return diag_oom(l->d, l->m->path);
        if (!read_header(l, path)) return false;
    }
    return true;
}

static bool check_index(loader *l, const safetensors_index *x, const char *path) {
    for (size_t i = 0; i < x->tensor_count; i++) {
        uint64_t found;
        if (!map_get(&l->places, str_from(x->tensors[i]), &found) || found != x->file_of[i])
            return diag_error(l->d, "%s: it places tensor '%s' in %s, which does not hold it; fetch the folder again",
                              path, hf_show(str_from(x->tensors[i])).text, x->files[x->file_of[i]]);
    }
    return true;
}

static bool load_sharded(loader *l, const char *path) {
    safetensors_index x;
    str json;
    return file_read_all(l->scratch, path, INDEX_BYTES_MAX, &json, l->d) &&
           safetensors_index_parse(&x, l->scratch, path, json, l->d) && open_files(l, x.files, x.file_count) &&
           add_tensors(l) && check_index(l, &x, path);
}

static bool load_single(loader *l, const char *name) { return open_files(l, &name, 1) && add_tensors(l); }

/* `path` names the folder, the index or the one file. A folder may hold both kinds; the single file wins, as elsewhere.
 */
static bool load_weights(loader *l, const char *path) {
    if (!l->whole_folder && str_ends(str_from(path), STR(".json"))) return load_sharded(l, path);
    if (!l->whole_folder) return load_single(l, path_base(path));
    char *single = path_join(l->scratch, l->folder, "model.safetensors");
    char *index = path_join(l->scratch, l->folder, "model.safetensors.index.json");
    if (!single || !index) return diag_oom(l->d, path);
    if (file_exists(single)) return load_single(l, "model.safetensors");
    if (file_exists(index)) return load_sharded(l, index);
    return diag_error(
        l->d,
        "%s: no model.safetensors and no model.safetensors.index.json; if the weights are in another form "
        "(pytorch_model.bin), convert them to safetensors",
        path);
}

/* ---- vocabulary ---- */

/* The text of a file of the folder; empty when the file is not there. */
static bool read_text(loader *l, arena *a, const char *name, size_t max_bytes, str *out) {
    char *path = path_join(l->scratch, l->folder, name);
    *out = STR("");
    if (!path) return diag_oom(l->d, name);
    return !file_exists(path) || file_read_all(a, path, max_bytes, out, l->d);
}

static void drop_ids(llm_vocab *v) {
    int32_t *ids[] = {&v->bos, &v->eos, &v->unk, &v->pad};
    for (int i = 0; i < 4; i++)
        if (*ids[i] >= 0 && (size_t)*ids[i] >= v->count) *ids[i] = -1;
    int kept = 0;
    for (int i = 0; i < v->stop_count; i++)
        if ((size_t)v->stop_ids[i] < v->count) v->stop_ids[kept++] = v->stop_ids[i];
    v->stop_count = kept;
}

/* Tokens that were added to a tokenizer but have no row in the embedding (Gemma's image token in the text models). */
static void drop_tail(loader *l, size_t count) {
    llm_vocab *v = &l->m->vocab;
    for (size_t i = count; i < v->count; i++)
        if (v->kinds[i] == TOKEN_NORMAL || v->kinds[i] == TOKEN_BYTE) return; /* model_bind says what is wrong */
    diag_warn(l->d, "%s: the last %zu tokens of the tokenizer have no embedding and are left out", l->m->path,
              v->count - count);
    v->count = count;
    drop_ids(v);
}

/* Embeddings are often padded to a round number of rows: the rows without a token get a name each. */
static bool pad_tail(loader *l, size_t count) {
    llm_vocab *v = &l->m->vocab;
    arena *a = l->m->memory;
    str *tokens = arena_push_n(a, str, count);
    float *scores = v->scores ? arena_push_n(a, float, count) : NULL;
    uint8_t *kinds = arena_alloc(a, count);
    if (!tokens || !kinds || (v->scores && !scores)) return diag_oom(l->d, "vocabulary");
    memcpy(tokens, v->tokens, v->count * sizeof *tokens);
    memcpy(kinds, v->kinds, v->count);
    if (scores) memcpy(scores, v->scores, v->count * sizeof *scores);
    for (size_t i = v->count; i < count; i++) {
        tokens[i] = str_from(arena_printf(a, "[PAD%zu]", i));
        kinds[i] = TOKEN_UNUSED;
        if (!tokens[i].p) return diag_oom(l->d, "vocabulary");
    }
    v->tokens = tokens, v->scores = scores, v->kinds = kinds, v->count = count;
    return true;
}

static bool is_stop(const llm_vocab *v, int64_t id) {
    for (int i = 0; i < v->stop_count; i++)
        if (v->stop_ids[i] == id) return true;
    return false;
}

/* config.json also knows begin and end, for folders without generation_config.json. */
static void add_config_ids(llm_vocab *v, const hf_config *c) {
    if (v->bos < 0 && c->bos >= 0 && (uint64_t)c->bos < v->count) v->bos = (int32_t)c->bos;
    for (int i = 0; i < c->eos_count; i++) {
        if (c->eos[i] < 0 || (uint64_t)c->eos[i] >= v->count) continue;
        if (v->eos < 0) v->eos = (int32_t)c->eos[i];
        if (!is_stop(v, c->eos[i]) && v->stop_count < STOP_IDS_MAX) v->stop_ids[v->stop_count++] = (int32_t)c->eos[i];
    }
}

static bool load_vocab(loader *l) {
    str words, settings, generation, chat; /* only the template is kept as it is */
    if (!read_text(l, l->scratch, "tokenizer.json", TOKENIZER_BYTES_MAX, &words) ||
        !read_text(l, l->scratch, "tokenizer_config.json", JSON_BYTES_MAX, &settings) ||
        !read_text(l, l->scratch, "generation_config.json", JSON_BYTES_MAX, &generation) ||
        !read_text(l, l->m->memory, "chat_template.jinja", JSON_BYTES_MAX, &chat))
        return false;
    if (!words.n)
        return diag_error(l->d, "%s: there is no tokenizer.json; fetch it, or convert tokenizer.model to it", l->folder);
    if (!vocab_from_json(&l->m->vocab, l->m->memory, l->folder, words, settings, generation, chat, l->d)) return false;
    const llm_tensor *embed = llm_model_tensor(l->m, "token_embd.weight");
    size_t count = l->m->config.vocab;
    if (embed && embed->rows == count && l->m->vocab.count < count && !pad_tail(l, count)) return false;
    if (l->m->vocab.count > count) drop_tail(l, count);
    add_config_ids(&l->m->vocab, &l->config);
    return true;
}

/* ---- the whole ---- */

static bool find_folder(loader *l, const char *path) {
    struct stat st;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    l->whole_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    l->folder = l->whole_folder ? arena_strndup(l->scratch, path, n) : path_dir(l->scratch, path);
    if (!l->folder) return diag_oom(l->d, path);
    char *real = realpath(l->folder, NULL); /* "." has a name too */
    l->m->name = arena_strdup(l->m->memory, path_base(real ? real : l->folder));
    free(real);
    return l->m->name || diag_oom(l->d, path);
}

static bool load_config(loader *l) {
    str json;
    char *path = path_join(l->scratch, l->folder, "config.json");
    if (!path) return diag_oom(l->d, l->folder);
    if (!file_read_all(l->scratch, path, JSON_BYTES_MAX, &json, l->d) || !hf_config_read(&l->config, path, json, l->d))
        return false;
    l->m->config = l->config.model;
    return true;
}

/* Made by hand, not trained: the first file's metadata may say so, as GGUF's ingot.label does. */
static bool load_label(loader *l) {
    const char *label = safetensors_find_note(&l->headers[0], "ingot.label");
    if (label && !(l->m->label = arena_strdup(l->m->memory, hf_show(str_from(label)).text)))
        return diag_oom(l->d, l->m->path);
    return true;
}

bool model_load_hf(llm_model *m, const char *path, diag *d) {
    loader l = {.m = m, .d = d, .scratch = arena_new(0)};
    m->container = "safetensors";
    bool ok = l.scratch ? find_folder(&l, path) && load_config(&l) && load_weights(&l, path) && check_biases(&l) &&
                              load_label(&l) && load_vocab(&l)
                        : diag_oom(d, path);
    map_free(&l.places);
    strbuf_free(&l.ignored);
    arena_free(l.scratch);
    return ok;
}
