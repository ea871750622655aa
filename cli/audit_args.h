/* `ingot audit`: options, and the end that traces and live commands share. */
#ifndef INGOT_CLI_AUDIT_ARGS_H
#define INGOT_CLI_AUDIT_ARGS_H
#include "audit/audit.h"
#include "cli/cli.h"

typedef struct {
    const char *machine, *model, *weights, *kv, *html, *output;
    int64_t batch, context, tp, device, top, runs;
    double tflops, gbs, fail_above, skip, seconds;
    bool json, no_annotations, by_busy, partial;
} audit_args;

/* Decided already (audit_decide, what-ifs and advice added): prints it as the options ask and gives the exit status. */
int audit_present(cli *c, const audit_report *r, const audit_args *a);

/* cli/audit_live.c. A `--` before the arguments asks for a live run of the command behind it. */
bool audit_is_live(int argc, char *const *argv);
int audit_command(cli *c, const audit_args *a);
/* Reports of `ingot run` and of llama-bench: false when the file is none of these; else *status is the exit status. */
bool audit_report_file(cli *c, const audit_args *a, const char *path, int *status);
#endif
