/* Downloads. The idea: NAME.part holds bytes, NAME.part.from says whose they are: a hash of the URL (which may hold a
 * password) and the server's validator. An attempt that brought bytes and broke off is followed by another; one that
 * brought nothing is the last. Nothing waits for ever: connecting and silence have limits.
 * Left out: several connections at once, and continuing a file:// copy, which is as quick from the start. */
#include "cli/fetch.h"
#include "base/map.h"
#include "cli/cli.h"
#include <curl/curl.h>
#include <unistd.h>

enum { CONNECT_S = 20, SILENCE_S = 30, ATTEMPTS_MAX = 30, VALIDATOR_BYTES = 256 };

typedef struct {
    pulled_model *e;
    CURL *curl;
    diag *d;
    const char *url, *from_path;          /* NAME.part.from */
    char kept[VALIDATOR_BYTES];           /* of the bytes that NAME.part holds; "" = not to be continued */
    char etag[VALIDATOR_BYTES], date[VALIDATOR_BYTES]; /* of the present answer */
    uint64_t asked_from, range_from;      /* of our Range, of the answer's Content-Range */
    bool started, told;                   /* the body began; d knows the reason of a failure */
} fetch;

/* --- the note beside a partial file --- */

static void note_line(const fetch *f, const char *validator, strbuf *out) {
    strbuf_addf(out, "%016llx %s\n", (unsigned long long)str_hash(str_from(f->url)), validator);
}

static void note_read(fetch *f, arena *a) {
    strbuf expect = {0};
    note_line(f, "", &expect);
    diag *quiet = diag_new();
    str text = {0};
    if (quiet && !expect.oom && file_read_all(a, f->from_path, VALIDATOR_BYTES, &text, quiet)) {
        str head = {expect.data, expect.len - 1};
        const char *rest = text.p + head.n;
        if (str_starts(text, head)) snprintf(f->kept, sizeof f->kept, "%.*s", (int)strcspn(rest, "\n"), rest);
    }
    diag_free(quiet);
    strbuf_free(&expect);
}

/* A weak ETag ("W/...") promises the same meaning, not the same bytes. */
static const char *validator(const fetch *f) { return f->etag[0] && f->etag[0] != 'W' ? f->etag : f->date; }

static bool note_write(fetch *f) {
    strbuf line = {0};
    note_line(f, validator(f), &line);
    bool ok = line.oom ? diag_oom(f->d, f->e->name) : file_write_all(f->from_path, strbuf_str(&line), f->d);
    strbuf_free(&line);
    return ok;
}

/* --- what libcurl calls --- */

static bool header_is(str line, const char *name, char *out, size_t out_bytes) {
    size_t n = strlen(name);
    if (line.n < n || strncasecmp(line.p, name, n)) return false;
    str value = {line.p + n, line.n - n};
    while (value.n && (value.p[0] == ' ' || value.p[0] == '\t')) value.p++, value.n--;
    while (value.n && (unsigned char)value.p[value.n - 1] <= ' ') value.n--;
    snprintf(out, out_bytes, "%.*s", value.n < out_bytes ? (int)value.n : 0, value.p);
    return true;
}

static size_t on_header(char *p, size_t one, size_t n, void *arg) {
    fetch *f = arg;
    str line = {p, n};
    char range[64] = "";
    if (str_starts(line, STR("HTTP/"))) f->etag[0] = f->date[0] = 0, f->range_from = 0; /* after a redirect: anew */
    header_is(line, "ETag:", f->etag, sizeof f->etag);
    header_is(line, "Last-Modified:", f->date, sizeof f->date);
    if (header_is(line, "Content-Range:", range, sizeof range)) {
        unsigned long long from = 0;
        if (sscanf(range, "bytes %llu-", &from) == 1) f->range_from = from;
    }
    return one * n;
}

/* The first bytes of the body: only now is it known whether the server continues (206) or sends the whole. */
static bool body_begins(fetch *f) {
    long code = 0;
    curl_off_t length = 0;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    uint64_t keep_bytes = code == 206 ? f->asked_from : 0, total_bytes = length > 0 ? keep_bytes + (uint64_t)length : 0;
    if (code == 206 && f->range_from != f->asked_from)
        return diag_error(f->d, "%s: the server continues at byte %llu, not at %llu; delete %s and try again",
                          f->e->name, (unsigned long long)f->range_from, (unsigned long long)f->asked_from, f->e->part);
    f->started = true;
    return pulled_begin(f->e, keep_bytes, total_bytes, f->e->name, f->d) && note_write(f);
}

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
    fetch *f = arg;
    if ((!f->started && !body_begins(f)) || !pulled_write(f->e, p, n, f->d)) {
        f->told = true;
        return 0; /* stops the transfer */
    }
    return one * n;
}

/* --- one attempt, and the sequence of them --- */

static void set_options(fetch *f, struct curl_slist **headers, char *error) {
    CURL *c = f->curl;
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https"); /* a server must not send us to local files */
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "ingot/" INGOT_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    if (!f->asked_from) return;
    char line[VALIDATOR_BYTES + 32];
    snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)f->asked_from);
    *headers = curl_slist_append(*headers, line);
    snprintf(line, sizeof line, "If-Range: %s", f->kept);
    *headers = curl_slist_append(*headers, line);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
}

typedef enum { ATTEMPT_DONE, ATTEMPT_BROKEN, ATTEMPT_REFUSED } attempt_end;

/* error: CURL_ERROR_SIZE characters for the reason. */
static attempt_end attempt(fetch *f, arena *a, char *error) {
    struct curl_slist *headers = NULL;
    f->kept[0] = 0;
    f->started = false;
    note_read(f, a);
    f->asked_from = f->kept[0] && strncmp(f->url, "file:", 5) ? pulled_part_bytes(f->e) : 0;
    f->curl = curl_easy_init();
    if (!f->curl) return snprintf(error, CURL_ERROR_SIZE, "libcurl does not start"), ATTEMPT_REFUSED;
    set_options(f, &headers, error);
    CURLcode code = curl_easy_perform(f->curl);
    long status = 0;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(f->curl);
    if (code == CURLE_OK && f->started) return ATTEMPT_DONE;
    if (!error[0]) snprintf(error, CURL_ERROR_SIZE, "%s", code ? curl_easy_strerror(code) : "the answer is empty");
    if (status != 416) return f->started && !f->told ? ATTEMPT_BROKEN : ATTEMPT_REFUSED;
    unlink(f->from_path); /* Range not satisfiable: what we hold is no beginning of this file */
    return ATTEMPT_BROKEN;
}

/* For messages: without the query and the password, which may be secrets. */
static const char *shown(arena *a, const char *url) {
    const char *host = strstr(url, "://"), *end = url + strcspn(url, "?#");
    host = host ? host + 3 : url;
    const char *at = memrchr(host, '@', strcspn(host, "/?#"));
    if (at) return arena_printf(a, "%.*s%.*s", (int)(host - url), url, (int)(end - at - 1), at + 1);
    return arena_strndup(a, url, (size_t)(end - url));
}

bool fetch_url(pulled_model *e, arena *a, const char *url, diag *d) {
    const char *from_path = arena_printf(a, "%s.from", e->part), *where = shown(a, url);
    if (!from_path || !where) return diag_oom(d, e->name);
    fetch f = {.e = e, .d = d, .url = url, .from_path = from_path};
    char error[CURL_ERROR_SIZE] = "";
    attempt_end end = ATTEMPT_BROKEN;
    for (int tries = 0; tries < ATTEMPTS_MAX && end == ATTEMPT_BROKEN; tries++) {
        if (tries) cli_say("%s: %s; trying again", e->name, error), sleep(tries < 5 ? 1 : 5);
        error[0] = 0;
        end = attempt(&f, a, error);
    }
    if (end == ATTEMPT_DONE) return unlink(from_path), true;
    if (f.told) return false;
    uint64_t have = pulled_part_bytes(e);
    return diag_error(d, "%s: %s; check the address and the network%s", where, error,
                      have ? ", then pull again: it continues where it stopped" : "");
}

const char *fetch_name(arena *a, const char *url) {
    const char *path = strstr(url, "://"), *end = url + strcspn(url, "?#");
    path = path ? path + 3 : url;
    const char *slash = memrchr(path, '/', (size_t)(end - path));
    return slash ? arena_strndup(a, slash + 1, (size_t)(end - slash - 1)) : "";
}
