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

/* Kernels are compiled for each of these layouts; several file types share one. */
typedef enum {
    PACK_F32,
    PACK_F16,
    PACK_BF16,
    PACK_B8,       /* Q8_0, Q5_0: bytes, f16 scale per 32; zero 128 (Q5_0 is shifted to it) */
    PACK_B8_MIN,   /* Q5_1: bytes, f16 scale and min per 32; zero 0 */
    PACK_N4,       /* Q4_0: nibbles, f16 scale per 32, zero 8 */
    PACK_N4_MIN,   /* Q4_1: nibbles, f16 scale and min per 32, zero 0 */
    PACK_N4_TABLE, /* IQ4_NL: nibbles through a table, f16 scale per 32 */
    PACK_K4_MIN32, /* Q4_K: nibbles, two-level scale and min per 32 */
    PACK_K8_MIN32, /* Q5_K: bytes, the same */
    PACK_K4_MIN16, /* Q2_K: nibbles, two-level scale and min per 16 */
    PACK_K4_16,    /* Q3_K: nibbles, two-level signed scale per 16, zero 4 */
    PACK_K8_16,    /* Q6_K: bytes, two-level signed scale per 16, zero 32 */
    PACK_COUNT,
} pack_id;

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
