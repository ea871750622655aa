/* The list of claims (as collected from popular articles and product pages, 2024 to 2026) and how each is derived.
 * Facts come from machine files; the few that are no property of a machine stand here with their source. */
#include "perf/claims.h"
#include "perf/predict.h"
#include <math.h>

#define CORES_SOLD     900e3 /* Cerebras, WSE-3 */
#define CORES_PHYSICAL 970e3 /* Cerebras defect-tolerance blog */
#define SM_AREA_MM2    6.2   /* the same, for an H100 SM */
#define H100_AREA_MM2  814.0 /* the same */
#define PUE_LIQUID     1.16  /* survey of liquid-cooled sites, 2025 */
#define PRODUCT_70B    450.0 /* tok/s, Cerebras 2024-08-27 */

typedef struct {
    perf_claims *out;
    arena *a;
    diag *d;
    perf_machine cs3, cs2, b200, dgx, nvl72, lpx, h100, hgx, rubin, t8, t3, t4, maia;
    perf_shape m8, m70, m175, maverick;
    bool ok;
} checker;

const char *perf_verdict_name(perf_verdict v) {
    static const char *const names[] = {"confirmed", "contradicted", "not derivable"};
    return v <= CLAIM_NOT_DERIVABLE ? names[v] : "unknown";
}

static void add(checker *c, const char *number, const char *claim, perf_verdict v, double stated, double derived,
                const char *arithmetic) {
    if (!arithmetic) c->ok = diag_oom(c->d, "claims");
    if (c->out->count < PERF_CLAIMS_MAX)
        c->out->rows[c->out->count++] = (perf_claim){number, claim, v, stated, derived, arithmetic ? arithmetic : ""};
}

/* Confirmed when derived / stated is within the tolerance. */
#define CHECK(number, claim, stated, derived, tolerance, ...)                                                          \
    add(c, number, claim, fabs((derived) / (stated)-1) <= (tolerance) ? CLAIM_CONFIRMED : CLAIM_CONTRADICTED, stated,  \
        derived, arena_printf(c->a, __VA_ARGS__))
#define JUDGE(number, claim, holds, ...)                                                                               \
    add(c, number, claim, (holds) ? CLAIM_CONFIRMED : CLAIM_CONTRADICTED, NAN, NAN, arena_printf(c->a, __VA_ARGS__))

static void none(checker *c, const char *number, const char *claim, const char *why) {
    add(c, number, claim, CLAIM_NOT_DERIVABLE, NAN, NAN, why);
}

static perf_prediction ask(checker *c, const perf_shape *s, const perf_machine *m, perf_load l) {
    perf_prediction p = {0};
    if (!perf_predict_point(&p, s, m, &l, c->d)) c->ok = false;
    return p;
}

/* ---- the memory wall and the network test ---- */

static void memory_wall(checker *c) {
    none(c, "1", "in 2026 inference capital spending passed training",
         "how capital is split is no property of a machine");
    none(c, "2", "training was about double precision", "no FP64 rates in the machine files; a statement about use");
    double bit = c->b200.energy_mem_pj_per_bit.value, flop = c->b200.energy_flop_pj.value,
           flop_high = c->b200.energy_flop_pj.high;
    JUDGE("3", "moving data costs far more energy than computing on it", 16 * bit > 2 * flop,
          "a 16-bit weight: 16 x %.3g = %.3g pJ at the HBM device, 2 FLOP on it 2 x %.3g .. %.3g pJ; so below a batch "
          "of %.0f to %.0f, not above",
          bit, 16 * bit, flop, flop_high, 8 * bit / flop_high, 8 * bit / flop);
    perf_prediction p = ask(c, &c->m70, &c->hgx, (perf_load){.prompt = 512, .generate = 128, .tp = 8});
    double roof = 2 * perf_shape_active(&c->m70) / (8 * c->hgx.mem_bw_bytes_per_s.value) / p.decode.seconds;
    JUDGE("4", "GPUs idle because of bandwidth", roof > 0.5,
          "70B on 8x H100, one user: weights at HBM's peak rate are %.0f %% of a step (operators alone; 2023 software: "
          "less); the rest is launches and links",
          100 * roof);
    perf_prediction q = ask(c, &c->m70, &c->hgx, (perf_load){.prompt = 512, .generate = 128, .tp = 8, .batch = 64});
    JUDGE("5", "weights are loaded into memory for every request",
          q.decode.memory_bytes / 64 > 0.9 * p.decode.memory_bytes,
          "they are read once a step for all: %.0f GB a token at batch 1, %.2f GB at batch 64",
          p.decode.memory_bytes / 1e9, q.decode.memory_bytes / 64e9);
    double b = 2 * (1 - 1 / 1.19), t400 = 1 - b + b / 4, gain = 100 * (1 / 1.19 / t400 - 1);
    CHECK("6a", "512 cards, network 200 -> 400: throughput +10 %", 10, gain, 0.1,
          "time = a + b / rate, fitted to +19 %% for 100 -> 200 Gb/s: a = %.3f, b = %.3f at 100; next doubling +%.1f "
          "%% (the original is in Gb/s)",
          1 - b, b, gain);
    double f = 2 * 0.22, first = 100 * ((1 - f + f / 4) / 0.78 - 1);
    CHECK("6b", "... first token -19 %", -19, first, 0.1,
          "the same with -22 %%: a = %.2f, b = %.2f; next doubling %.1f %%, not -19", 1 - f, f, first);
    none(c, "7", "this shows that GPU architectures hit limits", "a reading of a network experiment");
    none(c, "8", "over 50 % of latency in data movement: look for bandwidth or sparsity", "a rule of thumb");
}

/* ---- numbers of the wafer ---- */

static void wafer_numbers(checker *c) {
    const perf_machine *w = &c->cs3;
    double clock = w->clock_hz.value, watts = w->power_watts.value, sram = w->mem_bw_bytes_per_s.value;
    none(c, "9", "generations of 2019, 2021, 2024 in 16, 7, 5 nm", "dates and processes: no formula");
    none(c, "10", "chip and system are made in the US", "no property of a machine");
    CHECK("11a", "900,000 cores x 48 KB = 44 GB", w->mem_bytes.value, CORES_SOLD * 48 * 1024, 0.02,
          "900,000 x 48 KiB = %.1f GB", CORES_SOLD * 48 * 1024 / 1e9);
    CHECK("11b", "21 PB/s of memory", 21e15, CORES_SOLD * 24 * clock, 0.12,
          "900,000 x 24 B x %.3f GHz = %.1f PB/s; 21 needs %.3f GHz", clock / 1e9, CORES_SOLD * 24 * clock / 1e15,
          21e15 / CORES_SOLD / 24e9);
    CHECK("11c", "214 Pb/s of fabric", 214e15, CORES_SOLD * 256 * clock, 0.12,
          "900,000 x 4 links x 2 directions x 32 bit x %.3f GHz = %.0f Pb/s; 214 needs %.3f GHz", clock / 1e9,
          CORES_SOLD * 256 * clock / 1e15, 214e15 / CORES_SOLD / 256e9);
    CHECK("12", "125 PFLOP/s", 125e15, w->flops_fp16_per_s.value, 0.3,
          "dense: 900,000 x 16 x %.3f GHz = %.1f PFLOP/s (%.1f .. %.1f over the clocks seen)", clock / 1e9,
          w->flops_fp16_per_s.value / 1e15, w->flops_fp16_per_s.low / 1e15, w->flops_fp16_per_s.high / 1e15);
    double one = c->b200.mem_bw_bytes_per_s.value,
           rack = c->nvl72.mem_bw_bytes_per_s.value * c->nvl72.accelerators.value;
    CHECK("13a", "memory rate 2625 x a B200", 2625, sram / one, 0.01,
          "21 PB/s / %.0f TB/s = %.0f: SRAM on the die against HBM off it", one / 1e12, sram / one);
    CHECK("13b", "... 328 x a DGX B200", 328, sram / one / 8, 0.01, "/ 8 GPUs = %.0f", sram / one / 8);
    CHECK("13c", "... 36 x an NVL72", 36, sram / rack, 0.02, "21 PB/s / %.0f TB/s = %.1f", rack / 1e12, sram / rack);
    double lpx = c->lpx.mem_bw_bytes_per_s.value * c->lpx.accelerators.value;
    CHECK("13d", "... half of a Groq LPX rack", 0.5, sram / lpx, 0.12, "21 PB/s / %.1f PB/s = %.2f", lpx / 1e15,
          sram / lpx);
    double per_watt = sram / watts / (one / c->b200.power_watts.value);
    CHECK("13e", "... 114 x a B200 per watt", 114, per_watt, 0.01, "2625 / (23 kW / 1 kW) = %.0f", per_watt);
    CHECK("14", "thousands of times HBM: 954 x Rubin", 954, sram / c->rubin.mem_bw_bytes_per_s.value, 0.01,
          "21 PB/s / 22 TB/s = %.0f; 214 Pb/s is network, not memory", sram / c->rubin.mem_bw_bytes_per_s.value);
    double drawn = sram * 8 * 0.15e-12, fabric = 214e15 * 0.15e-12;
    JUDGE("15", "both peaks at once, at 0.15 pJ/bit", drawn + fabric < watts,
          "21 PB/s x 8 x 0.15 pJ = %.1f kW, 214 Pb/s x 0.15 pJ = %.1f kW; the system draws %.0f kW", drawn / 1e3,
          fabric / 1e3, watts / 1e3);
    CHECK("16", "SRAM +10 % from WSE-2 to WSE-3", 10, 100 * (w->mem_bytes.value / c->cs2.mem_bytes.value - 1), 0.05,
          "%.0f -> %.0f GB", c->cs2.mem_bytes.value / 1e9, w->mem_bytes.value / 1e9);
    none(c, "17", "SRAM scaling stops after 5 nm", "capacity per mm2 of processes is no input of ours");
    double core = w->area_mm2.value / CORES_PHYSICAL;
    CHECK("18", "a core is 1 % of an H100's", 1, 100 * core / SM_AREA_MM2, 0.3,
          "46,225 / 970,000 = %.3f mm2 against %.1f: %.2f %%", core, SM_AREA_MM2, 100 * core / SM_AREA_MM2);
    CHECK("19", "100 x better defect tolerance", 100, SM_AREA_MM2 / core, 0.35,
          "area lost per defect: %.1f / %.3f = %.0f; %.0f defects a wafer at 0.001 / mm2", SM_AREA_MM2, core,
          SM_AREA_MM2 / core, 0.001 * w->area_mm2.value);
    CHECK("20", "really 1 million cores, 900,000 sold", 1e6, CORES_PHYSICAL, 0.05,
          "970,000 physical: rounded up; 762 x 1172 = %.0f in programs",
          w->fabric_width_pes.value * w->fabric_height_pes.value);
    double flux = watts / w->area_mm2.value, gpu = c->h100.power_watts.value / H100_AREA_MM2;
    JUDGE("21", "heat flux is high", flux > gpu,
          "23 kW / 46,225 mm2 = %.2f W/mm2, H100 700 W / 814 mm2 = %.2f: lower per area", flux, gpu);
    double io = w->io_bw_bytes_per_s.value, link = c->b200.link_bw_bytes_per_s.value;
    CHECK("22", "I/O 150 GB/s against NVLink 1.8 TB/s: 12 x", 12, link / io, 0.1,
          "each way: %.0f / %.0f GB/s = %.0f x; 1.8 TB/s is the sum of both directions", link / 1e9, io / 1e9,
          link / io);
    perf_prediction p = ask(c, &c->m70, w, (perf_load){.prompt = 512, .generate = 128});
    double crossing = p.setup.systems * (w->crossing_latency_s.value + c->m70.width * 2 / io) / p.decode.seconds;
    JUDGE("23", "so scaling out is structurally blocked", crossing > 0.5,
          "pipelined 70B on %.0f wafers: 8192 x 2 B / 150 GB/s = %.2f us and a latency each: %.1f %% of a token "
          "(tensor parallel over wafers would be blocked)",
          p.setup.systems, c->m70.width * 2e6 / io, 100 * crossing);
}

/* ---- where the weights are, and speed ---- */

static void weights_and_speed(checker *c) {
    const perf_machine *w = &c->cs3;
    double bytes = 2 * perf_shape_params(&c->m70), io = w->io_bw_bytes_per_s.value;
    perf_prediction s = ask(c, &c->m70, w, (perf_load){.prompt = 512, .generate = 128, .streamed = true});
    perf_prediction r = ask(c, &c->m70, w, (perf_load){.prompt = 512, .generate = 128});
    CHECK("24", "weights stream from MemoryX for each token", PRODUCT_70B, io / bytes, 0.25,
          "150 GB/s / %.0f GB = %.2f tok/s (predicted %.2f); the product had 450: %.0f x more. Resident on %.0f wafers "
          "we predict %.0f",
          bytes / 1e9, io / bytes, s.user_tok_s.value, PRODUCT_70B * bytes / io, r.setup.systems, r.user_tok_s.value);
    double hbm = c->b200.mem_bw_bytes_per_s.value;
    JUDGE("25", "21 PB/s frees streaming from HBM limits", io > hbm,
          "a stream enters at 150 GB/s: %.0f x less than one B200's HBM", hbm / io);
    perf_prediction g = ask(c, &c->m70, &c->dgx, (perf_load){.prompt = 512, .generate = 128});
    double ratio = r.user_tok_s.value / g.user_tok_s.value;
    JUDGE("26", "token rate 1.5 to 5 x a B200 system", ratio >= 1.5 && ratio <= 5,
          "70B in 16 bits, one user: %.0f / %.0f tok/s = %.1f x a DGX B200 (predicted)", r.user_tok_s.value,
          g.user_tok_s.value, ratio);
    double read = bytes / w->mem_bw_bytes_per_s.value, token = 1 / PRODUCT_70B;
    JUDGE("27", "SRAM bandwidth makes the speed", read / token > 0.5,
          "%.0f GB / 21 PB/s = %.1f us of %.1f ms: %.1f %%; %.0f us a layer are latency (we predict %.0f)", bytes / 1e9,
          read * 1e6, token * 1e3, 100 * read / token, 1e6 * token / 80, 1e6 * r.tpot_s.value / 80);
    perf_prediction v =
        ask(c, &c->maverick, &c->dgx, (perf_load){.prompt = 512, .generate = 128, .weights = perf_format_named("fp8")});
    double active = perf_shape_active(&c->maverick), roof = 8 * hbm / active;
    JUDGE("28", "the GPU is stopped by HBM", v.user_tok_s.value > 0.5 * roof,
          "8x B200, Maverick FP8: 64 TB/s / %.0f GB = %.0f passes/s; we predict %.0f at batch 1, %.0f %%", active / 1e9,
          roof, v.user_tok_s.value, 100 * v.user_tok_s.value / roof);
    double kv = 131072 * 2 * perf_shape_kv_elems(&c->m70), left = 4 * w->mem_bytes.value - bytes;
    JUDGE("29", "best in long context", left > 2 * kv, "70B on 4 wafers leaves %.0f GB; a 128k context takes %.0f GB",
          left / 1e9, kv / 1e9);
    none(c, "30", "full 16 bits, no loss, linear total throughput for many users", "no published throughput curve");
    perf_prediction h = ask(c, &c->m175, w, (perf_load){.prompt = 100, .generate = 10});
    JUDGE("31", "a 175B model fits on the wafer", h.setup.systems < 2, "175B x 2 B = %.0f GB = %.0f wafers of 44 GB",
          h.weight_bytes / 1e9, h.setup.systems);
    none(c, "32", "performance grows linearly with systems",
         "published for training only (15.3 x on 16); nothing on inference");
}

/* ---- energy, competitors, business ---- */

static void the_rest(checker *c) {
    none(c, "33", "on-wafer link 0.15 pJ/bit", "an input of ours (0.05 to 0.15), no primary source");
    double nvlink = c->b200.link_bw_bytes_per_s.value * 2 * 8 * 10e-12;
    add(c, "34", "GPU interconnect 10 pJ/bit", CLAIM_NOT_DERIVABLE, NAN, NAN,
        arena_printf(c->a, "an input; at 10 pJ/bit NVLink 5 would draw %.0f W of a B200's 1000", nvlink));
    none(c, "35", "optics 10 pJ/bit, customers ask for 1", "inputs: 18.75 pluggable and 5.6 co-packaged bracket 10");
    none(c, "36", "wafers could shrink the optics market", "opinion");
    CHECK("37", "TPU 8t: 216 GB, 6.5 TB/s", 6.5e12, c->t8.mem_bw_bytes_per_s.value, 0.01,
          "in the machine file: %.0f GB, %.2f TB/s (announced)", c->t8.mem_bytes.value / 1e9,
          c->t8.mem_bw_bytes_per_s.value / 1e12);
    CHECK("38", "Trainium 4: 4 x the memory rate of Trainium 3", 4,
          c->t4.mem_bw_bytes_per_s.value / c->t3.mem_bw_bytes_per_s.value, 0.01, "%.1f / %.1f TB/s",
          c->t4.mem_bw_bytes_per_s.value / 1e12, c->t3.mem_bw_bytes_per_s.value / 1e12);
    CHECK("39", "Maia 200: 216 GB, 7 TB/s, 272 MB SRAM", 216e9, c->maia.mem_bytes.value, 0.01,
          "in the machine file: %.0f GB, %.0f TB/s, %.0f MB", c->maia.mem_bytes.value / 1e9,
          c->maia.mem_bw_bytes_per_s.value / 1e12, c->maia.sram_bytes.value / 1e6);
    static const char *const opinions[][2] = {{"40", "Anthropic evaluates chips of its own"},
                                              {"41", "own chips cut the market by 10 to 25 % in 2028"},
                                              {"42", "SoW is open to customers; CoWoS 9.5 reticles in 2027"},
                                              {"43", "Vera Rubin comes as SoW in 2H 2026"},
                                              {"44", "exclusivity of 2 to 3 years"},
                                              {"45", "NVIDIA may acquire a company like Groq"}};
    for (size_t i = 0; i < sizeof opinions / sizeof *opinions; i++)
        none(c, opinions[i][0], opinions[i][1], "a forecast, an opinion or an event");
    double systems = 250e6 / (c->cs3.power_watts.value * PUE_LIQUID);
    CHECK("46a", "250 MW a year are 9,370 systems", 9370, systems, 0.01, "250 MW / (23 kW x PUE %.2f) = %.0f",
          PUE_LIQUID, systems);
    JUDGE("46b", "... which a contract of 20 G USD for 750 MW pays at 1 M USD each",
          3 * systems * c->cs3.price_usd.value <= 20e9,
          "3 x %.0f x %.1f M = %.1f G USD; at %.2f M (bill of materials) %.1f G", systems, c->cs3.price_usd.value / 1e6,
          3 * systems * c->cs3.price_usd.value / 1e9, c->cs3.price_usd.low / 1e6,
          3 * systems * c->cs3.price_usd.low / 1e9);
    none(c, "47", "a B200 is several dies over an interposer",
         "packaging: its 10 TB/s between dies is no term of ours");
    double hops = c->cs3.fabric_width_pes.value + c->cs3.fabric_height_pes.value - 2,
           cross = hops * c->cs3.hop_cycles.value / c->cs3.clock_hz.value, reduce = c->hgx.allreduce_latency_s.value;
    JUDGE("48", "the on-wafer network is far faster than NVLink", cross < reduce / 2,
          "in bytes yes (26.8 PB/s against 0.9 TB/s a GPU); corner to corner %.0f hops x %.0f cycles = %.1f us, no "
          "less than %.1f us for a small all-reduce over 8 H100",
          hops, c->cs3.hop_cycles.value, cross * 1e6, reduce * 1e6);
    none(c, "49", "fewer connections, fewer failures", "no data");
}

bool perf_claims_check(perf_claims *out, arena *a, diag *d) {
    checker *c = arena_push(a, checker);
    if (!c) return diag_oom(d, "claims");
    *c = (checker){.out = out, .a = a, .d = d, .ok = true};
    *out = (perf_claims){0};
    const struct {
        perf_machine *m;
        const char *name;
    } machines[] = {{&c->cs3, "cs3"},           {&c->cs2, "cs2"},      {&c->b200, "b200"},    {&c->dgx, "dgx-b200"},
                    {&c->nvl72, "gb200-nvl72"}, {&c->lpx, "groq-lpx"}, {&c->h100, "h100"},    {&c->hgx, "dgx-h100"},
                    {&c->rubin, "rubin"},       {&c->t8, "tpu-8t"},    {&c->t3, "trainium3"}, {&c->t4, "trainium4"},
                    {&c->maia, "maia200"}};
    const struct {
        perf_shape *s;
        const char *name;
    } shapes[] = {{&c->m8, "llama-3.1-8b"},
                  {&c->m70, "llama-3.1-70b"},
                  {&c->m175, "gpt-3-175b"},
                  {&c->maverick, "llama-4-maverick"}};
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        if (!perf_machine_load(machines[i].m, a, machines[i].name, d)) return false;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!perf_shape_load(shapes[i].s, a, shapes[i].name, d)) return false;
    memory_wall(c);
    wafer_numbers(c);
    weights_and_speed(c);
    the_rest(c);
    return c->ok;
}
