/* SQLite databases as Nsight Systems exports them. */
#include "audit/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static events e;
    arena *a = arena_new(0);
    diag *d = diag_new();
    events_init(&e, a);
    if (a && d && n >= 16 && nsys_read_bytes(&e, "fuzz", (str){(const char *)p, n}, d)) (void)events_finish(&e, d);
    events_free(&e);
    arena_free(a);
    diag_free(d);
    return 0;
}
