/* Parts of self-contained pages: no script, no outside file; charts are SVG. */
#ifndef INGOT_PERF_HTML_H
#define INGOT_PERF_HTML_H
#include "base/str.h"

void html_text(strbuf *b, const char *text); /* escaped; also for SVG */
void html_begin(strbuf *b, const char *title);
void html_end(strbuf *b, const char *last); /* a last paragraph */
#endif
