/* Running another program and waiting for it. */
#include "cli/spawn.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

int cli_spawn(cli *c) {
    pid_t pid;
    int status = 0, error = posix_spawnp(&pid, c->args[0], NULL, NULL, c->args, environ);
    if (error) return diag_error(c->d, "cannot start '%s': %s", c->args[0], strerror(error)), CLI_FAILED;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return diag_error(c->d, "cannot wait for '%s'", c->args[0]), CLI_FAILED;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WTERMSIG(status) != SIGTERM) diag_error(c->d, "'%s' was ended by signal %d", c->args[0], WTERMSIG(status));
    return 128 + WTERMSIG(status);
}
