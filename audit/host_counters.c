/* perf_event_open: opening what can be opened, and what it says together. */
#include "audit/host_counters.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_BYTES = 64 };
#define EVENTS "/sys/bus/event_source/devices/cpu/"

static const struct {
    const char *name;
    uint32_t type;
    uint64_t config;
    const char *file;
} rows[COUNTERS] = {
#define ROW(name, text, type, config, file) {text, type, config, file},
    HOST_COUNTER_ROWS(ROW)
#undef ROW
};

const char *host_counter_name(host_counter which) { return which < COUNTERS ? rows[which].name : "unknown"; }

static bool read_line(const char *path, char *out, size_t size) {
    FILE *in = fopen(path, "r");
    bool ok = in && fgets(out, (int)size, in);
    if (in) fclose(in);
    return ok;
}

/* "event=0xa3,umask=0x14,cmask=20" into a configuration: where each field lies is in format/ ("config:8-15"). Fields of
 * other words than config are not known here. */
static bool sysfs_config(const char *name, __u64 *config) {
    char path[256], text[256], where[64], *rest, *term;
    snprintf(path, sizeof path, EVENTS "events/%s", name);
    if (!read_line(path, text, sizeof text)) return false;
    *config = 0;
    for (term = strtok_r(text, ",\n", &rest); term; term = strtok_r(NULL, ",\n", &rest)) {
        char *value = strchr(term, '=');
        unsigned low, high;
        if (value) *value++ = 0;
        snprintf(path, sizeof path, EVENTS "format/%.60s", term);
        if (!read_line(path, where, sizeof where)) return false;
        int n = sscanf(where, "config:%u-%u", &low, &high);
        if (n < 1 || low > 63) return false;
        *config |= (value ? strtoull(value, NULL, 0) : 1ull) << low;
    }
    return true;
}

static int open_one(host_counter which, pid_t pid, int leader) {
    struct perf_event_attr a = {.size = sizeof a,
                                .type = rows[which].type,
                                .config = rows[which].config,
                                .inherit = 1,
                                .exclude_kernel = rows[which].type != PERF_TYPE_SOFTWARE,
                                .exclude_hv = 1,
                                .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING};
    if (rows[which].file && !sysfs_config(rows[which].file, &a.config)) {
        errno = ENOENT;
        return -1;
    }
    return (int)syscall(SYS_perf_event_open, &a, pid, -1, leader, (unsigned long)PERF_FLAG_FD_CLOEXEC);
}

void host_counters_open(host_counters *c, pid_t pid) {
    for (int i = 0; i < COUNTERS; i++) {
        /* top-down counts are valid only in a group behind their slots */
        int leader = i == COUNTER_MEMORY_BOUND ? c->fd[COUNTER_SLOTS] : -1;
        c->fd[i] = open_one((host_counter)i, pid, leader);
        c->error[i] = c->fd[i] < 0 ? errno : 0;
    }
}

void host_counters_close(host_counters *c) {
    for (int i = 0; i < COUNTERS; i++)
        if (c->fd[i] >= 0) close(c->fd[i]);
    for (int i = 0; i < COUNTERS; i++) c->fd[i] = -1;
}

double host_counter_read(const host_counters *c, host_counter which) {
    uint64_t v[3]; /* value, time enabled, time running */
    if (c->fd[which] < 0 || read(c->fd[which], v, sizeof v) != sizeof v) return NAN;
    return v[2] == 0 ? 0 : (double)v[0] * ((double)v[1] / (double)v[2]);
}

host_counts host_counters_read(const host_counters *c) {
    host_counts n;
    for (int i = 0; i < COUNTERS; i++) n.value[i] = host_counter_read(c, (host_counter)i);
    return n;
}

bool host_counters_hardware(const host_counters *c) { return c->fd[COUNTER_CYCLES] >= 0; }

static const char *why(int error) {
    switch (error) {
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV: return "not offered by this processor or virtual machine";
    case EACCES:
    case EPERM: return "forbidden (kernel.perf_event_paranoid, or a container)";
    case ENOSYS: return "not in this kernel";
    default: return strerror(error);
    }
}

void host_counters_missing(const host_counters *c, strbuf *out) {
    for (int i = COUNTER_CYCLES, said = 0; i < COUNTERS; i++) {
        if (c->fd[i] >= 0) continue;
        /* one reason for several: say it once */
        int last = i;
        while (last + 1 < COUNTERS && c->fd[last + 1] < 0 && why(c->error[last + 1]) == why(c->error[i])) last++;
        strbuf_adds(out, said++ ? "; " : "");
        for (int k = i; k <= last; k++) strbuf_addf(out, "%s%s", k > i ? ", " : "", rows[k].name);
        strbuf_addf(out, ": %s", why(c->error[i]));
        i = last;
    }
}

static double within(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

bool host_counts_share(const host_counts *c, double memory_bytes_per_s, double threads, counted_share *out) {
    double cycles = c->value[COUNTER_CYCLES], seconds = c->value[COUNTER_CLOCK] * 1e-9;
    double slots = c->value[COUNTER_SLOTS], bound = c->value[COUNTER_MEMORY_BOUND];
    double memory = c->value[COUNTER_MEMORY_STALLS], stalls = c->value[COUNTER_STALLS];
    double lines_s = c->value[COUNTER_MISSES] * LINE_BYTES / memory_bytes_per_s * threads;
    double least = seconds > 0 && memory_bytes_per_s > 0 ? lines_s / seconds : NAN;
    if (slots > 0 && bound >= 0 && bound <= slots) {
        double x = bound / slots;
        *out = (counted_share){x, x, x, "top-down slots"};
        return true;
    }
    if (cycles > 0 && memory >= 0) {
        double x = within(memory / cycles);
        *out = (counted_share){x, x, x, "cycles stalled on memory"};
        return true;
    }
    if (!(least >= 0)) return false;
    double lo = within(least), hi = cycles > 0 && stalls >= 0 ? within(stalls / cycles) : 1;
    if (hi < lo) hi = lo;
    *out = (counted_share){lo, (lo + hi) / 2, hi, "misses of the last cache"};
    return true;
}
