#include "llm/pack.h"
#include "base/half.h"

const int8_t pack_iq4_table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#define FLOAT_ROW(id, ...) [id] = PACK_FLOAT_INIT(id, __VA_ARGS__),
#define QUANT_ROW(id, ...) [id] = PACK_QUANT_INIT(id, __VA_ARGS__),
static const pack_layout layouts[PACK_COUNT] = {PACK_FLOAT_ROWS(FLOAT_ROW) PACK_QUANT_ROWS(QUANT_ROW)};

static const struct {
    dtype_id type;
    pack_id layout;
} of_type[] = {
    {DTYPE_F32, PACK_F32},       {DTYPE_F16, PACK_F16},       {DTYPE_BF16, PACK_BF16},
    {DTYPE_Q8_0, PACK_B8},       {DTYPE_Q5_0, PACK_B8},       {DTYPE_Q5_1, PACK_B8_MIN},
    {DTYPE_Q4_0, PACK_N4},       {DTYPE_Q4_1, PACK_N4_MIN},   {DTYPE_IQ4_NL, PACK_N4_TABLE},
    {DTYPE_Q4_K, PACK_K4_MIN32}, {DTYPE_Q5_K, PACK_K8_MIN32}, {DTYPE_Q2_K, PACK_K4_MIN16},
    {DTYPE_Q3_K, PACK_K4_16},    {DTYPE_Q6_K, PACK_K8_16},
};

const pack_layout *pack_layout_row(pack_id id) { return &layouts[id]; }

const pack_layout *pack_layout_of(dtype_id type) {
    for (size_t i = 0; i < sizeof of_type / sizeof *of_type; i++)
        if (of_type[i].type == type) return &layouts[of_type[i].layout];
    return NULL;
}

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }

pack_offsets pack_super_offsets(const pack_layout *p, int blocks) {
    size_t per_block = p->two_level ? (size_t)(BLOCK_COLS / p->sub_cols) * PANEL_ROWS : 2 * PANEL_ROWS;
    size_t scales = round64(per_block * (size_t)blocks), mins = p->min ? scales : 0, supers = p->two_level ? 64 : 0;
    return (pack_offsets){.mins = scales, .supers = scales + mins, .quants = scales + mins + supers};
}

size_t pack_super_bytes(const pack_layout *p, int blocks) {
    return pack_super_offsets(p, blocks).quants + (size_t)blocks * PANEL_ROWS * BLOCK_COLS * (size_t)p->bits / 8;
}

size_t pack_panel_bytes(const pack_layout *p, uint64_t cols) {
    if (p->is_float) return (size_t)cols * PANEL_ROWS * (size_t)p->elem_bytes;
    int tail = (int)(cols % SUPER_COLS / BLOCK_COLS);
    return (size_t)(cols / SUPER_COLS) * pack_super_bytes(p, SUPER_BLOCKS) + (tail ? pack_super_bytes(p, tail) : 0);
}

static void put16(uint8_t *at, uint16_t v) { memcpy(at, &v, 2); }
static uint16_t get16(const uint8_t *at) {
    uint16_t v;
    memcpy(&v, at, 2);
    return v;
}
static uint32_t get32(const uint8_t *at) {
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
}
static void put32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }

/* Where one row's part of a superblock goes. */
typedef struct {
    uint8_t *base;
    pack_offsets at;
    int row;
} dest;

static void put_scale16(const dest *t, int block, uint16_t v) { put16(t->base + 2 * (block * PANEL_ROWS + t->row), v); }
static void put_min16(const dest *t, int block, uint16_t v) {
    put16(t->base + t->at.mins + 2 * (size_t)(block * PANEL_ROWS + t->row), v);
}
static void put_scale8(const dest *t, int sub, uint8_t v) { t->base[sub * PANEL_ROWS + t->row] = v; }
static void put_min8(const dest *t, int sub, uint8_t v) {
    t->base[t->at.mins + (size_t)(sub * PANEL_ROWS + t->row)] = v;
}
static void put_super(const dest *t, uint16_t d, uint16_t dmin) {
    put16(t->base + t->at.supers + 2 * (size_t)t->row, d);
    put16(t->base + t->at.supers + 2 * (size_t)(PANEL_ROWS + t->row), dmin);
}
/* 32 bytes of one row and block. */
static void put_bytes(const dest *t, int block, const uint8_t q[32]) {
    uint8_t *line = t->base + t->at.quants + (size_t)block * PANEL_ROWS * 32 + 4 * (size_t)t->row;
    for (int j = 0; j < 8; j++) put32(line + 64 * j, get32(q + 4 * j));
}
/* 16 bytes of one row and block: byte i has column i below and column i + 16 above. */
static void put_nibbles(const dest *t, int block, const uint8_t q[16]) {
    uint8_t *line = t->base + t->at.quants + (size_t)block * PANEL_ROWS * 16 + 4 * (size_t)t->row;
    for (int j = 0; j < 4; j++) put32(line + 64 * j, get32(q + 4 * j));
}

/* One block of 32 of a row, of the one-level types. */
static void pack_q4_0(const dest *t, int b, const uint8_t *s) {
    put_scale16(t, b, get16(s));
    put_nibbles(t, b, s + 2);
}
static void pack_q4_1(const dest *t, int b, const uint8_t *s) {
    put_scale16(t, b, get16(s));
    put_min16(t, b, get16(s + 2));
    put_nibbles(t, b, s + 4);
}
static void pack_q8_0(const dest *t, int b, const uint8_t *s) {
    uint8_t q[32];
    for (int i = 0; i < 32; i++) q[i] = s[2 + i] ^ 0x80; /* signed to offset 128 */
    put_scale16(t, b, get16(s));
    put_bytes(t, b, q);
}
static void widen_q5(const uint8_t *nibbles, uint32_t high, int offset, uint8_t q[32]) {
    for (int i = 0; i < 32; i++) {
        int low = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
        q[i] = (uint8_t)(low + ((high >> i & 1) << 4) + offset);
    }
}
static void pack_q5_0(const dest *t, int b, const uint8_t *s) {
    uint8_t q[32];
    widen_q5(s + 6, get32(s + 2), 128 - 16, q);
    put_scale16(t, b, get16(s));
    put_bytes(t, b, q);
}
static void pack_q5_1(const dest *t, int b, const uint8_t *s) {
    uint8_t q[32];
    widen_q5(s + 8, get32(s + 4), 0, q);
    put_scale16(t, b, get16(s));
    put_min16(t, b, get16(s + 2));
    put_bytes(t, b, q);
}

/* The six-bit scales and mins of Q4_K and Q5_K. */
static void put_scales_k(const dest *t, const uint8_t *B) {
    for (int s = 0; s < 8; s++) {
        int scale = s < 4 ? B[s] & 63 : (B[s + 4] & 15) | (B[s - 4] >> 6) << 4;
        int min = s < 4 ? B[s + 4] & 63 : (B[s + 4] >> 4) | (B[s] >> 6) << 4;
        put_scale8(t, s, (uint8_t)scale);
        put_min8(t, s, (uint8_t)min);
    }
}
static void pack_q4_k(const dest *t, const uint8_t *s) {
    put_super(t, get16(s), get16(s + 2));
    put_scales_k(t, s + 4);
    for (int b = 0; b < 8; b++) {
        const uint8_t *q = s + 16 + 32 * (b / 2);
        uint8_t n[16];
        for (int i = 0; i < 16; i++)
            n[i] = b & 1 ? (uint8_t)(q[i] >> 4 | (q[i + 16] & 0xF0)) : (uint8_t)((q[i] & 15) | q[i + 16] << 4);
        put_nibbles(t, b, n);
    }
}
static void pack_q5_k(const dest *t, const uint8_t *s) {
    put_super(t, get16(s), get16(s + 2));
    put_scales_k(t, s + 4);
    for (int b = 0; b < 8; b++) {
        const uint8_t *low = s + 48 + 32 * (b / 2), *high = s + 16;
        uint8_t q[32];
        for (int i = 0; i < 32; i++) q[i] = (uint8_t)((b & 1 ? low[i] >> 4 : low[i] & 15) + ((high[i] >> b & 1) << 4));
        put_bytes(t, b, q);
    }
}
static void pack_q6_k(const dest *t, const uint8_t *s) {
    put_super(t, get16(s + 208), 0);
    for (int sub = 0; sub < 16; sub++) put_scale8(t, sub, s[192 + sub]);
    for (int b = 0; b < 8; b++) {
        int n = b / 4, g = b % 4;
        uint8_t q[32];
        for (int l = 0; l < 32; l++) {
            int low = s[64 * n + 32 * (g & 1) + l], high = s[128 + 32 * n + l] >> 2 * g & 3;
            q[l] = (uint8_t)((g < 2 ? low & 15 : low >> 4) | high << 4);
        }
        put_bytes(t, b, q);
    }
}
static void nibbles_of(const uint8_t q[32], uint8_t n[16]) {
    for (int i = 0; i < 16; i++) n[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}
static void pack_q2_k(const dest *t, const uint8_t *s) {
    put_super(t, get16(s + 80), get16(s + 82));
    for (int sub = 0; sub < 16; sub++) {
        put_scale8(t, sub, s[sub] & 15);
        put_min8(t, sub, s[sub] >> 4);
    }
    for (int b = 0; b < 8; b++) {
        uint8_t q[32], n[16];
        for (int l = 0; l < 32; l++) q[l] = s[16 + 32 * (b / 4) + l] >> 2 * (b % 4) & 3;
        nibbles_of(q, n);
        put_nibbles(t, b, n);
    }
}
static void pack_q3_k(const dest *t, const uint8_t *s) {
    const uint8_t *S = s + 96;
    put_super(t, get16(s + 108), 0);
    for (int k = 0; k < 16; k++) {
        int low = k < 8 ? S[k] & 15 : S[k - 8] >> 4, high = S[8 + k % 4] >> 2 * (k / 4) & 3;
        put_scale8(t, k, (uint8_t)((low | high << 4) - 32));
    }
    for (int b = 0; b < 8; b++) {
        uint8_t q[32], n[16];
        for (int l = 0; l < 32; l++)
            q[l] = (uint8_t)((s[32 + 32 * (b / 4) + l] >> 2 * (b % 4) & 3) + (s[l] >> b & 1 ? 4 : 0));
        nibbles_of(q, n);
        put_nibbles(t, b, n);
    }
}

/* Exactly one of the two is set: a packer of one block of 32, or of a superblock of 256. */
typedef struct {
    void (*block)(const dest *, int, const uint8_t *);
    void (*super)(const dest *, const uint8_t *);
} packer;

static const packer packers[DTYPE_COUNT] = {
    [DTYPE_Q4_0] = {.block = pack_q4_0}, [DTYPE_IQ4_NL] = {.block = pack_q4_0}, [DTYPE_Q4_1] = {.block = pack_q4_1},
    [DTYPE_Q5_0] = {.block = pack_q5_0}, [DTYPE_Q5_1] = {.block = pack_q5_1},   [DTYPE_Q8_0] = {.block = pack_q8_0},
    [DTYPE_Q2_K] = {.super = pack_q2_k}, [DTYPE_Q3_K] = {.super = pack_q3_k},   [DTYPE_Q4_K] = {.super = pack_q4_k},
    [DTYPE_Q5_K] = {.super = pack_q5_k}, [DTYPE_Q6_K] = {.super = pack_q6_k},
};

static void pack_float(const uint8_t *rows, size_t row_bytes, int count, uint64_t cols, int elem_bytes,
                       uint8_t *panel) {
    if (count < PANEL_ROWS) memset(panel, 0, (size_t)cols * PANEL_ROWS * (size_t)elem_bytes);
    /* 64 columns at a time: the strided writes then stay in the first-level cache. */
    for (uint64_t from = 0; from < cols; from += 64) {
        uint64_t to = from + 64 < cols ? from + 64 : cols;
        for (int r = 0; r < count; r++)
            for (uint64_t k = from; k < to; k++) {
                const uint8_t *src = rows + (size_t)r * row_bytes + k * (size_t)elem_bytes;
                uint8_t *dst = panel + (k * PANEL_ROWS + (size_t)r) * (size_t)elem_bytes;
                if (elem_bytes == 2) memcpy(dst, src, 2);
                else memcpy(dst, src, 4);
            }
    }
}

void pack_panel(dtype_id type, const uint8_t *file_rows, size_t row_bytes, int rows, uint64_t cols, uint8_t *panel) {
    const pack_layout *p = pack_layout_of(type);
    if (p->is_float) {
        pack_float(file_rows, row_bytes, rows, cols, p->elem_bytes, panel);
        return;
    }
    const packer *k = &packers[type];
    const dtype_info *t = dtype_find(type);
    if (rows < PANEL_ROWS) memset(panel, 0, pack_panel_bytes(p, cols));
    for (uint64_t col = 0; col < cols; col += SUPER_COLS) {
        int blocks = cols - col < SUPER_COLS ? (int)((cols - col) / BLOCK_COLS) : SUPER_BLOCKS;
        for (int r = 0; r < rows; r++) {
            dest at = {panel, pack_super_offsets(p, blocks), r};
            const uint8_t *src = file_rows + (size_t)r * row_bytes + col / t->block_elems * t->block_bytes;
            if (k->super) k->super(&at, src);
            for (int b = 0; k->block && b < blocks; b++) k->block(&at, b, src + (size_t)b * t->block_bytes);
        }
        panel += pack_super_bytes(p, blocks);
    }
}

/* One weight of a superblock. */
static float element(const pack_layout *p, const uint8_t *base, pack_offsets at, int row, int col) {
    int block = col / BLOCK_COLS, in = col % BLOCK_COLS, sub = col / p->sub_cols, q;
    const uint8_t *quants = base + at.quants;
    if (p->bits == 8)
        q = quants[(size_t)block * PANEL_ROWS * 32 + 64 * (size_t)(in / 4) + 4 * (size_t)row + (size_t)(in % 4)];
    else {
        int i = in % 16,
            byte = quants[(size_t)block * PANEL_ROWS * 16 + 64 * (size_t)(i / 4) + 4 * (size_t)row + (size_t)(i % 4)];
        q = in < 16 ? byte & 15 : byte >> 4;
    }
    int value = p->table ? pack_iq4_table[q] : q - p->zero;
    if (!p->two_level) {
        size_t i = 2 * (size_t)(block * PANEL_ROWS + row);
        float y = f32_from_f16(get16(base + i)) * (float)value;
        return p->min ? y + f32_from_f16(get16(base + at.mins + i)) : y;
    }
    size_t i = (size_t)(sub * PANEL_ROWS + row);
    float d = f32_from_f16(get16(base + at.supers + 2 * (size_t)row));
    if (!p->min) return d * (float)(int8_t)base[i] * (float)value;
    float dmin = f32_from_f16(get16(base + at.supers + 2 * (size_t)(PANEL_ROWS + row)));
    return d * (float)base[i] * (float)value - dmin * (float)base[at.mins + i];
}

void pack_row_f32(const pack_layout *p, const uint8_t *panel, int row, uint64_t cols, float *out) {
    for (uint64_t k = 0; p->is_float && k < cols; k++) {
        const uint8_t *at = panel + (k * PANEL_ROWS + (size_t)row) * (size_t)p->elem_bytes;
        if (p->id == PACK_F32) memcpy(&out[k], at, 4);
        else out[k] = p->id == PACK_F16 ? f32_from_f16(get16(at)) : f32_from_bf16(get16(at));
    }
    for (uint64_t col = 0; !p->is_float && col < cols; col += SUPER_COLS) {
        int blocks = cols - col < SUPER_COLS ? (int)((cols - col) / BLOCK_COLS) : SUPER_BLOCKS;
        pack_offsets at = pack_super_offsets(p, blocks);
        for (int i = 0; i < blocks * BLOCK_COLS; i++) out[col + (uint64_t)i] = element(p, panel, at, row, i);
        panel += pack_super_bytes(p, blocks);
    }
}
