/* What a user writes for PEs, lines and functions, and where a PE is in its program. */
#include "debug/internal.h"
#include "base/mem.h"
#include "base/file.h"
#include <ctype.h>
#include <stdlib.h>

enum { SOURCE_BYTES_MAX = 16 << 20 };

/* ---- numbers and PEs ---- */

bool debug_parse_number(const char **at, uint64_t *out) {
    while (isspace((unsigned char)**at)) (*at)++;
    if (!isdigit((unsigned char)**at)) return false;
    char *end;
    *out = strtoull(*at, &end, 0);
    *at = end;
    return true;
}

static bool range(const char **at, uint32_t limit, uint32_t *low, uint32_t *high) {
    uint64_t a, b;
    if (!debug_parse_number(at, &a)) return false;
    b = a;
    if ((*at)[0] == '.' && (*at)[1] == '.') {
        *at += 2;
        if (!debug_parse_number(at, &b)) return false;
    }
    if (a > b || b >= limit) return false;
    *low = (uint32_t)a;
    *high = (uint32_t)b;
    return true;
}

static void blanks(const char **at) {
    while (isspace((unsigned char)**at) || **at == '(' || **at == ')') (*at)++;
}

bool debug_parse_rect(debug *g, const char *text, debug_rect *out) {
    uint32_t w = g->image->width, h = g->image->height;
    const char *at = text;
    blanks(&at);
    if (!strncmp(at, "all", 3)) {
        *out = (debug_rect){0, 0, w - 1, h - 1};
        return true;
    }
    bool ok = range(&at, w, &out->x0, &out->x1);
    blanks(&at);
    ok = ok && *at++ == ',' && range(&at, h, &out->y0, &out->y1);
    if (ok) blanks(&at);
    if (ok && !*at) return true;
    return diag_error(g->d, "'%s' names no PEs: write X,Y or X0..X1,Y0..Y1 with x below %u and y below %u, or all",
                      text, w, h);
}

bool debug_cut_rect(debug *g, char *text, bool one, debug_rect *out) {
    uint32_t w = g->image->width;
    *out = one ? (debug_rect){g->pe % w, g->pe / w, g->pe % w, g->pe / w}
               : (debug_rect){0, 0, w - 1, g->image->height - 1};
    char *at = NULL;
    for (char *p = text; (p = strstr(p, "at ")); p += 3)
        if (p == text || isspace((unsigned char)p[-1])) at = p;
    if (!at) return true;
    if (!debug_parse_rect(g, at + 3, out)) return false;
    while (at > text && isspace((unsigned char)at[-1])) at--;
    *at = 0;
    return true;
}

/* ---- sources and lines ---- */

static bool names_file(const char *full, const char *name, size_t n) {
    size_t m = strlen(full);
    return m >= n && !memcmp(full + m - n, name, n) && (m == n || full[m - n - 1] == '/');
}

int debug_find_source(debug *g, const char *name, size_t n) {
    for (uint32_t i = 0; i < g->image->source_count; i++)
        if (n && names_file(g->image->sources[i], name, n)) return (int)i;
    diag_error(g->d, "no source file '%.*s'; `info sources` lists them", (int)n, name);
    return -1;
}

str debug_source(debug *g, uint32_t source) {
    if (source >= g->image->source_count) return (str){0};
    diag *quiet = diag_new();
    if (!g->text[source].p && quiet &&
        !file_read_all(g->sources, g->image->sources[source], SOURCE_BYTES_MAX, &g->text[source], quiet))
        g->text[source] = STR("");
    diag_free(quiet);
    return g->text[source];
}

bool debug_source_line(debug *g, uint32_t source, uint32_t line, str *out) {
    str text = debug_source(g, source);
    const char *at = text.p, *end = at + text.n;
    for (uint32_t k = 1; at && at < end; k++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        *out = (str){at, (size_t)(stop - at)};
        if (k == line) return true;
        at = stop + 1;
    }
    return false;
}

const isa_line *debug_line_of(const isa_program *p, uint32_t pc) {
    uint32_t low = 0, high = p->line_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->lines[middle].first <= pc) low = middle + 1;
        else high = middle;
    }
    return low ? &p->lines[low - 1] : NULL;
}

const isa_function *debug_function(const isa_program *p, uint32_t pc) {
    uint32_t low = 0, high = p->function_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->functions[middle].first <= pc) low = middle + 1;
        else high = middle;
    }
    return low ? &p->functions[low - 1] : NULL;
}

/* ---- where a PE is ---- */

uint32_t debug_frame_base(const isa_program *p, uint32_t pc, uint32_t sp) {
    const isa_function *f = debug_function(p, pc);
    bool outside = !f || pc == f->first || (pc < p->code_count && p->code[pc].op == ISA_RET);
    return outside ? sp : sp + f->frame_words;
}

debug_point debug_here(debug *g, uint32_t pe) {
    const isa_program *p = debug_program(g, pe);
    wse_core_view v;
    wse_debug_core(g->m, pe, &v);
    const isa_line *line = debug_line_of(p, v.at);
    const isa_function *f = debug_function(p, v.at);
    return (debug_point){.function = f ? (uint32_t)(f - p->functions) : UINT32_MAX,
                         .line = line ? line->line | line->source << 24 : 0,
                         .base = debug_frame_base(p, v.at, v.sp),
                         .tasks = v.tasks,
                         .pc = v.pc,
                         .runs = v.state == WSE_CORE_RUNS && !v.stalled};
}

/* ---- places to stop at ---- */

typedef struct {
    debug_spot *all;
    uint32_t count, cap;
    bool oom;
} spots;

static void add_spot(spots *s, uint32_t program, uint32_t pc) {
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? 2 * s->cap : 16;
        debug_spot *more = mem_resize(s->all, cap * sizeof *more);
        if (!more) s->oom = true;
        if (!more) return;
        s->all = more;
        s->cap = cap;
    }
    s->all[s->count++] = (debug_spot){program, pc};
}

/* The line itself, or the first one behind it that has code. */
static uint32_t line_with_code(const debug *g, uint32_t source, uint32_t line) {
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < g->image->program_count; i++) {
        const isa_program *p = &g->image->programs[i];
        for (uint32_t k = 0; k < p->line_count; k++)
            if (p->lines[k].source == source && p->lines[k].line >= line && p->lines[k].line < best)
                best = p->lines[k].line;
    }
    return best;
}

static bool line_spots(debug *g, uint32_t source, uint32_t line, spots *s) {
    uint32_t real = line_with_code(g, source, line);
    if (real == UINT32_MAX)
        return diag_error(g->d, "%s has no code at line %u or behind it", g->image->sources[source], line);
    if (real != line) debug_say(g, "line %u has no code: line %u is taken\n", line, real);
    for (uint32_t i = 0; i < g->image->program_count; i++) {
        const isa_program *p = &g->image->programs[i];
        for (uint32_t k = 0; k < p->line_count; k++)
            if (p->lines[k].source == source && p->lines[k].line == real) add_spot(s, i, p->lines[k].first);
    }
    return true;
}

static bool is_stub(const isa_program *p, uint32_t entry) {
    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].kind == ISA_SYM_FUNCTION && p->symbols[i].exported && p->symbols[i].entry == entry)
            return true;
    return false;
}

static bool same_name(const char *full, const char *name) {
    const char *dot = strrchr(full, '.');
    return !strcmp(full, name) || (dot && !strcmp(dot + 1, name));
}

/* "fn NAME(" or "task NAME(" in a line. */
static bool declares(str line, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 3; i + n < line.n; i++) {
        bool there = !memcmp(line.p + i, name, n) && line.p[i + n] == '(' && line.p[i - 1] == ' ';
        if (there && (!memcmp(line.p + i - 3, "fn ", 3) || (i >= 5 && !memcmp(line.p + i - 5, "task ", 5))))
            return true;
    }
    return false;
}

/* A function that stands in its callers has no entry: the lines of its body have. */
static bool inlined_spots(debug *g, const char *name, spots *s) {
    for (uint32_t source = 0; source < g->image->source_count && !s->count; source++) {
        str line;
        for (uint32_t k = 1; debug_source_line(g, source, k, &line); k++) {
            if (!declares(line, name)) continue;
            debug_say(g, "'%s' stands in its callers: ", name);
            return line_spots(g, source, k, s);
        }
    }
    return false;
}

static bool function_spots(debug *g, const char *name, spots *s) {
    for (uint32_t i = 0; i < g->image->program_count; i++) {
        const isa_program *p = &g->image->programs[i];
        for (uint32_t k = 0; k < p->function_count; k++)
            if (same_name(p->functions[k].name, name) && !is_stub(p, p->functions[k].first))
                add_spot(s, i, p->functions[k].first);
    }
    return s->count || s->oom || inlined_spots(g, name, s) ||
           diag_error(g->d,
                      "no function or task '%s'; `info functions` lists those of a PE, and a place is FILE:LINE, "
                      "NAME, task ID or *INSTRUCTION",
                      name);
}

/* Without a text: wherever a task begins. */
static bool task_spots(debug *g, const char *text, spots *s) {
    uint64_t id = UINT64_MAX;
    if (*text && (!debug_parse_number(&text, &id) || id >= ISA_TASKS)) return diag_error(g->d, "task ids are 0 to 63");
    for (uint32_t i = 0; i < g->image->program_count; i++) {
        const isa_program *p = &g->image->programs[i];
        for (uint32_t k = 0; k < ISA_TASKS; k++)
            if (p->tasks[k].kinds && (id == k || id == UINT64_MAX)) add_spot(s, i, p->tasks[k].entry);
        for (uint32_t k = 0; k < p->function_count && id == UINT64_MAX; k++)
            if (is_stub(p, p->functions[k].first)) add_spot(s, i, p->functions[k].first);
    }
    return s->count || s->oom || diag_error(g->d, "no program binds that task");
}

static bool instruction_spot(debug *g, const char *text, spots *s) {
    uint64_t pc;
    uint32_t program = g->image->tiles[g->pe].program;
    if (!debug_parse_number(&text, &pc) || pc >= g->image->programs[program].code_count)
        return diag_error(g->d, "the program of this PE has %u instructions", g->image->programs[program].code_count);
    add_spot(s, program, (uint32_t)pc);
    return true;
}

static bool any_spots(debug *g, const char *text, spots *s) {
    const char *colon = strrchr(text, ':'), *number = colon ? colon + 1 : text;
    uint64_t line;
    if (!*text) return task_spots(g, "", s);
    if (*text == '*') return instruction_spot(g, text + 1, s);
    if (!strncmp(text, "task ", 5)) return task_spots(g, text + 5, s);
    if (!isdigit((unsigned char)*number)) return function_spots(g, text, s);
    int source = colon ? debug_find_source(g, text, (size_t)(colon - text)) : (int)g->list_source;
    if (source < 0 || !debug_parse_number(&number, &line)) return false;
    if (*number || (uint32_t)source >= g->image->source_count) return diag_error(g->d, "'%s' is no line", text);
    return line_spots(g, (uint32_t)source, line > UINT32_MAX ? UINT32_MAX : (uint32_t)line, s);
}

bool debug_parse_spots(debug *g, const char *text, debug_spot **out, uint32_t *count) {
    spots s = {0};
    while (isspace((unsigned char)*text)) text++;
    bool ok = any_spots(g, text, &s);
    if (ok && s.oom) ok = diag_oom(g->d, "breakpoint");
    if (!ok) mem_free(s.all);
    *out = ok ? s.all : NULL;
    *count = ok ? s.count : 0;
    return ok;
}
