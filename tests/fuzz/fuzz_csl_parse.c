/* The CSL parser on any bytes; what it takes is printed, which walks the whole tree. */
#include "csl/ast.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    if (a && d) {
        csl_file *f = csl_parse(a, "fuzz", (str){(const char *)data, len}, d);
        if (!f != (diag_error_count(d) > 0)) abort(); /* a refusal, and only that, has a reason */
        strbuf out = {0};
        if (f) csl_ast_print(f, &out);
        if (f) map_free(&f->names);
        strbuf_free(&out);
    }
    diag_free(d);
    arena_free(a);
    return 0;
}
