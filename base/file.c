#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *copy_string(const char *s) {
    size_t n = strlen(s);
    char *c = mem_alloc(n + 1);
    if (c) memcpy(c, s, n);
    return c;
}

bool file_open(file *f, const char *path, diag *d) {
    *f = (file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (f->fd < 0) return diag_error(d, "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    const char *why = NULL;
    if (fstat(f->fd, &st)) why = strerror(errno);
    else if (!S_ISREG(st.st_mode)) why = S_ISDIR(st.st_mode) ? "it is a folder" : "it is not a regular file";
    else if (!(f->path = copy_string(path))) why = "out of memory";
    if (why) {
        close(f->fd);
        f->fd = 0;
        return diag_error(d, "%s: cannot read: %s", path, why);
    }
    f->size_bytes = (uint64_t)st.st_size;
    f->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    return true;
}

void file_close(file *f) {
    if (f->path) close(f->fd);
    mem_free(f->path);
    *f = (file){0};
}

bool file_read_at(const file *f, void *out, size_t bytes, uint64_t offset, diag *d) {
    char *p = out;
    for (size_t done = 0; done < bytes;) {
        size_t want = bytes - done < (1u << 30) ? bytes - done : 1u << 30;
        ssize_t n = pread(f->fd, p + done, want, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return diag_error(d, "%s: read error at byte %llu: %s", f->path, (unsigned long long)(offset + done),
                              strerror(errno));
        if (n == 0)
            return diag_error(d, "%s: the file ends at byte %llu, %llu more were expected (cut short?)", f->path,
                              (unsigned long long)(offset + done), (unsigned long long)(bytes - done));
        done += (size_t)n;
    }
    return true;
}

bool file_read_all(arena *a, const char *path, size_t max_bytes, str *out, diag *d) {
    file f;
    if (!file_open(&f, path, d)) return false;
    bool ok = false;
    char *p = NULL;
    if (f.size_bytes > max_bytes)
        diag_error(d, "%s: %llu bytes are more than the %zu allowed here", path, (unsigned long long)f.size_bytes,
                   max_bytes);
    else if (!(p = arena_alloc(a, (size_t)f.size_bytes + 1))) diag_oom(d, path);
    else ok = file_read_at(&f, p, (size_t)f.size_bytes, 0, d);
    *out = (str){p, ok ? (size_t)f.size_bytes : 0};
    file_close(&f);
    return ok;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_writer_open(file_writer *w, const char *path, diag *d) {
    *w = (file_writer){0};
    size_t n = strlen(path);
    w->path = copy_string(path);
    w->temporary = mem_alloc(n + 32);
    if (!w->path || !w->temporary) {
        file_writer_abort(w);
        return diag_oom(d, path);
    }
    snprintf(w->temporary, n + 32, "%s.tmp-XXXXXX", path);
    int fd = mkostemp(w->temporary, O_CLOEXEC); /* a name of its own: two writers of one path do not meet */
    if (fd >= 0 && fchmod(fd, 0644) == 0 && (w->out = fdopen(fd, "wb"))) return true;
    if (fd >= 0) close(fd);
    diag_error(d, "%s: cannot create: %s", w->temporary, strerror(errno));
    file_writer_abort(w);
    return false;
}

/* The rename itself is durable only once the folder is synced. */
static void sync_folder(const char *path) {
    char *dir = copy_string(path);
    if (!dir) return;
    char *slash = strrchr(dir, '/');
    if (slash) *(slash == dir ? slash + 1 : slash) = 0;
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(dir);
}

bool file_writer_commit(file_writer *w, diag *d) {
    bool ok = w->out && !ferror(w->out) && fflush(w->out) == 0 && fsync(fileno(w->out)) == 0;
    if (w->out) ok = fclose(w->out) == 0 && ok;
    w->out = NULL;
    ok = ok && rename(w->temporary, w->path) == 0;
    if (ok) {
        sync_folder(w->path);
        mem_free(w->temporary);
        w->temporary = NULL;
    } else diag_error(d, "%s: cannot write: %s", w->path ? w->path : "file", strerror(errno));
    file_writer_abort(w);
    return ok;
}

void file_writer_abort(file_writer *w) {
    if (w->out) fclose(w->out);
    if (w->temporary) unlink(w->temporary);
    mem_free(w->path);
    mem_free(w->temporary);
    *w = (file_writer){0};
}

bool file_write_all(const char *path, str bytes, diag *d) {
    file_writer w;
    if (!file_writer_open(&w, path, d)) return false;
    if (bytes.n) fwrite(bytes.p, 1, bytes.n, w.out);
    return file_writer_commit(&w, d);
}

bool dir_make(const char *path, diag *d) {
    char *p = copy_string(path);
    if (!p) return diag_oom(d, path);
    bool ok = true;
    for (char *s = p + 1; ok; s++) {
        if (*s && *s != '/') continue;
        char end = *s;
        *s = 0;
        if (mkdir(p, 0777) && errno != EEXIST) ok = diag_error(d, "%s: cannot make the folder: %s", p, strerror(errno));
        *s = end;
        if (!end) break;
    }
    mem_free(p);
    return ok;
}

char *path_join(arena *a, const char *dir, const char *name) {
    size_t n = strlen(dir);
    return arena_printf(a, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

char *path_dir(arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_strdup(a, ".");
    return arena_strndup(a, path, slash == path ? 1 : (size_t)(slash - path));
}

const char *path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *ingot_home(arena *a, diag *d) {
    const char *home = getenv("INGOT_HOME"), *cache = getenv("XDG_CACHE_HOME"), *user = getenv("HOME");
    char *path = home && *home     ? arena_strdup(a, home)
                 : cache && *cache ? path_join(a, cache, "ingot")
                 : user && *user   ? path_join(a, user, ".cache/ingot")
                                   : NULL;
    if (!path) diag_error(d, "no folder for models: set INGOT_HOME (or HOME)");
    return path;
}
