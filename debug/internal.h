/* The debugger's own: stops (stops.c), places in programs (places.c), values (value.c), what is shown (show.c), and the
 * commands (commands.c) that one loop reads (debug.c). */
#ifndef INGOT_DEBUG_INTERNAL_H
#define INGOT_DEBUG_INTERNAL_H

#include "debug/debug.h"

typedef struct {
    uint32_t x0, y0, x1, y1; /* inclusive */
} debug_rect;

typedef struct {
    uint32_t program, pc;
} debug_spot;

typedef struct {
    uint32_t id;
    bool temporary, disabled;
    char *text; /* as the user wrote it */
    debug_rect where;
    debug_spot *spots;
    uint32_t count;
    uint64_t hits;
} debug_break;

typedef struct {
    uint32_t id, pe, word, words;
    char *text;
    const char *type;
    uint16_t *old;
    uint32_t pc; /* of the PE's last instruction, issued in `issued` */
    uint64_t issued;
} debug_watch;

typedef enum { GO_ON, GO_STEP, GO_NEXT, GO_STEPI, GO_FINISH } debug_going;

/* Where a PE is, in terms of steps. */
typedef struct {
    uint32_t function, line, base; /* rows of the tables; base: word of the frame's return index */
    uint64_t tasks;
    uint32_t pc;
    bool runs;
} debug_point;

struct debug {
    debug_options o;
    wse *m;
    const isa_image *image;
    host *host;
    diag *d;        /* of commands */
    arena *sources; /* texts of source files */
    str *text;      /* [image->source_count], p = NULL: not read yet */
    strbuf line, said, last;
    debug_break *breaks;
    debug_watch *watches;
    uint32_t break_count, watch_count, next_id;
    uint32_t pe; /* the one that commands mean */
    uint32_t list_source, list_line;
    debug_going going;
    uint64_t at; /* cycle to stop at, WSE_FOREVER */
    uint32_t step_pe, steps_left;
    debug_point from;
    bool skip;           /* the first instruction asked about is the one that was shown */
    bool inside;         /* asked from within the machine */
    bool at_instruction; /* ... before the instruction of `pe` that has not been done */
    uint32_t stopped_pe;
    bool resume, detached, quit, dead, ended;
};

/* ---- debug.c ---- */
void debug_prompt(debug *g);
void debug_say(debug *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline const isa_program *debug_program(const debug *g, uint32_t pe) {
    return &g->image->programs[g->image->tiles[pe].program];
}
static inline uint16_t *debug_words(debug *g, uint32_t pe) { return wse_memory(g->m, pe); }

/* ---- commands.c: false: no such command ---- */
bool debug_command(debug *g, char *line);

/* ---- stops.c ---- */
bool debug_break_add(debug *g, const char *text, bool temporary);
bool debug_watch_add(debug *g, const char *text);
bool debug_stop_delete(debug *g, const char *what); /* a number or "all" */
bool debug_stop_able(debug *g, const char *what, bool on);
void debug_stops_show(debug *g);
void debug_stops_free(debug *g);
void debug_marks(debug *g); /* tells the machine where to ask: before it goes on */
void debug_go(debug *g, debug_going how, uint32_t steps);
void debug_at_run(void *g);
void debug_at_instruction(void *g, uint32_t pe);
void debug_at_cycle(void *g);
void debug_at_cycle_done(void *g);

/* ---- places.c: what a user writes for PEs and lines; errors are told to g->d ---- */
bool debug_parse_number(const char **at, uint64_t *out);
bool debug_parse_rect(debug *g, const char *text, debug_rect *out); /* "X,Y", "X0..X1,Y0..Y1", "all" */
/* Cuts " at RECT" off the end of text; the default is the whole rectangle, or one PE when `one`. */
bool debug_cut_rect(debug *g, char *text, bool one, debug_rect *out);
bool debug_parse_spots(debug *g, const char *text, debug_spot **out, uint32_t *count); /* mem_free them */
static inline bool debug_inside(const debug_rect *r, uint32_t x, uint32_t y) {
    return x >= r->x0 && x <= r->x1 && y >= r->y0 && y <= r->y1;
}
const isa_function *debug_function(const isa_program *p, uint32_t pc); /* NULL: unknown */
const isa_line *debug_line_of(const isa_program *p, uint32_t pc);
str debug_source(debug *g, uint32_t source); /* empty: cannot be read */
bool debug_source_line(debug *g, uint32_t source, uint32_t line, str *out);
int debug_find_source(debug *g, const char *name, size_t n); /* -1: told */
debug_point debug_here(debug *g, uint32_t pe);
/* The frame of a function at pc: word of its return index. */
uint32_t debug_frame_base(const isa_program *p, uint32_t pc, uint32_t sp);

/* ---- value.c ---- */
typedef struct {
    uint32_t pe, word;
    const char *type; /* isa_symbol.type, or a part of it */
    char own[64];     /* when the symbol has none */
} debug_value;
bool debug_find_value(debug *g, uint32_t pe, const char *text, debug_value *out); /* "v", "v[3]", "s.field[1, 2]" */
uint32_t debug_type_words(const char *type);
void debug_value_text(debug *g, const debug_value *v, const uint16_t *words, bool hex, strbuf *out);
bool debug_set_value(debug *g, const debug_value *v, const char *text);
const isa_symbol *debug_symbol_at(const isa_program *p, uint32_t word); /* the variable that a word belongs to */

/* ---- show.c ---- */
void debug_place_text(debug *g, uint32_t pe, uint32_t pc, strbuf *out); /* "exchange, pe.csl:14" */
void debug_show_here(debug *g);                                         /* the source line of the PE */
void debug_show_where(debug *g);
void debug_show_list(debug *g, const char *text);
void debug_show_memory(debug *g, const char *text);
void debug_show_code(debug *g);
bool debug_show_info(debug *g, const char *what, const char *rest);
void debug_show_value(debug *g, char *text, bool hex);
void debug_show_waits(debug *g, char *text);

#endif
