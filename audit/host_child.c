/* Starting a command so that it can be looked at from its first instruction, and waiting for it without ever missing
 * its end: SIGCHLD and the signals to pass on are blocked and taken with sigtimedwait. */
#include "audit/host_child.h"
#include "base/units.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
enum { PASSED_ON = sizeof passed_on / sizeof *passed_on, KILL_AT = 3 };

static void become(char *const argv[], int gate, int told, const sigset_t *mask) {
    char byte;
    while (read(gate, &byte, 1) < 0 && errno == EINTR) continue;
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    int error = errno;
    if (write(told, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

static void block_signals(sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (int i = 0; i < PASSED_ON; i++) sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

bool host_child_start(host_child *c, char *const argv[], diag *d) {
    int gate[2], told[2];
    *c = (host_child){.gate = -1};
    if (pipe2(gate, O_CLOEXEC)) return diag_error(d, "cannot start '%s': %s", argv[0], strerror(errno));
    if (pipe2(told, O_CLOEXEC)) {
        close(gate[0]), close(gate[1]);
        return diag_error(d, "cannot start '%s': %s", argv[0], strerror(errno));
    }
    fflush(NULL); /* or the child would print it again */
    block_signals(&c->before);
    c->pid = fork();
    if (c->pid == 0) {
        close(gate[1]);
        become(argv, gate[0], told[1], &c->before);
    }
    int error = errno;
    close(gate[0]), close(told[1]);
    if (c->pid > 0) {
        c->gate = gate[1];
        c->status = told[0]; /* until host_child_go: where exec tells its failure */
        return true;
    }
    close(gate[1]), close(told[0]);
    sigprocmask(SIG_SETMASK, &c->before, NULL);
    return diag_error(d, "cannot start '%s': %s", argv[0], strerror(error));
}

bool host_child_go(host_child *c, const char *name, diag *d) {
    int error = 0, told = c->status;
    c->status = 0;
    c->start_s = clock_seconds();
    close(c->gate);
    c->gate = -1;
    ssize_t n;
    do n = read(told, &error, sizeof error); /* ends at exec, which closes the other side */
    while (n < 0 && errno == EINTR);
    close(told);
    if (n != sizeof error) return true;
    waitpid(c->pid, NULL, 0);
    c->ended = true;
    host_child_end(c);
    return diag_error(d, "cannot start '%s': %s", name, error == ENOENT ? "no such program in PATH" : strerror(error));
}

static void reap(host_child *c) {
    pid_t got = wait4(c->pid, &c->status, WNOHANG, &c->usage);
    if (got != c->pid && !(got < 0 && errno == ECHILD)) return;
    c->ended = true;
    c->end_s = clock_seconds();
}

/* Ctrl-C comes from the kernel, for the whole group: the command has it already. */
static void pass_on(host_child *c, const siginfo_t *from) {
    c->passed_on++;
    if (c->passed_on >= KILL_AT) kill(c->pid, SIGKILL);
    else if (from->si_code <= 0 || from->si_signo == SIGHUP) kill(c->pid, from->si_signo);
}

bool host_child_wait(host_child *c, double seconds) {
    double until = clock_seconds() + seconds;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (int i = 0; i < PASSED_ON; i++) sigaddset(&set, passed_on[i]);
    for (reap(c); !c->ended; reap(c)) {
        double left = until - clock_seconds();
        if (left <= 0) return false;
        struct timespec t = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
        siginfo_t from;
        int got = sigtimedwait(&set, &from, &t);
        if (got > 0 && got != SIGCHLD) pass_on(c, &from);
    }
    return true;
}

void host_child_end(host_child *c) {
    struct timespec none = {0};
    sigset_t set;
    if (!c->ended) {
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) continue;
        c->ended = true;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (sigtimedwait(&set, NULL, &none) > 0) continue; /* of children that are told already */
    sigprocmask(SIG_SETMASK, &c->before, NULL);
}

void host_child_how(const host_child *c, char *out, size_t size) {
    out[0] = 0;
    if (WIFSIGNALED(c->status))
        snprintf(out, size, "ended by signal %d (%s)%s", WTERMSIG(c->status), strsignal(WTERMSIG(c->status)),
                 WTERMSIG(c->status) == SIGKILL ? "; when nobody sent it, memory ran out: see `dmesg`" : "");
    else if (WEXITSTATUS(c->status)) snprintf(out, size, "ended with status %d", WEXITSTATUS(c->status));
}
