/* The same passes with weights from memory (cold) and with a few panels that stay in the cache (hot), in turn. The
 * instructions are the same, so share = 1 - hot / cold, without counters and without a model of the machine. By the
 * processor time of the process, over its threads: what other programs take of the processors does not count. */
#include "cli/bench_hot.h"
#include "base/file.h"
#include "base/units.h"
#include "llm/native_probe.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 7, BATCHES = 3, BATCH_MAX = 64, TOKENS = 128 };
static const size_t batches[BATCHES] = {1, 8, BATCH_MAX};

typedef struct {
    double median, spread; /* seconds a pass; distance of the quartiles over the median */
} timing;

static double process_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static timing summary(double *v) {
    qsort(v, RUNS, sizeof *v, by_value);
    return (timing){v[RUNS / 2], (v[3 * RUNS / 4] - v[RUNS / 4]) / v[RUNS / 2]};
}

/* Passes for about a tenth of a second, at least two; seconds of one. */
static bool passes(session *s, const int32_t *ids, size_t batch, bool hot, double *seconds, diag *d) {
    int done = 0;
    native_set_hot(s->native, hot);
    double since = process_seconds(), now = since;
    while (done < 2 || (now - since) / pool_threads(s->threads) < 0.1) {
        native_rewind(s->native, 0);
        if (!native_forward(s->native, ids, batch, s->logits, d)) return false;
        done++;
        now = process_seconds();
    }
    *seconds = (now - since) / done / pool_threads(s->threads);
    return true;
}

static bool one_batch(session *s, const char *name, size_t batch, bool json, diag *d) {
    int32_t ids[BATCH_MAX];
    double cold[RUNS], hot[RUNS];
    for (size_t i = 0; i < BATCH_MAX; i++) ids[i] = (int32_t)(i * 7919 % s->model->config.vocab);
    for (int i = -1; i < RUNS; i++) { /* the first warms up */
        int k = i < 0 ? 0 : i;
        if (!passes(s, ids, batch, false, &cold[k], d) || !passes(s, ids, batch, true, &hot[k], d)) return false;
    }
    timing c = summary(cold), h = summary(hot);
    double share = fmax(0, 1 - h.median / c.median), noise = (c.spread + h.spread) / 2;
    native_verdict v = {0};
    if (batch == 1) native_judge(s->native, &v);
    double rule = v.decode.total_s > 0 ? v.decode.memory_s / v.decode.total_s : NAN;
    if (json) {
        printf(
            "{\"model\": \"%s\", \"threads\": %d, \"batch\": %zu, \"cold_s\": %.6g, \"hot_s\": %.6g, \"share\": %.4g, "
            "\"spread\": %.4g",
            name, pool_threads(s->threads), batch, c.median, h.median, share, noise);
        if (rule >= 0) printf(", \"roofline_share\": %.4g", rule);
        puts("}");
    } else {
        printf("%-38s %2d %5zu  %10s  %10s  %5.0f %% +- %2.0f", name, pool_threads(s->threads), batch,
               units_seconds(c.median).text, units_seconds(h.median).text, 100 * share, 50 * noise);
        if (rule >= 0) printf("  %5.0f %%", 100 * rule);
        putchar('\n');
    }
    fflush(stdout);
    return true;
}

bool bench_hot(const session_options *o, bool json, diag *d) {
    session s;
    session_options with = *o;
    with.native.context = TOKENS;
    if (!session_open(&s, &with, d)) return false;
    bool ok = true;
    for (int i = 0; ok && i < BATCHES; i++) ok = one_batch(&s, path_base(o->model_path), batches[i], json, d);
    session_close(&s);
    return ok;
}
