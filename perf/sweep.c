/* See sweep.h. Machines and models are loaded once each; a point copies what it changes. */
#include "perf/sweep.h"
#include "base/thread.h"
#include <math.h>
#include <stdlib.h>

/* ---- axes ---- */

/* FROM:TO:COUNT[:log] */
static bool range_values(perf_axis *x, arena *a, const char *text, diag *d) {
    char *end, kind[8] = "";
    double from = strtod(text, &end), to = *end == ':' ? strtod(end + 1, &end) : NAN;
    double count = *end == ':' ? strtod(end + 1, &end) : NAN;
    if (*end == ':') snprintf(kind, sizeof kind, "%s", end + 1);
    bool log_scale = !strcmp(kind, "log"),
         sound = isfinite(from) && isfinite(to) && count >= 2 && count <= SWEEP_VALUES_MAX && count == floor(count);
    if (!sound || (*kind && !log_scale) || (!*kind && *end) || (log_scale && !(from > 0 && to > 0)))
        return diag_error(d, "'%s=%s': want FROM:TO:COUNT or FROM:TO:COUNT:log", x->name, text);
    x->count = (size_t)count;
    x->values = arena_push_n(a, const char *, x->count);
    for (size_t i = 0; x->values && i < x->count; i++) {
        double t = (double)i / (count - 1);
        x->values[i] = arena_printf(a, "%.9g", log_scale ? from * pow(to / from, t) : from + (to - from) * t);
        if (!x->values[i]) return diag_oom(d, x->name);
    }
    return x->values || diag_oom(d, x->name);
}

static bool list_values(perf_axis *x, arena *a, const char *text, diag *d) {
    size_t count = 1;
    for (const char *p = text; *p; p++) count += *p == ',';
    if (count > SWEEP_VALUES_MAX) return diag_error(d, "%s: too many values", x->name);
    x->values = arena_push_n(a, const char *, count);
    if (!x->values) return diag_oom(d, x->name);
    for (const char *p = text; x->count < count; p += strcspn(p, ",") + 1) {
        size_t n = strcspn(p, ",");
        if (!n) return diag_error(d, "'%s=%s': a value is empty", x->name, text);
        if (!(x->values[x->count++] = arena_strndup(a, p, n))) return diag_oom(d, x->name);
    }
    return true;
}

bool perf_axis_parse(perf_axis *x, arena *a, const char *text, diag *d) {
    const char *eq = strchr(text, '=');
    *x = (perf_axis){0};
    if (!eq || eq == text || !eq[1])
        return diag_error(d, "'%s': want NAME=VALUE,VALUE,... or NAME=FROM:TO:COUNT", text);
    x->name = arena_strndup(a, text, (size_t)(eq - text));
    if (!x->name) return diag_oom(d, text);
    return strchr(eq + 1, ':') ? range_values(x, a, eq + 1, d) : list_values(x, a, eq + 1, d);
}

/* ---- parameters of the load ---- */

typedef enum { P_DOUBLE, P_U32, P_BOOL, P_FORMAT } field_kind;
static const struct {
    const char *name;
    field_kind kind;
    size_t offset;
} fields[] = {
#define F(name, kind, field)                                                                                           \
    { name, kind, offsetof(perf_load, field) }
    F("prompt", P_DOUBLE, prompt),
    F("generate", P_DOUBLE, generate),
    F("batch", P_DOUBLE, batch),
    F("prompt-batch", P_DOUBLE, prompt_batch),
    F("systems", P_DOUBLE, systems),
    F("draft", P_DOUBLE, draft_tokens),
    F("accepted", P_DOUBLE, accepted),
    F("draft-cost", P_DOUBLE, draft_cost),
    F("side", P_DOUBLE, wafer_side),
    F("window", P_U32, window),
    F("tp", P_U32, tp),
    F("pp", P_U32, pp),
    F("ep", P_U32, ep),
    F("dp", P_U32, dp),
    F("streamed", P_BOOL, streamed),
    F("weights", P_FORMAT, weights),
    F("kv", P_FORMAT, kv),
#undef F
};

/* 1 done, 0 no such field, -1 a wrong value (told). */
static int set_field(perf_load *l, const char *name, const char *value, diag *d) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(name, fields[i].name)) continue;
        void *at = (char *)l + fields[i].offset;
        char *end;
        double x = strtod(value, &end);
        if (fields[i].kind == P_FORMAT) {
            const perf_format *f = perf_format_named(value);
            if (!f) return diag_error(d, "%s: no number format '%s'", name, value), -1;
            *(const perf_format **)at = f;
            return 1;
        }
        if (*end || !isfinite(x)) return diag_error(d, "%s: '%s' is not a number", name, value), -1;
        if (fields[i].kind != P_DOUBLE && !(x >= 0 && x <= 1e9 && x == floor(x)))
            return diag_error(d, "%s: '%s' must be whole", name, value), -1;
        if (fields[i].kind == P_DOUBLE)
            *(double *)at =
                !strcmp(name, "batch") || !strcmp(name, "prompt") || !strcmp(name, "generate") ? round(x) : x;
        else if (fields[i].kind == P_U32) *(uint32_t *)at = (uint32_t)x;
        else *(bool *)at = x != 0;
        return 1;
    }
    return 0;
}

/* ---- what is loaded once ---- */

typedef struct {
    perf_sweep *s;
    perf_machine *machines; /* [values of the axis "machine", or 1] */
    perf_shape *shapes;
    int machine_axis, shape_axis;
    diag **diags; /* [threads] */
} job;

static int axis_named(const perf_sweep *s, const char *name) {
    for (size_t i = 0; i < s->axis_count; i++)
        if (!strcmp(s->axes[i].name, name)) return (int)i;
    return -1;
}

static bool set_all(perf_machine *m, const char *set, diag *d) {
    for (const char *p = set; p && *p;) {
        size_t n = strcspn(p, ",");
        if (!perf_machine_set(m, (str){p, n}, d)) return false;
        p += n + (p[n] == ',');
    }
    return true;
}

static bool load_all(job *j, arena *a, diag *d) {
    perf_sweep *s = j->s;
    j->machine_axis = axis_named(s, "machine"), j->shape_axis = axis_named(s, "model");
    size_t machines = j->machine_axis < 0 ? 1 : s->axes[j->machine_axis].count,
           shapes = j->shape_axis < 0 ? 1 : s->axes[j->shape_axis].count;
    j->machines = arena_push_n(a, perf_machine, machines);
    j->shapes = arena_push_n(a, perf_shape, shapes);
    if (!j->machines || !j->shapes) return diag_oom(d, "sweep");
    for (size_t i = 0; i < machines; i++) {
        const char *name = j->machine_axis < 0 ? s->machine : s->axes[j->machine_axis].values[i];
        if (!perf_machine_load(&j->machines[i], a, name, d) || !set_all(&j->machines[i], s->set, d)) return false;
    }
    for (size_t i = 0; i < shapes; i++)
        if (!perf_shape_load(&j->shapes[i], a, j->shape_axis < 0 ? s->model : s->axes[j->shape_axis].values[i], d))
            return false;
    return true;
}

size_t perf_sweep_index(const perf_sweep *s, size_t point, size_t axis) {
    for (size_t i = s->axis_count; i-- > axis + 1;) point /= s->axes[i].count;
    return point % s->axes[axis].count;
}

/* Applies the axes of a point. */
static bool apply(const job *j, size_t point, perf_load *l, perf_machine *m, diag *d) {
    const perf_sweep *s = j->s;
    for (size_t i = 0; i < s->axis_count; i++) {
        const char *name = s->axes[i].name, *value = s->axes[i].values[perf_sweep_index(s, point, i)];
        if ((int)i == j->machine_axis || (int)i == j->shape_axis) continue;
        int done = set_field(l, name, value, d);
        if (done < 0) return false;
        if (done) continue;
        char text[128];
        snprintf(text, sizeof text, "%s=%s", name, value);
        if (!perf_machine_set(m, str_from(text), d)) return false;
    }
    return true;
}

static void keep(perf_point *out, const perf_prediction *p) {
    out->ok = true;
#define SWEEP_KEEP(name) out->name = p->name.value;
    SWEEP_METRICS(SWEEP_KEEP)
#undef SWEEP_KEEP
    out->systems = p->setup.systems, out->memory_share = p->memory_share;
    out->tp = p->setup.tp, out->pp = p->setup.pp, out->ep = p->setup.ep, out->dp = p->setup.dp;
    out->binds = perf_limit_name(p->decode.binds, p->machine->class);
    out->user = p->user_tok_s, out->all = p->total_tok_s, out->weakest = p->weakest;
}

static void work(void *arg, int thread, int threads) {
    job *j = arg;
    perf_sweep *s = j->s;
    size_t begin, end;
    pool_share(s->count, 64, thread, threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        perf_machine m = j->machines[j->machine_axis < 0 ? 0 : perf_sweep_index(s, i, (size_t)j->machine_axis)];
        const perf_shape *shape = &j->shapes[j->shape_axis < 0 ? 0 : perf_sweep_index(s, i, (size_t)j->shape_axis)];
        perf_load l = s->load;
        perf_prediction p;
        diag_clear(j->diags[thread]);
        if (apply(j, i, &l, &m, j->diags[thread]) && perf_predict(&p, shape, &m, &l, j->diags[thread]))
            keep(&s->points[i], &p);
    }
}

static bool axes_are_sound(job *j, diag *d) {
    perf_sweep *s = j->s;
    s->count = 1;
    for (size_t i = 0; i < s->axis_count; i++) {
        if (s->axes[i].count > SWEEP_POINTS_MAX / s->count)
            return diag_error(d, "more than %d points", SWEEP_POINTS_MAX);
        s->count *= s->axes[i].count;
        perf_load l = s->load;
        perf_machine m = j->machines[0];
        for (size_t v = 0; v < s->axes[i].count;
             v++) { /* every value once: a wrong name or number is told before all the work */
            if ((int)i == j->machine_axis || (int)i == j->shape_axis) break;
            int done = set_field(&l, s->axes[i].name, s->axes[i].values[v], d);
            char text[128];
            snprintf(text, sizeof text, "%s=%s", s->axes[i].name, s->axes[i].values[v]);
            if (done < 0 || (!done && !perf_machine_set(&m, str_from(text), d))) return false;
        }
    }
    return true;
}

bool perf_sweep_run(perf_sweep *s, arena *a, int threads, diag *d) {
    job j = {.s = s};
    if (!load_all(&j, a, d) || !axes_are_sound(&j, d)) return false;
    s->points = arena_push_n(a, perf_point, s->count);
    pool *p = s->points ? pool_new(threads, d) : NULL;
    if (!s->points) return diag_oom(d, "points");
    if (!p) return false;
    int n = pool_threads(p);
    bool ok = (j.diags = arena_push_n(a, diag *, (size_t)n)) != NULL;
    for (int i = 0; ok && i < n; i++) ok = (j.diags[i] = diag_new()) != NULL;
    if (ok) pool_run(p, work, &j);
    for (int i = 0; j.diags && i < n; i++) diag_free(j.diags[i]);
    pool_free(p);
    return ok || diag_oom(d, "sweep");
}
