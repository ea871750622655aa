/* Limits of this host, measured, and which of them bound a run. */
#ifndef INGOT_LLM_NATIVE_PROBE_H
#define INGOT_LLM_NATIVE_PROBE_H
#include "llm/native.h"

/* Bytes per second that all threads together read, each its own sequential stream; the best pass of about `seconds`. */
double probe_read_bytes_per_s(pool *threads, const uint8_t *bytes, size_t size, double seconds);
/* The same over the weights that are in memory, by the threads' own processor time; 0 when none are. */
double native_read_bytes_per_s(native *n, double seconds);
/* Rate of the gemm kernel of a layout on one panel that stays in the cache, all threads together, by their processor
 * time. */
double native_kernel_flops_per_s(native *n, pack_id layout, size_t tokens, double seconds);

/* Time of a phase by what bound it. A step of matrices or attention whose arithmetic, at the rate of the kernels in
 * the cache, takes less than reading its weights, keys and values at the measured rate waits for memory for the rest
 * of its time: what would vanish if memory were as fast as the cache, which `ingot bench --hot` measures; or for as
 * long as the reading takes, should that be more. No more than twice the reading counts as that; what is beyond, and
 * norms, activations and barriers, are `other`. Time in which other programs had the processor is left out, as if all
 * steps had lost the same part of theirs. */
typedef struct {
    double total_s, memory_s, compute_s, other_s;
} native_bound;

typedef struct {
    double read_bytes_per_s, decode_flops_per_s, prompt_flops_per_s, float_flops_per_s;
    const char *layout; /* of the weights that the rates are for */
    native_bound prompt, decode;
} native_verdict;

/* Measures for about a tenth of a second, by the threads' own processor time (what other programs take does not
 * count), and judges what the engine has run so far. */
void native_judge(native *n, native_verdict *v);
#endif
