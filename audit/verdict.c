/* The verdict: from buckets to shares, from shares to a word and an exit status. The tests stand in the order in which
 * they are asked: a device that waits for its host is not at the memory wall, however its kernels fare. */
#include "audit/audit.h"

#define NAME(name, trace, host, colour, what) {#name, trace, host, colour, what},
static const struct {
    const char *key, *trace, *host, *colour, *what;
} buckets[AUDIT_BUCKETS] = {AUDIT_BUCKET_ROWS(NAME)};
#undef NAME

static const struct {
    const char *key, *text;
    int status;
} verdicts[AUDIT_VERDICTS] = {
    [AUDIT_NO_DEVICE] = {"no_device", "no verdict: there is no GPU work in this trace", AUDIT_EXIT_UNDECIDED},
    [AUDIT_LAUNCH_BOUND] = {"launch_bound", "not at the memory wall: launch-bound, the device waits for the host",
                            AUDIT_EXIT_CLEAR},
    [AUDIT_WALL_PROVEN] = {"memory_wall_proven", "memory wall, proven", AUDIT_EXIT_WALL},
    [AUDIT_WALL_ROOFLINE] = {"memory_wall_by_roofline", "memory wall, by the roofline", AUDIT_EXIT_WALL},
    [AUDIT_UNDECIDED] = {"undecided", "undecided: it cannot be ruled out that moving data takes over half",
                         AUDIT_EXIT_UNDECIDED},
    [AUDIT_COMPUTE_BOUND] = {"compute_bound", "not at the memory wall: compute-bound", AUDIT_EXIT_CLEAR},
    [AUDIT_MIXED] = {"mixed", "not at the memory wall: mixed", AUDIT_EXIT_CLEAR},
};

const char *audit_verdict_name(audit_verdict v) { return v < AUDIT_VERDICTS ? verdicts[v].key : "unknown"; }
const char *audit_bucket_colour(audit_bucket b) { return b < AUDIT_BUCKETS ? buckets[b].colour : "#000"; }
const char *audit_bucket_what(audit_bucket b) { return b < AUDIT_BUCKETS ? buckets[b].what : ""; }

const char *audit_bucket_name(audit_bucket b, audit_kind k) {
    if (b >= AUDIT_BUCKETS) return "unknown";
    return k == AUDIT_OF_TRACE ? buckets[b].trace : buckets[b].host;
}

const char *audit_bucket_key(audit_bucket b) {
    static const char *const keys[AUDIT_BUCKETS] = {"host_link", "network", "device_copies", "device_memory",
                                                    "compute",   "unknown", "idle_host",     "idle_other"};
    return b < AUDIT_BUCKETS ? keys[b] : "unknown";
}

static audit_bucket biggest_of(const audit_report *r, audit_bucket first, audit_bucket last) {
    audit_bucket best = first;
    for (audit_bucket b = first; b <= last; b++)
        if (r->bucket_ns[b] > r->bucket_ns[best]) best = b;
    return best;
}

static void shares(audit_report *r) {
    r->total_ns = 0;
    for (int b = 0; b < AUDIT_BUCKETS; b++) r->total_ns += r->bucket_ns[b];
    for (int b = 0; b < AUDIT_BUCKETS; b++)
        r->share[b] = r->total_ns > 0 ? (double)r->bucket_ns[b] / (double)r->total_ns : 0;
    if (r->range_given) return;
    r->lo = r->share[AUDIT_HOST_LINK] + r->share[AUDIT_NETWORK] + r->share[AUDIT_COPIES];
    r->best = r->lo + r->share[AUDIT_MEMORY];
    r->hi = r->best + r->share[AUDIT_UNKNOWN];
}

void audit_decide(audit_report *r) {
    shares(r);
    r->biggest = biggest_of(r, AUDIT_HOST_LINK, AUDIT_UNKNOWN);
    if (!r->has_device || r->total_ns <= 0) r->verdict = AUDIT_NO_DEVICE;
    else if (r->refused) r->verdict = AUDIT_UNDECIDED;
    else if (r->share[AUDIT_IDLE_HOST] > 0.5) r->verdict = AUDIT_LAUNCH_BOUND;
    else if (r->lo > 0.5 && (r->range_proven || !r->range_given))
        r->verdict = AUDIT_WALL_PROVEN,
        r->biggest = biggest_of(r, AUDIT_HOST_LINK, r->range_given ? AUDIT_MEMORY : AUDIT_COPIES);
    else if (r->best > 0.5) r->verdict = AUDIT_WALL_ROOFLINE, r->biggest = biggest_of(r, AUDIT_HOST_LINK, AUDIT_MEMORY);
    else if (r->hi > 0.5) r->verdict = AUDIT_UNDECIDED;
    else r->verdict = r->share[AUDIT_COMPUTE] > 0.5 ? AUDIT_COMPUTE_BOUND : AUDIT_MIXED;
}

int audit_exit_status(const audit_report *r, double fail_above) {
    if (fail_above < 0 || r->verdict == AUDIT_NO_DEVICE) return verdicts[r->verdict].status;
    return r->best > fail_above ? AUDIT_EXIT_WALL : AUDIT_EXIT_CLEAR;
}

/* The second largest of the buckets, for a mixed verdict. */
static audit_bucket second(const audit_report *r, audit_bucket first) {
    audit_bucket best = AUDIT_BUCKETS;
    for (audit_bucket b = 0; b < AUDIT_BUCKETS; b++)
        if (b != first && (best == AUDIT_BUCKETS || r->bucket_ns[b] > r->bucket_ns[best])) best = b;
    return best;
}

void audit_verdict_text(const audit_report *r, strbuf *out) {
    if (r->refused && r->verdict == AUDIT_UNDECIDED) return strbuf_addf(out, "no verdict: %s", r->refused);
    strbuf_adds(out, verdicts[r->verdict].text);
    if (r->verdict == AUDIT_WALL_PROVEN || r->verdict == AUDIT_WALL_ROOFLINE)
        strbuf_addf(out, ": %s", audit_bucket_name(r->biggest, r->kind));
    if (r->verdict == AUDIT_MIXED) {
        audit_bucket first = biggest_of(r, AUDIT_HOST_LINK, AUDIT_IDLE);
        strbuf_addf(out, " (%s, then %s)", audit_bucket_name(first, r->kind),
                    audit_bucket_name(second(r, first), r->kind));
    }
    if (r->kind != AUDIT_OF_TRACE && r->verdict == AUDIT_NO_DEVICE) strbuf_adds(out, ", or nothing was measured");
}
