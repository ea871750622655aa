/* Golden CSL programs: tests/csl/NAME.csl beside NAME.out (what its exported variables hold when nothing moves any more) or NAME.err
 * (the compiler's messages). A file with a layout block is compiled as a layout, any other as the program of a single PE.
 *
 * Every program runs on WSE-2 and WSE-3 unless it says `// arch: wse3` in its first line; both must give the same values.
 * UPDATE=1 writes the expected files anew: read the difference before committing it. */
#include "base/file.h"
#include "base/half.h"
#include "base/mem.h"
#include "tests/one_pe.h"
#include "wse/wse.h"
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool updating(void) { return getenv("UPDATE") != NULL; }

static void print_element(const isa_symbol *s, const isa_program *p, const uint16_t *w, strbuf *out) {
    uint32_t wide = w[0] | (s->bits > 16 ? (uint32_t)w[1] << 16 : 0);
    if (s->scalar == ISA_T_FLOAT) strbuf_addf(out, " %.7g", s->bits == 32 ? f32_from_bits(wide) : p->fp16 == ISA_BF16 ? f32_from_bf16(w[0]) : f32_from_f16(w[0]));
    else if (s->scalar == ISA_T_INT && s->bits <= 32) strbuf_addf(out, " %" PRId32, s->bits > 16 ? (int32_t)wide : (int16_t)w[0]);
    else if (s->bits <= 32) strbuf_addf(out, " %" PRIu32, wide);
    else strbuf_addf(out, " 0x%04x%04x%04x%04x", w[3], w[2], w[1], w[0]);
}

static void print_memory(wse *m, const isa_image *image, strbuf *out) {
    uint32_t pes = image->width * image->height;
    for (uint32_t pe = 0; pe < pes; pe++) {
        const isa_program *p = &image->programs[image->tiles[pe].program];
        for (uint32_t i = 0; i < p->symbol_count; i++) {
            const isa_symbol *s = &p->symbols[i];
            if (!s->exported || s->kind != ISA_SYM_DATA) continue;
            if (pes > 1) strbuf_addf(out, "PE(%" PRIu32 ",%" PRIu32 ") ", pe % image->width, pe / image->width);
            strbuf_addf(out, "%s =", s->name);
            for (uint32_t k = 0; k < s->elements; k++) print_element(s, p, wse_memory(m, pe) + s->word + k * ((s->bits + 15) / 16), out);
            strbuf_addc(out, '\n');
        }
    }
}

/* What the program left behind, or why it failed, as text. */
static void run(const char *path, str source, isa_arch arch, strbuf *out) {
    diag *d = diag_new();
    isa_wafer wafer;
    char machine[64];
    snprintf(machine, sizeof machine, "data/machines/wse%d.json", arch);
    if (!isa_wafer_read(&wafer, machine, "vendor-sim", d)) fail_msg("%s", diag_text(d));
    csl_options o = {.arch = arch, .wafer = &wafer, .library = "lib", .max_steps = 1000000};
    isa_image *image = str_contains(source, STR("\nlayout {")) ? csl_compile(path, &o, d) : one_pe(path, &o, d);
    strbuf_adds(out, diag_text(d));
    wse *m = image ? wse_new(&wafer, image, &(wse_options){.threads = 1}, d) : NULL;
    if (image && !m) fail_msg("%s", diag_text(d));
    if (m) {
        wse_stop stop = wse_run(m, 10000000, false);
        if (stop == WSE_FAULT) strbuf_addf(out, "fault: %s\n", wse_fault_text(m));
        if (stop == WSE_LIMIT) strbuf_adds(out, "still running after 10000000 cycles\n");
        print_memory(m, image, out);
    }
    wse_free(m);
    isa_image_free(image);
    diag_free(d);
}

static void compare(arena *a, const char *path, str got) {
    diag *d = diag_new();
    str wanted = {0};
    if (updating()) {
        if (!file_write_all(path, got, d)) fail_msg("%s", diag_text(d));
    } else if (!file_read_all(a, path, 1 << 20, &wanted, d)) {
        fail_msg("%s", diag_text(d));
    } else if (!str_eq(wanted, got)) {
        fail_msg("%s differs.\n--- expected\n%.*s--- got\n%.*s", path, (int)wanted.n, wanted.p, (int)got.n, got.p);
    }
    diag_free(d);
}

static void check(const char *path) {
    arena *a = arena_new(0);
    diag *d = diag_new();
    str source;
    strbuf two = {0}, three = {0};
    if (!file_read_all(a, path, 1 << 20, &source, d)) fail_msg("%s", diag_text(d));
    char *expected = arena_printf(a, "%.*s.out", (int)(strlen(path) - 4), path), *errors = arena_printf(a, "%.*s.err", (int)(strlen(path) - 4), path);
    bool only2 = str_starts(source, STR("// arch: wse2")), only3 = str_starts(source, STR("// arch: wse3"));
    if (!only3) run(path, source, ISA_WSE2, &two);
    if (!only2) run(path, source, ISA_WSE3, &three);
    if (!only2 && !only3 && !str_eq(strbuf_str(&two), strbuf_str(&three)))
        fail_msg("%s: WSE-2 and WSE-3 differ.\n--- WSE-2\n%s--- WSE-3\n%s", path, two.data, three.data);
    str got = strbuf_str(only2 ? &two : &three);
    compare(a, file_exists(errors) ? errors : expected, got.p ? got : STR(""));
    strbuf_free(&two);
    strbuf_free(&three);
    diag_free(d);
    arena_free(a);
}

static void golden(void **state) { check(*state); }

int main(void) {
    glob_t found;
    if (glob("tests/csl/*.csl", 0, NULL, &found)) return printf("no programs in tests/csl\n"), 1;
    struct CMUnitTest *tests = mem_alloc_n(found.gl_pathc, sizeof *tests);
    if (!tests) return 1;
    for (size_t i = 0; i < found.gl_pathc; i++)
        tests[i] = (struct CMUnitTest){.name = found.gl_pathv[i], .test_func = golden, .initial_state = found.gl_pathv[i]};
    int failed = _cmocka_run_group_tests("csl", tests, found.gl_pathc, NULL, NULL);
    mem_free(tests);
    globfree(&found);
    return failed;
}
