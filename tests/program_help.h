/* Programs of tests/csl*, compiled for either generation. */
#ifndef INGOT_TESTS_PROGRAM_HELP_H
#define INGOT_TESTS_PROGRAM_HELP_H
#include "csl/csl.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { PARAMS = 5 };

typedef struct {
    const char *path;
    csl_param params[PARAMS];
    uint32_t param_count;
} program;

typedef struct {
    isa_wafer wafer;
    isa_image *image;
    diag *d;
} loaded;

static inline loaded load(const program *p, int arch) {
    loaded l = {.d = diag_new()};
    char machine[64];
    snprintf(machine, sizeof machine, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(&l.wafer, machine, "vendor-sim", l.d)) fail_msg("%s", diag_text(l.d));
    csl_options o = {
        .arch = l.wafer.arch, .wafer = &l.wafer, .library = "lib", .params = p->params, .param_count = p->param_count};
    if (!(l.image = csl_compile(p->path, &o, l.d))) fail_msg("%s", diag_text(l.d));
    return l;
}

static inline void unload(loaded *l) {
    isa_image_free(l->image);
    diag_free(l->d);
}
#endif
