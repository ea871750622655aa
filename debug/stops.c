/* Breakpoints, watchpoints, steps: where the machine is to ask, and whether to stop when it does. */
#include "debug/internal.h"
#include "base/mem.h"
#include <ctype.h>
#include <stdlib.h>

enum { WATCHED_WORDS_MAX = 4096, STOPS_MAX = 1000 };

static uint32_t x_of(const debug *g, uint32_t pe) { return pe % g->image->width; }
static uint32_t y_of(const debug *g, uint32_t pe) { return pe / g->image->width; }

/* ---- the lists ---- */

static void *one_more(debug *g, void *rows, uint32_t count, size_t bytes) {
    void *more = count < STOPS_MAX ? mem_resize(rows, (count + 1) * bytes) : NULL;
    if (!more) diag_error(g->d, count < STOPS_MAX ? "out of memory" : "there are 1000 already; delete some");
    return more;
}

static char *copy_text(const char *s) {
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc(n);
    if (copy) memcpy(copy, s, n);
    return copy;
}

static void say_rect(debug *g, const debug_rect *r) {
    if (r->x0 == r->x1 && r->y0 == r->y1) debug_say(g, " at %u,%u", r->x0, r->y0);
    else if (r->x0 || r->y0 || r->x1 + 1 != g->image->width || r->y1 + 1 != g->image->height)
        debug_say(g, " at %u..%u,%u..%u", r->x0, r->x1, r->y0, r->y1);
}

bool debug_break_add(debug *g, const char *text, bool temporary) {
    debug_break b = {.temporary = temporary, .text = copy_text(text)};
    if (!b.text) return diag_oom(g->d, "breakpoint");
    bool ok = debug_cut_rect(g, b.text, false, &b.where) && debug_parse_spots(g, b.text, &b.spots, &b.count);
    debug_break *rows = ok ? one_more(g, g->breaks, g->break_count, sizeof *rows) : NULL;
    if (!rows) {
        mem_free(b.spots);
        mem_free(b.text);
        return false;
    }
    g->breaks = rows;
    b.id = g->next_id++;
    rows[g->break_count++] = b;
    debug_say(g, "breakpoint %u: %s", b.id, *b.text ? b.text : "any task");
    say_rect(g, &b.where);
    debug_say(g, ", %u place%s\n", b.count, b.count == 1 ? "" : "s");
    return true;
}

bool debug_watch_add(debug *g, const char *text) {
    debug_rect r;
    debug_value v;
    debug_watch w = {.text = copy_text(text), .issued = UINT64_MAX};
    if (!w.text) return diag_oom(g->d, "watchpoint");
    bool ok = debug_cut_rect(g, w.text, true, &r) && debug_find_value(g, r.y0 * g->image->width + r.x0, w.text, &v);
    if (ok && (v.word + debug_type_words(v.type ? v.type : v.own) > ISA_SRAM_WORDS ||
               debug_type_words(v.type ? v.type : v.own) > WATCHED_WORDS_MAX))
        ok = diag_error(g->d, "watchpoints hold at most %d words; name an element", WATCHED_WORDS_MAX);
    if (ok) w.pe = v.pe, w.word = v.word, w.words = debug_type_words(v.type ? v.type : v.own);
    w.old = ok ? mem_alloc_n(w.words + 1, sizeof *w.old) : NULL;
    if (ok && !w.old) ok = diag_oom(g->d, "watchpoint");
    debug_watch *rows = ok ? one_more(g, g->watches, g->watch_count, sizeof *rows) : NULL;
    if (!rows) {
        mem_free(w.old);
        mem_free(w.text);
        return false;
    }
    memcpy(w.old, debug_words(g, w.pe) + w.word, w.words * sizeof *w.old);
    g->watches = rows;
    w.id = g->next_id++;
    rows[g->watch_count++] = w;
    debug_say(g, "watchpoint %u: %s of PE(%u,%u), %u word%s\n", w.id, w.text, r.x0, r.y0, w.words,
              w.words == 1 ? "" : "s");
    return true;
}

static void delete_break(debug *g, uint32_t i) {
    mem_free(g->breaks[i].spots);
    mem_free(g->breaks[i].text);
    memmove(&g->breaks[i], &g->breaks[i + 1], (--g->break_count - i) * sizeof *g->breaks);
}

static void delete_watch(debug *g, uint32_t i) {
    mem_free(g->watches[i].old);
    mem_free(g->watches[i].text);
    memmove(&g->watches[i], &g->watches[i + 1], (--g->watch_count - i) * sizeof *g->watches);
}

static void delete_all(debug *g) {
    while (g->break_count) delete_break(g, g->break_count - 1);
    while (g->watch_count) delete_watch(g, g->watch_count - 1);
}

void debug_stops_free(debug *g) {
    delete_all(g);
    mem_free(g->breaks);
    mem_free(g->watches);
}

bool debug_stop_delete(debug *g, const char *what) {
    uint64_t id = 0;
    const char *at = what;
    if (!strcmp(what, "all")) return delete_all(g), true;
    debug_parse_number(&at, &id);
    for (uint32_t i = 0; i < g->break_count; i++)
        if (g->breaks[i].id == id) return delete_break(g, i), true;
    for (uint32_t i = 0; i < g->watch_count; i++)
        if (g->watches[i].id == id) return delete_watch(g, i), true;
    return diag_error(g->d, "no breakpoint or watchpoint '%s'; `info break` lists them", what);
}

bool debug_stop_able(debug *g, const char *what, bool on) {
    uint64_t id = 0;
    const char *at = what;
    debug_parse_number(&at, &id);
    for (uint32_t i = 0; i < g->break_count; i++)
        if (g->breaks[i].id == id) return g->breaks[i].disabled = !on, true;
    return diag_error(g->d, "no breakpoint '%s'; `info break` lists them", what);
}

void debug_stops_show(debug *g) {
    if (!g->break_count && !g->watch_count) debug_say(g, "no breakpoints\n");
    for (uint32_t i = 0; i < g->break_count; i++) {
        const debug_break *b = &g->breaks[i];
        debug_say(g, "%u  break %s", b->id, *b->text ? b->text : "any task");
        say_rect(g, &b->where);
        debug_say(g, "%s, %llu hit%s\n", b->disabled ? ", disabled" : "", (unsigned long long)b->hits,
                  b->hits == 1 ? "" : "s");
    }
    for (uint32_t i = 0; i < g->watch_count; i++)
        debug_say(g, "%u  watch %s at %u,%u\n", g->watches[i].id, g->watches[i].text, x_of(g, g->watches[i].pe),
                  y_of(g, g->watches[i].pe));
}

/* ---- telling the machine ---- */

void debug_marks(debug *g) {
    for (uint32_t i = 0; i < g->image->program_count; i++)
        for (uint32_t pc = 0; pc < g->image->programs[i].code_count; pc++) wse_debug_mark(g->m, i, pc, false);
    for (uint32_t pe = 0; pe < g->image->width * g->image->height; pe++) wse_debug_every(g->m, pe, false);
    wse_debug_at(g->m, g->detached ? WSE_FOREVER : g->at);
    wse_debug_each_cycle(g->m, g->watch_count && !g->detached);
    if (g->detached) return;
    for (uint32_t i = 0; i < g->break_count; i++)
        for (uint32_t k = 0; k < g->breaks[i].count && !g->breaks[i].disabled; k++)
            wse_debug_mark(g->m, g->breaks[i].spots[k].program, g->breaks[i].spots[k].pc, true);
    for (uint32_t i = 0; i < g->watch_count; i++) wse_debug_every(g->m, g->watches[i].pe, true);
    if (g->going != GO_ON) wse_debug_every(g->m, g->step_pe, true);
}

void debug_go(debug *g, debug_going how, uint32_t steps) {
    g->resume = true;
    g->going = how;
    g->step_pe = g->pe;
    g->steps_left = steps;
    g->from = debug_here(g, g->pe);
    g->skip = g->from.runs && !(g->inside && g->at_instruction && g->stopped_pe == g->pe);
}

/* ---- being asked ---- */

/* Whatever made it stop has been said. */
static void stop(debug *g, uint32_t pe, bool at_instruction) {
    g->pe = g->stopped_pe = pe;
    g->at_instruction = at_instruction;
    g->inside = true;
    g->going = GO_ON;
    g->at = WSE_FOREVER;
    debug_show_here(g);
    debug_prompt(g);
    g->inside = false;
}

static void say_place(debug *g, uint32_t pe, uint32_t pc) {
    strbuf text = {0};
    wse_core_view v;
    wse_debug_core(g->m, pe, &v);
    if (v.state == WSE_CORE_IDLE) strbuf_adds(&text, "idle");
    else debug_place_text(g, pe, pc, &text);
    debug_say(g, "PE(%u,%u) cycle %llu: %s\n", x_of(g, pe), y_of(g, pe), (unsigned long long)wse_cycle(g->m),
              text.data ? text.data : "");
    strbuf_free(&text);
}

static bool say_watch(debug *g, debug_watch *w, const char *who) {
    uint16_t *now = debug_words(g, w->pe) + w->word;
    debug_value v;
    strbuf text = {0};
    if (!memcmp(w->old, now, w->words * sizeof *now)) return false;
    debug_say(g, "watchpoint %u: %s of PE(%u,%u) was changed by %s\n", w->id, w->text, x_of(g, w->pe), y_of(g, w->pe),
              who);
    if (debug_find_value(g, w->pe, w->text, &v)) {
        strbuf_adds(&text, "  old ");
        debug_value_text(g, &v, w->old, false, &text);
        strbuf_adds(&text, "\n  new ");
        debug_value_text(g, &v, now, false, &text);
        debug_say(g, "%s\n", text.data ? text.data : "");
    }
    strbuf_free(&text);
    memcpy(w->old, now, w->words * sizeof *now);
    return true;
}

/* The main thread when it has just executed something that writes, else the microthread that moved last. */
static bool check_watch(debug *g, debug_watch *w) {
    wse_core_view v;
    strbuf who = {0};
    const isa_program *p = debug_program(g, w->pe);
    if (!memcmp(w->old, debug_words(g, w->pe) + w->word, w->words * sizeof *w->old)) return false;
    wse_debug_core(g->m, w->pe, &v);
    uint8_t op = w->pc < p->code_count ? p->code[w->pc].op : 0;
    bool main_wrote = w->issued == wse_cycle(g->m) &&
                      (op >= ISA_DSD_FIRST || op == ISA_ST16 || op == ISA_ST32 || op == ISA_CALL || op == ISA_DSRPUT);
    uint32_t pc = main_wrote ? w->pc : v.last_thread_pc;
    if (!main_wrote && v.last_thread) strbuf_addf(&who, "microthread %u, ", v.last_thread - 1);
    debug_place_text(g, w->pe, pc, &who);
    say_watch(g, w, who.data ? who.data : "?");
    strbuf_free(&who);
    return true;
}

/* Watchpoints of a PE; UINT32_MAX: of any. The PE that a stop is about comes back. */
static bool check_watches(debug *g, uint32_t *pe) {
    uint32_t only = *pe;
    bool any = false;
    diag_clear(g->d);
    for (uint32_t i = 0; i < g->watch_count; i++) {
        if (only != UINT32_MAX && g->watches[i].pe != only) continue;
        if (!check_watch(g, &g->watches[i])) continue;
        any = true;
        *pe = g->watches[i].pe;
    }
    return any;
}

static bool step_is_over(debug *g, uint32_t pe) {
    if (g->going == GO_ON || pe != g->step_pe) return false;
    debug_point now = debug_here(g, pe);
    bool other_task = now.tasks != g->from.tasks;
    bool skip = g->skip && !other_task && now.pc == g->from.pc;
    g->skip = false;
    if (skip) return false;
    if (other_task) return true;
    switch (g->going) {
    case GO_STEPI: return true;
    case GO_FINISH: return now.base > g->from.base;
    case GO_NEXT:
        if (now.base < g->from.base) return false; /* fall through */
    default: return now.line != g->from.line || now.function != g->from.function || now.base != g->from.base;
    }
}

static bool step_done(debug *g, uint32_t pe) {
    if (!step_is_over(g, pe)) return false;
    if (--g->steps_left == 0) return true;
    g->from = debug_here(g, pe);
    return false;
}

static bool break_hit(debug *g, uint32_t pe, uint32_t pc) {
    uint32_t program = g->image->tiles[pe].program;
    bool any = false;
    for (uint32_t i = 0; i < g->break_count; i++) {
        debug_break *b = &g->breaks[i];
        bool hit = false;
        if (b->disabled || !debug_inside(&b->where, x_of(g, pe), y_of(g, pe))) continue;
        for (uint32_t k = 0; k < b->count; k++) hit |= b->spots[k].program == program && b->spots[k].pc == pc;
        if (!hit) continue;
        b->hits++;
        any = true;
        debug_say(g, "breakpoint %u, ", b->id);
        if (!b->temporary) continue;
        delete_break(g, i--);
    }
    return any;
}

void debug_at_instruction(void *context, uint32_t pe) {
    debug *g = context;
    wse_core_view v;
    uint32_t who = pe;
    if (g->detached) return;
    wse_debug_core(g->m, pe, &v);
    bool watch = check_watches(g, &who), hit = break_hit(g, pe, v.pc), step = step_done(g, pe);
    for (uint32_t i = 0; i < g->watch_count; i++)
        if (g->watches[i].pe == pe) g->watches[i].pc = v.pc, g->watches[i].issued = wse_cycle(g->m);
    if (!watch && !hit && !step) return;
    say_place(g, pe, v.pc);
    stop(g, pe, true);
}

void debug_at_cycle(void *context) {
    debug *g = context;
    wse_core_view v;
    wse_debug_core(g->m, g->pe, &v);
    say_place(g, g->pe, v.at);
    stop(g, g->pe, false);
}

void debug_at_cycle_done(void *context) {
    debug *g = context;
    wse_core_view v;
    uint32_t pe = UINT32_MAX;
    if (!check_watches(g, &pe)) return;
    wse_debug_core(g->m, pe, &v);
    say_place(g, pe, v.at);
    stop(g, pe, false);
}

void debug_at_run(void *context) {
    debug *g = context;
    bool any = false;
    uint32_t pe = g->pe;
    diag_clear(g->d);
    for (uint32_t i = 0; i < g->watch_count && !g->detached; i++)
        if (say_watch(g, &g->watches[i], "the host")) any = true, pe = g->watches[i].pe;
    if (any) stop(g, pe, false);
}
