/* ingot validate without --cycles: predictions against published measurements. */
#ifndef INGOT_CLI_VALIDATE_WORLD_H
#define INGOT_CLI_VALIDATE_WORLD_H
#include "cli/cli.h"

typedef struct {
    const char *dir;      /* NULL: data/validation of the data folder */
    bool json, summary, rows_out;
} validate_world_args;

int validate_world(cli *c, const validate_world_args *a);
#endif
