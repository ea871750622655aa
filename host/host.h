/* The host's side of a program: load, run, copies, streams, launches, stop. In: an image (isa/) and a device
 * (device.h).
 *
 *     host *h = host_new(image, &device, latency_cycles, d);
 *     host_copy_in(h, symbol, &(host_transfer){.width = 1, .height = 1, .per_pe = 4, .bits = 32}, data, 4, &task, d);
 *     host_launch(h, "compute", NULL, 0, &task, d);
 *     host_wait(h, task, d) && host_stop(h, d);
 *     host_free(h);
 *
 * Every call adds a command and returns at once; host_wait and host_stop run the machine. Commands start in the order
 * in which they were given (docs/host.md, "Order of commands"). When the machine is quiet and a command cannot go on,
 * the wait fails with the report of who waits for whom: a deadlock is never a hang. After a fault or a deadlock the
 * runtime is dead and every later call repeats the reason.
 *
 * Ownership: the image outlives the runtime; the device is freed by it. Data of copies in and streams in are copied
 * when the command is given; destinations must live until their command is complete. Not thread-safe.
 */
#ifndef INGOT_HOST_HOST_H
#define INGOT_HOST_HOST_H

#include "host/device.h"

typedef struct host host;
typedef enum { HOST_ROW_MAJOR, HOST_COL_MAJOR } host_order;
typedef enum { HOST_EACH, HOST_ROW_BROADCAST, HOST_COL_BROADCAST } host_spread;

/* A region of PEs and how its data lie in the host's array: one 32-bit container per element.
 *   row major  ((row * columns) + column) * per_pe + l     column major  row + column * rows + l * rows * columns
 * A row broadcast has one vector per row (columns = 1), a column broadcast one per column (rows = 1). */
typedef struct {
    uint32_t x, y, width, height, per_pe;
    uint32_t row_stride, col_stride; /* every so many-th PE along a row / down a column; 0 = 1 */
    uint8_t bits;                    /* 16: low half of each container; 32 */
    uint8_t order, spread;
} host_transfer;

/* Containers of the host's array; false: the region is empty, too large or outside width x height PEs, d says which. */
bool host_transfer_check(const host_transfer *t, uint32_t width, uint32_t height, uint64_t *containers, diag *d);
/* Columns and rows of PEs that take part. */
uint32_t host_transfer_columns(const host_transfer *t);
uint32_t host_transfer_rows(const host_transfer *t);
uint64_t host_transfer_index(const host_transfer *t, uint32_t row, uint32_t column, uint32_t l);

/* An argument of a launch. WORD: 32 bits as they are, for whatever the parameter is; WHOLE and REAL: a number without a
 * type of its own, which must fit the parameter; the rest must be exactly the parameter's type. */
typedef enum {
    HOST_ARG_WORD,
    HOST_ARG_WHOLE,
    HOST_ARG_REAL,
    HOST_ARG_BOOL,
    HOST_ARG_INT,
    HOST_ARG_UINT,
    HOST_ARG_FLOAT
} host_arg_kind;
typedef struct {
    uint8_t kind, bits;
    int64_t whole; /* value, or the bits of a FLOAT or WORD */
    double real;   /* of REAL */
} host_arg;
/* Argument words as a launch carries them; 16 bits one word, 32 bits two, low first. words: room for 32. */
bool host_args_pack(const isa_export *e, isa_fp16 fp16, const host_arg *args, uint32_t count, uint16_t *words,
                    uint32_t *used, diag *d);

/* `latency_cycles`: how long a copy waits for a machine that does not become quiet (the host's own time per
 * transaction). */
host *host_new(const isa_image *image, const host_device *device, uint64_t latency_cycles, diag *d);
void host_free(host *h);
void host_set_wait_limit(host *h, uint64_t cycles); /* a single wait of more simulated cycles is an error */

bool host_symbol_id(const isa_image *m, const char *name, uint32_t *id, diag *d); /* index of the export */
bool host_copy_in(host *h, uint32_t symbol, const host_transfer *t, const uint32_t *data, uint64_t count,
                  uint32_t *task, diag *d);
bool host_copy_out(host *h, uint32_t symbol, const host_transfer *t, uint32_t *data, uint64_t count, uint32_t *task,
                   diag *d);
/* Streams: wavelets of a color, region without strides. `port`: a stream of a host-side layout, whose color need not be
 * memcpy's. */
bool host_stream_in(host *h, uint32_t color, const host_transfer *t, const uint32_t *data, uint64_t count,
                    uint32_t *task, diag *d);
bool host_stream_out(host *h, uint32_t color, const host_transfer *t, uint32_t *data, uint64_t count, uint32_t *task,
                     diag *d);
bool host_launch(host *h, const char *function, const host_arg *args, uint32_t count, uint32_t *task, diag *d);

bool host_wait(host *h, uint32_t task, diag *d);
bool host_done(host *h, uint32_t task, bool *done,
               diag *d);          /* lets the machine run a little, so that asking again makes progress */
bool host_stop(host *h, diag *d); /* waits for everything */
uint64_t host_cycle(const host *h);

/* What the tasks given so far were, and when they ran. */
typedef enum { HOST_COPY_IN, HOST_COPY_OUT, HOST_STREAM_IN, HOST_STREAM_OUT, HOST_LAUNCH } host_kind;
typedef struct {
    uint64_t begin, end; /* cycles; a copy takes none: the wafer's clock stands still */
    uint64_t bytes;      /* moved between host and PEs */
    uint8_t kind;        /* host_kind */
    bool open;           /* not done */
} host_task;
uint32_t host_task_count(const host *h);
bool host_task_facts(const host *h, uint32_t task, host_task *out, strbuf *name); /* false: it has not begun */

uint16_t *host_memory(host *h, uint32_t pe);
void host_wrote(host *h, uint32_t pe, uint32_t word, uint32_t words); /* what was written through host_memory */

/* ---- symbols.c ---- */

/* The symbol `name` of a PE's program: an exported one first, then one of that name, then one of an imported module. */
const isa_symbol *host_find_symbol(const isa_program *p, const char *name, isa_symbol_kind kind);
/* Where its elements lie: the address in the pointer variable, or the variable itself. */
uint32_t host_symbol_word(const isa_symbol *s, const uint16_t *memory);
uint32_t host_element_words(const isa_symbol *s); /* 1 or 2 (4 for 64 bits); 1 when unknown */
/* Words of the symbol when that is known, else 0: a pointer that the program has moved points to something else. */
uint32_t host_symbol_words(const isa_symbol *s, const isa_program *p, const uint16_t *memory);
/* Elements of a data symbol of one PE, copied out as 16-bit words; out = NULL asks for the number of words. */
bool host_read_symbol(const isa_image *m, const uint16_t *memory, uint32_t pe, const char *name, uint16_t *out,
                      uint32_t *words, diag *d);

/* ---- trace.c: buffers of the <debug> library ---- */

typedef enum {
    HOST_TRACE_BOOL = 1,
    HOST_TRACE_U8,
    HOST_TRACE_I8,
    HOST_TRACE_U16,
    HOST_TRACE_I16,
    HOST_TRACE_F16,
    HOST_TRACE_U32,
    HOST_TRACE_I32,
    HOST_TRACE_F32,
    HOST_TRACE_STRING,
    HOST_TRACE_TIMESTAMP
} host_trace_tag;
typedef struct {
    uint8_t tag;
    int64_t whole;    /* bool, integers, timestamp; length of a string */
    double real;      /* floats */
    const char *text; /* in the arena */
} host_trace_entry;
/* Entries of a buffer [used, entries...]; bounded by `words`, whatever the buffer says. */
bool host_trace_decode(const uint16_t *buffer, uint32_t words, arena *a, host_trace_entry **entries, uint32_t *count,
                       diag *d);

/* ---- core.c: the memory of all PEs in a file ---- */

typedef struct {
    uint32_t width, height;
    uint64_t cycle;
    uint16_t *memory; /* [height][width][ISA_SRAM_WORDS] */
} host_core;
bool host_core_write(host *h, const char *path, diag *d);
bool host_core_parse(host_core *c, str bytes, const char *name, diag *d);
bool host_core_read(host_core *c, const char *path, diag *d);
void host_core_free(host_core *c);

#endif
