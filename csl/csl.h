/* The CSL compiler: a layout file in, an image out.
 *
 *     csl_options o = {.arch = ISA_WSE3, .fabric_width = 9, ...};
 *     isa_image *m = csl_compile("layout.csl", &o, d);   // NULL: d holds every error, each with its place
 *
 * Both dialects (SDK 1.4 and 2.x). Limits of the machine are errors here. What is not supported is refused by name.
 */
#ifndef INGOT_CSL_CSL_H
#define INGOT_CSL_CSL_H

#include "isa/isa.h"
#include "isa/wafer.h"

typedef struct {
    const char *name;
    int64_t value;
} csl_param;

typedef struct {
    isa_arch arch;
    const isa_wafer *wafer;            /* limits; NULL: built-in limits of the arch */
    uint32_t fabric_width, fabric_height, offset_x, offset_y; /* 0 = as large as needed */
    bool memcpy;
    uint32_t channels, west_buffer, east_buffer;
    const csl_param *params; uint32_t param_count; /* --params */
    const csl_param *colors; uint32_t color_count; /* --colors */
    const char *const *import_paths; uint32_t import_path_count;
    const char *library;               /* folder of the standard modules (lib/) */
    uint32_t max_inlined_iterations;   /* 0 = 50 */
    isa_fp16 fp16;
    bool warnings_are_errors;
    uint64_t max_steps;                /* of evaluation at compile time; 0 = 1000 million in the layout, 100 million in a program */
    uint64_t max_memory_bytes;         /* 0 = 4 GiB */
    bool (*read)(void *context, const char *path, str *text); /* sources from elsewhere than files; false: no such path. NULL: files */
    void *read_context;
    strbuf *dump_ast, *dump_ir, *dump_code; /* NULL = no dump */
} csl_options;

isa_image *csl_compile(const char *path, const csl_options *o, diag *d);

/* One program that a host-side layout places (SdkLayout): no layout block runs. Params are given by name; colors as numbers. */
typedef struct csl_session csl_session;
csl_session *csl_session_new(const csl_options *o, diag *d);      /* image under construction; one per SdkLayout */
bool csl_session_program(csl_session *s, const char *path, const csl_param *params, uint32_t param_count, uint32_t *program, diag *d);
isa_image *csl_session_image(csl_session *s);                     /* owned by the session until csl_session_take */
isa_image *csl_session_take(csl_session *s);
void csl_session_free(csl_session *s);

#endif
