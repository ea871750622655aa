/* The machine: a rectangle of PEs with routers, simulated cycle by cycle.
 *
 *     wse *m = wse_new(&wafer, image, &options, d);
 *     wse_launch(m, pe, entry, args, n);             // what the host does, between runs
 *     switch (wse_run(m, WSE_FOREVER)) { WSE_QUIET: nothing can move any more; WSE_FAULT: wse_fault_text(m) ... }
 *     wse_free(m);
 *
 * Deterministic: state and cycle counts do not depend on the number of threads, on the order in which PEs are visited, or on
 * the host. Idle PEs and links cost no time; an idle PE costs under 1 KB beside the pages of its memory that were touched.
 * Nothing is allocated while it runs. PEs are numbered pe = y * width + x inside the program's rectangle.
 */
#ifndef INGOT_WSE_WSE_H
#define INGOT_WSE_WSE_H

#include "isa/isa.h"
#include "isa/wafer.h"

typedef struct wse wse;
#define WSE_FOREVER UINT64_MAX

typedef struct {
    uint32_t threads;       /* 0 = 1; rows are split into bands */
    bool shuffle;           /* hostile: visit PEs in a pseudo-random order each cycle; must change nothing */
    bool trace;             /* record task, vector and queue events: wse/trace.h */
    bool profile;           /* cycles by instruction: wse_profile_at */
    bool check;             /* reads of what was never written, races: wse_explain_checks; one thread */
    uint32_t trace_events;  /* how many are kept, 0 = WSE_TRACE_EVENTS */
    FILE *log;              /* where PRINT goes ("@cycle text"), NULL = nowhere */
    /* [pes][4] by isa_dir W E S N: cycles a link takes beyond hop_cycles (a fabric rebuilt around defects, isa/defects.h);
     * a link has the same at both ends. NULL = none. Copied. */
    const uint16_t *extra_hop_cycles;
} wse_options;

typedef enum {
    WSE_QUIET,   /* no PE can run and no wavelet can move; not an error by itself */
    WSE_LIMIT,   /* the cycle asked for is reached */
    WSE_STREAMS, /* a host stream has just finished (only when wse_run was told to stop for it) */
    WSE_FAULT,   /* the guest program did what it must not; the machine stays where it was */
} wse_stop;

wse *wse_new(const isa_wafer *w, const isa_image *image, const wse_options *o, diag *d); /* both must outlive it */
void wse_free(wse *m);

/* Runs until `until_cycle`, or sooner as wse_stop says. `stop_for_streams`: return when any host stream becomes complete. */
wse_stop wse_run(wse *m, uint64_t until_cycle, bool stop_for_streams);
uint64_t wse_cycle(const wse *m);
const char *wse_fault_text(const wse *m);   /* "PE(2,0) cycle 118, pe.csl:14: ...", "" when none */

/* ---- what the host touches between runs ---- */

uint16_t *wse_memory(wse *m, uint32_t pe);                  /* ISA_SRAM_WORDS words */
bool wse_command_ready(const wse *m, uint32_t pe);          /* no launched function unfinished on this PE */
/* Starts a function at its stub `entry` on one PE, as task 28, with argument words, to arrive `delay_cycles` from now. The PE must be ready. */
void wse_launch(wse *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t arg_words, uint32_t delay_cycles);

/* Host streams: wavelets of a color between the edge of the wafer and PEs of a rectangle. Each row of the wafer carries what
 * isa_wafer.io_wavelets_per_cycle_row says, PEs of a row take turns; a wavelet for column x arrives x hops later. Data are
 * words [pe in row-major order of the rectangle][per_pe]; they must live until the stream is complete. */
typedef struct {
    uint32_t x, y, width, height, per_pe;
    uint8_t color;
} wse_rect_stream;
uint32_t wse_stream_in(wse *m, wse_rect_stream s, const uint32_t *words, diag *d);  /* id, UINT32_MAX on error */
uint32_t wse_stream_out(wse *m, wse_rect_stream s, uint32_t *words, diag *d);
bool wse_stream_complete(const wse *m, uint32_t id);
uint32_t wse_streams_open(const wse *m);

/* ---- checkpoints ---- */

/* Appends the complete state between two runs: a machine restored from it goes on with the same cycles and state hashes
 * as this one. An error while host streams are open or after a fault; lines that PRINT has begun and recorded events are
 * not part of it. */
bool wse_checkpoint(const wse *m, strbuf *out, diag *d);
/* A machine for the same image and wafer (any threads). The bytes are believed in nothing: they are checked, and whatever
 * they hold, the result is an error or a machine that runs. Read and written by one version of this library. */
wse *wse_restore(const isa_wafer *w, const isa_image *image, const wse_options *o, str bytes, diag *d);

/* ---- what a user wants to know ---- */

uint64_t wse_state_hash(const wse *m);      /* memory, registers, queues, routers: equal for equal states */
/* Who waits for whom: every PE that is not idle, its task or microthread, what it waits for (color, queue, source line), and a
 * cycle of waits when there is one. Empty when nothing waits. */
void wse_explain_waits(const wse *m, strbuf *out);
/* Wavelets that no one took, writers of one color from two sides, ...: what the run showed to be suspicious. */
void wse_explain_fabric(const wse *m, strbuf *out);

typedef struct {
#define COUNTER(name, meaning) uint64_t name;
#include "wse/counters.def"
#undef COUNTER
} wse_counters;
void wse_counters_of(const wse *m, uint32_t pe, wse_counters *out);
void wse_counters_total(const wse *m, wse_counters *out);
/* With options.check: what was found, one line each, nothing when there is nothing. wse_wrote: the host has written
 * words of a PE's memory. */
void wse_explain_checks(const wse *m, strbuf *out);
void wse_wrote(wse *m, uint32_t pe, uint32_t word, uint32_t words);
size_t wse_bytes(const wse *m);             /* host memory beside the PEs' own memory */

#endif
