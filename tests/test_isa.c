/* Tables, images and wafer files: is what the machine relies on really proved? */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "isa/image_io.h"
#include "isa/wafer.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct {
    arena *a;
    diag *d;
} fixture;

static int setup(void **state) {
    fixture *f = mem_alloc(sizeof *f);
    f->a = arena_new(0);
    f->d = diag_new();
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    arena_free(f->a);
    diag_free(f->d);
    mem_free(f);
    return 0;
}

static void said(fixture *f, const char *what) {
    if (!strstr(diag_text(f->d), what)) fail_msg("expected '%s' in:\n%s", what, diag_text(f->d));
    diag_clear(f->d);
}

/* ---- tables ---- */

static void tables_are_complete(void **state) {
    (void)state;
    for (int i = 0; i < ISA_SCALAR_OPS; i++) assert_non_null(isa_ops[i].text);
    for (int i = 0; i < ISA_DSD_OPS; i++) assert_true(isa_dsd_ops[i].simd_wse2 && isa_dsd_ops[i].simd_wse3);
    assert_string_equal(isa_ops[ISA_FDIV_S].text, "fdiv.s");
    assert_int_equal(isa_ops[ISA_FDIV_S].timing, ISA_TIME_FDIV);
    assert_int_equal(isa_ops[ISA_FDIV_S].energy, ISA_E_FP32);
    assert_int_equal(isa_ops[ISA_LD16S].format, ISA_FMT_LD);
    assert_string_equal(isa_dsd_ops[ISA_D_FMACHS].builtin, "fmachs");
    assert_int_equal(isa_dsd_ops[ISA_D_FMACHS].form, ISA_K_MAC);
    assert_int_equal(isa_dsd_ops[ISA_D_FMACHS].src1_bits, 16);
    assert_int_equal(isa_dsd_ops[ISA_D_DFILT].energy, ISA_E_NONE);
}

static void long_immediates_take_a_second_word(void **state) {
    (void)state;
    assert_int_equal(isa_instr_bytes((isa_instr){.op = ISA_MOVI, .imm = 0xffff}), 4);
    assert_int_equal(isa_instr_bytes((isa_instr){.op = ISA_MOVI, .imm = 0x10000}), 8);
    assert_int_equal(isa_instr_bytes((isa_instr){.op = ISA_ADDI, .imm = (uint32_t)-32768}), 4);
    assert_int_equal(isa_instr_bytes((isa_instr){.op = ISA_ADDI, .imm = (uint32_t)-32769}), 8);
    assert_int_equal(isa_instr_bytes((isa_instr){.op = ISA_DSD_FIRST, .imm = isa_vec(0, ISA_NO_REG, ISA_NO_REG)}), 4);
}

/* ---- an image with everything in it ---- */

static const isa_instr code[] = {
    /* 0 */ {ISA_MOVI, 1, 0, 0, 70000},
    /* 1 */ {ISA_SEL, 2, 1, 1, 3},
    /* 2 */ {ISA_LD32, 3, ISA_REG_SP, 0, (uint32_t)-2},
    /* 3 */ {ISA_ST16, 3, ISA_NO_REG, 0, 7},
    /* 4 */ {ISA_BEQ, 0, 1, 2, 6},
    /* 5 */ {ISA_CALL, 0, 0, 0, 20},
    /* 6 */ {ISA_LDDSR, ISA_DSR(ISA_DEST, 0), 0, 0, 0},
    /* 7 */ {ISA_LDDSR, ISA_DSR(ISA_SRC0, 3), 0, 0, 1},
    /* 8 */ {ISA_LDDSR, ISA_DSR(ISA_SRC1, 15), 0, 0, 2 | 1 << 16},
    /* 9 */
    {ISA_DSD_FIRST + ISA_D_FMACS, ISA_DSR(ISA_DEST, 0), ISA_DSR(ISA_SRC0, 3), ISA_DSR(ISA_SRC1, 15),
     1 | 4u << 16 | 5u << 24},
    /* 10 */ {ISA_DSD_FIRST + ISA_D_MOV16, ISA_DSR(ISA_DEST, 1), ISA_NO_REG, 2, 0xffff0000},
    /* 11 */ {ISA_DSD_FIRST + ISA_D_DFILT, ISA_NO_REG, ISA_NO_REG, ISA_DSR(ISA_SRC1, 1), 0xffff0000},
    /* 12 */ {ISA_ASSERT, 0, 1, 0, 0},
    /* 13 */ {ISA_PRINT, 0, 0, 0, ISA_PRINT_TEXT | 1 << 8},
    /* 14 */ {ISA_PRINT, 0, 9, 0, ISA_PRINT_F32},
    /* 15 */ {ISA_ACTIVATE, 0, ISA_NO_REG, 0, 9},
    /* 16 */ {ISA_DSRGET, 4, ISA_DSR(ISA_SRC1, 2), 0, 32},
    /* 17 */ {ISA_DSRPUT, ISA_DSR(ISA_DEST, 2), 4, 0, 16},
    /* 18 */ {ISA_LDDSRR, ISA_DSR(ISA_DEST, 2), 4, 5, 1},
    /* 19 */ {ISA_FIFOLEN, 0, 4, 0, 0 | 1 << 8},
    /* 20 */ {ISA_TRAP, 0, 0, 0, 0},
    /* 21 */ {ISA_RET, 0, 0, 0, 0},
};
enum { CODE = sizeof code / sizeof *code };

static void *copy(isa_image *m, const void *from, size_t bytes) {
    void *to = arena_alloc(m->memory, bytes);
    assert_non_null(to);
    return memcpy(to, from, bytes);
}
#define COPY(m, ...) copy(m, (__VA_ARGS__), sizeof(__VA_ARGS__))

static void fill_program(isa_image *m, isa_program *p) {
    p->fp16 = ISA_BF16;
    p->code = copy(m, code, sizeof code);
    p->code_count = CODE;
    p->code_bytes = 4 * CODE + 8;
    p->data = COPY(m, (uint16_t[]){1, 2, 0xffff});
    p->data_words = 3;
    p->used_words = 200;
    p->stack_top_word = 1000;
    p->stack_words = 50;
    p->args_word = 168;
    p->descriptors = COPY(m, (isa_dsd[]){isa_dsd_mem(10, 16, -1, ISA_MEM1D), isa_dsd_fabric(2, 5, ISA_ENDLESS, 6),
                                         (isa_dsd)ISA_FIFO << 48 | 4 << 16});
    p->descriptor_count = 3;
    isa_shape *shapes = arena_push_n(m->memory, isa_shape, 8);
    memcpy(shapes, p->shapes, 6 * sizeof *shapes);
    shapes[6] = (isa_shape){.kind = ISA_FABOUT, .simd = ISA_SIMD_64, .priority = 2, .control = true, .zero_source = 1};
    shapes[7] = (isa_shape){.kind = ISA_MEM4D, .dims = 2, .extent = {3, 4}, .stride = {-8, 1}, .wrap = 9};
    p->shapes = shapes;
    p->shape_count = 8;
    isa_settings *settings = COPY(m, (isa_settings[]){p->settings[0], p->settings[0]});
    settings[1] = (isa_settings){true, 9, 10, -1, true, 11, 12, 3, 1, false, true};
    p->settings = settings;
    p->settings_count = 2;
    p->fifos = COPY(m, (isa_fifo[]){{100, 60, 2, 1, 2, 9, -1, 1}});
    p->fifo_count = 1;
    p->tasks[9] = (isa_task){ISA_TASK_LOCAL, ISA_ARGS_NONE, 0, true, 6};
    p->tasks[2] = (isa_task){ISA_TASK_DATA | ISA_TASK_CONTROL, ISA_ARGS_TWO, 3, false, 4};
    p->active_at_start = 1u << 9;
    p->blocked_at_start = 1ull << 63 | 1;
    p->blocked_ut_at_start = 0x81;
    p->queues.in_color[2] = 5;
    p->queues.color_queue[23] = 7;
    p->queues.in_priority[3] = 2;
    p->teardown_entry[5] = 21;
    p->flush_entry[1] = 20;
    p->reroutes = true;
    isa_symbol *symbols = arena_push_n(m->memory, isa_symbol, 2);
    symbols[0] = (isa_symbol){.name = "m\xc3\xb6.y",
                              .exported = true,
                              .scalar = ISA_T_FLOAT,
                              .bits = 32,
                              .word = 4,
                              .elements = 40,
                              .source = 1,
                              .line = 12};
    symbols[1] = (isa_symbol){.name = "f",
                              .kind = ISA_SYM_FUNCTION,
                              .entry = 21,
                              .params = 2,
                              .param_scalar = {ISA_T_INT, ISA_T_FLOAT},
                              .param_bits = {16, 32},
                              .line = 1};
    p->symbols = symbols;
    p->symbol_count = 2;
    p->lines = COPY(m, (isa_line[]){{0, 0, 3}, {6, 1, 9}});
    p->line_count = 2;
    p->strings = COPY(m, (const char *[]){"x > 0", "any \xff byte"});
    p->string_count = 2;
}

static isa_image *full(fixture *f) {
    isa_image *m = isa_image_new(f->d);
    m->arch = ISA_WSE3;
    m->width = 2, m->height = 3;
    m->fabric_width = 9, m->fabric_height = 5, m->offset_x = 4, m->offset_y = 1;
    m->memcpy = true;
    m->channels = 1;
    m->programs = arena_push_n(m->memory, isa_program, 2);
    m->program_count = 2;
    for (int i = 0; i < 2; i++) assert_true(isa_program_init(&m->programs[i], i ? "idle.csl" : "pe.csl", m->memory));
    fill_program(m, &m->programs[0]);
    m->route_sets = arena_push_n(m->memory, isa_route_set, 2);
    m->route_set_count = 2;
    isa_route *routes = arena_push_n(m->memory, isa_route, 2);
    routes[0] = (isa_route){.color = 5, .rx = {ISA_BIT(ISA_RAMP)}, .tx = {ISA_BIT(ISA_EAST) | ISA_BIT(ISA_SOUTH)}};
    routes[1] = (isa_route){.color = 9,
                            .rx = {1, 2, 0, 4},
                            .tx = {16, 16, 0, 16},
                            .position = 3,
                            .ring = true,
                            .pop = ISA_POP_ON_ADVANCE,
                            .filter = {ISA_FILTER_RANGE, true, false, true, 1, 2, 3, 4, 5, 65535}};
    m->route_sets[1] = (isa_route_set){routes, 2};
    m->tiles = COPY(m, (isa_tile[]){{0, 1}, {0, 1}, {0, 0}, {1, 0}, {1, 1}, {0, 0}});
    m->exports = COPY(m, (isa_export[]){{.name = "y", .is_mutable = true, .scalar = ISA_T_FLOAT, .bits = 32},
                                        {.name = "f", .is_function = true, .params = 1, .param_bits = {16}}});
    m->export_count = 2;
    m->params = COPY(m, (isa_named[]){{"M", -1}, {"N", INT64_MAX}});
    m->param_count = 2;
    m->colors = COPY(m, (isa_named[]){{"c", 5}});
    m->color_count = 1;
    m->h2d_colors = 1u << 21, m->d2h_colors = 1u << 23;
    m->sources = COPY(m, (const char *[]){"layout.csl", "pe.csl"});
    m->source_count = 2;
    if (!isa_image_check(m, f->d)) fail_msg("%s", diag_text(f->d));
    return m;
}

/* ---- files ---- */

static void round_trip_is_exact(void **state) {
    fixture *f = *state;
    isa_image *m = full(f);
    strbuf first = {0}, second = {0};
    assert_true(isa_image_encode(m, &first, f->d));
    isa_image *back = isa_image_parse(strbuf_str(&first), "t.image", f->d);
    if (!back) fail_msg("%s", diag_text(f->d));
    assert_true(isa_image_encode(back, &second, f->d));
    assert_true(str_eq(strbuf_str(&first), strbuf_str(&second)));
    const isa_program *p = &back->programs[0];
    assert_memory_equal(p->code, code, sizeof code);
    assert_int_equal(p->data[2], 0xffff);
    assert_int_equal((int16_t)(p->descriptors[0] >> 32), -1);
    assert_int_equal(p->shapes[7].stride[0], -8);
    assert_true(p->settings[1].async && p->settings[1].single_step && p->settings[1].unblock_queue == -1);
    assert_int_equal(p->fifos[0].activate_push, -1);
    assert_int_equal(p->tasks[2].entry, 4);
    assert_true(p->blocked_at_start == (1ull << 63 | 1));
    assert_int_equal(p->queues.in_color[2], 5);
    assert_int_equal(p->teardown_entry[5], 21);
    assert_string_equal(p->symbols[0].name, "m\xc3\xb6.y");
    assert_int_equal(p->symbols[1].param_bits[1], 32);
    assert_string_equal(p->strings[1], "any \xff byte");
    assert_int_equal(back->tiles[3].program, 1);
    assert_int_equal(back->route_sets[1].routes[1].filter.max_index, 65535);
    assert_true(back->params[1].value == INT64_MAX && back->params[0].value == -1);
    assert_string_equal(back->sources[1], "pe.csl");
    isa_image_free(back);
    isa_image_free(m);
    strbuf_free(&first);
    strbuf_free(&second);
}

static void files_are_written_whole(void **state) {
    fixture *f = *state;
    char path[] = "/tmp/ingot-isa-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    isa_image *m = full(f), *back = NULL;
    assert_true(isa_image_write(m, path, f->d));
    assert_non_null(back = isa_image_read(path, f->d));
    m->width = 0; /* refused: the file stays as it was */
    assert_false(isa_image_write(m, path, f->d));
    said(f, "rectangle");
    isa_image_free(back);
    assert_non_null(back = isa_image_read(path, f->d));
    isa_image_free(back);
    isa_image_free(m);
    unlink(path);
    assert_null(isa_image_read(path, f->d));
    said(f, path);
}

static void headers_are_checked(void **state) {
    fixture *f = *state;
    isa_image *m = full(f);
    strbuf b = {0};
    assert_true(isa_image_encode(m, &b, f->d));
    static const struct {
        size_t at;
        const char *says;
    } flips[] = {{0, "not an image"}, {8, "version"},  {12, "damaged"},
                 {16, "damaged"},     {24, "damaged"}, {99, "damaged"}};
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        b.data[flips[i].at] ^= 4;
        assert_null(isa_image_parse(strbuf_str(&b), "t.image", f->d));
        said(f, flips[i].says);
        b.data[flips[i].at] ^= 4;
    }
    for (size_t n = 0; n < b.len; n += n < 40 ? 1 : 97) {
        assert_null(isa_image_parse((str){b.data, n}, "t.image", f->d));
        said(f, "t.image");
    }
    strbuf_free(&b);
    isa_image_free(m);
}

/* Damage under a fitting checksum: refused with a reason, or an image that holds together and is written as it was
 * read. */
static void parse_damaged(fixture *f, char *bytes, size_t n) {
    image_seal(bytes, n);
    isa_image *m = isa_image_parse((str){bytes, n}, "t.image", f->d);
    if (m) {
        strbuf out = {0};
        assert_true(isa_image_check(m, f->d));
        assert_true(isa_image_encode(m, &out, f->d));
        assert_true(out.len == n && !memcmp(out.data, bytes, n));
        strbuf_free(&out);
    } else said(f, "t.image");
    isa_image_free(m);
}

static void damage_is_refused_or_harmless(void **state) {
    fixture *f = *state;
    isa_image *m = full(f);
    strbuf b = {0};
    assert_true(isa_image_encode(m, &b, f->d));
    char *bytes = mem_alloc(b.len);
    for (size_t i = ISA_IMAGE_HEADER_BYTES; i < b.len; i++)
        for (int k = 0; k < 3; k++) {
            memcpy(bytes, b.data, b.len);
            bytes[i] = (char)(bytes[i] ^ (k == 0 ? 1 : k == 1 ? 0x80 : 0xff));
            parse_damaged(f, bytes, b.len);
        }
    rng r = rng_seed(7);
    for (int i = 0; i < 2000; i++) {
        memcpy(bytes, b.data, b.len);
        for (int k = 0; k < 4; k++) bytes[rng_below(&r, b.len)] = (char)rng_below(&r, 256);
        parse_damaged(f, bytes, b.len);
    }
    for (size_t n = ISA_IMAGE_HEADER_BYTES; n < b.len; n += 7) { /* cut short */
        memcpy(bytes, b.data, b.len);
        image_seal(bytes, n);
        assert_null(isa_image_parse((str){bytes, n}, "t.image", f->d));
        said(f, "t.image");
    }
    mem_free(bytes);
    strbuf_free(&b);
    isa_image_free(m);
}

/* ---- what the check proves ---- */

static void refused(fixture *f, isa_image *m, const char *why) {
    if (isa_image_check(m, f->d)) fail_msg("accepted, should say: %s", why);
    said(f, why);
}

/* One wrong instruction each, in place of number `at`. */
static void instructions_are_proved(void **state) {
    enum { VEC = ISA_DSD_FIRST, NO = ISA_NO_REG };
    const uint32_t none = isa_vec(0, NO, NO);
    const uint8_t d0 = ISA_DSR(ISA_DEST, 0), a0 = ISA_DSR(ISA_SRC0, 0), b0 = ISA_DSR(ISA_SRC1, 0);
    const struct {
        isa_instr in;
        const char *why;
    } cases[] = {
        {{ISA_SCALAR_OPS, 0, 0, 0, 0}, "no instruction"},
        {{127, 0, 0, 0, 0}, "no instruction 127"},
        {{VEC + ISA_DSD_OPS, 0, 0, 0, 0}, "no instruction"},
        {{255, 0, 0, 0, 0}, "no instruction 255"},
        {{ISA_ADD, 16, 0, 0, 0}, "d is 16"},
        {{ISA_ADD, 0, NO, 0, 0}, "a is 255"},
        {{ISA_ADD, 0, 0, 77, 0}, "b is 77"},
        {{ISA_SEL, 0, 0, 0, 16}, "imm is 16"},
        {{ISA_EXTU, 0, 0, 0, 0}, "number of bits"},
        {{ISA_EXTS, 0, 0, 0, 33}, "number of bits"},
        {{ISA_LD16U, 0, 20, 0, 0}, "a is 20"},
        {{ISA_LD16U, 0, NO, 0, ISA_SRAM_WORDS}, "word address"},
        {{ISA_LD32, 0, NO, 0, ISA_SRAM_WORDS - 1}, "word address of 32 bits"},
        {{ISA_ST32, 0, NO, 0, UINT32_MAX}, "word address of 32 bits"},
        {{ISA_LDCFG, 0, NO, 0, 5}, "configuration space"},
        {{ISA_JMP, 0, 0, 0, CODE}, "target 22"},
        {{ISA_BEQ, 0, 0, 16, 0}, "b is 16"},
        {{ISA_BZ, 0, 0, 0, CODE}, "target"},
        {{ISA_CALL, 0, 0, 0, UINT32_MAX}, "target"},
        {{ISA_CALLR, 0, 16, 0, 0}, "a is 16"},
        {{ISA_ACTIVATE, 0, NO, 0, 64}, "task id"},
        {{ISA_BLOCKUT, 0, NO, 0, 8}, "microthread"},
        {{ISA_FLUSH, 0, NO, 0, 8}, "output queue"},
        {{ISA_TSC, 0, 0, 0, 3}, "counter"},
        {{ISA_TSCCTL, 0, 0, 0, 3}, "0, 1 or 2"},
        {{ISA_ASSERT, 0, 1, 0, 2}, "string 2 of 2"},
        {{ISA_ASSERT, 0, NO, 0, 0}, "a is 255"},
        {{ISA_TRAP, 0, 0, 0, 2}, "string 2 of 2"},
        {{ISA_PRINT, 0, 0, 0, 10}, "kind of print"},
        {{ISA_PRINT, 0, 0, 0, 2 << 8}, "string 2 of 2"},
        {{ISA_PRINT, 0, 16, 0, ISA_PRINT_DEC}, "a is 16"},
        {{ISA_LDDSR, 0, 0, 0, 0}, "names no DSR"},
        {{ISA_LDDSR, 0xb0, 0, 0, 0}, "names no DSR"},
        {{ISA_LDDSR, 0xc0, 0, 0, 0}, "names no DSR"},
        {{ISA_LDDSR, NO, 0, 0, 0}, "names no DSR"},
        {{ISA_LDDSR, d0, 0, 0, 3}, "descriptor 3 of 3"},
        {{ISA_LDDSR, d0, 0, 0, 2 << 16}, "settings 2 of 2"},
        {{ISA_LDDSRR, d0, 0, 16, 0}, "b is 16"},
        {{ISA_LDDSRR, d0, 0, 0, 2}, "settings 2 of 2"},
        {{ISA_DSRGET, 0, 0, 0, 16}, "names no DSR"},
        {{ISA_DSRGET, 0, a0, 0, 8}, "width 8"},
        {{ISA_DSRPUT, d0, 0, 0, 0}, "width 0"},
        {{ISA_FIFOLEN, 0, 0, 0, 1}, "fifo 1 of 1"},
        {{ISA_FIFOLEN, 0, 0, 0, 2 << 8}, "end of a fifo"},
        {{VEC + ISA_D_FADDS, a0, a0, b0, none}, "no destination"},
        {{VEC + ISA_D_FADDS, NO, a0, b0, none}, "no destination"},
        {{VEC + ISA_D_FADDS, d0, d0, b0, none}, "first source"},
        {{VEC + ISA_D_FADDS, d0, NO, b0, none}, "first source"},
        {{VEC + ISA_D_MOV16, d0, a0, b0, none}, "first source"},
        {{VEC + ISA_D_MOV16, d0, NO, NO, none}, "second source"},
        {{VEC + ISA_D_FSCALEH, 1, 2, b0, none}, "second source"},
        {{VEC + ISA_D_FMACS, d0, a0, b0, none}, "scalar"},
        {{VEC + ISA_D_FADDS, d0, a0, b0, 1u << 16 | 0xff000000}, "scalar"},
        {{VEC + ISA_D_FADDS, d0, a0, b0, 0x10ff0000}, "index"},
        {{VEC + ISA_D_FADDS, d0, a0, b0, 0xffff0002}, "settings 2 of 2"},
        {{VEC + ISA_D_DFILT, d0, NO, b0, none}, "no destination"},
    };
    fixture *f = *state;
    isa_image *m = full(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        isa_instr keep = m->programs[0].code[1];
        m->programs[0].code[1] = cases[i].in;
        refused(f, m, "program 0 'pe.csl': instruction 1 (");
        refused(f, m, cases[i].why);
        m->programs[0].code[1] = keep;
    }
    m->programs[0].code[CODE - 1].op = ISA_NOP;
    refused(f, m, "last instruction");
    isa_image_free(m);
}

/* Each line spoils one thing in a fresh image. */
#define SPOILED(why, ...)                                                                                              \
    do {                                                                                                               \
        isa_image *m = full(f);                                                                                        \
        isa_program *p = &m->programs[0];                                                                              \
        isa_route *r = m->route_sets[1].routes;                                                                        \
        (void)p, (void)r;                                                                                              \
        __VA_ARGS__;                                                                                                   \
        refused(f, m, why);                                                                                            \
        isa_image_free(m);                                                                                             \
    } while (0)

static void programs_are_proved(void **state) {
    fixture *f = *state;
    SPOILED("has no name", p->name = NULL);
    SPOILED("not UTF-8", p->name = "\xff");
    SPOILED("float format", p->fp16 = (isa_fp16)2);
    SPOILED("code takes", p->code_bytes -= 4);
    SPOILED("data", p->used_words = 2);
    SPOILED("meets", p->stack_words = 801);
    SPOILED("stack starts", p->stack_top_word = 24577);
    SPOILED("take 49154 bytes", p->code_bytes = 49152 - 500 + 2);
    SPOILED("arguments at", p->args_word = 24545);
    SPOILED("reserved", p->args_word = 169);
    SPOILED("plain", p->shape_count = 5);
    SPOILED("shape 3 has kind 0", p->shapes[3].kind = 0);
    SPOILED("SIMD", p->shapes[6].simd = 4);
    SPOILED("dimension", p->shapes[7].dims = 5);
    SPOILED("no dimension", p->shapes[7].dims = 0);
    SPOILED("wraps", p->shapes[7].kind = ISA_CIRCBUF; p->shapes[7].wrap = 0);
    SPOILED("clears", p->shapes[6].zero_source = 3);
    SPOILED("settings 0", p->settings[0].async = true);
    SPOILED("task id", p->settings[1].activate = 64);
    SPOILED("microthread", p->settings[1].ut = 8);
    SPOILED("priority", p->settings[1].priority = -2);
    SPOILED("elements of", p->fifos[0].element_words = 3);
    SPOILED("has 61 words", p->fifos[0].words = 61);
    SPOILED("outside", p->fifos[0].base_word = 141);
    SPOILED("action", p->fifos[0].when_full = 4);
    SPOILED("shape 8 of 8", p->descriptors[0] = isa_dsd_mem(0, 1, 1, 8));
    SPOILED("outside memory", p->descriptors[0] = isa_dsd_mem(24576, 1, 1, 0));
    SPOILED("queue 8", p->descriptors[1] = isa_dsd_fabric(8, 0, 1, ISA_FABIN));
    SPOILED("fifo 1 of 1", p->descriptors[2] |= 1);
    SPOILED("kinds", p->tasks[9].kinds = 8);
    SPOILED("starts at instruction", p->tasks[9].entry = CODE);
    SPOILED("arguments", p->tasks[9].args = 5);
    SPOILED("local", p->tasks[7].kinds = ISA_TASK_LOCAL);
    SPOILED("local", p->tasks[31].kinds = ISA_TASK_LOCAL);
    SPOILED("data task", p->tasks[8].kinds = ISA_TASK_DATA);
    SPOILED("not bound", p->active_at_start = 1u << 10);
    SPOILED("color 24", p->queues.in_color[0] = 24);
    SPOILED("color -2", p->queues.out_color[0] = -2);
    SPOILED("queue 8", p->queues.color_queue[0] = 8);
    SPOILED("control table", p->queues.control_table[1] = -1);
    SPOILED("flush", p->flush_entry[0] = CODE);
    SPOILED("teardown", p->teardown_entry[0] = CODE);
    SPOILED("variable", p->symbols[0].elements = 99);
    SPOILED("unknown type", p->symbols[0].scalar = 6);
    SPOILED("file 2 of 2", p->symbols[0].source = 2);
    SPOILED("function 'f'", p->symbols[1].entry = CODE);
    SPOILED("parameters", p->symbols[1].params = 17);
    SPOILED("sorted", p->lines[1].first = 0);
    SPOILED("line row 1", p->lines[1].first = CODE);
    SPOILED("string 0", p->strings[0] = NULL);
    SPOILED("sends on color", m->arch = ISA_WSE2; p->descriptors[1] = isa_dsd_fabric(1, 24, 1, ISA_FABOUT));
}

static void the_fabric_is_proved(void **state) {
    fixture *f = *state;
    SPOILED("architecture", m->arch = (isa_arch)0);
    SPOILED("does not fit", m->offset_x = 8);
    SPOILED("does not fit", m->offset_y = UINT32_MAX);
    SPOILED("a rectangle of", m->width = 5000);
    SPOILED("channels", m->channels = 17);
    SPOILED("streams", m->h2d_colors = 1u << 24);
    SPOILED("no route set", m->route_set_count = 0);
    SPOILED("must be empty", m->route_sets[0] = m->route_sets[1]);
    SPOILED("PE 1,1 runs program 2 of 2", m->tiles[3].program = 2);
    SPOILED("PE 0,2 has route set 2 of 2", m->tiles[4].route_set = 2);
    SPOILED("has color 24", r->color = 24);
    SPOILED("twice", r->color = 9);
    SPOILED("unknown direction", r->tx[0] = 64);
    SPOILED("way in and a way out", r->tx[0] = 0);
    SPOILED("no position 4", r->position = 4);
    SPOILED("invalid position", r->position = 1);
    SPOILED("pop mode", r->pop = 4);
    SPOILED("filter", r->filter.kind = 4);
    SPOILED("one way in", r->rx[0] = 3);
    SPOILED("no swap", r->swap_y = true);
    SPOILED("export", m->exports[0].bits = 65);
    SPOILED("parameter", m->params[0].name = NULL);
    isa_image *m = full(f); /* what WSE-2 may */
    m->arch = ISA_WSE2;
    m->route_sets[1].routes[0].rx[0] = 3;
    m->route_sets[1].routes[0].swap_x = true;
    m->programs[0].tasks[7].kinds = ISA_TASK_LOCAL;
    m->programs[0].tasks[23].kinds = ISA_TASK_DATA;
    assert_true(isa_image_check(m, f->d));
    isa_image_free(m);
}

static void instructions_read_well(void **state) {
    static const struct {
        uint32_t at;
        const char *text;
    } lines[] = {
        {0, "movi r1, 70000"},
        {1, "sel r2, r1, r1, r3"},
        {2, "ld32 r3, [sp-2]"},
        {3, "st16 [7], r3"},
        {4, "beq r1, r2, 6"},
        {5, "call 20"},
        {6, "lddsr d0, mem1d 10 x16 step -1"},
        {7, "lddsr s0.3, fabout queue 2 color 5 endless shape 6"},
        {8, "lddsr s1.15, fifo 0 x4 .async .activate=9 .unblock=10 .on_control=terminate .on_control_activate=11 "
            ".on_control_unblock=12 .ut=3 .priority=1 .single_step"},
        {10, "mov16 d1, r2"},
        {11, "dfilt s1.1"},
        {12, "assert r1, \"x > 0\""},
        {14, "print.f32 r9"},
        {15, "activate 9"},
        {16, "dsrget.32 r4, s1.2"},
        {17, "dsrput.16 d2, r4"},
        {19, "fifolen r4, fifo 0 write"},
        {20, "trap \"x > 0\""},
        {21, "ret"},
        {22, "(past the end)"},
    };
    fixture *f = *state;
    isa_image *m = full(f);
    strbuf b = {0};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        strbuf_clear(&b);
        isa_disassemble(&m->programs[0], lines[i].at, &b);
        assert_string_equal(b.data, lines[i].text);
    }
    strbuf_clear(&b);
    isa_disassemble(&m->programs[0], 9, &b);
    assert_true(str_starts(strbuf_str(&b), STR("fmacs d0, s0.3, s1.15, r4 .index=r5 .async")));
    strbuf_free(&b);
    isa_image_free(m);
}

/* ---- wafers ---- */

static isa_wafer wafer(fixture *f, const char *name, const char *profile) {
    isa_wafer w;
    const char *path = arena_printf(f->a, "data/machines/%s.json", name);
    if (!isa_wafer_read(&w, path, profile, f->d)) fail_msg("%s", diag_text(f->d));
    return w;
}

static void rate_is(const isa_wafer *w, isa_dsd_op op, uint32_t elements, uint32_t cycles) {
    assert_int_equal(w->dsd_rate[op].elements, elements);
    assert_int_equal(w->dsd_rate[op].cycles, cycles);
}

static void wse3_is_as_measured(void **state) {
    isa_wafer w = wafer(*state, "wse3", NULL);
    assert_string_equal(w.name, "wse3");
    assert_string_equal(w.profile, "vendor-sim");
    assert_true(w.arch == ISA_WSE3 && w.clock_hz == 0.875e9);
    assert_int_equal(w.fabric_width * w.fabric_height, 893064);
    assert_int_equal(w.hop_cycles, 2);
    assert_true(w.link_interval_num == 1 && w.link_interval_den == 1);
    assert_false(w.bank_conflicts);
    assert_true(w.one_rx_per_color && w.local_ids_from_8 && !w.color_swap);
    assert_int_equal(w.switch_colors, 0x3333ff);
    assert_true(w.in_queue_wavelets[1] == 8 && w.in_queue_wavelets[7] == 4 && w.out_queue_wavelets[7] == 8);
    assert_int_equal(w.scalar_cycles[ISA_TIME_BRANCH], 3);
    assert_int_equal(w.branch_taken_cycles, 6);
    assert_int_equal(w.scalar_cycles[ISA_TIME_NONE], 0);
    assert_true(w.energy_pj[ISA_E_NONE] == 0 && w.energy_pj[ISA_E_FP32] > w.energy_pj[ISA_E_FP16]);
    rate_is(&w, ISA_D_FMACH, 4, 1);
    rate_is(&w, ISA_D_FMACS, 1, 2);
    rate_is(&w, ISA_D_MOV16, 8, 1);
    rate_is(&w, ISA_D_FADDS, 4, 1); /* from the table of the instruction set */
    isa_wafer s = wafer(*state, "wse3", "silicon");
    assert_true(s.link_interval_num == 9 && s.link_interval_den == 8 && s.bank_conflicts);
    rate_is(&s, ISA_D_MOV16, 241, 50);
    rate_is(&s, ISA_D_FMACS, 1, 2);
}

static void older_wafers_differ(void **state) {
    isa_wafer w = wafer(*state, "wse2", NULL), s = wafer(*state, "wse2", "silicon"), one = wafer(*state, "wse1", NULL);
    assert_true(w.arch == ISA_WSE2 && one.arch == ISA_WSE1);
    assert_int_equal(w.fabric_width * w.fabric_height, 753972);
    assert_true(w.hop_cycles == 1 && w.out_queues == 6 && w.out_queue_wavelets[6] == 0);
    assert_true(!w.one_rx_per_color && w.color_swap && !w.local_ids_from_8);
    assert_int_equal(w.switch_colors, 0xffffff);
    rate_is(&w, ISA_D_FMACS, 1, 1);
    rate_is(&w, ISA_D_FADDS, 2, 1);
    rate_is(&s, ISA_D_MOV32, 6, 5);
    (void)wafer(*state, "wse1", "silicon");
}

/* wse3.json with one text replaced. */
static void changed(fixture *f, const char *from, const char *to, const char *why) {
    str text;
    strbuf b = {0};
    isa_wafer w;
    assert_true(file_read_all(f->a, "data/machines/wse3.json", 1 << 20, &text, f->d));
    const char *at = strstr(text.p, from);
    if (!at) fail_msg("no '%s' in wse3.json", from);
    strbuf_add(&b, text.p, (size_t)(at - text.p));
    strbuf_adds(&b, to);
    strbuf_adds(&b, at + strlen(from));
    if (isa_wafer_parse(&w, strbuf_str(&b), "w.json", NULL, f->d)) fail_msg("accepted, should say: %s", why);
    if (!strstr(diag_text(f->d), "w.json")) fail_msg("no file name in: %s", diag_text(f->d));
    said(f, why);
    strbuf_free(&b);
}

static void wrong_wafers_are_refused(void **state) {
    fixture *f = *state;
    changed(f, "\"fabric.hop_cycles\": {\"value\": 2,", "\"fabric.hop_cycles\": {",
            "'fabric.hop_cycles': 'value' is missing");
    changed(f, "\"fabric.hop_cycles\": {\"value\": 2,", "\"fabric.hop_cycles\": {\"value\": \"2\",",
            "must be a number");
    changed(f, "\"fabric.hop_cycles\": {\"value\": 2,", "\"fabric.hop_cycles\": {\"value\": 0,", "outside 1 .. 1000");
    changed(f, "\"fabric.hop_cycles\": {\"value\": 2,", "\"fabric.hop_cycles\": {\"value\": 1.5,", "must be whole");
    changed(f, "\"fabric.hop_cycles\"", "\"fabric.hops\"", "'fabric.hops': no such value");
    changed(f, "\"fabric.hop_cycles\"", "\"fabric.hops\"", "'fabric.hop_cycles' (in cycles) is missing");
    changed(f, "\"unit\": \"cycles\"", "\"unit\": \"s\"", "'unit' must be \"cycles\"");
    changed(f, "\"kind\": \"measured\"", "\"kind\": \"guess\"", "'kind' must be one of");
    changed(f, "\"source\"", "\"sauce\"", "'source' is missing");
    changed(f, "\"source\"", "\"sauce\"", "unknown member 'sauce'");
    changed(f, "[8, 8, 4, 4, 4, 4, 4, 4]", "[8, 8, 4]", "as many entries");
    changed(f, "[8, 8, 4, 4, 4, 4, 4, 4]", "7", "must be an array");
    changed(f, "20, 21]", "20, 24]", "outside 0 .. 23");
    changed(f, "20, 21]", "20, 20]", "each color once");
    changed(f, "\"value\": true", "\"value\": 1", "true or false");
    changed(f, "{\"elements\": 1, \"cycles\": 2}", "{\"elements\": 1}", "must be a number");
    changed(f, "{\"elements\": 1, \"cycles\": 2}", "0.5", "\"elements\": N");
    changed(f, "\"dsd_rate.fmacs\"", "\"dsd_rate.fmax\"", "no such value");
    changed(f, "\"arch\": \"wse3\"", "\"arch\": \"wse4\"", "wse1, wse2, wse3");
    changed(f, "\"timing.alu\"", "\"timing.none\"", "no such value");
    changed(f, "\"vendor-sim\"", "\"simulator\"", "no profile 'vendor-sim'; the file has: simulator, silicon");
    changed(f, "\"profiles\"", "\"profile\"", "'profiles': must be an object");
    changed(f, "\"value\": 9,", "\"value\": 7,", "at most one wavelet per cycle"); /* a profile not asked for */
    changed(f, "{", "", "w.json");
    changed(f, "\"fabric.turn_cycles\"", "\"fabric.hop_cycles\"", "duplicate");
    isa_wafer w;
    assert_false(isa_wafer_parse(&w, STR("[]"), "w.json", NULL, f->d));
    said(f, "must be an object");
    assert_false(isa_wafer_parse(&w, (str){0}, "w.json", NULL, f->d));
    assert_false(isa_wafer_read(&w, "data/machines/none.json", NULL, f->d));
    said(f, "none.json");
    assert_false(isa_wafer_read(&w, "data/machines/wse2.json", "moon", f->d));
    said(f, "no profile 'moon'");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(tables_are_complete),      T(long_immediates_take_a_second_word),
        T(round_trip_is_exact),      T(files_are_written_whole),
        T(headers_are_checked),      T(damage_is_refused_or_harmless),
        T(instructions_are_proved),  T(programs_are_proved),
        T(the_fabric_is_proved),     T(instructions_read_well),
        T(wse3_is_as_measured),      T(older_wafers_differ),
        T(wrong_wafers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
