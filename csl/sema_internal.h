/* What the evaluator's own files share; the builtins do not need it. */
#ifndef INGOT_CSL_SEMA_INTERNAL_H
#define INGOT_CSL_SEMA_INTERNAL_H

#include "csl/sema.h"

/* Stack that the evaluator may take: expressions, statements and calls under way, a call for several. */
enum { CSL_DEPTH_MAX = 2000, CSL_DEPTH_OF_CALL = 4 };

/* A name inside a function or block. The innermost is first. */
typedef enum { CSL_BIND_VALUE, CSL_BIND_CELL, CSL_BIND_REG, CSL_BIND_MEM } csl_bind_kind;
typedef struct csl_binding {
    str name;
    uint8_t kind;
    bool is_const;
    const csl_type *type;
    csl_value value;          /* VALUE: a constant, known or not */
    csl_value *cell;          /* CELL: comptime variable */
    ir_reg reg[2];            /* REG: run-time variable */
    uint32_t slot;            /* MEM: frame slot */
    uint32_t depth;           /* run-time depth at the declaration */
    const csl_node *at;
    struct csl_binding *up;
} csl_binding;

/* A loop or labelled block that break and continue can leave. */
typedef struct csl_loop {
    str label;
    bool unrolled, is_block;           /* unrolled or interpreted: leaving it is decided while walking, when no run-time branch is around */
    uint32_t depth;                    /* run-time depth outside its body */
    uint32_t break_label, continue_label; /* IR labels, 0 = not needed so far */
    bool wants_value;
    const csl_type *wanted;            /* of the block's value, NULL unknown */
    csl_value value;                   /* of `break v`, known at depth */
    const csl_type *value_type;        /* run-time breaks: type and registers of the result */
    ir_reg value_reg[2];
    struct csl_loop *up;
} csl_loop;

struct csl_frame {
    csl_func *func;
    uint64_t instance;                 /* hash of the arguments that make the instance: identity of types defined inside */
    csl_binding *top;
    csl_loop *loops;
    csl_frame *up;
    const csl_type *result_type;       /* NULL: a block outside functions */
    bool inlined;                      /* body of an inline function inside another one's code */
    uint32_t depth;                    /* run-time depth at entry */
    csl_value result;                  /* interpreted or inlined: what was returned */
    bool has_result;
    uint32_t return_label;             /* inlined with run-time returns: where they go, 0 none */
    ir_reg result_reg[2];
    ir_reg result_address;             /* aggregates: where the caller wants them */
    map addressed;                     /* names whose address is taken somewhere in the body */
    bool addressed_known;
    uint8_t leaving;                   /* csl_leaving: what a LEFT flow is about */
    csl_loop *target;                  /* of break and continue */
    arena *scratch;                    /* of the caller: where the result must live */
};

typedef enum { CSL_BREAKING, CSL_CONTINUING, CSL_RETURNING } csl_leaving;
typedef enum { CSL_NEXT, CSL_LEFT, CSL_GONE, CSL_FAILED } csl_flow; /* LEFT: break/continue/return under way (see pending); GONE: code after it is unreachable */

/* One specialisation of a function. */
typedef struct csl_instance {
    csl_func *func;
    uint32_t count;
    csl_value *args;          /* per parameter: KNOWN value that is part of the instance, or a type-only run-time argument */
    bool *known;
    const csl_type *result;
    uint32_t index;           /* ir function */
    uint64_t identity;        /* csl_frame's instance */
    ir_fn *fn;
    const csl_node *from;     /* first call, for messages */
    csl_module *from_module;
    struct csl_instance *next, *next_work;
} csl_instance;

/* type.c */
enum { CSL_NESTING_MAX = 100 }; /* types inside types: values are walked by recursion */
bool csl_types_init(csl_unit *u);
typedef struct {
    const csl_node *site;
    const csl_module *module;
    uint64_t instance;        /* of csl_frame */
    uint32_t count;
    const csl_member *members; /* members of structs have types, those of enums values */
} csl_site_key;
typedef struct csl_open_type {
    const csl_site_key *key;
    struct csl_open_type *up;
} csl_open_type;
csl_type *csl_type_at_site(csl_unit *u, const csl_site_key *k, const char *text, bool *fresh);
void csl_type_lay_out(csl_type *t, csl_member *members, bool is_union);

/* value.c */
uint16_t csl_f16_bits(double v);
uint16_t csl_bf16_bits(double v);
bool csl_all_known(const csl_value *v);

/* sema.c */
typedef struct csl_parked {
    arena *memory;
    struct csl_parked *next;
} csl_parked;
void csl_park(csl_sema *s, arena *memory);               /* memory of a loop that something still points to */
csl_binding *csl_bind(csl_sema *s, str name, csl_bind_kind kind, const csl_type *t, const csl_node *at);
csl_binding *csl_lookup(csl_sema *s, str name);
csl_value *csl_cell(csl_sema *s, csl_value v);            /* a comptime variable holding v */
csl_value *csl_elems_new(csl_sema *s, uint32_t n);
csl_value csl_copy(csl_sema *s, csl_value v);             /* aggregates: own elements, so that the copy may be changed */
bool csl_expand(csl_sema *s, csl_value *v);               /* splat -> separate elements */
csl_value csl_name(csl_sema *s, const csl_node *n);
csl_value csl_global_value(csl_sema *s, csl_global *g, const csl_node *at);
csl_value csl_func_value(csl_sema *s, csl_func *f, const csl_node *at);
bool csl_predeclared(csl_sema *s, str name, csl_value *out);
typedef struct {
    csl_module *module;
    csl_frame *frame;
    ir_fn *fn;
    bool comptime, dead, in_comptime_block;
    uint32_t runtime_depth;
    arena *scratch;
    const csl_node *at;
} csl_context;
csl_context csl_enter(csl_sema *s, csl_module *m);        /* comptime evaluation in the scope of a module */
void csl_leave(csl_sema *s, const csl_context *c);
bool csl_emits(const csl_sema *s);                        /* code may be emitted here */
csl_value csl_too_deep(csl_sema *s, const csl_node *at);
csl_value csl_not_known(csl_sema *s, const csl_node *at, const char *what);

/* sema_expr.c, sema_arith.c, sema_type.c */
csl_value csl_unary(csl_sema *s, csl_op op, csl_value v, const csl_node *at);
csl_value csl_short_circuit(csl_sema *s, const csl_node *n);
csl_value csl_type_node(csl_sema *s, const csl_node *n);
const csl_type *csl_peer(csl_sema *s, const csl_value *a, const csl_value *b);
csl_value csl_member_of(csl_sema *s, csl_value base, const csl_node *n);
csl_value csl_if_expr(csl_sema *s, const csl_node *n);
csl_value csl_switch_expr(csl_sema *s, const csl_node *n);
csl_value csl_block_expr(csl_sema *s, const csl_node *n);
bool csl_fits(const csl_type *t, __int128 v);
__int128 csl_wrap(const csl_type *t, __int128 v);

/* sema_coerce.c */
bool csl_move(csl_sema *s, const ir_reg *to, csl_value v, const csl_node *at); /* v into given registers */
ir_reg csl_narrow(csl_sema *s, const csl_type *t, ir_reg r, const csl_node *at); /* makes a 32-bit result canonical */

/* sema_stmt.c */
csl_flow csl_exec(csl_sema *s, const csl_node *n);
csl_flow csl_exec_list(csl_sema *s, const csl_node *first);
bool csl_switchable(csl_sema *s, csl_value v, const csl_node *n);                  /* a run-time value that a switch takes, or an error */
bool csl_emit_case(csl_sema *s, csl_value v, const csl_node *c, uint32_t here);    /* to `here` when v is what c says */

/* sema_call.c */
csl_value csl_call_node(csl_sema *s, const csl_node *n);
bool csl_run_work(csl_sema *s);

/* sema_fold.c */
bool csl_folds(const csl_func *f, uint32_t count, const csl_value *args, const bool *known, const csl_type *result); /* a call in code that is known at compile time */

/* sema_place.c */
bool csl_store_known(csl_sema *s, const csl_type *t, const csl_value *v, uint16_t *words, const csl_node *at); /* a KNOWN value as PE memory */
csl_value csl_slot_value(csl_sema *s, const csl_type *t, const csl_node *at, uint32_t *slot); /* fresh frame memory as a MEM value */

/* sema_module.c */
csl_source_file *csl_source(csl_unit *u, const char *path, bool is_library);

#endif
