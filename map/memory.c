/* Memory of a PE, item by item: the arrays of kernels/transformer as their tiles make them, and what the compiler was
 * seen to need beside them. Tests compare with the compiled programs (tests/test_wafer_model.c), so that a kernel that
 * grows is noticed. */
#include "map/plan_internal.h"

enum {
    /* Instructions, stack, descriptors and small variables of a layer's and the head's program, and a little room for
     * what families differ in. */
    LAYER_CODE_BYTES = 8448,
    STREAMED_CODE_BYTES = 10240,
    HEAD_CODE_BYTES = 3584,
    PLACE_BYTES = 2 * 8 + 2 + 4 * 16, /* place, position, spent */
    F16 = 2,
    F32 = 4,
};

uint32_t plan_memory_limit(const isa_wafer *w) { return ISA_SRAM_WORDS * 2 - w->reserved_bytes; }

static uint32_t clamp(uint64_t bytes) { return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX; }
static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void add_up(plan_memory *m, const isa_wafer *w) {
    m->total = clamp((uint64_t)m->weights + m->norms + m->kv + m->rope + m->buffers + m->tokens + m->code);
    m->limit = plan_memory_limit(w);
}

/* The norms' weights and the biases. */
static uint64_t norm_elements(const plan *p) {
    uint64_t n = 2ull * p->d_tile * (1 + (p->norm != 0) + p->post_norm);
    if (p->qk_norm) n += p->qkv_tile;
    if (p->bias) n += p->qkv_tile + p->up_tile + 2ull * p->d_tile;
    return n;
}

/* Vectors between operations: x, its normed copy and a scratch; the row's part of qkv or up; q, k, v of the unit;
 * scores and sums of attention; hidden values of the MLP; inputs of a product as f16. */
static uint64_t layer_buffers(const plan *p) {
    uint64_t wide = 3ull * p->d_tile + larger(p->qkv_tile, p->up_tile) + (uint64_t)p->unit_rows * p->qkv_tile +
                    p->mlp_tile + (uint64_t)p->slots * p->group + 2ull * p->head_size +
                    larger((uint64_t)p->unit_rows * p->o_tile, (uint64_t)p->group * p->head_size) + 3ull * p->group;
    if (p->rope_style) wide += 3ull * p->qkv_tile / 2;
    if (p->qk_norm) wide += p->qkv_tile + p->group + 1;
    return F32 * wide + F16 * larger(p->d_tile, larger(p->o_tile, p->mlp_tile)) + PLACE_BYTES;
}

void plan_layer_memory(const plan *p, const isa_wafer *w, plan_memory *out) {
    uint64_t weights = (uint64_t)p->d_tile * (p->qkv_tile + (uint64_t)p->o_tile + p->up_tile + p->mlp_tile);
    *out = (plan_memory){.weights = clamp(F16 * weights),
                         .norms = clamp(F32 * norm_elements(p)),
                         .kv = clamp(2ull * F16 * p->slots * p->head_size),
                         .rope = p->rope_style ? F32 * 2 * p->qkv_tile : 0,
                         .buffers = clamp(layer_buffers(p)),
                         .code = LAYER_CODE_BYTES};
    add_up(out, w);
}

/* One program for all layers and the head: its vectors are those of all tokens of a pass, its keys and values those of
 * all layers, and no weights but a column on its way. */
void plan_streamed_memory(const plan *p, const isa_wafer *w, plan_memory *out) {
    uint64_t part = larger(p->qkv_tile, p->up_tile), column = larger(part, larger(p->d_tile, p->vocab_tile));
    uint64_t wide = p->tokens * (2ull * p->d_tile + part + p->mlp_tile + 1) + p->d_tile + p->vocab_tile + column / 2 +
                    (uint64_t)p->unit_rows * p->qkv_tile + (uint64_t)p->slots * p->group + 2ull * p->head_size +
                    larger((uint64_t)p->unit_rows * p->o_tile, (uint64_t)p->group * p->head_size) + 3ull * p->group +
                    (p->rope_style ? 3ull * p->qkv_tile / 2 : 0) + (p->qk_norm ? p->qkv_tile + p->group + 1ull : 0);
    uint64_t half = p->tokens * larger(p->d_tile, larger(p->o_tile, p->mlp_tile));
    *out = (plan_memory){.norms = clamp(F32 * norm_elements(p)),
                         .kv = clamp(2ull * F16 * p->layers * p->slots * p->head_size),
                         .rope = p->rope_style ? F32 * 2 * p->qkv_tile * (p->rope_tables + 1) : 0,
                         .buffers = clamp(F32 * wide + F16 * half + PLACE_BYTES),
                         .code = STREAMED_CODE_BYTES};
    add_up(out, w);
}

void plan_head_memory(const plan *p, const isa_wafer *w, plan_memory *out) {
    uint64_t tables = p->tied ? 1 : 2;
    *out = (plan_memory){.weights = clamp(F16 * tables * p->vocab_tile * p->d_tile),
                         .norms = clamp(F32 * (1ull + (p->norm != 0)) * p->d_tile),
                         .buffers = clamp(F32 * (2ull * p->d_tile + p->vocab_tile) + F16 * p->d_tile + PLACE_BYTES),
                         .tokens = 2 * F32 * p->steps_max,
                         .code = HEAD_CODE_BYTES};
    add_up(out, w);
}

uint32_t plan_vocab_tile_max(const plan *p, const isa_wafer *w) {
    plan one = *p;
    plan_memory none, row;
    one.vocab_tile = 0;
    plan_head_memory(&one, w, &none);
    one.vocab_tile = 1;
    plan_head_memory(&one, w, &row);
    uint32_t each = row.total - none.total;
    return none.total > none.limit || !each ? 0 : (none.limit - none.total) / each;
}
