/* Reports of `ingot run --report json` and results of llama-bench, audited with the same rule as traces.
 *
 *     if (audit_of_report(&r, bytes, d)) audit_text(&r, &out);      // decided already, with what-ifs and advice
 *
 * An Ingot report holds, for each kind of step of prompt and decode, its time, bytes and flops, and what the host can
 * read and multiply: the roofline of every step is worked out again here, and held against the report's own
 * `time_share`.
 *
 * llama-bench (JSON or CSV) has a rate per test and the model's size. Decode reads all weights for each token, so size
 * x rate is a rate of reading, to be held against what this memory can do (`memory_bytes_per_s`: measured here, or an
 * option); prompts have no bytes to judge by.
 */
#ifndef INGOT_AUDIT_RUN_REPORT_H
#define INGOT_AUDIT_RUN_REPORT_H
#include "audit/audit.h"

typedef enum { REPORT_NONE, REPORT_INGOT, REPORT_LLAMA_JSON, REPORT_LLAMA_CSV } report_kind;
/* From the first bytes (some hundred are enough). */
report_kind audit_report_sniff(str head);
/* `memory_bytes_per_s`: for llama-bench; 0 = refused with a message that says which option gives it. */
bool audit_of_report(audit_report *r, str bytes, double memory_bytes_per_s, diag *d);
#endif
