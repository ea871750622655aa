/* What the debugger shows: where a PE is, sources, values, memory, and the `info` commands. */
#include "debug/internal.h"
#include "base/mem.h"
#include <ctype.h>

enum { LIST_LINES = 10, FRAMES_MAX = 64, PES_SHOWN = 40, MEMORY_ROW = 8, MEMORY_MAX = 1024 };

static uint32_t x_of(const debug *g, uint32_t pe) { return pe % g->image->width; }
static uint32_t y_of(const debug *g, uint32_t pe) { return pe / g->image->width; }

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void debug_place_text(debug *g, uint32_t pe, uint32_t pc, strbuf *out) {
    const isa_program *p = debug_program(g, pe);
    const isa_function *f = debug_function(p, pc);
    const isa_line *l = debug_line_of(p, pc);
    if (f && *f->name) strbuf_addf(out, "%s, ", f->name);
    if (l && l->source < g->image->source_count)
        strbuf_addf(out, "%s:%u", file_name(g->image->sources[l->source]), l->line);
    else strbuf_addf(out, "instruction %u", pc);
}

static void say_line(debug *g, uint32_t source, uint32_t line, bool mark) {
    str text;
    if (debug_source_line(g, source, line, &text))
        debug_say(g, "%s%5u  %.*s\n", mark ? "->" : "  ", line, (int)text.n, text.p);
}

void debug_show_here(debug *g) {
    wse_core_view v;
    wse_debug_core(g->m, g->pe, &v);
    if (v.state == WSE_CORE_IDLE) return;
    const isa_line *l = debug_line_of(debug_program(g, g->pe), v.at);
    if (!l) return;
    g->list_source = l->source;
    g->list_line = l->line;
    say_line(g, l->source, l->line, true);
}

/* ---- where ---- */

static void say_frame(debug *g, uint32_t n, uint32_t pc) {
    strbuf text = {0};
    debug_place_text(g, g->pe, pc, &text);
    debug_say(g, "#%u  %s\n", n, text.data ? text.data : "");
    strbuf_free(&text);
}

static void say_chain(debug *g, const wse_core_view *v) {
    const isa_program *p = debug_program(g, g->pe);
    uint32_t pc = v->at, base = debug_frame_base(p, pc, v->sp);
    for (uint32_t n = 0; n < FRAMES_MAX; n++) {
        const isa_function *f = debug_function(p, pc);
        say_frame(g, n, pc);
        if (!f || f->is_task || base >= p->stack_top_word) return;
        uint32_t back = debug_words(g, g->pe)[base];
        if (!back || back > p->code_count) return; /* a handler was called by nobody */
        pc = back - 1;
        const isa_function *caller = debug_function(p, pc);
        base += 1 + (caller ? caller->frame_words : 0);
    }
}

static void say_task(debug *g, const wse_core_view *v) {
    if (v->task == ISA_TASK_COMMAND) debug_say(g, "launched function");
    else debug_say(g, "task %u", v->task);
}

void debug_show_where(debug *g) {
    static const char *const doing[] = {"", "", ", in a vector operation", ", stopped by a fault"};
    wse_core_view v;
    strbuf vectors = {0};
    wse_debug_core(g->m, g->pe, &v);
    debug_say(g, "PE(%u,%u) cycle %llu: ", x_of(g, g->pe), y_of(g, g->pe), (unsigned long long)wse_cycle(g->m));
    if (v.state == WSE_CORE_IDLE) debug_say(g, "idle\n");
    else {
        say_task(g, &v);
        debug_say(g, "%s%s\n", doing[v.state], v.stalled ? ", waits in @map" : "");
        say_chain(g, &v);
    }
    wse_debug_vectors(g->m, g->pe, &vectors);
    debug_say(g, "%s", vectors.data ? vectors.data : "");
    strbuf_free(&vectors);
}

/* ---- sources, code, memory ---- */

void debug_show_list(debug *g, const char *text) {
    uint64_t line = 0;
    const char *colon = strrchr(text, ':'), *at = colon ? colon + 1 : text;
    if (colon) {
        int source = debug_find_source(g, text, (size_t)(colon - text));
        if (source < 0) return;
        g->list_source = (uint32_t)source;
    }
    if (debug_parse_number(&at, &line)) g->list_line = line > INT32_MAX ? INT32_MAX : (uint32_t)line;
    else if (*text) {
        diag_error(g->d, "'%s' is no line: list, list LINE or list FILE:LINE", text);
        return;
    }
    if (g->list_source >= g->image->source_count || !debug_source(g, g->list_source).n) {
        diag_error(g->d, "the source %s cannot be read here; start where it was compiled",
                   g->list_source < g->image->source_count ? g->image->sources[g->list_source] : "");
        return;
    }
    wse_core_view v;
    wse_debug_core(g->m, g->pe, &v);
    const isa_line *l = v.state == WSE_CORE_IDLE ? NULL : debug_line_of(debug_program(g, g->pe), v.at);
    uint32_t first = g->list_line > LIST_LINES / 2 ? g->list_line - LIST_LINES / 2 : 1;
    for (uint32_t k = first; k < first + LIST_LINES; k++)
        say_line(g, g->list_source, k, l && l->source == g->list_source && l->line == k);
    g->list_line = first + LIST_LINES + LIST_LINES / 2;
}

void debug_show_code(debug *g) {
    wse_core_view v;
    wse_debug_core(g->m, g->pe, &v);
    const isa_program *p = debug_program(g, g->pe);
    uint32_t first = v.pc > LIST_LINES / 2 ? v.pc - LIST_LINES / 2 : 0;
    strbuf text = {0};
    for (uint32_t pc = first; pc < p->code_count && pc < first + LIST_LINES; pc++) {
        strbuf_addf(&text, "%s%5u  ", pc == v.pc && v.state != WSE_CORE_IDLE ? "->" : "  ", pc);
        isa_disassemble(p, pc, &text);
        strbuf_addc(&text, '\n');
    }
    debug_say(g, "%s", text.data ? text.data : "");
    strbuf_free(&text);
}

void debug_show_memory(debug *g, const char *text) {
    uint64_t word = 0, count = 32;
    const char *at = text;
    debug_value v;
    if (isdigit((unsigned char)*at)) debug_parse_number(&at, &word);
    else if (debug_find_value(g, g->pe, text, &v)) {
        word = v.word;
        at = text + strcspn(text, " ");
    } else return;
    debug_parse_number(&at, &count);
    if (word >= ISA_SRAM_WORDS || count > MEMORY_MAX) {
        diag_error(g->d, "x WORD [COUNT]: words 0 to %d, at most %d of them", ISA_SRAM_WORDS - 1, MEMORY_MAX);
        return;
    }
    for (uint64_t i = 0; i < count && word + i < ISA_SRAM_WORDS; i++) {
        if (i % MEMORY_ROW == 0) debug_say(g, "%s%5llu:", i ? "\n" : "", (unsigned long long)(word + i));
        debug_say(g, " %04x", debug_words(g, g->pe)[word + i]);
    }
    debug_say(g, "\n");
}

/* ---- values ---- */

static bool show_register(debug *g, const char *name) {
    wse_core_view v;
    const char *at = name + 1;
    uint64_t n;
    wse_debug_core(g->m, g->pe, &v);
    if (!strcmp(name, "pc")) debug_say(g, "pc = %u\n", v.pc);
    else if (!strcmp(name, "sp")) debug_say(g, "sp = %u\n", v.sp);
    else if (*name == 'r' && debug_parse_number(&at, &n) && n < ISA_REGS && !*at)
        debug_say(g, "%s = 0x%08x (%d)\n", name, v.r[n], (int)v.r[n]);
    else return diag_error(g->d, "registers are $r0 to $r15, $sp and $pc");
    return true;
}

void debug_show_value(debug *g, char *text, bool hex) {
    debug_rect r;
    if (*text == '$') {
        show_register(g, text + 1);
        return;
    }
    if (!debug_cut_rect(g, text, true, &r)) return;
    bool many = r.x0 != r.x1 || r.y0 != r.y1;
    for (uint32_t y = r.y0; y <= r.y1; y++)
        for (uint32_t x = r.x0; x <= r.x1; x++) {
            strbuf out = {0};
            debug_value v;
            if (!debug_find_value(g, y * g->image->width + x, text, &v)) return;
            debug_value_text(g, &v, debug_words(g, v.pe) + v.word, hex, &out);
            if (many) debug_say(g, "PE(%u,%u) ", x, y);
            debug_say(g, "%s = %s\n", text, out.data ? out.data : "");
            strbuf_free(&out);
        }
}

void debug_show_waits(debug *g, char *text) {
    strbuf out = {0};
    debug_rect r;
    bool some = *text;
    if (some && !debug_cut_rect(g, text, true, &r)) return;
    if (!some) wse_explain_waits(g->m, &out);
    for (uint32_t y = r.y0; some && y <= r.y1; y++)
        for (uint32_t x = r.x0; x <= r.x1; x++) wse_debug_waits(g->m, y * g->image->width + x, &out);
    debug_say(g, "%s", out.len ? out.data : "nothing waits\n");
    strbuf_free(&out);
}

/* ---- info ---- */

static bool any_left(const wse_core_view *v) { return v->state != WSE_CORE_IDLE || v->microthreads || v->pending; }

static void info_pes(debug *g, const char *rest) {
    uint32_t idle = 0, shown = 0, more = 0, pes = g->image->width * g->image->height;
    (void)rest;
    for (uint32_t pe = 0; pe < pes; pe++) {
        wse_core_view v;
        strbuf place = {0};
        wse_debug_core(g->m, pe, &v);
        idle += !any_left(&v);
        if (!any_left(&v) || shown++ >= PES_SHOWN) {
            more += any_left(&v);
            continue;
        }
        debug_say(g, "%sPE(%u,%u) ", pe == g->pe ? "* " : "  ", x_of(g, pe), y_of(g, pe));
        if (v.state == WSE_CORE_IDLE) debug_say(g, v.pending ? "a launch is on its way" : "idle");
        else {
            say_task(g, &v);
            debug_place_text(g, pe, v.at, &place);
            debug_say(g, " %s: %s",
                      v.state == WSE_CORE_IN_VECTOR ? "in a vector operation"
                      : v.stalled                   ? "waits"
                                                    : "runs",
                      place.data ? place.data : "");
        }
        if (v.microthreads)
            debug_say(g, ", %d microthread%s", __builtin_popcount(v.microthreads),
                      v.microthreads & (v.microthreads - 1) ? "s" : "");
        debug_say(g, "\n");
        strbuf_free(&place);
    }
    if (more) debug_say(g, "  and %u more\n", more);
    debug_say(g, "%u of %u PEs idle\n", idle, pes);
}

static void info_registers(debug *g, const char *rest) {
    wse_core_view v;
    (void)rest;
    wse_debug_core(g->m, g->pe, &v);
    for (uint32_t i = 0; i < ISA_REGS; i++)
        debug_say(g, "%sr%-2u %08x", i % 4 ? "  " : "", i, v.r[i]), debug_say(g, i % 4 == 3 ? "\n" : "");
    debug_say(g, "pc %u, sp %u, next instruction at cycle %llu, %llu tasks begun\n", v.pc, v.sp,
              (unsigned long long)v.time, (unsigned long long)v.tasks);
}

static void info_tasks(debug *g, const char *rest) {
    static const char *const kinds[] = {"",        "local",          "data",          "local, data",
                                        "control", "local, control", "data, control", "local, data, control"};
    const isa_program *p = debug_program(g, g->pe);
    wse_core_view v;
    (void)rest;
    wse_debug_core(g->m, g->pe, &v);
    for (uint32_t id = 0; id < ISA_TASKS; id++) {
        if (!p->tasks[id].kinds) continue;
        strbuf place = {0};
        debug_place_text(g, g->pe, p->tasks[id].entry, &place);
        debug_say(g, "%2u  %s: %s%s%s%s\n", id, place.data ? place.data : "", kinds[p->tasks[id].kinds & 7],
                  v.active >> id & 1 ? ", activated" : "", v.blocked >> id & 1 ? ", blocked" : "",
                  v.state != WSE_CORE_IDLE && v.task == id ? ", runs" : "");
        strbuf_free(&place);
    }
    if (v.pending) debug_say(g, "28  a launch is on its way or waits\n");
    if (v.blocked >> ISA_TASK_COMMAND & 1) debug_say(g, "28  the command stream is blocked\n");
}

static void info_symbols(debug *g, const char *rest) {
    const isa_program *p = debug_program(g, g->pe);
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        const isa_symbol *s = &p->symbols[i];
        if (s->kind != ISA_SYM_DATA || (*rest && !strstr(s->name, rest))) continue;
        if (s->type && *s->type) debug_say(g, "word %5u  %s: %s\n", s->word, s->name, s->type);
        else debug_say(g, "word %5u  %s: exported %s\n", s->word, s->name, s->is_pointer ? "pointer" : "variable");
    }
}

static void info_functions(debug *g, const char *rest) {
    const isa_program *p = debug_program(g, g->pe);
    for (uint32_t i = 0; i < p->function_count; i++) {
        const isa_function *f = &p->functions[i];
        const isa_line *l = debug_line_of(p, f->first);
        if (*rest && !strstr(f->name, rest)) continue;
        debug_say(g, "instruction %5u  %s", f->first, *f->name ? f->name : "(no name)");
        if (l && l->source < g->image->source_count)
            debug_say(g, " (%s:%u)", file_name(g->image->sources[l->source]), l->line);
        debug_say(g, "%s\n", f->is_task ? ", task" : "");
    }
}

static void info_sources(debug *g, const char *rest) {
    (void)rest;
    for (uint32_t i = 0; i < g->image->source_count; i++) debug_say(g, "%s\n", g->image->sources[i]);
}

typedef void text_of_pe(const wse *m, uint32_t pe, strbuf *out);

static void say_text(debug *g, text_of_pe *of, const char *none) {
    strbuf out = {0};
    of(g->m, g->pe, &out);
    debug_say(g, "%s", out.len ? out.data : none);
    strbuf_free(&out);
}

static void info_dsrs(debug *g, const char *rest) { (void)rest, say_text(g, wse_debug_dsrs, "no DSR is loaded\n"); }
static void info_vectors(debug *g, const char *rest) {
    (void)rest, say_text(g, wse_debug_vectors, "no vector operation is in flight\n");
}
static void info_queues(debug *g, const char *rest) {
    (void)rest, say_text(g, wse_debug_queues, "no queue is bound or in use\n");
}

static void info_router(debug *g, const char *rest) {
    strbuf out = {0};
    uint64_t color = 0;
    bool one = debug_parse_number(&rest, &color);
    wse_debug_router(g->m, g->pe, one ? (int)(color > 255 ? 255 : color) : -1, &out);
    debug_say(g, "%s",
              out.len ? out.data
              : one   ? "the router has no route for this color\n"
                      : "the router has no routes\n");
    strbuf_free(&out);
}

static void info_colors(debug *g, const char *rest) {
    (void)rest;
    for (uint32_t i = 0; i < g->image->color_count; i++)
        debug_say(g, "%s = %lld\n", g->image->colors[i].name, (long long)g->image->colors[i].value);
    for (uint32_t i = 0; i < g->image->param_count; i++)
        debug_say(g, "%s = %lld\n", g->image->params[i].name, (long long)g->image->params[i].value);
}

static void info_counters(debug *g, const char *rest) {
    wse_counters n;
    (void)rest;
    wse_counters_of(g->m, g->pe, &n);
#define COUNTER(name, meaning) debug_say(g, "%12llu  %s\n", (unsigned long long)n.name, meaning);
#include "wse/counters.def"
#undef COUNTER
}

static void info_break(debug *g, const char *rest) { (void)rest, debug_stops_show(g); }

static const struct {
    const char *name;
    void (*show)(debug *g, const char *rest);
} infos[] = {
    {"break", info_break},     {"colors", info_colors},       {"counters", info_counters},
    {"dsrs", info_dsrs},       {"functions", info_functions}, {"pes", info_pes},
    {"queues", info_queues},   {"registers", info_registers}, {"router", info_router},
    {"sources", info_sources}, {"symbols", info_symbols},     {"tasks", info_tasks},
    {"vectors", info_vectors},
};

bool debug_show_info(debug *g, const char *what, const char *rest) {
    size_t n = strlen(what);
    for (size_t i = 0; i < sizeof infos / sizeof *infos && n; i++)
        if (!strncmp(infos[i].name, what, n)) return infos[i].show(g, rest), true;
    strbuf all = {0};
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) strbuf_addf(&all, "%s%s", i ? ", " : "", infos[i].name);
    diag_error(g->d, "info shows %s", all.data ? all.data : "");
    strbuf_free(&all);
    return false;
}
