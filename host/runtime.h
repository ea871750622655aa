/* Inside the runtime: commands in order, and what is under way. Nobody outside host/ includes this. */
#ifndef INGOT_HOST_RUNTIME_H
#define INGOT_HOST_RUNTIME_H

#include "host/host.h"

typedef enum { HOST_WAITING, HOST_RUNNING, HOST_DONE } host_state;

typedef struct {
    uint8_t kind, state;
    host_transfer t;
    uint32_t symbol;        /* copies: index of the export */
    uint32_t color, stream; /* streams; `stream` is the device's id */
    uint32_t *words;        /* streams: [PE of the region][per_pe]; copies in: the host's array as given */
    uint32_t *out;          /* where results go */
    const isa_export *function;
    uint16_t args[32];
    uint32_t arg_words;
    uint64_t begin_cycle, end_cycle; /* begun; done */
    uint64_t from_cycle;             /* copies: since when they wait for the fabric only */
    bool waits_for_fabric;
} host_command;

struct host {
    const isa_image *image;
    host_device device;
    host_command *commands; /* all ever given; tasks are indices */
    uint32_t count, cap;
    uint32_t next;    /* first one not started; everything before runs or is done */
    uint32_t oldest;  /* everything before is done */
    uint32_t launch;  /* latest launch started, UINT32_MAX none */
    uint32_t unready; /* a PE that was not ready when last looked at: looked at first */
    uint64_t latency_cycles, wait_limit_cycles;
    uint64_t owed_cycles; /* what copies took; the next launch arrives that much later */
    bool quiet;           /* nothing moves until the host does something */
    bool dead;
    strbuf reason; /* why it is dead */
};

/* command.c: begin a command if it can begin now. */
typedef enum { HOST_BEGUN, HOST_NOT_YET, HOST_FAILED } host_begin;
host_begin host_command_begin(host *h, host_command *c, diag *d);
void host_command_finish(host *h, host_command *c); /* a stream is complete: its data to the host's array */
bool host_all_ready(host *h);
bool host_region_ready(host *h, const host_transfer *t);
bool host_streams_open(const host *h, bool in_only);
void host_command_name(const host *h, const host_command *c, strbuf *out); /* "launch of 'compute'" */

#endif
