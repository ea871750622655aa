/* From events to a report: chooses a device and a window, places every kernel on the roofline, splits the window into
 * buckets, writes tables, evidence, what-ifs and advice.
 *
 *     audit_options o = {.device = -1};
 *     audit_report r;
 *     audit_report_init(&r, arena, AUDIT_OF_TRACE, path);
 *     if (audit_trace(&r, &e, &o, d)) audit_text(&r, &out);
 *
 * How a kernel is placed, the first that applies (each is said in the report):
 *     shapes    its operator's flops and bytes, when the operator's shapes are in the trace and nothing would run faster than the roof
 *     model     all kernels of a kind together against what a model's description says of the step (matrix products, experts, attention)
 *     batch     a matrix product that serves M tokens has at most 2M flops per byte of weights: below the ridge it waits for memory
 *     name      what reads and writes each element about once waits for memory on every accelerator
 * The rest is not classified, which widens the range of the answer.
 */
#ifndef INGOT_AUDIT_ANALYSE_H
#define INGOT_AUDIT_ANALYSE_H
#include "audit/audit.h"
#include "audit/facts.h"
#include "audit/peaks.h"
#include "audit/ranks.h"
#include "perf/shape.h"
#include "perf/format.h"

typedef struct {
    peaks_wanted peaks;
    const perf_shape *model;             /* NULL: none */
    const perf_format *weights, *kv;     /* NULL: the model's own; 16 bits */
    double batch, context, tp;           /* sequences decoding per step; tokens kept of each; tensor parallel; 0 = not said */
    const rank_calls *ranks;             /* of this and the other ranks; NULL: one file only */
    int64_t device;                      /* -1: the busiest */
    bool no_annotations, by_busy;
    size_t rows;                         /* of a table; 0 = 12 */
} audit_options;

/* `e` gets device events when it has none and the processor is judged in their place. */
const audit_facts *audit_choose_device(const audit_facts *f, size_t n, int64_t wanted, diag *d); /* -1: the busiest; NULL: told */
bool audit_trace(audit_report *r, events *e, const audit_options *o, diag *d);
#endif
