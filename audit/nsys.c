/* Nsight Systems' SQLite export (schema 3.x). Tables and columns vary with version and options: each table is asked for
 * its columns first, and what is missing is read as NULL.
 *
 * The database is somebody else's: only plain tables are read (no views, nothing virtual), the schema is not trusted,
 * and the work of the library is limited by the size of the file. */
#include "audit/names.h"
#include "audit/trace.h"
#include "base/mem.h"
#include <sqlite3.h>

typedef struct {
    events *e;
    sqlite3 *db;
    const char *name;
    diag *d;
    uint64_t steps_left;
} reader;

enum { STEP = 1 << 16, COLUMNS_MAX = 16 };

static bool fail(reader *r) {
    int rc = sqlite3_errcode(r->db);
    if (r->e->oom || rc == SQLITE_NOMEM) return diag_oom(r->d, r->name);
    if (rc == SQLITE_INTERRUPT)
        return diag_error(r->d, "%s: is no export that makes sense: reading it does not end", r->name);
    return diag_error(r->d, "%s: damaged database (%s); export it again with `nsys export --type sqlite`", r->name,
                      sqlite3_errmsg(r->db));
}

static int limit(void *arg) {
    reader *r = arg;
    if (r->steps_left < STEP) return 1;
    r->steps_left -= STEP;
    return 0;
}

/* ---- tables ---- */

static bool has_table(reader *r, const char *table, bool *there) {
    sqlite3_stmt *q = NULL;
    *there = false;
    if (sqlite3_prepare_v2(r->db,
                           "select 1 from sqlite_master where type='table' and name=?1 and sql like 'create table%'",
                           -1, &q, NULL))
        return fail(r);
    sqlite3_bind_text(q, 1, table, -1, SQLITE_STATIC);
    int rc = sqlite3_step(q);
    *there = rc == SQLITE_ROW;
    bool ok = rc == SQLITE_ROW || rc == SQLITE_DONE || fail(r);
    sqlite3_finalize(q);
    return ok;
}

/* "select a, NULL, c from TABLE": columns that the table lacks are NULL. */
static bool select_text(reader *r, const char *table, const char *const *columns, strbuf *sql) {
    sqlite3_stmt *q = NULL;
    bool have[COLUMNS_MAX] = {false};
    int rc;
    if (sqlite3_prepare_v2(r->db, "select name from pragma_table_info(?1)", -1, &q, NULL)) return fail(r);
    sqlite3_bind_text(q, 1, table, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        for (int i = 0; name && columns[i]; i++) have[i] = have[i] || !sqlite3_stricmp(name, columns[i]);
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_DONE) return fail(r);
    strbuf_adds(sql, "select ");
    for (int i = 0; columns[i]; i++)
        if (have[i]) strbuf_addf(sql, "%s\"%s\"", i ? "," : "", columns[i]);
        else strbuf_addf(sql, "%sNULL", i ? "," : "");
    strbuf_addf(sql, " from \"%s\"", table);
    return !sql->oom || diag_oom(r->d, r->name);
}

/* Calls `row` for every row of a table that may be missing. */
static bool each(reader *r, const char *table, const char *const *columns, bool (*row)(reader *, sqlite3_stmt *)) {
    bool there;
    sqlite3_stmt *q = NULL;
    strbuf sql = {0};
    int rc = SQLITE_DONE;
    if (!has_table(r, table, &there)) return false;
    if (!there) return true;
    bool ok = select_text(r, table, columns, &sql) &&
              (sqlite3_prepare_v2(r->db, sql.data, -1, &q, NULL) == SQLITE_OK || fail(r));
    while (ok && (rc = sqlite3_step(q)) == SQLITE_ROW) ok = (r->e->seen++, row(r, q)) || fail(r);
    ok = ok && (rc == SQLITE_DONE || fail(r));
    sqlite3_finalize(q);
    strbuf_free(&sql);
    return ok;
}

static bool null(sqlite3_stmt *q, int i) { return sqlite3_column_type(q, i) == SQLITE_NULL; }
static uint64_t id_at(sqlite3_stmt *q, int i) {
    return null(q, i) ? EVENTS_NO_ID : (uint64_t)sqlite3_column_int64(q, i);
}
static int64_t bytes_at(sqlite3_stmt *q, int i) {
    int64_t v = sqlite3_column_int64(q, i);
    return v > 0 ? v : 0;
}

/* ---- names: StringIds, by id ---- */

/* Ids are any numbers; texts are found by a query of their own, once each, and kept by (id) in the map of texts. */
static uint32_t string_of(reader *r, sqlite3_stmt *lookup, int64_t id) {
    uint32_t out = EVENTS_NONE;
    sqlite3_bind_int64(lookup, 1, id);
    if (sqlite3_step(lookup) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(lookup, 0);
        if (text) out = events_text(r->e, (str){text, (size_t)sqlite3_column_bytes(lookup, 0)});
    }
    sqlite3_reset(lookup);
    return out;
}

typedef struct {
    reader r;
    sqlite3_stmt *lookup; /* NULL: no StringIds */
    struct {
        int64_t id;
        uint32_t text;
        bool set;
    } recent[4096]; /* texts found lately, by id */
} nsys;

static uint32_t name_at(reader *r, sqlite3_stmt *q, int i) {
    nsys *n = (nsys *)r;
    if (null(q, i)) return EVENTS_NONE;
    if (sqlite3_column_type(q, i) == SQLITE_TEXT) {
        const char *text = (const char *)sqlite3_column_text(q, i);
        return text ? events_text(r->e, (str){text, (size_t)sqlite3_column_bytes(q, i)}) : EVENTS_NONE;
    }
    int64_t id = sqlite3_column_int64(q, i);
    size_t slot = (uint64_t)id % (sizeof n->recent / sizeof *n->recent);
    if (!n->recent[slot].set || n->recent[slot].id != id) {
        n->recent[slot].id = id;
        n->recent[slot].set = true;
        n->recent[slot].text = n->lookup ? string_of(r, n->lookup, id) : EVENTS_NONE;
    }
    return n->recent[slot].text;
}

static uint32_t number_text(reader *r, sqlite3_stmt *q, int i) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)sqlite3_column_int64(q, i));
    return events_text(r->e, str_from(text));
}

static uint16_t lane_at(reader *r, sqlite3_stmt *q, int device, int stream) {
    char d[32], s[32];
    snprintf(d, sizeof d, "%lld", (long long)sqlite3_column_int64(q, device));
    snprintf(s, sizeof s, "%lld", (long long)sqlite3_column_int64(q, stream));
    return events_lane(r->e, str_from(d), str_from(s));
}

/* start, end in the first two columns. */
static bool times_at(reader *r, sqlite3_stmt *q, int64_t *start, int64_t *dur) {
    *start = sqlite3_column_int64(q, 0);
    if (null(q, 0) || null(q, 1)) return r->e->broken++, false;
    if (__builtin_sub_overflow(sqlite3_column_int64(q, 1), *start, dur)) return r->e->out_of_range++, false;
    return true;
}

/* ---- rows ---- */

static bool device_row(reader *r, sqlite3_stmt *q, event_kind kind, uint32_t name, copy_direction direction,
                       uint64_t bytes) {
    device_event ev = {.external = EVENTS_NO_ID,
                       .correlation = id_at(q, 4),
                       .kind = (uint8_t)kind,
                       .direction = (uint8_t)direction,
                       .bytes = bytes,
                       .name = name};
    if (!times_at(r, q, &ev.start_ns, &ev.dur_ns)) return true;
    ev.lane = lane_at(r, q, 2, 3);
    return events_add_device(r->e, ev);
}

static const char *const kernel_columns[] = {"start",         "end",           "deviceId",  "streamId",
                                             "correlationId", "demangledName", "shortName", NULL};
static bool kernel_row(reader *r, sqlite3_stmt *q) {
    uint32_t name = name_at(r, q, 5);
    if (name == EVENTS_NONE) name = name_at(r, q, 6);
    if (name == EVENTS_NONE) name = number_text(r, q, 5);
    return device_row(r, q, events_is_comm(r->e, name) ? EV_COMM : EV_KERNEL, name, COPY_OTHER, 0);
}

static const char *const memcpy_columns[] = {"start",         "end",   "deviceId", "streamId",
                                             "correlationId", "bytes", "copyKind", NULL};
static bool memcpy_row(reader *r, sqlite3_stmt *q) {
    static const struct {
        int kind;
        copy_direction is;
    } kinds[] = {{1, COPY_HTOD},  {2, COPY_DTOH},     {8, COPY_DTOD},     {9, COPY_HTOH},
                 {10, COPY_PTOP}, {11, COPY_UNIFIED}, {12, COPY_UNIFIED}, {13, COPY_UNIFIED}};
    copy_direction direction = COPY_OTHER;
    char name[64];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (sqlite3_column_int64(q, 6) == kinds[i].kind) direction = kinds[i].is;
    snprintf(name, sizeof name, "Memcpy %s", names_direction_text(direction));
    return device_row(r, q, EV_MEMCPY, events_text(r->e, str_from(name)), direction, (uint64_t)bytes_at(q, 5));
}

static const char *const memset_columns[] = {"start", "end", "deviceId", "streamId", "correlationId", "bytes", NULL};
static bool memset_row(reader *r, sqlite3_stmt *q) {
    return device_row(r, q, EV_MEMSET, events_text(r->e, STR("Memset")), COPY_OTHER, (uint64_t)bytes_at(q, 5));
}

static const char *const graph_columns[] = {"start", "end", "deviceId", "streamId", "correlationId", NULL};
static bool graph_row(reader *r, sqlite3_stmt *q) {
    r->e->graphs_as_one = true;
    return device_row(r, q, EV_KERNEL, events_text(r->e, STR("CUDA graph, traced as one")), COPY_OTHER, 0);
}

static const char *const runtime_columns[] = {"start", "end", "correlationId", "globalTid", "nameId", NULL};
static bool runtime_row(reader *r, sqlite3_stmt *q) {
    launch_call l = {id_at(q, 2), EVENTS_NO_ID, sqlite3_column_int64(q, 0), number_text(r, q, 3), name_at(r, q, 4)};
    return l.correlation == EVENTS_NO_ID || null(q, 0) || events_add_launch(r->e, l);
}

/* "aten::mul, op_id = 314290", "aten::mul, seq = 5, op_id = 7": an operator, whose numbers are dropped before its name
 * is kept; anything else is a range of the program's own. */
static bool nvtx_operator(reader *r, sqlite3_stmt *q, uint32_t *name) {
    str text = {(const char *)sqlite3_column_text(q, 2), 0};
    if (!text.p) return false;
    text.n = (size_t)sqlite3_column_bytes(q, 2);
    const char *comma = text.n ? memchr(text.p, ',', text.n) : NULL;
    if (!comma || !str_contains((str){comma, text.n - (size_t)(comma - text.p)}, STR("op_id"))) return false;
    *name = events_text(r->e, (str){text.p, (size_t)(comma - text.p)});
    return true;
}

static const char *const nvtx_columns[] = {"start", "end", "text", "textId", "eventType", "globalTid", NULL};
static bool nvtx_row(reader *r, sqlite3_stmt *q) {
    int64_t start, dur, type = sqlite3_column_int64(q, 4);
    uint32_t name;
    if ((type != 59 && type != 60) || null(q, 1)) return true; /* marks, categories, ranges that were left open */
    if (!times_at(r, q, &start, &dur)) return true;
    uint32_t thread = number_text(r, q, 5);
    if (nvtx_operator(r, q, &name))
        return events_add_op(r->e,
                             (host_op){EVENTS_NO_ID, start, dur, name, EVENTS_NONE, thread, EVENTS_NONE, EVENTS_NONE});
    name = name_at(r, q, 2);
    if (name == EVENTS_NONE) name = name_at(r, q, 3);
    return name == EVENTS_NONE || events_add_range(r->e, (named_range){start, dur, name, thread, RANGE_HOST});
}

static const char *const gpu_columns[] = {"id", "name", "memoryBandwidth", "totalMemory", "smCount", NULL};
static bool gpu_row(reader *r, sqlite3_stmt *q) {
    event_device *dev = &r->e->devices[events_device(r->e, events_text_of(r->e, number_text(r, q, 0)))];
    dev->name = name_at(r, q, 1);
    dev->memory_bytes_per_s = (double)bytes_at(q, 2);
    dev->memory_bytes = (uint64_t)bytes_at(q, 3);
    dev->compute_units = (uint64_t)bytes_at(q, 4);
    return true;
}

#define TABLE(x) "CUPTI_ACTIVITY_KIND_" x
static const struct {
    const char *table;
    const char *const *columns;
    bool (*row)(reader *, sqlite3_stmt *);
    bool device; /* an export of a GPU program has at least one of these */
} tables[] = {
    {TABLE("KERNEL"), kernel_columns, kernel_row, true},    {TABLE("MEMCPY"), memcpy_columns, memcpy_row, true},
    {TABLE("MEMSET"), memset_columns, memset_row, true},    {TABLE("GRAPH_TRACE"), graph_columns, graph_row, true},
    {TABLE("RUNTIME"), runtime_columns, runtime_row, true}, {TABLE("DRIVER"), runtime_columns, runtime_row, false},
    {"NVTX_EVENTS", nvtx_columns, nvtx_row, false},         {"TARGET_INFO_GPU", gpu_columns, gpu_row, false},
};

/* ---- the whole ---- */

static bool read_tables(nsys *n) {
    bool there, any = false;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (!has_table(&n->r, tables[i].table, &there)) return false;
        any = any || (there && tables[i].device);
    }
    if (!has_table(&n->r, "StringIds", &there)) return false;
    if (!any && !there)
        return diag_error(n->r.d, "%s: is a database, but no export of Nsight Systems: no table " TABLE("KERNEL"),
                          n->r.name);
    if (there &&
        sqlite3_prepare_v2(n->r.db, "select \"value\" from \"StringIds\" where \"id\"=?1", -1, &n->lookup, NULL))
        return fail(&n->r);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!each(&n->r, tables[i].table, tables[i].columns, tables[i].row)) return false;
    n->r.e->format = "Nsight Systems (SQLite)";
    return true;
}

static bool read_db(events *e, const char *name, sqlite3 *db, uint64_t bytes, diag *d) {
    nsys *n = mem_alloc(sizeof *n);
    if (!n) return diag_oom(d, name);
    n->r = (reader){e, db, name, d, 100000000 + bytes * 100};
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_exec(db, "pragma cell_size_check=on; pragma mmap_size=0; pragma query_only=on", NULL, NULL, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 24);
    sqlite3_progress_handler(db, STEP, limit, &n->r);
    bool ok = read_tables(n);
    sqlite3_finalize(n->lookup);
    mem_free(n);
    return ok;
}

bool nsys_read_file(events *e, const char *name, const char *path, uint64_t bytes, diag *d) {
    sqlite3 *db = NULL;
    strbuf uri = {0};
    strbuf_adds(&uri, "file:");
    for (const char *p = path; *p; p++)
        if (*p == '%' || *p == '?' || *p == '#') strbuf_addf(&uri, "%%%02x", *p);
        else strbuf_addc(&uri, *p);
    strbuf_adds(&uri, "?immutable=1"); /* nothing is written beside it */
    bool ok = !uri.oom && sqlite3_open_v2(uri.data, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK;
    strbuf_free(&uri);
    ok = ok ? read_db(e, name, db, bytes, d) : diag_error(d, "%s: cannot be opened as a database", name);
    sqlite3_close(db);
    return ok;
}

bool nsys_read_bytes(events *e, const char *name, str bytes, diag *d) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_deserialize(db, "main", (unsigned char *)bytes.p, (sqlite3_int64)bytes.n, (sqlite3_int64)bytes.n,
                            SQLITE_DESERIALIZE_READONLY)) {
        sqlite3_close(db);
        return diag_error(d, "%s: cannot be opened as a database", name);
    }
    bool ok = read_db(e, name, db, bytes.n, d);
    sqlite3_close(db);
    return ok;
}
