/* Claims: numbers that are said about wafers and GPUs, derived again from machine files and formulas.
 *
 *     perf_claims c;
 *     perf_claims_check(&c, a, d);       // c.rows[0 .. c.count): number, verdict, arithmetic
 *
 * A claim is confirmed when what we derive is within the stated tolerance of it, contradicted when it is not, and not derivable when
 * no machine file, model or formula of ours says anything about it. The arithmetic is part of the answer.
 */
#ifndef INGOT_PERF_CLAIMS_H
#define INGOT_PERF_CLAIMS_H
#include "base/arena.h"
#include "base/diag.h"

typedef enum { CLAIM_CONFIRMED, CLAIM_CONTRADICTED, CLAIM_NOT_DERIVABLE } perf_verdict;
const char *perf_verdict_name(perf_verdict v);

typedef struct {
    const char *number, *claim;
    perf_verdict verdict;
    double stated, derived;            /* NAN when there is no number */
    const char *arithmetic;            /* or why there is none */
} perf_claim;

enum { PERF_CLAIMS_MAX = 96 };
typedef struct {
    perf_claim rows[PERF_CLAIMS_MAX];
    size_t count;
} perf_claims;

bool perf_claims_check(perf_claims *c, arena *a, diag *d);
#endif
