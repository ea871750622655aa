/* Inside the compiler: types, values, scopes, and one evaluator that both interprets and emits code.
 *
 * There is one walk over the syntax tree. In a comptime context (layout block, comptime block, global initialiser, type, argument of a comptime
 * parameter) it interprets; in a function body it evaluates what is comptime-known and emits intermediate code for the rest. So every
 * expression gives a csl_value that is either known (CSL_KNOWN) or lives in virtual registers or memory.
 *
 *     csl_value v = csl_eval(s, node);
 *     if (!v.type) return CSL_NOTHING;            // an error was told; pass it on quietly
 *     v = csl_coerce(s, v, type, node);           // assignment-like conversion, or an error at node
 *
 * Globals, functions and modules are lazy: nothing is analysed before something reaches it.
 * Who owns what: everything lives in unit->memory. Single-threaded.
 */
#ifndef INGOT_CSL_SEMA_H
#define INGOT_CSL_SEMA_H

#include "base/map.h"
#include "csl/ast.h"
#include "csl/csl.h"
#include "csl/ir.h"

/* ---- types: interned, so equal types are equal pointers ---- */

typedef enum {
    CSL_T_VOID, CSL_T_BOOL, CSL_T_INT, CSL_T_FLOAT, CSL_T_COMPTIME_INT, CSL_T_COMPTIME_FLOAT, CSL_T_STRING, CSL_T_TYPE, CSL_T_UNDEFINED,
    CSL_T_ARRAY, CSL_T_STRUCT, CSL_T_UNION, CSL_T_ENUM, CSL_T_POINTER, CSL_T_FN, CSL_T_MODULE,
    CSL_T_COLOR, CSL_T_DIRECTION, CSL_T_INPUT_QUEUE, CSL_T_OUTPUT_QUEUE, CSL_T_DATA_TASK_ID, CSL_T_LOCAL_TASK_ID, CSL_T_CONTROL_TASK_ID, CSL_T_UT_ID,
    CSL_T_DSD,      /* sub = isa_dsd_kind, FIFO included */
    CSL_T_DSR,      /* sub = isa_dsr_file; dsr_fifo_* count as dest and src1 */
    CSL_T_XDSR, CSL_T_SR,
    CSL_T_RANGE,    /* elem = the type of the induction variable */
    CSL_T_ANY_STRUCT, CSL_T_ANYOPAQUE, CSL_T_ANYTYPE,
} csl_tkind;

typedef enum { CSL_FP_F16, CSL_FP_BF16, CSL_FP_CB16, CSL_FP_F32 } csl_fp;

typedef struct csl_type csl_type;
typedef struct csl_value csl_value;
typedef struct csl_module csl_module;
typedef struct csl_func csl_func;
typedef struct csl_global csl_global;
typedef struct csl_unit csl_unit;
typedef struct csl_sema csl_sema;

typedef struct {
    str name;                  /* "" in tuples and function types */
    const csl_type *type;
    const csl_value *fallback; /* default of a named struct's field, or NULL */
    uint32_t word;             /* offset in memory */
    __int128 value;            /* ENUM member */
} csl_member;

struct csl_type {
    uint8_t kind, sub;         /* csl_tkind; isa_dsd_kind, isa_dsr_file or csl_fp */
    bool is_signed, is_const, many, tuple, is_task;
    uint32_t bits;             /* INT: 0..16777215; FLOAT: 16, 32 */
    const csl_type *elem;      /* ARRAY element, POINTER pointee, ENUM backing, FN result, RANGE */
    uint32_t rank;
    const uint32_t *extents;   /* ARRAY */
    uint32_t count;            /* ARRAY: elements in all; STRUCT, UNION, ENUM, FN: members */
    const csl_member *members;
    uint32_t words;            /* in PE memory; 0 for comptime-only types and void */
    bool comptime_only;        /* no run-time representation */
    const csl_node *site;      /* named aggregates: where defined */
    const char *text;          /* as a message writes it */
    uint32_t id;
    uint32_t nesting;          /* types inside types */
};

/* The types that have names, made once per unit. */
typedef struct {
    const csl_type *void_, *bool_, *u8, *i8, *u16, *i16, *u32, *i32, *u64, *i64, *f16, *bf16, *cb16, *f32, *comptime_int, *comptime_float, *string, *type,
        *undefined, *module, *color, *direction, *input_queue, *output_queue, *data_task_id, *local_task_id, *control_task_id, *ut_id,
        *mem1d, *mem4d, *circbuf, *fabin, *fabout, *fifo, *dsr_dest, *dsr_src0, *dsr_src1, *xdsr, *sr, *any_struct, *anyopaque, *anytype, *task_fn;
} csl_types;

const csl_type *csl_type_int(csl_unit *u, uint32_t bits, bool is_signed);
const csl_type *csl_type_array(csl_unit *u, const csl_type *elem, uint32_t rank, const uint32_t *extents);
const csl_type *csl_type_pointer(csl_unit *u, const csl_type *to, bool many, bool is_const);
const csl_type *csl_type_fn(csl_unit *u, const csl_type *result, uint32_t count, const csl_type *const *params, bool is_task);
const csl_type *csl_type_range(csl_unit *u, const csl_type *of);
const csl_type *csl_type_struct(csl_unit *u, uint32_t count, const csl_member *members, bool tuple); /* anonymous; members: name and type */
const csl_member *csl_find_member(const csl_type *t, str name);
static inline bool csl_is_int(const csl_type *t) { return t->kind == CSL_T_INT || t->kind == CSL_T_COMPTIME_INT; }
static inline bool csl_is_float(const csl_type *t) { return t->kind == CSL_T_FLOAT || t->kind == CSL_T_COMPTIME_FLOAT; }
static inline bool csl_is_number(const csl_type *t) { return csl_is_int(t) || csl_is_float(t); }
/* One 16-bit integer behind it: colors, directions, queues, task ids, ut ids. */
static inline bool csl_is_id(const csl_type *t) { return t->kind >= CSL_T_COLOR && t->kind <= CSL_T_UT_ID; }
static inline bool csl_is_mem_dsd(const csl_type *t) { return t->kind == CSL_T_DSD && t->sub <= ISA_CIRCBUF; }

/* ---- values ---- */

typedef enum {
    CSL_KNOWN,  /* comptime-known: the union's member of the type */
    CSL_REG,    /* in reg[0], and reg[1] for 64 bits (DSDs, i64): low, high */
    CSL_MEM,    /* arrays, structs: at word address `base` + offset (base 0: offset alone) */
} csl_where;

typedef struct {
    csl_global *global;       /* NULL: `cell` */
    csl_value *cell;          /* a comptime variable (pointer valid at comptime only) */
    uint32_t word;            /* offset inside the global */
} csl_pointer;

struct csl_value {
    const csl_type *type;     /* NULL: no value, an error was told */
    uint8_t where;
    bool splat;               /* KNOWN array: elems[0] stands for all */
    union {
        __int128 i;           /* ints, bool, enum, ids, direction (isa_dir) */
        double f;             /* floats, already rounded to their type */
        str s;
        const csl_type *t;
        csl_func *fn;         /* FN, and POINTER to FN */
        csl_module *module;
        csl_value *elems;     /* array elements row-major, struct members in order */
        csl_pointer p;        /* POINTER to data */
        isa_dsd dsd;          /* DSD (base already resolved, shape index of the program) ; FIFO: index */
        uint32_t dsr;         /* DSR: id; XDSR, SR: id */
        struct { __int128 start, stop, step; } range;
        ir_reg reg[2];
        struct { ir_reg base; int32_t offset; } mem;
        struct { ir_reg start, stop, step; } range_reg; /* RANGE with where == CSL_REG: step known in range_step */
    };
    int64_t range_step;
};
#define CSL_NOTHING ((csl_value){0})

csl_value csl_int(const csl_type *t, __int128 v);        /* KNOWN; also ids, bool, enum */
uint32_t csl_id_max(const csl_type *t);                  /* largest number behind an id or bool on any machine: tables are indexed by them */
csl_value csl_float(const csl_type *t, double v);        /* rounds to t */
csl_value csl_void(csl_sema *s);
csl_value csl_bool(csl_sema *s, bool v);
csl_value csl_str(csl_sema *s, str v);
csl_value csl_of_type(csl_sema *s, const csl_type *t);   /* a type as a value */
csl_value csl_zero(csl_sema *s, const csl_type *t);      /* KNOWN all-zero value of any run-time type */
const csl_value *csl_elem(const csl_value *v, uint32_t i); /* element or member of a KNOWN aggregate */
const csl_value *csl_field(const csl_value *v, const char *name); /* member of a KNOWN struct, NULL when absent */
bool csl_same(const csl_value *a, const csl_value *b);   /* structural equality of KNOWN values */
void csl_show(const csl_value *v, strbuf *out);          /* as @comptime_print writes it */
uint64_t csl_hash(const csl_value *v);

/* ---- program objects ---- */

struct csl_global {
    csl_module *module;
    const csl_node *node;
    const char *name;         /* "x" or "import.x" */
    uint8_t state;            /* 0 untouched, 1 being evaluated, 2 ready, 3 failed */
    const csl_type *type;
    csl_value value;          /* KNOWN: value of a const, first value of a var, value of a param */
    bool is_var, is_param;
    bool placed;              /* has a place in PE memory: csl_place */
    uint16_t word;
    uint32_t symbol;          /* index into out->symbols + 1, 0 none */
};

struct csl_func {
    csl_module *module;
    const csl_node *node;     /* FN */
    const char *name;
    bool is_task, generic;    /* generic: a comptime or anytype parameter */
    bool refused;             /* an error was told where its body stands in a caller */
    int bound_id;             /* task id it is bound to, -1 */
    struct csl_instance *instances;
};

/* A file that was read: parsed once, however many modules come from it. */
typedef struct {
    csl_file *file;
    const char *path;
    bool is_library;
    uint32_t index;           /* in image->sources */
    uint32_t *line_starts, line_count;
} csl_source_file;

struct csl_module {
    csl_file *file;
    const csl_source_file *source;
    const char *path, *name;  /* name: prefix of its symbols, "" for the root */
    map globals;              /* name -> csl_global* */
    map funcs;                /* name -> csl_func* */
    const csl_value *params;  /* KNOWN struct given by the importer, or NULL */
    uint64_t *param_used;     /* bit per member of params */
    bool is_library, started;
    bool host_params;         /* params are numbers given by a host: they may become ids */
    csl_module *importer;
    csl_module *next;
};


/* Whole compilation. */
struct csl_unit {
    arena *memory;
    diag *d;
    const csl_options *options;
    csl_types types;
    map type_table, files;
    uint32_t type_count;
    isa_image *image;
    isa_wafer wafer_default;
    /* bounds of work at compile time (csl_work) */
    uint64_t steps;
    bool exhausted;           /* a bound was passed, and told */
    csl_sema *running;        /* whose evaluation is under way, for messages about types */
    struct csl_parked *parked; /* such memory, freed with the unit */
    bool cells_pointed_to;    /* `&` of a comptime variable: memory of loops is no longer given back */
    const csl_node *called_from; /* the call noted last */
    bool type_refused;        /* a type could not be made, and that was told */
    /* layout */
    bool rectangle_set;
    csl_value rectangle;      /* what @get_rectangle gives */
    void *layout;             /* builtin_layout.c: tiles and routes under construction */
};

/* Functions being walked. */
typedef struct csl_scope csl_scope;   /* sema.c */
typedef struct csl_frame csl_frame;

/* One program (or the layout) being analysed. */
struct csl_sema {
    csl_unit *unit;
    diag *d;
    isa_program *out;         /* NULL while the layout runs */
    ir_program *ir;
    csl_module *root, *module; /* module: whose code is being walked (names, spans) */
    csl_frame *frame;         /* NULL outside functions and blocks */
    ir_fn *fn;                /* code goes here; NULL in comptime contexts */
    bool comptime;            /* nothing may be emitted */
    bool in_layout, in_comptime_block;
    uint32_t next_word;       /* next free word of PE memory */
    uint32_t small_at, small_end, small_chunk; /* room kept for variables that are no arrays */
    uint32_t depth;           /* comptime calls under way */
    uint64_t dsr_claimed[3];  /* ids named by @get_dsr, by file */
    void *tasks;              /* builtin_task.c's own state */
    void *dsds;               /* builtin_dsd.c's own state */
    uint32_t map_depth;
    const csl_node *map_call; /* the @map whose callback is being called */
    const char *global_name;  /* of the global under evaluation: names the module it imports */
    struct csl_instance *work, *work_tail; /* functions whose bodies are still to be analysed */
    csl_module *modules;      /* of this program, newest first */
    uint32_t runtime_depth;   /* run-time branches and loops around the code being walked */
    bool dead;                /* code after a return: not emitted */
    const csl_node *at;       /* the expression being evaluated, for loads and their lines */
    const csl_type *wanted;   /* type the context wants of the expression about to be evaluated (csl_eval_as), NULL unknown */
    arena *scratch;           /* loops of the layout: memory of one iteration (csl_scratch); NULL = unit->memory */
    uint32_t symbol_cap, string_cap;
    struct csl_open_type *open_types; /* named structs whose members are being evaluated */
    csl_module *int64;        /* lib/int64.csl, once a 64-bit division was met */
};

/* ---- evaluation (sema_*.c) ---- */

csl_value csl_eval(csl_sema *s, const csl_node *n);
csl_value csl_eval_as(csl_sema *s, const csl_node *n, const csl_type *t); /* t decides the type of run-time choices between comptime numbers; no coercion */
csl_value csl_eval_known(csl_sema *s, const csl_node *n);    /* must be comptime-known, otherwise an error at n */
const csl_type *csl_eval_type(csl_sema *s, const csl_node *n);
bool csl_eval_int(csl_sema *s, const csl_node *n, __int128 min, __int128 max, const char *what, __int128 *out); /* a known integer (any int type, id or bool) in a range */
csl_value csl_coerce(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at);
csl_value csl_convert(csl_sema *s, csl_value v, const csl_type *t, const csl_node *at); /* @as */
csl_value csl_binary(csl_sema *s, csl_op op, csl_value a, csl_value b, const csl_node *at);
csl_value csl_call(csl_sema *s, csl_func *f, uint32_t count, const csl_value *args, const csl_node *const *at, const csl_node *call); /* plain call */
const csl_type *csl_type_of(csl_sema *s, const csl_node *n);   /* the type n would have; emits nothing */
csl_value csl_error(csl_sema *s, const csl_node *at, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* gives CSL_NOTHING */
void csl_note(csl_sema *s, csl_module *m, const csl_node *at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void csl_warning(csl_sema *s, const csl_node *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
csl_value csl_oom(csl_sema *s);
bool csl_work(csl_sema *s, const csl_node *at, uint64_t steps, uint64_t more_bytes); /* counts work, and what is about to be allocated; false once a compilation takes too much, which was told */
/* Values made inside a loop of the layout live for that iteration only. What is kept longer (parameters of tile programs, say) is kept by csl_keep. */
static inline arena *csl_scratch(const csl_sema *s) { return s->scratch ? s->scratch : s->unit->memory; }
csl_value csl_keep(csl_sema *s, csl_value v);                /* a copy that lives as long as the unit */

/* Where an assignable expression lives. */
typedef enum { CSL_AT_CELL, CSL_AT_REG, CSL_AT_MEM, CSL_AT_NOWHERE } csl_place_kind;
typedef struct {
    uint8_t kind;
    bool is_const;
    const csl_type *type;
    csl_value *cell;          /* comptime variable (or element of one) */
    ir_reg reg[2];
    struct { ir_reg base; int32_t offset; csl_global *global; } mem; /* base 0: absolute; global: when inside a known one */
} csl_place;
csl_place csl_eval_place(csl_sema *s, const csl_node *n);    /* kind NOWHERE after an error */
csl_value csl_load(csl_sema *s, const csl_place *p);
bool csl_store(csl_sema *s, const csl_place *p, csl_value v, const csl_node *at); /* v already of the place's type */
csl_pointer csl_known_pointer(const csl_value *v);
void csl_close_small(csl_sema *s);                                     /* gives back what is left of the chunk at the end */
bool csl_place_global(csl_sema *s, csl_global *g, const csl_node *at);  /* gives it memory (once) */
/* Run-time word address of pointer-like things: POINTER values, arrays in memory. imm is added to reg (reg 0: imm alone). */
bool csl_address(csl_sema *s, csl_value v, const csl_node *at, ir_reg *reg, int32_t *imm);

/* ---- emitting ---- */
ir_reg csl_reg(csl_sema *s, csl_value v, const csl_node *at);           /* v (32 bits or less, number, bool, id, pointer, fn pointer) in a register */
bool csl_regs(csl_sema *s, csl_value v, const csl_node *at, ir_reg out[2]); /* 64-bit values: two registers */
csl_value csl_in_reg(const csl_type *t, ir_reg r);
csl_value csl_in_regs(const csl_type *t, ir_reg low, ir_reg high);
ir_reg csl_emit(csl_sema *s, const csl_node *at, uint16_t op, ir_reg a, ir_reg b, int64_t imm); /* d = a fresh register, returned */
ir_instr *csl_emit_raw(csl_sema *s, const csl_node *at, ir_instr in);   /* line filled in; NULL: oom was told */
uint32_t csl_string(csl_sema *s, str text);                             /* index into out->strings */
isa_symbol *csl_new_symbol(csl_sema *s);                                /* a zeroed row at the end of out->symbols; NULL: oom was told */
void csl_line_of(csl_sema *s, csl_module *m, const csl_node *at, uint32_t *source, uint32_t *line);
uint32_t csl_fn_index(csl_sema *s, csl_func *f, const csl_node *at);    /* ir function of a non-generic function or task, analysed later; UINT32_MAX on error */

/* ---- builtins (builtin*.c): one row each in builtins.def ---- */
typedef csl_value (*csl_builtin_fn)(csl_sema *s, const csl_node *call);
typedef enum { CSL_ANYWHERE = 0, CSL_LAYOUT_ONLY = 1, CSL_COMPTIME_ONLY = 2, CSL_RUNTIME_ONLY = 4, CSL_LIBRARY_ONLY = 8, CSL_PROGRAM_ONLY = 16 } csl_when; /* PROGRAM_ONLY: not while the layout is evaluated */
typedef struct {
    const char *name;
    uint8_t min_args, max_args, when;
    csl_builtin_fn run;
} csl_builtin;
const csl_builtin *csl_find_builtin(str name);
/* Called by the driver: before the comptime blocks of a program run, and after all code is analysed (tables complete, checks of queues,
 * tasks and exports). */
bool csl_builtins_begin(csl_sema *s);
bool csl_builtins_finish(csl_sema *s);
/* The layout: begin before the layout block, finish after it (every PE has code, exports...). Programs are compiled by the
 * driver afterwards, each distinct (path, params) once. */
typedef struct {
    const char *path;          /* resolved */
    csl_value params;          /* KNOWN struct */
    const csl_node *at;        /* first @set_tile_code */
    csl_module *from;
} csl_tile_program;
bool csl_layout_begin(csl_sema *s);
bool csl_layout_finish(csl_sema *s);  /* fills image->tiles and route_sets, exports */
uint32_t csl_layout_programs(csl_unit *u, const csl_tile_program **out);
/* Local routes of a program (@set_local_color_config): merged by the driver into the route sets of its tiles. */
bool csl_local_routes(csl_sema *s, isa_route_set *out);

/* Modules (sema_module.c). */
const char *csl_resolve_path(csl_sema *s, str path, const csl_node *at, bool *is_library); /* NULL after an error */
csl_module *csl_module_new(csl_sema *s, const char *path, bool is_library, const char *name, const csl_value *params, const csl_node *at);
bool csl_run_comptime_blocks(csl_sema *s, csl_module *m);
csl_global *csl_find_global(csl_module *m, str name);
csl_func *csl_find_func(csl_module *m, str name);
bool csl_ready(csl_sema *s, csl_global *g, const csl_node *at);          /* evaluates type and value */

#endif
