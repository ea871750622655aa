/* See trace.h: which reader a file is for. */
#include "audit/trace.h"
#include <unistd.h>

static bool refuse(const input *in, diag *d) {
    static const char takes[] =
        "ingot audit takes PyTorch profiler (Kineto) and other Chrome traces (.json, .json.gz) and Nsight "
        "Systems databases (`nsys export --type sqlite`)";
    if (input_sniff(in) == INPUT_EMPTY) return diag_error(d, "%s: is empty; %s", in->name, takes);
    return diag_error(d, "%s: is no trace; %s", in->name, takes);
}

/* A packed database is unpacked beside: SQLite reads files. */
static bool load_packed(events *e, input *in, diag *d) {
    char path[INPUT_PATH_BYTES];
    if (!input_spill(in, path, d)) return false;
    bool ok = in->cut_short ? diag_error(d, "%s: the gzip data end too early: copy the file again", in->name)
                            : nsys_read_file(e, in->name, path, in->read_bytes, d);
    unlink(path);
    return ok;
}

static bool load(events *e, input *in, str memory, bool partial, diag *d) {
    input_kind kind = input_sniff(in);
    if (kind == INPUT_JSON) return kineto_read(e, in, partial, d);
    if (kind != INPUT_SQLITE) return refuse(in, d);
    if (in->gzip) return load_packed(e, in, d);
    return memory.p ? nsys_read_bytes(e, in->name, memory, d)
                    : nsys_read_file(e, in->name, in->name, in->file_bytes, d);
}

bool trace_load(events *e, const char *path, bool partial, diag *d) {
    input in;
    if (!input_open(&in, path, d)) return false;
    bool ok = load(e, &in, (str){0}, partial, d) && events_finish(e, d);
    input_close(&in);
    return ok;
}

bool trace_load_bytes(events *e, const char *name, str bytes, bool partial, diag *d) {
    input in;
    if (!input_open_bytes(&in, name, bytes, d)) return false;
    bool ok = load(e, &in, bytes, partial, d) && events_finish(e, d);
    input_close(&in);
    return ok;
}
