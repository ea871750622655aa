/* Conversion of the number format of a model: GGUF in, GGUF out.
 *
 * Every matrix (a tensor of two dimensions named "*.weight") takes the type asked for, or, where its rows do not fit
 * that type's blocks, dtype_fit's choice (Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0, Q2_K and Q3_K to IQ4_NL, blocks
 * of 32 to F16), with a warning. Vectors, position embeddings and whatever has more dimensions stay as they are,
 * byte for byte, and so do matrices that have the type already. Metadata is copied; general.file_type and
 * general.quantization_version are renewed. Requantising a quantised file adds its loss to the loss that is there:
 * convert from F16 or F32 where possible.
 */
#ifndef INGOT_LLM_CONVERT_H
#define INGOT_LLM_CONVERT_H
#include "base/diag.h"
#include "llm/dtype.h"

/* The output is complete or absent; it may be the input. Memory: a few bands of rows. threads: 0 = all CPUs.
 * progress may be NULL. Split files are refused. */
bool model_convert(const char *in_path, const char *out_path, const dtype_info *type, int threads,
                   void (*progress)(void *arg, double fraction), void *progress_arg, diag *d);
#endif
