/* Finds the data folder and what is in it. */
#include "perf/machine.h"
#include "base/file.h"
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char *beside_executable(arena *a, const char *relative) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = 0;
    char *dir = path_dir(a, path);
    return dir ? path_join(a, dir, relative) : NULL;
}

static bool is_data_dir(arena *a, const char *path) {
    char *machines = path ? path_join(a, path, "machines") : NULL;
    return machines && file_exists(machines);
}

static char *told(char *path, diag *d) {
    if (!path) diag_oom(d, "a path");
    return path;
}

char *perf_data_dir(arena *a, diag *d) {
    const char *chosen = getenv("INGOT_DATA");
    if (chosen && *chosen) {
        if (is_data_dir(a, chosen)) return told(arena_strdup(a, chosen), d);
        diag_error(d, "INGOT_DATA=%s: no folder 'machines' in it; correct or unset INGOT_DATA", chosen);
        return NULL;
    }
    static const char *const places[] = {"../data", "../share/ingot/data"};
    for (size_t i = 0; i < 2; i++) {
        char *path = beside_executable(a, places[i]);
        if (is_data_dir(a, path)) return path;
    }
    if (is_data_dir(a, "data")) return told(arena_strdup(a, "data"), d);
    diag_error(d, "Ingot's data folder is not beside the program nor in ./data; set INGOT_DATA to it");
    return NULL;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

const char **perf_data_names(arena *a, const char *folder, size_t *count, diag *d) {
    enum { NAMES_MAX = 4096 };
    char *dir = perf_data_dir(a, d), *path = dir ? told(path_join(a, dir, folder), d) : NULL;
    DIR *list = path ? opendir(path) : NULL;
    const char **names = arena_push_n(a, const char *, NAMES_MAX);
    *count = 0;
    if (path && !list) diag_error(d, "%s: cannot be listed", path);
    if (!names) diag_oom(d, "names");
    for (struct dirent *e; list && names && *count < NAMES_MAX && (e = readdir(list));) {
        str s = str_from(e->d_name);
        if (str_ends(s, STR(".json")) && s.n > 5 && (names[*count] = arena_strndup(a, s.p, s.n - 5))) ++*count;
    }
    if (list) closedir(list);
    if (!list || !names) return NULL;
    qsort(names, *count, sizeof *names, by_name);
    return names;
}

const char *perf_data_file(arena *a, const char *folder, const char *name, diag *d) {
    if (strchr(name, '/') || str_ends(str_from(name), STR(".json"))) return told(arena_strdup(a, name), d);
    char *dir = perf_data_dir(a, d);
    char *path = dir ? told(arena_printf(a, "%s/%s/%s.json", dir, folder, name), d) : NULL;
    if (!path || file_exists(path)) return path;
    diag_error(d, "no %.*s '%s' in %s/%s; see the names there, or give a path to a .json file", (int)strlen(folder) - 1,
               folder, name, dir, folder);
    return NULL;
}

bool perf_machine_load(perf_machine *m, arena *a, const char *name_or_path, diag *d) {
    str text;
    const char *path = perf_data_file(a, "machines", name_or_path, d);
    return path && file_read_all(a, path, FACTS_BYTES_MAX, &text, d) && perf_machine_parse(m, a, path, text, d);
}
