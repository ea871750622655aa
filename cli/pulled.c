/* Pulled models on disk: lock, part file, digest, rename. */
#include "cli/pulled.h"
#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_WAIT_S = 600, COPY_BYTES = 1 << 16 };

char *pulled_path(arena *a, const char *name, diag *d) {
    char *home = ingot_home(a, d), *models = home ? path_join(a, home, "models") : NULL;
    char *path = models ? path_join(a, models, name) : NULL;
    if (home && !path) diag_oom(d, name);
    return path;
}

/* A name becomes a file name: no way out of the folder, nothing hidden, nothing that a terminal would obey. */
static bool name_ok(const char *name, diag *d) {
    bool ok = *name && *name != '.' && strlen(name) < 200;
    for (const char *s = name; *s && ok; s++) ok = *s > ' ' && *s < 0x7F && *s != '/';
    return ok || diag_error(d, "'%s' cannot be the name of a pulled model; give the file another name", name);
}

/* --- lock --- */

static bool lock_take(pulled_model *e, const char *lock_path, diag *d) {
    e->lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (e->lock < 0) return diag_error(d, "%s: cannot create: %s", lock_path, strerror(errno));
    for (int tenths = 0; tenths < 10 * LOCK_WAIT_S; tenths++) {
        if (flock(e->lock, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return diag_error(d, "%s: cannot lock: %s", lock_path, strerror(errno));
        if (!tenths) cli_say("another pull of %s is under way; waiting for it", e->name);
        usleep(100000);
    }
    return diag_error(d, "%s: another pull still holds it after %d s; end that one and try again", lock_path,
                      LOCK_WAIT_S);
}

bool pulled_open(pulled_model *e, arena *a, const char *name, diag *d) {
    *e = (pulled_model){.memory = a, .name = name, .lock = -1};
    if (!name_ok(name, d)) return false;
    const char *path = pulled_path(a, name, d);
    if (!path) return false;
    const char *dir = path_dir(a, path), *part = arena_printf(a, "%s.part", path);
    const char *lock_path = dir ? arena_printf(a, "%s/.%s.lock", dir, name) : NULL;
    if (!part || !lock_path) return diag_oom(d, name);
    e->path = path;
    e->part = part;
    return dir_make(dir, d) && lock_take(e, lock_path, d);
}

void pulled_close(pulled_model *e) {
    progress_end(&e->bar);
    if (e->out) fclose(e->out);
    EVP_MD_CTX_free(e->hash);
    if (e->lock >= 0) close(e->lock);
    *e = (pulled_model){.lock = -1};
}

/* --- digest --- */

bool sha256_valid(const char *hex) {
    return strlen(hex) == SHA256_HEX - 1 && strspn(hex, "0123456789abcdef") == SHA256_HEX - 1;
}

static bool hash_begin(void **hash, diag *d) {
    if (!*hash) *hash = EVP_MD_CTX_new();
    if (*hash && EVP_DigestInit_ex(*hash, EVP_sha256(), NULL) == 1) return true;
    return diag_error(d, "OpenSSL offers no SHA-256");
}

static bool hash_end(void *hash, char hex[SHA256_HEX], diag *d) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(hash, digest, NULL) != 1) return diag_error(d, "OpenSSL cannot finish a SHA-256");
    for (int i = 0; i < SHA256_HEX / 2; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* In the form of sha256sum, so that `sha256sum -c` checks a folder of models. */
static bool record(arena *a, const char *path, const char hex[SHA256_HEX], diag *d) {
    const char *beside = arena_printf(a, "%s.sha256", path), *line = arena_printf(a, "%s  %s\n", hex, path_base(path));
    return beside && line ? file_write_all(beside, str_from(line), d) : diag_oom(d, path);
}

static bool recorded(arena *a, const char *path, char hex[SHA256_HEX], diag *d) {
    const char *beside = arena_printf(a, "%s.sha256", path);
    str text;
    if (!beside || !file_exists(beside) || !file_read_all(a, beside, 4096, &text, d)) return false;
    snprintf(hex, SHA256_HEX, "%s", text.p);
    return sha256_valid(hex);
}

static bool hash_file(const char *path, char hex[SHA256_HEX], diag *d) {
    void *hash = NULL;
    file f = {0};
    char buffer[COPY_BYTES];
    bool ok = file_open(&f, path, d) && hash_begin(&hash, d);
    progress bar = progress_begin("checking", PROGRESS_BYTES, (double)f.size_bytes);
    for (uint64_t at = 0, n; ok && at < f.size_bytes; at += n) {
        n = f.size_bytes - at < sizeof buffer ? f.size_bytes - at : sizeof buffer;
        ok = file_read_at(&f, buffer, n, at, d) && EVP_DigestUpdate(hash, buffer, n) == 1;
        progress_update(&bar, (double)at);
    }
    progress_end(&bar);
    ok = ok && hash_end(hash, hex, d);
    EVP_MD_CTX_free(hash);
    file_close(&f);
    return ok;
}

bool pulled_sha256(arena *a, const char *path, char hex[SHA256_HEX], diag *d) {
    return recorded(a, path, hex, d) || (hash_file(path, hex, d) && record(a, path, hex, d));
}

/* --- part file --- */

uint64_t pulled_part_bytes(const pulled_model *e) {
    struct stat st;
    if (e->out) fflush(e->out);
    return stat(e->part, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static bool take_bytes(pulled_model *e, const void *p, size_t n, diag *d) {
    for (size_t i = 0; i < n && e->bytes + i < sizeof e->head; i++) e->head[e->bytes + i] = ((const char *)p)[i];
    e->bytes += n;
    return EVP_DigestUpdate(e->hash, p, n) == 1 || diag_error(d, "OpenSSL cannot continue a SHA-256");
}

/* Feeds the kept bytes to the digest and leaves the file positioned behind them. */
static bool keep(pulled_model *e, uint64_t bytes, diag *d) {
    char buffer[COPY_BYTES];
    while (e->bytes < bytes) {
        size_t want = bytes - e->bytes < sizeof buffer ? (size_t)(bytes - e->bytes) : sizeof buffer;
        if (fread(buffer, 1, want, e->out) != want)
            return diag_error(d, "%s: cannot read what is there; delete it", e->part);
        if (!take_bytes(e, buffer, want, d)) return false;
    }
    if (fseeko(e->out, (off_t)bytes, SEEK_SET) || ftruncate(fileno(e->out), (off_t)bytes))
        return diag_error(d, "%s: cannot continue: %s", e->part, strerror(errno));
    return true;
}

bool pulled_begin(pulled_model *e, uint64_t keep_bytes, uint64_t total_bytes, const char *label, diag *d) {
    progress_end(&e->bar);
    if (e->out) fclose(e->out);
    e->bytes = 0;
    e->out = fopen(e->part, keep_bytes ? "r+b" : "w+b");
    if (!e->out) return diag_error(d, "%s: cannot create: %s", e->part, strerror(errno));
    if (!hash_begin(&e->hash, d) || !keep(e, keep_bytes, d)) return false;
    e->bar = progress_begin(label, PROGRESS_BYTES, (double)total_bytes);
    progress_resume_at(&e->bar, (double)keep_bytes);
    return true;
}

bool pulled_write(pulled_model *e, const void *p, size_t n, diag *d) {
    if (fwrite(p, 1, n, e->out) != n) return diag_error(d, "%s: cannot write: %s", e->part, strerror(errno));
    bool ok = take_bytes(e, p, n, d);
    progress_update(&e->bar, (double)e->bytes);
    return ok;
}

/* --- commit --- */

static bool contents_ok(pulled_model *e, const char *expected, diag *d) {
    if (expected && strcmp(expected, e->sha256))
        return diag_error(d, "%s: SHA-256 is %s but should be %s: the source changed or the bytes were damaged; "
                             "nothing was kept", e->name, e->sha256, expected);
    if (str_ends(str_from(e->name), STR(".gguf")) && (e->bytes < sizeof e->head || memcmp(e->head, "GGUF", 4)))
        return diag_error(d, "%s: what came is not a GGUF file (perhaps an error page of the server); nothing was kept",
                          e->name);
    return true;
}

bool pulled_commit(pulled_model *e, const char *expected, diag *d) {
    progress_end(&e->bar);
    bool ok = fflush(e->out) == 0 && fsync(fileno(e->out)) == 0;
    ok = fclose(e->out) == 0 && ok;
    e->out = NULL;
    if (!ok) return diag_error(d, "%s: cannot write: %s", e->part, strerror(errno));
    if (!hash_end(e->hash, e->sha256, d)) return false;
    if (!contents_ok(e, expected, d)) return unlink(e->part), false;
    const char *beside = arena_printf(e->memory, "%s.sha256", e->path);
    if (!beside) return diag_oom(d, e->name);
    unlink(beside); /* of a model that is being replaced: no digest is better than a wrong one */
    if (rename(e->part, e->path))
        return diag_error(d, "%s: cannot rename to %s: %s", e->part, e->path, strerror(errno));
    return record(e->memory, e->path, e->sha256, d);
}
