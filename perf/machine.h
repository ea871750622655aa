/* Machines: facts about a system one can run a model on, each with its unit, its kind and its source.
 *
 *     perf_machine m;
 *     perf_machine_load(&m, a, "cs3", d);               // data/machines/cs3.json; a path works too
 *     perf_numbers n = perf_machine_numbers(&m, PERF_NOMINAL);
 *     ... n.mem_bw_bytes_per_s ... m.mem_bw_bytes_per_s.source ...
 *
 * A machine is a file, never code: schema in docs/machines.md, one row per value in PERF_MACHINE_VALUES below. Values are
 * held in base units (bytes, seconds, FLOP/s), whatever unit the file uses. A value may carry the ends of the range that its
 * sources give; the three cases put every value at its slow end, as stated, or at its fast end. What no source gives is
 * absent, and the file says so ("absent"): a prediction that needs it refuses.
 *
 * A system is `accelerators` devices (a DGX B200: 8 GPUs; a CS-3: one wafer). Rates and sizes are per device, power and
 * prices per system, link rates per device and direction.
 *
 * Kernels: for devices on which single operations were measured, what each kind of operation reaches with each kind of number
 * (data, not code, as all the rest): shares of the peak rates and a time that it takes beyond.
 */
#ifndef INGOT_PERF_MACHINE_H
#define INGOT_PERF_MACHINE_H
#include "base/facts.h"

typedef enum { PERF_WAFER, PERF_GPU, PERF_ASIC, PERF_HOST, PERF_CLASS_COUNT } perf_class;
typedef enum { PERF_SLOW, PERF_NOMINAL, PERF_FAST } perf_case;
typedef enum {
    PERF_WIDENED_F16,        /* every weight occupies and moves 2 bytes, however the file stores it */
    PERF_AS_STORED,          /* weights stay in the file's own types */
} perf_weights_format;

/* What a value measures: decides which units a file may use, and the range that makes sense. */
typedef enum {
    DIM_FLOP_RATE, DIM_BYTE_RATE, DIM_BYTES, DIM_HERTZ, DIM_SECONDS, DIM_CYCLES, DIM_COUNT, DIM_SHARE, DIM_WATTS,
    DIM_USD, DIM_USD_PER_HOUR, DIM_PJ_PER_BIT, DIM_PJ_PER_FLOP, DIM_AREA, DIM_KINDS,
} perf_dimension;

enum {
    OPTIONAL = 0,
    NEED_WAFER = 1 << PERF_WAFER,
    NEED_GPU = 1 << PERF_GPU | 1 << PERF_ASIC | 1 << PERF_HOST, /* all that is no wafer */
    NEED_ALL = NEED_WAFER | NEED_GPU,
};

/* name, dimension, +1 more is faster / -1 less is faster / 0 neither, classes that need it, what it is */
#define PERF_MACHINE_VALUES(X)                                                                                        \
    X(accelerators, DIM_COUNT, 0, NEED_ALL, "devices in one system")                                                  \
    X(flops_fp16_per_s, DIM_FLOP_RATE, 1, NEED_ALL, "dense 16-bit peak")                                              \
    X(flops_fp8_per_s, DIM_FLOP_RATE, 1, OPTIONAL, "dense 8-bit peak; absent: numbers are widened to 16 bits")        \
    X(flops_fp4_per_s, DIM_FLOP_RATE, 1, OPTIONAL, "dense 4-bit peak; absent: numbers are widened")                   \
    X(compute_efficiency, DIM_SHARE, 1, NEED_ALL, "share of that peak a good kernel reaches")                         \
    X(mem_bytes, DIM_BYTES, 0, NEED_ALL, "memory that holds resident weights: SRAM of a wafer, HBM of a GPU")         \
    X(mem_bw_bytes_per_s, DIM_BYTE_RATE, 1, NEED_ALL, "its peak rate")                                                \
    X(memory_efficiency, DIM_SHARE, 1, NEED_ALL, "share of that rate a good kernel reaches")                          \
    X(sram_bytes, DIM_BYTES, 0, OPTIONAL, "on-die memory beside it: caches, vector memory")                           \
    X(sram_bw_bytes_per_s, DIM_BYTE_RATE, 1, OPTIONAL, "its rate")                                                    \
    X(io_bw_bytes_per_s, DIM_BYTE_RATE, 1, NEED_ALL, "weights from outside: wafer I/O (MemoryX), PCIe (host)")        \
    X(crossing_bw_bytes_per_s, DIM_BYTE_RATE, 1, NEED_ALL, "from one system to the next")                             \
    X(crossing_latency_s, DIM_SECONDS, -1, NEED_ALL, "from one system to the next")                                   \
    X(link_bw_bytes_per_s, DIM_BYTE_RATE, 1, NEED_GPU, "between the devices of a system (NVLink)")                    \
    X(allreduce_latency_s, DIM_SECONDS, -1, NEED_GPU, "a small all-reduce over all devices of a system")              \
    X(kernel_overhead_s, DIM_SECONDS, -1, NEED_GPU, "what a kernel takes beyond moving its bytes")                    \
    X(fabric_width_pes, DIM_COUNT, 0, NEED_WAFER, "PEs in a row")                                                     \
    X(fabric_height_pes, DIM_COUNT, 0, NEED_WAFER, "PEs in a column")                                                 \
    X(clock_hz, DIM_HERTZ, 1, NEED_WAFER, "of PEs and routers")                                                       \
    X(hop_cycles, DIM_CYCLES, -1, NEED_WAFER, "router to router")                                                     \
    X(ramp_cycles, DIM_CYCLES, -1, NEED_WAFER, "PE to its router, or back")                                           \
    X(wavelet_cycles, DIM_CYCLES, -1, NEED_WAFER, "between two 4-byte wavelets on a link")                            \
    X(op_overhead_cycles, DIM_CYCLES, -1, NEED_WAFER, "to start an operator on a PE: descriptors and task activation") \
    X(mesh_step_cycles, DIM_CYCLES, -1, OPTIONAL, "wafers: a shift of the tiles in a matrix product of many rows")      \
    X(power_watts, DIM_WATTS, 0, NEED_ALL, "most that one system draws")                                              \
    X(power_idle_share, DIM_SHARE, 0, NEED_ALL, "of power_watts, doing nothing")                                      \
    X(power_prefill_share, DIM_SHARE, 0, NEED_ALL, "of power_watts, reading prompts")                                 \
    X(power_decode_share, DIM_SHARE, 0, NEED_ALL, "of power_watts, generating")                                       \
    X(energy_flop_pj, DIM_PJ_PER_FLOP, 0, OPTIONAL, "of arithmetic, 16 bits")                                         \
    X(energy_mem_pj_per_bit, DIM_PJ_PER_BIT, 0, OPTIONAL, "of a bit read or written in mem_bytes")                    \
    X(energy_link_pj_per_bit, DIM_PJ_PER_BIT, 0, OPTIONAL, "of a bit between devices; on a wafer per hop")            \
    X(energy_io_pj_per_bit, DIM_PJ_PER_BIT, 0, OPTIONAL, "of a bit from or to outside the system")                    \
    X(area_mm2, DIM_AREA, 0, OPTIONAL, "silicon of a device")                                                         \
    X(price_usd, DIM_USD, 0, OPTIONAL, "of one system")                                                               \
    X(cost_usd_per_hour, DIM_USD_PER_HOUR, 0, OPTIONAL, "of owning one system, all in")

typedef struct {
    bool given;
    double value, low, high;           /* base units; low <= value <= high */
    fact_kind kind;
    char confidence;                   /* A .. D, 0 = not said */
    const char *source, *note;         /* note: "" when none */
} perf_value;

/* Kinds of operations that were measured alone, and kinds of numbers that arithmetic is done in. */
#define PERF_KERNELS(X)                                                                                               \
    X(GEMM, "gemm") X(PREFILL_ATTENTION, "prefill_attention") X(DECODE_ATTENTION, "decode_attention")                 \
    X(MLA_DECODE, "mla_decode") X(MOE, "moe") X(VECTOR, "vector") X(ALLREDUCE, "allreduce") X(NCCL_ALLREDUCE, "nccl_allreduce")  \
    X(ALLGATHER, "allgather") X(REDUCE_SCATTER, "reduce_scatter") X(ALLTOALL, "alltoall")
#define PERF_RATES(X) X(16, "16") X(8, "8") X(8_BLOCK, "8_block") X(4, "4") X(4_16, "4_16")
#define PERF_ENUM(name, text) PERF_K_##name,
typedef enum { PERF_KERNELS(PERF_ENUM) PERF_KERNEL_COUNT } perf_kernel_kind;
#undef PERF_ENUM
#define PERF_ENUM(name, text) PERF_RATE_##name,
typedef enum { PERF_RATES(PERF_ENUM) PERF_RATE_COUNT } perf_rate; /* 8_BLOCK: scales per block; 4_16: 4-bit weights, 16-bit math */
#undef PERF_ENUM

/* Seconds of a kernel = overhead_s + max(flops / (peak compute), bytes / (rate memory)). A collective has the link's rate as
 * `memory` and no compute. */
typedef struct {
    bool given;
    double compute, memory, overhead_s;
    fact_kind kind;
    const char *source, *note;
} perf_kernel;

typedef struct {
    const char *file, *name, *title;
    const char *wafer; /* the file of data/machines that has its wafer for the simulator; "" = none */
    perf_class class;
    perf_weights_format weights_format;
#define PERF_FIELD(name, dimension, better, need, what) perf_value name;
    PERF_MACHINE_VALUES(PERF_FIELD)
#undef PERF_FIELD
    perf_kernel kernels[PERF_KERNEL_COUNT][PERF_RATE_COUNT];
} perf_machine;

/* The same values as bare numbers, for models to compute with; 0 where not given. */
typedef struct {
#define PERF_FIELD(name, dimension, better, need, what) double name;
    PERF_MACHINE_VALUES(PERF_FIELD)
#undef PERF_FIELD
} perf_numbers;

/* Everything a machine points to lives in `a`. `file` is its name in messages. */
bool perf_machine_parse(perf_machine *m, arena *a, const char *file, str json, diag *d);
/* A path when it holds a '/' or ends in .json, else a name looked up in the data folder. */
bool perf_machine_load(perf_machine *m, arena *a, const char *name_or_path, diag *d);
perf_numbers perf_machine_numbers(const perf_machine *m, perf_case which);
/* "mem_bw_bytes_per_s=10TB/s", or a bare number in base units: the value becomes an estimate of the user's, without range. */
bool perf_machine_set(perf_machine *m, str assignment, diag *d);

/* The rows, for listings and tests: NULL after the last. */
typedef struct {
    const char *name, *what;
    perf_dimension dimension;
    int better;
    unsigned need;
    size_t value_offset, number_offset; /* in perf_machine, in perf_numbers */
} perf_row;
const perf_row *perf_machine_row(size_t i);
const perf_row *perf_machine_row_named(const char *name);   /* NULL: no such value */
static inline const perf_value *perf_machine_value(const perf_machine *m, const perf_row *row) {
    return (const perf_value *)((const char *)m + row->value_offset);
}
const char *perf_class_name(perf_class c);
const char *perf_kernel_name(perf_kernel_kind k);
const char *perf_rate_name(perf_rate r);
const char *perf_dimension_unit(perf_dimension d);     /* the base unit: "B/s" */

/* Folder with machines/, models/, ...: $INGOT_DATA, else ../data or ../share/ingot/data beside the executable's folder,
 * else ./data. NULL + diag when there is none. */
char *perf_data_dir(arena *a, diag *d);
/* dir/FOLDER/NAME.json, or `name` itself when it is a path; NULL + diag with the nearest names when there is none. */
const char *perf_data_file(arena *a, const char *folder, const char *name, diag *d);
/* Names (without .json) of a data folder, sorted; NULL + diag on failure. */
const char **perf_data_names(arena *a, const char *folder, size_t *count, diag *d);
#endif
