/* A checkpoint of a running program with bytes replaced (pairs of position and value, behind a header that fits): it is
 * refused with a word on why, or it gives a machine that runs and can be looked at. */
#include "csl/csl.h"
#include "wse/wse.h"
#include <xxhash.h>

enum { HEADER = 64, CYCLE_AT = 24, SUM_AT = 40 };

static isa_image *image_of(isa_wafer *w, diag *d) {
    const csl_param params[] = {{"width", 3}, {"height", 1}, {"rounds", 4}, {"length", 12}};
    if (!isa_wafer_read(w, "data/machines/wse3.json", "vendor-sim", d)) return NULL;
    csl_options o = {.arch = w->arch, .wafer = w, .library = "lib", .params = params, .param_count = 4};
    return csl_compile("tests/csl_bench/stream.csl", &o, d);
}

static void use(wse *m) {
    strbuf text = {0};
    (void)wse_run(m, wse_cycle(m) + 2000, false);
    (void)wse_state_hash(m);
    wse_explain_waits(m, &text);
    strbuf_free(&text);
    wse_free(m);
}

static void change(strbuf *b, const uint8_t *p, size_t n) {
    for (size_t i = 0; i + 4 <= n; i += 4) {
        size_t at = HEADER + (p[i] | (size_t)p[i + 1] << 8 | (size_t)p[i + 2] << 16) % (b->len - HEADER);
        b->data[at] = (char)p[i + 3];
    }
    uint64_t cycle, sum;
    memcpy(&cycle, b->data + CYCLE_AT, sizeof cycle);
    sum = XXH3_64bits_withSeed(b->data + HEADER, b->len - HEADER, cycle);
    memcpy(b->data + SUM_AT, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static isa_wafer w;
    static isa_image *image;
    static strbuf base;
    diag *d = diag_new();
    if (!image && (image = image_of(&w, d))) {
        wse *m = wse_new(&w, image, NULL, d);
        if (!m || wse_run(m, 60, false) != WSE_LIMIT || !wse_checkpoint(m, &base, d)) __builtin_trap();
        wse_free(m);
    }
    strbuf bytes = {0};
    strbuf_add(&bytes, base.data, base.len);
    change(&bytes, p, n);
    wse *m = wse_restore(&w, image, NULL, strbuf_str(&bytes), d);
    if (m) use(m);
    else if (!diag_error_count(d)) __builtin_trap(); /* a refusal says why */
    strbuf_free(&bytes);
    diag_free(d);
    return 0;
}
