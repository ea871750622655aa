/* The public calls' inside: the compiler's command line, its output folder, where the installation is. Nobody outside
 * api/, cslc/ and cli/ includes this. In: a command line or a folder. Out: images and files. */
#ifndef INGOT_API_API_H
#define INGOT_API_API_H

#include "csl/csl.h"
#include "isa/defects.h"
#include "isa/routes.h"
#include "debug/debug.h"

/* The folder that holds lib/ and data/machines: $INGOT_ROOT, else beside the executable or libingot.so, or the prefix.
 */
char *api_root(arena *a, diag *d);
/* The wafer file of an architecture, in the chosen profile (NULL: $INGOT_PROFILE, else vendor-sim). */
bool api_wafer(isa_wafer *w, isa_arch arch, const char *profile, diag *d);
/* A wafer by what the user calls it: "wse3", or the path of a file. */
bool api_machine(isa_wafer *w, const char *name, const char *profile, diag *d);

/* ---- holes.c: a wafer with holes ---- */

typedef struct {
    const char *file, *density; /* a map; drawn by `seed`. Both NULL: the environment; empty: none */
    uint64_t seed;
} api_holes;

void api_holes_from_environment(api_holes *h);
/* The wafer's grid with these holes. */
bool api_holes_map(const api_holes *h, const isa_wafer *w, isa_defects *map, diag *d);
/* wse_options.extra_hop_cycles for a program at its place on the fabric; NULL when there are no holes. mem_free it. */
bool api_holes_links(const api_holes *h, const isa_wafer *w, const isa_image *m, uint16_t **cycles, diag *d);

/* ---- debug.c: INGOT_DEBUG=FD, "FD alone" without a host script: a debugger that reads commands there ---- */

bool api_debug_wanted(void);
debug *api_debug_new(host_device *device, const isa_image *m, diag *d); /* also hears of faults and deadlocks */

/* ---- cslc.c: the command line ---- */

typedef enum { API_DUMP_AST = 1, API_DUMP_IR = 2, API_DUMP_CODE = 4 } api_dump;
typedef struct {
    csl_options csl;
    const char *input, *output, *profile;
    csl_param *params, *colors; /* what csl.params and csl.colors point to */
    const char **import_paths;
    uint32_t dump;
    bool help, verbose;
} api_cslc;

bool api_cslc_parse(api_cslc *c, arena *a, int argc, const char *const *argv, diag *d);
/* Compiles and writes the output folder; `print` takes help, dumps and --verbose. NULL: d says why, or help was asked
 * for. */
isa_image *api_cslc_run(int argc, const char *const *argv, strbuf *print, bool *ok, diag *d);

/* ---- output.c: the output folder ---- */

bool api_write_folder(const isa_image *m, const api_cslc *c, diag *d);
bool api_write_json_files(const isa_image *m, const api_cslc *c, const char *folder, diag *d);
isa_image *api_read_folder(const char *folder, diag *d);

#endif
