/* Pictures of a wafer with holes: text for a terminal, SVG for a browser. */
#ifndef INGOT_CLI_WAFER_PICTURE_H
#define INGOT_CLI_WAFER_PICTURE_H
#include "isa/defects.h"

/* Dies in frames; inside, each character counts the defects of a patch of PEs: . none, 1-9, # more. */
void wafer_picture_text(const isa_defects *map, const isa_wafer *w, strbuf *out);
void wafer_picture_svg(const isa_defects *map, const isa_rebuilt *r, const isa_wafer *w, strbuf *out);
#endif
