/* What the builtins share. A builtin gets its CALL node and evaluates the arguments itself:
 *
 *     csl_fields f;
 *     if (!csl_fields_of(s, csl_arg(call, 1), "@get_dsd", &f)) return CSL_NOTHING;   // a struct of settings
 *     if (!csl_take_flag(s, &f, "async", &async) || ... || !csl_fields_done(s, &f)) return CSL_NOTHING;
 *
 * Ids of tasks and scratch DSRs are known late (a task may be bound after its first use, a DSR claimed after another
 * was chosen), so code holds marks that csl_builtins_finish replaces.
 */
#ifndef INGOT_CSL_BUILTIN_H
#define INGOT_CSL_BUILTIN_H

#include "csl/sema.h"

/* Where something was said first, for notes. */
typedef struct {
    const csl_node *at;
    csl_module *module;
} csl_site;
static inline csl_site csl_site_of(const csl_sema *s, const csl_node *at) { return (csl_site){at, s->module}; }

/* ---- arguments and messages (builtin.c) ---- */
static inline const csl_node *csl_arg(const csl_node *call, uint32_t i) {
    const csl_node *n = call->b;
    while (n && i--) n = n->next;
    return n;
}
uint32_t csl_arg_count(const csl_node *call);
bool csl_refuse(csl_sema *s, const csl_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* csl_error as false */
csl_value csl_arg_string(csl_sema *s, const csl_node *call, uint32_t i, const char *what);
bool csl_is_wse3(const csl_sema *s);
bool csl_user_code(const csl_sema *s); /* not inside a library module */
bool csl_has_memcpy(const csl_sema *s);
uint32_t csl_in_queue_count(const csl_sema *s);
uint32_t csl_out_queue_count(const csl_sema *s);
bool csl_in_code(csl_sema *s, const csl_node *call); /* run-time code may be emitted here, or an error */
/* Room for one more row of an array in the unit's arena. */
bool csl_room(csl_sema *s, void **rows, uint32_t count, uint32_t *cap, size_t bytes);
#define CSL_ROOM(s, rows, count, cap)                                                                                  \
    __extension__({                                                                                                    \
        void *room_ = (rows);                                                                                          \
        bool ok_ = csl_room((s), &room_, (count), (cap), sizeof *(rows));                                              \
        (rows) = room_;                                                                                                \
        ok_;                                                                                                           \
    })

/* ---- structs of settings (builtin_fields.c) ---- */
enum { CSL_FIELDS_MAX = 24 };
typedef struct {
    str name;
    const csl_node *at;     /* the value's node, or the whole struct's */
    const csl_value *value; /* NULL: still to be evaluated at `at` */
    bool used;
} csl_entry;
typedef struct {
    const char *what; /* "@get_dsd", for messages */
    const csl_node *at;
    csl_entry entry[CSL_FIELDS_MAX];
    uint32_t count;
    const char *asked[CSL_FIELDS_MAX]; /* every name asked for: the known fields */
    uint32_t asked_count;
} csl_fields;

/* The members of a struct; literals stay unevaluated until they are taken. `if` with a known condition is looked
 * through. */
bool csl_fields_of(csl_sema *s, const csl_node *n, const char *what, csl_fields *out);
bool csl_fields_of_value(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, csl_fields *out);
csl_entry *csl_find(csl_fields *f, const char *name); /* marks it as used and known; not evaluated */
/* Absent: true, type NULL and no message. */
bool csl_take(csl_sema *s, csl_fields *f, const char *name, csl_value *out, const csl_node **at);
bool csl_take_flag(csl_sema *s, csl_fields *f, const char *name, bool *out);
bool csl_take_int(csl_sema *s, csl_fields *f, const char *name, int64_t min, int64_t max, int64_t *out, bool *present);
/* `.{ .high = true }`: index into names (NULL-terminated), unchanged when absent. */
bool csl_take_choice(csl_sema *s, csl_fields *f, const char *name, const char *const *names, int *out);
bool csl_fields_done(csl_sema *s, const csl_fields *f); /* unknown fields are errors that list the known ones */

/* A known integer behind any integer, id, direction or bool. */
bool csl_whole(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, int64_t min, int64_t max,
               int64_t *out);

/* ---- ids (builtin_task.c) ---- */

/* A task id now known or not yet: the id, or a function whose id finish will know. */
typedef struct {
    int16_t id;     /* -1 none */
    csl_func *task; /* not NULL: its bound id */
    const csl_node *at;
    csl_module *module;
} csl_task_ref;
bool csl_task_of(csl_sema *s, const csl_value *v, const csl_node *at, const char *what, bool any_port,
                 csl_task_ref *out);
bool csl_resolve_task(csl_sema *s, const csl_task_ref *r, int8_t *id); /* at finish */

/* Queues of fabric DSDs: use is noted, and checked at finish. color -1: not known. */
bool csl_use_queue(csl_sema *s, bool input, int64_t queue, int64_t color, const csl_node *at);
int csl_choose_queue(csl_sema *s, bool input, int64_t color); /* WSE-2, when the program names none */

/* Marks in the imm of ACTIVATE, BLOCK, UNBLOCK: CSL_TASK_MARK + row of the state's references. */
#define CSL_TASK_MARK (1ll << 40)

/* s->tasks */
typedef struct {
    csl_task_ref *refs;
    uint32_t ref_count, ref_cap; /* of marks in code */
    struct csl_initial {
        csl_task_ref ref;
        uint16_t op;
    } * initial;
    uint32_t initial_count, initial_cap; /* of comptime blocks, in order */
    csl_func *bound[ISA_TASKS];
    csl_site bound_at[ISA_TASKS];
    uint64_t decided;                                   /* ids whose first state the program itself chose */
    csl_site in_init[ISA_QUEUES], out_init[ISA_QUEUES]; /* @initialize_queue */
    csl_site in_use[ISA_QUEUES], out_use[ISA_QUEUES];   /* first operand that names it */
    int8_t out_choice[ISA_COLORS];                      /* WSE-2: output queue chosen for a color, -1 none */
    int8_t in_color[ISA_QUEUES], out_color[ISA_QUEUES]; /* WSE-2: of @initialize_queue, -1 none */
    csl_site teardown[ISA_COLORS], flush[ISA_QUEUES];
} csl_task_state;
static inline csl_task_state *csl_tasks(const csl_sema *s) { return s->tasks; }

bool csl_queues_finish(csl_sema *s);
bool csl_tasks_begin(csl_sema *s);
bool csl_tasks_finish(csl_sema *s);
bool csl_task_marks(csl_sema *s, ir_instr *in);

/* ---- exports (builtin_export.c) ---- */
void csl_scalar_of(const csl_type *t, uint8_t *scalar, uint8_t *bits);

/* ---- layout (builtin_layout.c), routes (route.c) ---- */
bool csl_parse_route(csl_sema *s, const csl_node *cfg, int64_t color, const char *what, isa_route *out);
bool csl_color_free(csl_sema *s, int64_t color, const csl_node *at); /* not one of memcpy's */
bool csl_color_of(csl_sema *s, const csl_node *n, int64_t *color);   /* a color for routes */

/* ---- descriptors (builtin_dsd.c) ---- */

/* One operation's settings, interned with what finish has to resolve. */
typedef struct {
    isa_settings s;
    csl_task_ref activate, unblock, on_activate, on_unblock;
} csl_settings;

/* s->dsds */
typedef struct {
    csl_settings *settings;
    uint32_t settings_cap; /* parallel to out->settings */
    uint32_t settings_table_cap, shape_cap, descriptor_cap, fifo_cap;
    struct csl_fifo_refs {
        csl_task_ref pop, push;
    } * fifos;
    uint32_t fifo_ref_cap;
    csl_site colorless; /* a descriptor whose color byte is CSL_COLOR_MARK */
    csl_site *loaded_at; /* of out->dsr_starts: @load_to_dsr in comptime blocks */
    uint32_t loaded_cap, start_cap, config_cap;
    uint32_t map_slots[3]; /* scratch registers of @map so far, by file */
    isa_route *local;
    csl_site *local_at;
    uint32_t local_count, local_cap, local_at_cap; /* @set_local_color_config */
} csl_dsd_state;

#define CSL_COLOR_MARK 0xff
static inline csl_dsd_state *csl_dsds(const csl_sema *s) { return s->dsds; }

bool csl_dsds_begin(csl_sema *s);
bool csl_dsds_finish(csl_sema *s);
bool csl_shape(csl_sema *s, const isa_shape *shape, const csl_node *at, uint16_t *index);
bool csl_descriptor(csl_sema *s, isa_dsd dsd, const csl_node *at, uint16_t *index);
/* `.async`, `.activate`...: index of the settings, and `.index` (a value without type when absent). cfg NULL: 0.
 * for_load: settings of
 * @load_to_dsr, with save_address and single_step. */
typedef struct {
    uint16_t index;
    bool async, saves;
    csl_value offset; /* .index */
    const csl_node *offset_at;
} csl_op_settings;
bool csl_parse_settings(csl_sema *s, const csl_node *cfg, const char *what, bool for_load, csl_op_settings *out);

/* The word address behind a pointer expression or an array: register (0 none) + imm, and the type of the elements. */
typedef struct {
    ir_reg reg;
    int32_t imm;
    const csl_type *type; /* pointee: an array, or an element */
    bool many;            /* [*]T */
} csl_base;
bool csl_base_of(csl_sema *s, const csl_node *n, const char *what, csl_base *out);
bool csl_base_of_value(csl_sema *s, csl_value v, const csl_node *n, const char *what, csl_base *out);
const csl_type *csl_base_element(const csl_base *b);

/* A field of a descriptor: known, or in a register. */
typedef struct {
    bool known;
    int64_t k;
    ir_reg reg;
} csl_part;
bool csl_part_of(csl_sema *s, csl_value v, const csl_node *at, const char *what, int64_t min, int64_t max,
                 csl_part *out);
/* low = base + part << 16 of a descriptor; base: register or 0, plus imm. */
ir_reg csl_dsd_low(csl_sema *s, const csl_node *at, ir_reg base, int64_t imm, csl_part length);
ir_reg csl_dsd_high(csl_sema *s, const csl_node *at, csl_part stride, uint16_t shape);
/* |i, j|{m, n} -> array[affine]: shape of a mem4d, and where it begins. */
typedef struct {
    csl_base base;
    int64_t offset_words;
    uint32_t dims;
    uint16_t extent[4];
    int16_t stride[4];
} csl_access;
bool csl_access_of(csl_sema *s, const csl_node *lambda, csl_access *out);

/* ---- registers of descriptors (builtin_dsr.c) ---- */

/* Marks: scratch DSRs have bit 8 set, and a slot instead of an id. Slot 0: plain operands; further ones: @map. */
#define CSL_SCRATCH(file, slot) (0x80000100u | (ir_reg)(file) << 4 | (ir_reg)(slot) << 12)
bool csl_scratch_marks(csl_sema *s, ir_instr *in);
ir_reg csl_dsr_operand(csl_value v); /* a register of the program, as an operand */
bool csl_load_dsr(csl_sema *s, const csl_node *at, ir_reg dsr, csl_value dsd, uint16_t settings);

/* ---- operations (builtin_dsdop.c) ---- */
csl_value csl_b_dsd_op(csl_sema *s, const csl_node *call);
/* A scalar in a register as an operand of the given width: floats convert to the 16-bit or f32 type, patterns of any
 * type pass. */
typedef enum { CSL_LANE_BITS, CSL_LANE_FLOAT, CSL_LANE_I16 } csl_lane;
ir_reg csl_lane_reg(csl_sema *s, csl_value v, csl_lane lane, uint8_t bits, const csl_node *at);
const csl_type *csl_half(const csl_sema *s); /* the 16-bit float of the compilation */
bool csl_store_through(csl_sema *s, csl_value pointer, csl_value v, const csl_node *at);

#define BUILTIN(name, min_args, max_args, when, function) csl_value function(csl_sema *s, const csl_node *call);
#include "csl/builtins.def"
#undef BUILTIN

#endif
