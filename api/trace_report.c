/* The environment's wishes, the files, and the page of text: what ran, where it went, which lines took the cycles. */
#include "api/trace.h"
#include "base/file.h"
#include "base/units.h"
#include <errno.h>
#include <stdlib.h>

enum { TOP_LINES = 10 };

static const char *wish(const char *variable) {
    const char *text = getenv(variable);
    return text && *text ? text : NULL;
}

void api_trace_open(api_trace *t, wse_options *o) {
    const char *show = wish("INGOT_TRACE_SHOW"), *events = wish("INGOT_TRACE_EVENTS");
    t->json = wish("INGOT_TRACE");
    t->lines = wish("INGOT_PROFILE_LINES");
    t->heat = wish("INGOT_HEAT");
    t->report = wish("INGOT_TRACE_REPORT");
    t->energy = show && strstr(show, "energy");
    t->memory = show && strstr(show, "memory");
    o->trace = t->json != NULL;
    o->profile = t->lines || t->report;
    unsigned long long n = events ? strtoull(events, NULL, 0) : 0;
    o->trace_events = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* ---- the page ---- */

static void summary(const api_trace *t, strbuf *out) {
    wse_counters n;
    double seconds = (double)wse_cycle(t->machine) / t->wafer->clock_hz;
    wse_counters_total(t->machine, &n);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"tasks", n.tasks},
        {"instructions", n.instructions},
        {"vector ops", n.vector_ops},
        {"float operations", n.fp16_ops + n.fp32_ops},
        {"SRAM words", n.sram_words_read + n.sram_words_written},
        {"wavelet hops", n.hops},
        {"host wavelets", n.io_wavelets},
        {"busy cycles", n.busy_cycles},
        {"input wait cycles", n.input_wait_cycles},
        {"output wait cycles", n.output_wait_cycles},
    };
    strbuf_addf(out, "%u x %u PEs of %s (%s), %u program%s\n", t->image->width, t->image->height, t->wafer->name,
                t->wafer->profile, t->image->program_count, t->image->program_count == 1 ? "" : "s");
    strbuf_addf(out, "  %-20s %12llu  %s at %s\n", "cycles", (unsigned long long)wse_cycle(t->machine),
                units_seconds(seconds).text, units_si(t->wafer->clock_hz, "Hz").text);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        strbuf_addf(out, "  %-20s %12llu\n", rows[k].name, (unsigned long long)rows[k].value);
}

static bool add_lines(const api_trace *t, size_t most, strbuf *out, diag *d) {
    api_lines l;
    if (!api_lines_read(&l, t, d)) return false;
    api_lines_print(&l, t, most, out);
    api_lines_free(&l);
    return true;
}

static bool page(const api_trace *t, strbuf *out, diag *d) {
    summary(t, out);
    strbuf_addf(out, "\nthe %d lines with most cycles, summed over PEs\n", TOP_LINES);
    if (!add_lines(t, TOP_LINES, out, d)) return false;
    if (t->energy) api_trace_energy(t, out);
    return !t->memory || api_trace_memory(t, out, d);
}

static bool append(const char *path, const strbuf *text, diag *d) {
    FILE *f = fopen(path, "a");
    if (!f) return diag_error(d, "%s: cannot be written: %s", path, strerror(errno));
    bool ok = fwrite(text->data ? text->data : "", 1, text->len, f) == text->len;
    ok = !fclose(f) && ok;
    return ok || diag_error(d, "%s: could not be written; the disk may be full", path);
}

/* ---- files ---- */

static bool write_report(const api_trace *t, diag *d) {
    strbuf s = {0};
    bool ok = page(t, &s, d) && (!s.oom || diag_oom(d, "report")) && append(t->report, &s, d);
    strbuf_free(&s);
    return ok;
}

static bool write_lines(const api_trace *t, diag *d) {
    strbuf s = {0};
    strbuf_addf(&s, "# cycles by source line, summed over the %u PEs; %llu cycles passed. Executed: instructions.\n",
                t->image->width * t->image->height, (unsigned long long)wse_cycle(t->machine));
    bool ok = add_lines(t, SIZE_MAX, &s, d) && (!s.oom || diag_oom(d, "profile"));
    ok = ok && file_write_all(t->lines, strbuf_str(&s), d);
    strbuf_free(&s);
    return ok;
}

static bool write_with(const char *path, const api_trace *t, bool (*write)(const api_trace *, FILE *, diag *),
                       diag *d) {
    file_writer w;
    if (!file_writer_open(&w, path, d)) return false;
    if (write(t, w.out, d)) return file_writer_commit(&w, d);
    file_writer_abort(&w);
    return false;
}

bool api_trace_write(api_trace *t, diag *d) {
    bool ok = true;
    if (t->written || !t->machine) return true;
    t->written = true;
    if (t->json) ok &= write_with(t->json, t, api_trace_json, d);
    if (t->lines) ok &= write_lines(t, d);
    if (t->heat) ok &= write_with(t->heat, t, api_trace_heat, d);
    if (t->report) ok &= write_report(t, d);
    return ok;
}
