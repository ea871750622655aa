/* Shared by the readers of reports (audit/run_report.h). */
#ifndef INGOT_AUDIT_RUN_REPORT_INTERNAL_H
#define INGOT_AUDIT_RUN_REPORT_INTERNAL_H
#include "audit/run_report.h"
#include <jansson.h>

double report_number(const json_t *object, const char *key); /* NAN: absent, negative, no number */
bool report_llama_json(audit_report *r, const json_t *root, double memory_bytes_per_s, diag *d);
bool report_llama_csv(audit_report *r, str bytes, double memory_bytes_per_s, diag *d);
#endif
