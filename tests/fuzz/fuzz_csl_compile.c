/* The whole compiler on any text: as a layout when it has a layout block (then it is also the program of every PE that
 * names it), otherwise as the program of one PE. Nothing is read from files: imports find the text itself and a small
 * module. */
#include "csl/csl.h"
#include <stdlib.h>

static bool sources(void *context, const char *path, str *text) {
    bool self = str_is(STR("fuzz.csl"), path), module = str_is(STR("m.csl"), path);
    if (self) *text = *(const str *)context;
    if (module)
        *text = STR("param n: i16 = 3;\nvar a = @zeros([4]f32);\nfn twice(x: i16) i16 { return x + x; }\n"
                    "const kind = enum(u16) { A, B };\ntask t() void { a[0] = 1.0; }\n");
    return self || module;
}

static bool compile(const csl_options *o, str text, diag *d) {
    uint32_t program;
    if (str_contains(text, STR("layout"))) {
        isa_image *m = csl_compile("fuzz.csl", o, d);
        isa_image_free(m);
        return m != NULL;
    }
    csl_session *s = csl_session_new(o, d);
    bool ok = s && csl_session_program(s, "fuzz.csl", NULL, 0, &program, d);
    csl_session_free(s);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    str text = {(const char *)data, len};
    diag *d = diag_new();
    if (!d) return 0;
    csl_options o = {.arch = len % 2 ? ISA_WSE3 : ISA_WSE2,
                     .max_steps = 100000,
                     .max_memory_bytes = 64 << 20,
                     .read = sources,
                     .read_context = &text};
    if (compile(&o, text, d) != (diag_error_count(d) == 0)) abort(); /* a refusal, and only that, has a reason */
    diag_free(d);
    return 0;
}
