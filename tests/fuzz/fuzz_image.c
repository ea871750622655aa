/* The first byte chooses: the rest as a file, or as the body under a header that fits. What is accepted must print and
 * must come out of the writer as it went in. */
#include "isa/image_io.h"
#include "base/mem.h"

static void use(const isa_image *m, str bytes, diag *d) {
    strbuf out = {0};
    for (uint32_t i = 0; i < m->program_count; i++)
        for (uint32_t k = 0; k <= m->programs[i].code_count; k++) {
            strbuf_clear(&out);
            isa_disassemble(&m->programs[i], k, &out);
        }
    if (!isa_image_encode(m, &out, d) || !str_eq(strbuf_str(&out), bytes)) __builtin_trap();
    strbuf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (!n) return 0;
    bool sealed = *p++ & 1;
    size_t head = sealed ? ISA_IMAGE_HEADER_BYTES : 0, total = head + --n;
    char *bytes = mem_alloc(total + 1);
    diag *d = diag_new();
    if (bytes && d) {
        memcpy(bytes + head, p, n);
        if (sealed) image_seal(bytes, total);
        isa_image *m = isa_image_parse((str){bytes, total}, "fuzz", d);
        if (m) use(m, (str){bytes, total}, d);
        else if (!diag_error_count(d)) __builtin_trap(); /* a refusal says why */
        isa_image_free(m);
    }
    mem_free(bytes);
    diag_free(d);
    return 0;
}
