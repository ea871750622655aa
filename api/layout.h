/* Host-side layouts (the Python class SdkLayout): a JSON text that says which program runs on which PE and how its
 * router is set. No layout block runs; placement, colors and paths have been decided by whoever wrote the text.
 * docs/host.md has the keys. */
#ifndef INGOT_API_LAYOUT_H
#define INGOT_API_LAYOUT_H

#include "csl/csl.h"
#include "host/host.h"

typedef struct {
    const char *name;
    bool input;
    uint32_t x, y, color, elements;
} api_port;

typedef struct {
    uint32_t x, y;
    const char *symbol;
    uint16_t *words;
    uint32_t count;
} api_data;

/* What a run needs of a layout beside its image. In an arena of the caller. */
typedef struct {
    api_port *ports;
    uint32_t port_count;
    api_data *data;
    uint32_t data_count;
} api_layout;

isa_image *api_layout_compile(str json, const char *folder,
                              diag *d); /* also writes the folder, with the text in bin/layout.json */
bool api_layout_parse(api_layout *l, arena *a, str json, const char *name, diag *d);
bool api_layout_read(api_layout *l, arena *a, const char *folder, diag *d); /* nothing when the folder has none */
bool api_layout_place_data(const api_layout *l, const isa_image *m, host *h, diag *d);

#endif
