/* The bandwidth thief: what becomes of a program when a reader beside it takes memory bandwidth away?
 *
 * A program that waits for memory all of the time slows down as a reader of ours does, one that never waits as much as
 * multiply-adds in registers do; one in between waits for memory in proportion: share(level) = (program - arithmetic) /
 * (reader - arithmetic)          each: time beside the thief / time alone at the thief's half and full rate, the full
 * one counted twice; time is processor time. It is the experiment "widen the road", backwards. It needs a program that
 * does the same work each time it is run, a processor for the thief, and processors that share a limit: on machines
 * where one core cannot take anything from another it has no power, and says so.
 */
#ifndef INGOT_AUDIT_HOST_THIEF_H
#define INGOT_AUDIT_HOST_THIEF_H
#include "base/diag.h"

enum { THIEF_LEVELS = 2, THIEF_RUNS_MAX = 25 };
#define THIEF_POWER_MIN 0.1 /* a reader must slow down by so much more than arithmetic does */

typedef struct {
    double rate;       /* the thief's, bytes/s of wall time */
    double reader;     /* slowdown of what is all memory; 1 = none */
    double arithmetic; /* of what is none */
    double program;    /* of the command, medians */
} thief_level;

typedef struct {
    thief_level level[THIEF_LEVELS]; /* half, full */
    double alone_s;                  /* processor time of the command alone, median */
    double spread;                   /* of its runs: largest distance of quartiles over the median, of all levels */
    double share, error;             /* the answer, +- */
    const char *refused;             /* why there is none; NULL: there is one */
    char reason[200];
} thief_result;

/* Runs the command 3 x `runs` times: alone, beside the thief at half rate and at full rate, in turn. false: it failed
 * or could not be started, or memory ran out (told). What keeps the experiment from answering is in `refused`. */
bool host_thief_run(char *const argv[], int runs, size_t set_bytes, thief_result *out, diag *d);
/* The share from the levels, and its error from the spread; sets `refused` when there is no power. */
void thief_judge(thief_result *t);
#endif
