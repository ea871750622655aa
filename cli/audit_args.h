/* `ingot audit`: options, and the end that traces and live commands share. */
#ifndef INGOT_CLI_AUDIT_ARGS_H
#define INGOT_CLI_AUDIT_ARGS_H
#include "audit/audit.h"
#include "cli/cli.h"

typedef struct {
    const char *machine, *model, *weights, *kv, *html;
    int64_t batch, context, tp, device, top;
    double tflops, gbs, fail_above;
    bool json, no_annotations, by_busy, partial;
} audit_args;

/* Decided already (audit_decide, what-ifs and advice added): prints it as the options ask and gives the exit status. */
int audit_present(cli *c, const audit_report *r, const audit_args *a);
#endif
