/* The compiler on 500 programs that nobody would write: sentences of a small grammar of CSL, and our own programs with
 * tokens deleted, doubled, swapped, replaced or cut off. It must neither crash nor hang; a refusal has a message with a
 * place, and what it accepts is a sound image, which then runs for a while.
 *
 *     test_csl_robust [COUNT [FIRST_SEED [FILE...]]]     more of them, from other seeds, from other programs
 *
 * A failure prints the program. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "csl/csl.h"
#include "wse/wse.h"
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TOKENS_MAX = 1 << 14, DEPTH_MAX = 7 };

typedef struct {
    uint64_t count, seed;
    char **files;
    size_t file_count;
} plan;

/* ---- sentences ---- */

/* What a letter may become: %X is again a letter, %W a name that is not taken. Of each letter the first row ends, and
 * is what is left when it gets deep. */
static const struct {
    char letter;
    const char *text;
} rules[] = {
    {'P', "%V%D%F%M%Q%R%U%C"},
    {'P', "%V%F%M%Q%R%U%C"},
    {'P', "%V%D%D%F%M%Q%R%U%C%B"},
    {'P', "%V%D%D%F%M%L"},
    {'V', "var a = @zeros([8]f32);\nvar x: i16 = 3;\nconst c: u16 = 2;\nconst s = .{ .a = 1, .b = x };\nvar z = [2, "
          "2]i16 { 1, 2, 3, 4 };\n"
          "const d = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{8} -> a[i] });\nconst q = @get_input_queue(2);\n"
          "const o = @get_output_queue(3);\nconst in = @get_dsd(fabin_dsd, .{ .extent = 4, .input_queue = q });\n"
          "fn v(e: i16) i16 { return e + 1; }\n"},
    {'V', "param p: i16 = 4;\nexport var a = @zeros([4, 4]i16);\nvar x: u32 = 7;\nconst c = @get_color(5);\nvar y: f16 "
          "= 0.5;\n"
          "const s = [3]i16 { 1, 2, 3 };\nconst K = enum(u16) { a, b };\nvar r: *i16 = &a[0, 0];\nfn v(e: i16) i16 { "
          "return e + 1; }\n"},
    {'L', "layout { @set_rectangle(1, 1); @set_tile_code(0, 0, \"p.csl\", .{ .a = %E });%S }\n"},
    {'L', "layout { @set_rectangle(%N, %N);%S%S%S%S%S%S }\n"},
    {'L', "layout { @set_rectangle(%N, %N);%S%S%S for (@range(i16, %N)) |x| {%S%S%S%S } }\n"},
    {'C', "comptime { @bind_local_task(t, @get_local_task_id(12)); }\n"},
    {'C', "comptime { @bind_local_task(t, @get_local_task_id(12)); @bind_data_task(u, "
          "@get_data_task_id(@get_color(4))); }\n"},
    {'C', "comptime { @bind_local_task(t, @get_local_task_id(12)); @initialize_queue(@get_input_queue(2), .{ .color = "
          "@get_color(4) }); }\n"},
    {'B', "comptime {%K%K%K%S}\n"},
    {'D', "const %W = %E;\n"},
    {'D', "var %W: %T = %E;\n"},
    {'D', "param %W: %T = %E;\n"},
    {'D', "export var %W = @zeros([%N]%T);\n"},
    {'D', "const %W = @get_dsd(%G, .{ .%A = %E, .%A = %E });\n"},
    {'D', "const %W = @get_dsd(mem1d_dsd, .{ .tensor_access = |i|{%N} -> %I[%E] });\n"},
    {'D', "const %W = struct { a: %T, b: %T = %E };\n"},
    {'D', "const %W = @import_module(\"p.csl\", .{ .p = %E });\n"},
    {'D', "const %W = @get_input_queue(%N);\n"},
    {'D', "const %W = @allocate_fifo(%I, .{ .%A = %E });\n"},
    {'F', "fn f(x: %T) %T {%S%S return %E; }\n"},
    {'M', "fn g(comptime T: type, y: %T) T {%S return %E; }\n"},
    {'Q', "inline fn h(x: anytype) %T {%S return %E; }\n"},
    {'R', "task t() void {%S%S%S}\n"},
    {'U', "task u(w: %T) void {%S%S}\n"},
    {'K', " @bind_local_task(t, @get_local_task_id(%N));"},
    {'K', " @bind_data_task(u, @get_data_task_id(%E));"},
    {'K', " @initialize_queue(%E, .{ .color = %E });"},
    {'K', " @activate(%E);"},
    {'K', " @export_symbol(%I, \"%I\");"},
    {'K', " @set_local_color_config(@get_color(%N), .{ .routes = .{ .rx = .{ %E }, .tx = %E } });"},
    {'K', " @block(%E);"},
    {'S', " %I = %E;"},
    {'S', " var %I = %E;"},
    {'S', " const %I: %T = %E;"},
    {'S', " comptime var %I: %T = %E;"},
    {'S', " if (%E) {%S} else {%S}"},
    {'S', " while (%E) : (%I += 1) {%S}"},
    {'S', " inline for (@range(%T, %N)) |a, b| {%S}"},
    {'S', " for (%E) |c| {%S%S}"},
    {'S', " switch (%E) { %E => {%S}, else => {%S} }"},
    {'S', " %I[%E] += %E;"},
    {'S', " %I.* = %E;"},
    {'S', " @%O(%E, %E, %E);"},
    {'S', " @%O(%I, %I, %I, .{ .async = true, .activate = %I });"},
    {'S', " while (%E) {%S break; }"},
    {'S', " for (@range(i16, x)) |n| { if (%E) {%S continue; } %S }"},
    {'S', " return %E;"},
    {'S', " @set_tile_code(%E, %E, \"p.csl\", .{ .p = %E });"},
    {'S', " @set_color_config(%E, %E, %E, .{ .routes = .{ .rx = .{ %E }, .tx = .{ %E } } });"},
    {'S', " @export_name(\"%I\", %T, true);"},
    {'S', " @map(%I, %I, %I);"},
    {'E', "%N"},
    {'E', "%I"},
    {'E', "%I"},
    {'E', "%N.%N"},
    {'E', "(%E + %E)"},
    {'E', "(%E * %E)"},
    {'E', "(%E %% %E)"},
    {'E', "(%E << %E)"},
    {'E', "(%E == %E)"},
    {'E', "(%E < %E)"},
    {'E', "(%E and %E)"},
    {'E', "-%E"},
    {'E', "!%E"},
    {'E', "~%E"},
    {'E', "&%I"},
    {'E', "&%I[%E]"},
    {'E', "%I.*"},
    {'E', "%I[%E]"},
    {'E', "%I[%E, %E]"},
    {'E', "%I.a"},
    {'E', "%I.%A"},
    {'E', "%I(%E)"},
    {'E', "%I(%T, %E)"},
    {'E', "@as(%T, %E)"},
    {'E', "@bitcast(%T, %E)"},
    {'E', "@ptrcast(%T, %E)"},
    {'E', "@constants([%N]%T, %E)"},
    {'E', "@zeros([%N, %N]%T)"},
    {'E', "@range(%T, %E, %E, %E)"},
    {'E', "@type_of(%E)"},
    {'E', "@field(%E, \"a\")"},
    {'E', "@concat_structs(%E, %E)"},
    {'E', "@increment_dsd_offset(%I, %E, %T)"},
    {'E', "@set_dsd_length(%I, %E)"},
    {'E', "@get_color(%N)"},
    {'E', "@get_local_task_id(%N)"},
    {'E', "@get_dsr(dsr_dest, %N)"},
    {'E', "@get_int(%E)"},
    {'E', "@get_rectangle().width"},
    {'E', ".{ %E, %E }"},
    {'E', ".{ .a = %E, .b = %E }"},
    {'E', "[2]%T { %E, %E }"},
    {'E', "%I{ .a = %E }"},
    {'E', "(if (%E) %E else %E)"},
    {'E', "(k: {%S break :k %E; })"},
    {'E', "undefined"},
    {'E', "true"},
    {'E', "{}"},
    {'E', "\"text\""},
    {'E', "EAST"},
    {'E', "%T"},
    {'T', "i16"},
    {'T', "u16"},
    {'T', "f32"},
    {'T', "f16"},
    {'T', "u32"},
    {'T', "i64"},
    {'T', "u8"},
    {'T', "bool"},
    {'T', "void"},
    {'T', "type"},
    {'T', "u%N"},
    {'T', "color"},
    {'T', "*%T"},
    {'T', "[*]%T"},
    {'T', "*const fn (%T) %T"},
    {'T', "[%N]%T"},
    {'T', "%G"},
    {'T', "comptime_int"},
    {'T', "comptime_struct"},
    {'T', "%I"},
    {'T', "enum(u8) { a, b = %N }"},
    {'T', "struct { a: %T, b: %T }"},
    {'T', "union { a: %T, b: %T }"},
    {'G', "mem1d_dsd"},
    {'G', "mem4d_dsd"},
    {'G', "fabin_dsd"},
    {'G', "fabout_dsd"},
    {'G', "circbuf_dsd"},
    {'A', "extent"},
    {'A', "base_address"},
    {'A', "input_queue"},
    {'A', "output_queue"},
    {'A', "fabric_color"},
    {'A', "stride"},
    {'A', "async"},
    {'O', "fmovs"},
    {'O', "fadds"},
    {'O', "fmacs"},
    {'O', "mov16"},
    {'O', "add16"},
    {'O', "load_to_dsr"},
    {'N', "1"},
    {'N', "0"},
    {'N', "2"},
    {'N', "3"},
    {'N', "8"},
    {'N', "10"},
    {'N', "31"},
    {'N', "100"},
    {'N', "40000"},
    {'N', "70000"},
    {'N', "4294967295"},
    {'N', "99999999999999999999"},
    {'I', "x"},
    {'I', "a"},
    {'I', "c"},
    {'I', "s"},
    {'I', "d"},
    {'I', "q"},
    {'I', "in"},
    {'I', "z"},
    {'I', "y"},
    {'I', "r"},
    {'I', "t"},
    {'I', "f"},
    {'I', "g"},
    {'I', "h"},
    {'I', "v"},
    {'I', "p"},
    {'I', "b"},
    {'I', "m"},
    {'I', "K"},
    {'I', "o"},
};

static void expand(strbuf *out, rng *r, char letter, int depth, int *declared) {
    size_t first = 0, n = 0;
    while (rules[first].letter != letter) first++;
    while (first + n < sizeof rules / sizeof *rules && rules[first + n].letter == letter) n++;
    const char *p = rules[first + (depth > DEPTH_MAX ? 0 : rng_below(r, (uint32_t)n))].text;
    for (; *p; p++) {
        if (*p != '%') strbuf_addc(out, *p);
        else if (*++p == '%') strbuf_addc(out, '%');
        else if (*p == 'W') strbuf_addc(out, "bmnwghij"[(*declared)++ % 8]);
        else if (out->len < 20000) expand(out, r, *p, depth + 1, declared);
    }
}

/* ---- mutations ---- */

static bool is_word(char c) { return c == '_' || c == '@' || (c >= '0' && c <= '9') || (c | 32) >= 'a'; }

static size_t split(str text, str *tokens) {
    size_t n = 0;
    for (size_t i = 0, end; i < text.n && n < TOKENS_MAX; i = end) {
        end = i + 1;
        if (is_word(text.p[i]))
            while (end < text.n && is_word(text.p[end])) end++;
        tokens[n++] = (str){text.p + i, end - i};
    }
    return n;
}

static void mutate_once(rng *r, str *t, size_t *n) {
    static const char *const news[] = {
        "0",      "1",         "65535",   "40000",     "2147483648", "18446744073709551616",
        "-1",     "(",         ")",       "undefined", ".",          "[*]",
        "&",      "comptime ", "inline ", "{",         "}",          ";",
        "i16",    "f32",       "type",    "anytype",   "void",       "\"s\"",
        "@zeros", "0.5"};
    if (*n < 4) return;
    size_t i = rng_below(r, (uint32_t)*n), k = rng_below(r, (uint32_t)*n), few = 1 + rng_below(r, 3);
    if (i + few > *n) few = *n - i;
    str kept = t[i];
    switch (rng_below(r, 8)) {
    case 0: memmove(t + i, t + i + few, (*n - i - few) * sizeof *t), *n -= few; break;
    case 1:
        if (*n + few > TOKENS_MAX) break;
        memmove(t + i + few, t + i, (*n - i) * sizeof *t), *n += few;
        break;
    case 2: t[i] = t[k], t[k] = kept; break;
    case 3: *n = i ? i : 1; break;
    case 4: t[i] = t[k]; break;
    default:
        while (i < *n && !is_word(t[i].p[0])) i++; /* a name or number */
        if (i < *n) t[i] = rng_below(r, 2) ? str_from(news[rng_below(r, sizeof news / sizeof *news)]) : t[k];
    }
}

static void mutate(strbuf *out, rng *r, str text) {
    str *tokens = mem_alloc_n(TOKENS_MAX, sizeof *tokens);
    if (!tokens) fail();
    size_t n = split(text, tokens);
    for (uint32_t times = 1 + rng_below(r, 4); times; times--) mutate_once(r, tokens, &n);
    for (size_t i = 0; i < n; i++) strbuf_add(out, tokens[i].p, tokens[i].n);
    mem_free(tokens);
}

/* ---- compiling ---- */

typedef struct {
    str text;
    arena *memory;
} given;

/* The program is p.csl too, and so what its layout places and its imports find; the library is real. */
static bool sources(void *context, const char *path, str *text) {
    static const char *const self[] = {"robust.csl", "p.csl", "pe.csl", "./p.csl", "./pe.csl"};
    const given *g = context;
    for (size_t i = 0; i < sizeof self / sizeof *self; i++)
        if (!strcmp(path, self[i])) return *text = g->text, true;
    diag *d = diag_new();
    bool found =
        d && !strncmp(path, "lib/", 4) && file_exists(path) && file_read_all(g->memory, path, 1 << 20, text, d);
    diag_free(d);
    return found;
}

/* The program of a single PE as an image. */
static isa_image *single(const csl_options *o, diag *d) {
    uint32_t program;
    isa_image *done = NULL;
    strbuf bytes = {0};
    csl_session *s = csl_session_new(o, d);
    if (s && csl_session_program(s, "robust.csl", NULL, 0, &program, d)) {
        isa_image *m = csl_session_image(s);
        m->width = m->height = m->fabric_width = m->fabric_height = 1;
        m->tiles = arena_push_n(m->memory, isa_tile, 1);
        if (isa_image_encode(m, &bytes, d)) done = isa_image_parse(strbuf_str(&bytes), "robust.csl", d);
    }
    strbuf_free(&bytes);
    csl_session_free(s);
    return done;
}

/* Every error stands at FILE:LINE:COLUMN, or names the file when it is about the whole of it. */
static bool has_places(const char *messages) {
    for (const char *line = messages; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, "error: ", 7)) continue;
        size_t n = strcspn(line, "\n");
        str text = {line, n};
        if (!str_contains(text, STR("robust.csl")) && !str_contains(text, STR("p.csl")) &&
            !str_contains(text, STR("pe.csl")))
            return false;
        if (str_contains(text, STR("image")) || str_contains(text, STR("instruction")))
            return false; /* an unsound image was made */
    }
    return true;
}

static void run_a_while(const isa_wafer *wafer, const isa_image *image, diag *d) {
    if (image->width * image->height > 64) return;
    wse *m = wse_new(wafer, image, &(wse_options){.threads = 1}, d);
    if (m) wse_run(m, 3000, false);
    wse_free(m);
}

static void check(uint64_t seed, str text, const char *from) {
    diag *d = diag_new();
    given g = {text, arena_new(0)};
    isa_wafer wafer;
    isa_arch arch = seed % 2 ? ISA_WSE3 : ISA_WSE2;
    if (!d || !g.memory ||
        !isa_wafer_read(&wafer, arch == ISA_WSE3 ? "data/machines/wse3.json" : "data/machines/wse2.json", "vendor-sim",
                        d))
        fail();
    csl_options o = {.arch = arch,
                     .wafer = &wafer,
                     .library = "lib",
                     .memcpy = seed % 3 == 0,
                     .channels = 1,
                     .read = sources,
                     .read_context = &g,
                     .max_steps = 200000,
                     .max_memory_bytes = 128 << 20};
    isa_image *image = str_contains(text, STR("layout")) ? csl_compile("robust.csl", &o, d) : single(&o, d);
    bool told = diag_error_count(d) != 0;
    if (!image == told && image) run_a_while(&wafer, image, d);
    if (!image != told || !has_places(diag_text(d)))
        fail_msg("seed %" PRIu64 ", %s: %s\n%s\n%.*s", seed, from,
                 !image == told ? "an error without a place" : "accepted with errors, or refused without", diag_text(d),
                 (int)text.n, text.p);
    isa_image_free(image);
    arena_free(g.memory);
    diag_free(d);
}

static void sentences(void **state) {
    const plan *p = *state;
    for (uint64_t seed = p->seed; seed < p->seed + p->count / 2; seed++) {
        rng r = rng_seed(seed);
        strbuf text = {0};
        int declared = 0;
        expand(&text, &r, 'P', 0, &declared);
        check(seed, strbuf_str(&text), "a sentence");
        strbuf_free(&text);
    }
}

static void mutations(void **state) {
    const plan *p = *state;
    for (uint64_t seed = p->seed; seed < p->seed + (p->count + 1) / 2; seed++) {
        rng r = rng_seed(seed);
        arena *a = arena_new(0);
        diag *d = diag_new();
        strbuf text = {0};
        str source = {0};
        const char *path = p->files[rng_below(&r, p->file_count)];
        if (!a || !d || !file_read_all(a, path, 1 << 20, &source, d)) fail();
        mutate(&text, &r, source);
        check(seed, strbuf_str(&text), path);
        strbuf_free(&text);
        diag_free(d);
        arena_free(a);
    }
}

int main(int argc, char **argv) {
    glob_t found = {0};
    plan p = {500, 1, argv + 3, argc > 3 ? (size_t)argc - 3 : 0};
    if (argc > 1) p.count = strtoull(argv[1], NULL, 10);
    if (argc > 2) p.seed = strtoull(argv[2], NULL, 10);
    if (!p.file_count) {
        glob("tests/csl/*.csl", 0, NULL, &found);
        glob("examples/*/*.csl", GLOB_APPEND, NULL, &found);
        p.files = found.gl_pathv, p.file_count = found.gl_pathc;
    }
    if (!p.file_count) return printf("no programs in tests/csl\n"), 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(sentences, &p),
                                       cmocka_unit_test_prestate(mutations, &p)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    globfree(&found);
    return failed;
}
