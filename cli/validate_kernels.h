/* ingot validate --kernels: the predictor against the machine, kernel by kernel (cluster/agreement.h). */
#ifndef INGOT_CLI_VALIDATE_KERNELS_H
#define INGOT_CLI_VALIDATE_KERNELS_H
#include "cli/cli.h"

typedef struct {
    const char *file; /* NULL: data/validation/kernels.json */
    bool json, summary;
} validate_kernels_args;

int validate_kernels(cli *c, const validate_kernels_args *args);
#endif
