/* A program without a layout, compiled for a rectangle of one PE. NULL: d says why. */
#ifndef INGOT_TESTS_ONE_PE_H
#define INGOT_TESTS_ONE_PE_H

#include "csl/csl.h"

static inline isa_image *one_pe(const char *path, const csl_options *o, diag *d) {
    uint32_t program;
    isa_image *done = NULL;
    strbuf bytes = {0};
    csl_session *s = csl_session_new(o, d);
    if (s && csl_session_program(s, path, NULL, 0, &program, d)) {
        isa_image *m = csl_session_image(s);
        m->width = m->height = m->fabric_width = m->fabric_height = 1;
        m->tiles = arena_push_n(m->memory, isa_tile, 1);
        if (m->tiles && isa_image_encode(m, &bytes, d)) done = isa_image_parse(strbuf_str(&bytes), path, d);
    }
    strbuf_free(&bytes);
    csl_session_free(s);
    return done;
}

#endif
