/* See wafer_kernels.h. One function a kernel: the formula of its README. */
#include "perf/wafer_kernels.h"
#include "map/plan.h"
#include <math.h>
#include <string.h>

typedef const perf_kernel_sizes sizes;

/* A PE of a chain: two crossings of the ramp (2 each), a hop (2), a cycle in the core; a PE passed: a hop. */
enum { CHAIN = 7, HOP = 2 };
#define COLUMN_START 7.3 /* an input of a matrix tile: the start of one vector operation over its outputs */

double perf_line_sum(double n, double pes, double group, double root) {
    if (root > 0) return perf_line_sum(n, fmax(pes - root, root + 1), group, 0) + n + 15;
    if (pes == 1) return 0;
    if (group >= pes) return CHAIN * (pes - 1) + n + 12;
    double in_group = group > 1 ? CHAIN * (group - 1) + n : 0;
    return in_group + (ceil(pes / group) - 1) * (HOP * group + 5) + n + 20;
}

double perf_line_copy(double n, double pes, double root) {
    return pes == 1 ? 0 : HOP * fmax(pes - 1 - root, root) + n + 19;
}

static double row_sum(sizes *s, double n) { return perf_line_sum(n, s->width, s->row_group, s->root_x); }
static double row_copy(sizes *s, double n) { return perf_line_copy(n, s->width, s->root_x); }
static double column_sum(sizes *s, double n) { return perf_line_sum(n, s->height, s->column_group, s->root_y); }
static double column_copy(sizes *s, double n) { return perf_line_copy(n, s->height, s->root_y); }
static double launch(sizes *s) { return s->width + s->height - 2; }

/* Four products of f16 a cycle, summed in f32. */
static double tile(double inputs, double outputs) { return inputs * (COLUMN_START + ceil(outputs / 4)); }

static double gemv(sizes *s) {
    return 202 + column_copy(s, ceil(s->k_tile / 2)) + tile(s->k_tile, s->m_tile) + row_sum(s, s->m_tile) + launch(s);
}

/* PEs with neighbours on both sides change their routes. */
static double gemm(sizes *s) {
    double turns = (s->width > 2) + (s->height > 2);
    return 130 + 330 * turns + s->panels * (171 + s->k_panel * (24.7 + tile(s->m_tile, s->n_tile)));
}

static double reduce(sizes *s) {
    double back = s->everywhere > 0 ? 35 + row_copy(s, s->n) + column_copy(s, s->n) : 0;
    return 155 + row_sum(s, s->n) + column_sum(s, s->n) + back + launch(s);
}

static double norm(sizes *s) {
    double line = row_sum(s, 1) + row_copy(s, 1) + s->width - 1;
    return s->kind > 0 ? 515 + 10.5 * s->d_tile + 2 * line : 337 + 8.3 * s->d_tile + line;
}

static double rope(sizes *s) { return 30 + s->heads * (120 + 4.25 * s->dims); }

/* All PEs of a row compute its activations, or a slice each, with one more sum: as pe.csl chooses. */
static double mlp(sizes *s) {
    double up = s->gated > 0 ? 2 * s->mlp_tile : s->mlp_tile, slice = ceil(s->mlp_tile / s->width);
    bool sliced = (s->mlp_tile - slice) * 170 > 5 * s->width + 150;
    double joined = sliced ? row_sum(s, s->mlp_tile) + row_copy(s, s->mlp_tile) + 100 : 0;
    return 425 + column_copy(s, ceil(s->d_tile / 2)) + tile(s->d_tile, up) + row_sum(s, up) + row_copy(s, up) +
           170 * (sliced ? slice : s->mlp_tile) + joined + tile(s->mlp_tile, s->d_tile) + column_sum(s, s->d_tile) +
           launch(s);
}

/* Tokens lie evenly over the rows of PEs. */
static double embedding(sizes *s) {
    double n = s->tokens, moved = n * s->d_tile, found = ceil(n / s->height) * (15 + s->d_tile / 4);
    return 150 + column_copy(s, n) + row_copy(s, n) + 17 * n + moved / 4 + found + column_sum(s, moved);
}

/* A round finds the largest logit of a column of PEs, then the smallest token that has it. */
static double lm_head(sizes *s) {
    double v = s->vocab_tile, scan = v > 6 ? 60 + 2.2 * v + 65 * log2(v / 6) : 15 * v;
    double round = 200 + scan + 2 * (column_sum(s, 1) + column_copy(s, 1));
    return 300 + column_copy(s, ceil(s->d_tile / 2)) + tile(s->d_tile, v) + row_sum(s, v) + launch(s) + s->best * round;
}

/* Slots of PE `number` of a unit that hold positions up to the i-th. */
static double filled(sizes *s, double number, double i) {
    return i < number ? 0 : floor((i - number) / (s->width * s->unit_rows)) + 1;
}

/* Slots that it goes through in a call. */
static double kept(sizes *s, double number) {
    double sum = 0;
    for (double i = s->before; i < s->before + s->positions; i++)
        sum += filled(s, number, i) - (s->window > 0 ? filled(s, number, i - s->window) : 0);
    return sum;
}

static double unit_sum(sizes *s, double n) { return perf_line_sum(n, s->unit_rows, s->unit_rows, s->root_y); }
static double unit_copy(sizes *s, double n) { return perf_line_copy(n, s->unit_rows, s->root_y); }

static double attention(sizes *s) {
    double head = s->head, fresh = (s->group + 2) * head, queries = s->positions * s->group;
    double slot = plan_slot_cycles(s->group, head);
    double norms = s->qk_norm > 0 ? s->positions * (s->group + 1) * (220 + 8.3 * head) : 0;
    double first = s->window > 0 ? fmod(s->before, s->width * s->unit_rows) : 0; /* PE whose position is seen longest */
    double busiest = fmax(norms + slot * kept(s, s->root_y * s->width + s->root_x), slot * kept(s, first));
    double maxima = row_sum(s, queries) + row_copy(s, queries) + unit_sum(s, queries) + unit_copy(s, queries);
    double enter = 338 + 0.68 * fresh + unit_copy(s, fresh) + row_copy(s, fresh), out = queries * (head + 1);
    return 440 + s->positions * enter + busiest + maxima + queries * (217 + 4.26 * head) + row_sum(s, out) +
           unit_sum(s, out);
}

static const struct {
    const char *name;
    double (*cycles)(sizes *s);
} kernels[] = {{"gemv", gemv}, {"gemm", gemm},           {"reduce", reduce},   {"norm", norm},          {"rope", rope},
               {"mlp", mlp},   {"embedding", embedding}, {"lm_head", lm_head}, {"attention", attention}};

double perf_kernel_cycles(const char *kernel, const perf_kernel_sizes *s) {
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!strcmp(kernels[i].name, kernel)) return kernels[i].cycles(s);
    return (double)NAN;
}

static const struct {
    const char *name;
    size_t at;
} fields[] = {
#define PERF_FIELD(name) {#name, offsetof(perf_kernel_sizes, name)},
    PERF_KERNEL_SIZES(PERF_FIELD)
#undef PERF_FIELD
};

const char *perf_kernel_size_name(size_t i) { return i < sizeof fields / sizeof *fields ? fields[i].name : NULL; }

double *perf_kernel_size(perf_kernel_sizes *s, const char *name) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(fields[i].name, name)) return (double *)(void *)((char *)s + fields[i].at);
    return NULL;
}
