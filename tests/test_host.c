/* Does the host put each element where it belongs, keep the order of commands, and report a deadlock instead of
 * hanging? The device is a fake: its PEs finish a launch after a set number of cycles, and streams carry a word per
 * cycle. */
#include "base/half.h"
#include "base/mem.h"
#include "host/host.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { WIDTH = 3, HEIGHT = 2, PES = WIDTH * HEIGHT, STREAMS = 8 };

typedef struct {
    const uint32_t *in;
    uint32_t *out;
    uint64_t words, moved;
} fake_stream;

typedef struct {
    uint16_t memory[PES][ISA_SRAM_WORDS];
    uint64_t cycle, ready_at[PES], fault_at, noise_until;
    bool stuck; /* launched functions never unblock */
    bool dry;   /* the program sends nothing */
    fake_stream streams[STREAMS];
    uint32_t stream_count, launches;
    uint16_t args[32];
    uint32_t arg_words, delay[PES];
    uint32_t received[64], received_count;
} fake;

static uint16_t *fake_memory(void *m, uint32_t pe) { return ((fake *)m)->memory[pe]; }
static bool fake_ready(const void *m, uint32_t pe) {
    return ((const fake *)m)->ready_at[pe] <= ((const fake *)m)->cycle;
}
static uint64_t fake_cycle(const void *m) { return ((const fake *)m)->cycle; }
static const char *fake_fault(const void *m) { return (void)m, "PE(1,0) cycle 7: division by zero"; }
static void fake_explain(const void *m, strbuf *out) { (void)m, strbuf_adds(out, "PE(0,0) waits for color 5"); }
static void fake_free(void *m) { mem_free(m); }
static void fake_launch(void *m, uint32_t pe, uint32_t entry, const uint16_t *args, uint32_t words, uint32_t delay) {
    fake *f = m;
    assert_int_equal(entry, 77);
    f->launches += pe == 0;
    f->delay[pe] = delay;
    f->ready_at[pe] = f->stuck ? UINT64_MAX : f->cycle + 1000;
    memcpy(f->args, args, words * sizeof *args);
    f->arg_words = words;
}
static bool fake_complete(const void *m, uint32_t id) {
    const fake_stream *s = &((const fake *)m)->streams[id];
    return s->moved == s->words;
}
static uint32_t fake_in(void *m, wse_rect_stream s, const uint32_t *words, diag *d) {
    (void)d;
    fake *f = m;
    f->streams[f->stream_count] = (fake_stream){.in = words, .words = (uint64_t)s.width * s.height * s.per_pe};
    return f->stream_count++;
}
static uint32_t fake_out(void *m, wse_rect_stream s, uint32_t *words, diag *d) {
    (void)d;
    fake *f = m;
    f->streams[f->stream_count] = (fake_stream){.out = words, .words = (uint64_t)s.width * s.height * s.per_pe};
    return f->stream_count++;
}

static bool fake_move(fake *f, fake_stream *s) {
    if (s->moved == s->words || (s->out && f->dry)) return false;
    if (s->in) f->received[f->received_count++] = s->in[s->moved];
    else s->out[s->moved] = 100 + (uint32_t)s->moved;
    s->moved++;
    return true;
}

static wse_stop fake_run(void *m, uint64_t until, bool stop_for_streams) {
    (void)stop_for_streams;
    fake *f = m;
    while (f->cycle < until) {
        bool busy = f->cycle < f->noise_until;
        for (uint32_t i = 0; i < f->stream_count; i++) busy |= fake_move(f, &f->streams[i]);
        for (uint32_t pe = 0; pe < PES; pe++) busy |= f->ready_at[pe] > f->cycle && f->ready_at[pe] != UINT64_MAX;
        if (f->fault_at && f->cycle >= f->fault_at) return WSE_FAULT;
        if (!busy) return WSE_QUIET;
        f->cycle++;
    }
    return WSE_LIMIT;
}

/* ---- a program of six equal PEs: y (4 x u32 behind a pointer), h (4 x u16), twice(i16, f32), fixed (not mutable) ----
 */

typedef struct {
    isa_image image;
    isa_program program;
    isa_tile tiles[PES];
    isa_symbol symbols[4];
    isa_export exports[4];
    uint16_t data[4];
    fake *f;
    host *h;
    diag *d;
} bench;

enum { Y, H, TWICE, FIXED };

static int set_up(void **state) {
    bench *b = mem_alloc(sizeof *b);
    b->data[1] = 100, b->data[2] = 200, b->data[3] = 300;
    b->symbols[0] = (isa_symbol){"y",        ISA_SYM_DATA, .exported = true, .is_pointer = true, .scalar = ISA_T_UINT,
                                 .bits = 32, .word = 1,    .elements = 4};
    b->symbols[1] = (isa_symbol){"h",        ISA_SYM_DATA, .exported = true, .is_pointer = true, .scalar = ISA_T_UINT,
                                 .bits = 16, .word = 2,    .elements = 4};
    b->symbols[2] = (isa_symbol){"twice", ISA_SYM_FUNCTION, .exported = true, .entry = 77, .params = 2};
    b->symbols[3] =
        (isa_symbol){"fixed", ISA_SYM_DATA, .exported = true, .is_pointer = true, .bits = 16, .word = 3, .elements = 1};
    b->program =
        (isa_program){.name = "pe.csl", .data = b->data, .data_words = 4, .symbols = b->symbols, .symbol_count = 4};
    b->exports[Y] = (isa_export){.name = "y", .is_mutable = true, .scalar = ISA_T_UINT, .bits = 32};
    b->exports[H] = (isa_export){.name = "h", .is_mutable = true, .scalar = ISA_T_UINT, .bits = 16};
    b->exports[TWICE] = (isa_export){.name = "twice",
                                     .is_function = true,
                                     .params = 2,
                                     .param_scalar = {ISA_T_INT, ISA_T_FLOAT},
                                     .param_bits = {16, 32}};
    b->exports[FIXED] = (isa_export){.name = "fixed", .bits = 16};
    b->image = (isa_image){.width = WIDTH,
                           .height = HEIGHT,
                           .memcpy = true,
                           .programs = &b->program,
                           .program_count = 1,
                           .tiles = b->tiles,
                           .exports = b->exports,
                           .export_count = 4,
                           .h2d_colors = 1 << 5,
                           .d2h_colors = 1 << 6};
    b->f = mem_alloc(sizeof *b->f);
    for (int pe = 0; pe < PES; pe++) memcpy(b->f->memory[pe], b->data, sizeof b->data);
    b->d = diag_new();
    host_device dev = {b->f,    fake_memory, NULL,       fake_ready,    fake_launch, fake_run,     fake_cycle,
                       fake_in, fake_out,    fake_complete, fake_fault,  fake_explain, fake_free,  NULL,         NULL};
    b->h = host_new(&b->image, &dev, 500, b->d);
    *state = b;
    return !b->h;
}

static int tear_down(void **state) {
    bench *b = *state;
    host_free(b->h);
    diag_free(b->d);
    mem_free(b);
    return 0;
}

static void must(bench *b, bool ok) {
    if (!ok) fail_msg("%s", diag_text(b->d));
}
static void says(bench *b, bool ok, const char *what) {
    assert_false(ok);
    if (!strstr(diag_text(b->d), what)) fail_msg("no '%s' in: %s", what, diag_text(b->d));
    diag_clear(b->d);
}

static void orders_and_strides(void **state) {
    (void)state;
    host_transfer row = {.width = 3, .height = 2, .per_pe = 4, .bits = 32}, col = row;
    col.order = HOST_COL_MAJOR;
    assert_int_equal(host_transfer_index(&row, 1, 2, 3), (1 * 3 + 2) * 4 + 3);
    assert_int_equal(host_transfer_index(&col, 1, 2, 3), 1 + 2 * 2 + 3 * 6);
    host_transfer wide = {.width = 7, .height = 5, .per_pe = 1, .bits = 32, .row_stride = 3, .col_stride = 2};
    assert_int_equal(host_transfer_columns(&wide), 3);
    assert_int_equal(host_transfer_rows(&wide), 3);
    host_transfer one_per_row = row;
    one_per_row.spread = HOST_ROW_BROADCAST;
    assert_int_equal(host_transfer_index(&one_per_row, 1, 2, 3), 4 + 3);
    one_per_row.spread = HOST_COL_BROADCAST;
    assert_int_equal(host_transfer_index(&one_per_row, 1, 2, 3), 2 * 4 + 3);
}

static void copies_go_where_the_pointer_points(void **state) {
    bench *b = *state;
    uint32_t data[24], back[24], task;
    for (uint32_t i = 0; i < 24; i++) data[i] = 0x10000 * i + 7;
    host_transfer t = {.width = 3, .height = 2, .per_pe = 4, .bits = 32, .order = HOST_COL_MAJOR};
    b->f->memory[4][1] = 400; /* PE(1,1) moved its pointer */
    must(b, host_copy_in(b->h, Y, &t, data, 24, &task, b->d));
    memset(data, 0, sizeof data); /* the runtime keeps its own copy */
    must(b, host_copy_out(b->h, Y, &t, back, 24, &task, b->d) && host_wait(b->h, task, b->d));
    for (uint32_t i = 0; i < 24; i++) assert_int_equal(back[i], 0x10000 * i + 7);
    uint32_t index = 1 + 1 * 2 + 3 * 6; /* row 1, column 1, element 3 */
    assert_int_equal(b->f->memory[4][400 + 6], 7);
    assert_int_equal(b->f->memory[4][400 + 7], index);
    assert_int_equal(b->f->memory[0][100 + 3], 6);
}

static void halves_travel_in_containers(void **state) {
    bench *b = *state;
    uint32_t data[3] = {0xABCD0001, 2, 3}, back[3] = {9, 9, 9}, task;
    host_transfer t = {.x = 2, .width = 1, .height = 1, .per_pe = 3, .bits = 16};
    must(b, host_copy_in(b->h, H, &t, data, 3, &task, b->d) && host_copy_out(b->h, H, &t, back, 3, &task, b->d));
    must(b, host_wait(b->h, task, b->d));
    assert_int_equal(back[0], 1);
    assert_int_equal(back[2], 3);
    assert_int_equal(b->f->memory[2][200], 1);
    assert_int_equal(b->f->memory[2][203], 0);
    host_transfer bcast = {.width = 3, .height = 2, .per_pe = 1, .bits = 16, .spread = HOST_COL_BROADCAST};
    must(b, host_copy_in(b->h, H, &bcast, (uint32_t[]){11, 12, 13}, 3, &task, b->d) && host_wait(b->h, task, b->d));
    assert_int_equal(b->f->memory[1][200], 12);
    assert_int_equal(b->f->memory[4][200], 12);
}

static void wrong_transfers_are_told(void **state) {
    bench *b = *state;
    uint32_t data[64] = {0}, task;
    host_transfer t = {.x = 1, .width = 3, .height = 1, .per_pe = 1, .bits = 32};
    says(b, host_copy_in(b->h, Y, &t, data, 3, &task, b->d), "not inside the program's rectangle of 3 x 2");
    t.x = 0;
    says(b, host_copy_in(b->h, Y, &t, data, 2, &task, b->d),
         "has 2 elements of 32 bits; 3 x 1 PEs with 1 elements each need 3");
    says(b, host_copy_in(b->h, TWICE, &t, data, 3, &task, b->d), "no symbol id");
    says(b, host_copy_in(b->h, FIXED, &t, data, 3, &task, b->d), "not mutable");
    t.per_pe = 5;
    must(b, host_copy_in(b->h, Y, &t, data, 15, &task, b->d));
    says(b, host_wait(b->h, task, b->d), "'y' of PE(0,0) has 4 elements of 32 bits; 5 elements of 32 bits do not fit");
    t.per_pe = 1;
    says(b, host_stream_in(b->h, 6, &t, data, 3, &task, b->d), "color 6 is not one the program streams on");
    says(b, host_symbol_id(&b->image, "hight", &task, b->d), "it exports: y, h, twice, fixed");
    says(b, host_launch(b->h, "thrice", NULL, 0, &task, b->d), "exports no function 'thrice'; it exports: twice");
}

static void arguments_are_checked_and_packed(void **state) {
    bench *b = *state;
    uint16_t words[32];
    uint32_t used;
    const isa_export *e = &b->exports[TWICE];
    host_arg good[] = {{.kind = HOST_ARG_INT, .bits = 16, .whole = -2},
                       {.kind = HOST_ARG_FLOAT, .bits = 32, .whole = f32_bits(1.5f)}};
    must(b, host_args_pack(e, ISA_F16, good, 2, words, &used, b->d));
    assert_int_equal(used, 3);
    assert_int_equal(words[0], 0xFFFE);
    assert_int_equal(words[2], f32_bits(1.5f) >> 16);
    host_arg loose[] = {{.kind = HOST_ARG_WHOLE, .whole = 40000}, {.kind = HOST_ARG_REAL, .real = 1.5}};
    says(b, host_args_pack(e, ISA_F16, loose, 2, words, &used, b->d),
         "argument 1 is 40000, which does not fit the parameter's type i16");
    loose[0].whole = 4;
    must(b, host_args_pack(e, ISA_F16, loose, 2, words, &used, b->d));
    assert_int_equal(words[2], f32_bits(1.5f) >> 16);
    good[0].kind = HOST_ARG_UINT;
    says(b, host_args_pack(e, ISA_F16, good, 2, words, &used, b->d),
         "argument 1 is u16, the exported function takes i16");
    says(b, host_args_pack(e, ISA_F16, good, 1, words, &used, b->d), "takes 2 arguments, 1 given");
}

static void launches_wait_for_each_other_and_copies_for_them(void **state) {
    bench *b = *state;
    host_arg args[] = {{.kind = HOST_ARG_WORD, .whole = 1}, {.kind = HOST_ARG_WORD, .whole = 2}};
    host_transfer t = {.width = 1, .height = 1, .per_pe = 1, .bits = 32};
    uint32_t task, value = 5;
    must(b, host_launch(b->h, "twice", args, 2, &task, b->d) && host_launch(b->h, "twice", args, 2, &task, b->d));
    assert_int_equal(b->f->launches, 0); /* nothing runs before somebody waits */
    must(b, host_copy_out(b->h, Y, &t, &value, 1, &task, b->d) && host_wait(b->h, task, b->d));
    assert_int_equal(b->f->launches, 2);
    assert_int_equal(value, 0);
    assert_true(b->f->cycle >= 2000);
    assert_int_equal(b->f->delay[4], 2); /* PE(1,1): two hops */
    must(b, host_stop(b->h, b->d));
}

static void a_copy_gives_streamed_data_time_to_arrive(void **state) {
    bench *b = *state;
    host_transfer t = {.width = 2, .height = 1, .per_pe = 3, .bits = 32, .order = HOST_COL_MAJOR},
                  one = {.width = 1, .height = 1, .per_pe = 1, .bits = 32};
    uint32_t data[6] = {1, 2, 3, 4, 5, 6}, value, task = 0, first;
    b->f->noise_until = 100000; /* never quiet in time */
    must(b, host_stream_in(b->h, 5, &t, data, 6, &first, b->d) && host_copy_out(b->h, Y, &one, &value, 1, &task, b->d));
    must(b, host_wait(b->h, task, b->d));
    assert_true(b->f->cycle >= 500 && b->f->cycle < 2000);
    static const uint32_t expected[] = {1, 3, 5, 2, 4, 6}; /* PE by PE */
    assert_memory_equal(b->f->received, expected, sizeof expected);
    uint32_t out[6];
    must(b, host_stream_out(b->h, 6, &t, out, 6, &task, b->d) && host_wait(b->h, task, b->d));
    assert_int_equal(out[1], 103); /* row 0, column 1, element 0 */
    assert_int_equal(out[2], 101);
}

static void a_deadlock_is_an_error(void **state) {
    bench *b = *state;
    host_arg args[] = {{.kind = HOST_ARG_WORD}, {.kind = HOST_ARG_WORD}};
    host_transfer one = {.width = 1, .height = 1, .per_pe = 1, .bits = 32};
    uint32_t task, value;
    b->f->stuck = true;
    must(b, host_launch(b->h, "twice", args, 2, &task, b->d));
    must(b, host_wait(b->h, task, b->d)); /* the data it waits for may come next */
    must(b, host_copy_out(b->h, Y, &one, &value, 1, &task, b->d));
    assert_false(host_wait(b->h, task, b->d));
    assert_non_null(strstr(diag_text(b->d), "unblock_cmd_stream"));
    says(b, false, "PE(0,0) waits for color 5");
    says(b, host_stop(b->h, b->d), "deadlock: copy from 'y'");
}

static void nothing_sent_is_a_deadlock(void **state) {
    bench *b = *state;
    host_transfer one = {.width = 1, .height = 1, .per_pe = 1, .bits = 32};
    uint32_t task, value;
    b->f->dry = true;
    must(b, host_stream_out(b->h, 6, &one, &value, 1, &task, b->d));
    says(b, host_stop(b->h, b->d), "stream out on color 6 (1 x 1 PEs from (0,0), 1 elements each) cannot go on");
}

static void an_unfinished_launch_is_told_at_stop(void **state) {
    bench *b = *state;
    host_arg args[] = {{.kind = HOST_ARG_WORD}, {.kind = HOST_ARG_WORD}};
    uint32_t task;
    b->f->stuck = true;
    must(b, host_launch(b->h, "twice", args, 2, &task, b->d));
    says(b, host_stop(b->h, b->d), "deadlock: launch of 'twice' cannot go on");
}

static void a_fault_ends_the_run(void **state) {
    bench *b = *state;
    host_transfer one = {.width = 1, .height = 1, .per_pe = 1, .bits = 32};
    uint32_t task, value;
    bool done = false;
    b->f->fault_at = 300;
    b->f->noise_until = 10000;
    must(b, host_copy_out(b->h, Y, &one, &value, 1, &task, b->d));
    says(b, host_wait(b->h, task, b->d), "PE(1,0) cycle 7: division by zero");
    says(b, host_done(b->h, task, &done, b->d), "the program failed");
}

static void endless_programs_are_given_up(void **state) {
    bench *b = *state;
    host_arg args[] = {{.kind = HOST_ARG_WORD}, {.kind = HOST_ARG_WORD}};
    uint32_t task;
    b->f->stuck = true;
    b->f->noise_until = UINT64_MAX;
    host_set_wait_limit(b->h, 10000);
    must(b, host_launch(b->h, "twice", args, 2, &task, b->d));
    says(b, host_wait(b->h, task, b->d), "INGOT_WAIT_CYCLES");
}

static void polling_makes_progress(void **state) {
    bench *b = *state;
    host_transfer t = {.width = 3, .height = 2, .per_pe = 4, .bits = 32};
    uint32_t task, data[24] = {0};
    bool done = false;
    must(b, host_stream_in(b->h, 5, &t, data, 24, &task, b->d));
    for (int i = 0; i < 10 && !done; i++) must(b, host_done(b->h, task, &done, b->d));
    assert_true(done);
}

static void cores_come_back_and_damage_is_seen(void **state) {
    bench *b = *state;
    char path[] = "/tmp/ingot-core-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    b->f->memory[3][555] = 42;
    must(b, host_core_write(b->h, path, b->d));
    host_core c;
    must(b, host_core_read(&c, path, b->d));
    assert_int_equal(c.memory[3 * ISA_SRAM_WORDS + 555], 42);
    uint16_t out[8];
    uint32_t words;
    must(b, host_read_symbol(&b->image, c.memory + 3 * ISA_SRAM_WORDS, 3, "y", out, &words, b->d));
    assert_int_equal(words, 8);
    says(b, host_read_symbol(&b->image, c.memory, 3, "z", NULL, &words, b->d),
         "PE(0,1) runs pe.csl, which has no variable 'z'");
    host_core_free(&c);
    must(b, truncate(path, 1000) == 0);
    says(b, host_core_read(&c, path, b->d), "cut short or damaged at PE");
    says(b, host_core_parse(&c, STR("INGOT"), "x", b->d), "not a core file");
    unlink(path);
}

static void traces_are_decoded_and_not_believed(void **state) {
    bench *b = *state;
    arena *a = arena_new(0);
    uint16_t good[] = {16,
                       HOST_TRACE_STRING,
                       3,
                       'a' | 'b' << 8,
                       'c',
                       HOST_TRACE_I16,
                       0xFFFF,
                       HOST_TRACE_F32,
                       0,
                       0x3FC0,
                       HOST_TRACE_TIMESTAMP,
                       1,
                       2,
                       0,
                       HOST_TRACE_BOOL,
                       1,
                       HOST_TRACE_U8,
                       0,
                       0};
    host_trace_entry *e;
    uint32_t n;
    says(b, host_trace_decode(good, 17, a, &e, &n, b->d), "cut short");
    good[0] = 15;
    must(b, host_trace_decode(good, 19, a, &e, &n, b->d));
    assert_int_equal(n, 5);
    assert_string_equal(e[0].text, "abc");
    assert_int_equal(e[1].whole, -1);
    assert_true(e[2].real == 1.5);
    assert_int_equal(e[3].whole, 0x20001);
    says(b, host_trace_decode(good, 10, a, &e, &n, b->d), "15 of its 9 words");
    good[1] = 99;
    says(b, host_trace_decode(good, 19, a, &e, &n, b->d), "entry kind 99");
    good[1] = HOST_TRACE_STRING, good[2] = 60000;
    says(b, host_trace_decode(good, 19, a, &e, &n, b->d), "string of 60000 bytes");
    arena_free(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(orders_and_strides),
        TEST(copies_go_where_the_pointer_points),
        TEST(halves_travel_in_containers),
        TEST(wrong_transfers_are_told),
        TEST(arguments_are_checked_and_packed),
        TEST(launches_wait_for_each_other_and_copies_for_them),
        TEST(a_copy_gives_streamed_data_time_to_arrive),
        TEST(a_deadlock_is_an_error),
        TEST(nothing_sent_is_a_deadlock),
        TEST(an_unfinished_launch_is_told_at_stop),
        TEST(a_fault_ends_the_run),
        TEST(endless_programs_are_given_up),
        TEST(polling_makes_progress),
        TEST(cores_come_back_and_damage_is_seen),
        TEST(traces_are_decoded_and_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
