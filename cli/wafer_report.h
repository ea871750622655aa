/* What a run on the simulated wafer took: cycles by kernel and cause, memory, energy; measured, with the plan's prediction
 * beside it. */
#ifndef INGOT_CLI_WAFER_REPORT_H
#define INGOT_CLI_WAFER_REPORT_H
#include "cluster/wafer.h"

void wafer_report_text(const wafer *w, uint64_t prompt_tokens, strbuf *out);
void wafer_report_json(const wafer *w, uint64_t prompt_tokens, strbuf *out); /* "wafer": {...} */
#endif
