/* Between the two halves of the what-ifs: formulas over buckets and kernels (what_if.c), and the predictor (what_if_model.c). */
#ifndef INGOT_AUDIT_WHAT_IF_H
#define INGOT_AUDIT_WHAT_IF_H
#include "audit/analysis.h"

enum { GAIN_PERCENT_MIN = 1 };           /* smaller gains are not told */

/* Adds it when the middle of the range is faster than now by GAIN_PERCENT_MIN. */
void what_if_tell(analysis *x, const char *name, double lo_ns, double hi_ns, const char *formula, const char *note);

/* true: the predictor knows this step (a model, a machine and the step's tokens), and has told everything about weights, KV, batch,
 * windows, devices and wafers. */
bool what_ifs_model(analysis *x);
#endif
