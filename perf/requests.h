/* Traces of requests, read line by line: memory does not grow with their number.
 *
 *     perf_trace t;
 *     if (perf_trace_open(&t, a, "AzureLLMInferenceTrace_conv.csv", d))
 *         while (perf_trace_next(&t, &r, d)) ... r.arrival_s, r.prompt, r.output ...
 *     perf_trace_close(&t);                              // t.failed: d says why it ended early
 *
 * CSV with a header; columns by these names, others are passed over:
 *
 *     arrival   arrival_s, timestamp, Timestamp, TIMESTAMP, arrived_at, arrival_timestamp: seconds, or 2024-05-10
 * 00:00:00.93 prompt    prompt_tokens, ContextTokens, Request tokens, num_prefill_tokens, prompt_size, input_length
 *     output    output_tokens, GeneratedTokens, Response tokens, num_decode_tokens, token_size, output_length
 *     session   session, Session ID (optional): requests of one text, each of which begins with those before it
 *
 * (Azure's traces of 2023 and 2024, BurstGPT, splitwise and vidur write these.) JSON lines, as Mooncake's: timestamp in
 * milliseconds, input_length, output_length, hash_ids of blocks of 512 tokens (optional). Arrivals must not go back in
 * time; they count from the first. Rows without prompt or output (failed requests) are counted and passed over.
 */
#ifndef INGOT_PERF_REQUESTS_H
#define INGOT_PERF_REQUESTS_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"

enum {
    PERF_TRACE_BLOCK = 512,
    PERF_TRACE_LINE_MAX = 1 << 20,
    PERF_TRACE_BLOCKS_MAX = 1 << 16,
    PERF_TRACE_COLUMNS_MAX = 64
};

typedef enum {
    PERF_COLUMN_ARRIVAL,
    PERF_COLUMN_PROMPT,
    PERF_COLUMN_OUTPUT,
    PERF_COLUMN_SESSION,
    PERF_COLUMN_ROLES,
    PERF_COLUMN_OTHER = PERF_COLUMN_ROLES
} perf_column;

typedef struct {
    double arrival_s;        /* from the trace's first row */
    uint32_t prompt, output; /* tokens */
    uint64_t session;        /* 0 = none */
    uint64_t line_at;        /* of its line in the file, for perf_trace_blocks */
    uint32_t line_bytes;     /* 0: no blocks */
} perf_request;

typedef struct {
    const char *path;
    file f;
    bool json, failed, started;
    uint8_t roles[PERF_TRACE_COLUMNS_MAX]; /* perf_column of each column */
    uint32_t columns;
    double first_s, last_s;
    uint64_t at, line, skipped; /* of the next byte; lines read; rows passed over */
    char *buffer;               /* [2 * PERF_TRACE_LINE_MAX] */
    size_t begin, end;          /* what of it is unread */
    /* found by a first reading */
    uint64_t requests;
    uint32_t longest, longest_prompt; /* prompt + output; tokens */
    double seconds;                   /* from the first to the last arrival */
    bool has_blocks, has_sessions;
    double prompt_mean, output_mean;
} perf_trace;

bool perf_trace_open(perf_trace *t, arena *a, const char *path, diag *d);
bool perf_trace_rewind(perf_trace *t, diag *d); /* to its first row again */
bool perf_trace_next(perf_trace *t, perf_request *r, diag *d); /* false: the end, or t->failed */
/* Block ids of a request, read again from the file; false: d says why. */
bool perf_trace_blocks(perf_trace *t, const perf_request *r, uint64_t *ids, size_t max, size_t *count, diag *d);
void perf_trace_close(perf_trace *t); /* all-zero is fine */

/* One line alone, for tests and fuzzing. */
bool perf_trace_header(perf_trace *t, str line, diag *d);
bool perf_trace_row(perf_trace *t, str line, perf_request *r, diag *d);
#endif
