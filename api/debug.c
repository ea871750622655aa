/* The debugger of a run, asked for by the environment, so that run scripts need no change (`ingot debug`,
 * docs/debug.md). */
#include "api/api.h"
#include <signal.h>
#include <stdlib.h>

static const char *asked(void) { return getenv("INGOT_DEBUG"); }

bool api_debug_wanted(void) { return asked() && *asked(); }

/* `quit`: the script ends with the program that it runs, as under other debuggers. */
static void end_script(void) { raise(SIGTERM); }

debug *api_debug_new(host_device *device, const isa_image *m, diag *d) {
    char *rest;
    long in = strtol(asked(), &rest, 10);
    bool alone = !strcmp(rest, " alone");
    if (in < 0 || in > 1 << 20 || rest == asked() || (*rest && !alone)) {
        diag_error(d, "INGOT_DEBUG is '%s'; it must be the number of an open file with commands, such as 0", asked());
        return NULL;
    }
    debug_options o = {.in = (int)in, .out = stdout, .alone = alone, .quit = alone ? NULL : end_script};
    debug *g = debug_new(&o, device->machine, m, d);
    if (g) device->failed = debug_failed, device->listener = g;
    return g;
}
