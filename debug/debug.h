/* The debugger: stops a program on the simulated wafer and shows what is there (docs/debug.md).
 *
 *     debug *g = debug_new(&options, machine, image, d);      // before the first command of the host
 *     debug_begin(g, host);                                   // asks for commands; `run` and the like let it return
 *     ... whoever runs the program does so; the debugger asks for commands whenever it stops ...
 *     debug_ended(g);                                         // a last look
 *
 * It reads commands, line by line, from a file descriptor that it may share with others that come after it, and writes
 * to a stream. At the end of the commands the program runs on without it. Not here: expressions with operators,
 * conditions of breakpoints, variables that live in registers.
 */
#ifndef INGOT_DEBUG_DEBUG_H
#define INGOT_DEBUG_DEBUG_H

#include "host/host.h"
#include "wse/debug.h"

typedef struct debug debug;
typedef struct {
    int in;             /* commands */
    FILE *out;          /* everything the debugger says */
    bool alone;         /* there is no host script: functions are launched by command */
    void (*quit)(void); /* how a host script is ended; NULL: the program fails */
} debug_options;

debug *debug_new(const debug_options *o, wse *m, const isa_image *image, diag *d);
void debug_free(debug *g); /* before the machine */
void debug_begin(debug *g, host *h);
void debug_failed(void *g, const char *why); /* host_device.failed */
void debug_ended(debug *g);

#endif
