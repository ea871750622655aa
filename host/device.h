/* What the runtime needs of a machine: a table of functions. device_wse.c fills it with the simulator, tests with a
 * fake. PEs are numbered y * width + x inside the program's rectangle. */
#ifndef INGOT_HOST_DEVICE_H
#define INGOT_HOST_DEVICE_H

#include "wse/wse.h"

typedef struct {
    void *machine;
    uint16_t *(*memory)(void *machine, uint32_t pe);
    void (*wrote)(void *machine, uint32_t pe, uint32_t word, uint32_t words); /* NULL, or told of what the host writes */
    bool (*ready)(const void *machine, uint32_t pe); /* no launched function is unfinished on this PE */
    void (*launch)(void *machine, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t words, uint32_t delay);
    wse_stop (*run)(void *machine, uint64_t until_cycle, bool stop_for_streams);
    uint64_t (*cycle)(const void *machine);
    uint32_t (*stream_in)(void *machine, wse_rect_stream s, const uint32_t *words, diag *d);
    uint32_t (*stream_out)(void *machine, wse_rect_stream s, uint32_t *words, diag *d);
    bool (*stream_complete)(const void *machine, uint32_t id);
    const char *(*fault)(const void *machine);
    void (*explain)(const void *machine, strbuf *out); /* who waits for whom; nothing when nothing waits */
    void (*free)(void *machine);
    void (*failed)(void *listener, const char *why); /* NULL, or told of a fault or a deadlock, before anybody else */
    void *listener;
} host_device;

/* The simulator as a device; false: d says why. wafer and image must outlive it. */
bool host_device_wse(host_device *out, const isa_wafer *wafer, const isa_image *image, const wse_options *o, diag *d);

#endif
