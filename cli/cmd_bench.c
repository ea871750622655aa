/* ingot bench: how near this host's limits the native engine comes.
 *
 * Decode is bound by reading weights, so it is told as a share of read bandwidth: bytes per token x tokens per second /
 * bandwidth, the bandwidth being measured right before and right after with the same threads (absolute rates of a
 * shared machine differ twofold within an hour). Prompts are told in operations per second. A peer, any command that
 * prints "prompt X decode Y" in tokens per second, is run between two of our own runs, in the same minute. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/bench_hot.h"
#include "cli/bench_wafer.h"
#include "cli/cli.h"
#include "cli/pull.h"
#include "cluster/session.h"
#include "llm/native_probe.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const char *threads, *kernels, *peer;
    int64_t prompt, tokens, repeat, wafer;
    int prompt_bits, decode_bits;
    bool json, profile, hot;
} bench_args;

static const char *const digits[] = {"auto", "8", "16", NULL};

const cli_option cmd_bench_options[] = {
    OPTION_STRING_ROW('t', "threads", bench_args, threads, "LIST", "1,0",
                      "thread counts, separated by commas; 0 = one for each processor"),
    OPTION_INT_ROW(0, "prompt", bench_args, prompt, 1, 100000, "N", "512", "tokens of the prompt"),
    OPTION_INT_ROW('n', "tokens", bench_args, tokens, 1, 100000, "N", "48", "tokens to decode"),
    OPTION_INT_ROW(0, "repeat", bench_args, repeat, 1, 100, "N", "3", "repetitions; the best counts"),
    OPTION_STRING_ROW(0, "kernels", bench_args, kernels, "NAME", NULL, "amx, avx512, avx2 or portable"),
    OPTION_CHOICE_ROW(0, "prompt-bits", bench_args, prompt_bits, digits, "auto", "activations, prompts"),
    OPTION_CHOICE_ROW(0, "decode-bits", bench_args, decode_bits, digits, "auto", "activations, decode"),
    OPTION_INT_ROW(0, "wafer", bench_args, wafer, 0, 1000, "N", "0",
                   "instead: N tokens on the simulated wafer, and how much slower that is"),
    OPTION_STRING_ROW(0, "peer", bench_args, peer, "COMMAND", NULL,
                      "also run COMMAND MODEL THREADS PROMPT TOKENS in turn with our own runs"),
    OPTION_FLAG_ROW(0, "profile", bench_args, profile, "where the time goes, by kind of step"),
    OPTION_FLAG_ROW(0, "hot", bench_args, hot,
                    "instead: the part of a pass that waits for weights, by keeping a few of them in the cache"),
    OPTION_FLAG_ROW(0, "json", bench_args, json, "one JSON object a line"),
    OPTIONS_END,
};

enum { READ_BLOCK_BYTES = 1 << 30, THREAD_COUNTS_MAX = 16 };

typedef struct {
    double decode, prompt;   /* tokens per second */
    double read_bytes_per_s; /* around the decode run */
    double share;            /* of the read limit, in decode */
} rates;

typedef struct {
    const char *model, *path;
    int threads;
    rates best, peer;
    double token_bytes;  /* weights and cache read per decoded token */
    double prompt_flops; /* of one prompt token */
    const char *kernels;
} result;

typedef struct {
    const bench_args *a;
    const char *path;
    session s;
    uint8_t *block;
    token_list prompt;
} bench;

/* The context is rewound before each part, so that every repetition does the same work. */
static bool run_once(bench *b, rates *r, diag *d) {
    native *n = b->s.native;
    pool *p = b->s.threads;
    int64_t tokens = b->a->tokens;
    native_rewind(n, 0);
    double start = clock_seconds();
    if (!native_forward(n, b->prompt.ids, b->prompt.count, b->s.logits, d)) return false;
    r->prompt = (double)b->prompt.count / (clock_seconds() - start);
    native_rewind(n, 0);
    double before = probe_read_bytes_per_s(p, b->block, READ_BLOCK_BYTES, 0.15);
    start = clock_seconds();
    for (int64_t i = 0; i < tokens; i++)
        if (!native_forward(n, &b->prompt.ids[(size_t)i % b->prompt.count], 1, b->s.logits, d)) return false;
    r->decode = (double)tokens / (clock_seconds() - start);
    double after = probe_read_bytes_per_s(p, b->block, READ_BLOCK_BYTES, 0.15);
    r->read_bytes_per_s = (before + after) / 2;
    return true;
}

static bool run_peer(const bench *b, int threads, rates *best, diag *d) {
    strbuf command = {0};
    strbuf_addf(&command, "%s '%s' %d %lld %lld", b->a->peer, b->path, threads, (long long)b->a->prompt,
                (long long)b->a->tokens);
    FILE *in = command.oom ? NULL : popen(command.data, "r");
    char line[1024];
    bool found = false;
    while (in && fgets(line, sizeof line, in)) {
        rates r = {0};
        const char *at = strstr(line, "prompt ");
        if (!at || sscanf(at, "prompt %lf decode %lf", &r.prompt, &r.decode) != 2) continue;
        found = true;
        if (r.prompt > best->prompt) best->prompt = r.prompt;
        if (r.decode > best->decode) best->decode = r.decode;
    }
    if (in) pclose(in);
    strbuf_free(&command);
    return found || diag_error(d, "--peer: the command printed no line \"prompt X decode Y\"");
}

static void keep_best(rates *best, const rates *r, double token_bytes) {
    if (r->prompt > best->prompt) best->prompt = r->prompt;
    double share = token_bytes * r->decode / r->read_bytes_per_s;
    if (r->decode > best->decode) best->decode = r->decode;
    if (share > best->share) best->share = share, best->read_bytes_per_s = r->read_bytes_per_s;
}

static bool measure(bench *b, result *out, diag *d) {
    rates warm;
    if (!run_once(b, &warm, d)) return false;
    const native_profile *p = native_get_profile(b->s.native);
    double bytes = 0, flops = 0;
    for (int i = 0; i < STEP_COUNT; i++) {
        bytes += p->decode[i].weight_bytes + p->decode[i].kv_bytes;
        flops += i == STEP_MATMUL ? p->prompt[i].flops : 0;
    }
    out->token_bytes = bytes / (double)p->decode_tokens;
    out->prompt_flops = flops / (double)p->prompt_tokens;
    out->kernels = native_get_stats(b->s.native).kernels;
    for (int64_t i = 0; i < b->a->repeat; i++) {
        rates r;
        if (!run_once(b, &r, d)) return false;
        keep_best(&out->best, &r, out->token_bytes);
        if (b->a->peer && !run_peer(b, out->threads, &out->peer, d)) return false;
    }
    return true;
}

static void print_profile(const native_profile *p) {
    for (int i = 0; i < STEP_COUNT; i++) {
        const native_cost *q = &p->prompt[i], *t = &p->decode[i];
        printf("    %-10s prompt %9.3f us/token %8.1f GFLOP/s   decode %9.3f us/token %7.2f GB/s\n",
               native_step_name((native_step)i), 1e6 * q->seconds / (double)p->prompt_tokens,
               q->seconds > 0 ? q->flops / q->seconds / 1e9 : 0, 1e6 * t->seconds / (double)p->decode_tokens,
               t->seconds > 0 ? (t->weight_bytes + t->kv_bytes) / t->seconds / 1e9 : 0);
    }
}

static void print_result(const bench_args *a, const result *r) {
    const rates *b = &r->best, *p = &r->peer;
    if (a->json)
        printf("{\"model\": \"%s\", \"threads\": %d, \"kernels\": \"%s\", \"decode_tokens_per_s\": %.6g, "
               "\"prompt_tokens_per_s\": %.6g, "
               "\"token_bytes\": %.17g, \"read_bytes_per_s\": %.6g, \"share_of_read_limit\": %.4g, "
               "\"prompt_flops_per_s\": %.6g, "
               "\"peer_decode_tokens_per_s\": %.6g, \"peer_prompt_tokens_per_s\": %.6g}\n",
               path_base(r->path), r->threads, r->kernels, b->decode, b->prompt, r->token_bytes, b->read_bytes_per_s,
               b->share, b->prompt * r->prompt_flops, p->decode, p->prompt);
    else {
        printf("%-38s %2d  %8.2f  %7.2f  %5.2f  %9.1f  %6.3f", path_base(r->path), r->threads, b->decode,
               b->read_bytes_per_s / 1e9, b->share, b->prompt, b->prompt * r->prompt_flops / 1e12);
        if (a->peer)
            printf("  %8.2f %5.2fx  %9.1f %5.2fx", p->decode, b->decode / p->decode, p->prompt, b->prompt / p->prompt);
        putchar('\n');
    }
    fflush(stdout);
}

static bool bench_model(cli *c, const bench_args *a, const char *path, int threads, uint8_t *block) {
    bench b = {.a = a, .path = path, .block = block};
    session_options o = {.model_path = path,
                         .threads = threads,
                         .native = {.context = (uint32_t)(a->prompt > a->tokens ? a->prompt : a->tokens) + 16,
                                    .prompt_digits = a->prompt_bits,
                                    .decode_digits = a->decode_bits,
                                    .kernels = a->kernels ? kern_by_name(str_from(a->kernels)) : NULL}};
    if (a->hot) return bench_hot(&o, a->json, c->d);
    if (!session_open(&b.s, &o, c->d)) return false;
    result r = {.path = path, .threads = pool_threads(b.s.threads)};
    bool ok = true;
    for (int64_t i = 0; ok && i < a->prompt; i++)
        ok = token_list_push(&b.prompt, (int32_t)((uint64_t)i * 7919 % b.s.model->config.vocab)) ||
             diag_oom(c->d, "prompt");
    ok = ok && measure(&b, &r, c->d);
    if (ok) print_result(a, &r);
    if (ok && a->profile) print_profile(native_get_profile(b.s.native));
    token_list_free(&b.prompt);
    session_close(&b.s);
    return ok;
}

static bool parse_threads(cli *c, const char *list, int *counts, int *n) {
    for (*n = 0; *n < THREAD_COUNTS_MAX;) {
        char *end;
        long v = strtol(list, &end, 10);
        if (end == list || v < 0 || v > 1024 || (*end && *end != ',')) break;
        counts[(*n)++] = v ? (int)v : cpu_count();
        if (!*end) return true;
        list = end + 1;
    }
    cli_usage_error(c, "--threads: '%s' is not a list of up to %d numbers", list, THREAD_COUNTS_MAX);
    return false;
}

int cmd_bench(cli *c, int argc, char **argv) {
    bench_args a = {0};
    int counts[THREAD_COUNTS_MAX], n;
    if (!cli_parse(c, argc, argv, &a)) return c->status;
    if (!parse_threads(c, a.threads, counts, &n)) return CLI_USAGE;
    if (a.kernels && !kern_by_name(str_from(a.kernels)))
        return cli_usage_error(c, "--kernels %s: unknown, or this processor lacks it", a.kernels);
    uint8_t *block = mem_pages(READ_BLOCK_BYTES);
    if (!block) return diag_oom(c->d, "block for measuring bandwidth"), CLI_FAILED;
    memset(block, 1, READ_BLOCK_BYTES);
    if (!a.json && a.hot)
        printf("%-38s %2s %5s  %10s  %10s  %-12s  %s\n", "model", "th", "batch", "from memory", "from cache", "waits",
               "by roofline");
    if (!a.json && !a.wafer && !a.hot)
        printf("%-38s %2s  %8s  %7s  %5s  %9s  %6s%s\n", "model", "th", "decode/s", "GB/s", "share", "prompt/s",
               "Top/s", a.peer ? "  peer decode ratio  peer prompt ratio" : "");
    bool ok = true;
    for (int i = 0; ok && i < c->arg_count; i++) {
        const char *path = cli_model_path(c->memory, c->args[i], true, c->d);
        ok = path != NULL;
        if (ok && a.wafer) ok = bench_wafer(path, (uint32_t)a.wafer, a.json, c->d);
        for (int t = 0; ok && !a.wafer && t < n; t++)
            if (t == 0 || counts[t] != counts[t - 1]) ok = bench_model(c, &a, path, counts[t], block);
    }
    mem_pages_free(block, READ_BLOCK_BYTES);
    return ok ? CLI_OK : CLI_FAILED;
}
