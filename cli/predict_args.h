/* Options of a load, the same in `predict`, `compare` and `sweep`. */
#ifndef INGOT_CLI_PREDICT_ARGS_H
#define INGOT_CLI_PREDICT_ARGS_H
#include "cli/cli.h"
#include "perf/predict.h"

typedef struct {
    const char *model, *machine, *weights, *kv, *set, *software, *param, *metric, *svg, *html;
    int64_t prompt, generate, batch, prompt_batch, window, tp, pp, ep, dp, systems, draft, side, threads;
    double accepted, draft_cost;
    int goal, format;
    bool streamed, ops, json, timing, plan;
} predict_args;

extern const char *const predict_goals[];

#define PREDICT_LOAD_ROWS                                                                                              \
    OPTION_STRING_ROW('m', "model", predict_args, model, "NAME|FILE", "llama-3.1-8b",                                  \
                      "a preset of data/models, a GGUF file, a folder with safetensors, a config.json"),               \
        OPTION_INT_ROW('p', "prompt", predict_args, prompt, 1, 1e9, "N", "512", "tokens of the prompt"),               \
        OPTION_INT_ROW('n', "generate", predict_args, generate, 1, 1e9, "N", "128", "tokens generated"),               \
        OPTION_INT_ROW('b', "batch", predict_args, batch, 1, 1e7, "N", "1", "requests decoding at once"),              \
        OPTION_INT_ROW(0, "prompt-batch", predict_args, prompt_batch, 1, 1e6, "N", "1", "prompts in one pass"),        \
        OPTION_STRING_ROW(                                                                                             \
            'w', "weights", predict_args, weights, "FORMAT", NULL,                                                     \
            "format of the weights: bf16 fp8 fp8_block int8 nvfp4 mxfp4 int4 q4_k ...; default: the model's"),         \
        OPTION_STRING_ROW(0, "kv", predict_args, kv, "FORMAT", NULL, "format of keys and values; default 16 bits"),    \
        OPTION_INT_ROW(0, "window", predict_args, window, 0, 1e9, "N", "0",                                            \
                       "attention sees the last N tokens only; 0 = the model's own"),                                  \
        OPTION_FLAG_ROW(0, "streamed", predict_args, streamed, "weights enter from outside in every pass"),            \
        OPTION_INT_ROW(0, "tp", predict_args, tp, 0, 65536, "N", "0", "tensor parallel; 0 = searched"),                \
        OPTION_INT_ROW(0, "pp", predict_args, pp, 0, 65536, "N", "0", "pipeline stages; 0 = searched"),                \
        OPTION_INT_ROW(0, "ep", predict_args, ep, 0, 65536, "N", "0",                                                  \
                       "devices that experts are spread over; 0 = searched"),                                          \
        OPTION_INT_ROW(0, "dp", predict_args, dp, 0, 65536, "N", "0",                                                  \
                       "replicas; 0 = as many as fit, at most the batch"),                                             \
        OPTION_INT_ROW(0, "systems", predict_args, systems, 0, 100000, "N", "0",                                       \
                       "boxes or wafers; 0 = as few as it takes"),                                                     \
        OPTION_INT_ROW(0, "side", predict_args, side, 0, 4096, "N", "0",                                               \
                       "wafers: PEs in a row of a layer's region; 0 = searched"),                                      \
        OPTION_INT_ROW(0, "draft", predict_args, draft, 0, 64, "N", "0", "speculation: tokens drafted per pass"),      \
        OPTION_FLOAT_ROW(0, "accepted", predict_args, accepted, 0, 0.999, "SHARE", "0.7",                              \
                         "share of drafted tokens accepted"),                                                          \
        OPTION_FLOAT_ROW(0, "draft-cost", predict_args, draft_cost, 0, 1, "SHARE", "0.1",                              \
                         "a drafted token's time over a pass"),                                                        \
        OPTION_CHOICE_ROW(0, "goal", predict_args, goal, predict_goals, "latency", "what the search is for"),          \
        OPTION_STRING_ROW(0, "software", predict_args, software, "NAME", NULL,                                         \
                          "serving software of data/software.json; default: none, operators alone"),                   \
        OPTION_STRING_ROW(0, "set", predict_args, set, "NAME=VALUE,...", NULL,                                         \
                          "values of the machine changed: io_bw_bytes_per_s=1TB/s")

/* Rows of commands that take a model, a machine and formats, and have a `predict_args` as their member `shared`. */
#define PREDICT_SHARED_ROWS(type, machine_default, model_default)                                                     \
    OPTION_STRING_ROW('m', "model", type, shared.model, "NAME|FILE", model_default,                                    \
                      "a preset, a model file, a config.json"),                                                        \
        OPTION_STRING_ROW('M', "machine", type, shared.machine, "NAME|FILE", machine_default,                          \
                          "a machine (ingot machine list)"),                                                           \
        OPTION_STRING_ROW('w', "weights", type, shared.weights, "FORMAT", NULL, "format of the weights"),              \
        OPTION_STRING_ROW(0, "kv", type, shared.kv, "FORMAT", NULL, "format of keys and values"),                      \
        OPTION_INT_ROW(0, "window", type, shared.window, 0, 1e9, "N", "0", "attention sees the last N tokens only"),   \
        OPTION_STRING_ROW(0, "software", type, shared.software, "NAME", NULL,                                          \
                          "serving software of data/software.json"),                                                   \
        OPTION_STRING_ROW(0, "set", type, shared.set, "NAME=VALUE,...", NULL, "values of the machine changed")

/* The load, without software; a format that does not exist is an error. */
bool predict_load(perf_load *l, const predict_args *a, diag *d);
/* Shape, machine with --set, and load with --software. Everything lives in `a`. */
bool predict_inputs(perf_shape *s, perf_machine *m, perf_load *l, arena *memory, const predict_args *a,
                    const char *machine, diag *d);
bool predict_set(perf_machine *m, const char *assignments, diag *d);
#endif
