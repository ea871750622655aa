/* See input.h. zlib does the unpacking. */
#include "audit/input.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PACKED_BYTES = 1 << 18 };

struct input_state {
    z_stream z;
    size_t used, held; /* of packed */
    bool between;      /* members: the end of the file is fine here */
    unsigned char packed[PACKED_BYTES];
};

/* ---- raw bytes ---- */

static size_t raw_read(input *in, void *out, size_t cap, diag *d) {
    if (in->fd < 0) {
        size_t n = in->memory.n < cap ? in->memory.n : cap;
        if (n) memcpy(out, in->memory.p, n);
        in->memory.p += n;
        in->memory.n -= n;
        return n;
    }
    for (;;) {
        ssize_t n = read(in->fd, out, cap);
        if (n >= 0) return (size_t)n;
        if (errno == EINTR) continue;
        diag_error(d, "%s: cannot be read: %s", in->name, strerror(errno));
        in->failed = true;
        return 0;
    }
}

/* ---- gzip ---- */

static bool gzip_fail(input *in, diag *d) {
    in->failed = true;
    return diag_error(d, "%s: damaged gzip data after %llu unpacked bytes; `gzip -t` tells more", in->name,
                      (unsigned long long)in->read_bytes);
}

/* More packed bytes; false at the end of the file. */
static bool refill(input *in, diag *d) {
    input_state *g = in->gzip;
    if (g->used < g->held) return true;
    g->used = 0;
    g->held = raw_read(in, g->packed, sizeof g->packed, d);
    return g->held > 0;
}

/* The next member, when there is one: anything but its two magic bytes is padding and ends the stream. */
static bool next_member(input *in, diag *d) {
    input_state *g = in->gzip;
    if (!refill(in, d) || g->packed[g->used] != 0x1f) return false;
    g->between = false;
    return inflateReset(&g->z) == Z_OK;
}

static size_t gzip_read(input *in, void *out, size_t cap, diag *d) {
    input_state *g = in->gzip;
    size_t given = 0;
    while (given < cap && !in->failed && !in->cut_short) {
        if (g->between && !next_member(in, d)) break;
        if (!refill(in, d)) {
            in->cut_short = !in->failed;
            break;
        }
        size_t room = cap - given < 1 << 30 ? cap - given : 1 << 30;
        g->z.next_in = g->packed + g->used;
        g->z.avail_in = (uInt)(g->held - g->used);
        g->z.next_out = (Bytef *)out + given;
        g->z.avail_out = (uInt)room;
        int rc = inflate(&g->z, Z_NO_FLUSH);
        g->used = g->held - g->z.avail_in;
        given += room - g->z.avail_out;
        if (rc == Z_STREAM_END) g->between = true;
        else if (rc != Z_OK && rc != Z_BUF_ERROR) gzip_fail(in, d);
    }
    return given;
}

/* ---- opening ---- */

static bool begin(input *in, diag *d) {
    unsigned char magic[2];
    size_t n = raw_read(in, magic, 2, d);
    if (in->failed) return false;
    if (n == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        input_state *g = in->gzip = mem_alloc(sizeof *g);
        if (!g) return diag_oom(d, in->name);
        memcpy(g->packed, magic, 2);
        g->held = 2;
        if (inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) {
            mem_free(g);
            in->gzip = NULL;
            return diag_oom(d, in->name);
        }
        in->head_count = gzip_read(in, in->head, sizeof in->head, d);
    } else {
        memcpy(in->head, magic, n);
        in->head_count = n;
        while (n && in->head_count < sizeof in->head)
            in->head_count += n = raw_read(in, in->head + in->head_count, sizeof in->head - in->head_count, d);
    }
    return !in->failed;
}

bool input_open(input *in, const char *path, diag *d) {
    struct stat st;
    *in = (input){.name = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (in->fd < 0) return diag_error(d, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(in->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        input_close(in);
        return diag_error(d, "%s: is a folder; name a trace in it", path);
    }
    in->file_bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (begin(in, d)) return true;
    input_close(in);
    return false;
}

bool input_open_bytes(input *in, const char *name, str bytes, diag *d) {
    *in = (input){.name = name, .fd = -1, .memory = bytes, .file_bytes = bytes.n};
    if (begin(in, d)) return true;
    input_close(in);
    return false;
}

void input_close(input *in) {
    if (in->gzip) {
        inflateEnd(&in->gzip->z);
        mem_free(in->gzip);
    }
    if (in->fd >= 0) close(in->fd);
    *in = (input){.fd = -1};
}

size_t input_read(input *in, void *out, size_t cap, diag *d) {
    size_t n = in->head_count - in->head_given;
    if (n) {
        n = n < cap ? n : cap;
        memcpy(out, in->head + in->head_given, n);
        in->head_given += n;
    } else if (!in->failed) n = in->gzip ? gzip_read(in, out, cap, d) : raw_read(in, out, cap, d);
    in->read_bytes += n;
    return n;
}

input_kind input_sniff(const input *in) {
    str head = {in->head, in->head_count};
    if (!head.n) return INPUT_EMPTY;
    if (str_starts(head, (str){"SQLite format 3", 16})) return INPUT_SQLITE;
    if (str_starts(head, STR("\xef\xbb\xbf"))) head.p += 3, head.n -= 3;
    while (head.n && strchr(" \t\r\n", *head.p)) head.p++, head.n--;
    return !head.n || *head.p == '{' || *head.p == '[' ? INPUT_JSON : INPUT_OTHER;
}

bool input_spill(input *in, char path[INPUT_PATH_BYTES], diag *d) {
    const char *folder = getenv("TMPDIR");
    enum { CHUNK = 1 << 18 };
    snprintf(path, INPUT_PATH_BYTES, "%s/ingot-audit-XXXXXX", folder && *folder ? folder : P_tmpdir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return diag_error(d, "no temporary file can be made; set TMPDIR: %s", strerror(errno));
    char *chunk = mem_alloc(CHUNK);
    bool ok = chunk || diag_oom(d, in->name);
    for (size_t n; ok && (n = input_read(in, chunk, CHUNK, d)) > 0;)
        for (size_t at = 0; ok && at < n;) {
            ssize_t w = write(fd, chunk + at, n - at);
            if (w < 0 && errno != EINTR) ok = diag_error(d, "%s: unpacking to %s: %s", in->name, path, strerror(errno));
            if (w > 0) at += (size_t)w;
        }
    mem_free(chunk);
    close(fd);
    if (!ok || in->failed) unlink(path);
    return ok && !in->failed;
}
