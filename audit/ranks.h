/* Waiting told from sending: a collective ends on all ranks together, but a rank that comes early waits inside it. With the files of
 * several ranks the least time of a call over them is the transfer; what a rank spends beyond that is waiting for the slowest.
 *
 *     rank_calls c;
 *     ranks_calls(&c, arena, &e, -1, d);                  // of the rank to be judged
 *     ranks_least(&c, &other);                            // and of each other one
 *     options.ranks = &c;
 *
 * Calls are matched by name and order: the k-th call of a name on one rank is the k-th on another. A name of which one rank has more calls
 * than another is left as it is (`unmatched`).
 */
#ifndef INGOT_AUDIT_RANKS_H
#define INGOT_AUDIT_RANKS_H
#include "audit/facts.h"

typedef struct {
    size_t count;                        /* calls of the device, in order of start */
    const char **name;
    int64_t *least_ns;                   /* first the rank's own; lowered by ranks_least */
    size_t ranks, unmatched;             /* files looked at; calls without a partner somewhere */
} rank_calls;

/* device: -1 = the busiest, as audit_trace chooses. Everything in the arena. */
bool ranks_calls(rank_calls *c, arena *a, const events *e, int64_t device, diag *d);
bool ranks_least(rank_calls *c, const rank_calls *other, arena *a, diag *d);
#endif
