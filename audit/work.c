/* See work.h: one row per operator, one function per formula. */
#include "audit/work.h"
#include "audit/shapes.h"
#include <math.h>

typedef bool formula(audit_work *w, const shapes *s, int first);

static double last(const shape_arg *a, int back) { return a->dims >= back ? a->dim[a->dims - back] : 1; }
static bool tensor(const shapes *s, int i) { return i < s->args && s->arg[i].bytes && !s->arg[i].list; }

/* ---- products ---- */

static bool product(audit_work *w, const shapes *s, int first) {
    if (!tensor(s, first) || !tensor(s, first + 1)) return false;
    const shape_arg *a = &s->arg[first], *b = &s->arg[first + 1];
    if (a->dims < 2 || b->dims < 2 || a->dims > 3 || last(a, 1) != last(b, 2)) return false;
    double batch = a->dims == 3 ? a->dim[0] : 1, m = last(a, 2), k = last(a, 1), n = last(b, 1), size = a->bytes;
    w->flops = 2 * batch * m * n * k;
    w->weight_bytes = b->dims == 2 ? k * n * b->bytes : 0;
    w->bytes = batch * (m * k * size + k * n * b->bytes + m * n * size);
    if (first) w->bytes += s->arg[0].elements * s->arg[0].bytes;
    w->element_bytes = a->bytes > b->bytes ? a->bytes : b->bytes;
    return true;
}

/* x [.., K] with weight [N, K]. */
static bool linear(audit_work *w, const shapes *s, int first) {
    if (!tensor(s, first) || !tensor(s, first + 1)) return false;
    const shape_arg *x = &s->arg[first], *y = &s->arg[first + 1];
    double k = last(x, 1), n = last(y, 2), rows = k > 0 ? x->elements / k : 0;
    if (x->dims < 1 || y->dims != 2 || last(y, 1) != k) return false;
    w->flops = 2 * rows * n * k;
    w->weight_bytes = n * k * y->bytes;
    w->bytes = (rows * k + rows * n) * x->bytes + w->weight_bytes;
    w->element_bytes = x->bytes > y->bytes ? x->bytes : y->bytes;
    return true;
}

/* ---- attention: q, k, v from argument `first`; 4 dimensions, heads at `head`, tokens at `token` ---- */

static bool is_causal(const shapes *s) {
    for (int i = 0; i < s->args; i++)
        if (str_is(s->concrete[i], "True")) return true;
    return false;
}

static bool attend(audit_work *w, const shapes *s, int first, int head, int token, double f, double q) {
    if (!tensor(s, first) || !tensor(s, first + 1)) return false;
    const shape_arg *a = &s->arg[first], *b = &s->arg[first + 1];
    if (a->dims != 4 || b->dims != 4) return false;
    double batch = a->dim[0], h = a->dim[head], hkv = b->dim[head], tq = a->dim[token], tk = b->dim[token],
           d = a->dim[3];
    w->flops = f * 4 * batch * h * tq * tk * d * (is_causal(s) && tq == tk ? 0.5 : 1);
    w->bytes = q * a->bytes * batch * (2 * h * tq * d + 2 * hkv * tk * d);
    w->element_bytes = a->bytes;
    w->attention = true;
    return true;
}
static bool attention(audit_work *w, const shapes *s, int first) { return attend(w, s, first, 2, 1, 1, 1); }
static bool attention_heads_first(audit_work *w, const shapes *s, int first) { return attend(w, s, first, 1, 2, 1, 1); }
static bool attention_backward(audit_work *w, const shapes *s, int first) { return attend(w, s, first, 2, 1, 2.5, 2); }

/* ---- convolutions ---- */

/* "[2, 2]" or "2": the i-th number, the last one for those beyond; `fallback` when there is none. */
static double nth(str text, int i, double fallback) {
    double v = fallback;
    const char *p = text.p, *end = p + text.n;
    for (int at = 0; p < end && at <= i; p++) {
        if (*p < '0' || *p > '9') continue;
        for (v = 0; p < end && *p >= '0' && *p <= '9'; p++) v = v * 10 + (*p - '0');
        at++;
    }
    return v;
}

static bool convolve(audit_work *w, const shapes *s, int first, int stride, int padding, int dilation, double times) {
    if (!tensor(s, first) || !tensor(s, first + 1)) return false;
    const shape_arg *in = &s->arg[first], *k = &s->arg[first + 1];
    if (in->dims < 3 || in->dims != k->dims || stride >= SHAPE_ARGS) return false;
    double out = 1, window = 1;
    for (int i = 2; i < in->dims; i++) {
        double st = nth(s->concrete[stride], i - 2, 1),
               reach = nth(s->concrete[dilation], i - 2, 1) * (k->dim[i] - 1) + 1;
        double n = floor((in->dim[i] + 2 * nth(s->concrete[padding], i - 2, 0) - reach) / fmax(1, st)) + 1;
        if (n < 1) return false;
        out *= n;
        window *= k->dim[i];
    }
    double outputs = in->dim[0] * k->dim[0] * out;
    w->flops = times * 2 * outputs * k->dim[1] * window;
    w->weight_bytes = k->elements * k->bytes;
    w->bytes = times * ((in->elements + outputs) * in->bytes + w->weight_bytes);
    w->element_bytes = in->bytes;
    return true;
}
static bool conv(audit_work *w, const shapes *s, int first) { return convolve(w, s, first, 3, 4, 5, 1); }
static bool conv_cudnn(audit_work *w, const shapes *s, int first) { return convolve(w, s, first, 3, 2, 4, 1); }
static bool conv_miopen(audit_work *w, const shapes *s, int first) { return convolve(w, s, first, 4, 3, 5, 1); }
static bool conv_backward(audit_work *w, const shapes *s, int first) { return convolve(w, s, first, 4, 5, 6, 2); }

/* ---- what streams ---- */

static bool stream(audit_work *w, double bytes, double flops, unsigned element) {
    w->bytes = bytes;
    w->flops = flops;
    w->element_bytes = element ? element : 4;
    w->streaming = true;
    return bytes > 0;
}

/* Every tensor read, the broadcast of all written with the widest element (`out` > 0: with elements of so many bytes).
 */
static bool broadcast(audit_work *w, const shapes *s, unsigned out) {
    double dim[SHAPE_DIMS], read = 0, elements = 1;
    unsigned widest = 0;
    for (int d = 0; d < SHAPE_DIMS; d++) dim[d] = 1;
    for (int i = 0; i < s->args; i++) {
        const shape_arg *a = &s->arg[i];
        if (!tensor(s, i)) continue;
        read += a->elements * a->bytes;
        if (a->dims && a->bytes > widest) widest = a->bytes;
        for (int d = 0; d < a->dims; d++) dim[d] = fmax(dim[d], last(a, d + 1));
    }
    for (int d = 0; d < SHAPE_DIMS; d++) elements *= dim[d];
    return widest && stream(w, read + elements * (out ? out : widest), elements, widest);
}
static bool elementwise(audit_work *w, const shapes *s, int first) { return (void)first, broadcast(w, s, 0); }
static bool compare(audit_work *w, const shapes *s, int first) { return (void)first, broadcast(w, s, 1); }

static bool all_arguments(audit_work *w, const shapes *s, int first) {
    double bytes = 0;
    for (int i = 0; i < s->args; i++) bytes += tensor(s, i) ? s->arg[i].elements * s->arg[i].bytes : 0;
    return stream(w, bytes * first, 0, s->arg[0].bytes);
}

/* `times` x the first tensor. */
static bool first_times(audit_work *w, const shapes *s, int times) {
    if (!tensor(s, 0)) return false;
    return stream(w, times * s->arg[0].elements * s->arg[0].bytes, 5 * s->arg[0].elements, s->arg[0].bytes);
}

static bool copy(audit_work *w, const shapes *s, int first) {
    (void)first;
    if (!tensor(s, 0) || !tensor(s, 1)) return false;
    double out = s->arg[0].elements; /* a broadcast source is read once */
    return stream(w, out * s->arg[0].bytes + fmin(out, s->arg[1].elements) * s->arg[1].bytes, 0, s->arg[0].bytes);
}

static bool list_times(audit_work *w, const shapes *s, int times) {
    if (!s->args || !s->arg[0].list) return false;
    return stream(w, times * s->arg[0].elements * s->arg[0].bytes, 0,
                  s->arg[0].bytes); /* the type of a list's elements is not recorded: 16 bits */
}

/* Rows of the table in argument 0, chosen by argument `indices`. */
static bool gather(audit_work *w, const shapes *s, int indices) {
    if (!tensor(s, 0) || !tensor(s, indices)) return false;
    double width = s->arg[0].dims > 1 ? s->arg[0].elements / fmax(1, s->arg[0].dim[0]) : 1;
    double rows = s->arg[indices].elements;
    return stream(w, 2 * rows * width * s->arg[0].bytes + rows * s->arg[indices].bytes, 0, s->arg[0].bytes);
}

/* 28 bytes and 12 flops per parameter: p, g, m, v read, p, m, v written, 4 bytes each. */
static bool adam(audit_work *w, const shapes *s, int first) {
    (void)first;
    if (!s->args || !s->arg[0].list) return false;
    return stream(w, 28 * s->arg[0].elements, 12 * s->arg[0].elements, 4);
}

/* ---- operators ---- */

/* name (after its namespace when that is aten), formula, its argument */
static const struct {
    const char *op;
    formula *f;
    int argument;
} rows[] = {
    {"mm", product, 0},
    {"addmm", product, 1},
    {"bmm", product, 0},
    {"baddbmm", product, 1},
    {"_scaled_mm", product, 0},
    {"_int_mm", product, 0},
    {"addmm_", product, 1},
    {"_addmm_activation", product, 1},
    {"linear", linear, 0},
    {"_flash_attention_forward", attention, 0},
    {"_efficient_attention_forward", attention, 0},
    {"_scaled_dot_product_flash_attention", attention_heads_first, 0},
    {"_scaled_dot_product_efficient_attention", attention_heads_first, 0},
    {"_scaled_dot_product_cudnn_attention", attention_heads_first, 0},
    {"_cudnn_attention_forward", attention_heads_first, 0},
    {"_flash_attention_backward", attention_backward, 1},
    {"_efficient_attention_backward", attention_backward, 1},
    {"conv1d", conv, 0},
    {"conv2d", conv, 0},
    {"conv3d", conv, 0},
    {"convolution", conv, 0},
    {"_convolution", conv, 0},
    {"cudnn_convolution", conv_cudnn, 0},
    {"miopen_convolution", conv_miopen, 0},
    {"convolution_backward", conv_backward, 1},
    {"add", elementwise, 0},
    {"add_", elementwise, 0},
    {"sub", elementwise, 0},
    {"sub_", elementwise, 0},
    {"rsub", elementwise, 0},
    {"mul", elementwise, 0},
    {"mul_", elementwise, 0},
    {"div", elementwise, 0},
    {"div_", elementwise, 0},
    {"neg", elementwise, 0},
    {"pow", elementwise, 0},
    {"rsqrt", elementwise, 0},
    {"sqrt", elementwise, 0},
    {"exp", elementwise, 0},
    {"log", elementwise, 0},
    {"abs", elementwise, 0},
    {"cos", elementwise, 0},
    {"sin", elementwise, 0},
    {"tanh", elementwise, 0},
    {"sigmoid", elementwise, 0},
    {"silu", elementwise, 0},
    {"silu_", elementwise, 0},
    {"gelu", elementwise, 0},
    {"relu", elementwise, 0},
    {"relu_", elementwise, 0},
    {"erf", elementwise, 0},
    {"clamp", elementwise, 0},
    {"clamp_", elementwise, 0},
    {"clamp_min", elementwise, 0},
    {"clamp_min_", elementwise, 0},
    {"where", elementwise, 0},
    {"masked_fill", elementwise, 0},
    {"masked_fill_", elementwise, 0},
    {"addcmul", elementwise, 0},
    {"addcmul_", elementwise, 0},
    {"addcdiv_", elementwise, 0},
    {"lerp_", elementwise, 0},
    {"reciprocal", elementwise, 0},
    {"threshold_backward", elementwise, 0},
    {"gelu_backward", elementwise, 0},
    {"silu_backward", elementwise, 0},
    {"sigmoid_backward", elementwise, 0},
    {"tanh_backward", elementwise, 0},
    {"native_dropout", elementwise, 0},
    {"bernoulli_", elementwise, 0},
    {"bitwise_and", elementwise, 0},
    {"bitwise_not", elementwise, 0},
    {"bitwise_or", elementwise, 0},
    {"floor", elementwise, 0},
    {"eq", compare, 0},
    {"ne", compare, 0},
    {"lt", compare, 0},
    {"gt", compare, 0},
    {"le", compare, 0},
    {"ge", compare, 0},
    {"logical_not", compare, 0},
    {"logical_and", compare, 0},
    {"isnan", compare, 0},
    {"isinf", compare, 0},
    {"mean", first_times, 1},
    {"sum", first_times, 1},
    {"all", first_times, 1},
    {"any", first_times, 1},
    {"argmax", first_times, 1},
    {"max", first_times, 1},
    {"min", first_times, 1},
    {"amax", first_times, 1},
    {"norm", first_times, 1},
    {"topk", first_times, 1},
    {"linalg_vector_norm", first_times, 1},
    {"fill_", first_times, 1},
    {"zero_", first_times, 1},
    {"cumsum", first_times, 2},
    {"native_layer_norm", first_times, 2},
    {"rms_norm", first_times, 2},
    {"_fused_rms_norm", first_times, 2},
    {"native_group_norm", first_times, 2},
    {"native_batch_norm", first_times, 2},
    {"cudnn_batch_norm", first_times, 2},
    {"miopen_batch_norm", first_times, 2},
    {"batch_norm", first_times, 2},
    {"native_layer_norm_backward", first_times, 3},
    {"cudnn_batch_norm_backward", first_times, 3},
    {"native_batch_norm_backward", first_times, 3},
    {"_softmax", first_times, 2},
    {"_log_softmax", first_times, 2},
    {"_softmax_backward_data", first_times, 3},
    {"_log_softmax_backward_data", first_times, 3},
    {"max_pool2d_with_indices", first_times, 1},
    {"_adaptive_avg_pool2d", first_times, 1},
    {"copy_", copy, 0},
    {"cat", list_times, 2},
    {"stack", list_times, 2},
    {"embedding", gather, 1},
    {"index_select", gather, 2},
    {"_fused_adam_", adam, 0},
    {"_fused_adamw_", adam, 0},
    {"_foreach_add_", list_times, 3},
    {"_foreach_mul_", list_times, 2},
    {"_foreach_norm", list_times, 1},
    {"_C::rms_norm", all_arguments, 1},
    {"_C::fused_add_rms_norm", all_arguments, 2},
    {"_C::silu_and_mul", all_arguments, 1},
    {"_C::gelu_and_mul", all_arguments, 1},
    {"_C::static_scaled_fp8_quant", all_arguments, 1},
    {"_C::dynamic_scaled_fp8_quant", all_arguments, 1},
};

bool audit_work_of(audit_work *w, str op, str shape) {
    shapes s;
    *w = (audit_work){0};
    if (str_starts(op, STR("aten::"))) op.p += 6, op.n -= 6;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(op, rows[i].op))
            return shapes_parse(&s, shape) && rows[i].f(w, &s, rows[i].argument) && isfinite(w->flops) &&
                   isfinite(w->bytes) && w->bytes > 0;
    return false;
}
