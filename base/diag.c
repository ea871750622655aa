#include "base/diag.h"
#include "base/mem.h"
#include <stdarg.h>

enum { MESSAGES_MAX = 100 }; /* errors, and as many others: a file full of nonsense gets a bounded answer */

struct diag {
    strbuf text;
    size_t errors, others;
    bool cut;
};

diag *diag_new(void) { return mem_alloc(sizeof(diag)); }

void diag_free(diag *d) {
    if (!d) return;
    strbuf_free(&d->text);
    mem_free(d);
}

void diag_clear(diag *d) {
    strbuf_clear(&d->text);
    d->errors = d->others = 0;
    d->cut = false;
}

void diag_line_column(str text, size_t at, size_t *line, size_t *column) {
    if (at > text.n) at = text.n;
    size_t l = 1, start = 0;
    for (size_t i = 0; i < at; i++)
        if (text.p[i] == '\n') l++, start = i + 1;
    *line = l;
    *column = at - start + 1;
}

static const char *level_name(diag_level level) {
    return level == DIAG_ERROR ? "error" : level == DIAG_WARNING ? "warning" : "note";
}

/* Warnings never keep an error from being told. */
static bool admit(diag *d, diag_level level) {
    size_t *count = level == DIAG_ERROR ? &d->errors : &d->others;
    if (++*count <= MESSAGES_MAX) return true;
    if (!d->cut) strbuf_adds(&d->text, "note: further messages are left out\n");
    d->cut = true;
    return false;
}

static void add_va(strbuf *b, const char *fmt, va_list ap) {
    char text[4096];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n >= (int)sizeof text) memcpy(text + sizeof text - 4, "...", 4);
    if (n > 0) strbuf_adds(b, text);
}

/* The line around the span, and carets under it; control characters become spaces so that the columns hold. */
static void add_excerpt(strbuf *b, str text, span at) {
    size_t begin = at.begin < text.n ? at.begin : text.n, end = begin;
    while (begin && text.p[begin - 1] != '\n') begin--;
    while (end < text.n && text.p[end] != '\n') end++;
    size_t column = at.begin - begin;
    if (end - begin > 160) { /* a very long line: a window around the place */
        size_t from = column > 60 ? begin + column - 60 : begin;
        if (end - from > 160) end = from + 160;
        column -= from - begin;
        begin = from;
    }
    strbuf_adds(b, "      ");
    for (size_t i = begin; i < end; i++) strbuf_addc(b, (unsigned char)text.p[i] < 0x20 ? ' ' : text.p[i]);
    strbuf_adds(b, "\n      ");
    for (size_t i = 0; i < column; i++) strbuf_addc(b, ' ');
    size_t last = at.end < end ? at.end : end, carets = last > at.begin ? last - at.begin : 1;
    strbuf_addc(b, '^');
    for (size_t i = 1; i < carets; i++) strbuf_addc(b, '~');
    strbuf_addc(b, '\n');
}

void diag_at(diag *d, diag_level level, const diag_source *src, span at, const char *fmt, ...) {
    if (!admit(d, level)) return;
    size_t line, column;
    diag_line_column(src->text, at.begin, &line, &column);
    strbuf_addf(&d->text, "%s:%zu:%zu: %s: ", src->name, line, column, level_name(level));
    va_list ap;
    va_start(ap, fmt);
    add_va(&d->text, fmt, ap);
    va_end(ap);
    strbuf_addc(&d->text, '\n');
    add_excerpt(&d->text, src->text, at);
}

bool diag_error(diag *d, const char *fmt, ...) {
    if (!admit(d, DIAG_ERROR)) return false;
    strbuf_adds(&d->text, "error: ");
    va_list ap;
    va_start(ap, fmt);
    add_va(&d->text, fmt, ap);
    va_end(ap);
    strbuf_addc(&d->text, '\n');
    return false;
}

/* Once: what is compiled for many PEs would say it many times. */
void diag_warn(diag *d, const char *fmt, ...) {
    strbuf one = {0};
    strbuf_adds(&one, "warning: ");
    va_list ap;
    va_start(ap, fmt);
    add_va(&one, fmt, ap);
    va_end(ap);
    strbuf_addc(&one, '\n');
    if (one.data && !strstr(diag_text(d), one.data) && admit(d, DIAG_WARNING)) strbuf_adds(&d->text, one.data);
    strbuf_free(&one);
}

bool diag_oom(diag *d, const char *what) { return diag_error(d, "out of memory: %s", what); }

size_t diag_error_count(const diag *d) { return d->errors; }

const char *diag_text(const diag *d) {
    if (d->text.data && d->text.len) return d->text.data;
    return d->errors ? "error: out of memory\n" : "";
}

void diag_print(const diag *d, FILE *out) { fputs(diag_text(d), out); }
