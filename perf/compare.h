/* Machines compared: a chart, and a page around it.
 *
 * Each bar is a prediction, the line across it the range of the machine's facts. A machine that has no prediction says why.
 */
#ifndef INGOT_PERF_COMPARE_H
#define INGOT_PERF_COMPARE_H
#include "perf/predict.h"

typedef struct {
    const char *machine;
    const perf_prediction *p; /* NULL: none */
    const char *why;          /* then the reason */
} perf_compared;

void perf_compare_svg(const perf_compared *c, size_t count, strbuf *out);
void perf_compare_html(const perf_compared *c, size_t count, strbuf *out);
#endif
