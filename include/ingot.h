/* Ingot: compile CSL programs and run them on a simulated wafer.
 *
 *     ingot_program *p = ingot_program_new();
 *     if (ingot_program_open(p, "out") < 0) puts(ingot_last_error(p));       // a folder that cslc wrote
 *     ingot_runtime *r = ingot_runtime_new(p);
 *     ingot_runtime_load(r, NULL);
 *     ingot_launch(r, "compute", NULL, 0, 0, NULL);
 *     ingot_copy_out(r, y, &(ingot_transfer){.width = 1, .height = 1, .elements_per_pe = 4, .bits = 32}, data, 4, 0,
 * NULL); ingot_runtime_stop(r); ingot_runtime_free(r); ingot_program_free(p);
 *
 * Functions return 0, or -1 with the reason in ingot_last_error of the handle they were given (valid until the handle's
 * next call). Constructors return NULL only when memory is out. A program must outlive its runtimes. A handle is used
 * by one thread at a time; different handles are independent. Strings are UTF-8.
 *
 * Host arrays have one 32-bit container per element. With `nonblock` a call returns at once; its task is given to
 * ingot_wait. Data of copies and streams in are copied when the call is made, destinations must live until the task is
 * done. What cannot go on because the program waits for something that never comes is an error with a report of who
 * waits for whom, never a hang.
 */
#ifndef INGOT_H
#define INGOT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define INGOT_API __attribute__((visibility("default")))

typedef struct ingot_program ingot_program;
typedef struct ingot_runtime ingot_runtime;

/* Why the last call with this handle (of either kind) failed; after ingot_program_compile also its warnings. Never
 * NULL. */
INGOT_API const char *ingot_last_error(const void *handle);

/* ---- programs ---- */

INGOT_API ingot_program *ingot_program_new(void);
INGOT_API void ingot_program_free(ingot_program *p); /* NULL is fine */
/* The command line of cslc, without its name. Compiles, writes the output folder and leaves the program open. */
INGOT_API int ingot_program_compile(ingot_program *p, int argc, const char *const *argv);
INGOT_API int ingot_program_open(ingot_program *p, const char *folder);
/* A host-side layout, as the Python class SdkLayout describes it in JSON (docs/host.md), compiled to `folder`. */
INGOT_API int ingot_program_layout(ingot_program *p, const char *json, const char *folder);

typedef struct {
    uint32_t arch;          /* 2 or 3 */
    uint32_t width, height; /* PEs of the program's rectangle */
    uint32_t fabric_width, fabric_height, offset_x, offset_y;
    uint32_t memcpy, channels, exports;
} ingot_program_facts;
INGOT_API int ingot_program_info(ingot_program *p, ingot_program_facts *out);

/* What @export_name declared. Types: 0 void, 1 bool, 2 int, 3 unsigned, 4 float, 5 other; `params` of functions. */
typedef struct {
    const char *name;
    uint32_t is_function, is_mutable, type, bits, params;
    uint8_t param_type[16], param_bits[16];
} ingot_export;
INGOT_API int ingot_program_export(ingot_program *p, uint32_t id, ingot_export *out);
INGOT_API int ingot_program_symbol_id(ingot_program *p, const char *name, uint32_t *id);
/* A stream of a host-side layout: its number for ingot_send and ingot_receive, and which way it goes. */
INGOT_API int ingot_program_port_id(ingot_program *p, const char *name, uint32_t *id, uint32_t *is_input);

/* ---- running ---- */

typedef struct {
    const char
        *profile;     /* of the wafer's file: "vendor-sim" (default), "silicon"; NULL = $INGOT_PROFILE or the default */
    const char *log;  /* where <simprint> goes; NULL = "sim.log", made only by programs that print */
    uint32_t threads; /* 0 = 1; results do not depend on it */
    /* A wafer with holes, around which the fabric is rebuilt (docs/wafer.md): a map of dead PEs and links, or drawn by
     * seed, "0.001" per mm2 or "5e-5/pe"; both add up. Both NULL = $INGOT_DEFECTS, $INGOT_DEFECT_DENSITY and
     * $INGOT_DEFECT_SEED; "" = a perfect wafer whatever they say. Results do not depend on it, cycles do. */
    const char *defects, *defect_density;
    uint64_t defect_seed;
} ingot_options;

INGOT_API ingot_runtime *ingot_runtime_new(ingot_program *p);
INGOT_API void ingot_runtime_free(ingot_runtime *r);                        /* NULL is fine */
INGOT_API int ingot_runtime_load(ingot_runtime *r, const ingot_options *o); /* o = NULL: defaults */
INGOT_API int ingot_runtime_stop(ingot_runtime *r); /* waits for every task; memory can be read afterwards */
INGOT_API uint64_t ingot_runtime_cycles(const ingot_runtime *r);

enum { INGOT_ROW_MAJOR = 0, INGOT_COL_MAJOR = 1 };
enum { INGOT_EACH = 0, INGOT_ROW_BROADCAST = 1, INGOT_COL_BROADCAST = 2 };

typedef struct {
    uint32_t x, y, width, height; /* PEs, inside the program's rectangle */
    uint32_t elements_per_pe;
    uint32_t row_stride, col_stride; /* every so many-th PE along a row, down a column; 0 = 1 */
    uint32_t bits;                   /* 16 or 32; streams are always 32 */
    uint32_t order; /* INGOT_ROW_MAJOR: C order of [height][width][elements]; INGOT_COL_MAJOR: Fortran order */
    uint32_t spread;
} ingot_transfer;

/* `count`: containers of the array; must be what the transfer needs. `task` may be NULL when blocking. */
INGOT_API int ingot_copy_in(ingot_runtime *r, uint32_t symbol, const ingot_transfer *t, const uint32_t *data,
                            uint64_t count, int nonblock, uint32_t *task);
INGOT_API int ingot_copy_out(ingot_runtime *r, uint32_t symbol, const ingot_transfer *t, uint32_t *data, uint64_t count,
                             int nonblock, uint32_t *task);
INGOT_API int ingot_stream_in(ingot_runtime *r, uint32_t color, const ingot_transfer *t, const uint32_t *data,
                              uint64_t count, int nonblock, uint32_t *task);
INGOT_API int ingot_stream_out(ingot_runtime *r, uint32_t color, const ingot_transfer *t, uint32_t *data,
                               uint64_t count, int nonblock, uint32_t *task);
INGOT_API int ingot_send(ingot_runtime *r, uint32_t port, const uint32_t *data, uint64_t count, int nonblock,
                         uint32_t *task);
INGOT_API int ingot_receive(ingot_runtime *r, uint32_t port, uint32_t *data, uint64_t count, int nonblock,
                            uint32_t *task);

/* Arguments: WORD 32 bits as they are; WHOLE and REAL numbers that must fit the parameter; the rest exactly its type.
 */
enum {
    INGOT_ARG_WORD,
    INGOT_ARG_WHOLE,
    INGOT_ARG_REAL,
    INGOT_ARG_BOOL,
    INGOT_ARG_INT,
    INGOT_ARG_UINT,
    INGOT_ARG_FLOAT
};
typedef struct {
    uint32_t kind, bits;
    int64_t whole; /* the value; of FLOAT and WORD the bits */
    double real;   /* of REAL */
} ingot_arg;
INGOT_API int ingot_launch(ingot_runtime *r, const char *function, const ingot_arg *args, uint32_t count, int nonblock,
                           uint32_t *task);

INGOT_API int ingot_wait(ingot_runtime *r, uint32_t task);
INGOT_API int ingot_done(ingot_runtime *r, uint32_t task,
                         int *done); /* may be polled: each call lets the machine run a little */

/* ---- looking inside; coordinates of the program's rectangle ---- */

/* Bytes of a variable of one PE, little-endian. out = NULL: only their number. */
INGOT_API int ingot_read_symbol(ingot_runtime *r, uint32_t x, uint32_t y, const char *name, void *out,
                                uint64_t capacity_bytes, uint64_t *bytes);

/* Kinds: 1 bool, 2 u8, 3 i8, 4 u16, 5 i16, 6 f16, 7 u32, 8 i32, 9 f32, 10 string, 11 timestamp. */
typedef struct {
    uint32_t kind;
    int64_t whole;
    double real;
    const char *text;
} ingot_trace_entry;
/* What the <debug> library recorded under `key`; entries are valid until the next call. */
INGOT_API int ingot_read_trace(ingot_runtime *r, uint32_t x, uint32_t y, const char *key,
                               const ingot_trace_entry **entries, uint32_t *count);

INGOT_API int ingot_dump_core(ingot_runtime *r, const char *path);
/* Instead of ingot_runtime_load: look at a core file. Only the two calls above and ingot_runtime_cycles work then. */
INGOT_API int ingot_open_core(ingot_runtime *r, const char *path);

#ifdef __cplusplus
}
#endif
#endif
