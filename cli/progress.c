/* One line on the terminal, drawn over itself. */
#include "cli/progress.h"
#include "base/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 24 };

static bool is_terminal(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && (!kind || strcmp(kind, "dumb"));
}

/* A line that wraps could not be drawn over. */
static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

progress progress_begin(const char *label, progress_unit unit, double total) {
    double now = clock_seconds();
    return (progress){
        .label = label, .unit = unit, .total = total, .start_s = now, .drawn_s = now, .terminal = is_terminal()};
}

void progress_resume_at(progress *p, double first) {
    p->first = p->done = first;
    p->start_s = clock_seconds();
}

static void add_bar(strbuf *line, double fraction) {
    int full = (int)(fraction * BAR_CELLS);
    strbuf_adds(line, "  [");
    for (int i = 0; i < BAR_CELLS; i++) strbuf_addc(line, i < full ? '=' : i == full ? '>' : ' ');
    strbuf_addf(line, "] %3.0f %%", fraction * 100);
}

static void draw(progress *p, double now) {
    strbuf line = {0};
    double rate = (p->done - p->first) / (now - p->start_s), fraction = p->total > 0 ? p->done / p->total : 0;
    if (fraction > 1) fraction = 1;
    strbuf_adds(&line, p->label);
    if (p->total > 0) add_bar(&line, fraction);
    if (p->unit == PROGRESS_BYTES) {
        strbuf_addf(&line, "  %s", units_bytes(p->done).text);
        if (p->total > 0) strbuf_addf(&line, " of %s", units_bytes(p->total).text);
        strbuf_addf(&line, "  %s/s", units_bytes(rate).text);
    }
    if (p->total > 0 && rate > 0) strbuf_addf(&line, "  %.0f s left", (p->total - p->done) / rate);
    if (!line.oom) {
        fprintf(stderr, "\r\033[K%.*s", terminal_columns() - 1, line.data);
        fflush(stderr);
        p->shown = true;
    }
    strbuf_free(&line);
}

void progress_update(progress *p, double done) {
    p->done = done;
    if (!p->terminal) return;
    double now = clock_seconds();
    if (now - p->start_s < 1 || now - p->drawn_s < 0.1) return;
    p->drawn_s = now;
    draw(p, now);
}

void progress_end(progress *p) {
    if (p->shown) fputs("\r\033[K", stderr), fflush(stderr);
    p->shown = false;
}

void progress_fraction(void *arg, double fraction) { progress_update(arg, fraction); }
