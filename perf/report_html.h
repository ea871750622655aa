/* A prediction as one self-contained HTML page with charts. */
#ifndef INGOT_PERF_REPORT_HTML_H
#define INGOT_PERF_REPORT_HTML_H
#include "perf/predict.h"

void perf_prediction_html(const perf_prediction *p, strbuf *out);
void perf_prediction_svg(const perf_prediction *p, strbuf *out); /* its roofline alone */
#endif
