/* Events in the JSON of the Trace Event Format, which Perfetto and chrome://tracing show: a process per row of PEs and
 * one for the host; in a row, a track per main thread and per microthread that did something. A cycle is shown as 1 us.
 */
#include "api/trace.h"
#include "base/mem.h"
#include <inttypes.h>

enum { TRACKS_PER_PE = 10, HOST_COPIES = 0, HOST_LAUNCHES = 1 };

typedef struct {
    const api_trace *t;
    FILE *out;
    uint16_t *named; /* by PE: tracks that have a name */
    bool first, oom;
} writer;

static void begin_event(writer *w) {
    fputs(w->first ? "\n" : ",\n", w->out);
    w->first = false;
}

static void put_string(writer *w, const strbuf *s) {
    strbuf quoted = {0};
    strbuf_add_json(&quoted, s->data ? strbuf_str(s) : STR(""));
    w->oom |= quoted.oom || s->oom;
    fputs(quoted.data ? quoted.data : "\"\"", w->out);
    strbuf_free(&quoted);
}

static void name_process(writer *w, uint32_t pid, const char *name) {
    begin_event(w);
    fprintf(w->out, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"args\":{\"name\":\"%s\"}}", pid, name);
    begin_event(w);
    fprintf(w->out, "{\"name\":\"process_sort_index\",\"ph\":\"M\",\"pid\":%u,\"args\":{\"sort_index\":%u}}", pid, pid);
}

static void name_track(writer *w, uint32_t pid, uint32_t tid, const char *name) {
    begin_event(w);
    fprintf(w->out, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":\"%s\"}}", pid,
            tid, name);
    begin_event(w);
    fprintf(w->out, "{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"args\":{\"sort_index\":%u}}",
            pid, tid, tid);
}

/* Rows are processes 1 up, the host is process 0. */
static uint32_t pid_of(const api_trace *t, uint32_t pe) { return 1 + pe / t->image->width; }
static uint32_t tid_of(const api_trace *t, uint32_t pe, uint32_t thread) {
    return pe % t->image->width * TRACKS_PER_PE + thread;
}

static void name_once(writer *w, uint32_t pe, uint32_t thread) {
    char name[64];
    uint32_t x = pe % w->t->image->width, y = pe / w->t->image->width;
    if (w->named[pe] >> thread & 1) return;
    w->named[pe] |= (uint16_t)(1u << thread);
    if (thread) snprintf(name, sizeof name, "PE(%u,%u) microthread %u", x, y, thread - 1);
    else snprintf(name, sizeof name, "PE(%u,%u)", x, y);
    name_track(w, pid_of(w->t, pe), tid_of(w->t, pe, thread), name);
}

static const char *operand_name(uint8_t kind) {
    static const char *const names[] = {"mem1d", "mem4d", "circbuf", "fabin", "fabout", "fifo"};
    if (kind < sizeof names / sizeof *names) return names[kind];
    return kind == WSE_REGISTER ? "register" : "-";
}

static void put_args(writer *w, const wse_event *e) {
    strbuf line = {0};
    wse_trace_line(w->t->machine, w->t->image->tiles[e->pe].program, e->pc, &line);
    fputs(",\"args\":{\"line\":", w->out);
    put_string(w, &line);
    strbuf_free(&line);
    if (e->kind == WSE_EVENT_VECTOR) {
        fprintf(w->out, ",\"destination\":\"%s\",\"source0\":\"%s\",\"source1\":\"%s\"", operand_name(e->operand[0]),
                operand_name(e->operand[1]), operand_name(e->operand[2]));
        if (e->length == UINT32_MAX) fputs(",\"elements\":\"endless\"", w->out);
        else fprintf(w->out, ",\"elements\":%u", e->length);
    }
    fputs(e->open ? ",\"open\":true}" : "}", w->out);
}

static void put_event(writer *w, const wse_event *e) {
    static const char *const kinds[] = {"task", "vector", "wait", "launch"};
    strbuf name = {0};
    name_once(w, e->pe, e->thread);
    wse_trace_name(w->t->machine, e, &name);
    begin_event(w);
    fputs("{\"name\":", w->out);
    put_string(w, &name);
    strbuf_free(&name);
    fprintf(w->out, ",\"cat\":\"%s\",\"ts\":%" PRIu64 ",\"pid\":%u,\"tid\":%u", kinds[e->kind], e->begin,
            pid_of(w->t, e->pe), tid_of(w->t, e->pe, e->thread));
    if (e->kind == WSE_EVENT_LAUNCH) fputs(",\"ph\":\"i\",\"s\":\"t\"", w->out);
    else fprintf(w->out, ",\"ph\":\"X\",\"dur\":%" PRIu64, e->end - e->begin);
    put_args(w, e);
    fputc('}', w->out);
}

/* ---- the host ---- */

static void put_task(writer *w, uint32_t id, const host_task *h, const strbuf *name) {
    bool stream = h->kind == HOST_STREAM_IN || h->kind == HOST_STREAM_OUT;
    for (int part = 0; part < (stream ? 2 : 1);
         part++) { /* streams overlap: they have a begin and an end of their own */
        begin_event(w);
        fputs("{\"name\":", w->out);
        put_string(w, name);
        fprintf(w->out, ",\"cat\":\"host\",\"pid\":0,\"tid\":%d,\"ts\":%" PRIu64,
                h->kind == HOST_LAUNCH ? HOST_LAUNCHES : HOST_COPIES, part ? h->end : h->begin);
        if (stream) fprintf(w->out, ",\"ph\":\"%c\",\"id\":%u", part ? 'e' : 'b', id);
        else fprintf(w->out, ",\"ph\":\"X\",\"dur\":%" PRIu64, h->end - h->begin);
        fprintf(w->out, ",\"args\":{\"bytes\":%" PRIu64 "%s}}", h->bytes, h->open ? ",\"open\":true" : "");
    }
}

static void put_host(writer *w) {
    name_process(w, 0, "host");
    name_track(w, 0, HOST_COPIES, "copies");
    name_track(w, 0, HOST_LAUNCHES, "launches");
    for (uint32_t i = 0; w->t->host && i < host_task_count(w->t->host); i++) {
        host_task h;
        strbuf name = {0};
        if (host_task_facts(w->t->host, i, &h, &name)) put_task(w, i, &h, &name);
        strbuf_free(&name);
    }
}

static void put_rows(writer *w) {
    char name[32];
    for (uint32_t y = 0; y < w->t->image->height; y++) {
        snprintf(name, sizeof name, "row %u", y);
        name_process(w, 1 + y, name);
    }
}

bool api_trace_json(const api_trace *t, FILE *out, diag *d) {
    wse_events e;
    writer w = {.t = t, .out = out, .first = true};
    if (!wse_trace_read(t->machine, &e, d)) return false;
    w.named = mem_alloc_n((size_t)t->image->width * t->image->height, sizeof *w.named);
    if (!w.named) return wse_trace_free(&e), diag_oom(d, "trace");
    fprintf(
        out,
        "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"time\":\"1 us is 1 cycle\",\"wafer\":\"%s\",\"clock_hz\":%.0f,"
        "\"cycles\":%" PRIu64 ",\"events_dropped\":%" PRIu64 ",\"complete_from_cycle\":%" PRIu64 "},\"traceEvents\":[",
        t->wafer->name, t->wafer->clock_hz, wse_cycle(t->machine), e.dropped, e.whole_from);
    put_host(&w);
    put_rows(&w);
    for (size_t i = 0; i < e.count; i++) put_event(&w, &e.all[i]);
    fputs("\n]}\n", out);
    mem_free(w.named);
    wse_trace_free(&e);
    return !w.oom || diag_oom(d, "trace");
}
