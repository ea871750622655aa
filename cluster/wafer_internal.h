/* Inside the wafer engine. Nobody outside cluster/wafer*.c includes this. */
#ifndef INGOT_CLUSTER_WAFER_INTERNAL_H
#define INGOT_CLUSTER_WAFER_INTERNAL_H
#include "cluster/wafer.h"
#include "llm/rope.h"

/* Symbols of the kernels: name, bits of an element, elements. `p` is the plan. */
#define WAFER_SYMBOLS(X)                                                                                               \
    X(PLACE, "place", 16, 8)                                                                                           \
    X(POSITION, "position", 16, 1)                                                                                     \
    X(SPENT, "spent", 32, 16)                                                                                          \
    X(W_QKV, "w_qkv", 16, (uint64_t)p->d_tile * p->qkv_tile)                                                           \
    X(W_O, "w_o", 16, (uint64_t)p->o_tile * p->d_tile)                                                                 \
    X(W_UP, "w_up", 16, (uint64_t)p->d_tile * p->up_tile)                                                              \
    X(W_DOWN, "w_down", 16, (uint64_t)p->mlp_tile * p->d_tile)                                                         \
    X(N_ATTN, "n_attn", 32, p->d_tile)                                                                                 \
    X(N_MLP, "n_mlp", 32, p->d_tile)                                                                                   \
    X(N_ATTN_B, "n_attn_b", 32, p->d_tile)                                                                             \
    X(N_MLP_B, "n_mlp_b", 32, p->d_tile)                                                                               \
    X(N_ATTN_POST, "n_attn_post", 32, p->d_tile)                                                                       \
    X(N_MLP_POST, "n_mlp_post", 32, p->d_tile)                                                                         \
    X(N_QK, "n_qk", 32, p->qkv_tile)                                                                                   \
    X(B_QKV, "b_qkv", 32, p->qkv_tile)                                                                                 \
    X(B_UP, "b_up", 32, p->up_tile)                                                                                    \
    X(B_O, "b_o", 32, p->d_tile)                                                                                       \
    X(B_DOWN, "b_down", 32, p->d_tile)                                                                                 \
    X(ROPE, "rope", 32, 2 * (uint64_t)p->qkv_tile * p->rope_tables)                                                    \
    X(W_HEAD, "w_head", 16, (uint64_t)p->d_tile * p->vocab_tile)                                                       \
    X(W_EMBED, "w_embed", 16, (uint64_t)p->d_tile * p->vocab_tile)                                                     \
    X(RESIDUAL, "x", 32, (uint64_t)p->tokens * p->d_tile)                                                              \
    X(N_OUT, "n_out", 32, p->d_tile)                                                                                   \
    X(N_OUT_B, "n_out_b", 32, p->d_tile)                                                                               \
    X(FORCED, "forced", 32, p->steps_max)                                                                              \
    X(GENERATED, "generated", 32, p->steps_max)                                                                        \
    X(LOGITS, "logits", 32, p->vocab_tile)
#define WAFER_SYMBOL_ENUM(id, name, bits, elements) WAFER_##id,
typedef enum { WAFER_SYMBOLS(WAFER_SYMBOL_ENUM) WAFER_SYMBOL_COUNT } wafer_symbol;
#undef WAFER_SYMBOL_ENUM
#define WAFER_NOWHERE UINT32_MAX

/* Where a program keeps its symbols: word addresses. */
typedef struct {
    bool known;
    uint32_t word[WAFER_SYMBOL_COUNT];
} wafer_facts;

/* A layer's (or the head's) weights on their way, in the order of the stream: for each PE `words` words of 32 bits, and
 * in them the symbols that a resident layer would have, `at` counted in 16-bit words. */
typedef struct {
    uint16_t *data;
    uint32_t words, at[WAFER_SYMBOL_COUNT];
} wafer_stage;

struct wafer {
    llm_store *store;
    const llm_model *model;
    arena *memory;
    isa_wafer machine;
    plan plan;       /* of the whole model on the first of several wafers; the rest have it too */
    plan_wafer part; /* what of it is here */
    wafer *next;     /* the wafer with the layers behind; NULL: the last */
    isa_image *image;
    host *host;
    const wse *simulator;
    wafer_facts *facts; /* [program] */
    rope_table rope[2]; /* of full and of windowed layers */
    uint32_t position;
    wafer_stats stats;
    wafer_progress prompt;
    double sparsity;
    uint16_t *least; /* [tensor] with sparsity: f16 magnitudes below this become zero; NULL: none */
};

/* wafer_place.c */
bool wafer_find_symbols(wafer *w, diag *d);
bool wafer_place_weights(wafer *w, const wafer_progress *progress, diag *d);
void wafer_set_position(wafer *w, uint32_t position); /* on all PEs, with the rope tables of that position */
/* Where a symbol lies on the PE in column x, row y of the rectangle; NULL: its program has none. */
uint16_t *wafer_at(wafer *w, uint32_t x, uint32_t y, wafer_symbol s);
uint32_t wafer_first_head_row(const wafer *w);
uint32_t wafer_window(const wafer *w, uint32_t layer); /* tokens that a layer sees; 0 = all */

/* The weights of a layer, or with layer = plan.layers those of the head, into a stage whose data are zero. */
bool wafer_gather(wafer *w, uint32_t layer, wafer_stage *stage, diag *d);
bool wafer_find_least(wafer *w, diag *d); /* what `sparsity` leaves out of each matrix */

/* wafer_stream.c: streamed weights */
bool wafer_stream_forward(wafer *w, const int32_t *ids, size_t count, bool logits, wafer_work *work, diag *d);

/* wafer_stats.c */
void wafer_measure_programs(wafer *w);
void wafer_join_stats(wafer_stats *to, const wafer_stats *more);
void wafer_clear_spent(wafer *w);
void wafer_account(wafer *w, wafer_work *to, uint64_t tokens, uint64_t since_cycle, const wse_counters *before,
                   double seconds);
#endif
