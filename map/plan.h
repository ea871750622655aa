/* A plan: where a model lies on a wafer. Plain data; what the layout of kernels/transformer needs, and what it costs.
 *
 *     plan p;
 *     if (plan_make(&p, a, model, &wafer, &(plan_options){.context = 1024, .policy = "compact"}, d))
 *         p.width, p.rows, p.layer_memory.total_bytes, p.cycles.token, ...
 *
 * In: the configuration of a model (no weights), a wafer, wishes. Out: one rectangle per wafer. Every layer has a
 * region of `width` columns and `rows` = units * unit_rows rows; a unit is one KV head with its query heads. Regions
 * lie one under the other; behind the last layer comes the head region (embedding, final norm, LM head, argmax) of
 * `head_rows` rows. When that is higher than a wafer, it is cut between layers and goes on on the next one.
 *
 * Matrices are cut into equal tiles; what does not divide is padded with zeros (plan.padding says how much), heads are
 * never merged or split over units. Weights and the KV cache are f16, vectors between operations f32.
 *
 * The search tries every width and unit_rows that make some tile smaller and that the wafer has room for, and keeps
 * what fits the memory of a PE (map/memory.c) on the fewest wafers; among these the policy decides, with the cycles of
 * map/cycles.c. First-order numbers: the same formulas for every model, checked against the machine in
 * docs/wafer-models.md.
 *
 * Streamed weights (plan_options.streamed, map/streamed.c): one region through which all layers pass; its height is
 * what the wafer's I/O feeds, its width what keys, values and logits need. There is no head region.
 *
 * Left out: holes (they change link lengths, not places).
 */
#ifndef INGOT_MAP_PLAN_H
#define INGOT_MAP_PLAN_H
#include "isa/wafer.h"
#include "llm/model.h"

enum {
    PLAN_CONTEXT_DEFAULT = 4096,
    PLAN_CONTEXT_MAX = 65535, /* positions are u16 on the PEs */
    PLAN_SIDE_COLUMNS = 7,    /* columns and rows of the fabric that no program has */
    PLAN_SIDE_ROWS = 2,
    PLAN_TOKENS_DEFAULT = 8, /* of a streamed pass */
    PLAN_TOKENS_MAX = 16,
    PLAN_STEPS_MAX = 64, /* tokens of one launch */
    PLAN_NO_POSITIONS = -1,
};

typedef struct {
    uint32_t context;                                  /* tokens; 0 = the model's, at most PLAN_CONTEXT_DEFAULT */
    const char *policy;                                /* a row of plan_policies; NULL = the first */
    uint32_t columns, unit_rows, head_rows, row_group; /* 0 = searched */
    uint32_t sums;       /* 0 = searched; else 1 + (1: rows are summed toward their middle) + (2: norm_late) */
    uint32_t wafers_max; /* 0 = as many as it takes */
    bool streamed;       /* weights come from outside, layer by layer */
    bool sparse;         /* streamed: only those that are not zero */
    uint32_t tokens;     /* streamed: tokens of a pass, at most PLAN_TOKENS_MAX; 0 = PLAN_TOKENS_DEFAULT */
} plan_options;

/* Phases of the programs, as their counters `spent` number them. */
#define PLAN_LAYER_PHASES(X)                                                                                           \
    X(WAIT, "wait")                                                                                                    \
    X(NORM, "norm")                                                                                                    \
    X(QKV, "qkv multiply")                                                                                             \
    X(QKV_SUM, "qkv sum, gather")                                                                                      \
    X(ROPE, "rope")                                                                                                    \
    X(ATTENTION, "attention")                                                                                          \
    X(ATTENTION_SUM, "attention sums")                                                                                 \
    X(O, "o multiply")                                                                                                 \
    X(O_SUM, "o sum")                                                                                                  \
    X(UP, "up multiply")                                                                                               \
    X(UP_SUM, "up sum")                                                                                                \
    X(ACTIVATION, "activation")                                                                                        \
    X(DOWN, "down multiply")                                                                                           \
    X(DOWN_SUM, "down sum")
#define PLAN_HEAD_PHASES(X)                                                                                            \
    X(WAIT, "wait")                                                                                                    \
    X(NORM, "norm")                                                                                                    \
    X(MULTIPLY, "multiply")                                                                                            \
    X(SUM, "sum")                                                                                                      \
    X(ARGMAX, "argmax")                                                                                                \
    X(EMBED, "embedding")
#define PLAN_ENUM(name, text)      PLAN_##name,
#define PLAN_HEAD_ENUM(name, text) PLAN_HEAD_##name,
typedef enum { PLAN_LAYER_PHASES(PLAN_ENUM) PLAN_PHASES } plan_phase;
typedef enum { PLAN_HEAD_PHASES(PLAN_HEAD_ENUM) PLAN_HEAD_PHASES_COUNT } plan_head_phase;
#undef PLAN_ENUM
#undef PLAN_HEAD_ENUM
extern const char *const plan_phase_names[PLAN_PHASES];
extern const char *const plan_head_phase_names[PLAN_HEAD_PHASES_COUNT];

/* Bytes of one PE. `code` is the measured size of the compiled programs (map/memory.c). */
typedef struct {
    uint32_t weights, norms, kv, rope, buffers, tokens, code, total, limit;
} plan_memory;

/* Cycles of one token. A layer's phases are those of the last layer that sees everything. */
typedef struct {
    uint32_t position; /* tokens in the context before it */
    double layer[PLAN_PHASES], head[PLAN_HEAD_PHASES_COUNT];
    double layer_total, head_total;
    double token;  /* from a token to the next: all layers and the head */
    double prompt; /* each further token of a prompt: the slowest region; streamed: of a pass */
    double io;     /* streamed: what the words of a pass take at the rate of a row of the wafer */
} plan_cycles;

/* Elements that are zeros because sizes do not divide, of all elements that a layer (or the head) has room for. */
typedef struct {
    double layer, head;
} plan_padding;

typedef struct {
    uint32_t first_layer, layers; /* on this wafer; layers may be 0 on the last */
    bool head;
    uint32_t rows; /* height of the program's rectangle; its width is plan.width */
} plan_wafer;

typedef struct {
    /* the model */
    uint32_t layers, d_model, units, group, head_size, mlp_width, vocab, context;
    uint32_t rope_style, rope_dims, activation, norm;
    bool gated, qk_norm, post_norm, bias, tied;
    float eps, attn_scale, embed_scale;
    uint32_t window; /* of windowed layers; 0 = none */
    /* the layout */
    uint32_t width, unit_rows, rows, row_group, head_rows;
    uint32_t row_root; /* the column that sums of rows run to: the first or the middle one */
    bool norm_late;    /* RMS norms divide the products behind them, and need no sums of their own */
    uint32_t d_tile, qkv_tile, o_tile, mlp_tile, up_tile, slots;
    uint32_t table_rows, vocab_tile, steps_max;
    /* streamed: tokens of a pass; tables of angles; words of the stream for a PE when no weight is left out */
    bool streamed, sparse;
    uint32_t tokens, rope_tables, layer_words, head_words;
    int64_t positions_first; /* row of the table where learned positions begin; PLAN_NO_POSITIONS */
    /* what it comes to */
    const char *policy;
    plan_wafer *wafers;
    uint32_t wafer_count, fabric_width, fabric_height;
    uint64_t pes;
    plan_memory layer_memory, head_memory;
    plan_cycles cycles; /* with half the context filled */
    plan_padding padding;
} plan;

/* False: it does not fit; d says what is short and what would help. The list of wafers lives in `a`. */
bool plan_make(plan *p, arena *a, const llm_model *m, const isa_wafer *w, const plan_options *o, diag *d);

/* A policy: which of the plans that fit is the best. Less is better; equal ones: fewer cycles, then fewer PEs. */
typedef struct {
    const char *name, *meaning;
    double (*score)(const plan *p);
} plan_policy;
extern const plan_policy plan_policies[]; /* ended by a row without a name */

/* ---- memory.c, cycles.c: of a plan whose tiles are set ---- */

uint32_t plan_memory_limit(const isa_wafer *w);
void plan_layer_memory(const plan *p, const isa_wafer *w, plan_memory *out);
void plan_head_memory(const plan *p, const isa_wafer *w, plan_memory *out);
uint32_t plan_vocab_tile_max(const plan *p,
                             const isa_wafer *w); /* rows of the table that a PE has room for; 0 = none */

/* Of a prompt, by the cycles of its middle. */
double plan_prompt_cycles(const plan *p, const plan_cycles *c, uint64_t tokens);
/* A PE's work on one slot of its cache for `group` query heads of `head` numbers: two cycles for each product of q and
 * k, whose sum is taken by halves down to 16 numbers, then exp and the weighted sum of v. Constants:
 * kernels/attention/README.md. */
double plan_slot_cycles(double group, double head);
void plan_cycles_at(const plan *p, const isa_wafer *w, uint32_t position, plan_cycles *out);
/* The fastest ways to cut its rows into groups (unless `group` says which), toward which column, and when to divide. */
void plan_set_sums(plan *p, const isa_wafer *w, uint32_t group, uint32_t sums);

static inline uint32_t plan_tiles(uint64_t n, uint64_t parts) { return (uint32_t)((n + parts - 1) / parts); }
#endif
