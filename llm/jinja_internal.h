/* Inside of the Jinja interpreter.
 *
 *   source --jinja_lex.c--> tokens --jinja_parse*.c--> nodes --jinja_eval.c, jinja_exec.c--> text with marks
 *
 * Values: jinja_value.c (meaning), jinja_string.c (text with marks), jinja_print.c (str, repr, JSON), jinja_format.c
 * (% and format). What templates can call is in tables, one row each: jinja_filters.c, jinja_sequence.c, jinja_tests.c,
 * jinja_methods.c, jinja_globals.c; jinja_call.c binds their arguments.
 *
 * Errors: the first jinja_fail tells the diag and sets `failed`; from then on every call returns at once with whatever
 * value, so callers need to look only where they loop or where they would use a NULL.
 */
#ifndef INGOT_LLM_JINJA_INTERNAL_H
#define INGOT_LLM_JINJA_INTERNAL_H
#include "base/mem.h"
#include "llm/jinja.h"

/* ---- tokens ---- */
typedef enum {
    TOKEN_END,
    TOKEN_DATA,
    TOKEN_PRINT,
    TOKEN_PRINT_END,
    TOKEN_BLOCK,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_LITERAL,
    TOKEN_OPERATOR,
} jinja_token_kind;

typedef struct {
    jinja_token_kind kind;
    span at;
    str text;                /* name, operator or data */
    jinja_value value;       /* of a literal: string, int, float */
} jinja_token;

/* ---- nodes. What a, b and c hold: ---- */
typedef enum {
    /* expressions */
    NODE_LITERAL,            /* value */
    NODE_NAME,               /* name */
    NODE_LIST, NODE_TUPLE,   /* a: items */
    NODE_DICT,               /* a: pairs */
    NODE_PAIR,               /* a: key, b: value */
    NODE_ATTRIBUTE,          /* a.name */
    NODE_ITEM,               /* a[b] */
    NODE_SLICE,              /* a:b:c, each may be NULL */
    NODE_CALL,               /* a(b: arguments) */
    NODE_ARGUMENT,           /* a; `name` when by keyword; `mode` '*' or 'd' (two stars) for spreads */
    NODE_FILTER,             /* a|name(b: arguments) */
    NODE_TEST,               /* a is name(b: arguments) */
    NODE_UNARY,              /* mode '-', '+' or 'n' (not), a */
    NODE_BINARY,             /* a op b */
    NODE_AND, NODE_OR,       /* a, b */
    NODE_COMPARE,            /* a, then b: chain of NODE_COMPARED */
    NODE_COMPARED,           /* op a */
    NODE_CONDITION,          /* a if b else c (may be NULL) */
    NODE_CAPTURED,           /* the text of a set or filter block, under its filters */
    /* statements */
    NODE_TEXT,               /* value */
    NODE_PRINT,              /* a */
    NODE_IF,                 /* a: condition, b: body, c: else; mode 'e': c is the next NODE_IF of elif */
    NODE_FOR,                /* a: target, b: what to walk, c: its if (may be NULL), body, other: else */
    NODE_SET,                /* a: target, b: value */
    NODE_SET_BLOCK,          /* a: target, b: filters over NODE_CAPTURED, body */
    NODE_MACRO,              /* name, a: parameters (NODE_NAME with a: default), body, mode: MACRO_ flags */
    NODE_CALL_BLOCK,         /* a: the call, b: NODE_MACRO that becomes `caller` */
    NODE_FILTER_BLOCK,       /* b: filters over NODE_CAPTURED, body */
    NODE_WITH,               /* a: chain of NODE_SET, body */
    NODE_BREAK, NODE_CONTINUE,
} jinja_node_kind;

enum { MACRO_VARARGS = 1, MACRO_KWARGS = 2, MACRO_CALLER = 4 };   /* the body names it, so it takes it */

typedef enum {
    OP_NONE, OP_OR, OP_AND, OP_ADD, OP_SUB, OP_CONCAT, OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD, OP_POW,
    OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_IN, OP_NOT_IN,
} jinja_op;

typedef struct jinja_node jinja_node;
struct jinja_node {
    jinja_node_kind kind;
    jinja_op op;
    int mode;
    span at;
    str name;
    jinja_value value;
    jinja_node *a, *b, *c, *body, *other, *next;
};

/* ---- running ---- */
/* Text being built. `marks` is empty while all of it has one origin. */
typedef struct jinja_state jinja_state;
typedef struct {
    jinja_state *j;
    char *p;
    size_t n, cap;
    jinja_mark *marks;
    size_t mark_count, mark_cap;
} jinja_builder;

typedef struct {
    str name;
    jinja_value value;
} jinja_variable;

/* Names of one block; the outermost holds what is set at the top of the template. */
typedef struct jinja_scope jinja_scope;
struct jinja_scope {
    jinja_scope *parent;
    jinja_variable *variables;
    size_t count, cap;
};

struct jinja_state {
    arena *memory;           /* of this rendering */
    diag *d;
    diag_source source;
    jinja_limits limits;     /* defaults filled in */
    const char *date;
    uint64_t steps;
    unsigned depth;
    bool failed;
    bool breaking, continuing;
    span at;                 /* what is being evaluated, for messages */
    jinja_scope *scope;
    jinja_value globals;
    jinja_value captured;    /* for NODE_CAPTURED */
    jinja_builder *out;
};

/* Arguments as they were written, or bound to a row's parameters: then values[i] is parameter i or JINJA_MISSING. */
typedef struct {
    jinja_value *values;
    size_t count;
    jinja_dict named;
} jinja_arguments;

typedef jinja_value jinja_call(jinja_state *j, jinja_value self, const jinja_arguments *arguments);
/* One row per filter, test, method, global. */
typedef struct {
    const char *name;
    jinja_call *call;        /* NULL: a method that changes its object, which templates may not */
    const char *parameters;  /* "old new count", or "*": any, unbound */
    unsigned required;
    unsigned types;          /* methods: bit set of jinja_type */
} jinja_row;

extern const jinja_row jinja_filters[], jinja_sequence_filters[], jinja_tests[], jinja_methods[], jinja_globals[];

/* JINJA_FUNCTION, JINJA_LOOP, JINJA_CYCLER, JINJA_JOINER, JINJA_SLICE. */
struct jinja_object {
    const jinja_row *row;    /* function of a table, or NULL for a macro */
    jinja_value self;        /* of a bound method */
    const jinja_node *macro;
    jinja_scope *scope;      /* where the macro was defined */
    jinja_list *items;       /* of a loop or cycler */
    size_t position;         /* loop: index0; cycler: next item; joiner: calls so far */
    jinja_value memory;      /* joiner: its separator; loop: what changed() saw last */
    jinja_value bounds[3];   /* of a slice */
};

/* What every call gives after a failure, and an undefined value without a name. */
static inline jinja_value jinja_nothing(void) { return (jinja_value){.type = JINJA_UNDEFINED}; }

/* jinja_run.c: limits and errors */
enum { JINJA_STEP_BYTES = 16 };                                 /* of text, in one step */
void jinja_fail(jinja_state *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool jinja_charge(jinja_state *j, uint64_t steps);              /* false: failed */
bool jinja_charge_text(jinja_state *j, size_t bytes);
bool jinja_enter(jinja_state *j);                               /* one level deeper; leave also after false */
static inline void jinja_leave(jinja_state *j) { j->depth--; }
void *jinja_alloc(jinja_state *j, size_t count, size_t bytes);  /* NULL: failed */
/* A growing array of the run: room for one more item. */
bool jinja_grow(jinja_state *j, void *items, size_t *cap, size_t count, size_t item_bytes);

/* jinja_lex.c, jinja_parse.c, jinja_parse_statement.c */
jinja_token *jinja_lex(jinja_state *j);
jinja_node *jinja_parse(jinja_state *j, const jinja_token *tokens);

/* jinja_string.c */
bool jinja_is_space(uint32_t code_point);                       /* as Python's str.isspace */
/* Bytes of the code point at `at`; 1 where the text is not UTF-8. */
static inline size_t jinja_code_point(str s, size_t at, uint32_t *cp) {
    *cp = (unsigned char)s.p[at];
    if (*cp < 0x80) return 1;
    size_t n = utf8_decode(s, at, cp);
    return n ? n : (*cp = 0xFFFD, 1);
}
size_t jinja_length(str s);                                     /* in code points */
size_t jinja_offset(str s, size_t from, size_t code_points);    /* byte offset so many code points after `from` */
bool jinja_from_message(const jinja_string *s, size_t at);
jinja_value jinja_constant(jinja_state *j, const char *text);   /* template text; not copied */
jinja_value jinja_slice(jinja_state *j, const jinja_string *s, size_t begin, size_t end);
jinja_value jinja_strip(jinja_state *j, const jinja_string *s, str set, bool left, bool right); /* set.p NULL: spaces */
jinja_value jinja_escape(jinja_state *j, const jinja_string *s);
jinja_value jinja_mark_escaped(jinja_state *j, jinja_value string, bool escaped);
void jinja_add(jinja_builder *b, const char *p, size_t n, bool from_message);
void jinja_adds(jinja_builder *b, const char *text);            /* template text */
void jinja_add_code_point(jinja_builder *b, uint32_t cp, bool from_message);
void jinja_add_slice(jinja_builder *b, const jinja_string *s, size_t begin, size_t end);
void jinja_add_string(jinja_builder *b, const jinja_string *s);
void jinja_add_repeated(jinja_builder *b, const jinja_string *s, int64_t times);
jinja_value jinja_built(jinja_builder *b);

/* jinja_value.c */
const char *jinja_type_name(jinja_value v);
bool jinja_truth(jinja_value v);
bool jinja_number(jinja_value v, double *out);                  /* bool, int, float */
bool jinja_integer(jinja_value v, int64_t *out);                /* bool, int */
bool jinja_equal(jinja_state *j, jinja_value a, jinja_value b);
int jinja_order(jinja_state *j, jinja_value a, jinja_value b, const char *op); /* <0, 0, >0; fails when there is none */
bool jinja_contains(jinja_state *j, jinja_value item, jinja_value in);
jinja_value jinja_new_list(jinja_state *j, jinja_type type);
jinja_value jinja_new_dict(jinja_state *j, jinja_type type);
bool jinja_push(jinja_state *j, jinja_value list, jinja_value item);
bool jinja_put(jinja_state *j, jinja_dict *d, jinja_value key, jinja_value value);
jinja_value *jinja_find(jinja_state *j, const jinja_dict *d, jinja_value key);   /* NULL: absent */
jinja_value *jinja_find_str(jinja_state *j, const jinja_dict *d, str key);
jinja_list *jinja_items(jinja_state *j, jinja_value v); /* what walking v gives; uses an iterator up; NULL: failed */
bool jinja_size(jinja_state *j, jinja_value v, size_t *out);
jinja_value jinja_undefined(jinja_state *j, str name);
bool jinja_no_undefined(jinja_state *j, jinja_value v);         /* fails when v is undefined */

/* jinja_print.c */
const jinja_string *jinja_str(jinja_state *j, jinja_value v);   /* never NULL; an empty string after a failure */
void jinja_print(jinja_builder *b, jinja_value v, bool repr);
void jinja_print_float(jinja_builder *b, double v);
typedef struct {
    bool ascii, sort_keys;
    const jinja_string *indent, *comma, *colon;                 /* indent NULL: all on one line */
} jinja_json_style;
void jinja_print_json(jinja_builder *b, jinja_value v, const jinja_json_style *style);

/* jinja_format.c */
jinja_value jinja_percent(jinja_state *j, const jinja_string *format, jinja_value arguments);
jinja_value jinja_format_method(jinja_state *j, jinja_value self, const jinja_arguments *arguments);

/* jinja_operator.c */
jinja_value jinja_binary(jinja_state *j, jinja_op op, jinja_value a, jinja_value b);
jinja_value jinja_unary(jinja_state *j, int mode, jinja_value v);
bool jinja_compare(jinja_state *j, jinja_op op, jinja_value a, jinja_value b);

/* jinja_call.c */
const jinja_row *jinja_row_find(const jinja_row *rows, str name);
const jinja_row *jinja_filter_find(str name);
jinja_value jinja_call_row(jinja_state *j, const char *kind, const jinja_row *row, jinja_value self,
                           const jinja_arguments *g);
jinja_value jinja_call_filter(jinja_state *j, str name, jinja_value self, const jinja_arguments *g);
bool jinja_call_test(jinja_state *j, str name, jinja_value self, const jinja_arguments *g);
jinja_value jinja_call_value(jinja_state *j, jinja_value callee, const jinja_arguments *g);
jinja_value jinja_new_function(jinja_state *j, const jinja_row *row, jinja_value self);
static inline bool jinja_given(const jinja_arguments *g, size_t i) { return g->values[i].type != JINJA_MISSING; }
int64_t jinja_arg_int(jinja_state *j, const jinja_arguments *g, size_t i, int64_t fallback);
bool jinja_arg_bool(const jinja_arguments *g, size_t i, bool fallback);
const jinja_string *jinja_arg_string(jinja_state *j, const jinja_arguments *g,
                                     size_t i); /* fails unless it is a string */

/* jinja_access.c */
jinja_value jinja_attribute(jinja_state *j, jinja_value v, str name);            /* v.name: methods first */
jinja_value jinja_item(jinja_state *j, jinja_value v, jinja_value key);          /* v[key]: items first */
jinja_value jinja_path(jinja_state *j, jinja_value v, jinja_value path);         /* "a.b.0", as filters' attribute= */

/* jinja_eval.c, jinja_exec.c */
jinja_value jinja_eval(jinja_state *j, const jinja_node *n);
void jinja_exec(jinja_state *j, const jinja_node *list);
jinja_value jinja_exec_captured(jinja_state *j, const jinja_node *list);         /* its text */
bool jinja_eval_arguments(jinja_state *j, const jinja_node *list, jinja_arguments *g);
jinja_value jinja_call_macro(jinja_state *j, const jinja_object *macro, const jinja_arguments *g);
bool jinja_set_variable(jinja_state *j, str name, jinja_value value);
jinja_scope *jinja_push_scope(jinja_state *j, jinja_scope *parent);              /* makes it current; NULL: failed */
#endif
