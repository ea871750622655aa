/* ingot trace: runs a command and tells what its programs did on the wafer.
 *
 * The runtime writes the files, asked by environment variables (api/trace.h), so any run script will do. The page of
 * text goes to a temporary file that every runtime of the command appends to. The exit status is the command's. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/spawn.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    const char *out, *heat, *profile;
    int64_t events;
    bool energy, memory, check;
} trace_args;

const cli_option cmd_trace_options[] = {
    OPTION_STRING_ROW('o', "out", trace_args, out, "FILE.json", NULL, "events, for Perfetto or chrome://tracing"),
    OPTION_STRING_ROW(0, "heat", trace_args, heat, "FILE.svg", NULL, "maps: hops, busy cycles, SRAM words, waits"),
    OPTION_STRING_ROW(0, "profile", trace_args, profile, "FILE.txt", NULL, "cycles of every source line that ran"),
    OPTION_FLAG_ROW(0, "energy", trace_args, energy, "joules by cause, estimated, and average power"),
    OPTION_FLAG_ROW(0, "memory", trace_args, memory, "what takes the memory of each program's PEs"),
    OPTION_FLAG_ROW(0, "check", trace_args, check, "warn of reads of what was never written, and of races in a PE"),
    OPTION_INT_ROW(0, "events", trace_args, events, 1000, 1e9, "N", "1048576", "events kept, the newest"),
    OPTIONS_END,
};

void cmd_trace_notes(FILE *out) {
    fputs("\nOptions of the command stand behind --:  ingot trace --out t.json -- cs_python run.py --name out\n", out);
}

enum { PAGE_BYTES_MAX = 64 << 20, PATH_BYTES = 4096 };

/* The command may change its folder. */
static bool set_path(cli *c, const char *variable, const char *path) {
    char here[PATH_BYTES];
    if (!path) return !unsetenv(variable);
    if (path[0] != '/' && getcwd(here, sizeof here)) path = arena_printf(c->memory, "%s/%s", here, path);
    return path && !setenv(variable, path, 1);
}

static bool set_all(cli *c, const trace_args *a, const char *page) {
    const char *events = arena_printf(c->memory, "%lld", (long long)a->events);
    const char *show = arena_printf(c->memory, "%s,%s", a->energy ? "energy" : "", a->memory ? "memory" : "");
    if (a->check && setenv("INGOT_CHECK", "1", 1)) return false;
    return events && show && set_path(c, "INGOT_TRACE", a->out) && set_path(c, "INGOT_HEAT", a->heat) &&
           set_path(c, "INGOT_PROFILE_LINES", a->profile) && !setenv("INGOT_TRACE_REPORT", page, 1) &&
           !setenv("INGOT_TRACE_SHOW", show, 1) && !setenv("INGOT_TRACE_EVENTS", events, 1);
}

/* `quiet`: the command failed; its own message is enough. */
static bool print_page(cli *c, const char *page, bool quiet) {
    str text;
    if (!file_read_all(c->memory, page, PAGE_BYTES_MAX, &text, c->d)) return false;
    if (!text.n) return quiet || diag_error(c->d, "nothing ran on the wafer: the command loaded no program");
    fputc('\n', stdout);
    return fwrite(text.p, 1, text.n, stdout) == text.n;
}

static void say_file(const char *path, const char *what) {
    if (path && file_exists(path)) printf("%s: %s\n", path, what);
}

int cmd_trace(cli *c, int argc, char **argv) {
    trace_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    const char *folder = getenv("TMPDIR");
    char *page = arena_printf(c->memory, "%s/ingot-trace-XXXXXX", folder && *folder ? folder : P_tmpdir);
    int fd = page ? mkstemp(page) : -1;
    if (fd < 0) return diag_error(c->d, "no temporary file can be made; set TMPDIR: %s", strerror(errno)), CLI_FAILED;
    close(fd);
    c->args[c->arg_count] = NULL;
    int status = set_all(c, &a, page) ? cli_spawn(c) : (diag_oom(c->d, "environment"), CLI_FAILED);
    bool told = print_page(c, page, status != 0);
    unlink(page);
    if (a.out || a.heat || a.profile) putchar('\n');
    say_file(a.out, "open it at ui.perfetto.dev (a cycle is shown as 1 us)");
    say_file(a.heat, "maps of the PEs");
    say_file(a.profile, "cycles by source line");
    return status ? status : told ? CLI_OK : CLI_FAILED;
}
