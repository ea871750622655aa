/* Does the predictor agree with the machine? Kernels of kernels/ at a grid of sizes: predicted and simulated cycles.
 *
 *     agreement g;
 *     if (agreement_read(&g, a, "data/validation/kernels.json", d))
 *         for (size_t i = 0; i < g.count; i++)
 *             if (agreement_run(&g.rows[i], root, &wafer, d)) ... rows[i].predicted, rows[i].simulated ...
 *
 * The file: {"rows": [{"kernel": "gemv", "width": [1, 6, 24], "height": 10, "row_group": "even", ...}, ...]}; each object is
 * the product of its lists. Sizes are those of perf/wafer_kernels.h; words stand for sizes that follow from others:
 *
 *     "middle"  root_x, root_y: the middle of the line          "whole"  a group: the whole line, one level
 *     "even"    a group: 0.8 of the root of the line            "all"    what the grid has room for (d, vocab, panels, before)
 *
 * Kernel `transformer` is a seeded model under the engine of cluster/wafer.h instead: its family and sizes (llm/synth.h), and
 * columns, unit_rows, streamed of the plan; cycles of a token of decoding, predicted by map/cycles.c.
 *
 * Inputs are seeded; a row's cycles depend on nothing else. "calibration": true marks rows that constants were chosen with.
 */
#ifndef INGOT_CLUSTER_AGREEMENT_H
#define INGOT_CLUSTER_AGREEMENT_H
#include "isa/wafer.h"
#include "llm/synth.h"
#include "map/plan.h"
#include "perf/wafer_kernels.h"

typedef struct {
    const char *kernel, *label; /* "width=6 height=10 ..." */
    bool calibration;
    perf_kernel_sizes sizes;
    synth_options model; /* kernel `transformer` */
    plan_options plan;
    double predicted, simulated; /* cycles; set by agreement_run */
} agreement_row;

typedef struct {
    agreement_row *rows; /* in the arena */
    size_t count;
} agreement;

enum { AGREEMENT_ROWS_MAX = 4096 };

bool agreement_parse(agreement *g, arena *a, const char *name, str json, diag *d);
bool agreement_read(agreement *g, arena *a, const char *path, diag *d);
/* `root` holds kernels/ and lib/. The wafer must be a WSE-3 of profile vendor-sim for the prediction to mean anything. */
bool agreement_run(agreement_row *r, const char *root, const isa_wafer *w, diag *d);

/* Inside cluster/agreement*.c. */
bool agreement_run_model(agreement_row *r, diag *d);
#endif
