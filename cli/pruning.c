/* The whole model runs natively beside the pruned one and is given the same tokens; at each place both say how likely
 * every token is. KL(whole || pruned) is how many nats a token the pruned model loses against the whole one's view. */
#include "cli/pruning.h"
#include <math.h>

bool pruning_open(pruning *p, const char *path, uint32_t layers, uint32_t context, diag *d) {
    session_options o = {.model_path = path, .engine = ENGINE_NATIVE, .layers = layers};
    o.native.context = context;
    return session_open(&p->whole, &o, d);
}

void pruning_close(pruning *p) { session_close(&p->whole); }

/* log of the sum of exp; `best` is the place of the largest. */
static double log_sum(const float *logits, uint32_t n, uint32_t *best) {
    double sum = 0;
    *best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[*best]) *best = i;
    for (uint32_t i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[*best]);
    return (double)logits[*best] + log(sum);
}

bool pruning_look(void *arg, const int32_t *ids, size_t count, const float *logits, diag *d) {
    pruning *p = arg;
    uint32_t n = p->whole.model->config.vocab, best[2];
    const float *whole = p->whole.logits;
    if (!native_forward(p->whole.native, ids, count, p->whole.logits, d)) return false;
    double of_whole = log_sum(whole, n, &best[0]), of_pruned = log_sum(logits, n, &best[1]);
    for (uint32_t i = 0; i < n; i++) {
        double log_p = (double)whole[i] - of_whole;
        p->divergence += exp(log_p) * (log_p - ((double)logits[i] - of_pruned));
    }
    p->agree += best[0] == best[1];
    p->places++;
    return true;
}

void pruning_text(const pruning *p, strbuf *out) {
    if (!p->places) return;
    strbuf_addf(out,
                "  pruned     against all weights on this text: %.4f nats a token lost (KL divergence), the same "
                "likeliest token in %zu of %zu places\n",
                p->divergence / (double)p->places, p->agree, p->places);
}

void pruning_json(const pruning *p, strbuf *out) {
    if (!p->places) return;
    strbuf_addf(out, ", \"pruned\": {\"divergence_nats\": %.6g, \"equal_choices\": %zu, \"places\": %zu}",
                p->divergence / (double)p->places, p->agree, p->places);
}
