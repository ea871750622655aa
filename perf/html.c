/* See html.h. */
#include "perf/html.h"

void html_text(strbuf *b, const char *s) {
    for (; *s; s++)
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"' || *s == '\'') strbuf_addf(b, "&#%d;", *s);
        else strbuf_addc(b, *s);
}

void html_begin(strbuf *b, const char *title) {
    strbuf_adds(b, "<!doctype html><html><head><meta charset='utf-8'><title>");
    html_text(b, title);
    strbuf_adds(b, "</title><style>body{font:14px sans-serif;margin:24px}td,th{padding:2px 10px;text-align:left}svg "
                   "text{font:12px sans-serif}small{color:#666}</style></head><body>\n<h2>");
    html_text(b, title);
    strbuf_adds(b, "</h2>\n");
}

void html_end(strbuf *b, const char *last) { strbuf_addf(b, "<p>%s</p></body></html>\n", last); }
