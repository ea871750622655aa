/* ingot: the table of commands, and the way from a command line to one of them. */
#include "cli/cli.h"
#include <errno.h>

static const cli_command commands[] = {
    {"run", "a model writes text, with a report of what that took and would take elsewhere", "", 0, 0, cmd_run_options,
     .run = cmd_run},
    {"bench", "host speed against this machine's own limit", "MODEL ...", 1, 16, cmd_bench_options, .run = cmd_bench},
    {"plan", "where a model lies on a wafer: PEs, memory, cycles", "", 0, 0, cmd_plan_options, .run = cmd_plan},
    {"wafer", "a wafer, its defects, and the fabric rebuilt around them", "", 0, 0, cmd_wafer_options,
     .run = cmd_wafer},
    {"model", "models: what is in one, getting one, converting one", "COMMAND ...", .sub = cmd_model_commands},
    {"predict", "what a model would do on a machine, and what holds it back", "", 0, 0, cmd_predict_options,
     .run = cmd_predict},
    {"compare", "one model on several machines, side by side", "MACHINE ...", 1, 32, cmd_compare_options,
     .run = cmd_compare},
    {"sweep", "predictions over a grid of parameters", "NAME=VALUES ...", 1, 6, cmd_sweep_options, .run = cmd_sweep,
     .notes = cmd_sweep_notes},
    {"plan-capacity", "systems, megawatts and cost for a rate, or what megawatts serve", "[MACHINE ...]", 0, 32,
     cmd_plan_capacity_options, .run = cmd_plan_capacity},
    {"simulate", "requests served by replicas: percentiles, goodput", "", 0, 0, cmd_simulate_options,
     .run = cmd_simulate},
    {"claims", "numbers that are said about wafers, derived again", "", 0, 0, cmd_claims_options, .run = cmd_claims},
    {"machine", "machines for predictions: the list, one with its sources, this host measured", "COMMAND ...",
     .sub = cmd_machine_commands},
    {"validate", "predictions and simulated cycles against published measurements", "", 0, 0, cmd_validate_options,
     .run = cmd_validate},
    {"audit", "is a workload stuck at the memory wall, and what would help", "TRACE ... | -- PROGRAM ARGS", 1, 1 << 20,
     cmd_audit_options, .run = cmd_audit, .notes = cmd_audit_notes},
    {"trace", "what a command's programs did on the wafer: events, cycles by line, energy", "-- COMMAND ...", 1, 4096,
     cmd_trace_options, .run = cmd_trace, .notes = cmd_trace_notes},
    {"debug", "stops a command's programs on the wafer: lines, PEs, cycles, variables", "FOLDER | -- COMMAND ...", 1,
     4096, cmd_debug_options, .run = cmd_debug, .notes = cmd_debug_notes},
    {"help", "what a command does and takes", "[COMMAND ...]", 0, 4, cmd_help_options, .run = cmd_help},
    {"version", "version of this program and of what it was built with", "", 0, 0, cmd_version_options,
     .run = cmd_version},
    {0},
};

const cli_command *cli_find(const cli_command *table, const char *name) {
    for (; table->name; table++)
        if (!strcmp(table->name, name)) return table;
    return NULL;
}

void cli_unknown(const cli_command *table, const char *path, const char *name, diag *d) {
    nearest near = {0};
    for (const cli_command *row = table; row->name; row++) nearest_offer(&near, name, row->name);
    const char *rest = strchr(path, ' ');
    diag_error(d, "unknown command '%s'%s%s%s; `ingot help%s` lists them", name, near.best ? " (did you mean '" : "",
               near.best ? near.best : "", near.best ? "'?)" : "", rest ? rest : "");
}

/* --- what commands call --- */

static const char *help_path(const cli *c) {
    const char *path = arena_printf(c->memory, "ingot help%s", c->path + strlen("ingot"));
    return path ? path : "ingot help";
}

bool cli_parse(cli *c, int argc, char **argv, void *out) {
    bool help;
    c->args = argv + 1;
    c->status = CLI_USAGE;
    if (!options_parse(c->command->options, help_path(c), argc, argv, out, &c->arg_count, &help, c->d)) return false;
    if (help) {
        cli_print_help(c->command, c->path, stdout);
        c->status = CLI_OK;
        return false;
    }
    if (c->arg_count < c->command->args_min) cli_usage_error(c, "`%s` needs %s", c->path, c->command->usage);
    else if (c->arg_count > c->command->args_max)
        cli_usage_error(c, "`%s` does not take '%s'", c->path, c->args[c->command->args_max]);
    else c->status = CLI_OK;
    return c->status == CLI_OK;
}

int cli_usage_error(cli *c, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(c->d, "%s; `%s` tells more", text, help_path(c));
    return CLI_USAGE;
}

void cli_say(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("ingot: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* --- from argv to a row --- */

static bool is_help(const char *word) { return !strcmp(word, "--help") || !strcmp(word, "-h"); }

/* Runs the row that argv[1] names in `table`, going down through subcommands. */
static int dispatch(cli *c, const cli_command *table, int argc, char **argv) {
    for (;;) {
        const char *name = argc > 1 ? argv[1] : NULL;
        if (!name || is_help(name)) {
            FILE *out = name ? stdout : stderr;
            if (table == c->commands) cli_print_commands(table, out);
            else cli_print_help(c->command, c->path, out);
            return name ? CLI_OK : CLI_USAGE;
        }
        const cli_command *row = cli_find(table, name);
        if (!row) return cli_unknown(table, c->path, name, c->d), CLI_USAGE;
        c->command = row;
        c->path = arena_printf(c->memory, "%s %s", c->path, name);
        if (!c->path) return diag_oom(c->d, "command line"), CLI_FAILED;
        if (!row->sub) return row->run(c, argc - 1, argv + 1);
        table = row->sub;
        argc--;
        argv++;
    }
}

/* A full disk shows only when the buffer is flushed. */
static int flush_output(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fprintf(stderr, "error: cannot write the output: %s\n", strerror(errno));
    return CLI_FAILED;
}

int main(int argc, char **argv) {
    cli c = {.commands = commands, .path = "ingot", .memory = arena_new(0), .d = diag_new()};
    int status = CLI_FAILED;
    if (!c.memory || !c.d) fputs("error: out of memory\n", stderr);
    else {
        if (argc > 1 && !strcmp(argv[1], "--version")) argv[1] += 2;
        status = flush_output(dispatch(&c, commands, argc, argv));
        diag_print(c.d, stderr);
    }
    arena_free(c.memory);
    diag_free(c.d);
    return status;
}
