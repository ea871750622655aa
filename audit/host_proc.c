/* The tree of processes behind a command, thread by thread. Processes are found by their parents: those of the root,
 * and orphans that were handed to this process (it is their subreaper). */
#include "audit/host_proc.h"
#include "base/units.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    pid_t pid, parent;
    char state;
    uint64_t major_faults;
    double rss_bytes;
} process_line;

static bool read_text(char *out, size_t size, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The name stands in parentheses and may hold anything, so fields are counted from the last one. */
static bool parse_stat(const char *text, process_line *p) {
    const char *at = strrchr(text, ')');
    int parent;
    unsigned long long faults;
    long long pages;
    if (!at ||
        sscanf(at + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %llu %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lld",
               &p->state, &parent, &faults, &pages) != 4)
        return false;
    p->parent = (pid_t)parent;
    p->major_faults = faults;
    p->rss_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    return true;
}

static int list_processes(process_line *out, int room) {
    DIR *dir = opendir("/proc");
    int n = 0;
    char path[64], text[1024];
    for (struct dirent *e; dir && n < room && (e = readdir(dir));) {
        if (!isdigit((unsigned char)e->d_name[0])) continue;
        out[n].pid = (pid_t)atoi(e->d_name);
        snprintf(path, sizeof path, "/proc/%d/stat", (int)out[n].pid);
        if (read_text(text, sizeof text, path) && parse_stat(text, &out[n])) n++;
    }
    if (dir) closedir(dir);
    return n;
}

/* Moves the command's own to the front; returns how many. Parents mostly stand before their children, so few rounds do.
 */
static int keep_family(const host_tree *t, process_line *all, int n) {
    int kept = 0;
    for (bool grew = true; grew;) {
        grew = false;
        for (int i = kept; i < n; i++) {
            bool ours = all[i].pid == t->root || all[i].parent == t->self;
            for (int k = 0; k < kept && !ours; k++) ours = all[k].pid == all[i].parent;
            if (!ours || all[i].pid == t->self) continue;
            process_line p = all[i];
            all[i] = all[kept];
            all[kept++] = p;
            grew = true;
        }
    }
    return kept;
}

static host_thread *find_thread(host_tree *t, pid_t pid, pid_t tid) {
    for (int i = 0; i < t->count; i++)
        if (t->threads[i].tid == tid && t->threads[i].pid == pid) return &t->threads[i];
    if (t->count == HOST_THREADS_MAX) {
        t->truncated = true;
        return NULL;
    }
    host_thread *h = &t->threads[t->count++];
    *h = (host_thread){.pid = pid, .tid = tid};
    return h;
}

static void look_at_thread(host_tree *t, pid_t pid, pid_t tid) {
    char path[96], text[1024];
    unsigned long long run, wait;
    process_line line;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
    if (!read_text(text, sizeof text, path) || sscanf(text, "%llu %llu", &run, &wait) != 2) return;
    host_thread *h = find_thread(t, pid, tid);
    if (!h) return;
    h->ran_s = (double)run * 1e-9 - h->run_s;
    h->waited_s = (double)wait * 1e-9 - h->wait_s;
    h->run_s += h->ran_s;
    h->wait_s += h->waited_s;
    h->seen = true;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    if (read_text(text, sizeof text, path) && parse_stat(text, &line)) h->state = line.state;
}

static void look_at_threads(host_tree *t, pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0])) look_at_thread(t, pid, (pid_t)atoi(e->d_name));
    if (dir) closedir(dir);
}

static void add_io(pid_t pid, uint64_t *read_bytes, uint64_t *written_bytes) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    if (!read_text(text, sizeof text, path)) return;
    const char *r = strstr(text, "\nread_bytes:"), *w = strstr(text, "\nwrite_bytes:");
    if (r) *read_bytes += strtoull(r + 12, NULL, 10);
    if (w) *written_bytes += strtoull(w + 13, NULL, 10);
}

static void drop_gone(host_tree *t) {
    int kept = 0;
    for (int i = 0; i < t->count; i++)
        if (t->threads[i].seen) t->threads[kept++] = t->threads[i];
    t->count = kept;
}

static void judge(host_tree *t, double seconds) {
    host_interval v = {0};
    const host_thread *top = NULL;
    bool disk = false;
    for (int i = 0; i < t->count; i++) {
        const host_thread *h = &t->threads[i];
        v.cpu_s += h->ran_s;
        disk = disk || h->state == 'D';
        if (!top || h->ran_s + h->waited_s > top->ran_s + top->waited_s) top = h;
    }
    if (top) {
        v.busy_s = top->ran_s;
        v.queued_s = top->waited_s;
    }
    /* The kernel adds to both counts when the thread starts and stops, so that an interval may get what belongs to the
     * one before it; idle time is then negative, and right in the sum. */
    double rest = seconds - v.busy_s - v.queued_s;
    *(disk && rest > 0 ? &v.io_s : &v.idle_s) = rest;
    v.threads = v.busy_s > 0 ? fmax(1, v.cpu_s / v.busy_s) : 1;
    for (int i = 0; i < t->count; i++) { /* few processes have work at a time */
        double sum = 0;
        if (t->threads[i].ran_s <= 0 || t->threads[i].pid == v.busiest) continue;
        for (int k = 0; k < t->count; k++) sum += t->threads[k].pid == t->threads[i].pid ? t->threads[k].ran_s : 0;
        if (v.cpu_s > 0 && sum / v.cpu_s > v.busiest_share)
            v.busiest_share = sum / v.cpu_s, v.busiest = t->threads[i].pid;
    }
    t->last = v;
}

bool host_tree_look(host_tree *t) {
    process_line all[HOST_PROCESSES_MAX * 4];
    int n = list_processes(all, HOST_PROCESSES_MAX * 4);
    uint64_t faults = 0, reads = 0, writes = 0;
    double rss = 0, now = clock_seconds();
    n = keep_family(t, all, n);
    for (int i = 0; i < t->count; i++) t->threads[i].seen = false;
    for (int i = 0; i < n; i++) {
        if (all[i].state == 'Z') continue;
        look_at_threads(t, all[i].pid);
        add_io(all[i].pid, &reads, &writes);
        faults += all[i].major_faults;
        rss += all[i].rss_bytes;
    }
    drop_gone(t);
    if (faults > t->major_faults) t->major_faults = faults;
    if (reads > t->read_bytes) t->read_bytes = reads;
    if (writes > t->written_bytes) t->written_bytes = writes;
    if (rss > t->rss_bytes_max) t->rss_bytes_max = rss;
    if (n > t->processes) t->processes = n;
    if (t->count > t->threads_max) t->threads_max = t->count;
    if (t->at_s > 0) judge(t, now - t->at_s);
    t->at_s = now;
    return n > 0;
}

double host_pressure_s(const char *what) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/pressure/%s", what);
    if (!read_text(text, sizeof text, path)) return NAN;
    const char *at = strstr(text, "total=");
    return at ? strtod(at + 6, NULL) * 1e-6 : NAN;
}
