/* ingot help: printed from the same rows that parse the options. */
#include "cli/cli.h"

const cli_option cmd_help_options[] = {OPTIONS_END};

void cli_print_commands(const cli_command *table, FILE *out) {
    fputs("Ingot: the open wafer-scale inference system.\n\nUsage: ingot COMMAND ...\n\n", out);
    for (; table->name; table++) fprintf(out, "  %-10s%s\n", table->name, table->summary);
    fputs("\n`ingot help COMMAND` tells more about one.\n", out);
}

static void print_subcommands(const cli_command *command, const char *path, FILE *out) {
    fprintf(out, "Usage: %s COMMAND ...\n\n", path);
    for (const cli_command *row = command->sub; row->name; row++) fprintf(out, "  %-10s%s\n", row->name, row->summary);
    fprintf(out, "\n`ingot help%s COMMAND` tells more about one.\n", path + strlen("ingot"));
}

void cli_print_help(const cli_command *command, const char *path, FILE *out) {
    fprintf(out, "%s: %s\n\n", path, command->summary);
    if (command->sub) print_subcommands(command, path, out);
    else {
        bool has_options = command->options->kind != OPTION_END;
        fprintf(out, "Usage: %s%s", path, has_options ? " [OPTIONS]" : "");
        fprintf(out, *command->usage ? " %s\n" : "%s\n", command->usage);
        if (has_options) fputc('\n', out);
        options_print_help(command->options, out);
    }
    if (command->notes) command->notes(out);
}

int cmd_help(cli *c, int argc, char **argv) {
    if (!cli_parse(c, argc, argv, NULL)) return c->status;
    if (!c->arg_count) return cli_print_commands(c->commands, stdout), CLI_OK;
    const cli_command *table = c->commands, *row;
    const char *path = "ingot";
    int i = 0;
    do {
        if (!table) return cli_usage_error(c, "`%s` has no command '%s'", path, c->args[i]);
        row = cli_find(table, c->args[i]);
        if (!row) return cli_unknown(table, path, c->args[i], c->d), CLI_USAGE;
        path = arena_printf(c->memory, "%s %s", path, c->args[i]);
        if (!path) return diag_oom(c->d, "help"), CLI_FAILED;
        table = row->sub;
    } while (++i < c->arg_count);
    cli_print_help(row, path, stdout);
    return CLI_OK;
}
