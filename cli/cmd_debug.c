/* ingot debug: stops a command's programs on the wafer, or runs a compiled folder without a host script.
 *
 * The debugger lives in the runtime (debug/), asked for by an environment variable, and reads its commands from a file
 * that this program opens or from the standard input. The exit status is the command's. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/spawn.h"
#include "include/ingot.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    const char *script;
} debug_args;

const cli_option cmd_debug_options[] = {
    OPTION_STRING_ROW('x', "script", debug_args, script, "FILE", NULL, "commands, instead of the standard input"),
    OPTIONS_END,
};

void cmd_debug_notes(FILE *out) {
    fputs("\nOptions of the command stand behind --:  ingot debug -x stops.txt -- cs_python run.py --name out\n"
          "A folder that cslc wrote runs without a script; the command `launch` starts its functions.\n"
          "`help` lists the debugger's commands (docs/debug.md). At the end of them the program runs on.\n",
          out);
}

static bool is_folder(cli *c, const char *path) {
    char *program = path_join(c->memory, path, "bin/program.ingot");
    return program && file_exists(program);
}

static int run_folder(cli *c, const char *folder) {
    ingot_program *p = ingot_program_new();
    ingot_runtime *r = p ? ingot_runtime_new(p) : NULL;
    int status = CLI_FAILED;
    if (!r) diag_oom(c->d, folder);
    else if (ingot_program_open(p, folder) < 0) diag_error(c->d, "%s", ingot_last_error(p));
    else if (ingot_runtime_load(r, NULL) < 0) diag_error(c->d, "%s", ingot_last_error(r));
    else status = CLI_OK;
    ingot_runtime_free(r);
    ingot_program_free(p);
    return status;
}

int cmd_debug(cli *c, int argc, char **argv) {
    debug_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    int in = a.script ? open(a.script, O_RDONLY) : STDIN_FILENO;
    if (in < 0) return diag_error(c->d, "%s: %s", a.script, strerror(errno)), CLI_FAILED;
    bool folder = c->arg_count == 1 && is_folder(c, c->args[0]);
    const char *how = arena_printf(c->memory, folder ? "%d alone" : "%d", in);
    if (!how || setenv("INGOT_DEBUG", how, 1)) return diag_oom(c->d, "environment"), CLI_FAILED;
    c->args[c->arg_count] = NULL;
    fflush(stdout);
    int status = folder ? run_folder(c, c->args[0]) : cli_spawn(c);
    if (a.script) close(in);
    return status == 128 + SIGTERM ? CLI_OK : status; /* `quit` */
}
