/* Running the command that stands behind -- (ingot trace, ingot debug). */
#ifndef INGOT_CLI_SPAWN_H
#define INGOT_CLI_SPAWN_H

#include "cli/cli.h"

int cli_spawn(cli *c); /* c->args, NULL behind the last; its exit status, 128 + the signal that ended it */

#endif
