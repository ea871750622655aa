/* A model from a URL, through libcurl: http, https and file. A partial download is continued when the server proves
 * that the file is still the same (If-Range with its ETag or date). */
#ifndef INGOT_CLI_FETCH_H
#define INGOT_CLI_FETCH_H
#include "cli/pulled.h"

bool fetch_url(pulled_model *e, arena *a, const char *url, diag *d);
const char *fetch_name(arena *a, const char *url);       /* the last part of the path, "" when there is none */
#endif
