/* Reads software.json: an object of named entries, facts with value {layer_us, step_us, slowdown}. */
#include "perf/software.h"
#include "base/file.h"

static void read_one(facts *f, const char *name, json_t *entry, perf_software *s) {
    fact e;
    if (!facts_entry(f, name, entry, FACT_KINDS, false, &e)) return;
    if (strcmp(e.unit, "us, us, 1")) facts_complain(f, name, "'unit' must be \"us, us, 1\"");
    if (!json_is_object(e.value)) {
        facts_complain(f, name, "'value' must be {\"layer\": US, \"step\": US, \"slowdown\": X}");
        return;
    }
    facts_only(f, (json_t *)e.value, name, "layer,step,slowdown,");
    if (!(s->name = arena_strdup(f->a, name))) f->ok = diag_oom(f->d, name);
    s->layer_s = 1e-6 * facts_number(f, name, json_object_get(e.value, "layer"), 0, 1e6, false);
    s->step_s = 1e-6 * facts_number(f, name, json_object_get(e.value, "step"), 0, 1e9, false);
    s->slowdown = facts_number(f, name, json_object_get(e.value, "slowdown"), 0.1, 100, false);
}

bool perf_software_parse(perf_software *s, arena *a, const char *file_name, str json, const char *name, diag *d) {
    facts f = {.src = {.name = file_name, .text = json}, .d = d, .a = a};
    *s = (perf_software){0};
    json_t *root = facts_parse(&f, "software");
    const char *key;
    json_t *entry;
    bool found = false;
    json_object_foreach(root, key, entry) {
        perf_software other;
        found |= !strcmp(key, name);
        read_one(&f, key, entry, strcmp(key, name) ? &other : s);
    }
    json_decref(root);
    return f.ok && (found || diag_error(d, "%s: no software '%s'; see the names there", file_name, name));
}

bool perf_software_load(perf_software *s, arena *a, const char *name, diag *d) {
    str text;
    char *dir = perf_data_dir(a, d), *path = dir ? path_join(a, dir, "software.json") : NULL;
    if (dir && !path) return diag_oom(d, dir);
    return path && file_read_all(a, path, FACTS_BYTES_MAX, &text, d) && perf_software_parse(s, a, path, text, name, d);
}
