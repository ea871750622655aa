/* The debugger's life and the loop that reads commands. */
#include "debug/internal.h"
#include "base/mem.h"
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

void debug_say(debug *g, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfprintf(g->o.out, fmt, ap);
    va_end(ap);
}

static bool make(debug *g, wse *m, diag *d) {
    g->d = diag_new();
    g->sources = arena_new(0);
    g->text = mem_alloc_n((size_t)g->image->source_count + 1, sizeof *g->text);
    if (!g->d || !g->sources || !g->text) return diag_oom(d, "debugger");
    return wse_debug_attach(m,
                            &(wse_debugger){.context = g,
                                            .run = debug_at_run,
                                            .instruction = debug_at_instruction,
                                            .cycle = debug_at_cycle,
                                            .cycle_done = debug_at_cycle_done},
                            d);
}

debug *debug_new(const debug_options *o, wse *m, const isa_image *image, diag *d) {
    debug *g = mem_alloc(sizeof *g);
    if (!g) {
        diag_oom(d, "debugger");
        return NULL;
    }
    *g = (debug){.o = *o, .m = m, .image = image, .next_id = 1, .at = WSE_FOREVER};
    if (make(g, m, d)) return g;
    debug_free(g);
    return NULL;
}

void debug_free(debug *g) {
    if (!g) return;
    debug_stops_free(g);
    strbuf_free(&g->line);
    strbuf_free(&g->said);
    strbuf_free(&g->last);
    mem_free(g->text);
    arena_free(g->sources);
    diag_free(g->d);
    mem_free(g);
}

/* One line, byte by byte: what comes behind it may be for somebody else. false: no more commands. */
static bool read_line(debug *g) {
    char c = 0;
    strbuf_clear(&g->line);
    for (;;) {
        ssize_t n = read(g->o.in, &c, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return g->line.len > 0;
        if (c == '\n') break;
        if (c != '\r' && c && g->line.len < LINE_BYTES) strbuf_addc(&g->line, c);
    }
    return !g->line.oom;
}

/* An empty line in a terminal repeats the last command. */
static const char *next_command(debug *g) {
    bool terminal = isatty(g->o.in);
    debug_say(g, "(ingot) ");
    fflush(g->o.out);
    if (!read_line(g)) return NULL;
    const char *line = g->line.data ? g->line.data : "";
    if (!terminal) debug_say(g, "%s\n", line);
    if (terminal && !*line && g->last.data) return g->last.data;
    strbuf_clear(&g->last);
    strbuf_adds(&g->last, line);
    return line;
}

static void run_command(debug *g, const char *line) {
    strbuf copy = {0};
    strbuf_adds(&copy, line);
    diag_clear(g->d);
    if (copy.data && !copy.oom) debug_command(g, copy.data);
    if (!g->quit) debug_say(g, "%s", diag_text(g->d));
    strbuf_free(&copy);
}

static void detach(debug *g) {
    g->detached = g->resume = true;
    debug_say(g, "\nno more commands: the program runs on\n");
}

void debug_prompt(debug *g) {
    g->resume = false;
    while (!g->resume && !g->detached && !g->quit) {
        const char *line = next_command(g);
        if (!line) detach(g);
        else run_command(g, line);
    }
    fflush(g->o.out);
    if (g->quit && g->inside) wse_debug_end(g->m, "ended by the debugger");
    else if (!g->dead && !g->ended) debug_marks(g);
}

/* ---- called by who runs the program ---- */

void debug_begin(debug *g, host *h) {
    const isa_program *p = debug_program(g, 0);
    g->host = h;
    for (uint32_t i = 0; i < g->image->source_count; i++)
        if (!strcmp(g->image->sources[i], p->name)) g->list_source = i;
    debug_say(g, "%u x %u PEs of WSE-%d, %u program%s; nothing has run yet, `help` lists the commands\n",
              g->image->width, g->image->height, (int)g->image->arch, g->image->program_count,
              g->image->program_count == 1 ? "" : "s");
    debug_prompt(g);
}

void debug_failed(void *context, const char *why) {
    debug *g = context;
    g->dead = true;
    if (g->detached || g->quit || g->o.alone) return; /* alone: the command tells */
    debug_say(g, "%s%s", why, *why && why[strlen(why) - 1] == '\n' ? "" : "\n");
    debug_prompt(g);
}

void debug_ended(debug *g) {
    if (g->detached || g->quit || g->dead) return;
    g->ended = true;
    debug_say(g, "the program has ended at cycle %llu\n", (unsigned long long)wse_cycle(g->m));
    debug_prompt(g);
}
