/* The frame of the command line: a table of commands, and what each of them is given.
 *
 * A new command is one file and one row:
 *
 *     // cli/cmd_frob.c
 *     typedef struct { const char *model; int64_t tokens; } frob_args;
 *     const cli_option cmd_frob_options[] = { OPTION_..._ROW(...), OPTIONS_END };
 *     int cmd_frob(cli *c, int argc, char **argv) {
 *         frob_args a = {0};
 *         if (!cli_parse(c, argc, argv, &a)) return c->status;     // usage error, or --help: both are done
 *         ...                                              // c->args[0 .. c->arg_count) are the plain arguments
 *         if (!work(&a, c->d)) return CLI_FAILED;                  // the frame prints what c->d holds
 *         return CLI_OK;
 *     }
 *     // cli/cli.h: COMMAND(frob);     cli/main.c: the row
 *
 * Results go to stdout, everything else to stderr. Messages go through c->d; the frame prints them at the end, so a
 * command that runs long and wants to say something earlier calls cli_say. Exit status: 0 done, 1 it failed, 2 it was
 * called wrongly.
 */
#ifndef INGOT_CLI_CLI_H
#define INGOT_CLI_CLI_H
#include "base/arena.h"
#include "cli/options.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

typedef struct cli cli;
typedef struct cli_command cli_command;

struct cli_command {
    const char *name, *summary;
    const char *usage;                      /* the plain arguments: "NAME|URL|FILE"; "" = none */
    int args_min, args_max;
    const cli_option *options;              /* NULL when `sub` is set */
    int (*run)(cli *c, int argc, char **argv);
    const cli_command *sub;                 /* subcommands, ended by a row without a name */
    void (*notes)(FILE *out);               /* prints more for the help, or NULL */
};

struct cli {
    const cli_command *commands;            /* the table of main.c */
    const cli_command *command;             /* the one that runs */
    const char *path;                       /* how it was called: "ingot model pull" */
    arena *memory;                          /* lives as long as the process */
    diag *d;
    char **args;                            /* after cli_parse: the plain arguments */
    int arg_count, status;
};

/* Options and arguments of c->command into *out. false: return c->status at once. */
bool cli_parse(cli *c, int argc, char **argv, void *out);
/* A wrong call: tells c->d, with the way to the help, and returns CLI_USAGE. */
int cli_usage_error(cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One line to stderr now: "ingot: ...". For what the user should know while a long command runs. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_print_help(const cli_command *command, const char *path, FILE *out);
void cli_print_commands(const cli_command *commands, FILE *out);
const cli_command *cli_find(const cli_command *commands, const char *name);
/* "unknown command 'rn' (did you mean 'run'?); `ingot help` lists the commands" */
void cli_unknown(const cli_command *commands, const char *path, const char *name, diag *d);

#define COMMAND(name)                                                                                                  \
    extern const cli_option cmd_##name##_options[];                                                                    \
    int cmd_##name(cli *c, int argc, char **argv)
COMMAND(run);
COMMAND(bench);
COMMAND(validate);
COMMAND(plan);
COMMAND(predict);
COMMAND(compare);
COMMAND(sweep);
void cmd_sweep_notes(FILE *out);
COMMAND(claims);
COMMAND(simulate);
COMMAND(plan_capacity);
COMMAND(wafer);
COMMAND(debug);
void cmd_debug_notes(FILE *out);
COMMAND(audit);
void cmd_audit_notes(FILE *out);
COMMAND(trace);
void cmd_trace_notes(FILE *out);
COMMAND(help);
COMMAND(version);
extern const cli_command cmd_model_commands[];
extern const cli_command cmd_machine_commands[];

#define INGOT_VERSION "0.1.0"
#endif
