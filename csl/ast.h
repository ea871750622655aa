/* The syntax tree of one CSL file: one node type, linked lists by `next`. The parser makes it, nobody changes it.
 *
 *     csl_file *f = csl_parse(arena, source, d);    // NULL when the file has syntax errors (all were told to d)
 *
 * Types are expressions. Nodes live in the arena. A node's span covers all of it; `name_at` its name where it has one.
 */
#ifndef INGOT_CSL_AST_H
#define INGOT_CSL_AST_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/map.h"

typedef struct csl_node csl_node;

/*  kind            a             b            c            d            other
 *  -- top level and declarations
 *  VAR             type|0        init|0       linksection  linkname     name, decl (const/var/param), flags EXPORT EXTERN COMPTIME, align
 *  FN              params(list)  return type  body|0       linksection  name, flags EXPORT EXTERN INLINE NOINLINE TASK, linkname in e
 *  PARAM           type          -            -            -            name ("" when absent), flags COMPTIME ANYTYPE
 *  COMPTIME_BLOCK  block or expr
 *  LAYOUT          block
 *  -- statements
 *  BLOCK           statements                                           name = label
 *  IF              condition     then         else|0                    also an expression
 *  WHILE           condition     body         update|0                  name = label, flags INLINE COMPTIME
 *  FOR             iterable      body                                   name = label, capture, index (names, index empty when absent), flags
 *  SWITCH          value         arms                                   also an expression
 *  ARM             cases(list|0 = else)  body
 *  RETURN          value|0
 *  BREAK           value|0                                              name = label
 *  CONTINUE                                                             name = label
 *  ASSIGN          target        value                                  op: 0 for =, else the CSL_OP of the compound form
 *  EXPR            expression (as a statement)
 *  -- expressions
 *  INT                                                                  integer (unsigned magnitude; too_big when it needs more than 127 bits)
 *  FLOAT                                                                number
 *  STRING                                                               name = the bytes after escapes
 *  TRUE FALSE UNDEFINED UNREACHABLE VOID_VALUE ("{}")
 *  NAME                                                                 name
 *  UNARY           operand                                              op: NEG NOT BITNOT ADDRESS COMPTIME
 *  BINARY          left          right                                  op
 *  MEMBER          base                                                 name
 *  DEREF           base
 *  INDEX           base          indices(list)
 *  CALL            callee        args(list)
 *  BUILTIN                       args(list)                             name without '@'
 *  STRUCT_LIT      type|0 (anonymous)  fields(list of FIELD)
 *  TUPLE           -             elements(list)                         .{ a, b }; also .{}
 *  FIELD           value                                                name
 *  ARRAY_TYPE      extents(list) element type
 *  ARRAY_LIT       the ARRAY_TYPE  elements(list)
 *  POINTER_TYPE    pointee                                              flags MANY CONST
 *  FN_TYPE         params(list of PARAM)  return type                   flags TASK
 *  STRUCT_TYPE     fields(list of FIELD_DECL)                           flags EXTERN PACKED UNION
 *  FIELD_DECL      type          default|0                              name
 *  ENUM_TYPE       backing type|0  members(list of FIELD: a = value|0)
 *  LAMBDA          extents(list) body                                   captures (list of NAME in c)
 *  ASM                                                                  refused by name later
 */
typedef enum {
    CSL_VAR, CSL_FN, CSL_PARAM, CSL_COMPTIME_BLOCK, CSL_LAYOUT,
    CSL_BLOCK, CSL_IF, CSL_WHILE, CSL_FOR, CSL_SWITCH, CSL_ARM, CSL_RETURN, CSL_BREAK, CSL_CONTINUE, CSL_ASSIGN, CSL_EXPR,
    CSL_INT, CSL_FLOAT, CSL_STRING, CSL_TRUE, CSL_FALSE, CSL_UNDEFINED, CSL_UNREACHABLE, CSL_VOID_VALUE, CSL_NAME,
    CSL_UNARY, CSL_BINARY, CSL_MEMBER, CSL_DEREF, CSL_INDEX, CSL_CALL, CSL_BUILTIN,
    CSL_STRUCT_LIT, CSL_TUPLE, CSL_FIELD, CSL_ARRAY_TYPE, CSL_ARRAY_LIT, CSL_POINTER_TYPE, CSL_FN_TYPE,
    CSL_STRUCT_TYPE, CSL_FIELD_DECL, CSL_ENUM_TYPE, CSL_LAMBDA, CSL_ASM,
    CSL_KINDS
} csl_kind;

typedef enum {
    CSL_OP_NONE,
    CSL_OP_ADD, CSL_OP_SUB, CSL_OP_MUL, CSL_OP_DIV, CSL_OP_MOD, CSL_OP_SHL, CSL_OP_SHR, CSL_OP_BITAND, CSL_OP_BITOR, CSL_OP_BITXOR,
    CSL_OP_EQ, CSL_OP_NE, CSL_OP_LT, CSL_OP_LE, CSL_OP_GT, CSL_OP_GE, CSL_OP_AND, CSL_OP_OR,
    CSL_OP_NEG, CSL_OP_NOT, CSL_OP_BITNOT, CSL_OP_ADDRESS, CSL_OP_COMPTIME,
    CSL_OPS
} csl_op;

typedef enum { CSL_DECL_CONST, CSL_DECL_VAR, CSL_DECL_PARAM } csl_decl;

enum {
    CSL_EXPORT = 1, CSL_EXTERN = 2, CSL_INLINE = 4, CSL_NOINLINE = 8, CSL_TASK = 16, CSL_COMPTIME = 32, CSL_ANYTYPE = 64,
    CSL_MANY = 128, CSL_CONST = 256, CSL_PACKED = 512, CSL_UNION = 1024, CSL_TOO_BIG = 2048,
};

enum { CSL_TREE_HEIGHT_MAX = 1024 }; /* the parser refuses more, so a walk down the tree may recurse */

struct csl_node {
    uint8_t kind, op, decl; /* csl_kind, csl_op, csl_decl */
    uint16_t flags;
    uint16_t height;        /* nodes on the longest way down, itself included; at most CSL_TREE_HEIGHT_MAX */
    span at, name_at;
    str name;
    csl_node *a, *b, *c, *d, *e, *next;
    csl_node *align;        /* VAR, FN */
    union {
        unsigned __int128 integer;
        double number;
        struct { str capture, index; }; /* FOR */
    };
};

typedef struct {
    diag_source source;  /* name and text; the text lives in the arena */
    csl_node *top;       /* declarations and blocks in order */
    map names;           /* top-level VAR and FN by name -> (uint64_t)(uintptr_t) of the node; redefinitions were reported.
                          Heap memory: map_free(&file->names) before the arena goes */
} csl_file;

/* name and text are copied. */
csl_file *csl_parse(arena *a, const char *name, str text, diag *d);

/* Indented text, one node a line, for --dump=ast and golden tests. */
void csl_ast_print(const csl_file *f, strbuf *out);

#endif
