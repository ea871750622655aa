/* Weights into the memory of PEs: each tensor is read once, band by band, and each of its rows is dealt out to the PEs
 * that keep a part of it. What a matrix's tiles have beyond its size stays zero.
 *
 *   over rows (qkv, up, head)   output i lies on a row of PEs, its inputs on the columns:   tile[input][output]
 *   over columns (o, down)      output i lies on a column of PEs, its inputs on the rows:   tile[input][output] */
#include "cluster/wafer_internal.h"
#include "base/half.h"
#include "base/mem.h"
#include <math.h>

enum { BAND_BYTES = 16 << 20 };

/* ---- symbols ---- */

typedef struct {
    const char *name;
    uint32_t bits;
} symbol_row;
#define ROW(id, name, bits, elements) {name, bits},
static const symbol_row symbols[WAFER_SYMBOL_COUNT] = {WAFER_SYMBOLS(ROW)};
#undef ROW

static uint64_t elements_of(const plan *p, wafer_symbol s) {
#define ELEMENTS(id, name, bits, elements) elements,
    const uint64_t n[WAFER_SYMBOL_COUNT] = {WAFER_SYMBOLS(ELEMENTS)};
#undef ELEMENTS
    return n[s];
}

uint32_t wafer_first_head_row(const wafer *w) { return w->plan.streamed ? 0 : w->part.layers * w->plan.rows; }

static bool find_in_program(wafer *w, uint32_t program, const uint16_t *memory, diag *d) {
    const isa_program *p = &w->image->programs[program];
    for (int i = 0; i < WAFER_SYMBOL_COUNT; i++) {
        const isa_symbol *s = host_find_symbol(p, symbols[i].name, ISA_SYM_DATA);
        uint64_t want = elements_of(&w->plan, (wafer_symbol)i);
        w->facts[program].word[i] = WAFER_NOWHERE;
        if (!s || !s->exported) continue;
        uint32_t at = host_symbol_word(s, memory);
        if (s->bits != symbols[i].bits || (s->elements && s->elements < want) ||
            at + want * (symbols[i].bits / 16) > ISA_SRAM_WORDS)
            return diag_error(
                d,
                "%s: '%s' has %u elements of %u bits, the plan has %llu of %u; kernels and program are of "
                "different versions",
                p->name, symbols[i].name, s->elements, s->bits, (unsigned long long)want, symbols[i].bits);
        w->facts[program].word[i] = at;
    }
    return w->facts[program].known = true;
}

bool wafer_find_symbols(wafer *w, diag *d) {
    const isa_image *m = w->image;
    w->facts = arena_push_n(w->memory, wafer_facts, m->program_count);
    if (!w->facts) return diag_oom(d, "wafer");
    for (uint32_t pe = 0; pe < m->width * m->height; pe++) {
        uint32_t program = m->tiles[pe].program;
        if (!w->facts[program].known && !find_in_program(w, program, host_memory(w->host, pe), d)) return false;
    }
    return true;
}

uint16_t *wafer_at(wafer *w, uint32_t x, uint32_t y, wafer_symbol s) {
    uint32_t pe = y * w->image->width + x, word = w->facts[w->image->tiles[pe].program].word[s];
    return word == WAFER_NOWHERE ? NULL : host_memory(w->host, pe) + word;
}

/* ---- reading ---- */

/* A part of one tensor as f32. */
typedef struct {
    wafer *w;
    diag *d;
    const llm_tensor *tensor;
    float *rows;
    uint64_t first, count;
    wafer_stage *stage; /* NULL: into the PEs' memory */
} reader;

static void reader_close(reader *r) { mem_free(r->rows); }

static bool fill(reader *r, const llm_tensor *t, uint64_t first) {
    uint64_t row_bytes = t->cols * sizeof(float), left = t->rows - first;
    uint64_t fit = row_bytes ? BAND_BYTES / row_bytes : 1;
    if (t->form == TENSOR_TRANSPOSED) fit = left; /* every read of such a tensor reads all of it */
    r->first = first;
    r->count = fit < 1 ? 1 : fit < left ? fit : left;
    r->tensor = NULL;
    float *bigger = mem_resize(r->rows, r->count * t->cols * sizeof *bigger);
    if (!bigger) return diag_oom(r->d, t->name);
    r->rows = bigger;
    if (!store_read_f32(r->w->store, t, first, r->count, r->rows, r->d)) return false;
    r->tensor = t;
    return true;
}

static const float *read_row(reader *r, const llm_tensor *t, uint64_t row) {
    if ((r->tensor != t || row < r->first || row - r->first >= r->count) && !fill(r, t, row)) return NULL;
    return r->rows + (row - r->first) * t->cols;
}

static bool beyond_f16(const reader *r, const llm_tensor *t, float v) {
    return diag_error(
        r->d, "%s: tensor '%s' holds %g, which f16 cannot (65504 is its largest); the wafer keeps weights as f16",
        r->w->model->path, t->name, (double)v);
}

static bool to_f16(const reader *r, const llm_tensor *t, float v, uint16_t *out) {
    const uint16_t *least = r->w->least;
    *out = f16_from_f32(v);
    if ((*out & 0x7c00) == 0x7c00) return false;
    if (least && (*out & 0x7fff) < least[t - r->w->model->tensors]) *out = 0;
    return true;
}

/* ---- matrices ---- */

/* Where a symbol of the PE in column x, row y goes. */
static uint16_t *target(const reader *r, uint32_t x, uint32_t y, wafer_symbol s) {
    const wafer_stage *g = r->stage;
    if (!g) return wafer_at(r->w, x, y, s);
    if (g->at[s] == WAFER_NOWHERE) return NULL;
    return g->data + 2 * ((size_t)y * r->w->plan.width + x) * g->words + g->at[s];
}

/* Row of a tensor to output `i` of the PEs in row `y`; `outputs` is the tile's. */
static bool deal_over_columns(reader *r, const llm_tensor *t, uint64_t row, wafer_symbol s, uint32_t y, uint32_t i,
                              uint32_t outputs) {
    const plan *p = &r->w->plan;
    const float *v = read_row(r, t, row);
    if (!v) return false;
    for (uint32_t x = 0; x < p->width; x++) {
        uint32_t first = x * p->d_tile;
        uint16_t *tile = target(r, x, y, s);
        for (uint32_t j = 0; tile && j < p->d_tile && first + j < p->d_model; j++)
            if (!to_f16(r, t, v[first + j], &tile[(size_t)j * outputs + i])) return beyond_f16(r, t, v[first + j]);
    }
    return true;
}

/* Inputs [from, from + n) of output `row`, to input 0.. of the PE in row `y` and the output's column. */
static bool deal_down(reader *r, const llm_tensor *t, const float *v, uint64_t row, wafer_symbol s, uint32_t y,
                      uint64_t from, uint64_t n) {
    const plan *p = &r->w->plan;
    uint16_t *tile = target(r, (uint32_t)(row / p->d_tile), y, s);
    uint32_t i = (uint32_t)(row % p->d_tile);
    for (uint64_t j = 0; tile && j < n; j++)
        if (!to_f16(r, t, v[from + j], &tile[j * p->d_tile + i])) return beyond_f16(r, t, v[from + j]);
    return true;
}

static uint64_t part(uint64_t total, uint64_t first, uint64_t tile) {
    return first >= total ? 0 : total - first < tile ? total - first : tile;
}

/* Where element `dim` of a head of q or k lies on the wafer, whose pairs for the rotary embedding are neighbours. The
 * same order for q and for k leaves their products as they are. */
static uint32_t turned_dim(const plan *p, uint32_t dim) {
    uint32_t half = p->rope_dims / 2;
    if (p->rope_style != ROPE_HALVES || dim >= 2 * half) return dim;
    return dim < half ? 2 * dim : 2 * (dim - half) + 1;
}

/* Row of the unit's matrix for row k of the `n` that begin at `base`. */
static uint64_t row_in_unit(const plan *p, uint64_t base, uint64_t k) {
    uint64_t head = k / p->head_size;
    bool is_v = base + k >= (p->group + 1ull) * p->head_size;
    return base + (is_v ? k : head * p->head_size + turned_dim(p, (uint32_t)(k % p->head_size)));
}

/* Rows of a unit's matrix [q of its heads; k; v] begin at `base` for this tensor; each unit takes `n` rows of it. */
static bool place_of_unit(reader *r, uint32_t top, const llm_tensor *t, uint64_t tensor_first, uint64_t base,
                          uint64_t n) {
    const plan *p = &r->w->plan;
    for (uint64_t k = 0; k < p->units * n; k++) {
        uint64_t in_unit = row_in_unit(p, base, k % n);
        uint32_t y = top + (uint32_t)(k / n * p->unit_rows + in_unit / p->qkv_tile);
        if (!deal_over_columns(r, t, tensor_first + k, WAFER_W_QKV, y, (uint32_t)(in_unit % p->qkv_tile), p->qkv_tile))
            return false;
    }
    return true;
}

static bool place_qkv(reader *r, uint32_t top, const llm_layer *l) {
    const plan *p = &r->w->plan;
    uint64_t q = (uint64_t)p->group * p->head_size, kv = p->head_size;
    if (l->qkv)
        return place_of_unit(r, top, l->qkv, 0, 0, q) && place_of_unit(r, top, l->qkv, p->units * q, q, kv) &&
               place_of_unit(r, top, l->qkv, p->units * (q + kv), q + kv, kv);
    return place_of_unit(r, top, l->q, 0, 0, q) && place_of_unit(r, top, l->k, 0, q, kv) &&
           place_of_unit(r, top, l->v, 0, q + kv, kv);
}

static bool place_o(reader *r, uint32_t top, const llm_layer *l) {
    const plan *p = &r->w->plan;
    uint64_t out = (uint64_t)p->group * p->head_size;
    for (uint64_t row = 0; row < p->d_model; row++) {
        const float *v = read_row(r, l->o, row);
        if (!v) return false;
        for (uint32_t y = 0; y < p->rows; y++) {
            uint64_t first = (uint64_t)(y % p->unit_rows) * p->o_tile;
            if (!deal_down(r, l->o, v, row, WAFER_W_O, top + y, y / p->unit_rows * out + first,
                           part(out, first, p->o_tile)))
                return false;
        }
    }
    return true;
}

static bool place_up(reader *r, uint32_t top, const llm_tensor *t, uint32_t second) {
    const plan *p = &r->w->plan;
    for (uint64_t row = 0; row < p->mlp_width; row++)
        if (!deal_over_columns(r, t, row, WAFER_W_UP, top + (uint32_t)(row / p->mlp_tile),
                               second + (uint32_t)(row % p->mlp_tile), p->up_tile))
            return false;
    return true;
}

static bool place_down(reader *r, uint32_t top, const llm_layer *l) {
    const plan *p = &r->w->plan;
    for (uint64_t row = 0; row < p->d_model; row++) {
        const float *v = read_row(r, l->down, row);
        if (!v) return false;
        for (uint32_t y = 0; y < p->rows; y++) {
            uint64_t first = (uint64_t)y * p->mlp_tile;
            if (!deal_down(r, l->down, v, row, WAFER_W_DOWN, top + y, first, part(p->mlp_width, first, p->mlp_tile)))
                return false;
        }
    }
    return true;
}

/* ---- vectors ---- */

static void put_f32(uint16_t *symbol, uint64_t at, float v) {
    if (symbol) memcpy(symbol + 2 * at, &v, sizeof v);
}

/* A vector over the columns, in blocks of d_tile; on rows [top, top + rows). */
static bool place_blocks(reader *r, const llm_tensor *t, wafer_symbol s, uint32_t top, uint32_t rows) {
    const plan *p = &r->w->plan;
    const float *v = t ? read_row(r, t, 0) : NULL;
    if (!v) return !t;
    for (uint32_t y = top; y < top + rows; y++)
        for (uint32_t k = 0; k < p->d_model; k++) put_f32(target(r, k / p->d_tile, y, s), k % p->d_tile, v[k]);
    return true;
}

/* Weights of the norms of q and k heads: each row has those of its part of the unit's matrix; v is left as it is. */
static bool place_head_norm(reader *r, const llm_tensor *t, uint32_t first_head, uint32_t heads, uint32_t top) {
    const plan *p = &r->w->plan;
    const float *v = t ? read_row(r, t, 0) : NULL;
    if (!v && t) return false;
    for (uint32_t k = 0; t && k < p->units * heads * p->head_size; k++) {
        uint32_t in_heads = k % (heads * p->head_size), dim = in_heads % p->head_size;
        uint64_t in_unit = row_in_unit(p, (uint64_t)first_head * p->head_size, in_heads);
        uint32_t y = top + (uint32_t)(k / (heads * p->head_size) * p->unit_rows + in_unit / p->qkv_tile);
        for (uint32_t x = 0; x < p->width; x++)
            put_f32(target(r, x, y, WAFER_N_QK), in_unit % p->qkv_tile, first_head <= p->group ? v[dim] : 1);
    }
    return true;
}

/* Biases of q, k or v: elements of the tensor from `first` on, `n` for each unit, behind row `base` of its matrix. */
static bool place_unit_bias(reader *r, uint32_t top, const llm_tensor *t, uint64_t first, uint64_t base, uint64_t n) {
    const plan *p = &r->w->plan;
    const float *v = t ? read_row(r, t, 0) : NULL;
    if (!v) return !t;
    for (uint64_t k = 0; k < p->units * n; k++) {
        uint64_t in_unit = row_in_unit(p, base, k % n);
        uint32_t y = top + (uint32_t)(k / n * p->unit_rows + in_unit / p->qkv_tile);
        put_f32(target(r, p->row_root, y, WAFER_B_QKV), in_unit % p->qkv_tile, v[first + k]);
    }
    return true;
}

static bool place_up_bias(reader *r, uint32_t top, const llm_tensor *t, uint32_t second) {
    const plan *p = &r->w->plan;
    const float *v = t ? read_row(r, t, 0) : NULL;
    if (!v) return !t;
    for (uint32_t k = 0; k < p->mlp_width; k++)
        put_f32(target(r, p->row_root, top + k / p->mlp_tile, WAFER_B_UP), second + k % p->mlp_tile, v[k]);
    return true;
}

static bool place_biases(reader *r, uint32_t top, const llm_layer *l) {
    const plan *p = &r->w->plan;
    uint64_t q = (uint64_t)p->group * p->head_size, kv = p->head_size;
    bool ok = l->qkv ? place_unit_bias(r, top, l->qkv_b, 0, 0, q) &&
                           place_unit_bias(r, top, l->qkv_b, p->units * q, q, kv) &&
                           place_unit_bias(r, top, l->qkv_b, p->units * (q + kv), q + kv, kv)
                     : place_unit_bias(r, top, l->q_b, 0, 0, q) && place_unit_bias(r, top, l->k_b, 0, q, kv) &&
                           place_unit_bias(r, top, l->v_b, 0, q + kv, kv);
    return ok && place_up_bias(r, top, p->gated ? l->gate_b : l->up_b, 0) &&
           (!p->gated || place_up_bias(r, top, l->up_b, p->mlp_tile)) && place_blocks(r, l->o_b, WAFER_B_O, top, 1) &&
           place_blocks(r, l->down_b, WAFER_B_DOWN, top, 1);
}

static bool place_norms(reader *r, uint32_t top, const llm_layer *l) {
    const struct {
        const llm_tensor *t;
        wafer_symbol s;
    } blocks[] = {{l->attn_norm, WAFER_N_ATTN},           {l->ffn_norm, WAFER_N_MLP},
                  {l->attn_norm_b, WAFER_N_ATTN_B},       {l->ffn_norm_b, WAFER_N_MLP_B},
                  {l->attn_post_norm, WAFER_N_ATTN_POST}, {l->ffn_post_norm, WAFER_N_MLP_POST}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (!place_blocks(r, blocks[i].t, blocks[i].s, top, r->w->plan.rows)) return false;
    uint32_t group = r->w->plan.group;
    return place_head_norm(r, l->q_norm, 0, group, top) && place_head_norm(r, l->k_norm, group, 1, top) &&
           place_head_norm(r, l->k_norm, group + 1, 1, top);
}

/* ---- tables ---- */

/* Rows of a table to the head region; they become rows `first`, first + 1, ... of it. */
static bool place_table(reader *r, const llm_tensor *t, wafer_symbol s, uint64_t first, uint64_t count) {
    const plan *p = &r->w->plan;
    uint32_t top = wafer_first_head_row(r->w);
    for (uint64_t k = 0; k < count; k++) {
        uint64_t row = first + k;
        if (!deal_over_columns(r, t, k, s, top + (uint32_t)(row / p->vocab_tile), (uint32_t)(row % p->vocab_tile),
                               p->vocab_tile))
            return false;
    }
    return true;
}

static bool place_embedding(reader *r) {
    const plan *p = &r->w->plan;
    const llm_model *m = r->w->model;
    wafer_symbol s = p->tied ? WAFER_W_HEAD : WAFER_W_EMBED;
    return (p->tied || place_table(r, m->embed, s, 0, p->vocab)) &&
           (!m->positions || place_table(r, m->positions, s, p->vocab, p->table_rows - p->vocab));
}

static bool place_head(reader *r) {
    const plan *p = &r->w->plan;
    const llm_model *m = r->w->model;
    uint32_t top = wafer_first_head_row(r->w);
    return place_table(r, m->output, WAFER_W_HEAD, 0, p->vocab) &&
           place_blocks(r, m->output_norm, WAFER_N_OUT, top, p->head_rows) &&
           place_blocks(r, m->output_norm_b, WAFER_N_OUT_B, top, p->head_rows);
}

static bool make_rope(wafer *w, diag *d) {
    const llm_tensor *t = w->model->rope_freqs;
    float *factors = t ? arena_push_n(w->memory, float, t->cols) : NULL;
    if (t && (!factors || !store_read_f32(w->store, t, 0, 1, factors, d)))
        return factors ? false : diag_oom(d, "rope table");
    return rope_table_init(&w->rope[0], w->memory, &w->model->config, factors, false, d) &&
           rope_table_init(&w->rope[1], w->memory, &w->model->config, factors, true, d);
}

/* ---- where each PE is ---- */

uint32_t wafer_window(const wafer *w, uint32_t layer) {
    const llm_config *c = &w->model->config;
    return c->windowed[layer] && c->window < w->plan.context ? c->window : 0;
}

static void place_places(wafer *w) {
    const plan *p = &w->plan;
    for (uint32_t y = 0; y < w->image->height; y++)
        for (uint32_t x = 0; x < w->image->width; x++) {
            uint16_t *at = wafer_at(w, x, y, WAFER_PLACE);
            uint32_t layer = y / p->rows, window = 0;
            if (!p->streamed && layer < w->part.layers) window = wafer_window(w, w->part.first_layer + layer);
            if (layer > w->part.layers) layer = w->part.layers;
            if (!at) continue;
            at[0] = (uint16_t)x;
            at[1] = (uint16_t)(y - layer * p->rows);
            at[2] = (uint16_t)window;
        }
}

enum { COS, SIN, STEP_COS, STEP_SIN, ANGLE_ROWS };

/* cos, sin of `position` and, without magnitude, of one step, [dims / 2] each. */
typedef struct {
    uint32_t half;
    float *row[ANGLE_ROWS];
} angles;

static void angles_of(angles *a, const rope_table *t, uint32_t position) {
    rope_table step = *t;
    step.magnitude = 1;
    rope_angles(t, position, a->row[COS], a->row[SIN]);
    rope_angles(&step, 1, a->row[STEP_COS], a->row[STEP_SIN]);
    a->half = t->dims / 2;
}

/* Angles of the pairs that row `y` has of its unit's matrix; v and what the rotation leaves alone are turned by none.
 */
static void put_angles(wafer *w, const angles *a, uint32_t y, uint32_t table) {
    const plan *p = &w->plan;
    uint32_t pairs = p->qkv_tile / 2, first = y % p->rows % p->unit_rows * p->qkv_tile;
    uint32_t first_of_table = table * ANGLE_ROWS * pairs;
    for (uint32_t k = 0; k < ANGLE_ROWS * pairs; k++) {
        uint32_t row = k / pairs, at = first + 2 * (k % pairs), pair = at % p->head_size / 2;
        bool turns = at < (p->group + 1) * p->head_size && pair < a->half;
        float v = turns ? a->row[row][pair] : row == COS || row == STEP_COS;
        for (uint32_t x = 0; x < p->width; x++) put_f32(wafer_at(w, x, y, WAFER_ROPE), first_of_table + k, v);
    }
}

/* A resident layer has the table of its kind; rows through which all layers pass have both. */
static void set_angles(wafer *w, uint32_t position) {
    const plan *p = &w->plan;
    float rows[ANGLE_ROWS][8192]; /* head sizes are at most 2^14 (llm/model.c) */
    angles a = {.row = {rows[COS], rows[SIN], rows[STEP_COS], rows[STEP_SIN]}};
    for (uint32_t region = 0; region < (p->streamed ? 1 : w->part.layers); region++)
        for (uint32_t table = 0; table < (p->streamed ? p->rope_tables : 1); table++) {
            angles_of(&a, &w->rope[p->streamed ? table : w->model->config.windowed[w->part.first_layer + region]],
                      position);
            for (uint32_t y = 0; y < p->rows; y++) put_angles(w, &a, region * p->rows + y, table);
        }
}

void wafer_set_position(wafer *w, uint32_t position) {
    for (uint32_t y = 0; y < w->image->height; y++)
        for (uint32_t x = 0; x < w->image->width; x++) {
            uint16_t *at = wafer_at(w, x, y, WAFER_POSITION);
            if (at) *at = (uint16_t)position;
        }
    if (w->plan.rope_style) set_angles(w, position);
    w->position = position;
}

static bool place_layer(reader *r, uint32_t layer, uint32_t top) {
    const plan *p = &r->w->plan;
    const llm_layer *l = &r->w->model->layers[layer];
    return place_qkv(r, top, l) && place_o(r, top, l) && place_up(r, top, p->gated ? l->gate : l->up, 0) &&
           (!p->gated || place_up(r, top, l->up, p->mlp_tile)) && place_down(r, top, l) && place_norms(r, top, l) &&
           place_biases(r, top, l);
}

bool wafer_gather(wafer *w, uint32_t layer, wafer_stage *stage, diag *d) {
    reader r = {.w = w, .d = d, .stage = stage};
    bool ok = layer < w->plan.layers ? place_layer(&r, layer, 0) : place_head(&r);
    reader_close(&r);
    return ok;
}

/* ---- leaving out small weights ---- */

enum { MAGNITUDES = 0x7c00 }; /* of finite f16 numbers, as integers in their order */

static bool least_of(reader *r, const llm_tensor *t, uint64_t *counts, uint16_t *least) {
    uint64_t left_out = (uint64_t)(r->w->sparsity * (double)(t->rows * t->cols)), sum = 0;
    memset(counts, 0, MAGNITUDES * sizeof *counts);
    for (uint64_t i = 0; i < t->rows; i++) {
        const float *v = read_row(r, t, i);
        if (!v) return false;
        for (uint64_t k = 0; k < t->cols; k++) {
            uint32_t magnitude = f16_from_f32(v[k]) & 0x7fff;
            if (magnitude < MAGNITUDES) counts[magnitude]++;
        }
    }
    for (*least = 0; *least < MAGNITUDES && sum + counts[*least] <= left_out; (*least)++) sum += counts[*least];
    return true;
}

bool wafer_find_least(wafer *w, diag *d) {
    reader r = {.w = w, .d = d};
    uint64_t *counts = mem_alloc_n(MAGNITUDES, sizeof *counts);
    uint16_t *least = arena_push_n(w->memory, uint16_t, w->model->tensor_count);
    bool ok = (counts && least) || diag_oom(d, "sparsity");
    for (size_t i = 0; ok && i < w->model->tensor_count; i++) {
        const llm_tensor *t = &w->model->tensors[i];
        if (t->rows > 1) ok = least_of(&r, t, counts, &least[i]);
    }
    reader_close(&r);
    mem_free(counts);
    w->least = least;
    return ok;
}

/* ---- all of it ---- */

static bool place_resident(wafer *w, const wafer_progress *progress, diag *d) {
    const plan *p = &w->plan;
    const plan_wafer *here = &w->part;
    reader r = {.w = w, .d = d};
    bool ok = true;
    for (uint32_t i = 0; ok && i < here->layers; i++) {
        ok = place_layer(&r, here->first_layer + i, i * p->rows);
        if (ok && progress->fn) progress->fn(progress->arg, (here->first_layer + i + 1.0) / (p->layers + 2));
    }
    if (here->head) ok = ok && place_head(&r) && place_embedding(&r);
    reader_close(&r);
    return ok;
}

bool wafer_place_weights(wafer *w, const wafer_progress *progress, diag *d) {
    if (!make_rope(w, d)) return false;
    if (!w->plan.streamed && !place_resident(w, progress, d)) return false;
    place_places(w);
    wafer_set_position(w, 0);
    if (progress->fn && !w->next) progress->fn(progress->arg, 1);
    return true;
}
