/* The contract between compiler (csl/) and machine (wse/): instructions, descriptors, tasks, fabric configuration, image.
 *
 *     csl  --fills-->  isa_image  --read by-->  wse, host
 *
 * An image is plain data in one arena. `isa_image_check` proves every index and address in it, so that the machine may
 * trust an image; isa_image_read (isa/image.c) calls it. Coordinates are those of the program's rectangle: x east, y south.
 *
 * Memory of a PE: 24,576 words of 16 bits, addressed by word; 32-bit values take two words, low half first. Data lie from
 * word 0 up, the stack below `stack_top_word`; instructions are counted against the 48 KB but live outside the array.
 */
#ifndef INGOT_ISA_ISA_H
#define INGOT_ISA_ISA_H

#include "base/arena.h"
#include "base/diag.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ISA_SRAM_WORDS = 24576,
    ISA_COLORS = 24,       /* routable colors */
    ISA_TASKS = 64,        /* task ids: 0..30 data and local, 0..63 control, one table */
    ISA_TASK_TEARDOWN = 29,
    ISA_TASK_COMMAND = 28, /* the host's command stream: blocked while a launched function is unfinished */
    ISA_TASK_NONE = 31,
    ISA_QUEUES = 8,
    ISA_DSRS = 16,         /* per file */
    ISA_REGS = 16,
    ISA_REG_SP = 15,
    ISA_NO_REG = 0xff,
    ISA_ENDLESS = 0x7fff,  /* length code: no end */
};

typedef enum { ISA_WSE1 = 1, ISA_WSE2 = 2, ISA_WSE3 = 3 } isa_arch;
typedef enum { ISA_F16, ISA_BF16 } isa_fp16;

/* ---- instructions ---- */

typedef enum {
#define OP(name, text, format, timing, energy) ISA_##name,
#include "isa/ops.def"
#undef OP
    ISA_SCALAR_OPS,
    ISA_DSD_FIRST = 128, /* op = ISA_DSD_FIRST + isa_dsd_op */
} isa_op;

typedef enum {
#define DSD_OP(name, builtin, kind, d, s0, s1, w2, w3, energy) ISA_D_##name,
#include "isa/dsd_ops.def"
#undef DSD_OP
    ISA_DSD_OPS
} isa_dsd_op;

/* Formats of the scalar ops: which fields are used, d a b are register numbers.
 *   NONE | D d | DA d,a | DAB d,a,b | DABC d,a,b and imm = register | DAI d,a,imm | DI d,imm | I imm | AI a (or NO_REG), imm
 *   LD d,[a+imm] | ST [a+imm],d | J imm=target | ABJ a,b,imm=target | AJ a,imm=target | AJR a | DJ d (read and written), imm=target
 *   DSRI d=dsr, imm=descriptor | settings<<16 | DSRR d=dsr, a=low, b=high, imm=settings | DSRG d, a=dsr, imm=bits | DSRP d=dsr, a, imm=bits
 *
 * A DSR is named by one byte: ISA_DSR(file, id). Operands d, a, b of a vector instruction are either a DSR (bit 7 set) or a register
 * (scalar operand), or ISA_NO_REG. For them
 *   d    destination; a register when the result is a scalar ("pointer destination": the last or folded value)
 *   a    src0 (absent for moves and unary operations), b  src1
 *   imm  isa_vec(): settings index (16 bits) | register of the MAC's scalar or of `.index` (8 bits each, NO_REG = none)
 */
typedef enum { ISA_DEST, ISA_SRC0, ISA_SRC1 } isa_dsr_file;
#define ISA_DSR(file, id) ((uint8_t)(0x80 | (file) << 4 | (id)))
#define ISA_IS_DSR(operand) (((operand) & 0x80) && (operand) != ISA_NO_REG)
#define ISA_DSR_INDEX(operand) ((operand) & 0x3f) /* 0..47 = file * 16 + id */

static inline uint32_t isa_vec(uint16_t settings, uint8_t scalar_reg, uint8_t index_reg) {
    return settings | (uint32_t)scalar_reg << 16 | (uint32_t)index_reg << 24;
}

typedef struct {
    uint8_t op, d, a, b;
    uint32_t imm;
} isa_instr;

/* Bytes of PE memory an instruction takes: 4, or 8 when its immediate does not fit 16 bits. */
uint32_t isa_instr_bytes(isa_instr in);

/* ---- descriptors (DSDs) ---- */

/* A DSD value is 64 bits, so that programs change it with a few integer instructions:
 *   memory kinds: bits 0-15 base (word address), 16-31 length in elements, 32-47 stride in elements (signed), 48-63 shape
 *   fabric kinds: bits 0-7 queue id, 8-15 color (WSE-3: of no meaning once the queue is bound), 16-31 length, 48-63 shape
 *   fifo:         bits 0-15 fifo index, 16-31 length, 48-63 shape
 * The stride is that of a mem1d; mem4d and circbuf take theirs (and a mem4d its length) from the shape. */
typedef uint64_t isa_dsd;
static inline isa_dsd isa_dsd_mem(uint16_t base, uint16_t length, int16_t stride, uint16_t shape) {
    return base | (uint64_t)length << 16 | (uint64_t)(uint16_t)stride << 32 | (uint64_t)shape << 48;
}
static inline isa_dsd isa_dsd_fabric(uint8_t queue, uint8_t color, uint16_t length, uint16_t shape) {
    return queue | (uint64_t)color << 8 | (uint64_t)length << 16 | (uint64_t)shape << 48;
}

typedef enum { ISA_MEM1D, ISA_MEM4D, ISA_CIRCBUF, ISA_FABIN, ISA_FABOUT, ISA_FIFO } isa_dsd_kind;
typedef enum { ISA_SIMD_NONE, ISA_SIMD_32, ISA_SIMD_64, ISA_SIMD_32_OR_64 } isa_simd;
typedef enum { ISA_PRIORITY_LOW, ISA_PRIORITY_MEDIUM, ISA_PRIORITY_HIGH } isa_priority;

/* What a program cannot change at run time. Shapes 0..5 of every program are the plain ones of each kind, in enum order. */
typedef struct {
    uint8_t kind;                /* isa_dsd_kind */
    uint8_t simd;                /* isa_simd, fabric kinds: elements packed per wavelet */
    uint8_t priority;            /* isa_priority */
    bool index_offset;           /* wavelet_index_offset: `.index` moves the base (words) or goes to the upper half (fabout) */
    bool control;                /* fabout: send control wavelets */
    bool advance_switch;         /* fabout: advance the switch of the local router after the last wavelet */
    bool control_transform;
    uint8_t zero_source;         /* fabout: 0 none, 1 first, 2 second source cleared after reading */
    uint8_t dims;                /* mem4d: 1..4 */
    uint16_t extent[4];          /* mem4d, outermost first */
    int16_t stride[4];           /* mem4d, in elements of the operation: address = base + sum i_k * stride_k * words */
    uint16_t wrap;               /* circbuf: elements before it starts over */
} isa_shape;

/* How an operation runs. Index 0 of every program: synchronous, nothing set. */
typedef struct {
    bool async;
    int8_t activate, unblock;            /* task id on completion, -1 none */
    int8_t unblock_queue;                /* reserved, -1 */
    bool control_terminate;              /* .on_control */
    int8_t control_activate, control_unblock; /* -1 none */
    int8_t ut;                           /* microthread, -1 = the default rule */
    int8_t priority;                     /* isa_priority, -1 = of the operand */
    bool save_address, single_step;      /* for DSR loads */
} isa_settings;

/* A memory ring with its two ends as operands. */
typedef struct {
    uint16_t base_word, words;
    uint8_t element_words;               /* 1 or 2 */
    uint8_t when_empty, when_full;       /* isa_fifo_action */
    int8_t activate_pop, activate_push;  /* task ids, -1 none */
    uint8_t priority;
} isa_fifo;
typedef enum { ISA_FIFO_SUSPEND_OR_TEST, ISA_FIFO_TERMINATE, ISA_FIFO_SUSPEND, ISA_FIFO_FAULT } isa_fifo_action;

/* What a register holds before the first cycle, and what a configuration word is then. */
typedef struct {
    uint8_t dsr;                         /* ISA_DSR */
    uint16_t descriptor, settings;       /* as LDDSR would load them */
} isa_dsr_start;
typedef struct {
    uint16_t address, value;             /* isa/config.h; written in order */
} isa_config_start;

/* ---- tasks and queues ---- */

enum { ISA_TASK_LOCAL = 1, ISA_TASK_DATA = 2, ISA_TASK_CONTROL = 4 };
typedef enum { ISA_ARGS_NONE, ISA_ARG_32, ISA_ARG_U16, ISA_ARG_S16, ISA_ARGS_TWO } isa_args;

typedef struct {
    uint8_t kinds;           /* ISA_TASK_*, 0 = nothing bound */
    uint8_t args;            /* isa_args: ARG_32 payload in r0; U16/S16 low half in r0; TWO: low half r0, high half r1 */
    uint8_t arg_signed;      /* bit k: argument k of TWO is sign-extended */
    bool high_priority;
    uint32_t entry;          /* instruction index */
} isa_task;

/* Ids: a data task has the id of its color (WSE-2) or input queue (WSE-3); that id is its "port". */
typedef struct {
    int8_t in_color[ISA_QUEUES];        /* WSE-3: color bound to the input queue, -1 none */
    int8_t out_color[ISA_QUEUES];       /* WSE-3: color bound to the output queue, -1 none */
    int8_t color_queue[ISA_COLORS];     /* WSE-2: input queue that serves the color, -1 none */
    int8_t control_table[ISA_QUEUES];   /* .ctrl_table_id, 0 */
    uint8_t in_priority[ISA_QUEUES];
} isa_queues;

/* ---- symbols, lines ---- */

typedef enum { ISA_SYM_DATA, ISA_SYM_FUNCTION } isa_symbol_kind;
typedef enum { ISA_T_VOID, ISA_T_BOOL, ISA_T_INT, ISA_T_UINT, ISA_T_FLOAT, ISA_T_OTHER } isa_scalar;

typedef struct {
    const char *name;        /* "y", or "module.name" for those of imported modules */
    uint8_t kind;            /* isa_symbol_kind */
    bool exported;           /* @export_symbol: the host may see it */
    bool is_pointer;         /* the variable holds the address of the elements; the host means those */
    uint8_t scalar, bits;    /* of an element */
    uint16_t word;           /* where the variable lies */
    uint32_t elements;       /* of the variable, or of what it points to when known; 0 unknown */
    uint32_t entry;          /* function: stub that reads its arguments from args_word, calls it and ends the task */
    uint8_t params;
    uint8_t param_scalar[16], param_bits[16];
    uint32_t source, line;   /* source index into isa_image.sources, line from 1 */
    bool undefined;          /* a variable that is declared without a first value */
    const char *type;        /* of the variable, for the debugger; "" or NULL unknown:
                              * T = bool | iN | uN | f16 | bf16 | f32 | ptr | dsd | [E, E]T | {WORDS NAME@WORD:T,...} | ?WORDS */
} isa_symbol;

/* Instructions [first, next row's first) are this function's. Sorted by first; for the debugger. */
typedef struct {
    const char *name;
    uint32_t first, frame_words; /* of its frame, without the return index above it */
    bool is_task;                /* also the stub of an exported function: nobody called it */
} isa_function;

/* Instructions [first, next row's first) come from this line. Sorted by first. */
typedef struct {
    uint32_t first, source, line;
} isa_line;

/* ---- programs and the fabric ---- */

typedef struct {
    const char *name;                     /* source file */
    isa_fp16 fp16;
    isa_instr *code;   uint32_t code_count;
    uint16_t *data;    uint32_t data_words;   /* initial memory from word 0; the rest is zero */
    uint32_t used_words;                  /* data, zero-initialised and reserved for arguments: the machine may write below this */
    uint16_t stack_top_word, stack_words; /* stack grows down from the top; words of its worst case, or an estimate on recursion */
    uint32_t code_bytes;
    uint16_t args_word;                   /* 32 words in which a launch leaves its arguments; 16-bit values one word, 32-bit two */
    isa_dsd *descriptors; uint32_t descriptor_count; /* operands of LDDSR */
    isa_shape *shapes;    uint32_t shape_count;
    isa_settings *settings; uint32_t settings_count;
    isa_fifo *fifos;      uint32_t fifo_count;
    isa_dsr_start *dsr_starts; uint32_t dsr_start_count;
    isa_config_start *config_starts; uint32_t config_start_count;
    isa_task tasks[ISA_TASKS];
    uint64_t active_at_start, blocked_at_start; /* by task id. Data ids without a task start blocked for dispatch */
    uint8_t blocked_ut_at_start;
    isa_queues queues;
    uint32_t teardown_entry[ISA_COLORS];  /* function of @set_teardown_handler, ends by RET; UINT32_MAX none */
    uint32_t flush_entry[ISA_QUEUES];     /* @set_empty_queue_handler; UINT32_MAX none */
    bool reroutes;                        /* writes routes at run time (tile_config) */
    isa_symbol *symbols;  uint32_t symbol_count;
    isa_line *lines;      uint32_t line_count;
    isa_function *functions; uint32_t function_count;
    const char **strings; uint32_t string_count; /* of ASSERT, TRAP, PRINT */
} isa_program;

/* Directions are bits in a set and positions in tables. */
typedef enum { ISA_WEST, ISA_EAST, ISA_SOUTH, ISA_NORTH, ISA_RAMP, ISA_HOST, ISA_DIRS } isa_dir;
#define ISA_BIT(dir) (1u << (dir))

typedef enum { ISA_NO_POP, ISA_ALWAYS_POP, ISA_POP_ON_ADVANCE, ISA_POP_ON_ADVANCE_NOP } isa_pop;
typedef enum { ISA_FILTER_NONE, ISA_FILTER_COUNTER, ISA_FILTER_SPARSE, ISA_FILTER_RANGE } isa_filter_kind;

typedef struct {
    uint8_t kind;
    bool count_data, count_control, filter_control;
    uint16_t init, limit1, limit2, max_counter; /* counter kinds */
    uint16_t min_index, max_index;              /* range */
} isa_filter;

/* The route of one color at one router. Position 0 is the base; rx, tx are sets of directions; both 0 = invalid position. */
typedef struct {
    uint8_t color;
    uint8_t rx[4], tx[4];
    uint8_t position;            /* at the start */
    bool ring, teardown, swap_x, swap_y;
    uint8_t pop;                 /* isa_pop */
    isa_filter filter;
} isa_route;

/* A switch position overrides one side; the other side is that of the last valid position before it (not of the base). Inferred: the
 * public 25-point stencil starts its group's last PE at pos3 {rx = upstream} and needs pos2's {tx = RAMP} there, and cholesky's pos2
 * {rx = RAMP} needs pos1's {tx = EAST}. */
static inline int isa_position_before(const uint8_t rx[4], const uint8_t tx[4], int k) {
    for (k--; k > 0; k--)
        if (rx[k] || tx[k]) return k;
    return 0;
}

/* All routes of a router. PEs with equal routes share one set; set 0 is empty. */
typedef struct {
    isa_route *routes;
    uint32_t count;
} isa_route_set;

typedef struct {
    uint32_t program, route_set;
} isa_tile;

typedef struct {
    const char *name;
    bool is_function, is_mutable;
    uint8_t scalar, bits;
    uint8_t params;
    uint8_t param_scalar[16], param_bits[16];
} isa_export;

typedef struct {
    const char *name;
    int64_t value;
} isa_named;

typedef struct {
    arena *memory;                       /* owns everything below */
    isa_arch arch;
    uint32_t width, height;              /* the program's rectangle */
    uint32_t fabric_width, fabric_height, offset_x, offset_y;
    bool memcpy;
    uint32_t channels;
    isa_program *programs; uint32_t program_count;
    isa_route_set *route_sets; uint32_t route_set_count;
    isa_tile *tiles;                     /* [height][width] */
    isa_export *exports;  uint32_t export_count;  /* @export_name, in order: their index is the host's symbol id */
    isa_named *params;    uint32_t param_count;   /* for out.json */
    isa_named *colors;    uint32_t color_count;
    uint32_t h2d_colors, d2h_colors;     /* bit sets: colors the host streams on */
    const char **sources; uint32_t source_count;  /* file names */
} isa_image;

isa_image *isa_image_new(diag *d);       /* empty, with its arena */
void isa_image_free(isa_image *m);
bool isa_program_init(isa_program *p, const char *name, arena *a); /* no code; plain shapes, settings 0, queues and handlers none. false: out of memory */

/* Every index, address, count and limit. Says what is wrong and where; the machine relies on it. */
bool isa_image_check(const isa_image *m, diag *d);

/* One file, little-endian, versioned. Reading believes nothing: (bytes, length), bounded allocations. */
bool isa_image_write(const isa_image *m, const char *path, diag *d);
bool isa_image_encode(const isa_image *m, strbuf *out, diag *d); /* the bytes of such a file; checks m first */
isa_image *isa_image_parse(str bytes, const char *name, diag *d);
isa_image *isa_image_read(const char *path, diag *d);

/* "fmacs d0, s0.0, s1.0, r3" and so on, without an end of line; for --dump=code, traces and the debugger. */
void isa_disassemble(const isa_program *p, uint32_t index, strbuf *out);

/* ---- facts of the tables ---- */

typedef enum {
#define TIMING(name, key, meaning) ISA_TIME_##name,
#include "isa/timing.def"
#undef TIMING
    ISA_TIMES
} isa_timing;
typedef enum {
#define ENERGY(name, key, meaning) ISA_E_##name,
#include "isa/energy.def"
#undef ENERGY
    ISA_ENERGIES
} isa_energy;
typedef enum { ISA_K_MOVE, ISA_K_BIN, ISA_K_MAC, ISA_K_UN, ISA_K_SCALE, ISA_K_FILT } isa_dsd_form;
typedef enum {
    ISA_FMT_NONE, ISA_FMT_D, ISA_FMT_DA, ISA_FMT_DAB, ISA_FMT_DABC, ISA_FMT_DAI, ISA_FMT_DI, ISA_FMT_I, ISA_FMT_AI, ISA_FMT_LD, ISA_FMT_ST,
    ISA_FMT_J, ISA_FMT_ABJ, ISA_FMT_AJ, ISA_FMT_AJR, ISA_FMT_DSRI, ISA_FMT_DSRR, ISA_FMT_DSRG, ISA_FMT_DSRP, ISA_FMT_DJ,
} isa_format;

typedef struct {
    const char *text;
    isa_format format;
    isa_timing timing;
    isa_energy energy;
} isa_op_fact;
typedef struct {
    const char *builtin;
    isa_dsd_form form;
    uint8_t dest_bits, src0_bits, src1_bits, simd_wse2, simd_wse3;
    isa_energy energy;
} isa_dsd_fact;
extern const isa_op_fact isa_ops[ISA_SCALAR_OPS];
extern const isa_dsd_fact isa_dsd_ops[ISA_DSD_OPS];

/* PRINT kinds (imm & 255): what <simprint> can write. TEXT prints strings[imm >> 8]; the rest register a. */
typedef enum { ISA_PRINT_TEXT, ISA_PRINT_DEC, ISA_PRINT_HEX16, ISA_PRINT_HEX32, ISA_PRINT_BIN16, ISA_PRINT_BIN32, ISA_PRINT_F16,
               ISA_PRINT_F32, ISA_PRINT_COORDS, ISA_PRINT_CHAR } isa_print;

#endif
