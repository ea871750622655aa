/* The table of commands, and those that are short. */
#include "debug/internal.h"
#include "isa/routes.h"
#include <ctype.h>
#include <stdlib.h>

enum { ARGS_MAX = 16 };

typedef struct {
    const char *name, *alias, *usage, *what;
    void (*run)(debug *g, char *rest);
} command;
static const command *table(void);

static char *blanks(char *s) {
    while (isspace((unsigned char)*s)) s++;
    return s;
}

/* ---- going on ---- */

/* Behind its end a program is left to its host script. */
static bool can_go(debug *g) {
    bool over = g->dead || g->ended;
    if (over && g->o.alone) return diag_error(g->d, "the program has failed and cannot go on; quit, or look around");
    if (over) g->resume = true;
    return !over;
}

/* Alone and with nothing under way, going on means: until nothing moves. */
static void go(debug *g, debug_going how, uint32_t steps) {
    if (!can_go(g)) return;
    debug_go(g, how, steps);
    if (!g->o.alone || g->inside) return;
    debug_marks(g);
    bool ok = host_stop(g->host, g->d);
    g->resume = false;
    g->going = GO_ON;
    g->at = WSE_FOREVER;
    if (ok && !g->quit) debug_say(g, "nothing moves any more at cycle %llu\n", (unsigned long long)wse_cycle(g->m));
}

static uint32_t count_of(const char *rest) {
    uint64_t n = 1;
    debug_parse_number(&rest, &n);
    return n ? n > UINT32_MAX ? UINT32_MAX : (uint32_t)n : 1;
}

static void do_continue(debug *g, char *rest) { (void)rest, go(g, GO_ON, 0); }
static void do_step(debug *g, char *rest) { go(g, GO_STEP, count_of(rest)); }
static void do_next(debug *g, char *rest) { go(g, GO_NEXT, count_of(rest)); }
static void do_stepi(debug *g, char *rest) { go(g, GO_STEPI, count_of(rest)); }
static void do_finish(debug *g, char *rest) { (void)rest, go(g, GO_FINISH, 1); }

static void do_cycle(debug *g, char *rest) {
    uint64_t n, now = wse_cycle(g->m);
    bool more = *rest == '+';
    const char *at = rest + more;
    if (!*rest) {
        debug_say(g, "cycle %llu\n", (unsigned long long)now);
        return;
    }
    if (!debug_parse_number(&at, &n) || *at) {
        diag_error(g->d, "cycle N runs to cycle N, cycle +N lets N cycles pass");
        return;
    }
    if (more) n = n > WSE_FOREVER / 2 ? WSE_FOREVER / 2 : now + n;
    if (n <= now) {
        diag_error(g->d, "it is cycle %llu already", (unsigned long long)now);
        return;
    }
    g->at = n;
    go(g, GO_ON, 0);
}

/* On this PE, once. */
static void do_until(debug *g, char *rest) {
    char text[256];
    uint32_t w = g->image->width;
    if (!*rest || strlen(rest) > 200) {
        diag_error(g->d, "until FILE:LINE, LINE or NAME");
        return;
    }
    snprintf(text, sizeof text, "%s at %u,%u", rest, g->pe % w, g->pe / w);
    if (can_go(g) && debug_break_add(g, text, true)) go(g, GO_ON, 0);
}

/* ---- stops ---- */

static void do_break(debug *g, char *rest) {
    if (*rest) debug_break_add(g, rest, false);
    else debug_stops_show(g);
}
static void do_tbreak(debug *g, char *rest) { debug_break_add(g, rest, true); }
static void do_watch(debug *g, char *rest) { debug_watch_add(g, rest); }
static void do_delete(debug *g, char *rest) { debug_stop_delete(g, rest); }
static void do_disable(debug *g, char *rest) { debug_stop_able(g, rest, false); }
static void do_enable(debug *g, char *rest) { debug_stop_able(g, rest, true); }

/* ---- looking ---- */

static void do_pe(debug *g, char *rest) {
    debug_rect r;
    if (*rest && !debug_parse_rect(g, rest, &r)) return;
    if (*rest) g->pe = r.y0 * g->image->width + r.x0;
    debug_show_where(g);
    debug_show_here(g);
}
static void do_where(debug *g, char *rest) { (void)rest, debug_show_where(g); }
static void do_list(debug *g, char *rest) { debug_show_list(g, rest); }
static void do_print(debug *g, char *rest) {
    bool hex = rest[0] == '/' && rest[1] == 'x';
    debug_show_value(g, blanks(hex ? rest + 2 : rest), hex);
}
static void do_x(debug *g, char *rest) { debug_show_memory(g, rest); }
static void do_code(debug *g, char *rest) { (void)rest, debug_show_code(g); }
static void do_waits(debug *g, char *rest) { debug_show_waits(g, rest); }
static void do_routes(debug *g, char *rest) {
    (void)rest;
    isa_check_routes(g->image, g->d);
    if (!*diag_text(g->d)) debug_say(g, "no mistake in the routes is known\n");
}
static void do_info(debug *g, char *rest) {
    char *what = rest;
    while (*rest && !isspace((unsigned char)*rest)) rest++;
    if (*rest) *rest++ = 0;
    debug_show_info(g, what, blanks(rest));
}

static void do_set(debug *g, char *rest) {
    debug_value v;
    char *equals = strchr(rest, '='), *end = equals;
    if (!equals) {
        diag_error(g->d, "set NAME = VALUE");
        return;
    }
    while (end > rest && isspace((unsigned char)end[-1])) end--;
    *end = 0;
    if (debug_find_value(g, g->pe, rest, &v)) debug_set_value(g, &v, blanks(equals + 1));
}

/* ---- the host's part, when there is no script ---- */

static bool argument(debug *g, const char *text, host_arg *out) {
    char *end;
    *out = (host_arg){.kind = HOST_ARG_WHOLE};
    if (!strcmp(text, "true") || !strcmp(text, "false")) {
        *out = (host_arg){.kind = HOST_ARG_BOOL, .whole = *text == 't'};
        return true;
    }
    out->whole = strtoll(text, &end, 0);
    if (!*end) return true;
    out->kind = HOST_ARG_REAL;
    out->real = strtod(text, &end);
    return !*end || diag_error(g->d, "'%s' is no number", text);
}

static void launched(debug *g, const char *name, uint32_t task, uint64_t begin) {
    bool done = false;
    host_task facts;
    strbuf text = {0};
    if (host_task_facts(g->host, task, &facts, &text)) done = !facts.open;
    strbuf_free(&text);
    if (g->quit) return;
    debug_say(g, "%s %s at cycle %llu, %llu cycles\n", name,
              done ? "is done" : "has not ended, and nothing moves (`waits`)", (unsigned long long)wse_cycle(g->m),
              (unsigned long long)(wse_cycle(g->m) - begin));
}

static void do_launch(debug *g, char *rest) {
    host_arg args[ARGS_MAX];
    uint32_t count = 0, task;
    char *save = NULL, *name = strtok_r(rest, " \t(),", &save), *word;
    if (!g->o.alone || g->inside) {
        diag_error(g->d, g->inside ? "a function is under way: continue first" : "the host script launches");
        return;
    }
    if (!name) {
        diag_error(g->d, "launch FUNCTION [ARGUMENT ...]");
        return;
    }
    while (count < ARGS_MAX && (word = strtok_r(NULL, " \t(),", &save)))
        if (!argument(g, word, &args[count++])) return;
    uint64_t begin = wse_cycle(g->m);
    g->going = GO_ON;
    debug_marks(g);
    bool ok = can_go(g) && host_launch(g->host, name, args, count, &task, g->d) && host_wait(g->host, task, g->d);
    g->resume = false;
    if (ok) launched(g, name, task, begin);
}

/* ---- ends, help ---- */

static void do_detach(debug *g, char *rest) {
    (void)rest;
    g->detached = g->resume = true;
}

static void do_quit(debug *g, char *rest) {
    (void)rest;
    g->quit = g->resume = true;
    fflush(g->o.out);
    if (g->o.quit && !g->ended) g->o.quit();
}

static void do_help(debug *g, char *rest) {
    for (const command *c = table(); c->name; c++) {
        char usage[64];
        if (*rest && strcmp(rest, c->name) && strcmp(rest, c->alias)) continue;
        snprintf(usage, sizeof usage, "%s%s%s", c->name, *c->usage ? " " : "", c->usage);
        debug_say(g, "%-28s %-5s %s\n", usage, c->alias, c->what);
    }
}

static const command commands[] = {
    {"run", "r", "", "go on (the first time: begin)", do_continue},
    {"continue", "c", "", "go on to the next stop", do_continue},
    {"step", "s", "[N]", "this PE to its next source line, into functions and tasks", do_step},
    {"next", "n", "[N]", "this PE to its next source line, over functions", do_next},
    {"stepi", "si", "[N]", "this PE by one instruction", do_stepi},
    {"finish", "fin", "", "until this function or task is over", do_finish},
    {"until", "u", "PLACE", "this PE to a place", do_until},
    {"cycle", "cy", "[N | +N]", "all PEs to a cycle", do_cycle},
    {"launch", "l", "FUNCTION [ARG ...]", "without a host script: launch on all PEs and wait", do_launch},
    {"break", "b", "[PLACE] [at PES]", "stop there: FILE:LINE, LINE, NAME, task ID, *INSTRUCTION; none: any task",
     do_break},
    {"tbreak", "tb", "PLACE [at PES]", "the same, once", do_tbreak},
    {"watch", "w", "VALUE [at X,Y]", "stop when it changes", do_watch},
    {"delete", "d", "N | all", "forget a breakpoint or watchpoint", do_delete},
    {"disable", "dis", "N", "do not stop there", do_disable},
    {"enable", "en", "N", "stop there again", do_enable},
    {"pe", "", "[X,Y]", "the PE that commands mean", do_pe},
    {"where", "bt", "", "what the PE is doing, and who called", do_where},
    {"list", "li", "[LINE | FILE:LINE]", "the source", do_list},
    {"print", "p", "[/x] VALUE [at PES]", "a variable or a part: v, v[3], m[1, 2], s.field; a register: $r3", do_print},
    {"set", "", "VALUE = NUMBER", "change a variable of the PE", do_set},
    {"x", "", "WORD | VALUE [COUNT]", "memory, in words", do_x},
    {"code", "dc", "", "instructions around the next one", do_code},
    {"waits", "wa", "[at PES]", "who waits for what", do_waits},
    {"routes", "", "", "mistakes of the routes, as cslc tells them", do_routes},
    {"info", "i", "WHAT",
     "break colors counters dsrs functions pes queues registers router [COLOR] sources symbols tasks vectors", do_info},
    {"detach", "det", "", "let the program run on without the debugger", do_detach},
    {"quit", "q", "", "end the program", do_quit},
    {"help", "h", "[COMMAND]", "this list", do_help},
    {0},
};

static const command *table(void) { return commands; }

bool debug_command(debug *g, char *line) {
    char *name = blanks(line), *rest = name, *end = strchr(name, 0);
    while (end > name && isspace((unsigned char)end[-1])) *--end = 0;
    if (!*name || *name == '#') return true;
    while (isalpha((unsigned char)*rest)) rest++;
    char after = *rest;
    for (const command *c = commands; c->name; c++) {
        size_t n = (size_t)(rest - name);
        bool same = (strlen(c->name) == n && !strncmp(c->name, name, n)) ||
                    (n && strlen(c->alias) == n && !strncmp(c->alias, name, n));
        if (!same) continue;
        if (after && !isspace((unsigned char)after) && after != '/' && after != '*') break;
        c->run(g, blanks(rest));
        return true;
    }
    diag_error(g->d, "no command '%s'; `help` lists them", name);
    return false;
}
