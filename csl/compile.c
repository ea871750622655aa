/* The compiler's driver: layout, then each distinct program once, then the image.
 *
 *     parse -> run the layout block -> per program: comptime blocks, bodies, code -> routes joined -> image
 *
 * Everything of a compilation lives in one arena; the finished image is written to bytes and read back, which checks it whole and
 * leaves the compilation's memory behind. */
#include "base/mem.h"
#include "csl/sema_internal.h"
#include <inttypes.h>

struct csl_session {
    csl_unit unit;
    csl_options options;
    uint32_t program_cap;
};

/* ---- one compilation ---- */

static bool unit_init(csl_unit *u, const csl_options *o, diag *d) {
    *u = (csl_unit){.d = d, .options = o};
    u->image = isa_image_new(d);
    if (!u->image) return false;
    u->memory = u->image->memory;
    isa_image *m = u->image;
    m->arch = o->arch;
    m->fabric_width = o->fabric_width, m->fabric_height = o->fabric_height;
    m->offset_x = o->offset_x, m->offset_y = o->offset_y;
    m->memcpy = o->memcpy, m->channels = o->channels;
    m->route_sets = arena_push(m->memory, isa_route_set); /* set 0: no routes */
    if (!m->route_sets) return diag_oom(d, "an image");
    m->route_set_count = 1;
    return csl_types_init(u) || diag_error_count(d) != 0 || diag_oom(d, "types");
}

static void unit_free(csl_unit *u) {
    for (size_t i = 0; i < u->files.count; i++) {
        csl_source_file *f = (csl_source_file *)(uintptr_t)u->files.entries[i].value;
        map_free(&f->file->names);
    }
    for (csl_parked *p = u->parked; p; p = p->next) arena_free(p->memory);
    map_free(&u->type_table);
    map_free(&u->files);
    isa_image_free(u->image);
}

static void sema_free(csl_sema *s) {
    for (csl_module *m = s->modules; m; m = m->next) {
        map_free(&m->globals);
        map_free(&m->funcs);
    }
}

static bool named_rows(csl_unit *u, const csl_param *in, uint32_t n, isa_named **out, uint32_t *count) {
    *out = arena_push_n(u->memory, isa_named, n ? n : 1);
    if (!*out) return diag_oom(u->d, "parameters");
    for (uint32_t i = 0; i < n; i++) {
        (*out)[i] = (isa_named){arena_strdup(u->memory, in[i].name), in[i].value};
        if (!(*out)[i].name) return diag_oom(u->d, "parameters");
    }
    *count = n;
    return true;
}

/* --params and --colors as the struct a root module takes. */
static bool host_params(csl_sema *s, const csl_param *a, uint32_t na, const csl_param *b, uint32_t nb, csl_value *out) {
    csl_member *m = arena_push_n(s->unit->memory, csl_member, na + nb + 1);
    csl_value *e = csl_elems_new(s, na + nb);
    if (!m || !e) return csl_oom(s), false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < na + nb; i++) {
        const csl_param *p = i < na ? a + i : b + (i - na);
        const csl_type *t = i < na ? s->unit->types.comptime_int : s->unit->types.color;
        uint32_t k = 0;
        while (k < n && !str_is(m[k].name, p->name)) k++;
        m[k] = (csl_member){.name = str_from(p->name), .type = t};
        e[k] = csl_int(t, p->value);
        if (k == n) n++;
    }
    const csl_type *t = csl_type_struct(s->unit, n, m, false);
    if (!t) return csl_oom(s), false;
    *out = (csl_value){.type = t, .elems = e};
    return true;
}

/* ---- the layout ---- */

static bool run_layout(csl_sema *s) {
    const csl_node *layout = NULL;
    for (const csl_node *n = s->root->file->top; n; n = n->next)
        if (n->kind == CSL_LAYOUT) layout = n;
    if (!layout) return diag_error(s->d, "%s: no layout block; this file cannot be compiled by itself", s->root->path);
    csl_context c = csl_enter(s, s->root);
    csl_frame frame = {0};
    s->frame = &frame;
    bool ok = csl_exec(s, layout->a) != CSL_FAILED;
    map_free(&frame.addressed);
    csl_leave(s, &c);
    return ok;
}

static bool layout(csl_unit *u, const char *path) {
    const csl_options *o = u->options;
    csl_sema s = {.unit = u, .d = u->d, .in_layout = true, .comptime = true};
    csl_value params;
    u->running = &s;
    bool ok = host_params(&s, o->params, o->param_count, o->colors, o->color_count, &params);
    s.root = ok ? csl_module_new(&s, path, false, "", &params, NULL) : NULL;
    ok = s.root != NULL;
    if (ok) s.root->host_params = true, s.module = NULL;
    ok = ok && csl_layout_begin(&s) && csl_run_comptime_blocks(&s, s.root) && run_layout(&s) && csl_layout_finish(&s);
    sema_free(&s);
    u->running = NULL;
    return ok && diag_error_count(u->d) == 0;
}

/* ---- programs ---- */

/* `export` declarations are roots whether or not anything names them. */
static bool exports(csl_sema *s) {
    bool ok = true;
    for (csl_module *m = s->modules; m; m = m->next)
        for (const csl_node *n = m->file->top; n; n = n->next) {
            if (!(n->flags & CSL_EXPORT)) continue;
            s->module = m;
            if (n->kind == CSL_VAR) {
                csl_global *g = csl_find_global(m, n->name);
                ok &= csl_place_global(s, g, n);
                if (g->symbol) s->out->symbols[g->symbol - 1].exported = true;
            } else if (n->kind == CSL_FN) {
                ok &= csl_fn_index(s, csl_find_func(m, n->name), n) != UINT32_MAX;
            }
            s->module = NULL;
        }
    return ok;
}

static bool reserve_arguments(csl_sema *s) {
    bool needed = false;
    csl_close_small(s);
    for (uint32_t i = 0; i < s->out->symbol_count; i++) needed |= s->out->symbols[i].kind == ISA_SYM_FUNCTION && s->out->symbols[i].params;
    if (!needed) return true;
    if (s->next_word + 32 > ISA_SRAM_WORDS) return diag_error(s->d, "%s: no PE memory is left for the arguments of exported functions", s->root->path);
    s->out->args_word = (uint16_t)s->next_word;
    s->next_word += 32;
    if (s->out->used_words < s->next_word) s->out->used_words = s->next_word;
    return true;
}

static uint32_t memory_limit(const csl_unit *u) {
    uint32_t reserved = !u->options->memcpy ? 0 : u->options->wafer ? u->options->wafer->reserved_bytes : 4176;
    return ISA_SRAM_WORDS * 2 - reserved;
}

static void dump(csl_sema *s, bool after) {
    const csl_options *o = s->unit->options;
    if (!after && o->dump_ir)
        for (uint32_t i = 0; i < s->ir->fn_count; i++) ir_print(s->ir, s->ir->fns[i], o->dump_ir);
    if (after && o->dump_code) {
        strbuf_addf(o->dump_code, "; %s: %" PRIu32 " instructions, %" PRIu32 " bytes of code, %" PRIu32 " words of data, %u of stack\n", s->out->name,
                    s->out->code_count, s->out->code_bytes, s->out->used_words, s->out->stack_words);
        for (uint32_t i = 0; i < s->out->code_count; i++) {
            strbuf_addf(o->dump_code, "%5" PRIu32 "  ", i);
            isa_disassemble(s->out, i, o->dump_code);
            strbuf_addc(o->dump_code, '\n');
        }
    }
}

static void trim_data(isa_program *p) {
    uint32_t n = p->used_words;
    while (n && !p->data[n - 1]) n--;
    p->data_words = n;
}

static bool compile_program(csl_unit *u, const char *path, const csl_value *params, bool from_host, isa_program *out, isa_route_set *local, const csl_tile_program *tile) {
    ir_program ir = {.memory = u->memory, .out = out, .memory_limit_bytes = memory_limit(u)};
    csl_sema s = {.unit = u, .d = u->d, .out = out, .ir = &ir, .comptime = true};
    u->running = &s, u->steps = 0;
    if (!isa_program_init(out, path, u->memory)) return diag_oom(u->d, path);
    out->fp16 = u->options->fp16;
    out->data = arena_push_n(u->memory, uint16_t, ISA_SRAM_WORDS);
    if (!out->data) return diag_oom(u->d, path);
    s.root = csl_module_new(&s, path, false, "", params, NULL);
    bool ok = s.root != NULL;
    if (ok) s.root->host_params = from_host;
    ok = ok && csl_builtins_begin(&s) && csl_run_comptime_blocks(&s, s.root) && exports(&s) && csl_run_work(&s) && csl_builtins_finish(&s) &&
         csl_run_work(&s) && csl_local_routes(&s, local) && reserve_arguments(&s) && diag_error_count(u->d) == 0;
    if (ok) {
        dump(&s, false);
        ok = csl_codegen(&ir, u->d);
        if (ok) dump(&s, true);
        trim_data(out);
    }
    if (!ok && tile && tile->at) diag_at(u->d, DIAG_NOTE, &tile->from->file->source, tile->at->at, "this program is placed here");
    sema_free(&s);
    u->running = NULL;
    return ok;
}

/* ---- routes of the layout and of the programs, joined ---- */

static bool join_sets(csl_unit *u, const isa_route_set *a, const isa_route_set *b, isa_route_set *out, const char *program) {
    out->routes = arena_push_n(u->memory, isa_route, a->count + b->count);
    if (!out->routes) return diag_oom(u->d, "routes");
    for (uint32_t i = 0; i < a->count; i++) out->routes[out->count++] = a->routes[i];
    for (uint32_t i = 0; i < b->count; i++) {
        for (uint32_t k = 0; k < a->count; k++)
            if (a->routes[k].color == b->routes[i].color)
                return diag_error(u->d, "%s: color %d is configured by the layout and by @set_local_color_config; keep one", program, b->routes[i].color);
        out->routes[out->count++] = b->routes[i];
    }
    return true;
}

static bool join_routes(csl_unit *u, const isa_route_set *local) {
    isa_image *m = u->image;
    uint32_t sets = m->route_set_count, cap = sets * 2 + 16;
    map joined = {0};
    bool ok = true;
    isa_route_set *grown = arena_push_n(u->memory, isa_route_set, cap);
    if (!grown) return diag_oom(u->d, "routes");
    memcpy(grown, m->route_sets, sets * sizeof *grown);
    for (size_t i = 0; ok && i < (size_t)m->width * m->height; i++) {
        isa_tile *t = &m->tiles[i];
        if (!local[t->program].count) continue;
        uint64_t key = (uint64_t)t->program << 32 | t->route_set, found;
        if (map_get(&joined, (str){(const char *)&key, sizeof key}, &found)) {
            t->route_set = (uint32_t)found;
            continue;
        }
        if (m->route_set_count == cap) {
            isa_route_set *more = arena_push_n(u->memory, isa_route_set, cap * 2);
            if (!more) ok = diag_oom(u->d, "routes");
            if (!ok) break;
            memcpy(more, grown, cap * sizeof *more);
            grown = more, cap *= 2;
        }
        char *kept = arena_strndup(u->memory, (const char *)&key, sizeof key);
        ok = kept && join_sets(u, &grown[t->route_set], &local[t->program], &grown[m->route_set_count], m->programs[t->program].name) &&
             map_put(&joined, (str){kept, sizeof key}, m->route_set_count);
        t->route_set = m->route_set_count++;
    }
    m->route_sets = grown;
    map_free(&joined);
    return ok;
}

static bool programs(csl_unit *u) {
    const csl_tile_program *tiles;
    uint32_t n = csl_layout_programs(u, &tiles);
    isa_route_set *local = arena_push_n(u->memory, isa_route_set, n ? n : 1);
    u->image->programs = arena_push_n(u->memory, isa_program, n ? n : 1);
    if (!local || !u->image->programs) return diag_oom(u->d, "programs");
    for (uint32_t i = 0; i < n; i++) {
        if (!compile_program(u, tiles[i].path, &tiles[i].params, false, &u->image->programs[i], &local[i], &tiles[i])) return false;
        u->image->program_count = i + 1;
    }
    return join_routes(u, local);
}

/* Without --fabric-dims the fabric is as large as the program needs: memcpy takes 4 columns west, 3 east, and a row on each side. */
static void fit_fabric(isa_image *m) {
    if (m->fabric_width || m->fabric_height) return;
    if (m->memcpy && !m->offset_x && !m->offset_y) m->offset_x = 4, m->offset_y = 1;
    m->fabric_width = m->offset_x + m->width + (m->memcpy ? 3 : 0);
    m->fabric_height = m->offset_y + m->height + (m->memcpy ? 1 : 0);
}

/* The image by itself: checked, and free of the compilation's memory. */
static isa_image *finished(csl_unit *u, const char *path) {
    strbuf bytes = {0};
    isa_image *m = NULL;
    fit_fabric(u->image);
    if (isa_image_encode(u->image, &bytes, u->d)) m = isa_image_parse(strbuf_str(&bytes), path, u->d);
    strbuf_free(&bytes);
    return m;
}

isa_image *csl_compile(const char *path, const csl_options *o, diag *d) {
    csl_unit u;
    isa_image *m = NULL;
    bool ok = unit_init(&u, o, d) && named_rows(&u, o->params, o->param_count, &u.image->params, &u.image->param_count) &&
              named_rows(&u, o->colors, o->color_count, &u.image->colors, &u.image->color_count);
    if (ok && layout(&u, path) && programs(&u)) m = finished(&u, path);
    unit_free(&u);
    return m;
}

/* ---- host-side layouts ---- */

csl_session *csl_session_new(const csl_options *o, diag *d) {
    csl_session *s = mem_alloc(sizeof *s);
    if (!s) return diag_oom(d, "a compilation"), NULL;
    s->options = *o;
    if (unit_init(&s->unit, &s->options, d)) return s;
    csl_session_free(s);
    return NULL;
}

void csl_session_free(csl_session *s) {
    if (!s) return;
    unit_free(&s->unit);
    mem_free(s);
}

isa_image *csl_session_image(csl_session *s) { return s->unit.image; }

isa_image *csl_session_take(csl_session *s) {
    isa_image *m = s->unit.image;
    s->unit.image = NULL;
    return m;
}

bool csl_session_program(csl_session *s, const char *path, const csl_param *params, uint32_t param_count, uint32_t *program, diag *d) {
    csl_unit *u = &s->unit;
    isa_image *m = u->image;
    isa_route_set local = {0};
    csl_value given;
    csl_sema maker = {.unit = u, .d = d};
    u->d = d, u->running = NULL, u->steps = 0, u->exhausted = false;
    if (m->program_count == s->program_cap) {
        uint32_t cap = s->program_cap ? s->program_cap * 2 : 8;
        isa_program *rows = arena_push_n(u->memory, isa_program, cap);
        if (!rows) return diag_oom(d, "programs");
        if (m->program_count) memcpy(rows, m->programs, m->program_count * sizeof *rows);
        m->programs = rows, s->program_cap = cap;
    }
    if (!host_params(&maker, params, param_count, NULL, 0, &given)) return false;
    if (!compile_program(u, path, &given, true, &m->programs[m->program_count], &local, NULL)) return false;
    if (local.count) return diag_error(d, "%s: @set_local_color_config is not supported in programs that a host places; paint the color instead", path);
    *program = m->program_count++;
    return true;
}
