/* The simulated machine as a device: each entry passes on to wse/. */
#include "host/device.h"

static uint16_t *memory(void *m, uint32_t pe) { return wse_memory(m, pe); }
static void wrote(void *m, uint32_t pe, uint32_t word, uint32_t words) { wse_wrote(m, pe, word, words); }
static bool ready(const void *m, uint32_t pe) { return wse_command_ready(m, pe); }
static void launch(void *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t words, uint32_t delay) {
    wse_launch(m, pe, entry, args, words, delay);
}
static wse_stop run(void *m, uint64_t until, bool stop_for_streams) { return wse_run(m, until, stop_for_streams); }
static uint64_t cycle(const void *m) { return wse_cycle(m); }
static uint32_t stream_in(void *m, wse_rect_stream s, const uint32_t *words, diag *d) {
    return wse_stream_in(m, s, words, d);
}
static uint32_t stream_out(void *m, wse_rect_stream s, uint32_t *words, diag *d) {
    return wse_stream_out(m, s, words, d);
}
static bool stream_complete(const void *m, uint32_t id) { return wse_stream_complete(m, id); }
static const char *fault(const void *m) { return wse_fault_text(m); }
static void explain(const void *m, strbuf *out) { wse_explain_waits(m, out); }
static void release(void *m) { wse_free(m); }

bool host_device_wse(host_device *out, const isa_wafer *wafer, const isa_image *image, const wse_options *o, diag *d) {
    *out = (host_device){.machine = wse_new(wafer, image, o, d),
                         .memory = memory,
                         .wrote = wrote,
                         .ready = ready,
                         .launch = launch,
                         .run = run,
                         .cycle = cycle,
                         .stream_in = stream_in,
                         .stream_out = stream_out,
                         .stream_complete = stream_complete,
                         .fault = fault,
                         .explain = explain,
                         .free = release};
    return out->machine != NULL;
}
