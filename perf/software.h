/* Serving software as data: what it adds to the operators of a pass (data/software.json, docs/predict.md). */
#ifndef INGOT_PERF_SOFTWARE_H
#define INGOT_PERF_SOFTWARE_H
#include "perf/predict.h"

/* A row of the data folder's software.json; its name lives in `a`. */
bool perf_software_load(perf_software *s, arena *a, const char *name, diag *d);
bool perf_software_parse(perf_software *s, arena *a, const char *file_name, str json, const char *name, diag *d);
#endif
