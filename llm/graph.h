/* Graph: a model as a plain list of operators in order of execution, with what each one costs.
 *
 *     llm_graph g;
 *     llm_graph_build(m, a, &g, d);
 *     llm_cost c = llm_graph_cost(&g, 1, 512, 2);       // one new token at position 512, KV cache of 2-byte elements
 *
 * In: configuration and tensor pointers of a model (never its weights). Out: data that the predictor, the mapper and
 * reports walk over. Every operator names the operators whose results it takes, so nobody has to know a family's block
 * to place it.
 *
 * Costs of a step of T new tokens at positions pos .. pos + T - 1 (a key at position j is visible to i when j <= i and,
 * with a window W, i - j < W; reference: model-formats section 6, audit section 8):
 *
 *   flops     matmul, lm_head  2 rows cols T, and rows T for a bias
 *             attention        sum over the T tokens of (4 heads head_size + 5 heads) n, n = keys it sees:
 *                              q.k and p.v at 2 flops per multiply-add, softmax at 5 per score
 *             the rest         rows cols T times the flops per element in the table below (bias of a norm included)
 *   weights   each tensor once per step, however many tokens share it; lookups read one row per token
 *   KV read   2 kv_heads head_size bytes(element) times the keys visible to any token of the step, each read once:
 *             min(pos + T, T + W - 1); the ideal, in which all query heads and tokens of a step share one read
 *   KV write  2 kv_heads head_size bytes(element) T
 *   act       what an operator reads and writes of vectors between operators, at LLM_ACT_BYTES; scores are never stored
 *
 * Operators with last_only (those behind the last layer) run for the last token of a step alone: a prompt needs one row
 * of logits. Sums are doubles: exact below 2^53, and no product of a hostile file's sizes wraps.
 *
 * Left out: mixture of experts, cross attention, speculative heads; time (perf/).
 */
#ifndef INGOT_LLM_GRAPH_H
#define INGOT_LLM_GRAPH_H
#include "llm/model.h"

enum { LLM_ACT_BYTES = 2, LLM_OP_INPUTS = 2 };

/* kind, name, flops per element, vectors read + written per element, rows x cols for one token. Flops count each of + -
 * * / sqrt exp tanh as one, after audit section 8 ("norm, softmax about 5 per element; elementwise a small constant").
 * */
#define LLM_OP_KINDS(X)                                                                \
    X(EMBED, "embed", 0, 1)            /* 1 x width: a row of the table               */ \
    X(POSITION, "position", 1, 2)      /* 1 x width: a row of the table is added      */ \
    X(SCALE, "scale", 1, 2)            /* 1 x width                                   */ \
    X(NORM, "norm", 5, 2)              /* 1 x width                                   */ \
    X(MATMUL, "matmul", 0, 0)          /* outputs x inputs                            */ \
    X(HEAD_NORM, "head_norm", 5, 2)    /* heads x head size: each head on its own     */ \
    X(ROPE, "rope", 3, 2)              /* heads x rotated dimensions: 6 flops a pair  */ \
    X(KV_STORE, "kv_store", 0, 1)      /* 2 kv_heads x head size: k and v             */ \
    X(ATTENTION, "attention", 0, 2)    /* heads x head size                           */ \
    X(ACTIVATION, "activation", 5, 2)  /* 1 x MLP width: act(up)                      */ \
    X(GATE, "gate", 6, 3)              /* 1 x MLP width: act(gate) * up               */ \
    X(RESIDUAL, "residual", 1, 3)      /* 1 x width                                   */ \
    X(LM_HEAD, "lm_head", 0, 0)        /* vocabulary x width                          */ \
    X(SOFTCAP, "softcap", 3, 2)        /* 1 x vocabulary                              */ \
    X(ARGMAX, "argmax", 1, 1)          /* 1 x vocabulary: the greedy choice           */

#define LLM_OP_ENUM(kind, name, flops, vectors) LLM_OP_##kind,
typedef enum { LLM_OP_KINDS(LLM_OP_ENUM) LLM_OP_KIND_COUNT } llm_op_kind;
#undef LLM_OP_ENUM

typedef struct {
    llm_op_kind kind;
    int32_t layer;                     /* -1 before the first and behind the last */
    const char *name;                  /* "blk.3.attn_q": the tensor's name where there is one */
    const llm_tensor *weight, *bias;   /* NULL: none */
    bool shared;                       /* the weight is that of an earlier operator (tied head) */
    bool last_only;
    uint64_t rows, cols;               /* see the table */
    uint32_t kv_heads, window;         /* of ATTENTION and KV_STORE; window in tokens, 0 = sees everything */
    /* Operators whose results it takes, -1 = none; always earlier ones. Behind a fused qkv each taker uses its own
     * part, in the order q, k, v. KV_STORE takes k, v; ATTENTION takes q and the store; GATE takes gate, up; RESIDUAL
     * takes x, branch. */
    int32_t input[LLM_OP_INPUTS];
} llm_op;

typedef struct {
    llm_op *ops;
    size_t count;
    uint32_t layers;
} llm_graph;

typedef struct {
    double flops;
    double weight_bytes, weight_elems; /* read: in the file's own types, and how many elements that is */
    double kv_read_bytes, kv_write_bytes, act_bytes;
} llm_cost;

/* What stays in memory, whatever the step. */
typedef struct {
    double bytes, elems;
} llm_weights;

bool llm_graph_build(const llm_model *m, arena *a, llm_graph *g, diag *d);   /* operators live in `a` */

llm_cost llm_op_cost(const llm_op *op, uint64_t tokens, uint64_t pos, double kv_elem_bytes);
llm_cost llm_graph_cost(const llm_graph *g, uint64_t tokens, uint64_t pos, double kv_elem_bytes);
void llm_cost_add(llm_cost *sum, const llm_cost *c);

llm_weights llm_op_weights(const llm_op *op);         /* whole tensors with bias; nothing when shared */
llm_weights llm_graph_weights(const llm_graph *g);    /* each tensor once: what resident weights occupy */
double llm_graph_kv_bytes(const llm_graph *g, uint64_t context, double kv_elem_bytes); /* windows respected */
double llm_op_scores(const llm_op *op, uint64_t tokens, uint64_t pos); /* attention scores; 0 for other kinds */

const char *llm_op_kind_name(llm_op_kind kind);
#endif
