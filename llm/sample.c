#include "llm/sample.h"
#include "base/mem.h"
#include <stdlib.h>

typedef struct {
    float logit;
    int32_t id;
    double p; /* relative to the likeliest */
} candidate;

struct sampler {
    sample_options o;
    uint32_t vocab;
    rng random;
    candidate *candidates; /* [vocab] */
    int32_t *recent;       /* ring of [repeat_last] */
    uint32_t recent_count, recent_next;
};

sampler *sampler_new(const sample_options *o, uint32_t vocab, diag *d) {
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {
        {"temperature", o->temperature, 0, 1000},
        {"top-k", o->top_k, 0, 1e9},
        {"top-p", o->top_p, 0, 1},
        {"min-p", o->min_p, 0, 1},
        {"repetition penalty", o->repeat_penalty, 0.01, 100},
        {"repeat window", o->repeat_last, 0, 1e6},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high)) {
            diag_error(d, "sampling: %s is %g, outside %g..%g", ranges[i].name, ranges[i].value, ranges[i].low,
                       ranges[i].high);
            return NULL;
        }
    sampler *s = mem_alloc(sizeof *s);
    if (s) {
        s->o = *o;
        s->vocab = vocab;
        s->random = rng_seed(o->seed);
        s->candidates = mem_alloc_n(vocab, sizeof *s->candidates);
        s->recent = mem_alloc_n(o->repeat_last + 1u, sizeof *s->recent);
        if (s->candidates && s->recent) return s;
    }
    sampler_free(s);
    diag_oom(d, "sampler");
    return NULL;
}

void sampler_free(sampler *s) {
    if (!s) return;
    mem_free(s->candidates);
    mem_free(s->recent);
    mem_free(s);
}

void sampler_accept(sampler *s, int32_t token) {
    if (s->o.repeat_last == 0) return;
    s->recent[s->recent_next] = token;
    s->recent_next = (s->recent_next + 1) % s->o.repeat_last;
    if (s->recent_count < s->o.repeat_last) s->recent_count++;
}

static bool seen_before(const sampler *s, uint32_t index) {
    for (uint32_t i = 0; i < index; i++)
        if (s->recent[i] == s->recent[index]) return true;
    return false;
}

static void penalize(const sampler *s, float *logits) {
    if (s->o.repeat_penalty == 1.0f) return;
    for (uint32_t i = 0; i < s->recent_count; i++) {
        if (seen_before(s, i)) continue; /* a token is penalised once, however often it stands there */
        float *l = &logits[s->recent[i]];
        *l = *l > 0 ? *l / s->o.repeat_penalty : *l * s->o.repeat_penalty;
    }
}

static int32_t likeliest(const float *logits, uint32_t n) {
    int32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || logits[best] != logits[best]) best = (int32_t)i;
    return best;
}

static int by_logit(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* Keeps the k best in c[0..k): a heap with the worst of them on top. */
static void sift(candidate *c, size_t k, size_t i) {
    for (;;) {
        size_t worst = i, left = 2 * i + 1, right = left + 1;
        if (left < k && by_logit(&c[left], &c[worst]) > 0) worst = left;
        if (right < k && by_logit(&c[right], &c[worst]) > 0) worst = right;
        if (worst == i) return;
        candidate t = c[i];
        c[i] = c[worst];
        c[worst] = t;
        i = worst;
    }
}

static size_t keep_best(candidate *c, size_t n, size_t k) {
    if (k >= n) return n;
    for (size_t i = k / 2; i-- > 0;) sift(c, k, i);
    for (size_t i = k; i < n; i++)
        if (by_logit(&c[i], &c[0]) < 0) {
            c[0] = c[i];
            sift(c, k, 0);
        }
    return k;
}

static size_t keep_top_p(candidate *c, size_t n, double top_p) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) total += c[i].p;
    for (size_t i = 0; i < n; i++)
        if ((sum += c[i].p) >= top_p * total) return i + 1;
    return n;
}

static size_t collect(sampler *s, const float *logits) {
    size_t n = 0;
    for (uint32_t i = 0; i < s->vocab; i++)
        if (logits[i] == logits[i] && logits[i] > -INFINITY)
            s->candidates[n++] = (candidate){.logit = logits[i], .id = (int32_t)i};
    return n;
}

int32_t sampler_pick(sampler *s, float *logits) {
    penalize(s, logits);
    if (s->o.temperature == 0) return likeliest(logits, s->vocab);
    candidate *c = s->candidates;
    size_t n = collect(s, logits);
    if (n == 0) return 0;
    if (s->o.top_k > 0) n = keep_best(c, n, (size_t)s->o.top_k);
    qsort(c, n, sizeof *c, by_logit);
    for (size_t i = 0; i < n; i++) c[i].p = exp((double)c[i].logit - (double)c[0].logit);
    if (s->o.top_p < 1) n = keep_top_p(c, n, s->o.top_p);
    while (n > 1 && c[n - 1].p < s->o.min_p) n--;
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) total += c[i].p = exp(((double)c[i].logit - (double)c[0].logit) / s->o.temperature);
    double point = rng_f64(&s->random) * total;
    for (size_t i = 0; i + 1 < n; i++)
        if ((sum += c[i].p) > point) return c[i].id;
    return c[n - 1].id;
}
