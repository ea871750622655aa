/* Joules by cause: what was counted x picojoules per event of the wafer's file, and idle power x time. The picojoules
 * are estimates from published figures of other chips (data/machines, kind and source of each); shares are worth more
 * than totals. */
#include "api/trace.h"
#include "base/units.h"

static double of(const isa_wafer *w, uint64_t count, isa_energy e) { return (double)count * w->energy_pj[e] * 1e-12; }

void api_energy_causes(const isa_wafer *w, uint64_t pes, const wse_counters *n, double seconds,
                       api_cause out[API_CAUSES]) {
    uint64_t words = n->sram_words_read + n->sram_words_written, fetched = n->instructions + n->vector_ops;
    api_cause all[API_CAUSES] = {
        {"instruction fetch", fetched, of(w, fetched, ISA_E_FETCH)},
        {"SRAM words", words, of(w, words, ISA_E_SRAM)},
        {"float 16 operations", n->fp16_ops, of(w, n->fp16_ops, ISA_E_FP16)},
        {"float 32 operations", n->fp32_ops, of(w, n->fp32_ops, ISA_E_FP32)},
        {"integer operations", n->int_ops, of(w, n->int_ops, ISA_E_INT)},
        {"hops", n->hops, of(w, n->hops, ISA_E_HOP)},
        {"ramp wavelets", n->ramp_wavelets, of(w, n->ramp_wavelets, ISA_E_RAMP)},
        {"host wavelets", n->io_wavelets, of(w, n->io_wavelets, ISA_E_IO)},
        {"idle PEs", pes, w->idle_pe_w * seconds * (double)pes},
    };
    memcpy(out, all, sizeof all);
}

void api_trace_energy(const api_trace *t, strbuf *out) {
    wse_counters n;
    api_cause all[API_CAUSES];
    double seconds = (double)wse_cycle(t->machine) / t->wafer->clock_hz, total = 0;
    double pes = (double)t->image->width * t->image->height;
    double limit = t->wafer->wafer_power_limit_w * pes / ((double)t->wafer->fabric_width * t->wafer->fabric_height);
    wse_counters_total(t->machine, &n);
    api_energy_causes(t->wafer, (uint64_t)t->image->width * t->image->height, &n, seconds, all);
    for (int k = 0; k < API_CAUSES; k++) total += all[k].joules;
    strbuf_adds(out, "\nenergy: estimates, from picojoules per event in the wafer's file\n");
    for (int k = 0; k < API_CAUSES; k++)
        strbuf_addf(out, "  %-20s %12llu  %12s  %5.1f%%\n", all[k].name, (unsigned long long)all[k].count,
                    units_si(all[k].joules, "J").text, total > 0 ? 100 * all[k].joules / total : 0);
    strbuf_addf(out, "  %-20s %12s  %12s\n", "total", "", units_si(total, "J").text);
    if (seconds > 0)
        strbuf_addf(out, "  average power        %12s  %12s  %5.1f%% of the limit of %s for these PEs\n", "",
                    units_si(total / seconds, "W").text, limit > 0 ? 100 * total / seconds / limit : 0,
                    units_si(limit, "W").text);
}
