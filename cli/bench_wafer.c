/* How much slower than native a model is on the simulated wafer. Native decodes the same tokens right before and right
 * after, and the faster of the two counts: the host's speed moves within minutes. */
#include "cli/bench_wafer.h"
#include "cluster/session.h"
#include "base/file.h"
#include <stdio.h>

typedef struct {
    double seconds; /* per token */
    token_list tokens;
    wafer_stats stats;
} run_result;

static bool decode(const char *path, session_engine engine, uint32_t tokens, run_result *out, diag *d) {
    session s;
    session_options o = {.model_path = path, .engine = engine, .threads = 1};
    o.native.context = tokens + 16;
    o.wafer.plan = (plan_options){.context = tokens + 16, .policy = "compact"};
    generate_options how = {.tokens_max = tokens + 1, .ignore_stop = true, .sample = {.repeat_penalty = 1}};
    token_list prompt = {0};
    generation g = {0};
    if (!session_open(&s, &o, d)) return false;
    bool ok = (token_list_push(&prompt, 1) || diag_oom(d, "prompt")) && session_generate(&s, &prompt, &how, &g, d);
    out->seconds = g.decode_seconds / tokens;
    out->tokens = g.tokens;
    if (ok && s.wafer) out->stats = *wafer_get_stats(s.wafer);
    token_list_free(&prompt);
    session_close(&s);
    return ok;
}

static size_t equal_tokens(const token_list *a, const token_list *b) {
    size_t n = 0;
    while (n < a->count && n < b->count && a->ids[n] == b->ids[n]) n++;
    return n;
}

static void print(const char *path, uint32_t tokens, bool json, const run_result *own, const run_result *sim) {
    const wafer_work *w = &sim->stats.decode;
    double cycles = w->tokens ? (double)w->cycles / (double)w->tokens : 0;
    size_t equal = equal_tokens(&own->tokens, &sim->tokens);
    if (json)
        printf("{\"model\": \"%s\", \"engine\": \"wafer\", \"seconds_per_token\": %.4f, "
               "\"native_seconds_per_token\": %.5f, \"slowdown\": %.1f, \"cycles_per_token\": %.0f, "
               "\"equal_tokens\": %zu, \"tokens\": %u}\n",
               path_base(path), sim->seconds, own->seconds, sim->seconds / own->seconds, cycles, equal, tokens + 1);
    else
        printf("%-38s  wafer %.2f s a token, native %.4f s, one thread each: %.0f times; %.0f cycles a token, "
               "%zu of %u tokens equal\n",
               path_base(path), sim->seconds, own->seconds, sim->seconds / own->seconds, cycles, equal, tokens + 1);
    fflush(stdout);
}

bool bench_wafer(const char *path, uint32_t tokens, bool json, diag *d) {
    run_result before = {0}, after = {0}, sim = {0};
    bool ok = decode(path, ENGINE_NATIVE, tokens, &before, d) && decode(path, ENGINE_WAFER, tokens, &sim, d) &&
              decode(path, ENGINE_NATIVE, tokens, &after, d);
    if (ok) print(path, tokens, json, before.seconds < after.seconds ? &before : &after, &sim);
    token_list_free(&before.tokens);
    token_list_free(&after.tokens);
    token_list_free(&sim.tokens);
    return ok;
}
