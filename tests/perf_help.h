/* What the tests of perf/ share: an arena and a diag for each test, presets by name, numbers that are nearly the same.
 */
#ifndef INGOT_TESTS_PERF_HELP_H
#define INGOT_TESTS_PERF_HELP_H
#include "perf/predict.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
} fixture;

static inline int setup(void **state) {
    fixture *f = test_malloc(sizeof *f);
    *f = (fixture){arena_new(0), diag_new()};
    *state = f;
    return f->a && f->d ? 0 : -1;
}

static inline int teardown(void **state) {
    fixture *f = *state;
    arena_free(f->a);
    diag_free(f->d);
    test_free(f);
    return 0;
}

static inline void near(double got, double want, double relative) {
    if (!(fabs(got - want) <= relative * fabs(want))) fail_msg("got %.17g, want %.17g", got, want);
}

static inline perf_machine machine(fixture *f, const char *name) {
    perf_machine m;
    if (!perf_machine_load(&m, f->a, name, f->d)) fail_msg("%s", diag_text(f->d));
    return m;
}

static inline perf_shape shape(fixture *f, const char *name) {
    perf_shape s;
    if (!perf_shape_load(&s, f->a, name, f->d)) fail_msg("%s", diag_text(f->d));
    return s;
}

/* The words of the last complaint; the diag is empty again. */
static inline void told(fixture *f, const char *part) {
    if (!strstr(diag_text(f->d), part)) fail_msg("'%s' is not in: %s", part, diag_text(f->d));
    diag_clear(f->d);
}
#endif
