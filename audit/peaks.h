/* Roofs of the device that a trace comes from: what it could compute and move at most, and who says so.
 *
 * In this order: numbers of the user; a machine of data/machines named by the user; the trace's own device name looked up in
 * data/devices.json; what the trace says itself. Nothing fits: the roofs are 0, and only names and copies place a kernel.
 */
#ifndef INGOT_AUDIT_PEAKS_H
#define INGOT_AUDIT_PEAKS_H
#include "audit/events.h"
#include "perf/machine.h"

typedef struct {
    double flops16, flops8, bytes_per_s, host_link, network; /* per second; 0 = not known */
    const char *title;                   /* "" = not known */
    const char *flops_origin, *bytes_origin;
    bool has_machine;
    perf_machine machine;                /* when has_machine */
} audit_peaks;

typedef struct {
    const char *machine;                 /* NULL: by the trace */
    double tflops, gbs;                  /* 0: not given */
} peaks_wanted;

bool audit_peaks_find(audit_peaks *p, arena *a, const events *e, const event_device *dev, const peaks_wanted *w, diag *d);
/* Devices of the list with a machine file and more bandwidth: at most `max`, the slowest first. */
size_t audit_peaks_faster(const audit_peaks *p, arena *a, perf_machine *out, size_t max, diag *d);
#endif
