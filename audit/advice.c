/* What to do, first, then, last: one row per verdict (and what it is about). What would be gained stands in the
 * what-ifs. */
#include "audit/audit.h"

typedef struct {
    audit_bucket bucket; /* AUDIT_BUCKETS: any */
    const char *first, *then, *last;
} advice_row;

static const advice_row at_wall[] = {
    {AUDIT_HOST_LINK, "keep the weights resident, or quantise them until they fit",
     "pin the host's memory and fetch the next layer while this one computes; more sequences per streamed layer",
     "a faster link"},
    {AUDIT_NETWORK, "overlap collectives with kernels; larger messages, fewer ranks, better placement",
     "compress what is sent", "more network bandwidth"},
    {AUDIT_COPIES, "remove layout changes and redundant copies; static buffers", "fuse what copies into what computes",
     "more memory bandwidth"},
    {AUDIT_MEMORY,
     "fewer bytes: fuse elementwise chains (torch.compile), quantise weights and KV, batch more sequences",
     "speculative decoding, sparsity, windowed attention", "a device with more memory bandwidth"},
};
static const advice_row host_wall[] = {
    {AUDIT_HOST_LINK, "keep what is read in memory: it waits for paging or I/O", "read ahead, larger blocks",
     "faster storage"},
    {AUDIT_COPIES, "remove copies between buffers", "reuse buffers that fit the caches", "more memory bandwidth"},
    {AUDIT_MEMORY, "fewer bytes: smaller types, blocking so that data stay in the caches, more work per byte read",
     "huge pages, memory near the reading thread", "a machine with more memory bandwidth"},
};
static const advice_row others[AUDIT_VERDICTS] = {
    [AUDIT_NO_DEVICE] = {AUDIT_BUCKETS, "profile with the device: activities=[CPU, CUDA]",
                         "ingot audit -- PROGRAM judges a program on this host", ""},
    [AUDIT_LAUNCH_BOUND] = {AUDIT_BUCKETS, "capture graphs (CUDA or HIP graphs, torch.compile with reduce-overhead)",
                            "fewer and larger operators; load data asynchronously", "a faster memory changes nothing"},
    [AUDIT_UNDECIDED] = {AUDIT_BUCKETS, "give what is missing (see the notes) and ask again",
                         "record_shapes=True in the profiler; -m MODEL; --batch N", ""},
    [AUDIT_COMPUTE_BOUND] = {AUDIT_BUCKETS, "lower precision, better kernels", "more compute",
                             "more bandwidth will not help"},
    [AUDIT_MIXED] = {AUDIT_BUCKETS, "look at the two largest buckets: none alone is over half", "", ""},
};

static const advice_row host_others[AUDIT_VERDICTS] = {
    [AUDIT_UNDECIDED] = {AUDIT_BUCKETS, "a quieter machine, or a longer run", "--skip SECONDS leaves its start out",
                         "where the kernel offers hardware counters, they decide"},
};

static void tell(audit_report *r, const advice_row *a) {
    if (*a->first) audit_advise(r, "first: %s", a->first);
    if (*a->then) audit_advise(r, "then: %s", a->then);
    if (*a->last) audit_advise(r, "last: %s", a->last);
}

void audit_advice(audit_report *r) {
    bool wall = r->verdict == AUDIT_WALL_PROVEN || r->verdict == AUDIT_WALL_ROOFLINE;
    const advice_row *rows = r->kind == AUDIT_OF_TRACE ? at_wall : host_wall;
    size_t n = r->kind == AUDIT_OF_TRACE ? sizeof at_wall / sizeof *at_wall : sizeof host_wall / sizeof *host_wall;
    for (size_t i = 0; wall && i < n; i++)
        if (rows[i].bucket == r->biggest) tell(r, &rows[i]);
    bool of_host = r->kind != AUDIT_OF_TRACE && host_others[r->verdict].first;
    if (!wall) tell(r, of_host ? &host_others[r->verdict] : &others[r->verdict]);
    if (wall && r->bucket_ns[AUDIT_MEMORY] > 0 && (double)r->far_ns > 0.5 * (double)r->bucket_ns[AUDIT_MEMORY])
        audit_advise(r, "before buying: most of these kernels are far from the roof; better kernels, occupancy and "
                        "graphs come before bandwidth");
}
