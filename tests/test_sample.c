/* Does each sampling option keep exactly the tokens it should, with the right odds, and the same ones for the same
 * seed? */
#include "base/mem.h"
#include "llm/sample.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { VOCAB = 6, DRAWS = 20000 };
static const float base[VOCAB] = {2, 4, 1, 3, 0, -1};

static const sample_options plain = {.temperature = 1, .top_p = 1, .repeat_penalty = 1, .repeat_last = 0, .seed = 7};

static sampler *make(sample_options o) {
    diag *d = diag_new();
    sampler *s = sampler_new(&o, VOCAB, d);
    if (!s) fail_msg("%s", diag_text(d));
    diag_free(d);
    return s;
}

static int32_t pick(sampler *s) {
    float logits[VOCAB];
    memcpy(logits, base, sizeof logits);
    return sampler_pick(s, logits);
}

static void draw(sample_options o, int counts[VOCAB]) {
    sampler *s = make(o);
    memset(counts, 0, VOCAB * sizeof *counts);
    for (int i = 0; i < DRAWS; i++) counts[pick(s)]++;
    sampler_free(s);
}

/* Odds of the kept tokens at temperature t; the others must never come. */
static void expect(const int counts[VOCAB], unsigned kept, double t) {
    double total = 0;
    for (int i = 0; i < VOCAB; i++)
        if (kept >> i & 1) total += exp((double)base[i] / t);
    for (int i = 0; i < VOCAB; i++) {
        double p = kept >> i & 1 ? exp((double)base[i] / t) / total : 0, sigma = sqrt(p * (1 - p) / DRAWS);
        if (fabs((double)counts[i] / DRAWS - p) > 5 * sigma)
            fail_msg("token %d: %d of %d draws, expected %.4f", i, counts[i], DRAWS, p);
    }
}

static void odds_are_those_of_the_softmax(void **state) {
    (void)state;
    int counts[VOCAB];
    sample_options o = plain;
    draw(o, counts);
    expect(counts, 63, 1);
    o.temperature = 2.5f;
    draw(o, counts);
    expect(counts, 63, 2.5);
}

static void filters_keep_what_they_say(void **state) {
    (void)state;
    int counts[VOCAB];
    sample_options o = plain;
    o.top_k = 2;
    draw(o, counts);
    expect(counts, 1 << 1 | 1 << 3, 1);
    o = plain;
    o.top_p = 0.8f; /* 0.63 + 0.23 reach it */
    draw(o, counts);
    expect(counts, 1 << 1 | 1 << 3, 1);
    o = plain;
    o.min_p = 0.1f; /* e^-2 = 0.135 stays, e^-3 = 0.05 goes */
    draw(o, counts);
    expect(counts, 1 << 1 | 1 << 3 | 1 << 0, 1);
}

static void greedy_takes_the_likeliest_and_the_lowest_of_equals(void **state) {
    (void)state;
    sample_options o = plain;
    o.temperature = 0;
    sampler *s = make(o);
    assert_int_equal(pick(s), 1);
    float equal[VOCAB] = {1, 5, 5, 5, 0, 0}, hostile[VOCAB] = {NAN, -INFINITY, 3, NAN, 2, NAN},
          hopeless[VOCAB] = {NAN, NAN, NAN, NAN, NAN, NAN};
    assert_int_equal(sampler_pick(s, equal), 1);
    assert_int_equal(sampler_pick(s, hostile), 2);
    int32_t id = sampler_pick(s, hopeless);
    assert_in_range(id, 0, VOCAB - 1);
    sampler_free(s);
    s = make(plain);
    id = sampler_pick(s, hopeless);
    assert_in_range(id, 0, VOCAB - 1);
    sampler_free(s);
}

static void penalty_counts_recent_tokens_once(void **state) {
    (void)state;
    sample_options o = plain;
    o.temperature = 0;
    o.repeat_penalty = 1.4f;
    o.repeat_last = 3;
    sampler *s = make(o);
    for (int i = 0; i < 3; i++) sampler_accept(s, 1); /* 4 / 1.4 = 2.86 < 3, but 4 / 1.4^3 would be below 2 */
    assert_int_equal(pick(s), 3);
    sampler_accept(s, 3); /* 3 / 1.4 = 2.14 < 2.86 */
    assert_int_equal(pick(s), 1);
    for (int i = 0; i < 3; i++) sampler_accept(s, 5); /* 1 and 3 are forgotten */
    assert_int_equal(pick(s), 1);
    sampler_free(s);
}

static void same_seed_same_tokens(void **state) {
    (void)state;
    sample_options o = plain;
    sampler *a = make(o), *b = make(o);
    o.seed = 8;
    sampler *c = make(o);
    int different = 0;
    for (int i = 0; i < 500; i++) {
        int32_t x = pick(a);
        assert_int_equal(x, pick(b));
        different += x != pick(c);
    }
    assert_true(different > 50);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    sample_options bad[6] = {plain, plain, plain, plain, plain, plain};
    bad[0].temperature = -1;
    bad[1].top_p = 1.5f;
    bad[2].min_p = NAN;
    bad[3].repeat_penalty = 0;
    bad[4].top_k = -3;
    bad[5].temperature = INFINITY;
    diag *d = diag_new();
    for (int i = 0; i < 6; i++) {
        diag_clear(d);
        assert_null(sampler_new(&bad[i], VOCAB, d));
        assert_int_equal(diag_error_count(d), 1);
    }
    diag_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odds_are_those_of_the_softmax),
        cmocka_unit_test(filters_keep_what_they_say),
        cmocka_unit_test(greedy_takes_the_likeliest_and_the_lowest_of_equals),
        cmocka_unit_test(penalty_counts_recent_tokens_once),
        cmocka_unit_test(same_seed_same_tokens),
        cmocka_unit_test(senseless_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
