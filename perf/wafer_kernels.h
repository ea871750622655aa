/* Cycles of the kernels in kernels/, predicted from their sizes; on WSE-3 in profile vendor-sim.
 *
 *     perf_kernel_sizes s = {.width = 16, .height = 16, .row_group = 4, .m_tile = 32, .k_tile = 16};
 *     double cycles = perf_kernel_cycles("gemv", &s);
 *
 * Counted from the arrival of a launch at PE (0, 0) to the end of the last PE, as the READMEs of the kernels do, which
 * say where each formula comes from: lines (kernels/mesh/README.md) from ramps, hops and a cycle a number; constants of a
 * kernel from the rows of its README's table. Other sizes judge them: `ingot validate --kernels`, tests/test_agreement.c.
 * What kernels/transformer takes is in map/cycles.c.
 *
 * Pure functions; nothing here knows the machine's simulator.
 */
#ifndef INGOT_PERF_WAFER_KERNELS_H
#define INGOT_PERF_WAFER_KERNELS_H
#include <stdbool.h>
#include <stddef.h>

/* Parameters of the layouts by their names there; of a call: `best` and `tokens` asked for, `positions` new ones of
 * attention behind `before` others, of which it sees the last `window` (0: all), `everywhere` 1 when a reduction's result goes back to all PEs. */
#define PERF_KERNEL_SIZES(X)                                                                                           \
    X(width) X(height) X(row_group) X(column_group) X(root_x) X(root_y) X(n) X(m_tile) X(n_tile) X(k_tile) X(k_panel) \
    X(panels) X(d) X(d_tile) X(rows_tile) X(vocab_tile) X(vocab) X(mlp_tile) X(gated) X(activation) X(kind) X(heads)  \
    X(head) X(dims) X(style) X(units) X(unit_rows) X(group) X(slots) X(queries) X(qk_norm) X(scale_bits) X(tokens)    \
    X(best) X(positions) X(before) X(window) X(everywhere)
typedef struct {
#define PERF_FIELD(name) double name;
    PERF_KERNEL_SIZES(PERF_FIELD)
#undef PERF_FIELD
} perf_kernel_sizes;

double *perf_kernel_size(perf_kernel_sizes *s, const char *name); /* NULL: no such size */
const char *perf_kernel_size_name(size_t i);                      /* in the order above; NULL after the last */

double perf_kernel_cycles(const char *kernel, const perf_kernel_sizes *s); /* NAN: no such kernel */

/* kernels/mesh: the sum of vectors of n numbers along a line of `pes` in groups of `group` toward PE `root`, and the copy
 * from it. */
double perf_line_sum(double n, double pes, double group, double root);
double perf_line_copy(double n, double pes, double root);
#endif
