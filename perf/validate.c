/* Files and the split between calibration and test. What a row means is in validate_rows.c. */
#include "perf/validate.h"
#include "base/file.h"
#include "base/map.h"
#include <dirent.h>
#include <math.h>
#include <stdlib.h>

enum { CSV_BYTES_MAX = 64 << 20, ROWS_MAX = 1 << 20, FILES_MAX = 256, LINE_CELLS = PERF_COLUMNS_MAX };

/* ---- cells ---- */

str perf_cell(const perf_csv_row *r, const char *column) {
    for (size_t i = 0; i < r->columns; i++)
        if (str_is(r->name[i], column)) return r->cell[i];
    return (str){"", 0};
}

const char *perf_cell_text(const perf_csv_row *r, const char *column) {
    str s = perf_cell(r, column);
    const char *c = arena_strndup(r->a, s.n ? s.p : "", s.n);
    return c ? c : "";
}

double perf_cell_number(const perf_csv_row *r, const char *column) {
    str s = perf_cell(r, column);
    char text[64];
    if (!s.n || s.n >= sizeof text) return 0;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    char *end;
    double x = strtod(text, &end);
    return end == text || !isfinite(x) ? 0 : x;
}

/* Splits a line at commas; quoted cells may hold some. Returns the number of cells. */
static size_t split(str line, str cells[LINE_CELLS]) {
    size_t n = 0, i = 0;
    while (n < LINE_CELLS) {
        bool quoted = i < line.n && line.p[i] == '"';
        size_t begin = quoted ? i + 1 : i;
        for (i = begin; i < line.n && (quoted ? line.p[i] != '"' : line.p[i] != ','); i++) {}
        cells[n++] = (str){line.p + begin, i - begin};
        if (quoted)
            while (i < line.n && line.p[i] != ',') i++;
        if (i >= line.n) break;
        i++;
    }
    return n;
}

static str next_line(str *text) {
    size_t n = 0;
    while (n < text->n && text->p[n] != '\n') n++;
    str line = {text->p, n};
    *text = (str){text->p + n + (n < text->n), text->n - n - (n < text->n)};
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    return line;
}

/* ---- the split ---- */

static uint32_t crc32_add(uint32_t crc, str s) {
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (uint8_t)s.p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
    }
    return crc;
}

static bool is_measured(str column) { return str_is(column, "value") || str_is(column, "latency_us"); }

static uint32_t line_crc(const perf_csv_row *r) {
    uint32_t crc = 0xFFFFFFFFu;
    bool first = true;
    for (size_t i = 0; i < r->columns; i++) {
        if (is_measured(r->name[i])) continue;
        if (!first) crc = crc32_add(crc, STR(","));
        crc = crc32_add(crc, r->cell[i]);
        first = false;
    }
    return ~crc;
}

/* ---- files ---- */

typedef struct {
    perf_validation *v;
    arena *a;
    diag *d;
    perf_judge *j;
    const map *shipped; /* lines that may be calibration; NULL: all may */
} reader;

typedef void (*judge_fn)(perf_judge *, const perf_csv_row *, perf_judged *);

static judge_fn judge_for(const perf_csv_row *header) {
    bool machine = false, op = false, latency = false, model = false, program = false, metric = false, value = false;
    for (size_t i = 0; i < header->columns; i++) {
        str c = header->name[i];
        machine |= str_is(c, "machine"), op |= str_is(c, "op"), latency |= str_is(c, "latency_us");
        model |= str_is(c, "model"), program |= str_is(c, "program"), metric |= str_is(c, "metric"),
            value |= str_is(c, "value");
    }
    if (machine && op && latency) return perf_judge_op;
    if (machine && model && metric && value) return perf_judge_inference;
    if (machine && program && metric && value) return perf_judge_published;
    return NULL;
}

static perf_judged *push(reader *r) {
    perf_validation *v = r->v;
    if (v->count == v->capacity) {
        size_t more = v->capacity ? 2 * v->capacity : 1024;
        perf_judged *rows = more > ROWS_MAX ? NULL : arena_push_n(r->a, perf_judged, more);
        if (!rows) return NULL;
        if (v->count) memcpy(rows, v->rows, v->count * sizeof *rows);
        v->rows = rows;
        v->capacity = more;
    }
    return &v->rows[v->count++];
}

static double error_of(const perf_judged *j) {
    double ratio = j->predicted / j->published - 1;
    if ((j->qualifier == '>' && ratio >= 0) || (j->qualifier == '<' && ratio <= 0)) return 0;
    return ratio;
}

static void finish(const reader *r, const perf_csv_row *row, str line, perf_judged *j) {
    if (j->set == ROW_CALIBRATION && (line_crc(row) % 3 || (r->shipped && !map_get(r->shipped, line, NULL))))
        j->set = ROW_TEST;
    if (j->set == ROW_OUT) return;
    if (!(j->published > 0) || !(j->predicted > 0) || !isfinite(j->predicted)) {
        j->set = ROW_OUT;
        j->reason = j->published > 0 ? "no prediction came out" : "no published value above zero";
        return;
    }
    j->error = error_of(j);
}

static bool read_rows(reader *r, const char *name, str text) {
    perf_csv_row row = {.a = r->a, .d = r->d};
    row.columns = split(next_line(&text), row.name);
    judge_fn judge = judge_for(&row);
    if (!judge) {
        if (r->v->skipped_count < 32) r->v->skipped[r->v->skipped_count++] = name;
        return true;
    }
    for (size_t number = 2; text.n; number++) {
        str line = next_line(&text);
        if (!line.n) continue;
        size_t cells = split(line, row.cell);
        while (cells < row.columns) row.cell[cells++] = (str){"", 0};
        perf_judged *j = push(r);
        if (!j) return diag_oom(r->d, name);
        str id = perf_cell(&row, "id");
        *j = (perf_judged){.file = name,
                           .confidence = '-',
                           .qualifier = '=',
                           .reason = "",
                           .unit = "",
                           .group = "",
                           .machine = "",
                           .metric = "",
                           .what = ""};
        j->id = id.n ? perf_cell_text(&row, "id") : arena_printf(r->a, "%zu", number);
        judge(r->j, &row, j);
        finish(r, &row, line, j);
    }
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static size_t csv_names(arena *a, const char *dir, const char **names, diag *d) {
    DIR *list = opendir(dir);
    size_t n = 0;
    if (!list) return diag_error(d, "%s: cannot be listed", dir), 0;
    for (struct dirent *e; n < FILES_MAX && (e = readdir(list));)
        if (str_ends(str_from(e->d_name), STR(".csv"))) {
            if (!(names[n] = arena_strdup(a, e->d_name))) {
                closedir(list);
                return diag_oom(d, dir), 0;
            }
            n++;
        }
    closedir(list);
    qsort(names, n, sizeof *names, by_name);
    if (!n) diag_error(d, "%s: no .csv file in it", dir);
    return n;
}

/* Lines of the shipped data: only these can have been used to fit anything. */
static bool shipped_lines(map *lines, arena *a, diag *d) {
    const char *names[FILES_MAX];
    char *data = perf_data_dir(a, d), *dir = data ? path_join(a, data, "validation") : NULL;
    if (data && !dir) return diag_oom(d, data);
    size_t n = dir ? csv_names(a, dir, names, d) : 0;
    for (size_t i = 0; i < n; i++) {
        str text;
        const char *path = path_join(a, dir, names[i]);
        if (!path) return diag_oom(d, names[i]);
        if (!file_read_all(a, path, CSV_BYTES_MAX, &text, d)) return false;
        while (text.n)
            if (!map_put(lines, next_line(&text), 1)) return diag_oom(d, path);
    }
    return n > 0;
}

bool perf_validate_dir(perf_validation *v, arena *a, const char *dir, diag *d) {
    const char *names[FILES_MAX];
    map lines = {0};
    *v = (perf_validation){0};
    size_t n = csv_names(a, dir, names, d);
    reader r = {.v = v, .a = a, .d = d, .j = n ? perf_judge_new(a, d) : NULL, .shipped = &lines};
    bool ok = r.j && shipped_lines(&lines, a, d);
    for (size_t i = 0; ok && i < n; i++) {
        str text;
        const char *path = path_join(a, dir, names[i]);
        ok = path ? file_read_all(a, path, CSV_BYTES_MAX, &text, d) && read_rows(&r, names[i], text)
                  : diag_oom(d, names[i]);
    }
    map_free(&lines);
    return ok;
}

bool perf_validate_text(perf_validation *v, arena *a, const char *name, str text, diag *d) {
    *v = (perf_validation){0};
    reader r = {.v = v, .a = a, .d = d, .j = perf_judge_new(a, d)};
    return r.j && read_rows(&r, name, text);
}
