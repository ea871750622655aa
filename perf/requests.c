/* See requests.h. */
#include "perf/requests.h"
#include "base/map.h"
#include "base/mem.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { TOKENS_MAX = 10000000 };

static const struct {
    const char *column;
    perf_column role;
} columns[] = {
    {"arrival_s", PERF_COLUMN_ARRIVAL},      {"timestamp", PERF_COLUMN_ARRIVAL},
    {"Timestamp", PERF_COLUMN_ARRIVAL},      {"TIMESTAMP", PERF_COLUMN_ARRIVAL},
    {"arrived_at", PERF_COLUMN_ARRIVAL},     {"arrival_timestamp", PERF_COLUMN_ARRIVAL},
    {"prompt_tokens", PERF_COLUMN_PROMPT},   {"ContextTokens", PERF_COLUMN_PROMPT},
    {"Request tokens", PERF_COLUMN_PROMPT},  {"num_prefill_tokens", PERF_COLUMN_PROMPT},
    {"prompt_size", PERF_COLUMN_PROMPT},     {"input_length", PERF_COLUMN_PROMPT},
    {"output_tokens", PERF_COLUMN_OUTPUT},   {"GeneratedTokens", PERF_COLUMN_OUTPUT},
    {"Response tokens", PERF_COLUMN_OUTPUT}, {"num_decode_tokens", PERF_COLUMN_OUTPUT},
    {"token_size", PERF_COLUMN_OUTPUT},      {"output_length", PERF_COLUMN_OUTPUT},
    {"session", PERF_COLUMN_SESSION},        {"Session ID", PERF_COLUMN_SESSION},
};

/* ---- fields ---- */

/* The next cell of a CSV line; quotes are taken off. False at the end. */
static bool next_cell(str *line, str *cell) {
    if (!line->p) return false;
    const char *comma = memchr(line->p, ',', line->n);
    *cell = (str){line->p, comma ? (size_t)(comma - line->p) : line->n};
    *line = comma ? (str){comma + 1, line->n - cell->n - 1} : (str){NULL, 0};
    if (cell->n >= 2 && cell->p[0] == '"' && cell->p[cell->n - 1] == '"') *cell = (str){cell->p + 1, cell->n - 2};
    return true;
}

static bool number_of(str s, double *out) {
    char text[64], *end;
    if (!s.n || s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static double days_of(int year, int month, int day) {
    year -= month <= 2;
    int era = year / 400, of_era = year - era * 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097.0 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Seconds, or a date and time of day. */
static bool time_of(str s, double *out) {
    char text[64];
    int year, month, day, hour, minute;
    double second;
    if (number_of(s, out)) return true;
    if (s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[ T]%2d:%2d:%lf", &year, &month, &day, &hour, &minute, &second) != 6) return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || !(second >= 0 && second < 62)) return false;
    *out = days_of(year, month, day) * 86400 + hour * 3600.0 + minute * 60.0 + second;
    return true;
}

static bool complain(const perf_trace *t, const char *what, diag *d) {
    return diag_error(d, "%s:%llu: %s", t->path, (unsigned long long)t->line, what);
}

static bool take_tokens(const perf_trace *t, double v, uint32_t *out, diag *d) {
    if (!(v >= 0 && v <= TOKENS_MAX)) return complain(t, "tokens must be 0 to 10000000", d);
    *out = (uint32_t)v;
    return true;
}

static bool take_arrival(perf_trace *t, double at, perf_request *r, diag *d) {
    if (!t->started) t->first_s = t->last_s = at;
    if (at < t->last_s) return complain(t, "arrivals go back in time: sort the trace by them", d);
    t->started = true;
    t->last_s = at;
    r->arrival_s = at - t->first_s;
    return true;
}

/* ---- CSV ---- */

bool perf_trace_header(perf_trace *t, str line, diag *d) {
    bool seen[PERF_COLUMN_ROLES + 1] = {false};
    str cell;
    t->columns = 0;
    while (next_cell(&line, &cell)) {
        if (t->columns == PERF_TRACE_COLUMNS_MAX) return complain(t, "too many columns", d);
        perf_column role = PERF_COLUMN_OTHER;
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            if (str_is(cell, columns[i].column)) role = columns[i].role;
        if (role != PERF_COLUMN_OTHER && seen[role]) role = PERF_COLUMN_OTHER; /* the first of several counts */
        seen[role] = true;
        t->roles[t->columns++] = (uint8_t)role;
    }
    t->has_sessions = seen[PERF_COLUMN_SESSION];
    if (seen[PERF_COLUMN_ARRIVAL] && seen[PERF_COLUMN_PROMPT] && seen[PERF_COLUMN_OUTPUT]) return true;
    return complain(
        t,
        "the header needs columns for arrival (arrival_s, TIMESTAMP ...), prompt (prompt_tokens, ContextTokens "
        "...) and output (output_tokens, GeneratedTokens ...)",
        d);
}

static bool csv_row(perf_trace *t, str line, perf_request *r, diag *d) {
    str cell;
    double v, arrival = NAN;
    for (uint32_t i = 0; next_cell(&line, &cell) && i < t->columns; i++) {
        perf_column role = (perf_column)t->roles[i];
        if (role == PERF_COLUMN_OTHER) continue;
        if (role == PERF_COLUMN_SESSION) {
            r->session = cell.n ? str_hash(cell) | 1 : 0;
            continue;
        }
        if (role == PERF_COLUMN_ARRIVAL ? !time_of(cell, &arrival) : !number_of(cell, &v))
            return complain(t, "a cell that should be a number or a time is none", d);
        if (role == PERF_COLUMN_PROMPT && !take_tokens(t, v, &r->prompt, d)) return false;
        if (role == PERF_COLUMN_OUTPUT && !take_tokens(t, v, &r->output, d)) return false;
    }
    if (isnan(arrival)) return complain(t, "the row has no arrival", d);
    return take_arrival(t, arrival, r, d);
}

/* ---- JSON lines ---- */

static bool json_row(perf_trace *t, str line, perf_request *r, diag *d) {
    json_error_t why;
    json_t *o = json_loadb(line.p, line.n, 0, &why);
    if (!o) return complain(t, why.text, d);
    const json_t *at = json_object_get(o, "timestamp"), *in = json_object_get(o, "input_length"),
                 *out = json_object_get(o, "output_length"), *blocks = json_object_get(o, "hash_ids");
    bool ok = json_is_number(at) && json_is_number(in) && json_is_number(out);
    if (!ok) complain(t, "expected the numbers timestamp, input_length, output_length", d);
    ok = ok && take_tokens(t, json_number_value(in), &r->prompt, d) &&
         take_tokens(t, json_number_value(out), &r->output, d) && take_arrival(t, json_number_value(at) / 1000, r, d);
    if (ok && json_array_size(blocks)) r->line_bytes = (uint32_t)line.n, t->has_blocks = true;
    json_decref(o);
    return ok;
}

bool perf_trace_row(perf_trace *t, str line, perf_request *r, diag *d) {
    *r = (perf_request){0};
    return t->json ? json_row(t, line, r, d) : csv_row(t, line, r, d);
}

bool perf_trace_blocks(perf_trace *t, const perf_request *r, uint64_t *ids, size_t max, size_t *count, diag *d) {
    json_error_t why;
    *count = 0;
    if (!r->line_bytes) return true;
    char *text = mem_alloc(r->line_bytes);
    if (!text) return diag_oom(d, t->path);
    json_t *o =
        file_read_at(&t->f, text, r->line_bytes, r->line_at, d) ? json_loadb(text, r->line_bytes, 0, &why) : NULL;
    mem_free(text);
    if (!o) return diag_error(d, "%s: the trace changed while it was read", t->path);
    const json_t *blocks = json_object_get(o, "hash_ids");
    for (size_t i = 0; i < json_array_size(blocks) && *count < max; i++)
        ids[(*count)++] = (uint64_t)json_integer_value(json_array_get(blocks, i));
    json_decref(o);
    return true;
}

/* ---- the file ---- */

static bool refill(perf_trace *t, diag *d) {
    memmove(t->buffer, t->buffer + t->begin, t->end - t->begin);
    t->end -= t->begin;
    t->begin = 0;
    size_t room = 2 * PERF_TRACE_LINE_MAX - t->end;
    uint64_t left = t->f.size_bytes - t->at;
    size_t n = left < room ? (size_t)left : room;
    if (n && !file_read_at(&t->f, t->buffer + t->end, n, t->at, d)) return false;
    t->at += n;
    t->end += n;
    return true;
}

/* The next line without its end; n = 0 and false: the end of the file, or t->failed. */
static bool next_line(perf_trace *t, str *line, uint64_t *at, diag *d) {
    for (;;) {
        const char *from = t->buffer + t->begin, *stop = memchr(from, '\n', t->end - t->begin);
        bool last = !stop && t->at == t->f.size_bytes;
        if (!stop && !last) {
            if (t->end - t->begin > PERF_TRACE_LINE_MAX)
                return t->failed = true, complain(t, "a line of more than 1 MiB", d);
            if (!refill(t, d)) return t->failed = true, false;
            continue;
        }
        if (last && t->begin == t->end) return false;
        size_t n = stop ? (size_t)(stop - from) : t->end - t->begin;
        *at = t->at - (t->end - t->begin);
        t->begin += n + (stop != NULL);
        t->line++;
        if (n && from[n - 1] == '\r') n--;
        *line = (str){from, n};
        if (n) return true;
    }
}

bool perf_trace_rewind(perf_trace *t, diag *d) {
    t->at = t->begin = t->end = 0;
    t->line = t->skipped = 0;
    t->started = false;
    uint64_t at;
    str line;
    return t->json || (next_line(t, &line, &at, d) && perf_trace_header(t, line, d));
}

bool perf_trace_next(perf_trace *t, perf_request *r, diag *d) {
    str line;
    uint64_t at;
    while (next_line(t, &line, &at, d)) {
        if (!perf_trace_row(t, line, r, d)) return t->failed = true, false;
        r->line_at = at;
        if (r->prompt && r->output) return true;
        t->skipped++;
    }
    return false;
}

static bool look_through(perf_trace *t, diag *d) {
    perf_request r;
    if (!perf_trace_rewind(t, d))
        return t->failed || diag_error_count(d) ? false : diag_error(d, "%s: it is empty", t->path);
    while (perf_trace_next(t, &r, d)) {
        t->requests++;
        t->prompt_mean += r.prompt, t->output_mean += r.output;
        if (r.prompt + r.output > t->longest) t->longest = r.prompt + r.output;
        if (r.prompt > t->longest_prompt) t->longest_prompt = r.prompt;
        t->seconds = r.arrival_s;
    }
    if (t->failed) return false;
    if (!t->requests) return diag_error(d, "%s: it has no request with a prompt and an output", t->path);
    t->prompt_mean /= (double)t->requests, t->output_mean /= (double)t->requests;
    uint64_t skipped = t->skipped;
    if (skipped)
        diag_warn(d, "%s: %llu rows without prompt or output are passed over", t->path, (unsigned long long)skipped);
    return perf_trace_rewind(t, d);
}

bool perf_trace_open(perf_trace *t, arena *a, const char *path, diag *d) {
    *t = (perf_trace){.path = arena_strdup(a, path)};
    if (!t->path || !(t->buffer = arena_push_n(a, char, 2 * PERF_TRACE_LINE_MAX))) return diag_oom(d, path);
    if (!file_open(&t->f, path, d)) return false;
    str name = str_from(path);
    t->json = str_ends(name, STR(".jsonl")) || str_ends(name, STR(".json"));
    if (look_through(t, d)) return true;
    perf_trace_close(t);
    return false;
}

void perf_trace_close(perf_trace *t) {
    if (t->f.size_bytes || t->buffer) file_close(&t->f);
    t->buffer = NULL;
}
