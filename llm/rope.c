#include "llm/rope.h"
#include <math.h>

/* llama3: long wavelengths are interpolated, short ones kept, those between blended. */
static double scale_llama3(const llm_config *c, double freq) {
    double wavelength = 2 * M_PI / freq, ctx = c->scaling_context;
    if (wavelength < ctx / c->scaling_high) return freq;
    if (wavelength > ctx / c->scaling_low) return freq / c->scaling_factor;
    double s = (ctx / wavelength - c->scaling_low) / (c->scaling_high - c->scaling_low);
    return (1 - s) * freq / c->scaling_factor + s * freq;
}

/* The pair index whose wavelength makes `rotations` turns within the original context. */
static double yarn_pair(const llm_config *c, double rotations) {
    return c->rope_dims * log(c->scaling_context / (2 * M_PI * rotations)) / (2 * log(c->rope_theta));
}

static double scale_yarn(const llm_config *c, double freq, uint32_t pair) {
    double low = fmax(0, floor(yarn_pair(c, c->scaling_beta_fast)));
    double high = fmin(c->rope_dims - 1, ceil(yarn_pair(c, c->scaling_beta_slow)));
    double keep = 1 - fmin(1, fmax(0, (pair - low) / fmax(0.001, high - low)));
    return freq / c->scaling_factor * (1 - keep) + freq * keep;
}

bool rope_table_init(rope_table *t, arena *a, const llm_config *c, const float *factors, bool windowed, diag *d) {
    *t = (rope_table){.magnitude = 1, .dims = c->rope_dims, .kind = c->rope};
    if (c->rope == ROPE_NONE) return true;
    t->inv_freq = arena_push_n(a, double, c->rope_dims / 2);
    if (!t->inv_freq) return diag_oom(d, "rope table");
    rope_scaling scaling = windowed && c->arch->window_rope ? ROPE_SCALING_NONE : c->scaling;
    for (uint32_t i = 0; i < c->rope_dims / 2; i++) {
        double freq = pow(windowed ? c->rope_theta_windowed : c->rope_theta, -2.0 * i / c->rope_dims);
        if (scaling == ROPE_SCALING_LINEAR) freq /= c->scaling_factor;
        if (scaling == ROPE_SCALING_LLAMA3) freq = scale_llama3(c, freq);
        if (scaling == ROPE_SCALING_YARN) freq = scale_yarn(c, freq, i);
        if (scaling == ROPE_SCALING_FACTORS && factors) freq /= factors[i];
        t->inv_freq[i] = freq;
    }
    if (scaling == ROPE_SCALING_YARN) t->magnitude = c->scaling_attn_factor * (1 + 0.1 * log(c->scaling_factor));
    return true;
}

void rope_angles(const rope_table *t, uint64_t position, float *cosines, float *sines) {
    for (uint32_t i = 0; i < t->dims / 2; i++) {
        double angle = (double)position * t->inv_freq[i];
        cosines[i] = (float)(cos(angle) * t->magnitude);
        sines[i] = (float)(sin(angle) * t->magnitude);
    }
}

void rope_apply(const rope_table *t, const float *cosines, const float *sines, float *head) {
    uint32_t half = t->dims / 2, step = t->kind == ROPE_PAIRS ? 2 : 1, other = t->kind == ROPE_PAIRS ? 1 : half;
    for (uint32_t i = 0; i < half; i++) {
        float *a = &head[i * step], *b = a + other, x = *a, y = *b;
        *a = x * cosines[i] - y * sines[i];
        *b = x * sines[i] + y * cosines[i];
    }
}
