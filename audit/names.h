/* What a kernel is, by its name: the only thing that every trace has.
 *
 * Only the base identifier counts: return type, namespaces, template arguments and parameters are dropped (`_ZN` names: their
 * length-prefixed identifiers), because words such as `gemm`, `conv` or `copy` stand in the namespaces and template arguments of
 * unrelated kernels. Where the base says nothing (`Kernel2<...>`, `kentry<...>`) the first identifiers of its template arguments are asked.
 */
#ifndef INGOT_AUDIT_NAMES_H
#define INGOT_AUDIT_NAMES_H
#include "audit/events.h"

typedef enum {
    NAME_OTHER,      /* says nothing */
    NAME_COMM,       /* a collective */
    NAME_ATTENTION,
    NAME_GEMM,       /* a product with a weight matrix, or of batches of matrices */
    NAME_CONV,
    NAME_STREAM,     /* reads and writes each element about once: under 2 FLOP per byte, memory-bound on every accelerator */
    NAME_KINDS
} name_kind;

str names_base(str kernel);              /* a part of the text given */
name_kind names_kind(str kernel);
bool names_is_comm(str kernel);
const char *names_kind_text(name_kind k);
copy_direction names_direction(str name);
const char *names_direction_text(copy_direction d);
/* "c10::BFloat16", "BFloat16", "float": bytes of an element; 0 = no tensor's type. */
unsigned names_dtype_bytes(str dtype);
#endif
