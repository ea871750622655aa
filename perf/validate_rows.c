/* What a published row means: which machine file, which model, which load, and which number of the prediction to
 * compare. Facts are tables; a row that no table row takes is out of scope with a reason. */
#include "perf/validate.h"
#include "perf/software.h"
#include <math.h>
#include <stdlib.h>

/* ---- names ---- */

typedef struct {
    const char *published, *ours;
} alias;

static const alias op_machines[] = {
    {"a100_sxm_80g", "a100"}, {"h100_sxm", "h100"}, {"h200_sxm", "h200"}, {"b200_sxm", "b200"},
    {"b300_sxm", "b300"},     {"gb200", "gb200"},   {"gb300", "gb300"},   {0}};
/* Systems large enough for every row: links and memory of eight (or 72) devices. */
static const alias inference_machines[] = {{"A100", "dgx-a100"},
                                           {"A100-argonne", "dgx-a100"},
                                           {"H100", "dgx-h100"},
                                           {"H200", "dgx-h200"},
                                           {"B200", "dgx-b200"},
                                           {"GB200", "gb200-nvl72"},
                                           {"GB300", "gb300"},
                                           {"B300", "b300"},
                                           {0}};
static const alias models[] = {{"llama2-7b", "llama-2-7b"},
                               {"llama-2-7b", "llama-2-7b"},
                               {"llama-2-13b", "llama-2-13b"},
                               {"llama2-70b", "llama-2-70b"},
                               {"llama-2-70b", "llama-2-70b"},
                               {"llama3-8b", "llama-3-8b"},
                               {"llama-3-8b", "llama-3-8b"},
                               {"llama3.1-8b", "llama-3.1-8b"},
                               {"llama3-70b", "llama-3-70b"},
                               {"llama-3-70b", "llama-3-70b"},
                               {"llama3.1-70b", "llama-3.1-70b"},
                               {"llama3.3-70b", "llama-3.3-70b"},
                               {"llama3.1-405b", "llama-3.1-405b"},
                               {"mixtral-8x7b", "mixtral-8x7b"},
                               {"bloom-176b", "bloom-176b"},
                               {"mistral-7b", "mistral-7b"},
                               {"llama4-maverick", "llama-4-maverick"},
                               {"llama4-scout", "llama-4-scout"},
                               {"qwen3-235b-a22b", "qwen3-235b-a22b"},
                               {"qwen3-30b-a3b", "qwen3-30b-a3b"},
                               {"gpt-oss-120b", "gpt-oss-120b"},
                               {"gpt-oss-20b", "gpt-oss-20b"},
                               {"deepseek-r1", "deepseek-r1"},
                               {"deepseek-v3", "deepseek-v3"},
                               {"glm-5-fp8", "glm-5"},
                               {"minimax-m2.5", "minimax-m2.5"},
                               {0}};
/* Programs of product rates and of kernels on wafers, as the published rows call them. */
static const alias programs[] = {{"Llama 3.1 8B", "llama-3.1-8b"},
                                 {"Llama 3.1 70B", "llama-3.1-70b"},
                                 {"Llama 3.1 405B", "llama-3.1-405b"},
                                 {"Llama 3.3 70B", "llama-3.3-70b"},
                                 {"Llama 4 Maverick", "llama-4-maverick"},
                                 {"gpt-oss-120B", "gpt-oss-120b"},
                                 {"gpt-oss-20B", "gpt-oss-20b"},
                                 {"Qwen3-1.7B", "qwen3-1.7b"},
                                 {"Qwen3-235B-A22B", "qwen3-235b-a22b"},
                                 {"LLaMA3-8B", "llama-3-8b"},
                                 {"LLaMA2-13B", "llama-2-13b"},
                                 {0}};
static const alias precisions[] = {{"fp8", "fp8"},    {"fp4", "nvfp4"}, {"fp16", "f16"},
                                   {"16-bit", "f16"}, {"bf16", "bf16"}, {0}};

static const char *ours(const alias *table, str published) {
    for (; table->published; table++)
        if (str_is(published, table->published)) return table->ours;
    return NULL;
}

static const char *ours_prefix(const alias *table, str text) {
    for (; table->published; table++)
        if (str_starts(text, str_from(table->published))) return table->ours;
    return NULL;
}

/* ---- what is loaded once ---- */

enum { CACHE = 64 };
struct perf_judge {
    arena *a;
    diag *d;
    struct {
        const char *name;
        perf_machine m;
    } machines[CACHE];
    struct {
        const char *name;
        perf_shape s;
    } shapes[CACHE];
    size_t machine_count, shape_count;
    perf_judged_run run; /* the last one simulated */
};

perf_judge *perf_judge_new(arena *a, diag *d) {
    perf_judge *j = arena_push(a, perf_judge);
    if (!j) return diag_oom(d, "validation"), NULL;
    j->a = a;
    j->d = d;
    return j;
}

static const perf_machine *machine(perf_judge *j, const char *name) {
    for (size_t i = 0; i < j->machine_count; i++)
        if (!strcmp(j->machines[i].name, name)) return &j->machines[i].m;
    if (j->machine_count == CACHE || !perf_machine_load(&j->machines[j->machine_count].m, j->a, name, j->d))
        return NULL;
    j->machines[j->machine_count].name = name;
    return &j->machines[j->machine_count++].m;
}

static const perf_shape *shape(perf_judge *j, const char *name) {
    for (size_t i = 0; i < j->shape_count; i++)
        if (!strcmp(j->shapes[i].name, name)) return &j->shapes[i].s;
    if (j->shape_count == CACHE || !perf_shape_load(&j->shapes[j->shape_count].s, j->a, name, j->d)) return NULL;
    j->shapes[j->shape_count].name = name;
    return &j->shapes[j->shape_count++].s;
}

static void out(perf_judged *o, const char *reason) {
    o->set = ROW_OUT;
    o->reason = reason;
}

/* ---- single operations ---- */

typedef struct {
    const char *op;
    perf_kernel_kind kernel;
} op_name;

static const op_name op_names[] = {{"gemm", PERF_K_GEMM},
                                   {"attn_prefill", PERF_K_PREFILL_ATTENTION},
                                   {"attn_decode", PERF_K_DECODE_ATTENTION},
                                   {"mla_decode", PERF_K_MLA_DECODE},
                                   {"moe_balanced", PERF_K_MOE},
                                   {"moe_powerlaw1.2", PERF_K_MOE},
                                   {"allreduce", PERF_K_ALLREDUCE},
                                   {"nccl_all_reduce", PERF_K_NCCL_ALLREDUCE},
                                   {"nccl_all_gather", PERF_K_ALLGATHER},
                                   {"nccl_reduce_scatter", PERF_K_REDUCE_SCATTER},
                                   {"nccl_alltoall", PERF_K_ALLTOALL},
                                   {"vidur_all_reduce", PERF_K_NCCL_ALLREDUCE},
                                   {"vidur_attn_pre_proj", PERF_K_GEMM},
                                   {"vidur_attn_post_proj", PERF_K_GEMM},
                                   {"vidur_mlp_up_proj", PERF_K_GEMM},
                                   {"vidur_mlp_down_proj", PERF_K_GEMM},
                                   {0}};

static perf_rate op_rate(str dtype) {
    if (str_is(dtype, "fp8")) return PERF_RATE_8;
    if (str_is(dtype, "fp8_block")) return PERF_RATE_8_BLOCK;
    if (str_is(dtype, "nvfp4")) return PERF_RATE_4;
    return str_starts(dtype, STR("w4a")) ? PERF_RATE_4_16 : PERF_RATE_16;
}

static double rate_bytes(perf_rate r) {
    static const double bytes[] = {[PERF_RATE_16] = 2,
                                   [PERF_RATE_8] = 1,
                                   [PERF_RATE_8_BLOCK] = 1,
                                   [PERF_RATE_4] = 0.5625,
                                   [PERF_RATE_4_16] = 0.53};
    return bytes[r];
}

/* Flops and bytes of one operation, as in ops.h. */
static void op_work(const perf_csv_row *r, perf_kernel_kind k, perf_rate rate, double *flops, double *bytes) {
    double m = perf_cell_number(r, "m"), n = perf_cell_number(r, "n"), kk = perf_cell_number(r, "k"),
           b = perf_cell_number(r, "batch");
    double seq = perf_cell_number(r, "seq"), h = perf_cell_number(r, "heads"), hk = perf_cell_number(r, "kv_heads"),
           hd = perf_cell_number(r, "head_dim");
    double kv = str_is(perf_cell(r, "kv_dtype"), "fp8") ? 1 : 2, e = perf_cell_number(r, "experts"),
           top = perf_cell_number(r, "topk");
    double ep = fmax(1, perf_cell_number(r, "ep")), tp = fmax(1, perf_cell_number(r, "tp")), wb = rate_bytes(rate);
    switch (k) {
    case PERF_K_GEMM: *flops = 2 * m * n * kk, *bytes = wb * (m * kk + n * kk) + 2 * m * n; break;
    case PERF_K_PREFILL_ATTENTION:
        *flops = 2 * b * h * seq * seq * hd, *bytes = 4 * b * seq * h * hd + 2 * b * seq * hk * hd * kv;
        break;
    case PERF_K_DECODE_ATTENTION: *flops = 4 * b * h * seq * hd, *bytes = 2 * b * seq * hk * hd * kv; break;
    case PERF_K_MLA_DECODE: *flops = 2 * b * h * seq * (576 + 512), *bytes = b * seq * 576 * kv; break;
    case PERF_K_MOE:
        *flops = 6 * m * top * n * kk / ep / tp;
        *bytes = e > 0 ? e / ep * (1 - pow(1 - top / e, m)) * 3 * n * kk * wb / tp + 4 * m * kk : 0;
        break;
    default: *flops = *bytes = 0;
    }
}

static const char *op_refused(str op) {
    if (str_starts(op, STR("gpt3layer")) || str_is(op, "layernorm") || str_is(op, "softmax") || str_is(op, "gelu"))
        return "an eager PyTorch operation, which serving software fuses or replaces";
    if (str_starts(op, STR("alltoall_"))) return "a protocol of its own; the bytes a rank sends are not stated";
    if (str_is(op, "vidur_send_recv")) return "point to point: no kernel of ours";
    if (str_is(op, "vidur_input_layernorm") || str_is(op, "vidur_mlp_act"))
        return "a norm or activation alone: no fitted kernel, microseconds of launch";
    return "an operation that the predictor does not know";
}

void perf_judge_op(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str op = perf_cell(r, "op"), dtype = perf_cell(r, "dtype");
    const char *name = ours(op_machines, perf_cell(r, "machine"));
    const op_name *row = op_names;
    while (row->op && !str_is(op, row->op)) row++;
    o->group = "operation";
    o->machine = name ? name : perf_cell_text(r, "machine");
    o->metric = row->op ? perf_kernel_name(row->kernel) : "other";
    o->what = arena_printf(j->a, "%s %s", perf_cell_text(r, "op"), perf_cell_text(r, "dtype"));
    o->published = perf_cell_number(r, "latency_us");
    o->unit = "us";
    if (!row->op) return out(o, op_refused(op));
    const perf_machine *m = name ? machine(j, name) : NULL;
    if (!m) return out(o, "no machine file: its rates are not in our facts");
    perf_numbers n = perf_machine_numbers(m, PERF_NOMINAL);
    perf_rate rate = op_rate(dtype);
    double flops, bytes;
    op_work(r, row->kernel, rate, &flops, &bytes);
    bool fitted =
        str_starts(perf_cell(r, "framework"), STR("trtllm")) || str_starts(perf_cell(r, "framework"), STR("nccl 2."));
    if (row->kernel >= PERF_K_ALLREDUCE)
        o->predicted = 1e6 * perf_collective_seconds(m, &n, row->kernel, perf_cell_number(r, "msg_bytes"),
                                                     perf_cell_number(r, "gpus"));
    else o->predicted = bytes > 0 ? 1e6 * perf_kernel_seconds(m, &n, row->kernel, rate, flops, bytes, NULL) : 0;
    o->set = fitted ? ROW_CALIBRATION : ROW_TEST;
}

/* ---- models on GPUs ---- */

/* Serving software by the start of a row's source and the end of its scenario. */
static const struct {
    const char *source, *scenario, *software;
} origins[] = {
    {"splitwise-sim", "", "splitwise-2023"},      {"LLM-Inference-Bench", "TensorRT-LLM", "trtllm-2024"},
    {"LLM-Inference-Bench", "vLLM", "vllm-2024"}, {"LLM-Inference-Bench", "Deepspeed-MII", "mii-2024"},
    {"TensorRT-LLM docs", "", "trtllm-2025"},     {"InferenceX", "serving-vllm", "vllm-2024"},
};

static const char *software_of(const perf_csv_row *r) {
    str source = perf_cell(r, "source"), scenario = perf_cell(r, "scenario");
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
        if (str_starts(source, str_from(origins[i].source)) && str_ends(scenario, str_from(origins[i].scenario)))
            return origins[i].software;
    return NULL;
}

static const char *inference_refused(const perf_csv_row *r) {
    str kind = perf_cell(r, "kind"), scenario = perf_cell(r, "scenario"), metric = perf_cell(r, "metric"),
        m = perf_cell(r, "machine");
    if (str_is(kind, "derived") || str_is(kind, "estimate") || str_is(kind, "claim"))
        return "derived, estimated or claimed: not a measurement";
    if (str_starts(m, STR("GPU-provider")) || str_is(m, "unnamed-gpu"))
        return "hardware and number of devices are not stated";
    if (str_starts(scenario, STR("api-")))
        return "seen through a public API: devices, load and software are not stated";
    if (str_starts(scenario, STR("mlperf"))) return "input lengths are not in the logs";
    if (str_starts(scenario, STR("pd"))) return "prefill and decode on separate devices: their split and network are not stated";
    if (str_starts(m, STR("MI300X"))) return "2024 software far below the hardware (data/validation/README.md)";
    if (str_starts(m, STR("Inferentia2")) || str_starts(m, STR("Trainium1")))
        return "no machine file: its memory rate is not in our facts";
    if (str_is(metric, "gpu_power") || str_is(metric, "gpu_power_fraction_of_tdp"))
        return "board power under load: the machine files take their power shares from such rows";
    if (!ours(inference_machines, m)) return "no machine file for this system";
    if (!ours(models, perf_cell(r, "model"))) return "no preset: the model's configuration is not in our facts";
    if (!perf_cell(r, "input_len").n || !perf_cell(r, "output_len").n) return "input or output length is not stated";
    if (!software_of(r)) return "a single result of software whose overhead nothing calibrates";
    return NULL;
}

static void parallel_of(perf_load *l, str parallel) {
    char text[16] = "";
    size_t i = 0;
    while (i < parallel.n && (parallel.p[i] < '0' || parallel.p[i] > '9')) i++;
    snprintf(text, sizeof text, "%.*s", (int)(parallel.n - i < 15 ? parallel.n - i : 15), parallel.p + i);
    l->tp = (uint32_t)strtoul(text, NULL, 10);
    if (str_starts(parallel, STR("DEP")) || str_starts(parallel, STR("TEP")) || str_starts(parallel, STR("EP")))
        l->ep = l->tp;
}

/* The largest batch whose cache fits: what a benchmark of maximum throughput runs at. */
static bool predict_fullest(perf_prediction *p, const perf_shape *s, const perf_machine *m, perf_load *l) {
    diag *quiet = diag_new();
    perf_prediction best = {0};
    bool any = false;
    for (l->batch = 1; quiet && l->batch <= 4096; l->batch *= 2) {
        l->prompt_batch = fmax(1, fmin(l->batch, floor(8192 / l->prompt)));
        if (!perf_predict_point(p, s, m, l, quiet)) break;
        if (!any || p->total_tok_s.value > best.total_tok_s.value) best = *p;
        any = true;
    }
    diag_free(quiet);
    *p = best;
    return any;
}

static double asked_for(const perf_prediction *p, str metric, double count) {
    if (str_is(metric, "prompt_time") || str_is(metric, "ttft_batch")) return 1e3 * p->ttft_s.value;
    if (str_is(metric, "token_time")) return 1e3 * p->tpot_s.value;
    if (str_is(metric, "e2e_latency")) return 1e3 * p->request_s.value;
    if (str_is(metric, "output_tok_s")) return p->total_tok_s.value;
    if (str_is(metric, "output_tok_s_gpu")) return p->total_tok_s.value / count;
    return 0;
}

void perf_judge_inference(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str metric = perf_cell(r, "metric");
    const char *mn = ours(inference_machines, perf_cell(r, "machine")), *refused = inference_refused(r);
    o->group = "serving";
    o->machine = mn ? mn : perf_cell_text(r, "machine");
    o->metric = perf_cell_text(r, "metric");
    bool loop = perf_cell(r, "concurrency").n > 0;
    o->what = arena_printf(j->a, "%s %s %s %s%s %s+%s", perf_cell_text(r, "model"), perf_cell_text(r, "dtype"),
                           perf_cell_text(r, "parallel"), loop ? "users " : "b", perf_cell_text(r, loop ? "concurrency" : "batch"), perf_cell_text(r, "input_len"),
                           perf_cell_text(r, "output_len"));
    o->published = perf_cell_number(r, "value");
    o->unit = perf_cell_text(r, "unit");
    if (refused) return out(o, refused);
    const perf_shape *s = shape(j, ours(models, perf_cell(r, "model")));
    const perf_machine *given = machine(j, mn);
    const char *format = ours(precisions, perf_cell(r, "dtype"));
    perf_load l = {.prompt = perf_cell_number(r, "input_len"),
                   .generate = perf_cell_number(r, "output_len"),
                   .batch = fmax(1, perf_cell_number(r, "batch"))};
    l.prompt_batch = l.batch;
    l.systems = 1;
    l.weights = format ? perf_format_named(format) : NULL;
    bool narrow_kv =
        str_starts(perf_cell(r, "source"), STR("TensorRT-LLM docs")); /* its quantised checkpoints have an FP8 cache */
    if (narrow_kv && l.weights && l.weights->bits <= 8.1) l.kv = perf_format_named("fp8");
    if (!s || !given || !perf_software_load(&l.software, j->a, software_of(r), j->d))
        return out(o, "its data cannot be read");
    perf_machine m = *given;
    double count = fmax(1, perf_cell_number(r, "count"));
    m.accelerators.value = m.accelerators.low = m.accelerators.high = count;
    parallel_of(&l, perf_cell(r, "parallel"));
    if (l.tp > count) return out(o, "its parallelism is not of devices");
    if (str_is(perf_cell(r, "scenario"), "serving-vllm")) {
        l.systems = 0, l.batch = l.prompt_batch = 1;
        perf_machine *kept = arena_push(j->a, perf_machine);
        if (!kept) return out(o, "out of memory");
        *kept = m;
        perf_judge_queue(&j->run, s, kept, &l, r, o);
        return;
    }
    perf_prediction p;
    diag *quiet = diag_new();
    bool ok = quiet && (str_is(perf_cell(r, "scenario"), "offline-max") ? predict_fullest(&p, s, &m, &l)
                                                                        : perf_predict_point(&p, s, &m, &l, quiet));
    diag_free(quiet);
    if (!ok) return out(o, "does not fit the devices stated, by our reckoning");
    o->predicted = asked_for(&p, metric, count);
    o->set = ROW_CALIBRATION;
}

/* ---- published tables with programs: wafers, product rates ---- */

/* The number behind `key=` in the parameters; 0 when there is none. */
static double parameter(const perf_csv_row *r, const char *key) {
    str s = perf_cell(r, "parameters");
    size_t n = strlen(key);
    for (size_t i = 0; i + n < s.n; i++)
        if ((!i || s.p[i - 1] == ';' || s.p[i - 1] == ' ') && !memcmp(s.p + i, key, n) && s.p[i + n] == '=') {
            char text[32];
            size_t left = s.n - i - n - 1;
            snprintf(text, sizeof text, "%.*s", (int)(left < 31 ? left : 31), s.p + i + n + 1);
            return strtod(text, NULL);
        }
    return 0;
}

static bool mentions(str s, const char *what) { return str_contains(s, str_from(what)); }

static bool wafer_point(perf_judge *j, perf_judged *o, const char *mn, const char *model, perf_load l, double clock_ghz,
                        perf_prediction *p) {
    const perf_machine *given = machine(j, mn);
    const perf_shape *s = shape(j, model);
    if (!given || !s) return out(o, "its data cannot be read"), false;
    perf_machine *m = arena_push(j->a, perf_machine);
    if (!m) return out(o, "out of memory"), false;
    *m = *given;
    if (clock_ghz > 0) m->clock_hz.value = clock_ghz * 1e9;
    o->machine = mn;
    diag *quiet = diag_new();
    bool ok = quiet && perf_predict_point(p, s, m, &l, quiet);
    diag_free(quiet);
    if (!ok) out(o, "does not fit, by our reckoning");
    return ok;
}

static void judge_waferllm(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str metric = perf_cell(r, "metric"), params = perf_cell(r, "parameters");
    const char *model = mentions(params, "LLaMA3-8B")    ? "llama-3-8b"
                        : mentions(params, "LLaMA2-13B") ? "llama-2-13b"
                                                         : NULL;
    if (!model || !str_is(perf_cell(r, "program"), "WaferLLM"))
        return out(o, "no model of ours, or a limit of the paper's own cache");
    perf_prediction p;
    perf_load l = {.generate = 1,
                   .prompt = fmax(1, parameter(r, "context")),
                   .wafer_side = parameter(r, "grid"),
                   .wafer_regions = 1};
    if (str_starts(metric, STR("decode throughput"))) {
        if (!wafer_point(j, o, "cs2", model, l, 1.1, &p)) return;
        o->predicted = p.user_tok_s.value;
        o->set = ROW_CALIBRATION;
    } else if (str_starts(metric, STR("prefill throughput"))) {
        l.prompt = parameter(r, "prompt");
        if (!wafer_point(j, o, "cs2", model, l, 1.1, &p)) return;
        o->predicted = l.prompt / p.ttft_s.value;
        o->set = ROW_CALIBRATION;
    } else if (str_starts(metric, STR("end-to-end"))) {
        l.prompt = parameter(r, "in"), l.generate = parameter(r, "out"), l.wafer_side = parameter(r, "prefill_grid");
        if (!wafer_point(j, o, "cs2", model, l, 1.1, &p)) return;
        double prompt_s = p.ttft_s.value;
        l.wafer_side = parameter(r, "decode_grid");
        if (!wafer_point(j, o, "cs2", model, l, 1.1, &p)) return;
        o->predicted = l.generate / (prompt_s + l.generate * p.tpot_s.value);
    } else out(o, "a limit of the paper's own cache");
}

static void judge_notes(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str metric = perf_cell(r, "metric"), program = perf_cell(r, "program"), params = perf_cell(r, "parameters");
    perf_prediction p;
    perf_load l = {.generate = 1, .prompt = fmax(1, parameter(r, "position")), .wafer_side = 256};
    if (mentions(params, "64x256")) return out(o, "a layer on 64 x 256 PEs: the formulas know squares");
    if (str_starts(program, STR("Qwen3-1.7B decode; bsz=1")) && str_is(metric, "decode throughput")) {
        if (!wafer_point(j, o, "cs3", "qwen3-1.7b", l, parameter(r, "clock_assumed"), &p)) return;
        o->predicted = p.user_tok_s.value;
        o->set = ROW_CALIBRATION;
    } else if (str_starts(program, STR("Qwen3-1.7B dedicated prefill")) && str_is(metric, "prefill throughput")) {
        l.prompt = parameter(r, "tokens");
        if (!wafer_point(j, o, "cs3", "qwen3-1.7b", l, parameter(r, "clock_assumed"), &p)) return;
        o->predicted = l.prompt / p.ttft_s.value;
    } else out(o, "kernels, memory maps and host links of one development: not what the predictor answers");
}

static void judge_rate(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str metric = perf_cell(r, "metric"), params = perf_cell(r, "parameters"), m = perf_cell(r, "machine");
    const char *model = ours_prefix(programs, perf_cell(r, "program"));
    perf_prediction p, h;
    perf_load l = {.prompt = 1000,
                   .generate = 256}; /* "one user": lengths are not stated; the effect is a few percent */
    if (str_is(metric, "latency per token relative to H100")) {
        const char *mn = str_starts(m, STR("Groq")) ? "groq-576" : str_starts(m, STR("SambaNova")) ? "sn40l-16" : "cs3";
        if (!wafer_point(j, o, mn, "llama-3.1-8b", l, 0, &p) || !wafer_point(j, o, "h100", "llama-3.1-8b", l, 0, &h))
            return;
        o->machine = mn;
        o->predicted = 100 * p.tpot_s.value / h.tpot_s.value;
        return;
    }
    if (!str_starts(m, STR("Cerebras")))
        return out(o, mentions(params, "speculative") || mentions(params, "draft")
                          ? "drafts with an acceptance that is not stated"
                          : "number of devices or lengths are not stated");
    if (!model) return out(o, "no preset: the model's configuration is not in our facts, or no single model");
    if (mentions(params, "speculative=yes")) return out(o, "drafts with an acceptance that is not stated");
    if (parameter(r, "10k") > 0 || mentions(params, "10k prompt")) l.prompt = 10000, l.generate = 500;
    if (!wafer_point(j, o, "cs3", model, l, 0, &p)) return;
    if (str_is(metric, "CS-3 systems used")) o->predicted = p.setup.systems;
    else if (str_starts(metric, STR("output speed per user"))) o->predicted = p.user_tok_s.value;
    else if (mentions(params, "10k prompt") && str_is(metric, "total response time")) o->predicted = p.request_s.value;
    else out(o, "prompt length is not stated, or network and queue are most of it");
}

static const char *published_refused(const char *name, str use) {
    if (!str_starts(use, STR("validate"))) return "not marked for validation";
    static const struct {
        const char *name, *reason;
    } files[] = {{"wse_reduce", "cycles of kernels: `ingot validate --cycles` runs them on the simulator"},
                 {"waferllm_gem", "cycles of single kernels; grids are not in the table, or ratios of two kernels"},
                 {"wse_apps", "no language model: stencils, solvers and their kernels"},
                 {"energy_yield", "facts that the machine files take over, or programs that are no language model"},
                 {"weight_streaming", "training clusters, and facts that the machine files take over"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!strncmp(name, files[i].name, strlen(files[i].name))) return files[i].reason;
    return NULL;
}

void perf_judge_published(perf_judge *j, const perf_csv_row *r, perf_judged *o) {
    str confidence = perf_cell(r, "confidence"), qual = perf_cell(r, "qual");
    o->group = "published";
    o->machine = perf_cell_text(r, "machine");
    o->metric = perf_cell_text(r, "metric");
    o->what = arena_printf(j->a, "%s; %s", perf_cell_text(r, "program"), perf_cell_text(r, "parameters"));
    o->confidence = confidence.n ? confidence.p[0] : '-';
    o->qualifier = qual.n && (qual.p[0] == '<' || qual.p[0] == '>') ? qual.p[0] : '=';
    o->published = perf_cell_number(r, "value");
    o->unit = perf_cell_text(r, "unit");
    const char *refused = published_refused(o->file, perf_cell(r, "use"));
    if (refused) return out(o, refused);
    str id = str_from(o->id);
    if (str_starts(id, STR("WLLM"))) judge_waferllm(j, r, o);
    else if (str_starts(id, STR("FN"))) judge_notes(j, r, o);
    else judge_rate(j, r, o);
}
