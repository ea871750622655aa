/* What a command prints or writes when it has made all of it: nothing half. Both free the text. */
#ifndef INGOT_CLI_OUTPUT_H
#define INGOT_CLI_OUTPUT_H
#include "base/diag.h"
#include "base/str.h"

bool output_print(strbuf *text, const char *what, diag *d); /* to stdout; `what` is named when memory has ended */
bool output_write(strbuf *text, const char *path, diag *d);
/* A picture: as SVG, or, when the path ends in .png, as that; needs rsvg-convert (Debian: librsvg2-bin) then. */
bool output_picture(strbuf *svg, const char *path, diag *d);
#endif
