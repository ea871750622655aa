/* Does the parser build the tree that the grammar says, tell every mistake at its place, and survive any text? */
#include "csl/ast.h"
#include "base/file.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define DATA        "tests/data/csl_parse/"
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* One parse, with what it needs and leaves. */
typedef struct {
    arena *a;
    diag *d;
    csl_file *f;
} parsed;

static parsed parse(str text) {
    parsed p = {.a = arena_new(0), .d = diag_new()};
    assert_true(p.a && p.d);
    p.f = csl_parse(p.a, "test.csl", text, p.d);
    assert_int_equal(!p.f, diag_error_count(p.d) > 0); /* a refusal, and only that, has a reason */
    return p;
}

static void drop(parsed *p) {
    if (p->f) map_free(&p->f->names);
    diag_free(p->d);
    arena_free(p->a);
}

static str read(arena *a, const char *path) {
    diag *d = diag_new();
    str text = {0};
    if (!file_read_all(a, path, 1 << 20, &text, d)) fail_msg("%s", diag_text(d));
    diag_free(d);
    return text;
}

/* -- golden files */

static void trees_are_as_recorded(void **state) {
    (void)state;
    static const char *const files[][2] = {{DATA "layout.csl", DATA "layout.ast"}, {DATA "pe.csl", DATA "pe.ast"}};
    for (size_t i = 0; i < COUNT(files); i++) {
        arena *a = arena_new(0);
        str want = read(a, files[i][1]);
        parsed p = parse(read(a, files[i][0]));
        if (!p.f) fail_msg("%s", diag_text(p.d));
        strbuf out = {0};
        csl_ast_print(p.f, &out);
        assert_string_equal(out.data, want.p);
        strbuf_free(&out);
        drop(&p);
        arena_free(a);
    }
}

static void mistakes_are_told_as_recorded(void **state) {
    (void)state;
    arena *a = arena_new(0);
    diag *d = diag_new();
    str text = read(a, DATA "errors.csl"), want = read(a, DATA "errors.txt");
    assert_null(csl_parse(a, DATA "errors.csl", text, d));
    assert_string_equal(diag_text(d), want.p);
    diag_free(d);
    arena_free(a);
}

static void tick(const csl_node *n, bool *seen) {
    for (; n; n = n->next) {
        const csl_node *const children[] = {n->a, n->b, n->c, n->d, n->e, n->align};
        seen[n->kind] = true;
        for (size_t i = 0; i < COUNT(children); i++) {
            for (const csl_node *c = children[i]; c; c = c->next) {
                assert_true(c->height < n->height);
                if (n->kind != CSL_VAR) assert_true(c->at.begin >= n->at.begin && c->at.end <= n->at.end);
            }
            tick(children[i], seen);
        }
    }
}

static void golden_files_have_every_kind_of_node(void **state) {
    (void)state;
    static const char *const files[] = {DATA "layout.csl", DATA "pe.csl"};
    bool seen[CSL_KINDS] = {0};
    arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(files); i++) {
        parsed p = parse(read(a, files[i]));
        assert_non_null(p.f);
        tick(p.f->top, seen);
        drop(&p);
    }
    for (int kind = 0; kind < CSL_KINDS; kind++)
        if (!seen[kind]) fail_msg("node kind %d is in no golden file", kind);
    arena_free(a);
}

/* -- expressions: what binds what, with parentheses around every operation */

static void show(const csl_node *n, strbuf *out) {
    static const char *const ops[CSL_OPS] = {"",   "+",   "-",  "*",   "/",   "%",   "<<",   ">>",
                                             "&",  "|",   "^",  "==",  "!=",  "<",   "<=",   ">",
                                             ">=", "and", "or", "neg", "not", "inv", "addr", "comptime"};
    if (n->kind == CSL_NAME) {
        strbuf_add(out, n->name.p, n->name.n);
        return;
    }
    strbuf_addc(out, '(');
    if (n->kind == CSL_BINARY || n->kind == CSL_UNARY) strbuf_adds(out, ops[n->op]);
    else if (n->kind == CSL_MEMBER) strbuf_addc(out, '.'), strbuf_add(out, n->name.p, n->name.n);
    else
        strbuf_adds(out, n->kind == CSL_INDEX   ? "[]"
                         : n->kind == CSL_CALL  ? "call"
                         : n->kind == CSL_DEREF ? ".*"
                                                : "?");
    const csl_node *const children[] = {n->a, n->b};
    for (int i = 0; i < 2; i++)
        for (const csl_node *c = children[i]; c; c = c->next) strbuf_addc(out, ' '), show(c, out);
    strbuf_addc(out, ')');
}

static void operators_bind_by_the_table(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"a | b ^ c & d", "(| a (^ b (& c d)))"},
        {"a & b ^ c | d", "(| (^ (& a b) c) d)"},
        {"a & b == c", "(== (& a b) c)"},
        {"a | b != c ^ d", "(!= (| a b) (^ c d))"},
        {"a << b | c", "(| (<< a b) c)"},
        {"a << b + c", "(<< a (+ b c))"},
        {"a + b & c", "(& (+ a b) c)"},
        {"a - b - c", "(- (- a b) c)"},
        {"a / b * c % d", "(% (* (/ a b) c) d)"},
        {"a + b * c - d", "(- (+ a (* b c)) d)"},
        {"(a + b) * c", "(* (+ a b) c)"},
        {"a >> b >> c", "(>> (>> a b) c)"},
        {"a < b and c >= d or e", "(or (and (< a b) (>= c d)) e)"},
        {"a or b and c", "(or a (and b c))"},
        {"(a == b) == c", "(== (== a b) c)"},
        {"-a + !b", "(+ (neg a) (not b))"},
        {"-a.b", "(neg (.b a))"},
        {"~-a", "(inv (neg a))"},
        {"comptime a + b", "(+ (comptime a) b)"},
        {"&a[b, c]", "(addr ([] a b c))"},
        {"&(a[b])", "(addr ([] a b))"},
        {"(a.*)[b]", "([] (.* a) b)"},
        {"a.*[b]", "([] (.* a) b)"},
        {"a.b.c(d)(e,).f", "(.f (call (call (.c (.b a)) d) e))"},
        {"a.param", "(.param a)"},
        {"a * b.*", "(* a (.* b))"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        strbuf text = {0}, out = {0};
        strbuf_addf(&text, "const x = %s;", rows[i][0]);
        parsed p = parse(strbuf_str(&text));
        if (!p.f) fail_msg("%s", diag_text(p.d));
        show(p.f->top->b, &out);
        assert_string_equal(out.data, rows[i][1]);
        strbuf_free(&text);
        strbuf_free(&out);
        drop(&p);
    }
}

static void idioms_are_accepted(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "// nothing\n",
        "\xEF\xBB\xBFparam x;",
        ";;",
        "comptime {};",
        "const t: task () void = main;",
        "const x = (if (a) 0 else 1) + (if (b) 0 else 1);",
        "const d = if (up) .{ RAMP } else .{ RAMP, SOUTH };",
        "const m = @import_module(if (a) \"x.csl\" else \"y.csl\", .{});",
        "param pattern: u16; param table: *const [pattern]f32; param buf: *[pattern * 2]T;",
        "fn f() void { if (c) @block(c); if (c) a = 1 else b = 2; if (c) return else f(); }",
        "fn f() void { if (c) if (d) a() else b() else e(); if (c) a(); else b(); }",
        "fn f() void { if (c) { } else if (d) { } else { }; while (c) { }; { }; for (a) |i| f(i); }",
        "fn f() void { if (c) for (a) |i| f(i) else g(); if (c) while (d) a = 1 else b = 2; }",
        "fn f(x: u16,) [8]u16 { return [1]u32 { f(g(x)), }; }",
        "fn f() @type_of(x) { return x; } fn g() mod.T { } fn h() [2]mod.T { } fn i() *const [2]u8 { }",
        "fn f() @fp16() { } fn g() [n]f16 align(4) { } fn h(p: struct { a: u16, }) struct { b: u16 } { }",
        "fn f() void { const in = data; const test = 1; var task_id: u16 = 2; var color: u16 = 3; }",
        "fn f() void { for (@zeros([W]u8)) |_, Px| { } reset(a, .{ .tx = [2]direction{WEST, NORTH}, .rx = RAMP }); }",
        "const v = blk: { const t = 1; break :blk t; }; const w = { f(); };",
        "const r = P{ .a = Q{}, .b = mod.R{ .c = 1 }, };",
        "const s = struct { x: i16 }{ .x = 1 };",
        "export task t(a: u16) void { } export inline fn f() void { } export const q: u16 = 1;",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        parsed p = parse(str_from(rows[i]));
        if (!p.f) fail_msg("%s", diag_text(p.d));
        drop(&p);
    }
}

/* -- literals, names, places */

static const csl_node *value_of(const parsed *p) {
    assert_non_null(p->f);
    return p->f->top->b;
}

static void integers_hold_127_bits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t high, low;
        bool too_big;
    } rows[] = {
        {"0", 0, 0, false},
        {"1_000", 0, 1000, false},
        {"0xFf_00", 0, 0xff00, false},
        {"0b101", 0, 5, false},
        {"0o17", 0, 15, false},
        {"'A'", 0, 65, false},
        {"'\\n'", 0, 10, false},
        {"'\\xff'", 0, 255, false},
        {"'\xC3\xA9'", 0, 0xE9, false},
        {"18446744073709551616", 1, 0, false},
        {"170141183460469231731687303715884105727", INT64_MAX, UINT64_MAX, false},
        {"170141183460469231731687303715884105728", INT64_MAX, UINT64_MAX, true},
        {"0xffffffffffffffffffffffffffffffffffffffff", INT64_MAX, UINT64_MAX, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[128];
        snprintf(text, sizeof text, "const x = %s;", rows[i].text);
        parsed p = parse(str_from(text));
        const csl_node *n = value_of(&p);
        assert_int_equal(n->kind, CSL_INT);
        assert_true((uint64_t)(n->integer >> 64) == rows[i].high && (uint64_t)n->integer == rows[i].low);
        assert_int_equal((n->flags & CSL_TOO_BIG) != 0, rows[i].too_big);
        drop(&p);
    }
}

static void floats_and_strings_have_their_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } floats[] = {{"1.0", 1}, {"1.5e-3", 1.5e-3}, {"1e3", 1000}, {"2E+1", 20}, {"1_0.2_5", 10.25}, {"0.0", 0}};
    for (size_t i = 0; i < COUNT(floats); i++) {
        char text[64];
        snprintf(text, sizeof text, "const x = %s;", floats[i].text);
        parsed p = parse(str_from(text));
        assert_int_equal(value_of(&p)->kind, CSL_FLOAT);
        assert_true(value_of(&p)->number == floats[i].value);
        drop(&p);
    }
    parsed p = parse(STR("const x = \"a\\n\\t\\r\\\\\\\"\\'\\x00\\x41//\";"));
    assert_true(str_eq(value_of(&p)->name, STR("a\n\t\r\\\"'\0A//")));
    drop(&p);
}

static void names_and_places_are_kept(void **state) {
    (void)state;
    const char *text = "const a = b.c + 1;\nfn f(x: u16) void { }\n";
    parsed p = parse(str_from(text));
    assert_non_null(p.f);
    uint64_t found;
    assert_true(map_get(&p.f->names, STR("f"), &found));
    const csl_node *a = p.f->top, *f = (csl_node *)(uintptr_t)found;
    assert_ptr_equal(a->next, f);
    assert_true(f->at.begin == 19 && f->at.end == 40 && f->name_at.begin == 22 && f->name_at.end == 23);
    assert_true(a->at.begin == 0 && a->at.end == 18);
    assert_true(a->b->at.begin == 10 && a->b->at.end == 17);
    assert_true(a->b->a->at.end == 13 && a->b->a->name_at.begin == 12);
    assert_ptr_not_equal(p.f->source.text.p, text); /* the file outlives what it was read from */
    drop(&p);
}

/* -- mistakes */

static void one_mistake_gives_one_message(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"const x = 1\nconst y = 2;", "1:12: error: expected ';' after the declaration"},
        {"const x = 1; fn x() void { }", "1:17: error: redefinition of 'x'"},
        {"const x = ;", "expected an expression, found ';'"},
        {"const x: = 1;", "expected a type, found '='\n"},
        {"const fn = 1;", "expected the name of a variable, found the keyword 'fn'"},
        {"x = 1;", "expected a declaration"},
        {"const x = a < b < c;", "comparisons do not chain"},
        {"const x = a && b;", "there is no '&&': write 'and'"},
        {"const x = a || b;", "there is no '||': write 'or'"},
        {"const x = (1, 2);", "a tuple is written .{a, b}"},
        {"const x = .5;", "a float needs a digit before its point"},
        {"const x = 5.;", "a float needs a digit behind its point"},
        {"const x = .name;", "an enum value is written with its type"},
        {"const x = 12ab;", "malformed number: decimal"},
        {"const x = 0x;", "malformed number: hexadecimal"},
        {"const x = 0b12;", "malformed number: binary"},
        {"const x = 1__0;", "malformed number"},
        {"const x = 1_;", "malformed number"},
        {"const x = 1.5e;", "malformed float"},
        {"const x = 1e999;", "float beyond the range"},
        {"const x = \"abc;\nconst y = 1;", "string without a closing \""},
        {"const x = \"\\q\";", "1:12: error: unknown escape"},
        {"const x = \"\\x4\";", "unknown escape"},
        {"const x = '';", "exactly one character"},
        {"const x = 'ab';", "exactly one character"},
        {"const x = $$ 1;", "the character '$' has no meaning"},
        {"const x = \x01 1;", "the byte 0x01"},
        {"const x = @ f();", "'@' must be followed"},
        {"const x = @f;", "expected '(' after the name of a builtin"},
        {"/* no */ const x = 1;", "CSL has no block comments"},
        {"const x = []u16;", "expected the extent of an array"},
        {"const x = a[];", "expected an index"},
        {"const x = .{ .a = 1, 2 };", "expected a field of the form"},
        {"const x = |i| a[i];", "before the extents"},
        {"const x = a = b;", "expected ';' after the declaration, found '='"},
        {"const x;", "'x' needs a value"},
        {"fn f() { }", "'f' has no return type"},
        {"fn f() void;", "'f' has no body"},
        {"fn f(u16) void { }", "a parameter has a name and a type"},
        {"fn f(a u16) void { }", "expected ':' between the name and the type"},
        {"fn f() void { x++; }", "there is no '++'"},
        {"fn f() void { else { } }", "this 'else' has no 'if'"},
        {"fn f() void { while (c); }", "an empty one is '{}'"},
        {"fn f() void { fn g() void { } }", "stands at the top level"},
        {"fn f() void { param x; }", "stands at the top level"},
        {"fn f() void { x: y(); }", "expected 'while' or 'for'"},
        {"fn f() void { switch (x) { 1 = 2 } }", "'=>' after the cases"},
        {"fn f() void { for (a) { } }", "before the loop variable"},
        {"fn f() void {\n", "the block begins here"},
        {"}", "this '}' closes nothing"},
        {"inline const x = 1;", "expected 'fn' or 'task'"},
        {"export 5;", "expected a variable or function"},
        {"var x: u8 align(1) align(2);", "'align' is given twice"},
        {"const x = asm(a (b);", "',' or ')' in the assembly"},
        {"const x = enum(u8) { a b };", "in the enum"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        parsed p = parse(str_from(rows[i].text));
        if (diag_error_count(p.d) != 1 || !strstr(diag_text(p.d), rows[i].message))
            fail_msg("%s\nshould give once: %s\nbut: %s", rows[i].text, rows[i].message, diag_text(p.d));
        drop(&p);
    }
}

/* Every bad line stands alone: the good ones around it tell nothing. */
static void reading_goes_on_after_a_mistake(void **state) {
    (void)state;
    static const char *const rows[] = {
        "foo(1 2, .{ .a = 1 .b = 2 });",
        "x = ;",
        "if (a b) { y = 1; } else { y = 2; }",
        "var a: [ = 1;",
        "while (c { x = 1; }",
        "for (a) i { }",
        "switch (a) { 1 => b; 2 => c }",
        "x = .{ .a = 1;",
        "return 1 2;",
        "x = 7 7;",
        "const s = struct { a: u8; b: u8 };",
        "x = y[1;",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        strbuf text = {0};
        strbuf_addf(&text,
                    "fn f() void {\n  var a: u16 = 1;\n  %s\n  const b = 2;\n  { %s\n  }\n  a = b;\n}\nvar g = 1;\n"
                    "layout {\n  f();\n}\n",
                    rows[i], rows[i]);
        parsed p = parse(strbuf_str(&text));
        if (diag_error_count(p.d) != 2) fail_msg("%s\n%s", text.data, diag_text(p.d));
        strbuf_free(&text);
        drop(&p);
    }
}

static void a_missing_brace_costs_one_function(void **state) {
    (void)state;
    parsed p = parse(STR("fn f() void {\n  if (a) {\n  b();\n}\nfn g() void {\n  c = 1 1;\n}\nvar h;\nconst i;\n"));
    assert_int_equal(diag_error_count(p.d), 3);
    assert_non_null(strstr(diag_text(p.d), "test.csl:5:1: error: expected '}', found 'fn'"));
    assert_non_null(strstr(diag_text(p.d), "test.csl:6:9: error"));
    assert_non_null(strstr(diag_text(p.d), "test.csl:9:7: error"));
    drop(&p);
}

static void at_most_twenty_errors_are_told(void **state) {
    (void)state;
    static const char *const lines[] = {"const = 1;\n", "$\n", "}\n", "fn f() void { x = ; }\n", "\"\n", "return 5;\n"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        strbuf text = {0};
        for (int k = 0; k < 1000; k++) strbuf_adds(&text, lines[i]);
        parsed p = parse(strbuf_str(&text));
        assert_int_equal(diag_error_count(p.d), 20);
        assert_non_null(strstr(diag_text(p.d), "the rest of the file is not read after 20 errors"));
        strbuf_free(&text);
        drop(&p);
    }
}

/* -- bounds */

/* before, then `times` times open, middle, `times` times close, after */
static parsed parse_deep(const char *const part[5], int times) {
    strbuf text = {0};
    strbuf_adds(&text, part[0]);
    for (int i = 0; i < times; i++) strbuf_adds(&text, part[1]);
    strbuf_adds(&text, part[2]);
    for (int i = 0; i < times; i++) strbuf_adds(&text, part[3]);
    strbuf_adds(&text, part[4]);
    parsed p = parse(strbuf_str(&text));
    strbuf_free(&text);
    return p;
}

static void depth_is_bounded(void **state) {
    (void)state;
    static const char *const rows[][5] = {
        {"const x = ", "(", "a", ")", ";"},
        {"const x = ", "-", "a", "", ";"},
        {"const x = ", ".{", "a", "}", ";"},
        {"const x = ", "f(", "a", ")", ";"},
        {"const x = ", "@f(", "a", ")", ";"},
        {"const x = ", "a[", "a", "]", ";"},
        {"const x = ", "[2]", "a", "", ";"},
        {"const x = ", "*", "a", "", ";"},
        {"const x: ", "fn (", "a", ") void", " = b;"},
        {"const x: ", "struct { a: ", "a", "}", " = b;"},
        {"const x = ", "if (a) b else ", "c", "", ";"},
        {"const x = ", "if (a) ", "c", "", ";"},
        {"const x = ", "|i|{2} -> ", "c", "", ";"},
        {"const x = ", "switch (a) { else => ", "c", "}", ";"},
        {"fn f() void ", "{", "a();", "}", ""},
        {"fn f() void {", "if (a) ", "b();", "", "}"},
        {"fn f() void {", "while (a) ", "b();", "", "}"},
        {"fn f() void {", "if (a) { } else ", "b();", "", "}"},
        {"fn f() void {", "fn f() void {", "b();", "}", "}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int times = 100; times <= 100000; times *= 1000) {
            parsed p = parse_deep(rows[i], times);
            bool nested_fn = i + 1 == COUNT(rows); /* wrong at any depth */
            if (nested_fn ? p.f != NULL : (p.f != NULL) != (times == 100))
                fail_msg("%d times %s: %s", times, rows[i][1], diag_text(p.d));
            if (times > 100 && !nested_fn) assert_non_null(strstr(diag_text(p.d), "too deeply nested"));
            drop(&p);
        }
    }
}

/* Left-leaning trees grow without recursion in the parser, but whoever walks them recurses. */
static void chains_are_bounded(void **state) {
    (void)state;
    static const char *const rows[][5] = {
        {"const x = a", " + a", "", "", ";"}, {"const x = a", ".b", "", "", ";"},
        {"const x = a", "(b)", "", "", ";"},  {"const x = a", "[b]", "", "", ";"},
        {"const x = a", ".*", "", "", ";"},   {"const x = a", " and b", "", "", ";"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int times = 1000; times <= 100000; times *= 100) {
            parsed p = parse_deep(rows[i], times);
            assert_int_equal(p.f != NULL, times == 1000);
            if (times > 1000) assert_non_null(strstr(diag_text(p.d), "too deeply nested"));
            drop(&p);
        }
    }
}

static void long_lists_are_no_depth(void **state) {
    (void)state;
    const char *const list[5] = {"const x = .{", "1,", "", "", "};"};
    const char *const block[5] = {"fn f() void {", "a = 1;", "", "", "}"};
    parsed p = parse_deep(list, 50000), q = parse_deep(block, 50000);
    assert_non_null(p.f);
    assert_non_null(q.f);
    drop(&p);
    drop(&q);
}

static void a_huge_file_is_refused(void **state) {
    (void)state;
    size_t bytes = (4 << 20) + 1;
    char *text = mem_alloc(bytes);
    assert_non_null(text);
    memset(text, ' ', bytes);
    parsed p = parse((str){text, bytes});
    assert_null(p.f);
    assert_non_null(strstr(diag_text(p.d), "at most 4194304 are read"));
    drop(&p);
    mem_free(text);
}

static void every_cut_is_survived(void **state) {
    (void)state;
    static const char *const files[] = {DATA "layout.csl", DATA "pe.csl", DATA "errors.csl"};
    arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(files); i++) {
        str text = read(a, files[i]);
        for (size_t n = 0; n < text.n; n++) {
            char *cut = mem_alloc(n + 1); /* its own block: reading beyond it is seen by the sanitizer */
            memcpy(cut, text.p, n);
            parsed p = parse((str){cut, n});
            drop(&p);
            mem_free(cut);
        }
    }
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_as_recorded),
        cmocka_unit_test(mistakes_are_told_as_recorded),
        cmocka_unit_test(golden_files_have_every_kind_of_node),
        cmocka_unit_test(operators_bind_by_the_table),
        cmocka_unit_test(idioms_are_accepted),
        cmocka_unit_test(integers_hold_127_bits),
        cmocka_unit_test(floats_and_strings_have_their_values),
        cmocka_unit_test(names_and_places_are_kept),
        cmocka_unit_test(one_mistake_gives_one_message),
        cmocka_unit_test(reading_goes_on_after_a_mistake),
        cmocka_unit_test(a_missing_brace_costs_one_function),
        cmocka_unit_test(at_most_twenty_errors_are_told),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(chains_are_bounded),
        cmocka_unit_test(long_lists_are_no_depth),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(every_cut_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
