/* What an operator has to do, from the shapes of its arguments: floating-point operations and bytes of device memory.
 *
 *     audit_work w;
 *     if (audit_work_of(&w, STR("aten::mm"), shape)) ... w.flops / w.bytes ...
 *
 * Bytes are the least that any kernel must move: each input read once, each output written once. A table (audit/work.c) names the
 * operators and which formula they follow; s = bytes of an element:
 *
 *     matrix product     2bMNK flops; s b(MK + KN + MN) bytes (addmm: + the addend)
 *     attention          4BH Tq Tk D (causal: half); s B(2 H Tq D + 2 Hkv Tk D); backward 2.5 and 2 times that
 *     convolution        2 N Cout Ho Wo Cin/g Kh Kw; input + weight + output; backward twice that
 *     elementwise        0; sum of inputs + broadcast output
 *     norm, softmax      5 per element; read + write once; backward: 2 reads + 1 write
 *     reduction          0; read once
 *     copy, cat          0; read + write
 *     gather             0; 2 x rows x width + indices, never the table
 *     optimiser          12P; 28P (parameter, gradient, two moments of 4 bytes; three written)
 *
 * `shape` is the text that readers keep of an operator: "Input Dims", "Input type" and, for attention and convolutions, "Concrete Inputs"
 * as in the trace, one a line. It comes from outside: at most 24 arguments of 8 dimensions are read, products are doubles.
 */
#ifndef INGOT_AUDIT_WORK_H
#define INGOT_AUDIT_WORK_H
#include "base/str.h"

typedef struct {
    double flops, bytes;
    double weight_bytes;                 /* of these: the second matrix of a product, which may be weights */
    unsigned element_bytes;              /* of the arithmetic: 1, 2, 4, 8 */
    bool streaming;                      /* no product: bytes only, or a few flops per element */
    bool attention;
} audit_work;

/* false: no formula for this operator, or no shapes that fit it. */
bool audit_work_of(audit_work *w, str op, str shape);
#endif
