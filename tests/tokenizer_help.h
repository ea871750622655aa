/* What the tokenizer tests share: models, golden lines, round trips. How the golden data came about:
 * tests/data/tokenizer/README. */
#ifndef INGOT_TESTS_TOKENIZER_HELP_H
#define INGOT_TESTS_TOKENIZER_HELP_H
#include "base/file.h"
#include "llm/tok_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DATA "tests/data/tokenizer/"

typedef struct {
    arena *a;
    diag *d;
    gguf g;
    llm_vocab v;
    tokenizer *t; /* NULL when the file was refused: see d */
} model;

/* On the heap: the tokenizer points to the vocabulary in it. */
static inline model *model_new(void) {
    model *m = mem_alloc(sizeof *m);
    assert_non_null(m);
    m->a = arena_new(0);
    m->d = diag_new();
    return m;
}

static inline void model_free(model *m) {
    tokenizer_free(m->t);
    gguf_free(&m->g);
    diag_free(m->d);
    arena_free(m->a);
    mem_free(m);
}

static inline str read_text(model *m, const char *path) {
    str s = {0};
    if (!file_read_all(m->a, path, 256 << 20, &s, m->d))
        fail_msg("%s", diag_text(m->d));
    return s;
}

static inline void load_bytes(model *m, const char *name, str bytes) {
    bool ok = gguf_parse(&m->g, m->a, name, (const uint8_t *)bytes.p, bytes.n, bytes.n, m->d) == GGUF_OK &&
              vocab_from_gguf(&m->v, m->a, name, &m->g, m->d);
    m->t = ok ? tokenizer_new(&m->v, m->d) : NULL;
    assert_int_equal(m->t == NULL, diag_error_count(m->d) > 0);
}

static inline model *load_gguf(const char *path) {
    model *m = model_new();
    load_bytes(m, path, read_text(m, path));
    if (!m->t)
        fail_msg("%s", diag_text(m->d));
    return m;
}

static inline model *load_json(str json, str config, str generation) {
    model *m = model_new();
    if (vocab_from_json(&m->v, m->a, "test", json, config, generation, (str){0}, m->d))
        m->t = tokenizer_new(&m->v, m->d);
    assert_int_equal(m->t == NULL, diag_error_count(m->d) > 0);
    return m;
}

/* A vocabulary-only file of the shared folder; skips the test, saying so, when the folder is not there. */
static inline const char *shared(model *m, const char *name, const char *suffix) {
    const char *dir = getenv("INGOT_SHARED");
    char *path = arena_printf(m->a, "%s/tokenizers/%s%s", dir ? dir : "../shared", name, suffix);
    if (file_exists(path))
        return path;
    printf("%s is absent\n", path);
    model_free(m);
    skip();
    return NULL;
}

/* ---- comparing with golden ids ---- */

static inline str take_line(str *rest) {
    const char *end = memchr(rest->p, '\n', rest->n);
    str line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    rest->p += line.n + (end != NULL);
    rest->n -= line.n + (end != NULL);
    return line;
}

/* The texts are lines with \n, \\ and \xHH for what a line cannot hold. */
static inline void unescape(str line, strbuf *out) {
    strbuf_clear(out);
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        if (c != '\\')
            strbuf_addc(out, c);
        else if (line.p[++i] == 'n')
            strbuf_addc(out, '\n');
        else if (line.p[i] == 'x')
            strbuf_addc(out, (char)strtol((char[]){line.p[i + 1], line.p[i + 2], 0}, NULL, 16)), i += 2;
        else
            strbuf_addc(out, line.p[i]);
    }
}

static inline void encode(const tokenizer *t, str text, unsigned flags, token_list *ids) {
    diag *d = diag_new();
    ids->count = 0;
    if (!tokenizer_encode(t, text, flags, ids, d))
        fail_msg("%s", diag_text(d));
    diag_free(d);
}

static inline void expect_ids(const tokenizer *t, str text, unsigned flags, str golden) {
    token_list ids = {0};
    strbuf got = {0};
    encode(t, text, flags, &ids);
    for (size_t i = 0; i < ids.count; i++)
        strbuf_addf(&got, "%s%d", i ? " " : "", ids.ids[i]);
    while (golden.n && *golden.p == ' ')
        golden.p++, golden.n--;
    if (!str_eq(strbuf_str(&got), golden))
        fail_msg("'%.*s': got %s, not %.*s", (int)text.n, text.p, got.data ? got.data : "", (int)golden.n, golden.p);
    strbuf_free(&got);
    token_list_free(&ids);
}

static inline void decode(const tokenizer *t, const token_list *ids, strbuf *out) {
    detok s = {0};
    strbuf_clear(out);
    for (size_t i = 0; i < ids->count; i++) {
        detok_push(t, &s, ids->ids[i], out);
        assert_int_equal(utf8_incomplete_tail(strbuf_str(out)), 0); /* no half character is ever shown */
    }
    detok_finish(&s, out);
}

static inline void expect_round_trip(const tokenizer *t, str text) {
    token_list ids = {0};
    strbuf back = {0};
    encode(t, text, 0, &ids);
    decode(t, &ids, &back);
    if (!str_eq(strbuf_str(&back), text))
        fail_msg("'%.*s' came back as '%s'", (int)text.n, text.p, back.data);
    strbuf_free(&back);
    token_list_free(&ids);
}
#endif
