/* First-order prediction: what a machine would take for one request, from shapes and published facts alone.
 *
 *     first_order p;
 *     first_order_predict(&graph, "Llama 3.1 8B", &machine, &(first_order_load){512, 128, 2}, &p, d);
 *     first_order_render(&p, &text);
 *
 * In: the operator list (llm/graph.h), a machine (perf/machine.h), prompt and generated tokens; batch 1. Out: times,
 * energy, bytes moved at each level, and how much of the time each limit alone would take. No data, no plan, no
 * simulation; no constant here is fitted to anything: a machine's numbers are its file's. The three cases of a machine
 * (slow end, stated, fast end of each value) give the ranges. A pure roofline is 2 to 6 times too fast at batch 1
 * (reference: claims 4, 27), so latencies are terms.
 *
 * Notation: T new tokens in the step; W, F, M an operator's weight bytes, flops, other bytes (KV, activations:
 * llm/graph.h). Weight bytes are the file's own (as_stored) or 2 per element (widened_f16), as the machine file says
 * (weights_format).
 *
 * Systems: n = ceil(what must stay / (accelerators x mem_bytes)); what stays is weights + KV cache (resident), or KV
 * cache + two buffers of the largest layer (streamed; reference: weight-streaming 2). Layers are cut over the n
 * systems, one works at a time on a token; a boundary costs crossing_latency + T x width x 2 B / crossing_bw, n times a
 * token (the chosen token goes back to the first), the transfer of T tokens overlapping but for the last boundary
 * (validation: mapping statements MAP-002, MAP-014).
 *
 * Wafer. An operator runs on a square region of P x P PEs; a layer with resident weights keeps its region, so that one
 * token uses one region at a time and a prompt's tokens follow each other through R = min(layers + 1, n x floor(PEs /
 * P^2)) regions:
 *     t = sum max(F / (peak e_c p), (W + M) / (sram e_m p), 3 w c_w) x (T + R - 1) / (T R) + sum latency
 *     p = P^2 / PEs, the part of the wafer at work
 * Reductions over a row of the region and the broadcast back, w = T x elements x 2 B / 4 B / P wavelets per row
 * (reference: wse-machine 3.1, two-phase reduce: contention 2 w, distance P - 1, depth 2 sqrt(P) - 2; broadcast w + P +
 * 2 ramp):
 *     latency = (P - 1) hop + (2 ramp + 1)(2 sqrt(P) - 2) + P hop + 2 ramp   cycles each
 *     matmul, norm: 1; attention: 3 (scores, maximum, output with sum); embedding, argmax: 1
 *     products of one input share theirs, as do head norms
 * and op_overhead_cycles for every operator. c_w = wavelet_cycles. P is the multiple of 8 that makes the request
 * fastest (when I/O binds: its work), among those whose R regions hold what must stay. Streamed: R = 1, weights are
 * used as they arrive (no SRAM traffic for them), and
 *     t = max(t, W / io_bw), since the next layer arrives while this one computes.
 *
 * GPU. Tensor parallel over k devices, a power of two or all of them, whichever makes the request fastest:
 *     t = sum max(F / (k peak e_c), (W + M) / (k hbm e_m)) + launches x kernel_overhead + collectives
 *     collective = allreduce_latency (that of all devices, for any k) + 2 (k - 1)/k T width 2 B / link_bw (audit 8)
 * one after each product that follows attention or the MLP's activation, one for the head. Vectors of the residual
 * stream are not split over devices. Launches after the usual fusion: products of one input; head norms, rope and KV
 * store; residual add with the next norm; embedding with its scale; soft cap with the choice. Streamed: t = max(t, W /
 * (k io_bw)), each device fetching its part over its own PCIe link; HBM then sees every weight twice, written and read.
 *
 * Energy: power_watts x systems x time x share, share = power_decode_share (or prefill), of which devices not at work
 * draw only the idle part; low end: idle share and the fast time; high end: all of power_watts and the slow time. Host,
 * MemoryX, network, cooling and the loading of resident weights are left out, as are batches, speculative decoding and
 * sampling on the host.
 */
#ifndef INGOT_PERF_FIRST_ORDER_H
#define INGOT_PERF_FIRST_ORDER_H
#include "llm/graph.h"
#include "perf/machine.h"

typedef struct {
    uint64_t prompt_tokens, generated_tokens; /* each at least 1; decode is priced at the middle of the generation */
    double kv_elem_bytes;
} first_order_load;

typedef struct {
    double low, value, high;
} fo_range;

typedef enum { FO_COMPUTE, FO_MEMORY, FO_LINK, FO_IO, FO_LATENCY, FO_LIMIT_COUNT } fo_limit;

/* One pass: a prompt, or one token. */
typedef struct {
    double seconds;
    double work_s;                     /* what it would take if weights from outside were no limit */
    double limit_s[FO_LIMIT_COUNT];    /* what each would take alone, on the PEs or devices at work; they may overlap */
    fo_limit binds;                    /* the largest of them */
    double memory_bytes;               /* SRAM or HBM, read and written */
    double link_bytes;                 /* fabric: bytes times hops; GPU: bytes over NVLink */
    double io_bytes, crossing_bytes;   /* weights from outside; activations between systems */
} fo_step;

typedef struct {
    double systems;                    /* wafers or boxes */
    uint32_t devices;                  /* at work in each system */
    uint32_t region_side_pes;          /* wafers: P; else 0 */
    fo_range ttft_s, token_s, request_s, tokens_per_s; /* request: prompt and all generated tokens */
    fo_range joules_per_token, joules_prompt;
    fo_range usd_per_mtoken;           /* generated tokens, one stream; 0 when the file gives no cost */
    fo_step prefill, decode;           /* the nominal case */
} fo_mode;

typedef struct {
    const char *model, *machine;       /* as given; not copied */
    perf_class class;
    perf_weights_format weights_format;
    first_order_load load;
    double weight_bytes, kv_bytes;     /* as placed: all tensors; the cache at the end of the request */
    double params;
    fo_mode resident, streamed;
} first_order;

bool first_order_predict(const llm_graph *g, const char *model, const perf_machine *m, const first_order_load *load,
                         first_order *out, diag *d);
void first_order_render(const first_order *p, strbuf *text);   /* a table for a terminal, marked "first-order" */
void first_order_json(const first_order *p, strbuf *json);     /* one object; numbers in base units */
const char *fo_limit_name(fo_limit limit, perf_class class);   /* "SRAM", "HBM", "wafer I/O", ... */
#endif
