/* Facts of traces: every number of the ground truth that comes with the public traces; small traces of our own; hostile
 * ones. */
#include "audit/facts.h"
#include "audit/names.h"
#include "audit/scan.h"
#include "audit/trace.h"
#include "base/file.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- against the ground truth ---- */

static const char *traces_dir(char out[512]) {
    const char *dir = getenv("INGOT_SHARED");
    snprintf(out, 512, "%s/traces", dir ? dir : "../shared");
    if (!file_exists(out)) {
        printf("the traces are not here: %s\n", out);
        skip();
    }
    return out;
}

static int64_t ns_of(const json_t *v) {
    return (int64_t)(json_number_value(v) * 1000 + (json_number_value(v) < 0 ? -0.5 : 0.5));
}

static void same_ns(const json_t *from, const char *key, int64_t got) {
    int64_t want = ns_of(json_object_get(from, key));
    if (want != got) printf("%s: want %lld, got %lld\n", key, (long long)want, (long long)got);
    assert_true(json_object_get(from, key) != NULL);
    assert_int_equal(want, got);
}

static void same_count(const json_t *from, const char *key, uint64_t got) {
    assert_int_equal(json_integer_value(json_object_get(from, key)), got);
}

static void same_share(const json_t *from, const char *key, int64_t part, int64_t whole) {
    assert_true(fabs(json_number_value(json_object_get(from, key)) - (double)part / (double)whole) < 0.00006);
}

static void same_device(const json_t *want, const audit_facts *f) {
    static const char *const kinds[EV_KINDS] = {"compute", "comm", "memcpy", "memset"};
    json_t *gaps = json_object_get(want, "largest_gaps_us"), *v;
    const char *key;
    size_t i;
    json_array_foreach(gaps, i, v) assert_int_equal(ns_of(v), f->gaps_ns[i]);
    same_ns(want, "idle_host_us", f->idle_host_ns);
    same_count(want, "streams", f->streams);
    same_ns(want, "span_us", f->span_ns);
    same_ns(want, "busy_us", f->busy_ns);
    same_ns(want, "idle_us", f->idle_ns);
    same_ns(want, "kernel_sum_us", f->kernel_sum_ns);
    same_ns(want, "movement_union_us", f->movement_union_ns);
    same_ns(want, "movement_exposed_us", f->movement_exposed_ns);
    same_ns(want, "comm_exposed_us", f->comm_exposed_ns);
    same_ns(want, "memcpy_exposed_us", f->memcpy_exposed_ns);
    same_count(want, "distinct_kernels", f->distinct_kernels);
    same_share(want, "explicit_movement_share_of_busy", f->movement_exposed_ns, f->busy_ns);
    same_share(json_object_get(want, "share_of_span"), "compute", f->kind[EV_KERNEL].union_ns, f->span_ns);
    for (int k = 0; k < EV_KINDS; k++) {
        json_t *row = json_object_get(want, kinds[k]);
        same_count(row, "count", f->kind[k].count);
        same_ns(row, "sum_us", f->kind[k].sum_ns);
        same_ns(row, "union_us", f->kind[k].union_ns);
    }
    json_object_foreach(json_object_get(want, "memcpy_by_direction"), key, v) {
        const fact_copies *c = &f->copies[names_direction(str_from(key))];
        same_count(v, "count", c->count);
        same_count(v, "bytes", c->bytes);
        same_ns(v, "sum_us", c->sum_ns);
        assert_true(fabs(json_number_value(json_object_get(v, "GBps")) - (double)c->bytes / (double)c->sum_ns) <
                    0.0006);
    }
    json_array_foreach(json_object_get(want, "top_kernels"), i, v) {
        const char *name = json_string_value(json_object_get(v, "name"));
        same_count(v, "count", f->top[i].count);
        same_ns(v, "sum_us", f->top[i].sum_ns);
        assert_int_equal(strncmp(f->top[i].name, name, strlen(name)), 0);
    }
}

static void same_file(const char *dir, const json_t *want) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, json_string_value(json_object_get(want, "file")));
    arena *a = arena_new(0);
    diag *d = diag_new();
    events e;
    size_t n;
    events_init(&e, a);
    if (!trace_load(&e, path, false, d)) fail_msg("%s", diag_text(d));
    assert_int_equal(e.device_count, json_integer_value(json_object_get(want, "gpu_events")));
    const audit_facts *f = audit_facts_of(&e, a, &n, d);
    assert_int_equal(n, json_object_size(json_object_get(want, "devices")));
    for (size_t i = 0; i < n; i++) same_device(json_object_get(json_object_get(want, "devices"), f[i].device), &f[i]);
    assert_int_equal(e.broken, 0);
    events_free(&e);
    arena_free(a);
    diag_free(d);
}

static void public_traces(void **unused) {
    char dir[512], path[1024];
    size_t i;
    json_t *v;
    (void)unused;
    snprintf(path, sizeof path, "%s/facts.json", traces_dir(dir));
    json_t *all = json_load_file(path, 0, NULL);
    assert_int_equal(json_array_size(all), 6);
    json_array_foreach(all, i, v) same_file(dir, v);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(public_traces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
