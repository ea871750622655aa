/* State of the native engine, shared by its files. */
#ifndef INGOT_LLM_NATIVE_INTERNAL_H
#define INGOT_LLM_NATIVE_INTERNAL_H
#include "llm/native.h"
#include "llm/rope.h"

enum {
    /* With few tokens every thread prepares all activations for itself, which is cheaper than a barrier. */
    PRIVATE_TOKENS = 4,
    TILE_PANELS = 32,      /* that tiles take at once: their sums stay in the second-level cache with the activations */
    RUNS_PER_THREAD = 4,   /* of panels in a matrix, when threads draw them */
    ATTENTION_ROWS = 64,   /* (token, head) rows that share one pass over keys and values */
    HOT_KINDS = 16,        /* layouts x widths */
    HOT_BYTES = 128 << 10, /* of each: several kinds fit the second-level cache together */
    BLOCKS_SHARED = 20,
    BLOCKS_PER_THREAD = 11, /* at least as many buffers as make_buffers asks for */
};

/* Scratch of one thread. */
typedef struct {
    acts own;                      /* activations of up to PRIVATE_TOKENS tokens */
    float *panel;                  /* [batch][16] results of one panel, or of TILE_PANELS: panel_results of 16 */
    uint16_t *pairs;               /* attention by tiles: of the rows of q or scores; NULL without tiles */
    float *q, *scores;             /* attention: [rows][head stride], [rows][score_stride] */
    float inverse[ATTENTION_ROWS]; /* 1 / softmax sum of each row */
    struct hot_panels {
        pack_id layout;
        size_t panel_bytes, count;
        const uint8_t *panels;
    } hot[HOT_KINDS]; /* native_set_hot: of each kind of matrix, some panels */
    int hot_kinds;
    size_t tickets, ticket; /* runs of panels in the matrices so far in this pass; the one drawn */
} thread_scratch;

struct native {
    const llm_model *m;
    const kern *k;
    pool *threads;
    weights *w;
    uint32_t context, batch, position;
    pack_id kv_layout; /* PACK_F16 or PACK_F32 */
    size_t kv_elem_bytes;
    /* Keys of a KV head: panels of 16 positions, [d][16]. Values: chunks of 16 dims, [context][16]. Both are what gemm
     * reads. */
    uint8_t **keys, **values; /* [layer] -> [kv head][...] */
    size_t key_head_bytes, value_head_bytes;
    rope_table rope[2];           /* full, windowed */
    float *cosines[2], *sines[2]; /* [batch][rope_dims / 2] */
    float *x, *qkv, *att, *gate, *up, *tmp;
    size_t width_stride, qkv_stride, q_stride, mlp_stride, score_stride, head_stride;
    size_t attention_rows, panel_results;
    acts shared;
    thread_scratch *scratch; /* [threads] */
    _Atomic size_t tickets;  /* drawn in this pass */
    bool streamed, hot;
    int waits_fd; /* /proc/thread-self/schedstat of waits_tid; -1 = not open */
    int waits_tid;
    int prompt_digits, decode_digits;
    uint64_t activation_bytes;
    native_profile profile;
    arena *memory; /* rope tables */
    struct native_block {
        void *p;
        size_t bytes;
    } * blocks; /* every buffer above */
    int block_count, block_cap;
};

/* One pass: `tokens` tokens from position `position`. */
typedef struct {
    native *n;
    const int32_t *ids;
    uint32_t tokens, position;
    float *logits; /* NULL: no head */
    int digits;
    double mark; /* thread 0: when the present step began */
    bool failed;
} pass;

double native_queued_seconds(native *n); /* of the calling thread, so far */
void native_attention(pass *s, int thread, uint32_t layer);
void native_rotate_and_store(pass *s, int thread, uint32_t layer);

static inline size_t kv_index_bytes(const native *n, size_t elements) { return elements * n->kv_elem_bytes; }
static inline bool pass_is_decode(const pass *s) { return s->tokens == 1; }
#endif
