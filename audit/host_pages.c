/* Working sets from the marks of pages: clear, wait, count, wait, count. */
#include "audit/host_pages.h"
#include "base/mem.h"
#include "base/units.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Wall time from clearing to counting. The first is as early as can be; half a second would be too late for anything.
 */
static const double look_at_s[PAGE_POINTS] = {0.00005, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.048};
#define LOOK_SECONDS_MAX 0.1
#define AWAY_S           0.0002
enum { TEXT_BYTES = 4096, MAP_BYTES = 1 << 18, PROBE_PAGES = 4096, FILLS = 4 };

static ssize_t read_whole(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t have = 0;
    ssize_t n = 0;
    while (have + 1 < size && (n = read(fd, out + have, size - 1 - have)) > 0) have += (size_t)n;
    close(fd);
    out[have] = 0;
    return n < 0 ? -1 : (ssize_t)have;
}

static double field_bytes(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) * 1024 : 0;
}

/* Translations that the processor keeps hide uses from the marks. Clearing marks alone does not drop them; making pages
 * old does, for those that were used since, and as soon as these lie far apart the kernel drops all translations of the
 * process. So it comes second, when little is marked and the walk is short. On other processes it wants CAP_SYS_NICE:
 * without it what lies in huge pages may be undercounted. */
static void make_old(pid_t pid) {
    char path[64], *text = mem_alloc(MAP_BYTES), *line, *rest;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    if (text && fd >= 0 && read_whole(path, text, MAP_BYTES) > 0)
        for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            unsigned long long begin, end;
            if (sscanf(line, "%llx-%llx", &begin, &end) != 2 || strstr(line, "[v")) continue;
            struct iovec range = {(void *)(uintptr_t)begin, (size_t)(end - begin)};
            if (syscall(SYS_process_madvise, fd, &range, 1ul, MADV_COLD, 0ul) < 0 && errno == EPERM) break;
        }
    if (fd >= 0) close(fd);
    mem_free(text);
}

static bool clear_marks(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write(fd, "1", 1) == 1;
    close(fd);
    return ok;
}

static bool count_marks(pid_t pid, page_curve *w, int point) {
    char path[64], text[TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if (read_whole(path, text, sizeof text) <= 0) return false;
    if (!strstr(text, "\nReferenced:")) { /* a kernel without marks: no count is not a count of none */
        errno = ENOTSUP;
        return false;
    }
    w->bytes[point] = field_bytes(text, "\nReferenced:");
    w->rss_bytes = field_bytes(text, "\nRss:");
    double huge = field_bytes(text, "\nAnonHugePages:") + field_bytes(text, "\nShmemPmdMapped:") +
                  field_bytes(text, "\nFilePmdMapped:") + field_bytes(text, "\nPrivate_Hugetlb:");
    w->huge_share = w->rss_bytes > 0 ? huge / w->rss_bytes : 0;
    w->small_share = 1 - w->huge_share;
    return true;
}

/* The kernel's counter is exact; the clock of another process lags by up to a tick of some milliseconds. */
static double process_seconds(const host_counters *c, pid_t pid) {
    double ns = c ? host_counter_read(c, COUNTER_CLOCK) : NAN;
    struct timespec t = {0};
    clockid_t clock;
    if (ns >= 0) return 1e-9 * ns;
    if (clock_getcpuclockid(pid, &clock) == 0) clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double own_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_until(double when) {
    double left = when - clock_seconds();
    struct timespec t = {.tv_nsec = (long)(left * 1e9)};
    if (left > 0) nanosleep(&t, NULL);
}

bool host_pages_look(pid_t pid, const host_counters *c, bool flush, page_curve *w) {
    *w = (page_curve){0};
    double begun = clock_seconds();
    /* A walk takes time, in which the program runs on. Clearing and counting go through the pages in the same order, so
     * each page is seen for about as long as from the middle of the one walk to the middle of the other. */
    if (!clear_marks(pid)) return false;
    double before = process_seconds(c, pid);
    if (flush) make_old(pid);
    double since = (before + process_seconds(c, pid)) / 2, start = clock_seconds();
    for (int i = 0; i < PAGE_POINTS; i++) {
        sleep_until(start + look_at_s[i]);
        double at = clock_seconds(), own = own_seconds();
        before = process_seconds(c, pid);
        if (!count_marks(pid, w, w->count)) return w->count > 1;
        double after = process_seconds(c, pid), now = clock_seconds(), away = now - at - (own_seconds() - own);
        w->cpu_s[w->count] = (before + after) / 2 - since;
        /* When this thread lost its processor in between, nobody knows when it saw what. */
        if (away < AWAY_S || after - before < AWAY_S) w->count++;
        if (i >= 7 && w->count && w->cpu_s[w->count - 1] <= 0) break; /* it sleeps */
        if (now - start > LOOK_SECONDS_MAX && i >= 3) break;          /* many small pages: each count takes long */
    }
    w->wall_s = clock_seconds() - begun;
    return true;
}

/* Time of the process without what marking cost: pages of 4 KiB only. */
static double own_time(const page_curve *w, int i, double mark_s) {
    double cost = w->bytes[i] * w->small_share / 4096 * mark_s, least = w->cpu_s[i] / 4;
    return w->cpu_s[i] - cost > least ? w->cpu_s[i] - cost : least;
}

/* The last point at which the set still grew freely, since a program that goes round in a set comes to its end sooner
 * or later; or else the next one that lies a good piece of processor time behind point i. -1: there is none. */
static int end_of_slope(const page_curve *w, int i) {
    double most = w->bytes[w->count - 1], far = 1.2 * w->cpu_s[i] + 0.0002;
    int k = w->count - 1;
    while (k > i && !(w->bytes[k] <= 0.6 * most && w->cpu_s[k] >= far)) k--;
    if (k > i) return k;
    for (k = i + 1; k < w->count; k++)
        if (w->cpu_s[k] >= far) return k;
    return -1;
}

page_rate host_pages_rate(const page_curve *w, double cache_bytes, double mark_s, double full_rate) {
    int i = 0;
    while (i < w->count && (w->bytes[i] < cache_bytes || w->cpu_s[i] <= 0)) i++;
    double ran = w->count ? w->cpu_s[w->count - 1] : 0, most = w->count ? w->bytes[w->count - 1] : 0;
    if (i >= w->count) return (page_rate){.kind = ran * full_rate < FILLS * cache_bytes ? PAGES_IDLE : PAGES_FIT};
    int k = end_of_slope(w, i);
    double w0 = w->bytes[i], x0 = own_time(w, i, mark_s);
    if (k < 0) { /* no more was seen than one point: from the beginning, less what fills the cache */
        if (w0 < FILLS * cache_bytes || w->cpu_s[i] < 0.0005) return (page_rate){.kind = PAGES_IDLE};
        return (page_rate){PAGES_MOVE, w0 - cache_bytes, x0, w->cpu_s[i]};
    }
    page_rate r = {PAGES_MOVE, w->bytes[k] - w0, own_time(w, k, mark_s) - x0, w->cpu_s[k] - w->cpu_s[i]};
    if (!(r.seconds > 0)) return (page_rate){.kind = PAGES_IDLE};
    /* All of a small set was used before the first look: it may go round in the shared cache, or rest in the private
     * one. */
    if (i == 0 && most < 1.5 * w0) r.kind = ran * full_rate < FILLS * w0 ? PAGES_IDLE : PAGES_UNCLEAR;
    return r;
}

static double touch_pages(volatile unsigned char *p) {
    double start = clock_seconds();
    for (size_t i = 0; i < PROBE_PAGES; i++) p[i * 4096] += 1;
    return clock_seconds() - start;
}

double host_pages_mark_cost(void) {
    size_t bytes = PROBE_PAGES * 4096ul;
    unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double known = 1, anew = 1;
    if (p == MAP_FAILED) return 0;
    madvise(p, bytes, MADV_NOHUGEPAGE);
    touch_pages(p);
    for (int i = 0; i < 7; i++) {
        known = fmin(known, touch_pages(p));
        if (!clear_marks(getpid())) break;
        make_old(getpid());
        anew = fmin(anew, touch_pages(p));
    }
    munmap(p, bytes);
    return anew < 1 && anew > known ? (anew - known) / PROBE_PAGES : 0;
}
