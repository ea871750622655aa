/* Packed matrices: the layout that the native kernels read, made once when weights arrive.
 *
 * A matrix is cut into panels of 16 rows; a panel is contiguous and read from front to back, so that each thread sees
 * one sequential stream. Lane r of every vector belongs to row r of the panel: no horizontal sums, one load serves any
 * number of tokens.
 *
 * Float panels (F32, F16, BF16): for each column k, 16 elements.
 * Quantised panels: superblocks of 256 columns (the last may have fewer blocks of 32), each made of
 *     scales | mins | super-scales | quants
 *   quants, 8 bits: per block of 32 columns 8 lines of 64 bytes; line j holds columns 4j..4j+3 of the 16 rows, 4 bytes
 * a row. quants, 4 bits: per block 4 lines; line j has columns 4j..4j+3 in the low nibbles and 16+4j..16+4j+3 in the
 * high ones. scales (and mins): f16 per row and block, or one byte per row and sub-block with an f16 super-scale per
 * row and superblock. Weight = scale * (q - zero), q being what the nibble or byte says (or scale * table[q]);
 * one-level mins are added, two-level ones subtracted, as the file formats have them. Every value of the file's format
 * is kept exactly. Types of 5 and 6 bits are widened to bytes, those of 2 and 3 to nibbles. Rows beyond the matrix are
 * zero.
 */
#ifndef INGOT_LLM_PACK_H
#define INGOT_LLM_PACK_H
#include "llm/dtype.h"

enum { PANEL_ROWS = 16, BLOCK_COLS = 32, SUPER_COLS = 256, SUPER_BLOCKS = SUPER_COLS / BLOCK_COLS };

/* The layouts: kernels are compiled for each row, and several file types share one (pack.c).
 *   floats: id, name, bytes per element
 *   quants: id, name, bits, columns per scale, two-level scales, mins, zero point, through a table */
#define PACK_FLOAT_ROWS(X) X(PACK_F32, "f32", 4) X(PACK_F16, "f16", 2) X(PACK_BF16, "bf16", 2)
#define PACK_QUANT_ROWS(X)                                                                                             \
    X(PACK_B8, "bytes", 8, 32, false, false, 128, false)                /* Q8_0; Q5_0 shifted to its zero */           \
    X(PACK_B8_MIN, "bytes+min", 8, 32, false, true, 0, false)           /* Q5_1 */                                     \
    X(PACK_N4, "nibbles", 4, 32, false, false, 8, false)                /* Q4_0 */                                     \
    X(PACK_N4_MIN, "nibbles+min", 4, 32, false, true, 0, false)         /* Q4_1 */                                     \
    X(PACK_N4_TABLE, "nibbles by table", 4, 32, false, false, 128, true) /* IQ4_NL */                                  \
    X(PACK_K4_MIN32, "K nibbles+min/32", 4, 32, true, true, 0, false)   /* Q4_K */                                     \
    X(PACK_K8_MIN32, "K bytes+min/32", 8, 32, true, true, 0, false)     /* Q5_K */                                     \
    X(PACK_K4_MIN16, "K nibbles+min/16", 4, 16, true, true, 0, false)   /* Q2_K */                                     \
    X(PACK_K4_16, "K nibbles/16", 4, 16, true, false, 4, false)         /* Q3_K; scales are signed */                  \
    X(PACK_K8_16, "K bytes/16", 8, 16, true, false, 32, false)          /* Q6_K; scales are signed */

#define PACK_ID(id, ...) id,
typedef enum { PACK_FLOAT_ROWS(PACK_ID) PACK_QUANT_ROWS(PACK_ID) PACK_COUNT } pack_id;
#undef PACK_ID

typedef struct {
    pack_id id;
    const char *name;
    bool is_float;
    int elem_bytes; /* float layouts */
    int bits;       /* 4 or 8 */
    int sub_cols;   /* columns per scale: 32 or 16 */
    bool two_level; /* byte scales under an f16 super-scale */
    bool min;
    int zero;
    bool table;
} pack_layout;

/* A row as an initialiser; kernels make it a compile-time constant. */
#define PACK_FLOAT_INIT(id_, name_, bytes) {.id = id_, .name = name_, .is_float = true, .elem_bytes = bytes}
#define PACK_QUANT_INIT(id_, name_, bits_, sub, two, min_, zero_, table_)                                              \
    {.id = id_, .name = name_, .bits = bits_, .sub_cols = sub, .two_level = two, .min = min_, .zero = zero_,           \
     .table = table_}

const pack_layout *pack_layout_of(dtype_id type);
const pack_layout *pack_layout_row(pack_id id);

/* Sizes in bytes; cols is a multiple of 32 for quantised layouts. */
size_t pack_super_bytes(const pack_layout *p, int blocks); /* one superblock of 1..8 blocks */
size_t pack_panel_bytes(const pack_layout *p, uint64_t cols);
static inline uint64_t pack_panels(uint64_t rows) { return (rows + PANEL_ROWS - 1) / PANEL_ROWS; }

/* Offsets inside a superblock of `blocks` blocks. */
typedef struct {
    size_t mins, supers, quants;
} pack_offsets;
pack_offsets pack_super_offsets(const pack_layout *p, int blocks);

/* Packs `rows` (1..16) rows of file bytes, row_bytes apart, into a panel; missing rows become zero. */
void pack_panel(dtype_id type, const uint8_t *file_rows, size_t row_bytes, int rows, uint64_t cols, uint8_t *panel);
/* Row `row` (0..15) of a panel back to f32: exactly what dtype to_f32 gives. For embeddings and tests. */
void pack_row_f32(const pack_layout *p, const uint8_t *panel, int row, uint64_t cols, float *out);

extern const int8_t pack_iq4_table[16];
#endif
