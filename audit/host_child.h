/* The command under audit: started, waited for, its signals passed on.
 *
 *     host_child c;
 *     if (!host_child_start(&c, argv, d)) return false;      // not found, not executable: told
 *     host_child_go(&c);                                     // until then it stands before its first instruction
 *     while (!host_child_wait(&c, 0.01)) look_at(c.pid);
 *
 * Standard streams are the caller's. What the terminal sends (Ctrl-C) reaches the command by itself; TERM, HUP, and
 * what others send to this process only, are passed on. The third one kills. Signals stay blocked from start to
 * host_child_end.
 */
#ifndef INGOT_AUDIT_HOST_CHILD_H
#define INGOT_AUDIT_HOST_CHILD_H
#include "base/diag.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    int gate;      /* closing it lets the command go */
    int status;    /* as of waitpid */
    int passed_on; /* signals */
    bool ended;
    double start_s, end_s; /* clock_seconds */
    struct rusage usage;   /* of the command and of the children that it waited for */
    sigset_t before;
} host_child;

bool host_child_start(host_child *c, char *const argv[], diag *d);
bool host_child_go(host_child *c, const char *name, diag *d); /* false: exec failed, told; nothing is left behind */
bool host_child_wait(host_child *c, double seconds);          /* true when it has ended */
void host_child_end(host_child *c);                           /* gives the signals back; kills what still runs */
/* "ended by signal 9 (Killed)"; "" for status 0 */
void host_child_how(const host_child *c, char *out, size_t size);
#endif
