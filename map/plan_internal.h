/* Inside map/. Nobody outside includes this. */
#ifndef INGOT_MAP_PLAN_INTERNAL_H
#define INGOT_MAP_PLAN_INTERNAL_H
#include "map/plan.h"

void plan_take_model(plan *p, const llm_model *m, const plan_options *o);
void plan_set_layer_tiles(plan *p, uint32_t width, uint32_t unit_rows);
void plan_streamed_memory(const plan *p, const isa_wafer *w, plan_memory *out);
void plan_streamed_cycles(const plan *p, const isa_wafer *w, uint32_t position, plan_cycles *out);
bool plan_make_streamed(plan *p, arena *a, const llm_model *m, const isa_wafer *w, const plan_options *o, diag *d);

#endif
