/* Where the installation is: the folder with lib/ (CSL modules) and data/machines (wafers). */
#include "api/api.h"
#include "base/file.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* From the folder of the program or of libingot.so: the checkout (bin/, bin/asan/), then an installation. */
static const char *const places[] = {"..", "../..", "../share/ingot", "share/ingot"};

static char *own_path(arena *a) {
    Dl_info info;
    char path[4096];
    if (dladdr((const void *)(uintptr_t)api_root, &info) && info.dli_fname && strstr(info.dli_fname, ".so"))
        return realpath(info.dli_fname, path) ? arena_strdup(a, path) : NULL;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return n > 0 ? arena_strndup(a, path, (size_t)n) : NULL;
}

static bool is_root(arena *a, const char *folder) {
    char *lib = path_join(a, folder, "lib"), *machines = path_join(a, folder, "data/machines");
    return lib && machines && file_exists(lib) && file_exists(machines);
}

char *api_root(arena *a, diag *d) {
    const char *chosen = getenv("INGOT_ROOT");
    if (chosen && *chosen) {
        if (is_root(a, chosen)) {
            char *copy = arena_strdup(a, chosen);
            return copy || diag_oom(d, "INGOT_ROOT") ? copy : NULL;
        }
        diag_error(d, "INGOT_ROOT=%s: no folders 'lib' and 'data/machines' in it; correct or unset INGOT_ROOT", chosen);
        return NULL;
    }
    char *own = own_path(a), *dir = own ? path_dir(a, own) : NULL;
    for (size_t i = 0; dir && i < sizeof places / sizeof *places; i++) {
        char *folder = path_join(a, dir, places[i]);
        if (folder && is_root(a, folder)) return folder;
    }
    diag_error(d,
               "the folders 'lib' and 'data/machines' of Ingot are not beside %s; set INGOT_ROOT to the folder that "
               "holds them",
               own ? own : "the program");
    return NULL;
}

bool api_wafer(isa_wafer *w, isa_arch arch, const char *profile, diag *d) {
    arena *a = arena_new(0);
    if (!a) return diag_oom(d, "wafer");
    if (!profile || !*profile) profile = getenv("INGOT_PROFILE");
    if (!profile || !*profile) profile = "vendor-sim";
    char *root = api_root(a, d),
         *path = root ? arena_printf(a, "%s/data/machines/wse%u.json", root, (unsigned)arch) : NULL;
    if (root && !path) diag_oom(d, "wafer");
    bool ok = path && isa_wafer_read(w, path, profile, d);
    arena_free(a);
    return ok;
}

bool api_machine(isa_wafer *w, const char *name, const char *profile, diag *d) {
    if (strchr(name, '/') || strchr(name, '.')) return isa_wafer_read(w, name, profile, d);
    arena *a = arena_new(0);
    if (!a) return diag_oom(d, "wafer");
    char *root = api_root(a, d), *path = root ? arena_printf(a, "%s/data/machines/%s.json", root, name) : NULL;
    bool ok = root && (path || diag_oom(d, "wafer")) && isa_wafer_read(w, path, profile, d);
    arena_free(a);
    return ok;
}
