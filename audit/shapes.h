/* Shapes of an operator's arguments, parsed from a trace's text. */
#ifndef INGOT_AUDIT_SHAPES_H
#define INGOT_AUDIT_SHAPES_H
#include "base/str.h"

enum { SHAPE_ARGS = 24, SHAPE_DIMS = 8 };
typedef struct {
    double dim[SHAPE_DIMS];
    int dims;                            /* 0: a number, or no tensor */
    double elements;                     /* 1 for a number; of a list: of all its tensors together */
    unsigned bytes;                      /* of an element; 0 = no tensor */
    bool list;
} shape_arg;
typedef struct {
    shape_arg arg[SHAPE_ARGS];
    int args;
    str concrete[SHAPE_ARGS];            /* texts without quotes; n = 0: none */
} shapes;

/* false: not the text of shapes. */
bool shapes_parse(shapes *s, str text);
#endif
