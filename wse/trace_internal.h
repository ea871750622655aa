/* The recorder's memory: what trace.c writes and trace_read.c reads. */
#ifndef INGOT_WSE_TRACE_INTERNAL_H
#define INGOT_WSE_TRACE_INTERNAL_H

#include "wse/trace.h"

typedef struct {
    uint64_t count;      /* ever; the last `capacity` of them are in the ring */
    uint64_t whole_from; /* 1 + begin of the latest one dropped */
} trace_row;

/* What has begun on a PE: 1 + cycle, 0 = nothing. */
typedef struct {
    uint64_t vector_at[WSE_TRACE_THREADS];
    uint64_t task_at;
    uint32_t entry;
    uint8_t task;
} trace_begun;

struct wse_recorder {
    trace_row *rows; /* [height]; NULL: no events are kept */
    trace_begun *begun;
    wse_event *events; /* [height][capacity] */
    wse_cost *costs;   /* [bands][instructions]; NULL: no profile */
    uint32_t *first;   /* by program: where its instructions begin among the costs */
    uint32_t capacity, bands, instructions;
};

#endif
