/* Modules: finding files, reading each once, and making instances with their own globals. */
#include "csl/sema_internal.h"
#include "base/file.h"
#include <limits.h>
#include <stdlib.h>

enum { SOURCE_BYTES_MAX = 16 << 20, MODULES_DEPTH_MAX = 64 };

static bool index_lines(csl_unit *u, csl_source_file *f) {
    str text = f->file->source.text;
    uint32_t count = 1;
    for (size_t i = 0; i < text.n; i++) count += text.p[i] == '\n';
    f->line_starts = arena_push_n(u->memory, uint32_t, count);
    if (!f->line_starts) return diag_oom(u->d, f->path);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n') f->line_starts[++f->line_count] = (uint32_t)i + 1;
    f->line_count = count;
    return true;
}

static bool name_source(csl_unit *u, csl_source_file *f) {
    isa_image *m = u->image;
    const char **rows = arena_push_n(u->memory, const char *, m->source_count + 1);
    if (!rows) return diag_oom(u->d, f->path);
    if (m->source_count) memcpy(rows, m->sources, m->source_count * sizeof *rows);
    rows[m->source_count] = f->path;
    m->sources = rows;
    f->index = m->source_count++;
    return true;
}

static bool has_source(const csl_options *o, const char *path) {
    str text;
    return o->read ? o->read(o->read_context, path, &text) : file_exists(path);
}

static bool read_source(csl_unit *u, const char *path, str *text) {
    const csl_options *o = u->options;
    if (!o->read) return file_read_all(u->memory, path, SOURCE_BYTES_MAX, text, u->d);
    return o->read(o->read_context, path, text) || diag_error(u->d, "%s: no such source", path);
}

csl_source_file *csl_source(csl_unit *u, const char *path, bool is_library) {
    uint64_t found;
    str text;
    if (map_get(&u->files, str_from(path), &found)) return (csl_source_file *)(uintptr_t)found;
    csl_source_file *f = arena_push(u->memory, csl_source_file);
    char *name = arena_strdup(u->memory, path);
    if (!f || !name) return diag_oom(u->d, path), NULL;
    if (!read_source(u, path, &text)) return NULL;
    f->path = name;
    f->is_library = is_library;
    f->file = csl_parse(u->memory, name, text, u->d);
    if (!f->file) return NULL;
    bool kept = index_lines(u, f) && name_source(u, f);
    if (kept && !map_put(&u->files, str_from(name), (uint64_t)(uintptr_t)f)) kept = diag_oom(u->d, path);
    if (!kept) return map_free(&f->file->names), NULL;
    if (u->options->dump_ast) csl_ast_print(f->file, u->options->dump_ast);
    return f;
}

/* ---- paths ---- */

static const char *existing(csl_sema *s, const char *dir, str name) {
    char *path = name.p[0] == '/' || !dir || !*dir || !strcmp(dir, ".") ? arena_strndup(s->unit->memory, name.p, name.n)
                                               : arena_printf(s->unit->memory, "%s/%.*s", dir, (int)name.n, name.p);
    return path && has_source(s->unit->options, path) ? path : NULL;
}

static const char *library_path(csl_sema *s, str name, const csl_node *at) {
    str inner = {name.p + 1, name.n - 2};
    const char *lib = s->unit->options->library;
    char *path = lib ? arena_printf(s->unit->memory, "%s/%.*s.csl", lib, (int)inner.n, inner.p) : NULL;
    bool safe = !str_contains(inner, STR("..")) && inner.n && inner.p[0] != '/';
    if (path && safe && has_source(s->unit->options, path)) return path;
    csl_error(s, at, "no standard module '%.*s'%s%s", (int)name.n, name.p, lib ? " in " : "; the library folder is not known", lib ? lib : "");
    return NULL;
}

const char *csl_resolve_path(csl_sema *s, str path, const csl_node *at, bool *is_library) {
    const csl_options *o = s->unit->options;
    *is_library = false;
    if (path.n > 2 && path.p[0] == '<' && path.p[path.n - 1] == '>') {
        *is_library = true;
        return library_path(s, path, at);
    }
    if (!path.n || memchr(path.p, 0, path.n)) return csl_error(s, at, "a module path cannot be empty"), NULL;
    char *dir = path_dir(s->unit->memory, s->module->path);
    if (!dir) return csl_oom(s), NULL;
    const char *found = existing(s, dir, path);
    *is_library = found && s->module->is_library;
    for (uint32_t i = 0; !found && i < o->import_path_count; i++) found = existing(s, o->import_paths[i], path);
    if (!found) csl_error(s, at, "no file '%.*s' beside %s%s", (int)path.n, path.p, s->module->path, o->import_path_count ? " or in the import paths" : "");
    return found;
}

/* ---- instances ---- */

static const char *full_name(csl_unit *u, const csl_module *m, str name) {
    if (!m->name || !*m->name) return arena_strndup(u->memory, name.p, name.n);
    return arena_printf(u->memory, "%s.%.*s", m->name, (int)name.n, name.p);
}

static bool add_global(csl_unit *u, csl_module *m, const csl_node *n) {
    csl_global *g = arena_push(u->memory, csl_global);
    if (!g) return false;
    *g = (csl_global){.module = m, .node = n, .name = full_name(u, m, n->name)};
    g->is_param = n->decl == CSL_DECL_PARAM;
    g->is_var = n->decl == CSL_DECL_VAR;
    return g->name && map_put(&m->globals, n->name, (uint64_t)(uintptr_t)g);
}

static bool add_func(csl_unit *u, csl_module *m, const csl_node *n) {
    csl_func *f = arena_push(u->memory, csl_func);
    if (!f) return false;
    *f = (csl_func){.module = m, .node = n, .name = full_name(u, m, n->name), .is_task = (n->flags & CSL_TASK) != 0, .bound_id = -1};
    return f->name && map_put(&m->funcs, n->name, (uint64_t)(uintptr_t)f);
}

static bool check_params(csl_sema *s, csl_module *m, const csl_node *at) {
    if (!m->params) return true;
    const csl_type *t = m->params->type;
    m->param_used = arena_push_n(s->unit->memory, uint64_t, t->count / 64 + 1);
    if (!m->param_used) return csl_oom(s), false;
    for (uint32_t i = 0; i < t->count && !m->is_library; i++) {
        csl_global *g = csl_find_global(m, t->members[i].name);
        if (!g || !g->is_param)
            csl_warning(s, at, "unused entry in module instantiation: '%s' has no param '%.*s'", m->path, (int)t->members[i].name.n, t->members[i].name.p);
    }
    return true;
}

/* Modules have effects (tasks, queues), so what a file imports is made even when nothing names it. */
static bool make_imports(csl_sema *s, csl_module *m) {
    bool ok = true;
    for (const csl_node *n = m->file->top; n; n = n->next) {
        bool imports = n->kind == CSL_VAR && n->b && n->b->kind == CSL_BUILTIN && str_is(n->b->name, "import_module");
        if (imports) ok &= csl_ready(s, csl_find_global(m, n->name), n);
    }
    return ok;
}

static void describe_import_cycle(csl_sema *s, const char *path, const csl_node *at) {
    csl_error(s, at, "'%s' imports itself, directly or through others", path);
}

csl_module *csl_module_new(csl_sema *s, const char *path, bool is_library, const char *name, const csl_value *params, const csl_node *at) {
    csl_unit *u = s->unit;
    uint32_t depth = 0;
    for (csl_module *up = s->module; up; up = up->importer)
        if (!strcmp(up->path, path) || ++depth > MODULES_DEPTH_MAX) return describe_import_cycle(s, path, at), NULL;
    csl_source_file *f = csl_source(u, path, is_library);
    csl_module *m = f ? arena_push(u->memory, csl_module) : NULL;
    csl_value *kept = params ? arena_push(u->memory, csl_value) : NULL;
    if (!f) {
        if (at && s->module) csl_note(s, s->module, at, "imported here");
        return NULL;
    }
    if (!m || (params && !kept)) return csl_oom(s), NULL;
    if (params) *kept = csl_keep(s, *params);
    if (!name && s->module) name = s->global_name;
    *m = (csl_module){.file = f->file, .source = f, .path = f->path, .name = name ? name : "", .params = kept, .is_library = is_library, .importer = s->module, .next = s->modules};
    s->modules = m;
    for (const csl_node *n = f->file->top; n; n = n->next) {
        bool ok = n->kind == CSL_VAR ? add_global(u, m, n) : n->kind == CSL_FN ? add_func(u, m, n) : true;
        if (!ok) return csl_oom(s), NULL;
    }
    if (!check_params(s, m, at)) return NULL;
    if (!s->module) return m; /* the root: its driver goes on */
    if (!make_imports(s, m)) return NULL;
    return csl_run_comptime_blocks(s, m) ? m : NULL;
}

bool csl_run_comptime_blocks(csl_sema *s, csl_module *m) {
    if (m->started) return true;
    m->started = true;
    bool ok = true;
    if (m == s->root) ok = make_imports(s, m);
    for (const csl_node *n = m->file->top; n; n = n->next) {
        if (n->kind != CSL_COMPTIME_BLOCK) continue;
        csl_context c = csl_enter(s, m);
        csl_frame frame = {0};
        s->frame = &frame;
        s->in_comptime_block = true;
        ok &= csl_exec(s, n->a) != CSL_FAILED;
        map_free(&frame.addressed);
        csl_leave(s, &c);
    }
    return ok;
}
