/* Pictures of a plan: text for a terminal, SVG for a browser. One frame for each wafer. */
#ifndef INGOT_CLI_PLAN_PICTURE_H
#define INGOT_CLI_PLAN_PICTURE_H
#include "map/plan.h"

/* A letter per patch of PEs: a, b, c... layers in turn, # the head, . unused. */
void plan_picture_text(const plan *p, strbuf *out);
void plan_picture_svg(const plan *p, const isa_wafer *w, const char *model, strbuf *out);
#endif
