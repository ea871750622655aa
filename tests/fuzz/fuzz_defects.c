#include "isa/defects.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    diag *d = diag_new();
    isa_defects map = {0};
    isa_rebuilt r = {0};
    if (d && isa_defects_new_grid(&map, 12, 9, 2, 1, d)) {
        bool ok = isa_defects_parse(&map, (str){(const char *)p, n}, "fuzz.csv", d);
        /* Large grids are slow and not more interesting. */
        if (ok && (size_t)map.columns * map.rows < 20000) ok = isa_rebuild(&r, &map, d);
        if (!ok && !diag_error_count(d)) __builtin_trap(); /* a refusal says why */
    }
    isa_rebuilt_free(&r);
    isa_defects_free(&map);
    diag_free(d);
    return 0;
}
