/* ingot run: a model writes text; the report under it says what that took here and would take elsewhere. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "cli/run_report.h"

typedef struct {
    const char *model, *prompt, *file, *system, *kernels;
    const char *machine, *profile, *policy, *defects, *density;
    int64_t layers, columns, unit_rows, defect_seed;
    int64_t tokens, threads, context, batch, top_k, repeat_last, seed;
    double temperature, top_p, min_p, repeat_penalty, sparsity;
    int engine, weights, kv, prompt_bits, decode_bits, report;
    uint64_t resident_bytes;
    bool raw, quiet, ignore_stop;
} run_args;

static const char *const engines[] = {"native", "oracle", "wafer", NULL} /* as session_engine */;
static const char *const weight_modes[] = {"resident", "streamed", NULL};
static const char *const kv_types[] = {"f16", "f32", NULL};
static const char *const digits[] = {"auto", "8", "16", NULL};
static const char *const reports[] = {"text", "json", "none", NULL};

const cli_option cmd_run_options[] = {
    OPTION_STRING_ROW('m', "model", run_args, model, "FILE|NAME", "smollm2",
                      "the model: a GGUF file, a folder with safetensors, or a pulled model"),
    OPTION_STRING_ROW('p', "prompt", run_args, prompt, "TEXT", NULL, "what to answer or continue"),
    OPTION_STRING_ROW('f', "file", run_args, file, "FILE", NULL, "read the prompt from a file; - is standard input"),
    OPTION_STRING_ROW(0, "system", run_args, system, "TEXT", NULL, "system text, for models with a chat template"),
    OPTION_FLAG_ROW(0, "raw", run_args, raw, "continue the prompt as it stands, without the chat template"),
    OPTION_INT_ROW('n', "tokens", run_args, tokens, 1, 1e9, "N", "256", "at most so many tokens"),
    OPTION_FLAG_ROW(0, "ignore-stop", run_args, ignore_stop, "go on after end-of-text tokens"),
    OPTION_FLOAT_ROW(0, "temp", run_args, temperature, 0, 1000, "T", "0.7", "temperature; 0 takes the likeliest token"),
    OPTION_INT_ROW(0, "top-k", run_args, top_k, 0, 1e9, "K", "40", "draw from the K likeliest; 0 = all"),
    OPTION_FLOAT_ROW(0, "top-p", run_args, top_p, 0, 1, "P", "0.95", "draw from the likeliest that together reach P"),
    OPTION_FLOAT_ROW(0, "min-p", run_args, min_p, 0, 1, "P", "0.05",
                     "drop what is less than P times as likely as the likeliest"),
    OPTION_FLOAT_ROW(0, "repeat-penalty", run_args, repeat_penalty, 0.01, 100, "R", "1",
                     "makes recent tokens less likely; 1 = off"),
    OPTION_INT_ROW(0, "repeat-last", run_args, repeat_last, 0, 1e6, "N", "64", "how many tokens are recent"),
    OPTION_INT_ROW(0, "seed", run_args, seed, 0, 9e15, "N", "1", "same seed, same text"),
    OPTION_CHOICE_ROW(0, "engine", run_args, engine, engines, "native",
                      "wafer: CSL kernels on a simulated wafer; oracle: the plain f32 reference"),
    OPTION_INT_ROW('t', "threads", run_args, threads, 0, 1024, "N", "0", "0 = one for each processor"),
    OPTION_STRING_ROW(0, "kernels", run_args, kernels, "NAME", NULL,
                      "amx, avx512, avx2 or portable; default: the best of this processor"),
    OPTION_INT_ROW(0, "context", run_args, context, 0, 1e9, "N", "0",
                   "tokens of context; 0 = the model's, at most 4096"),
    OPTION_INT_ROW(0, "batch", run_args, batch, 0, 4096, "N", "0",
                   "prompt tokens per pass over the weights; 0 = 256 (wafer: 8)"),
    OPTION_CHOICE_ROW(0, "kv", run_args, kv, kv_types, "f16", "type of the KV cache"),
    OPTION_CHOICE_ROW(0, "prompt-bits", run_args, prompt_bits, digits, "auto",
                      "activations against quantised weights, while the prompt is read"),
    OPTION_CHOICE_ROW(0, "decode-bits", run_args, decode_bits, digits, "auto",
                      "the same for every further token; 16 is as good as f32"),
    OPTION_CHOICE_ROW(0, "weights", run_args, weights, weight_modes, "resident",
                      "streamed: layer by layer from the file, as they are used"),
    OPTION_BYTES_ROW(0, "resident-bytes", run_args, resident_bytes, 0, 9e18, "1G",
                     "with streamed: never more weights than this in memory"),
    OPTION_FLOAT_ROW(0, "sparsity", run_args, sparsity, 0, 1, "S", "0",
                     "wafer, streamed: leave out the smallest weights of each matrix, this share of them"),
    OPTION_INT_ROW(0, "layers", run_args, layers, 0, LLM_LAYERS_MAX, "N", "0",
                   "only the first N layers, then the head: a part of a model that is too large to simulate"),
    OPTION_STRING_ROW(0, "machine", run_args, machine, "NAME|FILE", "wse3", "the wafer: wse2, wse3 or a wafer file"),
    OPTION_STRING_ROW(0, "profile", run_args, profile, "NAME", "vendor-sim", "of the wafer file"),
    OPTION_STRING_ROW(0, "policy", run_args, policy, "NAME", "compact",
                      "of the placement: compact, latency or square (ingot plan shows what they come to)"),
    OPTION_INT_ROW(0, "columns", run_args, columns, 0, 8192, "N", "0", "columns on the wafer; 0 = searched"),
    OPTION_INT_ROW(0, "unit-rows", run_args, unit_rows, 0, 8192, "N", "0", "rows for a KV head; 0 = searched"),
    OPTION_STRING_ROW(0, "defects", run_args, defects, "FILE", NULL, "the wafer's dead PEs and links"),
    OPTION_STRING_ROW(0, "defect-density", run_args, density, "D", NULL,
                      "dead PEs drawn: 0.001 per mm2 of core, or 5e-5/pe"),
    OPTION_INT_ROW(0, "defect-seed", run_args, defect_seed, 0, 9e15, "N", "0", "of the draw"),
    OPTION_CHOICE_ROW(0, "report", run_args, report, reports, "text", "json: one object with the text in it"),
    OPTION_FLAG_ROW('q', "quiet", run_args, quiet, "the generated text alone"),
    OPTIONS_END,
};

enum { PROMPT_BYTES_MAX = 64 << 20 };

static bool read_stdin(arena *a, str *out, diag *d) {
    strbuf b = {0};
    char piece[1 << 16];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0 && b.len < PROMPT_BYTES_MAX) strbuf_add(&b, piece, n);
    char *copy = b.oom ? NULL : arena_strndup(a, b.data ? b.data : "", b.len);
    *out = (str){copy, b.len};
    strbuf_free(&b);
    return copy || diag_oom(d, "prompt");
}

static bool read_prompt(cli *c, const run_args *a, str *out) {
    if (a->prompt) return *out = str_from(a->prompt), true;
    if (!strcmp(a->file, "-")) return read_stdin(c->memory, out, c->d);
    return file_read_all(c->memory, a->file, PROMPT_BYTES_MAX, out, c->d);
}

/* Where the generated text goes: the screen as it comes, and a buffer for the JSON report. */
typedef struct {
    bool show;
    strbuf text;
} sink;

static void emit(void *arg, str text) {
    sink *s = arg;
    strbuf_add(&s->text, text.p, text.n);
    if (!s->show) return;
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
}

/* The bar begins with the first word of the wafer, and goes before the text comes. */
static void show_reading(void *arg, double fraction) {
    progress *p = arg;
    if (p->done == 0) progress_resume_at(p, 0);
    if (fraction < 1) progress_update(p, fraction);
    else progress_end(p);
}

/* A weight that is sent with its place takes a word, two dense ones share one. */
#define SPARSE_FROM 0.5

static wafer_options wafer_options_of(const run_args *a, progress *loading, progress *reading) {
    return (wafer_options){.machine = a->machine,
                           .profile = a->profile,
                           .plan = {.context = (uint32_t)a->context,
                                    .policy = a->policy,
                                    .columns = (uint32_t)a->columns,
                                    .unit_rows = (uint32_t)a->unit_rows,
                                    .streamed = a->weights == 1,
                                    .sparse = a->sparsity > SPARSE_FROM,
                                    .tokens = (uint32_t)a->batch},
                           .sparsity = a->sparsity,
                           .holes = {a->defects, a->density, (uint64_t)a->defect_seed},
                           .loading = {progress_fraction, loading},
                           .prompt = {show_reading, reading}};
}

static session_options options_of(const run_args *a, const char *path, progress *hashing, progress *loading,
                                  progress *reading) {
    return (session_options){.model_path = path,
                             .engine = (session_engine)a->engine,
                             .threads = (int)a->threads,
                             .layers = (uint32_t)a->layers,
                             .native = {.kernels = a->kernels ? kern_by_name(str_from(a->kernels)) : NULL,
                                        .context = (uint32_t)a->context,
                                        .batch = (uint32_t)a->batch,
                                        .kv_f32 = a->kv == 1,
                                        .prompt_digits = a->prompt_bits,
                                        .decode_digits = a->decode_bits,
                                        .weights = {.mode = a->weights ? WEIGHTS_STREAMED : WEIGHTS_RESIDENT,
                                                    .resident_bytes = a->resident_bytes,
                                                    .progress = progress_fraction,
                                                    .progress_arg = loading}},
                             .wafer = wafer_options_of(a, loading, reading),
                             .hashing = {progress_fraction, hashing}};
}

static bool print_report(cli *c, const run_args *a, session *s, const generation *g, const pruning *pruned, str prompt,
                         str text) {
    run_report r = {.prompt = prompt, .text = text, .seed = (uint64_t)a->seed, .pruned = pruned};
    strbuf out = {0};
    if (!run_report_make(&r, c->memory, s, g, c->d)) return false;
    if (a->report == 1) run_report_json(&r, &out);
    else {
        strbuf_adds(&out, "\n\n");
        run_report_text(&r, &out);
    }
    bool ok = !out.oom || diag_oom(c->d, "report");
    if (ok) fwrite(out.data, 1, out.len, stdout);
    strbuf_free(&out);
    return ok;
}

static bool run(cli *c, const run_args *a, const char *path, session *s, str prompt) {
    bool json = a->report == 1 && !a->quiet;
    sink out = {.show = !json};
    token_list ids = {0};
    generation g = {0};
    generate_options how = {.tokens_max = (uint32_t)(a->tokens < UINT32_MAX ? a->tokens : UINT32_MAX),
                            .ignore_stop = a->ignore_stop,
                            .emit = emit,
                            .arg = &out,
                            .sample = {(float)a->temperature, (int32_t)a->top_k, (float)a->top_p, (float)a->min_p,
                                       (float)a->repeat_penalty, (uint32_t)a->repeat_last, (uint64_t)a->seed}};
    pruning pruned = {0};
    bool ok = !(a->sparsity > 0) || pruning_open(&pruned, path, (uint32_t)a->layers, s->context, c->d);
    if (a->sparsity > 0) how.look = pruning_look, how.look_arg = &pruned;
    ok = ok && session_prompt(s, a->system, prompt, a->raw, &ids, c->d) && session_generate(s, &ids, &how, &g, c->d);
    if (ok && out.text.oom) ok = diag_oom(c->d, "generated text");
    if (ok && (a->quiet || a->report == 2)) putchar('\n');
    if (ok && !a->quiet && a->report != 2) ok = print_report(c, a, s, &g, &pruned, prompt, strbuf_str(&out.text));
    pruning_close(&pruned);
    token_list_free(&ids);
    token_list_free(&g.tokens);
    strbuf_free(&out.text);
    return ok;
}

int cmd_run(cli *c, int argc, char **argv) {
    run_args a = {0};
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    if (!a.prompt == !a.file)
        return cli_usage_error(c, "give the prompt with --prompt TEXT or with --file FILE (one of the two)");
    if (a.kernels && !kern_by_name(str_from(a.kernels)))
        return cli_usage_error(c, "--kernels %s: unknown, or this processor lacks it", a.kernels);
    if (a.sparsity > 0 && (a.engine != ENGINE_WAFER || a.weights != 1))
        return cli_usage_error(c, "--sparsity is for --engine wafer --weights streamed");
    str prompt;
    const char *path = cli_model_path(c->memory, a.model, true, c->d);
    if (!path || !read_prompt(c, &a, &prompt)) return CLI_FAILED;
    progress hashing = progress_begin("recording the model's hashes", PROGRESS_FRACTION, 1),
             loading = progress_begin("loading weights", PROGRESS_FRACTION, 1),
             reading = progress_begin("reading the prompt", PROGRESS_FRACTION, 1);
    session_options o = options_of(&a, path, &hashing, &loading, &reading);
    session s;
    bool ok = session_open(&s, &o, c->d);
    progress_end(&hashing);
    progress_end(&loading);
    if (ok && s.model->label && !a.quiet)
        cli_say("%s: this model is %s; its text means nothing", s.model->name, s.model->label);
    ok = ok && run(c, &a, path, &s, prompt);
    session_close(&s);
    return ok ? CLI_OK : CLI_FAILED;
}
